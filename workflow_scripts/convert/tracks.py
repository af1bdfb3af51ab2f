"""From a shard of a dataset's own files to recordings in canonical form: the convert rule's one call."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workflow_scripts.cards.card import Card, Gaps, LabelSource, Shard
from workflow_scripts.convert.labels import with_background
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.files import digest
from workflow_scripts.core.typing import Float32Array
from workflow_scripts.core.validation import deep_merge, nearest
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.sources import check_options, nan_alone, read_labels, read_tracks, require_file
from workflow_scripts.sources.joined import joined_files

MISSING_WARNING = 0.25
"""A point missing in more than this share of frames is named in the warnings."""

OUTSIDE_WARNING = 0.2
"""A point further outside the image than this share of its size is counted in the warnings."""


def convert_shard(card: Card, shard: Shard, resources: Path) -> Iterator[Recording]:
    """Read a shard's tracks and labels, mend gaps as the card says, and say what had to be decided.

    Parameters
    ----------
    card : Card
    shard : Shard
        One of the card's.
    resources : Path
        The dataset's own folder, ``resources/<dataset>``, below which the card's paths lie.

    Yields
    ------
    Recording
        Positions with gaps filled up to `gaps.interpolate_max_frames` and marked in `filled`, individuals and
        keypoints in the card's order, labels of the card's tasks, checksums of the files, warnings.

    Raises
    ------
    InputError, ConfigError
        When a file cannot be used or contradicts the card.
    """
    tracks = resources / shard.tracks
    options = deep_merge(card.options, shard.options)
    files = shard.paths()
    check_options(card.source, options)
    for name in joined_files(shard.tracks, options.get("join") or {}):
        if name not in files:
            raise ConfigError(
                f"The shard {shard.id!r} joins the file {name!r}; list it under beside, so that it is fetched and a "
                "change of it is seen."
            )
    for name in files:
        require_file(resources / name)
    sums: dict[str, str] = {}
    for number, raw in enumerate(read_tracks(card.source, tracks, options, recording=shard.id)):
        if not sums:  # only once the tracks have turned out to be readable
            sums = {name: digest(resources / name) for name in files}
        if number and shard.labels:
            raise InputError(
                tracks, f"holds several recordings, and the shard {shard.id!r} has label files for one", "split it"
            )
        recording = _in_card_order(tracks, raw, card)
        recording = dataclasses.replace(
            recording,
            fps=_fps(card, raw, tracks),
            unit=card.unit,
            image_size=card.image_size or raw.image_size,
            group=shard.group or raw.group,
            source_sha256=sums,
            warnings=list(raw.warnings),
        )
        recording = _mend(tracks, recording, card.gaps, zero=zero_is_missing(card))
        labels = {name: _in_card_vocabulary(tracks, name, found, card) for name, found in raw.labels.items()}
        for source in shard.labels:
            labels.update(_read_labels(resources, source, card, recording, labels))
        yield dataclasses.replace(recording, labels=with_background(labels, card.tasks))


def _fps(card: Card, raw: Recording, tracks: Path) -> float:
    if card.fps is not None:
        return card.fps
    if not math.isfinite(raw.fps):
        raise InputError(tracks, "states no fps, and neither does the card", f"write fps in the card {card.name!r}")
    return raw.fps


def _order(tracks: Path, what: str, found: Sequence[str], wanted: Sequence[str]) -> tuple[list[int], tuple[str, ...]]:
    if not wanted:
        return list(range(len(found))), tuple(found)
    if what == "individuals" and len(wanted) == len(found) == 1:
        return [0], tuple(wanted)  # files of one animal mostly leave it unnamed
    if sorted(found) != sorted(wanted):
        raise InputError(
            tracks,
            f"has the {what} {', '.join(found)}, and the card says {', '.join(wanted)}",
            f"write the names of the file in the card's {what}, or choose among them in its source options",
        )
    return [list(found).index(name) for name in wanted], tuple(wanted)


def _in_card_order(tracks: Path, raw: Recording, card: Card) -> Recording:
    """Sort individuals and keypoints by the card's names."""
    animals, individuals = _order(tracks, "individuals", raw.individuals, card.individuals)
    parts, keypoints = _order(tracks, "keypoints", raw.keypoints, card.keypoints)
    return dataclasses.replace(
        raw,
        position=raw.position[:, animals][:, :, parts],
        confidence=raw.confidence[:, animals][:, :, parts],
        individuals=individuals,
        keypoints=keypoints,
    )


def zero_is_missing(card: Card) -> bool:
    """Say whether a point at exactly (0, 0) is missing: as the card says, or as its source codes missing points."""
    return not nan_alone(card.source) if card.gaps.zero_is_missing is None else card.gaps.zero_is_missing


