"""`ethomake train-detector`: boxed videos in, weights that the detector reads and scores on held-out videos out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.clips import encode

from workflow_scripts.cli import main
from workflow_scripts.detectors import make

FRAMES, SIDE = 12, 96


def boxed_video(folder: Path, name: str, seed: int) -> list[str]:
    """A dark square that moves over a bright floor, and the csv of its boxes."""
    rng = np.random.default_rng(seed)
    frames = np.full((FRAMES, SIDE, SIDE, 3), 190, np.uint8)
    rows = []
    for k, (x, y) in enumerate(rng.integers(4, 50, (FRAMES, 2))):
        frames[k, y : y + 32, x : x + 32] = 40
        rows.append(f"{k},{x},{y},{x + 32},{y + 32}")
    encode(folder / f"{name}.mp4", frames)
    (folder / f"{name}.csv").write_text("frame,x1,y1,x2,y2\n" + "\n".join(rows) + "\n")
    return [str(folder / f"{name}.mp4"), str(folder / f"{name}.csv")]


def test_a_detector_is_trained_and_scored_on_held_out_videos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = boxed_video(tmp_path, "a", 0), boxed_video(tmp_path, "b", 1)
    recipe = ["--size", "tiny", "--image-size", "64", "--epochs", "2", "--batch", "4", "--every", "2"]
    output = tmp_path / "made"
    command = ["train-detector", "--train", *train, "--test", *test, *recipe, "--output", str(output)]
    assert main(command) == 0
    assert "mAP@0.5:0.95" in capsys.readouterr().out
    scores = pd.read_csv(output / "test.csv").set_index("metric")["value"]
    assert scores["training frames"] == scores["test frames"] == FRAMES / 2
    assert 0 <= scores["mAP@0.5:0.95"] <= scores["AP@0.5"] <= 1
    assert len(pd.read_csv(output / "loss.csv")) == 2
    make("rtdetrv2", {"weights": "detector.safetensors", "size": "tiny", "image_size": 64}, output)


def test_a_video_on_both_sides_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = boxed_video(tmp_path, "a", 0)
    assert main(["train-detector", "--train", *video, "--test", *video, "--output", str(tmp_path / "made")]) == 1
    said = capsys.readouterr().err
    assert "a.mp4 is among the training and the test videos" in said
    assert not (tmp_path / "made").exists()
