from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from builders.originals import original_checkpoint
from builders.tracks import mice as recording
from builders.tracks import mice_view as view

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.methods import parse, runs
from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.data import BamsData
from workflow_scripts.methods.bams.features import MOUSE_POINTS
from workflow_scripts.methods.bams.hoa import emd, released_target, weighted_mean, window_cdf
from workflow_scripts.methods.bams.method import build, dimension_names, embed, embed_individuals, import_weights
from workflow_scripts.methods.bams.module import Bams
from workflow_scripts.methods.bams.network import LONG, SHORT, Dropout, PReLU
from workflow_scripts.methods.bams.pooling import pool, pool_groups
from workflow_scripts.views.tracks import DataSpec

MOUSE = DataSpec(("m1", "m2", "m3"), MOUSE_POINTS, 2, 30.0, "px", None)
TINY = {
    "batch_size": 4,
    "short_term": [6, 4],
    "long_term": [6, 4],
    "hoa_hidden": [8],
    "hoa_bins": 8,
    "crop": 64,
    "social": False,
    "reconstruct": 0.0,
}


def test_size_of_the_published_model():
    model = Bams(Config(mode="faithful"), MOUSE)
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert count == {"encoders": 168_987, "predictor": 575_779, "byol_predictors": 16_960}


@pytest.mark.parametrize(("name", "reach"), [(SHORT, 61), (LONG, 1365)])
@pytest.mark.parametrize("keypoints", [MOUSE_POINTS, ("nose", "tail")])
def test_receptive_fields(name, reach, keypoints):
    """The latent of frame t hangs on the inputs of t - reach + 1 … t, and on no other."""
    torch.manual_seed(0)
    model = Bams(Config(), DataSpec(("m",), keypoints, 2, 30.0, "px", None)).double().eval()
    encoder = model.encoders[name]
    assert encoder.receptive_field == reach
    for parameter in encoder.parameters():  # the small initial weights would underflow over five blocks
        parameter.data = torch.rand_like(parameter) * 0.2 + 0.05
    inputs = torch.randn(1, reach + 40, len(model.layout.inputs), dtype=torch.double, requires_grad=True)
    t = reach + 20
    encoder(inputs)[0, t].sum().backward()
    touched = inputs.grad[0].abs().sum(-1).nonzero()[:, 0]
    assert (int(touched.min()), int(touched.max())) == (t - reach + 1, t)


def test_a_linear_start_is_a_rotation_of_each_frame_and_learns_to_look_back():
    torch.manual_seed(0)
    for encoder in Bams(Config(), MOUSE).encoders.values():
        a, b = torch.randn(2, 1, 90, encoder.network[0].conv1.in_channels)
        bias = encoder(torch.zeros_like(a))
        torch.testing.assert_close(encoder(2 * a + b) - bias, 2 * encoder(a) + encoder(b) - 3 * bias)
        torch.testing.assert_close(encoder(a)[:, 40:50], encoder(a[:, 40:50]))
        linear = torch.linalg.svdvals((encoder(torch.eye(a.shape[-1])[None]) - bias[:, :1])[0])
        torch.testing.assert_close(linear[linear > 1e-4], torch.ones(32))  # lengths of what is kept stay as they are
        optimiser = torch.optim.SGD(encoder.parameters(), 0.1)
        for _ in range(3):
            optimiser.zero_grad()
            (encoder(a)[:, 1:] - a[:, :-1, :32]).square().mean().backward()
            optimiser.step()
        assert not torch.allclose(encoder(a)[:, 40:50], encoder(a[:, 40:50]), atol=1e-4)
    small = Bams(Config(mode="faithful"), MOUSE).encoders[SHORT].network
    assert float(small[0].downsample.weight.detach().std()) == pytest.approx(0.01, rel=0.1)
    assert float(small[0].relu.weight.detach()) == pytest.approx(0.1)


def naive_histograms(bins, valid, window, n_bins):
    sequences, time, targets = bins.shape
    counts, weight = np.zeros((sequences, time, targets, n_bins)), np.zeros((sequences, time, targets))
    for s in range(sequences):
        for t in range(time):
            around = range(t + 1, t + window + 1) if window > 0 else range(t + 1 + window, t + 1)
            counted = [f for f in around if 0 <= f < time and valid[s, f]]
            weight[s, t] = len(counted) / abs(window)
            for f in counted:
                for k in range(targets):
                    counts[s, t, k, bins[s, f, k]] += 1 / len(counted)
    return counts, weight


