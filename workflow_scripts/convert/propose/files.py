"""Find the files of a folder and ask every source what they are."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.sources import DATA_SOURCES, LABEL_SOURCES, sniff
from workflow_scripts.sources.shared.found import Found, file_head

FIRST = ("daart_csv", "boris", "caltech_annotator", "bento", "deeplabcut", "sleap", "movement")
"""Asked before the others, because a file of theirs could pass for another's."""
LAST = (
    "simba",
    "deepethogram",
    "binary_table",
    "class_table",
    "csv_events",
    "bouts_csv",
    "long_table",
    "wide_csv",
    "bams_dict",
)
"""Asked after the others: they take any table whose columns fit."""
SPREADSHEETS = {".xlsx", ".xls", ".ods"}
NOT_DATA = {".yaml", ".yml", ".md", ".pickle", ".pkl", ".py", ".ipynb", ".png", ".jpg", ".pdf", ".svg", ".log", ".tsv~"}
"""Suffixes that no source reads, named together where they are left out."""


@dataclass
class Recognised:
    """A file and what it is."""

    path: Path
    found: Found


@dataclass
class Listing:
    """All files of the given places.

    Attributes
    ----------
    root : Path
        The folder that the paths of the sheet are below.
    recognised : list of Recognised
    left_out : dict of str to list of str
        Why → files.
    """

    root: Path
    recognised: list[Recognised] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def name(self, path: Path) -> str:
        """Return a path as the sheet writes it."""
        return path.relative_to(self.root).as_posix()

    def leave(self, path: Path, why: str) -> None:
        """Say that a file is not used."""
        self.left_out.setdefault(why, []).append(self.name(path))


def modules() -> list[ModuleType]:
    """Return every source that can tell its files, in the order they are asked."""
    names = dict.fromkeys([*DATA_SOURCES.values(), *LABEL_SOURCES.values()])
    order = [*(n for n in FIRST if n in names), *(n for n in names if n not in (*FIRST, *LAST)), *LAST]
    found = [importlib.import_module(f"workflow_scripts.sources.{name}") for name in order if name in names]
    return [module for module in found if hasattr(module, "sniff")]


def visible_files(place: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Yield the files below a place, links to folders followed once, hidden ones left out."""
    if place.is_file():
        yield place
        return
    for folder, below, names in os.walk(place, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:  # a link back up, or to a folder that was read already
            below.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        below[:] = sorted(name for name in below if not name.startswith((".", "__")))
        for name in names:
            path = Path(folder) / name
            if not name.startswith((".", "~$")) and path.is_file():
                yield path


def natural(text: str) -> list[tuple[int, str]]:
    """Sort key in which 8 comes before 12."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def list_files(places: Sequence[Path], sources: Sequence[str] = ()) -> Listing:
    """List the files of some folders (or files) with what they are.

    Parameters
    ----------
    places : sequence of Path
    sources : sequence of str
        Ask these alone; empty = all.
    """
    # The card names the folder: ../RECORDINGS from a workspace would be LAB/.. there, and "Recordings in .." its title.
    places = [place.resolve() if ".." in place.parts else place.absolute() for place in places]
    folders = [str(place if place.is_dir() else place.parent) for place in places]
    listing = Listing(Path(os.path.commonpath(folders)))
    asked = [module for module in modules() if not sources or module.__name__.rsplit(".", 1)[1] in sources]
    seen: set[tuple[int, int]] = set()
    files = {path: None for place in places for path in visible_files(place, seen)}
    for path in sorted(files, key=lambda p: natural(str(p))):
        _tell(path, asked, listing)
    return listing


def _tell(path: Path, asked: Sequence[ModuleType], listing: Listing) -> None:
    name = listing.name(path)
    if name != name.strip() or any(sign in name for sign in "*|\n\r\t"):
        listing.leave(path, "their names hold a sign that a sheet cannot (*, |, tab, line end, outer space)")
        return
    if path.stat().st_size == 0:
        listing.leave(path, "they are empty")
        return
    trouble = ""
    for module in asked:
        try:
            found = sniff(module, path)
        except EthoMakeError as error:
            trouble = trouble or str(error).removeprefix(f"{path}: ").rstrip(".")
            continue
        if found is not None:
            listing.recognised.append(Recognised(path, found))
            return
    if trouble:
        listing.leave(path, trouble)
    elif path.suffix.lower() in NOT_DATA:
        listing.leave(path, "they are notes, configuration or pictures")
    elif path.suffix.lower() in SPREADSHEETS:
        listing.leave(path, "they are spreadsheets; save each as csv")
    elif _conditions(path):
        listing.leave(path, "they look like tables of conditions; name one as --conditions")
    else:
        listing.leave(path, "no source knows their format")


def _conditions(path: Path) -> bool:
    """Say whether a small table has a row a recording or animal, and other columns."""
    if path.suffix.lower() not in {".csv", ".tsv", ".txt"}:
        return False
    rows = file_head(path).rows(2)
    header = [cell.lower() for cell in rows[0]] if rows else []
    return len(header) > 1 and any(name in header for name in ("recording", "animal", "video", "group", "subject"))


TAIL = re.compile(
    r"(?i)[_.\- ]*(annotations?|annot|labels?|events?|boris|tracks?|tracking|tracked|pose|poses|points|keypoints|"
    r"coords|reencode|reencoded|manual|scored|filtered|predictions?|behaviou?rs?|aggregated|binary|video|el|sk|bx|facemap|raw)$"
)
VIDEO = re.compile(r"(?i)\.(mp4|avi|mov|mkv|m4v|mpg|mpeg|wmv|webm)(?=$|[._\-])")


def recording_name(path: Path) -> str:
    """Return the file's name without what trackers and annotators append to it."""
    stem = path.name
    for suffix in path.suffixes[::-1]:
        if re.fullmatch(r"\.[A-Za-z][A-Za-z0-9]{0,6}", suffix) and stem.endswith(suffix) and len(suffix) < len(stem):
            stem = stem[: -len(suffix)]
    stem = re.sub(r"(?i)^labels\.v\d+\.\d+[_.]", "", stem)  # SLEAP's project, of which an analysis file is exported
    stem = re.sub(r"(?i)_pose_est_v\d+$|_FacemapPose$|_(fish|fly|id)\d+$", "", stem)
    stem = re.split(r"(?i)(?<=.)DLC[_-]|\.analysis|\.predictions", stem)[0]
    stem = VIDEO.sub("", stem)
    while (shorter := TAIL.sub("", stem)) and shorter != stem:
        stem = shorter
    return stem.strip("_.- ") or path.stem
