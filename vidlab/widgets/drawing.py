"""Overlays drawn on a frame in Python, with the look of the page's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidlab.core.palette import PALETTE, person_color, share_color
from vidlab.widgets.annotations import Boxes
from vidlab.widgets.keypoints import Bodies, Gaps, Keypoints
from vidlab.widgets.payload import letter_of, top_classes
from vidlab.widgets.pen import WHITE, Pen, Place

if TYPE_CHECKING:
    from vidlab.predictions import Predictions

_NARROW_PX = 420
_TRACK = (90, 90, 90, 220)

# A point or box that its model was less sure of is left out.
_MIN_CONFIDENCE = 0.2


class Overlays:
    """Draws labels, bars, boxes and body points on the frames of one video.

    Args:
        predictions: The first model's labels and bars are drawn.
        top_k: Bars at most.
        boxes: In px of a frame of `size`.
        bodies: Likewise.
        size: Width and height of the displayed frame, px.
        keypoint_color: What the colour of a skeleton tells; see `COLORED_BY`.
        has_legend: Say which of several skeletons is whose.
        threshold: Probability under which an answer is grey, or None.
    """

    def __init__(
        self,
        predictions: Sequence[Predictions],
        *,
        top_k: int,
        boxes: Boxes | None,
        bodies: Bodies | None,
        size: tuple[int, int],
        keypoint_color: str = "person",
        has_legend: bool = True,
        threshold: float | None = None,
    ) -> None:
        self._told = predictions[0] if predictions else None
        self._tops = top_classes(self._told, top_k) if self._told is not None else None
        self._boxes, self._bodies = boxes, bodies
        self._keypoint_color = keypoint_color
        self._has_legend = has_legend
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
        pen = Pen(layer, scale=picture.height / self._size[1])
        if "boxes" in names and self._boxes is not None:
            self._draw_boxes(pen, self._boxes, frame_index)
        if "keypoints" in names and self._bodies is not None:
            self._draw_bodies(pen, self._bodies, frame_index)
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

    def _draw_boxes(self, pen: Pen, boxes: Boxes, frame_index: int) -> None:
        for row in boxes.rows_at(frame_index):
            label, person = int(boxes.label[row]), int(boxes.person[row])
            name = boxes.labels[label] if label >= 0 else ""
            confidence = float(boxes.confidence[row])
            if confidence < _MIN_CONFIDENCE:
                continue
            words = [name, f"#{person}" if person >= 0 else "", _short(confidence)]
            shade = person_color(person) if person >= 0 else PALETTE.color_of(name or "box")
            x, y, width, height = (float(value) * pen.scale for value in boxes.xywh_px[row])
            pen.box(x, y, width, height, shade, " ".join(filter(None, words)))

    def _draw_bodies(self, pen: Pen, bodies: Bodies, frame_index: int) -> None:
        for number, layer in enumerate(bodies.layers):
            self._draw_layer(pen, layer, frame_index, number=number)
        if bodies.gaps is not None:
            _draw_gaps(pen, bodies.gaps, frame_index)
        if self._has_legend:
            _draw_legend(pen, [each.title for each in bodies.layers], self._keypoint_color)

    def _draw_layer(self, pen: Pen, points: Keypoints, frame_index: int, *, number: int) -> None:
        people: dict[int, dict[int, tuple[Place, float]]] = {}
        for row in points.rows_at(frame_index):
            confidence = float(points.confidence[row])
            if not confidence < _MIN_CONFIDENCE:  # NaN counts as sure
                x, y = (float(value) * pen.scale for value in points.xy_px[row])
                found = people.setdefault(int(points.person[row]), {})
                found[int(points.keypoint[row])] = ((x, y), confidence)
        for person, found in people.items():

            def shade(*confidences: float, person: int = person) -> str:
                if self._keypoint_color == "confidence":
                    return share_color(min(confidences))
                return person_color(number if self._keypoint_color == "model" else person)

            for first, second in points.skeleton:
                if first in found and second in found:
                    (start, sure), (end, also_sure) = found[first], found[second]
                    pen.line(start, end, shade(sure, also_sure), is_dashed=number > 0)
            for place, sure in found.values():
                pen.dot(place, shade(sure), is_square=number > 0)


def _draw_gaps(pen: Pen, gaps: Gaps, frame_index: int) -> None:
    for row in gaps.rows_at(frame_index):
        (x0, y0), (x1, y1) = gaps.from_px[row] * pen.scale, gaps.to_px[row] * pen.scale
        pen.thin_line((float(x0), float(y0)), (float(x1), float(y1)))


def _draw_legend(pen: Pen, titles: Sequence[str], colored_by: str) -> None:
    """Write at the top right which skeleton is whose, and what its colour tells."""
    titles = titles if len(titles) > 1 else ()
    num_rows = len(titles) + (colored_by == "confidence")
    if not num_rows:
        return
    gap, row, sample = pen.px(8), pen.px(20), pen.px(26)
    room = pen.width * 0.5 - sample - 3 * gap
    texts = [pen.fit(f"{letter_of(at)}  {each}", room) for at, each in enumerate(titles)]
    width = sample + 3 * gap + max(map(pen.measure, [*texts, "0 – 1"]))
    left = pen.width - gap - width
    pen.panel(left, gap, width, row * num_rows + gap)
    middle = 1.5 * gap + row / 2
    for number, text in enumerate(texts):
        shade = person_color(number) if colored_by == "model" else "#FFFFFF"
        start, end = (left + gap, middle), (left + gap + sample, middle)
        pen.line(start, end, shade, is_dashed=number > 0)
        pen.dot((left + gap + sample / 2, middle), shade, is_square=number > 0)
        pen.text(left + 2 * gap + sample, middle, text, WHITE)
        middle += row
    if colored_by == "confidence":
        for step in range(sample):
            shade = share_color(step / max(sample - 1, 1))
            pen.fill(left + gap + step, middle - pen.px(3), 1, pen.px(6), shade)
        pen.text(left + 2 * gap + sample, middle, "0 – 1", WHITE)


def _draw_label(pen: Pen, label: str, probability: float, *, is_grey: bool) -> None:
    height, gap = pen.px(24), pen.px(8)
    value = _short(probability)
    room = pen.width - 2 * gap - 3 * gap - pen.measure(value)
    name = pen.fit(label, room)
    width = 3 * gap + pen.measure(name) + pen.measure(value)
    left, top = gap, pen.height - gap - height
    pen.panel(left, top, width, height)
    pen.fill(left, top, pen.px(4), height, "#888888" if is_grey else PALETTE.color_of(label))
    middle = top + height / 2
    ink = (190, 190, 190, 255) if is_grey else WHITE
    pen.text(left + gap, middle, name, ink)
    pen.text(left + 2 * gap + pen.measure(name), middle, value, ink)


def _draw_caption(pen: Pen, label: str) -> int:
    """Write a label in white into a black box at the top left, as OpenCV's tutorials do.

    Theirs is 300x40 px on a picture 400 px wide.

    Returns:
        How high the box is, px.
    """
    scale = pen.width / 400
    width, height, left = (round(length * scale) for length in (300, 40, 10))
    pen.fill(0, 0, width, height, "#000000")
    size = max(1, round(20 * scale))
    pen.text(left, height / 2, pen.fit(label, width - 2 * left, size), WHITE, size)
    return height


def _draw_bars(
    pen: Pen, answers: Sequence[tuple[str, float]], threshold: float, *, above: int
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
        ink = (160, 160, 160, 255) if is_grey else WHITE
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


def as_rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of an RGB picture, uint8 ``[height, width, 3]``."""
    return np.asarray(picture, dtype=np.uint8)
