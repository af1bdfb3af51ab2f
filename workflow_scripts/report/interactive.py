"""Plots that can be zoomed and hovered over: what plotly.js draws, as plain data.

The page holds plotly.js once. Ink and grid are left to the page, so that dark mode reaches into the plots.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from workflow_scripts.plotting.style import QUIET, colour
from workflow_scripts.report.tables import number

Mark = Literal["line", "points", "bars"]
Trace = dict[str, Any]

HEIGHT = 380
"""Pixels."""
SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "x", "triangle-down", "star")
"""Colour alone tells too little to some."""


@dataclass(frozen=True)
class Interactive:
    """A plot of the page.

    Attributes
    ----------
    spec : str
        JSON with `data` and `layout` as plotly.js takes them.
    caption, label : str
        What is written below it, and what is said to those who cannot see it.
    height : int
        Pixels.
    """

    spec: str
    caption: str
    label: str
    height: int = HEIGHT


def _clean(values: Sequence[Any]) -> list[Any]:
    """Make values fit for JSON: no NaN, numbers with as many digits as anyone can see."""
    cleaned: list[Any] = []
    for value in values:
        if value is None or value is pd.NA:
            cleaned.append(None)
        elif isinstance(value, float):
            cleaned.append(float(f"{value:.5g}") if math.isfinite(value) else None)
        else:
            cleaned.append(value)
    return cleaned


def _text(value: str) -> str:
    """Keep plotly.js from reading tags in names: it knows a few (<b>, <br>, <a>)."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _axis(title: str, values: Sequence[Any]) -> dict[str, Any]:
    words = any(isinstance(value, str) for value in values)
    return {"title": {"text": _text(title)}, "automargin": True} | ({"type": "category"} if words else {})


def _whole(values: Sequence[Any]) -> dict[str, Any]:
    """Return what keeps plotly.js from writing 1.5 on a short axis of whole numbers, such as epochs."""
    numbers = [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
    whole = len(numbers) == len(values) and all(float(value).is_integer() for value in numbers)
    return {"dtick": 1} if numbers and whole and max(numbers) - min(numbers) <= 10 else {}


def _hover(rows: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    lines = []
    for record in rows[list(columns)].to_dict("records"):
        parts = [
            f"{column}: {number(value, 3) if isinstance(value, float) else value}" for column, value in record.items()
        ]
        lines.append("<br>".join(_text(part) for part in parts))
    return lines


def _trace(name: str, rows: pd.DataFrame, index: int, mark: Mark, x: str, y: str, fill: str) -> Trace:
    xs, ys = _clean(rows[x].tolist()), _clean(rows[y].tolist())
    xs = [_text(value) if isinstance(value, str) else value for value in xs]
    trace: Trace = {"name": _text(name), "x": xs, "y": ys}
    if mark == "bars":
        return trace | {"type": "bar", "marker": {"color": fill}}
    trace["type"] = "scatter"
    if mark == "line":
        dash = ("solid", "dash", "dot", "dashdot")[index // 7 % 4]
        shown = "lines+markers" if len(xs) < 60 else "lines"
        return trace | {"mode": shown, "line": {"color": fill, "dash": dash, "width": 2}, "marker": {"size": 5}}
    marker = {"color": fill, "size": 5, "opacity": 0.75, "symbol": SYMBOLS[index % len(SYMBOLS)]}
    return trace | {"mode": "markers", "marker": marker}


def draw(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    mark: Mark = "line",
    group: str = "",
    low: str = "",
    high: str = "",
    hover: Sequence[str] = (),
    frames: tuple[str, str] | None = None,
    quiet: Sequence[str] = (),
    order: Sequence[str] = (),
    inks: Mapping[str, str] | None = None,
    caption: str = "",
    label: str = "",
    titles: tuple[str, str] = ("", ""),
    height: int = HEIGHT,
    logarithmic: bool = False,
) -> Interactive:
    """Draw columns of a table against each other.

    Parameters
    ----------
    table : DataFrame
    x, y : str
        Columns of the axes.
    mark : {"line", "points", "bars"}
    group : str
        Column that gives each of its values a colour and an entry of the legend.
    low, high : str
        Columns of the ends of intervals about `y`.
    hover : sequence of str
        Further columns shown under the pointer.
    frames : (str, str), optional
        Columns of recording and frame, of which the page shows a picture under the pointer where it has one.
    quiet : sequence of str
        Groups drawn in grey.
    order : sequence of str
        Groups in the order in which they take the colours, absent ones too; the others follow as they come.
    inks : mapping of str to str, optional
        Colours of groups that take none of the order's.
    caption, label : str
        `label` is the caption where empty.
    titles : (str, str)
        Of the axes; the columns' names where empty.
    height : int
    logarithmic : bool
        Of the axis of `y`.

    Raises
    ------
    KeyError
        When the table lacks a column.
    """
    parts = list(table.groupby(group, sort=False, dropna=False)) if group else [("", table)]
    traces = []
    taking = [name for name in dict.fromkeys([*order, *(str(value) for value, _ in parts)]) if name not in quiet]
    for value, rows in parts:
        name = str(value)
        index = taking.index(name) if name in taking else 0
        fill = QUIET if name in quiet else (inks or {}).get(name, colour(index))
        trace = _trace(name, rows, index, mark, x, y, fill)
        if low and high:
            above = (rows[high] - rows[y]).tolist()
            below = (rows[y] - rows[low]).tolist()
            trace["error_y"] = {"array": _clean(above), "arrayminus": _clean(below), "thickness": 1.2, "width": 3}
        if frames:
            trace["customdata"] = rows[list(frames)].astype(object).to_numpy().tolist()
            trace["hovertemplate"] = "%{customdata[0]}<br>frame %{customdata[1]}"
        elif hover:
            trace["text"] = _hover(rows, hover)
            trace["hovertemplate"] = "%{x}<br>%{y}<br>%{text}"
        traces.append(trace)
    layout = {
        "xaxis": _axis(titles[0] or x, table[x].tolist()) | _whole(table[x].tolist()),
        "yaxis": _axis(titles[1] or y, table[y].tolist()) | ({"type": "log"} if logarithmic else {}),
        "showlegend": bool(group),
        "hovermode": "closest",
        "barmode": "group",
    }
    spec = json.dumps({"data": traces, "layout": layout, "quiet": QUIET}, ensure_ascii=False, separators=(",", ":"))
    return Interactive(spec, caption, label or caption or f"{y} by {x}", height)
