"""From what people coded to tasks of the card and options of their label files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from workflow_scripts.convert.propose.files import Listing, Recognised
from workflow_scripts.convert.propose.recordings import Item
from workflow_scripts.formats.clips import TASK as ACTION
from workflow_scripts.sources.shared.found import LabelledMedium

NOTHING = (
    "other",
    "none",
    "nothing",
    "background",
    "no_behavior",
    "no behavior",
    "nobehavior",
    "idle",
    "base",
    "baseline",
)
"""Class names that mostly stand for nothing of interest. Only proposed: the card's `background` decides."""


@dataclass
class Tasks:
    """Tasks, and the templates that read each kind of label file."""

    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    templates: list[dict[str, Any]] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def arrange(listing: Listing, items: Sequence[Item], kind: str) -> Tasks:
    """Arrange the classes of all paired label files.

    Parameters
    ----------
    listing : Listing
    items : sequence of Item
        With their labels.
    kind : str
        Of the card: of videos, every bout is a class of the task `action`.
    """
    made = Tasks()
    by_source: dict[str, list[tuple[Recognised, LabelledMedium]]] = {}
    for item in items:
        for one, medium in item.labels:
            by_source.setdefault(one.found.source, []).append((one, medium))
    for source, pairs in by_source.items():
        fixed = [one for one, _ in pairs if one.found.fixed is not None]
        if fixed:
            _fixed(listing, source, pairs, made)
        else:
            _classes(listing, source, pairs, made, kind, many=len(by_source) > 1)
    if len(by_source) > 1:
        _match_files(listing, by_source, made)
    _background(made)
    return made


def _background(made: Tasks) -> None:
    backgrounds = []
    for name, task in made.tasks.items():
        vocabulary = task.get("vocabulary", [])
        clear = [word for word in vocabulary if word.lower() in NOTHING or word.lower().startswith("no ")]
        if len(clear) == 1 and "background" not in task and task.get("kind", "multiclass") == "multiclass":
            task["background"] = clear[0]
        if task.get("background") in clear:
            backgrounds.append(f"{name}: {task['background']}")
    lacking = [
        name
        for name, task in made.tasks.items()
        if "background" not in task
        and len(task.get("vocabulary", [])) > 1
        and task.get("kind", "multiclass") != "points"
    ]
    if lacking:
        made.unknown.append(
            f"Which class means nothing of interest: add background to {', '.join(lacking)}, where one does."
        )
    if backgrounds:
        made.guessed.append(f"The class that means nothing of interest, by its name ({'; '.join(backgrounds)}).")


def _pattern(names: Sequence[str], others: Sequence[str]) -> str:
    """Return a short pattern that all names fit and no other does."""
    folders = {name.rpartition("/")[0] for name in names}
    suffixes = {name[name.rfind(".") :] if "." in name else "" for name in names}
    tried = []
    if len(suffixes) == 1:
        tried.append(f"*{next(iter(suffixes))}")
        if len(folders) == 1 and next(iter(folders)):
            tried.append(f"{next(iter(folders))}/*{next(iter(suffixes))}")
    if len(folders) == 1 and next(iter(folders)):
        tried.append(f"{next(iter(folders))}/*")
    from fnmatch import fnmatchcase

    for pattern in tried:
        plain = not re.search(r"[\[\]?]", pattern)
        if plain and not any(fnmatchcase(other, pattern) for other in others):
            return pattern
    return ""


def _match_files(listing: Listing, by_source: dict[str, list[tuple[Recognised, LabelledMedium]]], made: Tasks) -> None:
    """Say in each template which files it reads, by pattern where one tells them apart, else one by one."""
    files = {source: list(dict.fromkeys(listing.name(t.path) for t, _ in pairs)) for source, pairs in by_source.items()}
    templates = []
    for template in made.templates:
        if template["match"] != "*":
            templates.append(template)
            continue
        mine = files[template["source"]]
        others = [name for source, names in files.items() if source != template["source"] for name in names]
        pattern = _pattern(mine, others)
        patterns = [pattern] if pattern else [re.sub(r"([\[?])", r"[\1]", name) for name in mine]
        templates += [template | {"match": one} for one in patterns]
    made.templates = templates


def _fixed(listing: Listing, source: str, pairs: list[tuple[Recognised, LabelledMedium]], made: Tasks) -> None:
    """Arrange files that say themselves what their tasks are."""
    options: dict[str, Any] = {}
    per_file: dict[str, list[dict[str, Any]]] = {}
    lacking = 0
    channels: dict[str, str] = {}
    for one, _ in pairs:
        for name, task in one.found.tasks.items():
            there = made.tasks.setdefault(name, {**task, "vocabulary": []})
            there["vocabulary"] += [word for word in task.get("vocabulary", []) if word not in there["vocabulary"]]
        fixed = one.found.fixed
        if isinstance(fixed, list):
            per_file.setdefault(listing.name(one.path), fixed)
        elif isinstance(fixed, dict) and "channels" in fixed:
            channels |= fixed["channels"]
        elif isinstance(fixed, dict):
            per_file.setdefault(listing.name(one.path), [fixed])
    if channels:
        lacking = sum(
            set(t.found.fixed["channels"]) != set(channels) for t, _ in pairs if isinstance(t.found.fixed, dict)
        )
        options = {"channels": channels}
        if lacking:
            options["missing_channels"] = "unlabelled"
            made.guessed.append(f"{lacking} of {len(pairs)} files lack a channel; it is unlabelled there.")
        made.templates.append({"source": source, "match": "*", "options": options})
        made.guessed.append(f"Each channel is a task of exclusive classes: {', '.join(channels)}.")
    alike: dict[str, list[str]] = {}
    for name, entries in per_file.items():
        for entry in entries:
            alike.setdefault(repr(sorted(entry.items())), []).append(name)
    for text, names in alike.items():
        entry = next(e for entries in per_file.values() for e in entries if repr(sorted(e.items())) == text)
        others = [name for name in per_file if name not in names]
        pattern = "*" if not others else _pattern(names, others)
        patterns = [pattern] if pattern else [re.sub(r"([\[?])", r"[\1]", name) for name in names]
        made.templates += [{"source": source, "match": one, "options": entry} for one in patterns]
    if alike:
        shown = ", ".join(made.tasks)
        made.guessed.append(f"{source}: the tasks are {shown}.")


