from __future__ import annotations

import itertools
import json
import sys
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from builders.files import real, refusal
from builders.slp import Instance, write_project
from builders.tracks import labelled
from builders.tracks import scattered as recording
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.core.errors import InputError
from workflow_scripts.sources import calms21, read_tracks, sleap

NODES = ["head", "thorax", "tail"]


def analysis(path: Path, order, *, frames=9, tracks=("t0", "t1"), dims=False, scores=True, occupancy=False):
    """A SLEAP analysis h5 in any axis order; position[f, t, n, :] counts up."""
    shape = {"frame": frames, "track": len(tracks), "node": len(NODES), "xy": 2}
    wanted = [shape[a] for a in sleap.WANTED]
    position = np.arange(np.prod(wanted), dtype=float).reshape(wanted)
    point = np.arange(np.prod(wanted[:3]), dtype=float).reshape(wanted[:3]) / 1000
    with h5py.File(path, "w") as handle:
        handle["tracks"] = np.transpose(position, [sleap.WANTED.index(a) for a in order])
        handle["node_names"] = [name.encode() for name in NODES]
        handle["track_names"] = [name.encode() for name in tracks]
        three = tuple(a for a in order if a != "xy")
        if scores:
            handle["point_scores"] = np.transpose(point, [sleap.WANTED.index(a) for a in three])
        if occupancy:
            handle["track_occupancy"] = np.ones((frames, len(tracks)), np.uint8)
        if dims:
            handle["tracks"].attrs["dims"] = json.dumps(order)
            if scores:
                handle["point_scores"].attrs["dims"] = json.dumps(three)
    return position, point


def read(path: Path, source="sleap", **options):
    (made,) = read_tracks(source, path, options, recording="rec")
    return made


@pytest.mark.parametrize("order", sleap.ORDERS.values())
def test_sleap_axis_orders_are_recognised_by_lengths(tmp_path, order):
    position, point = analysis(tmp_path / "a.h5", order)
    made = read(tmp_path / "a.h5", fps=25, image_size=[640, 480])
    np.testing.assert_array_equal(made.position, position)
    np.testing.assert_allclose(made.confidence, point)
    assert (made.individuals, made.keypoints) == (("t0", "t1"), tuple(NODES))
    assert (made.fps, made.image_size) == (25, (640, 480))


@pytest.mark.parametrize("order", list(itertools.permutations(sleap.WANTED)))
def test_sleap_dims_decide(tmp_path, order):
    position, point = analysis(tmp_path / "a.h5", order, dims=True, frames=2)
    made = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(made.position, position)
    np.testing.assert_allclose(made.confidence, point)


def test_sleap_point_scores_in_an_order_of_their_own(tmp_path):
    _, point = analysis(tmp_path / "a.h5", sleap.ORDERS["matlab"], dims=True)
    with h5py.File(tmp_path / "a.h5", "a") as handle:
        del handle["point_scores"]
        handle["point_scores"] = point
        handle["point_scores"].attrs["dims"] = json.dumps(["frame", "track", "node"])
    np.testing.assert_allclose(read(tmp_path / "a.h5").confidence, point)
    with h5py.File(tmp_path / "a.h5", "a") as handle:
        del handle["point_scores"].attrs["dims"]
    with refusal(InputError, "point_scores is 9 × 2 × 3", "does not fit"):
        read(tmp_path / "a.h5")


def test_sleap_ambiguous_lengths(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "NODES", ["head", "tail"])
    position, _ = analysis(tmp_path / "a.h5", sleap.ORDERS["matlab"], frames=2)
    with refusal(InputError, "2 × 2 × 2 × 2", "both axis orders", "axes"):
        read(tmp_path / "a.h5")
    np.testing.assert_array_equal(read(tmp_path / "a.h5", axes="matlab").position, position)


def test_sleap_tracks_are_chosen_by_name(tmp_path):
    position, _ = analysis(tmp_path / "a.h5", sleap.ORDERS["matlab"], tracks=("t0", "t1", "t2"))
    made = read(tmp_path / "a.h5", tracks=["t2", "t0"])
    np.testing.assert_array_equal(made.position, position[:, [2, 0]])
    with refusal(InputError, "'t9'"):
        read(tmp_path / "a.h5", tracks=["t9"])


def test_sleap_without_tracks_or_scores(tmp_path):
    analysis(tmp_path / "a.h5", sleap.ORDERS["matlab"], tracks=("one",), scores=False)
    with h5py.File(tmp_path / "a.h5", "a") as handle:
        del handle["track_names"]
        handle["tracks"][0, :, 0, 0] = np.nan
    made = read(tmp_path / "a.h5")
    assert made.individuals == ("individual1",)
    assert np.isnan(made.confidence[0, 0, 0])
    assert made.confidence[1, 0, 0] == 1
    assert "no point scores" in made.warnings[0]


