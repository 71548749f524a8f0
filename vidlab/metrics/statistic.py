"""Numbers about some of the rows of a table: what a bootstrap, or a chart over time, asks for.

A statistic is any function of row numbers, in which a row that was drawn twice comes twice::

    def macro(rows):
        table = confusion_matrix(truth[rows], predicted[rows], num_classes=10)
        return balanced_accuracy(table)

One that depends on sums over the rows alone, such as a mean, is an :class:`OfSums`, and a
bootstrap computes it for thousands of resamples at once::

    accuracy = mean_of(predicted == truth)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidlab.core.errors import PredictionsError
from vidlab.metrics import checks

if TYPE_CHECKING:
    import pandas as pd

#: A number for row numbers, int64 ``[R]``; NaN where it has none.
Statistic: TypeAlias = Callable[[NDArray[np.int64]], float]


@dataclass(frozen=True, eq=False)
class OfSums:
    """A statistic that depends on the rows through sums over them.

    Attributes:
        terms: float64 ``[N, K]``, what each row adds to each of K sums.
        value: From sums, float64 ``[..., K]``, to the statistic, float64 ``[...]``; NaN where it
            has none.

    Raises:
        PredictionsError: `terms` have another shape, none, or ones that are not finite.
    """

    terms: NDArray[np.float64]
    value: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    def __post_init__(self) -> None:
        if self.terms.ndim != 2 or not self.terms.size or not np.isfinite(self.terms).all():
            raise PredictionsError(
                "The terms of a statistic are finite numbers [N, K], at least one; got "
                f"{list(self.terms.shape)}."
            )

    def __call__(self, rows: NDArray[np.int64]) -> float:
        """Return the statistic of some rows."""
        return float(self.value(self.terms[rows].sum(axis=0)))


def mean_of(values: ArrayLike) -> OfSums:
    """Return the mean of values, ``[N]`` numbers or truth values, as a statistic.

    Raises:
        PredictionsError: There are none, they have another shape, or one is not finite.
    """
    terms = checks.numbers(values, what="Values")
    return OfSums(np.column_stack([terms, np.ones(len(terms))]), _quotient)


def difference(first: Statistic, second: Statistic) -> Statistic:
    """Return how much greater one statistic is than another of the same rows.

    Both see the same rows of every resample, which is what makes two models comparable on clips
    some of which are hard for both.

    Raises:
        PredictionsError: Both are sums, over different numbers of rows.
    """
    if not (isinstance(first, OfSums) and isinstance(second, OfSums)):
        return lambda rows: first(rows) - second(rows)
    checks.same_length(first=first.terms, second=second.terms)
    one, other, width = first.value, second.value, first.terms.shape[1]
    return OfSums(
        np.concatenate([first.terms, second.terms], axis=1),
        lambda sums: one(sums[..., :width]) - other(sums[..., width:]),
    )


def by_second(time_seconds: ArrayLike, values: ArrayLike | Statistic) -> pd.DataFrame:
    """Return a statistic of the answers within each second that had gone by.

    Answers of many videos may come in any order. Accuracy, then calibration error, over time::

        by_second(elapsed_seconds, predicted == truth)
        by_second(elapsed_seconds, expected_calibration_error(probabilities, truth))

    Args:
        time_seconds: ``[N]``, from the start of each answer's video to its answer.
        values: ``[N]``, whose mean is taken, or a statistic of rows.

    Returns:
        One row a second in which there are answers, in order: ``second`` (0 is from 0 s to before
        1 s), ``num`` (answers) and ``value``.

    Raises:
        PredictionsError: The arrays do not fit, are empty, or hold what is no number.
    """
    import pandas as pd

    times = checks.numbers(time_seconds, what="Times in seconds")
    statistic = values if callable(values) else mean_of(values)
    if isinstance(statistic, OfSums):
        checks.same_length(time_seconds=times, values=statistic.terms)
    seconds = np.floor(times + checks.SLACK_SECONDS).astype(np.int64)
    order = np.argsort(seconds, kind="stable")
    found, starts = np.unique(seconds[order], return_index=True)
    groups = np.split(order, starts[1:])
    return pd.DataFrame(
        {
            "second": found,
            "num": [len(rows) for rows in groups],
            "value": [float(statistic(rows)) for rows in groups],
        }
    )


def _quotient(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        quotient: NDArray[np.float64] = sums[..., 0] / sums[..., 1]
    return quotient
