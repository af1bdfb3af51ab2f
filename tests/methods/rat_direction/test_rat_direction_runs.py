"""The rat direction extractor as the rules run it: train, export, predict, judge, tag, and the leak."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workflow_scripts.cards.card import Card, load_card
from workflow_scripts.cli import main
from workflow_scripts.convert.leaks import audit
from workflow_scripts.convert.splits import make_split
from workflow_scripts.evaluation.comparison.compare import score_run
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.intervals import resample_counts
from workflow_scripts.evaluation.scores.points import mean_pose_predictions, resampled
from workflow_scripts.formats.embeddings import open_embeddings
from workflow_scripts.formats.images import ImageSet, write_images
from workflow_scripts.formats.sections import read_section
from workflow_scripts.formats.tables import COLUMNS
from workflow_scripts.methods import runs
from workflow_scripts.methods.rat_direction import method, paper
from workflow_scripts.methods.rat_direction.config import Config
from workflow_scripts.methods.rat_direction.data import divide
from workflow_scripts.methods.rat_direction.movie import tag_movie, write_movie
from workflow_scripts.methods.rat_direction.report import Judged, write_report
from workflow_scripts.methods.rat_direction.study import gather_points, judge, leak_rows, network_of
from workflow_scripts.metrics.entry import Measure
from workflow_scripts.metrics.keypoints import direction
from workflow_scripts.simulate.rat_direction import Options, make_frames, make_movie
from workflow_scripts.views.images import ImageView
from workflow_scripts.views.registry import open_view

NAMES = ("base", "neck", "head")
RUN = {"dataset": "twin", "method": "rat_direction", "mode": "faithful", "setting": "default", "split": "x", "seed": 0}


@pytest.fixture(scope="module")
def card(root):
    return load_card(root / "config" / "datasets" / "rat_direction_twin.yaml")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "images.h5"
    frames = make_frames(Options(frames=320))
    write_images(path, [frames])
    return path


@pytest.fixture(scope="module")
def faithful(data, card, tmp_path_factory):
    """A short faithful run on three rats, trained from the file of copies, with what it says of the fourth."""
    folder = tmp_path_factory.mktemp("run")
    split = make_split(data, card, "animal0")
    options = {"width": 4, "batch": 128, "training": {"max_epochs": 2, "accelerator": "cpu", "batches_per_epoch": 30}}
    copies = Config().copies.model_dump(mode="json")
    method.augment_file(data, folder / "copies.h5", folder / "copies.csv", copies, 0)
    view = open_view(data, split, augmented=folder / "copies.h5")
    runs.train("rat_direction", {"mode": "faithful", "options": options}, view, folder=folder, seed=0)
    runs.export_embedder(folder)
    runs.predict(folder / "embedder", view, ["points"], folder / "predictions.h5", readout="native")
    return folder, view


def network(folder):
    return network_of(runs.load_embedder(folder / "embedder")[0])


def test_splits_hold_out_frames_animals_or_dealt_parts(data, card):
    official, animal = make_split(data, card, "official"), make_split(data, card, "animal1")
    assert set(official.groups.values()) == set(official.groups)  # each frame its own group
    assert {animal.groups[frame] for frame in animal.test} == {"bob"}
    assert "bob" not in {animal.groups[frame] for frame in animal.train}
    dealt = card.model_dump(mode="json") | {"splits": {"fold": {"deal": 5}}}
    folds = [make_split(data, Card.model_validate(dealt), f"fold{k}").test for k in range(5)]
    assert sorted(frame for fold in folds for frame in fold) == sorted(official.groups)
    assert {len(fold) for fold in folds} == {64}


def test_the_audit_finds_a_turned_copy_under_another_number(data, card, tmp_path):
    frames = make_frames(Options(frames=320))
    images = frames.images.copy()
    images[319] = np.rot90(images[0])[::-1]
    write_images(tmp_path / "images.h5", [ImageSet(images, frames.points, NAMES, *_columns(frames))])
    official = make_split(data, card, "official")
    leaks = audit(tmp_path / "images.h5", [official])
    assert leaks[["recording_a", "recording_b"]].to_numpy().tolist() == [["frame000000", "frame000319"]]
    assert "identical over all 1 images" in leaks["detail"][0]
    assert audit(data, [official]).empty


def _columns(frames):
    return frames.source_frame, frames.animal, frames.group


def test_training_reads_the_copies_from_the_file(faithful):
    folder, view = faithful
    index = pd.read_csv(folder / "copies.csv")
    assert len(index) == 64 * 320
    assert {"row", "source_frame", "animal", "rotation", "flip", "noise", "shift", "label_noise"} <= set(index)
    config = Config(mode="faithful").resolved()
    for stored, made in zip(
        divide(view.train(), config, view.train_copies()), divide(view.train(), config), strict=True
    ):
        assert np.array_equal(stored.images, made.images)
        assert np.array_equal(stored.points, made.points)
    assert set(view.test_copies().animal) == {"ada"}


def test_a_run_leaves_what_the_original_leaves(faithful):
    folder, _ = faithful
    there = {path.name for path in folder.iterdir()}
    assert there >= {"training_log.png", "tensorboard", "metrics.csv", "model_card.md", "weights_best.safetensors"}
    assert "grey images of 50 × 50 px" in (folder / "model_card.md").read_text()


def test_points_become_result_rows_with_intervals(faithful, data, card, tmp_path):
    folder, _ = faithful
    interval = IntervalConfig(resamples=100)
    rows = score_run([folder / "predictions.h5"], interval, RUN).set_index("metric")
    assert set(rows.columns) | {"metric"} <= set(COLUMNS)
    assert set(rows["readout"]) == {"native"}
    assert rows["n"].unique().tolist() == [80]
    # One animal held out: nothing to resample.
    assert math.isnan(rows.loc["head_angle_median_deg", "low"])
    split = make_split(data, card, "official")
    mean_pose_predictions(data, split, tmp_path / "chance.h5")
    chance = score_run([tmp_path / "chance.h5"], interval, RUN).set_index("metric")
    assert set(chance["readout"]) == {"chance"}
    middle = chance.loc["pixel_error_median/head"]
    assert middle["low"] < middle["value"] < middle["high"]
    assert chance.loc["head_angle_median_deg", "value"] > 60


def test_resampled_quantiles_are_those_of_the_repeated_values():
    rng = np.random.default_rng(0)
    values, groups = rng.normal(size=90), rng.integers(0, 6, 90)
    counts = resample_counts(6, IntervalConfig(resamples=50))
    median, share = Measure("m", "x", 0.5), Measure("s", "x", above=0.3)
    for draw, found, above in zip(
        counts, resampled(values, groups, counts, median), resampled(values, groups, counts, share), strict=True
    ):
        repeated = np.repeat(values, draw[groups].astype(int))
        assert found == pytest.approx(np.quantile(repeated, 0.5, method="inverted_cdf"))
        assert above == pytest.approx((repeated > 0.3).mean())


def test_judging_tagging_and_the_report(faithful, data, tmp_path):
    folder, view = faithful
    found, truth = gather_points([folder / "predictions.h5"], data)
    assert set(truth.animal) == {"ada"}
    table = judge(found, truth, tmp_path)
    assert len(table) == json.loads((tmp_path / "statistics.json").read_text())["n"] == 80
    movie = make_movie(Options(movie_frames=12))
    tag_movie(network(folder), movie, tmp_path)
    angles = pd.read_csv(tmp_path / "angles.csv")
    assert angles["head_true"].to_numpy() == pytest.approx(direction(movie.points, NAMES, "head"), abs=1e-3)
    there = {path.name for path in tmp_path.iterdir()}
    assert there >= {"rose.png", "error_by_animal.csv", "worst_frames.png", "errors.csv", "movie.mp4", "angles.png"}
    with Image.open(tmp_path / "worst_frames.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 10
    leaks = leak_rows(network(folder), view, "animal")
    write_report([Judged(RUN, tmp_path, tmp_path)], leaks, tmp_path / "tables", tmp_path / "section")
    section = read_section(tmp_path / "section" / "section.json")
    assert all((tmp_path / "section" / item.file).is_file() for item in section.items)
    assert {item.kind for item in section.items} == {"table", "image", "video"}
    written = {f"tables/{path.name}": pd.read_csv(path) for path in (tmp_path / "tables").iterdir()}
    assert len(written[paper.ERRORS]) == 80
    for plate in (
        paper.rose(written, dataset="twin", mode="faithful"),
        paper.error_by_animal(written, dataset="twin", mode="faithful"),
    ):
        assert plate is not None
        assert "80" in plate[2] or plate[1]["n"].tolist() == [80, 80]
    assert paper.rose(written, dataset="other", mode="faithful") is None


def test_the_leak_compares_seen_with_unseen(faithful):
    folder, view = faithful
    rows = leak_rows(network(folder), view, "animal").set_index("holdout")
    assert rows.index.tolist() == ["copy", "animal"]
    assert rows.loc["animal", "n"] == 64 * 80
    assert rows.loc["copy", "n"] == round(0.125 * 64 * 240)
    assert rows.loc["copy", "mse"] < rows.loc["animal", "mse"]


def test_training_learns_to_find_the_points(card, tmp_path):
    """A few seconds of training beat the mean pose by far on frames never seen."""
    write_images(tmp_path / "images.h5", [make_frames(Options(frames=600))])
    split = make_split(tmp_path / "images.h5", card, "official")
    view = open_view(tmp_path / "images.h5", split)
    training = {"max_epochs": 2, "accelerator": "cpu"}
    options = {"width": 8, "draws": 16, "batch": 32, "learning_rate": 8e-3, "training": training}
    runs.train("rat_direction", {"mode": "sound", "options": options}, view, folder=tmp_path, seed=0)
    runs.export_embedder(tmp_path)
    runs.predict(tmp_path / "embedder", view, ["points"], tmp_path / "predictions.h5", readout="native")
    mean_pose_predictions(tmp_path / "images.h5", split, tmp_path / "chance.h5")
    ours, chance = (
        score_run([tmp_path / f"{name}.h5"], IntervalConfig(resamples=50), RUN).set_index("metric")["value"]
        for name in ("predictions", "chance")
    )
    assert ours["pixel_error_median/head"] < 0.5 * chance["pixel_error_median/head"]
    assert ours["head_angle_median_deg"] < 0.5 * chance["head_angle_median_deg"]


def test_images_are_embedded_frame_by_frame(faithful, tmp_path):
    folder, view = faithful
    runs.embed(folder / "embedder", view, tmp_path / "embeddings.h5")
    with open_embeddings(tmp_path / "embeddings.h5") as reader:
        assert len(reader.ids) == 320
        assert reader.read("frame000003").shape == (1, reader.dim)


def test_another_size_is_refused(faithful, data, card, tmp_path):
    folder, _ = faithful
    frames = make_frames(Options(frames=320))
    smaller = ImageSet(frames.images[:, :40, :40], frames.points, NAMES, *_columns(frames))
    write_images(tmp_path / "images.h5", [smaller])
    view = ImageView(tmp_path / "images.h5", make_split(data, card, "animal0"))
    with pytest.raises(Exception, match="have height 40, but the model was made for 50"):
        runs.predict(folder / "embedder", view, ["points"], tmp_path / "p.h5", readout="native")


def arena(path, n=40):
    """A dark ellipse that walks over a bright floor."""
    rng = np.random.default_rng(0)
    floor = rng.integers(140, 200, (160, 200)).astype(float)
    y, x = np.mgrid[:160, :200]

    def frames():
        for t in np.linspace(0, 2 * np.pi, n, endpoint=False):
            cx, cy = 100 + 60 * np.cos(t), 80 + 40 * np.sin(t)
            yield np.where(((x - cx) / 18) ** 2 + ((y - cy) / 9) ** 2 < 1, 30, floor).astype(np.uint8)[None]

    write_movie(path, frames(), 25)


def test_the_command_predicts_videos_and_stacks(faithful, tmp_path, capsys):
    folder, _ = faithful
    movie = make_movie(Options(movie_frames=9))
    np.save(tmp_path / "stack.npy", movie.images)
    np.savez(tmp_path / "packed.npz", images=movie.images)
    arena(tmp_path / "video.mp4")
    files = [str(tmp_path / name) for name in ("stack.npy", "packed.npz", "video.mp4")]
    assert main(["predict", str(folder), *files, "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert all(Path(line).is_file() for line in printed)
    assert str(tmp_path / "out" / "video" / "movie.mp4") in printed
    stack, packed, video = (
        pd.read_csv(tmp_path / "out" / name / "angles.csv") for name in ("stack", "packed", "video")
    )
    pd.testing.assert_frame_equal(stack, packed)
    assert len(stack) == 9
    assert len(video) == 40
    assert video["located"].mean() > 0.9
    assert {"head_angle", "body_angle", "head_x", "crop_side"} <= set(video)
    assert main(["predict", str(folder), files[0], "--output", str(tmp_path / "b"), "--no-overlay"]) == 0
    assert not (tmp_path / "b" / "stack" / "movie.mp4").exists()


def test_the_command_refuses_in_a_sentence(faithful, tmp_path, capsys):
    folder, _ = faithful
    np.save(tmp_path / "colour.npy", np.zeros((3, 50, 50, 3), np.uint8))
    (tmp_path / "cut.mp4").write_bytes(b"no video at all")
    for arguments, sentence in (
        ([str(folder), str(tmp_path / "colour.npy")], r"expected uint8 \(n, 50, 50\)"),
        ([str(folder), str(tmp_path / "cut.mp4")], "is no readable video"),
        ([str(folder), str(tmp_path / "none.npy")], "does not exist"),
        ([str(tmp_path), str(tmp_path / "colour.npy")], "holds no exported model"),
        ([str(folder), "a/x.mp4", "b/x.mp4"], r"does not exist.*\(the first of 2; see summary.csv\)"),
    ):
        assert main(["predict", *arguments, "--output", str(tmp_path / "out")]) == 1
        said = capsys.readouterr().err
        assert re.search(sentence, said), said
        assert said.count("\n") == 1
