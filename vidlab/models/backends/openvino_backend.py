"""OpenVINO: MoViNets, and networks of PyTorch, ONNX and LiteRT, on processors of many kinds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.dependencies import require
from vidlab.core.errors import ModelError, OptionError, WeightsError
from vidlab.models.arrays import ArrayModel, Call, about_array, arranged, input_shape, layout_of
from vidlab.models.backends import litert_backend, torch_backend
from vidlab.models.base import Model, State
from vidlab.models.card import ModelCard
from vidlab.models.opening import Opening

if TYPE_CHECKING:
    from vidlab.models.export.plan import Folded

_WHY = "the openvino backend"
_CHUNK_FRAMES = 16

# What OpenVINO's exceptions become in Python; the second where their words hold a name out of a
# damaged file that is no text.
_OPENVINO_ERRORS = (RuntimeError, UnicodeDecodeError)

_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVINOModel(Model):
    """A MoViNet, written for OpenVINO from the same plan as the exports.

    A stream model takes 16 frames at once, and what is left over one by one.
    """

    backend = "openvino"
    chunk_frames = _CHUNK_FRAMES

    def __init__(self, plan: Folded, compiler: Compiler, **about: Any) -> None:
        super().__init__(**about)
        self._plan = plan
        self._compiler = compiler
        self._compiled: dict[int, Any] = {}

    def init_state(self) -> State:
        """Return zeros for every state."""
        self._check_stream()
        _, *states = self._network(1).inputs
        return [np.zeros(tuple(item.shape), item.element_type.to_dtype()) for item in states]

    def step(self, frames: NDArray[np.float32], state: State) -> tuple[NDArray[np.float32], State]:
        """Run the next frames."""
        self.check_frames(frames)
        self._check_stream()
        rows, at = [], 0
        while at < len(frames):
            number = _CHUNK_FRAMES if len(frames) - at >= _CHUNK_FRAMES else 1
            logits, *state = self._run(frames[at : at + number], state)
            rows.append(logits)
            at += number
        return np.concatenate(rows), state

    def classify(self, clips: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run whole clips ``[B, T, H, W, 3]``; return logits ``[B, num_classes]``."""
        if self.card.kind == "stream":
            return super().classify(clips)
        for clip in clips:
            self.check_frames(clip)
        return np.concatenate([self._run(clip, [])[0] for clip in clips])

    def _run(self, frames: NDArray[np.float32], state: State) -> list[NDArray[Any]]:
        """Return logits and the next states, in the order in which the file has them."""
        network = self._network(len(frames))
        found = network([arranged(frames[None], "BTCHW"), *state])
        # The answers' memory is OpenVINO's own, and used again.
        return [np.array(found[item]) for item in network.outputs]

    def _network(self, num_frames: int) -> Any:
        """Return the network for so many frames at once."""
        if num_frames not in self._compiled:
            from vidlab.models.export.onnx import onnx_bytes

            size = self.preprocessing
            content = onnx_bytes(
                self._plan,
                height_px=size.height_px,
                width_px=size.width_px,
                num_frames=num_frames if self._plan.config.causal else 1,
            )
            network = self._compiler.core.read_model(content)
            if not self._plan.config.causal:
                network.reshape({"image": [1, num_frames, 3, *size.size_px]})
            self._compiled[num_frames] = self._compiler(network)
        return self._compiled[num_frames]

    def _check_stream(self) -> None:
        if self.card.kind != "stream":
            raise ModelError(
                f"{self.title} answers whole clips and has no stream state; use classify()."
            )


@cache
def _core() -> Any:
    """Return this process's OpenVINO; there is one, which stays.

    Each that is opened has the thread deliver signals on a stack of its own, and puts back the one
    before it as it is closed. Two that are closed in the order in which they were opened leave a
    stack that is gone: the next signal with a handler, such as the end of a child process where
    PyTorch has loaded data in several, ends this process (seen with 2026.4, on Linux).
    """
    return require("openvino", why=_WHY).Core()


class Compiler:
    """OpenVINO for the CPU, with the threads and the numbers that were asked for.

    Raises:
        OptionError: This processor does not compute with such numbers.
    """

    def __init__(self, *, num_threads: int, precision: str) -> None:
        self.core = _core()
        able = self.core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bfloat16" and "BF16" not in able:
            raise OptionError(
                "precision='bfloat16' needs a processor that computes with it (AVX-512 BF16 or "
                f"AMX); this one offers {', '.join(able)}. Leave precision= out."
            )
        self._options = {
            "INFERENCE_NUM_THREADS": num_threads,
            "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
            "PERFORMANCE_HINT": "LATENCY",
        }

    def __call__(self, network: Any, *, in_codes: bool = False) -> Any:
        """Compile a network; `in_codes` tells that it takes and gives 8-bit integers.

        For those OpenVINO (2025.4 to 2026.4, on processors with AVX-512 BF16, one thread) makes
        wrong numbers where it joins operations into what it calls snippets.
        """
        options = self._options | ({"SNIPPETS_MODE": "DISABLE"} if in_codes else {})
        return self.core.compile_model(network, "CPU", options)


