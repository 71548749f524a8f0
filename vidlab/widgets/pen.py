"""A pen for overlays that Python draws: plates, words, limbs and joints with smooth edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from vidlab.core.fonts import font_for
from vidlab.core.palette import ink_on

# The page draws its overlay at this height of the picture; larger pictures get larger marks.
_BASE_HEIGHT_PX = 360
_TEXT_PX = 13
_PAPER = (0, 0, 0, 184)  # black, 72 %

WHITE = (255, 255, 255, 255)
RIM = (0, 0, 0, 160)

Place = tuple[float, float]
"""Column and row, px."""


class Pen:
    """Draws on an RGBA layer; lengths given to `px` grow with the picture.

    Args:
        layer: The picture, RGBA.
        scale: Its px for a px of the frame.
    """

    def __init__(self, layer: Image.Image, *, scale: float) -> None:
        self._layer = layer
        self._draw = ImageDraw.Draw(layer)
        self.width, self.height = layer.size
        self.scale = scale
        # Words stay large enough to be read on small pictures, and inside tiny ones.
        least = min(0.75, self.width / 160)
        self._grow = max(min(self.width * 9 / 16, self.height) / _BASE_HEIGHT_PX, least)

    def px(self, length: float) -> int:
        """Return a length on this picture, at least 1 px."""
        return max(1, round(length * self._grow))

    def _font(self, text: str, size: int | None = None) -> ImageFont.FreeTypeFont:
        return font_for(text, size or self.px(_TEXT_PX))

    def measure(self, text: str, size: int | None = None) -> float:
        """Return how wide a text is."""
        return float(self._font(text, size).getlength(text))

    def fit(self, text: str, width: float, size: int | None = None) -> str:
        """Return the text, shortened with an ellipsis to a width."""
        if self.measure(text, size) <= width:
            return text
        length = len(text)
        while length and self.measure(f"{text[:length].rstrip()}…", size) > width:
            length -= 1
        return f"{text[:length].rstrip()}…"

    def text(
        self, x: float, middle: float, text: str, ink: tuple[int, int, int, int],
        size: int | None = None,
    ) -> None:  # fmt: skip
        """Write a text from `x` on, around the row `middle`."""
        self._draw.text((x, middle), text, fill=ink, font=self._font(text, size), anchor="lm")

    def panel(self, x: float, y: float, width: float, height: float) -> None:
        """Draw a dark plate with round corners."""
        radius = float(min(self.px(3), width / 2, height / 2))
        across, down = self._centers(x, y, x + width, y + height)
        # How far a pixel lies outside of the rectangle of the corners' centres.
        beside = np.maximum(np.abs(across - x - width / 2) - width / 2 + radius, 0)
        above = np.maximum(np.abs(down - y - height / 2) - height / 2 + radius, 0)
        self._blend(radius - np.hypot(beside, above), x, y, _PAPER)

    def fill(
        self, x: float, y: float, width: float, height: float, shade: str | tuple[int, ...]
    ) -> None:
        """Fill a rectangle."""
        self._draw.rectangle((x, y, x + width - 1, y + height - 1), fill=shade)

    def box(self, x: float, y: float, width: float, height: float, shade: str, words: str) -> None:
        """Draw an outline, with words on a plate above it."""
        edge = self.px(2)
        corners = (x, y, max(x + width - 1, x), max(y + height - 1, y))
        # A dark rim keeps the colour apart from any picture.
        self._draw.rectangle(corners, outline=RIM, width=edge + 2)
        self._draw.rectangle(corners, outline=shade, width=edge)
        if words:
            tall = self.px(18)
            top = y - tall if y >= tall else y
            self.fill(x, top, self.measure(words) + self.px(8), tall, shade)
            ink = (0, 0, 0, 255) if ink_on(shade) == "#000000" else WHITE
            self.text(x + self.px(4), top + tall / 2, words, ink)

    def line(self, start: Place, end: Place, shade: str, *, is_dashed: bool = False) -> None:
        """Draw a limb, in dashes or whole, with a dark rim that keeps it apart from any picture."""
        ink = ImageColor.getrgb(shade)
        parts = self._dashes(start, end) if is_dashed else [(start, end)]
        for width, color in ((5.0, RIM), (2.5, ink)):
            for first, last in parts:
                self._stroke(first, last, width, color)

    def thin_line(self, start: Place, end: Place) -> None:
        """Draw how far two places are apart."""
        self._stroke(start, end, 3, RIM)
        self._stroke(start, end, 1.5, WHITE)

    def dot(self, place: Place, shade: str, *, is_square: bool = False) -> None:
        """Draw a joint: round, or square."""
        if is_square:
            for length, color in ((9.0, ImageColor.getrgb(shade)), (5.0, WHITE)):
                side = max(1, round(length * self._grow))
                self.fill(place[0] - side / 2, place[1] - side / 2, side, side, color)
            return
        self._stroke(place, place, 9, ImageColor.getrgb(shade))
        self._stroke(place, place, 5, WHITE)

    def _dashes(self, start: Place, end: Place) -> list[tuple[Place, Place]]:
        """Return every other piece of a line."""
        (x0, y0), (x1, y1) = start, end
        count = max(1, round(math.hypot(x1 - x0, y1 - y0) / (9 * self._grow)))

        def at(share: float) -> Place:
            return x0 + share * (x1 - x0), y0 + share * (y1 - y0)

        return [(at(each / count), at((each + 0.5) / count)) for each in range(count)]

    def _stroke(
        self, start: Place, end: Place, length: float, shade: tuple[int, ...]
    ) -> None:  # fmt: skip
        """Draw a line with round ends; `length` is its width, before it grows."""
        (x0, y0), (x1, y1) = start, end
        radius = max(length * self._grow, 1.0) / 2
        left, top = min(x0, x1) - radius - 1, min(y0, y1) - radius - 1
        x, y = self._centers(left, top, max(x0, x1) + radius + 1, max(y0, y1) + radius + 1)
        dx, dy = x1 - x0, y1 - y0
        along = np.clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
        self._blend(radius - np.hypot(x - x0 - along * dx, y - y0 - along * dy), left, top, shade)

    def _centers(
        self, left: float, top: float, right: float, bottom: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the middles of the layer's columns ``[1, W]`` and rows ``[H, 1]`` in a box."""
        x = np.arange(max(math.floor(left), 0), min(math.ceil(right), self.width)) + 0.5
        y = np.arange(max(math.floor(top), 0), min(math.ceil(bottom), self.height)) + 0.5
        return x[None].astype(np.float32), y[:, None].astype(np.float32)

    def _blend(self, inside: NDArray[Any], left: float, top: float, shade: tuple[int, ...]) -> None:
        """Draw a shape with smooth edges.

        Args:
            inside: How far each pixel lies inside of its edge, px; negative outside.
            left: Where the pixels begin; what is off the layer has been left out.
            top: Likewise.
            shade: RGB or RGBA.
        """
        if not inside.size:
            return
        alpha = np.clip(inside + 0.5, 0, 1) * (*shade, 255)[3]
        tile = Image.new("RGB", inside.shape[::-1], shade[:3])
        tile.putalpha(Image.fromarray(np.rint(alpha).astype(np.uint8)))
        self._layer.alpha_composite(tile, (max(math.floor(left), 0), max(math.floor(top), 0)))
