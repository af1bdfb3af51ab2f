"""What the report shows, gathered; made by `collect` and the report stage, drawn by `html`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from workflow_scripts.cards.parts import Published
from workflow_scripts.core.typing import IntArray
from workflow_scripts.report.sections import SectionView


@dataclass(frozen=True)
class TaskSummary:
    """One task of a dataset and how its labels are spread.

    Attributes
    ----------
    name, kind, level : str
        As in :class:`workflow_scripts.formats.tracks.Labels`.
    vocabulary : tuple of str
        Class names by index; empty for a continuous task.
    counts : tuple of int
        Labelled frames (or sequences) of each class.
    labelled : int
        Labelled frames (or sequences) in all.
    background : str or None
        Class that means nothing of interest.
    """

    name: str
    kind: str
    level: str
    vocabulary: tuple[str, ...]
    counts: tuple[int, ...]
    labelled: int
    background: str | None = None


@dataclass(frozen=True)
class RecordingQuality:
    """One recording in the table of data quality.

    Attributes
    ----------
    recording, group : str
    frames : int
    fps : float
    missing : float
        Share of points still missing after filling.
    filled : float
        Share of points filled by interpolation.
    warnings : tuple of str
        What conversion had to decide.
    """

    recording: str
    group: str
    frames: int
    fps: float
    missing: float
    filled: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetSection:
    """One dataset of the experiment; text as on its card."""

    name: str
    title: str
    description: str
    licence: str
    terms: str
    citation: tuple[str, ...]
    twin: bool
    tasks: tuple[TaskSummary, ...]
    recordings: tuple[RecordingQuality, ...]


@dataclass(frozen=True)
class ExamplePrediction:
    """One held-out recording: human labels and what the methods said.

    Attributes
    ----------
    dataset, task, recording : str
    vocabulary : tuple of str
    truth : ndarray of int, shape (time,)
        Index into `vocabulary`, -1 where nobody labelled.
    predictions : dict of str to ndarray of int, shape (time,)
        By method.
    fps : float
        Frames per second.
    background : str or None
        Class that means nothing of interest.
    """

    dataset: str
    task: str
    recording: str
    vocabulary: tuple[str, ...]
    truth: IntArray
    predictions: dict[str, IntArray]
    fps: float
    background: str | None = None


@dataclass(frozen=True)
class Confusion:
    """Counts of true (rows) against predicted (columns) classes, over all held-out recordings of a run."""

    dataset: str
    task: str
    method: str
    vocabulary: tuple[str, ...]
    matrix: IntArray


@dataclass(frozen=True)
class Notice:
    """Something raised on the way that a reader should know."""

    level: Literal["error", "warning", "note"]
    where: str
    text: str


@dataclass(frozen=True)
class Quarantined:
    """A shard that could not be read, and why; the rest of the dataset went on without it."""

    dataset: str
    shard: str
    reason: str


@dataclass(frozen=True)
class LeakAudit:
    """What the leak audit looked at and what it found.

    Attributes
    ----------
    splits : int
        Splits audited.
    findings : DataFrame
        Any columns; one row a leak. Empty when the splits are clean.
    """

    splits: int
    findings: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class ReportData:
    """Everything on the page.

    Attributes
    ----------
    experiment : str
    config : dict
        Resolved configuration, shown as YAML.
    comparison : DataFrame
        Columns of :data:`workflow_scripts.formats.tables.COLUMNS`.
    datasets : tuple of DatasetSection
    examples : tuple of ExamplePrediction
    confusions : tuple of Confusion
    notices : tuple of Notice
    quarantined : tuple of Quarantined
    leaks : LeakAudit or None
        None where no audit ran.
    rules : tuple of (str, str)
        Edges of the rule graph, from :func:`workflow_scripts.report.graph.parse_rulegraph`.
    timings : DataFrame
        Columns ``rule``, ``jobs``, ``seconds``, ``max_rss_mb``; from :func:`.environment.timings`.
    versions : dict of str to str
        Library and interpreter versions.
    provenance : dict of str to str
        Git commit, whether the tree was clean, configuration hash, command.
    sections : tuple of SectionView
        What systems add; from :func:`workflow_scripts.report.sections.load`.
    tests, ranks : DataFrame
        `tests.csv` and `ranks.csv`; empty where nothing was compared.
    maps, curves : DataFrame
        `tables/embedding_maps.csv` and `tables/curves.csv`; empty where there are none.
    pictures : DataFrame
        `tables/pictures.csv`: poses and thumbnails.
    efficiency : DataFrame
        `label_efficiency.csv`: scores by number of labelled groups; empty where it was not measured.
    stages : dict of str to str
        Stage of each rule, in the order of the pipeline.
    published : dict of str to list of Published
        Numbers from the literature, by dataset; those of other datasets are shown with the methods they speak of.
    """

    experiment: str
    config: dict[str, Any]
    comparison: pd.DataFrame
    datasets: tuple[DatasetSection, ...] = ()
    examples: tuple[ExamplePrediction, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    notices: tuple[Notice, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    leaks: LeakAudit | None = None
    rules: tuple[tuple[str, str], ...] = ()
    timings: pd.DataFrame = field(default_factory=pd.DataFrame)
    versions: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    sections: tuple[SectionView, ...] = ()
    tests: pd.DataFrame = field(default_factory=pd.DataFrame)
    ranks: pd.DataFrame = field(default_factory=pd.DataFrame)
    maps: pd.DataFrame = field(default_factory=pd.DataFrame)
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)
    pictures: pd.DataFrame = field(default_factory=pd.DataFrame)
    efficiency: pd.DataFrame = field(default_factory=pd.DataFrame)
    stages: dict[str, str] = field(default_factory=dict)
    published: dict[str, list[Published]] = field(default_factory=dict)


def orphans(data: ReportData) -> list[DatasetSection]:
    """Datasets that have results or trouble but no section: shown all the same, so that nothing vanishes."""
    known = {section.name for section in data.datasets}
    named = [*data.comparison["dataset"].astype(str), *(item.dataset for item in data.quarantined)]
    named += [item.dataset for item in data.sections if item.dataset]
    return [
        DatasetSection(name, name, "", "", "", (), False, (), ()) for name in dict.fromkeys(named) if name not in known
    ]
