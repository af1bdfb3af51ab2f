"""Twin of the rat pairs: DeepLabCut multi-animal csv and Caltech Behavior Annotator text, one session a shard.

Counted in the six real sessions: bout lengths, transitions, lost points, gap lengths, likelihoods, the eight-pixel
grid of the tracker's output, and three of its traps (frames without a point at the start, a label table longer than
the tracks, literal zeros). The way of moving is our own, its distances and speeds near the real medians by class.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from workflow_scripts.cards.card import Card, Shard
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.typing import Float32Array, Float64Array, Int64Array
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.bouts import runs
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.simulate.agents import Durations, Point, Style, bodies, gaps, generator, move, semi_markov
from workflow_scripts.sources import caltech_annotator, deeplabcut

S1 = ("base", "social", "nonsocial", "aggression")
FIGHT = ("lateralthreat", "keepdown", "clinch", "uprightposture", "freezing", "bite", "chase")
"""What S2 tells apart within S1's aggression; it is `base` elsewhere."""
S1_TRANSITIONS = np.array([[0, 131, 49], [125, 0, 17], [55, 11, 0]], dtype=np.float64)
"""Real counts among social, nonsocial, aggression."""
S1_DURATIONS = (Durations(4.48, 1.13, 1055), Durations(4.74, 0.92, 1043), Durations(5.11, 1.11, 1708))
FIGHT_TRANSITIONS = np.array(
    [
        [0, 4, 91, 21, 0, 6, 8],
        [15, 0, 41, 0, 5, 0, 0],
        [61, 63, 0, 17, 2, 0, 4],
        [14, 2, 21, 0, 0, 1, 1],
        [3, 2, 1, 0, 0, 0, 0],
        [3, 0, 1, 2, 0, 0, 1],
        [17, 0, 0, 0, 0, 0, 0],
    ],
    dtype=np.float64,
)
"""Real counts within aggression, in the order of FIGHT."""
RARE = np.array([0, 0, 0, 3, 2, 5, 5], dtype=np.float64)
"""Added to the counts: without it a twin of a few thousand frames would show its rare classes to no fold."""
FIGHT_DURATIONS = (
    Durations(3.12, 0.87, 236),
    Durations(3.87, 1.11, 600),
    Durations(3.28, 0.79, 271),
    Durations(2.74, 0.79, 204),
    Durations(3.87, 1.06, 241),
    Durations(2.45, 0.53, 27),
    Durations(2.45, 0.75, 61),
)
STYLES = (
    Style(speed=(0.9, 0.9), follow=(0.5, 0), distance=130),
    Style(speed=(2.6, 1.7), follow=(1, 0.3), distance=165, spin=0.006, face=0.8),
    Style(speed=(1.4, 1.4), distance=400, repel=1.6),
    Style(speed=(4, 2.5), follow=(1, 0.7), distance=110, spin=0.02, face=0.15),
    Style(speed=(2.5, 0.5), follow=(1, 0), distance=75, face=0.7, stretch=0.85),
    Style(speed=(7, 6), follow=(1, 1), distance=85, spin=0.15, face=0.7),
    Style(speed=(2, 2), follow=(1, 1), distance=110, face=1.0, stretch=0.5),
    Style(speed=(0.2, 0.2), distance=100),
    Style(speed=(14, 3), follow=(1, 0), distance=60, behind=True, face=1.0),
    Style(speed=(14, 12), follow=(1, 0), distance=150, behind=True),
)
"""Of base, social, nonsocial, then FIGHT."""
INDIVIDUALS = ("individual1", "individual2")
POINTS = {
    "top": Point(100),
    "body": Point(0),
    "tail": Point(-85, 0, 4),
    "tail-m": Point(-170, 0, 10),
    "tail-e": Point(-270, 0, 20),
}
ARENA = (60.0, 60.0, 600.0, 460.0)
"""Where body centres may be, before the camera's shift of the session."""
FPS = 30.0
GRID = 8.0
GAP_LENGTH = (0.9, 1.5)
"""Mean and deviation of the logarithm of the frames of a gap."""
ANIMAL_LOST = 0.26
"""Share of frames in which an animal is lost whole, in a fight; `KEPT` of these gaps elsewhere."""
KEPT = 0.55
POINT_LOST = (0.26, 0.02, 0.0, 0.13, 0.55)
"""Share of frames in which a point is lost beyond that, in the order of POINTS."""
OPENING = 60
EXTRA_LABELS = 7


class Options(Strict):
    """Options of the generator."""

    seed: int = Field(0, ge=0)
    frames: int = Field(3000, ge=400, description="Frames of each session.")
    opens_empty: list[str] = Field([], description="Shards whose first frames hold no point.")
    long_labels: list[str] = Field([], description="Shards whose label table is longer than the tracks.")
    zeros: list[str] = Field([], description="Shards with a few points at exactly (0, 0).")


