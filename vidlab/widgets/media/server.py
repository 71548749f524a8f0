"""`MediaServer`: answers a page's questions about the video, from a thread of its own."""

from __future__ import annotations

import io
import logging
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import VidlabError, WidgetError
from vidlab.video import Video
from vidlab.widgets.media.plan import Plan, plan_for, title_of
from vidlab.widgets.media.segments import (
    Maker,
    Remuxer,
    Segment,
    Transcoder,
    mime_of,
)
from vidlab.widgets.media.sound import Sound

_LOGGER = logging.getLogger(__name__)

#: Sends a message and its binary buffers to the page.
Reply = Callable[[dict[str, Any], list[bytes]], None]

# The page asks for 1 MiB at a time; nothing needs more in one message.
_MAX_PIECE_BYTES = 4 << 20

# Segments that were made are kept up to this: two views of one player ask for the same.
_CACHE_BYTES = 32 << 20

# How often a page hears how far the index is.
_NUM_TOLD = 20

# A thread without work ends after this.
_IDLE_SECONDS = 2.0


class MediaServer:
    """Makes a video playable on pages, and hands out what they ask for.

    One thread does the work, started when there is some and ended soon after; what needs no
    work is answered at once. Files are open only while a page shows the video. Every answer
    to a request is one call of `reply`; what is written here as raised is replied as an error.

    Args:
        video: Left open.
        reply: Called from any thread; see `Reply`.
    """

    def __init__(self, video: Video, reply: Reply) -> None:
        self._video = video
        self._reply = reply
        self._work = threading.Condition()
        self._thread: threading.Thread | None = None
        self._pages: set[str] = set()
        self._opens: list[_Open] = []
        self._wanted: list[_Wanted] = []
        self._current: _Wanted | None = None
        self._media: dict[bool, _Media] = {}
        self._made = _Cache(_CACHE_BYTES)
        self._num_told = 0

    # ---- what pages ask ----------------------------------------------------------------------

    def open(self, request: str, page: str, transcode: bool) -> None:
        """Tell a page how to play the video.

        Args:
            request: Its id.
            page: Names the page, for `release`.
            transcode: The page could not play the pictures as they are stored.
        """
        with self._work:
            self._pages.add(page)
            media = self._ready(transcode)
            if media is None:
                self._opens.append(_Open(request, page, transcode))
                self._wake()
                return
        self._send_media(request, media)

    def read(self, request: str, token: str, offset: int, length: int) -> None:
        """Send a piece of a file that goes whole.

        Raises:
            WidgetError: Nothing of that name is served whole, or the piece is out of range.
        """
        if offset < 0 or not 0 < length <= _MAX_PIECE_BYTES:
            raise WidgetError(f"A piece has 1 to {_MAX_PIECE_BYTES} bytes; got {length}.")
        data = self._media_of(token).read(offset, length)
        self._reply({"id": request, "result": {}}, [data])

    def segment(self, request: str, token: str, number: int) -> None:
        """Send segment `number` as soon as it is made; the newest request is served first.

        Raises:
            WidgetError: There is no such segment.
        """
        media = self._media_of(token)
        media.check(number)
        with self._work:
            made = self._made.get((token, number))
            if made is None:
                self._wanted.append(_Wanted(request, media, number))
                self._wake()
                return
        self._send_segment(request, number, made)

    def cancel(self, requests: list[str]) -> None:
        """Forget requests for segments; they get no answer."""
        with self._work:
            unwanted = set(requests)
            self._wanted = [each for each in self._wanted if each.request not in unwanted]
            if self._current is not None and self._current.request in unwanted:
                self._current.called_off.set()

    def release(self, page: str) -> bool:
        """Note that a page shows the video no more.

        Returns:
            Whether no page is left; then everything that was open is closed.
        """
        with self._work:
            self._pages.discard(page)
            self._opens = [each for each in self._opens if each.page != page]
            if self._pages:
                return False
            self._let_go()
        return True

    def close(self) -> None:
        """Stop, and free everything; a page that asks again is served again."""
        with self._work:
            self._pages.clear()
            self._let_go()

    # ---- the thread --------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name=f"vidlab-media-{self._video.name}", daemon=True
            )
            self._thread.start()
        self._work.notify_all()

    def _run(self) -> None:
        while True:
            with self._work:
                if not self._opens and not self._wanted:
                    self._work.wait(_IDLE_SECONDS)
                if threading.current_thread() is not self._thread:
                    return
                if not self._opens and not self._wanted:
                    self._thread = None
                    return
                opening = self._opens[0] if self._opens else None
                wanted = None if opening is not None else self._wanted.pop()
                self._current = wanted
            if opening is not None:
                self._open(opening.transcode)
            if wanted is not None:
                self._make(wanted)

    def _open(self, transcode: bool) -> None:
        media: _Media | None = None
        failure: Exception | None = None
        try:
            with self._work:
                media = self._ready(transcode)
            if media is None:
                self._tell({"phase": "indexing"})
                self._video.make_index(progress=self._tell_indexed)
                media = _Media(self._video, transcode=transcode)
        except Exception as error:  # told to the page below, and the worker goes on
            failure = error
        with self._work:
            if threading.current_thread() is not self._thread:  # every page left meanwhile
                if media is not None:
                    media.close()
                return
            answered = [each for each in self._opens if each.transcode == transcode]
            self._opens = [each for each in self._opens if each.transcode != transcode]
            if media is not None:
                self._media[media.plan.how == "transcode"] = media
        for each in answered:
            if media is not None:
                self._send_media(each.request, media)
            elif failure is not None:
                self._reply(failure_of(each.request, failure), [])

    def _tell_indexed(self, fraction: float) -> None:
        steps = int(fraction * _NUM_TOLD)
        if steps != self._num_told:
            self._num_told = steps
            self._tell({"phase": "indexing", "fraction": steps / _NUM_TOLD})

    def _make(self, wanted: _Wanted) -> None:
        key = wanted.media.token, wanted.number
        failure: Exception | None = None
        made: Segment | None = None
        try:
            with self._work:
                made = self._made.get(key)
            if made is None:
                made = wanted.media.make(wanted.number, wanted.called_off)
        except CancelledError:
            pass
        except Exception as error:  # told to the page below, and the worker goes on
            failure = error
        with self._work:
            is_alone = wanted.media not in self._media.values()
            if self._current is wanted:
                self._current = None
            if made is not None and not is_alone:
                self._made.put(key, made)
        if is_alone:
            wanted.media.close()
        if wanted.called_off.is_set():
            return
        if made is not None:
            self._send_segment(wanted.request, wanted.number, made)
        elif failure is not None:
            self._reply(failure_of(wanted.request, failure), [])

    def _let_go(self) -> None:
        """Forget everything; the thread frees what it is using, and ends."""
        self._opens.clear()
        self._wanted.clear()
        self._made.clear()
        busy = self._current
        if busy is not None:
            busy.called_off.set()
        for media in self._media.values():
            if busy is None or busy.media is not media:
                media.close()
        self._media.clear()
        self._current = None
        self._thread = None
        self._work.notify_all()

    # ---- what exists -------------------------------------------------------------------------

    def _ready(self, transcode: bool) -> _Media | None:
        if not transcode and False in self._media:
            return self._media[False]
        media = self._media.get(True)
        return media if transcode or (media is not None and media.is_planned) else None

    def _media_of(self, token: str) -> _Media:
        with self._work:
            for media in self._media.values():
                if media.token == token:
                    return media
        raise WidgetError("The video was let go while it was loading. Try again.")

    # ---- answers -----------------------------------------------------------------------------

    def _tell(self, progress: dict[str, Any]) -> None:
        with self._work:
            waiting = [each.request for each in self._opens]
        progress = progress | {"codec": title_of(self._video.codec)}
        for request in waiting:
            self._reply({"id": request, "progress": progress}, [])

    def _send_media(self, request: str, media: _Media) -> None:
        times = np.ascontiguousarray(self._video.pts_seconds, dtype="<f8").tobytes()
        starts = np.ascontiguousarray(media.starts, dtype="<i4").tobytes()
        self._reply({"id": request, "result": media.facts()}, [times, starts])

    def _send_segment(self, request: str, number: int, made: Segment) -> None:
        result = {"number": number, "num_frames": made.num_frames, "stopped": made.stopped}
        self._reply({"id": request, "result": result}, [made.data])