def _mend(tracks: Path, recording: Recording, gaps: Gaps, *, zero: bool) -> Recording:
    """Tell missing points, fill short gaps, and collect the warnings."""
    position, confidence = recording.position.copy(), recording.confidence.copy()
    if recording.n_frames == 0 or position.size == 0:
        raise InputError(tracks, f"the recording {recording.id!r} has no frame", "leave it out, or export it again")
    if np.isinf(position).any():
        frame = int(np.argwhere(np.isinf(position))[0][0])
        raise InputError(tracks, f"frame {frame} holds an infinite coordinate", "export the file again")
    missing = np.isnan(position).any(axis=-1)
    if zero:
        missing |= (position == 0).all(axis=-1)
    confidence[missing] = np.nan
    if missing.all():
        raise InputError(tracks, f"the recording {recording.id!r} has not one point", "leave it out, or track it again")
    # A point below the threshold keeps its likelihood: the source did see something there.
    missing |= confidence < gaps.min_likelihood
    if missing.all():
        raise InputError(
            tracks,
            f"not one point of the recording {recording.id!r} has a likelihood of {gaps.min_likelihood:g}",
            "lower gaps.min_likelihood in the card",
        )
    position[missing] = np.nan
    warnings = [*recording.warnings, *_warn_missing(recording, missing), *_warn_outside(recording, position)]
    filled = interpolate(position, gaps.interpolate_max_frames)
    if filled.any():
        warnings.append(
            f"{int(filled.sum())} points ({filled.mean():.1%}) are filled by linear interpolation over gaps of at "
            f"most {gaps.interpolate_max_frames} frames"
        )
    return dataclasses.replace(recording, position=position, confidence=confidence, filled=filled, warnings=warnings)


def interpolate(position: Float32Array, max_frames: int) -> npt.NDArray[np.bool_]:
    """Fill gaps of at most `max_frames` frames between two seen points linearly, in place; never extrapolate.

    Parameters
    ----------
    position : ndarray, float32, shape (time, individual, keypoint, space)
        NaN in all axes of space where missing; changed in place.
    max_frames : int
        Longest gap that is filled.

    Returns
    -------
    ndarray of bool, shape (time, individual, keypoint)
        True where a point was filled.
    """
    time, individuals, keypoints, space = position.shape
    flat = position.reshape(time, individuals * keypoints, space)
    seen = ~np.isnan(flat).any(axis=-1)
    frame = np.arange(time)[:, None]
    before = np.maximum.accumulate(np.where(seen, frame, -1), axis=0)
    after = np.minimum.accumulate(np.where(seen, frame, time)[::-1], axis=0)[::-1]
    filled: npt.NDArray[np.bool_] = ~seen & (before >= 0) & (after < time) & (after - before - 1 <= max_frames)
    t, point = np.nonzero(filled)
    left, right = before[t, point], after[t, point]
    share = ((t - left) / (right - left))[:, None]
    flat[t, point] = (1 - share) * flat[left, point] + share * flat[right, point]
    position[...] = flat.reshape(position.shape)  # reshape copies where the array is not contiguous
    return filled.reshape(time, individuals, keypoints)


def _warn_missing(recording: Recording, missing: npt.NDArray[np.bool_]) -> list[str]:
    share = missing.mean(axis=0)
    warnings = []
    often = [
        f"{animal} {part} {share[i, k]:.0%}"
        for i, animal in enumerate(recording.individuals)
        for k, part in enumerate(recording.keypoints)
        if share[i, k] > MISSING_WARNING
    ]
    if often:
        warnings.append(f"missing in more than {MISSING_WARNING:.0%} of frames: {', '.join(often)}")
    empty = missing.all(axis=(1, 2))
    leading = int(np.argmin(empty))
    if leading:
        warnings.append(f"the first {leading} frames hold no point")
    return warnings


def _warn_outside(recording: Recording, position: Float32Array) -> list[str]:
    if recording.image_size is None:
        return []
    size = np.asarray(recording.image_size, dtype=np.float32)
    margin = OUTSIDE_WARNING * size
    with np.errstate(invalid="ignore"):
        far = ((position < -margin) | (position > size + margin)).any(axis=-1)
    if not far.any():
        return []
    frame, animal, part = (int(axis[0]) for axis in np.nonzero(far))
    x, y = position[frame, animal, part]
    return [
        f"{int(far.sum())} points lie more than {OUTSIDE_WARNING:.0%} of the size outside the image, the first at "
        f"({x:.0f}, {y:.0f}) in frame {frame} ({recording.individuals[animal]} {recording.keypoints[part]})"
    ]


def _read_labels(
    resources: Path, source: LabelSource, card: Card, recording: Recording, there: dict[str, Labels]
) -> dict[str, Labels]:
    path = resources / source.file
    found = read_labels(
        source.source,
        path,
        source.options,
        n_frames=recording.n_frames,
        fps=recording.fps,
        tasks=card.tasks,
        warn=recording.warnings,
    )
    for task in found:
        if task in there:
            raise InputError(path, f"labels the task {task!r}, which another file labels too", "name another task")
    return found


def _in_card_vocabulary(tracks: Path, name: str, labels: Labels, card: Card) -> Labels:
    """Number the classes of labels that came with the tracks as the card does."""
    if name not in card.tasks:
        raise ConfigError(
            f"The source labels the task {name!r}, which the card {card.name!r} does not have"
            f"{nearest(name, list(card.tasks)).removesuffix('?')}."
        )
    wanted = tuple(card.tasks[name].vocabulary)
    if not wanted or wanted == labels.vocabulary:
        return labels
    if sorted(wanted) != sorted(labels.vocabulary):
        raise InputError(
            tracks,
            f"the task {name!r} has the classes {', '.join(labels.vocabulary)}, and the card says {', '.join(wanted)}",
            "write the names of the file in the card's vocabulary",
        )
    lookup = np.array([wanted.index(word) for word in labels.vocabulary], dtype=np.int16)
    return dataclasses.replace(labels, values=lookup[labels.values.astype(int)], vocabulary=wanted)
