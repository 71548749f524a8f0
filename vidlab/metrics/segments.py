"""When something happens: answers turned into segments, and how well segments are found.

Segments are tables, one row each: ``video, start_seconds, end_seconds, label``, and those that were
found have a ``probability`` too::

    found = segments_of(preds.time_seconds, preds.probabilities, labels=preds.labels,
                        video=preds.video)
    temporal_map(truth, found).mean              # ActivityNet's average mAP

To put an interval around it, resample the videos (:mod:`vidlab.metrics.significance`)::

    matches = match_segments(truth, found, videos=names)
    cluster_bootstrap(matches.mean_ap, matches.videos)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidlab.core.errors import OptionError, PredictionsError
from vidlab.metrics import checks

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("video", "start_seconds", "end_seconds", "label")

#: Caba Heilbron et al. 2015, ActivityNet: overlaps from 0.50 to 0.95.
ACTIVITYNET_IOU = tuple(float(each) for each in np.linspace(0.5, 0.95, 10))


# ---------------------------------------------------------------- from answers to segments


def segments_of(
    time_seconds: ArrayLike,
    probabilities: ArrayLike,
    *,
    labels: Sequence[str],
    video: str,
    end_seconds: float | None = None,
    threshold: float = 0.5,
    min_seconds: float = 0.0,
    max_gap_seconds: float = 0.0,
) -> pd.DataFrame:
    """Turn the answers to one video into segments, each label by itself.

    A segment is a stretch in which a label's probability is at least `threshold`. First those that
    are near each other are joined, then the short ones left out. An answer holds until the next
    one; of several at one time the last holds.

    Args:
        time_seconds: ``[N]``, when each answer was given, in order.
        probabilities: ``[N, C]``.
        labels: C labels.
        video: Name of the video.
        end_seconds: Until when the last answer holds; None for the usual time between answers.
        threshold: Least probability, from 0 to 1. Below 0.5, segments of several labels overlap.
        min_seconds: Segments that are shorter are left out.
        max_gap_seconds: Segments of a label with no more than this between them become one, gap
            and all; 0 keeps them apart.

    Returns:
        Columns ``video, start_seconds, end_seconds, label, probability`` in order of start, then of
        the label map. The probability is the mean over the segment's time.

    Raises:
        PredictionsError: The arrays do not fit, are empty, hold what is no probability, or times
            go back.
        OptionError: An option is out of range; the labels are not as many as the columns; or
            `end_seconds` is not after the last answer, or missing where there is but one.
    """
    import pandas as pd

    times, answers = checks.times(time_seconds), checks.probabilities(probabilities)
    checks.same_length(time_seconds=times, probabilities=answers)
    if len(labels) != answers.shape[1]:
        raise OptionError(
            f"labels name the columns of the probabilities; got {len(labels)} labels for "
            f"{answers.shape[1]} columns."
        )
    if not 0 <= threshold <= 1:
        raise OptionError(f"threshold must be between 0 and 1; got {threshold!r}.")
    shortest = checks.not_negative(min_seconds, what="min_seconds")
    widest = checks.not_negative(max_gap_seconds, what="max_gap_seconds")
    is_last = np.append(np.diff(times) > 0, True)
    times, answers = times[is_last], answers[is_last]
    edges = np.append(times, _end(times, end_seconds))
    # Of each label, the time-weighted sum of probabilities up to each edge.
    sums = np.cumsum(answers.astype(np.float64) * np.diff(edges)[:, None], axis=0)
    sums = np.concatenate([np.zeros((1, answers.shape[1])), sums])
    rows = []
    for number in np.flatnonzero((answers >= threshold).any(axis=0)).tolist():
        is_on = np.concatenate([[False], answers[:, number] >= threshold, [False]])
        starts, stops = np.flatnonzero(np.diff(is_on)).reshape(-1, 2).T
        is_apart = edges[starts[1:]] - edges[stops[:-1]] > widest + checks.SLACK_SECONDS
        starts, stops = starts[np.append(True, is_apart)], stops[np.append(is_apart, True)]
        lengths = edges[stops] - edges[starts]
        means = (sums[stops, number] - sums[starts, number]) / lengths
        rows += [
            (video, start, end, labels[number], mean)
            for start, end, mean in zip(edges[starts], edges[stops], means, strict=True)
            if end - start >= shortest - checks.SLACK_SECONDS
        ]
    table = pd.DataFrame(rows, columns=[*_COLUMNS, "probability"])
    table = table.astype(
        {"video": "str", "label": "str"}
        | dict.fromkeys(("start_seconds", "end_seconds", "probability"), "float64")
    )
    return table.sort_values("start_seconds", kind="stable", ignore_index=True)


def _end(times: NDArray[np.float64], end_seconds: float | None) -> float:
    if end_seconds is None:
        if len(times) < 2:
            raise OptionError("How long a single answer holds is not known: give end_seconds.")
        return float(times[-1] + np.median(np.diff(times)))
    if not times[-1] < end_seconds < math.inf:
        raise OptionError(
            f"end_seconds must be after the last answer, at {times[-1]} s; got {end_seconds!r}."
        )
    return float(end_seconds)


# ---------------------------------------------------------------- how well they are found


@dataclass(frozen=True, eq=False)
class TemporalMap:
    """Average precision of each label at each overlap, from 0 to 1.

    Attributes:
        labels: Those of which there are segments, sorted.
        iou: The overlaps from which on a segment counts as found.
        ap: float64 ``[len(labels), len(iou)]``.
    """

    labels: tuple[str, ...]
    iou: tuple[float, ...]
    ap: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean over labels and overlaps: ActivityNet's average mAP."""
        return float(self.ap.mean())

    def at(self, iou: float) -> float:
        """Return the mean over the labels at one overlap: mAP@`iou`.

        Raises:
            OptionError: It was not measured at this overlap.
        """
        near = [number for number, each in enumerate(self.iou) if math.isclose(each, iou)]
        if not near:
            measured = ", ".join(f"{each:g}" for each in self.iou)
            raise OptionError(f"It was measured at the overlaps {measured}; got {iou!r}.")
        return float(self.ap[:, near[0]].mean())

    @property
    def table(self) -> pd.DataFrame:
        """One row a label: ``label``, then one column an overlap, such as ``ap_0.50``."""
        import pandas as pd

        columns = {f"ap_{iou:.2f}": self.ap[:, number] for number, iou in enumerate(self.iou)}
        return pd.DataFrame({"label": pd.Series(self.labels, dtype="str"), **columns})


