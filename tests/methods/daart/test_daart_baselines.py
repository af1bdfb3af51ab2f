import numpy as np
import pytest
from builders import daart as parity

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.methods.daart.baselines import Baseline, combine, stack_lags
from workflow_scripts.methods.daart.sequences import Signals


def test_lags_stand_side_by_side():
    x = np.arange(10, dtype=np.float32).reshape(5, 2)
    stacked = stack_lags(x, 1)
    assert stacked[0].tolist() == [0, 0, 0, 1, 2, 3]
    assert stacked[2].tolist() == [2, 3, 4, 5, 6, 7]
    assert stacked[4].tolist() == [6, 7, 8, 9, 0, 0]
    np.testing.assert_array_equal(stack_lags(x, 0), x)


@pytest.mark.parametrize("kind", ["random-forest", "gradient-boosting"])
def test_baselines_learn_the_fixture_from_few_labels(kind):
    a, b, c = parity.recordings((3000, 3000, 3000))
    keep = np.random.default_rng(0).random(3000) < 0.2
    train = [Signals(r.id, r.x, np.where(keep, r.strong, -1), r.weak) for r in (a, b)]
    found = Baseline(kind, size=30).fit(train, 6).probabilities(c.x)
    assert found.shape == (3000, 6) and not found[:, 5].any()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert parity.macro_f1(c.strong, found.argmax(axis=1)) > 0.9
    again = Baseline(kind, size=30).fit(train, 6).probabilities(c.x)
    np.testing.assert_array_equal(found, again)


def test_one_class_is_refused():
    x = np.zeros((5, 2), np.float32)
    with pytest.raises(EthoMakeError, match="at least two classes"):
        Baseline("random-forest").fit([Signals("a", x, np.array([0, 0, -1, -1, -1]), np.full(5, -1))], 2)


def test_ensembles_sum_to_one_and_listen_to_the_sure():
    sure, unsure = np.array([[1.0, 0.0]], np.float32), np.array([[0.4, 0.6]], np.float32)
    np.testing.assert_allclose(combine([sure, unsure]), [[0.7, 0.3]], atol=1e-6)
    found = combine([sure, unsure], by_entropy=True)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert found[0, 0] > 0.99
