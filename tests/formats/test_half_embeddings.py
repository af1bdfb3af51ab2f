"""Embeddings stored in half precision: half the file, read as float32, and no overflow passes."""

from __future__ import annotations

import numpy as np
import pytest

from workflow_scripts.core.errors import InputError
from workflow_scripts.formats.embeddings import open_embeddings, write_embeddings


def test_half_the_file_and_three_digits(tmp_path):
    array = np.random.default_rng(0).normal(size=(5000, 32)).astype(np.float32)
    for name, half in (("whole", False), ("half", True)):
        write_embeddings(tmp_path / f"{name}.h5", [("a", array)], half=half)
    size = {name: (tmp_path / f"{name}.h5").stat().st_size for name in ("whole", "half")}
    assert size["half"] < 0.52 * size["whole"]
    with open_embeddings(tmp_path / "half.h5") as reader:
        found = reader.read("a")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, array, rtol=1e-3, atol=1e-6)
    with pytest.raises(InputError, match="beyond 65504; set embedding_precision: single"):
        write_embeddings(tmp_path / "far.h5", [("a", array * 1e6)], half=True)
    assert not (tmp_path / "far.h5").exists()