def test_sleap_refusals(tmp_path):
    path = tmp_path / "a.h5"
    analysis(path, sleap.ORDERS["matlab"])
    with h5py.File(path, "a") as handle:
        del handle["node_names"]
        handle["node_names"] = [b"x"] * 5
    with refusal(InputError, "fits no axis order", "5 nodes"):
        read(path)
    with h5py.File(path, "a") as handle:
        del handle["tracks"]
    with refusal(InputError, "no dataset 'tracks'"):
        read(path)
    path.write_text("<html>")
    with refusal(InputError, "no readable HDF5"):
        read(path)
    path.write_bytes(b"")
    with refusal(InputError, "empty"):
        read(path)


def test_slp_that_is_no_project(tmp_path):
    (tmp_path / "a.slp").write_bytes(b"x")
    with refusal(InputError, "no readable HDF5"):
        read(tmp_path / "a.slp")


def test_slp_corrections_replace_predictions(tmp_path):
    rows = [Instance(0, 1), Instance(0, 2, user=True, replaces=0), Instance(2, 3)]
    made = read(write_project(tmp_path / "a.slp", rows))
    assert made.individuals == ("individual1",) and np.isnan(made.position[1]).all()
    assert made.position[[0, 2], 0, 0, 0].tolist() == [2, 3] and made.confidence[[0, 2], 0, 1].tolist() == [1, 0.5]
    tracked = [Instance(0, 1, 0), Instance(0, 5, 1), Instance(0, 2, 0, user=True)]
    made = read(write_project(tmp_path / "b.slp", tracked, ["a", "b"]))
    assert made.position[0, :, 0, 0].tolist() == [2, 5]


def test_slp_of_several_videos_and_of_older_formats(tmp_path):
    rows = [Instance(0, 1), Instance(0, 2, video=1), Instance(1, 3, video=1)]
    path = write_project(tmp_path / "a.slp", rows, videos=["x/m1.mp4", "x/m2.mp4"], format_id=1.0)
    with refusal(InputError, "2 videos", "m1.mp4, m2.mp4"):
        read(path)
    assert read(path, video="m2").position[:, 0, 0].tolist() == [[1.5, 0.5], [2.5, 0.5]]
    with refusal(InputError, "0 videos called 'm3'"):
        read(path, video="m3")


def test_slp_refusals(tmp_path):
    twice = [Instance(0, 1, 0), Instance(0, 2, 0)]
    with refusal(InputError, "frame 0", "'a' is there twice"):
        read(write_project(tmp_path / "a.slp", twice, ["a"]))
    with refusal(InputError, "no instance"):
        read(write_project(tmp_path / "b.slp", []))
    with refusal(InputError, "track 3"):
        read(write_project(tmp_path / "c.slp", [Instance(0, 1, 3)], ["a"]))
    path = write_project(tmp_path / "d.slp", [Instance(0, 1)])
    with h5py.File(path, "a") as handle:
        del handle["pred_points"]
        handle["pred_points"] = np.zeros(0, [("x", "f8"), ("y", "f8"), ("visible", "?"), ("score", "f8")])
    with refusal(InputError, "points that pred_points does not have"):
        read(path)


FLIES = ("flies-pair", "docs", "notebooks", "analysis_example")


def test_real_flies():
    made = read(real(*FLIES, "predictions.analysis.h5"))
    assert made.position.shape == (3000, 2, 13, 2)
    assert made.individuals == ("track_0", "track_1")
    assert made.keypoints[:3] == ("head", "thorax", "abdomen")
    np.testing.assert_allclose(made.position[0, :, 0], [[756.8067627, 240.48591614], [589.0065918, 884.5513916]])


def test_real_slp_agrees_with_the_analysis_file():
    slp, h5 = read(real(*FLIES, "predictions.slp")), read(real(*FLIES, "predictions.analysis.h5"))
    assert (slp.individuals, slp.keypoints) == (h5.individuals, h5.keypoints)
    np.testing.assert_allclose(slp.position, h5.position, rtol=1e-6)
    assert np.array_equal(np.isnan(slp.confidence), np.isnan(slp.position[..., 0]))


def test_real_slp_that_people_corrected():
    made = read(real("flies-pair", "tests", "data", "tracks", "clip.slp"))
    assert made.individuals == ("female", "male") and made.position.shape == (1500, 2, 13, 2)
    assert set(np.unique(made.confidence[~np.isnan(made.confidence)])) == {1.0}
    np.testing.assert_allclose(made.position[0, 1, made.keypoints.index("head")], made.position[1, 1, 0], atol=500)