@pytest.mark.parametrize("windows", [[7], [7, -1, -9], [60, -60]])
def test_histograms_equal_a_naive_loop(windows):
    rng = np.random.default_rng(0)
    bins, valid = rng.integers(0, 5, (2, 40, 3)).astype(np.uint8), rng.random((2, 40)) < 0.8
    valid[0, 10:25] = False
    frames = np.array([0, 3, 9, 10, 17, 33, 38, 39])
    cdf, found = window_cdf(*map(torch.from_numpy, (bins, valid, frames)), windows, 5)
    histograms, weights = zip(*(naive_histograms(bins, valid, window, 5) for window in windows), strict=True)
    np.testing.assert_allclose(found, np.concatenate(weights, axis=2)[:, frames], rtol=1e-6)
    np.testing.assert_allclose(cdf, np.concatenate(histograms, axis=2)[:, frames].cumsum(-1), atol=1e-6)
    assert cdf.dtype == torch.float32 and found.shape == cdf.shape[:-1] == (2, len(frames), 3 * len(windows))


def test_the_last_frame_alone_is_its_own_bin():
    bins = torch.tensor([[[0, 2], [1, 1], [2, 0]]], dtype=torch.uint8)
    valid = torch.tensor([[True, True, False]])
    cdf, weight = window_cdf(bins, valid, torch.tensor([1, 2]), [-1], 3)
    assert cdf[0].tolist() == [[[0, 1, 1], [0, 1, 1]], [[0, 0, 0], [0, 0, 0]]]
    assert weight[0].tolist() == [[1, 1], [0, 0]]
    with pytest.raises(ConfigError, match="-1 is the frame itself"):
        parse("bams", {"hoa_more": [0]})


GROUPED = TINY | {"reconstruct": 10.0, "batch_size": 6}


def test_batches_of_the_reconstruction_hold_whole_groups(tmp_path):
    absent = recording("r1", 150)
    absent.position[:, 1] = np.nan
    folder = view(tmp_path, [recording("r0", 150), absent, recording("r2", 150)], train=3)
    data = BamsData(folder, Config(**GROUPED))
    store = data.train_dataloader().store
    assert store.recordings.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    for batch in data.train_dataloader():
        sizes = batch.group.bincount().tolist()
        assert len(sizes) == 2 and set(sizes) <= {2, 3} and len(batch.inputs) == len(batch.short[0]) == sum(sizes)
        # Animals of a group show the same frames: their rows lie a recording's length apart.
        for number in range(2):
            rows = [
                int(np.flatnonzero((store.inputs == x[0].numpy()).all(1))[0])
                for x in batch.inputs[batch.group == number]
            ]
            assert len({row % 150 for row in rows}) == 1 and len(set(rows)) == len(rows)
    share = [data.share(batch, rank, 2) for rank in (0, 1)] if len(set(sizes)) == 1 else []
    assert all(len(set(part.group.tolist())) == 1 for part in share)


def test_pooling_of_groups_equals_pooling_of_one():
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((5, 7, 4)).astype(np.float32)
    group = torch.tensor([0, 0, 0, 1, 1])
    for how, animals in (("mean_range", 3), ("concat", 3)):
        found = pool_groups(torch.from_numpy(latents), group, animals, how).numpy()
        first = pool(latents[:3], np.ones(3, bool), how)
        second = pool(latents[3:], np.ones(2, bool), how)
        np.testing.assert_allclose(found[0], first, atol=1e-6)
        np.testing.assert_allclose(found[1][:, : second.shape[1]], second, atol=1e-6)
        assert found.shape == (2, 7, first.shape[1]) and (found[1][:, second.shape[1] :] == 0).all()


