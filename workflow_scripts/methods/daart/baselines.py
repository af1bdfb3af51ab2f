"""Random forest and gradient boosting on short stacks of frames: what a network must beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.methods.daart.sequences import Signals

Kind = Literal["random-forest", "gradient-boosting"]


def stack_lags(x: npt.NDArray[np.float32], n_lags: int) -> npt.NDArray[np.float32]:
    """Put the frames from `n_lags` before to `n_lags` after side by side, zeros beyond the ends; (time, (2n+1)·in)."""
    padded = np.pad(x, ((n_lags, n_lags), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * n_lags + 1, axis=0)
    stacked: npt.NDArray[np.float32] = windows.transpose(0, 2, 1).reshape(len(x), -1)
    return stacked


class Baseline:
    """A classifier of single frames with their neighbours, fitted on hand-labelled frames alone.

    Parameters
    ----------
    kind : {"random-forest", "gradient-boosting"}
    n_lags : int
        Frames to each side.
    seed : int
    size : int
        Trees, or rounds of boosting.
    """

    def __init__(self, kind: Kind, *, n_lags: int = 4, seed: int = 0, size: int = 300) -> None:
        self.n_lags, self.classes = n_lags, 0
        self.model: Any
        if kind == "random-forest":
            self.model = RandomForestClassifier(
                size, criterion="entropy", max_features="sqrt", class_weight="balanced", random_state=seed, n_jobs=1
            )
        else:
            self.model = HistGradientBoostingClassifier(
                max_iter=size, max_depth=3, learning_rate=0.1, class_weight="balanced", random_state=seed
            )

    def fit(self, train: Sequence[Signals], classes: int) -> Baseline:
        """Fit.

        Raises
        ------
        EthoMakeError
            When fewer than two classes are labelled.
        """
        x = np.concatenate([stack_lags(signals.x, self.n_lags)[signals.strong >= 0] for signals in train])
        y = np.concatenate([signals.strong[signals.strong >= 0] for signals in train])
        if len(np.unique(y)) < 2:
            raise EthoMakeError("A baseline needs hand labels of at least two classes; name the right task.")
        self.classes = classes
        self.model.fit(x, y)
        return self

    def probabilities(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Class probabilities, float32 (time, classes); 0 for a class that training never showed."""
        found = np.zeros((len(x), self.classes), np.float32)
        if len(x):
            found[:, self.model.classes_] = self.model.predict_proba(stack_lags(x, self.n_lags))
        return found


def combine(members: Sequence[npt.NDArray[np.float32]], *, by_entropy: bool = False) -> npt.NDArray[np.float32]:
    """Average the class probabilities of several models, (time, classes); rows sum to 1.

    Parameters
    ----------
    members : sequence of ndarray
    by_entropy : bool
        Weigh each model in each frame by the inverse of its entropy, so that a sure one counts more.
    """
    stacked = np.stack(members).astype(np.float64)
    if not by_entropy:
        mean: npt.NDArray[np.float32] = stacked.mean(axis=0).astype(np.float32)
        return mean
    entropy = -(stacked * np.log(np.clip(stacked, 1e-12, None))).sum(axis=-1, keepdims=True)
    # The floor lets a wholly sure model count much, and not infinitely much.
    weights = 1 / np.maximum(entropy, 1e-6)
    weighed: npt.NDArray[np.float32] = (stacked * weights / weights.sum(axis=0)).sum(axis=0).astype(np.float32)
    return weighed
