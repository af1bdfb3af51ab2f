"""Crop a new video as a model's training videos were cropped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.validation import validate
from workflow_scripts.detectors import by_video, files_of
from workflow_scripts.formats.clips import ClipRecording
from workflow_scripts.sources.videos import Options

PART = ("region", "animal")
"""Options that tell one animal of a video from another."""

SIDECARS = ("", ".boxes", "_boxes")
"""What may follow a video's name in the name of the file that holds its boxes."""


def shared_preprocessing(recordings: Iterable[ClipRecording]) -> dict[str, Any]:
    """Return what the preprocessing of several videos has in common.

    Returns
    -------
    dict
        `options` that are equal in all of them, by name; names of those that differ under `varies`; `parts`, the
        animals of every video where all show the same ones: options of :data:`PART`; `folder`, below which files named
        in the options are found. Empty where nothing is known, as in files of an older version.
    """
    known = [recording for recording in recordings if recording.preprocessing]
    if not known:
        return {}
    all_options = [
        {key: value for key, value in r.preprocessing.items() if key not in (*PART, "folder")} for r in known
    ]
    for options in all_options:  # which file holds a video's boxes tells nothing of others
        detector = options["detector"]
        if by_video(detector["name"]):
            suffix = Path(detector["options"]["path"]).suffix
            options["detector"] = detector | {"options": detector["options"] | {"path": suffix}}
    first, *others = all_options
    equal = {key: value for key, value in first.items() if all(value == other[key] for other in others)}
    by_file: dict[str, set[str]] = {}
    for recording in known:
        part = json.dumps({key: recording.preprocessing[key] for key in PART})
        by_file.setdefault(next(iter(recording.source_sha256), recording.id), set()).add(part)
    parts = sorted(next(iter(by_file.values())))
    same = all(sorted(found) == parts for found in by_file.values())
    return {
        "options": equal,
        "varies": sorted({*first} - {*equal}) + ([] if same else ["region"]),
        "parts": [json.loads(part) for part in parts] if same else [dict.fromkeys(PART) | {"animal": 0}],
        "folder": known[0].preprocessing["folder"],
    }


def files(preprocessing: dict[str, Any]) -> dict[str, Path]:
    """Return the files a crop needs (weights of a detector): name in the options → path."""
    detector = preprocessing.get("options", {}).get("detector")
    if not detector:
        return {}
    return {name: Path(preprocessing["folder"]) / name for name in files_of(detector["name"], detector["options"])}


def parts_of(
    preprocessing: dict[str, Any],
    video: Path,
    *,
    size: int,
    side: int | None,
    beside: Path | None = None,
    given: dict[str, Any] | None = None,
) -> tuple[list[tuple[str, Options, Path]], list[str]]:
    """Return how a new video is cropped: once for each of its animals.

    Parameters
    ----------
    preprocessing : dict
        Of :func:`shared_preprocessing`.
    video : Path
    size : int
        Side of the crop videos in pixels, where the preprocessing does not say.
    side : int or None
        Side of the window in pixels of the video, where the preprocessing does not say.
    beside : Path or None
        Folder of the exported model, whose folder `files` holds copies of the files named in the options.
    given : dict or None
        Options that the user gives for this video: `detector` (a name), `region`, `animals`.

    Returns
    -------
    list of (str, Options, Path)
        Name of the part ("" where there is one), options of the source `videos`, folder of the files they name.
    list of str
        Warnings.

    Raises
    ------
    ConfigError
        When an option is unknown.
    InputError
        When boxes of this video are needed and not there.
    """
    given, warnings = dict(given or {}), []
    options: dict[str, Any] = dict(preprocessing.get("options", {})) or {"size": size, "side": side}
    parts: list[dict[str, Any]] = list(preprocessing.get("parts", [])) or [{"region": None, "animal": 0}]
    folder = Path(preprocessing.get("folder", video.parent))
    if beside is not None and all((beside / "files" / name).is_file() for name in files(preprocessing)):
        folder = beside / "files"
    if (name := given.pop("detector", None)) and name != options.get("detector", {}).get("name"):
        options["detector"] = {"name": name}
    if region := given.pop("region", None):
        parts = [{"region": region, "animal": 0}]
    if animals := given.pop("animals", None):
        options["animals"] = animals
        parts = [part | {"animal": k} for part in parts if part["animal"] == 0 for k in range(animals)]
    if given:
        raise ConfigError(f"Unknown options of a video: {', '.join(given)}.")
    varies = [key for key in preprocessing.get("varies", []) if key not in options and not (key == "region" and region)]
    if varies:
        warnings.append(
            f"the training videos were cropped with different options ({', '.join(varies)}), so the default stands here"
        )
    if not preprocessing:
        warnings.append("the model does not say how its training videos were cropped: the defaults are used")
    elif (detector := options.get("detector")) and by_video(detector["name"]):
        found = _boxes_of(video, detector)
        folder = found.parent
        options["detector"] = detector | {"options": detector["options"] | {"path": found.name}}
    several = len(parts) > 1
    made = []
    for number, part in enumerate(parts):
        checked = validate(Options, options | part, where="preprocessing of the model")
        made.append((f"animal{number}" if several else "", checked, folder))
    return made, warnings


def _boxes_of(video: Path, detector: dict[str, Any]) -> Path:
    suffix = detector["options"]["path"]
    names = [f"{video.stem}{more}{suffix}" for more in SIDECARS]
    for name in names:
        if (video.parent / name).is_file():
            return video.parent / name
    raise InputError(
        video,
        f"the model was trained on crops by the detector {detector['name']}, and there are no boxes of this video",
        f"put them beside it as {' or '.join(names)}, or name another detector (--detector background)",
    )
