from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from builders.mabe import INTERVAL, SEQUENCE, evaluate, make_set
from sklearn.model_selection import train_test_split

from workflow_scripts.core.errors import InputError
from workflow_scripts.evaluation.mabe.data import held_out
from workflow_scripts.evaluation.mabe.evaluator import COMPAT_COLUMNS, compare_mabe, evaluate_mabe
from workflow_scripts.evaluation.mabe.pooled import PooledPart
from workflow_scripts.evaluation.mabe.scores import count_clip, merge, pooled_counts, score
from workflow_scripts.evaluation.mabe.tasks import FLY_TASKS, MOUSE_TASKS, PER_FLY
from workflow_scripts.sources.shared import npy_objects, npy_write


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("mabe"))


def assert_tables_agree(ours: pd.DataFrame, literal: pd.DataFrame) -> None:
    assert list(ours.columns) == list(literal.columns) == COMPAT_COLUMNS
    for column in ("Task ID", "Metric", "Sequence Level Task"):
        assert ours[column].tolist() == literal[column].tolist()
    numbers = [c for c in COMPAT_COLUMNS if c not in {"Task ID", "Metric", "Sequence Level Task"}]
    difference = (ours[numbers] - literal[numbers]).abs().max(axis=1).to_numpy()
    mse = (ours["Metric"] == "mean_mse").to_numpy()
    assert difference[mse].max() <= 1e-7
    assert difference[~mse].max() <= 1e-4


def test_compat_equals_the_literal_procedure(synthetic):
    paths, arrays = synthetic
    literal = evaluate(*arrays)
    assert literal["Private Score"].between(0.01, 0.99).sum() >= 11  # the comparison is about something
    assert_tables_agree(evaluate_mabe(*paths), literal)


def test_compat_on_the_real_miniature_example(mirror, tmp_path):
    folder = mirror / "mabe22-metadata"
    if not folder.is_dir():
        pytest.skip("no mabe22-metadata in the mirror")
    example = folder / "training/example_data"
    submission, labels = (npy_objects.load(example / f"example_{name}.npy") for name in ("embeddings", "labels"))
    clips = submission["frame_number_map"]
    official = json.loads((folder / "metadata/jax_split.json").read_text())
    split = {part: [clip for clip in ids if clip in clips] for part, ids in official.items()}
    assert [len(ids) for ids in split.values()] == [0, 2, 2, 2]
    (tmp_path / "split.json").write_text(json.dumps(split))
    paths = example / "example_embeddings.npy", example / "example_labels.npy", tmp_path / "split.json"
    with pytest.raises(InputError, match="float64, expected float32"):
        evaluate_mabe(*paths)
    literal = evaluate(
        np.asarray(submission["embeddings"]),
        clips,
        labels["annotations"],
        labels["vocabulary"],
        labels["task_type"],
        split,
        SEQUENCE,
    )
    assert_tables_agree(evaluate_mabe(*paths, strict=False), literal)


def test_the_held_out_tenth_is_scikit_learns():
    for n in (2668, 217, 40, 2, 11):
        for seed in (42, 43, 44):
            train, test = train_test_split(np.arange(n), test_size=0.1, random_state=seed)
            out = held_out(n, seed)
            assert set(np.flatnonzero(out)) == set(test) and set(np.flatnonzero(~out)) == set(train)


def test_votes_by_hand():
    # One frame, two tasks (binary, continuous), three seeds, one penalty.
    decisions = np.array([[0.2, -1.0, -3.0], [1.0, 2.0, 6.0]])[..., None, None]
    continuous = np.array([False, True])
    assert merge(decisions, continuous, "any")[:, 0, 0].tolist() == [1.0, 3.0]
    assert merge(decisions, continuous, "majority")[:, 0, 0].tolist() == [0.0, 3.0]
    two = np.array([[0.2, 0.1, -3.0], [1.0, 2.0, 6.0]])[..., None, None]
    assert merge(two, continuous, "majority")[0, 0, 0] == 1
    assert merge(two, continuous, "mean")[0, 0, 0] == 0


