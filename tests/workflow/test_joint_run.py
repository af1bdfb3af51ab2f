"""A joint row through the whole workflow: scored and tested beside its members, applied by a model of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from builders.plans import planned, snakemake

from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.methods.embed_files import embed_dataset

MINE = {
    "experiment": "beside",
    "datasets": {"short_twin": {"splits": ["fold", "all"], "tasks": ["S1"]}},
    "methods": {"raw": {}, "pca": {"dim": 4}},
    "joint": {"both": ["raw", "pca"]},
    "probe": {"max_train_frames": 2000},
    "decisions": {},
    "intervals": {"resamples": 50},
    "apply": [{"dataset": "other_twin", "trained_on": "short_twin", "methods": ["both"]}],
}


def run(root: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return snakemake(root, folder, "--cores", "2", "--configfile", str(folder / "mine.yaml"), *arguments)


@pytest.fixture(scope="module")
def finished(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beside")
    (folder / "config/datasets").mkdir(parents=True)
    text = (root / "config/datasets/rats_pairs_twin.yaml").read_text()
    assert "frames: 3000" in text and "name: rats_pairs_twin" in text
    for name in ("short_twin", "other_twin"):
        card = text.replace("frames: 3000", "frames: 500").replace("name: rats_pairs_twin", f"name: {name}")
        (folder / f"config/datasets/{name}.yaml").write_text(card)
    (folder / "mine.yaml").write_text(yaml.safe_dump(MINE))
    done = run(root, folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


@pytest.mark.slow
def test_it_is_scored_tested_and_decided_like_a_method(finished: Path) -> None:
    results = finished / "results/beside"
    table = pd.read_csv(results / "comparison.csv")
    pooled = table[(table["split"] == "fold") & (table["metric"] == "macro_f1") & (table["method"] == "both")]
    assert set(pooled["readout"]) == {"probe", "probe_decided"}
    assert (pooled["n_groups"] == 6).all()
    pairs = pd.read_csv(results / "tests.csv")
    assert {frozenset(("both", "raw")), frozenset(("both", "pca"))} <= {
        frozenset(pair) for pair in zip(pairs["a"], pairs["b"], strict=True)
    }
    assert "both" in set(pd.read_csv(results / "ranks.csv")["label"])
    assert "both" in set(pd.read_csv(results / "tables/embedding_maps.csv")["method"])
    assert ">both<" in (results / "report/index.html").read_text()


@pytest.mark.slow
def test_its_embeddings_are_not_kept_and_it_is_not_run_again(root: Path, finished: Path) -> None:
    runs = finished / "results/beside/runs/short_twin"
    assert len(list(runs.glob("raw/**/embeddings.h5"))) == 4
    assert not list(runs.glob("both/**/embeddings.h5"))
    again = run(root, finished)
    assert "Nothing to be done" in again.stdout + again.stderr
    plan = run(root, finished, "-n", "--forcerun", "probe")
    rules = {rule for rule, _ in planned(plan.stdout + plan.stderr)}
    assert {"join", "probe"} <= rules and not {"fit", "transform", "joint_model"} & rules


@pytest.mark.slow
def test_its_model_embeds_new_recordings_as_the_probe_was_fitted(finished: Path, tmp_path: Path) -> None:
    runs = finished / "results/beside/runs/short_twin"
    assert (runs / "both/sound/default/all/seed0/applied/other_twin.h5").is_file()
    embed_dataset(runs / "both/sound/default/all/seed0", finished / "data/short_twin/tracks.h5", tmp_path)
    parts = {}
    for method in ("raw", "pca"):
        with open_embeddings(runs / method / "sound/default/all/seed0/embeddings.h5") as reader:
            parts[method] = {name: reader.read(name) for name in reader.ids}
    with open_embeddings(tmp_path / "embeddings.h5") as reader:
        for name in reader.ids:
            np.testing.assert_array_equal(reader.read(name), np.hstack([parts["raw"][name], parts["pca"][name]]))
