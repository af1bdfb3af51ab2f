"""Write the numbers from the literature that concern an experiment, as a small table that figures draw from."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from workflow_scripts.cards.parts import Published
from workflow_scripts.core.tables import write_csv
from workflow_scripts.experiment.resolved import read_resolved
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    experiment = read_resolved(options.config)
    by_dataset = experiment.published | {name: list(card.published) for name, card in experiment.cards.items()}
    rows = [{"dataset": name, **number.model_dump()} for name, numbers in by_dataset.items() for number in numbers]
    write_csv(options.output, pd.DataFrame(rows, columns=["dataset", *Published.model_fields]))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the resolved experiment")
    arguments.add_argument("--output", type=Path, required=True)
    start(arguments, work)
