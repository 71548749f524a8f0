"""docs/odd.md: what becomes of hard and broken files, on every way into vidlab.

``pytest -k odd_outcomes --update-docs`` renews it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import odd_outcomes
import pytest
from browser_harness import Lab, Notebook
from odd_outcomes import Outcome
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

PAGE = Path(__file__).parents[1] / "docs" / "odd.md"
MAX_BYTES = 1 << 30
TIMEOUT_MS = 30_000

# In our words, after the files' own story.
WHAT = {
    "dali_cfr.mpeg": "H.264 in an MPEG program stream; most frames have no timestamp",
    "decord_corrupted.mp4": "damaged in the middle: frame 28 of 50 cannot be decoded",
    "decord_video_0.mov": "three frames",
    "decord_video_90.mov": "stored turned by 90°",
    "imageio_newtonscradle.gif": "a GIF whose frames are shown for unequal times",
    "img_grace_hopper.bmp": "a still picture",
    "mmpose_sk_depth.avi": "depth pictures, Motion JPEG in AVI",
    "moviepy_-video-with-dash-.mp4": "one pixel, one frame a second, and dashes in its name",
    "moviepy_bitmap.mp4": "one pixel, one frame a second",
    "moviepy_no_duration.webm": "VP9 whose header states neither duration nor frame count",
    "moviepy_transparent.webm": "VP9 with transparency",
    "moviepy_video_with_failing_audio.mp4": "damaged sound",
    "phpffmpeg_Test.ogv": "Theora in Ogg, no frame count",
    "phpffmpeg_WrongFile.mp4": "48 bytes: the head of an MP4",
    "phpffmpeg_sample.3gp": "MPEG-4 part 2, 176x144",
    "streamio_awesome_movie.mov": "a variable rate",
    "streamio_broken.mp4": "cut off before its index",
    "streamio_empty.flv": "13 bytes: the head of an FLV",
    "streamio_vertical_video_from_iphone.mov": "HEVC held upright, with three tracks of data",
    "streamio_weird_aspect.small.mpg": "MPEG-1, pixels of 64:45, starts at 0.22 s, cut off",
    "torchcodec_av1_video.mkv": "AV1 in Matroska",
    "torchcodec_h264_10bits.mp4": "H.264 of 10 bits",
    "torchcodec_h265_10bits.mp4": "HEVC of 10 bits",
    "torchcodec_nasa_13013.mp4": "two tracks of pictures, two of sound, two of subtitles",
    "torchcodec_var_fps_video.mp4": "frames 33, 67 and 533 ms apart",
}

HEAD = """# Hard and broken files

What becomes of 25 files that other projects keep for their tests, on every way into vidlab.
`tests/test_odd_outcomes.py` writes this page, and fails where something else happens; it also
fails where a file takes a minute, a process 1 GiB, or where an error is not one of vidlab's own.

- **predict**: `vl.predict(file, model)` with `stickactions-xs-stream` on LiteRT, 5 frames a second.
- **Player**: `vl.Player(file)` in JupyterLab and Chromium, stepped to the last frame there is.
  Where the page does not get the file's own bytes, it says so, and why.
- **Gallery**: the file's card in a `vl.Gallery` of all.
- **run**: `vl.predict_many(folder, model)`. Of a folder it takes what ends as videos do; a picture
  is given by its path.

| file | what it is | predict | Player | Gallery | run |
| --- | --- | --- | --- | --- | --- |
"""

WAYS = ("predict", "Player", "Gallery", "run")


@pytest.fixture(scope="module")
def kernel(odd: Path) -> dict[str, Any]:
    """What happens without a page, in a process of its own."""
    done = subprocess.run(
        [sys.executable, odd_outcomes.__file__, str(odd)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def seen(odd: Path, lab: Lab, kernel: dict[str, Any]) -> dict[str, dict[str, Outcome]]:
    """What players and a gallery say on a page, by way and file."""
    names = sorted(path.name for path in odd.iterdir())
    cells = [
        f"""import pandas as pd, vidlab as vl
from pathlib import Path
from IPython.display import display
from vidlab.models.memory import peak_bytes
folder = Path({str(odd)!r})
def show(name):
    try:
        display(vl.Player(folder / name))
    except vl.VidlabError as error:
        print(f"{{type(error).__name__}}: {{error}}")
