"""What the key `apply` of an experiment stands for: final models, and the recordings they predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflow_scripts.cards.card import FINAL
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import nearest
from workflow_scripts.experiment.schema import ApplyUse

if TYPE_CHECKING:
    from workflow_scripts.experiment.experiment import Experiment
    from workflow_scripts.experiment.runs import Run

APPLIED = ("tracks", "clips")
"""Kinds of data whose recordings are predicted frame by frame."""


def check_applications(experiment: Experiment) -> None:
    """Check the entries of `apply` against the datasets, methods and tasks of an experiment.

    Raises
    ------
    ConfigError
        When an entry names what is not there, or two entries would write one file.
    """
    config, cards = experiment.config, experiment.cards
    for wanted in config.apply:
        model = wanted.model()
        listed = list(config.datasets)
        if model not in listed:
            raise ConfigError(
                f"apply: the dataset {model!r} trains no model, as it is not listed under datasets"
                f"{nearest(model, listed)}; list it there, or name the one that does under trained_on."
            )
        if wanted.chosen() == "every" and wanted.dataset == model:
            raise ConfigError(
                f"apply: with recordings: every, the model of {model!r} would predict what it is trained on; expected "
                "unlabelled, or another dataset."
            )
        kinds = cards[model].kind, cards[wanted.dataset].kind
        if kinds[0] != kinds[1] or kinds[0] not in APPLIED:
            raise ConfigError(
                f"apply: models of {model!r} ({kinds[0]}) cannot be applied to {wanted.dataset!r} ({kinds[1]}); "
                f"expected both of one kind out of {', '.join(APPLIED)}."
            )
        if not experiment.tasks(model):
            raise ConfigError(f"apply: {model!r} has no tasks to be predicted; add tasks to its card.")
        known = experiment.use(model).methods or [*config.methods, *config.joint]
        for name in wanted.methods or []:
            if name not in known:
                raise ConfigError(f"apply: the method {name!r} does not run on {model!r}{nearest(name, known)}.")
        for task in wanted.tasks or []:
            tasks = experiment.tasks(model)
            if task not in tasks:
                raise ConfigError(f"apply: {model!r} has no task {task!r}{nearest(task, tasks)}.")
    chosen = config.behaviour.methods if config.behaviour else None
    for name in chosen or []:
        listed = [*config.methods, *config.joint]
        if name not in listed:
            raise ConfigError(f"behaviour.methods: {name!r} is not listed under methods{nearest(name, listed)}.")
    pairs = [(wanted.model(), wanted.dataset) for wanted in config.apply]
    twice = next((pair for pair in pairs if pairs.count(pair) > 1), None)
    if twice:
        raise ConfigError(f"apply: {twice[0]!r} is applied to {twice[1]!r} by two entries; put them into one.")


def folds_of(experiment: Experiment, run: Run) -> list[Run]:
    """Return the runs of the same method, setting and seed on each fold of a run's family; of a final, the first."""
    families = [family for family in experiment.use(run.dataset).splits if family != FINAL]
    family = run.family if run.family != FINAL else next(iter(families), None)
    names = ("dataset", "method", "mode", "setting", "seed")
    alike = [other for other in experiment.runs if all(getattr(other, key) == getattr(run, key) for key in names)]
    return [other for other in alike if other.family == family]


def final_results(experiment: Experiment) -> list[str]:
    """Paths, below `results/<experiment>/`, of what finals end with: the readout, or the model where it has none.

    Nothing on the way to the readout of a joint run makes its model, so it is named beside.
    """
    found = []
    for run in experiment.finals:
        ends = ["probe"] if experiment.probed(run) else ["embedder"]
        found += [f"{run.path()}/{end}/config.yaml" for end in [*ends, *(["embedder"] if run.members else [])]]
    return found


def applications(experiment: Experiment) -> list[tuple[Run, ApplyUse, str]]:
    """Return final run, what it is applied to, and the path of its predictions, for every entry of `apply`."""
    return [
        (run, wanted, f"{run.path()}/applied/{wanted.dataset}.h5")
        for wanted in experiment.config.apply
        for run in experiment.finals
        if run.dataset == wanted.model() and (wanted.methods is None or run.method in wanted.methods)
    ]


@dataclass(frozen=True)
class Source:
    """A file of predictions that behaviour tables are made from.

    Attributes
    ----------
    dataset : str
        Of the recordings.
    path : str
        Below `results/<experiment>/`.
    source : str
        Method, with its mode, point and readout where they are not the usual ones.
    role : str
        ``held_out`` or ``applied``.
    seed : int
    """

    dataset: str
    path: str
    source: str
    role: str
    seed: int


def has_behaviour(experiment: Experiment) -> bool:
    """Whether behaviour tables are made: where the key `behaviour` asks for them, or models are applied."""
    return experiment.config.behaviour is not None or bool(experiment.config.apply)


def behaviour_tasks(experiment: Experiment) -> dict[str, list[str]]:
    """Tasks by dataset whose hand labels enter the behaviour tables; datasets that models are applied to included."""
    if not has_behaviour(experiment):
        return {}
    found = {
        name: experiment.tasks(name) for name in experiment.config.datasets if experiment.cards[name].kind in APPLIED
    }
    for wanted in experiment.config.apply:
        found.setdefault(wanted.dataset, wanted.tasks or experiment.tasks(wanted.model()))
    return {name: tasks for name, tasks in found.items() if tasks}


def behaviour_sources(experiment: Experiment) -> list[Source]:
    """Return the predictions behind the behaviour tables: held out, in each dataset's first split, and applied."""
    if not has_behaviour(experiment):
        return []
    options = experiment.config.behaviour
    applied = applications(experiment)
    wanted = options.methods if options else None
    if wanted is None and applied:
        wanted = list(dict.fromkeys(run.method for run, _, _ in applied))
    found = []
    for run, _, path in experiment.predictions():
        first = next(family for family in experiment.use(run.dataset).splits if family != FINAL)
        native = path.endswith("/predictions.h5")
        shown = _decided(path) if experiment.config.decisions else path
        if (
            run.dataset in behaviour_tasks(experiment)
            and run.family == first
            and (wanted is None or run.method in wanted)
        ):
            found.append(Source(run.dataset, shown, _source_name(run, native=native), "held_out", run.seed))
    for run, use, path in applied:
        # As in the tables of scores: what a method says by itself is another readout than the probe's.
        native = use.readout != "probe" and run.readout is not None
        found.append(Source(use.dataset, path, _source_name(run, native=native), "applied", run.seed))
    return found


def _decided(path: str) -> str:
    """Return the file of decided classes beside one of predictions: tables of bouts are made from decisions."""
    folder, name = path.rsplit("/", 1)
    return f"{folder}/{'native_decided' if name == 'predictions.h5' else 'decided'}_predictions.h5"


def _source_name(run: Run, *, native: bool) -> str:
    parts = [
        run.method,
        *([run.mode] if run.mode != "sound" else []),
        *([run.setting] if run.setting != "default" else []),
    ]
    return " · ".join([*parts, *([str(run.readout)] if native else [])])
