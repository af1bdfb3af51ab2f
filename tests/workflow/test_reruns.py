"""After any edit of an experiment one run leaves what a fresh folder would hold, and a second plans nothing."""

from __future__ import annotations

import copy
import filecmp
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Config = dict[str, Any]
FOLDERS = ("workflow_scripts", "rules", "config", "envs")

BASE: Config = {
    "experiment": "edited",
    "datasets": {
        "rats_a": {"splits": ["official"], "tasks": ["S1", "S2"]},
        "rats_b": {"splits": ["official"], "tasks": ["S1"], "methods": ["raw"]},
    },
    "methods": {
        "raw": {},
        "pca": {},
        "daart": {"strong": "S1", "training": {"max_epochs": 1, "monitor": None}},
    },
    "modes": ["sound", "faithful"],
    "seeds": [0, 1],
    "sweep": {"pca": {"dim": [3, 4]}},
    "figures": ["scores", "ranks"],
    "probe": {"max_train_frames": 500, "max_iter": 20},
    "intervals": {"resamples": 50},
}
"""Two datasets, three methods, two modes and seeds, a sweep, two tasks and two kinds of figures."""


def _set(*path: str, to: Any) -> Callable[[Config], None]:
    def edit(config: Config) -> None:
        for key in path[:-1]:
            config = config[key]
        config[path[-1]] = to

    return edit


def _without(*path: str) -> Callable[[Config], None]:
    def edit(config: Config) -> None:
        for key in path[:-1]:
            config = config[key]
        del config[path[-1]]

    return edit


def _renamed(place: str, old: str, new: str) -> Callable[[Config], None]:
    def edit(config: Config) -> None:
        config[place][new] = config[place].pop(old)

    return edit


EDITS: dict[str, Callable[[Config], None]] = {
    "add a dataset": _set("datasets", "rats_c", to={"splits": ["official"], "tasks": ["S1"], "methods": ["raw"]}),
    "remove a dataset": _without("datasets", "rats_b"),
    "rename a dataset": _renamed("datasets", "rats_b", "rats_c"),
    "add a method": _set("methods", "features", to={}),
    "remove a method": _without("methods", "daart"),
    "exchange a method": lambda config: (config.pop("sweep"), _renamed("methods", "pca", "features")(config))[1],
    "add a seed": _set("seeds", to=[0, 1, 2]),
    "remove a seed": _set("seeds", to=[0]),
    "exchange a seed": _set("seeds", to=[0, 3]),
    "remove a mode": _set("modes", to=["sound"]),
    "exchange the modes": _set("modes", to=["faithful"]),
    "add a value to a sweep": _set("sweep", "pca", "dim", to=[3, 4, 5]),
    "remove a value from a sweep": _set("sweep", "pca", "dim", to=[3]),
    "exchange a value of a sweep": _set("sweep", "pca", "dim", to=[3, 6]),
    "remove a sweep": _without("sweep"),
    "add a task": _set("datasets", "rats_b", "tasks", to=["S1", "S2"]),
    "remove a task": _set("datasets", "rats_a", "tasks", to=["S1"]),
    "exchange a task": _set("datasets", "rats_b", "tasks", to=["S2"]),
    "add a figure": _set("figures", to=["scores", "ranks", "classes"]),
    "remove a figure": _set("figures", to=["scores"]),
    "exchange a figure": _set("figures", to=["scores", "classes"]),
    "change an option": _set("probe", "max_iter", to=21),
    "change an option of one method": _set("methods", "daart", "training", "max_epochs", to=2),
}
"""(Adding a mode is the last step back in `test_one_run_leaves_what_a_fresh_folder_holds`; there are only two.)"""

# Rules that read the configuration as a whole, and are cheap.
WHOLE = {
    *(
        "all",
        "paper_figures",
        "configuration",
        "significance",
        "compare",
        "examples",
        "maps",
        "pictures",
        "leaderboard",
    ),
    *("rulegraph", "report", "crate", "figure", "pool", "score", "published"),
}


