import numpy as np
import pytest
from builders.tracks import drifting_pair as recording
from builders.tracks import make_split

from workflow_scripts.cards.card import Card
from workflow_scripts.convert import leaks, splits
from workflow_scripts.core.errors import ConfigError, InputError, LeakError
from workflow_scripts.formats.splits import read_split, write_split
from workflow_scripts.formats.track_index import index_tracks
from workflow_scripts.formats.tracks import write_quarantine, write_tracks

FILE = {"path": "a.csv", "urls": ["https://example.org/a.csv"]}


def card(split, shards=("s1", "s2", "s3", "s4")):
    return Card.model_validate(
        {
            "name": "toy", "title": "Toy", "description": "-", "licence": "CC0-1.0", "citation": ["-"],
            "source": "deeplabcut", "files": [FILE],
            "shards": [{"id": s, "tracks": "a.csv", "group": f"g{s[1:]}"} for s in shards],
            "tasks": {"state": {}},
            "splits": split,
        }
    )  # fmt: skip


@pytest.fixture
def tracks(tmp_path):
    path = tmp_path / "tracks.h5"
    write_tracks(path, [recording(f"s{k}", f"g{k}") for k in (4, 2, 3, 1)] + [recording("s1b", "g1")])
    return path


def test_folds_hold_out_groups_and_train_on_all_others(tracks):
    folds = card({"fold": {"folds": [["g1"], ["g2", "g3"]]}})
    first, second = (splits.make_split(tracks, folds, f"fold{k}") for k in (0, 1))
    assert (first.train, first.test) == (["s2", "s3", "s4"], ["s1", "s1b"])
    assert (second.train, second.test) == (["s1", "s1b", "s4"], ["s2", "s3"])
    assert first.family == "fold"
    assert first.groups["s1b"] == "g1"


def test_named_groups_and_prefixes(tracks):
    by_group = splits.make_split(tracks, card({"official": {"test": ["g1"], "validation": ["g2"]}}), "official")
    assert (by_group.train, by_group.validation, by_group.test) == (["s3", "s4"], ["s2"], ["s1", "s1b"])
    listed = splits.make_split(tracks, card({"official": {"train": ["g3"], "test": ["g2"]}}), "official")
    assert (listed.train, listed.test, set(listed.groups)) == (["s3"], ["s2"], {"s2", "s3"})
    prefix = {"train": ["s2", "s3"], "test": ["s1"], "by": "recording_prefix"}
    found = splits.make_split(tracks, card({"official": prefix}), "official")
    assert (found.train, found.test) == (["s2", "s3"], ["s1", "s1b"])


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"test": ["g11"]}, "no recording is of group 'g11'; did you mean 'g1'"),
        ({"test": ["s9"], "by": "recording_prefix"}, "no recording begins with 's9'"),
        ({"test": []}, "has no test recording"),
        ({"test": ["g1", "g2", "g3", "g4"]}, "has no train recording"),
        ({"folds": [["g1"], ["g1", "g2"]]}, "'g1' is held out in two folds"),
        ({"folds": [["g1"], ["gg2"]]}, "no recording is of group 'gg2'"),
    ],
)
def test_impossible_splits_are_refused(tracks, definition, message):
    name = "official0" if "folds" in definition else "official"
    with pytest.raises(ConfigError, match=message):
        splits.make_split(tracks, card({"official": definition}), name)


def test_unknown_split_names_the_nearest(tracks):
    with pytest.raises(ConfigError, match="did you mean 'fold1'"):
        splits.make_split(tracks, card({"fold": {"folds": [["g1"], ["g2"]]}}), "fold2")


@pytest.mark.parametrize(
    "definition",
    [
        {"train": ["g1", "g2"], "test": ["g2"]},
        {"validation": ["g2"], "test": ["g2"]},
        {"train": ["s2", "s1b"], "test": ["s2"], "by": "recording_prefix"},
    ],
)
def test_group_on_both_sides_is_a_leak(tracks, definition):
    with pytest.raises(LeakError, match="group 'g2' on both sides"):
        splits.make_split(tracks, card({"official": definition}), "official")
    with pytest.raises(LeakError, match="'s1' in train, 's1b' in test"):
        cut = {"train": ["s1"], "test": ["s1b"], "by": "recording_prefix"}
        splits.make_split(_only(tracks), card({"official": cut}), "official")


def _only(tracks):
    # Prefix "s1" would match "s1b" too, so the cut is made on ids that do not nest.
    path = tracks.with_name("cut.h5")
    write_tracks(path, [recording("s1", "g1"), recording("s1b", "g1")])
    return path


def test_quarantined_shards_are_left_out(tmp_path):
    shards = []
    for k in (1, 2, 3):
        shards.append(tmp_path / f"s{k}.h5")
        write_tracks(shards[-1], [recording(f"s{k}", f"g{k}")])
    shards.append(tmp_path / "s4.h5")
    write_quarantine(shards[-1], "s4", "it is a picture")
    index_tracks(tmp_path / "tracks.h5", shards)
    folds = card({"fold": {"folds": [["g1", "g4"], ["g2", "g3"]]}})
    assert splits.make_split(tmp_path / "tracks.h5", folds, "fold0").test == ["s1"]
    assert splits.make_split(tmp_path / "tracks.h5", folds, "fold1").train == ["s1"]
    alone = card({"fold": {"folds": [["g1"], ["g4"]]}})
    assert [split.name for split in splits.make_splits(tmp_path / "tracks.h5", alone)] == ["fold0"]
    with pytest.raises(ConfigError, match=r"'fold1' of 'toy' has no test recording; the recordings of g4 are quarant"):
        splits.make_split(tmp_path / "tracks.h5", alone, "fold1")


