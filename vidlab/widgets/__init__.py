"""Widgets: the player and the comparison view, for Jupyter and wherever anywidget works.

::

    Player("clip.mp4", predictions)     # one video, one or several models
    ComparisonView(comparison)          # the same widget, from a comparison
    PlayerGrid([player, other])         # several videos, in step
    Annotator("clip.mp4", ["waving"])   # marks segments, and keeps them in a CSV file
"""

from __future__ import annotations

from vidlab.comparison import Comparison
from vidlab.widgets.annotator import Annotator
from vidlab.widgets.grid import PlayerGrid
from vidlab.widgets.player import ComparisonView, Player

__all__ = ["Annotator", "ComparisonView", "Player", "PlayerGrid", "show_comparison"]


def show_comparison(comparison: Comparison) -> ComparisonView:
    """Show a comparison in the notebook, and return its widget.

    Raises:
        WidgetError: The comparison was made without its video.
    """
    from IPython.display import display

    view = ComparisonView(comparison)
    display(view)  # type: ignore[no-untyped-call]
    return view
