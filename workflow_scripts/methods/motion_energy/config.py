"""Options of the motion energy control."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from workflow_scripts.methods import Options


class Config(Options):
    """Mean and spread of the crop's motion over windows of several lengths."""

    label_free: ClassVar[bool] = True
    kind: ClassVar[str] = "clips"

    windows: list[float] = Field(
        [0.1, 0.25, 0.5, 1.0, 2.0], min_length=1, description="Lengths of the centred windows in seconds."
    )
