"""The original's three YAML files: read as one set of options, spread into a grid, distinguished by digest."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.validation import Strict, explain, nearest
from workflow_scripts.methods.daart.config import LossOptions, NetworkOptions, SequenceOptions
from workflow_scripts.training.options import LoopOptions

NEVER_GRIDDED = ("expt_ids", "expt_ids_to_keep", "expt_ids_test")
"""Lists that are lists; any other list is an axis of the grid."""
UNUSED = (
    "lambda_recon",
    "expt_ids_test",
    "eval_dir",
    "output_size",
    "gpus_vis",
    "plot_train_curves",
    "tt_n_cpu_workers",
)
"""Options of the original that change nothing here (nor, most of them, there)."""
PLACES = ("data_dir", "results_dir", "device", "tt_n_cpu_trials", "tt_experiment_name", "save_last_model", *UNUSED)
"""Options that a trained model does not hang on."""
ALWAYS_WRITTEN = {
    "gpus_vis": "0",
    "hpc_exp_number": None,
    "lambda_recon": 0,
    "plot_train_curves": True,
    "tt_n_cpu_workers": 1,
}
"""What every hparams.yaml of the original has and scripts of its users read; the values where the files say nothing."""
NEW = ("input_dropout", "activations", "semi_supervised_algo", "passes", "weight_power")
"""Options of the method that the original's files do not have, or spell otherwise."""
NETWORK = tuple(name for name in NetworkOptions.model_fields if name not in NEW)
LOSS = tuple(name for name in LossOptions.model_fields if name not in NEW)


