"""Random MoViNets for tests, and models made of them."""

from __future__ import annotations

from pathlib import Path

import torch

import vidlab as vl
from vidlab.models import Model
from vidlab.models.card import ModelCard
from vidlab.models.convert import save_safetensors
from vidlab.models.movinet import MoViNet, MovinetConfig
from vidlab.transforms import Preprocessing


def random_network(size: str = "xs", kind: str = "stream", **options: object) -> MoViNet:
    """A network whose every layer matters: no zero scales, no trivial norms."""
    torch.manual_seed(0)
    options.setdefault("num_classes", 7)
    model = MoViNet(MovinetConfig.official(size, kind, **options)).eval()
    with torch.no_grad():
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if name.endswith(("scale", "running_mean", "norm.bias")):
                value.uniform_(0.1, 0.3)
            elif name.endswith(("running_var", "norm.weight")):
                value.uniform_(0.5, 1.5)
    return model


def card_of(
    network: MoViNet, *, height_px: int = 34, width_px: int = 41, **about: object
) -> ModelCard:
    """A card for a network that nobody published."""
    return ModelCard(
        **{
            "name": "my-model",
            "title": "Mine",
            "family": "movinet",
            "kind": "stream" if network.config.causal else "clip",
            "num_frames": 6,
            "labels": tuple(f"label {i}" for i in range(network.config.num_classes)),
            "preprocessing": Preprocessing(height_px=height_px, width_px=width_px, frame_rate=5.0),
            **about,
        }
    )


def model_of(network: MoViNet, folder: Path, *, card: ModelCard | None = None) -> Model:
    """Save a network and load it as a user would."""
    path = folder / "own.safetensors"
    save_safetensors(path, network.config, network.state_dict())
    return vl.load_model(path, card=card or card_of(network), num_threads=1)
