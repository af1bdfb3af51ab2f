"""Training steps on an accelerator: precision, compilation and resident data, against the bare model.

    python -m benchmarks.gpu [--toy] [--output build/bench-gpu]

For each system: steps a second of the bare model on inputs that are there and of the step with inputs copied from
pinned memory, in float32 and bfloat16, plain and compiled; the first row of a system is what the workflow does by
default. `--toy` shrinks everything and runs on the processor as well, to show that the script works; its numbers say
nothing. Takes at most ten minutes on one GPU: each cell is timed for `--seconds`.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.bench_bams import PAPER, SPEC, batch_of
from benchmarks.bench_lisbet import recording
from workflow_scripts.methods import parse
from workflow_scripts.methods.bams.config import Config as BamsConfig
from workflow_scripts.methods.bams.module import Bams
from workflow_scripts.methods.lisbet.config import Config as LisbetConfig
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.mvd.module import MvdClassifier
from workflow_scripts.views.clips import ClipSpec
from workflow_scripts.views.tracks import DataSpec

Loss = Callable[[Tensor], Tensor]


def lisbet(toy: bool) -> tuple[torch.nn.Module, Loss, Tensor, int, str]:
    """The backbone of the published model; a step is four tasks of 32 windows of 200 frames."""
    config = LisbetConfig(mode="faithful", preset="16x2" if toy else "64x8", seed=0).resolved()
    model = Lisbet(config, DataSpec.of(recording("r", 2)))
    width = next(model.backbone.parameters()).shape[-1]
    for parameter in model.backbone.parameters():
        if parameter.ndim == 2:
            width = parameter.shape[1]
            break
    windows = torch.randn(8 if toy else 128, config.window_size, width)
    return model.backbone, lambda x: model.backbone(x).square().mean(), windows, 9_400, "epoch of 9 400 steps, s"


def bams(toy: bool) -> tuple[torch.nn.Module, Loss, Tensor, int, str]:
    """The paper's encoders and head; a step is 16 sequences (clips' animals) of 1 800 frames."""
    model = Bams(BamsConfig(**PAPER, hoa_sample=0.2), SPEC)
    batch = batch_of(model, 2 if toy else 16, 300 if toy else 1800)

    def loss(inputs: Tensor) -> Tensor:
        latents = model.encode(inputs)
        frames = batch.frames.to(inputs.device)
        seen = torch.cat([*(z[:, frames] for z in latents.values()), inputs[:, frames]], dim=-1)
        return model.predictor(seen).square().mean() + sum(z.square().mean() for z in latents.values())

    return model, loss, batch.inputs, 5_336 * 3 // 16, "epoch of 5 336 clips of three mice, s"


def mvd(size: str) -> Callable[[bool], tuple[torch.nn.Module, Loss, Tensor, int, str]]:
    """A video transformer on 16 frames of 224 pixels."""

    def make(toy: bool) -> tuple[torch.nn.Module, Loss, Tensor, int, str]:
        config = parse("mvd", {"size": "nano" if toy else size, "num_frames": 16}).resolved()
        model = MvdClassifier(config, ClipSpec(30.0, 256, {"action": ("idle", "groom", "twitch")}))
        side = config.side
        clips = torch.randn(2 if toy else 16, 3, 16, side, side)
        return model.network, lambda x: model.network(x).square().mean(), clips, 0, ""

    return make


SYSTEMS = {"LISBET 64x8": lisbet, "BAMS": bams, "MVD ViT-S": mvd("small"), "MVD ViT-B": mvd("base")}


def rate(step: Callable[[], None], seconds: float, device: torch.device) -> float:
    """Steps a second, after three to warm up."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(3):
        step()
    wait()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds or not count:
        step()
        count += 1
        if device.type != "cuda" or count % 8 == 0:
            wait()
    wait()
    return count / (time.perf_counter() - began)


def rows(name: str, make: Any, device: torch.device, *, toy: bool, seconds: float) -> Iterator[dict[str, object]]:
    """Rates of one system."""
    for precision in ("float32", "bfloat16"):
        for compiled in (False, True):
            if toy and compiled:
                continue  # compiling on the processor takes minutes
            torch.manual_seed(0)
            model, loss, inputs, steps, what = make(toy)
            model = model.to(device).train()
            run = torch.compile(loss) if compiled else loss
            optimiser = torch.optim.AdamW(model.parameters(), fused=device.type == "cuda")
            pinned = inputs.pin_memory() if device.type == "cuda" else inputs
            resident = inputs.to(device)

            def step(fetch: Callable[[], Tensor]) -> None:
                automatic = (
                    torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()  # noqa: B023
                )
                with automatic:
                    value = run(fetch())  # noqa: B023
                optimiser.zero_grad()  # noqa: B023
                value.backward()
                optimiser.step()  # noqa: B023

            bare = rate(lambda: step(lambda: resident), seconds, device)  # noqa: B023
            moved = rate(lambda: step(lambda: pinned.to(device, non_blocking=True)), seconds, device)  # noqa: B023
            yield {
                "system": name,
                "precision": precision,
                "compiled": compiled,
                "steps_per_s": moved,
                "bare_steps_per_s": bare,
                "bare_over_step": bare / moved,
                "samples_per_s": moved * len(inputs),
                what or "epoch": steps / moved if steps else "",
                "peak_gb": torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else "",
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--seconds", type=float, default=8.0, help="that each cell is timed for")
    parser.add_argument("--output", type=Path, default=Path("build/bench-gpu"))
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type != "cuda" and not options.toy:
        raise SystemExit("no CUDA device is here; --toy shows on the processor that the script works")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "processor, toy sizes"
    print(name, "torch", torch.__version__)
    found: list[dict[str, object]] = []
    for system, make in SYSTEMS.items():
        if options.toy and system == "MVD ViT-B":
            continue  # the same network as ViT-S at toy size
        for row in rows(system, make, device, toy=options.toy, seconds=0.2 if options.toy else options.seconds):
            found.append({"device": name} | row)
            text = f"{row['steps_per_s']:9.2f} steps/s, {row['bare_over_step']:.3f} of bare"
            print(f"{system:12s} {row['precision']:9s} compiled={row['compiled']!s:5s} {text}", flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    with (options.output / "gpu.csv").open("w", newline="", encoding="utf-8") as file:
        names = list(dict.fromkeys(key for row in found for key in row))
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        table.writerows(found)


if __name__ == "__main__":
    main()
