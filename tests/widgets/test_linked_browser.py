"""Linked players on one page, in real Chromium: they move, play and pause together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from browser_harness import Lab
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

FRAME_SECONDS = 1 / 30
OFFSET_FRAMES = 15


def test_linked_players_move_play_and_stop_together(lab: Lab, spelled: Callable[..., Path]) -> None:
    path = spelled("mp4", num_frames=300)
    notebook = lab.open(
        lab.write_notebook(
            "linked.ipynb",
            [
                f"import vidlab as vl\na = vl.Player({str(path)!r})\nb = vl.Player({str(path)!r})\n"
                "a.link(b, offset_seconds=0.5)\nimport ipywidgets\nipywidgets.VBox([a, b])",
            ],
        )
    )
    notebook.run_all()
    roots = notebook.output(0).locator(".vidlab-player")
    first, second = roots.nth(0), roots.nth(1)
    for root in (first, second):
        expect(root.locator(".vl-status")).to_be_hidden(timeout=30_000)
    first.locator(".vl-timeline").focus()
    for _ in range(3):
        notebook.page.keyboard.press(".")
    expect(first).to_have_attribute("data-frame", "3")
    expect(second).to_have_attribute("data-frame", str(3 + OFFSET_FRAMES))

    notebook.page.keyboard.press(" ")
    gaps = notebook.page.evaluate(
        """async () => {
            const [a, b] = document.querySelectorAll('.vidlab-player video');
            const wait = (ms) => new Promise((done) => setTimeout(done, ms));
            while (a.currentTime < 1.5) await wait(50);  // both run, and have found together
            const gaps = [];
            for (let at = 0; at < 30; at++) {
                await wait(50);
                gaps.push(b.currentTime - a.currentTime);
            }
            return gaps;
        }"""
    )
    off = sorted(abs(gap - OFFSET_FRAMES * FRAME_SECONDS) for gap in gaps)
    assert off[len(off) // 2] < FRAME_SECONDS, gaps
    notebook.page.keyboard.press(" ")
    for root in (first, second):
        notebook.page.wait_for_function(
            "(video) => video.paused", arg=root.locator("video").element_handle()
        )
    # Once all is at rest they show what goes together, on the page and in Python.
    notebook.page.wait_for_function(
        f"""() => {{
            const [a, b] = [...document.querySelectorAll('.vidlab-player')]
                .map((root) => Number(root.dataset.frame));
            return b - a === {OFFSET_FRAMES};
        }}"""
    )
    shown = int(first.get_attribute("data-frame") or -1)
    for _ in range(40):
        told = notebook.evaluate_in_kernel("[a.frame_index, b.frame_index, a.playing, b.playing]")
        if told == [shown, shown + OFFSET_FRAMES, False, False]:
            break
        notebook.page.wait_for_timeout(50)
    assert told == [shown, shown + OFFSET_FRAMES, False, False]
    assert notebook.messages == []
    notebook.close()
