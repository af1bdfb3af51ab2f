"""What every job finds in its environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.core.places import require_places
from workflow_scripts.experiment.schema import Configuration


def _first(name: str, values: Sequence[str]) -> None:
    """Put `values` before what a path variable holds, once."""
    held = [part for part in os.environ.get(name, "").split(os.pathsep) if part and part not in values]
    os.environ[name] = os.pathsep.join([*values, *held])


def use_checkout(root: Path) -> None:
    """Let jobs run this interpreter and this checkout's package, and know where the checkout is."""
    _first("PATH", [str(Path(sys.executable).parent)])
    _first("PYTHONPATH", [str(root)])
    os.environ["ETHOMAKE_ROOT"] = str(root)


def set_environment(root: Path, config: Configuration) -> None:
    """Let jobs run this interpreter and this checkout's package, one thread each, and know where files come from.

    Mirrors and download settings go through the environment and are no parameters of a rule: they do not change a
    verified file, so they must not make Snakemake fetch it again.

    Parameters
    ----------
    root : Path
        The checkout.
    config : Configuration
    """
    require_places()
    use_checkout(root)
    _first("ETHOMAKE_MIRRORS", config.mirrors)
    os.environ["ETHOMAKE_DOWNLOAD"] = config.download.model_dump_json()
