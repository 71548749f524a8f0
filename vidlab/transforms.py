"""From a decoded frame to a model's input: the one place where pixels are prepared.

Every backend is fed by :class:`Preprocessing`, which is made from a model's card, so a
PyTorch, a TF-Hub and a LiteRT copy of one model see the same numbers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError

Resize = Literal["stretch", "fit", "crop"]
_RESIZES: tuple[Resize, ...] = ("stretch", "fit", "crop")


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How a frame becomes a model's input.

    Attributes:
        height_px: Height of the input.
        width_px: Width of the input.
        resize: ``"stretch"`` ignores the aspect ratio, ``"fit"`` keeps it and pads with
            zeros around, ``"crop"`` keeps it, fills the input and cuts off the overhang.
        scale: Pixel values 0 to 255 are divided by this.
        mean: Subtracted per channel (R, G, B), after scaling.
        std: Divided by per channel, after the mean is subtracted.
        frame_rate: Frames per second the model was trained on; None takes every frame.
    """

    height_px: int
    width_px: int
    resize: Resize = "stretch"
    scale: float = 255.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    frame_rate: float | None = None

    def __post_init__(self) -> None:
        if self.height_px < 1 or self.width_px < 1:
            raise OptionError(
                f"The input size must be at least 1x1 px; got {self.width_px}x{self.height_px}."
            )
        if self.resize not in _RESIZES:
            raise OptionError(f"resize must be one of {_RESIZES}; got {self.resize!r}.")
        if self.scale <= 0 or any(value <= 0 for value in self.std):
            raise OptionError(
                f"scale and std must be positive; got scale={self.scale}, std={self.std}."
            )
        if self.frame_rate is not None and self.frame_rate <= 0:
            raise OptionError(f"frame_rate must be positive or None; got {self.frame_rate}.")

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Prepare one frame.

        Args:
            rgb: Frame, uint8 ``[H, W, 3]``.

        Returns:
            Model input, float32 ``[height_px, width_px, 3]``, C-contiguous.

        Raises:
            OptionError: `rgb` is not a uint8 ``[H, W, 3]`` array.
        """
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
            raise OptionError(
                f"A frame must be a uint8 array [H, W, 3]; got {rgb.dtype} {list(rgb.shape)}."
            )
        pixels = self._resized(rgb)
        pixels *= np.float32(1.0 / self.scale)
        if self.mean != (0.0, 0.0, 0.0):
            pixels -= np.asarray(self.mean, dtype=np.float32)
        if self.std != (1.0, 1.0, 1.0):
            pixels /= np.asarray(self.std, dtype=np.float32)
        return pixels

    def _resized(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = rgb.shape[:2]
        if self.resize == "stretch":
            return resize_bilinear(rgb, height_px=self.height_px, width_px=self.width_px)
        ratios = (self.height_px / height, self.width_px / width)
        ratio = min(ratios) if self.resize == "fit" else max(ratios)
        inner_height = max(1, round(height * ratio))
        inner_width = max(1, round(width * ratio))
        inner = resize_bilinear(rgb, height_px=inner_height, width_px=inner_width)
        top = (inner_height - self.height_px) // 2
        left = (inner_width - self.width_px) // 2
        if self.resize == "crop":
            return np.ascontiguousarray(
                inner[top : top + self.height_px, left : left + self.width_px]
            )
        canvas = np.zeros((self.height_px, self.width_px, 3), dtype=np.float32)
        canvas[-top : inner_height - top, -left : inner_width - left] = inner
        return canvas

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain data, for a record of what made a prediction."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


def resize_bilinear(
    rgb: NDArray[np.uint8], *, height_px: int, width_px: int
) -> NDArray[np.float32]:
    """Resize with half-pixel centres and without antialiasing.

    The four nearest pixels are blended, whatever the scale: what ``cv2.INTER_LINEAR``,
    ``tf.image.resize`` and ``torch.nn.functional.interpolate(align_corners=False)`` do by
    default, and so what the published models were run with.

    Args:
        rgb: uint8 ``[H, W, 3]``.
        height_px: Height of the result.
        width_px: Width of the result.

    Returns:
        float32 ``[height_px, width_px, 3]``, values 0 to 255, not rounded.
    """
    height, width = rgb.shape[:2]
    top, bottom, down = _taps(height, height_px)
    left, right, across = _taps(width, width_px)
    upper, lower = top[:, None] * width, bottom[:, None] * width
    # Of a large frame only the pixels that are blended are ever touched, and no large
    # intermediate is made: fresh memory costs more here than arithmetic.
    pixels = rgb.reshape(-1, 3)
    above = _take(pixels, upper + left).astype(np.float32)
    part = np.subtract(_take(pixels, upper + right), above)
    part *= across[None, :, None]
    above += part
    below = _take(pixels, lower + left).astype(np.float32)
    np.subtract(_take(pixels, lower + right), below, out=part)
    part *= across[None, :, None]
    below += part
    below -= above
    below *= down[:, None, None]
    above += below
    return above


def _take(pixels: NDArray[np.uint8], places: NDArray[np.intp]) -> NDArray[np.uint8]:
    # All places lie within; saying "clip" spares numpy a check and a slower way.
    return np.take(pixels, places, axis=0, mode="clip")


@lru_cache(maxsize=32)
def _taps(
    source: int, target: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    centre = (np.arange(target, dtype=np.float64) + 0.5) * (source / target) - 0.5
    centre = np.clip(centre, 0, source - 1)
    first = np.floor(centre).astype(np.intp)
    second = np.minimum(first + 1, source - 1)
    return first, second, (centre - first).astype(np.float32)
