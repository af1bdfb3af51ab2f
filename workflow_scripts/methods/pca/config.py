"""Options of the windowed principal components."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from workflow_scripts.methods import Options


class Config(Options):
    """Principal components of windows of normalised coordinates."""

    label_free: ClassVar[bool] = True

    coordinates: Literal["image", "centred", "egocentric"] = Field(
        "egocentric",
        description="image: where the points are; centred: about the mean of all points; egocentric: about each "
        "animal's mean, its heading ahead, and the other animals in that frame.",
    )
    window: int = Field(15, ge=1, description="Frames in a window, odd so that it has a middle; its ends are repeated.")
    stride: int = Field(2, ge=1, description="Step between the frames of a window.")
    dim: int = Field(32, ge=1, description="Components kept, at most: fewer where a window has fewer columns.")

    @field_validator("window")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd, so that a window has a middle frame")
        return value
