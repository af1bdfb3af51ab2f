"""Scale, zones and arena of a card: where an animal can be, in the units of its files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from workflow_scripts.cards.names import Label
from workflow_scripts.core.validation import Strict

NOWHERE: dict[str, Any] = {"zones": {}, "arena": None}
"""What conversion depends on of places: nothing."""

Positive = Annotated[float, Field(gt=0)]

CENTIMETRES = "cm"
"""Unit of tracks that a scale brings there, where the card names no other."""


class Scale(Strict):
    """Turns the unit of the files into another, mostly pixels into centimetres."""

    per_unit: Positive = Field(description="Centimetres (or `unit`) a pixel (or whatever the files are in).")
    unit: str = Field(CENTIMETRES, min_length=1, description="Unit of the converted tracks.")


class Zone(Strict):
    """A part of the plane: exactly one of a rectangle, a circle and a polygon, in the units of the files."""

    rectangle: tuple[float, float, Positive, Positive] | None = Field(None, description="x, y, width, height.")
    circle: tuple[float, float, Positive] | None = Field(None, description="x, y of the centre, radius.")
    polygon: list[tuple[float, float]] | None = Field(None, min_length=3, description="Corners in order.")

    @model_validator(mode="after")
    def _one_shape(self) -> Zone:
        given = [name for name in ("rectangle", "circle", "polygon") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected one of rectangle, circle and polygon, found {' and '.join(given) or 'none'}")
        return self

    def scaled(self, factor: float) -> dict[str, Any]:
        """Return the shape with lengths multiplied, as plain values."""
        if self.circle is not None:
            return {"circle": [factor * value for value in self.circle]}
        if self.rectangle is not None:
            return {"rectangle": [factor * value for value in self.rectangle]}
        return {"polygon": [[factor * x, factor * y] for x, y in self.polygon or []]}


class Space(Strict):
    """The part of a card that says how long a pixel is and which places there are."""

    scale: Scale | None = Field(None, description="Brings tracks to centimetres, and sizes of images with them.")
    zones: dict[Label, Zone] = Field({}, description="Parts of the plane, in the unit of the files: time in each.")
    arena: Zone | None = Field(None, description="Its border is the wall: distance to it.")

    def factor(self, own: float | None = None) -> float:
        """Return how long a unit of the files is, where `own` is what the sheet says of the recording."""
        return own or (self.scale.per_unit if self.scale else 1.0)

    def unit_of(self, unit: str, own: float | None = None) -> str:
        """Return the unit of the converted tracks of files in `unit`."""
        if self.scale is not None:
            return self.scale.unit
        return unit if own is None else CENTIMETRES

    def plane(self, own: float | None = None) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return zones and arena in the unit of the converted tracks, as plain values."""
        factor = self.factor(own)
        arena = None if self.arena is None else self.arena.scaled(factor)
        return {name: zone.scaled(factor) for name, zone in self.zones.items()}, arena


def require_one_unit(kind: str, of_all: Scale | None, of_each: Mapping[str, float | None]) -> None:
    """Refuse scales of some recordings where others would keep the unit of their files, and scales of other kinds.

    Raises
    ------
    ValueError
    """
    scaled = [name for name, scale in of_each.items() if scale is not None]
    if scaled and kind != "tracks":
        raise ValueError(f"shard {scaled[0]!r} has a scale, which is of tracks, and this is a card of {kind}")
    if of_all is None and 0 < len(scaled) < len(of_each):
        without = next(name for name, scale in of_each.items() if scale is None)
        raise ValueError(
            f"the recording {scaled[0]!r} has a scale and {without!r} has none, so their units would differ; "
            "fill in scale of every recording, or add scale: {per_unit: …} to the card for the others"
        )
