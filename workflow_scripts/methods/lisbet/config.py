"""Options of LISBET: every option of the original's command line has its key here (docs/lisbet.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from workflow_scripts.cards.card import Card
from workflow_scripts.core.validation import Strict, nearest
from workflow_scripts.kinematics.body_roles import RoleNames
from workflow_scripts.methods import Options, Vocabularies, unknown_tasks
from workflow_scripts.methods.lisbet.augment_spec import parse_augmentations
from workflow_scripts.training.options import LoopOptions

OLD_NAMES = {"nwp": "order", "smp": "cons", "vsp": "warp", "dmp": "shift", "cfc": "multiclass"}
"""Task names of version 0.3.0 and before → the names used since."""
BINARY = ("order", "cons", "warp", "shift")
SELF_SUPERVISED = (*BINARY, "geom")
SUPERVISED = ("multiclass", "multilabel")
TASKS = (*SELF_SUPERVISED, *SUPERVISED)

PRESETS: dict[str, dict[str, Any]] = {
    "64x8": {"type": "transformer", "embedding_dim": 64, "num_layers": 8, "num_heads": 8, "hidden_dim": 256},
    "32x4": {"type": "transformer", "embedding_dim": 32, "num_layers": 4, "num_heads": 4, "hidden_dim": 128},
    "16x2": {"type": "transformer", "embedding_dim": 16, "num_layers": 2, "num_heads": 2, "hidden_dim": 32},
    "lstm": {"type": "lstm", "embedding_dim": 32, "num_layers": 2, "hidden_dim": 64},
    "tcn": {"type": "tcn", "embedding_dim": 32, "num_layers": 2, "hidden_dim": 64},
}
"""Backbones by name; ``64x8`` is the published one, ``32x4`` the original's default."""

MODES: dict[str, dict[str, Any]] = {
    "faithful": {
        "negatives": "paper",
        "window_sampling": "any",
        "pad_mask": False,
        "replacement": False,
        "normalise": "original",
        "frame": "arena",
        "seen": False,
        "schedule": "reference",
        "embedding": "token",
    },
    "sound": {
        "negatives": "strict",
        "window_sampling": "inside",
        "pad_mask": True,
        "replacement": False,
        "normalise": "body",
        "frame": "pair",
        "seen": True,
        "schedule": "one-cycle",
        "embedding": "both",
    },
}
"""What the options left empty mean in each mode; `backbone.max_length` is the window, twice that if faithful."""


SOCIAL = ("cons", "shift")
"""Tasks that compare two individuals."""


class BackboneOptions(Strict):
    """Shape of the backbone; what is empty comes from the preset."""

    type: Literal["transformer", "lstm", "tcn"] | None = Field(None, description="Kind of network.")
    embedding_dim: int | None = Field(None, ge=1, description="Width of the embedding (the original's --emb_dim).")
    num_layers: int | None = Field(None, ge=1, description="Layers, or blocks of a TCN.")
    num_heads: int | None = Field(None, ge=1, description="Attention heads (transformer).")
    hidden_dim: int | None = Field(None, ge=1, description="Width inside layers and heads.")
    norm: Literal["pre", "post"] = Field("pre", description="pre = version 0.3.0; post = 0.2.3, without a final norm.")
    max_length: int | None = Field(None, ge=1, description="Rows of the position table; empty = as the mode says.")
    kernel_size: int = Field(8, ge=1, description="Kernel of a TCN.")
    dilation_base: int = Field(16, ge=1, description="A TCN's block i has the dilation base**i.")
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="In the layers of a transformer and before supervised heads; the original has none.",
    )


