"""Train BAMS, daart and MVD on small sets as one process or one of two; run as a program by `test_distributed.py`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch

from builders import clips as clips_toy
from builders.daart import recordings
from builders.tracks import mice as recording
from builders.tracks import mice_view as view
from workflow_scripts.formats.clips import write_clips
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.data import BamsData
from workflow_scripts.methods.bams.method import build
from workflow_scripts.methods.daart.config import LossOptions, NetworkOptions, SequenceOptions
from workflow_scripts.methods.daart.module import Segmenter, SequenceData
from workflow_scripts.methods.runs import train
from workflow_scripts.training.loop import LoopOptions, fit
from workflow_scripts.views.clips import ClipView

# Without dropout, which every process draws for itself.
BAMS = {"short_term": [8, 8], "long_term": [8, 8], "hoa_hidden": [16], "crop": 60, "batch_size": 6, "dropout": 0.0}


def bams(folder: Path, **several: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Tracks with many gaps: the shares of a batch hold different numbers of frames that count.
    tracks = view(folder, [recording(f"r{k}", 130, missing=0.002 * k) for k in range(4)], train=3, validation=1)
    config = Config(**BAMS)
    torch.manual_seed(3)
    options = LoopOptions(max_epochs=3, accelerator="cpu", monitor=None, **several)
    fit(build(config, tracks.spec()), BamsData(tracks, config), folder=folder, options=options, seed=5, digest="d")


def daart(folder: Path, **several: int) -> None:
    rng = np.random.default_rng(0)
    train = [
        dataclasses.replace(each, strong=np.where(rng.random(len(each.strong)) < 0.02, each.strong, -1))
        for each in recordings((1500, 1300, 100))[:2]
    ]
    network, loss = NetworkOptions(dropout=0.0), LossOptions(lambda_weak=1, lambda_pred=1, anneal_end=3)
    sequences = SequenceOptions(sequence_length=100, batch_size=4)
    data = SequenceData(train, [], options=sequences, network=network, classes=5, seed=0)
    torch.manual_seed(3)
    model = Segmenter(train[0].x.shape[1], 5, network=network, loss=loss, learning_rate=1e-3)
    options = LoopOptions(max_epochs=3, accelerator="cpu", monitor=None, **several)
    fit(model, data, folder=folder, options=options, seed=5, digest="d")


def mvd(folder: Path, **several: int) -> None:
    place, rng = folder.parent / f"{folder.name}_clips", np.random.default_rng(0)
    videos = [clips_toy.recording(place / f"v{k}.mp4", f"v{k}", 120, 32, k) for k in range(2)]
    clips = [clip for video in videos for clip in clips_toy.bouts(video)]
    for video in videos:  # the shares of a batch hold different numbers of labelled frames
        labels = video.labels["action"]
        video.labels["action"] = dataclasses.replace(labels, mask=rng.random(video.n_frames) < 0.3)
    write_clips(place / "index.h5", videos, {"sound": clips, "faithful": clips})
    still = {"turn": 0.0, "flip": 0.0, "mix": 0.0, "erase": 0.0, "noise": 0.0, "brightness": 0.0, "contrast": 0.0}
    options = {
        "samples": 24,
        "augment": still | {"crop_area": 1.0, "aspect": 1.0},
        "training": {"max_epochs": 3, "monitor": None} | several,
        "drop_path": 0.0,
    }
    view = ClipView(place / "index.h5", clips_toy.split(["v0", "v1"]))
    train("mvd", clips_toy.settings(**options), view, folder=folder, seed=5, code="c")


METHODS = {"bams": bams, "daart": daart, "mvd": mvd}

if __name__ == "__main__":
    METHODS[sys.argv[1]](Path(sys.argv[2]), devices=2)
