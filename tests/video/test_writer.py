"""Written files: the frames, at their times, with their sound."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from synthetic import SAMPLE_RATE, barcode, read_barcode, tone

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.video.writer import GifWriter, VideoWriter, exact_ticks

TIMES = np.array([5.0, 5.1, 5.25, 5.3, 5.7, 6.2])
END_SECONDS = 6.5


def write(writer: VideoWriter | GifWriter, size: tuple[int, int], sound: bool = False) -> None:
    with writer:
        steps = np.round((np.append(TIMES, END_SECONDS) - 5) * SAMPLE_RATE).astype(int)
        for number in range(len(TIMES)):
            samples = tone(np.arange(steps[number], steps[number + 1]) / SAMPLE_RATE)[:, None]
            writer.add(barcode(number, size=size), samples if sound else None)


@pytest.mark.parametrize("size", [(192, 144), (191, 143)])
def test_mp4_keeps_frames_times_and_sound(size: tuple[int, int]) -> None:
    stream = io.BytesIO()
    write(
        VideoWriter(
            stream, times=TIMES, end_seconds=END_SECONDS, width=size[0], height=size[1],
            sample_rate=SAMPLE_RATE,
        ),
        size, sound=True,
    )  # fmt: skip
    video = vl.Video(stream.getvalue())
    np.testing.assert_allclose(video.pts_seconds, TIMES - 5, atol=1e-4)
    assert video.end_seconds == pytest.approx(1.5, abs=1e-3)
    assert [read_barcode(frame.rgb) for frame in video] == list(range(6))
    assert (video.codec, video.pixel_format) == ("h264", "yuv420p")
    heard = np.concatenate(list(video.audio_blocks()))[:, 0]
    expected = tone(np.arange(len(heard)) / SAMPLE_RATE)
    # AAC is lossy; sound that is a frame off would not correlate at all.
    assert np.corrcoef(heard[2000:-2000], expected[2000:-2000])[0, 1] > 0.99


def test_the_header_comes_first() -> None:
    """So that it plays while it is loaded; also where it is as large as it gets for its frames."""
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.001, 0.03, 1000))
    stream = io.BytesIO()
    with VideoWriter(
        stream, times=times, end_seconds=times[-1] + 1, width=32, height=32,
        sample_rate=SAMPLE_RATE, num_channels=2,
    ) as writer:  # fmt: skip
        for number, duration in enumerate(np.diff(times, append=times[-1] + 1)):
            samples = rng.uniform(-0.5, 0.5, (round(duration * SAMPLE_RATE), 2))
            writer.add(barcode(number % 2, size=(32, 32)), samples.astype(np.float32))
    data = stream.getvalue()
    assert data.index(b"moov") < data.index(b"mdat")
    video = vl.Video(data)
    np.testing.assert_allclose(video.pts_seconds, times - times[0], atol=1e-4)
    assert video.has_audio


def test_gif_keeps_frames_and_times() -> None:
    stream = io.BytesIO()
    write(
        GifWriter(stream, times=TIMES, end_seconds=END_SECONDS, width=192, height=144), (192, 144)
    )
    video = vl.Video(stream.getvalue())
    np.testing.assert_allclose(video.pts_seconds, TIMES - 5, atol=0.006)
    assert video.end_seconds == pytest.approx(1.5, abs=0.011)
    assert [read_barcode(frame.rgb) for frame in video] == list(range(6))


def test_a_bit_rate_makes_the_file_smaller() -> None:
    def size_of(**options: int) -> int:
        stream = io.BytesIO()
        times = np.arange(60) / 30
        noise = np.random.default_rng(0).integers(0, 255, (144, 192, 3), np.uint8)
        with VideoWriter(
            stream, times=times, end_seconds=2.0, width=192, height=144, **options
        ) as writer:
            for number in range(60):
                writer.add(np.roll(noise, number * 7, axis=1))
        return len(stream.getvalue())

    assert size_of(video_bit_rate=200_000) < 200_000 / 8 * 2 * 1.6 < size_of() / 3


@pytest.mark.parametrize("make", [VideoWriter, GifWriter])
def test_what_cannot_be_written_is_refused(make: Callable[..., VideoWriter | GifWriter]) -> None:
    with pytest.raises(OptionError, match="needs a frame"):
        make(io.BytesIO(), times=np.empty(0), end_seconds=1.0, width=32, height=32)
    writer = make(io.BytesIO(), times=np.zeros(1), end_seconds=1.0, width=32, height=32)
    with writer:
        writer.add(np.zeros((32, 32, 3), np.uint8))
        with pytest.raises(OptionError, match="times for 1 frames, and no more"):
            writer.add(np.zeros((32, 32, 3), np.uint8))


def test_frames_at_one_time_follow_each_other() -> None:
    times = np.array([1.0, 1.0, 1.0, 1.5])
    assert exact_ticks(times, ticks_per_second=100).tolist() == [0, 1, 2, 50]
