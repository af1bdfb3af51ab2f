"""Frame rates, sizes and lengths of recordings, where files state them; contradictions are left to the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from workflow_scripts.cards.card import RATE_TOLERANCE
from workflow_scripts.convert.propose.recordings import Item

CODED_SHARE = 0.98
SHORT_SHARE = 0.98
"""A table shorter than this share of what was coded ends early."""


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= RATE_TOLERANCE * max(a, b)


def _tidy(rate: float) -> float:
    """Return 30 for a measured 30.0003, 29.97 for 29.97003."""
    return next((r for r in (round(rate), round(rate, 2)) if abs(rate - r) < 0.003), round(rate, 4))


def rates_and_sizes(
    items: Sequence[Item], kind: str, wanted: float | None, guessed: list[str], unknown: list[str]
) -> dict[str, Any]:
    """Return the card's fps, resample and image size; recordings that differ get cells of their own.

    Parameters
    ----------
    items : sequence of Item
    kind : str
    wanted : float or None
        What the user said.
    guessed, unknown : list of str
        Take sentences.
    """
    facts: dict[str, Any] = {}
    if kind == "tracks":
        facts |= _rates(items, wanted, guessed, unknown)
    elif wanted is not None and kind == "clips":
        unknown.append("--fps is left out: every video states its own frame rate.")
    elif wanted is not None:
        facts["fps"] = wanted
    if kind == "clips":
        shown = Counter(_tidy(item.found.fps) for item in items if item.found.fps)
        guessed.append(f"Frames a second of the videos: {', '.join(f'{r:g} ({n})' for r, n in shown.most_common())}.")
        return facts
    sizes = {item.id: (item.video.image_size if item.video else None) or item.found.image_size for item in items}
    known = Counter(size for size in sizes.values() if size is not None)
    if not known:
        if kind == "tracks":
            reach = [item.found.reach for item in items if item.found.reach is not None]
            largest = f" (largest x {max(r[0] for r in reach):.0f}, y {max(r[1] for r in reach):.0f})" if reach else ""
            unknown.append(f"Image size: no file states it{largest}; add image_size.")
        return facts
    usual = known.most_common(1)[0][0]
    facts["image_size"] = [int(side) if side == int(side) else side for side in usual]
    for item in items:
        size = sizes[item.id]
        if size is not None and size != usual:
            item.cells |= {"width": f"{size[0]:g}", "height": f"{size[1]:g}"}
    guessed.append(
        f"The image is {usual[0]:g} × {usual[1]:g}" + (", others are in the sheet." if len(known) > 1 else ".")
    )
    return facts


def _rates(items: Sequence[Item], wanted: float | None, guessed: list[str], unknown: list[str]) -> dict[str, Any]:
    rates: dict[str, float] = {}
    reasons: Counter[str] = Counter()
    for item in items:
        stated = {}
        if item.found.fps:
            stated["the file of tracks"] = item.found.fps
        if item.video is not None and item.video.fps:
            stated["the video"] = item.video.fps
        for label, medium in item.labels:
            if medium.fps:
                stated[f"the labels ({label.found.source})"] = medium.fps
        values = list(stated.values())
        if not values:
            continue
        if all(_same(values[0], value) for value in values):
            rates[item.id] = _tidy(values[0])
            reasons[next(iter(stated))] += 1
        else:
            shown = ", ".join(f"{name} {value:g}" for name, value in stated.items())
            unknown.append(f"Frames per second of {item.id}: {shown}; write the right one in the sheet.")
    if wanted is not None:
        against = [name for name, rate in rates.items() if not _same(rate, wanted)]
        if not against:
            return {"fps": _tidy(wanted)}
        unknown.append(
            f"--fps {wanted:g} contradicts {', '.join(against[:3])}{' …' if len(against) > 3 else ''} "
            f"({rates[against[0]]:g}); those keep their own."
        )
    if not rates:
        hints = _hints(items)
        unknown.append(
            f"Frames per second: no file states it{hints}; add fps to the card (or --fps), nothing converts without."
        )
        return {}
    counts = Counter(rates.values())
    usual = wanted or counts.most_common(1)[0][0]
    facts: dict[str, Any] = {"fps": usual}
    for item in items:
        rate = rates.get(item.id)
        if rate is not None and not _same(rate, usual):
            item.cells["fps"] = f"{rate:g}"
    shown = ", ".join(f"{rate:g}" for rate in sorted(counts))
    guessed.append(f"fps is {shown}, stated by {' and '.join(name for name, _ in reasons.most_common(2))}.")
    silent = [item.id for item in items if item.id not in rates]
    if silent:
        guessed.append(f"{len(silent)} recordings state no fps and get {usual:g}: {', '.join(silent[:3])}.")
    lowest = min(*counts, usual)
    if not _same(lowest, max(*counts, usual)):
        facts["resample"] = lowest
        guessed.append(f"Frame rates differ, and windows count frames: all are brought to {lowest:g} (resample).")
    return facts


def _hints(items: Sequence[Item]) -> str:
    """Say which rate the lengths of tracks and labels would give, without taking it."""
    for item in items:
        for _, medium in item.labels:
            if medium.duration and item.found.n_frames:
                rate = item.found.n_frames / medium.duration
                return (
                    f" ({item.id} has {item.found.n_frames} frames in {medium.duration:g} s, which would be {rate:.4g})"
                )
    return ""


def lengths(items: Sequence[Item], kind: str, facts: dict[str, Any], guessed: list[str], unknown: list[str]) -> None:
    """Fill `frames` where a table ends before its labels' medium, and `scored` where a part was coded."""
    short, coded = [], []
    for item in items:
        own = item.cells.get("fps")
        rate = item.found.fps if kind == "clips" else float(own) if own else facts.get("fps")
        for _, medium in item.labels:
            short_coded = medium.coded and medium.duration and medium.coded < CODED_SHARE * medium.duration
            if medium.coded and short_coded and medium.last <= medium.coded + 0.1:
                item.cells["scored"] = f"0-{medium.coded:g}s"
                coded.append(f"{item.id} ({medium.coded:g} of {medium.duration:g} s)")
            n_frames = item.found.n_frames
            if kind != "tracks" or not n_frames or not rate:
                continue
            length = medium.n_frames or (round(medium.duration * rate) if medium.duration else 0)
            if length and n_frames < SHORT_SHARE * length and length - n_frames > 1:
                item.cells["frames"] = str(length)
                short.append(f"{item.id} ({n_frames} of {length})")
            elif length and n_frames > length / SHORT_SHARE:
                unknown.append(
                    f"{item.id} has {n_frames} frames and its labels {length}: check that both belong together, and fps"
                )
    if short:
        guessed.append(
            f"Tables that end before their labels' medium are filled up with NaN (frames): {', '.join(short[:3])}."
        )
    if coded:
        guessed.append(
            f"Only a part was coded, so the rest is unlabelled (scored): {', '.join(coded[:3])}"
            f"{' …' if len(coded) > 3 else ''}."
        )
