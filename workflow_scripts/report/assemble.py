"""Make the report's data from the small tables of `results/<experiment>/`, and from nothing larger."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.cards.card import Card
from workflow_scripts.formats.tables import background_in, confusion_matrix, read_confusions, read_small, read_table
from workflow_scripts.report.data import (
    Confusion,
    DatasetSection,
    ExamplePrediction,
    Notice,
    Quarantined,
    RecordingQuality,
    TaskSummary,
)
from workflow_scripts.report.summary import Unscored, five_lines, unscored_lines
from workflow_scripts.report.timeline import frames

NUMBER = re.compile(r"(?<![\w.-])\d+(?:\.\d+)?(?![\w])")
"""A number of a sentence, but not one of a name such as `individual1` or `tail-2`."""
VALUES = ("continuous", "points")
"""Kinds of tasks without classes."""


def _lines(value: object) -> tuple[str, ...]:
    return tuple(value.splitlines()) if isinstance(value, str) else ()


def sections(cards: Mapping[str, Card], tables: Path) -> tuple[list[DatasetSection], list[Quarantined]]:
    """Describe each dataset from its card, `quality.csv` and `labels.csv`.

    Parameters
    ----------
    cards : mapping of str to Card
    tables : Path
        `results/<experiment>/tables`.
    """
    quality, labels = read_small(tables / "quality.csv"), read_small(tables / "labels.csv")
    made, quarantined = [], []
    for name, card in cards.items():
        rows = quality[quality["dataset"] == name]
        bad = rows[rows["status"] == "quarantined"]
        quarantined += [Quarantined(name, row["recording"], row["warnings"]) for row in bad.to_dict("records")]
        recordings = [_recording(row) for row in rows[rows["status"] == "ok"].to_dict("records")]
        made.append(
            DatasetSection(
                name=name,
                title=card.title,
                description=card.description,
                licence=card.licence,
                terms=card.terms,
                citation=tuple(card.citation),
                twin=card.simulate is not None,
                tasks=tuple(_tasks(labels[labels["dataset"] == name])),
                recordings=tuple(recordings),
            )
        )
    return made, quarantined


def _recording(row: dict[Hashable, Any]) -> RecordingQuality:
    return RecordingQuality(
        recording=row["recording"],
        group=row["group"],
        frames=int(row["frames"]),
        fps=float(row["fps"]),
        missing=float(row["missing"]),
        filled=float(row["filled"]),
        warnings=_lines(row["warnings"]),
    )


def _tasks(labels: pd.DataFrame) -> Iterable[TaskSummary]:
    for (task, kind, level), rows in labels.groupby(["task", "kind", "level"], sort=False):
        counts = rows.groupby("label", sort=False, dropna=False)["n"].sum()
        names = () if kind in VALUES else tuple(str(name) for name in counts.index)
        numbers = () if kind in VALUES else tuple(int(n) for n in counts)
        yield TaskSummary(str(task), str(kind), str(level), names, numbers, int(counts.sum()), background_in(rows))


def example_predictions(cards: Mapping[str, Card], tables: Path) -> list[ExamplePrediction]:
    """Rebuild frame by frame what `ethograms.csv` holds as bouts."""
    bouts, quality = read_small(tables / "ethograms.csv"), read_small(tables / "quality.csv")
    rate = {(row["dataset"], row["recording"]): float(row["fps"]) for row in quality.to_dict("records")}
    made = []
    for (dataset, task, recording), rows in bouts.groupby(["dataset", "task", "recording"], sort=False):
        vocabulary = tuple(cards[str(dataset)].tasks[str(task)].vocabulary) or tuple(sorted(rows["label"].unique()))
        length = int(rows["stop"].max())
        drawn = {str(row): frames(found, vocabulary, length) for row, found in rows.groupby("row", sort=False)}
        truth = drawn.pop("truth", np.full(length, -1, dtype=np.int64))
        fps = rate[str(dataset), str(recording)]
        made.append(
            ExamplePrediction(
                str(dataset), str(task), str(recording), vocabulary, truth, drawn, fps, background_in(rows)
            )
        )
    return made


def confusions(tables: Path) -> list[Confusion]:
    """Sum `confusions.csv` over the folds and seeds of each method's first point."""
    made = []
    counts = read_confusions(tables / "confusions.csv")
    for (dataset, task, method), rows in counts.groupby(["dataset", "task", "method"], sort=False, observed=True):
        first = rows[(rows["mode"] == rows["mode"].iloc[0]) & (rows["setting"] == rows["setting"].iloc[0])]
        vocabulary, matrix = confusion_matrix(first)
        made.append(Confusion(str(dataset), str(task), str(method), vocabulary, matrix))
    return made


