"""Where two models part: the same person's keypoints, as each of them has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError
from vidlab.pose.measures import torsos_px
from vidlab.pose.poses import Poses, check_poses
from vidlab.pose.tracking import LEAST_LIKENESS, likeness, pairs, sigmas_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SamePeople:
    """People whom two models found on the same frames.

    Attributes:
        row: int64 ``[P]``, rows of the first poses.
        other_row: int64 ``[P]``, rows of the others.
        points: float32 ``[P, K, 3]``: x px, y px, confidence, in the first one's skeleton.
        other_points: float32 ``[P, K, 3]``, likewise; NaN where the other has no such keypoint.
    """

    row: NDArray[np.int64]
    other_row: NDArray[np.int64]
    points: NDArray[np.float32]
    other_points: NDArray[np.float32]


def same_people(one: Poses, other: Poses) -> SamePeople:
    """Pair people on the frames that both models looked at, the most alike first.

    Who is alike is told as for the tracker; who is like nobody is in no pair.

    Raises:
        OptionError: The poses are of different videos, or are none.
    """
    check_poses(one)
    check_poses(other)
    if one.video != other.video:
        raise OptionError(
            f"Only poses of the same video can be compared; got {one.video!r} and {other.video!r}."
        )
    mapped = other.mapped(one.skeleton)
    sigmas = sigmas_of(one.skeleton)
    _, places, other_places = np.intersect1d(
        one.frame_index, other.frame_index, assume_unique=True, return_indices=True
    )
    found: list[tuple[int, int]] = []
    for place, other_place in zip(places, other_places, strict=True):
        first, stop = np.searchsorted(one.row, [place, place + 1])
        other_first, other_stop = np.searchsorted(other.row, [other_place, other_place + 1])
        alike = likeness(
            mapped.points[other_first:other_stop], one.points[first:stop], sigmas=sigmas
        ).T
        found += sorted(
            (int(first) + here, int(other_first) + there)
            for here, there in pairs(alike, least=LEAST_LIKENESS)
        )
    rows = np.array(found, dtype=np.int64).reshape(-1, 2)
    return SamePeople(
        row=rows[:, 0],
        other_row=rows[:, 1],
        points=one.points[rows[:, 0]],
        other_points=mapped.points[rows[:, 1]],
    )


def distances(one: Poses, other: Poses) -> pd.DataFrame:
    """Return how far two models' keypoints of the same people are apart.

    Args:
        one: What a model found.
        other: What another model found in the same video, or the truth; with any skeleton.

    Returns:
        One row per frame, person and keypoint that both have: ``frame_index, time_seconds, person,
        other_person, keypoint, distance_px, distance, confidence``; `distance` is in torsos of the
        first one's person, `confidence` the lesser of both. Median and 90th percentile per joint
        are ``.groupby("keypoint")["distance_px"].quantile([0.5, 0.9])``.

    Raises:
        OptionError: The poses are of different videos.
    """
    import pandas as pd

    same = same_people(one, other)
    count = len(one.skeleton)
    apart = np.linalg.norm(
        same.points[..., :2].astype(np.float64) - same.other_points[..., :2], axis=-1
    )
    place = one.row[same.row]
    table = pd.DataFrame(
        {
            "frame_index": np.repeat(one.frame_index[place], count),
            "time_seconds": np.repeat(one.time_seconds[place], count),
            "person": np.repeat(one.person[same.row], count),
            "other_person": np.repeat(other.person[same.other_row], count),
            "keypoint": pd.Series(
                np.tile(np.asarray(one.skeleton.keypoints, dtype=object), len(place)), dtype="str"
            ),
            "distance_px": apart.ravel(),
            "distance": (apart / torsos_px(one)[same.row, None]).ravel(),
            "confidence": np.minimum(same.points[..., 2], same.other_points[..., 2]).ravel(),
        }
    )
    return table.dropna(subset=["distance_px"], ignore_index=True)
