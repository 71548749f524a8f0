"""Writing video files whose frames have exact timestamps."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import av
import av.error
import numpy as np
from av.container import OutputContainer
from av.filter import Graph
from numpy.typing import NDArray

from vidlab.core.errors import OptionError
from vidlab.video.audio import AAC_SAMPLE_RATES

KEYFRAME_EVERY = 12
"""Frames between two keyframes: a seek decodes at most that many."""

# Constant quality at which libx264's loss is hard to see; lower is better and larger.
_CRF = 18

# Ticks per second, the clock of MPEG systems.
_TICKS = 90_000

# The highest that AAC encoders take everywhere; sound of other rates is written at it.
_SAMPLE_RATE = 48_000

# Room for the header, which is written last: what it says of each packet at most (its time,
# size and place, ISO/IEC 14496-12, 8.6 and 8.7), and of all together.
_TABLE_BYTES, _HEADER_BYTES = 36, 8192
_BLOCK_SAMPLES = 1024  # in a packet of AAC

# GIF counts in these; browsers slow down frames that are shorter than two.
_GIF_TICKS = 100


def even(size_px: int) -> int:
    """Return the size, one larger where it is odd: 4:2:0 halves both sides."""
    return size_px + size_px % 2


class _Writer(ABC):
    """What writers share: frames come one by one, each at the next of the times given.

    Args:
        container: Where to write; closed at the end.
        ticks: When each frame comes, int64 ``[num_frames]``.
        ticks_per_second: The clock of `ticks`.
    """

    def __init__(
        self, container: OutputContainer, ticks: NDArray[np.int64], *, ticks_per_second: int
    ) -> None:
        self.num_frames = 0
        self._container = container
        self._ticks = ticks
        self._time_base = Fraction(1, ticks_per_second)

    def _next(self, rgb: NDArray[np.uint8]) -> av.VideoFrame:
        """Return the next frame, with its time.

        Raises:
            OptionError: There are more frames than times.
        """
        if self.num_frames >= len(self._ticks):
            raise OptionError(f"There are times for {len(self._ticks)} frames, and no more.")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        picture.pts, picture.time_base = int(self._ticks[self.num_frames]), self._time_base
        self.num_frames += 1
        return picture

    def close(self) -> None:
        """Write what is left and finish the file."""
        self._flush()
        self._container.close()

    @abstractmethod
    def _flush(self) -> None:
        """Write what the encoders still hold."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._container.close()


