from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from workflow_scripts.plotting import style
from workflow_scripts.report import figures
from workflow_scripts.report.data import ReportData
from workflow_scripts.report.graph import by_stage, parse_rulegraph, rule_graph, stages
from workflow_scripts.report.ranking import rank_plot

DOT = """digraph snakemake_dag {
    graph[bgcolor=white, margin=0];
    node[shape=box, style=rounded, fontname=sans,                 fontsize=10, penwidth=2];
    edge[penwidth=2, color=grey];
\t0[label = "all", color = "0.17 0.6 0.85", style="rounded"];
\t1[label = "c", color = "0.50 0.6 0.85", style="rounded"];
\t2[label = "a", color = "0.00 0.6 0.85", style="rounded,dashed"];
\t3[label = "b", color = "0.33 0.6 0.85", style="rounded"];
\t1 -> 0
\t3 -> 1
\t2 -> 1
\t2 -> 3
\t2 -> 3
}
"""


def rows(**columns) -> pd.DataFrame:
    return pd.DataFrame({"metric": "macro_f1", "split": "official", "seed": 0, "readout": "probe", **columns})


@pytest.fixture
def s1(report_data: ReportData) -> pd.DataFrame:
    table = report_data.comparison
    return table[(table["dataset"] == "rats_pairs") & (table["task"] == "S1") & (table["split"] == "fold")]


def all_figures(data: ReportData, table: pd.DataFrame) -> dict[str, Figure]:
    example, matrix = data.examples[0], data.confusions[0]
    return {
        "methods": figures.method_bars(table, title="S1"),
        "classes": figures.class_bars(table, title="S1"),
        "ethogram": figures.ethogram(example.truth, example.predictions, example.vocabulary, example.fps, "1"),
        "confusion": figures.confusion(matrix.matrix, matrix.vocabulary, matrix.method),
        "rules": rule_graph(data.rules),
    }


def test_the_same_figure_gives_the_same_bytes(report_data: ReportData, s1: pd.DataFrame, tmp_path: Path) -> None:
    sums: list[dict[str, str]] = []
    for attempt in ("first", "second.0"):
        with mpl.rc_context({"font.size": 30, "savefig.dpi": 30}):  # the user's own settings must not matter
            made = all_figures(report_data, s1)
            files = [path for name, f in made.items() for path in style.save_figure(f, tmp_path / attempt / name)]
        sums.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files})
    assert sums[0] == sums[1]
    assert len(sums[0]) == 10
    assert len(set(sums[0].values())) == 10


def test_another_process_gives_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import sys; from workflow_scripts.report.graph import rule_graph;"
        "from workflow_scripts.plotting.style import save_figure, to_svg;"
        "f = rule_graph([('a', 'b'), ('b', 'c'), ('a', 'c'), ('x', 'c')]); save_figure(f, sys.argv[1]);"
        "open(sys.argv[1] + '.svg', 'w').write(to_svg(f, label='l', prefix='p'))"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": seed}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / seed)], check=True, env=environment)
    for suffix in ("pdf", "png", "svg"):
        assert (tmp_path / f"1.{suffix}").read_bytes() == (tmp_path / f"2.{suffix}").read_bytes(), suffix


def test_files_carry_no_date_and_no_producer(tmp_path: Path) -> None:
    pdf, png = style.save_figure(rule_graph([("a", "b")]), tmp_path / "lr~0.001")
    assert (pdf.name, png.name) == ("lr~0.001.pdf", "lr~0.001.png")
    assert not re.search(rb"/CreationDate|/Producer|/Creator", pdf.read_bytes())
    assert b"Software" not in png.read_bytes()


def test_bars_are_as_long_as_the_values_and_the_line_stands_at_chance() -> None:
    table = rows(
        method=["raw", "features", "prior"],
        value=[0.3, 0.6, 0.25],
        low=[0.2, 0.5, 0.2],
        high=[0.4, 0.7, 0.3],
        readout=["probe", "probe", "chance"],
    )
    figure = figures.method_bars(table)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["features", "raw", "prior"]
    assert [bar.get_width() for bar in axes.patches[:2]] == [0.6, 0.3]
    lines = [line.get_xdata() for line in axes.lines if line.get_color() == style.INK]
    assert [list(line) for line in lines[:3]] == [[0.5, 0.7], [0.2, 0.4], [0.2, 0.3]]
    assert list(lines[3]) == [0.25, 0.25]


def test_several_seeds_are_one_bar_with_every_seed_on_it() -> None:
    table = rows(method=["a"] * 3 + ["b"] * 3, value=[0.4, 0.5, 0.6, 0.1, 0.2, 0.95], seed=[0, 1, 2] * 2)
    (axes,) = figures.method_bars(table.assign(low=0.0, high=1.0)).axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.5, (0.1 + 0.2 + 0.95) / 3])
    assert sum(line.get_marker() == "o" for line in axes.lines) == 6


def test_errors_are_ranked_upwards() -> None:
    (axes,) = figures.method_bars(rows(method=["a", "b"], value=[3.0, 2.0], metric="mse"), "mse").axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["b", "a"]
    assert "lower is better" in axes.get_xlabel()


