"""Six hours of video go through `predict` in bounded memory.

What grows is what is kept: the answers, and for each frame its timestamp, here and in FFmpeg's own
table of the file. Each length is measured in a process of its own.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from arithmetic import ArithmeticModel
from synthetic import make_video, repeat

import vidlab as vl
from vidlab.models.memory import peak_bytes

FPS = 5
MINUTES = {"ten minutes": 10, "six hours": 360}

# FFmpeg's table of an MP4 file takes up to 70 bytes a frame, vidlab's index two dozen; a row of
# answers beside its logits 28, and twenty more when it is handed out. A decoded frame of this size
# would be 57,600, and one Python list a frame more than all this.
BYTES_PER_FRAME = 200


class Taken(NamedTuple):
    num_answers: int
    answers_bytes: int
    last_seconds: float
    peak_bytes: int


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One minute, over and over."""
    folder = tmp_path_factory.mktemp("hours")
    make_video(
        folder / "part.mp4", num_frames=60 * FPS, fps=FPS, size=(160, 120), options={"bf": "0"}
    )
    paths = {name: folder / f"{name}.mp4" for name in MINUTES}
    for name, path in paths.items():
        repeat(folder / "part.mp4", path, times=MINUTES[name], seconds=60)
    return paths


def every_frame(path: Path) -> Taken:
    """Answer after every frame, with a model that costs nothing."""
    return _predict(path, ArithmeticModel(num_classes=24), fps=FPS)


def now_and_then(path: Path) -> Taken:
    """Answer every ten seconds, with a real network."""
    model = vl.load_model("stickactions-xs-stream", backend="litert", num_threads=1)
    assert isinstance(model, vl.models.base.Model)
    return _predict(path, model, fps=0.1)


def _predict(path: Path, model: vl.models.base.Model, *, fps: float) -> Taken:
    found = vl.predict(path, model, fps=fps, progress=False)
    assert found.complete
    return Taken(len(found), found.logits.nbytes, float(found.time_seconds[-1]), peak_bytes())


@pytest.mark.parametrize(("how", "fps"), [(every_frame, FPS), (now_and_then, 0.1)])
def test_six_hours_take_little_more_memory_than_ten_minutes(videos, how, fps) -> None:
    with ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        taken = {name: pool.submit(how, path).result() for name, path in videos.items()}
    for name, minutes in MINUTES.items():
        assert taken[name].num_answers == 60 * minutes * fps
        assert taken[name].last_seconds == pytest.approx(60 * minutes - 1 / fps, abs=1 / FPS)
    short, long = taken["ten minutes"], taken["six hours"]
    growth = long.peak_bytes - short.peak_bytes
    num_frames = 60 * FPS * (MINUTES["six hours"] - MINUTES["ten minutes"])
    assert growth < long.answers_bytes - short.answers_bytes + BYTES_PER_FRAME * num_frames
