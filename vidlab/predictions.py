"""Predictions: what one model thought of one video, frame by frame.

The tidy table is what people chart; the full logits lie behind it, and so does the record of
what made them. One Parquet file keeps all of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vidlab.core import table_files
from vidlab.core.errors import OptionError, PredictionsError, did_you_mean
from vidlab.core.label_bridge import LabelBridge
from vidlab.core.labels import LabelMap
from vidlab.core.naming import printable
from vidlab.core.probabilities import softmax
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
        if not np.isfinite(self.logits).all():
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

    def _make_table(self) -> pd.DataFrame:
        import pandas as pd

        allowed = self.selection.class_ids(self.labels)
        probabilities = self.probabilities[:, allowed]
        count = min(self.selection.max_results or len(allowed), len(allowed))
        # Stable, so that ties come in the order of the label map on every machine.
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
        rows = np.repeat(np.arange(len(self)), count)
        ids = allowed[order].reshape(-1)
        chosen = self.probabilities[rows, ids]
        keep = chosen >= self.selection.score_threshold
        rank = np.tile(np.arange(1, count + 1, dtype=np.int64), len(self))
        self._answers = rows = rows[keep]
        ids, rank = ids[keep], rank[keep]
        names = np.asarray(list(self.labels), dtype=object)
        size = len(rows)
        return pd.DataFrame(
            {
                "video": pd.Series([printable(self.video)] * size, dtype="str"),
                "model": pd.Series([self.model] * size, dtype="str"),
                "backend": pd.Series([self.backend] * size, dtype="str"),
                "frame_index": self.frame_index[rows],
                "time_seconds": self.time_seconds[rows],
                "rank": rank,
                "class_id": ids,
                "label": pd.Series(names[ids], dtype="str"),
                "logit": self.logits[rows, ids],
                "probability": chosen[keep],
            },
            columns=list(TABLE_COLUMNS),
        )

    def _as_arrow(self) -> tuple[pa.Table, dict[str, Any]]:
        import pandas as pd
        import pyarrow as pa

        table = self.table
        answers = self._answers
        # An answer whose every label fell below the threshold still has its logits to keep.
        absent = np.setdiff1d(np.arange(len(self)), answers)
        if len(absent):
            blank = pd.DataFrame(
                {
                    "frame_index": self.frame_index[absent],
                    "time_seconds": self.time_seconds[absent],
                }
            )
            answers = np.concatenate([answers, absent])
            order = np.argsort(answers, kind="stable")
            answers = answers[order]
            table = pd.concat([table, blank], ignore_index=True).iloc[order]
            table = table.reset_index(drop=True)
            table["rank"] = table["rank"].astype("Int64")
            table["class_id"] = table["class_id"].astype("Int64")
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        first = np.diff(answers, prepend=-1) > 0
        lengths = np.where(first, len(self.labels), 0)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        logits = pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()),
            pa.array(self.logits.reshape(-1), pa.float32()),
            mask=pa.array(~first),
        )
        latency = np.zeros(len(table), dtype=np.float32)
        latency[first] = self.latency_seconds
        arrow = arrow.append_column("frame_logits", logits)
        arrow = arrow.append_column(
            "frame_latency_seconds", pa.array(latency, pa.float32(), mask=~first)
        )
        if self.clip_start is not None:
            starts = np.zeros(len(table), dtype=np.int64)
            starts[first] = self.clip_start
            arrow = arrow.append_column("clip_start", pa.array(starts, pa.int64(), mask=~first))
        header = {
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
        return arrow, header

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


def check_bridge(bridge: LabelBridge, labels: LabelMap, title: str) -> None:
    """Refuse a bridge that does not start from a model's labels.

    Raises:
        PredictionsError: With both.
    """
    if bridge.source != labels:
        raise PredictionsError(
            f"{bridge!r} does not start from the labels of {title}, {labels.name}."
        )
