"""Logits and probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softmax over the last axis, float32, computed without overflow."""
    shifted = logits - logits.max(axis=-1, keepdims=True, initial=-np.inf)
    weights: NDArray[np.float32] = np.exp(shifted, dtype=np.float32)
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


def jensen_shannon(distributions: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return how far distributions, each float32 ``[N, num_classes]``, part: float32 ``[N]``.

    As the mean of their divergences from their mean: the small terms of models that agree are
    added up, where a difference of entropies would cancel. So float32 is exact to 1e-6.
    """
    # A probability of 0 counts for nothing, and so does the smallest number.
    positive = [np.maximum(each, np.finfo(np.float32).tiny) for each in distributions]
    mean = np.log(sum(positive) / np.float32(len(positive)))
    terms = np.zeros_like(mean)
    for each in positive:
        terms += each * (np.log(each) - mean)
    divergence: NDArray[np.float32] = terms.sum(axis=1) / np.float32(len(positive))
    return np.maximum(divergence, 0.0, dtype=np.float32)