def sequences(n: int, frames: int = 20):
    for k in range(n):
        made = recording(frames, seed=k, individuals=calms21.MICE, keypoints=calms21.PARTS, labels=labelled(frames))
        yield made.__class__(**{**made.__dict__, "id": f"task1/train/mouse{k:03d}_task1_annotator1"})


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 4), frames=st.integers(1, 30), indent=st.sampled_from([None, 1]))
def test_calms21_round_trip(tmp_path_factory, n, frames, indent):
    path = tmp_path_factory.mktemp("calms21") / "a.json"
    calms21.write_json(path, sequences(n, frames), group="annotator-id_0")
    whole = json.loads(path.read_text())
    assert np.shape(next(iter(whole["annotator-id_0"].values()))["keypoints"]) == (frames, 2, 2, 7)
    path.write_text(json.dumps(whole, indent=indent))
    found = list(read_tracks("calms21", path, {}, recording="unused"))
    for made, source in zip(found, sequences(n, frames), strict=True):
        assert made.id == source.id
        assert made.group == source.id.split("_")[0]
        np.testing.assert_array_equal(made.position, source.position)
        np.testing.assert_array_equal(made.confidence, source.confidence)
        np.testing.assert_array_equal(made.labels["behaviour"].values, source.labels["behaviour"].values)
        assert made.labels["behaviour"].vocabulary == ("attack", "other")
        assert (made.fps, made.image_size) == (30, (1024, 570))


def test_calms21_streams(tmp_path):
    def peak(n: int) -> int:
        path = tmp_path / f"{n}.json"
        calms21.write_json(path, sequences(n, 400), group="g")
        tracemalloc.start()
        assert sum(1 for _ in read_tracks("calms21", path, {}, recording="x")) == n
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(16) < 1.2 * peak(2)


def test_calms21_groups():
    path = Path("a.json")
    assert calms21.group_of(path, "task1/train/mouse001_task1_annotator1", None) == "task1/train/mouse001"
    assert calms21.group_of(path, "task1/test/mouse001_task1_annotator1", None) == "task1/test/mouse001"
    assert calms21.group_of(path, "mouse7_x", None) == "mouse7"
    assert calms21.group_of(path, "folder9/alone", None) == "folder9/alone"
    assert calms21.group_of(path, "a/b_c", r".*/(\w)_") == "b"
    with refusal(InputError, "'a/b'", "group_pattern"):
        calms21.group_of(path, "a/b", r"z")


def test_calms21_unlabelled_records_and_strings_with_braces(tmp_path):
    record = {"keypoints": np.ones((3, 2, 2, 7)).tolist(), "scores": np.ones((3, 2, 7)).tolist()}
    odd = {**record, "metadata": {"note": 'a } in a \\" string {{', "empty": {}}}
    (tmp_path / "a.json").write_text(
        json.dumps({"u": {}, "unlabeled_videos": {"s/mouse000_unlabeled": odd, "t": record}})
    )
    first, second = read_tracks("calms21", tmp_path / "a.json", {}, recording="x")
    assert first.labels == {}
    assert (first.group, second.group) == ("s/mouse000", "t")


def mutate(**changes):
    record = {
        "keypoints": np.ones((5, 2, 2, 7)).tolist(),
        "scores": np.ones((5, 2, 7)).tolist(),
        "annotations": [0, 1, 0, 1, 0],
        "metadata": {"vocab": {"a": 0, "b": 1}},
    }
    record.update(changes)
    return json.dumps({"g": {"seq": {k: v for k, v in record.items() if v is not None}}})


GOOD = mutate()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD[:-40], ["the file ends in the middle of the sequence 'seq'", "byte"]),
        (GOOD[:-1], ["ends in the middle"]),
        (GOOD[:5], ["byte", "ends in the middle"]),
        (GOOD + "x", ["more after the end"]),
        (GOOD.replace("[0, 1, 0, 1, 0]", "[0, 1, oops]"), ["'seq'", "no JSON"]),
        ("[1, 2]", ["found '['"]),
        ('{"g": {"seq": [1]}}', ["'seq' is no object"]),
        ("{}", ["holds no sequence"]),
        (GOOD.replace('{"seq"', '{"seq": ' + json.dumps(json.loads(GOOD)["g"]["seq"]) + ', "seq"'), ["is there twice"]),
        (mutate(keypoints=None), ["'seq'", "no keypoints"]),
        (mutate(keypoints=np.ones((5, 2, 7, 2)).tolist()), ["(5, 2, 7, 2)", "(time, mouse, 2, part)"]),
        (mutate(keypoints=[[1], [1, 2]]), ["keypoints is no regular array"]),
        (mutate(scores=np.ones((4, 2, 7)).tolist()), ["scores", "(4, 2, 7)"]),
        (mutate(annotations=[0, 1, 7, 0, 0]), ["annotation 7", "vocab"]),
        (mutate(annotations=[0, 1]), ["cover 2 frames", "have 5"]),
        (mutate(metadata={"vocab": {"a": 0, "b": 2}}), ["metadata.vocab"]),
        ("<html></html>", ["web page"]),
    ],
)
def test_calms21_refuses(tmp_path, text, words):
    (tmp_path / "a.json").write_text(text)
    with refusal(InputError, "a.json", *words):
        list(read_tracks("calms21", tmp_path / "a.json", {}, recording="x"))
