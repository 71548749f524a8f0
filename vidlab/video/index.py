"""The frame index: when each frame is shown.

The presentation timestamps of the packets, sorted, give it without decoding: from the file's
own tables where they can be trusted, else by demuxing. They are trusted only where packets and
frames are one to one, which is checked on the first frames; otherwise the stream is decoded
once and the frames are counted.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import IO

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vidlab.video.decoder import DecodeFailure, Decoder
from vidlab.video.tables import SampleTable, read_tables

#: Hears how much of the file has been read, 0 to 1.
Progress = Callable[[float], None]

# Frames decoded to see whether packets and frames agree.
_NUM_CHECKED = 8

# Packets are read by the ten thousand a second.
_TOLD_EVERY = 256

# A timestamp that falls back by more starts a new clock (a recording that was cut together).
_JUMP_SECONDS = 1.0


@dataclass(frozen=True)
class PacketTable:
    """The packets that hold the frames, in the order in which they are stored and decoded.

    Attributes:
        pts: int64 [num_frames], ticks; sorted, these are the frame index's.
        is_keyframe: bool [num_frames], as the container marks them.
        num_bytes: int64 [num_frames].
        has_hidden: Whether there are packets besides, with pictures that are never shown.
    """

    pts: NDArray[np.int64]
    is_keyframe: NDArray[np.bool_]
    num_bytes: NDArray[np.int64]
    has_hidden: bool = False


@dataclass(frozen=True)
class FrameIndex:
    """When each frame is shown, in presentation order.

    Attributes:
        pts: int64 [num_frames], ticks, never decreasing.
        keyframe_pts: int64 [num_keyframes], ticks, sorted.
        end: Tick at which the last frame goes off screen.
        time_base: Seconds per tick.
        is_by_pts: Whether a frame is known by its timestamp; otherwise only counting from
            the first frame tells which one it is.
        stopped: What cut the index short, or None.
        packets: The packets behind the frames; None where decoding told the frames.
    """

    pts: NDArray[np.int64]
    keyframe_pts: NDArray[np.int64]
    end: int
    time_base: Fraction
    is_by_pts: bool
    stopped: str | None = None
    packets: PacketTable | None = None

    def __len__(self) -> int:
        return len(self.pts)

    @cached_property
    def pts_seconds(self) -> NDArray[np.float64]:
        """float64 [num_frames]; read-only."""
        seconds = to_seconds(self.pts, self.time_base)
        seconds.flags.writeable = False
        return seconds

    @property
    def end_seconds(self) -> float:
        """Time at which the last frame goes off screen."""
        return float(self.end * self.time_base)

    def keyframe_before(self, index: int) -> int | None:
        """Return the position in `keyframe_pts` of the last keyframe up to frame `index`."""
        position = int(np.searchsorted(self.keyframe_pts, self.pts[index], side="right")) - 1
        return position if position >= 0 else None

    def counted(self) -> FrameIndex:
        """Return the same index, not to be looked up by timestamp."""
        return replace(self, is_by_pts=False)


def to_seconds(ticks: NDArray[np.int64], time_base: Fraction) -> NDArray[np.float64]:
    """Convert ticks to seconds, rounding once (as ``float(ticks * time_base)`` does)."""
    return ticks * np.float64(time_base.numerator) / np.float64(time_base.denominator)


class Clock:
    """Gives every decoded frame a timestamp, in ticks, that never falls back.

    A frame without one follows the frame before it by that frame's duration. A timestamp
    that falls back by more than a second starts a new clock where the old one ended; a
    smaller slip is held.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._usual = _usual_duration(decoder)
        self._jump = round(Fraction(_JUMP_SECONDS) / decoder.time_base)
        self._start = decoder.stream.start_time or 0
        self._is_stated = decoder.has_true_pts
        self._offset = 0
        self._last: int | None = None
        self.last_duration = 0
        self.has_real_pts = True

    def tick(self, picture: VideoFrame) -> int:
        """Return the presentation timestamp of the next frame in order."""
        last = self._last
        following = self._start if last is None else last + (self.last_duration or self._usual)
        if picture.pts is None or not self._is_stated:
            self.has_real_pts = False
            pts = following
        else:
            pts = picture.pts + self._offset
            if last is not None and pts < last:
                self.has_real_pts = False
                if last - pts > self._jump:
                    self._offset += following - pts
                    pts = following
                else:
                    pts = last
        self._last = pts
        self.last_duration = max(0, picture.duration or 0)
        return pts


