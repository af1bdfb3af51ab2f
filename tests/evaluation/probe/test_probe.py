import tracemalloc

import h5py
import numpy as np
import pytest
from builders.tracks import Toy, frame_labels, make_split
from builders.tracks import drifting_pair as recording
from sklearn import metrics as oracle
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.preprocessing import StandardScaler

from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.evaluation.options import IntervalConfig, ProbeConfig
from workflow_scripts.evaluation.probe import rows as data
from workflow_scripts.evaluation.probe.probe import run_probe
from workflow_scripts.evaluation.scores.chance import chance_predictions
from workflow_scripts.evaluation.scores.estimate import COLUMNS, table_of
from workflow_scripts.evaluation.scores.score import all_positive_rows, score_predictions
from workflow_scripts.formats.embeddings import write_embeddings
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.tracks import write_tracks

INTERVAL = IntervalConfig(resamples=200)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return Toy(tmp_path_factory.mktemp("toy"))


def probe(toy, path, tasks=None, seed=0, split=None, **options):
    notes = run_probe(
        toy.embeddings, toy.tracks, split or toy.split, tasks or toy.tasks, ProbeConfig(**options), seed, path
    )
    return notes, path


def pooled(path, task):
    with open_predictions(path) as reader:
        found = list(reader.iterate(task))
    truth, guess = (np.concatenate([getattr(p, name)[p.mask] for p in found]) for name in ("truth", "prediction"))
    scores = None if found[0].scores is None else np.concatenate([p.scores[p.mask] for p in found])
    return truth, guess, scores


def value(table, task, metric):
    row = table[(table.task == task) & (table.metric == metric)]
    assert len(row) == 1
    return float(row.value.iloc[0])


@pytest.mark.parametrize("model", ["ridge", "logistic"])
def test_probe_is_scikit_learns_on_every_task(toy, tmp_path, model):
    notes, path = probe(toy, tmp_path / "p.h5", model=model)
    assert notes == []
    for task in ("state", "running", "speed"):
        x, y = toy.rows(task, toy.split.train)
        scaler = StandardScaler().fit(x.astype(np.float64))
        if task == "speed":
            fitted = Ridge(alpha=1.0)
        elif model == "ridge":
            fitted = RidgeClassifier(alpha=1.0, class_weight="balanced", solver="cholesky")
        else:
            fitted = LogisticRegression(C=1.0, class_weight="balanced", tol=1e-8, max_iter=1000)
        fitted.fit(scaler.transform(x.astype(np.float64)), y)
        x, y = toy.rows(task, toy.split.test)
        truth, guess, scores = pooled(path, task)
        np.testing.assert_array_equal(truth, y)
        expected = fitted.predict(scaler.transform(x.astype(np.float64)))
        if task == "speed":
            np.testing.assert_allclose(guess, expected, atol=1e-5)
            assert scores is None
            continue
        assert (guess == expected).mean() > 0.995
        if model == "ridge":
            np.testing.assert_allclose(
                scores, fitted.decision_function(scaler.transform(x.astype(np.float64))), atol=1e-5
            )
        else:
            probabilities = fitted.predict_proba(scaler.transform(x.astype(np.float64)))
            np.testing.assert_allclose(scores, probabilities if task == "state" else probabilities[:, 1], atol=2e-3)


def test_sequence_tasks_use_the_mean_embedding(toy, tmp_path):
    _, path = probe(toy, tmp_path / "p.h5", ["strain", "weight"], model="ridge", standardise=False)
    means = {name: x.mean(axis=0, dtype=np.float64).astype(np.float32) for name, x in toy.x.items()}
    x = np.stack([means[name] for name in toy.split.train]).astype(np.float64)
    y = [float(toy.labels[name]["weight"].values[0]) for name in toy.split.train]
    fitted = Ridge(alpha=1.0).fit(x, y)
    truth, guess, _ = pooled(path, "weight")
    assert truth.shape == (2,)
    np.testing.assert_allclose(guess, fitted.predict(np.stack([means[n] for n in toy.split.test])), atol=1e-4)


