"""The sound beside the pictures of a segment, as AAC on one grid.

Block ``k`` of the grid holds the 1024 samples from number ``1024 k`` after the first frame. A
segment carries every block that its time touches, so that it plays alone without a gap; the
block that two neighbours share is the same in both, in place and content.
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard
from numpy.typing import NDArray

from vidlab.core.errors import VideoError
from vidlab.video import Video
from vidlab.video.audio import AAC_SAMPLE_RATES, best_audio_stream
from vidlab.widgets.media.fmp4 import HEAD_OPTIONS, VIDEO_TICKS, Run, Sample

_BLOCK = 1024  # samples of an AAC-LC frame

# Blocks encoded before the first that is kept: each is decoded with the one before it, and the
# encoder's own first one holds its delay.
_PREROLL = 3

# Containers round timestamps (Matroska to 1 ms); sound this far off its place is in place.
_TOLERANCE_SECONDS = 1e-3

_READ_SAMPLES = 8 * _BLOCK
_SEEK_SECONDS = 10.0


class Sound:
    """Gives the sound of a video, block by block of one grid.

    Stored AAC is passed on where it lies on the grid without a gap; elsewhere the sound is
    encoded, with silence where there is none.

    Args:
        video: With sound.
        offset_seconds: Timestamp of the first frame, where block 0 starts.
    """

    def __init__(self, video: Video, *, offset_seconds: float) -> None:
        assert video.audio_sample_rate is not None, "only made where there is sound"
        source_rate = video.audio_sample_rate
        self._rate = source_rate if source_rate in AAC_SAMPLE_RATES else 48_000
        self._layout = "stereo" if video.num_audio_channels == 2 else "mono"
        self._stored = _StoredSound(video, offset_seconds, self._rate)
        self._samples = _Samples(video, offset_seconds, source_rate)
        self._source_rate = source_rate

    def add_stream(self, out: OutputContainer) -> AudioStream:
        """Add the encoder, which is also what a head says of passed-on blocks."""
        stream = out.add_stream("aac", rate=self._rate)
        stream.layout = self._layout
        stream.bit_rate = 128_000 if self._layout == "stereo" else 96_000
        return stream

    def run(self, track: int, start: int, stop: int) -> Run:
        """Return the sound from `start` to `stop`, in ticks of the pictures' clock."""
        first = start * self._rate // (VIDEO_TICKS * _BLOCK)
        last = -(-stop * self._rate // (VIDEO_TICKS * _BLOCK))
        blocks = self._stored.blocks(first, last) or self._encode(first, last)
        return Run(track, first * _BLOCK, [Sample(block, _BLOCK) for block in blocks])

    def close(self) -> None:
        """Free what is open; it is opened again when needed."""
        self._stored.close()
        self._samples.close()

    def _encode(self, first: int, last: int) -> list[bytes]:
        blocks: dict[int, bytes] = {}
        with av.open(io.BytesIO(), "w", format="mp4", options=HEAD_OPTIONS) as out:
            stream = self.add_stream(out)

            def keep(packets: list[Packet[Any]]) -> None:
                for packet in packets:
                    blocks[(packet.pts or 0) // _BLOCK] = bytes(packet)

            # One block more than is kept: the encoder looks ahead.
            start, stop = (
                k * _BLOCK * self._source_rate // self._rate for k in (first - _PREROLL, last + 2)
            )
            for position in range(start, stop, _READ_SAMPLES):
                samples = self._samples.read(position, min(position + _READ_SAMPLES, stop))
                keep(stream.encode(self._frame(samples, position)))
            keep(stream.encode(None))
        return [blocks[k] for k in range(first, last)]

    def _frame(self, samples: NDArray[np.float32], position: int) -> av.AudioFrame:
        if samples.shape[1] > 2:
            samples = samples.mean(axis=1, keepdims=True, dtype=np.float32)
        planes = np.ascontiguousarray(samples.T)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts = self._source_rate, position
        frame.time_base = Fraction(1, self._source_rate)
        return frame


class _StoredSound:
    """Reads AAC as it is stored, where it can be passed on."""

    def __init__(self, video: Video, offset_seconds: float, rate: int) -> None:
        self._video = video
        self._offset_seconds = offset_seconds
        self._rate = rate
        self._container: InputContainer | None = None
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        self._kept: dict[int, bytes] = {}
        self._next = 0  # the block that was read last, and one
        self._time_base = Fraction(1, rate)
        self._is_usable = True

    def blocks(self, first: int, last: int) -> list[bytes]:
        """Return blocks `first` to `last`; empty where they are not all there."""
        if not self._is_usable:
            return []
        try:
            self._go_to(first)
            while self._next < last and (packet := next(self._packets, None)) is not None:
                self._keep(packet, first)
        except (av.error.FFmpegError, VideoError):
            self._is_usable = False  # encoding reports what is wrong with the sound
            return []
        blocks = [self._kept.get(k, b"") for k in range(first, last)]
        self._kept = {k: data for k, data in self._kept.items() if k >= last - 1}
        return blocks if all(blocks) else []

    def close(self) -> None:
        self._packets = iter(())
        self._kept.clear()
        if self._container is not None:
            self._container.close()
            self._container = None

    def _go_to(self, block: int) -> None:
        """Have `block` come next, or soon."""
        container, stream = self._open()
        ahead = block - self._next
        if block in self._kept or 0 <= ahead * _BLOCK < _SEEK_SECONDS * self._rate:
            return
        seconds = max((block - _PREROLL) * _BLOCK / self._rate, 0.0) + self._offset_seconds
        container.seek(round(Fraction(seconds) / self._time_base), stream=stream, backward=True)
        self._packets = container.demux(stream)
        self._kept.clear()
        self._next = 0

    def _open(self) -> tuple[InputContainer, AudioStream]:
        if self._container is None:
            self._container = self._video.open_container()
            stream = best_audio_stream(self._container)
            if stream is None:
                raise VideoError("The sound is gone.")
            for other in self._container.streams:
                if other.index != stream.index:
                    other.discard = Discard.all
            context = stream.codec_context
            self._is_usable = (
                context.codec.canonical_name == "aac"
                and context.profile == "LC"
                and context.sample_rate == self._rate
                and context.channels <= 2
                and bool(context.extradata)  # without one, each packet has a header of its own
            )
            self._stream = stream
            self._time_base = stream.time_base or Fraction(1, self._rate)
            self._packets = self._container.demux(stream) if self._is_usable else iter(())
            self._next = 0
        return self._container, self._stream

    def _keep(self, packet: Packet[AudioStream], first: int) -> None:
        """Note a packet that lies on the grid, and how far the reading has come."""
        if packet.pts is None or not packet.size:
            return
        seconds = float(packet.pts * self._time_base) - self._offset_seconds
        block = round(seconds * self._rate / _BLOCK)
        self._next = block + 1
        is_in_place = abs(seconds - block * _BLOCK / self._rate) <= _TOLERANCE_SECONDS
        if block >= first and is_in_place and not packet.is_corrupt:
            self._kept[block] = bytes(packet)


class _Samples:
    """Reads decoded sound by sample number, on the frames' clock; neighbours need no seek."""

    def __init__(self, video: Video, offset_seconds: float, rate: int) -> None:
        self._video = video
        self._rate = rate
        self._offset = round(offset_seconds * rate)
        self._blocks: Iterator[NDArray[np.float32]] = iter(())
        self._kept: NDArray[np.float32] | None = None
        self._start = 0  # number of the first sample kept

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples `start` to `stop`, float32 [num_samples, num_channels]; may go back."""
        kept = self._kept
        if kept is None or not self._start <= start <= self._start + len(kept):
            kept = self._restart(start)
        pieces, end = [kept], self._start + len(kept)
        while end < stop:
            piece = next(self._blocks, None)
            if piece is None:  # after the end
                piece = np.zeros((stop - end, kept.shape[1]), np.float32)
            pieces.append(piece)
            end += len(piece)
        samples = np.concatenate(pieces)
        wanted = samples[start - self._start : stop - self._start]
        # The next segment starts a little before the end of this one.
        first = max(self._start, stop - _READ_SAMPLES)
        self._kept, self._start = samples[first - self._start :], first
        return wanted

    def close(self) -> None:
        blocks, self._blocks, self._kept = self._blocks, iter(()), None
        if isinstance(blocks, Generator):
            blocks.close()

    def _restart(self, start: int) -> NDArray[np.float32]:
        self.close()
        end_seconds = self._video.end_seconds + _BLOCK / self._rate
        self._start = start
        start_seconds = (start + self._offset) / self._rate
        self._blocks = self._video.audio_blocks(
            start_seconds=start_seconds, stop_seconds=max(end_seconds, start_seconds),
            block_seconds=_READ_SAMPLES / self._rate,
        )  # fmt: skip
        return np.zeros((0, self._video.num_audio_channels), np.float32)
