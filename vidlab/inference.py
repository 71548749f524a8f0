"""The loop: one video, one or more models, an answer for every sampled frame.

Decoding runs in a thread of its own, ahead of the models by a bounded number of frames, so both
work at once and memory does not grow with the video.
"""

from __future__ import annotations

import os
import time
import warnings
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, cast, overload

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import ModelError, OptionError
from vidlab.core.probabilities import softmax
from vidlab.feeding import Decoder, Feed, drive, record
from vidlab.models.arrays import ArrayModel
from vidlab.models.base import LoadedModel, Model, Selection, State, check_model
from vidlab.models.pose.base import PoseModel
from vidlab.pose.finding import find_poses
from vidlab.pose.poses import Poses
from vidlab.predictions import Answers, Predictions
from vidlab.recipes import BLACK, Indices, Recipe, recipe_named
from vidlab.video import Frame, Video

Source = Video | str | os.PathLike[str] | bytes | BinaryIO
Rate = float | Literal["source"] | None


@overload
def predict(
    video: Source,
    model: Model,
    *,
    fps: Rate = ...,
    hop: int | None = ...,
    recipe: str | Recipe | None = ...,
    max_results: int | Literal["all"] | None = ...,
    score_threshold: float | None = ...,
    label_allow_list: Sequence[str] | None = ...,
    label_deny_list: Sequence[str] | None = ...,
    progress: bool = ...,
) -> Predictions: ...


@overload
def predict(video: Source, model: PoseModel, *, fps: Rate = ..., progress: bool = ...) -> Poses: ...


@overload
def predict(
    video: Source,
    model: LoadedModel,
    *,
    fps: Rate = ...,
    hop: int | None = ...,
    recipe: str | Recipe | None = ...,
    max_results: int | Literal["all"] | None = ...,
    score_threshold: float | None = ...,
    label_allow_list: Sequence[str] | None = ...,
    label_deny_list: Sequence[str] | None = ...,
    progress: bool = ...,
) -> Predictions | Poses: ...


def predict(
    video: Source,
    model: LoadedModel,
    *,
    fps: Rate = None,
    hop: int | None = None,
    recipe: str | Recipe | None = None,
    max_results: int | Literal["all"] | None = None,
    score_threshold: float | None = None,
    label_allow_list: Sequence[str] | None = None,
    label_deny_list: Sequence[str] | None = None,
    progress: bool = True,
) -> Predictions | Poses:
    """Run a model over a video or a picture, from its first frame to its last.

    Ctrl-C, or a frame that cannot be decoded, ends the run early and keeps what was done:
    the result's ``stopped`` says why, and a warning is given.

    Args:
        video: A :class:`~vidlab.Video`, or anything it can be made from.
        model: What :func:`~vidlab.load_model` returned.
        fps: Frames a second to look at; None takes the model's own rate, ``"source"`` every
            frame of the video.
        hop: For clip models: sampled frames between two clips' starts; None puts the clips end
            to end.
        recipe: What a tutorial or sample does, exactly, by its name (`list_recipes()` shows them);
            it says which frames, which clips and which pixels. Goes without `fps` and `hop`.
        max_results: Rows a frame in the table, or ``"all"``; None takes the model's setting.
        score_threshold: Probability below which a row is left out.
        label_allow_list: Only these labels in the table.
        label_deny_list: All but these labels in the table.
        progress: Show a progress bar.

    Returns:
        The predictions; of a pose model the people it found, which of a model for one person is the
        best one only. A streaming model answers after each
        sampled frame, a clip model after the last frame of each clip. A video shorter than one clip
        is a short clip where the model takes any number of frames, or else filled up with its last
        frame.

    Raises:
        VideoError: Not one frame could be read.
        SamplingError: The video is too short for the recipe.
        OptionError: An option is out of range, or the recipe is for another kind of model.
    """
    selecting = {
        "max_results": max_results,
        "score_threshold": score_threshold,
        "label_allow_list": label_allow_list,
        "label_deny_list": label_deny_list,
    }
    if isinstance(model, PoseModel):
        given = {"hop": hop, "recipe": recipe, **selecting}
        if wrong := [name for name, value in given.items() if value is not None]:
            raise OptionError(f"{model.title} finds keypoints, and takes no {', '.join(wrong)}.")
        return find_poses(as_video(video), model, rate=rate_for(model, fps), progress=progress)
    model = check_model(model)
    selection = model.selection.updated(**selecting)
    return run(
        video, [model], fps=fps, hop=hop, recipe=recipe, selections=[selection], progress=progress
    )[0]


