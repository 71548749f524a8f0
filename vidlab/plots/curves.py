"""Lines over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidlab import plots
from vidlab.core.palette import person_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_people(
    ax: Axes | None,
    time_seconds: NDArray[np.float64],
    curves: Mapping[int, NDArray[np.float64]],
    *,
    title: str,
    ylabel: str,
) -> Axes:
    """Draw one line a person, in the person's colour, with a gap where they are not seen.

    Args:
        ax: Where to draw; None makes a figure.
        time_seconds: ``[N]``.
        curves: 0 to 1, ``[N]`` for each person's number; NaN where they are not seen.
        title: Of the chart.
        ylabel: What the lines are.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    ax = plots.axes_for(ax)
    for number, values in curves.items():
        # The dots show whoever is seen on single frames, where no line can.
        ax.plot(
            time_seconds, values, ".-", color=person_color(number), markersize=4,
            label=f"person {number}",
        )  # fmt: skip
    ax.set_ylim(0.0, 1.05)
    ax.set_xlabel("time (s)")
    ax.set_ylabel(ylabel)
    if curves:
        plots.add_legend_below(ax, *ax.get_legend_handles_labels())
    plots.add_title(ax, title)
    plots.find_fonts(ax)
    return ax
