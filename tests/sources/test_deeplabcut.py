from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from builders.files import real, refusal
from builders.tracks import scattered as recording
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.sources import deeplabcut, read_tracks

MULTI = "scorer,net,net,net,net,net,net\nindividuals,a,a,a,b,b,b\nbodyparts,nose,nose,nose,nose,nose,nose\n"
MULTI += "coords,x,y,likelihood,x,y,likelihood\n"
SINGLE = "scorer,net,net,net\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n"


def read(tmp_path: Path, text: str | bytes, **options):
    path = tmp_path / "tracks.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (made,) = read_tracks("deeplabcut", path, options, recording="rec")
    return made


def test_single_and_multi_animal_headers(tmp_path):
    one = read(tmp_path, SINGLE + "0,1,2,0.5\n1,,,\n")
    assert one.position.shape == (2, 1, 1, 2)
    assert one.position.dtype == one.confidence.dtype == np.float32
    assert one.position[0, 0, 0].tolist() == [1, 2]
    assert np.isnan(one.position[1]).all()
    assert np.isnan(one.confidence[1]).all()
    two = read(tmp_path, MULTI + "0,1,2,0.5,3,4,1\n")
    assert (two.individuals, two.keypoints) == (("a", "b"), ("nose",))
    assert two.position[0, :, 0].tolist() == [[1, 2], [3, 4]]
    assert two.confidence[0, :, 0].tolist() == [0.5, 1]
    assert np.isnan(two.fps)


def test_a_first_frame_without_points_is_a_frame(tmp_path):
    # pandas' header= takes such a row for a row of index names and drops it.
    made = read(tmp_path, MULTI + "0,,,,,,\n1,1,2,0.5,3,4,1\n")
    assert made.n_frames == 2
    assert np.isnan(made.position[0]).all()


def test_windows_line_ends_byte_order_mark_and_no_last_newline(tmp_path):
    text = (MULTI + "0,1,2,0.5,3,4,1").replace("\n", "\r\n").encode("utf-8-sig")
    assert read(tmp_path, text).position[0, 1, 0].tolist() == [3, 4]


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(12)), missing=st.integers(0, 12), seed=st.integers(0, 99))
def test_any_column_order_reads_the_same(tmp_path_factory, order, missing, seed):
    folder = tmp_path_factory.mktemp("dlc")
    source = recording(frames=13, seed=seed)
    source.position[missing] = np.nan
    source.confidence[missing, 0] = np.nan
    deeplabcut.write_csv(folder / "a.csv", source)
    rows = [line.split(",") for line in (folder / "a.csv").read_text().splitlines()]
    shuffled = "\n".join(",".join([row[0], *(row[1 + k] for k in order)]) for row in rows) + "\n"
    options = {"individuals": ["a", "b"], "keypoints": ["nose", "tail"]}
    for made in (read(folder, (folder / "a.csv").read_text()), read(folder, shuffled, **options)):
        np.testing.assert_array_equal(made.position, source.position)
        np.testing.assert_array_equal(made.confidence, source.confidence)


