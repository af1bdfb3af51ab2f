"""Names that an experiment file gives: of methods, settings, joint rows and tasks that must be there."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from workflow_scripts import methods
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import nearest

if TYPE_CHECKING:
    from workflow_scripts.experiment.experiment import Experiment


def check_names(experiment: Experiment) -> None:
    """Check what an experiment names against the registry of methods, its own lists, and its cards.

    Raises
    ------
    ConfigError
        Of the first name that is not there, with the nearest that is.
    """
    config = experiment.config
    for name in [*config.methods, *config.sweep]:
        if name not in methods.names():
            raise ConfigError(f"There is no method {name!r}{nearest(name, methods.names())}.")
    for name in config.sweep:
        if name not in config.methods:
            raise ConfigError(f"sweep.{name}: the method is swept but not listed under methods; add it there.")
    for dataset, use in config.datasets.items():
        for name in [*(use.methods or []), *itertools.chain(*use.methods_by_split.values()), *use.overrides]:
            if name not in [*config.methods, *(config.joint if name not in use.overrides else [])]:
                listed = [*config.methods, *config.joint]
                raise ConfigError(
                    f"datasets.{dataset}: the method {name!r} is not listed under methods{nearest(name, listed)}."
                )
        tasks = experiment.cards[dataset].tasks
        for task in use.tasks or []:
            if task not in tasks:
                raise ConfigError(
                    f"datasets.{dataset}.tasks: the card has no task {task!r}{nearest(task, list(tasks))}."
                )
        for family in use.splits:
            experiment.cards[dataset].split_names(family)
    settings = [
        f"{name}/{setting}"
        for name in config.sweep
        for data in config.datasets
        for setting in experiment.setting_names(data, name)
    ]
    for name in config.one_seed:
        if name not in (listed := [*config.methods, *config.joint, *settings]):
            raise ConfigError(f"one_seed: {name!r} is no method, setting or joint row{nearest(name, listed)}.")
    if config.motifs and config.motifs.method not in config.methods:
        near = nearest(config.motifs.method, list(config.methods))
        raise ConfigError(f"motifs.method: {config.motifs.method!r} is not listed under methods{near}.")
