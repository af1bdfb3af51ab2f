"""Splits of a card: which recordings or groups are held out."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from workflow_scripts.cards.names import Seed
from workflow_scripts.core.validation import Strict

MOST_FOLDS = 1000


class GroupSplit(Strict):
    """A split named by groups (or by pattern of recording id)."""

    train: list[str] = Field([], description="Groups that train; empty = all that are not in the other lists.")
    validation: list[str] = []
    test: list[str] = Field([], description="Groups held out.")
    by: Literal["group", "animal", "recording_prefix"] = Field(
        "group", description="Whether the lists name groups, animals (of images), or beginnings of recording ids."
    )


class FoldSplit(Strict):
    """Leave-groups-out folds; each list is held out once."""

    folds: list[list[str]] = Field(
        min_length=2, max_length=MOST_FOLDS, description="Groups held out together, one list a fold."
    )
    by: Literal["group", "animal"] = Field("group", description="Whether the lists name groups or animals (of images).")


class DealtSplit(Strict):
    """Folds for many small groups: they are dealt at random, and each fold is held out once."""

    deal: int = Field(ge=2, le=MOST_FOLDS, description="Number of folds.")
    seed: Seed = 0


class RandomSplit(Strict):
    """A number of whole recordings, drawn at random, held out for the test (and for validation)."""

    hold_out: int = Field(
        ge=1, description="Recordings to test on, at least: groups are drawn whole until there are so many."
    )
    validation: int = Field(0, ge=0, description="Recordings to validate on, drawn after those.")
    seed: Seed = 0


Split: TypeAlias = GroupSplit | FoldSplit | DealtSplit | RandomSplit
