"""The player where there is no mouse: on a phone, and in the colours a person has forced."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect
from view_page import ROOT, Show, ViewPage

import vidlab as vl

pytestmark = pytest.mark.browser

PHONE = {
    "width": 390, "height": 844, "has_touch": True, "is_mobile": True, "device_scale_factor": 2,
}  # fmt: skip

# Higher than what is drawn in the timeline of one model, above its axis.
Y = 88

# How long a finger lies still before it is lifted; Chromium takes 40 for the end of a movement.
REST_MILLISECONDS = 120


@pytest.fixture(scope="module")
def video() -> vl.Video:
    return vl.Video(ROOT / "data" / "jumping_jacks.mp4")


@pytest.fixture
def told(video: vl.Video, predict_ids: Callable[..., vl.Predictions]) -> vl.Predictions:
    """One model: action 0 in the first half, action 1 in the second."""
    num_rows = video.num_frames // 5
    return predict_ids(video, [row * 2 // num_rows for row in range(num_rows)])


class Fingers:
    """Fingers on the timeline, as the browser's own input sees them."""

    def __init__(self, view: ViewPage) -> None:
        self.view = view
        self.session = view.page.context.new_cdp_session(view.page)

    def at(self, *shares: float, y: float = Y) -> None:
        """Have one finger at each share of the timeline's width; none lifts them."""
        box = self.view.timeline.bounding_box()
        assert box is not None
        points = [
            {"x": box["x"] + share * box["width"], "y": box["y"] + y, "id": number}
            for number, share in enumerate(shares)
        ]
        before = getattr(self, "num", 0)
        if not points:
            # A finger that lifts as it moves throws, and browsers swallow the tap that ends a
            # glide: without this rest, a tap that follows within milliseconds does nothing.
            self.view.page.wait_for_timeout(REST_MILLISECONDS)
        kind = "touchEnd" if not points else "touchMove" if len(points) == before else "touchStart"
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        self.num = len(points)


def test_a_phone_shows_all_of_it_in_reach(show: Show, told: vl.Predictions) -> None:
    view = show([told], truth="action 1", **PHONE)
    assert view.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    view.root.get_by_role("button", name="Settings").tap()
    for button in view.root.get_by_role("button").all():
        if button.is_visible():
            box = button.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 36, button.get_attribute("title")
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= PHONE["width"]
    sizes = "(each) => parseFloat(getComputedStyle(each).fontSize)"
    assert view.root.locator(".vl-frame").evaluate(sizes) >= 16, "smaller text zooms the page in"
    expect(view.root.locator(".vl-selected")).to_contain_text("pinch to zoom")


