"""Overlays drawn on a frame in Python, with the look of the page's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from vidlab.core.fonts import font_for
from vidlab.core.palette import PALETTE, color, ink_on
from vidlab.widgets.annotations import Boxes, Keypoints
from vidlab.widgets.payload import top_classes

if TYPE_CHECKING:
    from vidlab.predictions import Predictions

# The page draws its overlay at this height of the picture; larger pictures get larger marks.
_BASE_HEIGHT_PX = 360
_TEXT_PX = 13
_NARROW_PX = 420
_PAPER = (0, 0, 0, 184)  # black, 72 %
_WHITE = (255, 255, 255, 255)
_TRACK = (90, 90, 90, 220)
_RIM = (0, 0, 0, 160)

# A point or box that its model was less sure of is left out.
_MIN_CONFIDENCE = 0.2


class Overlays:
    """Draws labels, bars, boxes and body points on the frames of one video.

    Args:
        predictions: The first model's labels and bars are drawn.
        top_k: Bars at most.
        boxes: In px of a frame of `size`.
        keypoints: Likewise.
        size: Width and height of the displayed frame, px.
        threshold: Probability under which an answer is grey, or None.
    """

    def __init__(
        self,
        predictions: Sequence[Predictions],
        *,
        top_k: int,
        boxes: Boxes | None,
        keypoints: Keypoints | None,
        size: tuple[int, int],
        threshold: float | None = None,
    ) -> None:
        self._told = predictions[0] if predictions else None
        self._tops = top_classes(self._told, top_k) if self._told is not None else None
        self._boxes, self._keypoints = boxes, keypoints
        self._size = size
        self._threshold = threshold or 0.0

    def draw(self, picture: Image.Image, frame_index: int, names: Sequence[str]) -> Image.Image:
        """Return the picture with overlays.

        Args:
            picture: The frame, RGB, at any size.
            frame_index: Its number.
            names: Any of ``"label"``, ``"caption"``, ``"bars"``, ``"boxes"``, ``"keypoints"``.
        """
        if not names:
            return picture
        layer = Image.new("RGBA", picture.size)
        pen = _Pen(layer, scale=picture.height / self._size[1])
        if "boxes" in names and self._boxes is not None:
            self._draw_boxes(pen, self._boxes, frame_index)
        if "keypoints" in names and self._keypoints is not None:
            self._draw_keypoints(pen, self._keypoints, frame_index)
        answers = self._answers(frame_index)
        above = _draw_caption(pen, answers[0][0]) if "caption" in names and answers else 0
        if "bars" in names and answers:
            _draw_bars(pen, answers, self._threshold, above=above)
        if "label" in names and answers:
            _draw_label(pen, *answers[0], is_grey=answers[0][1] < self._threshold)
        return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")

    def _answers(self, frame_index: int) -> list[tuple[str, float]]:
        """Return labels and probabilities that hold on a frame, the most probable first."""
        if self._told is None or self._tops is None:
            return []
        row = int(np.searchsorted(self._told.frame_index, frame_index, side="right")) - 1
        if row < 0:
            return []
        ids, probabilities = self._tops
        return [
            (self._told.labels[int(class_id)], float(value))
            for class_id, value in zip(ids[row], probabilities[row], strict=True)
            if class_id >= 0
        ]

    def _draw_boxes(self, pen: _Pen, boxes: Boxes, frame_index: int) -> None:
        for row in boxes.rows_at(frame_index):
            label, person = int(boxes.label[row]), int(boxes.person[row])
            name = boxes.labels[label] if label >= 0 else ""
            confidence = float(boxes.confidence[row])
            if confidence < _MIN_CONFIDENCE:
                continue
            words = [name, f"#{person}" if person >= 0 else "", _short(confidence)]
            shade = color(person) if person >= 0 else PALETTE.color_of(name or "box")
            x, y, width, height = (float(value) * pen.scale for value in boxes.xywh_px[row])
            pen.box(x, y, width, height, shade, " ".join(filter(None, words)))

    def _draw_keypoints(self, pen: _Pen, points: Keypoints, frame_index: int) -> None:
        people: dict[int, dict[int, tuple[float, float]]] = {}
        for row in points.rows_at(frame_index):
            if not float(points.confidence[row]) < _MIN_CONFIDENCE:  # NaN counts as sure
                x, y = (float(value) * pen.scale for value in points.xy_px[row])
                people.setdefault(int(points.person[row]), {})[int(points.keypoint[row])] = (x, y)
        for person, found in people.items():
            shade = color(max(person, 0))
            for first, second in points.skeleton:
                if first in found and second in found:
                    pen.line(found[first], found[second], shade)
            for place in found.values():
                pen.dot(place, shade)


def _draw_label(pen: _Pen, label: str, probability: float, *, is_grey: bool) -> None:
    height, gap = pen.px(24), pen.px(8)
    value = _short(probability)
    room = pen.width - 2 * gap - 3 * gap - pen.measure(value)
    name = pen.fit(label, room)
    width = 3 * gap + pen.measure(name) + pen.measure(value)
    left, top = gap, pen.height - gap - height
    pen.panel(left, top, width, height)
    pen.fill(left, top, pen.px(4), height, "#888888" if is_grey else PALETTE.color_of(label))
    middle = top + height / 2
    ink = (190, 190, 190, 255) if is_grey else _WHITE
    pen.text(left + gap, middle, name, ink)
    pen.text(left + 2 * gap + pen.measure(name), middle, value, ink)


def _draw_caption(pen: _Pen, label: str) -> int:
    """Write a label in white into a black box at the top left, as OpenCV's tutorials do.

    Theirs is 300x40 px on a picture 400 px wide.

    Returns:
        How high the box is, px.
    """
    scale = pen.width / 400
    width, height, left = (round(length * scale) for length in (300, 40, 10))
    pen.fill(0, 0, width, height, "#000000")
    size = max(1, round(20 * scale))
    pen.text(left, height / 2, pen.fit(label, width - 2 * left, size), _WHITE, size)
    return height


def _draw_bars(
    pen: _Pen, answers: Sequence[tuple[str, float]], threshold: float, *, above: int
) -> None:
    # As on the page: there is to be a picture left.
    answers = answers[: 3 if pen.width < _NARROW_PX else 5]
    row, gap = pen.px(20), pen.px(8)
    bar_width = min(pen.px(120), pen.width * 0.25)
    value_width = pen.measure("1.00")
    room = pen.width - bar_width - value_width - 6 * gap
    longest = max(pen.measure(label) for label, _ in answers)
    name_width = max(0.0, min(room, pen.width * 0.4, longest))
    width = name_width + bar_width + value_width + 4 * gap
    pen.panel(gap, above + gap, width, row * len(answers) + gap)
    for number, (label, probability) in enumerate(answers):
        middle = above + gap + gap / 2 + row * (number + 0.5)
        is_grey = probability < threshold
        ink = (160, 160, 160, 255) if is_grey else _WHITE
        pen.text(2 * gap, middle, pen.fit(label, name_width), ink)
        left, top, height = 3 * gap + name_width, middle - pen.px(5), pen.px(10)
        pen.fill(left, top, bar_width, height, _TRACK)
        shade = "#888888" if is_grey else PALETTE.color_of(label)
        pen.fill(left, top, max(bar_width * probability, 1), height, shade)
        pen.text(left + bar_width + gap, middle, _short(probability), ink)


def _short(probability: float) -> str:
    """Return a probability as dense places show it: ``.98``; empty where there is none."""
    if np.isnan(probability):
        return ""
    return f"{probability:.2f}".removeprefix("0")


class _Pen:
    """Draws on an RGBA layer; lengths given to `px` grow with the picture."""

    def __init__(self, layer: Image.Image, *, scale: float) -> None:
        self._layer = layer
        self._draw = ImageDraw.Draw(layer)
        self.width, self.height = layer.size
        self.scale = scale
        # Words stay large enough to be read on small pictures, and inside tiny ones.
        least = min(0.75, self.width / 160)
        self._grow = max(min(self.width * 9 / 16, self.height) / _BASE_HEIGHT_PX, least)

    def px(self, length: float) -> int:
        return max(1, round(length * self._grow))

    def _font(self, text: str, size: int | None = None) -> ImageFont.FreeTypeFont:
        return font_for(text, size or self.px(_TEXT_PX))

    def measure(self, text: str, size: int | None = None) -> float:
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
        self._draw.text((x, middle), text, fill=ink, font=self._font(text, size), anchor="lm")

    def panel(self, x: float, y: float, width: float, height: float) -> None:
        radius = float(min(self.px(3), width / 2, height / 2))
        across, down = self._centers(x, y, x + width, y + height)
        # How far a pixel lies outside of the rectangle of the corners' centres.
        beside = np.maximum(np.abs(across - x - width / 2) - width / 2 + radius, 0)
        above = np.maximum(np.abs(down - y - height / 2) - height / 2 + radius, 0)
        self._blend(radius - np.hypot(beside, above), x, y, _PAPER)

    def fill(
        self, x: float, y: float, width: float, height: float, shade: str | tuple[int, ...]
    ) -> None:
        self._draw.rectangle((x, y, x + width - 1, y + height - 1), fill=shade)

    def box(self, x: float, y: float, width: float, height: float, shade: str, words: str) -> None:
        edge = self.px(2)
        corners = (x, y, max(x + width - 1, x), max(y + height - 1, y))
        # A dark rim keeps the colour apart from any picture.
        self._draw.rectangle(corners, outline=_RIM, width=edge + 2)
        self._draw.rectangle(corners, outline=shade, width=edge)
        if words:
            tall = self.px(18)
            top = y - tall if y >= tall else y
            self.fill(x, top, self.measure(words) + self.px(8), tall, shade)
            ink = (0, 0, 0, 255) if ink_on(shade) == "#000000" else _WHITE
            self.text(x + self.px(4), top + tall / 2, words, ink)

    def line(self, start: tuple[float, float], end: tuple[float, float], shade: str) -> None:
        self._stroke(start, end, 5, _RIM)
        self._stroke(start, end, 2.5, ImageColor.getrgb(shade))

    def dot(self, place: tuple[float, float], shade: str) -> None:
        self._stroke(place, place, 9, ImageColor.getrgb(shade))
        self._stroke(place, place, 5, _WHITE)

    def _stroke(
        self, start: tuple[float, float], end: tuple[float, float], length: float,
        shade: tuple[int, ...],
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


def as_rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of an RGB picture, uint8 ``[height, width, 3]``."""
    return np.asarray(picture, dtype=np.uint8)
