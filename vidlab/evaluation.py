"""How often a model is right on labelled clips, and what it takes for what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vidlab.clips import Clips, open_clips, piece_starts, problems_table, warn_of_problems
from vidlab.core.console import progress as progress_bar
from vidlab.core.dependencies import require
from vidlab.core.errors import DatasetError, ModelError, OptionError, VideoError
from vidlab.core.labels import LabelMap
from vidlab.core.probabilities import softmax
from vidlab.models.base import LoadedModel, Model, check_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

At = Literal["end", "mean"]

# Frames that are read at once.
_READ_FRAMES = 64

# More labels than this are drawn without their names and numbers.
_MAX_NAMED = 30


def evaluate(
    model: LoadedModel, data: object, *, at: At | None = None, progress: bool = True
) -> Evaluation:
    """Ask a model for the label of every clip, and count.

    A stream model sees each clip from its first frame to its last with a state of its own. A clip
    model sees pieces as long as it was trained with, which follow each other.

    Args:
        model: What :func:`~vidlab.load_model` or :func:`~vidlab.fit` gave, of any backend.
        data: A folder with a folder of videos for each label; a CSV file or a DataFrame of
            segments (``video, start_seconds, end_seconds, label``), such as ``validation`` of a
            fit; or a torch ``Dataset`` of ``(frames, class id)`` with ``labels``.
        at: ``"end"`` takes the answer after the last frame (of a clip model: to the last piece),
            ``"mean"`` the mean probabilities over all answers. None takes the end for stream
            models, the mean for clip models.
        progress: Show a progress bar.

    Returns:
        The counts, and each clip's answer.

    Raises:
        LabelMapError: A clip has a label that the model does not.
        DatasetError: There are no clips, or more than half of them cannot be read.
        ModelError: An answer is not a number.
        OptionError: `at` is unknown.
    """
    model = check_model(model)
    if at not in (None, "end", "mean"):
        raise OptionError(f'at must be "end", "mean" or None; got {at!r}.')
    is_at_end = model.card.kind == "stream" if at is None else at == "end"
    clips = open_clips(data, model.preprocessing, progress=progress)
    clips.check_labels(model.labels)
    rows, chosen = [], []
    for index in progress_bar(
        range(len(clips)), desc="evaluating", unit="clip", disable=not progress
    ):
        try:
            probabilities = softmax(_answers(model, clips, index))
        except VideoError as error:
            clips.problems[clips.clips[index].name] = str(error)
            continue
        chosen.append(index)
        rows.append(probabilities[-1] if is_at_end else probabilities.mean(axis=0))
    if len(chosen) * 2 < len(clips):
        raise DatasetError(
            f"{len(clips) - len(chosen)} of {len(clips)} clips cannot be read, such as "
            f"{'; '.join(f'{name}: {why}' for name, why in list(clips.problems.items())[:3])}"
        )
    warn_of_problems(clips.problems, stacklevel=2)
    return Evaluation(
        clips.table(chosen),
        np.stack(rows),
        labels=model.labels,
        title=model.title,
        problems=problems_table(clips.problems),
    )


def _answers(model: Model, clips: Clips, index: int) -> NDArray[np.float32]:
    """Return the logits of each answer to a clip, float32 ``[N, num_classes]``."""
    num_frames = clips.clips[index].num_frames
    if model.card.answers_every_frame:
        return np.concatenate(list(_stream(model, clips, index, num_frames)))
    length = max(model.card.num_frames, 1)
    pieces = [
        clips.read(index, start, min(start + length, num_frames))
        for start in piece_starts(num_frames, length)
    ]
    return np.concatenate([model.classify(piece[None]) for piece in pieces])


def _stream(
    model: Model, clips: Clips, index: int, num_frames: int
) -> Iterator[NDArray[np.float32]]:
    state = model.init_state()
    for first in range(0, num_frames, _READ_FRAMES):
        frames = clips.read(index, first, min(first + _READ_FRAMES, num_frames))
        for start in range(0, len(frames), model.chunk_frames):
            logits, state = model.step(frames[start : start + model.chunk_frames], state)
            yield logits


class Evaluation:
    """A model's answers to labelled clips, and what they amount to.

    Args:
        clips: One row a clip: ``video, start_seconds, end_seconds, label``.
        probabilities: float32 ``[num_clips, num_classes]``.
        labels: Label of each column.
        title: Name of the model.
        problems: What could not be read, or not in full: columns ``video, reason``.

    Attributes:
        labels: As given.
        probabilities: As given.
        title: As given.
        problems: As given.
    """

    def __init__(
        self,
        clips: pd.DataFrame,
        probabilities: NDArray[np.float32],
        *,
        labels: LabelMap,
        title: str,
        problems: pd.DataFrame | None = None,
    ) -> None:
        self.labels = labels
        self.title = title
        self.probabilities = np.asarray(probabilities, dtype=np.float32)
        self.problems = problems_table({}) if problems is None else problems
        if not len(clips) or self.probabilities.shape != (len(clips), len(labels)):
            raise DatasetError(
                f"An evaluation needs clips, and probabilities [{len(clips)}, {len(labels)}]; got "
                f"{list(self.probabilities.shape)}."
            )
        # Not greater than any other, NaN would count as right.
        broken = np.flatnonzero(~np.isfinite(self.probabilities).all(axis=1))
        if len(broken):
            raise ModelError(
                f"{title} answered {len(broken)} of {len(clips)} clips with what is not a number, "
                f"such as {clips['video'].iloc[broken[0]]}. Its weights, or frames of a dataset, "
                "hold such values."
            )
        self._truth = np.array([labels.id_of(label) for label in clips["label"]])
        own = self.probabilities[np.arange(len(clips)), self._truth]
        # Of labels with the same probability the first in the label map comes first.
        ids = np.arange(len(labels))
        before = (self.probabilities > own[:, None]) | (
            (self.probabilities == own[:, None]) & (ids < self._truth[:, None])
        )
        self._rank = before.sum(axis=1) + 1
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
        table["correct"] = self._rank == 1
        return table

    @property
    def confusion(self) -> pd.DataFrame:
        """Number of clips by true label (rows) and predicted one (columns).

        Labels that are neither are left out; the others come in the order of the label map.
        """
        ids = np.union1d(self._truth, self._said)
        table = np.zeros((len(self.labels), len(self.labels)), dtype=np.int64)
        np.add.at(table, (self._truth, self._said), 1)
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
        confusion = self.confusion.to_numpy()
        correct, num, said = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
        with np.errstate(invalid="ignore"):
            return pd.DataFrame(
                {
                    "label": pd.Series(self.confusion.index.to_list(), dtype="str"),
                    "num": num,
                    "correct": correct,
                    "precision": correct / said,
                    "recall": correct / num,
                    "f1": 2 * correct / (num + said),
                }
            )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the confusion matrix: true labels down, predicted ones across, shares of a row.

        Args:
            ax: Where to draw; None makes a figure.

        Returns:
            Where it was drawn.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        pyplot = require("matplotlib.pyplot", why="plot()")
        table = self.confusion
        counts = table.to_numpy()
        size = len(table)
        if ax is None:
            side = min(2.6 + 0.42 * size, 12.0)
            _, ax = pyplot.subplots(figsize=(side + 1.0, side), dpi=100, layout="constrained")
        assert ax is not None
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        ax.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
        ax.set_title(f"{self.title}: {self.top1:.1%} of {len(self)} clips")
        ax.set_xlabel("predicted")
        ax.set_ylabel("label")
        if size <= _MAX_NAMED:
            ax.set_xticks(range(size), table.columns, rotation=45, ha="right")
            ax.set_yticks(range(size), table.index)
            for (row, column), number in np.ndenumerate(counts):
                if number:
                    ink = "white" if shares[row, column] > 0.6 else "black"
                    ax.text(column, row, str(number), color=ink, ha="center", va="center")
        return ax

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
