"""Where live pictures come from: a camera, a stream, a file played as if live, a web page.

A source yields pictures as they come. Each becomes RGB only when somebody looks at it, so what
is dropped costs next to nothing.
"""

from __future__ import annotations

import errno
import io
import math
import os
import queue
import re
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from vidlab.core.addresses import refusal
from vidlab.core.errors import CameraError, OptionError, VideoDecodeError, VideoError
from vidlab.video import Frame, Video
from vidlab.video.display import Display, display_matrix_of
from vidlab.video.source import OPEN_TIMEOUT_SECONDS, describe, open_address

Say = Callable[[str, str], None]
"""Takes a state, ``"running"`` or ``"lost"``, and why, in words."""

# After each failure the wait before the next try doubles, up to half a minute: a camera that was
# kicked is back at once, and one that is gone for the night costs nothing.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0

# A stream that sends nothing for this long is lost, and one whose clock leaps by more began anew.
_SILENCE_SECONDS = 10.0

# How long a source may take to let go of its camera before it is left to do so by itself.
_LEAVE_SECONDS = 1.0

# Live pictures are held back to a clock that is a little fast: what waited when a stream was
# opened, or gathers because two clocks differ, is caught up with.
_CATCHING_UP = 1.05

# What one picture that was pushed may measure.
MAX_PUSHED_BYTES = 20_000_000
MAX_PUSHED_SIDE_PX = 4096

# What Pillow raises for damaged files.
_PICTURE_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)

_STREAM_URL = re.compile(r"(rtsps?|https?)://", re.IGNORECASE)
_STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https")
_ANY_URL = re.compile(r"[a-z][a-z0-9+.\-]+://", re.IGNORECASE)

# FFmpeg's flag AVFMT_NOTIMESTAMPS.
_NO_TIMESTAMPS = 0x80

# Playlists name other addresses: never files, or other machines' services.
_STREAM_PROTOCOLS = "http,https,httpproxy,tcp,tls,udp,rtp,rtsp,crypto"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture as a source gives it.

    Attributes:
        time_seconds: When it was taken, on the source's clock, which never falls back.
        make_rgb: Returns its pixels, uint8 ``[height, width, 3]``.
        duration_seconds: How long it is on screen, where that is known.
        source_id: What whoever pushed it calls it.
    """

    time_seconds: float
    make_rgb: Callable[[], NDArray[np.uint8]]
    duration_seconds: float | None = None
    source_id: Any = None


@dataclass(frozen=True, kw_only=True)
class LiveFrame:
    """A picture that came in.

    Attributes:
        index: How many came before it.
        time_seconds: When it was taken, on the source's clock.
        arrived_seconds: When it came, since the session began.
        source_id: What whoever pushed it calls it.
    """

    index: int
    time_seconds: float
    arrived_seconds: float
    source_id: Any
    _make_rgb: Callable[[], NDArray[np.uint8]] = field(repr=False)
    _made: list[NDArray[np.uint8]] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The pixels, uint8 ``[height, width, 3]``; made once, whoever asks first.

        Raises:
            VideoDecodeError: They cannot be decoded.
        """
        with self._lock:
            if not self._made:
                self._made.append(self._make_rgb())
            return self._made[0]


class LiveSource(ABC):
    """Something that gives pictures as they come.

    Attributes:
        name: What to call it in tables.
    """

    name: str

    @abstractmethod
    def pictures(self, stop: threading.Event, say: Say) -> Iterator[Picture]:
        """Yield pictures as they come, until `stop` is set or there are no more.

        Args:
            stop: Whoever reads wants no more.
            say: Is told when the source is lost, and when it is back.

        Raises:
            VideoError: It cannot be opened.
        """

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class FileSource(LiveSource):
    """A video file, played as if it were live.

    Args:
        video: A :class:`~vidlab.Video`, or anything it can be made from.
        speed: How fast; 1 is as it was filmed.
        loop: Whether it starts again at its end.

    Raises:
        VideoError: It cannot be opened.
        OptionError: The speed is not positive.
    """

    def __init__(self, video: Any, *, speed: float = 1.0, loop: bool = False) -> None:
        if isinstance(speed, bool) or not isinstance(speed, int | float) or not 0 < speed < 1e6:
            raise OptionError(f"speed must be a number above 0; got {speed!r}.")
        self.video = video if isinstance(video, Video) else Video(video)
        self.name = self.video.name
        self._speed = speed
        self._loop = loop

    def pictures(self, stop: threading.Event, say: Say) -> Iterator[Picture]:
        """Yield every frame when it is due."""
        pace = _Pace(self._speed)
        offset = 0.0
        while True:
            time_seconds, step = offset, 0.0
            with closing(self.video.frames()) as frames:
                for frame in frames:
                    step = frame.pts_seconds + offset - time_seconds or step
                    time_seconds = frame.pts_seconds + offset
                    if not pace.wait(time_seconds, stop):
                        return
                    yield Picture(
                        time_seconds=time_seconds,
                        # Bound now: a variable would name the next frame by then.
                        make_rgb=_rgb_of(frame),
                        duration_seconds=frame.duration_seconds,
                    )
            if not self._loop:
                return
            offset = time_seconds + (step or 1.0) - self.video.start_seconds


