"""Which places decide: a planted patch is found, in px of the frame as it is displayed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from planted import WhiteModel, dark, write

import vidlab as vl
from vidlab.attribution import spatial_occlusion
from vidlab.attribution.geometry import axes_of
from vidlab.core.errors import FrameRangeError, OptionError
from vidlab.core.palette import SHARE_COLORS
from vidlab.transforms import Preprocessing

matplotlib.use("Agg")

# As displayed: 96 px wide and 64 high; a white square of 12 px.
TOP, LEFT, SIDE = 36, 52, 12
SQUARE = np.s_[TOP : TOP + SIDE, LEFT : LEFT + SIDE]

WAYS = {
    "stretched": Preprocessing(height_px=32, width_px=32),
    "mirrored": Preprocessing(height_px=32, width_px=48, mirror=True),
    "fitted": Preprocessing(height_px=40, width_px=36, resize="fit"),
    "cropped": Preprocessing(height_px=32, width_px=24, resize="crop"),
    "square first": Preprocessing(height_px=32, width_px=32, square_first=True),
    "short side": Preprocessing(height_px=32, width_px=32, resize_to_px=(37,)),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> dict[int, Path]:
    """The same to look at, stored upright and turned; white from 1 to 2 s of 3, at 5 fps."""
    frames = dark(15, 64, 96)
    frames[(slice(5, 10), *SQUARE)] = 255
    folder = tmp_path_factory.mktemp("square")
    return {
        turn: write(folder / f"{turn}.mp4", frames, fps=5, rotation=turn) for turn in (0, 90, 270)
    }


def model_of(way: str, **options) -> WhiteModel:
    return WhiteModel(replace(WAYS[way], frame_rate=5.0), **options)


@pytest.mark.parametrize("way", WAYS)
def test_the_planted_square_is_where_it_is_displayed(videos: dict[int, Path], way: str) -> None:
    found = spatial_occlusion(
        videos[0], model_of(way), frame_index=5, label="class 1", patch_px=4, stride_px=1,
        fill="gray", progress=False,
    )  # fmt: skip
    heat = found.on_frame(64, 96)
    rows, columns = np.nonzero(heat > 0.5 * np.nanmax(heat))
    # One input px is 2 to 4 px of the frame.
    assert rows.mean() + 0.5 == pytest.approx(TOP + SIDE / 2, abs=1.5)
    assert columns.mean() + 0.5 == pytest.approx(LEFT + SIDE / 2, abs=1.5)
    assert np.nanmean(heat[SQUARE]) > 10 * np.nanmean(np.abs(heat[:, :30]))


@pytest.mark.parametrize("turn", [0, 90, 270])
@pytest.mark.parametrize("way", ["stretched", "cropped"])
def test_turned_videos_have_the_same_map(videos: dict[int, Path], way: str, turn: int) -> None:
    found = spatial_occlusion(
        videos[turn], model_of(way), label="class 1", patch_px=8, stride_px=4, fill="gray",
        progress=False,
    )  # fmt: skip
    assert found.frame_size_px == (64, 96)
    heat = found.on_frame(64, 96)
    rows, columns = np.nonzero(heat > 0.99 * np.nanmax(heat))
    assert TOP <= rows.mean() < TOP + SIDE
    assert LEFT <= columns.mean() < LEFT + SIDE
    assert found.grid.max() > 0.05


@pytest.mark.parametrize("fill", ["blur", "freeze", "gray"])
@pytest.mark.parametrize("kind", ["stream", "frame", "clip"])
def test_every_kind_of_model_and_filling(videos: dict[int, Path], kind: str, fill: str) -> None:
    # A 4 px square in the input: blur of 1.4 px leaves none of it white.
    model = model_of("stretched", kind=kind, num_frames=6)
    options = {"label": "class 1", "fill": fill, "progress": False}
    whole = spatial_occlusion(videos[0], model, **options)
    assert whole.frame_index is whole.time_seconds is None
    one = spatial_occlusion(videos[0], model, at_seconds=1.05, **options)
    # The frame that first shows the square, and the only one of its clip: frozen, it is gone.
    assert one.frame_index == 5
    assert one.time_seconds == pytest.approx(1.0)
    for found in (whole, one):
        assert found.grid.shape == (7, 7)
        assert found.grid.max() > 0.02
        heat = found.on_frame(64, 96)
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        assert TOP - 2 <= row < TOP + SIDE + 2
        assert LEFT - 3 <= column < LEFT + SIDE + 3


def test_the_numbers_are_those_of_hiding_by_hand(videos: dict[int, Path]) -> None:
    model = model_of("stretched")
    frames = [model.preprocessing(frame.rgb) for frame in vl.Video(videos[0]).frames()]

    def answer(pixels: np.ndarray) -> float:
        logit = model.gain * max((frame > 0.8).mean() for frame in pixels) - 2
        return np.exp(logit) / (np.exp(logit) + 2)

    found = spatial_occlusion(
        videos[0], model, label="class 1", patch_px=12, stride_px=8, fill="gray", progress=False
    )
    assert found.probability == pytest.approx(answer(np.stack(frames)), abs=1e-6)
    places = [0, 8, 16, 20]  # the last patch ends with the picture
    assert found.grid.shape == (4, 4)
    for row, top in enumerate(places):
        for column, left in enumerate(places):
            hidden = np.stack(frames)
            hidden[:, top : top + 12, left : left + 12] = 0.5
            assert found.grid[row, column] == pytest.approx(
                found.probability - answer(hidden), abs=1e-6
            )
    # A pixel's value is the mean of the patches that cover it: here those from 8, 16 and 20 on.
    assert found.grid[1:, 1:3].min() > 0.01
    assert found.values[19, 18] == pytest.approx(found.grid[1:3, 1:3].mean(), abs=1e-6)
    assert found.values[21, 18] == pytest.approx(found.grid[2:4, 1:3].mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("way", "resampling"),
    [
        (way, resampling)
        for way in (
            *WAYS.values(),
            Preprocessing(height_px=32, width_px=32, resize_to_px=(41, 45)),
            Preprocessing(
                height_px=30, width_px=32, resize_to_px=(41, 45), is_crop_rounded_down=True
            ),
            Preprocessing(height_px=40, width_px=40, square_first=True, mirror=True),
            Preprocessing(height_px=32, width_px=24, width_first_px=77, resize="crop"),
        )
        for resampling in ("bilinear", "opencv", "pillow")
        # Where a picture is to be padded, OpenCV may round its size up, for which is no room.
        if way.resize != "fit" or resampling != "opencv"
    ],
)
@pytest.mark.parametrize("size", [(97, 130), (131, 98)])
def test_places_go_where_the_preprocessing_takes_them(
    way: Preprocessing, resampling: str, size: tuple[int, int]
) -> None:
    """Of frames whose brightness says where a pixel is, the input says where it came from."""
    way = replace(way, resampling=resampling)
    for axis, line in enumerate(axes_of(way, *size)):
        places = (np.arange(size[axis]) + 0.5) / size[axis] * 255
        ramp = np.rint(places).astype(np.uint8)
        rgb = np.broadcast_to(ramp[:, None, None] if axis == 0 else ramp[:, None], (*size, 3))
        seen = 255 * way(np.ascontiguousarray(rgb))[..., 0]
        seen = seen[:, way.width_px // 2] if axis == 0 else seen[way.height_px // 2]
        source = (np.arange(len(seen)) + 0.5 - line.shift) / line.scale
        inside = (source > 3) & (source < size[axis] - 3)
        assert inside.sum() > 10
        # OpenCV, given a ratio, is half an input px off at the far edge at most. Apart from that
        # only brightness, which is whole numbers, makes a difference.
        off_px = 0.5 / abs(line.scale) if resampling == "opencv" else 0.0
        wanted = source[inside] / size[axis] * 255
        np.testing.assert_allclose(seen[inside], wanted, atol=1.3 + off_px / size[axis] * 255)


def test_what_was_cut_off_is_nan_and_left_as_it_is(videos: dict[int, Path]) -> None:
    found = spatial_occlusion(
        videos[0], model_of("cropped"), label="class 1", patch_px=8, fill="gray", progress=False
    )
    heat = found.on_frame(64, 96)
    # 24x32 px of a picture 48 px wide: the middle half of the frame.
    seen = np.zeros((64, 96), bool)
    seen[:, 24:72] = True
    np.testing.assert_array_equal(np.isfinite(heat), seen)
    rgb = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    before = rgb.copy()
    over = found.overlay(rgb, alpha=0.5)
    np.testing.assert_array_equal(rgb, before)
    np.testing.assert_array_equal(over[~seen], rgb[~seen])
    opaque = found.overlay(rgb, alpha=1.0)
    hottest = np.unravel_index(np.nanargmax(heat), heat.shape)
    brightest = np.array(list(bytes.fromhex(SHARE_COLORS[-1][1:])))
    assert np.abs(opaque[hottest].astype(int) - brightest).max() <= 12
    coldest = np.array(list(bytes.fromhex(SHARE_COLORS[0][1:])))
    np.testing.assert_array_equal(opaque[0, 30], coldest)
    np.testing.assert_allclose(over[hottest], (opaque[hottest] + rgb[hottest] * 1.0) / 2, atol=1)
    np.testing.assert_array_equal(found.overlay(rgb, alpha=0.0), rgb)


def test_it_lies_on_the_frame_in_any_size(videos: dict[int, Path]) -> None:
    found = spatial_occlusion(
        videos[0], model_of("stretched"), label="class 1", patch_px=8, fill="gray", progress=False
    )
    small, large = found.on_frame(64, 96), found.on_frame(192, 288)
    np.testing.assert_allclose(large[1::3, 1::3], small, atol=1e-5)
    assert small.dtype == np.float32


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (
            {"patch_px": 33},
            OptionError,
            "patch_px must be a whole number of at least 1, at most 32",
        ),
        ({"patch_px": 4, "stride_px": 5}, OptionError, "stride_px .* at most 4"),
        ({"fill": "black"}, OptionError, "fill must be one of"),
        ({"at_seconds": 1.0, "frame_index": 5}, OptionError, "not both"),
        ({"frame_index": 99}, FrameRangeError, "99"),
    ],
)
def test_wrong_options_are_refused(
    videos: dict[int, Path], options: dict, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        spatial_occlusion(videos[0], model_of("stretched"), progress=False, **options)


def test_wrong_pictures_are_refused(videos: dict[int, Path]) -> None:
    found = spatial_occlusion(videos[0], model_of("stretched"), patch_px=16, progress=False)
    with pytest.raises(OptionError, match="uint8 array"):
        found.overlay(np.zeros((4, 4), np.uint8))
    with pytest.raises(OptionError, match="alpha"):
        found.overlay(np.zeros((4, 4, 3), np.uint8), alpha=1.5)
    with pytest.raises(OptionError, match="at least 1 px"):
        found.on_frame(0, 4)


def test_it_is_drawn(videos: dict[int, Path]) -> None:
    found = spatial_occlusion(
        videos[0], model_of("cropped"), at_seconds=1.2, label="class 1", progress=False
    )
    ax = found.plot()
    ax.figure.savefig("/dev/null", format="png")
    assert "1.20 s" in ax.get_title()
    assert found.plot(ax) is ax
    matplotlib.pyplot.close("all")
    assert "frame 6" in repr(found)
