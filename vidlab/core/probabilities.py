"""Logits and probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the softmax over the last axis, float32, computed without overflow."""
    shifted = logits - logits.max(axis=-1, keepdims=True, initial=-np.inf)
    weights: NDArray[np.float32] = np.exp(shifted, dtype=np.float32)
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights
