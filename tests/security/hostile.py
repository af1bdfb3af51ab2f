"""Hostile inputs, each tried in a process of its own: `python tests/security/hostile.py [NAME …]` prints the counts.

Runs on this checkout and, for comparison, on older ones (`PYTHONPATH=<old checkout> python tests/security/hostile.py`):
names are looked up in the places they had. An outcome is

- ``read``: accepted, without a word; right for the cases that are valid, and for odd but harmless ones (``may``);
- ``sentence``: refused in one line;
- ``traceback``, ``hang`` (over 20 s of the processor, or 90 s by the clock), ``memory`` (a MemoryError, at 3 GB),
  ``crash`` (it died), ``leak`` (bytes of another file came back, or a password left).
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import resource
import signal
import struct
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import numpy as np

SECONDS, WAITED = 20, 90
"""Of the processor, and by the clock: a busy machine is not to be taken for an input that hangs."""
MEMORY = 3 * 2**30
SECRET = b"root:x:0:0:the content of another file\n" * 40


def found(*places: str) -> Any:
    """Return the first of several `module:name` that exists here."""
    for place in places:
        module, _, name = place.partition(":")
        try:
            return getattr(import_module(f"workflow_scripts.{module}"), name)
        except (ImportError, AttributeError):
            continue
    raise ImportError(places[0])


EthoMakeError = found("core.errors:EthoMakeError", "errors:EthoMakeError")
read_yaml = found("core.files:read_yaml", "files:read_yaml")
read_json = found("core.files:read_json", "files:read_json")
validate = found("core.validation:validate", "config:validate")
slugify = found("core.names:slugify", "cards:slugify")
Card = found("cards.card:Card", "cards:Card")
Task = found("cards.card:Task", "cards:Task")
RemoteFile = found("cards.card:RemoteFile", "cards:RemoteFile")
load_card = found("cards.card:load_card", "cards:load_card")
Configuration = found("experiment.schema:Configuration", "config:Configuration")
read_tracks = found("sources:read_tracks")
read_labels = found("sources:read_labels")
read_images = found("sources:read_images")
open_tracks = found("formats.tracks:open_tracks")
open_images = found("formats.images:open_images")
open_clips = found("formats.clips:open_clips")
open_embeddings = found("formats.embeddings:open_embeddings")
open_predictions = found("formats.predictions:open_predictions")
read_split = found("formats.splits:read_split")
read_section = found("formats.sections:read_section")
load_sections = found("report.sections:load")
read_table = found("formats.tables:read_table")
read_small = found("formats.tables:read_small")
load_weights = found("training.weights:load_weights", "training.checkpoints:load_weights")
read_checkpoint = found("training.checkpoints:read_checkpoint")
probe = found("video.metadata:probe", "video.probe:probe")
fetch = found("fetch:fetch")
unpack = found("fetch:unpack")
write_elan = found("sources.elan:write_elan")
Bout = found("sources.shared.bouts:Bout", "sources.bouts:Bout")
load_embedder = found("methods.runs:load_embedder", "methods.runs:load_embedder", "jobs:load_embedder")

TASKS = {"behaviour": Task(kind="multiclass", vocabulary=["attack", "other"])}
NAMED = {"multiclass": "behaviour"}
FRAMES = 40


def tracks(source: str, **options: Any) -> Callable[[Path], Any]:
    return lambda path: list(read_tracks(source, path, options, recording="rec"))


def labels(source: str, **options: Any) -> Callable[[Path], Any]:
    return lambda path: read_labels(source, path, options, n_frames=FRAMES, fps=30.0, tasks=TASKS)


def images(source: str, **options: Any) -> Callable[[Path], Any]:
    return lambda path: read_images(source, path, options)


def canonical(opener: Callable[[Path], Any], read: Callable[[Any], Any]) -> Callable[[Path], Any]:
    def work(path: Path) -> Any:
        with opener(path) as reader:
            return read(reader)

    return work


def all_predictions(reader: Any) -> Any:
    return [(reader.info(task), list(reader.iterate(task))) for task in reader.tasks]


READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "deeplabcut csv": (".csv", tracks("deeplabcut")),
    "deeplabcut h5": (".h5", tracks("deeplabcut")),
    "sleap": (".h5", tracks("sleap")),
    "calms21": (".json", tracks("calms21")),
    "mabe22": (".npy", tracks("mabe22")),
    "daart csv": (".csv", tracks("daart_csv")),
    "daart npy": (".npy", tracks("daart_csv")),
    "lisbet_archive": (".h5", tracks("lisbet_archive")),
    "bams_dict": (".npy", tracks("bams_dict")),
    "quadrupeds": (".npy", tracks("quadrupeds")),
    "boris": (".csv", labels("boris", **NAMED)),
    "csv_events": (".csv", labels("csv_events", **NAMED)),
    "bouts_csv": (".csv", labels("bouts_csv", **NAMED)),
    "deepethogram": (".csv", labels("deepethogram", **NAMED)),
    "simba": (".csv", labels("simba", behaviours=["attack"], **NAMED)),
    "supervisely": (".json", labels("supervisely", **NAMED)),
    "daart labels": (".csv", labels("daart_csv", background=None)),
    "behaviordepot": (".mat", labels("behaviordepot", task="behaviour")),
    "caltech": (".annot", labels("caltech_annotator", channels={"S1": "behaviour"})),
    "rat_npz": (".npz", images("rat_npz")),
    "rat_npz objects": (".npz", images("rat_npz", object_arrays=True)),
    "mars_crops": (".zip", images("mars_crops")),
    "dlc_frames": (".csv", images("dlc_frames", head=["a"], neck=["b"], base=["c"])),
    "video": (".mp4", probe),
    "tracks": (".h5", canonical(open_tracks, list)),
    "images": (".h5", canonical(open_images, lambda reader: list(reader.iterate()))),
    "clips": (".h5", canonical(open_clips, list)),
    "embeddings": (".h5", canonical(open_embeddings, lambda reader: [reader.read(name) for name in reader.ids])),
    "predictions": (".h5", canonical(open_predictions, all_predictions)),
    "split": (".json", read_split),
    "section": (".json", read_section),
    "result table": (".csv", read_table),
    "small table": (".csv", read_small),
    "weights": (".safetensors", load_weights),
    "checkpoint": (".ckpt", read_checkpoint),
    "card": (".yaml", load_card),
    "experiment": (".yaml", lambda path: validate(Configuration, read_yaml(path), where=str(path))),
    "yaml": (".yaml", read_yaml),
    "json": (".json", read_json),
    "archive": (".zip", lambda path: unpack(path, ["a.csv"], path.parent / "out")),
}


@dataclass(frozen=True)
class Case:
    """One input: `make` writes it into a folder, `act` opens it; `may` says that accepting it is right."""

    name: str
    make: Callable[[Path], Path]
    act: Callable[[Path], Any]
    may: bool = False


def raw(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


def _hdf5(fill: Callable[[h5py.File], None]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with h5py.File(path, "w") as handle:
            fill(handle)

    return make


def _npy(value: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, value, allow_pickle=True)
    return stream.getvalue()


def _npy_pickle(payload: bytes) -> bytes:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|O", "fortran_order": False, "shape": ()})
    return head.getvalue() + payload


def _claim(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": descr, "fortran_order": False, "shape": shape})
    return head.getvalue()


def nested_tuples(depth: int = 60) -> bytes:
    """Return a pickle of a pair of one pair of one pair …, each shared: 2^depth values when written out."""
    return b"\x80\x04" + b"K\x01" + b"".join(b"\x94h" + bytes([k]) + b"\x86" for k in range(depth)) + b"."


class _Evil:
    def __reduce__(self) -> Any:
        return os.system, ("echo ran > /tmp/hostile_ran",)


def _zip(members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def fifo(path: Path) -> None:
    os.mkfifo(path)


ANY_FILE: dict[str, Callable[[Path], None]] = {
    "empty": raw(b""),
    "folder": lambda path: path.mkdir(),
    "pipe": fifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "dangling link": lambda path: path.symlink_to("/nowhere"),
    "noise": raw(bytes(np.random.default_rng(0).integers(0, 256, 4000, dtype=np.uint8))),
    "NUL": raw(b"\0" * 4000),
    "latin-1": raw("Frame,Größe\n1,2\n".encode("latin-1")),
    "web page": raw(b"<!doctype html><html><body>404</body></html>"),
    "brackets": raw(b"[" * 100_000),
    "braces": raw(b'{"a":' * 50_000),
    "digits": raw(b'{"a": ' + b"9" * 5000 + b"}"),
    "quote": raw(b'"' + b"a" * 200_000),
    "commas": raw(b"," * 200_000 + b"\n1"),
    "newlines": raw(b"\n" * 10_000),
    "pickle": raw(pickle.dumps(_Evil())),
    "npy of a call": raw(_npy_pickle(pickle.dumps(_Evil()))),
    "npy tuples": raw(_npy_pickle(nested_tuples())),
    "npy claim": raw(_claim((10**11,))),
    "npz of a claim": raw(_zip({"images.npy": _claim((10**11, 50, 50), "|u1"), "locs_head.npy": b""})),
    "empty zip": raw(_zip({})),
    "cut zip": raw(_zip({"a.csv": b"1,2\n" * 1000})[:60]),
    "empty hdf5": _hdf5(lambda handle: None),
    "hdf5 of odd nodes": _hdf5(
        lambda handle: (
            [
                handle.create_group(name)
                for name in (
                    "tracks",
                    "node_names",
                    "recordings/x",
                    "tasks/x",
                    "images",
                    "keypoints",
                    "clips",
                    "a/keypoints",
                )
            ]
            and None
        )
    ),
    "hdf5 kind of 7": _hdf5(lambda handle: handle.attrs.update(kind=7, schema_version=1)),
    "gzip": raw(gzip.compress(b"a,b\n1,2\n")),
    "xml": raw(b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
    "mat": raw(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"\x0e\0\0\0\xff\xff\xff\x7f" + b"\0" * 64),
    "playlist": raw(b"#EXTM3U\n#EXTINF:10,\nsecret.ts\n#EXT-X-ENDLIST\n"),
    "torch zip": raw(_zip({"archive/data.pkl": pickle.dumps(_Evil()), "archive/version": b"3\n"}, 0)),
    "safetensors head": raw(struct.pack("<Q", 2**40) + b"{}"),
    "yaml alias bomb": raw(
        b"a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(f"a{k}: &a{k} [{','.join([f'*a{k - 1}'] * 9)}]\n".encode() for k in range(1, 9))
    ),
    "yaml dates": raw(b"date: 2024-99-99\n"),
    "yaml merge": raw(b"<<: 3\n"),
    "yaml loop": raw(b"a: &a [*a]\n"),
    "one list": raw(b"[1, 2]"),
    "one text": raw(b'"x"'),
    "null": raw(b"null"),
    "empty object": raw(b"{}"),
    "object of nulls": raw(b'{"tags": [null], "objects": null, "frames": 3, "schema_version": 1, "title": null}'),
}


def general() -> Iterator[Case]:
    """Every reader against every file of any kind."""
    for reader, (suffix, act) in READERS.items():
        for kind, write in ANY_FILE.items():

            def make(folder: Path, write: Callable[[Path], None] = write, suffix: str = suffix) -> Path:
                path = folder / f"x{suffix}"
                (folder / "secret.ts").write_bytes(SECRET)
                write(path)
                return path

            harmless = reader in {"yaml", "json", "small table", "experiment", "result table", "archive"}
            yield Case(f"{reader}: {kind}", make, act, may=harmless)


def _sleap(handle: h5py.File, tracks: Any = None, **more: Any) -> None:
    """Write what a SLEAP analysis file holds; `tracks` replaces the coordinates."""
    frames = 25
    if tracks is None:
        handle["tracks"] = np.zeros((1, 2, 2, frames))
    elif callable(tracks):
        tracks(handle)
    else:
        handle["tracks"] = tracks
    for name, value in ({"track_names": [b"m"], "node_names": [b"a", b"b"]} | more).items():
        handle[name] = value


def _external(handle: h5py.File, folder: Path, kind: str) -> None:
    """Let `tracks` take its bytes from `secret.ts`."""
    shape = (1, 2, 2, 25)
    if kind == "storage":
        handle.create_dataset("tracks", shape, "<f8", external=[(str(folder / "secret.ts"), 0, 800)])
    elif kind == "pipe storage":
        os.mkfifo(folder / "pipe")
        handle.create_dataset("tracks", shape, "<f8", external=[(str(folder / "pipe"), 0, 800)])
    else:
        with h5py.File(folder / "other.h5", "w") as other:
            other["tracks"] = np.ones(shape)
        if kind == "link":
            handle["tracks"] = h5py.ExternalLink("other.h5", "/tracks")
        elif kind == "soft through link":
            handle["a"] = h5py.ExternalLink("other.h5", "/")
            handle["tracks"] = h5py.SoftLink("/a/tracks")
        elif kind == "dangling":
            handle["tracks"] = h5py.SoftLink("/nowhere")
        else:
            layout = h5py.VirtualLayout(shape, "<f8")
            layout[...] = h5py.VirtualSource(folder / "other.h5", "tracks", shape)
            handle.create_virtual_dataset("tracks", layout)


def _tracks_file(handle: h5py.File, **changes: Any) -> h5py.Group:
    """Write a canonical file of one recording; `changes` replace its nodes and attributes (None = left out)."""
    handle.attrs.update(kind="tracks", schema_version=1)
    node = handle.create_group("recordings/r")
    held: dict[str, Any] = {"position": np.zeros((9, 1, 2, 2), "f4"), "confidence": np.ones((9, 1, 2), "f4")}
    marks: dict[str, Any] = {"fps": 30.0, "unit": "px", "group": "g", "individuals": '["m"]', "keypoints": '["a","b"]'}
    marks |= {"source_sha256": "{}", "warnings": "[]"}
    for name, value in (held | marks | changes).items():
        if value is None:
            continue
        if name in held:
            node[name] = value
        else:
            node.attrs[name] = value
    return node


CARD = """name: toy
title: t
description: d
licence: l
citation: [c]
source: deeplabcut
fps: 30
files: [{path: a.csv, urls: ['https://example.org/a.csv']}]
shards: [{id: a, tracks: a.csv}]
"""


def card(**changes: str) -> bytes:
    """Return a small card; each change replaces the line of that key, or is added."""
    lines = {line.split(":")[0]: line for line in CARD.splitlines()}
    lines |= {key: f"{key}: {value}" for key, value in changes.items()}
    return "\n".join(lines.values()).encode()


FILES_AB = "[{path: a.csv, urls: [u]}, {path: b.csv, urls: [u]}]"
CARDS = {
    "clashing splits": card(
        files=FILES_AB,
        shards="[{id: a, tracks: a.csv}, {id: b, tracks: b.csv}]",
        splits="{fold: {folds: [[a], [b]]}, fold0: {train: [a], test: [b]}}",
    ),
    "split with a space": card(splits="{'my split': {test: [a]}}"),
    "split of many folds": card(splits="{f: {deal: 1000000000}}"),
    "task with a slash": card(tasks="{'a/b': {vocabulary: [x, y]}}"),
    "task of dots": card(tasks="{'..': {vocabulary: [x, y]}}"),
    "class twice": card(tasks="{t: {vocabulary: [x, x]}}"),
    "class with a line break": card(tasks='{t: {vocabulary: ["x\\ny", z]}}'),
    "class of a formula": card(tasks='{t: {vocabulary: ["=1+1", z]}}'),
    "empty class": card(tasks="{t: {vocabulary: ['', z]}}"),
    "binary of three": card(tasks="{t: {kind: binary, vocabulary: [a, b, c]}}"),
    "files twice": card(files="[{path: a.csv, urls: [u], md5: " + "0" * 32 + "}, {path: a.csv, urls: [v]}]"),
    "path with braces": card(files="[{path: 'a{x}.csv', urls: [u]}]", shards="[{id: a, tracks: 'a{x}.csv'}]"),
    "path of 240 characters": card(
        files=f"[{{path: {'a' * 240}, urls: [u]}}]", shards=f"[{{id: a, tracks: {'a' * 240}}}]"
    ),
    "path with a line break": card(files='[{path: "a\\nb", urls: [u]}]', shards='[{id: a, tracks: "a\\nb"}]'),
    "path with dots": card(files="[{path: ./a.csv, urls: [u]}]", shards="[{id: a, tracks: ./a.csv}]"),
    "path outside": card(files="[{path: ../a.csv, urls: [u]}]", shards="[{id: a, tracks: ../a.csv}]"),
    "fps of true": card(fps="true"),
    "fps of 1e300": card(fps="1e300"),
    "fps of infinity": card(fps=".inf"),
    "fps negative": card(fps="-1"),
    "image size of 0": card(image_size="[0, -1]"),
    "id with a control character": card(shards='[{id: "a\\u0007", tracks: a.csv}]'),
    "id of half a character": card(shards='[{id: "a\\ud800", tracks: a.csv}]'),
    "empty id": card(shards="[{id: '', tracks: a.csv}]"),
    "keypoints twice": card(keypoints="[a, a]"),
    "name of a path": card(name="../x"),
    "seed of 2^70": card(splits=f"{{f: {{deal: 2, seed: {2**70}}}}}"),
    "alias bomb": card(options="{}", citation="[" + "x" + "]") + b"\nfiles: 1",
}
BASE = "datasets: {toy: {}}\nmethods: {pca: {}}\n"
EXPERIMENTS = {
    "seed of 2^64": BASE + f"seeds: [{2**64}]",
    "negative seed": BASE + "seeds: [-1]",
    "seed of true": BASE + "seeds: [true]",
    "seed twice": BASE + "seeds: [1, 1]",
    "negative alpha": BASE + "probe: {alphas: [-1.0]}",
    "infinite alpha": BASE + "probe: {alphas: [.inf]}",
    "no method": "datasets: {toy: {}}\nmethods: {}\n",
    "empty sweep": BASE + "sweep: {pca: {dim: []}}",
    "split with a space": BASE.replace("{}}", "{splits: ['a b']}}", 1),
    "experiment of a path": BASE + "experiment: ../x",
    "resamples of 10^12": BASE + "intervals: {resamples: 1000000000000}",
    "a text for a list": BASE + "seeds: all",
    "number keys": "1: 2\n",
    "dates": BASE + "description: 2024-01-01",
    "list at the top": "- a",
}


def special() -> Iterator[Case]:
    """Inputs made for one reader."""

    def file(name: str, data: bytes) -> Callable[[Path], Path]:
        def make(folder: Path) -> Path:
            (folder / name).write_bytes(data)
            return folder / name

        return make

    def hdf5(fill: Callable[[h5py.File, Path], Any], name: str = "x.h5") -> Callable[[Path], Path]:
        def make(folder: Path) -> Path:
            (folder / "secret.ts").write_bytes(SECRET)
            with h5py.File(folder / name, "w") as handle:
                fill(handle, folder)
            return folder / name

        return make

    sleap = READERS["sleap"][1]
    for kind in ("storage", "pipe storage", "link", "soft through link", "dangling", "virtual"):
        yield Case(f"sleap: {kind}", hdf5(lambda h, f, k=kind: _sleap(h, lambda g: _external(g, f, k))), leaking(sleap))
    sleaps: dict[str, Callable[[h5py.File], Any]] = {
        "tracks a group": lambda h: _sleap(h, lambda g: g.create_group("tracks")),
        "tracks of text": lambda h: _sleap(h, np.full((1, 2, 2, 5), b"x")),
        "names of numbers": lambda h: _sleap(h, node_names=[1, 2]),
        "names not UTF-8": lambda h: _sleap(h, node_names=[b"\xff\xfe", b"b"]),
        "names with a line break": lambda h: _sleap(h, node_names=[b"a\nb", b"b"]),
        "names a group": lambda h: (
            h.create_group("node_names"),
            h.create_dataset("tracks", data=np.zeros((1, 2, 2, 5))),
        ),
        "claim of 10^11": lambda h: _sleap(
            h, lambda g: g.create_dataset("tracks", (1, 2, 2, 10**11), "f8", chunks=True)
        ),
        "coordinate of -1e30": lambda h: _sleap(h, np.full((1, 2, 2, 25), -1e30)),
        "likelihood of 7": lambda h: _sleap(h, np.ones((1, 2, 2, 25)), point_scores=np.full((1, 2, 25), 7.0)),
        "likelihood of -3": lambda h: _sleap(h, np.ones((1, 2, 2, 25)), point_scores=np.full((1, 2, 25), -3.0)),
        "likelihood of infinity": lambda h: _sleap(h, np.ones((1, 2, 2, 25)), point_scores=np.full((1, 2, 25), np.inf)),
        "dims of an odd kind": lambda h: (_sleap(h), h["tracks"].attrs.update(dims=7)),
        "dims of deep JSON": lambda h: (_sleap(h), h["tracks"].attrs.update(dims="[" * 30000)),
    }
    for name, fill in sleaps.items():
        yield Case(f"sleap: {name}", hdf5(lambda h, f, g=fill: g(h)), sleap)

    pandas: dict[str, Callable[[h5py.Group], Any]] = {
        "no attributes": lambda g: None,
        "table without attributes": lambda g: g.attrs.update(pandas_type=b"frame_table"),
        "fixed without nodes": lambda g: g.attrs.update(pandas_type=b"frame", nblocks=1),
        "fixed of 2^62 blocks": lambda g: (
            g.attrs.update(pandas_type=b"frame", nblocks=2**62),
            g.create_dataset("axis0", data=[b"a"]),
            g.create_dataset("axis1", data=[0]),
        ),
        "nested tuples": lambda g: (
            g.attrs.update(
                pandas_type=b"frame_table", info=np.void(pickle.dumps({})), non_index_axes=np.void(nested_tuples())
            ),
            g.create_dataset("table", data=np.zeros(3, [("index", "i8"), ("values_block_0", "f8", 2)])),
        ),
        "memo of 2^31": lambda g: g.attrs.update(
            pandas_type=b"frame_table",
            non_index_axes=np.void(b"\x80\x02]r\xff\xff\xff\x7f."),
            info=np.void(b"\x80\x02}."),
        ),
        "a call": lambda g: g.attrs.update(
            pandas_type=b"frame_table", non_index_axes=np.void(pickle.dumps(_Evil())), info=np.void(b"\x80\x02}.")
        ),
    }
    for name, fill in pandas.items():
        yield Case(
            f"pandas h5: {name}", hdf5(lambda h, f, g=fill: g(h.create_group("df"))), READERS["deeplabcut h5"][1]
        )
    yield Case(
        "lisbet_archive: storage",
        hdf5(lambda h, f: h.create_dataset("s/keypoints", (25, 4), "<f8", external=[(str(f / "secret.ts"), 0, 800)])),
        leaking(READERS["lisbet_archive"][1]),
    )
    yield Case(
        "lisbet_archive: keypoints of text",
        hdf5(lambda h, f: h.create_dataset("s/keypoints", data=b"x")),
        READERS["lisbet_archive"][1],
    )

    own: dict[str, Callable[[h5py.File, Path], Any]] = {
        "absent fps": lambda h, f: _tracks_file(h, fps=None),
        "fps of text": lambda h, f: _tracks_file(h, fps="x"),
        "individuals no JSON": lambda h, f: _tracks_file(h, individuals="{"),
        "individuals of numbers": lambda h, f: _tracks_file(h, individuals=7),
        "no position": lambda h, f: _tracks_file(h, position=None),
        "position of two axes": lambda h, f: _tracks_file(h, position=np.zeros((9, 2))),
        "recordings a dataset": lambda h, f: (
            h.attrs.update(kind="tracks", schema_version=1),
            h.create_dataset("recordings", data=1),
        ),
        "link outside": lambda h, f: (
            h.attrs.update(kind="tracks", schema_version=1),
            h.create_group("recordings").__setitem__("r", h5py.ExternalLink("/etc/x.h5", "/recordings/r")),
        ),
        "storage": lambda h, f: _tracks_file(h, position=None).create_dataset(
            "position", (5, 1, 2, 2), "<f8", external=[(str(f / "secret.ts"), 0, 160)]
        ),
        "storage behind an index": lambda h, f: (
            _shard(f),
            h.attrs.update(kind="tracks", schema_version=1),
            h.create_group("recordings").__setitem__("r", h5py.ExternalLink("shard.h5", "/recordings/r")),
        ),
        "labels of odd kind": lambda h, f: _tracks_file(h).create_group("labels/t"),
    }
    for name, build in own.items():
        yield Case(f"tracks: {name}", hdf5(build), leaking(READERS["tracks"][1]))

    head = "Time,Behavior,Behavior type\n"
    tables = {
        ("boris", "time of 10^9 s"): head + "0,attack,START\n1000000000,attack,STOP\n",
        ("boris", "time of 1e308 s"): head + "0,attack,START\n1e308,attack,STOP\n",
        ("boris", "columns twice"): "Time,Time,Behavior,Behavior type\n0,1,attack,POINT\n",
        ("csv_events", "time of 1e300"): "behavior,start_time,end_time\nattack,0,1e300\n",
        ("csv_events", "frame of 10^30"): f"behavior,start_frame,end_frame\nattack,0,{10**30}\n",
        ("bouts_csv", "columns twice"): "video,label,start,start,end\nr,attack,0,1,2\n",
        ("bouts_csv", "end of 1e30"): "video,label,start,end\nr,attack,0,1e30\n",
        ("deepethogram", "columns twice"): ",background,attack,attack\n" + "0,1,0,0\n" * FRAMES,
        ("caltech", "frames of 10^30"): "Caltech Behavior Annotator - Annotation File\n\nS1: start end type\n-----\n"
        f" 1 {10**30} attack\n",
        ("deeplabcut csv", "frame of 10^30"): "scorer,s,s,s\nbodyparts,a,a,a\ncoords,x,y,likelihood\n"
        + f"{10**30},1,2,1\n",
        ("deeplabcut csv", "likelihood of 7"): "scorer,s,s,s\nbodyparts,a,a,a\ncoords,x,y,likelihood\n0,1,2,7\n",
        ("deeplabcut csv", "coordinate of 1e30"): "scorer,s,s,s\nbodyparts,a,a,a\ncoords,x,y,likelihood\n0,1e30,2,1\n",
        ("deeplabcut csv", "50 000 columns"): "\n".join(
            name + "," + ",".join(cells)
            for name, cells in (
                ("scorer", ["s"] * 50001),
                ("bodyparts", [f"p{k // 3}" for k in range(50001)]),
                ("coords", ["x", "y", "likelihood"] * 16667),
                ("0", ["1"] * 50001),
            )
        )
        + "\n",
        (
            "result table",
            "fractional seed",
        ): "dataset,method,mode,point,split,seed,readout,task,level,metric,value,low,high,n,"
        "n_groups,published,verified,note\na,b,sound,d,s,0.5,probe,t,frame,m,1,,,,,,,\n",
        ("daart labels", "frames fractional"): ",attack,other\n0.5,1,0\n1.5,0,1\n",
    }
    fine = {("deeplabcut csv", "50 000 columns")}
    for (reader, name), text in tables.items():
        suffix, act = READERS[reader]
        yield Case(f"{reader}: {name}", file(f"x{suffix}", text.encode()), act, may=(reader, name) in fine)

    data = np.zeros((2, 5, 4))
    dicts: dict[str, Any] = {
        "class of 2^32-1": {"annotations": {"video_name": ["a", "b"], "k": np.array([0, 2**32 - 1])}},
        "class of 40000": {"annotations": {"video_name": ["a", "b"], "k": np.array([0, 40000])}},
        "tags of numbers": {"annotations": 7},
        "levels of text": {
            "annotations": {"k": np.array([0, 1])},
            "eval_utils": {"sequence_level_dict": "k", "classification_tags": ["k"]},
        },
        "names of numbers": {"annotations": {"video_name": 7}},
    }
    utils = {"classification_tags": ["k"], "regression_tags": [], "sequence_level_dict": {"k": True}}
    for name, value in dicts.items():
        whole = {"data": data, "eval_utils": utils} | value
        yield Case(f"bams_dict: {name}", file("x.npy", _npy(np.array(whole, dtype=object))), READERS["bams_dict"][1])
    inner = nested_tuples()[2:-1]
    for reader, key in (("mabe22", b"sequences"), ("bams_dict", b"data"), ("quadrupeds", b"dof_pos")):
        payload = b"\x80\x04}" + b"X" + struct.pack("<I", len(key)) + key + inner + b"s."
        yield Case(f"{reader}: tuples in a dictionary", file("x.npy", _npy_pickle(payload)), READERS[reader][1])
    named = nested_tuples()[:-1] + b"h\x00\x93."
    yield Case("mabe22: tuples for a name", file("x.npy", _npy_pickle(named)), READERS["mabe22"][1])
    loop = b"\x80\x04}\x94X\x04\x00\x00\x00datah\x00s."
    yield Case("bams_dict: itself", file("x.npy", _npy_pickle(loop)), READERS["bams_dict"][1])

    yield Case("rat_npz: 4 MB of 4 GB", lambda folder: _bomb(folder / "x.npz"), READERS["rat_npz"][1])
    yield Case(
        "rat_npz: claimed shape",
        file(
            "x.npz",
            _zip(
                {
                    "images.npy": _claim((10**10, 50, 50), "|u1") + b"x",
                    "locs_head.npy": b"",
                    "locs_neck.npy": b"",
                    "locs_base.npy": b"",
                }
            ),
        ),
        READERS["rat_npz"][1],
    )
    huge = pickle.dumps(np.array([1], dtype=object)).replace(b"K\x01\x85", b"K\x01\x85")
    yield Case(
        "rat_npz: memo of 2^31",
        file(
            "x.npz",
            _zip(
                {
                    "images.npy": _claim((), "|O") + b"\x80\x02]r\xff\xff\xff\x7f.",
                    **{f"locs_{p}.npy": huge for p in ("head", "neck", "base")},
                }
            ),
        ),
        READERS["rat_npz objects"][1],
    )
    for name, size in (("60000²", (60000, 60000)), ("0×0", (0, 0))):
        yield Case(
            f"mars_crops: picture of {name}",
            file(
                "x.zip",
                _zip(
                    {
                        "MARS_top_1/adjusted_keypoints.json": b'{"black": {"x": [1], "y": [1]}}',
                        "MARS_top_1/black.jpg": _png(*size),
                    }
                ),
            ),
            READERS["mars_crops"][1],
        )
    for name, text in (
        ("points of text", '{"black": {"x": "a", "y": "b"}}'),
        ("points a list", "[1]"),
        ("no points", "{}"),
    ):
        yield Case(
            f"mars_crops: {name}",
            file(
                "x.zip", _zip({"MARS_top_1/adjusted_keypoints.json": text.encode(), "MARS_top_1/black.jpg": _png(8, 8)})
            ),
            READERS["mars_crops"][1],
        )

    for name, value in CARDS.items():
        yield Case(f"card: {name}", file("toy.yaml", value), load_card)
    for name, text in EXPERIMENTS.items():
        yield Case(
            f"experiment: {name}", file("toy.yaml", text.encode()), READERS["experiment"][1], may=name == "number keys"
        )
    for pattern in ("(a+)+$", "(a|aa)+$", "a*a*a*a*a*a*b", "("):
        yield Case(f"group_pattern: {pattern}", hdf5(_long_id), tracks("lisbet_archive", group_pattern=pattern))
    yield from videos(file)
    yield from slugs()
    yield from archives(file)
    yield from sections()
    yield from downloads()


def _bomb(path: Path) -> Path:
    """Write an npz whose member `images` has 4 GB in 4 MB: one deflated block of zeros, again and again."""
    import zlib

    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = _claim((2**32,), "|u1")
    first = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b"\0" * 2**26) + packer.flush(zlib.Z_FULL_FLUSH)
    body = first + block * 64 + packer.flush()
    points = {f"locs_{part}.npy": _npy(np.zeros((1, 2))) for part in ("head", "neck", "base")}
    data = bytearray(_zip({"images.npy": body} | points, zipfile.ZIP_STORED))
    for place, kind, size in ((0, 8, 22), (data.index(b"PK\x01\x02"), 10, 24)):
        data[place + kind : place + kind + 2] = struct.pack("<H", zipfile.ZIP_DEFLATED)
        data[place + size : place + size + 4] = struct.pack("<I", min(len(head) + 2**32, 2**32 - 2))
    path.write_bytes(data)
    return path


def _long_id(handle: h5py.File, folder: Path) -> None:
    handle["a" * 60 + "!/keypoints"] = np.zeros((5, 28))


def _shard(folder: Path) -> None:
    with h5py.File(folder / "shard.h5", "w") as handle:
        node = _tracks_file(handle, position=None)
        node.create_dataset("position", (5, 1, 2, 2), "<f8", external=[(str(folder / "secret.ts"), 0, 160)])


def _png(width: int, height: int) -> bytes:
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * min((width + 1) * height, 10**6))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def leaking(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Read, and say so where the bytes of another file are among the positions."""

    def work(path: Path) -> Any:
        value = read(path)
        for recording in value:
            position = np.asarray(recording.position)
            if position.size and np.isfinite(position).any() and np.nanmax(np.abs(position)) > 0:
                raise LookupError("LEAK")
        return value

    return work


