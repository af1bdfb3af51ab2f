"""Runs of splits that hide labels: which method, how many labelled groups, which draw."""

from __future__ import annotations

from workflow_scripts.cards.splits import LabelDraws
from workflow_scripts.experiment.experiment import Experiment
from workflow_scripts.experiment.runs import Run


def label_families(experiment: Experiment) -> dict[str, list[str]]:
    """Split families that draw labelled groups, by dataset."""
    found = {}
    for dataset, use in experiment.config.datasets.items():
        splits = experiment.cards[dataset].splits
        drawn = [family for family in use.splits if isinstance(splits.get(family), LabelDraws)]
        if drawn and experiment.tasks(dataset):
            found[dataset] = drawn
    return found


def label_runs(experiment: Experiment) -> list[tuple[Run, str, int, int, list[str]]]:
    """Every method with every number of labelled groups.

    Returns
    -------
    list of (Run, str, int, int, list of str)
        Its first run, the family, the number of labelled groups, the draw, and the predictions of all seeds, below
        `results/<experiment>/`.
    """
    place: dict[tuple[str, str], tuple[str, int, int]] = {}
    for dataset, families in label_families(experiment).items():
        for family in families:
            definition = experiment.cards[dataset].splits[family]
            if isinstance(definition, LabelDraws):
                for suffix, (number, draw) in definition.suffixes().items():
                    place[dataset, f"{family}{suffix}"] = family, number, draw
    found = []
    for run, seeds in experiment.contenders():
        if (run.dataset, run.split) in place:
            found.append((run, *place[run.dataset, run.split], [path for paths in seeds.values() for path in paths]))
    return found
