"""The folder of a run: where each video's answers and failure are, and how they get there.

::

    manifest.json                    what is run, and with what
    videos.json                      which videos
    answers/model=NAME/ID.parquet    one model's answers to one video
    failures/ID.json                 why a video has no answers
    parts/ID/                        how far a long video is done (see vidlab.many.checkpoints)

``answers/`` is one dataset in Hive's layout (the column ``model`` is in the folders' names), as
pandas, pyarrow, DuckDB and Dask read it. Every file is written beside its place and renamed onto
it: the rename is the commit, and a kill at any moment leaves whole files only.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import filelock

from vidlab.core.errors import OptionError, PredictionsError
from vidlab.core.files import atomic_write, sha256_of
from vidlab.core.naming import printable
from vidlab.core.probabilities import softmax

if TYPE_CHECKING:
    import pyarrow as pa

    from vidlab.predictions import Predictions

#: Where vidlab's header is in the metadata of a Parquet file.
_HEADER = b"vidlab"

_LOCK = ".lock"

_ANSWERS_AT_ONCE = 10_000

# Enough to know a file by in a listing, and far from the 255 bytes that file systems allow.
_SLUG_LENGTH = 40
_HASH_LENGTH = 16


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """What tells whether a file is still the one that was read.

    Attributes:
        size_bytes: Its size.
        mtime_ns: When it was last written, in nanoseconds since 1970.
        sha256: Of its content.
    """

    size_bytes: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, path: str) -> Self:
        """Take a file's fingerprint, which reads all of it.

        Raises:
            OSError: It cannot be read.
        """
        # Asked for first: what is written while it is hashed is noticed by the next look.
        status = os.stat(path)  # noqa: PTH116  (a path stays a str, whatever is in it)
        return cls(size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, sha256=sha256_of(path))

    def is_of(self, path: str) -> bool:
        """Tell whether a file is as it was; it is read only where its time alone is another."""
        try:
            status = os.stat(path)  # noqa: PTH116
            if status.st_size != self.size_bytes:
                return False
            return status.st_mtime_ns == self.mtime_ns or sha256_of(path) == self.sha256
        except (OSError, ValueError):  # the second of what no path may hold
            return False


def identifier(name: str) -> str:
    """Return what a video's files are called: readable, and safe whatever is in its name.

    Args:
        name: The video's name.

    Returns:
        Letters and digits of the name, and the beginning of its SHA-256, which alone tells.
    """
    # Composed, so that a file system that composes names (macOS) keeps them as they are.
    text = unicodedata.normalize("NFC", name)
    slug = "".join(each if each.isalnum() else "-" for each in text)[-_SLUG_LENGTH:].strip("-")
    return f"{slug or 'video'}-{hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]}"


class Store:
    """Reads and writes the files of one run.

    Args:
        folder: The run's.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.answers = self.folder / "answers"
        self.failures = self.folder / "failures"
        self.parts = self.folder / "parts"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have the folder alone, without what a killed run left half-written.

        Raises:
            OptionError: Another run has it, or it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # The system gives it up with the process, however that ends.
            lock = filelock.FileLock(self.folder / _LOCK)
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise OptionError(
                f"Another run is writing into {str(self.folder)!r}. Wait for it, or give out= "
                "another folder."
            ) from None
        except OSError as error:
            raise OptionError(f"Cannot write {str(self.folder)!r}: {error.strerror}.") from error
        try:
            self._remove_half_written()
            yield
            self._remove_half_written()  # by workers that died
        finally:
            lock.release()

    def _remove_half_written(self) -> None:
        for part in self.folder.rglob(".*.part"):
            part.unlink(missing_ok=True)

    # ---- answers -------------------------------------------------------------------------------

    def answers_file(self, video: str, model: str) -> Path:
        """Return where a model's answers to a video are, or will be."""
        # Quoted as readers of Hive's layout unquote it.
        return self.answers / f"model={quote(model, safe=' ')}" / f"{identifier(video)}.parquet"

    def write_answers(
        self, predictions: Predictions, *, model: str, about: Mapping[str, Any]
    ) -> None:
        """Write a model's answers to one video: what `Predictions.save` writes, and more in it.

        Args:
            predictions: The answers.
            model: The model's name in this run.
            about: What is to be known of them beside, plain data; goes into the file's header.
        """
        import pyarrow.parquet as pq

        header = {**predictions._header(), "run": dict(about)}
        metadata = {_HEADER: json.dumps(header, ensure_ascii=False).encode()}
        # As row groups: the table of hours at once would take several times the answers' memory.
        tables = map(_uniform, predictions._arrow_tables(_ANSWERS_AT_ONCE))
        first = next(tables)
        with (
            atomic_write(self.answers_file(predictions.video, model)) as stream,
            pq.ParquetWriter(
                stream,
                first.schema,
                compression="zstd",
                write_page_checksum=True,
                # It would hold the header once more.
                store_schema=False,
            ) as writer,
        ):
            for table in chain([first], tables):
                writer.write_table(table)
            writer.add_key_value_metadata(metadata)

    def header(self, video: str, model: str) -> dict[str, Any] | None:
        """Return what is known of a model's answers to a video, or None where there are none."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.answers_file(video, model)
        try:
            metadata = pq.read_schema(path).metadata or {}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, pa.ArrowException) as error:
            raise damaged(path, error) from error
        try:
            found: dict[str, Any] = json.loads(metadata.get(_HEADER, b"{}"))
            if "run" not in found:
                return None
            _check_about(found)
        except (LookupError, TypeError, ValueError, RecursionError) as error:
            raise damaged(path, error) from error
        return found

    def remove_answers(self, video: str, models: tuple[str, ...]) -> None:
        """Remove the answers to a video, such as those to what its file held before."""
        for model in models:
            self.answers_file(video, model).unlink(missing_ok=True)

    # ---- long videos ---------------------------------------------------------------------------

    def parts_folder(self, video: str) -> Path:
        """Return where it is kept how far a video is done."""
        return self.parts / identifier(video)

    def keep_parts_of(self, videos: Iterable[str]) -> None:
        """Remove what is kept of all videos but these, whose answers are not there yet."""
        kept = {self.parts_folder(video) for video in videos}
        if self.parts.is_dir():
            for folder in set(self.parts.iterdir()) - kept:
                shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # some are left
                self.parts.rmdir()

    # ---- failures ------------------------------------------------------------------------------

    def failure(self, video: str) -> dict[str, Any] | None:
        """Return why a video has no answers, or None where it did not fail."""
        path = self._failure_file(video)
        found = read_json(path)
        if found is None:
            return None
        try:
            text = {key: printable(found[key]) for key in ("video", "error", "reason")}
            return {**found, **text, "attempts": int(found["attempts"])}
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise damaged(path, error) from error

    def write_failure(self, video: str, record: Mapping[str, Any]) -> None:
        """Keep why a video has no answers."""
        write_json(self._failure_file(video), {"video": video, **record})

    def remove_failure(self, video: str) -> None:
        """Forget that a video failed."""
        self._failure_file(video).unlink(missing_ok=True)

    def _failure_file(self, video: str) -> Path:
        return self.failures / f"{identifier(video)}.json"


def read_json(path: Path) -> Any:
    """Return what a JSON file holds, or None where there is no file.

    Raises:
        PredictionsError: It is damaged.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise PredictionsError(f"Cannot read {str(path)!r}: {error}.") from error


