"""Which figures an experiment is drawn as: the name of each, the small tables it hangs on, the function that draws it.

Imported while the graph is built, so a drawing function is named here and imported by the stage that draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.names import slugify
from workflow_scripts.core.validation import nearest
from workflow_scripts.experiment.applications import behaviour_sources, behaviour_tasks
from workflow_scripts.experiment.experiment import Experiment
from workflow_scripts.experiment.image_runs import image_runs, leaking_runs
from workflow_scripts.experiment.label_runs import label_families

Selection = dict[str, str]


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    Attributes
    ----------
    function : str
        ``module:name`` below this package. It is called with the tables by file name (DataFrames) and the selection as
        keywords, and gives back a Figure, the numbers drawn (DataFrame) and a caption; or None where the tables
        hold nothing to draw, which leaves a figure that says so.
    tables : tuple of str
        CSV files below ``results/<experiment>/``.
    where : callable
        What of an experiment is drawn this way: a selection for each figure, none where it does not apply.
    category : str
        Heading in Snakemake's own report.
    """

    function: str
    tables: tuple[str, ...]
    where: Callable[[Experiment], Iterable[Selection]]
    category: str = "Results"


@dataclass(frozen=True)
class Drawing:
    """One figure: its file name without ending, its kind, and what it selects."""

    name: str
    kind: str
    select: Selection = field(default_factory=dict)


LABELLED_BY_FRAME = ("tracks", "clips")
"""Kinds of data whose tasks may have a label a frame."""


def _datasets(experiment: Experiment) -> list[Selection]:
    return [{"dataset": name} for name in experiment.cards if experiment.tasks(name)]


def _published(experiment: Experiment) -> list[Selection]:
    """Datasets that a paper has numbers on, on a task that the experiment probes."""
    return [
        {"dataset": name}
        for name, card in experiment.cards.items()
        if {number.task for number in card.published} & set(experiment.tasks(name))
    ]


def _frame_tasks(experiment: Experiment, kinds: tuple[str, ...]) -> list[Selection]:
    """Tasks labelled frame by frame, where some run is probed on them."""
    return [
        {"dataset": name, "task": task}
        for name, card in experiment.cards.items()
        for task in experiment.tasks(name)
        if card.kind in LABELLED_BY_FRAME and card.tasks[task].level == "frame" and card.tasks[task].kind in kinds
    ]


def _multiclass(experiment: Experiment) -> list[Selection]:
    return _frame_tasks(experiment, ("multiclass",))


def _yes_or_no(experiment: Experiment) -> list[Selection]:
    """Datasets with two yes-or-no tasks or more, by the name of their positive class."""
    found = Counter(
        (name, card.tasks[task].vocabulary[1])
        for name, card in experiment.cards.items()
        for task in experiment.tasks(name)
        if card.tasks[task].kind == "binary" and len(card.tasks[task].vocabulary) == 2
    )
    return [{"dataset": name, "positive": positive} for (name, positive), tasks in found.items() if tasks > 1]


def _mapped(experiment: Experiment) -> list[Selection]:
    """Datasets with a frame-level task by class, which embedding maps are coloured by."""
    return [{"dataset": name} for name in dict.fromkeys(select["dataset"] for select in _multiclass(experiment))]


def _weight_maps(experiment: Experiment) -> list[Selection]:
    """Tasks that daart's own classes are judged by, where its sweep varies the weights of the loss."""
    swept = experiment.config.sweep.get("daart", {})
    runs = [run for run in experiment.predicting_runs() if run.method == "daart"] if "loss" in swept else []
    return [
        {"dataset": name, "task": task}
        for name in dict.fromkeys(run.dataset for run in runs)
        for task in experiment.tasks(name)
        if experiment.cards[name].tasks[task].kind == "multiclass"
    ]


def _image_runs(experiment: Experiment) -> list[Selection]:
    """Datasets and modes of runs that find points in images."""
    runs = [runs[0] for runs in image_runs(experiment).values()]
    return [{"dataset": name, "mode": mode} for name, mode in dict.fromkeys((run.dataset, run.mode) for run in runs)]


def _label_curves(experiment: Experiment) -> list[Selection]:
    return [{"dataset": name, "task": task} for name in label_families(experiment) for task in experiment.tasks(name)]


