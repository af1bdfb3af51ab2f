"""Names of hyper-parameter points, as they stand in paths."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

SETTING_LENGTH = 60
"""Longest hyper-parameter point that is spelt out in a path."""


def setting_name(values: dict[str, Any]) -> str:
    """Name a hyper-parameter point: its swept fields while short (`lr~0.001,layers~2`), else a stable id.

    A swept field that is a group of options (`loss: {lambda_weak: 0}`) is named by those within, `lambda_weak~0`.
    """
    leaves = list(_leaves(values))
    last = [path[-1] for path, _ in leaves]
    named = [
        (name if last.count(name) == 1 else ".".join(path), value)
        for name, (path, value) in zip(last, leaves, strict=True)
    ]
    text = ",".join(f"{name}~{value}" for name, value in named)
    if len(text) <= SETTING_LENGTH and all(c.isalnum() or c in "~,._-" for c in text):
        return text
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def _leaves(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value
