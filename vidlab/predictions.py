"""Predictions: what one model thought of one video, frame by frame.

The tidy table is what people chart; the full logits lie behind it, and so does the record of
what made them. One Parquet file keeps all of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vidlab.core import table_files
from vidlab.core.errors import OptionError, PredictionsError, did_you_mean
from vidlab.core.growing import GrowingRows
from vidlab.core.label_bridge import LabelBridge
from vidlab.core.labels import LabelMap
from vidlab.core.naming import printable
from vidlab.core.probabilities import most_probable, softmax
from vidlab.models.base import Selection, count

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from matplotlib.axes import Axes

#: Columns of :attr:`Predictions.table`, in order.
TABLE_COLUMNS = (
    "video", "model", "backend", "frame_index", "time_seconds", "rank", "class_id", "label",
    "logit", "probability",
)  # fmt: skip

PlotKind = Literal["heatmap", "timeline"]
"""What :meth:`Predictions.plot` can draw."""

_FORMAT = "vidlab.predictions/1"
# Columns of the Parquet file that are filled in each answer's first row only.
_FRAME_COLUMNS = ("frame_logits", "frame_latency_seconds")
# What there is of each answer.
_BY_ANSWER = ("frame_index", "clip_start", "time_seconds", "latency_seconds", "logits")
# Where an answer is not a clip's.
_NO_CLIP = -1


class Predictions:
    """The answers of one model on the sampled frames of one video.

    Args:
        video: Name of the video.
        model: Name of the model's card.
        backend: Runtime that computed them.
        title: Name that tells this model from others, such as
            ``"litert:movinet-a0-stream (int8)"``.
        labels: Label of each logit.
        frame_index: int64 ``[N]``, increasing; the frame each answer was given after. Answers for
            clips may share their last frame.
        time_seconds: float64 ``[N]``, the presentation timestamps of those frames.
        logits: float32 ``[N, num_classes]``.
        latency_seconds: float32 ``[N]``, computing time per frame, without decoding; NaN where
            it is not known, or a clip's answer was there already.
        clip_start: int64 ``[N]``, the first frame that each answer was given for, where a model
            answers whole clips; None where it answers after every frame.
        selection: Which answers go into the table.
        made_by: Model, weights hash, preprocessing, sampling, versions, threads; plain data.
        stopped: Why the video was not read to its end, or None.

    Raises:
        PredictionsError: The arrays do not fit together.
    """

    def __init__(
        self,
        *,
        video: str,
        model: str,
        backend: str,
        title: str,
        labels: LabelMap,
        frame_index: NDArray[np.int64],
        time_seconds: NDArray[np.float64],
        logits: NDArray[np.float32],
        latency_seconds: NDArray[np.float32] | None = None,
        clip_start: NDArray[np.int64] | None = None,
        selection: Selection | None = None,
        made_by: Mapping[str, Any] | None = None,
        stopped: str | None = None,
    ) -> None:
        # A file's name may be no Unicode; it is escaped only where text has to be written.
        self.video = video
        self.model, self.backend, self.title = map(printable, (model, backend, title))
        self.labels = labels
        self.frame_index = np.asarray(frame_index, dtype=np.int64)
        self.time_seconds = np.asarray(time_seconds, dtype=np.float64)
        self.logits = np.asarray(logits, dtype=np.float32)
        num_frames = len(self.frame_index)
        if latency_seconds is None:
            latency_seconds = np.full(num_frames, np.nan, dtype=np.float32)
        self.latency_seconds = np.asarray(latency_seconds, dtype=np.float32)
        if (
            self.frame_index.shape != (num_frames,)
            or self.time_seconds.shape != (num_frames,)
            or self.latency_seconds.shape != (num_frames,)
            or self.logits.shape != (num_frames, len(labels))
        ):
            raise PredictionsError(
                f"Predictions of {num_frames} frames and {len(labels)} labels need times "
                f"[{num_frames}] and logits [{num_frames}, {len(labels)}]; got "
                f"{list(self.time_seconds.shape)} and {list(self.logits.shape)}."
            )
        self.clip_start: NDArray[np.int64] | None = None
        if clip_start is not None:
            self.clip_start = np.asarray(clip_start, dtype=np.int64)
            if self.clip_start.shape != (num_frames,) or (self.clip_start > self.frame_index).any():
                raise PredictionsError(
                    "clip_start names for each answer a frame that is not after frame_index."
                )
        steps = np.diff(self.frame_index)
        if (steps < (1 if self.clip_start is None else 0)).any():
            raise PredictionsError(
                "frame_index must increase from row to row; answers for clips (clip_start) may "
                "share a frame, but never go back."
            )
        # Both are NaN where one logit is; and no array of the logits' shape is made.
        if not np.isfinite([self.logits.min(initial=0.0), self.logits.max(initial=0.0)]).all():
            row = int(np.flatnonzero(~np.isfinite(self.logits).all(axis=1))[0])
            raise PredictionsError(
                f"{title} gave logits that are not finite, first on frame "
                f"{int(self.frame_index[row])} of {video}. Its weights or its input are wrong."
            )
        self.selection = selection or Selection()
        self.made_by: dict[str, Any] = dict(made_by or {})
        self.stopped = stopped
        self._probabilities: NDArray[np.float32] | None = None
        self._table: pd.DataFrame | None = None
        self._answers = np.empty(0, dtype=np.int64)  # for each of the table's rows its answer

    @property
    def complete(self) -> bool:
        """Whether the video was read to its end."""
        return self.stopped is None

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Softmax of the logits, float32 ``[N, num_classes]``."""
        if self._probabilities is None:
            self._probabilities = softmax(self.logits)
        return self._probabilities

    @property
    def table(self) -> pd.DataFrame:
        """Tidy table, one row per answer and rank, ordered by frame and rank.

        Columns ``video, model, backend, frame_index, time_seconds, rank, class_id, label,
        logit, probability``; rank 1 is the most probable label. Clips that end on one frame
        come one after the other. Each call gives a copy.
        """
        if self._table is None:
            self._table = self._make_table()
        return self._table.copy()

    def top1(self) -> pd.DataFrame:
        """Return the most probable label of each answer, whatever the table's options.

        Returns:
            Columns ``frame_index, time_seconds, class_id, label, probability``.
        """
        import pandas as pd

        ids = self.logits.argmax(axis=1) if len(self) else np.empty(0, dtype=np.int64)
        return pd.DataFrame(
            {
                "frame_index": self.frame_index,
                "time_seconds": self.time_seconds,
                "class_id": ids.astype(np.int64),
                "label": pd.Series([self.labels[i] for i in ids], dtype="str"),
                "probability": self.probabilities[np.arange(len(ids)), ids],
            }
        )

    def average(self) -> pd.Series[float]:
        """Return each label's mean probability over all answers, the most probable first.

        It is how a video is judged by its clips. A clip that its recipe takes several times
        weighs as much as several.
        """
        import pandas as pd

        if not len(self):
            raise PredictionsError(f"{self.title} gave no answer on {self.video} to average.")
        mean = pd.Series(self.probabilities.mean(axis=0), index=list(self.labels))
        return mean.sort_values(ascending=False, kind="stable").rename("probability")

    def curves(self, top_k: int = 8) -> pd.DataFrame:
        """Return the probabilities over time of the labels that are most probable on average.

        Args:
            top_k: How many labels at most, of those that the table may have.

        Returns:
            One row an answer, by its ``time_seconds``; one column a label, the most probable
            first.

        Raises:
            OptionError: `top_k` is not a positive whole number.
        """
        import pandas as pd

        allowed = self.selection.class_ids(self.labels)
        mean = self.probabilities[:, allowed].mean(axis=0) if len(self) else np.zeros(len(allowed))
        ids = allowed[np.argsort(-mean, kind="stable")[: count(top_k, "top_k")]]
        return pd.DataFrame(
            self.probabilities[:, ids],
            index=pd.Index(self.time_seconds, name="time_seconds"),
            columns=pd.Index([self.labels[i] for i in ids], name="label"),
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        kind: PlotKind = "heatmap",
        top_k: int = 8,
        labels: str | None = None,
    ) -> Axes:
        """Draw the answers over time.

        Args:
            ax: Where to draw; None makes a figure.
            kind: ``"heatmap"`` has a row for each label of :meth:`curves`, the darker the more
                probable; ``"timeline"`` a band in the top label's colour, as high as it is
                probable.
            top_k: Rows of the heat map at most.
            labels: Language to write them in, such as ``"ko"``; None leaves them as they are.

        Returns:
            Where it was drawn.

        Raises:
            OptionError: `kind` or `labels` is unknown, or `top_k` no positive whole number.
            PredictionsError: There is no answer to draw.
            MissingDependencyError: matplotlib is not installed.
        """
        from vidlab.plots.timelines import bounds_of, draw_bands, draw_heat_map

        if kind not in get_args(PlotKind):
            raise OptionError(
                f"kind must be one of {', '.join(map(repr, get_args(PlotKind)))}; got {kind!r}."
                f"{did_you_mean(str(kind), get_args(PlotKind))}"
            )
        if not len(self):
            raise PredictionsError(f"{self.title} gave no answer on {self.video} to draw.")
        bounds, title = bounds_of(self.time_seconds), f"{self.title} on {self.video}"
        if kind == "heatmap":
            curves = self.curves(top_k)
            return draw_heat_map(
                ax,
                bounds,
                curves.to_numpy(),
                curves.columns.tolist(),
                title=title,
                language=labels,
            )
        top = self.top1()
        return draw_bands(
            ax, bounds, top["label"].tolist(), top["probability"].to_numpy(), title=title,
            language=labels,
        )  # fmt: skip

    def bridged(self, bridge: LabelBridge) -> Predictions:
        """Return these predictions carried over to another label map.

        Its logits are the logarithms of the probabilities carried over; what has no counterpart
        is ``"unmapped"``. Allow and deny lists, which name the old labels, are left behind.

        Args:
            bridge: From these labels to others.

        Raises:
            PredictionsError: The bridge is from other labels than these.
        """
        check_bridge(bridge, self.labels, self.title)
        return self._with(
            bridge(self.probabilities),
            labels=bridge.labels,
            selection=replace(self.selection, label_allow_list=None, label_deny_list=None),
            made_by=self.made_by | {"bridged_from": self.labels.name},
        )

    def smoothed(self, num_frames: int) -> Predictions:
        """Return these predictions with each answer averaged with those just before it.

        What one picture shows flickers; a mean over some answers flickers less, and is late by
        half of them. These predictions stay as they are.

        Args:
            num_frames: Answers that are averaged, the last one included; fewer at the start.

        Returns:
            Predictions whose logits are the logarithms of the mean probabilities.

        Raises:
            OptionError: `num_frames` is not a positive whole number.
        """
        length = count(num_frames, "num_frames")
        sums = np.cumsum(self.probabilities, axis=0, dtype=np.float64)
        before = np.zeros_like(sums)
        before[length:] = sums[:-length] if length < len(sums) else sums[:0]
        shares = np.minimum(np.arange(1, len(sums) + 1), length)[:, None]
        mean = ((sums - before) / shares).astype(np.float32)
        return self._with(
            mean,
            title=f"{self.title}, mean of {length}",
            made_by=self.made_by | {"smoothed_over": length},
        )

    def at_frame(self, frame_index: int) -> pd.DataFrame:
        """Return the rows that hold while a frame is on screen.

        An answer holds from its frame until the next sampled one; before the first there is
        none, and the table is empty. Of clips that end on one frame, the last one's holds.
        """
        row = int(np.searchsorted(self.frame_index, frame_index, side="right")) - 1
        table = self.table
        if row < 0:
            return table.iloc[:0]
        rows: pd.DataFrame = table[self._answers == row]
        return rows.reset_index(drop=True)

    def __len__(self) -> int:
        """Return the number of answers."""
        return len(self.frame_index)

    def __repr__(self) -> str:
        state = "" if self.complete else f", stopped: {self.stopped}"
        if not len(self):
            return printable(f"<Predictions of {self.title} on {self.video}: no frames{state}>")
        last = self.top1().iloc[-1]
        return printable(
            f"<Predictions of {self.title} on {self.video}: {len(self)} frames, last "
            f"{last['label']!r} {last['probability']:.3f}{state}>"
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one Parquet file, or the tidy table to a ``.csv``.

        The Parquet file opens in any reader as the tidy table, with two columns more: each
        answer's full logits and latency, in the answer's first row. The write is atomic; missing
        folders are made.

        Raises:
            PredictionsError: The suffix is neither ``.parquet`` nor ``.csv``, or the file
                cannot be written.
        """
        table_files.save(
            path, table=lambda: self.table, everything=self._as_arrow, what="Predictions"
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Predictions:
        """Read back a Parquet file that :meth:`save` wrote, unchanged.

        Raises:
            PredictionsError: The file is missing, damaged, or not from vidlab.
        """
        with table_files.loading(path, format_name=_FORMAT, what="predictions") as (arrow, header):
            return cls._from_arrow(arrow, header)

    def _with(self, probabilities: NDArray[np.float32], **changes: Any) -> Predictions:
        """Return these predictions with other probabilities, whose logarithms are the logits."""
        same: dict[str, Any] = {
            "video": self.video, "model": self.model, "backend": self.backend,
            "title": self.title, "labels": self.labels, "frame_index": self.frame_index,
            "time_seconds": self.time_seconds, "latency_seconds": self.latency_seconds,
            "clip_start": self.clip_start, "selection": self.selection, "stopped": self.stopped,
        }  # fmt: skip
        logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
        return Predictions(**(same | {"logits": logits} | changes))

    def _ranked(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return for each answer the labels' numbers, the most probable first, and which count.

        Both are ``[N, max_results]``; what counts are the first ones, or none.
        """
        allowed = self.selection.class_ids(self.labels)
        probabilities = self.probabilities[:, allowed]
        num_ranks = min(self.selection.max_results or len(allowed), len(allowed))
        order = most_probable(probabilities, num_ranks)
        chosen = np.take_along_axis(probabilities, order, axis=1)
        return allowed[order], chosen >= self.selection.score_threshold

    def _make_table(self) -> pd.DataFrame:
        import pandas as pd

        ranked, counts = self._ranked()
        answers, ranks = np.nonzero(counts)
        ids = ranked[counts]
        self._answers = answers
        names = np.asarray(list(self.labels), dtype=object)
        size = len(answers)
        return pd.DataFrame(
            {
                "video": pd.Series([printable(self.video)] * size, dtype="str"),
                "model": pd.Series([self.model] * size, dtype="str"),
                "backend": pd.Series([self.backend] * size, dtype="str"),
                "frame_index": self.frame_index[answers],
                "time_seconds": self.time_seconds[answers],
                "rank": ranks + 1,
                "class_id": ids,
                "label": pd.Series(names[ids], dtype="str"),
                "logit": self.logits[answers, ids],
                "probability": self.probabilities[answers, ids],
            },
            columns=list(TABLE_COLUMNS),
        )

    def _as_arrow(self) -> tuple[pa.Table, dict[str, Any]]:
        return self._arrow_table(), self._header()

    def _arrow_tables(self, num_answers: int) -> Iterator[pa.Table]:
        """Yield the rows of `_arrow_table`, those of at most so many answers at a time."""
        for first in range(0, max(len(self), 1), num_answers):
            part = copy(self)
            for name in _BY_ANSWER:
                values = getattr(self, name)
                setattr(part, name, None if values is None else values[first : first + num_answers])
            part._probabilities = None
            yield part._arrow_table()

    def _arrow_table(self) -> pa.Table:
        """Return the table with each answer's own columns, as files keep it."""
        import pyarrow as pa

        ranked, counts = self._ranked()
        # An answer without a label above the threshold still has its logits to keep.
        is_row = counts.copy()
        is_row[:, 0] = True
        answers, ranks = np.nonzero(is_row)
        ids, blank, later = ranked[is_row], ~counts[is_row], ranks > 0
        last = np.cumsum(np.where(later, 0, len(self.labels)))
        texts = {"video": printable(self.video), "model": self.model, "backend": self.backend}
        columns = {
            **{name: pa.repeat(text, len(answers)) for name, text in texts.items()},
            "frame_index": pa.array(self.frame_index[answers]),
            "time_seconds": pa.array(self.time_seconds[answers]),
            "rank": pa.array(ranks + 1, mask=blank),
            "class_id": pa.array(ids, mask=blank),
            "label": pa.array(list(self.labels), pa.string()).take(pa.array(ids, mask=blank)),
            "logit": pa.array(self.logits[answers, ids], mask=blank),
            "probability": pa.array(self.probabilities[answers, ids], mask=blank),
            "frame_logits": pa.ListArray.from_arrays(
                pa.array(np.concatenate([[0], last]), pa.int32()),
                pa.array(self.logits.reshape(-1)),
                mask=pa.array(later),
            ),
            "frame_latency_seconds": pa.array(self.latency_seconds[answers], mask=later),
        }
        if self.clip_start is not None:
            columns["clip_start"] = pa.array(self.clip_start[answers], mask=later)
        return pa.table(columns)

    def _header(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "video": printable(self.video),
            "model": self.model,
            "backend": self.backend,
            "title": self.title,
            "labels": list(self.labels),
            "label_map": self.labels.name,
            "label_source": self.labels.source,
            "selection": {
                "max_results": self.selection.max_results,
                "score_threshold": self.selection.score_threshold,
                "label_allow_list": self.selection.label_allow_list,
                "label_deny_list": self.selection.label_deny_list,
            },
            "made_by": self.made_by,
            "stopped": self.stopped,
        }

    @classmethod
    def _from_arrow(cls, arrow: Any, header: Mapping[str, Any]) -> Predictions:
        import pyarrow.compute as pc

        frames = arrow.filter(pc.is_valid(arrow["frame_latency_seconds"]))
        labels = LabelMap(header["labels"], name=header["label_map"], source=header["label_source"])
        logits = pc.list_flatten(frames["frame_logits"]).to_numpy()
        # Of a stream there is no such column, or an empty one.
        starts = frames["clip_start"].drop_null() if "clip_start" in frames.column_names else []
        return cls(
            video=printable(header["video"]),
            model=header["model"],
            backend=header["backend"],
            title=header["title"],
            labels=labels,
            frame_index=frames["frame_index"].to_numpy(),
            time_seconds=frames["time_seconds"].to_numpy(),
            logits=logits.reshape(-1, len(labels)),
            latency_seconds=frames["frame_latency_seconds"].to_numpy(),
            clip_start=np.asarray(starts) if len(starts) else None,
            selection=Selection(**header["selection"]),
            made_by=header["made_by"],
            stopped=header["stopped"],
        )


class Answers:
    """Collects answers, a few at a time, for hours.

    Args:
        num_classes: Logits of each.
    """

    def __init__(self, num_classes: int) -> None:
        row = [
            ("frame_index", np.int64),
            ("clip_start", np.int64),
            ("time_seconds", np.float64),
            ("latency_seconds", np.float32),
            ("logits", np.float32, (num_classes,)),
        ]
        self._rows = GrowingRows(np.dtype(row))

    def add(
        self,
        *,
        frame_index: ArrayLike,
        time_seconds: ArrayLike,
        latency_seconds: ArrayLike,
        logits: NDArray[np.float32],
        clip_start: ArrayLike | None = None,
    ) -> None:
        """Add some; see :class:`Predictions`. One latency, or one clip's start, is that of all."""
        self._rows.add(
            len(logits),
            frame_index=frame_index,
            clip_start=_NO_CLIP if clip_start is None else clip_start,
            time_seconds=time_seconds,
            latency_seconds=latency_seconds,
            logits=logits,
        )

    def take(self) -> dict[str, Any]:
        """Return all as :class:`Predictions` takes them, and keep none."""
        arrays: dict[str, Any] = self._rows.take()
        starts = arrays["clip_start"]
        return arrays | {"clip_start": starts if (starts != _NO_CLIP).any() else None}


def check_bridge(bridge: LabelBridge, labels: LabelMap, title: str) -> None:
    """Refuse a bridge that does not start from a model's labels.

    Raises:
        PredictionsError: With both.
    """
    if bridge.source != labels:
        raise PredictionsError(
            f"{bridge!r} does not start from the labels of {title}, {labels.name}."
        )
