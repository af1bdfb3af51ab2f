"""What every method of the registry keeps to, whichever it is: `methods.names()` decides which are tested."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import clips
from builders.small_methods import SMALL
from builders.tracks import labelled, mice, mice_view
from safetensors.torch import load_file

from workflow_scripts import methods
from workflow_scripts.core.errors import ConfigError, EthoMakeError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.images import write_images
from workflow_scripts.formats.splits import Split, write_split
from workflow_scripts.methods import runs
from workflow_scripts.simulate.rat_direction import Options, make_frames
from workflow_scripts.views.clips import ClipView
from workflow_scripts.views.images import ImageView

NAMES = methods.names()


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A tiny dataset of each kind, and one recording of the same kind that no model may take for its own."""
    folder = tmp_path_factory.mktemp("views")
    tracks = [replace(mice(f"r{k}", 60, 2, seed=k), labels=labelled(60, seed=k)) for k in range(3)]
    images = make_frames(Options(frames=16))
    write_images(folder / "images.h5", [images])
    ids = images.recordings
    groups = dict(zip(ids, map(str, images.group), strict=True))
    (folder / "clips").mkdir()
    index = clips.dataset(folder / "clips", videos=3, length=48)
    return {
        "tracks": mice_view(folder, tracks, train=2),
        "images": ImageView(folder / "images.h5", Split("toy", "one", "one", ids[:12], [], ids[12:], groups)),
        "clips": ClipView(index, clips.split(["v0"], ["v1"], ["v2"])),
    }


def foreign(view: Any, kind: str) -> Any:
    """A recording of the view's kind with another skeleton, set of points or frame rate."""
    recording = next(iter(view.everything()))
    if kind == "tracks":
        return replace(recording, keypoints=("tip", *recording.keypoints[1:]))
    if kind == "images":
        return replace(recording, names=("tip", *recording.names[1:]))
    return replace(recording, fps=recording.fps * 2)


def elsewhere(view: Any) -> Path:
    """Arrays of every recording, as somebody else's encoder leaves them: here the coordinates."""
    folder = Path(view.path).parent / "elsewhere"
    folder.mkdir(exist_ok=True)
    for recording in view.everything():
        flat = np.nan_to_num(recording.position).reshape(recording.n_frames, -1)
        np.save(folder / f"{recording.id}.npy", flat)
    return folder


def exported(name: str, view: Any, folder: Path) -> Path:
    """The exported model of a run, as a joint one takes it."""
    runs.export_embedder(small_run(name, view, folder / name))
    return folder / name / "embedder"


def small_run(name: str, view: Any, folder: Path, *, seed: int = 1, mode: str = "sound") -> Path:
    """Train as the rules do: in a mode, from the file of copies where the method asks for one."""
    options = SMALL.get(name, {}) | ({"path": str(elsewhere(view))} if name == "external" else {})
    if name == "joint":
        options = {"members": [{"name": each, "folder": str(exported(each, view, folder))} for each in ("raw", "pca")]}
    config = methods.parse(name, options)
    if copies := config.stored_copies(mode):
        methods.load(name).augment_file(view.path, folder / "copies.h5", folder / "copies.csv", copies, seed)
        view = ImageView(view.path, view.split, folder / "copies.h5")
    settings = {"mode": mode, "options": config.model_dump(mode="json")}
    runs.train(name, settings, view, folder=folder, seed=seed)
    return folder


