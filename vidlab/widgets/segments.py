"""Segments of one video in a CSV file that may hold those of others: nobody's rows are lost."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidlab.core.errors import DatasetError, OptionError
from vidlab.core.files import as_path, atomic_write, check_writable
from vidlab.video import Video

#: As `vidlab.clips` reads them, which loads pandas.
COLUMNS = ("video", "start_seconds", "end_seconds", "label")

#: Where it starts and has ended, in seconds on the video's clock, and what it shows.
Segment = tuple[float, float, str]


def check_segment(start: Any, end: Any, label: Any, *, video: Video, where: str) -> Segment:
    """Return a segment with times to the microsecond.

    Args:
        start: Seconds; None, NaN or an empty text for the video's start.
        end: Seconds; None, NaN or an empty text for the video's end.
        label: What it shows.
        video: Whose segment it is.
        where: Where it comes from, for the message.

    Raises:
        DatasetError: It is no segment, or lies outside the video.
    """
    if not isinstance(label, str) or not label.strip():
        raise DatasetError(f"{where}: a label is a text that is not empty; got {label!r:.80}.")
    try:
        begin = round(video.start_seconds if _is_open(start) else float(start), 6)
        stop = round(video.end_seconds if _is_open(end) else float(end), 6)
    except (TypeError, ValueError, OverflowError):
        begin = stop = math.nan
    if not (math.isfinite(begin) and math.isfinite(stop) and begin < stop):
        raise DatasetError(
            f"{where}: a segment starts before it ends, both in seconds; got {start!r:.40} to "
            f"{end!r:.40}."
        )
    if begin >= video.end_seconds or stop <= video.start_seconds:
        raise DatasetError(
            f"{where}: {begin:g} to {stop:g} s is outside {video.name}, which goes from "
            f"{video.start_seconds:g} to {video.end_seconds:g} s."
        )
    return begin, stop, label.strip()


def _is_open(time: Any) -> bool:
    if isinstance(time, str):
        return not time.strip()
    return time is None or (isinstance(time, float) and math.isnan(time))


@dataclass(frozen=True)
class _Line:
    """A line of the file; `segment` is None where it is another video's."""

    values: list[str]
    segment: Segment | None


class SegmentFile:
    """Segments of a video in a CSV file: ``video,start_seconds,end_seconds,label``, UTF-8.

    Args:
        path: The file; it need not be there yet.
        video: Whose segments are read and written.

    Attributes:
        path: The file.
        source: The video's path, as it was given.
        name: What the video is called in it: its path from the file's folder.
        labels: Every label in the file when it was last read, other videos' too.

    Raises:
        OptionError: The file cannot be written there, or the video is not a file.
    """

    def __init__(self, path: str | os.PathLike[str], video: Video) -> None:
        self.path = as_path(path).expanduser().absolute()
        if video.is_remote or not isinstance(video.source, str | os.PathLike):
            raise OptionError(
                f"Segments are kept beside a video's path, and {video.name} is not a file: save it "
                "as one, and give its path."
            )
        check_writable(self.path)
        self._video = video
        self.source = Path(os.fsdecode(video.source))
        self._place = self.source.resolve()
        self.name = _path_from(self.path.parent, self.source)
        self.labels: tuple[str, ...] = ()
        self._known: frozenset[Segment] = frozenset()

    def read(self) -> list[Segment]:
        """Return the video's segments by time; none where there is no file.

        Raises:
            DatasetError: The file is not such a table, or a row of this video makes no sense.
        """
        columns, lines = self._lines()
        at = columns.index("label")
        self.labels = tuple(dict.fromkeys(line.values[at].strip() for line in lines))
        segments = sorted(line.segment for line in lines if line.segment)
        self._known = frozenset(segments)
        return segments

    def write(self, segments: Sequence[Segment]) -> list[Segment]:
        """Put the video's segments into the file, which is replaced whole or not at all.

        The file is read again before: rows of other videos stay as they are, and so do rows and
        further columns of this one that did not change.

        Returns:
            The segments, with those that somebody else added since it was last read.

        Raises:
            DatasetError: What is there now cannot be read, and so is not replaced.
            OptionError: It cannot be written.
        """
        columns, lines = self._lines()
        there = {line.segment: line.values for line in lines if line.segment}
        merged = sorted([*segments, *(there.keys() - self._known - set(segments))])
        first = next((at for at, line in enumerate(lines) if line.segment), len(lines))
        rows = [
            columns,
            *(line.values for line in lines[:first]),
            *(there.get(each) or self._values(columns, each) for each in merged),
            *(line.values for line in lines[first:] if not line.segment),
        ]
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(rows)
        try:
            with atomic_write(self.path) as stream:
                stream.write(text.getvalue().encode())
        except OSError as error:
            raise OptionError(f"Cannot write {str(self.path)!r}: {error.strerror}.") from error
        self._known = frozenset(merged)
        return merged

    def is_of_video(self, name: str, folder: Path) -> bool:
        """Tell whether a path, seen from a folder, is the video's."""
        try:
            return bool(name) and (folder / Path(name).expanduser()).resolve() == self._place
        except (OSError, RuntimeError, ValueError):  # nothing that a file could be called
            return False

    def _values(self, columns: Sequence[str], segment: Segment) -> list[str]:
        start, end, label = segment
        named = dict(zip(COLUMNS, (self.name, repr(start), repr(end), label), strict=True))
        return [named.get(column, "") for column in columns]

    def _lines(self) -> tuple[list[str], list[_Line]]:
        """Return the names of the columns, and the lines below."""
        what = repr(self.path.name)
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.reader(stream, strict=True)
                numbered = [(reader.line_num, values) for values in reader if values]
        except FileNotFoundError:
            numbered = []
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DatasetError(f"{what} cannot be read as a CSV file: {error}.") from error
        if not numbered:
            return list(COLUMNS), []
        columns = numbered.pop(0)[1]
        missing = [column for column in COLUMNS if column not in columns]
        if missing:
            raise DatasetError(
                f"{what} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
                f"segments have {', '.join(COLUMNS)}. Mend it, or give another file: out=."
            )
        ours: dict[str, bool] = {}
        lines = []
        for number, values in numbered:
            where = f"{what}, line {number}"
            if len(values) != len(columns):
                raise DatasetError(
                    f"{where}: {len(columns)} values are expected, as in the first line; got "
                    f"{len(values)}. Mend it, or give another file: out=."
                )
            name, start, end, label = (values[columns.index(each)] for each in COLUMNS)
            if name not in ours:
                ours[name] = self.is_of_video(name.strip(), self.path.parent)
            segment = (
                check_segment(start, end, label, video=self._video, where=where)
                if ours[name]
                else None
            )
            lines.append(_Line(values, segment))
        return columns, lines


def _path_from(folder: Path, video: Path) -> str:
    """Return a video's path as it is written in a file of a folder, with ``/``."""
    # A link to a video is a place of its own; links among the folders above are followed.
    place = video.absolute().parent.resolve() / video.name
    try:
        return Path(os.path.relpath(place, folder.resolve())).as_posix()
    except ValueError:  # on another drive there is no way from here to there
        return place.as_posix()
