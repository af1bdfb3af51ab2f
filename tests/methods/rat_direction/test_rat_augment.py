import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.formats.images import ImageSet, open_images, write_images
from workflow_scripts.methods.rat_direction.augment import (
    FACTORS,
    augment,
    augment_file,
    orient,
    orient_points,
    undo_points,
)
from workflow_scripts.methods.rat_direction.augment_online import random_affine, random_copy
from workflow_scripts.methods.rat_direction.config import AffineOptions, AugmentOptions

SIZE = 50
CLEAN = AugmentOptions(noise_sd=0, shift=3, label_sd=0)
ELEMENTS = list(itertools.product(range(4), range(2)))


def frames(n=3, seed=0):
    rng = np.random.default_rng(seed)
    return ImageSet(
        images=rng.integers(0, 256, (n, SIZE, SIZE), dtype=np.uint8),
        points=rng.integers(6, SIZE - 6, (n, 3, 2)).astype(np.float32),
        names=("base", "neck", "head"),
        source_frame=np.arange(n) * 7,
        animal=np.array(["ann", "bob", "cid", "dan"] * n)[:n],
        group=np.array(["ann", "bob", "cid", "dan"] * n)[:n],
    )


def at(images, points):
    """Grey value under each whole-numbered point."""
    x, y = points[..., 0].astype(int), points[..., 1].astype(int)
    return images[np.arange(len(images))[:, None], y, x]


@pytest.mark.parametrize(("rotation", "flip"), ELEMENTS)
def test_labels_land_on_the_same_pixel(rotation, flip):
    found = frames()
    moved = orient_points(found.points, rotation, flip, SIZE)
    assert np.array_equal(at(orient(found.images, rotation, flip), moved), at(found.images, found.points))


@pytest.mark.parametrize(("rotation", "flip"), ELEMENTS)
def test_every_orientation_has_its_inverse(rotation, flip):
    points = frames().points + 0.3
    assert undo_points(orient_points(points, rotation, flip, SIZE), rotation, flip, SIZE) == pytest.approx(points)


@given(st.sampled_from(ELEMENTS), st.sampled_from(ELEMENTS))
@settings(max_examples=64, deadline=None)
def test_the_orientations_are_the_dihedral_group(first, second):
    image = np.arange(25).reshape(1, 5, 5)
    both = orient(orient(image, *first), *second)
    same = [element for element in ELEMENTS if np.array_equal(orient(image, *element), both)]
    assert len(same) == 1  # closed, and no two elements are one
    points = np.array([[[1.0, 3.0]]])
    moved = orient_points(orient_points(points, *first, 5), *second, 5)
    assert np.array_equal(moved, orient_points(points, *same[0], 5))


def test_turning_four_times_and_flipping_twice_is_nothing():
    points = frames().points
    turned = points
    for _ in range(4):
        turned = orient_points(turned, 1, 0, SIZE)
    assert np.array_equal(turned, points)
    assert np.array_equal(orient_points(orient_points(points, 0, 1, SIZE), 0, 1, SIZE), points)


def test_turns_are_counter_clockwise_on_the_screen():
    image = np.zeros((1, 5, 5), np.uint8)
    image[0, 0, 4] = 1  # top right …
    assert orient(image, 1, 0)[0, 0, 0] == 1  # … goes to the top left
    assert orient(image, 0, 1)[0, 4, 4] == 1


def test_every_combination_of_factors_stands_there_once():
    copies = augment(frames(2), AugmentOptions(), seed=1)
    assert len(copies) == 128
    for frame in (0, 7):
        rows = copies.source_frame == frame
        indexed = set(zip(*(copies.index[name][rows] for name in FACTORS), strict=True))
        assert indexed == set(itertools.product(range(4), range(2), range(2), range(2), range(2)))
    assert copies.animal.tolist() == ["ann"] * 64 + ["bob"] * 64


def test_copies_equal_a_slow_and_plain_rendering():
    found = frames()
    copies = augment(found, CLEAN, seed=5)
    index = copies.index
    assert len({(dx, dy) for dx, dy in zip(index["dx"], index["dy"], strict=True)}) > 20
    for row in range(len(copies)):
        frame = row // 64
        image = orient(found.images[frame], index["rotation"][row], index["flip"][row])
        y = np.clip(np.arange(SIZE) - index["dy"][row], 0, SIZE - 1)
        x = np.clip(np.arange(SIZE) - index["dx"][row], 0, SIZE - 1)
        assert np.array_equal(copies.images[row], image[y][:, x])
    assert np.array_equal(at(copies.images, copies.points), np.repeat(at(found.images, found.points), 64, axis=0))


