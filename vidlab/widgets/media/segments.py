"""Segments of a video: pieces of fragmented MP4 that tile its time without gap or overlap.

Frame ``i`` is shown from ``ticks[i]`` to ``ticks[i + 1]``, in whole microseconds after the
first frame. Each segment stands alone: a head, then its frames from a keyframe on.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Protocol, Self

import av
import numpy as np
from av.packet import Packet
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vidlab.core.errors import VideoDecodeError, WidgetError
from vidlab.video import Frame, Video
from vidlab.video.decoder import DecodeFailure, Decoder
from vidlab.video.index import PacketTable
from vidlab.video.writer import KEYFRAME_EVERY, exact_ticks
from vidlab.widgets.media.fmp4 import (
    HEAD_OPTIONS,
    VIDEO_TICKS,
    Run,
    Sample,
    codecs_of,
    fragment,
    is_annex_b,
    length_prefixed,
    starts_anew,
)
from vidlab.widgets.media.plan import MP4, cut_at_keyframes, cut_by_time
from vidlab.widgets.media.sound import Sound

# Long enough that the encoder's start does not count, short enough to be made while one waits.
_TRANSCODED_SECONDS = 1.0

# Constant quality at which libx264's loss is hard to see; lower is better and larger.
_CRF = "19"

# More bits a second would not reach the page in time from a kernel far away.
_MAX_RATE = "16M"

# Pictures with more px than this take longer to encode than to watch.
_MAX_ENCODED_PIXELS = 1920 * 1080

# ITU-R BT.709 in limited range, by FFmpeg's numbers: said in the stream, because what browsers
# assume depends on the size of the picture.
_BT709, _LIMITED = 1, 1

_VIDEO_TRACK, _AUDIO_TRACK = 1, 2


@dataclass(frozen=True)
class Segment:
    """What the page gets.

    Attributes:
        data: Fragmented MP4, self-contained; empty where not one frame can be read.
        num_frames: How many frames of the segment it holds, from its first on.
        stopped: What ended the video here, in words; empty where nothing did.
    """

    data: bytes
    num_frames: int
    stopped: str = ""


class Maker(Protocol):
    """Makes the segments of one video, in one thread.

    Attributes:
        starts: First frame of each segment, int32 [num_segments].
        width: px as played.
        height: px as played.
        is_scaled: Whether the picture was made smaller.
    """

    starts: NDArray[np.int32]
    width: int
    height: int
    is_scaled: bool

    @property
    def head(self) -> bytes:
        """``ftyp`` and ``moov``."""

    def make(self, number: int, called_off: threading.Event) -> Segment:
        """Make segment `number`.

        Raises:
            CancelledError: `called_off` was set.
        """

    def close(self) -> None:
        """Free what is open; it is opened again when needed."""


def _span(starts: NDArray[np.int32], number: int, num_frames: int) -> tuple[int, int]:
    if not 0 <= number < len(starts):
        raise WidgetError(f"There are segments 0 to {len(starts) - 1}; got {number}.")
    stop = int(starts[number + 1]) if number + 1 < len(starts) else num_frames
    return int(starts[number]), stop


def _assemble(
    head: bytes, number: int, start: int, stop: int, samples: Sequence[Sample],
    sound: Sound | None,
) -> bytes:  # fmt: skip
    runs = [Run(_VIDEO_TRACK, start, samples)]
    if sound is not None:
        runs.append(sound.run(_AUDIO_TRACK, start, stop))
    return head + fragment(number + 1, runs)


# ---- stored pictures, cut --------------------------------------------------------------------


class Remuxer:
    """Cuts the stored pictures at keyframes; nothing is encoded again. See `Maker`.

    Args:
        video: With a packet table of closed groups.
        seconds: When each frame starts, and when the last one ends, float64 [num_frames + 1].
        sound: The sound beside it, or None.
    """

    is_scaled = False

    def __init__(self, video: Video, *, seconds: NDArray[np.float64], sound: Sound | None) -> None:
        packets = video.packets
        assert packets is not None, "only planned where there is one"
        self._stored = _StoredPictures(video, packets)
        self._table = packets
        self._ticks = exact_ticks(seconds, ticks_per_second=VIDEO_TICKS)
        # Of the picture that is stored k-th: which one it is on screen.
        self._turn = np.argsort(np.argsort(packets.pts))
        self._sound = sound
        self.starts = cut_at_keyframes(packets, seconds)
        self.width, self.height = video.width, video.height

    @cached_property
    def head(self) -> bytes:
        """``ftyp`` and ``moov``."""
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="mp4", options=HEAD_OPTIONS) as out:
            # Opaque: the codec may be one that this FFmpeg cannot encode.
            out.add_stream_from_template(self._stored.stream(), opaque=True)
            if self._sound is not None:
                self._sound.add_stream(out)
            out.start_encoding()
            return buffer.getvalue()

    def make(self, number: int, called_off: threading.Event) -> Segment:
        """Make segment `number`.

        Raises:
            CancelledError: `called_off` was set.
            WidgetError: The file is not what its index says.
            VideoError: The source is gone.
        """
        first, stop = _span(self.starts, number, len(self._table.pts))
        pictures: list[bytes] = []
        stopped = ""
        try:
            for data in self._stored.read(first, stop):
                if called_off.is_set():
                    raise CancelledError
                pictures.append(data)
        except DecodeFailure as failure:
            stopped = f"The file cannot be read on: {failure}."
        # Pictures that are shown after one that is missing are of no use.
        missing = self._turn[first + len(pictures) : stop]
        end = int(missing.min(initial=stop))
        samples = self._samples(first, end, pictures)
        if not samples:
            return Segment(b"", 0, stopped)
        start, until = int(self._ticks[first]), int(self._ticks[end])
        data = _assemble(self.head, number, start, until, samples, self._sound)
        return Segment(data, end - first, stopped)

    def _samples(self, first: int, end: int, pictures: Sequence[bytes]) -> list[Sample]:
        samples = []
        decoded = int(self._ticks[first])
        for position, data in enumerate(pictures, start=first):
            frame = int(self._turn[position])
            if frame >= end:
                continue
            # Decoding takes as long as showing: then the segment fills its time exactly.
            duration = int(self._ticks[frame + 1] - self._ticks[frame])
            is_keyframe = bool(self._table.is_keyframe[position]) and self._stored.starts_anew(data)
            if position == first and not is_keyframe:
                raise WidgetError("A keyframe of the file does not stand alone.")
            samples.append(Sample(data, duration, int(self._ticks[frame]) - decoded, is_keyframe))
            decoded += duration
        return samples

    def close(self) -> None:
        """Free what is open; it is opened again when needed."""
        self._stored.close()
        if self._sound is not None:
            self._sound.close()


class _StoredPictures:
    """Reads packets by their number, as MP4 holds them; neighbours are reached without a seek."""

    def __init__(self, video: Video, table: PacketTable) -> None:
        self._video = video
        self._pts = table.pts
        self._is_h264 = video.codec == "h264"
        self._decoder: Decoder | None = None
        self._packets: Iterator[Packet[VideoStream]] = iter(())
        self._next: int | None = None
        self._is_annex_b = False
        self._num_length_bytes = 4

    def stream(self) -> VideoStream:
        """Return the open stream."""
        return self._open().stream

    def read(self, first: int, stop: int) -> Iterator[bytes]:
        """Yield pictures `first` to `stop`.

        Raises:
            DecodeFailure: The file is damaged, or ends.
            WidgetError: The packets are not those of the index.
        """
        if self._next != first:
            self._go_to(first)
        for position in range(first, stop):
            self._next = None
            packet = self._following()
            if packet is None:
                raise DecodeFailure("it ends before its index does")
            if packet.pts != self._pts[position]:
                raise WidgetError("The file has changed since it was opened. Run the cell again.")
            self._next = position + 1
            data = bytes(packet)
            yield length_prefixed(data) if self._is_annex_b else data

    def starts_anew(self, data: bytes) -> bool:
        """Tell whether a picture that is marked as keyframe truly is one."""
        return not self._is_h264 or starts_anew(data, self._num_length_bytes)

    def close(self) -> None:
        self._packets = iter(())
        self._next = None
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def _open(self) -> Decoder:
        if self._decoder is None:
            self._decoder = self._video.open_decoder()
            extradata = self._decoder.stream.codec_context.extradata
            self._is_annex_b = self._is_h264 and is_annex_b(extradata)
            if self._is_h264 and extradata and not self._is_annex_b:
                self._num_length_bytes = (extradata[4] & 3) + 1
            self._packets = self._decoder.packets()
            self._next = 0
        return self._decoder

    def _go_to(self, position: int) -> None:
        """Have picture `position`, a keyframe, come next."""
        target = int(self._pts[position])
        if self._open().seek(target) and self._skip_to(target):
            return
        # Not every container can seek, or lands where it should: from the start always works.
        self.close()
        self._open()
        if not self._skip_to(target):
            raise WidgetError("The file has changed since it was opened. Run the cell again.")

    def _skip_to(self, target: int) -> bool:
        assert self._decoder is not None
        packets = self._decoder.packets()
        for packet in packets:
            if packet.pts == target:
                self._packets = _chain(packet, packets)
                return True
            if packet.pts is not None and packet.is_keyframe and packet.pts > target:
                return False
        return False

    def _following(self) -> Packet[VideoStream] | None:
        return next(self._packets, None)


def _chain(
    first: Packet[VideoStream], others: Iterator[Packet[VideoStream]]
) -> Iterator[Packet[VideoStream]]:
    yield first
    yield from others


def mime_of(head: bytes, *, has_sound: bool) -> str:
    """Return the type of segments with this head, with codecs."""
    codecs = codecs_of(head) + (", mp4a.40.2" if has_sound else "")
    return f'{MP4}; codecs="{codecs}"'


# ---- pictures encoded again ------------------------------------------------------------------


class Transcoder:
    """Encodes the frames as Python sees them. See `Maker`.

    Args:
        video: To encode.
        seconds: When each frame starts, and when the last one ends, float64 [num_frames + 1].
        sound: The sound beside it, or None.
    """

    def __init__(self, video: Video, *, seconds: NDArray[np.float64], sound: Sound | None) -> None:
        self._video = video
        self._ticks = exact_ticks(seconds, ticks_per_second=VIDEO_TICKS)
        self._sound = sound
        self._frames: Generator[Frame] | None = None
        self._next: int | None = None
        self.starts = cut_by_time(seconds, length=_TRANSCODED_SECONDS)
        shrink = min(1.0, (_MAX_ENCODED_PIXELS / (video.width * video.height)) ** 0.5)
        self.is_scaled = shrink < 1
        # 4:2:0 halves both sides.
        self.width, self.height = (
            max(2, int(size * shrink / 2 + 1e-9) * 2) if self.is_scaled else size + size % 2
            for size in (video.width, video.height)
        )

    @cached_property
    def head(self) -> bytes:
        """``ftyp`` and ``moov``."""
        with self._encoder() as encoder:
            return encoder.head

    def make(self, number: int, called_off: threading.Event) -> Segment:
        """Make segment `number`.

        Raises:
            CancelledError: `called_off` was set.
            VideoError: The source is gone.
        """
        first, stop = _span(self.starts, number, len(self._ticks) - 1)
        if self._frames is None or self._next != first:
            self._close_frames()
            self._frames = self._video.frames(start=first)
        self._next = None
        samples: list[Sample] = []
        stopped = ""
        with self._encoder() as encoder:
            try:
                for frame, picture in zip(range(first, stop), self._frames, strict=False):
                    if called_off.is_set():
                        raise CancelledError
                    packets = encoder.encode(self._picture(picture), int(self._ticks[frame]))
                    self._add(samples, first, packets)
            except VideoDecodeError as error:
                stopped = str(error)
            self._add(samples, first, encoder.encode(None, 0))
        end = first + len(samples)
        if end < stop:
            stopped = stopped or f"Only {end} of {len(self._ticks) - 1} frames can be read."
            self._close_frames()
        else:
            self._next = stop
        if not samples:
            return Segment(b"", 0, stopped)
        start, until = int(self._ticks[first]), int(self._ticks[end])
        data = _assemble(encoder.head, number, start, until, samples, self._sound)
        return Segment(data, len(samples), stopped)

    def _add(self, samples: list[Sample], first: int, packets: list[Packet[Any]]) -> None:
        for packet in packets:
            frame = first + len(samples)
            duration = int(self._ticks[frame + 1] - self._ticks[frame])
            data = length_prefixed(bytes(packet))
            samples.append(Sample(data, duration, 0, packet.is_keyframe))

    def close(self) -> None:
        """Free what is open; it is opened again when needed."""
        self._close_frames()
        if self._sound is not None:
            self._sound.close()

    def _close_frames(self) -> None:
        frames, self._frames = self._frames, None
        if frames is not None:
            frames.close()

    def _encoder(self) -> _Encoder:
        rate = Fraction(self._video.fps).limit_denominator(60_000)
        return _Encoder(self.width, self.height, rate, self._sound)

    def _picture(self, frame: Frame) -> av.VideoFrame:
        if self.is_scaled:
            rgb = frame.thumbnail(height_px=self.height)[:, : self.width]
        else:
            rgb = frame.rgb
        below, right = self.height - rgb.shape[0], self.width - rgb.shape[1]
        if below or right:
            rgb = np.pad(rgb, ((0, below), (0, right), (0, 0)), mode="edge")
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")


class _Encoder:
    """libx264 for one segment: its first frame is an IDR picture, and none is reordered."""

    def __init__(self, width: int, height: int, rate: Fraction, sound: Sound | None) -> None:
        buffer = io.BytesIO()
        self._out = av.open(buffer, "w", format="mp4", options=HEAD_OPTIONS)
        self._stream = self._out.add_stream("libx264", rate=rate)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = Fraction(1, VIDEO_TICKS)
        context.gop_size = KEYFRAME_EVERY
        context.max_b_frames = 0
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        self._stream.options = {
            "preset": "superfast", "crf": _CRF, "maxrate": _MAX_RATE, "bufsize": _MAX_RATE,
        }  # fmt: skip
        if sound is not None:
            sound.add_stream(self._out)
        self._out.start_encoding()
        self.head = buffer.getvalue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()  # or the encoder's pictures stay in memory until the next collection

    def encode(self, picture: av.VideoFrame | None, tick: int) -> list[Packet[Any]]:
        """Return the packets that are ready; the rest comes with None."""
        if picture is not None:
            picture = picture.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
            picture.pts, picture.time_base = tick, Fraction(1, VIDEO_TICKS)
        return list(self._stream.encode(picture))
