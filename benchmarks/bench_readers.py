"""Time and peak memory of reading a large valid file by each reader: `python benchmarks/bench_readers.py [NAME …]`.

Two animals of two points over `--frames` frames, or bouts over as many; each file is read in a process of its own. Peak
memory is what the process takes above what it had before reading, libraries of the reader included.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from workflow_scripts.cards.card import Task
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.sources import (
    calms21,
    caltech_annotator,
    daart_csv,
    deeplabcut,
    lisbet_archive,
    movement,
    read_labels,
    read_tracks,
)

TASKS = {"behaviour": Task(kind="multiclass", vocabulary=["attack", "other"], background="other")}
MULTI = {"multiclass": "behaviour"}


def recording(frames: int, animals: int = 2) -> Recording:
    """Return random tracks."""
    rng = np.random.default_rng(0)
    position = (rng.random((frames, animals, 2, 2)) * 500).astype(np.float32)
    values = rng.integers(0, 2, frames)
    labels = {"behaviour": Labels(values, np.ones(frames, bool), "frame", "multiclass", ("attack", "other"))}
    names = ("resident", "intruder")[:animals], ("nose", "tail")
    confidence = rng.random((frames, animals, 2)).astype(np.float32)
    return Recording("rec", position, confidence, 30.0, *names, "g", labels=labels)


def events(path: Path, frames: int) -> None:
    """Write one START and STOP a second, as BORIS does."""
    lines = ["Time,Behavior,Behavior type"]
    for second in range(frames // 30):
        lines += [f"{second},attack,START", f"{second}.5,attack,STOP"]
    path.write_text("\n".join(lines) + "\n")


def wide(path: Path, frames: int) -> None:
    """Write columns <point>_x, <point>_y, <point>_likelihood."""
    values = np.random.default_rng(0).random((frames, 12)).round(4)
    names = [f"p{k}_{axis}" for k in range(4) for axis in ("x", "y", "likelihood")]
    pd.DataFrame(values, columns=names).to_csv(path, index=False)


def long(path: Path, frames: int) -> None:
    """Write a row a frame, animal and point."""
    table = pd.MultiIndex.from_product(
        [range(frames), ["a", "b"], ["p", "q"]], names=["frame", "individual", "keypoint"]
    )
    values = np.random.default_rng(0).random((len(table), 2)).round(4)
    pd.DataFrame(values, index=table, columns=["x", "y"]).to_csv(path)


def analysis(path: Path, frames: int) -> None:
    """Write SLEAP's analysis file."""
    with h5py.File(path, "w") as handle:
        handle["tracks"] = np.random.default_rng(0).random((2, 2, 2, frames))
        handle["track_names"], handle["node_names"] = [b"a", b"b"], [b"p", b"q"]


def table(path: Path, frames: int) -> None:
    """Write a row a frame of 0 and 1."""
    on = (np.arange(frames) // 15) % 2
    pd.DataFrame({"attack": on, "other": 1 - on}).to_csv(path, index=False)


TRACKS: dict[str, tuple[str, Callable[[Path, int], object]]] = {
    "deeplabcut": (".csv", lambda path, n: deeplabcut.write_csv(path, recording(n))),
    "sleap": (".h5", analysis),
    "calms21": (".json", lambda path, n: calms21.write_json(path, [recording(n)], group="annotator-id_0")),
    "lisbet_archive": (".h5", lambda path, n: lisbet_archive.write_archive(path, [recording(n)])),
    "daart_csv": (".csv", lambda path, n: daart_csv.write_markers(path, recording(n, 1))),
    "wide_csv": (".csv", wide),
    "long_table": (".csv", long),
    "movement": (".nc", lambda path, n: _movement(path, n)),
}
LABELS: dict[str, tuple[str, dict[str, object], Callable[[Path, int], object]]] = {
    "boris": (".csv", MULTI, events),
    "binary_table": (".csv", MULTI | {"behaviours": ["attack"]}, table),
    "daart_csv": (
        ".csv",
        {"background": None},
        lambda path, n: daart_csv.write_one_hot(path, np.arange(n) % 2, ["attack", "other"]),
    ),
    "caltech_annotator": (
        ".annot",
        {"channels": {"S1": "behaviour"}},
        lambda path, n: caltech_annotator.write(
            path, {"S1": [(k + 1, k + 15, "attack" if k % 30 else "other") for k in range(0, n - n % 15, 15)]}
        ),
    ),
}


def _movement(path: Path, frames: int) -> None:
    movement.write_movement(path.parent, dataclasses.replace(recording(frames), labels={}))
    (path.parent / "tracking.nc").rename(path)


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds of the processor and MB above the start, of work in a child."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    before = int(Path(f"/proc/{child}/statm").read_text().split()[1]) * 4096
    _, status, used = os.wait4(child, 0)
    if status:
        raise RuntimeError("the reader failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024 - before / 2**20


def main() -> None:
    """Read a large file by each reader."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("names", nargs="*")
    arguments.add_argument("--frames", type=int, default=100_000)
    options = arguments.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind, readers in (("tracks", TRACKS), ("labels", LABELS)):
        for name, entry in readers.items():
            if options.names and name not in options.names:
                continue
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"x{entry[0]}"
                entry[-1](path, options.frames)  # type: ignore[operator]
                size = path.stat().st_size / 1e6

                def work(path: Path = path, name: str = name, entry: tuple = entry) -> object:  # type: ignore[type-arg]
                    if len(entry) == 2:
                        return list(read_tracks(name, path, {}, recording="rec"))
                    return read_labels(name, path, dict(entry[1]), n_frames=options.frames, fps=30.0, tasks=TASKS)

                began = time.monotonic()
                seconds, peak = measured(work)
                took = time.monotonic() - began
            print(
                f"{kind} {name}: {size:.1f} MB, {seconds:.1f} s ({took:.0f} s by the clock), {peak:.0f} MB", flush=True
            )


if __name__ == "__main__":
    sys.exit(main())
