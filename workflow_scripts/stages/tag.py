"""Tag the movie of a dataset of images with a trained model: points and directions of every frame, and an overlay."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.cards.resolved import read_card
from workflow_scripts.convert.images import read_movie
from workflow_scripts.methods.rat_direction.movie import tag_movie
from workflow_scripts.methods.rat_direction.study import network_of
from workflow_scripts.methods.runs import load_embedder
from workflow_scripts.stages import parser, start


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    card = read_card(options.card)
    model = network_of(load_embedder(options.embedder)[0])
    tag_movie(model, read_movie(card, card.folder_of_files(options.resources)), options.folder)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--embedder", type=Path, required=True, help="folder of the embedder")
    arguments.add_argument("--card", type=Path, required=True, help="the dataset's card")
    arguments.add_argument("--resources", type=Path, required=True, help="folder of the dataset's downloads")
    arguments.add_argument("--folder", type=Path, required=True, help="gets the movie, the angles and their plot")
    start(arguments, work)
