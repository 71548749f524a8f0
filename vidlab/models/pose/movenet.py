"""MoveNet: 17 keypoints of the person in the middle, looked at closely from frame to frame.

The crop between frames is that of its authors (tensorflow.org/hub/tutorials/movenet): where the
torso is seen, the next frame is cut to a square around the hips that holds all that was seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.skeletons import COCO_17
from vidlab.models.pose.base import PoseModel
from vidlab.models.pose.region import Region

# The authors' figures: what counts as seen, and how much room is left around the torso and around
# all that is seen.
_SEEN = 0.2
_AROUND_TORSO = 1.9
_AROUND_BODY = 1.2

_HIPS = [COCO_17.index("left_hip"), COCO_17.index("right_hip")]
_SHOULDERS = [COCO_17.index("left_shoulder"), COCO_17.index("right_shoulder")]
_TORSO = [*_SHOULDERS, *_HIPS]

Call = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From a picture float32 ``[S, S, 3]``, 0 to 255, to ``[17, 3]``: y, x from 0 to 1, confidence."""


class MoveNet(PoseModel):
    """A MoveNet for a single person, on any runtime.

    Args:
        call: Runs the network.
        backend: Name of the runtime.
        about: As for `PoseModel`.
    """

    def __init__(self, call: Call, *, backend: str, **about: Any) -> None:
        self.backend = backend
        super().__init__(skeleton=COCO_17, **about)
        self._call = call

    def init_state(self) -> Region | None:
        """Return None: the first frame is looked at as a whole."""
        return None

    def step(
        self, rgb: NDArray[np.uint8], state: Region | None
    ) -> tuple[NDArray[np.float32], Region | None]:
        """Find the person in the next frame."""
        height, width = rgb.shape[:2]
        region = state or Region.whole(height, width)
        size = self.card.preprocessing
        found = self._call(region.cut(rgb, height_px=size.height_px, width_px=size.width_px))
        person = np.empty((len(COCO_17), 3), dtype=np.float32)
        person[:, :2] = region.to_frame(found[:, [1, 0]])
        person[:, 2] = found[:, 2]
        is_there = float(person[:, 2].mean()) >= self.least_confidence
        people = person[None] if is_there else person[None][:0]
        return people, next_region(person, height=height, width=width)


def next_region(person: NDArray[np.float32], *, height: int, width: int) -> Region | None:
    """Return where to look in the next frame, or None for everywhere.

    Args:
        person: float32 ``[17, 3]``: x and y in px, and confidence.
        height: Height of the frame.
        width: Width of the frame.
    """
    confidence = person[:, 2]
    if confidence[_HIPS].max() <= _SEEN or confidence[_SHOULDERS].max() <= _SEEN:
        return None
    middle = person[_HIPS, :2].mean(axis=0)
    away = np.abs(person[:, :2] - middle)
    torso = away[_TORSO].max()
    body = away[confidence >= _SEEN].max()
    # No more than reaches the frame's farther edges, as seen from the hips.
    farthest = max(middle[0], width - middle[0], middle[1], height - middle[1])
    half = min(max(_AROUND_TORSO * torso, _AROUND_BODY * body), farthest)
    if half > max(height, width) / 2:
        return None
    side = float(max(2 * half, 1.0))
    return Region(x_px=float(middle[0]), y_px=float(middle[1]), width_px=side, height_px=side)
