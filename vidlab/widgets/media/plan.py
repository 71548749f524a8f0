"""How a video gets into the browser: as it is, cut without loss, or encoded again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidlab.video import Video
from vidlab.video.index import PacketTable

How = Literal["direct", "remux", "transcode"]

WHOLE_BYTES = 8 << 20
"""Up to this size a file that plays as it is goes in one piece."""

# A segment of whole groups of pictures is closed once it is this long or this large.
_SEGMENT_SECONDS = 4.0
_SEGMENT_BYTES = 4 << 20

# A segment that cannot be cut smaller would keep the page waiting, or not fit its memory.
_MAX_GROUP_SECONDS = 20.0
_MAX_GROUP_BYTES = 32 << 20

# A clock that starts further from zero is another clock than the browser's.
_TOLERANCE_SECONDS = 1e-3

# What every current browser decodes: 8-bit 4:2:0 only.
_PLAYED_CODECS = frozenset({"h264", "vp8", "vp9", "av1"})
_CUT_CODECS = frozenset({"h264", "vp9", "av1"})
_PLAYED_PIXEL_FORMATS = frozenset({"yuv420p", "yuvj420p"})

MP4, WEBM = "video/mp4", "video/webm"

# Codec names as people write them.
_TITLES = {
    "h264": "H.264", "hevc": "HEVC", "mpeg4": "MPEG-4 part 2", "mpeg2video": "MPEG-2",
    "mpeg1video": "MPEG-1", "mjpeg": "Motion JPEG", "gif": "GIF", "theora": "Theora",
    "vp8": "VP8", "vp9": "VP9", "av1": "AV1", "prores": "ProRes", "bmp": "BMP", "png": "PNG",
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """How a video gets into the browser.

    Attributes:
        how: ``"direct"`` (its own bytes), ``"remux"`` (its own pictures, cut into segments) or
            ``"transcode"`` (pictures encoded again, in segments).
        mime: Type of what the browser gets, without codecs.
        why: Why not the bytes as they are, in words; empty for ``"direct"``.
    """

    how: How
    mime: str = MP4
    why: str = ""


def title_of(codec: str) -> str:
    """Return a codec's name as people write it: ``"HEVC"`` for ``"hevc"``."""
    return _TITLES.get(codec, codec)


def plan_playback(
    *,
    codec: str,
    container: str,
    pixel_format: str,
    rotation: int = 0,
    is_mirrored: bool = False,
    start_seconds: float = 0.0,
    num_bytes: int | None = 0,
    has_alpha: bool = False,
    ends_early: bool = False,
    has_other_tracks: bool = False,
    obstacle: str = "",
    cut_obstacle: str = "",
) -> Plan:
    """Decide how a video gets into the browser, frame-exactly.

    Only what surely plays, upright and with a clock that starts at zero, goes as it is.

    Args:
        codec: FFmpeg's name, such as ``"h264"``.
        container: FFmpeg's name, such as ``"mov,mp4,m4a,3gp,3g2,mj2"``.
        pixel_format: FFmpeg's name, such as ``"yuv420p"``.
        rotation: Degrees clockwise that are applied for display.
        is_mirrored: Whether the picture is mirrored for display.
        start_seconds: Timestamp of the first frame.
        num_bytes: Size of the file; None where its bytes cannot be had (an address).
        has_alpha: Whether the browser would blend the picture with the page.
        ends_early: See `ends_early`.
        has_other_tracks: Whether there are pictures or sound besides those that vidlab reads.
        obstacle: What keeps a browser from playing the stored pictures, see `obstacle_in`.
        cut_obstacle: What keeps them from being cut, see `cut_obstacle_in`.
    """
    title = title_of(codec)
    if codec not in _PLAYED_CODECS:
        return Plan("transcode", why=f"Browsers do not play {title}.")
    if pixel_format not in _PLAYED_PIXEL_FORMATS:
        return Plan("transcode", why=f"Browsers do not all play {title} in {pixel_format}.")
    if rotation:
        return Plan("transcode", why=f"The pictures are stored turned by {rotation}°.")
    if is_mirrored:
        return Plan("transcode", why="The pictures are stored mirrored.")
    if has_alpha:
        return Plan("transcode", why="The pictures are partly transparent.")
    if obstacle:
        return Plan("transcode", why=obstacle)
    why = _why_not_whole(codec, container, start_seconds, num_bytes, ends_early, has_other_tracks)
    if not why:
        return Plan("direct", MP4 if _is_mp4(container) else WEBM)
    if cut_obstacle:
        return Plan("transcode", why=f"{why} {cut_obstacle}")
    if codec not in _CUT_CODECS:
        return Plan("transcode", why=f"{why} {title} cannot be cut without encoding it again.")
    return Plan("remux", why=why)


