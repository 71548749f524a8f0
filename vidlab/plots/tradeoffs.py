"""How good models are against what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidlab import plots
from vidlab.core.dependencies import require
from vidlab.core.palette import color

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_tradeoff(
    ax: Axes | None,
    names: Sequence[str],
    cost: NDArray[np.float64],
    accuracy: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    unbeaten: NDArray[np.bool_],
    *,
    xlabel: str,
    ylabel: str,
) -> Axes:
    """Draw a point with its interval for each model; a line joins those that no other beats.

    Args:
        ax: Where to draw; None makes a figure.
        names: Of K models.
        cost: ``[K]``, above 0; drawn on a logarithmic axis.
        accuracy: ``[K]``.
        low: Lower end of each interval, ``[K]``; NaN where there is none.
        high: Upper end likewise.
        unbeaten: ``[K]``.
        xlabel: What it costs.
        ylabel: What it gives.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    ax = plots.axes_for(ax, height_inches=4.2)
    order = np.flatnonzero(unbeaten)
    order = order[np.argsort(cost[order], kind="stable")]
    ax.plot(cost[order], accuracy[order], color=plots.GREY, linewidth=1, zorder=0)
    points = [
        ax.errorbar(
            cost[k], accuracy[k],
            yerr=np.clip(np.nan_to_num([[accuracy[k] - low[k]], [high[k] - accuracy[k]]]), 0, None),
            fmt=plots.MARKERS[k % len(plots.MARKERS)], color=color(k), capsize=3, markersize=7,
        )
        for k in range(len(names))
    ]  # fmt: skip
    ax.set_xscale("log")
    # Powers of ten alone are too far apart: most models lie between two of them.
    ticker = require("matplotlib.ticker", why="plot()")
    ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(ticker.NullLocator())
    ax.margins(x=0.1, y=0.1)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    plots.add_legend_below(ax, points, [plots.shown(name, columns=34) for name in names])  # type: ignore[arg-type]
    plots.find_fonts(ax)
    return ax
