"""From cropped videos and their annotations to `clips/index.h5`: a label a frame, and what training draws from."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workflow_scripts.cards.card import Card, Shard, Task
from workflow_scripts.cards.patterns import LabelSource
from workflow_scripts.cards.sheet import read_spans
from workflow_scripts.convert.labels import with_background
from workflow_scripts.convert.naming import label_options
from workflow_scripts.convert.resample import FPS_TOLERANCE, mask_unscored
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.files import digest
from workflow_scripts.core.validation import deep_merge, nearest, validate
from workflow_scripts.formats.bouts import runs
from workflow_scripts.formats.clips import TASK, Clip, ClipRecording, open_clips, write_clips
from workflow_scripts.formats.tracks import Labels, by_class
from workflow_scripts.sources import LABEL_SOURCES, read_labels
from workflow_scripts.sources.shared.bouts import task_of
from workflow_scripts.sources.videos import BalanceOptions, Options

MAX_POSITIVE = 5.0
"""Seconds: the seed's rule cuts longer bouts into nearly equal parts no longer than this."""


def shard_options(card: Card, shard: Shard) -> Options:
    """Return the video options of one shard: the card's with the shard's own laid over."""
    options = deep_merge(card.options, shard.options)
    return validate(Options, options, where=f"options of the source {card.source} ({shard.id})")


def index_clips(card: Card, shards: Sequence[Path], resources: Path, target: Path) -> None:
    """Write a dataset's clip index.

    Parameters
    ----------
    card : Card
        Of kind ``clips``.
    shards : sequence of Path
        The file of each of the card's shards, in their order.
    resources : Path
        Folder of the dataset's downloads, with the annotations.
    target : Path
        The index to make.

    Raises
    ------
    InputError, ConfigError
        When an annotation cannot be used or contradicts the card, or not one video is usable.
    """
    recordings: list[ClipRecording] = []
    quarantined: dict[str, str] = {}
    for shard, path in zip(card.shards, shards, strict=True):
        with open_clips(path) as reader:
            quarantined.update(reader.quarantined)
            recordings += [_labelled(recording, card, shard, resources) for recording in reader]
    if not recordings:
        reason = next(iter(quarantined.values()), "the card names none")
        raise InputError(target, f"not one video is usable ({reason})", "correct the files of the dataset")
    balance = validate(Options, card.options, where=f"options of the source {card.source}").balance
    tables = {"sound": sound_clips(recordings, balance), "faithful": faithful_clips(recordings, balance)}
    write_clips(target, recordings, tables, quarantined)


def _labelled(recording: ClipRecording, card: Card, shard: Shard, resources: Path) -> ClipRecording:
    labels, warnings = label_video(card, shard, resources, recording.times, recording.fps)
    sums = {source.file: digest(resources / source.file) for source in shard.labels}
    return dataclasses.replace(
        recording,
        labels=labels,
        source_sha256=recording.source_sha256 | sums,
        warnings=[*recording.warnings, *warnings],
        group=shard.group or recording.group,
        animal=shard.animal or "",
        condition=shard.condition or "",
        covariates=shard.covariates,
    )


def label_video(
    card: Card, shard: Shard, resources: Path, times: npt.NDArray[np.float64], fps: float
) -> tuple[dict[str, Labels], list[str]]:
    """Read the labels of one video.

    Parameters
    ----------
    card : Card
    shard : Shard
    resources : Path
        Folder below which the card's paths lie.
    times : ndarray, shape (n_frames,)
        Seconds from the first frame.
    fps : float

    Returns
    -------
    labels : dict of str to Labels
    warnings : list of str

    Raises
    ------
    InputError, ConfigError
        When an annotation cannot be used, or the stated frame rate contradicts the video.
    """
    stated = shard.fps or card.fps
    if stated is not None and abs(stated - fps) > FPS_TOLERANCE * stated:
        raise InputError(
            resources / shard.file,
            f"has {fps:g} frames a second, and the {'sheet' if shard.fps else 'card'} says {stated:g}",
            "correct fps, or leave it empty: a video states its own",
        )
    warnings: list[str] = []
    labels: dict[str, Labels] = {}
    options = shard_options(card, shard)
    if options.label is not None:
        labels |= _whole(options.label, len(times), card)
    for source in shard.labels:
        found = _read(resources / source.file, source, times, fps, card.tasks, warnings)
        if both := set(found) & set(labels):
            raise ConfigError(f"The shard {shard.id!r} has two labels of {', '.join(sorted(both))}; keep one.")
        labels.update(found)
    labels = with_background(labels, card.tasks)
    if shard.scored is not None:
        mask_unscored(labels, read_spans(shard.scored), 0, fps)
    return labels, warnings


