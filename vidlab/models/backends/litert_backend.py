"""LiteRT (formerly TensorFlow Lite): MoViNets and classifiers of pictures, int8 or float."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.console import say
from vidlab.core.dependencies import require
from vidlab.core.errors import ModelError, OptionError, WeightsError
from vidlab.models import trial
from vidlab.models.arrays import open_array
from vidlab.models.base import Model, State
from vidlab.models.card import ModelCard
from vidlab.models.opening import Opening
from vidlab.models.pose.base import PoseModel
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
        self._path = path
        signatures = self._interpreter.get_signature_list()
        if len(signatures) != 1:
            raise WeightsError(
                f"{path.name} has {len(signatures)} signatures; one is expected, with an image "
                "and, for a streaming model, its states."
            )
        with _understood(path):
            self._runner = self._interpreter.get_signature_runner(next(iter(signatures)))
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
        with self._lock, _understood(self._path):
            outputs = self._runner(**{self._image: image}, **state)
        logits = outputs.pop(self._answer)
        return logits.reshape(-1), outputs


def open_model(opening: Opening) -> Model | PoseModel:
    """Open a LiteRT file; see `vidlab.models.registry.Backend`."""
    if opening.card is not None and opening.card.kind == "frame":
        return _open_pictures(opening, opening.card)
    if opening.card is not None and opening.card.kind == "pose":
        return _open_poses(opening, opening.card)
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
    trial.check_survived(path, "LiteRT")
    with _understood(path):
        return module.Interpreter(model_path=str(path), num_threads=num_threads)


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """Say of what LiteRT refuses, which may be as late as at the first picture, what file it was.

    Raises:
        WeightsError: With LiteRT's reason.
    """
    try:
        yield
    except (ValueError, RuntimeError) as error:
        raise WeightsError(f"{str(path)!r} is not a LiteRT model that works: {error}") from error


def _open_pictures(opening: Opening, card: ModelCard) -> Model:
    """Open a classifier of single pictures, whose numbers may be 8-bit ones.

    Those of an answer in steps of 1/256 are probabilities, as TensorFlow's converter has it.
    """
    interpreter = _interpreter(opening.path, opening.num_threads)
    picture, answer = _single_tensors(interpreter, opening.path)
    with _understood(opening.path):
        interpreter.allocate_tensors()
    taken, given = Numbers.of(picture), Numbers.of(answer)
    taken.check_covers(card, opening.path)
    lock = threading.Lock()

    def call(array: NDArray[np.float32]) -> Any:
        with lock, _understood(opening.path):
            interpreter.set_tensor(picture["index"], taken.codes(array))
            interpreter.invoke()
            return given.values(interpreter.get_tensor(answer["index"]))

    opening = replace(opening, card=given.completed(card))
    return open_array(call, opening, backend="litert", runtime=runtime(), batch_size=1)


class LiteRTNetwork:
    """Any LiteRT file with one input.

    Attributes:
        shape: Of the input; -1 where any size is taken.
        numbers: What the input's numbers stand for.
    """

    def __init__(self, path: Path, *, num_threads: int) -> None:
        self._interpreter = _interpreter(path, num_threads)
        inputs = self._interpreter.get_input_details()
        if len(inputs) != 1:
            raise WeightsError(f"{path.name} has {len(inputs)} inputs; one is expected.")
        self._path = path
        with _understood(path):
            self._interpreter.allocate_tensors()
        self._input = inputs[0]["index"]
        self._outputs = [
            (each["index"], Numbers.of(each)) for each in self._interpreter.get_output_details()
        ]
        self._taken = tuple(int(size) for size in inputs[0]["shape"])
        self.shape = tuple(int(size) for size in inputs[0]["shape_signature"])
        self.numbers = Numbers.of(inputs[0])
        self._lock = threading.Lock()

    def __call__(self, values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network; return its outputs in the file's order."""
        with self._lock, _understood(self._path):
            if values.shape != self._taken and -1 in self.shape:
                self._interpreter.resize_tensor_input(self._input, values.shape, strict=True)
                self._interpreter.allocate_tensors()
                self._taken = values.shape
            self._interpreter.set_tensor(self._input, self.numbers.codes(values))
            self._interpreter.invoke()
            return [
                numbers.values(self._interpreter.get_tensor(index))
                for index, numbers in self._outputs
            ]


def _open_poses(opening: Opening, card: ModelCard) -> PoseModel:
    from vidlab.models.pose.opening import open_poses

    return open_poses(opening, card, _open_network, backend="litert", runtime=runtime())


def _open_network(path: Path, num_threads: int) -> LiteRTNetwork:
    return LiteRTNetwork(path, num_threads=num_threads)


def numbers_of(path: Path) -> tuple[Numbers, Numbers]:
    """Return what the numbers stand for that a classifier of pictures takes and gives.

    Raises:
        MissingDependencyError: LiteRT is not installed.
        WeightsError: The file is none.
    """
    picture, answer = _single_tensors(_interpreter(path, 1), path)
    return Numbers.of(picture), Numbers.of(answer)


def _single_tensors(interpreter: Any, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is known of the one input and the one output."""
    with _understood(path):
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or len(outputs) != 1:
        raise WeightsError(
            f"{path.name} is no classifier of pictures: one input and one output are "
            f"expected; got {len(inputs)} and {len(outputs)}."
        )
    return inputs[0], outputs[0]


@dataclass(frozen=True)
class Numbers:
    """What the numbers of a tensor in a LiteRT file stand for: ``(code - zero) * step``.

    Attributes:
        dtype: Their type.
        step: 0 where they stand for themselves.
        zero: Code of zero.
    """

    dtype: np.dtype[Any]
    step: float
    zero: int

    @classmethod
    def of(cls, details: dict[str, Any]) -> Numbers:
        """Read them from what the interpreter says of a tensor."""
        step, zero = details["quantization"]
        return cls(np.dtype(details["dtype"]), float(step), int(zero))

    def codes(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Return the nearest codes of values."""
        if self.dtype.kind == "f":
            return values.astype(self.dtype)
        codes = np.rint(values / np.float32(self.step) + self.zero if self.step else values)
        limits = np.iinfo(self.dtype)
        return np.clip(codes, limits.min, limits.max).astype(self.dtype)

    def values(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """Return what codes stand for."""
        values = codes.astype(np.float32)
        return (values - self.zero) * np.float32(self.step) if self.step else values

    def completed(self, card: ModelCard) -> ModelCard:
        """Return the card, which now says that answers in steps of 1/256 are probabilities."""
        is_share = self.step == 1 / 256
        return replace(card, output="probabilities") if is_share and not card.output else card

    def check_covers(self, card: ModelCard, path: Path) -> None:
        """Refuse a card that prepares values for which there are no codes.

        Raises:
            OptionError: With the values that there are.
        """
        if self.dtype.kind == "f":
            return
        limits = np.iinfo(self.dtype)
        step = self.step or 1.0
        least, most = (limits.min - self.zero) * step, (limits.max - self.zero) * step
        black, white = card.preprocessing.value_range
        slack = 0.02 * (most - least)  # of rounding, and of 255 steps where 256 were meant
        if black < least - slack or white > most + slack:
            raise OptionError(
                f"{path.name} takes {self.dtype.name} that stand for {least:.4g} to {most:.4g}, "
                f"and the card {card.name} prepares {black:.4g} to {white:.4g}. Set the scale, "
                "mean and std of its preprocessing so that black and white lie within."
            )


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
