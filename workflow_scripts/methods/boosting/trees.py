"""Boosted trees as plain arrays: taken from scikit-learn's, kept as safetensors, walked through in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, softmax

from workflow_scripts.behaviour.span import INDEPENDENT_S, Span, inside_span, within
from workflow_scripts.core.typing import Float32Array, Float64Array, Int64Array
from workflow_scripts.training.buffers import Buffers

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

CHUNK = 16384
"""Rows that walk through all trees at a time."""

ARRAYS: tuple[str, ...] = (
    "value",
    "threshold",
    "feature",
    "left",
    "right",
    "missing_left",
    "roots",
    "baseline",
    "codes",
    "temperature",
)
LATER = ("shifts", "span", "parent")
"""Arrays that the weights of earlier versions lack."""
ARRAYS += LATER


class Trees(Buffers):
    """The trees of one task; all of it in buffers, whose lengths the training or the weights settle.

    A leaf is its own child, so that rows that arrived early stay where they are. Nodes of all trees lie one after
    another; `roots` (rounds × outputs) says where each begins. Two classes have one output (the logit of the second),
    more have one each.

    Attributes
    ----------
    codes : ndarray of int64, shape (classes,)
        Classes seen in training, as indices of the vocabulary; none where nothing was fitted.
    temperature : ndarray of float64, shape (1,)
        By which raw values are divided.
    shifts : ndarray of float64, shape (classes,) or (0,)
        Added to the logarithms of the probabilities; none = 0.
    span : ndarray of float64, shape (5,) or (0,)
        Background, and the scored span's :class:`.span.Span`; none where labels are of no such kind.
    parent : ndarray of float64, shape (3,) or (0,)
        Number and class of the task whose class this one divides into kinds, and this one's background.
    """

    later = LATER
    any_length = True

    def __init__(self) -> None:
        super().__init__()
        for name in ARRAYS:
            whole = name in {"feature", "left", "right", "missing_left", "roots", "codes"}
            self.register_buffer(name, np.zeros(0, np.int64 if whole else np.float64))

    @property
    def fitted(self) -> bool:
        """Whether there are trees."""
        return len(self._array("codes")) > 0

    def _array(self, name: str) -> Any:
        return getattr(self, name)

    @property
    def scored_span(self) -> tuple[int, Span] | None:
        """Background, and what is known of the span."""
        found = self._array("span")
        return (int(found[0]), Span(*map(float, found[1:]))) if len(found) else None

    @property
    def nested_in(self) -> tuple[int, int, int] | None:
        """Number and class of the outer task, and the background of this one."""
        found = self._array("parent")
        return (int(found[0]), int(found[1]), int(found[2])) if len(found) else None

    def take(
        self,
        model: HistGradientBoostingClassifier,
        codes: Int64Array,
        temperature: float,
        shifts: Sequence[float] = (),
        span: Sequence[float] = (),
        parent: Sequence[float] = (),
        columns: Int64Array | None = None,
    ) -> None:
        """Take over a fitted model of scikit-learn.

        Parameters
        ----------
        model : HistGradientBoostingClassifier
            Fitted on numbers alone (no categorical columns).
        codes : ndarray of int
            Its classes.
        temperature : float
        shifts : sequence of float
            One a class, or none.
        span : sequence of float
            As the buffer `span`.
        parent : sequence of float
            As the buffer `parent`.
        columns : ndarray of int, or None
            The column of the rows that each of the model's is; None = the same.
        """
        rounds = model._predictors
        nodes = [tree.nodes for trees in rounds for tree in trees]
        roots = np.cumsum([0, *(len(tree) for tree in nodes)])[:-1]
        whole = np.concatenate(nodes)
        own = np.arange(len(whole))
        start = np.repeat(roots, [len(tree) for tree in nodes])
        leaf = whole["is_leaf"].astype(bool)
        feature = whole["feature_idx"] if columns is None else columns[np.where(leaf, 0, whole["feature_idx"])]
        arrays = {
            "value": whole["value"],
            "threshold": whole["num_threshold"],
            "feature": np.where(leaf, 0, feature),
            "left": np.where(leaf, own, start + whole["left"]),
            "right": np.where(leaf, own, start + whole["right"]),
            "missing_left": whole["missing_go_to_left"],
            "roots": roots,
            "baseline": np.ravel(model._baseline_prediction),
            "codes": codes,
            "temperature": np.array([temperature]),
            "shifts": np.array(shifts, np.float64),
            "span": np.array(span, np.float64),
            "parent": np.array(parent, np.float64),
        }
        for name, array in arrays.items():
            setattr(self, name, np.ascontiguousarray(array).astype(getattr(self, name).dtype))

    def raw(self, x: Float32Array) -> Float64Array:
        """Sum the trees of every output.

        Parameters
        ----------
        x : ndarray, shape (n, column)
            NaN = missing.

        Returns
        -------
        ndarray, shape (n, outputs)
            What the link turns into probabilities, before the temperature.
        """
        value, threshold, feature = (self._array(name) for name in ("value", "threshold", "feature"))
        left, right = self._array("left").tolist(), self._array("right").tolist()
        missing_left, baseline = self._array("missing_left"), self._array("baseline")
        roots = self._array("roots").tolist()
        inner = left != np.arange(len(value))
        used, place = np.unique(feature[inner], return_inverse=True)
        column = np.zeros(len(value), np.int64)
        column[inner] = place
        found = np.tile(baseline, (len(x), 1))
        for begin in range(0, len(x), CHUNK):
            # A column in one piece: rows are taken from it again and again, each time fewer.
            columns = np.ascontiguousarray(x[begin : begin + CHUNK, used].T, dtype=np.float64)
            part = found[begin : begin + CHUNK]
            for k, root in enumerate(roots):
                arrived = [(root, np.arange(len(part)))]
                while arrived:
                    node, rows = arrived.pop()
                    if left[node] == node:
                        part[rows, k % len(baseline)] += value[node]
                        continue
                    shown = columns[column[node]][rows]
                    down = shown <= threshold[node]
                    if missing_left[node]:
                        down |= np.isnan(shown)
                    arrived += [(left[node], rows[down]), (right[node], rows[~down])]
        return found

    def probabilities(self, x: Float32Array, n_classes: int) -> Float32Array:
        """Class probabilities, float32 (n, n_classes); 0 for a class that training never showed."""
        found = np.zeros((len(x), n_classes), np.float32)
        found[:, self._array("codes")] = link(self.raw(x) / float(self._array("temperature")[0]))
        return found

    def decided(self, probabilities: Float32Array, fps: float) -> Float32Array:
        """Weigh the classes as the inner folds say, and put them into the scored span.

        Parameters
        ----------
        probabilities : ndarray, shape (time, n_classes)
            Of all frames of one recording.
        fps : float
        """
        found = probabilities.astype(np.float64)
        if len(self._array("shifts")):
            found[:, self._array("codes")] *= np.exp(self._array("shifts"))
            found /= np.maximum(found.sum(axis=1, keepdims=True), 1e-12)
        if self.scored_span is not None:
            background, span = self.scored_span
            inside = inside_span(probabilities[:, background].astype(np.float64), span, independent=INDEPENDENT_S * fps)
            found = within(found, background, inside)
        return found.astype(np.float32)


def link(raw: Float64Array) -> Float64Array:
    """Turn raw values (n, outputs) into probabilities (n, classes)."""
    if raw.shape[1] == 1:
        positive = expit(raw)
        return np.concatenate([1 - positive, positive], axis=1)
    probabilities: Float64Array = softmax(raw, axis=1)
    return probabilities
