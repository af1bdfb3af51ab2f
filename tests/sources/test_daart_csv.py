import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from workflow_scripts.cards.card import Task, load_card
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.formats.bouts import runs
from workflow_scripts.formats.tracks import Recording
from workflow_scripts.simulate import fly_daart, make_file
from workflow_scripts.sources import daart_csv, read_labels, read_tracks

ROOT = Path(__file__).parents[2]
DATASETS = ROOT / "config" / "datasets"
TASKS = {"behaviour": Task(vocabulary=["still", "walk"])}
FREEZING = {"freezing": Task(kind="binary", vocabulary=["moving", "freezing"])}


def real(*parts):
    folders = [Path(p) for p in os.environ.get("ETHOMAKE_MIRRORS", "").split(os.pathsep) if p]
    for folder in [*folders, ROOT.parent / "shared" / "data"]:
        if folder.joinpath(*parts).exists():
            return folder.joinpath(*parts)
    return pytest.skip(f"the real recording {'/'.join(parts)} is not here (set ETHOMAKE_MIRRORS)")


def labels(path, n_frames, warn=None, tasks=TASKS, **options):
    return read_labels("daart_csv", path, options, n_frames=n_frames, fps=70, tasks=tasks, warn=warn)


def write(path, text):
    path.write_text(text)
    return path


def test_one_hot_round_trip_and_background(tmp_path):
    codes = np.array([0, 1, 2, 2, 0])
    path = tmp_path / "a.csv"
    daart_csv.write_one_hot(path, codes, ("background", "still", "walk"))
    assert path.read_text().splitlines()[:2] == [",background,still,walk", "0,1,0,0"]
    found = labels(path, 5)["behaviour"]
    assert found.mask.tolist() == [False, True, True, True, False]
    assert found.values[found.mask].tolist() == [0, 1, 1]


