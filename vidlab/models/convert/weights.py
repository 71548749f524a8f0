"""Weight files: safetensors in and out, and :func:`convert` from everything else.

A file carries in its metadata what it is (``config``, JSON of a :class:`MovinetConfig`) and
where it is from (``source``, ``source_kind``, ``source_sha256``).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

import vidlab
from vidlab.core.dependencies import require
from vidlab.core.errors import (
    ConversionError,
    OptionError,
    WeightsError,
    WeightsNotFoundError,
)
from vidlab.core.files import atomic_write, sha256_of
from vidlab.models.convert.litert import FILE_IDENTIFIER, read_litert
from vidlab.models.convert.tensorflow import read_checkpoint, read_savedmodel
from vidlab.models.convert.tensorflow_names import check_complete, describe, parameter_shapes
from vidlab.models.frame_cnn import ARCHITECTURE, FrameCNN
from vidlab.models.lookup import content_hash
from vidlab.models.movinet.network import MoViNet
from vidlab.models.movinet.spec import MovinetConfig
from vidlab.models.pickles import read_pickle

_HALVES = (torch.float16, torch.bfloat16)
_FORMAT = {"format": "vidlab", "format_version": "1"}
_MOVINET = "movinet"


def convert(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    config: MovinetConfig | None = None,
    weights_only: bool = False,
) -> MovinetConfig:
    """Convert MoViNet weights of any kind to a safetensors file.

    What `source` is, is told by its content: a LiteRT file, a SavedModel directory, a TensorFlow
    checkpoint (its prefix, its ``.index`` file, or a directory with one), or a PyTorch file.
    `destination` appears whole or not at all.

    Args:
        source: What to read.
        destination: Where to write; its name ends in ``.safetensors``.
        config: Of the network, for sources that do not say it (checkpoints, PyTorch files).
        weights_only: Allow a PyTorch file, which is a pickle, read with ``weights_only=True`` so
            that it cannot run code.

    Returns:
        The configuration of the network.

    Raises:
        ConversionError: `source` is damaged, or nothing that holds MoViNet weights.
        OptionError: `destination` has another suffix.
        MissingDependencyError: What reads this kind is not installed.
    """
    source, destination = Path(source), Path(destination)
    if destination.suffix != ".safetensors":
        raise OptionError(
            f"The destination must end in .safetensors; got {destination.name!r}. "
            "vidlab writes no other kind."
        )
    kind = _kind_of(source)
    if kind == "litert":
        config, state = read_litert(source)
    elif kind == "savedmodel":
        config, state = read_savedmodel(source)
    elif kind == "checkpoint":
        source = _checkpoint_prefix(source)
        config, state = read_checkpoint(source, config)
    else:
        config, state = _read_pickle(source, config, weights_only=weights_only)
    provenance = {
        "source": source.name,
        "source_kind": kind,
        "source_sha256": _digest(source),
    }
    try:
        save_safetensors(destination, config, state, provenance=provenance)
    except OSError as error:
        raise ConversionError(f"Cannot write {str(destination)!r}: {error}.") from error
    return config


def save_safetensors(
    path: str | os.PathLike[str],
    config: MovinetConfig | FrameCNN,
    state: Mapping[str, Tensor],
    *,
    provenance: Mapping[str, str] | None = None,
    half: bool = False,
) -> None:
    """Write weights and their configuration to a safetensors file, whole or not at all.

    Args:
        path: Where to.
        config: Of the MoViNet; a picture network describes itself.
        state: Its ``state_dict()``.
        provenance: More about where the weights are from, kept in the metadata.
        half: Keep them in half precision, in half the space.
    """
    safetensors = require("safetensors.torch", why="writing weights")
    tensors = {
        name: value.detach().cpu().to(torch.float16 if half else value.dtype).contiguous()
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }
    metadata = {
        **(provenance or {}),
        **_FORMAT,
        "architecture": ARCHITECTURE if isinstance(config, FrameCNN) else _MOVINET,
        "config": config.config_json() if isinstance(config, FrameCNN) else config.to_json(),
        "vidlab_version": vidlab.__version__,
    }
    with atomic_write(path) as stream:
        stream.write(_with_sorted_header(safetensors.save(tensors, metadata)))


def load_safetensors(path: str | os.PathLike[str]) -> MoViNet | FrameCNN:
    """Load a network from a file that :func:`save_safetensors` or :func:`convert` wrote.

    Returns:
        The network in float32, however it is stored, set to predict (``eval()``).

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: The file is damaged, or no such network's.
        MissingDependencyError: safetensors is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsNotFoundError(f"There is no weights file {str(path)!r}.")
    state, metadata = _read_safetensors(path)
    makers: dict[str, Callable[..., MoViNet | FrameCNN]] = {
        _MOVINET: _movinet,
        ARCHITECTURE: _frame_cnn,
    }
    make = makers.get(metadata.get("architecture", ""))
    if make is None or "config" not in metadata:
        raise WeightsError(
            f"{str(path)!r} does not say which MoViNet it holds. Use a file that vidlab convert "
            "wrote."
        )
    try:
        network = make(metadata["config"], state, repr(str(path)))
    except OptionError as error:
        raise WeightsError(f"{str(path)!r}: {error}") from error
    network.eval()
    return network


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors, halves as float32, and what the file says of itself."""
    safetensors = require("safetensors", why="reading weights")
    try:
        with safetensors.safe_open(path, framework="pt") as stream:
            metadata = stream.metadata() or {}
            # The format may name any type; what is read is checked below.
            state = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            state = {
                name: value.float() if value.dtype in _HALVES else value
                for name, value in state.items()
            }
    except (
        safetensors.SafetensorError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        RuntimeError,
        AttributeError,
        MemoryError,
    ) as error:
        hint = (
            " It looks like a pickle; convert it with weights_only=True."
            if _is_pickle(path)
            else " Convert or fetch it again."
        )
        raise WeightsError(f"{str(path)!r} is not a safetensors file: {error}.{hint}") from error
    return state, metadata


def _movinet(config_json: str, state: dict[str, Tensor], what: str) -> MoViNet:
    config = MovinetConfig.from_json(config_json)
    _check_state(config, state, what)
    # Not filled with random numbers first, which takes longer than reading the file.
    with torch.device("meta"):
        model = MoViNet(config)
    model.load_state_dict(state, strict=False, assign=True)
    for name, buffer in model.named_buffers():
        if name.endswith("num_batches_tracked"):
            owner = model.get_submodule(name.rpartition(".")[0])
            owner.register_buffer("num_batches_tracked", torch.zeros_like(buffer, device="cpu"))
    return model


def _frame_cnn(config_json: str, state: dict[str, Tensor], what: str) -> FrameCNN:
    model = FrameCNN.from_json(config_json)
    shapes = {
        name: value.shape
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    if {name: value.shape for name, value in state.items()} != shapes:
        raise WeightsError(f"{what}: its tensors do not fit a FrameCNN {config_json}.")
    model.load_state_dict(state, strict=False)
    return model


def _with_sorted_header(data: bytes) -> bytes:
    """Return a safetensors file whose metadata come in order: the same weights, the same bytes."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text + data[end:]


