"""Whole pieces of work, one function each: train, judge, tag a movie, cross-validate, show the leak."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from workflow_scripts.files import atomic_path, write_json
from workflow_scripts.formats.images import ImageSet
from workflow_scripts.methods.rat_direction import figures
from workflow_scripts.methods.rat_direction.augment import COPIES
from workflow_scripts.methods.rat_direction.config import Config
from workflow_scripts.methods.rat_direction.data import DirectionData, divide
from workflow_scripts.methods.rat_direction.model import DirectionNet, predict_points
from workflow_scripts.methods.rat_direction.movie import tagged_movie
from workflow_scripts.training.checkpoints import load_weights
from workflow_scripts.training.curves import save_figure
from workflow_scripts.training.images import ImageSpec
from workflow_scripts.training.logs import read_metrics
from workflow_scripts.training.loop import fit
from workflow_scripts.training.points import DIRECTIONS, by_animal, direction, errors, summary


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    with atomic_path(path) as part:
        table.to_csv(part, index=False, float_format="%.6g")


def train(
    images: ImageSet, config: Config, folder: Path, *, validation: ImageSet | None = None, digest: str | None = None
) -> tuple[DirectionNet, DirectionData]:
    """Train on single frames; the best weights are in the returned network.

    Parameters
    ----------
    images : ImageSet
        All a method may fit on.
    config : Config
    folder : Path
        Gets what :func:`workflow_scripts.training.loop.fit` writes, and `training_log.png`.
    validation : ImageSet, optional
        Held-out frames; else `config.holdout` decides.
    digest : str, optional
        As of :func:`workflow_scripts.training.loop.fit`.

    Returns
    -------
    model : DirectionNet
    data : DirectionData
        With the validation images as they were used.
    """
    config = config.filled()
    data = DirectionData(images, validation, config) if validation else DirectionData(*divide(images, config), config)
    torch.manual_seed(config.seed)
    model = DirectionNet(config, ImageSpec.of(images))
    hparams: dict[str, Any] = {
        "method": "rat_direction",
        "mode": config.mode,
        "options": config.model_dump(mode="json"),
    }
    fit(model, data, folder=folder, options=config.training, seed=config.seed, hparams=hparams, digest=digest)
    model.load_state_dict(load_weights(folder / "weights_best.safetensors"))
    save_figure(figures.training_log(read_metrics(folder / "metrics.csv")), folder / "training_log.png")
    return model.eval(), data


def judge(model: DirectionNet, test: ImageSet, folder: Path, *, tta: bool | None = None) -> pd.DataFrame:
    """Measure a network on held-out frames.

    Parameters
    ----------
    model : DirectionNet
    test : ImageSet
        Not augmented.
    folder : Path
        Gets `errors.csv` (by image), `statistics.json`, `error_by_animal.csv`, and the figures `rose.png`,
        `error_by_animal.png`, `worst_frames.png`.
    tta : bool, optional
        Average over turns and flips; default as the options say.

    Returns
    -------
    DataFrame
        `errors.csv`.
    """
    found = predict_points(model, test.images, tta=tta)
    return write_judgement(found, test, folder)


def write_judgement(found: Any, test: ImageSet, folder: Path) -> pd.DataFrame:
    """Write the tables and figures of :func:`judge` for points found before (pooled folds)."""
    folder.mkdir(parents=True, exist_ok=True)
    table = errors(found, test)
    _write_csv(folder / "errors.csv", table)
    write_json(folder / "statistics.json", {"n": len(table), **summary(table)})
    animals = by_animal(table)
    _write_csv(folder / "error_by_animal.csv", animals)
    save_figure(figures.rose(table), folder / "rose.png")
    save_figure(figures.error_by_animal(animals), folder / "error_by_animal.png")
    save_figure(figures.worst_frames(test, found, table), folder / "worst_frames.png")
    return table


def tag_movie(model: DirectionNet, movie: ImageSet, folder: Path) -> pd.DataFrame:
    """Find the points in a movie of crops.

    Parameters
    ----------
    model : DirectionNet
    movie : ImageSet
        With `fps`; its points, where known, are drawn beside the found directions.
    folder : Path
        Gets `movie.mp4`, `angles.csv`, `angles.png`.

    Returns
    -------
    DataFrame
        `angles.csv`: `frame`, `time_s`, points and directions, and `<which>_true` where known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = predict_points(model, movie.images)
    fps = movie.fps if np.isfinite(movie.fps) else 30.0
    table = pd.DataFrame({"frame": np.arange(len(movie)), "time_s": np.arange(len(movie)) / fps})
    for column, name in enumerate(movie.names):
        table[f"{name}_x"], table[f"{name}_y"] = found[:, column, 0], found[:, column, 1]
    for which in DIRECTIONS:
        table[f"{which}_angle"] = direction(found, movie.names, which)
        if np.isfinite(movie.points).any():
            table[f"{which}_true"] = direction(movie.points, movie.names, which)
    _write_csv(folder / "angles.csv", table)
    save_figure(figures.angle_traces(table, fps), folder / "angles.png")
    tagged_movie(folder / "movie.mp4", movie.images, found, fps)
    return table


