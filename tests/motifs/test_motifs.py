"""Motif scan, prototypes, bouts and their figures."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import f1_score

from workflow_scripts.core.errors import EthoMakeError, InputError
from workflow_scripts.core.names import slugify
from workflow_scripts.formats.embeddings import write_embeddings
from workflow_scripts.motifs import bouts, figures, prototypes
from workflow_scripts.motifs import hmm as motifs


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """Two recordings of four well-separated states, scanned with 2 to 10 states."""
    folder = tmp_path_factory.mktemp("motifs")
    rng = np.random.default_rng(0)
    truth = {name: np.repeat(rng.permutation(np.tile(np.arange(4), 8)), 30) for name in ("a/1", "b")}
    centres = 6 * np.eye(4)
    arrays = {name: (centres[t] + rng.normal(size=(len(t), 4))).astype(np.float32) for name, t in truth.items()}
    write_embeddings(folder / "embeddings.h5", arrays.items())
    scans = {
        k: motifs.scan_motifs(folder / "embeddings.h5", folder / "scan", k, seed=1, n_iter=5, restarts=3)
        for k in range(2, 11)
    }
    return folder, truth, scans


def test_a_scan_of_2_to_10_has_54_columns(scanned):
    folder, truth, scans = scanned
    names, active = prototypes.read_motifs(folder / "scan", list(truth), 2, 10)
    assert len(names) == 54
    assert names[:3] == ["HMM_2_Motif_0", "HMM_2_Motif_1", "HMM_3_Motif_0"]
    assert sum(range(6, 33)) == 513
    assert sum(range(2, 33)) == 527
    for name, array in active.items():
        assert array.shape == (len(truth[name]), 54)
        assert (array.sum(axis=1) == 9).all()  # one motif per model
    table = pd.read_csv(folder / "scan" / slugify("a/1") / "machineAnnotation_hmm4.csv")
    assert list(table.columns) == ["Unnamed: 0", *[f"Motif_{k}" for k in range(4)]]
    metrics = (folder / "scan" / "metrics_hmm4.yaml").read_text()
    assert all(name in metrics for name in ("ll:", "aic:", "bic:"))
    bic = {k: scan.metrics["bic"] for k, scan in scans.items()}
    assert min(bic, key=bic.get) == 4


def test_the_scan_finds_the_states(scanned):
    _, truth, scans = scanned
    states = np.concatenate([scans[4].states[name] for name in truth])
    wanted = np.concatenate(list(truth.values()))
    scores = bouts.f1_matrix(states[:, None] == np.arange(4), wanted[:, None] == np.arange(4))
    for motif, label in bouts.match_motifs(scores):
        assert scores[motif, label] > 0.95


def test_models_are_kept_without_pickles(scanned, tmp_path):
    folder, truth, scans = scanned
    again = motifs.scan_motifs(folder / "embeddings.h5", tmp_path, 0, pretrained=folder / "scan" / "model_hmm4.npz")
    for name in truth:
        np.testing.assert_array_equal(again.states[name], scans[4].states[name])
    same = motifs.scan_motifs(folder / "embeddings.h5", tmp_path, 3, seed=1, n_iter=5, restarts=3)
    np.testing.assert_array_equal(same.states["b"], scans[3].states["b"])
    (tmp_path / "x.npz").write_text("no")
    with pytest.raises(InputError, match="no saved motif model"):
        motifs.load_hmm(tmp_path / "x.npz")
    with pytest.raises(EthoMakeError, match="too few for 40 motifs"):
        motifs.fit_hmm({"a": np.zeros((100, 4), np.float32)}, 40)


def test_prototypes(scanned, tmp_path):
    folder, truth, _ = scanned
    options = {"fps": 30.0, "low": 4, "high": 10, "bout_threshold": 0.1}
    found = prototypes.select_prototypes(folder / "scan", tmp_path, list(truth), **options)
    table = pd.read_csv(tmp_path / slugify("a/1") / "machineAnnotation_hmmbest_4_10.csv", index_col=0)
    assert len(table.columns) == len(found.prototypes) == found.n_clusters[found.best] == found.best_labels.max()
    assert all(column.startswith("HMM_") and "_Motif_" in column for column in table.columns)
    assert set(np.unique(table.to_numpy())) <= {0, 1}
    # Every true state has a prototype that is nearly it.
    scores = bouts.f1_matrix(table.to_numpy(bool), truth["a/1"][:, None] == np.arange(4))
    assert (scores.max(axis=0) > 0.9).all()
    info = np.load(tmp_path / "info_hmmbest_4_10.npz", allow_pickle=False)
    assert set(info) >= {
        "cond_dist_matrix",
        "link_matrix",
        "all_score",
        "all_n_clusters",
        "all_labels",
        "best_n_clusters",
    }
    assert set(info) >= {"best_score", "best_labels", "prototypes"}
    # As in the original: clusters count from 0, and prototypes are numbers of motifs.
    assert info["all_labels"].min() == info["best_labels"].min() == 0
    assert info["best_labels"].max() == info["best_n_clusters"] - 1
    assert list(info["names"][info["prototypes"]]) == list(info["prototype_names"]) == list(table.columns)
    assert list(pd.read_csv(folder / "scan" / "history_hmm4.csv").columns) == ["Unnamed: 0", "History"]
    smallest = prototypes.select_prototypes(folder / "scan", tmp_path, list(truth), method="min", **options)
    for best, first in zip(found.prototypes, smallest.prototypes, strict=True):
        count = [prototypes._state_count(found.names[k]) for k in (best, first)]
        assert count[1] <= count[0]
    assert (tmp_path / "b" / "machineAnnotation_hmmmin_4_10.csv").is_file()
    with pytest.raises(EthoMakeError, match="passed the filters"):
        prototypes.select_prototypes(folder / "scan", tmp_path, list(truth), frame_threshold=0.9, **options)
    with pytest.raises(InputError, match="scan the motifs with 11 states"):
        prototypes.read_motifs(folder / "scan", list(truth), 10, 11)
    assert len(figures.selection_figure(found).axes) == 5
    found_f1 = figures.f1_figure(scores, list(table.columns), list("abcd"), bouts.match_motifs(scores))
    assert found_f1.axes[0].get_yticklabels()[0].get_text() in set(table.columns)


@given(st.integers(0, 2**32 - 1))
def test_jaccard_equals_scipy(seed):
    rng = np.random.default_rng(seed)
    active = rng.random((60, 7)) < 0.3
    active[:, 0] = False
    expected = squareform(pdist(active.T, "jaccard"))
    both_empty = ~active.any(axis=0)
    expected[np.ix_(both_empty, both_empty)] = 0
    np.testing.assert_allclose(prototypes.jaccard(active), expected, atol=1e-12)


def test_bouts():
    states = np.array([0, 0, 1, 1, 1, 0, 2, 2])
    table = bouts.bout_table(states, ["x", "y", "z"], 10.0)
    assert table["behavior"].tolist() == ["x", "y", "x", "z"]
    assert table["start_frame"].tolist() == [0, 2, 5, 6]
    assert table["end_time"].tolist() == [0.2, 0.5, 0.6, 0.8]
    active = states[:, None] == np.arange(4)
    stats = bouts.bout_statistics({"r": active}, 10.0).set_index("motif")
    assert stats.loc[0, "bouts"] == 2
    assert stats.loc[0, "mean_duration_s"] == pytest.approx(0.15)
    assert stats.loc[0, "rate_per_minute"] == pytest.approx(2 / (0.8 / 60))
    assert np.isnan(stats.loc[3, "mean_duration_s"])
    shares = bouts.transition_matrix([states, np.array([1, 1, 2])], 4)
    np.testing.assert_allclose(shares[0], [0, 0.5, 0.5, 0])
    np.testing.assert_allclose(shares[1], [0.5, 0, 0.5, 0])
    assert np.isnan(shares[2]).all()
    # Without the dummy 1, the two bouts of 0 become one.
    np.testing.assert_allclose(bouts.transition_matrix([states], 3, dummy=1)[0], [0, 0, 1])
    drawn = figures.transition_figure(shares, list("wxyz"))
    assert len(drawn.axes[0].patches) == 4


def test_scores_against_sklearn_and_the_protocol():
    rng = np.random.default_rng(1)
    names = ("attack", "investigation", "mount", "other")
    truth = rng.choice(4, 3000, p=[0.03, 0.29, 0.06, 0.62])
    said = np.where(rng.random(3000) < 0.7, truth, rng.choice(4, 3000))
    scores = bouts.protocol_scores(truth, said, names, "other")
    assert scores["macro_f1"] == pytest.approx(f1_score(truth, said, average="macro"))
    assert scores["macro_f1_without_other"] == pytest.approx(f1_score(truth, said, average="macro", labels=[0, 1, 2]))
    kept = truth != 3
    ignoring = f1_score(truth[kept], said[kept], average="macro", labels=[0, 1, 2])
    assert scores["macro_f1_ignoring_other"] == pytest.approx(ignoring)
    # Dropping the background's frames hides the false alarms there.
    assert scores["macro_f1_ignoring_other"] > scores["macro_f1_without_other"]


def test_matching_maximises_f1():
    scores = np.array([[0.9, 0.8], [0.85, 0.1], [0.0, 0.0]])
    assert bouts.match_motifs(scores) == [(1, 0), (0, 1), (2, None)]
    assert bouts.match_motifs(scores.T) == [(1, 0), (0, 1)]


def test_the_fast_model_is_hmmlearns(scanned):
    """The same likelihoods, parameters and paths, where probabilities would underflow as well."""
    from hmmlearn.hmm import GaussianHMM

    from workflow_scripts.motifs.gaussian_hmm import FastGaussianHMM

    rng = np.random.default_rng(3)
    states = np.repeat(rng.integers(0, 3, 40), 25)
    x = 4 * rng.normal(size=(3, 6))[states] + rng.normal(size=(1000, 6))
    x[500] = 1e3  # its density is zero in every state
    theirs = GaussianHMM(3, covariance_type="full", n_iter=8, tol=1e-3, random_state=0).fit(x, [400, 600])
    mine = FastGaussianHMM(3, n_iter=8, tol=1e-3, random_state=0).fit(x, [400, 600])
    np.testing.assert_allclose(mine.monitor_.history, theirs.monitor_.history, rtol=1e-9)
    for name in ("startprob_", "transmat_", "means_", "covars_"):
        np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), rtol=1e-6, atol=1e-9)
    path, likelihood = mine.explain(x)
    np.testing.assert_array_equal(path, theirs.predict(x))
    assert likelihood == pytest.approx(theirs.score(x), rel=1e-9)


def test_a_state_that_cannot_be_reached_is_passed_by_logarithms():
    from hmmlearn.hmm import GaussianHMM

    from workflow_scripts.motifs.gaussian_hmm import FastGaussianHMM

    x = np.concatenate([np.zeros((50, 2)), np.full((50, 2), 1000.0)]) + np.random.default_rng(0).normal(size=(100, 2))
    found = []
    for model in (FastGaussianHMM(2), GaussianHMM(2, covariance_type="full")):
        model.set_params(init_params="", n_iter=1)
        model.startprob_, model.transmat_ = np.array([1.0, 0.0]), np.array([[1.0, 0.0], [0.0, 1.0]])
        model.means_, model.covars_ = np.array([[0.0, 0.0], [1000.0, 1000.0]]), np.stack([np.eye(2)] * 2)
        found.append((model.score(x), model.fit(x).monitor_.history[0], model.means_))
    assert found[0][:2] == pytest.approx(found[1][:2])
    np.testing.assert_allclose(found[0][2], found[1][2])
