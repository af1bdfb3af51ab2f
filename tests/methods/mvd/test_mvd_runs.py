import multiprocessing

import av
import numpy as np
import pandas as pd
import pytest
import torch
from builders.clips import CLASSES, config, dataset, settings, split, train_and_die
from safetensors.torch import load_file, save_file

from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.score import score_predictions
from workflow_scripts.formats.bouts import runs
from workflow_scripts.formats.clips import open_clips
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.methods.mvd import method
from workflow_scripts.methods.mvd.module import MvdClassifier
from workflow_scripts.methods.predict_files import predict_files
from workflow_scripts.methods.runs import embed, export_embedder, predict, train
from workflow_scripts.sources.supervisely import read_bouts, read_boxes
from workflow_scripts.views.clips import ClipSpec, ClipView

SHORT = {"samples": 16, "augment": {"mix": 1.0}, "training": {"max_epochs": 3}}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("toy"), videos=4, length=180)


@pytest.fixture(scope="module")
def view(path):
    return ClipView(path, split(["v0", "v1"], ["v2"], ["v3"]))


@pytest.fixture(scope="module")
def run(view, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    options = {"samples": 160, "motion": True, "layer_decay": 1.0, "warmup_epochs": 1.0, "training": {"max_epochs": 3}}
    options |= {"sampling_rate": 1, "hop": 2}  # the disc jerks in every frame
    train("mvd", settings(**options, learning_rate=3e-3), view, folder=folder, seed=0)
    export_embedder(folder)
    return folder


def test_a_trained_model_finds_bouts_in_a_video_it_never_saw(run, view):
    predict(run / "embedder", view, ["action"], run / "predictions.h5", readout="native")
    with open_predictions(run / "predictions.h5") as reader:
        kind, level, vocabulary, readout = reader.info("action")
        (said,) = list(reader.iterate("action"))
    assert (kind, level, vocabulary, readout) == ("multiclass", "frame", CLASSES, "native")
    assert said.scores.shape == (180, 3) and said.scores.sum(axis=1) == pytest.approx(np.ones(180), abs=1e-5)
    assert (said.prediction == said.truth).mean() > 0.85
    # What is written went through the stored rules: no bout is shorter than they allow.
    model, _ = _restore(run)
    for code, rule in enumerate(model.get_rules()):
        start, stop = runs(said.prediction).of(code)
        if code and len(start):
            assert (stop - start).max() >= rule.shortest
    rows = score_predictions([run / "predictions.h5"], IntervalConfig(resamples=50))
    value = rows.set_index("metric")["value"]
    assert value["macro_f1"] > 0.7


def _restore(run):
    from workflow_scripts.methods.runs import load_embedder

    return load_embedder(run / "embedder")


def test_the_checkpoint_holds_classes_rules_and_temperature(run):
    model, stated = _restore(run)
    assert tuple(stated["spec"]["vocabularies"]["action"]) == CLASSES
    state = load_file(run / "weights_best.safetensors")
    assert state["rules"].shape == (3, 3) and float(state["temperature"]) != 1
    assert model.average is not None
    assert not torch.equal(state["average.head.weight"], state["network.head.weight"])
    # The averaged weights answer, not the last ones.
    video = torch.randn(1, 4, 8, 32, 32)
    assert torch.equal(model.answer(video)[..., -3:], model.average(video))


def test_embeddings_are_one_row_a_frame(run, view):
    embed(run / "embedder", view, run / "embeddings.h5")
    with open_embeddings(run / "embeddings.h5") as reader:
        assert sorted(reader.ids) == ["v0", "v1", "v2", "v3"] and reader.dim == 96
        assert reader.names[0] == "feature0" and reader.n_frames("v3") == 180


def test_a_killed_training_goes_on_to_the_same_weights(path, view, tmp_path):
    train("mvd", settings(**SHORT), view, folder=tmp_path / "whole", seed=1, code="c")
    process = multiprocessing.get_context("spawn").Process(
        target=train_and_die, args=(path, tmp_path / "cut", SHORT, 3)
    )
    process.start()
    process.join()
    assert process.exitcode == -9 and (tmp_path / "cut" / "resume.ckpt").is_file()
    assert not (tmp_path / "cut" / "weights_best.safetensors").exists()
    train("mvd", settings(**SHORT), view, folder=tmp_path / "cut", seed=1, code="c")
    for name in ("weights_best", "weights_last"):
        one, two = (load_file(tmp_path / side / f"{name}.safetensors") for side in ("whole", "cut"))
        assert all(torch.equal(one[key], two[key]) for key in one | two)
    tables = [pd.read_csv(tmp_path / side / "metrics.csv") for side in ("whole", "cut")]
    pd.testing.assert_frame_equal(*tables)


def test_gradients_add_up_over_batches_and_the_average_moves_once_a_step(view, tmp_path, monkeypatch):
    moved = []
    end = MvdClassifier.on_train_batch_end

    def count(self, *args):
        before = self.average.head.weight.clone()
        end(self, *args)
        moved.append(not torch.equal(before, self.average.head.weight))

    monkeypatch.setattr(MvdClassifier, "on_train_batch_end", count)
    options = SHORT | {"samples": 32, "training": {"max_epochs": 1, "accumulate": 2}}
    train("mvd", settings(**options), view, folder=tmp_path, seed=1)
    assert moved == [False, True, False, True]


def test_faithful_mode_runs_and_merges(view, tmp_path):
    options = SHORT | {"training": {"max_epochs": 1}}
    train("mvd", settings("faithful", **options), view, folder=tmp_path, seed=1)
    export_embedder(tmp_path)
    predict(tmp_path / "embedder", view, ["action"], tmp_path / "predictions.h5", readout="native")
    assert not any(name.startswith("average") for name in load_file(tmp_path / "weights_best.safetensors"))
    with open_predictions(tmp_path / "predictions.h5") as reader:
        assert reader.read("action", "v3").prediction.shape == (180,)


def test_rates_fall_with_depth_and_vectors_do_not_decay():
    model = method.build(config(layer_decay=0.5, freeze_blocks=1), ClipSpec(30.0, 32, {"action": CLASSES}))
    rates = {round(group["lr"] / 1e-3, 6) for group in model.layer_rates()}
    assert rates == {1.0, 0.5, 0.25, 0.125, 0.0625}
    for group in model.layer_rates():
        assert all((parameter.ndim > 1) == (group["weight_decay"] > 0) for parameter in group["params"])


def test_frozen_blocks_stay(view, tmp_path):
    options = SHORT | {"freeze_blocks": 2, "training": {"max_epochs": 1}}
    train("mvd", settings(**options), view, folder=tmp_path, seed=1)
    last = load_file(tmp_path / "weights_last.safetensors")
    for name in last:
        if name.startswith(("network.patch_embed", "network.blocks.0", "network.blocks.1")):
            assert torch.equal(last[name], last[name.replace("network", "average")]), name
    assert not torch.equal(last["network.blocks.2.mlp.fc1.weight"], last["average.blocks.2.mlp.fc1.weight"])


def test_a_run_starts_from_another_runs_weights(run, view, tmp_path):
    start = run / "weights_best.safetensors"
    options = {
        "samples": 8,
        "motion": True,
        "load_backbone": str(start),
        "learning_rate": 1e-12,
        "training": {"max_epochs": 1},
    }
    train("mvd", settings(**options), view, folder=tmp_path, seed=5)
    name = "blocks.1.attn.proj.weight"
    torch.testing.assert_close(
        load_file(tmp_path / "weights_last.safetensors")[f"network.{name}"], load_file(start)[f"average.{name}"]
    )


def test_weights_of_another_size_are_one_sentence(run, view, tmp_path):
    options = {"image_size": 64, "patch": 16, "load_backbone": str(run / "weights_best.safetensors"), "motion": True}
    with pytest.raises(InputError, match=r"patch_embed.proj.weight has the shape .*; choose the size") as caught:
        train("mvd", settings(**options), view, folder=tmp_path, seed=0)
    assert "\n" not in str(caught.value)
    state = load_file(run / "embedder" / "model.safetensors")
    del state["rules"]
    (tmp_path / "embedder").mkdir()
    save_file(state, tmp_path / "embedder" / "model.safetensors")
    (tmp_path / "embedder" / "config.yaml").write_text((run / "embedder" / "config.yaml").read_text())
    with pytest.raises(InputError, match="rules"):
        predict(tmp_path / "embedder", view, ["action"], tmp_path / "p.h5", readout="native")


def test_a_video_of_another_rate_is_refused(view):
    with open_clips(view.path) as reader:
        recording = reader.read("v0")
    with pytest.raises(EthoMakeError, match="30 frames a second, but the model was made for 15"):
        ClipSpec(15.0).check(recording)


def test_a_video_shorter_than_a_window_is_answered(run, tmp_path):
    model, _ = _restore(run)
    path = dataset(tmp_path, videos=1, length=9)
    with open_clips(path) as reader:
        said = method.predict(model.eval(), reader.read("v0"))["action"]
    assert said.codes.shape == (9,) and np.isfinite(said.scores).all()


def test_a_raw_video_becomes_bouts_in_files(run, tmp_path):
    # A bright mouse that wanders over a dark floor, in a picture larger than any crop.
    rows, columns = np.mgrid[:96, :128]
    with av.open(str(tmp_path / "raw.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for t in range(90):
            near = np.hypot(columns - 30 - 0.7 * t, rows - 48) < 10
            image = np.repeat(np.where(near, 210, 60).astype(np.uint8)[..., None], 3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    written = predict_files(run, [tmp_path / "raw.mp4"], tmp_path / "out")
    out = tmp_path / "out" / "raw"
    names = ["bouts.csv", "boris.csv", "probabilities.csv", "quality.csv", "supervisely/meta.json"]
    *mine, summary = written
    assert [path.relative_to(out).as_posix() for path in mine] == [
        *names,
        "supervisely/dataset/ann/raw.mp4.json",
        "supervisely/dataset/video/raw.mp4",
        "overlay.mp4",
    ]
    assert summary == tmp_path / "out" / "summary.csv"
    boxes = read_boxes(written[5], 90, None)
    middle = (boxes[45, :2] + boxes[45, 2:]) / 2
    assert np.abs(middle - (30 + 0.7 * 45, 48)).max() < 5
    without = predict_files(run, [tmp_path / "raw.mp4"], tmp_path / "plain", overlay=False)
    assert [path.name for path in without] == [path.name for path in written if path.name != "overlay.mp4"]
    assert without[0].read_bytes() == written[0].read_bytes()
    table = pd.read_csv(written[2])
    assert list(table.columns) == ["frame", "seconds", *CLASSES, "label", "confidence", "note"] and len(table) == 90
    assert table[list(CLASSES)].sum(axis=1).to_numpy() == pytest.approx(np.ones(90), abs=1e-3)
    bouts = pd.read_csv(written[0])
    assert list(bouts.columns) == ["video", "label", "start", "end", "confidence"]
    assert bouts["confidence"].between(0, 1).all()
    assert set(bouts["label"]) <= set(CLASSES[1:]) and (bouts["end"] < 90).all()
    tagged = read_bouts(written[5], 90, CLASSES)
    assert [(b.name, b.start, b.stop - 1) for b in tagged] == list(
        bouts[["label", "start", "end"]].itertuples(index=False, name=None)
    )


def test_a_window_that_all_training_videos_share_is_kept(view):
    spec = view.spec()
    assert spec.side == 32 and ClipSpec.from_dict(spec.to_dict()) == spec
    one = ClipView(view.path, split(["v0"], ["v1"])).spec()
    assert one.side is None
    older = {key: value for key, value in one.to_dict().items() if key != "side"}
    assert ClipSpec.from_dict(older) == one


def test_nothing_is_held_out_of_the_smallest_sets(view, tmp_path):
    alone = ClipView(view.path, split(["v0"], [], ["v3"]))
    options = SHORT | {"validation_fraction": 0, "training": {"max_epochs": 2, "monitor": None}}
    train("mvd", settings(**options), alone, folder=tmp_path, seed=1)
    state = load_file(tmp_path / "weights_best.safetensors")
    assert state["rules"].tolist() == [[0.5, 1, 0]] * 3 and float(state["temperature"]) == 1
    assert "val_score" not in pd.read_csv(tmp_path / "metrics.csv").columns
