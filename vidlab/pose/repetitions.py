"""How often somebody did it: squats, jumping jacks, or whatever goes to and fro."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError
from vidlab.pose.measures import features
from vidlab.pose.poses import Poses, check_poses

if TYPE_CHECKING:
    import pandas as pd

# A movement counts once it went this far of the way, and came back as far.
_HIGH, _LOW = 0.65, 0.35

# Angles over which an exercise goes to and fro, and the least way in degrees that is no trembling.
_EXERCISES = {
    "squat": (("left_knee", "right_knee"), 35.0),
    "push up": (("left_elbow", "right_elbow"), 35.0),
    "lunge": (("left_knee", "right_knee"), 35.0),
    "jumping jacks": (("left_shoulder", "right_shoulder"), 50.0),
}


@dataclass(frozen=True)
class Repetitions:
    """Repetitions of one person.

    Attributes:
        count: How many were finished.
        segments: One row each: ``repetition`` from 1, ``start_seconds, end_seconds``.
        curve: One row a frame: ``frame_index, time_seconds, signal, phase, repetition``; the phase
            grows from 0 to 1 with each repetition, and is NaN outside.
    """

    count: int
    segments: pd.DataFrame
    curve: pd.DataFrame

    def __repr__(self) -> str:
        return f"<{self.count} repetition{'' if self.count == 1 else 's'}>"


def count_repetitions(
    poses: Poses,
    exercise: str,
    *,
    person: int | None = None,
    least_confidence: float = 0.2,
) -> Repetitions:
    """Count how often a person did an exercise.

    Args:
        poses: What a model found.
        exercise: ``"squat"``, ``"push up"``, ``"lunge"`` or ``"jumping jacks"``.
        person: The person's number; None takes who is seen longest.
        least_confidence: Below it a keypoint is as if it were not there.

    Raises:
        OptionError: No such exercise is known, or there is no such person.
    """
    check_poses(poses)
    if exercise not in _EXERCISES:
        raise OptionError(
            f"exercise must be one of {', '.join(_EXERCISES)}; got {exercise!r}. For another one "
            "give its curve to vidlab.pose.count_cycles."
        )
    if not len(poses.person):
        return count_cycles(np.empty(0), np.empty(0), least_range=1.0)
    if person is None:
        person = int(np.bincount(poses.person).argmax())
    rows = poses.person == person
    if not rows.any():
        raise OptionError(f"There is no person {person}; there are {np.unique(poses.person)}.")
    names, least_range = _EXERCISES[exercise]
    measured = features(poses, angles=names, least_confidence=least_confidence)[rows]
    both = measured[[f"{name}_angle_deg" for name in names]].to_numpy()
    seen = np.isfinite(both).any(axis=1)
    signal = np.full(len(both), np.nan)
    signal[seen] = np.nanmean(both[seen], axis=1)
    found = count_cycles(
        measured["time_seconds"].to_numpy(),
        signal,
        least_range=least_range,
    )
    found.curve.insert(0, "frame_index", measured["frame_index"].to_numpy())
    return found


def count_cycles(
    time_seconds: NDArray[np.float64], signal: NDArray[np.float64], *, least_range: float
) -> Repetitions:
    """Count how often a curve goes away from where it begins, and comes back.

    Its own range (5th to 95th percentile) says what is far. It has gone at 65 % of the way and is
    back at 35 %, so that what trembles in between is not counted.

    Args:
        time_seconds: float64 ``[T]``, increasing.
        signal: float64 ``[T]``; NaN where it is not known, which is bridged by a line.
        least_range: Range below which nothing happens at all.

    Returns:
        The repetitions; their curve has no ``frame_index``.
    """
    import pandas as pd

    known = np.isfinite(signal)
    phase = np.full(len(signal), np.nan)
    number = np.zeros(len(signal), dtype=np.int64)
    spans: list[tuple[float, float]] = []
    if known.sum() >= 3:
        filled = np.interp(time_seconds, time_seconds[known], signal[known])
        low, high = np.percentile(filled, [5, 95])
        if high - low >= least_range:
            share = (filled - low) / (high - low)
            # Away from where it began: most people begin, and wait, at one end.
            away = share if np.median(share[: max(1, len(share) // 10)]) < 0.5 else 1.0 - share
            spans = _cycles(time_seconds, away, phase, number)
    segments = pd.DataFrame(
        [(index + 1, start, end) for index, (start, end) in enumerate(spans)],
        columns=["repetition", "start_seconds", "end_seconds"],
    )
    curve = pd.DataFrame(
        {"time_seconds": time_seconds, "signal": signal, "phase": phase, "repetition": number}
    )
    return Repetitions(len(spans), segments, curve)


def _cycles(
    seconds: NDArray[np.float64],
    away: NDArray[np.float64],
    phase: NDArray[np.float64],
    number: NDArray[np.int64],
) -> list[tuple[float, float]]:
    """Find cycles, and write each frame's phase and number."""
    spans: list[tuple[float, float]] = []
    begin, is_away = 0, False
    for index, value in enumerate(away):
        if not is_away and value >= _HIGH:
            is_away = True
        elif is_away and value <= _LOW:
            is_away = False
            top = begin + int(away[begin : index + 1].argmax())
            start = _left(away, top)
            spans.append((float(seconds[start]), float(seconds[index])))
            part = slice(start, index + 1)
            # Half of the phase is the way there, half the way back, by how far it is.
            there = (
                0.5
                * (seconds[start : top + 1] - seconds[start])
                / max(seconds[top] - seconds[start], 1e-9)
            )
            back = 0.5 + 0.5 * (seconds[top + 1 : index + 1] - seconds[top]) / max(
                seconds[index] - seconds[top], 1e-9
            )
            phase[part] = np.concatenate([there, back])
            number[part] = len(spans)
            begin = index
    return spans


def _left(away: NDArray[np.float64], top: int) -> int:
    """Return the last frame before the top that was still near the beginning."""
    near = np.flatnonzero(away[: top + 1] <= _LOW)
    return int(near[-1]) if len(near) else 0
