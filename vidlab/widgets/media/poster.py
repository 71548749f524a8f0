"""The picture that a page shows until the video itself is there."""

from __future__ import annotations

from vidlab.core.images import jpeg
from vidlab.video import Video

_LONGEST_SIDE_PX = 960


def poster_of(video: Video) -> bytes:
    """Return frame 0 as JPEG, no larger than a notebook shows it; no index is made.

    Raises:
        VideoError: The source is gone, or is no longer a video.
    """
    frame = video.first_frame()
    height = min(frame.height, _LONGEST_SIDE_PX, _LONGEST_SIDE_PX * frame.height // frame.width)
    return jpeg(frame.thumbnail(height_px=max(1, height)))