class PushedSource(LiveSource):
    """Pictures that somebody hands over, such as a web page; only the newest one waits.

    Args:
        name: What to call it.

    Attributes:
        replaced: Pictures that a newer one replaced before anybody took them.
    """

    def __init__(self, name: str = "camera") -> None:
        self.name = name
        self.replaced = 0
        self._newest: Picture | None = None
        self._is_over = False
        self._has_news = threading.Condition()
        self._last_seconds: float | None = None  # the first picture is at zero
        self._shift_seconds = 0.0

    def push(self, jpeg: bytes, *, time_seconds: float, source_id: Any = None) -> None:
        """Hand over a picture as JPEG, PNG or WebP bytes.

        Args:
            jpeg: The file's bytes.
            time_seconds: When it was taken; where it falls back, the clock goes on from the last.
            source_id: What answers shall call it.

        Raises:
            VideoDecodeError: The bytes are no picture, or of one that is too large.
            OptionError: The time is not a finite number.
        """
        if len(jpeg) > MAX_PUSHED_BYTES:
            raise VideoDecodeError(
                f"A picture has at most {MAX_PUSHED_BYTES} bytes; got {len(jpeg)}.", frame_index=0
            )
        try:
            picture = Image.open(io.BytesIO(jpeg), formats=("JPEG", "PNG", "WEBP"))
        except _PICTURE_ERRORS as error:
            raise VideoDecodeError(
                f"A JPEG, PNG or WebP picture is needed; got {len(jpeg)} bytes that start with "
                f"{bytes(jpeg[:12])!r}.",
                frame_index=0,
            ) from error
        if max(picture.size) > MAX_PUSHED_SIDE_PX:
            raise VideoDecodeError(
                f"A picture measures at most {MAX_PUSHED_SIDE_PX} px a side; got "
                f"{picture.width}x{picture.height}.",
                frame_index=0,
            )
        self._put(time_seconds, lambda: _decoded(picture), source_id)

    def push_rgb(
        self, rgb: NDArray[np.uint8], *, time_seconds: float, source_id: Any = None
    ) -> None:
        """Hand over a picture as pixels.

        Args:
            rgb: uint8 ``[height, width, 3]``; not copied.
            time_seconds: When it was taken; where it falls back, the clock goes on from the last.
            source_id: What answers shall call it.

        Raises:
            OptionError: It is something else, or the time is not a finite number.
        """
        if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.shape[2:] != (3,):
            raise OptionError(f"uint8 [height, width, 3] is needed; got {rgb!r:.100}.")
        self._put(time_seconds, lambda: rgb, source_id)

    def end(self) -> None:
        """Say that no picture comes any more."""
        with self._has_news:
            self._is_over = True
            self._has_news.notify_all()

    def pictures(self, stop: threading.Event, say: Say) -> Iterator[Picture]:
        """Yield the newest picture, whenever there is one that was not taken."""
        try:
            while not stop.is_set():
                with self._has_news:
                    if self._newest is None and not self._is_over:
                        self._has_news.wait(timeout=0.1)
                    picture, self._newest = self._newest, None
                    if picture is None and self._is_over:
                        return
                if picture is not None:
                    yield picture
        finally:
            with self._has_news:  # it may be used again
                self._is_over, self._newest = False, None

    def _put(
        self, time_seconds: float, make_rgb: Callable[[], NDArray[np.uint8]], source_id: Any
    ) -> None:
        is_number = isinstance(time_seconds, int | float) and not isinstance(time_seconds, bool)
        if not is_number or not math.isfinite(time_seconds):
            raise OptionError(f"time_seconds must be a finite number; got {time_seconds!r}.")
        with self._has_news:
            if self._last_seconds is None:
                self._last_seconds, self._shift_seconds = 0.0, -time_seconds
            elif time_seconds + self._shift_seconds < self._last_seconds:
                # A page that was loaded again counts from zero.
                self._shift_seconds = self._last_seconds - time_seconds
            self._last_seconds = max(time_seconds + self._shift_seconds, self._last_seconds)
            self.replaced += self._newest is not None
            self._newest = Picture(
                time_seconds=self._last_seconds, make_rgb=make_rgb, source_id=source_id
            )
            self._has_news.notify_all()


