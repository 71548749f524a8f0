"""What a quiz asks: clips, what models say of them, and labels to choose from."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import (
    OptionError,
    VideoError,
    VideoNotFoundError,
    WidgetError,
    did_you_mean,
)
from vidlab.core.images import jpeg
from vidlab.core.label_names import translated
from vidlab.core.labels import LabelMap
from vidlab.core.naming import shortest_names
from vidlab.video import Video

if TYPE_CHECKING:
    import pandas as pd

    from vidlab.models.base import Model, Selection
    from vidlab.predictions import Predictions

# A clip is shown as pictures: at so many a second, and fewer where it is longer than ten seconds,
# so that no clip has more than 80 of some 20 kB.
_PICTURES_PER_SECOND = 8.0
_MAX_PICTURES = 80
_PICTURE_HEIGHT_PX = 320

# Places of each model's answer that make choices: what it says, and what it nearly says.
_NUM_NEAR = 2


# ---------------------------------------------------------------- clips


@dataclass(frozen=True, eq=False)
class Clip:
    """What one question shows: a file, or a segment of it.

    Attributes:
        video: Its path, or a video that is open.
        start_seconds: Where it begins; None for the file's start.
        end_seconds: Where it has ended; None for the file's end.
    """

    video: Path | Video
    start_seconds: float | None = None
    end_seconds: float | None = None

    @property
    def name(self) -> str:
        """The file's name, which predictions call it by."""
        return _on_page(self.video.name)

    @property
    def place(self) -> str:
        """The file's path, as it was given."""
        source = self.video if isinstance(self.video, Path) else self.video.source
        return _on_page(os.fsdecode(source)) if isinstance(source, str | os.PathLike) else self.name

    @property
    def is_part(self) -> bool:
        """Whether it is a segment of the file."""
        return self.start_seconds is not None or self.end_seconds is not None

    @contextmanager
    def opened(self, name: str) -> Iterator[Video]:
        """Open the video under another name, as its own may tell the answer.

        It is read as a stream of bytes: then no error and no warning can name the file.

        Raises:
            VideoError: The file is gone, or is no video.
        """
        if isinstance(self.video, Video):
            stream = cast("BinaryIO", self.video.open_bytes())
        else:
            try:
                stream = self.video.open("rb")
            except OSError as error:
                raise VideoNotFoundError(f"{name} cannot be opened: {error.strerror}.") from None
        with stream, Video(stream, name=name) as video:
            yield video

    def frames(self, video: Video) -> tuple[int, int]:
        """Return the first of its frames, and the one to end before.

        Raises:
            WidgetError: The segment is no part of the video.
        """
        first, last = float(video.pts_seconds[0]), video.end_seconds
        start = first if self.start_seconds is None else max(self.start_seconds, first)
        end = last if self.end_seconds is None else min(self.end_seconds, last)
        if not start < end:
            raise WidgetError(
                f"The segment lies outside {video.name}, which lasts from {first:.3f} to "
                f"{last:.3f} s."
            )
        begin = video.index_at_time(start)
        return begin, max(begin + 1, int(np.searchsorted(video.pts_seconds, end)))

    def pictures(self, name: str) -> tuple[list[bytes], float]:
        """Return JPEGs of the clip, evenly over all of it, and the seconds that it lasts.

        Damage ends them early.

        Raises:
            VideoError: There is not even one.
            WidgetError: The segment is no part of the video.
        """
        with self.opened(name) as video:
            first, stop = self.frames(video)
            times = video.pts_seconds
            seconds = float(times[stop] if stop < len(times) else video.end_seconds) - times[first]
            num = min(math.ceil(seconds * _PICTURES_PER_SECOND), _MAX_PICTURES, stop - first)
            moments = times[first] + seconds * (np.arange(num) + 0.5) / num
            made: list[bytes] = []
            try:
                for moment in moments:
                    frame = video.frame_at_time(moment)
                    height = min(_PICTURE_HEIGHT_PX, frame.height)
                    made.append(jpeg(frame.thumbnail(height_px=height)))
            except VideoError:
                if not made:
                    raise
        return made, float(seconds)


