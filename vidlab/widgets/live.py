"""`Live`: a camera in the notebook, and what models see on it now.

The page and the kernel tell each other things over the widget's own messages, so it works
wherever the widget does, with a remote kernel too. A view has an id, which goes with all it says:

=====================================================  =========================================
``hello``, ``bye``                                     it is shown, it is taken away
``start``, ``stop``, ``reset``                         buttons
``frame {number, time_seconds, …}`` and a JPEG         a picture of the browser's camera
``told {on_screen}``                                   how late labels are on its screen
``ack {number}``                                       a picture of the kernel's was shown
=====================================================  =========================================

The kernel tells every view:

=====================================================  =========================================
``open {view}``                                        that view is to start the camera
``ack {view, number}``                                 a frame was taken
``answer {run, model, view, number, top, …}``          what a model says of a frame
``event {run, event}``                                 what a rule found
``state {state, message, run, owner, stats}``          how it goes; twice a second at most
``picture {run, number, time_seconds}`` and a JPEG     what a source of the kernel's shows
``error {view, message}``                              what was asked for could not be done
=====================================================  =========================================
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import traitlets

from vidlab.core.errors import OptionError, VidlabError, WidgetError, refuse_unknown
from vidlab.core.files import as_path
from vidlab.core.images import jpeg
from vidlab.core.label_names import check_language, translated
from vidlab.live import LiveSession, LiveSource, PushedSource, as_source
from vidlab.rules import RuleEvent, event_table, shown_titles
from vidlab.widgets import kept
from vidlab.widgets.base import Widget, script, style
from vidlab.widgets.payload import describe_label

if TYPE_CHECKING:
    import pandas as pd

    from vidlab.inference import Rate
    from vidlab.live import LiveAnswer, LiveFrame
    from vidlab.models.base import Model
    from vidlab.rules import Rule, Sequel

_LOGGER = logging.getLogger(__name__)

_MAX_TOP_K = 20
_MIN_HEIGHT_PX, _MAX_HEIGHT_PX = 64, 1080

# Pictures of the kernel's sources go to the page no faster than this, and states no faster than
# that; answers are never held back.
_PICTURE_EVERY_SECONDS = 1 / 12
_STATE_EVERY_SECONDS = 0.5

# A page that has not shown a picture for so long may have lost it.
_ACK_SECONDS = 5.0

_OPTIONS = (
    "source", "rules", "fps", "top_k", "record", "reset_on_cut", "reset_after_pause", "height_px",
    "labels", "locale", "layout",
)  # fmt: skip

_LATENCIES = ("median_ms", "p95_ms")

_OVER = ("ended", "stopped", "failed")


class Live(Widget):
    """Shows a camera, and what streaming models see on it, at once.

    Start, on the page or in Python, opens the source. The browser's camera is asked for by the
    page; its pictures go to the kernel, where the models are, and nowhere else. Only the newest
    picture waits for a model: what comes while it is busy is dropped and counted. All stops when
    no page shows it any more.

    Args:
        models: One streaming model, or several.
        source: ``"camera"``, the browser's; or what the kernel's machine sees: a camera's number,
            an ``rtsp://`` or ``http(s)://`` address, a video file played as if it were live, or
            a :class:`~vidlab.live.LiveSource`.
        rules: What to look out for: :class:`~vidlab.Rule`, or several.
        fps: Frames a second to look at; None takes each model's own rate, ``"source"`` every frame.
        top_k: Labels to list for each model, 1 to 20.
        record: A new folder to write everything to; see :class:`vidlab.Recording`. It takes one
            run.
        reset_on_cut: Whether a cut sets the models' state back.
        reset_after_pause: Seconds without a frame after which it is set back; None never.
        height_px: Height that pictures have on their way between page and kernel, 64 to 1080;
            smaller ones stay as they are.
        labels: Language to show labels in, such as ``"ko"``; None leaves them as they are, as do
            :attr:`answers`, :attr:`events` and recordings.
        locale: Language of the texts, "en" or "ko"; None takes the page's or the browser's.
        layout: The `ipywidgets.Layout` of the widget.

    Attributes:
        running: Whether it looks at something.
        locale: Language of the texts.

    Raises:
        ModelError: A model answers whole clips.
        OptionError: An option is out of range, or the folder for `record` is not empty.
        LabelMapError: A rule names a label that no model knows.
        VideoError: The source is a file that cannot be opened.

    Examples:
        >>> live = Live(model, rules=Rule("clapping", probability=0.6))  # doctest: +SKIP
        >>> live.start()                                                 # doctest: +SKIP
        >>> live.events                                                  # doctest: +SKIP
    """

    _esm = script("live.js")
    _css = style("live.css")

    running = traitlets.Bool(False, read_only=True, help="Whether it looks at something.")
    _info = traitlets.Dict(help="What the page needs before anything is seen.").tag(sync=True)

    def __init__(
        self,
        models: Model | Sequence[Model],
        source: object = "camera",
        *,
        rules: Rule | Sequel | Sequence[Rule | Sequel] = (),
        fps: Rate = None,
        top_k: int = 3,
        record: str | os.PathLike[str] | None = None,
        reset_on_cut: bool = True,
        reset_after_pause: float | None = None,
        height_px: int = 256,
        labels: str | None = None,
        locale: str | None = None,
        layout: Any = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown("Live", unknown, _OPTIONS)
        _check_whole("top_k", top_k, 1, _MAX_TOP_K)
        _check_whole("height_px", height_px, _MIN_HEIGHT_PX, _MAX_HEIGHT_PX)
        self._is_camera = isinstance(source, str) and source == "camera"
        self._source = source
        self._options: dict[str, Any] = {
            "fps": fps,
            "rules": rules,
            "reset_on_cut": reset_on_cut,
            "reset_after_pause": reset_after_pause,
            "record": record,
        }
        self._labels = check_language(labels)
        self._top_k = top_k
        self._height_px = height_px
        # What is told to the page comes from every model's thread; newer Jupyters hand over what
        # the page tells in a thread of its own.
        self._lock, self._beginning = threading.Lock(), threading.RLock()
        self._listeners: dict[str, list[Callable[[Any], object]]] = {"answer": [], "event": []}
        # What runs, or ran last; made now, so that what is wrong is told in the cell.
        self._run = 0
        self._models: Model | Sequence[Model] = models
        self._session, self._is_fresh = self._make_session(), True
        self._rules = shown_titles(self._session.rules, self._labels)
        self._newest: dict[str, LiveAnswer] = {}
        self._on_screen: list[dict[str, float] | None] = []
        self._ranks: dict[str, int] = {}
        self._told_at = -math.inf
        # Pages, oldest first, and the one whose camera it is.
        self._views: dict[str, None] = {}
        self._owner: str | None = None
        self._is_wanted = False
        self._num_pictures = 0
        self._picture_at = -math.inf
        self._is_picture_out = False
        options: dict[str, Any] = {} if layout is None else {"layout": layout}
        super().__init__(_info=self._describe(), locale=locale, **options)
        self._tell_model_id()
        self.on_msg(self._receive)

    def _make_session(self) -> LiveSession:
        source: LiveSource = PushedSource() if self._is_camera else as_source(self._source)
        return LiveSession(source, self._models, **self._options)

    def _describe(self) -> dict[str, Any]:
        models = self._session.models
        return {
            "name": self._session.source.name,
            # Until the first picture tells its own shape.
            "width": 640,
            "height": 480,
            "has_audio": False,
            "top_k": min(self._top_k, *(len(model.labels) for model in models)),
            "models": [model.title for model in models],
            "is_camera": self._is_camera,
            "picture_height": self._height_px,
            "recording": self._recording,
        }

    @property
    def _recording(self) -> str:
        """The folder that is recorded into, as Python writes it; empty where nothing is."""
        folder = self._options["record"]
        return "" if folder is None else repr(str(as_path(folder)))

    # ---- what the user does ------------------------------------------------------------------

    def start(self) -> None:
        """Begin: open the source, or let the page ask for the browser's camera.

        A page that is not there yet asks as soon as it shows this. Does nothing while it runs.

        Raises:
            OptionError: The folder for `record` has a recording in it already.
            VideoError: The source is a file that cannot be opened.
        """
        if self.running:
            return
        if not self._is_camera:
            self._begin(None)
        elif self._views:
            self.send({"kind": "open", "view": next(reversed(self._views))})
        else:
            self._is_wanted = True

    def stop(self) -> None:
        """End it: the camera goes off, and nothing runs any more.

        Raises:
            VidlabError: Something went wrong at the end, such as a full disk for `record`.
        """
        self._is_wanted = False
        if self.running:
            self._session.stop()

    def reset(self) -> None:
        """Let the models forget what they have seen, before the next frame."""
        self._session.reset()

    def on_answer(self, call: Callable[[LiveAnswer], object]) -> Callable[[], None]:
        """Call a function with each answer.

        Args:
            call: Takes a :class:`~vidlab.live.LiveAnswer`; called in the model's thread, which
                waits for it. What it raises ends the run, and is shown.

        Returns:
            A function that stops it.

        Raises:
            OptionError: `call` cannot be called.
        """
        return self._listen("answer", call)

    def on_event(self, call: Callable[[RuleEvent], object]) -> Callable[[], None]:
        """Call a function with each :class:`~vidlab.RuleEvent`; see `on_answer`."""
        return self._listen("event", call)

    def _listen(self, kind: str, call: Callable[[Any], object]) -> Callable[[], None]:
        if not callable(call):
            raise OptionError(f"on_{kind} takes a function of the {kind}; got {call!r}.")
        self._listeners[kind].append(call)

        def stop() -> None:
            with contextlib.suppress(ValueError):  # stopped before
                self._listeners[kind].remove(call)

        return stop

    # ---- what the user reads -----------------------------------------------------------------

    @property
    def answers(self) -> dict[str, list[tuple[str, float]]]:
        """The newest answer of each model: its title, and labels with their probabilities."""
        newest = self._newest.copy()  # the models' threads add to it
        return {title: list(each.top[: self._top_k]) for title, each in newest.items()}

    @property
    def events(self) -> pd.DataFrame:
        """What the rules found in this run; see :func:`vidlab.find_events` for the columns."""
        return event_table(list(self._session.events))

    @property
    def stats(self) -> pd.DataFrame:
        """How each model keeps up: a row each.

        The columns are those of :class:`~vidlab.live.TrackStats`, and ``on_screen_median_ms`` and
        ``on_screen_p95_ms``: from the camera to the label on the page, where the camera is its.
        """
        import pandas as pd

        rows = [asdict(each) for each in self._session.stats()]
        for number, row in enumerate(rows):
            told = self._on_screen[number] if number < len(self._on_screen) else None
            for name in _LATENCIES:
                row[f"on_screen_{name}"] = math.nan if told is None else told[name]
        return pd.DataFrame(rows)

    # ---- a run -------------------------------------------------------------------------------

    def _begin(self, view: str | None) -> None:
        """Start a run, with the camera of a view; one that runs is stopped for it."""
        with self._beginning:
            self._begin_alone(view)

    def _begin_alone(self, view: str | None) -> None:
        self.stop()
        if not self._is_fresh:
            self._session = self._make_session()
        self._is_fresh = False
        self._run += 1
        self._owner = view
        self._newest, self._on_screen = {}, []
        self._is_picture_out = False
        session = self._session
        session.on_answer = partial(self._take_answer, self._run)
        session.on_event = partial(self._take_event, self._run)
        session.on_state = partial(self._take_state, self._run)
        if not self._is_camera:
            session.on_frame = partial(self._show_frame, self._run)
        self.set_trait("running", True)
        try:
            session.start()
        except VidlabError:
            self.set_trait("running", False)
            raise
        self._tell_state()

    def _take_answer(self, run: int, answer: LiveAnswer) -> None:
        if run != self._run:
            return
        self._newest[answer.title] = answer
        view, number = answer.source_id if self._is_camera else (None, None)
        self.send(
            {
                "kind": "answer",
                "run": run,
                "model": answer.track,
                "view": view,
                "number": number,
                "time_seconds": answer.time_seconds,
                "epoch": answer.epoch,
                "top": self._described(answer.top[: self._top_k]),
            }
        )
        with self._lock:
            is_due = time.monotonic() - self._told_at >= _STATE_EVERY_SECONDS
        if is_due:
            self._tell_state()
        for call in list(self._listeners["answer"]):
            call(answer)

    def _described(self, top: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
        """Return labels as the page draws them; those that led once have a colour."""
        with self._lock:
            for label, _ in top[:1]:
                self._ranks.setdefault(label, len(self._ranks))
            ranks = [self._ranks.get(label) for label, _ in top]
        return [
            {
                **describe_label(label, rank),
                "label": label,
                "name": translated(label, self._labels),
                "probability": probability,
            }
            for (label, probability), rank in zip(top, ranks, strict=True)
        ]

    def _take_event(self, run: int, event: RuleEvent) -> None:
        if run != self._run:
            return
        shown = {
            "rule": self._rules[event.rule],
            "label": translated(event.label, self._labels),
        }
        self.send({"kind": "event", "run": run, "event": event.as_dict() | shown})
        for call in list(self._listeners["event"]):
            call(event)

    def _take_state(self, run: int) -> None:
        if run != self._run:
            return
        if self._session.state in _OVER:
            self.set_trait("running", False)
        self._tell_state()

    def _tell_state(self) -> None:
        with self._lock:
            self._told_at = time.monotonic()
        session = self._session
        self.send(
            {
                "kind": "state",
                # A session that was not begun, or could not be, waits for nothing.
                "state": session.state if self.running or session.state in _OVER else "idle",
                "message": session.message,
                "run": self._run,
                "owner": self._owner,
                "stats": [
                    {
                        name: value if isinstance(value, str) or math.isfinite(value) else None
                        for name, value in asdict(each).items()
                    }
                    for each in session.stats()
                ],
            }
        )

    def _show_frame(self, run: int, frame: LiveFrame) -> None:
        """Send the page a picture, if it has shown the last one."""
        now = time.monotonic()
        since = now - self._picture_at
        if since < (_ACK_SECONDS if self._is_picture_out else _PICTURE_EVERY_SECONDS):
            return
        if run != self._run or not self._views:
            return
        try:
            picture = jpeg(frame.rgb, height_px=self._height_px)
        except VidlabError:
            return  # damaged: of many pictures one, which the session counts
        self._num_pictures += 1
        self._picture_at, self._is_picture_out = now, True
        about = {"number": self._num_pictures, "time_seconds": frame.time_seconds}
        self.send({"kind": "picture", "run": run, **about}, [picture])

    # ---- what the page tells -----------------------------------------------------------------

    def _receive(self, _widget: Any, content: Any, buffers: Any) -> None:
        view = content.get("view") if isinstance(content, Mapping) else None
        if not isinstance(view, str):
            return  # nobody to answer
        try:
            self._obey(view, content, list(buffers or ()))
        except VidlabError as error:
            self.send({"kind": "error", "view": view, "message": str(error)})
        except Exception as error:  # a fault of ours: told to the page, and logged
            _LOGGER.exception("The page's message %.80r failed", content.get("kind"))
            message = f"{type(error).__name__}: {error}"
            self.send({"kind": "error", "view": view, "message": message})

    def _obey(self, view: str, content: Mapping[str, Any], buffers: list[Any]) -> None:
        match content.get("kind"):
            case "hello":
                self._views[view] = None
                self._is_picture_out = False
                self._tell_state()
                if self._is_wanted:
                    self._is_wanted = False
                    self.start()
            case "bye":
                self._views.pop(view, None)
                if not self._views or view == self._owner:
                    self.stop()
            case "start":
                self._begin(view)
            case "stop":
                self.stop()
                self._tell_state()
            case "reset":
                self.reset()
            case "frame":
                self._take_frame(view, content, buffers)
            case "told":
                if view == self._owner:
                    self._on_screen = _read_latencies(content.get("on_screen"))
            case "ack":
                self._is_picture_out = False
            case other:
                raise WidgetError(f"Live knows no message {other!r:.80}.")

    def _take_frame(self, view: str, content: Mapping[str, Any], buffers: list[Any]) -> None:
        number = content.get("number")
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise WidgetError(f"A frame has a number of 0 or more; got {number!r:.80}.")
        # Taken or not, the page may send the next one.
        self.send({"kind": "ack", "view": view, "number": number})
        source = self._session.source
        if not isinstance(source, PushedSource) or view != self._owner or not self.running:
            return
        if len(buffers) != 1 or not isinstance(buffers[0], bytes | memoryview):
            raise WidgetError(f"A frame comes with one picture; got {len(buffers)}.")
        source.push(
            bytes(buffers[0]),
            time_seconds=content.get("time_seconds", math.nan),
            source_id=(view, number),
        )

    # ---- life --------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop, and take it off every page. Shown again, it comes back."""
        if "_session" in self.__dict__:  # not where an option was refused before it was made
            self._views.clear()
            try:
                self.stop()
            finally:
                super().close()

    def _come_back(self) -> None:
        self._tell_model_id()

    def _ipython_display_(self) -> None:
        kept.display_with_words(self, kept.kept_live_html)

    def __repr__(self) -> str:
        count = len(self._session.models)
        models = "1 model" if count == 1 else f"{count} models"
        return f"<Live: {models}, source {self._session.source.name}>"


def _check_whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise OptionError(f"{name} must be a whole number from {least} to {most}; got {value!r}.")


def _read_latencies(told: Any) -> list[dict[str, float] | None]:
    """Return what a page told of its latencies, one a model; None where it has none.

    Raises:
        WidgetError: It is something else.
    """
    if not isinstance(told, list) or len(told) > 1000:
        raise WidgetError(f"Latencies come as a list, one a model; got {told!r:.80}.")
    return [_read_latency(each) for each in told]


def _read_latency(told: Any) -> dict[str, float] | None:
    if told is None:
        return None
    values: list[Any] = [told.get(each) for each in _LATENCIES] if isinstance(told, dict) else []
    if not values or not all(isinstance(each, int | float) for each in values):
        raise WidgetError(f"A latency has {' and '.join(_LATENCIES)}; got {told!r:.80}.")
    return dict(zip(_LATENCIES, values, strict=True))
