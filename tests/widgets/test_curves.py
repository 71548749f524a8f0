"""Curves that people hand in, and how they reach the page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vidlab.core.errors import OptionError
from vidlab.widgets.curves import distance_curve, read_curves
from vidlab.widgets.keypoints import Gaps
from vidlab.widgets.payload import describe_overlays

TABLE = pd.DataFrame(
    {
        "frame_index": [4, 0, 2, 0], "time_seconds": 0.0, "person": [1, 1, 1, 7],
        "angle_deg": [90.0, 10.0, np.inf, 20.0], "count": [1, 2, 3, 4],
    }
)  # fmt: skip


def test_each_column_is_a_curve_with_a_line_a_person() -> None:
    angle, count = read_curves(TABLE)
    assert (angle.name, angle.low, angle.high) == ("angle_deg", 10.0, 90.0)
    assert (count.low, count.high) == (1.0, 4.0)
    first, second = angle.lines
    assert (first.person, second.person) == (1, 7)
    np.testing.assert_array_equal(first.frame_index, [0, 2, 4])
    np.testing.assert_array_equal(first.values, [10.0, np.nan, 90.0])
    assert first.hold == 2


def test_the_page_gets_them_as_arrays() -> None:
    told, buffers = describe_overlays(None, None, read_curves(TABLE))
    assert [each["name"] for each in told["curves"]] == ["angle_deg", "count"]
    assert told["curves"][0]["lines"] == [{"person": 1, "hold": 2}, {"person": 7, "hold": 1}]
    assert len(buffers) == 8
    np.testing.assert_array_equal(np.frombuffer(buffers[0], "<i4"), [0, 2, 4])
    np.testing.assert_array_equal(np.frombuffer(buffers[1], "<f4"), [10.0, np.nan, 90.0])


def test_distances_are_a_mean_a_frame() -> None:
    gaps = Gaps(
        frame_index=np.array([3, 3, 6]), hold=3, names=("nose",), keypoint=np.zeros(3, dtype=int),
        from_px=np.zeros((3, 2)), to_px=np.array([[3.0, 4.0], [0.0, 1.0], [6.0, 8.0]]),
    )  # fmt: skip
    curve = distance_curve(gaps)
    np.testing.assert_array_equal(curve.lines[0].frame_index, [3, 6])
    np.testing.assert_array_equal(curve.lines[0].values, [3.0, 10.0])
    assert (curve.low, curve.high) == (3.0, 10.0)


def test_nothing_is_no_curve() -> None:
    assert read_curves(None) == ()
    (empty,) = read_curves(TABLE[["frame_index", "count"]].iloc[:0])
    assert empty.lines == ()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([1, 2], "must be a DataFrame"),
        (TABLE[["count"]], "frame_index is missing"),
        (TABLE[["frame_index", "person"]], "1 to 8 columns of numbers"),
        (TABLE.assign(**{f"c{i}": 0.0 for i in range(9)}), "got 11"),
        (TABLE.drop(columns="person"), "needs a column 'person'"),
        (TABLE.assign(count="many"), "column 'count' must hold numbers"),
        (TABLE.assign(frame_index=-1), "whole numbers from 0"),
    ],
)
def test_what_is_of_another_kind_is_refused(table: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        read_curves(table)