def damaged(path: Path, error: Exception) -> PredictionsError:
    """Build the error for a file of a run that says something else than it should."""
    return PredictionsError(
        f"{str(path)!r} is damaged: {error!r:.300}. Delete it, and give the same command again."
    )


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, atomically; file names that are not Unicode come back as they were."""
    with atomic_write(path) as stream:
        stream.write(json.dumps(value, indent=1).encode("ascii"))


def stat_of(path: str) -> dict[str, int]:
    """Return a file's size and time as a failure keeps them; nothing where it is not there."""
    with suppress(OSError, ValueError):  # the second of what no path may hold
        status = os.stat(path)  # noqa: PTH116
        return {"size_bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    return {}


def about_answers(
    predictions: Predictions, *, is_at_end: bool, fingerprint: Fingerprint, seconds: float
) -> dict[str, Any]:
    """Return what a run's tables say of one model's answers to one video, without reading them.

    Args:
        predictions: The answers.
        is_at_end: Take the last answer for the video's; else the mean over all of them.
        fingerprint: Of the file that was read.
        seconds: How long reading it and answering took.
    """
    about: dict[str, Any] = {
        "file": asdict(fingerprint),
        "seconds": round(seconds, 3),
        "num_answers": len(predictions),
    }
    if len(predictions):
        whole = (
            softmax(predictions.logits[-1]) if is_at_end else predictions.probabilities.mean(axis=0)
        )
        best = int(whole.argmax())
        about |= {"predicted": predictions.labels[best], "probability": float(whole[best])}
    return about


def _check_about(header: Mapping[str, Any]) -> None:
    """Refuse a header that does not say what :func:`about_answers` made.

    Raises:
        LookupError: Something is missing.
        TypeError: Something is of another type.
        ValueError: A text is no Unicode.
    """
    about = header["run"]
    Fingerprint(**about["file"])
    float(about["seconds"])
    float(about.get("probability", 0.0))
    for text in (about.get("predicted"), header["stopped"]):
        if text is not None:
            str.encode(text)
    if not isinstance(about["num_answers"], int):
        raise TypeError(about["num_answers"])


def _uniform(table: pa.Table) -> pa.Table:
    """Return a table with the columns that every file of a run has."""
    import pyarrow as pa

    # The folder names the model; the same column in the file would be a second one to readers.
    table = table.drop_columns(["model"])
    # Readers take the columns of the first file that they find; a stream has no clips.
    if "clip_start" not in table.column_names:
        table = table.append_column("clip_start", pa.nulls(len(table), pa.int64()))
    return table
