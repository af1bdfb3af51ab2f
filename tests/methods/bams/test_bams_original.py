"""What the published code computes and its weights see, by hand and on small sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from builders.originals import original_checkpoint
from builders.tracks import mice as recording
from builders.tracks import mice_view as view

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.tracks import open_tracks
from workflow_scripts.methods import config_model, parse, runs
from workflow_scripts.methods.bams.config import MODES, OF_THE_WEIGHTS, Config
from workflow_scripts.methods.bams.data import TRAIN, BamsData, Batches
from workflow_scripts.methods.bams.features import MOUSE_INPUTS, MOUSE_POINTS, Layout, compute
from workflow_scripts.methods.bams.method import embed, import_run
from workflow_scripts.methods.bams.module import Bams
from workflow_scripts.methods.bams.original import options_of, read_original
from workflow_scripts.methods.bams.statistics import bin_edges, quantise
from workflow_scripts.views.tracks import DataSpec

FAITHFUL = Config(mode="faithful").resolved()


@pytest.mark.parametrize("heading", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
@pytest.mark.parametrize("mode", ["faithful", "sound"])
def test_a_paw_on_the_back_has_one_direction(heading, mode):
    """Whichever way the body points, a vector of no length has the angle 0: the cosine is 1 and never -1."""
    mouse = recording("r", frames=4, animals=1, missing=0)
    back, tail, paw = (MOUSE_POINTS.index(name) for name in ("centre_back", "tail_base", "left_hindpaw"))
    position = np.round(mouse.position)
    position[:, :, tail] = position[:, :, back] - np.array(heading) * (30, 20)
    position[:, :, paw] = position[:, :, back]
    config = Config(mode=mode, smooth=1, social=False, slow=[]).resolved()
    found = compute(position, Layout.of(DataSpec.of(mouse), config), config).inputs[:, 0]
    assert (found[:, MOUSE_INPUTS.index("left hindpaw length")] == 0).all()
    np.testing.assert_array_equal(found[:, MOUSE_INPUTS.index("cos left hindpaw angle")], 1)
    np.testing.assert_array_equal(found[:, MOUSE_INPUTS.index("sin left hindpaw angle")], 0)


def test_a_value_on_the_edge_of_a_bin(tmp_path):
    """π/4 in float64 is below the edge of float32; in float32 both were the same and the bin one too high."""
    edges = bin_edges(np.array([-np.pi / 2, np.pi / 4] * 500), 32, 0.1).astype(np.float32)
    assert quantise(np.array([[np.pi / 4]]), edges[None]).item() == 30
    assert quantise(np.array([[np.pi / 4]], np.float32), edges[None]).item() == 31
    mouse = recording("r", missing=0)
    layout = Layout.of(DataSpec.of(mouse), FAITHFUL)
    assert compute(mouse.position, layout, FAITHFUL).targets.dtype == np.float64
    sound = Config(social=False, slow=[]).resolved()
    assert compute(mouse.position, layout, sound).targets.dtype == np.float32  # half the memory
    data = BamsData(view(tmp_path, [mouse], train=1), FAITHFUL)
    heading = np.concatenate([compute(mouse.position, layout, FAITHFUL).targets[:, k, 1] for k in range(3)])
    known = np.digitize(heading, data.statistics.edges[1])
    np.testing.assert_array_equal(data.train_dataloader().store.bins[:, 1], known)


@pytest.mark.parametrize(
    ("mode", "keypoints", "frames"),
    [("faithful", MOUSE_POINTS, 60), ("faithful", ("a", "b"), 100), ("sound", ("a", "b"), 60)],
)
def test_warm_up_of_flies_and_custom_data(tmp_path, mode, keypoints, frames):
    config = Config(mode=mode, short_term=[4], long_term=[4], batch_size=4)
    data = BamsData(view(tmp_path, [recording("r", 150, keypoints=keypoints)], train=1), config)
    assert config.skipped(data.layout.kind) == frames
    assert data.train_dataloader().warm_up == frames
    assert replace_warm_up(config, 7).skipped(data.layout.kind) == 7


def replace_warm_up(config: Config, frames: int) -> Config:
    return config.model_copy(update={"warm_up": frames})


def test_the_released_loss_counts_every_frame(tmp_path):
    """Its misplaced weights fall on the first frames, too."""
    folder = view(tmp_path, [recording("r", 200)], train=1)
    (released,) = BamsData(folder, Config(mode="faithful")).train_dataloader()
    assert released.frames.tolist() == list(range(200))
    store = BamsData(folder, Config(social=False, slow=[])).train_dataloader().store
    future = next(iter(Batches(store, Config(crop=0, hoa_sample=1.0).resolved(), TRAIN)))
    assert int(future.frames[0]) == 50  # a quarter of the sequence: less than the sixty frames of warm-up


def test_weights_of_the_original_see_its_inputs_in_every_mode(tmp_path):
    for mode in MODES:
        settled = Config(mode=mode, weights="bams.pt").resolved()
        assert {key: getattr(settled, key) for key in OF_THE_WEIGHTS} == {
            key: MODES["faithful"][key] for key in OF_THE_WEIGHTS
        }
    assert Config(weights="bams.pt").resolved().crop == MODES["sound"]["crop"]  # how it is trained is free
    for key, value in [("normalise", "deviation"), ("smooth", 7), ("fill", "last"), ("noise_thresh", 1.0)]:
        with pytest.raises(ConfigError, match=rf"weights were trained with {key}: .*; leave {key} out"):
            parse("bams", {"weights": "bams.pt", key: value})
    parse("bams", {"weights": "bams.pt", "smooth": 1})

    torch.manual_seed(3)
    mouse = recording("r", 200)
    donor = Bams(Config(mode="faithful"), DataSpec.of(mouse))
    torch.save(original_checkpoint(donor), tmp_path / "bams.pt")
    found = []
    for mode in MODES:
        config = Config(mode=mode, weights=str(tmp_path / "bams.pt"))
        data = BamsData(view(tmp_path, [mouse], train=1), config)
        model = Bams(config, data.spec)
        model.setup("fit")
        model.keep(data.statistics)
        found.append(embed(model, mouse))
    np.testing.assert_array_equal(*found)


def test_training_starts_from_the_weights_and_the_run_needs_them_no_longer(tmp_path):
    folder = view(tmp_path, [recording(f"r{k}", 120) for k in range(3)], train=2)
    tiny = {"short_term": [4], "long_term": [4], "hoa_bins": 8, "batch_size": 6, "evaluate_every": 0}
    torch.manual_seed(3)
    donor = Bams(parse("bams", {"mode": "faithful", **tiny}), folder.spec())
    weights = tmp_path / "bams.pt"
    torch.save(original_checkpoint(donor), weights)
    options = tiny | {"weights": str(weights), "lr": 1e-12, "predictor_lr": 1e-12, "training": {"max_epochs": 1}}
    runs.train("bams", {"mode": "faithful", "options": options}, folder, folder=tmp_path / "run", seed=0)
    runs.export_embedder(tmp_path / "run")
    weights.unlink()
    model, _ = runs.load_embedder(tmp_path / "run" / "embedder")
    for name, tensor in donor.encoders.state_dict().items():
        torch.testing.assert_close(model.state_dict()[f"encoders.{name}"], tensor, rtol=0, atol=1e-6)


def test_files_that_options_name_are_inputs_of_a_training(tmp_path):
    assert parse("bams", {"weights": "x.pt"}).files() == ["x.pt"]
    assert parse("bams", {}).files() == parse("pca", {}).files() == []
    for method in ("lisbet", "mvd"):
        assert parse(method, {"load_backbone": "x"}).files() == ["x"]
        assert set(config_model(method).reads) <= set(config_model(method).model_fields)
    folder = view(tmp_path, [recording("r")], train=1)
    (tmp_path / "x.pt").write_bytes(b"1")
    digests = [runs.data_digest(folder, ["r"], [str(tmp_path / "x.pt")])]
    (tmp_path / "x.pt").write_bytes(b"2")
    digests.append(runs.data_digest(folder, ["r"], [str(tmp_path / "x.pt")]))
    digests.append(runs.data_digest(folder, ["r", "test"], [str(tmp_path / "x.pt")]))
    assert len(set(digests)) == 3  # a half-finished training does not go on with other weights or recordings


@pytest.mark.parametrize("keypoints", [MOUSE_POINTS, ("a", "b", "c")])
def test_an_original_checkpoint_becomes_a_run_without_training(tmp_path, keypoints):
    clips = [recording(f"r{k}", 90, keypoints=keypoints, animals=3) for k in range(3)]
    (tmp_path / "data").mkdir()
    folder = view(tmp_path / "data", clips, train=1)
    torch.manual_seed(4)
    shape = {"short_term": [5, 4], "long_term": [6, 3], "hoa_bins": 8, "kernel_size": 2}
    donor = Bams(Config(mode="faithful", **shape), folder.spec())
    torch.save(original_checkpoint(donor), tmp_path / "bams.pt")
    import_run(tmp_path / "bams.pt", tmp_path / "run", {}, data=tmp_path / "data" / "tracks.h5")
    hparams = yaml.safe_load((tmp_path / "run" / "hparams.yaml").read_text())
    assert {key: hparams["options"][key] for key in shape} == shape
    assert hparams["mode"] == "faithful" and hparams["imported"]["file"] == "bams.pt"
    card = (tmp_path / "run" / "model_card.md").read_text()
    assert "imported from bams.pt; not trained here" in card and "3 recordings of data" in card
    (tmp_path / "bams.pt").unlink()
    runs.embed(tmp_path / "run" / "embedder", folder, tmp_path / "embeddings.h5")

    scale = 0  # as the original: the largest magnitudes over all recordings
    for clip in clips:
        scale = np.maximum(scale, np.abs(compute(clip.position, donor.layout, FAITHFUL).inputs).max((0, 1)))
    donor.keep(replace(donor.statistics, scale=np.where(scale < 1e-12, 1, scale).astype(np.float32)))
    with open_embeddings(tmp_path / "embeddings.h5") as reader:
        for clip in clips:
            np.testing.assert_allclose(reader.read(clip.id), embed(donor, clip), rtol=0, atol=1e-6)


def test_imports_that_do_not_fit_are_refused(tmp_path):
    (tmp_path / "data").mkdir()
    folder = view(tmp_path / "data", [recording("r", 60, keypoints=("a", "b", "c"))], train=1)
    spec = folder.spec()
    torch.save(
        original_checkpoint(Bams(Config(mode="faithful"), replace(spec, keypoints=("a", "b")))), tmp_path / "x.pt"
    )
    with pytest.raises(InputError, match=r"takes 8 inputs a frame, the data give 12 \(keypoints\), 6 \(state_action\)"):
        import_run(tmp_path / "x.pt", tmp_path / "run", {}, data=folder.path)
    torch.save(original_checkpoint(Bams(Config(mode="faithful"), spec)), tmp_path / "x.pt")
    with pytest.raises(ConfigError, match="unknown key 'poling'"):
        import_run(tmp_path / "x.pt", tmp_path / "run", {"poling": "concat"}, data=folder.path)
    with pytest.raises(InputError, match="does not exist"):
        import_run(tmp_path / "absent.pt", tmp_path / "run", {}, data=folder.path)
    assert options_of(read_original(tmp_path / "x.pt"), spec, "x.pt")["features"] == "keypoints"
    with open_tracks(folder.path) as reader:
        assert reader.ids == ["r"]


def test_model_card_tells_of_transductive_training(tmp_path):
    folder = view(tmp_path, [recording(f"r{k}", 120) for k in range(6)], train=4)
    tiny = {"short_term": [4], "long_term": [4], "hoa_bins": 8, "batch_size": 4, "evaluate_every": 0}
    cards = []
    for transductive in (False, True):
        options = tiny | {"transductive": transductive, "training": {"max_epochs": 1}}
        out = tmp_path / f"run{transductive}"
        runs.train("bams", {"mode": "sound", "options": options}, folder, folder=out, seed=0)
        cards.append((out / "model_card.md").read_text())
    assert "Trained on 4 recordings of the groups r0, r1, r2, r3;" in cards[0] and "transductive)" not in cards[0]
    assert "Trained on 6 recordings of the groups r0, r1, r2, r3, r4, r5;" in cards[1]
    assert "2 of them are test recordings of the split, seen without their labels (transductive)" in cards[1]


def test_sequences_too_short_for_the_released_loss_are_reported(tmp_path, caplog):
    folder = view(tmp_path, [recording(f"r{k}", 50) for k in range(2)], train=2)
    config = Config(mode="faithful", batch_size=6, short_term=[4], long_term=[4])
    data = BamsData(folder, config)
    assert "6 of 6 sequences have at most the 60 frames that the histogram loss skips" in caplog.text
    (batch,) = data.train_dataloader()
    assert float(Bams(config, data.spec).losses(batch)["hoa"].detach()) == 0
    caplog.clear()
    BamsData(folder, config.model_copy(update={"warm_up": 10}))
    BamsData(folder, Config(social=False, slow=[]))  # the future's histogram skips a quarter at most
    assert "histogram loss skips" not in caplog.text
