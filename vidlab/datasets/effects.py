"""From a clean picture to a camera's: light, vignette, noise, compression."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageChops

from vidlab.datasets.body import Floats
from vidlab.datasets.scenery import drift

# Noise is cut from a larger sheet at random places: drawing it anew would take most of the time.
_SHEET = 96


class Effects:
    """What light, sensor and compression do to the frames of one video.

    Args:
        rng: Decides how much of each.
        t: Times of the frames ``[T]``.
        size_px: Width and height of the picture.
    """

    def __init__(self, rng: np.random.Generator, t: Floats, size_px: int) -> None:
        gain = rng.uniform(0.8, 1.15) if rng.random() < 0.8 else 1.0
        gamma = float(np.exp(rng.uniform(-0.22, 0.18)))
        cast = 1.0 + rng.uniform(-0.07, 0.07, 3)
        lift = rng.uniform(0.0, 18.0) * (rng.random() < 0.3)
        seconds = float(t[-1] - t[0]) + 1e-6
        slow = 1.0 + drift(rng, t, 0.05, seconds) * (rng.random() < 0.4)
        flicker = 1.0 + rng.normal(0.0, 0.02, len(t)) * (rng.random() < 0.3)
        level = np.arange(256) / 255.0
        curve = 255.0 * level[None, None] ** gamma * gain * cast[None, :, None]
        curve = lift + (255.0 - lift) / 255.0 * curve * (slow * flicker)[:, None, None]
        self._curves = np.clip(np.round(curve), 0, 255).astype(int).reshape(len(t), 768)
        self._vignette = _vignette(rng, size_px) if rng.random() < 0.5 else None
        noise = rng.uniform(1.0, 7.0) if rng.random() < 0.6 else 0.0
        self._sheet: Image.Image | None = None
        if noise:
            colourful = rng.random() < 0.6
            shape = (size_px + _SHEET, size_px + _SHEET, 3 if colourful else 1)
            sheet = 128.0 + noise * rng.standard_normal(shape, dtype=np.float32)
            pixels = np.clip(np.round(sheet), 0, 255).astype(np.uint8)
            self._sheet = Image.fromarray(np.repeat(pixels, 3 // shape[2], axis=2))
        self._corners = rng.integers(0, _SHEET, (len(t), 2))
        self._quality = int(rng.integers(22, 92)) if rng.random() < 0.5 else None

    def apply(self, image: Image.Image, index: int) -> Image.Image:
        """Return the frame as the camera would have stored it."""
        image = image.point(self._curves[index].tolist())
        if self._vignette is not None:
            image = ImageChops.multiply(image, self._vignette)
        if self._sheet is not None:
            x, y = (int(v) for v in self._corners[index])
            noise = self._sheet.crop((x, y, x + image.width, y + image.height))
            image = ImageChops.add(image, noise, 1.0, -128)
        if self._quality is not None:
            stored = io.BytesIO()
            image.save(stored, "JPEG", quality=self._quality)
            image = Image.open(stored)
            image.load()
        return image


def _vignette(rng: np.random.Generator, size_px: int) -> Image.Image:
    x = np.linspace(-1.0, 1.0, size_px)
    middle = rng.uniform(-0.2, 0.2, 2)
    far = (x[None, :] - middle[0]) ** 2 + (x[:, None] - middle[1]) ** 2
    dark = 255.0 * (1.0 - rng.uniform(0.08, 0.3) * np.clip(far, 0.0, 2.0) / 1.5)
    return Image.fromarray(np.repeat(np.clip(dark, 0, 255).astype(np.uint8)[..., None], 3, axis=2))