def test_scores_are_scikit_learns(toy, tmp_path):
    _, path = probe(toy, tmp_path / "p.h5")
    table = score_predictions([path], INTERVAL)
    assert list(table.columns) == COLUMNS
    assert set(table.readout) == {"probe"}
    truth, guess, scores = pooled(path, "state")
    assert value(table, "state", "macro_f1") == pytest.approx(oracle.f1_score(truth, guess, average="macro"))
    for code, name in enumerate(("rest", "run", "rear")):
        one = oracle.f1_score(truth == code, guess == code)
        assert value(table, "state", f"f1/{name}") == pytest.approx(one)
    assert value(table, "state", "balanced_accuracy") == pytest.approx(oracle.balanced_accuracy_score(truth, guess))
    aps = [oracle.average_precision_score(truth == k, scores[:, k]) for k in range(3)]
    assert value(table, "state", "average_precision") == pytest.approx(np.mean(aps))
    areas = [oracle.roc_auc_score(truth == k, scores[:, k]) for k in range(3)]
    assert value(table, "state", "auroc") == pytest.approx(np.mean(areas))
    truth, guess, scores = pooled(path, "running")
    assert value(table, "running", "average_precision") == pytest.approx(oracle.average_precision_score(truth, scores))
    assert value(table, "running", "f1/running") == pytest.approx(oracle.f1_score(truth, guess))
    truth, guess, _ = pooled(path, "speed")
    assert value(table, "speed", "mse") == pytest.approx(oracle.mean_squared_error(truth, guess), rel=1e-5)
    assert value(table, "speed", "r2") == pytest.approx(oracle.r2_score(truth, guess), rel=1e-5)
    frames = table[table.level == "frame"]
    assert ((frames.low <= frames.value) & (frames.value <= frames.high)).all()
    assert (frames.n_groups == 2).all()
    assert (table[table.task == "strain"].n == 2).all()


def test_folds_are_pooled_into_one_score(toy, tmp_path):
    paths = []
    for k in range(3):
        test = toy.ids[2 * k : 2 * k + 2]
        split = make_split([r for r in toy.ids if r not in test], test, name=f"fold{k}")
        paths.append(probe(toy, tmp_path / f"{k}.h5", ["state"], split=split)[1])
    table = score_predictions(paths, INTERVAL)
    parts = [pooled(path, "state") for path in paths]
    truth, guess = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    assert value(table, "state", "macro_f1") == pytest.approx(oracle.f1_score(truth, guess, average="macro"))
    assert (table.n_groups == 6).all()
    assert (table.n == len(truth)).all()
    with pytest.raises(InputError, match="also predicted"):
        score_predictions([paths[0], paths[0]], INTERVAL)


def test_one_held_out_group_has_no_interval(toy, tmp_path):
    _, path = probe(toy, tmp_path / "p.h5", ["state", "speed"], split=make_split(toy.ids[:5], toy.ids[5:]))
    table = score_predictions([path], INTERVAL)
    assert table.value.notna().all()
    assert table[["low", "high"]].isna().all(axis=None)


def test_streaming_does_not_depend_on_the_chunk(toy, tmp_path, monkeypatch):
    tables = []
    for chunk in (8192, 37):
        monkeypatch.setattr(data, "CHUNK", chunk)
        for model in ("ridge", "logistic"):
            path = probe(toy, tmp_path / f"{model}{chunk}.h5", model=model)[1]
            tables.append([pooled(path, task) for task in toy.tasks])
    for one, other in ((tables[0], tables[2]), (tables[1], tables[3])):
        for (_, guess, scores), (_, guess2, scores2) in zip(one, other, strict=True):
            np.testing.assert_allclose(guess, guess2, atol=1e-5)
            if scores is not None:
                np.testing.assert_allclose(scores, scores2, atol=1e-4)


