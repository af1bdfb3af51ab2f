"""Options of the untrained encoder."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from workflow_scripts.methods import Options


class Config(Options):
    """A dilated temporal convolution network with its first, random weights."""

    label_free: ClassVar[bool] = True
    seeded: ClassVar[bool] = True

    seed: int = Field(0, ge=0, description="Seed of the weights; the workflow puts the run's seed here.")
    coordinates: Literal["image", "centred", "egocentric"] = Field(
        "egocentric",
        description="image: where the points are; centred: about the mean of all points; egocentric: about each "
        "animal's mean, its heading ahead, and the other animals in that frame.",
    )
    seen: bool = Field(True, description="Feed whether each point was seen beside its coordinates.")
    dim: int = Field(64, ge=1, description="Channels of every layer, and dimensions of the embedding.")
    layers: int = Field(4, ge=1, le=10, description="Residual layers; layer k looks 2^k frames to both sides.")
