"""From the official TensorFlow variables to the parameters of :class:`MoViNet`, by name.

A name is read part by part, so the numbers that Keras appends (``conv2d_1``, ``conv2d_3``),
which depend on the order layers were built in, do not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidlab.core.errors import WeightsError, did_you_mean
from vidlab.models.movinet.network import MoViNet
from vidlab.models.movinet.spec import BATCH_NORM_EPSILON, MovinetConfig

_PLACE = re.compile(
    r"(?:^|.*/)(?:"
    r"(?P<stem>stem/stem)"
    r"|(?P<layer>block\d+_layer\d+)(?:/bneck)?/(?P<unit>expansion|feature|projection"
    r"|skip/skip_project|se/se_reduce|se/se_expand)"
    r"|(?P<head>head/project)"
    r"|classifier_head/(?P<dense>head|classifier)"
    r")/(?P<inner>.+)$"
)
_RESIDUAL_SCALE = re.compile(r"(?:^|.*/)(block\d+_layer\d+)(?:/bneck)?(?:/rezero)?/scale$")
_POSITION_SCALE = re.compile(r"(?:^|.*/)(block\d+_layer\d+)(?:/bneck)?/se/.*scale$")
_NORM_OF = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def parameters_of(variable_name: str, config: MovinetConfig) -> tuple[str, ...]:
    """Return the parameters a TensorFlow variable goes to; none where the name is not known.

    One name goes to several parameters in one case only: Keras calls the weight of every
    layer's positional encoding just ``scale``.

    Args:
        variable_name: Official name, such as ``"block0_layer0/bneck/expansion/conv3d/kernel"``;
            a prefix, a suffix ``":0"`` and any Keras numbering are allowed.
        config: Of the network the parameters are for.
    """
    name = variable_name.partition(":")[0]
    if re.fullmatch(r"(?:rezero/)?scale", name):
        if not config.positional_encoding:
            return ()
        return tuple(
            f"layers.{layer.name}.squeeze_excitation.position_scale" for layer in config.layers
        )
    if match := _POSITION_SCALE.fullmatch(name):
        return (f"layers.{match[1]}.squeeze_excitation.position_scale",)
    if match := _RESIDUAL_SCALE.fullmatch(name):
        return (f"layers.{match[1]}.residual_scale",)
    if (match := _PLACE.fullmatch(name)) is None:
        return ()
    leaf = match["inner"].rpartition("/")[2]
    if match["dense"]:
        place = "head.hidden" if match["dense"] == "head" else "head.classifier"
    elif match["layer"] and match["unit"].startswith("se/"):
        unit = match["unit"].removeprefix("se/se_")
        place = f"layers.{match['layer']}.squeeze_excitation.{unit}"
    else:
        place = "stem" if match["stem"] else "head.project"
        if match["layer"]:
            place = f"layers.{match['layer']}.{match['unit'].partition('/')[0]}"
        temporal = "temporal_" if "_temporal" in match["inner"] else ""
        if leaf in _NORM_OF:
            return (f"{place}.{temporal}norm.{_NORM_OF[leaf]}",)
        if leaf == "bias":  # in the stead of a batch norm that was folded into the kernel
            return (f"{place}.{temporal}norm.bias",)
        return (f"{place}.{temporal}conv.weight",) if leaf.endswith("kernel") else ()
    return (
        (f"{place}.{'weight' if leaf == 'kernel' else leaf}",) if leaf in ("kernel", "bias") else ()
    )


def state_dict_from_tensorflow(
    config: MovinetConfig, variables: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Lay the official variables out as the parameters of a MoViNet.

    Args:
        config: Of the network.
        variables: Name to array, in TensorFlow's layouts: kernels ``[(t,) h, w, in, out]``,
            depthwise kernels ``[h, w, channels, 1]``. A convolution may have a bias in the stead
            of its batch norm; then a missing residual scale is folded in likewise.

    Returns:
        What :meth:`MoViNet.load_state_dict` takes, float32.

    Raises:
        WeightsError: A variable is unknown, missing, or of the wrong shape.
    """
    shapes = parameter_shapes(config)
    state: dict[str, Tensor] = {}
    for name, value in variables.items():
        targets = parameters_of(name, config)
        if not targets or not shapes.keys() >= set(targets):
            raise WeightsError(
                f"The variable {name!r} has no place in {describe(config)}. Check size, conv_type "
                f"and se_type of the configuration." + did_you_mean(name, variables.keys() - {name})
            )
        for target in targets:
            state[target] = _lay_out(name, np.asarray(value), target, shapes[target])
            if target.endswith("norm.bias") and name.partition(":")[0].endswith("/bias"):
                state = {**_norm_that_adds(target, shapes), **state}
    check_complete(config, state, shapes)
    return state


