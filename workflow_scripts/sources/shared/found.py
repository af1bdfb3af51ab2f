"""What `sniff` of a source finds in a file: enough to propose a card, and nothing that was not looked at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.sources.shared.bouts import overlap

HEAD = 1 << 16
"""Bytes of a file that are looked at to tell its format."""

Kind: TypeAlias = Literal["tracks", "labels", "images", "videos"]


@dataclass(frozen=True)
class Head:
    """The beginning of a file: its bytes, and as text (empty where it is binary)."""

    raw: bytes
    text: str

    @property
    def hdf5(self) -> bool:
        """Whether it is an HDF5 file."""
        return self.raw.startswith(b"\x89HDF")

    def rows(self, number: int = 60) -> list[list[str]]:
        """Return the first lines as lower-case cells, whatever the delimiter."""
        lines = self.text.splitlines()[:number]
        return [[cell.strip().strip('"').lower() for cell in re.split(r"[,;\t]", line)] for line in lines]


@lru_cache(maxsize=8)
def file_head(path: Path) -> Head:
    """Read the beginning of a file, once for all sources that are asked about it.

    Raises
    ------
    InputError
        When the file may not be read.
    """
    try:
        with open(path, "rb") as handle:
            raw = handle.read(HEAD)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check its permissions") from error
    binary = b"\x00" in raw[:4096]
    return Head(raw, "" if binary else raw.decode("utf-8", errors="replace").lstrip("\ufeff"))


@dataclass
class LabelledMedium:
    """One observation, medium or video of a label file.

    Attributes
    ----------
    name : str
        What selects it in the file: observation id, media file, video; the file's own stem where it holds one.
    media : list of str
        Media files that were watched.
    classes : dict of str to int
        Behaviour → number of bouts.
    subjects : list of str
    by_subject : dict of str to int
        The same by `<subject>_<behaviour>`.
    overlaps : list of str
        Where two behaviours of one subject overlap by a frame or more, in words.
    fps, duration, coded : float or None
        As the file states them; seconds.
    last, last_frame : float, int
        Second (or frame, where the file counts frames) at which the last bout ends.
    n_frames : int or None
        Frames of a table of a row a frame.
    """

    name: str
    media: list[str] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    subjects: list[str] = field(default_factory=list)
    by_subject: dict[str, int] = field(default_factory=dict)
    overlaps: list[str] = field(default_factory=list)
    fps: float | None = None
    duration: float | None = None
    coded: float | None = None
    last: float = 0.0
    last_frame: int = 0
    n_frames: int | None = None


@dataclass
class Found:
    """What a file is.

    Attributes
    ----------
    source : str
        Name of the source that reads it.
    kind : str
    title : str
        The program in words, where the source reads several.
    options : dict
        Options the source needs to read it.
    individuals, keypoints : list of str
    n_frames : int or None
    fps : float or None
        As the file states it.
    image_size : tuple of float or None
    space : int
    recordings : list of str
        Names of the recordings the file holds, where it holds and names several.
    groups : int
        Groups of these recordings, where the file says them and no more of them; 0 where that is not known.
    empty, zero, low : float or None
        Shares of points that are absent, at exactly (0, 0), and of a likelihood below 0.1, where they were counted.
    media : list of LabelledMedium
        What a label file holds.
    tasks : dict
        Tasks as the card writes them, where the file gives them.
    fixed : dict
        Label options that the file gives (`channels: {S1: S1}`), instead of classes to be arranged.
    guessed, unknown : list of str
        Sentences for the user.
    """

    source: str
    kind: Kind
    title: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    individuals: list[str] = field(default_factory=list)
    keypoints: list[str] = field(default_factory=list)
    n_frames: int | None = None
    fps: float | None = None
    image_size: tuple[float, float] | None = None
    space: int = 2
    recordings: list[str] = field(default_factory=list)
    groups: int = 0
    empty: float | None = None
    zero: float | None = None
    low: float | None = None
    reach: tuple[float, float] | None = None
    media: list[LabelledMedium] = field(default_factory=list)
    tasks: dict[str, Any] = field(default_factory=dict)
    fixed: dict[str, Any] | list[dict[str, Any]] | None = None
    guessed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def add_bouts(
        self,
        name: str,
        bouts: Sequence[Bout],
        rate: float,
        *,
        media: Sequence[str] = (),
        fps: float | None = None,
        duration: float | None = None,
        coded: float | None = None,
        n_frames: int | None = None,
    ) -> None:
        """Add an observation by its bouts.

        Parameters
        ----------
        name : str
        bouts : sequence of Bout
        rate : float
            Frames per second that their seconds were turned into frames with; NaN where they count frames.
        media, fps, duration, coded, n_frames
            See :class:`LabelledMedium`.
        """
        made = LabelledMedium(name, list(media), fps=fps, duration=duration, coded=coded, n_frames=n_frames)
        last: dict[str, Bout] = {}
        for bout in sorted(bouts, key=lambda b: b.ends):
            made.classes[bout.name] = made.classes.get(bout.name, 0) + 1
            both = f"{bout.subject}_{bout.name}" if bout.subject else bout.name
            made.by_subject[both] = made.by_subject.get(both, 0) + 1
            if bout.subject not in made.subjects:
                made.subjects.append(bout.subject)
            before = last.get(bout.subject)
            if before is not None and before.name != bout.name and overlap(before, bout) >= 1:
                made.overlaps.append(f"line {before.line} ({before.name}) and line {bout.line} ({bout.name})")
            if before is None or bout.ends[1] > before.ends[1]:
                last[bout.subject] = bout
            if rate == rate:  # NaN where the file counts frames
                made.last = max(made.last, bout.ends[1] / rate)
            else:
                made.last_frame = max(made.last_frame, bout.stop)
        self.media.append(made)
