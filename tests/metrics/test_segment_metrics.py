import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, jaccard_score, precision_score

from workflow_scripts.evaluation.options import IntervalConfig
from workflow_scripts.evaluation.scores.score import score_predictions
from workflow_scripts.formats.bouts import runs
from workflow_scripts.formats.predictions import Prediction, create_predictions
from workflow_scripts.metrics import frames as metrics
from workflow_scripts.metrics import segments as sg


def spread(text):
    return np.array([int(c) for c in text])


def everywhere(codes):
    return np.ones(len(codes), bool)


CODES = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), min_size=1, max_size=8).map(
    lambda runs: np.repeat([code for code, _ in runs], [n for _, n in runs])
)


@given(CODES)
def test_segments_cover_the_frames_and_alternate(codes):
    found = runs(codes)
    np.testing.assert_array_equal(np.repeat(found.value, found.length), codes)
    assert all(a != b for a, b in itertools.pairwise(found.value))


def test_gaps_cut_segments():
    codes, mask = spread("1112221"), spread("1101110").astype(bool)
    assert [(s.start, s.stop) for s in sg.pieces(mask)] == [(0, 2), (3, 6)]
    assert [list(x) for x in sg.run_lengths(codes, mask, 3)] == [[], [2], [3]]
    assert sg.transitions(codes, mask, 3).sum() == 0
    assert sg.transitions(codes, everywhere(codes), 3).tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0]]


def counts(truth, said, overlaps, n=3):
    truth, said = spread(truth), spread(said)
    return sg.overlap_counts(truth, said, everywhere(truth), n, overlaps)


def test_overlap_by_hand():
    found = counts("0001111000", "0000011110", (0.1, 0.5))
    # Class 1 shares 2 of 6 frames; the first 0 shares 3 of 5, the last predicted 0 is 1 of the true 3.
    assert found[0, 1].tolist() == [1, 0, 0] and found[1, 1].tolist() == [0, 1, 1]
    assert found[0, 0].tolist() == [2, 0, 0] and found[1, 0].tolist() == [1, 1, 1]


def test_a_true_segment_is_hit_once():
    found = counts("0111111110", "0111011110", (0.1,))[0]
    assert found[1].tolist() == [1, 1, 0]
    assert found[0].tolist() == [2, 1, 0]


def brute(truth, said, least, n):
    """The definition, segment by segment, with no sorting."""
    made = np.zeros((n, 3))
    true, found = runs(truth), runs(said)
    used = set()
    for a, b, c in zip(*found, strict=True):
        ious = [
            len(set(range(a, b)) & set(range(x, y))) / len(set(range(a, b)) | set(range(x, y))) if z == c else 0.0
            for x, y, z in zip(*true, strict=True)
        ]
        k = int(np.argmax(ious))
        if ious[k] > 0 and ious[k] >= least and k not in used:
            used.add(k)
            made[c, 0] += 1
        else:
            made[c, 1] += 1
    for k, c in enumerate(true.value):
        made[c, 2] += k not in used
    return made


@settings(max_examples=60)
@given(CODES, CODES)
def test_overlap_equals_the_definition(one, two):
    n = min(len(one), len(two))
    truth, said = one[:n], two[:n]
    for least in (0.1, 0.25, 0.5):
        found = sg.overlap_counts(truth, said, everywhere(truth), 3, (least,))[0]
        np.testing.assert_array_equal(found, brute(truth, said, least, 3))


def slow_distance(one, two):
    table = np.zeros((len(one) + 1, len(two) + 1), int)
    table[:, 0], table[0] = np.arange(len(one) + 1), np.arange(len(two) + 1)
    for i, j in itertools.product(range(len(one)), range(len(two))):
        table[i + 1, j + 1] = min(table[i, j + 1] + 1, table[i + 1, j] + 1, table[i, j] + (one[i] != two[j]))
    return table[-1, -1]


ORDERS = st.lists(st.integers(0, 3), max_size=9)


@given(st.lists(st.tuples(ORDERS, ORDERS), min_size=1, max_size=6))
def test_edit_distances_equal_the_definition(pairs):
    found = sg.edit_distances(*([np.array(part, int) for part in side] for side in zip(*pairs, strict=True)))
    assert found.tolist() == [slow_distance(one, two) for one, two in pairs]


