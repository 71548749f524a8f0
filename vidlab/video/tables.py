"""The sample tables of MP4 and QuickTime files: where each packet is, and when it is shown.

FFmpeg reads them when it opens a file, and tells of each packet the position, the size, the
time of decoding, and whether it is a keyframe. What it keeps to itself, the time from decoding
to showing, is read here (ISO/IEC 14496-12, 8.6.1.3 `ctts`). Whatever is unusual is left to the
demuxer, which reads all of the file; nothing here is believed before a part of it has been
compared with what the demuxer says.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidlab.video.decoder import DecodeFailure, Decoder

# Codecs whose keyframes FFmpeg takes from the container (HEVC), or from what is looked at here
# (H.264): for others its parsers have a say.
_CODECS = frozenset({"h264", "hevc"})

# Larger shifts are damage: FFmpeg then ignores the whole table.
_MAX_SHIFT = 1 << 28

# Of a keyframe, as much as holds what comes before its first slice.
_HEAD_BYTES = 4096
_IDR, _FIRST_SLICE, _LAST_SLICE = 5, 1, 5  # H.264 unit types, ITU-T H.264 table 7-1

# A box may claim to be anywhere and hold anything: no sound file has more in one place.
_MAX_BOXES = 10_000


class SampleTable(NamedTuple):
    """The packets of a track in the order of decoding.

    Attributes:
        pts: int64 [num_packets], ticks.
        is_keyframe: bool [num_packets].
        num_bytes: int64 [num_packets].
        duration: Of the packet that is shown last, ticks; 0 where not stated.
    """

    pts: NDArray[np.int64]
    is_keyframe: NDArray[np.bool_]
    num_bytes: NDArray[np.int64]
    duration: int


class _UnusualError(Exception):
    """The tables say something that only the demuxer understands."""


def is_with_tables(container: str, codec: str) -> bool:
    """Tell whether such a file may have tables that can be used.

    Args:
        container: FFmpeg's name, such as ``"mov,mp4,m4a,3gp,3g2,mj2"``.
        codec: FFmpeg's name, such as ``"h264"``.
    """
    return "mp4" in container.split(",") and codec in _CODECS


def read_tables(decoder: Decoder, file: IO[bytes]) -> SampleTable | None:
    """Read what the demuxer would say of all packets, without reading the packets.

    Args:
        decoder: Fresh, of a file of the kind that `is_with_tables`; its last packets are read.
        file: The same file's bytes.

    Returns:
        The packets; None where only reading them tells.
    """
    try:
        return _read(decoder, file)
    except (_UnusualError, DecodeFailure, struct.error, OSError, ValueError):
        return None


def _read(decoder: Decoder, file: IO[bytes]) -> SampleTable:
    # Never a list: of hours of video it holds half a million, each of 200 bytes.
    found = decoder.stream.index_entries
    entries = np.fromiter(
        ((each.timestamp, each.size, each.pos, each.flags) for each in found),
        np.dtype((np.int64, 4)),
    )
    if not len(entries):
        raise _UnusualError
    dts, num_bytes, position, flags = entries.T
    is_whole = num_bytes.min() > 0 and (position + num_bytes).max() <= decoder.container.size
    is_in_order = bool((np.diff(dts) > 0).all())
    # Flag 1 marks keyframes; 2 packets that an edit list cuts off.
    if not is_whole or not is_in_order or (flags & ~1).any() or not flags[0]:
        raise _UnusualError
    is_keyframe = flags.astype(np.bool_)
    shifts = _shifts(file, track=decoder.stream.id, num_samples=len(entries))
    if decoder.stream.codec_context.codec.canonical_name == "h264":
        _check_keyframes(decoder, file, position[is_keyframe], num_bytes[is_keyframe])
    return _compared(decoder, dts, SampleTable(dts + shifts, is_keyframe, num_bytes, 0))


def _compared(decoder: Decoder, dts: NDArray[np.int64], table: SampleTable) -> SampleTable:
    """Compare the last packets with the demuxer's, and take from it what all have in common.

    FFmpeg moves all timestamps so that none is shown before it is decoded.
    """
    last_keyframe = int(np.flatnonzero(table.is_keyframe)[-1])
    if last_keyframe < len(dts) // 2 or not decoder.seek(int(dts[last_keyframe])):
        raise _UnusualError  # reading so much takes as long as reading all
    packets = list(decoder.packets())
    first = len(dts) - len(packets)
    if first < 0 or not packets or packets[0].pts is None:
        raise _UnusualError
    pts = table.pts + (packets[0].pts - int(table.pts[first]))
    last_shown = int(np.argmax(pts))
    told = [(each.pts, each.dts, each.size, each.is_keyframe) for each in packets]
    expected = zip(
        pts[first:].tolist(), dts[first:].tolist(), table.num_bytes[first:].tolist(),
        table.is_keyframe[first:].tolist(), strict=True,
    )  # fmt: skip
    if last_shown < first or told != list(expected):
        raise _UnusualError
    return table._replace(pts=pts, duration=packets[last_shown - first].duration or 0)


def _check_keyframes(
    decoder: Decoder, file: IO[bytes], positions: NDArray[np.int64], sizes: NDArray[np.int64]
) -> None:
    """See that every keyframe of H.264 is one: FFmpeg looks into the pictures for that.

    Raises:
        _UnusualError: One is not, or it starts with more than is read here.
    """
    extradata = decoder.stream.codec_context.extradata
    if not extradata or len(extradata) < 5 or extradata[0] != 1:
        raise _UnusualError
    num_length_bytes = (extradata[4] & 3) + 1
    for position, size in zip(positions.tolist(), sizes.tolist(), strict=True):
        file.seek(position)
        if _first_slice(file.read(min(size, _HEAD_BYTES)), num_length_bytes) != _IDR:
            raise _UnusualError


def _first_slice(data: bytes, num_length_bytes: int) -> int | None:
    position = 0
    while position + num_length_bytes < len(data):
        start = position + num_length_bytes
        kind = data[start] & 31
        if _FIRST_SLICE <= kind <= _LAST_SLICE:
            return kind
        position = start + int.from_bytes(data[position:start], "big")
    return None


# ---- the boxes ---------------------------------------------------------------------------------


class _Box(NamedTuple):
    """A box's content: bytes `start` to `stop` of the file."""

    kind: bytes
    start: int
    stop: int