def load_tf_variables(model: MoViNet, variables: Mapping[str, Any]) -> None:
    """Load the official TensorFlow variables into `model`, in place.

    Args:
        model: Of the same configuration as the network the variables are from.
        variables: See :func:`state_dict_from_tensorflow`.

    Raises:
        WeightsError: A variable is unknown, missing, or of the wrong shape.
    """
    model.load_state_dict(state_dict_from_tensorflow(model.config, variables))


def parameter_shapes(config: MovinetConfig) -> dict[str, tuple[int, ...]]:
    """Return name and shape of every parameter and statistic of a MoViNet, in order."""
    with torch.device("meta"):
        model = MoViNet(config)
    return {
        name: tuple(value.shape)
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def check_complete(
    config: MovinetConfig, state: Iterable[str], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise WeightsError unless every parameter in `shapes` has a value in `state`."""
    missing = sorted(shapes.keys() - set(state))
    if missing:
        raise WeightsError(
            f"{len(missing)} of the {len(shapes)} parameters of {describe(config)} have no value: "
            f"{', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}. Check size, conv_type "
            "and se_type of the configuration."
        )


def describe(config: MovinetConfig) -> str:
    """Name a configuration in an error message."""
    return (
        f"MoViNet-{config.size.upper()} {config.kind} ({config.conv_type}, squeeze-excitation "
        f"{config.se_type})"
    )


def _norm_that_adds(bias: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Return the rest of a batch norm that does nothing but add its bias."""
    norm = bias.removesuffix("bias")
    ones = torch.ones(shapes[bias])
    found = {
        f"{norm}weight": ones,
        f"{norm}running_mean": torch.zeros_like(ones),
        f"{norm}running_var": ones - BATCH_NORM_EPSILON,
    }
    scale = bias.replace("projection.norm.bias", "residual_scale")
    return found if scale == bias else {**found, scale: torch.ones(())}


def _lay_out(name: str, value: NDArray[Any], target: str, shape: tuple[int, ...]) -> Tensor:
    laid = value
    if target.endswith(
        ("conv.weight", "hidden.weight", "classifier.weight", "reduce.weight", "expand.weight")
    ):
        if name.partition(":")[0].endswith("depthwise_kernel"):
            laid = np.swapaxes(value, -1, -2) if value.ndim >= 2 else value
        if laid.ndim == 4:
            # Two-dimensional kernels lack time, or (temporal ones) rows.
            laid = laid[:, None] if "temporal_conv" in target else laid[None]
        if laid.ndim == 5:
            laid = laid.transpose(4, 3, 0, 1, 2)
            laid = laid[:, :, 0, 0, 0] if len(shape) == 2 and laid.shape[2:] == (1, 1, 1) else laid
    if laid.shape != shape or laid.dtype.kind != "f":
        raise WeightsError(
            f"The variable {name!r} must be floats that fit {target} {list(shape)}; got "
            f"{value.dtype} {list(value.shape)}. Check size, conv_type and se_type of the "
            "configuration."
        )
    return torch.from_numpy(np.array(laid, dtype=np.float32))
