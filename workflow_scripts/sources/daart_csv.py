"""The folder layout of daart: `markers/`, `labels-hand/`, `labels-heuristic/`, `tasks/`; one file per recording.

Labels are one-hot tables whose column `background` means "nobody scored this frame". As a track source it reads the
markers (DeepLabCut or Lightning Pose csv and h5, or npy with all x before all y).
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from workflow_scripts.cards.card import Task
from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.tables import write_csv
from workflow_scripts.core.validation import Strict, nearest
from workflow_scripts.formats.bouts import Bout, runs
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.sources import deeplabcut
from workflow_scripts.sources.shared import npy_objects
from workflow_scripts.sources.shared.bouts import fit_length, task_of
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.pandas_hdf import read_hdf
from workflow_scripts.sources.shared.text import read_text, table_rows

log = logging.getLogger("ethomake.sources")

MARKERS = "markers"
"""Name of the input folder whose csv and h5 are DeepLabCut tables; others hold plain features."""
EXPECTED = "a one-hot csv (header: an empty cell, then the class names; one row a frame, one 1 in each)"
H5_SUFFIXES = {".h5", ".hdf5", ".hdf"}


class Options(Strict):
    """Options of the source `daart_csv`, for markers and for labels."""

    task: str = Field("behaviour", description="Labels: task of the card that the table labels.")
    background: str | None = Field(
        "background", description="Labels: the column of frames nobody scored; empty = every frame is scored."
    )
    keypoints: list[str] = Field([], description="Markers in npy: names of the points, which the file lacks.")
    key: str | None = Field(None, description="Markers in h5: name of the table, where the file holds several.")


def find_input(data_dir: Path, input_type: str, recording: str) -> Path:
    """Find a recording's model input, by the original's order of names.

    Parameters
    ----------
    data_dir : Path
    input_type : str
        Name of the folder below it.
    recording : str

    Returns
    -------
    Path
        The first that exists of ``<id>_labeled`` and ``<id>`` with ``.h5``, ``.csv``, ``.npy``.

    Raises
    ------
    InputError
    """
    folder = Path(data_dir) / input_type
    for stem in (f"{recording}_labeled", recording):
        for suffix in (".h5", ".csv", ".npy"):
            path = folder / f"{stem}{suffix}"
            if path.is_file():
                return path
    raise InputError(folder, f"holds no {recording}.h5, .csv or .npy", "check data_dir, input_type and expt_ids")


def find_labels(data_dir: Path, folder: str, recording: str) -> Path | None:
    """Return ``<id>_labels.csv`` or ``<id>.csv`` of a label folder, or None where there is neither."""
    for name in (f"{recording}_labels.csv", f"{recording}.csv"):
        path = Path(data_dir) / folder / name
        if path.is_file():
            return path
    return None


def read_one_hot(path: Path) -> tuple[npt.NDArray[np.int16], tuple[str, ...], list[int]]:
    """Read a one-hot table.

    Returns
    -------
    codes : ndarray of int16, shape (time,)
        Column of the 1; 0 in a row of zeros.
    names : tuple of str
        Columns, in the order of the file.
    empty : list of int
        Frames whose row holds no 1.

    Raises
    ------
    InputError
        When the header, the frame numbers or a cell are not as expected; names the line. ``1.0`` is as good as ``1``.
    """
    text = read_text(path, EXPECTED)
    line = text.partition("\n")[0]
    header = next(table_rows(line), (1, []))[1]
    names = tuple(header[1:])
    if len(names) < 2 or header[0] not in ("", "frame", "Unnamed: 0") or len(set(names)) != len(names):
        raise InputError(path, f"line 1: found {line[:80]!r}", f"expected {EXPECTED}")
    values = _numbers(path, text, len(header))
    frames, cells = values[:, 0], values[:, 1:]
    for row, problem in (
        (frames != np.arange(len(values)), "the frame number is out of order"),
        (~np.isin(cells, (0, 1)).all(axis=1), "a cell is neither 0 nor 1"),
        (cells.sum(axis=1) > 1, "more than one class holds a 1"),
    ):
        if row.any():
            at = int(np.argmax(row))
            raise InputError(path, f"line {at + 2}: {problem}", f"correct it; expected {EXPECTED}")
    empty = np.flatnonzero(cells.sum(axis=1) == 0)
    return cells.argmax(axis=1).astype(np.int16), names, [int(frame) for frame in empty]


def _numbers(path: Path, text: str, width: int) -> npt.NDArray[np.float64]:
    """Read the rows below the header, all numbers, none missing."""
    body = text.partition("\n")[2]
    if not body.strip():
        raise InputError(path, "has a header and no frame", "export it again")
    problem = ""
    try:
        values = np.loadtxt(body.splitlines(), delimiter=",", ndmin=2)
        if values.shape[1] != width:
            problem = f"line 2: has {values.shape[1]} cells, line 1 has {width}"
        elif not np.isfinite(values).all():
            problem = f"line {int(np.argmax(~np.isfinite(values).all(axis=1))) + 2}: holds a value that is no number"
    except ValueError:
        problem = _first_bad_row(body, width)
    if problem:
        raise InputError(path, problem, "correct or export it again")
    return values


def _first_bad_row(body: str, width: int) -> str:
    for number, cells in table_rows(body):
        if len(cells) != width:
            return f"line {number + 1}: has {len(cells)} cells, line 1 has {width}"
        for cell in cells:
            try:
                float(cell)
            except ValueError:
                return f"line {number + 1}: expected a number, found {cell[:40]!r}"
    return "cannot be read as a table of numbers"


def write_one_hot(path: Path, codes: npt.NDArray[np.integer], names: Sequence[str]) -> None:
    """Write a one-hot table; `codes` are columns of `names`, the first of them usually ``background``."""
    table = pd.DataFrame(np.eye(len(names), dtype=np.int8)[codes], columns=list(names))
    write_csv(path, table, lineterminator="\n", index=True)


def read_features(path: Path) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Read a table of features (csv with one header row, or npy), shape (time, feature), and their names.

    A first column without a name (or called ``Unnamed: 0``, as pandas names it) is an index and left out, whatever it
    counts from; any other column is a feature, one called ``frame`` too, as in the original.

    Raises
    ------
    InputError
        When the file is no such table, or a value is infinite. NaN stays: a missing value.
    """
    if path.suffix == ".npy":
        values = _read_npy(path)
        names = [f"f{k}" for k in range(values.shape[1])]
    elif path.suffix in H5_SUFFIXES:
        table = read_hdf(path)
        values, names = table.values.astype(np.float64), [" ".join(name) for name in table.columns]
    else:
        rows = list(table_rows(read_text(path, "a csv with one header row of feature names")))
        if not rows:
            raise InputError(path, "holds no row", "correct or export it again")
        names = rows[0][1]
        for line, cells in rows[1:]:
            if len(cells) != len(names):
                raise InputError(
                    path, f"line {line}: has {len(cells)} cells, the header {len(names)}", "correct or export it again"
                )
        try:
            values = np.array([[float(cell or "nan") for cell in cells] for _, cells in rows[1:]], dtype=np.float64)
        except ValueError as error:
            raise InputError(path, f"is no table of numbers ({error})", "correct or export it again") from error
        if values.ndim != 2 or values.shape[1] != len(names):
            raise InputError(path, "has rows of another length than its header", "correct or export it again")
        if names[0] in {"", "Unnamed: 0"}:
            values, names = values[:, 1:], names[1:]
        counting = [name for k, name in enumerate(names) if len(values) > 1 and (np.diff(values[:, k]) == 1).all()]
        if counting:
            log.warning(
                "%s: the column %r counts the frames and is a feature; leave its name empty if it is an index",
                path,
                counting[0],
            )
        if not names:
            raise InputError(path, "holds an index and no feature", "export it again")
    if np.isinf(values).any():
        raise InputError(path, "holds an infinite value", "correct or export it again")
    return values, names


