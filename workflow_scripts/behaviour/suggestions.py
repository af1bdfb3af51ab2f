"""What to label next: the stretches a model is least sure of, balanced over recordings; what the last round gained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from workflow_scripts.behaviour.films import choose_bouts
from workflow_scripts.behaviour.run_files import class_tasks
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import read_yaml, write_text
from workflow_scripts.core.names import slugify
from workflow_scripts.core.tables import write_csv
from workflow_scripts.core.typing import Float64Array
from workflow_scripts.formats.bouts import Bout, runs
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.predictions import Prediction, open_predictions
from workflow_scripts.formats.tables import read_small
from workflow_scripts.sources.boris import write_boris

COLUMNS = ("recording", "task", "class", "second", "sureness", "start_s", "end_s", "start_frame", "end_frame")

LONGEST_S = 10.0
"""Longer stretches are cut into parts of at most this many seconds."""

SHORTEST_S = 1.0
"""Shorter stretches are mostly the borders between two bouts, of which no model is sure."""

MAIN = "macro_f1"


def sureness(scores: npt.NDArray[np.floating]) -> Float64Array:
    """Return, frame by frame, the probability of the most probable class minus that of the second.

    Parameters
    ----------
    scores : ndarray, shape (time,) or (time, classes)
        Decision values are taken as they are: only their order counts.
    """
    if scores.ndim == 1:
        inside = scores.min(initial=0) >= 0 and scores.max(initial=0) <= 1
        return np.abs(2 * scores.astype(np.float64) - 1) if inside else np.abs(scores.astype(np.float64))
    top: Float64Array = np.sort(scores.astype(np.float64), axis=1)
    return top[:, -1] - top[:, -2]


def stretches(found: Prediction, fps: float) -> list[tuple[int, int, int, float]]:
    """Cut a prediction into stretches of one class, labelled frames and those without an animal left out.

    Returns
    -------
    list of (start, stop, class, mean sureness)
    """
    if found.scores is None:
        return []
    sure = sureness(found.scores)
    codes = np.where(found.mask, -1, found.codes())
    longest, shortest = max(1, round(LONGEST_S * fps)), max(1, round(SHORTEST_S * fps))
    cut = []
    for start, stop, code in runs(codes).triples():
        if code < 0:
            continue
        parts = max(1, -(-(stop - start) // longest))
        edges = np.linspace(start, stop, parts + 1).astype(int)
        cut += [(int(a), int(b), int(code), float(sure[a:b].mean())) for a, b in pairwise(edges) if b - a >= shortest]
    return cut


def suggest(
    predictions: Sequence[Path], data: Path, count: int, *, task: str | None = None, labelled: bool = False
) -> pd.DataFrame:
    """Return the stretches to label next; columns :data:`COLUMNS`.

    Parameters
    ----------
    predictions : sequence of Path
        Files of a run's predictions. A recording that several predict counts once.
    data : Path
        The dataset's file.
    count : int
        Stretches of each task, at most.
    task : str, optional
    labelled : bool
        Suggest labelled stretches, too: to be looked at again.

    Raises
    ------
    InputError
        When there is nothing to suggest.
    """
    rows: list[dict[str, Any]] = []
    with open_dataset(data) as reader:
        about: dict[str, tuple[tuple[str, ...], dict[str, list[tuple[int, int, int, float]]], dict[str, Any]]] = {}
        for path in predictions:
            for name in class_tasks(path, task):
                with open_predictions(path) as said:
                    _, cut, scores = about.setdefault(name, (said.classes(name), {}, {}))
                    for found in said.iterate(name):
                        if found.recording in cut or found.recording not in reader.ids:
                            continue
                        shown = replace(found, mask=np.zeros_like(found.mask)) if labelled else found
                        cut[found.recording] = stretches(shown, reader.fps(found.recording))
                        scores[found.recording] = found.scores
        for name, (classes, cut, scores) in about.items():
            listed = [(rec, a, b, -sure) for rec, parts in cut.items() for a, b, _, sure in parts]
            code = {(rec, a): (c, sure) for rec, parts in cut.items() for a, _, c, sure in parts}
            for rec, start, stop in choose_bouts(listed, count):
                fps = reader.fps(rec)
                chosen, sure = code[rec, start]
                rows.append(
                    {
                        "recording": rec,
                        "task": name,
                        "class": classes[chosen],
                        "second": classes[_second(scores[rec][start:stop], chosen)],
                        "sureness": sure,
                        "start_s": start / fps,
                        "end_s": stop / fps,
                        "start_frame": start,
                        "end_frame": stop,
                    }
                )
    if not rows:
        raise InputError(
            predictions[0], "leaves nothing to suggest: every predicted frame is labelled", "use --labelled"
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _second(scores: npt.NDArray[np.floating], chosen: int) -> int:
    if scores.ndim == 1:
        return 1 - chosen
    mean = scores.mean(axis=0).astype(float)
    mean[chosen] = -np.inf
    return int(mean.argmax())


def write_round(
    folder: Path, table: pd.DataFrame, data: Path, scores: dict[str, float], *, media: str = ""
) -> list[Path]:
    """Write a round of suggestions: `suggestions.csv`, a BORIS table a recording, and `round.yaml`, what was known.

    In BORIS's tables each stretch is an event of the class that the model takes it for: correct those.

    Parameters
    ----------
    folder : Path
    table : DataFrame
        From :func:`suggest`.
    data : Path
    scores : dict of str to float
        The run's scores, to be compared with by the next round.
    media : str
        Name of the video, ``{recording}`` standing for the recording's id.
    """
    made = [folder / "suggestions.csv"]
    write_csv(made[0], table, float_format="%.4f")
    many = table["task"].nunique() > 1
    with open_dataset(data) as reader:
        for recording, part in table.groupby("recording", sort=True):
            bouts = [
                Bout(
                    int(row["start_frame"]),
                    int(row["end_frame"]),
                    f"{row['task']}: {row['class']}" if many else str(row["class"]),
                    confidence=float(row["sureness"]),
                )
                for row in part.sort_values("start_frame").to_dict("records")
            ]
            name = str(recording)
            path = folder / "boris" / f"{slugify(name)}.csv"
            write_boris(
                path,
                bouts,
                reader.fps(name),
                n_frames=reader.n_frames(name),
                observation=name,
                media=media.replace("{recording}", name),
            )
            made.append(path)
    about = {"stretches": len(table), "mean_sureness": float(table["sureness"].mean()), "scores": scores}
    write_text(folder / "round.yaml", yaml.safe_dump(about, sort_keys=False, allow_unicode=True))
    return [*made, folder / "round.yaml"]


def scores_of(run: Path) -> dict[str, float]:
    """Return the macro F1 of each task and readout of a run's own tables, or of the folds that score a final run."""
    found: dict[str, float] = {}
    seed = run.name
    folders = [run, *sorted(folder / seed for folder in run.parent.parent.iterdir() if folder != run.parent)]
    for name in ("probe", "native", "decided", "native_decided"):
        for folder in folders:
            path = folder / f"{name}.csv"
            if not path.is_file():
                continue
            table = read_small(path)
            rows = table[table["metric"] == MAIN]
            for row in rows.to_dict("records"):
                found.setdefault(f"{name}/{row['task']}", float(row["value"]))
    return found


