"""Recordings with the labels of some tasks alone, from one file and through an index."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.tracks import walkers

from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.track_index import index_tracks
from workflow_scripts.formats.tracks import open_tracks, write_tracks
from workflow_scripts.methods.originals import facts_of
from workflow_scripts.views.tracks import TrackView


@pytest.fixture
def index(tmp_path):
    """Write an index of two files of a recording each."""
    (tmp_path / "recordings").mkdir()
    shards = [tmp_path / "recordings" / f"{name}.h5" for name in "ab"]
    for path in shards:
        write_tracks(path, [walkers(path.stem, 30)])
    index_tracks(tmp_path / "tracks.h5", shards)
    return tmp_path / "tracks.h5"


def test_labels_are_read_by_task(index):
    with open_tracks(index) as reader:
        whole = reader.read("a")
        first, *others = whole.labels
        assert others
        assert list(reader.read("a", [first]).labels) == [first]
        assert reader.read("a", ()).labels == {} == reader.header("a", ()).labels
        # The recording's file stays open between questions: the next recording is another one all the same.
        np.testing.assert_array_equal(reader.read("b").position, walkers("b", 30).position)
        np.testing.assert_array_equal(reader.labels("a", first).values, whole.labels[first].values)
    # And is closed in the end, so that it can be written again.
    write_tracks(index.parent / "recordings" / "a.h5", [walkers("a", 30)])


def test_what_is_embedded_shows_no_label(index):
    view = TrackView(index, Split("toy", "official", "official", ["a"], [], ["b"], {"a": "a", "b": "b"}))
    assert [recording.labels for recording in view.everything()] == [{}, {}]
    assert all(recording.labels for recording in [*view.train(), *view.test()])


def test_a_model_knows_the_tasks_that_only_later_recordings_are_labelled_for(tmp_path):
    labels = walkers("b", 30).labels
    assert len(labels) > 1
    first, *others = labels
    recordings = [
        replace(walkers("a", 30), labels={}),
        replace(walkers("b", 30), labels={first: labels[first]}),
        replace(walkers("c", 30), labels={name: labels[name] for name in others}),
    ]
    write_tracks(tmp_path / "tracks.h5", recordings)
    split = Split("toy", "official", "official", ["a", "b", "c"], [], [], {name: name for name in "abc"})
    spec = TrackView(tmp_path / "tracks.h5", split).spec()
    assert spec.vocabularies == {name: found.vocabulary for name, found in labels.items()}
    assert facts_of(tmp_path / "tracks.h5", first).classes == labels[first].vocabulary
