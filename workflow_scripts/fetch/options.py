"""Options of downloads; light, since they are read while the graph is built."""

from __future__ import annotations

from pydantic import Field

from workflow_scripts.core.validation import Strict


class DownloadConfig(Strict):
    """How files are fetched."""

    attempts: int = Field(5, ge=1, description="Tries of each url, with growing pauses.")
    connect_timeout: float = Field(10, gt=0, description="Seconds to wait for a connection.")
    read_timeout: float = Field(60, gt=0, description="Seconds without a byte after which a try is given up.")
    slowest: float = Field(1000, ge=0, description="Bytes a second, over two minutes, below which a try is given up.")
    max_hours: float = Field(48, gt=0, description="Hours after which the download of one file is given up.")
    max_gigabytes: float = Field(200, gt=0, description="Largest file whose size the card does not state.")
    allow_unverified: bool = Field(
        False,
        description="Take files for which the card has no checksum, although a changed file would not be noticed.",
    )
