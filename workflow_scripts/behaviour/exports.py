"""Hand what is here to other programs: predictions as bouts (csv, BORIS, ELAN, NWB), training clips as video files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.names import slugify
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.clips import ClipRecording, open_clips
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.hdf5 import file_kind
from workflow_scripts.formats.predictions import Prediction, PredictionsReader, open_predictions
from workflow_scripts.formats.splits import read_split
from workflow_scripts.sources.bout_files import bouts_of, write_rows, write_tables
from workflow_scripts.sources.nwb import write_nwb
from workflow_scripts.sources.supervisely import place_video, write_annotation, write_meta
from workflow_scripts.video.cut import cut_clip, scaled_size
from workflow_scripts.video.metadata import checksum, probe

ENDINGS = {"csv": ".csv", "boris": ".csv", "elan": ".eaf", "nwb": ".nwb"}
VIDEOS = {".mp4", ".m4v", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".wmv"}


def bouts_of_task(
    prediction: Prediction,
    kind: str,
    vocabulary: tuple[str, ...],
    task: str,
    background: str | None = None,
    *,
    confidence: float = 0.0,
) -> list[Bout]:
    """Return the bouts of one recording's prediction, with the mean probability of each as its confidence.

    Parameters
    ----------
    prediction : Prediction
    kind : str
        ``multiclass`` (every stretch of a class but the background is a bout) or ``binary`` (stretches of 1 are bouts
        named as the task).
    vocabulary : tuple of str
    task : str
    background : str, optional
        Class that means nothing of interest.
    confidence : float
        Bouts of a lower confidence are left out.
    """
    scores = None if prediction.scores is None else np.asarray(prediction.scores)
    if kind != "binary":
        quiet = [vocabulary.index(background)] if background in vocabulary else []
        codes = _known(prediction)
        return bouts_of(codes, vocabulary, _probabilities(scores), leave_out=quiet, confidence=confidence)
    if scores is not None:
        scores = np.stack([1 - scores, scores], axis=1)
    names = (f"no {task}", task)
    active = _known(prediction)
    return bouts_of(active, names, _probabilities(scores), leave_out=[0], confidence=confidence)


def _known(prediction: Prediction) -> npt.NDArray[np.int64]:
    """Return the classes; -1 in frames without an animal and those that a decision left open, which are in no bout."""
    codes = prediction.prediction.astype(np.int64)
    return codes if prediction.seen is None else np.where(prediction.seen, codes, -1)


def _probabilities(scores: npt.NDArray[np.floating] | None) -> npt.NDArray[np.floating] | None:
    """Return scores that are probabilities; decision values are no confidence."""
    return scores if scores is not None and scores.min(initial=0) >= 0 and scores.max(initial=0) <= 1 else None


def export_bouts(
    predictions: Path,
    data: Path,
    folder: Path,
    *,
    form: str,
    tasks: list[str] | None = None,
    method: str = "",
    confidence: float = 0.0,
    videos: Path | None = None,
) -> Iterator[Path]:
    """Write a run's predictions as bouts.

    Parameters
    ----------
    predictions : Path
        `predictions.h5` or `probe_predictions.h5` of a run.
    data : Path
        The dataset's `tracks.h5` or `clips/index.h5`, for frame rates, and pose or boxes.
    folder : Path
        Gets one file a recording; a project of all with `supervisely`.
    form : {"csv", "boris", "elan", "nwb", "supervisely"}
    tasks : list of str, optional
        Tasks to write; all that are given frame by frame where empty.
    method : str
        What NWB names as the producer.
    confidence : float
        Bouts of a lower mean probability are left out.
    videos : Path, optional
        Folder of the dataset's videos, which a Supervisely project holds.

    Yields
    ------
    Path
        Each file as it is written.

    Raises
    ------
    ConfigError
        When a task is not among the predictions, or the format is not one for this kind of data.
    InputError
        When no task is given frame by frame by class.
    """
    with ExitStack() as stack:
        reader = stack.enter_context(open_predictions(predictions))
        kind = file_kind(data)
        if kind not in ("tracks", "clips") or (form == "supervisely") > (kind == "clips"):
            raise ConfigError(f"{data}: {kind} are not exported as {form}; name tracks.h5 or clips/index.h5.")
        recordings: Any = stack.enter_context(open_dataset(data))
        chosen = tasks_by_frame(predictions, reader, tasks)
        ids = dict.fromkeys(recording for task in chosen for recording in reader.recordings(task))
        for recording in ids:
            found: dict[str, list[Bout]] = {}
            for task in chosen:
                if recording in reader.recordings(task):
                    task_kind, _, vocabulary, _ = reader.info(task)
                    said = reader.read(task, recording)
                    quiet = reader.background(task)
                    found[task] = bouts_of_task(said, task_kind, vocabulary, task, quiet, confidence=confidence)
            if form == "supervisely":
                yield from _write_video(folder, recordings.read(recording), found, videos)
                continue
            path = folder / (slugify(recording) + ENDINGS[form])
            if form == "nwb":
                names = {task: reader.info(task)[2] or (task,) for task in found}
                tracks = recordings.read(recording) if kind == "tracks" else None
                fps = recordings.fps(recording)
                write_nwb(path, found, fps, recording=recording, method=method, vocabularies=names, tracks=tracks)
            else:
                fps, length = recordings.fps(recording), recordings.n_frames(recording)
                write_tables(path, form, found, fps, n_frames=length, observation=recording)
            yield path
        if form == "supervisely":
            tags = [name for task in chosen for name in reader.info(task)[2] or (task,)]
            write_meta(folder, list(dict.fromkeys(tags)))
            yield folder / "meta.json"


def tasks_by_frame(path: Path, reader: PredictionsReader, tasks: Sequence[str] | None = None) -> list[str]:
    """Return the tasks of `tasks`, or of all, that are predicted frame by frame by class.

    Raises
    ------
    ConfigError
        When a task is not among the predictions.
    InputError
        When no task is left.
    """
    for task in tasks or []:
        if task not in reader.tasks:
            raise ConfigError(f"{path}: has no task {task!r}{nearest(task, reader.tasks)}.")
    about = [(task, *reader.info(task)[:2]) for task in tasks or reader.tasks]
    chosen = [task for task, kind, level in about if level == "frame" and kind in ("multiclass", "binary")]
    if not chosen:
        raise InputError(path, "holds no classes by frame", "name a run whose tasks are labelled by frame")
    return chosen


def _write_video(
    project: Path, recording: ClipRecording, found: dict[str, list[Bout]], videos: Path | None
) -> Iterator[Path]:
    """Write one video's annotation, in a dataset of its own folders, and the video beside it where it is at hand."""
    name = next((name for name in recording.source_sha256 if Path(name).suffix.lower() in VIDEOS), recording.id)
    dataset = project.joinpath("dataset", *map(slugify, recording.id.split("/")[:-1]))
    name = slugify(recording.id.split("/")[-1]) + Path(name).suffix
    bouts = sorted((bout for bouts in found.values() for bout in bouts), key=lambda bout: bout.start)
    annotation = dataset / "ann" / f"{name}.json"
    write_annotation(
        annotation,
        bouts,
        size=recording.image_size,
        n_frames=recording.n_frames,
        confidences=[bout.confidence if bout.confidence is not None else 1.0 for bout in bouts],
        boxes=recording.boxes,
    )
    yield annotation
    if videos is not None:
        place_video(_source_of(recording, videos), dataset / "video" / name)
        yield dataset / "video" / name


