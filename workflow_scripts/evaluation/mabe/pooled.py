"""The pooled score of the published evaluator, which pairs a clip's label with the predictions of other clips.

Its predictions of a part (public, private) come in the order of the rows, one for each labelled frame. It cuts them
into pieces in the order of the split's list: the piece of a clip is as long as that clip has labelled frames, but
begins where the pieces of the clips before it in the list end. Where the list is not in the order of the rows, as the
official ones are not, a piece holds the frames of other clips.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from workflow_scripts.evaluation.mabe.scores import Array, merge
from workflow_scripts.evaluation.mabe.tasks import Vote


class PooledPart:
    """Labels and predictions of one part, clip by clip in the order of the rows.

    Parameters
    ----------
    continuous : ndarray of bool, shape (task,)
    vote : {"any", "majority", "mean"}
    """

    def __init__(self, continuous: npt.NDArray[np.bool_], vote: Vote) -> None:
        self.continuous, self.vote = continuous, vote
        self._said: list[list[npt.NDArray[np.generic]]] = [[] for _ in continuous]
        self._labels: dict[str, tuple[Array, npt.NDArray[np.int64]]] = {}

    def add(self, clip: str, decisions: Array, y: npt.NDArray[np.floating]) -> None:
        """Add a clip.

        Parameters
        ----------
        clip : str
        decisions : ndarray, shape (task, seed, frame)
        y : ndarray, shape (task, frame)
            NaN = unlabelled.
        """
        known = ~np.isnan(y)
        merged = merge(decisions[:, :, None], self.continuous, self.vote)[:, 0]
        for t, continuous in enumerate(self.continuous):
            # Yes and no in a byte each: predictions of all frames stay in memory.
            self._said[t].append(merged[t, known[t]].astype(np.float64 if continuous else np.uint8))
        count = known.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            self._labels[clip] = np.where(known, y, 0).sum(axis=1, dtype=np.float64) / count, count

    def pairs(self, order: Sequence[str]) -> Array:
        """Return mean label and mean prediction of each clip of the split's list, shape (clip, task, 2).

        NaN where the clip has no labelled frame.
        """
        out = np.full((len(order), len(self.continuous), 2), np.nan)
        for t, said in enumerate(self._said):
            flat, start = np.concatenate(said), 0
            for k, clip in enumerate(order):
                labels, counts = self._labels[clip]
                stop = start + int(counts[t])
                if stop > start:
                    out[k, t] = labels[t], flat[start:stop].mean()
                start = stop
        return out
