"""Every source tells its own files, reads them, and takes no other's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders.lab_toy import boris, dlc
from builders.readers import facemap, jabs, nwb, trex
from builders.videos import frames
from builders.videos import write as write_video

from workflow_scripts.cards.card import Task
from workflow_scripts.convert.propose import propose
from workflow_scripts.convert.propose.files import list_files, modules
from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.sources import read_labels, read_tracks
from workflow_scripts.sources.elan import write_elan
from workflow_scripts.sources.lisbet_archive import write_archive
from workflow_scripts.sources.supervisely import write_annotation


def test_jabs(tmp_path: Path) -> None:
    path = jabs(tmp_path / "m1_pose_est_v4.h5", 4)
    found = next(read_tracks("jabs", path, {}, recording="m1"))
    assert found.individuals == ("mouse1", "mouse2")
    assert found.position[0, :, 1].tolist() == [[1, 7], [1, 9]]  # stored as y, x
    assert found.position[30, :, 1].tolist() == [[1, 9], [1, 7]]
    assert np.isnan(found.position[5, 0, 3]).all()
    made = propose([tmp_path])
    assert (made.card["source"], made.rows[0]["recording"]) == ("jabs", "m1")
    single = next(read_tracks("jabs", jabs(tmp_path / "m2_pose_est_v2.h5", 2), {}, recording="m2"))
    assert single.position.shape == (40, 1, 12, 2)


def test_nwb_pose(tmp_path: Path) -> None:
    found = next(read_tracks("nwb_pose", nwb(tmp_path / "m1.nwb"), {}, recording="m1"))
    assert (found.individuals, found.keypoints, found.fps) == (("mouse_a", "mouse_b"), ("nose", "tail"), 25.0)
    assert found.position[3, 1, 0].tolist() == [106, 107]
    assert propose([tmp_path]).card["fps"] == 25
    with pytest.raises(InputError, match="has no PoseEstimation 'mouse_x'; did you mean"):
        next(read_tracks("nwb_pose", tmp_path / "m1.nwb", {"individuals": ["mouse_x"]}, recording="m1"))


def test_nwb_of_ndx_pose_itself(tmp_path: Path) -> None:
    pytest.importorskip("ndx_pose")
    from workflow_scripts.sources.nwb import write_nwb
    from workflow_scripts.sources.shared.points import made

    position = np.arange(80, dtype=np.float32).reshape(20, 1, 2, 2)
    recording = made(
        tmp_path, "m1", position, np.full((20, 1, 2), 0.5, np.float32), ["mouse"], ["nose", "tail"], fps=40.0
    )
    write_nwb(tmp_path / "m1.nwb", {}, 40.0, recording="m1", method="x", vocabularies={}, tracks=recording)
    found = next(read_tracks("nwb_pose", tmp_path / "m1.nwb", {}, recording="m1"))
    assert np.array_equal(found.position, position)
    assert (found.fps, found.individuals) == (40.0, ("pose_mouse",))


def test_facemap(tmp_path: Path) -> None:
    found = next(read_tracks("facemap", facemap(tmp_path / "m1_FacemapPose.h5"), {}, recording="m1"))
    assert (found.keypoints, found.n_frames) == (("eye", "nose"), 30)
    assert propose([tmp_path]).rows[0]["recording"] == "m1"


def test_trex_puts_the_animals_of_a_video_together(tmp_path: Path) -> None:
    trex(tmp_path)
    made = propose([tmp_path])
    (shard,) = made.card["shards"]
    assert (shard["id"], shard["options"]) == ("m1", {"others": ["m1_fish1.npz"]})
    found = next(read_tracks("trex", tmp_path / "m1_fish0.npz", shard["options"], recording="m1"))
    assert found.position[3, :, 0, 0].tolist() == [3, 103]
    assert np.isnan(found.position[5]).all()


@pytest.mark.parametrize(("features", "points", "space"), [(8, 4, 2), (7, 7, 1)])
def test_bare_arrays_of_any_feature_count(tmp_path: Path, features: int, points: int, space: int) -> None:
    np.save(tmp_path / "m1.npy", np.random.default_rng(0).normal(size=(50, features)))
    np.save(tmp_path / "set.npy", np.random.default_rng(0).normal(size=(3, 50, features)))
    options = {"space": space}
    (one,) = read_tracks("bams_dict", tmp_path / "m1.npy", options, recording="m1")
    assert (one.id, one.position.shape) == ("m1", (50, 1, points, space))
    assert [r.id for r in read_tracks("bams_dict", tmp_path / "set.npy", options, recording="set")] == [
        "set1",
        "set2",
        "set3",
    ]
    assert propose([tmp_path / "m1.npy"]).card["source"] == "bams_dict"


def test_lisbet_archive(tmp_path: Path) -> None:
    position = np.random.default_rng(0).uniform(0, 100, (30, 2, 7, 2)).astype(np.float32)
    from workflow_scripts.sources.shared.points import made

    mice = ["resident", "intruder"]
    points = [f"p{k}" for k in range(7)]
    write_archive(tmp_path / "a.h5", [made(tmp_path, "s1", position, None, mice, points, image_size=(200.0, 200.0))])
    (one,) = list_files([tmp_path]).recognised
    assert (one.found.source, one.found.recordings) == ("lisbet_archive", ["s1"])


def test_elan_in_and_out(tmp_path: Path) -> None:
    path = tmp_path / "m1.eaf"
    write_elan(path, {"r1": [Bout(30, 60, "groom"), Bout(60, 75, "rear")], "r2": [Bout(10, 20, "groom")]}, 30.0)
    tasks = {"t": Task(kind="multiclass", vocabulary=["other", "groom", "rear"], background="other")}
    found = read_labels("elan", path, {"multiclass": "t", "tier": "r1"}, n_frames=90, fps=30, tasks=tasks)["t"]
    assert found.values.tolist() == [0] * 30 + [1] * 30 + [2] * 15 + [0] * 15
    with pytest.raises(InputError, match="2 subjects"):
        read_labels("elan", path, {"multiclass": "t"}, n_frames=90, fps=30, tasks=tasks)
    dlc(tmp_path / "m1DLC_x.csv", 90)
    assert sorted(propose([tmp_path]).card["tasks"]) == ["r1_groom", "r1_rear", "r2_groom"]
    path.write_text('<!DOCTYPE x [<!ENTITY a "b">]><ANNOTATION_DOCUMENT/>')
    with pytest.raises(InputError, match="document type or entities"):
        read_labels("elan", path, {"multiclass": "t"}, n_frames=90, fps=30, tasks=tasks)


def test_nested_supervisely_projects(tmp_path: Path) -> None:
    project = tmp_path / "project"
    for place, name in (("ds0", "m1.mp4"), ("ds0/datasets/child", "m2.mp4")):
        folder = project / place
        (folder / "video").mkdir(parents=True)
        write_video(folder / "video" / name, frames(30))
        (folder / "ann").mkdir()
        write_annotation(folder / "ann" / f"{name}.json", [Bout(2, 6, "groom")], size=(160, 120), n_frames=30)
    (project / "meta.json").write_text('{"classes": [], "tags": []}')
    made = propose([project])
    assert (made.card["kind"], made.card["tasks"]["action"]["vocabulary"]) == ("clips", ["idle", "groom"])
    assert [bool(row["labels"]) for row in made.rows] == [True, True]


def test_simba_and_deepethogram(tmp_path: Path) -> None:
    head = ",nose_x,nose_y,nose_p,speed,groom,rear\n"
    (tmp_path / "m1.csv").write_text(head + "".join(f"{k},1.5,2,0.9,3.25,{int(k < 5)},0\n" for k in range(20)))
    (tmp_path / "m2_labels.csv").write_text(
        ",background,groom\n" + "".join(f"{k},{int(k < 9)},{int(k >= 9)}\n" for k in range(20))
    )
    recognised = {one.path.name: one.found for one in list_files([tmp_path]).recognised}
    assert (recognised["m1.csv"].source, recognised["m1.csv"].options) == ("simba", {"behaviours": ["groom", "rear"]})
    assert (recognised["m2_labels.csv"].source, recognised["m2_labels.csv"].media[0].classes) == (
        "deepethogram",
        {"groom": 1},
    )


def test_one_odd_file_stops_nothing(tmp_path: Path) -> None:
    dlc(tmp_path / "m1DLC_x.csv", 60)
    dlc(tmp_path / "m2DLC_x.csv", 60, points=("ear", "hip"))
    dlc(tmp_path / "m3DLC_x.csv", 60)
    boris(tmp_path / "m1.csv", [("groom", 0.5, 1.0)], duration=2)
    boris(tmp_path / "m3.csv", [("groom", 0.5, 1.0)], duration=2, media="m3.mp4")
    (tmp_path / "bad.csv").write_text("scorer,n,n\nbodyparts,p,p\ncoords,x,y\n0,1\n")
    (tmp_path / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40))
    (tmp_path / "bad.boris").write_text("{")
    (tmp_path / "notes.txt").write_text("fed late")
    np.savez(tmp_path / "junk.npz", a=np.zeros(3))
    (tmp_path / "x.json").write_text(json.dumps({"tags": [], "keypoints": 3}))
    made = propose([tmp_path])
    assert [row["recording"] for row in made.rows] == ["m1", "m3"]
    left = "\n".join(made.left_out)
    for name in ("bad.csv", "bad.h5", "bad.boris", "notes.txt", "junk.npz", "x.json", "m2DLC_x.csv"):
        assert name in left


def test_names_are_quoted_and_differences_in_writing_said(tmp_path: Path) -> None:
    from workflow_scripts.convert.propose import card_yaml
    from workflow_scripts.core.files import read_yaml

    dlc(tmp_path / "noDLC_x.csv", 60, points=("yes", "0o7", "a: b"))
    boris(tmp_path / "no.csv", [("Social", 0.1, 0.2), ("social", 0.5, 0.8), ("social", 1, 1.2), ("null", 1.5, 1.6)],
          duration=2, media="no.mp4")  # fmt: skip
    made = propose([tmp_path])
    path = tmp_path / "card.yaml"
    path.write_text(card_yaml(made))
    assert read_yaml(path) == made.card
    assert made.card["keypoints"] == ["yes", "0o7", "a: b"]
    assert made.card["tasks"]["behaviour"]["vocabulary"] == ["other", "social", "null"]
    assert made.card["labels"][0]["options"]["rename"] == {"Social": "social"}
    assert any("differ in writing only" in line for line in made.guessed)


def test_every_source_has_a_sniff_or_is_a_benchmark_alone() -> None:
    from workflow_scripts.sources import DATA_SOURCES, LABEL_SOURCES

    asked = {module.__name__.rsplit(".", 1)[1] for module in modules()}
    assert {*DATA_SOURCES.values(), *LABEL_SOURCES.values()} - asked == {"quadrupeds"}
