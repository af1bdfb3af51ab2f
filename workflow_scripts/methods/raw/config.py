"""Options of the raw coordinates."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from workflow_scripts.methods import Options


class Config(Options):
    """Normalised coordinates of one frame."""

    label_free: ClassVar[bool] = True

    coordinates: Literal["image", "centred", "egocentric"] = Field(
        "image",
        description="image: where the points are; centred: about the mean of all points; egocentric: about each "
        "animal's mean, its heading ahead, and the other animals in that frame.",
    )
    fill: Literal["last_seen", "mean"] = Field(
        "last_seen",
        description="Value of a missing coordinate: its last seen one (before the first: the training mean), or always "
        "the training mean.",
    )
    seen: bool = Field(False, description="Add a column per point: 1 where it was seen, 0 where it was filled.")