def test_counts_and_pooling_by_hand():
    # Four frames, one binary task, one seed: called 1 1 0 0, truth 1 0 1 nan.
    decisions = np.array([2.0, 1.0, -1.0, 5.0]).reshape(1, 1, 1, 4)
    counts = count_clip(decisions, np.array([[1, 0, 1, np.nan]]), np.array([False]), "any")
    assert counts.merged[0, 0].tolist() == [1, 2, 2]
    assert float(score(counts.merged[0, 0], False)) == 0.5
    # Clips at label and prediction means of (.5, .4), (.2, .6), unlabelled, (.9, .5).
    pooled = np.array([[0.5, 0.4], [0.2, 0.6], [np.nan, np.nan], [0.9, 0.5]])
    assert pooled_counts(pooled, False).sum(0).tolist() == [1, 2, 2]
    np.testing.assert_allclose(pooled_counts(pooled, True).sum(0), [3, 0.01 + 0.16 + 0.16, 0])
    values = count_clip(np.array([1.0, 4.0]).reshape(1, 1, 1, 2), np.array([[2.0, 2.0]]), np.array([True]), "mean")
    assert float(score(values.merged[0, 0], True)) == 2.5


def test_pooled_pieces_are_cut_in_the_order_of_the_list():
    # Rows: a with two labelled frames called 1 1, then b with one called 0; the list names b first.
    part = PooledPart(np.array([False]), "any")
    part.add("a", np.array([1.0, 1.0, -1.0]).reshape(1, 1, 3), np.array([[1, 1, np.nan]]))
    part.add("b", np.array([-1.0, -1.0]).reshape(1, 1, 2), np.array([[0, np.nan]]))
    part.add("c", np.array([1.0]).reshape(1, 1, 1), np.array([[np.nan]]))
    assert part.pairs(["a", "c", "b"])[[0, 2], 0].tolist() == [[1, 1], [0, 0]]
    assert part.pairs(["b", "a"])[:, 0].tolist() == [[0, 1], [1, 0.5]]  # as published: b's piece is a's first frame
    assert np.isnan(part.pairs(["c", "a"])[0]).all()


def test_sound_scores_do_not_depend_on_the_order_of_the_lists(synthetic, tmp_path):
    paths, arrays = synthetic
    ordered = {part: sorted(ids) for part, ids in arrays[5].items()}
    tables = []
    for name, split in (
        ("shuffled", arrays[5]),
        ("ordered", ordered | {"SubmissionTrain": arrays[5]["SubmissionTrain"]}),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(split))
        tables.append(
            [evaluate_mabe(*paths[:2], tmp_path / f"{name}.json", mode=mode) for mode in ("sound", "mabe-compat")]
        )
    (sound, compat), (sound_ordered, compat_ordered) = tables
    np.testing.assert_allclose(sound["value"], sound_ordered["value"])
    numbers = ["Private Score", "Public Score", "No Ensemble Score"]
    pd.testing.assert_frame_equal(compat[numbers], compat_ordered[numbers])
    pooled = compat["Sequence Level Task"].to_numpy()
    assert (compat["Pooled Score"] - compat_ordered["Pooled Score"]).abs()[pooled].max() > 0.05  # the published slip


def test_any_is_never_below_majority_in_positives(synthetic):
    paths, _ = synthetic
    compat, majority = (evaluate_mabe(*paths, vote=vote) for vote in ("any", "majority"))
    binary = compat["Metric"] == "f1_score"
    assert (compat.loc[binary, "Private Score"] != majority.loc[binary, "Private Score"]).any()
    pd.testing.assert_frame_equal(compat[~binary], majority[~binary])


