"""A card as text to read: Markdown for a page, one line for a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from workflow_scripts.cards.card import Card, RemoteFile
from workflow_scripts.cards.splits import DealtSplit, FoldSplit, LabelDraws, RandomSplit, Split
from workflow_scripts.core.redact import redact

UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def human_size(n_bytes: int | None) -> str:
    """Return a size in decimal units with three digits, or `unknown`."""
    if n_bytes is None:
        return "unknown"
    for factor, unit in UNITS:
        if n_bytes >= factor:
            return f"{n_bytes / factor:.3g} {unit}"
    return f"{n_bytes} bytes"


def total_size(card: Card) -> int | None:
    """Sum of the files' sizes; None where one is not on the card."""
    sizes = [file.bytes for file in card.files]
    return None if any(size is None for size in sizes) else sum(size for size in sizes if size is not None)


def _cell(text: str) -> str:
    # A bar would end the cell, a line break the row.
    return " ".join(text.split()).replace("|", "\\|")


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table.

    Parameters
    ----------
    header : sequence of str
    rows : iterable of sequence of str
        Bars and line breaks in cells are made harmless.
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _checksum(file: RemoteFile) -> str:
    if file.sha256:
        return f"sha256 `{file.sha256}`"
    return f"md5 `{file.md5}`" if file.md5 else "none"


def _origin(file: RemoteFile, card: Card) -> str:
    if card.simulate:
        return f"simulated by `{card.simulate.generator}`"
    return " ".join(f"<{redact(url)}>" for url in file.urls) or f"`{card.local}`"


def _files(card: Card) -> str:
    rows = []
    for file in card.files:
        unpacked = f" (unpacked: {', '.join(f'`{member}`' for member in file.members)})" if file.members else ""
        rows.append([f"`{file.path}`{unpacked}", human_size(file.bytes), _checksum(file), _origin(file, card)])
    return markdown_table(["file", "size", "checksum", "from"], rows)


def _recording_facts(card: Card) -> str:
    fps = "as the file says" if card.fps is None else f"{card.fps:g}"
    size = "not stated" if card.image_size is None else f"{card.image_size[0]:g} × {card.image_size[1]:g} {card.unit}"
    zero = {
        True: "a point at exactly (0, 0) is missing",
        False: "(0, 0) is a place like any other",
        None: "a point at exactly (0, 0) is missing where the format has no other sign for it",
    }
    gaps = [
        zero[card.gaps.zero_is_missing],
        f"a point with a likelihood below {card.gaps.min_likelihood:g} is missing" if card.gaps.min_likelihood else "",
        f"gaps of up to {card.gaps.interpolate_max_frames} frames are filled linearly, longer ones stay missing"
        if card.gaps.interpolate_max_frames
        else "no gap is filled",
    ]
    facts = [
        ("format", f"`{card.source}`" + (f" with {card.options}" if card.options else "")),
        ("kind", card.kind),
        ("shards", str(len(card.shards))),
        ("frames per second", fps + (f". {card.fps_note}" if card.fps_note else "")),
        ("image size", size),
        ("unit", card.unit),
        ("individuals", ", ".join(card.individuals) or "as the file says"),
        ("keypoints", ", ".join(card.keypoints) or "as the file says"),
        ("gaps", "; ".join(part for part in gaps if part)),
    ]
    return markdown_table(["", ""], facts)


def _split(split: Split) -> str:
    if isinstance(split, RandomSplit):
        drawn = f"{split.hold_out} recordings or more, groups whole, held out at random (seed {split.seed})"
        return f"{drawn}, {split.validation} more validate" if split.validation else drawn
    if isinstance(split, DealtSplit):
        return f"held out in turn: {split.deal} parts of the groups, dealt at random (seed {split.seed})"
    if isinstance(split, FoldSplit):
        turns = "held out in turn: " + "; ".join(", ".join(fold) for fold in split.folds)
        return turns + (" (no other group takes part)" if split.rest == "leave_out" else "")
    if isinstance(split, LabelDraws):
        numbers = ", ".join(str(n) for n in split.labelled)
        return (
            f"{numbers} training groups keep their labels, drawn {split.draws} times (seed {split.seed}); "
            f"test: groups {', '.join(split.test)}"
        )
    by = {"group": "groups", "animal": "animals", "recording_prefix": "recordings whose id begins with"}[split.by]
    parts = [
        f"{name}: {by} {', '.join(groups)}"
        for name, groups in (("validation", split.validation), ("test", split.test))
        if groups
    ]
    return "; ".join([f"train: {by} {', '.join(split.train)}" if split.train else "train: all others", *parts])


def _tasks(card: Card) -> str:
    return markdown_table(
        ["task", "kind", "level", "classes", "background", "meaning"],
        (
            [name, t.kind, t.level, ", ".join(t.vocabulary), t.background or "", t.description]
            for name, t in card.tasks.items()
        ),
    )


def _published(card: Card) -> str:
    return markdown_table(
        ["method", "task", "metric", "value", "source", "verified"],
        (
            [
                p.method,
                p.task,
                p.metric,
                f"{p.value:g}",
                p.source,
                "yes" if p.verified else "no, not read in the source",
            ]
            for p in card.published
        ),
    )


def markdown_card(card: Card) -> str:
    """Render a card as a Markdown page: what the data are, where they come from and how they may be used.

    Parameters
    ----------
    card : Card

    Returns
    -------
    str
        Ends in one line break.
    """
    simulated = "This data set is simulated.\n\n" if card.simulate else ""
    sections = [
        f"# {card.title}",
        f"`{card.name}`\n\n{simulated}{card.description}",
        "## Terms",
        f"Licence: {card.licence}." + (f"\n\n{card.terms}" if card.terms else ""),
        "## Cite",
        "\n".join(f"- {entry}" for entry in card.citation),
        "## Recordings",
        _recording_facts(card),
        "## Tasks",
        _tasks(card) if card.tasks else "None: the recordings are not labelled.",
        "## Splits",
        "\n".join(f"- `{name}`: {_split(split)}" for name, split in card.splits.items()) or "None.",
    ]
    if card.published:
        sections += ["## Published numbers", _published(card)]
    return "\n\n".join([*sections, "## Files", _files(card)]) + "\n"
