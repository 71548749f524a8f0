"""Several models on the same labelled clips: their figures, with what these are worth.

Clips of one video resemble each other, so intervals come from resampling whole videos
(:func:`vidlab.metrics.cluster_bootstrap`), the same ones for every model.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vidlab import metrics
from vidlab.core.errors import OptionError, PredictionsError, did_you_mean
from vidlab.core.probabilities import jensen_shannon
from vidlab.evaluation.result import Evaluation
from vidlab.models.base import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COSTS = {
    "ms_per_frame": "computing time (ms per frame)",
    "size_mb": "weights (MB)",
    "memory_mb": "memory of a process of its own (MB)",
}

_CLIP_COLUMNS = ["video", "start_seconds", "end_seconds", "label"]


class Study:
    """Evaluations of several models on the same clips, side by side.

    Args:
        evaluations: By the models' names.

    Attributes:
        evaluations: As given; of clips that one model could not be shown, none has an answer.
        names: The models' names.

    Raises:
        OptionError: There is none.
        PredictionsError: They are of different clips or label maps.
    """

    def __init__(self, evaluations: Mapping[str, Evaluation]) -> None:
        self.evaluations = dict(evaluations)
        self.names = list(self.evaluations)
        if not self.names:
            raise OptionError("A study needs an evaluation; got none.")
        clips = [self._clips_of(name) for name in self.names]
        for name, each in zip(self.names[1:], clips[1:], strict=True):
            if not each.equals(clips[0]):
                raise PredictionsError(
                    f"{self.names[0]} and {name} were shown different clips ({len(clips[0])} and "
                    f"{len(each)}); evaluate them on the same ones."
                )
        labels = {name: each.labels for name, each in self.evaluations.items()}
        if any(each != labels[self.names[0]] for each in labels.values()):
            raise PredictionsError("The evaluations have different label maps.")
        self._clips = clips[0]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each model: its figures, each with the ends of its 95 % interval.

        Columns ``model, num_clips, num_videos``; ``top1, top1_low, top1_high``; ``top5`` and
        ``ece`` likewise (the expected calibration error); ``stable_seconds`` (the median time to
        the label that then stayed) and ``flicker_per_second``, the mean; ``end_top1`` and
        ``mean_top1``, of the last answers and of the mean over a clip's; ``ms_per_frame,
        size_mb, memory_mb, num_threads, runtime``, measured in this run (memory where asked).
        Ends are NaN where there is one video only.
        """
        return pd.DataFrame([self._row(name, each) for name, each in self.evaluations.items()])

    @property
    def differences(self) -> pd.DataFrame:
        """A row for each pair of models: whether one is right more often than the other.

        Columns ``a, b``; ``difference`` of their top-1 (a less b) with ``low`` and ``high``, the
        ends of its 95 % interval; ``only_a`` and ``only_b``, the clips that one alone got right;
        ``p`` of McNemar's test (mid-p), which takes clips for independent, and ``holm_p``,
        allowing for the number of pairs.
        """
        columns = ["a", "b", "difference", "low", "high", "only_a", "only_b", "p", "holm_p"]
        if len(self.names) < 2:
            return pd.DataFrame(columns=columns)
        right = {name: each.is_right for name, each in self.evaluations.items()}
        table = metrics.mcnemar_pairs(right)
        ends = [
            self._interval(metrics.difference(metrics.mean_of(right[a]), metrics.mean_of(right[b])))
            for a, b in itertools.combinations(self.names, 2)
        ]
        table[["difference", "low", "high"]] = np.array(ends)
        return table[columns]

    @property
    def agreement(self) -> pd.DataFrame:
        """Share of the clips for which two models name the same label, model by model."""
        said = [each.probabilities.argmax(axis=1) for each in self.evaluations.values()]
        shares = [[float((a == b).mean()) for b in said] for a in said]
        return pd.DataFrame(shares, index=self.names, columns=self.names)

    @property
    def clips(self) -> pd.DataFrame:
        """A row for each clip, those on which the models part furthest first.

        Columns ``video, start_seconds, end_seconds, label``; ``clip``, its number in the
        evaluations' ``answers``; ``jsd_nats``, the Jensen-Shannon divergence of the models'
        answers; ``num_right``, how many models are right; and ``predicted_NAME,
        probability_NAME, correct_NAME`` for each model.
        """
        table = self._clips.assign(clip=np.arange(len(self._clips)))
        answers = [each.probabilities for each in self.evaluations.values()]
        table["jsd_nats"] = jensen_shannon(answers)
        table["num_right"] = np.sum([each.is_right for each in self.evaluations.values()], axis=0)
        for name, each in self.evaluations.items():
            told = each.predictions
            for column in ("predicted", "probability", "correct"):
                table[f"{column}_{name}"] = told[column]
        return table.sort_values("jsd_nats", ascending=False, kind="stable", ignore_index=True)

    def flips(self, first: str, second: str) -> pd.DataFrame:
        """Return the clips that one model gets right and the other does not.

        Args:
            first: Name of a model, such as the float one.
            second: Name of another, such as the int8 one.

        Returns:
            Rows of :attr:`clips`, with ``gained`` (whether the second is the one that is right).

        Raises:
            OptionError: There is no model of that name.
        """
        for name in (first, second):
            if name not in self.evaluations:
                raise OptionError(f"There is no model {name!r}; there are {', '.join(self.names)}.")
        table = self.clips
        one, other = table[f"correct_{first}"], table[f"correct_{second}"]
        return table.assign(gained=other)[one != other].reset_index(drop=True)

    def plot(self, ax: Axes | None = None, *, against: str = "ms_per_frame") -> Axes:
        """Draw accuracy against what a model costs, with its intervals; the best are joined.

        Args:
            ax: Where to draw; None makes a figure.
            against: ``"ms_per_frame"``, ``"size_mb"`` or ``"memory_mb"``, a column of
                :attr:`table`.

        Returns:
            Where it was drawn.

        Raises:
            OptionError: `against` is another word.
            PredictionsError: That is not known of every model.
            MissingDependencyError: matplotlib is not installed.
        """
        from vidlab.plots.tradeoffs import draw_tradeoff

        if against not in _COSTS:
            raise OptionError(
                f"against must be one of {', '.join(_COSTS)}; got {against!r}."
                + did_you_mean(str(against), _COSTS)
            )
        for name, each in self.evaluations.items():
            if each.cost is None or math.isnan(getattr(each.cost, against)):
                raise PredictionsError(
                    f"The {against} of {name} is not known, so it has no place on this chart; "
                    "vidlab.evaluate measures it (memory with memory=True), but for networks that "
                    "are in no file."
                )
        table = self.table
        cost, best = table[against].to_numpy(), table["top1"].to_numpy()
        return draw_tradeoff(
            ax,
            self.names,
            cost,
            best,
            table["top1_low"].to_numpy(),
            table["top1_high"].to_numpy(),
            is_pareto(best, cost),
            xlabel=_COSTS[against],
            ylabel="top-1 accuracy, with 95 % interval",
        )

    def plot_agreement(self, ax: Axes | None = None) -> Axes:
        """Draw :attr:`agreement`: how often two models name the same label.

        Args:
            ax: Where to draw; None makes a figure.

        Returns:
            Where it was drawn.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        from vidlab.plots.matrices import draw_agreement

        return draw_agreement(ax, self.agreement.to_numpy(), self.names, of=f"{len(self)} clips")

    def plot_over_time(self, ax: Axes | None = None) -> Axes:
        """Draw how often answers are right by the seconds of the clip that had gone by.

        Args:
            ax: Where to draw; None makes a figure.

        Returns:
            Where it was drawn.

        Raises:
            MissingDependencyError: matplotlib is not installed.
            PredictionsError: Only the clips' ends are known.
        """
        from vidlab.plots.lines import draw_lines

        tables = {name: each.by_second() for name, each in self.evaluations.items()}
        return draw_lines(
            ax,
            {name: (table["second"] + 0.5, table["accuracy"]) for name, table in tables.items()},
            xlabel="seconds of the clip gone by (s)",
            ylabel="share of answers that are right",
        )

    def plot_reliability(self, ax: Axes | None = None) -> Axes:
        """Draw how often answers are right against how sure they are; the diagonal is ideal.

        Args:
            ax: Where to draw; None makes a figure.

        Returns:
            Where it was drawn.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        from vidlab.plots.lines import draw_lines

        lines = {}
        for name, each in self.evaluations.items():
            bins = each.reliability.table.query("num > 0")
            lines[name] = bins["confidence"], bins["accuracy"]
        return draw_lines(
            ax,
            lines,
            xlabel="probability of the answer",
            ylabel="share of answers that are right",
            diagonal=True,
        )

    def report(
        self, path: str | os.PathLike[str], *, max_mb: float = 20.0, labels: str | None = None
    ) -> Path:
        """Write a report: one HTML file with tables, charts, videos and pictures, for a colleague.

        Args:
            path: The ``.html`` file to write.
            max_mb: What it may have, in megabytes. Videos, and then pictures, are left out where
                that is little.
            labels: Language to write labels in, such as ``"ko"``; None leaves them as they are.

        Returns:
            The path.

        Raises:
            OptionError: The file cannot be written, `max_mb` is too little for the tables alone,
                or there are no names in that language.
            MissingDependencyError: matplotlib, which draws the charts, is not installed.
        """
        from vidlab.report import write_study_report

        return write_study_report(self, path, max_mb=max_mb, labels=labels)

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._clips)

    def __repr__(self) -> str:
        figures = ", ".join(f"{name} {each.top1:.1%}" for name, each in self.evaluations.items())
        return f"<Study of {len(self)} clips: {figures}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        tables = (self.table, self.differences)
        html = "".join(
            table.round(3).to_html(index=False, na_rep="") for table in tables if len(table)
        )
        return {"text/plain": repr(self), "text/html": html}

    def _clips_of(self, name: str) -> pd.DataFrame:
        return self.evaluations[name].predictions[_CLIP_COLUMNS]

    def _row(self, name: str, evaluation: Evaluation) -> dict[str, Any]:
        probabilities, truth = evaluation.probabilities, evaluation.truth
        rank = metrics.rank_of_truth(probabilities, truth)
        row: dict[str, Any] = {
            "model": name,
            "num_clips": len(evaluation),
            "num_videos": len(np.unique(evaluation.videos)),
        }
        statistics = {
            "top1": metrics.mean_of(rank == 1),
            "top5": metrics.mean_of(rank <= 5),
            "ece": metrics.expected_calibration_error(probabilities, truth),
        }
        for key, statistic in statistics.items():
            row[key], row[f"{key}_low"], row[f"{key}_high"] = self._interval(statistic)
        if evaluation.answers is not None:
            decisions = evaluation.decisions()
            row["stable_seconds"] = float(decisions["stable_seconds"].median())
            row["flicker_per_second"] = float(decisions["flicker_per_second"].mean())
        if evaluation.answers is not None and evaluation.mean_probabilities is not None:
            streaming = evaluation.streaming_summary()
            row |= {key: streaming[key] for key in ("end_top1", "mean_top1")}
        if evaluation.cost is not None:
            cost = evaluation.cost
            row |= {
                "ms_per_frame": cost.ms_per_frame,
                "size_mb": cost.size_mb,
                **({} if math.isnan(cost.memory_mb) else {"memory_mb": cost.memory_mb}),
                "num_threads": cost.num_threads,
                "runtime": cost.runtime,
            }
        return row

    def _interval(self, statistic: metrics.Statistic) -> tuple[float, float, float]:
        videos = self.evaluations[self.names[0]].videos
        if len(np.unique(videos)) < 2:
            return statistic(np.arange(len(videos))), float("nan"), float("nan")
        found = metrics.cluster_bootstrap(statistic, videos)
        return found.estimate, found.low, found.high


def is_pareto(accuracy: NDArray[np.float64], cost: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which of several models no other beats in both accuracy and cost.

    Args:
        accuracy: ``[K]``, the more the better.
        cost: ``[K]``, the less the better.

    Returns:
        ``[K]``; a model that is as good and as cheap as another stays, as does that one.
    """
    at_least = (accuracy[None] >= accuracy[:, None]) & (cost[None] <= cost[:, None])
    better = (accuracy[None] > accuracy[:, None]) | (cost[None] < cost[:, None])
    is_beaten: NDArray[np.bool_] = np.any(at_least & better, axis=1)
    return ~is_beaten


def check_same_labels(models: Mapping[str, Model]) -> None:
    """Refuse models whose answers cannot be put side by side.

    Raises:
        PredictionsError: Their label maps differ.
    """
    (first_name, first), *others = models.items()
    for name, model in others:
        if model.labels != first.labels:
            raise PredictionsError(
                f"{first_name} and {name} have different label maps ({first.labels.name}, "
                f"{model.labels.name}), so clips have no label that both know. Evaluate each by "
                "itself, or compare them on one video with vidlab.compare(labels=...)."
            )
