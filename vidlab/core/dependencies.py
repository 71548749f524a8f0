"""Optional dependencies, imported only when used, in an order that is safe."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from importlib import metadata
from types import ModuleType

from vidlab.core.errors import MissingDependencyError

# Distribution extra that brings each optional module.
_EXTRA_OF = {
    "torch": "torch",
    "torchvision": "torch",
    "safetensors": "torch",
    "tensorflow": "tfhub",
    "tensorflow_hub": "tfhub",
    "kagglehub": "tfhub",
    "keras": "tfhub",
    "ai_edge_litert": "litert",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "cv2": "opencv",
    "openvino": "openvino",
    "transformers": "transformers",
    "matplotlib": "notebook",
    "jupyterlab": "notebook",
    "distributed": "dask",
}


def require(module: str, *, why: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Args:
        module: Dotted module name, such as ``"torch"`` or ``"ai_edge_litert.interpreter"``.
        why: What needs it, as the subject of a sentence: ``"the torch backend"``.

    Raises:
        MissingDependencyError: It is not installed, or is installed but does not import.
    """
    root = module.partition(".")[0]
    if root in ("tensorflow", "tensorflow_hub", "torchvision"):
        _make_llvm_safe(root)
    try:
        return importlib.import_module(module)
    except ImportError as error:
        extra = _EXTRA_OF.get(root, root)
        if importlib.util.find_spec(root) is None:
            reason = f"{root} is not installed"
        else:
            reason = f"{root} is installed but does not import ({error})"
        raise MissingDependencyError(
            f'{why[:1].upper()}{why[1:]} needs {root}: {reason}. Run: pip install "vidlab[{extra}]"'
        ) from error


def _make_llvm_safe(root: str) -> None:
    """Keep triton 3.7+ and TensorFlow from registering LLVM options twice and aborting.

    Both carry LLVM; loaded TensorFlow first and triton (which torchvision imports) second,
    the process dies on a duplicate registration or segfaults. The other order is fine, and
    so is triton 3.6 and older in either order.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "triton" in sys.modules or importlib.util.find_spec("triton") is None:
        return
    try:
        version = tuple(int(part) for part in metadata.version("triton").split(".")[:2])
    except (metadata.PackageNotFoundError, ValueError):
        return
    if version < (3, 7):
        return
    if root == "torchvision":
        if "tensorflow" in sys.modules:
            raise MissingDependencyError(
                f"torchvision cannot be imported after tensorflow here: triton "
                f"{metadata.version('triton')} would end the process. Import vidlab's torch "
                'backend (or torchvision) before tensorflow, or run: pip install "torch<2.12"'
            )
        return
    try:
        importlib.import_module("triton")
    except ImportError:
        return  # a triton that does not import cannot clash either
