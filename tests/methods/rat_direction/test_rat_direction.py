import dataclasses

import av
import numpy as np
import pandas as pd
import pytest
import torch

from workflow_scripts.cards.card import Shard, load_card
from workflow_scripts.convert.images import convert_images
from workflow_scripts.core.errors import ConfigError, EthoMakeError, InputError
from workflow_scripts.core.files import digest
from workflow_scripts.formats.images import ImageSet, open_images, write_images
from workflow_scripts.formats.splits import Split
from workflow_scripts.methods import names, parse
from workflow_scripts.methods.rat_direction import method
from workflow_scripts.methods.rat_direction.augment import orient, orient_points
from workflow_scripts.methods.rat_direction.config import Config
from workflow_scripts.methods.rat_direction.data import Batches, divide
from workflow_scripts.methods.rat_direction.locate import LocatorOptions, places_of, read_frames, tag_video
from workflow_scripts.methods.rat_direction.module import DirectionNet, predict_points
from workflow_scripts.methods.rat_direction.movie import draw_dots, enlarge, tagged_movie, write_movie
from workflow_scripts.metrics.keypoints import angle_between, by_animal, direction, errors, summary
from workflow_scripts.simulate import make_file
from workflow_scripts.simulate.rat_direction import Options, make_frames, make_movie
from workflow_scripts.sources import read_images
from workflow_scripts.views.images import ImageSpec, ImageView

NAMES = ("base", "neck", "head")
SPEC = ImageSpec(50, 50, NAMES)


@pytest.fixture(scope="module")
def frames():
    return make_frames(Options(frames=96))


def config(**options):
    training = {"max_epochs": 1, "accelerator": "cpu"} | options.pop("training", {})
    return parse("rat_direction", {"width": 4, "draws": 2, "training": training} | options)


def split(train, validation=(), test=()):
    return Split("toy", "one", "one", sorted(train), sorted(validation), sorted(test), {})


# The twin


def test_the_twins_points_lie_on_the_animal(frames):
    """Fur differs from the bedding: a bright rat is brighter under its points than around, a dark one darker."""
    for animal, sign in (("ada", 1), ("cyd", -1)):
        mine = frames.take(frames.animal == animal)
        body = mine.points[:, :2].mean(1)
        on = np.array(
            [image[round(float(y)), round(float(x))] for image, (x, y) in zip(mine.images, body, strict=True)]
        )
        around = np.median(mine.images, axis=(1, 2))
        assert np.mean(sign * (on - around.astype(float)) > 15) > 0.9
    assert (np.abs(frames.points - 24.5) < 25).all()


def test_the_twin_bends_and_turns_every_way(frames):
    head, body = (direction(frames.points, NAMES, which) for which in ("head", "body"))
    assert 15 < np.median(angle_between(head, body)) < 45
    assert all(np.histogram(body, 4, (-180, 180))[0] > 5)


def test_the_twins_movie_moves_smoothly():
    movie = make_movie(Options(movie_frames=120))
    assert movie.fps == 30
    for which in ("head", "body"):
        angle = direction(movie.points, NAMES, which)
        assert angle_between(angle[1:], angle[:-1]).max() < 40
    still = np.abs(np.diff(movie.images[:, :4, :4].astype(float), axis=0))
    assert np.median(still) < 10  # the bedding does not flicker


def test_the_twins_card_makes_files_the_source_reads(root, tmp_path):
    card = load_card(root / "config" / "datasets" / "rat_direction_twin.yaml")
    small = {"frames": 16, "movie_frames": 8}
    for name in ("a", "b"):
        for file in ("frames.npz", "movie.npz"):
            make_file("rat_direction", file, tmp_path / name / file, small, card)
    assert digest(tmp_path / "a/frames.npz") == digest(tmp_path / "b/frames.npz")
    found = read_images(card.source, tmp_path / "a/frames.npz", card.options)
    assert sorted(set(found.animal)) == ["ada", "bob", "cyd", "dov"]
    assert found.warnings == []
    assert len(read_images("rat_npz", tmp_path / "a/movie.npz", {"labels": False})) == 8


