"""Where EthoMake's own project folder is: Snakefile, rules, configuration, profiles, environments, recipes."""

from __future__ import annotations

from pathlib import Path

from workflow_scripts.core.errors import ConfigError

PACKAGE = Path(__file__).parents[1]
CARRIED = "_project"
"""Folder in the package into which `setup.py` copies the project when it builds a wheel; a checkout has none."""


def project_folder() -> Path:
    """Return the folder that holds EthoMake's Snakefile, `rules/` and `config/`.

    Returns
    -------
    Path
        The checkout that this package is imported from (an editable install as well); else the copy inside the wheel.

    Raises
    ------
    ConfigError
        When neither is there.
    """
    for folder in (PACKAGE.parent, PACKAGE / CARRIED):
        if (folder / "Snakefile").is_file() and (folder / "rules" / "common.smk").is_file():
            return folder
    raise ConfigError(
        f"{PACKAGE}: neither the folder above it nor {CARRIED}/ holds EthoMake's Snakefile; install the wheel again."
    )
