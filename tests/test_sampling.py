"""Sampling: examples with known answers, and properties that hold for any video."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidlab.core.errors import SamplingError
from vidlab.sampling import RateSampler, at_rate, every_nth, uniform_clips, windows

RATES = st.one_of(
    st.integers(1, 240).map(float),
    st.floats(0.01, 500),
    st.sampled_from([Fraction(24000, 1001), Fraction(30000, 1001), 7.5, 5]),
)


@st.composite
def timestamps(draw, *, min_size=1, min_gap_ms=1):
    """Timestamps in whole milliseconds: variable rate, any start."""
    gaps = draw(st.lists(st.integers(min_gap_ms, 2000), min_size=min_size - 1, max_size=80))
    start = draw(st.integers(-5000, 100_000_000))
    return np.cumsum([start, *gaps]) / 1000


def stream(pts, fps, end_seconds=None):
    sampler = RateSampler(fps)
    found = [sampler.push(value) for value in pts] + [sampler.finish(end_seconds)]
    return [index for index in found if index is not None]


def on_screen(pts, instant):
    """The definition, spelled out: the last frame with a timestamp up to the instant."""
    return max(i for i, value in enumerate(pts) if value <= instant + 1e-6)


# ---- at_rate ---------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0.0, 0.22, 1234.5678, 95443.7])
@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 10])
def test_whole_fraction_of_the_rate_is_every_nth(start, fps, n):
    pts = start + np.arange(20 * n) / fps
    assert at_rate(pts, Fraction(fps, n)).tolist() == list(range(0, 20 * n, n))
    assert at_rate(pts, fps / n).tolist() == list(range(0, 20 * n, n))


@pytest.mark.parametrize("num_frames", range(1, 31))
def test_thirty_to_five_frames_per_second_for_any_length(num_frames):
    pts = np.arange(num_frames) / 30
    assert at_rate(pts, 5).tolist() == list(range(0, num_frames, 6))
    assert at_rate(pts, 5, end_seconds=num_frames / 30).tolist() == list(range(0, num_frames, 6))


def test_timestamps_rounded_to_microseconds_as_ffprobe_prints_them():
    pts = np.round(np.arange(300) / 30, 6)
    assert at_rate(pts, 7.5).tolist() == list(range(0, 300, 4))


def test_ntsc_drifts_by_a_frame_now_and_then():
    pts = np.arange(3000) * 1001 / 30000
    steps = np.diff(at_rate(pts, 5))
    # 29.97 / 5 = 5.994: nearly always six frames, once in a while five.
    assert set(steps.tolist()) == {5, 6}
    assert (steps == 5).mean() == pytest.approx(0.006, abs=0.002)


def test_variable_rate_takes_what_is_on_screen():
    pts = [0.0, 0.1, 0.5, 0.55, 0.6, 1.4, 1.5]
    # Instants 0, .2, .4 show 0, 1, 1; .6 to 1.2 show frame 4; 1.4 shows 5.
    assert at_rate(pts, 5).tolist() == [0, 1, 4, 5]


def test_a_rate_above_the_video_takes_every_frame_once():
    assert at_rate(np.arange(10) / 10, 1000).tolist() == list(range(10))


def test_the_end_decides_whether_the_last_frame_is_on_screen():
    pts = [0.0, 0.15]
    assert at_rate(pts, 5, end_seconds=0.2).tolist() == [0]
    assert at_rate(pts, 5, end_seconds=0.21).tolist() == [0, 1]
    assert at_rate(pts, 5).tolist() == [0, 1]  # lasts 0.15 s, as the frame before it


def test_of_two_frames_at_one_time_the_later_is_on_screen():
    assert at_rate([0.0, 0.5, 0.5, 1.0], 2).tolist() == [0, 2, 3]


def test_no_frames_and_one_frame():
    assert at_rate([], 5).tolist() == []
    assert stream([], 5) == []
    assert at_rate([7.0], 5).tolist() == [0]
    assert at_rate([7.0], 5, end_seconds=7.0).tolist() == [0]


@given(timestamps(), RATES, st.one_of(st.none(), st.integers(0, 3000)))
def test_streaming_twin_is_equal(pts, fps, extra_ms):
    end = None if extra_ms is None else pts[-1] + extra_ms / 1000
    assert stream(pts, fps, end) == at_rate(pts, fps, end_seconds=end).tolist()


@given(timestamps(), RATES)
def test_sampled_frames_are_sorted_unique_and_in_range(pts, fps):
    found = at_rate(pts, fps)
    assert found.dtype == np.int64
    assert found[0] == 0
    assert np.all(np.diff(found) > 0)
    assert found[-1] < len(pts)


@given(timestamps(), st.integers(1, 60))
def test_equal_to_the_definition(pts, fps):
    end = pts[-1] + 0.5
    instants = [pts[0] + Fraction(k, fps) for k in range(int((end - pts[0]) * fps) + 2)]
    expected = {on_screen(pts, t) for t in instants if t + Fraction(1, 10**6) < end}
    # Only where an instant falls within the slack of a timestamp could rounding decide.
    edges = np.append(pts, end)
    clear = all(
        min(abs(float(t) + 1e-6 - edge) for edge in edges) > 1e-7 or t == pts[0] for t in instants
    )
    if clear:
        assert at_rate(pts, fps, end_seconds=end).tolist() == sorted(expected)


@given(timestamps(min_size=2), RATES)
def test_no_gap_is_longer_than_needed(pts, fps):
    found = at_rate(pts, fps)
    period = 1 / float(fps)
    for here, after in pairwise(found):
        # Between two sampled frames lies at most one period, beyond what one frame covers.
        assert pts[after] - pts[here + 1] <= period + 1e-5


@given(timestamps(), st.integers(1, 50), st.integers(2, 8))
def test_a_multiple_of_the_rate_takes_at_least_the_same_frames(pts, fps, factor):
    fewer, more = at_rate(pts, fps), at_rate(pts, fps * factor)
    assert set(fewer.tolist()) <= set(more.tolist())


@given(timestamps(), st.integers(1, 60))
def test_start_does_not_matter(pts, fps):
    shifted = np.round(pts + 3600.0, 3)
    assert at_rate(shifted, fps).tolist() == at_rate(pts, fps).tolist()


# ---- counts ----------------------------------------------------------------------------------


def test_every_nth():
    assert every_nth(10, 3).tolist() == [0, 3, 6, 9]
    assert every_nth(10, 3, start=2).tolist() == [2, 5, 8]
    assert every_nth(0, 3).tolist() == []
    assert every_nth(5, 1).tolist() == [0, 1, 2, 3, 4]


def lists(clips):
    return [clip.tolist() for clip in clips]


def test_batches_of_four_and_their_tail():
    whole = [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert lists(windows(10, 4)) == whole
    assert lists(windows(10, 4, tail="pad")) == [*whole, [8, 9, 9, 9]]
    assert lists(windows(10, 4, tail="loop")) == [*whole, [8, 9, 8, 9]]
    assert lists(windows(10, 4, tail="keep")) == [*whole, [8, 9]]
    assert lists(windows(8, 4, tail="pad")) == whole


def test_rolling_window_has_no_tail():
    expected = [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    for tail in ("drop", "pad", "loop", "keep"):
        assert lists(windows(5, 3, hop=1, tail=tail)) == expected


def test_stride_and_hop():
    assert lists(windows(10, 3, stride=2)) == [[0, 2, 4]]
    assert lists(windows(11, 3, stride=2)) == [[0, 2, 4], [6, 8, 10]]
    assert lists(windows(10, 3, stride=2, tail="keep")) == [[0, 2, 4], [6, 8]]
    assert lists(windows(10, 2, hop=5)) == [[0, 1], [5, 6]]


def test_a_video_shorter_than_a_clip():
    assert windows(3, 4) == []
    assert lists(windows(3, 4, tail="pad")) == [[0, 1, 2, 2]]
    assert windows(0, 4, tail="pad") == []


def test_uniform_clips_reach_from_the_first_frame_to_the_last():
    assert lists(uniform_clips(10, 2, num_clips=3)) == [[0, 1], [4, 5], [8, 9]]
    assert lists(uniform_clips(10, 3, num_clips=2, stride=2)) == [[0, 2, 4], [5, 7, 9]]
    assert lists(uniform_clips(10, 4, num_clips=1)) == [[0, 1, 2, 3]]
    assert lists(uniform_clips(3, 2, num_clips=4)) == [[0, 1], [0, 1], [0, 1], [1, 2]]
    assert lists(uniform_clips(2, 3, num_clips=2)) == [[0, 1, 1], [0, 1, 1]]
    assert uniform_clips(2, 3, num_clips=2, tail="drop") == []


COUNTS = {
    "num_frames": st.integers(0, 200),
    "length": st.integers(1, 40),
    "stride": st.integers(1, 6),
    "hop": st.one_of(st.none(), st.integers(1, 50)),
}


@given(**COUNTS, tail=st.sampled_from(["drop", "pad", "loop", "keep"]))
def test_windows_hold_real_frames_and_lose_none(num_frames, length, stride, hop, tail):
    found = windows(num_frames, length, stride=stride, hop=hop, tail=tail)
    step = length * stride if hop is None else hop
    for k, clip in enumerate(found):
        assert clip.dtype == np.int64
        assert clip[0] == k * step
        assert clip.max() < num_frames
        if tail == "keep" and k == len(found) - 1:
            assert 1 <= len(clip) <= length
        else:
            assert len(clip) == length
    if tail == "drop":
        for clip in found:
            assert np.all(np.diff(clip) == stride)
        next_end = len(found) * step + (length - 1) * stride
        assert next_end >= num_frames  # no further whole clip would fit
    if stride == 1 and step <= length and tail != "drop":
        seen = set(np.concatenate(found).tolist()) if found else set()
        assert seen == set(range(num_frames))


@given(
    num_frames=COUNTS["num_frames"],
    length=COUNTS["length"],
    stride=COUNTS["stride"],
    num_clips=st.integers(1, 12),
)
def test_uniform_clips_are_in_order_and_in_range(num_frames, length, stride, num_clips):
    found = uniform_clips(num_frames, length, num_clips=num_clips, stride=stride)
    assert len(found) == (num_clips if num_frames else 0)
    starts = [int(clip[0]) for clip in found]
    assert starts == sorted(starts)
    for clip in found:
        assert len(clip) == length
        assert clip.min() >= 0
        assert clip.max() < num_frames
    if num_clips > 1 and num_frames >= (length - 1) * stride + 1:
        assert found[0][0] == 0
        assert found[-1][-1] == num_frames - 1


# ---- nonsense --------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [0, -5, float("nan"), float("inf"), "fast", None, 10**400])
def test_rates_that_are_none(fps):
    with pytest.raises(SamplingError, match="fps must be a positive"):
        at_rate([0.0, 1.0], fps)
    with pytest.raises(SamplingError, match="fps must be a positive"):
        RateSampler(fps)


@pytest.mark.parametrize(
    ("pts", "message"),
    [
        ([0.0, 1.0, 0.5], r"never decrease; frame 2 has 0.5 s after 1.0 s"),
        ([0.0, float("nan")], "must be finite; frame 1"),
        ([[0.0, 1.0]], r"got shape \(1, 2\)"),
        (["a"], "numbers of seconds"),
    ],
)
def test_timestamps_that_are_none(pts, message):
    with pytest.raises(SamplingError, match=message):
        at_rate(pts, 5)


def test_streaming_refuses_the_same_timestamps():
    sampler = RateSampler(5)
    sampler.push(1.0)
    with pytest.raises(SamplingError, match=r"frame 1 has 0\.5 s after"):
        sampler.push(0.5)
    with pytest.raises(SamplingError, match="finite"):
        sampler.push(float("nan"))


@pytest.mark.parametrize("end", [0.5, float("nan"), float("inf")])
def test_an_end_before_the_last_frame(end):
    with pytest.raises(SamplingError, match="end_seconds must be at or after"):
        at_rate([0.0, 1.0], 5, end_seconds=end)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: every_nth(10, 0), "n must be a whole number, at least 1; got 0"),
        (lambda: every_nth(-1, 2), "num_frames must be a whole number, at least 0; got -1"),
        (lambda: every_nth(10, 2.5), "n must be a whole number, at least 1; got 2.5"),
        (lambda: every_nth(10, True), "n must be a whole number, at least 1; got True"),
        (lambda: windows(10, 0), "length must be .* got 0"),
        (lambda: windows(10, 4, hop=0), "hop must be .* got 0"),
        (lambda: windows(10, 4, stride=-1), "stride must be .* got -1"),
        (lambda: windows(10, 4, tail="padd"), "got 'padd'. Did you mean 'pad'"),
        (lambda: uniform_clips(10, 4, num_clips=0), "num_clips must be .* got 0"),
    ],
)
def test_counts_that_are_none(call, message):
    with pytest.raises(SamplingError, match=message):
        call()
