import csv
import hashlib
import os
from pathlib import Path

import pytest

from workflow_scripts.cards.card import Card, load_card
from workflow_scripts.cards.splits import FoldSplit, GroupSplit, LabelDraws
from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.validation import validate
from workflow_scripts.sources import check_options

ROOT = Path(__file__).parents[2]
CARDS = sorted((ROOT / "config" / "datasets").glob("*.yaml"))
WANTED = {"rats_pairs", "rats_pairs_twin", "mice_pair_mars7", "calms21_task1", "calms21_unlabeled", "calms21_twin"}
MIRROR = next(
    (
        Path(folder)
        for folder in [*os.environ.get("ETHOMAKE_MIRRORS", "").split(os.pathsep), str(ROOT.parent / "shared" / "data")]
        if folder and (Path(folder) / "MANIFEST.csv").is_file()
    ),
    None,
)


def minimal(**changes):
    return {
        "name": "toy",
        "title": "Toy",
        "description": "Two files.",
        "licence": "none",
        "citation": ["nobody"],
        "source": "deeplabcut",
        "files": [{"path": "a.csv", "urls": ["https://example.org/a.csv"]}],
        "shards": [{"id": "a", "tracks": "a.csv"}],
        **changes,
    }


def test_the_cards_of_the_brief_are_there():
    assert {path.stem for path in CARDS} >= WANTED


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_every_card_validates_and_its_sources_take_its_options(path):
    card = load_card(path)
    assert card.name == path.stem
    if card.kind == "tracks":
        check_options(card.source, card.options)
    for shard in card.shards:
        for labels in shard.labels:
            check_options(labels.source, labels.options, labels=True)
    assert not Path(card.local or "").is_absolute(), "a committed card names no folder of one machine"
    # Nobody of this project could reach the flies' files; their clips are checked against the split file instead.
    unknown = {"mabe22_fly": {"fly_group_train.npy", "fly_group_test.npy", "fly_groups_test_labels.npy"}}
    summed = {file.path for file in card.files if file.sha256 or file.md5}
    # A file nobody publishes has no sum to be known by.
    public = {file.path for file in card.files if file.urls}
    assert public <= summed | unknown.get(card.name, set()) or card.simulate


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_splits_name_groups_that_are_there_and_cut_none(path):
    card = load_card(path)
    if card.kind == "images":
        pytest.skip("the groups of images stand in their file")
    groups = {shard.group for shard in card.shards}
    for split in card.splits.values():
        if isinstance(split, FoldSplit):
            held_out = [group for fold in split.folds for group in fold]
            assert len(set(held_out)) == len(held_out) and set(held_out) <= set(groups)
            assert split.rest == "leave_out" or set(held_out) == set(groups)
        elif isinstance(split, LabelDraws):
            assert {*split.test} <= {*groups} and max(split.labelled) + len(split.test) <= len(groups)
        elif split.by == "group":
            assert {*split.train, *split.validation, *split.test} <= groups
        assert not isinstance(split, GroupSplit) or not {*split.train} & {*split.test}


@pytest.mark.skipif(MIRROR is None, reason="no folder of real recordings here")
@pytest.mark.parametrize("name", ["rats_pairs", "mice_pair_mars7"])
def test_sums_and_addresses_are_those_of_the_manifest_and_of_the_files(name):
    card = load_card(ROOT / "config" / "datasets" / f"{name}.yaml")
    with open(MIRROR / "MANIFEST.csv", newline="") as handle:
        manifest = {(row["dataset"], row["file"]): row for row in csv.DictReader(handle)}
    for file in card.files:
        folder = file.mirror or card.mirror
        row = manifest[folder, file.path]
        content = (MIRROR / folder / file.path).read_bytes()
        assert (file.sha256, file.bytes) == (row["sha256"], int(row["bytes"]))
        assert (file.sha256, file.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
        assert row["repository"] in file.urls[0]
        assert row["commit"] in file.urls[0]


def test_twins_mirror_the_real_cards_words():
    for real, twin in (("rats_pairs", "rats_pairs_twin"), ("calms21_task1", "calms21_twin")):
        a, b = (load_card(ROOT / "config" / "datasets" / f"{name}.yaml") for name in (real, twin))
        assert (a.tasks, a.individuals, a.keypoints, a.fps, a.source, a.image_size) == (
            b.tasks,
            b.individuals,
            b.keypoints,
            b.fps,
            b.source,
            b.image_size,
        )
    assert a.splits == b.splits


def test_recalled_numbers_are_not_called_verified():
    for path in CARDS:
        for number in load_card(path).published:
            assert not (number.verified and "recalled" in number.source)


def test_an_unknown_key_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"'keypoint'; did you mean 'keypoints'"):
        validate(Card, minimal(keypoint=["nose"]), where="toy.yaml")
    with pytest.raises(ConfigError, match=r"unknown key 'files\.0\.sha'; did you mean 'sha256'"):
        validate(Card, minimal(files=[{"path": "a.csv", "urls": ["https://x"], "sha": "0"}]), where="toy.yaml")


