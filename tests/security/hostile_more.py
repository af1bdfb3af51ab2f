"""A second set of hostile inputs, made after the first was closed: other formats, keys and readers, of the same kinds.

`python tests/security/hostile_more.py [NAME …]` prints the counts, as `hostile.py` does; on an older checkout the
readers that it does not have are left out.
"""

from __future__ import annotations

import json
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

sys.path.append(str(Path(__file__).parents[2]))
from tests.security import hostile
from tests.security.hostile import FRAMES, NAMED, Case, _claim, _hdf5, _npy, _zip, found, labels, raw, tracks


def optional(*places: str) -> Any:
    """Return what `found` does, or None on a checkout that has none of the places."""
    try:
        return found(*places)
    except ImportError:
        return None


KNOWN = {**found("sources:TRACK_SOURCES"), **found("sources:LABEL_SOURCES")}
read_sheet = optional("cards.sheet:read_sheet")
expand = optional("cards.sheet:expand")
read_decision = optional("behaviour.decided:read_decision")
load_readout = optional("evaluation.probe.readout:load_readout")
read_run = optional("methods.saved:read_run", "methods.runs:load_embedder")
external = optional("methods.external.arrays:read_array")
boxes = optional("detectors.boxes_file:read_csv")
import_run = optional("methods.originals:import_run")
recognise = optional("sources:sniff")

READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "wide_csv": (".csv", tracks("wide_csv")),
    "long_table": (".csv", tracks("long_table")),
    "long_table parquet": (".parquet", tracks("long_table")),
    "jabs": (".h5", tracks("jabs")),
    "nwb_pose": (".nwb", tracks("nwb_pose")),
    "facemap": (".h5", tracks("facemap")),
    "trex": (".npz", tracks("trex")),
    "movement": (".nc", tracks("movement")),
    "movement labels": (".nc", labels("movement", **NAMED)),
    "bento": (".annot", labels("bento", **NAMED)),
    "ethovision": (".txt", labels("ethovision", **NAMED)),
    "elan": (".eaf", labels("elan", **NAMED)),
    "binary_table": (".csv", labels("binary_table", **NAMED)),
    "class_table": (".csv", labels("class_table", **NAMED)),
    "sleap csv": (".csv", tracks("sleap")),
}
READERS = {name: value for name, value in READERS.items() if name.split()[0] in KNOWN}


