"""The network as Lightning trains it: masked losses, the ramp of the weak term, pseudo-labels, F1 of validation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.methods.daart.config import LossOptions, NetworkOptions, SequenceOptions
from workflow_scripts.methods.daart.losses import Batch, loss_sums
from workflow_scripts.methods.daart.network import Network
from workflow_scripts.methods.daart.sequences import Batches, SequenceStore, Signals, split_store
from workflow_scripts.training.devices import batch_of
from workflow_scripts.training.distributed import over_processes
from workflow_scripts.training.model import TrainedModel, TrainingData

PIECE = 8192
"""Frames in which convolutions take a recording at inference; bounds the memory, changes nothing."""
SEQUENCES = 32
"""Sequences side by side at inference."""


class SequenceData(TrainingData):
    """Training and validation sequences.

    Parameters
    ----------
    train : list of Signals
    validation : list of Signals
        Whole recordings; where empty, some of the training sequences validate.
    options : SequenceOptions
    network : NetworkOptions
    classes : int
    seed : int
    scale : bool
        Scale the inputs by the training sequences; False where each recording is normalised already.
    """

    def __init__(
        self,
        train: list[Signals],
        validation: list[Signals],
        *,
        options: SequenceOptions,
        network: NetworkOptions,
        classes: int,
        seed: int,
        scale: bool = False,
    ) -> None:
        self.options, self.seed = options, seed
        self.store = SequenceStore(train, options.sequence_length, network.pad)
        shares = (1, 0, 0, 0) if validation else options.shares
        self.rows = split_store(self.store, shares, options.train_frac, seed)
        self.held_out = SequenceStore(validation, options.sequence_length, network.pad) if validation else self.store
        self.held_rows = np.arange(len(self.held_out)) if validation else self.rows["validation"]
        self.centre, self.scale = torch.zeros(self.store.x.shape[1]), torch.ones(self.store.x.shape[1])
        if scale:
            self._scale_inputs()
        self.counts = torch.zeros(classes, dtype=torch.long)
        for labels in map(self.store.labels_of, self.rows["train"]):
            self.counts += torch.from_numpy(np.bincount(labels[labels >= 0], minlength=classes))

    def _scale_inputs(self) -> None:
        inputs = self.store.x.shape[1]
        n, mean, squares = 0, torch.zeros(inputs, dtype=torch.float64), torch.zeros(inputs, dtype=torch.float64)
        for seen in (batch.x[batch.valid].double() for batch in self._training_pieces()):
            # Mean and sum of squares about it grow piece by piece (Chan et al., 1983): no second copy of the inputs.
            if not len(seen):  # empty recordings
                continue
            n += len(seen)
            own = seen.mean(dim=0)
            apart = own - mean
            mean += apart * (len(seen) / n)
            squares += (seen - own).square().sum(dim=0) + apart.square() * (len(seen) * (n - len(seen)) / n)
        deviation = (squares / n).sqrt()
        self.centre = mean.float()
        self.scale = torch.where(deviation > 0, deviation, 1.0).float()
        for store in dict.fromkeys((self.store, self.held_out)):
            for where in store.slices:  # the zeros beyond a recording's ends stay zeros
                store.x[where].sub_(self.centre).div_(self.scale)

    def _training_pieces(self) -> Iterator[Batch]:
        rows = self.rows["train"]
        for start in range(0, len(rows), SEQUENCES):
            yield self.store.batch(rows[start : start + SEQUENCES])

    @property
    def scored(self) -> int:
        """Hand-labelled frames of validation."""
        return int((self.held_out.batch(self.held_rows).strong >= 0).sum()) if len(self.held_rows) else 0

    def test_macro_f1(self, model: Segmenter) -> float | None:
        """Macro F1 on the hand-labelled frames of the test sequences; None where there are none."""
        rows = self.rows["test"]
        if not len(rows) or model.network.classifier is None:
            return None
        kept = torch.zeros(len(self.store.valid), dtype=torch.bool)
        for row in rows:
            start = int(self.store.starts[row]) + self.store.pad
            kept[start : start + self.store.length] = True
        counts = torch.zeros(model.classes, model.classes, dtype=torch.long)
        for where, signals in zip(self.store.slices, self.store.recordings, strict=True):
            truth = torch.where(kept[where], self.store.strong[where], -1)
            counts += confusion(truth, model.probabilities(signals.x).argmax(dim=-1).cpu(), model.classes)
        return macro_f1(counts)

    def train_dataloader(self) -> Batches:
        """Batches in the order of (seed, epoch)."""
        return Batches(self.store, self.rows["train"], self.options.batch_size, self.seed)

    def val_dataloader(self) -> Batches | None:
        """Batches in their own order, larger since they need no gradient."""
        return Batches(self.held_out, self.held_rows, SEQUENCES) if len(self.held_rows) else None


def confusion(truth: Tensor, found: Tensor, classes: int) -> Tensor:
    """Count pairs where `truth` is not -1; int64 (classes, classes), rows are the truth."""
    scored = truth >= 0
    flat = truth[scored] * classes + found[scored]
    return torch.bincount(flat, minlength=classes**2).reshape(classes, classes)


def macro_f1(counts: Tensor) -> float | None:
    """Mean F1 over the classes that the truth shows; None where it shows none."""
    pairs = counts.double()
    shown = pairs.sum(dim=1) > 0
    if not shown.any():
        return None
    f1 = 2 * pairs.diagonal() / (pairs.sum(dim=0) + pairs.sum(dim=1)).clamp(min=1)
    return float(f1[shown].mean())


def own_data(module: TrainedModel) -> SequenceData:
    """Return the data a module trains on, out of the loop's wrapper."""
    data = module.trainer.datamodule
    found: SequenceData = getattr(data, "inner", data)
    return found