def cross_validate(images: ImageSet, config: Config, folder: Path, folds: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Hold out each fold's groups once, and judge all held-out images together.

    Parameters
    ----------
    images : ImageSet
    config : Config
    folder : Path
        Gets `fold<k>/` (the training) and the tables and figures of :func:`judge`.
    folds : sequence of sequences of str
        Groups held out together; they cover all groups.

    Returns
    -------
    DataFrame
        Errors by image, the folds pooled.
    """
    found = np.full(images.points.shape, np.nan, np.float32)
    for number, held in enumerate(folds):
        test = np.isin(images.group, list(held))
        model, _ = train(images.take(~test), config, folder / f"fold{number}")
        found[test] = predict_points(model, images.images[test])
    if np.isnan(found).any():
        raise ValueError("the folds leave images out")
    return write_judgement(found, images, folder)


def leak_study(images: ImageSet, config: Config, folder: Path, seeds: Sequence[int] = (0,)) -> pd.DataFrame:
    """Compare what validation says when it holds out copies (as published), whole frames, or a whole animal.

    The network, the recipe, the copies and the number of steps are the same; only the side on which a copy stands
    differs.

    Parameters
    ----------
    images : ImageSet
        Single frames of several animals.
    config : Config
        In faithful mode.
    folder : Path
        Gets a folder of training for each, `leak.csv` and `leak.png`.
    seeds : sequence of int

    Returns
    -------
    DataFrame
        `holdout`, `seed`, `n_train`, `n_validation`, `steps`, `minutes`, `val_mse`, `pixel_error_median` (over all
        points), and the angle measures of :func:`summary`.
    """
    rows = []
    # The fewest steps any of the three could make in an epoch, for all of them.
    _, largest = np.unique(images.animal, return_counts=True)
    fewest = min(round((1 - config.validation_fraction) * len(images)), len(images) - int(largest.max()))
    training = config.training.model_copy(update={"batches_per_epoch": max(1, fewest * COPIES // config.batch)})
    for seed in seeds:
        for holdout in ("copy", "frame", "animal"):
            told = config.model_copy(update={"holdout": holdout, "seed": seed, "training": training}).filled()
            place = folder / f"{holdout}_seed{seed}"
            began = time.monotonic()
            model, data = train(images, told, place)
            minutes = (time.monotonic() - began) / 60
            held = data.validation
            found = predict_points(model, held.images, tta=False)
            table = errors(found, held)
            half = model.spec.width / 2
            rows.append(
                {
                    "holdout": holdout,
                    "seed": seed,
                    "n_train": len(data.train),
                    "n_validation": len(held),
                    "steps": int(read_metrics(place / "metrics.csv")["step"].iloc[-1]),
                    "minutes": minutes,
                    "val_mse": float(np.mean(((found - held.points) / half) ** 2)),
                    "pixel_error_median": float(np.median(np.linalg.norm(found - held.points, axis=-1))),
                    **summary(table),
                }
            )
    table = pd.DataFrame(rows)
    _write_csv(folder / "leak.csv", table)
    save_figure(figures.leak_bars(table), folder / "leak.png")
    return table
