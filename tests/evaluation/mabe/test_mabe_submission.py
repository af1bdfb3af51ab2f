from __future__ import annotations

import numpy as np
import pytest

from workflow_scripts.core.errors import InputError
from workflow_scripts.evaluation.mabe.submission import write_submission
from workflow_scripts.formats.embeddings import write_embeddings
from workflow_scripts.sources.shared import npy_objects, npy_write


def embeddings(folder, frames=40, dim=16, seed=0):
    rng = np.random.default_rng(seed)
    arrays = {
        name: rng.normal(size=(frames, dim)).astype(np.float32)
        for name in ("UserTrain/T", "publicTest/B", "privateTest/A")
    }
    write_embeddings(folder / "embeddings.h5", arrays.items())
    return arrays


def test_rows_follow_the_map(tmp_path):
    arrays = embeddings(tmp_path)
    npy_write.save(tmp_path / "map.npy", {"A": (0, 40), "B": (40, 80)})
    write_submission(tmp_path / "embeddings.h5", tmp_path / "map.npy", tmp_path / "submission.npy")
    # numpy itself reads what was written piece by piece.
    found = np.load(tmp_path / "submission.npy", allow_pickle=True).item()
    assert found["frame_number_map"] == {"A": (0, 40), "B": (40, 80)}
    assert found["embeddings"].dtype == np.float32
    np.testing.assert_array_equal(
        found["embeddings"], np.concatenate([arrays["privateTest/A"], arrays["publicTest/B"]])
    )
    ours = npy_objects.load(tmp_path / "submission.npy")
    np.testing.assert_array_equal(np.asarray(ours["embeddings"]), found["embeddings"])


def test_zscore_by_position_is_over_all_clips(tmp_path):
    arrays = embeddings(tmp_path)
    npy_write.save(tmp_path / "l.npy", {"frame_number_map": {"A": (0, 40), "B": (40, 80)}, "vocabulary": []})
    write_submission(tmp_path / "embeddings.h5", tmp_path / "l.npy", tmp_path / "s.npy", position_zscore=True)
    clips = np.stack(list(arrays.values()))
    expected = (clips - clips.mean(0)) / clips.std(0)
    found = np.load(tmp_path / "s.npy", allow_pickle=True).item()["embeddings"]
    np.testing.assert_allclose(found, np.concatenate([expected[2], expected[1]]), atol=1e-5)


def test_constant_dimension_stays_finite(tmp_path):
    write_embeddings(tmp_path / "e.h5", {"A": np.ones((5, 2), np.float32), "B": np.ones((5, 2), np.float32)}.items())
    npy_write.save(tmp_path / "map.npy", {"A": (0, 5), "B": (5, 10)})
    write_submission(tmp_path / "e.h5", tmp_path / "map.npy", tmp_path / "s.npy", position_zscore=True)
    assert np.isfinite(np.asarray(npy_objects.load(tmp_path / "s.npy")["embeddings"])).all()


def test_refusals(tmp_path):
    embeddings(tmp_path)
    npy_write.save(tmp_path / "map.npy", {"A": (0, 40), "Z": (40, 80)})
    with pytest.raises(InputError, match="no clip 'Z'"):
        write_submission(tmp_path / "embeddings.h5", tmp_path / "map.npy", tmp_path / "s.npy")
    npy_write.save(tmp_path / "map.npy", {"A": (0, 41)})
    with pytest.raises(InputError, match="40 frames, the map says 41"):
        write_submission(tmp_path / "embeddings.h5", tmp_path / "map.npy", tmp_path / "s.npy")
    assert not (tmp_path / "s.npy").exists()
    with pytest.raises(ValueError, match="bytes for an array"):
        npy_write.save_rows(tmp_path / "r.npy", {}, "x", [np.zeros((2, 3))], shape=(3, 3))
    assert not (tmp_path / "r.npy").exists()
