"""The PCA control: what the best linear summary of a short window of coordinates gives a probe."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.typing import Float64Array
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.kinematics.body_roles import RoleNames, find_roles, lay_recording
from workflow_scripts.kinematics.geometry import fill_last_seen, lay_names
from workflow_scripts.methods.pca.config import Config
from workflow_scripts.training.closed_form import (
    ClosedFormModel,
    Normaliser,
    RunningCovariance,
    dimension_names,
    embed,
    import_weights,
    predict,
    prepare,
    principal_components,
)
from workflow_scripts.views.tracks import DataSpec, TrackView

CHUNK = 4096
"""Windows stacked at a time; bounds the memory whatever the length of a recording."""

__all__ = ["build", "dimension_names", "embed", "import_weights", "predict", "prepare"]


class WindowedPCA(ClosedFormModel):
    """Principal components of stacked windows; keeps mean, components and the variance they explain."""

    mean: Float64Array
    components: Float64Array
    explained_variance: Float64Array

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__(spec)
        self.config = config
        self.roles = find_roles(spec.keypoints, RoleNames())
        columns = config.window * len(lay_names(spec.individuals, spec.keypoints, spec.space, config.coordinates))
        self.dim = min(config.dim, columns)
        self.normaliser = Normaliser(spec)
        self.register_buffer("mean", np.zeros(columns))
        self.register_buffer("components", np.zeros((self.dim, columns)))
        self.register_buffer("explained_variance", np.zeros(self.dim))

    def windows(self, recording: Recording) -> Iterator[Float64Array]:
        """Yield stacked windows, one a frame, in chunks of shape (n, window · columns).

        Missing coordinates take their last seen value, before the first 0: the middle of the image or of the animal.
        """
        laid = lay_recording(recording, self.normaliser.apply_to, self.config.coordinates, self.roles)
        filled = fill_last_seen(laid, np.zeros(laid.shape[1]))
        offsets = (np.arange(self.config.window) - self.config.window // 2) * self.config.stride
        for start in range(0, len(filled), CHUNK):
            frames = np.arange(start, min(start + CHUNK, len(filled)))
            index = np.clip(frames[:, None] + offsets, 0, len(filled) - 1)
            yield filled[index].reshape(len(frames), -1)

    def _fit(self, view: TrackView) -> dict[str, float]:
        self.normaliser.fit(view)
        running = RunningCovariance(len(self.mean))
        for recording in view.train(()):
            self.spec.check(recording)
            for stacked in self.windows(recording):
                running.add(stacked)
        if running.count < 2:
            raise EthoMakeError(f"{view.path}: one training frame has no principal components; give more recordings.")
        covariance = running.covariance()
        components, variance = principal_components(covariance, self.dim)
        self.mean[...] = running.mean
        self.components[...] = components
        self.explained_variance[...] = variance
        total = float(np.trace(covariance))
        return {"explained_variance_ratio": float(self.explained_variance.sum()) / total if total > 0 else 0.0}

    def dimension_names(self) -> list[str]:
        """Number the components."""
        return [f"pc{k + 1}" for k in range(self.dim)]

    def _embed(self, recording: Recording) -> Float64Array:
        mean, components = self.mean, self.components
        parts = [(stacked - mean) @ components.T for stacked in self.windows(recording)]
        return np.concatenate(parts) if parts else np.empty((0, self.dim))


def build(config: Config, spec: DataSpec) -> WindowedPCA:
    """Make the model, unfitted."""
    return WindowedPCA(config, spec)
