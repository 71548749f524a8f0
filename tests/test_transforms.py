from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidlab.core.errors import OptionError
from vidlab.transforms import Preprocessing, resize_bilinear

sides = st.integers(1, 90)


def _picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(sides, sides, sides, sides)
@settings(max_examples=150)
def test_resize_equals_opencv_inter_linear(height: int, width: int, to_h: int, to_w: int) -> None:
    rgb = _picture(height, width)
    expected = cv2.resize(rgb.astype(np.float32), (to_w, to_h), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(
        resize_bilinear(rgb, height_px=to_h, width_px=to_w), expected, atol=1e-2
    )


def test_resize_equals_torch_and_tensorflow() -> None:
    torch = pytest.importorskip("torch")
    tf = pytest.importorskip("tensorflow")
    rgb = _picture(97, 131)
    ours = resize_bilinear(rgb, height_px=172, width_px=60)
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(rgb).permute(2, 0, 1)[None].float(), (172, 60), mode="bilinear"
    )
    np.testing.assert_allclose(ours, theirs[0].permute(1, 2, 0).numpy(), atol=5e-3)
    np.testing.assert_allclose(ours, tf.image.resize(rgb, (172, 60)).numpy(), atol=5e-3)


@given(sides, sides, st.sampled_from(["stretch", "fit", "crop"]))
def test_every_mode_gives_the_size_and_range(height: int, width: int, resize: str) -> None:
    prepared = Preprocessing(height_px=17, width_px=23, resize=resize)(_picture(height, width))
    assert prepared.shape == (17, 23, 3)
    assert prepared.dtype == np.float32
    assert prepared.flags.c_contiguous
    assert prepared.min() >= 0.0
    assert prepared.max() <= 1.0


def test_fit_pads_and_crop_cuts_the_longer_side() -> None:
    white = np.full((50, 100, 3), 255, dtype=np.uint8)
    fitted = Preprocessing(height_px=40, width_px=40, resize="fit")(white)
    assert (fitted[:10] == 0).all()
    assert (fitted[10:30] == 1).all()
    assert (fitted[30:] == 0).all()
    halves = white.copy()
    halves[:, :25] = 0
    halves[:, 75:] = 0
    cropped = Preprocessing(height_px=40, width_px=40, resize="crop")(halves)
    assert (cropped == 1).mean() > 0.95  # only the bright middle is left


def test_scale_mean_and_std() -> None:
    rgb = np.full((2, 2, 3), 100, dtype=np.uint8)
    prepared = Preprocessing(
        height_px=2, width_px=2, scale=1.0, mean=(90.0, 100.0, 110.0), std=(2.0, 4.0, 5.0)
    )(rgb)
    np.testing.assert_allclose(prepared[0, 0], [5.0, 0.0, -2.0], atol=1e-5)


def test_the_input_is_not_changed() -> None:
    rgb = _picture(9, 9)
    before = rgb.copy()
    Preprocessing(height_px=9, width_px=9)(rgb)
    np.testing.assert_array_equal(rgb, before)


@pytest.mark.parametrize(
    "rgb",
    [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
)
def test_wrong_frames_are_refused(rgb: np.ndarray) -> None:
    with pytest.raises(OptionError, match="uint8 array"):
        Preprocessing(height_px=4, width_px=4)(rgb)


@pytest.mark.parametrize(
    "options",
    [{"height_px": 0}, {"resize": "squash"}, {"scale": 0.0}, {"std": (1, 0, 1)}, {"frame_rate": 0}],
)
def test_wrong_settings_are_refused(options: dict) -> None:
    with pytest.raises(OptionError):
        Preprocessing(**({"height_px": 4, "width_px": 4} | options))
