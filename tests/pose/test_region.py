"""Regions of frames: what is cut out, and the way back to the frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidlab.models.pose.region import Region

HEIGHT, WIDTH = 240, 320


def blob(x: float, y: float, spread: float = 5.0) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    bright = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * spread**2))
    return np.repeat(bright[..., None], 3, axis=2).astype(np.uint8)


def centre(picture: np.ndarray) -> np.ndarray:
    """Where a blob's middle is, 0 to 1, as a model that finds it would say."""
    weight = picture[..., 0].astype(np.float64)
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    return np.array(
        [
            (weight * columns).sum() / weight.sum() / picture.shape[1],
            (weight * rows).sum() / weight.sum() / picture.shape[0],
        ]
    )


regions = st.builds(
    Region,
    x_px=st.floats(110, 210),
    y_px=st.floats(80, 160),
    width_px=st.floats(150, 700),
    height_px=st.floats(150, 700),
    angle_rad=st.one_of(st.just(0.0), st.floats(-3.2, 3.2)),
)


@settings(max_examples=60)
@given(region=regions, x=st.floats(120, 200), y=st.floats(90, 150), side=st.sampled_from([96, 192]))
def test_a_marker_comes_back_to_where_it_is(region: Region, x: float, y: float, side: int) -> None:
    place = region.from_frame(np.array([x, y]))
    if not ((place > 0.15) & (place < 0.85)).all():
        return  # its blob would be cut off
    picture = region.cut(blob(x, y), height_px=side, width_px=side)
    assert picture.dtype == np.float32
    assert picture.shape == (side, side, 3)
    back = region.to_frame(centre(picture))
    # Half a pixel of what is smaller: the frame's, or the picture's as seen on the frame.
    assert np.abs(back - (x, y)).max() < 0.5


@settings(max_examples=40)
@given(region=regions, u=st.floats(-1, 2), v=st.floats(-1, 2))
def test_there_and_back(region: Region, u: float, v: float) -> None:
    there = region.to_frame(np.array([u, v]))
    np.testing.assert_allclose(region.from_frame(there), [u, v], atol=1e-9)


def test_the_whole_frame_lies_in_the_middle_of_its_square() -> None:
    region = Region.whole(HEIGHT, WIDTH)
    white = np.full((HEIGHT, WIDTH, 3), 255, dtype=np.uint8)
    picture = region.cut(white, height_px=64, width_px=64)
    rows = np.flatnonzero(picture[:, 32, 0] > 127)
    assert (rows[0], rows[-1]) == (8, 55)
    np.testing.assert_allclose(region.to_frame(np.array([0.0, 0.5])), [0, HEIGHT / 2])


@pytest.mark.parametrize("angle", [0.0, 0.7])
def test_beyond_the_frame_it_is_black(angle: float) -> None:
    white = np.full((HEIGHT, WIDTH, 3), 255, dtype=np.uint8)
    away = Region(x_px=-500, y_px=900, width_px=200, height_px=200, angle_rad=angle)
    assert away.cut(white, height_px=32, width_px=32).max() == 0
    within = Region(x_px=160, y_px=120, width_px=60, height_px=60, angle_rad=angle)
    assert within.cut(white, height_px=32, width_px=32).min() == 255
