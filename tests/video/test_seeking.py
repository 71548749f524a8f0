"""Frames by number and by time are the right ones: their pixels say which they are."""

from __future__ import annotations

import threading
from bisect import bisect_right

import numpy as np
import pytest
from synthetic import KINDS, read_barcode

from vidlab.core.errors import FrameRangeError, OptionError, VideoError
from vidlab.video import Video

ALL = pytest.mark.parametrize("kind", KINDS)


@ALL
def test_iteration_gives_every_frame_once_with_its_timestamp(sample, kind):
    path, pts = sample(kind)
    video = Video(path)
    frames = [(frame.index, frame.pts_seconds, read_barcode(frame.rgb)) for frame in video]
    assert [index for index, _, _ in frames] == list(range(120))
    assert [code for _, _, code in frames] == list(range(120))
    assert [seconds for _, seconds, _ in frames] == pytest.approx(pts, abs=1e-9)


@ALL
def test_index_is_right_before_anything_is_decoded(sample, kind):
    path, pts = sample(kind)
    video = Video(path)
    assert video.pts_seconds.tolist() == pytest.approx(pts, abs=1e-9)
    assert video.start_seconds == pytest.approx(pts[0], abs=1e-9)


@ALL
def test_a_hundred_seeks_by_number(sample, kind):
    path, pts = sample(kind)
    video = Video(path)
    for index in np.random.default_rng(1).integers(0, 120, 100).tolist():
        frame = video.frame_at(index)
        assert (frame.index, read_barcode(frame.rgb)) == (index, index)
        assert frame.pts_seconds == pytest.approx(pts[index], abs=1e-9)


@ALL
def test_a_hundred_seeks_by_time(sample, kind):
    path, pts = sample(kind)
    video = Video(path)
    for seconds in np.random.default_rng(2).uniform(pts[0] - 0.5, pts[-1] + 0.5, 100).tolist():
        frame = video.frame_at_time(seconds)
        on_screen = max(0, bisect_right(pts, seconds) - 1)
        assert (frame.index, read_barcode(frame.rgb)) == (on_screen, on_screen)


@ALL
def test_ranges(sample, kind):
    video = Video(sample(kind).path)
    for start, stop in [(0, 3), (31, 36), (59, 62), (117, 120), (118, None), (40, 40)]:
        codes = [read_barcode(frame.rgb) for frame in video.frames(start=start, stop=stop)]
        assert codes == list(range(start, 120 if stop is None else stop))


@pytest.mark.parametrize("kind", ["mp4", "mp4-open-gop", "vfr", "mpeg-ts", "webm"])
def test_stepping_backwards_and_in_leaps(sample, kind):
    video = Video(sample(kind).path)
    for index in [*range(70, 50, -1), *range(0, 120, 17), *range(119, 0, -23)]:
        assert read_barcode(video[index].rgb) == index


@pytest.mark.parametrize("kind", ["mp4", "vfr-mkv", "offset", "gif"])
def test_a_frames_own_timestamp_finds_it(sample, kind):
    video = Video(sample(kind).path)
    for index, seconds in enumerate(video.pts_seconds.tolist()):
        assert video.index_at_time(seconds) == index
        assert video.index_at_time(round(seconds, 6)) == index  # as ffprobe and browsers round


def test_before_the_first_and_past_the_last(sample):
    video = Video(sample("offset").path)
    assert video.frame_at_time(-1.0).index == 0
    assert video.frame_at_time(float("inf")).index == 119
    assert video.first_frame().index == 0
    assert read_barcode(video.last_frame().rgb) == 119
    assert read_barcode(video[-2].rgb) == 118
    assert read_barcode(video[np.int64(7)].rgb) == 7


def test_nonsense_is_refused(sample):
    video = Video(sample("mp4").path)
    for index in (120, -121, 10**12):
        with pytest.raises(FrameRangeError, match=f"has frames 0 to 119; got {index}"):
            video.frame_at(index)
    with pytest.raises(IndexError):
        video[120]
    with pytest.raises(OptionError, match=r"whole number; got 1\.5"):
        video.frame_at(1.5)
    with pytest.raises(OptionError, match=r"frames\(start=, stop=\)"):
        video[1:3]
    with pytest.raises(FrameRangeError, match="start=121 lies past the end"):
        video.frames(start=121)
    with pytest.raises(FrameRangeError, match="counted from 0; got start=-1"):
        video.frames(start=-1)
    for seconds in (float("nan"), "soon", None):
        with pytest.raises(OptionError, match="number of seconds"):
            video.frame_at_time(seconds)
    assert list(video.frames(start=120)) == []
    assert list(video.frames(stop=0)) == []


