"""SLEAP's csv of one video: `track, frame_idx, instance.score, nose.x, nose.y, nose.score …`, a row an instance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.typing import Float32Array

EXPECTED = "a SLEAP csv (columns track, frame_idx, instance.score, <node>.x, <node>.y, <node>.score)"


def read_csv(path: Path) -> tuple[list[str], list[str], Float32Array, Float32Array]:
    """Read tracks, nodes, positions and scores; frames without a row hold no point.

    Raises
    ------
    InputError
        When a column is missing, a track is there twice in a frame, or several instances of a frame have no track.
    """
    try:
        table = pd.read_csv(path, dtype={"track": str}, index_col=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, ValueError) as error:
        raise InputError(path, f"cannot be read as a table ({error})", f"expected {EXPECTED}") from error
    nodes = [str(name)[:-2] for name in table.columns if str(name).endswith(".x") and f"{str(name)[:-2]}.y" in table]
    if not nodes or not {"track", "frame_idx"} <= set(table.columns):
        raise InputError(path, "line 1: has not the columns of SLEAP", f"expected {EXPECTED}")
    if not len(table):
        raise InputError(path, "holds no instance", "export the csv from SLEAP again")
    frames = pd.to_numeric(table["frame_idx"], errors="coerce")
    if frames.isna().any() or (frames < 0).any():
        raise InputError(
            path, f"line {int(np.argmax(frames.isna() | (frames < 0))) + 2}: frame_idx is no frame", "correct it"
        )
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
    position = np.full((int(at.max()) + 1, len(tracks), len(nodes), 2), np.nan, np.float32)
    confidence = np.full(position.shape[:3], np.nan, np.float32)
    for k, node in enumerate(nodes):
        for axis, name in enumerate(("x", "y")):
            position[at, who, k, axis] = pd.to_numeric(table[f"{node}.{name}"], errors="coerce")
        if f"{node}.score" in table:
            confidence[at, who, k] = pd.to_numeric(table[f"{node}.score"], errors="coerce")
        else:
            confidence[at, who, k] = np.where(np.isnan(position[at, who, k]).any(-1), np.nan, 1)
    return tracks, nodes, position, confidence
