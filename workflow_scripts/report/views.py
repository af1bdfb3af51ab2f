"""The tables of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from workflow_scripts.metrics.chance import ALL_POSITIVE
from workflow_scripts.metrics.registry import in_order
from workflow_scripts.metrics.registry import title as title_of
from workflow_scripts.report.data import DatasetSection, LeakAudit
from workflow_scripts.report.summary import Verdict, verdicts
from workflow_scripts.report.tables import (
    NOTHING,
    Cell,
    Row,
    Score,
    Table,
    count,
    csv_uri,
    duration,
    heading,
    number,
    over_seeds,
    percent,
    pool_seeds,
    primary_metric,
    scores,
    with_interval,
    without_folds,
)


def _sortable(value: float | int | None) -> float | str:
    """Return a number to sort by, or an empty string, which sorts last."""
    return "" if value is None or not math.isfinite(value) else float(value)


def _file_name(*parts: str) -> str:
    return "-".join("".join(c if c.isalnum() or c in "._-" else "-" for c in part) for part in parts) + ".csv"


def _score_cell(score: Score | None) -> Cell:
    if score is None:
        return Cell("", "")
    return Cell(with_interval(score.value, score.low, score.high), _sortable(score.value))


def overview(comparison: pd.DataFrame) -> Table:
    """One row a dataset and task: the best method beside chance."""
    rows = []
    for verdict in verdicts(comparison):
        apart = {True: "yes", False: "no", None: "cannot say"}[verdict.clear]
        rows.append(
            Row(
                (
                    Cell(verdict.dataset, verdict.dataset),
                    Cell(verdict.task, verdict.task),
                    Cell(title_of(verdict.metric), verdict.metric),
                    Cell(verdict.best.label if verdict.best else NOTHING, verdict.best.label if verdict.best else ""),
                    _score_cell(verdict.best),
                    _score_cell(verdict.chance),
                    Cell(apart, apart),
                )
            )
        )
    columns = (
        ("Dataset", False),
        ("Task", False),
        ("Metric", False),
        ("Best method", False),
        ("Its value [interval]", True),
        ("Best chance row", True),
        ("Intervals apart", False),
    )
    return Table(
        "Best method of every dataset and task, by its main metric",
        columns,
        tuple(rows),
        "comparison.csv",
        csv_uri(comparison),
    )


def results(rows: pd.DataFrame, dataset: str, task: str) -> Table:
    """One row a method (and seed) of one task, one column an overall metric, chance rows last.

    Parameters
    ----------
    rows : DataFrame
        Comparison rows of that dataset and task.
    dataset, task : str
    """
    found = scores(rows, keep_means=True)
    overall = {score.metric for score in found if "/" not in score.metric}
    metrics = in_order(overall or {score.metric for score in found})
    main = primary_metric(found) or metrics[0]
    seeds = len({score.seed for score in found if not score.chance and score.seed is not None}) > 1
    published = any(math.isfinite(score.published) for score in found)
    keys = list(dict.fromkeys((score.chance, score.label, score.seed) for score in found))
    ranking = list(pool_seeds(found, main))
    keys.sort(key=lambda key: (key[0], ranking.index(key[1]) if key[1] in ranking else len(ranking), key[1]))
    leader = next((label for chance, label, _ in keys if not chance and label in ranking), None)
    lines = []
    for key in keys:
        mine = {score.metric: score for score in found if (score.chance, score.label, score.seed) == key}
        first = mine.get(main) or next(iter(mine.values()))
        name = f"{first.label} ({_chance_word(first)})" if first.chance else first.label
        name += f" ({first.note})" if first.note else ""
        cells = [Cell(name, name)]
        if seeds:
            named = "all" if first.mean else NOTHING
            cells.append(Cell(named if first.seed is None else str(first.seed), _sortable(first.seed)))
        cells += [_score_cell(mine.get(metric)) for metric in metrics]
        cells += [Cell(count(first.n), _sortable(first.n)), Cell(count(first.n_groups), _sortable(first.n_groups))]
        if published:
            shown = "" if not math.isfinite(first.published) else number(first.published)
            unsure = " (not verified)" if shown and not first.verified else ""
            cells.append(Cell(shown + unsure, _sortable(first.published)))
        mark = "failed" if first.note else "chance" if first.chance else "best" if first.label == leader else ""
        lines.append(Row(tuple(cells), mark))
    columns = [("Method", False)]
    columns += [("Seed", True)] if seeds else []
    columns += [(heading(title_of(metric)), True) for metric in metrics]
    columns += [("Samples", True), ("Groups", True)]
    columns += [(f"Published {title_of(main)}", True)] if published else []
    caption = f"{dataset}, {task}: held-out results with confidence intervals"
    return Table(caption, tuple(columns), tuple(lines), _file_name(dataset, task), csv_uri(rows))


def _chance_word(score: Score) -> str:
    return "yes to every class" if score.method == ALL_POSITIVE.name else "chance"


def ceilings(rows: pd.DataFrame, dataset: str, task: str) -> Table | None:
    """One row a method and class of bouts: its scores beside those of windows that never err; None without any.

    Parameters
    ----------
    rows : DataFrame
        Comparison rows of that dataset and task.
    dataset, task : str
    """
    found = scores(rows)
    marks = list(dict.fromkeys((s.label, s.metric.split("/", 1)[1]) for s in found if s.metric.startswith("ceiling_")))
    if not marks:
        return None
    lines = []
    for label, name in marks:
        cells = [Cell(label, label), Cell(name, name)]
        for metric in ("bout_f1@0.5", "f1"):
            for prefix in ("", "ceiling_"):
                seeds = pool_seeds(found, f"{prefix}{metric}/{name}").get(label)
                cells.append(_score_cell(over_seeds(seeds) if seeds else None))
        lines.append(Row(tuple(cells)))
    columns = (
        ("Method", False),
        ("Class", False),
        ("F1 of bouts, IoU 0.5", True),
        ("Of faultless windows", True),
        ("F1 of frames", True),
        ("Of faultless windows", True),
    )
    chosen = rows[rows["metric"].str.contains(r"^(?:ceiling_)?(?:bout_f1@0\.5|f1)/", regex=True)]
    caption = (
        f"{dataset}, {task}: beside what a classifier that never errs about a window reaches with windows as long as "
        "the method's, merged as published"
    )
    return Table(caption, columns, tuple(lines), _file_name(dataset, task, "ceilings"), csv_uri(chosen))


def broken(comparison: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the runs that failed and why, each once."""
    rows = comparison[comparison["note"].notna()] if "note" in comparison else comparison.iloc[:0]
    found: dict[tuple[str, str], None] = {}
    for row in rows.to_dict("records"):
        parts = (row["dataset"], row["method"], row["mode"], row["setting"], row["split"], f"seed {row['seed']}")
        found[" · ".join(str(part) for part in parts if part not in {"sound", "default"}), str(row["note"])] = None
    return list(found)