def test_fingers_mark_segments_and_drag_their_edges(
    show: Show, video: vl.Video, tmp_path: Path
) -> None:
    annotator = vl.Annotator(video, ["squat", "jumping jacks"], out=tmp_path / "segments.csv")
    half = float(video.pts_seconds[video.num_frames // 2])
    annotator.segments = [(half, video.end_seconds, "squat")]
    view = show(state={"_annotation": annotator.get_state()["_annotation"]}, **PHONE)
    part, rows = view.root.locator(".vl-annotator"), view.root.locator(".vl-segments tbody tr")
    for button in [*part.get_by_role("button").all(), *part.get_by_role("combobox").all()]:
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 36, button.get_attribute("title")
        assert box["x"] + box["width"] <= PHONE["width"]
    label = part.get_by_role("button", name="jumping jacks", exact=True)
    label.tap()
    view.root.get_by_role("button", name="Next frame").tap()
    label.tap()
    expect(rows).to_have_count(2)
    expect(part).to_have_attribute("data-saved", "waiting")  # nobody answers here
    fingers = Fingers(view)
    for share in (0.52, 0.6, 0.7, 0.77):  # a finger is less sure of its place
        fingers.at(share, y=11)
    fingers.at()
    expect(rows.nth(1)).to_contain_text(f"{video.duration_seconds * 0.75:.0f}.0")
    part.get_by_role("button", name="Take back").tap()
    expect(rows.nth(1)).to_contain_text(f"00:0{half:.3f}")


def test_taps_play_step_and_seek(show: Show, told: vl.Predictions, video: vl.Video) -> None:
    view = show([told], **PHONE)
    for _ in range(3):
        view.root.get_by_role("button", name="Next frame").tap()
    expect(view.root).to_have_attribute("data-frame", "3")
    width = view.timeline.evaluate("(element) => element.clientWidth")
    view.timeline.tap(position={"x": width / 2, "y": Y})
    middle = video.num_frames // 2
    expect(view.root).to_have_attribute("data-frame", re.compile(f"^({middle - 1}|{middle})$"))
    expect(view.root.locator(".vl-tip")).to_be_hidden()
    view.root.locator("video").tap()
    expect(view.root.get_by_role("button", name="Pause")).to_be_visible()
    view.root.locator("video").tap()
    expect(view.root.get_by_role("button", name="Play (space)")).to_be_visible()


def test_one_finger_seeks_and_two_zoom(show: Show, told: vl.Predictions, video: vl.Video) -> None:
    view = show([told], **PHONE)
    fingers = Fingers(view)
    count = video.num_frames
    for share in (0.2, 0.3, 0.5, 0.75):
        fingers.at(share)
    fingers.at()
    near = "|".join(str(round(0.75 * count) + shift) for shift in (-1, 0, 1))
    expect(view.root).to_have_attribute("data-frame", re.compile(f"^({near})$"))

    fingers.at(0.45)
    fingers.at(0.45, 0.55)
    for spread in (0.1, 0.2, 0.3, 0.4):
        fingers.at(0.5 - spread / 2, 0.5 + spread / 2)
    fingers.at()
    shown = float(view.timeline.get_attribute("data-shown") or 0)
    assert shown == pytest.approx(0.25, rel=0.05)
    start = float(view.timeline.get_attribute("data-from") or 0)
    assert start + shown / 2 == pytest.approx(0.5, abs=0.01), "what was between them stays there"
    expect(view.root).to_have_attribute("data-frame", re.compile(f"^({near})$"))

    fingers.at(0.4, 0.6)
    for shift in (0.05, 0.1, 0.2):
        fingers.at(0.4 + shift, 0.6 + shift)
    fingers.at()
    moved = float(view.timeline.get_attribute("data-from") or 0)
    assert moved == pytest.approx(start - 0.2 * shown, abs=0.01)
    assert float(view.timeline.get_attribute("data-shown") or 0) == pytest.approx(shown, rel=0.01)


def test_a_finger_that_scrolls_the_page_seeks_nowhere(show: Show, told: vl.Predictions) -> None:
    view = show([told], **PHONE)
    fingers = Fingers(view)
    for y in (80, 60, 20, -60, -200):
        fingers.at(0.6, y=y)
    fingers.at()
    view.page.wait_for_function("scrollY > 0")
    expect(view.root).to_have_attribute("data-frame", "0")
    assert view.get("frame_index") == 0


def test_a_finger_selects_by_the_menu_and_moves_the_edges(
    show: Show, told: vl.Predictions, video: vl.Video
) -> None:
    view = show([told], **PHONE)
    view.root.get_by_role("button", name="Settings").tap()
    view.set("frame_index", 60)
    expect(view.root).to_have_attribute("data-frame", "60")
    view.root.get_by_role("button", name="From here").tap()
    view.set("frame_index", 119)
    expect(view.root).to_have_attribute("data-frame", "119")
    view.root.get_by_role("button", name="To here").tap()
    assert view.get("selection") == [60, 120]
    view.timeline.scroll_into_view_if_needed()
    fingers = Fingers(view)
    # A finger lands beside the edge, and takes it all the same.
    for share in (0.53, 0.6, 0.7):
        fingers.at(share)
    fingers.at()
    start, stop = view.get("selection")
    assert start == 60
    assert stop == pytest.approx(0.7 * video.num_frames, abs=2)
    assert view.get("frame_index") == 119


def test_the_full_screen_button_opens_and_closes_it(show: Show, told: vl.Predictions) -> None:
    view = show([told])
    view.root.get_by_role("button", name="Full screen").click()
    view.page.wait_for_function(
        "() => document.fullscreenElement?.classList.contains('vidlab-player')"
    )
    view.root.get_by_role("button", name="Leave full screen").click()
    view.page.wait_for_function("() => !document.fullscreenElement")
    expect(view.root.get_by_role("button", name="Full screen", exact=False)).to_be_visible()


def contrast(picture: Image.Image) -> float:
    """Return the highest contrast of two colours in a picture, as WCAG counts it."""
    share = np.asarray(picture.convert("RGB"), dtype=float).reshape(-1, 3) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    light = linear @ [0.2126, 0.7152, 0.0722]
    return float((light.max() + 0.05) / (light.min() + 0.05))


def picture_of(place: Locator) -> Image.Image:
    return Image.open(io.BytesIO(place.screenshot())).convert("RGB")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_forced_colours_leave_everything_to_be_seen(
    scheme: str, show: Show, told: vl.Predictions, video: vl.Video
) -> None:
    view = show(
        [told], truth="action 1", theme=None, forced_colors="active", color_scheme=scheme,
        state={"selection": [20, 60], "threshold": 0.4, "overlay": ["label"], "loop": True},
    )  # fmt: skip
    view.root.get_by_role("button", name="Settings").click()
    view.set("frame_index", video.num_frames // 4)
    expect(view.root).to_have_attribute("data-frame", str(video.num_frames // 4))
    view.page.mouse.move(0, 0)
    for button in view.root.get_by_role("button").all():
        if button.is_visible():
            assert contrast(picture_of(button)) > 7, button.get_attribute("title")
    for part in (".vl-time", ".vl-frame", ".vl-speed", ".vl-foot", ".vl-row", ".vl-truth"):
        assert contrast(picture_of(view.root.locator(part).first)) > 7, part

    timeline = picture_of(view.timeline)
    gutter, width = view.timeline.evaluate(
        "(element) => [Number(element.dataset.gutter), element.clientWidth]"
    )
    x = round(gutter + 0.25 * (width - gutter))
    playhead = timeline.crop((x - 3, 0, x + 4, timeline.height - 40))
    for row in range(playhead.height):
        assert contrast(playhead.crop((0, row, playhead.width, row + 1))) > 4, row
    # The bands keep the labels' colours, which are what they mean.
    colors = {color for _, color in timeline.getcolors(1 << 20) or ()}
    shown = view.page.evaluate(
        "() => [...document.querySelectorAll('.vl-chip')].slice(0, 2).map((each) =>"
        " getComputedStyle(each).backgroundColor.match(/\\d+/g).map(Number))"
    )
    for color in shown:
        assert tuple(color[:3]) in colors

    bare = show(theme=None, forced_colors="active", color_scheme=scheme)
    assert contrast(picture_of(bare.timeline).crop((200, 0, 400, 12))) > 1.4, "an empty timeline"
