"""A MoViNet as a plan that any runtime can carry out: folded weights, and the way through them.

:func:`fold` takes a network apart into filters with batch norm and residual scale folded in,
as numpy arrays. :func:`logits` walks through them once, in terms of the few operations that
:class:`Operators` names. A format is a subclass of that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidlab.models.movinet.spec import BATCH_NORM_EPSILON, LayerSpec, MovinetConfig

if TYPE_CHECKING:
    from vidlab.models.movinet.network import MoViNet

Array = NDArray[np.float32]
Tensor = Any
"""A runtime's own value: frames, or one vector a frame."""

FRAME_COUNT = "state_head_pool_frame_count"
POSITION_COUNT = "state_pos_enc_frame_count"

SUM_UNIT = 2.0**-12
"""Unit of the sums over frames in files of 8-bit integers: much finer than 256 steps."""


@dataclass(frozen=True)
class Filter:
    """A convolution, with whatever follows it linearly folded in.

    Attributes:
        place: The official name of the layer, such as ``"block0_layer0/bneck/expansion"``.
        kernel: float32 ``[out, in, frames, rows, columns]``; in is 1 where depthwise.
        bias: float32 ``[out]``; None for none.
        stride: Over rows and columns.
        depthwise: One filter a channel.
        temporal: The second, temporal part of a split filter.
        frame: Which frame of the whole kernel this part sees.
    """

    place: str
    kernel: Array
    bias: Array | None
    stride: int = 1
    depthwise: bool = False
    temporal: bool = False
    frame: int = 0

    def at_frame(self, index: int) -> Filter:
        """Return the part of a filter over time that sees one frame; the first has the bias."""
        return replace(
            self,
            kernel=self.kernel[:, :, index : index + 1],
            bias=self.bias if index == 0 else None,
            frame=index,
        )


@dataclass(frozen=True)
class Layer:
    """The filters of one inverted bottleneck.

    Attributes:
        spec: Its sizes.
        expansion: 1x1.
        feature: Depthwise, over space, or over time and space.
        temporal: Depthwise, over time, where that is apart.
        reduce: First of squeeze-excitation; None for none.
        expand: Second of squeeze-excitation.
        position_scale: Weight of the positional encoding; None for none.
        projection: 1x1, with the residual scale.
        skip: 1x1 on the residual path; None where that passes through.
    """

    spec: LayerSpec
    expansion: Filter
    feature: Filter
    temporal: Filter | None
    reduce: Filter | None
    expand: Filter | None
    position_scale: float | None
    projection: Filter
    skip: Filter | None


@dataclass(frozen=True)
class Folded:
    """A whole network.

    Attributes:
        config: Which MoViNet.
        stem: The first filter.
        layers: The bottlenecks in order.
        project: 1x1, before the averages.
        hidden: 1x1 on averages.
        classifier: 1x1 on averages.
    """

    config: MovinetConfig
    stem: Filter
    layers: tuple[Layer, ...]
    project: Filter
    hidden: Filter
    classifier: Filter

    @property
    def filters(self) -> list[Filter]:
        """Every filter, in the order of running."""
        found = [self.stem]
        for layer in self.layers:
            parts = (
                layer.expansion, layer.feature, layer.temporal, layer.reduce, layer.expand,
                layer.projection, layer.skip,
            )  # fmt: skip
            found += [part for part in parts if part is not None]
        return [*found, self.project, self.hidden, self.classifier]


