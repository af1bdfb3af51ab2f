import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workflow_scripts.cards.card import load_card
from workflow_scripts.convert.images import read_movie
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.formats.images import ImageSet, open_images, write_images
from workflow_scripts.methods.rat_direction.movie import read_stack
from workflow_scripts.sources import read_images
from workflow_scripts.sources.shared.crops import from_crop, square_crop, to_crop
from workflow_scripts.views.images import ImageSpec

KEYS = ("locs_base", "locs_neck", "locs_head")


def arrays(n=6):
    rng = np.random.default_rng(0)
    return {"images": rng.integers(0, 256, (n, 50, 50), dtype=np.uint8)} | {
        key: rng.uniform(5, 44, (n, 2)).astype(np.float32) for key in KEYS
    }


def npz(folder, **changed):
    path = folder / "rats.npz"
    content = arrays() | changed
    np.savez(path, **{key: value for key, value in content.items() if value is not None})
    return path


def test_reads_the_layout_of_the_original(tmp_path):
    found = read_images("rat_npz", npz(tmp_path), {})
    assert found.names == ("base", "neck", "head")
    assert np.array_equal(found.images, arrays()["images"])
    for column, key in enumerate(KEYS):
        assert np.array_equal(found.points[:, column], arrays()[key])
    assert "no source_frame" in found.warnings[0]


def test_the_misspelt_key_of_the_originals_sample_code_is_read(tmp_path):
    neck = arrays()["locs_neck"]
    path = npz(tmp_path, locs_neck=None, loclocs_necks=neck)
    assert np.array_equal(read_images("rat_npz", path, {"labels": None}).points[:, 1], neck)


@pytest.mark.parametrize(("layout", "expected"), [("adjacent", [0, 0, 1, 1, 2, 2]), ("strided", [0, 1, 2, 0, 1, 2])])
def test_copies_share_their_source_frame(tmp_path, layout, expected):
    found = read_images("rat_npz", npz(tmp_path), {"copies": 2, "copies_are": layout})
    assert found.source_frame.tolist() == expected


class Evil:
    def __reduce__(self):
        return (os.system, ("touch pwned",))


