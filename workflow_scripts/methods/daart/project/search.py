"""Random or Bayesian search over the original's three YAML files, in the same version folders as the grid."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.methods.daart.project.data import Project, read_project
from workflow_scripts.methods.daart.project.options import NEVER_GRIDDED, UNUSED, Configs, read_configs, read_point
from workflow_scripts.methods.daart.project.versions import (
    HPARAMS,
    Version,
    check_devices,
    leaderboard,
    plan,
    train_version,
)

log = logging.getLogger("ethomake.daart")

Sampler = Literal["tpe", "random"]
RANGE = {"low", "high", "log"}


def _optuna() -> Any:
    try:
        optuna = importlib.import_module("optuna")
    except ImportError as error:
        raise ConfigError(
            "Searching needs Optuna, which is not installed; run `pip install 'ethomake[search]'`."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def search_space(configs: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Find what is searched: lists (their values) and mappings with low and high (a range, on a log scale with log).

    Raises
    ------
    ConfigError
        When nothing is searched, or a range cannot be used.
    """
    space: dict[str, Any] = {}
    for name, value in configs.items():
        if isinstance(value, list) and value and name not in (*NEVER_GRIDDED, *UNUSED):
            space[name] = value
        elif isinstance(value, dict):
            numbers = [value.get("low"), value.get("high")]
            plain = all(isinstance(x, int | float) for x in numbers) and not set(value) - RANGE
            if not plain or not value["low"] < value["high"] or (value.get("log") and value["low"] <= 0):
                place = configs.place(name) if isinstance(configs, Configs) else where
                raise ConfigError(
                    f"{place}: {name} is no range; write it as {{low: 1.0e-5, high: 1.0e-2, log: true}}, with low "
                    "above 0 where log is true."
                )
            space[name] = value
    if not space:
        raise ConfigError(
            f"{where}: nothing to search; give some option a list of values, or a range with low and high."
        )
    return space


def _suggest(trial: Any, space: dict[str, Any]) -> dict[str, Any]:
    chosen = {}
    for name, values in space.items():
        if isinstance(values, list):
            chosen[name] = trial.suggest_categorical(name, values)
            continue
        whole = all(isinstance(values[key], int) for key in ("low", "high"))
        draw = trial.suggest_int if whole else trial.suggest_float
        chosen[name] = draw(name, values["low"], values["high"], log=bool(values.get("log")))
    return chosen


def search(
    data_config: Path,
    model_config: Path,
    train_config: Path,
    *,
    trials: int,
    sampler: Sampler = "tpe",
    seed: int = 0,
) -> list[Version]:
    """Train points that a sampler draws, and learn from how they validate which to draw next.

    The draws hang on the seed and on the points' own scores, so the same command repeats the same points: finished
    ones are found in their folders, and a killed search, or one with more trials, goes on.

    Parameters
    ----------
    data_config, model_config, train_config : Path
    trials : int
    sampler : {"tpe", "random"}
        Tree-structured Parzen estimators (Bergstra et al. 2011, NeurIPS), or blind.
    seed : int

    Returns
    -------
    list of Version
        One a trial, in the order drawn; a point drawn twice is trained once.

    Raises
    ------
    EthoMakeError
        When Optuna is absent, the files or data cannot be used, or points are judged by different metrics.
    """
    optuna = _optuna()
    configs = read_configs(data_config, model_config, train_config)
    where = str(model_config)
    space = search_space(configs, where)
    fixed = {name: value for name, value in configs.items() if name not in {*space, *UNUSED} and value is not None}
    projects: dict[str, Project] = {}
    versions: list[Version] = []
    monitors: set[str] = set()

    def judge(trial: Any) -> float:
        options = read_point(fixed | _suggest(trial, space), configs)
        check_devices([options])
        if options.data_key not in projects:
            projects[options.data_key] = read_project(options)
        project = projects[options.data_key]
        (version,) = plan([options], [project.digests], configs)
        versions.append(version)
        if not version.existed:
            train_version(version, project)
        hparams = read_yaml(version.folder / HPARAMS)
        monitors.add(str(hparams["monitor"]))
        if hparams["monitor"] is None or len(monitors) > 1:
            raise ConfigError(
                f"{where}: points can be compared only by one validation metric, found: {', '.join(sorted(monitors))}; "
                "set monitor, and give trial_splits a validation share."
            )
        value = float(hparams["best_value"])
        log.info("trial %d: %s, %s %.4g", trial.number, version.folder.name, hparams["monitor"], value)
        return value if hparams["monitor"] == "val_macro_f1" else -value

    made = optuna.samplers.TPESampler(seed=seed) if sampler == "tpe" else optuna.samplers.RandomSampler(seed=seed)
    optuna.create_study(direction="maximize", sampler=made).optimize(judge, n_trials=trials)
    unique = list({version.folder: version for version in versions}.values())
    leaderboard(unique, list(space))
    return versions
