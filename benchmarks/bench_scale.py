"""Time and memory of converting, indexing, embedding and probing many recordings.

    python benchmarks/bench_scale.py --recordings 50 200 1000 --frames 18000

One session of two rats is simulated and given many names (hard links, groups of their own), so that reading, converting
and everything behind it do the work of that many recordings. Conversion uses two processes; each stage runs in
processes of its own, whose processor time and peak memory are printed.
The leak audit is left out: copies of one session are what it is there to find.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from workflow_scripts.cards.card import Card, load_card
from workflow_scripts.convert.quality import quality_tables
from workflow_scripts.convert.splits import make_split
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.evaluation.comparison.compare import score_run
from workflow_scripts.evaluation.options import IntervalConfig, ProbeConfig
from workflow_scripts.evaluation.probe.probe import run_probe
from workflow_scripts.formats.splits import read_split, write_split
from workflow_scripts.formats.track_index import index_tracks
from workflow_scripts.formats.tracks import write_tracks
from workflow_scripts.methods import parse, runs
from workflow_scripts.simulate import make_file
from workflow_scripts.views.tracks import TrackView

ROOT = Path(__file__).parents[1]


def measured(*jobs: tuple[Callable[..., None], tuple[Any, ...]]) -> tuple[float, float, float]:
    """Wall seconds, processor seconds of all, and peak MiB of the largest of jobs run side by side."""
    began = time.perf_counter()
    children = []
    for work, arguments in jobs:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                work(*arguments)
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
    used, peak = 0.0, 0.0
    for pid in children:
        _, status, usage = os.wait4(pid, 0)
        assert status == 0, "a stage failed"
        used += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss / 1024)
    return time.perf_counter() - began, used, peak


def make_card(folder: Path, recordings: int) -> Path:
    """Write the card of that many sessions, which share the files of one."""
    base = yaml.safe_load((ROOT / "config/datasets/rats_pairs_twin.yaml").read_text())
    names = [f"s{k:05d}" for k in range(recordings)]
    labels = base["shards"][0]["labels"][0]
    base["files"] = [{"path": f"{kind}/{n}.{end}"} for n in names for kind, end in (("csv", "csv"), ("txt", "txt"))]
    base["shards"] = [
        {"id": n, "group": n, "tracks": f"csv/{n}.csv", "labels": [labels | {"file": f"txt/{n}.txt"}]} for n in names
    ]
    base["splits"] = {"fold": {"folds": [names[k::5] for k in range(5)]}}
    path = folder / "card.yaml"
    path.write_text(yaml.dump(base, Dumper=yaml.CSafeDumper))
    return path


def convert(card: Card, folder: Path, part: int, parts: int = 2) -> None:
    for shard in card.shards[part::parts]:
        write_tracks(folder / f"recordings/{shard.id}.h5", convert_shard(card, shard, folder / "resources"))


def index(card: Card, folder: Path) -> None:
    index_tracks(folder / "tracks.h5", [folder / f"recordings/{shard.id}.h5" for shard in card.shards])
    quality_tables(folder / "tracks.h5")
    write_split(folder / "fold0.json", make_split(folder / "tracks.h5", card, "fold0"))


def view(folder: Path) -> TrackView:
    return TrackView(folder / "tracks.h5", read_split(folder / "fold0.json"))


def fit(folder: Path) -> None:
    settings = {"mode": "sound", "options": parse("raw", {}).model_dump(mode="json")}
    runs.train("raw", settings, view(folder), folder=folder / "run", seed=0)
    runs.export_embedder(folder / "run")


def embed(folder: Path) -> None:
    runs.embed(folder / "run/embedder", view(folder), folder / "embeddings.h5")


def probe(folder: Path) -> None:
    split, predictions = read_split(folder / "fold0.json"), folder / "predictions.h5"
    config = ProbeConfig(max_train_frames=200_000)
    run_probe(folder / "embeddings.h5", folder / "tracks.h5", split, ["S1"], config, 0, predictions)


def score(folder: Path) -> None:
    columns = {"dataset": "d", "method": "raw", "mode": "sound", "point": "default", "split": "fold0", "seed": 0}
    score_run([folder / "predictions.h5"], IntervalConfig(), columns)


def prepare(folder: Path, recordings: int, frames: int) -> Card:
    """Write the files of that many sessions, and return their card."""
    twin = load_card(ROOT / "config/datasets/rats_pairs_twin.yaml")
    assert twin.simulate is not None
    simulation, shard = twin.simulate, twin.shards[2]
    sources = {"csv": shard.file, "txt": shard.labels[0].file}
    for path in sources.values():
        options = simulation.options | {"frames": frames}
        make_file(simulation.generator, path, folder / "one" / path, options, twin)
    card = load_card(make_card(folder, recordings))
    for each in card.shards:
        for kind, path in sources.items():
            target = folder / f"resources/{kind}/{each.id}.{kind}"
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(folder / "one" / path, target)
    (folder / "recordings").mkdir()
    return card


def measure(recordings: int, frames: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        card = prepare(folder, recordings, frames)
        stages = {
            "convert": measured((convert, (card, folder, 0)), (convert, (card, folder, 1))),
            "index, quality, split": measured((index, (card, folder))),
            "fit": measured((fit, (folder,))),
            "embed": measured((embed, (folder,))),
            "probe": measured((probe, (folder,))),
            "score": measured((score, (folder,))),
        }
        for stage, (wall, used, peak) in stages.items():
            print(f"{recordings:>10}  {stage:<22}  {wall:>8.1f}  {used:>8.1f}  {peak:>8.0f}", flush=True)
        size = sum(path.stat().st_size for path in folder.rglob("*.h5")) / 1e9
        print(f"{recordings:>10}  {'files written, GB':<22}  {size:>8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--frames", type=int, default=18000)
    options = parser.parse_args()
    print(f"{'recordings':>10}  {'stage':<22}  {'seconds':>8}  {'CPU s':>8}  {'peak MiB':>8}")
    for recordings in options.recordings:
        measure(recordings, options.frames)


if __name__ == "__main__":
    main()
