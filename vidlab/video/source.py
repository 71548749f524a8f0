"""Where a video comes from: a path, bytes, a file object, or an http(s) address.

A `Source` can be opened any number of times, and the containers it gives are independent
of each other: two iterators over one file object never disturb one another.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import re
import shutil
import stat
import tempfile
import threading
import weakref
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, BinaryIO
from urllib.parse import unquote, urlsplit

import av
import av.error
from av.container import InputContainer
from av.format import ContainerFormat

from vidlab.core.addresses import RefusedAddressError, followed, refusal
from vidlab.core.errors import VideoError, VideoNotFoundError, VideoOpenError
from vidlab.video.claims import check_claims

OPEN_TIMEOUT_SECONDS = 15.0
"""How long an http(s) server may take to answer, or to send the next bytes."""

# Demuxers that make "video" of things no one calls one: text drawn as a terminal, filter graphs.
_NOT_VIDEO_FORMATS = frozenset({"tty", "lavfi", "ffmetadata", "webvtt", "srt"})

# Demuxers that open other files, addresses or devices than the one they are given. FFmpeg is told
# all but these: once such a file is open, what it names has been read.
_OPENING_FORMATS = frozenset(
    {
        *("concat", "dash", "hls", "imf", "mlv", "sdp", "vobsub", "webm_dash_manifest"),
        *("rtp", "rtsp", "sap"),
        *("alsa", "fbdev", "jack", "kmsgrab", "lavfi", "oss", "pulse", "video4linux2,v4l2"),
        *("x11grab", "xcbgrab"),
    }
)

# How files that name others begin; FFmpeg tells them by the same words.
_PLAYLIST = re.compile(rb"#EXTM3U|ffconcat version|v=0\s|\s*<\?xml[^>]*>\s*<MPD|<MPD")

_URL = re.compile(r"https?://", re.IGNORECASE)
_ANY_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]+://", re.IGNORECASE)

# Protocols a container may open by itself (playlists name other addresses): never other
# than the kind it came from.
_FILE_PROTOCOLS = "file,crypto"
_HTTP_PROTOCOLS = "http,https,httpproxy,tcp,tls,crypto"

_READ_BUFFER_BYTES = 1 << 18

# A header, or less.
_FEW_BYTES = 256


@cache
def single_file_formats() -> str:
    """Return FFmpeg's demuxers that open nothing but what they are given, for its whitelist."""
    names = set()
    for each in av.formats_available:
        with suppress(ValueError):  # it only writes
            names.add(ContainerFormat(each, "r").name)
    return ",".join(sorted(names - _OPENING_FORMATS))


