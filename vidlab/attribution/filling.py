"""What hidden frames and places are filled with, so that a model learns nothing from them."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError, did_you_mean
from vidlab.transforms import Preprocessing

Fill = Literal["blur", "freeze", "gray"]
"""``"blur"`` takes the detail away and leaves colours and light; ``"freeze"`` takes the motion away
and leaves a picture; ``"gray"`` leaves nothing, and is what no model was trained on."""

# Standard deviation of the blur as a share of the input's short side: 10 px of 224, as in Fong and
# Vedaldi 2017, "Interpretable Explanations of Black Boxes by Meaningful Perturbation".
_BLUR_SHARE = 10 / 224


def check_fill(fill: str) -> None:
    """Refuse a filling that there is not.

    Raises:
        OptionError: With those that there are.
    """
    known = get_args(Fill)
    if fill not in known:
        raise OptionError(
            f"fill must be one of {', '.join(map(repr, known))}; got {fill!r}."
            + did_you_mean(str(fill), known)
        )


def filled(
    pixels: NDArray[np.float32], start: int, stop: int, fill: Fill, preprocessing: Preprocessing
) -> NDArray[np.float32]:
    """Return what stands for the frames from `start` to before `stop`.

    Args:
        pixels: All prepared frames, float32 ``[N, H, W, 3]``.
        start: The first frame that is hidden.
        stop: The first one after it that is not.
        fill: See `Fill`. A frozen picture is the one before `start`; at the beginning the one at
            `stop`; where all frames are hidden, the first.
        preprocessing: What prepared them.

    Returns:
        float32 ``[stop - start, H, W, 3]``.
    """
    hidden = pixels[start:stop]
    if fill == "blur":
        return _blurred(hidden)
    if fill == "freeze":
        kept = start - 1 if start else stop % len(pixels)
        return np.repeat(pixels[kept : kept + 1], len(hidden), axis=0)
    middle = (127.5 / preprocessing.scale - np.array(preprocessing.mean)) / preprocessing.std
    return np.broadcast_to(middle.astype(np.float32), hidden.shape).copy()


def _blurred(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = pixels.shape[1:3]
    deviation = _BLUR_SHARE * min(height, width)
    down, across = (_gaussian(length, deviation) for length in (height, width))
    blurred = np.einsum("gh,nhwc->ngwc", down, pixels, optimize=True)
    blurred = np.einsum("vw,ngwc->ngvc", across, blurred, optimize=True)
    return np.ascontiguousarray(blurred, dtype=np.float32)


def _gaussian(length: int, deviation: float) -> NDArray[np.float32]:
    """Return the weights ``[length, length]`` of a Gaussian mean; at an edge, of what is there."""
    place = np.arange(length)
    weights = np.exp(-((place[:, None] - place) ** 2) / (2 * deviation**2))
    shares: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
