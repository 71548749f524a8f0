"""Heat maps, and labels in Korean, on the page, in real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from browser_harness import barriers
from planted_heat import WAYS, square_map
from playwright.sync_api import Browser, Locator, expect
from view_page import Show, ViewPage, open_view

import vidlab as vl
from vidlab.core.palette import SHARE_COLORS
from vidlab.widgets.heat import SIGNED_COLORS

pytestmark = pytest.mark.browser

PLACE, SIDE = (80, 60), 24
DRAWN = {"overlay": ["heat"], "heatmap_opacity": 1.0}


@pytest.fixture
def video(spelled: Callable[..., Path]) -> vl.Video:
    return vl.Video(spelled("mp4"))


def pixels(view: ViewPage, video: vl.Video) -> np.ndarray:
    """Return what is drawn over the picture, uint8 RGBA, one pixel for each of the frame."""
    found = view.root.locator(".vl-overlay").evaluate(
        """(canvas, [width, height]) => {
            const small = new OffscreenCanvas(width, height).getContext("2d");
            small.imageSmoothingEnabled = false;
            small.drawImage(canvas, 0, 0, width, height);
            return [...small.getImageData(0, 0, width, height).data];
        }""",
        [video.width, video.height],
    )
    return np.array(found, dtype=np.int16).reshape(video.height, video.width, 4)


def is_color(picture: np.ndarray, color: str) -> np.ndarray:
    return np.abs(picture[..., :3] - list(bytes.fromhex(color[1:]))).max(axis=-1) <= 6


def settings(view: ViewPage) -> Locator:
    view.root.get_by_role("button", name="Settings").click()
    return view.root.locator(".vl-menu")


@pytest.mark.parametrize("kind", ["mp4", "rotated-90"])
def test_the_square_is_hot_where_it_is_displayed(
    chromium: Browser, spelled: Callable[..., Path], kind: str
) -> None:
    video = vl.Video(spelled(kind))
    maps = {way: square_map(video, WAYS[way]) for way in WAYS}
    view = open_view(chromium, video, heatmaps=maps, state=DRAWN, device_scale_factor=2)
    expect(view.root.locator(".vl-heat")).to_be_visible()
    for way, heatmap in maps.items():
        view.set("heatmap_shown", way)
        found = pixels(view, video)
        rows, columns = np.nonzero(is_color(found, SHARE_COLORS[-1]) & (found[..., 3] == 255))
        # An input px is at most 8 px of the frame.
        assert columns.mean() + 0.5 == pytest.approx(PLACE[0], abs=4)
        assert rows.mean() + 0.5 == pytest.approx(PLACE[1], abs=4)
        # Pixel by pixel as Python draws it, but for the edge of what the model saw.
        wanted = heatmap.on_frame(video.height, video.width)
        seen = np.isfinite(wanted)
        assert ((found[..., 3] > 0) != seen).mean() < 0.02
        drawn = heatmap.overlay(np.zeros((*seen.shape, 3), np.uint8), alpha=1.0)
        off = np.abs(found[..., :3] - drawn)[seen & (found[..., 3] == 255)]
        assert off.mean() < 3
    view.page.close()
    assert view.messages == []


def test_the_menu_draws_it_fades_it_and_chooses(show: Show, video: vl.Video) -> None:
    maps = {
        "left": square_map(video, place_px=(40, 60)),
        "right": [square_map(video, label="<b>bold</b>", what="drop of probability")],
    }
    view = show(heatmaps=maps)
    assert not pixels(view, video).any()
    legend = view.root.locator(".vl-heat")
    expect(legend).to_be_hidden()
    menu = settings(view)
    menu.get_by_role("checkbox", name="Heat map").check()
    view.wait_get("overlay", ["heat"])
    found = pixels(view, video)
    assert found[60, 40, 3] == 128
    assert is_color(found[60, 40], SHARE_COLORS[-1])
    expect(legend).to_contain_text("Grad-CAM for carving ice, .930")
    expect(legend.locator(".vl-legend")).to_have_text("01")

    opacity = menu.get_by_role("slider", name="How much the heat map covers")
    expect(opacity).to_have_value("50")
    opacity.fill("100")
    view.wait_get("heatmap_opacity", 1)
    assert pixels(view, video)[60, 40, 3] == 255
    expect(menu).to_contain_text("100 %")
    opacity.fill("0")
    view.wait_get("heatmap_opacity", 0)
    assert not pixels(view, video).any()
    opacity.fill("80")

    choice = menu.get_by_role("combobox", name="Which heat map")
    assert choice.locator("option").all_text_contents() == ["left", "right"]
    choice.select_option("right")
    view.wait_get("heatmap_shown", "right")
    found = pixels(view, video)
    assert is_color(found[60, 80], SHARE_COLORS[-1])
    assert is_color(found[60, 40], SHARE_COLORS[0])
    expect(legend).to_contain_text("Drop of probability for <b>bold</b>, .930")
    assert barriers(view.page, ".vidlab-player") == []
    menu.get_by_role("checkbox", name="Heat map").uncheck()
    expect(legend).to_be_hidden()
    assert not pixels(view, video).any()


def test_frames_without_a_map_say_so_and_where_one_is(show: Show, video: vl.Video) -> None:
    maps = [square_map(video, frame_index=frame) for frame in (10, 14)]
    view = show(heatmaps=maps, state=DRAWN)
    legend = view.root.locator(".vl-heat")
    expect(legend).to_contain_text("no heat map for this frame")
    assert not pixels(view, video).any()
    height = legend.bounding_box()
    legend.get_by_role("button", name="Nearest: frame 10").click()
    expect(view.root).to_have_attribute("data-frame", "10")
    expect(legend).to_contain_text("Grad-CAM for carving ice")
    expect(legend.get_by_role("button")).to_be_hidden()
    assert legend.bounding_box() == height, "nothing moves"
    for frame, is_drawn in ((13, True), (17, True), (18, False), (9, False)):
        view.set("frame_index", frame)
        expect(view.root).to_have_attribute("data-frame", str(frame))
        assert pixels(view, video).any() == is_drawn
    expect(legend.get_by_role("button")).to_have_text("Nearest: frame 10")


def test_negative_values_have_their_own_colours(show: Show, video: vl.Video) -> None:
    heatmap = square_map(video)
    negative = square_map(video, values=-heatmap.values, top=0.25)
    view = show(heatmaps=negative, state=DRAWN)
    expect(view.root.locator(".vl-heat .vl-legend")).to_have_text("−11")
    found = pixels(view, video)
    assert is_color(found[PLACE[1], PLACE[0]], SIGNED_COLORS[0])
    assert is_color(found[140, 180], SIGNED_COLORS[3])


def test_labels_in_korean(
    show: Show, video: vl.Video, predict_ids: Callable[..., vl.Predictions]
) -> None:
    told = predict_ids(video, [0, 1, 2], every=20, labels=["carving ice", "zumba", "my own label"])
    view = show(
        [told], heatmaps=square_map(video, frame_index=None), labels="ko", truth=[(0, 1, "zumba")],
        state={"overlay": ["heat", "label"], "frame_index": 20},
    )  # fmt: skip
    panel = view.root.locator(".vl-panel")
    expect(panel.locator(".vl-row").first).to_contain_text("줌바 댄스 추기")
    expect(panel.locator(".vl-row").first.locator(".vl-mark")).to_have_text("✓")
    expect(panel.locator(".vl-truth")).to_contain_text("줌바 댄스 추기")
    expect(panel).to_contain_text("my own label")
    expect(panel).not_to_contain_text("zumba")
    expect(view.root.locator(".vl-heat")).to_contain_text("Grad-CAM for 얼음 조각하기")
    spoken = view.timeline.get_attribute("aria-valuetext")
    assert spoken == "frame 20, 00:00.667, 줌바 댄스 추기 .965"
    box = view.timeline.bounding_box()
    assert box is not None
    view.page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + 20)
    expect(view.root.locator(".vl-tip")).to_contain_text("얼음 조각하기")
    assert barriers(view.page, ".vidlab-player") == []
