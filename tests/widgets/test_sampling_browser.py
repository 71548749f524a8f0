"""`SamplingView` in real Chromium: on a page that is wired to a real one, and in JupyterLab."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_harness import RUN_TIMEOUT_MS, Lab, barriers
from playwright.sync_api import Browser, Locator, Page, Route, expect
from view_page import STATIC, THEMES, TRUST

import vidlab as vl
from vidlab.attribution import SamplingLab, sampling_lab
from vidlab.core.label_names import translated
from vidlab.widgets import SamplingView

pytestmark = pytest.mark.browser

CLIP = Path(__file__).parents[2] / "data" / "juggling_balls.mp4"
ADDRESS = "http://sampling.test/"
HTML = "<img src=x onerror='window.ran = true'>"

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>sampling</title>
<link rel="icon" href="data:,">
TRUST
<link rel="stylesheet" href="sampling.css">
<style>body { margin: 0; padding: 8px; background: var(--jp-layout-color1, Canvas); THEME }
  :root { color-scheme: SCHEME }</style></head>
<body><main id="place"></main>
<script type="module">
import start from "./sampling.js";
const bytes = (text) =>
  new DataView(Uint8Array.from(atob(text), (each) => each.charCodeAt(0)).buffer);
const state = JSON.parse(await window.state(), (_, value) =>
  value?.bytes === undefined ? value : bytes(value.bytes));
const listeners = new Map();
const heard = (name) => listeners.get(name) ?? listeners.set(name, new Set()).get(name);
const changed = new Set();
const model = {
  get: (name) => state[name],
  set(name, value) {
    if (state[name] === value) return;
    state[name] = value;
    changed.add(name);
    for (const listener of [...heard(`change:${name}`)]) listener();
  },
  save_changes() {
    window.change(Object.fromEntries([...changed].map((name) => [name, state[name]])));
    changed.clear();
  },
  on: (name, listener) => heard(name).add(listener),
  off: (name, listener) => heard(name).delete(listener),
};
window.model = model;
window.listening = () => [...listeners.values()].reduce((sum, { size }) => sum + size, 0);
window.close_view = start().render({ model, el: document.getElementById("place") });
</script></body></html>"""


@dataclass
class SamplingPage:
    """A view, as Python has it, and on a page."""

    view: SamplingView
    page: Page
    messages: list[str] = field(default_factory=list)

    @property
    def root(self) -> Locator:
        return self.page.locator(".vidlab-sampling")

    @property
    def chart(self) -> Locator:
        return self.root.get_by_role("slider", name="Probability over time")

    @property
    def words(self) -> Locator:
        return self.root.locator(".vl-sampling-words")

    @property
    def verdict(self) -> Locator:
        return self.root.locator(".vl-sampling-verdict")

    def slider(self, name: str) -> Locator:
        return self.root.get_by_role("slider", name=name, exact=True)

    def cell(self, number: int) -> Locator:
        return self.root.get_by_role("radio").nth(number)

    def top(self) -> list[tuple[str, str]]:
        """Return the whole video's labels and probabilities, as they are told."""
        names = self.root.locator(".vl-row .vl-ellipsis").all_inner_texts()
        return list(
            zip(names, self.root.locator(".vl-row .vl-number").all_inner_texts(), strict=True)
        )

    def figures(self) -> list[str]:
        """Return time, this setting's, median and range, as they are told."""
        return self.root.locator(".vl-sampling-figures .vl-number").all_inner_texts()

    def drawn(self) -> str:
        """Return the chart's picture, once it has been drawn again."""
        return str(
            self.page.evaluate(
                """() => new Promise((tell) => requestAnimationFrame(() => requestAnimationFrame(
                    () => tell(document.querySelector(".vl-sampling-chart canvas").toDataURL())
                )))"""
            )
        )

    def wait(self, holds: Callable[[], bool]) -> None:
        """Wait until Python knows what the page has told it."""
        for _ in range(500):
            if holds():
                return
            self.page.wait_for_timeout(20)
        pytest.fail("it did not come to be")


Show = Callable[..., SamplingPage]


def as_json(value: Any) -> Any:
    return {"bytes": base64.b64encode(value).decode()}


