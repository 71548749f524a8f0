"""Fragmented MP4, written by hand (ISO/IEC 14496-12): pieces that a page may append in any order.

FFmpeg's muxer writes the head (``ftyp`` and ``moov``), which says how to decode. The fragments
(``moof`` and ``mdat``) are ours: each frame's place in time must be exact to the tick, whichever
pieces are appended before it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

VIDEO_TICKS = 1_000_000
"""Ticks per second of a video track: browsers keep time in microseconds."""

HEAD_OPTIONS = {
    "movflags": "empty_moov+default_base_moof",
    "use_editlist": "0",
    "video_track_timescale": str(VIDEO_TICKS),
}
"""Options for FFmpeg's mp4 muxer, whose output up to the first packet is the head."""

# Sample flags, ISO/IEC 14496-12, 8.8.3.1.
_DEPENDS_ON_NONE = 0x0200_0000
_DEPENDS_ON_OTHERS = 0x0101_0000

# What a `trun` box holds: where the data is, and of each sample duration, size, flags, shift.
_TRUN_FLAGS = 0x000F01
_DEFAULT_BASE_IS_MOOF = 0x020000


class Sample(NamedTuple):
    """One coded frame of a track.

    Attributes:
        data: As stored in MP4.
        duration: Ticks until the next sample is decoded.
        shift: Ticks from decoding to showing; may be negative.
        is_keyframe: Whether decoding can start here.
    """

    data: bytes
    duration: int
    shift: int = 0
    is_keyframe: bool = True


class Run(NamedTuple):
    """Samples of one track that follow each other.

    Attributes:
        track: Number of the track, from 1.
        start: Tick at which the first one is decoded.
        samples: In the order of decoding.
    """

    track: int
    start: int
    samples: Sequence[Sample]


def fragment(sequence: int, runs: Sequence[Run]) -> bytes:
    """Return a ``moof`` and its ``mdat``."""
    header = _full_box(b"mfhd", 0, 0, struct.pack(">I", sequence))
    # The offsets of the data count from the start of the moof: its size must be known first.
    num_bytes = 8 + len(header) + sum(len(_track_fragment(run, 0)) for run in runs)
    offset, parts = num_bytes + 8, [header]
    for run in runs:
        parts.append(_track_fragment(run, offset))
        offset += sum(len(sample.data) for sample in run.samples)
    data = [sample.data for run in runs for sample in run.samples]
    mdat = struct.pack(">I4s", 8 + sum(map(len, data)), b"mdat")
    return b"".join([_box(b"moof", *parts), mdat, *data])


def _track_fragment(run: Run, data_offset: int) -> bytes:
    header = _full_box(b"tfhd", 0, _DEFAULT_BASE_IS_MOOF, struct.pack(">I", run.track))
    decoding = _full_box(b"tfdt", 1, 0, struct.pack(">Q", run.start))
    rows = [struct.pack(">Ii", len(run.samples), data_offset)]
    for data, duration, shift, is_keyframe in run.samples:
        flags = _DEPENDS_ON_NONE if is_keyframe else _DEPENDS_ON_OTHERS
        rows.append(struct.pack(">IIIi", duration, len(data), flags, shift))
    return _box(b"traf", header, decoding, _full_box(b"trun", 1, _TRUN_FLAGS, *rows))


def _box(kind: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)


def _full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)


def codecs_of(head: bytes) -> str:
    """Return the ``codecs`` parameter (RFC 6381) of the video track that a head describes.

    Raises:
        ValueError: There is no H.264, VP9 or AV1 in it.
    """
    for kind, describe in ((b"avcC", _avc), (b"vpcC", _vp9), (b"av1C", _av1)):
        position = head.find(kind)
        if position >= 0:
            return describe(head[position + 4 : position + 16])
    raise ValueError("no avcC, vpcC or av1C box")


def _avc(record: bytes) -> str:
    return f"avc1.{record[1:4].hex()}"  # profile, constraints, level


def _vp9(record: bytes) -> str:
    profile, level, depth = record[4], record[5], record[6] >> 4
    return f"vp09.{profile:02}.{level:02}.{depth:02}"


def _av1(record: bytes) -> str:
    profile, level, tier = record[1] >> 5, record[1] & 31, "MH"[record[2] >> 7]
    return f"av01.{profile}.{level:02}{tier}.08"  # only 8-bit video is packaged


def is_annex_b(extradata: bytes | None) -> bool:
    """Tell whether H.264 comes as a byte stream (ITU-T H.264, annex B), not as in MP4."""
    return not extradata or extradata[0] != 1


def length_prefixed(data: bytes) -> bytes:
    """Convert H.264 from start codes to four-byte lengths; no unit ends with a zero byte."""
    units = (part.rstrip(b"\0") for part in data.split(b"\0\0\1")[1:])
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units if unit)


def starts_anew(data: bytes, num_length_bytes: int = 4) -> bool:
    """Tell whether H.264, with lengths before its units, holds an IDR picture (unit type 5).

    Nothing after one refers to anything before; other "keyframes" do not promise that, and
    browsers refuse to start at them.
    """
    position = 0
    while position + num_length_bytes < len(data):
        start = position + num_length_bytes
        if data[start] & 31 == 5:
            return True
        position = start + int.from_bytes(data[position:start], "big")
    return False