def gained(folder: Path, data: Path, scores: dict[str, float]) -> list[str]:
    """Say what the round of suggestions in a folder gained: what was labelled, how often the model was right, scores.

    Parameters
    ----------
    folder : Path
        From an earlier :func:`write_round`; nothing is said where there is none.
    data : Path
        The dataset, with the labels of now.
    scores : dict of str to float
        Of the run of now.
    """
    if not (folder / "round.yaml").is_file():
        return []
    before = read_yaml(folder / "round.yaml")
    table = read_small(folder / "suggestions.csv")
    labelled = right = frames = 0
    with open_dataset(data) as reader:
        for row in table.to_dict("records"):
            name, task = str(row["recording"]), str(row["task"])
            labels = reader.labels(name, task) if name in reader.ids else None
            if labels is None:
                continue
            part = slice(int(row["start_frame"]), int(row["end_frame"]))
            known = labels.mask[part]
            if not known.any():
                continue
            classes = labels.vocabulary or (f"no {task}", task)
            labelled += 1
            frames += int(known.sum())
            right += int((labels.values[part][known] == list(classes).index(str(row["class"]))).sum())
    said = [f"last round: {labelled} of {len(table)} suggested stretches are labelled now"]
    if frames:
        said.append(f"in these, the model had the right class in {right / frames:.0%} of {frames} frames")
    for name, value in (before.get("scores") or {}).items():
        if name in scores:
            said.append(f"{MAIN} {name}: {value:.3f} before, {scores[name]:.3f} now ({scores[name] - value:+.3f})")
    return said
