"""What bounds the scores: frames near borders of labels, missing points, agreement of people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import f1_score

from workflow_scripts.cli import main
from workflow_scripts.core.errors import InputError
from workflow_scripts.evaluation.comparison.bounds import COLUMNS, near_border, score_bounds
from workflow_scripts.evaluation.comparison.significance import Contender
from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.formats.predictions import Prediction, create_predictions

CLASSES = ("rest", "run", "hop")
FPS, REACH = 10, 5
GROUPS = "abcdefgh"


def truth_of(group: str) -> np.ndarray:
    """Bouts of 40 frames; one recording has a hop that is shorter than a second."""
    truth = ((np.arange(400) + ord(group)) // 40 % 2).astype(np.int16)
    if group == "a":
        truth[100:106] = 2
    return truth


def predicted(path: Path, groups: str, *, late: int = 0, worse: bool = False, readout: str = "probe") -> Path:
    """Everything right but for `late` frames after each change, and (by recording) a growing share at its end."""
    with create_predictions(path) as writer:
        writer.task("pace", kind="multiclass", level="frame", vocabulary=CLASSES, readout=readout)
        writer.task("speed", kind="continuous", level="frame", vocabulary=(), readout=readout)
        for group in groups:
            truth = truth_of(group)
            said = np.concatenate([np.repeat(truth[:1], late), truth[: len(truth) - late]])
            if worse:
                wrong = 8 * (1 + GROUPS.index(group))
                said[-wrong:] = 1 - np.minimum(truth[-wrong:], 1)
            mask = np.ones(400, bool)
            mask[:10] = False
            writer.add("pace", Prediction(group, group, truth, mask, said, None))
            writer.add("speed", Prediction(group, group, truth * 1.0, mask, said * 1.0, None))
    return path


def quality() -> dict[str, pd.DataFrame]:
    share = np.linspace(0.1, 0.4, len(GROUPS))
    return {"mice": pd.DataFrame({"recording": list(GROUPS), "fps": FPS, "missing": share / 2, "filled": share / 2})}


def table(folder: Path, border_s: float = REACH / FPS, **options: object) -> pd.Series:
    halves = [predicted(folder / f"{half}.h5", half, **options) for half in (GROUPS[:4], GROUPS[4:])]  # type: ignore[arg-type]
    run = Contender("mice", "fold", "mine", "sound", "default", False, {0: halves, 1: halves})
    interval = IntervalConfig(resamples=200)
    found = score_bounds([run], quality(), interval, border_s=border_s, human={("mice", "pace"): 0.8})
    assert list(found.columns) == COLUMNS
    (row,) = [row for _, row in found.iterrows()]  # continuous tasks have no borders
    return row


def test_frames_beside_a_change_of_two_known_labels_are_near() -> None:
    truth, mask = np.array([0, 0, 0, 1, 1, 1, 0, 0]), np.ones(8, bool)
    assert near_border(truth, mask, 1).astype(int).tolist() == [0, 0, 1, 1, 0, 1, 1, 0]
    assert near_border(truth, mask, 0).sum() == 0
    assert near_border(truth, mask, 9).all()
    mask[3] = False  # from 0 to 1, nobody says when
    assert near_border(truth, mask, 1).astype(int).tolist() == [0, 0, 0, 0, 0, 1, 1, 0]
    assert near_border(truth[:1], mask[:1], 3).tolist() == [False]


def test_bouts_that_begin_late_are_no_error_away_from_borders(tmp_path: Path) -> None:
    row = table(tmp_path, late=REACH)
    truth = np.concatenate([truth_of(group)[10:] for group in GROUPS])
    said = np.concatenate([np.r_[truth_of(g)[:1].repeat(REACH), truth_of(g)[:-REACH]][10:] for g in GROUPS])
    assert row["value"] == pytest.approx(f1_score(truth, said, average="macro"))
    assert row["inner"] == 1
    # The hop is away from no border, so the gain is that of the two others.
    assert row["lost"] == "hop"
    assert row["gain"] == pytest.approx(1 - f1_score(truth, said, average=None)[:2].mean())
    assert row["gain_low"] <= row["gain"] <= row["gain_high"]
    assert 0.2 < row["left_out"] < 0.3
    assert (row["n_groups"], row["seeds"], row["human"]) == (8, 2, 0.8)


def test_errors_within_bouts_stay(tmp_path: Path) -> None:
    row = table(tmp_path, worse=True)
    assert row["inner"] < 0.97 and abs(row["gain"]) < 0.06
    assert table(tmp_path, border_s=0, worse=True)["gain"] == 0


def test_rho_is_over_recordings(tmp_path: Path) -> None:
    row = table(tmp_path, worse=True)
    share, wrong = np.linspace(0.1, 0.4, 8), np.arange(8)
    assert row["rho"] == pytest.approx(spearmanr(-wrong, share).statistic, abs=0.1)  # recordings differ a little, too
    assert row["rho_low"] <= row["rho"] <= row["rho_high"] < 0
    assert row["n_recordings"] == 8
    assert np.isnan(table(tmp_path)["rho"])  # all are equally good


def test_a_recording_that_the_data_do_not_list_is_refused(tmp_path: Path) -> None:
    run = Contender("mice", "fold", "mine", "sound", "default", False, {0: [predicted(tmp_path / "one.h5", "ab")]})
    with pytest.raises(InputError, match=r"predicts 'b', which quality.csv does not list"):
        score_bounds([run], {"mice": quality()["mice"].iloc[:1]}, IntervalConfig(resamples=50))


def test_the_command_takes_what_is_there_and_says_what_is_not(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(
        "experiment: mine\ndatasets: {rats_pairs_twin: {splits: [fold]}}\nmethods: {raw: {}, pca: {}}\n"
    )
    command = ["--root", str(root), "bounds", "mine.yaml", "--border", "0.2"]
    assert main(command) == 1 and "holds no held-out predictions" in capsys.readouterr().err
    for fold, groups in enumerate((GROUPS[:4], GROUPS[4:])):
        folder = tmp_path / f"results/mine/runs/rats_pairs_twin/raw/sound/default/fold{fold}/seed0"
        folder.mkdir(parents=True)
        predicted(folder / "probe_predictions.h5", groups, late=REACH)
    (tmp_path / "data/rats_pairs_twin").mkdir(parents=True)
    quality()["mice"].to_csv(tmp_path / "data/rats_pairs_twin/quality.csv")
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "rats_pairs_twin, raw default: 1 files probe_predictions.h5 are not there and left out." in said
    assert "rats_pairs_twin, pca default: 3 files probe_predictions.h5 are not there and left out." in said
    found = pd.read_csv(tmp_path / "results/mine/bounds.csv")
    assert found["method"].tolist() == ["raw"] and found["n_groups"].tolist() == [8]
