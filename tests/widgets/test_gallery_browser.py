"""`Gallery` in real Chromium: on a page that is wired to a real one, and once in JupyterLab."""

from __future__ import annotations

import base64
import queue
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser_harness import Lab, barriers
from playwright.sync_api import Browser, Locator, Page, Route, expect
from view_page import STATIC, THEMES, TRUST

from vidlab.widgets import Gallery

pytestmark = pytest.mark.browser

DATA = Path(__file__).parents[2] / "data"
ADDRESS = "http://gallery.test/"
PICTURES_TIMEOUT_MS = 30_000

# The page asks for what Python has to say: Playwright is of one thread, the gallery of several.
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>gallery</title>
<link rel="icon" href="data:,">
TRUST
<link rel="stylesheet" href="gallery.css">
<style>body { margin: 0; padding: 8px; background: var(--jp-layout-color1, Canvas); THEME }
  :root { color-scheme: SCHEME }</style></head>
<body><main id="place"></main>
<script type="module">
import start from "./gallery.js";
const state = await window.state();
const listeners = new Map();
const heard = (name) => listeners.get(name) ?? listeners.set(name, new Set()).get(name);
const changed = new Set();
const model = {
  asked: [],
  get: (name) => state[name],
  set(name, value) {
    if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
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
  send(request) { this.asked.push(request); window.tell(request); },
};
window.model = model;
const bytes = (text) =>
  new DataView(Uint8Array.from(atob(text), (each) => each.charCodeAt(0)).buffer);
setInterval(async () => {
  for (const [content, buffers] of await window.hear())
    for (const listener of [...heard("msg:custom")]) listener(content, buffers.map(bytes));
}, 30);
window.close_gallery = start().render({ model, el: document.getElementById("place") });
</script></body></html>"""


@dataclass
class GalleryPage:
    """A gallery, as Python has it, and on a page."""

    gallery: Gallery
    page: Page
    messages: list[str] = field(default_factory=list)

    @property
    def root(self) -> Locator:
        return self.page.locator(".vidlab-gallery")

    @property
    def scroller(self) -> Locator:
        return self.root.get_by_role("listbox")

    @property
    def cards(self) -> Locator:
        return self.root.locator(".vl-card")

    @property
    def count(self) -> Locator:
        return self.root.locator(".vl-gallery-count")

    def card(self, row: int) -> Locator:
        return self.root.locator(f"[data-row='{row}']")

    def order(self) -> list[int]:
        """Return the rows of the cards there are, in their order on the page."""
        return [
            int(row)
            for row in self.cards.evaluate_all("(all) => all.map((each) => each.dataset.row)")
        ]

    def state(self, name: str) -> Any:
        """Return a trait as the page has it."""
        return self.page.evaluate("(name) => window.model.get(name)", name)

    def wait(self, holds: Callable[[], bool]) -> None:
        """Wait until Python knows what the page has told it."""
        for _ in range(1000):
            if holds():
                return
            self.page.wait_for_timeout(20)
        pytest.fail("it did not come to be")

    def choose(self, what: str, option: str) -> None:
        self.root.get_by_role("combobox", name=what, exact=True).select_option(label=option)

    def asked(self, op: str) -> list[int]:
        """Return the rows that the page has asked something for."""
        requests = self.page.evaluate("() => window.model.asked")
        return [each["row"] for each in requests if each["op"] == op]

    def wait_pictures(self) -> None:
        """Wait until each card in sight has a picture, or says why not."""
        self.page.wait_for_function(
            """() => {
                const box = document.querySelector(".vl-gallery-cards").getBoundingClientRect();
                return [...document.querySelectorAll(".vl-card")].filter((card) => {
                    const { top, bottom } = card.getBoundingClientRect();
                    return bottom > box.top && top < box.bottom;
                }).every((card) => {
                    const picture = card.querySelector("img");
                    return picture.naturalWidth > 0 || !card.querySelector(
                        ".vl-card-reason").hidden;
                });
            }""",
            timeout=PICTURES_TIMEOUT_MS,
        )


Show = Callable[..., GalleryPage]


@pytest.fixture
def show(chromium: Browser) -> Iterator[Show]:
    """Put galleries on pages of their own; none may write an error to the console."""
    opened: list[GalleryPage] = []

    def make(
        table: Any,
        *,
        theme: str = "light",
        width: int = 1000,
        height: int = 760,
        has_touch: bool = False,
        **options: Any,
    ) -> GalleryPage:
        gallery = Gallery(table, folder=DATA, **options)
        said: queue.SimpleQueue[tuple[Any, list[str]]] = queue.SimpleQueue()

        def send(content: Any, buffers: list[bytes] | None = None) -> None:
            said.put((content, [base64.b64encode(each).decode() for each in buffers or []]))

        def hear() -> list[Any]:
            return [said.get() for _ in range(said.qsize())]

        gallery.send = send
        page = chromium.new_page(
            viewport={"width": width, "height": height}, has_touch=has_touch, locale="en-US"
        )
        view = GalleryPage(gallery, page)
        page.on("console", lambda m: view.messages.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: view.messages.append(str(error)))
        names = ("locale", "_info", "_selected", "_shown", "_query")
        page.expose_function("state", lambda: {name: getattr(gallery, name) for name in names})
        page.expose_function("change", gallery.set_state)
        page.expose_function("tell", lambda content: gallery._handle_custom_msg(content, []))
        page.expose_function("hear", hear)
        html = PAGE.replace("TRUST", TRUST).replace("THEME", THEMES[theme]).replace("SCHEME", theme)
        files = {
            "": ("text/html", html),
            "gallery.js": ("text/javascript", (STATIC / "gallery.js").read_text("utf-8")),
            "gallery.css": ("text/css", gallery._css),
        }

        def serve(route: Route) -> None:
            kind, body = files[route.request.url.removeprefix(ADDRESS)]
            route.fulfill(content_type=f"{kind}; charset=utf-8", body=body)

        page.route(f"{ADDRESS}**", serve)
        page.goto(ADDRESS)
        page.wait_for_selector(".vidlab-gallery")
        opened.append(view)
        return view

    yield make
    for view in opened:
        view.page.close()
        view.gallery.close()
    assert [message for view in opened for message in view.messages] == []


LABELS = ("jumping jacks", "juggling balls", "squat", "standing up", "waving hand")


def a_table(num_rows: int = 40) -> pd.DataFrame:
    """Return answers of two models about the sample videos: the first is wrong in every third."""
    rows = []
    for number in range(num_rows):
        label = LABELS[number % len(LABELS)]
        other = LABELS[(number + 1) % len(LABELS)]
        rows.append(
            {
                "video": f"{label.replace(' ', '_')}.mp4",
                "start_seconds": 0.25 * (number % 4),
                "end_seconds": 0.25 * (number % 4) + 1.5,
                "label": label,
                "jsd_nats": (number * 7 % num_rows) / num_rows,
                "predicted_float": other if number % 3 == 0 else label,
                "probability_float": np.float32(number / num_rows),
                "predicted_int8": label,
                "probability_int8": np.float32(1 - number / num_rows),
                "number": number,
                "place": f"at place {number}",
            }
        )
    return pd.DataFrame(rows, index=[f"row {number}" for number in range(num_rows)])


# ---- cards and pictures ----------------------------------------------------------------------


def test_cards_show_pictures_answers_and_no_barriers(show: Show) -> None:
    view = show(a_table(), columns=["number"])
    view.wait_pictures()
    assert view.order()[:3] == [0, 1, 2]
    card = view.card(3)
    expect(card).to_have_accessible_name(
        re.compile("standing up.*A.*wrong.*waving hand.*.075.*B.*right.*standing up")
    )
    expect(card).to_contain_text("✗")
    expect(card).to_contain_text("00:00.7–00:02.2")
    expect(card).to_contain_text("Δ 0.53")
    expect(card.locator(".vl-card-line").last).to_have_text("number3")
    expect(card.locator("img")).to_have_js_property("naturalHeight", 180)
    expect(view.count).to_have_text("40 videos")
    assert barriers(view.page, ".vidlab-gallery") == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_both_themes_and_korean_have_no_barriers(show: Show, theme: str) -> None:
    view = show(a_table(), theme=theme, locale="ko", width=360)
    view.wait_pictures()
    view.card(0).click()
    view.root.get_by_role("searchbox").fill("손님")
    expect(view.root).to_contain_text("조건에 맞는 동영상이 없습니다.")
    assert barriers(view.page, ".vidlab-gallery") == []
    view.root.get_by_role("button", name="전체 보기").click()
    expect(view.count).to_have_text("40개 · 1개 선택됨")
    assert barriers(view.page, ".vidlab-gallery") == []
    assert view.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_two_thousand_videos_have_few_cards(show: Show) -> None:
    view = show(a_table(2000), width=1280)
    view.wait_pictures()
    assert set(view.asked("thumbnail")) == set(view.order()), "those near are enough"
    most = 0
    height = view.scroller.evaluate("({ scrollHeight }) => scrollHeight")
    for part in range(1, 31):
        view.scroller.evaluate("(box, top) => { box.scrollTop = top; }", height * part / 30)
        view.page.evaluate("() => new Promise(requestAnimationFrame)")
        most = max(most, view.cards.count())
    assert 10 < most < 120
    expect(view.card(1999)).to_be_in_viewport()
    view.wait_pictures()
    expect(view.card(1999)).to_have_attribute("aria-posinset", "2000")
    expect(view.card(1999)).to_have_attribute("aria-setsize", "2000")
    expect(view.card(0)).to_have_count(0)
    first = view.asked("thumbnail")
    # Back there, what was seen before is still known.
    view.scroller.evaluate("(box) => { box.scrollTop = 0; }")
    expect(view.card(0).locator("img")).to_have_js_property("naturalHeight", 180)
    assert view.asked("thumbnail").count(0) == first.count(0) == 1


def test_scrolling_past_calls_off(show: Show) -> None:
    view = show(a_table(400))
    view.wait_pictures()
    # The kernel is busy: nothing is answered.
    view.page.evaluate(
        """() => {
            window.sent = window.model.send;
            window.model.send = (each) => window.model.asked.push(each);
        }"""
    )
    view.scroller.evaluate("(box) => { box.scrollTop = 4000; }")
    view.page.wait_for_function("() => window.model.asked.at(-1).row > 40")
    wanted = view.page.evaluate(
        "() => window.model.asked.filter(({ op, row }) => op === 'thumbnail' && row > 40)"
    )
    view.scroller.evaluate("(box) => { box.scrollTop = 0; }")
    expect(view.card(0)).to_be_visible()
    called_off = view.page.evaluate(
        "() => window.model.asked.flatMap(({ requests }) => requests ?? [])"
    )
    assert {each["id"] for each in wanted} <= set(called_off)
    # Seen again, what was called off is asked for again.
    view.page.evaluate("() => { window.model.send = window.sent; }")
    view.scroller.evaluate("(box) => { box.scrollTop = 4000; }")
    expect(view.card(wanted[0]["row"])).to_be_visible()
    view.wait_pictures()


def test_a_gallery_out_of_sight_asks_for_nothing(show: Show) -> None:
    view = show(a_table(), height=400)
    view.wait_pictures()
    view.page.evaluate(
        """() => {
            window.close_gallery();
            const place = document.getElementById("place");
            place.style.marginTop = "3000px";
            window.model.asked.length = 0;
        }"""
    )
    view.page.evaluate(
        """async () => {
            const { default: start } = await import("./gallery.js");
            start().render({ model: window.model, el: document.getElementById("place") });
        }"""
    )
    expect(view.cards).not_to_have_count(0)
    view.page.wait_for_timeout(500)
    assert view.asked("thumbnail") == []
    view.root.scroll_into_view_if_needed()
    view.wait_pictures()
    assert 0 in view.asked("thumbnail")


def test_broken_videos_say_why(show: Show, tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("no video")
    table = pd.DataFrame(
        {
            "video": [str(tmp_path / "words.mp4"), "gone.mp4", None, "squat.mp4", "squat.mp4"],
            "label": ["a", None, "b", "b", "b"],
            "start_seconds": [None, None, None, 90, None],
            "end_seconds": [None, None, None, 91, None],
            "predicted": ["a", "b", None, "b", "b"],
        }
    )
    view = show(table)
    view.wait_pictures()
    for row, reason in enumerate(
        ["words.mp4", "There is no file", "names no video", "is no part of squat.mp4"]
    ):
        expect(view.card(row).locator(".vl-card-reason")).to_contain_text(reason)
    expect(view.card(4).locator("img")).to_have_js_property("naturalHeight", 180)
    expect(view.card(1)).to_contain_text("no label")
    expect(view.card(2)).to_contain_text("no answer")
    assert barriers(view.page, ".vidlab-gallery") == []
    # Hovering what is broken changes nothing.
    view.card(0).hover()
    view.page.wait_for_timeout(400)
    expect(view.card(0).locator(".vl-card-reason")).to_contain_text("words.mp4")


def test_an_empty_table_teaches(show: Show) -> None:
    view = show(a_table(1).iloc[:0])
    expect(view.root).to_contain_text("The table has no rows.")
    expect(view.root).to_contain_text('vl.Gallery(pandas.DataFrame({"video"')
    expect(view.count).to_have_text("0 videos")
    assert barriers(view.page, ".vidlab-gallery") == []


def test_names_are_text_and_nothing_runs(show: Show) -> None:
    risky = [
        '<img src=x onerror="window.ran = 1">',
        '"><script>window.ran = 1</script>',
        "'; window.ran = 1; '",
        "</option><img src=x onerror='window.ran = 1'>",
    ]
    table = pd.DataFrame({"video": risky, "label": risky[::-1], "predicted_<b>m": risky})
    table = table.assign(**{risky[0]: risky, "probability_<b>m": 0.5, "predicted_n": risky})
    view = show(table, columns=[risky[0]])
    view.wait_pictures()
    expect(view.card(0)).to_contain_text(risky[0])
    view.choose("Label", risky[1])
    expect(view.card(2)).to_contain_text(risky[1])
    view.choose("Order", risky[0])
    view.root.get_by_role("searchbox").fill("<img")
    expect(view.count).to_have_text("0 of 4")
    view.root.get_by_role("button", name="Show all").click()
    view.root.get_by_role("button", name="Confusion", exact=True).click()
    view.root.get_by_role("gridcell", name=f"{risky[0]} taken for {risky[3]}").click()
    expect(view.count).to_have_text("1 of 4")
    expect(view.root.locator(".vl-confusion-chosen")).to_contain_text(risky[3])
    view.root.get_by_role("button", name="Show all").click()
    view.card(0).hover()
    assert view.page.evaluate("() => window.ran") is None
    assert view.root.locator("script, img:not(.vl-card-picture), b").count() == 0


# ---- previews --------------------------------------------------------------------------------


def watch_pictures(view: GalleryPage, row: int) -> None:
    """Keep how many different pictures a card shows, in ``window.seen``."""
    view.card(row).locator("img").evaluate(
        """(picture) => {
            window.seen = new Set();
            new MutationObserver(() => window.seen.add(picture.src))
                .observe(picture, { attributes: true });
        }"""
    )


def test_hovering_plays_a_preview_until_it_is_left(show: Show) -> None:
    view = show(a_table())
    view.wait_pictures()
    assert view.asked("preview") == []
    still = view.card(1).locator("img").get_attribute("src")
    watch_pictures(view, 1)
    view.card(1).hover()
    view.page.wait_for_function("() => window.seen.size >= 5", timeout=PICTURES_TIMEOUT_MS)
    assert set(view.asked("preview")) == {1}
    view.page.mouse.move(1, 1)
    expect(view.card(1).locator("img")).to_have_attribute("src", str(still))


def test_keys_and_taps_play_a_preview_too(show: Show) -> None:
    view = show(a_table(), has_touch=True)
    view.wait_pictures()
    watch_pictures(view, 2)
    view.card(2).tap()
    view.page.wait_for_function("() => window.seen.size >= 3", timeout=PICTURES_TIMEOUT_MS)
    watch_pictures(view, 3)
    view.scroller.press("ArrowRight")
    view.page.wait_for_function("() => window.seen.size >= 3", timeout=PICTURES_TIMEOUT_MS)
    assert set(view.asked("preview")) == {2, 3}


def test_reduced_motion_plays_nothing(show: Show) -> None:
    view = show(a_table())
    view.page.emulate_media(reduced_motion="reduce")
    view.wait_pictures()
    view.card(1).hover()
    view.page.wait_for_timeout(500)
    assert view.asked("preview") == []


# ---- filters and order -----------------------------------------------------------------------


def test_filters_leave_what_fits_and_python_knows(show: Show) -> None:
    table = a_table(2000)
    view = show(table)
    view.choose("Label", "squat")
    expect(view.count).to_have_text("400 of 2,000")
    view.choose("Model", "A float")
    view.choose("Right or wrong", "wrong")
    wrong = table[(table["label"] == "squat") & (table["number"] % 3 == 0)]
    expect(view.count).to_have_text(f"{len(wrong)} of 2,000")
    assert view.order()[:3] == wrong["number"].tolist()[:3]
    view.wait(lambda: view.gallery.shown.equals(wrong))
    view.root.get_by_role("spinbutton", name="Probability, at least").fill("0.9")
    likely = wrong[wrong["probability_float"] >= 0.9]
    expect(view.count).to_have_text(f"{len(likely)} of 2,000")
    view.choose("Order", "jsd_nats")
    view.root.get_by_role("button", name="Smallest first").click()
    ordered = likely.sort_values("jsd_nats", ascending=False)
    expect(view.cards.first).to_have_attribute("data-row", str(ordered["number"].iloc[0]))
    view.wait(lambda: view.gallery.shown.equals(ordered))
    view.root.get_by_role("searchbox").fill("PLACE 1992")
    expect(view.count).to_have_text("1 of 2,000")
    view.root.get_by_role("searchbox").fill("nowhere")
    expect(view.root).to_contain_text("No video fits these filters.")
    view.wait(lambda: len(view.gallery.shown) == 0)
    view.root.get_by_role("button", name="Show all").click()
    expect(view.count).to_have_text("2,000 videos")
    expect(view.root.get_by_role("spinbutton", name="Probability, at least")).to_have_value("")
    view.choose("Order", "as given")
    assert view.state("_shown") is None
    view.wait(lambda: view.gallery.shown.equals(table))


def test_another_language_keeps_what_was_chosen(show: Show) -> None:
    view = show(a_table())
    view.choose("Label", "squat")
    view.card(2).click()
    expect(view.count).to_have_text("8 of 40 · 1 selected")
    view.page.evaluate("() => window.model.set('locale', 'ko')")
    expect(view.count).to_have_text("40개 중 8개 · 1개 선택됨")
    expect(view.card(2)).to_have_attribute("aria-selected", "true")
    expect(view.root).to_have_count(1)


# ---- confusion -------------------------------------------------------------------------------


def confusion_of(view: GalleryPage) -> pd.DataFrame:
    """Return the matrix on the page, by the labels that its heads tell."""
    heads = view.root.locator(".vl-confusion tbody th")
    names = heads.evaluate_all("(all) => all.map((each) => each.title)")
    across = view.root.locator(".vl-confusion thead th")
    assert across.evaluate_all("(all) => all.map((each) => each.title)") == names
    cells = view.root.locator("tbody td").evaluate_all(
        "(all) => all.map((each) => Number(each.textContent))"
    )
    return pd.DataFrame(np.reshape(cells, (len(names), len(names))), index=names, columns=names)


def cell(view: GalleryPage, label: str, predicted: str) -> Locator:
    return view.root.get_by_role("gridcell", name=f"{label} taken for {predicted}:")


def check_matrix(view: GalleryPage, table: pd.DataFrame, model: str) -> None:
    found = confusion_of(view)
    known = {*table["label"], *table[f"predicted_{model}"]}
    assert list(found.index) == sorted(known)
    counts = pd.crosstab(table["label"], table[f"predicted_{model}"])
    counts = counts.reindex(index=found.index, columns=found.columns, fill_value=0)
    np.testing.assert_array_equal(found, counts)


def test_a_confusion_matrix_counts_what_the_filters_leave(show: Show) -> None:
    table = a_table(200)
    view = show(table)
    toggle = view.root.get_by_role("button", name="Confusion", exact=True)
    expect(toggle).to_have_attribute("aria-expanded", "false")
    expect(view.root.get_by_role("grid")).to_be_hidden()
    toggle.click()
    check_matrix(view, table, "float")
    wrong = int((table["label"] != table["predicted_float"]).sum())
    expect(view.root.locator(".vl-confusion-told")).to_have_text(f"{wrong} of 200 wrong")
    # Numbers stand on shades of their share of the row, and are readable on them.
    assert barriers(view.page, ".vidlab-gallery") == []
    # The other filters count, the order does not.
    view.root.get_by_role("searchbox").fill("BALLS.mp4")
    view.choose("Order", "jsd_nats")
    left = table[table["video"] == "juggling_balls.mp4"]
    expect(view.root.locator(".vl-confusion-told")).to_contain_text(f"of {len(left)} wrong")
    check_matrix(view, left, "float")
    view.choose("Model of the confusion matrix", "B int8")
    expect(view.root.locator(".vl-confusion-told")).to_have_text(f"0 of {len(left)} wrong")
    toggle.click()
    expect(view.root.get_by_role("grid")).to_be_hidden()


def test_a_cell_shows_its_clips_until_it_is_taken_away(show: Show) -> None:
    table = a_table(200)
    view = show(table)
    view.root.get_by_role("button", name="Confusion", exact=True).click()
    chosen = table[(table["label"] == "squat") & (table["predicted_float"] == "standing up")]
    cell(view, "squat", "standing up").click()
    expect(view.count).to_have_text(f"{len(chosen)} of 200")
    expect(cell(view, "squat", "standing up")).to_have_attribute("aria-selected", "true")
    view.wait(lambda: view.gallery.shown.equals(chosen))
    assert view.order()[:2] == chosen["number"].tolist()[:2]
    # What is counted stays, so that another cell can be chosen.
    assert confusion_of(view).to_numpy().sum() == 200
    chip = view.root.get_by_role("button", name="Only A: squat → standing up")
    expect(chip).to_have_text("A: squat → standing up×")
    assert barriers(view.page, ".vidlab-gallery") == []
    cell(view, "squat", "squat").click()
    expect(view.count).not_to_have_text(f"{len(chosen)} of 200")
    cell(view, "squat", "squat").click()
    expect(view.count).to_have_text("200 videos")
    assert view.state("_shown") is None
    # An empty cell is no filter.
    cell(view, "squat", "waving hand").click()
    expect(view.count).to_have_text("200 videos")
    cell(view, "squat", "standing up").click()
    view.page.evaluate("() => window.model.set('locale', 'ko')")
    expect(view.count).to_have_text(f"200개 중 {len(chosen)}개")
    expect(view.root.get_by_role("grid")).to_be_visible()
    view.page.evaluate("() => window.model.set('locale', 'en')")
    chip.click()
    expect(view.count).to_have_text("200 videos")
    expect(chip).to_be_hidden()
    # All filters at once; the matrix stays open. Another model has no such cell.
    cell(view, "squat", "standing up").click()
    view.root.get_by_role("button", name="Show all").click()
    expect(view.count).to_have_text("200 videos")
    cell(view, "squat", "standing up").click()
    view.choose("Model of the confusion matrix", "B int8")
    expect(view.count).to_have_text("200 videos")


def test_keys_move_in_the_matrix_and_choose(show: Show) -> None:
    table = a_table(200)
    view = show(table)
    toggle = view.root.get_by_role("button", name="Confusion", exact=True)
    toggle.focus()
    view.page.keyboard.press("Enter")
    view.page.keyboard.press("Tab")
    view.page.keyboard.press("Tab")
    labels = sorted(set(table["label"]))
    expect(cell(view, labels[0], labels[0])).to_be_focused()
    view.page.keyboard.press("ArrowLeft")
    view.page.keyboard.press("ArrowRight")
    expect(cell(view, labels[0], labels[1])).to_be_focused()
    view.page.keyboard.press("Enter")
    expect(view.count).to_have_text("200 videos")  # it is empty
    view.page.keyboard.press("ArrowDown")
    view.page.keyboard.press("ArrowDown")
    view.page.keyboard.press("End")
    view.page.keyboard.press("ArrowLeft")
    view.page.keyboard.press("Enter")
    expect(view.count).to_contain_text("of 200")
    expect(cell(view, "squat", "standing up")).to_be_focused()
    expect(cell(view, "squat", "standing up")).to_have_attribute("aria-selected", "true")
    view.page.keyboard.press("Escape")
    expect(view.count).to_have_text("200 videos")
    view.page.keyboard.press("Home")
    expect(cell(view, "squat", labels[0])).to_be_focused()
    view.page.keyboard.press("ArrowUp")
    view.page.keyboard.press("ArrowRight")
    view.page.keyboard.press("ArrowLeft")
    view.page.keyboard.press("Space")
    expect(view.count).to_contain_text("of 200")
    # One stop of the Tab key, whatever the size.
    assert view.root.locator("[role=gridcell][tabindex='0']").count() == 1


def test_many_labels_show_the_commonest_errors_and_what_is_left_out(show: Show) -> None:
    names = [f"label {number:03}" for number in range(60)]
    rows = [("squat.mp4", name, name) for name in names]
    rows += [("squat.mp4", "label 007", "label 050")] * 3 + [
        ("squat.mp4", "label 001", "label 002")
    ]
    view = show(pd.DataFrame(rows, columns=["video", "label", "predicted"]))
    view.root.get_by_role("button", name="Confusion", exact=True).click()
    found = confusion_of(view)
    assert list(found.index) == ["label 007", "label 050", "label 001", "label 002"]
    assert found.loc["label 007", "label 050"] == 3
    expect(view.root).to_contain_text(
        "The 4 labels with the commonest errors, of 60; 4 of the 4 errors are between them."
    )
    room = view.root.locator(".vl-confusion-room")
    assert room.evaluate("(box) => box.scrollWidth <= box.clientWidth")


def test_korean_labels_are_shown_and_both_are_found(show: Show) -> None:
    table = a_table()
    view = show(table, labels="ko", width=380)
    squat, standing = "스쿼트하기", "일어서기"
    expect(view.card(2)).to_contain_text(squat)
    view.root.get_by_role("button", name="Confusion", exact=True).click()
    cell(view, squat, standing).click()
    expect(view.root.get_by_role("button", name=f"Only A: {squat} → {standing}")).to_be_visible()
    chosen = table[(table["label"] == "squat") & (table["predicted_float"] == "standing up")]
    view.wait(lambda: view.gallery.shown.equals(chosen))
    assert view.page.evaluate("document.documentElement.scrollWidth") <= 380
    view.root.get_by_role("button", name="Show all").click()
    view.choose("Label", squat)
    expect(view.count).to_have_text("8 of 40")
    view.wait(lambda: set(view.gallery.shown["label"]) == {"squat"})
    view.choose("Label", "any label")
    for words in (squat, "squat"):
        view.root.get_by_role("searchbox").fill(words)
        expect(view.count).to_contain_text("of 40")
        view.wait(lambda: 8 <= len(view.gallery.shown) < 40)


# ---- selecting, opening, keys ----------------------------------------------------------------


def test_clicks_select_as_in_a_file_manager(show: Show) -> None:
    view = show(a_table())

    def settle(*numbers: int) -> None:
        count = f" · {len(numbers)} selected" if numbers else ""
        expect(view.count).to_have_text(f"40 videos{count}")
        view.wait(lambda: tuple(view.gallery.selected["number"]) == numbers)

    view.card(1).click()
    settle(1)
    expect(view.card(1)).to_have_attribute("aria-selected", "true")
    view.card(4).click(modifiers=["Shift"])
    settle(1, 2, 3, 4)
    view.card(6).click(modifiers=["Control"])
    settle(1, 2, 3, 4, 6)
    view.card(2).click(modifiers=["Control"])
    settle(1, 3, 4, 6)
    view.card(0).click()
    settle(0)
    view.page.keyboard.press("Escape")
    settle()
    # All of the filtered, none of the others; and what is selected stays so.
    view.choose("Label", "squat")
    view.scroller.press("Control+a")
    expect(view.count).to_have_text("8 of 40 · 8 selected")
    view.root.get_by_role("button", name="Show all").click()
    settle(2, 7, 12, 17, 22, 27, 32, 37)


def test_arrows_move_space_selects_and_enter_opens(show: Show) -> None:
    view = show(a_table(200))
    opened: list[str] = []
    view.gallery.on_open(lambda row: opened.append(str(row.name)))
    view.scroller.focus()

    def active() -> int:
        name = view.scroller.get_attribute("aria-activedescendant")
        return int(view.page.locator(f"id={name}").get_attribute("data-row") or -1)

    columns = view.page.evaluate(
        """() => new Set([...document.querySelectorAll(".vl-card")].map(
            (card) => card.getBoundingClientRect().left)).size"""
    )
    view.page.keyboard.press("ArrowDown")
    assert active() == 0, "the first key shows where one is"
    view.page.keyboard.press("ArrowDown")
    view.page.keyboard.press("ArrowRight")
    assert active() == columns + 1
    view.page.keyboard.press("ArrowUp")
    view.page.keyboard.press("ArrowLeft")
    view.page.keyboard.press("ArrowLeft")
    assert active() == 0
    view.page.keyboard.press("Space")
    expect(view.count).to_have_text("200 videos · 1 selected")
    view.page.keyboard.press("Shift+ArrowRight")
    view.page.keyboard.press("Shift+ArrowRight")
    expect(view.count).to_have_text("200 videos · 3 selected")
    view.page.keyboard.press("End")
    assert active() == 199
    expect(view.card(199)).to_be_in_viewport()
    view.page.keyboard.press("PageUp")
    assert active() < 199 - columns
    view.page.keyboard.press("Enter")
    view.card(199).dblclick()
    view.wait(lambda: len(opened) == 2)
    assert opened[-1] == "row 199"
    # In a field keys are the field's.
    field = view.root.get_by_role("searchbox")
    field.fill("squat")
    field.press("Control+a")
    field.press("End")
    field.press("Space")
    expect(field).to_have_value("squat ")
    expect(view.count).to_have_text("53 of 200 · 1 selected")


def test_what_a_callback_raises_is_told(show: Show) -> None:
    view = show(a_table())

    def fail(_row: pd.Series) -> None:
        raise ValueError("not in my house")

    stop = view.gallery.on_open(fail)
    view.card(0).dblclick()
    expect(view.root.locator(".vl-notice")).to_contain_text("not in my house")
    # Pictures that come do not take it away.
    view.scroller.evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
    view.wait_pictures()
    expect(view.root.locator(".vl-notice")).to_contain_text("not in my house")
    view.scroller.evaluate("(box) => { box.scrollTop = 0; }")
    stop()
    view.card(0).dblclick()
    expect(view.root.locator(".vl-notice")).to_be_hidden()


def test_a_silent_kernel_is_told_of(show: Show) -> None:
    view = show(a_table(400))
    view.wait_pictures()
    view.page.evaluate(
        """() => {
            window.sent = window.model.send;
            window.model.send = () => {};
        }"""
    )
    view.scroller.evaluate("(box) => { box.scrollTop = 3000; }")
    notice = view.root.locator(".vl-notice")
    expect(notice).to_contain_text("the kernel is busy, or not running", timeout=20_000)
    view.page.evaluate("() => { window.model.send = window.sent; }")
    view.scroller.evaluate("(box) => { box.scrollTop = 6000; }")
    expect(notice).to_be_hidden()


# ---- in JupyterLab ---------------------------------------------------------------------------


def test_in_jupyterlab(lab: Lab) -> None:
    cells = [
        f"""import pandas as pd
from vidlab.widgets import Gallery
names = ["squat", "waving_hand", "sitting_down"]
table = pd.DataFrame(
    {{"video": [f"{{names[n % 3]}}.mp4" for n in range(2000)], "n": range(2000)}}
).assign(label=lambda rows: rows["video"].str[:-4])
opened = []
gallery = Gallery(table, folder={str(DATA)!r})
stop = gallery.on_open(lambda row: opened.append(int(row.n)))
gallery""",
        "Gallery(table, folder='nowhere', locale='ko', layout={'height': '900px'})",
    ]
    notebook = lab.open(lab.write_notebook("gallery.ipynb", cells))
    notebook.run_all()
    roots = notebook.page.locator(".vidlab-gallery")
    expect(roots).to_have_count(2)
    root = roots.first
    root.scroll_into_view_if_needed()
    view = GalleryPage(None, notebook.page)
    view.wait_pictures()
    scroller = root.get_by_role("listbox")
    assert scroller.bounding_box()["height"] == pytest.approx(558, abs=2)
    root.locator("[data-row='1']").click()
    notebook.page.keyboard.press("ArrowRight")
    notebook.page.keyboard.press("Enter")
    notebook.page.keyboard.press("Control+a")
    expect(root.locator(".vl-gallery-count")).to_have_text("2,000 videos · 2,000 selected")
    # No key did what the notebook's command mode does with it: both cells are there, and no third.
    assert notebook.page.locator(".jp-Notebook .jp-Cell").count() == 2
    notebook.page.keyboard.press("Escape")
    root.get_by_role("combobox", name="Label", exact=True).select_option(label="squat")
    expect(root.locator(".vl-gallery-count")).to_have_text("667 of 2,000")
    scroller.click(position={"x": 40, "y": 40})
    told = "[opened, gallery.selected['n'].tolist(), len(gallery.shown)]"
    view.wait(lambda: notebook.evaluate_in_kernel(told) == [[2], [0], 667])
    assert barriers(notebook.page, ".vidlab-gallery") == []
    # The second has the height it was given.
    assert roots.last.bounding_box()["height"] == pytest.approx(900, abs=12)
    assert notebook.messages == []
    notebook.close()
