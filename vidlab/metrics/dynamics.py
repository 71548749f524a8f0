"""How a model makes up its mind in a video: how soon, how often anew, and for what."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidlab.core.errors import PredictionsError
from vidlab.metrics import checks


def time_to_stable(
    time_seconds: ArrayLike, label_ids: ArrayLike, *, hold_seconds: float | None = None
) -> float:
    """Return when the most probable label was first given that then stayed.

    Args:
        time_seconds: ``[N]``, when each answer of one video was given, in order.
        label_ids: Class ids ``[N]``, the most probable of each answer.
        hold_seconds: How long it must stay, until an answer differs or, if none does, until the
            last answer. None: to the end, whatever is left of it.

    Returns:
        The first such answer's time, on the clock of `time_seconds`; NaN where no label stays for
        `hold_seconds`.

    Raises:
        PredictionsError: The arrays do not fit, are empty, or times go back.
        OptionError: `hold_seconds` is negative.
    """
    times, ids = _answers(time_seconds, label_ids)
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    if hold_seconds is None:
        return float(times[starts[-1]])
    least = checks.not_negative(hold_seconds, what="hold_seconds") - checks.SLACK_SECONDS
    ends = np.append(times[starts[1:]], times[-1])
    stays = np.flatnonzero(ends - times[starts] >= least)
    return float(times[starts[stays[0]]]) if len(stays) else float("nan")


def flicker_rate(time_seconds: ArrayLike, label_ids: ArrayLike) -> float:
    """Return how often the most probable label changes, in changes a second.

    Args:
        time_seconds: ``[N]``, when each answer of one video was given, in order.
        label_ids: Class ids ``[N]``, the most probable of each answer.

    Returns:
        Changes from one answer to the next, over the time from the first answer to the last; NaN
        where no time goes by.

    Raises:
        PredictionsError: The arrays do not fit, are empty, or times go back.
    """
    times, ids = _answers(time_seconds, label_ids)
    seconds = times[-1] - times[0]
    return float(np.count_nonzero(np.diff(ids)) / seconds) if seconds > 0 else float("nan")


def agreement(label_ids: ArrayLike, whole_id: int) -> float:
    """Return the share of answers that are what the whole clip was taken for.

    Args:
        label_ids: Class ids ``[N]``, the most probable of each answer.
        whole_id: Class id of the answer to the whole clip: the last one of a streaming model, or
            that of a model which sees all at once.

    Returns:
        From 0 to 1.

    Raises:
        PredictionsError: There are no answers, or what is given are no class ids.
    """
    ids = _ids(label_ids)
    if isinstance(whole_id, bool) or not isinstance(whole_id, (int, np.integer)) or whole_id < 0:
        raise PredictionsError(
            f"whole_id is a class id, a whole number from 0 on; got {whole_id!r}."
        )
    return float((ids == whole_id).mean())


def _answers(
    time_seconds: ArrayLike, label_ids: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    times, ids = checks.times(time_seconds), _ids(label_ids)
    checks.same_length(time_seconds=times, label_ids=ids)
    return times, ids


def _ids(label_ids: ArrayLike) -> NDArray[np.int64]:
    # However long the label map is.
    return checks.class_ids(
        label_ids, num_classes=np.iinfo(np.int64).max, what="What was predicted"
    )
