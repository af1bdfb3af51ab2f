"""From a shard of a dataset's own files to recordings in canonical form: the convert rule's one call."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workflow_scripts.cards.card import Card, Shard
from workflow_scripts.cards.parts import Gaps
from workflow_scripts.cards.patterns import LabelSource
from workflow_scripts.cards.place import Space
from workflow_scripts.cards.sheet import read_spans
from workflow_scripts.convert.blocks import cut
from workflow_scripts.convert.labels import with_background
from workflow_scripts.convert.naming import by_card, label_options, later, longer, padded
from workflow_scripts.convert.resample import FPS_TOLERANCE, mask_unscored, resample
from workflow_scripts.core.arrays import any_nan
from workflow_scripts.core.errors import ConfigError, EmptyRecordingError, InputError
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


def convert_shard(
    card: Card, shard: Shard, resources: Path, *, on_empty: Callable[[str, InputError], None] | None = None
) -> Iterator[Recording]:
    """Read a shard's tracks and labels, correct gaps as the card says, and say what had to be decided.

    Parameters
    ----------
    card : Card
    shard : Shard
        One of the card's.
    resources : Path
        The dataset's own folder, ``resources/<dataset>``, below which the card's paths lie.
    on_empty : callable or None
        Called with the id of a recording without one point, and the error; it is left out. None = the error is raised.

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
    tracks = resources / shard.file
    options = deep_merge(card.options, shard.options)
    files = shard.paths()
    check_options(card.source, options)
    for name in joined_files(shard.file, options.get("join") or {}):
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
            _verify(card, resources, sums)
        if number and shard.labels:
            raise InputError(
                tracks, f"holds several recordings, and the shard {shard.id!r} has label files for one", "split it"
            )
        warn = list(raw.warnings)
        recording = by_card(tracks, raw, card, card.rename.merged(shard.rename), warn)
        recording = dataclasses.replace(
            padded(tracks, recording, shard.frames, warn),
            fps=_fps(card, shard, raw, tracks),
            unit=card.unit,
            image_size=shard.image_size or card.image_size or raw.image_size,
            group=shard.group or raw.group,
            source_sha256=sums,
            warnings=warn,
            animal=shard.animal or raw.animal,
            condition=shard.condition or raw.condition,
            covariates=raw.covariates | shard.covariates,
            start=shard.start,
        )
        try:
            recording = _without_gaps(tracks, recording, card.gaps, zero=zero_is_missing(card))
        except EmptyRecordingError as error:
            if on_empty is None:
                raise
            on_empty(recording.id, error)
            continue
        recording = scaled(recording, card, shard.scale)
        labels = {
            name: longer(_in_card_vocabulary(tracks, name, found, card), recording.n_frames)
            for name, found in raw.labels.items()
        }
        for source in shard.labels:
            labels.update(_read_labels(resources, source, card, recording, labels))
        labels = with_background(labels, card.tasks)
        if shard.scored is not None:
            mask_unscored(labels, read_spans(shard.scored), shard.start, recording.fps)
        recording = dataclasses.replace(recording, labels=labels)
        if card.resample is not None:
            recording = resample(recording, card.resample)
        yield from [recording] if card.blocks is None else cut(tracks, recording, card.blocks)


def scaled(recording: Recording, card: Space, own: float | None = None) -> Recording:
    """Bring positions and image size to the unit of the recording's own scale or the card's, where there is one."""
    if card.scale is None and own is None:
        return recording
    factor = card.factor(own)
    size = recording.image_size
    return dataclasses.replace(
        recording,
        position=(recording.position * np.float32(factor)).astype(np.float32),
        image_size=None if size is None else (size[0] * factor, size[1] * factor),
        unit=card.unit_of(recording.unit, own),
        scale=float("nan") if own is None else own,
    )


def _verify(card: Card, resources: Path, sums: dict[str, str]) -> None:
    """Refuse a file whose content is not the one the card names; the user's own are read in place."""
    for file in card.files:
        if file.sha256 is not None and sums.get(file.path, file.sha256) != file.sha256:
            raise InputError(
                resources / file.path,
                f"has the sha256 {sums[file.path]}, and the card names {file.sha256}",
                f"restore the file, or write its new checksum in config/datasets/{card.name}.yaml",
            )


def _fps(card: Card, shard: Shard, raw: Recording, tracks: Path) -> float:
    stated = shard.fps or card.fps
    if stated is None and not math.isfinite(raw.fps):
        raise InputError(tracks, "states no fps, and neither does the card", f"write fps in the card {card.name!r}")
    if shard.fps is not None and math.isfinite(raw.fps) and abs(raw.fps - shard.fps) > FPS_TOLERANCE * shard.fps:
        raise InputError(
            tracks, f"states {raw.fps:g} frames a second, and the sheet {shard.fps:g}", "correct fps in the sheet"
        )
    return raw.fps if stated is None else stated


def zero_is_missing(card: Card) -> bool:
    """Say whether a point at exactly (0, 0) is missing: as the card says, or as its source codes missing points."""
    return not nan_alone(card.source) if card.gaps.zero_is_missing is None else card.gaps.zero_is_missing


def _without_gaps(tracks: Path, recording: Recording, gaps: Gaps, *, zero: bool) -> Recording:
    """Mark missing points, fill short gaps, and collect the warnings."""
    position, confidence = recording.position.copy(), recording.confidence.copy()
    if recording.n_frames == 0 or position.size == 0:
        raise InputError(tracks, f"the recording {recording.id!r} has no frame", "leave it out, or export it again")
    if np.isinf(position).any():
        frame = int(np.argwhere(np.isinf(position))[0][0])
        raise InputError(tracks, f"frame {frame} holds an infinite coordinate", "export the file again")
    missing = any_nan(position)
    if zero:
        missing |= (position == 0).all(axis=-1)
    confidence[missing] = np.nan
    if missing.all():
        raise EmptyRecordingError(
            tracks, f"the recording {recording.id!r} has not one point", "track it again to use it"
        )
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
    if recording.image_size is None or position.shape[-1] < 2:
        return []
    size = np.asarray(recording.image_size, dtype=np.float32)
    margin = OUTSIDE_WARNING * size
    flat = position[..., :2]  # the image has no depth
    with np.errstate(invalid="ignore"):
        far = ((flat < -margin) | (flat > size + margin)).any(axis=-1)
    if not far.any():
        return []
    frame, animal, part = (int(axis[0]) for axis in np.nonzero(far))
    x, y = flat[frame, animal, part]
    return [
        f"{int(far.sum())} points lie more than {OUTSIDE_WARNING:.0%} of the size outside the image, the first at "
        f"({x:.0f}, {y:.0f}) in frame {frame} ({recording.individuals[animal]} {recording.keypoints[part]})"
    ]


def _read_labels(
    resources: Path, source: LabelSource, card: Card, recording: Recording, there: dict[str, Labels]
) -> dict[str, Labels]:
    path = resources / source.file
    # Labels count from the first frame of the video; a table may begin later.
    found = read_labels(
        source.source,
        path,
        label_options(source),
        n_frames=recording.start + recording.n_frames,
        fps=recording.fps,
        tasks=card.tasks,
        warn=recording.warnings,
    )
    for task in found:
        if task in there:
            raise InputError(path, f"labels the task {task!r}, which another file labels too", "name another task")
    return {task: later(labels, recording.start) for task, labels in found.items()}


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
