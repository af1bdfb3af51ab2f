"""`training_history.log` in the original's format: one row an epoch, columns in task order."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.core.files import write_text
from workflow_scripts.methods.lisbet.config import OLD_NAMES, Config
from workflow_scripts.methods.lisbet.labels import Head

METRICS = {
    "binary": ("accuracy_score",),
    "geom": ("alignment", "uniformity"),
    "multiclass": ("macro_f1_score",),
    "multilabel": ("macro_f1_score",),
}


def task_name(head: Head, config: Config) -> str:
    """Return the name of a head as the user spelt its task."""
    spelt = {OLD_NAMES.get(name, name): name for name in config.tasks}
    return spelt.get(head.name, head.name)


class History:
    """Appends epochs to a run's history.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    heads : sequence of Head
    config : Config
    """

    def __init__(self, folder: Path, heads: Sequence[Head], config: Config) -> None:
        self.path = folder / "training_history.log"
        self.heads, self.config = heads, config

    def row(self, epoch: int, metrics: Mapping[str, Any]) -> dict[str, float]:
        """Arrange an epoch's metrics: per task metric and loss, training before held-out."""
        row: dict[str, float] = {"epoch": epoch}
        for side, name in (("train", "train"), ("val", "dev")):
            for head in self.heads:
                for metric in (*METRICS[head.kind], "loss"):
                    key = f"{side}_{head.name}_{metric}"
                    if key in metrics:
                        row[f"{task_name(head, self.config)}_{name}_{metric}"] = float(metrics[key])
        return row

    def append(self, epoch: int, metrics: Mapping[str, Any]) -> None:
        """Add an epoch; rows from it on (of a run that was cut off) are dropped, and epoch 0 starts a new file."""
        row = pd.DataFrame([self.row(epoch, metrics)])
        if epoch and self.path.is_file():
            former = pd.read_csv(self.path, index_col=0)
            row = pd.concat([former[former["epoch"] < epoch], row], ignore_index=True)
        buffer = io.StringIO()
        row.to_csv(buffer)
        write_text(self.path, buffer.getvalue())
