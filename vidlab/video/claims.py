"""What MP4 and QuickTime headers claim, looked at before FFmpeg makes room for it.

A sample table of a few bytes can claim a thousand million samples of one size; FFmpeg (libavformat
62, `mov_build_index` and `mov_read_trun`) then takes some 70 bytes of memory for each, and only
afterwards finds that they are not there. Few files hold more samples than bytes: old QuickTime
counts compressed sound by the samples that it unpacks to, which is why a limit applies, too.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from typing import IO

from vidlab.core.limits import current_limits

# ISO/IEC 14496-12: `stsz` (8.7.3.2) and `stz2` (8.7.3.3) hold flags, a size, and the count;
# `trun` (8.8.8) flags and the count. QuickTime's `cmvd` holds a size and a packed `moov`.
_CLAIM = re.compile(
    rb"(?:st(?:sz|z2).{8}|trun.{4})(?P<count>.{4})|cmvd.{4}(?P<packed>.+)", re.DOTALL
)
_CLAIM_BYTES = 16

# What is skipped unread, by FFmpeg too.
_NOT_HEADERS = (b"mdat", b"free", b"skip")
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp", b"pnot", b"moof")

_PIECE_BYTES = 1 << 20
_MAX_UNPACKED_BYTES = 1 << 26
_MAX_BOXES = 1_000_000


def check_claims(stream: IO[bytes], *, where: str) -> None:
    """Refuse a file whose headers claim more samples than it has bytes, and than a limit.

    Args:
        stream: A file of any kind; only MP4 and QuickTime files are looked into.
        where: What to call it.

    Raises:
        LimitError: They do; the limit is `max_frames`.
        OSError: It cannot be read.
    """
    num_bytes = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if stream.read(8)[4:] not in _FIRST_BOXES:
        return
    num_samples = sum(_claimed(piece, is_packed=False) for piece in _headers(stream, num_bytes))
    if num_samples > num_bytes:
        what = f"{where} is damaged, or made to fill the memory: its {num_bytes} bytes claim frames"
        current_limits().check("max_frames", num_samples, what=f"{what} of picture and sound:")


def _claimed(piece: bytes, *, is_packed: bool) -> int:
    """Add up what tables claim, wherever they stand: FFmpeg finds them in odd places as well."""
    total = 0
    for found in _CLAIM.finditer(piece):
        if found["count"] is not None:
            total += int.from_bytes(found["count"], "big")
        elif not is_packed:
            total += _claimed(_unpacked(found["packed"]), is_packed=True)
    return total


def _unpacked(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, _MAX_UNPACKED_BYTES)
    except zlib.error:
        return b""


def _headers(stream: IO[bytes], num_bytes: int) -> Iterator[bytes]:
    """Yield the boxes at the top that are no media, in pieces that overlap by less than a claim."""
    position = 0
    for _ in range(_MAX_BOXES):
        stream.seek(position)
        head = stream.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        stop = num_bytes if size == 0 else min(position + size, num_bytes)
        if len(head) < 8 or stop < position + 8:
            return
        if kind not in _NOT_HEADERS:
            for start in range(position, stop, _PIECE_BYTES):
                stream.seek(start)
                yield stream.read(min(_PIECE_BYTES + _CLAIM_BYTES - 1, stop - start))
        position = stop
