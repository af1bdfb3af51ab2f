"""`ethomake train-detector`: RT-DETRv2 fine-tuned on a user's own boxed videos."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    pair = {"nargs": 2, "action": "append", "type": Path, "metavar": ("VIDEO", "BOXES"), "default": []}
    parser.add_argument("--train", **pair, help="video and its boxes (csv or Supervisely annotation), repeatable")  # type: ignore[arg-type]
    parser.add_argument("--test", **pair, help="the same, held out for the scores, repeatable")  # type: ignore[arg-type]
    parser.add_argument("--start", type=Path, help="checkpoint to start from (default: random weights)")
    parser.add_argument("--size", default="r50", help="size of the network (default: r50)")
    parser.add_argument("--image-size", type=int, default=640, help="side of the resized picture (default: 640)")
    parser.add_argument("--epochs", type=int, default=50, help="passes over the frames (default: 50)")
    parser.add_argument("--batch", type=int, default=16, help="frames of one step (default: 16)")
    parser.add_argument("--every", type=int, default=10, help="use every n-th frame (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--output", type=Path, default=Path("detector"), help="folder to write (default: detector)")


def run(options: argparse.Namespace) -> None:
    """Fine-tune, write the weights, and print the scores on the held-out videos."""
    from workflow_scripts.detectors.rtdetr_training import Recipe  # here, since they import torch
    from workflow_scripts.detectors.rtdetr_videos import fine_tune_on_videos

    recipe = Recipe(
        size=options.size,
        image_size=options.image_size,
        epochs=options.epochs,
        batch=options.batch,
        seed=options.seed,
    )
    table = fine_tune_on_videos(
        options.train, options.test, options.output, recipe, start=options.start, every=options.every
    )
    print(table.to_string(index=False))
    print(f"Written: {options.output}; name its detector.safetensors in the card's options.detector.options.weights.")