def _on_page(text: str) -> str:
    """Return a file's name as it can be on a page and in a table, which are Unicode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def read_clips(videos: Any, truth: Any) -> tuple[list[Clip], list[str | None], list[Rival]]:
    """Understand what a quiz is given.

    Args:
        videos: A video, several, or a table; see `Quiz`.
        truth: The labels, or None; see `Quiz`.

    Returns:
        The clips; the true label of each, or None; and the models that a table has the answers of.

    Raises:
        OptionError: It is something else, or there is none.
    """
    table = _table_of(videos)
    rivals: list[Rival] = []
    labels: list[str | None] = []
    if table is not None:
        clips, labels, rivals = _read_table(table)
    else:
        given = [videos] if isinstance(videos, str | os.PathLike | Video) else videos
        if isinstance(given, Mapping):
            given = list(given.values())
        if not isinstance(given, Sequence):
            raise OptionError(_videos_expected(videos))
        clips = [Clip(_video(each)) for each in given]
    if not clips:
        raise OptionError("A quiz needs at least one video; got none.")
    if truth is not None:
        labels = _read_truth(truth, clips)
    return clips, labels or [None] * len(clips), rivals


def _video(given: Any) -> Path | Video:
    if isinstance(given, Video):
        if given.is_remote:
            raise OptionError(f"A quiz shows files; {given.name} is at an address. Save it first.")
        return given
    if not isinstance(given, str | os.PathLike):
        raise OptionError(_videos_expected(given))
    return Path(os.fsdecode(given)).expanduser()


def _videos_expected(got: object) -> str:
    return (
        "A quiz is of a video or its path, a list of them, a DataFrame with a column 'video', a "
        f"Study or an Evaluation; got {type(got).__name__}."
    )


def _read_truth(given: Any, clips: Sequence[Clip]) -> list[str | None]:
    if isinstance(given, Mapping):
        names = {name for clip in clips for name in _names_of(clip)}
        for name in map(str, given):
            if name not in names:
                raise OptionError(
                    f"truth names {name!r}, which is none of the videos.{did_you_mean(name, names)}"
                )
        by_name = {str(name): label for name, label in given.items()}
        found = [
            next((by_name[name] for name in _names_of(clip) if name in by_name), None)
            for clip in clips
        ]
    else:
        found = [given] if isinstance(given, str) else given
    if not isinstance(found, Sequence) or len(found) != len(clips):
        raise OptionError(
            f"truth is a label for each of the {len(clips)} clips, in a list (None where it is not "
            f"known) or by the video's name; got {_told(given)}."
        )
    for each in found:
        if each is not None and not (isinstance(each, str) and each.strip()):
            raise OptionError(f"A true label is a text that is not empty; got {each!r:.80}.")
    return list(found)


def _names_of(clip: Clip) -> tuple[str, str, str]:
    return clip.place, clip.name, Path(clip.name).stem


def _told(given: Any) -> str:
    is_list = isinstance(given, Sequence) and not isinstance(given, str)
    return f"{len(given)} of them" if is_list else type(given).__name__


# ---------------------------------------------------------------- tables


def _table_of(given: Any) -> pd.DataFrame | None:
    """Return a table, or a study's or an evaluation's; None where it is none of these."""
    # Whoever has none of them need not wait for pandas.
    if isinstance(given, str | os.PathLike | Video | Sequence | Mapping):
        return None
    import pandas as pd

    for each in (given, getattr(given, "clips", None), getattr(given, "predictions", None)):
        if isinstance(each, pd.DataFrame):
            return each
    return None


def _read_table(table: pd.DataFrame) -> tuple[list[Clip], list[str | None], list[Rival]]:
    names = [str(each) for each in table.columns]
    if names.count("video") != 1:
        raise OptionError(
            f"The table needs one column 'video' with paths; it has {', '.join(names) or 'none'}."
        )
    columns = {name: [_none_or(each) for each in table[name]] for name in table.columns}

    def column(name: str) -> list[Any]:
        return columns.get(name, [None] * len(table))

    clips = []
    for row, (video, start, end) in enumerate(
        zip(column("video"), column("start_seconds"), column("end_seconds"), strict=True)
    ):
        if video is None:
            raise OptionError(f"The table names no video in row {row}.")
        times = [None if each is None else _number(each, row) for each in (start, end)]
        clips.append(Clip(_video(video), *times))
    roles = [each for each in names if each == "predicted" or each.startswith("predicted_")]
    rivals = []
    for role in roles:
        said, probable = column(role), column(role.replace("predicted", "probability", 1))
        answers = [
            None
            if label is None
            else Answer([str(label)], np.array([np.nan if share is None else _number(share, row)]))
            for row, (label, share) in enumerate(zip(said, probable, strict=True))
        ]
        labels = dict.fromkeys(str(each) for each in said if each is not None)
        title = role.removeprefix("predicted").removeprefix("_") or "model"
        rivals.append(Rival(title, list(labels), dict(enumerate(answers)), is_whole_map=False))
    return clips, [None if each is None else str(each) for each in column("label")], rivals


def _none_or(value: Any) -> Any:
    """Return a cell's value, None where it is empty."""
    is_list = isinstance(value, np.ndarray)  # as Parquet files have them
    if value is None or (not is_list and value != value) or str(value) in ("", "<NA>", "NaT"):
        return None
    return value


