"""Recordings cut into blocks of time, each a recording and a group of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from workflow_scripts.cards.parts import Blocks
from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.tracks import Labels, Recording


def bounds(n_frames: int, fps: float, blocks: Blocks) -> list[tuple[int, int]]:
    """Return the first frame of each block and the frame after its last; the gaps belong to none.

    Parameters
    ----------
    n_frames : int
    fps : float
    blocks : Blocks
    """
    gap = round(blocks.gap_s * fps)
    edges = [round(k * (n_frames + gap) / blocks.count) for k in range(blocks.count + 1)]
    return [(start, stop - gap) for start, stop in pairwise(edges)]


def cut(path: Path, recording: Recording, blocks: Blocks) -> Iterator[Recording]:
    """Cut a recording into blocks of time.

    Parameters
    ----------
    path : Path
        File of the recording, for messages.
    recording : Recording
    blocks : Blocks

    Yields
    ------
    Recording
        Named `<recording>/block0` …, of the group `<group>/block0` …; animal, condition and covariates are the same.

    Raises
    ------
    InputError
        When a block would have no frame, or a label is of the whole recording.
    """
    whole = [task for task, labels in recording.labels.items() if labels.level == "sequence"]
    if whole:
        raise InputError(path, f"has one label for all frames ({whole[0]}), which blocks repeat", "remove blocks")
    pieces = bounds(recording.n_frames, recording.fps, blocks)
    if any(stop <= start for start, stop in pieces):
        raise InputError(
            path,
            f"has {recording.n_frames} frames, too few for {blocks.count} blocks {blocks.gap_s:g} s apart",
            "lower blocks.count or blocks.gap_s in the card",
        )
    seconds = (pieces[0][1] - pieces[0][0]) / recording.fps
    cut_so = f"{recording.id} is cut into {blocks.count} blocks of {seconds:.1f} s, {blocks.gap_s:g} s apart"
    names = zip(blocks.names(recording.id), blocks.names(recording.group), pieces, strict=True)
    for number, (name, group, (start, stop)) in enumerate(names):
        yield dataclasses.replace(
            recording,
            id=name,
            group=group,
            position=recording.position[start:stop],
            confidence=recording.confidence[start:stop],
            filled=None if recording.filled is None else recording.filled[start:stop],
            labels={task: _between(labels, start, stop) for task, labels in recording.labels.items()},
            start=recording.start + start,
            warnings=[*recording.warnings, cut_so] if number == 0 else [],
        )


def _between(labels: Labels, start: int, stop: int) -> Labels:
    spans = tuple((max(a, start) - start, min(b, stop) - start, code) for a, b, code in labels.spans)
    return dataclasses.replace(
        labels,
        values=labels.values[start:stop],
        mask=labels.mask[start:stop],
        spans=tuple(span for span in spans if span[1] > span[0]),
    )
