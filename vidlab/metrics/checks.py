"""What all metrics ask of the arrays that they are given."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidlab.core.errors import OptionError, PredictionsError

#: Timestamps are rounded to microseconds, and their differences stray by less: 2.3 s is 2 s after
#: 0.3 s, though not in floats.
SLACK_SECONDS = 1e-6

# A softmax in half precision still adds up to one within this.
_SUM_TOLERANCE = 1e-2


def answers(values: ArrayLike) -> NDArray[np.floating]:
    """Return answers, one row each, as floats ``[N, C]``.

    Raises:
        PredictionsError: There are none, they have another shape, or are not finite numbers.
    """
    array = np.asarray(values)
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiu":
        raise PredictionsError(
            f"Answers are numbers [N, C], a row each and a column a class, and at least one; got "
            f"{array.dtype} {list(array.shape)}."
        )
    array = array.astype(np.float64) if array.dtype.kind in "iu" else array
    broken = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(broken):
        raise PredictionsError(
            f"{len(broken)} of {len(array)} answers are not finite, the first in row {broken[0]}. "
            "Find out what the model was given there, or leave these rows out."
        )
    return array


def probabilities(values: ArrayLike) -> NDArray[np.floating]:
    """Return probabilities, one distribution a row, as floats ``[N, C]``.

    Raises:
        PredictionsError: As :func:`answers`; or a row is no distribution, as logits are none.
    """
    array = answers(values)
    sums = array.sum(axis=1, dtype=np.float64)
    is_wrong = (array < 0).any(axis=1) | (np.abs(sums - 1.0) > _SUM_TOLERANCE)
    if is_wrong.any():
        row = int(is_wrong.argmax())
        raise PredictionsError(
            f"Probabilities are not negative and add up to 1 in each row; row {row} adds up to "
            f"{sums[row]:.6g}, and its least is {array[row].min():.6g}. Of logits take the softmax."
        )
    return array


def class_ids(values: ArrayLike, *, num_classes: int, what: str) -> NDArray[np.int64]:
    """Return class ids, int64 ``[N]``.

    Args:
        values: Whole numbers ``[N]``.
        num_classes: Ids are below it.
        what: What they are, as the start of a sentence.

    Raises:
        PredictionsError: There are none, they are no whole numbers, or an id is out of range.
    """
    array = np.asarray(values)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iu":
        raise PredictionsError(
            f"{what} needs class ids, whole numbers [N], at least one; got {array.dtype} "
            f"{list(array.shape)}. LabelMap.id_of tells the id of a label."
        )
    is_outside = (array < 0) | (array >= num_classes)
    if is_outside.any():
        row = int(is_outside.argmax())
        raise PredictionsError(
            f"{what} has the class id {array[row]} in row {row}; ids of {num_classes} classes are "
            f"0 to {num_classes - 1}. Are the label maps the same?"
        )
    return array.astype(np.int64)


def same_length(**arrays: NDArray[np.generic]) -> None:
    """Refuse arrays that do not have as many rows as each other.

    Raises:
        PredictionsError: They do not; the message names each with its number of rows.
    """
    if len({len(array) for array in arrays.values()}) > 1:
        found = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise PredictionsError(f"Rows belong together, one to one; got {found}.")


def numbers(values: ArrayLike, *, what: str) -> NDArray[np.float64]:
    """Return finite numbers, float64 ``[N]``; truth values are 0 and 1.

    Raises:
        PredictionsError: There are none, they have another shape, or one is not finite.
    """
    array = np.asarray(values)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "fiub":
        raise PredictionsError(
            f"{what} are numbers [N], at least one; got {array.dtype} {list(array.shape)}."
        )
    array = array.astype(np.float64)
    broken = np.flatnonzero(~np.isfinite(array))
    if len(broken):
        raise PredictionsError(
            f"{what} are finite numbers; got {array[broken[0]]} in row {broken[0]}."
        )
    return array


def times(values: ArrayLike) -> NDArray[np.float64]:
    """Return the times of answers, float64 ``[N]`` in seconds, which never go back.

    Raises:
        PredictionsError: As :func:`numbers`; or a time is before the one of the row above.
    """
    array = numbers(values, what="Times in seconds")
    back = np.flatnonzero(np.diff(array) < 0)
    if len(back):
        row = int(back[0]) + 1
        raise PredictionsError(
            f"Times never go back; row {row} is at {array[row]} s, after {array[row - 1]} s. Give "
            "the answers of one video, in order."
        )
    return array


def positive_count(value: int, *, what: str) -> int:
    """Return a whole number from 1 on.

    Raises:
        OptionError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise OptionError(f"{what} must be a positive whole number; got {value!r}.")
    return int(value)


def not_negative(value: float, *, what: str) -> float:
    """Return a finite number from 0 on.

    Raises:
        OptionError: It is none.
    """
    is_number = isinstance(value, (int, float, np.integer, np.floating))
    if not is_number or isinstance(value, bool) or not 0 <= value < np.inf:
        raise OptionError(f"{what} must be a number from 0 on; got {value!r}.")
    return float(value)


def truth_values(values: ArrayLike, what: str) -> NDArray[np.bool_]:
    """Return truth values ``[N]``.

    Raises:
        PredictionsError: They are something else, or there are none.
    """
    array = np.asarray(values)
    if array.ndim != 1 or not array.size or array.dtype != np.bool_:
        raise PredictionsError(
            f"{what} are truth values [N], at least one; got {array.dtype} {list(array.shape)}."
        )
    return array
