"""Overlays drawn on a frame in Python, with the look of the page's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidlab.attribution.heatmap import Heatmap
from vidlab.core.label_names import translated
from vidlab.core.palette import PALETTE, person_color, share_color
from vidlab.widgets.annotations import Boxes
from vidlab.widgets.heat import HeatLayer, ramp
from vidlab.widgets.keypoints import Bodies, Gaps, Keypoints
from vidlab.widgets.payload import letter_of, top_classes
from vidlab.widgets.pen import WHITE, Pen, Place

if TYPE_CHECKING:
    from vidlab.predictions import Predictions

_NARROW_PX = 420
_TRACK = (90, 90, 90, 220)

# A point or box that its model was less sure of is left out.
_MIN_CONFIDENCE = 0.2


class _Answer(NamedTuple):
    """What a model says, as it is shown."""

    name: str
    shade: str
    probability: float


class Overlays:
    """Draws labels, bars, boxes, body points and heat maps on the frames of one video.

    Args:
        predictions: The first model's labels and bars are drawn.
        top_k: Bars at most.
        boxes: In px of a frame of `size`.
        bodies: Likewise.
        heat: Maps of these frames.
        heat_opacity: How much they cover, 0 to 1.
        size: Width and height of the displayed frame, px.
        keypoint_color: What the colour of a skeleton tells; see `COLORED_BY`.
        has_legend: Say which of several skeletons is whose, and what heat maps are about.
        threshold: Probability under which an answer is grey, or None.
        language: What labels' names are written in; None is as they are.
    """

    def __init__(
        self,
        predictions: Sequence[Predictions],
        *,
        top_k: int,
        boxes: Boxes | None,
        bodies: Bodies | None,
        size: tuple[int, int],
        heat: HeatLayer | None = None,
        heat_opacity: float = 0.5,
        keypoint_color: str = "person",
        has_legend: bool = True,
        threshold: float | None = None,
        language: str | None = None,
    ) -> None:
        self._told = predictions[0] if predictions else None
        self._tops = top_classes(self._told, top_k) if self._told is not None else None
        self._boxes, self._bodies = boxes, bodies
        self._keypoint_color = keypoint_color
        self._has_legend = has_legend
        self._size = size
        self._threshold = threshold or 0.0
        self._language = language
        self._heat, self._heat_opacity = heat, heat_opacity
        # Frames that follow one another mostly share a map.
        self._heated: tuple[Heatmap, Image.Image] | None = None

    def draw(self, picture: Image.Image, frame_index: int, names: Sequence[str]) -> Image.Image:
        """Return the picture with overlays.

        Args:
            picture: The frame, RGB, at any size.
            frame_index: Its number.
            names: Any of ``"label"``, ``"caption"``, ``"bars"``, ``"boxes"``, ``"keypoints"``,
                ``"heat"``.
        """
        if not names:
            return picture
        layer = Image.new("RGBA", picture.size)
        pen = Pen(layer, scale=picture.height / self._size[1])
        picture = picture.convert("RGBA")
        heat = self._heat if "heat" in names else None
        heatmap = heat.map_at(frame_index) if heat else None
        if heat and heatmap:
            picture.alpha_composite(self._heat_picture(heat, heatmap, picture.size))
        if "boxes" in names and self._boxes is not None:
            self._draw_boxes(pen, self._boxes, frame_index)
        if "keypoints" in names and self._bodies is not None:
            self._draw_bodies(pen, self._bodies, frame_index)
        answers = self._answers(frame_index)
        has_label = "label" in names and bool(answers)
        if heat and heatmap and self._has_legend:
            name = translated(heatmap.label, self._language)
            _draw_heat_legend(pen, heat, heatmap, name, is_above_label=has_label)
        above = _draw_caption(pen, answers[0].name) if "caption" in names and answers else 0
        if "bars" in names and answers:
            _draw_bars(pen, answers, self._threshold, above=above)
        if has_label:
            _draw_label(pen, answers[0], is_grey=answers[0].probability < self._threshold)
        return Image.alpha_composite(picture, layer).convert("RGB")

    def _answers(self, frame_index: int) -> list[_Answer]:
        """Return what holds on a frame, the most probable first."""
        if self._told is None or self._tops is None:
            return []
        row = int(np.searchsorted(self._told.frame_index, frame_index, side="right")) - 1
        if row < 0:
            return []
        ids, probabilities = self._tops
        labels = self._told.labels
        return [
            _Answer(
                translated(labels[int(class_id)], self._language),
                PALETTE.color_of(labels[int(class_id)]),
                float(value),
            )
            for class_id, value in zip(ids[row], probabilities[row], strict=True)
            if class_id >= 0
        ]

    def _heat_picture(
        self, heat: HeatLayer, heatmap: Heatmap, size: tuple[int, int]
    ) -> Image.Image:
        if self._heated is None or self._heated[0] is not heatmap or self._heated[1].size != size:
            self._heated = heatmap, heat.picture_of(heatmap, size, self._heat_opacity)
        return self._heated[1]

    def _draw_boxes(self, pen: Pen, boxes: Boxes, frame_index: int) -> None:
        for row in boxes.rows_at(frame_index):
            label, person = int(boxes.label[row]), int(boxes.person[row])
            name = boxes.labels[label] if label >= 0 else ""
            confidence = float(boxes.confidence[row])
            if confidence < _MIN_CONFIDENCE:
                continue
            shown = translated(name, self._language)
            words = [shown, f"#{person}" if person >= 0 else "", _short(confidence)]
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


def _draw_heat_legend(
    pen: Pen, heat: HeatLayer, heatmap: Heatmap, name: str, *, is_above_label: bool
) -> None:
    """Write at the bottom right what a map is about, over the scale of its colours."""
    gap, row = pen.px(8), pen.px(20)
    about = f"{heatmap.what}: {name} {_short(heatmap.probability)}"
    about = pen.fit(about, pen.width - 4 * gap)
    least, most = (
        f"{value:.2g}".replace("-", "\N{MINUS SIGN}") for value in (heat.least, heat.limit)
    )
    ends = pen.measure(least) + pen.measure(most) + 2 * gap
    width = max(pen.measure(about), ends + pen.px(60)) + 2 * gap
    left, height = pen.width - gap - width, 2 * row + gap
    raised = _label_height(pen) + gap if is_above_label else 0
    top = pen.height - gap - height - raised
    pen.panel(left, top, width, height)
    pen.text(left + gap, top + (gap + row) / 2, about, WHITE)
    middle = top + gap / 2 + 1.5 * row
    pen.text(left + gap, middle, least, WHITE)
    pen.text(left + width - gap - pen.measure(most), middle, most, WHITE)
    start, room = round(left + 2 * gap + pen.measure(least)), round(width - 2 * gap - ends)
    shades = ramp(heat.colors)
    for step in range(room):
        shade = tuple(shades[step * (len(shades) - 1) // max(room - 1, 1)].tolist())
        pen.fill(start + step, middle - pen.px(3), 1, pen.px(6), shade)


def _label_height(pen: Pen) -> int:
    return pen.px(24)


def _draw_label(pen: Pen, answer: _Answer, *, is_grey: bool) -> None:
    height, gap = _label_height(pen), pen.px(8)
    value = _short(answer.probability)
    room = pen.width - 2 * gap - 3 * gap - pen.measure(value)
    name = pen.fit(answer.name, room)
    width = 3 * gap + pen.measure(name) + pen.measure(value)
    left, top = gap, pen.height - gap - height
    pen.panel(left, top, width, height)
    pen.fill(left, top, pen.px(4), height, "#888888" if is_grey else answer.shade)
    middle = top + height / 2
    ink = (190, 190, 190, 255) if is_grey else WHITE
    pen.text(left + gap, middle, name, ink)
    pen.text(left + 2 * gap + pen.measure(name), middle, value, ink)


def _draw_caption(pen: Pen, name: str) -> int:
    """Write a label's name in white into a black box at the top left, as OpenCV's tutorials do.

    Theirs is 300x40 px on a picture 400 px wide.

    Returns:
        How high the box is, px.
    """
    scale = pen.width / 400
    width, height, left = (round(length * scale) for length in (300, 40, 10))
    pen.fill(0, 0, width, height, "#000000")
    size = max(1, round(20 * scale))
    pen.text(left, height / 2, pen.fit(name, width - 2 * left, size), WHITE, size)
    return height


def _draw_bars(pen: Pen, answers: Sequence[_Answer], threshold: float, *, above: int) -> None:
    # As on the page: there is to be a picture left.
    answers = answers[: 3 if pen.width < _NARROW_PX else 5]
    row, gap = pen.px(20), pen.px(8)
    bar_width = min(pen.px(120), pen.width * 0.25)
    value_width = pen.measure("1.00")
    room = pen.width - bar_width - value_width - 6 * gap
    longest = max(pen.measure(each.name) for each in answers)
    name_width = max(0.0, min(room, pen.width * 0.4, longest))
    width = name_width + bar_width + value_width + 4 * gap
    pen.panel(gap, above + gap, width, row * len(answers) + gap)
    for number, (name, color, probability) in enumerate(answers):
        middle = above + gap + gap / 2 + row * (number + 0.5)
        is_grey = probability < threshold
        ink = (160, 160, 160, 255) if is_grey else WHITE
        pen.text(2 * gap, middle, pen.fit(name, name_width), ink)
        left, top, height = 3 * gap + name_width, middle - pen.px(5), pen.px(10)
        pen.fill(left, top, bar_width, height, _TRACK)
        shade = "#888888" if is_grey else color
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
