"""NetCDF of movement and of LISBET; the files in `netcdf/` were written by xarray 2026.9 from numbers made up here."""

import dataclasses
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from builders.files import refusal
from builders.tracks import scattered as recording

from workflow_scripts.cards.card import Card, Task
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources import check_options, deeplabcut, movement, read_labels, read_tracks
from workflow_scripts.sources.netcdf import write_classic

FILES = Path(__file__).parent / "netcdf"
TASKS = {
    "behaviour": Task(vocabulary=["attack", "mount", "other"], background="other"),
    "fight": Task(kind="binary", vocabulary=["n", "y"]),
}


def expected():
    """The positions that were written, as (time, individual, keypoint, space)."""
    position = np.arange(60, dtype=np.float32).reshape(5, 2, 3, 2) / 4
    position[2, :, 1, 0] = np.nan
    return position.transpose(0, 3, 2, 1)


def read(path, **options):
    return next(read_tracks("movement", path, options, recording="r"))


@pytest.mark.parametrize("name", ["classic", "netcdf4", "h5netcdf"])
def test_files_of_xarrays_three_engines(name):
    """The scipy engine is LISBET's, the others movement's; the last file names its axes as movement 0.17 does."""
    found = read(FILES / f"{name}.nc")
    np.testing.assert_array_equal(found.position, expected())
    wanted = np.linspace(0.1, 1, 30).reshape(5, 3, 2).transpose(0, 2, 1)
    np.testing.assert_allclose(found.confidence, wanted, atol=1e-6)
    assert (found.individuals, found.keypoints) == (("resident", "intruder"), ("nose", "body", "tail ü"))
    # The third states no rate and has times in seconds, 25 a second.
    assert found.fps == (25.0 if name == "h5netcdf" else 30.0)
    assert found.image_size == (None if name == "h5netcdf" else (1024.0, 570.0))
    assert movement.sniff(FILES / f"{name}.nc").kind == "tracks"


def test_animals_and_points_are_chosen_by_name():
    found = read(FILES / "classic.nc", individuals=["intruder"], keypoints=["tail ü", "nose"])
    np.testing.assert_array_equal(found.position, expected()[:, [1]][:, :, [2, 0]])
    with refusal(InputError, "has no keypoint 'tail'", "did you mean 'tail ü'"):
        read(FILES / "classic.nc", keypoints=["tail"])


def test_labels_of_one_annotator():
    path = FILES / "annotations.nc"
    options = {"multiclass": "behaviour", "annotator": "annotator0"}
    found = read_labels("movement", path, options, n_frames=5, fps=30.0, tasks=TASKS)["behaviour"]
    assert found.values.tolist() == [0, 0, 1, 2, 2] and found.mask.all()
    options = {"binary": {"attack": "fight"}, "annotator": "annotator1"}
    warn: list[str] = []
    found = read_labels("movement", path, options, n_frames=5, fps=30.0, tasks=TASKS, warn=warn)["fight"]
    assert found.values.tolist() == [0, 0, 0, 0, 0] and "no bout of 'attack'" in warn[0]
    with refusal(InputError, "holds labels of 2 annotators (annotator0, annotator1)", "name one"):
        read_labels("movement", path, {"multiclass": "behaviour"}, n_frames=5, fps=30.0, tasks=TASKS)
    with refusal(InputError, "cover 5 frames and the tracks have 50"):
        read_labels("movement", path, options, n_frames=50, fps=30.0, tasks=TASKS)
    check_options("movement", options, labels=True)
    with refusal(ConfigError, "annotater"):
        check_options("movement", {"annotater": "x", "multiclass": "behaviour"}, labels=True)
    with refusal(ConfigError, "annotator"):
        check_options("movement", {"annotator": "x"})
    sniffed = movement.sniff(path)
    assert (sniffed.kind, sniffed.options) == ("labels", {"annotator": "annotator0"})


