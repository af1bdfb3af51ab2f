"""Workspaces: what `ethomake init` makes, what is found first, the wheel that carries the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from builders.lab_toy import dlc

from workflow_scripts.cards.card import load_card
from workflow_scripts.cli import main
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.project import project_folder
from workflow_scripts.experiment.experiment import load_experiment, named_experiment
from workflow_scripts.experiment.proposal import experiment_yaml
from workflow_scripts.formats.tracks import open_tracks
from workflow_scripts.workflow.launch import command
from workflow_scripts.workflow.workspace import init, places

BUILT_FROM = (
    *("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "NOTICE", "requirements.lock"),
    *("Snakefile", "Snakefile.papers", "Snakefile.daart", "workflow_scripts"),
    *("rules", "config", "profiles", "containers", "envs", "workflow"),
)
CARRIED = (
    "Snakefile",
    "Snakefile.papers",
    "Snakefile.daart",
    "requirements.lock",
    "rules/common.smk",
    "envs/base.yaml",
)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    init(tmp_path / "My lab's (1)")
    monkeypatch.chdir(tmp_path / "My lab's (1)")
    return Path.cwd()


def ethomake(*words: str, prefix: tuple[str, ...] = ("-m", "workflow_scripts.cli"), **environment: str) -> str:
    given = os.environ | {"PYTHONPATH": str(project_folder())} | environment
    done = subprocess.run([sys.executable, *prefix, *words], capture_output=True, text=True, check=False, env=given)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def jobs(said: str) -> dict[str, int]:
    table = said.split("Job stats:")[1].split("\n\n")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.M)}


def test_a_checkout_is_its_own_project_folder(root: Path) -> None:
    assert project_folder() == root


def test_a_workspace_overwrites_nothing(lab: Path) -> None:
    (lab / "Snakefile").write_text("mine")
    with pytest.raises(ConfigError, match=r"already holds Snakefile, .* name another folder"):
        init(lab)
    assert (lab / "Snakefile").read_text() == "mine"
    assert (lab / "slurm").resolve() == lab / "profiles" / "slurm"


def test_the_workspace_comes_first_and_ethomake_second(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = (project_folder() / "config/datasets/rats_pairs_twin.yaml").read_text()
    (lab / "config/datasets/rats_pairs_twin.yaml").write_text(card.replace("Twin of rats_pairs", "My own twin"))
    assert main(["card", "rats_pairs_twin"]) == 0
    assert "My own twin" in capsys.readouterr().out
    assert main(["card", "calms21_twin"]) == 0
    assert main(["new-experiment", "first", "--dataset", "rats_pairs_twin"]) == 0
    assert main(["check", "first"]) == 0
    assert main(["check", "demo"]) == 0
    capsys.readouterr()
    assert main(["experiments"]) == 0
    lines = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()}
    assert (lines["first"], lines["demo"]) == ("here", "EthoMake")
    assert main(["--root", str(lab), "datasets"]) == 0  # only that folder
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["new-experiment", "first", "--dataset", "rats_pairs_twin"]) == 1
    assert "already" in capsys.readouterr().err


@pytest.mark.slow
def test_ethomake_run_and_snakemake_as_typed_plan_the_same(lab: Path) -> None:
    main(["new-experiment", "first", "--dataset", "rats_pairs_twin"])
    said = ethomake("run", "first", "-n")
    assert jobs(said)["fit"] == 9
    (lab / "config/config.yaml").write_text("experiment: first\nseeds: [0]\n")
    assert jobs(ethomake("-n", prefix=("-m", "snakemake"))) == jobs(said)
    figures = jobs(ethomake("run", "first", "-n", "paper_figures", "--config", "umap=false"))
    assert "figure" in figures and "report" not in figures


@pytest.mark.slow
def test_case_29_a_workspace_and_its_data_in_odd_folders_run(lab: Path) -> None:
    """The workspace is below `My lab's (1)`, the recordings below another such folder."""
    folder = lab.parent / "rat's data (1)" / "Ünïcode: #2"
    for name in ("no", "1e3"):
        dlc(folder / f"{name}DLC_x.csv", 60)
    ethomake("new-dataset", str(folder), "--name", "rats", "--fps", "30", "--write")
    ethomake("new-experiment", "first", "--dataset", "rats")
    ethomake("run", "first", "--cores", "1", "data/rats/tracks.h5", "data/rats/card.md")
    with open_tracks(lab / "data" / "rats" / "tracks.h5") as reader:
        assert sorted(reader.ids) == ["1e3", "no"]


def test_workflow_snakefile_plans_all(root: Path, tmp_path: Path) -> None:
    common = ("-d", str(tmp_path), "-n", "--config", "experiment=paper_bams_fly_twin")
    one = jobs(ethomake("-s", str(root / "workflow" / "Snakefile"), *common, prefix=("-m", "snakemake")))
    other = jobs(ethomake("-s", str(root / "Snakefile"), *common, prefix=("-m", "snakemake")))
    assert one.pop("everything") == other.pop("all") == 1
    assert one == other


def test_arguments_reach_snakemake_and_settings_are_joined(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    given = ["-n", "--config", "seeds=[1]", "paper_figures", "--", "--odd"]
    line = command("demo", given, places())[3:]
    assert line[:3] == ["--config", "experiment=demo", "seeds=[1]"]
    assert line[line.index("--snakefile") + 1] == "Snakefile"
    assert line[line.index("--profile") + 1] == "profiles/local"
    assert line[-4:] == ["-n", "paper_figures", "--", "--odd"]
    assert "profiles/local" not in command("demo", ["--profile", "slurm"], places())
    with pytest.raises(ConfigError, match="did you mean 'demo'"):
        command("demoo", [], places())


def test_a_new_experiment_suits_the_kind_of_data(root: Path) -> None:
    chosen = {}
    for path in sorted((root / "config/datasets").glob("*.yaml")):
        card = load_card(path)
        for size in ("quick", "full"):
            if not card.splits:
                with pytest.raises(ConfigError, match="has no split"):
                    experiment_yaml("mine", card, size)
                continue
            text = experiment_yaml("mine", card, size)
            assert text.startswith(f"# {size}: ") and "ethomake run mine" in text
            experiment = load_experiment(root, yaml.safe_load(text))
            assert experiment.runs, (card.name, size)
            chosen[card.name, size] = set(experiment.config.methods)
    assert chosen["rats_pairs", "quick"] >= {"raw", "features", "pca"}
    assert not chosen["rats_pairs", "quick"] & {"bams", "daart", "lisbet"}
    assert chosen["rats_pairs", "full"] >= {"bams", "daart", "lisbet"}
    assert chosen["mouse_actions", "quick"] == {"motion_energy", "mvd"}
    assert chosen["rat_direction_twin", "full"] == {"rat_direction"}


def test_without_a_split_the_cards_own_is_taken(root: Path) -> None:
    given = {"experiment": "mine", "methods": {"raw": {}}, "datasets": {"rats_pairs_twin": {}, "calms21_twin": {}}}
    experiment = load_experiment(root, given)
    assert [use.splits for use in experiment.config.datasets.values()] == [["fold"], ["official"]]
    with pytest.raises(ConfigError):  # said, where somebody names one that is not there
        load_experiment(root, given | {"datasets": {"rats_pairs_twin": {"splits": ["official"]}}})


def test_lists_of_methods_and_sources(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, some in (("methods", "lisbet"), ("sources", "deeplabcut")):
        assert main([name]) == 0
        assert re.search(rf"^{some} ", capsys.readouterr().out, flags=re.M)
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0 and re.match(r"ethomake \d", capsys.readouterr().out)


@pytest.mark.slow
def test_the_wheel_works_without_the_checkout(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    copy = tmp_path / "copy"  # building leaves folders behind
    shutil.copytree(
        root,
        copy,
        ignore=lambda folder, names: (
            [name for name in names if name not in BUILT_FROM]
            if Path(folder) == root
            else [name for name in names if name == "__pycache__"]
        ),
    )
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(copy)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {f"workflow_scripts/_project/{name}" for name in CARRIED} <= inside
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    for path in copy.iterdir():  # nothing may be read there any more
        path.rename(tmp_path / f"gone-{path.name}")
    where = {"PYTHONPATH": str(site)}
    monkeypatch.chdir(tmp_path)
    found = ethomake("import workflow_scripts.core.project as p; print(p.project_folder())", prefix=("-c",), **where)
    assert Path(found.strip()) == site / "workflow_scripts" / "_project"
    ethomake("init", str(tmp_path / "lab"), **where)
    monkeypatch.chdir(tmp_path / "lab")
    ethomake("new-experiment", "first", "--dataset", "rats_pairs_twin", **where)
    assert jobs(ethomake("run", "first", "-n", **where))["fit"] == 9
    card = "data/rats_pairs_twin/card.md"
    ethomake("run", "first", "--cores", "1", card, **where)  # a job finds the package and the project
    assert "Twin of rats_pairs" in Path(card).read_text()


def test_snakemakes_report_shows_tables_figures_and_page(root: Path) -> None:
    rules = {path.name: path.read_text() for path in (root / "rules").glob("*.smk")}
    named = {name: re.findall(r'report\(\s*f"\{RESULTS\}/([^"]+)"', text) for name, text in rules.items()}
    assert set(named["compare.smk"]) == {"comparison.csv", "tests.csv", "ranks.csv", "label_efficiency.csv"}
    assert named["report.smk"] == ["report/index.html"] and named["paper.smk"] == ["figures/{{figure}}.png"]
    captions = [caption for text in rules.values() for caption in re.findall(r'caption="([^"]+)"', text)]
    assert len(captions) == 6
    for caption in [*captions, "captions/workflow.rst"]:
        assert (root / "rules" / caption).is_file(), caption


def test_experiments_of_a_file_are_read_too(lab: Path) -> None:
    (lab / "mine.yaml").write_text("experiment: mine\ndatasets: {rats_pairs_twin: {}}\nmethods: {raw: {}}\n")
    assert named_experiment(places(), "mine.yaml").name == "mine"
    line = command("mine.yaml", ["-n"], places())
    assert line[3:5] == ["--configfile", "mine.yaml"] and "--config" not in line
