"""ONNX: the MoViNets that vidlab exports, and anybody's networks, run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.dependencies import require
from vidlab.core.errors import ModelError, WeightsError
from vidlab.models.arrays import open_array
from vidlab.models.base import Model, State
from vidlab.models.opening import Opening

NEXT = "next_"
"""What the name of a state that comes out starts with."""

PRODUCER = "vidlab"
"""What the files that vidlab exports say of who made them."""


class OnnxModel(Model):
    """A model in an ONNX file; one without states answers whole clips."""

    backend = "onnx"

    def __init__(self, session: OnnxSession, **about: Any) -> None:
        super().__init__(**about)
        self._session = session
        size = self.preprocessing
        wanted = (size.height_px, size.width_px)
        taken = session.image_shape[3:]
        if any(isinstance(px, int) and px != want for px, want in zip(taken, wanted, strict=True)):
            raise ModelError(
                f"{self.provenance.weights_file} takes images {list(session.image_shape)}; the "
                f"card {self.name} prepares {size.height_px}x{size.width_px}x3."
            )

    def init_state(self) -> State:
        """Return zeros for every state."""
        self._check_stream()
        return {name: np.zeros(*of) for name, of in self._session.states.items()}

    def step(self, frames: NDArray[np.float32], state: State) -> tuple[NDArray[np.float32], State]:
        """Run the next frames, one at a time: the file takes one."""
        self.check_frames(frames)
        self._check_stream()
        logits = np.empty((len(frames), self.num_classes), dtype=np.float32)
        for index, frame in enumerate(frames):
            logits[index], state = self._session.run(frame[None], state)
        return logits, state

    def classify(self, clips: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run whole clips ``[B, T, H, W, 3]``; return logits ``[B, num_classes]``."""
        if self._session.is_stream:
            return super().classify(clips)
        for clip in clips:
            self.check_frames(clip)
        return np.stack([self._session.run(clip, {})[0] for clip in clips])

    def _check_stream(self) -> None:
        if not self._session.is_stream:
            raise ModelError(
                f"{self.title} answers whole clips and has no stream state; use classify()."
            )


class OnnxSession:
    """An ONNX file that is open: ``image`` and states in, ``logits`` and next states out.

    Attributes:
        image_shape: Shape of the pictures, ``(1, T, 3, H, W)``; a name where any size is taken.
        is_stream: Whether there are states.
        states: Shape and dtype of each state by name.
        num_classes: Number of logits.
    """

    def __init__(self, session: Any, path: Path) -> None:
        self._session = session
        inputs = {item.name: item for item in session.get_inputs()}
        outputs = {item.name: item for item in session.get_outputs()}
        image, logits = inputs.pop("image", None), outputs.pop("logits", None)
        if (
            image is None
            or logits is None
            or len(image.shape) != 5
            or {f"{NEXT}{name}" for name in inputs} != set(outputs)
        ):
            raise WeightsError(
                f"{path.name} is not a model that vidlab exported: image [1, frames, 3, height, "
                "width] and states in, logits and next states out are expected; got inputs "
                f"{sorted(inputs)[:5]}, outputs {sorted(outputs)[:5]}."
            )
        self.image_shape = tuple(image.shape)
        self.num_classes = int(logits.shape[-1])
        self.is_stream = bool(inputs)
        self.states = {
            name: (tuple(item.shape), np.int32 if "int32" in item.type else np.float32)
            for name, item in inputs.items()
        }

    def run(
        self, frames: NDArray[np.float32], state: dict[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        """Run frames ``[T, H, W, 3]``; return logits ``[num_classes]`` and the new state."""
        image = np.ascontiguousarray(frames.transpose(0, 3, 1, 2))[None]
        names = ["logits", *(f"{NEXT}{name}" for name in self.states)]
        try:
            logits, *states = self._session.run(names, {"image": image, **state})
        except Exception as error:  # onnxruntime's own errors have no common base
            raise ModelError(f"The ONNX model does not run: {error}") from error
        if logits.shape != (1, self.num_classes):
            raise ModelError(
                f"The ONNX model gave logits {list(logits.shape)}; [1, {self.num_classes}] were "
                "expected."
            )
        return logits[0], dict(zip(self.states, states, strict=True))


def open_model(opening: Opening) -> Model:
    """Open an ONNX file; see `vidlab.models.registry.Backend`.

    One that vidlab exported says itself what it takes. Of any other with a single input and a
    single output the card says it.
    """
    card = opening.known_card()
    session = _session(opening)
    if session.get_modelmeta().producer_name == PRODUCER or card.kind == "stream":
        exported = OnnxSession(session, opening.path)
        opening.check_kind(card, "stream" if exported.is_stream else "clip")
        about = opening.about(card, num_classes=exported.num_classes, runtime=runtime())
        return OnnxModel(exported, **about)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise WeightsError(
            f"{opening.path.name} was not exported by vidlab, and of others one input and one "
            f"output are expected; got inputs {[item.name for item in inputs][:5]}, outputs "
            f"{[item.name for item in outputs][:5]}."
        )
    opening.check_kind(card, "clip", "frame")
    taken, given = inputs[0], outputs[0]

    def call(array: NDArray[np.float32]) -> Any:
        return session.run([given.name], {taken.name: array})[0]

    batch_size = taken.shape[0] if isinstance(taken.shape[0], int) else None
    return open_array(call, opening, backend="onnx", runtime=runtime(), batch_size=batch_size)


def _session(opening: Opening) -> Any:
    runtime = require("onnxruntime", why="the onnx backend")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = opening.num_threads
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(
            str(opening.path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own errors have no common base
        raise WeightsError(f"{str(opening.path)!r} is not an ONNX model: {error}") from error


def runtime() -> str:
    """Return the runtime's name and version."""
    return f"onnxruntime {require('onnxruntime', why='the onnx backend').__version__}"
