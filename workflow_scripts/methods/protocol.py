"""What a method's `method.py` provides, as types: the functions every method has, and what only some can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable


class Method(Protocol):
    """Functions of every method (DESIGN §4); a module is one.

    The types of views, specifications, models and recordings are those of the method's kind of data.
    """

    def prepare(self, view: Any, config: Any) -> Any:
        """Return the data module that a model is fitted on."""

    def build(self, config: Any, spec: Any) -> Any:
        """Return the model, a `torch.nn.Module` or :class:`workflow_scripts.training.buffers.Buffers`."""

    def embed(self, model: Any, recording: Any) -> Any:
        """Return float32 (time, dim), one row a frame."""

    def predict(self, model: Any, recording: Any) -> Any:
        """Return probabilities or points by task, or None where the method has none."""

    def dimension_names(self, model: Any) -> list[str]:
        """Name the dimensions of the embedding."""


@runtime_checkable
class ImportsWeights(Protocol):
    """A method with a published program whose checkpoints it reads."""

    def import_weights(self, path: str | Path) -> dict[str, Any]:
        """Return the original's checkpoint as a state dict."""


@runtime_checkable
class Augments(Protocol):
    """A method that trains on an augmented set kept as a file (`Options.stored_copies`)."""

    def augment_file(self, data: Path, output: Path, index: Path, options: dict[str, Any], seed: int) -> None:
        """Write the augmented set of a dataset and its index."""


@runtime_checkable
class PredictsFiles(Protocol):
    """A method that predicts single files of its kind of data."""

    def predict_file(self, model: Any, file: Path, folder: Path, **options: Any) -> list[Path]:
        """Predict one file and return the paths of what was written."""


@runtime_checkable
class Finishes(Protocol):
    """A method that adds to a run's folder after training what the published program leaves there."""

    def finish(self, folder: Path) -> None:
        """Write the files of the published program."""


@runtime_checkable
class ImportsOriginals(Protocol):
    """A method that makes a run of a model of its published program from the model's files alone."""

    def recognises(self, path: Path) -> bool:
        """Whether a path is such a model."""

    def import_original(self, path: Path, facts: Any) -> Any:
        """Return the model as a :class:`workflow_scripts.methods.Imported`."""


@runtime_checkable
class ImportsRuns(Protocol):
    """A method whose published models leave open what only recordings or the user tell."""

    def recognises(self, path: Path) -> bool:
        """Whether a path is such a model."""

    def import_run(self, path: Path, folder: Path, options: dict[str, Any], *, data: Path | None) -> None:
        """Write the folder of a run."""


@runtime_checkable
class ExportsOriginals(Protocol):
    """A method that writes runs in the file layout of its published program."""

    def export_original(self, model: Any, run: Path, output: Path, **options: Any) -> list[Path]:
        """Write the files and return their paths."""
