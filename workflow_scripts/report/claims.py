"""The two sentences a scientist may write about a task, from the tests alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workflow_scripts.metrics.registry import find
from workflow_scripts.metrics.registry import title as title_of
from workflow_scripts.report.tables import number

LEVEL = 0.05


@dataclass(frozen=True)
class Claim:
    """What the tests say about the best method of one task: a sentence on the difference, and one on its certainty."""

    dataset: str
    task: str
    finding: str
    certainty: str


def p_value(p: float) -> str:
    """Return ``p = 0.031`` or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _seen_from(row: dict[str, Any], label: str) -> dict[str, Any]:
    """Turn a pair round so that `label` comes first."""
    if row["a"] == label:
        return row
    turned = {"a": row["b"], "b": row["a"], "value_a": row["value_b"], "value_b": row["value_a"]}
    turned |= {"difference": -row["difference"], "low": -row["high"], "high": -row["low"]}
    return row | turned | {"seeds_a": row["seeds_b"], "seeds_b": row["seeds_a"]}


def _how(row: dict[str, Any]) -> str:
    kind = "exact paired permutation test" if row["exact"] in {True, "True"} else "paired permutation test"
    corrected = f"{p_value(row['p_holm'])} after Holm's correction for {int(row['comparisons'])} comparisons"
    interval = ""
    if math.isfinite(row["low"]) and math.isfinite(row["high"]):
        interval = f"95 % interval [{number(row['low'], 3)}, {number(row['high'], 3)}] over groups; "
    return (
        f"{interval}{kind} {p_value(row['p'])}, {corrected}"
        if row["comparisons"] > 1
        else (f"{interval}{kind} {p_value(row['p'])}")
    )


def _certainty(row: dict[str, Any]) -> str:
    groups = f"{int(row['n_groups'])} held-out group{'' if row['n_groups'] == 1 else 's'}"
    if row["p_holm"] <= LEVEL:
        return "The difference is significant at the 5 % level"
    least = min(1.0, row["smallest_p"] * row["comparisons"])
    text = "The difference is not significant at the 5 % level"
    if least > LEVEL:
        text += f", and could not have been: {groups} allow no corrected p below {least:.2g}, however large it is"
    return text


def claims(tests: pd.DataFrame) -> list[Claim]:
    """Say of every task which method is best, by how much, and how sure that is.

    Parameters
    ----------
    tests : DataFrame
        `tests.csv`.
    """
    found = []
    for (dataset, task), rows in tests.groupby(["dataset", "task"], sort=False):
        records: list[dict[str, Any]] = [
            {str(key): value for key, value in row.items()} for row in rows[rows["p"].notna()].to_dict("records")
        ]
        values: dict[str, float] = {}
        chance = {row["b"] for row in records if row["family"] == "chance"}
        for row in records:
            values |= {row["a"]: row["value_a"], row["b"]: row["value_b"]}
        metric = str(rows["metric"].iloc[0])
        sign = 1 if find(metric).lower_is_better else -1
        order = sorted(values, key=lambda label: (sign * values[label], label))
        methods = [label for label in order if label not in chance]
        if not methods:
            continue
        found.append(_claim(str(dataset), str(task), metric, records, methods, [c for c in order if c in chance]))
    return found


def _claim(
    dataset: str, task: str, metric: str, records: list[dict[str, Any]], methods: list[str], chance: list[str]
) -> Claim:
    best = methods[0]
    pairs = {frozenset((row["a"], row["b"])): _seen_from(row, best) for row in records if best in (row["a"], row["b"])}
    second = pairs.get(frozenset((best, methods[1]))) if len(methods) > 1 else None
    floor = pairs.get(frozenset((best, chance[0]))) if chance else None
    first = second or floor
    if first is None:
        return Claim(dataset, task, f"{best} is the only method on {task} of {dataset}.", "There is nothing to test.")
    seeds = f", mean of {int(first['seeds_a'])} seeds" if first["seeds_a"] > 1 else ""
    extreme = "lowest" if find(metric).lower_is_better else "highest"
    groups = f"{int(first['n_groups'])} held-out group{'' if first['n_groups'] == 1 else 's'}"
    reached = f"the {extreme} {title_of(metric)} of {len(methods)} methods," if second else title_of(metric)
    opening = f"On {task} of {dataset}, {best} reached {reached} {number(first['value_a'], 3)} over {groups}{seeds}"
    gap = number(abs(first["difference"]), 3)
    side = "below" if find(metric).lower_is_better else "above"
    if second is not None:
        finding = f"{opening}: {gap} {side} the next best, {second['b']} ({_how(second)})."
    else:
        finding = f"{opening}: {gap} {side} the chance row {first['b']} ({_how(first)})."
    certainty = _certainty(first)
    if second is not None and floor is not None:
        better = (floor["difference"] < 0) == find(metric).lower_is_better and floor["difference"] != 0
        side = "better" if better else "no better"
        certainty += (
            f"; {best} did {side} than {floor['b']}, the best chance row that says one class a frame, "
            f"by {number(abs(floor['difference']), 3)} "
            f"({_how(floor)})"
        )
    return Claim(dataset, task, finding, f"{certainty}.")
