"""`ethomake check NAME`: a dataset against its files, with a picture; or what an experiment would run."""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path

from workflow_scripts import methods
from workflow_scripts.cards.places import as_folders, known_names
from workflow_scripts.cli.tables import print_table, read_card
from workflow_scripts.convert.check import check_dataset, draw
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import nearest
from workflow_scripts.experiment.experiment import Experiment, named_experiment

MOST_LINES = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", help="a dataset, or an experiment: a name in config/experiments or a YAML file")
    parser.add_argument("--no-picture", action="store_true", help="do not draw data/<dataset>/check.png")


def run(options: argparse.Namespace) -> None:
    """Check a dataset or an experiment (both, where both have the name)."""
    is_dataset = options.name in known_names(options.places, "datasets")
    named = options.name.endswith((".yaml", ".yml")) or options.name in known_names(options.places, "experiments")
    if is_dataset:
        _dataset(options)
    if named or not is_dataset:
        if not named and not Path(options.name).exists():
            known = [*known_names(options.places, "datasets"), *known_names(options.places, "experiments")]
            near = nearest(options.name, known)
            end = "" if near.endswith("?") else "."
            raise ConfigError(f"There is neither a dataset nor an experiment {options.name!r}{near}{end}")
        _experiment(options)


def _dataset(options: argparse.Namespace) -> None:
    card = read_card(options.places, options.name)
    mirrors = [Path(mirror) for mirror in os.environ.get("ETHOMAKE_MIRRORS", "").split(os.pathsep) if mirror]
    found = check_dataset(card, as_folders(options.places)[0], mirrors)
    if found.briefs and not options.no_picture:
        target = draw(card, found.briefs, as_folders(options.places)[0] / "data" / card.name / "check.png")
        print(f"Drawn: {target}")
    notes = list(dict.fromkeys(found.notes))
    if notes:
        more = [f"… and {len(notes) - MOST_LINES} more"] if len(notes) > MOST_LINES else []
        print("Notes:", *notes[:MOST_LINES], *more, sep="\n  ")
    if found.problems:
        shown = list(dict.fromkeys(found.problems))
        more = [f"… and {len(shown) - MOST_LINES} more"] if len(shown) > MOST_LINES else []
        print("Problems:", *shown[:MOST_LINES], *more, sep="\n  ")
        raise ConfigError(
            f"The dataset {card.name!r} is not valid: {len(shown)} problem{'s' * (len(shown) > 1)}, listed above."
        )
    recordings, files = len(found.briefs), len(card.shards)
    opened = (
        f"{recordings} recording{'s' * (recordings != 1)} of {files} file{'s' * (files != 1)} opened" if files else ""
    )
    if card.simulate is not None:
        opened = "its files are simulated when it is first used"
    print(f"The dataset {card.name!r} is valid ({opened}).")


def _experiment(options: argparse.Namespace) -> None:
    experiment = named_experiment(options.places, options.name)
    problems = experiment_problems(experiment)
    if problems:
        print("Problems:", *problems[:MOST_LINES], sep="\n  ")
        raise ConfigError(
            f"The experiment {experiment.name!r} is not valid: {len(problems)} problem{'s' * (len(problems) > 1)}, "
            "listed above."
        )
    notes = _idle(experiment)
    if notes:
        print("Notes:", *notes, sep="\n  ")
    rows = [["dataset", "method", "setting", "splits", "seeds"]]
    for dataset in experiment.cards:
        for method in dict.fromkeys(run.method for run in experiment.runs if run.dataset == dataset):
            runs = [run for run in experiment.runs if (run.dataset, run.method) == (dataset, method)]
            for setting in dict.fromkeys(run.setting for run in runs):
                chosen = [run for run in runs if run.setting == setting]
                splits, seeds = {run.split for run in chosen}, {str(run.seed) for run in chosen}
                rows.append([dataset, method, setting, ", ".join(sorted(splits)), ", ".join(sorted(seeds))])
    print_table(rows)
    print(f"The experiment {experiment.name!r} is valid: {len(experiment.runs)} runs.")


def _idle(experiment: Experiment) -> list[str]:
    """Name options that have no effect in any run of a method on a dataset."""
    found: dict[tuple[str, str], set[str]] = {}
    for run in [*experiment.runs, *experiment.finals]:
        lines = set(methods.parse(run.program, run.options).idle_options())
        key = run.dataset, run.method
        found[key] = found[key] & lines if key in found else lines
    return [f"{dataset}, {method}: {line}" for (dataset, method), lines in found.items() for line in sorted(lines)]


def experiment_problems(experiment: Experiment) -> list[str]:
    """Return, in sentences, what would stop an experiment later on, though its files are well-formed.

    Parameters
    ----------
    experiment : Experiment
    """
    found: list[str] = []
    config = experiment.config
    if not config.datasets:
        found.append("The experiment names no dataset; list one under datasets.")
    if not config.methods:
        found.append("The experiment names no method; list one under methods, e.g. features: {}.")
    seen: set[str] = set()
    for run in [*experiment.runs, *experiment.finals]:
        card = experiment.cards[run.dataset]
        for line in methods.parse(run.program, run.options).check_card(card):
            if line not in seen:
                seen.add(line)
                found.append(f"{run.dataset}, {run.method}: {line}")
        for path in experiment.named_files(run):
            # Weights below results/ are made by other runs, and come first.
            if Path(path).parts[:1] != ("results",) and not Path(path).exists() and path not in seen:
                seen.add(path)
                found.append(f"methods.{run.method}: there is no file {path}, which its options name; check the path.")
    for method in config.methods:
        kind = methods.config_model(method).kind
        used = [name for name, use in config.datasets.items() if use.methods is None or method in use.methods]
        kinds = {experiment.cards[name].kind for name in used}
        if config.datasets and kind not in kinds:
            shown = ", ".join(sorted(kinds)) or "none"
            found.append(
                f"The method {method!r} reads {kind}, and no dataset of the experiment has them (only {shown})."
            )
        for name in used:
            named = config.datasets[name].methods
            if named is not None and method in named and experiment.cards[name].kind != kind:
                found.append(
                    f"{name}: the method {method!r} reads {kind}, and the dataset has {experiment.cards[name].kind}."
                )
    if config.umap and importlib.util.find_spec("umap") is None:
        found.append("umap is true, and umap-learn is not installed; pip install 'ethomake[umap]', or set umap: false.")
    if not (experiment.runs or experiment.finals) and not found:
        found.append("The experiment has no run; check datasets, methods and splits.")
    return found
