"""`Gallery`: many videos in a grid, and what models said of each, to search, sort and pick from.

The page has the rows' words and numbers from the start, and filters and sorts them by itself.
Pictures it asks for one by one, when a card comes into view. A request ``{id, op, …}`` gets one
``{id, result}`` with JPEGs as binary buffers, or one ``{id, error: {type, message}}``:

=====================  ===========================================================================
``thumbnail {row}``    one picture, from the middle of the row's clip
``preview {row}``      some pictures, evenly over the clip
``open {row}``         the row was double-clicked; answered once the callbacks are done
``cancel {requests}``  those pictures are not wanted any more (no answer)
=====================  ===========================================================================
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from vidlab.core.errors import (
    OptionError,
    VideoError,
    WidgetError,
    did_you_mean,
    refuse_unknown,
)
from vidlab.core.images import jpeg
from vidlab.core.label_names import check_language, translated
from vidlab.video import Video
from vidlab.widgets import kept
from vidlab.widgets.base import Widget, script, style
from vidlab.widgets.media.server import failure_of
from vidlab.widgets.payload import describe_label, letter_of

if TYPE_CHECKING:
    import pandas as pd

_OPTIONS = ("columns", "folder", "labels", "locale", "layout")

# Somewhat more than a card's picture has, for dense screens; 10 kB or so each.
_PICTURE_HEIGHT_PX = 180

_NUM_PREVIEWED = 10

# Pictures that were made are kept up to this: some 3,000 thumbnails.
_CACHE_BYTES = 32 << 20

# Videos kept open with their frame index, for as long as pictures are wanted: rows that follow
# each other are often segments of one video.
_NUM_OPEN = 8

# A thread without work ends after this.
_IDLE_SECONDS = 2.0

# With more labels than there are letters a colour tells nothing, and would be one less for others.
_MAX_COLORED = 26

_PREDICTED, _PROBABILITY, _CORRECT = "predicted", "probability", "correct"


class _Rows(traitlets.TraitType[Any, Any]):
    """Numbers of rows of the table, each once; checked, as they come from the page."""

    def validate(self, obj: Any, value: Any) -> list[int] | None:
        if value is None and self.allow_none:
            return None
        num_rows = len(obj._table)
        is_list = isinstance(value, list) and all(type(each) is int for each in value)
        if not is_list or not all(0 <= each < num_rows for each in value):
            raise WidgetError(f"Rows are a list of numbers below {num_rows}; got {value!r:.80}.")
        if len(set(value)) != len(value):
            raise WidgetError(f"Each row is named once; got {value!r:.80}.")
        return list(value)


class Gallery(Widget):
    """Shows many videos in a grid, with their labels and what models said of them.

    Search, filters and sorting need no kernel. Nothing of a video is read before its card is
    seen; the pointer on a card, or the keyboard's focus, plays a silent preview. With labels and
    predictions there is a confusion matrix of the clips that the filters leave; a click on one of
    its cells shows these clips.

    :class:`~vidlab.Explorer` is a gallery whose cards open in a player.

    Args:
        table: One row a card: ``video``, a path, and where known ``start_seconds`` and
            ``end_seconds`` (a segment of it), ``label``, ``jsd_nats`` (how far the models part),
            and for each model ``predicted_NAME``, ``probability_NAME`` and ``correct_NAME``, or
            without the name where there is one model. Without ``correct`` an answer is right where
            it is the label. Other columns are searched and sorted by. A
            :class:`~vidlab.evaluation.Study` or an :class:`~vidlab.Evaluation` has such a table.
        columns: Which of the other columns to tell on each card.
        folder: What paths are relative to; None takes the current one.
        labels: Language to show labels in, such as ``"ko"``; None shows them as they are. Search
            finds both, and the table keeps its own words.
        locale: Language of the texts, "en" or "ko"; None takes the page's or the browser's.
        layout: The `ipywidgets.Layout` of the widget; without a height, cards have 560 px.

    Attributes:
        selected: Rows of the table that are selected there, a DataFrame with the table's own
            columns and index; can be observed.
        locale: Language of the texts.

    Raises:
        OptionError: The table has no column ``video``, one of its columns twice, or one that
            should hold numbers and does not; or an option is unknown.

    Examples:
        >>> gallery = Gallery(study)                      # doctest: +SKIP
        >>> gallery.on_open(lambda row: print(row.video))  # doctest: +SKIP
        >>> gallery.selected                              # doctest: +SKIP
    """

    _esm = script("gallery.js")
    _css = style("gallery.css")

    selected = traitlets.Any(read_only=True, help="Rows that are selected, as a DataFrame.")
    _info = traitlets.Dict(help="Every row's words and numbers.").tag(sync=True)
    _selected = _Rows([], help="Rows that are selected, as numbers.").tag(sync=True)
    _shown = _Rows(
        None, allow_none=True, help="Rows that the filters leave, in the order shown; None is all."
    ).tag(sync=True)
    _query = traitlets.Dict(help="Filters and order, for the page alone.").tag(sync=True)

    def __init__(
        self,
        table: Any,
        *,
        columns: Sequence[str] | None = None,
        folder: str | os.PathLike[str] | None = None,
        labels: str | None = None,
        locale: str | None = None,
        layout: Any = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown("Gallery", unknown, _OPTIONS)
        given, title = _table_of(table)
        info = _describe(given, title, [] if columns is None else columns, check_language(labels))
        self._table = given
        self._callbacks: list[Callable[[pd.Series], object]] = []
        self._pictures = _Pictures(_clips_of(given, folder), self._reply)
        options: dict[str, Any] = {} if layout is None else {"layout": layout}
        # Chosen here, as all of the rows would go to the page once more to tell it afterwards.
        model_id = uuid.uuid4().hex
        super().__init__(
            model_id=model_id, _info={**info, "model_id": model_id}, locale=locale, **options
        )
        self._tell_selected()
        self.on_msg(self._receive)

    # ---- what the user reads -----------------------------------------------------------------

    @property
    def shown(self) -> pd.DataFrame:
        """Rows of the table that the page's filters leave, in the order in which it shows them."""
        return self._table if self._shown is None else self._table.iloc[self._shown]

    @traitlets.observe("_selected")
    def _tell_selected(self, _change: Any = None) -> None:
        self.set_trait("selected", self._table.iloc[sorted(self._selected)])

    def on_open(self, call: Callable[[pd.Series], object]) -> Callable[[], None]:
        """Call a function with each row that is double-clicked, or opened with Enter.

        Args:
            call: Takes the row, a Series; what it raises is told on the page.

        Returns:
            A function that stops it.

        Raises:
            OptionError: `call` cannot be called.
        """
        if not callable(call):
            raise OptionError(f"on_open takes a function of the row; got {call!r}.")
        self._callbacks.append(call)

        def stop() -> None:
            with contextlib.suppress(ValueError):  # stopped before
                self._callbacks.remove(call)

        return stop

    # ---- what the page asks ------------------------------------------------------------------

    def _receive(self, _widget: Any, content: Any, _buffers: Any) -> None:
        request = content.get("id") if isinstance(content, Mapping) else None
        try:
            if not isinstance(content, Mapping):
                raise WidgetError(f"A request must be a JSON object; got {content!r:.80}.")
            self._answer(str(request), content)
        except Exception as error:  # told to the page, and logged where it is a fault of ours
            self._reply(failure_of(str(request), error), [])

    def _answer(self, request: str, content: Mapping[str, Any]) -> None:
        match content.get("op"):
            case "thumbnail":
                self._pictures.want(request, self._row_in(content), 1)
            case "preview":
                self._pictures.want(request, self._row_in(content), _NUM_PREVIEWED)
            case "cancel":
                requests = content.get("requests")
                if not isinstance(requests, list):
                    raise WidgetError(f"Requests come as a list; got {requests!r:.80}.")
                self._pictures.cancel([str(each) for each in requests])
            case "open":
                row = self._table.iloc[self._row_in(content)]
                for call in list(self._callbacks):
                    call(row)
                self._reply({"id": request, "result": {}}, [])
            case other:
                raise WidgetError(f"The gallery knows no request {other!r:.80}.")

    def _row_in(self, content: Mapping[str, Any]) -> int:
        row = content.get("row")
        if type(row) is not int or not 0 <= row < len(self._table):
            raise WidgetError(
                f"Rows are numbered from 0 to {len(self._table) - 1}; got {row!r:.80}."
            )
        return row

    def _reply(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.send(content, buffers)

    # ---- life --------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop its work, and take it off every page. Shown again, it comes back."""
        if "_pictures" in self.__dict__:  # not where an option was refused before it was made
            self._pictures.close()
        super().close()

    @property
    def _model_names(self) -> list[str]:
        """Names of the models whose answers it shows; a table may not tell that of the only one."""
        models = self._info["models"]
        return [each["title"] for each in models if each["title"] != each["predicted"]]

    def _ipython_display_(self) -> None:
        kept.display_with_words(self, kept.kept_gallery_html)

    def __repr__(self) -> str:
        count = len(self._table)
        return f"<Gallery of {count:,} {'clip' if count == 1 else 'clips'}>"


# ---------------------------------------------------------------- the table


def _table_of(given: Any) -> tuple[pd.DataFrame, str]:
    """Return a table, or a study's or an evaluation's, and the model's title where there is one.

    Raises:
        OptionError: It is none of these, has no column ``video``, or one of its columns twice.
    """
    import pandas as pd

    table, title = given, ""
    if not isinstance(given, pd.DataFrame):
        of_study = getattr(given, "clips", None)
        is_study = isinstance(of_study, pd.DataFrame)
        table = of_study if is_study else getattr(given, "predictions", None)
        title = str(getattr(given, "title", ""))
    if not isinstance(table, pd.DataFrame):
        raise OptionError(
            "A gallery is of a DataFrame with a column 'video', a Study or an Evaluation; got "
            f"{type(given).__name__}."
        )
    names = [str(each) for each in table.columns]
    if "video" not in names:
        raise OptionError(
            f"The table needs a column 'video' with paths; it has {', '.join(names) or 'none'}."
        )
    twice = next((each for each in names if names.count(each) > 1), None)
    if twice is not None:
        raise OptionError(f"The table has the column {twice!r} more than once; rename one of them.")
    return table.copy(), title


@dataclass(frozen=True)
class _Clip:
    """What a row shows: a file, or a segment of it."""

    path: Path | None
    start_seconds: float | None
    end_seconds: float | None


def _clips_of(table: pd.DataFrame, folder: str | os.PathLike[str] | None) -> list[_Clip]:
    """Return what each row shows.

    Raises:
        OptionError: A time is not a number.
    """
    base = Path("" if folder is None else folder).expanduser().absolute()
    names = {str(each): each for each in table.columns}

    def times(name: str) -> list[float | None]:
        return _numbers(table[names[name]]) if name in names else [None] * len(table)

    return [
        _Clip(None if name is None else base / name, start, end)
        for name, start, end in zip(
            _texts(table[names["video"]], is_path=True),
            times("start_seconds"),
            times("end_seconds"),
            strict=True,
        )
    ]


def _describe(
    table: pd.DataFrame, title: str, wanted: Sequence[str], language: str
) -> dict[str, Any]:
    """Return every column as the page reads it, and which of them mean what.

    Raises:
        OptionError: A column has values of the wrong kind, or `wanted` names one there is not.
    """
    names = [str(each) for each in table.columns]
    roles = [_PREDICTED] if _PREDICTED in names else []
    roles += [each for each in names if each.startswith(f"{_PREDICTED}_")]
    for name in [wanted] if isinstance(wanted, str) else wanted:
        if name not in names:
            raise OptionError(
                f"columns names {name!r}; the table has {', '.join(names)}."
                f"{did_you_mean(str(name), names)}"
            )
    columns = {
        str(key): _column(table[key], _kind_of(name, roles))
        for key, name in zip(table.columns, names, strict=True)
    }
    models = []
    for number, predicted in enumerate(roles):
        suffix = predicted.removeprefix(_PREDICTED)
        correct = f"{_CORRECT}{suffix}"
        if correct not in columns and "label" in columns:
            columns[correct] = _compared(columns["label"], columns[predicted])
        models.append(
            {
                "title": suffix.removeprefix("_") or title or _PREDICTED,
                "letter": letter_of(number),
                "predicted": predicted,
                "probability": _known(f"{_PROBABILITY}{suffix}", columns),
                "correct": _known(correct, columns),
            }
        )
    labels = sorted(
        {text for name in ("label", *roles) if name in columns for text in columns[name]["texts"]}
    )
    shown = {label: translated(label, language) for label in labels}
    colored = labels if len(labels) <= _MAX_COLORED else []
    return {
        "num_rows": len(table),
        "columns": [{"name": name, **column} for name, column in columns.items()],
        "models": models,
        "label": _known("label", columns),
        "divergence": _known("jsd_nats", columns),
        "start": _known("start_seconds", columns),
        "end": _known("end_seconds", columns),
        "told": [wanted] if isinstance(wanted, str) else list(wanted),
        "labels": [describe_label(each, 0) for each in colored],
        "names": {label: name for label, name in shown.items() if name != label},
    }


def _known(name: str, columns: Mapping[str, Any]) -> str | None:
    return name if name in columns else None


def _kind_of(name: str, roles: Sequence[str]) -> str | None:
    """Return what a column must hold, or None where that is left to it."""
    if name in ("video", "label") or name in roles:
        return "text"
    if name == "jsd_nats":
        return "number"
    head, _, tail = name.partition("_")
    if (f"{_PREDICTED}_{tail}" if tail else _PREDICTED) in roles:
        return {_PROBABILITY: "number", _CORRECT: "flag"}.get(head)
    return None


def _column(values: pd.Series, kind: str | None) -> dict[str, Any]:
    """Return a column as the page reads it.

    Returns:
        ``kind`` "number" or "flag" with ``values``, None where there is none; or "text", with its
        different ``texts`` and for each row the ``codes`` of its own, -1 where there is none.

    Raises:
        OptionError: It holds something else than `kind`.
    """
    from pandas.api import types

    # Text is left as it is: pandas converts none with what is not Unicode, as in names of files.
    if kind is None and not any(isinstance(each, str) for each in values):
        found = values.convert_dtypes()
        if _is_numeric(found):
            kind = "flag" if types.is_bool_dtype(found) else "number"
    if kind == "flag":
        return {"kind": "flag", "values": _flags(values)}
    if kind == "number":
        return {"kind": "number", "values": _numbers(values)}
    codes: dict[str, int] = {}
    return {
        "kind": "text",
        "codes": [
            -1 if each is None else codes.setdefault(each, len(codes)) for each in _texts(values)
        ],
        "texts": list(codes),
    }


def _is_numeric(values: pd.Series) -> bool:
    from pandas.api import types

    return types.is_numeric_dtype(values) and not types.is_complex_dtype(values)


def _numbers(values: pd.Series) -> list[float | None]:
    """Return numbers, None where there is none or it is not finite."""
    found = values.convert_dtypes()
    known = found.dropna()
    if not _is_numeric(found) and len(known):
        raise OptionError(
            f"The column {str(values.name)!r} must hold numbers; it holds {known.iloc[0]!r:.80}."
        )
    # As many digits as there were: 0.984 as float32 is not 0.98400002717971802.
    digits = 7 if str(values.dtype).lower() == "float32" else 15
    numbers = found.to_numpy(dtype=np.float64, na_value=np.nan).tolist()
    return [float(f"{each:.{digits}g}") if math.isfinite(each) else None for each in numbers]


def _flags(values: pd.Series) -> list[bool | None]:
    """Return truth values, None where there is none."""
    numbers = _numbers(values)
    odd = next((each for each in numbers if each not in (None, 0.0, 1.0)), None)
    if odd is not None:
        raise OptionError(
            f"The column {str(values.name)!r} must hold True and False; it holds {odd:g}, too."
        )
    return [None if each is None else bool(each) for each in numbers]


def _texts(values: pd.Series, *, is_path: bool = False) -> list[str | None]:
    """Return values as text, None where there is none.

    Args:
        values: Of any kind.
        is_path: Keep what is not Unicode in a file's name, which can be on no page.
    """
    import pandas as pd

    found: list[str | None] = []
    for each in values:
        is_missing = bool(pd.api.types.is_scalar(each) and pd.isna(each))
        text = "" if is_missing else str(each)
        text = text if is_path else text.encode("utf-8", "replace").decode("utf-8")
        found.append(text if text.strip() else None)
    return found


def _compared(labels: Mapping[str, Any], predicted: Mapping[str, Any]) -> dict[str, Any]:
    """Return as a column whether each answer is the label, None where either is not known."""
    of_label, of_answer = [*labels["texts"], None], [*predicted["texts"], None]
    pairs = [
        (of_label[label], of_answer[answer])
        for label, answer in zip(labels["codes"], predicted["codes"], strict=True)
    ]
    values = [None if None in pair else pair[0] == pair[1] for pair in pairs]
    return {"kind": "flag", "values": values}


# ---------------------------------------------------------------- pictures


@dataclass
class _Wanted:
    """Pictures that a page waits for."""

    request: str
    clip: _Clip
    num: int
    called_off: threading.Event = field(default_factory=threading.Event)


class _Pictures:
    """Makes small pictures of clips in one thread, which ends when none are wanted.

    Previews come before thumbnails, as somebody points at one; else in order. What was made is
    kept up to `_CACHE_BYTES`, the least recently wanted forgotten first. Files are open only while
    the thread is there.

    Args:
        clips: One a row.
        reply: Sends a message and its buffers to the page; called from any thread.
    """

    def __init__(
        self, clips: Sequence[_Clip], reply: Callable[[dict[str, Any], list[bytes]], None]
    ) -> None:
        self._clips = clips
        self._reply = reply
        self._work = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wanted: list[_Wanted] = []
        self._current: _Wanted | None = None
        self._made: OrderedDict[tuple[_Clip, int], list[bytes]] = OrderedDict()
        self._num_bytes = 0

    def want(self, request: str, row: int, num: int) -> None:
        """Reply with `num` pictures of a row's clip, or fewer where it has fewer frames."""
        wanted = _Wanted(request, self._clips[row], num)
        with self._work:
            made = self._known(wanted)
            if made is None:
                at = 0 if num > 1 else len(self._wanted)
                self._wanted.insert(at, wanted)
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._run, name="vidlab-gallery", daemon=True
                    )
                    self._thread.start()
                self._work.notify_all()
                return
        self._reply({"id": request, "result": {}}, made)

    def cancel(self, requests: Sequence[str]) -> None:
        """Forget requests; they get no answer."""
        unwanted = set(requests)
        with self._work:
            self._wanted = [each for each in self._wanted if each.request not in unwanted]
            if self._current is not None and self._current.request in unwanted:
                self._current.called_off.set()

    def close(self) -> None:
        """Forget everything; the thread closes its files, and ends."""
        with self._work:
            self._thread = None
            self._wanted.clear()
            if self._current is not None:
                self._current.called_off.set()
            self._made.clear()
            self._num_bytes = 0
            self._work.notify_all()

    def _run(self) -> None:
        with _Videos() as videos:
            while (wanted := self._next()) is not None:
                self._serve(wanted, videos)

    def _next(self) -> _Wanted | None:
        """Return what to make next, or None where the thread is to end."""
        me = threading.current_thread()
        with self._work:
            if not self._wanted and self._thread is me:
                self._work.wait(_IDLE_SECONDS)
            if self._thread is not me:
                return None
            if not self._wanted:
                self._thread = self._current = None
                return None
            self._current = self._wanted.pop(0)
            return self._current

    def _serve(self, wanted: _Wanted, videos: _Videos) -> None:
        with self._work:
            made = self._known(wanted)
        answer: dict[str, Any] = {"id": wanted.request, "result": {}}
        try:
            if made is None:
                made = _read(wanted, videos)
        except Exception as error:  # told to the page, and the thread goes on
            answer, made = failure_of(wanted.request, error), []
        with self._work:
            if wanted.called_off.is_set():
                return
            if made:
                self._keep(wanted, made)
        self._reply(answer, made)

    def _known(self, wanted: _Wanted) -> list[bytes] | None:
        key = wanted.clip, wanted.num
        if key in self._made:
            self._made.move_to_end(key)
        return self._made.get(key)

    def _keep(self, wanted: _Wanted, made: list[bytes]) -> None:
        key = wanted.clip, wanted.num
        if key not in self._made:
            self._made[key] = made
            self._num_bytes += sum(map(len, made))
        while self._num_bytes > _CACHE_BYTES:
            self._num_bytes -= sum(map(len, self._made.popitem(last=False)[1]))


