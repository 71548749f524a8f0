"""One video of a run: read, answered by every model, written. Any process or machine does it.

A long video is done part after part, each of which whoever is free may do.
"""

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import chain

import vidlab
from vidlab.core.errors import ModelError, OptionError, PredictionsError, VideoError
from vidlab.core.files import sha256_of
from vidlab.core.limits import Limits, current_limits, limits
from vidlab.core.naming import printable
from vidlab.inference import Rate, rate_for, run
from vidlab.many.checkpoints import Checkpoint, Checkpoints, StateError
from vidlab.many.parts import Part, PromiseError, joined, plan_parts, predict_part
from vidlab.many.store import Fingerprint, Store, about_answers
from vidlab.models.base import Model, check_model, count
from vidlab.models.reopening import ModelSpec
from vidlab.predictions import Predictions
from vidlab.recipes import recipe_named
from vidlab.video import Video
from vidlab.video.source import Source

# Environment of processes that do nothing but work. By itself glibc gives large blocks back to the
# system as soon as they are free, and takes them again, page by page, for the next picture and the
# next state: 5,000 page faults for 10 s of video, instead of 80. Dask makes it do so with all.
# A picture of 1080p is 6 MB; what is larger goes back, such as FFmpeg's table of hours of video,
# and so does what is free beyond the second figure. (mallopt(3), which is Linux's alone.)
MEMORY_SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}

# A video of fewer parts than this is done whole.
_LEAST_PARTS = 1.5


@dataclass(frozen=True, kw_only=True)
class Task:
    """A video to be done, or the next part of one.

    Attributes:
        video: Its name in the run.
        path: Its file.
        goes_on: Whether this run has done a part of it already.
    """

    video: str
    path: str
    goes_on: bool = False


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be done with every video; it can be pickled.

    Attributes:
        folder: The run's folder, which every worker can write.
        names: The models' names in the run.
        specs: How each is opened.
        fps: See :func:`~vidlab.predict`.
        hop: See :func:`~vidlab.predict`.
        recipe: See :func:`~vidlab.predict`; with one, every video is done whole.
        part_seconds: How long the parts of long videos are, about; None does them whole.
        decoding_threads: How many threads decode a video; None leaves it to FFmpeg.
        limits: Those in force where it was ordered, for wherever it is done.
    """

    folder: str
    names: tuple[str, ...]
    specs: tuple[ModelSpec, ...]
    fps: Rate = None
    hop: int | None = None
    recipe: str | None = None
    part_seconds: float | None = None
    decoding_threads: int | None = None
    limits: Limits = field(default_factory=current_limits)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a video, or of a part of it.

    Attributes:
        video: Its name in the run.
        error: Type of the error; None where there was none.
        reason: What the error says.
        attempts: How often it was tried.
        num_parts_left: How many parts are still to be done; without them, its answers are written.
    """

    video: str
    error: str | None = None
    reason: str | None = None
    attempts: int = 1
    num_parts_left: int = 0