def _those(which: list[tuple[str, str]]) -> str:
    names = [name for name, _ in which]
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:5])} and {len(names) - 5} more"


def merged(which: list[tuple[str, str]]) -> str:
    """Say once what several recordings have in common: where their sentences differ in a number, its range.

    Parameters
    ----------
    which : list of (str, str)
        Recording and its sentence; the sentences are equal but for their numbers.
    """
    found = [NUMBER.findall(line) for _, line in which]
    ranges = iter(list(zip(*found, strict=True)))

    def spanned(_: re.Match[str]) -> str:
        numbers = sorted(set(next(ranges)), key=float)
        return numbers[0] if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"

    return NUMBER.sub(spanned, which[0][1])


def notices(tables: Path) -> list[Notice]:
    """Gather the warnings of conversion and of the probes; the same one of several recordings or runs is said once."""
    quality = read_small(tables / "quality.csv")
    alike: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in quality[quality["status"] == "ok"].to_dict("records"):
        for line in _lines(row["warnings"]):
            alike.setdefault((row["dataset"], NUMBER.sub("#", line)), []).append((str(row["recording"]), line))
    found = [Notice("warning", f"{dataset} · {_those(which)}", merged(which)) for (dataset, _), which in alike.items()]
    notes = read_small(tables / "notes.csv")
    for (dataset, method, note), rows in notes.groupby(["dataset", "method", "note"], sort=False):
        splits = ", ".join(dict.fromkeys(rows["split"]))
        found.append(Notice("note", f"{dataset} · {method} · {splits}", str(note)))
    return found


def benchmarks(logs: Path, experiment: str, datasets: Iterable[str]) -> dict[str, list[Path]]:
    """Find the benchmark files of each rule that concern this experiment: `logs/<rule>/…tsv`."""
    owners = {experiment, *datasets}
    found: dict[str, list[Path]] = {}
    for path in sorted(logs.glob("*/**/*.tsv")):
        rule, *rest = path.relative_to(logs).parts
        if rest[0].removesuffix(".tsv") in owners:
            found.setdefault(rule, []).append(path)
    return found


def five_line_summary(results: Path) -> str:
    """Say in five lines what came out of the experiment in `results` (`results/<experiment>`)."""
    quality = read_small(results / "tables" / "quality.csv")
    comparison = read_table(results / "comparison.csv")
    page = results / "report" / "index.html"
    warnings = sum(notice.level != "note" for notice in notices(results / "tables"))
    left_out = int((quality["status"] == "quarantined").sum())
    if comparison.empty and read_small(results / "tables" / "labels.csv").empty:
        made = _unscored(results, int((quality["status"] == "ok").sum()))
        return unscored_lines(made, page, experiment=results.name, warnings=warnings, quarantined=left_out)
    return five_lines(comparison, page, experiment=results.name, warnings=warnings, quarantined=left_out)


def _unscored(results: Path, recordings: int) -> Unscored:
    """Gather what an experiment without scores ran, and which of its files are there."""
    settings = read_small(results / "settings.csv")
    runs = results / "runs"

    def methods(name: str) -> tuple[str, ...]:
        return tuple(sorted({path.relative_to(runs).parts[1] for path in runs.glob(f"*/*/*/*/*/*/{name}")}))

    return Unscored(
        tuple(dict.fromkeys(settings["dataset"])),
        tuple(dict.fromkeys(settings["method"])),
        recordings,
        methods("embeddings.h5"),
        methods("motifs/bouts.csv"),
    )