def test_the_value_of_a_bar_below_zero_is_beside_it() -> None:
    table = rows(method=["a", "b"], value=[-1.3, 0.1], low=[-2.0, 0.0], high=[-0.3, 0.2], metric="r2")
    (axes,) = figures.method_bars(table, "r2").axes
    assert {text.get_text(): text.xy[0] for text in axes.texts} == {"-1.30": 0.0, "0.10": 0.2}


def test_a_method_has_one_colour_in_every_figure_and_no_class_has_it() -> None:
    every = ["features", "pca", "raw"]
    few = rows(method=["raw", "pca"], value=[0.3, 0.6], low=[0.2, 0.5], high=[0.4, 0.7])
    bars = figures.method_bars(few, every=every).axes[0].patches
    of_classes = figures.class_bars(few.assign(metric="f1/walk"), every=every).axes[0].patches
    ranks = few.assign(label=few["method"], chance=False, rank=[2, 1], low=1, high=2)
    lines = [line for line in rank_plot(ranks, every=every).axes[0].lines if line.get_marker() == "o"]
    inks = style.method_colours(every)
    for drawn in ([bar.get_facecolor() for bar in bars], [bar.get_facecolor() for bar in of_classes]):
        assert [to_hex(ink) for ink in drawn] == [inks["pca"], inks["raw"]]
    assert [line.get_color() for line in lines] == [inks["pca"], inks["raw"]]
    assert not set(inks.values()) & set(style.class_colours([*"abcdefgh"]))
    variants = style.method_colours(["pca · native", "pca · probe"], every)
    assert [*style.method_colours(["raw", "features"], every)] == [
        "raw",
        "features",
    ]  # legends in the order of the bars
    assert variants["pca · native"] == inks["pca"] != variants["pca · probe"]
    assert len(set(style.method_colours([f"pca · {k}" for k in range(6)]).values())) == 6


def test_classes_have_a_bar_a_method_and_background_comes_last() -> None:
    table = rows(
        method=["a", "b", "majority"] * 2,
        metric=["f1/base"] * 3 + ["f1/chase/run"] * 3,
        value=[0.9, 0.8, 0.7, 0.5, 0.4, 0.0],
        readout=["probe", "probe", "chance"] * 2,
    )
    (axes,) = figures.class_bars(table, background="base").axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["chase/run", "base"]
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.4, 0.9, 0.8]
    assert [list(line.get_xdata()) for line in axes.lines] == [[0.0, 0.0], [0.7, 0.7]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]


def test_bars_by_class_have_the_order_of_the_other_figures() -> None:
    table = rows(metric=["f1/a", "f1/base", "f1/c", "f1/z"], value=0.5)
    (axes,) = figures.class_bars(table, background="base", vocabulary=["base", "z", "c", "unseen", "a"]).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["z", "c", "a", "base"]


def test_long_names_of_methods_leave_room_for_the_bars() -> None:
    points = [f"lisbet_with_a_long_name · recipe~{name}" for name in ("pretrain", "finetune", "supervised", "none")]
    table = pd.concat([rows(metric="f1/attack", value=[0.5], method=name, chance=False) for name in points])
    figure = figures.class_bars(table)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert axes.get_position().width > 0.7
    legend = axes.get_legend()
    assert legend is not None
    assert len({text.get_text() for text in legend.get_texts()}) == 4, "names were cut until they were the same"
    assert legend.get_window_extent().x1 <= figure.bbox.x1


def test_cut_names_still_differ() -> None:
    names = [f"features · components~{n}" for n in (0, 128)]
    cut = [style.shorten(name, 20) for name in names]
    assert len(set(cut)) == 2 and max(map(len, cut)) == 20
    assert style.shorten("pca") == "pca"


def test_no_value_is_said_in_words() -> None:
    nothing = rows(method=["a"], value=[np.nan])
    for figure in (figures.method_bars(nothing), figures.class_bars(nothing)):
        assert "No " in figure.texts[0].get_text()


def test_an_ethogram_shows_every_labelled_frame_once() -> None:
    truth = np.array([0, 0, 1, 1, -1, -1, 2, 0])
    figure = figures.ethogram(truth, {"pca": np.zeros(8, int)}, ("base", "a", "b"), fps=2.0)
    (axes,) = figure.axes
    spans = {
        (collection.get_facecolor().tobytes(), path.vertices[:, 0].min(), path.vertices[:, 0].max())
        for collection in axes.collections
        for path in collection.get_paths()
        if path.vertices[0, 1] < 0.5
    }
    assert sorted(ends for _, *ends in spans) == [[0, 1], [1, 2], [3, 3.5], [3.5, 4]]
    assert len({fill for fill, *_ in spans}) == 3
    assert axes.get_xlim() == (0, 4)