def open_model(opening: Opening) -> Model:
    """Open weights of PyTorch, ONNX or LiteRT; see `vidlab.models.registry.Backend`."""
    compiler = Compiler(num_threads=opening.num_threads, precision=opening.precision or "float32")
    format_, card = opening.found.variant.format, opening.card
    if format_ == "onnx" or (format_ == "litert" and card is not None and card.kind == "frame"):
        return _open_file(opening, compiler)
    return _of_torch(torch_backend.open_model(replace(opening, precision=None)), opening, compiler)


def wrap_module(module: Any, opening: Opening) -> Model:
    """Return a model that runs a network of the user's own, made in PyTorch."""
    compiler = Compiler(num_threads=opening.num_threads, precision=opening.precision or "float32")
    return _of_torch(torch_backend.wrap_module(module, opening), opening, compiler)


def runtime() -> str:
    """Return the runtime's name and version."""
    return f"openvino {require('openvino', why=_WHY).__version__.partition('-')[0]}"


def _of_torch(model: Any, opening: Opening, compiler: Compiler) -> Model:
    """Return a model with the network of one of the torch backend."""
    about = {
        "card": model.card,
        "variant": _named(model.variant, opening),
        "labels": model.labels,
        "provenance": replace(model.provenance, runtime=runtime()),
        "num_threads": opening.num_threads,
        "selection": opening.selection,
    }
    if isinstance(model, torch_backend.TorchModel):
        from vidlab.models.export.plan import fold

        return OpenVINOModel(fold(model.network), compiler, **about)
    torch = require("torch", why=f"{_WHY}, for {model.name}")
    card = replace(model.card, layout=layout_of(model.card))
    example = torch.zeros(input_shape(card))
    try:
        with torch.inference_mode():
            network = require("openvino", why=_WHY).convert_model(
                model.network, example_input=example, input=list(example.shape)
            )
    except Exception as error:  # torch and OpenVINO raise what they like
        raise ModelError(f"OpenVINO cannot convert {model.title}: {error}") from error
    call, batch_size = _compiled(network, compiler, card)
    return ArrayModel(call, backend="openvino", batch_size=batch_size, **{**about, "card": card})


def _open_file(opening: Opening, compiler: Compiler) -> ArrayModel:
    card = opening.known_card()
    opening.check_kind(card, "clip", "frame")
    try:
        network = compiler.core.read_model(opening.path)
    except _OPENVINO_ERRORS as error:
        raise WeightsError(f"OpenVINO cannot read {str(opening.path)!r}: {error}") from error
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise WeightsError(
            f"{opening.path.name} has {len(network.inputs)} inputs and {len(network.outputs)} "
            "outputs; for OpenVINO one of each is expected."
        )
    is_litert = opening.found.variant.format == "litert"
    call, batch_size = _compiled(network, compiler, card, in_codes=is_litert)
    if is_litert:
        # OpenVINO computes with its codes, and does not say what they stand for.
        taken, given = litert_backend.numbers_of(opening.path)
        taken.check_covers(card, opening.path)
        opening = replace(opening, card=given.completed(card))
        call = _coded(call, taken, given)
    about = about_array(call, opening, runtime=runtime(), batch_size=batch_size)
    about["variant"] = _named(about["variant"], opening)
    return ArrayModel(call, backend="openvino", batch_size=batch_size, **about)


def _named(variant: str, opening: Opening) -> str:
    return variant if opening.precision is None else f"{variant} as {opening.precision}"


def _compiled(
    network: Any, compiler: Compiler, card: ModelCard, *, in_codes: bool = False
) -> tuple[Call, int]:
    """Compile a network for the shape that the card says; return it, and its batch size.

    Raises:
        ModelError: It cannot take that.
    """
    shape = input_shape(card)
    try:
        declared = network.inputs[0].partial_shape
        is_any = declared.rank.is_dynamic or declared[0].is_dynamic
        batch_size = 1 if is_any else declared[0].get_length()
        if declared.is_dynamic:
            network.reshape([batch_size, *shape[1:]])
        compiled = compiler(network, in_codes=in_codes)
    except _OPENVINO_ERRORS as error:
        raise ModelError(
            f"{card.name} cannot take what its card says, {layout_of(card)} {list(shape)}. "
            f"OpenVINO says: {error}"
        ) from error
    taken, given = compiled.inputs[0], compiled.outputs[0]

    def call(array: NDArray[np.float32]) -> Any:
        # The answers' memory is OpenVINO's own, and used again.
        return np.array(compiled({taken: array})[given])

    return call, batch_size


def _coded(call: Call, taken: litert_backend.Numbers, given: litert_backend.Numbers) -> Call:
    return lambda array: given.values(call(taken.codes(array)))
