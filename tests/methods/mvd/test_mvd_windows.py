import numpy as np
import pytest
import torch
from builders.clips import CLASSES, config, dataset, split
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.behaviour.thresholds import (
    Held,
    Rule,
    apply_rule,
    class_scores,
    decide,
    fit_temperature,
    matched,
    tune,
)
from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.methods.mvd import augment as ops
from workflow_scripts.methods.mvd.config import AugmentOptions
from workflow_scripts.methods.mvd.data import ClipData, Windows, background_of, moment_targets
from workflow_scripts.methods.mvd.inference import Slider, read_chunks, slide
from workflow_scripts.methods.mvd.store import FrameStore
from workflow_scripts.metrics.segments import overlap_counts
from workflow_scripts.metrics.windows import merge_windows, window_ceiling
from workflow_scripts.views.clips import ClipView

STILL = AugmentOptions(flip=0, crop_area=1, aspect=1, turn=0, brightness=0, contrast=0, noise=0, erase=0, mix=0)


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    path = dataset(tmp_path_factory.mktemp("toy"), videos=3, length=150)
    return ClipView(path, split(["v0", "v1"], ["v2"]))


def test_without_strength_augmentation_changes_nothing():
    pixels = torch.randint(0, 256, (2, 4, 16, 16, 3), dtype=torch.uint8)
    targets, weights = torch.rand(2, 2, 3), torch.ones(2, 2)
    video, *rest = ops.augment(pixels, targets, weights, 16, STILL)
    torch.testing.assert_close(video, ops.to_float(pixels), atol=1e-5, rtol=0)
    assert torch.equal(rest[0], targets) and torch.equal(rest[1], weights)


@pytest.mark.parametrize("change", [{"flip": 0.5}, {"crop_area": 0.3}, {"turn": 90}, {"gamma": 1.0}, {"erase": 1.0}])
def test_one_draw_holds_for_all_frames_of_a_window(change):
    torch.manual_seed(0)
    image = torch.randint(0, 256, (8, 1, 16, 16, 3), dtype=torch.uint8)
    options = STILL.model_copy(update=change)
    pixels = image.repeat(1, 5, 1, 1, 1)
    video, *_ = ops.augment(pixels, torch.ones(8, 1, 2), torch.ones(8, 1), 16, options)
    changed = (video - ops.to_float(pixels)).abs().amax(dim=(1, 3, 4)) > 0.02
    assert changed.any() and not (changed.any(dim=1) ^ changed.all(dim=1)).any()
    if "erase" not in change:  # what covers a rectangle is noise, new in every frame
        torch.testing.assert_close(video[:, :, :1].expand_as(video), video)


def test_a_flip_is_a_mirror_image():
    pixels = torch.randint(0, 256, (2, 3, 8, 8, 3), dtype=torch.uint8)
    video, *_ = ops.augment(pixels, torch.ones(2, 1, 2), torch.ones(2, 1), 8, STILL.model_copy(update={"flip": 1.0}))
    torch.testing.assert_close(video, ops.to_float(pixels).flip(-1), atol=1e-5, rtol=0)


def test_cutmix_pastes_one_rectangle_through_time_and_its_share_is_exact():
    torch.manual_seed(0)
    options = STILL.model_copy(update={"mix": 1.0, "switch": 1.0})
    shares = []
    for _ in range(20):
        video = torch.stack([torch.zeros(3, 6, 20, 30), torch.ones(3, 6, 20, 30)])
        targets = torch.eye(2)[:, None].repeat(1, 3, 1)
        out, mixed, weights = ops.mix(video, targets, torch.ones(2, 3), options)
        assert (out == out[:, :1, :1]).all(), "the rectangle differs between frames or channels"
        inside = out[0, 0, 0].bool()
        rows, columns = inside.any(1), inside.any(0)
        assert torch.equal(inside, rows[:, None] & columns), "no rectangle"
        assert mixed[0, :, 1].tolist() == pytest.approx([float(inside.float().mean())] * 3)
        assert torch.equal(weights, torch.ones(2, 3))
        shares.append(float(inside.float().mean()))
    assert np.std(shares) > 0.1


