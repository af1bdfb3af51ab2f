"""Open a card's files one by one, and gather what is wrong and what a picture needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflow_scripts import sources
from workflow_scripts.cards.card import UNPACKED, Card, Shard
from workflow_scripts.convert.check.digests import Brief, brief_of
from workflow_scripts.convert.check.media import image_brief, video_brief
from workflow_scripts.convert.clips import label_video
from workflow_scripts.convert.naming import label_options
from workflow_scripts.convert.splits import card_groups, divide
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.core.validation import deep_merge, nearest
from workflow_scripts.detectors import check_options as check_detector
from workflow_scripts.fetch.mirrors import candidates

SHORT = 64
"""A recording of fewer frames is named: most models see more at a time."""


@dataclass
class Checked:
    """What a check found.

    Attributes
    ----------
    problems : list of str
        What must be corrected; the dataset is valid where there is none.
    notes : list of str
        What is worth knowing.
    briefs : list of Brief
        One a recording that could be read.
    absent : list of str
        Files that are not on this machine.
    empty : list of str
        Recordings without one point, which are left out.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    briefs: list[Brief] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)

    def leave_out(self, recording: str, error: InputError) -> None:
        """Note a recording without one point."""
        self.empty.append(recording)
        self.notes.append(f"{error} It is left out.")


def check_dataset(card: Card, root: Path, mirrors: Sequence[Path] = ()) -> Checked:
    """Check a card against its files.

    Parameters
    ----------
    card : Card
    root : Path
        Folder that holds `resources/`.
    mirrors : sequence of Path
        Local folders that may hold the files of a public dataset.

    Returns
    -------
    Checked
    """
    found = Checked()
    _options(card, found)
    places = _places(card, root, mirrors, found)
    if not found.problems:
        for shard in card.shards:
            missing = [path for path in shard.paths() if path not in places]
            if not missing:
                _shard(card, shard, places, found)
    if card.simulate is None and found.absent and not found.problems:
        shown = ", ".join(found.absent[:3]) + (" …" if len(found.absent) > 3 else "")
        if card.local:
            found.problems.append(f"{len(found.absent)} files are not below {card.local}: {shown}; check local.")
        else:
            found.notes.append(f"{len(found.absent)} files are not downloaded, so they were not opened: {shown}.")
    if found.empty and not found.briefs and not found.problems:
        found.problems.append("Not one recording has a point; correct the files of the dataset, or its gaps.")
    if card.kind == "tracks" and len(found.briefs) > 1:
        _alike(found)
    if not found.absent or found.briefs:
        _labels(card, found)
        _splits(card, found)
    return found


def _options(card: Card, found: Checked) -> None:
    """Refuse unknown sources, options and tasks before a file is opened."""
    seen: set[str] = set()
    for shard in card.shards:
        checks: list[tuple[str, str, dict[str, Any], bool]] = [
            ("", card.source, deep_merge(card.options, shard.options), False)
        ]
        checks += [(one.file, one.source, label_options(one), True) for one in shard.labels]
        for file, source, options, labels in checks:
            key = repr((source, sorted(options.items(), key=str), labels))
            if key in seen:
                continue
            seen.add(key)
            try:
                sources.check_options(source, options, labels=labels)
                _tasks(card, options)
                if source == "videos" and not labels:
                    detector = options.get("detector", {})
                    check_detector(detector.get("name", "background"), detector.get("options", {}))
            except EthoMakeError as error:
                found.problems.append(f"{shard.id}{f' ({file})' if file else ''}: {error}")
    known = set(card.keypoints)
    for name in card.rename.keypoints.values():
        if known and name not in known:
            found.problems.append(f"rename gives a keypoint {name!r}, which the card does not list.")
    _same_file(card, found)


def _same_file(card: Card, found: Checked) -> None:
    """Refuse two recordings of one file in different groups; regions of one picture show different animals."""
    groups: dict[str, tuple[str, str]] = {}
    for shard in card.shards:
        if card.kind == "clips" and "region" in shard.options:
            continue
        first, group = groups.setdefault(shard.file, (shard.id, shard.group or ""))
        if group != (shard.group or ""):
            found.problems.append(
                f"The recordings {first!r} and {shard.id!r} are of one file, {shard.file}, and of two groups."
            )


def _tasks(card: Card, options: dict[str, Any]) -> None:
    """Refuse a task that the card does not have."""
    named: list[str] = []
    for key in ("multiclass", "task"):
        if isinstance(options.get(key), str):
            named.append(options[key])
    for key in ("binary", "channels"):
        if isinstance(options.get(key), dict):
            named += [str(value) for value in options[key].values()]
    for name in named:
        if name not in card.tasks:
            raise ConfigError(
                f"the task {name!r} is not in the card{nearest(name, list(card.tasks)).removesuffix('?')}."
            )


def _places(card: Card, root: Path, mirrors: Sequence[Path], found: Checked) -> dict[str, Path]:
    """Find every file of the card on this machine."""
    local = Path(card.local) if card.local else None
    if local is not None and not local.is_dir():
        found.problems.append(f"The folder {card.local} does not exist; correct local in the card.")
        return {}
    places: dict[str, Path] = {}
    for path in card.resource_paths():
        archive = path.split(UNPACKED)[0]
        resource = root / "resources" / card.name / path
        tried = [resource]
        if archive == path:
            tried += list(
                candidates(card.file(path), [m for m in mirrors if m.is_dir()], card.mirror or card.name, local)
            )
        there = next((place for place in tried if place.is_file()), None)
        if there is None:
            found.absent.append(path)
        else:
            places[path] = there
    return places


