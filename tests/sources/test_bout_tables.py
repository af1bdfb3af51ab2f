from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from builders.files import BINARY, MULTI, real, refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.cards.card import Task
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.formats.bouts import Bout, runs
from workflow_scripts.sources import boris, caltech_annotator, read_labels
from workflow_scripts.sources.shared.bouts import seconds_to_frames

RATES = st.sampled_from([25.0, 29.97, 30.0, 50.0, 30000 / 1001])


@st.composite
def tilings(draw, names=("other", "chase", "bite")):
    """Bouts that tile a recording, neighbours differing."""
    lengths = draw(st.lists(st.integers(1, 400), min_size=1, max_size=12))
    bouts, at, last = [], 0, ""
    for length in lengths:
        name = draw(st.sampled_from([n for n in names if n != last]))
        bouts.append(Bout(at, at + length, name))
        at, last = at + length, name
    return bouts


def values_of(bouts, vocabulary):
    return np.concatenate([np.full(b.stop - b.start, vocabulary.index(b.name)) for b in bouts])


@given(st.integers(0, 200_000), st.integers(1, 5000), RATES)
def test_frames_written_in_milliseconds_come_back(start, length, fps):
    seconds = round(start / fps, 3), round((start + length) / fps, 3)
    assert seconds_to_frames(*seconds, fps) == (start, start + length)


@pytest.mark.parametrize(
    ("start", "stop", "fps", "frames"),
    [
        (34.725, 41.95, 30, (1041, 1259)),  # 1041.75 and 1258.5: both touched frames count
        (0.1, 0.3, 30, (3, 9)),  # 0.1 * 30 is 3.0000000000000004
        (2.0, 2.0, 30, (60, 61)),  # a point is one frame
        (1.001, 1.002, 30, (30, 31)),
    ],
)
def test_seconds_touch_frames(start, stop, fps, frames):
    assert seconds_to_frames(start, stop, fps) == frames


@settings(max_examples=40, deadline=None)
@given(bouts=tilings(), fps=RATES)
def test_boris_round_trip(tmp_path_factory, bouts, fps):
    path = tmp_path_factory.mktemp("boris") / "events.csv"
    n = bouts[-1].stop
    boris.write_boris(path, bouts, fps, n_frames=n, media="video.mp4")
    warn: list[str] = []
    made = read_labels("boris", path, {"multiclass": "m"}, n_frames=n, fps=fps, tasks=MULTI, warn=warn)["m"]
    np.testing.assert_array_equal(made.values, values_of(bouts, MULTI["m"].vocabulary))
    assert made.mask.all()
    assert warn == []


@settings(max_examples=40, deadline=None)
@given(bouts=tilings())
def test_caltech_round_trip(tmp_path_factory, bouts):
    path = tmp_path_factory.mktemp("caltech") / "annot.txt"
    caltech_annotator.write(path, {"S1": [(b.start + 1, b.stop, b.name) for b in bouts], "S2": [(1, 1, "bite")]})
    n = bouts[-1].stop
    made = read_labels("caltech_annotator", path, {"channels": {"S1": "m"}}, n_frames=n, fps=30, tasks=MULTI)["m"]
    expected = values_of(bouts, MULTI["m"].vocabulary)
    np.testing.assert_array_equal(made.values, expected)
    assert made.mask.all()
    assert [(a, b) for a, b, _ in runs(made.values).triples()] == [(b.start, b.stop) for b in bouts]


OLD = """Observation id,DLC3,,,,,,,
,,,,,,,,
Time offset (s),0.0,,,,,,,
,,,,,,,,
Time,Media file path,Total length,FPS,Subject,Behavior,Behavioral category,Comment,Status
"""
NEW = "Observation id,Media file name,Media duration (s),FPS (frame/s),Subject,Behavior,Behavior type,Time\n"


def labels(tmp_path: Path, source: str, text: str | bytes, options=None, n_frames=100, fps=10.0, tasks=None):
    path = tmp_path / "labels.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    warn: list[str] = []
    options = {"multiclass": "m"} if options is None else options
    made = read_labels(source, path, options, n_frames=n_frames, fps=fps, tasks=tasks or MULTI, warn=warn)
    return made, warn


