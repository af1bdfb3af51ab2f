"""DeepLabCut tables: single- and multi-animal, csv and h5 (Lightning Pose writes the same csv)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from workflow_scripts.core import limits
from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.documents import read_bounded
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.hdf5 import open_hdf5
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.sources.joined import JoinOptions, join_animals
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.pandas_hdf import read_hdf
from workflow_scripts.sources.shared.points import describe
from workflow_scripts.sources.shared.text import beginning, comma_separated, refuse_non_text

WIDE = 2000
"""Columns from which on a csv is parsed in two passes."""

COORDS = ("x", "y", "likelihood")
"""The three columns of a point, in the order DeepLabCut writes them."""

SPACE = ("x", "y", "z")
UNIQUE = "single"
"""DeepLabCut's name for the owner of points that belong to no animal (the corners of an arena)."""

EXPECTED = "a DeepLabCut csv (rows scorer, perhaps individuals, bodyparts, coords)"
LEVELS = (("scorer", "bodyparts", "coords"), ("scorer", "individuals", "bodyparts", "coords"))
ONE_ANIMAL = "individual1"
"""Name of the animal in a single-animal file, which states none; the card's name replaces it."""


class Options(JoinOptions):
    """Options of the source `deeplabcut`."""

    individuals: list[str] = Field([], description="Animals of the file to read, in this order; empty = all.")
    keypoints: list[str] = Field([], description="Points of the file to read, in this order; empty = all.")
    scorer: str | None = Field(None, description="Network to read, where the file holds several.")
    likelihood: bool = Field(
        True, description="False where the file has no likelihood; seen points then count as sure."
    )
    key: str | None = Field(None, description="Name of the table in an h5 that holds several.")
    missing_rows: Literal["refuse", "empty"] = Field(
        "refuse", description="Frames that the table leaves out, at its start or within: refuse it, or fill with NaN."
    )


