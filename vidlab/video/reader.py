"""Exact access to any frame: seek to a keyframe, decode forward, check what comes out."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field

import numpy as np
from av.video.frame import VideoFrame

from vidlab.core.errors import VideoDecodeError, VideoError
from vidlab.video.audio import AudioReader
from vidlab.video.decoder import DecodeFailure, Decoder
from vidlab.video.index import FrameIndex
from vidlab.video.source import Source

# Decoding on past this many frames costs less than a seek, which empties the decoder's
# threads and decodes from the keyframe.
_NUM_WORTH_SEEKING = 16


@dataclass
class Opener:
    """Opens containers of one video, and can close all that are still open."""

    source: Source
    max_pixels: int
    num_threads: int | None
    _open: weakref.WeakSet[Decoder | AudioReader] = field(default_factory=weakref.WeakSet)
    _is_closed: bool = False

    def decoder(self, *, is_threaded: bool = True) -> Decoder:
        """Open the video stream."""
        decoder = Decoder(
            self.source,
            max_pixels=self.max_pixels,
            num_threads=self.num_threads,
            is_threaded=is_threaded,
        )
        self.register(decoder)
        return decoder

    def register(self, reader: Decoder | AudioReader) -> None:
        """Have `reader` closed with the rest.

        Raises:
            VideoError: The rest is closed already.
        """
        self._open.add(reader)
        if self._is_closed:  # by another thread, meanwhile
            reader.close()
            raise VideoError(f"{self.source.name} was closed; open it again with Video(...).")

    def close(self) -> None:
        """Close everything that was opened."""
        self._is_closed = True
        for reader in list(self._open):
            reader.close()


class IndexMismatch(Exception):  # noqa: N818  (never leaves this package)
    """The decoder gives other frames than the index says."""


class Reader:
    """Reads frames by number, in any order; frames just ahead are reached without a seek.

    Args:
        opener: Opens the video.
        index: Which frames there are.
    """

    def __init__(self, opener: Opener, index: FrameIndex) -> None:
        self._opener = opener
        self._index = index
        self._decoder = opener.decoder()
        self._next: int | None = 0  # the frame that the decoder gives next, where known

    def read(self, index: int) -> VideoFrame:
        """Return frame `index` as decoded.

        Raises:
            VideoDecodeError: Damage lies between the keyframe and the frame.
            IndexMismatch: The index does not hold for this file.
        """
        picture = self._read_by_pts(index) if self._index.is_by_pts else self._read_counting(index)
        self._next = index + 1
        return picture

    def close(self) -> None:
        """Free the container."""
        self._decoder.close()

    def _read_counting(self, index: int) -> VideoFrame:
        if self._next is None or self._next > index:
            self._reopen()
        assert self._next is not None
        while True:
            number, self._next = self._next, None
            picture = self._pull(number)
            if picture is None:
                raise IndexMismatch
            if number == index:
                return picture
            self._next = number + 1

    def _read_by_pts(self, index: int) -> VideoFrame:
        target = int(self._index.pts[index])
        keyframe = self._index.keyframe_before(index)
        if self._next is not None and self._next <= index:
            ahead = self._number_of(keyframe) - self._next
            if ahead <= _NUM_WORTH_SEEKING and (picture := self._scan(target, self._next)):
                return picture
        first_try: VideoFrame | None = None
        # One keyframe further back helps where a "keyframe" is none, or where the container
        # lands late; from the start always works.
        for back in (0, 1, None):
            position = None if keyframe is None or back is None else keyframe - back
            if position is not None and position > 0:
                pts = int(self._index.keyframe_pts[position])
                if not self._decoder.seek(pts):
                    self._reopen()
                    position = None
            else:
                self._reopen()
                position = None
            picture = self._scan(target, self._number_of(position))
            if picture is not None and picture.is_corrupt and first_try is None and position:
                first_try = picture
                continue
            if picture is not None:
                return picture
            if first_try is not None:
                return first_try
            if position is None:
                break
        raise IndexMismatch

    def _scan(self, target: int, at: int) -> VideoFrame | None:
        """Decode up to the frame with timestamp `target`; None where there is none."""
        while (picture := self._pull(at, wanted_pts=target)) is not None:
            if picture.pts is None or picture.pts > target:
                break
            if picture.pts == target:
                return picture
            at = int(np.searchsorted(self._index.pts, picture.pts, side="right"))
            if at == 0 or self._index.pts[at - 1] != picture.pts:
                break  # the container made this timestamp up
        self._next = None
        return None

    def _pull(self, number: int, *, wanted_pts: int | None = None) -> VideoFrame | None:
        """Return the decoder's next frame, which should be frame `number`."""
        try:
            return self._decoder.read(wanted_pts=wanted_pts)
        except DecodeFailure as failure:
            self._next = None
            raise damage(self._opener.source, number, str(failure)) from failure

    def _number_of(self, keyframe: int | None) -> int:
        if keyframe is None:
            return 0
        return int(np.searchsorted(self._index.pts, self._index.keyframe_pts[keyframe]))

    def _reopen(self) -> None:
        # Not a seek to zero: some containers do not land on their first frame.
        self._decoder.close()
        self._decoder = self._opener.decoder()
        self._next = 0


def damage(source: Source, number: int, reason: str) -> VideoDecodeError:
    """Return the error for a file that cannot be read from frame `number` on."""
    good = f"frames 0 to {number - 1} are good" if number else "no frame before it"
    return VideoDecodeError(
        f"{source} is damaged at frame {number} ({good}): {reason}.", frame_index=number
    )
