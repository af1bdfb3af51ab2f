"""Where the MABe 2022 evaluator finds the labels and the split of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from workflow_scripts.cards.card import Card


class EvaluatorFiles(TypedDict):
    """Files of one dataset below `resources/<dataset>/`, and which of the two benchmarks it is."""

    animal: str
    labels: str
    split: str


def evaluator_files(cards: Mapping[str, Card]) -> dict[str, EvaluatorFiles]:
    """Return the evaluator's files of every MABe 2022 dataset whose card names its labels and split."""
    return {
        name: {
            "animal": card.options.get("animal", "mouse"),
            "labels": shard.options["labels_file"],
            "split": shard.options["split_file"],
        }
        for name, card in cards.items()
        for shard in card.shards
        if card.source == "mabe22" and {"labels_file", "split_file"} <= set(shard.options) and card.tasks
    }