def _within(folder_file: str, act: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Read a folder in which the hostile file has a given name, beside otherwise valid ones."""

    def work(path: Path) -> Any:
        place = path.parent / "run"
        place.mkdir()
        path.rename(place / folder_file)
        return act(place)

    return work


OTHERS: dict[str, tuple[str, Callable[[Path], Any]]] = {}
if read_sheet:
    OTHERS["sheet"] = (".tsv", read_sheet)
if read_decision:
    OTHERS["decision"] = (".yaml", read_decision)
if load_readout:
    OTHERS["probe config"] = (".yaml", _within("config.yaml", load_readout))
if read_run:
    OTHERS["run config"] = (".yaml", read_run)
if external:
    OTHERS["external array"] = (".npy", lambda path: external(path.parent, "x", FRAMES))
    OTHERS["external csv"] = (".csv", lambda path: external(path.parent, "x", FRAMES))
if boxes:
    OTHERS["boxes"] = (".csv", lambda path: boxes(path, FRAMES))
if import_run:
    for name, file in (("lisbet", "weights.pt"), ("bams", "model.pt"), ("daart", "hparams.yaml"), ("mvd", "x.pth")):
        act = _within(file, lambda path, m=name: import_run(path, path / "out", method=m))  # type: ignore[misc]
        OTHERS[f"import {name}"] = (Path(file).suffix, act)


def general() -> Iterator[Case]:
    """Every such reader against every file of any kind."""
    for reader, (suffix, act) in {**READERS, **OTHERS}.items():
        for kind, write in hostile.ANY_FILE.items():

            def make(folder: Path, write: Callable[[Path], None] = write, suffix: str = suffix) -> Path:
                path = folder / f"x{suffix}"
                (folder / "secret.ts").write_bytes(hostile.SECRET)
                write(path)
                return path

            # An object of nothing is a decision on no task.
            may = reader == "sheet" or (reader, kind) == ("decision", "empty object")
            yield Case(f"{reader}: {kind}", make, act, may=may)
    if recognise:
        from importlib import import_module

        names = list(dict.fromkeys(KNOWN.values()))

        def ask(path: Path) -> Any:
            """Ask every source what a file is, as `ethomake new-dataset` does."""
            for name in names:
                module = import_module(f"workflow_scripts.sources.{name}")
                if hasattr(module, "sniff"):
                    try:
                        recognise(module, path)
                    except hostile.EthoMakeError as error:
                        assert "\n" not in str(error)

        for kind, write in hostile.ANY_FILE.items():
            for suffix in (".csv", ".h5", ".npz", ".nwb", ".eaf", ".annot", ".nc", ".json", ".parquet"):

                def place(folder: Path, write: Callable[[Path], None] = write, suffix: str = suffix) -> Path:
                    write(folder / f"x{suffix}")
                    return folder / f"x{suffix}"

                yield Case(f"new-dataset {suffix}: {kind}", place, ask, may=True)


def _text(name: str, text: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape")
        return folder / name

    return make


def _bytes(name: str, data: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        raw(data)(folder / name)
        return folder / name

    return make


def _h5(name: str, fill: Callable[[h5py.File], Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "secret.ts").write_bytes(hostile.SECRET)
        (_hdf5(fill))(folder / name)  # type: ignore[arg-type]
        return folder / name

    return make


def _big(handle: h5py.File, name: str, shape: tuple[int, ...]) -> None:
    """Write a dataset of zeros, packed 1000 to 1 as deflate may: honest in its ratio, too large for memory."""
    chunk = (2**20, *shape[1:])
    data = handle.create_dataset(name, shape, "<f4", chunks=chunk, compression="gzip")
    packed = zlib.compress(b"\0" * (4 * int(np.prod(chunk))), 9)
    for first in range(0, shape[0], 2**20):
        data.id.write_direct_chunk((first, *(0 for _ in shape[1:])), packed)


def _pose(handle: h5py.File, name: str = "pose", series: int = 1, **changes: Any) -> None:
    """Write the least of NWB's PoseEstimation."""
    node = handle.create_group(f"processing/behavior/{name}")
    node.attrs["neurodata_type"] = "PoseEstimation"
    for k in range(series):
        part = node.create_group(f"p{k}")
        part.attrs["neurodata_type"] = "PoseEstimationSeries"
        values: dict[str, Any] = {"data": np.zeros((5, 2)), "confidence": np.ones(5), "timestamps": np.arange(5.0)}
        for key, value in (values | changes).items():
            if value is not None:
                part[key] = value


def _xml(
    body: str, slots: str = '<TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="500"/>'
) -> str:
    return f"<ANNOTATION_DOCUMENT><TIME_ORDER>{slots}</TIME_ORDER>{body}</ANNOTATION_DOCUMENT>"


def _tier(value: str, first: str = "a", last: str = "b") -> str:
    return (
        f'<TIER TIER_ID="t"><ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="{first}" TIME_SLOT_REF2="{last}">'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>"
    )


def _npz(**arrays: bytes) -> bytes:
    return _zip({f"{name}.npy": data for name, data in arrays.items()})


WIDE = "a_x,a_y\n1,2\n3,4\n"
LONG = "frame,individual,keypoint,x,y\n0,m,a,1,2\n"
SLEAP = "track,frame_idx,instance.score,nose.x,nose.y,nose.score\nt,0,0.9,1,2,0.9\n"
BOXES = "frame,x1,y1,x2,y2\n0,1,2,3,4\n"
DLC = "scorer,s,s,s\nbodyparts,a,a,a\ncoords,x,y,likelihood\n0,1,2,0.9\n"
FRAMES_CSV = "scorer,m,m,m,m,m,m\nbodyparts,a,a,b,b,c,c\ncoords,x,y,x,y,x,y\n"
BENTO = "Bento annotation file\nMovie file(s): x\nAnnotation framerate: {fps}\nAnnotation start frame: {start}\n\n"
BENTO += "List of channels:\nCh1\n\n{channel}\n>attack\nStart\tStop\tDuration\n{row}\n"
ETHO = (
    '"Number of header lines:";"{n}"\n"Trial name";"x"\n\n"Trial time";"Recording time";"attack"\n"s";"s";""\n{rows}\n'
)
DECISION = {
    "kind": "thresholds",
    "fps": 30.0,
    "background": "other",
    "temperature": 1.0,
    "unknown_below": 0.0,
    "held_score": 0.5,
    "classes": {"attack": {"shift": 0.0, "threshold": 0.5, "shortest_s": 0.1, "gap_s": 0.1}, "other": {"shift": 0.0}},
}


def _bento(fps: str = "30", start: str = "1", channel: str = "Ch1----------", row: str = "1\t5\t4") -> str:
    return BENTO.format(fps=fps, start=start, channel=channel, row=row)


TEXTS: dict[str, dict[str, str]] = {
    "wide_csv": {
        "coordinate of 1e30": "a_x,a_y\n1e30,2\n",
        "number of 5000 digits": f"a_x,a_y\n{'9' * 5000},2\n",
        "likelihood of 7": "a_x,a_y,a_likelihood\n1,2,7\n",
        "columns twice": "a_x,a_y,a_x,a_y\n1,2,3,4\n",
        "frames of 1e18": "frame,a_x,a_y\n0,1,2\n1e18,1,2\n",
        "header of 200 000 underscores": "_" * 200_000 + "x,a_y\n1,2\n",
        "name of a formula": "=1+1_x,=1+1_y\n1,2\n",
        "cut in a row": "a_x,a_y\n1,2\n3",
        "half a character": "a\udcff_x,a\udcff_y\n1,2\n",
        "infinite": "a_x,a_y\ninf,2\n-inf,3\n",
        "row too long": "a_x,a_y\n1,2\n3,4,5\n",
        "quoted and cut": '"a_x","a_y"\n"1","2"\n"3"',
        "row short in the middle": "a_x,a_y\n1,2\n3\n5,6\n",
        "semicolons and cut": "a_x;a_y\n1,5;2,5\n3,5",
    },
    "long_table": {
        "frame of 4*10^7": LONG + "".join(f"{4 * 10**7},m{k},a,1,2\n" for k in range(300)),
        "frame of 1e300": LONG + "1e300,m,a,1,2\n",
        "frame of infinity": LONG + "inf,m,a,1,2\n",
        "frame negative": LONG + "-1,m,a,1,2\n",
        "10 000 animals and points": LONG + "".join(f"{k},m{k},p{k},1,2\n" for k in range(10_000)),
        "coordinate of text": LONG + "1,m,a,x,2\n",
        "recording of a path": "recording,frame,individual,keypoint,x,y\n../../x,0,m,a,1,2\n",
        "individual of a line break": 'frame,individual,keypoint,x,y\n0,"a\nb",a,1,2\n',
        "twice": LONG + "0,m,a,1,2\n",
        "cut in a row": LONG + "1,m,a,1\n",
        "coordinate infinite": LONG + "1,m,a,inf,2\n",
        "coordinate of 5000 digits": LONG + f"1,m,a,{'9' * 5000},2\n",
        "frame of 4*10^7 of one animal": LONG + f"{4 * 10**7},m,a,1,2\n",
        "frame of a half": LONG + "0.5,m,a,1,2\n",
    },
    "bento": {
        "channel of 200 000 dashes": _bento(channel="-" * 200_000 + "x-"),
        "channel of dashes and a letter": _bento(channel="a" + "-" * 100_000 + "b---"),
        "start of 5000 digits": _bento(start="9" * 5000),
        "framerate of dots": _bento(fps="1.2.3"),
        "frame of 5000 digits": _bento(row=f"1\t{'9' * 5000}\t3"),
        "second of 1e308": _bento(row="0.5\t1e308\t3"),
        "frame of 10^30": _bento(row=f"1\t{10**30}\t3"),
        "start after the rows": _bento(start=str(10**9)),
        "class of a formula": _bento().replace("attack", "=cmd()"),
    },
    "ethovision": {
        "header lines of 5000 digits": ETHO.format(n="9" * 5000, rows="0;0;1"),
        "header lines of 10^9": ETHO.format(n=10**9, rows="0;0;1"),
        "time of 1e308": ETHO.format(n=5, rows="0;0;1\n1e308;1e308;0"),
        "time of infinity": ETHO.format(n=5, rows="0;0;1\ninf;inf;0"),
        "time backwards": ETHO.format(n=5, rows="0;0;1\n-1;-1;0"),
        "cell of text": ETHO.format(n=5, rows="0;0;yes"),
        "cut in a row": ETHO.format(n=5, rows="0;0;1\n1;1"),
        "time of 10^7 s": ETHO.format(n=5, rows="0;0;1\n1e7;1e7;0"),
        "3000 columns and rows": ETHO.replace('"attack"', ";".join(f'"b{k}"' for k in range(3000))).format(
            n=5, rows="\n".join("0;0;1" for _ in range(3000))
        ),
    },
    "elan": {
        "entity": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>' + _xml(_tier("&b;")),
        "entity in UTF-16": "",
        "time of 5000 digits": _xml(_tier("attack"), f'<TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="{"9" * 5000}"/>'),
        "time of an Arabic digit": _xml(_tier("attack"), '<TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="²"/>'),
        "time of 10^15 ms": _xml(
            _tier("attack"),
            '<TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="999999999999999"/>',
        ),
        "no slot": _xml(_tier("attack", "z", "y")),
        "50 000 levels": _xml("<TIER>" * 50_000 + "</TIER>" * 50_000),
        "class of a line break": _xml(_tier("at\ntack")),
        "include": '<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="/etc/passwd" parse="text"/></a>',
    },
    "sleap csv": {
        "cut in a row": SLEAP + "t,1,0.9,3\n",
        "coordinate of text": SLEAP + "t,1,0.9,x,2,0.9\n",
        "coordinate infinite": SLEAP + "t,1,0.9,1e400,2,0.9\n",
        "frame of 4*10^7": SLEAP + f"t,{4 * 10**7},0.9,1,2,0.9\n",
        "frame of 1e300": SLEAP + "t,1e300,0.9,1,2,0.9\n",
        "frame of a half": SLEAP + "t,0.5,0.9,1,2,0.9\n",
        "frame negative": SLEAP + "t,-1,0.9,1,2,0.9\n",
        "frame of nan": SLEAP + "t,,0.9,1,2,0.9\n",
        "20 000 tracks": SLEAP + "".join(f"t{k},{k},0.9,1,2,0.9\n" for k in range(20_000)),
        "200 000 columns": SLEAP.replace("track", "track," + "," * 200_000),
        "likelihood of 7": SLEAP + "t,1,0.9,1,2,7\n",
    },
    "class_table": {
        "cut in a row": "frame,label\n0,attack\n1",
        "times of 1e300": "time,label\n0,attack\n1e300,other\n2e300,attack\n",
        "times of 10^7": "time,label\n0,attack\n1e7,other\n2e7,attack\n",
        "times of text": "time,label\n0,attack\nx,other\ny,attack\n",
        "class of a formula": "frame,label\n0,=cmd()\n",
    },
    "external csv": {
        "cut in a row": "1,2\n" * (FRAMES - 1) + "1\n",
        "too long a row": "1,2\n" * (FRAMES - 1) + "1,2,3\n",
        "5000 digits": "1,2\n" * (FRAMES - 1) + f"1,{'9' * 5000}\n",
        "text": "1,2\n" * (FRAMES - 1) + "1,x\n",
        "nan": "1,2\n" * (FRAMES - 1) + "1,nan\n",
    },
    "boxes": {
        "blank": "\n\n",
        "cut in a row": BOXES + "1,2,3\n",
        "frame of nan": BOXES + "nan,1,2,3,4\n",
        "frame of infinity": BOXES + "inf,1,2,3,4\n",
        "frame of a half": BOXES + "0.5,1,2,3,4\n",
        "frame negative": BOXES + "-1,1,2,3,4\n",
        "coordinate of nan": BOXES + "0,nan,2,3,4\n",
        "coordinate of 5000 digits": BOXES + f"0,1,2,{'9' * 5000},4\n",
        "reversed": BOXES + "0,5,2,3,4\n",
    },
    "dlc_frames": {
        "cut in a row": FRAMES_CSV + "a.png,1,2,3\n",
        "row too long": FRAMES_CSV + "a.png,1,2,3,4,5,6,7\n",
        "infinite": FRAMES_CSV + "a.png,1,2,3,4,5,inf\n",
        "latin-1": FRAMES_CSV + "\udce9.png,1,2,3,4,5,6\n",
    },
    "bouts_csv": {"cut in a row": "video,label,start,end\nrec,attack,0\n"},
    "csv_events": {
        "cut in a row": "behavior,start_time,end_time\nattack,0.1\n",
        "event twice": "behavior,start_frame,end_frame\nattack,1,5\nattack,1,5\n",
        "frame of a half": "behavior,start_frame,end_frame\nattack,1.5,5\n",
    },
    "simba": {"cut in a row": "Frame,attack\n0,1\n1\n"},
    "deepethogram": {"cut in a row": ",background,attack\n0,1,0\n1,1\n"},
    "daart labels": {"cut in a row": ",attack,other\n0,1,0\n1,1\n"},
    "daart csv": {"cut in a row": DLC + "1,1,2\n", "infinite": DLC + "1,1,inf,0.9\n"},
    "deeplabcut csv": {"cut in a row": DLC + "1,1,2\n"},
    "binary_table": {
        "cut in a row": "frame,attack,other\n0,1,0\n1,1\n",
        "2000 columns": ",".join(f"b{k}" for k in range(2000)) + "\n" + ",".join(["1"] * 2000) + "\n",
        "times of 1e300": "time,attack\n0,1\n1e300,0\n2e300,1\n",
        "times equal": "time,attack\n0,1\n0,0\n0,1\n",
        "values of 2": "attack,other\n2,0\n",
        "columns twice": "attack,attack\n1,0\n" * 1 + "0,1\n",
    },
    "boris": {
        "project of digits": '{"observations": {"a": {"events": [[' + "9" * 5000 + ', "", "attack"]]}}}',
        "project of depth": '{"observations": ' + "[" * 50_000 + "]" * 50_000 + "}",
        "project of nulls": '{"observations": {"a": {"events": [null], "media_info": 3}}, "behaviors_conf": 3}',
        "project of 1e308": '{"observations": {"a": {"events": [[0, "", "attack"], [1e308, "", "attack"]]}}}',
        "time of nan": "Time,Behavior,Behavior type\nnan,attack,START\n",
    },
    "supervisely": {
        "range of 10^30": json.dumps({"tags": [{"name": "attack", "frameRange": [0, 10**30]}]}),
        "range of true": json.dumps({"tags": [{"name": "attack", "frameRange": [False, True]}]}),
        "range of 1e308": '{"tags": [{"name": "attack", "frameRange": [0, 1e308]}]}',
        "tag of a list": '{"tags": [["attack"]]}',
        "name of a list": '{"tags": [{"name": ["attack"]}]}',
    },
    "sheet": {
        "quote without end": 'recording\tfile\n"a\tb.csv\n' + "x" * 200_000,
        "columns twice": "recording\tfile\tfile\na\tb\tc\n",
        "NUL": "recording\tfile\na\0\tb.csv\n",
    },
}
MAY = {
    ("daart csv", "infinite"),  # conversion names the frame
    ("long_table", "recording of a path"),  # every id has its own file name (slugify)
    ("wide_csv", "columns twice"),  # pandas calls the second a_x.1, which is no point
    ("wide_csv", "header of 200 000 underscores"),
    ("binary_table", "columns twice"),
    ("supervisely", "range of 10^30"),
}
ROWS = {
    "pattern up": {"recording": "*", "file": "../*.csv"},
    "pattern of an absolute path": {"recording": "*", "file": "/etc/*"},
    "pattern of ten stars": {"recording": "*", "file": "*a" * 10 + "b"},
    "pattern of stars in a row": {"recording": "*", "file": "a**b"},
    "pattern ending in stars": {"recording": "*", "file": "**"},
    "fps of 1e400": {"recording": "a", "file": "a.csv", "fps": "1e400"},
    "frames of infinity": {"recording": "a", "file": "a.csv", "frames": "inf"},
    "frames of nan": {"recording": "a", "file": "a.csv", "frames": "nan"},
    "start of -5": {"recording": "a", "file": "a.csv", "start": "-5"},
    "span of 1e400": {"recording": "a", "file": "a.csv", "scored": "0-" + "9" * 400},
    "region of digits": {"recording": "a", "file": "a.csv", "region": "1,2,3," + "9" * 5000},
    "region of an exponent": {"recording": "a", "file": "a.csv", "region": "1,2,3,²"},
    "file up": {"recording": "a", "file": "../../etc/passwd"},
    "covariate of a formula": {"recording": "a", "file": "a.csv", "dose": "=cmd()"},
    "recording of a line break": {"recording": "a\nb", "file": "a.csv"},
    "label up": {"recording": "a", "file": "a.csv", "labels": "../x.csv"},
}


def _sheet_card(path: Path) -> Any:
    return hostile.load_card(path)


def sheets() -> Iterator[Case]:
    """Rows of a sheet, which a card takes for files, numbers and names."""
    for name, row in ROWS.items():

        def make(folder: Path, row: dict[str, str] = row) -> Path:
            lab = folder / "lab"
            lab.mkdir()
            for k in range(3):
                (lab / ("a" * (60 + k) + "b")).write_text(WIDE)
            (lab / "a.csv").write_text(WIDE)
            (folder / "out.csv").write_text(WIDE)
            value = {
                **dict.fromkeys(("title", "description", "licence"), "x"),
                "name": "toy",
                "citation": ["c"],
                "source": "wide_csv",
                "fps": 30,
                "local": str(lab),
                "recordings": "toy.recordings.tsv",
                "labels": [{"source": "boris", "options": {"multiclass": "t"}}],
                "tasks": {"t": {"vocabulary": ["x", "y"]}},
            }
            (folder / "toy.yaml").write_text(json.dumps(value))
            cells = [f'"{cell}"' if "\n" in cell else cell for cell in row.values()]
            (folder / "toy.recordings.tsv").write_text("\t".join(row) + "\n" + "\t".join(cells) + "\n")
            return folder / "toy.yaml"

        yield Case(f"sheet: {name}", make, _sheet_card, may=name == "covariate of a formula")


def decisions() -> Iterator[Case]:
    """Values of `decision.yaml` that are no probability, time or price."""
    changes: dict[str, dict[str, Any]] = {
        "temperature of 0": {"temperature": 0},
        "temperature of nan": {"temperature": float("nan")},
        "fps of 0": {"fps": 0},
        "fps of 1e300": {"fps": 1e300},
        "background of no class": {"background": "nothing"},
        "kind of 7": {"kind": 7},
        "classes a list": {"classes": ["a", "b"]},
        "one class": {"classes": {"a": {"shift": 0}}},
        "threshold of 7": {"classes": {"attack": {"shift": 0, "threshold": 7}, "other": {"shift": 0}}},
        "shortest of 1e300": {"classes": {"attack": {"shift": 0, "shortest_s": 1e300}, "other": {"shift": 0}}},
        "shortest of infinity": {
            "classes": {"attack": {"shift": 0, "shortest_s": float("inf")}, "other": {"shift": 0}}
        },
        "gap negative": {"classes": {"attack": {"shift": 0, "gap_s": -1}, "other": {"shift": 0}}},
        "shift of text": {"classes": {"attack": {"shift": "x"}, "other": {"shift": 0}}},
        "unknown key": {"more": 1},
    }
    for name, change in changes.items():
        text = json.dumps({"tasks": {"t": DECISION | change}}).replace("Infinity", ".inf").replace("NaN", ".nan")
        yield Case(f"decision: {name}", _text("decision.yaml", text), read_decision)
    yield Case(
        "decision: valid", _text("decision.yaml", json.dumps({"tasks": {"t": DECISION}})), read_decision, may=True
    )


def _predicted(handle: h5py.File, vocabulary: str = '["a", "b"]', background: Any = "a", **changes: Any) -> None:
    """Write predictions of four frames as ours are."""
    handle.attrs.update(kind="predictions", schema_version=1)
    task = handle.create_group("tasks/t")
    task.attrs.update(kind="multiclass", level="frame", vocabulary=vocabulary, readout="probe", background=background)
    node = task.create_group("r")
    node.attrs["group"] = "g"
    values = {"truth": np.zeros(4, int), "mask": np.ones(4, bool), "prediction": np.zeros(4, int)}
    for name, value in (values | changes).items():
        node[name] = value


def _embedded(handle: h5py.File, dim: Any = 3, value: Any = None) -> None:
    handle.attrs.update(kind="embeddings", schema_version=1, dim=dim, names="[]", attributes="{}")
    handle["recordings/r"] = np.zeros((4, 3), np.float32) if value is None else value


def results() -> Iterator[Case]:
    """Files of ours that somebody else made: predictions and embeddings."""
    predictions: dict[str, Callable[[h5py.File], Any]] = {
        "class of -1": lambda h: _predicted(h, prediction=np.full(4, -1)),
        "class of 2": lambda h: _predicted(h, prediction=np.full(4, 2)),
        "lengths": lambda h: _predicted(h, mask=np.ones(3, bool)),
        "scores of another length": lambda h: _predicted(h, scores=np.zeros((3, 2))),
        "truth of text": lambda h: _predicted(h, truth=np.full(4, b"x"), prediction=np.full(4, b"x")),
        "vocabulary no JSON": lambda h: _predicted(h, vocabulary="[" * 5000),
        "vocabulary a number": lambda h: _predicted(h, vocabulary="7"),
    }
    embeddings: dict[str, Callable[[h5py.File], Any]] = {
        "dim of another width": lambda h: _embedded(h, dim=5),
        "dim of text": lambda h: _embedded(h, dim="x"),
        "one axis": lambda h: _embedded(h, value=np.zeros(4)),
        "text": lambda h: _embedded(h, value=np.full((4, 3), b"x")),
        "a group": lambda h: (_embedded(h), h["recordings"].create_group("q")),
    }
    for reader, cases in (("predictions", predictions), ("embeddings", embeddings)):
        for name, fill in cases.items():
            yield Case(f"{reader}: {name}", _h5("x.h5", fill), hostile.READERS[reader][1])


def _unknown_codec(folder: Path) -> Path:
    """Write a video whose codec has a name that nobody knows."""
    import av

    path = folder / "x.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    return path


def _cut_parquet(path: Path) -> Path:
    path.write_bytes(b"PAR1" + b"\0" * 100 + struct.pack("<I", 2**31 - 1) + b"PAR1")
    return path


def binary() -> Iterator[Case]:
    """HDF5, npz, NetCDF and parquet made for one reader."""
    jabs = {
        "identities of 10^18": lambda h: _jabs(h, identity=10**18),
        "points of text": lambda h: h.create_dataset("poseest/points", data=np.full((5, 1, 12, 2), b"x")),
        "points a group": lambda h: (h.create_group("poseest/points"), h.create_group("poseest/confidence")),
        "count of two axes": lambda h: _jabs(h, count=np.zeros((5, 5))),
        "packed zeros of 4 GB": lambda h: (
            _big(h, "poseest/points", (2**25, 12, 2)) or _big(h, "poseest/confidence", (2**25, 12))
        ),
    }
    nwb = {
        "data a group": lambda h: _pose(h, data=None),
        "data of text": lambda h: _pose(h, data=np.full((5, 2), b"x")),
        "confidence shorter": lambda h: _pose(h, confidence=np.ones(3)),
        "time stamps of nan": lambda h: _pose(h, timestamps=np.full(5, np.nan)),
        "time stamps equal": lambda h: _pose(h, timestamps=np.zeros(5)),
        "time stamps of two axes": lambda h: _pose(h, timestamps=np.zeros((5, 2))),
        "link to itself": lambda h: (
            _pose(h),
            h.__setitem__("processing/behavior/pose/p1", h["processing/behavior/pose"]),
        ),
        "packed zeros of 4 GB": lambda h: (
            _pose(h, data=None) or _big(h, "processing/behavior/pose/p0/data", (2**29, 2))
        ),
        "external link": lambda h: (
            _pose(h, data=None),
            h.__setitem__("processing/behavior/pose/p0/data", h5py.ExternalLink("secret.ts", "/x")),
        ),
    }
    facemap = {
        "axes groups": lambda h: [h.create_group(f"Facemap/eye/{axis}") for axis in ("x", "y", "likelihood")],
        "axes of text": lambda h: [
            h.create_dataset(f"Facemap/eye/{axis}", data=[b"x"]) for axis in ("x", "y", "likelihood")
        ],
        "axes of other lengths": lambda h: [
            h.create_dataset(f"Facemap/eye/{axis}", data=np.zeros(k))
            for k, axis in enumerate(("x", "y", "likelihood"), 1)
        ],
        "packed zeros of 4 GB": lambda h: [
            _big(h, f"Facemap/eye/{axis}", (2**29,)) for axis in ("x", "y", "likelihood")
        ],
        "likelihood of 7": lambda h: [
            h.create_dataset(f"Facemap/eye/{axis}", data=np.full(5, 7.0)) for axis in ("x", "y", "likelihood")
        ],
    }
    for reader, cases in (("jabs", jabs), ("nwb_pose", nwb), ("facemap", facemap)):
        if reader in READERS:
            suffix, act = READERS[reader]
            for name, fill in cases.items():
                # Any number may name a mouse; a hard link inside the file is no loop for a reader that follows none.
                harmless = name in {"identities of 10^18", "link to itself"}
                yield Case(f"{reader}: {name}", _h5(f"x{suffix}", fill), act, may=harmless)
    if "trex" in READERS:
        ones = _npy(np.ones(5))
        zeros = zipfile.ZIP_DEFLATED
        big = _zip({"X.npy": _claim((2**29,), "<f8") + b"\0" * 2**28, "Y.npy": ones}, zeros)
        trex = {
            "frame of 2^60": _npz(X=ones, Y=ones, frame=_npy(np.array([0, 1, 2, 3, 2**60]))),
            "frame of 9*10^7": _npz(X=ones, Y=ones, frame=_npy(np.array([0, 1, 2, 3, 9 * 10**7]))),
            "frame of nan": _npz(X=ones, Y=ones, frame=_npy(np.full(5, np.nan))),
            "frame negative": _npz(X=ones, Y=ones, frame=_npy(np.arange(5) - 9)),
            "frames of two axes": _npz(X=ones, Y=ones, frame=_npy(np.zeros((5, 5)))),
            "claim of 10^11": _npz(X=_claim((10**11,)), Y=ones),
            "packed zeros of 4 GB": big,
            "objects": _npz(X=_npy(np.array([{}], object)), Y=ones),
            "pose of 5000 digits": _npz(**{"X": ones, "Y": ones, "poseX" + "9" * 200: ones, "poseY" + "9" * 200: ones}),
            "coordinate of 1e30": _npz(X=_npy(np.full(5, 1e30)), Y=ones),
        }
        for name, data in trex.items():
            yield Case(f"trex: {name}", _bytes("x_fish0.npz", data), tracks("trex"), may=name.startswith("pose of"))
        for name, other in (
            ("up", "../../../etc/passwd"),
            ("absolute", "/etc/passwd"),
            ("itself in a folder", "a/../x.npz"),
        ):
            act = tracks("trex", others=[other])
            yield Case(f"trex: others {name}", _bytes("x_fish0.npz", _npz(X=ones, Y=ones)), act)
    if "movement" in READERS:
        head = b"CDF\x01" + struct.pack(">I", 0)
        movement = {
            "10^9 dimensions": head + struct.pack(">II", 10, 10**9),
            "10^9 variables": head + struct.pack(">IIIIII", 0, 0, 0, 0, 11, 10**9),
            "streaming records": b"CDF\x01" + struct.pack(">i", -1) + struct.pack(">II", 10, 1),
            "name of 2^31": head + struct.pack(">III", 10, 1, 2**31 - 1),
            "version 5": b"CDF\x05" + b"\0" * 100,
        }
        for name, data in movement.items():
            yield Case(f"movement: {name}", _bytes("x.nc", data), tracks("movement"))
        yield Case(
            "movement: position of text",
            _h5("x.nc", lambda h: h.create_dataset("position", data=b"x")),
            tracks("movement"),
        )
        yield Case("movement: join up", _bytes("x.nc", b"CDF\x01"), tracks("movement", join={"a": "../x.nc"}))
    if "long_table" in KNOWN:
        yield Case(
            "long_table: parquet of 2 GB footer",
            lambda folder: _cut_parquet(folder / "x.parquet"),
            tracks("long_table"),
        )
    if external:
        for name, data in {
            "claim of 10^11": _claim((FRAMES, 10**11)),
            "three axes": _npy(np.zeros((FRAMES, 2, 2))),
            "complex": _npy(np.zeros((FRAMES, 2), complex)),
            "text": _npy(np.full((FRAMES, 2), "x")),
            "not finite": _npy(np.full((FRAMES, 2), np.inf)),
            "csv field of 200 000": b'"' + b"a" * 200_000 + b'"\n',
        }.items():

            def act(path: Path) -> Any:
                return external(path.parent, "x", FRAMES)

            suffix = ".csv" if name.startswith("csv") else ".npy"
            yield Case(f"external array: {name}", _bytes(f"x{suffix}", data), act)


def _jabs(handle: h5py.File, identity: int = 1, count: Any = None) -> None:
    handle["poseest/points"] = np.ones((5, 2, 12, 2), "u2")
    handle["poseest/confidence"] = np.ones((5, 2, 12), "f4")
    handle["poseest/instance_embed_id"] = np.full((5, 2), identity, "u8")
    handle["poseest/instance_count"] = np.full(5, 2) if count is None else count


def special() -> Iterator[Case]:
    """Inputs made for one reader."""
    acts = {**{name: act for name, (_, act) in hostile.READERS.items()}, **{n: a for n, (_, a) in READERS.items()}}
    suffixes = {**{n: s for n, (s, _) in hostile.READERS.items()}, **{n: s for n, (s, _) in READERS.items()}}
    acts |= {name: act for name, (_, act) in OTHERS.items()}
    suffixes |= {name: suffix for name, (suffix, _) in OTHERS.items()}
    for reader, texts in TEXTS.items():
        if reader in acts:
            for name, text in texts.items():
                make = _text(f"x{suffixes[reader]}", text)
                if name == "entity in UTF-16":
                    make = _bytes(
                        "x.eaf", TEXTS["elan"]["entity"].replace('1.0"?', '1.0" encoding="UTF-16"?').encode("utf-16")
                    )
                elif reader == "external csv":
                    make = _text("x.csv", text)
                yield Case(f"{reader}: {name}", make, acts[reader], may=(reader, name) in MAY)
    if expand:
        yield from sheets()
    if read_decision:
        yield from decisions()
    yield Case("video: unknown codec", _unknown_codec, hostile.READERS["video"][1])
    yield from binary()
    yield from results()


def main(wanted: list[str]) -> int:
    """Try the cases and print what came of them."""
    return hostile.main(wanted, [*general(), *special()])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