def test_boris_old_layout_with_preamble(tmp_path):
    text = OLD + (
        "1.0,/v.avi,10.000,10.0,x,chase,,,START\n2.0,/v.avi,10.000,10.0,x,chase,,,STOP\n"
        "3.05,/v.avi,10.000,10.0,x,bite,,,POINT\n"
    )
    made, warn = labels(tmp_path, "boris", text)
    assert runs(made["m"].values).triples() == [(0, 10, 0), (10, 20, 1), (20, 30, 0), (30, 31, 2), (31, 100, 0)]
    assert warn == []


def test_boris_new_layout_any_column_order_and_delimiter(tmp_path):
    rows = "1.0;START;chase;x\n1.5;START;chase;y\n2.0;STOP;chase;x\n2.5;STOP;chase;y\n"
    text = "Time;Behavior type;Behavior;Subject\n" + rows
    options = {"binary": {"chase": "chasing", "bite": "biting"}}
    with refusal(InputError, "2 subjects", "'x', 'y'", "by_subject: true"):
        labels(tmp_path, "boris", text, options, tasks=BINARY)
    made, _ = labels(tmp_path, "boris", text, options | {"by_subject": False}, tasks=BINARY)
    assert runs(made["chasing"].values).triples() == [(0, 10, 0), (10, 25, 1), (25, 100, 0)]
    assert made["chasing"].vocabulary == ("no chase", "chase")
    assert not made["biting"].values.any()
    only, _ = labels(tmp_path, "boris", text, {"binary": {"chase": "chasing"}, "subjects": ["y"]}, tasks=BINARY)
    assert runs(only["chasing"].values).triples() == [(0, 15, 0), (15, 25, 1), (25, 100, 0)]


def test_boris_aggregated_layout(tmp_path):
    made, _ = labels(tmp_path, "boris", "Subject,Behavior,Behavior type,Start (s),Stop (s)\nx,chase,STATE,1.0,2.0\n")
    assert made["m"].values.sum() == 10


def test_boris_media_shorter_than_the_tracks_leaves_frames_unlabelled(tmp_path):
    text = NEW + "o,v,9.9,10,x,chase,START,1.0\no,v,9.9,10,x,chase,STOP,2.0\n"
    made, warn = labels(tmp_path, "boris", text)
    assert made["m"].mask.sum() == 99
    assert "the last 1 frames are unlabelled" in warn[0]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("o,v,10,10,x,chase,START,1.0\n", ["line 2", "'chase'", "no STOP"]),
        ("o,v,10,10,x,chase,STOP,1.0\n", ["line 2", "stops without a START"]),
        ("o,v,10,10,x,chase,START,1.0\no,v,10,10,x,chase,START,2.0\n", ["line 3", "line 2", "unpaired"]),
        ("o,v,10,10,x,chase,BEGIN,1.0\n", ["line 2", "START, STOP or POINT", "BEGIN"]),
        ("o,v,10,10,x,chase,START,1:05\n", ["line 2", "seconds", "1:05"]),
        ("o,v,10,10,x,chase,START,-1.0\n", ["line 2", "negative"]),
        ("o,v,10,10,x,chase,START,nan\n", ["line 2", "not finite"]),
        ("o,v,10,10,x,chase\n", ["line 2", "cut short"]),
        ("o,v,10,10,x,chace,POINT,1\n", ["line 2", "'chace'", "did you mean 'chase'"]),
        ("o,v,10,10,x,chase,POINT,1\np,v,10,10,x,bite,POINT,1\n", ["2 observations", "observation"]),
        ("o,v,20,10,x,chase,POINT,1\n", ["200 frames", "100", "one recording"]),
        (
            "o,v,10,10,x,chase,START,1\no,v,10,10,x,bite,START,2\no,v,10,10,x,chase,STOP,3\no,v,10,10,x,bite,STOP,4\n",
            ["lines 2 and 3", "overlap", "binary task"],
        ),
    ],
)
def test_boris_refuses(tmp_path, rows, words):
    with refusal(InputError, "labels.txt", *words):
        labels(tmp_path, "boris", NEW + rows)


def test_boris_writer_refuses_and_leaves_nothing(tmp_path):
    with refusal(InputError, "before the first frame"):
        boris.write_boris(tmp_path / "x.csv", [Bout(-1, 3, "chase")], 30, n_frames=5)
    assert list(tmp_path.iterdir()) == []