class Worker:
    """Has a run's models open, and does video after video.

    Args:
        job: What is to be done with each.

    Raises:
        VidlabError: A model cannot be opened.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._store = Store(job.folder)
        self._checkpoints = Checkpoints(self._store)
        self._models = [check_model(spec.open()) for spec in job.specs]
        # What makes other numbers where it is another.
        self._made_with = json.dumps(
            {
                "vidlab": vidlab.__version__,
                "part_seconds": job.part_seconds,
                "fps": job.fps,
                "hop": job.hop,
                "models": [
                    {
                        **model.record(),
                        "num_threads": model.num_threads,
                        "preprocessing": model.preprocessing.as_dict(),
                    }
                    for model in self._models
                ],
            }
        )
        self._lock = threading.Lock()
        # The video that the last part was of: its index may take reading all of it.
        self._reading: tuple[Fingerprint, Video] | None = None

    def answer(self, task: Task) -> Outcome:
        """Do one video, or the next part of it, and write what is found.

        What goes wrong costs that video alone. Of several threads, one works at a time.
        """
        try:
            with self._lock:
                num_parts_left = self._answer(task)
        except Exception as error:  # told in the outcome; the next video is another matter
            # What is kept may be why, and would be so again; but not where a disk is full or gone.
            if not isinstance(error, OSError):
                self._checkpoints.remove(task.video)
            # The reason may travel; the path it was read from should not.
            reason = str(error) or repr(error)
            for path, name in ((repr(task.path), repr(task.video)), (task.path, task.video)):
                reason = reason.replace(path, name)
            return Outcome(video=task.video, error=type(error).__name__, reason=printable(reason))
        return Outcome(video=task.video, num_parts_left=num_parts_left)

    def _answer(self, task: Task) -> int:
        """Do a video or its next part; return how many parts are left."""
        begin = time.perf_counter()
        Source(task.path)  # says what is wrong with a path; a pipe would be waited for for ever
        kept = self._kept(task)
        if kept is None:
            fingerprint, num_done = Fingerprint.of(task.path), 0
        else:
            fingerprint, num_done = kept.fingerprint, kept.num_parts
            begin -= kept.seconds
        if self._has_answers(task.video, fingerprint):
            # Whoever wrote them was ended before it could say so.
            self._forget(task.video)
            return 0
        with limits(**asdict(self._job.limits)), warnings.catch_warnings(), ExitStack() as stack:
            warnings.simplefilter("ignore")  # that it stopped early is in the answers' header
            video = stack.enter_context(self._opened(task, fingerprint))
            parts = self._parts_of(video)
            try:
                if parts:
                    found = self._next_part(video, parts, kept, fingerprint, begin)
                else:
                    found = self._whole(video)
            except (PromiseError, StateError):
                found = self._whole(video)
            if found is None:
                stack.pop_all()
                self._reading = fingerprint, video
                return len(parts) - num_done - 1
        # Hours may have passed since it was hashed; minutes, where it is done whole.
        if not fingerprint.is_of(task.path) or (
            kept is not None and sha256_of(task.path) != fingerprint.sha256
        ):
            raise VideoError(f"{task.video} changed while it was read.")
        seconds = time.perf_counter() - begin
        for name, model, predictions in zip(self._job.names, self._models, found, strict=True):
            # As evaluate judges: a stream by its last answer, pieces by their mean.
            about = about_answers(
                predictions,
                is_at_end=model.card.kind == "stream",
                fingerprint=fingerprint,
                seconds=seconds,
            )
            self._store.write_answers(predictions, model=name, about=about)
        self._forget(task.video)
        return 0

    def _has_answers(self, video: str, fingerprint: Fingerprint) -> bool:
        """Tell whether every model's answers are there, to what the file holds now."""
        headers = [self._store.header(video, name) for name in self._job.names]
        return all(
            header is not None and header["run"]["file"]["sha256"] == fingerprint.sha256
            for header in headers
        )

    def _forget(self, video: str) -> None:
        """Remove what was kept of a video that is answered now."""
        self._store.remove_failure(video)
        self._checkpoints.remove(video)

    def _kept(self, task: Task) -> Checkpoint | None:
        """Return how far a video is done, if that is of use."""
        kept = self._checkpoints.read(task.video)
        if kept is None:
            return None
        is_alike = kept.made_with == self._made_with
        if is_alike and kept.fingerprint.is_of(task.path):
            return kept
        self._checkpoints.remove(task.video)
        if not task.goes_on:
            return None
        # Begun anew again and again, it would have no end.
        if is_alike:
            raise VideoError(f"{task.video} changed while it was read.")
        raise ModelError(
            f"{task.video} was begun by a worker with another vidlab or another runtime of a model "
            "than those here. Install the same versions on all workers."
        )

    def _opened(self, task: Task, fingerprint: Fingerprint) -> Video:
        """Return a video, still open where the part before was done here."""
        before, self._reading = self._reading, None
        if before is not None:
            if before[0] == fingerprint and before[1].source == task.path:
                return before[1]
            before[1].close()
        return Video(task.path, name=task.video, num_threads=self._job.decoding_threads)

    def _parts_of(self, video: Video) -> list[Part]:
        """Return what a video is done in; nothing where it is done whole."""
        length = self._job.part_seconds
        if length is None or self._job.recipe is not None:
            return []
        least = _LEAST_PARTS * length
        stated = video.stated_duration_seconds
        # What the header says spares most videos the index; where it is wrong, nothing is lost.
        if (stated is not None and stated < least) or video.duration_seconds < least:
            return []
        parts = plan_parts(video, seconds=length)
        return parts if len(parts) > 1 else []

    def _whole(self, video: Video) -> list[Predictions]:
        job = self._job
        return run(video, self._models, fps=job.fps, hop=job.hop, recipe=job.recipe, progress=False)

    def _next_part(
        self,
        video: Video,
        parts: Sequence[Part],
        kept: Checkpoint | None,
        fingerprint: Fingerprint,
        begin: float,
    ) -> list[Predictions] | None:
        """Do a part; return the answers to all of the video where it was the last one."""
        num_done, carried = (0, None) if kept is None else (kept.num_parts, kept.carried)
        if num_done >= len(parts):
            raise PredictionsError(f"What was kept of {video.name} is damaged; it is begun anew.")
        answers, carry = predict_part(
            video, self._models, parts[num_done], carried, fps=self._job.fps, hop=self._job.hop
        )
        if num_done == len(parts) - 1 or not answers[0].complete:
            return [
                joined(chain(self._checkpoints.answers(video.name, num_done, model=number), [each]))
                for number, each in enumerate(answers)
            ]
        checkpoint = Checkpoint(
            fingerprint=fingerprint,
            made_with=self._made_with,
            seconds=time.perf_counter() - begin,
            num_parts=num_done + 1,
            carried=tuple(carry),
        )
        self._checkpoints.write(video.name, checkpoint, answers)
        return None


def check_options(model: Model, *, fps: Rate, hop: int | None, recipe: str | None) -> None:
    """Refuse options that every single video would be refused for.

    Raises:
        OptionError: An option is out of range, or not for this model.
    """
    if recipe is not None:
        if fps is not None or hop is not None:
            raise OptionError("A recipe says which frames are looked at; fps and hop go without.")
        recipe_named(recipe).check_kind(model.card)
        return
    rate_for(model, fps)
    if hop is not None:
        count(hop, "hop")
        if model.card.answers_every_frame:
            raise OptionError(f"hop is for clip models; {model.title} answers after every frame.")