class Source:
    """A place to read a video from, as often as needed.

    Args:
        given: A path (``str`` or ``os.PathLike``), an ``http(s)://`` address, bytes, or a
            binary file object. A ``str`` that names an existing file is always that file,
            whatever characters it holds. A file object is read from its first byte and is
            never closed; one that cannot seek is copied to a temporary file first.
        name: What to call it; by default the file's name.

    Raises:
        VideoNotFoundError: There is no file at the path.
        VideoOpenError: It is a folder, empty, not a regular file, not readable, or an
            address with a protocol other than http(s), or of a place that is never asked.
    """

    def __init__(self, given: object, *, name: str | None = None) -> None:
        self._path: str | None = None
        self._url: str | None = None
        self._data: bytes | None = None
        self._file: _SharedFile | None = None
        self._is_checked = False
        if isinstance(given, bytes | bytearray | memoryview):
            self._data = bytes(given)
            self.name = name or f"<{len(self._data)} bytes>"
            if not self._data:
                raise VideoOpenError("Cannot read a video from zero bytes.")
        elif isinstance(given, str | os.PathLike):
            text = os.fsdecode(given)
            if isinstance(given, str) and _URL.match(text) and not _exists(text):
                if why := refusal(text):
                    raise VideoOpenError(f"{_without_credentials(text)!r} is not opened: {why}.")
                self._url = text
                self.name = name or _name_of_url(text)
            else:
                _check_path(text, is_plain_str=isinstance(given, str))
                self._path = os.path.abspath(text)  # noqa: PTH100  (Path drops a leading "./")
                self.name = name or Path(text).name
        elif hasattr(given, "read"):
            own_name = getattr(given, "name", None)
            named = isinstance(own_name, str) and own_name != ""
            self.name = name or (Path(str(own_name)).name if named else "<file object>")
            self._file = _SharedFile(given)  # type: ignore[arg-type]
        else:
            raise VideoOpenError(
                f"Cannot read a video from {type(given).__name__} {given!r:.60}: give a path, "
                "an http(s) address, bytes, or a binary file object."
            )

    @property
    def is_remote(self) -> bool:
        """Tell whether reading goes over the network."""
        return self._url is not None

    def open(self, *, max_pixels: int) -> InputContainer:
        """Open a fresh container.

        Raises:
            VideoNotFoundError: The file is gone, or no server answers.
            VideoOpenError: It is there but cannot be parsed as video.
            LimitError: Its headers claim more frames than `vidlab.limits` lets in.
        """
        self._check_claims()
        # Read by the decoders that look at the streams while opening.
        options = {
            "max_pixels": str(max_pixels),
            "pattern_type": "none",
            "format_whitelist": single_file_formats(),
        }
        try:
            if self._path is not None:
                # The prefix keeps FFmpeg from reading a protocol into the file's name.
                container = av.open(
                    f"file:{self._path}",
                    "r",
                    metadata_errors="ignore",
                    options=options | {"protocol_whitelist": _FILE_PROTOCOLS},
                )
            elif self._url is not None:
                container = open_address(
                    self._url,
                    timeout=OPEN_TIMEOUT_SECONDS,
                    options=options | {"protocol_whitelist": _HTTP_PROTOCOLS},
                )
            else:
                container = av.open(
                    self._stream(),
                    "r",
                    metadata_errors="ignore",
                    buffer_size=_READ_BUFFER_BYTES,
                    options=options | {"protocol_whitelist": "crypto"},
                )
        except Exception as error:
            raise self._open_error(error) from error
        if container.format.name in _NOT_VIDEO_FORMATS:
            kind = container.format.long_name or container.format.name
            container.close()
            raise VideoOpenError(f"{self} is not a video: it looks like {kind}.")
        return container

    def __str__(self) -> str:
        if self._path is not None:
            return repr(self._path)
        if self._url is not None:
            return repr(_without_credentials(self._url))
        return self.name

    def _check_claims(self) -> None:
        if self._is_checked or self._url is not None:
            return
        with suppress(OSError), self.open_bytes() as stream:  # opening it says what is wrong
            check_claims(stream, where=str(self))
        self._is_checked = True

    def _stream(self) -> io.BytesIO | _View:
        if self._data is not None:
            return io.BytesIO(self._data)
        assert self._file is not None
        return _View(self._file)

    def _open_error(self, error: Exception) -> VideoError:
        missing = isinstance(error, FileNotFoundError | av.error.HTTPNotFoundError)
        if isinstance(error, RefusedAddressError):
            return VideoOpenError(f"{self} is not opened: {error}.")
        if self._url is not None:
            if missing:
                return VideoNotFoundError(f"There is no video at {self}: {describe(error)}.")
            if isinstance(error, OSError) and not isinstance(error, av.error.HTTPError):
                return VideoNotFoundError(
                    f"No answer from {self}: {describe(error)}. Is the address right, and "
                    "the network up?"
                )
        elif missing:
            return VideoNotFoundError(f"There is no file at {self}.")
        return VideoOpenError(f"Cannot open {self} as video: {describe(error)}{self.hint()}.")

    def hint(self) -> str:
        """Say what the bytes look like, where that may explain why they are no video."""
        try:
            with self.open_bytes() as stream:
                head = stream.read(64)
                num_bytes = stream.seek(0, io.SEEK_END)
                if _PLAYLIST.match(head.removeprefix(codecs.BOM_UTF8)):
                    return (
                        "; it is a playlist, which names other files. vidlab opens only the file "
                        "it is given: give it one that is named there"
                    )
                if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
                    stream.seek(0)
                    if not _has_moov(stream, num_bytes):
                        return (
                            "; it is an MP4 or QuickTime file without its index (no 'moov' box): "
                            "the recording or the download was cut off. Copy or download it again"
                        )
        except (OSError, ValueError, AttributeError):
            return ""
        kind = "text" if head.isascii() and head.decode("ascii").isprintable() else "data"
        begins = f" ({num_bytes} bytes; starts with the {kind} {head[:24]!r})"
        if num_bytes < _FEW_BYTES:
            return f"{begins}; it holds next to nothing. Copy or download it again"
        return begins

    def open_bytes(self) -> IO[bytes]:
        """Open the file's own bytes, for reading.

        Raises:
            OSError: The file is gone, or the source is an address.
        """
        if self._path is not None:
            return open(self._path, "rb")
        if self._url is not None:
            raise OSError("not looked into again")
        return io.BufferedReader(_View(self._file)) if self._file else io.BytesIO(self._data or b"")


