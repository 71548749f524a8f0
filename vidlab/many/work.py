"""One video of a run: read, answered by every model, written. Any process or machine does it."""

from __future__ import annotations

import time
import warnings
from dataclasses import asdict, dataclass, field

from vidlab.core.errors import OptionError, VideoError
from vidlab.core.limits import Limits, current_limits, limits
from vidlab.inference import Rate, rate_for, run
from vidlab.many.store import Fingerprint, Store, about_answers
from vidlab.models.base import Model, check_model, count
from vidlab.models.reopening import ModelSpec
from vidlab.recipes import recipe_named
from vidlab.video import Video
from vidlab.video.source import Source


@dataclass(frozen=True, kw_only=True)
class Task:
    """A video to be done.

    Attributes:
        video: Its name in the run.
        path: Its file.
    """

    video: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be done with every video; it can be pickled.

    Attributes:
        folder: The run's folder, which every worker can write.
        names: The models' names in the run.
        specs: How each is opened.
        fps: See :func:`~vidlab.predict`.
        hop: See :func:`~vidlab.predict`.
        recipe: See :func:`~vidlab.predict`.
        limits: Those in force where it was ordered, for wherever it is done.
    """

    folder: str
    names: tuple[str, ...]
    specs: tuple[ModelSpec, ...]
    fps: Rate = None
    hop: int | None = None
    recipe: str | None = None
    limits: Limits = field(default_factory=current_limits)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a video.

    Attributes:
        video: Its name in the run.
        error: Type of the error; None where its answers are written.
        reason: What the error says.
        attempts: How often it was tried.
    """

    video: str
    error: str | None = None
    reason: str | None = None
    attempts: int = 1


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
        self._models = [check_model(spec.open()) for spec in job.specs]

    def answer(self, task: Task) -> Outcome:
        """Do one video, and write its answers; what goes wrong costs that video alone."""
        try:
            self._answer(task)
        except Exception as error:  # told in the outcome; the next video is another matter
            # The reason may travel; the path it was read from should not.
            reason = str(error) or repr(error)
            for path, name in ((repr(task.path), repr(task.video)), (task.path, task.video)):
                reason = reason.replace(path, name)
            return Outcome(video=task.video, error=type(error).__name__, reason=printable(reason))
        return Outcome(video=task.video)

    def _answer(self, task: Task) -> None:
        begin = time.perf_counter()
        Source(task.path)  # says what is wrong with a path; a pipe would be waited for for ever
        fingerprint = Fingerprint.of(task.path)
        job = self._job
        with (
            limits(**asdict(job.limits)),
            Video(task.path, name=task.video) as video,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # that it stopped early is in the answers' header
            found = run(
                video, self._models, fps=job.fps, hop=job.hop, recipe=job.recipe, progress=False
            )
        if not fingerprint.is_of(task.path):
            raise VideoError(f"{task.video} changed while it was read.")
        seconds = time.perf_counter() - begin
        for name, model, predictions in zip(job.names, self._models, found, strict=True):
            # As evaluate judges: a stream by its last answer, pieces by their mean.
            about = about_answers(
                predictions,
                is_at_end=model.card.kind == "stream",
                fingerprint=fingerprint,
                seconds=seconds,
            )
            self._store.write_answers(predictions, model=name, about=about)
        self._store.remove_failure(task.video)


def printable(text: str) -> str:
    """Return text that can be written anywhere: what is no Unicode in a file's name is escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


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
