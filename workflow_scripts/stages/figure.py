"""Draw one figure from the small tables: PDF, PNG, the numbers drawn, a caption, and where all of it came from."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from workflow_scripts.core.files import digest, write_json, write_text
from workflow_scripts.core.tables import write_csv
from workflow_scripts.experiment.figure_kinds import KINDS
from workflow_scripts.formats.tables import read_small, read_table
from workflow_scripts.plotting.style import save_figure, style
from workflow_scripts.provenance.environment import versions
from workflow_scripts.report.figures import empty
from workflow_scripts.stages import parser, start
from workflow_scripts.workflow.digest import code_digest


def work(options: argparse.Namespace) -> None:
    """Run the stage."""
    kind = KINDS[options.kind]
    paths = {name: options.results / name for name in kind.tables}
    tables = {name: read_table(path) if name == "comparison.csv" else read_small(path) for name, path in paths.items()}
    module, function = kind.function.split(":")
    with style():
        plate = getattr(importlib.import_module(f"workflow_scripts.{module}"), function)(tables, **options.select)
        figure, data, caption = plate or _nothing()
    save_figure(figure, options.stem)
    write_csv(f"{options.stem}.csv", data, float_format="%.10g")
    write_text(f"{options.stem}.txt", caption + "\n")
    origin = {
        "figure": options.stem.name,
        "kind": options.kind,
        "select": options.select,
        "experiment": options.results.name,
        "tables": {name: digest(path) for name, path in paths.items()},
        "configuration": digest(options.config),
        "code": code_digest("stages.figure", module),
        "versions": versions(),
    }
    write_json(f"{options.stem}.json", origin)


def _nothing() -> tuple[Figure, pd.DataFrame, str]:
    text = "The tables hold nothing to draw here."
    return empty(text), pd.DataFrame(), text


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="results/<experiment>")
    arguments.add_argument("--config", type=Path, required=True, help="the resolved configuration")
    arguments.add_argument("--kind", required=True, choices=sorted(KINDS))
    arguments.add_argument("--select", type=json.loads, required=True, help="JSON: what the figure shows")
    arguments.add_argument("--stem", type=Path, required=True, help="path of the files without ending")
    start(arguments, work)
