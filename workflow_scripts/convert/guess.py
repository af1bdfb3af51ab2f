"""Guess a card from a folder of somebody's own files, and say what was guessed and what could not be told."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import yaml

from workflow_scripts.cards.card import Card
from workflow_scripts.core.errors import InputError, one_line
from workflow_scripts.core.files import digest
from workflow_scripts.core.validation import validate
from workflow_scripts.formats.hdf5 import open_hdf5
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.sources import boris, caltech_annotator, read_tracks

HEAD = 1 << 16
"""Bytes of a file that are looked at to tell its format."""
SUFFIXES = {".csv", ".tsv", ".txt", ".json", ".h5", ".hdf5"}
EXPECTED = (
    "DeepLabCut csv or h5, SLEAP analysis h5, CalMS21 JSON, BORIS csv, Caltech Behavior Annotator txt or csv events"
)
PROBE_FPS = 30.0
"""Used to read the names in event files, whose times matter nothing here."""


@dataclass
class Guess:
    """A guessed card as plain values, with what was guessed and what is left to the user."""

    card: dict[str, Any]
    guessed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def detect(path: Path) -> str | None:
    """Return the source that reads a file, told by its content; None where no source does."""
    if path.suffix.lower() not in SUFFIXES or not path.stat().st_size:
        return None
    if path.name.startswith("CollectedData"):  # DeepLabCut's hand labels: single images, not a recording
        return None
    with open(path, "rb") as handle:
        head = handle.read(HEAD)
    if head.startswith(b"\x89HDF"):
        return _detect_hdf5(path)
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff")
    if text.startswith("{"):
        return "calms21" if '"keypoints"' in text else None
    lines = text.splitlines()
    if lines and lines[0].lower().startswith("caltech behavior annotator"):
        return "caltech_annotator"
    words = [[word.strip().strip('"').lower() for word in re.split(r"[,;\t]", line)] for line in lines[:60]]
    if words and words[0][0] == "scorer":
        # A table of hand labels has the same header, and image names where a video's has frame numbers.
        first_cells = [row[0] for row in words[1:]]
        return "deeplabcut" if any(cell.isdigit() for cell in first_cells) else None
    first = {word.replace("behaviour", "behavior") for word in words[0]} if words else set()
    if "behavior" in first and first & {"start_time", "start_frame"}:
        return "csv_events"
    is_boris = any({"behavior", "behaviour"} & set(row) and {"time", "start (s)", "start"} & set(row) for row in words)
    return "boris" if is_boris else None


def _detect_hdf5(path: Path) -> str | None:
    try:
        with open_hdf5(path) as handle:
            if {"tracks", "node_names"} <= set(handle):
                return "sleap"
            is_pandas = any(isinstance(n, h5py.Group) and {"table", "block0_values"} & set(n) for n in handle.values())
            return "deeplabcut" if is_pandas else None
    except InputError:
        return None


def _visible_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key in which 8 stands before 12."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path))]


def recording_name(path: Path) -> str:
    """Return the file's name without what trackers and annotators append to it."""
    stem = re.split(r"(?i)DLC[_-]|\.analysis$|\.predictions", path.stem)[0]
    stem = re.sub(r"(?i)[_.-]*(annotations?|annot|labels?|events?|boris|tracks|tracking|reencode)$", "", stem)
    return stem.strip("_.- ") or path.stem


def guess_card(folder: Path, name: str | None = None) -> Guess:
    """Guess the card of a folder of tracking and label files.

    Parameters
    ----------
    folder : Path
        Searched with its subfolders.
    name : str, optional
        Name of the dataset; the folder's name where empty.

    Raises
    ------
    InputError
        When the folder does not exist or holds no tracking file that can be read.
    """
    if not folder.is_dir():
        raise InputError(folder, "is no folder", "name the folder that holds your tracking and label files")
    folder = folder.resolve()
    found: dict[str, list[Path]] = {}
    ignored = []
    for path in sorted(_visible_files(folder), key=_natural):
        source = detect(path)
        if source:
            found.setdefault(source, []).append(path)
        elif path.suffix.lower() in SUFFIXES:
            ignored.append(str(path.relative_to(folder)))
    trackers = {source: found[source] for source in ("deeplabcut", "sleap", "calms21") if source in found}
    if not trackers:
        raise InputError(folder, "holds no tracking file that EthoMake knows", f"expected {EXPECTED}")
    source = max(trackers, key=lambda key: len(trackers[key]))
    guess = Guess({})
    for other in trackers.keys() - {source}:
        guess.unknown.append(f"{len(trackers[other])} {other} files are left out: a card has one track source.")
    if ignored:
        guess.unknown.append(f"{len(ignored)} file(s) of no known format, e.g. {ignored[0]}.")
    tracks = _without_copies(trackers[source], guess)
    labels: dict[str, list[Path]] = {
        kind: found[kind] for kind in ("caltech_annotator", "boris", "csv_events") if kind in found
    }
    first, options = _first(source, tracks, guess)
    shards, tasks = _shards(folder, tracks, labels, guess)
    if source == "calms21":
        tasks = {task: {"vocabulary": list(made.vocabulary)} for task, made in first.labels.items()}
        shards = [{key: value for key, value in shard.items() if key != "group"} for shard in shards]
    guess.card = {
        "name": re.sub(r"[^a-z0-9]+", "_", (name or folder.name).lower()).strip("_") or "my_data",
        "title": f"Recordings in {folder.name}",
        "description": "Guessed from the files by ethomake new-dataset; say here who was filmed, how, and why.",
        "licence": "not stated",
        "citation": ["Unpublished; say here who recorded the data."],
        "local": str(folder),
        **_facts(source, first, labels, guess),
        "options": options,
        "tasks": tasks,
        **_splits(shards, source, guess),
        "files": [_file(folder, path) for path in _used(folder, shards)],
        "shards": shards,
    }
    guess.card["name"] = re.sub(r"^(?=[0-9])", "data_", guess.card["name"])
    guess.unknown.append("Licence, terms and citation: mend them before you share anything.")
    guess.card = {key: value for key, value in guess.card.items() if value not in ({}, [])}
    validate(Card, guess.card, where="the guessed card")
    return guess