@pytest.fixture(scope="module")
def trained(views: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Folder of a method's run with a seed, trained once and only where a test asks for it."""
    made: dict[tuple[str, int, int], Path] = {}

    def run(name: str, seed: int = 1, time: int = 0) -> Path:
        if (name, seed, time) not in made:
            folder = tmp_path_factory.mktemp(name)
            view = views[methods.config_model(name).kind]
            small_run(name, view, folder, seed=seed)
            runs.export_embedder(folder)
            made[name, seed, time] = folder
        return made[name, seed, time]

    return run


def test_options_of_all_methods_import_no_torch() -> None:
    """The graph is built from options alone; in a process of its own, as this one has torch already."""
    program = (
        "import sys; from workflow_scripts import methods; [methods.parse(n, {}) for n in methods.names()];"
        "print(sorted({'torch', 'lightning', 'transformers', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


TRAINING = ("lightning", "transformers", "torchmetrics", "tensorboard", "sklearn")
"""Libraries that a model which only answers must not load: they take seconds."""
WITHOUT_TORCH = ("raw", "features", "pca", "boosting", "motion_energy", "external", "joint")


@pytest.mark.parametrize("name", NAMES)
def test_answering_loads_no_library_of_training(name: str, views: dict[str, Any], trained: Any, tmp_path: Path) -> None:
    """A process embeds and predicts as the stages do, and tells which libraries it has loaded by then."""
    view, embedder = views[methods.config_model(name).kind], trained(name) / "embedder"
    write_split(tmp_path / "split.json", view.split)
    program = f"""
import sys
from pathlib import Path
from workflow_scripts.formats.splits import read_split
from workflow_scripts.stages import apply, embed, predict
from workflow_scripts import methods
from workflow_scripts.methods import runs
from workflow_scripts.views.registry import open_view
view = open_view(Path({str(view.path)!r}), read_split(Path({str(tmp_path / "split.json")!r})))
runs.embed(Path({str(embedder)!r}), view, Path({str(tmp_path / "embeddings.h5")!r}))
model, config = runs.load_embedder(Path({str(embedder)!r}))
for recording in view.test():
    methods.load(config["method"]).predict(model, recording)
print(sorted({{*{TRAINING!r}, "torch"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str([] if name in WITHOUT_TORCH else ["torch"])


@pytest.mark.parametrize("name", NAMES)
def test_options_refuse_what_they_do_not_know(name: str) -> None:
    known = next(iter(methods.config_model(name).model_fields))
    with pytest.raises(ConfigError, match=rf"methods\.{name}.*did you mean '{known}'"):
        methods.parse(name, {known + "x": 1})


@pytest.mark.parametrize("name", NAMES)
def test_the_functions_are_there(name: str) -> None:
    functions, config = methods.load(name), methods.parse(name, {})
    for function in ("prepare", "build", "embed", "predict", "import_weights", "dimension_names"):
        assert callable(getattr(functions, function, None)), function
    assert config.readout() is None or config.predicts  # some predict only where they are trained with labels


@pytest.mark.parametrize("name", NAMES)
def test_faithful_is_a_flag_and_a_behaviour(name: str, views: dict[str, Any], trained: Any, tmp_path: Path) -> None:
    """A method with a faithful mode learns something else in it; one without has no option for it."""
    config = methods.config_model(name)
    assert config.faithful == ("mode" in config.model_fields)
    if config.faithful:
        other = load_file(small_run(name, views[config.kind], tmp_path, mode="faithful") / "weights_last.safetensors")
        sound = load_file(trained(name) / "weights_last.safetensors")
        assert sound.keys() != other.keys() or any(
            sound[key].shape != other[key].shape or not torch.equal(sound[key], other[key]) for key in sound
        )


@pytest.mark.parametrize("name", NAMES)
def test_embeddings_are_float32_and_one_row_a_frame(
    name: str, views: dict[str, Any], trained: Any, tmp_path: Path
) -> None:
    view = views[methods.config_model(name).kind]
    folder = trained(name)
    runs.embed(folder / "embedder", view, tmp_path / "embeddings.h5")
    dimensions = read_yaml(folder / "embedder" / "config.yaml")["dimensions"]
    with open_embeddings(tmp_path / "embeddings.h5") as reader:
        lengths = {recording.id: recording.n_frames for recording in view.everything()}
        assert set(reader.ids) == set(lengths)
        for recording, frames in lengths.items():
            rows = reader.read(recording)
            assert rows.dtype == np.float32
            assert rows.shape == (frames, len(dimensions))
            assert np.isfinite(rows).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_the_weights(name: str, trained: Any) -> None:
    one, again = (trained(name, 1, time) / "weights_last.safetensors" for time in (0, 1))
    assert one.read_bytes() == again.read_bytes()
    other = trained(name, 2) / "weights_last.safetensors"
    assert (other.read_bytes() != one.read_bytes()) == methods.config_model(name).seeded


@pytest.mark.parametrize(
    "name", [name for name in NAMES if not methods.parse(name, SMALL.get(name, {})).reads_labels()]
)
def test_what_reads_no_labels_is_the_same_whichever_are_hidden(
    name: str, views: dict[str, Any], trained: Any, tmp_path: Path
) -> None:
    """Such trainings are shared by splits that hide different labels."""
    view = copy.copy(views[methods.config_model(name).kind])
    view.split = replace(view.split, unlabelled=view.split.train[:1])
    weights = small_run(name, view, tmp_path) / "weights_last.safetensors"
    assert weights.read_bytes() == (trained(name) / "weights_last.safetensors").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_the_exported_model_is_the_trained_one(name: str, views: dict[str, Any], trained: Any) -> None:
    """An exported folder read twice computes the same to the bit, and what it computes follows its weights."""
    folder = trained(name)
    functions = methods.load(name)
    recording = next(iter(views[methods.config_model(name).kind].test()))
    model, config = runs.load_embedder(folder / "embedder")
    assert json.dumps(config["options"]) == json.dumps(read_yaml(folder / "hparams.yaml")["options"])
    fresh = runs._restore(read_yaml(folder / "hparams.yaml"), folder / "weights_best.safetensors")
    with torch.inference_mode():
        np.testing.assert_array_equal(functions.embed(model, recording), functions.embed(fresh, recording))
    for key, value in model.state_dict().items():
        assert np.array_equal(np.asarray(value), np.asarray(fresh.state_dict()[key])), key


@pytest.mark.parametrize("name", NAMES)
def test_another_skeleton_is_refused(name: str, views: dict[str, Any], trained: Any) -> None:
    kind = methods.config_model(name).kind
    spec = runs.spec_of(read_yaml(trained(name) / "embedder" / "config.yaml"))
    spec.check(next(iter(views[kind].everything())))
    with pytest.raises(EthoMakeError, match=r"\S+ .*\."):
        spec.check(foreign(views[kind], kind))


def test_every_kind_of_data_is_covered(views: dict[str, Any]) -> None:
    assert {methods.config_model(name).kind for name in NAMES} == set(views)
    assert set(SMALL) <= set(NAMES)
