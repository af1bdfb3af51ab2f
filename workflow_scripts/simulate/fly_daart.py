"""Twin of daart's two fly sessions: a whole ``data_dir`` of markers, sparse hand labels and rule-made labels.

Counted in the two real pairs of label tables (themattinthehatt/daart, data/labels-hand and data/labels-heuristic,
95 002 frames): transitions and bout lengths of the rule-made labels (background filled with the last class, bouts under
ten frames merged into the former), what the rules say on frames a hand labelled, the share and the pieces of the hand
labels. The real markers were not at hand: legs and abdomen here move by our own rules. So is the sixth state, movement
of no class, which stands for what the rules leave open; its share brings the cover of the rules near the real one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from workflow_scripts.cards.card import Card
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.typing import Float64Array, Int64Array
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.bouts import runs
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.simulate.agents import Durations, gaps, generator, lagged, semi_markov, wander
from workflow_scripts.sources import daart_csv

CLASSES = ("still", "walk", "front_groom", "back_groom", "abdomen-move")
COLUMNS = ("background", *CLASSES)
OTHER = 5
"""State of frames that are of no class."""
TRANSITIONS = np.array(
    [
        [0, 118, 41, 110, 16, 60],
        [62, 0, 70, 143, 6, 60],
        [60, 53, 0, 14, 8, 40],
        [146, 92, 19, 0, 74, 60],
        [18, 30, 2, 54, 0, 25],
        [40, 40, 30, 40, 20, 0],
    ],
    dtype=np.float64,
)
"""Counts of (bout, next bout). Those of abdomen-move are doubled, since the rules find few of its bouts; the last row
and column are ours."""
DURATIONS = (
    Durations(4.406, 1.058, 2086),
    Durations(4.150, 0.931, 388),
    Durations(3.403, 0.902, 329),
    Durations(3.769, 0.879, 338),
    Durations(4.406, 0.378, 125),
    Durations(3.900, 0.900, 300),
)
"""Logarithm of the bouts' frames; of abdomen-move those that hands labelled, of the last state our own."""
RULES = np.array(
    [
        [0.105, 0.887, 0.0, 0.0, 0.008, 0.0],
        [0.008, 0.0, 0.992, 0.0, 0.0, 0.0],
        [0.111, 0.018, 0.007, 0.864, 0.0, 0.0],
        [0.037, 0.003, 0.0, 0.0, 0.942, 0.018],
        [0.532, 0.124, 0.023, 0.008, 0.182, 0.131],
        [0.850, 0.050, 0.050, 0.0, 0.050, 0.0],
    ]
)
"""Share of what the rules say (background, then CLASSES) by state; the last row is ours."""
RULE_RUN = (1.75, 1.1)
"""Mean and deviation of the logarithm of the frames for which the rules say one thing."""
HAND_SHARE = (0.0063, 0.0063, 0.0047, 0.0063, 0.0137)
"""Share of all frames that a hand labelled as each class."""

POINTS = (
    "fore_tip",
    "fore_joint",
    "mid_tip",
    "mid_joint",
    "hind_tip",
    "hind_joint",
    "abdomen_top",
    "abdomen_tip",
)
BASE = np.array(
    [[150, 210], [165, 180], [225, 235], [230, 195], [300, 225], [285, 185], [330, 130], [365, 150]], dtype=np.float64
)
LIMB = np.array([0, 0, 1, 1, 2, 2, 3, 3])
"""Fore, mid, hind leg and abdomen, by point."""
REACH = np.array([1.0, 0.5, 1.0, 0.5, 1.0, 0.5, 0.5, 1.0])
"""How far a point swings with its limb."""
SWING = np.array(
    [[0, 0, 0, 0], [9, 11, 9, 0.5], [7, 1, 0.5, 0], [0.5, 1, 7, 2], [0.3, 0.5, 0.5, 7], [1.5, 1.5, 1.5, 1]],
    dtype=np.float64,
)
"""Amplitude of each limb by state, px."""
PERIOD = np.array([[20, 20, 20, 20], [9, 9, 9, 30], [5, 9, 9, 30], [9, 9, 6, 12], [20, 20, 20, 35], [14, 14, 14, 25]])
"""Frames of a cycle of each limb by state."""
POSE = np.zeros((6, 4, 2))
"""Where each limb is held in a state, px from rest."""
POSE[2, 0] = (-8, -9)
POSE[3, 2] = (10, -7)
POSE[3, 3] = (2, 2)
NOISE = 1.2
DRIFT = 4.0
LOST = 0.01
FPS = 70.0


class Options(Strict):
    """Options of the generator."""

    seed: int = Field(0, ge=0)
    frames: int = Field(9000, ge=500, description="Frames of each recording.")
    piece: int = Field(25, ge=1, description="Frames of one hand-labelled piece.")


def states(seed: int, dataset: str, recording: str, n_frames: int) -> Int64Array:
    """Draw the true state of every frame: CLASSES, then OTHER."""
    return semi_markov(generator(seed, dataset, recording, "states"), n_frames, 0, TRANSITIONS, DURATIONS)


