"""What one model answered to labelled clips, and what it amounts to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vidlab import metrics
from vidlab.clips import problems_table
from vidlab.core.errors import DatasetError, ModelError, PredictionsError
from vidlab.core.label_names import translate_labels
from vidlab.core.labels import LabelMap

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a model's answers took on this machine.

    Attributes:
        ms_per_frame: Computing time, without reading and scaling: the median over the clips, the
            first of which, where runtimes warm up, is left out if there are others.
        size_mb: Its weights on disk; NaN for a network of the user's own.
        memory_mb: The most that a process of its own has which runs it, runtime and all; NaN where
            that was not measured.
        num_threads: Threads it computed with.
        runtime: Library and version.
    """

    ms_per_frame: float
    size_mb: float
    num_threads: int
    runtime: str
    memory_mb: float = float("nan")


class Evaluation:
    """A model's answers to labelled clips, and what they amount to.

    Args:
        clips: One row a clip: ``video, start_seconds, end_seconds, label``.
        probabilities: float32 ``[num_clips, num_classes]``.
        labels: Label of each column.
        title: Name of the model.
        problems: What could not be read, or not in full: columns ``video, reason``.
        answers: What was answered on the way, one row an answer: ``clip`` (number of the row),
            ``elapsed_seconds`` (from the clip's start), ``class_id`` (the most probable) and its
            ``probability``; None where only the end is known.
        mean_probabilities: The mean over all answers to each clip, float32
            ``[num_clips, num_classes]``; None where it is not known.
        cost: What it took.

    Attributes:
        labels: As given.
        probabilities: As given.
        title: As given.
        problems: As given.
        answers: As given.
        mean_probabilities: As given.
        cost: As given.
        truth: Class id of each clip, int64 ``[num_clips]``.
    """

    def __init__(
        self,
        clips: pd.DataFrame,
        probabilities: NDArray[np.float32],
        *,
        labels: LabelMap,
        title: str,
        problems: pd.DataFrame | None = None,
        answers: pd.DataFrame | None = None,
        mean_probabilities: NDArray[np.float32] | None = None,
        cost: Cost | None = None,
    ) -> None:
        self.labels = labels
        self.answers = answers
        self.mean_probabilities = mean_probabilities
        self.cost = cost
        self.title = title
        self.probabilities = np.asarray(probabilities, dtype=np.float32)
        self.problems = problems_table({}) if problems is None else problems
        if not len(clips) or self.probabilities.shape != (len(clips), len(labels)):
            raise DatasetError(
                f"An evaluation needs clips, and probabilities [{len(clips)}, {len(labels)}]; got "
                f"{list(self.probabilities.shape)}."
            )
        if mean_probabilities is not None and mean_probabilities.shape != self.probabilities.shape:
            raise DatasetError(
                f"The mean over the answers needs a row for each clip, "
                f"{list(self.probabilities.shape)}; got {list(mean_probabilities.shape)}."
            )
        # Not greater than any other, NaN would count as right.
        broken = np.flatnonzero(~np.isfinite(self.probabilities).all(axis=1))
        if len(broken):
            raise ModelError(
                f"{title} answered {len(broken)} of {len(clips)} clips with what is not a number, "
                f"such as {clips['video'].iloc[broken[0]]}. Its weights, or frames of a dataset, "
                "hold such values."
            )
        self.truth = np.array([labels.id_of(label) for label in clips["label"]], dtype=np.int64)
        self._rank = metrics.rank_of_truth(self.probabilities, self.truth)
        self._said = self.probabilities.argmax(axis=1)
        self._clips = clips.reset_index(drop=True)

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._clips)

    @property
    def top1(self) -> float:
        """Share of the clips whose label was the most probable, 0 to 1."""
        return float((self._rank == 1).mean())

    @property
    def top5(self) -> float:
        """Share of the clips whose label was among the five most probable, 0 to 1."""
        return float((self._rank <= 5).mean())

    @property
    def predictions(self) -> pd.DataFrame:
        """What the model said of each clip.

        Columns ``video, start_seconds, end_seconds, label``, then ``predicted`` and its
        ``probability``, ``rank`` of the true label (1 is right) and ``correct``.
        """
        table = self._clips.copy()
        names = np.array(list(self.labels), dtype=object)
        table["predicted"] = pd.Series(names[self._said], dtype="str")
        table["probability"] = self.probabilities[np.arange(len(table)), self._said]
        table["rank"] = self._rank
        table["correct"] = self.is_right
        return table

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether each clip's label was the most probable, ``[num_clips]``."""
        right: NDArray[np.bool_] = self._rank == 1
        return right

    @property
    def videos(self) -> NDArray[Any]:
        """Which video each clip is of, ``[num_clips]``: clips of one are not independent."""
        return self._clips["video"].to_numpy()

    @property
    def confusion(self) -> pd.DataFrame:
        """Number of clips by true label (rows) and predicted one (columns).

        Labels that are neither are left out; the others come in the order of the label map.
        """
        ids = np.union1d(self.truth, self._said)
        table = metrics.confusion_matrix(self.truth, self._said, num_classes=len(self.labels))
        names = [self.labels[i] for i in ids]
        return pd.DataFrame(
            table[np.ix_(ids, ids)],
            index=pd.Index(names, name="label"),
            columns=pd.Index(names, name="predicted"),
        )

    @property
    def per_class(self) -> pd.DataFrame:
        """How well each label is told from the others.

        One row for each label of :attr:`confusion`: ``label, num`` (clips), ``correct, precision``
        (of those it was said of, how many are; NaN where it never was), ``recall`` (of those that
        are, how many were said to be; NaN where none is) and ``f1``.
        """
        table = self.confusion
        counts = table.to_numpy()
        told = metrics.per_class(counts)
        return pd.DataFrame(
            {
                "label": pd.Series(table.index.to_list(), dtype="str"),
                "num": counts.sum(axis=1),
                "correct": np.diag(counts),
                "precision": told.precision,
                "recall": told.recall,
                "f1": told.f1,
            }
        )

    @property
    def reliability(self) -> metrics.Reliability:
        """How sure its answers are against how often they are right; ``.ece`` is the error."""
        return metrics.reliability(self.probabilities, self.truth)

    def by_second(self) -> pd.DataFrame:
        """Return how good the answers are by the seconds of the clip that had gone by.

        Returns:
            One row a second: ``second`` (0 is from 0 s to before 1 s), ``num`` (answers),
            ``accuracy``, and ``ece``, the expected calibration error.

        Raises:
            PredictionsError: Only the clips' ends are known.
        """
        answers = self._on_the_way()
        right = answers["class_id"].to_numpy() == self.truth[answers["clip"].to_numpy()]
        seconds = answers["elapsed_seconds"].to_numpy()
        error = metrics.calibration_error_of(answers["probability"].to_numpy(), right)
        table = metrics.by_second(seconds, right).rename(columns={"value": "accuracy"})
        table["ece"] = metrics.by_second(seconds, error)["value"]
        return table

    def decisions(self) -> pd.DataFrame:
        """Return how the model made up its mind in each clip.

        Returns:
            One row a clip: ``video, start_seconds, end_seconds, label``, then ``predicted``,
            ``correct``, ``stable_seconds`` (from the clip's start to the first answer from which on
            the label stayed), ``flicker_per_second`` (changes of the label) and ``agreement``
            (share of the answers on the way that were the clip's).

        Raises:
            PredictionsError: Only the clips' ends are known.
        """
        rows = []
        for clip, answers in self._on_the_way().groupby("clip", sort=True):
            ids, seconds = answers["class_id"].to_numpy(), answers["elapsed_seconds"].to_numpy()
            stable = metrics.time_to_stable(seconds, ids) - seconds[0]
            flicker = metrics.flicker_rate(seconds, ids)
            share = metrics.agreement(ids, int(self._said[int(str(clip))]))
            rows.append((stable, flicker, share))
        table = self.predictions.drop(columns=["probability", "rank"])
        columns = ["stable_seconds", "flicker_per_second", "agreement"]
        table[columns] = np.array(rows, dtype=np.float64)
        return table

    def streaming(self) -> pd.DataFrame:
        """Return what was said of each clip at its start, at its end, and on average.

        The last answer of a stream model is the one of the same network to the whole clip in one
        call: what it sees is in the state, however the clip is split. The mean over the answers is
        what others make of a clip, with frames in it of which little had been seen.

        Returns:
            One row a clip: ``video, start_seconds, end_seconds, label``; ``first_label,
            end_label, mean_label``, of the first answer, the last one, and the mean probabilities
            over all; whether each is right, ``first_correct, end_correct, mean_correct``;
            ``seconds_to_right``, from the clip's start to the first answer from which on all are
            right (NaN where the last one is not); and ``stable_share``, the share of the time from
            first to last answer that was gone by when the label stayed, 0 where it never changed.

        Raises:
            PredictionsError: Only the clips' ends are known, or no mean over the answers.
        """
        if self.mean_probabilities is None:
            raise PredictionsError(
                f"Of {self.title} no mean over the answers to a clip is known; evaluate it with "
                "vidlab.evaluate, which keeps it."
            )
        said = {"first": [], "end": [], "mean": self.mean_probabilities.argmax(axis=1)}
        times = []
        for clip, answers in self._on_the_way().groupby("clip", sort=True):
            ids, seconds = answers["class_id"].to_numpy(), answers["elapsed_seconds"].to_numpy()
            said["first"].append(ids[0])
            said["end"].append(ids[-1])
            stable = metrics.time_to_stable(seconds, ids)
            length = seconds[-1] - seconds[0]
            times.append(
                (
                    stable if ids[-1] == self.truth[int(str(clip))] else np.nan,
                    (stable - seconds[0]) / length if length > 0 else 0.0,
                )
            )
        table = self._clips.copy()
        names = np.array(list(self.labels), dtype=object)
        for which, ids in said.items():
            table[f"{which}_label"] = pd.Series(names[ids], dtype="str")
        for which, ids in said.items():
            table[f"{which}_correct"] = ids == self.truth
        table[["seconds_to_right", "stable_share"]] = np.array(times, dtype=np.float64)
        return table

    def streaming_summary(self) -> dict[str, float]:
        """Return :meth:`streaming` in a few figures.

        Returns:
            ``first_top1, end_top1, mean_top1``, the shares of the clips of which the first answer,
            the last and the mean are right; ``mean_agreement``, of which last and mean are the
            same; the medians ``seconds_to_right``, over the clips that come right (NaN where none
            does), and ``stable_share``.

        Raises:
            PredictionsError: Only the clips' ends are known, or no mean over the answers.
        """
        table = self.streaming()
        return {
            **{f"{which}_top1": float(table[f"{which}_correct"].mean())
               for which in ("first", "end", "mean")},
            "mean_agreement": float((table["end_label"] == table["mean_label"]).mean()),
            "seconds_to_right": float(table["seconds_to_right"].median()),
            "stable_share": float(table["stable_share"].median()),
        }  # fmt: skip

    def _on_the_way(self) -> pd.DataFrame:
        if self.answers is None:
            raise PredictionsError(
                f"Of {self.title} only the answers at the clips' ends are known; evaluate it with "
                "vidlab.evaluate, which keeps those on the way."
            )
        return self.answers

    def plot(self, ax: Axes | None = None, *, labels: str | None = None) -> Axes:
        """Draw the confusion matrix: true labels down, predicted ones across, shares of a row.

        Args:
            ax: Where to draw; None makes a figure.
            labels: Language to write them in, such as ``"ko"``; None leaves them as they are.

        Returns:
            Where it was drawn.

        Raises:
            OptionError: There are no names in that language.
            MissingDependencyError: matplotlib is not installed.
        """
        from vidlab.plots.matrices import draw_matrix

        table = self.confusion
        counts = table.to_numpy()
        return draw_matrix(
            ax,
            counts / np.maximum(counts.sum(axis=1, keepdims=True), 1),
            translate_labels(table.index.to_list(), labels=labels),
            [[str(number or "") for number in row] for row in counts],
            title=f"{self.title}: {self.top1:.1%} of {len(self)} clips",
            rows="label",
            columns="predicted",
            scale="share of the row",
        )

    def __repr__(self) -> str:
        lost = f", {len(self.problems)} with problems" if len(self.problems) else ""
        return (
            f"<Evaluation of {self.title}: {len(self)} clips, top-1 {self.top1:.1%}, "
            f"top-5 {self.top5:.1%}{lost}>"
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        table = self.per_class.round(3).to_html(index=False, na_rep="", max_rows=40)
        text = repr(self)[1:-1].replace("&", "&amp;").replace("<", "&lt;")
        return {"text/plain": repr(self), "text/html": f"<p>{text}</p>{table}"}