def test_a_card_of_images_becomes_one_file(root, tmp_path):
    card = load_card(root / "config" / "datasets" / "rat_direction_twin.yaml")
    for number in (1, 2):
        make_file("rat_direction", "frames.npz", tmp_path / f"{number}.npz", {"frames": 12, "seed": number}, card)
    two = card.model_copy(
        update={"shards": [Shard(id="1", tracks="1.npz"), Shard(id="2", tracks="2.npz", group="second day")]}
    )
    convert_images(two, tmp_path, tmp_path / "images.h5")
    with open_images(tmp_path / "images.h5") as reader:
        assert reader.source_frame.tolist() == list(range(24))
        assert reader.group("frame000012") == "second day"
        assert reader.group("frame000000") == "1/frame000000"
        assert reader.animal_of("frame000000") in {"ada", "bob", "cyd", "dov"}
    with pytest.raises(InputError, match="has the points base, neck, head, the card tail, neck, head"):
        convert_images(two.model_copy(update={"keypoints": ["tail", "neck", "head"]}), tmp_path, tmp_path / "x.h5")
    assert not (tmp_path / "x.h5").exists()


# Who trains and who validates


def test_published_validation_shares_frames_and_ours_does_not(frames):
    published = divide(frames, config(mode="faithful").resolved())
    assert set(published[1].source_frame) <= set(published[0].source_frame)
    assert len(published[0]) + len(published[1]) == 64 * len(frames)
    for holdout, column in (("frame", "source_frame"), ("animal", "animal")):
        train, validation = divide(frames, config(mode="faithful", holdout=holdout).resolved())
        assert not set(getattr(train, column)) & set(getattr(validation, column))
        assert len(validation)
    train, validation = divide(frames, config().resolved())
    assert (len(train), len(validation)) == (84, 12)


def test_one_animal_cannot_be_held_out(frames):
    with pytest.raises(EthoMakeError, match=r"are of 'ada'; hold out frames"):
        divide(frames.take(frames.animal == "ada"), config(holdout="animal").resolved())
    with pytest.raises(ConfigError, match="holdout: copy needs augment: stored"):
        config(holdout="copy").resolved()


def test_the_mode_fills_what_is_empty_after_the_options_are_read():
    options = parse("rat_direction", {}).model_dump(mode="json") | {"mode": "faithful"}
    filled = parse("rat_direction", options).resolved()
    assert (filled.head, filled.augment, filled.holdout, filled.bootstrap) == ("dense", "stored", "copy", True)
    assert filled.learning_rate == 3e-4
    assert "rat_direction" in names()


def test_batches_depend_on_the_epoch_alone(frames):
    batches = Batches(frames, 10, draws=2, seed=1)
    first = [images for images, _ in batches]
    assert len(first) == len(batches) == 20
    batches.set_epoch(1)
    second = torch.cat([images for images, _ in batches])
    batches.set_epoch(0)
    again = torch.cat([images for images, _ in batches])
    assert torch.equal(torch.cat(first), again)
    assert not torch.equal(second, again)


def test_prepare_uses_the_splits_validation(frames, tmp_path):
    write_images(tmp_path / "images.h5", [frames])
    ids = frames.recordings
    view = ImageView(tmp_path / "images.h5", split(ids[:60], ids[60:70], ids[70:]))
    data = method.prepare(view, config())
    assert (len(data.train), len(data.validation)) == (60, 10)
    assert dataclasses.replace(view.spec(), body=None) == SPEC
    assert 0.3 < view.spec().body < 0.7  # base to head, as a share of the width
    assert [recording.id for recording in view.test()] == ids[70:]
    assert sum(recording.n_frames for recording in view.everything()) == len(frames)


# The network


