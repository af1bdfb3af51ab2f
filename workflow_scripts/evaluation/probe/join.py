"""Embeddings of several runs side by side, for one probe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.typing import Float32Array
from workflow_scripts.formats.embeddings import EmbeddingsReader, open_embeddings, write_embeddings

ALIKE = ("dataset", "split")
"""Attributes that embeddings side by side have in common."""


def join_embeddings(members: Mapping[str, Path], output: Path, *, half: bool = False) -> None:
    """Write the embeddings of several runs side by side, one recording in memory at a time.

    Parameters
    ----------
    members : mapping of str to Path
        Embeddings by the name of their run, in the order of their columns.
    output : Path
        File of :mod:`workflow_scripts.formats.embeddings`; a dimension is named ``<member>: <dimension>``.
    half : bool
        Store float16.

    Raises
    ------
    InputError
        When they are of different datasets or splits, recordings or numbers of frames.
    """
    with ExitStack() as stack:
        readers = {name: stack.enter_context(open_embeddings(path)) for name, path in members.items()}
        first = next(iter(readers.values()))
        for reader in readers.values():
            _require_alike(first, reader)
        names = [f"{name}: {column}" for name, reader in readers.items() for column in _columns(reader)]
        attributes = {name: reader.attributes for name, reader in readers.items()}

        def each() -> Iterator[tuple[str, Float32Array]]:
            for recording in first.ids:
                yield recording, np.concatenate([reader.read(recording) for reader in readers.values()], axis=1)

        write_embeddings(output, each(), names=names, attributes={"members": attributes}, half=half)


def _columns(reader: EmbeddingsReader) -> list[str]:
    return reader.names if len(reader.names) == reader.dim else [str(k) for k in range(reader.dim)]


def _same_training(one: EmbeddingsReader, other: EmbeddingsReader) -> bool:
    """Whether two splits train on the same recordings: draws of labels do, which hide different labels."""
    here, there = (reader.attributes.get("training") for reader in (one, other))
    return here is not None and here == there


def _require_alike(one: EmbeddingsReader, other: EmbeddingsReader) -> None:
    remedy = "embed both from the same dataset and split"
    for key in ALIKE:
        here, there = one.attributes.get(key), other.attributes.get(key)
        if here != there and not (key == "split" and _same_training(one, other)):
            raise InputError(other.path, f"is of the {key} {there!r}, and {one.path} of {here!r}", remedy)
    lone = sorted(set(one.ids) ^ set(other.ids))
    if lone:
        has, lacks = (one, other) if lone[0] in one.ids else (other, one)
        raise InputError(lacks.path, f"has no recording {lone[0]!r}, which {has.path} has", remedy)
    for recording in one.ids:
        here, there = one.n_frames(recording), other.n_frames(recording)
        if here != there:
            raise InputError(
                other.path, f"has {there} frames of recording {recording!r}, and {one.path} has {here}", remedy
            )
