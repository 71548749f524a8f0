"""Read the weights of a MoViNet out of a LiteRT (TensorFlow Lite) file.

Names in such files are what the exporter left over, so the layers are found by the way data
flows: each depthwise filter belongs to the next layer of the architecture, the convolution
before it is its expansion, and so on. Batch norm has been folded into the convolutions; it
becomes a batch norm that changes nothing. Weights may be int8 (one scale a channel), float16
or float32.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidlab.core.dependencies import require
from vidlab.core.errors import ConversionError
from vidlab.models.convert.tensorflow_names import check_complete, parameter_shapes
from vidlab.models.movinet.spec import BATCH_NORM_EPSILON, SIZES, LayerSpec, MovinetConfig

FILE_IDENTIFIER = b"TFL3"

# What the generated flatbuffer reader and numpy raise on bytes that make no sense.
_MALFORMED = (
    struct.error,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    AssertionError,
    RecursionError,
    MemoryError,
)
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_MAX_OPERATORS = 100_000  # the largest MoViNet has some thousands


@dataclass(frozen=True)
class _Operator:
    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    fused: str = "NONE"


def read_litert(path: str | os.PathLike[str]) -> tuple[MovinetConfig, dict[str, Tensor]]:
    """Read configuration and weights of a MoViNet stream model from a LiteRT file.

    Args:
        path: The ``.tflite`` file: a stream model of any size with (2+1)-dimensional
            convolutions, as the published ones are.

    Returns:
        The configuration, and what :meth:`MoViNet.load_state_dict` takes.

    Raises:
        ConversionError: The file cannot be read, is damaged, or holds something else.
        MissingDependencyError: ai_edge_litert is not installed.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConversionError(f"Cannot read {str(path)!r}: {error}.") from error
    if data[4:8] != FILE_IDENTIFIER:
        raise ConversionError(
            f"{str(path)!r} is not a LiteRT file: it lacks the mark {FILE_IDENTIFIER.decode()}."
        )
    schema = require("ai_edge_litert.schema_py_generated", why="reading a LiteRT file")
    try:
        config, state = _Reader(_Graph(data, schema)).read()
    except ConversionError as error:
        raise ConversionError(f"{str(path)!r}: {error}") from error
    except _MALFORMED as error:
        raise ConversionError(
            f"{str(path)!r} is damaged, or not a MoViNet: {type(error).__name__}: {error}. "
            "Fetch it again, or compare its checksum."
        ) from error
    return config, state