class IndexWriter:
    """Notes the frames of a complete decoding pass, and makes their index."""

    def __init__(self, decoder: Decoder) -> None:
        self._time_base = decoder.time_base
        self._usual = _usual_duration(decoder)
        self._clock = Clock(decoder)
        self._keeps_pts = decoder.keeps_pts_after_seek
        self._pts = array("q")
        self._keyframe_pts = array("q")

    def __len__(self) -> int:
        return len(self._pts)

    def note(self, picture: VideoFrame) -> int:
        """Return the timestamp of the next frame, in ticks."""
        pts = self._clock.tick(picture)
        self._pts.append(pts)
        if picture.key_frame:
            self._keyframe_pts.append(pts)
        return pts

    def index(self, *, stopped: str | None = None) -> FrameIndex:
        """Return the index of the frames noted so far."""
        pts = np.array(self._pts, dtype=np.int64)
        return FrameIndex(
            pts=pts,
            keyframe_pts=np.array(self._keyframe_pts, dtype=np.int64),
            end=_end(pts, stated_duration=self._clock.last_duration, usual=self._usual),
            time_base=self._time_base,
            is_by_pts=self._keeps_pts
            and self._clock.has_real_pts
            and bool(np.all(np.diff(pts) > 0)),
            stopped=stopped,
        )


def index_by_tables(decoder: Decoder, checker: Decoder, file: IO[bytes]) -> FrameIndex | None:
    """Index an MP4 or QuickTime file from its tables: as demuxing would, in a fraction of the time.

    Args:
        decoder: Fresh; see `read_tables`.
        checker: Fresh; its first frames are decoded.
        file: The same file's bytes.

    Returns:
        The index, or None where the tables do not tell all that reading the packets would.
    """
    table = read_tables(decoder, file)
    return table and _index_of(table, decoder, checker)


def index_by_demuxing(
    decoder: Decoder, checker: Decoder, *, progress: Progress | None = None
) -> FrameIndex | None:
    """Index a stream from its packets.

    Args:
        decoder: Fresh; read to its end without decoding.
        checker: Fresh; its first frames are decoded.
        progress: Told how much is read.

    Returns:
        The index, or None where packets do not tell when frames are shown: timestamps are
        missing, repeated or fall back, or the first frames disagree.
    """
    if not decoder.has_true_pts:
        return None
    codec = decoder.stream.codec_context.codec.canonical_name
    pts, durations, num_bytes = array("q"), array("q"), array("q")
    is_keyframe = array("b")
    has_hidden = False
    stopped = None
    last_dts: int | None = None
    try:
        for packet in decoder.packets():
            if progress is not None and len(pts) % _TOLD_EVERY == 0:
                _tell(progress, decoder)
            if codec in ("vp8", "vp9") and is_hidden_frame(codec, bytes(packet)):
                has_hidden = True
                continue
            if packet.pts is None:
                return None
            if packet.dts is not None:
                if last_dts is not None and packet.dts < last_dts:
                    return None
                last_dts = packet.dts
            pts.append(packet.pts)
            durations.append(packet.duration or 0)
            num_bytes.append(packet.size)
            is_keyframe.append(packet.is_keyframe)
    except DecodeFailure as failure:
        stopped = str(failure)
    if not pts:
        return None
    table = SampleTable(
        pts=np.array(pts, np.int64),
        is_keyframe=np.array(is_keyframe, np.bool_),
        num_bytes=np.array(num_bytes, np.int64),
        # Of equal ones the last: it is the one that stays on screen.
        duration=durations[int(np.argsort(pts, kind="stable")[-1])],
    )
    return _index_of(table, decoder, checker, has_hidden=has_hidden, stopped=stopped)


