"""Intervals against SciPy and by simulation, McNemar and Holm by their definitions."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vidlab import metrics
from vidlab.core.errors import OptionError, PredictionsError

Method = Literal["bca", "percentile"]
METHODS: tuple[Method, ...] = ("bca", "percentile")


def clustered(
    draw: np.random.Generator, *, num_clusters: int, mean: float = 0.6, num_models: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Draw answers to videos some of which are harder: right or wrong ``[models, N]``, and videos.

    The chance of a video is drawn from a beta distribution, whose a + b = 1 makes the correlation
    within a video 1 / (1 + a + b) = 0.5; models are right or wrong about it each by themselves.
    """
    sizes = draw.integers(5, 16, num_clusters)
    videos = np.repeat(np.arange(num_clusters), sizes)
    chances = draw.beta(mean, 1 - mean, num_clusters)[videos]
    return draw.random((num_models, len(videos))) < chances, videos


class Recorded:
    """A statistic, kept as a plain function of rows, that remembers what it was asked for."""

    def __init__(self, statistic: metrics.Statistic) -> None:
        self.statistic = statistic
        self.rows: list[np.ndarray] = []

    def __call__(self, rows: np.ndarray) -> float:
        self.rows.append(rows)
        return self.statistic(rows)


# ---------------------------------------------------------------- intervals


@pytest.mark.parametrize(("method", "name"), [("bca", "BCa"), ("percentile", "percentile")])
@pytest.mark.parametrize("seed", range(3))
def test_with_a_row_a_cluster_it_is_the_bootstrap_of_scipy(
    method: Method, name: str, seed: int
) -> None:
    values = np.random.default_rng(seed).exponential(size=25)  # skewed, so that BCa has work
    found = metrics.cluster_bootstrap(
        metrics.mean_of(values), np.arange(25), method=method, num_resamples=5000, seed=seed
    )
    expected = stats.bootstrap(
        (values,), np.mean, method=name, n_resamples=5000, rng=np.random.default_rng(100 + seed)
    )
    # Of other resamples; quantiles of 5000 stray by some hundredths of a standard error.
    tolerance = 0.1 * expected.standard_error
    assert found.estimate == pytest.approx(values.mean())
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=tolerance)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=tolerance)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_ends_by_the_definition_of_bca(seed: int) -> None:
    draw = np.random.default_rng(seed)
    videos = draw.choice(["a", "b", "c", "d", "e", "f", "g", "h"], 60)
    values = draw.exponential(size=60)
    recorded = Recorded(lambda rows: float(np.median(values[rows]) + values[rows].mean()))
    found = metrics.cluster_bootstrap(
        recorded, videos, num_resamples=400, confidence=0.9, seed=seed
    )
    asked = recorded.rows
    names = sorted(set(videos))
    assert len(asked) == 1 + 400 + len(names)
    of = recorded.statistic
    resamples = np.array([of(rows) for rows in asked[1:401]])
    without = np.array([of(np.flatnonzero(videos != name)) for name in names])
    every = of(np.arange(60))
    np.testing.assert_allclose([of(rows) for rows in asked[401:]], without)
    bias = stats.norm.ppf((resamples < every).mean() + (resamples == every).mean() / 2)
    away = without.mean() - without
    skew = stats.skew(away) / (6 * math.sqrt(len(names)))
    ends = bias + stats.norm.ppf([0.05, 0.95])
    levels = stats.norm.cdf(bias + ends / (1 - skew * ends))
    np.testing.assert_allclose([found.low, found.high], np.quantile(resamples, levels))
    assert found.estimate == pytest.approx(every)
    assert found.standard_error == pytest.approx(resamples.std())
    assert (found.num_clusters, found.num_resamples, found.method) == (8, 400, "bca")
    assert str(found) == f"{every:.3f} [{found.low:.3f}, {found.high:.3f}]"


def test_a_resample_has_whole_videos_and_as_many() -> None:
    videos = np.array(["b", "a", "b", "c", "c", "c", "a", "d"])
    recorded = Recorded(lambda rows: float(len(rows)))
    metrics.cluster_bootstrap(recorded, videos, num_resamples=300, method="percentile")
    all_rows, *resamples = recorded.rows
    assert sorted(all_rows) == list(range(8))
    drawn = []
    for rows in resamples:
        counts = np.bincount(rows, minlength=8)
        for name in "abcd":
            assert len(set(counts[videos == name])) == 1
        each = [counts[videos == name][0] for name in "abcd"]
        assert sum(each) == 4
        drawn.append(each)
    # Each video comes once a resample on average, in 1 - (3/4)^4 of them at least once.
    assert np.mean(drawn, axis=0) == pytest.approx(np.ones(4), abs=0.2)
    assert np.mean(np.array(drawn) > 0) == pytest.approx(1 - 0.75**4, abs=0.05)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), method=st.sampled_from(METHODS))
