"""Lines of several models on one scale from 0 to 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from vidlab.core.palette import color
from vidlab.plots import GREY, MARKERS, add_legend_below, axes_for, find_fonts, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_lines(
    ax: Axes | None,
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    xlabel: str,
    ylabel: str,
    diagonal: bool = False,
) -> Axes:
    """Draw a line for each name, with a legend below.

    Args:
        ax: Where to draw; None makes a figure.
        lines: By name, x and y ``[N]`` each; y is a share, 0 to 1.
        xlabel: What x is, with its unit.
        ylabel: What y is.
        diagonal: Whether x is a share too, and equality is drawn.
    """
    ax = axes_for(ax)
    if diagonal:
        ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
        ax.set_xlim(0, 1)
    handles = [
        ax.plot(*line, color=color(number), marker=MARKERS[number % len(MARKERS)], markersize=4)[0]
        for number, line in enumerate(lines.values())
    ]
    if not diagonal:
        ax.set_xlim(left=0)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    add_legend_below(ax, handles, [shown(name, columns=40) for name in lines])
    find_fonts(ax)
    return ax
