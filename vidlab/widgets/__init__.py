"""Widgets: the player and the comparison view, for Jupyter and wherever anywidget works.

::

    Player("clip.mp4", predictions)     # one video, one or several models
    ComparisonView(comparison)          # the same widget, from a comparison
    PlayerGrid([player, other])         # several videos, in step
"""

from __future__ import annotations

from vidlab.widgets.grid import PlayerGrid
from vidlab.widgets.player import ComparisonView, Player

__all__ = ["ComparisonView", "Player", "PlayerGrid"]
