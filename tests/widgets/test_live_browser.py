"""`Live` in a real JupyterLab and a Chromium whose camera shows a film."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from browser_harness import Lab, Notebook, as_camera, barriers, browser_with_camera
from playwright.sync_api import Browser, Locator, expect

import vidlab as vl

pytestmark = pytest.mark.browser

# The first label needs the kernel to load a model, on a machine that may be busy.
LABEL_TIMEOUT_MS = 60_000

ACTION, KOREAN = "jumping jacks", "팔 벌려 뛰기"

PREPARE = """
import threading, vidlab as vl
model = vl.load_model("stickactions-a0-stream", backend="litert")
def threads():
    return [each.name for each in threading.enumerate() if each.name.startswith("vidlab-live")]
"""

# Keeps every camera that the page opens.
WATCH_CAMERAS = """
() => {
    window.streams = [];
    const devices = navigator.mediaDevices;
    const open = devices.getUserMedia.bind(devices);
    devices.getUserMedia = async (...wanted) => {
        const stream = await open(...wanted);
        window.streams.push(stream);
        return stream;
    };
}
"""

ARE_CAMERAS_OFF = """
() => window.streams.length > 0 && window.streams.every((stream) =>
    stream.getTracks().every(({ readyState }) => readyState === "ended"))
