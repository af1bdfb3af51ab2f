"""Boxes that somebody already has: a csv (`frame,x1,y1,x2,y2`, perhaps `score`) or a Supervisely annotation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from workflow_scripts.core.boundary import reading
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import Strict
from workflow_scripts.detectors.lookup import Lookup
from workflow_scripts.sources import require_file
from workflow_scripts.sources.shared.text import read_text, table_rows
from workflow_scripts.sources.supervisely import read_boxes
from workflow_scripts.video.metadata import VideoInfo

COLUMNS = ("frame", "x1", "y1", "x2", "y2")


class Options(Strict):
    """Options of the detector `boxes_file`."""

    path: str = Field(description="File below resources/<dataset>/; list it under the shard's `beside` too.")
    title: str | None = Field(None, description="Class of the boxed objects in a Supervisely annotation; empty = any.")
    min_score: float = Field(0.0, ge=0, le=1, description="Boxes with a lower score are left out.")


class Detector(Lookup[Options]):
    """Boxes of a csv or an annotation.

    Parameters
    ----------
    options : Options
    folder : Path
        The dataset's folder.
    """

    def __init__(self, options: Options, folder: Path) -> None:
        super().__init__(options, folder, options.path)

    def read(self, info: VideoInfo) -> npt.NDArray[np.float64]:
        """Read the boxes, and refuse those of another video."""
        require_file(self.path)
        if self.path.suffix.lower() == ".json":
            found = read_boxes(self.path, info.n_frames, self.options.title)
            boxes = np.concatenate([found, np.where(np.isnan(found[:, :1]), np.nan, 1)], axis=1)
        else:
            boxes = read_csv(self.path, info.n_frames)
        boxes[boxes[:, 4] < self.options.min_score] = np.nan
        outside = (boxes[:, 2] > info.width * 1.5) | (boxes[:, 3] > info.height * 1.5)
        if outside.any():
            frame = int(np.flatnonzero(outside)[0])
            raise InputError(
                self.path,
                f"frame {frame} has a box far outside the picture of {info.width} × {info.height} pixels",
                "give boxes in pixels of this video",
            )
        return boxes


def read_csv(path: Path, n_frames: int) -> npt.NDArray[np.float64]:
    """Read boxes and scores.

    Returns
    -------
    ndarray, shape (n_frames, 5)
        x1, y1, x2, y2, score; NaN where the file has no box. Of several in one frame that with the best score counts.

    Raises
    ------
    InputError
        When a column is missing, a cell is no number, or a frame is past the end; names the line.
    """
    with reading(path, f"a csv with the columns {', '.join(COLUMNS)}"):
        rows = list(table_rows(read_text(path, f"a csv with the columns {', '.join(COLUMNS)}")))
    if not rows:
        raise InputError(path, "holds no row", f"expected the columns {', '.join(COLUMNS)}")
    header = [name.lower() for name in rows[0][1]]
    for name in COLUMNS:
        if name not in header:
            raise InputError(path, f"line 1: the column {name!r} is missing", f"expected {', '.join(COLUMNS)}")
    places = [header.index(name) for name in COLUMNS]
    score_place = header.index("score") if "score" in header else None
    boxes = np.full((n_frames, 5), np.nan)
    for line, cells in rows[1:]:
        try:
            frame, *box = (float(cells[place]) for place in places)
            score = 1.0 if score_place is None else float(cells[score_place])
            if not np.isfinite([frame, *box, score]).all():
                raise ValueError("not finite")
        except (ValueError, IndexError) as error:
            raise InputError(path, f"line {line}: expected numbers, found {', '.join(cells)}", "correct it") from error
        if frame != int(frame) or not 0 <= frame < n_frames:
            raise InputError(
                path, f"line {line}: there is no frame {frame:g} in a video of {n_frames} frames", "count frames from 0"
            )
        if box[0] > box[2] or box[1] > box[3]:
            raise InputError(path, f"line {line}: the box is reversed", "expected x1 <= x2 and y1 <= y2")
        if not boxes[int(frame), 4] >= score:
            boxes[int(frame)] = (*box, score)
    return boxes
