"""The h5archive: the original's layout, both ways, and its refusals."""

import dataclasses

import h5py
import numpy as np
import pytest
from builders.tracks import walkers

from workflow_scripts.core.errors import InputError
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.inputs import prepare_recording
from workflow_scripts.sources import lisbet_archive, read_tracks
from workflow_scripts.sources.lisbet_archive import write_archive

OPTIONS = {"vocabulary": ["a", "b", "other"]}


def read(path, **options):
    return list(read_tracks("lisbet_archive", path, OPTIONS | options, recording="x"))


def test_there_and_back(tmp_path):
    recordings = [walkers("task1/train/mouse002_task1", 40), walkers("task1/train/mouse001_task1", 30, labelled=False)]
    path = tmp_path / "records.h5"
    write_archive(path, recordings)
    with h5py.File(path) as handle:
        node = handle["task1/train/mouse002_task1"]
        assert node["keypoints"].shape == (40, 28)
        assert node["keypoints"].dtype == np.float64
        assert node["keypoints"].compression == "gzip"
        np.testing.assert_allclose(node["keypoints"][:, 14 + 3 * 2 + 1], recordings[0].position[:, 1, 3, 1] / 570)
        assert set(handle["task1/train/mouse001_task1"]) == {"keypoints"}
    back = {found.id: found for found in read(path)}
    assert sorted(back) == sorted(r.id for r in recordings)
    for recording in recordings:
        found = back[recording.id]
        np.testing.assert_allclose(found.position, recording.position, atol=1e-3)
        assert set(found.labels) == set(recording.labels) & {"behaviour"}
    found = back[recordings[0].id]
    np.testing.assert_array_equal(found.labels["behaviour"].values, recordings[0].labels["behaviour"].values)
    assert found.individuals == ("resident", "intruder")
    assert found.group == "task1/train/mouse002"


def test_missing_points_survive(tmp_path):
    recording = walkers("r", 30, missing=0.2, image=None)
    write_archive(tmp_path / "a.h5", [recording])
    found = read(tmp_path / "a.h5", image_size=None)[0]
    np.testing.assert_array_equal(found.position, recording.position)
    assert np.isnan(found.confidence).mean() == np.isnan(recording.confidence).mean()


def test_refusals(tmp_path):
    path = tmp_path / "a.h5"
    write_archive(path, [walkers("r", 60)])
    for options, sentence in [
        ({"keypoints": ["nose"]}, r"keypoints has the shape \(60, 28\), expected \(time, 4\)"),
        ({"vocabulary": ["a"]}, "the vocabulary has 1 classes"),
    ]:
        with pytest.raises(InputError, match=sentence):
            read(path, **options)
    (tmp_path / "b.h5").write_text("no")
    with pytest.raises(InputError, match="is no readable HDF5 file"):
        read(tmp_path / "b.h5")
    with h5py.File(tmp_path / "c.h5", "w") as handle:
        handle["tracks"] = [1]
    with pytest.raises(InputError, match="no dataset called keypoints"):
        read(tmp_path / "c.h5")
    with pytest.raises(InputError, match="is used twice"):
        write_archive(tmp_path / "d.h5", [walkers("r", 20), walkers("r", 20)])
    whole = walkers("r", 20)
    mask = np.arange(20) < 10
    part = dataclasses.replace(whole.labels["behaviour"], mask=mask)
    with pytest.raises(InputError, match="unlabelled frames"):
        write_archive(tmp_path / "e.h5", [dataclasses.replace(whole, labels={"behaviour": part})])
    assert not (tmp_path / "e.h5").exists()


def test_coordinates_of_no_known_image_reach_the_model_as_they_are_or_by_their_range(tmp_path):
    """`image_size: null` gives no image to divide by, so `faithful` takes each recording's range; `[1, 1]` does not."""
    recording = walkers("r", 30, image=(1024.0, 570.0))
    write_archive(tmp_path / "a.h5", [recording])
    with h5py.File(tmp_path / "a.h5") as handle:
        stored = handle["r/keypoints"][()].astype(np.float32)
    config = Config(mode="faithful").resolved()
    (unknown,) = read(tmp_path / "a.h5", image_size=None)
    (one,) = read(tmp_path / "a.h5", image_size=[1, 1])
    np.testing.assert_array_equal(unknown.position.reshape(30, 28), stored)
    np.testing.assert_allclose(prepare_recording(one, config).reshape(30, 28), stored, atol=1e-7)
    ranged = prepare_recording(unknown, config)
    assert (ranged.min(), ranged.max()) == (0, 1)
    said = str(lisbet_archive.Options.model_fields["image_size"].description)
    assert "each recording's own range" in said and "[1, 1]" in said
