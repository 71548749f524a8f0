"""MoViNets written for other runtimes.

    plan = fold(network)                       # plan.py: folded weights, the way through them
    write_savedmodel(plan, folder)             # tensorflow.py
    litert_bytes(plan, height_px=172, …)       # litert.py
    onnx_bytes(plan, height_px=172, …)         # onnx.py

:func:`write_model` takes one of :data:`TARGETS`. TensorFlow and onnx are imported when needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidlab.models.card import Format

if TYPE_CHECKING:
    from vidlab.models.movinet.network import MoViNet

__all__ = ["TARGETS", "Target", "write_model"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A form that a network can be written in.

    Attributes:
        format: Of the file or directory.
        variant: Name of the weights in their card.
        precision: Number format of the weights.
        suffix: What the name of a file ends in; of a directory, what is added to its name.
        backend: Which backend runs it.
    """

    format: Format
    variant: str
    precision: str
    suffix: str
    backend: str

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.format == "savedmodel"


#: What ``vidlab.export`` takes as ``to=``.
TARGETS = {
    "litert": Target(
        format="litert", variant="float", precision="float32", suffix=".tflite", backend="litert"
    ),
    "litert-int8": Target(
        format="litert", variant="int8", precision="int8", suffix="-int8.tflite", backend="litert"
    ),
    "savedmodel": Target(
        format="savedmodel", variant="float", precision="float32", suffix="-savedmodel",
        backend="tfhub",
    ),
    "onnx": Target(
        format="onnx", variant="float", precision="float32", suffix=".onnx", backend="onnx"
    ),
}  # fmt: skip


def write_model(
    network: MoViNet,
    path: Path,
    *,
    to: str,
    height_px: int,
    width_px: int,
    calibration: Iterable[NDArray[np.float32]] | None = None,
) -> None:
    """Write a network at `path`, where nothing is yet.

    Args:
        network: Base or stream; its weights as they are now.
        path: A file, or a directory to be made.
        to: One of :data:`TARGETS`.
        height_px: Of the pictures, where the form is for one size.
        width_px: Of the pictures, where the form is for one size.
        calibration: For ``"litert-int8"``: clips float32 ``[T, H, W, 3]``, prepared as the model
            takes them.

    Raises:
        ExportError: The form's own tools refuse the network.
        MissingDependencyError: What writes this form is not installed.
    """
    from vidlab.models.export.plan import fold

    plan = fold(network)
    if to == "savedmodel":
        from vidlab.models.export.tensorflow import write_savedmodel

        write_savedmodel(plan, path)
        return
    if to == "onnx":
        from vidlab.models.export.onnx import onnx_bytes

        content = onnx_bytes(plan, height_px=height_px, width_px=width_px)
    else:
        from vidlab.models.export.litert import litert_bytes

        content = litert_bytes(
            plan,
            height_px=height_px,
            width_px=width_px,
            calibration=calibration if to == "litert-int8" else None,
        )
    path.write_bytes(content)
