"""The workflow as a layered drawing of its stages; no graphviz needed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from workflow_scripts.plotting.style import INK, shorten, styled

NODE = re.compile(r'^\s*(\w+)\s*\[\s*label\s*=\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)
EDGE = re.compile(r"^\s*(\w+)\s*->\s*(\w+)", re.MULTILINE)
INCLUDE = re.compile(r'^include:\s*"([^"]+)"', re.MULTILINE)
RULE = re.compile(r"^\s*(?:(?:rule|checkpoint) (\w+):|use rule \w+ as (\w+) with:)", re.MULTILINE)
Node = str | tuple[str, str, int]
"""A rule, or a bend of an edge (from, to, layer) that passes through a layer."""


def parse_rulegraph(dot: str) -> list[tuple[str, str]]:
    """Read the edges of `snakemake --rulegraph`.

    Parameters
    ----------
    dot : str
        Graphviz text as Snakemake prints it.

    Returns
    -------
    list of (str, str)
        Rule that makes, rule that needs; in the order of the text, without repetitions.
    """
    names = {number: re.sub(r"\\(.)", r"\1", label.split("\\n")[0]) for number, label in NODE.findall(dot)}
    edges = [(names[a], names[b]) for a, b in EDGE.findall(dot) if a in names and b in names]
    return list(dict.fromkeys(edges))


def _acyclic(edges: Sequence[tuple[str, str]]) -> nx.DiGraph:
    """Build the graph without loops (a rule may feed itself) and without edges that longer paths imply."""
    graph = nx.DiGraph()
    for edge in sorted(edges):
        if edge[0] != edge[1]:
            graph.add_edge(*edge)
        else:
            graph.add_node(edge[0])
    while not nx.is_directed_acyclic_graph(graph):
        graph.remove_edge(*nx.find_cycle(graph)[-1][:2])
    reduced = nx.transitive_reduction(graph)
    reduced.add_nodes_from(graph.nodes)
    return reduced


def _layers(graph: nx.DiGraph) -> tuple[list[list[Node]], nx.DiGraph]:
    """Put each rule in a layer and each long edge on bends, then order layers to cross few edges."""
    # Counted from the end, a rule is right above what needs it: side branches stay short.
    height = {node: level for level, layer in enumerate(nx.topological_generations(graph.reverse())) for node in layer}
    top = max(height.values(), default=0)
    depth = {node: top - level for node, level in height.items()}
    full = nx.DiGraph()
    layers: list[list[Node]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in sorted(depth):
        layers[depth[node]].append(node)
        full.add_node(node)
    for a, b in sorted(graph.edges):
        previous: Node = a
        for level in range(depth[a] + 1, depth[b]):
            bend = (a, b, level)
            layers[level].append(bend)
            full.add_edge(previous, bend)
            previous = bend
        full.add_edge(previous, b)
    for sweep in range(8):  # barycentre heuristic, down and up in turn
        down = sweep % 2 == 0
        for level in range(1, len(layers)) if down else range(len(layers) - 2, -1, -1):
            fixed = layers[level - 1 if down else level + 1]
            place = {node: index for index, node in enumerate(fixed)}
            centre = {}
            for index, node in enumerate(layers[level]):
                near = [place[n] for n in (full.predecessors(node) if down else full.successors(node))]
                centre[node] = sum(near) / len(near) if near else float(index)
            layers[level].sort(key=lambda node: (centre[node], str(node)))
    return layers, full


def stages(root: Path) -> dict[str, str]:
    """Read which stage each rule belongs to: the name of its file in `rules/`, in the order of the Snakefile.

    Parameters
    ----------
    root : Path
        EthoMake's folder; where its rules are not below it, there are no stages.
    """
    found: dict[str, str] = {}
    snakefile = root / "Snakefile"
    if not snakefile.is_file():
        return found
    for name in INCLUDE.findall(snakefile.read_text(encoding="utf-8")):
        path = root / name
        if path.is_file():
            names = (rule or derived for rule, derived in RULE.findall(path.read_text(encoding="utf-8")))
            found |= dict.fromkeys(names, path.stem)
    return found


@dataclass(frozen=True)
class Stage:
    """A box of the drawing: a stage, and its rules with the number of their jobs (0 where nobody counted)."""

    name: str
    rules: tuple[tuple[str, int], ...]


def by_stage(
    edges: Sequence[tuple[str, str]], stage_of: Mapping[str, str], jobs: Mapping[str, int]
) -> tuple[dict[str, Stage], list[tuple[str, str]]]:
    """Gather rules by stage.

    Parameters
    ----------
    edges : sequence of (str, str)
        From :func:`parse_rulegraph`.
    stage_of : mapping of str to str
        From :func:`stages`; a rule without one is a stage of its own.
    jobs : mapping of str to int
        Jobs of each rule.

    Returns
    -------
    boxes : dict of str to Stage
    arrows : list of (str, str)
        Between stages, without repetitions; the top target `all` is left out.
    """
    named = [name for name in dict.fromkeys(name for edge in edges for name in edge) if name != "all"]
    order = list(stage_of)
    named.sort(key=lambda name: (order.index(name) if name in stage_of else len(order), name))
    boxes: dict[str, list[tuple[str, int]]] = {}
    for name in named:
        boxes.setdefault(stage_of.get(name, name), []).append((name, jobs.get(name, 0)))
    arrows = [(stage_of.get(a, a), stage_of.get(b, b)) for a, b in edges if "all" not in (a, b)]
    return {name: Stage(name, tuple(rules)) for name, rules in boxes.items()}, list(
        dict.fromkeys(arrow for arrow in arrows if arrow[0] != arrow[1])
    )


@styled
def rule_graph(
    edges: Sequence[tuple[str, str]], stage_of: Mapping[str, str] | None = None, jobs: Mapping[str, int] | None = None
) -> Figure:
    """Draw the stages in layers, inputs on top; each names its rules and how many jobs they had.

    Parameters
    ----------
    edges : sequence of (str, str)
        From :func:`parse_rulegraph`. Edges that longer paths imply are left out of the drawing.
    stage_of, jobs : mapping, optional
        As of :func:`by_stage`.
    """
    boxes, arrows = by_stage(edges, stage_of or {}, jobs or {})
    graph = _acyclic(arrows)
    graph.add_nodes_from(boxes)
    layers, full = _layers(graph)
    if not layers:
        figure = Figure(figsize=(4, 0.8))
        figure.text(0.5, 0.5, "No rule depends on another", ha="center", va="center")
        return figure
    line, wide, gap = 0.17, 1.85, 0.34  # inches
    heights = {name: 0.3 + (line * len(box.rules) if _many(box) else 0.0) for name, box in boxes.items()}
    tops, floors, y = [], [], 0.0
    for layer in layers:
        tops.append(y)
        floors.append(y - max((heights[node] for node in layer if isinstance(node, str)), default=0.2))
        y = floors[-1] - gap
    at, widest = _columns(layers, wide)
    figure = Figure(figsize=(widest + 0.2, -y - gap + 0.2))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    level = {node: k for k, layer in enumerate(layers) for node in layer}
    for a, b in full.edges:
        # Straight down beside the boxes of its own layer; it turns aside in the gap alone.
        start = tops[level[a]] - (heights[a] if isinstance(a, str) else 0.0)
        axes.plot([at[a]] * 2, [start, floors[level[a]]], color=INK, linewidth=0.8)
        arrow = {"arrowstyle": "-|>" if isinstance(b, str) else "-", "color": INK, "linewidth": 0.8}
        ends = (at[b], tops[level[b]]), (at[a], floors[level[a]])
        axes.annotate("", *ends, arrowprops=arrow | {"shrinkA": 0, "shrinkB": 0})
    for layer in layers:
        for node in layer:
            if isinstance(node, str):
                _box(axes, boxes[node], at[node], tops[level[node]], wide - 0.2, heights[node], line)
    axes.set_xlim(-widest / 2 - 0.1, widest / 2 + 0.1)
    axes.set_ylim(y + gap - 0.1, 0.1)
    axes.set_axis_off()
    return figure


def _many(box: Stage) -> bool:
    return len(box.rules) > 1 or box.rules[0][0] != box.name


def _columns(layers: list[list[Node]], wide: float) -> tuple[dict[Node, float], float]:
    """Place boxes side by side; a bend of a long edge takes little room."""
    sizes = {node: wide if isinstance(node, str) else 0.25 for layer in layers for node in layer}
    widest = max(sum(sizes[node] for node in layer) for layer in layers)
    at: dict[Node, float] = {}
    for layer in layers:
        x = -sum(sizes[node] for node in layer) / 2
        for node in layer:
            at[node] = x + sizes[node] / 2
            x += sizes[node]
    return at, widest


def _box(axes: Axes, box: Stage, x: float, top: float, wide: float, high: float, line: float) -> None:
    shape = FancyBboxPatch((x - wide / 2, top - high), wide, high, boxstyle="round,pad=0,rounding_size=0.06")
    shape.set(facecolor="#d6ebf8", edgecolor=INK, linewidth=0.9)
    axes.add_patch(shape)
    total = sum(n for _, n in box.rules)
    black = "#000000"
    name = shorten(box.name, 13 if total else 19)
    axes.text(x - wide / 2 + 0.08, top - 0.15, name, va="center", color=black, weight="bold", fontsize=8.5)
    if total:
        text = f"{total} job{'s' if total > 1 else ''}"
        axes.text(x + wide / 2 - 0.08, top - 0.15, text, va="center", ha="right", fontsize=7, color=black)
    for place, (name, n) in enumerate(box.rules if _many(box) else ()):
        y = top - 0.3 - line * (place + 0.35)
        axes.text(x - wide / 2 + 0.12, y, shorten(name, 20), va="center", fontsize=7.5, color=black)
        if n:
            axes.text(x + wide / 2 - 0.08, y, str(n), va="center", ha="right", fontsize=7.5, color=black)
