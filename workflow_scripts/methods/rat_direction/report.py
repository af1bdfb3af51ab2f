"""The tables and the section of the report: errors, roses, worst frames, the leak, the movie."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.tables import write_csv
from workflow_scripts.formats.sections import Item, Section, write_section
from workflow_scripts.methods.rat_direction import figures
from workflow_scripts.methods.rat_direction.study import movie_errors
from workflow_scripts.metrics.keypoints import summary
from workflow_scripts.training.curves import save_figure

RUN = ["dataset", "method", "mode", "setting", "split", "seed"]


@dataclass(frozen=True)
class Judged:
    """A run (or its folds together) whose found points were judged.

    Attributes
    ----------
    about : dict
        Values of the columns `RUN`.
    folder : Path
        Holds `errors.csv`, `rose.png`, `worst_frames.png`; where a movie was tagged, `tagged` holds `angles.csv`,
        `angles.png` and `excerpt.mp4`.
    tagged : Path or None
    """

    about: dict[str, Any]
    folder: Path
    tagged: Path | None = None


def _copy(source: Path, target: Path) -> str:
    with atomic_path(target) as part:
        shutil.copyfile(source, part)
    return target.name


def _statistics(judged: Sequence[Judged]) -> pd.DataFrame:
    rows = []
    for run in judged:
        table = pd.read_csv(run.folder / "errors.csv", dtype={"animal": str, "group": str})
        errors = summary(table)
        shown = {
            "images": len(table),
            "head median (°)": errors["head_angle_median_deg"],
            "head 90 % below (°)": errors["head_angle_p90_deg"],
            "head > 30° (%)": 100 * errors["head_angle_share_over_30"],
            "head > 90° (%)": 100 * errors["head_angle_flips"],
            "body median (°)": errors["body_angle_median_deg"],
            "body 90 % below (°)": errors["body_angle_p90_deg"],
        }
        pixels = {f"{p} median (px)": errors[f"pixel_error_median/{p}"] for p in ("head", "neck", "base")}
        rows.append({key: run.about[key] for key in ("dataset", "mode", "split", "seed")} | shown | pixels)
    return pd.DataFrame(rows).round(2)


def errors_table(judged: Sequence[Judged]) -> pd.DataFrame:
    """Put the errors of all runs into one table, the run's columns first."""
    parts = []
    for run in judged:
        table = pd.read_csv(run.folder / "errors.csv", dtype={"animal": str, "group": str})
        parts.append(pd.concat([pd.DataFrame([run.about] * len(table), columns=RUN), table], axis=1))
    return pd.concat(parts, ignore_index=True)


def write_report(judged: Sequence[Judged], leaks: pd.DataFrame, tables: Path, section: Path) -> None:
    """Write `direction_errors.csv` and `direction_leak.csv` into `tables`, and a section of the report.

    Parameters
    ----------
    judged : sequence of Judged
        The first of each dataset and mode is shown in pictures.
    leaks : DataFrame
        Rows of :func:`workflow_scripts.methods.rat_direction.study.leak_rows`, the run's columns first; may be empty.
    tables, section : Path
        Folders.
    """
    section.mkdir(parents=True, exist_ok=True)
    for path, table in (("direction_errors", errors_table(judged)), ("direction_leak", leaks)):
        write_csv(tables / f"{path}.csv", table, float_format="%.6g")
    statistics = _statistics(judged)
    write_csv(section / "statistics.csv", statistics)
    caption = "Errors on held-out images: median, the value that 90 % lie below, and the share far off or backwards."
    items = [Item(kind="table", file="statistics.csv", caption=caption)]
    if len(leaks):
        save_figure(figures.leak_bars(leaks), section / "leak.png")
        caption = (
            "The leak of the published recipe. Its validation images are copies of training frames; beside them, the "
            "error of the same networks on copies of frames, or of an animal, that training never saw."
        )
        items.append(Item(kind="image", file="leak.png", caption=caption))
    shown: set[str] = set()
    for run in judged:
        name = f"{run.about['dataset']}-{run.about['mode']}"
        if name in shown:
            continue
        shown.add(name)
        where = f"{run.about['dataset']}, {run.about['mode']}, {run.about['split']}"
        for picture, text in (
            ("rose.png", "deviation of the found direction from the true one; a bar's area is its share"),
            ("worst_frames.png", "the images whose head direction is furthest off"),
        ):
            file = _copy(run.folder / picture, section / f"{name}-{picture}")
            items.append(Item(kind="image", file=file, caption=f"{where}: {text}."))
        if run.tagged is not None:
            items += _movie(run.tagged, section, name, where)
    write_section(section / "section.json", Section(title="Directions", method="rat_direction", items=items))


def _movie(tagged: Path, section: Path, name: str, where: str) -> list[Item]:
    errors = movie_errors(pd.read_csv(tagged / "angles.csv"))
    text = ", ".join(f"{key.replace('_', ' ')} {value:.1f}°" for key, value in errors.items())
    caption = f"{where}: directions over the movie" + (f"; error: {text}." if text else ".")
    return [
        Item(kind="image", file=_copy(tagged / "angles.png", section / f"{name}-angles.png"), caption=caption),
        Item(
            kind="video",
            file=_copy(tagged / "excerpt.mp4", section / f"{name}-excerpt.mp4"),
            caption=f"{where}: the movie's first frames with the found points as white dots.",
        ),
    ]
