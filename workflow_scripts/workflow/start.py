"""Run Snakemake with EthoMake's terminal: `python -m workflow_scripts.workflow.start [arguments for Snakemake]`.

The plugin is registered by hand, as Snakemake only looks for packages of certain names that are installed and not
editable. After a run that succeeded, five lines say what came out.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import types
from pathlib import Path

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.progress import FOLDER
from workflow_scripts.workflow.environment import QUIET, RESULTS

OWN_OUTPUT = ("--logger", "-n", "--dry-run", "--dryrun", "--quiet", "-q", "--verbose", "--debug-dag")
"""Options after which Snakemake prints what it always prints."""


def decorated(given: list[str]) -> bool:
    """Whether EthoMake's terminal is wanted for these arguments."""
    return not any(word.partition("=")[0] in OWN_OUTPUT for word in given)


def _register() -> None:
    from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

    module: types.ModuleType = importlib.import_module("workflow_scripts.workflow.live")
    LoggerPluginRegistry().register_plugin("snakemake_logger_plugin_ethomake", module)


def _snakemake(given: list[str]) -> int:
    """Run Snakemake in this process, so that signals reach it, and return its exit status."""
    from snakemake.cli import main

    try:
        main(given)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def ending(results: Path) -> str:
    """Say what came out of an experiment and what to do next.

    Parameters
    ----------
    results : Path
        `results/<experiment>`.

    Returns
    -------
    str
        Empty where there is no report.
    """
    from workflow_scripts.report.assemble import five_line_summary

    if not (results / "report" / "index.html").is_file():
        return ""
    try:
        return five_line_summary(results)
    except (EthoMakeError, OSError):
        return ""  # targets of the user's own choice need not include the tables


def main(given: list[str]) -> int:
    """Run Snakemake with the arguments `given`."""
    if not decorated(given):
        return _snakemake(given)
    _register()
    os.environ[QUIET] = "1"
    with tempfile.TemporaryDirectory(prefix="ethomake-") as folder:
        if sys.stderr.isatty():
            os.environ[FOLDER] = folder
        status = _snakemake([*given[: _end(given)], "--logger", "ethomake", *given[_end(given) :]])
    if status == 0 and (text := ending(Path(os.environ.get(RESULTS, "results")))):
        print(text)
    return status


def _end(given: list[str]) -> int:
    """Position of `--`, before which options go."""
    return given.index("--") if "--" in given else len(given)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
