"""Videos of one animal in any container PyAV reads: what a card of kind ``clips`` says about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import Strict
from workflow_scripts.sources.shared.found import Found
from workflow_scripts.video.metadata import SUFFIXES, probe


class DetectorUse(Strict):
    """Which detector finds the animal, and its options."""

    name: str = Field("background", description="Name of a detector (workflow_scripts/detectors).")
    options: dict[str, Any] = Field({}, description="Options of that detector.")


class BalanceOptions(Strict):
    """Which clips training draws from."""

    idle: str | None = Field(
        None, description="Class of frames in no bout; empty = the task's background, or that of its labels."
    )
    idle_ratio: float = Field(1.0, ge=0, description="Idle frames for each frame of a bout, over the whole dataset.")
    hard_share: float = Field(
        0.5, ge=0, le=1, description="Share of the idle clips taken where most moves (hard negatives)."
    )
    idle_seconds: tuple[float, float] = Field((3.0, 5.0), description="Shortest and longest idle clip.")
    context: float = Field(0.5, ge=0, description="Seconds of real video a clip of a bout has before and after it.")
    seed: int = Field(0, ge=0)


class Options(Strict):
    """Options of the source `videos`."""

    region: tuple[int, int, int, int] | None = Field(
        None, description="x, y, width, height of one animal's part of the picture, in upright pixels; empty = all."
    )
    cut_held: bool = Field(False, description="Cut the end of a video in which the last picture is still.")
    held_change: float = Field(0.3, gt=0, description="Mean change in grey levels below which a picture is still.")
    label: str | None = Field(None, description="Class of every frame, where a whole video shows one.")
    detector: DetectorUse = DetectorUse()
    animals: int = Field(1, ge=1, description="Animals in the picture, each followed by itself.")
    animal: int = Field(0, ge=0, description="Which of them this recording follows; 0 is the leftmost at first.")
    every: int | None = Field(None, ge=1, description="Frames between detections; empty = eight a second.")
    size: int = Field(256, ge=32, multiple_of=2, description="Side of the crop video in pixels.")
    pad: float = Field(0.1, ge=0, le=1, description="Border around the animal, as share of the window's side.")
    side: int | None = Field(None, ge=16, description="Side of the window in source pixels; empty = by the animal.")
    max_gap: float = Field(1.0, ge=0, description="Seconds over which a missing box is interpolated.")
    smooth: float = Field(0.25, gt=0, description="Standard deviation of the window's smoothing in seconds.")
    balance: BalanceOptions = BalanceOptions()

    @model_validator(mode="after")
    def _region_fits(self) -> Options:
        if self.region is not None and (min(self.region) < 0 or min(self.region[2:]) < 16):
            raise ValueError("region is x, y, width, height, with a width and height of at least 16 pixels")
        if self.animal >= self.animals:
            raise ValueError(f"animal {self.animal} is none of {self.animals}; they count from 0")
        return self


def sniff(path: Path) -> Found | None:
    """Tell a video by its suffix and what PyAV makes of it; one that cannot be read is said."""
    if path.suffix.lower() not in SUFFIXES:
        return None
    found = Found(source="videos", kind="videos")
    try:
        info = probe(path)
    except InputError as error:
        found.unknown.append(str(error))
        return found
    found.n_frames, found.fps = info.n_frames, round(info.fps, 4)
    found.image_size = (float(info.width), float(info.height))
    if info.variable:
        found.guessed.append(f"{path.name} has a varying frame rate; labels in seconds follow its time stamps.")
    return found
