"""Skeletons, distances and curves on the page, in real Chromium."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect
from view_page import ROOT, Show, ViewPage

import vidlab as vl
from vidlab.core.palette import PERSON_COLORS, SHARE_COLORS, share_color

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def video() -> vl.Video:
    return vl.Video(ROOT / "data" / "jumping_jacks.mp4")


def person(video: vl.Video, *, title: str, x_px: float, confidence: float) -> vl.pose.Poses:
    """Return somebody on frames 0 to 29 whose joints lie on a grid, each sure to one degree."""
    points = np.empty((30, 17, 3), dtype=np.float32)
    points[..., 0] = x_px + 6 * (np.arange(17) % 4)
    points[..., 1] = 40 + 8 * (np.arange(17) // 4)
    points[..., 2] = confidence
    return vl.pose.Poses(
        video=video.name, model=title, backend="test", title=title, skeleton=vl.pose.COCO_17,
        width_px=video.width, height_px=video.height, frame_index=np.arange(30),
        time_seconds=video.pts_seconds[:30], row=np.arange(30), person=np.zeros(30, dtype=int),
        points=points,
    )  # fmt: skip


@pytest.fixture
def two(video: vl.Video) -> list[vl.pose.Poses]:
    return [
        person(video, title="first", x_px=60.0, confidence=1.0),
        person(video, title="second", x_px=63.0, confidence=0.5),
    ]


CURVES = pd.DataFrame(
    {"frame_index": [0, 10, 12], "left_knee_angle_deg": [90.0, 171.25, np.nan], "speed": 0.5}
)


def pixels(view: ViewPage, video: vl.Video, x: float, y: float) -> list[int]:
    """Return the red, green, blue and alpha of the overlay at a place of the frame."""
    found: list[int] = view.root.locator(".vl-overlay").evaluate(
        """(canvas, [x, y, width]) => {
            const zoom = canvas.width / width;
            const { data } = canvas.getContext("2d").getImageData(x * zoom, y * zoom, 1, 1);
            return [...data];
        }""",
        [x, y, video.width],
    )
    return found


def test_two_models_lie_over_one_another_with_their_distances(
    show: Show, video: vl.Video, two: list[vl.pose.Poses]
) -> None:
    view = show(keypoints=two, state={"overlay": ["keypoints"], "keypoint_color": "model"})
    readings = view.root.locator(".vl-readings")
    expect(readings).to_contain_text("first")
    expect(readings).to_contain_text("second")
    expect(readings).to_contain_text("mean 3.00")
    nose = readings.locator(".vl-joints li").first
    expect(nose).to_have_text("nose3.00")
    assert readings.locator(".vl-joints li").count() == 17
    # The last joint of the first one, and what lies three px beside it.
    x, y = 60.0, 40 + 8 * 4
    assert pixels(view, video, x, y)[3] == 255
    view.set("frame_index", 40)
    expect(view.root).to_have_attribute("data-frame", "40")
    expect(readings).to_contain_text("mean –")
    assert pixels(view, video, x, y)[3] == 0
    assert not view.messages


def test_the_menu_chooses_what_colours_tell(
    show: Show, video: vl.Video, two: list[vl.pose.Poses]
) -> None:
    view = show(
        keypoints=two[1], state={"overlay": ["keypoints"], "keypoint_color": "person"},
        device_scale_factor=2,
    )  # fmt: skip
    view.root.get_by_role("button", name="Settings").click()
    choice = view.root.get_by_role("combobox", name="Skeletons coloured by")
    assert choice.locator("option").all_text_contents() == ["person", "confidence"]

    def between_shoulders() -> list[int]:
        return pixels(view, video, 63 + 6 * 1.5, 40 + 8)[:3]

    expect(view.root.locator(".vl-legend")).to_be_hidden()
    assert between_shoulders() == list(bytes.fromhex(PERSON_COLORS[0][1:]))
    choice.select_option("confidence")
    view.wait_get("keypoint_color", "confidence")
    expect(view.root.locator(".vl-legend")).to_be_visible()
    wanted = np.array(list(bytes.fromhex(share_color(0.5)[1:])))
    assert np.abs(between_shoulders() - wanted).max() <= 2


def test_curves_are_drawn_and_read(show: Show, video: vl.Video) -> None:
    view = show(curves=CURVES)
    values = view.root.locator(".vl-values")
    expect(values).to_have_text("left_knee_angle_deg90.0speed0.50")
    view.set("frame_index", 10)
    expect(values).to_have_text("left_knee_angle_deg171speed0.50")
    view.set("frame_index", 12)
    expect(values).to_have_text("left_knee_angle_deg–speed0.50")
    box = view.timeline.bounding_box()
    assert box is not None
    assert box["height"] > 2 * 40
    view.page.mouse.move(box["x"] + 2, box["y"] + 20)
    expect(view.root.locator(".vl-tip")).to_contain_text("left_knee_angle_deg")
    expect(view.root.locator(".vl-tip")).to_contain_text("90.0")


def test_the_page_and_python_draw_in_the_same_colours() -> None:
    source = (ROOT / "frontend" / "src" / "bodies.js").read_text()
    for colors in (PERSON_COLORS, SHARE_COLORS):
        assert ", ".join(f'"{each}"' for each in colors) in source