class ProjectOptions(Strict):
    """One point: the flat union of data.yaml, model.yaml and train.yaml, by the original's names and defaults."""

    data_dir: Path
    results_dir: Path
    input_type: str = "markers"
    expt_ids: list[str] = Field(min_length=1)
    expt_ids_to_keep: list[str] | None = Field(None, description="Recordings whose hand labels are used; empty = all.")
    ignore_class: int = Field(0, description="Class that means unscored; -100 = every class counts.")
    weight_classes: bool = True
    velocity: bool = Field(False, description="New: add each column's change from the last frame.")
    likelihood: bool = Field(False, description="New: add the likelihoods of markers.")

    model_class: Literal["segmenter"] = "segmenter"
    backbone: str = "dtcn"
    n_hid_layers: int = 2
    n_hid_units: int = 32
    n_lags: int = 4
    activation: str = "lrelu"
    bidirectional: bool = True
    dropout: float = 0.2
    variational: bool = False
    classifier_type: Literal["multiclass", "binary"] = "multiclass"
    lambda_weak: float = 0.0
    lambda_strong: float = 1.0
    lambda_pred: float = 0.0
    lambda_task: float = 0.0
    semi_supervised_algo: Literal["pseudo_labels", "ups"] | None = None
    prob_threshold: float = 0.9
    variance_threshold: float = 0.05
    anneal_start: int = 25
    anneal_end: int = 50
    kl_weight: float = 1e-3
    kl_epochs: int = 100
    tt_experiment_name: str = "test"
    rng_seed_model: int = Field(0, ge=0)

    learning_rate: float = Field(1e-4, gt=0)
    sequence_length: int = 500
    batch_size: int = 2
    l2_reg: float = Field(0.0, ge=0)
    min_epochs: int = Field(10, ge=0)
    max_epochs: int = Field(200, ge=1)
    val_check_interval: int = Field(10, ge=1)
    enable_early_stop: bool = True
    early_stop_history: int = Field(5, ge=1)
    monitor: Literal["val_loss_strong", "val_macro_f1", "val_loss"] | None = Field(
        None,
        description="New: what chooses the best epoch; empty = the loss of the hand labels where validation has any, "
        "their macro F1 where lambda_strong is 0.",
    )
    save_last_model: bool = False
    train_frac: float = 1.0
    trial_splits: str = "8;1;1;0"
    rng_seed_train: int = Field(0, ge=0)
    device: Literal["cpu", "cuda"] = "cpu"
    tt_n_cpu_trials: int | None = Field(None, ge=1, description="Points of the grid at most.")

    @field_validator("expt_ids", "expt_ids_to_keep", mode="before")
    @classmethod
    def _joined(cls, value: Any) -> Any:
        return value.split(";") if isinstance(value, str) else value

    @model_validator(mode="after")
    def _parts_fit(self) -> ProjectOptions:
        _ = self.network, self.loss, self.sequences
        return self

    def _some(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}

    @property
    def network(self) -> NetworkOptions:
        """Shape of the network, as the original computes it: its scripts load the weights that are written."""
        return NetworkOptions.model_validate(self._some(NETWORK) | {"activations": "first"})

    @property
    def loss(self) -> LossOptions:
        """The loss; the ramp belongs to the pseudo-labels."""
        values = self._some(LOSS) | {"semi_supervised_algo": self.semi_supervised_algo or "none"}
        if self.semi_supervised_algo is None:
            values |= {"anneal_start": 0, "anneal_end": 0}
        return LossOptions.model_validate(values)

    @property
    def sequences(self) -> SequenceOptions:
        """Sequences and batches."""
        return SequenceOptions.model_validate(self._some(tuple(SequenceOptions.model_fields)))

    @property
    def unscored(self) -> int | None:
        """Class that means unscored, None where all count."""
        return None if self.classifier_type == "binary" or self.ignore_class < 0 else self.ignore_class

    @property
    def data_key(self) -> str:
        """Equal for points that read the same data in the same way."""
        names = {"data_dir", "input_type", "expt_ids", "expt_ids_to_keep", "velocity", "likelihood", "classifier_type"}
        values = self.model_dump(mode="json", include=names | {"ignore_class", "semi_supervised_algo"})
        return json.dumps([values, self.lambda_weak > 0, self.lambda_task > 0])

    def loop(self, *, scored: bool, validates: bool) -> LoopOptions:
        """Options of the training loop.

        Parameters
        ----------
        scored : bool
            Validation has hand-labelled frames, and the network a classifier.
        validates : bool
            There is any validation.
        """
        own = "val_loss_strong" if self.lambda_strong else "val_macro_f1"
        monitor = self.monitor or (own if scored else "val_loss")
        # Stopping early waits for min_epochs: the first epoch may be the best, so patience must span them.
        patience = max(self.early_stop_history, -(-self.min_epochs // self.val_check_interval))
        return LoopOptions(
            max_epochs=self.max_epochs,
            accelerator="gpu" if self.device == "cuda" else "cpu",
            monitor=monitor if validates else None,
            mode="max" if monitor == "val_macro_f1" else "min",
            patience=patience if self.enable_early_stop and validates else None,
            validate_every=min(self.val_check_interval, self.max_epochs),
            checkpoint_every=10,
        )

    def identity(self, files: dict[str, str]) -> str:
        """Digest of all that a model hangs on: these options and the input files' own digests."""
        values = self.model_dump(mode="json", exclude=set(PLACES)) | {"files": files}
        if self.backbone == "temporal-mlp" and self.n_hid_layers > 1:
            values["activations"] = "first"  # versions before had one after every layer
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


class Configs(dict[str, Any]):
    """What the YAML files say, flat, and which file says it.

    Attributes
    ----------
    files : list of str
    origin : dict of str to str
        File by name of the option.
    """

    def __init__(self, files: list[str]) -> None:
        super().__init__()
        self.files, self.origin = files, dict[str, str]()

    def place(self, name: str) -> str:
        """Name the file that says an option, all of them where none does."""
        return self.origin.get(name, ", ".join(self.files))


def read_configs(*paths: Path) -> Configs:
    """Merge the YAML files into one flat mapping, in the order of the files.

    Raises
    ------
    ConfigError
        When two files say different things under one name, or a name is unknown; names the nearest valid one.
    """
    merged = Configs([str(path) for path in paths])
    known = [*ProjectOptions.model_fields, *UNUSED]
    for path in paths:
        content = read_yaml(path) or {}
        if not isinstance(content, dict):
            raise ConfigError(f"{path}: expected a mapping of names to values.")
        for name, value in content.items():
            if name not in known:
                raise ConfigError(f"{path}: unknown name {name!r}{nearest(str(name), known)}.")
            if name in merged and merged[name] != value:
                raise ConfigError(
                    f"{path}: {name} is {value!r} here and {merged[name]!r} in a file before; keep one "
                    f"({merged.place(name)} is the other)."
                )
            merged[name] = value
            merged.origin.setdefault(name, str(path))
    return merged


def read_point(values: dict[str, Any], configs: Configs) -> ProjectOptions:
    """Validate one point.

    Raises
    ------
    ConfigError
        Names the file that holds the value at fault.
    """
    try:
        return ProjectOptions.model_validate(values)
    except ValidationError as error:
        found: ValidationError = error
        model: type[Strict] = ProjectOptions
        inner = error.errors()[0].get("ctx", {}).get("error")
        if isinstance(inner, ValidationError):  # of one of the parts that a point consists of
            found = inner
            model = {part.__name__: part for part in PARTS}[inner.title]
        raise ConfigError(explain(found, model, _place(found, configs))) from error


PARTS = (NetworkOptions, LossOptions, SequenceOptions)


def _place(error: ValidationError, configs: Configs) -> str:
    problems = error.errors()
    first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    if first["type"] == "missing":
        return configs.files[0]  # only data.yaml has options without a default
    if first["loc"]:
        return configs.place(str(first["loc"][0]))
    named = [name for name in configs.origin if re.search(rf"\b{re.escape(name)}\b", first["msg"])]
    return configs.place(named[0] if named else "")


def grid(configs: Configs) -> tuple[list[ProjectOptions], list[str]]:
    """Spread every list into the points of a full product, the last file's last axis fastest.

    Returns
    -------
    points : list of ProjectOptions
    axes : list of str
        Names that vary.

    Raises
    ------
    ConfigError
        When a point is refused, or the product is larger than `tt_n_cpu_trials`.
    """
    axes = [
        name for name, value in configs.items() if isinstance(value, list) and name not in (*NEVER_GRIDDED, *UNUSED)
    ]
    for name in axes:
        if not configs[name]:
            raise ConfigError(f"{configs.place(name)}: {name} is an empty list; give it at least one value.")
    points = []
    for values in itertools.product(*(configs[name] for name in axes)):
        flat = {key: value for key, value in configs.items() if key not in UNUSED and value is not None}
        points.append(read_point(flat | dict(zip(axes, values, strict=True)), configs))
    most = points[0].tt_n_cpu_trials
    if most is not None and len(points) > most:
        raise ConfigError(
            f"{configs.place('tt_n_cpu_trials')}: the grid has {len(points)} points and tt_n_cpu_trials allows {most}; "
            "raise it or cut a list."
        )
    return points, axes