def spoil(path, name):
    content = path.read_bytes()
    if name == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif name == "flipped":
        middle = len(content) // 3
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :])
    elif name == "pickle":
        path.write_bytes(pickle.dumps(arrays()))
    elif name == "text":
        path.write_text("<html>Google Drive can't scan this file for viruses</html>")
    elif name == "empty":
        path.write_bytes(b"")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("truncated", "cut short or damaged"),
        ("flipped", "cut short or damaged"),
        ("pickle", "is a pickle"),
        ("text", "is no npz"),
        ("empty", "is empty"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path, name, sentence):
    path = npz(tmp_path)
    spoil(path, name)
    with pytest.raises(InputError, match=sentence) as caught:
        read_images("rat_npz", path, {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"locs_neck": None, "locs_necks": np.zeros((6, 2))}, r"no key 'locs_neck'.*rename 'locs_necks' to"),
        ({"images": None}, r"no key 'images'; the keys there are locs_base, locs_neck, locs_head"),
        ({"images": np.zeros((6, 50, 50, 3), np.uint8)}, r"in colour, shape \(6, 50, 50, 3\)"),
        ({"images": np.full((6, 50, 50), 0.5)}, r"images are float64 from 0.5 to 0.5, expected uint8"),
        ({"images": np.full((6, 50, 50), 300)}, r"images are int64 from 300 to 300"),
        ({"images": np.zeros((6, 50), np.uint8)}, r"images have shape \(6, 50\), expected \(n, height, width\)"),
        ({"locs_head": np.zeros((5, 2))}, r"locs_head has shape \(5, 2\), expected \(6, 2\)"),
        ({"locs_head": np.zeros((2, 6))}, r"locs_head has shape \(2, 6\), expected \(6, 2\)"),
        ({"locs_head": np.full((6, 2), np.nan)}, r"locs_head has no number in row 0"),
        (
            {"locs_base": np.full((6, 2), 61.0)},
            r"locs_base is outside the 50×50 px image in 6 rows, first row 0 \(61",
        ),
        ({"locs_base": np.array([["a", "b"]] * 6)}, r"locs_base holds <U1, expected numbers"),
        ({"animal": np.zeros(3)}, r"animal has shape \(3,\)"),
    ],
)
def test_wrong_content_is_one_sentence(tmp_path, changed, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        read_images("rat_npz", npz(tmp_path, **changed), {})
    assert "\n" not in str(caught.value)


def test_objects_are_refused_then_read_restricted(tmp_path):
    head = np.empty(6, object)
    for row, point in enumerate(arrays()["locs_head"]):
        head[row] = point
    path = npz(tmp_path, locs_head=head)
    with pytest.raises(InputError, match=r"'locs_head' holds Python objects.*object_arrays: true"):
        read_images("rat_npz", path, {})
    found = read_images("rat_npz", path, {"object_arrays": True})
    assert np.array_equal(found.points[:, 2], arrays()["locs_head"])


def test_images_whose_pixels_are_objects_are_read_too(tmp_path):
    whole = np.empty((6, 50, 50), object)  # numpy keeps the shape, and each pixel is an object
    whole[:] = arrays()["images"].tolist()
    found = read_images("rat_npz", npz(tmp_path, images=whole), {"object_arrays": True})
    assert found.images.dtype == np.uint8 and np.array_equal(found.images, arrays()["images"])


def test_shifted_copies_are_within_the_default_margin(tmp_path):
    # Shifted by 3 pixels, and the noise of the label on top of it.
    path = npz(tmp_path, locs_base=np.full((6, 2), 49 + 3 + 4 * 0.5, np.float32))
    assert read_images("rat_npz", path, {}).points[0, 0].tolist() == [54.0, 54.0]


def test_labels_are_read_where_the_file_has_them(tmp_path):
    np.savez(tmp_path / "bare.npz", images=arrays()["images"])
    assert np.isnan(read_images("rat_npz", tmp_path / "bare.npz", {"labels": None}).points).all()
    assert np.isfinite(read_images("rat_npz", npz(tmp_path), {"labels": None}).points).all()


def test_the_published_movie_needs_no_option(tmp_path):
    card = load_card(Path(__file__).parents[2] / "config/datasets/rat_direction_twin.yaml")
    (tmp_path / card.movies[0].file).parent.mkdir(parents=True, exist_ok=True)
    np.savez(tmp_path / card.movies[0].file, images=arrays()["images"])
    bare = card.model_copy(update={"movies": [card.movies[0].model_copy(update={"options": {}})]})
    assert len(read_movie(bare, tmp_path)) == 6


def test_an_empty_stack_is_one_sentence(tmp_path):
    np.save(tmp_path / "none.npy", np.zeros((0, 50, 50), np.uint8))
    with pytest.raises(InputError, match="holds no image"):
        read_stack(tmp_path / "none.npy", ImageSpec(50, 50, ("base", "neck", "head")))
    np.savez(tmp_path / "none.npz", images=np.zeros((0, 50, 50), np.uint8))
    with pytest.raises(InputError, match=r"images have shape \(0, 50, 50\)"):
        read_stack(tmp_path / "none.npz", ImageSpec(50, 50, ("base", "neck", "head")))


def test_code_in_objects_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    head = np.empty(6, object)
    head[:] = [Evil() for _ in range(6)]
    path = npz(tmp_path, locs_head=head)
    with pytest.raises(InputError, match="objects that are no arrays"):
        read_images("rat_npz", path, {"object_arrays": True})
    assert not (tmp_path / "pwned").exists()


def test_a_movie_has_no_labels(tmp_path):
    path = tmp_path / "movie.npz"
    np.savez(path, images=arrays()["images"])
    movie = read_images("rat_npz", path, {"labels": False, "fps": 30})
    assert np.isnan(movie.points).all()
    assert movie.fps == 30
    with pytest.raises(InputError, match="no key 'locs_base'"):
        read_images("rat_npz", path, {})


def test_unknown_source_and_option(tmp_path):
    with pytest.raises(ConfigError, match=r"no image source 'rats_npz'; did you mean 'rat_npz'"):
        read_images("rats_npz", npz(tmp_path), {})
    with pytest.raises(ConfigError, match="allow_pickle"):
        read_images("rat_npz", npz(tmp_path), {"allow_pickle": True})


def test_file_round_trip_in_batches(tmp_path):
    content = arrays()
    whole = ImageSet(
        images=content["images"],
        points=np.stack([content[key] for key in KEYS], 1),
        names=("base", "neck", "head"),
        source_frame=np.array([5, 5, 1, 1, 2, 2]),
        animal=np.array(["ann", "ann", "bé", "bé", "ann", "ann"]),
        group=np.array(["ann", "ann", "bé", "bé", "ann", "ann"]),
        index={"rotation": np.arange(6), "noise": np.linspace(0, 1, 6, dtype=np.float32)},
        fps=30.0,
        warnings=["odd"],
    )
    path = tmp_path / "images.h5"
    write_images(path, (whole.take(np.arange(a, a + 2)) for a in (0, 2, 4)))
    with open_images(path) as reader:
        back = reader.read()
        assert len(reader) == 6
        assert reader.ids == ["frame000001", "frame000002", "frame000005"]
        assert reader.group("frame000001") == "bé"
        assert reader.rows_of(["frame000002", "frame000005"]).tolist() == [0, 1, 4, 5]
        assert [len(batch) for batch in reader.iterate(4)] == [4, 2]
    for name in ("images", "points", "source_frame", "animal", "group"):
        assert np.array_equal(getattr(back, name), getattr(whole, name)), name
    assert (back.names, back.fps, back.warnings) == (whole.names, 30.0, ["odd"])
    assert all(np.array_equal(back.index[name], whole.index[name]) for name in whole.index)


def test_batches_of_another_size_leave_no_file(tmp_path):
    small = read_images("rat_npz", npz(tmp_path), {})
    other = ImageSet(small.images[:, :40], small.points, small.names, small.source_frame, small.animal, small.group)
    with pytest.raises(InputError, match="40, 50"):
        write_images(tmp_path / "images.h5", [small, other])
    assert not (tmp_path / "images.h5").exists()


def test_a_point_stays_on_its_pixel_through_the_crop():
    image = np.zeros((120, 160), np.uint8)
    image[66:75, 81:90] = 255  # centred on (85, 70)
    centre, side = (90.3, 61.7), 77.0
    crop = square_crop(image, centre, side, 50).astype(float)
    y, x = np.mgrid[:50, :50]
    found = np.array([(crop * x).sum(), (crop * y).sum()]) / crop.sum()
    assert found == pytest.approx(to_crop(np.array([85.0, 70.0]), centre, side, 50), abs=0.1)
    back = from_crop(to_crop(np.array([[[85.0, 70.0]]]), centre, side, 50), np.array([centre]), np.array([side]), 50)
    assert back[0, 0] == pytest.approx([85.0, 70.0])


def jpeg(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "jpeg", quality=95)
    return buffer.getvalue()


def mars(path, frames=10, spoil=None):
    points = {"x": [60, 62, 62, 70, 80, 80, 100], "y": [60, 50, 70, 60, 50, 70, 60]}
    image = np.zeros((120, 160), np.uint8)
    image[26:95, 36:125] = 120  # the box of the points and 24 px around
    image[58:63, 98:103] = 255  # the tail base
    with zipfile.ZipFile(path, "w") as archive:
        for frame in range(frames):
            folder = f"MARS_top_{frame:05d}"
            if frame != spoil:
                archive.writestr(f"{folder}/adjusted_keypoints.json", json.dumps({"black": points, "white": points}))
            for animal in ("black", "white"):
                archive.writestr(f"{folder}/{animal}.jpg", jpeg(image))


def test_mars_points_land_on_the_animal_and_the_box_does_not_tell_them(tmp_path):
    mars(tmp_path / "crops.zip", spoil=3)
    found = read_images("mars_crops", tmp_path / "crops.zip", {})
    assert found.images.shape == (18, 50, 50)
    assert found.warnings == ["MARS_top_00003 has no adjusted_keypoints.json: left out"]
    for image, (x, y) in zip(found.images, found.points[:, 0], strict=True):
        bright = np.argwhere(image > 200).mean(0)
        assert [y, x] == pytest.approx(bright, abs=1.0)
    # The same points everywhere, so only the jitter of the box can move them in the crop.
    assert found.points[:, 0].std(0).min() > 1.0
    kept = read_images("mars_crops", tmp_path / "crops.zip", {"jitter": 0})
    assert kept.points[:, 0].std(0).max() < 0.5


def test_mars_groups_hold_whole_frames(tmp_path):
    mars(tmp_path / "crops.zip")
    found = read_images("mars_crops", tmp_path / "crops.zip", {})
    for frame in np.unique(found.source_frame):
        assert len(set(found.group[found.source_frame == frame])) == 1
    assert len(set(found.group)) == len(set(found.source_frame)) < len(found)


def test_mars_damage_is_a_sentence(tmp_path):
    path = tmp_path / "crops.zip"
    mars(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="no readable zip of crops"):
        read_images("mars_crops", path, {})


DLC = "scorer,me,me,me,me,me,me,me,me\nbodyparts,nose,nose,l,l,r,r,tail,tail\ncoords" + ",x,y" * 4 + "\n"
PARTS = {"head": ["nose"], "neck": ["l", "r"], "base": ["tail"]}


def dlc(folder):
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((100, 100), 50, np.uint8)).save(folder / name)
    rows = ["labeled-data/v/a.png,30,40,35,38,35,42,60,40", "labeled-data/v/b.png,30,40,35,38,35,42,60,40"]
    rows += ["labeled-data/v/c.png,30,40,35,38,35,42,60,40", "labeled-data/v/b.png,,,35,38,35,42,60,40"]
    path = folder / "CollectedData_me.csv"
    path.write_text(DLC + "\n".join(rows) + "\n")
    return path


