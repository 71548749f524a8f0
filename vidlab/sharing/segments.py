"""Segments: stretches of a video with one label, made of answers or read from a table."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError, PredictionsError, did_you_mean
from vidlab.core.naming import printable
from vidlab.core.numbers import is_number
from vidlab.predictions import Predictions

if TYPE_CHECKING:
    import pandas as pd

_NEEDED = ("video", "start_seconds", "end_seconds", "label")

# Timestamps are rounded to microseconds, and their differences stray by less.
_SLACK_SECONDS = 1e-6


class Segment(NamedTuple):
    """A stretch of a video with one label.

    Attributes:
        video: Name of the video.
        model: Title of the model that said so; None where it is not known, or was a person.
        start_seconds: When it starts, on the video's own clock.
        end_seconds: When it has ended; later than its start.
        label: What is to be seen.
        probability: From 0 to 1; None where it is not known.
    """

    video: str
    model: str | None
    start_seconds: float
    end_seconds: float
    label: str
    probability: float | None


# ---- from answers ----------------------------------------------------------------------------


def to_segments(
    predictions: object,
    *,
    min_probability: float = 0.0,
    min_seconds: float = 0.0,
    end_seconds: float | None = None,
) -> pd.DataFrame:
    """Return the stretches in which a model's most probable label stays the same.

    An answer holds from its frame until the next answer, the last one for as long as answers
    usually hold. Of answers at one time the last holds. The most probable label is that of
    `Predictions.top1`, whatever the options of the table.

    Args:
        predictions: Predictions, several, or what has them as ``.predictions``: a comparison, a
            recording.
        min_probability: Least probability of an answer that counts, from 0 to 1. One below it
            ends a stretch and is in none.
        min_seconds: Stretches shorter than this are left out.
        end_seconds: When the video ends, and with it the last answer, on the video's own clock.

    Returns:
        One row per stretch, by predictions and in order of time: ``video, model`` (its title),
        ``start_seconds, end_seconds`` (half-open), ``label`` and ``probability``, the mean of its
        answers' probabilities.

    Raises:
        OptionError: What was given are no predictions, or a number is out of range.
        PredictionsError: All answers are at one time, and `end_seconds` does not say how long
            they hold.
    """
    import pandas as pd

    if not is_number(min_probability) or not 0 <= min_probability <= 1:
        raise OptionError(
            f"min_probability must be a number between 0 and 1; got {min_probability!r}."
        )
    if not is_number(min_seconds) or not 0 <= min_seconds < math.inf:
        raise OptionError(
            "min_seconds must be a number of seconds, finite and not negative; got "
            f"{min_seconds!r}."
        )
    found = [
        segment
        for each in as_predictions(predictions)
        for segment in _runs(each, min_probability, end_seconds)
        if segment.end_seconds - segment.start_seconds >= min_seconds - _SLACK_SECONDS
    ]
    types = {
        "video": "str", "model": "str", "start_seconds": "float64", "end_seconds": "float64",
        "label": "str", "probability": "float64",
    }  # fmt: skip
    return pd.DataFrame(found, columns=list(types)).astype(types)


def _runs(
    predictions: Predictions, min_probability: float, end_seconds: float | None
) -> Iterator[Segment]:
    if not len(predictions):
        return
    starts = predictions.time_seconds
    ends = np.append(starts[1:], _end_of_last(predictions, end_seconds))
    ids = predictions.logits.argmax(axis=1)
    best = predictions.probabilities[np.arange(len(ids)), ids].astype(np.float64)
    rows: NDArray[np.intp] = np.flatnonzero((ends > starts) & (best >= min_probability))
    breaks = (ids[rows[1:]] != ids[rows[:-1]]) | (starts[rows[1:]] != ends[rows[:-1]])
    for run in np.split(rows, np.flatnonzero(breaks) + 1):
        if len(run):  # of no rows, split makes one empty run
            yield Segment(
                video=printable(predictions.video),
                model=predictions.title,
                start_seconds=float(starts[run[0]]),
                end_seconds=float(ends[run[-1]]),
                label=predictions.labels[int(ids[run[0]])],
                probability=float(best[run].mean()),
            )


def _end_of_last(predictions: Predictions, end_seconds: float | None) -> float:
    times = predictions.time_seconds
    last = float(times[-1])
    if end_seconds is not None:
        if not is_number(end_seconds) or not last < end_seconds < math.inf:
            raise OptionError(
                f"end_seconds must be a time after the last answer, which {predictions.title} "
                f"gave at {last:g} s of {predictions.video!r}; got {end_seconds!r}."
            )
        return float(end_seconds)
    steps = np.diff(times)
    steps = steps[steps > 0]
    if not len(steps):
        raise PredictionsError(
            f"{predictions.title} answered on {predictions.video!r} at one time only, {last:g} s, "
            "which does not tell how long the answer holds. Give to_segments the video's "
            "end_seconds."
        )
    return last + float(np.median(steps))


# ---- from what is handed in ------------------------------------------------------------------


def read_segments(given: object) -> list[Segment]:
    """Return the segments of predictions, or those that a table has in its rows.

    Args:
        given: What `to_segments` takes, or a DataFrame with the columns ``video, start_seconds,
            end_seconds, label``, and where wanted ``model`` and ``probability``.

    Raises:
        OptionError: It is neither.
        PredictionsError: A column is missing, or a row is no segment.
    """
    import pandas as pd

    table = given if isinstance(given, pd.DataFrame) else to_segments(given)
    missing = [name for name in _NEEDED if name not in table]
    if missing:
        raise PredictionsError(
            f"A table of segments has the columns {', '.join(_NEEDED)}; got "
            f"{', '.join(map(str, table.columns)) or 'none'}."
            + did_you_mean(missing[0], map(str, table.columns))
        )
    nothing = [None] * len(table)
    columns = [table.get(name, nothing) for name in Segment._fields]
    return [_segment(row, *values) for row, values in enumerate(zip(*columns, strict=True))]


def _segment(
    row: int, video: Any, model: Any, start: Any, end: Any, label: Any, probability: Any
) -> Segment:
    where = f"Row {row} of the table of segments"
    if not isinstance(video, (str, os.PathLike)):
        raise PredictionsError(f"{where}: video must be a video's name; got {video!r:.80}.")
    if not isinstance(label, str) or not label.strip():
        raise PredictionsError(f"{where}: a label is a text that is not blank; got {label!r:.80}.")
    if not (is_number(start) and is_number(end) and -math.inf < start < end < math.inf):
        raise PredictionsError(
            f"{where}: a segment starts before it ends, both in seconds; got {start!r:.40} to "
            f"{end!r:.40}. Write the video's own start and end where they are left open."
        )
    if _is_nothing(probability):
        probability = None
    elif not is_number(probability) or not 0 <= probability <= 1:
        raise PredictionsError(
            f"{where}: a probability is a number between 0 and 1; got {probability!r:.80}."
        )
    return Segment(
        video=os.fspath(video),
        model=None if _is_nothing(model) else str(model),
        start_seconds=float(start),
        end_seconds=float(end),
        label=label,
        probability=None if probability is None else float(probability),
    )


def _is_nothing(value: Any) -> bool:
    import pandas as pd

    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def as_predictions(given: object) -> list[Predictions]:
    """Return predictions as a list.

    Args:
        given: Predictions, a list of them, or what has them as ``.predictions``.

    Raises:
        OptionError: It is something else, or an empty list.
    """
    inner = getattr(given, "predictions", given)
    found: list[Any] = list(inner) if isinstance(inner, (list, tuple)) else [inner]
    wrong = [each for each in found if not isinstance(each, Predictions)]
    if wrong or not found:
        raise OptionError(
            "Predictions are needed, which vidlab.predict gives for a model that answers with "
            f"labels, or several; got {(wrong or [given])[0]!r:.200}."
        )
    return found