def _slug(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_") or "behaviour"


def _classes(
    listing: Listing, source: str, pairs: list[tuple[Recognised, LabelledMedium]], made: Tasks, kind: str, *, many: bool
) -> None:
    """Arrange bouts: exclusive behaviours are the classes of one task, others a yes-or-no task each."""
    options: dict[str, Any] = {}
    for one, _ in pairs:
        for key, value in one.found.options.items():
            options[key] = sorted({*options.get(key, []), *value}) if isinstance(value, list) else value
    subjects = {subject for _, medium in pairs for subject in medium.subjects}
    apart = any(len(medium.subjects) > 1 for _, medium in pairs) and kind == "tracks"
    if len(subjects) > 1:
        options["by_subject"] = apart
    classes: dict[str, int] = {}
    for _, medium in pairs:
        for name, count in (medium.by_subject if apart else medium.classes).items():
            classes[name] = classes.get(name, 0) + count
    if apart:
        made.guessed.append(
            f"{source} has the subjects {', '.join(sorted(map(str, subjects)))}, so a behaviour is called "
            f"<subject>_<behaviour> ({next(iter(classes), '')}); by_subject: false pools them."
        )
    elif len(subjects) > 1:
        made.guessed.append(
            f"{source} names {len(subjects)} subjects, one a recording; their behaviours are one class."
        )
    rename = _alike(classes, made, source)
    if rename:
        options["rename"] = rename
    names = list(dict.fromkeys(rename.get(name, name) for name in classes))
    overlaps = [f"{one.path.name}: {line}" for one, medium in pairs for line in medium.overlaps]
    if not names:
        made.unknown.append(f"{source}: the label files hold no behaviour.")
        return
    if kind == "clips":
        _action(source, names, overlaps, options, made)
    elif overlaps or len(names) == 1 or apart:
        tasks = {name: _slug(name) for name in names}
        for name, slug in tasks.items():
            nothing = "other" if name != "other" else "none"
            made.tasks[slug] = {"kind": "binary", "vocabulary": [nothing, name], "background": nothing}
        options["binary"] = tasks
        why = ""
        if overlaps:
            why = f" because {len(overlaps)} bouts overlap, e.g. in {overlaps[0]}"
        made.guessed.append(
            f"Each {source} behaviour is a yes-or-no task of its own: {', '.join(tasks.values())}{why}."
        )
    else:
        background = next((name for name in names if name.lower() in NOTHING), "other")
        task = f"behaviour_{source}" if many else "behaviour"
        vocabulary = [background, *(name for name in names if name != background)]
        made.tasks[task] = {"vocabulary": vocabulary, "background": background}
        options["multiclass"] = task
        shown = ", ".join(name for name in names if name != background)
        made.guessed.append(
            f"No two {source} behaviours overlap, so they are the classes of one task: {shown}; frames in no bout are "
            f"{background!r}."
        )
    made.templates.append({"source": source, "match": "*", "options": options})


def _action(source: str, names: list[str], overlaps: list[str], options: dict[str, Any], made: Tasks) -> None:
    idle = next((name for name in names if name.lower() in NOTHING), "idle")
    made.tasks[ACTION] = {"vocabulary": [idle, *(name for name in names if name != idle)], "background": idle}
    options["multiclass"] = ACTION
    if overlaps:
        options["overlaps"] = "shorter"
    made.guessed.append(
        f"The {source} behaviours are the classes of the task {ACTION}; frames in no bout are {idle!r}."
    )
    if overlaps:
        made.guessed.append(
            f"{len(overlaps)} bouts overlap, and videos have one class a frame: {overlaps[0]}. The shorter bout has "
            "the frames of both, and each makes a clip of its own (overlaps: shorter)."
        )


def _alike(classes: dict[str, int], made: Tasks, source: str) -> dict[str, str]:
    """Return renames of names that differ in case or outer signs alone, to the most frequent of them."""
    groups: dict[str, list[str]] = {}
    for name in classes:
        groups.setdefault(re.sub(r"[\W_]+", "", name).lower(), []).append(name)
    rename: dict[str, str] = {}
    for names in groups.values():
        if len(names) > 1:
            best = max(names, key=lambda name: classes[name])
            rename |= {name: best for name in names if name != best}
            made.guessed.append(
                f"{source}: {', '.join(sorted(names))} differ in writing only and are one class, {best!r}."
            )
    return rename