def test_confusion_shares_are_of_the_rows() -> None:
    (axes,) = figures.confusion(np.array([[3, 1], [0, 0]]), ("a", "b")).axes
    assert [text.get_text() for text in axes.texts] == ["0.75", "3", "0.25", "1"]
    with pytest.raises(ValueError, match="beside 3 classes"):
        figures.confusion(np.zeros((2, 2), int), ("a", "b", "c"))


def test_odd_names_are_drawn_as_they_are() -> None:
    names = ("_under", r"$\frac{a}{b}$", "a<b&c", "$")
    figure = figures.ethogram(np.arange(4), {}, names, fps=1.0, title="100 $ & <b>")
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert sorted(texts) == sorted(names)
    root = ET.fromstring(style.to_svg(figure, label='a "quote" & <b>', prefix="x"))
    assert root.attrib["aria-label"] == 'a "quote" & <b>'
    drawn = {"".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {*names, "100 $ & <b>"} <= drawn


def test_inline_svg_leaves_the_page_alone(s1: pd.DataFrame) -> None:
    one = style.to_svg(figures.class_bars(s1), label="l", prefix="one")
    two = style.to_svg(figures.class_bars(s1), label="l", prefix="two")
    assert "<style" not in one and "<metadata" not in one and "xlink" not in one
    assert not set(re.findall(r' id="([^"]+)"', one)) & set(re.findall(r' id="([^"]+)"', two))
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', one))
    assert used and used == set(re.findall(r' id="([^"]+)"', one))
    assert style.INK not in one and "currentColor" in one and "var(--figure-grid)" in one


def test_colours_differ_for_every_class() -> None:
    colours = style.class_colours([f"c{k}" for k in range(21)])
    assert len(set(colours)) == 21
    assert style.class_colours(["Base", "x", "other"], "Base") == [style.QUIET, *style.PALETTE[:2]]
    # No name is special: only the class that the card names is grey.
    assert style.QUIET not in style.class_colours(["other", "none", "background", "base", "rest", "idle"])


@pytest.mark.parametrize("fill", [*style.PALETTE, style.QUIET, "#00314d", "#f4f8fb"])
def test_text_on_a_fill_reads_well(fill: str) -> None:
    def luminance(value: str) -> float:
        channels = np.array(mpl.colors.to_rgb(value))
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted([luminance(fill), luminance(style.readable_on(fill))])
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_snakemakes_rule_graph_is_read() -> None:
    assert parse_rulegraph(DOT) == [("c", "all"), ("b", "c"), ("a", "c"), ("a", "b")]
    assert parse_rulegraph("digraph snakemake_dag {\n}\n") == []
    assert parse_rulegraph('digraph {\n0[label = "say \\"x\\"\\nid: 3"];\n1[label = "b"];\n0 -> 1\n}') == [
        ('say "x"', "b")
    ]


def test_rules_stand_below_what_they_need() -> None:
    figure = rule_graph([("a", "b"), ("b", "d"), ("a", "c"), ("c", "d"), ("a", "d"), ("d", "d"), ("d", "a")])
    at = {text.get_text(): text.get_position() for text in figure.axes[0].texts if text.get_text()}
    assert set(at) == {"a", "b", "c", "d"}
    assert at["a"][1] > at["b"][1] == at["c"][1] > at["d"][1]
    assert at["b"][0] != at["c"][0]
    assert len(rule_graph([]).texts) == 1


def test_rules_are_gathered_by_stage_with_their_jobs(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "Snakefile").write_text('include: "rules/one.smk"\ninclude: "rules/two.smk"\n')
    (tmp_path / "rules" / "one.smk").write_text("rule a:\n    output: 'a'\n\n\nrule b:\n    output: 'b'\n")
    (tmp_path / "rules" / "two.smk").write_text("rule c:\n    output: 'c'\n")
    found = stages(tmp_path)
    assert found == {"a": "one", "b": "one", "c": "two"} and stages(tmp_path / "rules") == {}
    edges = [("a", "b"), ("b", "c"), ("c", "own"), ("own", "all")]
    boxes, arrows = by_stage(edges, found, {"a": 3})
    assert {name: box.rules for name, box in boxes.items()} == {
        "one": (("a", 3), ("b", 0)),
        "two": (("c", 0),),
        "own": (("own", 0),),
    }
    assert arrows == [("one", "two"), ("two", "own")]
    words = [text.get_text() for text in rule_graph(edges, found, {"a": 3}).axes[0].texts]
    assert {"one", "3 jobs", "a", "b", "two", "own"} <= set(words)


def test_long_edges_go_round_the_boxes(report_data: ReportData) -> None:
    """No line of the drawing passes through a box it does not belong to."""
    axes = rule_graph(report_data.rules).axes[0]
    boxes = [patch.get_path().vertices for patch in axes.patches if hasattr(patch, "get_boxstyle")]
    assert len(boxes) == len({name for edge in report_data.rules for name in edge} - {"all"})
    for line in axes.lines:
        x, y = np.linspace(*np.array(line.get_xydata()), 50).T
        for box in boxes:
            inside = (x > box[:, 0].min()) & (x < box[:, 0].max()) & (y > box[:, 1].min()) & (y < box[:, 1].max())
            assert not inside[2:-2].any()
