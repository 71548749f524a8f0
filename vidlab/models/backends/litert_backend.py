"""LiteRT (formerly TensorFlow Lite): MoViNets and classifiers of pictures, int8 or float."""

from __future__ import annotations

import threading
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.console import say
from vidlab.core.dependencies import require
from vidlab.core.errors import ModelError, WeightsError
from vidlab.models.arrays import ArrayModel, probe
from vidlab.models.base import Model, State
from vidlab.models.card import ModelCard
from vidlab.models.opening import Opening
from vidlab.transforms import Preprocessing


class LiteRTModel(Model):
    """A model in a LiteRT file.

    The names, shapes and types of the stream states are read from the file's signature: they
    differ from export to export. A file without states answers whole clips.
    """

    backend = "litert"

    def __init__(self, signature: LiteRTSignature, **about: Any) -> None:
        super().__init__(**about)
        self._signature = signature
        size = self.preprocessing
        if signature.image_shape[2:] != (size.height_px, size.width_px, 3):
            raise ModelError(
                f"{self.provenance.weights_file} takes images {list(signature.image_shape)}; the "
                f"card {self.name} prepares {size.height_px}x{size.width_px}x3."
            )

    def init_state(self) -> State:
        """Return zeros for every state, as the official sample starts a video."""
        self._check_stream()
        return {
            name: np.zeros(shape, dtype) for name, (shape, dtype) in self._signature.states.items()
        }

    def step(self, frames: NDArray[np.float32], state: State) -> tuple[NDArray[np.float32], State]:
        """Run the next frames, one at a time: the file's signature takes one."""
        self.check_frames(frames)
        self._check_stream()
        logits = np.empty((len(frames), self.num_classes), dtype=np.float32)
        for index, frame in enumerate(frames):
            logits[index], state = self._signature.run(frame[None, None], state)
        return logits, state

    def classify(self, clips: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run whole clips ``[B, T, H, W, 3]``; return logits ``[B, num_classes]``."""
        if self._signature.is_stream:
            return super().classify(clips)
        for clip in clips:
            self.check_frames(clip)
        return np.stack([self._signature.run(clip[None], {})[0] for clip in clips])

    def _check_stream(self) -> None:
        if not self._signature.is_stream:
            raise ModelError(
                f"{self.title} answers whole clips and has no stream state; use classify()."
            )


class LiteRTSignature:
    """The signature of a LiteRT file: pictures and states in, logits and states out.

    Attributes:
        image_shape: Shape of the pictures, ``(1, 1, H, W, 3)``; of clips ``(1, T, H, W, 3)``.
        is_stream: Whether there are states.
        states: Shape and dtype of each state by name.
        num_classes: Number of logits.
    """

    def __init__(self, path: Path, *, num_threads: int) -> None:
        self._interpreter = _interpreter(path, num_threads)
        try:
            signatures = self._interpreter.get_signature_list()
            if len(signatures) != 1:
                raise WeightsError(
                    f"{path.name} has {len(signatures)} signatures; one is expected, with an image "
                    "and, for a streaming model, its states."
                )
            self._runner = self._interpreter.get_signature_runner(next(iter(signatures)))
        except (ValueError, RuntimeError) as error:
            if isinstance(error, WeightsError):
                raise
            raise WeightsError(f"{str(path)!r} is not a LiteRT model: {error}") from error
        inputs = self._runner.get_input_details()
        outputs = self._runner.get_output_details()
        images = [name for name in inputs if name not in outputs]
        answers = [name for name in outputs if name not in inputs]
        if len(images) != 1 or len(answers) != 1:
            raise WeightsError(
                f"The signature of {path.name} is not a stream model's, nor one of clips: an image "
                "and logits beside states of the same names are expected; got inputs "
                f"{sorted(inputs)[:5]}, outputs {sorted(outputs)[:5]}."
            )
        self._image, self._answer = images[0], answers[0]
        self.image_shape = tuple(int(size) for size in inputs[self._image]["shape"])
        self.is_stream = len(inputs) > 1
        if (
            len(self.image_shape) != 5
            or self.image_shape[0] != 1
            or (self.is_stream and self.image_shape[1] != 1)
        ):
            raise WeightsError(
                f"{path.name} takes an image of shape {list(self.image_shape)}; "
                f"[1, {'1' if self.is_stream else 'frames'}, height, width, 3] is expected."
            )
        self.num_classes = int(outputs[self._answer]["shape"][-1])
        self.states = {
            name: (tuple(int(size) for size in details["shape"]), np.dtype(details["dtype"]))
            for name, details in inputs.items()
            if name != self._image
        }
        # The interpreter owns its buffers: two threads inside it would mix two videos.
        self._lock = threading.Lock()

    def run(
        self, image: NDArray[np.float32], state: dict[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        """Run pictures of `image_shape`; return logits ``[num_classes]`` and the new state."""
        with self._lock:
            outputs = self._runner(**{self._image: image}, **state)
        logits = outputs.pop(self._answer)
        return logits.reshape(-1), outputs


def open_model(opening: Opening) -> Model:
    """Open a LiteRT file; see `vidlab.models.registry.Backend`."""
    if opening.card is not None and opening.card.kind == "frame":
        return _open_pictures(opening, opening.card)
    signature = LiteRTSignature(opening.path, num_threads=opening.num_threads)
    card = opening.card
    if card is None and signature.is_stream:
        card = _assumed_card(opening.path.stem, signature)
    card = card or opening.known_card()
    opening.check_kind(card, "stream" if signature.is_stream else "clip")
    about = opening.about(card, num_classes=signature.num_classes, runtime=runtime())
    return LiteRTModel(signature, **about)


def _interpreter(path: Path, num_threads: int) -> Any:
    module = require("ai_edge_litert.interpreter", why="the litert backend")
    try:
        return module.Interpreter(model_path=str(path), num_threads=num_threads)
    except (ValueError, RuntimeError) as error:
        raise WeightsError(f"{str(path)!r} is not a LiteRT model: {error}") from error


def _open_pictures(opening: Opening, card: ModelCard) -> ArrayModel:
    """Open a classifier of single pictures, whose numbers may be 8-bit ones."""
    interpreter = _interpreter(opening.path, opening.num_threads)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or len(outputs) != 1:
        raise WeightsError(
            f"{opening.path.name} is no classifier of pictures: one input and one output are "
            f"expected; got {len(inputs)} and {len(outputs)}."
        )
    interpreter.allocate_tensors()
    taken, given = inputs[0], outputs[0]
    lock = threading.Lock()

    def call(array: NDArray[np.float32]) -> Any:
        with lock:
            interpreter.set_tensor(taken["index"], _quantised(array, taken))
            interpreter.invoke()
            answer = interpreter.get_tensor(given["index"])
        scale, zero = given["quantization"]
        answers = (answer.astype(np.float32) - zero) * np.float32(scale) if scale else answer
        # Steps of 1/256 are probabilities: the logarithm of one is its logit.
        is_probability = scale == 1 / 256
        return np.log(np.maximum(answers, scale / 2)) if is_probability else answers

    num_classes = probe(call, card)
    about = opening.about(card, num_classes=num_classes, runtime=runtime())
    return ArrayModel(call, backend="litert", batch_size=1, **about)


def _quantised(array: NDArray[np.float32], details: dict[str, Any]) -> NDArray[Any]:
    """Return a picture as the input's own numbers; 8-bit ones take pixel values as they are."""
    dtype = np.dtype(details["dtype"])
    if dtype == np.float32:
        return array
    limits = np.iinfo(dtype)
    return np.clip(np.rint(array), limits.min, limits.max).astype(dtype)


def _assumed_card(name: str, signature: LiteRTSignature) -> ModelCard:
    labels = "kinetics-600" if signature.num_classes == 600 else None
    known = "the labels of Kinetics-600, " if labels else ""
    say(
        f"{name}: {known}5 frames a second and pixels from 0 to 1 are assumed; card= says otherwise"
    )
    _, _, height, width, _ = signature.image_shape
    return ModelCard(
        name=name,
        title=name,
        family="movinet",
        kind="stream",
        labels=labels,
        preprocessing=Preprocessing(height_px=height, width_px=width, frame_rate=5.0),
    )


def runtime() -> str:
    """Return the runtime's name and version."""
    return f"ai-edge-litert {metadata.version('ai-edge-litert')}"
