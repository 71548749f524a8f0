"""Memory and threads: constant while reading, given back after.

All of it is counted in a process of its own: in one that has run other tests before, the
allocator's arenas move by more than the bounds here, and files of those tests may be closed
at any moment.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from synthetic import make_video, read_barcode

from vidlab.core.errors import OptionError
from vidlab.video import Video
from vidlab.video.source import Source

PROC = Path("/proc/self")
needs_proc = pytest.mark.skipif(not PROC.is_dir(), reason="reads /proc, so Linux only")


def resident_bytes() -> int:
    return int((PROC / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def num_open_files() -> int:
    return len(list((PROC / "fd").iterdir()))


def num_threads() -> int:
    return len(list((PROC / "task").iterdir()))


@pytest.fixture(scope="module")
def long_video(tmp_path_factory) -> Path:
    """3000 frames; decoded they are 345 MB, as RGB 690 MB."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    make_video(path, num_frames=3000, size=(320, 240), options={"preset": "ultrafast"})
    return path


def in_fresh_process(measure: Callable[[Path], Any], path: Path) -> Any:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, path).result()


def growth_while_iterating(path: Path) -> int:
    peak = start = 0
    for frame in Video(path):
        if frame.index % 2:
            frame.rgb  # noqa: B018
        if frame.index == 300:
            start = resident_bytes()
        if frame.index % 100 == 0:
            peak = max(peak, resident_bytes())
    assert frame.index == 2999
    return peak - start


def growth_while_jumping(path: Path) -> int:
    video = Video(path)
    numbers = [(k * 997) % 3000 for k in range(150)]
    for index in numbers[:30]:
        video.frame_at(index).rgb  # noqa: B018
    start = resident_bytes()
    for index in numbers[30:]:
        video.frame_at(index).rgb  # noqa: B018
    return resident_bytes() - start


def growth_while_opening(path: Path) -> int:
    def use() -> None:
        video = Video(path)
        frames = iter(video)
        next(frames)  # left unfinished
        video.frame_at(60)
        for _ in zip(video.walk(), range(3), strict=False):
            pass
        video.thumbnails(2)

    for _ in range(20):  # until the decoder's threads have an arena each
        use()
    gc.collect()
    files, threads, start = num_open_files(), num_threads(), resident_bytes()
    for _ in range(40):
        use()
    gc.collect()
    assert num_open_files() == files
    assert num_threads() <= threads
    return resident_bytes() - start


def files_and_threads_around_close(path: Path) -> list[tuple[int, int]]:
    """Count open files and threads before a video is open, while it is, and after its end."""
    gc.disable()  # nothing may wait for the collector
    counts = [(num_open_files(), num_threads())]
    video = Video(path)
    running = [iter(video) for _ in range(4)]
    for frames in running:
        next(frames)
    video.frame_at(30)
    counts.append((num_open_files(), num_threads()))
    video.close()
    files_after = num_open_files()
    del running, frames, video
    counts.append((files_after, num_threads()))
    return counts


@needs_proc
@pytest.mark.parametrize("measure", [growth_while_iterating, growth_while_jumping])
def test_thousands_of_frames_take_constant_memory(long_video, measure):
    assert in_fresh_process(measure, long_video) < 30e6


@needs_proc
def test_opening_many_videos_leaves_nothing_behind(sample):
    assert in_fresh_process(growth_while_opening, sample("audio").path) < 30e6


def threads_while_decoding(path: Path) -> list[int]:
    """Count the threads that reading starts, of one decoding thread, of two and of as many."""
    counts = []
    for asked in (1, 2, None):
        before = num_threads()
        with Video(path, num_threads=asked) as video:
            frames = iter(video)
            next(frames)
            counts.append(num_threads() - before)
            del frames
    return counts


@needs_proc
def test_threads_that_decode_are_as_many_as_asked_for(sample):
    one, two, as_many = in_fresh_process(threads_while_decoding, sample("mp4").path)
    assert (one, two) == (0, 2)
    assert as_many > 0 or os.cpu_count() == 1


@pytest.mark.parametrize("num_threads", [0, -1, True, 1.5, "2"])
def test_a_wrong_number_of_threads_is_refused(sample, num_threads):
    with pytest.raises(OptionError, match="num_threads must be a whole number above 0"):
        Video(sample("mp4").path, num_threads=num_threads)


@needs_proc
def test_close_frees_files_and_threads_at_once(sample):
    before, open_, closed = in_fresh_process(files_and_threads_around_close, sample("mp4").path)
    assert open_[0] > before[0]
    assert closed[0] == before[0]
    assert closed[1] <= before[1]


def test_the_first_frame_is_decoded_once_for_who_shows_it_at_once(sample, monkeypatch):
    earlier, video = Video(sample("vfr").path), Video(sample("mp4").path)
    opened = []
    honest = Source.open
    monkeypatch.setattr(
        Source, "open", lambda self, **given: opened.append(self) or honest(self, **given)
    )
    assert read_barcode(video.first_frame().rgb) == 0
    assert not opened
    assert read_barcode(earlier.first_frame().rgb) == 0
    assert len(opened) == 1, "only the latest one's is kept"
