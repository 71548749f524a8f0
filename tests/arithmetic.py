"""A streaming model whose answers can be worked out by hand, for tests of the loops around it.

Class `k` gets the logit ``brightness * k / 10 + (number of frames seen so far) / 100``: the
brightness tells which frame it saw, the count tells whether the state was carried.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import vidlab as vl
from vidlab.models.base import Model, Provenance, Selection
from vidlab.models.card import ModelCard
from vidlab.transforms import Preprocessing


class ArithmeticModel(Model):
    """See the module's docstring."""

    backend = "arithmetic"

    def __init__(
        self,
        *,
        num_classes: int = 4,
        frame_rate: float | None = 5.0,
        kind: str = "stream",
        num_frames: int = 4,
        name: str = "sums",
        chunk_frames: int = 1,
        **selection: Any,
    ) -> None:
        card = ModelCard(
            name=name,
            title=name,
            family="arithmetic",
            kind=kind,  # type: ignore[arg-type]
            num_frames=num_frames,
            preprocessing=Preprocessing(height_px=8, width_px=8, frame_rate=frame_rate),
        )
        super().__init__(
            card=card,
            variant="exact",
            labels=vl.LabelMap([f"class {i}" for i in range(num_classes)]),
            provenance=Provenance(
                weights_file="none", weights_sha256="0" * 64, place="path", runtime="numpy"
            ),
            num_threads=1,
            selection=Selection(**selection),
        )
        self.chunk_frames = chunk_frames
        self.chunk_sizes: list[int] = []

    def init_state(self) -> int:
        return 0

    def step(self, frames: np.ndarray, state: int) -> tuple[np.ndarray, int]:
        self.check_frames(frames)
        self.chunk_sizes.append(len(frames))
        brightness = frames.mean(axis=(1, 2, 3))
        count = state + 1 + np.arange(len(frames))
        classes = np.arange(self.num_classes)
        logits = brightness[:, None] * classes / 10 + count[:, None] / 100
        return logits.astype(np.float32), state + len(frames)

    def classify(self, clips: np.ndarray) -> np.ndarray:
        brightness = clips.mean(axis=(1, 2, 3, 4))
        return (brightness[:, None] * np.arange(self.num_classes)).astype(np.float32)
