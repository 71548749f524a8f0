"""Which videos a run is about: found in a folder, or named in a list or a table."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vidlab.clips import VIDEO_SUFFIXES
from vidlab.core.errors import OptionError
from vidlab.core.naming import printable
from vidlab.many.store import Store, damaged, read_json, write_json

_FILE = "videos.json"

# Columns of Run.videos; a table's own may not be called so.
_RESERVED = frozenset({"path", "state", "num_answers", "seconds", "stopped"})


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A video of a run.

    Attributes:
        video: Its name, the same on every machine where that can be.
        path: Its file.
        columns: What the given table says of it beside.
    """

    video: str
    path: str
    columns: Mapping[str, Any] = field(default_factory=dict)


def list_videos(given: object) -> list[Listed]:
    """Return the videos that were given, each once, in order.

    Args:
        given: A folder, whose videos at any depth are named relative to it; one path or several,
            named as they are, or relative to the working folder; or a DataFrame with paths in its
            column ``video``.

    Raises:
        OptionError: There is none, it is something else, or two are the same.
    """
    if isinstance(given, pd.DataFrame):
        listed = _of_table(given)
    elif isinstance(given, (str, os.PathLike)) and Path(given).is_dir():
        listed = _of_folder(Path(given))
    elif isinstance(given, (str, os.PathLike)):
        listed = [_named(given)]
    elif isinstance(given, Iterable) and not isinstance(given, (bytes, Mapping)):
        listed = [_named(each) for each in given]
    else:
        raise OptionError(
            "Videos are a folder, paths, or a DataFrame with a column 'video'; got "
            f"{type(given).__name__}."
        )
    if not listed:
        raise OptionError(
            f"There are no videos in {given!r:.200}; files that end in "
            f"{', '.join(sorted(VIDEO_SUFFIXES))} are taken for videos."
        )
    names: set[str] = set()
    for each in listed:
        if each.video in names:
            raise OptionError(f"The video {each.video!r} is given twice; give each one once.")
        names.add(each.video)
    return listed


def read_list(store: Store) -> list[Listed]:
    """Return the videos that a run knows of.

    Raises:
        PredictionsError: The file that names them is damaged.
    """
    path = store.folder / _FILE
    try:
        found = [
            Listed(
                video=printable(each.pop("video")), path=os.fspath(each.pop("path")), columns=each
            )
            for each in read_json(path) or []
        ]
        for each in found:
            json.dumps(each.columns, ensure_ascii=False).encode()
        return found
    except (AttributeError, LookupError, TypeError, UnicodeError) as error:
        raise damaged(path, error) from error


def write_list(store: Store, listed: Iterable[Listed]) -> None:
    """Keep which videos a run is about."""
    write_json(
        store.folder / _FILE,
        [{"video": each.video, "path": each.path, **each.columns} for each in listed],
    )


def _of_folder(folder: Path) -> list[Listed]:
    found = []
    for inside, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(inside) / name
            for name in sorted(files)
            if not name.startswith(".") and Path(name).suffix.lower() in VIDEO_SUFFIXES
        ]
    return [
        Listed(video=printable(path.relative_to(folder).as_posix()), path=_absolute(path))
        for path in found
    ]


def _of_table(table: pd.DataFrame) -> list[Listed]:
    names = [str(column) for column in table.columns]
    if "video" not in names:
        raise OptionError(
            f"The table needs a column 'video' with paths; it has {', '.join(names) or 'none'}."
        )
    if wrong := [each for each in names if each in _RESERVED or names.count(each) > 1]:
        raise OptionError(
            f"The table's column {wrong[0]!r} is there twice, or is one that a run makes itself; "
            "rename it."
        )
    listed = []
    for row in table.set_axis(names, axis=1).to_dict("records"):
        one = _named(row.pop("video"))
        columns = {str(name): _plain(value) for name, value in row.items()}
        listed.append(Listed(video=one.video, path=one.path, columns=columns))
    return listed


def _named(given: object) -> Listed:
    if not isinstance(given, (str, os.PathLike)) or not os.fspath(given):
        raise OptionError(f"A video is given by its path; got {given!r:.200}.")
    path = Path(_absolute(given))
    here = Path.cwd()
    name = path.relative_to(here) if path.is_relative_to(here) else path
    return Listed(video=printable(name.as_posix()), path=str(path))


def _absolute(path: str | os.PathLike[str]) -> str:
    return os.path.abspath(os.path.expanduser(os.fspath(path)))  # noqa: PTH100,PTH111


def _plain(value: Any) -> Any:
    """Return a table's value as JSON can keep it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, int, str)):
        return value
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    return value if isinstance(value, float) else str(value)