def _shard(card: Card, shard: Shard, places: dict[str, Path], found: Checked) -> None:
    try:
        folder = _folder(shard, places)
        if card.kind == "tracks":
            for recording in convert_shard(card.only_shard(shard), shard, folder, on_empty=found.leave_out):
                found.briefs.append(brief_of(recording))
                found.notes += [f"{recording.id}: {line}" for line in recording.warnings]
                if recording.n_frames < SHORT:
                    found.notes.append(
                        f"{recording.id} has only {recording.n_frames} frames; methods may leave it out."
                    )
        elif card.kind == "images":
            found.briefs.append(image_brief(card, shard, folder))
        else:
            brief = video_brief(card, shard, folder)
            labels, warnings = label_video(card, shard, folder, brief.times, brief.fps)
            brief.add_labels(labels)
            found.briefs.append(brief)
            found.notes += [f"{shard.id}: {line}" for line in [*brief.warnings, *warnings]]
    except EthoMakeError as error:
        found.problems.append(str(error))


def _folder(shard: Shard, places: dict[str, Path]) -> Path:
    """Return the folder below which all files of a shard are under the card's own paths."""
    folders = set()
    for path in shard.paths():
        place = places[path]
        parts = Path(path).parts
        folders.add(place.parents[len(parts) - 1])
    if len(folders) > 1:
        shown = " and ".join(sorted(map(str, folders)))
        raise ConfigError(f"The files of {shard.id!r} are in different places, {shown}; keep them below one folder.")
    return folders.pop()


def _alike(found: Checked) -> None:
    """Say where recordings differ in what a model must not see differ."""
    for what in ("individuals", "keypoints", "fps", "space"):
        values = Counter(getattr(brief, what) for brief in found.briefs)
        if len(values) > 1:
            usual = values.most_common(1)[0][0]
            odd = next(brief for brief in found.briefs if getattr(brief, what) != usual)
            found.problems.append(
                f"{odd.id} has {what} {_shown(getattr(odd, what))}, other recordings {_shown(usual)}; "
                + (
                    "write resample in the card."
                    if what == "fps"
                    else "list them in the card, with rename where needed."
                )
            )


def _shown(value: object) -> str:
    return (
        ", ".join(map(str, value))
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _labels(card: Card, found: Checked) -> None:
    """Say which tasks and classes nobody labelled."""
    if not found.briefs:
        return
    for task, definition in card.tasks.items():
        if definition.kind == "points":
            continue
        made = [brief.counts[task] for brief in found.briefs if task in brief.counts]
        if not made:
            found.problems.append(f"The task {task!r} is labelled in no recording; remove it, or pair its label files.")
            continue
        total: Counter[str] = Counter()
        for counts in made:
            total.update(counts)
        lacking = [name for name in definition.vocabulary if not total[name]]
        if lacking:
            found.notes.append(f"No frame is labelled {', '.join(map(repr, lacking))} ({task}).")
        single = [
            name
            for name in definition.vocabulary
            if total[name] and sum(bool(counts.get(name)) for counts in made) == 1 and len(made) > 1
        ]
        if single:
            found.notes.append(f"{task}: {', '.join(map(repr, single))} occurs in one recording only.")
    silent = [brief.id for brief in found.briefs if card.tasks and not brief.labelled and card.kind != "images"]
    if silent:
        shown = ", ".join(silent[:5]) + (" …" if len(silent) > 5 else "")
        found.notes.append(f"{len(silent)} recordings have no label and are never held out by folds: {shown}.")


def _splits(card: Card, found: Checked) -> None:
    """Make every split of the recordings that could be read."""
    if card.kind == "images" or not found.briefs:
        return
    groups = {brief.id: brief.group for brief in sorted(found.briefs, key=lambda b: b.id)}
    labelled = {brief.id for brief in found.briefs if brief.labelled or not card.tasks} or set(groups)
    unread = card_groups(card, {shard.id for shard in card.shards}) - set(groups.values())
    reported: set[str] = set()
    for family in card.splits:
        for name in card.split_names(family):
            try:
                sides = divide(
                    card, name, groups, labelled, unread if found.problems or found.absent or found.empty else set()
                )
            except EthoMakeError as error:
                text = str(error).replace(f"{name!r}", f"{family!r}")
                if text not in reported:
                    reported.add(text)
                    found.problems.append(str(error))
                continue
            seen = {name for brief in found.briefs if brief.id in sides["train"] for name in brief.classes}
            held = {name for brief in found.briefs if brief.id in sides["test"] for name in brief.classes}
            unseen = sorted(held - seen)
            if unseen:
                found.notes.append(f"{name}: {', '.join(unseen)} is held out and in no training recording.")
            for side in ("train", "test"):
                _unlabelled(card, found, name, side, sides[side])


def _unlabelled(card: Card, found: Checked, split: str, side: str, recordings: list[str]) -> None:
    """Say which tasks nobody labelled on a side of a split: these cannot be scored on it."""
    counted = {brief.id: set(brief.counts) for brief in found.briefs}
    for task, definition in card.tasks.items():
        everywhere = any(task in tasks for tasks in counted.values())
        if definition.kind in ("continuous", "points") or not everywhere or not recordings:
            continue
        if not any(task in counted.get(name, ()) for name in recordings):
            shown = ", ".join(recordings[:5]) + (" …" if len(recordings) > 5 else "")
            # Before the notes on single recordings, which may be many.
            found.notes.insert(
                0,
                f"{split}: no {side} recording ({shown}) has a label of {task}, so runs on it stop; name other groups "
                f"under splits, or leave {task} out of the experiment's tasks.",
            )
