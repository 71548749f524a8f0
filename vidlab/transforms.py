"""From a decoded frame to a model's input: the one place where pixels are prepared.

Every backend is fed by :class:`Preprocessing`, which is made from a model's card, so a
PyTorch, a TF-Hub and a LiteRT copy of one model see the same numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidlab.core.dependencies import require
from vidlab.core.errors import OptionError

Resize = Literal["stretch", "fit", "crop"]
Resampling = Literal["bilinear", "opencv", "pillow", "pillow-bicubic"]
Channels = Literal["rgb", "bgr"]
Pixels = NDArray[np.uint8] | NDArray[np.float32]
StepKind = Literal[
    "mirror", "square", "width", "resize", "frame", "round", "channels", "scale", "mean", "std"
]

_PILLOW_FILTERS = {
    "pillow": Image.Resampling.BILINEAR,
    "pillow-bicubic": Image.Resampling.BICUBIC,
}
_RESAMPLED_BY = {
    "opencv": " by OpenCV",
    "pillow": " by Pillow",
    "pillow-bicubic": " by Pillow, with its cubic filter",
}


class Step(NamedTuple):
    """A step from a frame to an input.

    Attributes:
        kind: Which one, in the order in which they are taken.
        words: What it does.
        pixels: The picture after it, ``[H, W, 3]``. The next step may change it in place.
    """

    kind: StepKind
    words: str
    pixels: Pixels


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How a frame becomes a model's input.

    The steps are taken in the order of the attributes below.

    Attributes:
        height_px: Height of the input.
        width_px: Width of the input.
        mirror: Swap left and right, as a camera's picture of oneself is shown.
        square_first: Cut the middle square out before anything else is resized.
        width_first_px: Make frames this wide first, keeping their aspect ratio; each pixel is the
            mean of those it covers (OpenCV's ``INTER_AREA``).
        resize: ``"stretch"`` ignores the aspect ratio, ``"fit"`` keeps it and pads with
            zeros around, ``"crop"`` keeps it, fills the input and cuts off the overhang.
        resize_to_px: Instead of `resize`: ``(height, width)`` to stretch to, or ``(short side,)``
            that keeps the aspect ratio; what is not in the middle is then cut off.
        resampling: ``"bilinear"`` blends the four nearest pixels in floating point; ``"opencv"``
            does so as OpenCV with 8-bit pictures; ``"pillow"`` as Pillow, which blends every
            pixel that one of a smaller picture covers; ``"pillow-bicubic"`` with its cubic filter.
        is_crop_rounded_down: Where the middle is half a pixel off, cut less away at the top and
            left, as transformers does; False cuts to the even side, as torchvision does. It
            concerns `resize_to_px`.
        is_rounded: Round to whole pixel values after resizing, as torchvision does.
        channels: Their order, ``"rgb"`` or ``"bgr"``.
        scale: Pixel values 0 to 255 are divided by this.
        mean: Subtracted per channel, in their order, after scaling.
        std: Divided by per channel, after the mean is subtracted.
        frame_rate: Frames per second the model was trained on; None takes every frame.
    """

    height_px: int
    width_px: int
    mirror: bool = False
    square_first: bool = False
    width_first_px: int | None = None
    resize: Resize = "stretch"
    resize_to_px: tuple[int, ...] | None = None
    resampling: Resampling = "bilinear"
    is_crop_rounded_down: bool = False
    is_rounded: bool = False
    channels: Channels = "rgb"
    scale: float = 255.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    frame_rate: float | None = None

    def __post_init__(self) -> None:
        if self.height_px < 1 or self.width_px < 1:
            raise OptionError(
                f"The input size must be at least 1x1 px; got {self.width_px}x{self.height_px}."
            )
        for name, known in (("resize", Resize), ("resampling", Resampling), ("channels", Channels)):
            if getattr(self, name) not in get_args(known):
                raise OptionError(
                    f"{name} must be one of {get_args(known)}; got {getattr(self, name)!r}."
                )
        if len(self.mean) != 3 or len(self.std) != 3:
            raise OptionError(
                "mean and std have a number for each of 3 channels; got "
                f"mean={self.mean}, std={self.std}."
            )
        if self.scale <= 0 or any(value <= 0 for value in self.std):
            raise OptionError(
                f"scale and std must be positive; got scale={self.scale}, std={self.std}."
            )
        if self.frame_rate is not None and self.frame_rate <= 0:
            raise OptionError(f"frame_rate must be positive or None; got {self.frame_rate}.")
        if self.width_first_px is not None and self.width_first_px < 1:
            raise OptionError(
                f"width_first_px must be positive or None; got {self.width_first_px}."
            )
        self._check_resize_to()

    def _check_resize_to(self) -> None:
        to = self.resize_to_px
        if to is None:
            return
        least = (min(self.height_px, self.width_px),) if len(to) == 1 else self.size_px
        if len(to) not in (1, 2) or any(px < want for px, want in zip(to, least, strict=True)):
            raise OptionError(
                "resize_to_px is (height, width) or (short side,), none smaller than the input of "
                f"{self.height_px}x{self.width_px}; got {to}."
            )
        if len(to) == 1 and to[0] < max(self.size_px):
            raise OptionError(
                f"A short side of {to[0]} px does not cover the input of "
                f"{self.height_px}x{self.width_px} in frames of every shape."
            )

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width of the input."""
        return self.height_px, self.width_px

    @property
    def value_range(self) -> tuple[float, float]:
        """The least and the greatest value that a pixel can get."""
        black, white = ((np.full(3, px / self.scale) - self.mean) / self.std for px in (0, 255))
        return float(black.min()), float(white.max())

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Prepare one frame.

        Args:
            rgb: Frame, uint8 ``[H, W, 3]``.

        Returns:
            Model input, float32 ``[height_px, width_px, 3]``, C-contiguous.

        Raises:
            MissingDependencyError: OpenCV is asked for and not installed.
            OptionError: `rgb` is not a uint8 ``[H, W, 3]`` array.
        """
        last = deque(self.steps(rgb), maxlen=1).pop()
        return np.ascontiguousarray(last.pixels, dtype=np.float32)

    def steps(self, rgb: NDArray[np.uint8]) -> Iterator[Step]:
        """Prepare one frame step by step.

        Args:
            rgb: Frame, uint8 ``[H, W, 3]``.

        Yields:
            The steps that change something, and the one that resizes.

        Raises:
            MissingDependencyError: OpenCV is asked for and not installed.
            OptionError: `rgb` is not a uint8 ``[H, W, 3]`` array.
        """
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
            raise OptionError(
                f"A frame must be a uint8 array [H, W, 3]; got {rgb.dtype} {list(rgb.shape)}."
            )
        pixels: Pixels = rgb
        if self.mirror:
            pixels = pixels[:, ::-1]
            yield Step("mirror", "mirrored", pixels)
        height, width = pixels.shape[:2]
        if self.square_first and height != width:
            side = min(height, width)
            pixels = _middle(pixels, side, side)
            yield Step("square", f"the middle {side}x{side} px cut out", pixels)
        if self.width_first_px is not None and pixels.shape[1] != self.width_first_px:
            pixels = _resized_by_area(pixels, self.width_first_px)
            yield Step("width", f"made {self.width_first_px} px wide", pixels)
        for step in self._resized(pixels):
            pixels = step.pixels
            yield step
        if self.is_rounded and pixels.dtype != np.uint8:
            pixels = np.rint(pixels)
            yield Step("round", "rounded to whole pixel values", pixels)
        if self.channels == "bgr":
            pixels = pixels[:, :, ::-1]
            yield Step("channels", "channels in the order blue, green, red", pixels)
        yield from self._normalised(pixels)

    def _resized(self, pixels: Pixels) -> Iterator[Step]:
        height, width = pixels.shape[:2]
        inner, ratio = self._inner_size(height, width)
        if self.resampling == "opencv":
            pixels = _resized_by_opencv(pixels, inner, ratio)
        elif self.resampling in _PILLOW_FILTERS:
            picture = Image.fromarray(np.ascontiguousarray(pixels))
            pixels = np.array(picture.resize(inner[::-1], _PILLOW_FILTERS[self.resampling]))
        else:
            pixels = resize_bilinear(pixels, height_px=inner[0], width_px=inner[1])
        how = "stretched to" if ratio is None else "resized, as wide to high as before, to"
        by = _RESAMPLED_BY.get(self.resampling, "")
        yield Step("resize", f"{how} {inner[1]}x{inner[0]} px{by}", pixels)
        if inner == self.size_px:
            return
        size = f"{self.width_px}x{self.height_px} px"
        if self.resize_to_px is None and self.resize == "fit":
            top, left = (self.height_px - inner[0]) // 2, (self.width_px - inner[1]) // 2
            canvas = np.zeros((*self.size_px, 3), dtype=pixels.dtype)
            canvas[top : top + inner[0], left : left + inner[1]] = pixels
            yield Step("frame", f"padded with black to {size}", canvas)
        else:
            half_to_even = self.resize_to_px is not None and not self.is_crop_rounded_down
            middle = _middle(pixels, *self.size_px, half_to_even=half_to_even)
            words = f"the middle {size} cut out"
            if any((px - want) % 2 for px, want in zip(inner, self.size_px, strict=True)):
                words += f", half a pixel rounded {'to even' if half_to_even else 'down'}"
            yield Step("frame", words, middle)

    def _inner_size(self, height: int, width: int) -> tuple[tuple[int, int], float | None]:
        """Return the size before anything is cut off or padded; the ratio where it is one."""
        to = self.resize_to_px
        if to is None and self.resize == "stretch":
            return self.size_px, None
        if to is not None and len(to) == 2:
            return (to[0], to[1]), None
        if to is not None:
            # The longer side's fraction is cut off, as in torchvision.
            ratio = to[0] / min(height, width)
            long = int(to[0] * max(height, width) / min(height, width))
            return ((to[0], long) if height <= width else (long, to[0])), ratio
        ratios = (self.height_px / height, self.width_px / width)
        if self.resize == "crop":
            return (round(height * max(ratios)), round(width * max(ratios))), max(ratios)
        # As tf.image.resize_with_pad, but that nothing vanishes.
        fitting = (int(height * min(ratios) + 1e-6), int(width * min(ratios) + 1e-6))
        return (max(1, fitting[0]), max(1, fitting[1])), min(ratios)

    def _normalised(self, pixels: Pixels) -> Iterator[Step]:
        # In place: no earlier step leaves the caller's own picture in floating point.
        floats: NDArray[np.float32] = pixels.astype(np.float32, copy=False)
        if self.scale != 1.0:
            floats *= np.float32(1.0 / self.scale)
            yield Step("scale", f"divided by {_listed((self.scale,))}", floats)
        if self.mean != (0.0, 0.0, 0.0):
            floats -= np.asarray(self.mean, dtype=np.float32)
            yield Step("mean", f"less the mean {_listed(self.mean)}", floats)
        if self.std != (1.0, 1.0, 1.0):
            floats /= np.asarray(self.std, dtype=np.float32)
            words = f"divided by the standard deviation {_listed(self.std)}"
            yield Step("std", words, floats)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain data, for a record of what made a prediction."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