def test_the_reconstruction_counts_valid_frames_and_bounds_outliers(tmp_path):
    folder = view(tmp_path, [recording(f"r{k}") for k in range(4)])
    config = Config(**GROUPED)
    batch = next(iter(BamsData(folder, config).train_dataloader()))
    model = build(config, folder.spec())
    for parameter in model.decoder.parameters():
        torch.nn.init.zeros_(parameter)  # says 0 of everything, so that the error is the square of what is asked for
    batch.inputs[0, :, 0] = 100.0
    inputs, valid = batch.inputs[:, batch.frames], batch.valid[:, batch.frames]
    errors = []
    for number in range(2):
        mine = batch.group == number
        aim = pool(inputs[mine].numpy(), np.ones(3, bool), "mean_range")
        square = np.where(np.abs(aim) < 5, aim**2, 10 * np.abs(aim) - 25)  # linear beyond five deviations
        # The five slow means of 72 inputs count four times, in the mean over animals and in their range.
        share = np.tile(np.r_[np.ones(67), np.full(5, 4)] / (67 + 20) * 72, 2)
        errors.append((square * share)[valid[mine].all(0)])
    found = model.losses(batch)
    np.testing.assert_allclose(found["reconstruction"].detach(), np.concatenate(errors).mean(), rtol=1e-5)
    plain = build(Config(**TINY), folder.spec())
    assert plain.decoder is None and "reconstruction" not in plain.losses(batch)


def test_a_linear_head_has_no_hidden_layer():
    sound = Bams(Config(), MOUSE)
    assert [tuple(p.shape) for p in sound.predictor.parameters()] == [(3 * 21 * 32, 64), (3 * 21 * 32,)]
    faithful = Bams(Config(mode="faithful"), MOUSE)
    assert faithful.decoder is None and faithful.config.hoa_more == []


def test_emd_by_hand():
    # All mass in the first bin against all in the third: the cumulative sums differ by 1 in two of four bins.
    target = torch.tensor([1.0, 1.0, 1.0, 1.0])
    assert float(emd(target, torch.tensor([0.0, 0.0, 1e4, 0.0]))) == pytest.approx(0.5)
    uniform = torch.zeros(4)
    assert float(emd(target, uniform)) == pytest.approx((0.75**2 + 0.5**2 + 0.25**2) / 4)
    assert float(weighted_mean(torch.tensor([1.0, 9.0]), torch.tensor([3.0, 1.0]))) == 3.0
    assert float(weighted_mean(torch.tensor([1.0]), torch.tensor([0.0]))) == 0.0


def test_released_target_is_the_current_bin_and_its_weights_are_misplaced():
    bins = torch.tensor([[[0, 2], [1, 1], [2, 0], [0, 0], [1, 2]]], dtype=torch.uint8)
    valid = torch.tensor([[True, True, False, True, True]])
    cdf, weight = released_target(bins, valid, 2, 3, 1)
    histogram = torch.diff(cdf, dim=-1, prepend=torch.zeros(1, 5, 2, 1))
    mass = [1, 1, 1, 0.5, 0]
    for t in range(5):
        for k in range(2):
            expected = [0.0] * 3
            expected[int(bins[0, t, k])] = mass[t]
            assert histogram[0, t, k].tolist() == pytest.approx(expected)
    # Share of valid frames among t+1, t+2: .5 .5 1 .5 0; one minus it, the first frame 0.
    per_frame = [0, 0.5, 0, 0.5, 1]
    flat = [per_frame[p % 5] for p in range(10)]
    assert weight.reshape(-1).tolist() == pytest.approx(flat)


def test_batches_are_the_same_for_the_same_seed_and_epoch_and_cover_the_frames(tmp_path):
    data = BamsData(view(tmp_path, [recording(f"r{k}", 150) for k in range(5)]), Config(**TINY))
    batches = data.train_dataloader()

    def draw(epoch):
        batches.set_epoch(epoch)
        return list(batches)

    first, again, other = draw(0), draw(0), draw(1)
    assert len(first) == 4 * 3 * 3 // 4  # twelve animals, three crops of 64 in 150 frames each
    assert all(
        torch.equal(a.inputs, b.inputs) and torch.equal(a.long, b.long) for a, b in zip(first, again, strict=True)
    )
    assert not torch.equal(first[0].inputs, other[0].inputs)
    batch = first[0]
    assert batch.inputs.shape == (4, 64, 72) and batch.bins.dtype == torch.uint8
    assert ((batch.short[1] - batch.short[0]) <= 5).all() and ((batch.short[1] - batch.short[0]) >= 0).all()
    assert batch.short.min() >= 16 and batch.long.max() <= 63
    assert torch.equal(batch.frames, batch.frames.sort().values) and len(batch.frames) == round(0.2 * 48)


