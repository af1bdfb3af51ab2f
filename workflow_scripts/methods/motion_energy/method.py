"""The motion energy control: what the amount of change alone gives a probe about the action."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from workflow_scripts.formats.clips import ClipRecording
from workflow_scripts.methods.motion_energy.config import Config
from workflow_scripts.training.buffers import Buffers
from workflow_scripts.training.closed_form import import_weights, predict
from workflow_scripts.views.clips import ClipSpec, ClipView

__all__ = ["build", "dimension_names", "embed", "import_weights", "predict", "prepare"]

FloatArray = npt.NDArray[np.float32]


class MotionEnergy(Buffers):
    """Logarithm of the frame-to-frame change of the crop: itself, and its mean and spread over windows.

    Parameters
    ----------
    config : Config
    spec : ClipSpec
    """

    mean: FloatArray
    scale: FloatArray

    def __init__(self, config: Config, spec: ClipSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.register_buffer("mean", np.float32(0))
        self.register_buffer("scale", np.float32(1))

    def fit(self, view: ClipView) -> dict[str, float]:
        """Take mean and spread of the motion from the training videos."""
        motion = np.concatenate([np.log1p(recording.motion) for recording in view.train()])
        self.mean.fill(float(motion.mean()))
        self.scale.fill(float(motion.std()) or 1.0)
        return {"frames": float(len(motion)), "mean_log_motion": float(motion.mean())}

    def names(self) -> list[str]:
        """Name the columns."""
        return ["motion", *(f"{what}_{s:g}s" for s in self.config.windows for what in ("mean", "spread"))]

    def columns(self, recording: ClipRecording) -> FloatArray:
        """Return the columns (time, dim)."""
        motion = (np.log1p(recording.motion.astype(np.float64)) - float(self.mean)) / float(self.scale)
        found = [motion]
        for seconds in self.config.windows:
            size = max(1, round(seconds * recording.fps))
            mean = uniform_filter1d(motion, size, mode="nearest")
            square = uniform_filter1d(motion**2, size, mode="nearest")
            found += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
        return np.stack(found, axis=1).astype(np.float32)


def prepare(view: ClipView, config: Config) -> ClipView:
    """Give the videos the model is fitted on."""
    return view


def build(config: Config, spec: ClipSpec) -> MotionEnergy:
    """Return the model."""
    return MotionEnergy(config, spec)


def embed(model: MotionEnergy, recording: ClipRecording) -> FloatArray:
    """Embed every frame, float32 (time, dim)."""
    return model.columns(recording)


def dimension_names(model: MotionEnergy) -> list[str]:
    """Name the columns."""
    return model.names()
