"""A DeepLabCut labelled-data folder: `CollectedData_<scorer>.csv` beside the png files it names."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.core.documents import require_inside
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import Strict, nearest
from workflow_scripts.formats.images import ImageSet, frame_groups
from workflow_scripts.sources.rat_npz import POINTS
from workflow_scripts.sources.shared.crops import square_crop, to_crop
from workflow_scripts.sources.shared.found import Found, file_head
from workflow_scripts.sources.shared.members import read_grey
from workflow_scripts.sources.shared.text import read_text

EXPECTED = "CollectedData_<scorer>.csv of DeepLabCut"


class Options(Strict):
    """Options of the source `dlc_frames`; a list of body parts means the point in their middle."""

    head: list[str] = Field(min_length=1, description="Body parts that make the nose.")
    neck: list[str] = Field(min_length=1, description="Body parts that make the neck, e.g. both ears.")
    base: list[str] = Field(min_length=1, description="Body parts that make the tail base.")
    size: int = Field(50, ge=16, description="Side of the images in pixels.")
    side: float | None = Field(
        None, gt=0, description="Side of the square cut from the frame, in its pixels; empty = 1.6 longest animals."
    )
    jitter: float = Field(0.08, ge=0, le=0.3, description="Seeded shift of the square, as a part of its side.")
    seed: int = Field(0, ge=0, description="Of the jitter.")


def _table(path: Path) -> tuple[list[str], npt.NDArray[np.float64], list[str]]:
    """Names of the frames, coordinates (n, n_parts, 2), body parts."""
    rows = [row for row in csv.reader(io.StringIO(read_text(path, EXPECTED))) if row]
    heads = {row[0]: row for row in rows[:4]}
    if "bodyparts" not in heads or "coords" not in heads:
        raise InputError(path, "has no header rows bodyparts and coords", "export the labels from DeepLabCut again")
    if "individuals" in heads:
        raise InputError(path, "labels several individuals", "export one animal a file")
    # DeepLabCut writes the frame's name in one column, or folder, video and name in three.
    lead = next((column for column, cell in enumerate(heads["coords"]) if cell == "x"), 1)
    body = rows[rows.index(heads["coords"]) + 1 :]
    cells = heads["coords"][lead:]
    if cells != ["x", "y"] * (len(cells) // 2):
        raise InputError(path, f"coords are {cells[:4]} …, expected x, y, x, y …", "export the labels again")
    names = ["/".join(part for part in row[:lead] if part) for row in body]
    values = np.full((len(body), len(cells)), np.nan)
    for number, row in enumerate(body):
        if len(row) != len(heads["coords"]):
            raise InputError(
                path,
                f"line {rows.index(row) + 1}: has {len(row)} cells, the header {len(heads['coords'])}",
                "the file may be cut off; export the labels again",
            )
        for column, cell in enumerate(row[lead:]):
            try:
                values[number, column] = float(cell) if cell.strip() else np.nan
                if np.isinf(values[number, column]):
                    raise ValueError("infinite")
            except ValueError as error:
                line = rows.index(row) + 1
                raise InputError(path, f"line {line}: {cell!r} is no coordinate", "correct that cell") from error
    return names, values.reshape(len(body), -1, 2), heads["bodyparts"][lead::2]


def read(path: Path, options: Options) -> ImageSet:
    """Read the labelled frames whose png is there and whose three points are labelled.

    Parameters
    ----------
    path : Path
        The csv; the png files stand beside it.
    options : Options

    Returns
    -------
    ImageSet
        Points base, neck, head.

    Raises
    ------
    InputError
        When the table or a png is damaged, a body part is unknown, or no frame is left.
    """
    names, values, parts = _table(path)
    wanted: dict[str, list[str]] = {"base": options.base, "neck": options.neck, "head": options.head}
    for name in (name for several in wanted.values() for name in several):
        if name not in parts:
            raise InputError(path, f"has no body part {name!r}{nearest(name, parts)}", "correct the card's options")
    points = np.stack([values[:, [parts.index(part) for part in wanted[name]]].mean(1) for name in POINTS], axis=1)
    there = np.array([(path.parent / Path(name).name).is_file() for name in names])
    labelled = np.isfinite(points).all((1, 2))
    keep = np.flatnonzero(there & labelled)
    if not len(keep):
        raise InputError(path, "names no png that is there and labelled", "put the png files beside the csv")
    warnings = []
    if not there.all():
        warnings.append(f"{int((~there).sum())} of {len(names)} labelled frames have no png: left out")
    if not labelled.all():
        warnings.append(f"{int((~labelled).sum())} frames lack one of the points: left out")
    box = points[keep].max(1) - points[keep].min(1)
    side = options.side or 1.6 * float(np.linalg.norm(box, axis=1).max())
    images, moved = [], []
    for number, row in enumerate(keep):
        rng = np.random.default_rng([options.seed, number])
        middle = (points[row].max(0) + points[row].min(0)) / 2 + rng.uniform(-1, 1, 2) * options.jitter * side
        centre = (float(middle[0]), float(middle[1]))
        file = path.parent / Path(names[row]).name
        require_inside(path.parent, file)
        grey = read_grey(file, file)
        images.append(square_crop(grey, centre, side, options.size))
        moved.append(to_crop(points[row], centre, side, options.size))
    return ImageSet(
        images=np.stack(images),
        points=np.stack(moved).astype(np.float32),
        names=POINTS,
        source_frame=np.arange(len(keep), dtype=np.int64),
        animal=np.full(len(keep), path.parent.name),
        group=frame_groups(np.arange(len(keep), dtype=np.int64)),
        warnings=warnings,
    )


HEADS = ("nose", "snout", "head", "tip")
NECKS = ("ear", "neck", "poll")
BASES = ("tailbase", "tail_base", "base", "tail")


def sniff(path: Path) -> Found | None:
    """Tell a labelled-data table by its name and header rows; which points serve by their names."""
    if not path.name.startswith("CollectedData") or path.suffix.lower() != ".csv":
        return None
    head = [row for row in file_head(path).rows(6) if row]
    parts = next((row for row in head if row[0] == "bodyparts"), None)
    if parts is None:
        return None
    names = list(dict.fromkeys(_table(path)[2]))

    def like(words: tuple[str, ...]) -> list[str]:
        return next((hits for word in words if (hits := [name for name in names if word in name.lower()])), [])

    found = Found(source="dlc_frames", kind="images", keypoints=list(POINTS))
    found.options = {"head": like(HEADS)[:1], "neck": like(NECKS), "base": like(BASES)[:1]}
    lacking = [key for key, value in found.options.items() if not value]
    if lacking:
        found.unknown.append(f"{path.name}: which of the points {', '.join(names)} make {', '.join(lacking)}.")
        found.options = {key: value or [names[0]] for key, value in found.options.items()}
    shown = ", ".join(f"{key} = {' + '.join(value)}" for key, value in found.options.items())
    found.guessed.append(f"{path.name}: {shown}, by the names of the points.")
    return found
