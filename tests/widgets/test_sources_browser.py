"""Videos that are not simply a good file on disk, in a real JupyterLab: from the web, damaged."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browser_harness import Lab, Notebook
from playwright.sync_api import expect
from test_player_browser import PREPARE, PlayerOnPage, label_of

import vidlab as vl

pytestmark = pytest.mark.browser

NUM_FRAMES = 300

NO_PROXY = """
import os
for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ.pop(name, None)
"""


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def web(spelled: Callable[..., Path]) -> Iterator[str]:
    """The address of a video on a web server."""
    path = spelled("mp4", num_frames=NUM_FRAMES)
    handler = partial(Handler, directory=str(path.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{path.name}"
        server.shutdown()
        thread.join()


def open_player(lab: Lab, name: str, source: str) -> tuple[Notebook, PlayerOnPage]:
    cells = [
        PREPARE + NO_PROXY,
        f"v = vl.Video({source!r}); p = vl.Player(v, told(v), truth='action 1'); p",
    ]
    notebook = lab.open(lab.write_notebook(f"{name}.ipynb", cells))
    notebook.run_all()
    player = PlayerOnPage(notebook, notebook.output(1).locator(".vidlab-player"), "p")
    player.wait_ready()
    return notebook, player


def test_a_video_on_the_web_plays_frame_by_frame(lab: Lab, web: str) -> None:
    notebook, player = open_player(lab, "web", web)
    player.root.locator(".vl-timeline").focus()
    player.press("End", ",")
    player.settled(NUM_FRAMES - 2)
    assert player.label() == label_of(NUM_FRAMES - 2)
    for frame in (150, 7, 222):
        notebook.execute_in_kernel(f"p.frame_index = {frame}")
        player.settled(frame)
    player.press(" ")
    player.wait_python("p.frame_index > 230", True)
    player.press(" ")
    assert notebook.messages == []
    notebook.close()


def test_a_damaged_file_shows_its_good_frames_and_says_so(
    lab: Lab, spelled: Callable[..., Path], tmp_path: Path
) -> None:
    path = tmp_path / "damaged.mkv"
    data = bytearray(spelled("vfr-mkv", num_frames=NUM_FRAMES).read_bytes())
    begin = len(data) * 6 // 10
    data[begin : begin + len(data) // 4] = bytes(len(data) // 4)
    path.write_bytes(data)
    num_good = 0
    with contextlib.suppress(vl.VidlabError):
        for _ in vl.Video(path):
            num_good += 1
    assert 0 < num_good < NUM_FRAMES
    notebook, player = open_player(lab, "damaged", str(path))
    player.root.locator(".vl-timeline").focus()
    player.press("End")
    player.settled(num_good - 1)
    notice = player.root.locator(".vl-notice")
    expect(notice).to_contain_text(f"damaged at frame {num_good}")
    expect(notice).to_contain_text(f"frames 0 to {num_good - 1} are good")
    expect(player.root.locator(".vl-controls")).to_contain_text(f"/ {num_good}")
    expect(player.root.locator(".vl-timeline")).to_have_attribute(
        "aria-valuemax", str(num_good - 1)
    )
    expect(player.root.locator(".vl-timeline")).to_have_attribute("data-shown", "1")
    assert player.label() == label_of(num_good - 1)
    player.press(",")
    player.settled(num_good - 2)
    notebook.close()
