"""The annotator in a real JupyterLab and Chromium: what is typed and clicked is in the file."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser_harness import Lab, Notebook, barriers
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.browser

FPS = 30
NUM_FRAMES = 60

FILES = ("segments.csv", "others.csv", "korean.csv")

SHOW = """
import vidlab as vl
LABELS = ["squat", "lunge", "jumping jacks"]
annotator = vl.Annotator("clip.mp4", LABELS, out={name!r})
annotator
"""

SHOW_KOREAN = """
import vidlab as vl
MANY = [*vl.LabelMap.named("kinetics-600")[:11], "zumba", "my own label"]
annotator = vl.Annotator("clip.mp4", MANY, out={name!r}, label_language="ko", locale="ko")
annotator
"""


@dataclass
class Marked:
    """An annotator, as a person uses it, and its file."""

    notebook: Notebook
    out: Path
    cell: int

    @property
    def root(self) -> Locator:
        return self.notebook.output(self.cell).locator(".vidlab-player")

    @property
    def part(self) -> Locator:
        return self.root.locator(".vl-annotator")

    def run(self) -> None:
        """Run its cell, and wait until the video is there."""
        self.notebook.run_cell(self.cell)
        expect(self.part).to_be_visible()
        expect(self.root.locator(".vl-status")).to_be_hidden(timeout=30_000)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.notebook.page.keyboard.press(key)

    def go_to(self, frame: int) -> None:
        """Go to a frame by its number; the focus is on the timeline then."""
        field = self.root.locator(".vl-frame")
        field.fill(str(frame))
        field.press("Enter")
        expect(self.root).to_have_attribute("data-frame", str(frame))

    def button(self, name: str) -> Locator:
        return self.part.get_by_role("button", name=name)

    def frames(self, state: str = "saved") -> list[tuple[int, int, str]]:
        """Return what the file says of the clip, in frames, once it is saved."""
        expect(self.part).to_have_attribute("data-saved", state)
        with self.out.open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["video"] == "clip.mp4"]
        found = []
        for row in rows:
            start, end = (FPS * float(row[name]) for name in ("start_seconds", "end_seconds"))
            assert (start, end) == pytest.approx((round(start), round(end)), abs=1e-3)
            found.append((round(start), round(end), row["label"]))
        return found

    def drag(self, start: int, stop: int, *, y: int = 11) -> None:
        """Drag along the timeline from one frame's start to another's."""
        timeline = self.root.locator(".vl-timeline")
        box = timeline.bounding_box()
        assert box is not None
        mouse = self.notebook.page.mouse
        mouse.move(box["x"] + start / NUM_FRAMES * box["width"], box["y"] + y)
        mouse.down()
        for share in (0.5, 1):
            frame = start + share * (stop - start)
            mouse.move(box["x"] + frame / NUM_FRAMES * box["width"], box["y"] + y)
        mouse.up()


@pytest.fixture(scope="module")
def opened(lab: Lab, spelled: Callable[..., Path]) -> Iterator[list[Marked]]:
    """A notebook with an annotator for each test, whose cells are still to be run."""
    folder = lab.folder / "annotator"
    folder.mkdir()
    shutil.copy(spelled("mp4", num_frames=NUM_FRAMES), folder / "clip.mp4")
    others = "video,start_seconds,end_seconds,label\nother.mp4,0,1,lunge\n"
    for name in FILES:
        (folder / name).write_text(others, encoding="utf-8")
    shows = (SHOW, SHOW, SHOW_KOREAN)
    cells = [show.format(name=name) for show, name in zip(shows, FILES, strict=True)]
    notebook = lab.open(lab.write_notebook("annotator/annotator.ipynb", cells), height=1100)
    yield [Marked(notebook, folder / name, cell) for cell, name in enumerate(FILES)]
    assert notebook.messages == []
    notebook.close()
    for name in FILES:
        assert "other.mp4,0,1,lunge" in (folder / name).read_text(encoding="utf-8")


def test_segments_are_marked_moved_and_there_again(opened: list[Marked]) -> None:
    marked = opened[0]
    marked.run()
    page = marked.notebook.page
    # A number starts and ends; another one ends and starts; the frame on screen counts.
    marked.go_to(3)
    marked.press("1", ".", ".")
    expect(marked.button("squat").first).to_have_attribute("aria-pressed", "true")
    expect(marked.part).to_contain_text("squat, from 00:00.100")
    marked.press("1")
    assert marked.frames() == [(3, 6, "squat")]
    marked.go_to(10)
    marked.press("2")
    marked.go_to(15)
    marked.press("3")
    assert marked.frames() == [(3, 6, "squat"), (10, 15, "lunge")]
    marked.go_to(19)
    marked.press("Enter")
    assert marked.frames()[2:] == [(15, 20, "jumping jacks")]
    marked.press("1", "Escape", "Enter")
    assert len(marked.frames()) == 3

    # A selection is labelled; over another of its label it joins it. So do buttons.
    marked.go_to(5)
    marked.press("[")
    marked.go_to(8)
    marked.press("]", "1")
    assert marked.frames()[0] == (3, 9, "squat")
    expect(marked.root.locator(".vl-foot")).not_to_contain_text("selected")
    marked.go_to(30)
    marked.button("lunge").first.click()
    marked.press(".", ".")
    marked.button("lunge").first.click()
    assert marked.frames()[3:] == [(30, 33, "lunge")]

    # Edges are dragged, not past the next one of the label; or brought to the frame on screen.
    marked.drag(33, 40)
    assert marked.frames()[3:] == [(30, 40, "lunge")]
    expect(marked.root).to_have_attribute("data-frame", "39")
    marked.drag(30, 2)
    assert marked.frames()[3:] == [(15, 40, "lunge")]
    marked.press("Control+z")
    assert marked.frames()[3:] == [(30, 40, "lunge")]
    marked.go_to(44)
    marked.press("e")
    assert marked.frames()[3:] == [(30, 45, "lunge")]
    marked.drag(37, 38)  # not an edge: this seeks
    expect(marked.root).to_have_attribute("data-frame", "38")
    assert marked.frames()[3:] == [(30, 45, "lunge")]

    # Taken away, and taken back, and that done again.
    marked.press("Delete")
    assert len(marked.frames()) == 3
    marked.press("Delete")
    expect(marked.root.locator(".vl-badge")).to_have_text("No segment is marked here.")
    marked.press("Control+z")
    assert len(marked.frames()) == 4
    marked.press("Control+Shift+z")
    assert len(marked.frames()) == 3
    marked.button("Take back").click()
    assert len(marked.frames()) == 4

    # The list goes there, gives another label, and takes away.
    row = marked.part.locator("tbody tr").nth(1)
    row.get_by_role("button", name="Go to the last frame").click()
    expect(marked.root).to_have_attribute("data-frame", "14")
    expect(row).to_have_attribute("aria-current", "true")
    row.get_by_label("Label of lunge").focus()
    row.get_by_label("Label of lunge").select_option("squat")
    assert marked.frames()[1] == (10, 15, "squat")
    expect(marked.part.get_by_label("Label of squat, 00:00.333")).to_be_focused()
    row.get_by_role("button", name="Remove squat").click()
    left = [(3, 9, "squat"), (15, 20, "jumping jacks"), (30, 45, "lunge")]
    assert marked.frames() == left
    assert page.evaluate("document.activeElement.dataset.part") == "remove"

    # Python sees the same, and says something else.
    table = "annotator.segments[['start_seconds', 'end_seconds', 'label']].values.tolist()"
    seen = marked.notebook.evaluate_in_kernel(table)
    assert [(round(FPS * a), round(FPS * b), label) for a, b, label in seen] == left
    marked.notebook.execute_in_kernel("annotator.segments = [*map(tuple, " + table + "[:2])]")
    expect(marked.part.locator("tbody tr")).to_have_count(2)
    assert marked.frames() == left[:2]
    marked.button("Take back").click()
    assert marked.frames() == left
    assert barriers(page, ".vidlab-player") == []

    # Another run shows them; so does another kernel.
    marked.run()
    expect(marked.part.locator("tbody tr")).to_have_count(3)
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    marked.run()
    expect(marked.part.locator("tbody tr")).to_have_count(3)
    marked.go_to(40)
    marked.press("Backspace")
    assert marked.frames() == left[:2]


def test_what_cannot_be_saved_is_said_and_kept(opened: list[Marked]) -> None:
    marked = opened[1]
    marked.run()
    good = marked.out.read_bytes()
    marked.out.write_text("somebody is at work here", encoding="utf-8")
    marked.go_to(3)
    marked.press("1", ".", "1")
    expect(marked.part).to_have_attribute("data-saved", "failed")
    expect(marked.part.get_by_role("alert")).to_contain_text("'others.csv' lacks the columns")
    expect(marked.part.locator("tbody tr")).to_have_count(1)
    assert marked.out.read_text(encoding="utf-8") == "somebody is at work here"
    assert barriers(marked.notebook.page, ".vidlab-player") == []
    marked.out.write_bytes(good)
    marked.button("Try again").click()
    assert marked.frames() == [(3, 5, "squat")]
    expect(marked.part.get_by_role("alert")).to_be_hidden()
    # A message that makes no sense: the page says so, and goes back to what is kept.
    marked.notebook.execute_in_kernel("annotator._labels = ('lunge',)")
    marked.press("2", "2")
    expect(marked.part.get_by_role("alert")).to_have_text("There is no label 'squat' to give.")
    expect(marked.part.locator("tbody tr")).to_have_count(1)


def test_korean_names_are_shown_and_found_and_labels_are_saved(opened: list[Marked]) -> None:
    marked = opened[2]
    marked.run()
    buttons = marked.part.locator(".vl-labels button")
    expect(buttons).to_have_count(14)  # and the file's own
    zumba = marked.button("줌바 댄스 추기")
    expect(zumba.first).to_be_visible()
    expect(marked.button("my own label").first).to_be_visible()
    field = marked.part.get_by_role("textbox", name="레이블 찾기")
    for wanted in ("줌바", "ZUM"):
        field.fill(wanted)
        expect(buttons.filter(visible=True)).to_have_count(1)
        expect(zumba).to_be_visible()
    field.press("Enter")
    expect(buttons.filter(visible=True)).to_have_count(14)
    expect(field).to_have_value("")
    expect(marked.root.locator(".vl-timeline")).to_be_focused()
    expect(marked.part).to_contain_text("줌바 댄스 추기, 00:00.000부터")
    marked.press(".", ".", "Enter")
    assert marked.frames() == [(0, 3, "zumba")]
    expect(marked.root.locator(".vl-timeline")).to_have_attribute(
        "aria-valuetext", "프레임 2, 00:00.067, 줌바 댄스 추기"
    )
    row = marked.part.locator("tbody tr")
    expect(row.get_by_label("줌바 댄스 추기, 00:00.000의 레이블")).to_have_value("zumba")
    row.locator("select").select_option(label="my own label")
    assert marked.frames() == [(0, 3, "my own label")]
    # Nothing moved since: what the frame is marked as is told all the same.
    expect(marked.root.locator(".vl-timeline")).to_have_attribute(
        "aria-valuetext", "프레임 2, 00:00.067, my own label"
    )
    field.fill("nothing like it")
    expect(buttons.filter(visible=True)).to_have_count(0)
    field.press("Escape")
    expect(buttons.filter(visible=True)).to_have_count(14)
    expect(marked.part).not_to_contain_text("zumba")
    assert barriers(marked.notebook.page, ".vidlab-player") == []
