"""The player's waiting times in a real JupyterLab and Chromium: seeks, and an hour-long video.

A seek's peer, in the same run and page, is a bare ``<video>`` that holds a whole playable file
of the same frames: what the browser itself takes. Times are from the wish to the wanted frame's
pixels on screen, as `requestVideoFrameCallback` tells it::

    .venv/bin/python benchmarks/player.py [--no-hour]
"""

from __future__ import annotations

import argparse
import base64
import platform
import random
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser_harness import CHROMIUM_FLAGS, Lab, find_chromium, serve  # noqa: E402
from synthetic import KINDS, make_hour, make_video  # noqa: E402

SEEK_KINDS = ("mp4", "vfr", "offset", "rotated-90", "avi", "gif")
NUM_FRAMES = 600
NUM_SEEKS = 20
GOAL_CACHED_MS, GOAL_UNCACHED_MS, GOAL_HOUR_MS = 100, 400, 1500

SEEK = """
async (root, frame) => {
    const field = root.querySelector('.vl-frame');
    const from = performance.now();
    field.value = String(frame);
    field.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
    while (Number(root.dataset.frame) !== frame) {
        if (performance.now() - from > 20000) throw new Error(`frame ${frame} never came`);
        await new Promise((done) => setTimeout(done, 1));
    }
    return performance.now() - from;
}
"""

PEER = """
async ([data, times]) => {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    const video = document.createElement('video');
    document.body.append(video);
    video.src = URL.createObjectURL(new Blob([bytes], { type: 'video/mp4' }));
    await new Promise((done) => video.addEventListener('loadeddata', done, { once: true }));
    const taken = [];
    for (const time of times) {
        const from = performance.now();
        const shown = new Promise((done) => video.requestVideoFrameCallback(done));
        video.currentTime = time;
        await shown;
        taken.push(performance.now() - from);
    }
    video.remove();
    return taken;
}
"""


def main() -> int:
    """Measure and print; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-hour", action="store_true", help="leave the hour-long video out")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        (folder / "notebooks").mkdir()
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=list(CHROMIUM_FLAGS)
        )
        try:
            with serve(folder / "notebooks", folder / "home") as (url, token):
                lab = Lab(url, token, folder / "notebooks", browser)
                missed = seeks(lab, folder)
                if not options.no_hour:
                    missed += hour(lab, folder)
        finally:
            browser.close()
    print(f"missed: {', '.join(missed)}" if missed else "every goal was met")
    return 1 if missed else 0


def seeks(lab: Lab, folder: Path) -> list[str]:
    """Seek to frames far apart, twice: the first time their segments are not there yet."""
    cells = ["import vidlab as vl\nfrom vidlab.widgets.media import plan\nplan.WHOLE_BYTES = 0"]
    for kind in SEEK_KINDS:
        path = folder / f"{kind}{KINDS[kind].suffix}"
        make_video(path, kind=kind, num_frames=NUM_FRAMES, size=(640, 480))
        cells.append(f"vl.Player({str(path)!r})")
    notebook = lab.open(lab.write_notebook("seeks.ipynb", cells))
    notebook.run_all()
    chance = random.Random(5)
    frames = [chance.randrange(NUM_FRAMES) for _ in range(NUM_SEEKS)]
    peer = _peer(notebook.page, folder / "mp4.mp4", frames)
    print(f"\nseeks in {NUM_FRAMES} frames of 640x480, median ms; bare <video>: {peer:.0f} ms")
    first: list[float] = []
    again: list[float] = []
    for number, kind in enumerate(SEEK_KINDS):
        root = notebook.output(number + 1).locator(".vidlab-player")
        root.scroll_into_view_if_needed()
        root.locator(".vl-status").wait_for(state="hidden", timeout=60_000)
        uncached = [root.evaluate(SEEK, frame) for frame in frames]
        cached = [root.evaluate(SEEK, frame) for frame in frames]
        first += uncached
        again += cached
        a, b = statistics.median(uncached), statistics.median(cached)
        print(
            f"  {kind:12} uncached {a:6.0f} ({a / peer:.1f}x)   cached {b:6.0f} ({b / peer:.1f}x)"
        )
    notebook.close()
    a, b = statistics.median(first), statistics.median(again)
    print(f"  all          uncached {a:6.0f} (goal {GOAL_UNCACHED_MS})   "
          f"cached {b:6.0f} (goal {GOAL_CACHED_MS})")  # fmt: skip
    return ["uncached seek"] * (a > GOAL_UNCACHED_MS) + ["cached seek"] * (b > GOAL_CACHED_MS)


def _peer(page: Any, path: Path, frames: list[int]) -> float:
    data = base64.b64encode(path.read_bytes()).decode()
    times = [(frame + 0.5) / 30 for frame in frames]
    return float(statistics.median(page.evaluate(PEER, [data, times])))


def hour(lab: Lab, folder: Path) -> list[str]:
    """Open an hour of 1080p, from the run of the cell to the first picture; seek far on."""
    path = folder / "hour.mp4"
    make_hour(path)
    print(f"\n60 minutes of 1080p H.264, {path.stat().st_size / 1e6:.0f} MB, cached by the system")
    cells = ["import vidlab as vl", f"player = vl.Player({str(path)!r}); player"]
    notebook = lab.open(lab.write_notebook("hour.ipynb", cells))
    notebook.run_cell(0)
    picture, playable = notebook.page.evaluate(
        """async () => {
            const { content } = window.jupyterapp.shell.currentWidget;
            content.activeCellIndex = 1;
            const from = performance.now();
            let picture = null;
            window.jupyterapp.commands.execute('notebook:run-cell');
            for (;;) {
                const root = document.querySelector('.vidlab-player');
                const { poster } = root?.querySelector('video') ?? {};
                const ready = root?.dataset.frame === '0';
                if (picture === null && (poster || ready)) {
                    // Frame 0 as JPEG counts once it is decoded and painted.
                    if (!ready) await Object.assign(new Image(), { src: poster }).decode();
                    await new Promise((done) => requestAnimationFrame(done));
                    picture = performance.now() - from;
                }
                if (ready) return [picture, performance.now() - from];
                if (performance.now() - from > 60000) throw new Error('no picture in a minute');
                await new Promise((done) => setTimeout(done, 5));
            }
        }"""
    )
    root = notebook.output(1).locator(".vidlab-player")
    far = root.evaluate(SEEK, 50 * 60 * 25)
    print(f"  first picture {picture:.0f} ms, playable {playable:.0f} ms, seek to 50 minutes "
          f"{far:.0f} ms (goal {GOAL_HOUR_MS} each)")  # fmt: skip
    notebook.close()
    return ["first picture"] * (picture > GOAL_HOUR_MS) + ["far seek"] * (far > GOAL_HOUR_MS)


if __name__ == "__main__":
    raise SystemExit(main())