def _used(folder: Path, shards: Sequence[dict[str, Any]]) -> list[Path]:
    named = itertools.chain.from_iterable([s["tracks"], *(label["file"] for label in s["labels"])] for s in shards)
    return [folder / path for path in dict.fromkeys(named)]


def _without_copies(tracks: Sequence[Path], guess: Guess) -> list[Path]:
    """DeepLabCut leaves each table as csv and as h5: keep one."""
    stems = {path.with_suffix("") for path in tracks if path.suffix.lower() == ".csv"}
    kept = [path for path in tracks if path.suffix.lower() == ".csv" or path.with_suffix("") not in stems]
    if len(kept) < len(tracks):
        guess.guessed.append(
            f"{len(tracks) - len(kept)} h5 files stand beside a csv of the same name and are left out."
        )
    return kept


def _first(source: str, tracks: Sequence[Path], guess: Guess) -> tuple[Recording, dict[str, Any]]:
    """Read the first recording, and the options it takes to read it."""
    guess.guessed.append(
        f"The tracks are {source}, {len(tracks)} file(s); {tracks[0].name} was read to tell the names."
    )
    name = recording_name(tracks[0])
    try:
        return next(read_tracks(source, tracks[0], {}, recording=name)), {}
    except InputError:
        if source != "deeplabcut":
            raise
        options = {"likelihood": False}
        first = next(read_tracks(source, tracks[0], options, recording=name))
    guess.guessed.append("The tracks have no likelihood, so every point that is there counts as sure.")
    return first, options


def _file(folder: Path, path: Path) -> dict[str, Any]:
    return {"path": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": digest(path)}


def _facts(source: str, first: Recording, labels: dict[str, list[Path]], guess: Guess) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "individuals": list(first.individuals),
        "keypoints": list(first.keypoints),
        "source": source,
        "gaps": _gaps(first, guess),
    }
    if np.isfinite(first.fps):
        facts["fps"] = float(first.fps)
        guess.guessed.append(f"fps is {first.fps:g}, as {source} states it.")
    else:
        stated = {boris.read_bouts(path, PROBE_FPS)[2] for path in labels.get("boris", [])} - {None}
        if len(stated) == 1:
            facts["fps"] = stated.pop()
            guess.guessed.append(f"fps is {facts['fps']:g}, as BORIS states it.")
        else:
            guess.unknown.append("Frames per second: no file states it; add fps to the card, nothing converts without.")
    if first.image_size is not None:
        facts["image_size"] = list(first.image_size)
    else:
        reach = np.nanmax(first.position, axis=(0, 1, 2))
        guess.unknown.append(
            f"Image size: no file states it (largest x {reach[0]:.0f}, y {reach[1]:.0f}); add image_size."
        )
    return facts


def _gaps(first: Recording, guess: Guess) -> dict[str, Any]:
    seen = ~np.isnan(first.position).any(-1)
    zero = float(((first.position == 0).all(-1)).mean())
    low = float((first.confidence[seen] < 0.1).mean()) if seen.any() else 0.0
    gaps: dict[str, Any] = {"zero_is_missing": True, "min_likelihood": 0.1 if low else 0.0, "interpolate_max_frames": 0}
    guess.guessed.append(
        f"In {first.id}, {1 - seen.mean():.1%} of the points are empty, {zero:.1%} lie at exactly (0, 0) "
        f"(taken as missing) and {low:.1%} have a likelihood below 0.1" + (" (taken as missing)." if low else ".")
    )
    guess.unknown.append("Which gaps to fill: gaps.interpolate_max_frames is 0, so none is.")
    return gaps


