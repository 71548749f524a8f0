"""What a live session saw and answered, kept so that it can be lived through again.

A recording is a folder::

    session.json        models with their weights' hashes, labels, rates, rules, versions
    frames.mp4          every frame that came, without loss; frames-2.mp4 after a change of size
    frames.arrow        each frame's time, and when it came
    answers-0.arrow     the first model's answers: which frame, when, the state's epoch, logits
    drops.arrow         frames that a model was due, but was too busy for
    events.jsonl        what the rules found

All of it is written as it happens; after a crash what was written can be read.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import av.error
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vidlab.core.console import progress as progress_bar
from vidlab.core.errors import ModelError, OptionError, PredictionsError
from vidlab.core.files import as_path
from vidlab.core.labels import LabelMap
from vidlab.core.naming import printable
from vidlab.feeding import versions_and_machine
from vidlab.models import load_model
from vidlab.models.base import Model, Selection, check_model
from vidlab.predictions import Predictions
from vidlab.rules import RuleEvent, event_table
from vidlab.video import Video
from vidlab.video.source import describe
from vidlab.video.writer import LosslessWriter

if TYPE_CHECKING:
    import pandas as pd

    from vidlab.live.session import LiveAnswer, LiveSession
    from vidlab.live.sources import LiveFrame

_FORMAT = "vidlab.recording/1"
_HEADER = "session.json"

# What an Arrow stream that was closed ends with ("Arrow Columnar Format", IPC streaming format).
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"

_FLUSH_SECONDS = 1.0

_FRAMES = pa.schema(
    [
        ("frame_index", pa.int64()),
        ("time_seconds", pa.float64()),
        ("arrived_seconds", pa.float64()),
        ("part", pa.int32()),
        ("number", pa.int64()),
    ]
)
_DROPS = pa.schema([("track", pa.int32()), ("frame_index", pa.int64())])

#: Columns of :attr:`Recording.table` beside those of a predictions table, in order.
LIVE_COLUMNS = ("epoch", "arrived_seconds", "answered_seconds", "latency_seconds")


def _answers_schema(num_classes: int) -> pa.Schema:
    return pa.schema(
        [
            ("frame_index", pa.int64()),
            ("time_seconds", pa.float64()),
            ("arrived_seconds", pa.float64()),
            ("answered_seconds", pa.float64()),
            ("latency_seconds", pa.float64()),
            ("epoch", pa.int64()),
            ("logits", pa.list_(pa.float32(), num_classes)),
        ]
    )


class Recorder:
    """Writes a recording while a session runs; its methods may be called from any thread.

    Args:
        folder: The folder to make; it may be there already if it is empty.

    Raises:
        OptionError: There is something in the folder, or it cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = as_path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            is_empty = next(self.folder.iterdir(), None) is None
        except OSError as error:
            raise OptionError(
                f"Cannot record into {str(self.folder)!r}: {describe(error)}."
            ) from error
        if not is_empty:
            folder = repr(str(self.folder))
            is_recording = (self.folder / _HEADER).is_file()
            opens = f"vidlab.Recording({folder}) opens what is there. " if is_recording else ""
            raise OptionError(
                f"A recording needs a new folder; there is something in {folder} already. {opens}"
                "Give record= another folder."
            )
        self._lock = threading.Lock()
        self._part = 0
        self._video: LosslessWriter | None = None

    def begin(self, session: LiveSession) -> None:
        """Write what is known before the first frame.

        Raises:
            PredictionsError: It cannot be written.
        """
        header = {
            "format": _FORMAT,
            "source": session.source.name,
            "started": session.started.isoformat(timespec="milliseconds"),
            "rules": [str(rule) for rule in session.rules],
            "tracks": [
                {
                    **model.record(),
                    "model": model.name,
                    "num_threads": model.num_threads,
                    "rate_fps": rate,
                    "preprocessing": model.preprocessing.as_dict(),
                    "labels": list(model.labels),
                    "label_map": model.labels.name,
                    "label_source": model.labels.source,
                    "selection": asdict(model.selection),
                }
                for model, rate in zip(session.models, session.rates, strict=True)
            ],
            **versions_and_machine(),
        }
        with self._writing():
            text = json.dumps(header, ensure_ascii=False, indent=1)
            (self.folder / _HEADER).write_text(text, encoding="utf-8")
            self._frames = _ArrowLog(self.folder / "frames.arrow", _FRAMES)
            self._drops = _ArrowLog(self.folder / "drops.arrow", _DROPS)
            self._answers = [
                _ArrowLog(_answers_path(self.folder, track), _answers_schema(model.num_classes))
                for track, model in enumerate(session.models)
            ]
            self._events = open(self.folder / "events.jsonl", "w", encoding="utf-8")  # noqa: SIM115

    def frame(self, frame: LiveFrame) -> None:
        """Write a frame, before any model sees it.

        Raises:
            VideoDecodeError: It cannot be decoded.
            PredictionsError: It cannot be written.
        """
        rgb = frame.rgb
        with self._writing():
            if self._video is None or self._video.size_px != rgb.shape[:2]:
                if self._video is not None:
                    self._video.close()
                self._part += 1
                self._video = LosslessWriter(
                    _video_path(self.folder, self._part), width=rgb.shape[1], height=rgb.shape[0]
                )
            number = self._video.num_frames
            self._video.add(rgb, frame.time_seconds)
            self._frames.add(
                frame.index, frame.time_seconds, frame.arrived_seconds, self._part, number
            )

    def dropped(self, track: int, frame: LiveFrame) -> None:
        """Note that a model was due a frame, but was too busy.

        Raises:
            PredictionsError: It cannot be written.
        """
        with self._writing():
            self._drops.add(track, frame.index)

    def answer(self, answer: LiveAnswer) -> None:
        """Write an answer.

        Raises:
            PredictionsError: It cannot be written.
        """
        with self._writing():
            self._answers[answer.track].add(
                answer.frame_index,
                answer.time_seconds,
                answer.arrived_seconds,
                answer.answered_seconds,
                answer.latency_seconds,
                answer.epoch,
                answer.logits,
            )

    def event(self, event: RuleEvent) -> None:
        """Write an event.

        Raises:
            PredictionsError: It cannot be written.
        """
        with self._writing():
            print(json.dumps(event.as_dict(), ensure_ascii=False), file=self._events, flush=True)

    def end(self) -> None:
        """Finish all files.

        Raises:
            PredictionsError: They cannot be written.
        """
        with self._writing():
            for log in (self._frames, self._drops, *self._answers):
                log.close()
            self._events.close()
            if self._video is not None:
                self._video.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except (OSError, av.error.FFmpegError, pa.ArrowException) as error:
            raise PredictionsError(
                f"Cannot write into {str(self.folder)!r}: {describe(error)}. What was written "
                "before can be read."
            ) from error