def test_sums_give_what_the_rows_give(seed: int, method: Method) -> None:
    draw = np.random.default_rng(seed)
    (right, other), videos = clustered(draw, num_clusters=12, num_models=2)
    probabilities = draw.dirichlet([0.5] * 4, len(videos))
    truth = draw.integers(0, 4, len(videos))
    both = metrics.difference(metrics.mean_of(right), metrics.mean_of(other))
    for statistic in (
        metrics.mean_of(right),
        both,
        metrics.expected_calibration_error(probabilities, truth, num_bins=5),
    ):
        fast = metrics.cluster_bootstrap(statistic, videos, num_resamples=60, method=method)
        slow = metrics.cluster_bootstrap(
            Recorded(statistic), videos, num_resamples=60, method=method
        )
        for name in ("estimate", "low", "high", "standard_error"):
            assert getattr(fast, name) == pytest.approx(getattr(slow, name), abs=1e-9)
    # Rows in another order, videos by other names in the same order: the same draws.
    order = draw.permutation(len(videos))
    shuffled = metrics.cluster_bootstrap(
        metrics.mean_of(right[order]),
        [f"clip {video:03d}.mp4" for video in videos[order]],
        num_resamples=60, method=method,
    )  # fmt: skip
    plain = metrics.cluster_bootstrap(
        metrics.mean_of(right), videos, num_resamples=60, method=method
    )
    assert shuffled.low == pytest.approx(plain.low)
    assert shuffled.high == pytest.approx(plain.high)


def test_a_difference_is_of_the_same_resamples() -> None:
    draw = np.random.default_rng(0)
    (right, other), videos = clustered(draw, num_clusters=40, num_models=2)
    a, b = metrics.mean_of(right), metrics.mean_of(other)
    found = metrics.cluster_bootstrap(metrics.difference(a, b), videos)
    plain = metrics.cluster_bootstrap(
        metrics.difference(lambda rows: a(rows), b), videos, num_resamples=2000
    )
    assert found.estimate == pytest.approx(right.mean() - other.mean())
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))
    # Hard videos are hard for both: apart, each varies more than the difference.
    apart = [metrics.cluster_bootstrap(each, videos).standard_error for each in (a, b)]
    assert found.standard_error < 0.8 * math.hypot(*apart)
    same = metrics.cluster_bootstrap(metrics.difference(a, a), videos)
    assert (same.estimate, same.low, same.high) == (0, 0, 0)
    assert 0.0 in same
    with pytest.raises(PredictionsError, match="first 2, second 3"):
        metrics.difference(metrics.mean_of([0, 1]), metrics.mean_of([0, 1, 1]))


def test_draws_in_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    (right,), videos = clustered(np.random.default_rng(5), num_clusters=11)
    whole = metrics.cluster_bootstrap(metrics.mean_of(right), videos, num_resamples=97)
    monkeypatch.setattr("vidlab.metrics.significance._MOST_DRAWS", 40)
    parts = metrics.cluster_bootstrap(metrics.mean_of(right), videos, num_resamples=97)
    assert parts == whole
    other = metrics.cluster_bootstrap(metrics.mean_of(right), videos, num_resamples=97, seed=1)
    assert other.low != whole.low or other.high != whole.high


def test_where_all_are_right_there_is_no_width() -> None:
    found = metrics.cluster_bootstrap(metrics.mean_of(np.ones(9)), list("aabbccdde"))
    assert (found.low, found.estimate, found.high) == (1, 1, 1)


