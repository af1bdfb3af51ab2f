"""MATLAB 5 files: as scipy reads them, and never a crash: scipy's reader ends the process on some damaged ones."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from builders.files import real
from scipy.io import loadmat, savemat

from workflow_scripts.core.boundary import DamageError
from workflow_scripts.core.errors import InputError
from workflow_scripts.sources.shared.matlab import read_structs

REFUSED = (DamageError, InputError, zlib.error)


def made(path: Path, *, packed: bool = False) -> Path:
    vector = (np.arange(40) // 10 % 2).astype(np.float64)
    bouts = np.array([[11, 20], [31, 40]])
    held = {"Freezing": {"Vector": vector, "Bouts": bouts}, "words": "text", "cells": np.array([1, "a"], object)}
    savemat(path, {"Behavior": held, "a": np.array([[1, 2]], np.uint8)}, do_compression=packed)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_structs_of_numbers(packed: bool, tmp_path: Path) -> None:
    found = read_structs(made(tmp_path / "x.mat", packed=packed))
    freezing = found["Behavior"]["Freezing"]
    assert freezing["Vector"].ravel().tolist() == (np.arange(40) // 10 % 2).tolist()
    assert freezing["Bouts"].tolist() == [[11, 20], [31, 40]]
    assert found["a"].tolist() == [[1, 2]]
    assert found["Behavior"]["words"] is None


def test_a_real_file_as_scipy_reads_it() -> None:
    path = real("mouse-freezing", "demo1", "demo1_video.avi_analyzed", "Behavior.mat")
    mine, theirs = read_structs(path)["Behavior"], loadmat(path, simplify_cells=True)["Behavior"]
    assert set(mine) == set(theirs)
    for name, parts in mine.items():
        for part in ("Vector", "Bouts"):
            np.testing.assert_array_equal(np.squeeze(parts[part]), theirs[name][part])


@pytest.mark.parametrize("value", [0, 1, 7, 0x7FFFFFFF, 0xFFFFFFFF])
def test_any_damaged_word_is_read_or_refused(value: int, tmp_path: Path) -> None:
    whole = made(tmp_path / "x.mat").read_bytes()
    refused = 0
    for place in range(128, len(whole) - 3, 4):
        (tmp_path / "x.mat").write_bytes(whole[:place] + value.to_bytes(4, "little") + whole[place + 4 :])
        try:
            read_structs(tmp_path / "x.mat")
        except REFUSED:
            refused += 1
    assert refused


def test_what_unpacks_without_end_is_bounded(tmp_path: Path) -> None:
    data = zlib.compress(bytes(2**24), 9)
    whole = made(tmp_path / "x.mat").read_bytes()[:128]
    tag = (15).to_bytes(4, "little") + len(data).to_bytes(4, "little")
    (tmp_path / "x.mat").write_bytes(whole + tag + data)
    with pytest.raises(REFUSED):
        read_structs(tmp_path / "x.mat")
