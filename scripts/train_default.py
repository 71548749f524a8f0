"""Train the models that ship with vidlab: ``make train-default``.

They learn StickActions from nothing but seeds, first on small pictures, then on full ones: two
MoViNets, and a network that looks at single pictures, for comparison. A GPU is used if there is
one; a run that was ended goes on where it was. What training wrote, with the rendered clips (8 GB),
lies in ``.cache/train-default`` and may be deleted when ``scripts/ship_default.py`` has measured
the models and put them into the package.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import vidlab as vl
from vidlab.core.labels import LabelMap
from vidlab.datasets import STICK_ACTIONS, StickActions
from vidlab.models.backends.torch_backend import TorchModel, runtime
from vidlab.models.base import Provenance, Selection, default_num_threads
from vidlab.models.card import ModelCard
from vidlab.models.convert import load_safetensors, save_safetensors
from vidlab.models.frame_cnn import FrameCNN
from vidlab.models.movinet import MoViNet, MovinetConfig
from vidlab.training import FitResult
from vidlab.transforms import Preprocessing

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".cache" / "train-default"
PICTURES = "pictures"
SEED = 0

# Training takes the seeds from 0, the sample videos those from 9,000,000; no ranges meet.
VALIDATION_SEEDS = range(5_000_000, 5_000_240)

FRAME_RATE = 5.0
NUM_FRAMES = 16
PICTURE_PX = 112


@dataclass(frozen=True)
class Stage:
    """Part of the training of one model.

    Attributes:
        size_px: Width and height of the pictures that the network sees.
        rendered_px: Those of the pictures that are kept on disk.
        num_clips: How many different clips there are; each is seen once an epoch.
        epochs: How often.
        learning_rate: The highest.
        batch_size: Clips at once.
    """

    size_px: int
    rendered_px: int
    num_clips: int
    epochs: int
    learning_rate: float
    batch_size: int = 24


# Most is learnt on small pictures: a step at 64 pixels takes a quarter of one at 112.
STAGES = {
    "a0": (
        Stage(64, 112, 10_000, 8, 3e-3),
        Stage(112, 112, 10_000, 2, 1e-3),
        Stage(172, 172, 2_000, 1, 4e-4),
    ),
    "xs": (
        Stage(64, 112, 10_000, 8, 4e-3),
        Stage(112, 112, 10_000, 2, 1.5e-3),
    ),
}


class Rendered(StickActions):
    """Clips rendered once, and read from the disk after that."""

    def __init__(self, seeds: range, size_px: int) -> None:
        super().__init__(seeds, size_px=size_px, frame_rate=FRAME_RATE, num_frames=NUM_FRAMES)
        WORK.mkdir(parents=True, exist_ok=True)
        path = WORK / f"clips-{seeds.start}-{seeds.stop}-{size_px}px.bin"
        self._clips_path, self._done_path = path, path.with_suffix(".done")
        for file, size in ((path, len(seeds) * self._num_bytes), (self._done_path, len(seeds))):
            if not file.exists():
                with file.open("wb") as out:
                    out.truncate(size)

    @property
    def _num_bytes(self) -> int:
        return self.num_frames * 3 * self.size_px**2

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Read an item; render it first, if no process has."""
        shape = (self.num_frames, 3, self.size_px, self.size_px)
        at = index * self._num_bytes
        done = np.memmap(self._done_path, np.uint8, "r+")
        if done[index]:
            frames = np.fromfile(self._clips_path, np.uint8, self._num_bytes, offset=at)
            return torch.from_numpy(frames).reshape(shape), self.class_id(index)
        video, class_id = super().__getitem__(index)
        with self._clips_path.open("r+b") as file:
            file.seek(at)
            file.write(video.numpy().tobytes())
        done[index] = 1
        return video, class_id