def test_selection(tmp_path):
    text = MULTI.replace("net,net,net\n", "net,net,net,net,net,net\n").replace(
        "b,b,b\n", "b,b,b,single,single,single\n"
    )
    text = text.replace("nose,nose,nose\n", "nose,nose,nose,cup,cup,cup\n")
    text = text.replace("x,y,likelihood\n", "x,y,likelihood,x,y,likelihood\n") + "0,1,2,.5,3,4,1,9,9,1\n"
    unnamed = read(tmp_path, text)  # points of no animal are left out, and said
    assert (unnamed.individuals, unnamed.keypoints) == (("a", "b"), ("nose",))
    assert "single: cup" in unnamed.warnings[0]
    with refusal(InputError, "'a' has no point 'cup'", "individuals"):
        read(tmp_path, text, individuals=["a", "single"])
    made = read(tmp_path, text, individuals=["b", "a"])
    assert made.individuals == ("b", "a")
    assert made.position[0, :, 0].tolist() == [[3, 4], [1, 2]]
    with refusal(InputError, "no individual 'c'"):
        read(tmp_path, text, individuals=["c"])
    with refusal(ConfigError, "'individual'", "did you mean 'individuals'"):
        read(tmp_path, text, individual=["a"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MULTI, ["header of 4 rows", "no frame"]),
        (MULTI + "0,1,2,0.5,3,4,1\n1,1,2,0.5,3\n", ["line 6", "5 cells", "7", "cut short"]),
        (MULTI + "0,1,2,0.5,3,4,1\n1,1,2,0.5,3,4,1,8\n", ["line 6", "8 cells"]),
        (MULTI + "0,1,2,0.5,3,4,1\n1,1,oops,0.5,3,4,1\n", ["line 6, column 3", "'oops'"]),
        (MULTI + "0,1,2,0.5,3,4,1\n0,1,2,0.5,3,4,1\n", ["line 6", "expected frame 1", "frame 0", "already"]),
        (MULTI + "0,1,2,0.5,3,4,1\n2,1,2,0.5,3,4,1\n", ["line 6", "expected frame 1, found frame 2"]),
        (MULTI + "labeled-data/img0.png,1,2,0.5,3,4,1\n", ["line 5, column 1", "frame number", "img0.png"]),
        (MULTI.replace("likelihood\n", "z\n") + "0,1,2,0.5,3,4,1\n", ["column 7", "'z'"]),
        (MULTI.replace("x,y,likelihood\n", "x,y,y\n") + "0,1,2,0.5,3,4,1\n", ["column 7", "twice"]),
        (MULTI.replace("individuals", "animals") + "0,1,2,0.5,3,4,1\n", ["'animals'", "individuals"]),
        (MULTI.replace("net\n", "other\n") + "0,1,2,0.5,3,4,1\n", ["2 networks", "scorer"]),
        (MULTI.replace("a,a,a", "a,a"), ["line 2", "6 cells", "7"]),
        ("scorer,n,n\nbodyparts,nose,nose\ncoords,x,y\n0,1,2\n", ["nose", "'likelihood'", "likelihood: false"]),
        ("time,speed\n0,1\n", ["'time'", "DeepLabCut"]),
        ("", ["empty"]),
        (b"\x89PNG\r\n\x1a\n", ["PNG"]),
        ("<html><body>not found</body></html>", ["web page"]),
        (b"\x89HDF\r\n\x1a\n", ["HDF5"]),
        (b"scorer,\x00\x01", ["binary"]),
    ],
)
def test_refusals(tmp_path, text, words):
    with refusal(InputError, "tracks.csv", *words):
        read(tmp_path, text)


def test_one_of_several_networks(tmp_path):
    text = (
        "scorer,old,old,old,new,new,new\nbodyparts,n,n,n,n,n,n\ncoords,x,y,likelihood,x,y,likelihood\n0,1,2,.5,3,4,1\n"
    )
    assert read(tmp_path, text, scorer="new").position[0, 0, 0].tolist() == [3, 4]
    with refusal(InputError, "no scorer 'newer'", "did you mean 'new'"):
        read(tmp_path, text, scorer="newer")


def test_without_likelihood(tmp_path):
    made = read(tmp_path, "scorer,n,n\nbodyparts,nose,nose\ncoords,x,y\n0,1,2\n1,,\n", likelihood=False)
    assert made.confidence[0] == 1
    assert np.isnan(made.confidence[1])


class Evil:
    """A pickle that would run a function."""

    def __init__(self, touched: Path):
        self.touched = touched

    def __reduce__(self):
        return Path.touch, (self.touched,)


NAMES = [("net", a, "nose", c) for a in ("a", "b") for c in ("x", "y", "likelihood")]


def write_table(path: Path, values: np.ndarray, columns=NAMES, index=None, axes=None):
    """The layout `table` of pandas, by hand."""
    with h5py.File(path, "w") as handle:
        node = handle.create_group("df_with_missing")
        node.attrs["pandas_type"] = np.bytes_("frame_table")
        node.attrs["table_type"] = np.bytes_("appendable_frame")
        stored = pickle.dumps([(1, columns)], 0) if axes is None else axes
        node.attrs["non_index_axes"] = np.bytes_(stored)
        levels = ["scorer", "individuals", "bodyparts", "coords"]
        node.attrs["info"] = np.bytes_(pickle.dumps({1: {"names": levels, "type": "MultiIndex"}}, 0))
        kind = np.dtype([("index", "<i8"), ("values_block_0", "<f8", (values.shape[1],))])
        table = np.empty(len(values), kind)
        table["index"] = np.arange(len(values)) if index is None else index
        table["values_block_0"] = values
        node.create_dataset("table", data=table)
        node["table"].attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(list(columns), 0))


def read_h5(path: Path, **options):
    (made,) = read_tracks("deeplabcut", path, options, recording="rec")
    return made


