from pathlib import Path

import numpy as np
import pytest
import yaml

from workflow_scripts import methods
from workflow_scripts.cards.card import load_card
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.core.validation import validate
from workflow_scripts.formats.tracks import Labels, Recording
from workflow_scripts.methods.daart.config import Config
from workflow_scripts.methods.daart.heuristics import apply_rules, label_project, measure
from workflow_scripts.methods.daart.inputs import signals
from workflow_scripts.methods.daart.rules_options import Quantity, RuleBook
from workflow_scripts.simulate import fly_daart, make_file
from workflow_scripts.sources import daart_csv
from workflow_scripts.views.tracks import DataSpec

CLASSES = ("still", "walk", "groom")
BOOK = {
    "quantities": {
        "pace": {"measure": "speed", "points": ["body"], "smooth": 3},
        "reach": {"measure": "distance", "points": ["paw", "nose"]},
    },
    "rules": [
        {"behaviour": "groom", "when": ["reach < 3", "pace <= 5"], "min_bout": 3},
        {"behaviour": "walk", "when": ["pace > 20"]},
        {"behaviour": "still", "when": ["pace < 5"]},
    ],
}


def recording(n=60):
    body = np.zeros((n, 2))
    body[20:40, 0] = np.arange(20) * 2.0  # 2 px a frame at 30 frames a second
    body[40:, 0] = 38.0
    nose, paw = np.add(body, (10, 0)), np.add(body, (0, 8))
    paw[50:56] = np.add(nose[50:56], (1, 0))
    paw[5] = nose[5]
    position = np.stack([body, nose, paw], axis=1)[:, None].astype(np.float32)
    position[58, 0, 0] = np.nan
    hand = Labels(np.zeros(n, np.int16), np.arange(n) < 5, "frame", "multiclass", CLASSES)
    confidence = np.ones((n, 1, 3), np.float32)
    return Recording("r", position, confidence, 30.0, ("a",), ("body", "nose", "paw"), "r", labels={"behaviour": hand})


def book(**more):
    return validate(RuleBook, BOOK | more, where="rules")


def test_rules_by_hand():
    codes = apply_rules(recording(), book(), CLASSES)
    assert (codes[22:38] == 1).all()
    assert codes[50:56].tolist() == [2] * 6
    assert codes[5] == -1, "a bout below min_bout is dropped, not given to a later rule"
    assert (codes[:5] == 0).all() and (codes[6:18] == 0).all() and (codes[43:50] == 0).all()
    filled = apply_rules(recording(), book(fill_gap=1), CLASSES)
    assert filled[5] == -1, "the gap is made after gaps are filled"


def test_measures_and_scales():
    made = recording()
    steps = measure(made, Quantity(measure="energy", points=["body"]))
    assert steps[30] == pytest.approx(1.0) and steps[0] == 0  # 2 px along x, 0 along y
    assert measure(made, Quantity(measure="speed", points=["body"]))[30] == pytest.approx(60)
    assert measure(made, Quantity(measure="x", points=["body", "nose"]))[45] == pytest.approx(43)
    assert measure(made, Quantity(measure="y", points=["paw"]))[0] == 8
    scaled = measure(made, Quantity(measure="speed", points=["body"], scale="q99"))
    assert np.nanmax(scaled) >= 1
    assert np.isnan(measure(made, Quantity(measure="distance", points=["body", "nose"]))[58])
    assert apply_rules(made, book(), CLASSES)[58] in (-1, 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rules": [{"behaviour": "walk", "when": ["paces > 2"]}]}, "unknown quantity 'paces'; did you mean 'pace'"),
        ({"rules": [{"behaviour": "walk", "when": ["pace is 2"]}]}, "cannot read 'pace is 2'"),
        ({"rules": [{"behaviour": "walk", "when": ["pace > ."]}]}, "cannot read"),
        ({"quantities": {"pace": {"measure": "distance", "points": ["a"]}}}, "distance needs two points"),
    ],
)
def test_books_that_are_refused(change, said):
    with pytest.raises(ConfigError, match=said):
        book(**change)


def test_names_are_checked_against_the_recording():
    with pytest.raises(ConfigError, match="no behaviour 'groom'"):
        apply_rules(recording(), book(), ("still", "walk"))
    wrong = BOOK["quantities"] | {"reach": {"measure": "distance", "points": ["paws", "nose"]}}
    with pytest.raises(ConfigError, match="no point 'paws'; did you mean 'paw'"):
        apply_rules(recording(), book(quantities=wrong), CLASSES)


def test_rules_become_the_weak_labels_of_a_run():
    config = methods.parse("daart", {"rules": BOOK, "loss": {"lambda_weak": 1}})
    made = recording()
    found = signals(made, config, DataSpec.of(made))
    np.testing.assert_array_equal(found.weak, apply_rules(made, book(), CLASSES))
    assert (found.strong[:5] == 0).all() and (found.strong[5:] == -1).all()
    with pytest.raises(ConfigError, match="not from both"):
        methods.parse("daart", {"rules": BOOK, "weak": "heuristic"})
    assert Config().rules is None


def test_rules_label_a_whole_project(tmp_path):
    card = load_card(Path(__file__).parents[3] / "config" / "datasets" / "fly_daart_twin.yaml")
    make_file("fly_daart", "markers/fly1.csv", tmp_path / "markers" / "fly1.csv", {"frames": 3000}, card)
    rules = {
        "quantities": {
            "fore": {"measure": "energy", "points": ["fore_tip"], "smooth": 9},
            "mid": {"measure": "energy", "points": ["mid_tip"], "smooth": 9},
        },
        "rules": [
            {"behaviour": "walk", "when": ["mid > 3"], "min_bout": 5},
            {"behaviour": "front_groom", "when": ["fore > 3"], "min_bout": 5},
            {"behaviour": "still", "when": ["mid < 1.6", "fore < 1.6"], "min_bout": 5},
        ],
    }
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    label_project(tmp_path / "rules.yaml", tmp_path, ["fly1"], fps=70, classes=fly_daart.CLASSES)
    codes, names, empty = daart_csv.read_one_hot(tmp_path / "labels-heuristic" / "fly1.csv")
    assert names == fly_daart.COLUMNS and not empty
    truth = fly_daart.states(0, card.name, "fly1", 3000)
    walking = truth == 1
    hits = ((codes == 2) & walking).sum()
    assert 2 * hits / ((codes == 2).sum() + walking.sum()) > 0.7
