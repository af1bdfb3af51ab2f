"""Schema of an experiment file; every key has a default."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from workflow_scripts.core.validation import Strict
from workflow_scripts.evaluation.options import IntervalConfig, ProbeConfig
from workflow_scripts.fetch.options import DownloadConfig
from workflow_scripts.motifs.options import MotifConfig


class DatasetUse(Strict):
    """How an experiment uses one dataset."""

    splits: list[str] = Field(
        ["official"],
        min_length=1,
        description="Split families of the card; folds are pooled. Default: official, or the card's first.",
    )
    tasks: list[str] | None = Field(None, description="Tasks of the card to probe; empty = all of them.")
    methods: list[str] | None = Field(None, description="Methods run on this dataset; empty = all of the experiment's.")
    overrides: dict[str, dict[str, Any]] = Field({}, description="Method options on this dataset alone, by method.")


class Configuration(Strict):
    """Schema of an experiment file; every key has a default."""

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
