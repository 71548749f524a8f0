"""The player: a video in the notebook, with what models say about the frame on screen.

The page asks, the kernel answers, over the widget's own messages, so it works wherever the
widget does: no port, no tunnel, no base64. A request ``{id, op, …}`` gets any number of
``{id, progress}`` and then one ``{id, result}`` with binary buffers, or one
``{id, error: {type, message}}``:

========================================  ====================================================
``open {page, transcode}``                frame times and how to play (see `Player._opened`)
``read {token, offset, length}``          a piece of the video's bytes
``predictions``                           see `vidlab.widgets.payload.describe_predictions`
``release {page}``                        the page shows it no more (no answer)
========================================  ====================================================
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from vidlab.comparison import Comparison
from vidlab.core.errors import OptionError, VidlabError, WidgetError, did_you_mean
from vidlab.predictions import Predictions
from vidlab.video import Video
from vidlab.widgets.media import Playable, Preparation, title_of
from vidlab.widgets.payload import describe_predictions

_STATIC = Path(__file__).parent / "static"
_LOGGER = logging.getLogger(__name__)

# The page asks for 1 MiB at a time; nothing needs more in one message.
_MAX_PIECE_BYTES = 4 << 20
# Often enough for a bar that moves, seldom enough not to crowd the channel.
_PROGRESS_EVERY_SECONDS = 0.2

_MAX_TOP_K = 20
_MIN_SPEED, _MAX_SPEED = 0.1, 4.0


class Player(anywidget.AnyWidget):
    """Plays a video, shows what models say about the frame on screen, and a timeline.

    What Python calls frame ``i`` is the picture on screen. `frame_index`, `time_seconds`,
    `playing`, `speed` and `selection` change on both sides and can be observed.

    Args:
        video: A `Video`, or anything one can be made from.
        predictions: What models said about it: one `Predictions`, several, or a
            `Comparison`; None shows the video alone.
        top_k: Labels to list for the frame on screen, 1 to 20.
        frame_index: Frame to start at.
        speed: Playback speed, 0.1 to 4.
        overlay: Whether the first model's label is drawn on the picture.
        layout: The `ipywidgets.Layout` of the widget.

    Attributes:
        frame_index: Frame on screen, 0-based.
        time_seconds: Its timestamp, as in the predictions' tables.
        playing: Whether it plays.
        speed: Playback speed.
        overlay: Whether the first model's label is drawn on the picture.
        selection: Selected frames ``(start, stop)``, half-open, or None.

    Raises:
        OptionError: An option is unknown or out of range, or `predictions` is something else.
        VideoError: The video cannot be opened.

    Examples:
        >>> player = Player("clip.mp4", predictions)  # doctest: +SKIP
        >>> player.frame_index = 37                   # doctest: +SKIP
        >>> player.observe(print, "frame_index")      # doctest: +SKIP
    """

    _esm = _STATIC / "player.js"
    _css = _STATIC / "player.css"

    frame_index = traitlets.Int(0, help="Frame on screen, 0-based.").tag(sync=True)
    time_seconds = traitlets.Float(0.0, help="Timestamp of the frame on screen.").tag(sync=True)
    playing = traitlets.Bool(False, help="Whether the video plays.").tag(sync=True)
    speed = traitlets.Float(1.0, help="Playback speed, 0.1 to 4.").tag(sync=True)
    overlay = traitlets.Bool(False, help="Draw the label on the picture.").tag(sync=True)
    selection = traitlets.Tuple(
        traitlets.Int(), traitlets.Int(), default_value=None, allow_none=True,
        help="Selected frames (start, stop), half-open, or None.",
    ).tag(sync=True)  # fmt: skip
    _info = traitlets.Dict(help="What the page needs before it has asked.").tag(sync=True)

    _options: tuple[str, ...] = ("top_k", "frame_index", "speed", "overlay", "layout")

    def __init__(
        self,
        video: Any,
        predictions: Predictions | Sequence[Predictions] | Comparison | None = None,
        *,
        top_k: int = 5,
        frame_index: int = 0,
        speed: float = 1.0,
        overlay: bool = False,
        layout: Any = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            name = next(iter(unknown))
            raise OptionError(
                f"{type(self).__name__} has no option {name!r}; it takes "
                f"{', '.join(self._options)}.{did_you_mean(name, self._options)}"
            )
        if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= _MAX_TOP_K:
            raise OptionError(
                f"top_k must be a whole number from 1 to {_MAX_TOP_K}; got {top_k!r}."
            )
        self.video = video if isinstance(video, Video) else Video(video)
        self.predictions, self.comparison = _understand(predictions)
        for each in self.predictions:
            if each.video != self.video.name:
                raise OptionError(
                    f"The predictions are of {each.video!r}, the video is {self.video.name!r}. "
                    f"If it is the same under another name: Video(path, name={each.video!r})."
                )
        self._top_k = top_k
        self._lock = threading.RLock()
        self._is_from_page = threading.local()
        # True while this is made: the first frame's time needs no index.
        self._is_following = True
        self._preparation: Preparation | None = None
        self._playable: Playable | None = None
        self._waiting: set[str] = set()
        self._pages: set[str] = set()
        self._is_unseen = False
        self._is_replaced = False
        self._cell, self._run = _current_cell()
        self._replace_earlier_runs()
        names = self.comparison.names if self.comparison else [p.title for p in self.predictions]
        options: dict[str, Any] = {} if layout is None else {"layout": layout}
        super().__init__(
            _info={
                "name": self.video.name,
                "width": self.video.width,
                "height": self.video.height,
                "has_audio": self.video.has_audio,
                "top_k": min(top_k, *(len(p.labels) for p in self.predictions))
                if self.predictions
                else top_k,
                "models": names,
            },
            speed=speed,
            overlay=overlay,
            time_seconds=self.video.start_seconds,
            **options,
        )
        self._is_following = False
        self.on_msg(self._receive)
        if frame_index:
            self.frame_index = frame_index

    # ---- state on both sides -----------------------------------------------------------------

    def set_state(self, sync_data: Any) -> None:
        """Take over what the page says, which has checked it against the frame times."""
        self._is_from_page.value = True
        try:
            super().set_state(sync_data)
        finally:
            self._is_from_page.value = False

    @property
    def _hears_page(self) -> bool:
        return bool(getattr(self._is_from_page, "value", False))

    @traitlets.validate("frame_index")
    def _check_frame_index(self, proposal: Any) -> int:
        index = int(proposal["value"])
        if not self._hears_page and not 0 <= index < self.video.num_frames:
            raise OptionError(
                f"{self.video.name} has frames 0 to {self.video.num_frames - 1}; got {index}."
            )
        return index

    @traitlets.validate("speed")
    def _check_speed(self, proposal: Any) -> float:
        speed = float(proposal["value"])
        if not _MIN_SPEED <= speed <= _MAX_SPEED:
            raise OptionError(f"speed must be from {_MIN_SPEED} to {_MAX_SPEED:g}; got {speed}.")
        return speed

    @traitlets.validate("selection")
    def _check_selection(self, proposal: Any) -> tuple[int, int] | None:
        if proposal["value"] is None:
            return None
        start, stop = proposal["value"]
        if not self._hears_page and not 0 <= start < stop <= self.video.num_frames:
            raise OptionError(
                f"A selection is (start, stop) with 0 <= start < stop <= "
                f"{self.video.num_frames}; got ({start}, {stop})."
            )
        return start, stop

    @traitlets.observe("frame_index", "time_seconds")
    def _keep_together(self, change: Any) -> None:
        """Let the time follow the frame, and the frame the time; the page sends both."""
        if self._hears_page or self._is_following:
            return
        self._is_following = True
        try:
            if change["name"] == "frame_index":
                self.time_seconds = float(self.video.pts_seconds[change["new"]])
            else:
                self.frame_index = self.video.index_at_time(change["new"])
        finally:
            self._is_following = False

    # ---- questions from the page -------------------------------------------------------------

    def _receive(self, _widget: Any, content: Any, _buffers: Any) -> None:
        request = content.get("id", "") if isinstance(content, Mapping) else ""
        try:
            if not isinstance(content, Mapping):
                raise WidgetError(f"A request must be a JSON object; got {content!r:.80}.")
            match content.get("op"):
                case "open":
                    page, transcode = content.get("page", ""), content.get("transcode", False)
                    self._open(request, str(page), bool(transcode))
                case "read":
                    self._read(request, content)
                case "predictions":
                    self._tell_predictions(request)
                case "release":
                    self._release_page(str(content.get("page", "")))
                case other:
                    raise WidgetError(f"The player knows no request {other!r:.80}.")
        except Exception as error:
            self._fail(request, error)

    def _open(self, request: str, page: str, transcode: bool) -> None:
        with self._lock:
            self._pages.add(page)
            self._is_unseen = False
            ready = self._playable
            if ready is not None and (not transcode or ready.plan.how == "transcode"):
                self._opened(request, ready)
                return
            running = self._preparation
            if running is None or (transcode and not running.transcode):
                self._drop_media()
                running = self._prepare(transcode)
            self._waiting.add(request)
            if not running.is_alive():
                running.start()

    def _prepare(self, transcode: bool) -> Preparation:
        told = ("", 0.0)
        codec = title_of(self.video.codec)

        def on_progress(phase: str, fraction: float | None) -> None:
            nonlocal told
            now = time.monotonic()
            if phase == told[0] and now - told[1] < _PROGRESS_EVERY_SECONDS:
                return
            told = (phase, now)
            progress: dict[str, Any] = {"phase": phase, "codec": codec}
            if fraction is not None:
                progress["fraction"] = fraction
            with self._lock:
                for request in self._waiting if self._preparation is preparation else ():
                    self.send({"id": request, "progress": progress})

        def on_done(result: Playable | BaseException) -> None:
            with self._lock:
                if self._preparation is not preparation:  # called off meanwhile
                    if isinstance(result, Playable):
                        result.close()
                    return
                self._preparation = None
                waiting, self._waiting = self._waiting, set()
                if isinstance(result, Playable):
                    self._playable = result
                for request in waiting:
                    if isinstance(result, Playable):
                        self._opened(request, result)
                    else:
                        self._fail(request, result)

        preparation = self._preparation = Preparation(
            self.video, transcode=transcode, on_progress=on_progress, on_done=on_done
        )
        return preparation

    def _opened(self, request: str, playable: Playable) -> None:
        warnings = [playable.warning] if playable.warning else []
        result = {
            "token": playable.token,
            "mime": playable.plan.mime,
            "num_bytes": playable.num_bytes,
            "offset_seconds": playable.offset_seconds,
            "end_seconds": playable.end_seconds,
            "how": playable.plan.how,
            "why": playable.plan.why,
            "codec": title_of(self.video.codec),
            "coded_width": playable.width,
            "coded_height": playable.height,
            "has_audio": playable.has_audio,
            "warning": " ".join(warnings),
        }
        times = np.ascontiguousarray(playable.times, dtype="<f8").tobytes()
        self.send({"id": request, "result": result}, [times])

    def _read(self, request: str, content: Mapping[str, Any]) -> None:
        with self._lock:
            playable = self._playable
        if playable is None or playable.token != content.get("token"):
            raise WidgetError("The video was let go while it was loading. Try again.")
        offset, length = int(content["offset"]), int(content["length"])
        if offset < 0 or not 0 < length <= _MAX_PIECE_BYTES:
            raise WidgetError(f"A piece has 1 to {_MAX_PIECE_BYTES} bytes; got {length}.")
        self.send({"id": request, "result": {}}, [playable.read(offset, length)])

    def _tell_predictions(self, request: str) -> None:
        content, buffers = describe_predictions(
            self.predictions, self.comparison, top_k=self._top_k
        )
        self.send({"id": request, "result": content}, buffers)

    def _fail(self, request: str, error: BaseException) -> None:
        if isinstance(error, VidlabError):
            message = str(error)
        else:
            _LOGGER.error("vidlab's player failed", exc_info=error)
            message = f"Something went wrong in the kernel: {type(error).__name__}: {error}"
        self.send({"id": request, "error": {"type": type(error).__name__, "message": message}})

    # ---- life --------------------------------------------------------------------------------

    def _release_page(self, page: str) -> None:
        with self._lock:
            self._pages.discard(page)
            if self._pages:
                return
            self._drop_media()
            self._is_unseen = True
        self._close_if_replaced()

    def _replace_earlier_runs(self) -> None:
        """Close what earlier runs of this cell made and no page shows any more.

        The page lets go of an output when its cell starts, mostly before this one is made; if
        it does so later, `_release_page` sees to it.
        """
        if self._cell:
            made = _PLAYERS_OF_CELL.setdefault(self._cell, weakref.WeakSet())
            for other in list(made):
                if other._run != self._run:
                    other._is_replaced = True
                    other._close_if_replaced()
            made.add(self)

    def _close_if_replaced(self) -> None:
        if self._is_replaced and self._is_unseen:
            _PLAYERS_OF_CELL[self._cell].discard(self)
            self.close()

    def _drop_media(self) -> None:
        """Stop what runs and remove what was made; it can be made again."""
        with self._lock:
            preparation, self._preparation = self._preparation, None
            playable, self._playable = self._playable, None
            self._waiting.clear()
        if preparation is not None:
            preparation.stop()
        if playable is not None:
            playable.close()

    def close(self) -> None:
        """Stop its work, remove its files, and take it off every page.

        Shown again, it comes back.
        """
        if "_lock" in self.__dict__:  # not where an option was refused before it was made
            self._drop_media()
        super().close()
        # ipywidgets hides the method, so that what is closed is not shown.
        self.__dict__.pop("_repr_mimebundle_", None)

    # ---- shown in a notebook -----------------------------------------------------------------

    def __repr__(self) -> str:
        said = "; ".join(_last_answer(each) for each in self.predictions)
        size = f"{self.video.width}x{self.video.height}"
        return f"<Player of {self.video.name}, {size}{': ' if said else ''}{said}>"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if self.comm is None:
            self.open()  # closed before, and wanted again
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/plain": repr(self), "text/html": self._html()}, metadata

    def _html(self) -> str:
        """Return what viewers without widgets show: the name, and each model's last answer."""
        name = escape(self.video.name)
        size = f"{self.video.width} × {self.video.height} px"
        rows = []
        for each in self.predictions:
            top = each.top1().iloc[-1:] if len(each) else None
            for row in [] if top is None else top.itertuples():
                rows.append(
                    f"<tr><td>{escape(each.title)}</td><td>{escape(str(row.label))}</td>"
                    f"<td>{row.probability:.3f}</td><td>{row.time_seconds:.3f} s</td></tr>"
                )
        head = "<tr><th>model</th><th>label at the end</th><th>probability</th><th>time</th></tr>"
        table = f"<table>{head}{''.join(rows)}</table>" if rows else ""
        return f"<p>Player of <b>{name}</b>, {size}. Run the cell to play it.</p>{table}"


