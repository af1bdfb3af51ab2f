"""Canonical files are there whole or not at all: on a full disk, in a locked folder, after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.files import atomic_path, write_text

WRITERS = """
import numpy as np, resource, sys
from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.embeddings import write_embeddings
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.formats.tracks import Recording, write_tracks

rng = np.random.default_rng(0)
T = 20_000

def tracks(path):
    position = rng.random((T, 2, 5, 2), dtype=np.float32)
    names = ("a", "b"), tuple("vwxyz")
    write_tracks(path, [Recording("r", position, position[..., 0], 30.0, *names, "g")])

def embeddings(path):
    write_embeddings(path, [("r", rng.random((T, 30), dtype=np.float32))])

def predictions(path):
    with create_predictions(path) as writer:
        writer.task("t", kind="multiclass", level="frame", vocabulary=("a", "b"), readout="probe")
        truth = rng.integers(0, 2, T)
        writer.add("t", Prediction("r", "g", truth, truth > -1, truth, rng.random((T, 2), dtype=np.float32)))

if int(sys.argv[3]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    globals()[sys.argv[1]](sys.argv[2])
except InputError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("limit", [1_000, 60_000, 150_000])
@pytest.mark.parametrize("writer", ["tracks", "embeddings", "predictions"])
def test_a_disk_that_takes_no_more_is_one_sentence(tmp_path: Path, writer: str, limit: int) -> None:
    """The HDF5 library alone crashes here, at times without a word."""
    command = [sys.executable, "-c", WRITERS, writer, str(tmp_path / "x.h5"), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.strip() == (
        f"{tmp_path / 'x.h5'}: cannot be written because it is larger than your limit on file sizes; "
        "raise the limit (ulimit -f) and run again."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("writer", ["tracks", "embeddings", "predictions"])
def test_the_same_writers_write_where_there_is_room(tmp_path: Path, writer: str) -> None:
    command = [sys.executable, "-c", WRITERS, writer, str(tmp_path / "x.h5"), "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]


def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises((InputError, OSError)):
        write_text(tmp_path / "file" / "x.txt", "text")
    if os.geteuid() == 0:
        return  # root may write anywhere
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(InputError, match="may not be written to; change its permissions"):
            write_text(tmp_path / "x.txt", "text")
    finally:
        tmp_path.chmod(0o755)


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "x.txt"
    write_text(target, "old")
    code = (
        "import sys, time\nfrom workflow_scripts.core.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as part:\n    part.write_text('half')\n    print(flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert target.read_text() == "old"


def test_an_error_inside_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "x.txt") as part:
        part.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
