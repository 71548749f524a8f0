"""Videos whose pixels spell the number of the frame, for tests of seeking and players.

Each frame carries a barcode: 16 bits in a 4 x 4 grid of black and white squares, on the whole
picture, with a white border square pattern that tells which way is up. Squares are large, so
the code survives lossy compression, scaling, and a screenshot.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder is talkative

NUM_BITS = 16
GRID = 6  # a frame of squares round 4 x 4 bits


class Kind(NamedTuple):
    """How to write a video."""

    suffix: str
    format: str
    codec: str
    pixel_format: str = "yuv420p"
    options: dict[str, str] = {}  # noqa: RUF012  (never written to)
    ticks_per_second: int | None = None  # what the container rounds timestamps to
    is_variable: bool = False
    start_seconds: float = 0.0
    rotation: int = 0  # degrees clockwise that a player must turn the stored picture
    is_mirrored: bool = False
    has_audio: bool = False
    sample_aspect_ratio: Fraction | None = None


X264 = {"preset": "veryfast", "crf": "18", "g": "30", "bf": "3", "sc_threshold": "0"}

KINDS = {
    "mp4": Kind(".mp4", "mp4", "libx264", options=X264),
    "mp4-open-gop": Kind(
        ".mp4",
        "mp4",
        "libx264",
        options=X264 | {"x264-params": "open-gop=1:b-adapt=0:bframes=3:b-pyramid=2"},
    ),
    "mp4-one-keyframe": Kind(".mp4", "mp4", "libx264", options=X264 | {"g": "9999"}),
    "mp4-intra": Kind(".mp4", "mp4", "libx264", options=X264 | {"g": "1", "bf": "0"}),
    "hevc": Kind(
        ".mp4",
        "mp4",
        "libx265",
        options={"preset": "ultrafast", "x265-params": "keyint=30:bframes=3:log-level=none"},
    ),
    "vfr": Kind(".mp4", "mp4", "libx264", options=X264, is_variable=True),
    "vfr-mkv": Kind(
        ".mkv", "matroska", "libx264", options=X264, is_variable=True, ticks_per_second=1000
    ),
    "offset": Kind(
        ".mkv", "matroska", "libx264", options=X264, start_seconds=7.5, ticks_per_second=1000
    ),
    "rotated-90": Kind(".mp4", "mp4", "libx264", options=X264, rotation=90),
    "rotated-180": Kind(".mp4", "mp4", "libx264", options=X264, rotation=180),
    "rotated-270": Kind(".mp4", "mp4", "libx264", options=X264, rotation=270),
    "mirrored": Kind(".mp4", "mp4", "libx264", options=X264, is_mirrored=True),
    "anamorphic": Kind(".mp4", "mp4", "libx264", options=X264, sample_aspect_ratio=Fraction(4, 3)),
    "avi": Kind(".avi", "avi", "mpeg4", options={"g": "12", "qscale": "2"}),
    "avi-h264": Kind(".avi", "avi", "libx264", options=X264),
    "gif": Kind(".gif", "gif", "gif", pixel_format="rgb8", ticks_per_second=100),
    "mpeg-ps": Kind(".mpg", "mpeg", "mpeg2video", options={"g": "12", "bf": "2", "b": "8000000"}),
    "mpeg-ts": Kind(".ts", "mpegts", "libx264", options=X264),
    "webm": Kind(
        ".webm",
        "webm",
        "vp9",
        ticks_per_second=1000,
        options={
            "g": "30",
            "deadline": "realtime",
            "cpu-used": "8",
            "auto-alt-ref": "1",
            "lag-in-frames": "16",
            "b": "2000000",
        },
    ),
    "vp8": Kind(
        ".webm",
        "webm",
        "libvpx",
        ticks_per_second=1000,
        options={
            "g": "30",
            "deadline": "good",
            "cpu-used": "8",
            "auto-alt-ref": "1",
            "lag-in-frames": "16",
            "b": "2000000",
        },
    ),
    "av1": Kind(
        ".mkv",
        "matroska",
        "libsvtav1",
        options={"preset": "9", "g": "30", "crf": "20"},
        ticks_per_second=1000,
    ),
    "audio": Kind(".mp4", "mp4", "libx264", options=X264, has_audio=True),
}
"""Every kind `make_video` can write."""

SAMPLE_RATE = 48000


def barcode(number: int, *, size: tuple[int, int] = (192, 144)) -> np.ndarray:
    """Return a picture that spells `number` (0 to 65535), uint8 [height, width, 3]."""
    width, height = size
    cells = np.zeros((GRID, GRID), np.uint8)
    cells[0, :-1] = 255  # top edge white but for its right end: tells up from down
    bits = [(number ^ 0b1010_0110_0101_1001) >> k & 1 for k in range(NUM_BITS)]
    cells[1:5, 1:5] = np.array(bits, np.uint8).reshape(4, 4) * 255
    rows = np.arange(height) * GRID // height
    columns = np.arange(width) * GRID // width
    grey = cells[rows[:, None], columns[None]]
    return np.repeat(grey[..., None], 3, axis=2)


def read_barcode(rgb: np.ndarray) -> int:
    """Return the number a picture spells.

    Args:
        rgb: uint8 [height, width, 3] of any size; the whole picture, upright.

    Raises:
        ValueError: It is not such a picture, or not upright.
    """
    height, width = rgb.shape[:2]
    cells = np.zeros((GRID, GRID))
    for row in range(GRID):
        for column in range(GRID):
            top, bottom = (int((row + f) * height / GRID) for f in (0.3, 0.7))
            left, right = (int((column + f) * width / GRID) for f in (0.3, 0.7))
            cells[row, column] = rgb[top : max(bottom, top + 1), left : max(right, left + 1)].mean()
    if np.any((cells > 90) & (cells < 165)):
        raise ValueError(f"no clear barcode: squares of {cells.round().tolist()}")
    white = cells > 127
    edge = np.concatenate([white[0], white[-1], white[1:-1, 0], white[1:-1, -1]])
    if not np.array_equal(edge, [True] * (GRID - 1) + [False] * (3 * GRID - 3)):
        raise ValueError(f"the barcode is not upright: {white.astype(int).tolist()}")
    bits = white[1:5, 1:5].ravel()
    return sum(int(bit) << k for k, bit in enumerate(bits)) ^ 0b1010_0110_0101_1001


def make_video(
    path: str | Path | io.BytesIO,
    *,
    kind: str = "mp4",
    num_frames: int = 120,
    fps: float | Fraction = 30,
    size: tuple[int, int] = (192, 144),
    seed: int = 0,
    options: dict[str, str] | None = None,
) -> list[float]:
    """Write a video that spells its frame numbers.

    Args:
        path: Where to; or a `BytesIO`.
        kind: One of `KINDS`.
        num_frames: How many frames.
        fps: Rate; with a variable-rate kind, the rate of its shortest steps.
        size: Width and height in px as displayed, after rotation (an anamorphic kind's
            picture is wider by its aspect ratio).
        seed: Of the steps of a variable rate.
        options: More encoder options.

    Returns:
        The timestamps the file states, in seconds, as exact as its container keeps them.
    """
    how = KINDS[kind]
    rate = Fraction(fps).limit_denominator(1001)
    width, height = size if how.rotation in (0, 180) else size[::-1]
    steps = steps_of(kind, num_frames=num_frames, seed=seed)
    target = path if isinstance(path, io.BytesIO) else str(path)
    with av.open(target, "w", format=how.format) as out:
        stream = out.add_stream(how.codec, rate=rate, options=how.options | (options or {}))
        stream.width, stream.height, stream.pix_fmt = width, height, how.pixel_format
        stream.codec_context.time_base = 1 / rate
        if how.rotation or how.is_mirrored:
            stream.set_display_rotation(-how.rotation, hflip=how.is_mirrored)  # anticlockwise
        if how.sample_aspect_ratio:
            stream.codec_context.sample_aspect_ratio = how.sample_aspect_ratio
        sound = None
        if how.has_audio:
            sound = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        first = round(how.start_seconds * rate)
        for number, step in enumerate(steps):
            pixels = np.rot90(barcode(number, size=size), k=how.rotation // 90)
            if how.is_mirrored:
                pixels = pixels[:, ::-1]
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            picture = picture.reformat(format=how.pixel_format)
            picture.pts, picture.time_base = first + step, 1 / rate
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
        if sound is not None:
            _write_sound(out, sound, float((steps[-1] + 1) / rate))
    exact = [(first + step) / rate for step in steps]
    if how.ticks_per_second:
        exact = [Fraction(round(t * how.ticks_per_second), how.ticks_per_second) for t in exact]
    if how.format in ("mpeg", "mpegts") and not isinstance(path, io.BytesIO):
        with av.open(str(path)) as written:  # these muxers choose the first timestamp themselves
            start = _first_pts(written)
        exact = [t + start for t in exact]
    return [float(t) for t in exact]


def steps_of(kind: str, *, num_frames: int, seed: int = 0) -> Sequence[int]:
    """Return when each frame comes, in periods of the rate."""
    if not KINDS[kind].is_variable:
        return range(num_frames)
    gaps = np.random.default_rng(seed).choice([1, 1, 1, 2, 5, 16], size=num_frames)
    return np.concatenate([[0], np.cumsum(gaps)[:-1]]).tolist()


def _first_pts(container: av.container.InputContainer) -> Fraction:
    stream = container.streams.video[0]
    return min(p.pts for p in container.demux(stream) if p.pts is not None) * stream.time_base


def tone(seconds: np.ndarray) -> np.ndarray:
    """Return the sound of the ``audio`` kind at given times: louder with every second."""
    loudness = 0.1 + 0.2 * np.floor(seconds % 4)
    return (loudness * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)


def _write_sound(out: av.container.OutputContainer, stream: object, seconds: float) -> None:
    samples = tone(np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    for start in range(0, len(samples), 1024):
        block = samples[None, start : start + 1024]
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, start
        frame.time_base = Fraction(1, SAMPLE_RATE)
        out.mux(stream.encode(frame))
    out.mux(stream.encode())


def make_hour(path: Path, *, fps: int = 25, num_minutes: int = 60) -> None:
    """Write a 1080p H.264 video of `num_minutes` equal half minutes twice over.

    Encoding an hour takes longer than a test may: one half minute is encoded, its packets are
    repeated. The picture spells the frame's number within its half minute.
    """
    width, height, num = 1920, 1080, 30 * fps
    noise = np.random.default_rng(7).integers(0, 40, (height, width), dtype=np.uint8)
    part = path.with_name("part.mp4")
    with av.open(str(part), "w") as out:
        stream = out.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "b": "1500000", "g": str(2 * fps), "bf": "2"}
        stream.bit_rate = 1_500_000
        planes = np.full((height * 3 // 2, width), 128, np.uint8)
        for number in range(num):
            grey = barcode(number, size=(width, height))[..., 0]
            planes[:height] = grey // 255 * 195 + 20 + np.roll(noise, number % 3, axis=1) // 8
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    repeat(part, path, times=2 * num_minutes, seconds=30, options={"movflags": "+faststart"})
    part.unlink()


def repeat(
    part: Path, path: Path, *, times: int, seconds: float, options: dict[str, str] | None = None
) -> None:
    """Write a video's packets several times over, in far less time than encoding them takes.

    Args:
        part: The video, which starts at zero.
        path: Where to.
        times: How often.
        seconds: From one start to the next.
        options: The muxer's.
    """
    with av.open(str(part)) as source, av.open(str(path), "w", options=options) as out:
        stream = source.streams.video[0]
        copied = out.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.dts is not None]
        for turn in range(times):
            shift = round(turn * seconds / stream.time_base)
            for each in packets:
                packet = av.Packet(bytes(each))
                packet.pts, packet.dts = each.pts + shift, each.dts + shift
                packet.duration, packet.time_base = each.duration, each.time_base
                packet.is_keyframe = each.is_keyframe
                packet.stream = copied
                out.mux(packet)
