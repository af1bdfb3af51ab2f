"""Embeddings of several runs side by side: columns, names, and what cannot be set beside one another."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from workflow_scripts.core.errors import InputError
from workflow_scripts.evaluation.probe.join import join_embeddings
from workflow_scripts.formats.embeddings import open_embeddings, write_embeddings

HERE = {"dataset": "toy", "split": "fold0", "method": "one"}
LENGTHS = {"b": 40, "a": 7}


def written(
    path: Path, dim: int, *, lengths: dict[str, int] = LENGTHS, names: tuple[str, ...] = (), **about: str
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(dim)
    arrays = {name: rng.normal(size=(frames, dim)).astype(np.float32) for name, frames in lengths.items()}
    write_embeddings(path, arrays.items(), names=names, attributes=HERE | about)
    return arrays


def test_columns_follow_each_other_in_the_order_that_is_given(tmp_path: Path) -> None:
    wide = written(tmp_path / "z.h5", 3, names=("x", "y", "z"))
    narrow = written(tmp_path / "a.h5", 2, method="two")
    join_embeddings({"wide": tmp_path / "z.h5", "narrow": tmp_path / "a.h5"}, tmp_path / "both.h5")
    with open_embeddings(tmp_path / "both.h5") as reader:
        assert reader.names == ["wide: x", "wide: y", "wide: z", "narrow: 0", "narrow: 1"]
        assert (reader.dim, set(reader.ids)) == (5, {"a", "b"})
        assert reader.attributes["members"]["narrow"]["method"] == "two"
        for name in LENGTHS:
            np.testing.assert_array_equal(reader.read(name), np.hstack([wide[name], narrow[name]]))


def test_half_precision_is_stored_where_asked_for(tmp_path: Path) -> None:
    written(tmp_path / "one.h5", 300)
    members = {"one": tmp_path / "one.h5", "two": tmp_path / "one.h5"}
    for half in (False, True):
        join_embeddings(members, tmp_path / f"{half}.h5", half=half)
    assert (tmp_path / "True.h5").stat().st_size < 0.6 * (tmp_path / "False.h5").stat().st_size


def test_draws_of_labels_train_on_the_same_recordings(tmp_path: Path) -> None:
    """What reads no labels is embedded for the first draw alone, and set beside what is trained in each."""
    written(tmp_path / "one.h5", 2, split="labels_k1_0", training="abc")
    written(tmp_path / "two.h5", 3, split="labels_k4_1", training="abc")
    join_embeddings({"one": tmp_path / "one.h5", "two": tmp_path / "two.h5"}, tmp_path / "both.h5")
    with open_embeddings(tmp_path / "both.h5") as reader:
        assert reader.dim == 5


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"lengths": {"b": 40, "a": 8}}, "has 8 frames of recording 'a', and .*one.h5 has 7"),
        ({"lengths": {"b": 40}}, "two.h5: has no recording 'a', which .*one.h5 has"),
        ({"lengths": {**LENGTHS, "c": 5}}, "one.h5: has no recording 'c', which .*two.h5 has"),
        ({"split": "fold1"}, "is of the split 'fold1', and .*one.h5 of 'fold0'"),
        ({"split": "fold1", "training": "of others"}, "is of the split 'fold1', and .*one.h5 of 'fold0'"),
        ({"dataset": "else"}, "is of the dataset 'else', and .*one.h5 of 'toy'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(tmp_path: Path, other: dict[str, object], said: str) -> None:
    written(tmp_path / "one.h5", 2)
    written(tmp_path / "two.h5", 3, **other)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"{said}; embed both from the same dataset and split") as caught:
        join_embeddings({"one": tmp_path / "one.h5", "two": tmp_path / "two.h5"}, tmp_path / "both.h5")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "both.h5").exists()


def test_recordings_are_held_one_at_a_time(tmp_path: Path) -> None:
    """Twenty recordings take no more memory than two."""
    import tracemalloc

    peaks = []
    for number in (2, 20):
        written(tmp_path / f"{number}.h5", 50, lengths={f"r{k}": 5000 for k in range(number)})
        members = {"one": tmp_path / f"{number}.h5", "two": tmp_path / f"{number}.h5"}
        tracemalloc.start()
        join_embeddings(members, tmp_path / "both.h5")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import runpy

    written(tmp_path / "one.h5", 2)
    arguments = ["--member", "p/x~1", "q", "--embeddings", *[str(tmp_path / "one.h5")] * 2]
    monkeypatch.setattr(sys, "argv", ["join", *arguments, "--output", str(tmp_path / "both.h5")])
    runpy.run_module("workflow_scripts.stages.join", run_name="__main__")
    with open_embeddings(tmp_path / "both.h5") as reader:
        assert reader.names == ["p/x~1: 0", "p/x~1: 1", "q: 0", "q: 1"]
