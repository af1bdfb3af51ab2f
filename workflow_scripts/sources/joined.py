"""One recording from several files, each of which holds one of its animals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
from pydantic import Field, field_validator

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.validation import Strict
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.sources.shared.beside import beside


class JoinOptions(Strict):
    """What sources whose files may hold one animal each can be configured."""

    join: dict[str, str] = Field(
        {},
        description="Animal → file of its tracks, in the folder of the shard's tracks file, which is one of them; the "
        "shard lists the others under beside. Empty = one file holds all animals.",
    )

    @field_validator("join")
    @classmethod
    def _several_files(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value.values():
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
                raise ValueError("must name files by plain relative paths")
        if value and (len(value) < 2 or len(set(value.values())) < len(value)):
            raise ValueError("must name at least two animals, each with a file of its own")
        return value


def joined_files(tracks: str, join: dict[str, str]) -> list[str]:
    """Return the files that a shard joins, as paths like that of its tracks file."""
    return [str(PurePosixPath(tracks).parent / name) for name in join.values()]


def join_animals(path: Path, options: JoinOptions, read: Callable[[Path], Recording]) -> Recording:
    """Read a recording whose animals lie in one file each, or in one file all.

    Parameters
    ----------
    path : Path
        The shard's tracks file.
    options : JoinOptions
    read : callable
        Reads one file.

    Raises
    ------
    InputError
        When the files do not hold one animal each, or differ in points, frames, frame rate or image size.
    """
    if not options.join:
        return read(path)
    files = {animal: beside(path, name) for animal, name in options.join.items()}
    if path not in files.values():
        raise InputError(path, "is none of the files under join", "name it there, beside the animal that it holds")
    found: dict[str, Recording] = {}
    for animal, file in files.items():
        one = read(file)
        if len(one.individuals) != 1:
            raise InputError(
                file, f"holds {len(one.individuals)} animals ({', '.join(one.individuals)}), expected one", "check join"
            )
        found[animal] = one
    first = found[next(iter(found))]
    for animal, one in found.items():
        for what, mine, theirs in (
            ("keypoints", list(one.keypoints), list(first.keypoints)),
            ("frames", one.n_frames, first.n_frames),
            ("frames per second", one.fps, first.fps),
            ("an image size", one.image_size, first.image_size),
        ):
            if mine != theirs and not (mine != mine and theirs != theirs):  # NaN: neither states a rate
                raise InputError(
                    files[animal],
                    f"has {what} {mine}, and {files[next(iter(found))].name} {theirs}",
                    "join files of one video, tracked with one skeleton",
                )
    return dataclasses.replace(
        first,
        position=np.concatenate([one.position for one in found.values()], axis=1),
        confidence=np.concatenate([one.confidence for one in found.values()], axis=1),
        individuals=tuple(found),
        warnings=[warning for one in found.values() for warning in one.warnings],
    )