def _shifts(file: IO[bytes], *, track: int, num_samples: int) -> NDArray[np.int64]:
    """Return ticks from decoding to showing, int64 [num_samples], up to what all have in common."""
    whole = _Box(b"", 0, file.seek(0, io.SEEK_END))
    moov = _only(file, whole, b"moov")
    if any(box.kind == b"mvex" for box in _boxes(file, moov)):
        raise _UnusualError  # in fragments: the tables are only the beginning
    trak = next((box for box in _all(file, moov, b"trak") if _id(file, box) == track), None)
    if trak is None or not _is_cut_simply(file, trak):
        raise _UnusualError
    table = _only(file, _only(file, _only(file, trak, b"mdia"), b"minf"), b"stbl")
    if _num_rows(file, _only(file, table, b"stsd")) != 1:
        raise _UnusualError
    if _num_rows(file, _only(file, table, b"stsz"), offset=8) != num_samples:
        raise _UnusualError
    boxes = _all(file, table, b"ctts")
    if not boxes:
        return np.zeros(num_samples, np.int64)
    rows = _rows(file, _only(file, table, b"ctts"), max_rows=num_samples)
    counts, shifts = rows["count"].astype(np.int64), rows["shift"].astype(np.int64)
    if counts.min(initial=1) < 1 or counts.sum() != num_samples:
        raise _UnusualError
    if np.abs(shifts).max(initial=0) >= _MAX_SHIFT:
        raise _UnusualError
    return np.repeat(shifts, counts)


def _is_cut_simply(file: IO[bytes], trak: _Box) -> bool:
    """Tell whether the edit list, if there is one, shows the track once, in order."""
    return all(
        sum(media_time != -1 for media_time in _media_times(file, elst)) <= 1
        for edts in _all(file, trak, b"edts")
        for elst in _all(file, edts, b"elst")
    )


def _media_times(file: IO[bytes], elst: _Box) -> list[int]:
    is_long = _bytes(file, elst, 0, 1)[0] == 1
    row = struct.Struct(">QqI" if is_long else ">IiI")
    num_rows = _num_rows(file, elst)
    if num_rows > 2:  # an empty edit, which delays the track, and the edit itself
        raise _UnusualError
    return [edit[1] for edit in row.iter_unpack(_bytes(file, elst, 8, num_rows * row.size))]


def _id(file: IO[bytes], trak: _Box) -> int:
    header = _only(file, trak, b"tkhd")
    is_long = _bytes(file, header, 0, 1)[0] == 1
    return int.from_bytes(_bytes(file, header, 20 if is_long else 12, 4), "big")


def _rows(file: IO[bytes], ctts: _Box, *, max_rows: int) -> NDArray[np.void]:
    num_rows = _num_rows(file, ctts)
    if num_rows > max_rows:
        raise _UnusualError
    row = np.dtype([("count", ">u4"), ("shift", ">i4")])
    return np.frombuffer(_bytes(file, ctts, 8, num_rows * row.itemsize), row)


def _num_rows(file: IO[bytes], box: _Box, *, offset: int = 4) -> int:
    return int.from_bytes(_bytes(file, box, offset, 4), "big")


def _bytes(file: IO[bytes], box: _Box, offset: int, num_bytes: int) -> bytes:
    if box.start + offset + num_bytes > box.stop:
        raise _UnusualError
    file.seek(box.start + offset)
    data = file.read(num_bytes)
    if len(data) != num_bytes:
        raise _UnusualError
    return data


def _only(file: IO[bytes], parent: _Box, kind: bytes) -> _Box:
    boxes = _all(file, parent, kind)
    if len(boxes) != 1:
        raise _UnusualError
    return boxes[0]


def _all(file: IO[bytes], parent: _Box, kind: bytes) -> list[_Box]:
    return [box for box in _boxes(file, parent) if box.kind == kind]


def _boxes(file: IO[bytes], parent: _Box) -> Iterator[_Box]:
    position = parent.start
    for _ in range(_MAX_BOXES):
        if position + 8 > parent.stop:
            return
        file.seek(position)
        head = file.read(16)
        size, kind, start = int.from_bytes(head[:4], "big"), head[4:8], position + 8
        if size == 1:
            size, start = int.from_bytes(head[8:16], "big"), position + 16
        elif size == 0:
            size = parent.stop - position
        stop = position + size
        if stop < start or stop > parent.stop:
            raise _UnusualError
        yield _Box(kind, start, stop)
        position = stop
    raise _UnusualError
