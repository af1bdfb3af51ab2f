"""From a card of images to the canonical file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from workflow_scripts.cards.card import Card, Shard
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import deep_merge
from workflow_scripts.formats.images import ImageSet, write_images
from workflow_scripts.sources import read_images


def convert_images(
    card: Card, resources: Path, target: Path, *, on_unusable: Callable[[str, InputError], None] | None = None
) -> None:
    """Write a dataset's `images.h5` from all shards of its card.

    Parameters
    ----------
    card : Card
        Of kind ``images``; a shard's `tracks` is its file of images, a shard's `group` stands in for the source's.
    resources : Path
        Folder of the dataset's downloads.
    target : Path
        The file to make.
    on_unusable : callable or None
        Called with the id of a shard and the error, where a shard cannot be used; it is left out and named in the file,
        unless the function raises. None = the error is raised.

    Raises
    ------
    ConfigError
        When the source or an option is unknown.
    InputError
        When a file cannot be used, or has other points than the card.
    """
    quarantined: dict[str, str] = {}

    def shards() -> Iterator[ImageSet]:
        first = 0
        for shard in card.shards:
            try:
                images = _read(card, shard, resources)
            except InputError as error:
                if on_unusable is None:
                    raise
                on_unusable(shard.id, error)
                quarantined[shard.id] = str(error)
                continue
            if shard.group is not None:
                images = replace(images, group=images.group.astype(f"U{len(shard.group)}"))
                images.group[:] = shard.group
            elif len(card.shards) > 1:
                images = replace(images, group=np.char.add(f"{shard.id}/", images.group))
            # Shards count their frames from 0 each.
            yield replace(images, source_frame=images.source_frame + first)
            first += int(images.source_frame.max()) + 1

    write_images(target, shards(), quarantined=quarantined)


def _read(card: Card, shard: Shard, resources: Path) -> ImageSet:
    path = resources / shard.file
    images = read_images(card.source, path, deep_merge(card.options, shard.options))
    if card.keypoints and list(images.names) != card.keypoints:
        raise InputError(
            path, f"has the points {', '.join(images.names)}, the card {', '.join(card.keypoints)}", "correct the card"
        )
    return images


def read_movie(card: Card, resources: Path, number: int = 0) -> ImageSet:
    """Read one of the movies of a card of images.

    Parameters
    ----------
    card : Card
    resources : Path
        Folder of the dataset's downloads.
    number : int

    Returns
    -------
    ImageSet
        With the card's frame rate where the source knows none.
    """
    movie = card.movies[number]
    options = deep_merge(card.options, movie.options)
    if card.source == "rat_npz":
        options = {"labels": None} | options  # the published movie has images and no points
    images = read_images(card.source, resources / movie.file, options)
    return images if np.isfinite(images.fps) else replace(images, fps=card.fps or images.fps)