def run(
    video: Source,
    models: Sequence[Model],
    *,
    fps: Rate = None,
    hop: int | None = None,
    recipe: str | Recipe | Sequence[str | Recipe | None] | None = None,
    selections: Sequence[Selection] | None = None,
    progress: bool = True,
) -> list[Predictions]:
    """Run several models over one video, which is decoded once.

    Args:
        video: A :class:`~vidlab.Video`, or anything it can be made from.
        models: The models; each is fed at its own rate unless `fps` says otherwise.
        fps: See :func:`predict`.
        hop: See :func:`predict`.
        recipe: See :func:`predict`; one for all, or one for each model, None for its own way.
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
    for model in models:
        check_model(model)
    source = as_video(video)
    selections = selections or [model.selection for model in models]
    for model, selection in zip(models, selections, strict=True):
        selection.class_ids(model.labels)
    runners = [
        runner_for(model, fps=fps, hop=hop)
        if each is None
        else _recipe_runner(model, each, source, fps=fps, hop=hop)
        for model, each in zip(models, _recipe_of_each(models, recipe), strict=True)
    ]
    started = time.perf_counter()
    stopped = drive(source, source.frames(), runners, progress=progress)
    elapsed = time.perf_counter() - started
    if stopped is not None:
        named = stopped if source.name in stopped else f"{source.name}: {stopped}"
        warnings.warn(named, stacklevel=3)
    return [
        Predictions(
            video=source.name,
            model=runner.model.name,
            backend=runner.model.backend,
            title=runner.model.title,
            labels=runner.model.labels,
            **runner.all_answers(),
            selection=selection,
            made_by=made_by(source, runner, elapsed),
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
    model: LoadedModel,
    *,
    fps: Rate = None,
    max_results: int | Literal["all"] | None = None,
    score_threshold: float | None = None,
    label_allow_list: Sequence[str] | None = None,
    label_deny_list: Sequence[str] | None = None,
) -> Iterator[FramePrediction]:
    """Yield a model's answers one by one, as the frames are read.

    Args:
        source: A video, anything one can be made from, or an iterable of frames in order.
        model: A streaming model.
        fps: See :func:`predict`; the rate is kept by the frames' timestamps.
        max_results: Labels in ``top``, or ``"all"``; None takes the model's setting.
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
    model = check_model(model)
    if not model.card.answers_every_frame:
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
    elif isinstance(source, Iterable):
        frames = _checked(source)
    else:
        raise OptionError(
            f"A video, a path, or an iterable of frames is needed; got {type(source).__name__}."
        )
    return _stream(frames, model, rate_for(model, fps), selection, allowed)


