"""Weights in PyTorch's own files: pickles, read as data once another process has lived through it.

With ``weights_only=True`` a pickle runs no code, but it may still be made to do harm: zeros by the
gigabyte that are packed well, one number that is repeated a billion times, keys that take for ever
to be looked up. Files that ``torch.save`` wrote do nothing of this.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from vidlab.core.dependencies import require
from vidlab.core.errors import WeightsError
from vidlab.models.trial import check_survived


def read_pickle(path: Path) -> dict[str, Any]:
    """Return the ``state_dict()`` that a file holds: tensors by name.

    Args:
        path: A file that ``torch.save`` wrote, of that alone or as ``state_dict`` among more.

    Raises:
        WeightsError: It is damaged, holds something else, or claims more than it holds.
        MissingDependencyError: torch is not installed.
    """
    torch = require("torch", why="reading a PyTorch file")
    _check_stored(path)
    check_survived(path, "PyTorch")
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises anything, even on harmless damage
        told = str(error).splitlines() or [type(error).__name__]
        raise WeightsError(
            f"{str(path)!r} is damaged, or holds more than weights: {told[0]}"
        ) from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not all(isinstance(name, str) for name in loaded):
        raise WeightsError(f"{str(path)!r} is not the state_dict() of a network.")
    for name, value in loaded.items():
        if not isinstance(value, torch.Tensor) or not _is_whole(torch, value):
            raise WeightsError(
                f"{str(path)!r} is not the state_dict() of a network: {name!r:.80} is no tensor "
                "all of whose numbers are in the file. Save it again, with torch.save."
            )
    return loaded


def _check_stored(path: Path) -> None:
    """Refuse an archive that becomes larger as it is read: PyTorch does not compress."""
    try:
        with path.open("rb") as stream:
            if stream.read(4) != b"PK\x03\x04":
                return
            with zipfile.ZipFile(stream) as archive:
                num_bytes = sum(each.file_size for each in archive.infolist())
        is_larger = num_bytes > path.stat().st_size
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise WeightsError(f"{str(path)!r} is damaged: {error}.") from error
    if is_larger:
        raise WeightsError(
            f"{str(path)!r} would become {num_bytes} bytes as it is read, which is more than it "
            "has. torch.save compresses nothing; save it again."
        )


def _is_whole(torch: Any, value: Any) -> bool:
    return (
        value.layout is torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
    )
