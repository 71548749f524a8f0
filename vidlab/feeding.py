"""From a video to whoever wants its frames: decoded ahead, sampled, prepared, and on record.

Decoding runs in a thread of its own, ahead of the models by a bounded number of frames, so both
work at once and memory does not grow with the video.
"""

from __future__ import annotations

import os
import platform
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import vidlab
from vidlab.core.console import progress as progress_bar
from vidlab.core.errors import VideoError
from vidlab.sampling import RateSampler
from vidlab.video import Frame, Video

#: What a run's reason to stop begins with after Ctrl-C.
INTERRUPTED = "interrupted by the user"

# How many sampled frames decoding may run ahead of the models: enough to keep it going while a
# chunk is computed, and bounded also where one decoded 4K picture is 12 MB.
_AHEAD_FRAMES = 12

# How long leaving a run waits for the decoding thread.
_STOP_SECONDS = 5.0

Prepare = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""From a frame, uint8 ``[H, W, 3]``, to what a model takes."""


@dataclass
class Prepared:
    """A sampled frame: its input per feed, by the feed's number; absent where not sampled."""

    index: int
    pts_seconds: float
    pixels: dict[int, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What a model wants of a video's frames.

    Attributes:
        preprocessing: How they are prepared.
        rate: How many a second; None for every frame, or for those in `frames`.
        frames: Numbers of those that are wanted.
    """

    preprocessing: Prepare
    rate: float | None = None
    frames: frozenset[int] | None = None

    def wants(self, index: int, due: set[float]) -> bool:
        """Tell whether a frame is wanted; `due` are the rates it was sampled at."""
        if self.frames is not None:
            return index in self.frames
        return self.rate is None or self.rate in due


class Decoder:
    """Decodes and samples in a thread, `ahead` sampled frames before the consumer.

    Converting and scaling are left to the consumer's thread: the decoder's own threads stand
    still while whoever feeds them does something else.

    Args:
        frames: Frames in presentation order.
        feeds: What is wanted of them.
        ahead: How many sampled frames may wait.
    """

    def __init__(
        self,
        frames: Iterable[Frame],
        feeds: Sequence[Feed],
        *,
        ahead: int,
    ) -> None:
        self.error: VideoError | None = None
        self.num_decoded = 0
        self._failure: BaseException | None = None
        self._frames = frames
        self._feeds = feeds
        self._queue: queue.Queue[tuple[Frame, set[float]] | None] = queue.Queue(maxsize=ahead)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="vidlab-decode", daemon=True)

    def __enter__(self) -> Decoder:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        # A source that blocks (a stalled camera) cannot be woken; the thread ends when it does.
        give_up = time.monotonic() + _STOP_SECONDS
        while self._thread.is_alive() and time.monotonic() < give_up:
            try:  # make room, so that a waiting put() wakes and sees the stop
                self._queue.get_nowait()
            except queue.Empty:
                self._thread.join(timeout=0.05)

    def __iter__(self) -> Iterator[Prepared]:
        while (item := self._queue.get()) is not None:
            try:
                prepared = self._prepared(*item)
            except VideoError as error:
                self.error = error
                return
            yield prepared
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            for item in self._sample():
                self._queue.put(item)
                if self._stop.is_set():
                    break
        except VideoError as error:
            self.error = error
        except BaseException as error:  # carried over to the consumer's thread
            self._failure = error
        finally:
            close = getattr(self._frames, "close", None)
            if close is not None:
                close()
            self._queue.put(None)

    def _sample(self) -> Iterator[tuple[Frame, set[float]]]:
        rates = sorted({feed.rate for feed in self._feeds if feed.rate is not None})
        samplers = {rate: RateSampler(rate) for rate in rates}
        wants_all = any(feed.rate is None and feed.frames is None for feed in self._feeds)
        listed = frozenset[int]().union(*(feed.frames or () for feed in self._feeds))
        previous: Frame | None = None
        for frame in self._frames:
            if self._stop.is_set():
                return
            self.num_decoded += 1
            # Which frame was on screen at a tick is known when the next frame's time is.
            due = {
                rate
                for rate, sampler in samplers.items()
                if sampler.push(frame.pts_seconds) is not None
            }
            if previous is not None and (due or wants_all or previous.index in listed):
                yield previous, due
            previous = frame
        if previous is not None:
            shown = previous.duration_seconds
            end = None if shown is None else previous.pts_seconds + shown
            due = {rate for rate, sampler in samplers.items() if sampler.finish(end) is not None}
            if due or wants_all or previous.index in listed:
                yield previous, due

    def _prepared(self, frame: Frame, due: set[float]) -> Prepared:
        prepared = Prepared(frame.index, frame.pts_seconds)
        made: dict[Prepare, NDArray[Any]] = {}
        for number, feed in enumerate(self._feeds):
            if feed.wants(frame.index, due):
                if feed.preprocessing not in made:
                    made[feed.preprocessing] = feed.preprocessing(frame.rgb)
                prepared.pixels[number] = made[feed.preprocessing]
        return prepared


class Taker(Protocol):
    """Whoever is fed.

    Attributes:
        feed: What it wants.
    """

    feed: Feed

    def push(self, index: int, pts_seconds: float, pixels: NDArray[Any]) -> None:
        """Take the next frame."""

    def finish(self) -> None:
        """No frame comes any more."""


def drive(
    video: Video, frames: Iterator[Frame], takers: Sequence[Taker], *, progress: bool
) -> str | None:
    """Feed all takers; return why it stopped before the end, or None."""
    feeds = [taker.feed for taker in takers]
    start, last = video.start_seconds, video.start_seconds
    # The header's duration, not the exact one: that would read the whole file before the start.
    total = video.stated_duration_seconds
    bar = progress_bar(
        total=round(total, 1) if total else None,
        desc=video.name,
        unit=" s of video",
        disable=not progress,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f}{unit} "
        "[{elapsed}<{remaining}]"
        if total
        else "{desc}: {n:.0f}{unit} [{elapsed}]",
    )
    with bar, Decoder(frames, feeds, ahead=_AHEAD_FRAMES) as decoder:
        try:
            for prepared in decoder:
                for number, pixels in prepared.pixels.items():
                    takers[number].push(prepared.index, prepared.pts_seconds, pixels)
                # A header may state too short a duration; tqdm cannot show more than all of it.
                done = prepared.pts_seconds - last
                bar.update(min(done, bar.total - bar.n) if total else done)
                last = prepared.pts_seconds
            for taker in takers:
                taker.finish()
            if total and decoder.error is None:
                bar.update(max(bar.total - bar.n, 0))  # the last frame's own time on screen
        except KeyboardInterrupt:
            return f"{INTERRUPTED} at {last - start:.1f} s; what was done is kept"
    if decoder.error is not None:
        if decoder.num_decoded == 0:
            raise decoder.error
        # The record may travel; the path it was read from should not.
        return str(decoder.error).replace(str(video.source), video.name)
    return None


def record(video: Video, elapsed_seconds: float) -> dict[str, Any]:
    """Return what is to be known of a run: video, versions, machine, and how long it took."""
    return {
        "video": {
            "name": video.name,
            "width": video.width,
            "height": video.height,
            # After an early end the exact figures would take reading the file to its end.
            "fps": video.fps if video.is_indexed else None,
            "duration_seconds": video.duration_seconds
            if video.is_indexed
            else video.stated_duration_seconds,
            "codec": video.codec,
            "rotation": video.rotation,
        },
        **versions_and_machine(),
        "elapsed_seconds": round(elapsed_seconds, 3),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def versions_and_machine() -> dict[str, Any]:
    """Return what a run's figures depend on beside the models: versions, and the machine."""
    return {
        "versions": {
            "vidlab": vidlab.__version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in ("numpy", "av", "pandas", "pyarrow")},
        },
        "machine": {
            "system": platform.platform(),
            "processor": processor_name(),
            "cores": os.cpu_count(),
        },
    }


@cache  # each reads a file, and a run of many videos asks for every one of them
def _version(package: str) -> str:
    return metadata.version(package)


def processor_name() -> str:
    """Return the processor's name as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: the standard library's guess serves
    return platform.processor() or platform.machine()
