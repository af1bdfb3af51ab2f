"""`ethomake embed RUN DATA`: the embeddings of a converted dataset by a run, trained or imported."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="results/<experiment>/runs/…/seed<k>")
    parser.add_argument("data", metavar="DATA", type=Path, help="data/<dataset>/tracks.h5, images.h5 or clips/index.h5")
    parser.add_argument("--csv", action="store_true", help="also write a table of each recording, a row a frame")
    parser.add_argument(
        "--submission",
        metavar="LABELS",
        type=Path,
        help="also write submission.npy of MABe 2022: the official labels, or the frame_number_map, npy",
    )
    parser.add_argument(
        "--position-zscore", action="store_true", help="standardise the submission at each frame position, as BAMS does"
    )
    parser.add_argument("--output", type=Path, default=Path("embeddings"), help="folder to write (default: embeddings)")


def run(options: argparse.Namespace) -> None:
    """Embed every recording, and print the files written."""
    from workflow_scripts.methods.embed_files import embed_dataset  # here, since it imports torch

    written = embed_dataset(
        options.run_folder,
        options.data,
        options.output,
        tables=options.csv,
        frame_map=options.submission,
        position_zscore=options.position_zscore,
    )
    for path in written:
        print(path)
