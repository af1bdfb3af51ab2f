"""The parity checklist: numbers that the original program computes."""

import numpy as np
import pytest
import torch
from builders.tracks import walkers
from builders.tracks import walkers_view as make_view

from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.data import LisbetData, steps_per_epoch
from workflow_scripts.methods.lisbet.draws import TRAIN, Drawer
from workflow_scripts.methods.lisbet.inference import embed_recording
from workflow_scripts.methods.lisbet.inputs import Layout, prepare_recording
from workflow_scripts.methods.lisbet.losses import lr_reference
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.network import ClassificationHead
from workflow_scripts.methods.lisbet.store import Frames, padding
from workflow_scripts.methods.lisbet.windows import PlanTensors, Windows


def faithful(**options):
    return Config(mode="faithful", **options).resolved()


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def long_frames(lengths, config, seed=0, individuals=2, block=14):
    pad = padding(config)
    rows = sum(lengths) + pad * (len(lengths) + 1)
    starts = np.cumsum([pad, *(length + pad for length in lengths[:-1])])
    values, valid = np.zeros((rows, individuals, block), np.float32), np.zeros(rows, bool)
    rng = np.random.default_rng(seed)
    for start, length in zip(starts, lengths, strict=True):
        values[start : start + length] = rng.random((length, individuals, block)) + 0.01
        valid[start : start + length] = True
    ids = tuple(f"r{k}" for k in range(len(lengths)))
    return Frames(values, valid, np.zeros((rows, 0), np.int16), starts, starts + np.array(lengths), ids, ids)


def draw(frames, task, size=20_000, index=None, **options):
    """One plan of a task and the windows' source."""
    config = faithful(tasks=[task], **options)
    drawer = Drawer(frames, config)
    chosen = None if index is None else np.asarray(index)
    plan = drawer.plan(config.task_ids[0], 7, TRAIN, 0, 0, size if chosen is None else len(chosen), chosen)
    layout = Layout(frames.values.shape[1], 7, 2, False)
    return plan, Windows.of(frames, layout, config)


def test_feature_order_and_scale():
    recording = walkers("r0", 50)
    flat = prepare_recording(recording, faithful()).reshape(50, 28)
    for mouse, part, axis in [(0, 0, 0), (0, 6, 1), (1, 3, 0), (1, 6, 1)]:
        expected = recording.position[:, mouse, part, axis] / (1024, 570)[axis]
        np.testing.assert_allclose(flat[:, mouse * 14 + part * 2 + axis], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("preset", "backbone", "head", "whole"),
    [("64x8", 427_456, 16_897, 495_044), ("32x4", None, None, 82_020), ("16x2", 11_344, 577, 13_652)],
)
def test_parameter_counts(spec, preset, backbone, head, whole):
    model = Lisbet(Config(mode="faithful", preset=preset), spec)
    assert model.config.backbone.max_length == 400
    assert count(model) == whole
    if backbone:
        assert count(model.backbone) == backbone
        assert count(model.task_heads["order"]) == head


def test_parameter_counts_of_a_classifier_and_of_the_newer_position_table(spec):
    assert count(ClassificationHead(16, 4, 32, -1)) == 676
    assert count(Lisbet(Config(preset="16x2", seen=False), spec)) == 10_452


def test_parameters_of_one_layer(spec):
    layer = Lisbet(Config(mode="faithful", preset="64x8"), spec).backbone.transformer_encoder.layers[0]
    parts = {name: parameter.numel() for name, parameter in layer.named_parameters()}
    assert parts["self_attn.in_proj_weight"] + parts["self_attn.in_proj_bias"] == 12_480
    assert parts["self_attn.out_proj.weight"] + parts["self_attn.out_proj.bias"] == 4_160
    assert parts["linear1.weight"] + parts["linear1.bias"] == 16_640
    assert parts["linear2.weight"] + parts["linear2.bias"] == 16_448
    assert sum(number for name, number in parts.items() if name.startswith("norm")) == 256
    assert count(layer) == 49_984