def method_results(comparison: pd.DataFrame, method: str, judged: Sequence[Verdict]) -> Table | None:
    """One row a dataset and task: what one method reaches by the task's main metric, beside the best and chance.

    Parameters
    ----------
    comparison : DataFrame
    method : str
    judged : sequence of Verdict
        Of the whole comparison, from :func:`workflow_scripts.report.summary.verdicts`.

    Returns
    -------
    Table or None
        None where the method has no value.
    """
    lines = []
    mine = comparison[(comparison["method"] == method) & comparison["value"].notna()]
    for verdict in judged:
        rows = mine[(mine["dataset"] == verdict.dataset) & (mine["task"] == verdict.task)]
        grouped = pool_seeds(scores(without_folds(rows)), verdict.metric)
        for label, found in grouped.items():
            score = over_seeds(found)
            cells = (
                Cell(verdict.dataset, verdict.dataset),
                Cell(verdict.task, verdict.task),
                Cell(label, label),
                Cell(title_of(verdict.metric), verdict.metric),
                _score_cell(score),
                _score_cell(verdict.best),
                Cell(verdict.best.label if verdict.best else NOTHING, verdict.best.label if verdict.best else ""),
                _score_cell(verdict.chance),
            )
            lines.append(Row(cells, "best" if verdict.best and verdict.best.value == score.value else ""))
    if not lines:
        return None
    columns = (
        ("Dataset", False),
        ("Task", False),
        ("Variant", False),
        ("Metric", False),
        ("Its value [interval]", True),
        ("Best value [interval]", True),
        ("Best method", False),
        ("Best chance row", True),
    )
    return Table(f"{method} on every dataset and task", columns, tuple(lines), _file_name(method), csv_uri(mine))


def everything(rows: pd.DataFrame, dataset: str) -> Table:
    """Every row of a dataset as it is in `comparison.csv`; the page fills in the rows from the download when opened."""
    columns = tuple((str(name), bool(pd.api.types.is_numeric_dtype(rows[name]))) for name in rows.columns)
    return Table(f"{dataset}: every result row ({count(len(rows))})", columns, (), _file_name(dataset), csv_uri(rows))


