"""What every reader's result must be, whatever the format: checked once, behind all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workflow_scripts.core import limits
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.names import LONGEST_NAME, why_no_name
from workflow_scripts.formats.images import ImageSet
from workflow_scripts.formats.tracks import Labels, Recording

FARTHEST = 1e7
"""Largest coordinate that is believed, in the file's own unit."""
LIKELIHOOD = (-0.01, 2.0)
"""Likelihoods lie in [0, 1]; those of some networks (SLEAP) exceed 1 by a little."""
AGAIN = "export the file again"


def _check_names(path: Path, what: str, names: Sequence[str]) -> None:
    for name in names:
        problem = why_no_name(name)
        if problem:
            raise InputError(path, f"the {what} {name[:60]!r} {problem}", "rename it in the file")
    if len(set(names)) != len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise InputError(path, f"has two {what}s called {twice!r}", "rename one of them in the file")


def check_recording(path: Path, found: Recording) -> None:
    """Refuse a recording whose names, numbers or labels cannot be true.

    Infinite coordinates and recordings without a point are left to the conversion, which names the frame.

    Raises
    ------
    InputError
    """
    _check_names(path, "recording", [found.id])
    _check_names(path, "group", [found.group])
    _check_names(path, "individual", found.individuals)
    _check_names(path, "keypoint", found.keypoints)
    limits.require_most(path, f"the number of frames of {found.id!r}", found.n_frames, limits.FRAMES)
    if not np.isnan(found.fps) and not 0 < found.fps <= limits.FPS:
        raise InputError(path, f"{found.id}: {found.fps:g} frames a second", "write the right fps in the card")
    if found.image_size is not None and not all(0 < side <= limits.PIXELS for side in found.image_size):
        raise InputError(path, f"{found.id}: the image size is {found.image_size}", "write the right size in the card")
    with np.errstate(invalid="ignore"):
        far = np.isfinite(found.position) & (np.abs(found.position) > FARTHEST)
        odd = (found.confidence < LIKELIHOOD[0]) | (found.confidence > LIKELIHOOD[1])
    for wrong, values, words in (
        (far, found.position, "a coordinate"),
        (odd, found.confidence, "a likelihood"),
    ):
        if wrong.any():
            at = tuple(int(place) for place in np.argwhere(wrong)[0])
            where = f"frame {at[0]}, {found.individuals[at[1]]} {found.keypoints[at[2]]}"
            raise InputError(path, f"{found.id}, {where}: {words} is {values[at]:g}", AGAIN)
    for task, labels in found.labels.items():
        check_labels(path, task, labels, found.n_frames)


def check_labels(path: Path, task: str, labels: Labels, n_frames: int) -> None:
    """Refuse labels of another length than the tracks, or outside their vocabulary.

    Raises
    ------
    InputError
    """
    _check_names(path, "task", [task])
    _check_names(path, "class", labels.vocabulary)
    limits.require_most(path, f"the number of classes of {task}", len(labels.vocabulary), limits.CLASSES)
    expected = (n_frames,) if labels.level == "frame" else (1,)
    if labels.values.shape != expected or labels.mask.shape != expected:
        raise InputError(path, f"the labels of {task} have the shape {labels.values.shape}, not {expected}", AGAIN)
    held = labels.values[labels.mask]
    if not len(held):
        return
    if labels.kind == "continuous":
        if not np.isfinite(held).all():
            raise InputError(path, f"the labels of {task} hold a value that is not finite", AGAIN)
        return
    most = 1 if labels.kind == "binary" else len(labels.vocabulary) - 1
    if held.min() < 0 or held.max() > most:
        raise InputError(path, f"the labels of {task} run from {held.min()} to {held.max()}, not 0 to {most}", AGAIN)


def check_images(path: Path, found: ImageSet) -> None:
    """Refuse images whose points or index do not fit them.

    Raises
    ------
    InputError
    """
    n = len(found.images)
    _check_names(path, "point", found.names)
    wanted = {"points": (n, len(found.names), 2), "source_frame": (n,), "animal": (n,), "group": (n,)}
    for name, shape in wanted.items():
        if getattr(found, name).shape != shape:
            raise InputError(path, f"{name} has the shape {getattr(found, name).shape}, expected {shape}", AGAIN)
    if n and int(found.source_frame.min()) < 0:
        raise InputError(path, f"source_frame holds {int(found.source_frame.min())}", AGAIN)
    for name in np.unique(found.animal):
        if len(str(name)) > LONGEST_NAME or why_no_name(str(name)):
            raise InputError(path, f"the animal {str(name)[:60]!r} {why_no_name(str(name))}", "rename it in the file")
