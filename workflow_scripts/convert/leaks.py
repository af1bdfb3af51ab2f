"""The leak audit: whether any split shows a model what it is tested on.

Three things are looked for between the sides of each split: one group, one recording id, and one *content* under two
ids. Content is compared by hashes of frames (positions rounded to `DECIMALS`), so that a copy, a re-export, or a
shared stretch of at least `RUN` consecutive frames is found whatever it is called. Stretches in which the animals
hardly move, or are not seen, are no evidence and are passed over.

Tracks are read twice, one recording in memory at a time; what is kept is one hash for every `BLOCK` frames.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from workflow_scripts.convert.duplicates import shared_images
from workflow_scripts.core.errors import LeakError
from workflow_scripts.formats.bouts import runs
from workflow_scripts.formats.clips import ClipsReader
from workflow_scripts.formats.datasets import open_dataset
from workflow_scripts.formats.images import ImagesReader
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tracks import TracksReader

COLUMNS = ["dataset", "split", "kind", "group", "recording_a", "recording_b", "detail"]

RUN = 50
"""Shortest shared stretch, in frames, that counts."""
BLOCK = 25
"""Frames hashed together. Any stretch of `RUN` frames holds a whole aligned block, since RUN >= 2 BLOCK - 1."""
DECIMALS = 3
"""Positions are rounded to so many decimals (of a pixel or whatever the unit is)."""
MIN_DISTINCT = 0.5
"""Share of different frames below which a block says nothing (animals at rest, gaps held constant)."""

Hashes = npt.NDArray[np.uint64]


def frame_hashes(position: npt.NDArray[np.float32]) -> tuple[Hashes, npt.NDArray[np.bool_]]:
    """Hash every frame.

    Parameters
    ----------
    position : ndarray, shape (time, individual, keypoint, space)

    Returns
    -------
    hashes : ndarray of uint64, shape (time,)
    seen : ndarray of bool, shape (time,)
        Frames in which at least one point is there.
    """
    flat = position.reshape(len(position), -1)
    # Adding zero makes -0.0 equal 0.0; every NaN gets one bit pattern.
    missing = np.isnan(flat)
    rounded = np.where(missing, np.float32("nan"), np.round(flat, DECIMALS) + np.float32(0)).astype(np.float32)
    bits = rounded.view(np.uint32).astype(np.uint64)
    factors = np.random.default_rng(0).integers(1, 2**63, size=flat.shape[1], dtype=np.uint64) * 2 + 1
    mixed = (bits + np.uint64(0x9E3779B97F4A7C15)) * factors
    mixed ^= mixed >> np.uint64(29)
    return (mixed * factors[::-1]).sum(axis=1, dtype=np.uint64), np.asarray(~missing.all(axis=1))


def window_hashes(frames: Hashes, seen: npt.NDArray[np.bool_]) -> tuple[Hashes, npt.NDArray[np.bool_]]:
    """Hash every window of `BLOCK` frames, and say which are worth comparing.

    Parameters
    ----------
    frames, seen : ndarray, shape (time,)
        From :func:`frame_hashes`.

    Returns
    -------
    hashes : ndarray of uint64, shape (time - BLOCK + 1,)
    telling : ndarray of bool, same shape
    """
    n = len(frames) - BLOCK + 1
    if n <= 0:
        return np.zeros(0, np.uint64), np.zeros(0, bool)
    hashes = np.zeros(n, np.uint64)
    for offset in range(BLOCK):  # a polynomial in an odd base, modulo 2^64
        hashes = hashes * np.uint64(0x100000001B3) + frames[offset : offset + n]
    changed = np.ones(len(frames))
    changed[1:] = frames[1:] != frames[:-1]
    good = np.concatenate([[0.0], np.cumsum(changed * seen)])
    return hashes, good[BLOCK:] - good[:-BLOCK] >= MIN_DISTINCT * BLOCK


def _shared_run(a: Hashes, b: Hashes, max_offsets: int = 10) -> int:
    """Length of the longest stretch of equal consecutive frames, over the offsets that most frames agree on."""
    values_a, first_a = np.unique(a, return_index=True)
    values_b, first_b = np.unique(b, return_index=True)
    _, in_a, in_b = np.intersect1d(values_a, values_b, assume_unique=True, return_indices=True)
    offsets, votes = np.unique(first_b[in_b] - first_a[in_a], return_counts=True)
    longest = 0
    for offset in offsets[np.argsort(-votes, kind="stable")[:max_offsets]]:
        start, stop = max(0, -offset), min(len(a), len(b) - offset)
        first, last = runs(a[start:stop] == b[start + offset : stop + offset]).of(True)
        longest = max(longest, int((last - first).max(initial=0)))
    return longest


def _positions(reader: TracksReader | ClipsReader, recording: str) -> npt.NDArray[np.float32]:
    """Positions of the points, or of the corners of the box in a video: a copy of a video has the same boxes."""
    if isinstance(reader, ClipsReader):
        return reader.read(recording).boxes.reshape(-1, 1, 2, 2)
    return reader.read(recording, ()).position


def shared_content(tracks: TracksReader | ClipsReader) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Find pairs of recordings that share content.

    Parameters
    ----------
    tracks : TracksReader or ClipsReader

    Returns
    -------
    dict of (str, str) to (int, int, int)
        For each pair of ids, sorted: frames of the longest shared stretch, and frames of either recording.
    """
    ids = sorted(tracks.ids)
    blocks: list[Hashes] = []
    owners: list[npt.NDArray[np.int32]] = []
    whole: dict[bytes, list[int]] = defaultdict(list)
    for index, recording in enumerate(ids):
        frames, seen = frame_hashes(_positions(tracks, recording))
        if seen.any():
            whole[sha256(frames.tobytes()).digest()].append(index)
        hashes, telling = window_hashes(frames, seen)
        kept = hashes[::BLOCK][telling[::BLOCK]]
        blocks.append(kept)
        owners.append(np.full(len(kept), index, np.int32))
    if not blocks:
        return {}
    known, owner = np.concatenate(blocks), np.concatenate(owners)
    order = np.argsort(known, kind="stable")
    known, owner = known[order], owner[order]
    candidates = {pair for same in whole.values() for pair in combinations(same, 2)}
    for index, recording in enumerate(ids):
        hashes, telling = window_hashes(*frame_hashes(_positions(tracks, recording)))
        wanted = np.unique(hashes[telling])
        left, right = np.searchsorted(known, wanted, "left"), np.searchsorted(known, wanted, "right")
        for start, stop in zip(left[right > left], right[right > left], strict=True):
            candidates |= {(min(index, other), max(index, other)) for other in set(owner[start:stop].tolist())}
    found = {}
    for a, b in sorted(candidates):
        if a != b:
            first, second = frame_hashes(_positions(tracks, ids[a]))[0], frame_hashes(_positions(tracks, ids[b]))[0]
            run = _shared_run(first, second)
            if run >= min(RUN, len(first), len(second)):
                found[ids[a], ids[b]] = (run, len(first), len(second))
    return found


