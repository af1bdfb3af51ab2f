"""Options of the boosted trees."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from workflow_scripts.kinematics.body_roles import RoleNames
from workflow_scripts.kinematics.quantities import CONTACT, NEAR, SMOOTH_S
from workflow_scripts.kinematics.windows import Windows
from workflow_scripts.methods import Options


class Config(Options):
    """Gradient boosting on the hand features of docs/features.md (docs/boosting.md)."""

    predicts: ClassVar[bool] = True
    seeded: ClassVar[bool] = True

    seed: int = Field(0, ge=0, description="Of the draws of frames and columns; the workflow puts the run's seed here.")
    tasks: list[str] = Field([], description="Tasks with classes by frame to learn; empty = all that are labelled.")
    roles: RoleNames = Field(RoleNames(), description="Which keypoints are front, centre and rear.")
    identity: Literal["symmetric", "named"] = Field(
        "symmetric", description="symmetric: blind to which animal is which; named: one column an animal and pair."
    )
    smooth_s: float = Field(SMOOTH_S, ge=0, description="Centred mean over positions before anything else, in seconds.")
    contact: float = Field(CONTACT, gt=0, description="Two points closer than this touch, in body lengths.")
    near: float = Field(NEAR, gt=0, description="Two animals whose centres are closer are near, in body lengths.")
    windows_s: Windows = Field(
        [1.0, 5.0, 20.0], description="Windows, in seconds, of means and deviations about the frame."
    )
    past_and_future: bool = Field(
        True, description="Add, for each window, the mean over the window before the frame and the one after it."
    )
    spectrum_s: float = Field(
        0.0,
        ge=0,
        description="Window of the spectral columns, in seconds; 0 = none (docs/boosting.md).",
    )
    bands_hz: list[list[float]] = Field(
        [[0.5, 2.0], [2.0, 5.0], [5.0, 10.0]], description="Bands of the spectral columns, from and to, in Hz."
    )
    edges_s: float = Field(
        120.0,
        ge=0,
        description="Where all recordings are scored in one span between background: columns of the time since the "
        "beginning and until the end, up to so many seconds; 0 = none.",
    )
    frames_a_recording: int = Field(
        2000,
        ge=10,
        description="Labelled training frames drawn of each recording and task, at most; half of them evenly over "
        "its classes.",
    )
    weight_power: float = Field(
        1.0, ge=0, le=1, description="1: every class weighs the same in training; 0: as much as it has frames."
    )
    decide: Literal["macro_f1", "likeliest"] = Field(
        "macro_f1",
        description="macro_f1: class weights in the probabilities for which the inner folds have the best macro F1; "
        "likeliest: none.",
    )
    steady_s: float = Field(
        1.2, ge=0, description="Centred mean over the probabilities of neighbouring frames, in seconds."
    )
    span: Literal["auto", "off"] = Field(
        "auto",
        description="auto: where the training recordings are scored in one span of about the same length between "
        "background, so are the predictions (docs/boosting.md).",
    )
    learning_rate: float = Field(0.1, gt=0, le=1, description="Shrinkage of every tree.")
    max_iter: int = Field(60, ge=1, description="Rounds of boosting, at most.")
    max_leaf_nodes: int = Field(16, ge=2, description="Leaves of a tree, at most.")
    min_samples_leaf: int = Field(40, ge=1, description="Training frames of a leaf, at least.")
    l2_regularization: float = Field(1.0, ge=0, description="Penalty of the leaves' values.")
    max_bins: int = Field(
        32, ge=2, le=255, description="Bins of a column; few make small trees on many columns several times faster."
    )
    max_features: float = Field(0.2, gt=0, le=1, description="Share of the columns that each split may choose from.")
    columns_kept: int = Field(
        120,
        ge=0,
        description="Columns that the trees may choose from: those with the largest gain of a first, short fit on some "
        "of the training frames; 0 = all.",
    )
    patience: int = Field(
        10,
        ge=0,
        description="Rounds without a smaller loss over the inner folds' held-out groups after which they end; "
        "0 = max_iter rounds each.",
    )
    folds: int = Field(
        3,
        ge=0,
        description="Inner folds over training groups that choose the rounds and the temperature; 0 = max_iter rounds.",
    )

    @field_validator("bands_hz")
    @classmethod
    def _rising(cls, value: list[list[float]]) -> list[list[float]]:
        if any(len(band) != 2 or not 0 < band[0] < band[1] for band in value):
            raise ValueError("a band goes from a frequency above 0 to a higher one")
        return value
