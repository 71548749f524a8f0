"""Keras: classifiers of pictures in ``.keras`` and ``.h5`` files, run by TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.dependencies import require
from vidlab.core.errors import ModelError, WeightsError
from vidlab.models.arrays import LEAST_PROBABILITY
from vidlab.models.backends.tensorflow_threads import set_threads, threads_in_force
from vidlab.models.base import FrameModel
from vidlab.models.opening import Opening
from vidlab.models.trial import check_survived


class KerasModel(FrameModel):
    """A classifier from pictures ``[N, H, W, 3]`` to logits, or to probabilities (softmax)."""

    backend = "keras"

    def __init__(self, network: Any, **about: Any) -> None:
        super().__init__(**about)
        self._network = network
        size = self.preprocessing
        taken = network.input_shape[1:]
        if taken[2] != 3 or any(
            px not in (None, want)
            for px, want in zip(taken, (size.height_px, size.width_px), strict=False)
        ):
            raise ModelError(
                f"{self.provenance.weights_file} takes pictures {list(taken)}; the card "
                f"{self.name} prepares {size.height_px}x{size.width_px}x3."
            )
        said = self.card.output
        self._is_softmax = said == "probabilities" or (not said and _ends_in_softmax(network))

    def answer(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits; of a softmax its logarithm, which has the same probabilities."""
        answers = np.asarray(self._network(frames, training=False), dtype=np.float32)
        return np.log(np.maximum(answers, LEAST_PROBABILITY)) if self._is_softmax else answers


def load_keras(path: Path, *, num_threads: int) -> Any:
    """Return the Keras model of a ``.keras`` or ``.h5`` file.

    Nothing in the file is run: layers made of Python code are refused.

    Raises:
        WeightsError: It is none, is damaged, or is not a classifier of pictures.
        MissingDependencyError: TensorFlow, with Keras, is not installed.
    """
    require("tensorflow", why="the keras backend")
    keras = require("keras", why="the keras backend")
    check_survived(path, "HDF5")
    set_threads(num_threads)
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
        taken, given = network.input_shape, network.output_shape
    except Exception as error:  # Keras, h5py and zipfile raise what they like
        raise WeightsError(f"{str(path)!r} is not a Keras model: {error}") from error
    if not (isinstance(taken, tuple) and len(taken) == 4 and isinstance(given, tuple)) or (
        len(given) != 2
    ):
        raise WeightsError(
            f"{path.name} is no classifier of pictures: [N, height, width, 3] in and [N, classes] "
            f"out are expected; got {taken} and {given}."
        )
    return network


def _ends_in_softmax(network: Any) -> bool:
    last = network.layers[-1]
    while getattr(last, "layers", None):  # a network within a network
        last = last.layers[-1]
    activation = getattr(last, "activation", None)
    return type(last).__name__ == "Softmax" or getattr(activation, "__name__", "") == "softmax"


def open_model(opening: Opening) -> KerasModel:
    """Open a ``.keras`` or ``.h5`` file; see `vidlab.models.registry.Backend`."""
    card = opening.known_card()
    network = load_keras(opening.path, num_threads=opening.num_threads)
    opening.check_kind(card, "frame")
    about = opening.about(card, num_classes=network.output_shape[-1], runtime=runtime())
    about["num_threads"] = threads_in_force()
    return KerasModel(network, **about)


def runtime() -> str:
    """Return the runtime's name and version."""
    keras = require("keras", why="the keras backend")
    tensorflow = require("tensorflow", why="the keras backend")
    return f"keras {keras.__version__}, tensorflow {tensorflow.__version__}"
