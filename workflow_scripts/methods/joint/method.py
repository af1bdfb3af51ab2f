"""The functions of joint runs: every member embeds the recording, and its columns follow those of the one before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from scipy.special import softmax

from workflow_scripts import methods
from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.typing import Float32Array
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.methods.joint.config import FILES, Config
from workflow_scripts.training.buffers import Buffers
from workflow_scripts.training.closed_form import ClosedFormModel, dimension_names, embed, import_weights, prepare
from workflow_scripts.training.devices import inference_device
from workflow_scripts.views.tracks import DataSpec, TrackView

FLOOR = 1e-6
"""Least probability in an average: one member alone rules out no class."""

__all__ = ["build", "dimension_names", "embed", "import_weights", "predict", "prepare"]


def _give(model: Any, arrays: Mapping[str, Any]) -> None:
    """Load a member's state from NumPy arrays; a network goes to the GPU where one is there."""
    if isinstance(model, Buffers):
        model.load_state_dict(arrays)
    else:
        import torch  # which the network has loaded

        model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
        model.to(inference_device())
    model.eval()


class Joint(ClosedFormModel):
    """The models of the members, which are read in place of a training.

    Its state is in NumPy arrays, that of networks too, so that torch is needed only where a member is one.

    Parameters
    ----------
    config : Config
        With method and options of each member.
    spec : DataSpec
        Of the data; the members' is the same.
    """

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__(spec)
        if not config.members:
            raise ConfigError("A joint run has no members; name them under the key joint of an experiment.")
        self.config = config
        self.functions = [methods.load(member.method) for member in config.members]
        self.models = [
            functions.build(methods.parse(member.method, member.options), spec)
            for functions, member in zip(self.functions, config.members, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """Return the arrays of all members by name, after their number."""
        state: dict[str, Any] = {"fitted": self.fitted}
        for k, model in enumerate(self.models):
            for name, value in model.state_dict().items():
                state[f"models.{k}.{name}"] = value if isinstance(value, np.ndarray) else value.detach().cpu().numpy()
        return state

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Take over the arrays of a saved state.

        Raises
        ------
        RuntimeError
            When arrays are missing, too many, or of another shape.
        """
        left = dict(state)
        if "fitted" not in left:
            raise RuntimeError("fitted is missing")
        self.fitted[...] = left.pop("fitted")
        for k, model in enumerate(self.models):
            prefix = f"models.{k}."
            own = [name for name in left if name.startswith(prefix)]
            _give(model, {name.removeprefix(prefix): left.pop(name) for name in own})
        if strict and left:
            raise RuntimeError(f"{next(iter(left))} is unknown")

    def _fit(self, view: TrackView) -> dict[str, float]:
        for model, member in zip(self.models, self.config.members, strict=True):
            weights, about = (Path(member.folder) / name for name in FILES)
            if DataSpec.from_dict(read_yaml(about)["spec"]) != self.spec:
                raise InputError(about, "was made for other data than this run", "run the workflow again")
            try:
                _give(model, load_file(weights))
            except (SafetensorError, OSError, RuntimeError) as error:
                problem = " ".join(str(error).split())
                raise InputError(weights, f"does not fit its configuration ({problem})", "train it again") from error
        return {"dimensions": float(len(self.dimension_names()))}

    def dimension_names(self) -> list[str]:
        """Name the dimensions of each member after it."""
        members = zip(self.config.members, self.functions, self.models, strict=True)
        return [
            f"{member.name}: {column}"
            for member, functions, model in members
            for column in functions.dimension_names(model)
        ]

    def _embed(self, recording: Recording) -> Float32Array:
        found: list[Float32Array] = []
        for member, functions, model in zip(self.config.members, self.functions, self.models, strict=True):
            array = functions.embed(model, recording)
            if len(array) != recording.n_frames:
                raise EthoMakeError(
                    f"{member.name} gave {len(array)} rows for the {recording.n_frames} frames of {recording.id!r}; "
                    "its embed function must give one a frame."
                )
            found.append(array)
        return np.concatenate(found, axis=1, dtype=np.float32)

    def probabilities(self, recording: Recording) -> dict[str, Float32Array]:
        """Geometric mean, by task, of the class probabilities (time, classes) of the members that predict it."""
        logs: dict[str, list[Float32Array]] = {}
        for functions, model in zip(self.functions, self.models, strict=True):
            for task, said in (functions.predict(model, recording) or {}).items():
                given = said.scores if isinstance(said, methods.Decided) else said
                logs.setdefault(task, []).append(np.log(np.maximum(given, FLOOR)))
        return {task: softmax(np.mean(each, axis=0), axis=1).astype(np.float32) for task, each in logs.items()}


def predict(model: Joint, recording: Recording) -> dict[str, Float32Array] | None:
    """Average what the members predict by themselves, or return None where not two of them do."""
    if model.config.readout() is None:
        return None
    model.spec.check(recording)
    return model.probabilities(recording)


def build(config: Config, spec: DataSpec) -> Joint:
    """Make the members' models; :meth:`Joint.fit` reads their weights."""
    return Joint(config, spec)