def _read_npy(path: Path) -> npt.NDArray[np.float64]:
    values = npy_objects.read_plain(path)
    if values.ndim != 2 or values.dtype.kind not in "iuf" or not values.size:
        raise InputError(path, f"holds {values.dtype} {values.shape}", "expected numbers of shape (time, feature)")
    return np.asarray(values, dtype=np.float64)


def read(path: Path, options: Options, *, recording: str) -> Iterator[Recording]:
    """Read the markers of one recording; see :func:`workflow_scripts.sources.read_tracks`."""
    if path.suffix != ".npy":
        yield from deeplabcut.read(path, deeplabcut.Options(key=options.key), recording=recording)
        return
    values = _read_npy(path)
    n = values.shape[1] // 2
    if values.shape[1] % 2 or (options.keypoints and len(options.keypoints) != n):
        wanted = f"{2 * len(options.keypoints)}" if options.keypoints else "an even number of"
        raise InputError(path, f"has {values.shape[1]} columns, expected {wanted}", "all x first, then all y")
    position = np.stack([values[:, :n], values[:, n:]], axis=-1)[:, None].astype(np.float32)
    yield Recording(
        id=recording,
        position=position,
        confidence=np.where(any_nan(position), np.float32(np.nan), np.float32(1)),
        fps=float("nan"),
        individuals=(deeplabcut.ONE_ANIMAL,),
        keypoints=tuple(options.keypoints or [f"point{k + 1}" for k in range(n)]),
        group=recording,
    )


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read a one-hot table; frames of the background are unlabelled (:func:`workflow_scripts.sources.read_labels`).

    Raises
    ------
    InputError
        Also when the classes of the file are not those of the card.
    """
    task = task_of(options.task, tasks, "multiclass")
    codes, names, empty = read_one_hot(path)
    classes = [name for name in names if name != options.background]
    if options.background is not None and options.background not in names:
        near = nearest(options.background, list(names)).removesuffix("?")
        raise InputError(path, f"line 1: has no column {options.background!r}{near}", "check background in the options")
    if options.background is not None and options.background in task.vocabulary:
        raise ConfigError(f"The class {options.background!r} cannot stand in the vocabulary and mean unscored.")
    if sorted(classes) != sorted(task.vocabulary):
        raise InputError(
            path,
            f"line 1: has the classes {', '.join(classes)}, and the card says {', '.join(task.vocabulary)}",
            "write the names of the file in the card's vocabulary",
        )
    fit_length(path, options.task, len(codes), n_frames, warn)
    if empty:
        warn.append(
            f"{path.name}: {len(empty)} rows hold no 1, the first is frame {empty[0]}; they count as unlabelled"
        )
    lookup = np.array([task.vocabulary.index(name) if name in task.vocabulary else -1 for name in names], np.int16)
    found = lookup[codes]
    found[empty] = -1
    values = np.full(n_frames, -1, dtype=np.int16)
    values[: len(found)] = found[:n_frames]
    mask = values >= 0
    labels = Labels(np.where(mask, values, 0).astype(np.int16), mask, "frame", "multiclass", tuple(task.vocabulary))
    return {options.task: labels}


def write_markers(path: Path, recording: Recording) -> None:
    """Write one animal as DeepLabCut's three-row csv, the layout of daart's ``markers/``.

    Parameters
    ----------
    path : Path
    recording : Recording
        One individual, two axes; NaN becomes an empty cell.
    """
    if recording.position.shape[1] != 1:
        raise ValueError("daart's markers hold one animal")
    with atomic_path(path) as part:
        deeplabcut.write_csv(part, dataclasses.replace(recording, individuals=(deeplabcut.ONE_ANIMAL,)))
        text = part.read_text(encoding="utf-8").splitlines(keepends=True)
        part.write_text("".join(row for row in text if not row.startswith("individuals,")), encoding="utf-8")


def sniff(path: Path) -> Found | None:
    """Tell a one-hot table in a folder `labels-…` of daart; markers are DeepLabCut's, and recognised there."""
    if path.suffix.lower() != ".csv" or not path.parent.name.startswith("labels"):
        return None
    head = file_head(path).rows(1)
    if not head or "background" not in head[0] or head[0][0] not in ("", "frame", "unnamed: 0"):
        return None
    codes, names, _ = read_one_hot(path)
    hand = "heur" not in path.parent.name
    task = "behaviour" if hand else "heuristics"
    found = Found(source="daart_csv", kind="labels", fixed={"task": task})
    found.tasks[task] = {"vocabulary": [name for name in names if name.lower() != "background"]}
    found.guessed.append(f"{path.parent.name}: the column background means that nobody scored a frame, as in daart.")
    bouts = [Bout(a, b, names[code]) for a, b, code in runs(codes).triples() if names[code].lower() != "background"]
    found.add_bouts(path.stem, bouts, float("nan"), n_frames=len(codes))
    return found
