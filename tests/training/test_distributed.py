"""Training shared by two processes (gloo, on CPU): as two devices of one machine, and as two machines."""

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch
from builders import two_methods

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.training.distributed import share
from workflow_scripts.training.weights import load_weights

PROGRAM = [sys.executable, "-m", "builders.two_processes"]
METHODS = [sys.executable, "-m", "builders.two_methods"]
TESTS = Path(two_methods.__file__).parents[1]
ALONE = {
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
}


def start(folder, devices, nodes, **environment):
    environment = os.environ | ALONE | environment
    command = [*PROGRAM, str(folder), str(devices), str(nodes)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said[-3000:]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folders of the same training by one process, two devices, two machines; all at once."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("one", "devices", "machines")}
    running = [start(folders["one"], 1, 1), start(folders["devices"], 2, 1)]
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": "2", "LOCAL_RANK": "0"}
    running += [start(folders["machines"], 1, 2, **meeting, NODE_RANK=str(rank)) for rank in range(2)]
    for process in running:
        finish(process)
    return folders


@pytest.mark.parametrize("kind", ["devices", "machines"])
def test_two_processes_train_what_one_trains(trained, kind):
    for name in ("weights_best", "weights_last"):
        one, two = (load_weights(trained[which] / f"{name}.safetensors") for which in ("one", kind))
        for key in one:
            torch.testing.assert_close(one[key], two[key], rtol=1e-4, atol=1e-5)
    one, two = (pd.read_csv(trained[which] / "metrics.csv") for which in ("one", kind))
    assert two["val_loss"].tolist() == pytest.approx(one["val_loss"].tolist(), rel=1e-4)
    assert two["train_loss"].tolist() == pytest.approx(one["train_loss"].tolist(), rel=1e-4)
    # The work was shared indeed: half a batch each.
    assert (one["train_rows"].max(), two["train_rows"].max()) == (8, 4)
    assert sorted(path.name for path in trained[kind].iterdir()) == sorted(
        path.name for path in trained["one"].iterdir()
    )


@pytest.mark.parametrize(
    "method", ["bams", *(pytest.param(name, marks=pytest.mark.faults) for name in ("daart", "mvd"))]
)
def test_a_method_trained_by_two_processes_is_the_same(tmp_path, method):
    """Batch norms see the whole batch, and losses count the frames of all shares."""
    environment = os.environ | ALONE
    command = [*METHODS, method, str(tmp_path / "two")]
    two = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    two_methods.METHODS[method](tmp_path / "one")
    finish(two)
    tables = [pd.read_csv(tmp_path / which / "metrics.csv") for which in ("one", "two")]
    pd.testing.assert_frame_equal(*tables, rtol=1e-4)
    one, two = (load_weights(tmp_path / which / "weights_last.safetensors") for which in ("one", "two"))
    for key in one:
        torch.testing.assert_close(one[key], two[key], rtol=1e-3, atol=2e-5)


@dataclass(frozen=True)
class Batch:
    x: torch.Tensor
    parts: dict[str, torch.Tensor]
    mask: torch.Tensor | None = None


def test_shares_make_the_batch():
    batch = Batch(torch.arange(6), {"y": torch.arange(12).reshape(6, 2)})
    shares = [share(batch, rank, 3) for rank in range(3)]
    assert sorted(torch.cat([part.x for part in shares]).tolist()) == [0, 1, 2, 3, 4, 5]
    assert all(part.parts["y"][:, 0].tolist() == (2 * part.x).tolist() for part in shares)


def test_what_cannot_be_cut_evenly_stays_whole():
    assert share([torch.arange(5)], 1, 2)[0].tolist() == [0, 1, 2, 3, 4]


def test_batches_without_common_rows_are_refused():
    with pytest.raises(EthoMakeError, match=r"cannot be shared.*training.devices"):
        share({"x": torch.zeros(4, 2), "frames": torch.zeros(3)}, 0, 2)
