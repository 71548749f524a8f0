"""The video as a browser can play it: as it is, repackaged, or transcoded.

Everything that decides and does this is here. A `Playable` is bytes, their MIME type, and
the way from its clock to the frames' timestamps; `prepare` makes one. It promises that the
picture on screen at ``times[i] - offset_seconds`` is what Python calls frame ``i``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import uuid
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Literal

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import VideoDecodeError, VideoError, WidgetError
from vidlab.video import Frame, Video

How = Literal["direct", "remux", "transcode"]

KEYFRAME_EVERY = 12
"""Frames between two keyframes of a transcoded copy: a seek decodes at most that many."""

# Constant quality at which libx264's loss is hard to see; lower is better and larger.
_CRF = 18

# Ticks per second of a transcoded copy, the clock of MPEG systems.
_TICKS = 90_000

# A copy whose timestamps are off by more shows other frames than Python does.
_TOLERANCE_SECONDS = 1e-3

# What every current browser decodes, by codec: 8-bit 4:2:0 only.
_PLAYED_CODECS = frozenset({"h264", "vp8", "vp9", "av1"})
_PLAYED_PIXEL_FORMATS = frozenset({"yuv420p", "yuvj420p"})

_MP4, _WEBM = "video/mp4", "video/webm"

# Codec names as people write them.
_TITLES = {
    "h264": "H.264", "hevc": "HEVC", "mpeg4": "MPEG-4 part 2", "mpeg2video": "MPEG-2",
    "mpeg1video": "MPEG-1", "mjpeg": "Motion JPEG", "gif": "GIF", "theora": "Theora",
    "vp8": "VP8", "vp9": "VP9", "av1": "AV1", "prores": "ProRes",
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """How a video gets into the browser.

    Attributes:
        how: ``"direct"`` (its own bytes), ``"remux"`` (the same pictures in another container)
            or ``"transcode"`` (pictures encoded again).
        mime: Type of what the browser gets.
        why: Why not the bytes as they are, in words; empty for ``"direct"``.
    """

    how: How
    mime: str
    why: str = ""


def title_of(codec: str) -> str:
    """Return a codec's name as people write it: ``"HEVC"`` for ``"hevc"``."""
    return _TITLES.get(codec, codec)


def plan_playback(
    *,
    codec: str,
    container: str,
    pixel_format: str,
    rotation: int,
    start_seconds: float,
    has_alpha: bool = False,
    is_remote: bool = False,
) -> Plan:
    """Decide how a video gets into the browser, frame-exactly.

    Only what surely plays, upright and with a clock that starts at zero, goes as it is.

    Args:
        codec: FFmpeg's name, such as ``"h264"``.
        container: FFmpeg's name, such as ``"mov,mp4,m4a,3gp,3g2,mj2"``.
        pixel_format: FFmpeg's name, such as ``"yuv420p"``.
        rotation: Degrees clockwise that are applied for display.
        start_seconds: Timestamp of the first frame.
        has_alpha: Whether the browser would blend the picture with the page.
        is_remote: Whether the bytes lie behind an http(s) address.
    """
    title = title_of(codec)
    if codec not in _PLAYED_CODECS:
        return Plan("transcode", _MP4, f"Browsers do not play {title}.")
    if pixel_format not in _PLAYED_PIXEL_FORMATS:
        return Plan("transcode", _MP4, f"Browsers do not all play {title} in {pixel_format}.")
    if rotation:
        return Plan("transcode", _MP4, f"The pictures are stored turned by {rotation}°.")
    if has_alpha:
        return Plan("transcode", _MP4, "The pictures are partly transparent.")
    formats = set(container.split(","))
    mime = _MP4 if codec == "h264" else _WEBM
    if "mp4" in formats:
        is_playable, mime = codec != "vp8", _MP4 if codec != "vp8" else _WEBM
    else:
        # One demuxer reads Matroska and WebM; browsers take it for codecs that WebM has.
        is_playable = "webm" in formats and codec != "h264"
    if not is_playable:
        return Plan("remux", mime, f"Browsers do not play {title} in this container.")
    if abs(start_seconds) > _TOLERANCE_SECONDS:
        return Plan("remux", mime, f"The video starts at {start_seconds:.3f} s, not at zero.")
    if is_remote:
        return Plan("remux", mime, "The video is read from the network.")
    return Plan("direct", mime)