class Segmenter(TrainedModel):
    """The network with its loss and optimiser; buffers hold the scale of the inputs and the weights of the classes.

    Parameters
    ----------
    inputs, classes : int
    network : NetworkOptions
    loss : LossOptions
    learning_rate, l2_reg : float
    targets : int
        Regression targets.
    sequence_length : int
        For recurrent networks at inference.
    """

    centre: Tensor
    scale: Tensor
    class_weights: Tensor

    def __init__(
        self,
        inputs: int,
        classes: int,
        *,
        network: NetworkOptions,
        loss: LossOptions,
        learning_rate: float,
        l2_reg: float = 0.0,
        targets: int = 0,
        sequence_length: int = 500,
    ) -> None:
        super().__init__()
        self.network = Network(
            inputs,
            classes,
            network,
            strong=loss.lambda_strong > 0,
            weak=loss.lambda_weak > 0,
            predictor=loss.lambda_pred > 0,
            targets=targets if loss.lambda_task > 0 else 0,
        )
        self.loss, self.learning_rate, self.l2_reg = loss, learning_rate, l2_reg
        self.classes, self.sequence_length = classes, sequence_length
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.register_buffer("class_weights", torch.ones(classes))
        self._sums: dict[str, Tensor] = {}
        self._confusion = torch.zeros(classes, classes, dtype=torch.long)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, as the original has it."""
        return torch.optim.Adam(self.parameters(), self.learning_rate, weight_decay=self.l2_reg, amsgrad=True)

    def on_fit_start(self) -> None:
        """Take scale and class weights from the training sequences.

        Raises
        ------
        EthoMakeError
            When no training frame has the labels that the loss asks for.
        """
        data = own_data(self)
        if self.loss.lambda_strong and not data.counts.sum():
            raise EthoMakeError(
                "Not one training frame is labelled by hand; name the right task under strong, or set lambda_strong: 0."
            )
        self.centre.copy_(data.centre)
        self.scale.copy_(data.scale)
        if self.loss.weight_classes:
            counts = data.counts.double()
            weights = torch.where(counts > 0, (counts.max() / counts.clamp(min=1)) ** self.loss.weight_power, 0.0)
            # Without any hand label (weak labels alone) every class counts alike.
            self.class_weights.copy_(weights if counts.sum() else torch.ones_like(weights))

    def _step(self, batch: Batch) -> tuple[dict[str, tuple[Tensor, Tensor]], Tensor | None]:
        output = self.network(batch.x)
        classifier = output.strong if output.strong is not None else output.weak
        return loss_sums(output, batch, self.class_weights), classifier

    def weights(self) -> dict[str, float]:
        """Weight of each term in this epoch."""
        options, epoch = self.loss, self.current_epoch
        grown = min(1.0, epoch / options.kl_epochs) if options.kl_epochs else 1.0
        return {
            "strong": options.lambda_strong,
            "weak": options.weak_weight(epoch),
            "pred": options.lambda_pred,
            "task": options.lambda_task,
            "kl": options.kl_weight * grown,
        }

    def on_train_epoch_start(self) -> None:
        """Make pseudo-labels of the training sequences, where they are asked for and their time has come."""
        options = self.loss
        if options.semi_supervised_algo != "none" and self.current_epoch >= options.anneal_start:
            store = own_data(self).store
            for where, signals in zip(store.slices, store.recordings, strict=True):
                store.weak[where] = self.pseudo_labels(signals)

    def pseudo_labels(self, signals: Signals) -> Tensor:
        """Class of every sure frame, -1 of the others; int64 (time,)."""
        options = self.loss
        if options.semi_supervised_algo == "ups":
            drawn = torch.stack([self.probabilities(signals.x, noisy=True) for _ in range(options.passes)])
            typical, spread = drawn.median(dim=0).values, drawn.var(dim=0)
        else:
            typical = self.probabilities(signals.x)
            spread = torch.zeros_like(typical)
        sure, best = typical.max(dim=-1)
        steady = spread.gather(-1, best[:, None])[:, 0] <= options.variance_threshold
        return torch.where((sure >= options.prob_threshold) & steady, best, -1)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Sum the terms; each is the mean over its own frames."""
        sums, _ = self._step(batch)
        weights = self.weights()
        terms = {name: total / over_processes(count).clamp(min=1e-8) for name, (total, count) in sums.items()}
        for name, (total, count) in sums.items():
            for key, value in ((name, total), (f"{name}/n", count)):
                self._sums[key] = self._sums.get(key, torch.zeros((), device=value.device)) + value.detach()
        return torch.stack([weights[name] * term for name, term in terms.items()]).sum()

    def _log_sums(self, side: str) -> None:
        weights, total = self.weights(), 0.0
        for name in [key for key in self._sums if not key.endswith("/n")]:
            summed, count = (over_processes(self._sums[key]) for key in (name, f"{name}/n"))
            mean = float(summed / count.clamp(min=1e-8))
            total += weights[name] * mean
            self.log(f"{side}_loss_{name}", mean)
        self.log(f"{side}_loss", total)
        self._sums = {}

    def on_validation_epoch_start(self) -> None:
        """Begin the sums of validation, those of training put by: Lightning validates inside the training epoch."""
        self._training_sums, self._sums = self._sums, {}
        self._confusion = torch.zeros(self.classes, self.classes, dtype=torch.long)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add to the sums and to the confusion of hand-labelled frames."""
        sums, logits = self._step(batch)
        for name, (total, count) in sums.items():
            for key, value in ((name, total), (f"{name}/n", count)):
                self._sums[key] = self._sums.get(key, torch.zeros((), device=value.device)) + value
        if logits is not None:
            self._confusion += confusion(batch.strong, logits.argmax(dim=-1), self.classes).cpu()

    def on_validation_epoch_end(self) -> None:
        """Log the terms and the macro F1 of hand-labelled frames, over the classes that validation shows."""
        self._log_sums("val")
        self._sums = self._training_sums
        score = macro_f1(self._confusion)
        if score is not None:
            self.log("val_macro_f1", score)

    def on_train_epoch_end(self) -> None:
        """Log the terms of training."""
        self._log_sums("train")

    def _pieces(self, x: Tensor) -> tuple[Tensor, int]:
        """Cut (time, inputs) into overlapping pieces (n, length + 2·pad, inputs), zeros beyond the ends."""
        recurrent = self.network.options.backbone in ("lstm", "gru")
        length = min(self.sequence_length if recurrent else PIECE, max(len(x), 1))
        pad, n = self.network.pad, -(-len(x) // length)
        padded = torch.nn.functional.pad(x, (0, 0, pad, n * length - len(x) + pad))
        return padded.unfold(0, length + 2 * pad, length).transpose(1, 2), length

    @torch.no_grad()
    def encode(self, x: npt.NDArray[np.float32], *, noisy: bool = False) -> Tensor:
        """Embed a recording, shape (time, n_hid_units).

        Parameters
        ----------
        x : ndarray, float32, shape (time, inputs)
        noisy : bool
            Keep dropout and sampling on.
        """
        values = torch.from_numpy(np.ascontiguousarray(x)).to(self.centre.device)
        if not len(values):
            return torch.empty(0, self.network.options.n_hid_units)
        values = (values - self.centre) / self.scale
        pieces, length = self._pieces(values)
        former = self.network.training
        self.network.train(noisy)
        pad, parts = self.network.pad, []
        many = batch_of(SEQUENCES)
        for start in range(0, len(pieces), many):
            encoded = self.network.encode(pieces[start : start + many])[0]
            parts.append(encoded[:, pad : pad + length].flatten(0, 1))
        self.network.train(former)
        return torch.cat(parts)[: len(x)]

    @torch.no_grad()
    def probabilities(self, x: npt.NDArray[np.float32], *, noisy: bool = False) -> Tensor:
        """Class probabilities of a recording, shape (time, classes).

        Raises
        ------
        EthoMakeError
            When the model has no classifier.
        """
        if self.network.classifier is None:
            raise EthoMakeError(
                "The model was trained without labels and predicts no class; set lambda_strong above 0."
            )
        logits: Tensor = self.network.classifier(self.encode(x, noisy=noisy))
        return logits.softmax(dim=-1)
