"""Folds that are proposed: every group is held out once, and every fold has labels of every task where that can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflow_scripts.convert.propose.recordings import Item

FOLDS = 5
MOST_LISTED = 20
"""Groups up to which folds are written out, so that they can be edited; more are dealt."""
MOST_SPREAD = 400
"""Groups up to which folds are written out because groups differ in what is labelled."""


def deal_groups(labelled: Sequence[Item], groups: Sequence[str], guessed: list[str]) -> dict[str, Any]:
    """Return the split `fold` of a card.

    Parameters
    ----------
    labelled : sequence of Item
        Recordings with labels.
    groups : sequence of str
        Their groups, at least two.
    guessed : list of str
        Takes what was decided.
    """
    coded: dict[str, set[str]] = {group: set() for group in groups}
    for item in labelled:
        coded[item.cells.get("group") or item.group] |= _coded(item)
    counts: dict[str, int] = {}
    for words in coded.values():
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    differ = any(number < len(groups) for number in counts.values())
    # A fold without a label of a task cannot be scored on it. Classes of whole videos may be absent from a fold.
    tasks = [number for word, number in counts.items() if not word.startswith(CLASS) and number > 1]
    folds = min(len(groups), FOLDS, *tasks)
    if len(groups) > (MOST_SPREAD if differ else MOST_LISTED):
        guessed.append(f"The split `fold` deals the {len(groups)} labelled groups into {folds} folds.")
        return {"deal": folds}
    # What few groups have comes first, so that dealing in turn spreads it.
    order = sorted(groups, key=lambda group: sorted((counts[word], word) for word in coded[group]) if differ else [])
    spread = ", with what is labelled in some of them spread over the folds" if differ else ""
    guessed.append(
        f"The split `fold` holds each of the {len(groups)} labelled groups out once, in {folds} folds{spread}."
    )
    return {"folds": [order[k::folds] for k in range(folds)]}


CLASS = "class "


def _coded(item: Item) -> set[str]:
    """Name what is labelled in a recording: channels and tasks of its label files, or the class of a whole video."""
    words = {f"{CLASS}{item.cells['label']}"} if "label" in item.cells else set()
    words |= set(item.found.tasks)
    for one, _ in item.labels:
        fixed = one.found.fixed
        if isinstance(fixed, dict) and "channels" in fixed:
            words |= set(fixed["channels"].values())
        elif fixed is not None:
            entries = fixed if isinstance(fixed, list) else [fixed]
            words |= {str(entry.get("task", entry.get("multiclass", one.found.source))) for entry in entries}
        else:
            words.add(one.found.source)
    return words
