"""From files to recordings: which tables are one recording, what each is called, which belong to one group."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workflow_scripts.convert.propose.files import Listing, Recognised, natural, recording_name
from workflow_scripts.sources.shared.found import Found, LabelledMedium

VIEW = re.compile(r"(?i)^(?P<session>.+?)[_\- ]?(?P<view>(cam|camera|view|part|chunk|seg|segment|clip)[_\- ]?\d+)$")
CHUNK = re.compile(r"^(?P<session>.+)[_\-](?P<number>0\d+)$")
"""Names of the cameras or chunks of one session: m1_cam2, m1_part3; m1_00, m1_01 (numbers that begin with 0)."""


@dataclass
class Item:
    """One recording: its file, what the file is, its labels, and what goes into its row of the sheet."""

    id: str
    path: Path
    found: Found
    group: str
    labels: list[tuple[Recognised, LabelledMedium]] = field(default_factory=list)
    cells: dict[str, str] = field(default_factory=dict)
    options: dict[str, object] = field(default_factory=dict)
    video: Found | None = None

    @property
    def names(self) -> set[str]:
        """Names that labels may call it by, in lower case."""
        return {self.id.lower(), self.id.rsplit("/", 1)[-1].lower(), recording_name(self.path).lower()}


def items_of(listing: Listing, recognised: Sequence[Recognised], guessed: list[str]) -> list[Item]:
    """Make one item of all tables of one recording.

    Parameters
    ----------
    listing : Listing
        Takes the files that are left out.
    recognised : sequence of Recognised
        Files of one source.
    guessed : list of str
        Takes what was decided.
    """
    by_name: dict[tuple[str, str], list[Recognised]] = {}
    for one in recognised:
        by_name.setdefault((str(one.path.parent), recording_name(one.path)), []).append(one)
    chosen: list[Recognised] = []
    filtered = copies = 0
    for (_, name), tables in by_name.items():
        if len(tables) > 1 and tables[0].found.source == "trex":
            tables[0].found.options["others"] = [one.path.name for one in tables[1:]]
            chosen.append(tables[0])
            continue
        ranked = sorted(tables, key=_rank)
        chosen.append(ranked[0])
        for other in ranked[1:]:
            if other.path.with_suffix("") == ranked[0].path.with_suffix(""):
                copies += 1
                listing.leave(other.path, "a csv of the same name holds the same table")
            elif _filtered(ranked[0].path) != _filtered(other.path):
                filtered += 1
                listing.leave(other.path, "a filtered table of the same video is used instead")
            else:
                listing.leave(other.path, f"another table of the same recording ({name}) is used")
    if filtered:
        guessed.append(f"{filtered} recordings have a filtered and an unfiltered table; the filtered one is used.")
    if copies:
        guessed.append(f"{copies} tables are there twice, as csv and as another file; the csv is used.")
    return _named(listing, chosen, guessed)


def _filtered(path: Path) -> bool:
    return "filtered" in path.stem.lower()


def _rank(one: Recognised) -> tuple[bool, int, str]:
    """Filtered before unfiltered, csv before h5 before others, then by name."""
    suffixes = [".csv", ".h5", ".slp"]
    if one.found.source == "sleap":  # the analysis file needs no optional package
        suffixes = [".h5", ".csv", ".slp"]
    suffix = one.path.suffix.lower()
    return not _filtered(one.path), suffixes.index(suffix) if suffix in suffixes else 9, one.path.name


def _named(listing: Listing, chosen: Sequence[Recognised], guessed: list[str]) -> list[Item]:
    names = [recording_name(one.path) for one in chosen]
    counts = Counter(names)
    items = []
    for one, name in zip(chosen, names, strict=True):
        relative = one.path.relative_to(listing.root)
        group = name
        if counts[name] > 1:
            folder = relative.parent.as_posix()
            unique = f"{folder}/{name}" if folder != "." else name
            # One name throughout (mouse1/tracks.csv, mouse2/tracks.csv) says nothing; the folder is the recording.
            generic = counts[name] > max(2, len(chosen) // 2)
            group = folder if generic and folder != "." else name
            name = unique
        items.append(Item(name if not name.startswith("#") else f"recording {name}", one.path, one.found, group))
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        guessed.append(
            f"{len(repeated)} names are there in several folders (e.g. {repeated[0]}); recordings are called by folder "
            "and name, and tables of one name are one group unless all have it."
        )
    _group_chunks(items, guessed)
    return items


def _group_chunks(items: Sequence[Item], guessed: list[str]) -> None:
    """Give cameras and chunks of one session one group."""
    sessions: dict[str, list[Item]] = {}
    for item in items:
        fit = VIEW.fullmatch(item.group) or CHUNK.fullmatch(item.group)
        if fit:
            sessions.setdefault(fit["session"], []).append(item)
    for session, members in sessions.items():
        if len(members) > 1:
            for item in members:
                item.group = session
    joined = [session for session, members in sessions.items() if len(members) > 1]
    if joined:
        guessed.append(
            f"By their names, recordings are parts of one session and share a group: {', '.join(joined[:5])}"
            f"{' …' if len(joined) > 5 else ''}."
        )


def pair_labels(listing: Listing, items: Sequence[Item], recognised: Sequence[Recognised], guessed: list[str]) -> None:
    """Give each label to the recording it names: by medium, observation and stem, in this order.

    What nobody matches is left out and said; a label never goes to two recordings.
    """
    by_name: dict[str, list[Item]] = {}
    for item in items:
        for name in item.names:
            by_name.setdefault(name, []).append(item)
    ways: Counter[str] = Counter()
    for one in recognised:
        unmatched = []
        for medium in one.found.media:
            match, way = _match(listing, one, medium, by_name, items)
            if match is None:
                unmatched.append(medium.name)
                continue
            before = next((other for other, _ in match.labels if _same_tasks(other, one)), None)
            if before is not None:
                listing.leave(one.path, f"second label files of a recording (two people?): {before.path.name} is used")
                continue
            ways[way] += 1
            match.labels.append((one, medium))
        if unmatched and len(unmatched) == len(one.found.media):
            listing.leave(one.path, "labels of no recording: nothing has the name of their observation, media or file")
        elif unmatched:
            shown = ", ".join(unmatched[:3])
            listing.leave(one.path, f"parts of label files that no recording fits: {shown}")
    if ways:
        shown = ", ".join(f"{count} by {way}" for way, count in ways.most_common())
        guessed.append(f"Labels belong to recordings by name: {shown}.")


def _same_tasks(one: Recognised, other: Recognised) -> bool:
    """Whether two label files would label the same tasks of a recording, which nothing can decide."""
    if one.found.source != other.found.source or one.path == other.path:
        return False
    return one.found.fixed is None or one.found.fixed == other.found.fixed


def _match(
    listing: Listing, one: Recognised, medium: LabelledMedium, by_name: dict[str, list[Item]], items: Sequence[Item]
) -> tuple[Item | None, str]:
    media = [recording_name(Path(name.replace("\\", "/").rsplit("/", 1)[-1])).lower() for name in medium.media]
    own = [recording_name(one.path).lower(), one.path.stem.lower()]
    several = len(one.found.media) > 1
    tried = [("media file", media), ("observation", [medium.name.lower(), recording_name(Path(medium.name)).lower()])]
    if not several:
        tried.append(("file name", own))
    for way, names in tried:
        close = {id(item): item for name in names for item in by_name.get(name, [])}
        near = [item for item in close.values() if item.path.parent == one.path.parent]
        # Of equal names in several folders, the one whose folder is beside the label's, as video/ and ann/ are.
        near = near or [item for item in close.values() if item.path.parent.parent == one.path.parent.parent]
        if len(close) == 1 or len(near) == 1:
            return (near or list(close.values()))[0], way
    words = [*media, *([] if several else own), *([] if several else [listing.name(one.path).lower()])]
    for way, test in (("beginning of the name", _begins), ("part of the path", _contains)):
        close = {id(item): item for name, some in by_name.items() for item in some if any(test(name, w) for w in words)}
        # Of m1 and m12 in m12_notes, the longer name is meant.
        longest = max((len(item.id) for item in close.values()), default=0)
        best = [item for item in close.values() if len(item.id) == longest]
        if len(best) == 1:
            return best[0], way
    if len(items) == 1 and not several:
        return items[0], "being the only recording"
    return None, ""


def _begins(name: str, word: str) -> bool:
    return len(name) > 1 and (
        bool(re.match(re.escape(name) + r"(?![A-Za-z0-9])", word))
        or bool(re.match(re.escape(word) + r"(?![A-Za-z0-9])", name))
    )


def _contains(name: str, word: str) -> bool:
    return len(name) > 1 and bool(re.search(r"(?<![A-Za-z0-9])" + re.escape(name) + r"(?![A-Za-z0-9])", word))


def pair_videos(items: Sequence[Item], videos: Sequence[Recognised], guessed: list[str]) -> list[Recognised]:
    """Give each recording the video of its name, for frame rate and size; return those that belong to none."""
    by_name: dict[str, list[Recognised]] = {}
    for one in videos:
        by_name.setdefault(recording_name(one.path).lower(), []).append(one)
    used = set()
    for item in items:
        close = [one for name in item.names for one in by_name.get(name, [])]
        near = [one for one in close if one.path.parent == item.path.parent] or close
        if near and len({id(one) for one in near}) == 1:
            item.video = near[0].found
            used.add(id(near[0]))
    for item in items:
        beside = [one for one in videos if one.path.parent == item.path.parent and id(one) not in used]
        alone = sum(other.path.parent == item.path.parent for other in items) == 1
        if item.video is None and alone and len(beside) == 1:
            item.video = beside[0].found
            used.add(id(beside[0]))
            guessed.append(f"{beside[0].path.name} is the video of {item.id}: both are alone in their folder.")
    return [one for one in videos if id(one) not in used]


def natural_ids(items: Sequence[Item]) -> list[Item]:
    """Return the recordings in the order people count in."""
    return sorted(items, key=lambda item: natural(item.id))
