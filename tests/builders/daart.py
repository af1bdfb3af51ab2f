"""daart: template files of the original with small numbers, flies for them, and the parity fixture of its facts."""

from pathlib import Path

import numpy as np

from workflow_scripts.cards.card import load_card
from workflow_scripts.methods.daart.inputs import standardise
from workflow_scripts.methods.daart.sequences import Signals
from workflow_scripts.simulate import make_file

CARD = load_card(Path(__file__).parents[2] / "config" / "datasets" / "fly_daart_twin.yaml")
FRAMES = 1230
SPEED = 2 * np.pi * np.array([0, 0.02, 0.12, 0.2, 0.07])

DATA = {"input_type": "markers", "expt_ids": ["fly1", "fly2"], "ignore_class": 0, "weight_classes": False}
MODEL = {
    "model_class": "segmenter",
    "backbone": "dtcn",
    "n_hid_layers": 2,
    "n_hid_units": 8,
    "n_lags": 2,
    "activation": "lrelu",
    "bidirectional": True,
    "dropout": 0.1,
    "classifier_type": "multiclass",
    "lambda_weak": 1,
    "lambda_strong": 1,
    "lambda_pred": 1,
    "lambda_recon": 0,
    "lambda_task": 0,
    "tt_experiment_name": "test",
    "rng_seed_model": 0,
    "variational": False,
    "semi_supervised_algo": None,
    "prob_threshold": 0.9,
    "variance_threshold": 0.05,
    "anneal_start": 25,
    "anneal_end": 50,
}
TRAIN = {
    "learning_rate": "1e-4",
    "sequence_length": 100,
    "batch_size": 4,
    "l2_reg": 0,
    "min_epochs": 1,
    "max_epochs": 2,
    "val_check_interval": 1,
    "enable_early_stop": True,
    "early_stop_history": 5,
    "save_last_model": False,
    "train_frac": 1,
    "trial_splits": "6;1;1;1",
    "rng_seed_train": 0,
    "plot_train_curves": True,
    "device": "cpu",
    "gpus_vis": "0",
    "tt_n_cpu_trials": 100,
    "tt_n_cpu_workers": 5,
}


def make_flies(folder, frames=FRAMES):
    for fly in ("fly1", "fly2", "fly3"):
        for part in ("markers", "labels-hand", "labels-heuristic"):
            path = f"{part}/{fly}.csv"
            make_file("fly_daart", path, folder / path, {"frames": frames, "seed": 1}, CARD)
    return folder


def recordings(lengths=(6000, 6000, 5230), seed=0):
    """Dense labels, segments of 20 to 200 frames, 16 channels."""
    rng = np.random.default_rng(seed)
    base, amplitude = rng.normal(0, 6, (5, 16)), np.abs(rng.normal(0, 6, (5, 16)))
    made = []
    for number, n in enumerate(lengths):
        labels = np.concatenate([np.full(rng.integers(20, 201), rng.integers(0, 5)) for _ in range(n // 20 + 1)])[:n]
        phase = np.cumsum(SPEED[labels])[:, None] + np.arange(16)
        x = 200 + base[labels] + amplitude[labels] * np.sin(phase) + rng.normal(0, 5, (n, 16))
        weak = np.where(rng.random(n) < 0.2, rng.integers(0, 5, n), labels)
        made.append(Signals("abc"[number], standardise(x), labels, weak, np.empty((n, 0), np.float32)))
    return made


def macro_f1(truth, found, classes=5):
    scores = []
    for k in range(classes):
        hits = ((truth == k) & (found == k)).sum()
        scores.append(2 * hits / max((truth == k).sum() + (found == k).sum(), 1))
    return float(np.mean(scores))