def _whole(label: str, n_frames: int, card: Card) -> dict[str, Labels]:
    several = [name for name, task in card.tasks.items() if (task.kind, task.level) == ("multiclass", "frame")]
    name = several[0] if len(several) == 1 else TASK
    task = task_of(name, card.tasks, "multiclass")
    if label not in task.vocabulary:
        near = nearest(label, task.vocabulary).removesuffix("?")
        raise ConfigError(f"config/datasets/{card.name}.yaml: the class {label!r} is not in the vocabulary{near}.")
    values = np.full(n_frames, task.vocabulary.index(label), np.int16)
    spans = ((0, n_frames, int(values[0])),) if n_frames else ()
    known = np.ones(n_frames, bool)
    return {name: Labels(values, known, "frame", "multiclass", tuple(task.vocabulary), task.background, spans)}


def _read(
    path: Path,
    source: LabelSource,
    times: npt.NDArray[np.float64],
    fps: float,
    tasks: dict[str, Task],
    warn: list[str],
) -> dict[str, Labels]:
    """Read labels; those that follow a clock are laid on the time stamps, which a varying frame rate needs."""
    n_frames = len(times)
    grid = np.minimum(np.floor(times * fps + 0.5).astype(int), max(0, math.ceil(times[-1] * fps)))
    clock = _in_seconds(source) and not np.array_equal(grid, np.arange(n_frames))
    length = int(grid[-1]) + 1 if clock else n_frames
    found = read_labels(source.source, path, label_options(source), n_frames=length, fps=fps, tasks=tasks, warn=warn)
    if not clock:
        return found
    return {
        task: dataclasses.replace(
            labels,
            values=labels.values[grid],
            mask=labels.mask[grid],
            spans=tuple(
                (int(np.searchsorted(grid, a)), int(np.searchsorted(grid, b)), code) for a, b, code in labels.spans
            ),
        )
        for task, labels in found.items()
    }


def _in_seconds(source: LabelSource) -> bool:
    if source.source not in LABEL_SOURCES:
        return False
    module = importlib.import_module(f"workflow_scripts.sources.{LABEL_SOURCES[source.source]}")
    says = getattr(module, "in_seconds", None)
    if says is None:
        return source.source == "boris"
    return bool(says(validate(module.Options, label_options(source), where=f"options of the source {source.source}")))


def _tasks(recordings: Sequence[ClipRecording]) -> list[str]:
    """Tasks whose bouts make clips: those labelled frame by frame with classes."""
    found = {
        task: None
        for recording in recordings
        for task, labels in recording.labels.items()
        if by_class(labels.kind, labels.level)
    }
    return list(found)


def _idle_of(recordings: Sequence[ClipRecording], task: str, balance: BalanceOptions) -> str:
    """Name the class that stands for no bout: the balance options' where it is one, else the task's; "" = none."""
    for recording in recordings:
        if (labels := recording.labels.get(task)) is not None:
            if balance.idle in labels.vocabulary:
                return str(balance.idle)
            if labels.background in labels.vocabulary:
                return str(labels.background)
    return ""


def _bouts(recording: ClipRecording, task: str, idle: str) -> tuple[list[tuple[int, int, str]], npt.NDArray[np.bool_]]:
    """Return (start, stop, class) of every bout that is not idle, and the frames known to be idle.

    Bouts that overlap are all there, each whole, where the labels' source kept them.
    """
    labels = recording.labels.get(task)
    if labels is None:
        return [], np.zeros(recording.n_frames, bool)
    names = labels.vocabulary
    codes = np.where(labels.mask, labels.values, -1)
    spans: Sequence[tuple[int, int, int]] = labels.spans or runs(codes).triples()
    bouts = [(a, b, names[code]) for a, b, code in spans if code >= 0 and names[code] != idle]
    quiet = codes == names.index(idle) if idle in names else np.zeros(len(codes), bool)
    return bouts, quiet


def sound_clips(recordings: Sequence[ClipRecording], balance: BalanceOptions) -> list[Clip]:
    """Return every bout with real context, and idle clips from all videos in proportion to how much they idle.

    Parameters
    ----------
    recordings : sequence of ClipRecording
        Videos without behaviour lend idle clips too.
    balance : BalanceOptions
        `idle_ratio` idle frames are drawn for each frame of a bout; a share of them, `hard_share`, where most moves.

    Returns
    -------
    list of Clip
        Of all tasks, one after the other. A positive clip reaches `context` seconds over either end of its bout; the
        label of a frame within is in the recording's labels.
    """
    return [clip for task in _tasks(recordings) for clip in _sound(recordings, task, balance)]


