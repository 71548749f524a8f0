"""The loop: one video, one or more models, an answer for every sampled frame.

Decoding and preparing run in a thread of their own, ahead of the models by a bounded number of
frames, so both work at once and memory does not grow with the video.
"""

from __future__ import annotations

import os
import platform
import queue
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from vidlab.core.console import progress as progress_bar
from vidlab.core.errors import ModelError, OptionError, VideoError
from vidlab.models.base import Model, Selection
from vidlab.predictions import Predictions, softmax
from vidlab.sampling import RateSampler
from vidlab.transforms import Preprocessing
from vidlab.video import Frame, Video

Source = Video | str | os.PathLike[str] | bytes | BinaryIO
Rate = float | Literal["source"] | None

# How far decoding may run ahead of the models. At 172x172 px a prepared frame is 355 kB.
_AHEAD_FRAMES = 48


def predict(
    video: Source,
    model: Model,
    *,
    fps: Rate = None,
    hop: int | None = None,
    max_results: int | None = None,
    score_threshold: float | None = None,
    label_allow_list: Sequence[str] | None = None,
    label_deny_list: Sequence[str] | None = None,
    progress: bool = True,
) -> Predictions:
    """Run a model over a video, from its first frame to its last.

    Ctrl-C, or a frame that cannot be decoded, ends the run early and keeps what was done:
    the result's ``stopped`` says why, and a warning is given.

    Args:
        video: A :class:`~vidlab.Video`, or anything it can be made from.
        model: What :func:`~vidlab.load_model` returned.
        fps: Frames a second to look at; None takes the model's own rate, ``"source"`` every
            frame of the video.
        hop: For clip models: sampled frames between two clips' starts; None puts the clips end
            to end.
        max_results: Rows a frame in the table; None takes the model's setting.
        score_threshold: Probability below which a row is left out.
        label_allow_list: Only these labels in the table.
        label_deny_list: All but these labels in the table.
        progress: Show a progress bar.

    Returns:
        The predictions. A streaming model answers after each sampled frame, a clip model after
        the last frame of each clip.

    Raises:
        VideoError: Not one frame could be read.
        OptionError: An option is out of range.
    """
    selection = model.selection.updated(
        max_results=max_results,
        score_threshold=score_threshold,
        label_allow_list=label_allow_list,
        label_deny_list=label_deny_list,
    )
    return run(video, [model], fps=fps, hop=hop, selections=[selection], progress=progress)[0]


def run(
    video: Source,
    models: Sequence[Model],
    *,
    fps: Rate = None,
    hop: int | None = None,
    selections: Sequence[Selection] | None = None,
    progress: bool = True,
) -> list[Predictions]:
    """Run several models over one video, which is decoded once.

    Args:
        video: A :class:`~vidlab.Video`, or anything it can be made from.
        models: The models; each is fed at its own rate unless `fps` says otherwise.
        fps: See :func:`predict`.
        hop: See :func:`predict`.
        selections: Table options, one per model; None takes the models' own.
        progress: Show a progress bar.

    Returns:
        One :class:`~vidlab.Predictions` per model, in the same order.

    Raises:
        VideoError: Not one frame could be read.
        OptionError: An option is out of range.
    """
    if not models:
        raise OptionError("At least one model is needed; got none.")
    source = as_video(video)
    selections = selections or [model.selection for model in models]
    for model, selection in zip(models, selections, strict=True):
        selection.class_ids(model.labels)
    runners = [_runner(model, fps=fps, hop=hop) for model in models]
    started = time.perf_counter()
    stopped = _drive(source, source.frames(), runners, progress=progress)
    elapsed = time.perf_counter() - started
    if stopped is not None:
        warnings.warn(f"{source.name}: {stopped}", stacklevel=3)
    return [
        Predictions(
            video=source.name,
            model=runner.model.name,
            backend=runner.model.backend,
            title=runner.model.title,
            labels=runner.model.labels,
            frame_index=np.array(runner.frame_index, dtype=np.int64),
            time_seconds=np.array(runner.time_seconds, dtype=np.float64),
            logits=runner.all_logits(),
            latency_seconds=np.array(runner.latency_seconds, dtype=np.float32),
            selection=selection,
            made_by=_made_by(source, runner, elapsed),
            stopped=stopped,
        )
        for runner, selection in zip(runners, selections, strict=True)
    ]


