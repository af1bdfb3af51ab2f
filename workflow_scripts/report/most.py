"""How much of a large experiment the page draws: 200 classes of 50 methods fit on no screen and in no browser.

What is left out of a figure or a table is in the tables of the results, and the caption says how much of it is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import pandas as pd

from workflow_scripts.report.tables import Score

T = TypeVar("T")

METHODS = 12
"""Methods with a confusion matrix, an embedding map and bars by class: the best."""
CLASSES = 30
"""Classes with bars of their own: those with most labels."""


def first(items: Sequence[T], most: int, what: str) -> tuple[Sequence[T], str]:
    """Return the first `most` items, and a sentence on how many there are where that is more; else no words."""
    if len(items) <= most:
        return items, ""
    return items[:most], f" The best {most} of {len(items)} {what} are drawn."


def of_methods(found: Collection[Score], labels: Collection[str]) -> set[str]:
    """Return the methods behind labels of scores."""
    return {score.method for score in found if score.label in labels}


def for_class_bars(
    rows: pd.DataFrame, order: Sequence[str], found: Sequence[Score], counts: Mapping[str, int]
) -> tuple[pd.DataFrame, str]:
    """Leave of a task's rows what a bar chart by class can show.

    Parameters
    ----------
    rows : DataFrame
        Comparison rows of one dataset and task.
    order : sequence of str
        Labels, best first.
    found : sequence of Score
        The scores of `rows`.
    counts : mapping of str to int
        Labels of each class.

    Returns
    -------
    DataFrame
    str
        How much is left out; empty for nothing.
    """
    words = ""
    methods = [label for label in order if not any(score.chance for score in found if score.label == label)]
    if len(methods) > METHODS:
        kept, words = first(methods, METHODS, "methods")
        chance = {score.method for score in found if score.chance}
        rows = rows[rows["method"].isin(of_methods(found, set(kept)) | chance)]
    names = rows["metric"].str.removeprefix("f1/").where(rows["metric"].str.startswith("f1/"))
    classes = list(dict.fromkeys(names.dropna()))
    if len(classes) > CLASSES:
        kept = sorted(classes, key=lambda name: -counts.get(name, 0))[:CLASSES]
        rows = rows[names.isin(kept)]
        words += f" The {CLASSES} of {len(classes)} classes with most labels are drawn."
    return rows, words
