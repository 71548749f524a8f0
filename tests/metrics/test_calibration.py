"""Calibration against scikit-learn and loops over bins, and calibration over time."""

from __future__ import annotations

import itertools
import math
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import calibration as sklearn_calibration
from sklearn import metrics as sklearn

from vidlab import metrics
from vidlab.core.errors import OptionError, PredictionsError

Binning = Literal["width", "mass"]
BINNINGS: tuple[Binning, ...] = ("width", "mass")


def answers(seed: int, *, num: int = 200, num_classes: int = 5) -> tuple[Any, Any]:
    draw = np.random.default_rng(seed)
    probabilities = draw.dirichlet(np.full(num_classes, 0.4), num)
    truth = draw.integers(0, num_classes, num)
    truth[:num_classes] = np.arange(num_classes)
    return probabilities, truth


def by_loops(confidence: Any, is_right: Any, edges: Any) -> list[tuple[int, float, float]]:
    """Count, confidence and accuracy of each bin (low, high], the first with its lower edge."""
    rows = []
    for number, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = [
            i
            for i, each in enumerate(confidence)
            if (low < each or (number == 0 and low == each)) and each <= high
        ]
        rows.append(
            (
                len(inside),
                float(np.mean(confidence[inside])) if inside else math.nan,
                float(np.mean(is_right[inside])) if inside else math.nan,
            )
        )
    return rows


@given(seed=st.integers(0, 10_000), num_bins=st.integers(1, 20), is_coarse=st.booleans())
def test_bins_of_equal_width_by_their_definition(seed: int, num_bins: int, is_coarse: bool) -> None:
    probabilities, truth = answers(seed, num=60, num_classes=3)
    if is_coarse:  # confidences on the edges of bins: the upper edge belongs to a bin
        draw = np.random.default_rng(seed)
        most = draw.integers(2, 5, 60) / 4
        probabilities = np.column_stack([most, 1 - most, np.zeros(60)])
    confidence = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == truth
    found = metrics.reliability(probabilities, truth, num_bins=num_bins)
    np.testing.assert_array_equal(found.edges, np.linspace(0, 1, num_bins + 1))
    expected = by_loops(confidence, is_right, found.edges)
    assert found.count.tolist() == [row[0] for row in expected]
    np.testing.assert_allclose(found.confidence, [row[1] for row in expected])
    np.testing.assert_allclose(found.accuracy, [row[2] for row in expected])
    gaps = [(n, abs(right - sure)) for n, sure, right in expected if n]
    assert found.ece == pytest.approx(sum(n * gap for n, gap in gaps) / 60)
    assert found.mce == pytest.approx(max(gap for _, gap in gaps))
    assert found.table["num"].sum() == 60
    np.testing.assert_array_equal(found.table["high"][:-1], found.table["low"][1:])


@pytest.mark.parametrize(("binning", "strategy"), [("width", "uniform"), ("mass", "quantile")])
@pytest.mark.parametrize("num_bins", [4, 15])
def test_the_curve_is_that_of_scikit_learn(binning: Binning, strategy: str, num_bins: int) -> None:
    probabilities, truth = answers(num_bins)
    confidence = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == truth
    right, sure = sklearn_calibration.calibration_curve(
        is_right, confidence, n_bins=num_bins, strategy=strategy
    )
    found = metrics.reliability(probabilities, truth, num_bins=num_bins, binning=binning)
    kept = found.count > 0
    np.testing.assert_allclose(found.accuracy[kept], right)
    np.testing.assert_allclose(found.confidence[kept], sure)
    if binning == "mass":
        assert found.count.max() - found.count.min() <= 1 + (200 % num_bins > 0)


def test_equal_confidences_share_a_bin_whatever_their_order() -> None:
    probabilities = np.array([[0.6, 0.4]] * 8 + [[0.9, 0.1]] * 2)
    truth = np.array([0, 0, 1, 0, 1, 0, 0, 0, 0, 1])
    one = metrics.reliability(probabilities, truth, num_bins=5, binning="mass")
    order = np.random.default_rng(0).permutation(10)
    other = metrics.reliability(probabilities[order], truth[order], num_bins=5, binning="mass")
    assert sorted(one.count.tolist()) == [0, 0, 0, 2, 8]
    assert one.ece == pytest.approx(other.ece) == pytest.approx((8 * 0.15 + 2 * 0.4) / 10)


def test_sure_and_right_is_calibrated_and_sure_and_wrong_is_not() -> None:
    sure = np.eye(3)[[0, 1, 2, 1]]
    right = metrics.reliability(sure, [0, 1, 2, 1])
    wrong = metrics.reliability(sure, [1, 2, 0, 2])
    assert (right.ece, right.mce, wrong.ece, wrong.mce) == (0, 0, 1, 1)
    past_one = sure.astype(np.float32) * np.float32(1.0000002)
    assert metrics.reliability(past_one, [0, 1, 2, 1]).ece == 0


