"""MoViNets (arXiv 2103.11511) in PyTorch: A0 to A5, base and stream.

    config = MovinetConfig.official("a0", "stream")     # what it is made of (spec.py)
    model = MoViNet(config)                             # readable, trainable (network.py)
    fast = model.for_inference()                        # same numbers, sooner (fast.py)
    logits, state = fast.step(frames, fast.init_state())

Torch is imported when :class:`MoViNet` is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vidlab.models.movinet.spec import LayerSpec, MovinetConfig

if TYPE_CHECKING:
    from vidlab.models.movinet.fast import FastMoViNet
    from vidlab.models.movinet.network import MoViNet, State

__all__ = ["FastMoViNet", "LayerSpec", "MoViNet", "MovinetConfig", "State"]

_HOME_OF = {"FastMoViNet": "fast", "MoViNet": "network", "State": "network"}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