def facts(section: DatasetSection) -> tuple[tuple[str, str], ...]:
    """Name and value of what the card and the recordings say, without what is unknown."""
    frames = sum(item.frames for item in section.recordings)
    seconds = sum(item.frames / item.fps for item in section.recordings)
    pairs = [("Licence", section.licence), ("Terms", section.terms), ("Cite", "; ".join(section.citation))]
    if section.recordings:
        pairs += [
            ("Recordings", count(len(section.recordings))),
            ("Groups", count(len({item.group for item in section.recordings}))),
            ("Frames", f"{count(frames)} ({duration(seconds)})" if math.isfinite(seconds) else count(frames)),
        ]
    return tuple((name, value) for name, value in pairs if value)


def class_shares(section: DatasetSection) -> Table | None:
    """How the labels of each task spread over its classes, or None where no task has classes."""
    lines = []
    for task in section.tasks:
        total = sum(task.counts)
        for name, n in zip(task.vocabulary, task.counts, strict=False):
            share = n / total if total else float("nan")
            lines.append(
                Row(
                    (
                        Cell(task.name, task.name),
                        Cell(name, name),
                        Cell(count(n), n),
                        Cell(percent(share), _sortable(share)),
                    ),
                    "" if n else "empty",
                )
            )
    if not lines:
        return None
    columns = (("Task", False), ("Class", False), ("Labelled samples", True), ("Share", True))
    return Table(f"{section.name}: labels by class", columns, tuple(lines))


def quality(section: DatasetSection) -> Table:
    """One row a recording: length, rate, what is missing and what was filled."""
    lines = []
    for item in section.recordings:
        cells = (
            Cell(item.recording, item.recording),
            Cell(item.group, item.group),
            Cell(count(item.frames), item.frames),
            Cell(number(item.fps), item.fps),
            Cell(percent(item.missing), _sortable(item.missing)),
            Cell(percent(item.filled), _sortable(item.filled)),
            Cell("; ".join(item.warnings), len(item.warnings)),
        )
        lines.append(Row(cells, "warned" if item.warnings else ""))
    columns = (
        ("Recording", False),
        ("Group", False),
        ("Frames", True),
        ("Frames/s", True),
        ("Missing", True),
        ("Filled", True),
        ("Warnings", False),
    )
    table = pd.DataFrame(
        [
            (i.recording, i.group, i.frames, i.fps, i.missing, i.filled, "; ".join(i.warnings))
            for i in section.recordings
        ],
        columns=["recording", "group", "frames", "fps", "missing", "filled", "warnings"],
    )
    caption = f"{section.name}: recordings; missing and filled are shares of all points"
    return Table(caption, columns, tuple(lines), _file_name(section.name, "quality"), csv_uri(table))


def leaks(audit: LeakAudit) -> Table | None:
    """Return the findings of the leak audit, or None where it found nothing."""
    if audit.findings.empty:
        return None
    columns = tuple((str(name), False) for name in audit.findings.columns)
    texts = audit.findings.astype(object).where(audit.findings.notna(), "").to_numpy().tolist()
    lines = tuple(Row(tuple(Cell(str(value), str(value)) for value in line)) for line in texts)
    return Table("Leaks found", columns, lines, "leaks.csv", csv_uri(audit.findings))


def timings(table: pd.DataFrame) -> Table | None:
    """Return time and memory by rule, or None where nothing was timed."""
    if table.empty:
        return None
    lines = []
    for record in table.sort_values("seconds", ascending=False, kind="stable").to_dict("records"):
        seconds, peak = float(record["seconds"]), float(record["max_rss_mb"])
        lines.append(
            Row(
                (
                    Cell(str(record["rule"]), str(record["rule"])),
                    Cell(count(int(record["jobs"])), int(record["jobs"])),
                    Cell(duration(seconds), _sortable(seconds)),
                    Cell(f"{count(round(peak))} MB" if math.isfinite(peak) else NOTHING, _sortable(peak)),
                )
            )
        )
    columns = (("Rule", False), ("Jobs", True), ("Time, all jobs", True), ("Highest memory", True))
    return Table("Time and memory by rule, the longest first", columns, tuple(lines), "timings.csv", csv_uri(table))


def pairs(caption: str, heads: tuple[str, str], values: dict[str, str]) -> Table | None:
    """Return a table of two columns, or None where it would be empty."""
    if not values:
        return None
    lines = tuple(Row((Cell(name, name), Cell(str(value), str(value)))) for name, value in values.items())
    return Table(caption, ((heads[0].capitalize(), False), (heads[1].capitalize(), False)), lines)
