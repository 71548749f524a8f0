"""Logits against those of the official TensorFlow code.

``golden/`` of the shared data holds some for random weights; ``test_movinet_golden.npz`` here
holds more kinds, made the same way by tf-models-official 2.20.0, but for two things: ten
classes, and residual scales from 0.05 to 0.25, which keep deep networks from being chaotic.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vidlab.models.convert import load_tf_variables
from vidlab.models.movinet import MoViNet, MovinetConfig

TAME = (0.05, 0.25)

# size, kind, conv_type, se_type, activation, gating_activation, positional encoding, rows, columns
OWN_CASES = [
    ("a5", "base", "3d", "3d", "swish", "sigmoid", False, 64, 64),
    ("a3", "base", "3d", "3d", "swish", "sigmoid", False, 50, 66),
    ("a4", "base", "3d_2plus1d", "2d", "swish", "hard_sigmoid", False, 45, 64),
    ("a1", "base", "2plus1d", "2plus3d", "hard_swish", "hard_sigmoid", False, 52, 47),
    ("a0", "stream", "3d_2plus1d", "3d", "swish", "sigmoid", False, 50, 50),
    ("a3", "stream", "2plus1d", "2plus3d", "hard_swish", "hard_sigmoid", True, 50, 66),
    ("a2", "stream", "3d", "2d", "relu6", "hard_sigmoid", False, 46, 61),
    ("a4", "stream", "3d_2plus1d", "3d", "swish", "sigmoid", True, 64, 49),
    ("a1", "stream", "3d", "none", "hard_swish", "sigmoid", False, 47, 48),
    ("a5", "stream", "2plus1d", "2plus3d", "hard_swish", "hard_sigmoid", True, 48, 48),
]
GOLDEN_FILES = [
    "movinet_a0_base_3d_se-3d_swish",
    "movinet_a0_stream_2plus1d_se-2plus3d_hard_swish",
    "movinet_a0_stream_2plus1d_se-none_relu6",
    "movinet_a1_stream_3d_se-2plus3d_swish",
    "movinet_a2_base_3d_se-3d_swish",
    "movinet_a2_stream_2plus1d_se-2plus3d_hard_swish",
]


def variable_value(
    name: str, shape: tuple[int, ...], scales: tuple[float, float] = (0.5, 1.5)
) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    rng = np.random.default_rng(seed)
    leaf = name.rpartition("/")[2]
    if leaf in ("kernel", "depthwise_kernel"):
        fan_in = np.prod(shape[: -1 if leaf == "kernel" else -2])
        value = rng.standard_normal(shape) * np.sqrt(2 / fan_in)
    elif leaf == "scale":
        value = np.asarray(rng.uniform(*scales, shape))
    elif leaf in ("gamma", "moving_variance"):
        value = rng.uniform(0.5, 1.5, shape)
    else:
        value = rng.uniform(-0.1, 0.1, shape)
    return np.asarray(value, dtype=np.float32)


def picture(num_frames: int, rows: int, columns: int) -> torch.Tensor:
    t, y, x, c = np.meshgrid(*map(np.arange, (num_frames, rows, columns, 3)), indexing="ij")
    values = 0.5 + 0.5 * np.sin(0.11 * x + 0.07 * y * (c + 1) + 0.9 * t + c)
    return torch.from_numpy(values.astype(np.float32)[None]).permute(0, 1, 4, 2, 3)


def official_variables(config: MovinetConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes as Keras gives them to the official network, written down independently."""
    flat, split = config.conv_type == "2plus1d", config.conv_type != "3d"
    found: dict[str, tuple[int, ...]] = {}

    def conv(place, number, shape, *, depthwise=False, temporal=False, bias=False, norm=True):
        inner = ("conv2d" if flat else "conv3d") + ("_temporal" if temporal else "")
        if flat:
            kind = "depthwise_conv2d" if depthwise else "conv2d"
            layer = f"{inner}/{kind}" + (f"_{number}" if number else "")
            (t, h, w, i, o) = shape
            plane = (t, 1) if temporal else (h, w)
            shape = (*plane, o, 1) if depthwise else (*plane, i, o)
            leaf = "depthwise_kernel" if depthwise else "kernel"
        else:
            layer, leaf = inner, "kernel"
        found[f"{place}/{layer}/{leaf}"] = shape
        channels = shape[-2] if flat and depthwise else shape[-1]
        if bias:
            found[f"{place}/{layer}/bias"] = (channels,)
        if norm:
            scope = f"{place}/{inner}" if flat else place
            for part in ("gamma", "beta", "moving_mean", "moving_variance"):
                found[f"{scope}/bn{'_temporal' if temporal else ''}/{part}"] = (channels,)

    conv("stem/stem", 0, (1, 3, 3, 3, config.stem_channels))
    for layer in config.layers:
        place, width = f"{layer.name}/bneck", layer.expanded_channels
        conv(f"{place}/expansion", 0, (1, 1, 1, layer.in_channels, width))
        frames, px = layer.kernel_frames, layer.kernel_px
        together = frames if not split else 1
        conv(f"{place}/feature", 0, (together, px, px, 1, width), depthwise=True)
        if split and frames > 1:
            conv(f"{place}/feature", 1, (frames, 1, 1, 1, width), depthwise=True, temporal=True)
        number = 1
        if layer.se_channels:
            num_in = width * (2 if config.se_type == "2plus3d" else 1)
            conv(
                f"{place}/se/se_reduce",
                1,
                (1, 1, 1, num_in, layer.se_channels),
                bias=True,
                norm=False,
            )
            conv(
                f"{place}/se/se_expand",
                2,
                (1, 1, 1, layer.se_channels, width),
                bias=True,
                norm=False,
            )
            number = 3
        conv(f"{place}/projection", number, (1, 1, 1, width, layer.out_channels))
        if layer.has_skip_projection:
            conv(
                f"{place}/skip/skip_project",
                number + 1,
                (1, 1, 1, layer.in_channels, layer.out_channels),
            )
        found[f"{layer.name}/scale"] = ()
    if config.positional_encoding:
        found["scale"] = ()
    conv("head/project", 0, (1, 1, 1, config.layers[-1].out_channels, config.head_channels))
    conv("classifier_head/head", 0, (1, 1, 1, config.head_channels, 2048), bias=True, norm=False)
    conv(
        "classifier_head/classifier", 1, (1, 1, 1, 2048, config.num_classes), bias=True, norm=False
    )
    return found


