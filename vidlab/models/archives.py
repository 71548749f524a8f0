"""Archives of models from servers: unpacked within limits, and nowhere but into their folder.

An archive of a megabyte can claim a disk full of zeros, or a million files; it can hold links, and
names that lead elsewhere. Nothing here is left to ``tarfile``'s own unpacking: files and folders
are written one by one, each after a look at what it claims.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import IO, Any, cast

from vidlab.core.errors import DownloadError, LimitError, OptionError
from vidlab.core.files import inside
from vidlab.core.limits import current_limits

_GZIP = b"\x1f\x8b"  # RFC 1952, 2.3.1

# What tarfile and gzip raise over one; the last of headers without end.
_DAMAGE = (
    tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, RecursionError
)  # fmt: skip

_PIECE_BYTES = 1 << 16

# What tarfile reads at once is a header, or a long name: a few hundred bytes. One that claims more
# would be in memory before anybody could look at it.
_MOST_AT_ONCE_BYTES = 1 << 20

# How far what is unpacked may outgrow the archive is asked of what could fill something: a small
# archive of zeros is harmless.
_RATIO_FROM_BYTES = 64 << 20


def unpack(archive: Path, folder: Path, *, what: str) -> None:
    """Unpack a tar archive, compressed by gzip or not, into a new folder.

    Args:
        archive: The file.
        folder: Where to; it is made.
        what: What it is, for errors.

    Raises:
        LimitError: It holds more than :func:`vidlab.limits` lets in.
        DownloadError: It is no such archive, holds links or devices, names a place outside the
            folder, or cannot be written.
    """
    try:
        with open(archive, "rb") as file:
            is_gzip = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            stream = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if is_gzip else file
            with tarfile.open(fileobj=cast("Any", _Bounded(stream, what)), mode="r:") as tar:
                _write_all(tar, folder, packed_bytes=archive.stat().st_size, what=what)
    except (DownloadError, LimitError):
        raise
    except OptionError as error:  # of a name in it
        raise DownloadError(f"{what} is not unpacked: {error}") from error
    except _DAMAGE as error:
        raise DownloadError(f"{what} is no tar archive, or a damaged one: {error}.") from error
    except OSError as error:
        raise DownloadError(f"Cannot write {str(folder)!r}: {error}.") from error


def _write_all(tar: tarfile.TarFile, folder: Path, *, packed_bytes: int, what: str) -> None:
    limits, num_bytes = current_limits(), 0
    folder.mkdir()
    for number, entry in enumerate(tar, start=1):
        limits.check("max_archive_files", number, what=f"{what} holds files, at least")
        if entry.size < 0:
            raise tarfile.ReadError(f"{entry.name!r} has a size of {entry.size} bytes")
        num_bytes += entry.size
        limits.check("max_archive_bytes", num_bytes, what=f"{what} holds bytes, at least")
        if num_bytes > _RATIO_FROM_BYTES:
            ratio = num_bytes / packed_bytes
            limits.check("max_archive_ratio", ratio, what=f"{what} grows as it is unpacked, times")
        path = inside(folder, entry.name)
        if entry.isdir():
            path.mkdir(parents=True, exist_ok=True)
        elif entry.isfile():
            path.parent.mkdir(parents=True, exist_ok=True)
            source = tar.extractfile(entry)
            assert source is not None  # it is a file
            with source, open(path, "xb") as target:
                shutil.copyfileobj(source, target, _PIECE_BYTES)
        else:
            raise DownloadError(
                f"{what} is not unpacked: {entry.name!r} in it is a link or a device; files and "
                "folders are expected."
            )


class _Bounded:
    """A stream that gives no more than an archive may hold, and little at once."""

    def __init__(self, stream: IO[bytes], what: str) -> None:
        self._stream, self._what = stream, what

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MOST_AT_ONCE_BYTES:
            raise tarfile.ReadError(f"it has a header of {size} bytes")
        self._check(self._stream.tell() + size)
        return self._stream.read(size)

    def seek(self, place: int) -> int:
        self._check(place)
        return self._stream.seek(place)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, place: int) -> None:
        limits = current_limits()
        # Each file has a header, and is filled up to a whole number of blocks.
        room = limits.max_archive_bytes + limits.max_archive_files * 4 * tarfile.BLOCKSIZE
        if place > room:
            limits.check("max_archive_bytes", place, what=f"{self._what} holds bytes, at least")
