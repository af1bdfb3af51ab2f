"""The decision of a readout: calibration, then thresholds or a best path, tuned on held-out training groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from workflow_scripts.behaviour.calibration import Calibration, fit_calibration
from workflow_scripts.behaviour.paths import Prices, best_paths, log_of, tune_prices
from workflow_scripts.behaviour.span import INDEPENDENT_S, Span, inside_span, learn_span, span_of, within
from workflow_scripts.behaviour.thresholds import Held, Rule, class_scores, decide, guarded, shown_classes, tune
from workflow_scripts.core.typing import BoolArray, Float64Array, FloatArray, Int64Array

DURATIONS = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Shortest bouts and longest gaps that are tried, in seconds."""

THRESHOLDS = tuple(k / 10 for k in range(1, 10))

UNKNOWN = -1
"""Class of a frame that nothing is decided of."""

Kind = Literal["thresholds", "path"]


@dataclass(frozen=True)
class Decision:
    """How probabilities of a task become classes.

    Attributes
    ----------
    kind : {"thresholds", "path"}
    vocabulary : tuple of str
    background : str or None
        Class where no other is active; without one, thresholds leave the most probable class.
    fps : float
    calibration : Calibration
    rules : tuple of Rule
        One a class (thresholds).
    prices : Prices
        What a path pays.
    unknown_below : float
        Least calibrated probability of the class decided on; below it a frame stays unknown.
    held_score : float
        Mean of bout and frame F1 of the classes with bouts on the frames that tuned it.
    span : Span or None
        The span outside which every recording is background, where the training labels are of this kind.
    """

    kind: Kind
    vocabulary: tuple[str, ...]
    background: str | None
    fps: float
    calibration: Calibration
    rules: tuple[Rule, ...]
    prices: Prices
    unknown_below: float = 0.0
    held_score: float = float("nan")
    span: Span | None = None

    @property
    def background_code(self) -> int | None:
        """Index of the background."""
        return None if self.background is None else self.vocabulary.index(self.background)

    def believed(self, probabilities: FloatArray) -> Float64Array:
        """Calibrate probabilities (time, classes) of one recording, and put them into the scored span."""
        return _believed(probabilities, self.calibration, self.span, self.background_code, self.fps)

    def apply(self, probabilities: FloatArray, unseen: BoolArray | None = None) -> Int64Array:
        """Decide on a recording.

        Parameters
        ----------
        probabilities : ndarray, shape (time, classes)
            As the readout gives them, before calibration.
        unseen : ndarray of bool, shape (time,), or None
            Frames that stay unknown.

        Returns
        -------
        ndarray of int, shape (time,)
            Indices of the vocabulary, :data:`UNKNOWN` where too little is known.
        """
        calibrated = self.believed(probabilities)
        if self.kind == "path":
            codes = best_paths([log_of(calibrated)], self.prices)[0]
        else:
            codes = decide(calibrated.astype(np.float32), self.rules, self.background_code)
        doubtful = calibrated[np.arange(len(codes)), codes] < self.unknown_below
        return np.where(doubtful if unseen is None else doubtful | unseen, UNKNOWN, codes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for YAML; durations in seconds, as people think of them."""
        by_class = {}
        for code, name in enumerate(self.vocabulary):
            rule = self.rules[code]
            chosen: dict[str, Any] = {"shift": float(self.calibration.shift[code])}
            if self.kind == "path":
                chosen |= {"enter": float(self.prices.enter[code]), "bias": float(self.prices.bias[code])}
            elif self.background is not None and name != self.background:
                seconds = {"shortest_s": rule.shortest / self.fps, "gap_s": rule.gap / self.fps}
                chosen |= {"threshold": rule.threshold} | seconds
            by_class[name] = chosen
        return {
            "kind": self.kind,
            "fps": self.fps,
            "background": self.background,
            "temperature": self.calibration.temperature,
            "unknown_below": self.unknown_below,
            "held_score": self.held_score,
            "span": None if self.span is None else [*map(float, self.span)],
            "classes": by_class,
        }

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Decision:
        """Undo :meth:`to_dict`."""
        classes, fps = value["classes"], float(value["fps"])
        plain = Prices.plain(len(classes))
        rules = tuple(
            Rule(
                float(each.get("threshold", 0.5)),
                max(1, round(float(each.get("shortest_s", 0)) * fps)),
                round(float(each.get("gap_s", 0)) * fps),
            )
            for each in classes.values()
        )
        prices = Prices(
            np.array([float(each.get("bias", 0)) for each in classes.values()]),
            np.array([float(each.get("enter", plain.enter[k])) for k, each in enumerate(classes.values())]),
        )
        calibration = Calibration(
            float(value["temperature"]), np.array([float(each["shift"]) for each in classes.values()])
        )
        return cls(
            value["kind"],
            tuple(classes),
            value["background"],
            fps,
            calibration,
            rules,
            prices,
            float(value["unknown_below"]),
            float(value["held_score"]),
            Span(*value["span"]) if value.get("span") else None,  # decisions of earlier versions have none
        )


def _believed(
    probabilities: FloatArray, calibration: Calibration, span: Span | None, background: int | None, fps: float
) -> Float64Array:
    calibrated = calibration.apply(probabilities)
    if span is None or background is None:
        return calibrated
    return within(calibrated, background, inside_span(calibrated[:, background], span, independent=INDEPENDENT_S * fps))


def tune_decision(
    held: Sequence[Held],
    vocabulary: tuple[str, ...],
    background: str | None,
    fps: float,
    *,
    kind: Kind = "thresholds",
    unknown_below: float = 0.0,
) -> Decision:
    """Calibrate on held-out recordings, and choose what decides by the mean of bout F1 and frame F1 of its classes.

    Parameters
    ----------
    held : sequence of Held
        Training recordings, predicted by readouts that did not see their groups.
    vocabulary : tuple of str
    background : str or None
    fps : float
    kind : {"thresholds", "path"}
    unknown_below : float
    """
    n, code = len(vocabulary), None if background is None else vocabulary.index(background)
    if held:
        probabilities = np.concatenate([each.probabilities[each.mask] for each in held])
        calibration = fit_calibration(probabilities, np.concatenate([each.truth[each.mask] for each in held]))
    else:
        calibration = Calibration.none(n)
    span = None if code is None else learn_span([span_of(each.truth, each.mask, code) for each in held])
    calibrated = [
        replace(each, probabilities=_believed(each.probabilities, calibration, span, code, fps).astype(np.float32))
        for each in held
    ]
    rules, prices = tuple(Rule() for _ in vocabulary), Prices.plain(n)
    shown = shown_classes(held, n, code)
    if kind == "path":
        prices = tune_prices(calibrated, n, code)
    else:
        tried = {"durations": DURATIONS, "thresholds": THRESHOLDS}
        rules = tuple(guarded(calibrated, tune(calibrated, n, code, fps, **tried), code, fps, shown, **tried))
    decision = Decision(kind, vocabulary, background, fps, calibration, rules, prices, span=span)
    said = [decision.apply(each.probabilities) for each in held]
    scores = [np.nan_to_num(class_scores(held, said, each)) for each in shown]
    score = float(np.mean(scores)) if scores else float("nan")
    return replace(decision, unknown_below=unknown_below, held_score=score)
