"""Accuracy, confusions and per-class figures against scikit-learn, and ties by their rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from vidlab import metrics
from vidlab.core.errors import OptionError, PredictionsError


def answers(seed: int, *, num: int = 60, num_classes: int = 7) -> tuple[Any, Any]:
    draw = np.random.default_rng(seed)
    probabilities = draw.dirichlet(np.full(num_classes, 0.5), num).astype(np.float32)
    truth = draw.integers(0, num_classes, num)
    truth[:num_classes] = np.arange(num_classes)  # scikit-learn wants each
    return probabilities, truth


@given(seed=st.integers(0, 10_000), k=st.integers(1, 9))
def test_top_k_is_that_of_scikit_learn(seed: int, k: int) -> None:
    probabilities, truth = answers(seed)
    expected = (
        sklearn.top_k_accuracy_score(truth, probabilities, k=k, labels=range(7)) if k < 7 else 1.0
    )
    assert metrics.top_k_accuracy(probabilities, truth, k=k) == pytest.approx(expected)
    assert metrics.top_k_accuracy(np.log(probabilities + 1e-30), truth, k=k) == pytest.approx(
        expected
    )


@given(seed=st.integers(0, 10_000))
def test_of_equal_probabilities_the_lower_id_comes_first(seed: int) -> None:
    draw = np.random.default_rng(seed)
    probabilities = draw.integers(0, 3, (20, 5)) / 4
    truth = draw.integers(0, 5, 20)
    expected = [
        sorted(range(5), key=lambda i: (-row[i], i)).index(own) + 1
        for row, own in zip(probabilities, truth, strict=True)
    ]
    assert metrics.rank_of_truth(probabilities, truth).tolist() == expected
    first = metrics.top_k_accuracy(probabilities, truth)
    assert first == (probabilities.argmax(axis=1) == truth).mean()


@given(seed=st.integers(0, 10_000))
def test_confusions_are_those_of_scikit_learn(seed: int) -> None:
    draw = np.random.default_rng(seed)
    # Classes 0 to 5: some are never there, some never said.
    truth, said = draw.choice(draw.integers(0, 6, 4), 30), draw.choice(draw.integers(0, 6, 4), 30)
    confusion = metrics.confusion_matrix(truth, said, num_classes=6)
    np.testing.assert_array_equal(
        confusion, sklearn.confusion_matrix(truth, said, labels=list(range(6)))
    )
    expected = sklearn.precision_recall_fscore_support(
        truth, said, labels=list(range(6)), zero_division=np.nan
    )
    found = metrics.per_class(confusion)
    is_there, is_said = np.isin(range(6), truth), np.isin(range(6), said)
    np.testing.assert_allclose(found.precision, expected[0])
    np.testing.assert_allclose(found.recall, expected[1])
    np.testing.assert_array_equal(np.isnan(found.precision), ~is_said)
    np.testing.assert_array_equal(np.isnan(found.recall), ~is_there)
    np.testing.assert_array_equal(np.isnan(found.f1), ~(is_there | is_said))
    known = is_there | is_said
    np.testing.assert_allclose(found.f1[known], expected[2][known])
    np.testing.assert_array_equal(found.support, expected[3])
    # scikit-learn warns of classes that are said but never there.
    recalls = [(said[truth == each] == each).mean() for each in np.unique(truth)]
    assert metrics.balanced_accuracy(confusion) == pytest.approx(np.mean(recalls))


def test_balanced_accuracy_is_that_of_scikit_learn() -> None:
    probabilities, truth = answers(3)
    said = probabilities.argmax(axis=1)
    confusion = metrics.confusion_matrix(truth, said, num_classes=7)
    assert metrics.balanced_accuracy(confusion) == pytest.approx(
        sklearn.balanced_accuracy_score(truth, said)
    )


def test_arrays_that_do_not_fit_are_refused() -> None:
    probabilities, truth = answers(0)
    broken = probabilities.copy()
    broken[4, 2] = np.nan
    with pytest.raises(
        PredictionsError, match="1 of 60 answers are not finite, the first in row 4"
    ):
        metrics.top_k_accuracy(broken, truth)
    with pytest.raises(PredictionsError, match=r"\[N, C\].*got float32 \[60\]"):
        metrics.top_k_accuracy(probabilities[:, 0], truth)
    with pytest.raises(PredictionsError, match=r"float32 \[0, 7\]"):
        metrics.top_k_accuracy(probabilities[:0], truth[:0])
    with pytest.raises(PredictionsError, match="probabilities 60, truth 59"):
        metrics.top_k_accuracy(probabilities, truth[:-1])
    for wrong in (7, -1):
        with pytest.raises(PredictionsError, match=f"class id {wrong} in row 5"):
            metrics.top_k_accuracy(probabilities, np.where(np.arange(60) == 5, wrong, truth))
    with pytest.raises(PredictionsError, match="class ids, whole numbers"):
        metrics.top_k_accuracy(probabilities, truth.astype(float))
    for k in (0, 1.5, True):
        with pytest.raises(OptionError, match="k must be a positive whole number"):
            metrics.top_k_accuracy(probabilities, truth, k=k)
    with pytest.raises(PredictionsError, match="truth 60, predicted 59"):
        metrics.confusion_matrix(truth, truth[1:], num_classes=7)
    with pytest.raises(PredictionsError, match="What was predicted has the class id 6"):
        metrics.confusion_matrix(np.zeros(60, int), truth, num_classes=6)
    for confusion in (np.zeros((3, 3), int), np.ones((2, 3), int), np.ones((2, 2)), -np.eye(2)):
        with pytest.raises(PredictionsError, match="A confusion matrix"):
            metrics.per_class(confusion)
    with pytest.raises(PredictionsError, match="2 negative counts"):
        metrics.balanced_accuracy(-np.eye(2, dtype=int))
