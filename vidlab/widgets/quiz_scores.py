"""Answers that learners have committed, and the CSV file that keeps them."""

from __future__ import annotations

import csv
import errno
import io
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidlab.core.errors import OptionError
from vidlab.core.files import as_path, check_writable

if TYPE_CHECKING:
    import pandas as pd

#: A committed answer. `_columns` says what is in it, and of which kind.
Row = dict[str, Any]

_FIRST_COLUMNS = {
    "time": str, "name": str, "attempt": int, "question": int, "video": str,
    "start_seconds": float, "end_seconds": float, "label": str, "answer": str, "choice": str,
    "sure": str, "correct": bool,
}  # fmt: skip

# As pandas has them: all but the first ints may be missing.
_DTYPES = {str: "str", int: "int64", float: "float64", bool: "boolean"}


class Scores:
    """Committed answers, a row each, of which none is ever changed.

    Args:
        path: A CSV file to add them to; what is in it already stays. None keeps them in memory.
        models: The names of the models whose answers are kept with them.

    Attributes:
        path: The file, or None.
        rows: Every row, those of the file first.

    Raises:
        OptionError: The file cannot be written, or holds something else.
    """

    def __init__(self, path: str | os.PathLike[str] | None, models: Sequence[str]) -> None:
        self._columns: dict[str, type] = dict(_FIRST_COLUMNS)
        for name in models:
            self._columns[f"predicted_{name}"] = str
            self._columns[f"probability_{name}"] = float
            self._columns[f"correct_{name}"] = bool
        self.path: Path | None = None
        self.rows: list[Row] = []
        if path is not None:
            self.path = as_path(path).expanduser().absolute()
            check_writable(self.path)
            self.rows = self._read()

    def add(self, row: Row) -> None:
        """Keep a row: when this returns, it is on the disk.

        Raises:
            OptionError: It cannot be written; then it is not kept at all.
        """
        if self.path is not None:
            self._append(self.path, row)
        self.rows.append(row)

    def of(self, name: str) -> dict[int, list[Row]]:
        """Return a learner's rows by attempt."""
        found: dict[int, list[Row]] = {}
        for row in self.rows:
            if row["name"] == name:
                found.setdefault(row["attempt"], []).append(row)
        return found

    def table(self) -> pd.DataFrame:
        """Return every row as a table."""
        import pandas as pd

        table = pd.DataFrame(self.rows, columns=list(self._columns))
        return table.astype({name: _DTYPES[kind] for name, kind in self._columns.items()})

    def _append(self, path: Path, row: Row) -> None:
        lines = [[_as_text(row[name]) for name in self._columns]]
        try:
            # One write at the end of the file: two learners with one file take nothing from
            # each other, as they would if each replaced it.
            with path.open("ab+", buffering=0) as stream:
                size = stream.seek(0, io.SEEK_END)
                if size == 0:
                    lines.insert(0, list(self._columns))
                text = io.StringIO(newline="")
                csv.writer(text, lineterminator="\n").writerows(lines)
                stream.seek(max(size - 1, 0))
                is_open = stream.read(1) not in (b"", b"\n")
                data = ("\n" * is_open + text.getvalue()).encode()
                try:
                    if stream.write(data) < len(data):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    os.fsync(stream.fileno())
                except OSError:
                    stream.truncate(size)  # half a line would be in the way of all others
                    raise
        except OSError as error:
            raise OptionError(
                f"The answer could not be kept in {path.name!r} ({error.strerror}), so it does not "
                "count yet. Make room, or close what holds the file, and commit again."
            ) from error

    def _read(self) -> list[Row]:
        assert self.path is not None
        what = repr(self.path.name)
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.reader(stream, strict=True)
                lines = [(reader.line_num, values) for values in reader if values]
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise OptionError(f"{what} cannot be read as a CSV file: {error}.") from error
        if not lines:
            return []
        columns = lines.pop(0)[1]
        if columns != list(self._columns):
            odd = next((each for each in columns if each not in self._columns), None)
            missing = next((each for each in self._columns if each not in columns), None)
            raise OptionError(
                f"{what} does not hold the answers of such a quiz: it "
                + (f"has {odd!r}" if odd is not None else f"lacks {missing!r}")
                + ". A quiz with other models wants another file: scores=."
            )
        return [self._row(values, f"{what}, line {number}") for number, values in lines]

    def _row(self, values: Sequence[str], where: str) -> Row:
        if len(values) != len(self._columns):
            raise OptionError(
                f"{where}: {len(self._columns)} values are expected, as in the first line; got "
                f"{len(values)}. Mend it, or give another file: scores=."
            )
        return {
            name: _from_text(text, kind, f"{where}: {name}")
            for (name, kind), text in zip(self._columns.items(), values, strict=True)
        }


def _as_text(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


_READERS: dict[type, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    bool: {"True": True, "False": False}.__getitem__,
}


def _from_text(text: str, kind: type, where: str) -> Any:
    if not text and kind is not int:
        return None
    try:
        value = _READERS[kind](text)
    except (KeyError, ValueError):
        raise OptionError(
            f"{where}: {kind.__name__} is expected; got {text!r:.40}. Mend it, or give another "
            "file: scores=."
        ) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise OptionError(f"{where}: a finite number is expected; got {text!r:.40}.")
    return value
