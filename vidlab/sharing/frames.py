"""Ranges of frames as Label Studio and FiftyOne have them: from 1, with both ends in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from vidlab.core.errors import OptionError
from vidlab.core.naming import printable
from vidlab.core.numbers import is_number
from vidlab.sharing.segments import Segment, as_predictions


def frame_rates(
    given: object, segments: Iterable[Segment], frame_rate: float | Mapping[str, float] | None
) -> dict[str, float]:
    """Return the frames per second of every video that has a segment.

    Args:
        given: What the segments were made of.
        segments: The segments.
        frame_rate: Of all videos, or by name; None where predictions know it from the video that
            they were made on.

    Raises:
        OptionError: A rate is not known, or is none.
    """
    videos = dict.fromkeys(each.video for each in segments)
    rates: Mapping[str, object]
    if isinstance(frame_rate, Mapping):
        rates = frame_rate
    elif frame_rate is not None:
        rates = dict.fromkeys(videos, frame_rate)
    else:
        rates = _known_rates(given)
    for video in videos:
        if not _is_rate(rates.get(video)):
            raise OptionError(
                f"The frames per second of {video!r} are needed; got {rates.get(video)!r}. Give "
                "frame_rate=, which vidlab.Video(…).fps tells, or {name: rate} for several videos."
            )
    return {video: float(rates[video]) for video in videos}  # type: ignore[arg-type]


def frame_range(segment: Segment, frame_rate: float) -> tuple[int, int]:
    """Return a segment's first and last frame, counted from 1.

    Segments that touch share no frame. One that is shorter than a frame has one all the same, and
    what lies before time 0 has none.

    Args:
        segment: The segment.
        frame_rate: Frames per second, the same all through the video.
    """
    # Half up, so that a border is the same frame for what ends and for what starts there.
    first, stop = (
        max(0, math.floor(seconds * frame_rate + 0.5))
        for seconds in (segment.start_seconds, segment.end_seconds)
    )
    return first + 1, max(first + 1, stop)


def _known_rates(given: object) -> dict[str, object]:
    import pandas as pd

    if isinstance(given, pd.DataFrame):
        return {}
    rates = {}
    for each in as_predictions(given):
        about = each.made_by.get("video")
        rates[printable(each.video)] = about.get("fps") if isinstance(about, Mapping) else None
    return rates


def _is_rate(value: object) -> bool:
    return is_number(value) and 0 < value < math.inf