class _Graph:
    """The one subgraph of a LiteRT file: operators, constants, and who feeds whom."""

    def __init__(self, data: bytes, schema: Any) -> None:
        self._schema = schema
        self._model = schema.Model.GetRootAs(data, 0)
        if self._model.SubgraphsLength() != 1:
            raise ConversionError(
                f"a MoViNet has one subgraph; this file has {self._model.SubgraphsLength()}."
            )
        self._graph = self._model.Subgraphs(0)
        kinds = {
            value: name
            for name, value in vars(schema.BuiltinOperator).items()
            if isinstance(value, int)
        }
        num_operators = self._graph.OperatorsLength()
        if num_operators > _MAX_OPERATORS:
            raise ConversionError(f"{num_operators} operators are more than any MoViNet has.")
        self.operators = tuple(self._operator(i, kinds) for i in range(num_operators))
        self.producer = {out: op for op in self.operators for out in op.outputs}
        self.consumers: dict[int, list[_Operator]] = {}
        for op in self.operators:
            for tensor in op.inputs:
                self.consumers.setdefault(tensor, []).append(op)
        self._ancestors: dict[int, frozenset[int]] = {}

    def _operator(self, index: int, kinds: dict[int, str]) -> _Operator:
        raw = self._graph.Operators(index)
        code = self._model.OperatorCodes(raw.OpcodeIndex())
        # Operators past 127 are in the newer field only.
        kind = kinds.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "UNKNOWN")
        fused = "NONE"
        if kind in _CONVOLUTIONS:
            options = {
                "CONV_2D": self._schema.Conv2DOptions,
                "DEPTHWISE_CONV_2D": self._schema.DepthwiseConv2DOptions,
                "FULLY_CONNECTED": self._schema.FullyConnectedOptions,
            }[kind]()
            table = raw.BuiltinOptions()
            if table is not None:
                options.Init(table.Bytes, table.Pos)
                number = options.FusedActivationFunction()
                fused = next(
                    (
                        name
                        for name, value in vars(self._schema.ActivationFunctionType).items()
                        if value == number
                    ),
                    "UNKNOWN",
                )
        return _Operator(
            index,
            kind,
            tuple(int(raw.Inputs(i)) for i in range(raw.InputsLength())),
            tuple(int(raw.Outputs(i)) for i in range(raw.OutputsLength())),
            fused,
        )

    @cached_property
    def input_names(self) -> dict[int, str]:
        """Names of the inputs by tensor, as the signature says where there is one."""
        graph = self._graph
        names = {
            int(graph.Inputs(i)): self.name(int(graph.Inputs(i)))
            for i in range(graph.InputsLength())
        }
        if self._model.SignatureDefsLength():
            signature = self._model.SignatureDefs(0)
            for i in range(signature.InputsLength()):
                entry = signature.Inputs(i)
                names[int(entry.TensorIndex())] = (entry.Name() or b"").decode("utf-8", "replace")
        return names

    def name(self, tensor: int) -> str:
        """Return a tensor's own name."""
        return (self._graph.Tensors(tensor).Name() or b"").decode("utf-8", "replace")

    def constant(self, tensor: int) -> NDArray[np.float32] | None:
        """Return a constant as float32, dequantised; None where the tensor is computed."""
        if tensor < 0:
            return None
        producer = self.producer.get(tensor)
        if producer is not None:
            # Float16 files widen each constant by an operator of its own.
            source = producer.inputs[0] if producer.kind == "DEQUANTIZE" else -1
            return self.constant(source) if source not in self.producer else None
        raw = self._graph.Tensors(tensor)
        buffer = self._model.Buffers(raw.Buffer())
        if buffer is None or buffer.DataLength() == 0:
            return None
        types = self._schema.TensorType
        dtype = {
            types.FLOAT32: "<f4",
            types.FLOAT16: "<f2",
            types.INT8: "i1",
            types.INT32: "<i4",
            types.UINT8: "u1",
            types.INT64: "<i8",
        }.get(raw.Type())
        if dtype is None:
            raise ConversionError(
                f"{self.name(tensor)!r} is stored as type {raw.Type()}, which vidlab does not read."
            )
        shape = [int(raw.Shape(i)) for i in range(raw.ShapeLength())]
        value = np.frombuffer(buffer.DataAsNumpy().tobytes(), dtype=dtype).reshape(shape)
        return self._dequantise(raw, value)

    @staticmethod
    def _dequantise(raw: Any, value: NDArray[Any]) -> NDArray[np.float32]:
        quantisation = raw.Quantization()
        if value.dtype.kind == "f" or quantisation is None or not quantisation.ScaleLength():
            return value.astype(np.float32)
        scale = np.array([quantisation.Scale(i) for i in range(quantisation.ScaleLength())])
        zero = np.zeros(len(scale))
        for i in range(min(quantisation.ZeroPointLength(), len(scale))):
            zero[i] = quantisation.ZeroPoint(i)
        shape = [1] * value.ndim
        if len(scale) > 1:
            shape[quantisation.QuantizedDimension()] = len(scale)
        scale, zero = scale.reshape(shape or ()), zero.reshape(shape or ())
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused later
            return np.asarray((value - zero) * scale, dtype=np.float32)

    def feeding(self, tensor: int) -> frozenset[int]:
        """Return the convolutions (by index) and, as -1 - tensor, the inputs nearest upstream."""
        if tensor not in self._ancestors:
            found, seen, todo = set(), set(), [tensor]
            while todo:
                current = todo.pop()
                if current in seen or current < 0:
                    continue
                seen.add(current)
                producer = self.producer.get(current)
                if producer is None:
                    if current in self.input_names:
                        found.add(-1 - current)
                elif producer.kind in _CONVOLUTIONS:
                    found.add(producer.index)
                else:
                    todo.extend(producer.inputs)
            self._ancestors[tensor] = frozenset(found)
        return self._ancestors[tensor]

    def after(self, tensor: int, *, depth: int) -> Iterator[_Operator]:
        """Yield the operators that take `tensor`, and those after them, reshapes passed through."""
        for op in self.consumers.get(tensor, ()):
            if op.kind in ("RESHAPE", "QUANTIZE", "DEQUANTIZE") and depth > 0:
                for out in op.outputs:
                    yield from self.after(out, depth=depth - 1)
            else:
                yield op


