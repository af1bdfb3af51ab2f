"""Every metric of the result tables, once: name, title, direction, bounds, tasks that have it, and how it is computed.

A new metric is one entry of :data:`METRICS`: scores, intervals, means over tasks, columns of the report and axes of the
figures follow from it. The order is that of the report's columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from workflow_scripts.core.typing import Float64Array
from workflow_scripts.metrics import frames, segments
from workflow_scripts.metrics.entry import CLASSES, FRAME, Metric, Reduction, Statistic

DIRECTIONS = {"head": ("neck", "head"), "body": ("base", "neck")}
"""An animal's directions: from one point to another."""
FAR, FLIPPED = 30.0, 90.0
"""Degrees beyond which a direction is far off, and points backwards."""
ERROR = (0.0, None)
ANGLE = (0.0, 180.0)


def _at_overlap(number: int, sums: Float64Array) -> Float64Array:
    return segments.segment_f1(sums[..., number, :])


def _positive_f1(sums: Float64Array) -> Float64Array:
    return frames.class_f1(sums)[..., 1]


def _point(name: str, title: str, quantile: float) -> Metric:
    return Metric(
        name,
        title,
        "points",
        "point",
        reduction=Reduction("pixel_{}", quantile),
        lower_is_better=True,
        bounds=ERROR,
        kinds=("points",),
        levels=FRAME,
    )


def _direction(
    which: str, name: str, title: str, reduction: Callable[[str], Reduction], *, share: bool = False, main: bool = False
) -> Metric:
    return Metric(
        f"{which}_angle_{name}",
        f"{which} angle, {title}",
        "points",
        "direction",
        reduction=reduction(f"{which}_error"),
        lower_is_better=True,
        bounds=(0.0, 1.0) if share else ANGLE,
        kinds=("points",),
        levels=FRAME,
        main=main,
    )


def _directions() -> Iterable[Metric]:
    for which in DIRECTIONS:
        main = which == "head"
        yield _direction(which, "median_deg", "median error in degrees", partial(Reduction, quantile=0.5), main=main)
        yield _direction(which, "p90_deg", "90 % quantile of the error in degrees", partial(Reduction, quantile=0.9))
        far = partial(Reduction, above=FAR)
        yield _direction(which, "share_over_30", f"share of errors over {FAR:g}°", far, share=True)
        backwards = partial(Reduction, above=FLIPPED)
        yield _direction(which, "flips", f"share of errors over {FLIPPED:g}°", backwards, share=True)


def _by_class(name: str, title: str, of: Callable[[Float64Array], Float64Array]) -> Metric:
    return Metric(f"{name}/{{}}", f"{title} of {{}}", "confusion", "shown", of, levels=FRAME)


def _foreground(name: str, title: str, of: Callable[[Float64Array], Float64Array]) -> Metric:
    title = f"{title} without the background"
    kinds = ("multiclass",)
    return Metric(f"macro_{name}_foreground", title, "confusion", "foreground", of, kinds=kinds, levels=FRAME)


WIDEST = f"{segments.OVERLAPS[-1]:g}"
"""The largest overlap, at which bouts are also scored class by class."""

