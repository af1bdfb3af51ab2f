"""The chance methods, once: which data they are for, and for which rows they are the level to beat."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chance:
    """A method that looks at no data but the labels.

    Attributes
    ----------
    name : str
        As in the column `method` of result tables.
    data : tuple of str
        Kinds of data it predicts; empty for one that is computed from the truth alone.
    level : bool
        Whether one prediction reaches its scores on every task, so that methods have to beat them.
    """

    name: str
    data: tuple[str, ...] = ()
    level: bool = True


MAJORITY = Chance("majority", ("tracks", "clips"))
PRIOR = Chance("prior", ("tracks", "clips"))
MEAN_POSE = Chance("mean_pose", ("images",))
ALL_POSITIVE = Chance("all_positive", level=False)
"""Yes to every class. In a binary task one prediction says so of a class; no prediction says it of all classes at once,
so it is no chance level of exclusive classes, nor of means over classes."""

CHANCE = (MAJORITY, PRIOR, MEAN_POSE, ALL_POSITIVE)
NAMES = frozenset(one.name for one in CHANCE)


def of_data(kind: str) -> tuple[str, ...]:
    """Names of the chance methods that predict one kind of data (``tracks``, ``images``, ``clips``)."""
    return tuple(one.name for one in CHANCE if kind in one.data)


def is_level(method: str, metric: str, n_classes: int) -> bool:
    """Tell whether a chance row is the level that methods have to beat.

    Parameters
    ----------
    method : str
        Of a chance row.
    metric : str
    n_classes : int
        Classes that the task's rows name.
    """
    if method != ALL_POSITIVE.name:
        return True
    return n_classes <= 2 and (metric == "f1" or metric.startswith("f1/"))
