"""pydantic models of the configuration, and how a refusal reads: one sentence, with the nearest valid name."""

from __future__ import annotations

import copy
import difflib
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workflow_scripts.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Base of every configuration model: unknown keys are refused, objects are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MethodConfig(Strict):
    """Base of every method's options; a method's `config.py` extends it."""


class ProbeConfig(Strict):
    """The linear readout fitted on frozen embeddings."""

    model: Literal["logistic", "ridge"] = Field("logistic", description="Classifier; regression is always ridge.")
    alphas: list[float] = Field(
        [1.0],
        min_length=1,
        description="L2 penalties; with several, the best on validation groups (or inner folds of training groups).",
    )
    class_weight: Literal["balanced", "none"] = Field("balanced", description="Weight of a class's frames in the loss.")
    standardise: bool = Field(True, description="Centre and scale each dimension by the training frames.")
    max_train_frames: int | None = Field(
        None, ge=100, description="Draw at most this many training frames (seeded); empty = all."
    )
    max_iter: int = Field(200, ge=1, description="Iterations of L-BFGS.")


class IntervalConfig(Strict):
    """Confidence intervals."""

    level: float = Field(0.95, gt=0.5, lt=1)
    resamples: int = Field(1000, ge=50, description="Bootstrap draws of groups.")
    seed: int = Field(0, ge=0)


class DatasetUse(Strict):
    """How an experiment uses one dataset."""

    splits: list[str] = Field(["official"], min_length=1, description="Split families of the card; folds are pooled.")
    tasks: list[str] | None = Field(None, description="Tasks of the card to probe; empty = all of them.")
    methods: list[str] | None = Field(None, description="Methods run on this dataset; empty = all of the experiment's.")
    overrides: dict[str, dict[str, Any]] = Field({}, description="Method options on this dataset alone, by method.")


class DownloadConfig(Strict):
    """How files are fetched."""

    attempts: int = Field(5, ge=1, description="Tries of each url, with growing pauses.")
    connect_timeout: float = Field(10, gt=0, description="Seconds to wait for a connection.")
    read_timeout: float = Field(60, gt=0, description="Seconds without a byte after which a try is given up.")


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


class Configuration(Strict):
    """Everything a run of the workflow can be told. Experiments are overlays of this."""

    experiment: str = Field("demo", pattern=r"^[a-z][a-z0-9_]*$", description="Names results/<experiment>/.")
    description: str = Field("", description="One paragraph for the report.")
    datasets: dict[str, DatasetUse] = Field({}, description="Datasets by the name of their card.")
    methods: dict[str, dict[str, Any]] = Field({}, description="Options of each method that runs; {} = its defaults.")
    modes: list[Literal["sound", "faithful"]] = Field(
        ["sound"], min_length=1, description="sound = as statistics demand, faithful = as the original code computes."
    )
    sweep: dict[str, dict[str, list[Any]]] = Field({}, description="Grids: method, then option, then its values.")
    seeds: list[int] = Field([0], min_length=1, description="Every seeded method runs once with each.")
    figures: list[str] | None = Field(
        None, description="Kinds of figures that `paper_figures` draws (docs/figures.md); empty = all that apply."
    )
    probe: ProbeConfig = Field(ProbeConfig(), description="The linear readout.")
    motifs: MotifConfig | None = Field(None, description="Segment embeddings into motifs; empty = do not.")
    umap: bool = Field(
        False,
        description="Also map embeddings by UMAP (pip install 'ethomake[umap]'); its maps differ between machines.",
    )
    intervals: IntervalConfig = Field(IntervalConfig(), description="Bootstrap over groups.")
    download: DownloadConfig = Field(DownloadConfig(), description="Network settings of the download rule.")
    mirrors: list[str] = Field([], description="Local folders tried before any url; see also ETHOMAKE_MIRRORS.")
    keep_going: bool = Field(
        False, description="Quarantine an unreadable recording, with a row in the report, instead of stopping."
    )


def _all_keys(model: type[BaseModel]) -> list[str]:
    return list(model.model_fields)


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Find the model that stands at a validation error's location, to name its valid keys."""
    current: Any = model
    for step in location:
        fields = getattr(current, "model_fields", None)
        if isinstance(step, str) and fields and step in fields:
            current = fields[step].annotation
        current = _inner_model(current, step)
        if current is None:
            return None
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _inner_model(annotation: Any, step: int | str) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [_inner_model(arg, step) for arg in getattr(annotation, "__args__", ())]
    models = [item for item in found if item is not None]
    for item in models:  # a union's branch is named in the location
        if getattr(item, "__name__", None) == step:
            return item
    return models[0] if models else None


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """Say in one sentence what is wrong with a configuration.

    Parameters
    ----------
    error : ValidationError
    model : type
        The model that refused.
    where : str
        Name of the file or section, first in the sentence.
    """
    problems = error.errors()
    # An unknown key is the likeliest typing error, so it is named first.
    first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    place = ".".join(str(step) for step in first["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        parent = _model_at(model, first["loc"][:-1])
        keys = _all_keys(parent) if parent else []
        return f"{where}: unknown key {place!r}{nearest(str(first['loc'][-1]), keys)}{more}."
    message = first["msg"].removeprefix("Value error, ")
    found = "" if first["type"] == "missing" else f", found {first['input']!r}"
    if len(found) > 80:
        found = ""
    return f"{where}: {place or 'the whole'}: {message[0].lower()}{message[1:]}{found}{more}."


def nearest(word: str, known: list[str]) -> str:
    """Return `; did you mean 'x'?`, or the list of what is valid, for the end of a sentence."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; valid are: {', '.join(sorted(known))}" if known else ""


def validate(model: type[Model], value: Any, where: str) -> Model:
    """Validate `value` against `model`.

    Raises
    ------
    ConfigError
        One sentence naming `where`, the key, what was expected, and the nearest valid name.
    """
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected a mapping of keys to values, found {type(value).__name__}.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ConfigError(explain(error, model, where)) from error


def deep_merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Lay `overlay` over `base`: mappings merge key by key, everything else is replaced."""
    merged = copy.deepcopy(base)
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = deep_merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged
