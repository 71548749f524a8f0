"""A player as one HTML file: what is in it, how large it is, and that it plays by itself."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from synthetic import read_barcode
from test_player_browser import READ_PIXELS

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.widgets import Player
from vidlab.widgets.page import save_html


def kept(path: Path) -> dict[str, Any]:
    script = r'<script type="application/json" id="kept-0">(.*?)</script>'
    found = re.search(script, path.read_text())
    assert found is not None
    return json.loads(found[1])


def movie(path: Path) -> tuple[dict[str, Any], bytes]:
    answers = kept(path)["answers"]
    return answers["open"]["result"], base64.b64decode(answers["read"]["buffers"][0])


def test_what_plays_goes_in_as_it_is(spelled, tmp_path: Path) -> None:
    path = save_html(Player(spelled("mp4")), tmp_path / "page.html", max_mb=20)
    facts, data = movie(path)
    assert facts["how"] == "direct"
    assert data == spelled("mp4").read_bytes()
    assert facts["num_bytes"] == len(data)
    assert "as it was" in path.read_text()


@pytest.mark.parametrize("kind", ["avi", "offset", "rotated-90", "vfr-mkv"])
def test_the_rest_is_encoded_with_every_frame_in_its_place(kind, spelled, tmp_path: Path) -> None:
    source = vl.Video(spelled(kind))
    path = save_html(Player(source), tmp_path / "page.html", max_mb=5)
    facts, data = movie(path)
    assert (facts["how"], facts["delivery"]) == ("transcode", "whole")
    assert facts["why"]
    made = vl.Video(data)
    assert [read_barcode(frame.rgb) for frame in made] == list(range(60))
    np.testing.assert_allclose(
        made.pts_seconds, source.pts_seconds - facts["offset_seconds"], atol=1e-3
    )
    times = base64.b64decode(kept(path)["answers"]["open"]["buffers"][0])
    np.testing.assert_array_equal(np.frombuffer(times), source.pts_seconds)


@pytest.fixture
def noisy(tmp_path: Path) -> vl.Video:
    """Four seconds that are hard to compress, 1.5 MB or so."""
    from vidlab.video.writer import VideoWriter

    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    with (
        (tmp_path / "noisy.mp4").open("w+b") as stream,
        VideoWriter(
            stream, times=np.arange(40) / 10, end_seconds=4, width=640, height=480
        ) as writer,
    ):
        for number in range(40):
            writer.add(np.roll(noise, 9 * number, axis=0))
    return vl.Video(tmp_path / "noisy.mp4")


@pytest.mark.parametrize("max_mb", [1.0, 0.4])
def test_what_is_too_large_is_made_to_fit(max_mb: float, noisy: vl.Video, tmp_path: Path) -> None:
    assert Path(noisy.source).stat().st_size > max_mb * 1e6
    path = save_html(Player(noisy), tmp_path / "page.html", max_mb=max_mb)
    assert path.stat().st_size <= max_mb * 1e6
    facts, data = movie(path)
    made = vl.Video(data)
    assert made.num_frames == 40
    assert facts["scaled"] == (made.width < 640)
    assert (facts["coded_width"], facts["coded_height"]) == (made.width, made.height)
    assert f"{made.width} × {made.height} px" in path.read_text()


def test_what_cannot_fit_says_what_would_do(noisy: vl.Video, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    with pytest.raises(OptionError, match=r"does not fit into 0\.1 MB.*max_mb=1 or more"):
        save_html(Player(noisy), target, max_mb=0.1)
    assert not target.exists()
    assert save_html(Player(noisy), target, max_mb=1).exists()


@pytest.mark.parametrize(
    ("name", "max_mb", "message"),
    [
        ("page.txt", 20, r"writes a \.html file"),
        ("page.html", 0, "max_mb must be a number of megabytes above 0"),
        ("page.html", "20", "max_mb must be a number of megabytes above 0"),
        ("page.html", float("inf"), "max_mb must be a number of megabytes above 0"),
    ],
)
def test_wrong_options_are_refused(name, max_mb, message, spelled, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=message):
        save_html(Player(spelled("mp4")), tmp_path / name, max_mb=max_mb)
    assert list(tmp_path.iterdir()) == []


def test_names_cannot_end_the_script(spelled, predict_ids, tmp_path: Path) -> None:
    video = vl.Video(spelled("mp4"), name="</script><b>x.mp4")
    labels = ["</script><script>alert(1)</script>", "b"]
    player = Player(video, predict_ids(video, [0, 1], labels=labels))
    text = save_html(player, tmp_path / "page.html", max_mb=20).read_text()
    assert "alert(1)</script>" not in text
    assert "<b>x.mp4" not in text
    assert kept(tmp_path / "page.html")["state"]["_info"]["name"] == video.name


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["mp4", "vfr", "avi", "offset"])
def test_it_scrubs_and_plays_without_kernel_and_network(
    kind: str,
    chromium: Browser,
    spelled: Callable[..., Path],
    predict_ids: Callable[..., Any],
    tmp_path: Path,
) -> None:
    video = vl.Video(spelled(kind))
    player = Player(video, predict_ids(video, [0, 1, 2, 3] * 3), truth="action 2", locale="en")
    path = save_html(player, tmp_path / "page.html", max_mb=5)
    context = chromium.new_context(offline=True)
    page: Page = context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(path.as_uri())
    root = page.locator(".vidlab-player")
    expect(root).to_have_attribute("data-frame", "0", timeout=15_000)
    root.focus()
    for key, frame in ((".", 1), (".", 2), (",", 1), ("End", 59), ("Home", 0)):
        page.keyboard.press(key)
        expect(root).to_have_attribute("data-frame", str(frame), timeout=5000)
        assert root.locator("video").evaluate(READ_PIXELS) == frame
    page.keyboard.press(" ")
    expect(root).to_have_attribute("data-frame", "59", timeout=60_000)
    assert root.locator("video").evaluate(READ_PIXELS) == 59
    assert messages == []
    context.close()
