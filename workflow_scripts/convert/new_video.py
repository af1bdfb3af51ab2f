"""Crop a new video as a model's training videos were cropped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workflow_scripts.cards.kinds import LOOKUPS
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.validation import validate
from workflow_scripts.sources.videos import Options
from workflow_scripts.views.crops import files

SIDECARS = ("", ".boxes", "_boxes")
"""What may follow a video's name in the name of the file that holds its boxes."""


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
            f"the training videos were cropped with different options ({', '.join(varies)}), so the default is here"
        )
    if not preprocessing:
        warnings.append("the model does not say how its training videos were cropped: the defaults are used")
    elif (detector := options.get("detector")) and detector["name"] in LOOKUPS:
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
