"""MoViNet as plain PyTorch modules: to read, to train, and to check the fast form against.

Inside, activations are ``[B * T, C, H, W]``, channels last: the frames of all clips side by side,
so that filters over pixels are plain 2-D convolutions, whose gradients PyTorch computes several
times sooner than those of 3-D ones. A filter over time adds up the frames it spans. Names and
shapes of parameters are what the safetensors files contain, so they are kept stable:

    stem.{conv,norm}
    layers.block1_layer0.{expansion,feature,projection,skip}.{conv,norm}
    layers.block1_layer0.feature.{temporal_conv,temporal_norm}
    layers.block1_layer0.squeeze_excitation.{reduce,expand}, .position_scale
    layers.block1_layer0.residual_scale
    head.{project.{conv,norm},hidden,classifier}
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from vidlab.core.errors import OptionError
from vidlab.models.movinet.spec import (
    BATCH_NORM_EPSILON,
    LayerSpec,
    MovinetConfig,
    same_padding,
)

if TYPE_CHECKING:
    from vidlab.models.movinet.fast import FastMoViNet

State = dict[str, Tensor]
"""What a stream model carries from one step to the next.

``frame_count`` is an int64 scalar; ``<layer>_past_<n>`` float32 ``[B, H, W, C]``, what the layer
had n frames before the next one, for as many as its filter in time spans; ``<layer>_pool_sum``
and ``head_pool_sum`` float32 ``[B, C]``, sums over the frames so far. Before the first frame the
past is zeros; as its size is not known yet, it may be left out.
"""

Activation = Callable[[Tensor], Tensor]

ACTIVATION_OF: dict[str, Activation] = {
    "swish": functional.silu,
    "hard_swish": functional.hardswish,
    "relu6": functional.relu6,
    "sigmoid": torch.sigmoid,
    # The official code multiplies by 0.16667, not by 1/6.
    "hard_sigmoid": lambda x: functional.relu6(x + 3.0) * 0.16667,
}


class ConvNorm(nn.Module):
    """A convolution over time and space with 'same' or causal padding, then batch norm.

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        kernel: Extent in frames, and in rows and columns.
        stride: Stride over rows and columns.
        depthwise: One filter a channel.
        causal: Pad time in the past only.
        split: Make a filter over time and space two: space first, then time, each with batch
            norm and activation.
        activation: What follows each batch norm; None for nothing.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: tuple[int, int] = (1, 1),
        stride: int = 1,
        depthwise: bool = False,
        causal: bool = False,
        split: bool = False,
        activation: Activation | None = None,
    ) -> None:
        super().__init__()
        frames, px = kernel
        groups = in_channels if depthwise else 1
        self.is_split = split and frames > 1
        self.causal = causal
        self.kernel_frames = frames
        self.activation = activation
        self.conv = nn.Conv3d(
            in_channels,
            out_channels,
            (1 if self.is_split else frames, px, px),
            stride=(1, stride, stride),
            groups=groups,
            bias=False,
        )
        self.norm = _norm(out_channels)
        if self.is_split:
            self.temporal_conv = nn.Conv3d(
                out_channels, out_channels, (frames, 1, 1), groups=groups, bias=False
            )
            self.temporal_norm = _norm(out_channels)

    def forward(self, x: Tensor, num_frames: int = 1, past: list[Tensor] | None = None) -> Tensor:
        """Filter `x` ``[B * T, C, H, W]``.

        Args:
            x: The input.
            num_frames: T, which matters to filters over time only.
            past: Frames ``[B, H, W, C]`` before `x`, latest first, as many as the filter spans
                besides its own; empty for zeros. Replaced by those for the frames after `x`.
        """
        if not self.is_split:
            return self._finish(self._filter(x, num_frames, past), self.norm)
        x = self._finish(self._filter_space(x, self.conv.weight[:, :, 0]), self.norm)
        frames = self._pad_time(x, num_frames, past)
        taps = self.temporal_conv.weight[:, 0, :, 0, 0]  # depthwise: [C, kernel_frames]
        y = frames[:, :num_frames] * taps[:, 0]
        for k in range(1, self.kernel_frames):
            y = torch.addcmul(y, frames[:, k : k + num_frames], taps[:, k])
        return self._finish(y.flatten(0, 1).permute(0, 3, 1, 2), self.temporal_norm)

    def _filter(self, x: Tensor, num_frames: int, past: list[Tensor] | None) -> Tensor:
        if self.kernel_frames == 1:
            return self._filter_space(x, self.conv.weight[:, :, 0])
        frames = self._pad_time(x, num_frames, past)
        taps = []
        for k in range(self.kernel_frames):
            span = frames[:, k : k + num_frames].flatten(0, 1).permute(0, 3, 1, 2)
            taps.append(self._filter_space(span, self.conv.weight[:, :, k]))
        return torch.stack(taps).sum(dim=0)

    def _filter_space(self, x: Tensor, weight: Tensor) -> Tensor:
        px, stride = self.conv.kernel_size[-1], self.conv.stride[-1]
        if px > 1:
            rows = same_padding(x.shape[-2], px, stride)
            columns = same_padding(x.shape[-1], px, stride)
            x = functional.pad(x, (*columns, *rows))
        return functional.conv2d(x, weight, stride=stride, groups=self.conv.groups)

    def _finish(self, x: Tensor, norm: nn.Module) -> Tensor:
        x = norm(x)
        return x if self.activation is None else self.activation(x)

    def _pad_time(self, x: Tensor, num_frames: int, past: list[Tensor] | None) -> Tensor:
        # [B * T, C, H, W] -> [B, T + kernel_frames - 1, H, W, C]
        frames = x.permute(0, 2, 3, 1).reshape(-1, num_frames, *x.shape[2:], x.shape[1])
        num_past = self.kernel_frames - 1
        if not self.causal:
            return functional.pad(frames, (*[0] * 6, num_past // 2, num_past - num_past // 2))
        if past:
            frames = torch.cat([torch.stack(past[::-1], dim=1), frames], dim=1)
        else:
            frames = functional.pad(frames, (*[0] * 6, num_past, 0))
        if past is not None:
            past[:] = [frames[:, -n] for n in range(1, num_past + 1)]
        return frames


class SqueezeExcitation(nn.Module):
    """Weigh the channels by what they hold on average, over frames so far or over pixels."""

    def __init__(self, config: MovinetConfig, layer: LayerSpec) -> None:
        super().__init__()
        self.se_type = config.se_type
        self.causal = config.causal
        self.activation = ACTIVATION_OF[config.activation]
        self.gate = ACTIVATION_OF[config.gating_activation]
        channels = layer.expanded_channels
        num_in = channels * (2 if config.se_type == "2plus3d" else 1)
        self.reduce = nn.Linear(num_in, layer.se_channels)
        self.expand = nn.Linear(layer.se_channels, channels)
        if config.positional_encoding:
            self.position_scale = nn.Parameter(torch.zeros(()))

    def forward(
        self, x: Tensor, num_frames: int, pool_sum: Tensor | None, frame_count: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Return `x` ``[B * T, C, H, W]`` weighed, and the new sum over the frames so far."""
        per_frame = x.mean(dim=(2, 3)).reshape(-1, num_frames, x.shape[1])
        weights, pool_sum = self.weights(per_frame, pool_sum, frame_count)
        return x * weights.expand_as(per_frame).flatten(0, 1)[..., None, None], pool_sum

    def weights(
        self, per_frame: Tensor, pool_sum: Tensor | None, frame_count: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Return weights ``[B, T or 1, C]`` for frame averages `per_frame` ``[B, T, C]``."""
        pooled = per_frame
        if self.se_type != "2d":
            if self.causal:
                pooled, pool_sum = cumulative_mean(per_frame, pool_sum, frame_count)
            else:
                pooled = per_frame.mean(dim=1, keepdim=True)
            if self.se_type == "2plus3d":
                pooled = torch.cat([pooled.expand_as(per_frame), per_frame], dim=-1)
        if hasattr(self, "position_scale"):
            pooled = pooled + self.position_scale * positional_encoding(pooled, frame_count)
        return self.gate(self.expand(self.activation(self.reduce(pooled)))), pool_sum


class Bottleneck(nn.Module):
    """An inverted bottleneck with a depthwise filter and a scaled residual (ReZero)."""

    def __init__(self, config: MovinetConfig, layer: LayerSpec) -> None:
        super().__init__()
        activation = ACTIVATION_OF[config.activation]
        self.name = layer.name
        self.stride = layer.stride
        self.expansion = ConvNorm(layer.in_channels, layer.expanded_channels, activation=activation)
        self.feature = ConvNorm(
            layer.expanded_channels,
            layer.expanded_channels,
            kernel=(layer.kernel_frames, layer.kernel_px),
            stride=layer.stride,
            depthwise=True,
            causal=config.causal,
            split=config.splits_time,
            activation=activation,
        )
        self.squeeze_excitation = SqueezeExcitation(config, layer) if layer.se_channels else None
        self.projection = ConvNorm(layer.expanded_channels, layer.out_channels)
        self.residual_scale = nn.Parameter(torch.zeros(()))
        self.skip = (
            ConvNorm(layer.in_channels, layer.out_channels) if layer.has_skip_projection else None
        )

    def forward(self, x: Tensor, num_frames: int, state: State, new_state: State) -> Tensor:
        """Run on `x` ``[B * T, C, H, W]``, reading `state` and writing into `new_state`."""
        skip = x
        if self.skip is not None:
            if self.stride > 1:
                skip = average_pool_same(skip)
            skip = self.skip(skip)
        past = past_of(self.name, state)
        x = self.feature(self.expansion(x), num_frames, past)
        new_state.update(zip(past_keys(self.name, len(past)), past, strict=True))
        if self.squeeze_excitation is not None:
            key = f"{self.name}_pool_sum"
            x, pool_sum = self.squeeze_excitation(
                x, num_frames, state.get(key), state["frame_count"]
            )
            if pool_sum is not None:
                new_state[key] = pool_sum
        projected: Tensor = self.projection(x)
        return torch.addcmul(skip, self.residual_scale, projected)


class Head(nn.Module):
    """Project, average over pixels and frames, and classify."""

    def __init__(self, config: MovinetConfig) -> None:
        super().__init__()
        self.project = ConvNorm(
            config.layers[-1].out_channels,
            config.head_channels,
            activation=ACTIVATION_OF[config.activation],
        )
        self.hidden = nn.Linear(config.head_channels, config.hidden_channels)
        self.activation = ACTIVATION_OF[config.head_activation or config.activation]
        self.classifier = nn.Linear(config.hidden_channels, config.num_classes)

    def classify(self, features: Tensor) -> Tensor:
        """Return logits ``[..., num_classes]`` for averages `features` ``[..., C]``."""
        logits: Tensor = self.classifier(self.activation(self.hidden(features)))
        return logits


class MoViNet(nn.Module):
    """A MoViNet, base or stream, with random weights until some are loaded.

    Args:
        config: Which one.
    """

    def __init__(self, config: MovinetConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = ConvNorm(
            3,
            config.stem_channels,
            kernel=(1, 3),
            stride=2,
            activation=ACTIVATION_OF[config.activation],
        )
        self.layers = nn.ModuleDict(
            {layer.name: Bottleneck(config, layer) for layer in config.layers}
        )
        self.head = Head(config)
        self._init_weights()

    def forward(self, clip: Tensor) -> Tensor:
        """Return logits float32 ``[B, num_classes]`` of a whole clip.

        Args:
            clip: RGB float32 ``[B, T, 3, H, W]`` in [0, 1].

        Raises:
            OptionError: `clip` has another shape, dtype or device.
        """
        check_frames(clip, self._probe())
        per_frame = self._features(clip, self._whole_clip_state(clip), {})
        return self.head.classify(per_frame.mean(dim=1))

    def init_state(self, batch_size: int = 1) -> State:
        """Return the state before the first frame of `batch_size` videos.

        Raises:
            OptionError: The model is not causal, or `batch_size` is not positive.
        """
        return init_state(self.config, batch_size, self._probe())

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on by any number of frames.

        However the frames of a video are split into steps, the logits are the same.

        Args:
            frames: RGB float32 ``[B, T, 3, H, W]`` in [0, 1], T at least 1.
            state: What :meth:`init_state` or the step before returned; it is not changed.

        Returns:
            Logits float32 ``[B, T, num_classes]`` after each frame, and the new state.

        Raises:
            OptionError: The model is not causal, `frames` has another shape, dtype or device, or
                `state` is of another model, batch size or picture size.
        """
        check_frames(frames, self._probe())
        check_state(self.config, state, frames)
        new_state: State = {"frame_count": state["frame_count"] + frames.shape[1]}
        per_frame = self._features(frames, state, new_state)
        pooled, pool_sum = cumulative_mean(
            per_frame, state.get("head_pool_sum"), state["frame_count"]
        )
        new_state["head_pool_sum"] = pool_sum
        return self.head.classify(pooled), new_state

    def for_inference(self) -> FastMoViNet:
        """Return a form that computes the same sooner; later changes of weights do not reach it."""
        from vidlab.models.movinet.fast import FastMoViNet

        return FastMoViNet(self)

    def _features(self, frames: Tensor, state: State, new_state: State) -> Tensor:
        # [B, T, 3, H, W] -> averages over pixels [B, T, head channels].
        num_frames = frames.shape[1]
        x = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        x = self.stem(x)
        for layer in self.layers.values():
            x = layer(x, num_frames, state, new_state)
        pooled: Tensor = self.head.project(x).mean(dim=(2, 3))
        return pooled.reshape(-1, num_frames, pooled.shape[1])

    def _whole_clip_state(self, clip: Tensor) -> State:
        return {"frame_count": torch.zeros((), dtype=torch.int64, device=clip.device)}

    def _probe(self) -> Tensor:
        return self.head.classifier.bias

    def _init_weights(self) -> None:
        if self._probe().is_meta:
            return  # shapes only; drawing numbers would import PyTorch's compiler
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.normal_(self.head.classifier.weight, std=0.01)


def average_pool_same(x: Tensor) -> Tensor:
    """Average ``[N, C, H, W]`` over 3x3 pixels at stride 2; padding does not count."""
    padding = (*same_padding(x.shape[-1], 3, 2), *same_padding(x.shape[-2], 3, 2))
    inside = functional.pad(x.new_ones(1, 1, *x.shape[-2:]), padding)
    ninths = functional.avg_pool2d(inside, 3, 2)
    return functional.avg_pool2d(functional.pad(x, padding), 3, 2) / ninths


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON, momentum=0.01)


def past_keys(layer: str, num_past: int) -> list[str]:
    """Return the names in a state of a layer's frames before, latest first."""
    return [f"{layer}_past_{n}" for n in range(1, num_past + 1)]


def past_of(layer: str, state: State) -> list[Tensor]:
    """Return a layer's frames before, latest first; none at the start of a video."""
    past: list[Tensor] = []
    while (frame := state.get(f"{layer}_past_{len(past) + 1}")) is not None:
        past.append(frame)
    return past


def cumulative_mean(
    per_frame: Tensor, pool_sum: Tensor | None, frame_count: Tensor
) -> tuple[Tensor, Tensor]:
    """Average each frame ``[B, T, C]`` with all before it.

    Args:
        per_frame: One value a frame.
        pool_sum: Sum over the frames before, ``[B, C]``; None for zeros.
        frame_count: Number of the frames before, an int64 scalar.

    Returns:
        The averages ``[B, T, C]``, and the sum with these frames.
    """
    sums = per_frame.cumsum(dim=1)
    if pool_sum is not None:
        sums = sums + pool_sum[:, None]
    numbers = torch.arange(1, per_frame.shape[1] + 1, device=per_frame.device) + frame_count
    return sums / numbers.to(sums.dtype)[:, None], sums[:, -1]


def positional_encoding(like: Tensor, frame_count: Tensor) -> Tensor:
    """Return the official sinusoids ``[T, C]`` for `like` ``[B, T, C]``.

    Channel by channel the frequency falls from 1 to 1/10000 in pairs; the sines of the even
    channels come first, then the cosines of the odd ones.
    """
    num_frames, channels = like.shape[-2:]
    positions = torch.arange(num_frames, device=like.device) + frame_count
    pair = torch.arange(channels, device=like.device) // 2 * 2
    frequency = torch.exp(-math.log(10_000.0) * pair.to(like.dtype) / channels)
    radians = positions.to(like.dtype)[:, None] * frequency
    return torch.cat([radians[:, 0::2].sin(), radians[:, 1::2].cos()], dim=-1)


def init_state(config: MovinetConfig, batch_size: int, like: Tensor) -> State:
    """Return the state before the first frame, on the device and in the dtype of `like`."""
    if not config.causal:
        raise OptionError(
            f"MoViNet-{config.size.upper()} base sees a whole clip at once and has no state; "
            'call it on the clip, or use a stream model (kind "stream").'
        )
    if type(batch_size) is not int or batch_size < 1:
        raise OptionError(f"batch_size must be a whole number from 1; got {batch_size!r}.")
    state = {"frame_count": torch.zeros((), dtype=torch.int64, device=like.device)}
    if config.se_type in ("3d", "2plus3d"):
        for layer in config.layers:
            state[f"{layer.name}_pool_sum"] = like.new_zeros(batch_size, layer.expanded_channels)
    state["head_pool_sum"] = like.new_zeros(batch_size, config.head_channels)
    return {name: value.detach() for name, value in state.items()}


def check_frames(frames: Tensor, like: Tensor) -> None:
    """Raise OptionError unless `frames` is ``[B, T, 3, H, W]`` in the dtype and place of `like`."""
    if not isinstance(frames, Tensor):
        raise OptionError(
            "Frames must be a torch tensor [B, T, 3, H, W]; "
            f"got {type(frames).__name__}. Use torch.from_numpy on an array."
        )
    shape = tuple(frames.shape)
    if frames.ndim != 5 or shape[2] != 3 or min(shape) < 1:
        raise OptionError(
            "Frames must be [B, T, 3, H, W], none of them 0: batch, frames, RGB, rows, columns; "
            f"got shape {list(shape)}."
            + (
                " Move the colours before the rows: frames.permute(0, 1, 4, 2, 3)."
                if frames.ndim == 5 and shape[-1] == 3 and min(shape) >= 1
                else ""
            )
            + (" Add the batch axis: frames[None]." if frames.ndim == 4 else "")
        )
    if frames.dtype != like.dtype:
        raise OptionError(
            f"Frames must be {like.dtype} in [0, 1], as the weights are; got {frames.dtype}."
            + (" Divide by 255 first: frames.float() / 255." if frames.dtype == torch.uint8 else "")
        )
    if frames.device != like.device:
        raise OptionError(
            f"Frames are on {frames.device}, the weights on {like.device}; move one of them."
        )


def check_state(config: MovinetConfig, state: State, frames: Tensor) -> None:
    """Raise OptionError unless `state` is one of this model for the batch and size of `frames`."""
    if not config.causal:
        raise OptionError(
            f"MoViNet-{config.size.upper()} base cannot go in steps; call it on the whole clip, or "
            'use a stream model (kind "stream").'
        )
    if not isinstance(state, dict) or "frame_count" not in state:
        raise OptionError(
            "state must be what init_state() or the step before returned; "
            f"got {type(state).__name__}."
        )
    known = _state_shapes(config, frames.shape[0], *frames.shape[3:])
    for name, value in state.items():
        if name not in known:
            raise OptionError(
                f"state has {name!r}, which this model does not; it is the state of another model."
            )
        if tuple(value.shape) != known[name]:
            raise OptionError(
                f"state[{name!r}] must be {list(known[name])} for frames {list(frames.shape)}; got "
                f"{list(value.shape)}. Call init_state() when the batch or picture size changes."
            )
    missing = sorted(known.keys() - state.keys())
    # The past may be left out as a whole, before the first frame.
    if missing and not (
        all("_past_" in name for name in missing) and not any("_past_" in name for name in state)
    ):
        raise OptionError(
            f"state lacks {', '.join(missing[:3])}; it must be what init_state() or the step "
            "before returned."
        )


@lru_cache(maxsize=32)
def _state_shapes(
    config: MovinetConfig, batch: int, rows: int, columns: int
) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "frame_count": (),
        "head_pool_sum": (batch, config.head_channels),
    }
    rows, columns = -(-rows // 2), -(-columns // 2)
    for layer in config.layers:
        after = (-(-rows // layer.stride), -(-columns // layer.stride))
        if layer.kernel_frames > 1:
            # Split filters keep frames after the spatial filter, whole ones before it.
            size = after if config.splits_time else (rows, columns)
            for key in past_keys(layer.name, layer.kernel_frames - 1):
                shapes[key] = (batch, *size, layer.expanded_channels)
        if config.se_type in ("3d", "2plus3d"):
            shapes[f"{layer.name}_pool_sum"] = (batch, layer.expanded_channels)
        rows, columns = after
    return shapes
