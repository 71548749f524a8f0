"""Which frames to look at: pure functions from timestamps, or counts, to frame numbers.

A *clip* is frames in order. *Stride* is the number of source frames from one frame of a
clip to the next; *hop* the number from the start of one clip to the start of the next. Frame
numbers are 0-based, ranges half-open.

::

    at_rate(video.pts_seconds, 5, end_seconds=video.end_seconds)   # 5 frames per second
    every_nth(len(video), 6)
    windows(len(video), 16)                                        # batches of 16
    windows(len(video), 16, hop=1)                                 # rolling window of 16
    uniform_clips(len(video), 16, num_clips=5, stride=2)
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import SamplingError, did_you_mean

Tail = Literal["drop", "pad", "loop", "keep"]

# ffprobe prints microseconds, and sums of floats stray by less: a frame that comes this
# little after a sampling instant counts as on screen then.
_SLACK_SECONDS = 1e-6


def at_rate(
    pts_seconds: Sequence[float] | NDArray[np.float64],
    fps: float | Fraction,
    *,
    end_seconds: float | None = None,
) -> NDArray[np.int64]:
    """Return the frames on screen at the instants ``first + k / fps``, k = 0, 1, 2 and so on.

    The frame on screen at an instant is the last one with a timestamp up to it. Each frame is
    taken at most once, so a rate above the video's gives every frame; where a frame stays on
    screen for long, the instants it covers give it once.

    Args:
        pts_seconds: Timestamps, never decreasing; the first need not be zero.
        fps: Frames per second to take.
        end_seconds: When the last frame goes off screen; by default it stays as long as the
            frame before it did. No instant at or past the end is sampled.

    Returns:
        int64 [num_sampled], increasing; never empty, unless there are no frames.

    Raises:
        SamplingError: `fps` is not positive, the timestamps fall back or are not finite, or
            the end lies before the last one.
    """
    rate = _positive_rate(fps)
    pts = _timestamps(pts_seconds)
    if not len(pts):
        return np.zeros(0, np.int64)
    edges = np.append(pts, _checked_end(pts[-2:].tolist(), end_seconds))
    # Instants up to each edge; a frame is taken where instants fall between its two edges.
    passed = np.maximum(np.ceil((edges - pts[0] - _SLACK_SECONDS) * rate), 0)
    passed[-1] = max(passed[-1], 1)  # the instant k = 0 always shows a frame
    return np.flatnonzero(np.diff(passed) > 0).astype(np.int64)


class RateSampler:
    """The streaming twin of `at_rate`: fed one timestamp after another, tells which to keep.

    Whether a frame is on screen at an instant is known once the next frame has come, so the
    answers are one frame late::

        sampler = RateSampler(5)
        for pts in timestamps:
            if (index := sampler.push(pts)) is not None:
                keep(index)                    # the frame before this one
        if (index := sampler.finish()) is not None:
            keep(index)                        # the last frame

    Args:
        fps: Frames per second to take.

    Raises:
        SamplingError: `fps` is not positive.
    """

    def __init__(self, fps: float | Fraction) -> None:
        self._rate = _positive_rate(fps)
        self._first = 0.0
        self._recent: list[float] = []
        self._num_frames = 0
        self._passed = 0

    def push(self, pts_seconds: float) -> int | None:
        """Take the next frame's timestamp; return the frame before it if that is to be kept.

        Raises:
            SamplingError: The timestamp falls back, or is not finite.
        """
        pts = float(pts_seconds)
        if not math.isfinite(pts) or (self._recent and pts < self._recent[-1]):
            raise SamplingError(
                f"Timestamps must be finite and never decrease; frame {self._num_frames} has "
                f"{pts_seconds!r} s after {self._recent[-1:]} s."
            )
        kept = None
        if self._recent:
            kept = self._advance(self._instants_before(pts))
        else:
            self._first = pts
        self._recent = [*self._recent[-1:], pts]
        self._num_frames += 1
        return kept

    def finish(self, end_seconds: float | None = None) -> int | None:
        """Return the last frame if it is to be kept.

        Args:
            end_seconds: When it goes off screen; by default it stays as long as the one before.

        Raises:
            SamplingError: The end lies before the last timestamp.
        """
        if not self._recent:
            return None
        end = _checked_end(self._recent, end_seconds)
        return self._advance(max(self._instants_before(end), 1))

    def _instants_before(self, edge: float) -> int:
        return max(math.ceil((edge - self._first - _SLACK_SECONDS) * self._rate), 0)

    def _advance(self, passed: int) -> int | None:
        kept = self._num_frames - 1 if passed > self._passed else None
        self._passed = passed
        return kept


def every_nth(num_frames: int, n: int, *, start: int = 0) -> NDArray[np.int64]:
    """Return frames ``start, start + n, start + 2 n …`` as int64 [num_sampled].

    Raises:
        SamplingError: `n` is less than 1, or a count is negative.
    """
    return np.arange(
        _count(start, "start", at_least=0),
        _count(num_frames, "num_frames", at_least=0),
        _count(n, "n", at_least=1),
        dtype=np.int64,
    )


def windows(
    num_frames: int,
    length: int,
    *,
    stride: int = 1,
    hop: int | None = None,
    tail: Tail = "drop",
) -> list[NDArray[np.int64]]:
    """Return clips of `length` frames that start every `hop` frames.

    Args:
        num_frames: Frames there are.
        length: Frames in a clip.
        stride: Source frames between two frames of a clip.
        hop: Source frames between the starts of two clips; by default ``length * stride``, so
            that clips follow each other; 1 is a rolling window.
        tail: What to do with frames after the last whole clip: ``"drop"`` them, or make one
            more clip of them, filled up by repeating its last frame (``"pad"``), by starting
            over with its first (``"loop"``), or left short (``"keep"``). Frames that are in
            an earlier clip make no tail.

    Returns:
        int64 [length] each (a kept tail is shorter), in order.

    Raises:
        SamplingError: A count is less than 1 (`num_frames`: 0), or `tail` is unknown.
    """
    total = _count(num_frames, "num_frames", at_least=0)
    clip = _ClipShape(length, stride)
    step = clip.span_of_batch if hop is None else _count(hop, "hop", at_least=1)
    _check_tail(tail)
    num_whole = max(0, (total - clip.span) // step + 1)
    found = [clip.offsets + start for start in range(0, num_whole * step, step)]
    left = clip.offsets + num_whole * step
    left = left[left < total]
    last_covered = int(found[-1][-1]) if found else -1
    if tail != "drop" and len(left) and left[-1] > last_covered:
        found.append(_fill(left, clip.length, tail))
    return found


def uniform_clips(
    num_frames: int,
    length: int,
    *,
    num_clips: int,
    stride: int = 1,
    tail: Tail = "pad",
) -> list[NDArray[np.int64]]:
    """Return `num_clips` clips spread evenly from the first possible start to the last.

    Starts are rounded down, and a single clip starts at frame 0, as in torchvision's
    UniformClipSampler. Clips overlap where the video is short.

    Args:
        num_frames: Frames there are.
        length: Frames in a clip.
        num_clips: How many clips.
        stride: Source frames between two frames of a clip.
        tail: For a video shorter than one clip, as in `windows`; ``"drop"`` gives no clip.

    Returns:
        int64 [length] each, in order.

    Raises:
        SamplingError: A count is less than 1 (`num_frames`: 0), or `tail` is unknown.
    """
    total = _count(num_frames, "num_frames", at_least=0)
    clip = _ClipShape(length, stride)
    wanted = _count(num_clips, "num_clips", at_least=1)
    _check_tail(tail)
    room = total - clip.span
    if room >= 0:
        gaps = max(1, wanted - 1)
        return [clip.offsets + k * room // gaps for k in range(wanted)]
    short = clip.offsets[clip.offsets < total]
    if tail == "drop" or not len(short):
        return []
    return [_fill(short, clip.length, tail) for _ in range(wanted)]


class _ClipShape:
    """The shape of a clip: its frames' offsets from its start."""

    def __init__(self, length: int, stride: int) -> None:
        self.length = _count(length, "length", at_least=1)
        stride = _count(stride, "stride", at_least=1)
        self.offsets = np.arange(self.length, dtype=np.int64) * stride
        self.span = (self.length - 1) * stride + 1
        self.span_of_batch = self.length * stride