def as_video(source: Source) -> Video:
    """Return `source` if it is a video already, or the video made from it."""
    return source if isinstance(source, Video) else Video(source)


@dataclass(frozen=True, kw_only=True)
class FramePrediction:
    """A model's answer after one frame.

    Attributes:
        frame_index: The frame, 0-based.
        time_seconds: Its presentation timestamp.
        logits: float32 ``[num_classes]``.
        probabilities: float32 ``[num_classes]``.
        top: The most probable labels with their probabilities, best first.
        latency_seconds: Time the model took.
    """

    frame_index: int
    time_seconds: float
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    top: tuple[tuple[str, float], ...]
    latency_seconds: float

    def __repr__(self) -> str:
        best = f"{self.top[0][0]!r} {self.top[0][1]:.3f}" if self.top else "no label"
        return f"<frame {self.frame_index} at {self.time_seconds:.3f} s: {best}>"


def stream(
    source: Source | Iterable[Frame],
    model: Model,
    *,
    fps: Rate = None,
    max_results: int | None = None,
    score_threshold: float | None = None,
    label_allow_list: Sequence[str] | None = None,
    label_deny_list: Sequence[str] | None = None,
) -> Iterator[FramePrediction]:
    """Yield a model's answers one by one, as the frames are read.

    Args:
        source: A video, anything one can be made from, or an iterable of frames in order.
        model: A streaming model.
        fps: See :func:`predict`; the rate is kept by the frames' timestamps.
        max_results: Labels in ``top``; None takes the model's setting.
        score_threshold: Probability below which a label is left out of ``top``.
        label_allow_list: Only these labels in ``top``.
        label_deny_list: All but these labels in ``top``.

    Yields:
        One answer per sampled frame.

    Raises:
        ModelError: The model answers whole clips and cannot stream.
        VideoError: A frame cannot be read; the answers before it were given.
        OptionError: An option is out of range.
    """
    if model.card.kind != "stream":
        raise ModelError(f"{model.title} answers whole clips; use predict() instead of stream().")
    selection = model.selection.updated(
        max_results=max_results,
        score_threshold=score_threshold,
        label_allow_list=label_allow_list,
        label_deny_list=label_deny_list,
    )
    allowed = selection.class_ids(model.labels)
    if isinstance(source, (Video, str, bytes, os.PathLike)) or hasattr(source, "read"):
        frames: Iterable[Frame] = as_video(cast("Source", source)).frames()
    else:
        frames = source
    return _stream(frames, model, _rate(model, fps), selection, allowed)


def _stream(
    frames: Iterable[Frame],
    model: Model,
    rate: float | None,
    selection: Selection,
    allowed: NDArray[np.int64],
) -> Iterator[FramePrediction]:
    state = model.init_state()
    with _Decoder(frames, [(rate, model.preprocessing)], ahead=2) as decoder:
        for prepared in decoder:
            begin = time.perf_counter()
            logits, state = model.step(prepared.pixels[0][None], state)
            latency = time.perf_counter() - begin
            probabilities = softmax(logits[0])
            order = allowed[np.argsort(-probabilities[allowed], kind="stable")]
            yield FramePrediction(
                frame_index=prepared.index,
                time_seconds=prepared.pts_seconds,
                logits=logits[0],
                probabilities=probabilities,
                top=tuple(
                    (model.labels[i], float(probabilities[i]))
                    for i in order[: selection.max_results]
                    if probabilities[i] >= selection.score_threshold
                ),
                latency_seconds=latency,
            )
    if decoder.error is not None:
        raise decoder.error


# ---------------------------------------------------------------- decoding ahead


@dataclass
class _Prepared:
    """A sampled frame: its input per feed, by the feed's number; absent where not sampled."""

    index: int
    pts_seconds: float
    pixels: dict[int, NDArray[np.float32]] = field(default_factory=dict)


