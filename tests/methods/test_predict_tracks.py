"""`ethomake predict` on files of tracks: read as the training's, decided, tabulated, and compared with the training."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest
from builders.lab_toy import boris, card, dlc

from workflow_scripts.behaviour.decided import write_decision
from workflow_scripts.behaviour.decisions import tune_decision
from workflow_scripts.behaviour.thresholds import Held
from workflow_scripts.cli import main
from workflow_scripts.convert.reading import reading_of
from workflow_scripts.convert.splits import make_split
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.evaluation.options import ProbeConfig
from workflow_scripts.evaluation.probe.probe import run_probe
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.track_index import index_tracks
from workflow_scripts.formats.tracks import open_tracks, write_tracks
from workflow_scripts.methods.predict_files import predict_files
from workflow_scripts.methods.runs import embed, export_embedder, train
from workflow_scripts.sources.boris import Options, read_bouts
from workflow_scripts.video.metadata import probe
from workflow_scripts.views.registry import open_view

FRAMES = 300

CARD = """\
fps: 30
labels:
  - {source: boris, options: {multiclass: groom, background: none}}
tasks: {groom: {kind: multiclass, vocabulary: [none, groom], background: none}}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Two labelled recordings, a final run of coordinates with its probe, and two new files."""
    root = tmp_path_factory.mktemp("lab")
    files = root / "files"
    for name, add in (("m1", 0.0), ("m2", 3.0)):
        dlc(files / f"{name}.csv", FRAMES, add=add)
        boris(files / f"{name}_boris.csv", [("groom", 4.0, 8.0)], duration=10.0, media=f"{name}.mp4")
    made = card(
        root,
        CARD,
        """recording file labels
        m1 m1.csv m1_boris.csv
        m2 m2.csv m2_boris.csv""",
    )
    data = root / "data" / "lab"
    paths = []
    for shard in made.shards:
        paths.append(data / "recordings" / f"{shard.id}.h5")
        write_tracks(paths[-1], convert_shard(made, shard, files))
    index_tracks(data / "tracks.h5", paths, reading_of(made))
    split = make_split(data / "tracks.h5", made, "all")
    view = open_view(data / "tracks.h5", split)
    run = root / "results/first/runs/lab/raw/sound/default/all/seed0"
    train("raw", {"mode": "sound", "options": {}}, view, folder=run, seed=0)
    export_embedder(run)
    embed(run / "embedder", view, run / "embeddings.h5")
    run_probe(run / "embeddings.h5", data / "tracks.h5", split, ["groom"], ProbeConfig(), 0, None, run / "probe")
    new = root / "new"
    dlc(new / "day1" / "a.csv", FRAMES, add=1.0)
    dlc(new / "day2" / "b.csv", FRAMES, add=2.0)
    (new / "day2" / "bad.csv").write_text("scorer,x\nbodyparts,nose\n")
    return root, run, new


def test_new_files_are_predicted_as_the_rules_do_and_a_bad_one_is_passed_over(lab, tmp_path):
    _, run, new = lab
    predict_files(run, [new], tmp_path / "out", tracks={"probabilities": True, "embeddings": True})
    summary = {row["output"]: row for row in csv.DictReader((tmp_path / "out/summary.csv").open())}
    assert {name: row["status"] for name, row in summary.items()} == {
        "day1/a": "ok",
        "day2/b": "ok",
        "day2/bad": "failed",
    }
    assert "bad.csv" in summary["day2/bad"]["reason"]
    folder = tmp_path / "out" / "day1" / "a"
    with open_predictions(folder / "predictions.h5") as reader, open_tracks(folder / "tracks.h5") as tracks:
        found = reader.read("groom", "a")
        assert reader.background("groom") == "none"
        assert tracks.read("a").n_frames == len(found.prediction) == FRAMES
    assert not found.mask.any()
    with open_embeddings(folder / "embeddings.h5") as reader:
        assert len(reader.read("a")) == FRAMES
    table = pd.read_csv(folder / "probabilities.csv")
    assert list(table)[:2] == ["frame", "seconds"]
    np.testing.assert_allclose(table["groom/none"] + table["groom/groom"], 1, atol=2e-4)
    assert set(pd.read_csv(folder / "budget.csv")["class"]) == {"none", "groom"}


def test_the_bouts_are_read_back_by_boris_and_simba(lab, tmp_path):
    _, run, new = lab
    predict_files(
        run,
        [new / "day1/a.csv"],
        tmp_path / "out",
        tracks={"formats": ["boris", "simba"], "media": "{recording}.mp4"},
    )
    folder = tmp_path / "out" / "a"
    bouts = pd.read_csv(folder / "bouts.csv")
    assert len(bouts)
    assert "a.mp4" in (folder / "boris/a.csv").read_text()
    assert len(read_bouts(folder / "boris/a.csv", 30.0, Options(multiclass="groom")).bouts) >= 1
    assert "groom" in pd.read_csv(folder / "simba/a.csv")


def test_what_is_unlike_the_training_is_reported(lab, tmp_path, caplog):
    _, run, new = lab
    dlc(tmp_path / "far.csv", FRAMES, add=5000.0)
    predict_files(run, [tmp_path / "far.csv", new / "day1/a.csv"], tmp_path / "out")
    far = pd.read_csv(tmp_path / "out/far/quality.csv").iloc[0]
    near = pd.read_csv(tmp_path / "out/a/quality.csv").iloc[0]
    assert far["outside/x"] == 1
    assert "unlike the training recordings: x is outside" in far["warnings"]
    assert near["outside/x"] < 0.05
    assert any("unlike the training" in record.message for record in caplog.records)


def test_another_frame_rate_is_resampled_and_said(lab, tmp_path):
    _, run, new = lab
    predict_files(run, [new / "day1/a.csv"], tmp_path / "out", tracks={"fps": 60.0})
    row = pd.read_csv(tmp_path / "out/a/quality.csv").iloc[0]
    assert (row["frames"], row["fps"]) == (FRAMES / 2, 30)
    assert "recorded at 60 frames/s, resampled to the model's 30" in row["warnings"]


def test_an_absent_point_is_refused_by_name_then_left_empty(lab, tmp_path):
    _, run, _ = lab
    dlc(tmp_path / "few.csv", FRAMES, points=("nose",))
    with pytest.raises(InputError, match="tail"):
        predict_files(run, [tmp_path / "few.csv"], tmp_path / "out")
    predict_files(run, [tmp_path / "few.csv"], tmp_path / "out", tracks={"changes": {"absent": "empty"}})
    dlc(tmp_path / "named.csv", FRAMES, points=("snout", "tail"))
    assert (
        main(["predict", str(run), str(tmp_path / "named.csv"), "--rename", "snout=nose", "--output", str(tmp_path)])
        == 0
    )


def test_a_stored_decision_decides_new_files(lab, tmp_path):
    _, run, new = lab
    flat = np.full((FRAMES, 2), 0.5, np.float32)
    truth = np.repeat([0, 1], FRAMES // 2)
    sure = np.stack([1 - truth, truth], axis=1) * 0.8 + 0.1 * flat
    held = [Held(sure, truth, np.ones(FRAMES, bool))]
    decision = tune_decision(held, ("none", "groom"), "none", 30.0, unknown_below=0.999999)
    write_decision(run / "decision.yaml", {"groom": decision})
    try:
        predict_files(run, [new / "day1/a.csv"], tmp_path / "decided")
        predict_files(run, [new / "day1/a.csv"], tmp_path / "plain", decide=False)
    finally:
        (run / "decision.yaml").unlink()
    unseen = {
        name: pd.read_csv(tmp_path / name / "a/budget.csv")["share_unseen"].iloc[0] for name in ("decided", "plain")
    }
    assert unseen["plain"] == 0
    assert unseen["decided"] > 0.5


def test_options_of_videos_are_refused(lab, tmp_path):
    _, run, new = lab
    with pytest.raises(ConfigError, match="--detector, --region and --animals are for videos"):
        predict_files(run, [new / "day1/a.csv"], tmp_path / "out", video={"animals": 2})


def test_film_and_suggestions_of_a_predicted_file(lab, tmp_path, capsys):
    _, run, new = lab
    predict_files(run, [new / "day1/a.csv"], tmp_path / "out")
    folder = tmp_path / "out" / "a"
    assert main(["film", str(folder), "a", "--grids", "--seconds", "3", "5", "--width", "320"]) == 0
    written = capsys.readouterr().out.split()
    assert len(written) >= 2
    info = probe(folder / "films" / "a.mp4")
    assert info.n_frames == 60
    assert info.fps == pytest.approx(30)
    arguments = ["suggest", str(folder), "--count", "3", "--output", str(tmp_path / "next")]
    assert main(arguments) == 0
    table = pd.read_csv(tmp_path / "next/suggestions.csv")
    assert 1 <= len(table) <= 3
    assert (table["sureness"] >= 0).all()
    assert len(read_bouts(tmp_path / "next/boris/a.csv", 30.0, Options(multiclass="groom")).bouts) >= 1
    capsys.readouterr()
    assert main(arguments) == 0
    assert "last round: 0 of" in capsys.readouterr().out
