"""A gallery whose cards open in a player, where the models part."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np

from vidlab.comparison import Comparison, compare
from vidlab.core.errors import WidgetError, refuse_unknown
from vidlab.inference import predict
from vidlab.predictions import Predictions
from vidlab.video import Video
from vidlab.widgets import kept
from vidlab.widgets.gallery import Gallery
from vidlab.widgets.on_the_way import OnTheWay, answers_on_the_way
from vidlab.widgets.player import Player

if TYPE_CHECKING:
    import pandas as pd

    from vidlab.models.base import Model

_OPTIONS = ("columns", "folder", "labels", "locale")

# Of the gallery: lower than one by itself, so that the player below is seen.
_HEIGHT = "560px"

# A frame this little before a segment's start is in it: tables round to microseconds.
_SLACK_SECONDS = 1e-6


class Explorer(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A gallery of clips, and below it a player of the one that was opened last.

    Opened with a double-click or Enter, a clip is shown at the frame on which the models part
    furthest, with its label as truth, and selected where it is only a part of its video.

    Args:
        table: As for :class:`Gallery`: a :class:`~vidlab.Study`, an :class:`~vidlab.Evaluation` or
            a DataFrame.
        models: What is asked about a video when it is opened: one model, or several, in a list or
            by name. Without them, the answers that a study has kept on the way are shown: each
            model's most probable label.
        columns: As for :class:`Gallery`.
        folder: What paths are relative to; None takes the current one.
        labels: Language to show labels in, such as ``"ko"``; None shows them as they are.
        locale: Language of the texts, "en" or "ko"; None takes the page's or the browser's.

    Attributes:
        gallery: The :class:`Gallery`.
        player: The :class:`Player` of the clip that is open, or None.

    Raises:
        OptionError: As for :class:`Gallery`.

    Examples:
        >>> study = vidlab.evaluate(models, "clips/")  # doctest: +SKIP
        >>> explorer = Explorer(study, models)         # doctest: +SKIP
        >>> explorer.gallery.selected                  # doctest: +SKIP
    """

    def __init__(
        self,
        table: Any,
        models: Model | Sequence[Model] | Mapping[str, Model] | None = None,
        *,
        columns: Sequence[str] | None = None,
        folder: str | os.PathLike[str] | None = None,
        labels: str | None = None,
        locale: str | None = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown("Explorer", unknown, _OPTIONS)
        self.gallery = Gallery(
            table, columns=columns, folder=folder, labels=labels, locale=locale,
            layout={"height": _HEIGHT},
        )  # fmt: skip
        self.player: Player | None = None
        self._table = table
        self._models = models
        self._folder = Path("" if folder is None else folder).expanduser().absolute()
        self._labels, self._locale = labels, locale
        # The video of the clip that is open, and what the models said of it: other clips of the
        # same one need not wait.
        self._asked: tuple[Path, Video, Predictions | Comparison] | None = None
        super().__init__(children=[self.gallery])
        self.gallery.on_open(self._show)

    def _show(self, row: pd.Series) -> None:
        path = self._folder / str(row["video"])
        video, predictions = self._answers(path, row)
        start, end = _times(row)
        times = video.pts_seconds
        first, stop = 0, len(times)
        if start is not None:
            first = int(np.searchsorted(times, start - _SLACK_SECONDS))
        if end is not None:
            stop = int(np.searchsorted(times, end - _SLACK_SECONDS))
        if first >= stop:
            raise WidgetError(
                f"The row's segment is no part of {video.name}, which lasts from {times[0]:.3f} to "
                f"{video.end_seconds:.3f} s."
            )
        label = row.get("label")
        segment = (-math.inf if start is None else start, math.inf if end is None else end, label)
        player = Player(
            video,
            predictions,
            truth=[segment] if isinstance(label, str) else None,
            top_k=1 if isinstance(predictions, OnTheWay) else 5,
            frame_index=_frame_of_parting(predictions, first, stop),
            labels=self._labels,
            locale=self._locale,
        )
        if stop - first < len(times):
            player.selection = (first, stop)
        before, self.player = self.player, player
        self.children = [self.gallery, player]
        if before is not None:
            before.close()

    def _answers(self, path: Path, row: pd.Series) -> tuple[Video, Predictions | Comparison | None]:
        from vidlab.evaluation import Study

        if self._models is not None:
            if self._asked is None or self._asked[0] != path:
                video = Video(path)
                self._asked = path, video, _ask(self._models, video)
            return self._asked[1:]
        video = Video(path)
        if not isinstance(self._table, Study):
            return video, None
        start, _ = _times(row)
        start = video.start_seconds if start is None else start
        clip = int(row["clip"])
        return video, answers_on_the_way(self._table, clip, video, start_seconds=start)

    def close(self) -> None:
        """Take it off every page, and end its work. Shown again, it comes back."""
        if "gallery" in self.__dict__:  # not where an option was refused before it was made
            self.gallery.close()
            if self.player is not None:
                self.player.close()
        super().close()
        # ipywidgets hides the method, so that what is closed is not shown.
        self.__dict__.pop("_repr_mimebundle_", None)

    def __repr__(self) -> str:
        return f"<Explorer of {self.gallery!r}, {self.player or 'none open'}>"

    @property
    def _model_names(self) -> list[str]:
        """Names of the models whose answers it shows, or else of those that are to be asked."""
        return self.gallery._model_names or _names_of(self._models)

    def _ipython_display_(self) -> None:
        kept.display_with_words(self, kept.kept_explorer_html)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if self.comm is None:  # closed before, and wanted again
            self.gallery.open()
            self.player, self.children = None, [self.gallery]
            self.open()
        bundle = super()._repr_mimebundle_(**options)
        return None if bundle is None else {**bundle, "text/plain": repr(self)}


def _times(row: pd.Series) -> tuple[float | None, float | None]:
    """Return when a row's clip starts and ends, None for the video's own start and end."""
    given = [row.get(name) for name in ("start_seconds", "end_seconds")]
    start, end = (None if each is None or math.isnan(each) else float(each) for each in given)
    return start, end


def _names_of(models: Model | Sequence[Model] | Mapping[str, Model] | None) -> list[str]:
    if isinstance(models, Mapping):
        return list(models)
    several = models if isinstance(models, Sequence) else [models]
    return [each.title for each in several if each is not None]


def _ask(
    models: Model | Sequence[Model] | Mapping[str, Model], video: Video
) -> Predictions | Comparison:
    if not isinstance(models, Sequence | Mapping):
        return predict(video, models, progress=False)
    several = list(models.values() if isinstance(models, Mapping) else models)
    if len(several) == 1:
        return predict(video, several[0], progress=False)
    return compare(video, models, progress=False)


def _frame_of_parting(predictions: Predictions | Comparison | None, first: int, stop: int) -> int:
    """Return the frame between `first` and `stop` on which models part furthest, else `first`."""
    if isinstance(predictions, OnTheWay):
        return first if predictions.parting is None else predictions.parting
    if not isinstance(predictions, Comparison):
        return first
    grid = predictions.frame_index
    inside = np.flatnonzero((grid >= first) & (grid < stop))
    if not len(inside):
        return first
    return int(grid[inside[predictions.divergence[inside].argmax()]])
