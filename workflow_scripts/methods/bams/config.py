"""Options of BAMS; names of the original's command line where it has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from workflow_scripts.methods import Options, Vocabularies
from workflow_scripts.training.options import LoopOptions

MODES: dict[str, dict[str, Any]] = {
    "faithful": {
        "social": False,
        "encounters": False,
        "slow": [],
        "hoa_target": "released",
        "hoa_sample": 1.0,
        "hoa_input": True,
        "hoa_hidden": [256, 512, 512],
        "hoa_more": [],
        "reconstruct": 0.0,
        "pairs": 1,
        "normalise": "largest",
        "smooth": 1,
        "fill": "zero",
        "edge": "third",
        "start": "small",
        "crop": 0,
        "original_bugs": True,
    },
    "sound": {
        "social": None,
        "encounters": True,
        "slow": None,
        "hoa_target": "future",
        "hoa_sample": 0.2,
        "hoa_input": False,
        "hoa_hidden": [],
        "hoa_more": [-1, -600],
        "reconstruct": 20.0,
        "pairs": 8,
        "normalise": "deviation",
        "smooth": 7,
        "fill": "last",
        "edge": "second",
        "start": "linear",
        "crop": 1024,
        "original_bugs": False,
    },
}
"""What the options left empty mean in each mode."""

OF_THE_WEIGHTS = (
    *("social", "encounters", "slow", "hoa_input", "hoa_hidden", "hoa_more", "reconstruct"),
    *("normalise", "smooth", "fill", "edge", "original_bugs"),
)
"""Options that decide which weights there are and what they see; the original's weights insist on faithful values."""

CHANNELS = {
    "mouse": ((64, 64, 32, 32), (64, 64, 64, 32, 32)),
    "keypoints": ((64, 64, 64, 64), (64, 64, 64, 64, 64)),
    "state_action": ((64, 64, 64, 64), (64, 64, 64, 64, 64)),
}
"""Widths of the short-term and the long-term encoder by kind of features."""


