"""Where the player is shown: Notebook 7, boxes, tabs, many at once, cells run again and again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from browser_harness import Lab, Notebook, barriers
from playwright.sync_api import Locator, expect
from test_player_browser import PREPARE, PlayerOnPage, label_of

pytestmark = pytest.mark.browser

NUM_FRAMES = 90


def ready(notebook: Notebook, root: Locator, name: str) -> PlayerOnPage:
    player = PlayerOnPage(notebook, root, name)
    root.scroll_into_view_if_needed()
    player.wait_ready()
    return player


def test_in_notebook_7(classic: Lab, spelled: Callable[..., Path]) -> None:
    path = spelled("mp4", num_frames=NUM_FRAMES)
    cells = [PREPARE, f"v = vl.Video({str(path)!r}); player = vl.Player(v, told(v)); player"]
    notebook = classic.open(classic.write_notebook("classic.ipynb", cells))
    notebook.run_all()
    player = ready(notebook, notebook.output(1).locator(".vidlab-player"), "player")
    player.root.locator(".vl-timeline").focus()
    player.press("End", ",")
    player.settled(NUM_FRAMES - 2)
    assert player.label() == label_of(NUM_FRAMES - 2)
    player.wait_python("player.frame_index", NUM_FRAMES - 2)
    notebook.execute_in_kernel("player.frame_index = 31")
    player.settled(31)
    notebook.close()


def test_inside_boxes_tabs_and_outputs(lab: Lab, spelled: Callable[..., Path]) -> None:
    path = spelled("mp4", num_frames=NUM_FRAMES)
    notebook = lab.open(
        lab.write_notebook(
            "boxes.ipynb",
            [
                f"{PREPARE}\nimport ipywidgets as w\nv = vl.Video({str(path)!r})\n"
                "a, b, c, d = (vl.Player(v, told(v)) for _ in range(4))\nout = w.Output()",
                "w.VBox([w.HBox([a, b]), w.Tab([c, w.Label('other')])])",
                "out",
                "with out:\n    display(d)",
            ],
        ),
        width=1500,
    )
    notebook.run_all()
    inside = notebook.output(1).locator(".vidlab-player")
    expect(inside).to_have_count(3)
    for number, name in enumerate("abc"):
        player = ready(notebook, inside.nth(number), name)
        notebook.execute_in_kernel(f"{name}.frame_index = {20 + number}")
        player.settled(20 + number)
    widths = [inside.nth(number).bounding_box()["width"] for number in range(2)]
    assert widths[0] == pytest.approx(widths[1], abs=2), "two share the row"
    assert widths[0] > 300
    player = ready(notebook, notebook.output(2).locator(".vidlab-player"), "d")
    notebook.execute_in_kernel("d.frame_index = 44")
    player.settled(44)
    notebook.close()


def test_ten_players_in_one_notebook(lab: Lab, spelled: Callable[..., Path]) -> None:
    kinds = ["mp4", "vfr", "avi", "gif", "webm"] * 2
    cells = [PREPARE]
    for number, kind in enumerate(kinds):
        path = spelled(kind, num_frames=NUM_FRAMES)
        cells.append(f"v = vl.Video({str(path)!r}); p{number} = vl.Player(v, told(v)); p{number}")
    notebook = lab.open(lab.write_notebook("ten.ipynb", cells))
    notebook.run_all()
    for number in range(len(kinds)):
        root = notebook.output(number + 1).locator(".vidlab-player")
        player = ready(notebook, root, f"p{number}")
        notebook.execute_in_kernel(f"p{number}.frame_index = {70 - number}")
        player.settled(70 - number)
        assert player.label() == label_of(70 - number)
    assert notebook.messages == []
    notebook.close()


def test_two_views_of_one_player_and_closing_one(lab: Lab, spelled: Callable[..., Path]) -> None:
    path = spelled("mp4", num_frames=NUM_FRAMES)
    make = f"v = vl.Video({str(path)!r}); player = vl.Player(v, told(v)); player"
    notebook = lab.open(lab.write_notebook("views.ipynb", [PREPARE, make, "player"]))
    notebook.run_all()
    first = ready(notebook, notebook.output(1).locator(".vidlab-player"), "player")
    second = ready(notebook, notebook.output(2).locator(".vidlab-player"), "player")
    second.root.locator(".vl-timeline").focus()
    second.press("End")
    second.settled(NUM_FRAMES - 1)
    first.settled(NUM_FRAMES - 1)
    first.root.locator(".vl-timeline").focus()
    first.press("Home")
    second.settled(0)
    assert notebook.messages == []
    notebook.close()


def test_running_a_cell_twenty_times_leaks_nothing(lab: Lab, spelled: Callable[..., Path]) -> None:
    path = spelled("avi", num_frames=NUM_FRAMES)
    notebook = lab.open(
        lab.write_notebook(
            "twenty.ipynb",
            [
                f"{PREPARE}\nimport threading\nfrom ipywidgets.widgets.widget import _instances\n"
                "def left():\n"
                "    players = [w for w in _instances.values() if isinstance(w, vl.Player)]\n"
                "    return [len(players), threading.active_count()]",
                f"v = vl.Video({str(path)!r}); player = vl.Player(v, told(v)); player",
            ],
        )
    )
    notebook.run_all()
    player = ready(notebook, notebook.output(1).locator(".vidlab-player"), "player")

    def run(times: int) -> None:
        for _ in range(times):
            notebook.run_cell(1)
            player.wait_ready()

    def heap_bytes() -> int:
        session = notebook.page.context.new_cdp_session(notebook.page)
        session.send("HeapProfiler.collectGarbage")
        return int(session.send("Runtime.getHeapUsage")["usedSize"])

    run(3)  # what is kept once, is there now
    wait_rest(player)
    threads, heap = player.notebook.evaluate_in_kernel("left()")[1], heap_bytes()
    run(20)
    wait_rest(player)
    players, now = notebook.evaluate_in_kernel("left()")
    assert players == 1
    assert now <= threads
    assert heap_bytes() - heap < 20e6
    notebook.close()


def wait_rest(player: PlayerOnPage) -> None:
    """Wait until no thread of a player works any more."""
    player.wait_python(
        "any(t.name.startswith('vidlab') for t in threading.enumerate())", False, tries=200
    )


def test_a_korean_browser_gets_korean_texts(lab: Lab, spelled: Callable[..., Path]) -> None:
    path = spelled("mp4", num_frames=NUM_FRAMES)
    cells = [f"import vidlab as vl\np = vl.Player({str(path)!r}); p"]
    notebook = lab.open(lab.write_notebook("korean.ipynb", cells), locale="ko-KR")
    notebook.run_all()
    assert notebook.page.evaluate("document.documentElement.lang") == "en", "JupyterLab's default"
    root = notebook.output(0).locator(".vidlab-player")
    expect(root.get_by_role("button", name="재생 (스페이스)")).to_be_visible()
    notebook.execute_in_kernel("p.locale = 'en'")
    expect(root.get_by_role("button", name="Play (space)")).to_be_visible()
    notebook.close()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_no_barriers(theme: str, lab: Lab, spelled: Callable[..., Path]) -> None:
    path = spelled("mp4", num_frames=NUM_FRAMES)
    notebook = lab.open(
        lab.write_notebook(
            f"axe-{theme}.ipynb",
            [
                PREPARE,
                f"v = vl.Video({str(path)!r})\n"
                "other = lambda row: 1 if row in (3, 4, 10) else 0\n"
                "a = vl.Player(v, [told(v), told(v, other, backend='litert')], overlay=True); a",
                "b = vl.Player(v, told(v)); b",
                "c = vl.Player(v); c",
            ],
        )
    )
    notebook.set_theme(f"JupyterLab {theme}")
    notebook.run_all()
    for number, name in enumerate("abc"):
        player = ready(notebook, notebook.output(number + 1).locator(".vidlab-player"), name)
        player.root.locator(".vl-timeline").focus()
        player.press("?")
        assert barriers(notebook.page, ".vidlab-player") == []
    notebook.close()
