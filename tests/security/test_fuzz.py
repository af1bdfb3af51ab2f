"""Every reader of foreign files, on valid files that were damaged: it reads them or refuses them in one sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from builders.fuzzing import fuzz

from workflow_scripts.cards.card import Card, Task, load_card
from workflow_scripts.formats.images import ImageSet
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.simulate import make_file
from workflow_scripts.sources import (
    IMAGE_SOURCES,
    LABEL_SOURCES,
    TRACK_SOURCES,
    calms21,
    caltech_annotator,
    daart_csv,
    deeplabcut,
    lisbet_archive,
    rat_npz,
    read_images,
    read_labels,
    read_tracks,
)

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("ETHOMAKE_FUZZ_ROUNDS", "60"))
TASKS = {"behaviour": Task(kind="multiclass", vocabulary=["attack", "other"], background="other")}
FRAMES = 40
NAMED: dict[str, object] = {"multiclass": "behaviour"}


def recording(animals: int = 2) -> Recording:
    rng = np.random.default_rng(0)
    position = (rng.random((FRAMES, animals, 2, 2)) * 500).astype(np.float32)
    values = rng.integers(0, 2, FRAMES)
    labels = {"behaviour": Labels(values, np.ones(FRAMES, bool), "frame", "multiclass", ("attack", "other"))}
    names = ("resident", "intruder")[:animals], ("nose", "tail")
    return Recording(
        "rec", position, rng.random((FRAMES, animals, 2)).astype(np.float32), 30.0, *names, "g", labels=labels
    )


def images() -> ImageSet:
    rng = np.random.default_rng(0)
    return ImageSet(
        images=rng.integers(0, 256, (4, 12, 16), dtype=np.uint8),
        names=tuple(rat_npz.LABEL_KEYS),
        points=rng.random((4, 3, 2)).astype(np.float32) * 10,
        source_frame=np.arange(4),
        animal=np.array(["a"] * 4),
        group=np.array(["a"] * 4),
    )


def text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content, encoding="utf-8") and None


def mouse(path: Path) -> None:
    card: Card = load_card(ROOT / "config/datasets/mabe22_mouse_twin.yaml")
    assert card.simulate is not None
    small = {"train": 1, "submission": 2, "public": 1, "private": 1, "frames": 120}
    make_file("mabe22_mouse", card.files[0].path, path, card.simulate.options | small, card)


@dataclass(frozen=True)
class Case:
    """A reader and how to make a valid file for it."""

    source: str
    suffix: str
    make: Callable[[Path], None]
    options: dict[str, object]


TRACKS = [
    Case("deeplabcut", ".csv", lambda path: deeplabcut.write_csv(path, recording()), {}),
    Case(
        "calms21",
        ".json",
        lambda path: calms21.write_json(path, [recording()], group="annotator-id_0"),
        {},
    ),
    Case("daart_csv", ".csv", lambda path: daart_csv.write_markers(path, recording(1)), {}),
    Case("lisbet_archive", ".h5", lambda path: lisbet_archive.write_archive(path, [recording()]), {}),
    Case("mabe22", ".npy", mouse, {}),
]
LABELS = [
    Case(
        "caltech_annotator",
        ".annot",
        lambda path: caltech_annotator.write(path, {"S1": [(1, 20, "attack"), (21, FRAMES, "other")]}),
        {"channels": {"S1": "behaviour"}},
    ),
    Case("boris", ".csv", text("Time,Behavior,Behavior type\n0.1,attack,START\n0.5,attack,STOP\n"), NAMED),
    Case("csv_events", ".csv", text("behavior,start_time,end_time\nattack,0.1,0.4\nother,0.5,0.9\n"), NAMED),
    Case(
        "daart_csv",
        ".csv",
        lambda path: daart_csv.write_one_hot(path, np.arange(FRAMES) % 2, ["attack", "other"]),
        {"background": None},
    ),
    Case("bouts_csv", ".csv", text("video,label,start,end\nrec,attack,0,10\nrec,other,10,20\n"), NAMED),
    Case("deepethogram", ".csv", text(",background,attack\n" + "".join(f"{k},1,0\n" for k in range(FRAMES))), NAMED),
    Case(
        "simba",
        ".csv",
        text("Frame,attack\n" + "".join(f"{k},{k % 2}\n" for k in range(FRAMES))),
        NAMED | {"behaviours": ["attack"]},
    ),
]


def ids(cases: list[Case]) -> list[str]:
    return [case.source for case in cases]


@pytest.mark.parametrize("case", TRACKS, ids=ids(TRACKS))
def test_tracks(case: Case, tmp_path: Path) -> None:
    assert case.source in TRACK_SOURCES
    path = tmp_path / f"x{case.suffix}"
    case.make(path)

    def read(damaged: Path) -> object:
        return list(read_tracks(case.source, damaged, dict(case.options), recording="rec"))

    # The archives are deep, and every read of them is slow under the tracer.
    rounds = ROUNDS // 3 if case.suffix in {".npy", ".h5"} else ROUNDS
    first, last = fuzz(path.read_bytes(), read, path, rounds=rounds, seed=1)
    assert first > 5
    assert last > first, "no mutation reached a line that the valid file does not"


@pytest.mark.parametrize("case", LABELS, ids=ids(LABELS))
def test_labels(case: Case, tmp_path: Path) -> None:
    assert case.source in LABEL_SOURCES
    path = tmp_path / f"x{case.suffix}"
    case.make(path)

    def read(damaged: Path) -> object:
        return read_labels(case.source, damaged, dict(case.options), n_frames=FRAMES, fps=30.0, tasks=TASKS)

    first, last = fuzz(path.read_bytes(), read, path, rounds=ROUNDS, seed=2)
    assert first > 5
    assert last > first


def test_images(tmp_path: Path) -> None:
    assert "rat_npz" in IMAGE_SOURCES
    path = tmp_path / "x.npz"
    rat_npz.write(path, images())
    first, last = fuzz(
        path.read_bytes(), lambda damaged: read_images("rat_npz", damaged, {}), path, rounds=ROUNDS // 2, seed=3
    )
    assert last > first > 5