def fold(network: MoViNet) -> Folded:
    """Take a network apart, as its weights are now."""
    state = {
        name: value.detach().cpu().double().numpy()
        for name, value in network.state_dict().items()
        if value.is_floating_point()
    }
    config = network.config

    def folded(key: str, place: str, *, part: str = "", scale: float = 1.0, **about: Any) -> Filter:
        norm = {
            name: state[f"{key}.{part}norm.{name}"]
            for name in ("weight", "bias", "running_mean", "running_var")
        }
        factor = norm["weight"] / np.sqrt(norm["running_var"] + BATCH_NORM_EPSILON)
        kernel = state[f"{key}.{part}conv.weight"] * factor[:, None, None, None, None]
        bias = norm["bias"] - norm["running_mean"] * factor
        return Filter(place, _single(kernel * scale), _single(bias * scale), **about)

    def linear(key: str, place: str) -> Filter:
        kernel = state[f"{key}.weight"][:, :, None, None, None]
        return Filter(place, _single(kernel), _single(state[f"{key}.bias"]))

    def layer(spec: LayerSpec) -> Layer:
        key, place = f"layers.{spec.name}", f"{spec.name}/bneck"
        excites = spec.se_channels > 0
        splits = config.splits_time and spec.kernel_frames > 1
        position = state.get(f"{key}.squeeze_excitation.position_scale")
        return Layer(
            spec,
            folded(f"{key}.expansion", f"{place}/expansion"),
            folded(f"{key}.feature", f"{place}/feature", stride=spec.stride, depthwise=True),
            folded(
                f"{key}.feature", f"{place}/feature", part="temporal_", depthwise=True,
                temporal=True,
            ) if splits else None,
            linear(f"{key}.squeeze_excitation.reduce", f"{place}/se/se_reduce")
            if excites else None,
            linear(f"{key}.squeeze_excitation.expand", f"{place}/se/se_expand")
            if excites else None,
            None if position is None else float(position),
            folded(
                f"{key}.projection", f"{place}/projection",
                scale=float(state[f"{key}.residual_scale"]),
            ),
            folded(f"{key}.skip", f"{place}/skip/skip_project")
            if spec.has_skip_projection else None,
        )  # fmt: skip

    return Folded(
        config,
        folded("stem", "stem/stem", stride=2),
        tuple(layer(spec) for spec in config.layers),
        folded("head.project", "head/project"),
        linear("head.hidden", "classifier_head/head"),
        linear("head.classifier", "classifier_head/classifier"),
    )


def _single(value: NDArray[np.float64]) -> Array:
    return np.ascontiguousarray(value, dtype=np.float32)


class Operators(ABC):
    """What a runtime must be able to do.

    Frames are a runtime's pictures, one after the other; vectors one list of channels a frame.
    Stream models read `states` and leave the next ones in `next_states`.

    Args:
        config: Of the network.
        states: By the official names; empty for base models.
    """

    def __init__(self, config: MovinetConfig, states: dict[str, Tensor]) -> None:
        self.config = config
        self.states = states
        self.next_states: dict[str, Tensor] = {}

    @abstractmethod
    def convolve(self, x: Tensor, filter_: Filter, activation: str | None = None) -> Tensor:
        """Filter each frame over its rows and columns with 'same' padding; vectors likewise."""

    @abstractmethod
    def window(self, x: Tensor, layer: LayerSpec) -> Tensor:
        """Return the frames with those around them that a filter over time sees.

        A stream model's are the frames before, from the state ``state_<layer>_stream_buffer``; a
        base model's are zeros on both sides.
        """

    @abstractmethod
    def span(self, window: Tensor, index: int, layer: LayerSpec) -> Tensor:
        """Return the frames that a filter's frame `index` falls on."""

    @abstractmethod
    def convolve_time(
        self, window: Tensor, filter_: Filter, activation: str, layer: LayerSpec
    ) -> Tensor:
        """Filter each pixel and channel over the frames of a window."""

    @abstractmethod
    def activate(self, x: Tensor, activation: str, place: str) -> Tensor:
        """Apply an activation or a gate."""

    @abstractmethod
    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """Add frames, or vectors."""

    @abstractmethod
    def weigh(self, x: Tensor, weights: Tensor) -> Tensor:
        """Multiply each frame's channels by a vector."""

    @abstractmethod
    def halve(self, x: Tensor) -> Tensor:
        """Average over 3x3 pixels at stride 2 with 'same' padding, which does not count."""

    @abstractmethod
    def mean_over_pixels(self, x: Tensor) -> Tensor:
        """Return a vector for each frame."""

    @abstractmethod
    def mean_over_frames(self, vectors: Tensor, name: str, place: str) -> Tensor:
        """Average each frame's vector with those of all frames so far; base: of the clip.

        The state is their sum, ``state_<name>_pool_buffer``; :data:`FRAME_COUNT` is their number.
        """

    @abstractmethod
    def join(self, one: Tensor, other: Tensor) -> Tensor:
        """Put the channels of two vectors in a row."""

    @abstractmethod
    def add_position(self, vectors: Tensor, scale: float, place: str) -> Tensor:
        """Add the sinusoids of the frame's number, times `scale`."""