@given(seed=st.integers(0, 10_000))
def test_brier_and_likelihood_are_those_of_scikit_learn(seed: int) -> None:
    probabilities, truth = answers(seed)
    brier = metrics.brier_scores(probabilities, truth)
    expected = sklearn.brier_score_loss(
        truth, probabilities, labels=list(range(5)), scale_by_half=False
    )
    assert brier.shape == (200,)
    assert brier.mean() == pytest.approx(expected)
    likely = (probabilities + 1e-6) / (1 + 5e-6)
    likelihood = metrics.negative_log_likelihoods(likely, truth)
    assert likelihood.mean() == pytest.approx(
        sklearn.log_loss(truth, likely, labels=list(range(5)))
    )


def test_worst_and_best_scores() -> None:
    sure = np.eye(2, dtype=np.float32)
    assert metrics.brier_scores(sure, [0, 0]).tolist() == [0, 2]
    found = metrics.negative_log_likelihoods(sure, [0, 0])
    assert found[0] == 0
    assert found[1] == pytest.approx(126 * math.log(2))  # 2^-126 is the least normal float32


@pytest.mark.parametrize("binning", BINNINGS)
def test_the_error_as_a_statistic_is_the_error(binning: Binning) -> None:
    probabilities, truth = answers(8)
    rows = np.arange(200)
    statistic = metrics.expected_calibration_error(probabilities, truth, binning=binning)
    whole = metrics.reliability(probabilities, truth, binning=binning)
    assert statistic(rows) == pytest.approx(whole.ece)
    # Of some rows it keeps the bins of all.
    some = rows[::3]
    expected = by_loops(
        probabilities[some].max(axis=1),
        probabilities[some].argmax(axis=1) == truth[some],
        whole.edges,
    )
    assert statistic(some) == pytest.approx(
        sum(n * abs(right - sure) for n, sure, right in expected if n) / len(some)
    )
    assert math.isnan(statistic(rows[:0]))


def test_by_second_groups_what_came_within_each() -> None:
    probabilities, truth = answers(2, num=120)
    draw = np.random.default_rng(1)
    times = draw.choice([0.0, 0.4, 0.999, 1.0, 2.3 - 0.3, 2.5, 7.9], 120)  # 2.3 - 0.3 < 2 in floats
    second = np.array([{2.3 - 0.3: 2}.get(each, int(each)) for each in times])
    right = probabilities.argmax(axis=1) == truth
    found = metrics.by_second(times, right)
    assert found["second"].tolist() == [0, 1, 2, 7]
    assert found["num"].tolist() == [(second == each).sum() for each in (0, 1, 2, 7)]
    np.testing.assert_allclose(
        found["value"], [right[second == each].mean() for each in (0, 1, 2, 7)]
    )
    errors = metrics.by_second(times, metrics.expected_calibration_error(probabilities, truth))
    np.testing.assert_allclose(
        errors["value"],
        [
            metrics.reliability(probabilities[second == each], truth[second == each]).ece
            for each in (0, 1, 2, 7)
        ],
    )
    counts = metrics.by_second(times, lambda rows: float(len(rows)))
    assert counts["value"].tolist() == counts["num"].tolist()


def test_what_is_no_probability_is_refused() -> None:
    probabilities, truth = answers(0)
    with pytest.raises(PredictionsError, match="take the softmax"):
        metrics.reliability(np.log(probabilities + 1e-9), truth)
    with pytest.raises(PredictionsError, match="row 0 adds up to 2"):
        metrics.brier_scores(2 * probabilities, truth)
    with pytest.raises(PredictionsError, match=r"row 0 adds up to 1, and its least is -0\.5"):
        metrics.brier_scores([[1.5, -0.5]], [0])
    with pytest.raises(PredictionsError, match="not finite"):
        metrics.negative_log_likelihoods(np.full((2, 2), np.inf), [0, 1])
    with pytest.raises(PredictionsError, match="class id 5"):
        metrics.reliability(probabilities, truth + 1)
    with pytest.raises(PredictionsError, match="at least one"):
        metrics.reliability(probabilities[:0], truth[:0])
    with pytest.raises(OptionError, match="num_bins must be a positive whole number; got 0"):
        metrics.reliability(probabilities, truth, num_bins=0)
    with pytest.raises(OptionError, match="binning must be"):
        metrics.reliability(probabilities, truth, binning="depth")
    with pytest.raises(PredictionsError, match="time_seconds 3, values 200"):
        metrics.by_second([0, 1, 2], truth)
    with pytest.raises(PredictionsError, match="got nan in row 1"):
        metrics.by_second([0, np.nan], [1, 2])


def test_the_best_labels_probability_is_all_that_the_error_needs() -> None:
    rng = np.random.default_rng(4)
    probabilities = rng.dirichlet(np.ones(6), size=300)
    truth = rng.integers(0, 6, 300)
    rows = np.arange(300)
    whole = metrics.expected_calibration_error(probabilities, truth)
    best = metrics.calibration_error_of(
        probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    )
    assert best(rows) == pytest.approx(whole(rows))
    assert best(rows[:50]) == pytest.approx(whole(rows[:50]))


@pytest.mark.parametrize(
    ("confidence", "right"),
    [([1.2], [True]), ([-0.1], [True]), ([0.5], [1]), ([0.5, 0.5], [True]), ([], [])],
)
def test_what_is_no_confidence(confidence: list[float], right: list[object]) -> None:
    with pytest.raises(PredictionsError):
        metrics.calibration_error_of(confidence, right)
