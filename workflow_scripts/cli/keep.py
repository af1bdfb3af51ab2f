"""Keep the tables of a finished experiment in the repository: `docs/results/<experiment>/`."""

from __future__ import annotations

import argparse
import os
import platform
from datetime import date
from pathlib import Path

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import digest, write_text
from workflow_scripts.formats.tables import read_small
from workflow_scripts.provenance.environment import git_state, versions
from workflow_scripts.report.claims import claims

TABLES = ("comparison.csv", "tests.csv", "ranks.csv", "settings.csv")
WHERE_MADE = ("label_efficiency.csv",)
"""Tables that not every experiment has."""


def _machine() -> str:
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{os.cpu_count()} × {name}, {platform.system()}"


def keep(root: Path, results: Path, day: date) -> Path:
    """Copy an experiment's tables to `docs/results/<experiment>/`, with a page on where they come from.

    Parameters
    ----------
    root : Path
        The project's folder.
    results : Path
        `results/<experiment>`.
    day : date
        When the experiment ran.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        When the experiment has not run to the end.
    """
    missing = [name for name in (*TABLES, "provenance/configuration.json") if not (results / name).is_file()]
    if missing:
        raise ConfigError(f"{results} lacks {', '.join(missing)}; run the experiment to the end first.")
    folder = root / "docs" / "results" / results.name
    for name in [*TABLES, *(name for name in WHERE_MADE if (results / name).is_file())]:
        write_text(folder / name, (results / name).read_text(encoding="utf-8"))
    state = git_state(root)
    facts = {
        "date": day.isoformat(),
        "commit": state["commit"] + (" with uncommitted changes" if state["uncommitted changes"] == "yes" else ""),
        "machine": _machine(),
        "configuration sha256": digest(results / "provenance" / "configuration.json"),
        **{name: value for name, value in versions().items() if value != "not installed"},
    }
    found = claims(read_small(results / "tests.csv"))
    lines = [f"# Results of the experiment `{results.name}`", "", "| what | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts.items()]
    lines += ["", "What its report says of each task:", ""]
    lines += [f"- {claim.finding} {claim.certainty}" for claim in found]
    lines += ["", f"Columns are those of `results/<experiment>/`. Made by `ethomake keep {results.name}`.", ""]
    page = folder / "README.md"
    write_text(page, "\n".join(lines))
    return page


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("experiment", help="name of the experiment")


def run(options: argparse.Namespace) -> None:
    """Copy a finished experiment's tables to docs/results, with date, commit and machine."""
    results = Path("results") / options.experiment
    table = results / "comparison.csv"
    day = date.fromtimestamp(table.stat().st_mtime) if table.is_file() else date.min
    print(f"Kept: {keep(options.root, results, day)}")
