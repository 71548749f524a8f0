"""A long video in parts: the answers of one run, computed in bounded pieces of work.

A streaming model's state goes from part to part, so the parts of one video run one after another,
though each may run in another process or on another machine. What is gained is not speed: it is
work that can be taken up again after the last finished part, and memory that does not grow with
the video. Several videos at once are what makes many workers useful.

::

    carried = None
    done = []
    for part in plan_parts(video, seconds=600):
        answers, carried = predict_part(video, [model], part, carried)
        done.append(answers[0])
    joined(done)                                   # what predict(video, model) returns
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError, PredictionsError, VideoDecodeError
from vidlab.feeding import INTERRUPTED, Feed, drive
from vidlab.inference import Carried, Rate, Runner, made_by, rate_for, runner_for
from vidlab.models.base import Model, check_model
from vidlab.predictions import Answers, Predictions
from vidlab.sampling import at_rate
from vidlab.video import Video


@dataclass(frozen=True, kw_only=True)
class Part:
    """Consecutive frames of a video, from a key frame on.

    Attributes:
        index: Its number, 0-based.
        first_frame: Its first frame.
        stop_frame: The frame that it ends before.
        first_seconds: The first frame's timestamp.
    """

    index: int
    first_frame: int
    stop_frame: int
    first_seconds: float


class PromiseError(VideoDecodeError):
    """A video whose frames are not those that its packets promised: it has to be run whole."""


def plan_parts(video: Video, *, seconds: float) -> list[Part]:
    """Divide a video at the key frames that are nearest to the multiples of a length.

    Decoding can start at a key frame, so no frame is decoded for two parts.

    Args:
        video: The video; its index is made.
        seconds: How long a part is, about.

    Returns:
        The parts in order, all frames once. It is one part where there is no key frame inside, or
        where only decoding tells which frames there are.

    Raises:
        OptionError: `seconds` is not a positive number.
        VideoError: The video cannot be read.
    """
    length = float(seconds) if isinstance(seconds, (int, float)) else math.nan
    if isinstance(seconds, bool) or not 0 < length < math.inf:
        raise OptionError(f"seconds must be a positive, finite number; got {seconds!r}.")
    pts, packets = video.pts_seconds, video.packets
    borders = np.zeros(1, np.int64)
    if packets is not None:
        keys = np.searchsorted(np.sort(packets.pts), np.sort(packets.pts[packets.is_keyframe]))
        borders = np.union1d(borders, keys)
        # A multiple of the length is nearest to a border if it lies between the middles round it.
        offsets = pts[borders] - pts[0]
        last = math.ceil(video.duration_seconds / length) - 1
        passed = np.floor((offsets[:-1] + offsets[1:]) / 2 / length)
        passed = np.minimum(np.concatenate([[0], passed, [last]]), last)
        is_border = np.diff(passed) > 0
        is_border[0] = True
        borders = borders[is_border]
    stops = [*borders[1:].tolist(), len(pts)]
    return [
        Part(index=index, first_frame=first, stop_frame=stop, first_seconds=float(pts[first]))
        for index, (first, stop) in enumerate(zip(borders.tolist(), stops, strict=True))
    ]


def predict_part(
    video: Video,
    models: Sequence[Model],
    part: Part,
    carried: Sequence[Carried] | None = None,
    *,
    fps: Rate = None,
    hop: int | None = None,
) -> tuple[list[Predictions], list[Carried]]:
    """Run models over one part of a video, going on from the part before it.

    The frames are those that :func:`~vidlab.predict` looks at in the whole video, in the same
    chunks and clips: what a chunk or clip lacks at the part's end waits for the next part, which
    answers it. So the logits are the same numbers.

    Args:
        video: The video.
        models: The models, the same ones in the same order for each part.
        part: One of what :func:`plan_parts` returned for this video.
        carried: What came with the answers of the part before; None for the first part.
        fps: See :func:`~vidlab.predict`; the same for each part.
        hop: See :func:`~vidlab.predict`; the same for each part.

    Returns:
        One :class:`~vidlab.Predictions` per model, and what the next part is to be given. Where
        the video is damaged, ``stopped`` of the answers says so; no part is to be run after it.

    Raises:
        OptionError: The part is not of this video, or not the one that `carried` is for.
        PromiseError: The video's frames are not those that its packets promised.
        VideoError: Not one frame of the video could be read.
        KeyboardInterrupt: After Ctrl-C; such a part is run again from its start.
    """
    num_frames = video.num_frames
    if not models:
        raise OptionError("At least one model is needed; got none.")
    _check_order(part, carried, num_models=len(models), num_frames=num_frames)
    runners = [runner_for(check_model(model), fps=fps, hop=hop) for model in models]
    is_last = part.stop_frame == num_frames
    is_whole = is_last and part.first_frame == 0
    so_far: Sequence[Carried | None] = [None] * len(runners) if carried is None else carried
    for runner, before in zip(runners, so_far, strict=True):
        # Of a whole video the sampling goes by what is decoded, whatever its packets promise.
        if not is_whole:
            rate = rate_for(runner.model, fps)
            runner.feed = Feed(
                preprocessing=runner.feed.preprocessing, frames=_sampled(video, part, rate)
            )
        if before is not None:
            runner.go_on(before)
    stop = None if is_last else part.stop_frame
    takers = runners if is_last else [_Unfinished(runner) for runner in runners]
    started = time.perf_counter()
    try:
        frames = video.frames(start=part.first_frame, stop=stop)
        stopped = drive(video, frames, takers, progress=False)
    except VideoDecodeError as error:
        if part.first_frame == 0:
            raise
        # Damage right at the border ends the video as anywhere else: what came before is kept.
        stopped = str(error).replace(str(video.source), video.name)
        for runner in runners:
            runner.finish()
    else:
        if stopped is not None and stopped.startswith(INTERRUPTED):
            raise KeyboardInterrupt(stopped)
        if stopped is not None and not is_last:
            for runner in runners:
                runner.finish()
    elapsed = time.perf_counter() - started
    if video.num_frames != num_frames and not is_whole:
        raise PromiseError(
            f"{video.name} has {video.num_frames} frames, and its packets promised {num_frames}: "
            "it cannot be run in parts. Run it whole.",
            frame_index=part.first_frame,
        )
    record = {"first_frame": part.first_frame, "stop_frame": part.stop_frame, "is_last": is_last}
    answers = [
        Predictions(
            video=video.name,
            model=runner.model.name,
            backend=runner.model.backend,
            title=runner.model.title,
            labels=runner.model.labels,
            **runner.all_answers(),
            selection=runner.model.selection,
            made_by=made_by(video, runner, elapsed) | {"part": record},
            stopped=stopped,
        )
        for runner in runners
    ]
    return answers, [runner.carry(part.stop_frame) for runner in runners]


def joined(parts: Iterable[Predictions]) -> Predictions:
    """Return one model's answers on a whole video from those on its parts.

    Args:
        parts: What :func:`predict_part` gave for one model, in order; each is asked for as the one
            before is taken up, so they need never be in memory all at once.

    Returns:
        What :func:`~vidlab.predict` returns for the video; ``made_by["num_parts"]`` says how many
        parts it is from, and its ``elapsed_seconds`` is their sum.

    Raises:
        PredictionsError: A part is missing, out of order, or of another video or model.
    """
    first: Predictions | None = None
    expected: int | None = 0
    elapsed_seconds, num_parts = 0.0, 0
    for each in parts:
        record = each.made_by.get("part")
        if record is None:
            raise PredictionsError(
                f"{each!r} is not of one part of a video; predict_part gives such ones."
            )
        if first is None:
            first, answers = each, Answers(len(each.labels))
        if (each.video, each.title, each.labels) != (first.video, first.title, first.labels):
            raise PredictionsError(
                f"Parts are joined of one video and model: {first.title} on {first.video}; got "
                f"{each.title} on {each.video}."
            )
        if record["first_frame"] != expected:
            wanted = "no part more" if expected is None else f"the part from frame {expected} on"
            raise PredictionsError(
                f"Of {first.video}, {wanted} is expected; got the one of frames "
                f"{record['first_frame']} to {record['stop_frame'] - 1}. Give all, in order."
            )
        is_end = record["is_last"] or not each.complete
        expected = None if is_end else record["stop_frame"]
        elapsed_seconds += each.made_by["elapsed_seconds"]
        num_parts += 1
        answers.add(
            frame_index=each.frame_index,
            time_seconds=each.time_seconds,
            latency_seconds=each.latency_seconds,
            logits=each.logits,
            clip_start=each.clip_start,
        )
    if first is None:
        raise PredictionsError("At least one part is needed; got none.")
    if expected is not None:
        raise PredictionsError(f"Of {first.video}, the part from frame {expected} on is missing.")
    made_by = {name: value for name, value in each.made_by.items() if name != "part"}
    made_by["elapsed_seconds"] = round(elapsed_seconds, 3)
    made_by["num_parts"] = num_parts
    return Predictions(
        video=first.video,
        model=first.model,
        backend=first.backend,
        title=first.title,
        labels=first.labels,
        **answers.take(),
        selection=first.selection,
        made_by=made_by,
        stopped=each.stopped,
    )


def _check_order(
    part: Part, carried: Sequence[Carried] | None, *, num_models: int, num_frames: int
) -> None:
    if part.stop_frame > num_frames:
        raise OptionError(
            f"Part {part.index} ends before frame {part.stop_frame}; the video has {num_frames} "
            "frames. Plan the parts of this video, as it is now: plan_parts(video, seconds=...)."
        )
    if carried is not None and len(carried) != num_models:
        raise OptionError(f"{num_models} models go on from as many; got {len(carried)} carried.")
    for before in carried or ():
        if before.next_frame != part.first_frame:
            raise OptionError(
                f"Part {part.index} starts at frame {part.first_frame}; what is carried is for the "
                f"part that starts at frame {before.next_frame}. Run the parts in order."
            )
    if carried is None and part.first_frame:
        raise OptionError(
            f"Part {part.index} goes on from the part before it: give what came with its answers."
        )


def _sampled(video: Video, part: Part, rate: float | None) -> frozenset[int]:
    """Return the part's frames that a run over the whole video looks at."""
    if rate is None:
        return frozenset(range(part.first_frame, part.stop_frame))
    end = None
    if part.stop_frame == video.num_frames:
        # Of the last frame alone it matters how long it is shown, and a run asks the frame itself.
        last = video.last_frame()
        if last.duration_seconds is not None:
            end = last.pts_seconds + last.duration_seconds
    frames = at_rate(video.pts_seconds, rate, end_seconds=end)
    first, stop = np.searchsorted(frames, [part.first_frame, part.stop_frame])
    return frozenset(frames[first:stop].tolist())


class _Unfinished:
    """Feeds a runner with frames after which others come: in the next part."""

    def __init__(self, runner: Runner) -> None:
        self.feed = runner.feed
        self._runner = runner

    def push(self, index: int, pts_seconds: float, pixels: NDArray[Any]) -> None:
        """Take the next frame."""
        self._runner.push(index, pts_seconds, pixels)

    def finish(self) -> None:
        """Nothing is left over: what waits goes into the next part."""
