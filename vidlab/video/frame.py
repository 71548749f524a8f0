"""One decoded picture of a video."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vidlab.core.errors import VideoDecodeError
from vidlab.video.display import Display
from vidlab.video.source import describe


class Frame:
    """One decoded picture; it becomes RGB only when asked.

    Attributes:
        index: 0-based, in presentation order.
        pts_seconds: Presentation timestamp as the container states it; the first frame's
            need not be zero.
        duration_seconds: How long the container says it is shown, or None where it does
            not say.
        is_keyframe: Whether it decodes without other frames.
        is_damaged: Whether the decoder had to guess parts of it.
    """

    __slots__ = (
        "__weakref__",
        "_display",
        "_picture",
        "_rgb",
        "duration_seconds",
        "index",
        "is_damaged",
        "is_keyframe",
        "pts_seconds",
    )

    def __init__(
        self,
        picture: VideoFrame,
        display: Display,
        *,
        index: int,
        pts_seconds: float,
        duration_seconds: float | None,
    ) -> None:
        self._picture: VideoFrame | None = picture
        self._display = display
        self._rgb: NDArray[np.uint8] | None = None
        self.index = index
        self.pts_seconds = pts_seconds
        self.duration_seconds = duration_seconds
        self.is_keyframe = picture.key_frame
        self.is_damaged = picture.is_corrupt

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The pixels as displayed, uint8 [height, width, 3], C-contiguous; made once.

        Raises:
            VideoDecodeError: The picture cannot be converted.
        """
        picture = self._picture
        if picture is not None:
            self._rgb = self._convert(picture, None)
            self._picture = None  # the decoder's copy is not needed any more
        assert self._rgb is not None
        return self._rgb

    @property
    def width(self) -> int:
        """Width in px, as displayed."""
        return self._display.width

    @property
    def height(self) -> int:
        """Height in px, as displayed."""
        return self._display.height

    def thumbnail(self, *, height_px: int) -> NDArray[np.uint8]:
        """Return a small copy, uint8 [height_px, w, 3], in the shape of the whole picture."""
        width = max(1, round(self.width * height_px / self.height))
        picture = self._picture
        if picture is None:
            assert self._rgb is not None
            picture = VideoFrame.from_ndarray(self._rgb, format="rgb24")
            upright = Display(self.width, self.height, sample_aspect_ratio=None, matrix=None)
            return upright.to_rgb(picture, size=(width, height_px))
        return self._convert(picture, (width, height_px))

    def __repr__(self) -> str:
        return f"Frame({self.index}, {self.pts_seconds:.6f} s, {self.width}x{self.height})"

    def _convert(self, picture: VideoFrame, size: tuple[int, int] | None) -> NDArray[np.uint8]:
        try:
            return self._display.to_rgb(picture, size=size)
        except Exception as error:
            raise VideoDecodeError(
                f"Cannot convert frame {self.index} ({picture.format.name}, "
                f"{picture.width}x{picture.height}) to RGB: {describe(error)}.",
                frame_index=self.index,
            ) from error
