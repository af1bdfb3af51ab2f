"""Options of the evaluation; light, since they are read while the graph is built."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workflow_scripts.core.validation import Strict


class ProbeConfig(Strict):
    """The linear readout fitted on frozen embeddings."""

    model: Literal["logistic", "ridge"] = Field("logistic", description="Classifier; regression is always ridge.")
    alphas: list[Annotated[float, Field(gt=0, le=1e12)]] = Field(
        [1.0],
        min_length=1,
        max_length=100,
        description="L2 penalties; with several, the best on validation groups (or inner folds of training groups).",
    )
    class_weight: Literal["balanced", "none"] = Field("balanced", description="Weight of a class's frames in the loss.")
    standardise: bool = Field(True, description="Centre and scale each dimension by the training frames.")
    max_train_frames: int | None = Field(
        None, ge=100, description="Draw at most this many training frames (seeded); empty = all."
    )
    max_iter: int = Field(200, ge=1, le=1_000_000, description="Iterations of L-BFGS.")


class IntervalConfig(Strict):
    """Confidence intervals."""

    level: float = Field(0.95, gt=0.5, lt=1)
    resamples: int = Field(1000, ge=50, le=1_000_000, description="Bootstrap draws of groups.")
    seed: int = Field(0, ge=0, lt=2**32)


class DecisionConfig(Strict):
    """From probabilities to classes of frames (docs/decisions.md)."""

    kind: Literal["thresholds", "path"] = Field(
        "thresholds",
        description="thresholds: a threshold, shortest bout and longest gap a class; path: the best path of classes.",
    )
    folds: int = Field(3, ge=2, description="Inner folds over training groups that calibrate and tune, at most.")
    unknown_below: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Frames of a class less probable than this, calibrated, stay unknown; 0 = none.",
    )
    unseen_unknown: bool = Field(False, description="Frames without any point of any animal stay unknown.")
