"""Charts of results, with matplotlib: arrays and names in, axes out.

Results draw themselves, by their ``plot``; here is how. A chart is as wide as a notebook's column,
leaves matplotlib's settings as they are, and never shows or closes a figure: notebooks do that.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vidlab.core.dependencies import require
from vidlab.core.fonts import font_path
from vidlab.core.naming import printable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

#: From 0 to 1, light to dark: one hue, so that any eye and any printer keeps the order.
SHARES = "Blues"

#: Lines and fills that only go along.
GREY = "0.6"

#: Shapes beside colours, so that colour never speaks alone.
MARKERS = "osD^vP*X"

_WIDTH_INCHES = 7.0
_DPI = 100


def axes_for(ax: Axes | None, *, height_inches: float = 3.2) -> Axes:
    """Return where to draw: `ax`, or the axes of a new figure, 7 inches wide.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    if ax is not None:
        return ax
    pyplot = require("matplotlib.pyplot", why="plot()")
    # Like "constrained", and a square matrix stands in the middle.
    _, made = pyplot.subplots(figsize=(_WIDTH_INCHES, height_inches), dpi=_DPI, layout="compressed")
    axes: Axes = made
    return axes


def shown(text: str, *, columns: int = 28) -> str:
    """Return a text as a chart takes it: on one line, not too long, no formula.

    Args:
        text: Any; a label may hold anything, and a file's name what is no Unicode.
        columns: How wide it may be. Letters such as Hangul count as two
            (Unicode Standard Annex 11). A longer text has an ellipsis within, as it is often
            the end that tells one model from another.
    """
    line = " ".join(printable(text).split())
    if _columns(line) > columns:
        tail = _start(line[::-1], (columns - 1) // 3)[::-1].lstrip()
        line = f"{_start(line, columns - 1 - _columns(tail)).rstrip()}…{tail}"
    # matplotlib would take what is between two dollar signs for mathematics.
    return line.replace("$", r"\$")


def _start(text: str, columns: int) -> str:
    """Return as much of a text, from its start, as so many columns hold."""
    while _columns(text) > columns:
        text = text[:-1]
    return text


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def add_title(ax: Axes, text: str) -> None:
    """Write a title that is no wider than the axes of a chart with long names at its side."""
    ax.set_title(shown(text, columns=60), fontsize="medium")


def add_legend_below(ax: Axes, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """Write a legend under the axis labels, in as many columns as there is room for."""
    points_per_pixel = 72.0 / ax.figure.dpi
    room = ax.get_window_extent().width * points_per_pixel
    # Letters of 8 points, about half as wide on average, behind a key.
    widest = 4.4 * max(map(_columns, names)) + 26.0
    ax.legend(
        handles, names, loc="upper center", bbox_to_anchor=(0.5, 0.0), borderaxespad=5.0,
        ncols=min(len(names), max(1, int(room / widest))), fontsize=8, frameon=False,
        handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip


def find_fonts(ax: Axes) -> None:
    """Give each text that its font cannot write another one that can, as Korean labels need.

    A font is looked for once, with all their letters, so that they look alike; where none is
    installed, a warning tells how to get one. Call it when everything is written.
    """
    manager = require("matplotlib.font_manager", why="plot()")
    texts = [
        *(ax.title, ax.xaxis.label, ax.yaxis.label),
        *(*ax.get_xticklabels(), *ax.get_yticklabels(), *ax.texts),
        *(legend.get_texts() if (legend := ax.get_legend()) else ()),
    ]
    lacking = []
    for text in texts:
        font = manager.get_font(manager.findfont(text.get_fontproperties()))
        if any(
            not font.get_char_index(ord(letter)) for letter in text.get_text() if letter != "\n"
        ):
            lacking.append(text)
    path = font_path("".join(text.get_text() for text in lacking))
    if path is not None:
        for text in lacking:
            properties = text.get_fontproperties().copy()
            properties.set_file(str(path))
            text.set_fontproperties(properties)
