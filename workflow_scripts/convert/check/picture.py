"""One page that shows what a dataset holds: `data/<dataset>/check.png`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec, SubplotSpec
from matplotlib.ticker import FuncFormatter, NullFormatter
from matplotlib.transforms import offset_copy

from workflow_scripts.cards.card import Card, Task
from workflow_scripts.convert.check.digests import BINS, Brief
from workflow_scripts.core.files import atomic_path
from workflow_scripts.plotting.style import GRID, INK, class_colours, colour, legend, legend_columns, shorten, style

MOST_PATHS = 12
"""Recordings whose trajectories are drawn; they are spread over the dataset."""
MOST_ROWS = 60
"""Recordings drawn as rows of a map."""
MOST_TABLE = 16
WIDTH = 13.0
EMPTY = "#f2f4f6"
MISSING_COLOURS = "Blues"


def spread(briefs: Sequence[Brief], most: int) -> list[Brief]:
    """Return so many recordings, evenly spread."""
    if len(briefs) <= most:
        return list(briefs)
    return [briefs[k] for k in np.linspace(0, len(briefs) - 1, most).round().astype(int)]


def draw(card: Card, briefs: Sequence[Brief], target: Path) -> Path:
    """Draw the page.

    Parameters
    ----------
    card : Card
    briefs : sequence of Brief
        At least one.
    target : Path
        PNG file to make, whole or not at all.
    """
    with style():
        tasks = [task for task in card.tasks if any(task in brief.ethogram for brief in briefs)]
        rows = min(len(briefs), MOST_ROWS)
        pictures = card.kind != "tracks"
        top = 3.4 if not pictures else 1.6 * -(-_pictures(briefs) // 6) + 0.4
        middle = [] if pictures else [2.6, max(1.2, 0.13 * rows + 0.7)]
        heights = [
            top,
            *middle,
            *(max(1.3, 0.13 * rows + 0.9) for _ in tasks),
            0.26 * min(len(briefs), MOST_TABLE) + 1.0,
        ]
        figure = Figure(figsize=(WIDTH, sum(heights) + 0.6))
        figure.suptitle(f"{card.name}: {len(briefs)} {_word(card.kind, len(briefs))}", x=0.01, ha="left", weight="bold")
        grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
        if pictures:
            _frames(figure, grid[0], briefs, card.kind)
        else:
            _paths(figure, grid[0], briefs)
            _summary(figure, grid[1], briefs)
            _gone(figure.add_subplot(grid[2]), briefs)
        for k, task in enumerate(tasks):
            _ethogram(figure, figure.add_subplot(grid[1 + len(middle) + k]), briefs, task, card)
        _table(figure.add_subplot(grid[len(heights) - 1]), briefs)
        with atomic_path(target) as part:
            figure.savefig(part, format="png", dpi=110, metadata={"Software": None})
    return target


def _word(kind: str, count: int) -> str:
    word = {"tracks": "recording", "clips": "video", "images": "file"}[kind]
    return word + ("" if count == 1 else "s")


def _pictures(briefs: Sequence[Brief]) -> int:
    return sum(len(brief.frames) for brief in _shown(briefs))


def _shown(briefs: Sequence[Brief]) -> list[Brief]:
    return spread(briefs, 8)


def _paths(figure: Figure, place: SubplotSpec, briefs: Sequence[Brief]) -> None:
    shown = spread(briefs, MOST_PATHS)
    columns = min(6, len(shown))
    grid = GridSpecFromSubplotSpec(-(-len(shown) // columns), columns, subplot_spec=place)
    names: list[str] = []
    axes = None
    for k, brief in enumerate(shown):
        axes = figure.add_subplot(grid[k])
        for who, name in enumerate(brief.individuals):
            if name not in names:
                names.append(name)
            axes.plot(*brief.paths[:, who].T, color=colour(names.index(name)), linewidth=0.4, alpha=0.8)
        if brief.image_size is not None:
            axes.set(xlim=(0, brief.image_size[0]), ylim=(brief.image_size[1], 0))
        else:
            axes.invert_yaxis()
        axes.set_aspect("equal", adjustable="box")
        axes.set_title(shorten(brief.id, 22), fontsize=8)
        axes.tick_params(labelsize=6)
    if axes is not None and names:
        legend(axes, [(name, colour(k)) for k, name in enumerate(names[:8])], columns=1, loc="upper left",
               bbox_to_anchor=(1.0, 1.0), fontsize=7)  # fmt: skip


def _summary(figure: Figure, place: SubplotSpec, briefs: Sequence[Brief]) -> None:
    """Missing by point, speeds by recording, length of labels against tracks."""
    labelled = any(brief.labelled for brief in briefs)
    ratios = (1.1, 1.3, 1) if labelled else (1.1, 2.3)
    grid = GridSpecFromSubplotSpec(1, len(ratios), subplot_spec=place, width_ratios=ratios)
    axes = figure.add_subplot(grid[0])
    points = list(dict.fromkeys(name for brief in briefs for name in brief.keypoints))
    shares = np.array([
        [dict(zip(one.keypoints, one.missing, strict=True)).get(name, np.nan) for name in points] for one in briefs
    ])  # fmt: skip
    place_of = np.arange(len(points))
    axes.barh(place_of, 100 * np.nanmean(shares, axis=0), color=colour(0), height=0.7)
    if len(briefs) > 1:
        axes.plot(100 * np.nanmax(shares, axis=0), place_of, "|", color=INK, markersize=7)
    axes.set_yticks(place_of, [shorten(name, 18) for name in points], fontsize=min(8, 160 / max(len(points), 1)))
    axes.set(xlim=(0, 100), xlabel="% of frames" + (" (mark: worst recording)" if len(briefs) > 1 else ""))
    axes.invert_yaxis()
    axes.set_title("Missing by point")
    _speeds(figure.add_subplot(grid[1]), briefs)
    if not labelled:
        return
    axes = figure.add_subplot(grid[2])
    frames = np.array([brief.n_frames / brief.fps for brief in briefs])
    labels = np.array([brief.label_frames / brief.fps for brief in briefs])
    top = float(frames.max()) * 1.05
    axes.plot([0, top], [0, top], color=GRID, linewidth=0.8)
    axes.plot(frames, labels, "o", color=colour(0), markersize=4, alpha=0.7)
    axes.set(xlim=(0, top), ylim=(-0.02 * top, top), xlabel="seconds of tracks", ylabel="seconds labelled")
    axes.set_title("Labels against tracks")


def _speeds(axes: Axes, briefs: Sequence[Brief]) -> None:
    shown = spread(briefs, MOST_ROWS)
    names = list(dict.fromkeys(name for brief in shown for name in brief.individuals))
    for k, brief in enumerate(shown):
        for who, name in enumerate(brief.individuals):
            low, first, median, third, high = brief.speeds[who]
            x = k + 0.7 * ((names.index(name) + 0.5) / len(names) - 0.5)
            axes.plot([x, x], [low, high], color=colour(names.index(name)), linewidth=0.6)
            axes.plot([x, x], [first, third], color=colour(names.index(name)), linewidth=2.4)
            axes.plot([x], [median], ".", color=INK, markersize=2.5)
    axes.set_yscale("symlog", linthresh=1)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(-0.6, len(shown) - 0.4)
    every = max(1, len(shown) // 12)
    axes.set_xticks(range(0, len(shown), every), [shorten(b.id, 8) for b in shown[::every]], fontsize=7, rotation=60)
    axes.set_ylabel(f"{shown[0].unit} a second")
    axes.set_title("Speed of the centre (5–99 %, quartiles)")


def _gone(axes: Axes, briefs: Sequence[Brief]) -> None:
    """Share of points missing by time, a row a recording, on one axis of seconds."""
    shown = spread(briefs, MOST_ROWS)
    longest = max(brief.n_frames / brief.fps for brief in shown)
    table = np.full((len(shown), BINS), np.nan)
    for k, brief in enumerate(shown):
        width = max(1, round(BINS * brief.n_frames / brief.fps / longest))
        table[k, :width] = brief.gone[np.minimum((np.arange(width) * len(brief.gone)) // width, len(brief.gone) - 1)]
    drawn = axes.imshow(100 * table, aspect="auto", interpolation="none", cmap=MISSING_COLOURS, vmin=0, vmax=100,
                        extent=(0, longest, len(shown) - 0.5, -0.5))  # fmt: skip
    axes.set_facecolor(EMPTY)
    bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.02, pad=0.01)
    bar.ax.tick_params(labelsize=7)
    _row_names(axes, shown)
    axes.set_title("Points missing by time (%)")


def _row_names(axes: Axes, shown: Sequence[Brief]) -> None:
    every = max(1, len(shown) // 30)
    axes.set_yticks(range(0, len(shown), every), [shorten(b.id, 20) for b in shown[::every]], fontsize=7)
    axes.set_xlabel("seconds", fontsize=8)
    axes.tick_params(axis="x", labelsize=7)


def _ethogram(figure: Figure, axes: Axes, briefs: Sequence[Brief], task: str, card: Card) -> None:
    shown = spread([brief for brief in briefs if task in brief.ethogram], MOST_ROWS)
    vocabulary = next(brief.vocabularies[task] for brief in shown)
    colours = label_colours(card.tasks[task], vocabulary)
    longest = max(brief.n_frames / brief.fps for brief in shown)
    picture = np.ones((len(shown), BINS, 3))
    picture[...] = to_rgb(EMPTY)
    palette = np.array([to_rgb(name) for name in colours])
    for k, brief in enumerate(shown):
        codes = brief.ethogram[task]
        width = max(1, round(BINS * brief.n_frames / brief.fps / longest))
        own = codes[np.minimum((np.arange(width) * len(codes)) // width, len(codes) - 1)]
        picture[k, :width] = np.where((own >= 0)[:, None], palette[np.maximum(own, 0)], 1.0)
    axes.imshow(picture, aspect="auto", interpolation="none", extent=(0, longest, len(shown) - 0.5, -0.5))
    _row_names(axes, shown)
    many = len(shown) < sum(task in brief.ethogram for brief in briefs)
    axes.set_title(f"Labels: {task}" + (f" ({len(shown)} of them)" if many else "") + "; white = not labelled")
    entries = list(zip(vocabulary, colours, strict=True))[:24]
    columns = legend_columns(list(vocabulary), WIDTH - 2, most=8)
    below = offset_copy(axes.transAxes, fig=figure, y=-24, units="points")
    legend(axes, entries, columns=columns, loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below)


def label_colours(task: Task, vocabulary: Sequence[str]) -> list[str]:
    """Return the colours of the report and of films: grey is the background, or of a binary task the first class.

    Where no background is stated, it is the class called `no …`.
    """
    background = task.background or (vocabulary[0] if task.kind == "binary" and len(vocabulary) else None)
    return class_colours(vocabulary, background or next((n for n in vocabulary if n.lower().startswith("no ")), None))


def _frames(figure: Figure, place: SubplotSpec, briefs: Sequence[Brief], kind: str) -> None:
    shown = [(brief, *frame) for brief in _shown(briefs) for frame in brief.frames]
    if not shown:
        return
    grid = GridSpecFromSubplotSpec(-(-len(shown) // 6), min(6, len(shown)), subplot_spec=place)
    for k, (brief, picture, found) in enumerate(shown):
        axes = figure.add_subplot(grid[k])
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axes.set_axis_off()
        axes.set_title(shorten(brief.id, 22), fontsize=7)
        if kind == "images" and found is not None:
            for j, (x, y) in enumerate(found):
                axes.plot(x, y, "o", color=colour(j), markersize=4)
            if k == 0:
                entries = [(name, colour(j)) for j, name in enumerate(brief.keypoints)]
                legend(axes, entries, columns=3, loc="upper left", bbox_to_anchor=(0, -0.02), fontsize=6.5)
        elif found is not None and np.isfinite(found).all():
            x1, y1, x2, y2 = found
            axes.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color=colour(1), linewidth=1.2)


def _table(axes: Axes, briefs: Sequence[Brief]) -> None:
    """Recordings with their frame rate, length, size, group and labels."""
    axes.set_axis_off()
    shown = spread(briefs, MOST_TABLE)
    header = ["recording", "group", "animal", "condition", "fps", "frames", "seconds", "size", "labelled", "classes"]
    stated = [any(brief.row.get(name) for brief in briefs) for name in header[2:4]]
    kept = [k for k in range(len(header)) if k not in (2, 3) or stated[k - 2]]
    rows = []
    for brief in shown:
        rate = (
            "–"
            if np.isnan(brief.fps)
            else f"{brief.fps:g}" + (f" (file {brief.source_fps:g})" if np.isfinite(brief.source_fps) else "")
        )
        size = "–" if brief.image_size is None else f"{brief.image_size[0]:g} × {brief.image_size[1]:g}"
        seconds = brief.n_frames / brief.fps if np.isfinite(brief.fps) else float("nan")
        rows.append([
            shorten(brief.id, 24), shorten(brief.group, 20), shorten(str(brief.row.get("animal", "")), 14),
            shorten(str(brief.row.get("condition", "")), 14), rate, str(brief.n_frames),
            f"{seconds:.1f}" if np.isfinite(seconds) else "–", size,
            f"{brief.label_frames / max(brief.n_frames, 1):.0%}", str(len(brief.classes)),
        ])  # fmt: skip
    header = [header[k] for k in kept]
    rows = [[row[k] for k in kept] for row in rows]
    table = axes.table([header, *rows], loc="upper left", cellLoc="left", edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(7.5)
    table.auto_set_column_width(list(range(len(header))))
    for column in range(len(header)):
        table[0, column].set_text_props(weight="bold")
    for cell in table.get_celld().values():
        cell.set_edgecolor(GRID)
    axes.set_title(f"Recordings ({len(shown)} of {len(briefs)})" if len(shown) < len(briefs) else "Recordings")
