"""Numbers as people read them, and tables as the page shows them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from workflow_scripts.metrics import chance
from workflow_scripts.metrics.registry import find, in_order
from workflow_scripts.report.packed import packed

NOTHING = "–"
"""Stands where there is no value."""
ROWS = 500
"""Rows of a table that the page shows; its download has all of them."""


@dataclass(frozen=True)
class Score:
    """One row of a comparison, for one dataset and task.

    Attributes
    ----------
    label : str
        The method, with mode, point, readout or split added where one method has several.
    method, metric, split : str
    chance : bool
        True for the rows that look at no data but the labels.
    floor : bool
        True for the chance rows that methods have to beat: those whose score one prediction reaches.
    value, low, high : float
        NaN where there is none.
    n, n_groups : int or None
    seed : int or None
    published : float
        NaN where nobody published a number for this.
    verified : bool
    note : str
        Why there is no value.
    mean : (float, float, float) or None
        Value, low and high of all seeds together, where a row of the comparison says so.
    """

    label: str
    method: str
    metric: str
    split: str
    chance: bool
    value: float
    low: float
    high: float
    n: int | None
    n_groups: int | None
    seed: int | None
    published: float
    verified: bool
    note: str = ""
    mean: tuple[float, float, float] | None = None
    floor: bool = False


@dataclass(frozen=True)
class Cell:
    """A table cell: what is shown, and what it is sorted by."""

    text: str
    sort: float | str = ""


@dataclass(frozen=True)
class Row:
    """A table row; `mark` becomes its class (``chance``, ``best`` …)."""

    cells: tuple[Cell, ...]
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes
    ----------
    caption : str
    columns : tuple of (str, bool)
        Heading, and whether the column holds numbers.
    rows : tuple of Row
    csv_name, csv : str
        The download beside it: file name and data URI; empty for none.
    total : int
        Rows in all, where `rows` holds the first of them alone; else 0.
    """

    caption: str
    columns: tuple[tuple[str, bool], ...]
    rows: tuple[Row, ...]
    csv_name: str = ""
    csv: str = ""
    total: int = 0

    def __post_init__(self) -> None:
        if len(self.rows) > ROWS:
            object.__setattr__(self, "total", len(self.rows))
            object.__setattr__(self, "rows", self.rows[:ROWS])


def heading(text: str) -> str:
    """Return a text with a capital first letter and the rest as it is."""
    return text[:1].upper() + text[1:]


def primary_metric(scores: Sequence[Score]) -> str | None:
    """Return the metric a task is judged by, or None where no row has a value."""
    present = {score.metric for score in scores if math.isfinite(score.value)}
    overall = in_order({metric for metric in present if "/" not in metric} or present)
    return next((metric for metric in overall if find(metric).main), overall[0] if overall else None)


def methods_in(table: pd.DataFrame) -> list[str]:
    """Return all methods of a comparison, among which each has its colour in every figure; chance rows are grey."""
    if len(table) and "readout" in table:
        table = table[table["readout"] != "chance"]
    return sorted(set(table["method"].dropna().astype(str))) if len(table) else []


def pool_seeds(scores: Sequence[Score], metric: str) -> dict[str, list[Score]]:
    """Group the scores of one metric that have a value by label.

    Returns
    -------
    dict of str to list of Score
        One entry a seed, in the order of seeds. Methods come before chance, and best first by the mean over
        their seeds: a method is not to win by its luckiest seed.
    """
    sign = 1 if find(metric).lower_is_better else -1
    grouped: dict[str, list[Score]] = {}
    for score in sorted(scores, key=lambda score: -1 if score.seed is None else score.seed):
        if score.metric == metric and math.isfinite(score.value):
            grouped.setdefault(score.label, []).append(score)
    order = sorted(grouped, key=lambda label: (grouped[label][0].chance, sign * mean(grouped[label]), label))
    return {label: grouped[label] for label in order}


def mean(scores: Sequence[Score]) -> float:
    """Return the mean value."""
    return sum(score.value for score in scores) / len(scores)


def over_seeds(scores: Sequence[Score]) -> Score:
    """Return one score for several seeds: the row over all of them, else their mean and the span of their intervals."""
    if len(scores) == 1:
        return scores[0]
    if scores[0].mean is not None:
        value, low, high = scores[0].mean
        return replace(scores[0], value=value, low=low, high=high, seed=None)
    low, high = min(score.low for score in scores), max(score.high for score in scores)
    return replace(scores[0], value=mean(scores), low=low, high=high, seed=None)


def number(value: float | None, digits: int = 2) -> str:
    """Return a number with `digits` decimals, large and tiny ones with three significant digits."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value != 0 and (abs(value) >= 1000 or abs(value) < 0.5 * 10**-digits):
        return f"{value:.3g}"
    return _fixed(value, digits)


def _fixed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def with_interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """Return ``0.62 [0.55, 0.69]``, without brackets where there is no interval."""
    if not (math.isfinite(value) and math.isfinite(low) and math.isfinite(high)):
        return number(value, digits)
    largest = max(abs(value), abs(low), abs(high))
    if 0 < largest < 10**-digits:  # all three with the same decimals, enough to see the largest
        digits = min(6, -math.floor(math.log10(largest)))
    if largest < 1000:
        return f"{_fixed(value, digits)} [{_fixed(low, digits)}, {_fixed(high, digits)}]"
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def count(value: int | None) -> str:
    """Return a whole number with narrow no-break spaces between thousands."""
    return NOTHING if value is None else f"{value:,}".replace(",", "\u202f")


def percent(share: float) -> str:
    """Return a share as per cent; what is not zero never reads as zero."""
    if not math.isfinite(share):
        return NOTHING
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.1f} %"


def duration(seconds: float) -> str:
    """Return seconds as ``8.2 s``, ``3 min 05 s`` or ``2 h 10 min``."""
    if not math.isfinite(seconds):
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def csv_uri(table: pd.DataFrame) -> str:
    """Return a table as a compressed `data:` URI, so that the page needs no file beside it and stays small.

    The page's script unpacks it for the reader; without script the browser saves the gzip file.
    """
    text = table.to_csv(index=False, float_format="%.10g", lineterminator="\n")
    return "data:application/gzip;base64," + packed(text)


def _text(value: object) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value)


def without_folds(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the rows of single folds (split ``fold0`` …) where the folds are also scored together (``fold``)."""
    places = list(zip(_texts(table, "dataset"), _texts(table, "split"), strict=True))
    there = set(places)
    families = {place: (place[0], place[1].rstrip("0123456789")) for place in there}
    single = {place for place, family in families.items() if family != place and family in there}
    return table[np.array([place not in single for place in places], dtype=bool)]