@pytest.mark.parametrize("offset", [0, 99])
def test_zero_padding(offset):
    config = faithful(window_offset=offset)
    frames = long_frames([300], config)
    source = Windows.of(frames, Layout(2, 7, 2, False), config)
    windows, _ = source.every_frame(int(frames.starts[0]), 0, 300)
    empty = (windows == 0).all(dim=(2, 3)).numpy()
    if offset == 0:
        assert empty[0].sum() == 199
        assert not empty[0, 199]
        assert empty[10].sum() == 189
        np.testing.assert_array_equal(windows[10, 189:].numpy(), frames.values[frames.starts[0] :][:11])
    else:
        assert empty[299, -99:].all()
        assert empty[299].sum() == 99
        np.testing.assert_array_equal(windows[250, :150].numpy(), frames.values[frames.starts[0] :][150:300])
    for t in range(300):
        assert np.argmin(empty[t]) == max(200 - 1 - offset - t, 0)


def test_label_rates():
    frames = long_frames([20_000] * 3, faithful())
    middle = np.arange(5_000, 15_000)
    for task, rate in [("smp", 0.5), ("nwp", 0.5), ("vsp", 0.5), ("dmp", 59 / 120)]:
        plan, _ = draw(frames, task, index=np.tile(middle, 4))
        assert abs(plan.label.mean() - rate) < 4 * 0.5 / np.sqrt(40_000), task


def test_half_windows_are_alike_at_the_last_frame():
    frames = long_frames([400, 400], faithful())
    plan, source = draw(frames, "nwp", index=np.full(64, 399))
    windows, _ = source.gather([PlanTensors.of(plan)])
    positive = windows[torch.from_numpy(plan.label > 0)]
    assert 10 < len(positive) < 54
    assert torch.equal(positive[:, :100], positive[:, 100:])


def test_old_negatives_are_other_records_or_earlier_frames():
    frames = long_frames([400, 500, 600], faithful())
    plan, _ = draw(frames, "nwp")
    row, second = plan.first + 99, plan.second + 199
    record = np.searchsorted(frames.starts, row, side="right")
    other = np.searchsorted(frames.starts, second, side="right")
    positive = plan.label > 0
    assert (record == other)[positive].all()
    assert (second >= row)[positive].all()
    assert ((record != other) | (second < row))[~positive].all()
    # Uniform over what is allowed: each frame of the other records is as likely as an earlier one of its own.
    own = (record == other)[~positive].mean()
    lengths = np.array([400, 500, 600])
    expected = (
        np.mean(
            [
                np.mean(t / (1500 - (lengths[r] - t))) * w
                for r, w in enumerate(lengths / 1500)
                for t in [np.arange(lengths[r])]
            ]
        )
        * 3
    )
    assert abs(own - expected) < 0.02


def test_partners_of_cons_and_shift():
    frames = long_frames([400, 500, 600], faithful())
    plan, source = draw(frames, "smp", size=4_000)
    swapped = plan.label > 0
    record = np.searchsorted(frames.starts, plan.first + 199, side="right")
    other = np.searchsorted(frames.starts, plan.partner + 199, side="right")
    assert (record != other)[swapped].all()
    assert set(plan.split[swapped]) == {1}
    assert set(plan.split[~swapped]) == {2}
    windows, _ = source.gather([PlanTensors.of(plan)])
    k = int(np.flatnonzero(swapped)[0])
    np.testing.assert_array_equal(windows[k, :, 0], frames.values[int(plan.first[k]) :][:200, 0])
    np.testing.assert_array_equal(windows[k, :, 1], frames.values[int(plan.partner[k]) :][:200, 1])
    plan, _ = draw(frames, "dmp", size=4_000)
    delay = plan.partner - plan.first
    assert delay.min() >= -60
    assert delay.max() <= 59
    np.testing.assert_array_equal(plan.label > 0, delay > 0)


