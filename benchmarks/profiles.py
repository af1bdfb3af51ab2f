"""Where a training step's time goes: shares of the processor by operator, for each trained method.

    python -m benchmarks.profiles [--share 1.0] [--rows 6] [ENTRY …]

The steps are those of `benchmarks.suite`, profiled by `torch.profiler` on one thread.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.suite.__main__ import entry

STEPS = ("LISBET step", "BAMS step, faithful", "BAMS step, sound", "daart epochs", "MVD step", "rat direction step")


def main() -> None:
    """Profile each step."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entries", nargs="*", default=STEPS)
    parser.add_argument("--share", type=float, default=1.0, help="of the full sizes")
    parser.add_argument("--rows", type=int, default=6)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.entries:
        with tempfile.TemporaryDirectory() as folder:
            case = entry(name)(options.share, Path(folder))
            case.ours()
            with profile(activities=[ProfilerActivity.CPU]) as measured:
                case.ours()
        found = sorted(measured.key_averages(), key=lambda event: -event.self_cpu_time_total)
        whole = sum(event.self_cpu_time_total for event in found)
        print(f"{name}, {case.size}: {whole / 1e6:.2f} s")
        for event in found[: options.rows]:
            print(f"  {event.self_cpu_time_total / whole:6.1%} {event.key} ({event.count} calls)")


if __name__ == "__main__":
    main()