def rule_labels(rng: np.random.Generator, truth: Int64Array) -> Int64Array:
    """Draw what the rules say, as columns of COLUMNS: runs inside each true bout, right as often as the real ones."""
    said = np.zeros(len(truth), dtype=np.int64)
    for start, stop, state in runs(truth).triples():
        at = start
        while at < stop:
            end = min(at + max(1, round(rng.lognormal(*RULE_RUN))), stop)
            said[at:end] = rng.choice(len(COLUMNS), p=RULES[state] / RULES[state].sum())
            at = end
    return said


def hand_labels(rng: np.random.Generator, truth: Int64Array, piece: int) -> Int64Array:
    """Label a few pieces of every class, as columns of COLUMNS; at least one piece of each that has a bout so long."""
    labels = np.zeros(len(truth), dtype=np.int64)
    for code, share in enumerate(HAND_SHARE):
        wanted = max(1, round(share * len(truth) / piece))
        long = [
            (start, stop) for start, stop, state in runs(truth).triples() if state == code and stop - start >= piece
        ]
        for number in rng.permutation(len(long))[:wanted]:
            start, stop = long[number]
            first = int(rng.integers(start, stop - piece + 1))
            labels[first : first + piece] = code + 1
    return labels


def markers(rng: np.random.Generator, truth: Int64Array) -> tuple[Float64Array, Float64Array]:
    """Move the points of one fly; return (time, point, 2) in px, NaN-free, and likelihoods (time, point)."""
    n = len(truth)
    lengths = [stop - start for start, stop, _ in runs(truth).triples()]
    # Bouts of one class differ in vigour and tempo, flies in build, so that no threshold on one point settles a class.
    vigour, tempo = (np.repeat(np.exp(s * rng.standard_normal(len(lengths))), lengths)[:, None] for s in (0.45, 0.2))
    amplitude = lagged(SWING[truth] * vigour * np.exp(0.25 * rng.standard_normal(4)), 2.0)
    amplitude = amplitude * np.exp(0.3 * wander(rng, (n, 4), 20.0))
    phase = np.cumsum(2 * np.pi / (PERIOD[truth] * tempo), axis=0) + rng.uniform(0, 2 * np.pi, 4)
    held = lagged(POSE[truth] * np.exp(0.3 * rng.standard_normal((1, 4, 1))), 3.0)
    build = np.exp(0.08 * rng.standard_normal())
    rest = BASE * build + rng.uniform(-15, 15, 2) + 4 * rng.standard_normal(BASE.shape)
    swing = np.stack([np.cos(phase), 0.6 * np.sin(phase)], axis=-1) * amplitude[..., None]
    drift = DRIFT * wander(rng, (n, len(POINTS), 2), 600.0)
    position = rest + REACH[:, None] * (swing + held)[:, LIMB] + drift
    position += NOISE * rng.standard_normal(position.shape)
    likelihood = np.clip(1 - np.abs(0.03 * rng.standard_normal((n, len(POINTS)))), 0, 1)
    for k in range(len(POINTS)):
        lost = gaps(rng, n, LOST, 1.2, 0.6)
        position[lost, k] += 40 * rng.standard_normal((int(lost.sum()), 2))
        likelihood[lost, k] = rng.uniform(0.02, 0.5, int(lost.sum()))
    return position, likelihood


def make(path: str, target: Path, options: Options, card: Card) -> None:
    """Write one file of the project folder, given by the folder it is in.

    Parameters
    ----------
    path : str
        ``markers/<id>.csv``, ``labels-hand/<id>.csv``, ``labels-heuristic/<id>.csv`` or ``labels-truth/<id>.csv``.
    target : Path
    options : Options
    card : Card

    Raises
    ------
    ConfigError
        When the folder is none of these.
    """
    folder, recording = Path(path).parent.name, Path(path).stem
    truth = states(options.seed, card.name, recording, options.frames)
    rng = generator(options.seed, card.name, recording, folder)
    if folder == "markers":
        position, likelihood = markers(rng, truth)
        made = Recording(
            id=recording,
            position=np.round(position[:, None], 2).astype(np.float32),
            confidence=np.round(likelihood[:, None], 3).astype(np.float32),
            fps=FPS,
            individuals=("fly",),
            keypoints=POINTS,
            group=recording,
        )
        daart_csv.write_markers(target, made)
    elif folder == "labels-hand":
        daart_csv.write_one_hot(target, hand_labels(rng, truth, options.piece), COLUMNS)
    elif folder == "labels-heuristic":
        daart_csv.write_one_hot(target, rule_labels(rng, truth), COLUMNS)
    elif folder == "labels-truth":
        daart_csv.write_one_hot(target, np.where(truth == OTHER, 0, truth + 1), COLUMNS)
    else:
        raise ConfigError(f"The generator fly_daart makes markers/ and labels-hand|heuristic|truth/, not {path!r}.")
