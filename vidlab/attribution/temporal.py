"""Which seconds decide: hide a stretch of the video, and look how far the answer falls.

Occlusion as in Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks",
over time instead of over the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidlab import plots
from vidlab.attribution.answers import (
    Verdict,
    answer_pieces,
    class_of,
    go_on,
    pieces_of,
    see,
    verdict,
)
from vidlab.attribution.filling import Fill, check_fill, filled
from vidlab.core.console import progress as progress_bar
from vidlab.core.errors import OptionError
from vidlab.core.label_names import translated
from vidlab.core.naming import printable
from vidlab.core.palette import OKABE_ITO
from vidlab.inference import Rate, Source, as_video, rate_for
from vidlab.models.base import LoadedModel, Model, check_model

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# Timestamps are right to the microsecond; sums of seconds stray by less.
_SLACK_SECONDS = 1e-6

# Windows whose drop is at least this share of the largest one are decisive, too.
_DECISIVE_SHARE = 0.5

_BLUE, _ORANGE = OKABE_ITO[0], OKABE_ITO[4]


def temporal_occlusion(
    video: Source,
    model: LoadedModel,
    *,
    label: str | None = None,
    window_seconds: float = 1.0,
    hop_seconds: float = 0.5,
    fill: Fill = "blur",
    fps: Rate = None,
    progress: bool = True,
) -> TemporalOcclusion:
    """Find the seconds that decide a model's answer to a video.

    Window after window, the sampled frames in it are replaced, and the model is asked again. The
    video is decoded once. A stream model goes on from the state before the window, which takes half
    of the time; of other models, only the clips or frames that changed are run again.

    Args:
        video: A :class:`~vidlab.Video`, or anything it can be made from.
        model: What :func:`~vidlab.load_model` returned, of any backend.
        label: Which label's probability is watched; None takes the model's own answer.
        window_seconds: How long a stretch is hidden at a time.
        hop_seconds: From one window's start to the next one's; at most `window_seconds`.
        fill: What is shown instead: ``"blur"``, the frames without detail; ``"freeze"``, the frame
            before the window; ``"gray"``, nothing.
        fps: Frames a second that the model is given, as in :func:`~vidlab.predict`.
        progress: Show a progress bar.

    Returns:
        The windows, each with what is left of the label's probability.

    Raises:
        VideoError: Not one frame could be read.
        OptionError: An option is out of range.
        LabelMapError: The model has no such label.
        ModelError: An answer is not a number.
    """
    model = check_model(model)
    check_fill(fill)
    class_id = class_of(model, label)
    for name, seconds in (("window_seconds", window_seconds), ("hop_seconds", hop_seconds)):
        if not 0 < seconds < math.inf:
            raise OptionError(f"{name} must be a positive number of seconds; got {seconds!r}.")
    if hop_seconds > window_seconds:
        raise OptionError(
            f"hop_seconds must be at most window_seconds, {window_seconds:g}, or frames between "
            f"two windows would never be hidden; got {hop_seconds!r}."
        )
    source = as_video(video)
    seen = see(source, model, rate_for(model, fps))
    bounds, spans = _windows(seen.time_seconds, source.end_seconds, window_seconds, hop_seconds)
    bar = progress_bar(spans, desc="hiding", unit="window", disable=not progress)
    ask = _ask_stream if model.card.kind == "stream" else _ask_pieces
    plain, without = ask(model, seen.pixels, bar, fill)
    if class_id is None:
        class_id = int(plain.probabilities.argmax())
    return TemporalOcclusion(
        video=source.name,
        title=model.title,
        label=model.labels[class_id],
        probability=float(plain.probabilities[class_id]),
        fill=fill,
        table=_table(bounds, plain, without, class_id),
        frame_index=seen.frame_index,
        time_seconds=seen.time_seconds,
    )


def _windows(
    times: NDArray[np.float64], end: float, window: float, hop: float
) -> tuple[list[tuple[float, float]], list[tuple[int, int]]]:
    """Return the windows that hold sampled frames: their bounds, seconds, and their frames.

    The last one ends with the video, and may be shorter.
    """
    bounds, spans = [], []
    number, stop = 0, -math.inf
    while stop < end - _SLACK_SECONDS:
        start = times[0] + number * hop
        stop = min(start + window, end)
        number += 1
        first, last = np.searchsorted(times, (start - _SLACK_SECONDS, stop - _SLACK_SECONDS))
        if first < last:
            bounds.append((float(start), float(stop)))
            spans.append((int(first), int(last)))
    return bounds, spans


def _ask_stream(
    model: Model, pixels: NDArray[np.float32], spans: Any, fill: Fill
) -> tuple[Verdict, list[Verdict]]:
    """Return the answer to all frames, and those with each span of them hidden."""
    # A state is a function of the frames before it: one run through the video, from window to
    # window, gives each the state that it goes on from.
    state, done = model.init_state(), 0
    without = []
    for start, stop in spans:
        _, state = go_on(model, pixels[done:start], state)
        done = start
        hidden = filled(pixels, start, stop, fill, model.preprocessing)
        logits, _ = go_on(model, np.concatenate([hidden, pixels[stop:]]), state)
        without.append(verdict(model, logits))
    logits, _ = go_on(model, pixels[done:], state)
    return verdict(model, logits), without


def _ask_pieces(
    model: Model, pixels: NDArray[np.float32], spans: Any, fill: Fill
) -> tuple[Verdict, list[Verdict]]:
    """Return the answer to all frames, and those with each span of them hidden."""
    pieces = pieces_of(model, len(pixels))
    plain = answer_pieces(model, pixels, pieces)
    without = []
    for start, stop in spans:
        changed = pixels.copy()
        changed[start:stop] = filled(pixels, start, stop, fill, model.preprocessing)
        touched = [
            number
            for number, piece in enumerate(pieces)
            if ((piece >= start) & (piece < stop)).any()
        ]
        logits = plain.copy()
        logits[touched] = answer_pieces(model, changed, [pieces[number] for number in touched])
        without.append(verdict(model, logits))
    return verdict(model, plain), without


def _table(
    bounds: list[tuple[float, float]], plain: Verdict, without: list[Verdict], class_id: int
) -> pd.DataFrame:
    import pandas as pd

    left = np.array([each.probabilities[class_id] for each in without], dtype=np.float64)
    logits = np.array([each.logits[class_id] for each in without], dtype=np.float64)
    drop, logit_drop = plain.probabilities[class_id] - left, plain.logits[class_id] - logits
    # Where the probability moves in no window, for it is 1 to all digits, the logit still does.
    order = np.lexsort((-logit_drop, -drop))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    starts, stops = np.array(bounds).T
    return pd.DataFrame(
        {
            "start_seconds": starts,
            "end_seconds": stops,
            "probability": left,
            "drop": drop,
            "logit_drop": logit_drop,
            "rank": rank,
        }
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class TemporalOcclusion:
    """Which seconds of a video decide a model's answer to it.

    Attributes:
        video: Name of the video.
        title: Of the model.
        label: Which label was watched.
        probability: What the model gives it with nothing hidden.
        fill: What the frames of a window were replaced with.
        table: One row a window, by time: ``start_seconds, end_seconds``, the label's
            ``probability`` with the window hidden, its ``drop``, that of its logit,
            ``logit_drop``, and ``rank`` by the drop, 1 for the window that decides most.
        frame_index: int64 ``[N]``, the sampled frames.
        time_seconds: float64 ``[N]``, their timestamps.
    """

    video: str
    title: str
    label: str
    probability: float
    fill: Fill
    table: pd.DataFrame
    frame_index: NDArray[np.int64]
    time_seconds: NDArray[np.float64]

    def segments(self) -> pd.DataFrame:
        """Return the decisive stretches, for ``Player(video, preds, truth=...)``.

        Windows that cost at least half of what the costliest one does, joined where they touch.

        Returns:
            Columns ``start_seconds, end_seconds, label``, by time; empty where no window costs
            anything.
        """
        import pandas as pd

        drops = self.table["drop"]
        decisive = self.table[(drops > 0) & (drops >= _DECISIVE_SHARE * drops.max())]
        joined: list[tuple[float, float]] = []
        for start, stop in zip(decisive["start_seconds"], decisive["end_seconds"], strict=True):
            if joined and start <= joined[-1][1] + _SLACK_SECONDS:
                start = joined.pop()[0]
            joined.append((start, stop))
        table = pd.DataFrame(joined, columns=["start_seconds", "end_seconds"], dtype="float64")
        return table.assign(label=pd.Series([self.label] * len(table), dtype="str"))

    def curve(self) -> pd.DataFrame:
        """Return how much each sampled frame counts, for ``Player(video, curves=...)``.

        Returns:
            Columns ``frame_index, time_seconds, drop``: the mean drop of the windows that hide the
            frame.
        """
        import pandas as pd

        times = self.time_seconds[:, None] + _SLACK_SECONDS
        starts, stops = self.table["start_seconds"], self.table["end_seconds"]
        hides = (times >= starts.to_numpy()) & (times < stops.to_numpy())
        drop = hides @ self.table["drop"].to_numpy() / hides.sum(axis=1)
        return pd.DataFrame(
            {"frame_index": self.frame_index, "time_seconds": self.time_seconds, "drop": drop}
        )

    def plot(self, ax: Axes | None = None, *, labels: str | None = None) -> Axes:
        """Draw each window as a line at its drop; the one that decides most stands out.

        Args:
            ax: Where to draw; None makes a figure.
            labels: Language to write the label in, such as ``"ko"``; None leaves it as it is.

        Returns:
            Where it was drawn.

        Raises:
            OptionError: There are no names in that language.
            MissingDependencyError: matplotlib is not installed.
        """
        name = translated(self.label, labels)
        ax = plots.axes_for(ax)
        curve = self.curve()
        ax.fill_between(curve["time_seconds"], curve["drop"], color=_BLUE, alpha=0.15, linewidth=0)
        drops, starts, stops = (self.table[c] for c in ("drop", "start_seconds", "end_seconds"))
        ax.hlines(drops, starts, stops, color=_BLUE, linewidth=2.0)
        best = self._best()
        ax.hlines(best["drop"], best["start_seconds"], best["end_seconds"], color=_ORANGE, lw=5.0)
        ax.axhline(0.0, color="0.5", linewidth=0.8)
        ax.set_xlabel("hidden stretch of the video (s)")
        ax.set_ylabel("drop of probability")
        plots.add_title(ax, f"{self.probability:.2f} with nothing hidden: {name}")
        ax.annotate(
            f"{best['start_seconds']:.1f} to {best['end_seconds']:.1f} s: "
            f"{best['probability']:.2f} without it",
            ((best["start_seconds"] + best["end_seconds"]) / 2, best["drop"]),
            xytext=(0, 6), textcoords="offset points", ha="center", color=_ORANGE,
        )  # fmt: skip
        ax.margins(x=0.08, y=0.15)
        plots.find_fonts(ax)
        return ax

    def _best(self) -> Any:
        return self.table.iloc[int(self.table["rank"].argmin())]

    def __repr__(self) -> str:
        best = self._best()
        return printable(
            f"<TemporalOcclusion of {self.label!r} by {self.title} on {self.video}: "
            f"{len(self.table)} windows; without {best['start_seconds']:.1f} to "
            f"{best['end_seconds']:.1f} s its probability is {best['probability']:.3f}, not "
            f"{self.probability:.3f}>"
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        text = repr(self)[1:-1].replace("&", "&amp;").replace("<", "&lt;")
        table = self.table.sort_values("rank").round(3).to_html(index=False, max_rows=20)
        return {"text/plain": repr(self), "text/html": f"<p>{text}</p>{table}"}