@pytest.mark.parametrize("model", ["ridge", "logistic"])
def test_same_seed_same_file_and_the_draw_is_seeded(toy, tmp_path, model):
    tasks = ["state", "running"]
    found = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        notes, path = probe(toy, tmp_path / name, tasks, seed=seed, model=model, max_train_frames=200)
        found[name] = pooled(path, "state")[2]
        assert any("fitted on 200 of" in note for note in notes)
    assert (found["a"] == found["b"]).all()
    assert (found["a"] != found["c"]).any()
    alone = pooled(probe(toy, tmp_path / "d", ["state"], seed=1, model=model, max_train_frames=200)[1], "state")[2]
    np.testing.assert_allclose(alone, found["a"], atol=1e-5)


@pytest.mark.parametrize("model", ["ridge", "logistic"])
def test_penalty_is_chosen_without_the_test_recordings(toy, tmp_path, model):
    alphas = [1e-3, 1e7]
    for split in (toy.split, make_split(toy.ids[:3], toy.ids[4:], toy.ids[3:4])):
        notes, chosen = probe(toy, tmp_path / "many", ["state", "speed"], split=split, model=model, alphas=alphas)
        assert sum("penalty 0.001 chosen" in note for note in notes) == 2
        _, alone = probe(toy, tmp_path / "one", ["state", "speed"], split=split, model=model, alphas=[1e-3])
        for task in ("state", "speed"):
            assert (pooled(chosen, task)[1] == pooled(alone, task)[1]).mean() > 0.99
    # Spoiling the test labels must not change the choice or the scores.
    labels = {r: dict(toy.labels[r]) for r in toy.ids}
    for r in toy.split.test:
        labels[r]["state"] = frame_labels(np.zeros(len(toy.x[r])))
    write_tracks(tmp_path / "spoilt.h5", [recording(r, frames=len(toy.x[r]), labels=labels[r]) for r in toy.ids])
    config = ProbeConfig(model=model, alphas=alphas)
    run_probe(toy.embeddings, tmp_path / "spoilt.h5", toy.split, ["state"], config, 0, tmp_path / "s.h5")
    run_probe(toy.embeddings, toy.tracks, toy.split, ["state"], config, 0, tmp_path / "t.h5")
    with open_predictions(tmp_path / "s.h5") as spoilt, open_predictions(tmp_path / "t.h5") as clean:
        for one, other in zip(spoilt.iterate("state"), clean.iterate("state"), strict=True):
            assert (one.scores == other.scores).all()


def test_penalty_with_one_training_group_is_the_first(toy, tmp_path):
    notes, _ = probe(toy, tmp_path / "p", ["state"], split=make_split(["r0"], ["r1"]), alphas=[2.0, 1.0])
    assert any("could not be chosen" in note for note in notes)


def spoil(toy, tmp_path, change):
    recordings = [recording(r, frames=len(toy.x[r]), labels=change(r, dict(toy.labels[r]))) for r in toy.ids]
    write_tracks(tmp_path / "changed.h5", recordings)
    return tmp_path / "changed.h5"


def run(toy, tracks, path, tasks=("state",), embeddings=None, **options):
    return run_probe(embeddings or toy.embeddings, tracks, toy.split, tasks, ProbeConfig(**options), 0, path)


@pytest.mark.parametrize("model", ["ridge", "logistic"])
def test_class_absent_in_training_is_noted(toy, tmp_path, model):
    def change(r, labels):
        old = labels["state"]
        labels["state"] = frame_labels(old.values, mask=old.mask & ((old.values != 2) | (r in toy.split.test)))
        return labels

    notes = run(toy, spoil(toy, tmp_path, change), tmp_path / "p", model=model)
    assert any("no training row of rear" in note for note in notes)
    table = score_predictions([tmp_path / "p"], INTERVAL)
    assert value(table, "state", "f1/rear") == 0


