"""Heat maps of what a model's input is made of: hot where a square lies on the frame.

Where the square comes to lie in the input is the preprocessing's own doing, so that a map which is
drawn elsewhere than on the square is drawn wrongly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import vidlab as vl
from vidlab.attribution import Heatmap
from vidlab.transforms import Preprocessing

WAYS = {
    "stretched": Preprocessing(height_px=24, width_px=24),
    "mirrored": Preprocessing(height_px=24, width_px=32, mirror=True),
    "letterbox": Preprocessing(height_px=40, width_px=28, resize="fit"),
    "centre crop": Preprocessing(height_px=32, width_px=20, resize="crop"),
    "square first": Preprocessing(height_px=28, width_px=28, square_first=True),
    "short side": Preprocessing(height_px=28, width_px=28, resize_to_px=(33,)),
}


def square_map(
    video: vl.Video,
    way: Preprocessing = WAYS["stretched"],
    *,
    place_px: tuple[int, int] = (80, 60),
    side_px: int = 24,
    frame_index: int | None = 0,
    **options: Any,
) -> Heatmap:
    """Return a map of a video's frame that is 1 in a square around a place, and 0 elsewhere.

    Args:
        video: Only its frames' size counts.
        way: From frame to input.
        place_px: The square's middle on the displayed frame, from left and top.
        side_px: How long its sides are.
        frame_index: Which frame the map says it is about.
        options: Attributes that differ.
    """
    frame = np.zeros((video.height, video.width, 3), dtype=np.uint8)
    left, top = (round(middle - side_px / 2) for middle in place_px)
    frame[top : top + side_px, left : left + side_px] = 255
    values = way(frame)[..., 0]
    attributes: dict[str, Any] = {
        "grid": values, "values": values, "what": "Grad-CAM", "label": "carving ice",
        "probability": 0.93, "top": 1.0, "frame_index": frame_index,
        "time_seconds": None if frame_index is None else float(video.pts_seconds[frame_index]),
        "picture": frame, "frame_size_px": (video.height, video.width), "preprocessing": way,
    }  # fmt: skip
    return Heatmap(**(attributes | options))
