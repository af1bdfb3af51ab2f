"""Whole programs: crops from a video, start-up, a dry run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.bench_graph import measure
from benchmarks.bench_video import decode, make
from benchmarks.suite.entry import Case, Entry
from workflow_scripts.convert.crop_video import preprocess
from workflow_scripts.sources.videos import Options


def crops(noise: float, width: int, height: int) -> Entry:
    """Decode, detect, crop and encode a video; `noise` sets its bit rate."""

    def case(share: float, folder: Path) -> Case:
        path, seconds = folder / "source.mp4", max(4, int(120 * share))
        make(path, seconds, noise, width, height)
        rate = path.stat().st_size * 8 / 1e6 / seconds
        return Case(
            f"{seconds} s of {width}×{height} at {rate:.1f} Mbit/s",
            lambda: preprocess(path, Options(), folder / "crop.mp4", recording="x"),
            lambda: decode(path, rgb=True),
            "PyAV decode, every frame to RGB; nothing is detected, cut or written",
            lambda: decode(path, rgb=False),
            "PyAV decode alone",
        )

    return case


BARE = """
rule table:
    input: expand("tables/{{name}}", name=range({recordings}))
rule convert:
    input: "raw/{{name}}.csv", "raw/{{name}}.txt"
    output: "tables/{{name}}"
    shell: "cat {{input}} > {{output}}"
rule file:
    output: "raw/{{name}}"
    shell: "touch {{output}}"
"""


def _python(*words: str) -> None:
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)


def start_up(share: float, folder: Path) -> Case:
    """What a person waits for."""
    return Case(
        "ethomake --help",
        lambda: _python("-m", "workflow_scripts.cli", "--help"),
        lambda: _python("-m", "snakemake", "--version"),
        "snakemake --version",
        lambda: _python("-c", "import argparse"),
        "python -c 'import argparse'",
    )


def dry_run(share: float, folder: Path) -> Case:
    """`snakemake -n` of an experiment with many recordings."""
    recordings = max(50, int(10_000 * share))
    (folder / "Snakefile").write_text(BARE.format(recordings=recordings))
    return Case(
        f"{recordings} recordings",
        lambda: measure(recordings),
        lambda: _python("-m", "snakemake", "-n", "-s", str(folder / "Snakefile"), "-d", str(folder)),
        "snakemake -n of a Snakefile of as many jobs and nothing else: two files and one table for each recording",
        lambda: _python("-m", "snakemake", "--version"),
        "snakemake --version",
    )


def demo(share: float, folder: Path) -> Case:
    """The experiment `demo` in a workspace of its own, whatever the share; then once more, with nothing to do."""
    _python("-m", "workflow_scripts.cli", "init", str(folder / "lab"))
    words = ("-m", "workflow_scripts.cli", "run", "demo", "--cores", "2")

    def run() -> None:
        subprocess.run([sys.executable, *words], cwd=folder / "lab", check=True, capture_output=True)

    def first() -> None:
        for part in ("results", "data", "resources", "logs", ".snakemake"):
            shutil.rmtree(folder / "lab" / part, ignore_errors=True)
        run()

    return Case("five systems on six twins", first, None, "", run, "the same again, with nothing to do")


ENTRIES = {
    "video to crops": crops(6.0, 1280, 720),
    "video to crops, small": crops(1.5, 640, 480),
    "start-up": start_up,
    "dry run": dry_run,
    "demo": demo,
}
