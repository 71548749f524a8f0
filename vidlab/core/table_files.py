"""Tables that are kept: a Parquet file with a header of vidlab's own, or a CSV file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidlab.core.errors import PredictionsError
from vidlab.core.files import as_path, atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import pyarrow as pa

_HEADER = b"vidlab"


def save(
    path: str | os.PathLike[str],
    *,
    table: Callable[[], pd.DataFrame],
    everything: Callable[[], tuple[pa.Table, Mapping[str, Any]]],
    what: str,
) -> None:
    """Write a ``.csv`` of a table, or a ``.parquet`` of all there is, atomically.

    Args:
        path: Where to; missing folders are made.
        table: Returns the table.
        everything: Returns an Arrow table and the header, plain data.
        what: What is saved, as the start of a sentence.

    Raises:
        PredictionsError: The suffix is another, or the file cannot be written.
    """
    path = as_path(path)
    if path.suffix not in (".parquet", ".csv"):
        raise PredictionsError(
            f"{what} are saved as .parquet (everything) or .csv (the table); got {path.name!r}."
        )
    try:
        with atomic_write(path) as stream:
            if path.suffix == ".csv":
                table().to_csv(stream, index=False)
            else:
                _write_parquet(stream, *everything())
    except OSError as error:
        raise PredictionsError(f"Cannot write {str(path)!r}: {error}.") from error


@contextmanager
def loading(
    path: str | os.PathLike[str], *, format_name: str, what: str
) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    """Read a file that `save` wrote; what goes wrong while it is understood is its damage.

    Args:
        path: The file.
        format_name: The header's ``format``.
        what: What it should hold.

    Yields:
        The Arrow table, and the header.

    Raises:
        PredictionsError: The file is missing, damaged, or holds something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = as_path(path)
    try:
        arrow = pq.read_table(path, page_checksum_verification=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise PredictionsError(f"Cannot read {str(path)!r}: {error}.") from error
    try:
        yield arrow, _header(arrow, path, format_name, what)
    except (KeyError, TypeError, ValueError, RecursionError, pa.ArrowException) as error:
        if isinstance(error, PredictionsError):
            raise
        raise PredictionsError(f"{str(path)!r} is damaged: {error!r}.") from error


def _header(arrow: pa.Table, path: Path, format_name: str, what: str) -> dict[str, Any]:
    packed = (arrow.schema.metadata or {}).get(_HEADER)
    header = None if packed is None else json.loads(packed)
    kind = format_name.partition("/")[0]
    if header is None or header["format"].partition("/")[0] != kind:
        raise PredictionsError(f"{str(path)!r} is a Parquet file, but not one of vidlab's {what}.")
    if header["format"] != format_name:
        raise PredictionsError(
            f"The file is of format {header['format']!r}; this vidlab reads {format_name!r}."
        )
    return dict(header)


def _write_parquet(stream: Any, arrow: pa.Table, header: Mapping[str, Any]) -> None:
    import pyarrow.parquet as pq

    metadata = dict(arrow.schema.metadata or {})
    # What is no Unicode in a file's name becomes what JSON calls it, too.
    text = json.dumps(header, ensure_ascii=False)
    metadata[_HEADER] = text.encode(errors="backslashreplace")
    pq.write_table(
        arrow.replace_schema_metadata(metadata),
        stream,
        compression="zstd",
        write_page_checksum=True,
    )