@pytest.fixture
def show(chromium: Browser) -> Iterator[Show]:
    """Put views on pages of their own; none may write an error to the console."""
    opened: list[SamplingPage] = []

    def make(
        of: SamplingLab, *, theme: str = "light", width: int = 1000, **options: Any
    ) -> SamplingPage:
        view = SamplingView(of, **options)
        page = chromium.new_page(viewport={"width": width, "height": 900}, locale="en-US")
        shown = SamplingPage(view, page)
        page.on("console", lambda m: shown.messages.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: shown.messages.append(str(error)))
        names = ("locale", "label", "_setting", "_info")
        page.expose_function(
            "state",
            lambda: json.dumps({name: getattr(view, name) for name in names}, default=as_json),
        )
        page.expose_function("change", view.set_state)
        files = {
            "": (
                "text/html",
                PAGE.replace("TRUST", TRUST)
                .replace("THEME", THEMES[theme])
                .replace("SCHEME", theme),
            ),
            "sampling.js": ("text/javascript", (STATIC / "sampling.js").read_text("utf-8")),
            "sampling.css": ("text/css", view._css),
        }

        def serve(route: Route) -> None:
            kind, body = files[route.request.url.removeprefix(ADDRESS)]
            route.fulfill(content_type=f"{kind}; charset=utf-8", body=body)

        page.route(f"{ADDRESS}**", serve)
        page.goto(ADDRESS)
        page.wait_for_selector(".vidlab-sampling")
        opened.append(shown)
        return shown

    yield make
    for shown in opened:
        shown.page.close()
        shown.view.close()
    assert [message for shown in opened for message in shown.messages] == []


@pytest.fixture(scope="module")
def juggling() -> SamplingLab:
    """The shipped model is in two minds about this clip."""
    model = vl.load_model("stickactions-a0-stream")
    lab = sampling_lab(CLIP, model, fps=(2.5, 5.0), crops=("centre", "left"), progress=False)
    assert len(lab.settings) == 8
    assert len(lab.flips)
    return lab


def prob(value: float) -> str:
    """As dense places have it; no value of the tests is near 0 or 1."""
    assert 0.001 < value < 0.999
    return f"{value:.3f}"[1:]


def number_of(lab: SamplingLab, fps: float, phase: float, crop: str) -> int:
    found = [(each.fps, each.phase, each.crop) for each in lab.settings]
    return found.index((fps, phase, crop))


def expect_setting(shown: SamplingPage, lab: SamplingLab, number: int) -> None:
    """Everything on the page tells of this setting, and with Python's numbers."""
    expect(shown.cell(number)).to_be_checked()
    shown.wait(lambda: shown.view.setting == lab.settings[number])
    told = lab.probabilities[number]
    best = np.argsort(-told)[:3]
    assert shown.top() == [(lab.labels[i], prob(told[i])) for i in best]
    label = shown.view.label
    band = lab.band(label).iloc[-1]
    this = lab.runs[number].probabilities[-1, lab.labels.id_of(label)]
    assert shown.figures()[1:] == [
        prob(this), prob(band["median"]), f"{prob(band['low'])} – {prob(band['high'])}",
    ]  # fmt: skip
    said = lab.labels[int(best[0])]
    if number == 0:
        expect(shown.verdict).to_have_text("This is the default setting.")
    elif said == lab.default_label:
        expect(shown.verdict).to_have_text("The same label as with the default setting.")
    else:
        expect(shown.verdict).to_have_text(
            f"Another label: “{said}”; with the default setting “{lab.default_label}”."
        )


# ---- choosing --------------------------------------------------------------------------------


def test_it_opens_with_the_default_setting(show: Show, juggling: SamplingLab) -> None:
    shown = show(juggling)
    expect_setting(shown, juggling, 0)
    label = juggling.default_label
    band = juggling.band().iloc[-1]
    count = int((juggling.table.query("top1")["label"] == label).sum())
    expect(shown.words).to_have_text(
        f"{count} of 8 settings say “{label}”; its probability at the end lies between "
        f"{band['low']:.2f} and {band['high']:.2f}."
    )
    expect(shown.root).to_have_accessible_name(
        "Sampling lab: torch:stickactions-a0-stream (float) on juggling_balls.mp4"
    )
    expect(
        shown.root.get_by_role("img", name="What the model sees of a frame: whole")
    ).to_have_js_property("clientHeight", 240)
    expect(shown.root.locator(".vl-sampling-image")).to_have_js_property("naturalHeight", 240)
    assert barriers(shown.page, ".vidlab-sampling") == []


