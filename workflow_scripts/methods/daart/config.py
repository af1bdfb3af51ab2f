"""Options of daart, by the original's names (docs/daart.md tells which are new)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from workflow_scripts.cards.card import Card
from workflow_scripts.core.validation import Strict
from workflow_scripts.methods import Options, unknown_tasks
from workflow_scripts.methods.daart.rules_options import RuleBook
from workflow_scripts.training.options import LoopOptions

Backbone = Literal["temporal-mlp", "dtcn", "lstm", "gru"]


class NetworkOptions(Strict):
    """Shape of the network."""

    backbone: Backbone = Field("dtcn", description="Encoder: convolutions (temporal-mlp, dtcn) or recurrence.")
    n_hid_layers: int = Field(2, ge=0, description="Depth; at least 1 but for temporal-mlp.")
    n_hid_units: int = Field(32, ge=1, description="Width, and dimensions of the embedding.")
    n_lags: int = Field(4, ge=0, description="Half-width of the convolutions in frames (temporal-mlp, dtcn).")
    activation: Literal["linear", "relu", "lrelu", "sigmoid", "tanh"] = Field("lrelu", description="Not in RNNs.")
    activations: Literal["every", "first"] = Field(
        "every",
        description="temporal-mlp: after every hidden layer, or after the first alone, as the original computes; its "
        "weights are imported with first.",
    )
    bidirectional: bool = Field(True, description="Of RNNs.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Of whole channels (dtcn).")
    input_dropout: float = Field(0.0, ge=0, lt=1, description="Of whole input columns, a sequence at a time.")
    variational: bool = Field(False, description="Gaussian embedding: sampled while training, its mean after.")

    @model_validator(mode="after")
    def _deep_enough(self) -> NetworkOptions:
        if self.n_hid_layers == 0 and self.backbone != "temporal-mlp":
            raise ValueError(f"the backbone {self.backbone} needs n_hid_layers of at least 1")
        return self

    @property
    def pad(self) -> int:
        """Frames beside a sequence that the encoder of its frames may see (RNNs: to warm up)."""
        if self.backbone == "temporal-mlp":
            return self.n_lags
        if self.backbone == "dtcn":
            return sum(2 * 2**k * self.n_lags for k in range(self.n_hid_layers))
        return 4


class LossOptions(Strict):
    """Terms of the loss; a head exists where its weight is above 0."""

    lambda_strong: float = Field(1.0, ge=0, description="Cross-entropy on hand-labelled frames.")
    lambda_weak: float = Field(0.0, ge=0, description="Cross-entropy on weak labels, where no hand labelled.")
    lambda_pred: float = Field(0.0, ge=0, description="Mean squared error of predicting the next frame's input.")
    lambda_task: float = Field(0.0, ge=0, description="Mean squared error of regression targets.")
    weight_classes: bool = Field(True, description="Weigh a class by max(n) / n of its labelled training frames.")
    weight_power: float = Field(
        1.0, ge=0, le=1, description="Power of these weights; 0.5 keeps a very rare class from ruling the loss."
    )
    semi_supervised_algo: Literal["none", "pseudo_labels", "ups"] = Field(
        "none",
        description="From anneal_start on, weak labels are the model's own sure frames (ups: sure and steady under "
        "dropout).",
    )
    prob_threshold: float = Field(0.9, gt=0, le=1, description="Least probability of a pseudo-label.")
    variance_threshold: float = Field(0.05, ge=0, description="ups: largest variance of it over the passes.")
    passes: int = Field(10, ge=2, description="ups: passes with dropout.")
    anneal_start: int = Field(0, ge=0, description="Epoch up to which lambda_weak is 0.")
    anneal_end: int = Field(0, ge=0, description="Epoch from which it is whole; a straight line between.")
    kl_weight: float = Field(1e-3, ge=0, description="Variational: weight of the divergence, per frame.")
    kl_epochs: int = Field(100, ge=0, description="Variational: epochs over which that weight grows from 0.")

    @model_validator(mode="after")
    def _consistent(self) -> LossOptions:
        if self.anneal_end < self.anneal_start:
            raise ValueError("anneal_end must not lie before anneal_start")
        if self.semi_supervised_algo != "none" and not (self.lambda_weak and self.lambda_strong):
            raise ValueError(f"{self.semi_supervised_algo} needs lambda_strong and lambda_weak above 0")
        if not (self.lambda_strong or self.lambda_weak or self.lambda_pred or self.lambda_task):
            raise ValueError("at least one lambda must be above 0")
        return self

    def weak_weight(self, epoch: int) -> float:
        """lambda_weak as the ramp has it in an epoch."""
        if epoch >= self.anneal_end:
            return self.lambda_weak
        if epoch < self.anneal_start:
            return 0.0
        return self.lambda_weak * (epoch - self.anneal_start) / (self.anneal_end - self.anneal_start)


class SequenceOptions(Strict):
    """How recordings are cut into sequences, and how these train and validate."""

    sequence_length: int = Field(500, ge=1, description="Frames of a sequence; the last one may be shorter.")
    batch_size: int = Field(2, ge=1, description="Sequences of a step.")
    trial_splits: str = Field(
        "9;1;0;0", description="train;validation;test;gap in sequences, where the split validates on no recording."
    )
    train_frac: float = Field(1.0, gt=0, description="Share (at most 1) or number of training sequences a recording.")

    @field_validator("trial_splits")
    @classmethod
    def _four(cls, value: str) -> str:
        parts = value.split(";")
        if len(parts) != 4 or not all(part.strip().isdigit() for part in parts) or not int(parts[0]):
            raise ValueError("must be four whole numbers, train;validation;test;gap, with a train share")
        return value

    @property
    def shares(self) -> tuple[int, int, int, int]:
        """Train, validation, test and gap in sequences."""
        train, validation, test, gap = (int(part) for part in self.trial_splits.split(";"))
        return train, validation, test, gap


class Config(Options):
    """daart on the tracks of a dataset."""

    neural: ClassVar[bool] = True
    predicts: ClassVar[bool] = True
    seeded: ClassVar[bool] = True

    seed: int = Field(0, ge=0, description="Comes from the run.")
    strong: str | None = Field(
        None, description="Task of the hand labels; empty = behaviour, or the dataset's only task with classes."
    )
    also_judged_by: list[str] = Field(
        [],
        description="Further tasks with the same classes that the predictions are held against: a second person's "
        "labels, a simulation's truth.",
    )
    smooth_s: float = Field(
        0.0, ge=0, description="Centred rolling mean over the predicted probabilities, in seconds; 0 = as they come."
    )
    weak: str | None = Field(None, description="Task of the weak labels, with the same classes.")
    rules: RuleBook | None = Field(None, description="Weak labels by rules of your own, in place of a task.")
    targets: list[str] = Field([], description="Continuous tasks to regress (lambda_task).")
    coordinates: Literal["image", "centred", "egocentric", "none"] = Field(
        "image", description="Frame of reference of the points; the original takes them as filmed."
    )
    quantities: Literal["none", "symmetric", "named"] = Field(
        "none", description="Add the hand features of docs/features.md, blind to which animal is which or not."
    )
    windows_s: list[float] = Field(
        [], description="Centred windows, in seconds, of rolling means and deviations of these quantities."
    )
    velocity: bool = Field(False, description="Add each column's change from the last frame.")
    likelihood: bool = Field(False, description="Add the tracker's likelihood of every point.")
    normalise: Literal["recording", "global"] = Field(
        "recording",
        description="z-score by each recording's own frames, or by the training frames, kept with the model.",
    )
    network: NetworkOptions = Field(NetworkOptions(), description="The network.")
    loss: LossOptions = Field(LossOptions(), description="The loss.")
    sequences: SequenceOptions = Field(SequenceOptions(), description="Sequences and batches.")
    learning_rate: float = Field(1e-4, gt=0, description="Of Adam with amsgrad.")
    l2_reg: float = Field(0.0, ge=0, description="Weight decay.")
    training: LoopOptions = Field(
        LoopOptions(max_epochs=100, monitor="val_loss_strong", mode="min", checkpoint_every=10),
        description="The training loop. The best epoch has the lowest cross-entropy of hand-labelled validation "
        "frames; where these are few, their macro F1 (monitor: val_macro_f1, mode: max) chooses worse.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Config:
        own = self.loss.semi_supervised_algo != "none"
        higher = {"val_macro_f1": "max", "val_loss_strong": "min", "val_loss": "min"}.get(self.training.monitor or "")
        if higher is not None and higher != self.training.mode:
            raise ValueError(f"training.monitor {self.training.monitor} needs training.mode {higher}")
        if self.coordinates == "none" and self.quantities == "none":
            raise ValueError("coordinates: none leaves no input; choose coordinates or quantities")
        if self.windows_s and self.quantities == "none":
            raise ValueError("windows_s are windows of quantities; set quantities, or leave windows_s empty")
        if any(window <= 0 for window in self.windows_s):
            raise ValueError("every window of windows_s must be longer than 0 s")
        if self.weak is not None and self.rules is not None:
            raise ValueError("weak labels come from a task (weak) or from rules, not from both")
        if self.loss.lambda_weak and not own and self.weak is None and self.rules is None:
            raise ValueError(
                "lambda_weak is above 0, so weak must name the task of the weak labels, or rules make them"
            )
        if self.loss.lambda_task and not self.targets:
            raise ValueError("lambda_task is above 0, so targets must name continuous tasks")
        return self

    def check_card(self, card: Card) -> list[str]:
        """Refuse tasks that the card lacks."""
        named = {"strong": [self.strong] if self.strong else [], "weak": [self.weak] if self.weak else []}
        found = unknown_tasks(card, named | {"targets": self.targets, "also_judged_by": self.also_judged_by})
        return [*super().check_card(card), *found]

    def idle_options(self) -> list[str]:
        """Name weak labels that no loss uses."""
        if self.weak is None or self.loss.lambda_weak:
            return []
        return [f"weak names the task {self.weak!r}, and loss.lambda_weak is 0, so it has no effect."]
