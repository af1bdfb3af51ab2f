"""What is drawn, what is refused, and what padding may tell."""

import numpy as np
import pytest
import torch
from builders.tracks import walkers
from builders.tracks import walkers_view as make_view
from sklearn.linear_model import LogisticRegression

from workflow_scripts.core.errors import ConfigError, EthoMakeError
from workflow_scripts.methods.lisbet.augment import Augmenter, second_view
from workflow_scripts.methods.lisbet.augment_spec import parse_augmentations
from workflow_scripts.methods.lisbet.config import OLD_NAMES, Config
from workflow_scripts.methods.lisbet.data import LisbetData
from workflow_scripts.methods.lisbet.inputs import Layout
from workflow_scripts.methods.lisbet.windows import lay_frame

SMALL = {"preset": "16x2", "window_size": 40}


def batches(data, count=None):
    return [data.on_after_batch_transfer(step, 0) for step in list(data.train_dataloader())[:count]]


def test_old_and_new_names_are_one():
    for old, new in OLD_NAMES.items():
        assert Config(tasks=[old]).task_ids == (new,)
    with pytest.raises(ValueError, match="named twice"):
        Config(tasks=["nwp", "order"])
    with pytest.raises(ValueError, match="did you mean 'shift'"):
        Config(tasks=["shitf"])


def test_draws_hang_on_seed_epoch_step_and_task_alone(view):
    data = LisbetData(view, Config(**SMALL))
    loader = data.train_dataloader()

    def sampled(epoch):
        loader.set_epoch(epoch)
        return [step.plans["shift"] for step in loader]

    first, second = sampled(0), sampled(1)
    late = sampled(1)
    assert all(
        torch.equal(a.first, b.first) and torch.equal(a.label, b.label) for a, b in zip(second, late, strict=True)
    )
    assert not torch.equal(first[0].first, second[0].first)
    # One step, asked for alone, is the step of the epoch.
    drawer, n = data.train_drawer, loader._n
    chosen = drawer.choose("shift", 0, 1, n)[64:96]
    alone = drawer.plan("shift", 0, 0, 1, 2, 32, chosen)
    np.testing.assert_array_equal(alone.partner, second[2].partner.numpy())
    others = [Config(**SMALL, seed=1), Config(**SMALL, tasks=["shift", "warp"])]
    seeds = [next(iter(LisbetData(view, config).train_dataloader())).plans["shift"].first for config in others]
    assert not torch.equal(seeds[0], first[0].first)
    # The draw of a task is the same whichever other tasks there are (frames differ: the smallest domain counts).
    drawers = [LisbetData(view, config).train_drawer for config in (Config(**SMALL), others[1])]
    a, b = (d.plan("shift", 0, 0, 3, 5, 16) for d in drawers)
    np.testing.assert_array_equal(a.partner, b.partner)


def test_an_epoch_draws_each_frame_at_most_once(view):
    data = LisbetData(view, Config(mode="faithful", **SMALL, tasks=["warp", "shift"]))
    loader = data.train_dataloader()
    ends = torch.cat([step.plans["shift"].first for step in loader])
    assert len(ends) == data.frames.n_frames == len(set(ends.tolist()))
    again = LisbetData(view, Config(mode="faithful", **SMALL, replacement=True, tasks=["shift"]))
    drawn = torch.cat([step.plans["shift"].first for step in again.train_dataloader()])
    assert len(set(drawn.tolist())) < len(drawn)


@pytest.mark.parametrize("task", ["order", "cons", "warp", "shift", "geom"])
def test_inside_windows_hold_no_padding(view, task):
    config = Config(**SMALL, tasks=[task], frame="arena", seen=False)
    data = LisbetData(view, config)
    for batch in batches(data):
        assert batch.valid is None
        assert not (batch.windows == 0).all(dim=2).any()


def test_padding_tells_the_label_of_shift_only_outside(tmp_path):
    """The leak of short records: the number of padded frames predicts the sign of the shift."""

    def accuracy(**options):
        recordings = [walkers(f"r{k}", 300) for k in range(4)]
        data = LisbetData(
            make_view(tmp_path, recordings),
            Config(tasks=["shift"], normalise="image", seen=False, frame="arena", pad_mask=False, **options),
        )
        loader, sampled, labels = data.train_dataloader(), [], []
        for epoch in range(3):
            loader.set_epoch(epoch)
            for step in loader:
                batch = data.on_after_batch_transfer(step, 0)
                empty = (batch.windows.unflatten(2, (2, 14)) == 0).all(dim=3).sum(dim=1)
                sampled.append(torch.stack([empty[:, 0] - empty[:, 1], (empty[:, 0] - empty[:, 1]).sign()], dim=1))
                labels.append(batch.labels[0])
        x, y = torch.cat(sampled).float().numpy(), torch.cat(labels).numpy()
        half = len(x) // 2
        return LogisticRegression().fit(x[:half], y[:half]).score(x[half:], y[half:])

    assert accuracy(mode="faithful") > 0.75
    assert abs(accuracy(mode="sound") - 0.5) < 0.1


