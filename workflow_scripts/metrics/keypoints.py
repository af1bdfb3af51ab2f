"""Errors of points found in images: in pixels, and of the directions from one point to another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.formats.images import ImageSet
from workflow_scripts.metrics.entry import Measure
from workflow_scripts.metrics.registry import DIRECTIONS, METRICS


def known_directions(names: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Return the directions whose points there are."""
    return {which: ends for which, ends in DIRECTIONS.items() if set(ends) <= set(names)}


def measures(names: tuple[str, ...]) -> list[Measure]:
    """Return the measures of images with these points.

    `pixel_error_median/<point>`, `pixel_error_p95/<point>`, and for each direction `<which>_angle_median_deg`,
    `<which>_angle_p90_deg`, `<which>_angle_share_over_30` and `<which>_angle_flips` (the share beyond 90°).
    """
    found = []
    for per, which in [("point", name) for name in names] + [("direction", one) for one in known_directions(names)]:
        for metric in METRICS:
            if metric.reduction is None or metric.per != per:
                continue
            column = metric.reduction.column.replace("{}", which)
            if per == "point" or column.startswith(f"{which}_"):
                found.append(Measure(metric.row(which), column, metric.reduction.quantile, metric.reduction.above))
    return found


def direction(points: npt.NDArray[np.floating], names: tuple[str, ...], which: str) -> npt.NDArray[np.float64]:
    """Return a direction in degrees, counter-clockwise on the screen from its right, in (-180, 180].

    Parameters
    ----------
    points : ndarray, shape (..., n_points, 2)
        x to the right and y down.
    names : tuple of str
    which : {"head", "body"}
    """
    start, end = DIRECTIONS[which]
    step = points[..., names.index(end), :] - points[..., names.index(start), :]
    angle: npt.NDArray[np.float64] = np.degrees(np.arctan2(-step[..., 1], step[..., 0]).astype(np.float64))
    return angle


def angle_between(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the angle between two directions, degrees in 0..180."""
    gap: npt.NDArray[np.float64] = np.abs((np.asarray(a, np.float64) - b + 180) % 360 - 180)
    return gap


def point_errors(
    found: npt.NDArray[np.floating], truth: npt.NDArray[np.floating], names: tuple[str, ...]
) -> pd.DataFrame:
    """Compare found points with the hand points, one row an image.

    Parameters
    ----------
    found, truth : ndarray, shape (n, n_points, 2)
        In pixels.
    names : tuple of str

    Returns
    -------
    DataFrame
        `pixel_<point>`, and for each direction `<which>_angle` (found), `<which>_true` and `<which>_error`, in degrees.
    """
    distance = np.linalg.norm(found - truth, axis=-1)
    table = pd.DataFrame({f"pixel_{name}": distance[:, column] for column, name in enumerate(names)})
    for which in known_directions(names):
        table[f"{which}_angle"] = direction(found, names, which)
        table[f"{which}_true"] = direction(truth, names, which)
        table[f"{which}_error"] = angle_between(table[f"{which}_angle"].to_numpy(), table[f"{which}_true"].to_numpy())
    return table


def errors(found: npt.NDArray[np.floating], truth: ImageSet) -> pd.DataFrame:
    """Return :func:`point_errors` of a set of images, with its `source_frame`, `animal` and `group` before it."""
    about = pd.DataFrame({"source_frame": truth.source_frame, "animal": truth.animal, "group": truth.group})
    return pd.concat([about, point_errors(found, truth.points, truth.names)], axis=1)


def summary(table: pd.DataFrame) -> dict[str, float]:
    """Sum up a table of errors: the value of each of its :func:`measures`."""
    names = tuple(column.removeprefix("pixel_") for column in table.columns if column.startswith("pixel_"))
    return {measure.name: measure.of(table[measure.column].to_numpy()) for measure in measures(names)}


def by_animal(table: pd.DataFrame) -> pd.DataFrame:
    """Sum up :func:`errors` by animal, one row each and a last one of all, with the number of images `n`."""
    parts = [(str(animal), part) for animal, part in table.groupby("animal", sort=True)]
    rows = [{"animal": animal, "n": len(part), **summary(part)} for animal, part in [*parts, ("all", table)]]
    return pd.DataFrame(rows)