def _checked(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Pass frames on, without ever closing what they come from: that is the caller's."""
    for frame in frames:
        if not isinstance(frame, Frame):
            raise OptionError(f"An iterable of video frames is needed; it gave {type(frame)}.")
        yield frame


def _stream(
    frames: Iterable[Frame],
    model: Model,
    rate: float | None,
    selection: Selection,
    allowed: NDArray[np.int64],
) -> Iterator[FramePrediction]:
    state = model.init_state()
    feed = Feed(preprocessing=model.preprocessing, rate=rate)
    with Decoder(frames, [feed], ahead=2) as decoder:
        for prepared in decoder:
            begin = time.perf_counter()
            logits, state = model.step(prepared.pixels[0][None], state)
            latency = time.perf_counter() - begin
            probabilities = softmax(logits[0])
            yield FramePrediction(
                frame_index=prepared.index,
                time_seconds=prepared.pts_seconds,
                logits=logits[0],
                probabilities=probabilities,
                top=selection.top(model.labels, probabilities, allowed),
                latency_seconds=latency,
            )
    if decoder.error is not None:
        raise decoder.error


# ---------------------------------------------------------------- feeding the models


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What one model takes along where a video is read on later, perhaps by another process.

    Attributes:
        next_frame: The frame that it goes on with.
        state: The stream state; None for a model of clips.
        waiting: Frames that are not answered for yet, or that the next clip begins with: number,
            timestamp in seconds, and pixels, float32 ``[height_px, width_px, 3]``.
        num_unseen: Of clips: frames that no clip has shown yet.
        num_until_full: Of clips: frames until the next one is answered.
    """

    next_frame: int
    state: State
    waiting: tuple[tuple[int, float, NDArray[np.float32]], ...]
    num_unseen: int = 0
    num_until_full: int = 0


class Runner(ABC):
    """Feeds one model and keeps its answers.

    Attributes:
        model: The model.
        feed: What it wants of the video.
        sampling: Which frames that are, on record.
    """

    def __init__(self, model: Model, feed: Feed, sampling: Mapping[str, Any]) -> None:
        self.model = model
        self.feed = feed
        self.sampling = dict(sampling)
        self._answers = Answers(model.num_classes)
        self._waiting: list[tuple[int, float, NDArray[np.float32]]] = []

    @abstractmethod
    def push(self, index: int, pts_seconds: float, pixels: NDArray[np.float32]) -> None:
        """Take the next sampled frame."""

    @abstractmethod
    def finish(self) -> None:
        """Answer for the frames that still wait."""

    def all_answers(self) -> dict[str, Any]:
        """Return frames, times, latencies and logits, as Predictions takes them; keep none."""
        return self._answers.take()


class StreamRunner(Runner):
    """Answers after every frame, a chunk of them at a time."""

    def __init__(self, model: Model, feed: Feed, sampling: Mapping[str, Any]) -> None:
        super().__init__(model, feed, sampling)
        self._state = model.init_state()

    def carry(self, next_frame: int) -> Carried:
        """Return what :meth:`go_on` takes, for frames from `next_frame` on."""
        return Carried(next_frame=next_frame, state=self._state, waiting=tuple(self._waiting))

    def go_on(self, carried: Carried) -> None:
        """Go on where another runner of this model left off."""
        self._state, self._waiting = carried.state, list(carried.waiting)

    def push(self, index: int, pts_seconds: float, pixels: NDArray[np.float32]) -> None:
        """Take the next sampled frame."""
        self._waiting.append((index, pts_seconds, pixels))
        if len(self._waiting) >= self.model.chunk_frames:
            self.finish()

    def finish(self) -> None:
        """Answer for the frames that still wait."""
        if not self._waiting:
            return
        indices, times, pixels = zip(*self._waiting, strict=True)
        begin = time.perf_counter()
        frames = np.stack(pixels) if len(pixels) > 1 else pixels[0][None]
        logits, self._state = self.model.step(frames, self._state)
        latency = (time.perf_counter() - begin) / len(indices)
        self._waiting.clear()
        self._answers.add(
            frame_index=indices, time_seconds=times, latency_seconds=latency, logits=logits
        )


class ClipRunner(Runner):
    """Answers after each clip; what is left at the end is seen in one last, overlapping clip.

    Where there is nothing to overlap with, a network that takes a fixed number of frames gets the
    last one again and again.
    """

    def __init__(
        self, model: Model, feed: Feed, sampling: Mapping[str, Any], hop: int | None
    ) -> None:
        super().__init__(model, feed, sampling)
        self._length = model.card.num_frames
        self._hop = self._length if hop is None else hop
        self._unseen = 0
        self._until_full = self._length

    def carry(self, next_frame: int) -> Carried:
        """Return what :meth:`go_on` takes, for frames from `next_frame` on."""
        return Carried(
            next_frame=next_frame,
            state=None,
            waiting=tuple(self._waiting),
            num_unseen=self._unseen,
            num_until_full=self._until_full,
        )

    def go_on(self, carried: Carried) -> None:
        """Go on where another runner of this model left off."""
        self._waiting = list(carried.waiting)
        self._unseen, self._until_full = carried.num_unseen, carried.num_until_full

    def push(self, index: int, pts_seconds: float, pixels: NDArray[np.float32]) -> None:
        """Take the next sampled frame."""
        self._waiting.append((index, pts_seconds, pixels))
        self._waiting = self._waiting[-self._length :]
        self._unseen += 1
        self._until_full -= 1
        if self._until_full == 0:
            self._answer()
            self._until_full = self._hop

    def finish(self) -> None:
        """Answer for the frames that no clip has shown."""
        if self._unseen:
            self._answer()

    def _answer(self) -> None:
        frames = [pixels for _, _, pixels in self._waiting]
        missing = self._length - len(frames)
        if missing and isinstance(self.model, ArrayModel):
            frames += frames[-1:] * missing
            self.sampling["repeats_of_last_frame"] = missing
        clip = np.stack(frames)
        begin = time.perf_counter()
        logits = self.model.classify(clip[None])
        latency = time.perf_counter() - begin
        index, pts_seconds, _ = self._waiting[-1]
        self._answers.add(
            frame_index=index,
            time_seconds=pts_seconds,
            latency_seconds=latency,
            logits=logits,
            clip_start=self._waiting[0][0],
        )
        self._unseen = 0


class _GivenClipRunner(Runner):
    """Answers for clips that are known beforehand, each as soon as its frames are there."""

    def __init__(
        self, model: Model, feed: Feed, sampling: Mapping[str, Any], clips: list[Indices]
    ) -> None:
        super().__init__(model, feed, sampling)
        self._clips = deque(clips)
        self._last: tuple[Indices, NDArray[np.float32]] | None = None
        self._black = np.zeros((*model.preprocessing.size_px, 3), dtype=np.float32)

    def push(self, index: int, pts_seconds: float, pixels: NDArray[np.float32]) -> None:
        self._waiting.append((index, pts_seconds, pixels))
        while self._clips and self._clips[0].max() <= index:
            self._answer(self._clips.popleft())
            needed = min((_first(clip) for clip in self._clips), default=index + 1)
            self._waiting = [each for each in self._waiting if each[0] >= needed]

    def finish(self) -> None:
        """Nothing waits: a clip whose frames did not all come has no answer."""

    def _answer(self, clip: Indices) -> None:
        if self._last is not None and np.array_equal(self._last[0], clip):
            logits, latency = self._last[1], np.nan  # computed already
        else:
            here = {index: pixels for index, _, pixels in self._waiting}
            frames = np.stack([self._black if i == BLACK else here[i] for i in clip.tolist()])
            begin = time.perf_counter()
            logits = self.model.classify(frames[None])
            latency = time.perf_counter() - begin
            self._last = clip, logits
        index, pts_seconds, _ = self._waiting[-1]
        self._answers.add(
            frame_index=index,
            time_seconds=pts_seconds,
            latency_seconds=latency,
            logits=logits,
            clip_start=_first(clip),
        )


class _FirstAnswerRunner(StreamRunner):
    """Gives the first frame's answer for every frame, as a source with that fault does."""

    def all_answers(self) -> dict[str, Any]:
        """Return frames, times, latencies and logits of all calls, as Predictions takes them."""
        answers = super().all_answers()
        answers["logits"][1:] = answers["logits"][:1]
        return answers


def _first(clip: Indices) -> int:
    return int(clip[clip != BLACK].min())


def runner_for(model: Model, *, fps: Rate, hop: int | None) -> StreamRunner | ClipRunner:
    """Return what feeds a model in its own way, not a recipe's.

    Args:
        model: The model.
        fps: See :func:`predict`.
        hop: See :func:`predict`.

    Raises:
        OptionError: `fps` or `hop` is out of range, or not for this model.
    """
    rate = rate_for(model, fps)
    feed = Feed(preprocessing=model.preprocessing, rate=rate)
    sampling = {"fps": "source" if rate is None else rate}
    if model.card.answers_every_frame:
        if hop is not None:
            raise OptionError(f"hop is for clip models; {model.title} answers after every frame.")
        return StreamRunner(model, feed, sampling)
    if hop is not None and (isinstance(hop, bool) or not isinstance(hop, int) or hop < 1):
        raise OptionError(f"hop must be a positive number of frames; got {hop!r}.")
    return ClipRunner(model, feed, sampling, hop)


def _recipe_of_each(
    models: Sequence[Model], recipe: str | Recipe | Sequence[str | Recipe | None] | None
) -> list[Recipe | None]:
    is_one = recipe is None or isinstance(recipe, (str, Recipe))
    given: Any = [recipe] * len(models) if is_one else recipe
    if not isinstance(given, Sequence) or not all(
        each is None or isinstance(each, (str, Recipe)) for each in given
    ):
        raise OptionError(
            "recipe= takes the name of a recipe or a Recipe, or a list of one for each model, None "
            f"for its own way; got {recipe!r:.200}."
        )
    if len(given) != len(models):
        raise OptionError(f"{len(models)} models need as many recipes; got {len(given)}.")
    return [recipe_named(each) if isinstance(each, str) else each for each in given]


def _recipe_runner(
    model: Model, recipe: Recipe, video: Video, *, fps: Rate, hop: int | None
) -> Runner:
    if fps is not None or hop is not None:
        raise OptionError("A recipe says which frames are looked at; fps and hop go without.")
    recipe.check_kind(model.card)
    model = model.prepared_by(recipe.preprocessing(model.card))
    sampling = {"recipe": recipe.name}
    clips = recipe.clips(video, model.card)
    frames = recipe.frame_indices(video, model.card) if clips is None else np.concatenate(clips)
    feed = Feed(preprocessing=model.preprocessing, frames=frozenset(frames.tolist()) - {BLACK})
    if clips is not None:
        return _GivenClipRunner(model, feed, sampling, clips)
    stream_runner = _FirstAnswerRunner if recipe.keeps_first_answer else StreamRunner
    return stream_runner(model, feed, sampling)


def rate_for(model: Model | PoseModel, fps: Rate) -> float | None:
    """Return how many frames a second a model is given, or None for every frame.

    Args:
        model: The model.
        fps: See :func:`predict`.

    Raises:
        OptionError: `fps` is out of range.
    """
    if fps == "source":
        return None
    if fps is None:
        return (
            model.card.preprocessing.frame_rate
            if isinstance(model, PoseModel)
            else model.preprocessing.frame_rate
        )
    if isinstance(fps, (str, bool)) or not 0.0 < float(fps) <= 1000.0:
        raise OptionError(
            f'fps must be a number between 0 and 1000, or "source" for every frame; got {fps!r}.'
        )
    return float(fps)


def made_by(video: Video, runner: Runner, elapsed: float) -> dict[str, Any]:
    """Return what made a runner's answers; `elapsed` is how long it took, in seconds."""
    model = runner.model
    return {
        "model": model.record(),
        "num_threads": model.num_threads,
        "answers_per_call": model.chunk_frames if model.card.answers_every_frame else 1,
        "preprocessing": model.preprocessing.as_dict(),
        "sampling": runner.sampling,
        **record(video, elapsed),
    }
