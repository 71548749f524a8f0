"""The player in a real JupyterLab and Chromium: the picture, the label, and Python agree."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from browser_harness import Lab, Notebook
from playwright.sync_api import Locator, expect

import vidlab as vl

pytestmark = pytest.mark.browser

NUM_FRAMES = 90
EVERY = 5
NUM_LABELS = 8

# One kind for each way into the browser, and for each thing that makes seeking hard.
KINDS = ("mp4", "mp4-open-gop", "vfr", "webm", "offset", "mpeg-ts", "rotated-90", "avi", "gif")

# Reads the frame number that the pixels of the <video> spell (tests/synthetic.py).
READ_PIXELS = """
(video) => {
    const size = 72, cell = size / 6;
    const canvas = new OffscreenCanvas(size, size);
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0, size, size);
    const { data } = context.getImageData(0, 0, size, size);
    const white = (row, column) => {
        const y = Math.floor((row + 0.5) * cell), x = Math.floor((column + 0.5) * cell);
        return data[4 * (y * size + x) + 1] > 127;
    };
    for (let at = 0; at < 6; at++) {
        if (white(0, at) !== at < 5 || white(5, at)) return -1;  // not upright, or no barcode
    }
    let number = 0;
    for (let bit = 0; bit < 16; bit++) {
        if (white(1 + Math.floor(bit / 4), 1 + (bit % 4))) number |= 1 << bit;
    }
    return number ^ 0b1010011001011001;
}
"""

# What a person sees: the <video>, or over it the frame that was drawn while it plays.
READ_SEEN = f"""
(root) => ({READ_PIXELS.strip()})(
    root.querySelector(".vl-playing:not([hidden])") ?? root.querySelector("video"))
"""

PREPARE = f"""
import numpy as np, vidlab as vl
LABELS = vl.LabelMap([f"action {{n}}" for n in range({NUM_LABELS})])
def told(video, shift=lambda row: 0, backend="torch", labels=LABELS):
    frames = np.arange(0, video.num_frames, {EVERY})
    logits = np.zeros((len(frames), len(labels)), np.float32)
    for row in range(len(frames)):
        logits[row, (row + shift(row)) % len(labels)] = 4
    return vl.Predictions(
        video=video.name, model="m", backend=backend, title=f"{{backend}}:m", labels=labels,
        frame_index=frames, time_seconds=video.pts_seconds[frames], logits=logits)
