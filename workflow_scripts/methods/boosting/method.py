"""The five functions of the boosted trees."""

from __future__ import annotations

import numpy as np
import torch

from workflow_scripts.core.errors import ConfigError, EthoMakeError
from workflow_scripts.core.typing import Float32Array, Int64Array
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.kinematics.body_roles import body_length
from workflow_scripts.methods.boosting.columns import ColumnMaker
from workflow_scripts.methods.boosting.config import Config
from workflow_scripts.methods.boosting.fit import fit_trees
from workflow_scripts.methods.boosting.trees import Trees
from workflow_scripts.training.closed_form import ClosedFormModel, dimension_names, embed, import_weights, prepare
from workflow_scripts.views.tracks import DataSpec, TrackView

__all__ = ["build", "dimension_names", "embed", "import_weights", "predict", "prepare"]

FLOOR = 1e-6
"""Least probability of which a logarithm is taken."""

YES_NO = ("0", "1")
"""Classes of a binary task that names none."""


class Boosting(ClosedFormModel):
    """Boosted trees of every task with classes by frame; its embedding is the logarithm of their probabilities."""

    length: torch.Tensor

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__(spec)
        for task in config.tasks:
            if task not in spec.vocabularies:
                known = list(spec.vocabularies)
                raise ConfigError(f"methods.boosting.tasks: the data have no task {task!r}{nearest(task, known)}.")
        self.config = config
        self.maker = ColumnMaker(config, spec)
        self.tasks = config.tasks or list(spec.vocabularies)
        self.register_buffer("length", torch.ones((), dtype=torch.float64))
        self.trees = torch.nn.ModuleList(Trees() for _ in self.tasks)

    def classes(self, task: str) -> tuple[str, ...]:
        """Class names of a task."""
        return self.spec.vocabularies[task] or YES_NO

    def learnt(self) -> dict[str, Trees]:
        """Return the trees of each task that has any."""
        pairs = zip(self.tasks, self.trees, strict=True)
        return {task: trees for task, trees in pairs if isinstance(trees, Trees) and trees.fitted}

    def _fit(self, view: TrackView) -> dict[str, float]:
        lengths = []
        for recording in view.train():
            self.spec.check(recording)
            lengths.append(body_length(recording.position, self.maker.roles))
        usable = [length for length in lengths if np.isfinite(length) and length > 0]
        if not usable:
            raise EthoMakeError(
                f"{view.path}: the training recordings of split {view.split.name!r} never show front and rear of an "
                "animal together, so its body has no length; name other keypoints in the option roles."
            )
        self.length.fill_(float(np.median(usable)))
        metrics = {"body_length": float(self.length)}
        for task, trees in zip(self.tasks, self.trees, strict=True):
            # One task's rows at a time bound the memory; columns are cheap beside trees.
            x, codes, groups = self._rows(view, task)
            if len(np.unique(codes)) < 2 or not isinstance(trees, Trees):
                continue
            found = fit_trees(x, codes, groups, self.config)
            trees.take(found.model, found.codes, found.temperature)
            metrics |= {
                f"frames/{task}": float(len(codes)),
                f"rounds/{task}": float(found.rounds),
                f"temperature/{task}": found.temperature,
                f"inner_loss/{task}": found.loss,
            }
        if not self.learnt():
            raise EthoMakeError(
                f"{view.path}: the training recordings of split {view.split.name!r} show no two classes of any task by "
                f"frame ({', '.join(self.tasks) or 'there are no tasks'}); boosting needs labels to learn from."
            )
        return metrics

    def _rows(self, view: TrackView, task: str) -> tuple[Float32Array, Int64Array, Int64Array]:
        """Columns, classes and group numbers of the frames that train a task."""
        xs, codes, groups = [np.zeros((0, len(self.maker.names())), np.float32)], [], []
        number = {group: k for k, group in enumerate(sorted(set(view.split.groups.values())))}
        for recording in view.train():
            labels = recording.labels.get(task)
            if labels is None or not _has_classes(labels) or not labels.mask.any():
                continue
            # Recording and task go into the seed, so that adding another one changes no draw.
            rng = np.random.default_rng([self.config.seed, *task.encode(), *recording.id.encode()])
            known = np.flatnonzero(labels.mask)
            if len(known) > self.config.frames_a_recording:
                known = np.sort(rng.choice(known, self.config.frames_a_recording, replace=False))
            xs.append(self.maker.columns(recording, float(self.length))[known])
            codes.append(labels.values[known].astype(np.int64))
            groups.append(np.full(len(known), number[view.split.groups[recording.id]]))
        blank: Int64Array = np.zeros(0, np.int64)
        return np.concatenate(xs), np.concatenate([blank, *codes]), np.concatenate([blank, *groups])

    def dimension_names(self) -> list[str]:
        """Name the class of every dimension."""
        return [f"{task}/{name}" for task in self.learnt() for name in self.classes(task)]

    def _embed(self, recording: Recording) -> Float32Array:
        found = np.concatenate(list(self.probabilities(recording).values()), axis=1)
        logs: Float32Array = np.log(np.maximum(found, FLOOR)).astype(np.float32)
        return logs

    def probabilities(self, recording: Recording) -> dict[str, Float32Array]:
        """Class probabilities of every frame by task."""
        x = self.maker.columns(recording, float(self.length))
        return {task: trees.probabilities(x, len(self.classes(task))) for task, trees in self.learnt().items()}


def _has_classes(labels: Labels) -> bool:
    return labels.level == "frame" and labels.kind in ("binary", "multiclass")


def build(config: Config, spec: DataSpec) -> Boosting:
    """Make the model, unfitted.

    Raises
    ------
    ConfigError
        When an option names a keypoint or a task that the data do not have.
    """
    return Boosting(config, spec)


def predict(model: Boosting, recording: Recording) -> dict[str, Float32Array]:
    """Class probabilities of every frame (time, classes) by task, divided by the temperature of the inner folds."""
    model.spec.check(recording)
    return model.probabilities(recording)
