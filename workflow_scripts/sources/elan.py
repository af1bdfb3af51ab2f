"""ELAN annotation documents (`.eaf`): bouts in and out, one tier a subject, task or behaviour."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
import xml.parsers.expat as expat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from workflow_scripts.cards.card import Task
from workflow_scripts.core import limits
from workflow_scripts.core.documents import read_bounded
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.bouts import Bout
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.sources.shared.bouts import BoutOptions, bout_of, label_tasks
from workflow_scripts.sources.shared.found import Found, file_head

EXPECTED = "an ELAN document (.eaf)"
SELECTS = "tier"

ASSOCIATION = "Symbolic_Association"
"""ELAN's name for a tier whose every annotation belongs to one of its parent."""

SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
EPOCH = "1970-01-01T00:00:00+00:00"
"""EAF asks for a date; ours is fixed, so that the same bouts give the same bytes."""


_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """Replace the characters that XML 1.0 has no place for (most control characters, half characters)."""
    return _NOT_XML.sub("\ufffd", text)


def write_elan(path: Path, tiers: Mapping[str, Sequence[Bout]], fps: float, *, media: str = "") -> None:
    """Write bouts as an ELAN document.

    Parameters
    ----------
    path : Path
    tiers : mapping of str to sequence of Bout
        By tier. Bouts of one tier must not overlap, as in ELAN itself. Where bouts have a confidence, a tier
        `<tier> confidence` below has it, an annotation for each of them.
    fps : float
        Frames per second; ELAN counts whole milliseconds.
    media : str
        File of the video, where there is one.

    Notes
    -----
    ELAN format documentation, https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf.
    """
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "EthoMake",
            "DATE": EPOCH,
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": SCHEMA,
        },
    )
    header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    if media:
        ET.SubElement(header, "MEDIA_DESCRIPTOR", {"MEDIA_URL": xml_text(media), "MIME_TYPE": "video/mp4"})
    order = ET.SubElement(root, "TIME_ORDER")
    times = sorted({frame for bouts in tiers.values() for bout in bouts for frame in (bout.start, bout.stop)})
    slots = {frame: f"ts{number}" for number, frame in enumerate(times, 1)}
    for frame, slot in slots.items():
        value = str(round(1000 * frame / fps))
        ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slot, "TIME_VALUE": value})
    number = 0
    for name, bouts in tiers.items():
        tier = ET.SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": "default-lt", "TIER_ID": xml_text(name)})
        first = number + 1
        for bout in bouts:
            number += 1
            outer = ET.SubElement(tier, "ANNOTATION")
            ends = {"TIME_SLOT_REF1": slots[bout.start], "TIME_SLOT_REF2": slots[bout.stop]}
            inner = ET.SubElement(outer, "ALIGNABLE_ANNOTATION", {"ANNOTATION_ID": f"a{number}", **ends})
            ET.SubElement(inner, "ANNOTATION_VALUE").text = xml_text(bout.name)
        sure = [(f"a{first + k}", bout.confidence) for k, bout in enumerate(bouts) if bout.confidence is not None]
        number = _write_confidences(root, xml_text(name), sure, number)
    kind = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "default-lt", "TIME_ALIGNABLE": "true"}
    ET.SubElement(root, "LINGUISTIC_TYPE", kind)
    if root.find("TIER[@PARENT_REF]") is not None:
        below = {"CONSTRAINTS": ASSOCIATION, "LINGUISTIC_TYPE_ID": "confidence", "TIME_ALIGNABLE": "false"}
        ET.SubElement(root, "LINGUISTIC_TYPE", {"GRAPHIC_REFERENCES": "false", **below})
        one = {"DESCRIPTION": "1-1 association with a parent annotation", "STEREOTYPE": ASSOCIATION}
        ET.SubElement(root, "CONSTRAINT", one)
    ET.indent(root)
    with atomic_path(path) as part:
        ET.ElementTree(root).write(part, encoding="UTF-8", xml_declaration=True)


def _write_confidences(root: ET.Element, name: str, sure: Sequence[tuple[str, float]], number: int) -> int:
    """Write a tier of confidences below the tier `name`; returns the number of the last annotation."""
    if not sure:
        return number
    attributes = {"LINGUISTIC_TYPE_REF": "confidence", "PARENT_REF": name, "TIER_ID": f"{name} confidence"}
    tier = ET.SubElement(root, "TIER", attributes)
    for parent, confidence in sure:
        number += 1
        outer = ET.SubElement(tier, "ANNOTATION")
        reference = {"ANNOTATION_ID": f"a{number}", "ANNOTATION_REF": parent}
        inner = ET.SubElement(outer, "REF_ANNOTATION", reference)
        ET.SubElement(inner, "ANNOTATION_VALUE").text = f"{confidence:.4f}"
    return number


class Options(BoutOptions):
    """Options of the source `elan`."""

    tier: str | None = Field(None, description="Tier to read, where the document has several.")
    tiers_are: str = Field(
        "subjects",
        pattern="^(subjects|behaviours)$",
        description="What a tier is: a subject, or a behaviour whose every annotation is a bout.",
    )


def in_seconds(options: Options) -> bool:
    """Say that the labels follow a clock."""
    return True


