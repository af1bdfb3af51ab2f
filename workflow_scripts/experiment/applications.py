"""What the key `apply` of an experiment stands for: final models, and the recordings they predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import nearest
from workflow_scripts.experiment.schema import ApplyUse

if TYPE_CHECKING:
    from workflow_scripts.experiment.experiment import Experiment, Run

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
                f"apply: models of {model!r} ({kinds[0]}) cannot be applied to {wanted.dataset!r} ({kinds[1]}); expected "
                f"both of one kind out of {', '.join(APPLIED)}."
            )
        if not experiment.tasks(model):
            raise ConfigError(f"apply: {model!r} has no tasks to be predicted; add tasks to its card.")
        known = experiment.use(model).methods or list(config.methods)
        for name in wanted.methods or []:
            if name not in known:
                raise ConfigError(f"apply: the method {name!r} does not run on {model!r}{nearest(name, known)}.")
        for task in wanted.tasks or []:
            tasks = experiment.tasks(model)
            if task not in tasks:
                raise ConfigError(f"apply: {model!r} has no task {task!r}{nearest(task, tasks)}.")
    pairs = [(wanted.model(), wanted.dataset) for wanted in config.apply]
    twice = next((pair for pair in pairs if pairs.count(pair) > 1), None)
    if twice:
        raise ConfigError(f"apply: {twice[0]!r} is applied to {twice[1]!r} by two entries; put them into one.")


def final_results(experiment: Experiment) -> list[str]:
    """Paths, below `results/<experiment>/`, of what finals end with: the readout, or the model where it has none."""
    ends = {run.path(): "probe" if experiment.probed(run) else "embedder" for run in experiment.finals}
    return [f"{path}/{end}/config.yaml" for path, end in ends.items()]


def applications(experiment: Experiment) -> list[tuple[Run, ApplyUse, str]]:
    """Return final run, what it is applied to, and the path of its predictions, for every entry of `apply`."""
    return [
        (run, wanted, f"{run.path()}/applied/{wanted.dataset}.h5")
        for wanted in experiment.config.apply
        for run in experiment.finals
        if run.dataset == wanted.model() and (wanted.methods is None or run.method in wanted.methods)
    ]
