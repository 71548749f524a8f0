"""What a file may ask for before it is refused; each limit can be raised by its name.

A file of a thousand bytes can claim pictures of a gigabyte, or a million frames in no time.
What is within these limits is opened as it is; what is not is refused before it costs memory::

    with vidlab.limits(max_frame_pixels=900_000_000):
        video = vidlab.Video("mosaic.tif")
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields

from vidlab.core.errors import LimitError, OptionError, refuse_unknown


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits in force.

    Attributes:
        max_frame_pixels: Width times height of a frame, px: three times 8K (7680x4320).
        max_frames: Frames of a video: 46 hours at 60 a second. FFmpeg takes up to 70 bytes for
            each that a header claims.
        max_frames_per_second: Of a video, by its timestamps, on average.
        max_duration_seconds: From the first frame to the end of the last: 31 days.
        max_download_bytes: Of a file, or of a repository of the Hugging Face Hub; the largest video
            model there has a few GB.
        max_archive_bytes: Of all that a downloaded archive holds, unpacked.
        max_archive_files: In a downloaded archive; a SavedModel has a handful.
        max_archive_ratio: Bytes unpacked for each byte of a downloaded archive, above 64 MB:
            weights hardly shrink, and zeros to a thousandth.
    """

    max_frame_pixels: int = 100_000_000
    max_frames: int = 10_000_000
    max_frames_per_second: float = 1000.0
    max_duration_seconds: float = 31 * 86_400.0
    max_download_bytes: int = 20_000_000_000
    max_archive_bytes: int = 20_000_000_000
    max_archive_files: int = 10_000
    max_archive_ratio: float = 100.0

    def check(self, name: str, value: float, *, what: str) -> None:
        """Refuse a value above its limit.

        Args:
            name: The limit's.
            value: What is claimed, or found.
            what: What has it, as the subject and verb of a sentence: ``"clip.mp4 has frames of"``.

        Raises:
            LimitError: It is above; the message names the limit and how to raise it.
        """
        limit = getattr(self, name)
        if value > limit:
            raise LimitError(
                f"{what} {_shown(value)}, more than the limit {name} of {_shown(limit)}. If that "
                f"is meant: with vidlab.limits({name}={_shown(math.ceil(value))}): ..."
            )


_in_force = Limits()


def current_limits() -> Limits:
    """Return the limits in force."""
    return _in_force


@contextmanager
def limits(**changes: float) -> Iterator[Limits]:
    """Raise or lower limits by name for as long as a ``with`` block runs.

    They hold for the whole process, its threads included: a video is read in several.

    Args:
        **changes: New values, by the names of :class:`Limits`.

    Yields:
        All limits in force.

    Raises:
        OptionError: There is no such limit, or a value is not a positive number.
    """
    global _in_force
    known = [each.name for each in fields(Limits)]
    refuse_unknown("vidlab.limits", [each for each in changes if each not in known], known)
    for name, value in changes.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise OptionError(f"{name} must be a number above 0; got {value!r}.")
    before = _in_force
    _in_force = Limits(**{**asdict(before), **changes})
    try:
        yield _in_force
    finally:
        _in_force = before


def _shown(value: float) -> str:
    return f"{value:_.0f}" if value == round(value) else f"{value:_.3f}"
