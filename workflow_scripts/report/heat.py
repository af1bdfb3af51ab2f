"""The first picture of the report: methods by tasks, each cell between chance and the best method of its task."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from workflow_scripts.metrics.registry import find, is_mean
from workflow_scripts.metrics.registry import title as title_of
from workflow_scripts.report.tables import (
    Score,
    heading,
    number,
    over_seeds,
    percent,
    pool_seeds,
    primary_metric,
    scores,
    with_interval,
    without_folds,
)

Colour = tuple[int, int, int]
LIGHT: tuple[Colour, Colour, Colour] = ((255, 255, 255), (86, 180, 233), (245, 186, 146))
DARK: tuple[Colour, Colour, Colour] = ((18, 23, 29), (0, 98, 155), (122, 58, 22))
"""Ground, best method and far below chance; the page's ink is readable on each mixture (WCAG 2.2, 1.4.3)."""


@dataclass(frozen=True)
class HeatCell:
    """One method on one task.

    Attributes
    ----------
    text : str
        The value, empty where the method has none on this task.
    relative : float
        0 at the best chance row, 1 at the best method of the task; NaN where it is not defined.
    spoken : str
        Everything the cell stands for, shown under the pointer.
    light, dark : str
        Its colours.
    best : bool
    """

    text: str = ""
    relative: float = math.nan
    spoken: str = ""
    light: str = ""
    dark: str = ""
    best: bool = False


@dataclass(frozen=True)
class HeatRow:
    """One task: where it is on the page, and a cell for each method."""

    dataset: str
    task: str
    link: str
    metric: str
    cells: tuple[HeatCell, ...]
    first: int
    """Number of tasks of the dataset in its first row, 0 in the others."""


@dataclass(frozen=True)
class HeatMap:
    """Methods (columns, best first) by tasks (rows)."""

    methods: tuple[str, ...]
    rows: tuple[HeatRow, ...]


def relative(value: float, chance: float, best: float, *, lower_is_better: bool = False) -> float:
    """Return where a value is between chance (0) and the best method (1); below 0 where it is worse than chance.

    Where the best method is no better than chance, the distance from chance counts in units of the larger one.
    """
    sign = -1.0 if lower_is_better else 1.0
    gain, span = sign * (value - chance), sign * (best - chance)
    if not (math.isfinite(gain) and math.isfinite(span)):
        return math.nan
    if span > 0:
        return max(-1.0, gain / span)
    scale = max(abs(chance), abs(best), 1e-9)
    return max(-1.0, gain / scale)


def _mix(ends: tuple[Colour, Colour, Colour], share: float) -> str:
    ground, high, low = ends
    target = high if share >= 0 else low
    part = min(1.0, abs(share))
    return "#" + "".join(f"{round(g + (t - g) * part):02x}" for g, t in zip(ground, target, strict=True))


def heat_map(comparison: pd.DataFrame, links: dict[tuple[str, str], str]) -> HeatMap | None:
    """Arrange the scores of an experiment by task and method.

    Parameters
    ----------
    comparison : DataFrame
        Columns of :data:`workflow_scripts.formats.tables.COLUMNS`.
    links : dict of (dataset, task) to str
        Identifier of the part of the page that shows a task.

    Returns
    -------
    HeatMap or None
        None where no method has a value.
    """
    shares: dict[str, list[float]] = {}
    lines: list[tuple[str, str, str, dict[str, HeatCell]]] = []
    for (dataset, task), rows in without_folds(comparison).groupby(["dataset", "task"], sort=False, dropna=False):
        everything = scores(rows)
        metric = primary_metric(everything)
        if metric is None:
            continue
        floors = [seeds for seeds in pool_seeds(everything, metric).values() if seeds[0].floor]
        cells = _cells(str(dataset), str(task), metric, _columns(rows, metric), floors[0] if floors else [])
        for label, cell in cells.items():
            shares.setdefault(label, []).append(cell.relative)
        lines.append((str(dataset), str(task), metric, cells))
    order = list(dict.fromkeys(dataset for dataset, *_ in lines))
    lines.sort(key=lambda line: (order.index(line[0]), is_mean(line[1])))  # the mean of tasks below them
    if not shares:
        return None
    methods = sorted(shares, key=lambda label: (-_mean(shares[label]), label))
    sizes: dict[str, int] = {}
    for dataset, *_ in lines:
        sizes[dataset] = sizes.get(dataset, 0) + 1
    made, seen = [], set()
    for dataset, task, metric, cells in lines:
        first = 0 if dataset in seen else sizes[dataset]
        seen.add(dataset)
        row = tuple(cells.get(label, HeatCell()) for label in methods)
        made.append(HeatRow(dataset, task, links.get((dataset, task), ""), title_of(metric), row, first))
    return HeatMap(tuple(methods), tuple(made))


def _mean(values: list[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else -2.0


def _columns(rows: pd.DataFrame, metric: str) -> dict[str, list[Score]]:
    """Scores of each method, mode and setting; of several readouts the best, whose label says which it is."""
    found: dict[str, list[Score]] = {}
    known = rows[rows["metric"] == metric].astype({"mode": object, "setting": object})
    known = known.fillna({"mode": "", "setting": ""})
    for (method, mode, setting), part in known.groupby(["method", "mode", "setting"], sort=False, dropna=False):
        grouped = list(pool_seeds(scores(part), metric).values())
        if grouped and not grouped[0][0].chance:
            name = " · ".join([str(method), *(str(x) for x in (mode, setting) if x not in {"sound", "default", ""})])
            found[name] = grouped[0]
    return found


def _cells(
    dataset: str, task: str, metric: str, columns: dict[str, list[Score]], floors: list[Score]
) -> dict[str, HeatCell]:
    methods = {name: over_seeds(seeds) for name, seeds in columns.items()}
    floor = over_seeds(floors) if floors else None
    if not methods:
        return {}
    lower = find(metric).lower_is_better
    top = (min if lower else max)(methods, key=lambda name: methods[name].value)
    made = {}
    for name, score in methods.items():
        place = relative(score.value, floor.value, methods[top].value, lower_is_better=lower) if floor else math.nan
        parts = [
            f"{name} on {task} of {dataset}: {title_of(metric)} {with_interval(score.value, score.low, score.high)}"
        ]
        if score.label.removeprefix(name).strip(" ·"):
            parts[0] += f" ({score.label.removeprefix(name).strip(' ·')})"
        if floor:
            parts.append(f"best chance row {floor.method} {with_interval(floor.value, floor.low, floor.high)}")
        if place < 0:
            parts.append("below chance")
        elif math.isfinite(place) and name != top:
            parts.append(f"{percent(place)} of the way from chance to {top}")
        elif name == top:
            parts.append("best method of this task")
        if len(columns[name]) > 1:
            parts.append(f"mean of {len(columns[name])} seeds")
        shade = place if math.isfinite(place) else 0.0
        made[name] = HeatCell(
            text=number(score.value),
            relative=place,
            spoken=heading("; ".join(parts)) + ".",
            light=_mix(LIGHT, shade),
            dark=_mix(DARK, shade),
            best=name == top,
        )
    return made
