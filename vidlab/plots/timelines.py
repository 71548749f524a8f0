"""What was answered when: labels over time, as bands, as lanes, as a heat map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidlab import plots
from vidlab.core.dependencies import require
from vidlab.core.label_names import check_language, translated
from vidlab.core.palette import PALETTE, ink_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAMED = 8

# A letter's height in points, and how many points of a band it needs for itself.
_LETTER, _LETTER_ROOM = 8, 11.0

# A divergence of less nats is not blown up to the height of the strip.
_LEAST_PEAK = 0.01


def bounds_of(time_seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return when each answer begins to hold, and when the last one ceases to.

    That is one usual spacing after it was given, or a second where there is no other.

    Args:
        time_seconds: ``[N]``, never decreasing; at least one.

    Returns:
        Seconds, ``[N + 1]``.
    """
    steps = np.diff(time_seconds)
    steps = steps[steps > 0]  # answers for clips may share their last frame
    spacing = float(np.median(steps)) if len(steps) else 1.0
    return np.append(time_seconds, time_seconds[-1] + spacing)


def draw_heat_map(
    ax: Axes | None,
    bounds: NDArray[np.float64],
    probabilities: NDArray[np.float32],
    labels: Sequence[str],
    *,
    title: str,
    language: str | None,
) -> Axes:
    """Draw labels' probabilities over time, a row a label, the darker the more probable.

    Args:
        ax: Where to draw; None makes a figure.
        bounds: Seconds, ``[N + 1]``.
        probabilities: ``[N, K]``.
        labels: K, the first on top.
        title: Of the chart.
        language: To write the labels in.

    Raises:
        OptionError: There are no names in that language.
        MissingDependencyError: matplotlib is not installed.
    """
    names = [plots.shown(translated(label, language)) for label in labels]
    ax = plots.axes_for(ax, height_inches=1.4 + 0.26 * len(names))
    mesh = ax.pcolormesh(
        bounds, np.arange(len(names) + 1) - 0.5, probabilities.T,
        cmap=plots.SHARES, vmin=0.0, vmax=1.0, rasterized=True,
    )  # fmt: skip
    ax.figure.colorbar(mesh, ax=ax, label="probability")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_ylabel("label")
    _finish(ax, bounds, title)
    return ax


def draw_bands(
    ax: Axes | None,
    bounds: NDArray[np.float64],
    labels: Sequence[str],
    probabilities: NDArray[np.float32],
    *,
    title: str,
    language: str | None,
) -> Axes:
    """Draw one label at a time as a band in its colour, as high as it is probable.

    Args:
        ax: Where to draw; None makes a figure.
        bounds: Seconds, ``[N + 1]``.
        labels: N.
        probabilities: ``[N]``.
        title: Of the chart.
        language: To write the labels in.

    Raises:
        OptionError: There are no names in that language.
        MissingDependencyError: matplotlib is not installed.
    """
    check_language(language)
    ax = plots.axes_for(ax)
    held = np.asarray(labels, dtype=object)
    for label in dict.fromkeys(labels):
        heights = np.where(held == label, probabilities, np.nan)
        ax.stairs(heights, bounds, fill=True, color=PALETTE.color_of(label), linewidth=0)
    for label, middle in _wide_runs(ax, bounds, labels):
        _write_letter(ax, label, middle, 1.06, ink="black")
    ax.set_yticks(np.linspace(0.0, 1.0, 6))
    ax.set_ylim(0.0, 1.12)
    ax.set_ylabel("probability")
    _add_legend(ax, bounds, {"": labels}, language)
    _finish(ax, bounds, title)
    return ax


