"""The workflow through a real Slurm: every job where it belongs, and the same numbers as on one machine.

`ETHOMAKE_SLURM_EXPERIMENT=demo` runs the whole demo instead of the small experiment beside this file, and compares with
what `make demo` left in the checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from builders.slurm_runs import QUICK, ROOT, accounting, check_routing, copy_project, newest, run, why_not

from workflow_scripts import methods
from workflow_scripts.core.files import read_yaml
from workflow_scripts.experiment.experiment import load_experiment

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.skipif(why_not() is not None, reason=why_not() or "")]

NAME = os.environ.get("ETHOMAKE_SLURM_EXPERIMENT", "")
SMALL = Path(__file__).with_name("cluster.yaml")


def overlay() -> Path:
    return ROOT / "config" / "experiments" / f"{NAME}.yaml" if NAME else SMALL


def reference(folder: Path) -> Path:
    """The results of the same experiment on one machine."""
    if NAME:
        found = ROOT / "results" / NAME
        assert (found / "comparison.csv").is_file(), f"run the experiment {NAME} in the checkout first"
        return found
    copy_project(folder)
    shutil.copy(SMALL, folder / "experiment.yaml")
    run(folder, "--cores", "2")
    return folder / "results" / "cluster"


def test_gpu_rules_get_a_gpu_no_others_and_the_results_are_the_same(tmp_path: Path) -> None:
    here = reference(tmp_path / "here")
    there = copy_project(tmp_path / "there")
    shutil.copy(overlay(), there / "experiment.yaml")
    before = newest()
    run(there, "--profile", "slurm", *QUICK, seconds=5400 if NAME else 1500)

    experiment = load_experiment(ROOT, read_yaml(overlay()))
    neural = [item for item in experiment.runs if methods.config_model(item.method).neural]
    jobs = accounting(since=before)
    check_routing(jobs)
    assert {"train", "embed", "predict"} <= {job.rule for job in jobs}
    assert sum(job.rule == "train" for job in jobs) == len(neural)
    # Small jobs share submissions: files and recordings make no job each.
    small = sum(len(card.files) + len(card.shards) for card in experiment.cards.values())
    assert len([job for job in jobs if job.rule.startswith("recordings")]) <= 1 + small // 25

    for name in ("comparison.csv", "settings.csv"):
        assert (there / "results" / here.name / name).read_bytes() == (here / name).read_bytes(), name


def test_clusters_that_want_gres_get_it(tmp_path: Path) -> None:
    """One network trained through the other profile; its recordings come along in one submission."""
    folder = copy_project(tmp_path)
    config = yaml.safe_load(SMALL.read_text())
    config["datasets"] = {"calms21_twin": {"methods": ["lisbet"]}}
    config["methods"] = {"lisbet": config["methods"]["lisbet"]}
    (folder / "experiment.yaml").write_text(yaml.safe_dump(config))
    target = "results/cluster/runs/calms21_twin/lisbet/sound/default/official/seed0/weights_last.safetensors"
    before = newest()
    run(folder, target, "--profile", "profiles/slurm-gres", *QUICK)
    jobs = accounting(since=before)
    given = {job.rule: (job.partition, "gres/gpu=1" in job.given) for job in jobs}
    assert given.pop("train") == ("gpu", True)
    assert set(given.values()) == {("cpu", False)}
    comments = subprocess.run(
        ["scontrol", "show", "job", str(next(job.number for job in jobs if job.rule == "train"))],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "TresPerNode=gres:gpu:1" in comments
