"""The card names the class that means nothing of interest; every consumer takes it from there."""

import json

import h5py
import pytest
from pydantic import ValidationError

from workflow_scripts.behaviour.codings import predictions_of
from workflow_scripts.behaviour.exports import export
from workflow_scripts.cards.card import Card, Task
from workflow_scripts.convert.quality import quality_tables
from workflow_scripts.convert.tracks import convert_shard
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.evaluation.extracts.ethograms import ethogram_table
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.chance import chance_predictions
from workflow_scripts.evaluation.scores.score import score_predictions
from workflow_scripts.formats.predictions import open_predictions
from workflow_scripts.formats.splits import Split
from workflow_scripts.formats.tables import background_in, read_small
from workflow_scripts.formats.tracks import open_tracks, write_tracks
from workflow_scripts.methods.mvd.data import background_of
from workflow_scripts.plotting.style import QUIET
from workflow_scripts.report.assemble import example_predictions
from workflow_scripts.report.timeline import band
from workflow_scripts.views.clips import ClipSpec

SPLIT = Split("toy", "official", "official", ["a"], [], ["b"], {"a": "a", "b": "b"})


def card(**task):
    return Card.model_validate(
        {
            "name": "toy",
            "title": "t",
            "description": "d",
            "licence": "CC0",
            "citation": ["-"],
            "fps": 10,
            "source": "deeplabcut",
            "local": ".",
            "files": [{"path": path} for name in "ab" for path in (f"{name}.csv", f"{name}_events.csv")],
            "shards": [
                {
                    "id": name,
                    "tracks": f"{name}.csv",
                    "labels": [
                        {"source": "csv_events", "file": f"{name}_events.csv", "options": {"multiclass": "act"}}
                    ],
                }
                for name in "ab"
            ],
            "tasks": {"act": {"vocabulary": ["still", "walk", "rear"], **task}},
        }
    )


def converted(folder, one):
    for name in "ab":
        rows = "\n".join(f"{t},{t},{2 * t},1" for t in range(60))
        (folder / f"{name}.csv").write_text(f"scorer,n,n,n\nbodyparts,p,p,p\ncoords,x,y,likelihood\n{rows}\n")
        events = "walk,10,20\nrear,20,25\nwalk,40,50\n"
        (folder / f"{name}_events.csv").write_text(f"behavior,start_frame,end_frame\n{events}")
    found = [recording for shard in one.shards for recording in convert_shard(one, shard, folder)]
    write_tracks(folder / "tracks.h5", found)
    return folder / "tracks.h5"


def test_what_the_card_says_reaches_every_table(tmp_path):
    one = card(background="still")
    tracks = converted(tmp_path, one)
    with open_tracks(tracks) as reader:
        labels = reader.labels("a", "act")
    assert labels.background == "still" and labels.values[0] == 0 and labels.values[10] == 1
    _, spread = quality_tables(tracks)
    assert spread.loc[spread["background"], "label"].tolist() == ["still", "still"]
    predictions = tmp_path / "p.h5"
    chance_predictions("prior", tracks, SPLIT, ["act"], 0, predictions)
    with open_predictions(predictions) as reader:
        assert reader.background("act") == "still"
    found = set(score_predictions([predictions], IntervalConfig(resamples=50))["metric"])
    assert {"bout_f1@0.5/walk", "macro_f1_foreground"} <= found and "bout_f1@0.5/still" not in found
    table = ethogram_table([("toy", "prior", "sound", "default", "official", 0)], [predictions])
    assert set(table.loc[table["background"], "label"]) == {"still"} == {background_in(table)}
    table.to_csv(tmp_path / "ethograms.csv", index=False)
    (tmp_path / "quality.csv").write_text("dataset,recording,status,group,frames,fps\ntoy,b,ok,b,60,10\n")
    (example,) = example_predictions({"toy": one}, tmp_path)
    assert example.background == "still"
    drawn = band("truth", example.truth, example.vocabulary, example.background)
    assert [part.name for part in drawn.stretches if part.colour == "var(--figure-quiet)"] == ["still"]
    assert QUIET == "#b9c0c9"
    (written,) = export(predictions_of(predictions, tracks), tracks, tmp_path / "out", "csv")
    assert "still" not in written.read_text() and "walk" in written.read_text()


def test_without_it_no_name_decides(tmp_path):
    one = card(vocabulary=["other", "walk", "rear"])
    with pytest.raises(ConfigError, match="add background: <class> to the task, or background: null"):
        converted(tmp_path, one)
    one.shards[0].labels[0].options["background"] = one.shards[1].labels[0].options["background"] = "other"
    tracks = converted(tmp_path, one)
    with open_tracks(tracks) as reader:
        assert reader.labels("a", "act").background is None
    chance_predictions("majority", tracks, SPLIT, ["act"], 0, tmp_path / "p.h5")
    found = set(score_predictions([tmp_path / "p.h5"], IntervalConfig(resamples=50))["metric"])
    assert "bout_f1@0.5/other" in found and "macro_f1_foreground" not in found


def test_files_older_than_the_attribute_are_read(tmp_path):
    tracks = converted(tmp_path, card(background="still"))
    with h5py.File(tracks, "r+") as handle:
        for name in "ab":
            del handle[f"recordings/{name}/labels/act"].attrs["background"]
            assert json.loads(handle[f"recordings/{name}/labels/act"].attrs["vocabulary"])[0] == "still"
    with open_tracks(tracks) as reader:
        assert reader.labels("a", "act").background is None
    chance_predictions("majority", tracks, SPLIT, ["act"], 0, tmp_path / "p.h5")
    with open_predictions(tmp_path / "p.h5") as reader:
        assert reader.background("act") is None
    (tmp_path / "old.csv").write_text("dataset,task,label,n\ntoy,act,still,3\n")
    assert background_in(read_small(tmp_path / "old.csv")) is None


def test_a_video_model_keeps_the_background_and_older_ones_load():
    older = {"fps": 30.0, "size": 96, "vocabularies": {"action": ["idle", "walk"]}, "side": None}
    assert ClipSpec.from_dict(older).backgrounds == {}
    spec = ClipSpec.from_dict(older | {"backgrounds": {"action": "idle"}})
    assert ClipSpec.from_dict(spec.to_dict()) == spec
    assert background_of(("walk", "idle"), None, "idle") == 1 and background_of(("walk", "idle"), None, None) is None
    assert background_of(("walk", "idle"), "walk", "idle") == 0


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ({"vocabulary": ["still", "walk"], "background": "stil"}, "found 'stil'; did you mean 'still'"),
        ({"background": "still"}, "expected a class of the vocabulary"),
        ({"kind": "continuous", "background": "still"}, "of kind continuous has none; remove it"),
        (
            {"kind": "binary", "vocabulary": ["no", "yes"], "background": "yes"},
            "expected 'no', the first class of the binary task",
        ),
    ],
)
def test_a_background_that_cannot_be_is_one_sentence(task, says):
    with pytest.raises(ValidationError, match=says):
        Task(**task)


@pytest.mark.parametrize("name", ["calms21_twin", "rats_pairs_twin", "mouse_action_twin", "mabe22_mouse_twin"])
def test_cards_of_twins_and_their_data_agree(name):
    from workflow_scripts.cards.card import load_card

    with_rest = {"calms21_twin": "other", "rats_pairs_twin": "base", "mouse_action_twin": "idle"}
    named = {task.background for task in load_card(f"config/datasets/{name}.yaml").tasks.values()}
    assert with_rest.get(name, "no") in named