def train(size: str, *, num_workers: int = 0, num_threads: int | None = None) -> FitResult:
    """Train one model, stage after stage.

    Args:
        size: Of the MoViNet: ``"a0"`` or ``"xs"``.
        num_workers: Processes that read clips.
        num_threads: Threads to compute with; None takes every core.
    """
    result = None
    for number, stage in enumerate(STAGES[size], start=1):
        card = card_of(size, stage.size_px)
        network = new_network(size) if result is None else result.model.network
        result = vl.fit(
            as_model(network, card),
            Rendered(range(stage.num_clips), stage.rendered_px),
            validation=Rendered(VALIDATION_SEEDS, stage.rendered_px),
            out=WORK / f"{size}-{number}",
            train="all",
            loss_on="every",
            batch_norm="update",
            epochs=stage.epochs,
            batch_size=stage.batch_size,
            learning_rate=stage.learning_rate,
            num_frames=NUM_FRAMES,
            patience=None,
            seed=SEED,
            num_workers=num_workers,
            num_threads=num_threads,
        )
        print(result)
    assert result is not None
    return result


def train_pictures(*, num_threads: int | None = None) -> FrameCNN:
    """Train the network that looks at single pictures, or read what was trained before.

    Args:
        num_threads: Threads to compute with; None takes every core.
    """
    path = WORK / PICTURES / "model.safetensors"
    if path.is_file():
        network = load_safetensors(path)
        assert isinstance(network, FrameCNN)
        return network
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    begin = time.monotonic()
    clips = Rendered(range(STAGES["a0"][0].num_clips), PICTURE_PX)
    torch.manual_seed(SEED)
    network = FrameCNN(len(STICK_ACTIONS)).train()
    epochs, clips_at_once, frames_of_each = 4, 64, 4
    steps = epochs * (len(clips) // clips_at_once)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    chance = torch.Generator().manual_seed(SEED)
    for step in range(steps):
        if step % (steps // epochs) == 0:
            order = torch.randperm(len(clips), generator=chance).tolist()
            done = 0
        chosen = [clips[index] for index in order[done : done + clips_at_once]]
        done += clips_at_once
        which = torch.randint(NUM_FRAMES, (clips_at_once, frames_of_each), generator=chance)
        frames = torch.cat([video[at] for (video, _), at in zip(chosen, which, strict=True)])
        truth = torch.tensor([class_id for _, class_id in chosen]).repeat_interleave(frames_of_each)
        loss = torch.nn.functional.cross_entropy(network(frames.float() / 255.0), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(f"pictures: step {step} of {steps}, loss {loss.item():.3f}", flush=True)
    network.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = {"seconds": f"{time.monotonic() - begin:.0f}"}
    save_safetensors(path, network, network.state_dict(), provenance=seconds)
    return network


def new_network(size: str) -> MoViNet:
    """Return a network with random weights: ReLU6 and no squeeze-excitation, as int8 likes it."""
    torch.manual_seed(SEED)
    network = MoViNet(
        MovinetConfig.official(
            size, "stream", se_type="none", activation="relu6", num_classes=len(STICK_ACTIONS)
        )
    )
    for name, parameter in network.named_parameters():
        if name.endswith("residual_scale"):
            # From zero a layer has to find out first that it is of use, which takes long.
            torch.nn.init.ones_(parameter)
    return network


def card_of(size: str, size_px: int) -> ModelCard:
    """Return the card of a model in training."""
    return ModelCard(
        name=f"stickactions-{size}-stream",
        title=f"StickActions MoViNet-{size.upper()} stream",
        family="movinet",
        kind="stream",
        dataset="StickActions",
        labels="stick-actions",
        licence="Apache-2.0",
        num_frames=NUM_FRAMES,
        preprocessing=Preprocessing(height_px=size_px, width_px=size_px, frame_rate=FRAME_RATE),
    )


def as_model(network: MoViNet, card: ModelCard) -> TorchModel:
    """Return a network that was made here as a model to train."""
    return TorchModel(
        network,
        card=card,
        variant="float",
        labels=LabelMap.named("stick-actions"),
        provenance=Provenance(weights_file="", weights_sha256="", place="path", runtime=runtime()),
        num_threads=default_num_threads(),
        selection=Selection(),
    )


def main() -> int:
    """Train what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", metavar="SIZE", help="a0, xs, pictures (default: all)")
    parser.add_argument("--workers", type=int, default=0, help="processes that read clips")
    parser.add_argument("--threads", type=int, help="to compute with (default: every core)")
    options = parser.parse_args()
    for size in options.sizes or [*STAGES, PICTURES]:
        if size == PICTURES:
            train_pictures(num_threads=options.threads)
            continue
        train(size, num_workers=options.workers, num_threads=options.threads)
    return 0


if __name__ == "__main__":
    sys.exit(main())
