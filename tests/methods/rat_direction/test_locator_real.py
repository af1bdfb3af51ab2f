"""The locator on a real video of one mouse in an open field."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from workflow_scripts.methods.rat_direction import locate
from workflow_scripts.methods.rat_direction.locate import LocatorOptions, places_of
from workflow_scripts.sources import read_tracks


def test_the_locator_on_a_real_open_field(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every twentieth frame; the whole video is measured by benchmarks/bench_locator.py."""
    folder = mirror / "mouse-openfield"
    (table,) = folder.glob("*.h5")
    (tracks,) = read_tracks("deeplabcut", table, {}, recording="m")
    known = (tracks.confidence[:, 0] > 0.9).all(axis=1)[::20]
    place = {name: k for k, name in enumerate(tracks.keypoints)}
    head, base = (tracks.position[::20, 0, place[name]] for name in ("snout", "tailbase"))
    body = float(np.median(np.hypot(*(head - base).T)[known]))
    every = locate.decode
    monkeypatch.setattr(locate, "decode", lambda info: islice(every(info), 0, None, 20))
    found = places_of(folder / "videos" / "m3v1mp4.mp4", LocatorOptions())
    n = min(len(found), len(known))
    assert np.isfinite(found[:n, 0]).mean() > 0.99
    off = np.hypot(*(found[:n, :2] - ((head + base) / 2)[:n]).T)[known[:n]] / body
    assert np.nanmedian(off) <= 0.15
    assert np.nanmedian(found[:, 2]) / body <= 2
