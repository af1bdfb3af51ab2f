"""Splits: `data/<dataset>/splits/<name>.json`, made once, by group."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import read_json, write_json

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Split:
    """Which recordings train, validate and test.

    Attributes
    ----------
    dataset, name : str
    family : str
        The scheme it belongs to: the folds ``fold0``, ``fold1`` … are pooled under ``fold``.
    train, validation, test : list of str
        Recording ids, sorted.
    groups : dict of str to str
        Group of every recording named above.
    """

    dataset: str
    name: str
    family: str
    train: list[str]
    validation: list[str]
    test: list[str]
    groups: dict[str, str]


def write_split(path: str | Path, split: Split) -> None:
    """Write a split as JSON."""
    write_json(path, {"schema_version": SCHEMA_VERSION, **asdict(split)})


def read_split(path: str | Path) -> Split:
    """Read a split.

    Raises
    ------
    InputError
        When the file is absent, damaged or of another schema version.
    """
    value = read_json(path)
    if not isinstance(value, dict) or value.pop("schema_version", None) != SCHEMA_VERSION:
        raise InputError(path, f"is no split of schema version {SCHEMA_VERSION}", "delete it and run again")
    try:
        return Split(**value)
    except TypeError as error:
        raise InputError(path, f"is no split ({error})", "delete it and run again") from error
