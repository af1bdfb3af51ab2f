"""Which tasks an experiment asks of a dataset, for what only watches a training: passed through the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

TASKS = "ETHOMAKE_TASKS"


def ask_tasks(tasks: Mapping[str, Sequence[str]]) -> None:
    """Tell jobs the tasks asked of each dataset."""
    os.environ[TASKS] = json.dumps(tasks)


def asked_tasks(dataset: str) -> list[str] | None:
    """Return the tasks asked of a dataset; None where the experiment does not say, or outside of a workflow."""
    asked: dict[str, list[str]] = json.loads(os.environ.get(TASKS) or "{}")
    return asked.get(dataset)
