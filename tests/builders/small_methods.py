"""Options that make every method quick to train."""

from __future__ import annotations

from typing import Any

LOOP: dict[str, Any] = {"max_epochs": 1, "monitor": None, "accelerator": "cpu"}
SMALL: dict[str, dict[str, Any]] = {
    "lisbet": {
        "tasks": ["order"],
        "preset": "16x2",
        "backbone": {"embedding_dim": 8, "hidden_dim": 8, "num_heads": 2, "num_layers": 1},
        "window_size": 8,
        "batch_size": 8,
        "train_sample": 0.1,
        "training": LOOP,
    },
    "bams": {
        "short_term": [4, 4],
        "long_term": [4, 4],
        "hoa_hidden": [4],
        "crop": 50,
        "batch_size": 2,
        "training": LOOP,
    },
    "daart": {
        "network": {"n_hid_layers": 1, "n_hid_units": 4, "n_lags": 1},
        "sequences": {"sequence_length": 20, "batch_size": 2, "trial_splits": "1;0;0;0"},
        "training": LOOP,
    },
    "boosting": {"windows_s": [1.0], "max_iter": 3, "folds": 2, "frames_a_recording": 40, "min_samples_leaf": 5},
    "rat_direction": {"width": 4, "draws": 1, "batch": 16, "training": LOOP},
    "mvd": {
        "size": "nano",
        "image_size": 32,
        "patch": 16,
        "num_frames": 4,
        "sampling_rate": 1,
        "batch": 4,
        "samples": 4,
        "training": LOOP,
    },
}
"""Options that make a method small; one that is not named here runs with its defaults."""
