"""What every job finds in its environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.core.places import require_places
from workflow_scripts.training.watched_tasks import ask_tasks

if TYPE_CHECKING:  # jobs read this module: a new key of experiments must not make them all run again
    from workflow_scripts.experiment.schema import Configuration


def _first(name: str, values: Sequence[str]) -> None:
    """Put `values` before what a path variable holds, once."""
    held = [part for part in os.environ.get(name, "").split(os.pathsep) if part and part not in values]
    os.environ[name] = os.pathsep.join([*values, *held])


NOTES = Path(".snakemake/ethomake")
"""Folder, in the working directory, of what EthoMake keeps beside Snakemake's own notes."""


QUIET = "ETHOMAKE_QUIET"
"""Set in jobs whose terminal shows the end of their log where they fail, and nothing else of them."""
RESULTS = "ETHOMAKE_RESULTS"
"""Where the process that builds the graph keeps the folder of the experiment's results."""


def use_checkout(root: Path) -> None:
    """Let jobs run this interpreter and this checkout's package, and know where the project's folder is.

    The folder inside a wheel holds no package: this interpreter finds the installed one by itself.
    """
    _first("PATH", [str(Path(sys.executable).parent)])
    if (root / "workflow_scripts").is_dir():
        _first("PYTHONPATH", [str(root)])
    os.environ["ETHOMAKE_ROOT"] = str(root)
    if cache := os.environ.get("XDG_CACHE_HOME"):  # which Snakemake and torch obey, and Matplotlib only in part
        os.environ.setdefault("MPLCONFIGDIR", str(Path(cache) / "matplotlib"))


def set_environment(root: Path, config: Configuration) -> None:
    """Let jobs run this interpreter and this checkout's package, one thread each, and know where files come from.

    Mirrors, download settings, `keep_going` and the tasks that a training only watches go through the environment and
    are no parameters of a rule: they change no result, so they must not make Snakemake run anything again.

    Parameters
    ----------
    root : Path
        EthoMake's own folder: a checkout, or the copy in a wheel.
    config : Configuration
    """
    require_places()
    use_checkout(root)
    _first("ETHOMAKE_MIRRORS", config.mirrors)
    os.environ["ETHOMAKE_DOWNLOAD"] = config.download.model_dump_json()
    ask_tasks({name: use.tasks for name, use in config.datasets.items() if use.tasks})
    os.environ["ETHOMAKE_KEEP_GOING"] = str(int(config.keep_going))
    os.environ["ETHOMAKE_NOTES"] = str(NOTES)
    os.environ[RESULTS] = str(Path("results", config.experiment).absolute())


def keep_going() -> bool:
    """Whether a job that fails should let the others go on (key `keep_going` of the configuration)."""
    return os.environ.get("ETHOMAKE_KEEP_GOING") == "1"
