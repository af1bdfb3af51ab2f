"""Options of the behaviour tables; light, since they are read while the graph is built."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workflow_scripts.core.validation import Strict

Measure = Literal["share", "seconds", "bouts", "rate_per_min", "mean_s", "median_s", "latency_s"]


class BehaviourConfig(Strict):
    """Bouts, time budgets, transitions and conditions."""

    methods: list[str] | None = Field(
        None, description="Methods whose predictions are tabulated; empty = those applied, or all where none is."
    )
    bin_s: float = Field(60.0, gt=0, description="Length of a time bin in seconds.")
    conditions: str = Field(
        "",
        description="Table with the columns recording and condition, and where known animal, group and covariates "
        "(tab or comma); empty = as the recordings have them.",
    )
    unit: Literal["auto", "animal", "group", "recording"] = Field(
        "auto", description="What is compared; auto = animals, but groups where several animals share one."
    )
    blocks: list[str] = Field([], description="Covariates within whose values conditions are compared.")
    measures: list[Measure] = Field(
        ["share", "rate_per_min", "mean_s", "latency_s"],
        min_length=1,
        description="Measures compared between conditions: one family of tests, corrected together (Holm).",
    )
    permutations: int = Field(9999, ge=99, description="Random permutations where not every one can be tried.")
    shuffles: int = Field(1000, ge=100, description="Permutations of the order of bouts, for transitions.")
