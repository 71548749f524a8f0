"""Backends: the runtimes that models are run by, vidlab's own and those of other packages.

A package adds one with an entry point of the group ``vidlab.backends`` that is a `Backend`::

    [project.entry-points."vidlab.backends"]
    mine = "my_package.vidlab_backend:BACKEND"
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidlab.models.base import LoadedModel
    from vidlab.models.opening import Opening

GROUP = "vidlab.backends"
"""Group of the entry points of other packages."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A runtime.

    Attributes:
        name: What ``load_model(..., backend=)`` takes.
        module: Module that must be installed.
        formats: Formats of weights that it reads as they are.
        opener: Where the function is that opens weights, as ``"module:function"``; it takes an
            `~vidlab.models.opening.Opening` and returns a `~vidlab.models.base.LoadedModel`.
        precisions: Numbers that it can be told to compute with.
        finds_poses: Whether it opens models of people's keypoints.
        recognises: Takes a path and returns the format if it is one of `formats`; needed where
            vidlab does not know the format itself.
    """

    name: str
    module: str
    formats: tuple[str, ...]
    opener: str
    precisions: tuple[str, ...] = ()
    finds_poses: bool = False
    recognises: Callable[[Path], str | None] | None = None

    @property
    def is_installed(self) -> bool:
        """Whether its module can be imported."""
        try:
            return importlib.util.find_spec(self.module) is not None
        except ModuleNotFoundError:  # of "a.b" where there is no a
            return False

    def open(self, opening: Opening) -> LoadedModel:
        """Open weights."""
        module, _, function = self.opener.partition(":")
        model: LoadedModel = getattr(importlib.import_module(module), function)(opening)
        return model


_HERE = "vidlab.models.backends"

# In the order in which they are tried where none is asked for.
_OWN = (
    Backend(
        name="torch", module="torch", formats=("safetensors", "pth"),
        opener=f"{_HERE}.torch_backend:open_model", finds_poses=True,
    ),
    Backend(
        name="litert", module="ai_edge_litert", formats=("litert",),
        opener=f"{_HERE}.litert_backend:open_model", finds_poses=True,
    ),
    Backend(
        name="tfhub", module="tensorflow_hub", formats=("savedmodel",),
        opener=f"{_HERE}.tfhub_backend:open_model", finds_poses=True,
    ),
    Backend(
        name="onnx", module="onnxruntime", formats=("onnx",),
        opener=f"{_HERE}.onnx_backend:open_model",
    ),
    Backend(
        name="opencv", module="cv2", formats=("onnx",),
        opener=f"{_HERE}.opencv_backend:open_model",
    ),
    Backend(
        name="openvino", module="openvino", formats=("safetensors", "pth", "onnx", "litert"),
        opener=f"{_HERE}.openvino_backend:open_model", precisions=("float32", "bfloat16"),
    ),
    Backend(
        name="keras", module="keras", formats=("keras",),
        opener=f"{_HERE}.keras_backend:open_model",
    ),
    Backend(
        name="transformers", module="transformers", formats=("transformers",),
        opener=f"{_HERE}.transformers_backend:open_model",
    ),
)  # fmt: skip


@cache
def backends() -> dict[str, Backend]:
    """Return every backend by name, vidlab's own first.

    Warns of one that cannot be loaded, or has a name that is taken.
    """
    found = {backend.name: backend for backend in _OWN}
    for entry in metadata.entry_points(group=GROUP):
        try:
            backend = entry.load()
        except Exception as error:  # whatever a foreign package raises
            warnings.warn(f"The backend {entry.value} cannot be loaded: {error}", stacklevel=2)
            continue
        if not isinstance(backend, Backend):
            warnings.warn(f"The backend {entry.value} is no vidlab Backend.", stacklevel=2)
        elif backend.name in found:
            warnings.warn(f"A backend called {backend.name!r} is there already.", stacklevel=2)
        else:
            found[backend.name] = backend
    return found


def formats() -> dict[str, str]:
    """Return every format of weights, and the first backend that reads it as it is."""
    found: dict[str, str] = {}
    for backend in backends().values():
        for each in backend.formats:
            found.setdefault(each, backend.name)
    return found
