"""Nested values out of pickles, in which one part may be named many times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.core import limits
from workflow_scripts.core.errors import InputError

NODES = 5_000_000
"""Values of one file, shared ones counted as often as they are named."""


def require_size(path: Path, value: Any, most: int = NODES) -> None:
    """Refuse nested values that are too deep, or too many once what is shared in them is written out.

    A tuple of two references to a tuple of two references … has few bytes and, printed or copied, fills any memory.

    Raises
    ------
    InputError
    """
    sizes: dict[int, int] = {}

    def size(item: Any, depth: int) -> int:
        if depth > limits.DEPTH:
            raise InputError(path, f"holds values nested over {limits.DEPTH} deep", "check where the file comes from")
        if id(item) not in sizes:  # each is looked at once, however often it is named
            children = [*item, *item.values()] if isinstance(item, dict) else list(item)
            inner = (child for child in children if isinstance(child, dict | list | tuple | np.ndarray))
            sizes[id(item)] = len(children) + sum(
                size(child, depth + 1) for child in inner if not isinstance(child, np.ndarray) or child.dtype == object
            )
        return sizes[id(item)]

    if isinstance(value, dict | list | tuple) and size(value, 0) > most:
        raise InputError(path, f"holds more than {most:,} values, written out", "check where the file comes from")
