"""The part of a frame that a model looks at, and the way back from its coordinates.

Coordinates are continuous: the pixel in column 0 reaches from 0 to 1, and its middle is 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Region:
    """A rectangle on a frame, upright or turned; it may reach beyond the frame.

    Attributes:
        x_px: Column of its middle.
        y_px: Row of its middle.
        width_px: Its width, along its own horizontal.
        height_px: Its height.
        angle_rad: How far it is turned, clockwise as one sees it.
    """

    x_px: float
    y_px: float
    width_px: float
    height_px: float
    angle_rad: float = 0.0

    @classmethod
    def whole(cls, height: int, width: int) -> Region:
        """Return the square around a whole frame, with the frame in its middle."""
        side = float(max(height, width))
        return cls(x_px=width / 2, y_px=height / 2, width_px=side, height_px=side)

    def to_frame(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return where points ``[..., 2]`` of the region, 0 to 1, lie on the frame, in px."""
        across = (np.asarray(points[..., 0], dtype=np.float64) - 0.5) * self.width_px
        down = (np.asarray(points[..., 1], dtype=np.float64) - 0.5) * self.height_px
        cos, sin = np.cos(self.angle_rad), np.sin(self.angle_rad)
        return np.stack(
            [self.x_px + cos * across - sin * down, self.y_px + sin * across + cos * down], axis=-1
        )

    def from_frame(self, points_px: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return where points ``[..., 2]`` of the frame, in px, lie in the region, 0 to 1."""
        x = np.asarray(points_px[..., 0], dtype=np.float64) - self.x_px
        y = np.asarray(points_px[..., 1], dtype=np.float64) - self.y_px
        cos, sin = np.cos(self.angle_rad), np.sin(self.angle_rad)
        return np.stack(
            [(cos * x + sin * y) / self.width_px + 0.5, (cos * y - sin * x) / self.height_px + 0.5],
            axis=-1,
        )

    def cut(self, rgb: NDArray[np.uint8], *, height_px: int, width_px: int) -> NDArray[np.float32]:
        """Return the region as a picture, black where it reaches beyond the frame.

        A smaller picture's pixel is a mean of all that it covers (Pillow's bilinear filter): fine
        patterns do not turn into others, which costs MoveNet keypoints. A turned region is made
        smaller by whole steps first, and then turned.

        Args:
            rgb: The frame, uint8 ``[H, W, 3]``.
            height_px: Height of the picture.
            width_px: Width of the picture.

        Returns:
            float32 ``[height_px, width_px, 3]``, values 0 to 255.
        """
        size = (width_px, height_px)
        if self.angle_rad == 0.0:
            left, top = self.to_frame(np.zeros(2)).tolist()
            right, bottom = left + self.width_px, top + self.height_px
            part, x, y = _part(rgb, left, top, right, bottom)
            box = (left - x, top - y, right - x, bottom - y)
            picture = part.resize(size, Image.Resampling.BILINEAR, box=box)
        else:
            corners = self.to_frame(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]))
            part, x, y = _part(rgb, *corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
            by = max(1, int(min(self.width_px / width_px, self.height_px / height_px)))
            small = part.reduce(by) if by > 1 else part
            origin, right_one, down_one = corners[:3]
            across, down = (right_one - origin) / width_px, (down_one - origin) / height_px
            turn = np.array(
                [[across[0], down[0], origin[0] - x], [across[1], down[1], origin[1] - y]]
            )
            picture = small.transform(
                size, Image.Transform.AFFINE, (turn / by).ravel().tolist(),
                resample=Image.Resampling.BILINEAR,
            )  # fmt: skip
        return np.asarray(picture, dtype=np.float32)


def _part(
    rgb: NDArray[np.uint8], left: float, top: float, right: float, bottom: float
) -> tuple[Image.Image, int, int]:
    """Return the pixels that a box touches, black beyond the frame, and where they begin."""
    height, width = rgb.shape[:2]
    x, y = int(np.floor(left)), int(np.floor(top))
    end_x, end_y = max(x + 1, int(np.ceil(right))), max(y + 1, int(np.ceil(bottom)))
    inside = rgb[max(y, 0) : max(end_y, 0), max(x, 0) : max(end_x, 0)]
    if x < 0 or y < 0 or end_x > width or end_y > height:
        canvas = np.zeros((end_y - y, end_x - x, 3), dtype=np.uint8)
        row, column = max(0, -y), max(0, -x)
        canvas[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
        inside = canvas
    return Image.fromarray(np.ascontiguousarray(inside)), x, y
