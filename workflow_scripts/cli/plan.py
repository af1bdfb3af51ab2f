"""`ethomake plan EXPERIMENT`: what an experiment's jobs will ask a cluster for."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_scripts.cli.tables import print_table
from workflow_scripts.experiment.experiment import named_experiment
from workflow_scripts.workflow.plan import by_rule, planned_jobs
from workflow_scripts.workflow.workspace import snakefile


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("experiment", help="name in config/experiments, or a YAML file")
    parser.add_argument("--remaining", action="store_true", help="only what is not finished in this folder")


def run(options: argparse.Namespace) -> None:
    """Print what Snakemake plans for an experiment, rule by rule."""
    config = named_experiment(options.places, options.experiment).config.model_dump(mode="json")
    folder = Path() if options.remaining else None
    planned = by_rule(planned_jobs(snakefile(options.root), config, folder))
    rows = [["rule", "jobs", "cores", "memory (MB)", "core hours", "GPU hours"]]
    for rule in planned:
        numbers = (rule.jobs, rule.cores, rule.mem_mb, f"{rule.hours:.1f}", f"{rule.gpu_hours:.1f}")
        rows.append([rule.rule, *map(str, numbers)])
    hours, gpu_hours = sum(rule.hours for rule in planned), sum(rule.gpu_hours for rule in planned)
    rows.append(["all", str(sum(rule.jobs for rule in planned)), "", "", f"{hours:.1f}", f"{gpu_hours:.1f}"])
    print_table(rows)
    print("Hours are what the scheduler is asked for: several times what jobs took where this was measured.")
