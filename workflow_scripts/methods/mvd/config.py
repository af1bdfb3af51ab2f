"""Options of the action classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import Strict
from workflow_scripts.methods import Options, Vocabularies
from workflow_scripts.methods.mvd.sizes import SIZES, TUBELET, Size
from workflow_scripts.training.options import LoopOptions

MODES: dict[str, dict[str, Any]] = {
    "faithful": {
        "head": "window",
        "windows": "clip",
        "class_balance": 0.0,
        "repeats": 2,
        "weight_decay": 0.001,
        "ema": 0.0,
        "init": "small",
        "hop": 16,
        "decision": "merge",
    },
    "sound": {
        "head": "tubelet",
        "windows": "context",
        "class_balance": 1.0,
        "repeats": 1,
        "weight_decay": 0.05,
        "ema": 0.99,
        "init": "fan",
        "hop": None,
        "decision": "tuned",
    },
}
"""What the options left empty mean in each mode."""


class AugmentOptions(Strict):
    """Random changes of a training window; one draw holds for all its frames."""

    flip: float = Field(0.5, ge=0, le=1, description="Probability of a mirror image.")
    crop_area: float = Field(0.7, gt=0, le=1, description="Smallest share of the area that is kept and enlarged.")
    crop_most: float = Field(
        1.0, ge=1, le=4, description="Largest share; above 1 the animal gets smaller, and the border is repeated."
    )
    aspect: float = Field(0.75, gt=0, le=1, description="Most slender crop, width by height, and its inverse.")
    turn: float = Field(10.0, ge=0, le=180, description="Largest turn in degrees, each way.")
    brightness: float = Field(0.2, ge=0, le=1, description="Largest relative change of brightness, each way.")
    contrast: float = Field(0.2, ge=0, le=1, description="Largest relative change of contrast, each way.")
    gamma: float = Field(
        0.0,
        ge=0,
        le=2,
        description="Largest logarithm, either sign, of an exponent on the pixels: other fur, other light.",
    )
    noise: float = Field(0.02, ge=0, le=1, description="Standard deviation of the pixel noise; white is 1.")
    erase: float = Field(0.05, ge=0, le=1, description="Probability that noise covers a rectangle.")
    erase_area: float = Field(0.33, gt=0, le=1, description="Largest share of the area it covers.")
    mix: float = Field(0.05, ge=0, le=1, description="Probability that a batch is mixed with itself.")
    mixup: float = Field(0.8, gt=0, description="Parameter of the beta distribution of blending.")
    cutmix: float = Field(1.0, gt=0, description="Parameter of the beta distribution of pasted rectangles.")
    switch: float = Field(0.5, ge=0, le=1, description="Share of the mixed batches that get a rectangle.")


class DistilOptions(Strict):
    """Masked video distillation: the encoder learns to guess two teachers' features where it sees nothing."""

    image_teacher: str | None = Field(None, description="MAE checkpoint whose features of single frames are guessed.")
    video_teacher: str | None = Field(None, description="VideoMAE checkpoint whose features of windows are guessed.")
    mask: float = Field(0.9, gt=0, lt=1, description="Share of the places hidden, the same at every moment.")
    widths: dict[Literal["image", "video"], int] = Field(
        {}, description="Width of each teacher's features; empty = that of the encoder."
    )
    decoder_depth: int = Field(2, ge=1, description="Blocks of each decoder.")
    learning_rate: float = Field(1.5e-4, gt=0, description="Peak for a batch of 256.")


class TrainingOptions(LoopOptions):
    """The loop, with the best epoch chosen by bouts in whole validation videos."""

    max_epochs: int = Field(40, ge=1, description="Epochs at most.")
    monitor: str | None = Field("val_score", description="Metric that chooses the best epoch; empty = the last epoch.")
    mode: Literal["min", "max"] = Field("max", description="Whether a lower or a higher value of it is better.")


