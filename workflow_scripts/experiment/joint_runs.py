"""What the key `joint` of an experiment describes: runs whose embeddings are those of other runs side by side."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from workflow_scripts import methods
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import nearest
from workflow_scripts.experiment.runs import JOINT, Run
from workflow_scripts.experiment.settings import SETTING_LENGTH
from workflow_scripts.metrics import chance

if TYPE_CHECKING:
    from workflow_scripts.experiment.experiment import Experiment

AT = "/"
"""Between a member's method and the one setting of a sweep that is taken."""
SEEDS = "@seeds"
"""Behind a member whose models of all seeds are taken, instead of that of the row's seed."""


def check_joint(experiment: Experiment) -> None:
    """Check the entries of `joint` against the methods, sweeps and datasets of an experiment.

    Raises
    ------
    ConfigError
        When an entry takes the name of a method, or has a member that is not there.
    """
    config = experiment.config
    if JOINT in config.methods:
        raise ConfigError(f"methods.{JOINT}: name the rows under the key joint, e.g. joint: {{both: [features, pca]}}.")
    for row, members in config.joint.items():
        where = f"joint.{row}"
        if row in methods.names() or row in chance.NAMES:
            raise ConfigError(f"{where}: {row!r} is the name of a method; give the row a name of its own.")
        if len(members) == 1 and not members[0].endswith(SEEDS):
            raise ConfigError(f"{where}: expected two members or more, or one with {SEEDS}, e.g. {members[0]}{SEEDS}.")
        for member in members:
            method, setting = _parts(member)
            if method not in config.methods:
                raise ConfigError(
                    f"{where}: {method!r} is not listed under methods{nearest(method, list(config.methods))}."
                )
            if member.endswith(SEEDS) and not methods.config_model(method).seeded:
                raise ConfigError(f"{where}: {method!r} is the same with every seed; leave {SEEDS} out.")
            kind, expected = methods.config_model(method).kind, methods.config_model(JOINT).kind
            if kind != expected:
                raise ConfigError(f"{where}: {method!r} reads {kind}; expected methods that read {expected}.")
            known = {name for dataset in config.datasets for name in experiment.setting_names(dataset, method)}
            if setting and setting not in known:
                near = nearest(setting, sorted(known))
                raise ConfigError(f"{where}: {method!r} has no setting {setting!r}{near}.")
        for dataset, use in config.datasets.items():
            lists = {f"methods_by_split.{family}": names for family, names in use.methods_by_split.items()}
            for key, names in {"methods": use.methods or [], **lists}.items():
                for method in methods_of(members) if row in names else []:
                    if method not in names:
                        raise ConfigError(
                            f"datasets.{dataset}.{key}: {row!r} needs its member {method!r}; list it, too."
                        )


def methods_of(members: Sequence[str]) -> list[str]:
    """Methods of the members of an entry."""
    return [_parts(member)[0] for member in members]


def _parts(member: str) -> tuple[str, str]:
    """Method and setting of a member; an empty setting = every one."""
    method, _, setting = member.removesuffix(SEEDS).partition(AT)
    return method, setting


def joint_runs(experiment: Experiment, dataset: str, runs: Sequence[Run]) -> Iterator[Run]:
    """Yield the joint runs of a dataset: of every setting of their members, mode, split and seed.

    A member that has no seeds, or no faithful mode, is the same run in all of them; one with :data:`SEEDS` is its runs
    with all seeds.

    Parameters
    ----------
    experiment : Experiment
    dataset : str
    runs : sequence of Run
        Of the dataset, those of the members among them.
    """
    config, use = experiment.config, experiment.use(dataset)
    known = {(run.method, run.mode, run.setting, run.split, run.seed): run for run in runs}
    joined: dict[tuple[str, ...], Run] = {}
    places = list(dict.fromkeys((run.family, run.split, run.seed) for run in runs))
    card = experiment.cards[dataset]
    families = {split: family for family in use.splits for split in card.split_names(family)}
    for row, members in config.joint.items():
        named = list(use.methods or [*config.methods, *config.joint])
        if not experiment.tasks(dataset) or not {row, *methods_of(members)} <= {*named}:
            continue
        models = [methods.config_model(method) for method in methods_of(members)]
        if any(model.kind != experiment.cards[dataset].kind for model in models):
            continue
        modes = config.modes if any(model.faithful for model in models) else ["sound"]
        for settings in itertools.product(*(_settings(experiment, dataset, member) for member in members)):
            alone = [
                not model.seeded or member.endswith(SEEDS) or experiment.once(method, setting)
                for member, method, model, setting in zip(members, methods_of(members), models, settings, strict=True)
            ]
            once = all(alone) or experiment.once(row)
            name = _name([given for given, member in zip(settings, members, strict=True) if AT not in member])
            for mode, (family, split, seed) in itertools.product(modes, places):
                if not use.runs_on(row, families.get(split, split)) or (once and seed != config.seeds[0]):
                    continue
                found: dict[str, Run] = {}
                for member, model, setting, first in zip(members, models, settings, alone, strict=True):
                    own = _parts(member)[0], mode if model.faithful else "sound", setting, split
                    plain = member.removesuffix(SEEDS)
                    if plain == member:
                        found[member] = known[*own, config.seeds[0] if first else seed].trained
                    else:  # a family may run with fewer seeds
                        there = [every for every in config.seeds if (*own, every) in known]
                        found |= {f"{plain}@{every}": known[*own, every].trained for every in there}
                folders = {
                    member: f"results/{config.experiment}/{run.path()}/embedder" for member, run in found.items()
                }
                listed = [{"name": member, "folder": folder} for member, folder in folders.items()]
                options = methods.parse(JOINT, {"members": listed}).model_dump(mode="json")
                predicting = [run for run in found.values() if run.readout is not None]
                readout = "native" if len(predicting) > 1 else None
                run = Run(dataset, row, mode, name, split, seed, family, options, readout, members=found)
                # Where all members are those of another split, the two joint models are one, too.
                same = joined.setdefault((row, *(member.path() for member in found.values())), run)
                yield run if same is run else replace(run, shared=same)


def _settings(experiment: Experiment, dataset: str, member: str) -> list[str]:
    method, setting = _parts(member)
    return [setting] if setting else experiment.setting_names(dataset, method)


def _name(settings: Sequence[str]) -> str:
    """Name the point of a joint run by the settings of those members that have several."""
    text = ",".join(setting for setting in settings if setting != "default") or "default"
    return text if len(text) <= SETTING_LENGTH else hashlib.sha256(text.encode()).hexdigest()[:12]