def test_float_ones_count_and_rows_of_zeros_are_reported(tmp_path):
    warn = []
    path = write(tmp_path / "a.csv", ",background,walk,still\n0,0.0,1.0,0.0\n1,0,0,0\n2,0,0,1\n")
    found = labels(path, 3, warn)["behaviour"]
    assert found.mask.tolist() == [True, False, True]
    assert found.values[found.mask].tolist() == [1, 0]  # the card's order, not the file's
    assert "frame 1" in warn[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (",background,still,walk\n0,0,1,1\n", "line 2: more than one class"),
        (",background,still,walk\n0,0,1,0\n1,0,0.5,0.5\n", "line 3: a cell is neither 0 nor 1"),
        (",background,still,walk\n0,0,1,0\n2,0,1,0\n", "line 3: the frame number is out of order"),
        (",background,still,walk\n0,0,nan,1\n", "line 2: holds a value that is no number"),
        (",background,still,walk\n0,0,one,0\n", "line 2: expected a number, found 'one'"),
        (",background,still,walk\n0,0,1,0\n1,0,1\n", "line 3: has 3 cells, line 1 has 4"),
        (",background,still,walk\n", "has a header and no frame"),
        ("scorer,a,b\nbodyparts,c,d\n", "line 1: found 'scorer,a,b'"),
        (",background,still,run\n0,0,1,0\n", "classes still, run, and the card says still, walk"),
        (",backgrund,still,walk\n0,0,1,0\n", "no column 'background'; did you mean 'backgrund'"),
    ],
)
def test_label_tables_that_are_refused(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        labels(write(tmp_path / "a.csv", text), 2)


def test_lengths_and_vocabulary_are_compared(tmp_path):
    path = write(tmp_path / "a.csv", ",background,still,walk\n" + "".join(f"{k},0,1,0\n" for k in range(300)))
    warn = []
    assert labels(path, 303, warn)["behaviour"].mask.sum() == 300
    assert "the last 3 frames are unlabelled" in warn[0]
    with pytest.raises(InputError, match="cover 300 frames and the tracks have 500"):
        labels(path, 500)
    with pytest.raises(ConfigError, match="cannot stand in the vocabulary"):
        labels(path, 300, tasks={"behaviour": Task(vocabulary=["background", "still", "walk"])})


def test_names_are_looked_up_in_the_original_order(tmp_path):
    for name in ("markers/a.npy", "markers/a.csv", "markers/a_labeled.csv", "labels-hand/a.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert daart_csv.find_input(tmp_path, "markers", "a").name == "a_labeled.csv"
    assert daart_csv.find_labels(tmp_path, "labels-hand", "a").name == "a.csv"
    (tmp_path / "labels-hand/a_labels.csv").touch()
    assert daart_csv.find_labels(tmp_path, "labels-hand", "a").name == "a_labels.csv"
    assert daart_csv.find_labels(tmp_path, "labels-hand", "b") is None
    with pytest.raises(InputError, match=r"holds no b\.h5"):
        daart_csv.find_input(tmp_path, "markers", "b")


def test_markers_csv_and_npy(tmp_path):
    rng = np.random.default_rng(0)
    position = rng.random((4, 1, 3, 2)).astype(np.float32)
    position[1, 0, 2] = np.nan
    made = Recording("a", position, rng.random((4, 1, 3)).astype(np.float32), 70.0, ("fly",), ("p", "q", "r"), "a")
    daart_csv.write_markers(tmp_path / "a.csv", made)
    assert (tmp_path / "a.csv").read_text().startswith("scorer,")
    assert "individuals" not in (tmp_path / "a.csv").read_text()
    back = next(read_tracks("daart_csv", tmp_path / "a.csv", {}, recording="a"))
    np.testing.assert_array_equal(back.position, position)
    assert back.keypoints == ("p", "q", "r")
    np.save(tmp_path / "a.npy", np.concatenate([position[:, 0, :, 0], position[:, 0, :, 1]], axis=1))
    back = next(read_tracks("daart_csv", tmp_path / "a.npy", {"keypoints": ["p", "q", "r"]}, recording="a"))
    np.testing.assert_array_equal(back.position, position)
    np.save(tmp_path / "b.npy", np.zeros((4, 5)))
    with pytest.raises(InputError, match="has 5 columns, expected an even number"):
        next(read_tracks("daart_csv", tmp_path / "b.npy", {}, recording="b"))
    np.save(tmp_path / "c.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(InputError, match="no plain npy"):
        next(read_tracks("daart_csv", tmp_path / "c.npy", {}, recording="c"))


def test_features_lose_their_index_only(tmp_path):
    values, names = daart_csv.read_features(write(tmp_path / "f.csv", "index,a,b\n0,1,2\n1,,4\n"))
    assert names == ["index", "a", "b"], "only a first column without a name is an index"
    np.testing.assert_array_equal(values, [[0, 1, 2], [1, np.nan, 4]])
    values, names = daart_csv.read_features(write(tmp_path / "u.csv", ",a,b\n0,1,2\n1,,4\n"))
    assert names == ["a", "b"]
    np.testing.assert_array_equal(values, [[1, 2], [np.nan, 4]])
    values, names = daart_csv.read_features(write(tmp_path / "g.csv", "index,a\n5,1\n9,2\n"))
    assert names == ["index", "a"]
    with pytest.raises(InputError, match="infinite"):
        daart_csv.read_features(write(tmp_path / "h.csv", "a\ninf\n"))


def bouts_file(path, kind, vector, pairs):
    if kind == "v5":
        savemat(path, {"Behavior": {"Freezing": {"Vector": vector[None], "Bouts": pairs}}})
        return path
    with h5py.File(path, "w", userblock_size=512) as handle:
        handle["hBehavior/Freezing/Vector"] = vector[:, None].astype(float)
        handle["hBehavior/Freezing/Bouts"] = pairs.T.astype(float)
    with open(path, "r+b") as handle:
        handle.write(b"MATLAB 7.3 MAT-file")
    return path


@pytest.mark.parametrize("kind", ["v5", "v7.3"])
def test_behaviordepot(tmp_path, kind):
    vector = np.array([0, 1, 1, 0, 1, 0], dtype=np.uint8)
    path = bouts_file(tmp_path / "b.mat", kind, vector, np.array([[2, 3], [5, 6]]))
    warn = []
    read = {"n_frames": 6, "fps": 50, "tasks": FREEZING, "warn": warn}
    assert read_labels("behaviordepot", path, {}, **read)["freezing"].values.tolist() == vector.tolist()
    assert "differ in 1 frames" in warn[0]
    found = read_labels("behaviordepot", path, {"read_as": "bouts", "negate": True}, **read)["freezing"]
    assert found.values.tolist() == [1, 0, 0, 1, 0, 0]
    with pytest.raises(InputError, match="no behaviour or field 'Frezing'; did you mean 'Freezing'"):
        read_labels("behaviordepot", path, {"behavior": "Frezing"}, **read)
    with pytest.raises(InputError, match="no readable MATLAB file"):
        read_labels("behaviordepot", write(tmp_path / "c.mat", "hello, world"), {}, **read)
    outside = bouts_file(tmp_path / "d.mat", kind, vector, np.array([[5, 7]]))
    with pytest.raises(InputError, match="outside the 6 frames"):
        read_labels("behaviordepot", outside, {}, **read)


def test_real_freezing():
    folder = real("mouse-freezing")
    card = load_card(DATASETS / "mouse_freezing.yaml")
    recording = next(convert_shard(card, card.shards[0], folder))
    person, rule, still = (recording.labels[name].values for name in ("freezing", "rule_freezing", "rule_not_moving"))
    assert (person.sum(), rule.sum(), still.sum()) == (1368, 1457, 3069)
    assert 2 * (person & rule).sum() / (person.sum() + rule.sum()) == pytest.approx(0.903, abs=5e-4)
    assert 2 * (person & still).sum() / (person.sum() + still.sum()) == pytest.approx(0.598, abs=5e-4)
    assert len([1 for *_, on in runs(person).triples() if on]) == 20


def test_real_fly_labels_are_as_the_card_says():
    folder = real("fly-daart-labels")
    card = load_card(DATASETS / "fly_daart.yaml")
    speaks = right = hand_total = 0
    for shard, n, expected in zip(card.shards, (45001, 50001), ((1956, 33238), (1591, 40374)), strict=True):
        found = {}
        for source in shard.labels:
            found |= read_labels(
                source.source, folder / source.file, source.options, n_frames=n, fps=70, tasks=card.tasks
            )
        hand, rules = found["behaviour"], found["heuristic"]
        assert (hand.mask.sum(), rules.mask.sum()) == expected
        both = hand.mask & rules.mask
        speaks, hand_total = speaks + both.sum(), hand_total + hand.mask.sum()
        right += (both & (hand.values == rules.values)).sum()
    assert speaks / hand_total == pytest.approx(0.766, abs=5e-4)
    assert right / speaks == pytest.approx(0.828, abs=1e-3)


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    card = load_card(DATASETS / "fly_daart_twin.yaml")
    folder = tmp_path_factory.mktemp("flies")
    for file in card.files:
        make_file("fly_daart", file.path, folder / file.path, card.simulate.options, card)
    return [recording for shard in card.shards for recording in convert_shard(card, shard, folder)]


def test_twin_is_as_sparse_and_its_rules_as_good_as_the_real_ones(twin):
    hand, rules, truth = (
        np.concatenate([np.where(r.labels[t].mask, r.labels[t].values, -1) for r in twin])
        for t in ("behaviour", "heuristic", "truth")
    )
    scored = hand >= 0
    assert scored.mean() == pytest.approx(3547 / 95002, abs=0.005)
    assert (hand[scored] == truth[scored]).all()
    assert (rules >= 0).mean() == pytest.approx(73612 / 95002, abs=0.05)
    speaks = scored & (rules >= 0)
    assert speaks.sum() / scored.sum() == pytest.approx(0.766, abs=0.08)
    assert (rules == hand)[speaks].mean() == pytest.approx(0.828, abs=0.08)
    for recording in twin:
        labels = recording.labels["behaviour"]
        assert set(labels.values[labels.mask]) == {0, 1, 2, 3, 4}


def test_twin_moves_in_pixels_and_loses_few_points(twin):
    for recording in twin:
        assert np.isnan(recording.position).mean() < 0.02
        assert np.nanmin(recording.position) > 0 and np.nanmax(recording.position) < 600


def test_a_twin_file_does_not_hang_on_the_others(tmp_path):
    card = load_card(DATASETS / "fly_daart_twin.yaml")
    for path in ("markers/fly2.csv", "labels-hand/fly2.csv"):
        make_file("fly_daart", path, tmp_path / "a" / path, {"frames": 600}, card)
    make_file("fly_daart", "labels-hand/fly2.csv", tmp_path / "b.csv", {"frames": 600}, card)
    assert (tmp_path / "a/labels-hand/fly2.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    with pytest.raises(ConfigError, match="makes markers/"):
        fly_daart.make("other/fly2.csv", tmp_path / "c", fly_daart.Options(), card)
