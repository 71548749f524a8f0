"""BlazePose: a detector finds a person, and 33 keypoints are then followed from frame to frame.

Figures are those of MediaPipe's graphs ``pose_detection_cpu``, ``pose_landmark_by_roi_cpu``,
``pose_detection_to_roi`` and ``pose_landmarks_to_roi``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.skeletons import BLAZEPOSE_33
from vidlab.models.pose.base import PoseModel
from vidlab.models.pose.region import Region

Network = Callable[[NDArray[np.float32]], dict[str, NDArray[np.float32]]]

DETECTOR_PX = 224
LANDMARKS_PX = 256

# Anchors of the detector: cells of so many px, and how many anchors each of them has.
_CELLS = ((8, 2), (16, 2), (32, 6))
# A box [x, y, width, height] and four points [x, y] for each anchor, in px from its middle.
_NUM_POINTS = 4
_HIPS, _BODY = 0, 1  # the middle of the hips; how far the body reaches from there, and upwards
_LEAST_SCORE = 0.5
_MOST_LOGIT = 100.0
_OVERLAP = 0.3

# Of 39 landmarks [x, y, z, visibility, presence] these are the two that say where to look next.
_NUM_LANDMARKS = 39
_NEXT_HIPS, _NEXT_BODY = 33, 34
_LEAST_PRESENCE = 0.5
_AROUND = 1.25

# A keypoint is moved to where its heat map is warm, in a window of so many of its cells.
_WINDOW_CELLS = 7
_LEAST_HEAT = 0.5


class BlazePose(PoseModel):
    """BlazePose with a detector, on any runtime.

    Args:
        detector: From ``[1, 224, 224, 3]``, -1 to 1, to ``boxes [2254, 12]`` and ``scores [2254]``.
        landmarks: From ``[1, 256, 256, 3]``, 0 to 1, to ``landmarks [39, 5]``, ``presence [1]``
            and, if there is one, ``heat [64, 64, 39]``.
        backend: Name of the runtime.
        about: As for `PoseModel`.
    """

    def __init__(
        self, detector: Network, landmarks: Network, *, backend: str, **about: Any
    ) -> None:
        self.backend = backend
        super().__init__(skeleton=BLAZEPOSE_33, **about)
        self._detector = detector
        self._landmarks = landmarks

    def init_state(self) -> Region | None:
        """Return None: the detector looks for a person."""
        return None

    def step(
        self, rgb: NDArray[np.uint8], state: Region | None
    ) -> tuple[NDArray[np.float32], Region | None]:
        """Find the person in the next frame: where it was, or else by the detector."""
        nobody = np.empty((0, len(BLAZEPOSE_33), 3), dtype=np.float32)
        region = state or self._detected(rgb)
        if region is None:
            return nobody, None
        picture = region.cut(rgb, height_px=LANDMARKS_PX, width_px=LANDMARKS_PX) / np.float32(255)
        found = self._landmarks(picture[None])
        if float(found["presence"].reshape(())) < _LEAST_PRESENCE:
            return nobody, None
        points = found["landmarks"].reshape(_NUM_LANDMARKS, 5).astype(np.float64)
        places = points[:, :2] / LANDMARKS_PX
        if "heat" in found:
            places = refined(places, found["heat"].reshape(64, 64, _NUM_LANDMARKS))
        places = region.to_frame(places)
        person = np.empty((len(BLAZEPOSE_33), 3), dtype=np.float32)
        person[:, :2] = places[: len(person)]
        person[:, 2] = _sigmoid(points[: len(person), 3])
        after = around(places[_NEXT_HIPS], places[_NEXT_BODY])
        if float(person[:, 2].mean()) < self.least_confidence:
            return nobody, None
        return person[None], after

    def _detected(self, rgb: NDArray[np.uint8]) -> Region | None:
        """Return where the likeliest person is."""
        whole = Region.whole(*rgb.shape[:2])
        picture = whole.cut(rgb, height_px=DETECTOR_PX, width_px=DETECTOR_PX)
        found = self._detector(picture[None] / np.float32(127.5) - np.float32(1))
        scores = _sigmoid(
            np.clip(found["scores"].reshape(-1).astype(np.float64), -_MOST_LOGIT, _MOST_LOGIT)
        )
        if scores.max() < _LEAST_SCORE:
            return None
        boxes, points = decoded(found["boxes"].reshape(len(scores), -1))
        best = int(scores.argmax())
        # Weighted suppression: what overlaps with the best one says with it where it is.
        same = (scores >= _LEAST_SCORE) & (_overlaps(boxes[best], boxes) > _OVERLAP)
        same[best] = True
        mean = np.average(points[same], axis=0, weights=scores[same])
        places = whole.to_frame(mean)
        return around(places[_HIPS], places[_BODY])


def around(hips: NDArray[np.float64], body: NDArray[np.float64]) -> Region:
    """Return the turned square around a person, whose body is then upright in it."""
    across, down = body - hips
    side = 2.0 * float(np.hypot(across, down)) * _AROUND
    # `body` lies above the hips of somebody who stands.
    angle = float(np.arctan2(across, -down))
    return Region(
        x_px=float(hips[0]), y_px=float(hips[1]), width_px=max(side, 1.0),
        height_px=max(side, 1.0), angle_rad=angle,
    )  # fmt: skip


def decoded(raw: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the detector's boxes and points, 0 to 1 of its picture.

    Args:
        raw: ``[2254, 12]``, px from each anchor's middle.

    Returns:
        Boxes ``[2254, 4]`` (left, top, right, bottom) and points ``[2254, 4, 2]``.
    """
    middles = anchors()
    scaled = raw.astype(np.float64) / DETECTOR_PX
    centre, half = scaled[:, :2] + middles, scaled[:, 2:4] / 2
    points = scaled[:, 4:].reshape(len(raw), _NUM_POINTS, 2) + middles[:, None]
    return np.concatenate([centre - half, centre + half], axis=1), points


