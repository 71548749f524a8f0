"""A :class:`FrameCNN` as a Keras model, in a ``.keras`` or an ``.h5`` file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from vidlab.core.dependencies import require
from vidlab.models.frame_cnn import FrameCNN


def write_keras(network: FrameCNN, path: Path, *, height_px: int, width_px: int) -> None:
    """Write a network at `path`; its ending, ``.keras`` or ``.h5``, says in which form.

    The model takes float32 ``[N, H, W, 3]`` in [0, 1] and gives logits. Batch norm is folded into
    the convolutions.

    Raises:
        MissingDependencyError: Keras is not installed.
    """
    keras = require("keras", why="writing Keras files")
    image = x = keras.Input((height_px, width_px, 3), name="image")
    modules = list(network.features)
    weights = []
    for convolution, norm in zip(modules[::3], modules[1::3], strict=True):
        assert isinstance(convolution, torch.nn.Conv2d)
        assert isinstance(norm, torch.nn.BatchNorm2d)
        # Padded by hand: "same" would pad one side only where PyTorch pads both.
        x = keras.layers.ZeroPadding2D(1)(x)
        x = keras.layers.Conv2D(convolution.out_channels, 3, strides=2, activation="relu")(x)
        weights += _folded(convolution, norm)
    x = keras.layers.GlobalAveragePooling2D()(x)
    logits = keras.layers.Dense(network.num_classes, name="logits")(x)
    model = keras.Model(image, logits, name="frame_cnn")
    linear = network.classifier
    weights += [linear.weight.detach().numpy().T, linear.bias.detach().numpy()]
    model.set_weights(weights)
    model.save(path)


def _folded(convolution: torch.nn.Conv2d, norm: torch.nn.BatchNorm2d) -> list[np.ndarray]:
    """Return a kernel ``[3, 3, in, out]`` and a bias that do what both layers do."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    kernel = convolution.weight * scale[:, None, None, None]
    bias = norm.bias - norm.running_mean * scale
    return [kernel.detach().permute(2, 3, 1, 0).numpy(), bias.detach().numpy()]
