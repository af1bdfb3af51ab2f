"""Several modules of EthoMake in one workflow."""

from __future__ import annotations

from typing import Any

DATA_RULES = (
    "download",
    "simulate",
    "unpack",
    "detect",
    "locate",
    "clips",
    "convert",
    "tracks",
    "images",
    "card",
    "split",
    "audit",
)
"""Rules that make `resources/` and `data/`. They depend on a dataset's card alone, so any module's do the same."""


def share_datasets(workflow: Any) -> None:
    """Let the first of several modules make the data of a dataset that they share; else Snakemake finds it ambiguous.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        While EthoMake's Snakefile is read, after its rules.
    """
    mine = {rule: name for rule in DATA_RULES if workflow.is_rule(name := workflow.modifier.modify_rulename(rule))}
    earlier: list[dict[str, str]] = workflow.__dict__.setdefault("_ethomake_data_rules", [])
    for other in earlier:
        for rule in mine.keys() & other.keys():
            # Not `workflow.ruleorder`, which would give the other module's rule the name that it has in this one.
            workflow._ruleorder.add(other[rule], mine[rule])
    earlier.append(mine)
