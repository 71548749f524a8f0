"""When answers settle and how often they change, against loops over the answers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidlab import metrics
from vidlab.core.errors import OptionError, PredictionsError

# Answers of one video: times in tenths of a second from 2 s on, and labels.
VIDEOS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=14).map(
    lambda rows: (
        np.cumsum([20] + [step for step, _ in rows[1:]]) / 10,
        np.array([label for _, label in rows]),
    )
)


def by_looking_ahead(times: list[float], ids: list[int], hold: float | None) -> float:
    """From each answer on, look when another comes."""
    for start, label in enumerate(ids):
        if start and ids[start - 1] == label:
            continue  # the stretch began before
        ahead = [i for i in range(start, len(ids)) if ids[i] != label]
        if hold is None:
            if not ahead:
                return times[start]
        elif times[ahead[0] if ahead else -1] - times[start] >= hold - 1e-6:
            return times[start]
    return math.nan


@given(video=VIDEOS, hold=st.none() | st.integers(0, 40).map(lambda tenths: tenths / 10))
def test_stable_is_what_no_answer_ahead_changes(
    video: tuple[np.ndarray, np.ndarray], hold: float | None
) -> None:
    times, ids = video
    found = metrics.time_to_stable(times, ids, hold_seconds=hold)
    expected = by_looking_ahead(times.tolist(), ids.tolist(), hold)
    assert found == expected or (math.isnan(found) and math.isnan(expected))


def test_stable_by_hand() -> None:
    times = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    ids = [4, 1, 1, 1, 2, 2]
    assert metrics.time_to_stable(times, ids) == 2.0
    assert metrics.time_to_stable(times, ids, hold_seconds=0) == 0.0
    assert metrics.time_to_stable(times, ids, hold_seconds=1.0) == 0.5
    assert metrics.time_to_stable(times, ids, hold_seconds=1.5) == 0.5
    assert math.isnan(metrics.time_to_stable(times, ids, hold_seconds=1.6))
    assert metrics.time_to_stable([0.3, 2.3], [0, 0], hold_seconds=2.0) == 0.3  # 2.3 - 0.3 < 2
    assert metrics.time_to_stable([7.0], [3]) == 7.0


@given(video=VIDEOS)
def test_flicker_counts_changes_over_time(video: tuple[np.ndarray, np.ndarray]) -> None:
    times, ids = video
    changes = sum(a != b for a, b in itertools.pairwise(ids))
    found = metrics.flicker_rate(times, ids)
    if times[-1] == times[0]:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(changes / (times[-1] - times[0]))


@given(video=VIDEOS, whole=st.integers(0, 3))
def test_agreement_is_a_share_of_answers(video: tuple[np.ndarray, np.ndarray], whole: int) -> None:
    _, ids = video
    assert metrics.agreement(ids, whole) == ids.tolist().count(whole) / len(ids)


def test_answers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(PredictionsError, match=r"row 2 is at 0.5 s, after 1.0 s"):
        metrics.time_to_stable([0.0, 1.0, 0.5], [0, 0, 0])
    with pytest.raises(PredictionsError, match="time_seconds 2, label_ids 3"):
        metrics.flicker_rate([0.0, 1.0], [0, 0, 0])
    with pytest.raises(PredictionsError, match="at least one"):
        metrics.flicker_rate([], [])
    with pytest.raises(PredictionsError, match="got nan in row 0"):
        metrics.time_to_stable([np.nan, 1.0], [0, 0])
    with pytest.raises(PredictionsError, match="class id -1 in row 1"):
        metrics.agreement([0, -1], 0)
    for whole in (-1, 0.5, "running"):
        with pytest.raises(PredictionsError, match="whole_id is a class id"):
            metrics.agreement([0, 1], whole)
    for hold in (-1.0, math.nan, "1"):
        with pytest.raises(OptionError, match="hold_seconds must be a number from 0 on"):
            metrics.time_to_stable([0.0], [0], hold_seconds=hold)