def _fill(frames: NDArray[np.int64], length: int, tail: Tail) -> NDArray[np.int64]:
    if tail == "keep":
        return frames
    if tail == "loop":
        return np.resize(frames, length)
    return np.pad(frames, (0, length - len(frames)), mode="edge")


def _positive_rate(fps: float | Fraction) -> float:
    try:
        rate = float(fps)
    except (TypeError, ValueError, OverflowError):
        rate = math.nan
    if not 0 < rate < math.inf:
        raise SamplingError(f"fps must be a positive, finite number; got {fps!r}.")
    return rate


def _timestamps(pts_seconds: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        pts = np.asarray(pts_seconds, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SamplingError(f"Timestamps must be numbers of seconds: {error}.") from error
    if pts.ndim != 1:
        raise SamplingError(f"Timestamps must be one row, [num_frames]; got shape {pts.shape}.")
    if not np.all(np.isfinite(pts)):
        at = int(np.flatnonzero(~np.isfinite(pts))[0])
        raise SamplingError(f"Timestamps must be finite; frame {at} has {pts[at]} s.")
    falls = np.flatnonzero(np.diff(pts) < 0)
    if len(falls):
        at = int(falls[0]) + 1
        raise SamplingError(
            f"Timestamps must never decrease; frame {at} has {pts[at]} s after {pts[at - 1]} s."
        )
    return pts


def _checked_end(last_two: Sequence[float], end_seconds: float | None) -> float:
    last = last_two[-1]
    if end_seconds is None:
        return last + (last - last_two[0])
    end = float(end_seconds)
    if not last <= end < math.inf:
        raise SamplingError(
            f"end_seconds must be at or after the last timestamp, {last} s; got {end_seconds!r}."
        )
    return end


def _count(value: int, what: str, *, at_least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = at_least - 1
    if number < at_least or isinstance(value, bool):
        raise SamplingError(f"{what} must be a whole number, at least {at_least}; got {value!r}.")
    return number


def _check_tail(tail: str) -> None:
    known = get_args(Tail)
    if tail not in known:
        raise SamplingError(
            f"tail must be one of {', '.join(map(repr, known))}; got {tail!r}."
            + did_you_mean(str(tail), known)
        )
