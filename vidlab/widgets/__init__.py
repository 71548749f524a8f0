"""Widgets: the player and the comparison view, for Jupyter and wherever anywidget works.

::

    Player("clip.mp4", predictions)     # one video, one or several models
    ComparisonView(comparison)          # the same widget, from a comparison
    PlayerGrid([player, other])         # several videos, in step
    Annotator("clip.mp4", ["waving"])   # marks segments, and keeps them in a CSV file
    Live(model)                         # a camera, and what models see on it now
    Gallery(table)                      # many videos, with their labels and models' answers
    SamplingView(lab)                   # a sampling lab, with a slider for each choice
    Explorer(study, models)             # the same, and a player of the one that is opened
    Quiz(videos, model)                 # a learner guesses, then sees what the model says
"""

from __future__ import annotations

from vidlab.widgets.annotator import Annotator
from vidlab.widgets.explorer import Explorer
from vidlab.widgets.gallery import Gallery
from vidlab.widgets.grid import PlayerGrid
from vidlab.widgets.live import Live
from vidlab.widgets.player import ComparisonView, Player
from vidlab.widgets.quiz_widget import Quiz, quiz
from vidlab.widgets.sampling_view import SamplingView

__all__ = [
    "Annotator",
    "ComparisonView",
    "Explorer",
    "Gallery",
    "Live",
    "Player",
    "PlayerGrid",
    "Quiz",
    "SamplingView",
    "quiz",
]
