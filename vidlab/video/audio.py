"""The sound of a video, on the clock of its frames."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from numpy.typing import NDArray

from vidlab.core.errors import VideoOpenError
from vidlab.video.source import Source, describe

AAC_SAMPLE_RATES = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000,
)  # fmt: skip
"""What AAC can state (ISO/IEC 14496-3, table 1.18), as far as browsers play it."""

# Containers round timestamps (Matroska to 1 ms); a smaller step than this is no gap.
_TOLERANCE_SECONDS = 0.04

# Frames before a seek target that bring a decoder with memory (AAC, Opus) up to speed.
_PREROLL_SECONDS = 0.2


def best_audio_stream(container: InputContainer) -> AudioStream | None:
    """Return the audio stream that belongs to the video, or None where none decodes."""
    best = container.streams.best("audio")
    for stream in container.streams.audio:
        if best is not None and stream.index == best.index and stream.codec_context is not None:
            return stream
    return None


class AudioReader:
    """Reads sound by sample number; sample ``n`` is heard at ``n / sample_rate`` seconds.

    Times are those of the container, as the frames' are. Where there is no sound (before
    the track starts, in gaps, after its end, where it is damaged) samples are zero.

    Args:
        source: Where to read.
        max_pixels: Passed on for opening.
        start_seconds: Nothing earlier will be asked for.
        warn: Told once, in words, about sound that cannot be decoded.
    """

    def __init__(
        self,
        source: Source,
        *,
        max_pixels: int,
        start_seconds: float,
        warn: Callable[[str], None],
    ) -> None:
        self._lock = threading.Lock()
        self._container = source.open(max_pixels=max_pixels)
        stream = best_audio_stream(self._container)
        if stream is None:
            self._container.close()
            raise VideoOpenError(f"{source} has no sound that can be decoded.")
        for other in self._container.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        self._stream = stream
        self._warn = warn
        self.sample_rate = stream.codec_context.sample_rate
        self.num_channels = stream.codec_context.channels
        self._layout = stream.codec_context.layout.name
        self._time_base = stream.time_base or Fraction(1, self.sample_rate)
        self._resampler: AudioResampler | None = None
        self._input_format: tuple[str, str, int] | None = None
        self._has_warned = False
        self._is_at_end = False
        self._end: int | None = None  # sample number after the last one that was decoded
        self._blocks: list[tuple[int, NDArray[np.float32]]] = []
        self._seek(start_seconds)
        self._packets: Iterator[Packet[AudioStream]] = self._container.demux(stream)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples ``start`` to ``stop`` as float32 [num_samples, num_channels] in ±1.

        `start` must not go back between calls.
        """
        with self._lock:
            while not self._is_at_end and (self._end is None or self._end < stop):
                self._decode_packet()
        out = np.zeros((max(0, stop - start), self.num_channels), np.float32)
        kept = []
        for first, block in self._blocks:
            last = first + len(block)
            low, high = max(first, start), min(last, stop)
            if low < high:
                out[low - start : high - start] = block[low - first : high - first]
            if last > stop:
                kept.append((first, block))
        self._blocks = kept
        return out

    def close(self) -> None:
        """Free the container; what is read after is silence."""
        with self._lock:
            self._is_at_end = True
            self._packets = iter(())
            self._container.close()

    def _seek(self, start_seconds: float) -> None:
        target = round(Fraction(start_seconds - _PREROLL_SECONDS) / self._time_base)
        if target <= (self._stream.start_time or 0):
            return
        try:
            self._container.seek(target, stream=self._stream, backward=True)
        except Exception:
            return  # this container cannot seek: sound is read from its start, only slower

    def _decode_packet(self) -> None:
        try:
            packet = next(self._packets, None)
        except Exception as error:
            self._note_damage(error)
            packet = None
        if packet is None:
            self._is_at_end = True
            return
        if not packet.size and packet.pts is not None:
            return
        try:
            decoded = packet.decode()
        except Exception as error:
            self._note_damage(error)
            return
        for frame in decoded:
            self._take(frame)

    def _take(self, frame: AudioFrame) -> None:
        start = self._end or 0
        if frame.pts is not None:
            seconds = frame.pts * (frame.time_base or self._time_base)
            stated = round(seconds * self.sample_rate)
            if self._end is None or abs(stated - start) > _TOLERANCE_SECONDS * self.sample_rate:
                start = stated
        signature = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or signature != self._input_format:
            self._input_format = signature
            self._resampler = AudioResampler("fltp", self._layout, self.sample_rate)
        for converted in self._resampler.resample(frame):
            samples = converted.to_ndarray().T.astype(np.float32)
            if self._end is not None and start < self._end:
                samples = samples[self._end - start :]
                start = self._end
            if len(samples):
                self._blocks.append((start, samples))
                start += len(samples)
                self._end = start

    def _note_damage(self, error: Exception) -> None:
        if self._has_warned:
            return
        self._has_warned = True
        where = "at its start" if self._end is None else f"at {self._end / self.sample_rate:.2f} s"
        self._warn(f"sound cannot be decoded {where} ({describe(error)}); silence instead")
