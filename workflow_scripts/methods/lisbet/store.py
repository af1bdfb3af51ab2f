"""All frames of a dataset in one contiguous array, with zeros before each record, so that a window is an index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.inputs import Float32Array, Layout, prepare_recording
from workflow_scripts.views.tracks import DataSpec

IntArray = npt.NDArray[np.int64]
UNLABELLED = -1


def padding(config: Config) -> int:
    """Zero frames before each record (and after the last): the longest window that may hang over an end."""
    longest = 1 + config.warp_max if "warp" in config.task_ids else 1
    return int(np.ceil(config.fps_scaling * longest * config.window_size)) + 1


@dataclass(frozen=True)
class Frames:
    """Every frame of some recordings.

    Attributes
    ----------
    values : ndarray, float32, shape (rows, individual, block)
        Zero in the padding. 28 columns of 6 million frames take 0.67 GB.
    valid : ndarray of bool, shape (rows,)
        False in the padding.
    labels : ndarray, int16, shape (rows, n_labels)
        Class index, `UNLABELLED` where nobody labelled.
    starts, stops : ndarray of int, shape (records,)
        Rows of each record.
    ids, groups : tuple of str
    """

    values: Float32Array
    valid: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.int16]
    starts: IntArray
    stops: IntArray
    ids: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def n_frames(self) -> int:
        """Frames of all records, padding not counted."""
        return int((self.stops - self.starts).sum())

    def only(self, keep: Sequence[int]) -> Frames:
        """Return the same rows with some records alone in the index (nothing is copied)."""
        chosen = list(keep)
        return Frames(
            self.values,
            self.valid,
            self.labels,
            self.starts[chosen],
            self.stops[chosen],
            tuple(self.ids[k] for k in chosen),
            tuple(self.groups[k] for k in chosen),
        )


def _label_column(labels: Labels | None, n_frames: int) -> npt.NDArray[np.int16]:
    if labels is None:
        return np.full(n_frames, UNLABELLED, np.int16)
    values = np.broadcast_to(labels.values, (n_frames,)).astype(np.int16)
    return np.where(np.broadcast_to(labels.mask, (n_frames,)), values, np.int16(UNLABELLED))


def load_frames(
    recordings: Iterable[Recording],
    lengths: Sequence[int],
    spec: DataSpec,
    config: Config,
    label_names: Sequence[str] = (),
) -> Frames:
    """Lay recordings one after another into one array, with only one recording in memory beside it.

    Parameters
    ----------
    recordings : iterable of Recording
    lengths : sequence of int
        Frames of each, in the same order: the array is made once, at its final size.
    spec : DataSpec
        All recordings must fit it.
    config : Config
        Settled.
    label_names : sequence of str
        Labelled tasks to keep, by column.

    Raises
    ------
    EthoMakeError
        When there is no recording, or one is of another kind.
    """
    if not len(lengths):
        raise EthoMakeError("There is no recording to train on; see the split.")
    pad, layout = padding(config), Layout.of(spec, config)
    rows = int(sum(lengths)) + pad * (len(lengths) + 1)
    values = np.zeros((rows, layout.individuals, layout.block), np.float32)
    valid = np.zeros(rows, bool)
    labels = np.full((rows, len(label_names)), UNLABELLED, np.int16)
    starts = np.cumsum([pad, *(length + pad for length in lengths[:-1])]).astype(np.int64)
    ids, groups = [], []
    for recording, start, length in zip(recordings, starts, lengths, strict=True):
        spec.check(recording)
        stop = start + length
        values[start:stop] = prepare_recording(recording, config)
        valid[start:stop] = True
        for column, name in enumerate(label_names):
            labels[start:stop, column] = _label_column(recording.labels.get(name), length)
        ids.append(recording.id)
        groups.append(recording.group)
    return Frames(values, valid, labels, starts, starts + np.asarray(lengths), tuple(ids), tuple(groups))
