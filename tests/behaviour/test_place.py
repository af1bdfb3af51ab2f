"""Time in zones, distance to the wall and the way travelled, of tracks that walk a known path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.tracks import walkers

from workflow_scripts.behaviour.gather import recordings_of
from workflow_scripts.behaviour.measures import budget
from workflow_scripts.behaviour.place import COLUMNS, place_table, places
from workflow_scripts.cards.place import Scale, Space
from workflow_scripts.convert.tracks import scaled
from workflow_scripts.formats.tracks import write_tracks


def line(frames: int = 101):
    """One animal that walks from x = 0 to x = 100 at y = 50, unseen in the last ten frames."""
    recording = walkers("a", frames, individuals=1, labelled=False)
    position = np.zeros_like(recording.position)
    position[..., 0] = np.arange(frames)[:, None, None]
    position[..., 1] = 50
    position[-10:] = np.nan
    return replace(recording, position=position)


def test_a_known_path_gives_known_times_entries_and_distances(tmp_path):
    write_tracks(tmp_path / "tracks.h5", [line()])
    about = recordings_of("toy", tmp_path / "tracks.h5", None)
    zones = {"left": {"rectangle": [0, 0, 29, 100]}, "nest": {"circle": [200, 200, 5]}}
    many, rows = places("toy", tmp_path / "tracks.h5", about, zones, {"rectangle": [0, 0, 100, 100]})
    table = budget(many).set_index("class")
    assert table.loc["left", "seconds"] == pytest.approx(1.0)
    assert table.loc["left", "bouts"] == 1
    assert table.loc["nest", "seconds"] == 0
    assert table.loc["left", "share_unseen"] == pytest.approx(10 / 101)
    place = place_table(rows)
    assert list(place) == list(COLUMNS)
    row = place.iloc[0]
    assert row["travelled"] == pytest.approx(90)
    assert row["speed_mean"] == pytest.approx(30)
    assert row["to_wall_mean"] == pytest.approx(np.minimum(np.minimum(np.arange(91), 100 - np.arange(91)), 50).mean())


def test_without_zones_and_arena_no_recording_is_read(tmp_path):
    assert places("toy", tmp_path / "absent.h5", {}, {}, None) == ([], [])


def test_a_scale_brings_tracks_and_image_to_centimetres():
    space = Space(scale=Scale(per_unit=0.1))
    found = scaled(line(), space)
    assert found.unit == "cm"
    assert np.nanmax(found.position) == pytest.approx(9.0)
    assert found.image_size == pytest.approx((102.4, 57.0))
    assert scaled(line(), Space()).unit == "px"