def test_warp_takes_round_half_even_lengths_and_gives_windows():
    frames = long_frames([2_000], faithful())
    plan, source = draw(frames, "vsp", size=5_000, index=np.random.default_rng(0).integers(400, 2_000, 5_000))
    length = np.rint(plan.step * 199 + 1)
    assert length.min() == 100
    assert length.max() == 300
    windows, _ = source.gather([PlanTensors.of(plan)])
    assert windows.shape == (5_000, 200, 2, 14)
    k = int(np.argmax(length == 250))
    rows = int(plan.first[k]) + np.arange(250)
    expected = np.interp(np.linspace(0, 249, 200), np.arange(250), frames.values[rows, 1, 3])
    np.testing.assert_allclose(windows[k, :, 1, 3].numpy(), expected, atol=1e-5)


def test_chance_loss(view):
    data = LisbetData(view, Config(mode="faithful", preset="16x2"))
    model = Lisbet(data.config, data.spec)
    with torch.no_grad():
        for head in model.task_heads.values():
            torch.nn.init.zeros_(head.logits.linear2.weight)
            torch.nn.init.zeros_(head.logits.linear2.bias)
        step = next(iter(data.train_dataloader()))
        loss = model.losses(data.on_after_batch_transfer(step, 0), "train")
    assert float(loss) == pytest.approx(4 * np.log(2), abs=1e-5)
    assert float(loss) == pytest.approx(2.77, abs=0.005)


def test_steps_per_epoch():
    assert steps_per_epoch(18_000, 32, 0.02, replacement=False) == 12
    assert steps_per_epoch(6_000_000, 32, 0.05, replacement=False) == 9_375
    assert steps_per_epoch(1_000, 32, None, replacement=False) == 32
    assert steps_per_epoch(1_000, 32, 0.5, replacement=True) == 16
    assert steps_per_epoch(1_010, 32, 0.05, replacement=True) == 1


def test_learning_rate_of_the_reference_schedule():
    expected = {
        0: 1.0e-6,
        5: 1.0e-4,
        14: 2.447e-6,
        15: 1.0e-4,
        34: 6.156e-7,
        35: 1.0e-4,
        74: 1.541e-7,
        75: 1.0e-4,
        99: 7.939e-5,
    }
    for epoch, rate in expected.items():
        assert 1e-4 * lr_reference(epoch) == pytest.approx(rate, rel=1e-3), epoch


def test_encoder_layers_are_alike_at_the_start(spec):
    first, *others = Lisbet(Config(preset="32x4"), spec).backbone.transformer_encoder.layers
    for layer in others:
        for mine, theirs in zip(first.parameters(), layer.parameters(), strict=True):
            assert torch.equal(mine, theirs)


def test_embedding_is_the_last_token_of_the_window_that_ends_there(spec):
    recording = walkers("r0", 230)
    model = Lisbet(Config(mode="faithful", preset="16x2", embed_batch=37), spec)
    made = embed_recording(model, recording)
    assert made.shape == (230, 16)
    flat = torch.from_numpy(prepare_recording(recording, model.config).reshape(230, 28))
    for t in (0, 150, 229):
        window = torch.zeros(200, 28)
        window[max(0, 199 - t) :] = flat[max(0, t - 199) : t + 1]
        with torch.no_grad():
            expected = model.backbone(window[None])[0, 199]
        np.testing.assert_allclose(made[t], expected.numpy(), atol=2e-5)


def test_identical_files_give_identical_runs(tmp_path):
    view = make_view(tmp_path, [walkers(f"r{k}", 260) for k in range(2)])
    data = [LisbetData(view, Config(preset="16x2", window_size=40)) for _ in range(2)]
    for one, two in zip(*[list(d.train_dataloader())[:3] for d in data], strict=True):
        a, b = (d.on_after_batch_transfer(step, 0) for d, step in zip(data, (one, two), strict=True))
        assert torch.equal(a.windows, b.windows)
