"""The self-contained HTML report."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import yaml
from plotly.offline import get_plotlyjs

from workflow_scripts.core.files import write_text
from workflow_scripts.plotting.style import to_svg
from workflow_scripts.report import views
from workflow_scripts.report.claims import claims
from workflow_scripts.report.data import ReportData
from workflow_scripts.report.graph import rule_graph
from workflow_scripts.report.page import (
    DatasetView,
    MethodView,
    Plot,
    dataset_view,
    method_views,
    orphans,
    rank_blocks,
    rows_of,
)
from workflow_scripts.report.sections import SectionView
from workflow_scripts.report.summary import failures, sentence, verdicts


def _template(name: str) -> str:
    return resources.files("workflow_scripts.report").joinpath("templates", name).read_text(encoding="utf-8")


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _navigation(
    datasets: list[DatasetView], methods: list[MethodView], own: list[SectionView]
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the groups of links: title, then (id, name) of each tab."""
    groups = [
        ("Experiment", [("summary", "Summary")]),
        ("Datasets", [(item.id, item.section.name) for item in datasets]),
        ("Methods", [(item.id, item.name) for item in methods]),
        ("More", [(f"{item.id}-tab", item.title) for item in own]),
        ("Behind it", [("quality", "Data quality"), ("workflow", "Workflow"), ("provenance", "Provenance")]),
    ]
    return [group for group in groups if group[1]]


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def render(data: ReportData) -> str:
    """Return the page as text; see :func:`write_report`."""
    sections = [*data.datasets, *orphans(data)]
    datasets = [dataset_view(data, section, index) for index, section in enumerate(sections)]
    methods = method_views(data)
    own = [item for item in data.sections if not (item.dataset or item.method)]
    script, plotly = _template("report.js"), get_plotlyjs()
    graph = None
    if data.rules:
        words = "; ".join(f"{a} → {b}" for a, b in data.rules)
        graph = Plot(
            to_svg(rule_graph(data.rules), label=f"Rule graph: {words}", prefix="rules"),
            "Rules of the workflow, inputs on top. Arrows that longer paths imply are left out.",
        )
    context: dict[str, Any] = {
        "data": data,
        "sentences": [sentence(v) for v in verdicts(data.comparison)],
        "failed": failures(data.comparison),
        "broken": views.broken(data.comparison),
        "claims": claims(data.tests) if len(data.tests) else [],
        "ranks": rank_blocks(rows_of(data.ranks, scope="all"), "over the datasets", "ranks"),
        "overview": views.overview(data.comparison),
        "datasets": datasets,
        "methods": methods,
        "own": own,
        "navigation": _navigation(datasets, methods, own),
        "quality": [(section, views.quality(section)) for section in sections if section.recordings],
        "leaks": None if data.leaks is None else views.leaks(data.leaks),
        "graph": graph,
        "timings": views.timings(data.timings),
        "versions": views.pairs("Versions", ("library", "version"), data.versions),
        "provenance": views.pairs("Where this report comes from", ("what", "value"), data.provenance),
        "config": yaml.safe_dump(data.config, sort_keys=False, allow_unicode=True, width=100),
        "css": _template("style.css"),
        "script": script,
        "plotly": plotly,
        # Only these very scripts may run: text that slipped through all escaping would still be refused.
        "script_hashes": [_hash(script), _hash(plotly)],
    }
    return _environment().get_template("index.html").render(context)


def write_report(data: ReportData, path: str | Path) -> None:
    """Write the report: one HTML file that needs neither network nor neighbours.

    Parameters
    ----------
    data : ReportData
    path : str or Path
        The HTML file, made whole or not at all. The same data gives the same bytes.
    """
    write_text(path, render(data))
