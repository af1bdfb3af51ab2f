import numpy as np
import pytest
import torch
from builders.tracks import bending_bodies as walk
from builders.tracks import bodies_view as view
from safetensors.numpy import load_file, save_file
from sklearn.decomposition import PCA

from workflow_scripts import methods
from workflow_scripts.cards.card import load_card
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.errors import ConfigError, EthoMakeError
from workflow_scripts.formats.tracks import open_tracks
from workflow_scripts.methods.runs import embed, export_embedder, train

CONTROLS = ("raw", "features", "pca", "random_init")


def recordings(**more):
    return [walk(seed=k, name=name, **more) for k, name in enumerate("abc")]


def fitted(name, shown, **options):
    config = methods.parse(name, options)
    functions = methods.load(name)
    model = functions.build(config, shown.spec())
    assert functions.prepare(shown, config).view is shown
    return functions, model, model.fit(shown)


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize("individuals", [1, 2, 3])
@pytest.mark.parametrize("image_size", [None, (640.0, 480.0)])
def test_embeddings_are_finite_named_and_survive_safetensors(tmp_path, name, individuals, image_size):
    made = recordings(individuals=individuals, image_size=image_size, missing=0.3)
    functions, model, metrics = fitted(name, view(tmp_path, made, train=["a", "b"]))
    array = functions.embed(model, made[2])
    names = functions.dimension_names(model)
    assert array.shape == (120, len(names)) and array.dtype == np.float32 and np.isfinite(array).all()
    assert len(set(names)) == len(names) and all(np.isfinite(value) for value in metrics.values())
    assert functions.predict(model, made[2]) is None

    save_file(model.state_dict(), tmp_path / "w.safetensors")
    again = functions.build(model.config, model.spec)
    again.load_state_dict(load_file(tmp_path / "w.safetensors"), strict=True)
    np.testing.assert_array_equal(functions.embed(again, made[2]), array)


@pytest.mark.parametrize("name", CONTROLS)
def test_the_run_functions_take_them(tmp_path, name):
    seen = view(tmp_path, recordings(), train=["a", "b"])
    train(name, {"mode": "sound", "options": {}}, seen, folder=tmp_path / "run", seed=3)
    export_embedder(tmp_path / "run")
    embed(tmp_path / "run" / "embedder", seen, tmp_path / "embeddings.h5")
    assert (tmp_path / "embeddings.h5").is_file()


@pytest.mark.parametrize("name", CONTROLS)
def test_only_training_recordings_decide(tmp_path, name):
    one = view(tmp_path, recordings(), train=["a", "b"])
    _, model, _ = fitted(name, one)
    other = [*recordings()[:2], walk(seed=99, name="c", missing=0.9)]
    (tmp_path / "other").mkdir()
    _, again, _ = fitted(name, view(tmp_path / "other", other, train=["a", "b"]))
    for key, value in model.state_dict().items():
        assert np.array_equal(value, again.state_dict()[key]), key


@pytest.mark.parametrize("name", CONTROLS)
def test_another_kind_of_recording_is_refused(tmp_path, name):
    functions, model, _ = fitted(name, view(tmp_path, recordings()))
    with pytest.raises(EthoMakeError, match="has individuals"):
        functions.embed(model, walk(individuals=3))
    with pytest.raises(EthoMakeError, match="has keypoints"):
        functions.embed(model, walk(keypoints=("body", "nose", "tailbase")))
    with pytest.raises(EthoMakeError, match="has fps"):
        functions.embed(model, walk(fps=25.0))


@pytest.mark.parametrize("name", CONTROLS)
def test_an_unfitted_model_and_foreign_weights_are_refused(tmp_path, name):
    seen = view(tmp_path, recordings())
    functions = methods.load(name)
    with pytest.raises(EthoMakeError, match="neither fitted nor given weights"):
        functions.embed(functions.build(methods.parse(name, {}), seen.spec()), walk())
    with pytest.raises(ConfigError, match="a control has no published weights"):
        functions.import_weights(tmp_path / "x.pt")