def _leaks(experiment: Experiment) -> list[Selection]:
    return [{"dataset": name} for name in dict.fromkeys(run.dataset for run in leaking_runs(experiment))]


def _behaviours(experiment: Experiment) -> list[Selection]:
    """Tasks and sources of the behaviour tables that have classes a frame."""
    found: dict[tuple[str, str, str], None] = {}
    wanted = [(name, task, "human") for name, tasks in behaviour_tasks(experiment).items() for task in tasks]
    models = {each.dataset: each.trained_on or each.dataset for each in experiment.config.apply}
    for made in behaviour_sources(experiment):
        tasks = experiment.tasks(made.dataset) or experiment.tasks(models[made.dataset])
        wanted += [(made.dataset, task, made.source) for task in tasks]
    for name, task, source in wanted:
        card = experiment.cards[name if task in experiment.cards[name].tasks else models[name]]
        if card.tasks[task].level == "frame" and card.tasks[task].kind in ("binary", "multiclass"):
            found.setdefault((name, task, source))
    return [{"dataset": name, "task": task, "source": source} for name, task, source in found]


BEHAVIOUR_TABLES = ("behaviour/budget.csv", "behaviour/conditions.csv")
DIRECTION_TABLES = ("tables/direction_errors.csv",)

KINDS: dict[str, Kind] = {
    "scores": Kind("report.paper:scores", ("comparison.csv",), _datasets),
    "classes": Kind("report.paper:classes", ("comparison.csv", "tables/labels.csv"), _multiclass),
    "published": Kind("report.beside:beside", ("comparison.csv", "tables/published.csv"), _published),
    "positives": Kind("report.paper:positives", ("comparison.csv",), _yes_or_no),
    "confusion": Kind("report.paper:confusion", ("comparison.csv", "tables/confusions.csv"), _multiclass),
    "ranks": Kind("report.paper:ranks", ("ranks.csv", "tests.csv", "comparison.csv"), _multiclass),
    "label_efficiency": Kind("report.label_efficiency:draw", ("label_efficiency.csv", "comparison.csv"), _label_curves),
    "embeddings": Kind(
        "report.paper:embeddings", ("tables/embedding_maps.csv", "tables/labels.csv"), _mapped, "Examples"
    ),
    "weights": Kind("methods.daart.figures:weight_map", ("comparison.csv", "settings.csv"), _weight_maps),
    "rose": Kind("methods.rat_direction.paper:rose", DIRECTION_TABLES, _image_runs),
    "animals": Kind("methods.rat_direction.paper:error_by_animal", DIRECTION_TABLES, _image_runs),
    "leak": Kind("methods.rat_direction.paper:leak", ("tables/direction_leak.csv",), _leaks),
    "animals_by_condition": Kind("behaviour.figures:animals", BEHAVIOUR_TABLES, _behaviours, "Behaviour"),
    "rasters": Kind(
        "behaviour.figures:rasters", ("behaviour/bouts.csv", "behaviour/budget.csv"), _behaviours, "Behaviour"
    ),
    "time_course": Kind("behaviour.figures:time_course", ("behaviour/time_bins.csv",), _behaviours, "Behaviour"),
    "transitions": Kind(
        "behaviour.figures:transition_graphs", ("behaviour/transitions.csv",), _behaviours, "Behaviour"
    ),
    "ethogram": Kind(
        "report.paper:ethogram",
        ("tables/ethograms.csv", "tables/quality.csv", "tables/labels.csv"),
        _multiclass,
        "Examples",
    ),
}
"""Every kind of figure by the name that the configuration key `figures` knows it by."""


def drawings(experiment: Experiment) -> list[Drawing]:
    """Return the figures of an experiment: of the kinds its key `figures` names, or of all that apply.

    Raises
    ------
    ConfigError
        When the key names a kind that does not exist.
    """
    wanted = experiment.config.figures
    for name in wanted or []:
        if name not in KINDS:
            raise ConfigError(f"figures: there is no kind {name!r}{nearest(name, list(KINDS))}.")
    found = []
    for name in KINDS if wanted is None else wanted:
        for select in KINDS[name].where(experiment):
            found.append(Drawing(slugify("-".join([name, *select.values()])), name, select))
    return found
