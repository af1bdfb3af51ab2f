"""The grid of an original project as Snakefile.daart sees it.

Imported while the graph is built, so nothing heavy may be imported here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.methods.daart.project.options import PLACES, Configs, ProjectOptions, grid, read_configs

FILES = ("data_config", "model_config", "train_config")


@dataclass(frozen=True)
class Grid:
    """A grid as the graph sees it, without a look into the data.

    Attributes
    ----------
    paths : list of Path
        The three YAML files.
    points : dict of str to ProjectOptions
        By a digest of the options.
    axes : list of str
    configs : Configs
        All that the files say.
    """

    paths: list[Path]
    points: dict[str, ProjectOptions]
    axes: list[str]
    configs: Configs

    @property
    def folder(self) -> Path:
        """Where the jobs leave word of themselves."""
        return next(iter(self.points.values())).results_dir / ".grid"

    @property
    def name(self) -> str:
        """Digest of where the three files are: their points may change, and the plan is then made again there."""
        return hashlib.sha256(" ".join(map(str, self.paths)).encode()).hexdigest()[:12]

    def inputs(self) -> list[str]:
        """Every file of the data folder that a point may read."""
        first = next(iter(self.points.values()))
        folders = (first.input_type, "labels-hand", "labels-heuristic", "tasks")
        found = [
            path
            for folder in folders
            for name in first.expt_ids
            for path in first.data_dir.glob(f"{folder}/{name}[._]*")
        ]
        return sorted({str(path) for path in found if path.is_file()})


def read_grid(configs: Mapping[str, Any]) -> Grid:
    """Read the three YAML files named in a configuration.

    Raises
    ------
    ConfigError
        When one is not named, or a point is refused.
    """
    missing = [name for name in FILES if not configs.get(name)]
    if missing:
        raise ConfigError(f"Name the project's files: --config {' '.join(f'{name}=FILE' for name in missing)}.")
    paths = [Path(str(configs[name])).resolve() for name in FILES]
    said = read_configs(*paths)
    points, axes = grid(said)
    named = {}
    for options in points:
        identity = options.model_dump_json(exclude=set(PLACES) - {"data_dir", "results_dir", "tt_experiment_name"})
        named[hashlib.sha256(identity.encode()).hexdigest()[:12]] = options
    return Grid(paths, named, axes, said)
