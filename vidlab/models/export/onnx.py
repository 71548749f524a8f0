"""A MoViNet as an ONNX file.

Frames are ``[T, channels, rows, columns]``, vectors ``[T, channels, 1, 1]``. A stream model takes
one frame, ``image`` float32 ``[1, 1, 3, H, W]``, and the states ``state_…`` (buffers of frames
``[frames, channels, rows, columns]``, sums ``[1, channels, 1, 1]``, the count int32 ``[1]``; zeros
start a video), and gives ``logits`` ``[1, num_classes]`` and the next states as ``next_state_…``. A
base model takes a clip of any size, ``[1, T, 3, H, W]``. For runtimes that are quicker so, a stream
model can be written to take several frames at once; it then gives logits after each of them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vidlab.core.dependencies import require
from vidlab.core.errors import ExportError
from vidlab.models.backends.onnx_backend import NEXT, PRODUCER
from vidlab.models.export.plan import (
    Filter,
    Folded,
    Operators,
    Tensor,
    frame_count_name,
    logits,
    state_specs,
)
from vidlab.models.movinet.spec import LayerSpec, MovinetConfig

OPSET = 17
IR_VERSION = 8
"""The version of the file format that came with this operator set, so that old readers do."""

_END = np.iinfo(np.int64).max


class OnnxOperators(Operators):
    """The operations of a plan, as nodes of an ONNX graph; a value is its name.

    Args:
        config: Of the network.
        num_frames: That a stream model takes at once.
    """

    def __init__(self, config: MovinetConfig, *, num_frames: int = 1) -> None:
        super().__init__(config, {spec.name: spec.name for spec in state_specs(config)})
        self._onnx = require("onnx", why="exporting to ONNX")
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._num_frames = num_frames
        if self.states:
            self._count = self.states[frame_count_name(config)]
            more = self.constant(np.full(1, num_frames, np.int32))
            self.next_states[self._count] = self.node("Add", self._count, more)

    def node(self, kind: str, *inputs: Tensor, **attributes: Any) -> Tensor:
        """Add an operation; return its output."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def constant(self, value: Any) -> Tensor:
        """Add a constant."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(self._onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def convolve(self, x: Tensor, filter_: Filter, activation: str | None = None) -> Tensor:
        """Filter each frame over its rows and columns."""
        kernel = np.ascontiguousarray(filter_.kernel[:, :, 0])
        inputs = [x, self.constant(kernel)]
        if filter_.bias is not None:
            inputs.append(self.constant(filter_.bias))
        x = self.node(
            "Conv",
            *inputs,
            auto_pad="SAME_UPPER",
            kernel_shape=kernel.shape[2:],
            strides=[filter_.stride] * 2,
            group=len(kernel) if filter_.depthwise else 1,
        )
        return x if activation is None else self.activate(x, activation, filter_.place)

    def window(self, x: Tensor, layer: LayerSpec) -> Tensor:
        """Return the frames with those around them."""
        num_around = layer.kernel_frames - 1
        if not self.config.causal:
            before = num_around // 2
            pads = [before, 0, 0, 0, num_around - before, 0, 0, 0]
            return self.node("Pad", x, self.constant(np.array(pads, np.int64)))
        name = f"state_{layer.name}_stream_buffer"
        frames = self.node("Concat", self.states[name], x, axis=0)
        self.next_states[name] = self._slice(frames, -num_around, _END)
        return frames

    def span(self, window: Tensor, index: int, layer: LayerSpec) -> Tensor:
        """Return the frames that a filter's frame `index` falls on."""
        return self._slice(window, index, index - (layer.kernel_frames - 1) or _END)

    def convolve_time(
        self, window: Tensor, filter_: Filter, activation: str, layer: LayerSpec
    ) -> Tensor:
        """Filter over time, by a multiplication and an addition a frame."""
        assert filter_.bias is not None
        total = self.constant(filter_.bias[None, :, None, None])
        for index in range(layer.kernel_frames):
            tap = self.constant(np.ascontiguousarray(filter_.kernel[:, 0, index])[None])
            part = self.node("Mul", self.span(window, index, layer), tap)
            total = self.node("Add", total, part)
        return self.activate(total, activation, filter_.place)

    def activate(self, x: Tensor, activation: str, place: str) -> Tensor:
        """Apply an activation or a gate."""
        if activation == "hard_swish":
            return self.node("HardSwish", x)
        if activation == "sigmoid":
            return self.node("Sigmoid", x)
        if activation == "swish":
            return self.node("Mul", x, self.node("Sigmoid", x))
        if activation == "hard_sigmoid":  # ONNX's own takes another sixth than the official code
            x = self.node("Add", x, self.constant(np.float32(3)))
        bounds = self.constant(np.float32(0)), self.constant(np.float32(6))
        x = self.node("Clip", x, *bounds)
        if activation == "hard_sigmoid":
            x = self.node("Mul", x, self.constant(np.float32(0.16667)))
        return x

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """Add frames, or vectors."""
        return self.node("Add", x, y)

    def weigh(self, x: Tensor, weights: Tensor) -> Tensor:
        """Multiply each frame's channels by a vector."""
        return self.node("Mul", x, weights)

    def halve(self, x: Tensor) -> Tensor:
        """Average over 3x3 pixels at stride 2."""
        return self.node(
            "AveragePool", x, auto_pad="SAME_UPPER", kernel_shape=[3, 3], strides=[2, 2]
        )

    def mean_over_pixels(self, x: Tensor) -> Tensor:
        """Return a vector for each frame."""
        return self.node("GlobalAveragePool", x)

    def mean_over_frames(self, vectors: Tensor, name: str, place: str) -> Tensor:
        """Average with the frames so far, or over the clip."""
        if not self.config.causal:
            return self.node("ReduceMean", vectors, axes=[0])
        key = f"state_{name}_pool_buffer"
        if self._num_frames > 1:
            vectors = self.node("CumSum", vectors, self.constant(np.int64(0)))
        totals = self.node("Add", self.states[key], vectors)
        self.next_states[key] = self._slice(totals, -1, _END) if self._num_frames > 1 else totals
        return self.node("Div", totals, self._numbers(first=1))

    def join(self, one: Tensor, other: Tensor) -> Tensor:
        """Put the channels of two vectors in a row."""
        if not self.config.causal:
            one = self.node("Expand", one, self.node("Shape", other))
        return self.node("Concat", one, other, axis=1)

    def add_position(self, vectors: Tensor, scale: float, place: str) -> Tensor:
        """Add the sinusoids of the frame's number."""
        layer = next(layer for layer in self.config.layers if place.startswith(f"{layer.name}/"))
        channels = layer.expanded_channels * (2 if self.config.se_type == "2plus3d" else 1)
        pair = np.arange(channels) // 2 * 2
        frequency = np.exp(-math.log(10_000.0) * pair / channels).astype(np.float32)
        numbers = self._numbers(first=0)
        waves = [
            self.node(
                kind,
                self.node("Mul", numbers, self.constant(frequency[first::2, None, None][None])),
            )
            for first, kind in enumerate(("Sin", "Cos"))
        ]
        encoding = self.node("Concat", *waves, axis=1)
        weighed = self.node("Mul", encoding, self.constant(np.float32(scale)))
        return self.node("Add", vectors, weighed)

    def _slice(self, x: Tensor, start: int, end: int) -> Tensor:
        ends = [self.constant(np.array([value], np.int64)) for value in (start, end, 0)]
        return self.node("Slice", x, *ends)

    def _numbers(self, *, first: int) -> Tensor:
        """Return the frames' numbers ``[T, 1, 1, 1]``; a video's first has the number `first`."""
        count = self.node("Cast", self._count, to=self._onnx.TensorProto.FLOAT)
        after = np.arange(first, first + self._num_frames, dtype=np.float32)
        return self.node("Add", count, self.constant(after[:, None, None, None]))


