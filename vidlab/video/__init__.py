"""Reading videos by timestamp: `Video` gives `Frame` objects, by number, by time, in order.

::

    video = Video("clip.mp4")
    video.frame_at_time(2.5).rgb          # uint8 [height, width, 3], upright, square pixels
    for frame in video:                   # constant memory, however long
        print(frame.index, frame.pts_seconds)
    for frame, sound in video.walk():     # sound: float32 [num_samples, channels]
        ...
"""

from __future__ import annotations

from vidlab.video.frame import Frame
from vidlab.video.video import MAX_PIXELS, Video

__all__ = ["MAX_PIXELS", "Frame", "Video"]
