"""Where in a model's input the pixels of a displayed frame go: back from what it saw to the frame.

Every step of a preprocessing moves, scales or mirrors rows and columns each by themselves, so the
way of a whole preprocessing is one straight line for rows, and one for columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.transforms import Preprocessing


@dataclass(frozen=True)
class Axis:
    """From places along a displayed frame to places along the input.

    Places are px from the edge: the first pixel goes from 0 to 1, and has its middle at 0.5, as in
    resizing with half-pixel centres.

    Attributes:
        scale: Input px for one px of the frame; negative where it is mirrored.
        shift: Where in the input the frame's edge is, px.
    """

    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, places_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where places of the frame are in the input, px."""
        return self.scale * places_px + self.shift

    def then(self, scale: float, shift: float) -> Axis:
        """Return this way with one more step behind it."""
        return Axis(self.scale * scale, self.shift * scale + shift)


def axes_of(preprocessing: Preprocessing, height_px: int, width_px: int) -> tuple[Axis, Axis]:
    """Return the way of the rows and that of the columns of a displayed frame.

    Sizes are those that the preprocessing itself makes; it is run on a black frame.

    Args:
        preprocessing: How frames become inputs.
        height_px: Height of a frame as displayed.
        width_px: Width of it.
    """
    ways = [Axis(), Axis()]
    size = (height_px, width_px)
    to_even = preprocessing.resize_to_px is not None and not preprocessing.is_crop_rounded_down
    for step in preprocessing.steps(np.zeros((*size, 3), dtype=np.uint8)):
        height, width = step.pixels.shape[:2]
        if step.kind == "mirror":
            ways[1] = ways[1].then(-1.0, width)
        elif step.kind in ("width", "resize"):
            # OpenCV, given a ratio, takes samples that far apart, and not by the rounded size: a
            # difference of half an input px at most, at the far edge.
            ways = [
                way.then(to / of, 0.0)
                for way, to, of in zip(ways, (height, width), size, strict=True)
            ]
        elif step.kind in ("square", "frame"):
            half_to_even = to_even and step.kind == "frame"
            ways = [
                way.then(1.0, _shift(to - of, half_to_even=half_to_even))
                for way, to, of in zip(ways, (height, width), size, strict=True)
            ]
        size = (height, width)
    return ways[0], ways[1]


def _shift(more_px: int, *, half_to_even: bool) -> int:
    """Return how far a picture moves that is cut down to its middle, or padded around it."""
    if more_px >= 0:
        return more_px // 2
    return -round(-more_px / 2) if half_to_even else -(-more_px // 2)


def values_at(
    values: NDArray[np.float32], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return a map's values at other places, blended of the four nearest.

    Args:
        values: float32 ``[h, w]``.
        rows: float64 ``[H]``, places from 0 to h.
        columns: float64 ``[W]``, places from 0 to w.

    Returns:
        float32 ``[H, W]``.
    """
    for axis, places in enumerate((rows, columns)):
        last = values.shape[axis] - 1
        centre = np.clip(places - 0.5, 0, last)
        first = np.floor(centre).astype(np.intp)
        share: Any = (centre - first).reshape(-1, 1) if axis == 0 else centre - first
        below, above = (
            np.take(values, each, axis=axis) for each in (first, np.minimum(first + 1, last))
        )
        values = (below * (1 - share) + above * share).astype(np.float32)
    return values