def test_levels_do_what_they_say():
    options = AugmentOptions(noise_sd=10, shift=4, label_sd=0.7)
    found = frames(200)
    flat = ImageSet(
        np.full_like(found.images, 128), found.points, found.names, found.source_frame, found.animal, found.group
    )
    copies = augment(flat, options, seed=2)
    index = copies.index
    noisy = index["noise"] == 1
    assert (copies.images[~noisy] == 128).all()
    grain = copies.images[noisy].astype(float) - 128
    assert grain.std() == pytest.approx(10, rel=0.02)
    assert grain.mean() == pytest.approx(0, abs=0.05)
    shifted = index["shift"] == 1
    assert not index["dx"][~shifted].any()
    assert sorted(set(index["dx"][shifted])) == list(range(-4, 5))
    assert index["dx"][shifted].std() == pytest.approx(np.arange(-4, 5).std(), rel=0.03)
    expected = np.concatenate(
        [
            orient_points(flat.points[row // 64], r, f, SIZE)[None] + np.array([dx, dy])
            for row, (r, f, dx, dy) in enumerate(
                zip(index["rotation"], index["flip"], index["dx"], index["dy"], strict=True)
            )
        ]
    )
    wobble = copies.points - expected
    labelled = index["label_noise"] == 1
    assert np.abs(wobble[~labelled]).max() < 1e-5
    assert wobble[labelled].std() == pytest.approx(0.7, rel=0.02)


def test_noise_is_not_shared_between_the_copies_of_a_frame():
    found = frames(1)
    flat = ImageSet(
        np.full_like(found.images, 128), found.points, found.names, found.source_frame, found.animal, found.group
    )
    copies = augment(flat, AugmentOptions(noise_sd=10), seed=2)
    grain = copies.images[32:].reshape(32, -1).astype(float) - 128
    correlation = np.corrcoef(grain) - np.eye(32)
    assert np.abs(correlation).max() < 0.1


def test_noise_saturates_and_never_wraps():
    found = frames(1)
    for level in (0, 255):
        flat = ImageSet(
            np.full_like(found.images, level), found.points, found.names, found.source_frame, found.animal, found.group
        )
        pixels = augment(flat, AugmentOptions(noise_sd=20), seed=0).images.astype(int)
        assert np.abs(pixels - level).max() < 128


def test_the_draw_hangs_on_seed_and_frame_alone():
    found, options = frames(4), AugmentOptions()
    whole = augment(found, options, seed=3)
    other_way = augment(found.take(np.array([2, 0])), options, seed=3)
    assert np.array_equal(other_way.images[:64], whole.images[128:192])
    assert np.array_equal(other_way.points[64:], whole.points[:64])
    assert not np.array_equal(augment(found, options, seed=4).images, whole.images)


def test_the_file_equals_the_array(tmp_path):
    found = frames(5)
    write_images(tmp_path / "frames.h5", [found])
    augment_file(tmp_path / "frames.h5", tmp_path / "copies.h5", AugmentOptions(), seed=1, batch=2)
    expected = augment(found, AugmentOptions(), seed=1)
    with open_images(tmp_path / "copies.h5") as reader:
        back = reader.read()
        assert reader.group("frame000007") == "bob"
    assert np.array_equal(back.images, expected.images)
    assert np.array_equal(back.points, expected.points)
    assert all(np.array_equal(back.index[name], expected.index[name]) for name in expected.index)


def test_copies_are_not_augmented_again():
    with pytest.raises(EthoMakeError, match="copies already; set augment: given"):
        augment(augment(frames(1), CLEAN, 0), CLEAN, 0)


def test_on_the_fly_draws_from_the_same_64(seed=0):
    torch.manual_seed(seed)
    found = frames(1)
    still = AugmentOptions(noise_sd=0, shift=0, label_sd=0)
    copies = augment(found, still, seed=0)
    known = {copy.tobytes(): points for copy, points in zip(copies.images, copies.points, strict=True)}
    assert len(known) == 8
    images = torch.from_numpy(found.images).expand(4000, SIZE, SIZE)
    points = torch.from_numpy(found.points).expand(4000, 3, 2)
    drawn, moved = random_copy(images, points, still)
    seen = [image.tobytes() for image in drawn.numpy()]
    for image, point in zip(seen[:500], moved.numpy(), strict=False):
        assert np.array_equal(known[image], point)
    counts = np.array([seen.count(image) for image in known])
    assert counts == pytest.approx(500, abs=100)


def test_on_the_fly_noise_shift_and_label_noise():
    torch.manual_seed(0)
    options = AugmentOptions(noise_sd=10, shift=4, label_sd=0.5)
    images, points = torch.full((4000, SIZE, SIZE), 128, dtype=torch.uint8), torch.full((4000, 3, 2), 24.5)
    drawn, moved = random_copy(images, points, options)  # the middle stays where it is under turns and flips
    noisy = (drawn != 128).flatten(1).any(1)
    assert noisy.float().mean() == pytest.approx(0.5, abs=0.04)
    assert (drawn[noisy].float() - 128).std() == pytest.approx(10, rel=0.02)
    common = (moved - 24.5).median(dim=1).values
    still = (moved == moved[:, :1]).all((1, 2))
    assert still.float().mean() == pytest.approx(0.5, abs=0.04)
    assert set(common[still].flatten().int().tolist()) == set(range(-4, 5))
    assert (moved - moved.mean(1, keepdim=True))[~still].std() == pytest.approx(0.5 * (2 / 3) ** 0.5, rel=0.05)


def test_affine_moves_points_with_the_pixels():
    torch.manual_seed(0)
    image = torch.zeros(64, SIZE, SIZE, dtype=torch.uint8)
    image[:, 28:31, 32:35] = 255
    points = torch.tensor([[33.0, 29.0]]).expand(64, 1, 2)
    drawn, moved = random_affine(image, points, AffineOptions(scale=0.2, shift=4, contrast=0, noise_sd=0))
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    total = drawn.sum((1, 2))
    found = torch.stack([(drawn * x).sum((1, 2)) / total, (drawn * y).sum((1, 2)) / total], 1)
    assert (found - moved[:, 0]).abs().max() < 0.2
    assert (moved - points).abs().max() > 10
