"""How a dataset's files are read, kept with the models trained on them, so that new files are read the same way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workflow_scripts.cards.card import Card
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.validation import validate
from workflow_scripts.formats.tracks import Recording

KEPT = {
    *("name", "kind", "fps", "unit", "image_size", "resample", "space", "individuals", "keypoints", "rename"),
    *("unlisted", "absent", "source", "options", "gaps", "tasks", "scale"),
}
"""Keys of a card that say how a file becomes a recording."""

DESCRIBED = {"title": "new files", "description": "-", "licence": "-", "citation": ["-"]}


def reading_of(card: Card) -> dict[str, Any]:
    """Return what of a card says how a file of tracks becomes a recording, as plain values."""
    return card.model_dump(mode="json", exclude_defaults=True, include=KEPT)


def read_new(
    reading: Mapping[str, Any],
    path: Path,
    *,
    name: str,
    fps: float | None = None,
    scale: float | None = None,
    changes: Mapping[str, Any],
) -> Iterator[Recording]:
    """Read a file of tracks that no card lists, through the source and the chain of the convert rule.

    Parameters
    ----------
    reading : mapping
        From :func:`reading_of`.
    path : Path
    name : str
        Id of the recording, where the file names none of its own.
    fps : float, optional
        Frame rate of the file, in place of the card's.
    scale : float, optional
        Length of a unit of the file, in place of the card's.
    changes : mapping
        Keys of the card in place of those read: `source`, `options`, `absent`, `unlisted` …

    Yields
    ------
    Recording
        Without labels.

    Raises
    ------
    InputError, ConfigError
        When the file cannot be used.
    """
    shard = {"id": name, "file": path.name} | ({"fps": fps} if fps else {}) | ({"scale": scale} if scale else {})
    values = {**DESCRIBED, **reading, **changes}
    if "rename" in changes:  # a name may be of an animal or of a point
        wanted = changes["rename"]
        values["rename"] = {
            what: {**(reading.get("rename") or {}).get(what, {}), **_of(wanted, reading.get(what) or [])}
            for what in ("individuals", "keypoints")
        }
    values |= {"local": str(path.parent), "files": [{"path": path.name}], "shards": [shard], "resample": None}
    card = validate(Card, values, where=str(path))
    yield from convert_shard(card, card.shards[0], path.parent)


def _of(names: Mapping[str, str], known: Sequence[str]) -> dict[str, str]:
    """Return the names that become one of the known."""
    return {given: name for given, name in names.items() if name in known}