def test_csv_events_seconds_and_frames_agree(tmp_path):
    seconds, _ = labels(tmp_path, "csv_events", "behavior,start_time,end_time\nchase,1.0,2.0\nbite,2.0,2.5\n")
    frames, _ = labels(tmp_path, "csv_events", "end_frame,behavior,start_frame\n20,chase,10\n25,bite,20\n")
    ours, _ = labels(
        tmp_path,
        "csv_events",
        "behavior,start_frame,end_frame\nchase,11,20\nbite,21,25\n",
        {"multiclass": "m", "first_frame": 1, "end_included": True},
    )
    np.testing.assert_array_equal(seconds["m"].values, frames["m"].values)
    np.testing.assert_array_equal(seconds["m"].values, ours["m"].values)
    assert runs(seconds["m"].values).triples() == [(0, 10, 0), (10, 20, 1), (20, 25, 2), (25, 100, 0)]


def test_csv_events_options(tmp_path):
    text = "behavior,start_frame,end_frame,annotator\nhunt,0,5,ann\nhunt,50,55,bob\nsneeze,6,7,ann\n"
    options = {
        "multiclass": "m",
        "annotator": "ann",
        "rename": {"hunt": "chase"},
        "ignore": ["sneeze"],
        "background": None,
    }
    made, _ = labels(tmp_path, "csv_events", text, options)
    assert made["m"].mask.sum() == 5
    assert (made["m"].values[:5] == 1).all()
    with refusal(InputError, "2 annotators", "ann, bob"):
        labels(tmp_path, "csv_events", text)
    with refusal(InputError, "'anne'", "did you mean 'ann'"):
        labels(tmp_path, "csv_events", text, {**options, "annotator": "anne"})


def test_labels_a_little_past_the_end_are_cut_with_a_warning(tmp_path):
    made, warn = labels(tmp_path, "csv_events", "behavior,start_frame,end_frame\nchase,90,102\n")
    assert (made["m"].values[90:] == 1).all()
    assert "2 labels past the end are cut" in warn[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("behavior,start_frame,end_frame\nchase,90,103\n", ["103 frames", "100"]),
        ("behavior,start_frame,end_frame\nchase,5,4\n", ["line 2", "before it starts"]),
        ("behavior,start_frame,end_frame\nchase,5,5\n", ["line 2", "ends before it starts"]),
        ("behavior,start_time,end_time\nchase,-1,4\n", ["line 2", "negative"]),
        ("behavior,start_frame,end_frame\nchase,1.5,4\n", ["line 2", "whole frame"]),
        ("behavior,start_frame,end_frame\nchase,1,4\nbite,3,6\n", ["lines 2 and 3", "overlap"]),
        ("behavior,start_time,endtime\nchase,1,4\n", ["line 1", "'end_time'", "endtime"]),
        ("behavior,start_time,end_time\nchase,1\n", ["line 2", "2 cells", "3"]),
        ("behavior,start_time,end_time,behavior\nchase,1,2,x\n", ["line 1", "twice"]),
        ("behavior,start_time,end_time\nchase,one,4\n", ["line 2", "start_time", "'one'"]),
    ],
)
def test_csv_events_refuses(tmp_path, text, words):
    with refusal(InputError, "labels.txt", *words):
        labels(tmp_path, "csv_events", text)


CALTECH = (
    "Caltech Behavior Annotator - Annotation File\n\nConfiguration file:\nother\to\nchase\tc\n\n"
    "S1:\tstart\tend\ttype\n----\n"
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CALTECH + "\t0\t5\tchase\n", ["line 9", "count from 1"]),
        (CALTECH + "\t7\t5\tchase\n", ["line 9", "reversed"]),
        (CALTECH + "\t1\t5\tcha\n", ["line 9", "'cha'", "did you mean 'chase'"]),
        (CALTECH + "\t1\t5\n", ["line 9", "start, end and type"]),
        (CALTECH + "\t1\t60\tchase\n\t60\t100\tother\n", ["lines 9 and 10", "overlap"]),
        (CALTECH + "\t1\t50\tchase\n", ["50 frames", "100"]),
        (CALTECH.replace("S1:", "S2:") + "\t1\t5\tchase\n", ["no channel 'S1'", "S2"]),
        (CALTECH + "\nS1:\n", ["line 10", "is there twice"]),
        ("hello\n", ["line 1", "Caltech"]),
        (CALTECH.split("S1")[0], ["has no channel"]),
    ],
)
def test_caltech_refuses(tmp_path, text, words):
    with refusal(InputError, "labels.txt", *words):
        labels(tmp_path, "caltech_annotator", text, {"channels": {"S1": "m"}})


