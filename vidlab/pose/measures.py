"""What bodies do, in numbers: angles of joints, speeds, distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError
from vidlab.pose.poses import Poses, check_poses

if TYPE_CHECKING:
    import pandas as pd

ANGLES = {
    f"{side}_{joint}": tuple(f"{side}_{name}" for name in names)
    for side in ("left", "right")
    for joint, names in {
        "elbow": ("shoulder", "elbow", "wrist"),
        "shoulder": ("elbow", "shoulder", "hip"),
        "hip": ("shoulder", "hip", "knee"),
        "knee": ("hip", "knee", "ankle"),
    }.items()
}
"""Angles of the body: at the middle one of three keypoints."""

_TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


def features(
    poses: Poses,
    *,
    angles: Sequence[str] = tuple(ANGLES),
    distances: Sequence[tuple[str, str]] = (),
    velocities: bool = False,
    least_confidence: float = 0.2,
) -> pd.DataFrame:
    """Return angles, speeds and distances of each person on each frame.

    What is far away is small: speeds, velocities and distances are in torsos (from the middle of
    the shoulders to the middle of the hips, each person's median), not in px.

    Args:
        poses: What a model found; smoothed, if speeds are not to tremble.
        angles: Names in `ANGLES`.
        distances: Pairs of keypoints.
        velocities: Whether to tell where each keypoint moves as well, not only how fast.
        least_confidence: Below it a keypoint is as if it were not there.

    Returns:
        One row per person and frame: ``frame_index, time_seconds, person``, then
        ``<name>_angle_deg`` (0 to 180), ``<keypoint>_speed`` (torsos a second, against the frame
        before), ``<keypoint>_velocity_x`` and ``_y`` (likewise, to the right and down) and
        ``<first>_to_<second>`` (torsos). NaN where a keypoint is missing.

    Raises:
        OptionError: An angle or a keypoint is none that there is.
    """
    import pandas as pd

    check_poses(poses)
    unknown = [name for name in angles if name not in ANGLES]
    if unknown:
        raise OptionError(f"No angle is called {unknown[0]!r}; there are {', '.join(ANGLES)}.")
    skeleton = poses.skeleton
    xy = _places(poses, least_confidence)
    torso = torsos_px(poses, least_confidence=least_confidence)
    table: dict[str, NDArray[np.generic]] = {
        "frame_index": poses.frame_index[poses.row],
        "time_seconds": poses.time_seconds[poses.row],
        "person": poses.person,
    }
    for name in angles:
        first, middle, last = (xy[:, skeleton.index(each)] for each in ANGLES[name])
        table[f"{name}_angle_deg"] = angle_deg(first, middle, last)
    velocity = _velocities(poses, xy) / torso[:, None, None]
    speed = np.linalg.norm(velocity, axis=-1)
    for number, name in enumerate(skeleton.keypoints):
        table[f"{name}_speed"] = speed[:, number]
    for number, name in enumerate(skeleton.keypoints if velocities else ()):
        for axis, coordinate in enumerate("xy"):
            table[f"{name}_velocity_{coordinate}"] = velocity[:, number, axis]
    for one, other in distances:
        apart = xy[:, skeleton.index(one)] - xy[:, skeleton.index(other)]
        table[f"{one}_to_{other}"] = np.linalg.norm(apart, axis=-1) / torso
    return pd.DataFrame(table)


def angle_deg(
    first: NDArray[np.float64], middle: NDArray[np.float64], last: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the angle at `middle`, 0 to 180 degrees.

    Args:
        first: ``[..., 2]``, px.
        middle: ``[..., 2]``.
        last: ``[..., 2]``.
    """
    one, other = first - middle, last - middle
    cross = one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
    angle: NDArray[np.float64] = np.degrees(np.arctan2(np.abs(cross), (one * other).sum(axis=-1)))
    return angle


def _places(poses: Poses, least_confidence: float) -> NDArray[np.float64]:
    """Return where keypoints are, ``[R, K, 2]``; NaN where they are not sure."""
    xy = poses.points[..., :2].astype(np.float64)
    xy[poses.points[..., 2] < least_confidence] = np.nan
    return xy


def torsos_px(poses: Poses, *, least_confidence: float = 0.2) -> NDArray[np.float64]:
    """Return for each row the median torso of its person, float64 ``[R]``.

    It reaches from the middle of the shoulders to the middle of the hips; NaN where it is never
    seen.
    """
    xy = _places(poses, least_confidence)
    shoulders, hips = (
        xy[:, [poses.skeleton.index(name) for name in names]].mean(axis=1)
        for names in (_TORSO[:2], _TORSO[2:])
    )
    lengths = np.linalg.norm(shoulders - hips, axis=-1)
    torsos = np.full(len(lengths), np.nan)
    for person in np.unique(poses.person):
        mine = poses.person == person
        known = lengths[mine & np.isfinite(lengths)]
        torsos[mine] = max(float(np.median(known)), 1.0) if len(known) else np.nan
    return torsos


def _velocities(poses: Poses, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return px a second since the frame before, ``[R, K, 2]``; NaN where there is none."""
    velocities = np.full_like(xy, np.nan)
    for person in np.unique(poses.person):
        rows = np.flatnonzero(poses.person == person)
        seconds = np.diff(poses.time_seconds[poses.row[rows]])
        is_next = np.diff(poses.row[rows]) == 1
        moved = np.diff(xy[rows], axis=0) / seconds[:, None, None]
        velocities[rows[1:]] = np.where(is_next[:, None, None], moved, np.nan)
    return velocities