def export_clips(
    index: Path, videos: Path, folder: Path, *, mode: str = "faithful", split: Path | None = None
) -> Iterator[Path]:
    """Cut a dataset's clips out of its videos, one folder a class with boxes, laid out as the seed project did.

    Parameters
    ----------
    index : Path
        `data/<dataset>/clips/index.h5`.
    videos : Path
        Folder of the videos it was made from, `resources/<dataset>`.
    folder : Path
        Gets `<class>/video/<video>_clip_<number>.mp4` (in a class, `/` becomes `-` and a space `_`) with boxes and
        class in `<class>/ann/`, `meta.json`, and `clips.csv` with the columns orig_file, clip_file, start, end (frames,
        the end included), label and side.
    mode : {"faithful", "sound"}
        Whose clips: `faithful` are the seed project's.
    split : Path or None
        A split of the dataset (`data/<dataset>/splits/<name>.json`): clips of its training and validation videos go to
        `train/` and `validation/`, and the test videos whole, with their bouts and boxes, to `test/`. Without it clips
        of all videos are cut.

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
    labels: dict[str, None] = {}
    sides = _sides(split)
    with open_clips(index) as reader:
        stems = _stems(reader.ids)
        for recording in reader:
            side = "" if sides is None else sides.get(recording.id)
            if side is None:  # no part of the split
                continue
            path = _source_of(recording, videos)
            clips = reader.clips(mode, [recording.id])
            labels |= dict.fromkeys(clip.label for clip in clips)
            if side == "test":
                labels |= dict.fromkeys(bout.name for bout in _bouts_of(recording))
                name = Path(side) / "video" / f"{stems[recording.id]}{path.suffix.lower()}"
                place_video(path, folder / name)
                yield folder / name
                yield _annotate(folder / name, recording, 0, recording.n_frames, _bouts_of(recording), whole=True)
                rows.append([path.name, name.as_posix(), 0, recording.n_frames - 1, "", side])
                continue
            info = probe(path)
            for number, clip in enumerate(clips):
                label = clip.label.replace("/", "-").replace(" ", "_")
                label = label if label.strip(".") else slugify(label)  # `..` is no folder of ours
                name = Path(side) / label / "video" / f"{stems[recording.id]}_clip_{number:03d}.mp4"
                cut_clip(info, clip.start, clip.stop, folder / name)
                yield folder / name
                whole = [Bout(0, clip.stop - clip.start, clip.label)]
                yield _annotate(folder / name, recording, clip.start, clip.stop, whole)
                rows.append([path.name, name.as_posix(), clip.start, clip.stop - 1, clip.label, side])
    write_rows(folder / "clips.csv", ["orig_file", "clip_file", "start", "end", "label", "side"], rows)
    yield folder / "clips.csv"
    write_meta(folder, list(labels))
    yield folder / "meta.json"


def _sides(split: Path | None) -> dict[str, str] | None:
    if split is None:
        return None
    found = read_split(split)
    return {name: side for side in ("train", "validation", "test") for name in getattr(found, side)}


def _stems(ids: Sequence[str]) -> dict[str, str]:
    """Name files after recordings; two that would share a name, if only on disks that ignore case, get a number."""
    taken: set[str] = set()
    found = {}
    for name in sorted(ids):
        stem, number = slugify(name), 2
        while stem.lower() in taken:
            stem, number = f"{slugify(name)}-{number}", number + 1
        taken.add(stem.lower())
        found[name] = stem
    return found


def _bouts_of(recording: ClipRecording) -> list[Bout]:
    """Return the labelled bouts of a video, the background left out."""
    found = []
    for labels in recording.labels.values():
        if labels.level != "frame" or labels.kind not in ("multiclass", "binary"):
            continue
        names = labels.vocabulary
        codes = np.where(labels.mask, labels.values, -1).astype(np.int64)
        quiet = [code for code, name in enumerate(names) if name == labels.background]
        found += bouts_of(codes, names, leave_out=quiet)
    return sorted(found, key=lambda bout: bout.start)


def _annotate(
    video: Path, recording: ClipRecording, start: int, stop: int, bouts: list[Bout], *, whole: bool = False
) -> Path:
    """Write the annotation beside a cut or copied video, its boxes in the pixels of that file."""
    width, height = recording.image_size
    size = (width, height) if whole else scaled_size(width, height)
    boxes = recording.boxes[start:stop] * np.array([size[0] / width, size[1] / height] * 2, np.float32)
    path = video.parent.parent / "ann" / f"{video.name}.json"
    write_annotation(path, bouts, size=size, n_frames=stop - start, boxes=boxes)
    return path


def _source_of(recording: ClipRecording, videos: Path) -> Path:
    """Find a recording's video by its name and its checksum; names may repeat in subfolders."""
    name, wanted = next(iter(recording.source_sha256.items()))
    found = sorted(videos.rglob(name))
    for path in found:
        if checksum(path) == wanted:
            return path
    why = "is another file than the one that was cropped" if found else "is not there"
    raise InputError(videos / name, why, "name the folder of the dataset's videos, resources/<dataset>")