def test_there_and_back(tmp_path):
    classes = ("rest", "chase")
    mask = np.ones(12, bool)
    mask[4] = False
    labels = Labels((np.arange(12) % 5 > 2).astype(np.int16), mask, "frame", "multiclass", classes)
    made = recording(12, image_size=(640.0, 480.0), labels={"what": labels})
    made.position[3, 1, 0] = np.nan
    movement.write_movement(tmp_path, made, task="what", annotator="me")
    found = read(tmp_path / "tracking.nc")
    np.testing.assert_array_equal(found.position, made.position)
    np.testing.assert_array_equal(found.confidence, made.confidence)
    assert (found.fps, found.image_size, found.individuals) == (30.0, (640.0, 480.0), ("a", "b"))
    options = {"multiclass": "what", "background": None}
    tasks = {"what": Task(vocabulary=list(classes))}
    back = read_labels("movement", tmp_path / "annotations.nc", options, n_frames=12, fps=30.0, tasks=tasks)["what"]
    np.testing.assert_array_equal(back.mask, mask)
    np.testing.assert_array_equal(back.values[mask], labels.values[mask])


def test_what_cannot_be_read_is_a_sentence(tmp_path):
    path = tmp_path / "x.nc"
    path.write_text("time,x,y\n")
    with refusal(InputError, "is no NetCDF file"):
        read(path)
    for name in ("classic", "netcdf4"):
        whole = (FILES / f"{name}.nc").read_bytes()
        for size in (5, 40, 300, len(whole) // 2):
            path.write_bytes(whole[:size])
            with refusal(InputError, "x.nc", "NetCDF"):
                read(path)
    with refusal(InputError, "has no variable position", "target_cls"):
        read(FILES / "annotations.nc")
    with refusal(InputError, "has no variable target_cls"):
        read_labels("movement", FILES / "classic.nc", {"multiclass": "behaviour"}, n_frames=5, fps=1.0, tasks=TASKS)
    boxes = {"position": (("time", "space", "individuals"), np.zeros((3, 2, 1), np.float32))}
    write_classic(path, boxes, {})
    with refusal(InputError, "holds boxes, not points"):
        read(path)
    names = {"space": (("space",), np.array(["x", "y"], object)), "time": (("time",), np.array([0, 1, 3.5]))}
    names |= {
        "keypoints": (("keypoints",), np.array(["p"], object)),
        "individuals": (("individuals",), np.array(["i"], object)),
    }
    points = {"position": (("time", "space", "keypoints", "individuals"), np.zeros((3, 2, 1, 1), np.float32))}
    write_classic(path, points | names, {"time_unit": "seconds"})
    with refusal(InputError, "frame 2: times are not evenly spaced"):
        read(path)
    wrong = {"target_cls": (("time", "behaviors", "annotators"), np.full((2, 1, 1), 7))}
    wrong |= {key: (((key,)), np.array([key], object)) for key in ("behaviors", "annotators")}
    write_classic(path, wrong, {})
    with refusal(InputError, "frame 0, behaviors: expected 0 or 1, found 7"):
        read_labels("movement", path, {"multiclass": "behaviour"}, n_frames=2, fps=1.0, tasks=TASKS)
    assert movement.sniff(FILES / "no.nc".replace("no", "annotations")).kind == "labels"


def test_no_link_out_of_the_file_is_followed(tmp_path):
    shutil.copy(FILES / "netcdf4.nc", tmp_path / "a.nc")
    shutil.copy(FILES / "netcdf4.nc", tmp_path / "b.nc")
    with h5py.File(tmp_path / "a.nc", "a") as handle:
        del handle["position"]
        handle["position"] = h5py.ExternalLink("b.nc", "/position")
    with refusal(InputError, "the link 'position' leads to another file"):
        read(tmp_path / "a.nc")


def card(source, files, shard, **changes):
    return Card.model_validate(
        {
            "name": "toy",
            "title": "Toy",
            "description": "Toy.",
            "licence": "none",
            "citation": ["nobody"],
            "fps": 30,
            "keypoints": ["nose", "tail"],
            "individuals": ["resident", "intruder"],
            "source": source,
            "files": [{"path": name, "urls": ["http://localhost/x"]} for name in files],
            "shards": [shard],
            **changes,
        }
    )


ALONE = {"pair/exp.csv": "exp.csv", "pair/stim.csv": "stim.csv"}
SHARD = {
    "id": "pair",
    "tracks": "pair/exp.csv",
    "beside": ["pair/stim.csv"],
    "options": {"join": {"intruder": "stim.csv", "resident": "exp.csv"}},
}


def write_alone(folder, **changes):
    """Two single-animal tables of one video, as DeepLabCut 2.2 and LISBET's saDLC have them."""
    (folder / "pair").mkdir(exist_ok=True)
    made = {}
    for seed, name in enumerate(("exp", "stim")):
        one = recording(20, seed=seed, individuals=("individual1",))
        one = dataclasses.replace(one, **changes.get(name, {}))
        deeplabcut.write_csv(folder / "pair" / f"{name}.csv", one)
        text = (folder / "pair" / f"{name}.csv").read_text().splitlines(keepends=True)
        single = "".join(line for line in text if not line.startswith("individuals,"))
        (folder / "pair" / f"{name}.csv").write_text(single)
        made[name] = one
    return made


def test_one_file_an_animal_makes_one_recording(tmp_path):
    made = write_alone(tmp_path)
    whole = card("deeplabcut", list(ALONE), SHARD)
    (found,) = convert_shard(whole, whole.shards[0], tmp_path)
    assert found.individuals == ("resident", "intruder")
    np.testing.assert_array_equal(found.position[:, 0], made["exp"].position[:, 0])
    np.testing.assert_array_equal(found.position[:, 1], made["stim"].position[:, 0])
    np.testing.assert_array_equal(found.confidence[:, 1], made["stim"].confidence[:, 0])
    assert set(found.source_sha256) == set(ALONE)


def test_files_of_movement_are_joined_too(tmp_path):
    for name in ("a", "b"):
        one = recording(8, seed=len(name), individuals=("individual_0",), image_size=(10.0, 10.0))
        movement.write_movement(tmp_path / name, one)
    options = {"join": {"left": "a/tracking.nc", "right": "b/tracking.nc"}}
    shutil.copytree(tmp_path / "b", tmp_path / "a" / "b")
    shutil.copy(tmp_path / "a" / "tracking.nc", tmp_path / "tracking.nc")
    options = {"join": {"left": "tracking.nc", "right": "b/tracking.nc"}}
    found = read(tmp_path / "tracking.nc", **options)
    assert found.individuals == ("left", "right") and found.position.shape == (8, 2, 2, 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stim": {"keypoints": ("nose", "back")}}, ("exp.csv: has keypoints", "stim.csv ['nose', 'back']")),
        ({"exp": {"position": recording(9, individuals=("x",)).position,
                  "confidence": recording(9, individuals=("x",)).confidence}}, ("has frames 9", "stim.csv 20")),
    ],
)  # fmt: skip
def test_files_of_different_videos_are_not_joined(tmp_path, changes, words):
    write_alone(tmp_path, **changes)
    whole = card("deeplabcut", list(ALONE), SHARD)
    with refusal(InputError, *words, "join files of one video"):
        list(convert_shard(whole, whole.shards[0], tmp_path))


def test_what_cannot_be_joined_is_a_sentence(tmp_path):
    write_alone(tmp_path)

    def refuse(error, *words, files=ALONE, **shard):
        whole = card("deeplabcut", list(files), SHARD | shard)
        with refusal(error, *words):
            list(convert_shard(whole, whole.shards[0], tmp_path))

    refuse(ConfigError, "joins the file 'pair/stim.csv'", "list it under beside", beside=[])
    refuse(ConfigError, "at least two animals", options={"join": {"resident": "exp.csv"}})
    refuse(ConfigError, "plain relative paths", options={"join": {"a": "exp.csv", "b": "../stim.csv"}},
           beside=["pair/stim.csv"])  # fmt: skip
    both = recording(20)
    deeplabcut.write_csv(tmp_path / "pair" / "stim.csv", both)
    refuse(InputError, "holds 2 animals (a, b), expected one")