class _Videos:
    """Opens videos, and keeps the last few until it is left."""

    def __init__(self) -> None:
        self._open: OrderedDict[Path, Video] = OrderedDict()

    def open(self, path: Path) -> Video:
        """Return a video, opened now or before."""
        if path not in self._open:
            self._open[path] = Video(path)
            if len(self._open) > _NUM_OPEN:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(path)
        return self._open[path]

    def __enter__(self) -> _Videos:
        return self

    def __exit__(self, *_: object) -> None:
        for video in self._open.values():
            video.close()


def _read(wanted: _Wanted, videos: _Videos) -> list[bytes]:
    """Read pictures, up to the first that damage hides, or until they are called off.

    Raises:
        VideoError: There is not even one.
        WidgetError: The row names no video, or no part of it.
    """
    if wanted.clip.path is None:
        raise WidgetError("The table names no video in this row.")
    video = videos.open(wanted.clip.path)
    made: list[bytes] = []
    for number in _moments(video, wanted.clip, wanted.num):
        if wanted.called_off.is_set():
            break
        try:
            frame = video.frame_at(number)
            made.append(jpeg(frame.thumbnail(height_px=min(_PICTURE_HEIGHT_PX, frame.height))))
        except VideoError:
            if not made:
                raise
            break
    return made


def _moments(video: Video, clip: _Clip, num: int) -> list[int]:
    """Return the numbers of up to `num` different frames, each in the middle of an equal part.

    Raises:
        WidgetError: The clip is not a part of the video.
    """
    first, last = float(video.pts_seconds[0]), video.end_seconds
    start = first if clip.start_seconds is None else max(clip.start_seconds, first)
    end = last if clip.end_seconds is None else min(clip.end_seconds, last)
    if not start < end:
        given = [each for each in (clip.start_seconds, clip.end_seconds) if each is not None]
        raise WidgetError(
            f"The row's segment ({' to '.join(f'{each:.3f}' for each in given)} s) is no part of "
            f"{video.name}, which lasts from {first:.3f} to {last:.3f} s."
        )
    part = (end - start) / num
    return list(dict.fromkeys(video.index_at_time(start + part * (k + 0.5)) for k in range(num)))