""",
        *(f"show({name!r})" for name in names),
        f"vl.Gallery(pd.DataFrame({{'video': {names}}}), folder=folder)",
    ]
    notebook = lab.open(lab.write_notebook("odd.ipynb", cells), width=1300, height=1000)
    notebook.run_all()
    played = {
        name: _played(notebook, cell, kernel["play"][name].get("num_frames", 0))
        for cell, name in enumerate(names, start=1)
    }
    cards = dict(zip(names, _cards(notebook, len(names)), strict=True))
    assert notebook.evaluate_in_kernel("peak_bytes()") < MAX_BYTES
    assert notebook.messages == []
    notebook.close()
    return {
        way: {name: (short, said.replace(f"{odd}/", "")) for name, (short, said) in told.items()}
        for way, told in (("Player", played), ("Gallery", cards))
    }


def _played(notebook: Notebook, cell: int, promised: int) -> Outcome:
    """Step to a player's last frame; return how many there are, and what it says."""
    output = notebook.output(cell)
    output.scroll_into_view_if_needed()
    root = output.locator(".vidlab-player")
    if not root.count():
        kind, _, said = output.inner_text().strip().partition(": ")
        return f"refused: {kind}", said
    expect(root.locator(".vl-status")).to_be_hidden(timeout=TIMEOUT_MS)
    # Past the end: a player goes to the last frame there is, and learns of damage on its way.
    field = root.locator(".vl-frame")
    field.fill("1000000")
    field.press("Enter")
    length = root.locator("label.vl-numbers .vl-muted").last
    notebook.page.wait_for_function(
        """([root, length]) =>
            Number(root.dataset.frame) === Number(length.textContent.replace("/", "")) - 1""",
        arg=[root.element_handle(), length.element_handle()],
        timeout=TIMEOUT_MS,
    )
    num = int(length.inner_text().replace("/", ""))
    told = _count(num, promised)
    how = root.locator(".vl-badge").get_attribute("title")
    notice = root.locator(".vl-notice")
    said = notice.inner_text().strip() if notice.is_visible() else ""
    return f"{told}; {how}" if how else told, said


def _count(num: int, promised: int) -> str:
    if num < promised:
        return f"{num} of {promised} frames"
    return "its one frame" if num == 1 else f"all {num} frames"


def _cards(notebook: Notebook, num: int) -> list[Outcome]:
    """Scroll a gallery from card to card; return what each shows."""
    root = notebook.output(-1).locator(".vidlab-gallery")
    root.scroll_into_view_if_needed()
    shown: list[Outcome] = []
    for row in range(num):
        card = root.locator(f"[data-row='{row}']")
        root.get_by_role("listbox").press("ArrowRight" if row else "Home")
        card.scroll_into_view_if_needed()
        reason = card.locator(".vl-card-reason")
        made = card.locator("img:not([hidden]), .vl-card-reason:not([hidden])")
        expect(made).to_be_visible(timeout=TIMEOUT_MS)
        said = reason.inner_text().strip() if reason.is_visible() else ""
        shown.append(("no picture", said) if said else ("a picture", ""))
    return shown


def test_docs_odd_says_what_happens(
    kernel: dict[str, Any], seen: dict[str, dict[str, Outcome]], pytestconfig: pytest.Config
) -> None:
    told = {"predict": kernel["predict"], **seen, "run": kernel["run"]}
    page = _page({way: told[way] for way in WAYS})
    if pytestconfig.getoption("--update-docs"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, "--update-docs renews it"


def _page(told: dict[str, dict[str, Outcome]]) -> str:
    """Return the page: a row a file, and below what is said, once for all who say it."""
    rows, sentences = [], []
    for name, what in WHAT.items():
        outcomes = {way: told[way].get(name, ("not taken", "")) for way in WAYS}
        cells = [short.replace("|", r"\|") for short, _ in outcomes.values()]
        rows.append(f"| `{name}` | {what} | {' | '.join(cells)} |\n")
        said = {sentence: [] for _, sentence in outcomes.values() if sentence}
        for way, (_, sentence) in outcomes.items():
            said.get(sentence, []).append(way)
        for sentence, ways in said.items():
            sentences.append(f"- `{name}`, {', '.join(ways)}:\n\n  > {sentence}\n")
    return f"{HEAD}{''.join(rows)}\n## What is said\n\n{''.join(sentences)}"


def test_every_file_is_there(odd: Path) -> None:
    assert sorted(path.name for path in odd.iterdir()) == sorted(WHAT)


def test_no_process_takes_a_gigabyte(kernel: dict[str, Any]) -> None:
    assert 100e6 < kernel["peak_bytes"] < MAX_BYTES


def test_a_run_answers_as_predict_does(kernel: dict[str, Any]) -> None:
    predicted = dict(kernel["predict"])
    assert predicted.pop("img_grace_hopper.bmp") == ["1 answer", ""]
    assert kernel["run"] == predicted


def test_the_channel_gives_the_frames_that_the_page_shows(
    kernel: dict[str, Any], seen: dict[str, dict[str, Outcome]]
) -> None:
    for name, (shown, said) in seen["Player"].items():
        told = kernel["play"][name]
        if "refused" in told:
            assert [shown, said] == told["refused"]
        else:
            assert shown.partition(";")[0] == _count(told["num_played"], told["num_frames"])
            assert bool(said) == (told["num_played"] < told["num_frames"])
