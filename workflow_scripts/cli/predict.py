"""`ethomake predict RUN FILES…`: a trained run on new files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from workflow_scripts.cards.card import load_card
from workflow_scripts.cards.places import config_path
from workflow_scripts.core.errors import ConfigError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="results/<experiment>/runs/…/seed<k>")
    parser.add_argument(
        "files",
        metavar="FILE",
        type=Path,
        nargs="+",
        help="tracks, videos or stacks of images (npz, npy), as the run reads; or folders of them",
    )
    parser.add_argument("--output", type=Path, default=Path("predictions"), help="gets a folder for each file")
    parser.add_argument("--confidence", type=float, default=0.0, help="leave out bouts of a lower mean probability")
    tracks = parser.add_argument_group("of tracks")
    tracks.add_argument("--probabilities", action="store_true", help="write probabilities.csv, a row a frame")
    tracks.add_argument("--embeddings", action="store_true", help="write embeddings.h5")
    tracks.add_argument(
        "--format",
        action="append",
        default=[],
        choices=["boris", "elan", "nwb", "simba"],
        help="write the bouts in this format, too; repeatable",
    )
    tracks.add_argument("--media", default="", help="name of the video in those, e.g. '{recording}.mp4'")
    tracks.add_argument("--readout", choices=["auto", "native", "probe"], default="auto", help="whose classes")
    tracks.add_argument("--most-probable", action="store_true", help="do not decide by the run's decision.yaml")
    tracks.add_argument("--fps", type=float, help="frames per second of the files, where it is not the training's")
    tracks.add_argument("--scale", type=float, help="centimetres a pixel of the files, where not the training's")
    tracks.add_argument("--source", help="format of the files, where it is not the training's (ethomake sources)")
    tracks.add_argument("--absent", choices=["refuse", "empty"], help="animals and points that a file lacks")
    tracks.add_argument("--unlisted", choices=["refuse", "leave_out"], help="animals and points the model lacks")
    tracks.add_argument("--rename", action="append", default=[], metavar="FILE_NAME=NAME", help="point or animal")
    tracks.add_argument("--card", help="dataset whose card says how files are read (default: as the run was trained)")
    videos = parser.add_argument_group("of videos")
    videos.add_argument("--no-overlay", action="store_true", help="write no film with the predictions drawn in")
    videos.add_argument("--detector", help="find the animal by this detector, not as in the videos of the training")
    videos.add_argument("--animals", type=int, help="animals in each video, every one followed by itself")
    videos.add_argument(
        "--region", type=int, nargs=4, metavar=("X", "Y", "WIDTH", "HEIGHT"), help="part of the picture, in pixels"
    )


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    """Keys of the card in place of the training's."""
    changes: dict[str, Any] = {key: getattr(options, key) for key in ("absent", "unlisted") if getattr(options, key)}
    if options.source:
        changes |= {"source": options.source, "options": {}}
    names: dict[str, str] = {}
    for pair in options.rename:
        given, sign, name = pair.partition("=")
        if not (given and sign and name):
            raise ConfigError(f"--rename: expected FILE_NAME=NAME, found {pair!r}.")
        names[given] = name
    if names:
        changes["rename"] = names
    return changes


def run(options: argparse.Namespace) -> None:
    """Predict files with a trained run, and print what was written."""
    from workflow_scripts.convert.reading import reading_of  # here, since these import much
    from workflow_scripts.methods.predict_files import predict_files

    video = {"detector": options.detector, "region": options.region, "animals": options.animals}
    tracks = {
        "probabilities": options.probabilities,
        "embeddings": options.embeddings,
        "formats": options.format,
        "media": options.media,
        "fps": options.fps,
        "scale": options.scale,
        "changes": _changes(options),
        "readout": "" if options.readout == "auto" else options.readout,
    }
    card = load_card(config_path(options.places, "datasets", options.card)) if options.card else None
    written = predict_files(
        options.run_folder,
        options.files,
        options.output,
        overlay=not options.no_overlay,
        confidence=options.confidence,
        video={name: value for name, value in video.items() if value is not None},
        tracks={name: value for name, value in tracks.items() if value},
        reading=reading_of(card) if card else None,
        decide=not options.most_probable,
    )
    for path in written:
        print(path)