def draw_lanes(
    ax: Axes | None,
    bounds: NDArray[np.float64],
    lanes: Mapping[str, Sequence[str]],
    divergence: NDArray[np.float32],
    *,
    title: str,
    language: str | None,
) -> Axes:
    """Draw several models' labels over time, a lane a model, over how far they are apart.

    Args:
        ax: Where to draw; None makes a figure.
        bounds: Seconds, ``[N + 1]``.
        lanes: N labels by the model's name, the first on top.
        divergence: In nats, ``[N]``.
        title: Of the chart.
        language: To write the labels in.

    Raises:
        OptionError: There are no names in that language.
        MissingDependencyError: matplotlib is not installed.
    """
    check_language(language)
    ax = plots.axes_for(ax, height_inches=2.2 + 0.45 * len(lanes))
    for row, labels in enumerate(lanes.values()):
        held = np.asarray(labels, dtype=object)
        for label in dict.fromkeys(labels):
            ends = np.where(held == label, row + 0.4, np.nan)
            shade = PALETTE.color_of(label)
            ax.stairs(ends, bounds, baseline=row - 0.4, fill=True, color=shade, linewidth=0)
        for label, middle in _wide_runs(ax, bounds, labels):
            _write_letter(ax, label, middle, row, ink=ink_on(PALETTE.color_of(label)))
    peak = float(divergence.max())
    base = len(lanes) + 0.4
    heights = base - 0.8 * divergence / max(peak, _LEAST_PEAK)
    ax.stairs(heights, bounds, baseline=base, fill=True, color=plots.GREY, linewidth=0)
    names = [plots.shown(name, columns=22) for name in lanes]
    ax.set_yticks(range(len(lanes) + 1), [*names, f"divergence,\nat most {peak:.2g} nats"])
    ax.set_ylim(base + 0.1, -0.6)
    ax.set_ylabel("model")
    _add_legend(ax, bounds, lanes, language)
    _finish(ax, bounds, title)
    return ax


def _runs(labels: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield where each stretch of one label starts and ends."""
    start = 0
    for place in range(1, len(labels) + 1):
        if place == len(labels) or labels[place] != labels[start]:
            yield start, place
            start = place


def _wide_runs(
    ax: Axes, bounds: NDArray[np.float64], labels: Sequence[str]
) -> Iterator[tuple[str, float]]:
    """Yield the label and the middle of each stretch that has room for its letter."""
    pixels = ax.get_window_extent().width
    points = pixels * 72.0 / ax.figure.dpi
    scale = points / (bounds[-1] - bounds[0])
    for start, stop in _runs(labels):
        room = (bounds[stop] - bounds[start]) * scale
        if room > _LETTER_ROOM * len(PALETTE.letter_of(labels[start])):
            yield labels[start], float(bounds[start] + bounds[stop]) / 2


def _write_letter(ax: Axes, label: str, x: float, y: float, *, ink: str) -> None:
    ax.text(
        x, y, PALETTE.letter_of(label), color=ink, fontsize=_LETTER, fontweight="bold",
        ha="center", va="center", clip_on=True,
    )  # fmt: skip


def _add_legend(
    ax: Axes,
    bounds: NDArray[np.float64],
    lanes: Mapping[str, Sequence[str]],
    language: str | None,
) -> None:
    """Name the labels that hold longest, with their colours and letters."""
    seconds: dict[str, float] = {}
    for labels in lanes.values():
        for label, length in zip(labels, np.diff(bounds), strict=True):
            seconds[label] = seconds.get(label, 0.0) + float(length)
    order = sorted(seconds, key=lambda label: -seconds[label])
    patch = require("matplotlib.patches", why="plot()").Patch
    named = order[:_MOST_NAMED]
    handles = [patch(color=PALETTE.color_of(label)) for label in named]
    names = [
        f"{PALETTE.letter_of(label)}  {plots.shown(translated(label, language))}" for label in named
    ]
    if len(order) > len(named):
        handles.append(patch(alpha=0.0))
        names.append(f"and {len(order) - len(named)} more")
    plots.add_legend_below(ax, handles, names)


def _finish(ax: Axes, bounds: NDArray[np.float64], title: str) -> None:
    ax.set_xlim(bounds[0], bounds[-1])
    ax.set_xlabel("time (s)")
    plots.add_title(ax, title)
    plots.find_fonts(ax)
