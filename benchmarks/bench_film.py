"""Frames a second of `ethomake film`: two animals of five points at 640×480, on a plain ground.

    python benchmarks/bench_film.py [--data data/NAME/tracks.h5 --recording ID --task TASK] [--frames 600]

Prints frames a second of processor time and by the clock; without data, two made-up animals walk about.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from workflow_scripts.behaviour.films import Row, film
from workflow_scripts.formats.tracks import Recording, open_tracks


def made_up(frames: int) -> Recording:
    """Two animals of five points on smooth walks in 640 × 480 pixels."""
    rng = np.random.default_rng(0)
    centre = 240 + np.cumsum(rng.normal(0, 2, (frames, 2, 1, 2)), axis=0)
    body = np.array([[30, 0], [10, 8], [10, -8], [-10, 0], [-30, 0]], float)
    position = (centre + body).astype(np.float32)
    return Recording(
        "walkers", position, np.ones(position.shape[:3], np.float32), 30.0, ("a", "b"), tuple("nlrbt"), "g",
        image_size=(640.0, 480.0),
    )  # fmt: skip


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--recording")
    parser.add_argument("--task")
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if options.data:
        with open_tracks(options.data) as reader:
            recording = reader.read(options.recording)
        labels = recording.labels[options.task]
        codes, classes, background = labels.values.astype(np.int64), labels.vocabulary, labels.background
    else:
        recording = made_up(options.frames)
        codes, classes, background = (np.arange(options.frames) // 45) % 3, ("rest", "groom", "rear"), "rest"
    rows = [Row("human", codes), Row("model", codes)] if not options.data else [Row("human", codes)]
    with tempfile.TemporaryDirectory() as scratch:
        path = options.output or Path(scratch) / "film.mp4"
        clock, used = time.perf_counter(), time.process_time()
        count = film(path, recording, rows, classes, background, span=(0, options.frames))
        clock, used = time.perf_counter() - clock, time.process_time() - used
    print(f"{count} frames: {count / used:.0f} a second of processor time, {count / clock:.0f} by the clock")


if __name__ == "__main__":
    main()
