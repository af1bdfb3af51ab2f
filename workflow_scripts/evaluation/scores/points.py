"""Scores of points found in images: quantiles of pixel and angle errors, with intervals over groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from workflow_scripts.core.typing import Float64Array
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.estimate import Estimate
from workflow_scripts.evaluation.scores.intervals import resample_counts
from workflow_scripts.evaluation.scores.pool import Pool
from workflow_scripts.formats.images import TASK, open_images
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.formats.splits import Split
from workflow_scripts.metrics.entry import Measure
from workflow_scripts.metrics.keypoints import measures, point_errors

BATCH = 64
"""Resamples at a time, each of which holds one number an image."""


def resampled(
    values: Float64Array, groups: npt.NDArray[np.int64], counts: Float64Array, measure: Measure
) -> Float64Array:
    """Compute a measure on each resample of the groups.

    Parameters
    ----------
    values : ndarray, shape (n,)
    groups : ndarray of int, shape (n,)
        Number of each value's group.
    counts : ndarray, shape (resamples, n_groups)
        How often each group is drawn.
    measure : Measure

    Returns
    -------
    ndarray, shape (resamples,)
    """
    order = np.argsort(values, kind="stable")
    ranked, owner = values[order], groups[order]
    found = []
    for part in np.array_split(counts, max(1, len(counts) // BATCH)):
        weight = part[:, owner]
        if measure.quantile is None:
            found.append(weight @ (ranked > measure.above) / weight.sum(axis=1))
            continue
        below = np.cumsum(weight, axis=1)
        place = (below < measure.quantile * below[:, -1:]).sum(axis=1)
        found.append(ranked[np.minimum(place, len(ranked) - 1)])
    return np.concatenate(found)


def point_estimates(pool: Pool, interval: IntervalConfig) -> list[Estimate]:
    """Score the pooled points of a task; without draws with fewer than two groups.

    Parameters
    ----------
    pool : Pool
        Of kind ``points``.
    interval : IntervalConfig
    """
    table = point_errors(np.concatenate(pool.found), np.concatenate(pool.truth), pool.vocabulary)
    names = sorted(pool.statistics)
    lengths = [len(part) for part in pool.truth]
    groups = np.repeat([names.index(group) for group in pool.groups], lengths)
    counts = resample_counts(len(names), interval)
    found = []
    for measure in measures(pool.vocabulary):
        values = table[measure.column].to_numpy(np.float64)
        draws = resampled(values, groups, counts, measure) if len(names) > 1 else None
        found.append(Estimate(measure.name, measure.of(values), draws, interval.level))
    return found


def mean_pose_predictions(images: Path, split: Split, predictions: Path) -> None:
    """Write the mean of the training points as the prediction of every held-out image.

    Parameters
    ----------
    images : Path
        `images.h5`.
    split : Split
    predictions : Path
        File to make; readout ``chance``.
    """
    with open_images(images) as reader:
        whole = reader.read()
        pose = np.nanmean(whole.points[reader.rows_of(split.train)], axis=0)
        with create_predictions(predictions) as writer:
            writer.task(TASK, kind="points", level="frame", vocabulary=whole.names, readout="chance")
            for recording in split.test:
                labels = whole.take(reader.rows_of([recording])).labels[TASK]
                said = np.broadcast_to(pose, labels.values.shape)
                group = split.groups[recording]
                writer.add(TASK, Prediction(recording, group, labels.values, labels.mask, said))
