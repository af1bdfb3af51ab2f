"""Splits from a card: made once, by group, in one order."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from workflow_scripts.cards.card import FINAL, Card
from workflow_scripts.cards.splits import DealtSplit, FoldSplit, GroupSplit, LabelDraws, RandomSplit
from workflow_scripts.core.errors import ConfigError, LeakError
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.datasets import DatasetReader, open_dataset
from workflow_scripts.formats.splits import Split

SIDES = ("train", "validation", "test")

logger = logging.getLogger(__name__)


class QuarantinedSideError(ConfigError):
    """A side of a split is empty because its recordings could not be converted."""


def make_splits(tracks: Path, card: Card) -> list[Split]:
    """Make every split of a card, folds one by one.

    Parameters
    ----------
    tracks : Path
        File of the converted dataset, of any kind.
    card : Card

    Returns
    -------
    list of Split
        Without those of which a side is empty because its recordings are quarantined; the log names them.

    Raises
    ------
    ConfigError, LeakError
        See :func:`make_split`.
    """
    splits = []
    with open_dataset(tracks) as reader:
        labelled = _labelled(reader, card)
        for name in (name for family in card.splits for name in card.split_names(family)):
            try:
                splits.append(_made(reader, card, name, labelled))
            except QuarantinedSideError as error:
                logger.warning("%s The split is left out.", error)
    return splits


def make_split(tracks: Path, card: Card, name: str) -> Split:
    """Make one split of a dataset.

    Parameters
    ----------
    tracks : Path
        File of the converted dataset, of any kind; its quarantined shards are left out.
    card : Card
    name : str
        A split of the card, a fold (the family's name and a number, `fold0`), or `all`, in which everything labelled
        trains: recordings without a label are on no side, and nothing is held out.

    Returns
    -------
    Split
        Recording ids sorted.

    Raises
    ------
    ConfigError
        When the card has no such split, names a group that is not there, or a side would be empty.
    LeakError
        When a group or a recording is on two sides.
    """
    if name == FINAL:
        return _everything_labelled(tracks, card)
    with open_dataset(tracks) as reader:
        return _made(reader, card, name, _labelled(reader, card))


def _labelled(reader: DatasetReader, card: Card) -> set[str]:
    """Recordings with labels: what nobody labelled is there to be trained on and predicted, and holds out nothing."""
    known = set(reader.ids)
    if card.tasks and hasattr(reader, "has_labels"):
        return set(filter(reader.has_labels, known)) or known
    return known


def _made(reader: DatasetReader, card: Card, name: str, labelled: set[str]) -> Split:
    family = _family(card, name)
    definition = card.splits[family]
    unit = reader.group
    if isinstance(definition, GroupSplit | FoldSplit) and definition.by == "animal":
        if not hasattr(reader, "animal_of"):
            raise ConfigError(f"Split {name!r} of {card.name!r}: only images are split by animal; name groups.")
        unit = reader.animal_of
    groups = {recording: unit(recording) for recording in sorted(reader.ids)}
    sides = divide(card, name, groups, labelled, _quarantined_groups(card, reader))
    named = sorted({recording for side in SIDES for recording in sides[side]})
    return Split(
        dataset=card.name,
        name=name,
        family=card.pooled_as(family, name),
        train=sides["train"],
        validation=sides["validation"],
        test=sides["test"],
        groups={recording: groups[recording] for recording in named},
        unlabelled=_hidden(definition, name.removeprefix(family), sides["train"], groups, labelled, card, name),
    )


def _everything_labelled(tracks: Path, card: Card) -> Split:
    with open_dataset(tracks) as reader:
        groups = {recording: reader.group(recording) for recording in sorted(reader.ids)}
        # Images are there for their points, which are labels; without a task there is nothing to label.
        if card.tasks and hasattr(reader, "all_labels"):
            known = {recording: list(reader.all_labels(recording, card.tasks).values()) for recording in groups}
            groups = {name: group for name, group in groups.items() if any(each.mask.any() for each in known[name])}
    if not groups:
        raise ConfigError(
            f"Split {FINAL!r} of {card.name!r}: expected a recording with labels, found none; name label files in "
            f"config/datasets/{card.name}.yaml."
        )
    return Split(card.name, FINAL, FINAL, train=list(groups), validation=[], test=[], groups=groups)


def divide(
    card: Card, name: str, groups: dict[str, str], labelled: set[str], missing: set[str]
) -> dict[str, list[str]]:
    """Divide recordings into the sides of a split.

    Parameters
    ----------
    card : Card
    name : str
        A split of the card, or a fold.
    groups : dict of str to str
        Group of each recording.
    labelled : set of str
        Recordings with labels; the others are never held out by folds.
    missing : set of str
        Groups whose recordings could not be converted.

    Raises
    ------
    ConfigError, LeakError
        See :func:`make_split`.
    """
    family = _family(card, name)
    definition = card.splits[family]
    holds_out = not isinstance(definition, GroupSplit)  # a benchmark's own split may hide its labels
    if isinstance(definition, DealtSplit):
        definition = _deal(definition, sorted({groups[recording] for recording in labelled}), card, name)
    if isinstance(definition, RandomSplit):
        definition = _draw(definition, {recording: groups[recording] for recording in sorted(labelled)}, card, name)
    if isinstance(definition, LabelDraws):
        definition = GroupSplit(test=definition.test)
    if isinstance(definition, FoldSplit):
        folds = definition.folds
        definition = _fold(definition, int(name.removeprefix(family)), card, name)
        everywhere = [group for fold in folds for group in fold]
        _check_known(everywhere, set(groups.values()), missing, card, name, "group")
    sides = _assign(definition, groups, missing, card, name)
    _refuse_leaks(sides, groups, card, name)
    # A group without any label leaves the held-out side as a whole, else its recordings would stand on both.
    for side in ("validation", "test"):
        silent = [recording for recording in sides[side] if recording not in labelled]
        if holds_out and silent:
            kept = {groups[recording] for recording in sides[side] if recording in labelled}
            sides["train"] += [recording for recording in silent if groups[recording] not in kept]
            sides[side] = [recording for recording in sides[side] if recording in labelled]
            if side == "test" and not sides[side]:
                held = ", ".join(sorted({groups[recording] for recording in silent})[:5])
                raise ConfigError(
                    f"Split {name!r} of {card.name!r} holds out groups without a label ({held}); "
                    "name groups that somebody labelled."
                )
    sides["train"].sort()
    # What nobody labelled is there to be trained on, and holds out nothing.
    for side in ("train", "test") if card.tasks else ("train",):
        if not sides[side]:
            sentence = f"Split {name!r} of {card.name!r} has no {side} recording"
            if missing:
                groups_missing = ", ".join(sorted(missing)[:5])
                raise QuarantinedSideError(
                    f"{sentence}; the recordings of {groups_missing} are quarantined, as they cannot be used: name "
                    f"other groups under splits in config/datasets/{card.name}.yaml."
                )
            raise ConfigError(f"{sentence}; see splits in config/datasets/{card.name}.yaml.")
    return sides


def _family(card: Card, name: str) -> str:
    for family in card.splits:
        if name in card.split_names(family):
            return family
    known = [split for family in card.splits for split in card.split_names(family)]
    raise ConfigError(f"The card {card.name!r} has no split {name!r}{nearest(name, known)}.")


def _quarantined_groups(card: Card, reader: DatasetReader) -> set[str]:
    """Groups (or ids, where the card leaves the group to the source) of shards that could not be converted."""
    return card_groups(card, {shard.id for shard in card.shards if shard.id in reader.quarantined})


def card_groups(card: Card, shards: set[str]) -> set[str]:
    """Return the groups that a card gives to some of its shards, blocks of time included."""
    groups = {shard.group or shard.id for shard in card.shards if shard.id in shards}
    return groups if card.blocks is None else {name for group in groups for name in card.blocks.names(group)}


def _deal(definition: DealtSplit, groups: list[str], card: Card, name: str) -> FoldSplit:
    if len(groups) < definition.deal:
        raise ConfigError(f"Split {name!r} of {card.name!r}: {len(groups)} groups make no {definition.deal} folds.")
    part = np.random.default_rng(definition.seed).permutation(len(groups)) % definition.deal
    return FoldSplit(
        folds=[[group for group, p in zip(groups, part, strict=True) if p == k] for k in range(definition.deal)]
    )


def _draw(definition: RandomSplit, groups: dict[str, str], card: Card, name: str) -> GroupSplit:
    """Draw whole groups until each side has as many recordings as it asks for."""
    members: dict[str, list[str]] = {}
    for recording, group in groups.items():
        members.setdefault(group, []).append(recording)
    order = np.random.default_rng(definition.seed).permutation(sorted(members)).tolist()
    sides: dict[str, list[str]] = {}
    for side, wanted in (("test", definition.hold_out), ("validation", definition.validation)):
        taken: list[str] = []
        while order and sum(len(members[group]) for group in taken) < wanted:
            taken.append(order.pop(0))
        sides[side] = taken
    if not order:
        raise ConfigError(
            f"Split {name!r} of {card.name!r}: holding out {definition.hold_out} and {definition.validation} of "
            f"{len(groups)} recordings, groups whole, leaves none to train on; lower hold_out or validation in "
            f"config/datasets/{card.name}.yaml."
        )
    return GroupSplit(**sides)


def _fold(definition: FoldSplit, number: int, card: Card, name: str) -> GroupSplit:
    seen: set[str] = set()
    for fold in definition.folds:
        twice = seen.intersection(fold)
        if twice:
            raise ConfigError(f"Split {name!r} of {card.name!r}: group {min(twice)!r} is held out in two folds.")
        seen.update(fold)
    # Empty lists mean: everything else trains.
    train = sorted(seen.difference(definition.folds[number])) if definition.rest == "leave_out" else []
    return GroupSplit(train=train, validation=[], test=definition.folds[number])


def _hidden(
    definition: object, suffix: str, train: list[str], groups: dict[str, str], labelled: set[str], card: Card, name: str
) -> list[str]:
    """Training recordings whose labels the split hides: of groups beyond the first ones of its draw."""
    if not isinstance(definition, LabelDraws):
        return []
    number, draw = definition.suffixes()[suffix]
    candidates = sorted({groups[recording] for recording in train if recording in labelled})
    if number > len(candidates):
        raise ConfigError(
            f"Split {name!r} of {card.name!r} asks for {number} labelled training groups, and there are "
            f"{len(candidates)}; lower labelled in config/datasets/{card.name}.yaml."
        )
    # One order a draw, whatever the number, makes the smaller sets parts of the larger ones.
    kept = set(np.random.default_rng([definition.seed, draw]).permutation(candidates)[:number].tolist())
    return [recording for recording in train if groups[recording] not in kept]


def _check_known(wanted: list[str], known: set[str], missing: set[str], card: Card, name: str, what: str) -> None:
    for item in wanted:
        there = any(k.startswith(item) for k in known | missing) if what == "prefix" else item in known | missing
        if not there:
            hint = nearest(item, sorted(known)[:50])
            kind = "recording begins with" if what == "prefix" else "recording is of group"
            raise ConfigError(f"Split {name!r} of {card.name!r}: no {kind} {item!r}{hint}.")


def _assign(
    definition: GroupSplit, groups: dict[str, str], missing: set[str], card: Card, name: str
) -> dict[str, list[str]]:
    """Recordings of each side; one may still stand on several."""
    by_prefix = definition.by == "recording_prefix"
    sides: dict[str, list[str]] = {}
    for side in SIDES:
        wanted: list[str] = getattr(definition, side)
        known = set(groups) if by_prefix else set(groups.values())
        _check_known(wanted, known, missing, card, name, "prefix" if by_prefix else "group")
        if by_prefix:
            sides[side] = [recording for recording in groups if wanted and recording.startswith(tuple(wanted))]
        else:
            sides[side] = [recording for recording, group in groups.items() if group in set(wanted)]
    if not definition.train:
        taken = {*sides["validation"], *sides["test"]}
        sides["train"] = [recording for recording in groups if recording not in taken]
    return sides


def _refuse_leaks(sides: dict[str, list[str]], groups: dict[str, str], card: Card, name: str) -> None:
    where: dict[str, tuple[str, str]] = {}
    for side in SIDES:
        for recording in sides[side]:
            group = groups[recording]
            first_side, first = where.setdefault(group, (side, recording))
            if first_side != side:
                raise LeakError(
                    f"Split {name!r} of {card.name!r} has group {group!r} on both sides: {first!r} in {first_side}, "
                    f"{recording!r} in {side}; put the whole group on one side in config/datasets/{card.name}.yaml."
                )