def _sound(recordings: Sequence[ClipRecording], task: str, balance: BalanceOptions) -> list[Clip]:
    table: list[Clip] = []
    quiet: list[npt.NDArray[np.bool_]] = []
    positive, name = 0, _idle_of(recordings, task, balance)
    for recording in recordings:
        bouts, idle = _bouts(recording, task, name)
        quiet.append(idle)
        more = round(balance.context * recording.fps)
        for start, stop, label in bouts:
            positive += stop - start
            ends = max(0, start - more), min(recording.n_frames, stop + more)
            table.append(Clip(recording.id, *ends, label, "positive", task))
    still = sum(int(idle.sum()) for idle in quiet)
    wanted = still if positive == 0 else min(still, round(balance.idle_ratio * positive))
    for recording, idle in zip(recordings, quiet, strict=True):
        share = round(wanted * int(idle.sum()) / still) if still else 0
        table += _idle_clips(recording, idle, share, balance, name, task)
    return table


def _idle_clips(
    recording: ClipRecording,
    idle: npt.NDArray[np.bool_],
    frames: int,
    balance: BalanceOptions,
    name: str,
    task: str,
) -> list[Clip]:
    """Draw about `frames` frames of idle clips: the liveliest first, the rest at random."""
    # By name, so that another video in the dataset does not change what is drawn from this one.
    rng = np.random.default_rng([balance.seed, zlib.crc32(recording.id.encode())])
    low, high = (max(1, round(seconds * recording.fps)) for seconds in balance.idle_seconds)
    pieces: list[tuple[int, int]] = []
    for start, stop, value in runs(idle).triples():
        while value and start < stop:
            length = int(rng.integers(low, high + 1))
            pieces.append((start, min(start + length, stop)))
            start += length
    if not pieces:
        return []
    motion = [float(recording.motion[a:b].mean()) for a, b in pieces]
    lively = [int(k) for k in np.argsort(motion)[::-1]]
    hard, gathered = set(), 0
    for k in lively:
        if gathered >= balance.hard_share * frames:
            break
        hard.add(k)
        gathered += pieces[k][1] - pieces[k][0]
    taken = set(hard)
    for k in rng.permutation(len(pieces)):
        if gathered >= frames:
            break
        if int(k) not in taken:
            taken.add(int(k))
            gathered += pieces[k][1] - pieces[k][0]
    return [Clip(recording.id, *pieces[k], name, "hard_negative" if k in hard else "idle", task) for k in sorted(taken)]


def faithful_clips(recordings: Sequence[ClipRecording], balance: BalanceOptions) -> list[Clip]:
    """Return clips by the seed's rules.

    A bout of one frame becomes about a second around it, one of more than 5 s nearly equal parts, others stay without
    context. Idle clips of 3 to 5 s are cut back to back from the start of each video that has a bout, until it has the
    mean number of bout frames of such videos. Their lengths are drawn with a seed, which the seed project did not.
    """
    return [clip for task in _tasks(recordings) for clip in _faithful(recordings, task, balance)]


def _faithful(recordings: Sequence[ClipRecording], task: str, balance: BalanceOptions) -> list[Clip]:
    name = _idle_of(recordings, task, balance)
    bouts = {recording.id: _bouts(recording, task, name) for recording in recordings}
    with_bouts = [recording for recording in recordings if bouts[recording.id][0]]
    if not with_bouts:
        return []
    total = sum(stop - start for recording in with_bouts for start, stop, _ in bouts[recording.id][0])
    target = total / len(with_bouts)
    table: list[Clip] = []
    for recording in with_bouts:
        parts = [part for bout in bouts[recording.id][0] for part in _parts(bout, recording)]
        table += [Clip(recording.id, start, stop, label, "positive", task) for start, stop, label in parts]
        if not name:
            continue
        rng = np.random.default_rng([balance.seed, zlib.crc32(recording.id.encode()), 1])
        gathered, here = 0, 0
        for start, stop, _ in [*sorted(parts), (recording.n_frames, recording.n_frames, "")]:
            while gathered < target:
                length = round(float(rng.uniform(3, 5)) * recording.fps)
                if here + length > start:
                    break
                table.append(Clip(recording.id, here, here + length, name, "idle", task))
                here, gathered = here + length, gathered + length
            here = max(here, stop)
    return table


def _parts(bout: tuple[int, int, str], recording: ClipRecording) -> list[tuple[int, int, str]]:
    start, stop, label = bout
    fps, length = recording.fps, stop - start
    if length == 1:
        first = max(0, start - int(fps) // 2)
        return [(first, min(recording.n_frames, first + round(fps)), label)]
    count = max(1, math.ceil(length / (MAX_POSITIVE * fps)))
    # The remainder goes to the first parts, one frame each.
    sizes = [length // count + (k < length % count) for k in range(count)]
    ends = start + np.cumsum([0, *sizes])
    return [(int(a), int(b), label) for a, b in itertools.pairwise(ends)]
