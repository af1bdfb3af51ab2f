"""How well a trained model answers its self-supervised questions on recordings it has not seen."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch

from workflow_scripts.formats.tracks import Recording
from workflow_scripts.methods.lisbet.config import BINARY
from workflow_scripts.methods.lisbet.data import hide_quantities
from workflow_scripts.methods.lisbet.draws import CHOOSE, Drawer
from workflow_scripts.methods.lisbet.module import Lisbet
from workflow_scripts.methods.lisbet.store import load_frames
from workflow_scripts.methods.lisbet.windows import PlanTensors, Windows, lay_frame

SIZE = 256
"""Windows of one forward."""


def task_accuracy(
    model: Lisbet,
    recordings: Iterable[Recording],
    *,
    per_recording: int = 1000,
    resamples: int = 1000,
    level: float = 0.95,
) -> pd.DataFrame:
    """Accuracy of each binary task on held-out recordings, with an interval over recordings.

    Parameters
    ----------
    model : Lisbet
    recordings : iterable of Recording
        Held out; the partners of ``cons`` come from among them.
    per_recording : int
        Windows of each task drawn per recording, on average.
    resamples : int
        Bootstrap draws of groups.
    level : float

    Returns
    -------
    DataFrame
        Columns task, accuracy, low, high, chance, windows, recordings; empty for a model without such tasks. `low`
        and `high` are percentiles over resampled groups of recordings.
    """
    config = model.config
    tasks = [task for task in config.task_ids if task in BINARY]
    held = list(recordings)
    rows = []
    if tasks and held:
        plain = config.model_copy(update={"tasks": tasks, "recipe": None, "pretrain_epochs": 0, "augmentation": ""})
        frames = load_frames(held, [recording.n_frames for recording in held], model.spec, plain)
        drawer = Drawer(frames, plain, side="held-out")
        source = Windows.of(frames, model.layout, plain, next(model.parameters()).device)
        for task in tasks:
            rows.append(_one(model, drawer, source, task, per_recording * len(held), resamples, level))
    names = ["task", "accuracy", "low", "high", "chance", "windows", "recordings"]
    return pd.DataFrame(rows, columns=names)


@torch.inference_mode()
def _one(
    model: Lisbet, drawer: Drawer, source: Windows, task: str, total: int, resamples: int, level: float
) -> dict[str, object]:
    model.eval()
    frames, config = drawer.frames, drawer.config
    correct, record = [], []
    for step in range(-(-total // SIZE)):
        plan = drawer.plan(task, config.seed, CHOOSE, 1, step, SIZE)
        tensors = PlanTensors.of(plan)
        windows, valid = source.gather([tensors])
        hide_quantities(windows, [SIZE], [task], model.layout)
        windows = lay_frame(windows, valid, model.layout, config).flatten(2)
        mask = valid if config.pad_mask else None
        said = model.task_heads[task](model(windows, mask), mask, windows)[:, 0] > 0
        correct.append((said == (tensors.label > 0.5)).numpy(force=True))
        last = np.floor(plan.first + (config.window_size - 1) * plan.step).astype(np.int64)
        record.append(np.searchsorted(frames.starts, last, side="right") - 1)
    hits, where = np.concatenate(correct), np.concatenate(record)
    groups = sorted(set(frames.groups))
    of = np.array([groups.index(group) for group in frames.groups])[where]
    sums = np.bincount(of, hits, len(groups)), np.bincount(of, minlength=len(groups))
    drawn = np.random.default_rng(config.seed).integers(0, len(groups), (resamples, len(groups)))
    values = sums[0][drawn].sum(axis=1) / np.maximum(sums[1][drawn].sum(axis=1), 1)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return {
        "task": task,
        "accuracy": float(hits.mean()),
        "low": float(low),
        "high": float(high),
        "chance": 0.5,
        "windows": len(hits),
        "recordings": len(frames.ids),
    }
