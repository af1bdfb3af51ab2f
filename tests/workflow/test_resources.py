"""Memory and time asked for: they grow with the data, the epochs and the attempt, and `ethomake plan` shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from builders.plans import planned, snakemake

from workflow_scripts.cli import main
from workflow_scripts.core.files import read_yaml
from workflow_scripts.experiment.experiment import load_experiment
from workflow_scripts.workflow.plan import by_rule, planned_jobs
from workflow_scripts.workflow.resources import LINES, Sizes, need, train_need


def test_needs_grow_with_the_data() -> None:
    for rule in LINES:
        small, large = need(rule, 1), need(rule, 1000)
        assert small.mem_mb <= large.mem_mb
        assert small.minutes <= large.minutes
        assert small.mem_mb >= 500


def test_sizes_come_from_the_card(root: Path) -> None:
    experiment = load_experiment(root, {"experiment": "real"})
    card = experiment.cards["rats_pairs"]
    sizes = Sizes(experiment)
    bytes_named = sum(card.file(shard.file).bytes or 0 for shard in card.shards)
    assert sizes.dataset("rats_pairs") == pytest.approx(bytes_named / 2e6)
    assert sum(sizes.shard("rats_pairs", shard.id) for shard in card.shards) == pytest.approx(bytes_named / 2e6)


@pytest.mark.parametrize(
    ("name", "frames", "bytes_each"),
    [("mouse", 4268 * 1800 * 3, 4 * 106 + 9 * 21 + 1), ("fly", 643 * 4500 * 11, 4 * 96 + 9 * 48 + 1)],
)
def test_bams_gets_about_the_memory_its_sequences_take(root: Path, name: str, frames: int, bytes_each: int) -> None:
    """Frames of single animals in training, and what each takes (docs/bams.md)."""
    experiment = load_experiment(root, {"experiment": f"paper_bams_{name}"})
    needs = [train_need(Sizes(experiment), run).mem_mb for run in experiment.runs if run.method == "bams"]
    held = 700 + frames * bytes_each / 1e6
    assert held < max(needs) < 2.5 * held


def test_more_epochs_take_longer(root: Path) -> None:
    overrides = read_yaml(root / "config/experiments/demo.yaml")
    minutes = []
    for epochs in (2, 200):
        overrides["methods"]["lisbet"]["training"]["max_epochs"] = epochs
        experiment = load_experiment(root, overrides)
        run = next(run for run in experiment.runs if run.method == "lisbet")
        minutes.append(train_need(Sizes(experiment), run).minutes)
    assert minutes[1] > 10 * minutes[0]


def test_the_plan_is_what_snakemake_lists(root: Path, tmp_path: Path) -> None:
    """Every job of the dry run, with what it prints that it asks for."""
    done = snakemake(root, tmp_path, "-n", "--config", "experiment=real")
    listed = [(name, fields["resources"]) for name, fields in planned(done.stdout + done.stderr) if name != "all"]
    rules = by_rule(planned_jobs(root / "Snakefile", {"experiment": "real"}))
    assert sum(rule.jobs for rule in rules) == len(listed)
    for rule in rules:
        asked = [text for name, text in listed if name == rule.rule]
        assert len(asked) == rule.jobs, rule.rule
        memory = [int(re.search(r"\bmem_mb=(\d+)", text)[1]) for text in asked]  # type: ignore[index]
        minutes = [int(re.search(r"\bruntime=(\d+)", text)[1]) for text in asked]  # type: ignore[index]
        assert max(memory) == rule.mem_mb, rule.rule
        assert sum(minutes) / 60 == pytest.approx(rule.hours), rule.rule


def test_the_command_shows_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(root), "plan", "demo"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^train +\d+ +1 +\d+ +\d+\.\d +\d+\.\d$", shown, flags=re.M)
    assert shown.splitlines()[0].split() == ["rule", "jobs", "cores", "memory", "(MB)", "core", "hours", "GPU", "hours"]
