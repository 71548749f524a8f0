"""What people know about a video: truth, boxes and keypoints, checked and ready to be drawn."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError, did_you_mean
from vidlab.core.labels import LabelMap
from vidlab.core.skeletons import limbs_among
from vidlab.pose.poses import Poses
from vidlab.video import Video

if TYPE_CHECKING:
    import pandas as pd

_TRUTH_COLUMNS = ("start_seconds", "end_seconds", "label")
_BOX_COLUMNS = ("frame_index", "x_px", "y_px", "width_px", "height_px")
_BOX_EXTRAS = ("label", "confidence", "person")
_POINT_COLUMNS = ("frame_index", "person", "keypoint", "x_px", "y_px")
_POINT_EXTRAS = ("confidence",)

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
        _check_columns(given, "truth", _TRUTH_COLUMNS, ())
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


# ---- boxes and keypoints ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Rows:
    """Rows of a table about frames.

    Attributes:
        frame_index: int64 ``[N]``, never decreasing.
        hold: Frames for which a row is shown at most, until the next annotated frame.
    """

    frame_index: NDArray[np.int64]
    hold: int

    def rows_at(self, frame_index: int) -> range:
        """Return the rows that are shown with a frame."""
        stop = int(np.searchsorted(self.frame_index, frame_index, side="right"))
        if not stop or frame_index - self.frame_index[stop - 1] >= self.hold:
            return range(0)
        return range(int(np.searchsorted(self.frame_index, self.frame_index[stop - 1])), stop)


@dataclass(frozen=True)
class Boxes(_Rows):
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


@dataclass(frozen=True)
class Keypoints(_Rows):
    """Keypoints of people on frames, by frame.

    Attributes:
        person: int64 ``[N]``.
        names: Different keypoints.
        keypoint: int64 ``[N]``, number in `names`.
        xy_px: float64 ``[N, 2]``, px of the displayed frame.
        confidence: float64 ``[N]``, NaN where there is none.
        skeleton: Pairs of numbers in `names` that a line joins.
    """

    person: NDArray[np.int64]
    names: tuple[str, ...]
    keypoint: NDArray[np.int64]
    xy_px: NDArray[np.float64]
    confidence: NDArray[np.float64]
    skeleton: tuple[tuple[int, int], ...]


def read_boxes(given: Any) -> Boxes | None:
    """Understand a table of boxes; None stays None.

    Raises:
        OptionError: It is no DataFrame, or a column is missing, misspelt or holds something else.
    """
    if given is None:
        return None
    table = _sorted_table(given, "boxes", _BOX_COLUMNS, _BOX_EXTRAS)
    xywh = np.stack([_numbers(table, "boxes", name) for name in _BOX_COLUMNS[1:]], axis=1)
    if (xywh[:, 2:] < 0).any():
        raise OptionError("boxes have width_px and height_px of at least 0; some are negative.")
    label, labels = _codes(table["label"]) if "label" in table else (_none(table), ())
    frames = _numbers(table, "boxes", "frame_index").astype(np.int64)
    return Boxes(
        frame_index=frames,
        xywh_px=xywh,
        labels=labels,
        label=label,
        confidence=_confidence(table, "boxes"),
        person=_persons(table["person"]) if "person" in table else _none(table),
        hold=_usual_step(frames),
    )


def read_keypoints(given: Any, skeleton: Any) -> Keypoints | None:
    """Understand a table of keypoints; None stays None.

    Args:
        given: The table, or the poses that a model found.
        skeleton: Pairs of keypoint names; None takes those that the names are known to have.

    Raises:
        OptionError: It is no DataFrame, a column is missing, misspelt or holds something else, or
            the skeleton names a keypoint that the table does not.
    """
    if given is None:
        if skeleton is not None:
            raise OptionError("A skeleton joins keypoints, and there are none: give keypoints=.")
        return None
    if isinstance(given, Poses):
        table = given.table[[*_POINT_COLUMNS, *_POINT_EXTRAS]]
        given = table[table["confidence"] > 0]  # the others have no place
    table = _sorted_table(given, "keypoints", _POINT_COLUMNS, _POINT_EXTRAS)
    keypoint, names = _codes(table["keypoint"])
    if (keypoint < 0).any():
        raise OptionError("keypoints: column 'keypoint' has rows without a name.")
    frames = _numbers(table, "keypoints", "frame_index").astype(np.int64)
    return Keypoints(
        frame_index=frames,
        person=_persons(table["person"]),
        names=names,
        keypoint=keypoint,
        xy_px=np.stack([_numbers(table, "keypoints", name) for name in ("x_px", "y_px")], axis=1),
        confidence=_confidence(table, "keypoints"),
        skeleton=_skeleton(skeleton, names),
        hold=_usual_step(frames),
    )


def _skeleton(given: Any, names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    number = {name: index for index, name in enumerate(names)}
    if given is None:
        return tuple((number[a], number[b]) for a, b in limbs_among(names))
    pairs = []
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise OptionError(f"A skeleton is pairs of keypoint names; got {given!r}.")
    for pair in given:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise OptionError(f"A skeleton is pairs of keypoint names; got {pair!r}.")
        for name in pair:
            if name not in number:
                raise OptionError(
                    f"The skeleton names {name!r}, which is no keypoint of the table."
                    f"{did_you_mean(str(name), names)}"
                )
        pairs.append((number[pair[0]], number[pair[1]]))
    return tuple(pairs)


def _sorted_table(
    given: Any, what: str, needed: Sequence[str], extras: Sequence[str]
) -> pd.DataFrame:
    import pandas as pd

    if not isinstance(given, pd.DataFrame):
        raise OptionError(
            f"{what} must be a DataFrame with the columns {', '.join(needed)}; "
            f"got {type(given).__name__}."
        )
    _check_columns(given, what, needed, extras)
    frames = _numbers(given, what, "frame_index")
    if len(frames) and (frames.min() < 0 or (frames != np.floor(frames)).any()):
        raise OptionError(f"{what}: column 'frame_index' must hold whole numbers from 0.")
    return given.sort_values("frame_index", kind="stable", ignore_index=True)


def _check_columns(
    table: pd.DataFrame, what: str, needed: Sequence[str], extras: Sequence[str]
) -> None:
    others = [str(name) for name in table.columns if name not in (*needed, *extras)]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        hint = did_you_mean(missing[0], others).replace("Did you mean", "Is it")
        raise OptionError(
            f"{what} needs the columns {', '.join(needed)}; {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing.{hint}"
        )
    for name in others:
        # Columns of other things may stay; one that is nearly ours is a slip.
        hint = did_you_mean(name, [each for each in extras if each not in table.columns])
        if hint:
            raise OptionError(f"{what} has a column {name!r}, which nothing reads.{hint}")


def _numbers(table: pd.DataFrame, what: str, name: str) -> NDArray[np.float64]:
    try:
        values = np.asarray(table[name], dtype=np.float64)
    except (TypeError, ValueError):
        values = np.full(1, np.nan)
    if not np.isfinite(values).all():
        raise OptionError(f"{what}: column {name!r} must hold a finite number in every row.")
    return values


def _confidence(table: pd.DataFrame, what: str) -> NDArray[np.float64]:
    import pandas as pd

    if "confidence" not in table:
        return np.full(len(table), np.nan)
    values = pd.to_numeric(table["confidence"], errors="coerce").to_numpy(
        np.float64, na_value=np.nan
    )
    known = values[np.isfinite(values)]
    if len(known) and (known.min() < 0 or known.max() > 1):
        raise OptionError(f"{what}: column 'confidence' must be from 0 to 1.")
    return np.asarray(values)


def _codes(column: pd.Series[Any]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    import pandas as pd

    codes, names = pd.factorize(column, use_na_sentinel=True)
    return codes.astype(np.int64), tuple(str(name) for name in names)


def _persons(column: pd.Series[Any]) -> NDArray[np.int64]:
    import pandas as pd

    if pd.api.types.is_integer_dtype(column) and not column.isna().any():
        return column.to_numpy(np.int64)
    return _codes(column)[0]


def _none(table: pd.DataFrame) -> NDArray[np.int64]:
    return np.full(len(table), -1, dtype=np.int64)


def _usual_step(frames: NDArray[np.int64]) -> int:
    steps = np.diff(np.unique(frames))
    return max(1, int(np.median(steps))) if len(steps) else 1


# ---- which of it is drawn --------------------------------------------------------------------

#: What can be drawn on the picture.
OVERLAYS = ("label", "caption", "bars", "boxes", "keypoints")


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
