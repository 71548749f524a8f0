"""`Video`: frames by number and by time, streaming iteration, and sound beside them."""

from __future__ import annotations

import math
import operator
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, BinaryIO, Self

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vidlab.core.errors import (
    FrameRangeError,
    LimitError,
    OptionError,
    VideoDecodeError,
    VideoError,
    VideoNotFoundError,
    VideoOpenError,
)
from vidlab.core.limits import Limits, current_limits
from vidlab.video.audio import AudioReader, best_audio_stream
from vidlab.video.decoder import DecodeFailure, Decoder, video_streams
from vidlab.video.display import Display, display_matrix_of
from vidlab.video.frame import Frame
from vidlab.video.index import (
    Clock,
    FrameIndex,
    IndexWriter,
    PacketTable,
    Progress,
    index_by_decoding,
    index_by_demuxing,
    index_by_tables,
)
from vidlab.video.reader import IndexMismatch, Opener, Reader, damage
from vidlab.video.source import Source
from vidlab.video.tables import is_with_tables

MAX_PIXELS = Limits.max_frame_pixels
"""Largest frame that is opened, in px (width times height), unless ``Video(max_pixels=)`` or
`vidlab.limits` say otherwise."""

# A time this little before a frame counts as the frame's: ffprobe and web pages round
# timestamps to microseconds.
_TIME_SLACK_SECONDS = 1e-6

# A counted rate this close to the one the header states is that one (Matroska rounds
# timestamps to milliseconds).
_RATE_TOLERANCE = 0.005

# The first frame of the video that was opened last, and of no other: who shows it at once need
# not decode it again, and a thousand open videos hold no thousand frames.
_LATEST_FIRST: deque[Frame] = deque(maxlen=1)


