"""Several animals: a box each, linked over time; and a sentence where one box misses what moves."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from builders import videos as toy

from workflow_scripts.convert.clip_tables import clip_tables
from workflow_scripts.convert.crop_video import preprocess
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.detectors import make
from workflow_scripts.detectors.linked import Linked, distinct
from workflow_scripts.formats.clips import open_clips, write_clips
from workflow_scripts.sources.videos import Options

REAL = Path(next(iter(os.environ.get("ETHOMAKE_MIRRORS", "").split(os.pathsep)), "")) / "mabe22-clip"


def two(count: int = 90) -> np.ndarray:
    """Two dark squares that swing to and fro at different paces, the lower one slower."""
    rng = np.random.default_rng(0)
    made = np.clip(rng.normal(180, 2, (count, 120, 160)), 0, 255)
    for t in range(count):
        for k, pace in enumerate((9, 20)):
            x = 10 + int(60 * (1 + np.sin(t / pace + 2 * k)))
            made[t, 20 + 55 * k : 40 + 55 * k, x : x + 20] = 40
    return made.astype(np.uint8)


def test_each_animal_has_its_own_box_all_along(tmp_path: Path) -> None:
    path = toy.write(tmp_path / "two.mp4", two())
    middles = []
    for animal in (0, 1):
        made = preprocess(
            path, Options(size=48, animals=2, animal=animal, every=2), tmp_path / f"{animal}.mp4", recording=str(animal)
        )
        middles.append((made.boxes[:, 1] + made.boxes[:, 3]) / 2)
        assert made.outside < 0.1 and not any("moving pixels" in text for text in made.warnings)
    # Their rows never cross, so whoever is up stays up.
    assert np.nanstd(middles[0]) < 3 and np.nanstd(middles[1]) < 3
    assert abs(np.nanmean(middles[0]) - np.nanmean(middles[1])) == pytest.approx(55, abs=4)


def test_what_moves_outside_the_box_is_measured_and_said(tmp_path: Path) -> None:
    path = toy.write(tmp_path / "two.mp4", two())
    made = preprocess(path, Options(size=48), tmp_path / "c.mp4", recording="v")
    assert made.outside > 0.25
    (said,) = [text for text in made.warnings if "moving pixels" in text]
    assert "the detector background cannot handle this picture, or it shows several animals" in said
    write_clips(tmp_path / "index.h5", [made], {})
    quality, _ = clip_tables(tmp_path / "index.h5")
    assert quality.loc[0, "outside"] == pytest.approx(made.outside) and said in quality.loc[0, "warnings"]
    with open_clips(tmp_path / "index.h5") as reader:
        assert reader.read("v").preprocessing["detector"]["name"] == "background"
    one = preprocess(
        toy.write(tmp_path / "one.mp4", toy.frames(60)), Options(size=48), tmp_path / "d.mp4", recording="w"
    )
    assert one.outside < 0.1 and not any("moving pixels" in text for text in one.warnings)


def test_a_detector_of_one_box_cannot_tell_animals_apart(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("frame,x1,y1,x2,y2\n0,1,1,5,5\n")
    with pytest.raises(ConfigError, match="cannot tell 2 animals apart; use background or rtdetrv2"):
        make("boxes_file", {"path": "b.csv"}, tmp_path, animals=2)
    with pytest.raises(ConfigError, match="draws one box around all animals"):
        make("background", {"animals": 2}, tmp_path, animals=2)


class Script:
    """Returns fixed boxes, frame by frame."""

    batch, samples = 1, 5

    def __init__(self, found: list[list[tuple[float, ...]]]) -> None:
        self.found = found

    def fit(self, *_: object) -> None:
        """Nothing."""

    def detect_all(self, frames: list[int], numbers: list[int]) -> list[np.ndarray]:
        return [np.array(self.found[number], np.float32).reshape(-1, 5) for number in numbers]


def test_links_survive_gaps_and_the_order_of_boxes() -> None:
    left, right = (0, 0, 10, 10, 0.9), (100, 0, 110, 10, 0.8)
    moved = (104, 0, 114, 10, 0.9)
    script = [[right, left], [left, right], [moved], [left, moved], [(300, 0, 310, 10, 1.0)], [moved, left]]
    for animal, expected in ((0, [0, 0, np.nan, 0, np.nan, 0]), (1, [100, 100, 104, 104, np.nan, 104])):
        linked = Linked(Script(script), 2, animal)  # type: ignore[arg-type]
        found = linked.detect(list(range(6)), list(range(6)))  # type: ignore[arg-type]
        np.testing.assert_array_equal(found[:, 0], np.array(expected, np.float32))


def test_two_boxes_on_one_animal_count_once() -> None:
    boxes = np.array([(0, 0, 10, 10, 0.9), (1, 0, 11, 10, 0.8), (50, 0, 60, 10, 0.7)], np.float32)
    assert distinct(boxes, 3)[:, 0].tolist() == [0, 50] and len(distinct(boxes, 1)) == 1


@pytest.mark.skipif(not REAL.is_dir(), reason="the real clip is not on this machine")
def test_three_real_mice_and_the_default_detector_are_reported(tmp_path: Path) -> None:
    made = preprocess(next(REAL.glob("*.mp4")), Options(), tmp_path / "c.mp4", recording="m")
    assert made.outside > 0.25 and any("several animals" in text for text in made.warnings)
