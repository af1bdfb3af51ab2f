"""What the page shows of each task, dataset and method, made of the report's data for the template."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd

from workflow_scripts.metrics import chance
from workflow_scripts.metrics.registry import is_mean
from workflow_scripts.metrics.registry import title as title_of
from workflow_scripts.plotting.style import PAGE_COLOURS, class_colours, to_svg
from workflow_scripts.report import figures, learnt, most, views
from workflow_scripts.report.claims import Claim, claims
from workflow_scripts.report.data import DatasetSection, ExamplePrediction, Notice, ReportData, TaskSummary
from workflow_scripts.report.interactive import Interactive
from workflow_scripts.report.rank_views import Plot, critical, rank_blocks, rows_of
from workflow_scripts.report.sections import SectionView
from workflow_scripts.report.summary import plural, sentence, verdicts
from workflow_scripts.report.tables import (
    Score,
    Table,
    count,
    heading,
    label_of,
    methods_in,
    over_seeds,
    percent,
    place_of,
    pool_seeds,
    primary_metric,
    scores,
    with_interval,
    without_folds,
)
from workflow_scripts.report.timeline import Band, band, clock


@dataclass(frozen=True)
class Ethogram:
    """An ethogram of the page."""

    dataset: str
    recording: str
    frames: int
    fps: float
    length: str
    film: bool
    bands: tuple[Band, ...]
    gaps: bool
    legend: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TaskView:
    """One task of one dataset on the page."""

    id: str
    name: str
    facts: str
    sentence: str
    results: Table | None
    ceilings: Table | None
    plots: tuple[Plot, ...]
    confusions: tuple[Plot, ...]
    ethograms: tuple[Ethogram, ...]
    claim: Claim | None
    tests: Table | None
    efficiency: Interactive | None = None


@dataclass(frozen=True)
class DatasetView:
    """One dataset on the page."""

    id: str
    section: DatasetSection
    facts: tuple[tuple[str, str], ...]
    shares: Table | None
    tasks: tuple[TaskView, ...]
    everything: Table | None
    added: tuple[SectionView, ...]
    maps: tuple[tuple[str, Interactive], ...]
    ranks: tuple[tuple[str, object], ...]
    published: Table | None
    protocols: tuple[str, ...]
    notices: tuple[Notice, ...] = ()
    counted: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    """Tasks that the dataset has and the experiment has no result of."""


@dataclass(frozen=True)
class MethodView:
    """One method on the page, over all datasets; blocks as in :class:`workflow_scripts.report.sections.SectionView`."""

    id: str
    name: str
    blocks: tuple[tuple[str, object], ...]
    added: tuple[SectionView, ...]


def _spoken(found: list[Score], metric: str) -> str:
    """Put a bar chart into words."""
    rows = [score for score in found if score.metric == metric]
    return "; ".join(f"{score.label} {with_interval(score.value, score.low, score.high)}" for score in rows)


def _result_plots(rows: pd.DataFrame, identifier: str, summary: TaskSummary | None, every: list[str]) -> list[Plot]:
    found = scores(rows)
    background = summary.background if summary else None
    metric = primary_metric(found)
    plots = []
    if metric is not None:
        svg = to_svg(
            figures.method_bars(rows, metric, every=every),
            label=f"Bar chart of {title_of(metric)} by method: {_spoken(found, metric)}",
            prefix=f"{identifier}-methods",
        )
        several = " With several seeds a bar is their mean and each seed is drawn on it." if _seeds(found) > 1 else ""
        floor = (
            " Hatched grey bars look at no data but the labels; the dashed line is the best that one "
            "prediction of them reaches."
            if any(score.chance for score in found)
            else ""
        )
        lines = "Lines across the bars are confidence intervals."
        caption = f"{heading(title_of(metric))} by method. {lines}{floor}{several}"
        plots.append(Plot(svg, caption))
    counts = dict(zip(summary.vocabulary, summary.counts, strict=False)) if summary else {}
    rows, fewer = most.for_class_bars(rows, list(pool_seeds(found, metric)) if metric else [], found, counts)
    found = scores(rows)
    if any(score.metric.startswith("f1/") and not score.chance for score in found):
        words = "; ".join(
            f"{score.label}, {score.metric.removeprefix('f1/')}: {with_interval(score.value, score.low, score.high)}"
            for score in found
            if score.metric.startswith("f1/") and not score.chance
        )
        svg = to_svg(
            figures.class_bars(rows, background=background, vocabulary=list(counts), every=every),
            label=f"Bar chart of F1 by class: {words}",
            prefix=f"{identifier}-classes",
        )
        caption = (
            "F1 by class and method with confidence intervals. The dotted line across a class is its best chance row."
        ) + fewer
        if any(_lacks_interval(score) for score in found):
            caption += " A bar without a line is of a class that too few held-out groups show for an interval."
        plots.append(Plot(svg, caption))
    return plots


def _lacks_interval(score: Score) -> bool:
    of_class = score.metric.startswith("f1/") and not score.chance
    return of_class and math.isfinite(score.value) and not math.isfinite(score.low)


def _seeds(found: list[Score]) -> int:
    return len({score.seed for score in found if score.seed is not None and not score.chance})


def _confusions(data: ReportData, dataset: str, task: str, order: list[str], identifier: str) -> list[Plot]:
    here = [item for item in data.confusions if (item.dataset, item.task) == (dataset, task)]
    here.sort(key=lambda item: place_of(item.method, order))
    drawn, fewer = most.first(here, most.METHODS, "methods")
    plots = []
    for index, item in enumerate(drawn):
        totals = item.matrix.sum(axis=1)
        right = "; ".join(
            f"{name}: {percent(float(item.matrix[k, k] / totals[k]))} found"
            for k, name in enumerate(item.vocabulary)
            if totals[k]
        )
        svg = to_svg(
            figures.confusion(item.matrix, item.vocabulary),
            label=f"Confusion matrix of {item.method}. {right}",
            prefix=f"{identifier}-confusion{index}",
        )
        name = label_of(item.method, order)
        caption = f"{name}: share of each human label (row) by predicted class (column), counts below.{fewer}"
        plots.append(Plot(svg, caption))
    return plots


def _ethogram(example: ExamplePrediction, order: list[str], filmed: bool) -> Ethogram:
    """Show the truth, then the methods, best first."""
    named = sorted(example.predictions, key=lambda name: place_of(name, order))
    rows = {"human labels": example.truth}
    for name in named:
        label = label_of(name, order)
        rows[name if label in rows else label] = example.predictions[name]
    legend = zip(example.vocabulary, class_colours(example.vocabulary, example.background), strict=True)
    return Ethogram(
        dataset=example.dataset,
        recording=example.recording,
        film=filmed,
        frames=len(example.truth),
        fps=example.fps,
        length=clock(len(example.truth) / example.fps),
        bands=tuple(band(name, values, example.vocabulary, example.background) for name, values in rows.items()),
        gaps=bool((example.truth < 0).any()),
        legend=tuple((name, PAGE_COLOURS.get(fill, fill)) for name, fill in legend),
    )


def _task_facts(summary: TaskSummary | None) -> str:
    if summary is None:
        return ""
    unit = "frames" if summary.level == "frame" else "sequences"
    classes = f", {len(summary.vocabulary)} classes" if summary.vocabulary else ""
    return f"{heading(summary.kind)}, one label a {summary.level}{classes}; {count(summary.labelled)} labelled {unit}."


def _task(data: ReportData, section: DatasetSection, task: str, rows: pd.DataFrame, identifier: str) -> TaskView:
    found = scores(rows)
    verdict = verdicts(rows)
    metric = primary_metric(found)
    order = list(pool_seeds(found, metric)) if metric else []
    summary = next((item for item in section.tasks if item.name == task), None)
    filmed = filmed_recordings(data)
    chosen = [item for item in data.examples if (item.dataset, item.task) == (section.name, task)]
    return TaskView(
        id=identifier,
        name=task,
        facts=_task_facts(summary),
        sentence=sentence(verdict[0], place=False) if verdict else "",
        results=views.results(rows, section.name, task) if len(rows) else None,
        ceilings=views.ceilings(rows, section.name, task) if len(rows) else None,
        plots=(
            *_result_plots(rows, identifier, summary, methods_in(data.comparison)),
            *critical(data, section.name, task, identifier),
        ),
        confusions=tuple(_confusions(data, section.name, task, order, identifier)),
        ethograms=tuple(_ethogram(item, order, (item.dataset, item.recording) in filmed) for item in chosen),
        efficiency=learnt.efficiency(
            rows_of(data.efficiency, dataset=section.name, task=task),
            section.name,
            task,
            title_of(metric or ""),
            methods_in(data.comparison),
        )
        if len(data.efficiency)
        else None,
        claim=next((item for item in claims(data.tests) if (item.dataset, item.task) == (section.name, task)), None)
        if len(data.tests)
        else None,
        tests=_tests(data, section.name, task),
    )


def filmed_recordings(data: ReportData) -> set[tuple[str, str]]:
    """Recordings whose poses or thumbnails the page carries."""
    films = rows_of(data.pictures, use="film")
    return set(zip(films["dataset"].astype(str), films["recording"].astype(str), strict=True)) if len(films) else set()


def _tests(data: ReportData, dataset: str, task: str) -> Table | None:
    caption = f"{dataset}, {task}: paired tests on the held-out groups, the smallest p first"
    return learnt.tests_table(rows_of(data.tests, dataset=dataset, task=task), caption, f"{dataset}-{task}-tests.csv")


def _ours(rows: pd.DataFrame) -> dict[tuple[str, str], list[Score]]:
    """Our methods' scores by task and metric, best first."""
    found: dict[tuple[str, str], list[Score]] = {}
    for (task, metric), mine in rows.groupby(["task", "metric"], sort=False):
        grouped = pool_seeds(scores(mine), str(metric)).values()
        found[str(task), str(metric)] = [over_seeds(seeds) for seeds in grouped if not seeds[0].chance]
    return found