"""


@dataclass
class LiveOnPage:
    """One `Live`, as a person sees it, and as Python sees it."""

    notebook: Notebook
    cell: int
    name: str

    @property
    def root(self) -> Locator:
        return self.notebook.output(self.cell).locator(".vidlab-live")

    @property
    def best(self) -> Locator:
        return self.root.locator(".vl-row").first

    def press(self, name: str) -> None:
        self.root.get_by_role("button", name=name, exact=True).click()

    def start(self, name: str = "Start") -> None:
        """Press Start, and wait until frames come: what was seen before is gone then."""
        self.press(name)
        expect(self.root).to_have_attribute("data-state", "running", timeout=LABEL_TIMEOUT_MS)

    def python(self, what: str) -> Any:
        return self.notebook.evaluate_in_kernel(f"{self.name}.{what}")

    def wait_python(self, expression: str, *, seconds: int = 60) -> None:
        """Wait until something holds in the kernel."""
        for _ in range(20 * seconds):
            if self.notebook.evaluate_in_kernel(expression):
                return
            self.notebook.page.wait_for_timeout(50)
        pytest.fail(f"{expression} did not come to be")

    def wait_label(self, label: str = ACTION) -> None:
        expect(self.best).to_contain_text(label, timeout=LABEL_TIMEOUT_MS)

    def num_answers(self) -> int:
        return int(self.root.get_attribute("data-answers") or 0)

    def wait_more_answers(self, count: int = 5) -> None:
        wanted = self.num_answers() + count
        self.notebook.page.wait_for_function(
            "([root, wanted]) => Number(root.dataset.answers) >= wanted",
            arg=[self.root.element_handle(), wanted],
            timeout=LABEL_TIMEOUT_MS,
        )

    def wait_camera_off(self) -> None:
        self.notebook.page.wait_for_function(ARE_CAMERAS_OFF)
        expect(self.root).to_have_attribute("data-camera", "off")


def sample(name: str) -> Path:
    return Path(vl.sample_videos()[name])


@pytest.fixture(scope="module")
def camera_lab(
    lab: Lab, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    """JupyterLab in a browser whose camera shows somebody doing jumping jacks."""
    film = as_camera(sample("jumping_jacks"), tmp_path_factory.mktemp("film"))
    with browser_with_camera(chromium, film) as browser:
        yield replace(lab, browser=browser)


@pytest.fixture(scope="module")
def opened(camera_lab: Lab) -> Iterator[dict[str, LiveOnPage]]:
    """A notebook with several of them, not started; none may write an error to the console."""
    cells = [
        PREPARE,
        f"rule = vl.Rule({ACTION!r}, probability=0.5, for_seconds=0.5, name='they jump')\n"
        "one = vl.Live(model, rules=rule); one",
        f"seen = vl.Rule({ACTION!r}, probability=0.5, for_seconds=0.5)\n"
        "two = vl.Live(model, rules=seen, labels='ko', locale='ko'); two",
        f"file = vl.Live(model, {str(sample('waving_hand'))!r}); file",
    ]
    notebook = camera_lab.open(camera_lab.write_notebook("live.ipynb", cells), height=1200)
    for cell in range(4):
        notebook.run_cell(cell)
    notebook.page.evaluate(WATCH_CAMERAS)
    yield {
        name: LiveOnPage(notebook, cell, name)
        for cell, name in enumerate(("one", "two", "file"), start=1)
    }
    assert notebook.messages == []
    notebook.close()


@pytest.fixture
def one(opened: dict[str, LiveOnPage]) -> Iterator[LiveOnPage]:
    """The one with the rule; stopped after each test."""
    live = opened["one"]
    live.root.scroll_into_view_if_needed()
    yield live
    live.notebook.execute_in_kernel("one.stop(); two.stop(); file.stop()")
    live.wait_python("not threads()")


def test_start_shows_the_label_and_stop_frees_all(one: LiveOnPage) -> None:
    expect(one.root).to_contain_text("The browser asks whether this page may use the camera")
    assert barriers(one.notebook.page, ".jp-OutputArea .vidlab-live") == []
    one.start()
    one.wait_label()
    assert one.python("running") is True
    assert one.notebook.evaluate_in_kernel("len(threads())") == 2
    # The picture is the camera's, and the label is on it.
    assert one.root.locator("video").evaluate("({ videoWidth }) => videoWidth") > 0
    drawn = one.root.locator(".vl-overlay").evaluate(
        "(canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
        ".data.some((value) => value > 0)"
    )
    assert drawn
    # How late labels are on the screen is measured there, and known in Python.
    one.wait_python("bool(one.stats['on_screen_median_ms'].notna().all())")
    expect(one.root.locator(".vl-live-figures")).to_contain_text("ms to label")
    median, p95 = one.notebook.evaluate_in_kernel(
        "one.stats[['on_screen_median_ms', 'on_screen_p95_ms']].iloc[0].tolist()"
    )
    assert 0 < median <= p95
    assert barriers(one.notebook.page, ".jp-OutputArea .vidlab-live") == []
    one.press("Stop")
    one.wait_camera_off()
    one.wait_python("not one.running and not threads()")
    expect(one.root).to_contain_text("Stopped.")
    # And it starts again.
    one.start()
    one.wait_more_answers()
    one.notebook.execute_in_kernel("one.stop()")
    one.wait_camera_off()


def test_events_are_listed(one: LiveOnPage) -> None:
    one.notebook.execute_in_kernel("heard = []; stop = one.on_event(heard.append)")
    one.start()
    one.wait_python("bool(heard)")
    event = one.root.locator(".vl-live-event").first
    expect(event).to_contain_text("they jump", timeout=LABEL_TIMEOUT_MS)
    expect(event).to_contain_text("seen")
    expect(event.locator("time")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    assert one.notebook.evaluate_in_kernel("heard[0].rule") == "they jump"
    assert "they jump" in one.python("events['rule'].tolist()")
    one.notebook.execute_in_kernel("stop()")


def test_reset_lets_the_model_forget(one: LiveOnPage) -> None:
    one.start()
    one.wait_more_answers()
    before = one.python("stats['resets'].tolist()")[0]
    one.press("Reset")
    one.wait_python(f"one.stats['resets'].tolist()[0] > {before}")
    one.wait_more_answers()


def test_a_busy_kernel_is_told_of_and_answers_go_on(one: LiveOnPage) -> None:
    one.start()
    one.wait_label()
    notice = one.root.locator(".vl-notice")
    kernel = int(one.notebook.evaluate_in_kernel("__import__('os').getpid()"))
    # A kernel that does nothing else, in whatever thread it hears the page.
    os.kill(kernel, signal.SIGSTOP)
    try:
        expect(notice).to_contain_text("busy with another cell", timeout=LABEL_TIMEOUT_MS)
        before = one.num_answers()
    finally:
        os.kill(kernel, signal.SIGCONT)
    expect(notice).to_be_hidden(timeout=LABEL_TIMEOUT_MS)
    # What came meanwhile was dropped at the page, not kept: two frames were on their way.
    frames = one.python("_session.num_frames")
    one.wait_more_answers()
    assert one.num_answers() > before
    assert one.python("_session.num_frames") > frames


def test_two_run_side_by_side_in_two_languages(
    one: LiveOnPage, opened: dict[str, LiveOnPage]
) -> None:
    two = opened["two"]
    expect(two.root).to_contain_text("브라우저가 카메라를 사용해도 되는지 묻습니다")
    one.start()
    two.start("시작")
    one.wait_label()
    two.wait_label(KOREAN)
    one.wait_more_answers()
    two.wait_more_answers()
    expect(two.root).to_contain_text("초당 예측")
    # Its labels are in Korean, in the list of events too; in Python they are the model's words.
    two.wait_python("bool(len(two.events))")
    expect(two.root.locator(".vl-live-rule").first).to_have_text(
        f"{KOREAN} >= 0.5 for 0.5 s", timeout=LABEL_TIMEOUT_MS
    )
    expect(two.root).not_to_contain_text(ACTION)
    assert set(two.python("events['label'].tolist()")) == {ACTION}
    assert ACTION in two.python("answers[model.title][0]")
    assert barriers(one.notebook.page, ".jp-OutputArea .vidlab-live") == []
    two.press("중지")
    expect(two.root).to_have_attribute("data-camera", "off")
    expect(two.root).to_contain_text("중지되었습니다.")
    one.wait_more_answers()
    assert one.python("running") is True


def test_python_starts_and_rerunning_the_cell_stops(
    one: LiveOnPage, opened: dict[str, LiveOnPage]
) -> None:
    two = opened["two"]
    one.notebook.execute_in_kernel("two.start(); old = two")
    one.wait_python("old.running")
    two.wait_label(KOREAN)
    one.notebook.run_cell(two.cell)
    one.notebook.page.wait_for_function(ARE_CAMERAS_OFF)
    one.wait_python("not old.running and not threads()")
    expect(two.root).to_have_count(1)
    expect(two.root).to_have_attribute("data-state", "idle")


def test_why_there_is_no_camera_is_explained(one: LiveOnPage) -> None:
    page = one.notebook.page
    page.evaluate("() => { window.open_camera = navigator.mediaDevices.getUserMedia; }")
    for name, failure, words in (
        ("NotAllowedError", "refused", "address bar"),
        ("NotFoundError", "none", "No camera was found"),
        ("NotReadableError", "busy", "another program or page"),
        ("StrangeError", "other", "the browser's own words"),
    ):
        page.evaluate(
            """(name) => {
                navigator.mediaDevices.getUserMedia = async () => {
                    throw new DOMException("the browser's own words", name);
                };
            }""",
            name,
        )
        one.press("Start")
        expect(one.root).to_have_attribute("data-failure", failure)
        expect(one.root.locator(".vl-status-text")).to_contain_text(words)
        assert one.python("running") is False
    # Trying again there works, once nothing is in the way.
    page.evaluate("() => { navigator.mediaDevices.getUserMedia = window.open_camera; }")
    one.start("Try again")
    one.wait_more_answers(1)
    expect(one.root.locator(".vl-status")).to_be_hidden()


def test_an_unplugged_camera_is_told_of(one: LiveOnPage) -> None:
    one.start()
    one.wait_more_answers(1)
    one.notebook.page.evaluate(
        """() => {
            const [track] = window.streams.at(-1).getTracks();
            track.stop();
            track.dispatchEvent(new Event("ended"));
        }"""
    )
    expect(one.root.locator(".vl-status-text")).to_contain_text("unplugged")
    one.wait_python("not one.running")


def test_a_file_of_the_kernel_is_shown_and_answered(
    one: LiveOnPage, opened: dict[str, LiveOnPage]
) -> None:
    file = opened["file"]
    expect(file.root).to_contain_text("Press Start to play waving_hand.mp4")
    file.start()
    file.wait_label("waving hand")
    canvas = file.root.locator("canvas.vl-video")
    assert canvas.evaluate("({ width, height }) => [width, height]") == [256, 256]
    expect(file.root).to_have_attribute("data-state", "ended", timeout=LABEL_TIMEOUT_MS)
    expect(file.root).to_contain_text("The source has come to its end.")
    assert file.num_answers() >= 15


def test_leaving_the_page_stops_it(camera_lab: Lab) -> None:
    cells = [PREPARE + "live = vl.Live(model); live"]
    notebook = camera_lab.open(camera_lab.write_notebook("leave.ipynb", cells))
    notebook.run_all()
    live = LiveOnPage(notebook, 0, "live")
    live.start()
    live.wait_label()
    notebook.page.reload()
    notebook.page.wait_for_function(
        """() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel
            ?.status === 'idle'"""
    )
    live.wait_python("not live.running and not threads()")
    notebook.close()


def test_a_browser_that_refuses_is_explained(lab: Lab, chromium: Browser, tmp_path: Path) -> None:
    film = as_camera(sample("waving_hand"), tmp_path)
    cells = [PREPARE + "live = vl.Live(model); live"]
    with browser_with_camera(chromium, film, is_allowed=False) as browser:
        camera_lab = replace(lab, browser=browser)
        notebook = camera_lab.open(camera_lab.write_notebook("refused.ipynb", cells))
        notebook.run_all()
        live = LiveOnPage(notebook, 0, "live")
        live.press("Start")
        expect(live.root).to_have_attribute("data-failure", "refused")
        expect(live.root.locator(".vl-status-text")).to_contain_text("does not let this page")
        assert live.python("running") is False
        notebook.close()


def test_real_weights_know_what_the_camera_sees(
    lab: Lab, chromium: Browser, clips: Path, mirror: Path, tmp_path: Path
) -> None:
    cells = [
        f"import os; os.environ['VIDLAB_MODELS'] = {str(mirror)!r}\n"
        "import vidlab as vl\n"
        "live = vl.Live(vl.load_model('movinet-a0-stream', backend='litert')); live"
    ]
    film = as_camera(clips / "carving_ice.mp4", tmp_path)
    with browser_with_camera(chromium, film) as browser:
        camera_lab = replace(lab, browser=browser)
        notebook = camera_lab.open(camera_lab.write_notebook("real.ipynb", cells))
        notebook.run_all()
        live = LiveOnPage(notebook, 0, "live")
        live.start()
        live.wait_label("carving ice")
        assert notebook.messages == []
        notebook.close()
