"""The workflow's rules as a layered drawing; no graphviz needed."""

from __future__ import annotations

import re
from collections.abc import Sequence

import networkx as nx
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from workflow_scripts.plotting.style import INK, colour, shorten, styled

NODE = re.compile(r'^\s*(\w+)\s*\[\s*label\s*=\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)
EDGE = re.compile(r"^\s*(\w+)\s*->\s*(\w+)", re.MULTILINE)
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


@styled
def rule_graph(edges: Sequence[tuple[str, str]]) -> Figure:
    """Draw the rules in layers, inputs on top.

    Parameters
    ----------
    edges : sequence of (str, str)
        From :func:`parse_rulegraph`. Edges that longer paths imply are left out of the drawing.
    """
    layers, full = _layers(_acyclic(edges))
    if not layers:
        figure = Figure(figsize=(4, 0.8))
        figure.text(0.5, 0.5, "No rule depends on another", ha="center", va="center")
        return figure
    widest = max(map(len, layers))
    step, wide, high = 1.55, 1.3, 0.34  # inches
    figure = Figure(figsize=(max(3.2, step * widest + 0.2), 0.68 * len(layers) + 0.1))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    at: dict[Node, tuple[float, float]] = {}
    for level, layer in enumerate(layers):
        for index, node in enumerate(layer):
            at[node] = ((index - (len(layer) - 1) / 2) * step, -0.68 * level)
    for a, b in full.edges:
        (x0, y0), (x1, y1) = at[a], at[b]
        if isinstance(a, str):
            y0 -= high / 2
        if isinstance(b, str):
            axes.annotate(
                "",
                (x1, y1 + high / 2),
                (x0, y0),
                arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0},
            )
        else:
            axes.plot([x0, x1], [y0, y1], color=INK, linewidth=0.9)
    for node, (x, y) in at.items():
        if isinstance(node, str):
            box = FancyBboxPatch(
                (x - wide / 2, y - high / 2), wide, high, boxstyle="round,pad=0,rounding_size=0.08", linewidth=1.2
            )
            box.set(facecolor=colour(5), edgecolor=INK)
            axes.add_patch(box)
            axes.text(x, y, shorten(node, 17), ha="center", va="center", fontsize=8.5, color="#000000")
    half = figure.get_figwidth() / 2
    axes.set_xlim(-half, half)
    axes.set_ylim(-0.68 * (len(layers) - 1) - high / 2 - 0.08, high / 2 + 0.08)
    axes.set_axis_off()
    return figure