class _Decoder:
    """Decodes, samples and prepares in a thread, `ahead` frames before the consumer.

    Args:
        frames: Frames in presentation order.
        feeds: For each feed the rate (None for every frame) and the preprocessing.
        ahead: How many prepared frames may wait.
    """

    def __init__(
        self,
        frames: Iterable[Frame],
        feeds: Sequence[tuple[float | None, Preprocessing]],
        *,
        ahead: int,
    ) -> None:
        self.error: VideoError | None = None
        self.num_decoded = 0
        self._failure: BaseException | None = None
        self._frames = frames
        self._feeds = feeds
        self._queue: queue.Queue[_Prepared | None] = queue.Queue(maxsize=ahead)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="vidlab-decode", daemon=True)

    def __enter__(self) -> _Decoder:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        while self._thread.is_alive():
            try:  # make room, so that a waiting put() wakes and sees the stop
                self._queue.get_nowait()
            except queue.Empty:
                self._thread.join(timeout=0.05)

    def __iter__(self) -> Iterator[_Prepared]:
        while (item := self._queue.get()) is not None:
            yield item
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            for prepared in self._prepare():
                self._queue.put(prepared)
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

    def _prepare(self) -> Iterator[_Prepared]:
        rates = sorted({rate for rate, _ in self._feeds if rate is not None})
        samplers = {rate: RateSampler(rate) for rate in rates}
        wants_all = any(rate is None for rate, _ in self._feeds)
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
            if previous is not None and (due or wants_all):
                yield self._prepared(previous, due)
            previous = frame
        if previous is not None:
            shown = previous.duration_seconds
            end = None if shown is None else previous.pts_seconds + shown
            due = {rate for rate, sampler in samplers.items() if sampler.finish(end) is not None}
            if due or wants_all:
                yield self._prepared(previous, due)

    def _prepared(self, frame: Frame, due: set[float]) -> _Prepared:
        prepared = _Prepared(frame.index, frame.pts_seconds)
        made: dict[Preprocessing, NDArray[np.float32]] = {}
        for number, (rate, preprocessing) in enumerate(self._feeds):
            if rate is None or rate in due:
                if preprocessing not in made:
                    made[preprocessing] = preprocessing(frame.rgb)
                prepared.pixels[number] = made[preprocessing]
        return prepared


# ---------------------------------------------------------------- feeding the models


class _Runner(ABC):
    """Feeds one model and keeps its answers."""

    def __init__(self, model: Model, rate: float | None) -> None:
        self.model = model
        self.rate = rate
        self.frame_index: list[int] = []
        self.time_seconds: list[float] = []
        self.latency_seconds: list[float] = []
        self._logits: list[NDArray[np.float32]] = []
        self._waiting: list[tuple[int, float, NDArray[np.float32]]] = []

    @abstractmethod
    def push(self, index: int, pts_seconds: float, pixels: NDArray[np.float32]) -> None:
        """Take the next sampled frame."""

    @abstractmethod
    def finish(self) -> None:
        """Answer for the frames that still wait."""

    def all_logits(self) -> NDArray[np.float32]:
        if not self._logits:
            return np.empty((0, self.model.num_classes), dtype=np.float32)
        return np.concatenate(self._logits)


class _StreamRunner(_Runner):
    def __init__(self, model: Model, rate: float | None) -> None:
        super().__init__(model, rate)
        self._state = model.init_state()

    def push(self, index: int, pts_seconds: float, pixels: NDArray[np.float32]) -> None:
        self._waiting.append((index, pts_seconds, pixels))
        if len(self._waiting) >= self.model.chunk_frames:
            self.finish()

    def finish(self) -> None:
        if not self._waiting:
            return
        indices, times, pixels = zip(*self._waiting, strict=True)
        begin = time.perf_counter()
        logits, self._state = self.model.step(np.stack(pixels), self._state)
        latency = (time.perf_counter() - begin) / len(indices)
        self._waiting.clear()
        self._logits.append(logits)
        self.frame_index.extend(indices)
        self.time_seconds.extend(times)
        self.latency_seconds.extend([latency] * len(indices))


