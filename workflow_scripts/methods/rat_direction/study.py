"""Whole pieces of work after training, one function each: judge, tag a movie, show the leak, sum up for the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.core.files import write_json
from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.images import TASK, ImageSet, open_images
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.methods.rat_direction import figures
from workflow_scripts.methods.rat_direction.data import divide
from workflow_scripts.methods.rat_direction.module import DirectionNet, predict_points
from workflow_scripts.metrics.keypoints import angle_between, by_animal, errors, point_errors, summary
from workflow_scripts.training.curves import save_figure
from workflow_scripts.views.images import ImageView


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    write_csv(path, table, float_format="%.6g")


def network_of(model: torch.nn.Module) -> DirectionNet:
    """Return a restored model as the network it is.

    Raises
    ------
    EthoMakeError
        When it is of another method.
    """
    if not isinstance(model, DirectionNet):
        raise EthoMakeError(f"A model of the kind {type(model).__name__} finds no points in images; use rat_direction.")
    return model


def gather_points(predictions: Sequence[Path], images: Path) -> tuple[npt.NDArray[np.float32], ImageSet]:
    """Put the points found in several files (folds) beside the images they were found in.

    Parameters
    ----------
    predictions : sequence of Path
        Files of :mod:`workflow_scripts.formats.predictions` with the task `points`.
    images : Path
        `images.h5`.

    Returns
    -------
    found : ndarray, float32, shape (n, n_points, 2)
    truth : ImageSet
        The n images.
    """
    said: dict[str, npt.NDArray[np.float32]] = {}
    for path in predictions:
        with open_predictions(path) as reader:
            said |= {found.recording: found.prediction.astype(np.float32) for found in reader.iterate(TASK)}
    with open_images(images) as reader:
        rows = [reader.rows_of([recording]) for recording in sorted(said)]
        truth = reader.read().take(np.concatenate(rows))
    found = np.concatenate([said[recording] for recording in sorted(said)])
    if len(found) != len(truth):
        raise InputError(images, f"has {len(truth)} of the {len(found)} predicted images", "predict them again")
    return found, truth


def judge(found: npt.NDArray[np.float32], truth: ImageSet, folder: Path) -> pd.DataFrame:
    """Write what is to be known about found points.

    Parameters
    ----------
    found : ndarray, float32, shape (n, n_points, 2)
    truth : ImageSet
        Held-out images, not augmented.
    folder : Path
        Gets `errors.csv` (by image), `statistics.json`, `error_by_animal.csv`, and the figures `rose.png`,
        `error_by_animal.png`, `worst_frames.png`.

    Returns
    -------
    DataFrame
        `errors.csv`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = errors(found, truth)
    _write_csv(folder / "errors.csv", table)
    write_json(folder / "statistics.json", {"n": len(table), **summary(table)})
    animals = by_animal(table)
    _write_csv(folder / "error_by_animal.csv", animals)
    save_figure(figures.rose(table), folder / "rose.png")
    save_figure(figures.error_by_animal(animals), folder / "error_by_animal.png")
    save_figure(figures.worst_frames(truth, found, table), folder / "worst_frames.png")
    return table


def movie_errors(table: pd.DataFrame) -> dict[str, float]:
    """Median and 90th percentile of the angle errors of a tagged movie whose directions are known."""
    angles = {}
    for which in ("head", "body"):
        if f"{which}_true" in table:
            gap = angle_between(table[f"{which}_angle"].to_numpy(), table[f"{which}_true"].to_numpy())
            angles[f"{which}_median"], angles[f"{which}_p90"] = float(np.median(gap)), float(np.quantile(gap, 0.9))
    return angles


def leak_rows(model: DirectionNet, view: ImageView, holdout: str) -> pd.DataFrame:
    """Measure one network twice: on the validation images of the published recipe, and on copies of held-out frames.

    Parameters
    ----------
    model : DirectionNet
        Trained on `view` with its stored copies, the validation set drawn after augmentation (faithful mode).
    view : ImageView
        With the augmented file, which has the copies of all frames.
    holdout : str
        What the split holds out: ``frame`` or ``animal``.

    Returns
    -------
    DataFrame
        Two rows, `holdout` ``copy`` and as given: `n`, `mse` (of six numbers, half image widths), `pixel_error_median`
        over all points, and the measures of :func:`workflow_scripts.metrics.keypoints.summary`.
    """
    validation = divide(view.train(), model.config, view.train_copies())[1]
    rows = []
    half = model.spec.width / 2
    for name, images in (("copy", validation), (holdout, view.test_copies())):
        found = predict_points(model, images.images, tta=False)
        distance = np.linalg.norm(found - images.points, axis=-1)
        rows.append(
            {
                "holdout": name,
                "n": len(images),
                "mse": float(np.mean(((found - images.points) / half) ** 2)),
                "pixel_error_median": float(np.median(distance)),
                **summary(point_errors(found, images.points, images.names)),
            }
        )
    return pd.DataFrame(rows)