@cache
def anchors() -> NDArray[np.float64]:
    """Return the middles of the detector's anchors, ``[2254, 2]``, 0 to 1."""
    found = []
    for cell, number in _CELLS:
        count = DETECTOR_PX // cell
        y, x = np.mgrid[:count, :count]
        middles = np.stack([x, y], axis=-1).reshape(-1, 2)
        found.append(np.repeat((middles + 0.5) / count, number, axis=0))
    return np.concatenate(found)


def refined(places: NDArray[np.float64], heat: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return places ``[39, 2]``, 0 to 1, moved to where their heat maps ``[H, W, 39]`` are warm."""
    height, width, _ = heat.shape
    result = places.copy()
    reach = (_WINDOW_CELLS - 1) // 2
    for number, (x, y) in enumerate(places):
        column, row = int(x * width), int(y * height)
        if not (0 <= column < width and 0 <= row < height):
            continue
        top, left = max(0, row - reach), max(0, column - reach)
        window = _sigmoid(
            heat[top : row + reach + 1, left : column + reach + 1, number].astype(np.float64)
        )
        if window.max() < _LEAST_HEAT:
            continue
        rows, columns = np.mgrid[top : top + window.shape[0], left : left + window.shape[1]]
        result[number] = [
            (columns * window).sum() / width / window.sum(),
            (rows * window).sum() / height / window.sum(),
        ]
    return result


def _overlaps(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over the union of one box with each, ``[N]``."""
    corner = np.maximum(box[:2], boxes[:, :2])
    other = np.minimum(box[2:], boxes[:, 2:])
    both = np.prod(np.clip(other - corner, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    union = np.prod(box[2:] - box[:2]) + areas - both
    return np.where(union > 0, both / np.maximum(union, 1e-12), 0.0)


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-x))
