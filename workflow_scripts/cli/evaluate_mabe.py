"""`ethomake evaluate-mabe`: anybody's MABe 2022 submission, as published or as it should be scored."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.evaluation.mabe.evaluator import evaluate_mabe


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--task", choices=["mouse", "fly"], default="mouse", help="which of the two benchmarks")
    parser.add_argument("--submission", type=Path, required=True, help="embeddings, npy in the official layout")
    parser.add_argument("--labels", type=Path, required=True, help="the official labels, npy")
    parser.add_argument("--split", type=Path, required=True, help="the official split, JSON")
    parser.add_argument(
        "--mode", choices=["mabe-compat", "sound"], default="sound", help="as published, or as it should be"
    )
    parser.add_argument("--lenient", action="store_true", help="take what the official evaluator refuses, e.g. float64")
    parser.add_argument("--output", type=Path, help="table to write, csv")


def run(options: argparse.Namespace) -> None:
    """Score a MABe 2022 submission with the linear evaluator."""
    table = evaluate_mabe(
        options.submission,
        options.labels,
        options.split,
        animal=options.task,
        mode=options.mode,
        strict=not options.lenient,
        output=options.output,
    )
    print(table.to_string(index=False))