def test_balanced_shift_and_strict_order(tmp_path):
    view = make_view(tmp_path, [walkers("a", 200), walkers("b", 400)])
    data = LisbetData(view, Config(**SMALL, tasks=["shift", "order"]))
    drawer = data.train_drawer
    shift = drawer.plan("shift", 0, 0, 0, 0, 20_000)
    assert abs(shift.label.mean() - 0.5) < 0.015
    delay = shift.partner - shift.first
    np.testing.assert_array_equal(delay > 0, shift.label > 0)
    assert (delay != 0).all()
    # Free of the record's ends: the label cannot be known from where the pair lies.
    place = np.minimum(shift.first, shift.partner)
    for low, high in ((place.min(), place.min() + 40), (place.max() - 40, place.max())):
        near = (place >= low) & (place <= high)
        assert abs(shift.label[near].mean() - 0.5) < 0.1
    order = drawer.plan("order", 0, 0, 0, 0, 20_000)
    first, second = order.first + 19, order.second + 39
    np.testing.assert_array_equal(second > first, order.label > 0)
    assert (np.abs(second - first) <= 40).all()
    assert (second != first).all()
    records = [np.searchsorted(data.frames.starts, rows, side="right") for rows in (first, second)]
    np.testing.assert_array_equal(*records)


def test_three_individuals(tmp_path):
    view = make_view(tmp_path, [walkers(f"r{k}", 200, individuals=3) for k in range(2)])
    data = LisbetData(view, Config(**SMALL))
    plan = data.train_drawer.plan("shift", 0, 0, 0, 0, 500)
    assert set(plan.split) == {1, 2}
    batch = batches(data, 1)[0]
    assert batch.windows.shape == (128, 40, 3 * 21)


@pytest.mark.parametrize(
    ("options", "frames", "count", "sentence"),
    [
        ({"tasks": ["smp"]}, 300, 1, "takes partners from another recording"),
        ({"tasks": ["nwp"], "negatives": "paper"}, 300, 1, "choose negatives: strict"),
        ({"tasks": ["shift"]}, 30, 2, "has 30 frames, and a window of the task shift needs 41"),
        ({"tasks": ["multiclass"]}, 300, -2, "the training data label nothing"),
        ({"tasks": ["multiclass"], "labels": ["behavior"]}, 300, 2, "did you mean 'behaviour'"),
        ({"tasks": ["shift"], "normalise": "image"}, 300, 2, "states no image size"),
        ({"tasks": ["shift"], "train_sample": 0.0001}, 300, 2, "make no step"),
        ({"tasks": ["shift"], "dev_ratio": 0.5}, 300, 1, "one alone"),
    ],
)
def test_refusals_come_before_training(tmp_path, options, frames, count, sentence):
    image = None if options.get("normalise") == "image" else (1024.0, 570.0)
    recordings = [walkers(f"r{k}", frames, labelled=count > 0, image=image) for k in range(abs(count))]
    with pytest.raises(EthoMakeError, match=sentence) as error:
        LisbetData(make_view(tmp_path, recordings), Config(**SMALL | options))
    assert str(error.value).count(". ") == 0
    assert str(error.value)[-1] in ".?"


def test_one_individual_is_refused_for_partner_tasks(tmp_path):
    view = make_view(tmp_path, [walkers(f"r{k}", 100, individuals=1) for k in range(2)])
    with pytest.raises(EthoMakeError, match="at least two individuals"):
        LisbetData(view, Config(**SMALL))
    assert batches(LisbetData(view, Config(**SMALL, tasks=["order", "warp"])), 1)[0].windows.shape == (64, 40, 21)


def test_missing_points_are_filled_and_reported(tmp_path):
    view = make_view(tmp_path, [walkers(f"r{k}", 200, missing=0.3) for k in range(2)])
    data = LisbetData(view, Config(**SMALL, tasks=["shift"]))
    batch = batches(data, 1)[0]
    assert torch.isfinite(batch.windows).all()
    seen = batch.windows.unflatten(2, (2, 21))[..., 14:]
    assert set(seen.unique().tolist()) == {0.0, 1.0}
    assert abs(float(seen.mean()) - 0.7) < 0.05