@pytest.mark.parametrize("head", ["dense", "heatmap"])
def test_both_heads_learn(frames, head):
    torch.manual_seed(0)
    model = DirectionNet(config(head=head, width=8).resolved(), SPEC)
    images, points = torch.from_numpy(frames.images[:32]), torch.from_numpy(frames.points[:32])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    wanted = (points - 25) / 25
    losses = []
    for _ in range(40):
        loss = model._loss(model.scaled(images), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.35 * losses[0]


def test_heat_maps_point_where_they_are_hot():
    model = DirectionNet(config(head="heatmap").resolved(), SPEC)
    # Shift the image by four pixels, and the maps shift by one.
    image = np.zeros((2, 50, 50), np.uint8)
    image[0, 20:26, 20:26] = image[1, 24:30, 24:30] = 255
    maps = model.eval().middle((torch.from_numpy(image).float() / 255)[:, None])
    assert torch.allclose(maps[0, :, 3:8, 3:8], maps[1, :, 4:9, 4:9], atol=1e-5)
    assert model.head.places.tolist() == pytest.approx([(4 * k + 0.5 - 25) / 25 for k in range(13)])


def test_averaging_over_turns_makes_the_prediction_turn_along(frames):
    torch.manual_seed(0)
    model = DirectionNet(config().resolved(), SPEC).eval()
    images = frames.images[:8]
    plain, averaged = (predict_points(model, images, tta=tta) for tta in (False, True))
    assert not np.allclose(plain, averaged)
    turned = predict_points(model, np.ascontiguousarray(orient(images, 3, 1)), tta=True)
    assert turned == pytest.approx(orient_points(averaged, 3, 1, 50), abs=1e-3)


def test_embed_and_names(frames):
    model = method.build(config(), SPEC)
    embedding = method.embed(model, frames)
    assert embedding.shape == (96, model.dimensions)
    assert len(method.dimension_names(model)) == model.dimensions
    assert method.predict(model, frames)["points"].shape == (96, 3, 2)


def test_weights_round_trip_and_programs_are_refused(tmp_path):
    model = method.build(config(), SPEC)
    torch.save(model.state_dict(), tmp_path / "state.pt")
    model.load_state_dict(method.import_weights(tmp_path / "state.pt"))
    torch.save(torch.nn.Linear(1, 1), tmp_path / "model.pt")
    with pytest.raises(InputError, match="is not a checkpoint of plain tensors"):
        method.import_weights(tmp_path / "model.pt")


# Measures


def test_directions_are_counter_clockwise_from_the_right():
    points = np.array([[[20, 20], [30, 20], [30, 10]], [[20, 20], [20, 30], [10, 30]]], float)
    assert direction(points, NAMES, "body").tolist() == [0, -90]
    assert np.abs(direction(points, NAMES, "head")).tolist() == [90, 180]
    assert angle_between(np.array([179.0, 10]), np.array([-179.0, -10])).tolist() == [2, 20]


def test_summary_counts_what_is_far_off(frames):
    truth = frames.take(np.arange(10))
    found = truth.points.copy()
    found[:, 0] += [3, 4]
    found[0, 2] = 2 * found[0, 1] - found[0, 2]  # one head points backwards
    table = errors(found, truth)
    summed = summary(table)
    assert summed["pixel_error_median/base"] == pytest.approx(5)
    assert summed["pixel_error_p95/neck"] == 0
    assert summed["head_angle_flips"] == summed["head_angle_share_over_30"] == pytest.approx(0.1)
    assert table["head_error"][0] == pytest.approx(180)
    assert by_animal(table)["n"].tolist()[-1] == 10


# Movies and figures


def test_dots_stand_where_the_points_are():
    image = np.full((1, 20, 20), 100, np.uint8)
    points = np.array([[[4.0, 10.0], [np.nan, 3.0], [50.0, 3.0]]])
    big = enlarge(image, points, 6)[0]
    y, x = np.nonzero(big == 255)
    assert (x.mean(), y.mean()) == pytest.approx((4.5 * 6 - 0.5, 10.5 * 6 - 0.5), abs=0.51)
    assert (big == 100).mean() > 0.97
    with_edge = np.zeros((1, 9, 9), np.uint8)
    draw_dots(with_edge, np.array([[[0.0, 0.0]]]), 2)
    assert with_edge[0, 0, 0] == 255
    assert with_edge[0, 8, 8] == 0


def test_a_movie_holds_every_frame_in_order(tmp_path):
    images = np.repeat(np.arange(0, 240, 8, dtype=np.uint8)[:, None, None], 50, 1).repeat(50, 2)
    count = tagged_movie(tmp_path / "m.mp4", images, np.full((30, 3, 2), np.nan), fps=30, batch=7)
    assert count == 30
    levels = [float(frame.mean()) for frame in read_frames(tmp_path / "m.mp4")]
    assert np.abs(np.array(levels) - np.arange(0, 240, 8)).max() < 6
    with av.open(str(tmp_path / "m.mp4")) as container:
        assert float(container.streams.video[0].average_rate) == 30


# The locator


def arena(path, n=60):
    """A dark ellipse that walks over a bright, textured floor; returns where it is."""
    rng = np.random.default_rng(0)
    floor = rng.integers(140, 200, (240, 320)).astype(float)
    time = np.linspace(0, 2 * np.pi, n, endpoint=False)
    where = np.stack([160 + 90 * np.cos(time), 120 + 60 * np.sin(time)], 1)
    y, x = np.mgrid[:240, :320]

    def pictures():
        for number, (cx, cy) in enumerate(where):
            picture = floor + rng.normal(0, 3, floor.shape)
            body = ((x - cx) / 16) ** 2 + ((y - cy) / 9) ** 2 < 1
            if number != 7:  # one frame shows nothing
                picture[body] = 40
            yield np.clip(picture, 0, 255).astype(np.uint8)[None]

    write_movie(path, pictures(), 25)
    return where


def test_the_animal_is_found_where_it_is(tmp_path):
    where = arena(tmp_path / "v.mp4")
    found = places_of(tmp_path / "v.mp4", LocatorOptions())
    assert np.isnan(found[7]).all()
    for number in (0, 20, 45):
        assert found[number, :2] == pytest.approx(where[number], abs=4)
        assert 25 < found[number, 2] < 40


def test_a_video_becomes_a_table_and_an_overlay(tmp_path):
    where = arena(tmp_path / "v.mp4")
    torch.manual_seed(0)
    model = method.build(config(), SPEC)
    table = tag_video(model, tmp_path / "v.mp4", tmp_path / "t.csv", tmp_path / "o.mp4", batch=17)
    assert len(table) == 60
    assert table["located"].sum() == 59
    assert pd.read_csv(tmp_path / "t.csv")["time_s"][25] == pytest.approx(1.0)
    centre = table[["crop_x", "crop_y"]].to_numpy()
    assert np.abs(centre - where)[10:].max() < 12
    inside = np.abs(table[["head_x", "head_y"]].to_numpy() - centre) <= table["crop_side"].to_numpy()[:, None] / 2 + 1
    assert inside.all()
    assert sum(1 for _ in read_frames(tmp_path / "o.mp4")) == 60


def test_videos_that_cannot_be_used_are_sentences(tmp_path):
    model = method.build(config(), SPEC)
    (tmp_path / "bad.mp4").write_bytes(b"not a video" * 100)
    with pytest.raises(InputError, match="is no readable video"):
        tag_video(model, tmp_path / "bad.mp4", tmp_path / "t.csv")
    write_movie(tmp_path / "still.mp4", [np.full((20, 64, 64), 90, np.uint8)], 30)
    with pytest.raises(InputError, match="nothing that moves"):
        tag_video(model, tmp_path / "still.mp4", tmp_path / "t.csv")
    with pytest.raises(InputError, match="does not exist"):
        tag_video(model, tmp_path / "none.mp4", tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()


def test_images_without_points_can_be_stored(tmp_path):
    stack = ImageSet(
        np.zeros((2, 50, 50), np.uint8),
        np.full((2, 3, 2), np.nan, np.float32),
        NAMES,
        np.arange(2),
        np.array(["a", "a"]),
        np.array(["a", "a"]),
    )
    write_images(tmp_path / "i.h5", [stack])
    with open_images(tmp_path / "i.h5") as reader:
        assert np.isnan(reader.read().points).all()


def test_options_are_all_described():
    assert all(
        field.description for name, field in Config.model_fields.items() if name not in {"copies", "affine", "training"}
    )