class ComparisonView(Player):
    """A comparison on its video, in step: one band a model, and where they part.

    The same widget as `Player`; `n` and `p` go to the next and previous disagreement.

    Args:
        comparison: What to show.
        video: The video, where the comparison does not hold it.
        options: As for `Player`.

    Raises:
        OptionError: `comparison` is something else, or an option is not one.
        WidgetError: The comparison holds no video, and none is given.
    """

    _options = ("video", *Player._options)

    def __init__(self, comparison: Comparison, *, video: Any = None, **options: Any) -> None:
        if not isinstance(comparison, Comparison):
            raise OptionError(
                f"ComparisonView shows a Comparison; got {type(comparison).__name__}. "
                "Make one with vidlab.compare(video, models), or use Player(video, predictions)."
            )
        if video is None:
            video = comparison.video
        if video is None:
            raise WidgetError(
                "The comparison was made without its video. Give it: "
                "ComparisonView(comparison, video='clip.mp4')."
            )
        super().__init__(video, comparison, **options)


# Players by the id of the notebook cell that made them.
_PLAYERS_OF_CELL: dict[str, weakref.WeakSet[Player]] = {}


def _current_cell() -> tuple[str, str]:
    """Return the id of the notebook cell that runs, and of this run; empty where unknown."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return "", ""
    kernel = getattr(get_ipython(), "kernel", None)
    parent = (kernel.get_parent() or {}) if kernel is not None else {}
    cell = parent.get("metadata", {}).get("cellId") or ""
    return str(cell), str(parent.get("header", {}).get("msg_id", ""))


def _understand(predictions: Any) -> tuple[list[Predictions], Comparison | None]:
    if predictions is None:
        return [], None
    if isinstance(predictions, Comparison):
        return list(predictions.predictions), predictions
    if isinstance(predictions, Predictions):
        return [predictions], None
    if isinstance(predictions, Sequence) and not isinstance(predictions, str):
        several = list(predictions)
        if all(isinstance(each, Predictions) for each in several):
            same = len({each.labels for each in several}) == 1
            same = same and len({each.video for each in several}) == 1
            if len(several) > 1 and same:
                titles = [each.title for each in several]
                names = titles if len(set(titles)) == len(titles) else None
                return several, Comparison(several, names=names)
            return several, None
    raise OptionError(
        "predictions must be what vidlab.predict or vidlab.compare returned, or a list of "
        f"predictions; got {type(predictions).__name__}."
    )


def _last_answer(predictions: Predictions) -> str:
    if not len(predictions):
        return f"{predictions.title}: no frames"
    row = predictions.top1().iloc[-1]
    return f"{predictions.title}: {row['label']} {row['probability']:.3f}"
