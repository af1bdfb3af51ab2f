import itertools

import numpy as np
import pytest
import torch
from builders.clips import CLASSES, config, dataset, split

from workflow_scripts.behaviour.paths import Prices, best_paths, log_of, tune_prices
from workflow_scripts.behaviour.thresholds import Held, class_scores
from workflow_scripts.methods.mvd import method
from workflow_scripts.methods.mvd.augment import warp
from workflow_scripts.methods.mvd.config import AugmentOptions
from workflow_scripts.views.clips import ClipView


def worth(path, logs, prices):
    gained = sum(logs[t, code] + prices.bias[code] for t, code in enumerate(path))
    return gained - sum(prices.enter[b] for a, b in itertools.pairwise(path) if a != b)


@pytest.mark.parametrize("seed", range(4))
def test_no_path_is_worth_more(seed):
    rng = np.random.default_rng(seed)
    logs = log_of(rng.dirichlet(np.ones(3), 7))
    prices = Prices(rng.normal(0, 1, 3), rng.uniform(0, 2, 3))
    found = best_paths([logs], prices)[0]
    best = max(worth(path, logs, prices) for path in itertools.product(range(3), repeat=7))
    assert worth(found, logs, prices) == pytest.approx(best)


def test_videos_walked_through_together_are_as_alone():
    rng = np.random.default_rng(0)
    logs = [log_of(rng.dirichlet(np.ones(4), n)) for n in (30, 1, 17)]
    prices = Prices(np.array([0, 0.3, 0, -0.2]), np.array([1.0, 2, 0.5, 1]))
    for together, alone in zip(best_paths(logs, prices), (best_paths([one], prices)[0] for one in logs), strict=True):
        np.testing.assert_array_equal(together, alone)
    assert best_paths([], prices) == []


def doubtful(seed, frames=400):
    """Long bouts of class 1 and short ones of class 2, seen through noise."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(frames, np.int64)
    for start in range(20, frames - 50, 80):
        truth[start : start + 30] = 1
        truth[start + 50 : start + 56] = 2
    logits = rng.normal(0, 1.2, (frames, 3))
    logits[np.arange(frames), truth] += 2
    p = np.exp(logits)
    return Held((p / p.sum(1, keepdims=True)).astype(np.float32), truth, np.ones(frames, bool))


def test_prices_join_what_noise_cut():
    held = [doubtful(0), doubtful(1)]
    prices = tune_prices(held, 3, 0)
    other = doubtful(2)
    said = best_paths([log_of(other.probabilities)], prices)
    plain = [other.probabilities.argmax(1)]
    for code in (1, 2):
        assert class_scores([other], said, code)[0] > class_scores([other], plain, code)[0] + 0.2
    nobody = Held(other.probabilities, other.truth, np.zeros(len(other.truth), bool))
    np.testing.assert_array_equal(tune_prices([nobody], 3, 0).enter, Prices.plain(3).enter)


def test_a_model_decides_by_the_path_its_checkpoint_prices(tmp_path):
    path = dataset(tmp_path, videos=2, length=120)
    view = ClipView(path, split(["v0"], ["v1"]))
    model = method.build(config(decision="path"), view.spec())
    np.testing.assert_array_equal(model.get_prices().enter, Prices.plain(len(CLASSES)).enter)
    model.set_prices(Prices(np.zeros(len(CLASSES)), np.full(len(CLASSES), 1e6)))
    again = method.build(config(decision="path"), view.spec())
    again.load_state_dict(model.state_dict())
    # A price nobody can pay leaves one class for all frames.
    assert len(np.unique(method.predict(again, next(view.validation()))["action"].codes)) == 1


def test_larger_crops_show_the_animal_smaller():
    video = torch.zeros(1, 3, 1, 32, 32)
    video[..., 8:24, 8:24] = 1
    still = {"flip": 0, "aspect": 1, "turn": 0}
    torch.manual_seed(0)
    small = warp(video, 32, AugmentOptions(crop_area=1, crop_most=4, **still))
    assert 64 < float(small.sum()) / 3 < 256 - 8
    assert float(warp(video, 32, AugmentOptions(crop_area=1, **still)).sum()) / 3 == pytest.approx(256, abs=1)
