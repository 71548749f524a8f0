"""The pictures in docs/: taken here, of the real widgets in JupyterLab, to be looked at.

They go to tests/_artifacts; ``pytest -k docs_pictures --update-docs`` renews those in docs/.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser_harness import Lab
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
MOST_BYTES = 120_000

PREPARE = """
import os
os.environ["VIDLAB_MODELS"] = {mirror!r}
import ipywidgets, vidlab as vl
video = vl.Video({video!r})
both = vl.compare(
    video, [vl.load_model("movinet-a0-stream", backend=name) for name in ("torch", "litert")]
)
"""
SHOW = """
truth = [(0.4, video.duration_seconds, "jumping jacks")]
view = vl.Player(video, both.predictions, truth=truth, locale={locale!r})
ipywidgets.VBox([view], layout=dict(width="{width}px"))
"""


@dataclass(frozen=True)
class Shot:
    name: str
    width: int
    theme: str = "JupyterLab Light"
    locale: str | None = None
    says: str = "Play (space)"


SHOTS = (
    Shot("player", 1000),
    Shot("player-dark", 1000, theme="JupyterLab Dark"),
    Shot("player-narrow", 400),
    Shot("player-korean", 1000, locale="ko", says="재생 (스페이스)"),
)


def test_docs_pictures_are_what_the_widgets_look_like(
    lab: Lab, mirror: Path, pytestconfig: pytest.Config
) -> None:
    prepare = PREPARE.format(mirror=str(mirror), video=str(ROOT / "data" / "jumping_jacks.mp4"))
    cells = [prepare, *(SHOW.format(locale=shot.locale, width=shot.width) for shot in SHOTS)]
    notebook = lab.open(lab.write_notebook("docs.ipynb", cells), width=1300, height=1500)
    notebook.run_all()
    for cell, shot in enumerate(SHOTS, start=1):
        notebook.set_theme(shot.theme)
        root = notebook.output(cell).locator(".vidlab-player")
        expect(root.locator(".vl-status")).to_be_hidden(timeout=30_000)
        field = root.locator(".vl-frame")
        field.fill("58")
        field.press("Enter")
        expect(root).to_have_attribute("data-frame", "58")
        expect(root.get_by_role("button", name=shot.says, exact=True)).to_be_visible()
        overhang = root.evaluate("(root) => root.scrollWidth - root.clientWidth")
        assert overhang <= 0, f"{shot.name} is wider than its cell"
        field.blur()
        notebook.page.mouse.move(0, 0)
        path = ROOT / "tests" / "_artifacts" / f"{shot.name}.png"
        path.parent.mkdir(exist_ok=True)
        root.screenshot(path=path, animations="disabled")
        # A palette of 256 colours looks the same here at a third of the size.
        Image.open(path).convert("RGB").quantize(256).save(path, optimize=True)
        assert path.stat().st_size < MOST_BYTES
        if pytestconfig.getoption("--update-docs"):
            shutil.copy(path, ROOT / "docs" / path.name)
        assert (ROOT / "docs" / path.name).stat().st_size < MOST_BYTES
    assert notebook.messages == []
    notebook.close()
