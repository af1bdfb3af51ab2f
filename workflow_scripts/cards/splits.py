"""Splits of a card: which recordings or groups are held out."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator

from workflow_scripts.cards.names import Seed
from workflow_scripts.core.validation import Strict

MOST_FOLDS = 1000


class GroupSplit(Strict):
    """A split named by groups (or by pattern of recording id)."""

    train: list[str] = Field([], description="Groups that train; empty = all that are not in the other lists.")
    validation: list[str] = []
    test: list[str] = Field([], description="Groups held out.")
    by: Literal["group", "animal", "recording_prefix"] = Field(
        "group", description="Whether the lists name groups, animals (of images), or beginnings of recording ids."
    )


class FoldSplit(Strict):
    """Leave-groups-out folds; each list is held out once."""

    folds: list[list[str]] = Field(
        min_length=2, max_length=MOST_FOLDS, description="Groups held out together, one list a fold."
    )
    by: Literal["group", "animal"] = Field("group", description="Whether the lists name groups or animals (of images).")
    rest: Literal["train", "leave_out"] = Field(
        "train", description="Groups that no list names: they train in every fold, or take no part."
    )


class DealtSplit(Strict):
    """Folds for many small groups: they are dealt at random, and each fold is held out once."""

    deal: int = Field(ge=2, le=MOST_FOLDS, description="Number of folds.")
    seed: Seed = 0


class RandomSplit(Strict):
    """A number of whole recordings, drawn at random, held out for the test (and for validation)."""

    hold_out: int = Field(
        ge=1, description="Recordings to test on, at least: groups are drawn whole until there are so many."
    )
    validation: int = Field(0, ge=0, description="Recordings to validate on, drawn after those.")
    seed: Seed = 0


class LabelDraws(Strict):
    """How much labels help: of all training groups, a few drawn ones keep their labels; the test set stays the same.

    Draw d makes one random order of the training groups; of it the first 1, 2, 4 … are labelled, so that the sets of a
    draw are nested. The splits are called by number and draw: `labels_k4_0` of a family `labels_k`.
    """

    labelled: list[Annotated[int, Field(ge=1)]] = Field(
        min_length=1, max_length=20, description="Numbers of training groups that keep their labels."
    )
    draws: int = Field(3, ge=1, le=100, description="How often groups are drawn for each number.")
    test: list[str] = Field(min_length=1, description="Groups held out, the same in every draw.")
    seed: Seed = 0

    @field_validator("labelled")
    @classmethod
    def _rising(cls, value: list[int]) -> list[int]:
        if value != sorted(set(value)):
            raise ValueError("labelled: expected rising numbers, each once")
        return value

    def suffixes(self) -> dict[str, tuple[int, int]]:
        """Number of labelled groups and draw, by what follows the family's name."""
        return {f"{n}_{draw}": (n, draw) for n in self.labelled for draw in range(self.draws)}


Split: TypeAlias = GroupSplit | FoldSplit | DealtSplit | RandomSplit | LabelDraws


def suffixes(split: Split) -> list[str]:
    """What follows a family's name in the names of its splits; one empty text where the family is one split."""
    if isinstance(split, LabelDraws):
        return list(split.suffixes())
    if isinstance(split, FoldSplit | DealtSplit):
        return [str(k) for k in range(split.deal if isinstance(split, DealtSplit) else len(split.folds))]
    return [""]


def trained_as(split: Split | None, family: str, name: str) -> str:
    """Name of the split of a family on which what reads no labels trains: draws of labels differ in labels alone."""
    return f"{family}{next(iter(split.suffixes()))}" if isinstance(split, LabelDraws) else name


def default_split(families: Collection[str]) -> str:
    """Return the split family of a card that is used where an experiment names none: `official`, or its first one."""
    return "official" if "official" in families or not families else next(iter(families))
