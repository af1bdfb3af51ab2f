"""Schema of an experiment file; every key has a default."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from workflow_scripts.behaviour.options import BehaviourConfig
from workflow_scripts.cards.names import Name, Seed, require_unique
from workflow_scripts.core.validation import Strict
from workflow_scripts.evaluation.options import DecisionConfig, IntervalConfig, ProbeConfig
from workflow_scripts.fetch.options import DownloadConfig
from workflow_scripts.motifs.options import MotifConfig


class DatasetUse(Strict):
    """How an experiment uses one dataset."""

    splits: list[Name] = Field(
        ["official"],
        min_length=1,
        description="Split families of the card; folds are pooled. Default: official, or the card's first.",
    )
    one_seed: list[Name] = Field(
        [], description="Those of the splits that run with the first seed alone, such as repeated draws of labels."
    )
    tasks: list[str] | None = Field(None, description="Tasks of the card to probe; empty = all of them.")
    methods: list[str] | None = Field(None, description="Methods run on this dataset; empty = all of the experiment's.")
    methods_by_split: dict[str, list[str]] = Field(
        {}, description="Methods and joint rows of single split families, by family; a family left out has all."
    )
    overrides: dict[str, dict[str, Any]] = Field({}, description="Method options on this dataset alone, by method.")
    embed: bool = Field(
        True,
        description="Embed the recordings of a dataset without tasks; false where models are only pretrained on it.",
    )

    @model_validator(mode="after")
    def _once(self) -> DatasetUse:
        for what in ("splits", "one_seed", "tasks", "methods"):
            require_unique(what, getattr(self, what) or [])
        if unknown := sorted(set(self.one_seed) - set(self.splits)):
            raise ValueError(f"one_seed: {unknown[0]!r} is none of the splits ({', '.join(self.splits)})")
        if unknown := sorted(set(self.methods_by_split) - set(self.splits)):
            raise ValueError(f"methods_by_split: {unknown[0]!r} is none of the splits ({', '.join(self.splits)})")
        for family, names in self.methods_by_split.items():
            require_unique(f"methods_by_split.{family}", names)
        return self

    def runs_on(self, name: str, family: str) -> bool:
        """Whether a method or joint row runs on a split family."""
        return name in self.methods_by_split.get(family, [name])


class ApplyUse(Strict):
    """Recordings that trained models are applied to."""

    dataset: str = Field(description="Card of the recordings; it need not be listed under datasets.")
    trained_on: str | None = Field(
        None, description="Dataset under datasets whose split `all` trains the model; empty = the same dataset."
    )
    recordings: Literal["unlabelled", "every"] | None = Field(
        None, description="Which recordings; empty = unlabelled ones of the same dataset, every one of another."
    )
    methods: list[str] | None = Field(None, description="Methods applied; empty = all that run on that dataset.")
    tasks: list[str] | None = Field(None, description="Tasks predicted; empty = all of that dataset's.")
    readout: Literal["auto", "native", "probe"] = Field(
        "auto", description="auto = the method's own predictions of a task where it has any, else the linear probe's."
    )

    def model(self) -> str:
        """Dataset that the model was trained on."""
        return self.trained_on or self.dataset

    def chosen(self) -> str:
        """Which recordings, with the default filled in."""
        return self.recordings or ("unlabelled" if self.model() == self.dataset else "every")


class Configuration(Strict):
    """Schema of an experiment file; every key has a default."""

    experiment: Name = Field("demo", description="Names results/<experiment>/.")
    description: str = Field("", description="One paragraph for the report.")
    datasets: dict[str, DatasetUse] = Field({}, description="Datasets by the name of their card.")
    methods: dict[str, dict[str, Any]] = Field({}, description="Options of each method that runs; {} = its defaults.")
    modes: list[Literal["sound", "faithful"]] = Field(
        ["sound"], min_length=1, description="sound = as statistics demand, faithful = as the original code computes."
    )
    sweep: dict[str, dict[str, list[Any]]] = Field({}, description="Grids: method, then option, then its values.")
    joint: dict[Name, Annotated[list[str], Field(min_length=1)]] = Field(
        {},
        description="Further rows: name, then the methods whose embeddings one probe reads side by side; "
        "method/setting takes one setting of a sweep, member@seeds its models of all seeds (docs/joint.md).",
    )
    seeds: list[Seed] = Field([0], min_length=1, description="Every seeded method runs once with each.")
    one_seed: list[str] = Field(
        [],
        description="Methods, settings of a sweep (method/setting) and joint rows that run with the first seed alone.",
    )
    figures: list[str] | None = Field(
        None, description="Kinds of figures that `paper_figures` draws (docs/figures.md); empty = all that apply."
    )
    probe: ProbeConfig = Field(ProbeConfig(), description="The linear readout.")
    embedding_precision: Literal["single", "half"] = Field(
        "single",
        description="How embeddings are stored: float32, or float16 in half the space (docs/scale.md); everything "
        "computes in float32.",
    )
    decisions: DecisionConfig | None = Field(
        None, description="Also judge the probe by decided classes (readout `probe_decided`); empty = do not."
    )
    motifs: MotifConfig | None = Field(None, description="Segment embeddings into motifs; empty = do not.")
    apply: list[ApplyUse] = Field(
        [], description="Apply models trained on everything labelled (split `all`) to further recordings."
    )
    behaviour: BehaviourConfig | None = Field(
        None, description="Tables of bouts, budgets and conditions; empty = where models are applied, with defaults."
    )
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

    @model_validator(mode="after")
    def _consistent(self) -> Configuration:
        for what in ("modes", "seeds", "one_seed", "figures"):
            require_unique(what, getattr(self, what) or [])
        for row, members in self.joint.items():
            require_unique(f"joint.{row}", members)
        if self.datasets and not self.methods:
            raise ValueError("methods names none, so nothing would run; name at least one method")
        for method, grid in self.sweep.items():
            for option, values in grid.items():
                if not values:
                    raise ValueError(f"sweep.{method}.{option} lists no value, so nothing would run; list at least one")
                require_unique(f"sweep.{method}.{option}", values)
        return self