class _ArrowLog:
    """A table that grows row by row in a file, in batches of about a second."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._file = open(path, "wb")  # noqa: SIM115  (closed by close)
        self._writer = pa.ipc.new_stream(self._file, schema)
        # The schema is written with the first batch: a file without rows can be read too.
        self._writer.write_batch(pa.RecordBatch.from_pylist([], schema=schema))
        self._file.flush()
        self._rows: list[tuple[Any, ...]] = []
        self._flushed = time.monotonic()

    def add(self, *row: Any) -> None:
        self._rows.append(row)
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()
        self._file.close()

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [
                pa.array(list(column), field.type)
                for column, field in zip(columns, self._schema, strict=True)
            ]
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
            self._file.flush()
            self._rows = []


@dataclass(frozen=True, kw_only=True)
class _Answers:
    """One model's answers, without what they say: which frames, when, in which epoch."""

    frame_index: NDArray[np.int64]
    time_seconds: NDArray[np.float64]
    arrived_seconds: NDArray[np.float64]
    answered_seconds: NDArray[np.float64]
    latency_seconds: NDArray[np.float64]
    epoch: NDArray[np.int64]


class Recording:
    """What a live session saw and answered.

    Args:
        folder: The folder that ``record=`` named.

    Attributes:
        folder: The folder.
        source: Name of what was looked at.
        started: When the session began, ISO 8601.
        titles: Names of the models.
        made_by: Models, rules, versions and machine; plain data.

    Raises:
        PredictionsError: It is no recording, or a damaged one.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = as_path(folder)
        path = self.folder / _HEADER
        try:
            header = json.loads(path.read_text(encoding="utf-8"))
            if header["format"] != _FORMAT:
                raise PredictionsError(
                    f"The recording is of format {header['format']!r}; this vidlab reads "
                    f"{_FORMAT!r}."
                )
            self.made_by: dict[str, Any] = header
            self.source = str(header["source"])
            self.started = str(header["started"])
            self.titles = [str(track["title"]) for track in header["tracks"]]
            for track in header["tracks"]:
                _check_track(track)
        except OSError as error:
            raise PredictionsError(
                f"{str(self.folder)!r} is no recording: {path.name} cannot be read "
                f"({describe(error)})."
            ) from error
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            if isinstance(error, PredictionsError):
                raise
            raise PredictionsError(f"{str(path)!r} is damaged: {error!r}.") from error

    @cached_property
    def video(self) -> Video:
        """The frames that came; of a session whose frames changed their size, the first ones.

        Raises:
            VideoError: The file is missing or damaged.
        """
        return Video(_video_path(self.folder, 1), name=self.source)

    @cached_property
    def predictions(self) -> list[Predictions]:
        """What each model answered.

        Raises:
            PredictionsError: A file is missing or damaged.
        """
        return [
            self._predictions(track, answers, logits)
            for track, (answers, logits) in enumerate(self._answers)
        ]

    @property
    def epochs(self) -> list[NDArray[np.int64]]:
        """For each model, how often its state had been set back before each answer, ``[N]``."""
        return [answers.epoch for answers, _ in self._answers]

    @property
    def table(self) -> pd.DataFrame:
        """All answers, one row per model, frame and rank.

        The columns of :attr:`Predictions.table`, and ``epoch`` (how often the state had been set
        back), ``arrived_seconds`` and ``answered_seconds`` (since the session began) and
        ``latency_seconds`` (the model's own time).
        """
        return self._table(self.predictions)

    @property
    def frames(self) -> pd.DataFrame:
        """Every frame that came.

        Columns ``frame_index, time_seconds, arrived_seconds`` and ``dropped_by``, the titles of
        the models that were due it but were too busy, as a tuple.
        """
        drops = self._read("drops.arrow", _DROPS)
        by_frame: dict[int, list[str]] = {}
        tracks, indices = drops["track"].to_pylist(), drops["frame_index"].to_pylist()
        for track, index in zip(tracks, indices, strict=True):
            if not 0 <= track < len(self.titles):
                raise PredictionsError(f"{str(self.folder)!r} is damaged: no model has {track}.")
            by_frame.setdefault(index, []).append(self.titles[track])
        table = self._frames.select(["frame_index", "time_seconds", "arrived_seconds"]).to_pandas()
        table["dropped_by"] = [tuple(by_frame.get(i, ())) for i in table["frame_index"]]
        return cast("pd.DataFrame", table)

    @property
    def events(self) -> pd.DataFrame:
        """What the rules found, as :func:`vidlab.rules.event_table` gives it."""
        path = self.folder / "events.jsonl"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            return event_table([RuleEvent(**json.loads(line)) for line in lines])
        except (OSError, TypeError, ValueError, RecursionError) as error:
            raise PredictionsError(f"{str(path)!r} cannot be read: {error}.") from error

    @property
    def is_finished(self) -> bool:
        """Whether the session came to its end: it may still go, or its process was ended.

        What was written until about a second before can be read either way.

        Raises:
            PredictionsError: A file is missing or cannot be read.
        """
        path = self.folder / "frames.arrow"
        try:
            return path.read_bytes().endswith(_END_OF_STREAM)
        except OSError as error:
            raise PredictionsError(f"{str(path)!r} cannot be read: {describe(error)}.") from error

    def __repr__(self) -> str:
        unfinished = "" if self.is_finished else "; not finished, or its process was ended"
        return (
            f"<Recording of {self.source}, {self.started}: {self._frames.num_rows} frames, "
            f"{', '.join(self.titles)}{unfinished}>"
        )

    # ---- reading -----------------------------------------------------------------------------

    @cached_property
    def _frames(self) -> pa.Table:
        return self._read("frames.arrow", _FRAMES)

    @cached_property
    def _answers(self) -> list[tuple[_Answers, NDArray[np.float32]]]:
        found = []
        for track, header in enumerate(self.made_by["tracks"]):
            num_classes = len(header["labels"])
            name = _answers_path(self.folder, track).name
            table = self._read(name, _answers_schema(num_classes))
            if not self.is_finished:
                # Each table is written when it is due; a kill may have come between two.
                last = self._frames["frame_index"].to_numpy().max(initial=-1)
                table = table.filter(table["frame_index"].to_numpy() <= last)
            logits = table["logits"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            names = _Answers.__dataclass_fields__
            answers = _Answers(**{name: table[name].to_numpy() for name in names})
            found.append((answers, logits.reshape(len(table), num_classes)))
        return found

    def _read(self, name: str, schema: pa.Schema) -> pa.Table:
        """Read a table that was written row by row, up to where the writing was cut off."""
        path = self.folder / name
        try:
            with open(path, "rb") as stream:
                reader = pa.ipc.open_stream(stream)
                batches: list[pa.RecordBatch] = []
                # Killed while it wrote: the batches before are whole.
                with suppress(OSError, pa.ArrowInvalid):
                    batches.extend(reader)
                table = pa.Table.from_batches(batches, reader.schema)
            table = table.select(schema.names).cast(schema)
            if any(column.null_count for column in table.columns):
                raise ValueError("values are missing")
            return table
        except (OSError, LookupError, ValueError, pa.ArrowException) as error:
            raise PredictionsError(f"{str(path)!r} cannot be read: {describe(error)}.") from error

    def _predictions(
        self, track: int, answers: _Answers, logits: NDArray[np.float32]
    ) -> Predictions:
        header = self.made_by["tracks"][track]
        return Predictions(
            video=self.source,
            model=header["model"],
            backend=header["backend"],
            title=header["title"],
            labels=_labels(header),
            frame_index=answers.frame_index,
            time_seconds=answers.time_seconds,
            logits=logits,
            latency_seconds=answers.latency_seconds.astype(np.float32),
            selection=Selection(**header["selection"]),
            made_by={"live": True, "started": self.started, **header},
        )

    def _table(self, predictions: Sequence[Predictions]) -> pd.DataFrame:
        import pandas as pd

        parts = []
        for each, (answers, _) in zip(predictions, self._answers, strict=True):
            table = each.table
            rows = np.searchsorted(answers.frame_index, table["frame_index"])
            for name in LIVE_COLUMNS:
                table[name] = getattr(answers, name)[rows]
            parts.append(table)
        return pd.concat(parts, ignore_index=True)

    # ---- living through it again -------------------------------------------------------------

    def _models(self, models: Model | Sequence[Model] | None) -> list[Model]:
        tracks = self.made_by["tracks"]
        if models is None:
            return [
                check_model(
                    load_model(
                        header["name"],
                        backend=header["backend"],
                        variant=header["variant"],
                        num_threads=header["num_threads"],
                    )
                )
                for header in tracks
            ]
        given = list(models) if isinstance(models, Sequence) else [models]
        if len(given) != len(tracks):
            raise OptionError(
                f"The recording is of {len(tracks)} models ({', '.join(self.titles)}); got "
                f"{len(given)}."
            )
        return [check_model(model) for model in given]

    def _lived_again(self, model: Model, track: int, *, progress: bool) -> NDArray[np.float32]:
        """Return the logits ``[N, num_classes]`` of a model on the frames it answered then."""
        answers, _ = self._answers[track]
        logits = np.empty((len(answers.frame_index), model.num_classes), dtype=np.float32)
        state, epoch = model.init_state(), 0
        wanted = {int(index): row for row, index in enumerate(answers.frame_index)}
        bar = progress_bar(total=len(wanted), desc=model.title, unit="frame", disable=not progress)
        with bar, closing(self._pictures()) as pictures:
            for index, rgb in pictures:
                row = wanted.pop(index, None)
                if row is None:
                    continue
                if answers.epoch[row] != epoch:
                    state, epoch = model.init_state(), int(answers.epoch[row])
                answer, state = model.step(model.preprocessing(rgb())[None], state)
                logits[row] = answer[0]
                bar.update(1)
                if not wanted:
                    break
        if wanted:
            raise PredictionsError(
                f"{str(self.folder)!r} lacks {len(wanted)} of the frames that were answered, the "
                f"first of them {min(wanted)}: the recording was cut off."
            )
        return logits

    def _pictures(self) -> Generator[tuple[int, Callable[[], NDArray[np.uint8]]]]:
        """Yield each frame's number, and what makes its pixels."""
        parts = self._frames["part"].to_numpy()
        indices = self._frames["frame_index"].to_numpy()
        for part in range(1, int(parts.max(initial=0)) + 1):
            with Video(_video_path(self.folder, part)) as video, closing(video.frames()) as frames:
                for index, frame in zip(indices[parts == part], frames, strict=False):
                    yield int(index), partial(getattr, frame, "rgb")


def replay(
    recording: Recording | str | os.PathLike[str],
    models: Model | Sequence[Model] | None = None,
    *,
    progress: bool = True,
) -> pd.DataFrame:
    """Run the models again over what a live session saw, and return what they answer now.

    Each sees the frames that it answered then, dropped ones left out, with the state set back
    where it was then. With the same weights, runtime and machine the result is the same as
    `Recording.table`, bit for bit; arrival and answer times are those of the recording.

    Args:
        recording: A recording, or its folder.
        models: The models, in the recording's order; None loads those of the recording, with the
            same backend, variant and number of threads.
        progress: Show a progress bar.

    Raises:
        ModelError: A model's weights or labels are not those of the recording.
        PredictionsError: It is no recording, or is damaged.
        VideoError: Its frames cannot be read.
    """
    recording = recording if isinstance(recording, Recording) else Recording(recording)
    again = []
    for track, model in enumerate(recording._models(models)):
        header = recording.made_by["tracks"][track]
        _check_same(model, header)
        answers, _ = recording._answers[track]
        logits = recording._lived_again(model, track, progress=progress)
        again.append(recording._predictions(track, answers, logits))
    return recording._table(again)


def _check_track(header: Mapping[str, Any]) -> None:
    """Refuse what a recording says of a model where it is not what :class:`Recorder` wrote.

    Raises:
        KeyError: Something is missing.
        TypeError: Something is of another type.
        ValueError: A label map or a selection is none.
    """
    for name in ("name", "model", "backend", "variant", "title", "weights_sha256"):
        printable(header[name])
    _labels(header)
    Selection(**header["selection"])
    dict(header["preprocessing"])
    int(header["num_threads"])


def _check_same(model: Model, header: Mapping[str, Any]) -> None:
    now = model.provenance.weights_sha256
    if now != header["weights_sha256"] or model.preprocessing.as_dict() != header["preprocessing"]:
        raise ModelError(
            f"{model.title} is not what was recorded as {header['title']}: its weights "
            f"({now[:12] or 'in memory'}) or its preprocessing differ from the recording's "
            f"({header['weights_sha256'][:12] or 'in memory'}). Give replay() the models of then."
        )
    if list(model.labels) != header["labels"]:
        raise ModelError(f"{model.title} has other labels than {header['title']} had.")


def _labels(header: Mapping[str, Any]) -> LabelMap:
    return LabelMap(header["labels"], name=header["label_map"], source=header["label_source"])


def _video_path(folder: Path, part: int) -> Path:
    return folder / ("frames.mp4" if part == 1 else f"frames-{part}.mp4")


def _answers_path(folder: Path, track: int) -> Path:
    return folder / f"answers-{track}.arrow"
