"""Small parts of a card: gaps, movies, simulation, published numbers."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from workflow_scripts.core.validation import Strict


class Movie(Strict):
    """A movie that trained models tag; nothing is trained or judged on it."""

    file: str = Field(description="Path below resources/<dataset>/.")
    options: dict[str, Any] = Field({}, description="Overrides of the card's source options.")


class Simulation(Strict):
    """Marks a twin: its files are made by a generator, offline."""

    generator: str = Field(description="Module in workflow_scripts/simulate.")
    options: dict[str, Any] = {}


class Published(Strict):
    """A number from the literature, shown beside ours."""

    method: str
    task: str
    metric: str
    value: float
    source: str = Field(description="Paper, table, page.")
    verified: bool = Field(description="True where somebody of this project read it in the source.")
    ours: str = Field("", description="Our method that it is set beside; empty = none, or the one named `method`.")
    place: str = Field("", description="Table, page or file in the source.")
    url: str = ""
    protocol: str = Field("", description="How the number came about, where that differs from ours.")


class Gaps(Strict):
    """How missing points are marked and filled."""

    zero_is_missing: bool | None = Field(
        None,
        description="A point at exactly (0, 0) is missing; empty = yes, unless the source codes what is missing by NaN "
        "alone (bams_dict, quadrupeds).",
    )
    min_likelihood: float = Field(0.0, ge=0, le=1, description="A point below this confidence is missing.")
    interpolate_max_frames: int = Field(
        0, ge=0, description="Longest gap, in frames, filled linearly between two seen points; longer ones stay NaN."
    )


class Blocks(Strict):
    """Blocks of time that every recording is cut into, each a recording and a group of its own.

    This is for data of one session, where no recording can be held out: blocks are held out instead.
    """

    count: int = Field(ge=2, le=1000, description="Number of blocks, equally long.")
    gap_s: float = Field(
        2.0, ge=0, description="Seconds left out between two blocks, as neighbours resemble each other."
    )

    def names(self, name: str) -> list[str]:
        """Return the names of the blocks of a recording, or of a group."""
        digits = len(str(self.count - 1))
        return [f"{name}/block{k:0{digits}d}" for k in range(self.count)]
