"""The system's figures for `paper_figures`, drawn from `tables/direction_errors.csv` and `direction_leak.csv`."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from workflow_scripts.methods.rat_direction import figures
from workflow_scripts.metrics.keypoints import by_animal
from workflow_scripts.metrics.registry import DIRECTIONS

Plate = tuple[Figure, pd.DataFrame, str]
ERRORS, LEAK = "tables/direction_errors.csv", "tables/direction_leak.csv"


def _errors(tables: Mapping[str, pd.DataFrame], dataset: str, mode: str) -> tuple[pd.DataFrame, str]:
    """Errors of the first split family, point and seed of a dataset and mode, and which these are."""
    table = tables[ERRORS]
    table = table[(table["dataset"] == dataset) & (table["mode"] == mode)]
    for column in ("split", "setting", "seed"):
        table = table[table[column] == table[column].iloc[0]] if len(table) else table
    where = f"{dataset}, {mode} mode, split {table['split'].iloc[0]}" if len(table) else ""
    return table, where


def rose(tables: Mapping[str, pd.DataFrame], *, dataset: str, mode: str) -> Plate | None:
    """Draw how far the found directions of held-out images deviate from the true ones."""
    table, where = _errors(tables, dataset, mode)
    if table.empty:
        return None
    columns = ["source_frame", "animal", *(f"{which}_{x}" for which in DIRECTIONS for x in ("angle", "true", "error"))]
    caption = (
        f"Deviation of the found direction of head (neck to nose) and body (tail base to neck) from the true one on "
        f"{len(table)} held-out images; {where}. The area of a bar is its share of the images."
    )
    return figures.rose(table), table[columns], caption


def error_by_animal(tables: Mapping[str, pd.DataFrame], *, dataset: str, mode: str) -> Plate | None:
    """Draw the angle errors of held-out images by animal."""
    table, where = _errors(tables, dataset, mode)
    if table.empty:
        return None
    animals = by_animal(table)
    caption = f"Error of the direction by animal: median (bar) and the value that 90 % lie below (mark); {where}."
    return figures.error_by_animal(animals), animals, caption


def leak(tables: Mapping[str, pd.DataFrame], *, dataset: str) -> Plate | None:
    """Draw the error that the published validation reports beside the error on what was held out."""
    table = tables[LEAK]
    table = table[table["dataset"] == dataset]
    if table.empty:
        return None
    caption = (
        "What a validation set drawn after augmentation hides: error of the same networks on its copies, whose frames "
        f"they trained on, and on copies of frames or animals that were held out ({dataset}, faithful mode). Bars are "
        "means, dots are networks."
    )
    return figures.leak_bars(table), table, caption