def open_address(
    url: str, *, options: dict[str, str], timeout: float | tuple[float, float]
) -> InputContainer:
    """Open an address with FFmpeg; redirections are followed here, where they can be checked.

    Args:
        url: http(s) or rtsp address.
        options: FFmpeg's.
        timeout: PyAV's, seconds: to open and to read, or one for both.

    Raises:
        OSError: FFmpeg's.
        RefusedAddressError: A redirection leads to a place that is not asked.
        av.error.FFmpegError: FFmpeg's.
    """
    options = options | {"max_redirects": "0"}
    try:
        return av.open(url, "r", metadata_errors="ignore", options=options, timeout=timeout)
    except OSError as error:
        if error.errno != errno.EIO:  # what FFmpeg says of one redirection too many
            raise
        there = followed(url, timeout_seconds=OPEN_TIMEOUT_SECONDS)
        if there is None:
            raise
    return av.open(there, "r", metadata_errors="ignore", options=options, timeout=timeout)


class _SharedFile:
    """A file object that many readers share, each with its own position."""

    def __init__(self, file: BinaryIO) -> None:
        self.lock = threading.Lock()
        try:
            can_seek = file.seekable() if hasattr(file, "seekable") else hasattr(file, "seek")
            if can_seek:
                file.seek(0)
                self.file: IO[bytes] = file
            else:
                self.file = tempfile.TemporaryFile()  # noqa: SIM115
                weakref.finalize(self, self.file.close)
                shutil.copyfileobj(file, self.file)
            first = self.read_at(0, 1)
        except Exception as error:
            raise VideoOpenError(f"Cannot read from the file object: {describe(error)}.") from error
        if not isinstance(first, bytes):
            raise VideoOpenError(
                f"The file object gives {type(first).__name__}, not bytes: open it in binary "
                'mode ("rb").'
            )
        if not first:
            raise VideoOpenError("The file object is empty (0 bytes).")

    def read_at(self, position: int, num_bytes: int) -> bytes:
        with self.lock:
            self.file.seek(position)
            return self.file.read(num_bytes)

    def size(self) -> int:
        with self.lock:
            return self.file.seek(0, io.SEEK_END)


class _View(io.RawIOBase):
    """One reader's own place in a `_SharedFile`."""

    def __init__(self, shared: _SharedFile) -> None:
        self._shared = shared
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self._shared.read_at(self._position, size)
        self._position += len(data)
        return data

    def readinto(self, buffer, /) -> int:  # type: ignore[no-untyped-def]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            offset += self._shared.size()
        if offset < 0:
            raise ValueError(f"negative position {offset}")
        self._position = offset
        return offset

    def tell(self) -> int:
        return self._position


def describe(error: BaseException) -> str:
    """Return what an error of FFmpeg or Python says, without its numbers and file names."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, UnicodeError):
        return "it holds text in an unknown encoding"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).rstrip(". ")


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a NUL inside
        return False


def _check_path(path: str, *, is_plain_str: bool) -> None:
    """Raise the error that says why `path` cannot be a video file, if it cannot."""
    if "\0" in path:
        raise VideoOpenError(f"A path cannot hold a NUL character; got {path!r}.")
    try:
        status = os.stat(path)  # noqa: PTH116  (Path('') is the working folder)
    except FileNotFoundError:
        if is_plain_str and (scheme := _ANY_SCHEME.match(path)):
            raise VideoOpenError(
                f"vidlab reads files and http(s) addresses, not {scheme.group()!r} "
                f"(got {path!r}). For a local file give its path."
            ) from None
        if os.path.islink(path):  # noqa: PTH114
            raise VideoNotFoundError(
                f"{path!r} is a symbolic link to {os.readlink(path)!r}, "  # noqa: PTH115
                "which does not exist."
            ) from None
        where = "" if os.path.isabs(path) else f" (looked in {os.getcwd()!r})"  # noqa: PTH109,PTH117
        raise VideoNotFoundError(f"There is no file at {path!r}{where}.") from None
    except (OSError, ValueError) as error:
        raise VideoOpenError(f"Cannot read {path!r}: {describe(error)}.") from error
    if stat.S_ISDIR(status.st_mode):
        raise VideoOpenError(f"{path!r} is a folder, not a video file.")
    if not stat.S_ISREG(status.st_mode):
        raise VideoOpenError(
            f"{path!r} is not a regular file (a pipe or device?). Open it yourself and give "
            "vidlab the file object."
        )
    if status.st_size == 0:
        raise VideoOpenError(f"{path!r} is empty (0 bytes).")
    if not os.access(path, os.R_OK):
        raise VideoOpenError(f"You have no permission to read {path!r}.")


def _name_of_url(url: str) -> str:
    parts = urlsplit(url)
    return Path(unquote(parts.path)).name or parts.hostname or url


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _has_moov(stream: IO[bytes], num_bytes: int) -> bool:
    """Walk the top-level boxes of an ISO base media file (ISO/IEC 14496-12, 4.2)."""
    position = 0
    while position + 8 <= num_bytes:
        stream.seek(position)
        header = stream.read(16)
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        if kind == b"moov":
            return position + size <= num_bytes
        if size < 8:
            return False
        position += size
    return False
