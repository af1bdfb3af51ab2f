"""Pixel and angle errors of found points."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.formats.images import ImageSet

DIRECTIONS = {"head": ("neck", "head"), "body": ("base", "neck")}
"""An animal's directions: from one point to another."""

FAR, FLIPPED = 30.0, 90.0
"""Degrees beyond which a direction is far off, and points backwards."""


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


def errors(found: npt.NDArray[np.floating], truth: ImageSet) -> pd.DataFrame:
    """Compare found points with the hand points, one row an image.

    Parameters
    ----------
    found : ndarray, shape (n, n_points, 2)
        In pixels.
    truth : ImageSet

    Returns
    -------
    DataFrame
        `source_frame`, `animal`, `group`, `pixel_<point>`, and for head and body `<which>_angle` (found),
        `<which>_true` and `<which>_error`, in degrees.
    """
    table = pd.DataFrame({"source_frame": truth.source_frame, "animal": truth.animal, "group": truth.group})
    distance = np.linalg.norm(found - truth.points, axis=-1)
    for column, name in enumerate(truth.names):
        table[f"pixel_{name}"] = distance[:, column]
    for which in DIRECTIONS:
        table[f"{which}_angle"] = direction(found, truth.names, which)
        table[f"{which}_true"] = direction(truth.points, truth.names, which)
        table[f"{which}_error"] = angle_between(table[f"{which}_angle"].to_numpy(), table[f"{which}_true"].to_numpy())
    return table


def summary(table: pd.DataFrame) -> dict[str, float]:
    """Sum up :func:`errors`.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    dict of str to float
        `pixel_error_median/<point>`, `pixel_error_p95/<point>`, and for head and body `<which>_angle_median_deg`,
        `<which>_angle_p90_deg`, `<which>_angle_share_over_30`, `<which>_angle_flips` (share beyond 90°).
    """
    found: dict[str, float] = {}
    for column in (name for name in table.columns if name.startswith("pixel_")):
        point = column.removeprefix("pixel_")
        found[f"pixel_error_median/{point}"] = float(table[column].median())
        found[f"pixel_error_p95/{point}"] = float(table[column].quantile(0.95))
    for which in DIRECTIONS:
        error = table[f"{which}_error"]
        found[f"{which}_angle_median_deg"] = float(error.median())
        found[f"{which}_angle_p90_deg"] = float(error.quantile(0.9))
        found[f"{which}_angle_share_over_30"] = float((error > FAR).mean())
        found[f"{which}_angle_flips"] = float((error > FLIPPED).mean())
    return found


def result_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`summary` as rows of a result table.

    Parameters
    ----------
    table : DataFrame
        Of :func:`errors`.

    Returns
    -------
    DataFrame
        `readout` (``native``), `task` (``points``), `level` (``frame``), `metric`, `value`, `n`, `n_groups`.
    """
    rows = pd.DataFrame({"metric": summary(table).keys(), "value": summary(table).values()})
    told: dict[str, Any] = {
        "readout": "native",
        "task": "points",
        "level": "frame",
        "n": len(table),
        "n_groups": table["group"].nunique(),
    }
    return rows.assign(**told)


def by_animal(table: pd.DataFrame) -> pd.DataFrame:
    """Sum up :func:`errors` by animal, one row each and a last one of all, with the number of images `n`."""
    parts = [(str(animal), part) for animal, part in table.groupby("animal", sort=True)]
    rows = [{"animal": animal, "n": len(part), **summary(part)} for animal, part in [*parts, ("all", table)]]
    return pd.DataFrame(rows)
