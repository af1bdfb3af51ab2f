"""The original's three template files, with small numbers, and a folder of simulated flies for them."""

from pathlib import Path

from workflow_scripts.cards.card import load_card
from workflow_scripts.simulate import make_file

CARD = load_card(Path(__file__).parents[2] / "config" / "datasets" / "fly_daart_twin.yaml")
FRAMES = 1230

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
