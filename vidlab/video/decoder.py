"""One open container, decoding one stream: the only place that drives FFmpeg."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidlab.core.errors import LimitError, VideoError, VideoOpenError
from vidlab.core.limits import current_limits
from vidlab.video.source import Source, describe

_CUT_OFF = "the file is cut off here; its header promises more"

# Codecs whose non-reference frames no other frame builds on. (In HEVC frames of a higher
# temporal layer may.)
_SKIPPING_CODECS = frozenset({"h264", "mpeg1video", "mpeg2video", "mpeg4"})


class DecodeFailure(Exception):  # noqa: N818  (never leaves this package)
    """A packet could not be read or decoded; carries what FFmpeg said."""


class Decoder:
    """Decodes the video stream of a freshly opened container, in presentation order.

    Args:
        source: Where to read.
        max_pixels: Refuse pictures with more pixels than this.
        num_threads: How many threads decode; None leaves it to FFmpeg.
        is_threaded: Decode several frames at once. Off, the first frame comes sooner.

    Raises:
        VideoNotFoundError: The source is gone.
        VideoOpenError: It holds no video that can be decoded.
    """

    def __init__(
        self,
        source: Source,
        *,
        max_pixels: int,
        num_threads: int | None = None,
        is_threaded: bool = True,
    ) -> None:
        # Closing a container while another thread decodes from it would free memory in use.
        self._lock = threading.Lock()
        self._is_closed = False
        self._demuxed: Iterator[Packet[VideoStream]]
        self._position: int | None = None  # of the last packet read, bytes
        self._ready: list[VideoFrame]  # decoded and not yet read, the last one first
        self._container: InputContainer = source.open(max_pixels=max_pixels)
        try:
            self.stream = _best_video_stream(self._container, source)
            for stream in self._container.streams:
                if stream.index != self.stream.index:
                    stream.discard = Discard.all
            context = self.stream.codec_context
            _check_size(context.width, context.height, max_pixels, str(source))
            current_limits().check(
                "max_frames", self.stream.frames, what=f"{source} claims to have frames:"
            )
            context.options = {"max_pixels": str(max_pixels)}
            context.thread_type = "AUTO" if is_threaded else "SLICE"
            context.thread_count = num_threads or 0  # 0: as many as FFmpeg likes
            self.time_base = self.stream.time_base or Fraction(1, 1_000_000)
            self._can_skip = context.codec.canonical_name in _SKIPPING_CODECS
            # A program stream states few timestamps; after a seek FFmpeg fills in other ones.
            self.keeps_pts_after_seek = self._container.format.name != "mpeg"
            # AVI keeps no presentation timestamps; for these codecs FFmpeg fills in the order
            # of decoding, which is another one where frames are reordered.
            self.has_true_pts = not (
                self._container.format.name == "avi"
                and context.has_b_frames
                and context.codec.canonical_name in ("h264", "hevc", "vvc")
            )
        except BaseException:
            self._container.close()
            raise
        self._restart(ignore_before_pts=None)

    @property
    def container(self) -> InputContainer:
        """The open container, to read its header."""
        return self._container

    @property
    def fraction_read(self) -> float | None:
        """How much of the file has been read, 0 to 1; None where the container does not say."""
        size = self._container.size
        if self._position is None or size <= 0:
            return None
        return min(1.0, self._position / size)

    def read(self, *, wanted_pts: int | None = None) -> VideoFrame | None:
        """Return the next frame, or None at the end.

        Packets before the first keyframe cannot be decoded in a recording that starts in
        the middle; they are passed over. Anything later that fails, raises.

        Args:
            wanted_pts: Frames before this tick need not be given, where the codec can leave
                them out without changing any other.

        Raises:
            DecodeFailure: The file is damaged here.
            VideoError: The video was closed.
        """
        with self._lock:
            while not self._ready:
                if self._is_closed:
                    raise VideoError("The video was closed while it was being read.")
                if self._is_at_end:
                    if self._is_cut_off():
                        raise DecodeFailure(_CUT_OFF)
                    return None
                self._decode_packet(wanted_pts)
            picture: VideoFrame = self._ready.pop()
            return picture

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """Yield the packets that hold pictures to be shown, without decoding.

        Raises:
            DecodeFailure: The container is damaged here.
            VideoError: The video was closed.
        """
        while True:
            with self._lock:
                if self._is_closed:
                    raise VideoError("The video was closed while it was being read.")
                packet = self._next_packet()
                is_cut_off = packet is None and self._is_cut_off()
            if is_cut_off:
                raise DecodeFailure(_CUT_OFF)
            if packet is None:
                return
            if packet.size and not packet.is_discard:
                yield packet

    def seek(self, pts: int) -> bool:
        """Go to the keyframe at or before `pts` (ticks); False where the container cannot.

        The container has the last word on where it lands: compare the frames that follow.
        """
        with self._lock:
            if self._is_closed:
                raise VideoError("The video was closed while it was being read.")
            try:
                self._container.seek(pts, stream=self.stream, backward=True)
            except Exception:  # FFmpeg says "not permitted", in several ways
                return False
            self._restart(ignore_before_pts=pts)
            return True

    def close(self) -> None:
        """Free the container, once a read that goes on in another thread has ended."""
        with self._lock:
            self._is_closed = True
            self._ready.clear()
            self._demuxed = iter(())
            self._container.close()

    def _restart(self, *, ignore_before_pts: int | None) -> None:
        self._demuxed = self._container.demux(self.stream)
        self._ready = []
        self._is_at_end = False
        self._has_keyframe = False
        self._ignore_before_pts = ignore_before_pts

    def _next_packet(self) -> Packet[VideoStream] | None:
        try:
            packet = next(self._demuxed, None)
        except Exception as error:
            raise DecodeFailure(describe(error)) from error
        if packet is not None and packet.pos is not None:
            self._position = packet.pos
        if packet is not None and packet.is_corrupt and self._is_cut_off():
            # Half a frame: go on as at the end, so that the decoder gives up what it holds.
            self._demuxed = iter(())
            flush: Packet[VideoStream] = Packet()  # type: ignore[assignment]
            flush.stream = self.stream
            return flush
        return packet

    def _is_cut_off(self) -> bool:
        """Tell whether the container's index, where it comes first, points past its end."""
        if "mp4" not in self._container.format.name or not len(self.stream.index_entries):
            return False
        last = self.stream.index_entries[-1]
        return 0 < self._container.size < last.pos + last.size

    def _decode_packet(self, wanted_pts: int | None) -> None:
        packet = self._next_packet()
        if packet is None:
            self._is_at_end = True
            return
        # An empty packet with a timestamp is a frame that was dropped in recording; to the
        # decoder it would mean the end of the stream.
        if not packet.size and not (packet.pts is None and packet.dts is None):
            return
        may_fail = not self._has_keyframe and not packet.is_keyframe
        if self._ignore_before_pts is not None and packet.pts is not None:
            # After a seek: pictures that lead the keyframe refer to ones that were skipped.
            may_fail = may_fail or packet.pts < self._ignore_before_pts
        self._has_keyframe = self._has_keyframe or packet.is_keyframe
        if self._can_skip:
            is_early = wanted_pts is not None and packet.pts is not None and packet.pts < wanted_pts
            self.stream.codec_context.skip_frame = "NONREF" if is_early else "DEFAULT"
        try:
            self._ready = packet.decode()[::-1]
        except av.error.EOFError:
            self._is_at_end = True
        except Exception as error:
            if not may_fail:
                raise DecodeFailure(describe(error)) from error


