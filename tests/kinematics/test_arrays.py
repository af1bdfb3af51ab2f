from __future__ import annotations

import numpy as np
import pytest

from workflow_scripts.core.arrays import any_nan


@pytest.mark.parametrize("shape", [(50, 2, 7, 2), (20, 3), (0, 4, 2), (5, 1)])
def test_any_nan_is_the_reduction(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    points = np.where(rng.random(shape) < 0.3, np.nan, rng.random(shape)).astype(np.float32)
    assert np.array_equal(any_nan(points), np.isnan(points).any(axis=-1))
