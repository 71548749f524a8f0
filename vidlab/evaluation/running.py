"""The loop: labelled clips, one or more models, an answer for each clip and those on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vidlab.clips import Clips, open_clips, piece_starts, problems_table, warn_of_problems
from vidlab.core.console import progress as progress_bar
from vidlab.core.errors import DatasetError, OptionError, VideoError
from vidlab.core.naming import shortest_names
from vidlab.core.probabilities import softmax
from vidlab.evaluation.result import Cost, Evaluation
from vidlab.evaluation.study import Study, check_same_labels
from vidlab.models.base import LoadedModel, Model, check_model
from vidlab.models.lookup import weights_bytes
from vidlab.models.memory import peak_memory_mb

At = Literal["end", "mean"]

# Frames that are read at once.
_READ_FRAMES = 64


@overload
def evaluate(
    model: LoadedModel,
    data: object,
    *,
    at: At | None = ...,
    memory: bool = ...,
    progress: bool = ...,
) -> Evaluation: ...


@overload
def evaluate(
    model: Sequence[LoadedModel] | Mapping[str, LoadedModel],
    data: object,
    *,
    at: At | None = ...,
    memory: bool = ...,
    progress: bool = ...,
) -> Study: ...


def evaluate(
    model: LoadedModel | Sequence[LoadedModel] | Mapping[str, LoadedModel],
    data: object,
    *,
    at: At | None = None,
    memory: bool = False,
    progress: bool = True,
) -> Evaluation | Study:
    """Ask a model, or several, for the label of every clip, and count.

    A stream model sees each clip from its first frame to its last with a state of its own. A clip
    model sees pieces as long as it was trained with, which follow each other.

    Args:
        model: What :func:`~vidlab.load_model` or :func:`~vidlab.fit` gave, of any backend; or
            several, in a list or by name, with the same labels.
        data: A folder with a folder of videos for each label; a CSV file or a DataFrame of
            segments (``video, start_seconds, end_seconds, label``), such as ``validation`` of a
            fit; or a torch ``Dataset`` of ``(frames, class id)`` with ``labels``.
        at: ``"end"`` takes the answer after the last frame (of a clip model: to the last piece),
            ``"mean"`` the mean probabilities over all answers. None takes the end for stream
            models, the mean for clip models.
        memory: Measure what each model takes of it too, which opens each once more, in a process of
            its own: some seconds a model.
        progress: Show a progress bar.

    Returns:
        The counts, and each clip's answer; of several models a :class:`Study`, which puts
        intervals around their figures and around the differences.

    Raises:
        LabelMapError: A clip has a label that the model does not.
        DatasetError: There are no clips, or more than half of them cannot be read.
        ModelError: An answer is not a number.
        OptionError: `at` is unknown.
    """
    if at not in (None, "end", "mean"):
        raise OptionError(f'at must be "end", "mean" or None; got {at!r}.')
    if isinstance(model, LoadedModel):
        return _evaluate(check_model(model), data, at, memory=memory, progress=progress)
    named = dict(model) if isinstance(model, Mapping) else _named(model)
    if not named:
        raise OptionError("At least one model is needed; got none.")
    checked = {str(name): check_model(each) for name, each in named.items()}
    check_same_labels(checked)
    return Study(
        {
            name: _evaluate(each, data, at, memory=memory, progress=progress)
            for name, each in checked.items()
        }
    )


def _named(models: Sequence[LoadedModel]) -> dict[str, LoadedModel]:
    names = shortest_names(
        [(each.backend, each.name, f"{each.backend}:{each.name}", each.title)
         for each in map(check_model, models)]
    )  # fmt: skip
    return dict(zip(names, models, strict=True))


def _evaluate(
    model: Model, data: object, at: At | None, *, memory: bool, progress: bool
) -> Evaluation:
    is_at_end = model.card.kind == "stream" if at is None else at == "end"
    clips = open_clips(data, model.preprocessing, progress=progress)
    clips.check_labels(model.labels)
    chosen: list[int] = []
    rows, means, on_the_way, latencies = [], [], [], []
    for index in progress_bar(
        range(len(clips)), desc="evaluating", unit="clip", disable=not progress
    ):
        try:
            answered = _answers(model, clips, index)
        except VideoError as error:
            clips.problems[clips.clips[index].name] = str(error)
            continue
        probabilities = softmax(answered.logits)
        on_the_way.append(_tidy(len(chosen), probabilities, answered.elapsed_seconds))
        latencies.append(answered.ms_per_frame)
        chosen.append(index)
        means.append(probabilities.mean(axis=0))
        rows.append(probabilities[-1] if is_at_end else means[-1])
    if len(chosen) * 2 < len(clips):
        raise DatasetError(
            f"{len(clips) - len(chosen)} of {len(clips)} clips cannot be read, such as "
            f"{'; '.join(f'{name}: {why}' for name, why in list(clips.problems.items())[:3])}"
        )
    warn_of_problems(clips.problems, stacklevel=2)
    return Evaluation(
        clips.table(chosen),
        np.stack(rows),
        labels=model.labels,
        title=model.title,
        problems=problems_table(clips.problems),
        answers=pd.concat(on_the_way, ignore_index=True),
        mean_probabilities=np.stack(means),
        cost=_cost(model, latencies, memory=memory),
    )


@dataclass(frozen=True, kw_only=True)
class _Answered:
    """What a model answered to one clip.

    Attributes:
        logits: Of each answer, float32 ``[N, num_classes]``.
        elapsed_seconds: From the clip's start to each answer's last frame, ``[N]``.
        ms_per_frame: Computing time.
    """

    logits: NDArray[np.float32]
    elapsed_seconds: NDArray[np.float64]
    ms_per_frame: float


def _answers(model: Model, clips: Clips, index: int) -> _Answered:
    clip = clips.clips[index]
    num_frames = clip.num_frames
    calls = _stream if model.card.answers_every_frame else _pieces
    logits, frames, seconds = zip(*calls(model, clips, index, num_frames), strict=True)
    elapsed = clip.elapsed_seconds
    if elapsed is None:  # of a dataset: the model's own rate tells
        elapsed = tuple(np.arange(num_frames) / (model.preprocessing.frame_rate or 1.0))
    return _Answered(
        logits=np.concatenate(logits),
        elapsed_seconds=np.asarray(elapsed)[np.concatenate(frames)],
        ms_per_frame=1000.0 * sum(seconds) / num_frames,
    )


_Call = tuple[NDArray[np.float32], NDArray[np.int64], float]
"""A call's logits ``[N, num_classes]``, the last frame of each answer, and the seconds it took."""


