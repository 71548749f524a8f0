"""Files: where vidlab keeps them, how it writes and hashes them."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import platformdirs

from vidlab.core.errors import OptionError


def cache_dir() -> Path:
    """Return the user cache, ``$VIDLAB_CACHE`` or the system's own place (not created)."""
    override = os.environ.get("VIDLAB_CACHE")
    return Path(override) if override else Path(platformdirs.user_cache_dir("vidlab"))


def mirror_dir() -> Path | None:
    """Return ``$VIDLAB_MODELS``, the local mirror of model files, or None where unset."""
    value = os.environ.get("VIDLAB_MODELS")
    return Path(value) if value else None


def as_path(path: str | os.PathLike[str]) -> Path:
    """Return `path` as a :class:`~pathlib.Path`.

    Raises:
        OptionError: It is not a path.
    """
    try:
        return Path(path)
    except TypeError:
        raise OptionError(f"A path was expected; got {path!r}.") from None


def inside(folder: Path, name: str) -> Path:
    """Return the path of what a card names in a folder.

    Args:
        folder: Where it should be.
        name: A file's or folder's, with slashes for what is in folders below.

    Raises:
        OptionError: The name is empty or absolute, goes up, or holds what no file name should.
    """
    parts = re.split(r"[/\\]", name)
    if ".." in parts or not parts[0] or re.match(r"[A-Za-z]:", name) or not name.isprintable():
        raise OptionError(
            "A name of a file inside its folder is expected, without '..', a drive or control "
            f"characters; got {name!r}."
        )
    return folder / name


def check_writable(path: Path) -> None:
    """Refuse a place where :func:`atomic_write` would fail, before the work is done.

    Raises:
        OptionError: The place is a directory, or cannot be written.
    """
    if path.is_dir():
        raise OptionError(f"Cannot write {str(path)!r}: it is a directory.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OptionError(f"Cannot write {str(path)!r}: {error.strerror}.") from error


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` and rename it onto `path` on success.

    A reader sees the old file or the whole new one, never half; on an error nothing
    is left behind.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part = Path(name)
        part.chmod(0o666 & ~_umask())
        part.replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    # Reading the umask means setting it for an instant; mkstemp files are 0600 otherwise.
    value = os.umask(0)
    os.umask(value)
    return value
