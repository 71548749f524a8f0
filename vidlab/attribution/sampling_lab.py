"""What the choice of frames and pixels alone does to an answer.

Rates or strides, phases and crops are tried side by side. A model's answer should not hang on
whether the first sampled frame was the first or the third, nor on a few pixels more or less at the
edge. Where it does, it says little about the video.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidlab import plots
from vidlab.attribution.answers import Verdict, answers, sampled, verdict
from vidlab.core.console import progress as progress_bar
from vidlab.core.errors import OptionError, did_you_mean
from vidlab.core.images import jpeg
from vidlab.core.label_names import translated
from vidlab.core.labels import LabelMap
from vidlab.core.naming import printable
from vidlab.core.palette import OKABE_ITO
from vidlab.core.probabilities import softmax
from vidlab.inference import Source, as_video, rate_for
from vidlab.models.base import LoadedModel, check_model
from vidlab.sampling import at_rate, every_nth
from vidlab.video import Video

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Left edge, top edge and size of each crop, as shares of the frame's width and height.
CROPS = {
    "centre": (0.0, 0.0, 1.0),
    "closer": (0.1, 0.1, 0.8),
    "left": (0.0, 0.1, 0.8),
    "right": (0.2, 0.1, 0.8),
    "up": (0.1, 0.0, 0.8),
    "down": (0.1, 0.2, 0.8),
}

_BLUE, _ORANGE = OKABE_ITO[0], OKABE_ITO[4]

_PICTURE_HEIGHT_PX = 240


@dataclass(frozen=True)
class Setting:
    """One way to take frames and pixels of a video.

    Attributes:
        fps: Frames a second; with a stride that was asked for, their mean over the video.
        phase: When the first frame is taken, as a share of the way to the next one, 0 to 1.
        crop: Name of what is cut out of each frame before it is prepared, one of `CROPS`.
        stride: Source frames from one that is taken to the next; None where a rate takes now more
            and now fewer, as it must where the video's frames come unevenly.
    """

    fps: float
    phase: float
    crop: str
    stride: int | None = None

    def __str__(self) -> str:
        stride = "" if self.stride is None else f"stride {self.stride}, "
        return f"{self.fps:.4g} fps, {stride}phase {self.phase:g}, {self.crop}"


def sampling_lab(
    video: Source,
    model: LoadedModel,
    *,
    fps: Sequence[float] | None = None,
    strides: Sequence[int] | None = None,
    phases: Sequence[float] = (0.0, 0.5),
    crops: Sequence[str] = ("centre", "closer", "left", "right"),
    progress: bool = True,
) -> SamplingLab:
    """Run a model over a video at each combination of rate or stride, phase and crop.

    The default setting, which is how :func:`~vidlab.predict` runs the model, is always among them.
    The video is decoded once; each combination is a run of its own, so the defaults take as long as
    24 runs.

    Args:
        video: A :class:`~vidlab.Video`, or anything it can be made from.
        model: What :func:`~vidlab.load_model` returned, of any backend.
        fps: Rates, frames a second; None takes half of the model's own, that, and twice as many.
            A model without one sees every frame, and has the video's.
        strides: Instead of rates, every how many source frames one is taken. In a video of varying
            rate a stride keeps the number of frames between two, and a rate their time.
        phases: When the first frame is taken, as shares of the way from one to the next, from 0 to
            below 1; a stride takes the frame up to which that is.
        crops: What is cut out of each frame before the model's own preprocessing: ``"centre"``,
            the whole frame; ``"closer"``, the middle 80 % of each side; ``"left"``, ``"right"``,
            ``"up"``, ``"down"``, as much from there.
        progress: Show a progress bar.

    Returns:
        The answers of all settings.

    Raises:
        VideoError: Not one frame could be read.
        OptionError: An option is empty, unknown or out of range, or the video is too short for it.
        ModelError: An answer is not a number.
    """
    model = check_model(model)
    source = as_video(video)
    default, every = _ways(source, rate_for(model, None), fps, strides)
    frames = _settings(source, default, every, tuple(phases), tuple(crops))
    names = {each.crop for each in frames}
    wanted = frozenset(np.concatenate(list(frames.values())).tolist())
    middle = sorted(wanted)[len(wanted) // 2]
    times: dict[int, float] = {}
    prepared: dict[tuple[int, str], NDArray[np.float32]] = {}
    for index, pts_seconds, rgb in sampled(source, frames=wanted):
        times[index] = pts_seconds
        if index <= middle:
            picture = rgb
        prepared |= {(index, name): model.preprocessing(_cut(rgb, name)) for name in names}

    runs = []
    for setting in progress_bar(list(frames), desc="trying", unit="setting", disable=not progress):
        # Of a damaged video, those that could be read.
        chosen = [i for i in frames[setting].tolist() if i in times]
        if not chosen:
            raise OptionError(f"{source.name} cannot be read as far as {setting} begins.")
        pixels = np.stack([prepared[index, setting.crop] for index in chosen])
        places, logits = answers(model, pixels)
        runs.append(
            Run(
                time_seconds=np.array([times[chosen[place]] for place in places]),
                probabilities=softmax(logits),
                verdict=verdict(model, logits),
            )
        )
    return SamplingLab(
        video=source.name,
        title=model.title,
        labels=model.labels,
        settings=tuple(frames),
        runs=tuple(runs),
        span_seconds=(source.start_seconds, source.end_seconds),
        picture=jpeg(picture, height_px=_PICTURE_HEIGHT_PX),
    )


@dataclass(frozen=True)
class _Way:
    """How often frames are taken: at a rate, or where there is a stride, every so many."""

    fps: float
    stride: int | None = None


def _ways(
    video: Video,
    own: float | None,
    rates: Sequence[float] | None,
    strides: Sequence[int] | None,
) -> tuple[_Way, list[_Way]]:
    """Return how often a model takes frames by itself, None being all of them, and what to try."""
    default = _Way(video.fps, 1) if own is None else _Way(float(own))
    if strides is not None:
        if rates is not None:
            raise OptionError("Give fps or strides, not both: each is how often frames are taken.")
        _check_any("strides", strides)
        numbers = [_checked_stride(each) for each in strides]
        return default, [_Way(video.fps / number, number) for number in numbers]
    if rates is None:
        rates = (default.fps / 2, default.fps, default.fps * 2)
    _check_any("fps", rates)
    for rate in rates:
        if not 0 < rate < math.inf:
            raise OptionError(f"fps must be positive numbers; got {rate!r}.")
    return default, [_Way(float(rate)) for rate in rates]


def _check_any(name: str, given: Sequence[object]) -> None:
    if not len(given):
        raise OptionError(f"{name} must have at least one value; got none.")


def _checked_stride(stride: int) -> int:
    try:
        number = operator.index(stride)
    except TypeError:
        number = 0
    if number < 1:
        raise OptionError(f"strides must be whole numbers, 1 or more; got {stride!r}.")
    return number


def _settings(
    video: Video,
    default: _Way,
    every: Sequence[_Way],
    phases: Sequence[float],
    crops: Sequence[str],
) -> dict[Setting, NDArray[np.int64]]:
    """Return the combinations, each with its frames; the default is the first one."""
    _check_any("phases", phases)
    _check_any("crops", crops)
    for phase in phases:
        if not 0 <= phase < 1:
            raise OptionError(f"phases must be from 0 to below 1; got {phase!r}.")
    for crop in crops:
        if crop not in CROPS:
            raise OptionError(
                f"crops must be of {', '.join(CROPS)}; got {crop!r}.{did_you_mean(crop, CROPS)}"
            )
    settings: dict[Setting, NDArray[np.int64]] = {}
    for way, its_phases, its_crops in [
        (default, (0.0,), ("centre",)),
        *((each, phases, crops) for each in every),
    ]:
        frames = [_frames(video, way, phase) for phase in its_phases]
        stride = _stride_of(frames) if way.stride is None else way.stride
        for (phase, taken), crop in product(zip(its_phases, frames, strict=True), its_crops):
            settings.setdefault(Setting(way.fps, float(phase), crop, stride), taken)
    return settings


def _frames(video: Video, way: _Way, phase: float) -> NDArray[np.int64]:
    """Return the frames on screen at the instants ``first + (phase + k) / rate``, or by stride."""
    if way.stride is not None:
        taken = every_nth(video.num_frames, way.stride, start=math.floor(phase * way.stride))
        if not len(taken):
            raise OptionError(
                f"{video.name} is over, after {video.num_frames} frames, before one at stride "
                f"{way.stride} and phase {phase:g} is due. Take a smaller stride, or phase 0 alone."
            )
        return taken
    start = float(video.pts_seconds[0]) + phase / way.fps
    if start >= video.end_seconds:
        raise OptionError(
            f"{video.name} is over, after {video.duration_seconds:g} s, before a frame at "
            f"{way.fps:g} fps and phase {phase:g} is due. Take a higher rate, or phase 0 alone."
        )
    first = video.index_at_time(start)
    # The frame on screen then counts as if it had come just then: instants are counted from it.
    pts = np.maximum(video.pts_seconds[first:], start)
    return first + at_rate(pts, way.fps, end_seconds=video.end_seconds)


def _stride_of(frames: Sequence[NDArray[np.int64]]) -> int | None:
    """Return how far any two frames that follow each other are apart, where that is always so."""
    gaps = np.unique(np.concatenate([np.diff(each) for each in frames]))
    return int(gaps[0]) if len(gaps) == 1 else None


def _cut(rgb: NDArray[np.uint8], crop: str) -> NDArray[np.uint8]:
    left, top, share = CROPS[crop]
    height, width = rgb.shape[:2]
    y, x = round(top * height), round(left * width)
    rows, columns = max(1, round(share * height)), max(1, round(share * width))
    return np.ascontiguousarray(rgb[y : y + rows, x : x + columns])


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """The answers with one setting.

    Attributes:
        time_seconds: float64 ``[A]``, when each was given.
        probabilities: float32 ``[A, num_classes]``.
        verdict: What they come to.
    """

    time_seconds: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    verdict: Verdict

    def held(self, grid: NDArray[np.float64], class_id: int) -> NDArray[np.float64]:
        """Return a label's probability at some times: the last answer's; NaN before the first."""
        last = np.searchsorted(self.time_seconds, grid, side="right") - 1
        values = self.probabilities[np.maximum(last, 0), class_id].astype(np.float64)
        return np.where(last < 0, np.nan, values)


@dataclass(frozen=True, eq=False, kw_only=True)
class SamplingLab:
    """A model's answers to one video, with several ways to take frames and pixels.

    :class:`vidlab.SamplingView` shows them in a notebook, with a slider for each choice.

    Attributes:
        video: Name of the video.
        title: Of the model.
        labels: The model's.
        settings: The ways; the first one is the default.
        runs: The answers of each.
        span_seconds: When the video begins and ends.
        picture: One frame from its middle, whole, as JPEG of at most 240 px height.
    """

    video: str
    title: str
    labels: LabelMap
    settings: tuple[Setting, ...]
    runs: tuple[Run, ...]
    span_seconds: tuple[float, float]
    picture: bytes

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Of each setting what it says of the whole video, float32 ``[S, num_classes]``."""
        return np.stack([run.verdict.probabilities for run in self.runs])

    @property
    def table(self) -> pd.DataFrame:
        """One row for each setting and each label that comes first with any of them.

        Columns ``fps, stride, phase, crop, label, probability``, and ``top1``, whether the label
        comes first with this setting. The default setting's rows come first.
        """
        import pandas as pd

        probabilities = self.probabilities
        best = probabilities.argmax(axis=1)
        shown = list(dict.fromkeys(best.tolist()))
        rows = [
            (each.fps, each.stride, each.phase, each.crop, self.labels[i],
             float(probabilities[at, i]), bool(best[at] == i))
            for at, each in enumerate(self.settings)
            for i in shown
        ]  # fmt: skip
        columns = ["fps", "stride", "phase", "crop", "label", "probability", "top1"]
        kinds = {"stride": "Int64", "crop": "str", "label": "str"}
        return pd.DataFrame(rows, columns=columns).astype(kinds)

    @property
    def flips(self) -> pd.DataFrame:
        """The settings whose label is another than the default's.

        Columns ``fps, stride, phase, crop``, the ``label`` with its ``probability``, and
        ``default_probability``, what this setting gives the label of the default.
        """
        table = self.table
        said = table[table["top1"]]
        own = table[table["label"] == self.default_label]["probability"].to_numpy()
        said = said.drop(columns="top1").assign(default_probability=own)
        return said[said["label"] != self.default_label].reset_index(drop=True)

    @property
    def default_label(self) -> str:
        """What the default setting says of the whole video."""
        return self.labels[int(self.runs[0].verdict.probabilities.argmax())]

    def band(self, label: str | None = None) -> pd.DataFrame:
        """Return between which values a label's probability lies over time, over all settings.

        Args:
            label: Which; None takes the default setting's.

        Returns:
            Columns ``time_seconds, low, median, high``: the least, the middle and the greatest
            probability of the settings that have answered by then. There is a row wherever a
            setting answers; an answer holds until the next one.

        Raises:
            LabelMapError: The model has no such label.
        """
        import pandas as pd

        class_id = self.labels.id_of(self.default_label if label is None else label)
        grid = np.unique(np.concatenate([run.time_seconds for run in self.runs]))
        held = np.stack([run.held(grid, class_id) for run in self.runs])
        low, median, high = np.nanquantile(held, (0.0, 0.5, 1.0), axis=0)
        return pd.DataFrame({"time_seconds": grid, "low": low, "median": median, "high": high})

    def plot(
        self, ax: Axes | None = None, *, label: str | None = None, labels: str | None = None
    ) -> Axes:
        """Draw the band of a label's probability, and the default setting's line in it.

        Args:
            ax: Where to draw; None makes a figure.
            label: Which; None takes the default setting's.
            labels: Language to write it in, such as ``"ko"``; None leaves it as it is.

        Returns:
            Where it was drawn.

        Raises:
            LabelMapError: The model has no such label.
            OptionError: There are no names in that language.
            MissingDependencyError: matplotlib is not installed.
        """
        label = self.default_label if label is None else label
        name = translated(label, labels)
        band = self.band(label)
        ax = plots.axes_for(ax)
        times = band["time_seconds"].to_numpy()
        num = len(self.settings)
        ax.fill_between(
            times, band["low"], band["high"], step="post", color=_BLUE, alpha=0.25, linewidth=0,
            label=f"all {num} settings",
        )  # fmt: skip
        ax.step(
            times, band["median"], where="post", color=_BLUE, linestyle="--", label="their median"
        )
        default = self.runs[0].held(times, self.labels.id_of(label))
        ax.step(
            times, default, where="post", color=_ORANGE, linewidth=2.0,
            label=f"default: {self.settings[0]}",
        )  # fmt: skip
        ax.set_ylim(0.0, 1.0)
        ax.set_xlabel("time (s)")
        ax.set_ylabel("probability")
        num_others = int((self.probabilities.argmax(axis=1) != self.labels.id_of(label)).sum())
        plots.add_title(ax, f"{num_others} of {num} settings do not say {name}")
        ax.legend(loc="best", fontsize="small", framealpha=0.8)
        plots.find_fonts(ax)
        return ax

    def __repr__(self) -> str:
        return printable(
            f"<SamplingLab of {self.title} on {self.video}: {self.default_label!r} by default, "
            f"something else with {len(self.flips)} of {len(self.settings)} settings>"
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        text = repr(self)[1:-1].replace("&", "&amp;").replace("<", "&lt;")
        table = self.flips.round(3).to_html(index=False, max_rows=20)
        return {"text/plain": repr(self), "text/html": f"<p>{text}</p>{table}"}
