"""The command `ethomake`: one module per command, imported when it is the one that was typed."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts import __version__
from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.workflow.workspace import places

COMMANDS = {
    "init": "Make a workspace: a folder of your own with config/ and a Snakefile.",
    "datasets": "List the datasets that have a card.",
    "card": "Print a dataset's card.",
    "new-dataset": "Propose a card and a sheet for your own files; print what was found, guessed and left out.",
    "new-experiment": "Write an experiment on a dataset, with comments.",
    "experiments": "List the experiments, here and in EthoMake.",
    "methods": "List the methods and what they take.",
    "sources": "List the file formats of recordings and labels that are read.",
    "check": "Validate a dataset (and draw it) or an experiment (and print what it would run).",
    "run": "Run an experiment; arguments after its name go to Snakemake.",
    "plan": "Predict an experiment's jobs, memory, hours and GPU hours, rule by rule.",
    "prune": "List (or delete) results of runs that an edited experiment no longer has.",
    "predict": "Predict files with a trained run.",
    "film": "Film what a run says: a recording, snippets of its classes, its motifs.",
    "suggest": "Choose what to label next, and say what the last round gained.",
    "embed": "Embed a converted dataset with a run, trained or imported.",
    "bounds": "Score without the frames near borders of labels, and beside missing points: what bounds the scores.",
    "summary": "Print five lines about a finished experiment.",
    "keep": "Copy a finished experiment's tables to docs/results.",
    "trace": "Print where a figure or table came from, back to the downloads.",
    "export-bouts": "Write a run's predictions for other programs.",
    "export-labels": "Write a dataset's labels for other programs.",
    "export-clips": "Cut a dataset's training clips out of its videos, a file each.",
    "import-run": "Make a run of a model that a published program trained.",
    "export-original": "Write a trained run in the file layout of the published program.",
    "train-detector": "Fine-tune RT-DETRv2 on your own boxed videos and score it on held-out ones.",
    "evaluate-mabe": "Score a MABe 2022 submission with the linear evaluator.",
    "daart": "Train the grid that a daart project's three YAML files span.",
    "daart-job": "Do one job of Snakefile.daart, which spreads that grid over jobs.",
    "config": "Check that the generated configuration files fit the models.",
}
"""Name → what it does; the module has the same name, with `_` for `-`, and two functions, `arguments` and `run`."""


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """Return the parser, complete for the chosen command; the others only have their line in the help."""
    parser = argparse.ArgumentParser(prog="ethomake", description="Datasets, cards and checks around the workflow.")
    parser.add_argument("--version", action="version", version=f"ethomake {__version__}")
    parser.add_argument(
        "--root", type=Path, help="the folder that holds config/ (default: this one first, EthoMake's own second)"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == chosen:
            module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
            module.arguments(command)
            command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; an error that the user can fix is one sentence on stderr and exit status 1.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process where empty.

    Returns
    -------
    int
        Exit status.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser(next((word for word in given if word in COMMANDS), None)).parse_args(given)
    try:
        # Files are looked up in `places` and written below `root`.
        options.places = places(options.root)
        options.root = options.places[0]
        options.run(options)
    except EthoMakeError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # `ethomake card NAME | head`
        sys.stderr.close()
    return 0
