"""daart's five functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from workflow_scripts.core.errors import ConfigError
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.kinematics.geometry import odd_window, rolling_moments
from workflow_scripts.methods import Facts, Imported
from workflow_scripts.methods.daart import imported
from workflow_scripts.methods.daart.config import Config
from workflow_scripts.methods.daart.inputs import column_names, columns, signals, standardise, strong_task
from workflow_scripts.methods.daart.module import Segmenter, SequenceData
from workflow_scripts.methods.daart.original import read_original
from workflow_scripts.views.tracks import DataSpec, TrackView


class Model(Segmenter):
    """The segmenter of a dataset's tracks; knows its options and the data it is made for."""

    def __init__(self, config: Config, spec: DataSpec) -> None:
        self.task = strong_task(spec, config)
        self.vocabulary = spec.vocabularies[self.task]
        for task in config.also_judged_by:
            if spec.vocabularies.get(task) != self.vocabulary:
                raise ConfigError(
                    f"methods.daart.also_judged_by: the task {task!r} must exist and have the classes of "
                    f"{self.task!r}, {', '.join(self.vocabulary)}."
                )
        # A forked generator: the seed decides the first weights, and nothing else is disturbed.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            super().__init__(
                len(column_names(spec, config)),
                len(self.vocabulary),
                network=config.network,
                loss=config.loss,
                learning_rate=config.learning_rate,
                l2_reg=config.l2_reg,
                targets=len(config.targets),
                sequence_length=config.sequences.sequence_length,
            )
        self.config, self.spec = config, spec

    def inputs(self, recording: Recording) -> npt.NDArray[np.float32]:
        """Columns of a recording as the network was trained on, (time, column)."""
        self.spec.check(recording)
        values = columns(recording, self.config)
        return standardise(values) if self.config.normalise == "recording" else values.astype(np.float32)


def prepare(view: TrackView, config: Config) -> SequenceData:
    """Cut the recordings of a split into sequences.

    Raises
    ------
    ConfigError
        When the best epoch is to be chosen by validation frames with hand labels and there are none, or by a loss that
        the model does not have.
    """
    spec = view.spec()
    data = SequenceData(
        [signals(recording, config, spec) for recording in view.train()],
        [signals(recording, config, spec) for recording in view.validation()],
        options=config.sequences,
        network=config.network,
        classes=len(spec.vocabularies[strong_task(spec, config)]),
        seed=config.seed,
        scale=config.normalise == "global",
    )
    monitor = config.training.monitor
    if monitor == "val_loss_strong" and not config.loss.lambda_strong:
        raise ConfigError(
            "methods.daart.training.monitor: val_loss_strong needs loss.lambda_strong above 0; set monitor: "
            "val_macro_f1 and mode: max, which judge the weak head."
        )
    if monitor in {"val_macro_f1", "val_loss_strong"} and not data.scored:
        raise ConfigError(
            f"methods.daart.training.monitor: no validation frame of split {view.split.name!r} is labelled by hand; "
            "give trial_splits a larger validation share, or set monitor: null for the last epoch."
        )
    return data


def build(config: Config, spec: DataSpec) -> Model:
    """Make the model with the weights of its seed."""
    return Model(config, spec)


def embed(model: Model, recording: Recording) -> npt.NDArray[np.float32]:
    """Embed a recording as float32 (time, n_hid_units), finite, one row a frame."""
    embedded: npt.NDArray[np.float32] = model.encode(model.inputs(recording)).cpu().numpy()
    return embedded


def predict(model: Model, recording: Recording) -> dict[str, npt.NDArray[np.float32]] | None:
    """Class probabilities of every frame by task, or None of a model trained without labels."""
    if model.network.classifier is None:
        return None
    probabilities = model.probabilities(model.inputs(recording)).cpu().numpy()
    window = odd_window(model.config.smooth_s, recording.fps)
    if window > 1:
        probabilities = rolling_moments(probabilities, window, deviation=False)[0].astype(np.float32)
    return dict.fromkeys((model.task, *model.config.also_judged_by), probabilities)


def dimension_names(model: Model) -> list[str]:
    """Number the dimensions of the embedding."""
    return [f"z{k}" for k in range(model.config.network.n_hid_units)]


def recognises(path: Path) -> bool:
    """Whether a path is a ``version_N`` folder of the original's command, theirs or ours."""
    return imported.recognises(path)


def import_original(path: Path, facts: Facts) -> Imported:
    """Read a ``version_N`` folder trained on markers, as a model of tracks."""
    return imported.imported(path, facts)


def import_weights(path: str | Path) -> dict[str, Any]:
    """Read an original ``best_val_model.pt`` as the state dict of :class:`.module.Segmenter`.

    Its classes count the background, its first one; the dataset's vocabulary must then have one more name in front.

    Raises
    ------
    InputError
        When it is no such checkpoint.
    """
    return read_original(Path(path))[0]