def _why_not_whole(
    codec: str,
    container: str,
    start_seconds: float,
    num_bytes: int | None,
    ends_early: bool,
    has_other_tracks: bool,
) -> str:
    """Return in words what keeps a file from going as it is, or nothing."""
    # One demuxer reads Matroska and WebM; browsers take it for codecs that WebM has.
    is_known = codec != "vp8" if _is_mp4(container) else "webm" in container and codec != "h264"
    if not is_known:
        return f"Browsers do not play {title_of(codec)} in this container."
    if abs(start_seconds) > _TOLERANCE_SECONDS:
        return f"The video starts at {start_seconds:.3f} s, not at zero."
    if ends_early:
        return "The file's header ends it before its last frame."
    if has_other_tracks:
        return "The file has other tracks, of which a browser might play one."
    if num_bytes is None:
        return "The video is read from the network."
    if num_bytes > WHOLE_BYTES:
        return "The file is loaded piece by piece."
    return ""


def _is_mp4(container: str) -> bool:
    return "mp4" in container.split(",")


def obstacle_in(packets: PacketTable | None) -> str:
    """Return in words what keeps a browser from playing the stored pictures, or nothing."""
    if packets is None:
        return "The file does not say when its pictures are shown."
    if not packets.is_keyframe[0]:
        return "The video starts in the middle of a recording."
    if not _is_closed(packets):
        return "Pictures depend on ones before a keyframe (open GOP)."
    return ""


def cut_obstacle_in(packets: PacketTable | None, *, seconds: NDArray[np.float64]) -> str:
    """Return in words what keeps the stored pictures from being cut, or nothing.

    Args:
        packets: Of the video.
        seconds: When each frame starts, and when the last one ends, float64 [num_frames + 1].
    """
    if packets is None:
        return obstacle_in(packets)
    if packets.has_hidden:
        return "Some stored pictures are never shown by themselves."
    keyframes = np.append(np.flatnonzero(packets.is_keyframe), len(packets.pts))
    if np.diff(seconds[keyframes]).max(initial=0) > _MAX_GROUP_SECONDS:
        return f"Its keyframes are more than {_MAX_GROUP_SECONDS:.0f} s apart."
    groups = np.add.reduceat(packets.num_bytes, keyframes[:-1])
    if groups.max(initial=0) > _MAX_GROUP_BYTES:
        return f"Its keyframes are more than {_MAX_GROUP_BYTES >> 20} MB apart."
    return ""


def _is_closed(packets: PacketTable) -> bool:
    """Tell whether all that is stored from a keyframe on is shown from it on."""
    latest = np.maximum.accumulate(packets.pts)
    earliest = np.minimum.accumulate(packets.pts[::-1])[::-1]
    keyframes = np.flatnonzero(packets.is_keyframe)
    is_first = earliest[keyframes] == packets.pts[keyframes]
    later = keyframes[keyframes > 0]
    return bool(is_first.all() and (latest[later - 1] < packets.pts[later]).all())


def ends_early(video: Video) -> bool:
    """Tell whether a browser, which goes by the header, would not show the last frame."""
    stated = video.stated_duration_seconds
    return stated is not None and stated <= float(video.pts_seconds[-1])


def plan_for(video: Video, *, seconds: NDArray[np.float64] | None = None) -> Plan:
    """Decide how `video` gets into the browser; see `plan_playback` and `obstacle_in`.

    Args:
        video: To be played.
        seconds: Frame times and the end, to cut it by; None where it is to go in one piece,
            however large.
    """
    size = 0 if seconds is None and not video.is_remote else _size_of(video)
    return plan_playback(
        codec=video.codec, container=video.container, pixel_format=video.pixel_format,
        rotation=video.rotation, is_mirrored=video.is_mirrored,
        start_seconds=video.start_seconds, num_bytes=size,
        has_alpha=video.metadata.get("alpha_mode") == "1", ends_early=ends_early(video),
        has_other_tracks=video.num_video_tracks > 1 or video.num_audio_tracks > 1,
        obstacle=obstacle_in(video.packets),
        cut_obstacle="" if seconds is None else cut_obstacle_in(video.packets, seconds=seconds),
    )  # fmt: skip


def _size_of(video: Video) -> int | None:
    if video.is_remote:
        return None
    with video.open_bytes() as stream:
        return stream.seek(0, 2)


def cut_at_keyframes(packets: PacketTable, seconds: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the first frame of each segment, int32: whole groups of pictures, merged.

    Args:
        packets: With closed groups, so that frames are numbered alike as stored and as shown.
        seconds: See `obstacle_in`.
    """
    keyframes = np.flatnonzero(packets.is_keyframe)
    ends = np.append(keyframes[1:], len(packets.pts))
    before = np.append(0, np.cumsum(packets.num_bytes))
    starts = [0]
    for first, end in zip(keyframes.tolist(), ends.tolist(), strict=True):
        start = starts[-1]
        is_long = seconds[end] - seconds[start] > _SEGMENT_SECONDS
        if first > start and (is_long or before[end] - before[start] > _SEGMENT_BYTES):
            starts.append(first)
    return np.array(starts, np.int32)


def cut_by_time(seconds: NDArray[np.float64], *, length: float) -> NDArray[np.int32]:
    """Return the first frame of each segment of about `length` seconds, int32."""
    starts, end = [0], seconds[-1]
    while (wanted := seconds[starts[-1]] + length) < end:
        frame = int(np.searchsorted(seconds[:-1], wanted - _TOLERANCE_SECONDS))
        frame = max(frame, starts[-1] + 1)
        if frame >= len(seconds) - 1:
            break
        starts.append(frame)
    return np.array(starts, np.int32)
