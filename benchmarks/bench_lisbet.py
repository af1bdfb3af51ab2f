"""Times LISBET's data path against its compute; run `python benchmarks/bench_lisbet.py [--quick]`.

Each line gives what was measured, its bound, and whether it held. One thread; seconds are those of the processor, which
a busy machine stretches less than those of the clock.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from workflow_scripts.formats.tracks import Recording
from workflow_scripts.methods.lisbet.config import Config
from workflow_scripts.methods.lisbet.data import Batch, Steps
from workflow_scripts.methods.lisbet.draws import TRAIN, Drawer
from workflow_scripts.methods.lisbet.inference import embed_recording
from workflow_scripts.methods.lisbet.inputs import Layout
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.store import load_frames
from workflow_scripts.methods.lisbet.windows import Windows
from workflow_scripts.views.tracks import DataSpec

POINTS = ("nose", "left_ear", "right_ear", "neck", "left_hip", "right_hip", "tail")


def recording(identifier: str, frames: int) -> Recording:
    rng = np.random.default_rng(len(identifier))
    position = rng.random((frames, 2, 7, 2), dtype=np.float32) * np.float32(500)
    confidence = np.ones((frames, 2, 7), np.float32)
    return Recording(
        identifier, position, confidence, 30.0, ("resident", "intruder"), POINTS, identifier, "px", (1024.0, 570.0)
    )


def timed(work, repeats: int) -> tuple[float, float]:
    """Median and least seconds."""
    if repeats > 1:
        work()
    seconds = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return statistics.median(seconds), min(seconds)


def memory_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the frames")
    parser.add_argument("--output", type=Path, help="write the numbers as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, float] = {}

    config = Config(mode="faithful", preset="64x8", seed=1234, train_sample=0.05).resolved()
    n, length = (282, 2_128) if options.quick else (282, 21_280)
    spec = DataSpec.of(recording("r", 2))
    before = memory_gb()
    one = recording("r", length)
    began = time.process_time()
    frames = load_frames((one for _ in range(n)), [length] * n, spec, config)
    drawer = Drawer(frames, config)
    steps = Steps(drawer, config, config.train_sample, TRAIN)
    source = Windows.of(frames, Layout.of(spec, config), config)
    iterator = iter(steps)
    next(iterator)
    found["start_up_s"] = time.process_time() - began
    found["frames"] = frames.n_frames
    found["array_gb"] = frames.values.nbytes / 1e9
    found["memory_rise_gb"] = memory_gb() - before

    def draw_and_gather():
        step = next(iterator)
        return source.gather(list(step.plans.values()))[0]

    found["draw_and_gather_ms"] = 1e3 * timed(draw_and_gather, 20)[0]

    model = Lisbet(config, spec)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    windows = draw_and_gather().flatten(2)
    labels = torch.randint(0, 2, (4, 32)).float()

    def bare():
        optimizer.zero_grad()
        encoded = model.backbone(windows).split(32)
        heads = model.task_heads.values()
        loss = sum(
            torch.nn.functional.binary_cross_entropy_with_logits(head(part)[:, 0], label)
            for head, part, label in zip(heads, encoded, labels, strict=True)
        )
        loss.backward()

    def whole():
        step = next(iterator)
        gathered, _ = source.gather(list(step.plans.values()))
        batch = _batch(step, gathered)
        optimizer.zero_grad()
        model.losses(batch, "train").backward()

    # Alternated, so that a busy machine slows both.
    pairs = [(timed(bare, 1)[1], timed(whole, 1)[1]) for _ in range(2 if options.quick else 5)]
    found["bare_step_s"] = min(first for first, _ in pairs)
    found["step_s"] = min(second for _, second in pairs)
    found["step_over_bare"] = found["step_s"] / found["bare_step_s"]
    found["data_share"] = found["draw_and_gather_ms"] / 1e3 / found["bare_step_s"]

    length = 256 if options.quick else 10_000
    whole_recording = recording("x", length)
    model.eval()

    def forward_only():
        with torch.inference_mode():
            for start in range(0, length, 128):
                model.backbone(windows[: min(128, length - start)])

    pairs = [
        (timed(forward_only, 1)[1], timed(lambda: embed_recording(model, whole_recording), 1)[1])
        for _ in range(3 if options.quick else 1)
    ]
    found["embed_bare_s"] = min(first for first, _ in pairs)
    found["embed_s"] = min(second for _, second in pairs)
    found["embed_over_bare"] = found["embed_s"] / found["embed_bare_s"]
    found["peak_memory_gb"] = memory_gb()

    bounds = {
        "start_up_s": 10,
        "draw_and_gather_ms": 10,
        "data_share": 0.03,
        "step_over_bare": 1.05,
        "embed_over_bare": 1.05,
    }
    for name, value in found.items():
        bound = bounds.get(name)
        verdict = "" if bound is None else f"   bound {bound}: {'held' if value <= bound else 'MISSED'}"
        print(f"{name:22s}{value:14.4f}{verdict}", flush=True)
    if options.output:
        options.output.write_text(json.dumps(found, indent=2) + "\n")


def _batch(step, gathered):

    plans = step.plans
    sizes = tuple(len(plan.first) for plan in plans.values())
    return Batch(gathered.flatten(2), None, tuple(plans), sizes, tuple(plan.label for plan in plans.values()))


if __name__ == "__main__":
    main()