def _index_of(
    table: SampleTable, decoder: Decoder, checker: Decoder, *, has_hidden: bool = False,
    stopped: str | None = None,
) -> FrameIndex | None:  # fmt: skip
    """Return the index of the packets, or None where the first frames disagree."""
    order = np.argsort(table.pts, kind="stable")
    ticks = table.pts[order]
    shown = _first_pts(checker)
    if not shown:
        return None
    # A recording that starts in the middle has leading packets that no decoder can show.
    lead = int(np.searchsorted(ticks, shown[0]))
    ticks = ticks[lead:]
    if list(ticks[: len(shown)]) != shown or bool(np.any(np.diff(ticks) <= 0)):
        return None
    is_shown = table.pts >= ticks[0]
    packets = PacketTable(
        pts=table.pts[is_shown],
        is_keyframe=table.is_keyframe[is_shown],
        num_bytes=table.num_bytes[is_shown],
        has_hidden=has_hidden or lead > 0,
    )
    return FrameIndex(
        pts=ticks,
        keyframe_pts=np.sort(table.pts[table.is_keyframe]),
        end=_end(ticks, stated_duration=table.duration, usual=_usual_duration(decoder)),
        time_base=decoder.time_base,
        is_by_pts=decoder.keeps_pts_after_seek,
        stopped=stopped,
        packets=packets,
    )


def index_by_decoding(decoder: Decoder, *, progress: Progress | None = None) -> FrameIndex:
    """Index a stream by decoding all of it, up to its end or the first damage.

    Args:
        decoder: Fresh.
        progress: Told how much is read.
    """
    writer = IndexWriter(decoder)
    try:
        while (picture := decoder.read()) is not None:
            writer.note(picture)
            if progress is not None:
                _tell(progress, decoder)
    except DecodeFailure as failure:
        return writer.index(stopped=str(failure))
    return writer.index()


def _tell(progress: Progress, decoder: Decoder) -> None:
    fraction = decoder.fraction_read
    if fraction is not None:
        progress(fraction)


def _usual_duration(decoder: Decoder) -> int:
    """Return how many ticks a frame lasts at the rate the header states (else 25 per second)."""
    rate = decoder.stream.average_rate or decoder.stream.guessed_rate or Fraction(25)
    return max(1, round(1 / (rate * decoder.time_base)))


def _end(pts: NDArray[np.int64], *, stated_duration: int, usual: int) -> int:
    """Return the tick at which the last frame ends: as stated, or like the frames before it."""
    if not len(pts):
        return 0
    duration = stated_duration
    if duration <= 0 and len(pts) > 1:
        duration = int(np.median(np.diff(pts)))
    return int(pts[-1]) + (duration if duration > 0 else usual)


def _first_pts(decoder: Decoder) -> list[int]:
    shown: list[int] = []
    try:
        while len(shown) < _NUM_CHECKED and (picture := decoder.read()) is not None:
            if picture.pts is None:
                return []
            shown.append(picture.pts)
    except DecodeFailure:
        pass  # damage is for the reader to report; what came before it still counts
    return shown


def is_hidden_frame(codec: str, data: bytes) -> bool:
    """Tell whether a packet holds a picture that is only referred to, and never shown.

    VP8 and VP9 may store such pictures in packets of their own; other codecs do not.
    """
    if codec == "vp8":
        return not data[0] >> 4 & 1  # RFC 6386, 9.1: bit 4 of the first byte is show_frame
    if codec == "vp9":
        return _is_hidden_vp9(data)
    return False


def _is_hidden_vp9(data: bytes) -> bool:
    """Read the head of a VP9 packet (VP9 bitstream specification, 6.2 and annex B).

    A superframe, which ends with a byte that starts 0b110, always ends with a shown frame.
    Else the header holds, from the highest bit: frame_marker (2 bits), profile (2), one
    reserved bit in profile 3, show_existing_frame, frame_type, show_frame.
    """
    if data[-1] >> 5 == 0b110:
        return False
    profile = (data[0] >> 5 & 1) | (data[0] >> 4 & 1) << 1
    bits = data[0] << 8 | (data[1] if len(data) > 1 else 0)
    first = 16 - 5 - (profile == 3)
    show_existing, show = bits >> first & 1, bits >> first - 2 & 1
    return not show_existing and not show
