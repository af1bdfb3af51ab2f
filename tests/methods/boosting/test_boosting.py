"""Boosted trees: scikit-learn is the oracle of the arrays, made-up recordings of what is learnt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.tracks import bending_bodies, bodies_view, frame_labels, sequence_label
from safetensors.numpy import load_file, save_file
from sklearn.ensemble import HistGradientBoostingClassifier

from workflow_scripts import methods
from workflow_scripts.core.errors import ConfigError, EthoMakeError
from workflow_scripts.methods.boosting.columns import band_powers
from workflow_scripts.methods.boosting.fit import fit_trees, inner_folds
from workflow_scripts.methods.boosting.trees import Trees

QUICK = {"windows_s": [1.0], "max_iter": 8, "min_samples_leaf": 5, "max_features": 1.0}


def recordings(tasks=None, time=150):
    """Three recordings whose class is how fast the first animal goes, in three steps, and whether it is fast."""
    made = []
    for k, name in enumerate("abc"):
        recording = bending_bodies(time=time, seed=k, name=name, missing=0.05)
        step = np.repeat(np.arange(6), time // 6)[:, None] % 3
        moved = np.cumsum(step * 8.0, axis=0)[..., None, None]
        position = (recording.position + np.concatenate([moved, 0 * moved], axis=-1)).astype(np.float32)
        classes = step[:, 0]
        labels = {"pace": frame_labels(classes), "fast": frame_labels(classes == 2, "binary", ("no", "yes"))}
        made.append(replace(recording, position=position, group=name, labels=labels if tasks is None else tasks(k)))
    return made


def fitted(view, **options):
    functions, config = methods.load("boosting"), methods.parse("boosting", QUICK | options)
    model = functions.build(config, view.spec())
    return functions, model, model.fit(view)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_arrays_say_what_scikit_learn_says(tmp_path, classes):
    rng = np.random.default_rng(classes)
    x = rng.normal(size=(1500, 6)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    x[:, 5] = np.where(rng.random(1500) < 0.3, np.inf, x[:, 5])
    y = (np.nan_to_num(x[:, 0]) > 0) + 2 * (np.isnan(x[:, 1])) if classes == 4 else np.isnan(x[:, 2]) | (x[:, 0] > 0)
    oracle = HistGradientBoostingClassifier(max_iter=20, class_weight="balanced", random_state=0).fit(x, y.astype(int))
    trees = Trees()
    trees.take(oracle, np.arange(classes), 1.0)
    fresh = np.concatenate([rng.normal(size=(3000, 6)), np.full((1, 6), np.nan), x]).astype(np.float32)
    np.testing.assert_allclose(trees.probabilities(fresh, classes), oracle.predict_proba(fresh), atol=1e-6)
    assert trees.probabilities(fresh[:0], classes).shape == (0, classes)
    # The same from safetensors, into a model that knows no lengths yet.
    save_file(trees.state_dict(), tmp_path / "trees.safetensors")
    again = Trees()
    again.load_state_dict(load_file(tmp_path / "trees.safetensors"), strict=True)
    np.testing.assert_array_equal(again.probabilities(fresh, classes), trees.probabilities(fresh, classes))
    with pytest.raises(RuntimeError, match="threshold is missing"):
        Trees().load_state_dict({"value": np.zeros(1)})


def test_classes_that_training_never_showed_have_no_probability():
    x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    found = fit_trees(x, np.where(x[:, 0] > 0, 3, 1), np.arange(200) % 4, methods.parse("boosting", QUICK))
    trees = Trees()
    trees.take(found.model, found.codes, found.temperature)
    said = trees.probabilities(x, 5)
    assert not said[:, [0, 2, 4]].any() and np.allclose(said.sum(axis=1), 1, atol=1e-6)
    assert ((said.argmax(axis=1) == 3) == (x[:, 0] > 0)).mean() > 0.95


def test_it_learns_the_pace_of_recordings_it_has_not_seen(tmp_path):
    made = recordings()
    functions, model, metrics = fitted(bodies_view(tmp_path, made, train=["a", "b"]))
    said = functions.predict(model, made[2])
    assert set(said) == {"pace", "fast"} and said["pace"].shape == (150, 3) and said["fast"].shape == (150, 2)
    assert (said["pace"].argmax(axis=1) == made[2].labels["pace"].values).mean() > 0.8
    names = functions.dimension_names(model)
    assert names == ["fast/no", "fast/yes", "pace/rest", "pace/run", "pace/rear"]
    embedded = functions.embed(model, made[2])
    assert embedded.dtype == np.float32
    np.testing.assert_allclose(embedded[:, 2:], np.log(np.maximum(said["pace"], 1e-6)), rtol=1e-5)
    assert metrics["frames/pace"] == 300 and np.isfinite(metrics["inner_loss/pace"])


def test_only_training_recordings_decide(tmp_path):
    made = recordings()
    _, model, _ = fitted(bodies_view(tmp_path, made, train=["a", "b"]))
    (tmp_path / "other").mkdir()
    other = [*made[:2], replace(made[2], labels={"pace": frame_labels(np.zeros(150)), "fast": made[2].labels["fast"]})]
    _, again, _ = fitted(bodies_view(tmp_path / "other", other, train=["a", "b"]))
    for key, value in model.state_dict().items():
        assert np.array_equal(value, again.state_dict()[key]), key


def test_inner_folds_cut_no_group_and_choose_fewer_rounds_than_noise_would(tmp_path):
    groups = np.repeat([7, 8, 9, 10], 50)
    folds = inner_folds(groups, 3, seed=1)
    assert len(set(folds)) == 3 and all(len(set(folds[groups == group])) == 1 for group in (7, 8, 9, 10))
    assert not inner_folds(np.zeros(9, int), 3, 0).any() and not inner_folds(groups, 0, 0).any()
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(200, 4)).astype(np.float32)
    config = methods.parse("boosting", QUICK | {"max_iter": 40})
    found = fit_trees(noise, rng.integers(0, 2, 200), groups, config)
    assert found.rounds < 10  # noise asks for few
    whole = fit_trees(noise, rng.integers(0, 2, 200), groups, config.model_copy(update={"folds": 0}))
    assert whole.rounds == 40 and np.isnan(whole.loss)


def test_no_more_frames_than_asked_for_and_a_seed_that_draws_them(tmp_path):
    made = recordings()
    view = bodies_view(tmp_path, made, train=["a", "b"])
    _, model, metrics = fitted(view, frames_a_recording=60, seed=1)
    assert metrics["frames/pace"] == 120
    _, again, _ = fitted(view, frames_a_recording=60, seed=1)
    _, other, _ = fitted(view, frames_a_recording=60, seed=2)
    assert np.array_equal(model.trees[0].threshold, again.trees[0].threshold)
    assert not np.array_equal(model.trees[0].value, other.trees[0].value)


def test_tasks_without_classes_by_frame_are_passed_over_and_none_at_all_is_refused(tmp_path):
    def tasks(k):
        return {"strain": sequence_label(k % 2), "speed": frame_labels(np.ones(150), "continuous")}

    with pytest.raises(EthoMakeError, match=r"no two classes of any task by frame \(speed, strain\)"):
        fitted(bodies_view(tmp_path, recordings(tasks)))
    with pytest.raises(ConfigError, match="did you mean 'pace'"):
        (tmp_path / "named").mkdir()
        fitted(bodies_view(tmp_path / "named", recordings()), tasks=["pac"])


def test_windows_before_and_after_a_frame_are_means_over_them(tmp_path):
    made = recordings()
    _, model, _ = fitted(bodies_view(tmp_path, made), past_and_future=True)
    names, table = model.maker.names(), model.maker.columns(made[0], float(model.length))
    assert table.shape == (150, len(names)) and len(set(names)) == len(names)
    at = {name: k for k, name in enumerate(names)}
    speed = table[:, at["speed.max"]]
    np.testing.assert_allclose(table[80, at["speed.max|past_1s"]], np.nanmean(speed[70:81]), rtol=1e-5)
    np.testing.assert_allclose(table[80, at["speed.max|future_1s"]], np.nanmean(speed[80:91]), rtol=1e-5)


def test_bands_that_do_not_rise_are_refused():
    for bands in ([[2.0, 1.0]], [[1.0]], [[0.0, 1.0]]):
        with pytest.raises(ConfigError, match="a band goes from a frequency above 0 to a higher one"):
            methods.parse("boosting", {"bands_hz": bands})


def test_spectral_columns_are_named_and_finite_where_points_are_missing(tmp_path):
    made = recordings()
    _, model, _ = fitted(bodies_view(tmp_path, made), spectrum_s=1.0, bands_hz=[[1.0, 4.0]])
    names, table = model.maker.names(), model.maker.columns(made[0], float(model.length))
    spectral = [k for k, name in enumerate(names) if name.endswith("|1-4Hz")]
    assert len(spectral) == len(model.maker.quantities) and np.isfinite(table[:, spectral]).all()


def test_a_wave_has_its_power_in_its_own_band():
    time = np.arange(400) / 40
    values = np.stack([np.sin(2 * np.pi * 3 * time), np.full(400, 5.0)], axis=1)
    values[10, 0] = np.nan
    slow, right, fast = band_powers(values, 40.0, 2.0, [(0.5, 2.0), (2.0, 5.0), (5.0, 10.0)])
    assert right[100:300, 0].min() > 10 * max(slow[100:300, 0].max(), fast[100:300, 0].max())
    assert not right[:, 1].any() and right.shape == (400, 2)
    assert [len(part) for part in band_powers(values[:0], 40.0, 2.0, [(1.0, 2.0)])] == [0]
