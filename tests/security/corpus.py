"""Small valid files of everything that is read: what the fuzzer begins with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from builders.tracks import labelled, scattered
from builders.videos import frames
from builders.videos import write as write_video
from safetensors.numpy import save_file

from tests.security import hostile, hostile_more
from tests.sources import test_contract_of_sources as contract
from tests.sources.test_deeplabcut import write_table as write_hdf_table
from workflow_scripts.formats.clips import Clip, ClipRecording, write_clips
from workflow_scripts.formats.embeddings import write_embeddings
from workflow_scripts.formats.images import ImageSet, write_images
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.formats.tables import COLUMNS, write_table
from workflow_scripts.formats.tracks import write_tracks

VARIANTS = ("deeplabcut h5", "daart npy", "rat_npz objects", "sleap csv", "long_table parquet")
"""Readers of a second format of their source."""

SPLIT = {"schema_version": 1, "dataset": "d", "name": "n", "family": "n", "train": ["a"], "validation": [], "test": []}


def _recording() -> Any:
    return dataclasses.replace(scattered(contract.N), labels=labelled(contract.N))


def _images(path: Path) -> None:
    rng = np.random.default_rng(0)
    names = np.array(["a"] * 4)
    pixels = rng.integers(0, 256, (4, 12, 16), dtype=np.uint8)
    points = rng.random((4, 3, 2)).astype(np.float32) * 10
    write_images(path, [ImageSet(pixels, points, ("base", "neck", "head"), np.arange(4), names, names)])


def _clips(path: Path) -> None:
    from builders.clips import recording

    film = path.parent / "film"
    film.mkdir(exist_ok=True)
    made = recording(film / "v0.mp4", "v0", 40, 32, 0)
    assert isinstance(made, ClipRecording)
    write_clips(path, [made], {"sound": [Clip("v0", 0, 16, "walk", "labelled", "action")]})


def _predictions(path: Path) -> None:
    with create_predictions(path) as writer:
        writer.task("t", kind="multiclass", level="frame", vocabulary=("a", "b"), readout="probe", background="a")
        codes = np.arange(20) % 2
        scores = np.stack([1.0 - codes, codes], axis=1)
        writer.add("t", Prediction("r", "g", codes, np.ones(20, bool), codes, scores))


def _table(path: Path) -> None:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"dataset": "d", "method": "m", "mode": "sound", "setting": "default", "split": "official", "seed": 0}
    row |= {"readout": "probe", "task": "t", "level": "frame", "metric": "macro_f1", "value": 0.5, "n": 10}
    write_table(path, pd.DataFrame([row]))


def _weights(path: Path) -> None:
    save_file({"a.weight": np.ones((2, 3), np.float32), "a.bias": np.zeros(2, np.float32)}, path)


def _external(path: Path) -> None:
    np.save(path, np.ones((contract.N, 3), np.float32))


def _text(*texts: str) -> list[Callable[[Path], Any]]:
    return [lambda path, text=text: path.write_text(text, encoding="utf-8") for text in texts]  # type: ignore[misc]


SLEAP_CSV = "track,frame_idx,instance.score,nose.x,nose.y,nose.score\n" + "".join(
    f"track_0,{k},0.9,{k}.5,2.5,0.8\n" for k in range(9)
)
SHEET = "recording\tfile\tgroup\tfps\tscored\tdose\na\ta.csv\tg\t30\t0-20s\t3\nb\tb.csv\tg\t\t\t4\n"

OURS: dict[str, list[Callable[[Path], Any]]] = {
    "tracks": [lambda path: write_tracks(path, [_recording()])],
    "images": [_images],
    "clips": [_clips],
    "embeddings": [lambda path: write_embeddings(path, [("r", np.ones((9, 3), np.float32))], names=["a", "b", "c"])],
    "predictions": [_predictions],
    "result table": [_table],
    "small table": _text("dataset,task,label,n\nd,t,a,3\n"),
    "weights": [_weights],
    "checkpoint": [lambda path: torch.save({"epoch": 1, "state_dict": {"w": torch.ones(2, 2)}}, path)],
    "split": _text(json.dumps(SPLIT | {"groups": {"a": "g"}})),
    "section": _text('{"title":"t","items":[{"kind":"text","caption":"c"}]}'),
    "experiment": _text(f"{hostile.BASE}seeds: [0, 1]\nsweep: {{pca: {{dim: [2, 3]}}}}\nprobe: {{alphas: [1.0]}}\n"),
    "yaml": _text(yaml.safe_dump({"a": [1, 2.5, "x", None], "b": {"c": True}}), "a: &x [1, 2]\nb: *x\n"),
    "json": _text('{"a": [1, 2.5, "x", null], "b": {"c": true}}'),
    "archive": [lambda path: path.write_bytes(hostile._zip({"a.csv": b"1,2\n", "b/c.csv": b"3\n"}))],
    "sleap csv": _text(SLEAP_CSV),
    "video": [lambda path: write_video(path, frames(8, 48, 32))],
    "sheet": _text(SHEET),
    "decision": _text(json.dumps({"tasks": {"t": hostile_more.DECISION}})),
    "external array": [_external],
    "external csv": _text("".join("1,2,3\n" for _ in range(contract.N))),
    "deeplabcut h5": [lambda path: write_hdf_table(path, np.tile([3.5, 2.5, 0.9], (10, 2)))],
    "daart npy": [lambda path: np.save(path, np.ones((contract.N, 4)))],
    "boxes": _text("frame,x1,y1,x2,y2,score\n" + "".join(f"{k},1,2,30,40,0.9\n" for k in range(9))),
    "rat_npz objects": [contract.images],
    "import lisbet": [lambda path: torch.save({"w": torch.ones(2, 2)}, path)],
    "import bams": [lambda path: torch.save({"w": torch.ones(2, 2)}, path)],
    "import mvd": [lambda path: torch.save({"model": {"w": torch.ones(2, 2)}}, path)],
    "import daart": _text("model_type: temporal-mlp\nn_hid_layers: 2\nn_hid_units: 32\nn_lags: 4\nrng_seed_model: 0\n"),
}


def write(reader: str, folder: Path, suffix: str) -> list[Path]:
    """Write the valid files of a reader into `folder`, as `valid…`; files they need beside them are left out."""
    name, labels = reader.removesuffix(" labels"), reader.endswith(" labels")
    known = contract.VALID_LABELS if labels else contract.VALID
    makers = [known[name][1]] if name in known else list(OURS.get(reader, []))
    if reader == "card":
        makers = [lambda path, raw=raw: path.write_bytes(raw) for raw in [hostile.CARD.encode()]]  # type: ignore[misc]
    made = []
    for number, make in enumerate(makers):
        place = folder / f"made{number}"
        place.mkdir(parents=True, exist_ok=True)
        make(place / f"x{suffix}")
        target = folder / f"valid{number}"
        (place / f"x{suffix}").replace(target)
        made.append(target)
        _clear(place)
    return made


def _clear(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
