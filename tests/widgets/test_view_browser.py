"""The player's view in real Chromium, with real clicks and keys, and a kernel that is a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from browser_harness import barriers
from playwright.sync_api import expect
from view_page import ROOT, Show, ViewPage

import vidlab as vl

pytestmark = pytest.mark.browser

EVERY = 5


@pytest.fixture(scope="module")
def video() -> vl.Video:
    return vl.Video(ROOT / "data" / "jumping_jacks.mp4")


@pytest.fixture
def told(video: vl.Video, predict_ids: Callable[..., vl.Predictions]) -> vl.Predictions:
    """One model: action 0 in the first half, action 1 in the second."""
    num_rows = video.num_frames // EVERY
    return predict_ids(video, [row * 2 // num_rows for row in range(num_rows)])


@pytest.fixture
def compared(video: vl.Video, predict_ids: Callable[..., vl.Predictions]) -> vl.Comparison:
    """Three models, of which the last says something else in three places."""
    num_rows = video.num_frames // EVERY
    same = [row * 4 // num_rows for row in range(num_rows)]
    other = [5 if row in (4, 5, 20, 40) else label for row, label in enumerate(same)]
    return vl.Comparison(
        [
            predict_ids(video, same),
            predict_ids(video, same, backend="tfhub"),
            predict_ids(video, other, backend="litert"),
        ],
        video=video,
    )


def at_frame(view: ViewPage, frame: int) -> None:
    expect(view.root).to_have_attribute("data-frame", str(frame))


def x_of(view: ViewPage, share: float) -> float:
    """Return where a share of the visible time lies on the timeline, px."""
    gutter, width = view.timeline.evaluate(
        "(element) => [element.dataset.gutter, element.clientWidth].map(Number)"
    )
    return gutter + share * (width - gutter)


def drag(view: ViewPage, start: tuple[float, float], stop: tuple[float, float]) -> None:
    box = view.timeline.bounding_box()
    assert box is not None
    mouse = view.page.mouse
    mouse.move(box["x"] + start[0], box["y"] + start[1])
    mouse.down()
    mouse.move(box["x"] + (start[0] + stop[0]) / 2, box["y"] + (start[1] + stop[1]) / 2)
    mouse.move(box["x"] + stop[0], box["y"] + stop[1])
    mouse.up()


def visible_share(view: ViewPage) -> float:
    return float(view.timeline.get_attribute("data-shown") or 0)


def test_buttons_and_keys_go_from_frame_to_frame(
    show: Show, told: vl.Predictions, video: vl.Video
) -> None:
    view = show([told])
    last = video.num_frames - 1
    for name, frame in (
        ("Next frame (.)", 1), ("Next frame (.)", 2), ("Previous frame (,)", 1),
        ("Last frame (End)", last), ("First frame (Home)", 0),
    ):  # fmt: skip
        view.root.get_by_role("button", name=name, exact=True).click()
        at_frame(view, frame)
    view.timeline.focus()
    for key, frame in ((".", 1), ("End", last), ("Home", 0)):
        view.press(key)
        at_frame(view, frame)
    view.press("ArrowRight")
    at_frame(view, video.index_at_time(video.start_seconds + 1))
    view.press("ArrowLeft")
    at_frame(view, 0)
    field = view.root.get_by_label("Go to frame")
    for typed, frame in (("37", 37), ("0:02", video.index_at_time(2)), ("1.5s", 45)):
        field.fill(typed)
        view.press("Enter")
        at_frame(view, frame)
    expect(view.timeline).to_be_focused()
    field.fill("nowhere")
    view.press("Enter")
    expect(view.root.locator(".vl-badge")).to_contain_text("neither a frame number nor a time")
    at_frame(view, 45)
    expect(field).to_have_value("45")


def test_space_plays_and_the_button_says_what_it_does(show: Show, told: vl.Predictions) -> None:
    view = show([told])
    view.timeline.focus()
    view.press(" ")
    expect(view.root.get_by_role("button", name="Pause (space)")).to_be_visible()
    assert view.get("playing") is True
    expect(view.root).to_have_attribute("data-frame", re.compile(r"^[1-9]\d+$"))
    view.root.get_by_role("button", name="Pause (space)").click()
    expect(view.root.get_by_role("button", name="Play (space)")).to_be_visible()
    assert view.get("playing") is False
    view.root.get_by_label("Speed").select_option("0.5")
    assert view.get("speed") == 0.5
    view.timeline.focus()
    view.press("l")
    assert view.get("loop") is True
    loop = view.root.get_by_role("button", name="again and again")
    expect(loop).to_have_attribute("aria-pressed", "true")
    loop.click()
    assert view.get("loop") is False


def test_the_timeline_seeks_selects_and_gives_a_threshold(
    show: Show, told: vl.Predictions, video: vl.Video
) -> None:
    view = show([told], state={"threshold": 0.5})
    count = video.num_frames
    view.timeline.click(position={"x": x_of(view, 0.5), "y": 88})
    expect(view.root).to_have_attribute(
        "data-frame", re.compile(f"^({count // 2 - 1}|{count // 2}|{count // 2 + 1})$")
    )
    view.page.keyboard.down("Shift")
    drag(view, (x_of(view, 0.25), 88), (x_of(view, 0.5), 88))
    view.page.keyboard.up("Shift")
    start, stop = view.get("selection")
    assert start == pytest.approx(count / 4, abs=2)
    assert stop == pytest.approx(count / 2, abs=2)
    expect(view.root.locator(".vl-selected")).to_contain_text(f"{stop - start} frames selected")
    drag(view, (x_of(view, stop / count), 88), (x_of(view, 0.75), 88))
    assert view.get("selection")[0] == start
    assert view.get("selection")[1] == pytest.approx(0.75 * count, abs=2)
    drag(view, (x_of(view, start / count), 88), (x_of(view, 0.1), 88))
    assert view.get("selection")[0] == pytest.approx(0.1 * count, abs=2)
    view.root.get_by_role("button", name="Clear the selection").click()
    assert view.get("selection") is None
    view.timeline.focus()
    view.press("Home", "[", ".", ".", "]")
    view.wait_get("selection", [0, 3])
    view.press("Escape")
    assert view.get("selection") is None

    line = float(view.timeline.get_attribute("data-threshold-y") or 0)
    drag(view, (x_of(view, 0.6), line), (x_of(view, 0.6), line - 12))
    assert 0.6 < view.get("threshold") < 0.8


def test_the_wheel_zooms_and_the_page_scrolls_at_the_limit(
    show: Show, told: vl.Predictions
) -> None:
    view = show([told])
    page = view.page
    view.timeline.hover(position={"x": x_of(view, 0.5), "y": 20})
    assert visible_share(view) == 1
    page.mouse.wheel(0, -400)
    expect(view.timeline).not_to_have_attribute("data-shown", "1")
    zoomed = visible_share(view)
    assert page.evaluate("scrollY") == 0
    left = view.timeline.get_attribute("data-from")
    page.mouse.wheel(80, 0)
    expect(view.timeline).not_to_have_attribute("data-from", str(left))
    assert visible_share(view) == pytest.approx(zoomed)
    for _ in range(4):
        page.mouse.wheel(0, 400)
    expect(view.timeline).to_have_attribute("data-shown", "1")
    page.mouse.wheel(0, 300)
    page.wait_for_function("scrollY > 0")

    view.timeline.focus()
    view.press("+", "+")
    expect(view.timeline).to_have_attribute("data-shown", "0.25")
    view.press("-")
    expect(view.timeline).to_have_attribute("data-shown", "0.5")
    view.press("End")
    expect(view.timeline).to_have_attribute("data-from", "0.5")
    height = view.timeline.evaluate("(element) => element.clientHeight")
    drag(view, (x_of(view, 0.75), height - 5), (x_of(view, 0.25), height - 5))
    expect(view.timeline).to_have_attribute("data-from", "0")
    view.press("0")
    expect(view.timeline).to_have_attribute("data-shown", "1")


def test_what_is_right_and_what_is_under_the_threshold_is_marked(
    show: Show, told: vl.Predictions, video: vl.Video
) -> None:
    half = video.start_seconds + 4
    view = show([told], truth=[(video.start_seconds, half, "action 0"), (half, 7, "action 2")])
    rows = view.root.locator(".vl-row")
    expect(view.root.locator(".vl-truth")).to_contain_text("action 0")
    expect(rows.first.get_by_role("img", name="right")).to_have_text("✓")
    expect(view.root.locator(".vl-share")).to_have_text(re.compile(r"✓ \d+ %"))
    expect(view.root.locator(".vl-under")).to_have_count(0)
    view.timeline.focus()
    view.set("frame_index", 180)
    expect(view.root.locator(".vl-truth")).to_contain_text("action 2")
    expect(rows.first).to_contain_text("action 1")
    expect(rows.first.get_by_role("img", name="wrong")).to_have_text("✗")
    view.set("frame_index", 230)
    expect(view.root.locator(".vl-truth")).to_contain_text("not labelled here")
    expect(view.root.locator(".vl-mark:visible")).to_have_count(0)
    view.set("threshold", 0.5)
    expect(view.root.locator(".vl-under")).to_have_count(4)
    expect(rows.first).not_to_have_class(re.compile("vl-under"))
    view.timeline.hover(position={"x": x_of(view, 0.1), "y": 20})
    tip = view.root.locator(".vl-tip")
    expect(tip).to_contain_text("action 0")
    expect(tip).to_contain_text("✓")
    view.page.mouse.move(0, 0)
    expect(tip).to_be_hidden()


@pytest.mark.parametrize("hop", [1, 20])
def test_the_frames_that_an_answer_was_given_for_are_framed(
    show: Show, video: vl.Video, predict_ids: Callable[..., vl.Predictions], hop: int
) -> None:
    starts = range(0, 100, hop)
    ends = [start + 19 for start in starts]
    told = predict_ids(video, [0] * (ends[-1] + 1), every=1)
    told = vl.Predictions(
        video=told.video, model="m", backend="onnx", title="onnx:m", labels=told.labels,
        frame_index=told.frame_index[ends], time_seconds=told.time_seconds[ends],
        logits=told.logits[ends], clip_start=np.array(starts),
    )  # fmt: skip
    view = show([told])
    view.timeline.hover(
        position={
            "x": x_of(
                view,
                (video.pts_seconds[50] - video.start_seconds)
                / (video.end_seconds - video.start_seconds),
            ),
            "y": 60,
        }
    )
    tip = view.root.locator(".vl-tip")
    expect(tip).to_contain_text("seen: frames")
    words = re.search(r"frame (\d+)\D.*seen: frames (\d+) to (\d+)", tip.inner_text(), re.S)
    assert words is not None
    frame, *seen = map(int, words.groups())
    row = int(np.searchsorted(ends, frame, side="right")) - 1
    assert seen == [starts[row], ends[row]]

    def framed(frame: int) -> list[int]:
        """Where the frame's upper line is, in the answer's row, px."""
        view.set("frame_index", frame)
        at_frame(view, frame)
        line = view.timeline.locator("canvas").last.evaluate("""(canvas) => {
            const scale = devicePixelRatio;
            const context = canvas.getContext("2d");
            const found = [];
            for (let x = 0; x < canvas.width; x++) {
                const column = context.getImageData(x, 0, 1, canvas.height).data;
                let most = 0;
                for (let y = 0; y < canvas.height; y++) most += column[4 * y + 3] > 200;
                if (most >= 4) found.push(x / scale);
            }
            return [Math.min(...found), Math.max(...found)];
        }""")
        return [round(each) for each in line]

    left, right = framed(45)
    assert right - left > 30
    assert framed(46)[0] - left == pytest.approx(0 if hop == 20 else (right - left) / 20, abs=3)


def test_a_misspelt_truth_is_marked_and_counts_for_nothing(
    show: Show, told: vl.Predictions, video: vl.Video
) -> None:
    half = video.start_seconds + 4
    view = show([told], truth=[(video.start_seconds, half, "action 0"), (half, 8, "akcion 1")])
    expect(view.root.locator(".vl-truth")).to_contain_text("action 0")
    expect(view.root.locator(".vl-share")).to_have_text("✓ 100 %")
    view.set("frame_index", 180)
    expect(view.root.locator(".vl-truth")).to_contain_text("? akcion 1 (no model has this label)")
    expect(view.root.locator(".vl-mark:visible")).to_have_count(0)
    view.timeline.hover(position={"x": x_of(view, 0.75), "y": 20})
    expect(view.root.locator(".vl-tip")).to_contain_text("? akcion 1")
    expect(view.root.locator(".vl-tip")).not_to_contain_text("✗")


def test_the_menu_sets_things_by_keyboard(
    show: Show, told: vl.Predictions, video: vl.Video
) -> None:
    boxes = pd.DataFrame(
        {"frame_index": [0], "x_px": [40], "y_px": [40], "width_px": [80], "height_px": [80]}
    )
    view = show([told], boxes=boxes)
    opener = view.root.get_by_role("button", name="Settings")
    opener.focus()
    view.press("Enter")
    menu = view.root.get_by_role("group", name="Settings")
    expect(menu).to_be_visible()
    expect(opener).to_have_attribute("aria-expanded", "true")
    menu.get_by_label("Boxes").focus()
    view.press(" ")
    assert view.get("overlay") == ["boxes"]
    expect(menu.get_by_label("Keypoints")).to_have_count(0)
    menu.get_by_label("Use a threshold").focus()
    view.press(" ")
    assert view.get("threshold") == 0.5
    menu.get_by_role("slider", name="Threshold").focus()
    view.press("ArrowRight", "ArrowRight")
    assert view.get("threshold") == pytest.approx(0.52)
    at_frame(view, 0)
    view.press("Escape")
    expect(menu).to_be_hidden()
    expect(opener).to_be_focused()
    view.press("?")
    expect(view.root.locator(".vl-help")).to_be_visible()
    view.press("Escape")
    expect(view.root.locator(".vl-help")).to_be_hidden()


def test_boxes_and_keypoints_lie_where_they_belong_and_are_sharp(
    show: Show, told: vl.Predictions, video: vl.Video
) -> None:
    boxes = pd.DataFrame(
        {
            "frame_index": [10], "x_px": [video.width / 2], "y_px": [video.height / 2],
            "width_px": [60], "height_px": [40], "label": ["person"],
        }
    )  # fmt: skip
    points = pd.DataFrame(
        {
            "frame_index": [10, 10], "person": [0, 0], "keypoint": ["nose", "tail"],
            "x_px": [20.0, 60.0], "y_px": [30.0, 30.0],
        }
    )  # fmt: skip
    view = show(
        [told], boxes=boxes, keypoints=points, skeleton=[("nose", "tail")],
        state={"overlay": ["boxes", "keypoints"]}, device_scale_factor=2,
    )  # fmt: skip
    canvas = view.root.locator(".vl-overlay")
    sizes = canvas.evaluate("(each) => [each.width, each.clientWidth * 2]")
    assert sizes[0] == sizes[1], "one canvas pixel is one pixel of the screen"
    alpha = """(canvas, [x, y]) => {
        const zoom = canvas.width / WIDTH;
        return canvas.getContext("2d").getImageData(x * zoom, y * zoom, 1, 1).data[3];
    }""".replace("WIDTH", str(video.width))
    edge = [video.width / 2 + 30, video.height / 2 + 40]
    inside = [video.width / 2 + 30, video.height / 2 + 20]
    bone = [40, 30]
    assert canvas.evaluate(alpha, edge) == 0, "nothing before its frame"
    view.set("frame_index", 10)
    at_frame(view, 10)
    assert canvas.evaluate(alpha, edge) == 255
    assert canvas.evaluate(alpha, bone) == 255
    assert canvas.evaluate(alpha, inside) == 0
    view.set("overlay", ["boxes"])
    assert canvas.evaluate(alpha, bone) == 0
    view.set("overlay", ["caption"])
    corner = "(canvas) => [...canvas.getContext('2d').getImageData(4, 4, 1, 1).data]"
    assert canvas.evaluate(corner) == [0, 0, 0, 255]
    view.set("overlay", ["label", "bars"])
    height = canvas.evaluate("(canvas) => canvas.clientHeight")
    assert canvas.evaluate(alpha, edge) == 0
    assert canvas.evaluate(
        "(canvas, y) => canvas.getContext('2d').getImageData(30, y, 1, 1).data[3]",
        2 * (height - 20),
    )


def test_disagreements_are_found_by_key_and_button(show: Show, compared: vl.Comparison) -> None:
    view = show(list(compared.predictions), comparison=compared)
    text = view.root.locator(".vl-find-text")
    expect(text).to_have_text("3 disagreements")
    view.timeline.focus()
    view.press("n")
    at_frame(view, 20)
    expect(text).to_have_text("disagreement 1 of 3")
    view.root.get_by_role("button", name="Next disagreement").click()
    at_frame(view, 100)
    view.press("p")
    at_frame(view, 20)
    expect(view.root.get_by_role("button", name="Previous disagreement")).to_have_attribute(
        "aria-disabled", "true"
    )


@pytest.mark.parametrize("width", [380, 800, 1280])
@pytest.mark.parametrize("locale", ["en", "ko"])
def test_nothing_moves_overlaps_or_sticks_out(
    width: int, locale: str, show: Show, compared: vl.Comparison
) -> None:
    view = show(
        list(compared.predictions), comparison=compared, truth="action 1", width=width,
        state={"locale": locale},
    )  # fmt: skip
    box = view.root.bounding_box()
    assert box is not None
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width
    for part in (".vl-picture", ".vl-controls", ".vl-lines", ".vl-panel", ".vl-foot", ".vl-end"):
        inner = view.root.locator(part).bounding_box()
        assert inner is not None
        assert inner["x"] >= box["x"] - 0.5, part
        assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 0.5, part
    places = """(root) => [...root.querySelectorAll(
        '.vl-picture, .vl-controls, .vl-lines, .vl-panel, .vl-foot, .vl-end, .vl-row')]
        .map((each) => { const b = each.getBoundingClientRect(); return [b.x, b.y, b.height]; })"""
    before = view.root.evaluate(places)
    for frame in (20, 60, 150):
        view.set("frame_index", frame)
        at_frame(view, frame)
        assert view.root.evaluate(places) == before
    picture, panel = (
        view.root.locator(each).bounding_box() for each in (".vl-screen", ".vl-panel")
    )
    assert picture is not None
    assert panel is not None
    is_beside = panel["x"] >= picture["x"] + picture["width"]
    assert is_beside == (width >= 480)


def test_korean_is_chosen_by_trait_then_page_then_browser(show: Show, told: vl.Predictions) -> None:
    view = show([told], state={"locale": "ko"})
    expect(view.root.get_by_role("button", name="재생 (스페이스)")).to_be_visible()
    expect(view.root.get_by_role("slider", name="타임라인")).to_be_visible()
    view.timeline.focus()
    view.press("?")
    expect(view.root.locator(".vl-help")).to_contain_text("전체 화면")
    assert re.search("[A-Za-z]{4,}", view.root.locator(".vl-selected").inner_text()) is not None
    view.set("locale", "en")
    expect(view.root.get_by_role("button", name="Play (space)")).to_be_visible()
    korean = show([told], locale="ko-KR")
    expect(korean.root.get_by_role("button", name="재생 (스페이스)")).to_be_visible()
    english = show([told], locale="fr-FR")
    expect(english.root.get_by_role("button", name="Play (space)")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en", "ko"])
def test_axe_finds_nothing_serious(
    theme: str, locale: str, show: Show, compared: vl.Comparison
) -> None:
    view = show(
        list(compared.predictions), comparison=compared, truth="action 1", theme=theme,
        state={"locale": locale, "threshold": 0.6, "overlay": ["label"]},
    )  # fmt: skip
    for opener in (None, ".vl-end button:nth-child(2)", ".vl-end button:nth-child(3)"):
        if opener:
            view.root.locator(opener).click()
        assert barriers(view.page, ".vidlab-player") == []


def test_screen_readers_hear_where_we_are(show: Show, told: vl.Predictions) -> None:
    view = show([told])
    view.timeline.focus()
    view.press(".", ".")
    expect(view.timeline).to_have_attribute("aria-valuenow", "2")
    expect(view.timeline).to_have_attribute("aria-valuetext", re.compile("frame 2, .*action 0"))
    expect(view.root.locator("[aria-live=polite]")).to_have_text(
        re.compile(r"frame 2, 00:00\.\d{3}, action 0 \.\d{3}")
    )


def test_waits_and_errors_are_sentences(show: Show, told: vl.Predictions) -> None:
    failed = {"error": {"type": "VideoError", "message": "There is no file at x."}, "buffers": []}
    view = show([told], answers={"open": failed, "predictions": failed}, is_ready=False)
    status = view.root.get_by_role("status")
    expect(status).to_contain_text("There is no file at x.")
    expect(status.get_by_role("button", name="Try again")).to_be_visible()
    expect(view.root.get_by_role("alert")).to_contain_text("The predictions cannot be shown: There")
    asked = view.page.evaluate("window.model.asked.filter((op) => op === 'open').length")
    status.get_by_role("button", name="Try again").click()
    view.page.wait_for_function(
        "(before) => window.model.asked.filter((op) => op === 'open').length > before", arg=asked
    )


def test_a_player_without_predictions_says_how_to_get_some(show: Show) -> None:
    view = show()
    expect(view.root.locator(".vl-hint")).to_contain_text("vl.predict(video")
    view.timeline.focus()
    view.press(".", "n")
    at_frame(view, 1)


def test_full_screen_and_back(show: Show, told: vl.Predictions) -> None:
    view = show([told])
    view.timeline.focus()
    view.press("f")
    expect(view.root.get_by_role("button", name="Leave full screen (f)")).to_be_visible()
    picture = view.root.locator(".vl-screen").bounding_box()
    controls = view.root.locator(".vl-controls").bounding_box()
    assert picture is not None
    assert controls is not None
    assert controls["y"] >= picture["y"] + picture["height"], "nothing covers the picture"
    foot = view.root.locator(".vl-foot").bounding_box()
    assert foot is not None
    assert foot["y"] + foot["height"] <= 900
    view.press("f")
    expect(view.root.get_by_role("button", name="Full screen (f)", exact=True)).to_be_visible()


def test_the_kept_output_hides_while_the_player_lives(
    show: Show, told: vl.Predictions, video: vl.Video
) -> None:
    info = {
        "name": video.name, "width": video.width, "height": video.height, "has_audio": False,
        "top_k": 5, "models": [told.title], "overlays": ["label"], "model_id": 'a"b',
    }  # fmt: skip
    view = show([told], state={"_info": info})
    view.page.evaluate(
        """() => {
            for (const id of ['a"b', "other"]) {
                const kept = document.createElement("div");
                kept.dataset.vidlabKept = id;
                kept.textContent = `kept ${id}`;
                document.body.prepend(kept);
            }
        }"""
    )
    expect(view.page.get_by_text('kept a"b')).to_be_hidden()
    expect(view.page.get_by_text("kept other")).to_be_visible()
    view.page.evaluate("window.close_player()")
    expect(view.page.locator(".vidlab-player")).to_have_count(0)
    expect(view.page.get_by_text('kept a"b')).to_be_visible()


COUNT_CALLS = """
() => {
    window.calls = 0;
    for (const type of [CanvasRenderingContext2D, Path2D]) {
        for (const name of ["fillRect", "lineTo", "fillText", "fill", "stroke", "measureText"]) {
            const original = type.prototype[name];
            if (!original) continue;
            type.prototype[name] = function (...args) {
                window.calls += 1;
                return original.apply(this, args);
            };
        }
    }
}
"""


def many(video: vl.Video, num_models: int) -> Sequence[vl.Predictions]:
    """Return 10,000 rows a model; several rows share a frame's time slot, as a table may."""
    rows = 10_000
    made = []
    for model in range(num_models):
        chance = np.random.default_rng(model)
        logits = chance.normal(0, 2, (rows, 8)).astype(np.float32)
        made.append(
            vl.Predictions(
                video=video.name, model="m", backend=f"b{model}", title=f"b{model}:m",
                labels=vl.LabelMap([f"action {n}" for n in range(8)]),
                frame_index=np.arange(rows),
                time_seconds=video.start_seconds + np.arange(rows) * (8 / rows), logits=logits,
            )
        )  # fmt: skip
    return made


@pytest.mark.parametrize("num_models", [1, 3])
def test_ten_thousand_rows_cost_no_more_than_the_pixels(
    num_models: int, show: Show, video: vl.Video
) -> None:
    predictions = many(video, num_models)
    comparison = vl.Comparison(predictions) if num_models > 1 else None
    view = show(predictions, comparison=comparison, state={"threshold": 0.4})
    view.page.evaluate(COUNT_CALLS)
    painted = (
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    width = view.timeline.evaluate("(element) => element.clientWidth")
    view.timeline.focus()
    for keys in (["+", "-"], ["+", "+", "+"], ["0"]):
        view.page.evaluate("window.calls = 0")
        view.press(*keys)
        view.page.evaluate(painted)
        # Per key and model: bands, curves with their spans, marks, each bounded by the columns.
        assert 0 < view.page.evaluate("window.calls") < len(keys) * 20 * width * (1 + num_models)
    view.page.evaluate("window.calls = 0")
    view.press(".")
    at_frame(view, 1)
    view.page.evaluate(painted)
    assert view.page.evaluate("window.calls") < 200, "a step draws the playhead, not the rows"