def test_pair_frame_is_blind_to_place_and_direction():
    recording = walkers("r", 60)
    config = Config(**SMALL, seen=False).resolved()
    layout = Layout(2, 7, 2, False)
    points = torch.from_numpy(recording.position[None, :40]) / 50
    turned = torch.stack([-points[..., 1], points[..., 0]], dim=-1) + torch.tensor([3.0, -2.0])
    valid = torch.ones(1, 40, dtype=torch.bool)
    one, two = (lay_frame(p.reshape(1, 40, 2, 14), valid, layout, config) for p in (points, turned))
    assert torch.allclose(one, two, atol=1e-4)
    centres = one.reshape(40, 2, 7, 2)[-1].mean(dim=1)
    assert torch.allclose(centres.mean(dim=0), torch.zeros(2), atol=1e-4)
    assert abs(float(centres[1, 1] - centres[0, 1])) < 1e-4
    assert centres[1, 0] > centres[0, 0]


def test_the_augmentation_language():
    steps = parse_augmentations("all_perm_id:p=0.5, gauss_jitter:sigma=0.02,kp_ablation:pB=0.1")
    assert [(s.name, s.p) for s in steps] == [("all_perm_id", 0.5), ("gauss_jitter", 1.0), ("kp_ablation", 1.0)]
    assert steps[1].sigma == 0.02
    for text, words in [
        ("all_perm_di", "did you mean 'all_perm_id'"),
        ("gauss_jitter:sigam=1", "did you mean 'sigma'"),
        ("kp_ablation", "pB must be given"),
        ("all_perm_id:p=2", "between 0 and 1"),
        ("blk_perm_id:frac=1", "between"),
        ("rotation:mode=mad", "mode must be one of"),
    ]:
        with pytest.raises(ConfigError, match=words):
            parse_augmentations(text)
    with pytest.raises(ValueError, match="did you mean 'rotation'"):
        Config(augmentation="rotatoin")


def test_augmentations_do_what_they_say():
    layout, rng = Layout(2, 7, 2, True), torch.Generator().manual_seed(0)
    windows = torch.rand(50, 40, 2, 21)
    windows[..., 14:] = 1

    def apply(text, valid=None):
        return Augmenter(parse_augmentations(text), layout, unit_square=True)(windows, valid, rng)

    assert torch.equal(apply("all_perm_id"), windows.flip(2))
    half = apply("all_perm_id:p=0.5")
    changed = (half != windows).flatten(1).any(1).float().mean()
    assert 0.25 < changed < 0.75
    block = apply("blk_perm_id:frac=0.25")
    within = (block != windows).flatten(2).any(2).sum(1)
    assert within.max() == 10
    assert within.min() >= 1
    axes = apply("all_perm_ax")
    assert torch.equal(axes[..., 0], windows[..., 1])
    jitter = apply("gauss_jitter:sigma=0.05")
    assert jitter[..., :14].min() >= 0
    assert jitter[..., :14].max() <= 1
    assert torch.equal(jitter[..., 14:], windows[..., 14:])
    gone = apply("kp_ablation:pB=0.3")
    lost = gone[:, 0, :, 14:] == 0
    assert abs(float(lost.float().mean()) - 0.3) < 0.05
    assert (gone[..., :14].reshape(50, 40, 2, 7, 2)[lost[:, None].expand(50, 40, 2, 7)] == 0).all()
    turned = apply("rotation:max_angle=180")[..., :14].reshape(50, -1, 2) - 0.5
    assert torch.allclose(turned.norm(dim=2), (windows[..., :14].reshape(50, -1, 2) - 0.5).norm(dim=2), atol=1e-5)
    for mode in ("truncate", "rescale"):
        kept = apply(f"rotation:mode={mode}")[..., :14]
        assert kept.min() >= -1e-6
        assert kept.max() <= 1 + 1e-6
    view = second_view(windows, None, layout, True, rng)
    assert view[..., :14].min() >= -1e-5
    assert view[..., :14].max() <= 1 + 1e-5
    assert ((view != windows).flatten(1).any(1)).float().mean() > 0.9


def test_scaled_windows_are_resampled(view):
    data = LisbetData(view, Config(**SMALL, fps_scaling=3.0, tasks=["shift"], frame="arena", seen=False))
    step = next(iter(data.train_dataloader()))
    plan = step.plans["shift"]
    batch = data.on_after_batch_transfer(step, 0)
    rows = np.linspace(float(plan.first[0]), float(plan.first[0]) + 119, 40)
    table = data.frames.values[:, 0, 4]
    np.testing.assert_allclose(batch.windows[0, :, 4].numpy(), np.interp(rows, np.arange(len(table)), table), atol=1e-4)
