"""Options of downloads; light, since they are read while the graph is built."""

from __future__ import annotations

from pydantic import Field

from workflow_scripts.core.validation import Strict


class DownloadConfig(Strict):
    """How files are fetched."""

    attempts: int = Field(5, ge=1, description="Tries of each url, with growing pauses.")
    connect_timeout: float = Field(10, gt=0, description="Seconds to wait for a connection.")
    read_timeout: float = Field(60, gt=0, description="Seconds without a byte after which a try is given up.")
