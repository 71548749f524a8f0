"""Targets that do what none may, each in its own way: the driver must notice all of them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from targets import Target

from vidlab.core.errors import OptionError

# Less than a file may take: what is told apart from computing is memory, and filling a gigabyte
# takes a second of computing by itself.
GROWTH_BYTES = 100 << 20


def _crash(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _compute(path: Path) -> None:
    while True:
        pass


def _wait(path: Path) -> None:
    threading.Event().wait()


def _fill(path: Path) -> None:
    len(b"x" * (3 * GROWTH_BYTES // 2))


def _fail(path: Path) -> None:
    raise KeyError("planted")


def _refuse(path: Path) -> None:
    raise OptionError("planted")


def _read(path: Path) -> None:
    path.read_bytes()


class _Planted(Target):
    def warm(self, path: Path) -> None:
        """Do nothing: it would do already what the driver must notice."""


def _planted(name: str, read: Callable[[Path], None]) -> Target:
    return _Planted(name, "planted", ".txt", lambda path: path.write_text(name), read, share=1)


TARGETS = (
    _planted("crashes", _crash),
    _planted("computes", _compute),
    _planted("waits", _wait),
    _planted("fills", _fill),
    _planted("fails", _fail),
    _planted("refuses", _refuse),
    _planted("reads", _read),
)