def test_sliders_are_moved_by_keys(show: Show, juggling: SamplingLab) -> None:
    shown = show(juggling)
    before = shown.drawn()
    shown.slider("Crop").focus()
    shown.page.keyboard.press("ArrowRight")
    expect_setting(shown, juggling, number_of(juggling, 5.0, 0.0, "left"))
    expect(shown.slider("Crop")).to_have_attribute("aria-valuetext", "left")
    after = shown.drawn()
    assert after != before
    shown.slider("Rate").focus()
    shown.page.keyboard.press("Home")
    expect_setting(shown, juggling, number_of(juggling, 2.5, 0.0, "left"))
    expect(shown.slider("Stride")).to_have_attribute("aria-valuetext", "every 10 frames")
    assert shown.drawn() != after
    shown.slider("Phase").focus()
    shown.page.keyboard.press("End")
    expect_setting(shown, juggling, number_of(juggling, 2.5, 0.5, "left"))
    # A smaller stride is a higher rate.
    shown.slider("Stride").focus()
    shown.page.keyboard.press("ArrowLeft")
    expect_setting(shown, juggling, number_of(juggling, 5.0, 0.5, "left"))
    expect(shown.slider("Rate")).to_have_attribute("aria-valuetext", "5 fps")


def test_a_slider_is_dragged(show: Show, juggling: SamplingLab) -> None:
    shown = show(juggling)
    box = shown.slider("Crop").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    shown.page.mouse.move(box["x"] + 6, middle)
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + box["width"] - 6, middle, steps=5)
    shown.page.mouse.up()
    expect_setting(shown, juggling, number_of(juggling, 5.0, 0.0, "left"))


def test_the_crop_is_where_the_model_sees(show: Show, juggling: SamplingLab) -> None:
    shown = show(juggling)
    shown.cell(number_of(juggling, 5.0, 0.0, "left")).check(force=True)
    expect(
        shown.root.get_by_role("img", name="What the model sees of a frame: left")
    ).to_be_visible()
    whole = shown.root.locator(".vl-screen").bounding_box()
    seen = shown.root.locator(".vl-sampling-crop").bounding_box()
    assert whole is not None
    assert seen is not None
    got = (
        (seen["x"] - whole["x"]) / whole["width"],
        (seen["y"] - whole["y"]) / whole["height"],
        seen["width"] / whole["width"],
        seen["height"] / whole["height"],
    )
    assert got == pytest.approx((0.0, 0.1, 0.8, 0.8), abs=0.005)


def test_cells_are_clicked_and_walked_through(show: Show, juggling: SamplingLab) -> None:
    shown = show(juggling)
    assert shown.root.get_by_role("radio").count() == 8
    told = juggling.probabilities
    best = told.argmax(axis=1)
    for number, setting in enumerate(juggling.settings):
        name = shown.cell(number).get_attribute("aria-label") or ""
        best_label, highest = juggling.labels[int(best[number])], prob(told[number].max())
        crop = "whole" if setting.crop == "centre" else "left"
        assert name.endswith(
            f"{setting.fps:g} fps, every {setting.stride} frames, Phase {setting.phase:g}, {crop}: "
            f"{best_label} {highest}"
        )
        assert name.startswith("Default: ") == (number == 0)
    shown.root.locator(".vl-sampling-cell").nth(5).click()
    expect_setting(shown, juggling, 5)
    shown.page.keyboard.press("ArrowRight")
    expect_setting(shown, juggling, 6)


def test_another_label_has_another_band(show: Show, juggling: SamplingLab) -> None:
    shown = show(juggling)
    before = shown.drawn()
    other = juggling.flips["label"][0]
    shown.root.get_by_role("combobox", name="Label shown over time").select_option(value=other)
    shown.wait(lambda: shown.view.label == other)
    expect_setting(shown, juggling, 0)
    band = juggling.band(other).iloc[-1]
    count = int((juggling.table.query("top1")["label"] == other).sum())
    expect(shown.words).to_contain_text(f"{count} of 8 settings say “{other}”")
    expect(shown.words).to_contain_text(f"between {band['low']:.2f} and {band['high']:.2f}.")
    assert shown.drawn() != before


def test_python_chooses_too(show: Show, juggling: SamplingLab) -> None:
    shown = show(juggling)
    shown.view.setting = 3
    shown.page.evaluate("() => window.model.set('_setting', 3)")
    expect_setting(shown, juggling, 3)


