"""Hand what is here to other programs: predictions as bouts (csv, BORIS, ELAN, NWB), training clips as video files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.names import plain_cell, slugify
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.clips import ClipRecording, open_clips
from workflow_scripts.formats.predictions import Prediction, PredictionsReader, open_predictions
from workflow_scripts.formats.tracks import TracksReader, open_tracks
from workflow_scripts.sources.boris import write_boris
from workflow_scripts.sources.elan import write_elan
from workflow_scripts.sources.nwb import write_nwb
from workflow_scripts.sources.shared.bouts import Bout, runs
from workflow_scripts.video.cut import cut_clip
from workflow_scripts.video.metadata import checksum, probe

ENDINGS = {"csv": ".csv", "boris": ".csv", "elan": ".eaf", "nwb": ".nwb"}


def bouts_of(prediction: Prediction, kind: str, vocabulary: tuple[str, ...], task: str) -> list[Bout]:
    """Return the bouts of one recording's prediction.

    Parameters
    ----------
    prediction : Prediction
    kind : str
        ``multiclass`` (every stretch is a bout of its class) or ``binary`` (stretches of 1 are bouts named as the
        task).
    vocabulary : tuple of str
    task : str
    """
    stretches = runs(prediction.prediction)
    if kind == "binary":
        return [Bout(start, stop, task) for start, stop, value in stretches if value == 1]
    return [Bout(start, stop, vocabulary[value]) for start, stop, value in stretches]


def export_bouts(
    predictions: Path, tracks: Path, folder: Path, *, form: str, tasks: list[str] | None = None, method: str = ""
) -> Iterator[Path]:
    """Write a run's predictions as bouts.

    Parameters
    ----------
    predictions : Path
        `predictions.h5` or `probe_predictions.h5` of a run.
    tracks : Path
        The dataset's `tracks.h5`, for frame rates and pose.
    folder : Path
        Gets one file a recording.
    form : {"csv", "boris", "elan", "nwb"}
    tasks : list of str, optional
        Tasks to write; all that are told frame by frame where empty.
    method : str
        What NWB names as the producer.

    Yields
    ------
    Path
        Each file as it is written.

    Raises
    ------
    ConfigError
        When a task is not among the predictions.
    InputError
        When no task is told frame by frame by class.
    """
    with ExitStack() as stack:
        reader = stack.enter_context(open_predictions(predictions))
        animals = stack.enter_context(open_tracks(tracks))
        for task in tasks or []:
            if task not in reader.tasks:
                raise ConfigError(f"{predictions}: has no task {task!r}{nearest(task, reader.tasks)}")
        chosen = [task for task in tasks or reader.tasks if _is_bouts(reader, task)]
        if not chosen:
            raise InputError(predictions, "holds no classes by frame", "name a run whose tasks are labelled by frame")
        ids = dict.fromkeys(recording for task in chosen for recording in reader.recordings(task))
        for recording in ids:
            path = folder / (slugify(recording) + ENDINGS[form])
            _write(path, reader, animals, recording, chosen, form, method)
            yield path


def _is_bouts(reader: PredictionsReader, task: str) -> bool:
    kind, level, _, _ = reader.info(task)
    return level == "frame" and kind in ("multiclass", "binary")


def _write(
    path: Path,
    reader: PredictionsReader,
    animals: TracksReader,
    recording: str,
    tasks: list[str],
    form: str,
    method: str,
) -> None:
    fps = animals.fps(recording)
    found: dict[str, list[Bout]] = {}
    for task in tasks:
        if recording in reader.recordings(task):
            kind, _, vocabulary, _ = reader.info(task)
            found[task] = bouts_of(reader.read(task, recording), kind, vocabulary, task)
    if form == "csv":
        with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["task", "behavior", "start_frame", "end_frame", "start_time", "end_time"])
            for task, bouts in found.items():
                for bout in bouts:
                    times = (f"{bout.start / fps:.6f}", f"{bout.stop / fps:.6f}")
                    writer.writerow([plain_cell(task), plain_cell(bout.name), bout.start, bout.stop, *times])
    elif form == "boris":
        # BORIS knows no tasks: with several, the behaviour carries its task's name.
        named = [
            Bout(bout.start, bout.stop, bout.name if len(found) == 1 else f"{task}: {bout.name}")
            for task, bouts in found.items()
            for bout in bouts
        ]
        write_boris(path, named, fps, n_frames=animals.n_frames(recording), observation=recording)
    elif form == "elan":
        write_elan(path, found, fps)
    else:
        names = {task: reader.info(task)[2] or (task,) for task in found}
        write_nwb(
            path,
            found,
            fps,
            recording=recording,
            method=method,
            vocabularies=names,
            tracks=animals.read(recording),
        )


def export_clips(index: Path, videos: Path, folder: Path, *, mode: str = "faithful") -> Iterator[Path]:
    """Cut a dataset's clips out of its videos, one file each, laid out as the seed project did.

    Parameters
    ----------
    index : Path
        `data/<dataset>/clips/index.h5`.
    videos : Path
        Folder of the videos it was made from, `resources/<dataset>`.
    folder : Path
        Gets `<class>/video/<video>_clip_<number>.mp4` (in a class, `/` becomes `-` and a space `_`), and `clips.csv`
        with the columns orig_file, clip_file, start, end (frames, the end included) and label.
    mode : {"faithful", "sound"}
        Whose clips: `faithful` are the seed project's.

    Yields
    ------
    Path
        Each file as it is written.

    Raises
    ------
    InputError
        When a video is not there, has changed since, or cannot be cut.
    """
    rows: list[list[str | int]] = []
    with open_clips(index) as reader:
        for recording in reader:
            path = _source_of(recording, videos)
            info = probe(path)
            for number, clip in enumerate(reader.clips(mode, [recording.id])):
                label = clip.label.replace("/", "-").replace(" ", "_")
                label = label if label.strip(".") else slugify(label)  # `..` is no folder of ours
                name = Path(label) / "video" / f"{slugify(recording.id)}_clip_{number:03d}.mp4"
                cut_clip(info, clip.start, clip.stop, folder / name)
                rows.append([plain_cell(path.name), name.as_posix(), clip.start, clip.stop - 1, plain_cell(clip.label)])
                yield folder / name
    with atomic_path(folder / "clips.csv") as part, part.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["orig_file", "clip_file", "start", "end", "label"])
        writer.writerows(rows)
    yield folder / "clips.csv"


def _source_of(recording: ClipRecording, videos: Path) -> Path:
    """Find a recording's video by its name and its checksum; names may repeat in subfolders."""
    name, wanted = next(iter(recording.source_sha256.items()))
    found = sorted(videos.rglob(name))
    for path in found:
        if checksum(path) == wanted:
            return path
    why = "is another file than the one that was cropped" if found else "is not there"
    raise InputError(videos / name, why, "name the folder of the dataset's videos, resources/<dataset>")
