"""OpenCV: networks in ONNX files, run by its DNN module, as in its tutorials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.dependencies import require
from vidlab.core.errors import ModelError, WeightsError
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
    try:
        network = cv2.dnn.readNetFromONNX(str(opening.path))
    except cv2.error as error:
        raise WeightsError(f"OpenCV cannot read {str(opening.path)!r}: {error}") from error
    _check_shape(opening.path, card)

    def call(array: NDArray[np.float32]) -> Any:
        if cv2.getNumThreads() != opening.num_threads:
            cv2.setNumThreads(opening.num_threads)
        network.setInput(array)
        # The memory is OpenCV's own, and used again.
        return network.forward().copy()

    return open_array(call, opening, backend="opencv", runtime=runtime(), batch_size=1)


def _check_shape(path: Path, card: ModelCard) -> None:
    """Refuse a card that says of another input than the file; OpenCV would compute something.

    Raises:
        ModelError: With both.
    """
    onnx = require("onnx", why=_WHY)
    graph = onnx.load(path, load_external_data=False).graph
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