def test_mixup_blends_pixels_and_targets_alike():
    torch.manual_seed(0)
    options = STILL.model_copy(update={"mix": 1.0, "switch": 0.0})
    video = torch.stack([torch.zeros(3, 2, 4, 4), torch.ones(3, 2, 4, 4)])
    weights = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    out, mixed, total = ops.mix(video, torch.eye(2)[:, None].repeat(1, 2, 1), weights, options)
    share = float(out[0].mean())
    assert 0 < share < 1
    assert mixed[0, 0].tolist() == pytest.approx([1 - share, share], abs=1e-5)
    # Nobody labelled the other window's second moment: only its pixels come along.
    assert mixed[0, 1].tolist() == pytest.approx([1, 0]) and float(total[0, 1]) == pytest.approx(1 - share)


def test_motion_is_the_change_since_the_sampled_frame_before():
    video = torch.zeros(1, 3, 4, 2, 2)
    video[:, :, 2:] = 0.2
    found = ops.normalise(video, motion=True)
    assert found.shape == (1, 4, 4, 2, 2)
    assert found[0, 3, :, 0, 0].tolist() == pytest.approx([0, 0, 2, 0], abs=1e-5)


def test_targets_are_shares_of_labelled_frames():
    rows = np.zeros((10, 2), np.float32)
    rows[:5, 0], rows[6:, 1] = 1, 1
    targets, weights = moment_targets(rows, np.arange(4, 12), 2)
    assert targets.ravel().tolist() == pytest.approx([1 / 3, 2 / 3, 0, 1])
    assert weights.tolist() == [0.75, 0.5]


def test_windows_hang_on_seed_epoch_and_batch_alone(view):
    data = ClipData(view, config(samples=24).resolved())
    first = data.windows[1]
    data.windows[0]
    for a, b in zip(first, data.windows[1], strict=True):
        assert torch.equal(a, b)
    data.windows.set_epoch(1)
    assert not torch.equal(first[0], data.windows[1][0])
    assert len(data.windows) == 3


def test_pixels_and_targets_are_of_the_same_frames(view):
    # The disc jerks in every frame of a twitch: a window's own pixels say when.
    data = ClipData(view, config(samples=64, batch=64, sampling_rate=1, num_frames=16).resolved())
    pixels, targets, weights = data.windows[0]
    change = (pixels[:, 1::2].float() - pixels[:, ::2].float()).abs().mean(dim=(2, 3, 4))
    twitch = targets[..., CLASSES.index("twitch")]
    assert (weights == 1).all() and (twitch == 1).sum() > 10
    assert change[twitch == 1].min() > 2 * change[twitch == 0].median()


def test_class_balance_draws_rare_classes_as_often(view):
    windows = ClipData(view, config(class_balance=1.0).resolved()).windows
    assert np.bincount(windows.code, windows.chance, 3) == pytest.approx([1 / 3] * 3)
    plain = Windows(windows.store, view.clips("sound", ["v0", "v1"]), config(class_balance=0.0).resolved(), CLASSES)
    assert plain.chance == pytest.approx(np.full(len(plain.code), 1 / len(plain.code)))


def test_faithful_windows_spread_short_clips_and_repeat_their_end(view):
    data = ClipData(view, config(mode="faithful", num_frames=8, sampling_rate=2).resolved())
    windows = data.windows
    clip = int(np.flatnonzero(windows.stop - windows.start == 6)[0])
    drawn = windows._inside(clip, np.random.default_rng(0))
    # Six frames at a rate of two are three points over the clip, then the last frame.
    assert (drawn.numbers - windows.start[clip]).tolist() == [0, 3, 5, 5, 5, 5, 5, 5]
    assert len(windows[0][0]) == 16, "two repeats of eight"


def test_frames_come_alike_from_memory_and_from_disk(view):
    recordings = list(view.train())
    cached, direct = FrameStore(recordings, 24, 100), FrameStore(recordings, 24, 0)
    numbers = np.array([0, 17, 140, 149, 400])
    assert torch.equal(cached.frames(1, numbers), direct.frames(1, numbers))
    assert torch.equal(torch.cat(list(cached.stream(0))), torch.cat(list(direct.stream(0))))
    assert cached.frames(1, numbers).shape == (5, 27, 27, 3)


