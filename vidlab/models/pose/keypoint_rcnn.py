"""Keypoint R-CNN: several people, each frame on its own (He et al., "Mask R-CNN")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.skeletons import COCO_17
from vidlab.models.pose.base import PoseModel

Call = Callable[[NDArray[np.float32]], dict[str, NDArray[np.float32]]]
"""From a frame float32 ``[3, H, W]``, 0 to 1, to ``scores [P]``, ``keypoints [P, 17, 3]`` in px and
``keypoints_scores [P, 17]``, which are logits."""


class KeypointRCNN(PoseModel):
    """torchvision's Keypoint R-CNN; its own transforms scale a frame, and its answer back.

    A person counts with a box score of `least_confidence` at least.

    Args:
        call: Runs the network.
        backend: Name of the runtime.
        about: As for `PoseModel`.
    """

    max_people = 100

    def __init__(self, call: Call, *, backend: str, **about: Any) -> None:
        self.backend = backend
        super().__init__(skeleton=COCO_17, **about)
        self._call = call

    def init_state(self) -> None:
        """Return nothing: each frame is looked at on its own."""

    def step(self, rgb: NDArray[np.uint8], state: None) -> tuple[NDArray[np.float32], None]:
        """Find people in a frame."""
        picture = np.ascontiguousarray(rgb.transpose(2, 0, 1), dtype=np.float32)
        found = self._call(picture / np.float32(255))
        sure = found["scores"] >= self.least_confidence
        people = np.empty((int(sure.sum()), len(COCO_17), 3), dtype=np.float32)
        people[..., :2] = found["keypoints"][sure][..., :2]
        people[..., 2] = 1.0 / (1.0 + np.exp(-found["keypoints_scores"][sure]))
        return people, None
