"""Overlays drawn in Python: where, what, and at which frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import vidlab as vl
from vidlab.core.palette import PALETTE
from vidlab.widgets.annotations import read_boxes
from vidlab.widgets.drawing import Overlays
from vidlab.widgets.keypoints import read_keypoints
from vidlab.widgets.pen import Pen

SIZE = (320, 240)


def overlays(
    predictions: list[vl.Predictions] | None = None,
    *,
    boxes: pd.DataFrame | None = None,
    keypoints: pd.DataFrame | None = None,
    threshold: float | None = None,
) -> Overlays:
    return Overlays(
        predictions or [], top_k=3, boxes=read_boxes(boxes),
        bodies=read_keypoints(keypoints, None), size=SIZE, threshold=threshold,
    )  # fmt: skip


def draw(made: Overlays, frame: int, *names: str, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.asarray(made.draw(Image.new("RGB", size, (120, 120, 120)), frame, names), np.int16)


def where(picture: np.ndarray) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of what was drawn, px; None where nothing was."""
    rows, columns = np.nonzero((picture != 120).any(axis=2))
    if not len(rows):
        return None
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def has_color(picture: np.ndarray, color: str) -> bool:
    wanted = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    return bool((np.abs(picture - wanted).max(axis=2) <= 2).any())


BOXES = pd.DataFrame(
    {"frame_index": [10, 12, 14], "x_px": [20, 40, 60], "y_px": 50.0, "width_px": 100.0,
     "height_px": 80.0}
)  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "left"), [(9, None), (10, 20), (11, 20), (12, 40), (15, 60), (16, None), (99, None)]
)
def test_a_box_is_drawn_where_it_holds(frame: int, left: int | None) -> None:
    found = where(draw(overlays(boxes=BOXES), frame, "boxes"))
    assert (found is None) == (left is None)
    if left is not None:
        assert found == (left, 50, left + 100, 130)


def test_boxes_grow_with_the_picture() -> None:
    found = where(draw(overlays(boxes=BOXES), 10, "boxes", size=(640, 480)))
    assert found == (40, 100, 240, 260)


def test_unsure_boxes_are_left_out() -> None:
    table = BOXES.assign(confidence=[0.1, 0.9, 0.9])
    assert where(draw(overlays(boxes=table), 10, "boxes")) is None
    assert where(draw(overlays(boxes=table), 12, "boxes")) is not None


def test_body_points_are_joined() -> None:
    table = pd.DataFrame(
        {"frame_index": 0, "person": 0, "keypoint": ["left_hip", "left_knee", "nose"],
         "x_px": [100.0, 100.0, 250.0], "y_px": [50.0, 150.0, 60.0]}
    )  # fmt: skip
    picture = draw(overlays(keypoints=table), 0, "keypoints")
    assert (picture[100, 99:102] != 120).any(), "hip and knee are joined"
    assert (picture[60, 250] != 120).any()
    assert (picture[50:60, 120:230] == 120).all(), "hip and nose are not"


@pytest.mark.parametrize("end", [(180.3, 120.8), (40.5, 199.1), (200.0, 40.0), (90.2, 41.7)])
def test_body_lines_have_smooth_edges(end: tuple[float, float]) -> None:
    table = pd.DataFrame(
        {"frame_index": 0, "person": 0, "keypoint": ["left_hip", "left_knee"],
         "x_px": [40.0, end[0]], "y_px": [40.0, end[1]]}
    )  # fmt: skip
    picture = draw(overlays(keypoints=table), 0, "keypoints")
    drawn = picture[(picture != 120).any(axis=2)]
    assert len(np.unique(drawn, axis=0)) > 10, "edges blend into what is below"

    layer = Image.new("RGBA", SIZE)
    pen = Pen(layer, scale=1)
    pen._stroke((40.0, 40.0), end, 6, (255, 255, 255))
    length, width = np.hypot(end[0] - 40, end[1] - 40), 6 * pen._grow
    ink = np.asarray(layer)[..., 3].sum() / 255
    assert ink == pytest.approx(length * width + np.pi * width**2 / 4, rel=0.02)


def test_what_is_off_the_picture_is_left_out() -> None:
    table = pd.DataFrame(
        {"frame_index": 0, "person": 0, "keypoint": ["left_hip", "left_knee", "nose"],
         "x_px": [-50.0, 40.0, 5000.0], "y_px": [-50.0, 40.0, 5000.0]}
    )  # fmt: skip
    found = where(draw(overlays(keypoints=table), 0, "keypoints"))
    assert found is not None
    assert found[:2] == (0, 0)


