"""Fine-tune RT-DETRv2 on boxed videos and score it on videos that were held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.tables import write_csv
from workflow_scripts.detectors import boxes_file, make
from workflow_scripts.detectors.rtdetr_training import Recipe, fine_tune
from workflow_scripts.metrics.detection import average_precision, mean_average_precision
from workflow_scripts.video.frames import Planes, decode
from workflow_scripts.video.metadata import probe

WEIGHTS = "detector.safetensors"
"""Name of the weights in the folder that a fine-tuning writes."""

Boxed = tuple[Path, Path]
"""A video and its boxes, a csv or a Supervisely annotation."""


def _boxed_frames(videos: Sequence[Boxed], every: int) -> Iterator[tuple[Planes, npt.NDArray[np.float32]]]:
    """Yield every `every`-th frame with its box, shape (4,), NaN where it shows no animal."""
    for video, boxes in videos:
        info = probe(video)
        found = boxes_file.Detector(boxes_file.Options(path=boxes.name), boxes.parent).read(info)
        for number, planes in enumerate(decode(info)):
            if number % every == 0:
                yield planes, found[number, :4].astype(np.float32)


def fine_tune_on_videos(
    train: Sequence[Boxed],
    test: Sequence[Boxed],
    folder: Path,
    recipe: Recipe,
    *,
    start: Path | None = None,
    every: int = 10,
) -> pd.DataFrame:
    """Fine-tune a detector and score it on held-out videos.

    Parameters
    ----------
    train, test : sequence of (video, boxes)
        Videos and their boxes; a video in both is refused.
    folder : Path
        Gets `detector.safetensors`, `loss.csv` and `test.csv`.
    recipe : Recipe
    start : Path, optional
        Checkpoint to start from.
    every : int
        Frames between two that are used.

    Returns
    -------
    DataFrame
        Columns ``metric``, ``value``: mAP over overlaps of 0.5 to 0.95, AP at 0.5 and 0.75, numbers of frames.

    Raises
    ------
    EthoMakeError
        When a video trains and tests, or there is nothing to learn from.
    """
    both = {video.resolve() for video, _ in train} & {video.resolve() for video, _ in test}
    if both:
        raise EthoMakeError(f"{sorted(both)[0]} is among the training and the test videos; name it once.")
    frames = list(_boxed_frames(train, every))
    boxes = np.array([box for _, box in frames], np.float32).reshape(-1, 4)
    losses = fine_tune([planes.rgb() for planes, _ in frames], boxes, folder / WEIGHTS, recipe, start=start)
    write_csv(folder / "loss.csv", pd.DataFrame({"epoch": range(len(losses)), "loss": losses}))
    table = score_on_videos(folder, test, recipe, every=every, trained_on=len(frames))
    write_csv(folder / "test.csv", table, float_format="%.6g")
    return table


def score_on_videos(
    folder: Path, test: Sequence[Boxed], recipe: Recipe, *, every: int, trained_on: int
) -> pd.DataFrame:
    """Score the detector in `folder` on boxed videos; see :func:`fine_tune_on_videos`."""
    options = {"weights": WEIGHTS, "size": recipe.size, "image_size": recipe.image_size, "threshold": 0.0}
    detector = make("rtdetrv2", options, folder)
    truth, found = [], []
    for number, (planes, box) in enumerate(_boxed_frames(test, every)):
        truth.append(box[None][~np.isnan(box[:1])])
        found.append(detector.detect([planes], [number])[0])
    rows: dict[str, float] = {"training frames": trained_on, "test frames": len(truth)}
    if truth:
        boxes = [row[None, :4][~np.isnan(row[:1])] for row in found]
        scores = [row[None, 4][~np.isnan(row[:1])] for row in found]
        rows["mAP@0.5:0.95"] = mean_average_precision(boxes, scores, truth)
        rows |= {f"AP@{overlap}": average_precision(boxes, scores, truth, overlap) for overlap in (0.5, 0.75)}
    return pd.DataFrame({"metric": list(rows), "value": list(rows.values())})