@pytest.mark.parametrize("name", CONTROLS)
def test_recordings_without_a_point_are_refused_in_training_and_embedded_later(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(EthoMakeError, match="training recordings of split 'fold0'"):
        fitted(name, view(tmp_path / "empty", [walk(missing=1.0, name="a")]))
    functions, model, _ = fitted(name, view(tmp_path, [*recordings(), walk(missing=1.0, name="d")]))
    assert np.isfinite(functions.embed(model, walk(missing=1.0))).all()


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize("time", [0, 1, 2, 3])
def test_very_short_recordings_are_embedded(tmp_path, name, time):
    functions, model, _ = fitted(name, view(tmp_path, recordings()), **({"seen": True} if name == "raw" else {}))
    array = functions.embed(model, walk(time=time))
    assert array.shape == (time, len(functions.dimension_names(model))) and np.isfinite(array).all()


def test_raw_by_hand(tmp_path):
    made = recordings(image_size=(640.0, 480.0), missing=0)
    made[0].position[3:5, 1, 2] = np.nan
    made[1].position[0, 0, 1] = np.nan
    functions, model, _ = fitted("raw", view(tmp_path, made), seen=True)
    found = dict(zip(functions.dimension_names(model), functions.embed(model, made[0]).T, strict=True))
    np.testing.assert_allclose(found["rat1.nose.x"], (made[0].position[:, 0, 0, 0] - 320) / 320, atol=1e-5)
    np.testing.assert_allclose(found["rat1.nose.y"], (made[0].position[:, 0, 0, 1] - 240) / 320, atol=1e-5)
    assert (found["rat2.tailbase.x"][3:5] == found["rat2.tailbase.x"][2]).all()
    np.testing.assert_array_equal(found["rat2.tailbase.seen"], ~np.isnan(made[0].position[:, 1, 2, 0]))
    # Before the first sight the mean of the training recordings is in.
    every = np.concatenate([(r.position[:, 0, 1, 0] - 320) / 320 for r in made])
    assert functions.embed(model, made[1])[0, 2] == pytest.approx(np.nanmean(every), rel=1e-5)
    assert functions.dimension_names(model)[2] == "rat1.body.x"

    functions, model, _ = fitted("raw", view(tmp_path, made), fill="mean")
    mean = np.nanmean(np.concatenate([(r.position[:, 1, 2, 0] - 320) / 320 for r in made]))
    np.testing.assert_allclose(functions.embed(model, made[0])[3:5, 10], mean, rtol=1e-5)


@pytest.mark.parametrize("coordinates", ["image", "egocentric"])
def test_pca_equals_scikit_learn_on_the_stacked_windows(tmp_path, monkeypatch, coordinates):
    from workflow_scripts.methods.pca import method

    monkeypatch.setattr(method, "CHUNK", 50)  # several chunks a recording
    made = recordings()
    functions, model, metrics = fitted(
        "pca", view(tmp_path, made, train=["a", "b"]), coordinates=coordinates, window=5, stride=3, dim=7
    )
    stacked = np.concatenate([chunk for recording in made[:2] for chunk in model.windows(recording)])
    assert stacked.shape == (240, 5 * (12 if coordinates == "image" else 16))
    oracle = PCA(n_components=7, svd_solver="full").fit(stacked)
    ratio = np.abs(np.sum(oracle.components_ * model.components, axis=1))
    np.testing.assert_allclose(ratio, 1, atol=1e-8)
    np.testing.assert_allclose(model.explained_variance, oracle.explained_variance_, rtol=1e-8)
    assert metrics["explained_variance_ratio"] == pytest.approx(oracle.explained_variance_ratio_.sum())
    signs = np.sign(np.sum(oracle.components_ * model.components, axis=1))
    held_out = np.concatenate(list(model.windows(made[2])))
    np.testing.assert_allclose(functions.embed(model, made[2]), oracle.transform(held_out) * signs, atol=1e-5)
    largest = np.abs(model.components).argmax(axis=1)
    assert (model.components[np.arange(7), largest] > 0).all()


def test_pca_windows_are_centred_and_repeat_the_ends(tmp_path):
    made = recordings(missing=0)
    _, model, _ = fitted("pca", view(tmp_path, made), coordinates="image", window=3, stride=2)
    windows = np.concatenate(list(model.windows(made[0]))).reshape(120, 3, 12)
    np.testing.assert_array_equal(windows[10, 0], windows[8, 1])
    np.testing.assert_array_equal(windows[10, 2], windows[12, 1])
    np.testing.assert_array_equal(windows[0, 0], windows[0, 1])
    np.testing.assert_array_equal(windows[119, 2], windows[119, 1])


def test_pca_keeps_no_more_components_than_columns(tmp_path):
    seen = view(tmp_path, recordings(individuals=1, keypoints=("dot",)))
    functions, model, _ = fitted("pca", seen, coordinates="image", window=1)
    assert functions.dimension_names(model) == ["pc1", "pc2"]
    with pytest.raises(ConfigError, match="must be odd"):
        methods.parse("pca", {"window": 4})


def test_the_seed_decides_the_random_encoder(tmp_path):
    seen, recording = view(tmp_path, recordings()), walk(seed=7)
    arrays = {}
    for key, seed in (("first", 1), ("again", 1), ("other", 2)):
        torch.rand(3)  # the state of the global generator must not matter
        before = torch.get_rng_state()
        functions, model, _ = fitted("random_init", seen, seed=seed)
        assert torch.equal(torch.get_rng_state(), before)
        arrays[key] = functions.embed(model, recording)
    np.testing.assert_array_equal(arrays["first"], arrays["again"])
    assert not np.allclose(arrays["first"], arrays["other"], atol=0.1)
    assert methods.config_model("random_init").seeded and not methods.config_model("pca").seeded


def test_the_random_encoder_shows_no_seams_and_sees_only_its_neighbourhood(tmp_path, monkeypatch):
    from workflow_scripts.methods.random_init import method

    seen, recording = view(tmp_path, recordings()), walk(time=150, seed=7, missing=0)
    functions, model, _ = fitted("random_init", seen, layers=3, coordinates="image")
    whole = functions.embed(model, recording)
    monkeypatch.setattr(method, "CHUNK", 40)
    np.testing.assert_allclose(functions.embed(model, recording), whole, atol=1e-5)
    recording.position[75] += 30
    touched = np.abs(functions.embed(model, recording) - whole).max(axis=1) > 1e-4
    assert touched[75] and not touched[: 75 - 7].any() and not touched[75 + 8 :].any()


def test_real_rats_are_embedded(tmp_path, root, mirror):
    card = load_card(root / "config" / "datasets" / "rats_pairs.yaml")
    recording = next(iter(convert_shard(card, card.shards[0], mirror / "rats-pairs-a")))
    seen = view(tmp_path, [recording])
    for name, dim in (("raw", 20), ("features", 371), ("pca", 32), ("random_init", 64)):
        functions, model, _ = fitted(name, seen)
        array = functions.embed(model, recording)
        assert array.shape == (recording.n_frames, dim) and np.isfinite(array).all()
        # Standing still and missing must not make dimensions that blow a probe up.
        assert np.abs(array).max() < 1000
    with open_tracks(seen.path) as reader:
        assert reader.n_frames(recording.id) == recording.n_frames
