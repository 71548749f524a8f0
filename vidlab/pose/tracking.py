"""Who is who: the same person keeps the same number from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidlab.core.skeletons import Skeleton

# Where nobody measured how far people's own annotations are apart: as COCO's shoulders.
_USUAL_SIGMA = 0.079

LEAST_LIKENESS = 0.1
"""Below it two poses are not of the same person."""


@dataclass
class _Track:
    number: int
    points: NDArray[np.float32]
    seconds: float


class Tracker:
    """Gives people numbers, by how alike they are to those that were seen before.

    The most alike (see `likeness`) are paired first; who is like nobody is somebody new.

    Args:
        skeleton: The keypoints.
        least_likeness: From 0 to 1: below it two are not the same.
        forget_seconds: How long somebody who is not seen is remembered.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        least_likeness: float = LEAST_LIKENESS,
        forget_seconds: float = 1.0,
    ) -> None:
        self._sigmas = sigmas_of(skeleton)
        self._least = least_likeness
        self._forget = forget_seconds
        self._tracks: list[_Track] = []
        self._next = 0

    def number(self, people: NDArray[np.float32], seconds: float) -> NDArray[np.int64]:
        """Return the number of each person on the next frame.

        Args:
            people: float32 ``[P, K, 3]``: x px, y px, confidence.
            seconds: When the frame is shown.

        Returns:
            int64 ``[P]``.
        """
        self._tracks = [each for each in self._tracks if seconds - each.seconds <= self._forget]
        known = np.stack([each.points for each in self._tracks]) if self._tracks else people[:0]
        alike = likeness(people, known, sigmas=self._sigmas)
        numbers = np.full(len(people), -1, dtype=np.int64)
        for which, track in pairs(alike, least=self._least):
            numbers[which] = self._tracks[track].number
            self._tracks[track].points, self._tracks[track].seconds = people[which], seconds
        for new in np.flatnonzero(numbers < 0).tolist():
            numbers[new] = self._next
            self._tracks.append(_Track(self._next, people[new], seconds))
            self._next += 1
        return numbers


def sigmas_of(skeleton: Skeleton) -> NDArray[np.float64]:
    """Return how far people's own annotations of each keypoint are apart, float64 ``[K]``."""
    return np.array(skeleton.sigmas or [_USUAL_SIGMA] * len(skeleton))


def pairs(alike: NDArray[np.float64], *, least: float) -> list[tuple[int, int]]:
    """Pair people with others, each at most once, those that are most alike first.

    Args:
        alike: float64 ``[P, Q]``, how alike each is to each other one.
        least: Likeness below which two are not the same.

    Returns:
        Rows and columns of `alike`.
    """
    left = alike.copy()
    found = []
    while left.size and left.max() >= least:
        one, other = (int(each) for each in np.unravel_index(left.argmax(), left.shape))
        found.append((one, other))
        left[one], left[:, other] = -1.0, -1.0
    return found


def likeness(
    people: NDArray[np.float32], others: NDArray[np.float32], *, sigmas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how alike each person is to each other one, as far as they may be the same.

    It is the mean of two shares: the keypoints' similarity, which falls fast where limbs do, and
    the overlap of the boxes around them, which lasts where somebody is looked at seldom.

    Args:
        people: float32 ``[P, K, 3]``: x, y, confidence; NaN where there is no keypoint.
        others: float32 ``[Q, K, 3]``, likewise.
        sigmas: float64 ``[K]``.

    Returns:
        float64 ``[P, Q]``, from 0 to 1.
    """
    if not len(people) or not len(others):
        return np.zeros((len(people), len(others)))
    overlap = _overlap(_boxes(people)[:, None], _boxes(others)[None])
    return (similarity(people, others, sigmas=sigmas) + overlap) / 2.0


def _boxes(people: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the corners around each person's keypoints, ``[P, 2, 2]``."""
    xy = people[..., :2].astype(np.float64)
    return np.stack([np.nanmin(xy, axis=1), np.nanmax(xy, axis=1)], axis=1)


def _overlap(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over the union of boxes ``[..., 2, 2]``."""
    low = np.maximum(boxes[..., 0, :], others[..., 0, :])
    high = np.minimum(boxes[..., 1, :], others[..., 1, :])
    shared = np.prod(np.maximum(high - low, 0.0), axis=-1)
    sizes = np.prod(boxes[..., 1, :] - boxes[..., 0, :], axis=-1)
    sizes = sizes + np.prod(others[..., 1, :] - others[..., 0, :], axis=-1)
    share: NDArray[np.float64] = shared / np.maximum(sizes - shared, 1e-9)
    return share


def similarity(
    people: NDArray[np.float32], others: NDArray[np.float32], *, sigmas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the object keypoint similarity of each person with each other one.

    A person's size is the area of the box around the keypoints of `others`, as there is no outline
    to take it from (Lin et al., COCO's evaluation).

    Args:
        people: float32 ``[P, K, 3]``: x, y, confidence; NaN where there is no keypoint.
        others: float32 ``[Q, K, 3]``, likewise.
        sigmas: float64 ``[K]``.

    Returns:
        float64 ``[P, Q]``, from 0 to 1.
    """
    if not len(people) or not len(others):
        return np.zeros((len(people), len(others)))
    here = others[..., :2].astype(np.float64)
    size = np.prod(np.nanmax(here, axis=1) - np.nanmin(here, axis=1), axis=-1)
    squared = ((people[:, None, :, :2] - here[None]) ** 2).sum(axis=-1)
    scale = 2.0 * (2.0 * sigmas) ** 2 * (np.maximum(size, 1.0)[None, :, None])
    with np.errstate(invalid="ignore"):
        alike: NDArray[np.float64] = np.nanmean(np.exp(-squared / scale), axis=-1)
    return np.nan_to_num(alike)
