"""Predict files of tracks that no experiment knows, with any method: read, decided and tabulated as in the rules."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.behaviour.codings import predictions_of
from workflow_scripts.behaviour.exports import export
from workflow_scripts.behaviour.gather import predicted_series, recordings_of
from workflow_scripts.behaviour.measures import budget
from workflow_scripts.convert.reading import read_new
from workflow_scripts.convert.resample import FPS_TOLERANCE, resample
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.names import slugify
from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.embeddings import write_embeddings
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.tracks import Recording, by_class, write_tracks
from workflow_scripts.methods.apply import write_applied
from workflow_scripts.methods.trained import Predicted, Trained
from workflow_scripts.sources.bout_files import write_rows
from workflow_scripts.views.seen import seen_frames
from workflow_scripts.views.tracks import DataSpec
from workflow_scripts.views.usual import outside, unlike

log = logging.getLogger("ethomake.predict")


@dataclass(frozen=True)
class TrackOptions:
    """What a user asks of files of tracks.

    Attributes
    ----------
    reading : mapping
        How files are read (:mod:`workflow_scripts.convert.reading`).
    changes : mapping
        Keys of that in place of the training's.
    fps : float or None
        Frame rate of the files, where they and the card do not say it, or differently.
    scale : float or None
        Length of a unit of the files (centimetres a pixel), where the training's is another or by recording.
    confidence : float
        Bouts of a lower mean probability are left out.
    probabilities, embeddings : bool
        Write `probabilities.csv` and `embeddings.h5`.
    formats : sequence of str
        Further formats of the bouts.
    media : str
        Name of the video in them, ``{recording}`` standing for the recording's id.
    readout : {"auto", "native", "probe"}
    """

    reading: Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)
    fps: float | None = None
    scale: float | None = None
    confidence: float = 0.0
    probabilities: bool = False
    embeddings: bool = False
    formats: Sequence[str] = ()
    media: str = ""
    readout: str = "auto"


def predict_tracks(trained: Trained, file: Path, folder: Path, options: TrackOptions) -> list[Path]:
    """Predict every recording of a file.

    Parameters
    ----------
    trained : Trained
    file : Path
    folder : Path
        Gets `tracks.h5`, `predictions.h5` (which `export-bouts` and `film` take), `bouts.csv`, `budget.csv` and
        `quality.csv` (frames, frame rate, share without an animal, shares outside the usual range of the training,
        warnings), and what the options ask for.
    options : TrackOptions

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    EthoMakeError
        When the file cannot be read, or holds recordings of another kind than the model was made for.
    """
    if not options.reading:
        raise ConfigError(
            "The run does not say how its files are read, since an older EthoMake trained it; name the card of its "
            "dataset: --card NAME."
        )
    tasks = list(trained.facts())
    if not tasks and not options.embeddings:
        raise ConfigError(
            f"This run of {trained.method} knows no classes and has no probe (probe/ beside embedder/); ask for "
            "--embeddings, or name a run that was trained or probed with labels."
        )
    recordings: list[Recording] = []
    said: dict[str, Predicted] = {}
    quality: list[dict[str, Any]] = []
    # A card may leave the names to its files; the model knows them.
    spec = trained.spec
    if not isinstance(spec, DataSpec):
        raise ConfigError(f"{trained.method} was not made for tracks.")
    names = {"individuals": list(spec.individuals), "keypoints": list(spec.keypoints)}
    own = {"fps": options.fps, "scale": options.scale}
    read = read_new({**options.reading, **names}, file, name=file.stem, **own, changes=options.changes)
    for recording, notes in _fitted(read, spec.fps):
        found = trained.predict(recording, recording.group, tasks, prefer=options.readout, embed=options.embeddings)
        usual = trained.config.get("usual") or {}
        notes += unlike(recording, usual)
        unseen = float((~seen_frames(recording)).mean())
        if unseen == 1:
            notes.append("no animal is seen in any frame")
        for note in notes:
            log.warning("%s, %s: %s", file, recording.id, note)
        quality.append(
            {
                "recording": recording.id,
                "frames": recording.n_frames,
                "fps": f"{recording.fps:g}",
                "share_unseen": f"{unseen:.4f}",
                **{f"outside/{name}": f"{share:.4f}" for name, share in outside(recording, usual).items()},
                "warnings": "\n".join([*notes, *recording.warnings]),
            }
        )
        recordings.append(recording)
        said[recording.id] = found
    return [path for path in _write(trained, folder, recordings, said, quality, options) if path.is_file()]


def _fitted(recordings: Iterator[Recording], fps: float) -> Iterator[tuple[Recording, list[str]]]:
    """Bring recordings of another frame rate to the model's, and say so."""
    for recording in recordings:
        notes: list[str] = []
        fitted = recording
        if abs(recording.fps - fps) > FPS_TOLERANCE * fps:
            notes.append(f"recorded at {recording.fps:g} frames/s, resampled to the model's {fps:g}")
            fitted = resample(recording, fps)
        yield replace(fitted, fps=fps), notes


def _write(
    trained: Trained,
    folder: Path,
    recordings: Sequence[Recording],
    said: Mapping[str, Predicted],
    quality: Sequence[Mapping[str, Any]],
    options: TrackOptions,
) -> Iterator[Path]:
    facts = trained.facts()
    data, predictions = folder / "tracks.h5", folder / "predictions.h5"
    write_tracks(data, recordings)
    yield data
    header = list(dict.fromkeys(key for row in quality for key in row if key != "warnings"))
    write_rows(
        folder / "quality.csv",
        [*header, "warnings"],
        [[row.get(key, "") for key in [*header, "warnings"]] for row in quality],
    )
    yield folder / "quality.csv"
    if options.embeddings:
        made = [(name, each.embedding) for name, each in said.items() if each.embedding is not None]
        attributes = {key: trained.config[key] for key in ("method", "mode", "seed", "options", "dataset", "split")}
        write_embeddings(
            folder / "embeddings.h5", made, names=trained.config.get("dimensions", ()), attributes=attributes
        )
        yield folder / "embeddings.h5"
    by_task = {task: [each.tasks[task] for each in said.values() if task in each.tasks] for task in facts}
    by_task = {task: found for task, found in by_task.items() if found}
    if not by_task:
        return
    write_applied(
        predictions,
        facts,
        {task: [each.prediction for each in found] for task, found in by_task.items()},
        {task: found[0].readout for task, found in by_task.items()},
    )
    yield predictions
    framed = [task for task in by_task if by_class(facts[task].kind, facts[task].level)]
    if framed:
        yield from _tables(trained, folder, data, predictions, framed, options)
    if options.probabilities:
        yield from _probabilities(folder, predictions, recordings)


def _tables(
    trained: Trained, folder: Path, data: Path, predictions: Path, tasks: Sequence[str], options: TrackOptions
) -> Iterator[Path]:
    for form in ("csv", *options.formats):
        codings = predictions_of(predictions, data, tasks, options.media, confidence=options.confidence)
        yield from export(codings, data, folder if form == "csv" else folder / form, form, method=trained.method)
    about = recordings_of(folder.name, data, None)
    many = list(
        predicted_series(
            folder.name, data, predictions, about, source=trained.method, role="applied", seed=None, seen={}
        )
    )
    table = budget(many).dropna(axis=1, how="all")
    write_csv(folder / "budget.csv", table, float_format="%.8g")
    yield folder / "budget.csv"


def _probabilities(folder: Path, predictions: Path, recordings: Sequence[Recording]) -> Iterator[Path]:
    """Write a table a recording: frame, seconds, and by task the probability of each class and the class decided on."""
    with open_predictions(predictions) as reader:
        for recording in recordings:
            columns: dict[str, Any] = {
                "frame": np.arange(recording.n_frames),
                "seconds": np.round(np.arange(recording.n_frames) / recording.fps, 4),
            }
            for task in reader.tasks:
                kind, level, _, _ = reader.info(task)
                if level != "frame" or recording.id not in reader.recordings(task):
                    continue
                found = reader.read(task, recording.id)
                names = reader.classes(task)
                if found.scores is not None:
                    scores = found.scores if found.scores.ndim == 2 else found.scores[:, None]
                    shown = names if scores.shape[1] == len(names) else names[-1:]
                    columns |= {f"{task}/{name}": np.round(scores[:, k], 4) for k, name in enumerate(shown)}
                if kind == "continuous":
                    columns[task] = found.prediction
                else:
                    chosen = np.array(names, object)[found.prediction.astype(int)]
                    columns[task] = chosen if found.seen is None else np.where(found.seen, chosen, "")
            name = "probabilities" if len(recordings) == 1 else f"probabilities_{slugify(recording.id)}"
            path = folder / f"{name}.csv"
            write_rows(path, list(columns), zip(*columns.values(), strict=True))
            yield path
