"""What a run needs to go on: one safetensors file, written whole or not at all.

Its tensors are weights and the optimizer's state; all else is JSON in its metadata. Random numbers
need no state: each draw is seeded by the run's seed, the epoch and the clip.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, optim

from vidlab.core.dependencies import require
from vidlab.core.errors import CheckpointError
from vidlab.core.files import atomic_write

_FORMAT = "vidlab.training/1"


class Regularly:
    """Tells when so many seconds have passed again.

    Args:
        seconds: How many.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.perf_counter()

    def is_due(self, at_most: float | None = None) -> bool:
        """Tell whether they have passed since this last said so.

        Args:
            at_most: Do not ask for more seconds than this.
        """
        seconds = self._seconds if at_most is None else min(self._seconds, at_most)
        now = time.perf_counter()
        if now - self._last < seconds:
            return False
        self._last = now
        return True


def write(path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Write tensors and a record that JSON can hold.

    Raises:
        CheckpointError: The file cannot be written.
    """
    safetensors = require("safetensors.torch", why="writing checkpoints")
    header = json.dumps({"format": _FORMAT, **record})
    kept = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    data = safetensors.save(kept, {"vidlab": header})
    try:
        with atomic_write(path) as stream:
            stream.write(data)
    except OSError as error:
        raise CheckpointError(f"Cannot write {str(path)!r}: {error}.") from error


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`write` wrote.

    Raises:
        CheckpointError: The file is damaged, or of another kind.
    """
    safetensors = require("safetensors", why="reading checkpoints")
    try:
        with safetensors.safe_open(path, framework="pt") as stream:
            record = json.loads((stream.metadata() or {}).get("vidlab", "{}"))
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError) as error:
        raise _unusable(path, f"it cannot be read: {error}") from error
    told = record.get("format") if isinstance(record, dict) else None
    if told != _FORMAT:
        raise _unusable(path, f"its format is {told!r}, expected {_FORMAT!r}")
    return tensors, record


@contextmanager
def going_on(path: Path | None) -> Iterator[None]:
    """Go on with what was read from a checkpoint.

    Raises:
        CheckpointError: What it holds is of another form than a run writes.
    """
    try:
        yield
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if path is None:
            raise
        raise _unusable(path, f"no run goes on with what it holds: {error!r:.300}") from error


def optimizer_tensors(optimizer: optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimizer's state as tensors by name."""
    return {
        f"{number}.{name}": value
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimizer(optimizer: optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimizer the state that :func:`optimizer_tensors` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def starting_with(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose name starts with ``prefix.``, without it."""
    cut = len(prefix) + 1
    return {name[cut:]: value for name, value in tensors.items() if name.startswith(f"{prefix}.")}


def _unusable(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"The checkpoint {str(path)!r} cannot be used: {why}. resume=False starts anew and "
        "replaces it."
    )