Column = tuple[str, str, str, str]
"""Scorer, individual, bodypart, coordinate."""


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read one recording from a csv or h5; see :func:`workflow_scripts.sources.read_tracks`."""
    yield join_animals(path, options, lambda file: _read_one(file, options, recording))


def _read_one(path: Path, options: Options, recording: str) -> Recording:
    if path.suffix.lower() in {".h5", ".hdf5", ".hdf"}:
        columns, index, values = _read_h5(path, options.key)
        unit, first = "row", 0
    else:
        raw = comma_separated(read_bounded(path, limits.TEXT_BYTES))
        columns, index, values = _read_csv(path, raw)
        unit, first = "line", len(_header(raw)[0]) + 1
    warnings: list[str] = []
    if options.missing_rows == "empty":
        values = _filled(path, index, values, warnings)
    else:
        _check_index(path, index, unit, first)
    return _arrange(path, columns, values, options, recording, warnings)


def _filled(
    path: Path, index: npt.NDArray[np.int64], values: npt.NDArray[np.float32], warnings: list[str]
) -> npt.NDArray[np.float32]:
    """Give every frame from 0 to the last a row."""
    if len(index) == 0 or (np.diff(index) <= 0).any() or index[0] < 0:
        raise InputError(path, "the frame numbers do not increase", "every frame may be there once, in order")
    count = int(index[-1]) + 1
    limits.require_frames(path, count, len(index))
    if count > len(index):
        warnings.append(f"{path.name}: {count - len(index)} of {count} frames have no row and hold no point")
    full = np.full((count, values.shape[1]), np.nan, np.float32)
    full[index] = values
    return full


def _check_levels(path: Path, levels: Sequence[str]) -> None:
    if tuple(level.strip().lower() for level in levels) not in LEVELS:
        found = ", ".join(repr(level[:20]) for level in levels)
        raise InputError(path, f"found the header rows {found}", f"expected {EXPECTED}; check the source in the card")


def _with_individual(names: Sequence[tuple[str, ...]]) -> list[Column]:
    """Give every column four names: those of a single-animal file have three."""
    return [(n[0], ONE_ANIMAL, n[1], n[2]) if len(n) == 3 else (n[0], n[1], n[2], n[3]) for n in names]


_Table: TypeAlias = tuple[list[Column], npt.NDArray[np.int64], npt.NDArray[np.float32]]


def _read_h5(path: Path, key: str | None) -> _Table:
    table = read_hdf(path, key)
    _check_levels(path, table.levels)
    columns = _with_individual(table.columns)
    if table.index.dtype.kind not in "iu":
        raise InputError(path, "the rows are images, not frames of a video", "this is a table of labelled images")
    return columns, table.index.astype(np.int64), table.values


def _header(raw: bytes) -> tuple[list[list[str]], int]:
    """Return the rows up to `coords`, four at most, and the byte at which the data start."""
    rows: list[list[str]] = []
    place = 0
    while len(rows) < 4 and (not rows or rows[-1][0].strip().lower() != "coords"):
        end = raw.find(b"\n", place) + 1 or len(raw)
        line = raw[place:end].decode("utf-8-sig", errors="replace").strip("\r\n")
        rows.append(next(csv.reader([line]), [""]) or [""])
        place = end
    return rows, place


def _read_csv(path: Path, raw: bytes | None = None) -> _Table:
    raw = read_bounded(path, limits.TEXT_BYTES) if raw is None else raw
    refuse_non_text(path, raw[:4096], EXPECTED)
    rows, place = _header(raw)
    levels = [row[0] for row in rows]
    _check_levels(path, levels)
    width = len(rows[0])
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise InputError(path, f"line {number}: has {len(row)} cells, line 1 has {width}", "export the file again")
    names = list(zip(*(row[1:] for row in rows), strict=True))
    columns = _with_individual(names)
    body = raw[place:]
    if not body.strip():
        raise InputError(path, f"has a header of {len(rows)} rows and no frame", "export the file again")
    try:
        # pandas' own header parsing takes a first frame without any point for a row of index names and drops it.
        index, values = _columns(body, width)
        complete = body.count(b",") == len(values) * (width - 1)
    except (ValueError, pd.errors.ParserError):
        complete = False
    if not complete:
        raise _bad_row(path, body, width, len(rows))
    return columns, index, values


def _columns(body: bytes, width: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Parse the rows below the header: frame numbers and values."""

    def parse(kind: Any, columns: range) -> pd.DataFrame:
        return pd.read_csv(
            io.BytesIO(body), header=None, names=range(width), index_col=False, usecols=columns, dtype=kind, engine="c"
        )

    if width > WIDE:  # a kind for each column takes pandas many times longer than one for all
        return parse(np.int64, range(1))[0].to_numpy(), parse(np.float32, range(1, width)).to_numpy()
    table = parse({0: np.int64, **dict.fromkeys(range(1, width), np.float32)}, range(width))
    return table[0].to_numpy(), table.iloc[:, 1:].to_numpy(dtype=np.float32)


def _bad_row(path: Path, body: bytes, width: int, header: int) -> InputError:
    """Find the row pandas stumbled over; slow, and only on the way to an error."""
    lines = body.decode("utf-8", errors="replace").splitlines()
    for number, row in enumerate(csv.reader(lines), start=header + 1):
        if row and len(row) != width:
            return InputError(
                path,
                f"line {number}: has {len(row)} cells, the header {width}",
                "the file is cut short or damaged; export or download it again",
            )
        for column, cell in enumerate(row):
            try:
                if column == 0:
                    int(cell)
                elif cell.strip():
                    float(cell)
            except ValueError:
                what = "a frame number" if column == 0 else "a number"
                where = f"line {number}, column {column + 1}"
                return InputError(path, f"{where}: expected {what}, found {cell[:40]!r}", "correct or export it again")
    return InputError(path, "cannot be read as a table of numbers", "export the file again")


def _check_index(path: Path, index: npt.NDArray[np.int64], unit: str, first: int) -> None:
    wrong = np.flatnonzero(index != np.arange(len(index)))
    if len(index) == 0:
        raise InputError(path, "holds no frame", "export the file again")
    if len(wrong) == 0:
        return
    at = int(wrong[0])
    twice = " (a frame that is there already)" if index[at] in index[:at] else ""
    raise InputError(
        path,
        f"{unit} {first + at}: expected frame {at}, found frame {index[at]}{twice}",
        "every frame must be there once, in order, counted from 0; missing_rows: empty in the source options fills the "
        "frames left out with NaN",
    )