def edited(*edits: str) -> Config:
    config = copy.deepcopy(BASE)
    for name in edits:
        EDITS[name](config)
    return config


def project(root: Path, folder: Path) -> Path:
    """A copy of the project with three small datasets, each a few seconds of three simulated sessions."""
    for name in FOLDERS:
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "requirements.lock"):
        shutil.copy(root / name, folder)
    cards = folder / "config" / "datasets"
    card = yaml.safe_load((cards / "rats_pairs_twin.yaml").read_text())
    kept = {"1", "12", "46"}
    card["shards"] = [shard for shard in card["shards"] if shard["id"] in kept]
    used = {path for shard in card["shards"] for path in (shard.get("file") or shard["tracks"], *_labels(shard))}
    card["files"] = [file for file in card["files"] if file["path"] in used]
    card["splits"] = {"official": {"test": ["46"]}}
    for seed, letter in enumerate("abc"):
        card["simulate"]["options"] = {"seed": seed, "frames": 400}
        (cards / f"rats_{letter}.yaml").write_text(yaml.safe_dump(card | {"name": f"rats_{letter}"}))
    return folder


def _labels(shard: Config) -> list[str]:
    return [labels["file"] for labels in shard["labels"]]


def snakemake(folder: Path, config: Config, *arguments: str) -> str:
    (folder / "edited.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "edited.yaml", *arguments]
    done = subprocess.run(
        [*command, "--", "all", "paper_figures"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": ""},
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    return said


def planned_outputs(said: str) -> dict[str, str]:
    """Output → rule of every job of a dry run."""
    found: dict[str, str] = {}
    rule = ""
    for line in said.splitlines():
        if start := re.match(r"(?:local)?rule (\w+):$", line):
            rule = start[1]
        elif outputs := re.match(r"    output: (.*)$", line):
            found |= dict.fromkeys(outputs[1].split(", "), rule)
    return found


@pytest.fixture(scope="module")
def finished(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the experiment has run to its end."""
    folder = project(root, tmp_path_factory.mktemp("finished"))
    snakemake(folder, BASE, "--quiet", "all")
    return folder


def test_a_second_run_plans_nothing(finished: Path) -> None:
    assert not planned_outputs(snakemake(finished, BASE, "-n"))


@pytest.mark.parametrize("key", ["keep_going", "mirrors", "download"])
def test_what_changes_no_result_plans_nothing(finished: Path, key: str) -> None:
    value = {"keep_going": True, "mirrors": ["elsewhere"], "download": {"attempts": 2}}[key]
    assert not planned_outputs(snakemake(finished, BASE | {key: value}, "-n"))


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_plans_what_is_missing_and_the_tables(finished: Path, root: Path, tmp_path: Path, name: str) -> None:
    """Planned is what a fresh folder plans, less what is there, and what reads the whole configuration."""
    config = edited(name)
    plan = planned_outputs(snakemake(finished, config, "-n"))
    fresh = planned_outputs(snakemake(project(root, tmp_path), config, "-n"))
    missing = {path for path in fresh if not (finished / path).exists()}
    assert missing <= set(plan), sorted(missing - set(plan))[:5]
    assert plan.keys() <= fresh.keys(), sorted(plan.keys() - fresh.keys())[:5]
    again = {rule for path, rule in plan.items() if path not in missing} - WHOLE
    expected = {
        "add a task": {"chance", "probe_control"},
        "remove a task": {"chance", "probe", "probe_control", "predict"},
        "exchange a task": {"chance", "probe_control"},
        "change an option": {"probe", "probe_control"},
        "change an option of one method": {"train", "export_embedder", "embed", "predict", "probe"},
    }
    assert again == expected.get(name, set())


FORTH = (
    *("add a dataset", "remove a dataset", "add a method", "exchange a seed", "remove a mode"),
    *("exchange a value of a sweep", "remove a task", "exchange a figure"),
)

# What tells when and how long a job ran, and what is left of runs that the experiment no longer has.
NOT_COMPARED = re.compile(r"/(report|provenance|tensorboard)/|resume\.ckpt$|console\.log$|\.tsv$|/logs/")


def results(folder: Path) -> set[str]:
    files = (path for top in ("results", "data") for path in (folder / top).rglob("*") if path.is_file())
    return {
        path for path in (file.relative_to(folder).as_posix() for file in files) if not NOT_COMPARED.search("/" + path)
    }


def differing(here: Path, fresh: Path) -> list[str]:
    """Files of the fresh folder that are absent here or have other bytes."""
    return sorted(
        path
        for path in results(fresh)
        if not (here / path).is_file() or not filecmp.cmp(here / path, fresh / path, shallow=False)
    )


@pytest.mark.slow
def test_one_run_leaves_what_a_fresh_folder_holds(finished: Path, root: Path, tmp_path: Path) -> None:
    """Eight edits at once and back again: byte for byte what a fresh folder holds, each time."""
    here = tmp_path / "here"
    shutil.copytree(finished, here, symlinks=True)
    config = edited(*FORTH)
    snakemake(here, config, "--quiet", "all")
    fresh = project(root, tmp_path / "fresh")
    snakemake(fresh, config, "--quiet", "all")
    assert len(results(fresh)) > 100
    assert not differing(here, fresh)
    assert "rats_b" not in (here / "results/edited/comparison.csv").read_text()
    assert not planned_outputs(snakemake(here, config, "-n"))
    snakemake(here, BASE, "--quiet", "all")
    assert not differing(here, finished)
    assert not planned_outputs(snakemake(here, BASE, "-n"))
    # What the runs that are gone have left is deleted when the user asks for it.
    kept = {path for path in results(finished) if path.startswith("results/")}
    assert kept < {path for path in results(here) if path.startswith("results/")}
    command = [sys.executable, "-m", "workflow_scripts.cli", "prune", "edited.yaml", "--delete"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path for path in results(here) if path.startswith("results/")} == kept


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("core/errors.py", "Errors meant for", "Errors written for"),
        ("evaluation/options.py", 'description="Classifier;', 'description="The classifier;'),
        ("convert/tracks.py", "holds several recordings, and", "contains several recordings, and"),
    ],
)
def test_prose_plans_nothing(finished: Path, path: str, old: str, new: str) -> None:
    file = finished / "workflow_scripts" / path
    source = file.read_text()
    assert old in source
    try:
        file.write_text(source.replace(old, new))
        assert not planned_outputs(snakemake(finished, BASE, "-n"))
    finally:
        file.write_text(source)


def test_a_constant_plans_its_descendants(finished: Path) -> None:
    file = finished / "workflow_scripts/evaluation/probe/logistic.py"
    source = file.read_text()
    try:
        file.write_text(source + "\nMORE = 1\n")
        rules = set(planned_outputs(snakemake(finished, BASE, "-n")).values())
    finally:
        file.write_text(source)
    assert rules - WHOLE == {"probe", "probe_control"}


def test_a_failure_under_keep_going_is_made_again_without_it(root: Path, tmp_path: Path) -> None:
    folder = project(root, tmp_path)
    with (folder / "workflow_scripts/methods/pca/method.py").open("a") as file:
        file.write('\nraise EthoMakeError("This method fails.")\n')
    config = BASE | {
        "datasets": {"rats_a": {"splits": ["official"], "tasks": ["S1"]}},
        "methods": {"raw": {}, "pca": {}},
        "sweep": {},
        "seeds": [0],
        "keep_going": True,
    }
    snakemake(folder, config, "--quiet", "all")
    assert "failed" in (folder / "results/edited/comparison.csv").read_text()
    # The graph of the rules is drawn by a Snakemake of its own, by chance before or behind the failure.
    snakemake(folder, config, "--quiet", "all", "--forcerun", "rulegraph")
    assert not planned_outputs(snakemake(folder, config, "-n"))
    rules = set(planned_outputs(snakemake(folder, config | {"keep_going": False}, "-n")).values())
    assert "fit" in rules and "chance" not in rules
