"""What `ethomake film` shows: a recording of a run, its classes in snippets, its motifs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.behaviour.films import Row, Snippet, choose_bouts, film, grid, same_length
from workflow_scripts.behaviour.run_files import class_tasks, prediction_files, predictions_with
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.names import slugify
from workflow_scripts.formats.bouts import runs
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.tables import read_small
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.video.metadata import probe

BOX = [(0, 1), (1, 2), (2, 3), (3, 0)]
"""Lines around a box."""

SNIPPETS = 12
"""Snippets of a grid."""


def drawable(recording: Any) -> tuple[Recording, list[tuple[int, int]] | None]:
    """Return a recording as points and lines; of a video's clip, the box around the animal."""
    if isinstance(recording, Recording):
        return recording, None
    x1, y1, x2, y2 = np.asarray(recording.boxes, np.float32).T
    corners = np.stack([np.stack(pair, axis=-1) for pair in ((x1, y1), (x2, y1), (x2, y2), (x1, y2))], axis=1)
    position = corners[:, None]
    made = Recording(
        id=recording.id,
        position=position,
        confidence=np.where(np.isnan(position[..., 0]), np.nan, 1).astype(np.float32),
        fps=recording.fps,
        individuals=("animal",),
        keypoints=("a", "b", "c", "d"),
        group=recording.group,
        image_size=recording.image_size,
        labels=recording.labels,
    )
    return made, BOX


def film_of(
    run: Path,
    recording: str,
    data: Path,
    output: Path,
    *,
    task: str | None = None,
    predictions: Path | None = None,
    video: Path | None = None,
    seconds: tuple[float, float] | None = None,
    width: int = 640,
) -> Path:
    """Write the film of a recording: its skeleton (over the video), classes by hand and model, ethogram.

    Parameters
    ----------
    run : Path
    recording : str
    data : Path
        The dataset's file.
    output : Path
        Folder of the film.
    task : str, optional
        The first with a class a frame where empty.
    predictions, video : Path or None
    seconds : tuple of float or None
        Part to show.
    width : int
        Of the picture, at most.
    """
    path, task = predictions_with(prediction_files(run, predictions), recording, task)
    with open_dataset(data) as reader, open_predictions(path) as said:
        if recording not in reader.ids:
            raise ConfigError(f"{data}: has no recording {recording!r}; name the data of these predictions: --data.")
        shown, lines = drawable(reader.read(recording))
        kind, _, _, readout = said.info(task)
        classes, background = said.classes(task), said.background(task)
        found = said.read(task, recording)
    codes = same_length(path, found.codes(), shown.n_frames)
    rows = [Row("model" if readout == "probe" else f"model ({readout})", codes, found.scores)]
    labels = shown.labels.get(task)
    if labels is not None and labels.mask.any():
        rows.insert(0, Row("human", np.where(labels.mask, labels.values.astype(np.int64), -1)))
    quiet = background or (classes[0] if kind == "binary" else None)
    span = None if seconds is None else (round(seconds[0] * shown.fps), round(seconds[1] * shown.fps))
    target = output / f"{slugify(recording)}.mp4"
    film(
        target,
        shown,
        rows,
        classes,
        quiet,
        video=None if video is None else probe(video),
        span=span,
        lines=lines,
        size=(width, round(0.75 * width)),
    )
    return target


def grids_of(
    run: Path, data: Path, output: Path, *, task: str | None = None, predictions: Path | None = None
) -> Iterator[Path]:
    """Write a grid of snippets for each class that a run predicts: its surest bouts, in turn over recordings.

    Yields
    ------
    Path
    """
    path = prediction_files(run, predictions)[0]
    for name in class_tasks(path, task):
        with open_predictions(path) as said:
            classes = said.classes(name)
            bouts: dict[int, list[tuple[str, int, int, float]]] = {}
            for found in said.iterate(name):
                for start, stop, code in runs(found.codes()).triples():
                    if code >= 0:
                        bouts.setdefault(code, []).append(
                            (found.recording, start, stop, _sure(found, start, stop, code))
                        )
        for code in sorted(bouts):
            chosen = choose_bouts(bouts[code], SNIPPETS, shortest=5)
            target = output / f"{slugify(name)}_{slugify(classes[code])}.mp4"
            if chosen:
                grid(target, snippets(data, chosen), f"{classes[code]} ({len(bouts[code])} bouts)")
                yield target


def _sure(found: Any, start: int, stop: int, code: int) -> float:
    """Mean probability of a bout's class; its length where there are no probabilities."""
    if found.scores is None:
        return float(stop - start)
    part = found.scores[start:stop]
    if part.ndim == 1:
        return float(np.mean(part if code == 1 else 1 - part))
    return float(np.mean(part[:, code]))


def snippets(data: Path, chosen: list[tuple[str, int, int]]) -> list[Snippet]:
    """Read the recordings of chosen bouts, one at a time, and cut them out."""
    cut: dict[int, Snippet] = {}
    with open_dataset(data) as reader:
        for name in dict.fromkeys(bout[0] for bout in chosen):
            recording, _ = drawable(reader.read(name))
            for number, (of, start, stop) in enumerate(chosen):
                if of == name:
                    part = replace(
                        recording,
                        position=recording.position[start:stop],
                        confidence=recording.confidence[start:stop],
                        filled=None,
                        labels={},
                    )
                    cut[number] = Snippet(part, 0, stop - start)
    return [cut[number] for number in range(len(chosen))]


def motif_grids(run: Path, data: Path, output: Path, states: int | None = None) -> Iterator[Path]:
    """Write a grid of snippets for each motif of a run: its longest bouts, in turn over recordings.

    Parameters
    ----------
    run : Path
        With `motifs/`.
    data, output : Path
    states : int or None
        Number of motifs of the scan; the largest there is where empty.

    Raises
    ------
    InputError
        When the run has no motifs.
    """
    scans = sorted({int(path.stem.rsplit("hmm", 1)[1]) for path in (run / "motifs").glob("model_hmm*.npz")})
    if not scans or (states is not None and states not in scans):
        shown = f"; there are scans of {', '.join(map(str, scans))} motifs" if scans else ""
        raise InputError(run / "motifs", f"holds no scan of {states or 'any'} motifs{shown}", "add motifs: {}")
    chosen = states or scans[-1]
    bouts: dict[int, list[tuple[str, int, int, float]]] = {}
    with open_dataset(data) as reader:
        for name in reader.ids:
            path = run / "motifs" / slugify(name) / f"machineAnnotation_hmm{chosen}.csv"
            if not path.is_file():
                continue
            table: pd.DataFrame = read_small(path)
            codes = table.filter(like="Motif_").to_numpy().argmax(axis=1)
            for start, stop, code in runs(codes).triples():
                bouts.setdefault(int(code), []).append((name, start, stop, float(stop - start)))
    for code in sorted(bouts):
        picked = choose_bouts(bouts[code], SNIPPETS)
        target = output / f"motif{code}_of_{chosen}.mp4"
        grid(target, snippets(data, picked), f"motif {code} ({len(bouts[code])} bouts)")
        yield target
