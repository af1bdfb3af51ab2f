"""Splits: `data/<dataset>/splits/<name>.json`, made once, by group."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

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
    unlabelled : list of str
        Training recordings whose labels are hidden from whatever is fitted.
    """

    dataset: str
    name: str
    family: str
    train: list[str]
    validation: list[str]
    test: list[str]
    groups: dict[str, str]
    unlabelled: list[str] = field(default_factory=list)

    def labelled_train(self) -> list[str]:
        """Training recordings whose labels may be used."""
        hidden = set(self.unlabelled)
        return [recording for recording in self.train if recording not in hidden]


_SPLIT = TypeAdapter(Split)


def write_split(path: str | Path, split: Split) -> None:
    """Write a split as JSON."""
    value = asdict(split)
    if not split.unlabelled:  # as earlier versions wrote it, and read it
        del value["unlabelled"]
    write_json(path, {"schema_version": SCHEMA_VERSION, **value})


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
        split = _SPLIT.validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise InputError(path, f"is no split ({place}: {problem['msg']})", "delete it and run again") from error
    if unknown := set(value) - set(split.__dict__):
        raise InputError(path, f"is no split (unknown key {min(unknown)!r})", "delete it and run again")
    named = [*split.train, *split.validation, *split.test]
    if len(set(named)) != len(named):
        twice = next(name for name in named if named.count(name) > 1)
        raise InputError(path, f"is no split (it names {twice!r} twice)", "delete it and run again")
    if stray := set(split.unlabelled) - set(split.train):
        raise InputError(path, f"is no split (unlabelled {min(stray)!r} does not train)", "delete it and run again")
    lacking = next((name for name in named if name not in split.groups), None)
    if lacking is not None:
        raise InputError(path, f"is no split (it names no group of {lacking!r})", "delete it and run again")
    return split
