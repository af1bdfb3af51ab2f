"""`ethomake export-clips`: a dataset's training clips as video files."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.behaviour.clip_export import export_clips


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("index", type=Path, help="data/<dataset>/clips/index.h5")
    parser.add_argument("--videos", type=Path, required=True, help="folder of its videos, resources/<dataset>")
    parser.add_argument("--mode", choices=["faithful", "sound"], default="faithful", help="whose clips")
    parser.add_argument("--split", type=Path, help="data/<dataset>/splits/<name>.json: its test videos stay whole")
    parser.add_argument("--output", type=Path, default=Path("clips"), help="folder of the files (default: clips)")


def run(options: argparse.Namespace) -> None:
    """Cut a dataset's clips out of its videos."""
    for path in export_clips(options.index, options.videos, options.output, mode=options.mode, split=options.split):
        print(path)
