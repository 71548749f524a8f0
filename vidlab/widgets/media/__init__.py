"""The video as a browser can play it: whole, cut into segments, or encoded again.

`MediaServer` answers the page. `plan` decides, `segments` cuts or encodes pictures, `sound`
adds what is heard, `fmp4` writes the bytes, and `poster` makes the picture before all that.
They promise that the picture on screen at ``times[i] - offset_seconds`` is what Python calls
frame ``i``.
"""

from __future__ import annotations

from vidlab.widgets.media.plan import Plan, plan_playback, title_of
from vidlab.widgets.media.poster import poster_of
from vidlab.widgets.media.server import MediaServer

__all__ = ["MediaServer", "Plan", "plan_playback", "poster_of", "title_of"]
