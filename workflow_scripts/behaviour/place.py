"""Quantities of place: time in each zone as series of their own, distance to the wall, and the way travelled."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.behaviour.gather import About
from workflow_scripts.behaviour.series import UNSEEN, Series
from workflow_scripts.cards.place import Space
from workflow_scripts.core.typing import Float64Array
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.kinematics.zones import Shape, inside, to_border

COLUMNS = (
    *("dataset", "recording", "individual", "animal", "group", "condition", "unit", "seconds_seen", "travelled"),
    *("speed_mean", "to_wall_mean", "to_wall_median"),
)
"""`travelled` is the way of the centre between frames that both show it, `speed_mean` that over their time; `to_wall`
the distance of the centre to the border of the arena. Lengths in `unit`, speeds in `unit` a second."""

TASK = "place"
"""Zones are tabulated as behaviours of tasks of this name, `place: <zone>`, of the source `tracks`."""


def centres(recording: Recording) -> Float64Array:
    """Return the centre of each animal, the mean of its known points, shape (time, individual, 2)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # frames without a point are NaN
        found: Float64Array = np.nanmean(recording.position[..., :2].astype(np.float64), axis=2)
    return found


def place_series(
    dataset: str, recording: Recording, centre: Float64Array, about: About, zones: Mapping[str, Shape]
) -> Iterator[Series]:
    """Yield, by animal and zone, whether the animal's centre is in the zone, as a series of two classes."""
    for k, individual in enumerate(recording.individuals):
        known = np.asarray(np.isfinite(centre[:, k]).all(axis=1), bool)
        for zone, shape in zones.items():
            codes = np.where(known, inside(centre[:, k], shape).astype(np.int32), UNSEEN).astype(np.int32)
            yield Series(
                dataset=dataset,
                recording=recording.id,
                task=f"{TASK}: {zone}",
                source="tracks",
                role="measured",
                codes=codes,
                classes=(f"outside {zone}", zone),
                background=0,
                fps=recording.fps,
                individual=individual if len(recording.individuals) > 1 else "",
                group=about.group,
                animal=about.animal,
                condition=about.condition,
                covariates=about.covariates,
            )


def place_row(
    dataset: str, recording: Recording, individual: int, centre: Float64Array, about: About, arena: Shape | None
) -> dict[str, Any]:
    """Return the row of :data:`COLUMNS` of one animal."""
    path = centre[:, individual]
    known = np.asarray(np.isfinite(path).all(axis=1), bool)
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    steps = steps[np.isfinite(steps)]
    wall = to_border(path[known], arena) if arena is not None else np.zeros(0)
    return {
        "dataset": dataset,
        "recording": recording.id,
        "individual": recording.individuals[individual],
        "animal": about.animal,
        "group": about.group,
        "condition": about.condition,
        "unit": recording.unit,
        "seconds_seen": known.sum() / recording.fps,
        "travelled": steps.sum(),
        "speed_mean": steps.mean() * recording.fps if len(steps) else np.nan,
        "to_wall_mean": wall.mean() if len(wall) else np.nan,
        "to_wall_median": float(np.median(wall)) if len(wall) else np.nan,
    }


def places(
    dataset: str, data: Path, about: Mapping[str, About], space: Space
) -> tuple[list[Series], list[dict[str, Any]]]:
    """Measure the places of a dataset of tracks, one recording in memory at a time.

    Parameters
    ----------
    dataset, data : str, Path
    about : mapping of str to About
        By recording.
    space : Space
        Scale, zones and arena, in the unit of the files; a recording with a scale of its own has zones by it.

    Returns
    -------
    series : list of Series
    rows : list of dict
        Of :data:`COLUMNS`.
    """
    many: list[Series] = []
    rows: list[dict[str, Any]] = []
    if not space.zones and space.arena is None:
        return many, rows
    with open_dataset(data) as reader:
        for name in about:
            recording = reader.read(name)
            centre = centres(recording)
            zones, arena = space.plane(None if np.isnan(recording.scale) else recording.scale)
            many += place_series(dataset, recording, centre, about[name], zones)
            rows += [
                place_row(dataset, recording, k, centre, about[name], arena) for k in range(len(recording.individuals))
            ]
    return many, rows


def place_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the table `place.csv`."""
    return pd.DataFrame(rows, columns=list(COLUMNS))