def _shards(
    folder: Path, tracks: Sequence[Path], labels: dict[str, list[Path]], guess: Guess
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    names = [recording_name(path) for path in tracks]
    if len(set(names)) < len(names):
        names = [path.relative_to(folder).with_suffix("").as_posix() for path in tracks]
    tasks: dict[str, Any] = {}
    by_name: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for source, paths in labels.items():
        options = _label_options(source, paths, tasks, guess)
        for path in paths:
            match = _match(path, names, sole=len(paths) == 1)
            if match is None:
                guess.unknown.append(f"Whose labels {path.relative_to(folder)} are: no tracking file has that name.")
            elif options:
                entry = {"source": source, "file": path.relative_to(folder).as_posix(), "options": options}
                by_name[match].append(entry)
                guess.guessed.append(f"{path.name} labels the recording {match}, by name.")
    shards = [
        {"id": name, "group": name, "tracks": path.relative_to(folder).as_posix(), "labels": by_name[name]}
        for name, path in zip(names, tracks, strict=True)
    ]
    return shards, tasks


def _match(path: Path, names: Sequence[str], *, sole: bool) -> str | None:
    own = recording_name(path)
    for close in (
        [name for name in names if Path(name).name == own],
        [name for name in names if own.startswith(name) or name.startswith(own)],
        list(names) if sole and len(names) == 1 else [],
    ):
        if len(close) == 1:
            return close[0]
    return None


def _label_options(source: str, paths: Sequence[Path], tasks: dict[str, Any], guess: Guess) -> dict[str, Any]:
    if source == "caltech_annotator":
        channels: dict[str, list[str]] = {}
        for path in paths:
            for channel, bouts in caltech_annotator.read_channels(path).items():
                names = channels.setdefault(channel, [])
                names += [name for name in dict.fromkeys(bout.name for bout in bouts) if name not in names]
        tasks.update({channel: {"vocabulary": names} for channel, names in channels.items()})
        guess.guessed.append(f"Each channel is a task of exclusive classes: {', '.join(channels)}.")
        guess.unknown.append("Which class means nothing of interest: add background to each task that has one.")
        return {"channels": {channel: channel for channel in channels}}
    found: dict[str, None] = {}
    overlap = False
    for path in paths:
        spans = _spans(source, path)
        found.update(dict.fromkeys(name for _, _, name in spans))
        overlap |= any(after[0] < before[1] for before, after in itertools.pairwise(spans))
    if overlap or len(found) == 1:
        slugs = {name: re.sub(r"\W+", "_", name) for name in found}
        for slug in slugs.values():
            tasks[slug] = {"kind": "binary", "vocabulary": ["other", slug], "background": "other"}
        guess.guessed.append(f"Each {source} behaviour is a yes-or-no task of its own: {', '.join(slugs.values())}.")
        return {"binary": slugs}
    tasks["behaviour"] = {"vocabulary": ["other", *found], "background": "other"}
    guess.guessed.append(
        f"No two {source} behaviours overlap, so they are the classes of one task: {', '.join(found)}."
    )
    return {"multiclass": "behaviour"}


def _spans(source: str, path: Path) -> list[tuple[float, float, str]]:
    """Return start, stop and name of every event, in order; a file without any is a file without behaviours."""
    if source == "boris":
        return sorted((bout.start, bout.stop, bout.name) for bout in boris.read_bouts(path, PROBE_FPS)[0])
    table = pd.read_csv(path, dtype={"behavior": str, "behaviour": str})
    table.columns = table.columns.str.strip().str.lower()
    columns = {name for name in table.columns if name in ("behavior", "behaviour")}
    start, stop = ("start_frame", "end_frame") if "start_frame" in table else ("start_time", "end_time")
    if not columns or stop not in table:
        raise InputError(path, f"line 1: expected the columns behavior, {start} and {stop}", "mend the header")
    return sorted(zip(table[start], table[stop], table[columns.pop()], strict=True))


def _splits(shards: Sequence[dict[str, Any]], source: str, guess: Guess) -> dict[str, Any]:
    if source == "calms21":
        guess.unknown.append("Splits: the animals are in the JSON's sequence names; add a split by recording_prefix.")
        return {}
    groups = [shard["id"] for shard in shards]
    guess.unknown.append("Whether an animal is in several recordings: each is its own group; mend group where one is.")
    if len(groups) < 2:
        guess.unknown.append("Splits: one group cannot be split, so nothing can be scored; add recordings.")
        return {}
    n_folds = min(len(groups), 5)
    guess.guessed.append(f"The split `fold` holds each group out once, in {n_folds} folds.")
    return {"splits": {"fold": {"folds": [groups[k::n_folds] for k in range(n_folds)]}}}


def card_yaml(guess: Guess) -> str:
    """Return the guessed card as YAML, with what is left to do as comments on top."""
    todo = "".join(f"# - {one_line(line)}\n" for line in guess.unknown)
    body = yaml.safe_dump(guess.card, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    return f"# Guessed by ethomake new-dataset. Left to you:\n{todo}{body}"
