from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from builders.mabe import INTERVAL, make_set

from workflow_scripts.cards.parts import Published
from workflow_scripts.core.errors import InputError
from workflow_scripts.evaluation.mabe.evaluator import compare_mabe, evaluate_mabe
from workflow_scripts.evaluation.mabe.tables import Evaluation, read_counts, score_submission, write_mabe_section
from workflow_scripts.formats.sections import read_section
from workflow_scripts.sources.shared import npy_objects, npy_write


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A set, and three runs on it: its submission, the same with noise, and a seed-less control."""
    folder = tmp_path_factory.mktemp("tables")
    (submission, labels, split), _ = make_set(folder)
    value = npy_objects.load(submission)
    rng = np.random.default_rng(1)
    found = []
    for method, mode, noise in (("bams", "sound", 0), ("bams", "faithful", 2), ("features", "sound", 6)):
        place = folder / f"{method}_{mode}"
        x = np.asarray(value["embeddings"])
        noisy = (x + noise * rng.normal(size=x.shape)).astype(np.float32)
        place.mkdir()
        npy_write.save(place / "submission.npy", {"frame_number_map": value["frame_number_map"], "embeddings": noisy})
        tables = {name: place / f"mabe_{name}.csv" for name in ("compat", "sound", "counts")}
        score_submission(place / "submission.npy", labels, split, animal="mouse", interval=INTERVAL, **tables)
        found.append(Evaluation(method, mode, "default", 0, place))
    return found, labels, split


def test_the_tables_of_a_run_are_those_of_the_evaluator(runs):
    (run, *_), labels, split = runs
    for mode, name in (("mabe-compat", "compat"), ("sound", "sound")):
        table = evaluate_mabe(run.folder / "submission.npy", labels, split, mode=mode, interval=INTERVAL)
        kept = pd.read_csv(run.folder / f"mabe_{name}.csv")
        pd.testing.assert_frame_equal(kept, table, check_dtype=False, rtol=1e-8)


def test_the_section_sets_them_side_by_side(runs, tmp_path):
    found, labels, split = runs
    path = tmp_path / "section.json"
    number = Published(method="bams", task="strain", metric="f1/yes", value=0.8823, source="paper", verified=True)
    write_mabe_section(path, "toy", found, [number], INTERVAL)
    section = read_section(path)
    assert section.dataset == "toy" and [item.file for item in section.items] == ["evaluator.csv", "differences.csv"]
    table = pd.read_csv(tmp_path / "evaluator.csv")
    assert table["task"].drop_duplicates().tolist()[:2] == ["mean_f1", "mean_mse"] and len(table) == 3 * 15
    rows = table.set_index(["task", "embedding"])
    compat = pd.read_csv(found[0].folder / "mabe_compat.csv").set_index("Task ID")
    assert rows.loc[("close", "bams"), "as published"] == pytest.approx(compat.loc["close", "Private Score"])
    binary = compat.loc[compat["Metric"] == "f1_score", "Private Score"]
    assert rows.loc[("mean_f1", "bams"), "as published"] == pytest.approx(binary.mean())
    assert rows.loc[("strain", "bams"), "in the literature"] == 0.8823
    assert np.isnan(rows.loc[("strain", "features"), "in the literature"])
    pairs = pd.read_csv(tmp_path / "differences.csv").set_index(["other", "task"])
    assert set(pairs.index.get_level_values(0)) == {"bams faithful", "features"}
    paths = {run.label: run.folder / "submission.npy" for run in (found[0], found[2])}
    direct = compare_mabe(paths, labels, split, interval=INTERVAL).set_index("task")
    columns = ["difference", "low", "high", "p"]
    for task in ("mean_f1", "contact"):
        assert pairs.loc[("features", task), columns].tolist() == pytest.approx(direct.loc[task, columns].tolist())
    assert pairs.loc[("features", "mean_f1"), "low"] > 0  # the noise cost something, and the test sees it


def test_damaged_counts_are_refused(tmp_path):
    (tmp_path / "counts.csv").write_text("clip,task\na,b\n")
    with pytest.raises(InputError, match="no table of counts"):
        read_counts(tmp_path / "counts.csv")
