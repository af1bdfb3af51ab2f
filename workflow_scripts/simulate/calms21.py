"""Twin of CalMS21 task 1: resident and intruder mice, labels with the real statistics, the official JSON layout.

`TRANSITIONS` and `DURATIONS` were counted in the published task-1 training labels (70 sequences, 507 738 frames, as
intervals in pnuehrenberg/vassi, datasets/CALMS21/train). The mice's size and their way of moving are our own choice:
no track of the real set was measured for them. Every sequence follows the same chain, so they differ less from each
other than the real ones do (18 of those 70 show any attack).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import Field

from workflow_scripts.cards.card import Card
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.simulate.agents import Durations, Point, Style, bodies, generator, move, semi_markov
from workflow_scripts.sources import calms21

CLASSES = ("attack", "investigation", "mount", "other")
TRANSITIONS = np.array([[0, 55, 3, 132], [143, 0, 265, 1394], [4, 149, 0, 122], [47, 1607, 14, 0]], dtype=np.float64)
"""Counts of (bout, next bout) in the real training labels."""
DURATIONS = (
    Durations(3.757, 1.076, 669),
    Durations(3.629, 1.192, 1335),
    Durations(4.178, 0.921, 1123),
    Durations(4.455, 1.449, 2049),
)
"""Mean and deviation of the logarithm of the real bouts' frames, and the longest one."""
SHARES = (0.0277, 0.2888, 0.0564, 0.6272)
"""Real share of frames by class; a check on the chain, not an input to it."""

FPS = 30.0
IMAGE_SIZE = (1024.0, 570.0)
KEYPOINTS = ("nose", "left_ear", "right_ear", "neck", "left_hip", "right_hip", "tail")
INDIVIDUALS = ("resident", "intruder")
POINTS = {
    "nose": Point(52),
    "left_ear": Point(34, -13),
    "right_ear": Point(34, 13),
    "neck": Point(20),
    "left_hip": Point(-20, -17, 3),
    "right_hip": Point(-20, 17, 3),
    "tail": Point(-42, 0, 5),
}
STYLES = (
    Style(speed=(9, 7), follow=(1, 0.6), distance=28, spin=0.16, face=0.8),
    Style(speed=(4, 2), follow=(1, 0), distance=62, spin=0.01, face=1.0),
    Style(speed=(5, 1.5), follow=(1, 0), distance=30, behind=True, face=0.6),
    Style(speed=(4, 4), distance=90, repel=0.5),
)
ARENA = (130.0, 90.0, 894.0, 480.0)
BATCH = 32
"""Recordings simulated in step; more would be faster by little and hold more memory."""


class Options(Strict):
    """Options of the generator."""

    seed: int = Field(0, ge=0)
    train: int = Field(8, ge=1, description="Recordings in the training file.")
    test: int = Field(4, ge=1, description="Recordings in the test file.")
    frames: int = Field(2000, ge=2, description="Frames of each recording.")
    labelled: bool = Field(True, description="Write annotations.")


def _recordings(ids: list[str], options: Options, name: str) -> Iterator[Recording]:
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        rngs = [generator(options.seed, name, identifier) for identifier in batch]
        states = np.stack([semi_markov(rng, options.frames, 3, TRANSITIONS, DURATIONS) for rng in rngs], axis=1)
        motion = move(rngs, states, STYLES, ARENA, fixed_actor=0)
        # An eighth of a pixel is exact in float32, so that the JSON holds three decimals and not seventeen.
        positions = (np.rint(8 * bodies(rngs, motion, POINTS, noise=1.0)) / 8).astype(np.float32)
        for r, identifier in enumerate(batch):
            scores = np.clip(0.97 - np.abs(0.04 * rngs[r].standard_normal(positions[:, r].shape[:-1])), 0, 1)
            values = states[:, r].astype(np.int16)
            labels = Labels(values, np.ones(len(values), dtype=bool), "frame", "multiclass", CLASSES)
            yield Recording(
                id=identifier,
                position=positions[:, r],
                confidence=(np.rint(256 * scores) / 256).astype(np.float32),
                fps=FPS,
                individuals=INDIVIDUALS,
                keypoints=KEYPOINTS,
                group=identifier,
                image_size=IMAGE_SIZE,
                labels={"behaviour": labels} if options.labelled else {},
            )


def make(path: str, target: Path, options: Options, card: Card) -> None:
    """Write the training or the test file, distinguished by its name.

    Parameters
    ----------
    path : str
        Entry of the card's files; ends in ``train.json`` or ``test.json``.
    target : Path
    options : Options
    card : Card

    Raises
    ------
    ConfigError
        When the name is neither.
    """
    part = Path(path).stem.rpartition("_")[2]
    if part not in ("train", "test"):
        raise ConfigError(f"The generator calms21 makes files named …_train.json and …_test.json, not {path!r}.")
    # As in the real set, no animal is on both sides: the test mice are numbered after the training mice.
    first, n = (1, options.train) if part == "train" else (1 + options.train, options.test)
    ids = [f"task1/{part}/mouse{number:03d}_task1_annotator1" for number in range(first, first + n)]
    calms21.write_json(target, _recordings(ids, options, card.name), group="annotator-id_0", task="behaviour")
