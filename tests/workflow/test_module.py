"""The workflow as a module in somebody else's Snakefile: the example of docs/reuse.md, planned and partly run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def lab(root: Path, tmp_path: Path) -> Path:
    blocks = dict(re.findall(r"```(yaml|python)\n(.*?)```", (root / "docs/reuse.md").read_text(), flags=re.S))
    (tmp_path / "lab.yaml").write_text(blocks["yaml"])
    assert "path/to/EthoMake" in blocks["python"]
    # A checkout under another path, as a link: nothing may hang on where this one is.
    (tmp_path / "another path").mkdir()
    (tmp_path / "another path" / "EthoMake").symlink_to(root)
    place = tmp_path / "another path" / "EthoMake"
    (tmp_path / "Snakefile").write_text(blocks["python"].replace("path/to/EthoMake", str(place)))
    return tmp_path


def snakemake(folder: Path, *arguments: str, path: str = "") -> str:
    command = [sys.executable, "-m", "snakemake", *arguments]
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def test_the_example_plans_and_its_rules_run(lab: Path) -> None:
    said = snakemake(lab, "-n")
    for rule in ("ethomake_convert", "ethomake_fit", "ethomake_probe_control", "ethomake_compare", "lab_figure"):
        assert re.search(rf"^{rule} +\d+$", said, flags=re.M), rule
    snakemake(lab, "data/rats_pairs_twin/card.md", "resources/rats_pairs_twin/annotations/12_annot.txt", "--cores", "1")
    assert "rats_pairs" in (lab / "data/rats_pairs_twin/card.md").read_text()
    assert (lab / "resources/rats_pairs_twin/annotations/12_annot.txt").stat().st_size > 0


MODULE = """
module {name}:
    snakefile:
        "{snakefile}"
    config:
        {config}


use rule * from {name} {exclude}as {name}_*
"""
USE = {"rats_pairs_twin": {"splits": ["fold"], "tasks": ["S1"]}}


@pytest.mark.parametrize(("exclude", "maker"), [("", "one"), ("exclude convert, tracks ", "two")])
def test_two_modules_share_a_dataset(root: Path, tmp_path: Path, exclude: str, maker: str) -> None:
    text = ""
    for name, method, left_out in (("one", "raw", exclude), ("two", "pca", "")):
        config = {"experiment": name, "datasets": USE, "methods": {method: {}}}
        text += MODULE.format(name=name, snakefile=root / "workflow/Snakefile", config=config, exclude=left_out)
    text += """
rule both:
    default_target: True
    input:
        "results/one/comparison.csv",
        "results/two/comparison.csv",
"""
    (tmp_path / "Snakefile").write_text(text)
    said = snakemake(tmp_path, "-n")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", said, flags=re.M))
    assert counts[f"{maker}_convert"] == "6" and counts["one_split"] == "3"
    assert counts["one_fit"] == counts["two_fit"] == "3"
    assert ("one_convert" in counts) == (maker == "one") and "two_split" not in counts


def test_a_module_fetched_from_a_repository(root: Path, tmp_path: Path) -> None:
    done = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no git checkout")
    subprocess.run(["git", "clone", "-q", "--shared", "-n", str(root), str(tmp_path / "repository")], check=True)
    config = {"experiment": "one", "datasets": USE, "methods": {"raw": {}}}
    # What `github(…)` is for a repository on this machine.
    fetched = f'gitfile("{tmp_path / "repository"}", path="workflow/Snakefile", commit="{done.stdout.strip()}")'
    text = MODULE.format(name="one", snakefile="FETCHED", config=config, exclude="").replace('"FETCHED"', fetched)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "Snakefile").write_text(text)
    said = snakemake(tmp_path / "lab", "-n", "one_everything", path=str(root))
    assert dict(re.findall(r"^(\w+) +(\d+)$", said, flags=re.M))["one_fit"] == "3"
