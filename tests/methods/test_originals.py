"""Models of the original programs become runs that the stages embed and predict with, and the other way round."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import Labels, Recording, write_tracks
from workflow_scripts.methods import Facts
from workflow_scripts.methods.daart.project import versions as project
from workflow_scripts.methods.lisbet import method as lisbet_method
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.original import write
from workflow_scripts.methods.lisbet.original.read import read_original
from workflow_scripts.methods.lisbet.original.write import write_original
from workflow_scripts.methods.originals import export_run, facts_of, import_run
from workflow_scripts.methods.runs import embed, load_embedder, predict
from workflow_scripts.sources.daart_csv import write_markers, write_one_hot
from workflow_scripts.views.tracks import DataSpec, TrackView

PARTS = ("nose", "left_ear", "right_ear", "neck", "left_hip", "right_hip", "tail")
CALMS = ("attack", "investigation", "mount", "other")
LAYOUTS = {"0.2.3": "post", "seed": "pre", "newest": "pre"}
FILES = {"hparams.yaml", "model_card.md", "weights_best.safetensors", "weights_last.safetensors", "embedder"}


def recording(identifier, *, frames=90, individuals=("resident", "intruder"), keypoints=PARTS, classes=CALMS, fps=30.0):
    rng = np.random.default_rng([*identifier.encode()])
    shape = (frames, len(individuals), len(keypoints), 2)
    position = (200 + np.cumsum(rng.normal(0, 2, shape), axis=0)).astype(np.float32)
    codes = ((np.arange(frames) // 15) % len(classes)).astype(np.int16)
    return Recording(
        id=identifier,
        position=position,
        confidence=np.ones(shape[:3], np.float32),
        fps=fps,
        individuals=tuple(individuals),
        keypoints=tuple(keypoints),
        group=identifier,
        image_size=(1024.0, 570.0),
        labels={"behaviour": Labels(codes, np.ones(frames, bool), "frame", "multiclass", tuple(classes))},
    )


def view_of(folder, recordings):
    write_tracks(folder / "tracks.h5", recordings)
    ids = [one.id for one in recordings]
    return TrackView(folder / "tracks.h5", Split("toy", "all", "all", [], [], ids, {name: name for name in ids}))


def model(spec, **options):
    torch.manual_seed(0)
    return Lisbet(Config(**{"mode": "faithful", "preset": "16x2", "window_size": 20, **options}), spec)


@pytest.mark.parametrize(
    ("layout", "norm", "embedder"),
    [(layout, norm, one) for layout, norm in LAYOUTS.items() for one in (False, True)],
)
def test_an_original_lisbet_folder_becomes_a_run(tmp_path, layout, norm, embedder):
    view = view_of(tmp_path, [recording("a"), recording("b")])
    spec = DataSpec.of(recording("a", frames=2))
    made = model(spec, tasks=["cfc", "nwp"], labels=["behaviour"], backbone={"norm": norm}, window_offset=3)
    write_original(made, tmp_path / "orig", layout=layout, embedder=embedder)
    notes = import_run(tmp_path / "orig", tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    assert any("30 frames per second" in note for note in notes)
    hparams = read_yaml(tmp_path / "run" / "hparams.yaml")
    assert (hparams["method"], hparams["mode"]) == ("lisbet", "faithful")
    assert set(hparams["imported"]["sha256"]) == {"model_config.yml", "weights/weights_last.pt"}
    assert hparams["imported"]["assumed"] == notes
    assert all(note in (tmp_path / "run" / "model_card.md").read_text() for note in notes)
    embed(tmp_path / "run" / "embedder", view, tmp_path / "embeddings.h5")
    with open_embeddings(tmp_path / "embeddings.h5") as reader:
        for name in ("a", "b"):
            expected = lisbet_method.embed(made, recording(name))
            np.testing.assert_allclose(reader.read(name), expected, atol=1e-6)
    if embedder:
        with pytest.raises(EthoMakeError, match="predicts none of the tasks"):
            predict(tmp_path / "run" / "embedder", view, ["behaviour"], tmp_path / "p.h5", readout="native")
        return
    predict(tmp_path / "run" / "embedder", view, ["behaviour"], tmp_path / "p.h5", readout="native")
    with open_predictions(tmp_path / "p.h5") as reader:
        expected = lisbet_method.predict(made, recording("a"))["behaviour"]
        np.testing.assert_allclose(reader.read("behaviour", "a").scores, expected, atol=1e-6)


def test_what_a_lisbet_folder_leaves_open_is_asked_for_or_assumed_aloud(tmp_path):
    fish = recording("f", individuals=("x", "y", "z"), keypoints=("head", "tail"), classes=("rest", "chase"))
    made = model(DataSpec.of(fish), tasks=["cfc"], labels=["behaviour"])
    write_original(made, tmp_path / "orig")
    with pytest.raises(InputError, match="has 12 columns and names none; tell individuals and keypoints"):
        import_run(tmp_path / "orig", tmp_path / "run")
    names = {"individuals": ("x", "y", "z"), "keypoints": ("head", "tail")}
    with pytest.raises(InputError, match="states no frame rate"):
        import_run(tmp_path / "orig", tmp_path / "run", Facts(**names))
    with pytest.raises(InputError, match=r"has 12 columns, and 2 individuals × 2 keypoints × 2 axes make 8"):
        import_run(tmp_path / "orig", tmp_path / "run", Facts(("x", "y"), ("head", "tail"), 25.0))
    with pytest.raises(InputError, match="has 2 classes, and the names given are a"):
        import_run(tmp_path / "orig", tmp_path / "run", Facts(**names, fps=25.0, classes=("a",)))
    notes = import_run(tmp_path / "orig", tmp_path / "run", Facts(**names, fps=25.0))
    assert "the 2 classes of its head multiclass have no names and are numbered" in notes
    _, config = load_embedder(tmp_path / "run" / "embedder")
    assert config["spec"]["vocabularies"] == {"behaviour": ["class0", "class1"]}
    facts = Facts(**names, fps=25.0, classes=("rest", "chase"), task="what")
    import_run(tmp_path / "orig", tmp_path / "other", facts)
    assert load_embedder(tmp_path / "other" / "embedder")[1]["spec"]["vocabularies"] == {"what": ["rest", "chase"]}
    write_original(made, tmp_path / "new", layout="newest")
    with pytest.raises(InputError, match="trained on the keypoints head, tail, and tail, head was given"):
        import_run(tmp_path / "new", tmp_path / "run", Facts(keypoints=("tail", "head"), fps=25.0))
    with pytest.raises(InputError, match="is no model of an original program; expected one of"):
        import_run(tmp_path, tmp_path / "run")
    with pytest.raises(ConfigError, match="pca imports no models"):
        import_run(tmp_path / "orig", tmp_path / "run", method="pca")


def test_a_run_is_exported_to_the_originals_folders_and_comes_back(tmp_path):
    view = view_of(tmp_path, [recording("s/a"), recording("b")])
    made = model(DataSpec.of(recording("b")), tasks=["nwp", "smp"])
    write_original(made, tmp_path / "orig")
    run = tmp_path / "runs" / "seed3"
    import_run(tmp_path / "orig", run)
    embed(run / "embedder", view, run / "embeddings.h5")
    (run / "training_history.log").write_text(",epoch\n0,0\n")
    written = export_run(run, tmp_path / "betman", run_id="mine")
    found = {str(path.relative_to(tmp_path / "betman")) for path in written}
    embeddings = {f"embeddings/{name}/features_lisbet_embedding.csv" for name in ("s/a", "b")}
    models = {
        f"models/{name}/{part}"
        for name in ("mine", "mine-embedder")
        for part in ("model_config.yml", "weights/weights_last.pt")
    }
    assert found == embeddings | models | {"models/mine/training_history.log"}
    assert set(read_original(tmp_path / "betman" / "models" / "mine").outputs) == {"order", "cons"}
    table = pd.read_csv(tmp_path / "betman/embeddings/s/a/features_lisbet_embedding.csv", index_col=0)
    assert list(table.columns) == [str(k) for k in range(16)] and len(table) == 90
    import_run(tmp_path / "betman" / "models" / "mine-embedder", tmp_path / "again")
    again, _ = load_embedder(tmp_path / "again" / "embedder")
    np.testing.assert_allclose(table, lisbet_method.embed(again, recording("s/a")), atol=1e-6)
    sound = Lisbet(Config(preset="16x2", window_size=20), made.spec)
    with pytest.raises(EthoMakeError, match="cannot compute this model's input"):
        write.export_folders(sound, run, tmp_path / "no")


FLIES = ("still", "walk", "groom")


def fly_project(folder, **model_options):
    """A trained version of the original's command on two small recordings, and the recordings as tracks."""
    made = []
    for name in ("fly1", "fly2"):
        one = recording(name, frames=240, individuals=("fly",), keypoints=("head", "body", "leg"), classes=FLIES)
        rng = np.random.default_rng(3)
        confidence = rng.uniform(0.2, 1, one.confidence.shape).astype(np.float32)
        one = dataclasses.replace(one, confidence=confidence, image_size=None)
        (folder / "data" / "markers").mkdir(parents=True, exist_ok=True)
        (folder / "data" / "labels-hand").mkdir(parents=True, exist_ok=True)
        write_markers(folder / "data" / "markers" / f"{name}.csv", one)
        codes = one.labels["behaviour"].values + 1
        write_one_hot(folder / "data" / "labels-hand" / f"{name}.csv", codes, ["background", *FLIES])
        made.append(one)
    places = {"data_dir": str(folder / "data"), "results_dir": str(folder / "results")}
    configs = {
        "data": {**places, "expt_ids": ["fly1", "fly2"]},
        "model": {"n_hid_units": 8, "n_lags": 2, **model_options},
        "train": {"max_epochs": 2, "sequence_length": 60, "trial_splits": "3;1;0;0", "val_check_interval": 1},
    }
    paths = []
    for name, values in configs.items():
        paths.append(folder / f"{name}.yaml")
        paths[-1].write_text(yaml.safe_dump(values))
    (version,) = project.run(*paths)
    return version, made


