"""Labels and predictions in the files of other programs: csv, BORIS, ELAN, NWB, SimBA, Supervisely."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.behaviour.codings import Coding, open_filmed
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.names import slugify
from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.clips import ClipRecording
from workflow_scripts.sources.boris import write_boris
from workflow_scripts.sources.elan import write_elan
from workflow_scripts.sources.nwb import write_nwb
from workflow_scripts.sources.supervisely import place_video, write_annotation, write_meta
from workflow_scripts.video.metadata import VIDEOS, checksum

COLUMNS = (
    "recording",
    "animal",
    "class",
    "start",
    "end",
    "duration",
    "confidence",
    "task",
    "start_frame",
    "end_frame",
)
"""Times in seconds; `end_frame` is the frame after the last. `animal` is empty where a class is of several together."""


@dataclass(frozen=True)
class Target:
    """Where and how codings are written.

    Attributes
    ----------
    folder : Path
    reader : DatasetReader
        Of the dataset, open.
    kind : str
        Of the dataset: tracks or clips.
    method : str
        What NWB names as the producer.
    videos : Path or None
        Folder of the videos that a Supervisely project contains.
    """

    folder: Path
    reader: Any
    kind: str
    method: str
    videos: Path | None

    def path(self, coding: Coding, ending: str) -> Path:
        """Name the file of one recording."""
        return self.folder / (slugify(coding.recording) + ending)


def export(
    codings: Iterator[Coding],
    data: Path,
    folder: Path,
    form: str,
    *,
    table: str = "bouts.csv",
    method: str = "labels",
    videos: Path | None = None,
) -> Iterator[Path]:
    """Write codings for another program.

    Parameters
    ----------
    codings : iterator of Coding
        :func:`~workflow_scripts.behaviour.codings.labels_of` a dataset or
        :func:`~workflow_scripts.behaviour.codings.predictions_of` a run.
    data : Path
        The dataset's `tracks.h5` or `clips/index.h5`, for pose (NWB), sizes and boxes (Supervisely).
    folder : Path
        Gets one table of all recordings (csv), a project of all (Supervisely), or one file a recording.
    form : str
        One of `FORMS`.
    table : str
        Name of the one table.
    method : str
        What NWB names as the producer.
    videos : Path, optional
        Folder of the dataset's videos, which a Supervisely project then contains.

    Yields
    ------
    Path
        Each file as it is written.

    Raises
    ------
    ConfigError
        When tracks are to become a project of videos.
    InputError
        When frames without a label have no place in the format (SimBA).
    """
    if form == "csv":
        yield _write_table(folder / table, codings)
        return
    with ExitStack() as stack:
        reader, kind = open_filmed(stack, data)
        target = Target(folder, reader, kind, method, videos)
        if form == "supervisely":
            if kind != "clips":
                raise ConfigError(
                    f"{data}: a Supervisely project is of videos; name clips/index.h5, or another --format."
                )
            yield from _write_project(target, codings)
            return
        for coding in codings:
            yield WRITERS[form](target, coding)


def _write_table(path: Path, codings: Iterable[Coding]) -> Path:
    rows = [
        [
            coding.recording,
            coding.animal(task, bout.name),
            bout.name,
            f"{bout.start / coding.fps:.6f}",
            f"{bout.stop / coding.fps:.6f}",
            f"{(bout.stop - bout.start) / coding.fps:.6f}",
            "" if bout.confidence is None else f"{bout.confidence:.4f}",
            task,
            bout.start,
            bout.stop,
        ]
        for coding in codings
        for task, bouts in coding.by_task().items()
        for bout in bouts
    ]
    write_csv(path, pd.DataFrame(rows, columns=list(COLUMNS)))
    return path


def _write_boris(target: Target, coding: Coding) -> Path:
    path = target.path(coding, ".csv")
    write_boris(
        path,
        coding.bouts(),
        coding.fps,
        n_frames=coding.n_frames,
        observation=coding.recording,
        media=coding.media,
    )
    return path


def _write_elan(target: Target, coding: Coding) -> Path:
    path = target.path(coding, ".eaf")
    write_elan(path, coding.by_task(), coding.fps, media=coding.media)
    return path


def _write_nwb(target: Target, coding: Coding) -> Path:
    path = target.path(coding, ".nwb")
    write_nwb(
        path,
        coding.by_task(),
        coding.fps,
        recording=coding.recording,
        method=target.method,
        vocabularies={each.task: each.names for each in coding.tasks},
        tracks=target.reader.read(coding.recording) if target.kind == "tracks" else None,
    )
    return path


def _write_simba(target: Target, coding: Coding) -> Path:
    """Write a row a frame: an index, and 0 or 1 a behaviour, after `Probability_<behaviour>` where there are any."""
    path = target.path(coding, ".csv")
    columns: dict[str, Any] = {}
    for each in coding.tasks:
        unknown = int((each.codes < 0).sum())
        if unknown and each.scores is None:  # of predictions, these are frames in which nothing is predicted
            raise InputError(
                path,
                f"{unknown} of {coding.n_frames} frames of {coding.recording!r} have no label in the task "
                f"{each.task!r}, and SimBA's tables have no place for that",
                "export as csv or boris, or name another task",
            )
        named = each.bouts(coding.confidence)
        for code, name in enumerate(each.names):
            if code in each.quiet:
                continue
            shown = f"{each.task}_{name}" if len(coding.tasks) > 1 and name != each.task else name
            if each.scores is not None:
                columns[f"Probability_{shown}"] = np.round(each.scores[:, code].astype(float), 4)
            active = np.zeros(coding.n_frames, np.int64)
            for bout in named:
                if bout.name == name:
                    active[bout.start : bout.stop] = 1
            columns[shown] = active
    write_csv(path, pd.DataFrame(columns), index=True)
    return path


WRITERS: dict[str, Callable[[Target, Coding], Path]] = {
    "boris": _write_boris,
    "elan": _write_elan,
    "nwb": _write_nwb,
    "simba": _write_simba,
}
"""Formats of one file a recording."""

FORMS = ("csv", *WRITERS, "supervisely")


def _write_project(target: Target, codings: Iterable[Coding]) -> Iterator[Path]:
    """Write a Supervisely project: an annotation for each video, the video beside it where it is available."""
    tags: dict[str, None] = {}
    for coding in codings:
        recording: ClipRecording = target.reader.read(coding.recording)
        endings = (Path(name).suffix for name in recording.source_sha256)
        *folders, last = coding.recording.split("/")
        dataset = target.folder.joinpath("dataset", *map(slugify, folders))
        name = slugify(last) + next((ending for ending in endings if ending.lower() in VIDEOS), ".mp4")
        annotation = dataset / "ann" / f"{name}.json"
        bouts = coding.bouts()
        write_annotation(
            annotation,
            bouts,
            size=recording.image_size,
            n_frames=recording.n_frames,
            # A tag of the project has a value, or Supervisely refuses it.
            confidences=[1.0 if bout.confidence is None else bout.confidence for bout in bouts],
            boxes=recording.boxes,
        )
        tags |= dict.fromkeys(coding.classes())
        yield annotation
        if target.videos is not None:
            place_video(source_of(recording, target.videos), dataset / "video" / name)
            yield dataset / "video" / name
    write_meta(target.folder, list(tags))
    yield target.folder / "meta.json"


def source_of(recording: ClipRecording, videos: Path) -> Path:
    """Find a recording's video by its name and its checksum; names may repeat in subfolders.

    Raises
    ------
    InputError
        When the video is absent, or another file than the one that was converted.
    """
    name, wanted = next(iter(recording.source_sha256.items()))
    found = sorted(videos.rglob(name))
    for path in found:
        if checksum(path) == wanted:
            return path
    why = "is another file than the one that was cropped" if found else "is not there"
    raise InputError(videos / name, why, "name the folder of the dataset's videos, resources/<dataset>")
