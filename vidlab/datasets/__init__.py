"""Data made here, from nothing but seeds: people who do things, and all that is true about them.

::

    from vidlab import datasets

    clip = datasets.render_clip(7)                     # StickClip: frames, labels, keypoints, boxes
    clip.label, clip.rgb.shape                         # 'jumping jacks', (16, 172, 172, 3)
    datasets.render_sequence(7).segments               # several actions, exact start and end
    train = datasets.StickActions(seeds=range(4800))   # a torch Dataset, rendered on access
    datasets.write_stick_actions("stick-actions", seeds=range(240), num_sequences=10)

StickActions has one person in front, who is what the truth is about; passers-by far behind them are
part of the place. The labels of :data:`TIME_ONLY_PAIRS` are drawn as each other's reverse, from
motions, cameras and light that run alike in both directions: which of the two a clip is can be
told from its frames in order, not from any one of them nor from all of them shuffled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vidlab.core.skeletons import COCO_17
from vidlab.datasets.actions import MIRRORED_LABELS, STICK_ACTIONS, TIME_ONLY_PAIRS
from vidlab.datasets.rendering import (
    StickClip,
    clip_keypoints,
    label_of,
    render_clip,
    render_sequence,
)
from vidlab.datasets.samples import SampleVideos, sample_videos
from vidlab.datasets.writing import write_stick_actions

if TYPE_CHECKING:
    from vidlab.datasets.torch_dataset import StickActions as StickActions

KEYPOINT_NAMES = COCO_17.keypoints
"""The keypoints that are told of everybody: COCO's 17, in its order."""

__all__ = [
    "KEYPOINT_NAMES",
    "MIRRORED_LABELS",
    "STICK_ACTIONS",
    "TIME_ONLY_PAIRS",
    "SampleVideos",
    "StickActions",
    "StickClip",
    "clip_keypoints",
    "label_of",
    "render_clip",
    "render_sequence",
    "sample_videos",
    "write_stick_actions",
]


def __getattr__(name: str) -> object:
    # The one name here that needs torch.
    if name == "StickActions":
        from vidlab.core.dependencies import require

        require("torch", why="the data set StickActions")
        from vidlab.datasets.torch_dataset import StickActions

        return StickActions
    raise AttributeError(f"module 'vidlab.datasets' has no attribute {name!r}")