def videos(file: Callable[[str, bytes], Callable[[Path], Path]]) -> Iterator[Case]:
    """Playlists and pictures that call themselves videos."""
    texts = {
        "m3u8 of itself": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nx.m3u8\n#EXTINF:10,\nx.m3u8\n",
        "m3u8 of a file": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nother.mp4\n#EXT-X-ENDLIST\n",
        "ffconcat of a sibling": "ffconcat version 1.0\nfile other.mp4\n",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "dash": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period><AdaptationSet>"
        "<Representation><BaseURL>other.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
    }
    for name, text in texts.items():
        for suffix in (".m3u8", ".mp4", ".txt"):

            def make(folder: Path, text: str = text, suffix: str = suffix) -> Path:
                _film(folder / "other.mp4")
                path = folder / f"x{suffix}"
                path.write_text(text)
                return path

            yield Case(f"video: {name} as {suffix}", make, probe)
    gif = (
        b"GIF89a"
        + struct.pack("<HH", 16000, 16000)
        + b"\x80\0\0\0\0\0\xff\xff\xff"
        + b","
        + struct.pack("<HHHH", 0, 0, 16000, 16000)
        + b"\0\x02\x02D\x01\0;"
    )
    yield Case("video: gif of 16000²", file("x.gif", gif), probe)


