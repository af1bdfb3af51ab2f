"""From a run's embeddings to a MABe submission in the official layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.embeddings import EmbeddingsReader, open_embeddings
from workflow_scripts.sources.mabe22 import check_map
from workflow_scripts.sources.shared.npy_objects import load
from workflow_scripts.sources.shared.npy_write import save_rows

Float32Array = npt.NDArray[np.float32]


def read_map(path: Path) -> dict[str, tuple[int, int]]:
    """Read a frame_number_map: a file of its own, or the entry of a label or submission file."""
    value = load(path)
    if isinstance(value, dict) and "frame_number_map" in value:
        value = value["frame_number_map"]
    return check_map(path, value)


def _position_scale(reader: EmbeddingsReader) -> tuple[Float32Array, Float32Array]:
    """Mean and deviation over all clips at each frame position and dimension, in two passes of little memory."""
    longest = max(reader.n_frames(recording) for recording in reader.ids)
    count, total = np.zeros((longest, 1)), np.zeros((longest, reader.dim))
    for recording in reader.ids:
        values = reader.read(recording)
        count[: len(values)] += 1
        total[: len(values)] += values
    mean = total / count
    squares = np.zeros_like(total)
    for recording in reader.ids:
        values = reader.read(recording)
        squares[: len(values)] += (values - mean[: len(values)]) ** 2
    deviation = np.sqrt(squares / count)
    # A dimension that never varies at a position would become NaN, which the evaluator refuses.
    return mean.astype(np.float32), np.where(deviation > 0, deviation, 1).astype(np.float32)


def write_submission(embeddings: Path, frame_map: Path, output: Path, *, position_zscore: bool = False) -> None:
    """Write the clips of a frame_number_map as the official evaluator reads them.

    Parameters
    ----------
    embeddings : Path
        Embeddings of a run; recordings are called by their clip, or by part and clip (``publicTest/ABC…``).
    frame_map : Path
        The official map, or the label file that holds it; its order is that of the rows.
    output : Path
        Gets ``{"frame_number_map": …, "embeddings": float32 (rows, dim)}``; one clip is in memory at a time.
    position_zscore : bool
        Standardise each dimension at each frame position over all clips of the embeddings, training clips included,
        as the original BAMS does.

    Raises
    ------
    InputError
        When a clip is missing or has another length.
    """
    clips = check_order(frame_map, read_map(frame_map))
    with open_embeddings(embeddings) as reader:
        by_clip = {recording.rpartition("/")[2]: recording for recording in reader.ids}
        for clip, (start, stop) in clips.items():
            if clip not in by_clip:
                raise InputError(embeddings, f"has no clip {clip!r}", "embed every clip of the frame_number_map")
            if reader.n_frames(by_clip[clip]) != stop - start:
                raise InputError(
                    embeddings,
                    f"clip {clip!r} has {reader.n_frames(by_clip[clip])} frames, the map says {stop - start}",
                    "use the frame_number_map of these tracks",
                )
        scale = _position_scale(reader) if position_zscore else None

        def rows() -> Iterator[Float32Array]:
            for clip in clips:
                values = reader.read(by_clip[clip])
                yield values if scale is None else (values - scale[0][: len(values)]) / scale[1][: len(values)]

        total = max(stop for _, stop in clips.values())
        save_rows(output, {"frame_number_map": clips}, "embeddings", rows(), shape=(total, reader.dim))


def check_order(path: Path, clips: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Return the map sorted by row, in which the rows are written."""
    ordered = dict(sorted(clips.items(), key=lambda item: item[1]))
    if list(ordered) != list(clips):
        raise InputError(path, "frame_number_map is not in the order of its rows", "use the official map")
    return ordered
