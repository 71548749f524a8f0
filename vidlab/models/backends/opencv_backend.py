"""OpenCV: networks in ONNX files, run by its DNN module, as in its tutorials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.dependencies import require
from vidlab.core.errors import ModelError, OptionError, WeightsError
from vidlab.core.files import inside
from vidlab.models import trial
from vidlab.models.arrays import ArrayModel, input_shape, layout_of, open_array
from vidlab.models.card import ModelCard
from vidlab.models.opening import Opening

_WHY = "the opencv backend"


def open_model(opening: Opening) -> ArrayModel:
    """Open an ONNX file; see `vidlab.models.registry.Backend`.

    OpenCV's DNN module takes one clip or picture at a time, and its threads belong to the process.
    """
    card = opening.known_card()
    opening.check_kind(card, "clip", "frame")
    cv2 = require("cv2", why=_WHY)
    model = _read(opening.path)
    _check_files(model, opening.path)
    trial.check_survived(opening.path, "OpenCV", shape=input_shape(card))
    try:
        network = cv2.dnn.readNetFromONNX(str(opening.path))
    except cv2.error as error:
        raise WeightsError(f"OpenCV cannot read {str(opening.path)!r}: {error}") from error
    _check_shape(model.graph, opening.path, card)

    def call(array: NDArray[np.float32]) -> Any:
        if cv2.getNumThreads() != opening.num_threads:
            cv2.setNumThreads(opening.num_threads)
        network.setInput(array)
        # The memory is OpenCV's own, and used again.
        return network.forward().copy()

    return open_array(call, opening, backend="opencv", runtime=runtime(), batch_size=1)


def _read(path: Path) -> Any:
    """Return what an ONNX file says, without the weights that it may have in other files."""
    onnx = require("onnx", why=_WHY)
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(path, load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise WeightsError(f"{str(path)!r} is not an ONNX model: {error}") from error


def _check_files(model: Any, path: Path) -> None:
    """Refuse weights in files outside the model's folder: OpenCV would read any file.

    Raises:
        WeightsError: With the name of the file.
    """
    folder = path.parent.resolve()
    for name in _files_named(model):
        try:
            is_inside = inside(folder, name).resolve().is_relative_to(folder)
        except (OptionError, OSError):
            is_inside = False
        if not is_inside:
            raise WeightsError(
                f"{path.name} is not opened: it has weights in the file {name!r:.200}, which is "
                "not in its folder."
            )


def _files_named(message: Any) -> Iterator[str]:
    """Yield the names of files that tensors anywhere in a model have their numbers in."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield from (entry.value for entry in message.external_data if entry.key == "location")
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in [value] if hasattr(value, "DESCRIPTOR") else value:
                yield from _files_named(each)


def _check_shape(graph: Any, path: Path, card: ModelCard) -> None:
    """Refuse a card that says of another input than the file; OpenCV would compute something.

    Raises:
        ModelError: With both.
    """
    constants = {item.name for item in graph.initializer}
    taken = [item for item in graph.input if item.name not in constants]
    if len(taken) != 1:
        raise WeightsError(f"{path.name} has {len(taken)} inputs; for OpenCV one is expected.")
    declared = [axis.dim_value or axis.dim_param for axis in taken[0].type.tensor_type.shape.dim]
    shape = input_shape(card)
    fits = len(declared) == len(shape) and all(
        want == have or not isinstance(have, int)
        for want, have in zip(shape[1:], declared[1:], strict=True)
    )
    if declared and not fits:
        raise ModelError(
            f"{path.name} takes {declared}, so it cannot take what its card says, "
            f"{layout_of(card)} {list(shape)}. Set the card's layout, num_frames and preprocessing."
        )


def runtime() -> str:
    """Return the runtime's name and version."""
    return f"opencv {require('cv2', why=_WHY).__version__}"
