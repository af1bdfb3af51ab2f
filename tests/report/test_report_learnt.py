from __future__ import annotations

import importlib.util
import json

import numpy as np
import pandas as pd
import pytest

from workflow_scripts.cards.parts import Published
from workflow_scripts.core.errors import ConfigError
from workflow_scripts.evaluation.extracts.maps import FITTED, SHOWN, embedding_map, training_curves
from workflow_scripts.formats.embeddings import write_embeddings
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.plotting.style import class_colours
from workflow_scripts.report import learnt
from workflow_scripts.report.claims import claims
from workflow_scripts.report.interactive import draw
from workflow_scripts.report.ranking import cliques, rank_plot

RUN = ("toy", "net", "sound", "default", "fold0", 0)


def pair(
    a, b, value_a, value_b, p_holm, *, p=0.03, family="methods", groups=6, smallest=2 / 64, comparisons=3, task="S1"
):
    difference = value_a - value_b
    row = {"dataset": "rats", "split": "fold", "task": task, "metric": "macro_f1", "family": family, "a": a, "b": b}
    row |= {"value_a": value_a, "value_b": value_b, "difference": difference, "low": difference - 0.1}
    row |= {"high": difference + 0.1, "p": p, "p_holm": p_holm, "smallest_p": smallest, "comparisons": comparisons}
    return row | {"n_groups": groups, "seeds_a": 1, "seeds_b": 3, "exact": True, "note": None}


def test_the_sentences_say_what_the_numbers_say():
    rows = [pair("raw", "lisbet", 0.4, 0.62, 0.001, smallest=1e-4, groups=24)]
    rows += [pair("raw", "pca", 0.4, 0.5, 0.2, smallest=1e-4, groups=24)]
    rows += [pair("lisbet", "pca", 0.62, 0.5, 0.0004, p=0.0002, smallest=1e-4, groups=24)]
    rows += [
        pair(m, "prior", v, 0.2, 0.01, family="chance", smallest=1e-4) for m, v in (("raw", 0.4), ("lisbet", 0.62))
    ]
    (claim,) = claims(pd.DataFrame(rows))
    assert claim.finding.startswith(
        "On S1 of rats, lisbet reached the highest macro F1 of 3 methods, 0.620 over 24 held-out groups: 0.120 above "
        "the next best, pca (95 % interval [0.020, 0.220] over groups; exact paired permutation test p < 0.001, p < "
        "0.001 after Holm's correction for 3 comparisons)."
    )
    assert claim.certainty.startswith("The difference is significant at the 5 % level; lisbet did better than prior, ")


def test_six_groups_are_said_to_be_too_few():
    rows = [pair("features", "lisbet", 0.7, 0.6, 0.09375), pair("lisbet", "pca", 0.6, 0.5, 0.09375)]
    rows.append(pair("features", "pca", 0.7, 0.5, 0.09375))
    (claim,) = claims(pd.DataFrame(rows))
    assert claim.certainty == (
        "The difference is not significant at the 5 % level, and could not have been: 6 held-out groups allow no "
        "corrected p below 0.094, however large it is."
    )


def test_a_pair_is_turned_round_and_errors_are_better_low():
    row = pair("pca", "bams", 0.09, 0.05, 0.5) | {"metric": "mse"}
    (claim,) = claims(pd.DataFrame([row]))
    assert "bams reached the lowest MSE of 2 methods, 0.050" in claim.finding
    assert "mean of 3 seeds: 0.040 below the next best, pca (95 % interval [-0.140, 0.060]" in claim.finding


def test_cliques_join_what_does_not_differ():
    tests = pd.DataFrame([pair("a", "c", 0.9, 0.1, 0.01), pair("a", "b", 0.9, 0.5, 0.3), pair("b", "c", 0.5, 0.1, 0.2)])
    assert cliques(["a", "b", "c"], tests) == [(0, 1), (1, 2)]
    assert cliques(["a", "c"], tests) == []
    ranks = pd.DataFrame(
        [{"label": k, "rank": i + 1.0, "low": 1.0, "high": 3.0, "chance": k == "c"} for i, k in enumerate("abc")]
    )
    axes = rank_plot(ranks, tests).axes[0]
    bars = [line for line in axes.lines if min(line.get_xdata()) > 3]
    assert [sorted(line.get_ydata()) for line in bars] == [[-0.25, 1.25], [0.75, 2.25]]