def test_a_clip_view_without_labels_or_groups_is_refused(view):
    with pytest.raises(EthoMakeError, match="no labels 'walk', but action"):
        ClipData(view, config(task="walk").resolved())
    with pytest.raises(EthoMakeError, match="second animal"):
        ClipData(ClipView(view.path, split(["v0"])), config().resolved())
    with pytest.raises(EthoMakeError, match="no class 'rest' among idle, groom, twitch"):
        background_of(CLASSES, "rest", "idle")
    # Without a validation part of the split, training groups are held out, never cut.
    held = ClipData(ClipView(view.path, split(["v0", "v1", "v2"])), config().resolved())
    assert [len(held.store.recordings), len(held.held.recordings)] == [2, 1]


@pytest.mark.parametrize(
    ("length", "rate", "stride"), [(100, 2, 5), (33, 2, 16), (16, 2, 4), (9, 1, 3), (8, 1, 8), (5, 1, 2)]
)
def test_sliding_covers_every_frame_and_reads_each_once(length, rate, stride):
    slider = Slider(num_frames=8, rate=rate, stride=stride, side=4, batch=3)
    frames = torch.arange(length, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 4, 4, 3)
    asked = []

    def stream():
        for chunk in frames.split(7):
            asked.append(len(chunk))
            yield chunk

    embedded = []

    def bright(tubes):
        """Say which frame each tube is of, by its brightness."""
        embedded.append(len(tubes))
        return (tubes[:, 0, :, 0, 0] * 0.229 * 255 + 0.485 * 255).mean(-1, keepdim=True)

    seen = slide(bright, lambda windows: windows, stream(), length, slider, torch.device("cpu"))
    if stride % (2 * rate) == 0 and length % (2 * rate) == 0:  # windows share their tubes
        assert sum(embedded) <= length // (2 * rate)
    assert sum(asked) == length and seen.frames.shape == (length, 1)
    if length >= slider.span:
        # A moment covers two sampled frames: its mean is near every frame under it.
        assert np.abs(seen.frames[:, 0] - np.arange(length)).max() <= 1.5 * rate
        assert seen.starts[-1] == length - slider.span
    assert (np.diff(seen.starts) > 0).all()


def test_sliding_as_published_leaves_the_tail():
    slider = Slider(num_frames=4, rate=1, stride=4, side=4, tail=False)
    seen = slide(
        lambda tubes: tubes,
        lambda windows: torch.ones(len(windows), 1, 2),
        [torch.zeros(10, 4, 4, 3, dtype=torch.uint8)],
        10,
        slider,
        torch.device("cpu"),
    )
    assert seen.starts.tolist() == [0, 4] and seen.frames[8:].sum() == 0


def test_a_crop_video_is_decoded_once(view, monkeypatch):
    recording = next(iter(view.validation()))
    chunks = list(read_chunks(recording, 28))
    assert sum(map(len, chunks)) == recording.n_frames and chunks[0].shape[1:] == (32, 32, 3)


def test_rules_threshold_close_and_drop():
    p = np.array([0.1, 0.9, 0.9, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9, 0.1], np.float32)
    assert apply_rule(p, Rule()).astype(int).tolist() == [0, 1, 1, 0, 1, 0, 0, 0, 1, 0]
    assert apply_rule(p, Rule(gap=1)).astype(int).tolist() == [0, 1, 1, 1, 1, 0, 0, 0, 1, 0]
    assert apply_rule(p, Rule(gap=1, shortest=2)).astype(int).tolist() == [0, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert not apply_rule(p, Rule(threshold=0.95)).any()


def test_deciding_gives_a_frame_to_the_class_further_above_its_threshold():
    p = np.array([[0.2, 0.5, 0.3], [0.8, 0.1, 0.1]], np.float32)
    rules = [Rule(), Rule(threshold=0.4), Rule(threshold=0.1, shortest=2)]
    assert decide(p, rules, 0).tolist() == [2, 2]
    assert decide(p, [Rule(), Rule(threshold=0.4), Rule(threshold=0.9)], 0).tolist() == [1, 0]
    assert decide(p, rules, None).tolist() == [1, 0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 9)), min_size=1, max_size=60))
