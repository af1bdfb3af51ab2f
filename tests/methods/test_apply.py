"""Split `all`, the probe as files, and final models applied to recordings nobody labelled."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import replace

import numpy as np
import pytest
import torch
from builders.tracks import walkers

from workflow_scripts.behaviour.gather import human_series, predicted_series, read_conditions, recordings_of
from workflow_scripts.behaviour.measures import budget
from workflow_scripts.cards.card import Card
from workflow_scripts.convert.splits import make_split
from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.core.validation import validate
from workflow_scripts.evaluation.options import ProbeConfig
from workflow_scripts.evaluation.probe.probe import run_probe
from workflow_scripts.evaluation.probe.readout import load_readout
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.tracks import write_tracks
from workflow_scripts.methods.apply import apply_model, chosen_recordings
from workflow_scripts.methods.raw import method as raw
from workflow_scripts.methods.runs import embed, export_embedder, train
from workflow_scripts.training import devices
from workflow_scripts.views.registry import open_view

CARD = {
    "name": "toy",
    "title": "t",
    "description": "d",
    "licence": "l",
    "citation": ["c"],
    "source": "deeplabcut",
    "local": ".",
    "files": [{"path": "a.csv"}],
    "shards": [{"id": "a", "tracks": "a.csv"}],
    "tasks": {"behaviour": {}, "near": {"kind": "binary"}},
}


@pytest.fixture(scope="module")
def final(tmp_path_factory):
    """Three labelled and two unlabelled recordings; hand features fitted on everything labelled, and their probe."""
    folder = tmp_path_factory.mktemp("toy")
    found = [walkers(name, 200, labelled=name in "abc") for name in "abcde"]
    gone = found[4].position.copy()
    gone[50:80] = np.nan
    found[4] = replace(found[4], position=gone)
    write_tracks(folder / "tracks.h5", found)
    split = make_split(folder / "tracks.h5", validate(Card, CARD, "card"), "all")
    view = open_view(folder / "tracks.h5", split)
    train("raw", {"mode": "sound", "options": {}}, view, folder=folder / "run", seed=0)
    export_embedder(folder / "run")
    embed(folder / "run/embedder", view, folder / "embeddings.h5")
    tasks = ["behaviour", "near"]
    run_probe(
        folder / "embeddings.h5", folder / "tracks.h5", split, tasks, ProbeConfig(), 0, None, folder / "run/probe"
    )
    return folder, split


def applied(folder, output, data=None, **options):
    apply_model(folder / "run/embedder", folder / "run/probe", data or folder / "tracks.h5", output, **options)
    return output


def test_everything_labelled_trains_and_nothing_is_held_out(final):
    _, split = final
    assert (split.train, split.validation, split.test, split.family) == (["a", "b", "c"], [], [], "all")
    assert set(split.groups) == {"a", "b", "c"}


def test_a_dataset_without_labels_has_no_final_model_of_its_tasks(tmp_path):
    write_tracks(tmp_path / "tracks.h5", [walkers("a", labelled=False)])
    with pytest.raises(ConfigError, match="expected a recording with labels"):
        make_split(tmp_path / "tracks.h5", validate(Card, CARD, "card"), "all")
    untasked = validate(Card, CARD | {"tasks": {}}, "card")
    assert make_split(tmp_path / "tracks.h5", untasked, "all").train == ["a"]


def test_no_card_writes_it():
    assert validate(Card, CARD, "card").split_names("all") == ["all"]
    with pytest.raises(ConfigError, match="the name 'all' is kept"):
        validate(Card, CARD | {"splits": {"all": {"deal": 2}}}, "card")


def test_a_saved_probe_predicts_what_the_fitted_one_does(final, tmp_path):
    folder, split = final
    held = replace(split, name="official", train=["a", "b"], test=["c"])
    run_probe(
        folder / "embeddings.h5",
        folder / "tracks.h5",
        held,
        ["behaviour", "near"],
        ProbeConfig(),
        0,
        tmp_path / "p.h5",
        tmp_path / "probe",
    )
    from workflow_scripts.formats.embeddings import open_embeddings

    readout = load_readout(tmp_path / "probe")
    with open_predictions(tmp_path / "p.h5") as expected, open_embeddings(folder / "embeddings.h5") as reader:
        for task in ("behaviour", "near"):
            prediction, scores = readout[task].predict(reader.read("c"))
            found = expected.read(task, "c")
            np.testing.assert_array_equal(prediction, found.prediction)
            np.testing.assert_array_equal(scores, found.scores)


def test_a_damaged_or_foreign_probe_is_refused(final, tmp_path):
    folder, _ = final
    (tmp_path / "config.yaml").write_text((folder / "run/probe/config.yaml").read_text())
    with pytest.raises(InputError, match="does not exist"):
        load_readout(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="no readable safetensors"):
        load_readout(tmp_path)
    with pytest.raises(ValueError, match="dimensions"):
        load_readout(folder / "run/probe")["near"].predict(np.zeros((5, 3), np.float32))


def test_unlabelled_recordings_are_predicted_with_probabilities(final, tmp_path):
    folder, _ = final
    with open_predictions(applied(folder, tmp_path / "p.h5")) as reader:
        assert reader.tasks == ["behaviour", "near"]
        assert reader.recordings("behaviour") == ["d", "e"]
        found = reader.read("behaviour", "e")
    assert not found.mask.any()
    assert found.scores.shape == (200, 3)
    np.testing.assert_allclose(found.scores.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(found.prediction, found.scores.argmax(axis=1))
    assert not found.seen[50:80].any()
    assert found.seen[:50].all()


def test_another_datasets_labels_are_kept_for_agreement(final, tmp_path):
    folder, _ = final
    write_tracks(tmp_path / "tracks.h5", [walkers("z", 100)])
    path = applied(folder, tmp_path / "p.h5", tmp_path / "tracks.h5", which="every", tasks=["near"])
    with open_predictions(path) as reader:
        assert reader.tasks == ["near"]
        assert reader.read("near", "z").mask.all()


def test_recordings_of_another_kind_are_refused_or_left_out(final, tmp_path):
    folder, _ = final
    odd = replace(walkers("odd", 100, labelled=False), fps=25.0)
    write_tracks(tmp_path / "tracks.h5", [odd, walkers("fine", 100, labelled=False)])
    with pytest.raises(EthoMakeError, match="'odd' has fps 25"):
        applied(folder, tmp_path / "p.h5", tmp_path / "tracks.h5")
    left_out = []
    path = applied(
        folder, tmp_path / "p.h5", tmp_path / "tracks.h5", on_problem=lambda name, error: left_out.append(name)
    )
    assert left_out == ["odd"]
    with open_predictions(path) as reader:
        assert reader.recordings("near") == ["fine"]


def test_nothing_unlabelled_is_said(tmp_path):
    write_tracks(tmp_path / "tracks.h5", [walkers("a")])
    with pytest.raises(InputError, match="expected recordings without labels of near, found none"):
        chosen_recordings(tmp_path / "tracks.h5", "unlabelled", ["near"])


def test_budgets_of_labelled_and_unlabelled_recordings_side_by_side(final, tmp_path):
    """One table: hand labels of a, b, c and predictions of d, e, where unseen frames are no background."""
    folder, _ = final
    data = folder / "tracks.h5"
    (tmp_path / "c.csv").write_text("recording,animal,condition\na,m1,drug\ne,m2,saline\n")
    about = recordings_of("toy", data, read_conditions(tmp_path / "c.csv"))
    path = applied(folder, tmp_path / "p.h5")
    series = [
        *human_series("toy", data, ["behaviour"], about),
        *predicted_series("toy", data, path, about, source="raw", role="applied", seed=0, seen={}),
    ]
    table = budget(series)
    assert set(zip(table["recording"], table["source"], strict=True)) == {
        *((name, "human") for name in "abc"),
        *((name, "raw") for name in "de"),
    }
    last = table[(table["recording"] == "e") & (table["task"] == "behaviour")]
    np.testing.assert_allclose(last["share_unseen"].astype(float), 30 / 200)
    assert last["share"].sum() == pytest.approx(1)
    assert set(last["condition"]) == {"saline"}
    assert set(last["animal"]) == {"m2"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recording,cond\na,x\n", "expected the column 'condition'"),
        ("recording,condition\na,x\na,y\n", "names the recording 'a' twice"),
        ("recording,condition\na\n", "line 2: has 1 cells"),
        ("", "expected the column 'recording'"),
    ],
)
def test_a_wrong_table_of_conditions_is_refused(tmp_path, text, said):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        read_conditions(tmp_path / "c.csv")


def test_a_full_device_memory_halves_the_batches_and_changes_nothing(final, tmp_path, monkeypatch):
    folder, _ = final
    whole = applied(folder, tmp_path / "whole.h5", tasks=["near"])
    sizes = []
    plain = raw.embed

    def full(model, recording):
        sizes.append(devices.batch_of(8))
        if len(sizes) == 1:
            raise torch.cuda.OutOfMemoryError("full")
        return plain(model, recording)

    monkeypatch.setattr(raw, "embed", full)
    monkeypatch.setattr(devices, "_divisor", ContextVar("divisor", default=1))
    again = applied(folder, tmp_path / "again.h5", tasks=["near"])
    assert sizes[:2] == [8, 4]
    with open_predictions(whole) as one, open_predictions(again) as other:
        for name in one.recordings("near"):
            np.testing.assert_array_equal(one.read("near", name).scores, other.read("near", name).scores)