"""


def label_of(frame: int) -> str:
    return f"action {frame // EVERY % NUM_LABELS}"


@dataclass
class PlayerOnPage:
    """One player, as a person sees it, and as Python sees it."""

    notebook: Notebook
    root: Locator
    name: str

    def wait_ready(self) -> None:
        expect(self.root.locator(".vl-status")).to_be_hidden(timeout=30_000)
        self.settled(0)

    def pixels(self) -> int:
        return int(self.root.evaluate(READ_SEEN))

    def label(self, model: int = 0) -> str:
        names = self.root.locator(".vl-block").nth(model).locator(".vl-row .vl-ellipsis")
        return names.first.text_content() or ""

    def frame(self) -> int:
        return int(self.root.get_attribute("data-frame") or -1)

    def python(self, what: str = "frame_index") -> Any:
        return self.notebook.evaluate_in_kernel(f"{self.name}.{what}")

    def settled(self, frame: int) -> None:
        """Wait until the page says a frame is on screen, and check it against the pixels."""
        expect(self.root).to_have_attribute("data-frame", str(frame), timeout=5000)
        assert self.pixels() == frame

    def wait_python(self, expression: str, value: Any, *, tries: int = 40) -> None:
        for _ in range(tries):
            got = self.notebook.evaluate_in_kernel(expression)
            if got == value:
                return
            self.notebook.page.wait_for_timeout(50)
        assert got == value

    def press(self, *keys: str) -> None:
        for key in keys:
            self.notebook.page.keyboard.press(key)

    def click_timeline(self, seconds: float, *, start: float, end: float, gutter: int = 0) -> None:
        timeline = self.root.locator(".vl-timeline")
        width = timeline.evaluate("(element) => element.clientWidth") - gutter
        x = gutter + (seconds - start) / (end - start) * width
        timeline.click(position={"x": x, "y": 4})


@pytest.fixture(scope="module")
def players(
    lab: Lab, spelled: Callable[..., Path]
) -> Iterator[tuple[Notebook, dict[str, PlayerOnPage]]]:
    """A notebook with one player for each kind of file."""
    cells = [PREPARE]
    for kind in KINDS:
        path = spelled(kind, num_frames=NUM_FRAMES)
        name = f"p_{kind.replace('-', '_')}"
        cells.append(f"v = vl.Video({str(path)!r}); {name} = vl.Player(v, told(v)); {name}")
    notebook = lab.open(lab.write_notebook("kinds.ipynb", cells))
    notebook.run_all()
    found = {
        kind: PlayerOnPage(
            notebook,
            notebook.output(number + 1).locator(".vidlab-player"),
            f"p_{kind.replace('-', '_')}",
        )
        for number, kind in enumerate(KINDS)
    }
    yield notebook, found
    assert notebook.messages == []
    notebook.close()


@pytest.mark.parametrize("kind", KINDS)
def test_picture_label_and_python_agree_wherever_one_goes(
    kind: str, players: tuple[Notebook, dict[str, PlayerOnPage]], spelled: Callable[..., Path]
) -> None:
    player = players[1][kind]
    player.root.scroll_into_view_if_needed()
    player.wait_ready()
    video = vl.Video(spelled(kind, num_frames=NUM_FRAMES))
    times, end = video.pts_seconds, video.end_seconds
    chance = random.Random(kind)

    for _ in range(12):
        wanted = chance.randrange(NUM_FRAMES)
        stop = times[wanted + 1] if wanted + 1 < NUM_FRAMES else end
        player.click_timeline((times[wanted] + stop) / 2, start=times[0], end=end)
        # Clicks land on whole pixels, which several frames may share: where it went is what
        # page, pixels, label and Python must agree on, near where the click was.
        near = "|".join(str(each) for each in range(wanted - 2, wanted + 3))
        expect(player.root).to_have_attribute("data-frame", re.compile(f"^({near})$"))
        player.notebook.page.wait_for_timeout(60)
        shown = player.frame()
        player.settled(shown)
        assert player.label() == label_of(shown)
        player.wait_python(f"{player.name}.frame_index", shown)
        assert player.python("time_seconds") == pytest.approx(times[shown], abs=1e-9)

    player.press("Home")
    player.settled(0)
    for frame in range(1, 25):
        player.press(".")
        player.settled(frame)
        assert player.label() == label_of(frame)
    for frame in range(23, 15, -1):
        player.press(",")
        player.settled(frame)
    player.press("End")
    player.settled(NUM_FRAMES - 1)
    player.press(".")
    player.settled(NUM_FRAMES - 1)
    player.wait_python(f"{player.name}.frame_index", NUM_FRAMES - 1)

    for frame in (40, 3, 88, 0, 57):
        player.notebook.execute_in_kernel(f"{player.name}.frame_index = {frame}")
        player.settled(frame)
        assert player.label() == label_of(frame)
        assert player.python("time_seconds") == pytest.approx(times[frame], abs=1e-9)


def test_playing_keeps_label_and_picture_in_step(
    players: tuple[Notebook, dict[str, PlayerOnPage]],
) -> None:
    notebook, found = players
    player = found["mp4"]
    player.root.scroll_into_view_if_needed()
    expect(player.root.locator(".vl-status")).to_be_hidden(timeout=30_000)
    notebook.execute_in_kernel(
        "seen = []\n"
        f"{player.name}.observe(lambda change: seen.append(change['new']), 'frame_index')\n"
        f"{player.name}.frame_index = 0\n"
        f"{player.name}.speed = 0.5"  # so that a busy machine does not come to the end
    )
    player.settled(0)
    player.root.locator(".vl-timeline").focus()
    player.press(" ")
    player.wait_python(f"{player.name}.playing", True)
    drawn = player.root.locator(".vl-playing")
    expect(drawn).to_be_visible()
    assert drawn.bounding_box() == player.root.locator("video").bounding_box()
    samples = player.root.evaluate(
        """async (root) => {
            const read = READ_SEEN;
            const video = root.querySelector('video');
            const name = root.querySelector('.vl-row .vl-ellipsis');
            const samples = [];
            while (samples.length < 30 && !video.paused) {
                // Animation callbacks come after all video callbacks of the same rendering, so
                // this sees what is painted together.
                await new Promise((done) => {
                    video.requestVideoFrameCallback(() => requestAnimationFrame(() => done()));
                    video.addEventListener('pause', done, { once: true });
                });
                samples.push([read(root), Number(root.dataset.frame), name.textContent]);
            }
            return samples;
        }""".replace("READ_SEEN", READ_SEEN.strip())
    )
    player.press(" ")
    player.wait_python(f"{player.name}.playing", False)
    expect(drawn).to_be_hidden()
    notebook.execute_in_kernel(f"{player.name}.speed = 1")
    assert len(samples) > 20
    in_step = [pixels == frame and label == label_of(pixels) for pixels, frame, label in samples]
    assert sum(in_step) >= 0.99 * len(in_step), samples
    assert len({pixels for pixels, *_ in samples}) > 20, "it does play"
    shown = player.frame()
    player.settled(shown)
    player.wait_python(f"{player.name}.frame_index", shown)
    seen = notebook.evaluate_in_kernel("seen")
    assert len(seen) > 5
    assert seen[1:] == sorted(seen[1:]), "Python saw it go forward"


def test_python_plays_and_sets_the_time(
    players: tuple[Notebook, dict[str, PlayerOnPage]],
) -> None:
    notebook, found = players
    player = found["offset"]
    player.root.scroll_into_view_if_needed()
    notebook.execute_in_kernel(f"{player.name}.time_seconds = 7.5 + 1.01")
    player.settled(30)
    assert player.python() == 30
    notebook.execute_in_kernel(f"{player.name}.speed = 4; {player.name}.playing = True")
    player.wait_python(f"{player.name}.playing", False, tries=100)
    player.settled(NUM_FRAMES - 1)
    assert player.python() == NUM_FRAMES - 1
    assert player.root.locator(".vl-speed").input_value() == "4"


def test_going_to_a_typed_frame_and_selecting(
    players: tuple[Notebook, dict[str, PlayerOnPage]],
) -> None:
    player = players[1]["mp4"]
    player.root.scroll_into_view_if_needed()
    field = player.root.locator(".vl-frame")
    field.fill("37")
    player.press("Enter")
    player.settled(37)
    field.fill("0:01.5")
    player.press("Enter")
    player.settled(45)
    player.press("[", ".", ".", "]")
    player.settled(47)
    player.wait_python(f"{player.name}.selection", [45, 48])
    player.press("Escape")
    player.wait_python(f"{player.name}.selection", None)
    player.press("?")
    expect(player.root.locator(".vl-help")).to_be_visible()
    player.press("?")
    expect(player.root.locator(".vl-help")).to_be_hidden()


def test_keys_stay_in_the_player_and_the_pages_own_keys_work(
    players: tuple[Notebook, dict[str, PlayerOnPage]],
) -> None:
    notebook, found = players
    player = found["mp4"]
    player.root.scroll_into_view_if_needed()
    cells = notebook.page.locator(".jp-Notebook .jp-Cell").count()
    player.root.locator(".vl-timeline").click(position={"x": 20, "y": 4})
    before = notebook.page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop")
    player.press("n", "p", ",", ".", "[", "]", "Home", "End", "Home", " ", " ", "Escape")
    after = notebook.page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop")
    assert notebook.page.locator(".jp-Notebook .jp-Cell").count() == cells
    assert before == after
    # Away from the player the same keys are the page's: "b" adds a cell below.
    notebook.page.evaluate(
        "() => { const { content } = window.jupyterapp.shell.currentWidget;"
        " content.mode = 'command'; content.node.focus(); content.activate(); }"
    )
    player.press("b")
    expect(notebook.page.locator(".jp-Notebook .jp-Cell")).to_have_count(cells + 1)


def test_comparison_goes_from_disagreement_to_disagreement(
    lab: Lab, spelled: Callable[..., Path]
) -> None:
    path = spelled("mp4", num_frames=NUM_FRAMES)
    notebook = lab.open(
        lab.write_notebook(
            "comparison.ipynb",
            [
                PREPARE,
                f"v = vl.Video({str(path)!r})\n"
                "other = lambda row: 1 if row in (3, 4, 10) else 0\n"
                "c = vl.Comparison([told(v), told(v, backend='tfhub'),"
                " told(v, other, backend='litert')], video=v)\nc",
                "from vidlab.widgets import ComparisonView\nview = ComparisonView(c); view",
            ],
        )
    )
    notebook.run_all()
    expect(notebook.output(1).locator(".vidlab-player")).to_be_visible()
    player = PlayerOnPage(notebook, notebook.output(2).locator(".vidlab-player"), "view")
    player.root.scroll_into_view_if_needed()
    player.wait_ready()
    heads = player.root.locator(".vl-head")
    assert heads.all_text_contents() == ["Atorch", "Btfhub", "Clitert"]
    player.root.locator(".vl-timeline").focus()
    finder = player.root.locator(".vl-find-text")
    expect(finder).to_have_text("2 disagreements")
    player.press("n")
    player.settled(15)
    expect(finder).to_have_text("disagreement 1 of 2")
    assert [player.label(model) for model in range(3)] == ["action 3", "action 3", "action 4"]
    player.press("n")
    player.settled(50)
    player.press("n")
    player.settled(50)
    player.wait_python("view.frame_index", 50)
    player.root.get_by_role("button", name="Previous disagreement").click()
    player.settled(15)
    player.press("p")
    player.settled(15)
    assert notebook.messages == []
    notebook.close()


HOSTILE = "<img src=x onerror='window.broken=1'><script>window.broken=1</script>&amp;"


def test_hostile_labels_and_names_are_only_text(lab: Lab, spelled: Callable[..., Path]) -> None:
    path = spelled("mp4", num_frames=NUM_FRAMES)
    notebook = lab.open(
        lab.write_notebook(
            "hostile.ipynb",
            [
                PREPARE,
                f"v = vl.Video({str(path)!r}, name={HOSTILE!r})\n"
                f"labels = vl.LabelMap([{HOSTILE!r}, 'b' * 300, '\\u202egnp'])\n"
                "player = vl.Player(v, told(v, labels=labels), overlay=True); player",
            ],
        )
    )
    notebook.run_all()
    player = PlayerOnPage(notebook, notebook.output(1).locator(".vidlab-player"), "player")
    player.wait_ready()
    assert player.label() == HOSTILE
    player.root.locator(".vl-timeline").hover()
    assert notebook.page.evaluate("window.broken") is None
    assert player.root.locator("img, script").count() == 0
    rows = player.root.locator(".vl-row")
    heights = {rows.nth(i).bounding_box()["height"] for i in range(rows.count())}
    assert heights == {24}, "long labels do not make rows grow"
    box = player.root.bounding_box()
    for i in range(rows.count()):
        inner = rows.nth(i).bounding_box()
        assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 0.5
    notebook.close()


def test_waits_and_errors_are_sentences(
    lab: Lab, spelled: Callable[..., Path], tmp_path: Path
) -> None:
    slow, lost = tmp_path / "slow.mp4", tmp_path / "lost.mp4"
    shutil.copy(spelled("hevc", num_frames=NUM_FRAMES), slow)
    shutil.copy(spelled("mp4", num_frames=NUM_FRAMES), lost)
    notebook = lab.open(
        lab.write_notebook(
            "errors.ipynb",
            [
                "import time, pathlib, vidlab as vl\n"
                "from vidlab.widgets.media.segments import Transcoder\n"
                "fast = Transcoder._picture\n"
                "Transcoder._picture = lambda *args: (time.sleep(0.1), fast(*args))[1]",
                f"a = vl.Player({str(slow)!r}); a",
                f"lost = pathlib.Path({str(lost)!r})\n"
                "v = vl.Video(lost); data = lost.read_bytes()\n"
                "lost.unlink(); b = vl.Player(v); b",
            ],
        )
    )
    notebook.run_all()
    first = PlayerOnPage(notebook, notebook.output(1).locator(".vidlab-player"), "a")
    status = first.root.locator(".vl-status")
    expect(status).to_contain_text("Transcoding HEVC", timeout=10_000)
    first.wait_ready()
    expect(first.root.locator(".vl-badge")).to_have_text("transcoded from HEVC")
    expect(first.root.locator(".vl-hint")).to_contain_text("vl.predict(video")

    second = PlayerOnPage(notebook, notebook.output(2).locator(".vidlab-player"), "b")
    second.root.scroll_into_view_if_needed()
    expect(second.root.locator(".vl-status")).to_contain_text("There is no file at")
    notebook.execute_in_kernel("lost.write_bytes(data)")
    second.root.get_by_text("Try again").click()
    second.wait_ready()
    notebook.close()


def test_a_file_the_browser_refuses_is_transcoded(lab: Lab, spelled: Callable[..., Path]) -> None:
    path = spelled("hevc", num_frames=NUM_FRAMES)
    notebook = lab.open(
        lab.write_notebook(
            "refused.ipynb",
            [
                "import vidlab as vl\nfrom vidlab.widgets.media import plan\n"
                "plan._PLAYED_CODECS = plan._PLAYED_CODECS | {'hevc'}",
                f"a = vl.Player({str(path)!r}); a",
            ],
        )
    )
    notebook.run_all()
    player = PlayerOnPage(notebook, notebook.output(1).locator(".vidlab-player"), "a")
    player.wait_ready()
    expect(player.root.locator(".vl-badge")).to_have_text("transcoded from HEVC")
    notebook.close()


def test_running_a_cell_again_leaves_nothing_behind(lab: Lab, spelled: Callable[..., Path]) -> None:
    path = spelled("hevc", num_frames=NUM_FRAMES)
    notebook = lab.open(
        lab.write_notebook(
            "again.ipynb",
            [
                "import gc, glob, tempfile, threading, vidlab as vl\n"
                "from ipywidgets.widgets.widget import _instances\n"
                "tempfile.tempdir = tempfile.mkdtemp()\n"
                "def left():\n"
                "    players = [w for w in _instances.values() if isinstance(w, vl.Player)]\n"
                "    threads = [t for t in threading.enumerate() if t.name.startswith('vidlab')]\n"
                "    copies = glob.glob(tempfile.tempdir + '/vidlab-*')\n"
                "    return [len(players), len(threads), len(copies)]",
                f"player = vl.Player({str(path)!r}); player",
            ],
        )
    )
    notebook.run_all()
    player = PlayerOnPage(notebook, notebook.output(1).locator(".vidlab-player"), "player")
    player.wait_ready()
    for _ in range(4):
        notebook.run_cell(1)
        player.wait_ready()
    player.wait_python("left()", [1, 0, 0], tries=200)
    notebook.execute_in_kernel("player.close()")
    player.wait_python("left()", [0, 0, 0], tries=200)
    expect(notebook.page.locator(".vidlab-player")).to_have_count(0)
    notebook.save()
    notebook.page.wait_for_timeout(300)
    saved = (lab.folder / "again.ipynb").read_text(encoding="utf-8")
    assert len(saved) < 300_000
    assert "data:video" not in saved
    assert json.loads(saved)["cells"][1]["outputs"]
    notebook.close()


@pytest.mark.parametrize("width", [420, 1400])
def test_sizes_and_themes(width: int, lab: Lab, spelled: Callable[..., Path], request) -> None:
    path = spelled("mp4", num_frames=NUM_FRAMES)
    notebook = lab.open(
        lab.write_notebook(
            f"size-{width}.ipynb",
            [
                PREPARE,
                f"import ipywidgets\nv = vl.Video({str(path)!r})\n"
                "other = lambda row: 1 if row in (3, 4, 10) else 0\n"
                "view = vl.Player(v, [told(v), told(v, other, backend='litert')])\n"
                "ipywidgets.VBox([ipywidgets.Label('in a box'), view], "
                f"layout=dict(width='{width}px'))",
            ],
        ),
        width=max(width + 250, 700),
    )
    notebook.run_all()
    player = PlayerOnPage(notebook, notebook.output(1).locator(".vidlab-player"), "view")
    player.wait_ready()
    picture = player.root.locator("video").bounding_box()
    assert picture["width"] <= 2 * 192
    assert picture["height"] <= 2 * 144
    assert picture["width"] / picture["height"] == pytest.approx(192 / 144, rel=0.01)
    panel = player.root.locator(".vl-panel").bounding_box()
    lines = player.root.locator(".vl-lines").bounding_box()
    controls = player.root.locator(".vl-controls").bounding_box()
    assert controls["y"] >= picture["y"] + picture["height"], "nothing covers the picture"
    if width < 480:
        assert panel["y"] >= lines["y"] + lines["height"], "stacked"
        assert controls["x"] + controls["width"] <= player.root.bounding_box()["x"] + width
    else:
        assert panel["x"] >= picture["x"] + picture["width"], "side by side"
    player.root.locator(".vl-timeline").focus()
    before = player.root.bounding_box()
    player.press("n")
    player.settled(15)
    assert player.root.bounding_box() == before, "nothing moves when labels change"
    folder = Path(request.config.rootpath) / "tests" / "_artifacts"
    folder.mkdir(exist_ok=True)
    for theme in ("Light", "Dark"):
        notebook.set_theme(f"JupyterLab {theme}")
        notebook.page.wait_for_timeout(200)
        player.root.screenshot(path=folder / f"player-{theme.lower()}-{width}.png")
    assert notebook.messages == []
    notebook.close()
