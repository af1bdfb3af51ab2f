"""The Snakemake command line that runs an experiment."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.project import project_folder
from workflow_scripts.experiment.experiment import load_configuration, named_experiment
from workflow_scripts.workflow.workspace import snakefile

CONFIG = ("--config", "-C")
FILES = ("--configfile", "--configfiles")
NO_PROFILE = ("--profile", "--executor", "-e")
"""Options after which the local profile would be in the way."""


def _taken(given: Sequence[str], names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split off the values of options that take several; Snakemake heeds only the last one of a name."""
    found: list[str] = []
    rest: list[str] = []
    taking = False
    for position, word in enumerate(given):
        if word == "--":
            return found, [*rest, *given[position:]]
        if word.startswith("-"):
            name, sign, value = word.partition("=")
            taking = name in names
            if not taking:
                rest.append(word)
            elif sign:
                found.append(value)
                taking = False
        elif taking and ("=" in word or names is FILES):
            found.append(word)
        else:
            taking = False
            rest.append(word)
    return found, rest


def check_cache() -> None:
    """Refuse a home that cannot be written to, in which Snakemake would end with a traceback.

    Raises
    ------
    ConfigError
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        home.mkdir(parents=True, exist_ok=True)
        writable = os.access(home, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise ConfigError(
            f"{home}: Snakemake keeps its cache there, and the folder cannot be written to; "
            "export XDG_CACHE_HOME=/another/folder (on a cluster one that all nodes share)."
        )


def command(name: str, given: Sequence[str], places: Sequence[Path]) -> list[str]:
    """Return the command line of Snakemake for an experiment.

    Parameters
    ----------
    name : str
        Name in `config/experiments`, or a YAML file.
    given : sequence of str
        Arguments for Snakemake. Targets need no `--` before them: after `--config`, what holds no `=` is a target.
    places : sequence of Path
        Folders that hold `config/`, the first one with the Snakefile, if it has any.

    Raises
    ------
    ConfigError
        When the experiment is not valid; said before Snakemake starts.
    """
    file = Path(name).suffix in {".yaml", ".yml"}
    files, rest = _taken(given, FILES)
    settings, rest = _taken(rest, CONFIG)
    if not files and not settings:  # else the experiment is only known once Snakemake has merged them
        named_experiment(places, name)
    elif not file:
        load_configuration(places, {"experiment": name})
    line = [sys.executable, "-m", "workflow_scripts.workflow.start"]
    if files or file:
        line += ["--configfile", *([name] if file else []), *files]
    if settings or not file:
        line += ["--config", *([] if file else [f"experiment={name}"]), *settings]
    line += ["--snakefile", os.fspath(snakefile(places[0]))]
    words = rest[: rest.index("--")] if "--" in rest else rest
    if not any(word.split("=")[0] in NO_PROFILE for word in words) and "SNAKEMAKE_PROFILE" not in os.environ:
        own = Path(places[0]) / "profiles" / "local"
        line += ["--profile", os.fspath(own if own.is_dir() else project_folder() / "profiles" / "local")]
    return [*line, *rest]
