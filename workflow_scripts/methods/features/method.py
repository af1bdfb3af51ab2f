"""The features control: named hand features and their rolling statistics, as an expert would list them."""

from __future__ import annotations

import numpy as np

from workflow_scripts.core.typing import Float64Array
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.kinematics.body_roles import find_roles, usual_body_length
from workflow_scripts.kinematics.geometry import odd_window, rolling_moments
from workflow_scripts.kinematics.quantities import Columns, blank_recording, lay_quantities, measure
from workflow_scripts.methods.features.config import Config
from workflow_scripts.training.closed_form import (
    ClosedFormModel,
    RunningCovariance,
    RunningMean,
    dimension_names,
    embed,
    import_weights,
    predict,
    prepare,
    principal_components,
)
from workflow_scripts.views.tracks import DataSpec, TrackView

__all__ = ["build", "dimension_names", "embed", "import_weights", "predict", "prepare"]


class HandFeatures(ClosedFormModel):
    """Hand features; keeps the body length and what stands for a missing value of each."""

    length: Float64Array
    mean: Float64Array
    components: Float64Array

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__(spec)
        self.config = config
        self.roles = find_roles(spec.keypoints, config.roles)
        self.windows = [odd_window(seconds, spec.fps) for seconds in config.windows_s]
        self.quantities = list(self._columns(blank_recording(spec.individuals, spec.keypoints, spec.space)))
        self.register_buffer("length", np.ones(()))
        width = len(self._columns_by_window())
        self.register_buffer("mean", np.zeros(width))
        self.kept = min(config.components, width)
        if self.kept:
            self.register_buffer("components", np.zeros((self.kept, width)))

    def _columns(self, recording: Recording, length: float = 1.0) -> Columns:
        found = measure(
            recording,
            self.roles,
            length,
            smooth_s=self.config.smooth_s,
            contact=self.config.contact,
            near=self.config.near,
        )
        return lay_quantities(found, self.config.identity, self.spec.individuals)

    def _table(self, recording: Recording) -> Float64Array:
        """Every dimension before missing values are filled, shape (time, dim)."""
        now = np.stack(list(self._columns(recording, float(self.length)).values()), axis=1)
        parts = [now]
        for window in self.windows:
            parts += rolling_moments(now, window)
        return np.concatenate(parts, axis=1)

    def _fit(self, view: TrackView) -> dict[str, float]:
        place = f"{view.path}: the training recordings of split {view.split.name!r}"
        self.length.fill(usual_body_length(self.checked(view), self.roles, place))
        means = RunningMean(len(self.mean))
        for recording in view.train(()):
            means.add(self._table(recording))
        self.mean[...] = means.mean()
        metrics = {"body_length": float(self.length), "share_missing": means.share_missing()}
        return metrics | (self._fit_components(view) if self.kept else {})

    def _fit_components(self, view: TrackView) -> dict[str, float]:
        running = RunningCovariance(len(self.mean))
        for recording in view.train(()):
            running.add(self._filled(recording))
        covariance = running.covariance()
        deviation = np.sqrt(np.diag(covariance))
        varying = int((deviation > 1e-12).sum())
        deviation[deviation <= 1e-12] = 1
        components, variance = principal_components(covariance / np.outer(deviation, deviation), self.kept)
        self.components[...] = components / deviation
        return {"explained_variance_ratio": float(variance.sum()) / max(varying, 1)}

    def dimension_names(self) -> list[str]:
        """Return quantity, over whom, and over which window, of every dimension; or number the components."""
        return [f"pc{k + 1}" for k in range(self.kept)] or self._columns_by_window()

    def _columns_by_window(self) -> list[str]:
        names = list(self.quantities)
        for seconds in self.config.windows_s:
            for statistic in ("mean", "sd"):
                names += [f"{name}|{statistic}_{seconds:g}s" for name in self.quantities]
        return names

    def _filled(self, recording: Recording) -> Float64Array:
        table = self._table(recording)
        return np.where(np.isnan(table), self.mean, table)

    def _embed(self, recording: Recording) -> Float64Array:
        filled = self._filled(recording)
        return (filled - self.mean) @ self.components.T if self.kept else filled


def build(config: Config, spec: DataSpec) -> HandFeatures:
    """Make the model, unfitted.

    Raises
    ------
    ConfigError
        When the option roles names a keypoint the data do not have.
    """
    return HandFeatures(config, spec)