def test_class_absent_in_truth_has_no_f1_and_no_part_in_the_mean(toy, tmp_path):
    def change(r, labels):
        old = labels["state"]
        labels["state"] = frame_labels(old.values, mask=old.mask & ((old.values != 2) | (r in toy.split.train)))
        return labels

    run(toy, spoil(toy, tmp_path, change), tmp_path / "p")
    table = score_predictions([tmp_path / "p"], INTERVAL)
    assert np.isnan(value(table, "state", "f1/rear"))
    mean = (value(table, "state", "f1/rest") + value(table, "state", "f1/run")) / 2
    assert value(table, "state", "macro_f1") == pytest.approx(mean)


@pytest.mark.parametrize("side", ["train", "test"])
def test_task_without_labels_on_a_side_is_refused(toy, tmp_path, side):
    def change(r, labels):
        if r in getattr(toy.split, side):
            del labels["state"]
        return labels

    tracks = spoil(toy, tmp_path, change)
    with pytest.raises(InputError, match=f"'state' has no label in the {side} recordings"):
        run(toy, tracks, tmp_path / "p")
    with pytest.raises(InputError, match="'state' has no label"):
        chance_predictions("prior", tracks, toy.split, ["state"], 0, tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_unknown_task_names_the_nearest(toy, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'state'"):
        probe(toy, tmp_path / "p", ["stat"])


def test_recordings_without_the_task_are_noted(toy, tmp_path):
    def change(r, labels):
        if r == "r5":
            del labels["state"]
        return labels

    notes = run(toy, spoil(toy, tmp_path, change), tmp_path / "p")
    assert any("1 test recordings hold no labels" in note for note in notes)
    with open_predictions(tmp_path / "p") as reader:
        assert reader.recordings("state") == ["r4"]


def test_task_that_changes_its_vocabulary_is_refused(toy, tmp_path):
    def change(r, labels):
        if r == "r1":
            labels["state"] = frame_labels(labels["state"].values, vocabulary=("rest", "rear", "run"))
        return labels

    with pytest.raises(InputError, match="'r1' has another kind"):
        run(toy, spoil(toy, tmp_path, change), tmp_path / "p")


@pytest.mark.parametrize(("task", "bad", "kind"), [("state", 3, "multiclass"), ("speed", np.inf, "continuous")])
def test_label_outside_the_vocabulary_is_refused(toy, tmp_path, task, bad, kind):
    def change(r, labels):
        values = labels[task].values.copy()
        values[np.flatnonzero(labels[task].mask)[0]] = bad
        labels[task] = frame_labels(values, kind, mask=labels[task].mask)
        return labels

    with pytest.raises(InputError, match="outside the vocabulary"):
        run(toy, spoil(toy, tmp_path, change), tmp_path / "p", tasks=[task])


@pytest.mark.parametrize("model", ["ridge", "logistic"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["r1", "r5"])
def test_nan_embeddings_are_refused(toy, tmp_path, model, bad, where):
    write_embeddings(tmp_path / "e.h5", toy.x.items())
    with h5py.File(tmp_path / "e.h5", "r+") as handle:
        handle["recordings"][where][7, 2] = bad
    with pytest.raises(InputError, match=rf"'{where}' has a NaN or infinite embedding at frame 7"):
        run(toy, toy.tracks, tmp_path / "p", embeddings=tmp_path / "e.h5", model=model)
    assert not (tmp_path / "p").exists()


def test_embeddings_of_another_length_or_absent_are_refused(toy, tmp_path):
    write_embeddings(tmp_path / "short.h5", [(r, x[:-3]) for r, x in toy.x.items()])
    with pytest.raises(InputError, match="embedded frames"):
        run(toy, toy.tracks, tmp_path / "p", embeddings=tmp_path / "short.h5")
    write_embeddings(tmp_path / "few.h5", [("r0", toy.x["r0"])])
    with pytest.raises(EthoMakeError, match="no recording 'r1'"):
        run(toy, toy.tracks, tmp_path / "p", embeddings=tmp_path / "few.h5")


def test_memory_of_ridge_does_not_grow_with_recordings(tmp_path):
    def peak(n):
        rng = np.random.default_rng(0)
        names = [f"r{k:03}" for k in range(n)]
        labels = {"state": frame_labels(rng.integers(0, 3, 4000))}
        write_tracks(tmp_path / "t.h5", (recording(r, frames=4000, labels=labels, seed=0) for r in names))
        write_embeddings(tmp_path / "e.h5", ((r, rng.normal(size=(4000, 64)).astype(np.float32)) for r in names))
        split = make_split(names[1:], names[:1])
        tracemalloc.start()
        run_probe(tmp_path / "e.h5", tmp_path / "t.h5", split, ["state"], ProbeConfig(model="ridge"), 0, tmp_path / "p")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2)
    assert peak(24) < 1.1 * peak(4)


def test_slow_convergence_is_noted(toy, tmp_path):
    notes, _ = probe(toy, tmp_path / "p", ["state"], max_iter=1)
    assert any("before it converged" in note for note in notes)


def test_majority(toy, tmp_path):
    chance_predictions("majority", toy.tracks, toy.split, toy.tasks, 0, tmp_path / "p")
    table = score_predictions([tmp_path / "p"], INTERVAL)
    assert set(table.readout) == {"chance"}
    _, y = toy.rows("state", toy.split.test)
    share = (y == 0).mean()
    assert value(table, "state", "macro_f1") == pytest.approx(2 * share / (1 + share) / 3)
    assert value(table, "state", "auroc") == 0.5
    _, train = toy.rows("speed", toy.split.train)
    _, test = toy.rows("speed", toy.split.test)
    assert value(table, "speed", "mse") == pytest.approx(((test - train.mean()) ** 2).mean(), rel=1e-5)


def test_prior_draws_the_training_shares(toy, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        chance_predictions("prior", toy.tracks, toy.split, toy.tasks, seed, tmp_path / name)
    a, b, c = (pooled(tmp_path / name, "state") for name in "abc")
    assert (a[1] == b[1]).all()
    assert (a[1] != c[1]).any()
    _, train = toy.rows("state", toy.split.train)
    shares = np.bincount(train) / len(train)
    np.testing.assert_allclose(a[2][0], shares, rtol=1e-6)
    np.testing.assert_allclose(np.bincount(a[1], minlength=3) / len(a[1]), shares, atol=0.08)
    table = score_predictions([tmp_path / "a"], INTERVAL)
    _, y = toy.rows("running", toy.split.test)
    assert value(table, "running", "average_precision") == pytest.approx(y.mean())
    assert value(table, "running", "auroc") == pytest.approx(0.5)


def test_all_positive_is_the_formula(toy, tmp_path):
    _, path = probe(toy, tmp_path / "p")
    table = table_of(all_positive_rows([path], INTERVAL))
    assert set(table.readout) == {"chance"}
    assert "speed" not in set(table.task)
    _, y = toy.rows("state", toy.split.test)
    shares = np.bincount(y, minlength=3) / len(y)
    expected = 2 * shares / (1 + shares)
    for name, f1 in zip(("rest", "run", "rear"), expected, strict=True):
        assert value(table, "state", f"f1/{name}") == pytest.approx(f1)
    assert value(table, "state", "macro_f1") == pytest.approx(expected.mean())
    _, y = toy.rows("running", toy.split.test)
    assert value(table, "running", "f1/running") == pytest.approx(oracle.f1_score(y, np.ones_like(y)))
    rows = table[table.level == "frame"]
    assert ((rows.low <= rows.value) & (rows.value <= rows.high)).all()


def test_unknown_chance_method(toy, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'majority'"):
        chance_predictions("majorty", toy.tracks, toy.split, ["state"], 0, tmp_path / "p")
