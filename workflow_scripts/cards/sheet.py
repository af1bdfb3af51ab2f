"""The sheet of a dataset: `config/datasets/<name>.recordings.tsv`, one row a recording, made into shards and files.

Tab-separated with one header. `recording` and `file` are required; empty cells take the card's value; every column that
is not named below is a covariate. `label` (class of a whole video) and `region` (x,y,width,height of one animal's part
of the picture) are of videos alone. A row whose `file` holds `*` stands for every file that fits the pattern below the
card's `local` folder, and `*` in its other cells for the text that the star matched.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import Field

from workflow_scripts.core import limits
from workflow_scripts.core.boundary import reading
from workflow_scripts.core.documents import read_bounded
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.names import control_character
from workflow_scripts.core.validation import Strict, nearest

COLUMNS = (
    *("recording", "file", "labels", "observation", "group", "animal", "condition", "fps", "width", "height"),
    *("scale", "start", "frames", "scored", "individuals", "label", "region"),
)
"""Columns with a meaning; others are covariates."""

SUFFIX = ".recordings.tsv"


class LabelTemplate(Strict):
    """How the label files of a sheet are read: each file takes every entry whose pattern it fits."""

    source: str = Field(description="Name of a label source (workflow_scripts/sources).")
    match: str = Field("*", description="Pattern of the file's path, e.g. boris/*.csv.")
    options: dict[str, Any] = {}


class Rename(Strict):
    """Names of a file → names of the card."""

    individuals: dict[str, str] = Field({}, description="Animal or track of the file → individual of the card.")
    keypoints: dict[str, str] = Field({}, description="Point of the file → keypoint of the card.")

    def merged(self, over: Rename) -> Rename:
        """Return these names with another's laid over them."""
        return Rename(
            individuals=self.individuals | over.individuals,
            keypoints=self.keypoints | over.keypoints,
        )


SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)\s*(s?)")
"""One labelled span of a sheet: `0-600` in frames, `0-20s` in seconds."""


def read_spans(text: str) -> list[tuple[float, float, bool]]:
    """Read labelled spans: start, end (not included), True where they are seconds.

    Raises
    ------
    ValueError
        When the text is no list of spans.
    """
    found = []
    for part in re.split(r"[,;|]", text):
        span = SPAN.fullmatch(part.strip())
        if span is None or not float(span[1]) < float(span[2]) < math.inf:
            raise ValueError(f"expected a span such as 0-600 (frames) or 0-20s (seconds), found {part.strip()!r}")
        found.append((float(span[1]), float(span[2]), bool(span[3])))
    return found


def read_sheet(path: Path) -> list[dict[str, str]]:
    """Read the rows of a sheet, as text; cells left empty are absent.

    Parameters
    ----------
    path : Path
        UTF-8, tab-separated. Lines that begin with `#` are comments.

    Raises
    ------
    InputError
        When the file is absent, has no columns `recording` and `file`, or a row has too many cells.
    """
    if not path.exists():
        raise InputError(path, "the file does not exist", "check recordings in the card")
    try:
        text = read_bounded(path, limits.YAML_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, "is not UTF-8 text", "save it as tab-separated UTF-8 text") from error
    with reading(path, "tab-separated text", "fix that line"):
        # Spreadsheets quote cells that hold a tab or a quote; csv undoes that.
        reader = csv.reader(io.StringIO(text), delimiter="\t")
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    rows = [(line, row) for line, row in rows if any(row) and not row[0].startswith("#")]
    if not rows:
        raise InputError(path, "holds no row", "expected a header and one row a recording")
    odd = next(((line, problem) for line, row in rows for cell in row if (problem := control_character(cell))), None)
    if odd:
        raise InputError(path, f"line {odd[0]}: a cell {odd[1]}", "fix that line")
    header = rows[0][1]
    for name in ("recording", "file"):
        if name not in header:
            hint = "; separate columns by tabs" if len(header) == 1 else nearest(name, header).removesuffix("?")
            raise InputError(path, f"line {rows[0][0]}: the column {name!r} is missing{hint}", "add it to the header")
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        raise InputError(path, f"line {rows[0][0]}: the column {twice[0]!r} is there twice", "keep one of them")
    found = []
    for line, row in rows[1:]:
        if len(row) > len(header) and any(row[len(header) :]):
            raise InputError(path, f"line {line}: has {len(row)} cells, the header {len(header)}", "fix that row")
        cells = {name: cell for name, cell in zip(header, row, strict=False) if name and cell}
        found.append({"#": str(line), **cells})
    return found


