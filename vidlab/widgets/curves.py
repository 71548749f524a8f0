"""Numbers over time that are drawn under the picture: angles, speeds, distances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError
from vidlab.widgets.keypoints import Gaps
from vidlab.widgets.tables import Rows, numbers, persons, sorted_table, usual_step

if TYPE_CHECKING:
    import pandas as pd

DISTANCE = "A ↔ B, px"
"""Name of the curve of how far two models' keypoints are apart."""

MAX_CURVES = 8
"""Lanes that a timeline has room for."""

# Columns that say where a row belongs.
_PLACES = ("frame_index", "time_seconds", "person")


@dataclass(frozen=True)
class Line(Rows):
    """One line of a curve: a value a frame.

    Attributes:
        person: Whose it is; -1 where it is nobody's.
        values: float64 ``[N]``, NaN where there is none.
    """

    person: int
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A number over time, one line a person.

    Attributes:
        name: Of the column.
        low: Smallest value.
        high: Largest value.
        lines: One a person.
    """

    name: str
    low: float
    high: float
    lines: tuple[Line, ...]


def read_curves(given: Any) -> tuple[Curve, ...]:
    """Understand a table of numbers over time; None is none.

    Args:
        given: A DataFrame with frame_index, where known person (and time_seconds, which the
            video's own times stand for), and columns of numbers.

    Raises:
        OptionError: It is no DataFrame, it has no column of numbers or too many, or a person has
            two values on one frame.
    """
    if given is None:
        return ()
    table = sorted_table(given, "curves", ("frame_index",), ("person",))
    names = [str(name) for name in table.columns if name not in _PLACES]
    if not 1 <= len(names) <= MAX_CURVES:
        raise OptionError(
            f"curves needs 1 to {MAX_CURVES} columns of numbers beside frame_index; got "
            f"{len(names)}. Choose some: curves=table[['frame_index', 'left_knee_angle_deg']]."
        )
    frames = numbers(table, "curves", "frame_index").astype(np.int64)
    person = persons(table["person"]) if "person" in table else np.full(len(table), -1)
    if len(np.unique(np.stack([frames, person]), axis=1).T) != len(frames):
        raise OptionError(
            "curves has two rows for one frame. Is it about several people? Then it needs a "
            "column 'person'."
        )
    return tuple(_curve(table, name, frames, person) for name in names)


def _curve(
    table: pd.DataFrame, name: str, frames: NDArray[np.int64], person: NDArray[np.int64]
) -> Curve:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(table[name]):
        raise OptionError(f"curves: column {name!r} must hold numbers; got {table[name].dtype}.")
    values = table[name].to_numpy(np.float64, na_value=np.nan)
    lines = [
        _line(int(each), frames[person == each], values[person == each])
        for each in np.unique(person)
    ]
    return _of_lines(name, lines)


def distance_curve(gaps: Gaps) -> Curve:
    """Return how far two models' keypoints are apart on each frame, px, as the mean of all."""
    apart = np.linalg.norm(gaps.from_px - gaps.to_px, axis=1)
    frames, which = np.unique(gaps.frame_index, return_inverse=True)
    means = np.bincount(which, weights=apart) / np.maximum(np.bincount(which), 1)
    return _of_lines(DISTANCE, [_line(-1, frames, means)])


def _line(person: int, frames: NDArray[np.int64], values: NDArray[np.float64]) -> Line:
    known = np.where(np.isfinite(values), values, np.nan)
    return Line(frame_index=frames, hold=usual_step(frames), person=person, values=known)


def _of_lines(name: str, lines: list[Line]) -> Curve:
    every = np.concatenate([each.values for each in lines]) if lines else np.empty(0)
    known = every[np.isfinite(every)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    return Curve(name=name, low=low, high=high, lines=tuple(lines))
