"""What a progress bar says in a notebook; how it looks is seen in `test_kernel_death_browser`."""

from __future__ import annotations

import re
from typing import Any

import IPython.display
import pytest

from vidlab.core import console, notebook_bar
from vidlab.core.notebook_bar import NotebookBar


class Output:
    """An output of a cell: what is displayed there now, and how often it was."""

    def __init__(self) -> None:
        self.bundle: dict[str, str] = {}
        self.num_drawn = 0

    def update(self, bundle: dict[str, str], **_: Any) -> None:
        self.bundle, self.num_drawn = bundle, self.num_drawn + 1


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> list[Output]:
    made: list[Output] = []

    def display(bundle: dict[str, str], **_: Any) -> Output:
        made.append(Output())
        made[-1].update(bundle)
        return made[-1]

    monkeypatch.setattr(IPython.display, "display", display)
    return made


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(notebook_bar.time, "monotonic", made)
    return made


def test_rate_and_time_left(outputs: list[Output], clock: Clock) -> None:
    bar = NotebookBar(total=40, initial=8, desc="videos", unit="video", kept="Kept in <run>.")
    clock.now += 4.0
    bar.set_postfix_str("1 failed")
    bar.update(8)
    said = bar.describe()
    assert re.fullmatch(
        r"16 of 40 videos \(40%\), 2 videos/s, about 0:12 left, 1 failed \(at \d\d:\d\d:\d\d\)",
        said,
    )
    assert "Kept in &lt;run&gt;." in outputs[0].bundle["text/html"]
    assert outputs[0].bundle["text/plain"].endswith("). Kept in <run>.")
    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("options", "count", "seconds", "said"),
    [
        ({"total": 40e6, "unit": "B", "unit_scale": True, "desc": "movinet"}, 12.3e6, 2.0,
         "movinet: 12.3 of 40.0 MB (31%), 6.2 MB/s, about 0:05 left"),
        ({"unit": "frame"}, 30, 2.0, "30 frames, 15 frames/s"),
        ({"total": 7300, "unit": "clip"}, 1, 2.0,
         "1 of 7300 clips (0%), 30 clips/min, about 4:03:18 left"),
        ({"total": 8.0, "unit": " s of video"}, 2.5, 1.0,
         "2.5 of 8 s of video (31%), 2.5 s of video/s"),
    ],
)  # fmt: skip
def test_words(
    options: dict[str, Any],
    count: float,
    seconds: float,
    said: str,
    outputs: list[Output],
    clock: Clock,
) -> None:
    bar = NotebookBar(**options)
    clock.now += seconds
    bar.update(count)
    assert bar.describe().startswith(said)


def test_it_is_redrawn_in_one_place_and_not_too_often(outputs: list[Output], clock: Clock) -> None:
    seen = []
    for each in NotebookBar(range(10_000), desc="x", unit="step"):
        seen.append(each)
        clock.now += 0.001
    assert seen == list(range(10_000))
    (output,) = outputs
    assert output.num_drawn <= 2 + 10_000 * 0.001 / 0.5
    assert output.bundle == {"text/html": "", "text/plain": ""}  # it goes away with the end


def test_what_is_stopped_stays(outputs: list[Output]) -> None:
    with NotebookBar(total=3, unit="step") as bar:
        bar.update()
    assert "1 of 3 steps" in outputs[0].bundle["text/plain"]


def test_where_nothing_is_to_be_shown_nothing_is(outputs: list[Output]) -> None:
    assert list(NotebookBar([1, 2], disable=True)) == [1, 2]
    assert outputs == []


def test_the_place_decides(monkeypatch: pytest.MonkeyPatch, outputs: list[Output]) -> None:
    monkeypatch.delenv("VIDLAB_QUIET", raising=False)
    assert not isinstance(console.progress(total=1), NotebookBar)
    monkeypatch.setattr(console, "in_notebook", lambda: True)
    bar = console.progress(total=8.0, unit=" s of video", bar_format="{desc}", kept="Kept.")
    assert isinstance(bar, NotebookBar)
    assert "Kept." in outputs[0].bundle["text/html"]
    monkeypatch.setenv("VIDLAB_QUIET", "1")
    console.progress(total=1)
    assert len(outputs) == 1