def walk(seed, frames=400):
    rng = np.random.default_rng(seed)
    return (100 + np.cumsum(rng.normal(size=(frames, 1, 2, 2)), axis=0)).astype(np.float32)


def audit(tmp_path, positions, train, test, validation=(), groups=None):
    groups = groups or {}
    write_tracks(
        tmp_path / "tracks.h5", [recording(k, groups.get(k, f"group of {k}"), position=p) for k, p in positions.items()]
    )
    write_split(tmp_path / "s.json", make_split(train, test, validation))
    return leaks.audit(tmp_path / "tracks.h5", [read_split(tmp_path / "s.json")])


def test_clean_split_has_no_leak(tmp_path):
    found = audit(tmp_path, {k: walk(i) for i, k in enumerate("abcd")}, "ab", "d", "c")
    assert list(found.columns) == leaks.COLUMNS
    assert not len(found)
    leaks.raise_on_leaks(found)


def test_group_on_both_sides(tmp_path):
    found = audit(tmp_path, {k: walk(i) for i, k in enumerate("abc")}, "ab", "c", groups={"a": "rat 1", "c": "rat 1"})
    assert found.kind.tolist() == ["group"]
    assert (found.recording_a[0], found.recording_b[0], found.group[0]) == ("a", "c", "rat 1")
    with pytest.raises(LeakError, match="leaks group 'rat 1'"):
        leaks.raise_on_leaks(found)


def test_recording_on_both_sides(tmp_path):
    with pytest.raises(InputError, match="names 'b' twice"):
        audit(tmp_path, {k: walk(i) for i, k in enumerate("ab")}, "ab", "b")


def test_copy_under_another_name(tmp_path):
    found = audit(tmp_path, {"a": walk(0), "b": walk(1), "copy": walk(0)}, "ab", ["copy"])
    assert found.kind.tolist() == ["content"]
    assert "identical over all 400 frames" in found.detail[0]
    with pytest.raises(LeakError, match=r"group of a \| group of copy"):
        leaks.raise_on_leaks(found)


def test_short_and_still_copies_are_found_too(tmp_path):
    still = np.repeat(walk(5)[:1], 30, axis=0)
    found = audit(tmp_path, {"a": walk(0, 8), "b": still, "x": walk(0, 8), "y": still}, "ab", "xy")
    assert found.kind.tolist() == ["content", "content"]


@pytest.mark.parametrize(("length", "found_it"), [(50, True), (73, True), (20, False)])
@pytest.mark.parametrize("offset", [0, 13, 24, 349])
def test_shared_stretch(tmp_path, length, offset, found_it):
    a, b = walk(0), walk(1)
    start = min(offset, 400 - length)
    b[start : start + length] = a[101 : 101 + length]
    found = audit(tmp_path, {"a": a, "b": b}, "a", "b")
    assert found.kind.tolist() == (["overlap"] if found_it else [])
    if found_it:
        assert f"share {length} consecutive frames" in found.detail[0]


def test_sharing_within_one_side_is_no_leak(tmp_path):
    assert not len(audit(tmp_path, {"a": walk(0), "b": walk(0), "c": walk(1)}, "ab", "c"))


def test_rest_and_missing_points_are_no_evidence(tmp_path):
    a, b = walk(0), walk(1)
    for position in (a, b):
        position[50:200] = np.nan
        position[200:300] = 120.0
    assert not len(audit(tmp_path, {"a": a, "b": b}, "a", "b"))


def test_rounding_and_gaps_do_not_hide_a_copy(tmp_path):
    a = walk(0)
    a[10:20, 0, 1] = np.nan
    b = (a + np.float32(0)).round(3)
    found = audit(tmp_path, {"a": a, "b": b}, "a", "b")
    assert found.kind.tolist() == ["content"]


def test_validation_against_both_other_sides(tmp_path):
    positions = {"a": walk(0), "v": walk(0), "t": walk(1), "w": walk(1)}
    found = audit(tmp_path, positions, "a", "t", "vw")
    assert len(found) == 2
    assert set(found.kind) == {"content"}


def test_every_split_is_audited(tmp_path):
    write_tracks(tmp_path / "t.h5", [recording(k, "one", position=walk(i)) for i, k in enumerate("ab")])
    found = leaks.audit(tmp_path / "t.h5", [make_split("a", "b", name=name) for name in ("fold0", "fold1")])
    assert found.split.tolist() == ["fold0", "fold1"]
    with pytest.raises(LeakError, match=r"\(and 1 more\)"):
        leaks.raise_on_leaks(found)


def test_unlabelled_recordings_may_all_train(tracks):
    unlabelled = card({"official": {"train": []}}).model_copy(update={"tasks": {}})
    split = splits.make_split(tracks, unlabelled, "official")
    assert (split.train, split.test) == (["s1", "s1b", "s2", "s3", "s4"], [])


def test_a_number_of_recordings_is_held_out_at_random_in_whole_groups(tracks):
    drawn = card({"whole": {"hold_out": 2, "validation": 1, "seed": 3}})
    one = splits.make_split(tracks, drawn, "whole")
    assert one == splits.make_split(tracks, drawn, "whole")
    assert len(one.test) >= 2 and len(one.validation) >= 1 and one.train
    sides = [{one.groups[name] for name in getattr(one, side)} for side in ("train", "validation", "test")]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    tests = {tuple(splits.make_split(tracks, card({"w": {"hold_out": 2, "seed": k}}), "w").test) for k in range(9)}
    assert len(tests) > 2
    with pytest.raises(ConfigError, match="leaves none to train on; lower hold_out or validation"):
        splits.make_split(tracks, card({"w": {"hold_out": 4, "validation": 1}}), "w")