class Config(Options):
    """LISBET. Options left empty follow the mode (`MODES`)."""

    neural: ClassVar[bool] = True
    predicts: ClassVar[bool] = True
    seeded: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("load_backbone",)
    faithful: ClassVar[bool] = True
    mode_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = MODES
    pretraining_tables: ClassVar[tuple[str, ...]] = ("pretext.csv",)

    mode: Literal["sound", "faithful"] = Field("sound", description="Fills the options left empty.")
    seed: int = Field(0, ge=0, description="Comes from the run.")

    tasks: list[str] = Field(
        ["order", "cons", "warp", "shift"],
        description="order|nwp, cons|smp, warp|vsp, shift|dmp, geom (self-supervised); multiclass|cfc, multilabel. "
        "Empty = an imported embedder, which has no heads and cannot be trained.",
    )
    recipe: Literal["pretrain", "finetune", "supervised"] | None = Field(
        None,
        description="Which of the tasks to use: the self-supervised alone, those and then the labels (see "
        "pretrain_epochs), or the labels alone; empty = all of them. Made for sweeps.",
    )
    labels: list[str] = Field(
        [], description="Labelled tasks of the dataset for supervision: one multiclass, or several binary; empty = all."
    )
    preset: Literal["64x8", "32x4", "16x2", "lstm", "tcn"] = Field("32x4", description="Named backbone.")
    backbone: BackboneOptions = Field(BackboneOptions(), description="Overrides of the preset.")
    head_type: Literal["mlp", "linear"] = Field("mlp", description="linear = no hidden layer in the heads.")

    head_input: Literal["token", "both", "summary"] = Field(
        "token",
        description="What supervised heads see: the target frame; both = also the maximum over the window; summary = "
        "also the mean over the window, and mean and deviation of the inputs over it.",
    )

    window_size: int = Field(200, ge=2, description="Frames of a window.")
    window_offset: int = Field(0, ge=0, description="Frames after the target frame inside the window.")
    fps_scaling: float = Field(
        1.0, gt=0, description="Frames of data per frame of the model; here training and inference both obey it."
    )
    window_sampling: Literal["any", "inside"] | None = Field(
        None, description="any = windows may hang over the record's ends, padded with zeros; inside = whole ones only."
    )
    pad_mask: bool | None = Field(None, description="Hide padded frames from attention and pooling.")
    negatives: Literal["paper", "strict"] | None = Field(
        None, description="order: strict = both classes from the same record, the second window later or earlier."
    )
    order_cut: Literal["half", "random"] = Field("half", description="Where the two windows of order meet.")
    order_reach: int | None = Field(
        None, ge=1, description="strict: largest distance of the two windows in frames; empty = a window's length."
    )
    shift_max: int = Field(60, ge=1, description="shift: largest delay of the partner, in frames.")
    warp_max: float = Field(0.5, gt=0, lt=1, description="warp: speeds are drawn from 1 ± this.")
    temperature: float = Field(0.07, gt=0, description="geom: of the contrastive loss.")
    augmentation: str = Field("", description="e.g. 'all_perm_id:p=0.5,gauss_jitter:sigma=0.02'; empty = none.")

    normalise: Literal["original", "image", "minmax", "body"] | None = Field(
        None,
        description="image = by the image's size; minmax = each record to [0, 1]; original = image where its size is "
        "known, else minmax; body = in body lengths about the middle of where the animals went.",
    )
    fill: Literal["interpolate", "zero"] = Field("interpolate", description="What stands for missing points.")
    frame: Literal["arena", "centred", "pair"] | None = Field(
        None,
        description="arena = as filmed; centred = about the animals' centre in the target frame; pair = and turned so "
        "that the first animal sees the second (the mean of the others) along the first axis.",
    )
    seen: bool | None = Field(None, description="Add a column per keypoint: 1 where it was tracked.")
    quantities: Literal["none", "symmetric", "named"] = Field(
        "none",
        description="Add the hand features' quantities (speeds, distances, facing …; docs/features.md) to the input: "
        "symmetric = smallest and largest over the animals, named = each animal's own. They are zero in tasks that "
        "replace the partner or move the window.",
    )
    symmetric: bool = Field(
        False, description="Mean over both orders of two animals at inference; for animals without roles."
    )
    roles: RoleNames = Field(RoleNames(), description="Front and rear keypoints, for normalise: body.")

    batch_size: int = Field(32, ge=1, description="Windows of each task in a step.")
    label_batch: int | None = Field(
        None, ge=1, description="Windows of a supervised task in a step, drawn with replacement; empty = batch_size."
    )
    train_sample: float | None = Field(None, gt=0, le=1, description="Share of the frames used in an epoch.")
    dev_sample: float | None = Field(None, gt=0, le=1, description="Share of the frames used in a validation.")
    dev_ratio: float | None = Field(
        None, gt=0, lt=1, description="Share of the training records held out, where the split validates on none."
    )
    replacement: bool | None = Field(
        None, description="false = an epoch draws each frame at most once (0.3.0); true = with replacement (0.4)."
    )
    optimizer: Literal["adamw", "adamax"] = Field("adamw", description="adamax = version 0.2.3.")
    learning_rate: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.01, ge=0, description="Of AdamW.")
    schedule: Literal["reference", "one-cycle", "constant"] | None = Field(
        None,
        description="reference = 5 epochs of warm-up, then cosine restarts; one-cycle ends at 0; constant = 0.2.3.",
    )
    class_weight: Literal["balanced", "none"] = Field("balanced", description="Of the supervised losses.")
    pretrain_epochs: int = Field(
        0,
        ge=0,
        description="The first so many epochs train the self-supervised tasks alone, the others the supervised ones "
        "alone: pretraining and fine-tuning in one run. 0 = all tasks together.",
    )
    finetune_rate: float = Field(1.0, gt=0, description="Learning rate of fine-tuning, as a share of learning_rate.")
    load_backbone: str | None = Field(
        None, description="Backbone to start from: weights_*.safetensors of a run, or an original model's .pt."
    )
    freeze_backbone: bool = Field(False, description="Train the heads alone.")
    save_weights: Literal["last", "all"] = Field("last", description="all = one file per epoch as well.")
    save_history: bool = Field(True, description="Write training_history.log in the original's format.")
    compile_model: bool = Field(False, description="torch.compile the backbone.")
    embedding: Literal["token", "both"] | None = Field(
        None,
        description="token = the encoded target frame; both = and the maximum over the window, which is what the "
        "self-supervised tasks are judged by.",
    )
    embed_batch: int = Field(128, ge=1, description="Windows per batch at inference.")
    training: LoopOptions = Field(
        LoopOptions(max_epochs=10, monitor=None), description="The training loop (--epochs is training.max_epochs)."
    )

    @field_validator("tasks")
    @classmethod
    def _known_tasks(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in TASKS and name not in OLD_NAMES:
                raise ValueError(f"there is no task {name!r}{nearest(name, [*TASKS, *OLD_NAMES])}")
        modern = [OLD_NAMES.get(name, name) for name in value]
        if len(set(modern)) != len(modern):
            raise ValueError("a task is named twice")
        return value

    @field_validator("augmentation")
    @classmethod
    def _known_augmentations(cls, value: str) -> str:
        try:
            parse_augmentations(value)
        except Exception as error:
            raise ValueError(str(error).removesuffix(".")) from error
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        self._check_phases()
        if self.window_offset >= self.window_size:
            raise ValueError("window_offset must be smaller than window_size")
        shape = self.shape()
        length = shape.max_length
        if shape.type == "transformer":
            if length is not None and length < self.window_size:
                raise ValueError(f"backbone.max_length {length} is shorter than the window of {self.window_size}")
            if (shape.embedding_dim or 0) % (shape.num_heads or 1):
                raise ValueError("backbone.embedding_dim must be a multiple of num_heads")
        return self

    def _check_phases(self) -> None:
        if self.tasks and not self.task_ids:
            raise ValueError(f"recipe {self.recipe} leaves none of the tasks {', '.join(self.tasks)}")
        kinds = {task in SUPERVISED for task in self.task_ids}
        if self.recipe == "finetune" and not self.pretrain_epochs:
            raise ValueError("recipe finetune needs pretrain_epochs")
        if self.border and (len(kinds) < 2 or self.border >= self.training.max_epochs):
            raise ValueError(
                "pretrain_epochs needs self-supervised and supervised tasks, and training.max_epochs beyond it"
            )

    @property
    def supervised(self) -> bool:
        """Whether labels teach it."""
        return any(task in SUPERVISED for task in self.task_ids)

    def reads_labels(self) -> bool:
        """Return whether a task of labels trains."""
        return self.supervised

    def readout(self) -> str | None:
        """Return ``finetuned`` for a classifier, None for a model trained without labels."""
        return "finetuned" if self.supervised else None

    @property
    def task_ids(self) -> tuple[str, ...]:
        """Tasks of the recipe, by their newer names."""
        names = (OLD_NAMES.get(name, name) for name in self.tasks)
        left_out = {"pretrain": SUPERVISED, "supervised": SELF_SUPERVISED}.get(self.recipe or "", ())
        return tuple(name for name in names if name not in left_out)

    @property
    def border(self) -> int:
        """Epoch with which fine-tuning begins; 0 = all tasks train together."""
        return self.pretrain_epochs if self.recipe in {None, "finetune"} else 0

    def shape(self) -> BackboneOptions:
        """Return the backbone with nothing left empty that its type needs."""
        given = self.backbone.model_dump(exclude_none=True)
        chosen = PRESETS[self.preset] | given
        if chosen["type"] == "transformer":
            chosen.setdefault("num_heads", 1)
            chosen.setdefault("max_length", self.window_size * (2 if self.mode == "faithful" else 1))
        return BackboneOptions(**chosen)

    def resolved(self, mode: str | None = None, vocabularies: Vocabularies | None = None) -> Self:
        """Return the options as they run; see :meth:`.Options.resolved`."""
        filled = super().resolved(mode, vocabularies)
        return filled.model_copy(update={"backbone": filled.shape()})

    def check_card(self, card: Card) -> list[str]:
        """Refuse labels that the card lacks, and datasets of one animal."""
        found = unknown_tasks(card, {"labels": self.labels})
        social = [task for task in self.task_ids if task in SOCIAL]
        if len(card.individuals) == 1 and social:
            found.append(
                f"the tasks {' and '.join(social)} need two individuals, and the card {card.name!r} has one; leave "
                "them out of tasks."
            )
        return [*super().check_card(card), *found]
