"""How much memory a model takes: measured in a process of its own, which does nothing else.

Beside other models, a notebook and what these have left behind, nobody could say whose memory is
whose.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np

from vidlab.core.errors import ModelError, OptionError
from vidlab.models.base import Model
from vidlab.models.reopening import ModelSpec, spec_of

_PROGRAM = "from vidlab.models.memory import tell_peak; tell_peak()"

# Enough for a stream's state to be full, and a clip model's to be one clip.
_NUM_FRAMES = 16


def peak_memory_mb(model: Model) -> float:
    """Return the most memory that a process has which opens a model and answers, in MB.

    It holds Python, the runtime, the weights and what computing takes; no video is read.

    Args:
        model: A loaded model.

    Returns:
        Megabytes; NaN for a network of the user's own, which no other process can open.

    Raises:
        ModelError: The process failed.
    """
    try:
        spec = spec_of(model)
    except OptionError:
        return float("nan")
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], input=pickle.dumps(spec), capture_output=True, check=False
    )
    told = done.stdout.decode().splitlines()
    if done.returncode != 0 or not told:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise ModelError(
            f"A process of its own could not run {model.title} to measure its memory: {last}"
        )
    return float(told[-1]) / 1e6


def tell_peak() -> None:
    """Open the model that standard input names, run it, and print the peak in bytes."""
    spec: ModelSpec = pickle.load(sys.stdin.buffer)  # from the parent process alone
    model = spec.open()
    if not isinstance(model, Model):
        raise TypeError(f"{model.title} has no labels")
    size = model.preprocessing
    num_frames = max(model.card.num_frames, _NUM_FRAMES)
    frames = np.zeros((num_frames, size.height_px, size.width_px, 3), np.float32)
    if model.card.answers_every_frame:
        state = model.init_state()
        for frame in frames[:, None]:
            _, state = model.step(frame, state)
    else:
        model.classify(frames[None])
    print(peak_bytes())


def peak_bytes() -> int:
    """Return the most memory that this process has had, in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not getrusage: there a new program begins with the peak of the one that started it.
        line = next(each for each in status.read_text().splitlines() if each.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