def video_streams(container: InputContainer) -> list[VideoStream]:
    """Return the video streams that are no cover pictures."""
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    return [stream for stream in container.streams.video if not stream.disposition & still]


def _best_video_stream(container: InputContainer, where: Source) -> VideoStream:
    """Return the stream to show: never a cover picture, and the largest where several fit.

    FFmpeg ranks by disposition, bit rate and size; its choice stands unless it is a
    picture attached to a sound file.
    """
    real = video_streams(container)
    if not real:
        kinds = sorted({stream.type for stream in container.streams})
        found = f"only {', '.join(kinds)}" if kinds else "nothing"
        if container.streams.video:
            found = "sound with a cover picture"
        raise VideoOpenError(f"{where} has no video stream; it holds {found}{where.hint()}.")
    decodable = [stream for stream in real if stream.codec_context is not None]
    if not decodable:
        raise VideoOpenError(
            f"{where} has a video stream, in a codec that FFmpeg does not know or cannot decode."
        )
    best = container.streams.best("video")
    for stream in decodable:
        if best is not None and stream.index == best.index:
            return stream
    return max(decodable, key=lambda stream: stream.width * stream.height)


def _check_size(width: int, height: int, max_pixels: int, where: str) -> None:
    if width * height > max_pixels:
        raise LimitError(
            f"{where} has frames of {width}x{height} px, more than the limit of {max_pixels} "
            "(max_frame_pixels of vidlab.limits). If that is meant, pass max_pixels= to Video."
        )
    if width <= 0 or height <= 0:
        raise VideoOpenError(
            f"{where} has a video stream whose frame size cannot be told: its first frames are "
            f"damaged or missing, or larger than {max_pixels} px (pass max_pixels= to Video)."
        )
