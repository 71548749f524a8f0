"""What is kept of a long video that is not finished yet, so that any process can go on with it.

::

    parts/ID/00002-1.parquet     the second model's answers to the third part
    parts/ID/checkpoint.npz      how many parts are done, and what the next one is given

The checkpoint is renamed into its place after the answers that it counts, so a kill at any moment
costs the part that was being done. Nothing is pickled, as folders of runs come from elsewhere: what
a model carries is arrays, and JSON that says how they lie in its state.
"""

from __future__ import annotations

import json
import lzma
import shutil
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.dependencies import require
from vidlab.core.files import atomic_write
from vidlab.inference import Carried
from vidlab.many.store import Fingerprint, Store
from vidlab.models.base import State
from vidlab.predictions import Predictions

_FORMAT = "vidlab.checkpoint/1"

# What zipfile raises over a damaged file, NumPy over a header, and whatever reads what is in it.
_DAMAGE = (
    OSError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, MemoryError, SyntaxError,
    tokenize.TokenError, ArithmeticError, AttributeError, LookupError, RuntimeError,
    TypeError, ValueError,
)  # fmt: skip

_Arrays = list[NDArray[Any]]


class StateError(TypeError):
    """A stream state that arrays and plain data cannot hold exactly."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """How far a video is done.

    Attributes:
        fingerprint: Of the file that is read.
        made_with: Options and models, as text; others cannot go on with it.
        seconds: How long it has taken so far.
        num_parts: How many parts are done.
        carried: What the next part is given, by model.
    """

    fingerprint: Fingerprint
    made_with: str
    seconds: float
    num_parts: int
    carried: tuple[Carried, ...]


class Checkpoints:
    """Keeps the parts of a run's long videos.

    Args:
        store: The run's folder.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, video: str) -> Checkpoint | None:
        """Return how far a video is done, or None where nothing usable is kept of it."""
        try:
            return _checkpoint_of(_arrays_in(self._file(video)))
        except _DAMAGE:  # the video is begun anew, and it is replaced
            return None

    def write(self, video: str, checkpoint: Checkpoint, answers: Sequence[Predictions]) -> None:
        """Keep one part more.

        Args:
            video: The video's name.
            checkpoint: How far it is done with this part.
            answers: Each model's answers to this part.

        Raises:
            StateError: A model's state cannot be kept; nothing is.
        """
        arrays: _Arrays = []
        about = {
            "format": _FORMAT,
            **asdict(checkpoint.fingerprint),
            "made_with": checkpoint.made_with,
            "seconds": checkpoint.seconds,
            "num_parts": checkpoint.num_parts,
            "carried": [_packed_carried(each, arrays) for each in checkpoint.carried],
        }
        for number, each in enumerate(answers):
            each.save(self._answers_file(video, checkpoint.num_parts - 1, number))
        with atomic_write(self._file(video)) as stream:
            np.savez(stream, np.frombuffer(json.dumps(about).encode("ascii"), np.uint8), *arrays)

    def answers(self, video: str, num_parts: int, *, model: int) -> Iterator[Predictions]:
        """Read a model's answers to the first parts one by one, in order.

        Raises:
            PredictionsError: They are damaged, or not all there.
        """
        for part in range(num_parts):
            yield Predictions.load(self._answers_file(video, part, model))

    def remove(self, video: str) -> None:
        """Remove what is kept of a video."""
        # First what counts: half of the rest is worth nothing.
        self._file(video).unlink(missing_ok=True)
        shutil.rmtree(self._store.parts_folder(video), ignore_errors=True)

    def _file(self, video: str) -> Path:
        return self._store.parts_folder(video) / "checkpoint.npz"

    def _answers_file(self, video: str, part: int, model: int) -> Path:
        return self._store.parts_folder(video) / f"{part:05}-{model}.parquet"


def _arrays_in(path: Path) -> _Arrays:
    with zipfile.ZipFile(path) as archive:
        # NumPy writes them as they are; whatever gets larger as it is read is not from here.
        if sum(each.file_size for each in archive.infolist()) > path.stat().st_size:
            raise zipfile.BadZipFile
    with np.load(path, allow_pickle=False) as found:
        return [found[f"arr_{number}"] for number in range(len(found.files))]


def _checkpoint_of(arrays: _Arrays) -> Checkpoint:
    first, *arrays = arrays
    about = json.loads(first.tobytes())
    if about["format"] != _FORMAT:
        raise ValueError(about["format"])
    return Checkpoint(
        fingerprint=Fingerprint(
            size_bytes=about["size_bytes"], mtime_ns=about["mtime_ns"], sha256=about["sha256"]
        ),
        made_with=about["made_with"],
        seconds=float(about["seconds"]),
        num_parts=int(about["num_parts"]),
        carried=tuple(_carried_of(each, arrays) for each in about["carried"]),
    )


def _packed_carried(carried: Carried, arrays: _Arrays) -> dict[str, Any]:
    pixels = [each for _, _, each in carried.waiting]
    return {
        "next_frame": carried.next_frame,
        "state": _packed(carried.state, arrays),
        "numbers": [number for number, _, _ in carried.waiting],
        "times": [seconds for _, seconds, _ in carried.waiting],
        "pixels": _packed(np.stack(pixels) if pixels else None, arrays),
        "num_unseen": carried.num_unseen,
        "num_until_full": carried.num_until_full,
    }


def _carried_of(packed: dict[str, Any], arrays: _Arrays) -> Carried:
    pixels = _unpacked(packed["pixels"], arrays)
    waiting = zip(packed["numbers"], packed["times"], [] if pixels is None else pixels, strict=True)
    return Carried(
        next_frame=int(packed["next_frame"]),
        state=_unpacked(packed["state"], arrays),
        waiting=tuple(waiting),
        num_unseen=int(packed["num_unseen"]),
        num_until_full=int(packed["num_until_full"]),
    )


def _packed(value: State, arrays: _Arrays) -> dict[str, Any]:
    """Return a state as JSON can hold it; its arrays go into `arrays`.

    Raises:
        StateError: It holds something else than plain data and arrays of the usual types.
    """
    if value is None or type(value) in (bool, int, float, str):
        return {"value": value}
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": {key: _packed(each, arrays) for key, each in value.items()}}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_packed(each, arrays) for each in value]}
    library = type(value).__module__.partition(".")[0]
    if library not in ("numpy", "torch", "tensorflow"):
        raise StateError(f"No array: {type(value).__name__}.")
    try:
        array = np.array(value)
    except (RuntimeError, TypeError) as error:  # of another device, or a type that NumPy has not
        raise StateError(str(error)) from error
    if array.dtype.kind not in "biufc" or array.dtype.isbuiltin != 1:
        raise StateError(f"An array of {array.dtype}.")
    arrays.append(array)
    return {library: len(arrays) - 1}


def _unpacked(packed: dict[str, Any], arrays: _Arrays) -> State:
    ((kind, value),) = packed.items()
    if kind == "dict":
        return {key: _unpacked(each, arrays) for key, each in value.items()}
    if kind == "list":
        return [_unpacked(each, arrays) for each in value]
    if kind == "tuple":
        return tuple(_unpacked(each, arrays) for each in value)
    if kind == "numpy":
        return arrays[value]
    if kind == "torch":
        return require("torch", why="a stream state of PyTorch").from_numpy(arrays[value])
    if kind == "tensorflow":
        return require("tensorflow", why="a stream state of TensorFlow").constant(arrays[value])
    return value
