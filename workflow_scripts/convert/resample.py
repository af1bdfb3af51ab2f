"""Bring tracks of another frame rate to the dataset's, so that a window of so many frames is as long in each."""

from __future__ import annotations

import dataclasses

import numpy as np

from workflow_scripts.formats.bouts import runs
from workflow_scripts.formats.tracks import Labels, Recording

FPS_TOLERANCE = 0.005
"""Frame rates of a file and of the sheet that differ by more than this share contradict each other."""


def resample(recording: Recording, fps: float) -> Recording:
    """Interpolate a recording to `fps` frames a second.

    Parameters
    ----------
    recording : Recording
        Frame k is at k / recording.fps seconds.
    fps : float

    Returns
    -------
    Recording
        Frame k is at k / fps seconds. Positions and confidence are interpolated linearly between two frames in which
        a point is there, and NaN where either lacks it; a frame takes the label of the frame in whose time its middle
        lies. The same object where the rates agree to a thousandth.
    """
    old = recording.fps
    if abs(old - fps) < 0.001 * fps or recording.n_frames == 0:
        return recording
    last = recording.n_frames - 1
    count = max(1, round(recording.n_frames * fps / old))
    place = np.minimum(np.arange(count) * old / fps, last)
    low = np.floor(place).astype(int)
    share = (place - low).astype(np.float32)
    high = np.minimum(low + (share > 0), last)  # a frame that exists is taken as it is, whatever the next one lacks
    across = share[:, None, None]
    position = (1 - across[..., None]) * recording.position[low] + across[..., None] * recording.position[high]
    confidence = (1 - across) * recording.confidence[low] + across * recording.confidence[high]
    filled = None if recording.filled is None else recording.filled[low] | recording.filled[high]
    middle = np.minimum(((np.arange(count) + 0.5) * old / fps).astype(int), last)
    labels = {
        task: found
        if found.level == "sequence"
        else dataclasses.replace(found, values=found.values[middle], mask=found.mask[middle], spans=())
        for task, found in recording.labels.items()
    }
    return dataclasses.replace(
        recording,
        position=position.astype(np.float32),
        confidence=confidence.astype(np.float32),
        filled=filled,
        fps=fps,
        source_fps=old,
        start=round(recording.start * fps / old),
        labels=labels,
        warnings=[
            *recording.warnings,
            f"resampled from {old:g} to {fps:g} frames a second ({recording.n_frames} to {count} frames) by linear "
            "interpolation",
        ],
    )


def mask_unscored(labels: dict[str, Labels], scored: list[tuple[float, float, bool]], start: int, fps: float) -> None:
    """Clear the mask of frames outside the labelled spans, and cut the bouts to them; the dictionary is changed.

    Parameters
    ----------
    labels : dict of str to Labels
    scored : list of (float, float, bool)
        Spans on the clock of the video: start, end (not included), True where in seconds.
    start : int
        Frame of the video at which the labels' first frame lies.
    fps : float
    """
    for task, found in labels.items():
        if found.level != "frame":
            continue
        inside = np.zeros(len(found.mask), bool)
        for low, high, seconds in scored:
            first, after = (round(low * fps), round(high * fps)) if seconds else (int(low), int(high))
            inside[max(first - start, 0) : max(after - start, 0)] = True
        found.mask[~inside] = False
        cut = [
            (a + first, a + last, code)
            for a, b, code in found.spans
            for first, last, kept in runs(inside[a:b]).triples()
            if kept
        ]
        labels[task] = dataclasses.replace(found, spans=tuple(cut))