def onnx_bytes(plan: Folded, *, height_px: int, width_px: int, num_frames: int = 1) -> bytes:
    """Return the content of an ONNX file.

    Args:
        plan: The network.
        height_px: Of a stream model's pictures.
        width_px: Of a stream model's pictures.
        num_frames: That a stream model takes at once.

    Raises:
        ExportError: ONNX's own checker refuses it.
        MissingDependencyError: onnx is not installed.
    """
    onnx = require("onnx", why="exporting to ONNX")
    helper, config = onnx.helper, plan.config
    ops = OnnxOperators(config, num_frames=num_frames)
    frames = ops.node("Squeeze", "image", ops.constant(np.zeros(1, np.int64)))
    answer = ops.node("Flatten", logits(plan, ops, frames), axis=1)

    def value(name: str, shape: list[Any], *, is_count: bool = False) -> Any:
        kind = onnx.TensorProto.INT32 if is_count else onnx.TensorProto.FLOAT
        return helper.make_tensor_value_info(name, kind, shape)

    size: list[Any] = ["T", 3, "H", "W"]
    if config.causal:
        size = [num_frames, 3, height_px, width_px]
    inputs = [value("image", [1, *size])]
    outputs = [value("logits", [num_frames if config.causal else 1, config.num_classes])]
    ops.nodes.append(helper.make_node("Identity", [answer], ["logits"]))
    for spec in state_specs(config):
        shape = [1, spec.channels, 1, 1] if spec.channels else [1]
        if spec.num_frames:
            shape = [spec.num_frames, spec.channels, spec.size(height_px), spec.size(width_px)]
        name = f"{NEXT}{spec.name}"
        inputs.append(value(spec.name, shape, is_count=not spec.channels))
        outputs.append(value(name, shape, is_count=not spec.channels))
        ops.nodes.append(helper.make_node("Identity", [ops.next_states[spec.name]], [name]))
    graph = helper.make_graph(
        ops.nodes, f"movinet-{config.size}-{config.kind}", inputs, outputs, ops.constants
    )
    model = helper.make_model(
        graph,
        producer_name=PRODUCER,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"The ONNX model is not valid: {error}") from error
    content: bytes = model.SerializeToString()
    return content
