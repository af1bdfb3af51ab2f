"""Bouts, time budgets and time bins of series. Formulas and units: docs/behaviour.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workflow_scripts.behaviour.series import INFO, UNSEEN, Series
from workflow_scripts.core.typing import BoolArray, Float64Array, FloatArray, Int64Array
from workflow_scripts.formats.bouts import runs

BOUTS = [*INFO, "class", "start_frame", "stop_frame", "start_s", "stop_s", "duration_s", "cut"]
"""Columns of `bouts.csv`. `stop` is the frame after the last; `cut`: the bout touches an end of what was seen."""
MEASURES = ["share", "seconds", "bouts", "rate_per_min", "mean_s", "median_s", "latency_s"]
BUDGET = [*INFO, "class", "background", "seconds_seen", "share_unseen", *MEASURES]
"""Columns of `budget.csv`."""
BINS = [*INFO, "bin", "start_s", "stop_s", "class", "background", "seconds_seen", "share_unseen"]
BINS += ["share", "seconds", "bouts"]
"""Columns of `time_bins.csv`."""


class Found(NamedTuple):
    """Bouts of one series in order of time, each (n,)."""

    code: Int64Array
    start: Int64Array
    stop: Int64Array
    cut: BoolArray


def find_bouts(series: Series) -> Found:
    """Cut a series into bouts: unbroken stretches of one class that is not the background.

    An unseen frame ends a bout; one that begins or ends there, or at an end of the recording, is `cut`.
    """
    stretches = runs(series.codes)
    n = len(stretches.value)
    keep = stretches.value != UNSEEN
    if series.background is not None:
        keep = keep & (stretches.value != series.background)
    beside = np.concatenate([[True], stretches.value == UNSEEN, [True]]) if n else np.ones(2, bool)
    cut = beside[:n] | beside[2:]
    return Found(
        stretches.value[keep].astype(np.int64), stretches.start[keep], stretches.stop[keep], np.asarray(cut[keep], bool)
    )


def _table(parts: Sequence[tuple[Series, dict[str, Any], int]], columns: Sequence[str]) -> pd.DataFrame:
    """Lay the columns of many series under one another; the int is the number of rows."""
    filled = [(series, values, n) for series, values, n in parts if n]
    if not filled:
        return pd.DataFrame(columns=list(columns))
    counts = [n for _, _, n in filled]
    found: dict[str, Any] = {
        name: np.repeat(np.array([series.info()[name] for series, _, _ in filled], object), counts) for name in INFO
    }
    for name in filled[0][1]:
        found[name] = np.concatenate([np.asarray(values[name]) for _, values, _ in filled])
    table = pd.DataFrame(found)[list(columns)]
    table["seed"] = table["seed"].astype("Int64")
    return table


def bouts(many: Sequence[Series]) -> pd.DataFrame:
    """List every bout; columns :data:`BOUTS`."""
    parts = []
    for series in many:
        found = find_bouts(series)
        names = np.array(series.classes, object)
        values = {
            "class": names[found.code],
            "start_frame": found.start,
            "stop_frame": found.stop,
            "start_s": found.start / series.fps,
            "stop_s": found.stop / series.fps,
            "duration_s": (found.stop - found.start) / series.fps,
            "cut": found.cut,
        }
        parts.append((series, values, len(found.code)))
    return _table(parts, BOUTS)


def _backgrounds(series: Series) -> BoolArray:
    chosen = UNSEEN if series.background is None else series.background
    return np.asarray(np.arange(len(series.classes)) == chosen, bool)


def _by_class(code: Int64Array, values: FloatArray, n: int, how: str) -> Float64Array:
    """Median or first value of each class; NaN for a class without any."""
    result = np.full(n, np.nan)
    for each in np.unique(code):
        mine = values[code == each]
        result[each] = np.median(mine) if how == "median" else mine[0]
    return result


def measure(series: Series) -> dict[str, Any]:
    """Return the time budget of a series by class.

    Returns
    -------
    dict of str to ndarray, shape (n_classes,)
        ``seconds_seen`` and ``share_unseen`` (the same for every class) and :data:`MEASURES`. What needs bouts is NaN
        for the background; durations and latency are NaN where there is no bout.
    """
    n, fps = len(series.classes), series.fps
    seen = series.codes[series.codes != UNSEEN]
    frames = np.bincount(seen, minlength=n).astype(np.float64)
    found = find_bouts(series)
    durations = (found.stop - found.start) / fps
    count = np.bincount(found.code, minlength=n).astype(np.float64)
    total = np.bincount(found.code, weights=durations, minlength=n)
    begin = float(np.argmax(series.codes != UNSEEN)) if len(seen) else 0.0
    background = _backgrounds(series)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "seconds_seen": np.full(n, len(seen) / fps),
            "share_unseen": np.full(n, 1 - len(seen) / len(series.codes) if len(series.codes) else np.nan),
            "share": frames / len(seen) if len(seen) else np.full(n, np.nan),
            "seconds": frames / fps if len(seen) else np.full(n, np.nan),
            "bouts": np.where(background | (not len(seen)), np.nan, count),
            "rate_per_min": np.where(background, np.nan, 60 * fps * count / len(seen)) if len(seen) else count * np.nan,
            "mean_s": np.where(count > 0, total / count, np.nan),
            "median_s": _by_class(found.code, durations, n, "median"),
            "latency_s": _by_class(found.code, (found.start - begin) / fps, n, "first"),
        }


def budget(many: Sequence[Series]) -> pd.DataFrame:
    """Return time budgets, a row a series and class; columns :data:`BUDGET`."""
    parts = [
        (
            series,
            {"class": np.array(series.classes, object), "background": _backgrounds(series)} | measure(series),
            len(series.classes),
        )
        for series in many
    ]
    return _table(parts, BUDGET)


def time_bins(many: Sequence[Series], bin_s: float) -> pd.DataFrame:
    """Return time budgets by bins of `bin_s` seconds from the first frame; columns :data:`BINS`.

    A bout counts in the bin in which it starts; the last bin may be shorter.
    """
    parts = []
    for series in many:
        length, n = len(series.codes), len(series.classes)
        if not length:
            continue
        place = np.floor(np.arange(length) / (series.fps * bin_s) + 1e-9).astype(np.int64)
        n_bins = int(place[-1]) + 1
        seen = series.codes != UNSEEN
        frames = np.bincount(place[seen] * n + series.codes[seen], minlength=n_bins * n).reshape(n_bins, n)
        whole = np.bincount(place, minlength=n_bins)
        known = np.bincount(place[seen], minlength=n_bins)
        found = find_bouts(series)
        started = np.bincount(place[found.start] * n + found.code, minlength=n_bins * n).reshape(n_bins, n)
        background = _backgrounds(series)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = frames / np.where(known, known, np.nan)[:, None]
        empty = (known == 0)[:, None]
        begin = np.arange(n_bins) * bin_s
        values = {
            "bin": np.repeat(np.arange(n_bins), n),
            "start_s": np.repeat(begin, n),
            "stop_s": np.repeat(np.minimum(begin + bin_s, length / series.fps), n),
            "class": np.tile(np.array(series.classes, object), n_bins),
            "background": np.tile(background, n_bins),
            "seconds_seen": np.repeat(known / series.fps, n),
            "share_unseen": np.repeat(1 - known / whole, n),
            "share": share.ravel(),
            "seconds": np.where(empty, np.nan, frames / series.fps).ravel(),
            "bouts": np.where(background | empty, np.nan, started).ravel(),
        }
        parts.append((series, values, n_bins * n))
    return _table(parts, BINS)