def _kind_of(source: Path) -> str:
    if source.is_dir():
        if (source / "saved_model.pb").is_file():
            return "savedmodel"
        if any(source.glob("*.index")):
            return "checkpoint"
        raise ConversionError(
            f"{str(source)!r} is neither a SavedModel directory (no saved_model.pb) nor one of "
            "checkpoints (no .index file)."
        )
    if source.suffix == ".index" or source.with_name(source.name + ".index").is_file():
        return "checkpoint"
    try:
        with source.open("rb") as stream:
            head = stream.read(16)
    except OSError as error:
        raise ConversionError(f"Cannot read {str(source)!r}: {error}.") from error
    if head[4:8] == FILE_IDENTIFIER:
        return "litert"
    if _is_pickle(source):
        return "pickle"
    if head[8:9] == b"{":
        raise ConversionError(
            f"{str(source)!r} is safetensors already; load_safetensors reads it as it is."
        )
    raise ConversionError(
        f"{str(source)!r} is not a kind of weights that vidlab reads; give a LiteRT file "
        "(.tflite), a SavedModel directory, or a TensorFlow checkpoint."
    )


def _checkpoint_prefix(source: Path) -> Path:
    if source.is_dir():
        indexes = sorted(source.glob("*.index"))
        if len(indexes) != 1:
            raise ConversionError(
                f"{str(source)!r} holds {len(indexes)} checkpoints; give one of "
                f"{', '.join(index.stem for index in indexes[:5])}."
            )
        source = indexes[0]
    return source.with_suffix("") if source.suffix == ".index" else source


def _is_pickle(path: Path) -> bool:
    # PyTorch files are zip archives, older ones bare pickles (protocol 2 and later).
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
    except OSError:
        return False
    return head == b"PK\x03\x04" or (head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05")


def _read_pickle(
    source: Path, config: MovinetConfig | None, *, weights_only: bool
) -> tuple[MovinetConfig, dict[str, Tensor]]:
    if not weights_only:
        raise ConversionError(
            f"{str(source)!r} is a PyTorch pickle, which can run code when it is read. If it holds "
            "nothing but weights, allow it with weights_only=True."
        )
    if config is None:
        raise ConversionError(
            f"{str(source)!r} does not say which MoViNet it holds; give its configuration, such as "
            'config=MovinetConfig.official("a0", "stream").'
        )
    try:
        state = {
            name: value
            for name, value in read_pickle(source).items()
            if not name.endswith("num_batches_tracked")
        }
        _check_state(config, state, repr(str(source)))
    except WeightsError as error:
        raise ConversionError(str(error)) from error
    return config, state


def _check_state(config: MovinetConfig, state: Mapping[str, Tensor], what: str) -> None:
    shapes = parameter_shapes(config)
    for name, value in state.items():
        if shapes.get(name) != tuple(value.shape) or value.dtype != torch.float32:
            raise WeightsError(
                f"{what}: {name} is {value.dtype} {list(value.shape)}, which does not fit "
                f"{describe(config)}; expected {list(shapes[name]) if name in shapes else 'none'}."
            )
    check_complete(config, state, shapes)


def _digest(source: Path) -> str:
    """Return the content's hash: of a file, a SavedModel, or a checkpoint's files in order."""
    if source.exists():
        return content_hash(source)
    digest = hashlib.sha256()
    for path in sorted(source.parent.glob(f"{source.name}.*")):
        digest.update(f"{path.name}={sha256_of(path)}\n".encode())
    return digest.hexdigest()
