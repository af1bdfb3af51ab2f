"""A trained run as something that predicts recordings: its own readout, else the probe's, then the decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from workflow_scripts import methods
from workflow_scripts.behaviour.decided import read_decision
from workflow_scripts.behaviour.decisions import UNKNOWN, Decision
from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.evaluation.probe.held_out import as_probabilities
from workflow_scripts.evaluation.probe.readout import READOUT_FILES, load_readout
from workflow_scripts.formats.predictions import Prediction
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.methods.runs import on_device, prediction_of, spec_of
from workflow_scripts.training.devices import answering, sparing
from workflow_scripts.views.seen import seen_frames


@dataclass(frozen=True)
class TaskFacts:
    """What is known of a task: kind, level, classes in order, and the class without bouts."""

    kind: Any
    level: Any
    vocabulary: tuple[str, ...]
    background: str | None

    def blank(self, frames: int) -> Labels:
        """Labels of a recording that nobody labelled."""
        n = frames if self.level == "frame" else 1
        values = np.zeros(n, {"continuous": np.float32, "binary": np.uint8}.get(self.kind, np.int16))
        return Labels(values, np.zeros(n, bool), self.level, self.kind, self.vocabulary, self.background)


class Said(NamedTuple):
    """What a model says about one task of a recording, and by which readout: ``native`` or ``probe``."""

    readout: str
    prediction: Prediction


class Predicted(NamedTuple):
    """What a model says about a recording, by task, and its embedding where it was made."""

    tasks: dict[str, Said]
    embedding: npt.NDArray[np.float32] | None


class Trained:
    """A run's exported model with its probe and decision, where it has them.

    Parameters
    ----------
    embedder : Path
        Folder of the exported model.
    readout : Path or None
        Folder of the probe fitted on its embeddings.
    decision : Path or None
        `decision.yaml`; None = the most probable class of each frame.
    """

    def __init__(self, embedder: Path, readout: Path | None = None, decision: Path | None = None) -> None:
        self.model, self.config = on_device(embedder)
        self.method = str(self.config["method"])
        self.functions = methods.load(self.method)
        self.spec = spec_of(self.config)
        fitted = readout is not None and all((readout / name).is_file() for name in READOUT_FILES)
        self.probe = load_readout(readout) if readout is not None and fitted else {}
        options = methods.parse(self.method, self.config["options"])
        self.native = options.readout() is not None
        self.decisions: dict[str, Mapping[str, Decision]] = {"native": {}, "probe": {}}
        if decision is not None:
            self.decisions = {"native": read_decision(decision, native=True), "probe": read_decision(decision)}

    def facts(self) -> dict[str, TaskFacts]:
        """Tasks the model can say something of: the probe's, and those its own readout was trained on."""
        stored = (self.config.get("reading") or {}).get("tasks") or {}
        found: dict[str, TaskFacts] = {}
        if self.native:
            for task, classes in self.spec.vocabularies.items():
                about = stored.get(task, {})
                found[task] = TaskFacts(
                    about.get("kind", "multiclass"), about.get("level", "frame"), classes, about.get("background")
                )
        return found | {
            task: TaskFacts(each.kind, each.level, each.vocabulary, each.background)
            for task, each in self.probe.items()
        }

    def predict(
        self, recording: Any, group: str, tasks: Iterable[str], *, prefer: str = "auto", embed: bool = False
    ) -> Predicted:
        """Predict tasks of a recording.

        Parameters
        ----------
        recording : Recording or ClipRecording
        group : str
        tasks : iterable of str
            Out of :meth:`facts`.
        prefer : {"auto", "native", "probe"}
            ``auto``: the method's own readout of a task where it has one, else the probe's.
        embed : bool
            Return the embedding even where no probe needs it.

        Raises
        ------
        EthoMakeError
            When the recording is of another kind than the model was made for, or labelled with other classes.
        """
        self.spec.check(recording)
        known = self.facts()
        with answering():
            own: dict[str, Any] = {}
            if self.native and prefer != "probe":
                own = sparing(partial(self.functions.predict, self.model, recording)) or {}
            rest = [task for task in tasks if task not in own and task in self.probe and prefer != "native"]
            embedding = sparing(partial(self.functions.embed, self.model, recording)) if rest or embed else None
        found: dict[str, Said] = {}
        for task in tasks:
            labels = self._labels(recording, task, known[task])
            if task in own:
                made = prediction_of(recording.id, group, labels, own[task])
            elif task in rest:
                made = self._probed(recording.id, group, task, labels, embedding)
            else:
                continue
            seen = seen_frames(recording) if labels.level == "frame" else None
            name = "native" if task in own else "probe"
            found[task] = Said(name, self._decided(name, task, labels, replace(made, seen=seen)))
        return Predicted(found, embedding)

    @staticmethod
    def _labels(recording: Any, task: str, about: TaskFacts) -> Labels:
        labels: Labels | None = recording.labels.get(task)
        if labels is None:
            return about.blank(recording.n_frames)
        if (labels.vocabulary, labels.kind, labels.level) != (about.vocabulary, about.kind, about.level):
            raise EthoMakeError(
                f"Recording {recording.id!r} is labelled with {labels.vocabulary} for {task!r}, but the model knows "
                f"{about.vocabulary}; use a model trained on the same classes."
            )
        return labels

    def _probed(self, name: str, group: str, task: str, labels: Labels, embedding: Any) -> Prediction:
        try:
            prediction, scores = self.probe[task].predict(embedding)
        except ValueError as error:
            raise EthoMakeError(f"Recording {name!r}: {error}; use the probe of the same run.") from error
        return Prediction(name, group, labels.values, labels.mask, prediction, scores)

    def _decided(self, readout: str, task: str, labels: Labels, said: Prediction) -> Prediction:
        decision = self.decisions[readout].get(task)
        if decision is None or said.scores is None or labels.level != "frame":
            return said
        logistic = readout == "native" or self.probe[task].model.link == "probability"
        given = as_probabilities(said.scores, logistic=logistic)
        codes = decision.apply(given)
        calibrated = decision.calibration.apply(given).astype(np.float32)
        # A frame that stays unknown keeps the most probable class, but counts as not seen.
        shown = np.where(codes == UNKNOWN, calibrated.argmax(axis=1), codes).astype(said.prediction.dtype)
        seen = codes != UNKNOWN if said.seen is None else said.seen & (codes != UNKNOWN)
        scores = calibrated[:, 1] if labels.kind == "binary" else calibrated
        return replace(said, prediction=shown, scores=scores, seen=seen)
