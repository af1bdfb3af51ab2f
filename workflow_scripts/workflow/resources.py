"""Memory and time of every job, predicted from the configuration and the size of the data.

The rules ask the scheduler for what is said here, and `ethomake plan` shows it. Nothing is read but the cards and the
sizes they name, so a plan can be made before anything is downloaded.

Each rule has a line: memory and seconds at no data, and how both grow with the megabytes of coordinates (float32) it
works on, as `benchmarks/bench_resources.py` found them on one core, rounded up. `SPARE` is what a slower machine, a
cold file system and a wider skeleton may take beyond that. A job that needs more is started again with more
(`attempt`).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts import methods
from workflow_scripts.cards.card import UNPACKED, Card
from workflow_scripts.core.names import slugify
from workflow_scripts.experiment.experiment import Experiment
from workflow_scripts.experiment.runs import Run

SPARE = 3.0
"""Factor on measured seconds, and on measured growth of memory."""

HELD = 1.2
"""Factor on the bytes of what a training holds, where its frames and their size are known."""

TEXT = 0.5
"""Megabytes of coordinates in a megabyte of tracking table."""

UNKNOWN_MB = 50.0
"""Taken for a recording whose size is nowhere."""

JOB_MB = 400
"""What the two Snakemakes around a SLURM job hold, and Python with it."""

JOB_MINUTES = 4
"""Starting a job: Python, its imports, and a file system that takes its time."""


@dataclass(frozen=True)
class Line:
    """What a job of a rule needs: at no data, and a megabyte of coordinates."""

    memory: float
    memory_each: float
    seconds: float
    seconds_each: float


NETWORK_MB = 3000
"""Memory of a job on a GPU before any data: the processes measured here, without a GPU, held up to 700."""

PROBE = Line(250, 15, 4, 0.8)
"""A control's probe is a rule of its own, for the groups of jobs on a cluster; it is the same work."""

LINES = {
    "convert": Line(150, 7, 3, 0.5),
    "tracks": Line(150, 1, 2, 0.1),
    "audit": Line(150, 1, 2, 0.1),
    "fit": Line(350, 11, 4, 0.2),
    "transform": Line(350, 12, 4, 0.3),
    "join": Line(350, 5, 4, 0.3),
    "train": Line(NETWORK_MB, 12, 15, 0),
    "embed": Line(NETWORK_MB, 12, 10, 1),
    "predict": Line(NETWORK_MB, 12, 10, 1),
    "probe": PROBE,
    "probe_control": PROBE,
    "decide": Line(250, 15, 10, 4),
    "chance": Line(150, 1, 2, 0.1),
    "pool": Line(150, 1, 3, 0.1),
    "score": Line(150, 1, 3, 0.1),
}

EPOCH_SECONDS = 2.0
"""Seconds an epoch takes on one core, a megabyte of coordinates: LISBET's, the slowest of three."""

SHORTEST_EPOCH = 10.0
"""Seconds, so that small sets are not cut off either."""


@dataclass(frozen=True)
class Need:
    """What one job asks the scheduler for."""

    mem_mb: int
    minutes: int


def _simulated_frames(card: Card) -> int:
    """Frames of a whole twin."""
    assert card.simulate is not None
    options = card.simulate.options
    parts = [options[name] for name in ("train", "test", "submission", "public", "private") if name in options]
    sequences = max(len(card.shards), sum(part for part in parts if isinstance(part, int)))
    return sequences * int(options.get("frames", 1000))


def _simulated_mb(card: Card) -> float:
    """Megabytes of coordinates of a whole twin."""
    points = max(1, len(card.individuals)) * max(1, len(card.keypoints))
    return float(_simulated_frames(card) * points * 3 * 4 / 1e6)


def _shard_sizes(card: Card, *, rough: bool) -> dict[str, float]:
    """Megabytes of coordinates of each shard, by its id; `rough` sizes of files count where no exact one is known."""
    if card.simulate is not None:
        return dict.fromkeys((shard.id for shard in card.shards), _simulated_mb(card) / len(card.shards))
    archives = [shard.file.split(UNPACKED)[0] for shard in card.shards]
    sharing = Counter(archives)
    sizes = {}
    for shard, name in zip(card.shards, archives, strict=True):
        size = card.file(name).bytes or (card.file(name).about if rough else None)
        if size is None and card.local:
            path = Path(card.local).expanduser() / name
            size = path.stat().st_size if path.is_file() else None
        sizes[shard.id] = UNKNOWN_MB if size is None else TEXT * size / 1e6 / sharing[name]
    return sizes


class Sizes:
    """Sizes of an experiment's datasets, in megabytes of coordinates, each counted once.

    They come from the cards: the bytes of tracking files, the options of a twin, or files in the card's own folder.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.cards = experiment.cards
        self._shards = {
            name: {slugify(key): size for key, size in _shard_sizes(card, rough=False).items()}
            for name, card in experiment.cards.items()
        }
        self._whole = {name: sum(shards.values()) for name, shards in self._shards.items()}
        self._rough = {name: sum(_shard_sizes(card, rough=True).values()) for name, card in experiment.cards.items()}

    def dataset(self, name: str) -> float:
        """Megabytes of coordinates of a dataset."""
        return self._whole[name]

    def in_memory(self, name: str) -> float:
        """Megabytes of coordinates of a dataset held at once; a file's rough size tells where no exact one is known."""
        return self._rough[name]

    def frames(self, name: str) -> int | None:
        """Frames of a dataset, None where its card does not say."""
        card = self.cards[name]
        return _simulated_frames(card) if card.simulate is not None else card.frames

    def shard(self, dataset: str, slug: str) -> float:
        """Megabytes of coordinates of one of its shards."""
        return self._shards[dataset][slug]


def need(rule: str, megabytes: float, extra_seconds: float = 0) -> Need:
    """Predict what a job of a rule asks for.

    Parameters
    ----------
    rule : str
        Name of the rule.
    megabytes : float
        Coordinates it works on.
    extra_seconds : float
        What else it does.
    """
    line = LINES[rule]
    memory = JOB_MB + line.memory + SPARE * line.memory_each * megabytes
    seconds = line.seconds + line.seconds_each * megabytes + extra_seconds
    return Need(100 * math.ceil(memory / 100), JOB_MINUTES + math.ceil(SPARE * seconds / 60))


def epochs(options: dict[str, Any]) -> int:
    """Epochs a run trains at most, 0 for a method without a training loop."""
    training = options.get("training")
    return int(training["max_epochs"]) if isinstance(training, dict) and "max_epochs" in training else 0


def train_need(sizes: Sizes, run: Run) -> Need:
    """Predict what the training of a run asks for."""
    megabytes = sizes.dataset(run.dataset)
    asked = need("train", megabytes, epochs(run.options) * max(SHORTEST_EPOCH, EPOCH_SECONDS * megabytes))
    # Training holds all sequences; its hours, measured on a processor, would be absurd for sets that want a GPU.
    memory = need("train", sizes.in_memory(run.dataset)).mem_mb
    card, frames = sizes.cards[run.dataset], sizes.frames(run.dataset)
    each = None
    if frames is not None and card.individuals:
        each = methods.parse(run.program, run.options).bytes_a_frame(card.individuals, card.keypoints)
    if frames is not None and each is not None:
        memory = 100 * math.ceil((JOB_MB + NETWORK_MB + HELD * frames * each / 1e6) / 100)
    return Need(memory, asked.minutes)


def gpus(run: Run) -> int:
    """GPUs (on each machine) that a run trains on."""
    training = run.options.get("training")
    return int(training.get("devices", 1)) if isinstance(training, dict) else 1
