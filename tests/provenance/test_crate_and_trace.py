"""Where numbers come from: the RO-Crate and `ethomake trace`, on a real small run."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.cli.trace import trace
from workflow_scripts.core.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crate")
    config = {
        "experiment": "tiny",
        "datasets": {"rats_pairs_twin": {"splits": ["fold"], "tasks": ["S1"]}},
        "methods": {"raw": {}},
        "figures": ["scores"],
    }
    (folder / "tiny.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "2", "--quiet", "all"]
    command += ["--configfile", "tiny.json", "--", "paper_figures", "results/tiny/provenance/crate/" + METADATA]
    subprocess.run(command, cwd=folder, check=True)
    return folder


METADATA = "ro-crate-metadata.json"


def graph(folder: Path) -> dict[str, dict[str, Any]]:
    crate = json.loads((folder / "results/tiny/provenance/crate" / METADATA).read_text())
    assert "https://w3id.org/ro/crate/1.1/context" in crate["@context"]
    return {entity["@id"]: entity for entity in crate["@graph"]}


def links(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [value["@id"]] if set(value) == {"@id"} else []
    return [link for item in value for link in links(item)] if isinstance(value, list) else []


def test_every_file_of_the_crate_is_there_with_its_checksum(finished: Path) -> None:
    crate = finished / "results/tiny/provenance/crate"
    described = {
        name: entity for name, entity in graph(finished).items() if "File" in entity["@type"] and "://" not in name
    }
    there = {path.relative_to(crate).as_posix() for path in crate.rglob("*") if path.is_file()} - {METADATA}
    assert there == set(described)
    for name, entity in described.items():
        content = (crate / name).read_bytes()
        assert entity["sha256"] == hashlib.sha256(content).hexdigest() and entity["contentSize"] == str(len(content))


def test_the_run_names_workflow_inputs_and_results(finished: Path) -> None:
    entities = graph(finished)
    root = entities["./"]
    assert "https://w3id.org/ro/wfrun/workflow/0.5" in links(root["conformsTo"])
    run = entities["#run"]
    assert links(root["mentions"]) == ["#run"] and run["instrument"] == root["mainEntity"]
    assert "ComputationalWorkflow" in entities[run["instrument"]["@id"]]["@type"]
    assert "results/comparison.csv" in links(run["result"]) and "configuration.json" in links(run["object"])
    assert any("rats_pairs_twin" in name for name in links(run["object"]))
    for entity in entities.values():
        for key, value in entity.items():
            for link in links(value):
                assert link in entities or "://" in link, f"{entity['@id']}.{key} → {link}"


def test_trace_leads_back_to_the_downloads(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished)
    figure = Path("results/tiny/figures/scores-rats_pairs_twin.pdf")
    lines = list(trace(ROOT, figure))
    text = "\n".join(lines)
    assert "figure of the kind scores (dataset rats_pairs_twin)" in text
    assert "run runs/rats_pairs_twin/raw/sound/default/fold0/seed0" in text
    assert "made by simulate/" in text and "CHANGED" not in text
    table = Path("results/tiny/comparison.csv")
    kept = table.read_text()
    table.write_text(kept + "\n")
    try:
        assert any("comparison.csv" in line and "CHANGED" in line for line in trace(ROOT, figure))
    finally:
        table.write_text(kept)


def test_trace_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    stray = tmp_path / "figure.pdf"
    with pytest.raises(InputError, match="does not exist"):
        list(trace(ROOT, stray))
    stray.touch()
    with pytest.raises(InputError, match="no folder above it"):
        list(trace(ROOT, stray))