def logits(plan: Folded, ops: Operators, image: Tensor) -> Tensor:
    """Walk through a network; return a vector of logits for each frame."""
    activation = plan.config.activation
    x = ops.convolve(image, plan.stem, activation)
    for layer in plan.layers:
        x = _bottleneck(layer, ops, x, plan.config)
    x = ops.convolve(x, plan.project, activation)
    pooled = ops.mean_over_frames(ops.mean_over_pixels(x), "head", "head/pool3d")
    hidden = ops.convolve(pooled, plan.hidden, plan.config.head_activation or activation)
    return ops.convolve(hidden, plan.classifier)


def _bottleneck(layer: Layer, ops: Operators, x: Tensor, config: MovinetConfig) -> Tensor:
    skip = x
    if layer.skip is not None:
        skip = ops.convolve(ops.halve(x) if layer.spec.stride > 1 else x, layer.skip)
    x = ops.convolve(x, layer.expansion, config.activation)
    if layer.spec.kernel_frames == 1 or layer.temporal is not None:
        x = ops.convolve(x, layer.feature, config.activation)
        if layer.temporal is not None:
            window = ops.window(x, layer.spec)
            x = ops.convolve_time(window, layer.temporal, config.activation, layer.spec)
    else:
        window = ops.window(x, layer.spec)
        parts = [
            ops.convolve(ops.span(window, i, layer.spec), layer.feature.at_frame(i))
            for i in range(layer.spec.kernel_frames)
        ]
        x = parts[0]
        for part in parts[1:]:
            x = ops.add(x, part)
        x = ops.activate(x, config.activation, layer.feature.place)
    if layer.reduce is not None and layer.expand is not None:
        x = _excite(layer, layer.reduce, layer.expand, ops, x, config)
    return ops.add(skip, ops.convolve(x, layer.projection))


def _excite(
    layer: Layer, reduce: Filter, expand: Filter, ops: Operators, x: Tensor, config: MovinetConfig
) -> Tensor:
    place = f"{layer.spec.name}/bneck/se"
    pooled = per_frame = ops.mean_over_pixels(x)
    if config.se_type != "2d":
        pooled = ops.mean_over_frames(per_frame, layer.spec.name, f"{place}/global_average_pool3d")
        if config.se_type == "2plus3d":
            pooled = ops.join(pooled, per_frame)
    if layer.position_scale is not None:
        pooled = ops.add_position(pooled, layer.position_scale, f"{place}/pos_encoding")
    hidden = ops.convolve(pooled, reduce, config.activation)
    return ops.weigh(x, ops.convolve(hidden, expand, config.gating_activation))


@dataclass(frozen=True)
class StateSpec:
    """A stream state, before its picture size is known.

    Attributes:
        name: The official name.
        channels: Its channels; 0 for the frame count, an int32 ``[1]``.
        num_frames: Frames it keeps; 0 for a sum over frames.
        halvings: How often rows and columns have been halved (rounded up) where it is kept.
    """

    name: str
    channels: int
    num_frames: int = 0
    halvings: int = 0

    def size(self, length: int) -> int:
        """Return its rows for a picture of `length` rows, or its columns likewise."""
        for _ in range(self.halvings):
            length = -(-length // 2)
        return length


def state_specs(config: MovinetConfig) -> tuple[StateSpec, ...]:
    """Return the states of a stream model in order; none for a base model."""
    if not config.causal:
        return ()
    specs = []
    halvings = 1
    for layer in config.layers:
        # Split filters keep frames after the spatial filter, whole ones before it.
        after = halvings + (layer.stride > 1)
        if layer.kernel_frames > 1:
            specs.append(
                StateSpec(
                    f"state_{layer.name}_stream_buffer",
                    layer.expanded_channels,
                    layer.kernel_frames - 1,
                    after if config.splits_time else halvings,
                )
            )
        if config.se_type in ("3d", "2plus3d"):
            specs.append(StateSpec(f"state_{layer.name}_pool_buffer", layer.expanded_channels))
        halvings = after
    specs.append(StateSpec("state_head_pool_buffer", config.head_channels))
    specs.append(StateSpec(frame_count_name(config), 0))
    return tuple(specs)


def frame_count_name(config: MovinetConfig) -> str:
    """Return the name of the state that counts frames.

    Where it also feeds positional encoding it is called so: readers of LiteRT files go by that.
    """
    return POSITION_COUNT if config.positional_encoding else FRAME_COUNT
