"""The self-contained HTML report."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from workflow_scripts.core.files import write_text
from workflow_scripts.plotting.style import to_svg
from workflow_scripts.report import views
from workflow_scripts.report.claims import claims
from workflow_scripts.report.data import ReportData, orphans
from workflow_scripts.report.graph import by_stage, rule_graph
from workflow_scripts.report.heat import heat_map
from workflow_scripts.report.packed import packed
from workflow_scripts.report.page import (
    DatasetView,
    MethodView,
    counted,
    dataset_view,
    method_views,
)
from workflow_scripts.report.pictures import DataPictures, Scene, page_data, read_pictures, scene
from workflow_scripts.report.rank_views import Plot, rank_blocks, rows_of
from workflow_scripts.report.sections import SectionView
from workflow_scripts.report.summary import failures, headline, plural, sentence, undefined, verdicts
from workflow_scripts.report.tables import methods_in

SCRIPTS = ("page", "film", "find")
"""Parts of the page's script, in `templates/`."""


def _template(name: str) -> str:
    return resources.files("workflow_scripts.report").joinpath("templates", name).read_text(encoding="utf-8")


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["quoted"] = _quoted
    made.filters["soft"] = _soft
    return made


def _quoted(text: str) -> Markup:
    """Escape JSON for an attribute in single quotes: its many double quotes stay one letter each."""
    for letter, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;")):
        text = text.replace(letter, entity)
    return Markup(text)  # noqa: S704 - escaped just above


def _soft(name: str) -> Markup:
    """Escape a name and let it break after its underscores, not inside its words."""
    return Markup("_<wbr>").join(str(name).split("_"))


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


def _graph(data: ReportData) -> Plot | None:
    if not data.rules:
        return None
    jobs = {str(row["rule"]): int(row["jobs"]) for row in data.timings.to_dict("records")}
    boxes, arrows = by_stage(data.rules, data.stages, jobs)
    words = "; ".join(
        f"{name}: {', '.join(f'{rule} ({n} jobs)' if n else rule for rule, n in box.rules)}"
        for name, box in boxes.items()
    )
    follows = "; ".join(f"{a} → {b}" for a, b in arrows)
    return Plot(
        to_svg(rule_graph(data.rules, data.stages, jobs), label=f"Stages: {words}. Order: {follows}", prefix="rules"),
        "Stages of the workflow, inputs on top, each with its rules and the number of their jobs. "
        "A rule without a number keeps no count. Arrows that longer paths imply are left out.",
    )


def _scene(item: DatasetView, found: Mapping[str, DataPictures]) -> Scene | None:
    name = item.section.name
    return scene(name, found[name]) if name in found else None


def _counts(data: ReportData) -> list[tuple[str, str]]:
    """Return what a reader must know of before anything else, each with its level; the details come last."""
    found = [("error", f"{len(data.quarantined)} quarantined")] if data.quarantined else []
    found += [("error", "leak audit failed")] if data.leaks is not None and len(data.leaks.findings) else []
    failed = failures(data.comparison)
    found += [("warning", f"{plural(failed, 'row')} of failed runs")] if failed else []
    return found + counted(data.notices)


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def render(data: ReportData) -> str:
    """Return the page as text; see :func:`write_report`."""
    sections = [*data.datasets, *orphans(data)]
    datasets = [dataset_view(data, section, index) for index, section in enumerate(sections)]
    methods = method_views(data)
    own = [item for item in data.sections if not (item.dataset or item.method)]
    script, plotly = "".join(_template(f"{name}.js") for name in SCRIPTS), get_plotlyjs()
    found = read_pictures(data.pictures)
    judged = verdicts(data.comparison)
    links = {(item.section.name, task.name): task.id for item in datasets for task in item.tasks}
    context: dict[str, Any] = {
        "data": data,
        "headline": headline(judged),
        "sentences": [sentence(v) for v in judged],
        "heatmap": heat_map(data.comparison, links),
        "unlabelled": bool(data.datasets) and not any(section.tasks for section in data.datasets),
        "scenes": [(item, made) for item in datasets if (made := _scene(item, found)) is not None],
        "unfilmed": {
            item.id: made
            for item in datasets
            if not any(e.film for task in item.tasks for e in task.ethograms)
            and (made := _scene(item, found)) is not None
        },
        "counted": _counts(data),
        "failed": failures(data.comparison),
        "undefined": undefined(data.comparison),
        "broken": views.broken(data.comparison),
        "claims": claims(data.tests) if len(data.tests) else [],
        "ranks": rank_blocks(
            rows_of(data.ranks, scope="all"), "over the datasets", "ranks", methods_in(data.comparison)
        ),
        "overview": views.overview(data.comparison),
        "datasets": datasets,
        "methods": methods,
        "own": own,
        "navigation": _navigation(datasets, methods, own),
        "quality": [(section, views.quality(section)) for section in sections if section.recordings],
        "leaks": None if data.leaks is None else views.leaks(data.leaks),
        "graph": _graph(data),
        "timings": views.timings(data.timings),
        "versions": views.pairs("Versions", ("library", "version"), data.versions),
        "provenance": views.pairs("Where this report comes from", ("what", "value"), data.provenance),
        "config": yaml.safe_dump(data.config, sort_keys=False, allow_unicode=True, width=100),
        "css": _environment().get_template("style.css").render(),
        "script": script,
        "plotly": packed(plotly),
        "pictures": packed(page_data(found)) if found else "",
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