def test_sequences_of_any_length_and_absent_animals(tmp_path):
    short, absent = recording("r0", 12), recording("r1", 150)
    absent.position[:, 2] = np.nan
    folder = view(tmp_path, [short, absent, recording("r2", 70)], train=3)
    data = BamsData(folder, Config(**{**TINY, "batch_size": 8, "crop": 0}))
    (batch,) = data.train_dataloader()
    assert batch.inputs.shape == (8, 150, 72)  # nine animals less the absent one
    lengths = batch.valid.long().cumsum(1).argmax(1) + 1
    assert (batch.short < lengths[None, :, None]).all() and (batch.long < lengths[None, :, None] + 3).all()
    faithful = BamsData(folder, Config(mode="faithful", **TINY))
    assert len(faithful.train_dataloader().store.starts) == 9


@pytest.mark.parametrize("mode", ["sound", "faithful"])
def test_training_lowers_the_histogram_loss(tmp_path, mode):
    torch.manual_seed(0)
    folder = view(tmp_path, [recording(f"r{k}", 150) for k in range(4)], train=4)
    options = TINY | {"lr": 3e-3, "warm_up": 10}
    data = BamsData(folder, Config(mode=mode, **options))
    model = build(Config(mode=mode, **options), folder.spec())
    optimiser = model.configure_optimizers()["optimizer"]
    assert [group["lr"] for group in optimiser.param_groups] == [3e-3, 1e-2]
    trained = [p for group in optimiser.param_groups for p in group["params"]]
    assert {id(p) for p in trained} == {id(p) for p in model.parameters()} and len(trained) == len(set(trained))
    history = []
    for epoch in range(8):
        data.train_dataloader().set_epoch(epoch)
        for batch in data.train_dataloader():
            losses = model.losses(batch)
            optimiser.zero_grad()
            losses["loss"].backward()
            optimiser.step()
            history.append(float(losses["hoa"].detach()))
    assert np.isfinite(history).all()
    assert np.mean(history[-5:]) < 0.8 * np.mean(history[:5])


def test_rates_fall_as_the_options_say():
    def shares(**options):
        optimiser = (made := Bams(Config(**options), MOUSE).configure_optimizers())["optimizer"]
        found = []
        for _ in range(5):
            found.append([group["lr"] for group in optimiser.param_groups])
            optimiser.step()
            made["lr_scheduler"]["scheduler"].step()
        assert made["lr_scheduler"]["interval"] == "epoch"
        return np.array(found) / [1e-3, 1e-2]

    np.testing.assert_allclose(shares(milestone=2), np.repeat([[1.0], [1], [0.1], [0.1], [0.1]], 2, axis=1))
    falls = shares(decay="cosine", training={"max_epochs": 4})
    np.testing.assert_allclose(falls[:, 0], falls[:, 1])
    half = 0.01 + 0.99 * np.array([2, 1 + np.sqrt(0.5), 1, 1 - np.sqrt(0.5), 0]) / 2
    np.testing.assert_allclose(falls[:, 0], half)


def test_the_latent_target_gets_no_gradient(tmp_path):
    folder = view(tmp_path, [recording(f"r{k}") for k in range(4)])
    data = BamsData(folder, Config(**TINY))
    model = build(Config(**TINY), folder.spec())
    batch = next(iter(data.train_dataloader()))
    latent = model.encode(batch.inputs)[SHORT].detach().requires_grad_()
    model._latent_loss(SHORT, latent, batch.short).backward()
    touched = latent.grad.abs().sum(-1) > 0
    expected = torch.zeros_like(touched)
    expected[torch.arange(len(latent))[:, None], batch.short[0]] = True
    assert not (touched & ~expected).any() and touched.any()


def test_pooling_by_hand():
    latents = np.array([[[1.0, 2.0]], [[3.0, 0.0]], [[99.0, 99.0]]], np.float32)
    present = np.array([True, True, False])
    np.testing.assert_array_equal(pool(latents, present, "mean_range"), [[2, 1, 2, 2]])
    np.testing.assert_array_equal(pool(latents, present, "concat"), [[1, 2, 3, 0, 99, 99]])


