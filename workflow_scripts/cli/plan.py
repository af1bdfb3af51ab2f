"""`ethomake plan EXPERIMENT`: what an experiment's jobs will ask a cluster for."""

from __future__ import annotations

import argparse

from workflow_scripts.cli.tables import print_table
from workflow_scripts.experiment.experiment import named_experiment
from workflow_scripts.workflow.resources import plan


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("experiment", help="name in config/experiments, or a YAML file")


def run(options: argparse.Namespace) -> None:
    """Print what an experiment's jobs will ask a cluster for, rule by rule."""
    planned = plan(named_experiment(options.root, options.experiment))
    rows = [["rule", "jobs", "cores", "memory (MB)", "core hours", "GPU hours"]]
    for rule in planned:
        numbers = (rule.jobs, rule.cores, rule.mem_mb, f"{rule.hours:.1f}", f"{rule.gpu_hours:.1f}")
        rows.append([rule.rule, *map(str, numbers)])
    hours, gpu_hours = sum(rule.hours for rule in planned), sum(rule.gpu_hours for rule in planned)
    rows.append(["all", str(sum(rule.jobs for rule in planned)), "", "", f"{hours:.1f}", f"{gpu_hours:.1f}"])
    print_table(rows)
    print("Hours are what the scheduler is asked for: several times what jobs took where this was measured.")