@given(st.lists(st.tuples(CODES, CODES, st.integers(0, 2)), min_size=1, max_size=5), st.randoms())
def test_many_recordings_at_once_count_as_one_by_one(recordings, random):
    """Recordings of three groups, with unlabelled frames."""
    parts, hits, edits = [], np.zeros((3, 3, 3, 3)), np.zeros((3, 2))
    for truth, said, owner in recordings:
        n = min(len(truth), len(said))
        mask = np.array([random.random() < 0.8 for _ in range(n)])
        parts.append(sg.labelled_frames(truth[:n], said[:n], mask, owner))
        for where in sg.pieces(mask):
            one, two = truth[where], said[where]
            hits[owner] += [brute(one, two, least, 3) for least in sg.OVERLAPS]
            orders = runs(one).value, runs(two).value
            edits[owner] += slow_distance(*orders), max(map(len, orders))
    together = sg.Frames(*map(np.concatenate, zip(*parts, strict=True)))
    np.testing.assert_array_equal(sg.overlaps_by_owner(together, 3, 3), hits)
    np.testing.assert_array_equal(sg.edits_by_owner(together, 3), edits)


def test_edit_score_sees_order_and_not_length():
    truth = spread("0011122000")
    score = lambda said: float(sg.edit_score(sg.edit_counts(truth, spread(said), everywhere(truth))))  # noqa: E731
    assert score("0111112220") == 1.0
    assert score("0011111000") == 0.75
    assert score("0000000000") == 0.25


def test_frame_scores_are_scikit_learns():
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 4, 500), rng.integers(0, 4, 500)
    matrix = metrics.confusion(truth, said, 4)
    np.testing.assert_allclose(sg.class_iou(matrix), jaccard_score(truth, said, average=None))
    np.testing.assert_allclose(sg.class_precision(matrix), precision_score(truth, said, average=None))
    own = sg.without_background(matrix, 0)
    scored = truth != 0
    expected = f1_score(truth[scored], said[scored], labels=[1, 2, 3], average="macro")
    assert float(metrics.macro_f1(own)) == pytest.approx(expected)


def prediction(name, truth, said, mask=None):
    truth, said = spread(truth), spread(said)
    return Prediction(name, name, truth, everywhere(truth) if mask is None else mask, said)


def scored(path, items, vocabulary, kind="multiclass", background=None):
    with create_predictions(path) as writer:
        task = {"kind": kind, "level": "frame", "vocabulary": vocabulary, "background": background}
        writer.task("walks", readout="native", **task)
        for item in items:
            writer.add("walks", item)
    return score_predictions([path], IntervalConfig(resamples=50)).set_index("metric")


def test_rows_of_bouts_stand_in_the_table_of_results(tmp_path):
    items = [prediction("a", "0011100", "0011100"), prediction("b", "0011100", "1100011")]
    table = scored(tmp_path / "p.h5", items, ("rest", "walk", "run"), background="rest")
    assert table.value["bout_f1@0.5"] == pytest.approx(2 * 1 / (2 + 2 + 1))
    assert "iou/run" not in table.index and table.value["iou/walk"] == pytest.approx(3 / 10)
    assert table.value["macro_f1_foreground"] == pytest.approx(2 * 3 / (6 + 3))
    assert table.value["macro_precision_foreground"] == 1 and table.value["precision/walk"] == pytest.approx(3 / 7)
    row = table.loc["edit"]
    assert row.low <= row.value <= row.high and row.n_groups == 2 and row.n == 14


def test_a_class_never_predicted_counts_in_the_mean_of_precision(tmp_path):
    table = scored(tmp_path / "p.h5", [prediction("a", "0122", "0111")], ("rest", "walk", "run"), background="rest")
    assert table.value["macro_precision_foreground"] == pytest.approx((1 / 3 + 0) / 2)
    assert np.isnan(table.value["precision/run"]) and table.value["recall/run"] == 0


def test_bouts_of_a_binary_task_are_those_of_its_presence(tmp_path):
    table = scored(tmp_path / "p.h5", [prediction("a", "0011100", "0110000")], ("no", "yes"), kind="binary")
    assert table.value["bout_f1@0.25"] == 1 and table.value["bout_f1@0.5"] == 0
    assert "iou/no" not in table.index and table.value["iou/yes"] == pytest.approx(1 / 4)


def test_without_a_background_every_segment_is_a_bout(tmp_path):
    # The card names the background; a class that happens to be called "other" or "none" has bouts.
    table = scored(tmp_path / "p.h5", [prediction("a", "0120", "0120")], ("other", "none", "c"))
    assert "bout_f1@0.5/other" in table.index
    assert (table.value == 1).all() and table.low.isna().all() and "macro_f1_foreground" not in table.index
