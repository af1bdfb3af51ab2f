"""Where a training step of BAMS spends its time, and what the HoA head on a share of the frames saves.

Random inputs of 16 sequences × 1800 frames × 67 quantities, 9 targets in 32 bins, one thread by default: the paper's
head on all frames and on a share of them, then mode `sound` as it is by default (106 quantities, 21 targets).

    python benchmarks/bench_bams.py [--batch 16] [--frames 1800] [--steps 3] [--threads 1]
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import defaultdict
from itertools import pairwise
from typing import Any

import torch

from workflow_scripts.methods.bams.config import Config
from workflow_scripts.methods.bams.data import Batch
from workflow_scripts.methods.bams.features import MOUSE_POINTS
from workflow_scripts.methods.bams.hoa import emd, weighted_mean, window_cdf
from workflow_scripts.methods.bams.module import Bams
from workflow_scripts.methods.bams.network import LONG, SHORT
from workflow_scripts.views.tracks import DataSpec

PAPER: dict[str, Any] = {
    "hoa_input": True,
    "social": False,
    "slow": [],
    "hoa_hidden": [256, 512, 512],
    "hoa_more": [],
    "reconstruct": 0.0,
}
CASES: dict[str, dict[str, Any]] = {
    "paper's head on 20 % of the frames": PAPER | {"hoa_sample": 0.2},
    "paper's head on all frames": PAPER | {"hoa_sample": 1.0},
    "sound": {},
}
SPEC = DataSpec(("m1", "m2", "m3"), MOUSE_POINTS, 2, 30.0, "px", None)


def batch_of(model: Bams, size: int, frames: int) -> Batch:
    torch.manual_seed(0)
    config, layout = model.config, model.layout
    count = max(1, round((config.hoa_sample or 1) * (frames - 60)))
    return Batch(
        torch.randn(size, frames, len(layout.inputs)),
        torch.randint(0, config.hoa_bins, (size, frames, len(layout.targets)), dtype=torch.uint8),
        torch.rand(size, frames) < 0.95,
        60 + torch.randperm(frames - 60)[:count].sort().values,
        torch.randint(60, frames, (2, size, config.pairs or 1)),
        torch.randint(100, frames, (2, size, config.pairs or 1)),
        torch.arange(size) // len(SPEC.individuals),
    )


def steps(model: Bams, batch: Batch, n: int) -> dict[str, float]:
    """Processor seconds (which other jobs hardly change) of each part, mean over `n` steps after one to warm up."""
    config, spent = model.config, defaultdict(float)
    optimiser = model.configure_optimizers()["optimizer"]
    for step in range(n + 1):
        marks = [("start", time.process_time())]
        latents = model.encode(batch.inputs)
        marks.append(("encoders", time.process_time()))
        with torch.no_grad():
            cdf, weight = window_cdf(batch.bins, batch.valid, batch.frames, model.windows, config.hoa_bins)
        marks.append(("histogram targets", time.process_time()))
        chosen = torch.cat([z[:, batch.frames] for z in latents.values()], dim=-1)
        seen = torch.cat([chosen, batch.inputs[:, batch.frames]], dim=-1) if config.hoa_input else chosen
        logits = model.predictor(seen).unflatten(-1, (-1, config.hoa_bins))
        marks.append(("HoA head", time.process_time()))
        loss = config.hoa_weight * weighted_mean(emd(cdf, logits), weight)
        marks.append(("HoA loss", time.process_time()))
        if model.decoder is not None:
            loss = loss + float(config.reconstruct or 0) * model._reconstruction(batch, chosen)
        marks.append(("reconstruction", time.process_time()))
        latent = sum(model._latent_loss(k, latents[k], f) for k, f in ((SHORT, batch.short), (LONG, batch.long)))
        loss = loss + config.byol_weight * latent
        marks.append(("latent losses", time.process_time()))
        optimiser.zero_grad()
        loss.backward()
        marks.append(("backward", time.process_time()))
        optimiser.step()
        marks.append(("optimiser", time.process_time()))
        if step:
            for (_, before), (name, after) in pairwise(marks):
                spent[name] += (after - before) / n
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--frames", type=int, default=1800)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for case, settings in CASES.items():
        model = Bams(Config(**settings), SPEC).train()
        spent = steps(model, batch_of(model, options.batch, options.frames), options.steps)
        total = sum(spent.values())
        print(f"{case}: {total:.2f} s a step")
        for name, seconds in spent.items():
            print(f"  {name:18s} {seconds:7.3f} s  {seconds / total:5.1%}")
    print(f"process peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