def test_caltech_holes_are_unlabelled_and_partial_is_asked_for(tmp_path):
    text = CALTECH + "\t1\t10\tchase\n\t21\t50\tother\n"
    made, warn = labels(tmp_path, "caltech_annotator", text, {"channels": {"S1": "m"}, "partial": True})
    assert made["m"].mask.sum() == 40
    assert not made["m"].mask[10:20].any()
    assert "the last 50 frames are unlabelled" in warn[0]
    filled, _ = labels(
        tmp_path, "caltech_annotator", text, {"channels": {"S1": "m"}, "partial": True, "background": "other"}
    )
    assert filled["m"].mask.sum() == 50


BAD = {
    b"": "empty",
    b"\n\n": "empty",
    b"\x89PNG\r\n\x1a\n....": "PNG image",
    b"<!DOCTYPE html><html>404</html>": "web page",
    b"\x89HDF\r\n\x1a\n": "HDF5",
    b"PK\x03\x04zip": "zip",
    b"ab\x00cd": "binary",
    b"caf\xe9,1,2\n": "UTF-8",
}


@pytest.mark.parametrize("source", ["caltech_annotator", "boris", "csv_events"])
@pytest.mark.parametrize(("content", "word"), BAD.items())
def test_files_of_another_kind(tmp_path, source, content, word):
    options = {"channels": {"S1": "m"}} if source == "caltech_annotator" else {"multiclass": "m"}
    with refusal(InputError, "labels.txt", word):
        labels(tmp_path, source, content, options)


def test_options_and_tasks_are_checked(tmp_path):
    text = "behavior,start_frame,end_frame\nchase,0,4\n"
    with refusal(ConfigError, "'multclass'", "did you mean 'multiclass'"):
        labels(tmp_path, "csv_events", text, {"multclass": "m"})
    with refusal(ConfigError, "multiclass", "binary"):
        labels(tmp_path, "csv_events", text, {})
    with refusal(ConfigError, "'behavor'", "did you mean 'behaviour'"):
        labels(tmp_path, "csv_events", text, {"multiclass": "behavor"}, tasks={"behaviour": Task(vocabulary=["a"])})
    with refusal(ConfigError, "no vocabulary"):
        labels(tmp_path, "csv_events", text, {"multiclass": "m"}, tasks={"m": Task()})
    with refusal(ConfigError, "'othr'", "did you mean 'other'"):
        labels(tmp_path, "csv_events", text, {"multiclass": "m", "background": "othr"})
    with refusal(ConfigError, "'borris'", "did you mean 'boris'"):
        labels(tmp_path, "borris", text)
    with refusal(InputError, "does not exist"):
        read_labels("boris", tmp_path / "none.csv", {"multiclass": "m"}, n_frames=5, fps=30, tasks=MULTI)


def test_real_boris():
    path = real("mice-pair-mars7", "boris", "e3v813a-20210610T122332-122642_reencode.csv")
    tasks = {"interact": Task(kind="binary")}
    made = read_labels("boris", path, {"binary": {"interact": "interact"}}, n_frames=5700, fps=30, tasks=tasks)
    bouts = [(a, b) for a, b, v in runs(made["interact"].values).triples() if v]
    assert len(bouts) == 10
    assert bouts[0] == (895, 1042)  # 29.850 s and 34.725 s at 30 frames a second
    assert made["interact"].values.sum() == 672
    assert made["interact"].mask.all()  # the media are 190.000 s long


@pytest.mark.parametrize(("session", "length"), [("1", 14734), ("8", 15256), ("12", 12987)])
def test_real_caltech(session, length):
    channels = caltech_annotator.read_channels(real("rats-pairs-a", "annotations", f"{session}_annot.txt"))
    assert sorted(channels) == ["S1", "S2"]
    for bouts in channels.values():
        assert bouts[0].start == 0
        assert bouts[-1].stop == length
        assert all(a.stop == b.start for a, b in itertools.pairwise(bouts))
