"""A run: what one model is trained on, how, and with which seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

JOINT = "joint"
"""Name, in the registry of methods, of what a joint run is."""


@dataclass(frozen=True)
class Run:
    """Dataset × method × mode × hyper-parameter setting × split × seed.

    `window` is the number of frames that the method sees at a time, where its scores are beside those of windows.
    `members` are, of a joint run, the runs whose embeddings it sets side by side, by the name it gives them; its
    `method` is the name of its row. `shared` is, where its split differs from another in hidden labels alone and its
    method reads no labels, the run of that other split, whose training and embeddings it uses.
    """

    dataset: str
    method: str
    mode: str
    setting: str
    split: str
    seed: int
    family: str
    options: dict[str, Any] = field(compare=False)
    readout: str | None = field(default=None, compare=False)
    window: int | None = field(default=None, compare=False)
    members: dict[str, Run] = field(default_factory=dict, compare=False)
    shared: Run | None = field(default=None, compare=False)

    @property
    def program(self) -> str:
        """Name of the method in the registry."""
        return JOINT if self.members else self.method

    @property
    def trained(self) -> Run:
        """The run whose training, embedder and embeddings it uses: mostly itself."""
        return self.shared or self

    def path(self, split: str | None = None) -> str:
        """Path below `results/<experiment>/` (of another split of the same run, where given)."""
        return f"runs/{self.dataset}/{self.method}/{self.mode}/{self.setting}/{split or self.split}/seed{self.seed}"

    def columns(self, split: str | None = None) -> dict[str, Any]:
        """What the run writes into every row of its tables (of another split, where given)."""
        columns = {key: getattr(self, key) for key in ("dataset", "method", "mode", "setting", "seed")}
        return columns | {"split": split or self.split}

    def about(self) -> dict[str, Any]:
        """Settings of the run's point, the same in every split and with every seed."""
        if not self.members:
            return self.options
        return {"members": {name: f"{run.method}/{run.mode}/{run.setting}" for name, run in self.members.items()}}
