"""A live session: pictures come in, each model looks at the newest, nothing ever queues up.

One thread reads the source and decides, by timestamps, which frames each model is due; each model
has a thread of its own and room for one frame that waits. Where a newer one comes before the model
is free, it takes the waiting one's place, which is counted as dropped: answers are late by the
model's own time at most, and a slow model slows only itself.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidlab.core.errors import ModelError, OptionError, VideoDecodeError
from vidlab.core.probabilities import softmax
from vidlab.inference import Rate, rate_for
from vidlab.live.sources import LiveFrame, Picture, as_source
from vidlab.models.base import Model, check_model
from vidlab.rules import Rule, RuleEvent, Sequel, Watcher
from vidlab.sampling import RateSampler

if TYPE_CHECKING:
    from types import TracebackType

    from vidlab.live.recording import Recorder

# How long stop() waits for a model's call, or a source that blocks, to end.
_STOP_SECONDS = 10.0

# Over how many answers rates and latencies are told.
_RECENT = 100

# Events that are kept; a session may run for months.
_MAX_EVENTS = 10_000

# A cut: the mean difference of two frames' thumbnails is more than this many grey levels, and
# less than this share of their colours is common to both. What moves fast differs by as much, but
# keeps its colours, and so does a cut within one scene, after which a model may well remember.
_CUT_DIFFERENCE, _CUT_COMMON = 30.0, 0.5
_THUMBNAIL_PX = 32


@dataclass(frozen=True, kw_only=True)
class LiveAnswer:
    """A model's answer to one frame.

    Attributes:
        track: Number of the model in the session.
        title: Name that tells the model from others.
        frame_index: The frame, as `LiveFrame.index`.
        time_seconds: When it was taken, on the source's clock.
        arrived_seconds: When it came, since the session began.
        answered_seconds: When the answer was there, since the session began.
        latency_seconds: The model's own time, preparing the picture included.
        epoch: How often the state had been reset.
        logits: float32 ``[num_classes]``.
        probabilities: float32 ``[num_classes]``.
        top: The most probable labels with their probabilities, best first.
        source_id: What whoever pushed the frame calls it.
    """

    track: int
    title: str
    frame_index: int
    time_seconds: float
    arrived_seconds: float
    answered_seconds: float
    latency_seconds: float
    epoch: int
    logits: NDArray[np.float32] = field(repr=False)
    probabilities: NDArray[np.float32] = field(repr=False)
    top: tuple[tuple[str, float], ...]
    source_id: Any = None


@dataclass(frozen=True, kw_only=True)
class TrackStats:
    """How one model keeps up.

    Attributes:
        title: Name that tells the model from others.
        answers: How many it gave.
        dropped: Frames it was due, but was too busy for.
        resets: How often its state was set back after it began.
        rate_fps: Answers a second lately; NaN before the second.
        median_ms: From a frame's arrival to its answer, the median lately; NaN before the first.
        p95_ms: Likewise, the 95th percentile.
        model_ms: The model's own time, the median lately.
    """

    title: str
    answers: int
    dropped: int
    resets: int
    rate_fps: float
    median_ms: float
    p95_ms: float
    model_ms: float


class LiveSession:
    """Models that look at what a source shows now.

    Args:
        source: A :class:`~vidlab.live.LiveSource`, or what :func:`~vidlab.live.as_source` takes.
        models: One model, or several; each answers after every frame.
        fps: Frames a second to look at; None takes each model's own rate, ``"source"`` every frame.
        rules: What to look out for.
        reset_on_cut: Whether a cut sets the models' state back.
        reset_after_pause: Seconds without a frame after which the state is set back; None never.
        record: A folder to make and to write it all into; see :class:`vidlab.Recording`.

    Attributes:
        source: The source.
        models: The models.
        rates: Frames a second each is given; None is every frame.
        rules: What it looks out for.
        state: ``"waiting"`` (not started, or no frame yet), ``"running"``, ``"lost"`` (the source
            is gone and tried again), ``"ended"``, ``"stopped"`` or ``"failed"``.
        message: Why it is so, in words.
        error: What ended it, or None.
        num_frames: Frames that came.
        num_damaged: Of these, those that could not be decoded, where a model was due one.
        events: What the rules found, oldest first; the last ten thousand.
        started: When it began.
        on_frame: Is called with each :class:`LiveFrame`, in the reading thread.
        on_answer: Is called with each :class:`LiveAnswer`, in the model's thread.
        on_event: Is called with each :class:`~vidlab.rules.RuleEvent`. What one of the three
            raises ends the session.
        on_state: Is called when `state` or `message` changed.

    Raises:
        ModelError: A model answers whole clips.
        OptionError: An option is out of range.
        LabelMapError: A rule names a label that no model knows.
        VideoError: The source is a file that cannot be opened.
    """

    def __init__(
        self,
        source: object,
        models: Model | Sequence[Model],
        *,
        fps: Rate = None,
        rules: Rule | Sequel | Iterable[Rule | Sequel] = (),
        reset_on_cut: bool = True,
        reset_after_pause: float | None = None,
        record: str | os.PathLike[str] | None = None,
    ) -> None:
        self.models = checked_models(models)
        self.rates = [rate_for(model, fps) for model in self.models]
        self.source = as_source(source)
        if reset_after_pause is not None and not reset_after_pause > 0:
            raise OptionError(
                f"reset_after_pause is a number of seconds above 0; got {reset_after_pause!r}."
            )
        self.on_frame: Callable[[LiveFrame], object] | None = None
        self.on_answer: Callable[[LiveAnswer], object] | None = None
        self.on_event: Callable[[RuleEvent], object] | None = None
        self.on_state: Callable[[], object] | None = None
        self.state, self.message = "waiting", ""
        self.error: BaseException | None = None
        self.num_frames = self.num_damaged = 0
        self.events: deque[RuleEvent] = deque(maxlen=_MAX_EVENTS)
        self.started = datetime.now(UTC)
        self.rules = [rules] if isinstance(rules, Rule | Sequel) else list(rules)
        self._watcher = Watcher(self.rules, {model.title: model.labels for model in self.models})
        self._watch_lock = threading.Lock()
        self._reset_on_cut = reset_on_cut
        self._reset_after_pause = reset_after_pause
        self._recorder = None if record is None else _recorder(record)
        self._stop = threading.Event()
        self._done = threading.Event()
        self._epoch = 0
        self._began = time.monotonic()
        self._tracks = [
            _Track(self, number, model, rate)
            for number, (model, rate) in enumerate(zip(self.models, self.rates, strict=True))
        ]
        self._reader = threading.Thread(target=self._read, name="vidlab-live-read", daemon=True)

    def start(self) -> Self:
        """Begin; a session runs once.

        Raises:
            OptionError: It was started before.
            OptionError: The recording's folder cannot be written.
        """
        if self._reader.ident is not None:
            raise OptionError("A live session runs once; make another one.")
        self.started = datetime.now(UTC)
        self._began = time.monotonic()
        if self._recorder is not None:
            self._recorder.begin(self)
        for track in self._tracks:
            track.thread.start()
        self._reader.start()
        return self

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._reader.ident is not None and not self._done.is_set()

    def stop(self) -> None:
        """End it, and wait until its threads have; does nothing where it has ended."""
        self._stop.set()
        self.join(timeout=_STOP_SECONDS)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it ends, and tell whether it has.

        Raises:
            BaseException: What ended it, if it was not its end or `stop`.
        """
        me = threading.current_thread()
        if self._reader.ident is None or me is self._reader or me in self._threads:
            return self._done.is_set()
        is_done = self._done.wait(timeout)
        if is_done and self.error is not None:
            raise self.error
        return is_done

    def reset(self) -> None:
        """Set the state of all models back before the next frame."""
        self._epoch += 1

    def stats(self) -> list[TrackStats]:
        """Return how each model keeps up."""
        return [track.stats() for track in self._tracks]

    def since_start(self) -> float:
        """Return the seconds since it was started."""
        return time.monotonic() - self._began

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if kind is None:
            self.join(timeout=_STOP_SECONDS)
        else:
            self._done.wait(_STOP_SECONDS)

    @property
    def _threads(self) -> list[threading.Thread]:
        return [track.thread for track in self._tracks]

    # ---- the reading thread ------------------------------------------------------------------

    def _read(self) -> None:
        try:
            self._read_all()
        except BaseException as error:  # told by join, in the caller's thread
            self._fail(error)
        finally:
            for track in self._tracks:
                track.close()
            for thread in self._threads:
                thread.join()
            if self.error is None:
                self._finish_rules()
            if self._recorder is not None:
                try:
                    self._recorder.end()
                except Exception as error:
                    self._fail(error)
            if self.error is None:
                self._say("stopped" if self._stop.is_set() else "ended", "")
            self._done.set()

    def _read_all(self) -> None:
        cuts = _Cuts()
        end: float | None = None
        previous: LiveFrame | None = None
        previous_epoch = self._epoch
        for picture in self.source.pictures(self._stop, self._say):
            frame = self._taken(picture)
            if previous is None:
                self._say("running", "")
            elif self._is_pause(previous, frame):
                self._epoch += 1
            due = [track for track in self._tracks if track.is_due_before(frame.time_seconds)]
            if previous is not None:
                self._offer(previous, previous_epoch, due, cuts)
                self._advance(previous.time_seconds)
            previous, previous_epoch = frame, self._epoch
            shown = picture.duration_seconds
            end = None if shown is None else frame.time_seconds + shown
            if self._stop.is_set():
                return
        if previous is None:
            return
        due = [track for track in self._tracks if track.is_due_at_the_end(end)]
        self._offer(previous, previous_epoch, due, cuts)

    def _offer(self, frame: LiveFrame, epoch: int, due: list[_Track], cuts: _Cuts) -> None:
        if not due:
            return
        try:
            rgb = frame.rgb
        except VideoDecodeError:
            self.num_damaged += 1  # of many pictures one: the next will do
            return
        if self._reset_on_cut and cuts.is_cut(rgb):
            self._epoch += 1
            epoch = self._epoch
        for track in due:
            track.offer(frame, epoch)

    def _taken(self, picture: Picture) -> LiveFrame:
        frame = LiveFrame(
            index=self.num_frames,
            time_seconds=picture.time_seconds,
            arrived_seconds=self.since_start(),
            source_id=picture.source_id,
            _make_rgb=picture.make_rgb,
        )
        self.num_frames += 1
        if self._recorder is not None:
            self._recorder.frame(frame)
        if self.on_frame is not None:
            self.on_frame(frame)
        return frame

    def _is_pause(self, previous: LiveFrame, frame: LiveFrame) -> bool:
        longest = self._reset_after_pause
        return longest is not None and frame.time_seconds - previous.time_seconds > longest

    def _say(self, state: str, message: str) -> None:
        if (state, message) == (self.state, self.message):
            return
        self.state, self.message = state, message
        if self.on_state is not None:
            self.on_state()

    def _fail(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error
            self._stop.set()
            self._say("failed", str(error) or type(error).__name__)

    # ---- from the models' threads -------------------------------------------------------------

    def _answered(self, answer: LiveAnswer) -> None:
        if self._recorder is not None:
            self._recorder.answer(answer)
        if self.on_answer is not None:
            self.on_answer(answer)
        if self.rules:
            with self._watch_lock:
                found = self._watcher.push(answer.title, answer.time_seconds, answer.probabilities)
                self._found(found)

    def _was_reset(self, title: str) -> None:
        with self._watch_lock:
            self._watcher.reset(title)

    def _advance(self, time_seconds: float) -> None:
        """Let the rules see what is missed, as far as no model may still answer."""
        if self.rules:
            settled = min(track.settled_until(time_seconds) for track in self._tracks)
            with self._watch_lock:
                self._found(self._watcher.advance(settled))

    def _finish_rules(self) -> None:
        try:
            self._found(self._watcher.finish())
        except BaseException as error:  # what on_event raised
            self._fail(error)

    def _found(self, events: Iterable[RuleEvent]) -> None:
        for event in events:
            self.events.append(event)
            if self._recorder is not None:
                self._recorder.event(event)
            if self.on_event is not None:
                self.on_event(event)


class _Track:
    """One model: its state, its thread, and room for one frame that waits."""

    def __init__(self, session: LiveSession, number: int, model: Model, rate: float | None) -> None:
        self._session = session
        self._number = number
        self._model = model
        self._sampler = None if rate is None else RateSampler(rate)
        self._allowed = model.selection.class_ids(model.labels)
        self._waiting: tuple[LiveFrame, int] | None = None
        self._busy_with: LiveFrame | None = None
        self._is_closed = False
        self._has_news = threading.Condition()
        self._answers = self._dropped = self._resets = 0
        self._recent: deque[tuple[float, float, float]] = deque(maxlen=_RECENT)
        self.thread = threading.Thread(target=self._work, name=f"vidlab-live-{number}", daemon=True)

    def is_due_before(self, time_seconds: float) -> bool:
        """Take the next frame's time, and tell whether the frame before it is to be looked at."""
        if self._sampler is None:
            return True
        return self._sampler.push(time_seconds) is not None

    def is_due_at_the_end(self, end_seconds: float | None) -> bool:
        """Tell whether the last frame is to be looked at."""
        return self._sampler is None or self._sampler.finish(end_seconds) is not None

    def offer(self, frame: LiveFrame, epoch: int) -> None:
        """Hand a frame over; one that still waits is dropped for it."""
        with self._has_news:
            old, self._waiting = self._waiting, (frame, epoch)
            self._dropped += old is not None
            self._has_news.notify()
        if old is not None and self._session._recorder is not None:
            self._session._recorder.dropped(self._number, old[0])

    def close(self) -> None:
        """Answer what waits, and end."""
        with self._has_news:
            self._is_closed = True
            if self._session._stop.is_set():
                self._waiting = None
            self._has_news.notify()

    def settled_until(self, time_seconds: float) -> float:
        """Return up to when, at most `time_seconds`, no more answers will come."""
        with self._has_news:
            frame = self._busy_with or (self._waiting and self._waiting[0])
            return min(frame.time_seconds, time_seconds) if frame else time_seconds

    def stats(self) -> TrackStats:
        """Return how it keeps up."""
        with self._has_news:
            recent = list(self._recent)
            answers, dropped, resets = self._answers, self._dropped, self._resets
        late = [1000 * (answered - arrived) for answered, arrived, _ in recent]
        busy = [1000 * latency for _, _, latency in recent]
        span = recent[-1][0] - recent[0][0] if len(recent) > 1 else 0.0
        return TrackStats(
            title=self._model.title,
            answers=answers,
            dropped=dropped,
            resets=resets,
            rate_fps=(len(recent) - 1) / span if span else float("nan"),
            median_ms=statistics.median(late) if late else float("nan"),
            p95_ms=float(np.percentile(late, 95)) if late else float("nan"),
            model_ms=statistics.median(busy) if busy else float("nan"),
        )

    def _work(self) -> None:
        try:
            self._answer_all()
        except BaseException as error:  # told by join, in the caller's thread
            self._session._fail(error)

    def _answer_all(self) -> None:
        state, known_epoch = self._model.init_state(), 0
        while (taken := self._next()) is not None:
            frame, epoch = taken
            if epoch != known_epoch:
                state, known_epoch = self._model.init_state(), epoch
                self._resets += 1
                self._session._was_reset(self._model.title)
            begin = time.perf_counter()
            pixels = self._model.preprocessing(frame.rgb)
            logits, state = self._model.step(pixels[None], state)
            latency = time.perf_counter() - begin
            self._tell(frame, epoch, logits[0], latency)

    def _next(self) -> tuple[LiveFrame, int] | None:
        with self._has_news:
            self._busy_with = None
            while self._waiting is None and not self._is_closed:
                self._has_news.wait()
            taken, self._waiting = self._waiting, None
            self._busy_with = taken and taken[0]
            return taken

    def _tell(
        self, frame: LiveFrame, epoch: int, logits: NDArray[np.float32], latency: float
    ) -> None:
        probabilities = softmax(logits)
        model = self._model
        answer = LiveAnswer(
            track=self._number,
            title=model.title,
            frame_index=frame.index,
            time_seconds=frame.time_seconds,
            arrived_seconds=frame.arrived_seconds,
            answered_seconds=self._session.since_start(),
            latency_seconds=latency,
            epoch=epoch,
            logits=logits,
            probabilities=probabilities,
            top=model.selection.top(model.labels, probabilities, self._allowed),
            source_id=frame.source_id,
        )
        with self._has_news:
            self._answers += 1
            self._recent.append((answer.answered_seconds, answer.arrived_seconds, latency))
        self._session._answered(answer)


class _Cuts:
    """Tells where one shot ends and another begins, among the frames that are looked at."""

    def __init__(self) -> None:
        self._last: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def is_cut(self, rgb: NDArray[np.uint8]) -> bool:
        """Take the next frame, uint8 ``[height, width, 3]``."""
        size = (_THUMBNAIL_PX, _THUMBNAIL_PX)
        small = Image.fromarray(rgb).resize(size, Image.Resampling.BOX)
        pixels = np.asarray(small, dtype=np.float32)
        # Eight shades of each colour, 512 in all.
        shades = (np.asarray(small, dtype=np.uint16) >> 5) @ np.array([64, 8, 1], dtype=np.uint16)
        counts = np.bincount(shades.ravel(), minlength=512).astype(np.float32)
        last, self._last = self._last, (pixels, counts)
        if last is None:
            return False
        common = float(np.minimum(counts, last[1]).sum()) / counts.sum()
        difference = float(np.abs(pixels - last[0]).mean())
        return difference > _CUT_DIFFERENCE and common < _CUT_COMMON


def _recorder(folder: str | os.PathLike[str]) -> Recorder:
    from vidlab.live.recording import (
        Recorder,
    )  # loads pyarrow, which a small machine may do without

    return Recorder(folder)


def checked_models(models: Model | Sequence[Model]) -> list[Model]:
    """Return models that can answer live, as a list.

    Raises:
        OptionError: There is none, or something else, or two of one title.
        ModelError: One answers whole clips.
    """
    listed = list(models) if isinstance(models, Sequence) else [models]
    if not listed:
        raise OptionError("At least one model is needed; got none.")
    checked = [check_model(model) for model in listed]
    for model in checked:
        if not model.card.answers_every_frame:
            raise ModelError(
                f"{model.title} answers whole clips, and cannot answer live; take a streaming "
                "model, such as vidlab.load_model('movinet-a0-stream')."
            )
    titles = [model.title for model in checked]
    if len(set(titles)) < len(titles):
        raise OptionError(f"Live models need different titles; got {', '.join(titles)}.")
    return checked
