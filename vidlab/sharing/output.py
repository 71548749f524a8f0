"""How every file is written: whole or not at all, in UTF-8."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from vidlab.core.errors import PredictionsError
from vidlab.core.files import as_path, atomic_write


def write_lines(path: str | os.PathLike[str], lines: Iterable[str]) -> None:
    """Write lines, each with an end of line, atomically; missing folders are made.

    Raises:
        OptionError: `path` is no path.
        PredictionsError: The file cannot be written.
    """
    path = as_path(path)
    try:
        with atomic_write(path) as stream:
            for line in lines:
                # A file name that is no UTF-8 has lone surrogates, for which this writes \udcff:
                # what JSON calls them too.
                stream.write(f"{line}\n".encode(errors="backslashreplace"))
    except OSError as error:
        raise PredictionsError(f"Cannot write {str(path)!r}: {error}.") from error


def as_json(value: Any) -> str:
    """Return plain data as JSON, with letters of any language as they are."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
