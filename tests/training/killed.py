"""A run that kills itself with SIGKILL, for the tests of going on; run in a process of its own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import torch

import vidlab as vl
from vidlab.models.card import ModelCard
from vidlab.transforms import Preprocessing


class Vary:
    """Makes clips brighter, and after so many of them kills its process."""

    def __init__(self, kill_after: int | None) -> None:
        self.left = kill_after

    def __call__(self, video: torch.Tensor) -> torch.Tensor:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return (video * (0.7 + 0.3 * torch.rand(()))).clamp(0, 1)

    def __repr__(self) -> str:
        return "Vary()"


def train(
    weights: str, data: str, out: str, kill_after: int | None, kill_in_write: int, options: dict
) -> None:
    """Run `fit`.

    Args:
        weights: Of a stream model that sees 32x32 px.
        data: Folder of class folders.
        out: Folder of the run.
        kill_after: Die when this many clips have been varied; None: never.
        kill_in_write: Die halfway through writing this file, counted from 1; 0: never.
        options: Of `fit`.
    """
    os.environ["VIDLAB_QUIET"] = "1"
    if kill_in_write:
        sync = os.fsync
        written = 0

        def die(handle: int) -> None:
            nonlocal written
            written += 1
            if written == kill_in_write:
                os.truncate(handle, os.fstat(handle).st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
            sync(handle)

        os.fsync = die
    card = ModelCard(
        name="tiny", title="Tiny", family="movinet", kind="stream", num_frames=4,
        labels=("one", "two", "red", "four"),
        preprocessing=Preprocessing(height_px=32, width_px=32, frame_rate=5.0),
    )  # fmt: skip
    model = vl.load_model(Path(weights), backend="torch", card=card, num_threads=1)
    vl.fit(
        model, data, out=out, augment=Vary(kill_after), checkpoint_seconds=0.0, num_threads=1,
        progress=False, **options,
    )  # fmt: skip
