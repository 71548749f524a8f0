"""Whether an answer that is 80 % sure is right 80 % of the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidlab.core.errors import OptionError, PredictionsError
from vidlab.metrics import checks
from vidlab.metrics.statistic import OfSums

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Binning = Literal["width", "mass"]

# A probability that a softmax in float32 took for 0 is no less than this in truth.
_LEAST = float(np.finfo(np.float32).tiny)

# How far past 1 a softmax in float32 may come.
_ROUNDING = 1e-5


@dataclass(frozen=True, eq=False)
class Reliability:
    """Answers put in bins by how sure they are, and how often those of each bin are right.

    How sure an answer is, its confidence, is the probability of its most probable label.

    Attributes:
        edges: float64 ``[B + 1]``, increasing. A bin leaves out its lower edge and has its upper
            one; the first has both.
        confidence: float64 ``[B]``, mean over a bin's answers; NaN where it has none.
        accuracy: float64 ``[B]``, share of a bin's answers that are right; NaN where it has none.
        count: int64 ``[B]``, answers in a bin.
    """

    edges: NDArray[np.float64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]

    @property
    def ece(self) -> float:
        """Expected calibration error: mean gap of confidence and accuracy over all answers."""
        return float(np.nansum(self._gaps * self.count) / self.count.sum())

    @property
    def mce(self) -> float:
        """Maximum calibration error: the greatest gap of a bin with answers."""
        return float(np.nanmax(self._gaps))

    @property
    def table(self) -> pd.DataFrame:
        """One row a bin: ``low, high, num, confidence, accuracy``."""
        import pandas as pd

        return pd.DataFrame(
            {
                "low": self.edges[:-1],
                "high": self.edges[1:],
                "num": self.count,
                "confidence": self.confidence,
                "accuracy": self.accuracy,
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw accuracy against confidence, bin by bin, over how many answers each bin holds.

        Args:
            ax: Where to draw; None makes a figure.

        Returns:
            Where the curve was drawn; the counts have axes of their own behind it.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        from vidlab.plots.reliability import draw_reliability

        return draw_reliability(
            ax,
            self.edges,
            self.confidence,
            self.accuracy,
            self.count,
            title=f"Expected calibration error {self.ece:.3f}, of {self.count.sum()} answers",
        )

    @property
    def _gaps(self) -> NDArray[np.float64]:
        return np.abs(self.accuracy - self.confidence)


def reliability(
    probabilities: ArrayLike, truth: ArrayLike, *, num_bins: int = 15, binning: Binning = "width"
) -> Reliability:
    """Compare how sure answers are with how often they are right, as Guo et al. (2017) do.

    Args:
        probabilities: ``[N, C]``.
        truth: Class ids ``[N]``.
        num_bins: B; 15 in that paper.
        binning: ``"width"`` cuts 0 to 1 into equal parts, as that paper does; ``"mass"`` cuts at
            quantiles of the confidence, so that bins hold about as many answers each (adaptive
            bins, Nguyen & O'Connor 2015). Equal confidences are never parted.

    Raises:
        PredictionsError: The arrays do not fit, are empty, or hold what is no probability or class.
        OptionError: `num_bins` is not a positive whole number, or `binning` is unknown.
    """
    confidence, is_right = _answers(probabilities, truth)
    edges = _edges(confidence, num_bins, binning)
    bins = _bins(confidence, edges)
    size = len(edges) - 1
    count = np.bincount(bins, minlength=size)
    with np.errstate(invalid="ignore"):
        return Reliability(
            edges=edges,
            confidence=np.bincount(bins, weights=confidence, minlength=size) / count,
            accuracy=np.bincount(bins, weights=is_right, minlength=size) / count,
            count=count,
        )


def expected_calibration_error(
    probabilities: ArrayLike, truth: ArrayLike, *, num_bins: int = 15, binning: Binning = "width"
) -> OfSums:
    """Return :attr:`Reliability.ece` as a statistic of rows, for intervals and for each second.

    Bins stay those of all rows. Few answers stray from any probability: the fewer they are, the
    greater the error, even of a model without any. So compare it between models on the same
    clips, or between equal numbers of answers, and do not expect an interval to reach 0.

    Args:
        probabilities: ``[N, C]``.
        truth: Class ids ``[N]``.
        num_bins: As :func:`reliability`.
        binning: As :func:`reliability`.

    Raises:
        PredictionsError: As :func:`reliability`.
        OptionError: As :func:`reliability`.
    """
    return _error_of(*_answers(probabilities, truth), num_bins=num_bins, binning=binning)


def calibration_error_of(
    confidence: ArrayLike,
    is_right: ArrayLike,
    *,
    num_bins: int = 15,
    binning: Binning = "width",
) -> OfSums:
    """Return `expected_calibration_error` of answers of which only the best label is known.

    Args:
        confidence: Probability of each answer's most probable label, ``[N]``.
        is_right: Whether it is the true one, ``[N]``.
        num_bins: As :func:`reliability`.
        binning: As :func:`reliability`.

    Raises:
        PredictionsError: The arrays do not fit, are empty, or hold what is no probability.
        OptionError: As :func:`reliability`.
    """
    values = checks.numbers(confidence, what="Confidences")
    right = checks.truth_values(is_right, "is_right")
    checks.same_length(confidence=values, is_right=right)
    if ((values < 0) | (values > 1 + _ROUNDING)).any():
        raise PredictionsError(
            f"Confidences are from 0 to 1; got {values.min():g} to {values.max():g}."
        )
    return _error_of(np.minimum(values, 1.0), right, num_bins=num_bins, binning=binning)


def _error_of(
    confidence: NDArray[np.float64], is_right: NDArray[np.bool_], *, num_bins: int, binning: Binning
) -> OfSums:
    edges = _edges(confidence, num_bins, binning)
    terms = np.zeros((len(confidence), len(edges)))  # the gap in the row's bin, and 1 row
    terms[np.arange(len(confidence)), _bins(confidence, edges)] = is_right - confidence
    terms[:, -1] = 1.0
    return OfSums(terms, _mean_gap)


def brier_scores(probabilities: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return each answer's squared distance from the truth; their mean is the Brier score.

    Summed over the classes, as Brier (1950) has it: 0 is sure and right, 2 is sure and wrong.

    Args:
        probabilities: ``[N, C]``.
        truth: Class ids ``[N]``.

    Returns:
        float64 ``[N]``.

    Raises:
        PredictionsError: The arrays do not fit, are empty, or hold what is no probability or class.
    """
    answers, ids = _checked(probabilities, truth)
    away = answers.astype(np.float64)
    away[np.arange(len(ids)), ids] -= 1.0
    scores: NDArray[np.float64] = (away**2).sum(axis=1)
    return scores


def negative_log_likelihoods(probabilities: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return each answer's surprise at the truth, in nats; their mean is the cross-entropy.

    A probability of 0 counts as the least normal float32, ``-log`` of which is 87.3.

    Args:
        probabilities: ``[N, C]``.
        truth: Class ids ``[N]``.

    Returns:
        float64 ``[N]``.

    Raises:
        PredictionsError: The arrays do not fit, are empty, or hold what is no probability or class.
    """
    answers, ids = _checked(probabilities, truth)
    own = answers[np.arange(len(ids)), ids].astype(np.float64)
    return -np.log(np.maximum(own, _LEAST))


def _checked(
    probabilities: ArrayLike, truth: ArrayLike
) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    answers = checks.probabilities(probabilities)
    ids = checks.class_ids(truth, num_classes=answers.shape[1], what="The truth")
    checks.same_length(probabilities=answers, truth=ids)
    return answers, ids


def _answers(
    probabilities: ArrayLike, truth: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return how sure each answer is, and whether it is right."""
    answers, ids = _checked(probabilities, truth)
    # Rounding may take a sure answer past 1, and out of every bin.
    confidence = np.minimum(answers.max(axis=1).astype(np.float64), 1.0)
    return confidence, answers.argmax(axis=1) == ids


def _edges(confidence: NDArray[np.float64], num_bins: int, binning: Binning) -> NDArray[np.float64]:
    size = checks.positive_count(num_bins, what="num_bins")
    if binning not in get_args(Binning):
        raise OptionError(f'binning must be "width" or "mass"; got {binning!r}.')
    shares = np.linspace(0.0, 1.0, size + 1)
    return shares if binning == "width" else np.quantile(confidence, shares)


def _bins(confidence: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.searchsorted(edges[1:-1], confidence, side="left")


def _mean_gap(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        gap: NDArray[np.float64] = np.abs(sums[..., :-1]).sum(axis=-1) / sums[..., -1]
    return gap
