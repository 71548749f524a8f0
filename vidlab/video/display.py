"""From a decoded picture to what is seen: rotated once, square pixels, RGB."""

from __future__ import annotations

import math
import struct
import threading
from fractions import Fraction

import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

# More kinds of side data than FFmpeg has.
_NUM_KINDS = 256

# A pixel shape beyond this is a broken header, not a picture.
_MAX_PIXEL_STRETCH = 16

# How far from a quarter turn a display matrix may be and still count as one.
_MAX_TILT_DEGREES = 5.0


class Display:
    """How pictures of one video are turned and stretched for display.

    Args:
        coded_width: Width of a decoded picture in px.
        coded_height: Height of a decoded picture in px.
        sample_aspect_ratio: Width of a pixel over its height.
        matrix: The stream's display matrix, 36 bytes, or None.

    Attributes:
        width: Width as displayed, in square px.
        height: Height as displayed, in square px.
        rotation: Degrees clockwise that are applied: 0, 90, 180 or 270.
        mirrored: Whether the picture is mirrored left to right before it is rotated.
        warnings: What the header says that is not followed.
    """

    def __init__(
        self,
        coded_width: int,
        coded_height: int,
        *,
        sample_aspect_ratio: Fraction | None,
        matrix: bytes | None,
    ) -> None:
        self.warnings: list[str] = []
        self.coded_width, self.coded_height = coded_width, coded_height
        ratio = sample_aspect_ratio or Fraction(1)
        if ratio <= 0 or max(ratio, 1 / ratio) > _MAX_PIXEL_STRETCH:
            self.warnings.append(f"pixel aspect ratio {ratio} is not credible; taken as square")
            ratio = Fraction(1)
        self.sample_aspect_ratio = ratio
        # One side grows, so that no pixel is lost; browsers do the same.
        self._wide = coded_width, coded_height
        if ratio > 1:
            self._wide = _round_half_up(coded_width * ratio), coded_height
        elif ratio < 1:
            self._wide = coded_width, _round_half_up(coded_height / ratio)
        self.rotation, self.mirrored, warning = _read_matrix(matrix)
        if warning:
            self.warnings.append(warning)
        self._is_turned = self.rotation in (90, 270)
        self.width, self.height = self._wide[::-1] if self._is_turned else self._wide
        # A reformatter keeps its tables between frames, and is not safe for two threads.
        self._reformatter = VideoReformatter()
        self._lock = threading.Lock()

    def to_rgb(
        self, picture: VideoFrame, *, size: tuple[int, int] | None = None
    ) -> NDArray[np.uint8]:
        """Convert a decoded picture.

        Args:
            picture: The picture; one whose size differs from the video's is scaled to it.
            size: ``(width, height)`` as displayed, in px; by default the video's own.

        Returns:
            uint8 [height, width, 3], C-contiguous, not shared with the decoder.
        """
        width, height = size or (self.width, self.height)
        if self._is_turned:
            width, height = height, width
        smaller = width * height * 4 < picture.width * picture.height
        how = Interpolation.AREA if smaller else Interpolation.BILINEAR
        with self._lock:
            flat = self._reformatter.reformat(
                picture,
                width=width,
                height=height,
                format="rgb24",
                interpolation=int(how),
                threads=1,
            )
        plane = flat.planes[0]
        # A plane has the buffer interface, which its type stub does not say.
        rows: NDArray[np.uint8] = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
        rows = rows.reshape(-1, plane.line_size)[:height, : width * 3]
        pixels = rows.reshape(height, width, 3)
        is_own = flat is not picture  # what was RGB already comes back as the decoder's
        if is_own and rows.flags.c_contiguous and not (self.mirrored or self.rotation):
            return pixels  # a copy of a large picture costs more than the conversion
        if self.mirrored:
            pixels = pixels[:, ::-1]
        if self.rotation:
            pixels = np.rot90(pixels, k=-self.rotation // 90)
        return np.array(pixels, order="C")


def display_matrix_of(picture: VideoFrame) -> bytes | None:
    """Return the display matrix a decoded picture carries, 36 bytes, or None."""
    try:
        held = picture.side_data
    except ValueError:  # one kind without a name, such as a photo's EXIF, hides all the others
        _name_all_kinds()
        held = picture.side_data
    data = held.get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-overload]
    return None if data is None else bytes(data)


def _name_all_kinds() -> None:
    """Complete PyAV's list of what a picture may carry, which ends before FFmpeg's does."""
    known = SideDataType._value2member_map_
    for number in range(_NUM_KINDS):
        if number not in known:
            kind = object.__new__(SideDataType)
            vars(kind).update(_name_=f"KIND_{number}", _value_=number)
            known[number] = kind


def _read_matrix(matrix: bytes | None) -> tuple[int, bool, str | None]:
    """Return ``(degrees clockwise, mirrored first, warning)`` of a display matrix.

    The matrix maps ``(x, y)`` to ``(a x + c y, b x + d y)`` with y downwards; nine 32-bit
    integers ``a b u c d v x y w`` in the machine's byte order, 16.16 fixed point but for
    u, v, w (ISO/IEC 14496-12, 6.2.2; FFmpeg's libavutil/display.h).
    """
    if matrix is None or len(matrix) < 36:
        return 0, False, None
    a, b, _, c, d = struct.unpack("=5i", matrix[:20])
    determinant = a * d - b * c
    if determinant == 0:
        return 0, False, "display matrix is singular; not applied"
    mirrored = determinant < 0
    if mirrored:
        a, b = -a, -b
    degrees = math.degrees(math.atan2(b, a))
    quarter = round(degrees / 90)
    if abs(degrees - 90 * quarter) > _MAX_TILT_DEGREES:
        return 0, mirrored, f"display rotation of {degrees:.0f}° is not a quarter turn; not applied"
    return 90 * quarter % 360, mirrored, None


def _round_half_up(value: Fraction) -> int:
    return max(1, math.floor(value + Fraction(1, 2)))
