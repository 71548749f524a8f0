"""What people know about a video: truth and boxes, checked and ready to be drawn."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError, did_you_mean
from vidlab.core.labels import LabelMap
from vidlab.video import Video
from vidlab.widgets.tables import (
    Rows,
    check_columns,
    codes,
    confidence,
    none,
    numbers,
    persons,
    sorted_table,
    usual_step,
)

_TRUTH_COLUMNS = ("start_seconds", "end_seconds", "label")
_BOX_COLUMNS = ("frame_index", "x_px", "y_px", "width_px", "height_px")
_BOX_EXTRAS = ("label", "confidence", "person")

# A segment that starts this little after a frame holds it: tables round to microseconds.
_SLACK_SECONDS = 1e-6


# ---- truth -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """What is really to be seen, and when.

    Attributes:
        segments: ``(start_seconds, end_seconds, label)``, half-open, by start; times are those of
            the frames. Infinite times stand for the ends of the video.
    """

    segments: tuple[tuple[float, float, str], ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Different labels, in order of time."""
        return tuple(dict.fromkeys(label for _, _, label in self.segments))

    def in_frames(self, video: Video) -> list[tuple[int, int, str]]:
        """Return ``(start, stop, label)`` in frames, half-open, without empty ones."""
        times = video.pts_seconds
        found = []
        for start, end, label in self.segments:
            first, last = np.searchsorted(times, [start - _SLACK_SECONDS, end - _SLACK_SECONDS])
            if first < last:
                found.append((int(first), int(last), label))
        return found

    def warn_of_unknown(self, models: Sequence[tuple[str, LabelMap]]) -> None:
        """Warn of labels that a model cannot say: misspelt, or of another label map.

        Args:
            models: Each one's name and labels.
        """
        for label in self.labels:
            without = [(name, labels) for name, labels in models if label not in labels]
            if without:
                names = ", ".join(name for name, _ in without)
                warnings.warn(
                    f"The truth has the label {label!r}, which is none of those that {names} "
                    "can give. What is said there counts as neither right nor wrong."
                    f"{did_you_mean(label, without[0][1])}",
                    stacklevel=3,
                )


def read_truth(given: Any, *, video: str) -> Truth | None:
    """Understand what was given as truth.

    Args:
        given: A DataFrame with start_seconds, end_seconds and label, of which, where it has a
            column video, only the rows of this one count; triples of the same; one label for the
            whole video; or None.
        video: Name of the video.

    Raises:
        OptionError: It is something else, or a segment ends before it starts.
    """
    if given is None:
        return None
    if isinstance(given, str):
        return Truth(((-np.inf, np.inf, given),))
    import pandas as pd

    if isinstance(given, pd.DataFrame):
        check_columns(given, "truth", _TRUTH_COLUMNS, ())
        given = _rows_of_video(given, video)
        rows: Iterable[Any] = given[list(_TRUTH_COLUMNS)].itertuples(index=False, name=None)
    elif isinstance(given, Sequence):
        rows = given
    else:
        raise OptionError(_truth_expected(type(given).__name__))
    segments = sorted(_segment(row) for row in rows)
    return Truth(tuple(segments))


def _rows_of_video(table: Any, video: str) -> Any:
    if "video" not in table or not len(table):
        return table
    names = table["video"].map(lambda each: PurePath(str(each)).name)
    if not (names == PurePath(video).name).any():
        raise OptionError(
            f"The truth has no segment of {video}; its column video names "
            f"{', '.join(sorted(set(names))[:5])}."
        )
    return table[names == PurePath(video).name]


def _segment(row: Any) -> tuple[float, float, str]:
    try:
        start, end, label = row
        start, end = float(start), float(end)
    except (TypeError, ValueError):
        raise OptionError(_truth_expected(repr(row))) from None
    if not start < end or not isinstance(label, str):
        raise OptionError(
            f"A segment of the truth starts before it ends, in seconds, and has a label; "
            f"got {row!r}."
        )
    return start, end, label


def _truth_expected(got: str) -> str:
    return (
        "truth must be a DataFrame with start_seconds, end_seconds and label, a list of "
        f"(start_seconds, end_seconds, label), or one label for the whole video; got {got:.80}."
    )


# ---- boxes -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Boxes(Rows):
    """Boxes on frames, by frame.

    Attributes:
        xywh_px: float64 ``[N, 4]``: left, top, width, height in px of the displayed frame.
        labels: Different labels.
        label: int64 ``[N]``, number in `labels`, -1 where there is none.
        confidence: float64 ``[N]``, NaN where there is none.
        person: int64 ``[N]``, -1 where there is none.
    """

    xywh_px: NDArray[np.float64]
    labels: tuple[str, ...]
    label: NDArray[np.int64]
    confidence: NDArray[np.float64]
    person: NDArray[np.int64]


def read_boxes(given: Any) -> Boxes | None:
    """Understand a table of boxes; None stays None.

    Raises:
        OptionError: It is no DataFrame, or a column is missing, misspelt or holds something else.
    """
    if given is None:
        return None
    table = sorted_table(given, "boxes", _BOX_COLUMNS, _BOX_EXTRAS)
    xywh = np.stack([numbers(table, "boxes", name) for name in _BOX_COLUMNS[1:]], axis=1)
    if (xywh[:, 2:] < 0).any():
        raise OptionError("boxes have width_px and height_px of at least 0; some are negative.")
    label, labels = codes(table["label"]) if "label" in table else (none(table), ())
    frames = numbers(table, "boxes", "frame_index").astype(np.int64)
    return Boxes(
        frame_index=frames,
        xywh_px=xywh,
        labels=labels,
        label=label,
        confidence=confidence(table, "boxes"),
        person=persons(table["person"]) if "person" in table else none(table),
        hold=usual_step(frames),
    )


# ---- which of it is drawn --------------------------------------------------------------------

#: What can be drawn on the picture.
OVERLAYS = ("label", "caption", "bars", "boxes", "keypoints", "heat")


def overlay_names(given: Any) -> list[str]:
    """Understand an ``overlay`` option: True, False, None, one name, or several.

    Raises:
        OptionError: It is something else, or an overlay is unknown.
    """
    if given is None or given is False:
        return []
    if given is True:
        return ["label"]
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list | tuple | set | frozenset):
        raise OptionError(
            f"overlay must be True, False, or names out of {', '.join(OVERLAYS)}; got {given!r}."
        )
    for name in names:
        if name not in OVERLAYS:
            hint = did_you_mean(name, OVERLAYS) if isinstance(name, str) else ""
            raise OptionError(
                f"There is no overlay {name!r}; there are {', '.join(OVERLAYS)}.{hint}"
            )
    return [name for name in OVERLAYS if name in names]
