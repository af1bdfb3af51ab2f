"""Time in zones, distance to the wall and the way travelled, of tracks that walk a known path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.tracks import walkers

from workflow_scripts.behaviour.gather import recordings_of
from workflow_scripts.behaviour.measures import budget
from workflow_scripts.behaviour.place import COLUMNS, place_table, places
from workflow_scripts.cards.place import Scale, Space, Zone
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
    zones = {"left": Zone(rectangle=(0, 0, 29, 100)), "nest": Zone(circle=(200, 200, 5))}
    space = Space(zones=zones, arena=Zone(rectangle=(0, 0, 100, 100)))
    many, rows = places("toy", tmp_path / "tracks.h5", about, space)
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
    assert places("toy", tmp_path / "absent.h5", {}, Space()) == ([], [])


def test_a_scale_brings_tracks_and_image_to_centimetres():
    space = Space(scale=Scale(per_unit=0.1))
    found = scaled(line(), space)
    assert found.unit == "cm"
    assert np.nanmax(found.position) == pytest.approx(9.0)
    assert found.image_size == pytest.approx((102.4, 57.0))
    assert scaled(line(), Space()).unit == "px"


def test_a_scale_of_a_recording_scales_its_zones_and_ways_alone(tmp_path):
    """One path filmed by two cameras: twice the pixels a centimetre, half the scale, the same place."""
    space = Space(scale=Scale(per_unit=1.0), zones={"left": Zone(rectangle=(0, 0, 29, 100))})
    near = replace(line(), id="near", position=2 * line().position)
    write_tracks(tmp_path / "tracks.h5", [scaled(line(), space), scaled(near, space, 0.5)])
    about = recordings_of("toy", tmp_path / "tracks.h5", None)
    many, rows = places("toy", tmp_path / "tracks.h5", about, space)
    assert [row["travelled"] for row in rows] == pytest.approx([90, 90])
    assert {row["unit"] for row in rows} == {"cm"}
    # 29 px are 29 cm for the far camera and 14.5 cm for the near one.
    assert budget(many).query("`class` == 'left'")["seconds"].tolist() == pytest.approx([1.0, 0.5])
