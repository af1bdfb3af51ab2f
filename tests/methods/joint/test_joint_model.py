"""The model of a joint run: it embeds as its members do, side by side, and needs their runs no more."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.small_methods import SMALL
from builders.tracks import labelled, mice, mice_view

from workflow_scripts import methods
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.methods import runs
from workflow_scripts.views.tracks import TrackView

ORDER = ("raw", "bams", "features")


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> TrackView:
    return mice_view(tmp_path_factory.mktemp("data"), [mice(f"r{k}", 60, 2, seed=k) for k in range(3)], train=2)


def trained(method: str, options: object, view: TrackView, folder: Path) -> Path:
    runs.train(method, {"mode": "sound", "options": options}, view, folder=folder, seed=1)
    runs.export_embedder(folder)
    return folder / "embedder"


@pytest.fixture(scope="module")
def members(view: TrackView, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("members")
    return {
        name: trained(name, methods.parse(name, SMALL.get(name, {})).model_dump(mode="json"), view, folder / name)
        for name in ORDER
    }


def listed(members: dict[str, Path]) -> dict[str, object]:
    return {"members": [{"name": name, "folder": str(folder)} for name, folder in members.items()]}


def test_it_embeds_as_its_members_do_without_their_runs(
    view: TrackView, members: dict[str, Path], tmp_path: Path
) -> None:
    copies = {name: Path(shutil.copytree(folder, tmp_path / name)) for name, folder in members.items()}
    joint = trained("joint", listed(copies), view, tmp_path / "joint")
    for folder in copies.values():
        shutil.rmtree(folder)
    runs.embed(joint, view, tmp_path / "joint.h5")
    expected = {}
    for name, folder in members.items():
        runs.embed(folder, view, tmp_path / f"{name}.h5")
        with open_embeddings(tmp_path / f"{name}.h5") as reader:
            expected[name] = {recording: reader.read(recording) for recording in reader.ids}
    with open_embeddings(tmp_path / "joint.h5") as reader:
        assert [name.partition(": ")[0] for name in reader.names] == [
            name for name in ORDER for _ in range(expected[name]["r0"].shape[1])
        ]
        for recording in reader.ids:
            np.testing.assert_array_equal(
                reader.read(recording), np.hstack([expected[name][recording] for name in ORDER])
            )


def test_networks_go_where_inference_is(
    view: TrackView, members: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU, too, methods without a network keep their NumPy arrays."""
    folder = trained("joint", listed(members), view, tmp_path)
    monkeypatch.setattr("workflow_scripts.methods.joint.method.inference_device", lambda: torch.device("meta"))
    model, _ = runs.load_embedder(folder)
    raw, bams, features = (model.models[ORDER.index(name)] for name in ("raw", "bams", "features"))
    assert {tensor.device.type for tensor in bams.state_dict().values()} == {"meta"} and not bams.training
    assert all(isinstance(array, np.ndarray) for part in (raw, features) for array in part.state_dict().values())


def test_a_state_that_does_not_fit_is_refused(view: TrackView, members: dict[str, Path], tmp_path: Path) -> None:
    model, _ = runs.load_embedder(trained("joint", listed(members), view, tmp_path))
    state = model.state_dict()
    for wrong in (state | {"models.9.x": np.zeros(1)}, {name: state[name] for name in state if name != "fitted"}):
        with pytest.raises(RuntimeError, match=r"models.9.x is unknown|fitted is missing"):
            model.load_state_dict(wrong)
    lost = next(name for name in state if name.startswith("models.1."))
    with pytest.raises(RuntimeError, match=lost.removeprefix("models.1.")):
        model.load_state_dict({name: state[name] for name in state if name != lost})


def test_members_of_other_data_are_refused(members: dict[str, Path], tmp_path: Path) -> None:
    other = mice_view(tmp_path, [replace(mice(f"r{k}", 60, 2), fps=25.0) for k in range(3)], train=2)
    with pytest.raises(InputError, match=r"config.yaml: was made for other data than this run"):
        trained("joint", listed(members), other, tmp_path / "joint")


def test_damaged_members_are_refused(view: TrackView, members: dict[str, Path], tmp_path: Path) -> None:
    copies = {name: Path(shutil.copytree(folder, tmp_path / name)) for name, folder in members.items()}
    (copies["bams"] / "model.safetensors").write_bytes(b"none")
    with pytest.raises(InputError, match=r"bams/model.safetensors: does not fit its configuration"):
        trained("joint", listed(copies), view, tmp_path / "joint")
    text = (copies["bams"] / "config.yaml").read_text()
    (copies["bams"] / "config.yaml").write_text(text.replace("method: bams", "method: joint"))
    with pytest.raises(ConfigError, match="cannot be a member of another one"):
        trained("joint", listed(copies), view, tmp_path / "joint")


def test_options_of_members_are_checked_where_a_run_is_read(
    view: TrackView, members: dict[str, Path], tmp_path: Path
) -> None:
    joint = trained("joint", listed(members), view, tmp_path)
    config = read_yaml(joint / "config.yaml")
    config["options"]["members"][1]["options"]["crops"] = 3
    runs.write_yaml(joint / "config.yaml", config)
    with pytest.raises(ConfigError, match="unknown key 'crops'"):
        runs.load_embedder(joint)


def test_its_predictions_are_the_geometric_mean_of_its_members(tmp_path: Path) -> None:
    recordings = []
    for k in range(3):
        labels = {name: labelled(60, seed=seed)["behaviour"] for name, seed in (("act", k), ("rest", k + 3))}
        recordings.append(replace(mice(f"r{k}", 60, 2, seed=k), labels=labels))
    view = mice_view(tmp_path, recordings, train=2)
    options = {"boosting": SMALL["boosting"], "daart": SMALL["daart"] | {"strong": "act"}}
    made = {
        name: trained(name, methods.parse(name, given).model_dump(mode="json"), view, tmp_path / name)
        for name, given in options.items()
    }
    model, config = runs.load_embedder(trained("joint", listed(made), view, tmp_path / "joint"))
    assert methods.parse("joint", config["options"]).readout() == "native"
    (recording,) = view.test()
    said = methods.load("joint").predict(model, recording)
    each = []
    for name, folder in made.items():
        member, _ = runs.load_embedder(folder)
        each.append(methods.load(name).predict(member, recording))
    assert set(each[1]) < set(each[0]) == set(said)  # daart knows one task
    expected = np.sqrt(np.maximum(each[0]["act"], 1e-6) * np.maximum(each[1]["act"], 1e-6))
    np.testing.assert_allclose(said["act"], expected / expected.sum(1, keepdims=True), atol=1e-5)
    (other,) = set(each[0]) - {"act"}
    np.testing.assert_allclose(said[other], each[0][other], atol=1e-5)
    alone, config = runs.load_embedder(trained("joint", listed({"a": made["boosting"]}), view, tmp_path / "alone"))
    assert methods.load("joint").predict(alone, recording) is None


def test_without_members_it_is_refused() -> None:
    functions = methods.load("joint")
    with pytest.raises(ConfigError, match="has no members"):
        functions.build(methods.parse("joint", {}), None)
    assert not torch.cuda.is_initialized()