def write_run(tmp_path, frames=300, dim=5):
    rng = np.random.default_rng(0)
    arrays = {f"r{k}": rng.normal(size=(frames, dim)).astype(np.float32) * [5, 2, 1, 1, 1] for k in range(3)}
    write_embeddings(tmp_path / "e.h5", ((k, v.astype(np.float32)) for k, v in arrays.items()))
    with create_predictions(tmp_path / "p.h5") as writer:
        writer.task("t", kind="multiclass", level="frame", vocabulary=("rest", "run"), readout="probe")
        for name in ("r0", "r2"):
            truth = (np.arange(frames) >= frames // 2).astype(np.int16)
            writer.add("t", Prediction(name, name, truth, np.arange(frames) > 9, truth))
    return arrays


def test_a_map_is_the_principal_components_of_held_out_frames(tmp_path):
    from sklearn.decomposition import PCA

    arrays = write_run(tmp_path)
    table = embedding_map(RUN, tmp_path / "e.h5", tmp_path / "p.h5")
    assert set(table["recording"]) == {"r0", "r2"} and len(table) == SHOWN
    rows = np.concatenate([arrays["r0"], arrays["r2"]])
    assert len(rows) <= FITTED
    oracle = PCA(2).fit(rows)
    expected = oracle.transform(rows)
    place = table["frame"] + np.where(table["recording"] == "r2", 300, 0)
    for name, column in (("pc1", 0), ("pc2", 1)):
        sign = np.sign(np.dot(table[name], expected[place, column]))
        np.testing.assert_allclose(table[name], sign * expected[place, column], atol=1e-4)
    np.testing.assert_allclose(table[["share1", "share2"]].iloc[0], oracle.explained_variance_ratio_, rtol=1e-5)
    late = table["frame"] >= 150
    assert (table.loc[late, "label"] == "run").all() and (table.loc[table["frame"] < 10, "label"] == "").all()
    ((name, plot),) = learnt.maps(table, "toy")
    assert name == "net" and {trace["name"] for trace in json.loads(plot.spec)["data"]} == {"", "rest", "run"}


def test_classes_of_maps_have_the_colours_of_ethograms(tmp_path):
    vocabulary = ("walk", "other", "run", "rest")
    table = pd.DataFrame(
        {"dataset": "toy", "method": "net", "mode": "sound", "setting": "default", "task": "action", "recording": "r0"}
        | {"frame": range(3), "label": ["rest", "run", "other"], "share1": 0.5, "share2": 0.3}
        | {"pc1": [0.0, 1.0, 2.0], "pc2": [1.0, 0.0, 2.0], "background": [False, False, True]}
    )
    ((_, plot),) = learnt.maps(table, "toy", {"action": vocabulary})
    traces = json.loads(plot.spec)["data"]
    assert [trace["name"] for trace in traces] == ["other", "run", "rest"]
    colours = dict(zip(vocabulary, class_colours(vocabulary, "other"), strict=True))
    assert {trace["name"]: trace["marker"]["color"] for trace in traces} == {
        name: colours[name] for name in ("other", "run", "rest")
    }


def test_umap_is_an_extra_and_says_what_it_is_worth(tmp_path):
    write_run(tmp_path)
    files = tmp_path / "e.h5", tmp_path / "p.h5"
    if importlib.util.find_spec("umap") is None:
        with pytest.raises(ConfigError, match=r"pip install 'ethomake\[umap\]'"):
            embedding_map(RUN, *files, umap=True)
        pytest.skip("umap-learn is not installed")
    table, again = (embedding_map(RUN, *files, umap=True) for _ in range(2))
    assert table["umap1"].notna().all()
    pd.testing.assert_frame_equal(table, again)
    (_, components), (name, plot) = learnt.maps(table, "toy")
    assert name == "net, UMAP" and "another processor draws another map" in plot.caption
    assert components.spec != plot.spec


def test_curves_are_long_and_thin(tmp_path):
    epochs = np.arange(250)
    frame = pd.DataFrame({"epoch": epochs, "lr": 0.1, "train_loss": 1 / (1 + epochs), "val_f1": np.nan})
    frame.loc[::10, "val_f1"] = 0.5
    frame.to_csv(tmp_path / "m.csv", index=False)
    table = training_curves([RUN], [tmp_path / "m.csv"])
    assert table.groupby("series").size().to_dict() == {"train_loss": 100, "val_f1": 25}
    assert table.loc[table["series"] == "train_loss", "epoch"].iloc[[0, -1]].tolist() == [1, 250]
    (dataset, losses), (_, scored) = learnt.curves(table, "net")
    assert dataset == "toy" and "training loss ends at 0.004" in losses.label and "validation F1" in scored.label
    assert learnt.series_title("train_order_accuracy_score") == "training order accuracy"
    assert learnt.series_title("val_score") == "validation score"


def test_plots_hold_no_tags_and_no_nan():
    table = pd.DataFrame({"x": [1.0, 2.0], "y": [np.nan, 3.0], "who": ["<b>a</b>", "<script>"]})
    plot = draw(table, x="x", y="y", group="who", hover=["who"])
    spec = json.loads(plot.spec)
    assert [trace["name"] for trace in spec["data"]] == ["&lt;b&gt;a&lt;/b&gt;", "&lt;script&gt;"]
    assert spec["data"][0]["y"] == [None] and "NaN" not in plot.spec and "<" not in spec["data"][1]["text"][0]
    with pytest.raises(KeyError):
        draw(table, x="x", y="z")


def test_numbers_nobody_read_are_marked():
    about = {
        "task": "S1",
        "metric": "macro_f1",
        "source": "A paper",
        "protocol": "Other frames.",
        "url": "https://e.org",
    }
    numbers = [Published(method="Old", value=0.5, verified=True, **about)]
    numbers.append(Published(method="New", value=0.612, verified=False, **about))
    table = learnt.published_table(numbers, {}, "rats")
    assert table is not None
    assert [row.mark for row in table.rows] == ["", "unverified"]
    assert table.rows[1].cells[3].text == "0.612 (not verified)"
    numbers.append(
        Published(method="Third", value=0.7, verified=True, **(about | {"source": "Another", "place": "tab. 2"}))
    )
    table = learnt.published_table(numbers, {}, "rats")
    assert table is not None
    assert [row.cells[4].text for row in table.rows] == ["[1]", "[1]", "[2] tab. 2"]
    assert learnt.protocols(numbers) == [
        "[1] A paper (https://e.org): Other frames.",
        "[2] Another (https://e.org): Other frames.",
    ]
    assert learnt.published_table([], {}, "rats") is None
