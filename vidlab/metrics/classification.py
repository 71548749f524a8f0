"""How often the right label comes first, or among the first, and which are taken for which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidlab.core.errors import PredictionsError
from vidlab.metrics import checks


def rank_of_truth(probabilities: ArrayLike, truth: ArrayLike) -> NDArray[np.int64]:
    """Return at which place of each answer the true label comes: 1 is right.

    Of labels with the same probability the one with the lower id comes first, as in
    ``argmax`` and in the tables of predictions.

    Args:
        probabilities: ``[N, C]``, or logits, whose order is the same.
        truth: Class ids ``[N]``.

    Returns:
        int64 ``[N]``, from 1 to C. ``rank_of_truth(...) <= 5`` are the hits among the top 5.

    Raises:
        PredictionsError: The arrays do not fit, are empty, or hold what is no number or no class.
    """
    answers = checks.answers(probabilities)
    ids = checks.class_ids(truth, num_classes=answers.shape[1], what="The truth")
    checks.same_length(probabilities=answers, truth=ids)
    own = answers[np.arange(len(ids)), ids][:, None]
    is_earlier = np.arange(answers.shape[1]) < ids[:, None]
    is_before = (answers > own) | ((answers == own) & is_earlier)
    rank: NDArray[np.int64] = is_before.sum(axis=1, dtype=np.int64) + 1
    return rank


def top_k_accuracy(probabilities: ArrayLike, truth: ArrayLike, *, k: int = 1) -> float:
    """Return the share of the answers that have the true label among the `k` most probable.

    Args:
        probabilities: ``[N, C]``, or logits.
        truth: Class ids ``[N]``.
        k: How many labels of an answer count; with C or more all are right.

    Returns:
        From 0 to 1.

    Raises:
        PredictionsError: As :func:`rank_of_truth`.
        OptionError: `k` is not a positive whole number.
    """
    count = checks.positive_count(k, what="k")
    return float((rank_of_truth(probabilities, truth) <= count).mean())


def confusion_matrix(
    truth: ArrayLike, predicted: ArrayLike, *, num_classes: int
) -> NDArray[np.int64]:
    """Count answers by true class (rows) and predicted class (columns).

    Args:
        truth: Class ids ``[N]``.
        predicted: Class ids ``[N]``.
        num_classes: C, the length of the label map.

    Returns:
        int64 ``[C, C]``.

    Raises:
        PredictionsError: The arrays do not fit, are empty, or hold what is no class.
        OptionError: `num_classes` is not a positive whole number.
    """
    size = checks.positive_count(num_classes, what="num_classes")
    there = checks.class_ids(truth, num_classes=size, what="The truth")
    said = checks.class_ids(predicted, num_classes=size, what="What was predicted")
    checks.same_length(truth=there, predicted=said)
    return np.bincount(there * size + said, minlength=size * size).reshape(size, size)


@dataclass(frozen=True, eq=False)
class PerClass:
    """How well each class is told from the others; float64 ``[C]`` each, from 0 to 1.

    Attributes:
        precision: Of the answers that name it, how many are right; NaN where none names it.
        recall: Of the answers that should name it, how many do; NaN where none should.
        f1: Harmonic mean of the two, ``2 right / (named + should)``; NaN where none does either.
        support: int64 ``[C]``, how many answers should name it.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]


def per_class(confusion: ArrayLike) -> PerClass:
    """Return precision, recall and F1 of each class.

    Args:
        confusion: Counts ``[C, C]``, true classes down, as :func:`confusion_matrix` gives them.

    Raises:
        PredictionsError: It is not a square of counts, or there are none.
    """
    counts = _counts(confusion)
    right, there, said = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return PerClass(
            precision=right / said, recall=right / there, f1=2 * right / (there + said),
            support=there,
        )  # fmt: skip


def balanced_accuracy(confusion: ArrayLike) -> float:
    """Return the mean recall over the classes that there are (Brodersen et al. 2010).

    A class with many clips weighs no more than one with few; guessing gives one over their number.

    Args:
        confusion: Counts ``[C, C]``, true classes down, as :func:`confusion_matrix` gives them.

    Raises:
        PredictionsError: It is not a square of counts, or there are none.
    """
    return float(np.nanmean(per_class(confusion).recall))


def _counts(confusion: ArrayLike) -> NDArray[np.int64]:
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.dtype.kind not in "iu":
        raise PredictionsError(
            f"A confusion matrix holds counts [C, C]; got {counts.dtype} {list(counts.shape)}. "
            "confusion_matrix() makes one."
        )
    if (counts < 0).any() or not counts.any():
        raise PredictionsError(
            f"A confusion matrix counts answers, at least one; got a sum of {counts.sum()}, and "
            f"{(counts < 0).sum()} negative counts."
        )
    return counts.astype(np.int64)
