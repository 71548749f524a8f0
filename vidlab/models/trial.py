"""Model files are opened in another process first: a damaged one may end the process it is in.

LiteRT checks how a file is built, not what it says. Of 1,500 files with some changed numbers one
made it read memory that was not its own, which no ``except`` catches: the kernel is gone, and all
that was in it. Of 1,334 damaged ONNX files 5 did the same to OpenCV. So a file whose content no
card of vidlab pins is opened and run once, on zeros, where that harms nobody. It costs a quarter of
a second, once for each content in a process.

A pickle of PyTorch's is unpacked there and not run, at the cost of importing PyTorch: its names may
be such that looking one up takes for ever.

Of an HDF5 file, alone or in a ``.keras`` archive, all is read there that Keras reads, in little
more memory than twice its bytes: a changed length makes HDF5 take gigabytes before it notices, and
a few bytes may be unpacked to as many. What cannot be read within that is refused.

What ends the process for zeros is found, and most does: shapes, types and indices do not hang on
the picture. What a particular picture alone brings about is not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from vidlab.core.errors import WeightsError
from vidlab.models.card import cards
from vidlab.models.lookup import content_hash, same_checksum

CPU_SECONDS = 10
"""How long a trial may compute. The largest MoViNet answers one picture in under a second."""

_WALL_SECONDS = 120

Runtime = Literal["HDF5", "LiteRT", "OpenCV", "PyTorch"]

# Beyond twice the file. A LiteRT file holds 2 GB at most; what is computed with is a few times that
# for no known model. With HDF5 nothing is computed.
_MEMORY_BYTES: dict[Runtime, int] = {
    "HDF5": 256 << 20,
    "LiteRT": 8 << 30,
    "OpenCV": 8 << 30,
    "PyTorch": 8 << 30,
}

# Read whole by the other process, which imports nothing of vidlab. What Python can say is said when
# the file is opened here; all that counts is whether the process lives.
_PROGRAM = """
import json, sys
path, shape = sys.argv[1], json.loads(sys.argv[4])
try:
    import resource
except ImportError:  # Windows has no such limits
    pass
else:
    used, reserved = resource.getrusage(resource.RUSAGE_SELF), 0
    try:
        with open("/proc/self/statm") as sizes:
            reserved = int(sizes.read().split()[0]) * resource.getpagesize()
    except OSError:  # no Linux
        pass
    for kind, most in (
        ("RLIMIT_CORE", 0),
        ("RLIMIT_CPU", int(used.ru_utime + used.ru_stime) + 1 + int(sys.argv[2])),
        ("RLIMIT_AS", reserved + int(sys.argv[3])),
    ):
        try:
            resource.setrlimit(getattr(resource, kind), (most, most))
        except (ValueError, OSError):  # it is lower already, or the system cannot
            pass
"""

# Before the limits, which are for what the file does.
_IMPORTING = """
try:
    {}
except ImportError:
    raise SystemExit from None
"""
_IMPORTS: dict[Runtime, str] = {
    "HDF5": "import h5py, io, zipfile",
    "LiteRT": "from ai_edge_litert.interpreter import Interpreter",
    "OpenCV": "import cv2, numpy",
    "PyTorch": "import torch",
}

_OPENINGS: dict[Runtime, str] = {
    # What fails here was short of memory or is unreadable; HDF5's errors do not tell which. Only
    # what is no file of that kind, or half of one, is Keras' to say, as are links and names of
    # nothing. In an archive no names are said: each layer's numbers are read one after another.
    "HDF5": """
is_archive = path.endswith(".keras")

def open_weights():
    if not is_archive:
        return h5py.File(path, "r")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    return h5py.File(io.BytesIO(parts["model.weights.h5"]), "r")

def numbers(item):
    if isinstance(item, h5py.Dataset) and not item.external and not item.is_virtual:
        return item[()]

def read_named(item, name):
    for part in (name.decode() if isinstance(name, bytes) else name).split("/"):
        if not isinstance(item, h5py.Group) or not isinstance(
            item.get(part, getlink=True), h5py.HardLink
        ):
            return None
        item = item[part]
    return numbers(item)

def read(_, item):
    attributes = dict(item.attrs)
    held = [
        read_named(item, name)
        for key in attributes
        if key.startswith("weight_names")
        for name in attributes[key]
    ]
    if is_archive:
        numbers(item)

try:
    file = open_weights()
except (OSError, zipfile.BadZipFile):
    raise SystemExit from None
read("", file)
file.visititems(read)
""",
    "LiteRT": """
try:
    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    for each in interpreter.get_input_details():
        interpreter.get_tensor(each["index"])
    interpreter.invoke()
    for each in interpreter.get_output_details():
        interpreter.get_tensor(each["index"])
except Exception:
    pass
""",
    "OpenCV": """
try:
    cv2.setNumThreads(1)
    network = cv2.dnn.readNetFromONNX(path)
    network.setInput(numpy.zeros(shape, numpy.float32))
    network.forward()
except Exception:
    pass
""",
    "PyTorch": """
try:
    torch.load(path, map_location="cpu", weights_only=True)
except Exception:
    pass
""",
}

_survived: set[tuple[Runtime, str, tuple[int, ...]]] = set()


def check_survived(path: Path, runtime: Runtime, *, shape: Sequence[int] = ()) -> None:
    """Open and run a file in another process, unless its content is known.

    Args:
        path: The file.
        runtime: What will open it here.
        shape: Of the zeros that it is given, where it does not say itself what it takes.

    Raises:
        WeightsError: That process did not live.
    """
    if not path.is_file():
        return  # the runtime says so
    content = content_hash(path)
    trial = (runtime, content, tuple(shape))
    if trial in _survived or _is_pinned(content):
        return
    why = _death_of(path, runtime, shape)
    if why:
        raise WeightsError(
            f"{str(path)!r} is damaged, or made to do harm: {runtime} {why} when it was tried in a "
            "process of its own. Fetch it again, and compare its checksum with its maker's."
        )
    _survived.add(trial)


def _is_pinned(content: str) -> bool:
    return any(
        same_checksum(content, variant.sha256)
        for card in cards().values()
        for variant in card.variants
    )


def _death_of(path: Path, runtime: Runtime, shape: Sequence[int]) -> str:
    """Return how a process that opened the file came to its end; nothing where it lived."""
    search = os.pathsep.join(each for each in sys.path if each)
    limits = [str(CPU_SECONDS), str(_MEMORY_BYTES[runtime] + 2 * path.stat().st_size)]
    program = _IMPORTING.format(_IMPORTS[runtime]) + _PROGRAM + _OPENINGS[runtime]
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", program, str(path), *limits,
             json.dumps([int(size) for size in shape])],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": search}, timeout=_WALL_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"gave no answer in {_WALL_SECONDS} s"
    return f"ended with status {done.returncode}" if done.returncode else ""