def _number(value: Any, row: int) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise OptionError(f"The table must have numbers in row {row}; got {value!r:.80}.")
    return number


# ---------------------------------------------------------------- models' answers


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model says of a clip.

    Attributes:
        labels: What it can say, or as much of that as is known.
        probabilities: Of each label, float ``[num_labels]``; NaN where it is not known.
    """

    labels: Sequence[str]
    probabilities: NDArray[np.floating[Any]]

    def top(self, num: int) -> list[tuple[str, float]]:
        """Return up to `num` labels with their probabilities, the most probable first."""
        order = np.argsort(-self.probabilities, kind="stable")[:num]
        return [(self.labels[int(at)], float(self.probabilities[at])) for at in order]


@dataclass(eq=False)
class Rival:
    """A model that the learner's score is compared with.

    Attributes:
        title: Its name.
        labels: What it can say.
        answers: By the number of the clip, what it says, None where it says nothing; those of a
            loaded model come one by one.
        model: The loaded model that is to be asked; None where all answers are there.
        is_whole_map: Whether `labels` is all that it can say; else it is what it has said.
    """

    title: str
    labels: Sequence[str]
    answers: dict[int, Answer | None] = field(default_factory=dict)
    model: Model | None = None
    is_whole_map: bool = True

    def ask(self, clip: Clip, video: Video) -> Answer | None:
        """Run the model over a clip.

        As in `vidlab.evaluate`, a stream model's answer is its last one, and others' is the mean.

        Args:
            clip: The clip.
            video: The clip's video, opened.

        Raises:
            VidlabError: The video cannot be read, or the model fails.
        """
        from vidlab.inference import predict, stream

        assert self.model is not None, "ready-made answers are never asked for"
        is_stream = self.model.card.kind == "stream"
        if not (clip.is_part and is_stream):
            return _answer_in(predict(video, self.model, progress=False), clip, is_stream)
        # What came before a segment is no business of the stream's state.
        start, stop = clip.frames(video)
        probabilities = None
        for each in stream(video.frames(start=start, stop=stop), self.model):
            probabilities = each.probabilities
        if probabilities is None:
            return None
        return _selected(probabilities, self.model.labels, self.model.selection)

    def is_right(self, number: int, answer: str) -> bool | None:
        """Return whether it is right on a clip; None where it says nothing, or lacks the label."""
        said = self.answers.get(number)
        if said is None or (self.is_whole_map and answer not in self.labels):
            return None
        return said.top(1)[0][0] == answer


def _answer_in(predictions: Predictions, clip: Clip, is_at_end: bool) -> Answer | None:
    """Return what predictions for a whole video say of a clip of it."""
    start = -math.inf if clip.start_seconds is None else clip.start_seconds
    end = math.inf if clip.end_seconds is None else clip.end_seconds
    times = predictions.time_seconds
    inside = np.flatnonzero((times >= start) & (times < end))
    if not len(inside):
        return None
    rows = predictions.probabilities[inside]
    probabilities = rows[-1] if is_at_end else rows.mean(axis=0)
    return _selected(probabilities, predictions.labels, predictions.selection)


def _selected(probabilities: NDArray[np.float32], labels: LabelMap, options: Selection) -> Answer:
    ids = options.class_ids(labels)
    return Answer([labels[int(each)] for each in ids], probabilities[ids])


def read_models(models: Any, clips: Sequence[Clip]) -> list[Rival]:
    """Understand loaded models and ready-made predictions.

    Raises:
        OptionError: It is something else, two have one name, or predictions for a clip are missing.
    """
    from vidlab.predictions import Predictions

    if models is None:
        return []
    if isinstance(models, Mapping):
        named = {str(name): _flat(each) for name, each in models.items()}
    else:
        every = _flat(models)
        loaded = [each for each in every if not isinstance(each, Predictions)]
        for each in loaded:
            _check_model(each)
        names = shortest_names(
            [(each.name, each.backend, f"{each.backend}:{each.name}", each.title)
             for each in loaded]
        )  # fmt: skip
        named = {name: [each] for name, each in zip(names, loaded, strict=True)}
        for each in every:
            if isinstance(each, Predictions):
                named.setdefault(each.title, []).append(each)
    return [_rival(name, given, clips) for name, given in named.items()]


def _flat(given: Any) -> list[Any]:
    # A Predictions has a length, but is no Sequence.
    if not isinstance(given, Sequence) or isinstance(given, str):
        return [given]
    return [inner for each in given for inner in _flat(each)]


def _check_model(given: Any) -> None:
    if not isinstance(getattr(given, "labels", None), LabelMap) or not hasattr(given, "card"):
        raise OptionError(
            "The models of a quiz are loaded ones, such as vidlab.load_model('movinet-a0-stream'), "
            f"or what vidlab.predict gave; got {given!r:.80}."
        )


def _rival(title: str, given: Sequence[Any], clips: Sequence[Clip]) -> Rival:
    from vidlab.predictions import Predictions

    ready = [each for each in given if isinstance(each, Predictions)]
    if not ready and len(given) == 1:
        _check_model(given[0])
        return Rival(title, given[0].labels, model=given[0])
    if not ready or len(ready) < len(given):
        raise OptionError(f"{title!r} is one loaded model, or predictions; got several things.")
    if any(each.labels != ready[0].labels for each in ready):
        raise OptionError(f"The predictions of {title} have different label maps.")
    by_video = {each.video: each for each in ready}
    places = {clip.name: clip.place for clip in clips}
    for clip in clips:
        if places[clip.name] != clip.place:
            raise OptionError(
                f"Predictions know their video by its name, and several are called {clip.name}: "
                "give loaded models, or name the files differently."
            )
        if clip.name not in by_video:
            raise OptionError(
                f"{title} has no predictions of {clip.name}; it has those of "
                f"{', '.join(list(by_video)[:5])}.{did_you_mean(clip.name, by_video)}"
            )
    answers = {
        number: _answer_in(
            by_video[clip.name], clip, is_at_end=by_video[clip.name].clip_start is None
        )
        for number, clip in enumerate(clips)
    }
    return Rival(title, ready[0].labels, answers)


# ---------------------------------------------------------------- choices


def draw_choices(
    answer: str,
    near: Sequence[Answer],
    pool: Sequence[str],
    *,
    num: int,
    language: str | None,
    random: np.random.Generator,
) -> list[str]:
    """Return labels to choose from, in an order that tells nothing of which is right.

    The right one is among them; then come what models say and nearly say, and then others at
    random. No two are shown by the same words.

    Args:
        answer: The right one.
        near: Models' answers.
        pool: Where the others are from.
        num: How many; fewer where there are no more.
        language: What they are shown in.
        random: Draws them.
    """
    said = [answer]
    for rank in range(_NUM_NEAR):
        said += [each.top(rank + 1)[-1][0] for each in near]
    drawn = [pool[int(at)] for at in random.permutation(len(pool))]
    by_words: dict[str, str] = {}
    for label in [*said, *drawn]:
        by_words.setdefault(translated(label, language), label)
        if len(by_words) == num:
            break
    # Sorted before it is shuffled: else who knows the seed could tell the place of the first.
    chosen = sorted(by_words.values())
    return [chosen[int(at)] for at in random.permutation(len(chosen))]
