"""Videos with something planted in them, and a model that sees nothing else."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from arithmetic import ArithmeticModel

from vidlab.transforms import Preprocessing


class WhiteModel(ArithmeticModel):
    """Says "class 1" the surer the more white it sees, anywhere, in the whitest frame so far.

    Of a clip, in the whitest of its frames.
    """

    def __init__(
        self,
        preprocessing: Preprocessing | None = None,
        *,
        gain: float = 40.0,
        base: float = -2.0,
        **options: Any,
    ) -> None:
        super().__init__(num_classes=3, **options)
        self.gain, self.base = gain, base
        if preprocessing is not None:
            self.preprocessing = preprocessing

    def init_state(self) -> float:
        return 0.0

    def step(self, frames: np.ndarray, state: float) -> tuple[np.ndarray, float]:
        self.check_frames(frames)
        self.chunk_sizes.append(len(frames))
        white = (frames > 0.8).mean(axis=(1, 2, 3))
        if self.card.kind == "stream":
            white = np.maximum.accumulate(np.maximum(white, state))
        return self._logits(white), float(white[-1])

    def classify(self, clips: np.ndarray) -> np.ndarray:
        self.chunk_sizes.append(clips.shape[1])
        return self._logits((clips > 0.8).mean(axis=(2, 3, 4)).max(axis=1))

    def _logits(self, white: np.ndarray) -> np.ndarray:
        logits = np.zeros((len(white), 3), dtype=np.float32)
        logits[:, 1] = self.gain * white + self.base
        return logits


def dark(num_frames: int, height: int, width: int) -> np.ndarray:
    """Return dark grey frames with a little noise, uint8 ``[N, height, width, 3]``."""
    noise = np.random.default_rng(0).integers(20, 60, (num_frames, height, width, 1), np.uint8)
    return np.repeat(noise, 3, axis=3)


def write(path: Path, frames: np.ndarray, *, fps: int = 10, rotation: int = 0) -> Path:
    """Write frames as they are to be displayed; stored turned back by `rotation` degrees."""
    stored = np.rot90(frames, k=rotation // 90, axes=(1, 2))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=fps, options={"crf": "6", "preset": "veryfast"})
        stream.height, stream.width = stored.shape[1:3]
        stream.pix_fmt = "yuv420p"
        if rotation:
            stream.set_display_rotation(-rotation)  # anticlockwise
        for number, rgb in enumerate(stored):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            picture = picture.reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, fps)
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    return path
