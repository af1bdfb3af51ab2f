"""Bouts in videos that no experiment knows: found, cropped and labelled in one go."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

from workflow_scripts.detectors.preprocess import preprocess
from workflow_scripts.errors import InputError
from workflow_scripts.files import atomic_path
from workflow_scripts.methods.mvd.inference import read_chunks
from workflow_scripts.methods.mvd.model import MvdClassifier
from workflow_scripts.sources.boris import write_boris
from workflow_scripts.sources.bouts import Bout, runs
from workflow_scripts.sources.videos import Options


def predict_file(model: MvdClassifier, path: Path, folder: Path, *, overlay: bool = True) -> list[Path]:
    """Label every frame of a video and write the bouts.

    The animal is found by the background detector and the crop is of the size the model was trained on.

    Parameters
    ----------
    model : MvdClassifier
    path : Path
        Any video PyAV reads, of one animal and of about the model's frame rate.
    folder : Path
        Gets `bouts.csv` (`video,label,start,end`, frames, ends included), `boris.csv` and `probabilities.csv` (frame,
        seconds, one column a class).
    overlay : bool
        Not used: this method draws no films.

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
        options = Options(size=model.spec.size)
        recording = preprocess(path, options, Path(scratch) / "crop.mp4", recording=path.stem)
        model.spec.check(recording)
        seen, _, logits = model.watch(read_chunks(recording, model.config.side), recording.n_frames)
    codes, probabilities = model.choose(seen, logits), model.probabilities(logits)
    bouts = [Bout(start, stop, model.classes[code]) for start, stop, code in runs(codes) if code != model.background]
    files = [folder / name for name in ("bouts.csv", "boris.csv", "probabilities.csv")]
    with atomic_path(files[0]) as part, part.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["video", "label", "start", "end"])
        writer.writerows([path.name, bout.name, bout.start, bout.stop - 1] for bout in bouts)
    write_boris(files[1], bouts, recording.fps, n_frames=recording.n_frames, observation=path.stem, media=path.name)
    with atomic_path(files[2]) as part, part.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["frame", "seconds", *model.classes])
        for k, row in enumerate(probabilities):
            writer.writerow([k, f"{recording.times[k]:.4f}", *(f"{value:.4f}" for value in row)])
    return files
