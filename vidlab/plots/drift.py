"""How far models' numbers part: by elapsed frame, and layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vidlab import plots
from vidlab.core.dependencies import require
from vidlab.core.palette import color

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# Less than float32 can tell apart; it gives an error of 0 a place on a logarithmic axis.
_LEAST_ERROR = 1e-8

# Room that a layer's name needs, in points.
_NAME_POINTS = 10.0

_MARKER_POINTS = 4.0


def draw_growth(
    ax: Axes | None, lines: Mapping[str, tuple[pd.Series, pd.Series]], *, title: str
) -> Axes:
    """Draw errors by elapsed frame: a line at the median, a band up to the largest.

    Args:
        ax: Where to draw; None makes a figure.
        lines: By the model's name, median and largest error by elapsed frame.
        title: Of the chart.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    ax = plots.axes_for(ax, height_inches=3.8)
    handles = []
    for number, (median, most) in enumerate(lines.values()):
        shade, frames = color(number), median.index.to_numpy()
        middle, top = median.clip(lower=_LEAST_ERROR), most.clip(lower=_LEAST_ERROR)
        ax.fill_between(frames, middle, top, color=shade, alpha=0.2, linewidth=0)
        handles += ax.plot(
            frames, middle, color=shade, marker=plots.MARKERS[number % len(plots.MARKERS)],
            markersize=_MARKER_POINTS,
        )  # fmt: skip
    ax.set_yscale("log")
    # Frames are counted.
    ax.xaxis.set_major_locator(
        require("matplotlib.ticker", why="plot()").MaxNLocator(integer=True, min_n_ticks=1)
    )
    ax.set_xlabel("elapsed frames")
    ax.set_ylabel("relative error of the logits")
    plots.add_title(ax, title)
    plots.add_legend_below(ax, handles, [plots.shown(name, columns=40) for name in lines])
    plots.find_fonts(ax)
    return ax


def draw_layers(ax: Axes | None, errors: Mapping[str, pd.Series], *, title: str) -> Axes:
    """Draw the error of each layer, the first on top.

    Args:
        ax: Where to draw; None makes a figure.
        errors: By the model's name, error by layer; the order of the first is that of all.
        title: Of the chart.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    names = list(dict.fromkeys(layer for each in errors.values() for layer in each.index))
    ax = plots.axes_for(ax, height_inches=1.6 + 0.2 * len(names))
    handles = []
    for number, each in enumerate(errors.values()):
        handles += ax.plot(
            each.clip(lower=_LEAST_ERROR), [names.index(layer) for layer in each.index],
            color=color(number), marker=plots.MARKERS[number % len(plots.MARKERS)],
            markersize=_MARKER_POINTS,
        )  # fmt: skip
    ax.set_xscale("log")
    height_points = ax.get_window_extent().height * 72.0 / ax.figure.dpi
    every = max(1, round(_NAME_POINTS * len(names) / height_points + 0.5))
    ax.set_yticks(
        range(0, len(names), every),
        [plots.shown(name.removeprefix("layers.")) for name in names[::every]],
        fontsize=8,
    )
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(axis="y", color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_xlabel("relative error")
    ax.set_ylabel("layer")
    plots.add_title(ax, title)
    plots.add_legend_below(ax, handles, [plots.shown(name, columns=40) for name in errors])
    plots.find_fonts(ax)
    return ax
