"""The folder of a run: where each video's answers and failure are, and how they get there.

::

    manifest.json                    what is run, and with what
    videos.json                      which videos
    answers/model=NAME/ID.parquet    one model's answers to one video
    failures/ID.json                 why a video has no answers

``answers/`` is one dataset in Hive's layout (the column ``model`` is in the folders' names), as
pandas, pyarrow, DuckDB and Dask read it. Every file is written beside its place and renamed onto
it: the rename is the commit, and a kill at any moment leaves whole files only.
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import filelock

from vidlab.core.errors import OptionError, PredictionsError
from vidlab.core.files import atomic_write, sha256_of

if TYPE_CHECKING:
    import pyarrow as pa

    from vidlab.predictions import Predictions

#: Where vidlab's header is in the metadata of a Parquet file.
_HEADER = b"vidlab"

_LOCK = ".lock"

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
        except OSError:
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
            for part in self.folder.rglob(".*.part"):
                part.unlink(missing_ok=True)
            yield
        finally:
            lock.release()

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

        table, header = predictions._as_arrow()
        table = _uniform(table, predictions.video)
        header = {**header, "run": dict(about)}
        metadata = {_HEADER: json.dumps(header, ensure_ascii=False).encode()}
        with atomic_write(self.answers_file(predictions.video, model)) as stream:
            pq.write_table(
                table.replace_schema_metadata(metadata),
                stream,
                compression="zstd",
                write_page_checksum=True,
            )

    def header(self, video: str, model: str) -> dict[str, Any] | None:
        """Return what is known of a model's answers to a video, or None where there are none."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.answers_file(video, model)
        try:
            metadata = pq.read_schema(path).metadata or {}
        except FileNotFoundError:
            return None
        except (OSError, pa.ArrowException) as error:
            raise PredictionsError(
                f"{str(path)!r} is damaged: {error}. Delete it, and give the same command again."
            ) from error
        found: dict[str, Any] = json.loads(metadata.get(_HEADER, b"{}"))
        return found if "run" in found else None

    def remove_answers(self, video: str, models: tuple[str, ...]) -> None:
        """Remove the answers to a video, such as those to what its file held before."""
        for model in models:
            self.answers_file(video, model).unlink(missing_ok=True)

    # ---- failures ------------------------------------------------------------------------------

    def failure(self, video: str) -> dict[str, Any] | None:
        """Return why a video has no answers, or None where it did not fail."""
        found: dict[str, Any] | None = read_json(self._failure_file(video))
        return found

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
    except (OSError, ValueError) as error:
        raise PredictionsError(f"Cannot read {str(path)!r}: {error}.") from error


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, atomically; file names that are not Unicode come back as they were."""
    with atomic_write(path) as stream:
        stream.write(json.dumps(value, indent=1).encode("ascii"))


def stat_of(path: str) -> dict[str, int]:
    """Return a file's size and time as a failure keeps them; nothing where it is not there."""
    with suppress(OSError):
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
        probabilities = predictions.probabilities
        whole = probabilities[-1] if is_at_end else probabilities.mean(axis=0)
        best = int(whole.argmax())
        about |= {"predicted": predictions.labels[best], "probability": float(whole[best])}
    return about


def _uniform(table: pa.Table, video: str) -> pa.Table:
    """Return a table whose columns are of the same types in every file of a run."""
    import pyarrow as pa

    types = {
        "backend": pa.string(), "label": pa.string(), "rank": pa.int64(),
        "class_id": pa.int64(), "logit": pa.float32(), "probability": pa.float32(),
    }  # fmt: skip
    # The folder names the model; the same column in the file would be a second one to readers.
    table = table.drop_columns(["model"])
    for name, kind in types.items():
        at = table.column_names.index(name)
        table = table.set_column(at, name, table[name].cast(kind))
    # An answer without a label above the threshold has a row, too, and is of this video.
    names = pa.array([video] * len(table), pa.string())
    return table.set_column(table.column_names.index("video"), "video", names)
