"""The player: a video in the notebook, with what models say about the frame on screen.

The page asks, the kernel answers, over the widget's own messages, so it works wherever the
widget does: no port, no tunnel, no base64. A request ``{id, op, …}`` gets any number of
``{id, progress}`` and then one ``{id, result}`` with binary buffers, or one
``{id, error: {type, message}}``:

========================================  ====================================================
``open {page, transcode}``                frame times and how to play (see `MediaServer.open`)
``read {token, offset, length}``          a piece of the video's bytes
``segment {token, number}``               a piece of the video, cut or encoded on request
``cancel {requests}``                     those segments are not wanted any more (no answer)
``predictions``                           see `vidlab.widgets.payload.describe_predictions`
``overlays``                              see `vidlab.widgets.payload.describe_overlays`
``release {page}``                        the page shows it no more (no answer)
========================================  ====================================================
"""

from __future__ import annotations

import contextlib
import operator
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import traitlets

from vidlab.comparison import Comparison
from vidlab.core.errors import OptionError, VideoError, WidgetError, refuse_unknown
from vidlab.core.label_names import check_language, translated
from vidlab.core.naming import printable
from vidlab.predictions import TABLE_COLUMNS, Predictions
from vidlab.video import Video
from vidlab.widgets import kept, links
from vidlab.widgets.annotations import overlay_names, read_boxes, read_truth
from vidlab.widgets.base import Widget, script, style
from vidlab.widgets.curves import distance_curve, read_curves
from vidlab.widgets.heat import HeatLayer, named_layer, read_heatmaps
from vidlab.widgets.keypoints import COLORED_BY, read_keypoints
from vidlab.widgets.media import MediaServer, poster_of
from vidlab.widgets.media.server import failure_of
from vidlab.widgets.payload import describe_overlays, describe_predictions

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

    from vidlab.attribution import Heatmap
    from vidlab.pose import Poses

    Keypoints = Poses | pd.DataFrame
    Heatmaps = Heatmap | Sequence[Heatmap]

_MAX_TOP_K = 20
_MIN_SPEED, _MAX_SPEED = 0.1, 4.0


def _refuse(
    trait: traitlets.TraitType[Any, Any],
    obj: traitlets.HasTraits | None,
    value: Any,
    error: Exception | None = None,
    info: str | None = None,
) -> NoReturn:
    """Refuse in the words, and with the error, of every other option."""
    raise OptionError(f"{trait.name or 'Each'} must be {trait.info()}; got {value!r}.")


class _Whole(traitlets.Int[int, Any]):
    """A whole number, also one of a DataFrame's."""

    error = _refuse

    def validate(self, obj: Any, value: Any) -> int:
        return super().validate(obj, int(value) if isinstance(value, np.integer) else value)


class _Number(traitlets.Float[float, Any]):
    """A number, also one of a DataFrame's."""

    error = _refuse

    def validate(self, obj: Any, value: Any) -> float:
        is_numpy = isinstance(value, np.integer | np.floating)
        return super().validate(obj, float(value) if is_numpy else value)


class _YesOrNo(traitlets.Bool[bool, Any]):
    error = _refuse


class _Text(traitlets.Unicode[str, Any]):
    error = _refuse


class _Overlay(traitlets.TraitType[list[str], Any]):
    """Names of what is drawn on the picture; understands what `overlay_names` does."""

    default_value: list[str] = []  # noqa: RUF012  (traitlets' own name; never changed in place)

    def validate(self, obj: Any, value: Any) -> list[str]:
        names = overlay_names(value)
        obj._check_overlay(names)
        return names