# ---- over time -------------------------------------------------------------------------------


def test_the_chart_tells_the_values_at_a_time(show: Show, juggling: SamplingLab) -> None:
    shown = show(juggling)
    late = number_of(juggling, 2.5, 0.5, "left")
    shown.root.locator(".vl-sampling-cell").nth(late).click()
    band = juggling.band()
    run = juggling.runs[late]
    class_id = juggling.labels.id_of(juggling.default_label)
    box = shown.chart.bounding_box()
    assert box is not None
    first, last = juggling.span_seconds
    for share in (0.3, 0.71):
        seconds = first + share * (last - first)
        row = band[band["time_seconds"] <= seconds].iloc[-1]
        # The plot is between the axis' figures, 28 px, and 4 px at its right.
        x = box["x"] + 28 + share * (box["width"] - 32)
        shown.page.mouse.move(x, box["y"] + 60)
        this = run.probabilities[run.time_seconds <= row["time_seconds"], class_id][-1]
        wanted = [
            f"00:{row['time_seconds']:06.3f}", prob(this), prob(row["median"]),
            f"{prob(row['low'])} – {prob(row['high'])}",
        ]  # fmt: skip
        assert shown.figures() == wanted
        expect(shown.chart).to_have_attribute(
            "aria-valuetext",
            f"{wanted[0]}, this setting {wanted[1]}, median of all {wanted[2]}, "
            f"lowest to highest {wanted[3]}",
        )
    # Away from it, what holds at the end is told.
    shown.page.mouse.move(box["x"], box["y"] - 40)
    assert shown.figures()[0] == f"00:{band['time_seconds'].iloc[-1]:06.3f}"
    # Before this setting's first answer there is none.
    shown.chart.focus()
    shown.page.keyboard.press("Home")
    assert shown.figures()[:2] == ["00:00.000", "–"]
    shown.page.keyboard.press("ArrowRight")
    assert shown.figures()[0] == f"00:{band['time_seconds'].iloc[1]:06.3f}"
    shown.page.keyboard.press("End")
    assert shown.figures()[0] == f"00:{band['time_seconds'].iloc[-1]:06.3f}"


def test_the_band_is_drawn_where_it_is(show: Show, juggling: SamplingLab) -> None:
    """At the middle of each step: in the band, and a little above and below it."""
    shown = show(juggling)
    shown.drawn()
    band = juggling.band()
    first, last = juggling.span_seconds
    places, wanted = [], []
    for row, until in zip(band.itertuples(), [*band["time_seconds"][1:], last], strict=True):
        middle = ((row.time_seconds + until) / 2 - first) / (last - first)
        # 5 px beyond an edge is outside, unless one of the axis' lines is there.
        for value in (row.low - 5 / 148, (row.low + row.high) / 2, row.high + 5 / 148):
            if all(abs(value - line) * 148 > 3 for line in (0, 0.5, 1)):
                places.append([middle, value])
                wanted.append(row.low < value < row.high)
    assert min(wanted.count(True), wanted.count(False)) > 10
    painted = shown.page.evaluate(
        """(places) => {
            const canvas = document.querySelector(".vl-sampling-chart canvas");
            const context = canvas.getContext("2d");
            return places.map(([share, value]) => {
                const x = 28 + share * (canvas.clientWidth - 32);
                return context.getImageData(x, 6 + (1 - value) * 148, 1, 1).data[3] > 60;
            });
        }""",
        places,
    )
    assert painted == wanted


# ---- hosts and people ------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_korean_narrow_and_without_barriers(show: Show, juggling: SamplingLab, theme: str) -> None:
    shown = show(juggling, theme=theme, width=360, locale="ko", labels="ko")
    label = translated(juggling.default_label, "ko")
    assert label != juggling.default_label
    expect(shown.words).to_contain_text(f"답이 “{label}”입니다.")
    assert label in [name for name, _ in shown.top()]
    shown.root.locator(".vl-sampling-cell").nth(2).click()
    expect(shown.root.get_by_role("slider", name="간격", exact=True)).to_be_visible()
    assert shown.view.label == juggling.default_label
    assert barriers(shown.page, ".vidlab-sampling") == []
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_another_language_is_chosen_while_it_is_shown(show: Show, juggling: SamplingLab) -> None:
    shown = show(juggling)
    shown.cell(4).check(force=True)
    listening = shown.page.evaluate("() => window.listening()")
    shown.page.evaluate("() => window.model.set('locale', 'ko')")
    expect(shown.root).to_have_count(1)
    expect(shown.root.get_by_role("slider", name="자르기", exact=True)).to_be_visible()
    expect(shown.cell(4)).to_be_checked()
    assert shown.page.evaluate("() => window.listening()") == listening
    shown.page.evaluate("() => window.close_view()")
    expect(shown.root).to_have_count(0)
    assert shown.page.evaluate("() => window.listening()") == 0


