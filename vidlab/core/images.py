"""Pictures as bytes: for reports and saved outputs."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def jpeg(rgb: NDArray[np.uint8], *, height_px: int | None = None, quality: int = 80) -> bytes:
    """Encode a picture as JPEG.

    Args:
        rgb: uint8 ``[H, W, 3]``.
        height_px: Shrink to this height, keeping the aspect ratio; None keeps the size.
        quality: JPEG quality, 1 to 95.
    """
    image = Image.fromarray(rgb)
    if height_px is not None and height_px < image.height:
        width = max(1, round(image.width * height_px / image.height))
        image = image.resize((width, height_px), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def png(rgb: NDArray[np.uint8]) -> bytes:
    """Encode a picture, uint8 ``[H, W, 3]``, as PNG."""
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "PNG")
    return stream.getvalue()


def data_url(data: bytes, *, mime: str = "image/jpeg") -> str:
    """Return bytes as a ``data:`` address."""
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
