"""What a MoViNet is made of, as data: no tensors and no torch here.

The block tables are those of the paper (arXiv 2103.11511, tables 8 to 13) as the official
definitions state them (public repository tensorflow/models,
``official/projects/movinet/modeling/movinet.py``). Size "xs" is vidlab's own: A0 with fewer and
narrower layers.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any

from vidlab.core.errors import OptionError, did_you_mean

SIZES = ("xs", "a0", "a1", "a2", "a3", "a4", "a5")
CONV_TYPES = ("3d", "2plus1d", "3d_2plus1d")
SE_TYPES = ("3d", "2d", "2plus3d", "none")
ACTIVATIONS = ("swish", "hard_swish", "relu6")
GATING_ACTIVATIONS = ("sigmoid", "hard_sigmoid")

BATCH_NORM_EPSILON = 1e-3
"""Epsilon of every batch norm, as the official configuration sets it."""

# Width of the layer before the classifier.
_HIDDEN_CHANNELS, _HIDDEN_CHANNELS_XS = 2048, 512

# Kernels (frames, rows and columns) are written as in the official table: K53 is 5x3x3.
_KERNELS = {"13": (1, 3), "15": (1, 5), "33": (3, 3), "53": (5, 3)}

# Input side in pixels (official README), stem channels, channels before the head's pooling,
# then for each block: output channels, expanded channels of its layers, kernels of its layers.
_BlockRow = tuple[int, tuple[int, ...], str]
_SIZES: dict[str, tuple[int, int, int, tuple[_BlockRow, ...]]] = {
    "xs": (
        128,
        8,
        256,
        (
            (8, (24,), "15"),
            (24, (64, 64), "33 33"),
            (40, (112, 88), "53 33"),
            (40, (112, 112), "53 33"),
            (72, (208, 168), "53 15"),
        ),
    ),
    "a0": (
        172,
        8,
        480,
        (
            (8, (24,), "15"),
            (32, (80, 80, 80), "33 33 33"),
            (56, (184, 112, 184), "53 33 33"),
            (56, (184, 184, 184, 184), "53 33 33 33"),
            (104, (384, 280, 280, 344), "53 15 15 15"),
        ),
    ),
    "a1": (
        172,
        16,
        600,
        (
            (16, (40, 40), "15 33"),
            (40, (96, 120, 96, 96), "33 33 33 33"),
            (64, (216, 128, 216, 168, 216), "53 33 33 33 33"),
            (64, (216, 216, 216, 128, 128, 216), "53 33 33 33 15 33"),
            (136, (456, 360, 360, 360, 456, 456, 544), "53 15 15 15 15 33 13"),
        ),
    ),
    "a2": (
        224,
        16,
        640,
        (
            (16, (40, 40, 64), "15 33 33"),
            (40, (96, 120, 96, 96, 120), "33 33 33 33 33"),
            (72, (240, 160, 240, 192, 240), "53 33 33 33 33"),
            (72, (240, 240, 240, 240, 144, 240), "53 33 33 33 15 33"),
            (144, (480, 384, 384, 480, 480, 480, 576), "53 15 15 15 15 33 13"),
        ),
    ),
    "a3": (
        256,
        16,
        744,
        (
            (16, (40, 40, 64, 40), "15 33 33 33"),
            (48, (112, 144, 112, 112, 144, 144), "33 33 33 15 33 33"),
            (80, (240, 152, 240, 192, 240), "53 33 33 33 33"),
            (88, (264, 264, 264, 264, 160, 264, 264, 264), "53 33 33 33 15 33 33 33"),
            (
                168,
                (560, 448, 448, 560, 560, 560, 448, 448, 560, 672),
                "53 15 15 15 15 33 15 15 33 13",
            ),
        ),
    ),
    "a4": (
        290,
        24,
        856,
        (
            (24, (64, 64, 96, 64, 96, 64), "15 33 33 33 33 33"),
            (56, (168, 168, 136, 136, 168, 168, 168, 136, 136), "33 33 33 33 33 33 33 15 33"),
            (96, (320, 160, 320, 192, 320, 160, 320, 256, 320), "53 33 33 33 33 33 33 33 33"),
            (
                96,
                (320, 320, 320, 320, 192, 320, 320, 192, 320, 320),
                "53 33 33 33 15 33 33 33 33 33",
            ),
            (
                192,
                (640, 512, 512, 640, 640, 640, 512, 512, 640, 768, 640, 640, 768),
                "53 15 15 15 15 33 15 15 15 15 15 33 33",
            ),
        ),
    ),
    "a5": (
        320,
        24,
        992,
        (
            (24, (64, 64, 96, 64, 96, 64), "15 15 33 33 33 33"),
            (
                64,
                (192, 152, 152, 152, 192, 192, 192, 152, 152, 192, 192),
                "53 33 33 33 33 33 33 33 33 33 33",
            ),
            (
                112,
                (376, 224, 376, 376, 296, 376, 224, 376, 376, 296, 376, 376, 376),
                "53 33 33 33 33 33 33 33 33 33 33 33 33",
            ),
            (
                120,
                (376, 376, 376, 376, 224, 376, 376, 224, 376, 376, 376),
                "53 33 33 33 15 33 33 33 33 33 33",
            ),
            (
                224,
                (
                    744,
                    744,
                    600,
                    600,
                    744,
                    744,
                    744,
                    896,
                    600,
                    600,
                    896,
                    744,
                    744,
                    896,
                    600,
                    600,
                    744,
                    744,
                ),
                "53 33 15 15 15 15 33 15 15 15 15 15 33 15 15 15 15 33",
            ),
        ),
    ),
}

_STRIDES = (2, 2, 2, 1, 2)  # of the first layer of each block, over rows and columns


@dataclass(frozen=True)
class LayerSpec:
    """One inverted bottleneck: expand, filter depthwise, (squeeze and excite), project, add.

    Attributes:
        name: Official name, such as ``"block1_layer0"``.
        in_channels: Channels that come in.
        expanded_channels: Channels between expansion and projection.
        out_channels: Channels that go out.
        kernel_frames: Extent of the depthwise filter in time.
        kernel_px: Extent of the depthwise filter in rows and columns.
        stride: Stride over rows and columns (time is never strided).
        se_channels: Hidden channels of the squeeze-excitation, 0 for none.
    """

    name: str
    in_channels: int
    expanded_channels: int
    out_channels: int
    kernel_frames: int
    kernel_px: int
    stride: int
    se_channels: int

    @property
    def has_skip_projection(self) -> bool:
        """Whether the residual path is pooled and projected instead of passed through."""
        return self.stride > 1 or self.in_channels != self.out_channels


@dataclass(frozen=True)
class MovinetConfig:
    """Which MoViNet: everything that decides its layers and what they compute.

    Attributes:
        size: ``"a0"`` to ``"a5"``, or ``"xs"``.
        causal: A stream model, which sees the past only and can go frame by frame.
        conv_type: ``"3d"``; or ``"2plus1d"`` and ``"3d_2plus1d"``, a spatial then a temporal
            convolution, which compute the same and differ in the official layer names only.
        se_type: What squeeze-excitation averages over: ``"3d"`` frames and pixels, ``"2d"`` the
            pixels of each frame, ``"2plus3d"`` both, side by side; ``"none"`` leaves it out.
        activation: ``"swish"``, ``"hard_swish"`` or ``"relu6"``.
        gating_activation: ``"sigmoid"`` or ``"hard_sigmoid"``, the gate of squeeze-excitation.
        head_activation: Activation between the two layers of the classifier; None for the same
            as `activation`.
        positional_encoding: Add a sinusoid of the frame number before squeeze-excitation's two
            layers (the official A3 to A5 stream models); causal models only.
        num_classes: Length of the logits.

    Raises:
        OptionError: A value is not one of those listed; the message lists them.
    """

    size: str
    causal: bool = False
    conv_type: str = "3d"
    se_type: str = "3d"
    activation: str = "swish"
    gating_activation: str = "sigmoid"
    head_activation: str | None = None
    positional_encoding: bool = False
    num_classes: int = 600

    def __post_init__(self) -> None:
        _check("size", self.size, SIZES)
        _check("conv_type", self.conv_type, CONV_TYPES)
        _check("se_type", self.se_type, SE_TYPES)
        _check("activation", self.activation, ACTIVATIONS)
        _check("gating_activation", self.gating_activation, GATING_ACTIVATIONS)
        if self.head_activation is not None:
            _check("head_activation", self.head_activation, ACTIVATIONS)
        for name in ("causal", "positional_encoding"):
            if not isinstance(getattr(self, name), bool):
                raise OptionError(f"{name} must be True or False; got {getattr(self, name)!r}.")
        if type(self.num_classes) is not int or not 1 <= self.num_classes <= 1_000_000:
            raise OptionError(
                f"num_classes must be a whole number from 1 to 1000000; got {self.num_classes!r}."
            )
        if self.positional_encoding and (not self.causal or self.se_type == "none"):
            raise OptionError(
                "positional_encoding needs a stream model (causal=True) with squeeze-excitation; "
                f"got causal={self.causal}, se_type={self.se_type!r}."
            )

    @classmethod
    def official(
        cls,
        size: str,
        kind: str = "base",
        *,
        conv_type: str | None = None,
        se_type: str | None = None,
        activation: str | None = None,
        gating_activation: str | None = None,
        head_activation: str | None = None,
        positional_encoding: bool | None = None,
        num_classes: int = 600,
    ) -> MovinetConfig:
        """Return the configuration of the published weights, with what is given changed.

        Base models are 3d, squeeze-excitation 3d, swish and sigmoid. Stream models are 2plus1d,
        squeeze-excitation 2plus3d, hard-swish and hard-sigmoid, from A3 on with positional
        encoding (where there is squeeze-excitation to add it to).

        Args:
            size: ``"a0"`` to ``"a5"``, or ``"xs"``, in either case.
            kind: ``"base"`` or ``"stream"``.
            conv_type: See the class.
            se_type: See the class.
            activation: See the class.
            gating_activation: See the class.
            head_activation: See the class.
            positional_encoding: See the class.
            num_classes: See the class.

        Raises:
            OptionError: A value is unknown.
        """
        _check("kind", kind, ("base", "stream"))
        size = size.lower() if isinstance(size, str) else size
        stream = kind == "stream"
        se_type = se_type or ("2plus3d" if stream else "3d")
        if positional_encoding is None:
            positional_encoding = stream and size in ("a3", "a4", "a5") and se_type != "none"
        return cls(
            size=size,
            causal=stream,
            conv_type=conv_type or ("2plus1d" if stream else "3d"),
            se_type=se_type,
            activation=activation or ("hard_swish" if stream else "swish"),
            gating_activation=gating_activation or ("hard_sigmoid" if stream else "sigmoid"),
            head_activation=head_activation,
            positional_encoding=positional_encoding,
            num_classes=num_classes,
        )

    @property
    def kind(self) -> str:
        """``"stream"`` for a causal model, else ``"base"``."""
        return "stream" if self.causal else "base"

    @property
    def image_size_px(self) -> int:
        """Side of the square pictures the published weights were trained on."""
        return _SIZES[self.size][0]

    @property
    def stem_channels(self) -> int:
        """Channels after the first convolution."""
        return _SIZES[self.size][1]

    @property
    def head_channels(self) -> int:
        """Channels that are averaged over pixels and frames before the classifier."""
        return _SIZES[self.size][2]

    @property
    def hidden_channels(self) -> int:
        """Channels between the two layers of the classifier."""
        return _HIDDEN_CHANNELS_XS if self.size == "xs" else _HIDDEN_CHANNELS

    @property
    def splits_time(self) -> bool:
        """Whether a filter over time and space is two filters, space first."""
        return self.conv_type != "3d"

    @property
    def layers(self) -> tuple[LayerSpec, ...]:
        """The inverted bottlenecks, in order."""
        return _layers_of(self)

    def to_json(self) -> str:
        """Return the configuration as one line of JSON, as stored beside the weights."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> MovinetConfig:
        """Read what :meth:`to_json` wrote.

        Raises:
            OptionError: The text is not JSON, or not the fields of a configuration.
        """
        try:
            values: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise OptionError(f"A MoViNet configuration must be JSON; {error}.") from error
        known = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or not {"size"} <= values.keys() <= known:
            got = sorted(values) if isinstance(values, dict) else type(values).__name__
            raise OptionError(
                f"A MoViNet configuration has the fields {', '.join(sorted(known))}; got {got}."
            )
        return cls(**values)


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after an axis that TensorFlow's 'same' padding adds.

    The output has ``ceil(length / stride)`` places; where the zeros are odd in number the
    extra one goes after, which symmetric padding cannot express.
    """
    num_out = -(-length // stride)
    total = max((num_out - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


@cache
def _layers_of(config: MovinetConfig) -> tuple[LayerSpec, ...]:
    layers = []
    channels = config.stem_channels
    for block, (out_channels, widths, kernels) in enumerate(_SIZES[config.size][3]):
        for layer, (width, kernel) in enumerate(zip(widths, kernels.split(), strict=True)):
            kernel_frames, kernel_px = _KERNELS[kernel]
            layers.append(
                LayerSpec(
                    name=f"block{block}_layer{layer}",
                    in_channels=channels,
                    expanded_channels=width,
                    out_channels=out_channels,
                    kernel_frames=kernel_frames,
                    kernel_px=kernel_px,
                    stride=_STRIDES[block] if layer == 0 else 1,
                    se_channels=_se_channels(width, config.se_type),
                )
            )
            channels = out_channels
    return tuple(layers)


def _se_channels(expanded_channels: int, se_type: str) -> int:
    # A quarter of the channels that go in (twice as many for 2plus3d), as a multiple of 8 that
    # is at least 8 and at least nine tenths of that quarter.
    if se_type == "none":
        return 0
    wanted = 0.25 * expanded_channels * (2 if se_type == "2plus3d" else 1)
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def _check(name: str, value: object, known: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in known:
        hint = did_you_mean(value, known) if isinstance(value, str) else ""
        raise OptionError(f"{name} must be one of {', '.join(known)}; got {value!r}.{hint}")
