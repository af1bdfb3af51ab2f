"""Published weights without training: as a run, and in the container."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from builders.clips import film
from builders.originals import CLASSES, published_app
from safetensors.torch import save_file

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.detectors.rtdetr_training import save
from workflow_scripts.detectors.rtdetr_weights import build, size_of
from workflow_scripts.methods.mvd import method
from workflow_scripts.methods.predict_files import predict_files
from workflow_scripts.methods.runs import load_embedder

ROOT = Path(__file__).parents[3]
CONTAINER = importlib.util.spec_from_file_location("container_predict", ROOT / "containers" / "predict.py")


@pytest.fixture
def published(tmp_path):
    """A folder as the published app leaves it: weights of DeepSpeed, and its options line by line."""
    network = published_app(tmp_path)
    return tmp_path / "MVD", network, tmp_path / "detector"


def test_published_weights_and_a_detector_become_a_run_that_predicts(published, tmp_path):
    folder, network, detector = published
    method.import_run(folder, tmp_path / "run", {"classes": CLASSES, "detector": str(detector)})
    names = {"hparams.yaml", "weights_best.safetensors", "weights_last.safetensors", "model_card.md", "embedder"}
    assert {path.name for path in (tmp_path / "run").iterdir()} == names
    assert (tmp_path / "run" / "embedder" / "model.safetensors").is_file()
    model, config = load_embedder(tmp_path / "run" / "embedder")
    assert (model.config.num_frames, model.config.sampling_rate, model.config.decision) == (8, 2, "merge")
    video = torch.randn(2, 3, 8, 32, 32)
    with torch.inference_mode():
        assert torch.equal(model.answer(video)[..., -3:], network(video))
    settings = config["spec"]["preprocessing"]["options"]
    assert (
        settings["detector"]["options"] == {"weights": "model.safetensors", "size": "tiny"} and settings["pad"] == 0.05
    )


def test_what_a_file_does_not_tell_must_be_said(published, tmp_path):
    folder, network, _ = published
    with pytest.raises(ConfigError, match="tells 3 classes apart, and 0 are named; set classes in the order"):
        method.import_run(folder, tmp_path / "run", {})
    state = {name: value for name, value in network.state_dict().items() if not name.startswith(("head", "fc_norm"))}
    torch.save({"model": state}, tmp_path / "pre.pth")
    with pytest.raises(InputError, match="only pre-trained and knows no classes"):
        method.import_run(tmp_path / "pre.pth", tmp_path / "run", {"classes": CLASSES})
    with pytest.raises(InputError, match="holds no weights"):
        method.import_run(tmp_path / "nothing", tmp_path / "run2", {})


def test_the_size_of_a_detector_is_read_from_its_tensors(tmp_path):
    save(tmp_path / "r18.safetensors", build("r18"))
    assert size_of(tmp_path / "r18.safetensors") == "r18"
    save_file({"class_embed.0.bias": torch.zeros(1)}, tmp_path / "no.safetensors")
    with pytest.raises(InputError, match="no published size"):
        size_of(tmp_path / "no.safetensors")


def container():
    module = importlib.util.module_from_spec(CONTAINER)
    CONTAINER.loader.exec_module(module)
    return module


def test_the_container_predicts_with_published_weights_and_keeps_the_name(published, tmp_path, monkeypatch):
    folder, _, _ = published
    mounted = film(tmp_path / "GL010533.mp4", 0, frames=40).rename(tmp_path / "input")
    settings = {"MODEL_DIR": str(folder), "INPUT": str(mounted), "INPUT_NAME": "/videos/GL010533.MP4"}
    settings |= {"OUTPUT": str(tmp_path / "output"), "CLASSES": "|".join(CLASSES), "OVERLAY": "no"}
    assert container().main(settings) == 0
    table = pd.read_csv(tmp_path / "output" / "GL010533" / "probabilities.csv")
    assert list(table.columns[2:5]) == CLASSES and len(table) == 40
    assert np.isfinite(table[CLASSES].to_numpy()[table["note"].isna()]).all()


def test_the_container_says_what_is_missing(capsys):
    assert container().main({"INPUT": "x"}) == 1
    assert "MODEL_DIR, OUTPUT is not set; copy containers/example.env to .env" in capsys.readouterr().err


def test_the_compose_file_names_what_the_example_sets():
    text = (ROOT / "containers" / "docker-compose.yml").read_text()
    compose = yaml.safe_load(text)["services"]["predict"]
    targets = {volume["target"]: volume["source"] for volume in compose["volumes"]}
    assert set(targets) == {"/input", "/output", "/model", "/detector"}
    settings = compose["environment"]
    assert (settings["INPUT"], settings["OUTPUT"], settings["MODEL_DIR"]) == ("/input", "/output", "/model")
    script = compose["command"][1].removeprefix("/opt/ethomake/")
    assert (ROOT / script).is_file() and "COPY containers containers" in (
        ROOT / "containers" / "Dockerfile"
    ).read_text()
    example = (ROOT / "containers" / "example.env").read_text()
    for name in ("INPUT", "OUTPUT", "MODEL_DIR", "CLASSES", "FPS", "DETECTOR_DIR", "CONFIDENCE", "OVERLAY"):
        assert f"${{{name}:" in text and f"{name}=" in example
    gpu = yaml.safe_load((ROOT / "containers" / "docker-compose.gpu.yml").read_text())
    assert gpu["services"]["predict"]["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    # Without the file laid over it, nothing asks for a GPU: the CPU serves.
    assert "deploy" not in compose and "runtime" not in compose


def test_the_run_of_published_weights_finds_animals_by_its_detector(published, tmp_path):
    folder, _, detector = published
    settings = {"classes": CLASSES, "detector": str(detector), "video": {"every": 20}}
    method.import_run(folder, tmp_path / "run", settings)
    shutil.rmtree(detector)  # the run has its own copy
    assert size_of(tmp_path / "run" / "embedder" / "files" / "model.safetensors") == "tiny"
    raw = film(tmp_path / "raw.mp4", 1, frames=40)
    predict_files(tmp_path / "run", [raw], tmp_path / "out", overlay=False)
    quality = pd.read_csv(tmp_path / "out" / "raw" / "quality.csv").iloc[0]
    # It was never trained and puts its box anywhere; the background would have found the mouse.
    assert "the detector rtdetrv2 cannot handle this picture" in quality["warnings"] and quality["outside"] > 0.5
    assert "never tried on held-out videos" in quality["warnings"]
