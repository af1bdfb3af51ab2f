"""The raw control: what a probe can read off the coordinates of a single frame."""

from __future__ import annotations

import numpy as np

from workflow_scripts.core.typing import Float64Array
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.kinematics.body_roles import RoleNames, find_roles, lay_recording
from workflow_scripts.kinematics.geometry import fill_last_seen, flat, lay_names
from workflow_scripts.methods.raw.config import Config
from workflow_scripts.training.closed_form import (
    ClosedFormModel,
    Normaliser,
    RunningMean,
    dimension_names,
    embed,
    import_weights,
    predict,
    prepare,
)
from workflow_scripts.views.tracks import DataSpec, TrackView

__all__ = ["build", "dimension_names", "embed", "import_weights", "predict", "prepare"]


class Raw(ClosedFormModel):
    """Coordinates, normalised and filled; keeps origin, scale and the mean of every column."""

    mean: Float64Array

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__(spec)
        self.config = config
        self.roles = find_roles(spec.keypoints, RoleNames())
        self.columns = lay_names(spec.individuals, spec.keypoints, spec.space, config.coordinates)
        self.normaliser = Normaliser(spec)
        self.register_buffer("mean", np.zeros(len(self.columns)))

    def _lay(self, recording: Recording) -> Float64Array:
        return lay_recording(recording, self.normaliser.apply_to, self.config.coordinates, self.roles)

    def _fit(self, view: TrackView) -> dict[str, float]:
        self.normaliser.fit(view)
        means = RunningMean(len(self.columns))
        for recording in view.train(()):
            self.spec.check(recording)
            means.add(self._lay(recording))
        self.mean[...] = means.mean()
        return {"share_missing": means.share_missing()}

    def dimension_names(self) -> list[str]:
        """Return individual, keypoint and axis of every dimension."""
        if not self.config.seen:
            return self.columns
        points = [f"{who}.{point}.seen" for who in self.spec.individuals for point in self.spec.keypoints]
        return self.columns + points

    def _embed(self, recording: Recording) -> Float64Array:
        laid, mean = self._lay(recording), self.mean
        filled = fill_last_seen(laid, mean) if self.config.fill == "last_seen" else np.where(np.isnan(laid), mean, laid)
        if not self.config.seen:
            return filled
        seen = flat(~np.isnan(recording.position[..., 0]))
        return np.concatenate([filled, seen], axis=1)


def build(config: Config, spec: DataSpec) -> Raw:
    """Make the model, unfitted."""
    return Raw(config, spec)