def temporal_map(
    truth: pd.DataFrame, predicted: pd.DataFrame, *, iou: Sequence[float] = ACTIVITYNET_IOU
) -> TemporalMap:
    """Score segments that were found against those that there are, as ActivityNet does.

    The most probable segment of a label goes first: in its video it takes, of those that are not
    taken and that overlap enough, the one that overlaps most (intersection over union), and is
    right; where there is none, it is wrong. Average precision is the area under precision over
    recall, with precision made to fall by taking the greatest at that recall or beyond (as VOC
    2011). A label that is never found has 0. Labels of which there is no segment are left out, with
    all that was found of them: for these there is no recall.

    Of segments equally probable the later row goes first, and so does the later of equal
    overlaps: this is what ActivityNet's code does wherever its sorting keeps the order.

    Source: ``Evaluation/eval_detection.py`` of github.com/activitynet/ActivityNet.

    Args:
        truth: Columns ``video, start_seconds, end_seconds, label``.
        predicted: The same and ``probability``, which may be any finite number; the greater, the
            surer. It may have no rows.
        iou: Overlaps, above 0 to 1.

    Raises:
        PredictionsError: A column is missing, there is no truth, or a row makes no sense.
        OptionError: `iou` has none, or is out of range.
    """
    there, found = _tables(truth, predicted)
    videos = np.unique(np.concatenate([there.video, found.video]))
    return _match(there, found, videos, iou).average_precision()


@dataclass(frozen=True)
class _Found:
    """All that was found of one label, the surest first."""

    video: NDArray[np.int64]  # [P], number of the video
    is_right: NDArray[np.bool_]  # [len(iou), P]
    num_there: NDArray[np.int64]  # [number of videos], segments that there are


