"""How the videos that a model was made for were cropped, so that new ones can be cropped alike."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workflow_scripts.cards.kinds import LOOKUPS
from workflow_scripts.formats.clips import ClipRecording

PART = ("region", "animal")
"""Options that tell one animal of a video from another."""


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
        if detector["name"] in LOOKUPS:
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
    weights = detector["options"].get("weights")
    return {weights: Path(preprocessing["folder"]) / weights} if weights else {}