@pytest.mark.parametrize("smooth", [1, 5])
def test_embedding_looks_ahead_only_to_smooth_and_does_not_depend_on_the_order_of_animals(smooth):
    torch.manual_seed(1)
    item = recording("a", 200)
    model = build(Config(smooth=smooth, slow=[]), DataSpec.of(item)).eval()
    model.scale.fill_(50.0)
    whole = embed(model, item)
    assert whole.shape == (200, 128) and whole.dtype == np.float32 and len(dimension_names(model)) == 128
    cut = recording("a", 200)
    cut.position[120:] += 30
    first = 120 - smooth // 2
    assert np.allclose(embed(model, cut)[:first], whole[:first], atol=1e-6)
    assert not np.allclose(embed(model, cut)[first], whole[first])
    swapped = recording("a", 200)
    swapped.position[:] = swapped.position[:, [2, 0, 1]]
    np.testing.assert_allclose(embed(model, swapped), whole, atol=1e-5)
    latents, present = embed_individuals(model, item)
    assert latents.shape == (3, 200, 64) and present.all()


def test_goes_through_train_export_and_embed(tmp_path):
    """The lead's own path: nothing of BAMS is called directly."""
    recordings = [recording(f"r{k}", 120) for k in range(6)]
    folder = view(tmp_path, recordings, train=4, validation=1)
    options = {**GROUPED, "training": {"max_epochs": 2}, "log_every_step": 1}
    parsed = parse("bams", options).model_dump(mode="json")
    runs.train("bams", {"mode": "sound", "options": parsed}, folder, folder=tmp_path / "run", seed=3)
    runs.export_embedder(tmp_path / "run")
    runs.embed(tmp_path / "run" / "embedder", folder, tmp_path / "embeddings.h5")
    with open_embeddings(tmp_path / "embeddings.h5") as reader:
        assert reader.dim == 16 and len(reader.ids) == 6
        assert reader.read("r5").std() > 0
    metrics = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert {"train_hoa", "train_short_term", "train_long_term", "train_loss", "val_loss"} <= set(metrics.columns)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    tags = {"train/hoa_loss", "train/byol_loss_short_term", "train/byol_loss_long_term", "train/total_loss"}
    tags |= {"train/reconstruction_loss"}
    assert tags <= set(events.Tags()["scalars"])


def test_transductive_training_sees_the_test_recordings(tmp_path):
    folder = view(tmp_path, [recording(f"r{k}") for k in range(6)], train=4)
    counts = [
        len(BamsData(folder, Config(transductive=t, **TINY)).train_dataloader().store.starts) for t in (False, True)
    ]
    assert counts == [12, 18]


def test_original_checkpoint(tmp_path):
    torch.manual_seed(5)
    donor = Bams(Config(mode="faithful"), MOUSE)
    torch.save(original_checkpoint(donor), tmp_path / "bams.pt")
    model = build(Config(weights=str(tmp_path / "bams.pt")), MOUSE)
    model.setup("fit")
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in donor.state_dict().items())
    with pytest.raises(InputError, match="does not fit the model"):
        build(Config(weights=str(tmp_path / "bams.pt"), hoa_bins=16), MOUSE).setup("fit")
    torch.save({"layer": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="no weights of BAMS"):
        import_weights(tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text(json.dumps({}))
    with pytest.raises(InputError, match="no checkpoint of weights"):
        import_weights(tmp_path / "text.pt")


@pytest.mark.parametrize("slope", [0.1, 1.0, -0.3])
def test_rectifier_is_that_of_pytorch(slope: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x, gradient = torch.randn(2, 3, 5, 7, generator=generator, dtype=torch.float64)
    found = []
    for layer in (torch.nn.PReLU(init=slope).double(), PReLU(init=slope).double()):
        given = x.clone().requires_grad_()
        made = layer(given)
        made.backward(gradient)
        found.append((made.detach(), given.grad, layer.weight.grad))
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert PReLU(init=slope).state_dict().keys() == torch.nn.PReLU().state_dict().keys()


def test_dropout_keeps_its_share_and_the_mean():
    x = torch.ones(40, 5, 100, requires_grad=True)
    layer = Dropout(0.3)
    made = []
    for _ in range(2):
        torch.manual_seed(0)
        made.append(layer(x))
    torch.testing.assert_close(made[0], made[1], rtol=0, atol=0)
    assert not torch.equal(layer(x), made[0])
    share = (made[0] == 0).float().mean().item()
    assert abs(share - 0.3) < 4 * (0.3 * 0.7 / x.numel()) ** 0.5
    torch.testing.assert_close(made[0][made[0] > 0].unique(), torch.tensor([1 / 0.7]))
    made[0].sum().backward()
    torch.testing.assert_close(x.grad, made[0].detach())
    assert layer.eval()(x) is x
