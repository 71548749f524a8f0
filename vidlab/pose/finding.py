"""The loop: one video, one pose model, people on every sampled frame."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.feeding import Feed, drive, record
from vidlab.models.pose.base import PoseModel
from vidlab.pose.poses import Poses
from vidlab.pose.tracking import Tracker
from vidlab.video import Video


def find_poses(video: Video, model: PoseModel, *, rate: float | None, progress: bool) -> Poses:
    """Find people on a video's frames, from the first to the last.

    Ctrl-C, or a frame that cannot be decoded, ends the run early and keeps what was done.

    Args:
        video: The video.
        model: The model.
        rate: Frames a second to look at; None for every one.
        progress: Show a progress bar.

    Raises:
        VideoError: Not one frame could be read.
    """
    finder = _Finder(model, Feed(preprocessing=_as_it_is, rate=rate))
    started = time.perf_counter()
    stopped = drive(video, video.frames(), [finder], progress=progress)
    elapsed = time.perf_counter() - started
    if stopped is not None:
        named = stopped if video.name in stopped else f"{video.name}: {stopped}"
        warnings.warn(named, stacklevel=4)
    done = list(finder.done)  # each frame as one: Ctrl-C may come between any two statements
    counts = [len(people) for *_, people in done]
    return Poses(
        video=video.name,
        model=model.name,
        backend=model.backend,
        title=model.title,
        skeleton=model.skeleton,
        width_px=video.width,
        height_px=video.height,
        frame_index=np.array([each[0] for each in done], dtype=np.int64),
        time_seconds=np.array([each[1] for each in done], dtype=np.float64),
        latency_seconds=np.array([each[2] for each in done], dtype=np.float32),
        row=np.repeat(np.arange(len(done)), counts),
        person=np.concatenate([np.empty(0, dtype=np.int64), *(each[3] for each in done)]),
        points=np.concatenate(
            [np.empty((0, len(model.skeleton), 3), dtype=np.float32), *(each[4] for each in done)]
        ),
        made_by={
            "model": model.record(),
            "num_threads": model.num_threads,
            "max_people": model.max_people,
            "people": model.people,
            "least_confidence": model.least_confidence,
            "sampling": {"fps": "source" if rate is None else rate},
            **record(video, elapsed),
        },
        stopped=stopped,
    )


class _Finder:
    """Feeds a pose model, and keeps what it finds."""

    def __init__(self, model: PoseModel, feed: Feed) -> None:
        self.feed = feed
        self.done: list[tuple[int, float, float, NDArray[np.int64], NDArray[np.float32]]] = []
        self._model = model
        self._state: Any = model.init_state()
        self._tracker = Tracker(model.skeleton)

    def push(self, index: int, pts_seconds: float, pixels: NDArray[np.uint8]) -> None:
        begin = time.perf_counter()
        people, self._state = self._model.step(pixels, self._state)
        latency = time.perf_counter() - begin
        numbers = self._tracker.number(people, pts_seconds)
        order = np.argsort(numbers)
        self.done.append((index, pts_seconds, latency, numbers[order], people[order]))

    def finish(self) -> None:
        """Nothing waits."""


def _as_it_is(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return rgb
