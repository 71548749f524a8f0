"""Weights from elsewhere into vidlab's MoViNet, as safetensors.

    config, weights = read_litert("movinet.tflite")           # litert.py
    config, weights = read_savedmodel("movinet_savedmodel")   # tensorflow.py
    config, weights = read_checkpoint("checkpoints/ckpt-1")
    convert("movinet.tflite", "movinet.safetensors")          # any of these (weights.py)
    model = load_safetensors("movinet.safetensors")

Torch, tensorflow and ai_edge_litert are imported when first needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidlab.models.convert.litert import read_litert
    from vidlab.models.convert.tensorflow import read_checkpoint, read_savedmodel
    from vidlab.models.convert.tensorflow_names import load_tf_variables
    from vidlab.models.convert.weights import convert, load_safetensors, save_safetensors

__all__ = [
    "convert",
    "load_safetensors",
    "load_tf_variables",
    "read_checkpoint",
    "read_litert",
    "read_savedmodel",
    "save_safetensors",
]

_HOME_OF = {
    "convert": "weights",
    "load_safetensors": "weights",
    "save_safetensors": "weights",
    "load_tf_variables": "tensorflow_names",
    "read_litert": "litert",
    "read_checkpoint": "tensorflow",
    "read_savedmodel": "tensorflow",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vidlab.core.dependencies import require

    require("torch", why="converting weights")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