def failure_of(request: str, error: Exception) -> dict[str, Any]:
    """Return the answer to a request that failed: in words, and logged where it is our fault."""
    if isinstance(error, VidlabError):
        message = str(error)
    else:
        _LOGGER.error("vidlab's player failed", exc_info=error)
        message = f"Something went wrong in the kernel: {type(error).__name__}: {error}"
    return {"id": request, "error": {"type": type(error).__name__, "message": message}}


class _Open:
    """A page that waits to be told how to play."""

    def __init__(self, request: str, page: str, transcode: bool) -> None:
        self.request, self.page, self.transcode = request, page, transcode


class _Wanted:
    """A segment that a page waits for."""

    def __init__(self, request: str, media: _Media, number: int) -> None:
        self.request, self.media, self.number = request, media, number
        self.called_off = threading.Event()


class _Media:
    """One way to play the video: its own bytes, or what makes its segments."""

    def __init__(self, video: Video, *, transcode: bool) -> None:
        self.token = uuid.uuid4().hex
        self._video = video
        self._lock = threading.Lock()
        self._bytes: IO[bytes] | None = None
        self._maker: Maker | None = None
        seconds = np.append(video.pts_seconds, video.end_seconds)
        self.plan = plan_for(video, seconds=seconds)
        self.is_planned = not transcode or self.plan.how == "transcode"
        if not self.is_planned:
            self.plan = Plan("transcode", why="The browser could not play the file as it is.")
        self.starts: NDArray[np.int32] = np.zeros(0, np.int32)
        self._mime = self.plan.mime
        if self.plan.how == "direct":
            self._bytes = video.open_bytes()
            return
        sound = Sound(video, offset_seconds=float(seconds[0])) if video.has_audio else None
        make = Remuxer if self.plan.how == "remux" else Transcoder
        self._maker = make(video, seconds=seconds, sound=sound)
        self.starts = self._maker.starts
        self._mime = mime_of(self._maker.head, has_sound=sound is not None)

    def facts(self) -> dict[str, Any]:
        """Return what a page needs to know."""
        video, maker = self._video, self._maker
        facts: dict[str, Any] = {
            "token": self.token,
            "delivery": "whole" if maker is None else "segments",
            "how": self.plan.how,
            "mime": self._mime,
            "codec": title_of(video.codec),
            "why": self.plan.why,
            "warning": " ".join(f"{each[:1].upper()}{each[1:]}." for each in video.warnings),
            "coded_width": video.width if maker is None else maker.width,
            "coded_height": video.height if maker is None else maker.height,
            "scaled": maker is not None and maker.is_scaled,
            "has_audio": video.has_audio,
            "offset_seconds": 0.0 if maker is None else float(video.pts_seconds[0]),
            "end_seconds": video.end_seconds,
        }
        if self._bytes is not None:
            with self._lock:
                facts["num_bytes"] = self._bytes.seek(0, io.SEEK_END)
        return facts

    def check(self, number: int) -> None:
        """Raise where there is no such segment."""
        if not 0 <= number < len(self.starts):
            raise WidgetError(
                f"The video has {len(self.starts)} segments; segment {number} was asked for."
            )

    def make(self, number: int, called_off: threading.Event) -> Segment:
        """Make a segment; see `Maker`."""
        assert self._maker is not None, "whole files have no segments to ask for"
        with self._lock:
            return self._maker.make(number, called_off)

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        try:
            with self._lock:
                if self._bytes is None:
                    raise WidgetError("This video is loaded in segments, not as bytes.")
                self._bytes.seek(offset)
                return self._bytes.read(length)
        except (OSError, ValueError, OverflowError) as error:
            raise WidgetError(
                f"The video cannot be read any more ({error}). Run the cell again."
            ) from error

    def close(self) -> None:
        """Free what is open, once a segment that is being made is done or called off."""
        with self._lock:
            if self._maker is not None:
                self._maker.close()
            if self._bytes is not None:
                self._bytes.close()


class _Cache:
    """Segments that were made, the least recently used forgotten first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._segments: OrderedDict[tuple[str, int], Segment] = OrderedDict()

    def get(self, key: tuple[str, int]) -> Segment | None:
        if key in self._segments:
            self._segments.move_to_end(key)
        return self._segments.get(key)

    def put(self, key: tuple[str, int], segment: Segment) -> None:
        if key in self._segments:
            return
        self._segments[key] = segment
        self._num_bytes += len(segment.data)
        while self._num_bytes > self._max_bytes:
            self._num_bytes -= len(self._segments.popitem(last=False)[1].data)

    def clear(self) -> None:
        self._segments.clear()
        self._num_bytes = 0
