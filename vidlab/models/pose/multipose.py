"""MoveNet for several people: up to six, with 17 keypoints each, every frame on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.skeletons import COCO_17
from vidlab.models.pose.base import PoseModel
from vidlab.models.pose.region import Region

NUM_PEOPLE = 6

# Of each person: the keypoints (y, x, confidence), a box (top, left, bottom, right), its score.
_NUM_KEYPOINT_VALUES = 3 * len(COCO_17)
NUM_VALUES = _NUM_KEYPOINT_VALUES + 5

Call = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From a picture float32 ``[S, S, 3]``, 0 to 255, to ``[6, 56]``, places from 0 to 1."""


class MultiPose(PoseModel):
    """A MoveNet for several people, on any runtime.

    The whole frame is looked at, in the middle of a square. The network always answers for six; who
    has a score of less than `least_confidence` is not there.

    Args:
        call: Runs the network.
        backend: Name of the runtime.
        about: As for `PoseModel`.
    """

    max_people = NUM_PEOPLE

    def __init__(self, call: Call, *, backend: str, **about: Any) -> None:
        self.backend = backend
        super().__init__(skeleton=COCO_17, **about)
        self._call = call

    def init_state(self) -> None:
        """Return nothing: each frame is looked at on its own."""

    def step(self, rgb: NDArray[np.uint8], state: None) -> tuple[NDArray[np.float32], None]:
        """Find people in a frame."""
        whole = Region.whole(*rgb.shape[:2])
        size = self.card.preprocessing
        found = self._call(whole.cut(rgb, height_px=size.height_px, width_px=size.width_px))
        found = found[found[:, -1] >= self.least_confidence]
        points = found[:, :_NUM_KEYPOINT_VALUES].reshape(-1, len(COCO_17), 3)
        people = np.empty_like(points)
        people[..., :2] = whole.to_frame(points[..., [1, 0]])
        people[..., 2] = points[..., 2]
        return people, None