@pytest.fixture
def told(spelled: Callable[..., Any], predict_ids: Callable[..., Any]) -> vl.Predictions:
    video = vl.Video(spelled("mp4"))
    return predict_ids(video, [3, 4, 5], labels=[f"drawn {n}" for n in range(6)])


def test_the_label_is_the_one_that_holds(told: vl.Predictions) -> None:
    made = overlays([told])
    for frame, class_id in ((0, 3), (4, 3), (5, 4), (59, 5)):
        picture = draw(made, frame, "label")
        assert has_color(picture, PALETTE.color_of(f"drawn {class_id}"))
    left, _, _, bottom = where(picture) or (0, 0, 0, 0)
    assert left < 10
    assert bottom > 225


def test_under_the_threshold_it_is_grey(told: vl.Predictions) -> None:
    color = PALETTE.color_of("drawn 3")
    assert has_color(draw(overlays([told], threshold=0.5), 0, "label"), color)
    picture = draw(overlays([told], threshold=0.99), 0, "label")
    assert where(picture) is not None
    assert not has_color(picture, color)


def test_bars_are_as_long_as_the_answers_are_sure(told: vl.Predictions) -> None:
    picture = draw(overlays([told]), 0, "bars")
    wanted = [int(PALETTE.color_of("drawn 3")[at : at + 2], 16) for at in (1, 3, 5)]
    filled = (np.abs(picture - wanted).max(axis=2) <= 2).sum(axis=1)
    track = (np.abs(picture - [90, 90, 90]).max(axis=2) <= 12).sum(axis=1)
    row = int(filled.argmax())
    share = filled[row] / (filled[row] + track[row])
    assert share == pytest.approx(told.probabilities[0, 3], abs=0.05)


def test_a_caption_is_the_box_of_opencvs_tutorials(told: vl.Predictions) -> None:
    picture = draw(overlays([told]), 0, "caption", size=(400, 300))
    assert where(picture) == (0, 0, 300, 40)
    box = picture[:40, :300]
    assert (box[:, :8] == 0).all(), "black beside the words"
    assert (box[12:30, 10:200] > 200).any(), "white words"
    both = where(draw(overlays([told]), 0, "caption", "bars", size=(400, 300)))
    assert both is not None
    assert both[3] > 40, "bars lie below it"


@pytest.mark.parametrize(("width", "num_bars"), [(380, 3), (960, 5)])
def test_a_small_picture_gets_fewer_bars(width: int, num_bars: int, told: vl.Predictions) -> None:
    made = Overlays([told], top_k=6, boxes=None, bodies=None, size=SIZE)
    height = width * 3 // 4
    _, top, right, bottom = where(draw(made, 0, "bars", size=(width, height))) or (0, 0, 0, 0)
    grow = (bottom - top) / (20 * num_bars + 8)
    assert grow == pytest.approx(max(width * 9 / 16 / 360, 0.75), rel=0.05)
    assert bottom < height / 3
    assert right < width / 2


@pytest.mark.parametrize("size", [(64, 48), (320, 240), (1920, 1080), (200, 900)])
def test_long_labels_stay_inside(size: tuple[int, int], spelled, predict_ids) -> None:
    video = vl.Video(spelled("mp4"))
    labels = ["a label that goes on and on " * 8, "얼음 조각하기 " * 20]
    made = Overlays(
        [predict_ids(video, [0, 1], labels=labels)], top_k=2, boxes=None, bodies=None, size=size
    )
    left, top, right, bottom = where(draw(made, 0, "label", "bars", size=size)) or (0, 0, 0, 0)
    assert 0 < left < right <= size[0]
    assert 0 < top < bottom <= size[1]
    assert right < size[0], "there is a margin at the right"


def test_nothing_is_drawn_before_the_first_answer_or_without_names(told: vl.Predictions) -> None:
    late = vl.Predictions(
        video=told.video, model="m", backend="torch", title="t", labels=told.labels,
        frame_index=told.frame_index + 10, time_seconds=told.time_seconds, logits=told.logits,
    )  # fmt: skip
    assert where(draw(overlays([late]), 9, "label", "bars")) is None
    assert where(draw(overlays([late]), 10)) is None
