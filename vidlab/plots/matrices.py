"""Square tables of shares: which label is taken for which, which model agrees with which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidlab import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Names, and numbers, of more rows than this cannot be read on a notebook's width.
_MOST_NAMED, _MOST_NUMBERED = 30, 20

# Names of more columns than this stand upright: slanted ones would touch.
_MOST_SLANTED = 12

# What a chart that is 7 inches wide leaves to the matrix, beside names and scale.
_SIDE_INCHES = 4.2

# From here on the shade is so dark that white is easier to read on it than black.
_DARK = 0.6


def draw_matrix(
    ax: Axes | None,
    shares: NDArray[np.floating],
    names: Sequence[str],
    numbers: Sequence[Sequence[str]],
    *,
    title: str,
    rows: str,
    columns: str,
    scale: str,
) -> Axes:
    """Draw a square table of shares, the darker the greater, with a number in each cell.

    Args:
        ax: Where to draw; None makes a figure.
        shares: 0 to 1, ``[K, K]``.
        names: Of the rows, and of the columns; beyond 30 they are counted instead.
        numbers: What to write into each cell, K times K, which may be nothing; beyond 20 rows,
            shades must do.
        title: Of the chart.
        rows: What the rows are.
        columns: What the columns are.
        scale: What the shares are of.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    size = len(names)
    side = min(0.55 * size, _SIDE_INCHES)
    ax = plots.axes_for(ax, height_inches=max(side, 1.6) + 1.9)
    image = ax.imshow(shares, cmap=plots.SHARES, vmin=0.0, vmax=1.0)
    ax.figure.colorbar(image, ax=ax, label=scale)
    plots.add_title(ax, title)
    if size <= _MOST_NAMED:
        cell_points = 72.0 * side / size
        _write_names(ax, names, font_points=min(10.0, 0.8 * cell_points))
        if size <= _MOST_NUMBERED:
            _write_numbers(ax, shares, numbers, font_points=min(9.0, 0.42 * cell_points))
        ax.set_xlabel(columns)
        ax.set_ylabel(rows)
    else:
        ax.set_xlabel(f"{columns} (number of the row in the table)")
        ax.set_ylabel(f"{rows} (number of the row in the table)")
    plots.find_fonts(ax)
    return ax


def draw_agreement(
    ax: Axes | None, shares: NDArray[np.floating], names: Sequence[str], *, of: str
) -> Axes:
    """Draw how often each model says what each other one does.

    Args:
        ax: Where to draw; None makes a figure.
        shares: 0 to 1, ``[K, K]``.
        names: Of the models, K.
        of: What the shares are of, such as ``"120 frames"``.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    return draw_matrix(
        ax,
        shares,
        names,
        [[f"{share:.2f}" for share in row] for row in shares],
        title=f"How often two models name the same label, of {of}",
        rows="model",
        columns="model",
        scale="share",
    )


def _write_names(ax: Axes, names: Sequence[str], *, font_points: float) -> None:
    short = [plots.shown(name, columns=22) for name in names]
    slanted = len(short) <= _MOST_SLANTED
    # Turned about their ends, so that each points at its column.
    ax.set_xticks(
        range(len(short)), short, rotation=45 if slanted else 90, rotation_mode="anchor",
        ha="right", va="top" if slanted else "center", fontsize=font_points,
    )  # fmt: skip
    ax.set_yticks(range(len(short)), short, fontsize=font_points)


def _write_numbers(
    ax: Axes,
    shares: NDArray[np.floating],
    numbers: Sequence[Sequence[str]],
    *,
    font_points: float,
) -> None:
    for row, line in enumerate(numbers):
        for column, number in enumerate(line):
            if number:
                ink = "white" if shares[row, column] > _DARK else "black"
                ax.text(
                    column, row, number, color=ink, fontsize=font_points, ha="center", va="center"
                )
