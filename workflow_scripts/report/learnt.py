"""What runs learnt, as the page shows it: training curves, embedding maps, ranks and tests, published numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from workflow_scripts.cards.parts import Published
from workflow_scripts.formats.tables import background_in
from workflow_scripts.metrics.registry import title as title_of
from workflow_scripts.plotting.style import method_colours
from workflow_scripts.report.interactive import Interactive, draw
from workflow_scripts.report.tables import (
    NOTHING,
    Cell,
    Row,
    Score,
    Table,
    csv_uri,
    heading,
    number,
    with_interval,
)

SCORES = frozenset({"score", "accuracy", "f1", "precision", "recall", "auroc", "auc", "r2"})
ERRORS = frozenset({"error", "deg", "mse", "mae", "rmse"})
"""Words in the name of a logged series that make it a score or an error; the others are losses."""
WRITTEN = {
    "train": "training",
    "val": "validation",
    "deg": "(degrees)",
    "r2": "R²",
    **{name: name.upper() for name in ("f1", "mse", "mae", "rmse", "auc", "auroc")},
}
"""Words in the name of a logged series that are written otherwise."""
NAMES = {"losses": "loss", "scores": "score", "errors": "error"}
SPAN = 50.0
"""Ratio of the largest to the smallest value of a plot from which on its axis is logarithmic."""
UMAP_WARNING = "Distances between groups mean little here, and another processor draws another map."


def curves(table: pd.DataFrame, method: str) -> list[tuple[str, Interactive]]:
    """Draw what one method logged against the epoch: losses, scores and errors in plots of their own for each dataset.

    Parameters
    ----------
    table : DataFrame
        `curves.csv`.
    method : str

    Returns
    -------
    list of (str, Interactive)
        Dataset and plot.
    """
    mine = table[table["method"] == method]
    made = []
    for dataset, every in mine.groupby("dataset", sort=False):
        varying = [name for name in ("mode", "setting", "split", "seed") if every[name].nunique() > 1]
        kinds = every["series"].astype(str).map(kind_of)
        for what, title in NAMES.items():
            rows = every[kinds == what]
            if rows.empty:
                continue
            named = rows.assign(
                curve=[
                    " · ".join([series_title(str(row["series"])), *(f"{name} {row[name]}" for name in varying)])
                    for row in rows.to_dict("records")
                ]
            )
            last = named.groupby("series", sort=False)["value"].last()
            spoken = ", ".join(f"{series_title(str(name))} ends at {number(value, 3)}" for name, value in last.items())
            # The sum of all terms may be a thousand times one of them, and would press it onto the axis.
            apart = named["value"].min() > 0 and named["value"].max() > SPAN * named["value"].min()
            plot = draw(
                named,
                x="epoch",
                y="value",
                group="curve",
                caption=f"Training on {dataset}: {what} by epoch. A click on a name hides or shows its curve.",
                label=f"Training {what} of {method} on {dataset}: {spoken}",
                titles=("epoch", f"{title}, logarithmic" if apart else title),
                height=320 + 12 * named["curve"].nunique(),
                logarithmic=bool(apart),
            )
            made.append((str(dataset), plot))
    return made


def series_title(series: str) -> str:
    """Return the name of a logged series as people write it: ``val_frame_f1`` is ``validation frame F1``."""
    words = [WRITTEN.get(word, word) for word in series.split("_")]
    if words[-1] == "score" and len(SCORES & set(series.split("_"))) > 1:
        words = words[:-1]
    return " ".join(words)


def kind_of(series: str) -> str:
    """Return the panel of a logged series: ``losses``, ``scores`` (higher is better) or ``errors`` (in units)."""
    words = set(series.lower().split("_"))
    return "scores" if words & SCORES and "loss" not in words else "errors" if words & ERRORS else "losses"


def maps(
    table: pd.DataFrame, dataset: str, vocabularies: Mapping[str, Sequence[str]] | None = None
) -> list[tuple[str, Interactive]]:
    """Draw the embedding maps of one dataset: principal components of each method, and UMAP where the table has it.

    Parameters
    ----------
    table : DataFrame
        `embedding_maps.csv`.
    dataset : str
    vocabularies : mapping of str to sequence of str, optional
        Classes of each task in their order, in which they take the colours of the ethograms; else by name.

    Returns
    -------
    list of (str, Interactive)
        Method (with mode and setting where it has several; marked where it is UMAP) and plot.
    """
    mine = table[table["dataset"] == dataset]
    made = []
    for (method, mode, setting), rows in mine.groupby(["method", "mode", "setting"], sort=False):
        name = " · ".join([str(method), *(str(part) for part in (mode, setting) if part not in {"sound", "default"})])
        first = rows.iloc[0]
        shown = rows.assign(label=rows["label"].fillna("not labelled"))
        order = list((vocabularies or {}).get(str(first["task"]), ()))
        quiet = {background_in(rows), "not labelled"}
        order += sorted(set(shown["label"]) - set(order))
        shown = shown.sort_values("label", key=lambda labels: labels.map(order.index), kind="stable")
        known = pd.notna(first["task"]) and first["task"] != ""
        axes = tuple(
            f"component {k} ({100 * share:.0f} %)" for k, share in ((1, first["share1"]), (2, first["share2"]))
        )
        by = f", coloured by {first['task']}" if known else ""
        caption = f"{name}: {len(rows)} held-out frames on the first two principal components (shares of variance){by}."
        label = f"Map of the embedding of {name} on {dataset}; {axes[0]}, {axes[1]}"
        made.append((name, _points(shown, ("pc1", "pc2"), (axes[0], axes[1]), order, quiet, caption, label)))
        if "umap1" in rows and rows["umap1"].notna().any():
            caption = f"{name}: the same frames laid out by UMAP{by}. {UMAP_WARNING}"
            label = f"UMAP of the embedding of {name} on {dataset}"
            made.append(
                (
                    f"{name}, UMAP",
                    _points(shown, ("umap1", "umap2"), ("UMAP 1", "UMAP 2"), order, quiet, caption, label),
                )
            )
    return made


def _points(
    rows: pd.DataFrame,
    columns: tuple[str, str],
    titles: tuple[str, str],
    order: Sequence[str],
    quiet: Collection[str | None],
    caption: str,
    label: str,
) -> Interactive:
    return draw(
        rows,
        x=columns[0],
        y=columns[1],
        mark="points",
        group="label",
        frames=("recording", "frame"),
        quiet=[name for name in order if name in quiet],
        order=order,
        titles=titles,
        caption=caption,
        label=label,
    )


def efficiency(
    rows: pd.DataFrame, dataset: str, task: str, metric: str, every: Sequence[str] = ()
) -> Interactive | None:
    """Draw scores against the number of labelled groups; None where it was not measured.

    Parameters
    ----------
    rows : DataFrame
        Rows of `label_efficiency.csv` of one task: label, labelled, value, low, high.
    dataset, task : str
    metric : str
        Title of the metric, for the axis.
    every : sequence of str
        All methods of the experiment, for the colours.
    """
    if rows.empty:
        return None
    shown = rows.assign(labelled=pd.to_numeric(rows["labelled"], errors="coerce")).dropna(subset=["labelled", "value"])
    shown = shown.sort_values("labelled", kind="stable")
    ends = shown.groupby("label", sort=False)["value"].agg(["first", "last"])
    spoken = "; ".join(f"{name} {number(row['first'])} to {number(row['last'])}" for name, row in ends.iterrows())
    return draw(
        shown,
        x="labelled",
        y="value",
        group="label",
        low="low",
        high="high",
        inks=method_colours(shown["label"].astype(str), every),
        titles=("labelled groups in training", heading(metric) or "score"),
        caption=f"Label efficiency on {task}: held-out score by the number of labelled groups, lines are intervals.",
        label=f"Label efficiency on {task} of {dataset}: {spoken}",
    )


def tests_table(tests: pd.DataFrame, caption: str, csv_name: str) -> Table | None:
    """Show paired tests, the smallest p first; None where there are none."""
    if tests.empty:
        return None
    lines = []
    for row in tests.sort_values(["family", "p", "a", "b"], na_position="last").to_dict("records"):
        difference = with_interval(row["difference"], row["low"], row["high"], 3)
        note = "" if pd.isna(row["note"]) else str(row["note"])
        cells = (
            Cell(str(row["a"]), str(row["a"])),
            Cell(str(row["b"]), str(row["b"])),
            Cell(difference, float(row["difference"]) if math.isfinite(row["difference"]) else ""),
            _p(row["p"], note),
            _p(row["p_holm"]),
            _p(row["smallest_p"]),
            Cell(str(row["n_groups"]), float(row["n_groups"])),
        )
        lines.append(Row(cells, "chance" if row["family"] == "chance" else ""))
    metric = title_of(str(tests["metric"].iloc[0]))
    columns = (
        ("Method a", False),
        ("Method b", False),
        (f"{heading(metric)}, a − b [interval]", True),
        ("p", True),
        ("p, Holm", True),
        ("Smallest possible p", True),
        ("Groups", True),
    )
    return Table(caption, columns, tuple(lines), csv_name, csv_uri(tests))


def _p(value: float, note: str = "") -> Cell:
    if not math.isfinite(value):
        return Cell(note or NOTHING, "")
    return Cell("< 0.001" if value < 0.001 else f"{value:.3f}", float(value))


def ranks_table(ranks: pd.DataFrame, caption: str, csv_name: str) -> Table:
    """Show ranks with their intervals, best first."""
    lines = [
        Row(
            (
                Cell(str(row["label"]), str(row["label"])),
                Cell(with_interval(row["rank"], row["low"], row["high"]), float(row["rank"])),
                Cell(str(row["n_tasks"]), float(row["n_tasks"])),
                Cell(str(row["n_groups"]), float(row["n_groups"])),
            ),
            "chance" if row["chance"] in {True, "True"} else "",
        )
        for row in ranks.sort_values(["rank", "label"]).to_dict("records")
    ]
    columns = (("Method", False), ("Mean rank [interval]", True), ("Tasks", True), ("Groups", True))
    return Table(caption, columns, tuple(lines), csv_name, csv_uri(ranks))


def published_table(numbers: Sequence[Published], ours: dict[tuple[str, str], list[Score]], name: str) -> Table | None:
    """Set numbers of the literature beside our best; those nobody read in the source are marked.

    Parameters
    ----------
    numbers : sequence of Published
    ours : dict of (task, metric) to list of Score
        Our methods' values, best first.
    name : str
        Of the dataset or method, for the caption.
    """
    if not numbers:
        return None
    # Where nothing here is comparable, two columns of dashes would only press the sources together.
    beside = any((entry.task, entry.metric) in ours for entry in numbers)
    cited = _cited(numbers)
    lines = []
    for entry in numbers:
        found = ours.get((entry.task, entry.metric), [])
        mine = next((score for score in found if score.method == (entry.ours or entry.method)), None)
        best = found[0] if found else None
        cells = (
            Cell(entry.task, entry.task),
            Cell(title_of(entry.metric), entry.metric),
            Cell(entry.method, entry.method),
            Cell(number(entry.value, 3) + ("" if entry.verified else " (not verified)"), entry.value),
            *((_ours(mine), _ours(best)) if beside else ()),
            Cell(f"[{cited[_source(entry)]}] {entry.place}".rstrip(), entry.source),
        )
        lines.append(Row(cells, "" if entry.verified else "unverified"))
    columns = (
        ("Task", False),
        ("Metric", False),
        ("Published method", False),
        ("Published value", True),
        *((("The same method here", True), ("Best here", True)) if beside else ()),
        ("Source", False),
    )
    frame = pd.DataFrame([entry.model_dump(mode="json") for entry in numbers])
    caption = f"{name}: numbers from the literature; they came about in other ways, as the sources below say"
    return Table(caption, columns, tuple(lines), f"{name}-published.csv", csv_uri(frame))


def _ours(score: Score | None) -> Cell:
    if score is None:
        return Cell(NOTHING, "")
    return Cell(f"{score.label} {with_interval(score.value, score.low, score.high)}", score.value)


def _source(entry: Published) -> str:
    """Return a source with where it is and how its numbers came about."""
    where = f" ({entry.url})" if entry.url else ""
    return f"{entry.source}{where}{': ' if entry.protocol else ''}{entry.protocol}"


def _cited(numbers: Sequence[Published]) -> dict[str, int]:
    """Number the sources in the order in which the table names them."""
    return {text: k for k, text in enumerate(dict.fromkeys(map(_source, numbers)), 1)}


def protocols(numbers: Sequence[Published]) -> list[str]:
    """Say once for each source, by its number in the table, how its numbers came about and where it is."""
    return [f"[{k}] {text}" for text, k in _cited(numbers).items()]
