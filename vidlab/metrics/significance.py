"""Whether a number, or a difference between two, means anything.

Answers to one video resemble each other, so that thousands of them are no more evidence than the
videos that they are from. Intervals come from resampling the videos::

    accuracy = mean_of(said_a == truth)
    cluster_bootstrap(accuracy, videos)                              # 0.72 [0.64, 0.79]
    cluster_bootstrap(difference(accuracy, mean_of(said_b == truth)), videos)
    cluster_bootstrap(matches.mean_ap, matches.videos)               # temporal mAP

Whether two models are right on different clips, one clip a video, is McNemar's question::

    mcnemar(said_a == truth, said_b == truth).mid_p
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidlab.core.errors import OptionError, PredictionsError
from vidlab.metrics import checks
from vidlab.metrics.statistic import OfSums, Statistic

if TYPE_CHECKING:
    import pandas as pd

Method = Literal["bca", "percentile"]

# Draws that are held at once: 16 MB.
_MOST_DRAWS = 2**21

_NORMAL = NormalDist()


# ---------------------------------------------------------------- intervals


@dataclass(frozen=True)
class Interval:
    """An estimate and how far off it may be. ``0.0 in interval`` asks whether it may be 0.

    Attributes:
        estimate: The statistic of all rows.
        low: Lower end.
        high: Upper end.
        confidence: Share of such intervals that hold the true value, as 0.95.
        standard_error: Standard deviation over the resamples.
        num_clusters: Videos, or whatever was resampled.
        num_resamples: Those in which the statistic had a value.
        method: How the ends were found.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    standard_error: float
    num_clusters: int
    num_resamples: int
    method: Method

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"


def cluster_bootstrap(
    statistic: Statistic,
    clusters: ArrayLike | Sequence[str],
    *,
    num_resamples: int = 2000,
    confidence: float = 0.95,
    method: Method = "bca",
    seed: int = 0,
) -> Interval:
    """Put an interval around a statistic by drawing whole clusters anew, with replacement.

    A resample has as many clusters as there are, each with all its rows. The draws depend on the
    clusters' names and the seed alone: intervals with the same of both are of the same resamples.

    ``"percentile"`` takes the resamples' quantiles. ``"bca"`` (Efron 1987; Efron & Tibshirani
    1993, ch. 14) moves these for the bias and skewness that it finds by leaving out each cluster in
    turn. Both are a bit narrow where clusters are few: of 10 clusters, 95 % intervals of a mean
    hold it about 90 % of the time. Where all clusters say the same the interval has no width,
    which is no certainty.

    Args:
        statistic: Of row numbers; an :class:`~vidlab.metrics.OfSums` is computed for all resamples
            at once.
        clusters: ``[N]``, which video each row is of.
        num_resamples: How often to draw.
        confidence: Above 0, below 1.
        method: See above.
        seed: Of the draws.

    Raises:
        PredictionsError: There are fewer than two clusters, not as many rows as the statistic has,
            or the statistic has no value for all rows, or for most resamples.
        OptionError: An option is out of range or unknown.
    """
    times = checks.positive_count(num_resamples, what="num_resamples")
    if not 0 < confidence < 1:
        raise OptionError(f"confidence must be above 0 and below 1; got {confidence!r}.")
    if method not in get_args(Method):
        raise OptionError(f'method must be "bca" or "percentile"; got {method!r}.')
    groups = _Clusters(clusters)
    if isinstance(statistic, OfSums):
        if len(statistic.terms) != groups.num_rows:
            raise PredictionsError(
                f"clusters name the video of each row; got {groups.num_rows} for "
                f"{len(statistic.terms)} rows of the statistic."
            )
        evaluated: _Evaluated = _EvaluatedSums(statistic, groups)
    else:
        evaluated = _Evaluated(statistic, groups)
    estimate = evaluated.estimate
    if not math.isfinite(estimate):
        raise PredictionsError(f"The statistic has no value for all rows: it is {estimate}.")
    values = np.concatenate([evaluated.resampled(draws) for draws in groups.drawn(times, seed)])
    values = values[np.isfinite(values)]
    if 2 * len(values) < times:
        raise PredictionsError(
            f"The statistic has no value in {times - len(values)} of {times} resamples: what it "
            "measures is in too few of the clusters for an interval."
        )
    tail = (1.0 - confidence) / 2.0
    shares = np.array([tail, 1.0 - tail])
    if method == "bca":
        shares = _corrected(shares, estimate, values, evaluated.without_each())
    low, high = np.quantile(values, shares)
    return Interval(
        estimate=estimate,
        low=float(low),
        high=float(high),
        confidence=float(confidence),
        standard_error=float(values.std()),
        num_clusters=len(groups),
        num_resamples=len(values),
        method=method,
    )


