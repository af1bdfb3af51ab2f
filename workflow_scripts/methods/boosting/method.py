"""The five functions of the boosted trees."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from workflow_scripts.behaviour.decided import YES_NO
from workflow_scripts.behaviour.span import Span, learn_span, span_of
from workflow_scripts.core.errors import ConfigError, EthoMakeError
from workflow_scripts.core.typing import Float32Array, Float64Array, Int64Array
from workflow_scripts.core.validation import nearest
from workflow_scripts.formats.tracks import Labels, Recording, by_class
from workflow_scripts.kinematics.body_roles import usual_body_length
from workflow_scripts.kinematics.geometry import odd_window
from workflow_scripts.methods.boosting.balance import draw_frames
from workflow_scripts.methods.boosting.columns import ColumnMaker
from workflow_scripts.methods.boosting.config import Config
from workflow_scripts.methods.boosting.nested import chained, joint_counts, outer_class
from workflow_scripts.methods.boosting.trees import Trees
from workflow_scripts.training.closed_form import ClosedFormModel, dimension_names, embed, import_weights, prepare
from workflow_scripts.views.tracks import DataSpec, TrackView

__all__ = ["build", "dimension_names", "embed", "import_weights", "predict", "prepare"]

FLOOR = 1e-6
"""Least probability of which a logarithm is taken."""


class Boosting(ClosedFormModel):
    """Boosted trees of every task with classes by frame; its embedding is the logarithm of their probabilities."""

    length: Float64Array

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__(spec)
        for task in config.tasks:
            if task not in spec.vocabularies:
                known = list(spec.vocabularies)
                raise ConfigError(f"methods.boosting.tasks: the data have no task {task!r}{nearest(task, known)}.")
        self.config = config
        self.maker = ColumnMaker(config, spec)
        self.tasks = config.tasks or list(spec.vocabularies)
        self.register_buffer("length", np.ones(()))
        self.trees = [Trees() for _ in self.tasks]

    def classes(self, task: str) -> tuple[str, ...]:
        """Class names of a task."""
        return self.spec.vocabularies[task] or YES_NO

    def learnt(self) -> dict[str, Trees]:
        """Return the trees of each task that has any."""
        pairs = zip(self.tasks, self.trees, strict=True)
        return {task: trees for task, trees in pairs if isinstance(trees, Trees) and trees.fitted}

    def _fit(self, view: TrackView) -> dict[str, float]:
        from workflow_scripts.methods.boosting.fit import fit_trees  # scikit-learn takes a second to import

        place = f"{view.path}: the training recordings of split {view.split.name!r}"
        self.length.fill(usual_body_length(self.checked(view), self.maker.roles, place))
        metrics = {"body_length": float(self.length)}
        for task, trees in zip(self.tasks, self.trees, strict=True):
            # One task's rows at a time bound the memory; columns are cheap beside trees.
            span = self._span(view, task)
            x, codes, groups, counts = self._rows(view, task, edges=span is not None)
            if len(np.unique(codes)) < 2 or not isinstance(trees, Trees):
                continue
            parent = self._parent(view, task)
            # Where something else decides about the background, no weight is sought for it.
            settled = span[0] if span else parent[2] if parent else None
            found = fit_trees(x, codes, groups, self.config, counts, settled)
            laid = (span[0], *span[1]) if span else ()
            trees.take(
                found.model, found.codes, found.temperature, found.shifts.tolist(), laid, parent or (), found.columns
            )
            metrics |= {f"span/{task}": span[1].length} if span else {}
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

    def _span(self, view: TrackView, task: str) -> tuple[int, Span] | None:
        """Background, and the span that the training recordings are scored in."""
        found: list[tuple[int, int] | None] = []
        background = None
        for recording in view.train():
            labels = recording.labels.get(task)
            if labels is None or not _has_classes(labels) or not labels.mask.any() or labels.background is None:
                continue
            background = self.classes(task).index(labels.background)
            found.append(span_of(labels.values.astype(np.int64), labels.mask, background))
        known = learn_span(found) if self.config.span == "auto" else None
        return None if known is None or background is None else (background, known)

    def _parent(self, view: TrackView, task: str) -> tuple[int, int, int] | None:
        """Number and class of the task whose class this one divides into kinds, and this one's background."""
        counts: dict[int, Float64Array] = {}
        background = None
        for recording in view.train():
            inner = recording.labels.get(task)
            if inner is None or not _has_classes(inner) or inner.background is None or len(self.classes(task)) < 3:
                continue
            background = self.classes(task).index(inner.background)
            for number, other in enumerate(self.tasks):
                outer = recording.labels.get(other)
                if other == task or outer is None or not _has_classes(outer):
                    continue
                both = inner.mask & outer.mask
                codes = [labels.values[both].astype(np.int64) for labels in (outer, inner)]
                found = joint_counts(codes[0], codes[1], len(self.classes(other)), background)
                counts[number] = counts.get(number, 0) + found
        for number, found in counts.items():
            code = outer_class(found)
            if code is not None and background is not None:
                return number, code, background
        return None

    def _rows(
        self, view: TrackView, task: str, *, edges: bool
    ) -> tuple[Float32Array, Int64Array, Int64Array, Float64Array]:
        """Columns, classes and group numbers of the frames that train a task, and for how many each stands."""
        xs: list[Float32Array] = []
        codes, groups, counts = [], [], []
        number = {group: k for k, group in enumerate(sorted(set(view.split.groups.values())))}
        for recording in view.train():
            labels = recording.labels.get(task)
            if labels is None or not _has_classes(labels) or not labels.mask.any():
                continue
            # Recording and task go into the seed, so that adding another one changes no draw.
            rng = np.random.default_rng([self.config.seed, *task.encode(), *recording.id.encode()])
            known = np.flatnonzero(labels.mask)
            drawn, stand_for = draw_frames(labels.values[known].astype(np.int64), self.config.frames_a_recording, rng)
            known = known[drawn]
            counts.append(stand_for)
            xs.append(self.maker.columns(recording, float(self.length), edges=edges)[known])
            codes.append(labels.values[known].astype(np.int64))
            groups.append(np.full(len(known), number[view.split.groups[recording.id]]))
        if not xs:
            return np.zeros((0, 0), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        return np.concatenate(xs), np.concatenate(codes), np.concatenate(groups), np.concatenate(counts)

    def dimension_names(self) -> list[str]:
        """Name the class of every dimension."""
        return [f"{task}/{name}" for task in self.learnt() for name in self.classes(task)]

    def _embed(self, recording: Recording) -> Float32Array:
        found = np.concatenate(list(self.probabilities(recording).values()), axis=1)
        logs: Float32Array = np.log(np.maximum(found, FLOOR)).astype(np.float32)
        return logs

    def probabilities(self, recording: Recording) -> dict[str, Float32Array]:
        """Class probabilities of every frame by task."""
        window = odd_window(self.config.steady_s, recording.fps)
        columns: dict[bool, Float32Array] = {}
        found = {}
        for task, trees in self.learnt().items():
            edges = trees.scored_span is not None
            if edges not in columns:
                columns[edges] = self.maker.columns(recording, float(self.length), edges=edges)
            each = trees.probabilities(columns[edges], len(self.classes(task)))
            if window > 1 and len(each):
                each = uniform_filter1d(each, window, axis=0, mode="nearest")
            found[task] = each
        decided = {}
        for task, trees in self.learnt().items():
            each = found[task]
            if trees.nested_in is not None and self.tasks[trees.nested_in[0]] in found:
                number, code, background = trees.nested_in
                each = chained(each, background, found[self.tasks[number]][:, code])
            decided[task] = trees.decided(each, recording.fps)
        return decided


def _has_classes(labels: Labels) -> bool:
    return by_class(labels.kind, labels.level)


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
