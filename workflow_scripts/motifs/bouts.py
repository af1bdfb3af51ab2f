"""Bouts of motifs and classes: runs of equal frames, their statistics, transitions, and agreement with labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from workflow_scripts.core.typing import Float64Array, IntArray
from workflow_scripts.formats.bouts import runs


def bout_table(states: IntArray, names: Sequence[str], fps: float) -> pd.DataFrame:
    """List the bouts of a recording: class, first frame, frame after the last, and both in seconds."""
    starts, stops, values = runs(states)
    return pd.DataFrame(
        {
            "behavior": [names[int(value)] for value in values],
            "start_frame": starts,
            "end_frame": stops,
            "start_time": starts / fps,
            "end_time": stops / fps,
        }
    )


def bout_statistics(active: Mapping[str, npt.NDArray[np.bool_]], fps: float) -> pd.DataFrame:
    """Mean duration and rate of each recording's bouts.

    Parameters
    ----------
    active : dict of str to ndarray of bool, shape (time, motifs)
        By recording. Bouts end with their recording.
    fps : float

    Returns
    -------
    DataFrame
        Columns recording, motif, bouts, mean_duration_s (NaN without bouts), rate_per_minute, frames_share.
    """
    rows = []
    for recording, columns in active.items():
        minutes = len(columns) / fps / 60
        for motif, column in enumerate(columns.T):
            edges = np.diff(np.concatenate([[0], column.astype(np.int8), [0]]))
            bouts, total = int((edges == 1).sum()), int(column.sum())
            rows.append(
                {
                    "recording": recording,
                    "motif": motif,
                    "bouts": bouts,
                    "mean_duration_s": total / bouts / fps if bouts else float("nan"),
                    "rate_per_minute": bouts / minutes if minutes else float("nan"),
                    "frames_share": total / max(len(columns), 1),
                }
            )
    return pd.DataFrame(rows)


def transition_matrix(states: Sequence[IntArray], n_states: int, *, dummy: int | None = None) -> Float64Array:
    """Share of the next bout's state, by state.

    Parameters
    ----------
    states : sequence of ndarray of int
        One per recording; no transition is counted from one to the next.
    n_states : int
    dummy : int, optional
        A state that is dropped first, with the changes of a state to itself that this makes.

    Returns
    -------
    ndarray, shape (n_states, n_states)
        Rows sum to 1; NaN for a state that is never left.
    """
    counts = np.zeros((n_states, n_states))
    for sequence in states:
        values = runs(sequence).value
        if dummy is not None:
            values = runs(values[values != dummy]).value
        np.add.at(counts, (values[:-1].astype(int), values[1:].astype(int)), 1)
    with np.errstate(invalid="ignore"):
        shares: Float64Array = counts / counts.sum(axis=1, keepdims=True)
    return shares


def f1_matrix(states: npt.NDArray[np.bool_], classes: npt.NDArray[np.bool_]) -> Float64Array:
    """Binary F1 of every motif against every class; 0 where undefined.

    Parameters
    ----------
    states : ndarray of bool, shape (time, motifs)
    classes : ndarray of bool, shape (time, classes)

    Returns
    -------
    ndarray, shape (motifs, classes)
    """
    both = states.T.astype(np.float64) @ classes.astype(np.float64)
    size = states.sum(axis=0)[:, None] + classes.sum(axis=0)[None]
    scores: Float64Array = np.where(size > 0, 2 * both / np.maximum(size, 1), 0.0)
    return scores


def match_motifs(scores: Float64Array) -> list[tuple[int, int | None]]:
    """Pair motifs with classes one to one so that the sum of F1 is largest (Kuhn 1955).

    Parameters
    ----------
    scores : ndarray, shape (motifs, classes)
        From :func:`f1_matrix`.

    Returns
    -------
    list of (int, int or None)
        Motif and class, in the order of the classes; unmatched motifs follow with None.
    """
    motifs, classes = linear_sum_assignment(-scores)
    order = np.argsort(classes)
    pairs: list[tuple[int, int | None]] = [(int(motifs[k]), int(classes[k])) for k in order]
    taken = {motif for motif, _ in pairs}
    return pairs + [(motif, None) for motif in range(len(scores)) if motif not in taken]


def class_f1(truth: IntArray, said: IntArray, n_classes: int) -> Float64Array:
    """F1 of each class over all frames; 0 where undefined."""
    everyone = np.arange(n_classes)
    return np.diag(f1_matrix(said[:, None] == everyone, truth[:, None] == everyone)).copy()


def protocol_scores(truth: IntArray, said: IntArray, names: Sequence[str], background: str | None) -> dict[str, float]:
    """Score by the protocol of CalMS21, beside the original program's two ways.

    Parameters
    ----------
    truth, said : ndarray of int, shape (time,)
        Class indices of all test frames.
    names : sequence of str
    background : str or None
        Class left out of the mean; None = every class counts.

    Returns
    -------
    dict of str to float
        ``macro_f1``: all classes; ``macro_f1_without_<background>``: mean over the other classes with every frame
        counted (the protocol); ``macro_f1_ignoring_<background>``: frames of the background dropped, which hides
        false alarms and so reads higher; and ``f1/<class>``.
    """
    each = class_f1(truth, said, len(names))
    scores = {"macro_f1": float(each.mean())} | {f"f1/{name}": float(f1) for name, f1 in zip(names, each, strict=True)}
    if background is not None:
        k = list(names).index(background)
        scores[f"macro_f1_without_{background}"] = float(np.delete(each, k).mean())
        kept = truth != k
        inside = class_f1(truth[kept], said[kept], len(names))
        scores[f"macro_f1_ignoring_{background}"] = float(np.delete(inside, k).mean())
    return scores