@dataclass
class _Layer:
    """The convolutions of one bottleneck, by operator index."""

    spec: LayerSpec
    expansion: int
    feature: int
    temporal: int | None = None
    reduce: int | None = None
    expand: int | None = None
    projection: int | None = None
    skip: int | None = None


class _Reader:
    def __init__(self, graph: _Graph) -> None:
        self.graph = graph
        self.convolutions = {op.index: op for op in graph.operators if op.kind in _CONVOLUTIONS}
        self.weights: dict[int, NDArray[np.float32]] = {}
        for op in self.convolutions.values():
            weight = graph.constant(op.inputs[1])
            if weight is None:
                raise ConversionError(f"operator {op.index}, {op.kind}, has no constant weights.")
            # A fully connected layer is a convolution of one pixel.
            self.weights[op.index] = weight[:, None, None] if weight.ndim == 2 else weight
            if self.weights[op.index].ndim != 4:
                raise ConversionError(
                    f"operator {op.index}, {op.kind}, has weights {list(weight.shape)}."
                )

    def read(self) -> tuple[MovinetConfig, dict[str, Tensor]]:
        if any("CONV_3D" in op.kind for op in self.graph.operators):
            raise ConversionError(
                "it has three-dimensional convolutions; vidlab reads LiteRT files of (2+1)D "
                "stream models. Convert the SavedModel it was made from instead."
            )
        names = self.graph.input_names.values()
        if any("pos_enc" in name for name in names):
            raise ConversionError(
                "it has positional encoding (A3 to A5 stream), whose weights LiteRT files do not "
                "keep apart. Convert the SavedModel it was made from instead."
            )
        if len(names) < 2:
            raise ConversionError(
                "it has no stream states: vidlab reads LiteRT files of stream models. Convert the "
                "SavedModel it was made from instead."
            )
        size, depthwise = self._size()
        convolutions = [i for i in sorted(self.convolutions) if i not in depthwise]
        if len(convolutions) < 4:
            raise ConversionError("it has too few convolutions for a MoViNet.")
        stem, (project, hidden, classifier) = convolutions[0], convolutions[-3:]
        bare = MovinetConfig(size, causal=True, conv_type="2plus1d", se_type="none")
        layers = self._layers(bare, depthwise, set(convolutions[1:-3]))
        config = self._config(size, layers, stem, hidden, classifier)

        state: dict[str, Tensor] = {}
        self._convolution(state, "stem", stem)
        for layer in layers:
            place = f"layers.{layer.spec.name}"
            self._convolution(state, f"{place}.expansion", layer.expansion)
            self._convolution(state, f"{place}.feature", layer.feature)
            if layer.temporal is not None:
                self._convolution(state, f"{place}.feature", layer.temporal, prefix="temporal_")
            if layer.reduce is not None and layer.expand is not None:
                self._linear(state, f"{place}.squeeze_excitation.reduce", layer.reduce)
                # The 3 that hard sigmoid adds may have moved into the bias, before a ReLU6.
                moved = self.convolutions[layer.expand].fused == "RELU6"
                self._linear(
                    state,
                    f"{place}.squeeze_excitation.expand",
                    layer.expand,
                    bias_offset=-3.0 if moved else 0.0,
                )
            if layer.projection is None or (layer.skip is None) == layer.spec.has_skip_projection:
                raise ConversionError(f"{layer.spec.name} is not wired as a MoViNet's.")
            self._convolution(state, f"{place}.projection", layer.projection)
            if layer.skip is not None:
                self._convolution(state, f"{place}.skip", layer.skip)
            state[f"{place}.residual_scale"] = self._residual_scale(layer.projection)
        self._convolution(state, "head.project", project)
        self._linear(state, "head.hidden", hidden)
        self._linear(state, "head.classifier", classifier)

        shapes = parameter_shapes(config)
        check_complete(config, state, shapes)
        for name, value in state.items():
            if name not in shapes or tuple(value.shape) != shapes[name]:
                raise ConversionError(
                    f"{name} is {list(value.shape)} in the file, but "
                    f"{list(shapes.get(name, ()))} in MoViNet-{size.upper()}."
                )
            if not bool(torch.isfinite(value).all()):
                raise ConversionError(f"{name} holds values that are not finite.")
        return config, {name: state[name] for name in shapes}

    def _size(self) -> tuple[str, list[int]]:
        # The widths and kernels of the depthwise filters, in order, tell the sizes apart.
        depthwise = [
            i for i in sorted(self.convolutions) if self.convolutions[i].kind == "DEPTHWISE_CONV_2D"
        ]
        found = [tuple(self.weights[i].shape[1:]) for i in depthwise]
        for size in SIZES:
            wanted: list[tuple[int, ...]] = []
            for layer in MovinetConfig(size).layers:
                wanted.append((layer.kernel_px, layer.kernel_px, layer.expanded_channels))
                if layer.kernel_frames > 1:
                    wanted.append((layer.kernel_frames, 1, layer.expanded_channels))
            if found == wanted:
                return size, depthwise
        raise ConversionError(
            f"its {len(found)} depthwise filters are not those of a (2+1)D MoViNet-A0 to A5; "
            "vidlab converts MoViNets only."
        )

    def _layers(self, config: MovinetConfig, depthwise: list[int], rest: set[int]) -> list[_Layer]:
        filters = iter(depthwise)
        layers = []
        for spec in config.layers:
            feature = next(filters)
            temporal = next(filters) if spec.kernel_frames > 1 else None
            (expansion,) = self._sources(feature)
            layers.append(_Layer(spec, expansion, feature, temporal))
            rest.discard(expansion)
        # What is left hangs between the layers: told apart by what feeds it. Order of operators
        # is that of running, so a source has been placed before what it feeds.
        for op in sorted(rest):
            sources = self._sources(op)
            for layer in layers:
                last = layer.feature if layer.temporal is None else layer.temporal
                if layer.expand is not None and layer.expand in sources:
                    layer.projection = self._place(layer.projection, op)
                elif layer.reduce is not None and sources == {layer.reduce}:
                    layer.expand = self._place(layer.expand, op)
                elif sources == {last}:
                    # Squeeze-excitation, if any, comes first; the projection follows it, or is
                    # what feeds the next layer.
                    if self._is_projection(op, layer, layers):
                        layer.projection = self._place(layer.projection, op)
                    else:
                        layer.reduce = self._place(layer.reduce, op)
                else:
                    continue
                break
            else:
                layer = self._skipping(op, layers)
                layer.skip = self._place(layer.skip, op)
        return layers

    def _is_projection(self, op: int, layer: _Layer, layers: list[_Layer]) -> bool:
        position = layers.index(layer)
        if position + 1 < len(layers):
            return op in self._sources(layers[position + 1].expansion)
        head = sorted(self.convolutions)[-3]
        return op in self._sources(head)

    def _skipping(self, op: int, layers: list[_Layer]) -> _Layer:
        for layer in layers:
            if layer.spec.has_skip_projection and (
                self._sources(op) == self._sources(layer.expansion)
            ):
                return layer
        raise ConversionError(f"operator {op} has no place in a MoViNet.")

    @staticmethod
    def _place(taken: int | None, op: int) -> int:
        if taken is not None:
            raise ConversionError(f"operators {taken} and {op} claim one place in a MoViNet.")
        return op

    def _sources(self, op: int) -> frozenset[int]:
        feeding = self.graph.feeding(self.convolutions[op].inputs[0])
        return frozenset(i for i in feeding if i >= 0)

    def _config(
        self, size: str, layers: list[_Layer], stem: int, hidden: int, classifier: int
    ) -> MovinetConfig:
        first = layers[0]
        se_type, gating = "none", "sigmoid"
        if first.reduce is not None and first.expand is not None:
            se_channels_in = self.weights[first.reduce].shape[-1]
            inputs = {
                self.graph.input_names[-1 - i]
                for i in self.graph.feeding(self.convolutions[first.reduce].inputs[0])
                if i < 0
            }
            pooled = any("pool_buffer" in name or "state" in name for name in inputs)
            if se_channels_in == 2 * first.spec.expanded_channels:
                se_type = "2plus3d"
            else:
                se_type = "3d" if pooled else "2d"
            gating = "sigmoid" if self._activation(first.expand) == "swish" else "hard_sigmoid"
        activation, head_activation = self._activation(stem), self._activation(hidden)
        return MovinetConfig(
            size=size,
            causal=True,
            conv_type="2plus1d",
            se_type=se_type,
            activation=activation,
            gating_activation=gating,
            head_activation=None if head_activation == activation else head_activation,
            num_classes=int(self.weights[classifier].shape[0]),
        )

    def _activation(self, op: int) -> str:
        operator = self.convolutions[op]
        if operator.fused == "RELU6":
            return "relu6"
        kinds = {after.kind for after in self.graph.after(operator.outputs[0], depth=4)}
        if "LOGISTIC" in kinds:
            return "swish"
        # Hard swish may have been left as x * relu6(x + 3) / 6.
        if kinds & {"HARD_SWISH", "ADD"}:
            return "hard_swish"
        if "RELU6" in kinds:
            return "relu6"
        raise ConversionError(
            f"after operator {op} there is no activation that vidlab knows; got "
            f"{', '.join(sorted(kinds)) or 'nothing'}."
        )

    def _residual_scale(self, projection: int) -> Tensor:
        for op in self.graph.after(self.convolutions[projection].outputs[0], depth=4):
            if op.kind == "MUL":
                constants = [self.graph.constant(i) for i in op.inputs]
                values = next((c for c in constants if c is not None), None)
                if values is not None and values.size and np.ptp(values) == 0:
                    return torch.tensor(float(values.reshape(-1)[0]))
                raise ConversionError(f"operator {op.index} does not scale by one number.")
        return torch.tensor(1.0)  # folded into the projection

    def _bias(self, op: int) -> NDArray[np.float32]:
        inputs = self.convolutions[op].inputs
        bias = self.graph.constant(inputs[2]) if len(inputs) > 2 else None
        num_out = self._kernel(op).shape[0]
        return np.zeros(num_out, np.float32) if bias is None else bias.reshape(num_out)

    def _kernel(self, op: int) -> NDArray[np.float32]:
        # To [out, in, h, w] from [out, h, w, in], or depthwise [1, h, w, channels].
        weight = self.weights[op]
        if self.convolutions[op].kind == "DEPTHWISE_CONV_2D":
            return weight.transpose(3, 0, 1, 2)
        return weight.transpose(0, 3, 1, 2)

    def _convolution(
        self, state: dict[str, Tensor], place: str, op: int, *, prefix: str = ""
    ) -> None:
        kernel = self._kernel(op)
        # Temporal filters are written as [frames, 1].
        laid = kernel[..., None] if prefix else kernel[:, :, None]
        state[f"{place}.{prefix}conv.weight"] = torch.from_numpy(np.ascontiguousarray(laid))
        bias = torch.from_numpy(np.array(self._bias(op)))
        norm = f"{place}.{prefix}norm"
        state[f"{norm}.weight"] = torch.ones_like(bias)
        state[f"{norm}.bias"] = bias
        state[f"{norm}.running_mean"] = torch.zeros_like(bias)
        state[f"{norm}.running_var"] = torch.full_like(bias, 1.0 - BATCH_NORM_EPSILON)

    def _linear(
        self, state: dict[str, Tensor], place: str, op: int, *, bias_offset: float = 0.0
    ) -> None:
        kernel = self._kernel(op)
        if math.prod(kernel.shape[2:]) != 1:
            raise ConversionError(f"{place} has a kernel {list(kernel.shape[2:])}; expected 1x1.")
        state[f"{place}.weight"] = torch.from_numpy(np.ascontiguousarray(kernel[:, :, 0, 0]))
        state[f"{place}.bias"] = torch.from_numpy(self._bias(op) + np.float32(bias_offset))
