"""Array operations that NumPy's own reductions are slow at."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def any_nan(points: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Tell where a point (the last axis: two or three coordinates) has a NaN; shape without that axis.

    The same as ``np.isnan(points).any(axis=-1)``, several times faster: a reduction is called once for every point.
    """
    found: npt.NDArray[np.bool_] = np.isnan(points[..., 0])
    for k in range(1, points.shape[-1]):
        found = found | np.isnan(points[..., k])
    return found