def test_h5_of_the_table_layout(tmp_path):
    values = np.arange(18, dtype=float).reshape(3, 6)
    values[:, 2::3] /= 20  # likelihoods
    values[1, :3] = np.nan
    write_table(tmp_path / "t.h5", values)
    made = read_h5(tmp_path / "t.h5")
    assert made.individuals == ("a", "b")
    np.testing.assert_array_equal(made.position[:, 1, 0], values[:, 3:5])
    assert np.isnan(made.position[1, 0]).all()
    write_table(tmp_path / "gap.h5", values, index=[0, 1, 1])
    with refusal(InputError, "gap.h5", "row 2", "expected frame 2, found frame 1"):
        read_h5(tmp_path / "gap.h5")


def test_h5_executes_no_pickle(tmp_path):
    touched = tmp_path / "touched"
    write_table(tmp_path / "evil.h5", np.zeros((2, 6)), axes=pickle.dumps([(1, Evil(touched))], 0))
    with refusal(InputError, "evil.h5", "non_index_axes", "more than plain names"):
        read_h5(tmp_path / "evil.h5")
    assert not touched.exists()


@pytest.mark.parametrize("kind", ["empty", "text", "other", "cut"])
def test_h5_of_another_kind(tmp_path, kind):
    path = tmp_path / "t.h5"
    words = {"empty": "empty", "text": "no readable HDF5", "other": "no pandas data frame", "cut": "no readable HDF5"}
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("scorer,")
    elif kind == "other":
        h5py.File(path, "w").close()
    else:
        write_table(path, np.zeros((500, 6)))
        path.write_bytes(path.read_bytes()[:4000])
    with refusal(InputError, "t.h5", words[kind]):
        read_h5(path)


RATS = ("rats-pairs-a", "dlc_csv", "1DLC_dlcrnetms5_DLC_ratJan24shuffle1_5000_el_filtered.csv")


def test_real_rats():
    path = real(*RATS)
    (made,) = read_tracks("deeplabcut", path, {}, recording="1")
    assert made.position.shape == (14734, 2, 5, 2)
    assert made.keypoints == ("top", "body", "tail", "tail-m", "tail-e")
    assert np.isnan(made.position[:131]).all()
    assert not np.isnan(made.position[131]).all()
    oracle = pd.read_csv(path, skiprows=4, header=None, index_col=0).to_numpy(np.float32).reshape(14734, 2, 5, 3)
    np.testing.assert_array_equal(made.position, oracle[..., :2])
    np.testing.assert_array_equal(made.confidence, oracle[..., 2])


def test_real_mice():
    name = "e3v813a-20210610T122332-122642DLC_dlcrnetms5_pilot_studySep24shuffle1_100000_el_filtered.csv"
    (made,) = read_tracks("deeplabcut", real("mice-pair-mars7", "dlc", name), {}, recording="m")
    assert made.position.shape == (5700, 2, 7, 2)
    assert made.individuals == ("adult", "juvenile")
    np.testing.assert_allclose(made.position[0, 1, 6], [414.064, 311.286])


def test_real_single_animal_h5_and_csv():
    name = "m3v1mp4DLC_resnet50_openfieldOct30shuffle1_100000.h5"
    (made,) = read_tracks("deeplabcut", real("mouse-openfield", name), {}, recording="m")
    assert made.position.shape == (2330, 1, 4, 2)
    assert made.keypoints == ("snout", "leftear", "rightear", "tailbase")
    np.testing.assert_allclose(made.position[0, 0, 0], [77.19134, 88.195274], rtol=1e-6)
    (freezing,) = read_tracks("deeplabcut", real("mouse-freezing", "demo1", "demo1_tracking.csv"), {}, recording="f")
    assert freezing.position.shape == (6000, 1, 8, 2)
    np.testing.assert_allclose(freezing.position[4, 0, 0], [267.45285749, 88.62409067], rtol=1e-6)


def test_real_h5_of_the_fixed_layout():
    path = real("mabe22-clip", "EGS8X2MN4SSUGFWAV976.h5")
    with refusal(InputError, "'likelihood'", "likelihood: false"):
        list(read_tracks("deeplabcut", path, {}, recording="m"))
    (made,) = read_tracks("deeplabcut", path, {"likelihood": False}, recording="m")
    assert made.position.shape == (1800, 3, 12, 2)
    zero = (made.position == 0).all(-1).mean((0, 2))
    np.testing.assert_allclose(zero, [0.20, 0.02, 0.09], atol=0.005)


def test_real_labelled_images_are_no_tracks():
    path = real("mouse-openfield", "labeled-data", "m4s1", "CollectedData_Pranav.h5")
    with refusal(InputError, "images, not frames"):
        list(read_tracks("deeplabcut", path, {"likelihood": False}, recording="m"))
