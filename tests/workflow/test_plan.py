"""What Snakemake would run: plans are made for real, without running a job."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders.plans import GPU_RULES, planned, snakemake

from workflow_scripts.cards.kinds import FILES
from workflow_scripts.experiment.experiment import load_experiment


@pytest.fixture(scope="module")
def experiments(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "config/experiments").glob("*.yaml"))


@pytest.fixture(scope="module")
def plans(root: Path, tmp_path_factory: pytest.TempPathFactory, experiments: list[str]) -> dict[str, list[Any]]:
    made = {}
    for name in experiments:
        folder = tmp_path_factory.mktemp(name)
        done = snakemake(root, folder, "-n", "--config", f"experiment={name}")
        assert done.returncode == 0, f"{name}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        made[name] = planned(done.stdout + done.stderr)
    return made


def test_every_experiment_has_a_plan(root: Path, plans: dict[str, list[Any]]) -> None:
    for name, jobs in plans.items():
        experiment = load_experiment(root, {"experiment": name})
        counts = [rule for rule, _ in jobs]
        assert counts.count("train") + counts.count("fit") == sum(
            not run.members for run in experiment.trained_runs()
        ), name
        shards = {kind: [card.shards for card in experiment.cards.values() if card.kind == kind] for kind in FILES}
        assert counts.count("convert") == sum(map(len, shards["tracks"])), name
        assert counts.count("images") == len(shards["images"]), name
        assert counts.count("clips") == len(shards["clips"]), name
        assert counts.count("detect") + counts.count("locate") == sum(map(len, shards["clips"])), name
        assert {"compare", "report", "audit"} <= set(counts), name


def test_only_neural_rules_ask_for_a_gpu(plans: dict[str, list[Any]]) -> None:
    for name, jobs in plans.items():
        for rule, fields in jobs:
            asks = re.search(r"\bgpu=(\d+)", fields.get("resources", ""))
            gpus = int(asks[1]) if asks else 0
            assert gpus == (1 if rule in GPU_RULES else 0), f"{name}: {rule} asks for {gpus} GPUs"


def test_every_job_has_log_memory_and_time(plans: dict[str, list[Any]]) -> None:
    for jobs in plans.values():
        for rule, fields in jobs:
            if rule == "all":
                continue
            assert fields["log"].startswith(f"logs/{rule}/"), rule
            assert "mem_mb=" in fields["resources"], rule
            assert "runtime=" in fields["resources"], rule


def test_rules_keep_retries_to_the_profiles(root: Path) -> None:
    for path in (root / "rules").glob("*.smk"):
        text = path.read_text()
        assert not re.search(r"^\s+retries:", text, flags=re.M), path.name
        assert not re.search(r"^\s+run:", text, flags=re.M), path.name
    assert not (root / "profiles" / "default").exists()
    for name in ("local", "slurm", "slurm-gres"):
        profile = yaml.safe_load((root / "profiles" / name / "config.yaml").read_text())
        assert profile["retries"] >= 1
        assert "slurm-array-jobs" not in profile
        if name != "local":
            assert profile["slurm-status-command"] == "squeue"
            gpu = {rule for rule, fields in profile["set-resources"].items() if fields["slurm_partition"] == "gpu"}
            assert gpu == GPU_RULES
    assert (root / "slurm").readlink() == Path("profiles/slurm")


def test_the_folder_of_the_project_is_no_parameter(root: Path) -> None:
    """Else a project that was moved would run again."""
    for path in (root / "rules").glob("*.smk"):
        for block in re.findall(r"^    params:\n((?:        .*\n|\n)+)", path.read_text(), flags=re.M):
            assert "ROOT" not in block, path.name


def test_planning_needs_no_network(root: Path, tmp_path: Path) -> None:
    prefix = ("unshare", "--map-root-user", "-n")
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("unshare -n is not allowed here")
    done = snakemake(root, tmp_path, "-n", "--config", "experiment=real", prefix=prefix)
    assert done.returncode == 0, done.stderr
    assert "download" in {rule for rule, _ in planned(done.stdout + done.stderr)}


def test_a_mistake_stops_before_the_graph(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("experiment: real\nprobe: {alpha: [1]}\n")
    done = snakemake(root, tmp_path, "-n", "--configfile", str(tmp_path / "mine.yaml"))
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "unknown key 'probe.alpha'; did you mean 'alphas'?" in said
    assert "Traceback" not in said
    assert "Building DAG" not in said


@pytest.mark.parametrize("profile", ["slurm", "profiles/slurm", "profiles/slurm-gres", "profiles/local"])
def test_profiles_plan_as_typed(root: Path, tmp_path: Path, profile: str) -> None:
    done = snakemake(root, tmp_path, "-n", "--profile", profile, "--config", "experiment=real")
    assert done.returncode == 0, done.stdout + done.stderr


def test_unlabelled_data_leave_embeddings_and_named_weights_are_inputs(root: Path, tmp_path: Path) -> None:
    """`bams` on recordings without tasks, from an original checkpoint, under the default target."""
    mine = {
        "experiment": "mine",
        "datasets": {"calms21_unlabeled": {}},
        "methods": {"bams": {"weights": "original.pt"}},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    done = snakemake(root, tmp_path, "-n", "--configfile", str(tmp_path / "mine.yaml"))
    assert done.returncode != 0 and "original.pt" in done.stdout + done.stderr  # an input that is not there
    (tmp_path / "original.pt").write_bytes(b"-")
    done = snakemake(root, tmp_path, "-n", "--configfile", str(tmp_path / "mine.yaml"))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    jobs = planned(done.stdout + done.stderr)
    (train,) = [fields for rule, fields in jobs if rule == "train"]
    (embed,) = [fields for rule, fields in jobs if rule == "embed"]
    assert "original.pt" in train["input"] and embed["output"].endswith("/embeddings.h5")


def test_pretraining_that_others_start_from_ends_with_its_embedder(root: Path) -> None:
    experiment = load_experiment(root, {"experiment": "paper_lisbet_calms21"})
    assert experiment.pretraining_runs()
    assert all(path.endswith("/embedder/config.yaml") for path in experiment.pretraining_results())


def test_lint(root: Path, tmp_path: Path) -> None:
    done = snakemake(root, tmp_path, "--lint")
    assert done.returncode == 0, done.stdout + done.stderr


def test_tables_alone_redraw_the_report_and_plan_no_training(root: Path, tmp_path: Path) -> None:
    """A fresh clone that holds only the small tables plans the report and nothing heavier."""
    results = tmp_path / "results" / "real"
    done = snakemake(root, tmp_path, "-n", "--config", "experiment=real")
    assert "fit" in {rule for rule, _ in planned(done.stdout + done.stderr)}
    names = [
        "comparison.csv",
        "settings.csv",
        "tests.csv",
        "ranks.csv",
        "leaderboard.csv",
        "provenance/configuration.json",
        "provenance/rulegraph.dot",
    ]
    names += [
        f"tables/{name}.csv"
        for name in ("quality", "labels", "ethograms", "confusions", "notes", "embedding_maps", "curves", "pictures")
    ]
    names += [f"sections/latents_rats_pairs/{name}" for name in ("section.json", "latents.csv", "latents.png")]
    for name in names:
        path = results / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("placeholder\n")
    wanted = ("--rerun-triggers", "mtime", "--", "results/real/report/index.html")
    done = snakemake(root, tmp_path, "-n", "--config", "experiment=real", *wanted)
    assert {rule for rule, _ in planned(done.stdout + done.stderr)} == {"report"}
    done = snakemake(root, tmp_path, "-n", "--config", "experiment=real", *wanted[:2])
    assert {rule for rule, _ in planned(done.stdout + done.stderr)} == {"report", "crate", "all"}


def test_another_checkout_is_used_whole(root: Path, tmp_path: Path) -> None:
    """A copy of the project plans with its own package, not with the one that is installed."""
    copy = tmp_path / "copy"
    ignore = shutil.ignore_patterns(".*", "results", "resources", "data", "logs", "build", "tests", "*.egg-info")
    shutil.copytree(root, copy, ignore=ignore, symlinks=True)
    marker = "raise SystemExit('the copy was imported')\n"
    (copy / "workflow_scripts" / "experiment" / "experiment.py").write_text(marker)
    environment = os.environ | {"PYTHONPATH": ""}
    command = [sys.executable, "-m", "snakemake", "-s", str(copy / "Snakefile"), "-d", str(tmp_path), "-n"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert "the copy was imported" in done.stdout + done.stderr


def test_the_catalogue_file_is_valid(root: Path) -> None:
    usage = yaml.safe_load((root / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) <= {"mandatory-flags", "software-stack-deployment", "report"}
    assert json.dumps(usage)


@pytest.mark.parametrize("twins", [False, True])
def test_every_paper_in_one_plan(root: Path, tmp_path: Path, experiments: list[str], twins: bool) -> None:
    papers = [name for name in experiments if name.startswith("paper_") and name.endswith("_twin") == twins]
    command = [sys.executable, "-m", "snakemake", "-s", str(root / "Snakefile.papers"), "-d", str(tmp_path), "-n"]
    command += ["--config", f"twins={str(twins).lower()}", "--", "paper_all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr[-2000:]
    jobs = [rule for rule, _ in planned(done.stdout + done.stderr)]
    for paper in papers:
        assert f"{paper}_report" in jobs and f"{paper}_figure" in jobs, paper
