"""The proposal: card and sheet as plain values, with what was found, guessed, left out and left to the user."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflow_scripts.cards.card import Card
from workflow_scripts.cards.parts import Blocks
from workflow_scripts.cards.sheet import SUFFIX
from workflow_scripts.convert.propose.files import Listing, Recognised, list_files
from workflow_scripts.convert.propose.folds import FOLDS, deal_groups
from workflow_scripts.convert.propose.rates import lengths, rates_and_sizes
from workflow_scripts.convert.propose.recordings import Item, items_of, natural_ids, pair_labels, pair_videos
from workflow_scripts.convert.propose.tasks import Tasks, arrange
from workflow_scripts.convert.propose.wishes import Wishes, add_conditions, fill_panels, fit_pattern
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.validation import validate
from workflow_scripts.sources import check_options, nan_alone

__all__ = ["Proposal", "Wishes", "propose"]

KIND_WORDS = {
    "tracks": ("recording of tracks", "recordings of tracks"),
    "clips": ("video", "videos"),
    "images": ("file of labelled images", "files of labelled images"),
}
"""Of one and of several, by kind of data."""
SHORTEST_BLOCK = 250
"""Frames of the shortest block of time that is proposed."""
BLOCKS_A_FOLD = 3
NAMED_INSIDE = ("calms21", "mabe22", "lisbet_archive", "bams_dict", "long_table")
"""Sources whose files hold and name several recordings, and say their groups."""
EXPECTED = (
    "tables of DeepLabCut, SLEAP, Lightning Pose, Anipose, JABS, NWB, CalMS21, MABe, Facemap, TRex or plain csv; "
    "videos; or labelled images"
)


@dataclass
class Proposal:
    """A proposed card.

    Attributes
    ----------
    card : dict
        Plain values, as the YAML will have them.
    rows : list of dict
        Rows of the sheet; empty where the card lists its shards itself.
    found, guessed, left_out, unknown : list of str
        Sentences for the user.
    """

    card: dict[str, Any]
    rows: list[dict[str, str]] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def propose(places: Sequence[Path], wishes: Wishes | None = None) -> Proposal:
    """Propose a card for the files of some folders.

    Parameters
    ----------
    places : sequence of Path
        Folders, searched with their subfolders, or files.
    wishes : Wishes, optional

    Raises
    ------
    InputError
        When a place does not exist, or nothing in them is tracks, videos or labelled images.
    """
    wishes = wishes or Wishes()
    for place in places:
        if not place.exists():
            raise InputError(place, "does not exist", "name the folders (or files) of your recordings and labels")
    listing = list_files(places)
    made = Proposal({})
    kind, source, chosen = _main(listing, places[0], wishes, made)
    items = natural_ids(items_of(listing, chosen, made.guessed))
    items = fit_pattern(items, wishes.pattern, listing, made.guessed)
    _odd_ones(listing, items, made)
    labels = [one for one in listing.recognised if one.found.kind == "labels"]
    pair_labels(listing, items, labels, made.guessed)
    videos = [one for one in listing.recognised if one.found.kind == "videos"]
    for one in pair_videos(items, videos, made.guessed) if kind == "tracks" else []:
        listing.leave(one.path, "videos of no recording")
    if kind == "clips":
        items = fill_panels(items, wishes.panels, made.guessed)
        if wishes.panels > 1 and "cut_held" not in wishes.options:
            made.unknown.append(
                "Whether short panels hold their last picture until the longest ends: --option cut_held=true cuts it."
            )
    tasks = arrange(listing, items, kind)
    _inner_tasks(items, kind, tasks)
    facts = rates_and_sizes(items, kind, wishes.fps, made.guessed, made.unknown)
    lengths(items, kind, facts, made.guessed, made.unknown)
    if wishes.conditions is not None:
        add_conditions(items, wishes.conditions, made.guessed, made.unknown)
    name = _name(wishes.name or (places[0].absolute().name if places[0].is_dir() else places[0].stem))
    made.card = {
        "name": name,
        "title": f"Recordings in {listing.root.name}",
        "kind": kind,
        "description": "Proposed by ethomake new-dataset; describe here who was filmed, how, and why.",
        "licence": "not stated",
        "citation": ["Unpublished; name here who recorded the data."],
        "local": str(listing.root),
        **_names(items, kind, made),
        "source": source,
        "options": _options(items, wishes, made),
        **({"gaps": _gaps(items, source, made)} if kind == "tracks" else {}),
        **facts,
        "tasks": tasks.tasks,
        "labels": tasks.templates,
        **_splits(items, kind, source, made),
        **_recordings(listing, items, source, made, name),
    }
    made.card = {key: value for key, value in made.card.items() if value not in ({}, [], None)}
    if kind == "tracks":
        made.card.pop("kind")
    made.found += _found(listing, items, kind, source)
    made.guessed += tasks.guessed
    made.unknown += tasks.unknown
    for item in items:
        made.guessed += [line for line in item.found.guessed[:2] if line not in made.guessed][
            : 2 if len(items) < 6 else 0
        ]
        made.unknown += [line for line in item.found.unknown if line not in made.unknown]
    for one, _ in [pair for item in items for pair in item.labels]:
        made.guessed += [line for line in one.found.guessed if line not in made.guessed and len(made.guessed) < 40]
        made.unknown += [line for line in one.found.unknown if line not in made.unknown and len(made.unknown) < 30]
    made.left_out += [
        f"{why}: {', '.join(names[:4])}{f' … ({len(names)} files)' if len(names) > 4 else ''}"
        for why, names in listing.left_out.items()
    ]
    made.unknown.append("Licence, terms and citation: fill them in before you share anything.")
    _validate(made)
    return made


def _validate(made: Proposal) -> None:
    from workflow_scripts.cards.sheet import expand

    values = dict(made.card)
    if made.rows:
        values["recordings"] = [{key: cell for key, cell in row.items() if cell} for row in made.rows]
    try:
        validate(Card, expand(values, Path("the proposed card")), where="the proposed card")
    except ConfigError as error:
        made.unknown.insert(0, f"The card is not valid yet: {str(error).removeprefix('the proposed card: ')}")


def _main(listing: Listing, place: Path, wishes: Wishes, made: Proposal) -> tuple[str, str, list[Recognised]]:
    """Choose the kind of the card and its source: tracks before videos before images."""
    kinds = {"tracks": "tracks", "videos": "clips", "images": "images"}
    for kind, of_card in kinds.items():
        recognised = [one for one in listing.recognised if one.found.kind == kind]
        if kind == "videos":
            for one in [one for one in recognised if one.found.n_frames is None]:
                listing.leave(one.path, "; ".join(one.found.unknown) or "cannot be read")
            recognised = [one for one in recognised if one.found.n_frames is not None]
        if wishes.source is not None:
            recognised = [one for one in recognised if one.found.source == wishes.source]
        if not recognised:
            continue
        counts = Counter(one.found.source for one in recognised)
        source = counts.most_common(1)[0][0]
        for one in recognised:
            if one.found.source != source:
                listing.leave(
                    one.path, f"a card has one source, and most files are {source} (--source chooses another)"
                )
        images = [one for one in listing.recognised if one.found.kind == "images" and kind != "images"]
        for one in images:
            listing.leave(one.path, "labelled images, which need a card of their own (--source)")
        return of_card, source, [one for one in recognised if one.found.source == source]
    reasons = [f"{', '.join(names[:3])}: {why}" for why, names in list(listing.left_out.items())[:3]]
    more = f" ({'; '.join(reasons)})" if reasons else ""
    raise InputError(
        place, f"holds no tracks, videos or labelled images that EthoMake knows{more}", f"expected {EXPECTED}"
    )


def _odd_ones(listing: Listing, items: list[Item], made: Proposal) -> None:
    """Leave recordings of another skeleton out: one odd file must not stop the others."""
    if items and items[0].found.kind != "tracks":
        return
    skeletons = Counter((tuple(sorted(item.found.keypoints)), item.found.space) for item in items)
    if len(skeletons) < 2:
        return
    usual = skeletons.most_common(1)[0][0]
    for item in [i for i in items if (tuple(sorted(i.found.keypoints)), i.found.space) != usual]:
        points = ", ".join(item.found.keypoints[:6])
        listing.leave(item.path, f"has other points than most files ({points}); rename, unlisted and absent map them")
        items.remove(item)


def _name(text: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "my_data"
    return name if name[0].isalpha() else f"data_{name}"


def _names(items: Sequence[Item], kind: str, made: Proposal) -> dict[str, Any]:
    """Individuals and keypoints: those of the first recording, where all have them."""
    if kind == "clips" or not items:
        return {}
    if kind == "images":
        return {"keypoints": items[0].found.keypoints}
    first = items[0].found
    individuals = {tuple(sorted(item.found.individuals)) for item in items}
    facts: dict[str, Any] = {"individuals": list(first.individuals), "keypoints": list(first.keypoints)}
    if len(individuals) > 1:
        counts = Counter(len(item.found.individuals) for item in items)
        number = min(counts)
        facts["individuals"] = [f"animal{k + 1}" for k in range(number)]
        for item in items:
            own = item.found.individuals
            item.cells["individuals"] = "|".join(
                f"{name}={new}" for name, new in zip(own, facts["individuals"], strict=False)
            )
            if len(own) > number:
                facts["unlisted"] = "leave_out"
        made.guessed.append(
            f"The files call their individuals differently; the first {number} of each are called "
            f"{', '.join(facts['individuals'])} (column individuals of the sheet): check who is who."
        )
    return facts


def _options(items: Sequence[Item], wishes: Wishes, made: Proposal) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for item in items:
        own = {key: value for key, value in item.found.options.items() if key != "others"}
        for key, value in own.items():
            if key in options and options[key] != value and not isinstance(value, list):
                made.unknown.append(f"{item.path.name} needs {key}: {value}, other files {options[key]}.")
            options.setdefault(key, value)
    check_options(items[0].found.source, options | wishes.options)
    return options | wishes.options


def _gaps(items: Sequence[Item], source: str, made: Proposal) -> dict[str, Any]:
    recognised = [item.found for item in items if item.found.empty is not None]
    if not recognised:
        return {}
    empty, zero, low = (
        sum(getattr(found, key) or 0.0 for found in recognised) / len(recognised) for key in ("empty", "zero", "low")
    )
    taken = "positions" if nan_alone(source) else "missing"
    made.guessed.append(
        f"At the beginning of each file, {empty:.1%} of the points are empty, {zero:.1%} lie at (0, 0) (taken as "
        f"{taken}) and {low:.1%} have a likelihood below 0.1" + (" (taken as missing)." if low else ".")
    )
    made.unknown.append("Which gaps to fill: gaps.interpolate_max_frames is 0, so none is.")
    return {
        "zero_is_missing": not nan_alone(source),
        "min_likelihood": 0.1 if low else 0.0,
        "interpolate_max_frames": 0,
    }


def _inner_tasks(items: Sequence[Item], kind: str, tasks: Tasks) -> None:
    """Add the tasks that the tracks themselves carry."""
    if kind == "images":
        tasks.tasks["points"] = {"kind": "points", "vocabulary": items[0].found.keypoints}
    if kind == "clips" and any("label" in item.cells for item in items) and "action" not in tasks.tasks:
        names = list(dict.fromkeys(item.cells["label"] for item in items if "label" in item.cells))
        tasks.tasks["action"] = {"vocabulary": names}
    for item in items:
        for name, task in item.found.tasks.items():
            there = tasks.tasks.setdefault(name, dict(task))
            there["vocabulary"] = list(dict.fromkeys([*there.get("vocabulary", []), *task.get("vocabulary", [])]))


def _splits(items: Sequence[Item], kind: str, source: str, made: Proposal) -> dict[str, Any]:
    inside = sum(item.found.groups for item in items)
    if inside > 1:
        folds = min(inside, FOLDS)
        made.guessed.append(
            f"The split `fold` deals the {inside} recordings or videos of the files into {folds} folds; which of them "
            "show the same animal is not known."
        )
        return {"splits": {"fold": {"deal": folds}}}
    if source in NAMED_INSIDE and any(item.found.recordings for item in items):
        made.unknown.append("Splits: the files name their own recordings; add a split, by recording_prefix or deal.")
        return {}
    if kind == "images":
        made.guessed.append(
            "The split `fold` deals source frames into five parts; which animals they show is not known."
        )
        return {"splits": {"fold": {"deal": FOLDS}}}
    labelled = [item for item in items if item.labels or item.found.tasks or "label" in item.cells]
    groups = list(dict.fromkeys(item.cells.get("group") or item.group for item in labelled))
    made.unknown.append(
        "Whether an animal is in several recordings: write animal (or group) in the sheet where one is."
    )
    if not labelled:
        made.guessed.append("Without labels nothing is held out: the split `official` trains on every recording.")
        return {"splits": {"official": {"train": []}}}
    if len(items) > len(labelled):
        made.guessed.append(
            f"{len(items) - len(labelled)} of {len(items)} recordings have no labels: they pretrain and are predicted, "
            "and are never held out."
        )
    if len(groups) == 1:
        return _blocks(labelled, kind, made)
    return {"splits": {"fold": deal_groups(labelled, groups, made.guessed)}}


def _blocks(labelled: Sequence[Item], kind: str, made: Proposal) -> dict[str, Any]:
    """Hold out blocks of time where all labels are of one group."""
    frames = min((item.found.n_frames or 0) for item in labelled)
    if kind != "tracks" or frames < FOLDS * SHORTEST_BLOCK:
        made.unknown.append(
            "Splits: one labelled group cannot be split, so nothing can be scored; label more recordings."
        )
        return {}
    count = FOLDS * max(1, min(BLOCKS_A_FOLD, frames // (FOLDS * SHORTEST_BLOCK)))
    blocks = Blocks(count=count)
    names = [name for item in labelled[:1] for name in blocks.names(item.cells.get("group") or item.group)]
    made.guessed.append(
        f"All labels are of one group, so recordings are cut into {count} blocks of time, {blocks.gap_s:g} s apart, "
        f"and the split `fold` holds blocks out: scores are of other minutes of the same animals, not of new animals."
    )
    return {"blocks": blocks.model_dump(), "splits": {"fold": {"folds": [names[k::FOLDS] for k in range(FOLDS)]}}}


def _recordings(listing: Listing, items: Sequence[Item], source: str, made: Proposal, name: str) -> dict[str, Any]:
    """Write rows of a sheet; files that need options of their own are listed in the card."""
    inside = source in NAMED_INSIDE and any(item.found.recordings for item in items)
    if inside or any("others" in item.found.options for item in items) or items[0].found.kind == "images":
        shards = []
        for item in items:
            others = item.found.options.get("others", [])
            folder = item.path.parent
            shard: dict[str, Any] = {"id": item.id, "file": listing.name(item.path)}
            if not inside and item.found.kind != "images":
                shard["group"] = item.group
            if others:
                shard |= {"options": {"others": others}, "beside": [listing.name(folder / name) for name in others]}
            shards.append(shard)
        return {"shards": shards}
    for item in items:
        labels = list(dict.fromkeys(listing.name(one.path) for one, _ in item.labels))
        chosen = [
            next(m.name if len(t.found.media) > 1 else "" for t, m in item.labels if listing.name(t.path) == label)
            for label in labels
        ]
        if any(chosen) and not all(chosen):
            chosen = [name or "-" for name in chosen]
        row = {"recording": item.id, "file": listing.name(item.path), "labels": "|".join(labels)}
        row |= {"observation": "|".join(chosen) if any(chosen) else "", "group": item.group}
        made.rows.append(row | item.cells)
    return {"recordings": f"{name}{SUFFIX}"}


def _found(listing: Listing, items: Sequence[Item], kind: str, source: str) -> list[str]:
    single, several = KIND_WORDS[kind]
    labelled = sum(bool(item.labels) for item in items)
    lines = [f"{len(items)} {single if len(items) == 1 else several} ({source}) in {listing.root}"]
    if kind == "tracks":
        first = items[0].found
        axes = "" if first.space == 2 else f", {first.space}-D"
        animals, points = (
            f"{n} {noun}{'' if n == 1 else 's'}"
            for n, noun in ((len(first.individuals), "individual"), (len(first.keypoints), "keypoint"))
        )
        lines.append(f"{animals} ({', '.join(first.individuals)}), {points} ({', '.join(first.keypoints)}){axes}")
    sources = Counter(one.found.source for item in items for one, _ in item.labels)
    if labelled:
        shown = ", ".join(f"{count} × {name}" for name, count in sources.most_common())
        lines.append(f"{labelled} of {len(items)} recordings have labels ({shown})")
    return lines
