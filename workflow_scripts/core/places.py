"""Folders that Snakemake and the libraries write to beside the results."""

from __future__ import annotations

import os
import tempfile

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.limits import free_disk, human

LEAST_TEMPORARY = 2**20
"""Bytes without which Snakemake cannot start one job."""


def require_places() -> None:
    """Refuse a temporary folder that is missing or full, where Snakemake would end in a traceback.

    Raises
    ------
    ConfigError
    """
    remedy = "set TMPDIR to a folder with some space"
    try:
        folder = tempfile.gettempdir()
        free = free_disk(folder)
    except OSError as error:
        named = os.environ.get("TMPDIR", "TMPDIR")
        raise ConfigError(f"There is no temporary folder that can be written to ({named}); {remedy}.") from error
    if free < LEAST_TEMPORARY:
        raise ConfigError(f"The temporary folder {folder} is full ({human(free)} free); {remedy}.")
