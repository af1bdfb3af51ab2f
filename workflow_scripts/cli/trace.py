"""Say where a result came from: from a figure or table back to the downloads."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workflow_scripts.cards.card import Card
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import digest, read_json, read_yaml
from workflow_scripts.core.redact import redact
from workflow_scripts.experiment.experiment import Experiment, Places, load_experiment
from workflow_scripts.workflow.environment import NOTES


def trace(places: Places, path: Path) -> Iterator[str]:
    """Tell, line by line, what a file of `results/<experiment>/` hangs on.

    Parameters
    ----------
    places : Path or sequence of Path
        Folders that hold `config/`.
    path : Path
        A figure (any of its files), table or run below `results/<experiment>/`; `data/` and `resources/` lie beside
        `results/`.

    Yields
    ------
    str
        Lines, indented by distance. A table whose checksum is no longer the one that the figure was drawn from is
        marked.

    Raises
    ------
    InputError
        When the file is absent, or no experiment's folder is above it.
    """
    if not path.exists():
        raise InputError(path, "the file does not exist", "name a file below results/<experiment>/")
    results = next((above for above in path.resolve().parents if above.parent.name == "results"), None)
    # Of a single file that was asked for by name, the configuration is only among what the jobs read.
    known = [] if results is None else [results / CONFIGURATION, _resolved(results)]
    configuration = next((file for file in known if file.is_file()), None)
    if results is None or configuration is None:
        raise InputError(path, f"no folder above it holds {CONFIGURATION}", "name a file below results/<experiment>/")
    stored = read_json(configuration)
    experiment = load_experiment(places, stored.get("config", stored))
    yield f"{path.name}, of the experiment {experiment.name}"
    origin = path.with_suffix(".json")
    selected: dict[str, str] = {}
    if path.parent.name == "figures" and origin.is_file():
        stored = read_json(origin)
        selected = stored["select"]
        yield from _figure(stored, results)
    yield f"  configuration {configuration}, sha256 {digest(configuration)}"
    datasets = [selected["dataset"]] if "dataset" in selected else list(experiment.cards)
    for dataset in datasets:
        yield from _runs(experiment, dataset, results)
        yield from _dataset(experiment.cards[dataset], results.parents[1])


CONFIGURATION = "provenance/configuration.json"


def _resolved(results: Path) -> Path:
    """File of the experiment that the jobs in the folder above `results/` read."""
    return results.parents[1] / NOTES / "experiments" / f"{results.name}.json"


def _figure(stored: dict[str, Any], results: Path) -> Iterator[str]:
    shown = ", ".join(f"{key} {value}" for key, value in stored["select"].items())
    yield f"  figure of the kind {stored['kind']} ({shown}), code {stored['code']}"
    yield "  drawn with " + ", ".join(f"{name} {version}" for name, version in stored["versions"].items())
    for name, checksum in stored["tables"].items():
        table = results / name
        state = "" if table.is_file() and digest(table) == checksum else "  CHANGED since it was drawn"
        yield f"  from {name}, sha256 {checksum}{state}"


def _runs(experiment: Experiment, dataset: str, results: Path) -> Iterator[str]:
    for run in experiment.runs:
        if run.dataset != dataset:
            continue
        folder = results / run.trained.path()
        yield f"    run {run.path()}" + (f", trained as {run.shared.path()}" if run.shared else "")
        if (folder / "hparams.yaml").is_file():
            versions = read_yaml(folder / "hparams.yaml")["versions"]
            weights = folder / "weights_best.safetensors"
            checksum = digest(weights) if weights.is_file() else "absent"
            yield f"      weights sha256 {checksum}; torch {versions['torch']}, ethomake {versions['ethomake']}"


def _dataset(card: Card, base: Path) -> Iterator[str]:
    yield f"    dataset {card.name}: {card.licence}"
    for file in card.files:
        local = base / "resources" / card.name / file.path
        there = f"here, sha256 {digest(local)}" if local.is_file() else "not here"
        asked = f", card asks for {'sha256 ' + file.sha256 if file.sha256 else 'md5 ' + str(file.md5)}"
        if card.simulate:
            yield f"      {file.path} ({there}), made by simulate/{card.simulate.generator}"
        else:
            yield f"      {file.path} ({there}{asked if file.sha256 or file.md5 else ''})"
            for url in file.urls:
                yield f"        from {redact(url)}"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("path", type=Path, help="a file below results/<experiment>/")


def run(options: argparse.Namespace) -> None:
    """Print where a figure or table came from, back to the downloads."""
    for line in trace(options.places, options.path):
        print(line)