def _corrected(
    shares: NDArray[np.float64],
    estimate: float,
    values: NDArray[np.float64],
    without_each: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return at which quantiles BCa cuts, in place of `shares`."""
    # Sums in another order differ by rounding, and are as large as the estimate.
    tolerance = 1e-9 * max(abs(estimate), float(np.ptp(values)))
    below = (values < estimate - tolerance).mean()
    level = np.abs(values - estimate) <= tolerance
    # With all resamples on one side the bias is at least what one more on the other would show.
    least = 0.5 / len(values)
    bias = _NORMAL.inv_cdf(float(np.clip(below + level.mean() / 2.0, least, 1.0 - least)))
    known = without_each[np.isfinite(without_each)]
    away = known.mean() - known if len(known) else np.zeros(1)
    away[np.abs(away) <= tolerance] = 0.0
    spread = float((away**2).sum()) ** 1.5
    skew = float((away**3).sum()) / (6.0 * spread) if spread else 0.0
    ends = [bias + _NORMAL.inv_cdf(float(share)) for share in shares]
    # Beyond the pole of the correction lies nothing but the far end.
    return np.array([_NORMAL.cdf(bias + end / max(1.0 - skew * end, 1e-9)) for end in ends])


class _Clusters:
    """Rows by cluster, in order of the clusters' names."""

    def __init__(self, clusters: ArrayLike | Sequence[str]) -> None:
        names = np.asarray(clusters)
        if names.ndim != 1:
            raise PredictionsError(
                f"clusters name the video of each row, [N]; got {list(names.shape)}."
            )
        # NaN is not even itself.
        if any(name is None or name != name for name in names):
            raise PredictionsError("clusters name the video of each row; some have no name.")
        if names.dtype == object:
            names = names.astype(str)
        found, of_row, self._sizes = np.unique(names, return_inverse=True, return_counts=True)
        if len(found) < 2:
            raise PredictionsError(
                f"An interval over videos needs two or more of them; got {len(found)}. Answers to "
                "one video tell nothing about others."
            )
        self._rows = np.argsort(of_row, kind="stable")
        self._starts = np.cumsum(self._sizes) - self._sizes

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def num_rows(self) -> int:
        return len(self._rows)

    def drawn(self, times: int, seed: int) -> Iterator[NDArray[np.int64]]:
        """Yield draws of clusters, ``[some, len(self)]`` each, `times` in all."""
        draw = np.random.default_rng(seed)
        at_once = max(_MOST_DRAWS // len(self), 1)
        for start in range(0, times, at_once):
            yield draw.integers(len(self), size=(min(at_once, times - start), len(self)))

    def rows_of(self, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of clusters, of one that comes twice twice."""
        sizes = self._sizes[drawn]
        firsts = np.cumsum(sizes) - sizes
        places = np.arange(sizes.sum()) + np.repeat(self._starts[drawn] - firsts, sizes)
        rows: NDArray[np.int64] = self._rows[places]
        return rows

    def sums(self, terms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return for each cluster the sums of its rows' terms, ``[len(self), K]``."""
        return np.add.reduceat(terms[self._rows], self._starts, axis=0)


class _Evaluated:
    """A statistic of all rows, of resamples, and without each of the clusters."""

    def __init__(self, statistic: Statistic, clusters: _Clusters) -> None:
        self._statistic = statistic
        self._clusters = clusters

    @property
    def estimate(self) -> float:
        return self._of(np.arange(len(self._clusters)))

    def resampled(self, draws: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.array([self._of(drawn) for drawn in draws])

    def without_each(self) -> NDArray[np.float64]:
        every = np.arange(len(self._clusters))
        return np.array([self._of(np.delete(every, number)) for number in every])

    def _of(self, drawn: NDArray[np.int64]) -> float:
        return float(self._statistic(self._clusters.rows_of(drawn)))


class _EvaluatedSums(_Evaluated):
    """The same, from the sums over each cluster."""

    def __init__(self, statistic: OfSums, clusters: _Clusters) -> None:
        super().__init__(statistic, clusters)
        self._value = statistic.value
        self._sums = clusters.sums(statistic.terms)

    @property
    def estimate(self) -> float:
        return float(self._value(self._sums.sum(axis=0)))

    def resampled(self, draws: NDArray[np.int64]) -> NDArray[np.float64]:
        size = len(self._sums)
        places = draws + np.arange(len(draws))[:, None] * size
        weights = np.bincount(places.ravel(), minlength=len(draws) * size).reshape(-1, size)
        return self._value(weights.astype(np.float64) @ self._sums)

    def without_each(self) -> NDArray[np.float64]:
        return self._value(self._sums.sum(axis=0) - self._sums)


# ---------------------------------------------------------------- tests


@dataclass(frozen=True)
class McNemar:
    """Whether one model is right more often than another on the same clips.

    Clips that both or none got right say nothing of it. Of the others, each model should have about
    half, were both as good; each `p` is how probable it is, were they, to be that far from it.

    Attributes:
        only_a: Clips that model a alone got right.
        only_b: Clips that model b alone got right.
        exact_p: By the binomial distribution, two-sided: never too small, often too great.
        mid_p: The same, with what is as likely as the data counted by half: the one to go by
            (Fagerland, Lydersen & Laake 2013).
        chi_square: ``(|only_a - only_b| - 1)² / (only_a + only_b)``, with Edwards' continuity
            correction (1948); 0 where they are equal.
        chi_square_p: Of it, with one degree of freedom.
    """

    only_a: int
    only_b: int
    exact_p: float
    mid_p: float
    chi_square: float
    chi_square_p: float


def mcnemar(right_a: ArrayLike, right_b: ArrayLike) -> McNemar:
    """Test whether two models are right equally often on the same clips (McNemar 1947).

    It takes clips for independent. Where videos have several clips each, p is too small: ask
    :func:`cluster_bootstrap` for the difference instead.

    Args:
        right_a: Truth values ``[N]``, which clips model a got right.
        right_b: The same of model b.

    Raises:
        PredictionsError: The arrays do not fit, are empty, or hold no truth values.
    """
    a, b = checks.truth_values(right_a, "right_a"), checks.truth_values(right_b, "right_b")
    checks.same_length(right_a=a, right_b=b)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    num, least = only_a + only_b, min(only_a, only_b)
    if not num:
        return McNemar(0, 0, exact_p=1.0, mid_p=1.0, chi_square=0.0, chi_square_p=1.0)
    # In whole numbers, which neither round nor overflow: of 2^num outcomes, those at one end.
    ways = 1
    at_least = 1
    for number in range(least):
        ways = ways * (num - number) // (number + 1)
        at_least += ways
    outcomes = 2**num
    is_level = only_a == only_b
    both_ends = outcomes if is_level else 2 * at_least
    as_likely = ways if is_level else 2 * ways
    chi_square = max(abs(only_a - only_b) - 1, 0) ** 2 / num
    return McNemar(
        only_a=only_a,
        only_b=only_b,
        exact_p=both_ends / outcomes,
        mid_p=(2 * both_ends - as_likely) / (2 * outcomes),
        chi_square=chi_square,
        chi_square_p=math.erfc(math.sqrt(chi_square / 2.0)),
    )


def mcnemar_pairs(right: Mapping[str, ArrayLike]) -> pd.DataFrame:
    """Test each pair of several models, and allow for testing many.

    Args:
        right: For each model, truth values ``[N]``: which of the same clips it got right.

    Returns:
        One row a pair: ``a, b, only_a, only_b, p`` (:attr:`McNemar.mid_p`) and ``holm_p``, that
        adjusted by :func:`holm`.

    Raises:
        PredictionsError: As :func:`mcnemar`.
        OptionError: There are fewer than two models.
    """
    import pandas as pd

    if len(right) < 2:
        raise OptionError(f"A pair takes two models; got {len(right)}.")
    pairs = list(itertools.combinations(right, 2))
    tests = [mcnemar(right[a], right[b]) for a, b in pairs]
    p_values = [test.mid_p for test in tests]
    return pd.DataFrame(
        {
            "a": pd.Series([a for a, _ in pairs], dtype="str"),
            "b": pd.Series([b for _, b in pairs], dtype="str"),
            "only_a": [test.only_a for test in tests],
            "only_b": [test.only_b for test in tests],
            "p": p_values,
            "holm_p": holm(p_values),
        }
    )


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values of several tests, so that one below 0.05 by chance stays a rare thing.

    The least is multiplied by how many there are, the next by one fewer, and so on; none becomes
    less than one that was less, or more than 1 (Holm 1979). Of those that are at most 0.05 then,
    the chance that any is false is at most 0.05, however the tests depend on each other.

    Args:
        p_values: ``[K]``, from 0 to 1.

    Returns:
        float64 ``[K]``, in the same order.

    Raises:
        PredictionsError: There are none, or one is not from 0 to 1.
    """
    values = checks.numbers(p_values, what="p-values")
    if ((values < 0) | (values > 1)).any():
        raise PredictionsError(
            f"p-values are from 0 to 1; got {values.min():g} to {values.max():g}."
        )
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return adjusted
