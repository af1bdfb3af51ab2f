"""Options of motifs; light, since they are read while the graph is built."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from workflow_scripts.core.validation import Strict


class MotifConfig(Strict):
    """Motifs: hidden Markov models on a method's embeddings, one job per number of states."""

    method: str = Field("lisbet", description="Method whose embeddings are segmented.")
    smallest: int = Field(6, ge=2, description="States of the smallest model.")
    largest: int = Field(32, ge=2, description="States of the largest model.")
    iterations: int = Field(10, ge=1, description="EM iterations at most.")
    restarts: int = Field(1, ge=1, description="Fits from different starts, of which the likeliest is kept.")
    fit_frac: float | None = Field(None, gt=0, le=1, description="Share of the training recordings fitted on.")
    seed: int = Field(0, ge=0)
    prototype: Literal["best", "min"] = Field(
        "best", description="What stands for a cluster: its most typical motif, or that of the smallest model."
    )
    frame_threshold: float = Field(0.05, ge=0, le=1, description="Least share of frames of a motif.")
    bout_threshold: float = Field(0.5, ge=0, description="Least mean bout of a motif, in seconds.")
    distance_threshold: float = Field(0.6, gt=0, description="Largest Jaccard distance to the nearest other motif.")

    @model_validator(mode="after")
    def _ordered(self) -> MotifConfig:
        if self.largest < self.smallest:
            raise ValueError("largest must be no smaller than smallest")
        return self

    def states(self) -> list[int]:
        """Return the numbers of states to fit."""
        return list(range(self.smallest, self.largest + 1))
