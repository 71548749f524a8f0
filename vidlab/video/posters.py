"""A few small pictures of a video, soon: without an index, from keyframes where it is long."""

from __future__ import annotations

from dataclasses import dataclass

import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vidlab.core.errors import VideoError
from vidlab.video.frame import Frame
from vidlab.video.video import Video

# Pixels decoded to get from keyframes to the wanted moments, over all pictures: a tenth of a
# second's work or so. Large videos with few keyframes get fewer pictures.
_PIXELS_BETWEEN = 60_000_000


@dataclass(frozen=True)
class Poster:
    """One small picture.

    Attributes:
        time_seconds: Its timestamp.
        rgb: uint8 ``[H, W, 3]``.
    """

    time_seconds: float
    rgb: NDArray[np.uint8]


def posters(video: Video, num: int, *, height_px: int) -> list[Poster]:
    """Return up to `num` different small pictures, about evenly spaced in time.

    Of a video without a stated duration, or behind an address, it is the first alone; what
    damage hides is left out.

    Args:
        video: Left as it is: no index is made.
        num: How many at most.
        height_px: Their height.
    """
    first = video.first_frame()
    found = [Poster(first.pts_seconds, first.thumbnail(height_px=height_px))]
    length = video.stated_duration_seconds
    if video.is_remote or num < 2 or not length:
        return found
    try:
        with video.open_container() as container:
            stream = container.streams.best("video")
            if isinstance(stream, VideoStream):
                budget = _PIXELS_BETWEEN // (video.coded_width * video.coded_height)
                walk = _Walk(container, stream, frames_between=budget)
                start = video.start_seconds
                span = walk.last_seconds(start + length) - start
                for place in range(1, num):
                    known = found[-1].time_seconds
                    picture = walk.near(start + span * place / num, after=known + span / num / 2)
                    if picture is None or picture.time is None:
                        break
                    if picture.time > found[-1].time_seconds:
                        found.append(_shrink(video, picture, height_px))
    except (av.error.FFmpegError, VideoError):
        return found  # damage: the pictures before it are shown
    return found


def _shrink(video: Video, picture: VideoFrame, height_px: int) -> Poster:
    seconds = float(picture.time or 0.0)
    frame = Frame(picture, video._display, index=-1, pts_seconds=seconds, duration_seconds=None)
    return Poster(seconds, frame.thumbnail(height_px=height_px))


class _Walk:
    """Goes from keyframe to keyframe, and on from one it knows, while it may."""

    def __init__(
        self, container: InputContainer, stream: VideoStream, *, frames_between: int
    ) -> None:
        stream.thread_type = "SLICE"
        self._container, self._stream = container, stream
        self._left = frames_between

    def last_seconds(self, about: float) -> float:
        """Return the last picture's timestamp, whatever the header says the duration counts from.

        Args:
            about: A moment near it.
        """
        self._seek(about)
        times = [packet.pts for packet in self._container.demux(self._stream) if packet.pts]
        assert self._stream.time_base is not None
        return float(max(times) * self._stream.time_base) if times else about

    def near(self, seconds: float, *, after: float) -> VideoFrame | None:
        """Return the keyframe before `seconds`; where that is too early, the picture at `seconds`.

        None at the end; an earlier picture where going on would take too long.

        Args:
            seconds: The moment.
            after: Keyframes up to here are too near to the picture before.
        """
        self._seek(seconds)
        shown: VideoFrame | None = None
        for picture in self._container.decode(self._stream):
            if picture.time is None or (shown is not None and picture.time > seconds):
                break
            is_new_keyframe = shown is None and picture.time > after
            shown = picture
            if is_new_keyframe or self._left <= 0:
                break
            self._left -= 1
        return shown

    def _seek(self, seconds: float) -> None:
        assert self._stream.time_base is not None
        self._container.seek(int(seconds / self._stream.time_base), stream=self._stream)
