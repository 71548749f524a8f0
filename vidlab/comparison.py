"""Models side by side on the same frames: where they agree, where they part, how fast they are."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.console import display_bundle
from vidlab.core.errors import OptionError, PredictionsError
from vidlab.core.label_bridge import LabelBridge
from vidlab.core.labels import LabelMap
from vidlab.core.naming import printable, shortest_names
from vidlab.core.probabilities import jensen_shannon
from vidlab.inference import Rate, Source, as_video, run
from vidlab.models.base import LoadedModel, Model, check_model
from vidlab.predictions import Predictions, check_bridge
from vidlab.recipes import Recipe
from vidlab.video import Video

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# So many frames of 600 classes fit a processor's cache, where sums cost least.
_ROWS_AT_ONCE = 64


def compare(
    video: Source,
    models: Sequence[LoadedModel] | Mapping[str, LoadedModel],
    *,
    fps: Rate = None,
    recipe: str | Recipe | Sequence[str | Recipe | None] | None = None,
    labels: LabelMap | str | Sequence[LabelBridge] | None = None,
    progress: bool = True,
) -> Comparison:
    """Run models over one video, decoded once, and put them side by side.

    Args:
        video: A :class:`~vidlab.Video`, or anything it can be made from.
        models: Two or more models, or a mapping from the name to show to the model.
        fps: Frames a second to look at; None takes each model's own rate, ``"source"`` every
            frame.
        recipe: A recipe that all follow, or one for each model, None for its own way.
        labels: Label map that all answers are carried over to, or one bridge for each model;
            needed where their labels differ.
        progress: Show a progress bar.

    Returns:
        The comparison; in a notebook it shows itself as a synced player.

    Raises:
        OptionError: Fewer than two models, or not as many recipes or bridges as models.
        PredictionsError: The models' label maps differ, or the bridges do not fit them.
        VideoError: Not one frame could be read.
    """
    if isinstance(models, LoadedModel):
        raise OptionError(f"A comparison needs at least two models; got one, {models!r}.")
    names = [str(name) for name in models] if isinstance(models, Mapping) else None
    given = list(models.values()) if isinstance(models, Mapping) else list(models)
    loaded = [check_model(model) for model in given]
    if len(loaded) < 2:
        raise OptionError(f"A comparison needs at least two models; got {len(loaded)}.")
    bridges = _bridges(loaded, labels)
    targets = [each.labels for each in bridges or loaded]
    _check_same_labels([(each.title, target) for each, target in zip(loaded, targets, strict=True)])
    source = as_video(video)
    found = run(source, loaded, fps=fps, recipe=recipe, progress=progress)
    if bridges is not None:
        found = [item.bridged(bridge) for item, bridge in zip(found, bridges, strict=True)]
    return Comparison(found, video=source, names=names)


def _bridges(
    models: Sequence[Model], labels: LabelMap | str | Sequence[LabelBridge] | None
) -> list[LabelBridge] | None:
    if labels is None:
        return None
    if isinstance(labels, (LabelMap, str)):
        return [LabelBridge(model.labels, labels) for model in models]
    bridges = list(labels)
    if len(bridges) != len(models) or not all(isinstance(each, LabelBridge) for each in bridges):
        raise OptionError(
            f"labels= takes a label map, or one LabelBridge for each of the {len(models)} models; "
            f"got {labels!r:.200}."
        )
    for model, bridge in zip(models, bridges, strict=True):
        check_bridge(bridge, model.labels, model.title)
    return bridges


class Comparison:
    """Several models' predictions on one video, on one time grid.

    The grid holds every frame that any model answered for, from the first frame for which all
    had answered; between its own answers a model's last one holds.

    Args:
        predictions: Two or more predictions of the same video, with the same labels.
        video: The video, where it is to be shown.
        names: What to call each; None takes the shortest of backend, model and title that
            tells them apart.

    Attributes:
        predictions: As given.
        video: As given.
        names: One per model, used as column names.
        frame_index: int64 ``[N]``, the grid.
        time_seconds: float64 ``[N]``.

    Raises:
        OptionError: Fewer than two predictions, one is none, or names that do not fit.
        PredictionsError: The predictions are of different videos or label maps.
    """

    def __init__(
        self,
        predictions: Sequence[Predictions],
        *,
        video: Video | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        if len(predictions) < 2:
            raise OptionError(
                f"A comparison needs at least two predictions; got {len(predictions)}."
            )
        if wrong := [each for each in predictions if not isinstance(each, Predictions)]:
            raise OptionError(
                f"A comparison is of Predictions, which are about labels; got {wrong[0]!r:.200}. "
                "vidlab.Player(video, keypoints=...) shows poses."
            )
        _check_same_labels([(item.title, item.labels) for item in predictions])
        videos = {item.video for item in predictions}
        if len(videos) > 1:
            raise PredictionsError(f"The predictions are of different videos: {sorted(videos)}.")
        self.predictions = list(predictions)
        self.video = video
        self.names = _names(predictions) if names is None else list(names)
        if len(self.names) != len(predictions) or len(set(self.names)) != len(predictions):
            raise OptionError(
                f"{len(predictions)} predictions need as many different names; got {self.names}."
            )
        self.labels = predictions[0].labels
        self.frame_index, self.time_seconds, self._rows = _grid(predictions)
        self._divergence: NDArray[np.float32] | None = None
        self._view: Any = None

    @property
    def titles(self) -> list[str]:
        """Full title of each model."""
        return [item.title for item in self.predictions]

    @property
    def end_seconds(self) -> float:
        """When the last answer ceases to hold: one usual spacing after it was given."""
        if not len(self):
            return 0.0
        spacing = np.median(np.diff(self.time_seconds)) if len(self) > 1 else 0.0
        return float(self.time_seconds[-1] + spacing)

    @property
    def divergence(self) -> NDArray[np.float32]:
        """Jensen-Shannon divergence over the models at each grid frame, float32 ``[N]``, in nats.

        The entropy of the mean distribution less the mean of the entropies (Lin, 1991); 0 where
        all say the same, at most ``log(number of models)``.
        """
        if self._divergence is None:
            divergence = np.empty(len(self), dtype=np.float32)
            for start in range(0, len(self), _ROWS_AT_ONCE):
                part = slice(start, start + _ROWS_AT_ONCE)
                divergence[part] = jensen_shannon(
                    [
                        item.probabilities[rows[part]]
                        for item, rows in zip(self.predictions, self._rows, strict=True)
                    ]
                )
            self._divergence = divergence
        return self._divergence

    @property
    def table(self) -> pd.DataFrame:
        """One row per grid frame.

        Columns ``frame_index, time_seconds, agree`` (all models' top-1 labels are the same),
        ``jsd_nats``, then ``label_<name>`` and ``probability_<name>`` for each model.
        """
        import pandas as pd

        table = pd.DataFrame(
            {
                "frame_index": self.frame_index,
                "time_seconds": self.time_seconds,
                "agree": self._agree(),
                "jsd_nats": self.divergence,
            }
        )
        for number, name in enumerate(self.names):
            top = self.predictions[number].top1().iloc[self._rows[number]]
            table[f"label_{name}"] = top["label"].to_numpy()
            table[f"probability_{name}"] = top["probability"].to_numpy()
        return table

    def disagreements(self, *, min_jsd_nats: float = 0.0) -> pd.DataFrame:
        """Return the stretches in which the models' top-1 labels differ, in order of time.

        Args:
            min_jsd_nats: Leave out stretches whose divergence never reaches this.

        Returns:
            One row per stretch: ``start_seconds, end_seconds, start_frame, end_frame`` (half-open),
            ``num_answers`` (grid frames), ``peak_seconds, max_jsd_nats, mean_jsd_nats``, and
            ``label_<name>``: what each model said at the peak.
        """
        import pandas as pd

        differs = ~self._agree()
        edges = np.flatnonzero(np.diff(np.concatenate([[False], differs, [False]]).astype(np.int8)))
        table = self.table
        rows = []
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            divergence = self.divergence[start:stop]
            peak = start + int(divergence.argmax())
            if divergence.max() < min_jsd_nats:
                continue
            rows.append(
                {
                    "start_seconds": self.time_seconds[start],
                    "end_seconds": self._end_seconds_of(stop),
                    "start_frame": self.frame_index[start],
                    "end_frame": self._end_frame(stop),
                    "num_answers": stop - start,
                    "peak_seconds": self.time_seconds[peak],
                    "max_jsd_nats": float(divergence.max()),
                    "mean_jsd_nats": float(divergence.mean()),
                }
                | {f"label_{name}": table.at[peak, f"label_{name}"] for name in self.names}
            )
        columns = [
            "start_seconds", "end_seconds", "start_frame", "end_frame", "num_answers",
            "peak_seconds", "max_jsd_nats", "mean_jsd_nats",
            *(f"label_{name}" for name in self.names),
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    @property
    def agreement(self) -> pd.DataFrame:
        """Share of grid frames on which two models' top-1 labels agree, model by model."""
        import pandas as pd

        top = self._top_ids()
        shares = [[float((a == b).mean()) if len(self) else np.nan for b in top] for a in top]
        return pd.DataFrame(shares, index=self.names, columns=self.names)

    @property
    def latency(self) -> pd.DataFrame:
        """Computing time of each model, without decoding, from this run.

        Columns ``model, title, num_answers, num_threads, answers_per_call, first_call_ms,
        mean_ms, median_ms, p95_ms, runtime``. A model that takes several frames a call shares
        the call's time between its answers. The first call, which warms up, is told apart;
        mean, median and 95th percentile are over the others.
        """
        import pandas as pd

        rows = []
        for name, item in zip(self.names, self.predictions, strict=True):
            per_call = int(item.made_by.get("answers_per_call", 1))
            calls = item.latency_seconds[::per_call].astype(np.float64) * 1000.0
            calls = calls[np.isfinite(calls)]
            known = calls[1:] if len(calls) > 1 else calls
            rows.append(
                {
                    "model": name,
                    "title": item.title,
                    "num_answers": len(item),
                    "num_threads": item.made_by.get("num_threads"),
                    "answers_per_call": per_call,
                    "first_call_ms": calls[0] * min(per_call, len(item)) if len(calls) else np.nan,
                    "mean_ms": known.mean() if len(known) else np.nan,
                    "median_ms": np.median(known) if len(known) else np.nan,
                    "p95_ms": np.percentile(known, 95) if len(known) else np.nan,
                    "runtime": item.made_by.get("model", {}).get("runtime"),
                }
            )
        return pd.DataFrame(rows)

    def report(
        self, path: str | os.PathLike[str], *, max_mb: float = 20.0, labels: str | None = None
    ) -> Path:
        """Write a report: one HTML file with the player and the tables, for a colleague.

        Args:
            path: The ``.html`` file to write.
            max_mb: What it may have, in megabytes; the video is made smaller to fit.
            labels: Language to write them in, such as ``"ko"``; None leaves them as they are.

        Returns:
            The path.

        Raises:
            OptionError: The file cannot be written, the video does not fit, or there are no names
                in that language.
        """
        from vidlab.report import write_report

        return write_report(self, path, max_mb=max_mb, labels=labels)

    def plot(self, ax: Axes | None = None, *, labels: str | None = None) -> Axes:
        """Draw each model's top label over time, a lane a model, and their divergence below.

        Args:
            ax: Where to draw; None makes a figure.
            labels: Language to write them in, such as ``"ko"``; None leaves them as they are.

        Returns:
            Where it was drawn.

        Raises:
            OptionError: There are no names in that language.
            PredictionsError: There is no frame that all models answered.
            MissingDependencyError: matplotlib is not installed.
        """
        from vidlab.plots.timelines import bounds_of, draw_lanes

        self._check_drawable()
        table = self.table
        return draw_lanes(
            ax,
            bounds_of(self.time_seconds),
            {name: table[f"label_{name}"].tolist() for name in self.names},
            self.divergence,
            title=self.predictions[0].video,
            language=labels,
        )

    def plot_agreement(self, ax: Axes | None = None) -> Axes:
        """Draw :attr:`agreement`: how often two models name the same label.

        Args:
            ax: Where to draw; None makes a figure.

        Returns:
            Where it was drawn.

        Raises:
            PredictionsError: There is no frame that all models answered.
            MissingDependencyError: matplotlib is not installed.
        """
        from vidlab.plots.matrices import draw_agreement

        self._check_drawable()
        return draw_agreement(ax, self.agreement.to_numpy(), self.names, of=f"{len(self)} frames")

    def __len__(self) -> int:
        """Return the number of grid frames."""
        return len(self.frame_index)

    def __repr__(self) -> str:
        share = f"{self._agree().mean():.1%}" if len(self) else "none"
        return printable(
            f"<Comparison of {', '.join(self.names)} on {self.predictions[0].video}: "
            f"{len(self)} frames, agree on {share}, {len(self.disagreements())} disagreements>"
        )

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if self.video is None:
            return {"text/plain": repr(self), "text/html": self.table.to_html(max_rows=20)}
        return self._player()._repr_mimebundle_(**options)

    def _ipython_display_(self) -> None:
        if self.video is not None:
            self._player()._ipython_display_()
            return
        display_bundle(self._repr_mimebundle_())

    def _player(self) -> Any:
        if self._view is None:
            # The one import that points upwards: a result shows itself where a notebook asks.
            from vidlab.widgets import Player

            self._view = Player(self.video, self)
        return self._view

    def _check_drawable(self) -> None:
        if not len(self):
            raise PredictionsError(
                f"There is no frame of {self.predictions[0].video} that {', '.join(self.names)} "
                "all answered, so there is nothing to draw."
            )

    def _top_ids(self) -> list[NDArray[np.int64]]:
        return [
            item.logits[rows].argmax(axis=1)
            for item, rows in zip(self.predictions, self._rows, strict=True)
        ]

    def _agree(self) -> NDArray[np.bool_]:
        first, *others = self._top_ids()
        agree = np.ones(len(self), dtype=np.bool_)
        for other in others:
            agree &= first == other
        return agree

    def _end_seconds_of(self, stop: int) -> float:
        return float(self.time_seconds[stop]) if stop < len(self) else self.end_seconds

    def _end_frame(self, stop: int) -> int:
        if stop < len(self):
            return int(self.frame_index[stop])
        spacing = int(np.median(np.diff(self.frame_index))) if len(self) > 1 else 1
        end = int(self.frame_index[-1]) + max(spacing, 1)
        return end if self.video is None else min(end, self.video.num_frames)


def _check_same_labels(items: Sequence[tuple[str, Any]]) -> None:
    first_title, first = items[0]
    for title, labels in items[1:]:
        if labels != first:
            raise PredictionsError(
                f"{first_title} and {title} have different label maps ({first.name}, "
                f"{labels.name}). Name one that all are carried over to, such as "
                f"labels={max(first, labels, key=len).name!r}."
            )


def _names(predictions: Sequence[Predictions]) -> list[str]:
    return shortest_names(
        [(each.backend, each.model, f"{each.backend}:{each.model}", each.title)
         for each in predictions]
    )  # fmt: skip


def _grid(
    predictions: Sequence[Predictions],
) -> tuple[NDArray[np.int64], NDArray[np.float64], list[NDArray[np.intp]]]:
    """Return the grid's frames and times, and for each model the row that holds at each."""
    if any(not len(item) for item in predictions):
        empty = np.empty(0, dtype=np.intp)
        return np.empty(0, np.int64), np.empty(0, np.float64), [empty for _ in predictions]
    times = dict(
        sorted(
            (int(index), float(seconds))
            for item in predictions
            for index, seconds in zip(item.frame_index, item.time_seconds, strict=True)
        )
    )
    begin = max(int(item.frame_index[0]) for item in predictions)
    frames = np.array([index for index in times if index >= begin], dtype=np.int64)
    seconds = np.array([times[int(index)] for index in frames], dtype=np.float64)
    rows = [np.searchsorted(item.frame_index, frames, side="right") - 1 for item in predictions]
    return frames, seconds, rows
