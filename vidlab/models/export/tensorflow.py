"""A MoViNet in TensorFlow operations: SavedModels in TF-Hub's form, and what LiteRT is made of.

Frames are ``[B * T, rows, columns, channels]``, vectors ``[B * T, 1, 1, channels]``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.dependencies import require
from vidlab.models.export.plan import (
    SUM_UNIT,
    Filter,
    Folded,
    Operators,
    Tensor,
    frame_count_name,
    logits,
    state_specs,
)
from vidlab.models.movinet.spec import LayerSpec, MovinetConfig

tf = require("tensorflow", why="exporting to TensorFlow or LiteRT")


class Weights:
    """The filters of a network as variables with the official names and layouts.

    Batch norm and residual scales are folded in: in their stead each kernel has a bias.

    Args:
        plan: The network.
    """

    def __init__(self, plan: Folded) -> None:
        flat = plan.config.conv_type == "2plus1d"
        self.module = tf.Module()
        self.module.parts = {}
        self._kernels: dict[str, Any] = {}
        self._biases: dict[str, Any] = {}
        for filter_ in plan.filters:
            key = _key(filter_)
            suffix = "_temporal" if filter_.temporal else ""
            inner = f"{'conv2d' if flat else 'conv3d'}{suffix}"
            place = f"{filter_.place}/{inner}"
            kernel = filter_.kernel.transpose(2, 3, 4, 1, 0)  # [frames, rows, columns, in, out]
            leaf = "kernel"
            if flat:
                kernel = kernel[:, 0] if filter_.temporal else kernel[0]
                if filter_.depthwise:
                    kernel, leaf = kernel.swapaxes(-1, -2), "depthwise_kernel"
            self._kernels[key] = self._variable(f"{place}/{leaf}", kernel)
            self._biases[key] = self._variable(f"{place}/bias", filter_.bias)
        for layer in plan.layers:
            if layer.position_scale is not None:
                name = f"{layer.spec.name}/bneck/se/pos_encoding/scale"
                self._variable(name, np.float32(layer.position_scale))

    def _variable(self, name: str, value: Any) -> Any:
        variable = tf.Variable(value, name=name, dtype=tf.float32)
        self.module.parts[name] = variable
        return variable

    def kernel(self, filter_: Filter) -> Any:
        """Return one frame of a kernel, as TensorFlow's two-dimensional filters take it.

        That is ``[rows, columns, in, out]``, for a depthwise one ``[rows, columns, channels, 1]``;
        a temporal one comes whole, ``[frames, 1, channels, 1]``.
        """
        value = self._kernels[_key(filter_)]
        if len(value.shape) == 5:
            value = value[:, 0] if filter_.temporal else value[filter_.frame]
            if filter_.depthwise:
                value = tf.transpose(value, [0, 1, 3, 2])
        return value

    def bias(self, filter_: Filter) -> Any:
        """Return a bias ``[out]``."""
        return self._biases[_key(filter_)]

    def position_scale(self, place: str) -> Any:
        """Return the weight of a positional encoding."""
        return self.module.parts[f"{place}/scale"]


def _key(filter_: Filter) -> str:
    return f"{filter_.place}{'/temporal' if filter_.temporal else ''}"


class TensorFlowOperators(Operators):
    """The operations of a plan, in TensorFlow.

    Args:
        weights: The variables.
        config: Of the network.
        states: By name; empty for base models.
        image: float32 ``[B, T, rows, columns, 3]``.
        for_int8: Keep sums over frames, in units of :data:`SUM_UNIT`, in operations that LiteRT's
            quantiser leaves alone: a sum over a video has no range that 256 steps could cover.
    """

    def __init__(
        self,
        weights: Weights,
        config: MovinetConfig,
        states: dict[str, Tensor],
        image: Tensor,
        *,
        for_int8: bool = False,
    ) -> None:
        super().__init__(config, states)
        self._weights = weights
        self._for_int8 = for_int8
        self._is_one_video = image.shape[0] == 1
        self._is_one_frame = self._is_one_video and image.shape[1] == 1
        self._batch, self._num_frames = _sizes(image)[:2]
        if states:
            name = frame_count_name(config)
            self._count_before = states[name]
            self._counts = self._count_before + tf.range(1, self._num_frames + 1)
            self.next_states[name] = self._count_before + self._num_frames

    def answer(self, vectors: Tensor) -> Tensor:
        """Return the last frame's vectors, ``[B, channels]``."""
        channels = vectors.shape[-1]
        if self._is_one_video:  # a stream model's one frame, or a base model's one answer
            return tf.reshape(vectors, [1, channels])
        return self._unfold(vectors)[:, -1, 0, 0]

    def convolve(self, x: Tensor, filter_: Filter, activation: str | None = None) -> Tensor:
        """Filter each frame over its rows and columns."""
        with tf.name_scope(f"{filter_.place}/"):
            kernel, stride = self._weights.kernel(filter_), filter_.stride
            run = tf.nn.depthwise_conv2d if filter_.depthwise else tf.nn.conv2d
            x = run(x, kernel, [1, stride, stride, 1], "SAME")
            if filter_.bias is not None:
                x = tf.nn.bias_add(x, self._weights.bias(filter_))
            return x if activation is None else _activate(x, activation)

    def window(self, x: Tensor, layer: LayerSpec) -> Tensor:
        """Return ``[B, T + frames - 1, rows, columns, channels]``."""
        num_around = layer.kernel_frames - 1
        frames = self._unfold(x)
        if not self.config.causal:
            before = num_around // 2
            return tf.pad(frames, [[0, 0], [before, num_around - before], *[[0, 0]] * 3])
        name = f"state_{layer.name}_stream_buffer"
        with tf.name_scope(f"{layer.name}/bneck/feature/stream_buffer/"):
            frames = tf.concat([self.states[name], frames], axis=1)
            self.next_states[name] = frames[:, -num_around:]
            return frames

    def span(self, window: Tensor, index: int, layer: LayerSpec) -> Tensor:
        """Return the frames that a filter's frame `index` falls on."""
        end = index - (layer.kernel_frames - 1)
        return self._fold(window[:, index : end or None])

    def convolve_time(
        self, window: Tensor, filter_: Filter, activation: str, layer: LayerSpec
    ) -> Tensor:
        """Filter over time, as a picture whose rows are frames and whose columns are pixels."""
        _, _, rows, columns, channels = _sizes(window)
        with tf.name_scope(f"{filter_.place}/"):
            plane = tf.reshape(window, [self._batch, -1, rows * columns, channels])
            kernel = self._weights.kernel(filter_)
            x = tf.nn.depthwise_conv2d(plane, kernel, [1, 1, 1, 1], "VALID")
            x = _activate(tf.nn.bias_add(x, self._weights.bias(filter_)), activation)
            return tf.reshape(x, [-1, rows, columns, channels])

    def activate(self, x: Tensor, activation: str, place: str) -> Tensor:
        """Apply an activation or a gate."""
        with tf.name_scope(f"{place}/"):
            return _activate(x, activation)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """Add frames, or vectors."""
        return x + y

    def weigh(self, x: Tensor, weights: Tensor) -> Tensor:
        """Multiply each frame's channels by a vector."""
        return x * weights

    def halve(self, x: Tensor) -> Tensor:
        """Average over 3x3 pixels at stride 2."""
        return tf.nn.avg_pool2d(x, 3, 2, "SAME")

    def mean_over_pixels(self, x: Tensor) -> Tensor:
        """Return a vector for each frame."""
        return tf.reduce_mean(x, [1, 2], keepdims=True)

    def mean_over_frames(self, vectors: Tensor, name: str, place: str) -> Tensor:
        """Average with the frames so far, or over the clip."""
        with tf.name_scope(f"{place}/"):
            if not self.config.causal:
                mean = tf.reduce_mean(self._unfold(vectors), axis=1)
                # One answer serves all frames of one clip; of several, each must find its own.
                return mean if self._is_one_video else tf.repeat(mean, self._num_frames, axis=0)
            key = f"state_{name}_pool_buffer"
            before, now = self.states[key], self._unfold(vectors)
            if self._for_int8:
                # The quantiser leaves whole-number division and sums of three alone.
                now = tf.math.floordiv(now, SUM_UNIT)
                totals = tf.add_n([before, now, tf.zeros_like(now)])
                counts = tf.cast(self._count_before + tf.ones(now.shape, tf.int32), tf.float32)
                means = tf.math.floordiv(totals, counts) * SUM_UNIT
            else:
                totals = before + (now if self._is_one_frame else tf.cumsum(now, axis=1))
                counts = tf.cast(self._counts, tf.float32)
                means = totals / tf.reshape(counts, [-1, 1, 1, 1])
            self.next_states[key] = totals if self._is_one_frame else totals[:, -1:]
            return self._fold(means)

    def join(self, one: Tensor, other: Tensor) -> Tensor:
        """Put the channels of two vectors in a row."""
        if self._is_one_video and not self._is_one_frame:
            one = tf.broadcast_to(one, tf.shape(other))
        return tf.concat([one, other], axis=-1)

    def add_position(self, vectors: Tensor, scale: float, place: str) -> Tensor:
        """Add the sinusoids of the frame's number."""
        channels = vectors.shape[-1]
        # The sines of the even channels come first, then the cosines of the odd ones.
        order = np.concatenate([np.arange(0, channels, 2), np.arange(1, channels, 2)])
        frequency = np.exp(-math.log(10_000.0) * (order // 2 * 2) / channels)
        with tf.name_scope(f"{place}/"):
            if self._for_int8:
                waves = _waves_of_integers(self._count_before, frequency, order % 2)
            else:
                positions = tf.cast(self._counts - 1, tf.float32)
                radians = tf.reshape(positions, [-1, 1, 1, 1]) * frequency.astype(np.float32)
                num_sines = (channels + 1) // 2
                waves = tf.concat(
                    [tf.sin(radians[..., :num_sines]), tf.cos(radians[..., num_sines:])], axis=-1
                )
            waves *= self._weights.position_scale(place)
            if self._is_one_frame:
                return vectors + waves
            return self._fold(self._unfold(vectors) + waves)

    def _unfold(self, x: Tensor) -> Tensor:
        """Return ``[B, T, …]`` of what is ``[B * T, …]``."""
        if self._is_one_video:
            return tf.expand_dims(x, 0)  # a reshape; indexing with None would be a copy
        return tf.reshape(x, [self._batch, -1, *_sizes(x)[1:]])

    @staticmethod
    def _fold(x: Tensor) -> Tensor:
        """Return ``[B * T, …]`` of what is ``[B, T, …]``."""
        return tf.reshape(x, [-1, *_sizes(x)[2:]])


def _waves_of_integers(
    position: Tensor, frequency: NDArray[np.float64], is_cosine: NDArray[np.int64]
) -> Tensor:
    """Return sinusoids ``[1, 1, 1, channels]`` by whole numbers, which no quantiser rounds.

    Args:
        position: Number of the frame, int32 ``[1]``, below four million.
        frequency: Radians a frame of each channel.
        is_cosine: 1 where a channel is a cosine.
    """
    turn, steps = 1 << 20, 1 << 10
    turns = frequency / (2 * math.pi)
    slow = np.round(turns * turn).astype(np.int32)
    fast = np.round(turns * 4096 % 1 * turn).astype(np.int32)  # what 4096 frames come to
    phase = position // 4096 * fast + position % 4096 * slow
    step = (phase + turn // steps // 2) % turn // (turn // steps)
    table = np.sin(np.arange(steps) * (2 * math.pi / steps)).astype(np.float32)
    values = tf.gather(table, (step + is_cosine.astype(np.int32) * (steps // 4)) % steps)
    return tf.reshape(values, [1, 1, 1, len(frequency)])


def _sizes(x: Tensor) -> list[Any]:
    """Return the sizes of a tensor, as numbers where they are known."""
    return [tf.shape(x)[axis] if size is None else int(size) for axis, size in enumerate(x.shape)]


def _activate(x: Tensor, activation: str) -> Tensor:
    if activation == "relu6":
        return tf.nn.relu6(x)
    if activation == "sigmoid":
        return tf.sigmoid(x)
    if activation == "swish":
        return x * tf.sigmoid(x)
    if activation == "hard_swish":
        return x * (tf.nn.relu6(x + 3.0) * (1.0 / 6.0))
    assert activation == "hard_sigmoid"
    return tf.nn.relu6(x + 3.0) * 0.16667  # the official code's sixth


def run(
    plan: Folded, weights: Weights, inputs: dict[str, Tensor], *, for_int8: bool = False
) -> dict[str, Tensor]:
    """Return ``logits`` ``[B, num_classes]`` after the last frame, and the next states."""
    states = {name: value for name, value in inputs.items() if name != "image"}
    image = inputs["image"]
    ops = TensorFlowOperators(weights, plan.config, states, image, for_int8=for_int8)
    frames = tf.reshape(image, [-1, *_sizes(image)[2:]])
    answer = ops.answer(logits(plan, ops, frames))
    return {"logits": answer, **ops.next_states}


def input_specs(
    config: MovinetConfig, *, batch: int | None, num_frames: int | None,
    height_px: int | None, width_px: int | None,
) -> dict[str, Any]:  # fmt: skip
    """Return what a function of the network takes, by name; None for what may be any."""
    specs = {"image": tf.TensorSpec([batch, num_frames, height_px, width_px, 3], name="image")}
    for spec in state_specs(config):
        if not spec.channels:
            specs[spec.name] = tf.TensorSpec([1], tf.int32, name=spec.name)
            continue
        shape: list[int | None] = [batch, 1, 1, 1, spec.channels]
        if spec.num_frames:
            sides = [None if px is None else spec.size(px) for px in (height_px, width_px)]
            shape = [batch, spec.num_frames, *sides, spec.channels]
        specs[spec.name] = tf.TensorSpec(shape, name=spec.name)
    return specs


def graph(function: Any, **options: Any) -> Any:
    """Make a function of tensors into one that TensorFlow can write down."""
    # Its flow does not depend on values; rewriting Python for those that do takes most of the time.
    return tf.function(function, autograph=False, **options)


@contextmanager
def quietly() -> Iterator[None]:
    """Keep TensorFlow from naming each folder that it writes, temporary ones too."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def write_savedmodel(plan: Folded, folder: Path) -> None:
    """Write a SavedModel in TF-Hub's form, for pictures of any size and any number.

    Stream models have the signatures ``call`` (image and states in, logits and states out) and
    ``init_states`` (``input_shape`` int32 ``[5]``), and are called with one dict. Base models
    are called with ``{"image": clips}`` and give logits; their signature is
    ``serving_default``, its output ``classifier_head``.

    Args:
        plan: The network.
        folder: Where to; made by TensorFlow.
    """
    weights = Weights(plan)
    module = weights.module
    specs = input_specs(plan.config, batch=None, num_frames=None, height_px=None, width_px=None)

    def flat(**inputs: Tensor) -> dict[str, Tensor]:
        outputs = run(plan, weights, inputs)
        return outputs if plan.config.causal else {"classifier_head": outputs["logits"]}

    network = graph(flat).get_concrete_function(**specs)

    def call(inputs: dict[str, Tensor]) -> Any:
        outputs = network(**inputs)
        return (
            (outputs.pop("logits"), outputs) if plan.config.causal else outputs["classifier_head"]
        )

    module.__call__ = graph(call, input_signature=[specs])
    signatures = {"serving_default": network}
    if plan.config.causal:
        module.init_states = graph(
            lambda input_shape: _zero_states(plan.config, input_shape),
            input_signature=[tf.TensorSpec([5], tf.int32, name="input_shape")],
        )
        signatures = {
            "call": signatures["serving_default"],
            "init_states": module.init_states.get_concrete_function(),
        }
    with quietly():
        tf.saved_model.save(module, str(folder), signatures)


def _zero_states(config: MovinetConfig, input_shape: Tensor) -> dict[str, Tensor]:
    """Return the states before the first frame of ``[B, T, rows, columns, 3]``."""
    states = {}
    for spec in state_specs(config):
        if not spec.channels:
            states[spec.name] = tf.zeros([1], tf.int32)
            continue
        shape = [input_shape[0], 1, 1, 1, spec.channels]
        if spec.num_frames:
            rows, columns = input_shape[2], input_shape[3]
            for _ in range(spec.halvings):
                rows, columns = (rows + 1) // 2, (columns + 1) // 2
            shape = [input_shape[0], spec.num_frames, rows, columns, spec.channels]
        states[spec.name] = tf.zeros(shape)
    return states
