import json
from pathlib import Path

import numpy as np
import pytest

from workflow_scripts.cards.card import load_card
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.files import digest
from workflow_scripts.formats.bouts import runs
from workflow_scripts.simulate import GENERATORS, calms21, make_file, rats_pairs
from workflow_scripts.simulate.agents import generator, semi_markov

DATASETS = Path(__file__).parents[2] / "config" / "datasets"
TWINS = ["calms21_twin", "rats_pairs_twin"]


def make(name, folder, files=None, **options):
    card = load_card(DATASETS / f"{name}.yaml")
    for file in files or [file.path for file in card.files]:
        make_file(card.simulate.generator, file, folder / file, {**card.simulate.options, **options}, card)
    return card


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Both twins whole, as their cards ask for them."""
    folder = tmp_path_factory.mktemp("twins")
    return {name: (make(name, folder / name), folder / name) for name in TWINS}


def recordings(made, name):
    card, folder = made[name]
    return [recording for shard in card.shards for recording in convert_shard(card, shard, folder)]


@pytest.mark.parametrize("name", TWINS)
def test_the_same_bytes_again_in_any_order(made, name, tmp_path):
    card, folder = made[name]
    make(name, tmp_path, files=[file.path for file in reversed(card.files)])
    for file in card.files:
        assert digest(tmp_path / file.path) == digest(folder / file.path)


def test_a_recording_does_not_depend_on_those_beside_it(made, tmp_path):
    _, folder = made["calms21_twin"]
    file = "calms21_task1_train.json"
    make("calms21_twin", tmp_path, files=[file], train=2)
    few, many = (json.loads((place / file).read_text())["annotator-id_0"] for place in (tmp_path, folder))
    assert list(few) == list(many)[:2]
    for name, record in few.items():
        assert record == many[name]


def test_a_cut_down_card_makes_the_same_file(made, tmp_path):
    card, folder = made["rats_pairs_twin"]
    part = card.conversion_inputs("recording", "35")
    make_file("rats_pairs", part.shards[0].file, tmp_path / "x.csv", card.simulate.options, part)
    assert digest(tmp_path / "x.csv") == digest(folder / part.shards[0].file)


@pytest.mark.parametrize("name", TWINS)
def test_another_seed_is_another_twin(made, name, tmp_path):
    card, folder = made[name]
    make(name, tmp_path, files=[card.files[0].path], seed=99)
    assert digest(tmp_path / card.files[0].path) != digest(folder / card.files[0].path)


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_converts_like_its_original_and_every_fold_can_learn_every_class(made, name):
    card, _ = made[name]
    found = recordings(made, name)
    for recording in found:
        assert recording.individuals == tuple(card.individuals)
        assert recording.keypoints == tuple(card.keypoints)
        assert set(recording.labels) == set(card.tasks)
        assert all(labels.mask.all() for labels in recording.labels.values())
    if name == "calms21_twin":
        held_out = [[r.id for r in found if r.id.startswith("task1/test/")]]
    else:
        held_out = card.splits["fold"].folds  # a session's id is its group
    for ids in held_out:
        for task, words in card.tasks.items():
            seen = {int(value) for r in found if r.id not in ids for value in np.unique(r.labels[task].values)}
            assert len(seen) == len(words.vocabulary), (ids, task)


def test_calms21_has_the_official_layout_and_no_animal_twice(made):
    _, folder = made["calms21_twin"]
    parts = [json.loads((folder / f"calms21_task1_{part}.json").read_text()) for part in ("train", "test")]
    for part in parts:
        assert list(part) == ["annotator-id_0"]
        for record in part["annotator-id_0"].values():
            assert np.shape(record["keypoints"]) == (2000, 2, 2, 7)
            assert np.shape(record["scores"]) == (2000, 2, 7)
            assert record["metadata"]["vocab"] == {"attack": 0, "investigation": 1, "mount": 2, "other": 3}
    mice = [{name.split("/")[2].split("_")[0] for name in part["annotator-id_0"]} for part in parts]
    assert [len(part) for part in mice] == [8, 4]
    assert not mice[0] & mice[1]


def test_the_chain_of_calms21_has_the_real_statistics():
    n_frames, n = 20_000, 120
    chains = [semi_markov(generator(5, str(k)), n_frames, 3, calms21.TRANSITIONS, calms21.DURATIONS) for k in range(n)]
    share = np.bincount(np.concatenate(chains), minlength=4) / (n * n_frames)
    np.testing.assert_allclose(share, calms21.SHARES, atol=0.05)
    whole = [bout for chain in chains for bout in runs(chain).triples()[:-1]]  # the last bout of a chain is cut
    counts = np.zeros((4, 4))
    for chain in chains:
        states = [state for _, _, state in runs(chain).triples()]
        np.add.at(counts, (states[:-1], states[1:]), 1)
    real = calms21.TRANSITIONS / calms21.TRANSITIONS.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(counts / counts.sum(axis=1, keepdims=True), real, atol=0.03)
    for state, law in enumerate(calms21.DURATIONS):
        logs = np.log([stop - start for start, stop, s in whole if s == state])
        assert abs(logs.mean() - law.ln_mean) < 0.1
        assert abs(logs.std() - law.ln_sd) < 0.12


def test_rats_lose_points_as_often_as_the_real_ones(made):
    card, folder = made["rats_pairs_twin"]
    gaps = card.gaps.model_copy(update={"interpolate_max_frames": 0})
    bare = card.model_copy(update={"gaps": gaps})
    found = [r for shard in bare.shards for r in convert_shard(bare, shard, folder)]
    lost = np.mean([np.isnan(r.position).any(-1).mean(axis=(0, 1)) for r in found], axis=0)
    # Mean over the six real sessions and both animals, measured with zeros and empty cells as missing.
    np.testing.assert_allclose(lost, [0.40, 0.21, 0.19, 0.28, 0.64], atol=0.06)


def test_rats_have_the_traps_their_card_names(made):
    card, folder = made["rats_pairs_twin"]
    warnings = {r.id: " ".join(r.warnings) for r in recordings(made, "rats_pairs_twin")}
    assert f"first {rats_pairs.OPENING} frames" in warnings["1"]
    assert f"{rats_pairs.EXTRA_LABELS} labels past the end are cut" in warnings["8"]
    rows = (folder / card.shard("35").file).read_text().splitlines()[4:]
    assert sum(",0.0,0.0," in row for row in rows) > 0
    assert any(",,,1.0" in row for row in rows), "likelihood 1 beside empty cells"


def test_rats_label_s2_inside_aggression_only(made):
    for recording in recordings(made, "rats_pairs_twin"):
        fights = recording.labels["S1"].values == 3
        assert ((recording.labels["S2"].values > 0) == fights).all()
        assert recording.labels["S1"].values[0] == recording.labels["S1"].values[-1] == 0


def test_a_label_shows_in_distance_and_not_in_place(made):
    """Bodies are near in fights and far apart in nonsocial scenes, wherever in the arena that is."""
    near, place = {}, {}
    for recording in recordings(made, "rats_pairs_twin"):
        body = recording.position[:, :, 1]
        middle = body.mean(axis=1)
        spread = np.nanstd(middle, axis=0)
        for name, state in (("nonsocial", 2), ("aggression", 3)):
            here = recording.labels["S1"].values == state
            near.setdefault(name, []).append(np.nanmedian(np.linalg.norm(body[here, 0] - body[here, 1], axis=-1)))
            place.setdefault(name, []).append((np.nanmean(middle[here], axis=0) - np.nanmean(middle, axis=0)) / spread)
    assert np.mean(near["aggression"]) < 0.6 * np.mean(near["nonsocial"])
    assert max(near["aggression"]) < min(near["nonsocial"])
    for shifts in place.values():
        assert np.abs(np.mean(shifts, axis=0)).max() < 0.6


def test_points_move_smoothly_and_stay_in_the_image(made):
    for recording in recordings(made, "calms21_twin"):
        steps = np.linalg.norm(np.diff(recording.position[:, :, 3], axis=0), axis=-1)
        assert np.quantile(steps, 0.999) < 25
        assert recording.position.min() > 0
        assert (recording.position.reshape(-1, 2).max(axis=0) < recording.image_size).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("rats_pair", "annotations/1_annot.txt", {}), "no generator 'rats_pair'; did you mean 'rats_pairs'"),
        (("rats_pairs", "annotations/1_annot.txt", {"frame": 9}), "'frame'; did you mean 'frames'"),
        (("rats_pairs", "annotations/1_annot.txt", {"frames": 3}), "greater than or equal to 400"),
        (("rats_pairs", "annotations/2_annot.txt", {}), "no file 'annotations/2_annot.txt'"),
        (("calms21", "annotations/1_annot.txt", {}), "_train.json and …_test.json"),
    ],
)
def test_what_is_refused(call, said, tmp_path):
    name, path, options = call
    card = load_card(DATASETS / "rats_pairs_twin.yaml")
    with pytest.raises(ConfigError, match=said):
        make_file(name, path, tmp_path / "out", options, card)
    assert not (tmp_path / "out").exists()


def test_every_generator_is_a_module_with_options():
    folder = Path(rats_pairs.__file__).parent
    assert sorted(GENERATORS) == sorted(
        path.stem for path in folder.glob("*.py") if path.stem not in ("__init__", "agents", "mabe22_rules")
    )
