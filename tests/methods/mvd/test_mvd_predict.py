"""New videos through the chain of the rules: crop, detector, missing animals, confidence, folders, devices."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from builders.clips import film, settings, split

from workflow_scripts.behaviour.codings import predictions_of
from workflow_scripts.behaviour.exports import export
from workflow_scripts.behaviour.thresholds import Held, Rule, guarded, tune
from workflow_scripts.convert.crop_video import preprocess
from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.formats.clips import MISSING, Clip, open_clips, write_clips
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.tracks import Labels
from workflow_scripts.methods.mvd import files, method
from workflow_scripts.methods.mvd.module import MvdClassifier
from workflow_scripts.methods.predict_files import gather, predict_files
from workflow_scripts.methods.runs import embed, export_embedder, load_embedder, predict, train
from workflow_scripts.sources import supervisely
from workflow_scripts.sources.boris import Options as BorisOptions
from workflow_scripts.sources.videos import Options
from workflow_scripts.views.clips import ClipView
from workflow_scripts.views.crops import shared_preprocessing

CLASSES = ("other", "run", "rest")
OPTIONS = {
    "region": [0, 0, 96, 96],
    "every": 2,
    "size": 48,
    "detector": {"name": "background", "options": {"polarity": "bright", "min_area": 0.002}},
}
"""Two panels: a bright mouse in the left one, and in the right one, larger, what is none."""


def labelled(recording, task="action"):
    codes = np.repeat([0, 1, 2], recording.n_frames // 3).astype(np.int16)
    labels = Labels(codes, np.ones(len(codes), bool), "frame", "multiclass", CLASSES, background="other")
    return dataclasses.replace(recording, labels={task: labels})


def clips_of(recording, task="action"):
    third = recording.n_frames // 3
    kinds = ("idle", "positive", "positive")
    return [Clip(recording.id, k * third, (k + 1) * third, CLASSES[k], kinds[k], task) for k in range(3)]


def make(folder, options=OPTIONS, task="action"):
    """Three videos, cropped as the rules do it, a training on two of them, and the exported model."""
    (folder / "raw").mkdir(parents=True)
    items = []
    for k in range(3):
        raw = film(folder / "raw" / f"v{k}.mp4", k)
        made = preprocess(raw, Options(**options), folder / "crops" / f"v{k}.mp4", recording=f"v{k}")
        items.append(labelled(made, task))
    table = [clip for item in items for clip in clips_of(item, task)]
    write_clips(folder / "index.h5", items, {"sound": table, "faithful": table})
    view = ClipView(folder / "index.h5", split(["v0"], ["v1"], ["v2"]))
    train("mvd", settings(samples=8), view, folder=folder / "run", seed=0)
    export_embedder(folder / "run")
    return folder, view


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("panels"))


def test_a_new_video_is_cropped_as_the_training_videos_were(made, tmp_path):
    folder, view = made
    predict(folder / "run" / "embedder", view, ["action"], tmp_path / "p.h5", readout="native")
    with open_predictions(tmp_path / "p.h5") as reader:
        rules = reader.read("action", "v2")
    predict_files(folder / "run", [folder / "raw" / "v2.mp4"], tmp_path / "out", overlay=False)
    table = pd.read_csv(tmp_path / "out" / "v2" / "probabilities.csv")
    # With the defaults the dark thing in the other panel is followed, and everything differs.
    assert table[list(CLASSES)].to_numpy() == pytest.approx(rules.scores, abs=6e-5)
    assert table["label"].tolist() == [CLASSES[code] for code in rules.prediction]


def test_the_exported_model_says_how_videos_are_cropped(made):
    folder, _ = made
    spec = yaml.safe_load((folder / "run" / "embedder" / "config.yaml").read_text())["spec"]
    stated = spec["preprocessing"]
    assert stated["options"]["detector"]["options"] == {"polarity": "bright", "min_area": 0.002}
    assert stated["options"]["every"] == 2 and stated["parts"] == [{"region": [0, 0, 96, 96], "animal": 0}]
    assert spec["backgrounds"] == {"action": "other"}


def test_a_background_of_another_name_is_no_bout(made):
    model, _ = load_embedder(made[0] / "run" / "embedder")
    assert model.background == 0


def test_a_task_of_another_name_is_learnt(tmp_path):
    folder, view = make(tmp_path, task="behaviour")
    predict(folder / "run" / "embedder", view, ["behaviour"], tmp_path / "p.h5", readout="native")
    with open_predictions(tmp_path / "p.h5") as reader:
        assert reader.tasks == ["behaviour"]


def test_frames_without_an_animal_have_no_label_and_the_warning_is_kept(made, tmp_path, caplog):
    empty = film(tmp_path / "empty.mp4", 0, animal=False)
    predict_files(made[0] / "run", [empty], tmp_path / "out")
    out = tmp_path / "out" / "empty"
    table = pd.read_csv(out / "probabilities.csv")
    assert len(table) == 60 and table["label"].isna().all() and table[list(CLASSES)].isna().all(axis=None)
    assert set(table["note"]) == {"no animal found"}
    assert pd.read_csv(out / "bouts.csv").empty and (out / "overlay.mp4").is_file()
    quality = pd.read_csv(out / "quality.csv").iloc[0]
    assert quality["missing"] == 1 and "no animal was found in any frame" in quality["warnings"]
    assert "no animal was found in 60 frames (100.0%)" in quality["warnings"]
    assert "no animal was found in any frame" in caplog.text


def test_the_rules_give_frames_without_an_animal_the_background(made):
    folder, view = made
    model, _ = load_embedder(folder / "run" / "embedder")
    model.set_rules([Rule(0.0)] * 3)  # everything is a bout
    with open_clips(view.path) as reader:
        recording = reader.read("v2")
    assert (method.predict(model, recording)["action"].codes != 0).all()
    origin = recording.origin.copy()
    origin[20:] = MISSING
    codes = method.predict(model, dataclasses.replace(recording, origin=origin))["action"].codes
    assert (codes[20:] == 0).all() and (codes[:20] != 0).all()


def test_confidence_is_in_every_file_and_leaves_out_bouts(made, tmp_path):
    folder, _ = made
    model, _ = load_embedder(folder / "run" / "embedder")
    model.set_rules([Rule(0.0)] * 3)
    all_bouts, few = tmp_path / "all", tmp_path / "few"
    method.predict_file(model, folder / "raw" / "v2.mp4", all_bouts, overlay=False)
    bouts = pd.read_csv(all_bouts / "bouts.csv")
    assert len(bouts) and bouts["confidence"].between(0, 1).all()
    said = pd.read_csv(all_bouts / "probabilities.csv")
    first = bouts.iloc[0]
    mean = said.loc[first["start"] : first["end"], first["label"]].mean()
    assert first["confidence"] == pytest.approx(mean, abs=1e-3)
    boris = pd.read_csv(all_bouts / "boris.csv")
    assert boris["Comment"].iloc[0] == f"confidence {first['confidence']:.3f}"
    method.predict_file(model, folder / "raw" / "v2.mp4", few, overlay=False, confidence=0.999)
    assert pd.read_csv(few / "bouts.csv").empty and len(pd.read_csv(few / "boris.csv")) == 0


def test_a_model_that_was_hardly_trained_says_so(made, tmp_path):
    folder, _ = made
    predict_files(folder / "run", [folder / "raw" / "v2.mp4"], tmp_path / "out", overlay=False)
    warnings = pd.read_csv(tmp_path / "out" / "v2" / "quality.csv")["warnings"].iloc[0]
    assert "hardly learnt, by the held-out videos: run" in warnings
    model, _ = load_embedder(folder / "run" / "embedder")
    state = model.state_dict()
    del state["skill"]  # as saved by an older version
    model.load_state_dict(state)
    assert model.notes() == ["the model was never tried on held-out videos: how well it does is not known"]


def test_a_threshold_at_the_edge_is_reported_and_not_used(made):
    rng = np.random.default_rng(0)
    # The rare class is hardly more probable in its bout than elsewhere: the lowest threshold of all is best.
    truth = np.zeros(400, np.int64)
    truth[100:140] = 1
    rare = (0.1 + 0.03 * (truth == 1) + rng.normal(0, 0.02, 400)).astype(np.float32)
    held = [Held(np.stack([1 - rare, rare], axis=1), truth, np.ones(400, bool))]
    rules = tune(held, 2, 0, 30.0)
    assert rules[1].threshold == pytest.approx(0.1)
    assert guarded(held, rules, 0, 30.0, [1])[1] == Rule()
    # One that separates well, but at a low level of probability, is tuned again among the higher thresholds.
    low = np.where(truth == 1, 0.14, 0.05).astype(np.float32)
    low[100:130] = 0.3
    held = [Held(np.stack([1 - low, low], axis=1), truth, np.ones(400, bool))]
    rules = tune(held, 2, 0, 30.0)
    assert rules[1].threshold == pytest.approx(0.1) and guarded(held, rules, 0, 30.0, [1])[1].threshold == 0.3
    sharp = np.where(truth == 1, 0.4, 0.05).astype(np.float32)  # a low threshold that separates is kept
    held = [Held(np.stack([1 - sharp, sharp], axis=1), truth, np.ones(400, bool))]
    rules = tune(held, 2, 0, 30.0)
    assert guarded(held, rules, 0, 30.0, [1]) == rules and rules[1].threshold < 0.5
    model, _ = load_embedder(made[0] / "run" / "embedder")
    model.skill[1:] = torch.tensor([0.9, 0.3])
    model.set_rules([Rule(), Rule(0.1), Rule(0.5)])
    assert model.notes() == ["the threshold is at the edge of those that are tried: run (0.1)"]


def test_a_folder_is_searched_and_a_bad_file_is_passed_over(made, tmp_path):
    folder, _ = made
    for name in ("day1/a.mp4", "day2/a.mp4"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        shutil.copy(folder / "raw" / "v0.mp4", tmp_path / "in" / name)
    (tmp_path / "in" / "day1" / "broken.MP4").write_bytes(b"no video")
    (tmp_path / "in" / "notes.txt").write_text("not a video")
    predict_files(folder / "run", [tmp_path / "in"], tmp_path / "out", overlay=False)
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert summary["status"].tolist() == ["ok", "failed", "ok"]
    assert sorted(summary.loc[summary["status"] == "ok", "output"]) == ["day1/a", "day2/a"]
    assert (tmp_path / "out" / "day2" / "a" / "bouts.csv").is_file()
    with pytest.raises(InputError, match="not one of the files could be predicted"):
        predict_files(folder / "run", [tmp_path / "in" / "day1" / "broken.MP4"], tmp_path / "bad")
    with pytest.raises(InputError, match="holds no file this run can predict"):
        (tmp_path / "none").mkdir()
        predict_files(folder / "run", [tmp_path / "none"], tmp_path / "bad")


def test_another_frame_rate_is_refused_before_anything_is_decoded(made, tmp_path, monkeypatch):
    folder, _ = made
    model, _ = load_embedder(folder / "run" / "embedder")
    model.spec = dataclasses.replace(model.spec, fps=2 * model.spec.fps)
    monkeypatch.setattr(files, "preprocess", None)
    with pytest.raises(EthoMakeError, match="frames a second, but the model was made for"):
        files.predict_file(model, folder / "raw" / "v0.mp4", tmp_path)


def test_a_project_comes_back_with_the_same_datasets(made, tmp_path):
    folder, _ = made
    project = tmp_path / "Mice"
    for dataset in ("line1", "line1/datasets/day 12"):
        (project / dataset / "video").mkdir(parents=True)
        shutil.copy(folder / "raw" / "v0.mp4", project / dataset / "video" / "GL1.MP4")
    (project / "meta.json").write_text(json.dumps({"classes": [], "tags": [{"name": "seen by hand"}]}))
    predict_files(folder / "run", [project], tmp_path / "out", overlay=False)
    again = tmp_path / "out" / "supervisely" / "Mice"
    assert sorted(supervisely.videos(again)) == ["line1/GL1", "line1/day 12/GL1"]
    assert json.loads((again / "meta.json").read_text())["tags"][0]["name"] == "seen by hand"
    single = tmp_path / "out" / "line1" / "video" / "GL1"
    (annotation,) = (single / "supervisely" / "dataset" / "ann").glob("*.json")
    whole = json.loads((again / "line1" / "ann" / "GL1.MP4.json").read_text())
    assert whole["tags"] == json.loads(annotation.read_text())["tags"]
    boxes = supervisely.read_boxes(annotation, 60)
    np.testing.assert_array_equal(supervisely.read_boxes(again / "line1" / "ann" / "GL1.MP4.json", 60), boxes)


def test_equal_names_are_distinguished_by_their_folders_or_ends(tmp_path):
    paths = [tmp_path / name for name in ("x/a.mp4", "y/a.mp4", "b.mp4", "c.mp4", "c.avi")]
    names = [job.name for job in gather(paths, "clips")]
    assert len(set(names)) == 5 and names[:3] == ["x/a", "y/a", "b"]


def test_models_answer_on_the_gpu_where_there_is_one(made, tmp_path, monkeypatch):
    folder, view = made
    moved = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(MvdClassifier, "to", lambda self, device: moved.append(str(device)) or self)
    predict(folder / "run" / "embedder", view, ["action"], tmp_path / "p.h5", readout="native")
    embed(folder / "run" / "embedder", view, tmp_path / "e.h5")
    predict_files(folder / "run", [folder / "raw" / "v2.mp4"], tmp_path / "out", overlay=False)
    assert moved == ["cuda"] * 3


def test_batches_are_halved_when_the_memory_is_full(made, tmp_path, monkeypatch):
    folder, view = made
    predict(folder / "run" / "embedder", view, ["action"], tmp_path / "whole.h5", readout="native")
    model = type(load_embedder(folder / "run" / "embedder")[0])
    answer, sizes = model.answer, []

    def small(self, video):
        sizes.append(len(video))
        if len(video) > 4:
            raise torch.cuda.OutOfMemoryError("full")
        return answer(self, video)

    monkeypatch.setattr(model, "answer", small)
    predict(folder / "run" / "embedder", view, ["action"], tmp_path / "halved.h5", readout="native")
    assert sizes[0] == 16 and max(sizes[-2:]) <= 4
    scores = []
    for name in ("whole", "halved"):
        with open_predictions(tmp_path / f"{name}.h5") as reader:
            scores.append(reader.read("action", "v2").scores)
    np.testing.assert_allclose(*scores, atol=1e-5)


def test_another_detector_region_or_number_of_animals_may_be_given(made, tmp_path):
    folder, _ = made
    raw = [folder / "raw" / "v2.mp4"]
    given = {"region": [96, 0, 96, 96], "detector": "background"}
    predict_files(folder / "run", raw, tmp_path / "right", overlay=False, video=given)
    project = json.loads((tmp_path / "right/v2/supervisely/dataset/ann/v2.mp4.json").read_text())
    x1 = project["frames"][30]["figures"][0]["geometry"]["points"]["exterior"][0][0]
    assert x1 < 192
    predict_files(folder / "run", raw, tmp_path / "two", overlay=False, video={"animals": 2})
    assert sorted(path.name for path in (tmp_path / "two" / "v2").iterdir()) == ["animal0", "animal1"]


def test_boxes_of_a_file_belong_to_their_video(tmp_path):
    raw = film(tmp_path / "v.mp4", 0)
    rows = "\n".join(f"{t},{22 + t // 2},30,{40 + t // 2},50" for t in range(60))
    (tmp_path / "v.csv").write_text("frame,x1,y1,x2,y2\n" + rows + "\n")
    options = Options(detector={"name": "boxes_file", "options": {"path": "v.csv"}}, size=48)
    made = preprocess(raw, options, tmp_path / "c.mp4", recording="v", folder=tmp_path)
    from workflow_scripts.convert.new_video import parts_of

    stated = shared_preprocessing([made])
    (part,), _ = parts_of(stated, raw, size=48, side=None)
    assert part[1].detector.options["path"] == "v.csv" and part[2] == tmp_path
    other = film(tmp_path / "w.mp4", 1)
    with pytest.raises(InputError, match=r"there are no boxes of this video; put them beside it as w\.csv"):
        parts_of(stated, other, size=48, side=None)
    (part,), _ = parts_of(stated, other, size=48, side=None, given={"detector": "background"})
    assert part[1].detector.name == "background"
    with pytest.raises(ConfigError, match="Unknown options"):
        parts_of(stated, raw, size=48, side=None, given={"colour": 1})


@pytest.mark.parametrize("form", ["csv", "boris", "elan", "nwb", "simba", "supervisely"])
def test_a_runs_predictions_are_exported_as_those_of_new_files(made, tmp_path, form):
    folder, view = made
    predict(folder / "run" / "embedder", view, ["action"], tmp_path / "p.h5", readout="native")
    out = tmp_path / form
    paths = list(export(predictions_of(tmp_path / "p.h5", view.path), view.path, out, form, videos=folder / "raw"))
    assert all(path.is_file() for path in paths)
    if form == "csv":
        table = pd.read_csv(paths[0])
        assert table["confidence"].between(0, 1).all() and set(table["class"]) <= set(CLASSES)
    if form == "supervisely":
        names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
        assert names == ["dataset/ann/v2.mp4.json", "dataset/video/v2.mp4", "meta.json"]


def test_boris_files_with_confidence_are_read_back(made):
    assert "Comment" not in BorisOptions.model_fields  # the comment is passed over by the reader


def test_a_backbone_that_is_not_there_fails_the_check(tmp_path, capsys):
    from pathlib import Path

    from workflow_scripts.cli import main

    root = Path(__file__).parents[3]
    stated = {
        "experiment": "x",
        "datasets": {"mouse_action_twin": {"splits": ["official"], "methods": ["mvd"]}},
        "methods": {"mvd": {"load_backbone": "/nonexistent.pth"}},
        "seeds": [0],
    }
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(stated))
    assert main(["--root", str(root), "check", str(tmp_path / "x.yaml")]) == 1
    assert "methods.mvd: there is no file /nonexistent.pth" in capsys.readouterr().out
