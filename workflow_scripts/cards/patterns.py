"""Recordings by pattern: a card names the files of its local folder by `videos/**/*.mp4`, and each becomes a shard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from workflow_scripts.core.validation import Strict


class LabelSource(Strict):
    """A label file of one shard."""

    source: str = Field(description="Name of a label source (workflow_scripts/sources).")
    file: str = Field(description="Path below resources/<dataset>/.")
    options: dict[str, Any] = {}
    observation: str | None = Field(
        None, description="Which observation, video or animal of a label file that holds several."
    )


class Pattern(Strict):
    """Recordings found in the card's local folder, instead of an entry of `files` and one of `shards` for each.

    In `labels`, `group` and `beside`, `{path}`, `{folder}`, `{name}` and `{stem}` stand for the path of the recording's
    file below that folder, for the folder it is in, for its name, and for its name without its end.
    """

    tracks: str = Field(description="Pattern of the files below the local folder; ** stands for any folders.")
    labels: list[LabelSource] = Field(
        [], description="Label files; one that is not there leaves its recording unlabelled."
    )
    group: str | None = Field(None, description="Animal, session or source video; the source decides where empty.")
    options: dict[str, Any] = Field({}, description="Overrides of the card's source options.")
    beside: list[str] = []

    def expand(self, local: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the entries of `files` and `shards` of what the folder holds now.

        Raises
        ------
        ValueError
            When it holds no such file.
        """
        found = sorted(path for path in local.glob(self.tracks) if path.is_file())
        if not found:
            raise ValueError(f"recordings: {local} holds no file {self.tracks}")
        paths: dict[str, None] = {}
        shards = []
        for path in found:
            here = path.relative_to(local)
            fills = {"path": here.as_posix(), "folder": here.parent.as_posix(), "name": here.name, "stem": here.stem}
            labels = [
                {
                    "source": label.source,
                    "file": _filled(label.file, fills),
                    "options": {key: _filled(value, fills) for key, value in label.options.items()},
                }
                for label in self.labels
            ]
            labels = [label for label in labels if (local / label["file"]).is_file()]
            beside = [_filled(name, fills) for name in self.beside]
            paths |= dict.fromkeys([fills["path"], *(label["file"] for label in labels), *beside])
            shards.append(
                {
                    "id": here.with_suffix("").as_posix(),
                    "file": fills["path"],
                    "labels": labels,
                    "group": None if self.group is None else _filled(self.group, fills),
                    "options": {key: _filled(value, fills) for key, value in self.options.items()},
                    "beside": beside,
                }
            )
        return [{"path": path} for path in paths], shards


def _filled(value: Any, fills: dict[str, str]) -> Any:
    """Put the names of a recording into a text; other values stay."""
    if isinstance(value, dict):
        return {key: _filled(item, fills) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, fills) for item in value]
    if not isinstance(value, str):
        return value
    for key, text in fills.items():
        value = value.replace(f"{{{key}}}", text)
    return value


def expand_pattern(card: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the pattern under `recordings` of a card, if there is one, by what the local folder holds.

    Parameters
    ----------
    card : mapping
        Values of the card, not yet validated.

    Raises
    ------
    ValueError
        When the card names no local folder, has files or shards besides, or nothing fits the pattern.
    """
    values = dict(card)
    if not isinstance(values.get("recordings"), (dict, Pattern)):
        return values
    if not values.get("local"):
        raise ValueError("recordings are found in a local folder: name it under local")
    if values.get("files") or values.get("shards"):
        raise ValueError("recordings replace files and shards: keep one of the two")
    pattern = Pattern.model_validate(values.pop("recordings"))
    files, shards = pattern.expand(Path(values["local"]).expanduser())
    return values | {"files": files, "shards": shards}
