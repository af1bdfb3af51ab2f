"""Write a proposal: the card as YAML with its guesses as comments, and the sheet as tab-separated text."""

from __future__ import annotations

import csv
import io

import yaml

from workflow_scripts.cards.sheet import COLUMNS
from workflow_scripts.convert.propose.proposal import Proposal


class _Plain(yaml.SafeDumper):
    """YAML without anchors: a value that is there twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:
        """Say that nothing is referred to."""
        return True


ALWAYS = ("recording", "file", "labels", "group", "animal", "condition")
"""Columns that are there even where empty, so that people find where to write."""


def _comments(title: str, lines: list[str]) -> str:
    """Return comment lines; what a file is called may hold any sign, but no line end."""
    if not lines:
        return ""
    return f"# {title}:\n" + "".join(f"# - {' '.join(line.split())}\n" for line in lines)


def card_yaml(proposal: Proposal) -> str:
    """Return the card as YAML, with what was guessed and what is left to do as comments on top."""
    body = yaml.dump(
        proposal.card, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None
    )
    return (
        "# Proposed by ethomake new-dataset.\n"
        + _comments("Left to you", proposal.unknown)
        + _comments("Guessed; correct what is wrong", proposal.guessed)
        + body
    )


def sheet_tsv(proposal: Proposal) -> str:
    """Return the sheet as text; columns that no row fills are left out, but for those people will want to fill."""
    used = {name for row in proposal.rows for name, cell in row.items() if cell}
    columns = [name for name in COLUMNS if name in used or name in ALWAYS]
    columns += [name for name in dict.fromkeys(k for row in proposal.rows for k in row) if name not in COLUMNS]
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(name, "") for name in columns] for row in proposal.rows)
    return out.getvalue()