class Config(Options):
    """BAMS. Options left empty follow the mode (`MODES`)."""

    neural: ClassVar[bool] = True
    seeded: ClassVar[bool] = True
    label_free: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("weights",)
    faithful: ClassVar[bool] = True
    mode_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = MODES

    mode: Literal["sound", "faithful"] = Field("sound", description="Fills the options left empty.")
    seed: int = Field(0, ge=0, description="Comes from the run.")

    features: Literal["auto", "mouse", "keypoints", "state_action"] = Field(
        "auto",
        description="mouse = 67 named quantities of MABe's twelve points; keypoints = coordinates and their change; "
        "state_action = coordinates as they are, the last one of each point being the action (joints of robots: angle "
        "and velocity); auto = mouse where the twelve points are there, else keypoints.",
    )
    social: bool | None = Field(
        None,
        description="Add where the two nearest others are and how they face, and predict their distances; empty = "
        "for mice in mode sound (the original does not).",
    )
    encounters: bool | None = Field(
        None,
        description="Where `social` tells of the nearest others, tell besides how near nose and trunk come to any "
        "other, and whether an animal goes to, leaves, looks at or follows one.",
    )
    slow: list[int] | None = Field(
        None,
        description="Windows, in frames, of slow means of an animal's speed, stillness and distance to the border: n = "
        "centred on the frame, so that latents see n/2 frames ahead; -n = the last n up to it. Empty = [600] for mice "
        "in mode sound, else none; [] = none.",
    )
    fill: Literal["zero", "last"] | None = Field(None, description="Missing points: 0, or where they were last seen.")
    smooth: int | None = Field(
        None, ge=1, description="Frames of a centred mean over positions before anything else; 1 = none."
    )
    noise_thresh: float = Field(3e-3, ge=0, description="Speeds below it, in the unit per frame, count as standing.")
    edge: Literal["second", "third"] | None = Field(
        None, description="Change at the first frame: that at the second, or (the original) at the third."
    )
    original_bugs: bool | None = Field(
        None, description="Head velocity from x alone; change of the right forepaw's distance from the left one's."
    )
    normalise: Literal["largest", "deviation"] | None = Field(
        None, description="Inputs divided by their largest magnitude, or centred and divided by their deviation."
    )
    transductive: bool = Field(False, description="Train on the test recordings too (without labels), as the original.")

    hoa_bins: int = Field(32, ge=3, le=255, description="Bins of each target's histogram.")
    hoa_window: int = Field(30, ge=1, le=255, description="Future frames a histogram counts.")
    hoa_threshold: float = Field(0.1, ge=0, description="Smaller magnitudes of a target do not set the bins' range.")
    hoa_target: Literal["future", "released"] | None = Field(
        None, description="future = the paper's histogram; released = what the published code computes (docs/bams.md)."
    )
    hoa_sample: float | None = Field(None, gt=0, le=1, description="Share of the frames the HoA head sees in a step.")
    hoa_input: bool | None = Field(
        None, description="The HoA head sees the frame's input, too; the latents then need not hold the present."
    )
    hoa_more: list[int] | None = Field(
        None,
        description="Windows of further histograms of every target: n = the next n frames, -n = the last n up to this "
        "one, -1 = this frame alone.",
    )
    reconstruct: float | None = Field(
        None,
        ge=0,
        description="Weight of the squared error of a linear map from a group's embedding to its inputs, pooled alike; "
        "above 0 a step sees all animals of its recordings.",
    )
    hoa_weight: float = Field(500.0, ge=0, description="Weight of the histogram loss.")
    byol_weight: float = Field(0.5, ge=0, description="Weight of each latent loss.")
    warm_up: int | None = Field(
        None,
        ge=0,
        description="First frames of a sequence that the histogram loss skips; empty = 60, in mode faithful 100 for "
        "anything but mice.",
    )
    short_skip: int = Field(60, ge=0, description="First frames the short-term pairs skip.")
    short_delta: int = Field(5, ge=0, description="Largest distance of a short-term pair, in frames.")
    long_skip: int = Field(100, ge=0, description="First frames the long-term pairs skip.")
    pairs: int | None = Field(None, ge=1, description="Pairs of frames of each sequence in a step.")

    short_term: list[int] = Field([], description="Widths of the short-term encoder (dilation base 2); empty = preset.")
    long_term: list[int] = Field([], description="Widths of the long-term encoder (dilation base 4); empty = preset.")
    kernel_size: int = Field(3, ge=2, description="Kernel of every convolution.")
    start: Literal["small", "linear"] | None = Field(
        None,
        description="First weights of the encoders: small, as the original's, or a rotation of each frame's inputs, "
        "from which the convolutions depart.",
    )
    dropout: float = Field(0.2, ge=0, lt=1)
    hoa_hidden: list[int] | None = Field(
        None,
        description="Hidden widths of the HoA head; [] = a linear one, so that latents hold what it says linearly.",
    )

    crop: int | None = Field(
        None, ge=0, description="Frames of a training sequence, drawn again each epoch; 0 = whole."
    )
    batch_size: int = Field(32, ge=1, description="Sequences (of one animal) in a step.")
    lr: float = Field(1e-3, gt=0, description="Of encoders and HoA head.")
    predictor_lr: float = Field(1e-2, gt=0, description="Of the latent predictors.")
    weight_decay: float = Field(4e-5, ge=0)
    decay: Literal["milestone", "cosine"] = Field(
        "milestone",
        description="The learning rates fall to a tenth at `milestone`, or epoch by epoch along a half cosine to a "
        "hundredth at training.max_epochs.",
    )
    milestone: int = Field(200, ge=1, description="Epoch after which the learning rates fall to a tenth.")
    evaluate_every: int = Field(
        100, ge=0, description="Epochs between readouts of the labels, into TensorBoard; 0 = none."
    )
    log_every_step: int = Field(50, ge=1, description="Steps between TensorBoard scalars with the original's tags.")
    pooling: Literal["auto", "mean_range", "concat"] = Field(
        "auto",
        description="Over individuals: mean and range, or side by side; auto = concat for up to two, else mean_range.",
    )
    weights: str | None = Field(None, description="The original's .pt to start from.")
    training: LoopOptions = Field(
        LoopOptions(max_epochs=500, monitor=None), description="The training loop (--epochs is training.max_epochs)."
    )

    @model_validator(mode="after")
    def _as_the_weights_were_trained(self) -> Config:
        if self.weights:
            for key, theirs in (
                {key: MODES["faithful"][key] for key in OF_THE_WEIGHTS} | {"noise_thresh": 3e-3}
            ).items():
                mine = getattr(self, key)
                if mine is not None and mine != theirs and not (key == "encounters" and not self.social):
                    raise ValueError(
                        f"weights were trained with {key}: {theirs}, found {mine}; leave {key} out, or the weights"
                    )
        return self

    @field_validator("hoa_more")
    @classmethod
    def _not_empty(cls, value: list[int] | None) -> list[int] | None:
        if value and 0 in value:
            raise ValueError("a window of 0 frames holds nothing; -1 is the frame itself")
        return value

    @field_validator("slow")
    @classmethod
    def _long(cls, value: list[int] | None) -> list[int] | None:
        if value and (min(map(abs, value)) < 2 or len(set(value)) < len(value)):
            raise ValueError("every window must hold two frames or more and be named once")
        return value

    def bytes_a_frame(self, individuals: Sequence[str], keypoints: Sequence[str]) -> int | None:
        """Inputs in float32, targets in float32 twice, their bins, and a flag, of every animal (see `data.Store`)."""
        from workflow_scripts.methods.bams.features import Layout  # which imports this module
        from workflow_scripts.views.tracks import DataSpec

        layout = Layout.of(DataSpec(tuple(individuals), tuple(keypoints), 2, 30.0, "px", None), self.resolved())
        inputs, targets = len(layout.inputs), len(layout.targets)
        return len(individuals) * (4 * inputs + (2 * 4 + 1) * targets + 1)

    @property
    def target_type(self) -> Literal["float32", "float64"]:
        """Arithmetic of the targets: in the original's float64 a value on the edge of a bin falls below it."""
        return "float64" if self.mode == "faithful" else "float32"

    def skipped(self, kind: str) -> int:
        """Return the frames that the histogram loss skips, for features of a kind."""
        if self.warm_up is not None:
            return self.warm_up
        return 100 if self.mode == "faithful" and kind != "mouse" else 60

    def resolved(self, mode: str | None = None, vocabularies: Vocabularies | None = None) -> Self:
        """Return the options as they run; see :meth:`.Options.resolved`."""
        # The original's weights fit its inputs and its head alone.
        own = {key: MODES["faithful"][key] for key in OF_THE_WEIGHTS} if self.weights else {}
        values = {key: value for key, value in own.items() if getattr(self, key) is None}
        return super(Config, self.model_copy(update=values)).resolved(mode, vocabularies)
