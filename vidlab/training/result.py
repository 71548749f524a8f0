"""What training gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from vidlab.core.dependencies import require
from vidlab.core.times import clock
from vidlab.models.base import Model
from vidlab.training.live import page, summary
from vidlab.training.options import one_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"training": "#0072B2", "validation": "#D55E00"}


@dataclass(frozen=True, repr=False, eq=False)
class FitResult:
    """A trained model, and how it came about.

    Attributes:
        model: Ready for :func:`vidlab.predict`; of all epochs the best one's weights.
        history: A row for each epoch: ``epoch, loss, accuracy`` over the frames that the loss is
            on, ``val_loss, val_accuracy`` over the clips kept back (where there are any),
            ``learning_rate``, and ``seconds`` since the start. Losses are in nats, accuracies
            from 0 to 1.
        best_epoch: The epoch that was kept, as numbered in `history`.
        path: The weights, with their card beside them; None where `out` was not given.
        validation: The clips that were kept back, as a table that :func:`vidlab.evaluate` takes
            (of a dataset, the names of its items).
        problems: What could not be read, or not in full: columns ``video, reason``.
        seconds: How long training took, without looking at the clips.
        stopped: Why it ended before its last epoch, or None.
    """

    model: Model
    history: pd.DataFrame
    best_epoch: int
    path: Path | None
    validation: pd.DataFrame
    problems: pd.DataFrame
    seconds: float
    stopped: str | None

    def plot(self, ax: Axes | None = None, *, what: str = "accuracy") -> Axes:
        """Draw a measure over the epochs, for training and validation.

        Args:
            ax: Where to draw; None makes a figure.
            what: ``"accuracy"`` or ``"loss"``.

        Returns:
            Where it was drawn.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        one_of("what", what, ("accuracy", "loss"))
        pyplot = require("matplotlib.pyplot", why="plot()")
        if ax is None:
            _, ax = pyplot.subplots(figsize=(6.4, 3.6), dpi=100, layout="constrained")
        assert ax is not None
        scale, unit = (100.0, "%") if what == "accuracy" else (1.0, "nats")
        epochs = self.history["epoch"]
        lines = {"training": what, "validation": f"val_{what}"}
        lines = {name: column for name, column in lines.items() if column in self.history}
        ends = []
        for name, column in lines.items():
            values, colour = scale * self.history[column], _COLOURS[name]
            style = "-" if name == "training" else "--"
            ax.plot(epochs, values, style, color=colour, label=name, clip_on=False)
            ends.append((float(values.iloc[-1]), name))
        best = float(scale * self.history[list(lines.values())[-1]].iloc[self._best()])
        ax.plot([self.best_epoch], [best], "o", color=colour, clip_on=False)
        ax.set_title(f"{what.capitalize()} of {self.model.name}")
        ax.set_xlabel("epoch")
        ax.set_ylabel(f"{what} ({unit})")
        ax.set_xlim(1, max(len(epochs), 2))
        ax.set_ylim(0, 100 if what == "accuracy" else None)
        ax.locator_params(axis="x", integer=True)
        # Names at the ends of the lines; apart where the lines are not.
        apart = len(ends) == 2 and abs(ends[0][0] - ends[1][0]) < 0.07 * ax.get_ylim()[1]
        for shift, (value, name) in zip((-6, 6), sorted(ends), strict=False):
            ax.annotate(
                name,
                (float(epochs.iloc[-1]), value),
                xytext=(8, shift if apart else 0),
                textcoords="offset points",
                color=_COLOURS[name],
                va="center",
                annotation_clip=False,
            )
        return ax

    def __repr__(self) -> str:
        return f"<{self._headline()}; {summary(self._rows(), best=self._best())}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        html = page(self._rows(), best=self._best(), status=self._headline())
        return {"text/plain": repr(self), "text/html": html}

    def _headline(self) -> str:
        ended = f", {self.stopped}" if self.stopped else ""
        where = f", in {self.path}" if self.path else ", not saved (out= was not given)"
        return (
            f"FitResult of {self.model.name}: {len(self.model.labels)} labels, "
            f"{len(self.history)} epochs in {clock(self.seconds)[:-4]}{ended}{where}"
        )

    def _rows(self) -> Sequence[dict[str, float]]:
        rows: list[dict[str, float]] = self.history.to_dict("records")  # type: ignore[assignment]
        return rows

    def _best(self) -> int:
        return int(self.history.index[self.history["epoch"] == self.best_epoch][0])