def test_bouts_match_as_in_the_evaluation(rows):
    said, truth, known = (np.array(column) for column in zip(*rows, strict=True))
    counts = overlap_counts(truth.astype(int), said.astype(int), known > 0, 2, [0.5])
    assert matched(said, truth, known > 0) == tuple(counts[0, 1])


def test_tuning_finds_the_rule_that_made_the_bouts():
    rng = np.random.default_rng(0)
    truth = np.zeros(600, np.int64)
    for start in range(20, 560, 60):
        truth[start : start + 20] = 1
    p = np.where(truth == 1, 0.3, 0.05) + rng.normal(0, 0.01, 600)
    p[40:600:60] = 0.6  # single frames that are no bout
    held = [Held(np.stack([1 - p, p], 1).astype(np.float32), truth, np.ones(600, bool))]
    rules = tune(held, 2, 0, fps=30)
    assert (decide(held[0].probabilities, rules, 0) == truth).mean() > 0.98
    plain = decide(held[0].probabilities, [Rule(), Rule()], 0)
    assert (plain == truth).mean() < 0.8


def test_temperature_undoes_overconfidence():
    torch.manual_seed(0)
    logits = torch.randn(4000, 3)
    truth = torch.distributions.Categorical(logits=logits).sample()
    assert fit_temperature(logits.numpy() * 3, truth.numpy()) == pytest.approx(3, rel=0.1)
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, np.int64)) == 1


def test_published_merging_joins_windows_of_a_class_that_touch():
    p = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.1, 0, 0.9], [0.3, 0.7, 0], [0.9, 0.1, 0]])
    codes = merge_windows(np.arange(5) * 16, p, 100, 32, 0)
    # Windows 1 and 3 touch at frame 48 and merge over the sure window 2 of the other class.
    assert codes[:16].tolist() == [0] * 16 and codes[16:32].tolist() == [1] * 16
    assert codes[32:64].tolist() == [2] * 32 and codes[64:80].tolist() == [1] * 16 and not codes[80:].any()


@pytest.mark.parametrize(
    ("length", "rate", "stride"), [(40, 1, 3), (41, 1, 4), (40, 2, 3), (57, 2, 4), (11, 2, 3), (5, 1, 2)]
)
def test_sliding_feeds_what_training_feeds(length, rate, stride):
    pixels = torch.randint(0, 256, (length, 18, 18, 3), dtype=torch.uint8)
    slider = Slider(num_frames=8, rate=rate, stride=stride, side=16, batch=2, motion=True)
    count = 0
    for firsts, tubes in slider.batches(pixels.split(7), torch.Tensor.clone):
        for first, video in zip(firsts, tubes.transpose(1, 2).flatten(2, 3), strict=True):
            numbers = np.clip(np.arange(first, first + slider.span, rate), 0, length - 1)
            raw = ops.resize(ops.to_float(pixels[numbers][None]), 16)
            torch.testing.assert_close(video, ops.normalise(raw, motion=True)[0], atol=1e-4, rtol=1e-4)
            count += 1
    assert count >= max(1, (length - slider.span) // stride)


@pytest.mark.parametrize(
    ("length", "four", "half"),
    [(5, 0.20, 0.19), (15, 0.43, 0.48), (30, 0.59, 0.76), (90, 0.82, 0.91), (300, 0.94, 0.97)],
)
def test_the_ceiling_of_windows_is_that_of_the_specification(length, four, half):
    """Frame F1 of a faultless classifier of 32-frame windows with a hop of 16."""
    rng = np.random.default_rng(0)
    truth = np.zeros(0, np.int64)
    for _ in range(400):
        truth = np.concatenate([truth, np.zeros(rng.integers(100, 140), np.int64), np.ones(length, np.int64)])
    held = [Held(np.zeros((len(truth), 2), np.float32), truth, np.ones(len(truth), bool))]
    for least, wanted in ((4, four), (None, half)):
        _, frame = class_scores(held, [window_ceiling(truth, 2, 32, 16, 0, least=least)], 1)
        assert frame == pytest.approx(wanted, abs=0.035)
