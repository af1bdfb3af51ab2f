"""Lengths of the rolling windows that the hand features and the boosted trees take."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator


def _distinct_lengths(value: list[float]) -> list[float]:
    if any(window <= 0 for window in value):
        raise ValueError("every window must be longer than 0 s")
    if len(set(value)) != len(value):
        raise ValueError("every window must be named once")
    return value


Windows: TypeAlias = Annotated[list[float], AfterValidator(_distinct_lengths)]
"""Option of window lengths in seconds: each longer than 0 and named once."""