def scores(table: pd.DataFrame, *, keep_means: bool = False) -> list[Score]:
    """Return the rows of one dataset and task as scores, each with a label that tells them apart.

    A row over all seeds (its own seed empty) becomes the `mean` of the rows of the single seeds.

    Parameters
    ----------
    table : DataFrame
        Columns as in :data:`workflow_scripts.formats.tables.COLUMNS`; missing ones count as empty.
    keep_means : bool
        Keep those rows beside the others.
    """
    # By column: of a large experiment, records of a hundred thousand rows take most of the page's time.
    text = {
        name: _texts(table, name) for name in (*_VARYING, "method", "metric", "task", "dataset", "verified", "note")
    }
    number_ = {name: _floats(table, name) for name in ("value", "low", "high", "published", "n", "n_groups", "seed")}
    variants: dict[str, dict[str, set[str]]] = {}
    for method, *values in set(zip(text["method"], *(text[name] for name in _VARYING), strict=True)):
        seen = variants.setdefault(method, {name: set() for name in _VARYING})
        for name, value in zip(_VARYING, values, strict=True):
            seen[name].add(value)
    classes: dict[tuple[str, str], set[str]] = defaultdict(set)
    for dataset, task, metric in set(zip(text["dataset"], text["task"], text["metric"], strict=True)):
        if metric.startswith("f1/"):
            classes[dataset, task].add(metric)
    labels: dict[tuple[str, ...], str] = {}
    for method, *values in set(zip(text["method"], *(text[name] for name in _VARYING), strict=True)):
        extra = [
            value
            for name, value in zip(_VARYING, values, strict=True)
            if len(variants[method][name]) > 1 and value not in {"", "default"}
        ]
        labels[method, *values] = " · ".join([method, *extra])
    label = [labels[key] for key in zip(text["method"], *(text[name] for name in _VARYING), strict=True)]
    seed, value, low, high = (number_[name] for name in ("seed", "value", "low", "high"))
    keys = list(zip(text["dataset"], text["task"], label, text["metric"], text["split"], strict=True))
    seeded = {key for key, one in zip(keys, seed, strict=True) if math.isfinite(one)}
    means = {
        key: (value[row], low[row], high[row])
        for row, key in enumerate(keys)
        if not math.isfinite(seed[row]) and key in seeded
    }
    result = []
    for row, key in enumerate(keys):
        if key in means and not keep_means and not math.isfinite(seed[row]):
            continue
        dataset, task, name, metric, split = key
        method = text["method"][row]
        known_labels_only = text["readout"][row] == "chance" or method in chance.NAMES
        result.append(
            Score(
                label=name,
                method=method,
                metric=metric,
                split=split,
                chance=known_labels_only,
                floor=known_labels_only and chance.is_level(method, metric, len(classes[dataset, task])),
                value=value[row],
                low=low[row],
                high=high[row],
                n=_whole(number_["n"][row]),
                n_groups=_whole(number_["n_groups"][row]),
                seed=_whole(seed[row]),
                published=number_["published"][row],
                verified=text["verified"][row].lower() in {"true", "1", "1.0"},
                note=text["note"][row],
                mean=means.get(key),
            )
        )
    return result


_VARYING = ("mode", "setting", "readout", "split")
"""Columns that tell the rows of one method apart."""


def _texts(table: pd.DataFrame, name: str) -> list[str]:
    if name not in table:
        return [""] * len(table)
    return [_text(value) for value in table[name].to_numpy(dtype=object).tolist()]


def _floats(table: pd.DataFrame, name: str) -> list[float]:
    if name not in table:
        return [math.nan] * len(table)
    found: list[float] = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float, na_value=math.nan).tolist()
    return found


def _whole(value: float) -> int | None:
    return int(value) if math.isfinite(value) else None


def label_of(name: str, order: Sequence[str]) -> str:
    """Return the label in the results' tables of a row of `ethograms.csv` or `confusions.csv`.

    Those tables know a method's probe by the method's name and its own classifier as ``daart (native)``; where a method
    has both, the results say which.
    """
    method, native = name.removesuffix(" (native)"), name.endswith(" (native)")
    named = [label for label in order if label.split(" · ")[0] == method]
    fitting = [label for label in named if ("native" in label.split(" · ")[1:]) == native]
    return next(iter(fitting or named), name)


def place_of(name: str, order: Sequence[str]) -> int:
    """Return the place of such a row in the order of the results; after all that are there, where it has none."""
    label = label_of(name, order)
    return order.index(label) if label in order else len(order)