def _by_mean_place(rows: pd.DataFrame) -> dict[str, float]:
    """Return the mean place of each method over the tasks, by their main metrics."""
    places: dict[str, list[int]] = {}
    for _, mine in rows.groupby("task", sort=False):
        found = scores(mine)
        metric = primary_metric(found)
        labels = pool_seeds(found, metric).values() if metric else ()
        for place, method in enumerate(dict.fromkeys(seeds[0].method for seeds in labels)):
            places.setdefault(method, []).append(place)
    return {method: sum(found) / len(found) for method, found in places.items()}


def _maps(data: ReportData, section: DatasetSection, best: dict[str, float]) -> list[tuple[str, Interactive]]:
    """Draw the embedding maps of a dataset, the best methods first, and those alone where there are many."""
    table = rows_of(data.maps, dataset=section.name)
    if table.empty:
        return []
    named = sorted(dict.fromkeys(table["method"]), key=lambda name: best.get(name, len(best)))
    kept, fewer = most.first(named, most.METHODS, "methods")
    chosen = table[table["method"].isin(kept)]
    drawn = learnt.maps(chosen, section.name, {task.name: task.vocabulary for task in section.tasks})
    drawn.sort(key=lambda item: best.get(item[0].split(" · ")[0].removesuffix(", UMAP"), len(best)))
    return [(name, replace(plot, caption=plot.caption + fewer)) for name, plot in drawn]


