"""ELAN annotation documents (`.eaf`, EAF 3.0): bouts out, one tier a subject and task."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

from workflow_scripts.core.files import atomic_path
from workflow_scripts.formats.bouts import Bout

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
        By tier. Bouts of one tier must not overlap, as in ELAN itself.
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
        for bout in bouts:
            number += 1
            outer = ET.SubElement(tier, "ANNOTATION")
            ends = {"TIME_SLOT_REF1": slots[bout.start], "TIME_SLOT_REF2": slots[bout.stop]}
            inner = ET.SubElement(outer, "ALIGNABLE_ANNOTATION", {"ANNOTATION_ID": f"a{number}", **ends})
            ET.SubElement(inner, "ANNOTATION_VALUE").text = xml_text(bout.name)
    kind = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "default-lt", "TIME_ALIGNABLE": "true"}
    ET.SubElement(root, "LINGUISTIC_TYPE", kind)
    ET.indent(root)
    with atomic_path(path) as part:
        ET.ElementTree(root).write(part, encoding="UTF-8", xml_declaration=True)
