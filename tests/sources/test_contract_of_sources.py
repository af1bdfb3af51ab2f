"""What every source keeps to: the registries decide which are tested, so a new one is tested from its first day."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from builders.readers import BENTO, ethovision, facemap, jabs, nwb, trex
from builders.tracks import scattered
from builders.videos import frames, write
from PIL import Image
from scipy.io import savemat

from workflow_scripts.cards.card import Task, load_card
from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.images import ImageSet
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.simulate import make_file
from workflow_scripts.sources import (
    DATA_SOURCES,
    IMAGE_SOURCES,
    LABEL_SOURCES,
    TRACK_SOURCES,
    _load,
    _options,
    calms21,
    caltech_annotator,
    check_options,
    daart_csv,
    deeplabcut,
    lisbet_archive,
    rat_npz,
    read_images,
    read_labels,
    read_tracks,
)
from workflow_scripts.sources.elan import write_elan
from workflow_scripts.sources.netcdf import write_classic
from workflow_scripts.sources.shared import npy_write
from workflow_scripts.sources.supervisely import write_annotation
from workflow_scripts.video.metadata import probe

N = 40
TASKS = {
    "behaviour": Task(kind="multiclass", vocabulary=["attack", "other"], background="other"),
    "freezing": Task(kind="binary", vocabulary=["no", "freezing"]),
}
NAMED = {"multiclass": "behaviour"}
PARTS = {"head": ["nose"], "neck": ["neck"], "base": ["tail"]}
NETCDF = Path(__file__).parent / "netcdf"
AXES = {"behaviors": "attack", "annotators": "me"}
CONFIG = Path(__file__).parents[2] / "config" / "datasets"

Writer = Callable[[Path], object]


def text(content: str) -> Writer:
    return lambda path: path.write_text(content, encoding="utf-8")


def twin(name: str, **small: int) -> Writer:
    def make(path: Path) -> None:
        card = load_card(CONFIG / f"{name}.yaml")
        assert card.simulate is not None
        make_file(card.simulate.generator, card.files[0].path, path, card.simulate.options | small, card)

    return make


def pair() -> Recording:
    return scattered(N, individuals=("resident", "intruder"))


def sleap(path: Path) -> None:
    with h5py.File(path, "w") as handle:
        handle["tracks"] = np.random.default_rng(0).random((2, 2, 3, N)) * 100  # tracks, axes, nodes, frames
        handle["track_names"] = [b"one", b"two"]
        handle["node_names"] = [b"nose", b"neck", b"tail"]


def bams(path: Path) -> None:
    npy_write.save(path, {"data": np.random.default_rng(0).normal(300, 20, (2, N, 6))})


def images(path: Path) -> None:
    rng = np.random.default_rng(0)
    names = np.array(["a"] * 4)
    pixels = rng.integers(0, 256, (4, 12, 16), dtype=np.uint8)
    points = rng.random((4, 3, 2)).astype(np.float32) * 10
    rat_npz.write(path, ImageSet(pixels, points, tuple(rat_npz.LABEL_KEYS), np.arange(4), names, names))


def crops(path: Path) -> None:
    jpeg = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(60, 250, (120, 120), dtype=np.uint8)).save(jpeg, "JPEG")
    points = {"black": {"x": list(range(30, 65, 5)), "y": list(range(40, 75, 5))}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("MARS_top_00001/adjusted_keypoints.json", json.dumps(points))
        archive.writestr("MARS_top_00001/black.jpg", jpeg.getvalue())


def dlc_frames(path: Path) -> None:
    Image.fromarray(np.full((100, 100), 50, np.uint8)).save(path.parent / "a.png")
    head = "scorer,me,me,me,me,me,me\nbodyparts,nose,nose,neck,neck,tail,tail\ncoords,x,y,x,y,x,y\n"
    path.write_text(head + "labeled-data/v/a.png,30,40,35,38,60,40\n")


def freezing(path: Path) -> None:
    vector = (np.arange(N) // 10 % 2).astype(np.float64)
    savemat(path, {"Behavior": {"Freezing": {"Vector": vector, "Bouts": np.array([[11, 20], [31, 40]])}}})


def one_fish(path: Path) -> None:
    trex(path.parent)
    (path.parent / "m1_fish0.npz").rename(path)


def annotations(path: Path) -> None:
    values = (np.arange(N) // 10 % 2).reshape(N, 1, 1)
    variables = {"target_cls": (("time", "behaviors", "annotators"), values)}
    variables |= {name: ((name,), np.array([label], object)) for name, label in AXES.items()}
    write_classic(path, variables, {})


VALID: dict[str, tuple[str, Writer, dict[str, object]]] = {
    "deeplabcut": (".csv", lambda path: deeplabcut.write_csv(path, scattered(N)), {}),
    "sleap": (".h5", sleap, {}),
    "calms21": (".json", lambda path: calms21.write_json(path, [pair()], group="annotator-id_0"), {}),
    "mabe22": (".npy", twin("mabe22_mouse_twin", train=1, submission=2, public=1, private=1, frames=120), {}),
    "daart_csv": (".csv", lambda path: daart_csv.write_markers(path, scattered(N, individuals=("a",))), {}),
    "lisbet_archive": (
        ".h5",
        lambda path: lisbet_archive.write_archive(path, [pair()]),
        {"keypoints": ["nose", "tail"]},
    ),
    "bams_dict": (".npy", bams, {}),
    "quadrupeds": (".npy", twin("quadruped_twin", sequences=5, frames=150), {}),
    "rat_npz": (".npz", images, {}),
    "mars_crops": (".zip", crops, {}),
    "dlc_frames": (".csv", dlc_frames, PARTS),
    "movement": (".nc", lambda path: path.write_bytes((NETCDF / "classic.nc").read_bytes()), {}),
    "wide_csv": (".csv", text("frame,nose_x,nose_y\n" + "".join(f"{k},{k}.5,2.5\n" for k in range(N))), {}),
    "long_table": (
        ".csv",
        text("frame,animal,bodypart,x,y\n" + "".join(f"{k},m1,nose,{k}.5,2.5\n" for k in range(N))),
        {},
    ),
    "jabs": (".h5", lambda path: jabs(path, 4), {}),
    "nwb_pose": (".nwb", nwb, {}),
    "facemap": (".h5", facemap, {}),
    "trex": (".npz", one_fish, {}),
    "videos": (".mp4", lambda path: write(path, frames(20)), {}),
}
"""Of each data source: the ending of a file, how to make a valid one, and the options it is read with."""

VALID_LABELS: dict[str, tuple[str, Writer, dict[str, object]]] = {
    "caltech_annotator": (
        ".annot",
        lambda path: caltech_annotator.write(path, {"S1": [(1, 20, "attack"), (21, N, "other")]}),
        {"channels": {"S1": "behaviour"}},
    ),
    "boris": (".csv", text("Time,Behavior,Behavior type\n0.1,attack,START\n0.5,attack,STOP\n"), NAMED),
    "csv_events": (".csv", text("behavior,start_time,end_time\nattack,0.1,0.4\nother,0.5,0.9\n"), NAMED),
    "bouts_csv": (".csv", text("video,label,start,end\nrec,attack,0,9\nrec,other,10,20\n"), NAMED),
    "deepethogram": (".csv", text(",background,attack\n" + "".join(f"{k},1,0\n" for k in range(N))), NAMED),
    "simba": (
        ".csv",
        text("Frame,attack\n" + "".join(f"{k},{k % 2}\n" for k in range(N))),
        NAMED | {"behaviours": ["attack"]},
    ),
    "supervisely": (
        ".json",
        lambda path: write_annotation(path, [Bout(0, 10, "attack"), Bout(20, 30, "other")], size=(64, 48), n_frames=N),
        NAMED,
    ),
    "daart_csv": (
        ".csv",
        lambda path: daart_csv.write_one_hot(path, np.arange(N) % 2, ["attack", "other"]),
        {"background": None},
    ),
    "behaviordepot": (".mat", freezing, {}),
    "movement": (".nc", annotations, {"binary": {"attack": "freezing"}}),
    "binary_table": (".csv", text("frame,attack\n" + "".join(f"{k},{k % 2}\n" for k in range(N))), NAMED),
    "class_table": (
        ".csv",
        text("frame,label\n" + "".join(f"{k},{'attack' if k % 2 else 'other'}\n" for k in range(N))),
        NAMED,
    ),
    "bento": (".annot", text(BENTO.format("5\t20\t15")), NAMED),
    "ethovision": (".csv", lambda path: ethovision(path, frames=N * 25 // 30), {"binary": {"grooming": "freezing"}}),
    "elan": (".eaf", lambda path: write_elan(path, {"m": [Bout(3, 20, "attack")]}, 30.0), NAMED),
}

DATA, LABELS = sorted(DATA_SOURCES), sorted(LABEL_SOURCES)
READERS = [(name, False) for name in DATA] + [(name, True) for name in LABELS]


def test_every_source_has_a_valid_file_here() -> None:
    assert sorted(VALID) == DATA
    assert sorted(VALID_LABELS) == LABELS


def read(name: str, labels: bool, path: Path) -> object:
    options = dict((VALID_LABELS if labels else VALID)[name][2])
    if labels:
        return read_labels(name, path, options, n_frames=N, fps=30.0, tasks=TASKS)
    if name in TRACK_SOURCES:
        return list(read_tracks(name, path, options, recording="rec"))
    if name in IMAGE_SOURCES:
        return read_images(name, path, options)
    return probe(path)


def valid(name: str, labels: bool, folder: Path) -> Path:
    suffix, make, _ = (VALID_LABELS if labels else VALID)[name]
    path = folder / f"file{suffix}"
    make(path)
    return path


def refuses(name: str, labels: bool, path: Path) -> None:
    """Expect one sentence that names the file; any other error is a traceback to the user."""
    with pytest.raises(InputError) as caught:
        read(name, labels, path)
    said = str(caught.value)
    assert path.name in said, said
    assert "\n" not in said, said
    assert said.endswith((".", "?")), said


@pytest.mark.parametrize(("name", "labels"), READERS)
def test_a_valid_file_is_read(name: str, labels: bool, tmp_path: Path) -> None:
    assert read(name, labels, valid(name, labels, tmp_path)) is not None


@pytest.mark.parametrize(("name", "labels"), READERS)
def test_an_unknown_option_is_refused_with_the_nearest(name: str, labels: bool) -> None:
    module = _load(name, LABEL_SOURCES if labels else DATA_SOURCES, "")
    known = next(iter(_options(module, labels=labels).model_fields), None)
    if known is None:
        with pytest.raises(ConfigError, match=f"source {name}.*unknown key 'keypoint'"):
            check_options(name, {"keypoint": 1}, labels=labels)
        return
    with pytest.raises(ConfigError, match=rf"source {name}.*did you mean '{known}'"):
        check_options(name, {f"{known}s": 1}, labels=labels)


@pytest.mark.parametrize("labels", [False, True])
def test_an_unknown_source_is_refused_with_the_nearest(labels: bool) -> None:
    with pytest.raises(ConfigError, match=f"did you mean '{'simba' if labels else 'sleap'}'"):
        check_options("simbaa" if labels else "sleapp", {}, labels=labels)


@pytest.mark.parametrize("fault", ["absent", "empty", "directory", "zeros", "noise", "web page"])
@pytest.mark.parametrize(("name", "labels"), READERS)
def test_what_is_no_such_file_is_one_sentence(name: str, labels: bool, fault: str, tmp_path: Path) -> None:
    path = tmp_path / f"file{(VALID_LABELS if labels else VALID)[name][0]}"
    if fault == "empty":
        path.touch()
    elif fault == "directory":
        path.mkdir()
    elif fault == "zeros":
        path.write_bytes(bytes(3000))
    elif fault == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(3000))
    elif fault == "web page":
        path.write_text("<!DOCTYPE html>\n<html><body>Please log in</body></html>\n")
    refuses(name, labels, path)


@pytest.mark.parametrize(("name", "labels"), READERS)
def test_a_file_cut_anywhere_is_read_or_refused_in_one_sentence(name: str, labels: bool, tmp_path: Path) -> None:
    """What is left of a text may be a shorter valid text; of a binary file it is refused."""
    path = valid(name, labels, tmp_path)
    whole = path.read_bytes()
    for part in (0.02, 0.3, 0.7, 0.98):
        path.unlink()
        path.write_bytes(whole[: max(1, int(part * len(whole)))])
        try:
            read(name, labels, path)
        except EthoMakeError as error:
            assert path.name in str(error)
            assert "\n" not in str(error)