class VideoWriter(_Writer):
    """Writes an MP4 file (H.264, AAC) that every browser plays and seeks exactly.

    No B-frames, a keyframe every 12 frames, the first frame at time zero, and the header before
    them: it plays while it is loaded.

    Args:
        stream: A seekable binary file, left open.
        times: When each frame comes, seconds, float64 ``[num_frames]``; the first is time zero
            of the file.
        end_seconds: When the last frame goes off screen, on the same clock.
        width: px; odd sizes are padded by one.
        height: px.
        sample_rate: Of the sound, samples per second; None writes none.
        num_channels: Of the sound; more than two become one.
        crf: Constant quality of libx264, 0 (lossless) to 51.
        video_bit_rate: Bits per second at most, on average over a second; None sets no limit.
        audio_bit_rate: Bits per second; None takes the encoder's own.
        preset: libx264's: slower ones make smaller files.

    Raises:
        OptionError: There is no frame, or a size is not positive.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        times: NDArray[np.float64],
        end_seconds: float,
        width: int,
        height: int,
        sample_rate: int | None = None,
        num_channels: int = 1,
        crf: int = _CRF,
        video_bit_rate: int | None = None,
        audio_bit_rate: int | None = None,
        preset: str = "veryfast",
    ) -> None:
        if not len(times) or width < 1 or height < 1:
            raise OptionError(
                f"A video needs a frame and a size; got {len(times)} frames of {width}x{height} px."
            )
        ticks = exact_ticks(times, ticks_per_second=_TICKS)
        length = max(end_seconds - float(times[0]), 0.0)
        is_kept = sample_rate in AAC_SAMPLE_RATES and sample_rate <= _SAMPLE_RATE
        rate_hz = sample_rate if sample_rate is not None and is_kept else _SAMPLE_RATE
        num_blocks = length * rate_hz / _BLOCK_SAMPLES if sample_rate is not None else 0
        header = _HEADER_BYTES + _TABLE_BYTES * math.ceil(len(times) + num_blocks)
        container = av.open(stream, "w", format="mp4", options={"moov_size": str(header)})
        super().__init__(container, ticks, ticks_per_second=_TICKS)
        self._durations = dict(
            zip(
                ticks.tolist(),
                np.maximum(np.diff(ticks, append=round(length * _TICKS)), 1).tolist(),
                strict=True,
            )
        )
        self._num_samples = 0
        self._sample_rate = sample_rate
        span = max(float(times[-1] - times[0]), 1e-9)
        rate = Fraction((len(times) - 1) / span if len(times) > 1 else 1.0)
        pictures = self._container.add_stream("libx264", rate=rate.limit_denominator(60_000))
        pictures.width, pictures.height = even(width), even(height)
        pictures.pix_fmt = "yuv420p"
        pictures.time_base = pictures.codec_context.time_base = self._time_base
        pictures.codec_context.gop_size = KEYFRAME_EVERY
        # No B-frames: they would need an edit list, and a seek would decode more.
        pictures.codec_context.max_b_frames = 0
        pictures.options = {"preset": preset, "crf": str(crf)}
        if video_bit_rate is not None:
            limit = str(video_bit_rate)
            pictures.options |= {"maxrate": limit, "bufsize": limit}
        self._pictures = pictures
        self._sound: av.AudioStream | None = None
        if sample_rate is not None:
            self._sound = self._container.add_stream("aac", rate=rate_hz)
            self._sound.layout = "stereo" if num_channels == 2 else "mono"
            if audio_bit_rate is not None:
                self._sound.bit_rate = audio_bit_rate

    def add(self, rgb: NDArray[np.uint8], samples: NDArray[np.float32] | None = None) -> None:
        """Write the next frame, and the sound heard while it is on screen.

        Args:
            rgb: uint8 ``[height, width, 3]``.
            samples: float32 ``[num_samples, channels]`` in ±1.

        Raises:
            OptionError: There are more frames than times.
        """
        self._mux(self._next(_padded(rgb, self._pictures.width, self._pictures.height)))
        if self._sound is not None and samples is not None and len(samples):
            block = _sound(samples, self._sample_rate or 1, self._num_samples)
            self._num_samples += len(samples)
            self._container.mux(self._sound.encode(block))

    def _flush(self) -> None:
        self._mux(None)
        if self._sound is not None:
            self._container.mux(self._sound.encode(None))

    def _mux(self, picture: av.VideoFrame | None) -> None:
        for packet in self._pictures.encode(picture):
            packet.duration = self._durations.get(packet.pts or 0, 1)
            self._container.mux(packet)


class LosslessWriter:
    """Writes frames as they come into an MP4 file (H.264, RGB) that keeps every bit.

    The file is in fragments: what was written before a crash can be read.

    Args:
        path: The file to make.
        width: px.
        height: px.

    Attributes:
        size_px: Height and width.
        num_frames: Frames written.
    """

    def __init__(self, path: Path, *, width: int, height: int) -> None:
        self.size_px = height, width
        self.num_frames = 0
        self._time_base = Fraction(1, _TICKS)
        self._first_seconds = 0.0
        self._last_ticks = -1
        # A path that FFmpeg must not take for an address.
        self._container = av.open(
            f"file:{path}",
            "w",
            format="mp4",
            options={
                "movflags": "frag_keyframe+empty_moov+default_base_moof",
                "flush_packets": "1",
            },
        )
        self._pictures = self._container.add_stream("libx264rgb", rate=30)
        self._pictures.width, self._pictures.height = width, height
        self._pictures.pix_fmt = "rgb24"
        self._pictures.time_base = self._pictures.codec_context.time_base = self._time_base
        self._pictures.codec_context.gop_size = KEYFRAME_EVERY
        # "ultrafast" alone: it must never hold up what is seen.
        self._pictures.options = {"preset": "ultrafast", "tune": "zerolatency", "qp": "0"}

    def add(self, rgb: NDArray[np.uint8], time_seconds: float) -> None:
        """Write a frame.

        Args:
            rgb: uint8 ``[height, width, 3]``.
            time_seconds: When it was taken; the first frame is time zero of the file.
        """
        if not self.num_frames:
            self._first_seconds = time_seconds
        ticks = round((time_seconds - self._first_seconds) * _TICKS)
        self._last_ticks = max(ticks, self._last_ticks + 1)
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        picture.pts, picture.time_base = self._last_ticks, self._time_base
        self._container.mux(self._pictures.encode(picture))
        self.num_frames += 1

    def close(self) -> None:
        """Write what is left and finish the file."""
        self._container.mux(self._pictures.encode(None))
        self._container.close()


class GifWriter(_Writer):
    """Writes a GIF that repeats, each picture in its own best 256 colours, in constant memory.

    Args:
        stream: A seekable binary file, left open.
        times: When each frame comes, seconds, float64 ``[num_frames]``.
        end_seconds: When the last frame goes off screen, on the same clock.
        width: px.
        height: px.

    Raises:
        OptionError: There is no frame.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        times: NDArray[np.float64],
        end_seconds: float,
        width: int,
        height: int,
    ) -> None:
        if not len(times):
            raise OptionError("A GIF needs a frame.")
        ticks = exact_ticks(times, ticks_per_second=_GIF_TICKS)
        end = round((end_seconds - float(times[0])) * _GIF_TICKS)
        last = max(end - int(ticks[-1]), 1)
        container = av.open(
            stream, "w", format="gif", options={"loop": "0", "final_delay": str(last)}
        )
        super().__init__(container, ticks, ticks_per_second=_GIF_TICKS)
        self._pictures = self._container.add_stream("gif", rate=_GIF_TICKS)
        self._pictures.width, self._pictures.height = width, height
        self._pictures.pix_fmt = "pal8"
        self._pictures.codec_context.time_base = self._time_base
        self._colours = self._graph(width, height)

    @staticmethod
    def _graph(width: int, height: int) -> Graph:
        graph = Graph()
        source = graph.add_buffer(
            width=width, height=height, format=av.VideoFormat("rgb24"),
            time_base=Fraction(1, _GIF_TICKS),
        )  # fmt: skip
        split = graph.add("split")
        palette = graph.add("palettegen", "stats_mode=single")
        use = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=4:diff_mode=rectangle")
        sink = graph.add("buffersink")
        source.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(palette, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        return graph

    def add(self, rgb: NDArray[np.uint8], samples: NDArray[np.float32] | None = None) -> None:
        """Write the next frame; a GIF has no sound.

        Args:
            rgb: uint8 ``[height, width, 3]``.
            samples: Left out.

        Raises:
            OptionError: There are more frames than times.
        """
        self._colours.vpush(self._next(rgb))
        self._pull()

    def _pull(self) -> None:
        while True:
            try:
                picture = self._colours.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            self._container.mux(self._pictures.encode(picture))

    def _flush(self) -> None:
        self._colours.vpush(None)
        self._pull()
        self._container.mux(self._pictures.encode(None))


def exact_ticks(times: NDArray[np.float64], *, ticks_per_second: int) -> NDArray[np.int64]:
    """Return timestamps in ticks from the first, rounded, each later than the one before.

    Frames at one and the same time cannot be told apart on screen, but must follow each other.
    """
    ticks = np.round((times - times[0]) * ticks_per_second).astype(np.int64)
    order = np.arange(len(ticks))
    later: NDArray[np.int64] = np.maximum.accumulate(ticks - order) + order
    return later


def _padded(rgb: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    below, right = height - rgb.shape[0], width - rgb.shape[1]
    if below or right:
        return np.pad(rgb, ((0, below), (0, right), (0, 0)), mode="edge")
    return rgb


def _sound(samples: NDArray[np.float32], sample_rate: int, start: int) -> av.AudioFrame:
    if samples.shape[1] > 2:
        samples = samples.mean(axis=1, keepdims=True, dtype=np.float32)
    layout = "stereo" if samples.shape[1] == 2 else "mono"
    block = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples.T), format="fltp", layout=layout
    )
    block.sample_rate = sample_rate
    block.pts = start
    block.time_base = Fraction(1, sample_rate)
    return block
