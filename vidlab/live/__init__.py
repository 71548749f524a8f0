"""Live: what a camera, a stream or a file shows now, looked at by models in real time.

::

    session = LiveSession("rtsp://door.local/1", [model], rules=[Rule("entering", probability=0.6)])
    session.on_answer = print
    with session:
        session.join()

In a notebook `vidlab.Live` shows one; ``vidlab live`` runs one in a terminal.
"""

from __future__ import annotations

from vidlab.live.session import LiveAnswer, LiveSession, TrackStats
from vidlab.live.sources import (
    CameraSource,
    FileSource,
    LiveFrame,
    LiveSource,
    PushedSource,
    StreamSource,
    as_source,
)

__all__ = [
    "CameraSource",
    "FileSource",
    "LiveAnswer",
    "LiveFrame",
    "LiveSession",
    "LiveSource",
    "PushedSource",
    "StreamSource",
    "TrackStats",
    "as_source",
]
