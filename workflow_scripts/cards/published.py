"""Numbers from the literature: `config/published.yaml`, laid beside those a card brings itself.

Imported while the graph is built, so nothing heavy may be imported here.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from workflow_scripts.cards.card import Card
from workflow_scripts.cards.parts import Published
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.validation import Strict, validate


class Line(Strict):
    """One line of a printed table: one value a method, as it is printed."""

    task: str
    metric: str
    values: list[float | None] = Field(description="In the order of the table's methods; empty where none is printed.")
    scale: float = Field(1.0, gt=0, description="Multiplied with the values: 0.01 where per cent are printed.")


class PrintedTable(Strict):
    """A table of a publication."""

    dataset: str = Field(description="Name of a card, or of a dataset that has none here.")
    source: str = Field(description="The publication.")
    place: str = Field(description="Table, page or file in it.")
    url: str
    verified: bool = Field(description="True where somebody of this project read the numbers there.")
    protocol: str = Field(description="How those numbers came about, where it differs from ours.")
    methods: list[str] = Field(min_length=1, description="Names as printed.")
    ours: dict[str, str] = Field({}, description="Printed name → our method of the same kind.")
    lines: list[Line] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits(self) -> PrintedTable:
        for line in self.lines:
            if len(line.values) != len(self.methods):
                raise ValueError(
                    f"{line.task}, {line.metric}: {len(line.values)} values for {len(self.methods)} methods"
                )
        for name in self.ours:
            if name not in self.methods:
                raise ValueError(f"ours names {name!r}, which is not among the methods")
        return self

    def numbers(self) -> list[Published]:
        """Return the table number by number."""
        return [
            Published(
                method=method,
                ours=self.ours.get(method, ""),
                task=line.task,
                metric=line.metric,
                value=float(f"{value * line.scale:.10g}"),
                source=self.source,
                place=self.place,
                url=self.url,
                verified=self.verified,
                protocol=self.protocol,
            )
            for line in self.lines
            for method, value in zip(self.methods, line.values, strict=True)
            if value is not None
        ]


class PublishedTables(Strict):
    """`config/published.yaml`."""

    tables: dict[str, PrintedTable] = {}


def load_published(root: str | Path) -> dict[str, list[Published]]:
    """Read the numbers of the literature.

    Parameters
    ----------
    root : str or Path
        Folder that holds `config/`.

    Returns
    -------
    dict of str to list of Published
        By dataset; empty where there is no such file.
    """
    path = Path(root) / "config" / "published.yaml"
    if not path.is_file():
        return {}
    found: dict[str, list[Published]] = {}
    for table in validate(PublishedTables, read_yaml(path), where=str(path)).tables.values():
        found.setdefault(table.dataset, []).extend(table.numbers())
    return found


def with_published(card: Card, published: dict[str, list[Published]]) -> Card:
    """Return the card with the numbers of the literature behind its own."""
    return card.model_copy(update={"published": [*card.published, *published.get(card.name, [])]})