@dataclass(frozen=True, eq=False)
class SegmentMatches:
    """Which segments were found, video by video; :func:`match_segments` makes it.

    Matches in one video do not depend on another, so that for any choice of videos average
    precision is a matter of adding up.

    Attributes:
        videos: All that were looked at, sorted.
        labels: Those of which there are segments, sorted.
        iou: The overlaps from which on a segment counts as found.
    """

    videos: tuple[str, ...]
    labels: tuple[str, ...]
    iou: tuple[float, ...]
    _found: tuple[_Found, ...] = field(repr=False)

    def average_precision(self, rows: ArrayLike | None = None) -> TemporalMap:
        """Return average precision over all videos, or over some.

        Args:
            rows: Numbers of videos, in :attr:`videos`; one that comes twice counts as two videos.
                Labels that these do not have are left out. None takes each video once.

        Raises:
            PredictionsError: There are no such videos, or nothing is to be found in them.
        """
        weights = self._weights(rows)
        is_there = [bool(found.num_there @ weights) for found in self._found]
        if not any(is_there):
            raise PredictionsError("There are no segments in the truth of these videos.")
        return TemporalMap(
            labels=tuple(each for each, known in zip(self.labels, is_there, strict=True) if known),
            iou=self.iou,
            ap=np.array(
                [
                    _average_precision(found, weights)
                    for found, known in zip(self._found, is_there, strict=True)
                    if known
                ]
            ),
        )

    def mean_ap(self, rows: ArrayLike | None = None) -> float:
        """Return :attr:`TemporalMap.mean` over some videos, as a statistic of their numbers.

        NaN where nothing is to be found in these. On few videos it comes out greater than on many,
        for all models alike: trust an interval of the difference between two models, and take that
        of one for narrow.

        Raises:
            PredictionsError: There are no such videos.
        """
        weights = self._weights(rows)
        known = [found for found in self._found if found.num_there @ weights]
        if not known:
            return float("nan")
        return float(np.mean([_average_precision(found, weights) for found in known]))

    def _weights(self, rows: ArrayLike | None) -> NDArray[np.int64]:
        if rows is None:
            return np.ones(len(self.videos), dtype=np.int64)
        ids = checks.class_ids(rows, num_classes=len(self.videos), what="The choice of videos")
        return np.bincount(ids, minlength=len(self.videos))


def match_segments(
    truth: pd.DataFrame,
    predicted: pd.DataFrame,
    *,
    videos: Iterable[str],
    iou: Sequence[float] = ACTIVITYNET_IOU,
) -> SegmentMatches:
    """Pair segments that were found with those that there are; :func:`temporal_map` says how.

    Args:
        truth: As :func:`temporal_map`.
        predicted: As :func:`temporal_map`.
        videos: All that were looked at, those in which there is and was found nothing as well.
            They number the rows of :meth:`SegmentMatches.mean_ap`, and to compare two models these
            must be the same.
        iou: As :func:`temporal_map`.

    Raises:
        PredictionsError: A column is missing, there is no truth, a row makes no sense, or is of
            another video.
        OptionError: `iou` has none, or is out of range.
    """
    there, found = _tables(truth, predicted)
    known = np.array(sorted({str(video) for video in videos}), dtype=object)
    if unknown := {*there.video, *found.video}.difference(known):
        raise PredictionsError(
            f"videos are all that were looked at; {len(unknown)} with segments are not among them, "
            f"such as {min(unknown)!r}."
        )
    return _match(there, found, known, iou)


def _tables(truth: pd.DataFrame, predicted: pd.DataFrame) -> tuple[_Table, _Table]:
    there, found = _Table(truth, "The truth"), _Table(predicted, "What was found", surest=True)
    if not len(there.label):
        raise PredictionsError("The truth has no segments: there is nothing to be found.")
    return there, found


def _match(
    there: _Table, found: _Table, videos: NDArray[Any], iou: Sequence[float]
) -> SegmentMatches:
    overlaps = np.asarray(iou, dtype=np.float64)
    if overlaps.ndim != 1 or not overlaps.size or not ((overlaps > 0) & (overlaps <= 1)).all():
        raise OptionError(f"iou are overlaps above 0 to 1, at least one; got {iou!r}.")
    labels = np.unique(there.label)
    return SegmentMatches(
        videos=tuple(videos.tolist()),
        labels=tuple(labels.tolist()),
        iou=tuple(overlaps.tolist()),
        _found=tuple(
            _matched(there.of(label, videos), found.of(label, videos), overlaps, len(videos))
            for label in labels
        ),
    )


@dataclass(frozen=True)
class _Segments:
    """Of one label."""

    video: NDArray[np.int64]  # [N], number of the video
    spans: NDArray[np.float64]  # [N, 2], start and end in seconds
    probability: NDArray[np.float64]  # [N]