def _chosen(path: Path, found: list[str], wanted: list[str], what: str) -> list[str]:
    for name in wanted:
        if name not in found:
            near = nearest(name, found).removesuffix("?")
            raise InputError(path, f"has no {what} {name!r}{near}", f"check {what}s in the source options")
    return wanted or found


def _arrange(
    path: Path,
    columns: list[Column],
    values: npt.NDArray[np.float32],
    options: Options,
    recording: str,
    warnings: list[str],
) -> Recording:
    """Sort columns by name into arrays, whatever their order in the file."""
    scorers = list(dict.fromkeys(column[0] for column in columns))
    scorer = _chosen(path, scorers, [options.scorer] if options.scorer else [], "scorer")
    if len(scorer) != 1:
        raise InputError(path, f"holds the output of {len(scorers)} networks", "name one of them under scorer")
    place: dict[tuple[str, str, str], int] = {}
    more: set[str] = set()
    for number, (network, *name) in enumerate(columns):
        if network != scorer[0]:
            continue
        point = (name[0], name[1], name[2])
        if point in place:
            raise InputError(path, f"column {number + 2}: {' / '.join(point)} is there twice", "export the file again")
        if point[2] not in (*COORDS, *SPACE):
            more.add(point[2])
            continue
        place[point] = number
    deep = {point[:2] for point in place if point[2] == "z"}
    if deep and deep != {point[:2] for point in place}:
        number = next(k for point, k in place.items() if point[2] == "z")
        raise InputError(
            path, f"column {number + 2}: some points have the coord 'z' and others have none", "export all alike"
        )
    if more:
        # Lightning Pose's ensemble smoother writes its variances beside the points.
        warnings.append(f"{path.name}: columns beside x, y, z and likelihood are left out: {', '.join(sorted(more))}")
    found = list(dict.fromkeys(p[0] for p in place))
    if not options.individuals and UNIQUE in found and len(found) > 1:
        own = sorted({p[1] for p in place if p[0] == UNIQUE})
        warnings.append(f"{path.name}: the points of no animal ({UNIQUE}: {', '.join(own)}) are left out")
        found.remove(UNIQUE)
    animals = _chosen(path, found, options.individuals, "individual")
    parts = list(dict.fromkeys(p[1] for p in place if p[0] in animals))
    parts = _chosen(path, parts, options.keypoints, "keypoint")
    axes = SPACE if deep else SPACE[:2]
    coords = (*axes, COORDS[2]) if options.likelihood else axes
    order = []
    for animal in animals:
        for part in parts:
            for coord in coords:
                if (animal, part, coord) not in place:
                    raise _missing(path, animal, part, coord, {c for a, p, c in place if (a, p) == (animal, part)})
                order.append(place[animal, part, coord])
    block = values[:, order].reshape(len(values), len(animals), len(parts), len(coords))
    position = np.ascontiguousarray(block[..., : len(axes)])
    if options.likelihood:
        confidence = np.ascontiguousarray(block[..., len(axes)])
    else:
        confidence = np.where(any_nan(position), np.float32(np.nan), np.float32(1))
    return Recording(
        id=recording,
        position=position,
        confidence=confidence,
        fps=float("nan"),
        individuals=tuple(animals),
        keypoints=tuple(parts),
        group=recording,
        warnings=warnings,
    )


def _missing(path: Path, animal: str, part: str, coord: str, there: set[str]) -> InputError:
    if not there:
        return InputError(
            path,
            f"the individual {animal!r} has no point {part!r}, which another one has",
            "name the animals to read under individuals (points of no animal stand under 'single'), or the points "
            "all of them have under keypoints",
        )
    remedy = "export the file with x, y and likelihood"
    if coord == "likelihood":
        remedy += ", or set likelihood: false in the source options"
    return InputError(path, f"the point {animal} / {part} has no column {coord!r}", remedy)