def dataset_view(data: ReportData, section: DatasetSection, index: int) -> DatasetView:
    """Make the view of one dataset, the `index`-th of the page."""
    identifier = f"dataset{index}"
    every = data.comparison[data.comparison["dataset"] == section.name]
    rows = without_folds(every)
    best = _by_mean_place(rows)
    named = list(dict.fromkeys([*(str(t) for t in rows["task"].unique()), *(t.name for t in section.tasks)]))
    tasks = [name for name in named if not is_mean(name)] + [name for name in named if is_mean(name)]
    scored = set(rows["task"].astype(str))
    seen = scored | {item.task for item in data.examples if item.dataset == section.name}
    notices = tuple(n for n in data.notices if n.where == section.name or n.where.startswith(f"{section.name} "))
    return DatasetView(
        id=identifier,
        section=section,
        facts=views.facts(section),
        shares=views.class_shares(section),
        tasks=tuple(
            _task(data, section, task, rows[rows["task"] == task], f"{identifier}-task{k}")
            for k, task in enumerate(tasks)
            if task in seen
        ),
        without=tuple(task for task in tasks if task not in seen),
        everything=views.everything(every, section.name) if len(every) else None,
        added=tuple(item for item in data.sections if item.dataset == section.name),
        maps=tuple(_maps(data, section, best)),
        ranks=tuple(
            rank_blocks(
                rows_of(data.ranks, scope="dataset", dataset=section.name),
                "over the tasks",
                f"{identifier}-ranks",
                methods_in(data.comparison),
            )
        ),
        published=learnt.published_table(data.published.get(section.name, []), _ours(rows), section.name),
        protocols=tuple(learnt.protocols(data.published.get(section.name, []))),
        notices=notices,
        counted=tuple(counted(notices)),
    )


def method_views(data: ReportData) -> list[MethodView]:
    """Make the view of every method, by name."""
    named = data.comparison.loc[data.comparison["readout"] != "chance", "method"].astype(str)
    names = [name for name in dict.fromkeys(named) if name not in chance.NAMES]
    names = sorted({*names, *(item.method for item in data.sections if item.method and not item.dataset)})
    views_, judged = [], verdicts(data.comparison)
    for index, name in enumerate(names):
        added = tuple(item for item in data.sections if item.method == name and not item.dataset)
        rows = views.method_results(data.comparison, name, judged)
        blocks: list[tuple[str, object]] = []
        blocks += [("plot", plot) for _, plot in learnt.curves(data.curves, name)] if len(data.curves) else []
        blocks += [("table", rows)] if rows else []
        elsewhere = [
            entry
            for dataset, numbers in data.published.items()
            for entry in numbers
            if entry.ours == name and dataset not in {section.name for section in data.datasets}
        ]
        table = learnt.published_table(elsewhere, {}, name)
        blocks += [("table", table), *(("text", text) for text in learnt.protocols(elsewhere))] if table else []
        views_.append(MethodView(f"method{index}", name, tuple(blocks), added))
    return views_


def counted(notices: Iterable[Notice]) -> list[tuple[str, str]]:
    """Return how many notices there are of each level, the gravest first: (level, ``2 warnings``)."""
    levels = [notice.level for notice in notices]
    return [
        (level, plural(levels.count(level), level)) for level in ("error", "warning", "note") if levels.count(level)
    ]
