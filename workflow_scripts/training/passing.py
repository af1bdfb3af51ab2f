"""The LightningModule around a model of ours: it passes the Trainer's calls on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lightning.pytorch import LightningModule

from workflow_scripts.training.model import HOOKS, TrainedModel


class Passing(LightningModule):
    """Passes hooks on to a model; its state dict is the model's, so that checkpoints name the model's tensors alone.

    Parameters
    ----------
    model : TrainedModel
    """

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        self.model = model

    def state_dict(self, *args: Any, **options: Any) -> Any:
        """Return the model's."""
        return self.model.state_dict(*args, **options)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load the model's."""
        return self.model.load_state_dict(state_dict, strict=strict, assign=assign)


def _hook(name: str) -> Callable[..., Any]:
    def call(self: Passing, *args: Any, **options: Any) -> Any:
        return getattr(self.model, name)(*args, **options)

    call.__name__ = name
    return call


def passing(model: TrainedModel) -> Passing:
    """Put a LightningModule around a model, with the hooks that the model has: Lightning asks which are overridden."""
    hooks = {name: _hook(name) for name in HOOKS if hasattr(model, name)}
    made: Passing = type(type(model).__name__, (Passing,), hooks)(model)
    return made


def model_of(module: LightningModule) -> Any:
    """Return the model that a LightningModule trains: its own, or itself."""
    return module.model if isinstance(module, Passing) else module
