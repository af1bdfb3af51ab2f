"""Where cards and experiments are looked up: in the user's folder first, then among EthoMake's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import nearest

Kind = Literal["datasets", "experiments"]


def as_folders(places: str | Path | Sequence[Path]) -> list[Path]:
    """Return folders that may hold `config/`, each once, in the order of their precedence."""
    given = [Path(places)] if isinstance(places, str | Path) else list(places)
    return list({folder.resolve(): folder for folder in given}.values())


def known_names(places: str | Path | Sequence[Path], kind: Kind) -> list[str]:
    """Names of all cards (``datasets``) or experiments that the folders hold, sorted."""
    return sorted({path.stem for folder in as_folders(places) for path in (folder / "config" / kind).glob("*.yaml")})


def config_path(places: str | Path | Sequence[Path], kind: Kind, name: str) -> Path:
    """Return the file of a card or an experiment, from the first folder that has it.

    Raises
    ------
    ConfigError
        When no folder has it; names the nearest one.
    """
    for folder in as_folders(places):
        path = folder / "config" / kind / f"{name}.yaml"
        if path.is_file():
            return path
    what = kind.removesuffix("s")
    raise ConfigError(f"There is no {what} {name!r} in config/{kind}{nearest(name, known_names(places, kind))}.")