def _pieces(model: Model, clips: Clips, index: int, num_frames: int) -> Iterator[_Call]:
    length = max(model.card.num_frames, 1)
    for start in piece_starts(num_frames, length):
        stop = min(start + length, num_frames)
        piece = clips.read(index, start, stop)
        begin = time.perf_counter()
        logits = model.classify(piece[None])
        yield logits, np.array([stop - 1]), time.perf_counter() - begin


def _stream(model: Model, clips: Clips, index: int, num_frames: int) -> Iterator[_Call]:
    state = model.init_state()
    for first in range(0, num_frames, _READ_FRAMES):
        frames = clips.read(index, first, min(first + _READ_FRAMES, num_frames))
        for start in range(0, len(frames), model.chunk_frames):
            chunk = frames[start : start + model.chunk_frames]
            begin = time.perf_counter()
            logits, state = model.step(chunk, state)
            took = time.perf_counter() - begin
            yield logits, first + start + np.arange(len(chunk)), took


def _tidy(
    clip: int, probabilities: NDArray[np.float32], elapsed_seconds: NDArray[np.float64]
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clip": clip,
            "elapsed_seconds": elapsed_seconds,
            "class_id": probabilities.argmax(axis=1),
            "probability": probabilities.max(axis=1),
        }
    )


def _cost(model: Model, latencies: Sequence[float], *, memory: bool) -> Cost:
    warm = latencies[1:] or latencies
    opening = model.opening
    return Cost(
        ms_per_frame=float(np.median(warm)),
        size_mb=weights_bytes(opening.path) / 1e6 if opening is not None else float("nan"),
        memory_mb=peak_memory_mb(model) if memory else float("nan"),
        num_threads=model.num_threads,
        runtime=model.provenance.runtime,
    )
