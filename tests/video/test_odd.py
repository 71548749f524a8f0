"""Every hard or broken file, with its expected outcome.

The expectations are from the files' own story (the manifest beside them, their upstream
tests) and from decoding every frame with bare PyAV, not from vidlab.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest

from vidlab.core.errors import VideoDecodeError, VideoOpenError
from vidlab.video import Video


class Reads(NamedTuple):
    """A file that opens."""

    size: tuple[int, int]
    num_frames: int
    first: float
    last: float
    rotation: int = 0
    fps: float | None = None
    duration: float | None = None
    has_audio: bool = False
    stops_at: int | None = None


class Refused(NamedTuple):
    """A file that does not."""

    message: str


OUTCOMES: dict[str, Reads | Refused] = {
    # H.264 in an MPEG program stream: starts at 0.53 s, 159 of 180 frames have no timestamp.
    "dali_cfr.mpeg": Reads((1280, 720), 180, 48000 / 90000, 48000 / 90000 + 179 / 60, fps=60),
    # 50 frames by its header, of which one in the middle is damaged.
    "decord_corrupted.mp4": Reads((1280, 720), 50, 0.0, 4.9, fps=10, stops_at=28),
    "decord_video_0.mov": Reads((568, 320), 3, 0.0, 2 / 30, fps=30),
    "decord_video_90.mov": Reads((320, 568), 3, 0.0, 2 / 30, rotation=90, fps=30),
    # Delays of 50, 20 and 30 ms: 36 frames in 0.82 s (the header's average says 50 fps).
    "imageio_newtonscradle.gif": Reads((200, 150), 36, 0.0, 0.8, fps=43.75, duration=0.82),
    # A still picture is a video of one frame.
    "img_grace_hopper.bmp": Reads((512, 600), 1, 0.0, 0.0),
    "mmpose_sk_depth.avi": Reads((320, 240), 20, 0.0, 19 / 30, fps=30, duration=2 / 3),
    # A name that begins with a dash is a name.
    "moviepy_-video-with-dash-.mp4": Reads((1, 1), 5, 0.0, 4.0, fps=1, duration=5.0),
    "moviepy_bitmap.mp4": Reads((1, 1), 5, 0.0, 4.0, fps=1, duration=5.0),
    # No duration and no frame count in the header; 66 ms for the last frame.
    "moviepy_no_duration.webm": Reads(
        (1280, 720), 74, 0.0, 4.872, fps=15000 / 1001, duration=4.938, has_audio=True
    ),
    "moviepy_transparent.webm": Reads(
        (200, 200), 150, 0.0, 4.967, fps=30, duration=5.0, has_audio=True
    ),
    "moviepy_video_with_failing_audio.mp4": Reads(
        (640, 360), 280, 0.0, 11.16, fps=25, duration=11.2, has_audio=True
    ),
    "phpffmpeg_Test.ogv": Reads(
        (400, 300), 443, 0.0, 442 / 15, fps=15, duration=443 / 15, has_audio=True
    ),
    # 48 bytes that look like the head of an MP4.
    "phpffmpeg_WrongFile.mp4": Refused(r"no 'moov' box.*cut off"),
    "phpffmpeg_sample.3gp": Reads((176, 144), 74, 0.0, 2920 / 600, fps=15, has_audio=True),
    # Variable rate, on average 16.75 per second.
    "streamio_awesome_movie.mov": Reads(
        (640, 480), 123, 0.0, 4367 / 600, fps=24600 / 1469, duration=4407 / 600, has_audio=True
    ),
    "streamio_broken.mp4": Refused(r"no 'moov' box.*cut off"),
    "streamio_empty.flv": Refused(r"13 bytes; starts with the data b'FLV"),
    "streamio_vertical_video_from_iphone.mov": Reads(
        (1080, 1920), 36, 0.0, 350 / 600, rotation=90, fps=60, has_audio=True
    ),
    # Pixels of 64:45; one frame is missing near the end, where the file is cut off.
    "streamio_weird_aspect.small.mpg": Reads(
        (501, 288), 36, 0.22, 1.66, fps=35 / 1.44, has_audio=True
    ),
    "torchcodec_av1_video.mkv": Reads((640, 360), 125, 0.0, 4.96, fps=25, duration=5.0),
    "torchcodec_h264_10bits.mp4": Reads((200, 200), 30, 0.0, 29 / 30, fps=30, duration=1.0),
    "torchcodec_h265_10bits.mp4": Reads((200, 200), 30, 0.0, 29 / 30, fps=30, duration=1.0),
    # Two video streams: the larger one is read.
    "torchcodec_nasa_13013.mp4": Reads(
        (480, 270), 390, 0.0, 389389 / 30000, fps=30000 / 1001, duration=13.013, has_audio=True
    ),
    # Steps of 33, 67 and 533 ms: 300 frames in 15 s.
    "torchcodec_var_fps_video.mp4": Reads((128, 128), 300, 0.0, 229376 / 15360, fps=1125 / 56),
}

READABLE = [name for name, outcome in OUTCOMES.items() if isinstance(outcome, Reads)]
WHOLE = [name for name in READABLE if OUTCOMES[name].stops_at is None]


def test_the_table_has_every_file(odd: Path):
    assert sorted(path.name for path in odd.iterdir()) == sorted(OUTCOMES)


@pytest.mark.parametrize("name", OUTCOMES)
def test_outcome(odd: Path, name: str):
    expected = OUTCOMES[name]
    if isinstance(expected, Refused):
        with pytest.raises(VideoOpenError, match=expected.message):
            Video(odd / name)
        return
    video = Video(odd / name)
    assert video.name == name
    assert (video.width, video.height) == expected.size
    assert video.rotation == expected.rotation
    assert video.num_frames == len(video) == expected.num_frames
    assert video.start_seconds == video.pts_seconds[0] == pytest.approx(expected.first, abs=1e-9)
    assert video.pts_seconds[-1] == pytest.approx(expected.last, abs=1e-9)
    assert video.has_audio == expected.has_audio
    if expected.fps is not None:
        assert video.fps == pytest.approx(expected.fps, rel=1e-6)
    if expected.duration is not None:
        assert video.duration_seconds == pytest.approx(expected.duration, abs=1e-6)
    first = video.first_frame()
    assert first.rgb.shape == (expected.size[1], expected.size[0], 3)
    assert first.rgb.dtype == np.uint8
    assert first.rgb.flags.c_contiguous

    frames, damage = read_all(video)
    assert frames == list(enumerate(video.pts_seconds[: len(frames)].tolist()))
    if expected.stops_at is None:
        assert len(frames) == expected.num_frames
        assert damage is None
        assert video.stopped is None
    else:
        assert len(frames) == damage.frame_index == expected.stops_at
        assert video.stopped == str(damage)
        assert f"damaged at frame {expected.stops_at}" in video.stopped
    assert str(video.num_frames) in repr(video)


def read_all(video: Video) -> tuple[list[tuple[int, float]], VideoDecodeError | None]:
    frames: list[tuple[int, float]] = []
    try:
        for frame in video:
            frames.append((frame.index, frame.pts_seconds))
    except VideoDecodeError as error:
        return frames, error
    return frames, None


def pts_of_bare_pyav(path: Path) -> list[float | None]:
    with av.open(str(path), metadata_errors="ignore") as container:
        stream = container.streams.best("video")
        return [frame.time for frame in container.decode(stream)]


@pytest.mark.parametrize("name", WHOLE)
def test_demuxed_index_and_iteration_agree_with_bare_pyav(odd: Path, name: str):
    bare = pts_of_bare_pyav(odd / name)
    demuxed = Video(odd / name).pts_seconds  # before anything is decoded
    iterated = [frame.pts_seconds for frame in Video(odd / name)]
    assert len(bare) == len(demuxed) == len(iterated)
    for by_pyav, by_index, by_iterating in zip(bare, demuxed, iterated, strict=True):
        assert by_index == by_iterating
        if by_pyav is not None:
            assert by_index == by_pyav


@pytest.mark.parametrize("name", WHOLE)
def test_random_access_gives_the_pixels_of_sequential_access(odd: Path, name: str):
    video = Video(odd / name)
    picks = np.random.default_rng(0).permutation(len(video))[:6].tolist()
    in_order = {f.index: f.rgb for f in Video(odd / name) if f.index in picks}
    for index in picks:
        assert np.array_equal(video.frame_at(index).rgb, in_order[index]), index


@pytest.mark.parametrize("name", ["torchcodec_av1_video.mkv", "mmpose_sk_depth.avi"])
def test_pixels_are_those_of_bare_pyav(odd: Path, name: str):
    with av.open(str(odd / name)) as container:
        for ours, bare in zip(Video(odd / name), container.decode(video=0), strict=True):
            assert np.array_equal(ours.rgb, bare.to_ndarray(format="rgb24"))


def test_damage_does_not_hide_the_frames_before_it(odd: Path):
    video = Video(odd / "decord_corrupted.mp4")
    assert video.frame_at(27).pts_seconds == pytest.approx(2.7)
    with pytest.raises(VideoDecodeError, match="frames 0 to 27 are good") as caught:
        video.frame_at(40)
    assert caught.value.frame_index == 28
    assert video.frame_at(5).index == 5  # and goes on working


def test_rotated_phone_video_is_upright(odd: Path):
    """Two clips of one keyboard, held level and upright: space bar low, keys in rows."""
    for name in ("decord_video_0.mov", "decord_video_90.mov"):
        grey = Video(odd / name).first_frame().rgb.mean(axis=2)
        # Rows of keys: brightness changes more from row to row than from column to column.
        assert grey.mean(axis=1).std() > 1.3 * grey.mean(axis=0).std()


@pytest.mark.parametrize(
    "name",
    [
        "mmaction2_demo.mp4",
        "carving_ice.mp4",
        "flipping_a_pancake.mkv",
        "v_SoccerJuggling_g23_c01.avi",
        "paddle_horse_riding.gif",
    ],
)
def test_clips_agree_with_bare_pyav(clips: Path, name: str):
    video = Video(clips / name)
    assert video.pts_seconds.tolist() == pts_of_bare_pyav(clips / name)


def test_anamorphic_clip_has_square_pixels(clips: Path):
    video = Video(clips / "mmaction2_demo.mp4")  # 340x256 with pixels of 64:51 is 5:3
    assert (video.width, video.height) == (427, 256)
    assert (video.coded_width, video.coded_height) == (340, 256)
    assert video[0].rgb.shape == (256, 427, 3)