def test_sound_scores_sequence_tasks_by_clip_and_gives_intervals(synthetic, tmp_path):
    paths, _ = synthetic
    table = evaluate_mabe(*paths, mode="sound", interval=INTERVAL, output=tmp_path / "sound.csv").set_index("task")
    assert table.index.tolist() == [*MOUSE_TASKS, "mean_f1", "mean_mse"]
    assert table.loc[list(SEQUENCE), "level"].eq("sequence").all()
    assert table.loc["contact", "level"] == "frame"
    defined = table.dropna(subset=["low", "high"])
    assert ((defined["low"] <= defined["value"] + 1e-12) & (defined["value"] <= defined["high"] + 1e-12)).mean() > 0.9
    f1 = table.loc[[name for name in MOUSE_TASKS if name not in ("experiment_day", "time_of_day")], "value"]
    np.testing.assert_allclose(table.loc["mean_f1", "value"], f1.mean())
    assert table.loc["lights", "value"] > 0.9  # a mean over 60 frames tells what a frame hardly does
    again = pd.read_csv(tmp_path / "sound.csv").set_index("task")
    np.testing.assert_allclose(again["value"], table["value"])


def test_sound_does_not_depend_on_the_scale_of_a_dimension(synthetic, tmp_path):
    paths, arrays = synthetic
    scaled = arrays[0] * np.float32(2.0) ** np.arange(-5, 5, dtype=np.float32)
    npy_write.save(tmp_path / "s.npy", {"frame_number_map": arrays[1], "embeddings": scaled})
    first = evaluate_mabe(*paths, mode="sound", interval=INTERVAL)
    second = evaluate_mabe(tmp_path / "s.npy", *paths[1:], mode="sound", interval=INTERVAL)
    np.testing.assert_allclose(first["value"], second["value"], rtol=1e-6)


def test_paired_comparison(synthetic, tmp_path):
    paths, arrays = synthetic
    noise = np.random.default_rng(1).normal(size=arrays[0].shape).astype(np.float32)
    npy_write.save(tmp_path / "noise.npy", {"frame_number_map": arrays[1], "embeddings": noise})
    three = {"good": paths[0], "copy": paths[0], "noise": tmp_path / "noise.npy"}
    table = compare_mabe(three, *paths[1:], interval=INTERVAL).set_index(["a", "b", "task"]).sort_index()
    same = table.loc[("good", "copy")]
    assert (same["difference"] == 0).all() and (same["p"] == 1).all()
    mean = table.loc[("good", "noise", "mean_f1")]
    assert mean["difference"] > 0 and mean["low"] > 0 and mean["p"] < 0.05


def test_official_task_lists(mirror):
    folder = mirror / "mabe22-metadata" / "metadata"
    if not folder.is_dir():
        pytest.skip("no mabe22-metadata in the mirror")
    assert list(MOUSE_TASKS) == json.loads((folder / "jax_tasks.json").read_text())["task_id_list"]
    assert list(FLY_TASKS) == json.loads((folder / "fly_tasks.json").read_text())["task_id_list"]