def test_dlc_neck_is_the_middle_of_the_ears(tmp_path):
    path = dlc(tmp_path)
    found = read_images("dlc_frames", path, {**PARTS, "side": 50, "jitter": 0})
    # A square of 50 px around the middle (45, 40), not scaled: pixel 20.5 of the frame is 0 of the crop.
    assert found.points[0].tolist() == [[39.5, 24.5], [14.5, 24.5], [9.5, 24.5]]
    assert found.warnings == [
        "1 of 4 labelled frames have no png: left out",
        "1 frames lack one of the points: left out",
    ]
    three = path.read_text().replace("labeled-data/v/", "labeled-data,v,").replace("scorer,", "scorer,,,")
    path.write_text(three.replace("bodyparts,", "bodyparts,,,").replace("coords,", "coords,,,"))
    assert np.array_equal(read_images("dlc_frames", path, {**PARTS, "side": 50, "jitter": 0}).points, found.points)


def test_dlc_mistakes_are_sentences(tmp_path):
    path = dlc(tmp_path)
    with pytest.raises(InputError, match=r"no body part 'snout'; valid are: l, nose, r, tail"):
        read_images("dlc_frames", path, {**PARTS, "head": ["snout"]})
    path.write_text(path.read_text().replace("30,40", "30,oops", 1))
    with pytest.raises(InputError, match="line 4: 'oops' is no coordinate"):
        read_images("dlc_frames", path, PARTS)


REAL = Path(os.environ.get("ETHOMAKE_MIRRORS", Path(__file__).parents[3] / "shared" / "data"))


@pytest.mark.skipif(not (REAL / "mouse-crops-mars").is_dir(), reason="the real crops are not on this machine")
def test_real_mars_crops():
    found = read_images("mars_crops", REAL / "mouse-crops-mars" / "mars_top_crops.zip", {})
    assert found.images.shape == (596, 50, 50)
    assert [text for text in found.warnings if "00397" in text]
    assert set(found.animal) == {"black", "white"}
    assert np.mean(np.abs(found.points - 24.5) < 25) > 0.999  # a mouse at the edge of the frame may lose a point


@pytest.mark.skipif(not (REAL / "mouse-openfield").is_dir(), reason="the real frames are not on this machine")
def test_real_dlc_frames():
    path = REAL / "mouse-openfield" / "labeled-data" / "m4s1" / "CollectedData_Pranav.csv"
    options = {"head": ["snout"], "neck": ["leftear", "rightear"], "base": ["tailbase"]}
    found = read_images("dlc_frames", path, options)
    assert len(found) == 24
    assert found.warnings[0] == "92 of 116 labelled frames have no png: left out"