def _sides(split: Split) -> dict[str, list[str]]:
    return {"train": split.train, "validation": split.validation, "test": split.test}


def _audit_split(
    split: Split, groups: dict[str, str], shared: dict[tuple[str, str], tuple[int, int, int]], what: str, also: str
) -> list[dict[str, str]]:
    rows = []

    def leak(kind: str, group: str, a: str, b: str, detail: str) -> None:
        about = {"dataset": split.dataset, "split": split.name}
        rows.append(about | dict(zip(COLUMNS[2:], (kind, group, a, b, detail), strict=True)))

    sides = _sides(split)
    for one, other in combinations(sides, 2):
        members: dict[str, list[str]] = defaultdict(list)
        for recording in sorted(sides[other]):
            members[groups[recording]].append(recording)
        twice = sorted(set(sides[one]) & set(sides[other]))
        for recording in twice:
            leak("recording", groups[recording], recording, recording, f"in {one} and in {other}")
        reported: set[str] = set()
        for recording in sorted(sides[one]):
            group = groups[recording]
            if group in members and group not in reported:
                reported.add(group)
                leak("group", group, recording, members[group][0], f"group in {one} and in {other}")
        left, right = set(sides[one]), set(sides[other])
        for (a, b), (run, frames_a, frames_b) in shared.items():
            if (a in left and b in right) or (a in right and b in left):
                side_a, side_b = (one, other) if a in left else (other, one)
                same = run == frames_a == frames_b
                detail = f"{a} in {side_a} and {b} in {side_b} " + (
                    f"are identical over all {run} {what}" if same else f"share {run} {also}{what}"
                )
                both = groups[a] if groups[a] == groups[b] else f"{groups[a]} | {groups[b]}"
                leak("content" if same else "overlap", both, a, b, detail)
    return rows


def audit(tracks: Path, splits: Sequence[Split]) -> pd.DataFrame:
    """Look for leaks between the sides of every split.

    Parameters
    ----------
    tracks : Path
        File of the converted dataset, of any kind. Groups are taken from here, whatever the split says.
    splits : sequence of Split

    Returns
    -------
    DataFrame
        One row a leak: dataset, split, kind (``group``, ``recording``, ``content``, ``overlap``), group (two, joined
        by `` | ``, where a content has two), recording_a, recording_b, detail. Empty when there is none.

    Raises
    ------
    InputError
        When a split names a recording that the tracks do not hold.
    """
    rows = []
    with open_dataset(tracks) as reader:
        named = sorted({recording for split in splits for side in _sides(split).values() for recording in side})
        groups = {recording: reader.group(recording) for recording in named}
        images = isinstance(reader, ImagesReader)
        shared = shared_images(reader) if images else shared_content(reader)
        words = ("images", "") if images else ("frames", "consecutive ")
        for split in splits:
            rows += _audit_split(split, groups, shared, *words)
    return pd.DataFrame(rows, columns=COLUMNS)


def raise_on_leaks(leaks: pd.DataFrame) -> None:
    """Stop where the audit found anything.

    Parameters
    ----------
    leaks : DataFrame
        From :func:`audit`.

    Raises
    ------
    LeakError
        One sentence that names the first leak's group and says how many there are.
    """
    if not len(leaks):
        return
    first = leaks.iloc[0]
    more = f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
    raise LeakError(
        f"Split {first['split']!r} of {first['dataset']!r} leaks {first['kind']} {first['group']!r}: "
        f"{first['recording_a']!r} and {first['recording_b']!r}, {first['detail']}{more}; "
        "put the whole group on one side, and give recordings of one content one group."
    )
