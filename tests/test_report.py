from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import synthetic

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.report import write_report

HOSTILE = '<script>alert("x")</script>'


class Page(HTMLParser):
    """Collects tags, addresses and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def comparison(tmp_path: Path) -> vl.Comparison:
    path = tmp_path / "a & <b>.mp4"
    synthetic.make_video(path, num_frames=60)
    video = vl.Video(path)
    frames = np.arange(0, 60, 6)
    labels = vl.LabelMap([HOSTILE, "ok", "other"])
    rng = np.random.default_rng(0)
    return vl.Comparison(
        [
            vl.Predictions(
                video=video.name, model="m", backend=backend, title=f"{backend}:m", labels=labels,
                frame_index=frames, time_seconds=video.pts_seconds[frames],
                logits=rng.normal(size=(10, 3)).astype(np.float32) * 4,
            )
            for backend in ("torch", "litert")
        ],
        video=video,
    )  # fmt: skip


def test_it_holds_pictures_and_tables_and_needs_nothing_else(
    comparison: vl.Comparison, tmp_path: Path
) -> None:
    path = write_report(comparison, tmp_path / "report.html")
    page = Page(path.read_text(encoding="utf-8"))
    assert "img" in page.tags
    assert "svg" in page.tags
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    assert "script" not in page.tags
    for name in comparison.names:
        assert name in page.text
    assert path.stat().st_size < 1_000_000


def test_text_is_escaped(comparison: vl.Comparison, tmp_path: Path) -> None:
    html = write_report(comparison, tmp_path / "report.html").read_text(encoding="utf-8")
    assert HOSTILE not in html
    page = Page(html)
    assert "b" not in page.tags
    assert HOSTILE in page.text
    assert "a & <b>.mp4" in page.text


def test_it_does_without_a_video_or_frames(comparison: vl.Comparison, tmp_path: Path) -> None:
    without = vl.Comparison(comparison.predictions)
    page = Page(write_report(without, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "img" not in page.tags
    empty = [
        vl.Predictions(
            video="v", model="m", backend=backend, title=backend, labels=vl.LabelMap(["a"]),
            frame_index=np.empty(0), time_seconds=np.empty(0), logits=np.empty((0, 1)),
        )
        for backend in ("torch", "litert")
    ]  # fmt: skip
    write_report(vl.Comparison(empty), tmp_path / "empty.html")


def test_a_place_that_cannot_be_written_is_told(comparison: vl.Comparison, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="Cannot write"):
        write_report(comparison, tmp_path / "file" / "report.html")