class _Table:
    """A table of segments, checked."""

    def __init__(self, table: pd.DataFrame, what: str, *, surest: bool = False) -> None:
        columns = (*_COLUMNS, "probability") if surest else _COLUMNS
        missing = [column for column in columns if column not in table.columns]
        if missing:
            raise PredictionsError(
                f"{what} lacks {', '.join(missing)}; segments have {', '.join(columns)}, and it "
                f"has {', '.join(map(str, table.columns))}."
            )
        self.video = _texts(table["video"], f"{what}: video")
        self.label = _texts(table["label"], f"{what}: label")
        numbers = {
            column: _finite(table[column], f"{what}: {column}")
            for column in columns
            if column not in ("video", "label")
        }
        self.spans = np.column_stack([numbers["start_seconds"], numbers["end_seconds"]])
        self.probability = numbers.get("probability", np.ones(len(table)))
        empty = np.flatnonzero(self.spans[:, 1] <= self.spans[:, 0])
        if len(empty):
            start, end = self.spans[empty[0]]
            raise PredictionsError(
                f"{what}, row {empty[0]}: a segment ends after it starts; got {start} to {end} s."
            )

    def of(self, label: str, videos: NDArray[Any]) -> _Segments:
        rows = np.flatnonzero(self.label == label)
        return _Segments(
            video=np.searchsorted(videos, self.video[rows]),
            spans=self.spans[rows],
            probability=self.probability[rows],
        )


def _texts(column: pd.Series[Any], what: str) -> NDArray[Any]:
    if column.isna().any():
        raise PredictionsError(f"{what} is missing in row {int(column.isna().argmax())}.")
    return np.array([str(each) for each in column], dtype=object)


def _finite(column: pd.Series[Any], what: str) -> NDArray[np.float64]:
    try:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise PredictionsError(f"{what} are numbers; {error}.") from error
    broken = np.flatnonzero(~np.isfinite(values))
    if len(broken):
        raise PredictionsError(f"{what} is {values[broken[0]]} in row {broken[0]}: give a number.")
    return values


def _matched(
    there: _Segments, found: _Segments, overlaps: NDArray[np.float64], num_videos: int
) -> _Found:
    order = np.argsort(found.probability, kind="stable")[::-1]
    videos, spans = found.video[order], found.spans[order]
    is_right = np.zeros((len(overlaps), len(order)), dtype=bool)
    for video in np.unique(there.video):
        rows = np.flatnonzero(videos == video)
        is_right[:, rows] = _taken(spans[rows], there.spans[there.video == video], overlaps)
    return _Found(
        video=videos,
        is_right=is_right,
        num_there=np.bincount(there.video, minlength=num_videos),
    )


def _taken(
    found: NDArray[np.float64], there: NDArray[np.float64], overlaps: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return for each overlap and segment found, the surest first, whether it took one."""
    shared = np.minimum(found[:, None, 1], there[:, 1]) - np.maximum(found[:, None, 0], there[:, 0])
    shared = shared.clip(min=0.0)
    lengths, others = found[:, 1] - found[:, 0], there[:, 1] - there[:, 0]
    iou = shared / (others + lengths[:, None] - shared)
    is_taken = np.zeros((len(overlaps), len(there)), dtype=bool)
    is_right = np.zeros((len(overlaps), len(found)), dtype=bool)
    for row in np.flatnonzero((iou >= overlaps.min()).any(axis=1)):
        for place in np.argsort(iou[row], kind="stable")[::-1]:
            takes = (iou[row, place] >= overlaps) & ~is_taken[:, place] & ~is_right[:, row]
            is_taken[takes, place] = True
            is_right[takes, row] = True
    return is_right


def _average_precision(found: _Found, weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return average precision at each overlap, each video counting as often as its weight.

    As if a video's rows came that often: copies of a row come one after the other, all right or
    all wrong, and to the area it makes no difference whether they are one step or several.
    """
    own = weights[found.video]
    right, said = np.cumsum(found.is_right * own, axis=1), np.cumsum(own)
    recall = right / (found.num_there @ weights)
    precision = right / np.maximum(said, 1)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    area: NDArray[np.float64] = (np.diff(recall, axis=1, prepend=0.0) * precision).sum(axis=1)
    return area
