from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, expect
from synthetic import make_video
from view_page import Show, ViewPage, open_view

import vidlab as vl

LABELS = [f"action {number}" for number in range(8)]


@pytest.fixture(scope="session")
def spelled(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make (once) a video whose pixels spell the frame number."""
    made: dict[str, Path] = {}
    folder = tmp_path_factory.mktemp("spelled")

    def make(kind: str, *, num_frames: int = 60, size: tuple[int, int] = (192, 144)) -> Path:
        from synthetic import KINDS

        name = f"{kind}-{num_frames}-{size[0]}x{size[1]}{KINDS[kind].suffix}"
        if name not in made:
            make_video(folder / name, kind=kind, num_frames=num_frames, size=size)
            made[name] = folder / name
        return made[name]

    return make


@pytest.fixture
def predict_ids() -> Callable[..., vl.Predictions]:
    """Make predictions whose top label is given for every sampled frame."""

    def make(
        video: vl.Video,
        ids: Sequence[int],
        *,
        every: int = 5,
        backend: str = "torch",
        labels: Sequence[str] = LABELS,
        video_name: str | None = None,
        clip_start: Sequence[int] | None = None,
    ) -> vl.Predictions:
        frames = np.arange(len(ids)) * every
        logits = np.zeros((len(ids), len(labels)), np.float32)
        logits[np.arange(len(ids)), list(ids)] = 4
        return vl.Predictions(
            video=video_name or video.name, model="m", backend=backend, title=f"{backend}:m",
            labels=vl.LabelMap(labels), frame_index=frames,
            time_seconds=video.pts_seconds[frames], logits=logits,
            clip_start=None if clip_start is None else np.asarray(clip_start),
        )  # fmt: skip

    return make


@pytest.fixture
def show(chromium: Browser, video: vl.Video) -> Iterator[Show]:
    """Open players on pages of their own; none may write an error to the console."""
    opened: list[ViewPage] = []

    def make(*args: Any, is_ready: bool = True, **options: Any) -> ViewPage:
        view = open_view(chromium, video, *args, **options)
        opened.append(view)
        if is_ready:
            expect(view.root.locator(".vl-status")).to_be_hidden()
            expect(view.root).to_have_attribute("data-frame", str(view.get("frame_index")))
        return view

    yield make
    messages = [message for view in opened for message in view.messages]
    for view in opened:
        view.page.close()
    assert messages == []