def test_fly_rows_are_averaged_by_name(tmp_path):
    rng = np.random.default_rng(3)
    frames, n = 40, 30
    spans = {f"F{k}": (k * frames, (k + 1) * frames) for k in range(n)}
    vocabulary = sorted(set(FLY_TASKS))
    array = (rng.random((len(vocabulary), n * frames)) < 0.4).astype(np.float32)
    split = {
        "SubmissionTrain": [f"F{k}" for k in range(20)],
        "publicTest": [f"F{k}" for k in range(20, 24)],
        "privateTest": [f"F{k}" for k in range(24, 30)],
    }
    x = rng.normal(size=(n * frames, 5)).astype(np.float32)
    npy_write.save(tmp_path / "s.npy", {"frame_number_map": spans, "embeddings": x})
    labels = {"frame_number_map": spans, "vocabulary": vocabulary, "label_array": array}
    npy_write.save(tmp_path / "l.npy", labels | {"task_type": ["Discrete"] * len(vocabulary)})
    (tmp_path / "split.json").write_text(json.dumps(split))
    table = evaluate_mabe(tmp_path / "s.npy", tmp_path / "l.npy", tmp_path / "split.json", animal="fly")
    assert table["Task ID"].tolist() == [*FLY_TASKS[:43], *table["Task ID"][43:]]
    assert table["Task ID"][43:].tolist() == sorted(PER_FLY) and len(table) == 50  # averaged rows are sorted by name
    assert table["Task ID"].eq("control").sum() == 2
    by_id = {clip: array[:, a:b] for clip, (a, b) in spans.items()}
    chases = [f"perframe_chase_singletask_fly_{k}" for k in PER_FLY["perframe_chase"]]
    rows = [vocabulary.index(name) for name in chases]
    by_id = {clip: values[rows] for clip, values in by_id.items()}
    literal = evaluate(x, spans, by_id, chases, ["Discrete"] * len(chases), split, ())
    mine = table.set_index("Task ID").loc["perframe_chase"]
    assert abs(mine["Private Score"] - literal["Private Score"].mean()) <= 1e-4
    # The published average of the pooled scores holds the -1 of flies 1 to 10.
    assert table.set_index("Task ID").loc["female", "Pooled Score"] < 0


def _broken(paths, tmp_path, **changes):
    value = npy_objects.load(paths[0])
    value = {"frame_number_map": value["frame_number_map"], "embeddings": np.array(value["embeddings"])} | changes
    npy_write.save(tmp_path / "broken.npy", {key: item for key, item in value.items() if item is not None})
    return tmp_path / "broken.npy", *paths[1:]


def test_bad_submissions_are_refused(synthetic, tmp_path):
    paths, (x, spans, *_) = synthetic
    bad = x.copy()
    bad[spans["CLIP003"][0] + 2, 1] = np.nan
    other = dict(reversed(list(spans.items()))) | {"CLIP000": (60, 120), "CLIP001": (0, 60)}
    for changes, problem in [
        ({"embeddings": None}, "no key 'embeddings'"),
        ({"embeddings": x.astype(np.float64)}, "float64, expected float32; .*--lenient"),
        ({"embeddings": x[:-1]}, r"shape \(3959, 10\), expected numbers of shape \(3960"),
        ({"embeddings": np.zeros((len(x), 129), np.float32)}, "129 dimensions, at most 128 are allowed; .*--lenient"),
        ({"embeddings": bad}, r"row 182 \(clip 'CLIP003'\) holds NaN"),
        ({"frame_number_map": other}, "differs from the labels"),
        ({"frame_number_map": {"A": (0, len(x))}}, "differs from the labels"),
        ({"frame_number_map": {"A": (5, len(x))}}, "expected a start at 0"),
    ]:
        with pytest.raises(InputError, match=problem):
            evaluate_mabe(*_broken(paths, tmp_path, **changes))
    with pytest.raises(InputError, match="lacks 40 clips of SubmissionTrain"):
        evaluate_mabe(*_broken(paths, tmp_path, frame_number_map={"A": (0, len(x))}), strict=False)
    (tmp_path / "split.json").write_text(json.dumps({"SubmissionTrain": ["CLIP000"], "publicTest": ["CLIP001"]}))
    with pytest.raises(InputError, match="no clip of privateTest"):
        evaluate_mabe(*paths[:2], tmp_path / "split.json")


def test_memory_hardly_grows_with_the_submission(tmp_path):
    import tracemalloc

    peaks, sizes = [], []
    for n in (1, 6):
        folder = tmp_path / str(n)
        folder.mkdir()
        paths, _ = make_set(folder, 40 * n, 12 * n, 14 * n, frames=300, dim=64)
        tracemalloc.start()
        evaluate_mabe(*paths)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        sizes.append(paths[0].stat().st_size)
    # What grows are counts per clip, about 7 kB of a real clip's 0.9 MB.
    assert peaks[1] - peaks[0] < 0.2 * (sizes[1] - sizes[0])
