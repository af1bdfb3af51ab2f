"""The index of a dataset: `tracks.h5`, links to the recordings in its shard files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import digest
from workflow_scripts.formats.hdf5 import create, open_checked
from workflow_scripts.formats.tracks import KIND, unescape_id


def index_tracks(path: str | Path, shards: Sequence[str | Path], reading: dict[str, Any] | None = None) -> None:
    """Make a dataset's `tracks.h5`: links to the recordings in its shard files, no copies.

    Parameters
    ----------
    path : str or Path
        The index to make.
    shards : sequence of str or Path
        Shard files; stored relative to the index, so that the folder may be moved as a whole.
    reading : dict, optional
        How the card says that files are read, as plain values; models keep it, to read new files the same way.

    Raises
    ------
    InputError
        When an id is in two shards, or none is left outside quarantine.
    """
    target = Path(path)
    quarantined: dict[str, str] = {}
    checksums = hashlib.sha256()
    with create(target, KIND) as handle:
        parent = handle.create_group("recordings")
        for shard in shards:
            # Without the shards' checksums the index would keep its bytes when a recording changes, and Snakemake
            # compares small inputs by content.
            checksums.update(digest(shard).encode())
            with open_checked(shard, KIND) as source:
                quarantined.update(json.loads(str(source.attrs.get("quarantined", "{}"))))
                relative = os.path.relpath(shard, target.parent)
                for key in source["recordings"]:
                    if key in parent:
                        raise InputError(
                            shard, f"the id {unescape_id(key)!r} is used twice", "give each recording its own"
                        )
                    parent[key] = h5py.ExternalLink(relative, f"/recordings/{key}")
        if not len(parent):
            reason = next(iter(quarantined.values()), "no recording was found")
            raise InputError(target, f"not one recording is usable ({reason})", "correct the files of the dataset")
        handle.attrs["quarantined"] = json.dumps(quarantined)
        handle.attrs["shards_sha256"] = checksums.hexdigest()
        if reading is not None:
            handle.attrs["reading"] = json.dumps(reading, sort_keys=True)
