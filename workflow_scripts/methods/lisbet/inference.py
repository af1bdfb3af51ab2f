"""Embeddings and class probabilities of whole recordings, in batches, with memory bounded by one recording."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.methods.lisbet.config import SUPERVISED
from workflow_scripts.methods.lisbet.inputs import prepare_recording
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.store import padding
from workflow_scripts.methods.lisbet.windows import Windows, lay_frame
from workflow_scripts.training.devices import batch_of

Float32Array = npt.NDArray[np.float32]


def _windows(model: Lisbet, recording: Recording, *, swap: bool) -> tuple[Windows, int]:
    model.spec.check(recording)
    pad = padding(model.config)
    values = prepare_recording(recording, model.config)
    if swap:
        kept = model.layout.tracked if model.config.quantities == "symmetric" else model.layout.block
        values = np.concatenate([values[:, ::-1, :kept], values[..., kept:]], axis=-1)
    rows = np.zeros((len(values) + 2 * pad, *values.shape[1:]), np.float32)
    rows[pad : pad + len(values)] = values
    valid = np.zeros(len(rows), bool)
    valid[pad : pad + len(values)] = True
    device = next(model.parameters()).device
    tensors = torch.from_numpy(rows).to(device), torch.from_numpy(valid).to(device)
    return Windows(*tensors, model.layout, model.config), pad


def _batches(model: Lisbet, recording: Recording, *, swap: bool) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield the windows of every frame, at most `embed_batch` at a time."""
    source, first = _windows(model, recording, swap=swap)
    size = batch_of(model.config.embed_batch)
    for start in range(0, recording.n_frames, size):
        windows, valid = source.every_frame(first, start, min(start + size, recording.n_frames))
        windows = lay_frame(windows, valid, model.layout, model.config).flatten(2)
        masked = model.config.pad_mask and valid is not None and not bool(valid.all())
        yield windows, valid if masked else None


def _orders(model: Lisbet) -> list[bool]:
    """Both orders of two animals without roles, else the one of the file."""
    return [False, True] if model.config.symmetric and model.layout.individuals == 2 else [False]


def embed_recording(model: Lisbet, recording: Recording) -> Float32Array:
    """Embed every frame: the encoded target token of the window about it.

    Returns
    -------
    ndarray, float32, shape (time, dim)

    Raises
    ------
    EthoMakeError
        When the recording has another skeleton, order, unit or frame rate than the model was made for.
    """
    model.eval()
    made = np.zeros((recording.n_frames, model.dimensions), np.float32)
    orders = _orders(model)
    with torch.inference_mode():
        for swap in orders:
            start = 0
            for windows, valid in _batches(model, recording, swap=swap):
                part = model.embed_windows(windows, valid).float().cpu().numpy()
                made[start : start + len(part)] += part / len(orders)
                start += len(part)
    return made


def predict_recording(model: Lisbet, recording: Recording) -> dict[str, Float32Array]:
    """Class probabilities of every frame.

    Returns
    -------
    dict of str to ndarray, float32, shape (time, classes)
        By labelled task. ``multiclass``: sums to 1 in each frame. ``multilabel``: one task per label, of two columns.

    Raises
    ------
    EthoMakeError
        When the model has no supervised head, or the recording is of another kind.
    """
    chosen = [head for head in model.heads if head.kind in SUPERVISED]
    if not chosen:
        raise EthoMakeError(
            "The model was trained without labels and predicts no classes; fine-tune it with tasks: [multiclass]."
        )
    model.eval()
    made = {head.name: np.zeros((recording.n_frames, head.outputs), np.float32) for head in chosen}
    orders = _orders(model)
    with torch.inference_mode():
        for swap in orders:
            start = 0
            for windows, valid in _batches(model, recording, swap=swap):
                encoded = model(windows, valid)
                for head in chosen:
                    logits = model.task_heads[head.name](encoded, valid, windows).float()
                    part = torch.softmax(logits, 1) if head.kind == "multiclass" else torch.sigmoid(logits)
                    made[head.name][start : start + len(part)] += part.cpu().numpy() / len(orders)
                start += len(windows)
    found: dict[str, Float32Array] = {}
    for head in chosen:
        if head.kind == "multiclass":
            found[head.labels[0]] = made[head.name]
        else:
            for column, label in enumerate(head.labels):
                positive = made[head.name][:, column]
                found[label] = np.stack([1 - positive, positive], axis=1)
    return found
