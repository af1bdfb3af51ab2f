"""How a lab writes its own weak labels in YAML: named quantities, and rules of thresholds over them."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from workflow_scripts.core.validation import Strict, nearest

CONDITION = re.compile(r"^\s*([\w.-]+)\s*(<=|>=|<|>)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*$")


class Condition(NamedTuple):
    """A quantity, how it compares, and with what."""

    quantity: str
    sign: str
    value: float


def parse_condition(text: str) -> Condition:
    """Read ``name > number`` (or <, >=, <=)."""
    found = CONDITION.match(text)
    try:
        return Condition(found[1], found[2], float(found[3]))  # type: ignore[index]
    except (TypeError, ValueError) as error:
        raise ValueError(f"cannot read {text!r}; write a quantity, one of < <= > >=, and a number") from error


class Quantity(Strict):
    """A number a frame."""

    measure: Literal["energy", "speed", "distance", "x", "y"] = Field(
        description="energy = mean change of all coordinates from the last frame; speed = of the points' mean, units "
        "per second; distance = between two points; x, y = the points' mean."
    )
    points: list[str] = Field([], description="Keypoints; empty = all.")
    individual: str | None = Field(None, description="Whose points; empty = the first animal's.")
    smooth: int = Field(1, ge=1, description="Frames of a centred rolling mean.")
    scale: float | Literal["q99"] = Field(
        1.0, description="What it is divided by: a number, or the recording's own 99th percentile."
    )

    @model_validator(mode="after")
    def _two_points(self) -> Quantity:
        if self.measure == "distance" and len(self.points) != 2:
            raise ValueError("distance needs two points")
        if self.scale == 0:
            raise ValueError("scale must not be 0")
        return self


class Rule(Strict):
    """A behaviour, where all of `when` hold."""

    behaviour: str
    when: list[str] = Field(min_length=1, description="Conditions like 'walking > 0.5'; all must hold.")
    min_bout: int = Field(1, ge=1, description="Shorter bouts are dropped.")

    @field_validator("when")
    @classmethod
    def _readable(cls, value: list[str]) -> list[str]:
        for text in value:
            parse_condition(text)
        return value

    @property
    def conditions(self) -> list[Condition]:
        """The conditions, read."""
        return [parse_condition(text) for text in self.when]


class RuleBook(Strict):
    """Weak labels as configuration; the first rule that holds in a frame wins."""

    quantities: dict[str, Quantity] = Field(min_length=1)
    rules: list[Rule] = Field(min_length=1)
    fill_gap: int = Field(0, ge=0, description="Gaps up to so many frames between two bouts of one class are filled.")

    @model_validator(mode="after")
    def _named(self) -> RuleBook:
        for rule in self.rules:
            for condition in rule.conditions:
                if condition.quantity not in self.quantities:
                    near = nearest(condition.quantity, list(self.quantities))
                    raise ValueError(f"{rule.behaviour} uses the unknown quantity {condition.quantity!r}{near}")
        return self

    @property
    def behaviours(self) -> list[str]:
        """Behaviours, each once, in the order of the rules."""
        return list(dict.fromkeys(rule.behaviour for rule in self.rules))
