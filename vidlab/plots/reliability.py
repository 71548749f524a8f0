"""How sure answers are against how often they are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidlab import plots
from vidlab.core.palette import OKABE_ITO

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Share of the height that the tallest bar takes, below the curve.
_BAR_SHARE = 0.25


def draw_reliability(
    ax: Axes | None,
    edges: NDArray[np.float64],
    confidence: NDArray[np.float64],
    accuracy: NDArray[np.float64],
    count: NDArray[np.int64],
    *,
    title: str,
) -> Axes:
    """Draw a reliability curve over how many answers each of its bins holds.

    The counts have an axis of their own, on the right.

    Args:
        ax: Where to draw; None makes a figure.
        edges: Of the bins, ``[B + 1]``.
        confidence: Mean of each bin, ``[B]``; NaN where it is empty.
        accuracy: Of each bin, ``[B]``; NaN where it is empty.
        count: Answers in each bin, ``[B]``.
        title: Of the chart.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    ax = plots.axes_for(ax, height_inches=4.2)
    bars = ax.twinx()
    bars.bar(
        edges[:-1], count, np.diff(edges), align="edge", color="0.85", edgecolor="white",
        linewidth=0.5,
    )  # fmt: skip
    bars.set_ylim(0.0, count.max() / _BAR_SHARE)
    bars.set_yticks([0, int(count.max())])
    bars.set_ylabel("answers in a bin", loc="bottom")
    ax.plot(
        [0.0, 1.0], [0.0, 1.0], "--", color=plots.GREY, linewidth=1, label="right as often as sure"
    )
    filled = count > 0
    ax.plot(
        confidence[filled],
        accuracy[filled],
        "o-",
        color=OKABE_ITO[0],
        label="answers",
        clip_on=False,
    )
    # The curve above the bars, whose axes must not hide it.
    ax.set_zorder(bars.get_zorder() + 1)
    ax.patch.set_visible(False)
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(0.0, 1.0)
    ax.set_xlabel("confidence")
    ax.set_ylabel("accuracy")
    ax.legend(loc="upper left", frameon=False, fontsize=9)
    plots.add_title(ax, title)
    plots.find_fonts(ax)
    return ax
