"""Tables about frames that people hand in: checked, sorted, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Rows:
    """Rows of a table about frames.

    Attributes:
        frame_index: int64 ``[N]``, never decreasing.
        hold: Frames for which a row is shown at most, until the next annotated frame.
    """

    frame_index: NDArray[np.int64]
    hold: int

    def rows_at(self, frame_index: int) -> range:
        """Return the rows that are shown with a frame."""
        stop = int(np.searchsorted(self.frame_index, frame_index, side="right"))
        if not stop or frame_index - self.frame_index[stop - 1] >= self.hold:
            return range(0)
        return range(int(np.searchsorted(self.frame_index, self.frame_index[stop - 1])), stop)


def sorted_table(
    given: Any, what: str, needed: Sequence[str], extras: Sequence[str]
) -> pd.DataFrame:
    """Return a table by frame.

    Args:
        given: The DataFrame.
        what: The option that it was given for.
        needed: Columns that it must have.
        extras: Columns that it may have.

    Raises:
        OptionError: It is no DataFrame, or a column is missing, misspelt or holds something else.
    """
    import pandas as pd

    if not isinstance(given, pd.DataFrame):
        raise OptionError(
            f"{what} must be a DataFrame with the columns {', '.join(needed)}; "
            f"got {type(given).__name__}."
        )
    check_columns(given, what, needed, extras)
    frames = numbers(given, what, "frame_index")
    if len(frames) and (frames.min() < 0 or (frames != np.floor(frames)).any()):
        raise OptionError(f"{what}: column 'frame_index' must hold whole numbers from 0.")
    return given.sort_values("frame_index", kind="stable", ignore_index=True)


def check_columns(
    table: pd.DataFrame, what: str, needed: Sequence[str], extras: Sequence[str]
) -> None:
    """Check that columns are there, and that none is nearly one of `extras`."""
    others = [str(name) for name in table.columns if name not in (*needed, *extras)]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        hint = did_you_mean(missing[0], others).replace("Did you mean", "Is it")
        raise OptionError(
            f"{what} needs the columns {', '.join(needed)}; {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing.{hint}"
        )
    for name in others:
        # Columns of other things may stay; one that is nearly ours is a slip.
        hint = did_you_mean(name, [each for each in extras if each not in table.columns])
        if hint:
            raise OptionError(f"{what} has a column {name!r}, which nothing reads.{hint}")


def numbers(table: pd.DataFrame, what: str, name: str) -> NDArray[np.float64]:
    """Return a column of finite numbers."""
    try:
        values = np.asarray(table[name], dtype=np.float64)
    except (TypeError, ValueError):
        values = np.full(1, np.nan)
    if not np.isfinite(values).all():
        raise OptionError(f"{what}: column {name!r} must hold a finite number in every row.")
    return values


def confidence(table: pd.DataFrame, what: str) -> NDArray[np.float64]:
    """Return the confidences, NaN where there is none."""
    import pandas as pd

    if "confidence" not in table:
        return np.full(len(table), np.nan)
    values = pd.to_numeric(table["confidence"], errors="coerce").to_numpy(
        np.float64, na_value=np.nan
    )
    known = values[np.isfinite(values)]
    if len(known) and (known.min() < 0 or known.max() > 1):
        raise OptionError(f"{what}: column 'confidence' must be from 0 to 1.")
    return np.asarray(values)


def codes(column: pd.Series[Any]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return a number for each value, -1 where there is none, and the values.

    Raises:
        OptionError: There are lists among them.
    """
    import pandas as pd

    try:
        codes, names = pd.factorize(column, use_na_sentinel=True)
    except TypeError as error:  # of what cannot be looked up
        raise OptionError(
            f"The column {str(column.name)!r} must hold single values, such as texts; {error}."
        ) from error
    return codes.astype(np.int64), tuple(str(name) for name in names)


def persons(column: pd.Series[Any]) -> NDArray[np.int64]:
    """Return numbers of people, who may be named."""
    import pandas as pd

    if pd.api.types.is_integer_dtype(column) and not column.isna().any():
        return column.to_numpy(np.int64)
    return codes(column)[0]


def none(table: pd.DataFrame) -> NDArray[np.int64]:
    """Return -1 for every row."""
    return np.full(len(table), -1, dtype=np.int64)


def usual_step(frames: NDArray[np.int64]) -> int:
    """Return how many frames lie between two that are annotated."""
    steps = np.diff(np.unique(frames))
    return max(1, int(np.median(steps))) if len(steps) else 1