def states(rng: np.random.Generator, n_frames: int) -> Int64Array:
    """Draw a session's states: 0 base (at both ends), 1 social, 2 nonsocial, then FIGHT from 3 on."""
    head, tail = (int(n_frames * rng.uniform(0.05, 0.11)) for _ in range(2))
    middle = n_frames - head - tail
    scene = 1 + semi_markov(rng, middle, 0, S1_TRANSITIONS, S1_DURATIONS)
    for start, stop, state in runs(scene).triples():
        if state == 3:
            scene[start:stop] = 3 + semi_markov(rng, stop - start, 0, FIGHT_TRANSITIONS + _rare(), FIGHT_DURATIONS)
    return np.concatenate([np.zeros(head, np.int64), scene, np.zeros(tail, np.int64)])


def _rare() -> Float64Array:
    added = np.tile(RARE, (len(FIGHT), 1))
    np.fill_diagonal(added, 0)
    return added


def _intervals(values: Int64Array, names: tuple[str, ...], extra: int) -> list[tuple[int, int, str]]:
    """Return 1-based inclusive intervals; the last one runs `extra` frames past the end."""
    found = [(start + 1, stop, names[state]) for start, stop, state in runs(values).triples()]
    start, stop, name = found[-1]
    return [*found[:-1], (start, stop + extra, name)]


def _labels(session: Int64Array, extra: int) -> dict[str, list[tuple[int, int, str]]]:
    return {
        "S1": _intervals(np.minimum(session, 3), S1, extra),
        "S2": _intervals(np.maximum(session - 2, 0), ("base", *FIGHT), extra),
    }


def _tracks(
    rng: np.random.Generator, session: Int64Array, *, opens_empty: bool, zeros: bool
) -> tuple[Float32Array, Float32Array]:
    n_frames = len(session)
    motion = move([rng], session[:, None], STYLES, ARENA)
    shift = rng.uniform((500, 120), (660, 260))
    exact = bodies([rng], motion, POINTS, noise=2.0)[:, 0] + shift
    position = GRID * np.floor(exact / GRID) + GRID / 2 + 0.2 * rng.standard_normal(exact.shape)
    lost = np.stack(
        [
            np.stack([gaps(rng, n_frames, share, *GAP_LENGTH) for share in POINT_LOST], axis=-1)
            | _animal_gaps(rng, session)[:, None]
            for _ in INDIVIDUALS
        ],
        axis=1,
    )
    if opens_empty:
        lost[:OPENING] = True
    position[lost] = np.nan
    confidence = np.clip(0.64 + 0.14 * rng.standard_normal(lost.shape), 0.1, 0.99)
    # The tracker's filter leaves likelihood 1 beside about half of the empty cells.
    confidence[lost] = np.where(rng.random(int(lost.sum())) < 0.45, 1.0, np.nan)
    if zeros:
        position[rng.random(lost.shape) < 0.0003] = 0.0
    return np.round(position, 3).astype(np.float32), np.round(confidence, 4).astype(np.float32)


def _animal_gaps(rng: np.random.Generator, session: Int64Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    mask = gaps(rng, len(session), ANIMAL_LOST, *GAP_LENGTH)
    for start, stop, gone in runs(mask).triples():
        if gone and session[start] < 3 and rng.random() > KEPT:
            mask[start:stop] = False
    return mask


def _find(path: str, card: Card) -> Shard:
    for shard in card.shards:
        if path == shard.file or path in [labels.file for labels in shard.labels]:
            return shard
    raise ConfigError(f"No shard of the card {card.name!r} reads {path!r}, so nothing says what it should hold.")


def make(path: str, target: Path, options: Options, card: Card) -> None:
    """Write a session's tracks or its labels, whichever the card says `path` is.

    Parameters
    ----------
    path : str
        Entry of the card's files.
    target : Path
    options : Options
    card : Card

    Raises
    ------
    ConfigError
        When no shard reads the file.
    """
    shard = _find(path, card)
    session = states(generator(options.seed, card.name, shard.id, "states"), options.frames)
    if path != shard.file:
        caltech_annotator.write(target, _labels(session, EXTRA_LABELS if shard.id in options.long_labels else 0))
        return
    position, confidence = _tracks(
        generator(options.seed, card.name, shard.id, "tracks"),
        session,
        opens_empty=shard.id in options.opens_empty,
        zeros=shard.id in options.zeros,
    )
    recording = Recording(
        id=shard.id,
        position=position,
        confidence=confidence,
        fps=FPS,
        individuals=INDIVIDUALS,
        keypoints=tuple(POINTS),
        group=shard.id,
    )
    deeplabcut.write_csv(target, recording)