@pytest.mark.parametrize(
    "options",
    [
        {"backbone": "dtcn", "lambda_pred": 1},
        {"backbone": "temporal-mlp", "n_hid_layers": 2},
        {"backbone": "lstm"},
        {"backbone": "gru", "bidirectional": False},
        {"backbone": "dtcn", "velocity": True, "likelihood": True},
        {"backbone": "dtcn", "variational": True},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_a_daart_version_becomes_a_run(tmp_path, options):
    version, made = fly_project(tmp_path, **options)
    view = view_of(tmp_path, made)
    notes = import_run(version.folder, tmp_path / "run", Facts(individuals=("fly",), fps=30.0))
    assert notes == ["the class 'background' means unscored and is left out"]
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    embed(tmp_path / "run" / "embedder", view, tmp_path / "embeddings.h5")
    predict(tmp_path / "run" / "embedder", view, ["behaviour"], tmp_path / "p.h5", readout="native")
    model, options, _ = project.load_version(version.folder)
    for one in made:
        x, _ = project.read_inputs(tmp_path / "data" / "markers" / f"{one.id}.csv", options)
        with open_embeddings(tmp_path / "embeddings.h5") as reader:
            np.testing.assert_allclose(reader.read(one.id), model.encode(x).numpy(), atol=1e-5)
        states = np.load(version.folder / f"{one.id}_states.npy")[:, 1:]
        with open_predictions(tmp_path / "p.h5") as reader:
            scores = reader.read("behaviour", one.id).scores
        np.testing.assert_allclose(scores, states / states.sum(axis=1, keepdims=True), atol=1e-5)


def test_what_a_daart_version_leaves_open_is_asked_for_or_assumed_aloud(tmp_path):
    version, _ = fly_project(tmp_path, backbone="temporal-mlp", n_hid_layers=1)
    hparams = read_yaml(version.folder / "hparams.yaml")
    with pytest.raises(InputError, match="states no frame rate"):
        import_run(version.folder, tmp_path / "run")
    with pytest.raises(InputError, match=r"has 6 columns, and 1 individuals × 2 keypoints make 4"):
        import_run(version.folder, tmp_path / "run", Facts(keypoints=("a", "b"), fps=30.0))

    def without(**changes):
        values = {key: value for key, value in (hparams | changes).items() if key not in {"class_names", "input_names"}}
        (version.folder / "hparams.yaml").write_text(yaml.safe_dump(values))

    without()  # as the original: names are in the data folder
    import_run(version.folder, tmp_path / "named", Facts(fps=30.0))
    spec = load_embedder(tmp_path / "named" / "embedder")[1]["spec"]
    assert (spec["keypoints"], spec["vocabularies"]) == (["head", "body", "leg"], {"behaviour": list(FLIES)})
    without(data_dir="project/data")
    notes = import_run(version.folder, tmp_path / "run", Facts(fps=30.0))
    assert len([note for note in notes if "numbered" in note]) == 2
    facts = Facts(keypoints=("head", "body", "leg"), fps=30.0, classes=FLIES)
    assert import_run(version.folder, tmp_path / "given", facts) == [
        "the class 'background' means unscored and is left out"
    ]
    without(ignore_class=-100)
    facts = dataclasses.replace(facts, classes=("none", *FLIES))
    assert import_run(version.folder, tmp_path / "every", facts) == []
    assert load_embedder(tmp_path / "every" / "embedder")[1]["spec"]["vocabularies"]["behaviour"] == ["none", *FLIES]
    without(input_type="features")
    with pytest.raises(InputError, match="trained on the input_type features, and tracks have no such columns"):
        import_run(version.folder, tmp_path / "x", facts)
    with pytest.raises(ConfigError, match="daart are exported to no original program"):
        export_run(tmp_path / "run", tmp_path / "out")


def test_a_dataset_tells_what_the_files_do_not(tmp_path):
    fish = recording("f", individuals=("x", "y", "z"), keypoints=("head", "tail"), classes=("rest", "chase"), fps=25.0)
    view = view_of(tmp_path, [fish])
    write_original(model(DataSpec.of(fish), tasks=["cfc"], labels=["behaviour"]), tmp_path / "orig")
    import_run(tmp_path / "orig", tmp_path / "run", data=view.path, options={"embed_batch": 7})
    found, config = load_embedder(tmp_path / "run" / "embedder")
    assert found.spec == DataSpec.of(fish) and config["options"]["embed_batch"] == 7
    predict(tmp_path / "run" / "embedder", view, ["behaviour"], tmp_path / "p.h5", readout="native")
    with pytest.raises(ConfigError, match="no task 'behavior' with classes; did you mean 'behaviour'"):
        facts_of(view.path, "behavior")


def test_a_damaged_version_is_a_sentence(tmp_path):
    version, _ = fly_project(tmp_path, backbone="temporal-mlp", n_hid_layers=1)
    values = read_yaml(version.folder / "hparams.yaml") | {"learning_rate": "fast"}
    (version.folder / "hparams.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match=r"hparams\.yaml: learning_rate: input should be a valid number"):
        import_run(version.folder, tmp_path / "run", Facts(fps=30.0))
