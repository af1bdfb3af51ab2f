"""How long the 64-fold augmentation takes, beside a plain copy of the same bytes, on one core; and its peak memory."""

import argparse
import resource
import statistics
import time

import numpy as np

from workflow_scripts.methods.rat_direction.augment import COPIES, augment
from workflow_scripts.methods.rat_direction.config import AugmentOptions
from workflow_scripts.simulate.rat_direction import Options, make_frames


def peak():
    """Peak memory of this process so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def timed(work):
    """Wall and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1546)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    frames, options = make_frames(Options(frames=arguments.frames)), AugmentOptions()
    size = frames.images.nbytes * COPIES
    before = peak()
    fresh = timed(lambda: augment(frames, options, 0))
    grown = peak() - before
    out = np.zeros((len(frames) * COPIES, 50, 50), np.uint8)
    source = np.ones_like(out)
    copies = [timed(lambda: np.copyto(out, source)) for _ in range(arguments.repeats)]
    new_copies = [timed(source.copy) for _ in range(arguments.repeats)]
    augments = [timed(lambda: augment(frames, options, 0, out)) for _ in range(arguments.repeats)]
    print(f"{len(frames)} frames -> {len(frames) * COPIES} copies, {size / 1e6:.0f} MB")
    print(f"peak memory of the first call: {grown / size:.2f} times the output")
    print(f"first call, new memory: {fresh[0]:.3f} s wall, {fresh[1]:.3f} s processor")
    for name, times in (("augment", augments), ("plain copy", copies), ("copy to new memory", new_copies)):
        wall, cpu = (statistics.median(part) for part in zip(*times, strict=True))
        print(f"{name:20s} {wall:.3f} s wall, {cpu:.3f} s processor, {size / cpu / 1e9:.2f} GB/s")
    for number, name in enumerate(("wall", "processor")):
        mine, copy, new = (statistics.median(t[number] for t in times) for times in (augments, copies, new_copies))
        print(f"ratio by {name} time: {mine / copy:.1f} to a copy into known memory, {mine / new:.1f} to a new copy")


if __name__ == "__main__":
    main()
