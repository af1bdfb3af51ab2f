"""Checksums of the user's own files, remembered by size and time of change, so that edits are noticed by content."""

from __future__ import annotations

import atexit
import json
from contextlib import suppress
from pathlib import Path

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.files import digest, write_text


class Contents:
    """sha256 of files, computed once for each size and modification time.

    Parameters
    ----------
    cache : Path
        File that keeps them between runs; written when the process ends.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._new = False
        try:
            known = json.loads(cache.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        self._known: dict[str, list[object]] = known if isinstance(known, dict) else {}
        atexit.register(self.save)

    def sha256(self, path: Path) -> str:
        """Return the checksum of a file, an empty text where there is none."""
        try:
            found = path.stat()
        except OSError:
            return ""
        stamp = [found.st_size, found.st_mtime_ns, found.st_ino]
        known = self._known.get(str(path))
        if isinstance(known, list) and known[:3] == stamp:
            return str(known[3])
        made = digest(path)
        self._known[str(path)] = [*stamp, made]
        self._new = True
        return made

    def save(self) -> None:
        """Write the cache, where a file was read; a folder that cannot be written to is no error."""
        if self._new:
            with suppress(EthoMakeError, OSError):
                write_text(self._cache, json.dumps(self._known))
            self._new = False
