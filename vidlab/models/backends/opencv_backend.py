"""OpenCV: networks in ONNX files, run by its DNN module, as in its tutorials."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.dependencies import require
from vidlab.core.errors import WeightsError
from vidlab.models.arrays import ArrayModel, probe
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
    except Exception as error:  # cv2.error, which no stub knows
        raise WeightsError(f"OpenCV cannot read {str(opening.path)!r}: {error}") from error

    def call(array: NDArray[np.float32]) -> Any:
        if cv2.getNumThreads() != opening.num_threads:
            cv2.setNumThreads(opening.num_threads)
        network.setInput(array)
        # The memory is OpenCV's own, and used again.
        return network.forward().copy()

    num_classes = probe(call, card)
    about = opening.about(card, num_classes=num_classes, runtime=runtime())
    return ArrayModel(call, backend="opencv", batch_size=1, **about)


def runtime() -> str:
    """Return the runtime's name and version."""
    return f"opencv {require('cv2', why=_WHY).__version__}"
