"""SLEAP's csv of one video: `track, frame_idx, instance.score, nose.x, nose.y, nose.score …`, a row an instance."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.core import limits
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.typing import Float32Array
from workflow_scripts.sources.shared.columns import numbers_of
from workflow_scripts.sources.shared.text import read_text, require_full_rows

EXPECTED = "a SLEAP csv (columns track, frame_idx, instance.score, <node>.x, <node>.y, <node>.score)"


def read_csv(path: Path) -> tuple[list[str], list[str], Float32Array, Float32Array]:
    """Read tracks, nodes, positions and scores; frames without a row hold no point.

    Raises
    ------
    InputError
        When a column is missing, a track is there twice in a frame, or several instances of a frame have no track.
    """
    text = read_text(path, EXPECTED)
    header = text.split("\n", 1)[0]
    limits.require_most(path, "its number of columns", header.count(",") + 1, limits.COLUMNS)
    require_full_rows(path, text)
    try:
        table = pd.read_csv(io.StringIO(text), dtype={"track": str}, index_col=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise InputError(path, f"cannot be read as a table ({error})", f"expected {EXPECTED}") from error
    nodes = [str(name)[:-2] for name in table.columns if str(name).endswith(".x") and f"{str(name)[:-2]}.y" in table]
    if not nodes or not {"track", "frame_idx"} <= set(table.columns):
        raise InputError(path, "line 1: has not the columns of SLEAP", f"expected {EXPECTED}")
    if not len(table):
        raise InputError(path, "holds no instance", "export the csv from SLEAP again")
    frames = pd.Series(numbers_of(path, table, "frame_idx", missing=False))
    odd = (frames < 0) | (frames % 1 != 0)
    if odd.any():
        raise InputError(path, f"line {int(np.argmax(odd)) + 2}: frame_idx is no frame", "correct it")
    limits.require_frames(path, float(frames.max()) + 1, len(frames))
    loose = table["track"].isna()
    if loose.any() and frames[loose].duplicated().any():
        line = int(np.flatnonzero(loose.to_numpy() & frames.duplicated().to_numpy())[0]) + 2
        raise InputError(
            path, f"line {line}: several instances of a frame belong to no track", "track identities in SLEAP"
        )
    names = table["track"].fillna("individual1")
    tracks = sorted(names.unique())
    at, who = frames.to_numpy(np.int64), names.map({name: k for k, name in enumerate(tracks)}).to_numpy()
    both = pd.Series(at * len(tracks) + who)
    if both.duplicated().any():
        line = int(np.argmax(both.duplicated())) + 2
        raise InputError(
            path, f"line {line}: the track {names.iloc[line - 2]!r} is there twice in a frame", "correct it"
        )
    limits.require_shape(path, "its positions", (int(at.max()) + 1, len(tracks), len(nodes), 3), 4)
    position = np.full((int(at.max()) + 1, len(tracks), len(nodes), 2), np.nan, np.float32)
    confidence = np.full(position.shape[:3], np.nan, np.float32)
    for k, node in enumerate(nodes):
        for axis, name in enumerate(("x", "y")):
            position[at, who, k, axis] = numbers_of(path, table, f"{node}.{name}")
        if f"{node}.score" in table:
            confidence[at, who, k] = numbers_of(path, table, f"{node}.score")
        else:
            confidence[at, who, k] = np.where(np.isnan(position[at, who, k]).any(-1), np.nan, 1)
    return tracks, nodes, position, confidence
