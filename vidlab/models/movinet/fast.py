"""MoViNet for inference: the numbers of :class:`MoViNet`, several times sooner on a processor.

What makes it quick, none of which changes what is computed but for rounding:

* Batch norm and the residual scale are folded into the convolutions.
* The constants that biases of projections add to the residual path are not added there but
  carried along, and taken into account by the convolutions that read it.
* Channels lie innermost (``[B * T, H, W, C]``), all frames of a step go through a layer at once,
  and convolutions carry their activation and their sum with the residual (oneDNN, where this
  build of PyTorch has it).
* A filter over time and space is a spatial filter, then one multiply-add a frame it spans.
* 'Same' padding at stride 2 is uneven; the filter gets a row and a column of zeros instead of
  the picture being copied into a larger one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache, lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from vidlab.models.movinet.network import (
    ACTIVATION_OF,
    Bottleneck,
    ConvNorm,
    MoViNet,
    SqueezeExcitation,
    State,
    check_frames,
    check_state,
    cumulative_mean,
    init_state,
    past_keys,
    past_of,
)
from vidlab.models.movinet.spec import MovinetConfig, same_padding

# Below this many pixels (over all frames) a matrix product and a separate activation start
# sooner than a oneDNN convolution finishes; measured on x86-64 with AVX2.
_FEW_PIXELS = 8000

_MAX_SIZES = 8  # of pictures that a filter keeps itself prepared for

_NO_PADDING = [0, 0]
_ONES = [1, 1]

_InPlace = Callable[[Tensor], Tensor]
_ACTIVATE_IN_PLACE: dict[str | None, _InPlace] = {
    None: lambda x: x,
    "relu6": lambda x: x.clamp_(0.0, 6.0),
    "swish": lambda x: functional.silu(x, inplace=True),
    "hard_swish": lambda x: functional.hardswish(x, inplace=True),
}
# Name, scalars and algorithm of the same in oneDNN.
_FUSED: dict[str | None, tuple[str, list[float], str]] = {
    None: ("none", [], ""),
    "relu6": ("hardtanh", [0.0, 6.0], ""),
    "swish": ("swish", [], ""),
    "hard_swish": ("hardswish", [], ""),
}


class FastMoViNet:
    """A MoViNet that only predicts; made by :meth:`MoViNet.for_inference`.

    Args:
        model: Whose weights to take, as they are now. On a processor this is worth it; on other
            devices it is correct, and about as quick as `model`.
    """

    def __init__(self, model: MoViNet) -> None:
        self.config: MovinetConfig = model.config
        with torch.no_grad():
            activation = model.config.activation
            self._stem = _Spatial(*_fold(model.stem), stride=2, activation=activation)
            offset = model.stem.conv.weight.new_zeros(model.config.stem_channels)
            self._layers: list[_Layer] = []
            for layer in model.layers.values():
                assert isinstance(layer, Bottleneck)
                fast = _Layer(layer, model.config, offset)
                offset = fast.offset
                self._layers.append(fast)
            weight, bias = _fold(model.head.project)
            self._project = _Pointwise(weight, bias, offset, activation)
            self._hidden = _linear(model.head.hidden)
            self._classifier = _linear(model.head.classifier)
            self._activate = ACTIVATION_OF[model.config.head_activation or activation]

    def init_state(self, batch_size: int = 1) -> State:
        """Return the state before the first frame; see :meth:`MoViNet.init_state`."""
        return init_state(self.config, batch_size, self._classifier[1])

    @torch.inference_mode()
    def __call__(self, clip: Tensor) -> Tensor:
        """Return logits of a whole clip; see :meth:`MoViNet.forward`."""
        return self._classify(self.features(clip))

    @torch.inference_mode()
    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on by any number of frames; see :meth:`MoViNet.step`.

        States of :class:`MoViNet` and of this class can be exchanged.
        """
        features, new_state = self.step_features(frames, state)
        return self._classify(features), new_state

    @torch.inference_mode()
    def features(self, clip: Tensor) -> Tensor:
        """Return what the head makes logits of, ``[B, head channels]``, for a whole clip."""
        check_frames(clip, self._classifier[1])
        return self._features(clip, {}, {}, frame_count=0).mean(dim=1)

    @torch.inference_mode()
    def step_features(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on like :meth:`step`, but return what the head makes logits of, ``[B, T, C]``."""
        check_frames(frames, self._classifier[1])
        check_state(self.config, state, frames)
        count = state["frame_count"]
        new_state: State = {"frame_count": count + frames.shape[1]}
        per_frame = self._features(frames, state, new_state, frame_count=int(count))
        pooled, new_state["head_pool_sum"] = cumulative_mean(
            per_frame, state.get("head_pool_sum"), count
        )
        return pooled, new_state

    def _features(
        self, frames: Tensor, state: State, new_state: State, *, frame_count: int
    ) -> Tensor:
        batch = frames.shape[0]
        # Arrays of pictures have their channels innermost already: then this copies nothing.
        x = frames.permute(0, 1, 3, 4, 2).flatten(0, 1).contiguous()
        x = self._stem(x)
        for layer in self._layers:
            x = layer(x, batch, state, new_state, frame_count)
        x = self._project(x).mean(dim=(1, 2))
        return x.view(batch, -1, x.shape[1])

    def _classify(self, features: Tensor) -> Tensor:
        hidden = self._activate(functional.linear(features, *self._hidden))
        return functional.linear(hidden, *self._classifier)


class _Pointwise:
    """A 1x1 convolution with its activation, on ``[N, H, W, C]``.

    Args:
        weight: ``[out, in, 1, 1, 1]``.
        bias: ``[out]``.
        offset: ``[in]``, a constant that the input lacks.
        activation: Name, or None.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, offset: Tensor, activation: str | None
    ) -> None:
        self._kernel = weight[:, :, 0]
        matrix = weight[:, :, 0, 0, 0]
        self._bias = bias + matrix @ offset
        # Few rows are multiplied quickest by the matrix the other way round.
        self._matrix = matrix.t().contiguous()
        self._activate = _ACTIVATE_IN_PLACE[activation]
        self._activation = activation
        self._packed: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        num, rows, columns, channels = x.shape
        if num * rows * columns <= _FEW_PIXELS or not _has_onednn(x):
            out = torch.addmm(self._bias, x.view(-1, channels), self._matrix)
            return self._activate(out).view(num, rows, columns, -1)
        return _onednn(x, self._pack(x), self._bias, activation=self._activation)

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """Add the product, without its bias, to `residual` in place, and return that."""
        num, rows, columns, channels = x.shape
        if num * rows * columns <= _FEW_PIXELS or not _has_onednn(x):
            residual.view(-1, residual.shape[3]).addmm_(x.view(-1, channels), self._matrix)
            return residual
        torch.ops.mkldnn._convolution_pointwise_.binary(
            residual.permute(0, 3, 1, 2),
            x.permute(0, 3, 1, 2),
            self._pack(x),
            None,
            _NO_PADDING,
            _ONES,
            _ONES,
            1,
            "add",
            None,
            None,
            [],
            None,
        )
        return residual

    def _pack(self, x: Tensor) -> Tensor:
        if self._packed is None:
            self._packed = _pack(self._kernel, x, padding=_NO_PADDING, stride=_ONES, groups=1)
        return self._packed


