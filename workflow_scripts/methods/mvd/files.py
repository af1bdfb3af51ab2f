"""Bouts in videos that no experiment knows: found, cropped and labelled in one go."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workflow_scripts.convert.crop_video import preprocess
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.formats.bouts import Bout, runs
from workflow_scripts.methods.mvd.inference import read_chunks
from workflow_scripts.methods.mvd.module import MvdClassifier
from workflow_scripts.sources.boris import write_boris
from workflow_scripts.sources.supervisely import write_annotation, write_meta
from workflow_scripts.sources.videos import Options
from workflow_scripts.video.metadata import probe
from workflow_scripts.video.overlay import write_overlay


def predict_file(model: MvdClassifier, path: Path, folder: Path, *, overlay: bool = True) -> list[Path]:
    """Label every frame of a video and write the bouts.

    The animal is found by the background detector and the crop is of the size the model was trained on, its window of
    the size that all training videos had, if they shared one.

    Parameters
    ----------
    model : MvdClassifier
    path : Path
        Any video PyAV reads, of one animal and of about the model's frame rate.
    folder : Path
        Gets `bouts.csv` (`video,label,start,end`, frames, ends included), `boris.csv`, `probabilities.csv` (frame,
        seconds, one column a class) and a Supervisely project of bouts and boxes without the video.
    overlay : bool
        Write `overlay.mp4` too: the video with the animal's box and each frame's class.

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
    model.eval()
    with tempfile.TemporaryDirectory() as scratch:
        options = Options(size=model.spec.size, side=model.spec.side)
        recording = preprocess(path, options, Path(scratch) / "crop.mp4", recording=path.stem)
        model.spec.check(recording)
        seen, _, logits = model.watch(read_chunks(recording, model.config.side), recording.n_frames)
    codes, probabilities = model.choose(seen, logits), model.probabilities(logits)
    bouts = [
        Bout(start, stop, model.classes[code])
        for start, stop, code in runs(codes).triples()
        if code != model.background
    ]
    files = [folder / name for name in ("bouts.csv", "boris.csv", "probabilities.csv")]
    _write_rows(
        files[0],
        ["video", "label", "start", "end"],
        ([path.name, bout.name, bout.start, bout.stop - 1] for bout in bouts),
    )
    write_boris(files[1], bouts, recording.fps, n_frames=recording.n_frames, observation=path.stem, media=path.name)
    _write_rows(
        files[2],
        ["frame", "seconds", *model.classes],
        ([k, f"{recording.times[k]:.4f}", *(f"{p:.4f}" for p in row)] for k, row in enumerate(probabilities)),
    )
    sure = [float(probabilities[bout.start : bout.stop, model.classes.index(bout.name)].mean()) for bout in bouts]
    project = folder / "supervisely"
    write_meta(project, [name for code, name in enumerate(model.classes) if code != model.background])
    files += [project / "meta.json", project / "dataset" / "ann" / f"{path.name}.json"]
    write_annotation(
        files[-1],
        bouts,
        size=recording.image_size,
        n_frames=recording.n_frames,
        confidences=sure,
        boxes=recording.boxes,
    )
    if overlay:
        files.append(folder / "overlay.mp4")
        write_overlay(files[-1], probe(path), recording.boxes, codes, probabilities, model.classes, model.background)
    return files


def _write_rows(path: Path, header: list[str], rows: Iterable[list[Any]]) -> None:
    with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        writer.writerows(rows)
