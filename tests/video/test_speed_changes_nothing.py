"""What makes cropping cheap gives the same numbers as the plain way, for which numpy has a name."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from builders import videos as toy

from workflow_scripts.detectors.background import Detector, Options
from workflow_scripts.detectors.coverage import middle
from workflow_scripts.video.frames import Planes, prefetch
from workflow_scripts.video.metadata import open_video
from workflow_scripts.video.trajectory import _nan_median


@pytest.mark.parametrize("step", [1, 2, 4, 6, 9])
def test_reduced_brightness_is_the_mean_of_its_pixels_and_computed_once(step: int) -> None:
    y = np.random.default_rng(step).integers(0, 256, (97, 131), np.uint8)
    planes = Planes(y, y[::2, ::2], y[::2, ::2])
    rows, columns, spread = 97 // step, 131 // step, -(-step // 4)
    parts = y[: rows * step, : columns * step].reshape(rows, step, columns, step)[:, ::spread, :, ::spread]
    found = planes.gray(step)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, parts.mean(axis=(1, 3)), rtol=1e-6)
    assert planes.gray(step) is found  # detector and coverage look at the same picture
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 0


def test_medians_are_numpys() -> None:
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (1, 2), (7, 9), (40, 54)):
        values = rng.normal(0, 9, shape).astype(np.float32)
        assert middle(values) == np.median(values)
    stack = rng.normal(0, 9, (5, 300, 2)).astype(np.float32)
    stack[rng.random((5, 300)) < 0.5] = np.nan
    stack[:, 7] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing but NaN in some
        wanted = np.nanmedian(stack, axis=0)
    np.testing.assert_array_equal(_nan_median(stack), wanted)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (60, 40), (136, 100)])
def test_a_blob_is_found_wherever_it_is(x: int, y: int) -> None:
    detector = Detector(Options(), Path())
    detector._background = np.full((120, 160), 100, np.float32)
    picture = np.full((120, 160), 100, np.uint8)
    assert np.isnan(detector.detect([Planes(picture, picture, picture)], [0])).all()
    picture = picture.copy()
    picture[y : y + 20, x : x + 24] = 30
    picture[2::40, 3::50] = 200  # noise, which opening takes away, is all over the picture
    box = detector.detect([Planes(picture, picture, picture)], [0])[0]
    np.testing.assert_allclose(box[:4], [max(0, x - 1), max(0, y - 1), min(160, x + 25), min(120, y + 21)], atol=1)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 41])
def test_prefetched_items_come_in_order(count: int) -> None:
    assert list(prefetch(range(count))) == list(range(count))
    assert list(prefetch(range(count), depth=1)) == list(range(count))


def test_an_error_comes_after_the_items_before_it_and_a_reader_may_stop() -> None:
    def five() -> Iterator[int]:
        yield from range(5)
        raise KeyError("six")

    seen = []
    with pytest.raises(KeyError, match="six"):
        for item in prefetch(five()):
            seen.append(item)
    assert seen == [0, 1, 2, 3, 4]

    threads, made = threading.active_count(), []
    ahead = prefetch((made.append(k) or k for k in range(1000)), depth=8)
    assert [next(ahead), next(ahead)] == [0, 1]
    ahead.close()
    assert threading.active_count() == threads
    assert len(made) <= 8 + 2 * 4 + 1


def test_decoding_starts_no_threads_of_its_own(tmp_path: Path) -> None:
    container, stream = open_video(toy.write(tmp_path / "mouse.mp4", toy.frames(4)))
    with container:
        assert stream.codec_context.thread_count == 1