def _film(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def slugs() -> Iterator[Case]:
    """Two ids, one file."""
    pairs = {
        "slash and dash": ("a/b", "a-b"),
        "two in Japanese": ("マウス", "ラット"),
        "space and dash": ("a b", "a-b"),
        "long": ("a" * 300, "a" * 301),
    }
    for name, (one, two) in pairs.items():

        def act(path: Path, one: str = one, two: str = two) -> Any:
            names = slugify(one), slugify(two)
            if names[0] == names[1]:
                raise LookupError("two ids have one file name")
            for made in names:
                (path / made).write_bytes(b"")
            return names

        yield Case(f"names: {name}", lambda folder: folder, act, may=True)


def archives(file: Callable[[str, bytes], Callable[[Path], Path]]) -> Iterator[Case]:
    """Archives that are larger, or elsewhere, than they seem."""
    import lzma

    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        info = tarfile.TarInfo("a.csv")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"1,2"))
    act = READERS["archive"][1]
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**20}]
    packed = bytearray(lzma.compress(plain.getvalue(), filters=filters))
    # The block header states the dictionary's size in one byte; its checksum is corrected.
    import zlib

    place = packed.index(b"\x21\x01", 12) + 2
    packed[place] = 40  # 4 GiB - 1
    size = (packed[12] + 1) * 4
    packed[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(bytes(packed[12 : 12 + size - 4])))
    yield Case("archive: xz dictionary of 4 GB", file("x.tar.xz", bytes(packed)), act)
    old = bytearray(plain.getvalue())
    old[257:265] = b"\0" * 8
    old[148:156] = b"        "
    old[148:156] = b"%06o\0 " % sum(old[:512])
    yield Case("archive: tar of version 7", file("x.tar", bytes(old)), act, may=True)
    pax = io.BytesIO()
    with tarfile.open(fileobj=pax, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a.csv")
        info.size, info.pax_headers = 3, {"size": "3"}
        archive.addfile(info, io.BytesIO(b"1,2"))
    yield Case("archive: pax size beside the header's", file("x.tar", pax.getvalue()), act)
    yield Case("archive: zip bomb", file("x.zip", _zip({"a.csv": b"\0" * 2**28})), act)
    yield Case("archive: lzma zip", file("x.zip", _zip({"a.csv": b"1,2"}, zipfile.ZIP_LZMA)), act)


def sections() -> Iterator[Case]:
    """Sections of the report whose files are elsewhere."""

    def link(folder: Path) -> Path:
        (folder / "section").mkdir()
        (folder / "out.png").write_bytes(_png(8, 8))
        (folder / "section" / "a.png").symlink_to(folder / "out.png")
        text = {"title": "t", "items": [{"kind": "image", "file": "a.png", "caption": "c"}]}
        (folder / "section" / "section.json").write_text(json.dumps(text))
        return folder / "section" / "section.json"

    yield Case("section: a picture that is a link", link, lambda path: load_sections([path]))
    for name in ("..", "a/b.png", "\n"):

        def make(folder: Path, name: str = name) -> Path:
            path = folder / "section.json"
            path.write_text(json.dumps({"title": "t", "items": [{"kind": "image", "file": name}]}))
            return path

        yield Case(f"section: a file called {name!r}", make, lambda path: load_sections([path]))


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.seen.append(dict(self.headers))  # type: ignore[attr-defined]
        kind = self.path.partition("?")[0]
        self.send_response(404 if kind == "/absent" else 200)
        if kind == "/bomb":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        try:
            if kind == "/endless":
                while True:
                    self.wfile.write(b"1,2\n" * 100_000)
            elif kind == "/slow":
                while True:
                    self.wfile.write(b"1")
                    self.wfile.flush()
                    time.sleep(0.2)
            elif kind == "/bomb":
                packed = gzip.compress(b"\0" * 2**20) * 600
                self.wfile.write(packed)
            else:
                self.wfile.write(b"1,2\n")
        except OSError:
            pass

    def log_message(self, *args: object) -> None:
        pass


def downloads() -> Iterator[Case]:
    """Servers that send too much, too slowly, or wait for a password."""

    def get(path: Path, kind: str, **options: Any) -> Any:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
        server.seen = []  # type: ignore[attr-defined]
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{server.server_address[1]}"
        os.environ["HOME"] = str(path)
        (path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
        (path / ".netrc").chmod(0o600)
        urls = [f"http://user:hunter3@{place}{kind}?token=hunter4"] if kind == "/absent" else [f"http://{place}{kind}"]
        checksum = None if options.pop("unverified", False) else "0" * 64
        try:
            import inspect

            known = inspect.signature(fetch).parameters
            if "limits" in known:
                Limits = found("fetch.budget:Limits")
                options["limits"] = Limits(seconds=5, slowest=1000, most_bytes=50e6, window=2)
            fetch(
                RemoteFile(path="a.csv", urls=urls, sha256=checksum),
                path / "a.csv",
                mirrors=[],
                mirror_name="m",
                attempts=1,
                timeout=(2, 2),
                **{name: value for name, value in options.items() if name in known},
            )
        finally:
            if any("Authorization" in headers and kind != "/absent" for headers in server.seen):  # type: ignore[attr-defined]
                raise LookupError("LEAK: the password of ~/.netrc was sent")

    cases = {"endless": {}, "slow": {}, "bomb": {}, "absent": {}, "file": {"unverified": True}, "plain": {}}
    for name, options in cases.items():
        yield Case(f"download: {name}", lambda folder: folder, lambda path, n=name, o=options: get(path, f"/{n}", **o))


def outcome(case: Case, folder: Path) -> tuple[str, str]:
    """Try a case in this process."""
    try:
        path = case.make(folder)
    except Exception as error:
        return "broken", f"{type(error).__name__}: {error}"
    try:
        case.act(path)
    except EthoMakeError as error:
        text = str(error)
        leaked = any(word in text for word in ("hunter", "root:x"))
        return ("leak" if leaked else "sentence" if "\n" not in text and len(text) < 3000 else "traceback"), text
    except MemoryError as error:
        return "memory", str(error)
    except BaseException as error:
        return ("leak" if "LEAK" in str(error) else "traceback"), f"{type(error).__name__}: {error}"
    return "read", ""


def tried(case: Case) -> tuple[str, str, float, int]:
    """Try a case in a child: outcome, words, seconds, and its peak memory in MB."""
    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory(prefix="hostile") as name:
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            os.close(reading)
            with open(os.devnull, "w") as quiet:
                os.dup2(quiet.fileno(), 2)
            used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
            resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
            resource.setrlimit(resource.RLIMIT_FSIZE, (2**31, 2**31))
            kind, words = outcome(case, Path(name))
            os.write(writing, json.dumps([kind, words[:3000]]).encode())
            os._exit(0)
        os.close(writing)
        words, status, left = b"", 0, 0
        while True:
            done, status, usage = os.wait4(child, os.WNOHANG)
            if done:
                left = usage.ru_maxrss // 1024
                break
            if time.monotonic() - began > WAITED:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return "hang", f"over {WAITED} s", time.monotonic() - began, left
            time.sleep(0.005)
        with os.fdopen(reading, "rb") as stream:
            words = stream.read()
        took = time.monotonic() - began
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return "hang", f"over {SECONDS} s of the processor", took, left
    if not words:
        return "crash", f"status {status}", took, left
    kind, text = json.loads(words)
    return kind, text, took, left


def cases(wanted: list[str], every: list[Case] | None = None) -> list[Case]:
    """Return the cases whose names begin with one of `wanted`; all where that is empty."""
    every = [*general(), *special()] if every is None else every
    return [case for case in every if not wanted or case.name.startswith(tuple(wanted))]


def main(wanted: list[str], every: list[Case] | None = None) -> int:
    """Try the cases and print what came of them."""
    for name in found("sources:DATA_SOURCES").values():  # once, and not in every child
        import_module(f"workflow_scripts.sources.{name}")
    counts: Counter[str] = Counter()
    slowest, largest = ("", 0.0), ("", 0)
    for case in cases(wanted, every):
        kind, words, took, memory = tried(case)
        if kind == "read" and not case.may:
            kind = "accepted"
        counts[kind] += 1
        slowest = max(slowest, (case.name, took), key=lambda pair: pair[1])
        largest = max(largest, (case.name, memory), key=lambda pair: pair[1])
        if kind not in {"sentence", "read"} or os.environ.get("HOSTILE_ALL"):
            print(f"{kind:9} {case.name}: {words[:150]}", flush=True)
    print(f"{sum(counts.values())} tried: " + ", ".join(f"{count} {kind}" for kind, count in counts.most_common()))
    print(f"slowest {slowest[1]:.1f} s ({slowest[0]}), largest {largest[1]} MB ({largest[0]})")
    return int(bool(set(counts) - {"sentence", "read"}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
