"""The inputs of `hostile.py` and `hostile_more.py`: one sentence, or read where that is right; never anything else."""

from __future__ import annotations

import os

import pytest

from tests.security import hostile_more
from tests.security.hostile import Case, general, special, tried

SPECIAL = [*special(), *hostile_more.special()]
EVERY = int(os.environ.get("ETHOMAKE_HOSTILE_EVERY", "5"))
"""One in so many of the general inputs is tried here; `make fuzz` and the script itself try all."""
GENERAL = [*list(general())[::EVERY], *list(hostile_more.general())[:: 4 * EVERY]]


@pytest.mark.parametrize("case", [*SPECIAL, *GENERAL], ids=lambda case: case.name)
def test_input(case: Case) -> None:
    kind, words, _, _ = tried(case)
    assert kind in ({"sentence", "read"} if case.may else {"sentence"}), f"{kind}: {words}"
