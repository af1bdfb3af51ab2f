"""Which frames of a recording show an animal."""

from __future__ import annotations

from typing import Any

import numpy as np

from workflow_scripts.core.typing import BoolArray


def seen_frames(recording: Any) -> BoolArray:
    """Return True where at least one point (tracks) or the box (clips) of any animal is known, filled gaps included.

    Parameters
    ----------
    recording : Recording or ClipRecording

    Returns
    -------
    ndarray of bool, shape (time,)
    """
    if hasattr(recording, "origin"):
        found: BoolArray = recording.origin > 0
        return found
    known: BoolArray = np.isfinite(recording.position).all(axis=3).any(axis=(1, 2))
    return known
