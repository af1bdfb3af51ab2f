"""Out-of-fold predictions of training recordings, and the stage that decides by them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.tracks import Toy

from workflow_scripts.behaviour.decided import READOUT, read_decision
from workflow_scripts.evaluation.comparison.compare import score_run
from workflow_scripts.evaluation.options import IntervalConfig, ProbeConfig
from workflow_scripts.evaluation.probe.held_out import as_probabilities, held_out_predictions, inner_splits
from workflow_scripts.evaluation.probe.probe import run_probe
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.splits import write_split

RUN = {"dataset": "toy", "method": "raw", "mode": "sound", "setting": "default", "split": "official", "seed": 0}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return Toy(tmp_path_factory.mktemp("toy"))


def test_every_training_group_is_held_out_once_and_no_test_recording_is_touched(toy: Toy) -> None:
    splits = list(inner_splits(toy.split, 3))
    assert sorted(recording for split in splits for recording in split.test) == sorted(toy.split.train)
    for split in splits:
        assert not {split.groups[r] for r in split.train} & {split.groups[r] for r in split.test}
        assert not set(toy.split.test) & {*split.train, *split.test}
    assert len(list(inner_splits(toy.split, 9))) == 4  # no more folds than groups


def test_out_of_fold_predictions_are_those_of_a_probe_without_the_group(toy: Toy, tmp_path: Path) -> None:
    config = ProbeConfig()
    found, notes = held_out_predictions(toy.embeddings, toy.tracks, toy.split, "state", config, 0, 2)
    assert not notes and {each.recording for each in found} == set(toy.split.train)
    first = next(iter(inner_splits(toy.split, 2)))
    run_probe(toy.embeddings, toy.tracks, first, ["state"], config, 0, tmp_path / "own.h5")
    with open_predictions(tmp_path / "own.h5") as reader:
        own = reader.read("state", first.test[0])
    (same,) = [each for each in found if each.recording == first.test[0]]
    np.testing.assert_array_equal(same.scores, own.scores)


def test_scores_of_either_probe_become_probabilities() -> None:
    binary = as_probabilities(np.float32([0.2, 0.9]), logistic=True)
    np.testing.assert_allclose(binary, [[0.8, 0.2], [0.1, 0.9]], atol=1e-6)
    assert as_probabilities(np.float32([-1, 1]), logistic=False)[1, 1] > 0.5
    ridge = as_probabilities(np.float32([[1, 0, -1]]), logistic=False)
    assert ridge.argmax() == 0 and ridge.sum() == pytest.approx(1)


@pytest.mark.parametrize("model", ["logistic", "ridge"])
def test_the_stage_adds_a_readout_and_leaves_the_probes_own_alone(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    from workflow_scripts.stages import decide, parser, start

    config = ProbeConfig(model=model)
    tasks = ["state", "running", "strain", "speed"]
    run_probe(toy.embeddings, toy.tracks, toy.split, tasks, config, 0, tmp_path / "probe.h5")
    before = (tmp_path / "probe.h5").read_bytes()
    write_split(tmp_path / "split.json", toy.split)
    settings = {"tasks": tasks, "probe": config.model_dump(mode="json"), "decisions": {"unseen_unknown": True}}
    arguments = parser(decide.__doc__)
    for name in ("embeddings", "tracks", "split", "predictions", "decision", "output"):
        arguments.add_argument(f"--{name}", type=Path)
    arguments.add_argument("--seed", type=int)
    arguments.add_argument("--settings")
    paths = {"embeddings": toy.embeddings, "tracks": toy.tracks, "split": tmp_path / "split.json"}
    paths |= {"predictions": tmp_path / "probe.h5", "decision": tmp_path / "decision.yaml"}
    line = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    line += ["--output", str(tmp_path / "decided.h5"), "--seed", "0", "--settings", json.dumps(settings)]
    monkeypatch.setattr(sys, "argv", ["decide", *line])
    start(arguments, decide.work)

    assert (tmp_path / "probe.h5").read_bytes() == before
    decisions = read_decision(tmp_path / "decision.yaml")
    assert set(decisions) == {"state", "running"}  # classes by frame
    table = score_run([tmp_path / "decided.h5"], IntervalConfig(resamples=50), RUN)
    assert set(table["readout"]) == {READOUT}
    probe = score_run([tmp_path / "probe.h5"], IntervalConfig(resamples=50), RUN)

    def value(rows: pd.DataFrame, metric: str) -> float:
        return float(rows.query(f"task == 'state' and metric == '{metric}'")["value"].iloc[0])

    # The balanced probe takes rare classes for frequent; calibration knows how frequent they are.
    assert value(table, "macro_f1") > value(probe, "macro_f1") - 0.1
    with open_predictions(tmp_path / "decided.h5") as reader:
        scores = np.concatenate([each.scores for each in reader.iterate("state")])
        truth = np.concatenate([each.truth for each in reader.iterate("state")])
    frequency = np.bincount(truth, minlength=3) / len(truth)
    assert np.abs(scores.mean(axis=0) - frequency).max() < 0.08
