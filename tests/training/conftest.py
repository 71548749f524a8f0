"""Small models and clips: a network of random weights that sees 32x32 px, five times a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import vidlab as vl
from vidlab.models import Model
from vidlab.models.card import ModelCard
from vidlab.models.convert import save_safetensors
from vidlab.models.movinet import MoViNet, MovinetConfig
from vidlab.transforms import Preprocessing
from vidlab.video.writer import VideoWriter

SIZE = 32
LABELS = ("blue", "green", "red")
_RGB = {"red": (230, 40, 40), "green": (40, 200, 60), "blue": (40, 60, 230)}


def make_network(kind: str = "stream", num_classes: int = 4, **options: object) -> MoViNet:
    """A network whose every layer matters: no zero scales."""
    torch.manual_seed(0)
    config = MovinetConfig.official("xs", kind, num_classes=num_classes, **options)
    network = MoViNet(config).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("residual_scale"):
                value.fill_(0.3)
    return network


def make_model(folder: Path, kind: str = "stream", *, num_frames: int = 4) -> Model:
    """Load such a network as users do, from a file."""
    network = make_network(kind)
    path = folder / f"tiny-{kind}.safetensors"
    save_safetensors(path, network.config, network.state_dict())
    card = ModelCard(
        name=f"tiny-{kind}",
        title=f"Tiny {kind}",
        family="movinet",
        kind="stream" if kind == "stream" else "clip",
        labels=("one", "two", "red", "four"),
        num_frames=num_frames,
        preprocessing=Preprocessing(height_px=SIZE, width_px=SIZE, frame_rate=5.0),
    )
    return vl.load_model(path, backend="torch", card=card, num_threads=1)


def write_clip(
    path: Path, colours: list[str], *, seed: int = 0, frames_each: int = 8, fps: float = 10.0
) -> None:
    """Write a video that shows one colour after the other, with some noise."""
    rng = np.random.default_rng([seed, len(colours)])
    times = np.arange(frames_each * len(colours)) / fps
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("w+b") as stream,
        VideoWriter(
            stream, times=times, end_seconds=len(times) / fps, width=48, height=40
        ) as writer,
    ):
        for number in range(len(times)):
            base = np.array(_RGB[colours[number // frames_each]])
            noise = rng.integers(-30, 30, (40, 48, 1)) + rng.integers(-10, 10, (1, 1, 3))
            writer.add(np.clip(base + noise, 0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A stream model."""
    return make_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A clip model."""
    return make_model(tmp_path_factory.mktemp("tiny-base"), "base")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three class folders, five videos each: eight frames at ten a second."""
    root = tmp_path_factory.mktemp("colours")
    for label in LABELS:
        for number in range(5):
            write_clip(root / label / f"{number}.mp4", [label], seed=number)
    return root


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDLAB_QUIET", "1")
