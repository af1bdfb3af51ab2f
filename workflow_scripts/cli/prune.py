"""`ethomake prune EXPERIMENT`: what an edited experiment no longer names."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.experiment.experiment import named_experiment
from workflow_scripts.workflow.leftovers import leftovers
from workflow_scripts.workflow.plan import planned_jobs
from workflow_scripts.workflow.workspace import snakefile

TARGETS = ("all", "paper_figures")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("experiment", help="name in config/experiments, or a YAML file")
    parser.add_argument("--delete", action="store_true", help="delete what is listed (default: only list it)")


def run(options: argparse.Namespace) -> None:
    """List the runs, figures and tables below `results/` that the experiment no longer has; delete them if asked."""
    experiment = named_experiment(options.places, options.experiment)
    results = Path("results") / experiment.name
    if not results.is_dir():
        raise InputError(results, "the folder does not exist", "run the experiment, or work in its folder")
    config = experiment.config.model_dump(mode="json")
    jobs = planned_jobs(snakefile(options.root), config, Path(), targets=TARGETS, finished=True)
    found = leftovers(results, (output for job in jobs for output in job.outputs))
    for path in found:
        print(path)
        if options.delete:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    if not found:
        print(f"Everything in {results} belongs to the experiment.")
    elif not options.delete:
        print(
            f"These are no part of {experiment.name} now; `ethomake prune {options.experiment} --delete` deletes them."
        )
