from __future__ import annotations

import contextlib
import os
import pickle

import numpy as np
import pytest

from workflow_scripts.core.errors import InputError
from workflow_scripts.sources.shared import npy_objects, npy_write


def equal(a, b) -> bool:
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, np.ndarray):
        other = np.asarray(b)
        return (
            a.dtype == other.dtype
            and a.shape == other.shape
            and np.array_equal(a, other, equal_nan=a.dtype.kind == "f")
        )
    return type(a) is type(b) and a == b


def example() -> dict:
    rng = np.random.default_rng(0)
    return {
        "vocabulary": ["lights", "chases"],
        "count": np.int64(7),
        "share": 0.25,
        "none": None,
        "yes": True,
        "big": 2**40,
        "words": np.array(["a", "längere"]),
        "sequences": {
            "A1": {"keypoints": rng.integers(0, 850, (1800, 3, 12, 2)).astype(np.int32), "map": (0, 1800)},
            "B2": {"keypoints": np.asfortranarray(rng.normal(size=(300, 40))), "map": (1800, 2100)},
            "C3": {"keypoints": np.full((2, 3), np.nan, np.float32), "map": ()},
        },
    }


@pytest.mark.parametrize("protocol", [3, 4])
def test_gives_back_what_numpy_wrote(tmp_path, protocol):
    path = tmp_path / "x.npy"
    with open(path, "wb") as handle:
        np.lib.format.write_array_header_1_0(handle, {"descr": "|O", "fortran_order": False, "shape": ()})
        pickle.dump(np.array(example(), dtype=object), handle, protocol=protocol)
    found = npy_objects.load(path)
    assert equal(example(), found)
    assert isinstance(found["sequences"]["A1"]["keypoints"], npy_objects.StoredArray)  # long arrays stay in the file
    assert isinstance(found["sequences"]["C3"]["keypoints"], np.ndarray)
    long = found["sequences"]["A1"]["keypoints"]
    np.testing.assert_array_equal(long[5:9], example()["sequences"]["A1"]["keypoints"][5:9])


def test_save_is_read_by_numpy_and_by_us(tmp_path):
    path = tmp_path / "x.npy"
    npy_write.save(path, example())
    assert equal(example(), npy_objects.load(path))
    assert equal(example(), np.load(path, allow_pickle=True).item())


def test_plain_array_stays_in_the_file(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(12.0).reshape(4, 3))
    found = npy_objects.load(path)
    np.testing.assert_array_equal(found[1:3], [[3, 4, 5], [6, 7, 8]])


class Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("place", ["top", "inside", "list"])
def test_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, place):
    trace = tmp_path / "trace"
    bad = Malicious(trace)
    value = {"top": bad, "inside": {"sequences": {"A": bad}}, "list": [1, bad]}[place]
    path = tmp_path / "x.npy"
    np.save(path, np.array(value, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"wants to call '(posix|nt|os)\.system'"):
        npy_objects.load(path)
    assert not trace.exists()


def test_other_objects_are_refused(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.array({"a": {1, 2}}, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="EMPTY_SET"):
        npy_objects.load(path)
    np.save(path, np.array({"a": np.zeros(2, [("x", "f4")])}, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"named fields|of kind"):
        npy_objects.load(path)


def test_truncated_file_is_refused_wherever_it_ends(tmp_path):
    path, cut = tmp_path / "x.npy", tmp_path / "cut.npy"
    npy_write.save(path, example())
    whole = path.read_bytes()
    for length in [0, 5, 60, 130, 200, 5000, 70000, len(whole) // 2, len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(InputError):
            npy_objects.load(cut)


def test_damaged_bytes_never_raise_anything_else(tmp_path):
    path = tmp_path / "x.npy"
    npy_write.save(path, {"a": np.arange(5), "b": ["x", (1, 2)], "c": {"d": 1.5}})
    whole = bytearray(path.read_bytes())
    rng = np.random.default_rng(1)
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[int(rng.integers(128, len(whole)))] = int(rng.integers(256))
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):
            npy_objects.load(path)


def test_array_that_claims_more_than_there_is(tmp_path):
    path = tmp_path / "x.npy"
    npy_write.save(path, {"a": np.zeros((3, 7), np.int8)})
    raw = path.read_bytes()
    assert raw.count(b"K\x03K\x07\x86") == 1
    path.write_bytes(raw.replace(b"K\x03K\x07\x86", b"K\x63K\x07\x86"))
    with pytest.raises(InputError, match="shape"):
        npy_objects.load(path)


def test_repeated_key_is_refused(tmp_path):
    path = tmp_path / "x.npy"
    npy_write.save(path, {"clip_A": 1, "clip_B": 2})
    path.write_bytes(path.read_bytes().replace(b"clip_B", b"clip_A"))
    with pytest.raises(InputError, match="'clip_A' is there twice"):
        npy_objects.load(path)


def test_missing_keys_and_wrong_kind_are_named(tmp_path):
    path = tmp_path / "x.npy"
    npy_write.save(path, {"sequences": {}})
    with pytest.raises(InputError, match=r"no key 'vocabulary'.*sequences"):
        npy_objects.load_dict(path, ("sequences", "vocabulary"), "a training file")
    np.save(path, np.zeros(3))
    with pytest.raises(InputError, match="expected a training file"):
        npy_objects.load_dict(path, ("sequences",), "a training file")
    path.write_text("<html>")
    with pytest.raises(InputError, match="no npy"):
        npy_objects.load(path)


def test_official_files(mirror):
    folder = mirror / "mabe22-metadata"
    if not folder.is_dir():
        pytest.skip("no mabe22-metadata in the mirror")
    mouse = npy_objects.load(folder / "metadata/mouse_frame_number_map.npy")
    assert len(mouse) == 3736 and list(mouse.values())[-1][1] == 3736 * 1800
    fly = npy_objects.load(folder / "metadata/flies_frame_number_map.npy")
    assert len(fly) == 543 and list(fly.values())[-1][1] == 543 * 4500
    labels = npy_objects.load(folder / "training/example_data/example_labels.npy")
    assert labels["annotations"]["TU5I9IKOEU7HY40YB2CD"].shape == (13, 100)
