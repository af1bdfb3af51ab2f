"""Which rule chooses the epoch: F1 on held-out recordings of the epochs that several rules take (docs/daart.md).

python benchmarks/bench_daart_epochs.py twin|fixture [--seeds 4] [--epochs 20]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "daart")]

from workflow_scripts.cards.card import load_card  # noqa: E402
from workflow_scripts.methods.daart.config import LossOptions, NetworkOptions, SequenceOptions  # noqa: E402
from workflow_scripts.methods.daart.module import Segmenter, SequenceData, confusion, macro_f1  # noqa: E402
from workflow_scripts.methods.daart.project.data import read_project  # noqa: E402
from workflow_scripts.methods.daart.project.options import ProjectOptions  # noqa: E402
from workflow_scripts.simulate import make_file  # noqa: E402
from workflow_scripts.training.loop import fit  # noqa: E402
from workflow_scripts.training.options import LoopOptions  # noqa: E402


def running_mean(values: Any, k: int) -> Any:
    """Mean of the last k values at each place."""
    return np.array([values[max(0, i - k + 1) : i + 1].mean() for i in range(len(values))])


RULES = {
    "lowest cross-entropy": lambda f1, strong, total: int(np.argmin(strong)),
    "lowest total loss": lambda f1, strong, total: int(np.argmin(total)),
    "highest F1": lambda f1, strong, total: int(np.argmax(f1)),
    "highest mean F1 of five": lambda f1, strong, total: len(f1) - 1 - int(np.argmax(running_mean(f1, 5)[::-1])),
    "last epoch": lambda f1, strong, total: len(f1) - 1,
}


class Watched(Segmenter):
    """Keeps validation metrics and held-out F1 of every epoch."""

    held_out: list[Any]
    rows: list[list[float]]

    def on_train_epoch_end(self) -> None:
        """Score the held-out recordings."""
        super().on_train_epoch_end()
        counts = torch.zeros(self.classes, self.classes, dtype=torch.long)
        for one in self.held_out:
            found = self.probabilities(one.x).argmax(dim=-1).cpu()
            counts += confusion(torch.from_numpy(one.strong), found, self.classes)
        metrics = self.trainer.callback_metrics
        entries = [float(metrics[name]) for name in ("val_macro_f1", "val_loss_strong", "val_loss")]
        self.rows.append([*entries, macro_f1(counts) or 0.0])


def twin(folder: Path) -> list[Any]:
    """Six simulated flies as signals."""
    card = load_card(ROOT / "config" / "datasets" / "fly_daart_twin.yaml")
    names = [f"fly{k}" for k in range(1, 7)]
    for name in names:
        for part in ("markers", "labels-hand", "labels-heuristic"):
            path = f"{part}/{name}.csv"
            make_file("fly_daart", path, folder / path, {"seed": 1}, card)
    options = {"data_dir": folder, "results_dir": folder, "expt_ids": names, "lambda_weak": 1, "lambda_pred": 1}
    return read_project(ProjectOptions(**options)).signals  # type: ignore[arg-type]


def main() -> None:
    """Print a row a rule: mean F1 of the epochs it takes, and the most that one of them loses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=["twin", "fixture"])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        flies = twin(Path(folder)) if options.data == "twin" else []
        for seed in range(options.seeds):
            if flies:
                train, test = (flies[:3], flies[3:]) if seed % 2 == 0 else (flies[3:], flies[:3])
                loss, rate = LossOptions(lambda_weak=1, lambda_pred=1), 1e-3
            else:
                import parity

                made = parity.recordings(seed=seed)
                train, test, loss, rate = made[:2], made[2:], LossOptions(weight_classes=False), 1e-4
            classes = 1 + max(int(max(one.strong.max(), one.weak.max())) for one in train + test)
            network = NetworkOptions()
            torch.manual_seed(seed)
            data = SequenceData(train, [], options=SequenceOptions(), network=network, classes=classes, seed=seed)
            model = Watched(train[0].x.shape[1], classes, network=network, loss=loss, learning_rate=rate)
            model.held_out, model.rows = test, []
            loop = LoopOptions(max_epochs=options.epochs, monitor="val_loss_strong", checkpoint_every=10_000)
            with tempfile.TemporaryDirectory() as run:
                fit(model, data, folder=run, options=loop, seed=seed)
            runs.append(np.array(model.rows))
            print(f"seed {seed}: {data.scored} scored validation frames", file=sys.stderr)
    for name, rule in RULES.items():
        got = [rows[rule(*rows[:, :3].T), 3] for rows in runs]
        lost = [rows[:, 3].max() - value for rows, value in zip(runs, got, strict=True)]
        print(f"{name:26s} {np.mean(got):.4f}  lost at most {max(lost):.4f}")


if __name__ == "__main__":
    main()
