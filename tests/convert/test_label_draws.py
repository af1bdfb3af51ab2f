"""Splits that hide labels: nested, seeded, and hidden from whatever is fitted."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.builders.tracks import walkers
from workflow_scripts.cards.card import load_card
from workflow_scripts.convert.splits import make_split
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.evaluation.probe.held_out import inner_splits
from workflow_scripts.formats.splits import read_split, write_split
from workflow_scripts.formats.tracks import open_tracks, write_tracks
from workflow_scripts.views.tracks import TrackView


def rat(name):
    """A short recording with the task S1."""
    found = walkers(name, frames=30)
    return replace(found, labels={"S1": found.labels["behaviour"]})


@pytest.fixture(scope="module")
def made(root, tmp_path_factory):
    """The real card's draws over 48 small recordings of the same names."""
    card = load_card(root / "config" / "datasets" / "rats_pairs.yaml")
    path = tmp_path_factory.mktemp("draws") / "tracks.h5"
    ids = sorted(shard.id for shard in card.shards)
    write_tracks(path, (rat(name) for name in ids))
    return card, path


def test_smaller_sets_are_parts_of_larger_ones_and_the_test_set_stays(made):
    card, path = made
    splits = {name: make_split(path, card, name) for name in card.split_names("labels_k")}
    assert len(splits) == 18
    assert len({tuple(split.test) for split in splits.values()}) == 1
    for draw in range(3):
        chosen = [set(splits[f"labels_k{n}_{draw}"].labelled_train()) for n in (1, 2, 4, 8, 16, 32)]
        assert [len(each) for each in chosen] == [1, 2, 4, 8, 16, 32]
        assert all(small < large for small, large in pairwise(chosen))
    for split in splits.values():
        assert len(split.train) == 40 and not {*split.train} & {*split.test}
    assert splits["labels_k4_0"].labelled_train() != splits["labels_k4_1"].labelled_train()
    assert splits["labels_k4_0"].family == "labels_k4_0"  # its test recordings are those of other draws


def test_hidden_labels_are_seen_by_no_one_who_fits(made, tmp_path):
    card, path = made
    split = make_split(path, card, "labels_k2_1")
    write_split(tmp_path / "s.json", split)
    assert read_split(tmp_path / "s.json") == split
    shown = {
        each.id for each in TrackView(path, split).train() if any(labels.mask.any() for labels in each.labels.values())
    }
    assert shown == set(split.labelled_train())
    with open_tracks(path) as reader:
        reader.hidden = split.unlabelled
        hidden = reader.labels(split.unlabelled[0], "S1")
        assert hidden is not None and not hidden.mask.any()
    inner = list(inner_splits(split, 3))
    assert [len(each.test) for each in inner] == [1, 1] and not any(each.unlabelled for each in inner)


def test_six_of_the_sessions_alone(made):
    card, path = made
    split = make_split(path, card, "official_small0")
    assert split.test == ["1", "8"] and split.train == ["12", "35", "46", "53"]


def test_more_labelled_groups_than_there_are(made):
    card, path = made
    greedy = card.model_copy(update={"splits": {"k": card.splits["labels_k"].model_copy(update={"labelled": [41]})}})
    with pytest.raises(ConfigError, match="asks for 41 labelled training groups, and there are 40"):
        make_split(path, greedy, "k41_0")