def test_a_label_with_html_runs_nothing(show: Show, juggling: SamplingLab) -> None:
    names = [HTML if name == juggling.default_label else name for name in juggling.labels]
    hostile = replace(
        juggling, labels=vl.LabelMap(names), video=f"{HTML}.mp4", title=f"torch:{HTML}"
    )
    shown = show(hostile)
    expect(shown.words).to_contain_text(f"“{HTML}”")
    for number in range(8):
        shown.cell(number).check(force=True)
        shown.chart.hover()
    assert shown.root.locator("img[src='x']").count() == 0
    assert shown.page.evaluate("() => window.ran") is None


def test_where_there_is_nothing_to_choose_it_is_told(show: Show, juggling: SamplingLab) -> None:
    alone = replace(juggling, settings=juggling.settings[:1], runs=juggling.runs[:1])
    shown = show(alone)
    assert shown.root.get_by_role("slider").count() == 1  # the chart
    choices = shown.root.get_by_role("group", name="How frames are taken")
    expect(choices).to_contain_text("5 fps")
    expect(choices).to_contain_text("every 5 frames")
    last = juggling.runs[0].probabilities[-1].max()
    expect(shown.words).to_have_text(
        f"1 of 1 setting says “{juggling.default_label}”; its probability at the end is {last:.2f}."
    )
    assert barriers(shown.page, ".vidlab-sampling") == []


def test_it_answers_without_a_kernel(show: Show, juggling: SamplingLab) -> None:
    shown = show(juggling)
    # As models do that nobody listens to: nothing is sent.
    shown.page.evaluate("() => { window.model.save_changes = () => {}; }")
    shown.root.locator(".vl-sampling-cell").nth(6).click()
    expect(shown.cell(6)).to_be_checked()
    told = juggling.probabilities[6]
    assert shown.top()[0] == (juggling.labels[int(told.argmax())], prob(told.max()))
    assert shown.view.setting == juggling.settings[0]


def test_in_jupyterlab_and_after_a_reload(lab: Lab) -> None:
    code = f"""import vidlab as vl
from vidlab.attribution import sampling_lab
model = vl.load_model("stickactions-a0-stream")
options = {{"strides": (5, 10), "crops": ("centre", "left"), "progress": False}}
tried = sampling_lab({str(CLIP)!r}, model, **options)
view = vl.SamplingView(tried)
view"""
    notebook = lab.open(lab.write_notebook("sampling.ipynb", [code]))
    notebook.run_all()
    root = notebook.page.locator(".vidlab-sampling")
    expect(root).to_have_count(1)
    root.scroll_into_view_if_needed()
    root.get_by_role("slider", name="Crop", exact=True).focus()
    notebook.page.keyboard.press("ArrowRight")
    # No key did what the notebook's command mode does with it.
    assert notebook.page.locator(".jp-Notebook .jp-Cell").count() == 1
    told = "[view.setting.crop, view.setting.stride, len(tried.settings)]"
    for _ in range(500):
        if notebook.evaluate_in_kernel(told) == ["left", 5, 8]:
            break
        notebook.page.wait_for_timeout(20)
    assert notebook.evaluate_in_kernel(told) == ["left", 5, 8]
    notebook.execute_in_kernel("view.setting = 5; view.label = tried.flips['label'][0]")
    words = root.locator(".vl-sampling-words")
    label = notebook.evaluate_in_kernel("view.label")
    expect(root.get_by_role("radio").nth(5)).to_be_checked()
    expect(words).to_contain_text(f"“{label}”")
    said = words.inner_text()
    notebook.save()
    notebook.page.reload()
    expect(words).to_have_text(said, timeout=RUN_TIMEOUT_MS)
    expect(root.get_by_role("radio").nth(5)).to_be_checked()
    notebook.close()