def test_two_iterators_and_random_access_at_once(sample):
    video = Video(sample("mp4").path)
    for first, second in zip(video, video.frames(start=60), strict=False):
        assert read_barcode(first.rgb) == first.index
        assert read_barcode(second.rgb) == second.index == first.index + 60
        assert read_barcode(video[119 - first.index].rgb) == 119 - first.index


@pytest.mark.parametrize("kind", ["mp4", "vfr", "avi-h264"])
def test_threads(sample, kind):
    video = Video(sample(kind).path)
    wrong: list[object] = []

    def iterate():
        wrong.extend(f.index for f in video if read_barcode(f.rgb) != f.index)

    def jump(seed):
        for index in np.random.default_rng(seed).integers(0, 120, 25).tolist():
            if read_barcode(video.frame_at(index).rgb) != index:
                wrong.append(index)

    threads = [threading.Thread(target=iterate) for _ in range(2)]
    threads += [threading.Thread(target=jump, args=[seed]) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_one_frame_can_be_converted_by_many_threads(sample):
    frame = Video(sample("mp4").path)[33]
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(read_barcode(frame.rgb))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [33] * 8
    assert frame.rgb is frame.rgb


def test_no_seek_for_the_frame_just_ahead(sample, monkeypatch):
    from vidlab.video.decoder import Decoder

    video = Video(sample("mp4").path)
    video.frame_at(3)
    seeks: list[int] = []
    original = Decoder.seek
    monkeypatch.setattr(Decoder, "seek", lambda self, pts: seeks.append(pts) or original(self, pts))
    for index in range(4, 50, 3):
        assert read_barcode(video.frame_at(index).rgb) == index
    assert seeks == []
    video.frame_at(110)
    assert len(seeks) == 1


def test_thumbnails(sample):
    video = Video(sample("mp4").path)
    small = video.thumbnails(6, height_px=48)
    assert [picture.shape for picture in small] == [(48, 64, 3)] * 6
    assert [read_barcode(picture) for picture in small] == [10, 30, 50, 70, 90, 110]
    rotated = Video(sample("rotated-90").path).thumbnails(2, height_px=72)
    assert [read_barcode(picture) for picture in rotated] == [30, 90]
    frame = video[4]
    assert read_barcode(frame.rgb) == 4
    assert frame.thumbnail(height_px=72).shape == (72, 96, 3)  # after conversion, too
    with pytest.raises(OptionError, match="at least 1; got num=0"):
        video.thumbnails(0)


def test_closing(sample):
    video = Video(sample("mp4").path)
    running = iter(video)
    next(running)
    kept = video.frame_at(9)
    video.close()
    assert read_barcode(kept.rgb) == 9  # a frame outlives its video
    with pytest.raises(VideoError, match="was closed"):
        list(running)
    for use in (video.first_frame, lambda: video[3], lambda: list(video), video.walk):
        with pytest.raises(VideoError, match="was closed"):
            use()
    assert video.num_frames == 120  # was known
    video.close()
    with Video(sample("mp4").path) as other:
        assert other[0].index == 0
    with pytest.raises(VideoError, match="was closed"):
        other.frame_at(1)


def test_closing_while_another_thread_decodes(sample):
    for delay in range(6):
        video = Video(sample("mp4").path)
        errors: list[Exception] = []
        started = threading.Event()

        def iterate(video=video, errors=errors, started=started):
            try:
                for _ in range(100):
                    for frame in video:
                        started.set()
                        frame.rgb  # noqa: B018
            except VideoError as error:
                errors.append(error)

        thread = threading.Thread(target=iterate)
        thread.start()
        started.wait(10)
        for _ in range(delay):
            video.frame_at(60)
        video.close()
        thread.join(timeout=30)
        assert not thread.is_alive()
        assert len(errors) == 1
        assert "closed" in str(errors[0])