def sniff(path: Path) -> Found | None:
    """Tell a table of DeepLabCut (or Lightning Pose) by its header rows, csv or h5."""
    head = file_head(path)
    if path.name.startswith("CollectedData"):  # hand labels: single images, not a recording
        return None
    if head.hdf5:
        with open_hdf5(path) as handle:
            groups = [node for node in handle.values() if isinstance(node, h5py.Group)]
            if not any({"table", "block0_values"} & set(node) for node in groups):
                return None
    else:
        cells = [row[0] for row in head.rows(6) if row]
        # A table of hand labels has the same header, and image names where a video's has frame numbers.
        if not cells or cells[0] != "scorer" or not any(cell.isdigit() for cell in cells[1:]):
            return None
    found = Found(source="deeplabcut", kind="tracks")
    try:
        read_, found.options = _lenient(path)
    except InputError as error:
        if "are images" in str(error):
            return None
        raise
    describe(found, read_)
    if not head.hdf5:
        found.n_frames = _sample(path)[1][0]
    found.guessed += [line for line in read_.warnings if "no animal" in line]
    if not found.options.get("likelihood", True):
        found.guessed.append(f"{path.name} has no likelihood, so every point that is there counts as sure.")
    if "missing_rows" in found.options:
        found.unknown.append(f"{path.name} leaves frames out; they are filled with NaN (missing_rows: empty).")
    return found


def _lenient(path: Path) -> tuple[Recording, dict[str, Any]]:
    """Read a table (or the beginning of a csv) with the fewest options it takes, and return them."""
    options: dict[str, Any] = {}
    raw, count = _sample(path)
    for _ in range(4):
        try:
            chosen = Options(**options)
            if raw is None:
                return next(read(path, chosen, recording=path.stem)), options
            columns, index, values = _read_csv(path, raw)
            warnings: list[str] = []
            if options.get("missing_rows") is None and (index[0] != 0 or (np.diff(index) != 1).any() or count[1]):
                options["missing_rows"] = "empty"
            return _arrange(path, columns, values, chosen, path.stem, warnings), options
        except InputError as error:
            text = str(error)
            if "has no column 'likelihood'" in text:
                options["likelihood"] = False
            elif "expected frame" in text and "there already" not in text:
                options["missing_rows"] = "empty"
            else:
                raise
    raise InputError(path, "cannot be read with any options", "export the file again")


def _sample(path: Path) -> tuple[bytes | None, tuple[int, bool]]:
    """Return the beginning of a csv, how many rows it has, and whether its last frame number says otherwise."""
    if file_head(path).hdf5:
        return None, (0, False)
    raw = comma_separated(read_bounded(path, limits.TEXT_BYTES))
    first, rows, last = beginning(raw, _header(raw)[1])
    return first, (rows, last.isdigit() and int(last) != rows - 1)


def write_csv(path: Path, recording: Recording, *, scorer: str = "EthoMake") -> None:
    """Write a recording as DeepLabCut's multi-animal csv: four header rows, one row a frame.

    Parameters
    ----------
    path : Path
        The csv to make, whole or not at all.
    recording : Recording
        Two spatial axes; NaN becomes an empty cell. Numbers are written so that they read back as the same float32.
    scorer : str
        Name of the network in the first header row.
    """
    time, individuals, keypoints, space = recording.position.shape
    if space != 2:
        raise ValueError(f"DeepLabCut's csv holds x and y, not {space} axes")
    points = [(animal, part) for animal in recording.individuals for part in recording.keypoints]
    header = [
        ["scorer", *[scorer] * (3 * len(points))],
        ["individuals", *(animal for animal, _ in points for _ in COORDS)],
        ["bodyparts", *(part for _, part in points for _ in COORDS)],
        ["coords", *COORDS * len(points)],
    ]
    values = np.concatenate([recording.position, recording.confidence[..., None]], axis=-1, dtype=np.float32)
    table = pd.DataFrame(values.reshape(time, individuals * keypoints * 3))
    with atomic_path(path) as part, open(part, "w", encoding="utf-8", newline="") as handle:
        pd.DataFrame(header).to_csv(handle, header=False, index=False, lineterminator="\n")
        table.to_csv(handle, header=False, lineterminator="\n")