class _ClipRunner(_Runner):
    """Answers after each clip; what is left at the end is seen in one last, overlapping clip."""

    def __init__(self, model: Model, rate: float | None, hop: int | None) -> None:
        super().__init__(model, rate)
        self._length = model.card.num_frames
        self._hop = self._length if hop is None else hop
        self._unseen = 0
        self._until_full = self._length

    def push(self, index: int, pts_seconds: float, pixels: NDArray[np.float32]) -> None:
        self._waiting.append((index, pts_seconds, pixels))
        self._waiting = self._waiting[-self._length :]
        self._unseen += 1
        self._until_full -= 1
        if self._until_full == 0:
            self._answer()
            self._until_full = self._hop

    def finish(self) -> None:
        if self._unseen:
            self._answer()

    def _answer(self) -> None:
        clip = np.stack([pixels for _, _, pixels in self._waiting])
        begin = time.perf_counter()
        logits = self.model.classify(clip[None])
        self.latency_seconds.append(time.perf_counter() - begin)
        self._logits.append(logits)
        self.frame_index.append(self._waiting[-1][0])
        self.time_seconds.append(self._waiting[-1][1])
        self._unseen = 0


def _runner(model: Model, *, fps: Rate, hop: int | None) -> _Runner:
    rate = _rate(model, fps)
    if model.card.kind == "stream":
        if hop is not None:
            raise OptionError(f"hop is for clip models; {model.title} answers after every frame.")
        return _StreamRunner(model, rate)
    if hop is not None and (isinstance(hop, bool) or not isinstance(hop, int) or hop < 1):
        raise OptionError(f"hop must be a positive number of frames; got {hop!r}.")
    return _ClipRunner(model, rate, hop)


def _rate(model: Model, fps: Rate) -> float | None:
    if fps == "source":
        return None
    if fps is None:
        return model.preprocessing.frame_rate
    if isinstance(fps, (str, bool)) or not 0.0 < float(fps) <= 1000.0:
        raise OptionError(
            f'fps must be a number between 0 and 1000, or "source" for every frame; got {fps!r}.'
        )
    return float(fps)


def _drive(
    video: Video, frames: Iterator[Frame], runners: Sequence[_Runner], *, progress: bool
) -> str | None:
    """Feed all runners; return why it stopped before the end, or None."""
    feeds = [(runner.rate, runner.model.preprocessing) for runner in runners]
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
    with bar, _Decoder(frames, feeds, ahead=_AHEAD_FRAMES) as decoder:
        try:
            for prepared in decoder:
                for number, pixels in prepared.pixels.items():
                    runners[number].push(prepared.index, prepared.pts_seconds, pixels)
                # A header may state too short a duration; tqdm cannot show more than all of it.
                done = prepared.pts_seconds - last
                bar.update(min(done, bar.total - bar.n) if total else done)
                last = prepared.pts_seconds
            for runner in runners:
                runner.finish()
            if total and decoder.error is None:
                bar.update(max(bar.total - bar.n, 0))  # the last frame's own time on screen
        except KeyboardInterrupt:
            return f"interrupted by the user at {last - start:.1f} s; what was done is kept"
    if decoder.error is not None:
        if decoder.num_decoded == 0:
            raise decoder.error
        return str(decoder.error)
    return None


def _made_by(video: Video, runner: _Runner, elapsed: float) -> dict[str, Any]:
    model = runner.model
    return {
        "model": {
            "name": model.name,
            "variant": model.variant,
            "backend": model.backend,
            "title": model.title,
            **asdict(model.provenance),
        },
        "num_threads": model.num_threads,
        "preprocessing": model.preprocessing.as_dict(),
        "sampling": {"fps": runner.rate if runner.rate is not None else "source"},
        "video": {
            "name": video.name,
            "width": video.width,
            "height": video.height,
            "fps": video.fps,
            "duration_seconds": video.duration_seconds,
            "codec": video.codec,
            "rotation": video.rotation,
        },
        "versions": {
            name: metadata.version(name) for name in ("vidlab", "numpy", "av", "pandas", "pyarrow")
        }
        | {"python": platform.python_version()},
        "machine": {
            "system": platform.platform(),
            "processor": processor_name(),
            "cores": os.cpu_count(),
        },
        "elapsed_seconds": round(elapsed, 3),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


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
