"""Types of names and numbers on cards and in experiments: they become paths, HDF5 groups, wildcards, mathematics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from workflow_scripts.core import limits
from workflow_scripts.core.names import normal, why_no_name

LONGEST_PATH = 1000
LONGEST_PART = 200
"""Bytes of a file name on a card; file systems allow 255, and `.part` and the like are put behind it."""
SEED_END = 2**32
"""Seeds lie below this; numpy and scikit-learn take none above."""


def _name(value: str) -> str:
    problem = why_no_name(value)
    if problem:
        raise ValueError(f"the name {value[:40]!r} {problem}")
    return normal(value)


def _path_part(value: str) -> str:
    if "/" in value or value in {".", ".."}:
        raise ValueError("a name without a slash was expected, as it becomes a part of paths")
    return value


def _path(value: str) -> str:
    for character in "{}":
        if character in value:
            raise ValueError(f"a path without {character} was expected, which Snakemake would take for a wildcard")
    if why_no_name(value.replace("/", "")):
        raise ValueError(f"the path {value[:40]!r} {why_no_name(value.replace('/', ''))}")
    parts = value.split("/")
    if any(part in {"", "."} for part in parts):
        raise ValueError("a path without empty parts and dots was expected")
    longest = max(len(part.encode("utf-8", "surrogatepass")) for part in parts)
    if longest > LONGEST_PART or len(value) > LONGEST_PATH:
        raise ValueError(f"file names of at most {LONGEST_PART} bytes, in a path of {LONGEST_PATH}, were expected")
    return value


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
"""Name of a dataset, split or experiment: a part of paths and a wildcard of Snakemake."""
Label = Annotated[str, AfterValidator(_name)]
"""Name of a recording, animal, point or class: any text on one line."""
TaskName = Annotated[str, Field(max_length=200), AfterValidator(_name), AfterValidator(_path_part)]
"""Name of a task, which becomes a part of HDF5 groups and of file names."""
PlainPath = Annotated[str, AfterValidator(_path)]
"""Relative path of a file that Snakemake handles."""
Seed = Annotated[int, Field(ge=0, lt=SEED_END)]
Fps = Annotated[float, Field(gt=0, le=limits.FPS)]
Side = Annotated[float, Field(gt=0, le=limits.PIXELS)]
"""Width or height of a picture."""


def require_unique(what: str, values: Sequence[object]) -> None:
    """Refuse a list in which something is repeated.

    Raises
    ------
    ValueError
    """
    for value, count in Counter(map(repr, values)).items():
        if count > 1:
            raise ValueError(f"{what} repeats {value[:60]}")