def expand(card: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Fill in the shards and files that a card's sheet (or its shards alone) imply.

    Parameters
    ----------
    card : mapping
        Values of the YAML, not yet validated.
    path : Path
        The card, for messages and to find the sheet beside it.

    Returns
    -------
    dict
        The same values; unchanged where the card lists its own files and names no sheet.

    Raises
    ------
    InputError
        When the sheet cannot be used; names the line.
    ConfigError
        When a pattern fits no file, or the card has a sheet and shards.
    """
    values = dict(card)
    recordings = values.get("recordings")
    if recordings is not None:
        if values.get("shards"):
            raise ConfigError(f"{path}: the card has recordings and shards; keep one of them.")
        if isinstance(recordings, str):
            where = path.parent / recordings
            rows = read_sheet(where)
        else:
            where = path
            rows = _inline(path, recordings)
        rows = [full for row in rows for full in _matched(where, row, values.get("local"))]
        templates = values.get("labels") or []
        values["shards"] = [_shard(where, row, templates) for row in rows]
    if not values.get("files") and values.get("local") and isinstance(values.get("shards"), list):
        values["files"] = [{"path": name} for name in _paths(values["shards"])]
    return values


def _inline(path: Path, recordings: Any) -> list[dict[str, str]]:
    rows = []
    for number, row in enumerate(recordings if isinstance(recordings, list) else [], 1):
        if not isinstance(row, dict) or "file" not in row:
            raise ConfigError(f"{path}: recordings, entry {number}: expected a mapping with recording and file.")
        cells = {str(key): str(value) for key, value in row.items() if value not in (None, "")}
        rows.append({"#": str(number), "recording": "*", **cells})
    return rows


def _paths(shards: Sequence[Any]) -> list[str]:
    found: dict[str, None] = {}
    for shard in shards:
        if isinstance(shard, dict):
            named = [
                shard.get("file", shard.get("tracks")),
                *(label.get("file") for label in shard.get("labels") or []),
            ]
            found.update(dict.fromkeys(str(name) for name in [*named, *(shard.get("beside") or [])] if name))
    return list(found)


STARS = 4
"""Stars of a pattern: each more multiplies the ways in which a long name can fit."""


def _why_no_pattern(pattern: str) -> str:
    """Say why a pattern cannot stand for files below the folder of the recordings; empty where it can."""
    parts = pattern.split("/")
    if pattern.startswith("/") or ".." in parts:
        return "leads out of the folder of the recordings"
    if any("**" in part and part != "**" for part in parts) or parts[-1] == "**":
        return "holds ** beside other text"
    if pattern.replace("**", "*").count("*") > STARS:
        return f"has more than {STARS} stars"
    return ""


def _matched(where: Path, row: dict[str, str], local: Any) -> list[dict[str, str]]:
    """Return the rows that a row with a pattern stands for, or the row itself."""
    if "file" not in row or "recording" not in row:
        raise InputError(where, f"line {row['#']}: recording and file must be filled in", "fix that row")
    pattern = row["file"]
    if "*" not in pattern:
        return [row]
    if not isinstance(local, str):
        raise ConfigError(f"{where}: the pattern {pattern!r} needs the key local in the card, the folder of the files.")
    why = _why_no_pattern(pattern)
    if why:
        raise InputError(where, f"line {row['#']}: the pattern {pattern[:80]!r} {why}", "fix that cell")
    folder = Path(local)
    expression = "".join(
        {"**/": "(?:.*/)?", "*": "([^/]*)"}.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*)", pattern)
    )
    found = []
    for path in sorted(folder.glob(pattern)):
        name = path.relative_to(folder).as_posix()
        fit = re.fullmatch(expression, name)
        if fit is None or not path.is_file():
            continue
        text = "_".join(fit.groups())
        cells = {key: cell.replace("*", text) for key, cell in row.items()}
        cells["file"] = name
        labels = [label for label in cells.pop("labels", "").split("|") if label and (folder / label).is_file()]
        found.append(cells | ({"labels": "|".join(labels)} if labels else {}))
    if not found:
        raise ConfigError(f"{where}: no file below {folder} fits the pattern {pattern!r}; check it and local.")
    return found


def _number(where: Path, row: dict[str, str], name: str, kind: type[int] | type[float]) -> int | float | None:
    if name not in row:
        return None
    text = row[name]
    try:
        value = float(text)
        if kind is int and not value.is_integer():
            raise ValueError(text)
    except ValueError as error:
        what = "a whole number" if kind is int else "a number with a decimal point"
        raise InputError(
            where, f"line {row['#']}: expected {what} under {name}, found {text!r}", "fix that cell"
        ) from error
    return kind(value)


def _shard(where: Path, row: dict[str, str], templates: Sequence[Any]) -> dict[str, Any]:
    shard: dict[str, Any] = {"id": row["recording"], "file": row["file"], "labels": _labels(where, row, templates)}
    shard["group"] = row.get("group") or row.get("animal")
    for name in ("animal", "condition", "scored"):
        if name in row:
            shard[name] = row[name]
    shard["fps"] = _number(where, row, "fps", float)
    shard["scale"] = _number(where, row, "scale", float)
    shard["frames"] = _number(where, row, "frames", int)
    shard["start"] = _number(where, row, "start", int) or 0
    size = [_number(where, row, name, float) for name in ("width", "height")]
    if all(side is not None for side in size):
        shard["image_size"] = size
    elif any(side is not None for side in size):
        raise InputError(where, f"line {row['#']}: has a width or a height alone", "fill in both, or none")
    if "individuals" in row:
        shard["rename"] = {"individuals": _pairs(where, row)}
    if "label" in row:
        shard["options"] = {"label": row["label"]}
    if "region" in row:
        sides = [part.strip() for part in row["region"].split(",")]
        if len(sides) != 4 or not all(re.fullmatch(r"[0-9]{1,9}", side) for side in sides):
            raise InputError(
                where,
                f"line {row['#']}: expected x,y,width,height in pixels under region, found {row['region']!r}",
                "fix that cell",
            )
        shard["options"] = shard.get("options", {}) | {"region": [int(side) for side in sides]}
    shard["covariates"] = {key: cell for key, cell in row.items() if key not in COLUMNS and key != "#"}
    return {key: value for key, value in shard.items() if value not in (None, {}, [])}


def _pairs(where: Path, row: dict[str, str]) -> dict[str, str]:
    """Read `track_3=resident|track_9=intruder`."""
    pairs = [part.partition("=") for part in row["individuals"].split("|") if part.strip()]
    if not all(sign and old.strip() and new.strip() for old, sign, new in pairs):
        raise InputError(
            where,
            f"line {row['#']}: expected name in the file = name in the card under individuals",
            "write e.g. track_3=resident|track_9=intruder",
        )
    return {old.strip(): new.strip() for old, _, new in pairs}


def _labels(where: Path, row: dict[str, str], templates: Sequence[Any]) -> list[dict[str, Any]]:
    files = [name.strip() for name in row.get("labels", "").split("|") if name.strip()]
    chosen = [name.strip() for name in row.get("observation", "").split("|")] if "observation" in row else []
    if len(chosen) not in (0, 1, len(files)):
        raise InputError(
            where,
            f"line {row['#']}: names {len(files)} label files and {len(chosen)} observations",
            "name one observation, or one for each file",
        )
    found = []
    for number, name in enumerate(files):
        fitting = [t for t in templates if isinstance(t, dict) and fnmatchcase(name, str(t.get("match", "*")))]
        if not fitting:
            raise InputError(
                where,
                f"line {row['#']}: no entry under labels of the card fits {name!r}",
                "add one with its source and options",
            )
        for template in fitting:
            label = {"source": template.get("source"), "file": name, "options": template.get("options") or {}}
            observation = chosen[number if len(chosen) > 1 else 0] if chosen else ""
            found.append(label | ({"observation": observation} if observation else {}))
    return found
