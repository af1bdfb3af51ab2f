"""Bouts in videos that no experiment knows: found, cropped and labelled in one go, as the rules do it."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workflow_scripts.convert.crop_video import preprocess
from workflow_scripts.convert.new_video import parts_of
from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.clips import INTERPOLATED, MISSING, ClipRecording
from workflow_scripts.methods.mvd.inference import read_chunks
from workflow_scripts.methods.mvd.module import MvdClassifier
from workflow_scripts.sources.bout_files import bouts_of, write_rows, write_tables, write_video_bouts
from workflow_scripts.sources.supervisely import place_video, write_annotation, write_meta
from workflow_scripts.sources.videos import Options
from workflow_scripts.video.metadata import probe
from workflow_scripts.video.overlay import write_overlay

log = logging.getLogger("ethomake.mvd")

NO_ANIMAL = "no animal found"


@dataclass(frozen=True)
class Watched:
    """What a model says about one cropped video.

    Attributes
    ----------
    features : ndarray, float32, shape (time, dim)
    codes : ndarray of int, shape (time,)
        Class of every frame, after the stored rules.
    probabilities : ndarray, float32, shape (time, classes)
        Calibrated.
    """

    features: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]


def watch(model: MvdClassifier, recording: ClipRecording) -> Watched:
    """Watch a cropped video: the step that the rules and `ethomake predict` share.

    Frames without an animal are of the background class, where there is one; the published decision (`merge`) labels
    them like all others.
    """
    model.eval()
    seen, features, logits = model.watch(read_chunks(recording, model.config.side), recording.n_frames)
    codes = model.choose(seen, logits)
    if model.config.decision != "merge" and model.background is not None:
        codes = np.where(recording.origin == MISSING, model.background, codes)
    return Watched(features, codes, model.probabilities(logits))


def predict_file(
    model: MvdClassifier,
    path: Path,
    folder: Path,
    *,
    overlay: bool = True,
    confidence: float = 0.0,
    video: dict[str, Any] | None = None,
    beside: Path | None = None,
) -> list[Path]:
    """Label every frame of a video and write the bouts.

    The animal is found and the video cropped as the model's training videos were, detector and all its options
    included; where these show several animals, each gets a folder of its own below `folder`.

    Parameters
    ----------
    model : MvdClassifier
    path : Path
        Any video PyAV reads, of about the model's frame rate.
    folder : Path
        Gets `bouts.csv` (`video,label,start,end,confidence`; frames, ends included), `boris.csv`, `probabilities.csv`
        (frame, seconds, one column a class, then label, confidence and note; frames without an animal have neither
        probabilities nor a label), `quality.csv`, and the Supervisely project `supervisely`.
    overlay : bool
        Write `overlay.mp4` too: the video with the animal's box and each frame's class.
    confidence : float
        Bouts whose mean probability is lower are left out.
    video : dict or None
        Options of this video: `detector`, `region`, `animals`.
    beside : Path or None
        Folder of the exported model, which holds the detector's files.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        When the video cannot be read or the model only embeds.
    EthoMakeError
        When its frame rate is another than the model's.
    """
    if not isinstance(model, MvdClassifier):
        raise InputError(path, "this run only distilled an encoder", "name a run that learnt classes")
    model.spec.check_rate(path.stem, float(probe(path).fps))
    parts, warnings = parts_of(
        model.spec.preprocessing, path, size=model.spec.size, side=model.spec.side, beside=beside, given=video
    )
    warnings += model.notes()
    written: list[Path] = []
    for name, options, where in parts:
        written += _predict(model, path, folder / name, options, where, overlay, confidence, warnings)
    return written


def _predict(
    model: MvdClassifier,
    path: Path,
    folder: Path,
    options: Options,
    where: Path,
    overlay: bool,
    confidence: float,
    warnings: list[str],
) -> list[Path]:
    with tempfile.TemporaryDirectory() as scratch:
        recording = preprocess(path, options, Path(scratch) / "crop.mp4", recording=path.stem, folder=where)
        said = watch(model, recording)
    warnings = [*warnings, *recording.warnings]
    missing = recording.origin == MISSING
    codes, probabilities = np.where(missing, -1, said.codes), said.probabilities
    quiet = [] if model.background is None else [model.background]
    bouts = bouts_of(codes, model.classes, probabilities, leave_out=quiet, confidence=confidence)
    if recording.n_frames and not (~missing).any():
        warnings.append("no animal was found in any frame, so that no frame is labelled")
    for warning in warnings:
        log.warning("%s: %s", path, warning)
    files = [folder / name for name in ("bouts.csv", "boris.csv", "probabilities.csv", "quality.csv")]
    write_video_bouts(files[0], path.name, bouts)
    write_tables(
        files[1],
        "boris",
        {model.task: bouts},
        recording.fps,
        n_frames=recording.n_frames,
        observation=path.stem,
        media=path.name,
    )
    _write_frames(files[2], model, recording, codes, probabilities)
    _write_quality(files[3], path, recording, warnings)
    files += _write_project(folder / "supervisely", path, model, recording, bouts)
    if overlay:
        files.append(folder / "overlay.mp4")
        write_overlay(files[-1], probe(path), recording.boxes, codes, probabilities, model.classes, model.background)
    return files


def _write_frames(
    path: Path,
    model: MvdClassifier,
    recording: ClipRecording,
    codes: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float32],
) -> None:
    def row(frame: int) -> list[Any]:
        start = [frame, f"{recording.times[frame]:.4f}"]
        code = int(codes[frame])
        if code < 0:
            return [*start, *[""] * len(model.classes), "", "", NO_ANIMAL]
        said = [f"{p:.4f}" for p in probabilities[frame]]
        return [*start, *said, model.classes[code], said[code], ""]

    header = ["frame", "seconds", *model.classes, "label", "confidence", "note"]
    write_rows(path, header, (row(frame) for frame in range(recording.n_frames)))


def _write_quality(path: Path, video: Path, recording: ClipRecording, warnings: list[str]) -> None:
    values = {
        "video": video.name,
        "frames": recording.n_frames,
        "fps": f"{recording.fps:.6g}",
        "missing": f"{(recording.origin == MISSING).mean():.4f}",
        "filled": f"{(recording.origin == INTERPOLATED).mean():.4f}",
        "outside": f"{recording.outside:.4f}",
        "warnings": "\n".join(warnings),
    }
    write_rows(path, list(values), [list(values.values())])


def _write_project(
    project: Path, video: Path, model: MvdClassifier, recording: ClipRecording, bouts: list[Bout]
) -> list[Path]:
    """Write a Supervisely project, the video included: its own tools take one without videos as empty."""
    names = [name for code, name in enumerate(model.classes) if code != model.background]
    write_meta(project, names)
    annotation = project / "dataset" / "ann" / f"{video.name}.json"
    write_annotation(
        annotation,
        bouts,
        size=recording.image_size,
        n_frames=recording.n_frames,
        confidences=[bout.confidence or 0.0 for bout in bouts],
        boxes=recording.boxes,
    )
    copy = project / "dataset" / "video" / video.name
    place_video(video, copy)
    return [project / "meta.json", annotation, copy]
