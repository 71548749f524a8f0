"""What Python calls frame i is the picture on screen: hundreds of seeks, playing, an hour."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser_harness import Lab, Notebook
from playwright.sync_api import expect
from synthetic import make_hour
from test_player_browser import PREPARE, READ_SEEN, PlayerOnPage, label_of

import vidlab as vl

pytestmark = pytest.mark.browser

NUM_FRAMES = 300
NUM_SEEKS = 300
NUM_STEPS = 100
KINDS = ("mp4", "vfr", "offset", "rotated-90", "avi", "gif")

# Goes to a frame as a person does who types its number, and waits until it says it is there.
GO_TO = """
async (root, frame) => {
    const read = READ_SEEN;
    const field = root.querySelector('.vl-frame');
    field.value = String(frame);
    field.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
    const until = performance.now() + 10000;
    while (Number(root.dataset.frame) !== frame && performance.now() < until)
        await new Promise((done) => setTimeout(done, 2));
    return read(root);
}
""".replace("READ_SEEN", READ_SEEN.strip())


@pytest.fixture(scope="module")
def players(
    lab: Lab, spelled: Callable[..., Path]
) -> Iterator[tuple[Notebook, dict[str, PlayerOnPage]]]:
    """A player for each kind of file; none goes to the page whole."""
    cells = [f"{PREPARE}\nfrom vidlab.widgets.media import plan\nplan.WHOLE_BYTES = 0"]
    for number, kind in enumerate(KINDS):
        path = spelled(kind, num_frames=NUM_FRAMES)
        cells.append(f"v = vl.Video({str(path)!r}); p{number} = vl.Player(v, told(v)); p{number}")
    notebook = lab.open(lab.write_notebook("exact.ipynb", cells))
    notebook.run_all()
    found = {
        kind: PlayerOnPage(
            notebook, notebook.output(number + 1).locator(".vidlab-player"), f"p{number}"
        )
        for number, kind in enumerate(KINDS)
    }
    yield notebook, found
    assert notebook.messages == []
    notebook.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_seek_and_every_step_is_exact(
    kind: str, players: tuple[Notebook, dict[str, PlayerOnPage]]
) -> None:
    player = players[1][kind]
    player.root.scroll_into_view_if_needed()
    player.wait_ready()
    chance = random.Random(f"seek {kind}")
    wanted = [chance.randrange(NUM_FRAMES) for _ in range(NUM_SEEKS // len(KINDS))]
    assert [player.root.evaluate(GO_TO, frame) for frame in wanted] == wanted

    start = chance.randrange(NUM_FRAMES - NUM_STEPS)
    assert player.root.evaluate(GO_TO, start) == start
    player.root.locator(".vl-timeline").focus()
    for frame in range(start + 1, start + 1 + NUM_STEPS // len(KINDS) + 1):
        player.press(".")
        player.settled(frame)
        assert player.label() == label_of(frame)
    player.wait_python(f"{player.name}.frame_index", player.frame())


def test_ten_seconds_of_playing_stay_in_step(
    players: tuple[Notebook, dict[str, PlayerOnPage]],
) -> None:
    player = players[1]["mp4"]
    player.root.scroll_into_view_if_needed()
    expect(player.root.locator(".vl-status")).to_be_hidden(timeout=30_000)
    player.root.locator(".vl-timeline").focus()
    player.press("Home")
    player.settled(0)
    player.press(" ")
    samples = player.root.evaluate(
        """async (root) => {
            const read = READ_SEEN;
            const video = root.querySelector('video');
            const name = root.querySelector('.vl-row .vl-ellipsis');
            const samples = [];
            const until = performance.now() + 10000;
            while (performance.now() < until && !video.ended) {
                await new Promise((done) => requestAnimationFrame(done));
                samples.push([read(root), Number(root.dataset.frame), name.textContent]);
            }
            return samples;
        }""".replace("READ_SEEN", READ_SEEN.strip())
    )
    assert len({pixels for pixels, *_ in samples}) > 50, "it does play"
    in_step = [pixels == frame and label == label_of(pixels) for pixels, frame, label in samples]
    assert sum(in_step) >= 0.99 * len(in_step), [
        s for s, ok in zip(samples, in_step, strict=True) if not ok
    ]


def test_an_hour_of_1080p(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "hour.mp4"
    make_hour(path)
    notebook = lab.open(
        lab.write_notebook(
            "hour.ipynb",
            [
                f"{PREPARE}\nimport os, resource\n"
                "def resident():\n"
                "    pages = int(open('/proc/self/statm').read().split()[1])\n"
                "    return pages * os.sysconf('SC_PAGESIZE')\n"
                f"small = vl.Player(vl.Video({str(path)!r}).source); before = resident()",
                f"v = vl.Video({str(path)!r}); player = vl.Player(v); player",
            ],
        )
    )
    notebook.run_all()
    player = PlayerOnPage(notebook, notebook.output(1).locator(".vidlab-player"), "player")
    player.wait_ready()
    field = player.root.locator(".vl-frame")
    for frame in (50 * 60 * 25 + 137, 3, 88_888, 45_000, 89_999):
        field.fill(str(frame))
        player.press("Enter")
        expect(player.root).to_have_attribute("data-frame", str(frame), timeout=10_000)
        assert player.pixels() == frame % 750
    player.root.locator(".vl-timeline").focus()
    player.press("Home", " ")
    expect(player.root).to_have_attribute("data-frame", re.compile(r"^[2-9]\d$"), timeout=20_000)
    player.press(" ")
    assert notebook.evaluate_in_kernel("resident() - before") < 150e6
    notebook.save()
    notebook.page.wait_for_timeout(500)
    assert (lab.folder / "hour.ipynb").stat().st_size < 300_000
    notebook.close()


def test_the_last_frame_of_a_file_whose_header_ends_before_it(
    lab: Lab, spelled: Callable[..., Path]
) -> None:
    path = spelled("vfr")
    video = vl.Video(path)
    assert video.stated_duration_seconds is not None
    assert video.stated_duration_seconds <= video.pts_seconds[-1]  # else this tests nothing
    notebook = lab.open(
        lab.write_notebook("early.ipynb", [PREPARE, f"p = vl.Player(vl.Video({str(path)!r})); p"])
    )
    notebook.run_all()
    player = PlayerOnPage(notebook, notebook.output(1).locator(".vidlab-player"), "p")
    player.wait_ready()
    player.root.locator(".vl-timeline").focus()
    player.press("End")
    player.settled(59)
    assert player.pixels() == 59
    notebook.close()