class _Spatial:
    """A filter over rows and columns, dense or depthwise, with 'same' padding, ``[N, H, W, C]``.

    Args:
        weight: ``[out, in / groups, 1, k, k]``.
        bias: ``[out]``; None for none.
        stride: Over rows and columns.
        activation: Name, or None.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None, *, stride: int, activation: str | None
    ) -> None:
        self._kernel = weight[:, :, 0].contiguous()
        self._bias = bias
        self._stride = [stride, stride]
        self._activation = activation
        self._groups = 1 if weight.shape[1] > 1 else weight.shape[0]
        self._packed: dict[tuple[int, int], tuple[Tensor, list[int]]] = {}

    def __call__(self, x: Tensor) -> Tensor:
        size = (x.shape[1], x.shape[2])
        if size not in self._packed:
            if len(self._packed) >= _MAX_SIZES:
                self._packed.clear()
            self._packed[size] = self._prepare(x)
        kernel, padding = self._packed[size]
        if not _has_onednn(x):
            out = (
                functional.conv2d(
                    x.permute(0, 3, 1, 2),
                    kernel,
                    self._bias,
                    self._stride,
                    padding,
                    1,
                    self._groups,
                )
                .permute(0, 2, 3, 1)
                .contiguous()
            )
            return _ACTIVATE_IN_PLACE[self._activation](out)
        return _onednn(
            x,
            kernel,
            self._bias,
            padding=padding,
            stride=self._stride,
            groups=self._groups,
            activation=self._activation,
        )

    def _prepare(self, x: Tensor) -> tuple[Tensor, list[int]]:
        # A zero before the filter makes up for a place too much of padding before the picture.
        extent, stride = self._kernel.shape[-1], self._stride[0]
        rows = same_padding(x.shape[1], extent, stride)
        columns = same_padding(x.shape[2], extent, stride)
        kernel = functional.pad(self._kernel, (columns[1] - columns[0], 0, rows[1] - rows[0], 0))
        padding = [rows[1], columns[1]]
        if _has_onednn(x):
            kernel = _pack(kernel, x, padding=padding, stride=self._stride, groups=self._groups)
        return kernel, padding


class _Temporal:
    """A depthwise filter over time, on ``[B * T, H, W, C]`` and the frames before.

    Args:
        weight: ``[C, 1, k, 1, 1]``.
        bias: ``[C]``.
        activation: Name.
    """

    def __init__(self, weight: Tensor, bias: Tensor, activation: str) -> None:
        self._taps = list(weight[:, 0, :, 0, 0].t().contiguous())
        self._kernel = weight[..., 0]
        self._bias = bias
        self._activation = activation
        self._packed: Tensor | None = None

    def step(self, frames: list[Tensor]) -> Tensor:
        """Return one frame for as many frames ``[B, H, W, C]`` as the filter spans."""
        out = torch.addcmul(self._bias, frames[0], self._taps[0])
        for frame, tap in zip(frames[1:], self._taps[1:], strict=True):
            out.addcmul_(frame, tap)
        return _ACTIVATE_IN_PLACE[self._activation](out)

    def __call__(self, x: Tensor) -> Tensor:
        """Filter padded ``[B, T + k - 1, H, W, C]`` to ``[B * T, H, W, C]``."""
        batch, num_padded, rows, columns, channels = x.shape
        num_frames = num_padded - len(self._taps) + 1
        if not _has_onednn(x):
            return self.step(
                [x[:, i : i + num_frames].flatten(0, 1) for i in range(len(self._taps))]
            )
        # Frames as rows, pixels as columns: a two-dimensional filter of k by 1.
        plane = x.view(batch, num_padded, rows * columns, channels)
        if self._packed is None:
            self._packed = _pack(
                self._kernel, plane, padding=_NO_PADDING, stride=_ONES, groups=channels
            )
        out = _onednn(plane, self._packed, self._bias, groups=channels, activation=self._activation)
        return out.reshape(batch * num_frames, rows, columns, channels)


class _SpaceTime:
    """A depthwise filter over time and space in one: a spatial filter for each frame spanned."""

    def __init__(self, weight: Tensor, bias: Tensor, *, stride: int, activation: str) -> None:
        self._slices = [
            _Spatial(
                weight[:, :, i : i + 1], bias if i == 0 else None, stride=stride, activation=None
            )
            for i in range(weight.shape[2])
        ]
        self._activation = activation

    def step(self, frames: list[Tensor]) -> Tensor:
        """Return one frame for as many frames ``[N, H, W, C]`` as the filter spans."""
        out = self._slices[0](frames[0])
        for frame, spatial in zip(frames[1:], self._slices[1:], strict=True):
            out.add_(spatial(frame))
        return _ACTIVATE_IN_PLACE[self._activation](out)

    def __call__(self, x: Tensor) -> Tensor:
        """Filter padded ``[B, T + k - 1, H, W, C]`` to ``[B * T, H, W, C]``."""
        num_frames = x.shape[1] - len(self._slices) + 1
        return self.step([x[:, i : i + num_frames].flatten(0, 1) for i in range(len(self._slices))])


class _Layer:
    """One inverted bottleneck.

    Args:
        layer: The plain one.
        config: Of the network.
        offset: ``[in channels]``, a constant that the incoming residual path lacks.

    Attributes:
        offset: The same for the outgoing path.
    """

    def __init__(self, layer: Bottleneck, config: MovinetConfig, offset: Tensor) -> None:
        self._name = layer.name
        self._stride = layer.stride
        self._causal = config.causal
        activation = config.activation
        self._expansion = _Pointwise(*_fold(layer.expansion), offset, activation)
        feature = layer.feature
        self._num_past = feature.kernel_frames - 1
        self._past_keys = past_keys(layer.name, self._num_past)
        weight, bias = _fold(feature)
        self._spatial: _Spatial | None = None
        self._across_time: _Temporal | _SpaceTime | None = None
        if self._num_past == 0 or feature.is_split:
            self._spatial = _Spatial(weight, bias, stride=layer.stride, activation=activation)
            if feature.is_split:
                folded = _fold_pair(feature.temporal_conv.weight, feature.temporal_norm)
                self._across_time = _Temporal(*folded, activation)
        else:
            self._across_time = _SpaceTime(weight, bias, stride=layer.stride, activation=activation)
        self._excitation: SqueezeExcitation | None = copy.deepcopy(layer.squeeze_excitation)
        weight, bias = _fold(layer.projection)
        scale = layer.residual_scale
        self._projection = _Pointwise(
            weight * scale, bias * scale, bias.new_zeros(()).expand(weight.shape[1]), None
        )
        self._skip: _Pointwise | None = None
        self.offset = bias * scale
        if layer.skip is None:
            self.offset = self.offset + offset
        else:  # the projection of the skip makes up for what its input lacks
            self._skip = _Pointwise(*_fold(layer.skip), offset, None)

    def __call__(
        self, x: Tensor, batch: int, state: State, new_state: State, frame_count: int
    ) -> Tensor:
        """Run on ``[B * T, H, W, C]``; `x` is overwritten."""
        expanded = self._expansion(x)
        residual = x
        if self._skip is not None:
            residual = self._skip(_average_pool(x) if self._stride > 1 else x)
        if self._spatial is not None:
            expanded = self._spatial(expanded)
        if self._across_time is not None:
            expanded = self._filter_time(self._across_time, expanded, batch, state, new_state)
        if self._excitation is not None:
            expanded = self._excite(expanded, batch, state, new_state, frame_count)
        return self._projection.add_to(residual, expanded)

    def _filter_time(
        self,
        across_time: _Temporal | _SpaceTime,
        x: Tensor,
        batch: int,
        state: State,
        new_state: State,
    ) -> Tensor:
        past = past_of(self._name, state)
        num_past = self._num_past
        if past and x.shape[0] == batch:
            # One frame a video: nothing is copied, the state just holds on to it.
            frames = [*past[::-1], x]
            self._keep(frames, new_state)
            return across_time.step(frames)
        chunk = x.view(batch, -1, *x.shape[1:])
        if past:
            full = torch.cat([*(frame[:, None] for frame in past[::-1]), chunk], dim=1)
        else:
            before = num_past if self._causal else num_past // 2
            full = functional.pad(chunk, (0, 0, 0, 0, 0, 0, before, num_past - before))
        if self._causal:
            # Copied, so that the state does not keep the whole chunk alive.
            self._keep([full[:, -n].clone() for n in range(num_past, 0, -1)], new_state)
        return across_time(full)

    def _keep(self, frames: list[Tensor], new_state: State) -> None:
        new_state.update(zip(self._past_keys, reversed(frames[-self._num_past :]), strict=True))

    def _excite(
        self, x: Tensor, batch: int, state: State, new_state: State, frame_count: int
    ) -> Tensor:
        assert self._excitation is not None
        key = f"{self._name}_pool_sum"
        per_frame = x.mean(dim=(1, 2)).view(batch, -1, x.shape[3])
        count = torch.tensor(frame_count, device=x.device)
        weights, pool_sum = self._excitation.weights(per_frame, state.get(key), count)
        if pool_sum is not None:
            new_state[key] = pool_sum
        weights = weights.expand_as(per_frame).reshape(x.shape[0], 1, 1, -1)
        return x.mul_(weights)


def _average_pool(x: Tensor) -> Tensor:
    """Average ``[N, H, W, C]`` over 3x3 pixels at stride 2; padding does not count."""
    # A depthwise filter is several times quicker than PyTorch's pooling; at the edges it divides
    # by 9 what is a sum of fewer.
    out = _sum_filter(x.shape[3])(x)
    return out.mul_(_edge_weights(x.shape[1], x.shape[2]).to(out))


@lru_cache(maxsize=_MAX_SIZES)
def _edge_weights(rows: int, columns: int) -> Tensor:
    """Return 9 over the number of pixels under each place of the filter, ``[H, W, 1]``."""
    along = []
    for length in (rows, columns):
        before, after = same_padding(length, 3, 2)
        num_places = -(-length // 2)
        num_pixels = torch.full((num_places,), 3.0)
        num_pixels[0] -= before
        num_pixels[-1] -= after
        along.append(3 / num_pixels)
    return (along[0][:, None] * along[1])[..., None]


@cache
def _sum_filter(channels: int) -> _Spatial:
    return _Spatial(torch.full((channels, 1, 1, 3, 3), 1 / 9), None, stride=2, activation=None)


def _fold(block: ConvNorm) -> tuple[Tensor, Tensor]:
    return _fold_pair(block.conv.weight, block.norm)


def _fold_pair(weight: Tensor, norm: torch.nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return kernel and bias of a convolution followed by batch norm, computed in float64."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    scale = norm.weight.double() / torch.sqrt(variance.double() + norm.eps)
    bias = norm.bias.double() - mean.double() * scale
    folded = weight.double() * scale[:, None, None, None, None]
    return folded.to(weight.dtype), bias.to(weight.dtype)


def _linear(layer: torch.nn.Linear) -> tuple[Tensor, Tensor]:
    return layer.weight.detach().clone(), layer.bias.detach().clone()


def _has_onednn(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32 and _ONEDNN


def _find_onednn() -> bool:
    # These operators are what PyTorch's own compiler emits; not every build has them.
    names = ("_convolution_pointwise", "_convolution_pointwise_", "_reorder_convolution_weight")
    return torch._C._has_mkldnn and all(hasattr(torch.ops.mkldnn, name) for name in names)


_ONEDNN = _find_onednn()


def _pack(
    kernel: Tensor, x: Tensor, *, padding: list[int], stride: list[int], groups: int
) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
        kernel.contiguous(),
        padding,
        stride,
        _ONES,
        groups,
        [x.shape[0], x.shape[3], x.shape[1], x.shape[2]],
    )
    return packed


def _onednn(
    x: Tensor,
    packed: Tensor,
    bias: Tensor | None,
    *,
    padding: list[int] = _NO_PADDING,
    stride: list[int] = _ONES,
    groups: int = 1,
    activation: str | None = None,
) -> Tensor:
    name, scalars, algorithm = _FUSED[activation]
    out: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x.permute(0, 3, 1, 2),
        packed,
        bias,
        padding,
        stride,
        _ONES,
        groups,
        name,
        scalars,
        algorithm,
    )
    return out.permute(0, 2, 3, 1)
