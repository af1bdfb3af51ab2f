"""The examples of CONTRIBUTING.md, put where they say into a copy of the project, and run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.slurm_runs import copy_project

FIGURE = "results/mine/figures/kappa-my_mice-behaviour"
PLACE = re.compile(
    r"# (?P<file>\S+?)(?:, (?P<where>after|before): (?P<line>[^\n]+)|, at the end)?\n(?P<text>.*)", flags=re.S
)


def blocks(root: Path) -> list[re.Match[str]]:
    found = re.findall(r"^```(?:python|yaml)\n(.*?)^```$", (root / "CONTRIBUTING.md").read_text(), flags=re.S | re.M)
    places = [PLACE.fullmatch(block) for block in found]
    assert all(places), "the first line of every block names its file"
    return [place for place in places if place]


def put(folder: Path, block: re.Match[str]) -> None:
    path = folder / block["file"]
    if block["line"]:
        lines = path.read_text().splitlines(keepends=True)
        (at,) = [number for number, line in enumerate(lines) if line.strip().startswith(block["line"])]
        at += block["where"] == "after"
        text = block["text"] + ("\n\n" if block["where"] == "before" else "")  # a definition before a constant
        path.write_text("".join([*lines[:at], text, *lines[at:]]))
    elif path.exists():
        path.write_text(path.read_text() + block["text"])
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block["text"])


def call(folder: Path, *words: str) -> str:
    environment = os.environ | {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def lab(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_project(tmp_path_factory.mktemp("lab"))
    for block in blocks(root):
        put(folder, block)
    mice, rng = folder / "local/my_mice", np.random.default_rng(0)
    mice.mkdir(parents=True)
    bouts = ["video,label,start,end"]
    for name in ("m1", "m2"):
        running = np.arange(600) // 60 % 2 == 1
        place = np.cumsum(rng.normal(0, np.where(running, 8, 0.5)[:, None], (600, 2)), axis=0) + 300
        rows = "".join(f"{x:.3f},{y:.3f}\n" for x, y in place)
        (mice / f"{name}.csv").write_text(f"x,y\n{rows}")
        bouts += [f"{name},run,{start},{start + 59}" for start in range(60, 600, 120)]
    (mice / "bouts.csv").write_text("\n".join(bouts) + "\n")
    call(folder, "workflow_scripts.cli", "config", "--write")
    return folder


def test_each_kind_touches_the_files_it_says(root: Path) -> None:
    found = blocks(root)
    new = [block["file"] for block in found if not (root / block["file"]).exists()]
    old = [block["file"] for block in found if (root / block["file"]).exists()]
    assert len(new) == len(set(new)) == 7
    assert len(set(old)) == 3, "the registries of sources and metrics, and the kinds of figures"
    assert not [name for name in new + old if name.startswith("rules/")]


@pytest.mark.slow
def test_the_examples_run_together(lab: Path) -> None:
    assert "is valid: 2 runs" in call(lab, "workflow_scripts.cli", "check", "mine")
    call(lab, "workflow_scripts.cli", "config", "--check")
    call(lab, "snakemake", f"{FIGURE}.pdf", "--cores", "2", "--config", "experiment=mine")
    assert (lab / f"{FIGURE}.pdf").read_bytes().startswith(b"%PDF")
    table = pd.read_csv(lab / "results/mine/comparison.csv")
    kappa = table[table["metric"] == "kappa"].set_index("method")["value"]
    # Speed tells running from rest; a place in the arena does not.
    assert kappa["speed"] > 0.7 > kappa["raw"]
    assert kappa["majority"] == 0


@pytest.mark.slow
def test_the_examples_keep_to_the_house(root: Path, lab: Path) -> None:
    files = [str(lab / block["file"]) for block in blocks(root) if block["file"].endswith(".py")]
    settings = ["--config", str(root / "pyproject.toml")]
    for words in (["check"], ["format", "--check"]):
        call(lab, "ruff", *words, *settings, *files)
