"""Time the hot paths with the package of another commit and with this one, in turn.

    python -m benchmarks.suite.compare REV [arguments of the suite]

The benchmarks are this checkout's in both; only `workflow_scripts`, rules and configuration are the other commit's. An
entry that needs what the other commit lacks is left out there. Prints the ratio of processor seconds of each entry.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(package: Path, output: Path, words: list[str]) -> dict[str, float]:
    """Seconds by entry; each in a process of its own, so that one that fails stops no other."""
    found: dict[str, float] = {}
    command = [sys.executable, "-m", "benchmarks.suite", "--output", str(output), *words]
    done = subprocess.run(
        command, cwd=package, env=os.environ | {"PYTHONPATH": str(package)}, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        with (output / "bench.csv").open(encoding="utf-8") as file:
            found = {row["entry"]: float(row["ours_s"]) for row in csv.DictReader(file)}
    else:
        reasons = [line for line in done.stderr.splitlines() if "Error" in line]
        print(f"  left out: {(reasons or ['no reason was printed'])[-1]}", flush=True)
    return found


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    revision, words = sys.argv[1], sys.argv[2:]
    from benchmarks.suite.__main__ import names as all_names

    names = [name for name in all_names() if name in words or "--only" not in words]
    rest = [word for word in words if word not in names and word != "--only"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = subprocess.run(["git", "-C", str(ROOT), "archive", revision], capture_output=True, check=True)
        other = folder / "other"
        other.mkdir()
        subprocess.run(["tar", "x", "-C", str(other)], input=archive.stdout, check=True)
        shutil.rmtree(other / "benchmarks", ignore_errors=True)
        shutil.copytree(ROOT / "benchmarks", other / "benchmarks")
        print(f"{'entry':26s}{revision[:12]:>14s}{'here':>10s}{'ratio':>8s}")
        for entry in names:
            old = run(other, folder / "a", ["--only", entry, *rest])
            new = run(ROOT, folder / "b", ["--only", entry, *rest])
            before, after = old.get(entry), new.get(entry)
            ratio = "" if before is None or after is None else f"{before / after:.2f}"
            print(f"{entry:26s}{_text(before):>14s}{_text(after):>10s}{ratio:>8s}", flush=True)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
