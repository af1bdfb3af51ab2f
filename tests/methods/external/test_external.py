"""Embeddings made elsewhere: every way to hand them over, and every refusal, with the smallest file that shows it."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from builders.tracks import bending_bodies, bodies_view
from safetensors.torch import load_file
from sklearn.decomposition import PCA

from workflow_scripts import methods
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.methods import runs
from workflow_scripts.methods.external.arrays import read_array

RECORDINGS = [bending_bodies(time=20 + k, seed=k, name=name, missing=0) for k, name in enumerate("abc")]


def made_elsewhere() -> dict[str, np.ndarray]:
    """Principal components of the points, by scikit-learn."""
    flat = {recording.id: recording.position.reshape(recording.n_frames, -1) for recording in RECORDINGS}
    encoder = PCA(3).fit(np.concatenate([flat["a"], flat["b"]]))
    return {name: encoder.transform(values).astype(np.float32) for name, values in flat.items()}


def write(folder: Path, kind: str, arrays: dict[str, np.ndarray]) -> Path:
    """Write arrays as one of the layouts."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "table":
        lines = ["x,recording,y,z"]
        lines += [f"{row[0]!r},{name},{row[1]!r},{row[2]!r}" for name, rows in arrays.items() for row in rows.tolist()]
        (folder / "all.csv").write_text("\n".join(lines))
        return folder / "all.csv"
    if kind == "h5":
        with h5py.File(folder / "all.h5", "w") as handle:
            for name, rows in arrays.items():
                handle[name] = rows
        return folder / "all.h5"
    for name, rows in arrays.items():
        if kind == "npy":
            np.save(folder / f"{name}.npy", rows)
        elif kind == "csv":
            np.savetxt(folder / f"{name}.csv", rows, delimiter=",", fmt="%.9g", header="x,y,z", comments="")
        else:
            with h5py.File(folder / f"{name}.h5", "w") as handle:
                handle["latents"] = rows
    return folder


@pytest.mark.parametrize("kind", ["npy", "csv", "one h5 each", "h5", "table"])
def test_arrays_come_back_as_they_were_written(tmp_path, kind):
    arrays = made_elsewhere()
    path = write(tmp_path / "elsewhere", kind, arrays)
    view = bodies_view(tmp_path, RECORDINGS, train=["a", "b"])
    runs.train("external", {"mode": "sound", "options": {"path": str(path)}}, view, folder=tmp_path / "run", seed=0)
    runs.export_embedder(tmp_path / "run")
    runs.embed(tmp_path / "run" / "embedder", view, tmp_path / "embeddings.h5")
    with open_embeddings(tmp_path / "embeddings.h5") as reader:
        for name, rows in arrays.items():
            np.testing.assert_allclose(reader.read(name), rows, rtol=1e-6)


def test_an_edited_array_is_another_input_and_makes_other_weights(tmp_path):
    arrays = made_elsewhere()
    folder = write(tmp_path / "elsewhere", "npy", arrays)
    config = methods.parse("external", {"path": str(folder)})
    assert config.files() == [str(folder / f"{name}.npy") for name in "abc"]
    view = bodies_view(tmp_path, RECORDINGS, train=["a", "b"])
    settings = {"mode": "sound", "options": {"path": str(folder)}}
    runs.train("external", settings, view, folder=tmp_path / "run", seed=0)
    runs.export_embedder(tmp_path / "run")
    np.save(folder / "c.npy", arrays["c"] + 1)
    with pytest.raises(InputError, match="has changed since this run was made; run the workflow again"):
        runs.embed(tmp_path / "run" / "embedder", view, tmp_path / "embeddings.h5")
    runs.train("external", settings, view, folder=tmp_path / "again", seed=0)
    before, after = (load_file(tmp_path / name / "weights_best.safetensors") for name in ("run", "again"))
    assert not bool((before["checksum"] == after["checksum"]).all())


def save(name, values):
    return lambda folder: np.save(folder / name, values, allow_pickle=True)


def text(name, content):
    return lambda folder: (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def linked(folder):
    with h5py.File(folder / "other.hdf", "w") as handle:
        handle["a"] = np.zeros((20, 2))
    with h5py.File(folder / "a.h5", "w") as handle:
        handle["a"] = h5py.ExternalLink(str(folder / "other.hdf"), "a")


def two(folder):
    np.save(folder / "a.npy", np.zeros((20, 2)))
    (folder / "a.csv").write_text("1,2")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (save("a.npy", np.zeros((19, 2))), "has 19 rows and 20 frames"),
        (save("a.npy", np.zeros(20)), r"expected \(time, dim\), found 20"),
        (save("a.npy", np.where(np.arange(40).reshape(20, 2) == 8, np.nan, 0)), "in frame 4"),
        (save("a.npy", np.full((20, 2), 1e300)), "too large for float32 in frame 0"),
        (save("a.npy", np.array([{"x": 1}])), "is no plain npy file"),
        (save("a.npy", np.full((20, 2), "x")), "has values of type <U1"),
        (save("a.npy", np.zeros((20, 0))), r"expected \(time, dim\), found 20 × 0"),
        (text("a.csv", "1,2\n3\n"), "line 2: expected 2 numbers, found '3'"),
        (text("a.csv", b"\xff\xfe\x00\x01"), "is no npy, HDF5 or csv file"),
        (text("a.h5", b"\x89HDF\r\n\x1a\nrest"), "is no readable HDF5 file"),
        (text("aa.npy", ""), r"holds no array of recording 'a'"),
        (linked, "the link 'a' leads to another file"),
        (two, "holds a.csv and a.npy for one recording"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path, make, message):
    make(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        read_array(tmp_path, "a", 20)
    assert "\n" not in str(caught.value)


def test_one_file_must_say_whose_rows_it_holds(tmp_path):
    np.save(tmp_path / "all.npy", np.zeros((20, 2)))
    with pytest.raises(InputError, match="does not say whose frames it holds"):
        read_array(tmp_path / "all.npy", "a", 20)
    (tmp_path / "all.csv").write_text("x,y\n1,2\n")
    with pytest.raises(InputError, match="has no column 'recording'"):
        read_array(tmp_path / "all.csv", "a", 20)
    (tmp_path / "some.csv").write_text("recording,y\nrat1,2\n")
    with pytest.raises(InputError, match="did you mean 'rat1'"):
        read_array(tmp_path / "some.csv", "rat2", 20)
    with h5py.File(tmp_path / "all.h5", "w") as handle:
        handle["rat1"] = np.zeros((20, 2))
    with pytest.raises(InputError, match="holds no dataset 'rat2'"):
        read_array(tmp_path / "all.h5", "rat2", 20)


def test_the_option_must_name_what_is_there_and_widths_must_agree(tmp_path):
    view = bodies_view(tmp_path, RECORDINGS, train=["a", "b"])
    functions = methods.load("external")
    for options, message in (({}, "name the folder or file"), ({"path": str(tmp_path / "no")}, "does not exist")):
        with pytest.raises(ConfigError, match=message):
            functions.build(methods.parse("external", options), view.spec()).fit(view)
    arrays = made_elsewhere() | {"c": np.zeros((22, 5), np.float32)}
    folder = write(tmp_path / "elsewhere", "npy", arrays)
    with pytest.raises(InputError, match="has 5 dimensions and those before it 3"):
        functions.build(methods.parse("external", {"path": str(folder)}), view.spec()).fit(view)