def test_a_repeated_key_is_refused(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text("name: toy\nfps: 30\nfps: 25\n")
    with pytest.raises(InputError, match=r"line 3: the key 'fps' is there twice"):
        load_card(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shards": [{"id": "a", "tracks": "b.csv"}]}, "names 'b.csv', which no entry of files provides"),
        ({"shards": [{"id": "a", "tracks": "a.csv"}] * 2}, "two shards are called 'a'"),
        ({"files": [{"path": "a.csv"}]}, "has no url, and the card names no local folder"),
        ({"files": [{"path": "../a.csv", "urls": ["https://x"]}]}, "plain relative path"),
        ({"fps": -1}, "greater than 0"),
        ({"name": "Toy set"}, "name"),
        ({"citation": []}, "citation"),
    ],
)
def test_what_a_card_may_not_say(changes, said):
    with pytest.raises(ConfigError, match=said):
        validate(Card, minimal(**changes), where="toy.yaml")


def test_a_local_folder_stands_for_the_urls():
    card = validate(Card, minimal(files=[{"path": "a.csv"}], local="data"), where="toy.yaml")
    assert card.local == "data"
    assert card.file("a.csv").urls == []


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"by": "group", "deal": 2}, "unknown key 'splits.folds.by'; valid are: deal, seed"),
        ({"deal": 1}, "splits.folds.deal: input should be greater than or equal to 2, found 1"),
        ({"deal": 2, "sed": 3}, "unknown key 'splits.folds.sed'; did you mean 'seed'?"),
        ({"folds": [["a"]], "by": "group"}, "splits.folds.folds: list should have at least 2 items"),
        ({"train": ["a"], "tset": ["b"]}, "unknown key 'splits.folds.tset'; did you mean 'test'?"),
    ],
)
def test_a_split_is_judged_as_the_kind_it_is_meant_to_be(root, split, said):
    """No name of a class in the message, no complaint about the kinds it is not."""
    card = read_yaml(root / "config/datasets/quadruped_twin.yaml")
    with pytest.raises(ConfigError) as caught:
        validate(Card, card | {"splits": {"folds": split}}, where="card")
    assert said in str(caught.value) and "Split" not in str(caught.value)


def test_a_pattern_stands_for_the_entries_of_each_video(tmp_path):
    for name in ("line A/m1.mp4", "line A/m2.MP4.txt", "line B/m1.mp4"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).write_bytes(b"x")
    (tmp_path / "all.csv").write_text("video,label,start,end\n")
    (tmp_path / "boxes").mkdir()
    (tmp_path / "boxes" / "m1.csv").write_text("frame,x1,y1,x2,y2\n")
    label = {"source": "bouts_csv", "file": "all.csv", "options": {"video": "{name}", "multiclass": "action"}}
    pattern = {"tracks": "videos/**/*.mp4", "labels": [label], "group": "{folder}", "beside": ["boxes/{stem}.csv"]}
    changes = {"recordings": pattern, "local": str(tmp_path), "kind": "clips", "source": "videos"}
    card = Card.model_validate({k: v for k, v in minimal(**changes).items() if k not in ("files", "shards")})
    assert [shard.id for shard in card.shards] == ["videos/line A/m1", "videos/line B/m1"]
    assert [shard.group for shard in card.shards] == ["videos/line A", "videos/line B"]
    assert card.shards[0].labels[0].options["video"] == "m1.mp4"
    assert [file.path for file in card.files] == [
        "videos/line A/m1.mp4",
        "all.csv",
        "boxes/m1.csv",
        "videos/line B/m1.mp4",
    ]
    # Jobs are given the recordings, not the pattern.
    assert Card.model_validate_json(card.model_dump_json(exclude_defaults=True)).shards == card.shards
    with pytest.raises(ValueError, match=r"holds no file \*\.avi"):
        bare = {k: v for k, v in minimal(**changes).items() if k not in ("files", "shards")}
        Card.model_validate(bare | {"recordings": {"tracks": "*.avi"}})
    with pytest.raises(ValueError, match="name it under local"):
        Card.model_validate(minimal(recordings=pattern))
