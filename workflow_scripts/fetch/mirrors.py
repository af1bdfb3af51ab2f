"""Local folders that hold copies of public files."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from workflow_scripts.cards.card import RemoteFile
from workflow_scripts.core.files import CHUNK, atomic_path
from workflow_scripts.fetch.verify import Source, check

logger = logging.getLogger(__name__)


class _WrongCopyError(Exception):
    """A mirror's file differs from the card; leaves `atomic_path` without making the target."""


def candidates(
    file: RemoteFile, mirrors: Sequence[Path], mirror_name: str, folder: Path | None = None
) -> Iterator[Path]:
    """Give the places of `file` in the mirrors, in the order they are tried.

    Parameters
    ----------
    file : RemoteFile
        The card's entry.
    mirrors : sequence of Path
        Folders with one folder a dataset, or a dataset's own folder.
    mirror_name : str
        Name of the dataset's folder.
    folder : Path, optional
        A folder of this dataset alone, whatever its name; comes first.
    """
    if folder is not None:
        yield folder / file.path
    mirror_name = file.mirror or mirror_name
    for mirror in mirrors:
        if not os.path.isdir(mirror):  # noqa: PTH112 - Path.is_dir raises where a parent may not be entered
            logger.warning("mirror %s is not a folder; skipped", mirror)
            continue
        yield mirror / mirror_name / file.path
        # Only under its own name: elsewhere a common path such as README.md is some other dataset's.
        if mirror_name in {mirror.name, mirror.resolve().name}:
            yield mirror / file.path


def take_from_mirror(
    file: RemoteFile, target: Path, mirrors: Sequence[Path], mirror_name: str, folder: Path | None = None
) -> Source | str:
    """Copy `file` from the first mirror that has it whole.

    Returns
    -------
    Source or str
        Where it came from; else what was wrong with the copies met, in words (empty where there were none).

    Raises
    ------
    InputError
        When the disk is full or the target's folder cannot be written to.
    """
    troubles: list[str] = []
    for place in candidates(file, mirrors, mirror_name, folder):
        try:
            if not place.is_file():  # absent, a folder, a pipe or a device
                continue
            with open(place, "rb") as original, atomic_path(target, read_only=True) as part:
                with open(part, "wb") as copy:
                    shutil.copyfileobj(original, copy, CHUNK)
                checked = check(part, file)
                if checked.problem:
                    raise _WrongCopyError(checked.problem)
        except _WrongCopyError as error:
            trouble = f"{place}: {error}"
        except OSError as error:
            trouble = f"{place}: {error.strerror or error}"
        else:
            logger.info("%s: copied from %s", target.name, place)
            return checked.source("mirror", str(place), file)
        logger.warning("mirror file skipped: %s", trouble)
        troubles.append(trouble)
    return "; ".join(troubles)