class _ContainerSource(LiveSource):
    """What FFmpeg opens and gives frames for as long as it lives; opened again when it is lost.

    Args:
        name: What to call it.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def _open(self) -> InputContainer:
        """Open it.

        Raises:
            VideoError: With what to do about it.
        """

    def _has_end(self, container: InputContainer) -> bool:
        """Tell whether it is a file, which is over at its end, and not a camera, which is lost."""
        return False

    def _pace_of(self, container: InputContainer) -> _Pace | None:
        """Return what holds its frames back, or None where they come when they are due."""
        return None

    def pictures(self, stop: threading.Event, say: Say) -> Iterator[Picture]:
        """Yield frames; after a loss, try again with growing pauses, and say so."""
        for news in _apart(self._news, stop):
            if isinstance(news, Picture):
                yield news
            else:
                say(*news)

    def _news(self, stop: threading.Event) -> Generator[Picture | tuple[str, str]]:
        pause = _FIRST_PAUSE_SECONDS
        first = self._opened()  # what never was there is an error
        is_file = self._has_end(first)
        container: InputContainer | None = first
        began, last_seconds = None, 0.0
        while not stop.is_set():
            try:
                container = container or self._opened()
                with container:
                    if not is_file and self._has_end(container):
                        return  # while it was lost, its end was written
                    offset = None
                    for picture in self._frames_of(container, stop):
                        now = time.monotonic()
                        began = now if began is None else began
                        if offset is None:
                            pause = _FIRST_PAUSE_SECONDS
                            yield "running", ""
                        # One clock over all losses: as long as it was away, so much it jumps.
                        if offset is None or not self._goes_on(
                            picture.time_seconds + offset - last_seconds, is_file=is_file
                        ):
                            offset = max(now - began, last_seconds) - picture.time_seconds
                        last_seconds = max(picture.time_seconds + offset, last_seconds)
                        yield Picture(time_seconds=last_seconds, make_rgb=picture.make_rgb)
                if stop.is_set() or is_file:
                    return
                why = f"{self.name} was lost: it broke off."
            except VideoError as error:
                why = str(error)
            except av.error.ExitError:
                why = f"{self.name} was lost: nothing came for {_SILENCE_SECONDS:g} s."
            except (av.error.FFmpegError, OSError) as error:
                is_cut = getattr(error, "errno", None) == errno.EIO
                why = f"{self.name} was lost: {'it broke off' if is_cut else describe(error)}."
            container = None
            yield "lost", f"{why} Trying again in {pause:g} s."
            stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _opened(self) -> InputContainer:
        container = self._open()
        if any(stream.codec_context is not None for stream in container.streams.video):
            return container
        container.close()
        raise CameraError(f"{self.name} sends no pictures that can be decoded.")

    @staticmethod
    def _goes_on(step_seconds: float, *, is_file: bool) -> bool:
        """Tell whether two timestamps are of one clock; servers that start anew count anew."""
        return 0 <= step_seconds <= (math.inf if is_file else _SILENCE_SECONDS)

    def _frames_of(self, container: InputContainer, stop: threading.Event) -> Iterator[Picture]:
        stream = next(one for one in container.streams.video if one.codec_context is not None)
        stream.codec_context.thread_type = "SLICE"  # frame threads would hold back some frames
        # Of formats that keep no timestamps, FFmpeg makes some up.
        is_timed = not container.format.flags & _NO_TIMESTAMPS
        pace = self._pace_of(container) if is_timed else None
        display: Display | None = None
        began: float | None = None
        for number, decoded in enumerate(_decoded_frames(container, stream)):
            if stop.is_set():
                return
            if decoded.is_corrupt:
                continue  # after a break, until the next keyframe
            if display is None or (display.coded_width, display.coded_height) != (
                decoded.width,
                decoded.height,
            ):
                display = Display(
                    decoded.width,
                    decoded.height,
                    sample_aspect_ratio=stream.sample_aspect_ratio,
                    matrix=display_matrix_of(decoded),
                )
            now = time.monotonic()
            began = now if began is None else began
            # The first frame of RTSP has no timestamp; those that follow count from it.
            pts = now - began if decoded.time is None or not is_timed else float(decoded.time)
            if pace is not None and not pace.wait(pts, stop):
                return
            frame = Frame(decoded, display, index=number, pts_seconds=pts, duration_seconds=None)
            yield Picture(time_seconds=pts, make_rgb=_rgb_of(frame))


class CameraSource(_ContainerSource):
    """A camera of this machine (Video4Linux2).

    Args:
        device: Its number, or its path such as ``"/dev/video0"``.

    Raises:
        OptionError: The number is negative.
    """

    def __init__(self, device: int | str = 0) -> None:
        if isinstance(device, int) and (isinstance(device, bool) or device < 0):
            raise OptionError(f"A camera has a number of 0 or more; got {device!r}.")
        self._path = f"/dev/video{device}" if isinstance(device, int) else device
        super().__init__(self._path)

    def _open(self) -> InputContainer:
        if not sys.platform.startswith("linux"):
            raise CameraError(
                "Cameras of this machine are read through Video4Linux2, which only Linux has. Use "
                "the browser's camera, vidlab.Live(model), or an rtsp:// or http:// stream."
            )
        if not os.path.exists(self._path):  # noqa: PTH110  (a device's path stays a str)
            raise CameraError(f"There is no camera at {self._path}. {_cameras_here()}")
        last: Exception | None = None
        # 640x480 is more than any model looks at; a camera that has no such size chooses.
        for options in ({"video_size": "640x480"}, {}):
            try:
                return av.open(self._path, format="v4l2", options=options, timeout=_SILENCE_SECONDS)
            except (av.error.FFmpegError, OSError) as error:
                last = error
        assert last is not None
        hint = {
            errno.EACCES: "Join the group that may read it: sudo usermod -aG video $USER, then log "
            "in again.",
            errno.EBUSY: "Another program uses it; end that one.",
            errno.ENOTTY: f"It is no camera. {_cameras_here()}",
            errno.ENODEV: f"It gives no pictures. {_cameras_here()}",
        }.get(getattr(last, "errno", None) or 0, _cameras_here())
        raise CameraError(
            f"Cannot open the camera {self._path}: {describe(last)}. {hint}"
        ) from last


class StreamSource(_ContainerSource):
    """A stream at an address: RTSP, HTTP (MPEG-TS, MJPEG, MP4) or HLS.

    What states its length is a file: it is played at its own timestamps, and ends. All else is
    live: it is taken as it comes, but never faster than its timestamps say, and when it breaks off
    it is opened again.

    Args:
        url: Its address, ``rtsp://`` or ``http(s)://``. Neither a password nor what follows a
            question mark is ever shown.

    Raises:
        OptionError: It is no such address.
    """

    def __init__(self, url: str) -> None:
        name = _shown(url)
        if name is None:
            raise OptionError(
                "A stream is an rtsp:// or http(s):// address, with / ? # and @ in a password "
                f"written as %2F %3F %23 and %40; got one that starts with {url[:4]!r}."
            )
        super().__init__(name)
        self._url = url

    def _open(self) -> InputContainer:
        options = {
            "protocol_whitelist": _STREAM_PROTOCOLS,
            "rtsp_transport": "tcp",  # lost packets of UDP would be grey blocks
            "flags": "low_delay",
            "reconnect": "1",  # a file goes on where it broke off
        }
        if why := refusal(self._url, schemes=_STREAM_SCHEMES):
            raise CameraError(f"{self.name} is not opened: {why}.")
        # No error is the cause of another: those of FFmpeg show the address with its password.
        try:
            container = open_address(
                self._url, options=options, timeout=(OPEN_TIMEOUT_SECONDS, _SILENCE_SECONDS)
            )
        except av.error.ExitError:
            why = f"no answer for {OPEN_TIMEOUT_SECONDS:g} s. Is the camera on?"
        except (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError) as error:
            why = (
                f"{describe(error)}. Give name and password: "
                f"{self._url.partition(':')[0]}://name:password@..."
            )
        except av.error.InvalidDataError:
            why = "nothing there is a video. Is the address right, and the camera on?"
        except (av.error.FFmpegError, OSError) as error:
            why = f"{describe(error)}. Is the address right, and the camera on?"
        else:
            if container.format.name != "tty":  # text, drawn as a terminal would
                return container
            container.close()
            why = "there is text. Is the address right?"
        raise CameraError(f"No video from {self.name}: {why}")

    def _has_end(self, container: InputContainer) -> bool:
        return not self._is_rtsp and container.duration is not None

    def _pace_of(self, container: InputContainer) -> _Pace | None:
        if self._is_rtsp:
            return None
        return _Pace(1.0) if self._has_end(container) else _Pace(_CATCHING_UP, is_live=True)

    @property
    def _is_rtsp(self) -> bool:
        return self._url.lower().startswith("rtsp")


def as_source(source: object) -> LiveSource:
    """Return the source that something stands for.

    Args:
        source: A camera's number or path, an ``rtsp://`` or ``http(s)://`` address, a video file,
            a :class:`~vidlab.Video`, or a source, which is returned as it is.

    Raises:
        VideoError: A file cannot be opened.
        OptionError: It is none of these.
    """
    if isinstance(source, LiveSource):
        return source
    if isinstance(source, int) and not isinstance(source, bool):
        return CameraSource(source)
    if isinstance(source, str):
        if source.isdecimal() and not Path(source).exists():
            return CameraSource(int(source))
        if re.fullmatch(r"/dev/(video\d+|v4l/.+)", source):
            return CameraSource(source)
        if _STREAM_URL.match(source):
            return StreamSource(source)
        if match := _ANY_URL.match(source):
            raise OptionError(
                f"Live pictures come from rtsp:// and http(s):// addresses; got {match.group()!r}."
            )
    if isinstance(source, Video | str | os.PathLike | bytes):
        return FileSource(source)
    raise OptionError(
        "A live source is a camera's number, an rtsp:// or http(s):// address, or a video file; "
        f"got {source!r:.100}."
    )


class _Pace:
    """Holds frames back until they are due.

    Args:
        speed: How fast their clock runs.
        is_live: Whether the clock starts anew at a frame that comes late, or is due only after
            more than the longest silence.
    """

    def __init__(self, speed: float, *, is_live: bool = False) -> None:
        self._speed = speed
        self._is_live = is_live
        self._began: tuple[float, float] | None = None

    def wait(self, time_seconds: float, stop: threading.Event) -> bool:
        """Wait until a timestamp is due; tell whether to go on."""
        now = time.monotonic()
        if self._began is None:
            self._began = now, time_seconds
        began, first = self._began
        due = began + (time_seconds - first) / self._speed
        if self._is_live and not 0 <= due - now <= _SILENCE_SECONDS:
            self._began, due = (now, time_seconds), now
        if due > now:
            return not stop.wait(due - now)
        return not stop.is_set()


def _cameras_here() -> str:
    here = sorted(map(str, Path("/dev").glob("video*")))
    return f"Here is: {', '.join(here)}." if here else "No camera is connected here."


def _shown(url: str) -> str | None:
    """Return a stream's address without what may be secret, or None where it is no address."""
    try:
        parts = urlsplit(url)
        has_place = parts.port != 0 and bool(parts.hostname)
    except ValueError:  # such as a port that is half of a password
        return None
    if not _STREAM_URL.match(url) or not has_place:
        return None
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def _decoded_frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield a stream's frames; packets that cannot be decoded are left out.

    Raises:
        av.error.InvalidDataError: None could be for a long time.
    """
    last_good = time.monotonic()
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:  # after a break, until the next keyframe
            if time.monotonic() - last_good > _SILENCE_SECONDS:
                raise
            continue
        last_good = time.monotonic()
        yield from frames


_T = TypeVar("_T")


def _apart(
    make: Callable[[threading.Event], Generator[_T]], stop: threading.Event
) -> Generator[_T]:
    """Yield what an iterator does, which runs in a thread of its own, until `stop` is set.

    FFmpeg cannot be woken while it waits for a server; who stops need not wait with it.

    Args:
        make: Returns the iterator; takes what tells it to end.
        stop: Whoever reads wants no more.
    """
    news: queue.Queue[_T | BaseException | None] = queue.Queue(maxsize=1)
    left = threading.Event()

    def run() -> None:
        end: BaseException | None = None
        try:
            with closing(make(left)) as items:
                for item in items:
                    news.put(item)
                    if left.is_set():
                        return
        except BaseException as error:  # raised again where it is read
            end = error
        news.put(end)

    thread = threading.Thread(target=run, name="vidlab-live-source", daemon=True)
    thread.start()
    try:
        while not stop.is_set():
            try:
                item = news.get(timeout=0.1)
            except queue.Empty:
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        left.set()
        with suppress(queue.Empty):
            news.get_nowait()  # makes room for what the thread may be about to hand over
        thread.join(_LEAVE_SECONDS)


def _rgb_of(frame: Frame) -> Callable[[], NDArray[np.uint8]]:
    return lambda: frame.rgb


def _decoded(picture: Image.Image) -> NDArray[np.uint8]:
    try:
        return np.array(picture.convert("RGB"))
    except _PICTURE_ERRORS as error:
        raise VideoDecodeError(
            f"A picture that was pushed is damaged: {describe(error)}.", frame_index=0
        ) from error
