"""Readers and writers of other people's formats, one file each, reached through this registry.

A track source is a module with a class `Options` (a `config.Strict`) and
``read(path, options, *, recording) -> Iterator[Recording]``: positions straight from the file, NaN where a cell is
empty, `fps` NaN where the file states none; `NAN_ALONE = True` where zeros are values. A label source has `Options` and
``read_labels(path, options, *, n_frames, fps, tasks, warn) -> dict[str, Labels]``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from workflow_scripts.cards.card import Task
from workflow_scripts.core.boundary import reading
from workflow_scripts.core.documents import require_plain
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.validation import Strict, nearest, validate
from workflow_scripts.formats.images import ImageSet
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.sources.shared.checks import check_images, check_labels, check_recording

if TYPE_CHECKING:
    from workflow_scripts.sources.shared.found import Found

TRACK_SOURCES = {
    "deeplabcut": "deeplabcut",
    "sleap": "sleap",
    "calms21": "calms21",
    "mabe22": "mabe22",
    "daart_csv": "daart_csv",
    "lisbet_archive": "lisbet_archive",
    "bams_dict": "bams_dict",
    "quadrupeds": "quadrupeds",
    "movement": "movement",
    "wide_csv": "wide_csv",
    "long_table": "long_table",
    "jabs": "jabs",
    "nwb_pose": "nwb_pose",
    "facemap": "facemap",
    "trex": "trex",
}
"""Name → module, imported when asked for."""

LABEL_SOURCES = {
    "caltech_annotator": "caltech_annotator",
    "boris": "boris",
    "csv_events": "csv_events",
    "bouts_csv": "bouts_csv",
    "deepethogram": "deepethogram",
    "simba": "simba",
    "supervisely": "supervisely",
    "daart_csv": "daart_csv",
    "behaviordepot": "behaviordepot",
    "movement": "movement",
    "binary_table": "binary_table",
    "class_table": "class_table",
    "bento": "bento",
    "ethovision": "ethovision",
    "elan": "elan",
}
"""Name → module, imported when asked for."""

IMAGE_SOURCES = {"rat_npz": "rat_npz", "mars_crops": "mars_crops", "dlc_frames": "dlc_frames"}
"""Name → module with `Options` and ``read(path, options) -> ImageSet``, imported when asked for."""


VIDEO_SOURCES = {"videos": "videos"}
"""Name → module with `Options` of a card of videos; they are read through :mod:`workflow_scripts.detectors`."""

DATA_SOURCES = TRACK_SOURCES | IMAGE_SOURCES | VIDEO_SOURCES


def _load(source: str, known: dict[str, str], what: str) -> ModuleType:
    if source not in known:
        raise ConfigError(f"There is no {what} source {source!r}{nearest(source, list(known))}.")
    return importlib.import_module(f"{__name__}.{known[source]}")


def _options(module: ModuleType, *, labels: bool) -> type[Strict]:
    """Options of a source; one that reads tracks and labels may have `LabelOptions` for the latter."""
    model: type[Strict] = getattr(module, "LabelOptions", module.Options) if labels else module.Options
    return model


def check_options(source: str, options: dict[str, Any], *, labels: bool = False) -> None:
    """Refuse an unknown source or option, without reading a file.

    Raises
    ------
    ConfigError
        Names the key and the nearest valid one.
    """
    module = _load(source, LABEL_SOURCES, "label") if labels else _load(source, DATA_SOURCES, "data")
    model: type[Strict] = _options(module, labels=labels)
    validate(model, options, where=f"options of the source {source}")


def nan_alone(source: str) -> bool:
    """Say whether a track source codes missing points by NaN alone, so that zeros are values (its `NAN_ALONE`)."""
    return bool(getattr(_load(source, TRACK_SOURCES, "track"), "NAN_ALONE", False))


def require_file(path: Path) -> None:
    """Refuse a file that is absent or empty, and what is no regular file.

    Raises
    ------
    InputError
    """
    if not path.exists():
        raise InputError(path, "the file does not exist", "check the path, or download the dataset again")
    if require_plain(path) == 0:
        raise InputError(path, "the file is empty", "download or export it again")


def sniff(module: ModuleType, path: Path) -> Found | None:
    """Ask one source what a file is; a damaged file is one sentence, as when it is read.

    Returns
    -------
    Found or None
        None where the source does not know the format.

    Raises
    ------
    InputError
    """
    require_file(path)
    with reading(path, f"a file of the source {module.__name__.rpartition('.')[2]}"):
        found: Found | None = module.sniff(path)
    return found


def read_tracks(source: str, path: Path, options: dict[str, Any], *, recording: str) -> Iterator[Recording]:
    """Read the recordings of a tracking file, one in memory at a time.

    Parameters
    ----------
    source : str
        A name in `TRACK_SOURCES`.
    path : Path
    options : dict
        Options of that source.
    recording : str
        Id where the file holds one recording and does not name it.

    Yields
    ------
    Recording
        `position` as the file has it (NaN where empty), `fps` NaN where the file states none.

    Raises
    ------
    ConfigError
        When the source or an option is unknown.
    InputError
        When the file cannot be used: which file, where in it, what was expected, what to do.
    """
    module = _load(source, TRACK_SOURCES, "track")
    checked = validate(_options(module, labels=False), options, where=f"options of the source {source}")
    require_file(Path(path))
    # The consumer's code runs between two recordings, outside of this frame: what it raises does not pass here.
    with reading(path, f"a file of the source {source}"):
        for found in module.read(Path(path), checked, recording=recording):
            check_recording(Path(path), found)
            yield found


def read_labels(
    source: str,
    path: Path,
    options: dict[str, Any],
    *,
    n_frames: int,
    fps: float,
    tasks: dict[str, Task],
    warn: list[str] | None = None,
) -> dict[str, Labels]:
    """Read a label file against a recording of `n_frames` frames.

    Parameters
    ----------
    source : str
        A name in `LABEL_SOURCES`.
    path : Path
    options : dict
        Options of that source.
    n_frames : int
        Frames of the tracks. Labels past them are cut, frames past the labels are unlabelled; a mismatch of more
        than 100 frames or 2 % is refused.
    fps : float
        Frames per second, for formats in seconds.
    tasks : dict of str to Task
        The card's tasks, whose vocabularies decide the indices.
    warn : list of str or None
        What had to be decided is appended here.

    Returns
    -------
    dict of str to Labels
        By task; values and mask of shape (n_frames,).

    Raises
    ------
    ConfigError
        When the source, an option or a task is unknown.
    InputError
        When the file cannot be used.
    """
    module = _load(source, LABEL_SOURCES, "label")
    checked = validate(_options(module, labels=True), options, where=f"options of the source {source}")
    require_file(Path(path))
    with reading(path, f"a label file of the source {source}"):
        found: dict[str, Labels] = module.read_labels(
            Path(path), checked, n_frames=n_frames, fps=fps, tasks=tasks, warn=[] if warn is None else warn
        )
        for task, labels in found.items():
            check_labels(Path(path), task, labels, n_frames)
    return found


def read_images(source: str, path: Path, options: dict[str, Any]) -> ImageSet:
    """Read a file of labelled images.

    Parameters
    ----------
    source : str
        A name in `IMAGE_SOURCES`.
    path : Path
    options : dict
        Options of that source.

    Raises
    ------
    ConfigError
        When the source or an option is unknown.
    InputError
        When the file cannot be used.
    """
    module = _load(source, IMAGE_SOURCES, "image")
    checked = validate(_options(module, labels=False), options, where=f"options of the source {source}")
    require_file(Path(path))
    with reading(path, f"a file of the source {source}"):
        found: ImageSet = module.read(Path(path), checked)
        check_images(Path(path), found)
    return found