class Config(Options):
    """Options of the action classifier.

    The mode decides what is left empty: `faithful` is the published recipe and its merging of windows, `sound` answers
    every other frame, balances the classes, and tunes thresholds on validation videos.
    """

    neural: ClassVar[bool] = True
    kind: ClassVar[str] = "clips"
    predicts: ClassVar[bool] = True
    seeded: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("load_backbone",)
    faithful: ClassVar[bool] = True
    mode_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = MODES

    mode: Literal["sound", "faithful"] = Field("sound", description="Statistics as they should be, or as published.")
    seed: int = Field(0, ge=0, description="Set by the run.")
    size: Literal["nano", "tiny", "small", "base", "large", "huge"] = Field(
        "small", description="Size of the transformer; nano is made for a CPU."
    )
    objective: Literal["classify", "distil"] = Field(
        "classify", description="Learn the classes, or only an encoder from teachers, which another run starts from."
    )
    load_backbone: str | None = Field(
        None, description="MVD or VideoMAE checkpoint, or weights of another run, to start from."
    )
    task: str | None = Field(
        None,
        description="Task whose classes are learnt; empty = the only one there is, of several the one called action.",
    )
    background: str | None = Field(
        None, description="Class that has no bouts; empty = the background of the task on the card."
    )
    init: Literal["small", "fan"] | None = Field(
        None,
        description="First weights where no checkpoint is loaded: of one small size, as for fine-tuning (faithful), or "
        "by the layers' widths, from which a small network learns sooner (sound).",
    )
    image_size: int | None = Field(None, ge=16, description="Side of the input in pixels; empty = that of the size.")
    patch: int = Field(16, ge=4, description="Side of a token in pixels; 16 in every published checkpoint.")
    num_frames: int = Field(16, ge=2, description="Sampled frames of a window.")
    sampling_rate: int = Field(2, ge=1, description="Video frames from one sampled frame to the next.")
    positions: Literal["3d", "1d"] = Field("3d", description="Table of positions: MVD's (3d) or VideoMAE's (1d).")
    motion: bool = Field(False, description="Add a channel: the absolute change since the sampled frame before.")
    head: Literal["window", "tubelet"] | None = Field(
        None, description="One answer a window (faithful), or one every two sampled frames (sound)."
    )
    windows: Literal["clip", "context"] | None = Field(
        None, description="Train on windows cut from clips (faithful), or on the video around them (sound)."
    )
    class_balance: float | None = Field(
        None, ge=0, le=1, description="1 draws every class equally often (sound), 0 every clip (faithful)."
    )
    class_weights: float = Field(
        0.0, ge=0, le=1, description="Power of the inverse class frequency that weighs the loss; 0 = none."
    )
    samples: int | None = Field(None, ge=1, description="Windows an epoch; empty = one a clip.")
    repeats: int | None = Field(None, ge=1, description="Times each drawn window is augmented in a batch.")
    batch: int = Field(8, ge=1, description="Drawn windows a step, before repeats.")
    learning_rate: float | None = Field(None, gt=0, description="Peak; empty = 6e-4 · batch / 256.")
    layer_decay: float = Field(0.75, gt=0, le=1, description="Factor of the rate from each layer to the one below.")
    weight_decay: float | None = Field(None, ge=0, description="AdamW's; 0.001 in faithful mode, else 0.05.")
    warmup_epochs: float = Field(2.0, ge=0, description="Epochs of linear warm-up before the cosine.")
    drop_path: float = Field(0.1, ge=0, lt=1, description="Stochastic depth of the last block.")
    head_dropout: float = Field(0.0, ge=0, lt=1, description="Dropout before the head.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of the target spread over all classes.")
    freeze_blocks: int = Field(0, ge=0, description="Lowest blocks, and the patch embedding, that do not learn.")
    ema: float | None = Field(None, ge=0, lt=1, description="Decay of the averaged weights; 0 = none.")
    gradient_checkpointing: bool = Field(False, description="Save memory by computing the blocks twice.")
    augment: AugmentOptions = AugmentOptions()
    distil: DistilOptions = DistilOptions()
    hop: int | None = Field(None, ge=1, description="Video frames between windows; empty = an eighth of a window.")
    infer_batch: int = Field(16, ge=1, description="Windows a forward pass at inference.")
    decision: Literal["merge", "tuned", "path"] | None = Field(
        None,
        description="Windows merged as published (faithful); thresholds, gaps and shortest bouts tuned on validation "
        "(sound); or the best path of classes, whose prices of a change are tuned there.",
    )
    validation_fraction: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Part of the training groups held out where the split names no validation; 0 = none: plain rules, "
        "and training.monitor must be empty.",
    )
    cache_mb: int = Field(4000, ge=0, description="Videos are kept decoded in memory if they all fit into this.")
    workers: int = Field(0, ge=0, description="Processes that prepare batches.")
    training: TrainingOptions = TrainingOptions()

    @model_validator(mode="after")
    def _divisible(self) -> Config:
        if self.side % self.patch:
            raise ValueError(f"image_size {self.side} is no multiple of patch {self.patch}")
        if self.num_frames % TUBELET:
            raise ValueError(f"num_frames must be even, not {self.num_frames}")
        return self

    def readout(self) -> str | None:
        """What its predictions are called; a distilled encoder has none."""
        return "native" if self.objective == "classify" else None

    def window_frames(self) -> int | None:
        """Video frames it sees at a time: its scores stand beside those of faultless windows of that length."""
        return self.span if self.objective == "classify" else None

    @property
    def dims(self) -> Size:
        """Width and depth."""
        return SIZES[self.size]

    @property
    def side(self) -> int:
        """Side of the network's input in pixels."""
        return self.image_size or self.dims.image_size

    @property
    def span(self) -> int:
        """Video frames of a window."""
        return self.num_frames * self.sampling_rate

    @property
    def stride(self) -> int:
        """Video frames between windows at inference."""
        return self.hop or max(1, self.span // 8)

    @property
    def peak_rate(self) -> float:
        """Peak learning rate of the head."""
        return self.learning_rate or 6e-4 * self.batch / 256

    def resolved(self, mode: str | None = None, vocabularies: Vocabularies | None = None) -> Self:
        """Return the options as they run, as the mode says and by the tasks of the videos.

        Raises
        ------
        ConfigError
            When several tasks are there and the options name none.
        """
        empty: dict[str, Any] = {}
        if self.task is None and vocabularies and self.objective == "classify":
            if len(vocabularies) > 1 and "action" not in vocabularies:
                raise ConfigError(f"methods.mvd.task: choose one of the tasks {', '.join(vocabularies)}.")
            empty["task"] = "action" if "action" in vocabularies else next(iter(vocabularies))
        return super().resolved(mode, vocabularies).model_copy(update=empty)