class Player(Widget):
    """Plays a video, shows what models say about the frame on screen, and a timeline.

    What Python calls frame ``i`` is the picture on screen. `frame_index`, `time_seconds`,
    `playing`, `speed`, `selection`, `overlay`, `keypoint_color`, `heatmap_opacity`,
    `heatmap_shown`, `loop` and `threshold` change on both sides and can be observed.

    Args:
        video: A `Video`, or anything one can be made from.
        predictions: What models said about it: one `Predictions`, several, or a
            `Comparison`; None shows the video alone.
        truth: What is really to be seen: a DataFrame with start_seconds, end_seconds and label,
            and video where it is about several; a list of ``(start_seconds, end_seconds,
            label)``; or one label for all of it. A label that a model does not know is marked,
            and warned of.
        boxes: A DataFrame with frame_index, x_px, y_px, width_px, height_px and, where known,
            label, confidence and person; px of the displayed frame, from its top left.
        keypoints: :class:`~vidlab.pose.Poses`, or a DataFrame with frame_index, person, keypoint
            (a name), x_px, y_px and, where known, confidence. Several, in a list or by name, are
            drawn over one another; of the first two, if they are poses, how far each joint is
            apart is told as well (see :func:`vidlab.pose.distances`).
        skeleton: Pairs of keypoint names to join by a line; by default COCO's, where names fit.
        keypoint_color: What the colour of a skeleton tells: ``"person"``, ``"confidence"`` or
            ``"model"``; None takes the model where there are several, else the person.
        curves: A DataFrame with frame_index, up to 8 columns of numbers and, where known, person:
            curves under the picture, such as some of :func:`vidlab.pose.features`.
        heatmaps: What :func:`vidlab.attribution.grad_cam` or
            :func:`~vidlab.attribution.spatial_occlusion` returned, or a list of maps, each drawn
            until the next one, for at most the usual step; one of the whole video is drawn
            throughout. Those of several labels or models go by name, and one of them is chosen.
            Where values are negative, the map is blue.
        top_k: Labels to list for the frame on screen, 1 to 20.
        frame_index: Frame to start at.
        speed: Playback speed, 0.1 to 4.
        overlay: What is drawn on the picture: names out of "label", "caption" (the label on a
            black box at the top left, as in OpenCV's tutorials), "bars", "boxes", "keypoints" and
            "heat", or one; True is the label.
        loop: Whether the selection, or all of the video, plays again and again.
        threshold: Probability under which answers are greyed, 0 to 1, or None.
        labels: Language that labels are shown in, such as ``"ko"``; None shows them as they are.
            What Python reads stays in the label map's words.
        locale: Language of the texts, "en" or "ko". None takes the page's, where that is not
            English (JupyterLab's language pack), then the browser's; what stays in a saved
            notebook is English then.
        layout: The `ipywidgets.Layout` of the widget.

    Attributes:
        frame_index: Frame on screen, 0-based.
        time_seconds: Its timestamp, as in the predictions' tables.
        playing: Whether it plays.
        speed: Playback speed.
        overlay: Names of what is drawn on the picture.
        keypoint_color: What the colour of a skeleton tells.
        heatmap_opacity: How much heat maps cover of the picture, 0 to 1.
        heatmap_shown: Name of the heat maps that are drawn, where they have names.
        selection: Selected frames ``(start, stop)``, half-open, or None.
        loop: Whether it starts again at the end.
        threshold: Probability under which answers are greyed, or None.
        locale: Language of the texts.

    Raises:
        OptionError: An option is unknown or out of range, `predictions` is something else, or a
            table lacks a column.
        VideoError: The video cannot be opened.

    Examples:
        >>> player = Player("clip.mp4", predictions)  # doctest: +SKIP
        >>> player.frame_index = 37                   # doctest: +SKIP
        >>> stop = player.on_frame(print)             # doctest: +SKIP
        >>> player.export("labelled.mp4")             # doctest: +SKIP
    """

    _esm = script("player.js")
    _css = style()

    frame_index = _Whole(0, help="Frame on screen, 0-based.").tag(sync=True)
    time_seconds = _Number(0.0, help="Timestamp of the frame on screen.").tag(sync=True)
    playing = _YesOrNo(False, help="Whether the video plays.").tag(sync=True)
    speed = _Number(1.0, help="Playback speed, 0.1 to 4.").tag(sync=True)
    overlay = _Overlay(help="What is drawn on the picture.").tag(sync=True)
    keypoint_color = _Text("person", help="What the colour of a skeleton tells.").tag(sync=True)
    heatmap_opacity = _Number(0.5, help="How much heat maps cover, 0 to 1.").tag(sync=True)
    heatmap_shown = _Text("", help="Name of the heat maps that are drawn.").tag(sync=True)
    selection = traitlets.Any(None, help="Selected frames (start, stop), half-open, or None.").tag(
        sync=True
    )
    loop = _YesOrNo(False, help="Start again at the end.").tag(sync=True)
    threshold = _Number(
        None, allow_none=True, help="Probability under which answers are greyed, or None."
    ).tag(sync=True)
    _link = traitlets.Dict(
        default_value=None, allow_none=True, help="Which players of the page move together."
    ).tag(sync=True)
    _info = traitlets.Dict(help="What the page needs before it has asked.").tag(sync=True)
    _poster = traitlets.Bytes(help="Frame 0 as JPEG, shown until it is there.").tag(sync=True)

    # Segments that a person marks, and the name of the file they are in: an annotator's.
    _marked: Sequence[tuple[float, float, str]] = ()
    _marked_in = ""

    _options: tuple[str, ...] = (
        "truth", "boxes", "keypoints", "skeleton", "keypoint_color", "curves", "heatmaps",
        "top_k", "frame_index", "speed", "overlay", "loop", "threshold", "labels", "locale",
        "layout",
    )  # fmt: skip

    def __init__(
        self,
        video: Any,
        predictions: Predictions | Sequence[Predictions] | Comparison | None = None,
        *,
        truth: Any = None,
        boxes: pd.DataFrame | None = None,
        keypoints: Keypoints | Sequence[Keypoints] | Mapping[str, Keypoints] | None = None,
        skeleton: Sequence[tuple[str, str]] | None = None,
        keypoint_color: str | None = None,
        curves: pd.DataFrame | None = None,
        heatmaps: Heatmaps | Mapping[str, Heatmaps] | None = None,
        top_k: int = 5,
        frame_index: int = 0,
        speed: float = 1.0,
        overlay: bool | str | Sequence[str] = False,
        loop: bool = False,
        threshold: float | None = None,
        labels: str | None = None,
        locale: str | None = None,
        layout: Any = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown(type(self).__name__, unknown, self._options)
        if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= _MAX_TOP_K:
            raise OptionError(
                f"top_k must be a whole number from 1 to {_MAX_TOP_K}; got {top_k!r}."
            )
        self._language = check_language(labels)
        self.video = video if isinstance(video, Video) else Video(video)
        self.predictions, self.comparison = _understand(predictions)
        for each in self.predictions:
            if each.video != self.video.name:
                raise OptionError(
                    f"The predictions are of {each.video!r}, the video is {self.video.name!r}. "
                    f"If it is the same under another name: Video(path, name={each.video!r})."
                )
        self._truth = read_truth(truth, video=self.video.name)
        if self._truth is not None:
            self._truth.warn_of_unknown(
                [
                    (name, each.labels)
                    for name, each in zip(self.model_names, self.predictions, strict=True)
                ]
            )
        self._boxes = read_boxes(boxes)
        self._bodies = read_keypoints(keypoints, skeleton)
        self._curves = read_curves(curves)
        if self._bodies is not None and self._bodies.gaps is not None:
            self._curves = (distance_curve(self._bodies.gaps), *self._curves)
        self._heat = read_heatmaps(heatmaps, height_px=self.video.height, width_px=self.video.width)
        if keypoint_color is None:
            is_several = self._bodies is not None and len(self._bodies.layers) > 1
            keypoint_color = "model" if is_several else "person"
        self._top_k = top_k
        self._lock = threading.RLock()
        self._is_from_page = threading.local()
        # True while this is made: the first frame's time needs no index.
        self._is_following = True
        self._is_led = False
        self._media = MediaServer(self.video, self._reply)
        self._pages: set[str] = set()
        self._is_unseen = True
        self._is_replaced = False
        self._cell, self._run = _current_cell()
        self._replace_earlier_runs()
        options: dict[str, Any] = {} if layout is None else {"layout": layout}
        super().__init__(
            _info=self._describe(),
            speed=speed,
            overlay=overlay,
            keypoint_color=keypoint_color,
            heatmap_shown=self._heat[0].name if self._heat else "",
            loop=loop,
            threshold=threshold,
            locale=locale,
            time_seconds=self.video.start_seconds,
            **options,
        )
        self._is_following = False
        self._tell_model_id()
        self.on_msg(self._receive)
        if frame_index == 0:
            return
        try:
            self.frame_index = frame_index
        except OptionError:
            self.close()  # ipywidgets keeps it otherwise
            raise

    @property
    def _drawable(self) -> list[str]:
        """Overlays for which there is something to draw."""
        return [
            *(("label", "caption", "bars") if self.predictions else ()),
            *(("boxes",) if self._boxes is not None else ()),
            *(("keypoints",) if self._bodies is not None else ()),
            *(("heat",) if self._heat else ()),
        ]

    @property
    def _heat_shown(self) -> HeatLayer | None:
        """The heat maps that are drawn where an overlay draws any."""
        return named_layer(self._heat, self.heatmap_shown) if self._heat else None

    def _describe(self) -> dict[str, Any]:
        top_k = min([self._top_k, *(len(each.labels) for each in self.predictions)])
        return {
            "name": printable(self.video.name),
            "width": self.video.width,
            "height": self.video.height,
            "has_audio": self.video.has_audio,
            "top_k": top_k,
            "models": self.model_names,
            "has_truth": self._truth is not None,
            "overlays": self._drawable,
            "keypoints": [each.title for each in self._bodies.layers] if self._bodies else [],
            "curves": [each.name for each in self._curves],
            "heatmaps": [
                {"name": each.name, "shown": translated(each.name, self._language)}
                for each in self._heat
            ],
        }

    @property
    def model_names(self) -> list[str]:
        """What each model is called on the page, in the predictions' order."""
        if self.comparison is not None:
            return list(self.comparison.names)
        return [each.title for each in self.predictions]

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
        given = proposal["value"]
        if given is None:
            return None
        try:
            start, stop = map(operator.index, given)
        except (TypeError, ValueError):
            start = stop = 0
        is_inside = self._hears_page or stop <= self.video.num_frames
        if not (0 <= start < stop and is_inside):
            raise OptionError(
                f"A selection is (start, stop) with 0 <= start < stop <= "
                f"{self.video.num_frames}; got {given!r}."
            )
        return start, stop

    @traitlets.validate("keypoint_color")
    def _check_keypoint_color(self, proposal: Any) -> str:
        value = str(proposal["value"])
        if value not in COLORED_BY:
            raise OptionError(
                f"keypoint_color must be one of {', '.join(COLORED_BY)}; got {value!r}."
            )
        return value

    @traitlets.validate("heatmap_opacity")
    def _check_heatmap_opacity(self, proposal: Any) -> float:
        value: float = proposal["value"]
        if not 0.0 <= value <= 1.0:
            raise OptionError(f"heatmap_opacity must be from 0 to 1; got {value}.")
        return value

    @traitlets.validate("heatmap_shown")
    def _check_heatmap_shown(self, proposal: Any) -> str:
        name: str = proposal["value"]
        return named_layer(self._heat, name).name if self._heat or name else name

    @traitlets.validate("threshold")
    def _check_threshold(self, proposal: Any) -> float | None:
        value: float | None = proposal["value"]
        if value is not None and not 0.0 <= value <= 1.0:
            raise OptionError(f"threshold is a probability from 0 to 1, or None; got {value}.")
        return value

    @traitlets.validate("time_seconds")
    def _check_time(self, proposal: Any) -> float:
        """Take the timestamp of the frame on screen then; the page's own words are that already."""
        value: float = proposal["value"]
        if self._hears_page or self._is_following:
            return value
        return float(self.video.pts_seconds[self.video.index_at_time(value)])

    def _check_overlay(self, names: Sequence[str]) -> None:
        source = {"boxes": "boxes=", "keypoints": "keypoints=", "heat": "heatmaps="}
        for name in names:
            if name not in self._drawable and not self._hears_page:
                raise OptionError(
                    f"There is nothing to draw for the overlay {name!r}: this player was made "
                    f"without {source.get(name, 'predictions')}."
                )

    @traitlets.observe("frame_index", "time_seconds")
    def _keep_together(self, change: Any) -> None:
        """Let the time follow the frame, and the frame the time; the page sends both."""
        if not self._hears_page and not self._is_following:
            self._is_following = True
            try:
                if change["name"] == "frame_index":
                    self.time_seconds = float(self.video.pts_seconds[change["new"]])
                else:
                    self.frame_index = self.video.index_at_time(change["new"])
            finally:
                self._is_following = False
        if change["name"] == "frame_index":
            links.follow(self, ("frame_index",))

    @traitlets.observe("playing", "speed")
    def _tell_linked(self, change: Any) -> None:
        links.follow(self, (change["name"],))

    def link(self, other: Player, *, by: str = "time", offset_seconds: float = 0.0) -> None:
        """Let two players move, play, pause and change speed together, until `unlink`.

        Linking a third to either joins it to both.

        Args:
            other: The player that follows, and leads as well.
            by: ``"time"``: the same timestamp; ``"frame"``: the same frame number.
            offset_seconds: What to add to this player's timestamp to get the other's.

        Raises:
            OptionError: `by` or `other` is something else.
        """
        links.link(self, other, by=by, offset_seconds=offset_seconds)

    def unlink(self) -> None:
        """Let this player go its own way again."""
        links.unlink(self)

    # ---- what the user reads -----------------------------------------------------------------

    @property
    def selected(self) -> pd.DataFrame:
        """Rows of the predictions whose frames are selected, all models below each other.

        The columns are those of `Predictions.table`; without a selection there are no rows.
        """
        import pandas as pd

        tables = [each.table for each in self.predictions]
        if not tables:
            return pd.DataFrame(columns=list(TABLE_COLUMNS))
        start, stop = self.selection or (0, 0)
        chosen = [
            table[(table["frame_index"] >= start) & (table["frame_index"] < stop)]
            for table in tables
        ]
        rows: pd.DataFrame = pd.concat(chosen, ignore_index=True)
        return rows

    def on_frame(self, call: Callable[[int], Any]) -> Callable[[], None]:
        """Call a function with the number of each frame that comes on screen.

        Args:
            call: Takes the 0-based frame index; called in the kernel's main thread.

        Returns:
            A function that stops it.

        Raises:
            OptionError: `call` cannot be called.
        """
        if not callable(call):
            raise OptionError(f"on_frame takes a function of the frame index; got {call!r}.")

        def hear(change: Any) -> None:
            call(change["new"])

        def stop() -> None:
            with contextlib.suppress(ValueError):  # stopped before
                self.unobserve(hear, "frame_index")

        self.observe(hear, "frame_index")
        return stop

    # ---- pictures and files ------------------------------------------------------------------

    def snapshot(
        self,
        frame_index: int | None = None,
        *,
        width_px: int | None = None,
        overlay: bool | str | Sequence[str] | None = None,
    ) -> Image.Image:
        """Return a frame with its overlays as a picture.

        Args:
            frame_index: Which; None takes the one on screen.
            width_px: Width of the picture; None keeps the frame's. Overlays are drawn at this
                size, so text is sharp.
            overlay: What to draw; None draws what the player shows.

        Raises:
            FrameRangeError: There is no such frame.
            OptionError: An option is out of range.
            VideoDecodeError: The frame cannot be read.
        """
        from vidlab.widgets import export

        return export.snapshot(self, frame_index, width_px=width_px, overlay=overlay)

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        start: int | None = None,
        stop: int | None = None,
        overlay: bool | str | Sequence[str] | None = None,
        width_px: int | None = None,
        progress: bool = True,
    ) -> Path:
        """Write the video with its overlays burned in, atomically.

        Frames keep their timestamps (a variable rate stays variable), sound stays in step. A
        ``.gif`` has no sound and counts in hundredths of a second.

        Args:
            path: An ``.mp4`` (H.264 and AAC) or a ``.gif``.
            start: First frame; without `start` and `stop`, the selection's frames are written, or
                all.
            stop: Frame to end before.
            overlay: What to draw; None draws what the player shows.
            width_px: Width of the pictures; None keeps the frames'.
            progress: Show a progress bar.

        Returns:
            The path.

        Raises:
            OptionError: The suffix is another, an option is out of range, or the file cannot
                be written.
            VideoDecodeError: A frame cannot be read.
        """
        from vidlab.widgets import export

        return export.export(
            self, path, start=start, stop=stop, overlay=overlay, width_px=width_px,
            progress=progress,
        )  # fmt: skip

    def save_html(self, path: str | os.PathLike[str], *, max_mb: float = 20.0) -> Path:
        """Write one HTML file that plays and scrubs without kernel and network, atomically.

        Args:
            path: The ``.html`` file.
            max_mb: Size that the file may have, in 10^6 bytes. The video's own bytes go in where
                they fit and browsers play them; else it is encoded again, smaller as needed.

        Returns:
            The path.

        Raises:
            OptionError: `max_mb` is too small for the video, or the file cannot be written.
            VideoDecodeError: A frame cannot be read.
        """
        from vidlab.widgets import page

        return page.save_html(self, path, max_mb=max_mb)

    # ---- questions from the page -------------------------------------------------------------

    def _show_poster(self) -> None:
        """Send the page its first picture, before it asks and whatever the cell does next."""
        if not self._poster:
            # A video that has gone is told of when the page asks for it.
            with contextlib.suppress(VideoError):
                self._poster = poster_of(self.video)

    def _receive(self, _widget: Any, content: Any, _buffers: Any) -> None:
        request = content.get("id", "") if isinstance(content, Mapping) else ""
        try:
            if not isinstance(content, Mapping):
                raise WidgetError(f"A request must be a JSON object; got {content!r:.80}.")
            self._answer(request, content)
        except Exception as error:  # told to the page, and logged where it is a fault of ours
            self._reply(failure_of(request, error), [])

    def _answer(self, request: str, content: Mapping[str, Any]) -> None:
        token = str(content.get("token", ""))
        if content.get("op") != "release":
            self._is_unseen = False
        match content.get("op"):
            case "open":
                page = str(content.get("page", ""))
                with self._lock:
                    self._pages.add(page)
                self._show_poster()
                self._media.open(request, page, bool(content.get("transcode", False)))
            case "read":
                offset, length = _whole_in(content, "offset"), _whole_in(content, "length")
                self._media.read(request, token, offset, length)
            case "segment":
                self._media.segment(request, token, _whole_in(content, "number"))
            case "cancel":
                requests = content.get("requests")
                if not isinstance(requests, list):
                    raise WidgetError(f"Requests come as a list; got {requests!r:.80}.")
                self._media.cancel([str(each) for each in requests])
            case "predictions":
                self._tell_predictions(request)
            case "overlays":
                told, buffers = describe_overlays(
                    self._boxes, self._bodies, self._curves, self._heat, language=self._language
                )
                self._reply({"id": request, "result": told}, buffers)
            case "release":
                self._release_page(str(content.get("page", "")))
            case other:
                raise WidgetError(f"The player knows no request {other!r:.80}.")

    def _reply(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.send(content, buffers)

    def _tell_predictions(self, request: str) -> None:
        content, buffers = describe_predictions(
            self.predictions,
            self.comparison,
            top_k=self._top_k,
            truth=[] if self._truth is None else self._truth.in_frames(self.video),
            language=self._language,
        )
        self.send({"id": request, "result": content}, buffers)

    # ---- life --------------------------------------------------------------------------------

    def _release_page(self, page: str) -> None:
        with self._lock:
            self._pages.discard(page)
            self._is_unseen = not self._pages
        self._media.release(page)
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

    def close(self) -> None:
        """Stop its work, and take it off every page.

        Shown again, it comes back.
        """
        if "_media" in self.__dict__:  # not where an option was refused before it was made
            self._media.close()
            self._pages.clear()
            links.unlink(self)
        super().close()

    # ---- shown in a notebook -----------------------------------------------------------------

    def __repr__(self) -> str:
        said = "; ".join(_last_answer(each) for each in self.predictions)
        size = f"{self.video.width}x{self.video.height}"
        return printable(f"<Player of {self.video.name}, {size}{': ' if said else ''}{said}>")

    def _come_back(self) -> None:
        self._tell_model_id()
        self._media = MediaServer(self.video, self._reply)

    def _ipython_display_(self) -> None:
        kept.display_with_copy(self, [self])


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


def _whole_in(content: Mapping[str, Any], name: str) -> int:
    """Return a whole number of a request.

    Raises:
        WidgetError: It has none.
    """
    value = content.get(name)
    if type(value) is not int:
        raise WidgetError(f"{name} is a whole number; got {value!r:.80}.")
    return value