METRICS: tuple[Metric, ...] = (
    Metric("macro_f1", "macro F1", "confusion", of=frames.macro_f1, main=True, tested=True),
    Metric("average_precision", "average precision", "ranking", of=frames.average_precision),
    Metric("balanced_accuracy", "balanced accuracy", "confusion", of=frames.balanced_accuracy),
    Metric("auroc", "AUROC", "ranking", of=frames.auroc),
    Metric("r2", "R²", "regression", of=frames.r2, bounds=(None, 1.0), kinds=("continuous",), main=True),
    Metric(
        "mse",
        "MSE",
        "regression",
        of=frames.mse,
        lower_is_better=True,
        bounds=ERROR,
        kinds=("continuous",),
        tested=True,
        mean="mean_mse",
    ),
    *_directions(),
    Metric("f1", "F1", "confusion", "mean", _positive_f1, kinds=("binary",), mean="mean_f1"),
    *(
        Metric(f"bout_f1@{least:g}", f"bout F1 at IoU {least:g}", "bouts", of=partial(_at_overlap, k), levels=FRAME)
        for k, least in enumerate(segments.OVERLAPS)
    ),
    Metric("edit", "edit score", "edits", of=segments.edit_score, levels=FRAME),
    _foreground("f1", "macro F1", frames.class_f1),
    _foreground("precision", "macro precision", segments.class_precision),
    _foreground("recall", "macro recall", frames.class_recall),
    Metric("f1/{}", "F1 of {}", "confusion", "class", frames.class_f1),
    _by_class("precision", "precision", segments.class_precision),
    _by_class("recall", "recall", frames.class_recall),
    _by_class("iou", "IoU", segments.class_iou),
    Metric(
        f"bout_f1@{WIDEST}/{{}}",
        f"bout F1 at IoU {WIDEST} of {{}}",
        "class_bouts",
        "bout",
        segments.segment_f1,
        levels=FRAME,
    ),
    Metric("ceiling_f1/{}", "F1 of {} of faultless windows", kinds=("multiclass",), levels=FRAME),
    Metric(f"ceiling_bout_f1@{WIDEST}/{{}}", f"bout F1 at IoU {WIDEST} of {{}} of faultless windows", levels=FRAME),
    Metric("frame_f1/{}", "frame F1 of {}", kinds=CLASSES, levels=FRAME),
    _point("pixel_error_median/{}", "median pixel error of {}", 0.5),
    _point("pixel_error_p95/{}", "95 % quantile of the pixel error of {}", 0.95),
)


def find(name: str) -> Metric:
    """Return the entry of a metric, by the name of a row; a metric nobody registered is unbounded, higher is better."""
    exact = next((metric for metric in METRICS if metric.name == name), None)
    matching = exact or next((metric for metric in METRICS if metric.match(name) is not None), None)
    return matching or Metric(name, name.replace("_", " "), bounds=(None, None), kinds=())


def title(name: str) -> str:
    """Return a metric's name in prose, e.g. ``f1/chase`` → ``F1 of chase``."""
    metric = find(name)
    return metric.title.replace("{}", metric.match(name) or "")


def of_statistic(statistic: Statistic, kind: str, level: str) -> list[Metric]:
    """Return the metrics of a task of that kind and level that one statistic gives, in the order of the registry."""
    return [m for m in METRICS if m.statistic == statistic and kind in m.kinds and level in m.levels]


def main_metric(kind: str) -> Metric:
    """Return the metric by which tasks of a kind are judged.

    Raises
    ------
    KeyError
        For a kind without one.
    """
    found = next((metric for metric in METRICS if metric.main and kind in metric.kinds), None)
    if found is None:
        raise KeyError(f"no main metric for tasks of kind {kind!r}")
    return found


def tested_metric(kind: str) -> Metric | None:
    """Return the metric by which paired tests and ranks compare methods on tasks of a kind; None for no tests."""
    return next((metric for metric in METRICS if metric.tested and kind in metric.kinds), None)


def mean_metric(kind: str) -> Metric | None:
    """Return the metric that is averaged over tasks of a kind; None where a mean says nothing."""
    return next((metric for metric in METRICS if metric.mean and kind in metric.kinds), None)


def is_mean(task: str) -> bool:
    """Tell rows over all tasks (``mean_f1``, ``mean_mse``) from rows of one."""
    return any(metric.mean == task for metric in METRICS if metric.mean)


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names of metrics as the report's columns: the registry's order, those nobody registered last by name."""
    place = {metric.name: number for number, metric in enumerate(METRICS)}
    return sorted(names, key=lambda name: (place.get(find(name).name, len(METRICS)), name))