class Video:
    """A video: its frames, by number, by time, or in order.

    Opening reads the header and decodes the first frame, which is what tells the rotation.
    The frame index (`num_frames`, `pts_seconds`, and what follows from them: `fps`,
    `duration_seconds`) is made when first asked for: from the tables of an MP4 or QuickTime
    file where they tell it, else by reading the packets without decoding them. Where packets do
    not tell when frames are shown (MPEG program streams that leave timestamps out, hidden
    frames, clocks that jump back), or where the first frames disagree with them, the stream is
    decoded once instead; an iteration from start to end gives the index for free, and corrects
    it. Over http(s), the index means reading the whole file.

    A still picture is a video of one frame. Cover pictures in sound files are not video. Of
    several video streams the one FFmpeg ranks best is read.

    A video can be used from several threads, and any number of iterators can run at once:
    each has a container of its own.

    Args:
        source: A path, an ``http(s)://`` address, bytes, or a binary file object (read from
            its first byte, never closed; one that cannot seek is copied to a temporary file).
        name: What to call it in tables; by default the file's name.
        max_pixels: Refuse frames larger than this, in px; None takes the limit in force.
        num_threads: How many threads decode frames that follow each other; None leaves it to
            FFmpeg, which takes one more than there are cores, at most 16. The frames are the same.

    Attributes:
        name: The name used in tables.
        width: Width in px as displayed: rotated, square pixels.
        height: Height in px as displayed.
        coded_width: Width in px as decoded.
        coded_height: Height in px as decoded.
        sample_aspect_ratio: Width of a decoded pixel over its height.
        rotation: Degrees clockwise applied for display: 0, 90, 180 or 270.
        is_mirrored: Whether the picture is mirrored left to right before it is rotated.
        start_seconds: Timestamp of the first frame.
        stated_duration_seconds: Duration as the header states it, or None; for the exact one
            ask `duration_seconds`.
        codec: FFmpeg's name of the codec, such as ``"h264"``.
        container: FFmpeg's name of the container, such as ``"mov,mp4,m4a,3gp,3g2,mj2"``.
        pixel_format: FFmpeg's name of the decoded pixel format.
        has_audio: Whether there is sound that can be decoded.
        audio_sample_rate: Samples per second, or None without sound.
        num_audio_channels: Channels of the sound; 0 without.
        metadata: What the container and the stream say about themselves.
        warnings: What was odd about the file, in words; grows as more of it is read.
        stopped: What ended the last reading that met damage, in words, or None.

    Raises:
        VideoNotFoundError: No file at the path, or no answer at the address.
        VideoOpenError: Not a video, or one whose first frame cannot be decoded.
        LimitError: Larger, or with more frames, than `vidlab.limits` lets in; whether it is too
            long or too fast, the index tells, which raises the same.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes | BinaryIO,
        *,
        name: str | None = None,
        max_pixels: int | None = None,
        num_threads: int | None = None,
    ) -> None:
        self.source = source
        if num_threads is not None and (type(num_threads) is not int or num_threads < 1):
            raise OptionError(f"num_threads must be a whole number above 0; got {num_threads!r}.")
        if max_pixels is None:
            max_pixels = current_limits().max_frame_pixels
        self._opener = Opener(Source(source, name=name), max_pixels, num_threads)
        self.name = self._opener.source.name
        self.warnings: list[str] = []
        self.stopped: str | None = None
        self._is_closed = False
        self._index: FrameIndex | None = None
        self._is_index_decoded = False
        self._has_asked_packets = False
        self._index_lock = threading.RLock()
        self._reader: Reader | None = None
        self._reader_lock = threading.Lock()
        self._last: Frame | None = None

        decoder = self._opener.decoder(is_threaded=False)
        try:
            self._look_at(decoder)
        finally:
            decoder.close()

    def _look_at(self, decoder: Decoder) -> None:
        """Read the header and the first frame."""
        where = self._opener.source
        try:
            picture = decoder.read()
        except DecodeFailure as failure:
            raise VideoOpenError(
                f"{where} has a {decoder.stream.codec_context.name} video stream, but its first "
                f"frame cannot be decoded: {failure}."
            ) from failure
        if picture is None:
            raise VideoOpenError(f"{where} has a video stream without a single readable frame.")
        stream, container = decoder.stream, decoder.container
        self._display = Display(
            picture.width,
            picture.height,
            sample_aspect_ratio=stream.sample_aspect_ratio,
            matrix=display_matrix_of(picture),
        )
        self.warnings += self._display.warnings
        self.width, self.height = self._display.width, self._display.height
        if max(self.width * self.height, picture.width * picture.height) > self._opener.max_pixels:
            raise LimitError(
                f"{where} has frames of {self.width}x{self.height} px as displayed, more than the "
                f"limit of {self._opener.max_pixels} (max_frame_pixels of vidlab.limits). If that "
                "is meant, pass max_pixels= to Video."
            )
        self.coded_width, self.coded_height = picture.width, picture.height
        self.sample_aspect_ratio = self._display.sample_aspect_ratio
        self.rotation, self.is_mirrored = self._display.rotation, self._display.mirrored
        self._time_base = decoder.time_base
        pts = Clock(decoder).tick(picture)
        self.start_seconds = self._seconds(pts)
        first = self._frame(picture, 0, pts)
        self._first = weakref.ref(first)
        _LATEST_FIRST.append(first)
        self.codec: str = stream.codec_context.codec.canonical_name
        self.container: str = container.format.name
        self.pixel_format: str = picture.format.name
        self.metadata: dict[str, str] = {**container.metadata, **stream.metadata}
        self.num_video_tracks = len(video_streams(container))
        self.num_audio_tracks = len(container.streams.audio)
        self._stated_rates = [rate for rate in (stream.average_rate, stream.guessed_rate) if rate]
        # What the header says: good enough for a progress bar, and free.
        self.stated_duration_seconds: float | None = (
            container.duration / av.time_base if container.duration else None
        )
        self._doubt_claims()
        audio = best_audio_stream(container)
        self.has_audio = audio is not None
        self.audio_sample_rate = audio.codec_context.sample_rate if audio else None
        self.num_audio_channels = audio.codec_context.channels if audio else 0
        if container.streams.audio and not audio:
            self.warnings.append("there is sound, in a codec that cannot be decoded")

    def _doubt_claims(self) -> None:
        """Pass over what the header claims beyond the limits: headers are often wrong."""
        known = current_limits()
        for rate in [each for each in self._stated_rates if each > known.max_frames_per_second]:
            self._stated_rates.remove(rate)
            self._warn_once(f"the header claims {float(rate):g} frames per second; not believed")
        stated = self.stated_duration_seconds
        if stated is not None and not 0 <= stated <= known.max_duration_seconds:
            self.stated_duration_seconds = None
            self._warn_once(f"the header claims a duration of {stated:g} s; not believed")

    # ---- the index, and what follows from it ------------------------------------------------

    @property
    def is_indexed(self) -> bool:
        """Whether the index is made: then `num_frames` and the like cost nothing."""
        return self._index is not None

    def make_index(self, *, progress: Callable[[float], None] | None = None) -> None:
        """Make the index now, where it is not made yet; what needs it does so by itself.

        Args:
            progress: Called now and then with how much of the file is read, 0 to 1, where
                all of it has to be, and the container says.

        Raises:
            VideoError: The source is gone, or is no longer a video.
        """
        self._indexed(progress)

    @property
    def num_frames(self) -> int:
        """How many frames there are, exactly."""
        return len(self._indexed())

    @property
    def pts_seconds(self) -> NDArray[np.float64]:
        """Timestamps of all frames, float64 [num_frames], never decreasing; read-only."""
        return self._indexed().pts_seconds

    @property
    def end_seconds(self) -> float:
        """Time at which the last frame goes off screen."""
        return self._indexed().end_seconds

    @property
    def duration_seconds(self) -> float:
        """From the first frame's timestamp to the end of the last frame.

        Computed from the index: headers leave it out, or count the sound.
        """
        return self.end_seconds - float(self.pts_seconds[0])

    @property
    def fps(self) -> float:
        """Average frames per second, over the whole video.

        The rate the header states where the timestamps bear it out, else the timestamps'.
        """
        pts = self.pts_seconds
        span = float(pts[-1] - pts[0])
        if span <= 0:
            if self._stated_rates:
                return float(self._stated_rates[0])
            return self.num_frames / self.duration_seconds
        counted = (len(pts) - 1) / span
        for rate in self._stated_rates:
            if abs(float(rate) - counted) <= _RATE_TOLERANCE * counted:
                return float(rate)
        return counted

    def __len__(self) -> int:
        return self.num_frames

    def __bool__(self) -> bool:
        return True  # not by way of __len__, which would read the file

    # ---- the source itself, for who serves or copies it ------------------------------------

    @property
    def is_remote(self) -> bool:
        """Whether reading goes over the network."""
        return self._opener.source.is_remote

    def open_container(self) -> InputContainer:
        """Open the source anew with PyAV, within this video's limits; the caller closes it.

        Raises:
            VideoError: The source is gone, or is no longer a video.
        """
        return self._opener.source.open(max_pixels=self._opener.max_pixels)

    @property
    def packets(self) -> PacketTable | None:
        """The packets behind the frames; None where they do not tell when frames are shown."""
        index = self._indexed()
        if index.packets is None and not self._has_asked_packets:
            # The index may come from an iteration, which sees no packets.
            with self._index_lock:
                self._has_asked_packets = True
                stored = self._index_by_packets()
                if stored is not None and np.array_equal(stored.pts, index.pts):
                    self._index = replace(index, packets=stored.packets)
        return self._indexed().packets

    def open_decoder(self) -> Decoder:
        """Open the video stream anew, for its packets; closed with the video at the latest.

        Raises:
            VideoError: The source is gone, or is no longer a video.
        """
        return self._opener.decoder()

    def open_bytes(self) -> IO[bytes]:
        """Open the source's bytes as they are; the caller closes the file.

        Raises:
            VideoNotFoundError: The file is gone.
            VideoOpenError: It cannot be read, or the source is an address.
        """
        source = self._opener.source
        try:
            return source.open_bytes()
        except FileNotFoundError as error:
            raise VideoNotFoundError(f"{source} is not there any more.") from error
        except OSError as error:
            raise VideoOpenError(f"The bytes of {source} cannot be read: {error}.") from error

    # ---- frames in order ---------------------------------------------------------------------

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    def frames(self, *, start: int = 0, stop: int | None = None) -> Generator[Frame]:
        """Yield frames `start` to `stop` (not included), in constant memory.

        Args:
            start: First frame; at most `num_frames`.
            stop: Frame to end before; by default, and at most, the end.

        Raises:
            FrameRangeError: `start` or `stop` is negative, or `start` lies past the end.
            VideoDecodeError: The file is damaged here; the frames before were good.
        """
        first = _as_int(start, "start")
        last = None if stop is None else _as_int(stop, "stop")
        if first < 0 or (last is not None and last < 0):
            raise FrameRangeError(f"Frames are counted from 0; got start={start}, stop={stop}.")
        self._check_open()
        if first == 0:
            return self._frames_from_start(last)
        if first > self.num_frames:
            raise FrameRangeError(
                f"start={start} lies past the end of {self.name}, which has "
                f"{self.num_frames} frames."
            )
        return self._frames_between(first, last)

    def _frames_from_start(self, stop: int | None) -> Generator[Frame]:
        if stop == 0:
            return
        decoder = self._opener.decoder()
        writer = IndexWriter(decoder)
        try:
            while (picture := decoder.read()) is not None:
                pts = writer.note(picture)
                yield self._frame(picture, len(writer) - 1, pts)
                if len(writer) == stop:
                    return
        except DecodeFailure as failure:
            raise self._stop(damage(self._opener.source, len(writer), str(failure))) from failure
        finally:
            decoder.close()
        self._adopt(writer.index())

    def _frames_between(self, start: int, stop: int | None) -> Generator[Frame]:
        index = self._indexed()
        reader = Reader(self._opener, index)
        number = start
        try:
            while number < len(index) and (stop is None or number < stop):
                try:
                    picture = reader.read(number)
                except IndexMismatch:
                    reader.close()
                    index = self._index_again(index)
                    reader = Reader(self._opener, index)
                    continue
                yield self._frame(picture, number, int(index.pts[number]))
                number += 1
        except VideoDecodeError as error:
            raise self._stop(error) from error.__cause__
        finally:
            reader.close()
        if index.stopped is not None and (stop is None or number < stop):
            raise self._stop(damage(self._opener.source, number, index.stopped))

    # ---- one frame ---------------------------------------------------------------------------

    def frame_at(self, index: int) -> Frame:
        """Return frame `index`, exactly; a negative number counts from the end.

        Raises:
            FrameRangeError: There is no such frame.
            VideoDecodeError: Damage lies between the keyframe before it and the frame.
        """
        number = _as_int(index, "index")
        self._check_open()
        with self._reader_lock:
            while True:
                table = self._indexed()
                if not -len(table) <= number < len(table):
                    raise FrameRangeError(
                        f"{self.name} has frames 0 to {len(table) - 1}; got {index}."
                    )
                wanted = number % len(table)
                if self._last is not None and self._last.index == wanted:
                    return self._last
                if self._reader is None:
                    self._reader = Reader(self._opener, table)
                try:
                    picture = self._reader.read(wanted)
                except IndexMismatch:
                    self._reader.close()
                    self._reader = None
                    self._index_again(table)
                    continue
                except VideoDecodeError as error:
                    raise self._stop(error) from error.__cause__
                self._last = self._frame(picture, wanted, int(table.pts[wanted]))
                return self._last

    def index_at_time(self, seconds: float) -> int:
        """Return the number of the frame on screen: the last with a timestamp up to `seconds`.

        Before the first frame it is the first, past the end the last, as players show it.
        A microsecond too early counts as in time.

        Raises:
            OptionError: `seconds` is not a number.
        """
        try:
            wanted = float(seconds)
        except (TypeError, ValueError):
            wanted = math.nan
        if math.isnan(wanted):
            raise OptionError(f"A time must be a number of seconds; got {seconds!r}.")
        pts = self.pts_seconds
        return max(0, int(np.searchsorted(pts, wanted + _TIME_SLACK_SECONDS, side="right")) - 1)

    def frame_at_time(self, seconds: float) -> Frame:
        """Return the frame on screen at `seconds` (see `index_at_time`)."""
        return self.frame_at(self.index_at_time(seconds))

    def __getitem__(self, index: int) -> Frame:
        return self.frame_at(index)

    def first_frame(self) -> Frame:
        """Return the first frame, without making the index.

        Raises:
            VideoDecodeError: The file has changed: it was there when the video was opened.
        """
        self._check_open()
        with self._reader_lock:
            if self._last is None or self._last.index:
                self._last = self._first() or self._decode_first()
            return self._last

    def _decode_first(self) -> Frame:
        decoder = self._opener.decoder(is_threaded=False)
        try:
            picture, reason = decoder.read(), "there is nothing in it any more"
            pts = Clock(decoder).tick(picture) if picture else 0
        except DecodeFailure as failure:
            picture, reason = None, str(failure)
        finally:
            decoder.close()
        if picture is None:
            raise self._stop(damage(self._opener.source, 0, reason))
        return self._frame(picture, 0, pts)

    def last_frame(self) -> Frame:
        """Return the last frame."""
        return self.frame_at(-1)

    def thumbnails(self, num: int, *, height_px: int = 90) -> list[NDArray[np.uint8]]:
        """Return `num` small pictures, evenly spaced in time.

        Args:
            num: How many; each stands for an equal part of the video, and shows its middle.
            height_px: Their height.

        Returns:
            uint8 [height_px, w, 3] each.

        Raises:
            OptionError: `num` or `height_px` is less than 1.
            VideoDecodeError: The file is damaged before the last of them.
        """
        if _as_int(num, "num") < 1 or _as_int(height_px, "height_px") < 1:
            raise OptionError(
                f"num and height_px must be at least 1; got num={num}, height_px={height_px}."
            )
        start, part = float(self.pts_seconds[0]), self.duration_seconds / num
        made: dict[int, NDArray[np.uint8]] = {}
        numbers = [self.index_at_time(start + part * (k + 0.5)) for k in range(num)]
        for number in numbers:
            if number not in made:
                made[number] = self.frame_at(number).thumbnail(height_px=height_px)
        return [made[number] for number in numbers]

    # ---- sound -------------------------------------------------------------------------------

    def audio_blocks(
        self,
        *,
        start_seconds: float | None = None,
        stop_seconds: float | None = None,
        block_seconds: float = 1.0,
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the sound, in blocks, on the clock of the frames.

        Args:
            start_seconds: Where to start; by default at the first frame.
            stop_seconds: Where to end; by default where the last frame ends.
            block_seconds: How long a block is; the last may be shorter.

        Yields:
            float32 [num_samples, num_audio_channels] in ±1; silence where there is no sound.

        Raises:
            OptionError: The block is not longer than one sample.
            VideoError: There is no sound.
        """
        start = self.start_seconds if start_seconds is None else float(start_seconds)
        stop = self.end_seconds if stop_seconds is None else float(stop_seconds)
        if not self.has_audio or self.audio_sample_rate is None:
            raise VideoError(f"{self.name} has no sound; see Video.has_audio.")
        rate = self.audio_sample_rate
        if not block_seconds * rate >= 1 or not math.isfinite(start) or not math.isfinite(stop):
            raise OptionError(
                f"A block must last at least one sample (1/{rate} s), between two times; got "
                f"block_seconds={block_seconds}, from {start} to {stop} s."
            )
        return self._audio_between(start, stop, block_seconds, rate)

    def _audio_between(
        self, start: float, stop: float, block_seconds: float, rate: int
    ) -> Iterator[NDArray[np.float32]]:
        audio = self._open_audio(start)
        try:
            first, last, step = round(start * rate), round(stop * rate), round(block_seconds * rate)
            for position in range(first, last, step):
                yield audio.read(position, min(position + step, last))
        finally:
            audio.close()

    def walk(
        self, *, start: int = 0, stop: int | None = None
    ) -> Generator[tuple[Frame, NDArray[np.float32]]]:
        """Yield each frame with the sound heard while it is on screen.

        Args:
            start: First frame.
            stop: Frame to end before; by default the end.

        Yields:
            ``(frame, samples)``; samples are float32 [num_samples, num_audio_channels], end to
            end without gap or overlap, and [0, 0] for a video without sound.
        """
        frames = self.frames(start=start, stop=None if stop is None else stop + 1)
        return self._walk(frames, stop)

    def _walk(
        self, frames: Generator[Frame], stop: int | None
    ) -> Generator[tuple[Frame, NDArray[np.float32]]]:
        audio: AudioReader | None = None

        def heard(frame: Frame, until: float) -> NDArray[np.float32]:
            nonlocal audio
            if not self.has_audio:
                return np.zeros((0, 0), np.float32)
            if audio is None:
                audio = self._open_audio(frame.pts_seconds)
            rate = audio.sample_rate
            return audio.read(round(frame.pts_seconds * rate), round(until * rate))

        try:
            shown: Frame | None = None
            for frame in frames:
                if shown is not None:
                    yield shown, heard(shown, frame.pts_seconds)
                shown = frame
            if shown is not None and (stop is None or shown.index < stop):
                yield shown, heard(shown, self.end_seconds)
        finally:
            if audio is not None:
                audio.close()
            frames.close()

    def _open_audio(self, start_seconds: float) -> AudioReader:
        self._check_open()
        audio = AudioReader(
            self._opener.source,
            max_pixels=self._opener.max_pixels,
            start_seconds=start_seconds,
            warn=self._warn_once,
        )
        self._opener.register(audio)
        return audio

    # ---- life --------------------------------------------------------------------------------

    def close(self) -> None:
        """Free all that is open; iterators that still run then raise `VideoError`."""
        self._is_closed = True
        self._opener.close()
        self._reader = None
        self._last = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        parts = [f"{self.width}x{self.height}"]
        if self.rotation:
            parts.append(f"rotated {self.rotation}°")
        if self._index is None and (self._is_closed or self._opener.source.is_remote):
            rate = f"about {float(self._stated_rates[0]):.4g} fps" if self._stated_rates else ""
            parts += [rate, "not indexed yet"]
        else:
            try:
                parts += [
                    f"{self.fps:.5g} fps",
                    f"{self.duration_seconds:.2f} s",
                    f"{self.num_frames} frames",
                ]
            except VideoError as error:
                parts.append(f"no index: {error}")
        parts.append(f"{self.codec}, {self.pixel_format}")
        if self.has_audio:
            parts.append("with sound")
        return f"Video({self.name!r}: {', '.join(part for part in parts if part)})"

    # ---- inside ------------------------------------------------------------------------------

    def _indexed(self, progress: Progress | None = None) -> FrameIndex:
        if self._index is not None:
            return self._index
        with self._index_lock:
            if self._index is None:
                self._check_open()
                self._index = self._checked(self._make_index(progress))
                if self._index.stopped is not None:
                    self._warn_once(
                        f"the file is damaged or cut off after frame {len(self._index) - 1}: "
                        f"{self._index.stopped}"
                    )
            return self._index

    def _make_index(self, progress: Progress | None = None) -> FrameIndex:
        self._has_asked_packets = True
        return self._index_by_packets(progress) or self._make_index_by_decoding(progress)

    def _index_by_packets(self, progress: Progress | None = None) -> FrameIndex | None:
        return self._index_by_tables() or self._index_by_demuxing(progress)

    def _index_by_tables(self) -> FrameIndex | None:
        if self.is_remote or not is_with_tables(self.container, self.codec):
            return None
        with self._decoders() as (decoder, checker), self.open_bytes() as file:
            return index_by_tables(decoder, checker, file)

    def _index_by_demuxing(self, progress: Progress | None) -> FrameIndex | None:
        with self._decoders() as (decoder, checker):
            return index_by_demuxing(decoder, checker, progress=progress)

    @contextmanager
    def _decoders(self) -> Iterator[tuple[Decoder, Decoder]]:
        decoder, checker = self._opener.decoder(), self._opener.decoder(is_threaded=False)
        try:
            yield decoder, checker
        finally:
            decoder.close()
            checker.close()

    def _make_index_by_decoding(self, progress: Progress | None = None) -> FrameIndex:
        decoder = self._opener.decoder()
        try:
            index = index_by_decoding(decoder, progress=progress)
        finally:
            decoder.close()
        self._is_index_decoded = True
        return index

    def _index_again(self, wrong: FrameIndex) -> FrameIndex:
        """Replace an index that decoding did not bear out."""
        with self._index_lock:
            if self._index is wrong:
                self._index = self._checked(
                    wrong.counted() if self._is_index_decoded else self._make_index_by_decoding()
                )
                if wrong is not None and not wrong.is_by_pts:
                    raise self._stop(
                        damage(
                            self._opener.source,
                            len(self._index),
                            "its frames are not the same each time it is read",
                        )
                    )
            assert self._index is not None
            return self._index

    def _adopt(self, index: FrameIndex) -> None:
        """Take over the index of a complete decoding pass, unless it is known already."""
        with self._index_lock:
            known = self._index
            if known is not None and np.array_equal(known.pts, index.pts):
                return
            if known is not None:
                self._warn_once(
                    f"packets promised {len(known)} frames, and {len(index)} were decoded; "
                    "frames are numbered as decoded"
                )
            self._index = self._checked(index)
            self._is_index_decoded = True

    def _checked(self, index: FrameIndex) -> FrameIndex:
        """Refuse a video without frames, too long or too fast: players and samplers go by its time.

        Raises:
            VideoDecodeError: None of its frames can be decoded.
            LimitError: It is beyond a limit.
        """
        if not len(index):
            raise self._stop(damage(self._opener.source, 0, index.stopped or "it holds no frames"))
        known, where = current_limits(), self._opener.source
        known.check("max_frames", len(index), what=f"{where} has frames:")
        if len(index) > 1:
            span = float(index.pts_seconds[-1] - index.pts_seconds[0])
            known.check("max_duration_seconds", span, what=f"{where} goes on for seconds:")
            rate = (len(index) - 1) / span if span > 0 else 0.0
            known.check("max_frames_per_second", rate, what=f"{where} has frames per second:")
        return index

    def _frame(self, picture: VideoFrame, index: int, pts: int) -> Frame:
        return Frame(
            picture,
            self._display,
            index=index,
            pts_seconds=self._seconds(pts),
            duration_seconds=self._seconds(picture.duration) if picture.duration else None,
        )

    def _seconds(self, ticks: int) -> float:
        return ticks * self._time_base.numerator / self._time_base.denominator

    def _stop(self, error: VideoDecodeError) -> VideoDecodeError:
        self.stopped = str(error)
        return error

    def _warn_once(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)

    def _check_open(self) -> None:
        if self._is_closed:
            raise VideoError(f"{self.name} was closed; open it again with Video(...).")


def _as_int(value: object, what: str) -> int:
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        hint = " For a range use video.frames(start=, stop=)." if isinstance(value, slice) else ""
        raise OptionError(f"{what} must be a whole number; got {value!r}.{hint}") from None
