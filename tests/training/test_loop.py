import multiprocessing
import pickle
import signal
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from builders.training import Data, Net, run, run_and_send
from lightning.pytorch import LightningDataModule, Trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.training.checkpoints import EXIT_INTERRUPTED
from workflow_scripts.training.logs import MetricsLog
from workflow_scripts.training.loop import LoopOptions, fit
from workflow_scripts.training.weights import load_weights, read_checkpoint

STEPS = 5  # per epoch, of five epochs


# One server imports torch and Lightning once; each run to be killed is a fork of it.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["workflow_scripts.training.loop", "lightning.pytorch.loggers"])


def start(folder, at, name="SIGKILL", **options):
    process = PROCESSES.Process(target=run_and_send, args=(str(folder), name, at), kwargs=options)
    process.start()
    process.join(120)
    return process.exitcode


def same(a, b):
    """Bit for bit: weights, the best epoch, metrics but for the clock, and the optimiser's state."""
    for name in ("weights_best", "weights_last"):
        one, two = load_weights(a / f"{name}.safetensors"), load_weights(b / f"{name}.safetensors")
        assert one.keys() == two.keys()
        for key in one:
            assert torch.equal(one[key], two[key]), (name, key)
    left, right = (pd.read_csv(folder / "metrics.csv") for folder in (a, b))
    pd.testing.assert_frame_equal(left, right, check_exact=True)
    one, two = (read_checkpoint(folder / "resume.ckpt") for folder in (a, b))
    assert str(one["optimizer_states"]) == str(two["optimizer_states"])
    assert one["lr_schedulers"] == two["lr_schedulers"]
    assert one["callbacks"]["keeper"]["best_epoch"] == two["callbacks"]["keeper"]["best_epoch"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    result = run(folder)
    assert (result.epochs, result.steps, result.resumed_after) == (5, 25, None)
    return folder


def test_outputs(whole):
    names = {path.name for path in whole.iterdir()}
    expected = "weights_best.safetensors weights_last.safetensors metrics.csv train_curves.png val_curves.png"
    assert names == {*expected.split(), "hparams.yaml", "console.log", "tensorboard", "resume.ckpt"}
    table = pd.read_csv(whole / "metrics.csv")
    assert list(table.columns) == ["epoch", "step", "lr", "train_loss", "train_weight", "val_loss"]
    assert table.epoch.tolist() == [0, 1, 2, 3, 4]
    assert table.step.tolist() == [5, 10, 15, 20, 25]
    assert table.lr.round(6).tolist() == [0.05, 0.05, 0.015, 0.015, 0.0045]
    hparams = read_yaml(whole / "hparams.yaml")
    assert hparams["seed"] == 3
    assert hparams["training"]["max_epochs"] == 5
    assert hparams["parameters"] == 41
    assert "best epoch" in (whole / "console.log").read_text()


def test_best_weights_are_those_of_the_best_epoch(whole):
    table = pd.read_csv(whole / "metrics.csv")
    best = int(table.val_loss.idxmin())
    weights = load_weights(whole / "weights_best.safetensors")["net.0.weight"]
    assert float(weights.abs().sum()) == pytest.approx(table.train_weight[best], rel=1e-6)


@pytest.mark.parametrize("step", [STEPS, STEPS + 3, 4 * STEPS - 1])
def test_killed_and_resumed_equals_uninterrupted(whole, tmp_path, step):
    assert start(tmp_path, step) == -signal.SIGKILL
    assert not (tmp_path / "weights_last.safetensors").exists()
    (tmp_path / "metrics.csv").unlink()  # a workflow engine deletes a failed job's outputs
    result = run(tmp_path)
    assert result.resumed_after == step // STEPS - 1
    same(whole, tmp_path)


def test_resume_with_workers(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    run(a, workers=1, epochs=2)
    assert start(b, 7, workers=1, epochs=2) == -signal.SIGKILL
    assert run(b, workers=1, epochs=2).resumed_after == 0
    same(a, b)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGINT"])
def test_signal_saves_and_tells(whole, tmp_path, name):
    # Written every fourth epoch only, so without the signal's save there would be nothing to go on with.
    assert start(tmp_path, 11, name, every=4) == EXIT_INTERRUPTED
    result = run(tmp_path, checkpoint_every=4)
    assert result.resumed_after == 1
    same(whole, tmp_path)


def test_tensorboard_has_every_epoch_once_after_resume(tmp_path):
    start(tmp_path, 13)
    run(tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    losses = events.Scalars("val_loss")
    assert [event.step for event in losses] == [4, 9, 14, 19, 24]
    assert [event.value for event in losses] == pytest.approx(pd.read_csv(tmp_path / "metrics.csv").val_loss.tolist())


def test_a_finished_run_is_trained_afresh_unless_its_digest_is_known(tmp_path):
    assert run(tmp_path).resumed_after is None
    assert run(tmp_path).resumed_after is None
    assert run(tmp_path, digest="abc").resumed_after is None
    again = run(tmp_path, digest="abc")
    assert (again.resumed_after, again.epochs) == (4, 5)
    assert run(tmp_path, digest="another").resumed_after is None


def test_another_seed_or_option_does_not_resume(tmp_path):
    run(tmp_path, digest="abc")
    assert run(tmp_path, digest="abc", seed=4).resumed_after is None
    assert run(tmp_path, digest="abc", gradient_clip=0.1).resumed_after is None


def test_early_stopping_and_its_resumption(tmp_path):
    result = run(tmp_path, epochs=30, net=Net(lr=0.0), patience=2, digest="d", monitor="train_weight")
    assert (result.epochs, result.best_epoch, result.stopped_early) == (3, 0, True)
    again = run(tmp_path, epochs=30, net=Net(lr=0.0), patience=2, digest="d", monitor="train_weight")
    assert again.epochs == 3


def test_sparse_validation_leaves_cells_empty(tmp_path):
    run(tmp_path, epochs=4, validate_every=2)
    assert pd.read_csv(tmp_path / "metrics.csv").val_loss.notna().tolist() == [False, True, False, True]


def test_without_validation_the_last_epoch_is_best(tmp_path, caplog):
    caplog.set_level("INFO", logger="ethomake")

    class OnlyTraining(LightningDataModule):
        def train_dataloader(self):
            return Data().train_dataloader()

    options = LoopOptions(max_epochs=2, accelerator="cpu", monitor=None)
    result = fit(Net(), OnlyTraining(), folder=tmp_path, options=options, seed=0)
    assert (result.best_epoch, result.best_value) == (1, None)
    reported = caplog.text + (tmp_path / "console.log").read_text()
    assert "the last epoch, 1, is kept as the best" in reported and "None" not in reported
    last, best = (load_weights(tmp_path / f"weights_{name}.safetensors") for name in ("last", "best"))
    assert all(torch.equal(last[name], best[name]) for name in last)


def test_unknown_monitor_and_divergence_are_sentences(tmp_path):
    with pytest.raises(EthoMakeError, match=r"no metric 'val_f1'.*val_loss"):
        run(tmp_path, epochs=1, monitor="val_f1")
    with pytest.raises(EthoMakeError, match=r"diverged: val_loss is nan at epoch 1; lower"):
        run(tmp_path, net=Net(hurt_at=7))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_checkpoint_that_is_a_program_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "pwned",))

    with open(tmp_path / "resume.ckpt", "wb") as handle:
        pickle.dump({"state_dict": Evil()}, handle)
    with pytest.raises(InputError, match="is not a checkpoint of plain tensors"):
        run(tmp_path, epochs=1)
    assert not (tmp_path / "pwned").exists()


def test_the_callers_threads_and_handlers_come_back(tmp_path):
    before = signal.getsignal(signal.SIGTERM), torch.get_num_threads()
    run(tmp_path, epochs=1)
    assert (signal.getsignal(signal.SIGTERM), torch.get_num_threads()) == before


def test_rows_are_appended_and_a_new_column_rewrites_the_table(tmp_path):
    table = MetricsLog(tmp_path / "metrics.csv", validate_every=2)
    for epoch in range(5):
        reported = {"train_loss": torch.tensor(0.1 * epoch), "val_loss": torch.tensor(1 / 3)}
        process = {"world_size": 1, "is_global_zero": True}
        state = SimpleNamespace(current_epoch=epoch, global_step=7 * epoch, callback_metrics=reported, **process)
        before = (tmp_path / "metrics.csv").stat().st_ino if epoch else None
        table.on_train_epoch_end(state, None)
        kept = pd.read_csv(tmp_path / "metrics.csv")
        pd.testing.assert_frame_equal(kept, pd.DataFrame(table.rows, columns=kept.columns))
        # Only the first row and the first validation make a new file; the other epochs add a line.
        assert (before != (tmp_path / "metrics.csv").stat().st_ino) == (epoch in (0, 1))
    again = MetricsLog(tmp_path / "metrics.csv", validate_every=2)
    again.load_state_dict(table.state_dict())
    assert again.rows == table.rows


@pytest.mark.parametrize("watched", [False, True])
def test_a_training_draws_no_bar_into_the_terminal_of_a_run(tmp_path, monkeypatch, watched):
    """In a run of the workflow the terminal is the workflow's: it shows the meters of its jobs."""
    (tmp_path / "meters").mkdir()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    if watched:
        monkeypatch.setenv("ETHOMAKE_PROGRESS", str(tmp_path / "meters"))
    else:
        monkeypatch.delenv("ETHOMAKE_PROGRESS", raising=False)
    given = {}

    class Spied(Trainer):
        def __init__(self, **options):
            given.update(options)
            super().__init__(**options)

    monkeypatch.setattr("workflow_scripts.training.loop.Trainer", Spied)
    run(tmp_path / "run", epochs=1)
    assert given["enable_progress_bar"] is not watched