def relative_error(got: torch.Tensor, expected: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(got.numpy() - expected) / np.linalg.norm(expected))


def from_json(path: Path) -> tuple[MovinetConfig, MoViNet, torch.Tensor]:
    about = json.loads(path.read_text())
    config = MovinetConfig.official(
        about["model"],
        about["kind"],
        conv_type=about["conv_type"],
        se_type=about["se_type"],
        activation=about["activation"],
        gating_activation=about["gating_activation"],
        positional_encoding=about["positional_encoding"],
        num_classes=about["num_classes"],
    )
    names = {name: tuple(shape) for name, shape in about["variables"]}
    assert official_variables(config) == names
    model = MoViNet(config).eval()
    load_tf_variables(model, {n: variable_value(n, s) for n, s in names.items()})
    size = about["image_size"]
    return config, model, picture(about["num_frames"], size, size)


@torch.no_grad()
def check(config, model, clip, expected, prefix, tolerance):
    for network in (model, model.for_inference()):
        assert relative_error(network(clip)[0], expected[f"{prefix}whole"]) <= tolerance
        if config.causal:
            state, steps = network.init_state(), []
            for i in range(clip.shape[1]):
                logits, state = network.step(clip[:, i : i + 1], state)
                steps.append(logits[0, 0])
            assert relative_error(torch.stack(steps), expected[f"{prefix}steps"]) <= tolerance


@pytest.mark.parametrize("name", GOLDEN_FILES)
def test_official_logits(golden: Path, name: str) -> None:
    # A2 base has residuals so large that 1e-4 is beyond float32.
    tolerance = 1e-3 if "a2_base" in name or "a1_stream" in name else 1e-4
    with np.load(golden / f"{name}.npz") as expected:
        check(*from_json(golden / f"{name}.json"), expected, "", tolerance)


def test_every_golden_file_is_looked_at(golden: Path) -> None:
    assert {p.stem for p in golden.glob("*.json")} - set(GOLDEN_FILES) <= {
        "movinet_a5_base_3d_se-3d_swish"  # see the next test
    }


def test_golden_a5_is_beyond_float32(golden: Path) -> None:
    # Its layers, shapes and names are checked; its logits cannot be. With those residual scales
    # the network is chaotic: one rounding of the input moves them by a tenth and more, and the
    # official code does not meet its own file either (0.42 relative, on another processor).
    # A5 is compared with the official logits below, with smaller scales.
    _, model, clip = from_json(golden / "movinet_a5_base_3d_se-3d_swish.json")
    model = model.double()
    with torch.no_grad():
        logits = model(clip.double())
        nudged = model(clip.double() * (1 + 1e-7))
    assert float((logits - nudged).norm() / logits.norm()) > 0.1


@pytest.mark.parametrize("case", OWN_CASES, ids=lambda case: "-".join(map(str, case[:5])))
def test_official_logits_of_other_kinds(case: tuple) -> None:
    size, kind, conv_type, se_type, activation, gating, encoding, rows, columns = case
    config = MovinetConfig.official(
        size,
        kind,
        conv_type=conv_type,
        se_type=se_type,
        activation=activation,
        gating_activation=gating,
        positional_encoding=encoding,
        num_classes=10,
    )
    model = MoViNet(config).eval()
    load_tf_variables(
        model,
        {
            name: variable_value(name, shape, TAME)
            for name, shape in official_variables(config).items()
        },
    )
    prefix = f"{size}_{kind}_{conv_type}_{se_type}_{activation}_{gating}/"
    with np.load(Path(__file__).with_suffix(".npz")) as expected:
        check(config, model, picture(6, rows, columns), expected, prefix, 1e-4)
