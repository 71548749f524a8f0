"""Pixels as displayed: rotation, mirrors, pixel shape, odd sizes, colours."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from synthetic import make_video, read_barcode

from vidlab.video import Video
from vidlab.video.display import Display


@pytest.mark.parametrize(
    ("kind", "rotation", "size", "coded"),
    [
        ("mp4", 0, (192, 144), (192, 144)),
        ("rotated-90", 90, (192, 144), (144, 192)),
        ("rotated-180", 180, (192, 144), (192, 144)),
        ("rotated-270", 270, (192, 144), (144, 192)),
        ("mirrored", 0, (192, 144), (192, 144)),
        ("anamorphic", 0, (256, 144), (192, 144)),
    ],
)
def test_pictures_are_upright(sample, kind, rotation, size, coded):
    video = Video(sample(kind).path)
    assert video.rotation == rotation
    assert (video.width, video.height) == size
    assert (video.coded_width, video.coded_height) == coded
    frame = video[37]
    assert frame.rgb.shape == (size[1], size[0], 3)
    assert read_barcode(frame.rgb) == 37  # raises unless upright and not mirrored


def matrix(a, b, c, d):
    return struct.pack("=9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)


ONE = 1 << 16


@pytest.mark.parametrize(
    ("given", "rotation", "mirrored", "corner"),
    [
        # Where the top left pixel of the stored picture goes: (row, column) of the display.
        (matrix(ONE, 0, 0, ONE), 0, False, (0, 0)),
        (matrix(0, ONE, -ONE, 0), 90, False, (0, -1)),
        (matrix(-ONE, 0, 0, -ONE), 180, False, (-1, -1)),
        (matrix(0, -ONE, ONE, 0), 270, False, (-1, 0)),
        (matrix(-ONE, 0, 0, ONE), 0, True, (0, -1)),
        (matrix(ONE, 0, 0, -ONE), 180, True, (-1, 0)),
        (matrix(0, ONE, ONE, 0), 270, True, (0, 0)),
        (matrix(0, -ONE, -ONE, 0), 90, True, (-1, -1)),
        (matrix(2 * ONE, 0, 0, 2 * ONE), 0, False, (0, 0)),  # its scale is not ours to apply
    ],
)
def test_all_eight_orientations(given, rotation, mirrored, corner):
    stored = np.zeros((40, 60, 3), np.uint8)
    stored[:10, :10] = 255
    display = Display(60, 40, sample_aspect_ratio=None, matrix=given)
    assert (display.rotation, display.mirrored) == (rotation, mirrored)
    shown = display.to_rgb(av.VideoFrame.from_ndarray(stored, format="rgb24"))
    assert shown.shape[:2] == (display.height, display.width)
    assert shown.shape[:2] == ((60, 40) if rotation in (90, 270) else (40, 60))
    assert shown[corner].min() == 255
    assert shown.sum() == stored.sum()


def test_matrices_that_make_no_sense_are_said_and_not_applied():
    singular = Display(60, 40, sample_aspect_ratio=None, matrix=bytes(36))
    assert singular.rotation == 0
    assert "singular" in singular.warnings[0]
    tilted = Display(60, 40, sample_aspect_ratio=None, matrix=matrix(46341, 46341, -46341, 46341))
    assert tilted.rotation == 0
    assert "45°" in tilted.warnings[0]


@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        (None, (60, 40)),
        (Fraction(1), (60, 40)),
        (Fraction(4, 3), (80, 40)),
        (Fraction(1, 2), (60, 80)),
        (Fraction(64, 51), (75, 40)),
        (Fraction(0), (60, 40)),
        (Fraction(1, 5000), (60, 40)),
    ],
)
def test_square_pixels_lose_nothing(ratio, size):
    display = Display(60, 40, sample_aspect_ratio=ratio, matrix=None)
    assert (display.width, display.height) == size


def test_pixel_shape_is_applied_before_rotation():
    display = Display(60, 40, sample_aspect_ratio=Fraction(2), matrix=matrix(0, ONE, -ONE, 0))
    assert (display.width, display.height) == (40, 120)


@pytest.mark.parametrize("size", [(31, 17), (33, 19), (64, 47), (47, 64), (17, 16), (2, 2)])
def test_odd_sizes(tmp_path, size):
    """Every row and column is there: a gradient comes back as it went in."""
    width, height = size
    across = np.linspace(40, 215, width)[None] * np.ones((height, 1))
    down = np.linspace(40, 215, height)[:, None] * np.ones((1, width))
    pixels = np.stack([(across + down) / 2] * 3, axis=2).round().astype(np.uint8)
    path = tmp_path / "odd.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
        picture.pts, picture.time_base = 0, Fraction(1, 25)
        out.mux(stream.encode(picture))
        out.mux(stream.encode())
    video = Video(path)
    assert (video.width, video.height) == size
    assert video[0].rgb.shape == (height, width, 3)
    assert np.abs(video[0].rgb.astype(int) - pixels.astype(int)).max() <= 6


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv422p10le", "gray", "rgb24"])
def test_colours(tmp_path, pixel_format):
    colours = np.array([[200, 40, 60], [30, 180, 70], [50, 60, 190], [128, 128, 128]], np.uint8)
    pixels = np.repeat(np.repeat(colours[None], 16, axis=1), 32, axis=0)
    path = tmp_path / "colours.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height = 64, 32
        stream.pix_fmt = "bgr0" if pixel_format == "rgb24" else pixel_format
        picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=stream.pix_fmt)
        picture.pts, picture.time_base = 0, Fraction(1, 25)
        out.mux(stream.encode(picture))
        out.mux(stream.encode())
    shown = Video(path)[0].rgb[16, 8::16].astype(int)
    expected = colours.astype(int)
    if pixel_format == "gray":
        expected = np.repeat((expected @ [0.299, 0.587, 0.114]).round()[:, None], 3, axis=1)
    assert np.abs(shown - expected).max() <= 4


def test_a_size_that_changes_on_the_way_is_scaled_to_the_first(tmp_path):
    """Two MPEG-TS recordings joined: what follows keeps the shape of rgb."""
    for number, size in enumerate([(192, 144), (96, 72)]):
        make_video(tmp_path / f"{number}.ts", kind="mpeg-ts", num_frames=30, size=size)
    joined = (tmp_path / "0.ts").read_bytes() + (tmp_path / "1.ts").read_bytes()
    frames = [(frame.rgb.shape, read_barcode(frame.rgb)) for frame in Video(joined)]
    assert {shape for shape, _ in frames} == {(144, 192, 3)}
    assert [code for _, code in frames] == [*range(30), *range(30)]


@pytest.mark.parametrize(
    ("suffix", "codec", "pixel_format"),
    [
        (".png", "png", "rgb24"),
        (".jpg", "mjpeg", "yuvj444p"),
        (".bmp", "bmp", "bgr24"),
    ],
)
def test_a_picture_is_a_video_of_one_frame(tmp_path, suffix, codec, pixel_format):
    from synthetic import barcode

    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = 192, 144, pixel_format
    encoder.time_base = Fraction(1, 25)
    picture = av.VideoFrame.from_ndarray(barcode(7), format="rgb24").reformat(format=pixel_format)
    picture.pts = 0
    data = b"".join(bytes(p) for p in [*encoder.encode(picture), *encoder.encode(None)])
    path = tmp_path / f"picture%03d{suffix}"
    path.write_bytes(data)
    for source in (path, data):
        video = Video(source)
        assert [read_barcode(frame.rgb) for frame in video] == [7]
        assert video.num_frames == 1
        assert video.frame_at_time(3.0).index == 0
        assert video.fps > 0
        assert video.duration_seconds > 0
