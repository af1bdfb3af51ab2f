"""What the user says on the command line, laid over what was found."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflow_scripts.convert.propose.files import Listing
from workflow_scripts.convert.propose.recordings import Item
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.validation import nearest
from workflow_scripts.sources.shared.text import delimiter_of, read_text


@dataclass
class Wishes:
    """Options of `ethomake new-dataset`.

    Attributes
    ----------
    name : str or None
        Of the dataset; the folder's where None.
    source : str or None
        Which source, where the folder holds files of several.
    options : dict
        Options of that source, laid over those that were found to be needed.
    fps : float or None
    conditions : Path or None
        A table with a column recording (or animal, or group) and others, which are copied into the sheet.
    pattern : str or None
        Names of the files, with the parts that mean something: ``{animal}_{condition}_day{day}``.
    panels : int
        Equal parts side by side in every video, each with an animal of its own.
    """

    name: str | None = None
    source: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    fps: float | None = None
    conditions: Path | None = None
    pattern: str | None = None
    panels: int = 1


FIELD = re.compile(r"\{([A-Za-z][A-Za-z0-9_ ]*)\}")


def fit_pattern(items: list[Item], pattern: str | None, listing: Listing, guessed: list[str]) -> list[Item]:
    """Fill cells of the sheet from the parts of the files' names; leave out files that do not fit.

    Raises
    ------
    ConfigError
        When no file fits, or a field is there twice.
    """
    if pattern is None:
        return items
    fields = FIELD.findall(pattern)
    if len(set(fields)) < len(fields):
        raise ConfigError(f"--pattern {pattern!r} names a field twice; give each its own name.")
    plain = FIELD.split(pattern)
    expression = ""
    for number, part in enumerate(plain):
        if number % 2:
            last = number == len(plain) - 2 and not plain[-1]
            expression += f"(?P<f{number // 2}>[^/]+{'' if last else '?'})"
        else:
            expression += ".*?".join(map(re.escape, part.split("*")))
    kept = []
    for item in items:
        name = listing.name(item.path)
        fit = None
        for text in (item.path.name.rsplit(".", 1)[0], name.rsplit(".", 1)[0], item.path.name, name, item.id):
            fit = re.fullmatch(expression, text)
            if fit:
                break
        if fit is None:
            listing.leave(item.path, f"names that do not fit --pattern {pattern}")
            continue
        cells = {name: fit[f"f{k}"] for k, name in enumerate(fields)}
        item.id = cells.pop("recording", item.id)
        item.group = cells.pop("group", None) or cells.get("animal") or item.group
        item.cells |= cells
        kept.append(item)
    if not kept:
        shown = listing.name(items[0].path) if items else "nothing"
        raise ConfigError(f"No file fits --pattern {pattern!r}; the first one is {shown!r}.")
    if fields:
        guessed.append(f"The columns {', '.join(fields)} are filled from the names of the files by --pattern.")
    return kept


def fill_panels(items: list[Item], panels: int, guessed: list[str]) -> list[Item]:
    """Make a row of each of several equal parts of a picture."""
    if panels == 1:
        return items
    made = []
    for item in items:
        if item.found.image_size is None:
            continue
        width, height = (int(side) for side in item.found.image_size)
        for k in range(panels):
            part = dataclasses.replace(item, id=f"{item.id}_{k}", group=f"{item.group}_{k}", cells=dict(item.cells))
            part.cells["region"] = f"{k * width // panels},0,{width // panels},{height}"
            made.append(part)
    guessed.append(f"Each video has {panels} panels side by side (--panels), taken for animals of a group each.")
    return made


def add_conditions(items: Sequence[Item], path: Path, guessed: list[str], unknown: list[str]) -> None:
    """Copy the columns of a table into the sheet, by recording, animal or group.

    Raises
    ------
    InputError
        When the table has no such column, or names a recording twice.
    """
    text = read_text(path, "a csv with the column recording (or animal, or group) and e.g. condition")
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter_of(text.split("\n", 1)[0])))
    rows = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        raise InputError(path, "holds no row", "expected a header with recording, animal, condition")
    header = [name.lower() for name in rows[0]]
    key = next((name for name in ("recording", "video", "file", "animal", "group") if name in header), None)
    if key is None:
        near = nearest("recording", header).removesuffix("?")
        raise InputError(path, f"line 1: has no column recording, animal or group{near}", "add one")
    place = header.index(key)
    used: set[str] = set()
    known: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise InputError(path, f"line {number}: has {len(row)} cells, the header {len(header)}", "correct that row")
        if row[place] in known:
            raise InputError(path, f"line {number}: {row[place]!r} is there twice", "keep one row for each")
        known[row[place]] = {name: cell for name, cell in zip(header, row, strict=True) if name != key}
        if key in ("animal", "group"):
            known[row[place]][key] = row[place]
    for item in items:
        names = [item.id, item.id.rsplit("/", 1)[-1], item.path.name, item.path.stem]
        if key in ("animal", "group"):
            names = [item.cells.get(key, ""), item.group, *names]
        name = next((name for name in names if name in known), None)
        if name is not None:
            used.add(name)
            item.cells |= known[name]
            item.group = known[name].get("group") or known[name].get("animal") or item.group
    lacking = [item.id for item in items if item.id not in used and "condition" not in item.cells]
    guessed.append(f"{len(used)} rows of {path.name} are laid over the sheet by {key}.")
    if lacking:
        unknown.append(f"{path.name} has no row of {', '.join(lacking[:5])}{' …' if len(lacking) > 5 else ''}.")
    idle = [name for name in known if name not in used]
    if idle:
        unknown.append(f"{path.name} names {', '.join(idle[:5])}, which no recording is called.")