def _refuse_odd_xml(path: Path, raw: bytes) -> None:
    """Refuse XML that declares a document type, in whatever encoding: ELAN writes none, and entities can explode.

    Nor does ELAN nest elements deeply, which takes a tree the square of their depth to search.
    """

    def refuse(*declared: object) -> None:
        raise InputError(path, "declares a document type or entities", f"expected {EXPECTED}")

    depth = 0

    def enter(*element: object) -> None:
        nonlocal depth
        depth += 1
        if depth > limits.DEPTH:
            raise InputError(path, f"is nested more than {limits.DEPTH} levels deep", f"expected {EXPECTED}")

    def leave(*element: object) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = enter, leave
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.Parse(raw, True)


def read_tiers(path: Path, fps: float) -> tuple[dict[str, list[Bout]], list[str]]:
    """Read the time-aligned annotations of every tier, and the media the document names.

    Raises
    ------
    InputError
        When the file is no such document, declares entities, or an annotation refers to no time.
    """
    raw = read_bounded(path, limits.TEXT_BYTES)
    try:
        _refuse_odd_xml(path, raw)
        root = ET.fromstring(raw)  # noqa: S314 - without entities there is nothing to expand
    except (ET.ParseError, expat.ExpatError) as error:
        raise InputError(path, f"is no readable XML ({error})", f"expected {EXPECTED}") from error
    if root.tag != "ANNOTATION_DOCUMENT":
        raise InputError(path, f"is XML of the kind {root.tag[:40]!r}", f"expected {EXPECTED}")
    slots: dict[str, float] = {}
    for slot in root.iter("TIME_SLOT"):
        value = slot.get("TIME_VALUE")
        if value is not None and re.fullmatch(r"-?[0-9]{1,15}", value):
            slots[slot.get("TIME_SLOT_ID", "")] = int(value) / 1000
    tiers: dict[str, list[Bout]] = {}
    for tier in root.iter("TIER"):
        if tier.get("LINGUISTIC_TYPE_REF") == "confidence" and tier.get("PARENT_REF"):
            continue  # ours, and no bouts
        name = tier.get("TIER_ID", "")
        bouts = tiers.setdefault(name, [])
        for number, inner in enumerate(tier.iter("ALIGNABLE_ANNOTATION"), 1):
            ends = [slots.get(inner.get(f"TIME_SLOT_REF{k}", "")) for k in (1, 2)]
            if ends[0] is None or ends[1] is None or ends[1] < ends[0] or ends[0] < 0:
                where = f"annotation {number} of the tier {name!r}"
                raise InputError(path, f"{where} has no time, or ends before it starts", "correct it in ELAN")
            value = (inner.findtext("ANNOTATION_VALUE") or "").strip()
            bouts.append(bout_of(ends[0], ends[1], fps, value, number, name))
    media = [node.get("MEDIA_URL", "") for node in root.iter("MEDIA_DESCRIPTOR")]
    return tiers, [name for name in media if name]


def _bouts(path: Path, tiers: dict[str, list[Bout]], options: Options) -> list[Bout]:
    if options.tier is not None:
        if options.tier not in tiers:
            near = nearest(options.tier, list(tiers)).removesuffix("?")
            raise InputError(path, f"has no tier {options.tier!r}{near}", "check tier in the label options")
        tiers = {options.tier: tiers[options.tier]}
    if options.tiers_are == "behaviours":
        return [replace(b, name=name, subject="") for name, bouts in tiers.items() for b in bouts]
    return [bout for bouts in tiers.values() for bout in bouts if bout.name]


def read_labels(
    path: Path, options: Options, *, n_frames: int, fps: float, tasks: dict[str, Task], warn: list[str]
) -> dict[str, Labels]:
    """Read one tier or all; see :func:`workflow_scripts.sources.read_labels`."""
    bouts = _bouts(path, read_tiers(path, fps)[0], options)
    return label_tasks(path, bouts, options, n_frames=n_frames, tasks=tasks, warn=warn)


def _is_mark(tier: str, values: set[str]) -> bool:
    """Say whether the annotations of a tier only mark that it happens: empty, one sign, yes, or the tier's name."""
    return all(len(value) < 2 or value.lower() in {"yes", "true", "on", tier.lower()} for value in values)


def sniff(path: Path) -> Found | None:
    """Tell an ELAN document, and whether its tiers are subjects or behaviours."""
    if path.suffix.lower() != ".eaf" or "<ANNOTATION_DOCUMENT" not in file_head(path).text:
        return None
    tiers, media = read_tiers(path, 100.0)
    found = Found(source="elan", kind="labels")
    filled = {name: bouts for name, bouts in tiers.items() if bouts}
    values = {bout.name for bouts in filled.values() for bout in bouts}
    # A tier is a behaviour of its own where its annotations say no more than that, or all tiers say the same.
    marks = all(_is_mark(name, {bout.name for bout in bouts}) for name, bouts in filled.items())
    if filled and (marks or (len(filled) > 1 and len(values) == 1)):
        found.options = {"tiers_are": "behaviours"}
        found.guessed.append(f"{path.name}: each tier is a behaviour: {', '.join(filled)}.")
    elif len(filled) > 1 and sum(len({bout.name for bout in bouts}) for bouts in filled.values()) == len(values):
        found.options = {"by_subject": False}
        found.guessed.append(f"{path.name}: tiers share no behaviour, so they are no subjects: {', '.join(filled)}.")
        tiers = {name: [replace(bout, subject="") for bout in bouts] for name, bouts in tiers.items()}
    options = Options(multiclass="-", **found.options)
    found.add_bouts(path.stem, _bouts(path, tiers, options), 100.0, media=media)
    return found
