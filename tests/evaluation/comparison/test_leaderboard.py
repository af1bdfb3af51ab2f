import pandas as pd
import yaml

from workflow_scripts.evaluation.comparison.leaderboard import leaderboard


def run(folder, values, monitor="val_macro_f1", mode="max"):
    folder.mkdir(parents=True)
    hparams = {"options": {"training": {"monitor": monitor, "mode": mode}}}
    (folder / "hparams.yaml").write_text(yaml.safe_dump(hparams))
    table = pd.DataFrame({"epoch": range(len(values)), "train_loss": 9.0, "val_loss": 1.0})
    table.assign(**{monitor or "val_macro_f1": values}).to_csv(folder / "metrics.csv", index=False)
    return folder


def about(point, method="daart"):
    return {"dataset": "flies", "method": method, "mode": "sound", "setting": point}


def test_points_are_ranked_by_the_mean_of_their_best_validated_epochs(tmp_path):
    rows = [
        (about("low"), run(tmp_path / "a", [0.2, 0.5, 0.1])),
        (about("high"), run(tmp_path / "b", [0.6, None, 0.4])),
        (about("low"), run(tmp_path / "c", [0.3, 0.2, 0.9])),
        (about("x", "bams"), run(tmp_path / "d", [3.0, 1.0], "val_loss", "min")),
        (about("y", "bams"), run(tmp_path / "e", [2.0, 4.0], "val_loss", "min")),
    ]
    table = leaderboard(*zip(*rows, strict=True)).set_index("setting")
    assert table.index.tolist() == ["low", "high", "x", "y"] and table["rank"].tolist() == [1, 2, 1, 2]
    assert table.value.tolist() == [0.7, 0.6, 1.0, 2.0]
    assert table.loc["low", ["runs", "best_epoch"]].tolist() == [2, 1.5]
    assert table.better.tolist() == ["higher", "higher", "lower", "lower"]


def test_a_point_without_validation_has_no_rank(tmp_path):
    rows = [
        (about("blind"), run(tmp_path / "a", [0.9, 0.9], monitor=None)),
        (about("seen"), run(tmp_path / "b", [0.1, 0.2])),
    ]
    table = leaderboard(*zip(*rows, strict=True)).set_index("setting")
    assert table.loc["seen", "rank"] == 1 and pd.isna(table.loc["blind", "rank"])
