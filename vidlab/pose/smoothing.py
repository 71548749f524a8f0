"""Less trembling: the One-Euro filter over each person's keypoints.

Casiez, Roussel, Vogel: "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems", CHI 2012: what hardly moves is held still, what moves fast is followed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError
from vidlab.pose.poses import Poses, check_poses


def smoothed(
    poses: Poses, *, min_cutoff_hz: float = 1.0, beta: float = 5.0, speed_cutoff_hz: float = 1.0
) -> Poses:
    """Return the same poses with less trembling; the given ones stay as they are.

    Each coordinate goes through a low-pass filter whose cutoff is ``min_cutoff_hz + beta * speed``,
    with the speed in heights of the person a second. Only the past is looked at, so it may run
    live. A person who was gone, and keypoints that were NaN, begin anew.

    Args:
        poses: What a model found.
        min_cutoff_hz: Less of it trembles less where a person stands still.
        beta: More of it lags less behind where a person moves. As it is, MoveNet's keypoints of
            the sample videos tremble a third as much, and are as near to the truth.
        speed_cutoff_hz: Cutoff of the speed itself.

    Raises:
        OptionError: A value is not positive (`beta`: negative).
    """
    check_poses(poses)
    if min_cutoff_hz <= 0 or speed_cutoff_hz <= 0 or beta < 0:
        raise OptionError(
            "min_cutoff_hz and speed_cutoff_hz must be positive and beta at least 0; got "
            f"{min_cutoff_hz}, {speed_cutoff_hz} and {beta}."
        )
    points = poses.points.copy()
    for person in np.unique(poses.person):
        rows = np.flatnonzero(poses.person == person)
        times = poses.time_seconds[poses.row[rows]]
        # A gap in the frames that were looked at ends a run.
        starts = np.flatnonzero(np.diff(poses.row[rows], prepend=-2) > 1)
        for run in np.split(np.arange(len(rows)), starts[1:]):
            xy = poses.points[rows[run], :, :2].astype(np.float64)
            points[rows[run], :, :2] = _filtered(
                xy, times[run], min_cutoff_hz, beta, speed_cutoff_hz
            )
    made_by = poses.made_by | {
        "smoothed": {
            "min_cutoff_hz": min_cutoff_hz, "beta": beta, "speed_cutoff_hz": speed_cutoff_hz,
        }
    }  # fmt: skip
    return poses.replaced(points=points, made_by=made_by)


def _filtered(
    xy: NDArray[np.float64],
    times: NDArray[np.float64],
    min_cutoff_hz: float,
    beta: float,
    speed_cutoff_hz: float,
) -> NDArray[np.float64]:
    """Filter ``[T, K, 2]``."""
    heights = np.nanmax(xy[..., 1], axis=1) - np.nanmin(xy[..., 1], axis=1)
    size = max(float(np.nanmedian(heights)), 1.0)
    result = xy.copy()
    value, speed = xy[0].copy(), np.zeros_like(xy[0])
    for index in range(1, len(xy)):
        seconds = times[index] - times[index - 1]
        now = xy[index]
        fresh = np.isnan(value)
        raw = np.where(fresh, 0.0, (now - value) / (seconds * size))
        speed += _share(speed_cutoff_hz, seconds) * (np.nan_to_num(raw) - speed)
        cutoff = min_cutoff_hz + beta * np.abs(speed)
        moved = value + _share(cutoff, seconds) * (now - value)
        value = np.where(fresh, now, np.where(np.isnan(now), np.nan, moved))
        result[index] = value
    return result


def _share(cutoff_hz: NDArray[np.float64] | float, seconds: float) -> NDArray[np.float64]:
    """Return how much of a new value is taken."""
    tau = 1.0 / (2.0 * np.pi * np.asarray(cutoff_hz, dtype=np.float64))
    share: NDArray[np.float64] = 1.0 / (1.0 + tau / seconds)
    return share