def test_resamples_without_a_value_are_left_out() -> None:
    videos = np.array(["a", "a", "b", "c", "d", "e"])
    is_asked = np.array([1, 1, 1, 0, 0, 0])  # recall of something that is in two videos
    is_found = np.array([1, 0, 1, 0, 0, 0])
    terms = np.column_stack([is_found, is_asked]).astype(np.float64)

    def quotient(sums: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return sums[..., 0] / sums[..., 1]

    found = metrics.cluster_bootstrap(metrics.OfSums(terms, quotient), videos)
    assert found.estimate == pytest.approx(2 / 3)
    assert found.num_resamples / 2000 == pytest.approx(1 - 0.6**5, abs=0.02)
    assert (found.low, found.high) == (0.5, 1.0)
    with pytest.raises(PredictionsError, match="no value for all rows"):
        metrics.cluster_bootstrap(metrics.OfSums(terms * [1, 0], quotient), videos)
    rare = Recorded(lambda rows: 1.0 if set(rows) == set(range(6)) else math.nan)
    with pytest.raises(PredictionsError, match=r"no value in \d+ of 50 resamples"):
        metrics.cluster_bootstrap(rare, videos, num_resamples=50)


def test_where_all_resamples_lie_below_the_estimate_the_ends_do_too() -> None:
    """BCa's correction of the upper end has no bound there, and passes its pole."""

    def different(rows: np.ndarray) -> float:  # and much less without the first
        return len(set(rows.tolist())) + 100.0 * (0 in rows)

    recorded = Recorded(different)
    found = metrics.cluster_bootstrap(recorded, np.arange(40), confidence=0.999)
    resamples = [different(rows) for rows in recorded.rows[1:2001]]
    assert found.estimate == 140
    assert found.high == max(resamples) < 140
    assert min(resamples) < found.low <= found.high


# The null: intervals hold what is true as often as they say. Three standard errors of a share
# among so many simulations are allowed, and no more.
SIMULATIONS = 2000
ALLOWED = 3 * math.sqrt(0.95 * 0.05 / SIMULATIONS)


def coverage(method: Method, *, is_clustered: bool, is_difference: bool, times: int) -> float:
    draw = np.random.default_rng(20)
    num_held = 0
    for seed in range(times):
        rights, videos = clustered(draw, num_clusters=60, num_models=2)
        statistic: metrics.Statistic = metrics.mean_of(rights[0])
        if is_difference:  # between a model and one that is right where the first one often is
            # wrong, so that their differences are of one sign within a video
            other = draw.random(len(videos)) < 0.5
            flips = draw.random(60)[videos] < 0.5
            statistic = metrics.difference(
                metrics.mean_of(np.where(flips, rights[0], other)),
                metrics.mean_of(np.where(flips, other, rights[0])),
            )
        found = metrics.cluster_bootstrap(
            statistic,
            videos if is_clustered else np.arange(len(videos)),
            num_resamples=600 if is_clustered else 200,
            method=method,
            seed=seed,
        )
        num_held += (0.0 if is_difference else 0.6) in found
    return num_held / times


@pytest.mark.parametrize("is_difference", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_intervals_over_videos_hold_the_truth_as_often_as_they_say(
    method: Method, is_difference: bool
) -> None:
    held = coverage(method, is_clustered=True, is_difference=is_difference, times=SIMULATIONS)
    assert held == pytest.approx(0.95, abs=ALLOWED)


@pytest.mark.parametrize("is_difference", [False, True])
def test_intervals_over_answers_do_not(is_difference: bool) -> None:
    """Which shows that the test above can fail."""
    held = coverage("percentile", is_clustered=False, is_difference=is_difference, times=100)
    assert held < 0.8


def test_rows_and_options_that_make_no_sense_are_refused() -> None:
    mean = metrics.mean_of([0.0, 1.0, 1.0])
    for clusters in (["a"] * 3, []):
        with pytest.raises(PredictionsError, match="two or more of them"):
            metrics.cluster_bootstrap(lambda rows: 0.0, clusters)
    with pytest.raises(PredictionsError, match="got 2 for 3 rows"):
        metrics.cluster_bootstrap(mean, ["a", "b"])
    for unnamed in (["a", None, "b"], [1.0, math.nan, 2.0]):
        with pytest.raises(PredictionsError, match="some have no name"):
            metrics.cluster_bootstrap(mean, unnamed)
    with pytest.raises(PredictionsError, match=r"got \[1, 3\]"):
        metrics.cluster_bootstrap(mean, [["a", "b", "c"]])
    for confidence in (0, 1, 95, math.nan):
        with pytest.raises(OptionError, match="confidence must be above 0 and below 1"):
            metrics.cluster_bootstrap(mean, list("abc"), confidence=confidence)
    with pytest.raises(OptionError, match="num_resamples must be"):
        metrics.cluster_bootstrap(mean, list("abc"), num_resamples=0)
    with pytest.raises(OptionError, match="method must be"):
        metrics.cluster_bootstrap(mean, list("abc"), method="basic")
    for values in ([], [np.nan], [[1.0]], ["one"]):
        with pytest.raises(PredictionsError, match="Values are"):
            metrics.mean_of(values)
    with pytest.raises(PredictionsError, match="terms of a statistic"):
        metrics.OfSums(np.zeros((3, 0)), lambda sums: sums[..., 0])


# ---------------------------------------------------------------- tests


def pair(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    order = np.random.default_rng(0).permutation(len(a))
    return a[order], b[order]


@given(
    only_a=st.integers(0, 300),
    only_b=st.integers(0, 300),
    both=st.integers(1, 20),
    neither=st.integers(0, 20),
)
def test_mcnemar_is_a_binomial_test_of_scipy(
    only_a: int, only_b: int, both: int, neither: int
) -> None:
    found = metrics.mcnemar(*pair(both, only_a, only_b, neither))
    num = only_a + only_b
    assert (found.only_a, found.only_b) == (only_a, only_b)
    if not num:
        assert (found.exact_p, found.mid_p, found.chi_square, found.chi_square_p) == (1, 1, 0, 1)
        return
    assert found.exact_p == pytest.approx(stats.binomtest(only_a, num).pvalue, rel=1e-9, abs=1e-300)
    # What is less likely, and half of what is as likely.
    likely = stats.binom.pmf(np.arange(num + 1), num, 0.5)
    is_level = np.isclose(likely, likely[only_a], rtol=1e-9, atol=0)
    mid = likely[(likely < likely[only_a]) & ~is_level].sum() + likely[is_level].sum() / 2
    assert found.mid_p == pytest.approx(mid, rel=1e-9, abs=1e-300)
    assert found.chi_square == pytest.approx(max(abs(only_a - only_b) - 1, 0) ** 2 / num)
    assert found.chi_square_p == pytest.approx(stats.chi2.sf(found.chi_square, 1), rel=1e-6)
    turned = metrics.mcnemar(*pair(both, only_b, only_a, neither))
    assert (turned.exact_p, turned.mid_p) == (found.exact_p, found.mid_p)


def test_mcnemar_as_published() -> None:
    """Bentur et al.'s 21 children, Table 1 of Fagerland, Lydersen & Laake 2013."""
    found = metrics.mcnemar(*pair(1, 1, 7, 12))
    assert found.exact_p == pytest.approx(18 / 256)
    assert found.mid_p == pytest.approx(10 / 256)
    assert found.chi_square == pytest.approx(25 / 8)
    many = metrics.mcnemar(*pair(0, 2000, 2200, 0))  # 2^4200 is past any float
    assert many.exact_p == pytest.approx(stats.binomtest(2000, 4200).pvalue)


def test_p_values_are_as_rare_as_they_say() -> None:
    """Over all outcomes for two equally good models, weighted by how probable these are."""
    exact, mid = np.zeros(41), np.zeros(41)
    for num in range(1, 41):
        chances = stats.binom.pmf(np.arange(num + 1), num, 0.5)
        tests = [metrics.mcnemar(*pair(1, a, num - a, 0)) for a in range(num + 1)]
        exact[num] = chances[[each.exact_p <= 0.05 for each in tests]].sum()
        mid[num] = chances[[each.mid_p <= 0.05 for each in tests]].sum()
    assert exact.max() <= 0.05
    # Mid-p keeps to it when the number of clips on which they part is left to chance, as it is.
    for share in (0.1, 0.3, 0.5, 0.8):
        of = stats.binom.pmf(np.arange(41), 40, share)
        assert of @ exact < of @ mid <= 0.05


@given(
    p_values=st.lists(st.floats(0, 1) | st.sampled_from([0.01, 0.04]), min_size=1, max_size=6),
    level=st.sampled_from([0.01, 0.05, 0.2]),
)
def test_holm_rejects_step_by_step(p_values: list[float], level: float) -> None:
    """By the procedure: go on from the least while each is at most level / how many are left."""
    rejected = set()
    for step, number in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[number] * (len(p_values) - step) > level:
            break
        rejected.add(number)
    adjusted = metrics.holm(p_values)
    assert set(np.flatnonzero(adjusted <= level)) == rejected
    assert (adjusted >= p_values).all()
    assert (adjusted <= 1).all()


def test_holm_as_published() -> None:
    """Of 0.01, 0.04, 0.03 and 0.005: times 3, 1 (but not below the one before), 2 and 4."""
    np.testing.assert_allclose(metrics.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_each_pair_of_models() -> None:
    draw = np.random.default_rng(1)
    shares = {"a": 0.9, "b": 0.7, "c": 0.68}
    right = {name: draw.random(200) < share for name, share in shares.items()}
    table = metrics.mcnemar_pairs(right)
    assert list(zip(table["a"], table["b"], strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]
    for row in table.itertuples():
        expected = metrics.mcnemar(right[row.a], right[row.b])
        assert (row.only_a, row.only_b, row.p) == (
            expected.only_a, expected.only_b, expected.mid_p,
        )  # fmt: skip
    np.testing.assert_allclose(table["holm_p"], metrics.holm(table["p"]))
    assert (table["holm_p"] > table["p"]).any()
    with pytest.raises(OptionError, match="got 1"):
        metrics.mcnemar_pairs({"a": right["a"]})


def test_what_cannot_be_tested_is_refused() -> None:
    for wrong in ([1, 0], np.zeros((2, 2), bool), np.array([], dtype=bool)):
        with pytest.raises(PredictionsError, match="right_b are truth values"):
            metrics.mcnemar(np.array([True, False]), wrong)
    with pytest.raises(PredictionsError, match="right_a 1, right_b 2"):
        metrics.mcnemar(np.array([True]), np.array([True, False]))
    for p_values in ([], [np.nan], [0.5, 1.5], [-0.1]):
        with pytest.raises(PredictionsError, match="p-values are"):
            metrics.holm(p_values)
