"""Sections of the report: `results/<experiment>/sections/<name>/section.json` and the small files it names.

This is how a system adds to the page: a rule of its own writes the folder with :func:`write_section`, and names the
`section.json` in the list `SECTIONS` of `rules/common.smk`; the report shows whatever is there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from workflow_scripts.core.files import read_json, write_json
from workflow_scripts.core.validation import Strict, validate


class Item(Strict):
    """One thing of a section: a paragraph, a table, a picture, a video or a plot one can zoom.

    The file is beside `section.json` and is named without a folder. Tables and plots are drawn from a csv file;
    the page offers it for download.
    """

    kind: Literal["text", "table", "image", "video", "plot"]
    file: str = Field(
        "", pattern=r"^[^/\\\x00-\x1f]*$", description="csv (table, plot), png/jpg/gif/webp/svg, mp4/webm."
    )
    caption: str = Field("", description="The paragraph itself, for text; else what one sees, in a sentence or two.")
    alt: str = Field("", description="What a picture or video shows, for those who cannot see it; empty = caption.")
    mark: Literal["line", "points", "bars"] = Field("line", description="For a plot.")
    x: str = Field("", description="Column of the horizontal axis of a plot.")
    y: str = Field("", description="Column of the vertical axis of a plot.")
    colour: str = Field("", description="Column whose values get a colour and a legend entry each; empty = one colour.")
    low: str = Field("", description="Column of the lower ends of intervals; with `high`.")
    high: str = Field("", description="Column of the upper ends of intervals.")
    hover: list[str] = Field([], description="Further columns shown under the pointer.")


class Section(Strict):
    """A section of the report.

    With `dataset` it is in that dataset's tab, else with `method` in that method's tab, else in a tab of its own.
    """

    title: str
    dataset: str = ""
    method: str = ""
    order: int = Field(0, description="Sections of one tab are sorted by this, then by title.")
    items: list[Item] = []


def write_section(path: str | Path, section: Section) -> None:
    """Write `section.json`; the files it names are the caller's to write beside it, before."""
    write_json(path, section.model_dump(mode="json", exclude_defaults=True))


def read_section(path: str | Path) -> Section:
    """Read a section.

    Raises
    ------
    InputError
        When the file is absent or is not JSON.
    ConfigError
        When a key is unknown or a value out of range.
    """
    return validate(Section, read_json(path), where=str(path))