class Playable:
    """Bytes that a browser plays, and where they come from.

    Attributes:
        plan: How they were made.
        token: Names these bytes in requests.
        num_bytes: How many.
        times: Timestamp of each frame, seconds, float64 ``[num_frames]``.
        end_seconds: When the last frame goes off screen.
        offset_seconds: Timestamp of what is at the browser's time zero.
        width: px as played, with padding to even sizes.
        height: px as played, with padding to even sizes.
        has_audio: Whether there is sound in them.
        warning: What could not be carried over, in words, or empty.
    """

    def __init__(
        self,
        stream: IO[bytes],
        *,
        plan: Plan,
        times: NDArray[np.float64],
        end_seconds: float,
        offset_seconds: float,
        width: int,
        height: int,
        has_audio: bool,
        warning: str = "",
        folder: Path | None = None,
    ) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self.plan = plan
        self.token = uuid.uuid4().hex
        self.num_bytes = stream.seek(0, os.SEEK_END)
        self.times = times
        self.end_seconds = end_seconds
        self.offset_seconds = offset_seconds
        self.width, self.height = width, height
        self.has_audio = has_audio
        self.warning = warning
        # Runs at the latest when the process ends, so no copy is left behind.
        self._finalizer = weakref.finalize(self, _clean_up, stream, folder)

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`.

        Raises:
            WidgetError: The bytes were let go, or cannot be read any more.
        """
        try:
            with self._lock:
                self._stream.seek(offset)
                return self._stream.read(length)
        except (OSError, ValueError) as error:
            raise WidgetError(
                f"The video cannot be read any more ({error}). Run the cell again."
            ) from error

    def close(self) -> None:
        """Close the file, and remove it where it is a copy."""
        with self._lock:
            self._finalizer()


def _clean_up(stream: IO[bytes], folder: Path | None) -> None:
    stream.close()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


class Stopped(Exception):  # noqa: N818  (no error: someone asked for it)
    """The preparation was called off."""


#: Told how far things are: a phase, and 0 to 1 where it is known.
OnProgress = Callable[[str, float | None], None]


def prepare(
    video: Video, *, on_progress: OnProgress, stop: threading.Event, transcode: bool = False
) -> Playable:
    """Make a video playable; slow where it must be transcoded.

    Args:
        video: Left open.
        on_progress: Called from this thread.
        stop: Set from another thread to call it off.
        transcode: Encode again even what should play: the browser said it does not.

    Raises:
        Stopped: `stop` was set.
        VideoError: No frame can be read.
        WidgetError: The copy cannot be written.
    """
    on_progress("indexing", None)
    times = video.pts_seconds
    plan = plan_playback(
        codec=video.codec, container=video.container, pixel_format=video.pixel_format,
        rotation=video.rotation, start_seconds=video.start_seconds,
        has_alpha=video.metadata.get("alpha_mode") == "1",
        is_remote=video.is_remote,
    )  # fmt: skip
    if transcode and plan.how != "transcode":
        plan = Plan("transcode", _MP4, "The browser could not play the file as it is.")
    if plan.how != "transcode" and video.codec == "h264" and _PacketOrder(video).is_open:
        plan = Plan("transcode", _MP4, "Pictures depend on ones before a keyframe (open GOP).")
    if plan.how == "direct":
        return Playable(
            video.open_bytes(), plan=plan, times=times, end_seconds=video.end_seconds,
            offset_seconds=0.0, width=video.width, height=video.height, has_audio=video.has_audio,
        )  # fmt: skip

    folder = Path(tempfile.mkdtemp(prefix="vidlab-"))
    try:
        if plan.how == "remux":
            path = folder / ("video.webm" if plan.mime == _WEBM else "video.mp4")
            start = _remux(video, path, on_progress, stop)
            if start is not None:
                return Playable(
                    path.open("rb"), plan=plan, times=times, end_seconds=video.end_seconds,
                    offset_seconds=start, width=video.width, height=video.height,
                    has_audio=Video(path).has_audio, folder=folder,
                )  # fmt: skip
            plan = Plan("transcode", _MP4, plan.why)
        path = folder / "transcoded.mp4"
        num_frames, warning = _transcode(video, path, on_progress, stop)
        is_whole = num_frames >= len(times)
        return Playable(
            path.open("rb"), plan=plan, times=times[:num_frames],
            end_seconds=video.end_seconds if is_whole else float(times[num_frames]),
            offset_seconds=float(times[0]), width=_even(video.width), height=_even(video.height),
            has_audio=video.has_audio, warning=warning, folder=folder,
        )  # fmt: skip
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, VideoError):
            raise
        raise WidgetError(
            f"A copy of {video.name} that the browser can play cannot be written to "
            f"{str(folder)!r}: {error.strerror or error}. Make room there, or set TMPDIR."
        ) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


# ---- the same pictures in another container --------------------------------------------------

# Sound that the container holds; other sound is left out rather than encoded again.
_SOUND_OF = {".mp4": {"aac", "mp3"}, ".webm": {"opus", "vorbis"}}


def _remux(
    video: Video, path: Path, on_progress: OnProgress, stop: threading.Event
) -> float | None:
    """Copy the packets, the first frame to time zero.

    Returns:
        Timestamp of what is at the copy's time zero; None where the copy would not show
        the same frames at the same times.
    """
    on_progress("remuxing", 0.0)
    start, span = video.start_seconds, max(video.duration_seconds, 1e-9)
    try:
        source = video.open_container()
        with source, av.open(str(path), "w", options={"movflags": "+faststart"}) as copy:
            if len(source.streams.video) != 1:
                return None
            inputs = [source.streams.video[0]]
            audio = source.streams.best("audio")
            if audio is not None and audio.codec_context.name in _SOUND_OF[path.suffix]:
                inputs.append(audio)  # type: ignore[arg-type]
            outputs = {each.index: copy.add_stream_from_template(each) for each in inputs}
            decoding_times = iter(_PacketOrder(video).decoding_times)
            for packet in source.demux(inputs):
                if stop.is_set():
                    raise Stopped
                if packet.pts is None or packet.time_base is None or not packet.size:
                    continue
                shift = round(Fraction(start) / packet.time_base)
                if packet.stream.index == inputs[0].index:
                    seconds = float(packet.pts * packet.time_base) - start
                    on_progress("remuxing", min(max(seconds / span, 0.0), 1.0))
                    packet.dts = next(decoding_times)
                elif packet.pts < shift:
                    continue  # sound before the first frame would push the frames back
                packet.pts -= shift
                packet.dts = (packet.pts + shift if packet.dts is None else packet.dts) - shift
                packet.stream = outputs[packet.stream.index]
                copy.mux(packet)
        with Video(path) as made:
            times = made.pts_seconds
    except (av.error.FFmpegError, VideoError, ValueError, StopIteration):
        # Streams that only some containers can hold: transcoding does not depend on that.
        return None
    wanted = video.pts_seconds
    if len(times) != len(wanted):
        return None
    offset = float(wanted[0] - times[0])
    if abs(times[0]) > _TOLERANCE_SECONDS:
        return None
    return offset if np.abs(wanted - times - offset).max() <= _TOLERANCE_SECONDS else None


class _PacketOrder:
    """The order in which the pictures of a video are stored and decoded.

    Attributes:
        is_open: Whether pictures that follow a keyframe are shown before it ("open GOP"). They
            refer to the pictures before; after a seek to that keyframe Chromium fails on them.
        decoding_times: When each packet is decoded, in ticks: Matroska does not keep that, MP4
            needs it. The k-th packet cannot be decoded later than it is shown; the k-th
            smallest timestamp, less the furthest that a packet comes after its turn, is the
            latest choice that increases.
    """

    def __init__(self, video: Video) -> None:
        shown: list[int] = []
        self.is_open = False
        keyframe_pts: int | None = None
        with video.open_container() as source:
            for packet in source.demux(source.streams.best("video")):
                if packet.pts is None or not packet.size:
                    continue
                if packet.is_keyframe:
                    keyframe_pts = packet.pts
                elif keyframe_pts is not None and packet.pts < keyframe_pts:
                    self.is_open = True
                shown.append(packet.pts)
        in_order = sorted(shown)
        delay = max((turn - pts for turn, pts in zip(in_order, shown, strict=True)), default=0)
        self.decoding_times = [turn - delay for turn in in_order]


# ---- pictures encoded again ------------------------------------------------------------------


def _transcode(
    video: Video, path: Path, on_progress: OnProgress, stop: threading.Event
) -> tuple[int, str]:
    """Encode the frames as Python sees them, the first at time zero, with the sound.

    Returns:
        How many frames could be read, and what stopped it, in words.
    """
    on_progress("transcoding", 0.0)
    times = video.pts_seconds
    ticks = np.round((times - times[0]) * _TICKS).astype(np.int64)
    # Frames at one and the same time cannot be told apart on screen, but must follow each other.
    ticks = np.maximum.accumulate(ticks - np.arange(len(ticks))) + np.arange(len(ticks))
    end = round((video.end_seconds - float(times[0])) * _TICKS)
    durations = dict(
        zip(ticks.tolist(), np.maximum(np.diff(ticks, append=end), 1).tolist(), strict=True)
    )
    num_frames, warning = 0, ""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as copy:
        pictures = copy.add_stream("libx264", rate=Fraction(video.fps).limit_denominator(60_000))
        pictures.width, pictures.height = _even(video.width), _even(video.height)
        pictures.pix_fmt = "yuv420p"
        pictures.time_base = pictures.codec_context.time_base = Fraction(1, _TICKS)
        pictures.codec_context.gop_size = KEYFRAME_EVERY
        # No B-frames: they would need an edit list, and a seek would decode more.
        pictures.codec_context.max_b_frames = 0
        pictures.options = {"preset": "veryfast", "crf": str(_CRF)}
        sound = None
        if video.has_audio and video.audio_sample_rate:
            sound = copy.add_stream("aac", rate=min(max(video.audio_sample_rate, 8000), 48_000))
            sound.layout = "mono" if video.num_audio_channels != 2 else "stereo"
        num_samples = 0
        walk = video.walk() if sound else ((frame, None) for frame in video.frames())
        try:
            for frame, samples in walk:
                if stop.is_set():
                    raise Stopped
                if frame.index >= len(ticks):
                    break
                picture = _picture(frame, pictures.width, pictures.height)
                picture.pts = int(ticks[frame.index])
                picture.time_base = Fraction(1, _TICKS)
                for packet in pictures.encode(picture):
                    packet.duration = durations.get(packet.pts or 0, 1)
                    copy.mux(packet)
                if sound is not None and samples is not None and len(samples):
                    block = _sound(samples, video.audio_sample_rate or 1, num_samples)
                    num_samples += len(samples)
                    copy.mux(sound.encode(block))
                num_frames += 1
                on_progress("transcoding", num_frames / len(ticks))
        except VideoDecodeError as error:
            if not num_frames:
                raise
            warning = f"Only {num_frames} of {len(ticks)} frames can be read."
            if error.__cause__ is not None:
                warning += f" {error}"
        for packet in pictures.encode(None):
            packet.duration = durations.get(packet.pts or 0, 1)
            copy.mux(packet)
        if sound is not None:
            copy.mux(sound.encode(None))
    return num_frames, warning


def _even(size_px: int) -> int:
    # 4:2:0 halves both sides.
    return size_px + size_px % 2


def _picture(frame: Frame, width: int, height: int) -> av.VideoFrame:
    rgb = frame.rgb
    below, right = height - rgb.shape[0], width - rgb.shape[1]
    if below or right:
        rgb = np.pad(rgb, ((0, below), (0, right), (0, 0)), mode="edge")
    return av.VideoFrame.from_ndarray(rgb, format="rgb24")


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


class Preparation(threading.Thread):
    """`prepare` in the background.

    Args:
        video: What to prepare.
        transcode: See `prepare`.
        on_progress: Told the phase and how far it is, from the thread.
        on_done: Told the result or the error, from the thread; not when called off.
    """

    def __init__(
        self,
        video: Video,
        *,
        transcode: bool,
        on_progress: OnProgress,
        on_done: Callable[[Playable | BaseException], None],
    ) -> None:
        super().__init__(name=f"vidlab-prepare-{video.name}", daemon=True)
        self.transcode = transcode
        self._video = video
        self._on_progress = on_progress
        self._on_done = on_done
        self._stop_event = threading.Event()

    def run(self) -> None:
        """Prepare, and say how it went."""
        try:
            playable = prepare(
                self._video, on_progress=self._on_progress, stop=self._stop_event,
                transcode=self.transcode,
            )  # fmt: skip
        except Stopped:
            return
        except BaseException as error:
            # Whatever went wrong is shown on the page; nobody watches this thread.
            self._on_done(error)
            return
        if self._stop_event.is_set():
            playable.close()
        else:
            self._on_done(playable)

    def stop(self) -> None:
        """Call it off; returns at once."""
        self._stop_event.set()