def _middle(pixels: Pixels, height: int, width: int, *, half_to_even: bool = False) -> Pixels:
    """Cut the middle out; half a pixel is rounded down, or to the even side as in torchvision."""
    top, left = (
        round(extra / 2) if half_to_even else extra // 2
        for extra in (pixels.shape[0] - height, pixels.shape[1] - width)
    )
    return pixels[top : top + height, left : left + width]


def _resized_by_area(pixels: Pixels, width: int) -> Pixels:
    cv2 = require("cv2", why="this recipe's resizing by area")
    height = int(pixels.shape[0] * (width / pixels.shape[1]))
    resized: Pixels = cv2.resize(
        np.ascontiguousarray(pixels), (width, height), interpolation=cv2.INTER_AREA
    )
    return resized


def _resized_by_opencv(pixels: Pixels, size: tuple[int, int], ratio: float | None) -> Pixels:
    cv2 = require("cv2", why="a recipe that resizes as OpenCV does")
    source = np.ascontiguousarray(pixels)
    # Given the ratio, OpenCV takes samples that far apart; given the size, as that comes out.
    resized: Pixels = (
        cv2.resize(source, size[::-1])
        if ratio is None
        else cv2.resize(source, None, fx=ratio, fy=ratio)
    )
    return resized


def _listed(numbers: tuple[float, ...]) -> str:
    # float32 has no more digits than nine: other words for every other number.
    return ", ".join(f"{number:.9g}" for number in numbers)


def resize_bilinear(rgb: Pixels, *, height_px: int, width_px: int) -> NDArray[np.float32]:
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


def _take(pixels: NDArray[Any], places: NDArray[np.intp]) -> NDArray[Any]:
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
