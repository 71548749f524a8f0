"""Measure the models that ``train_default.py`` trained, and put them into the package.

Into ``vidlab/models/weights`` go the weights and their exports for the other runtimes, into
``vidlab/models/cards`` the cards, which state what was measured here: on clips that training never
saw, and on the pairs of actions that only time tells apart, as they are and with their frames
shuffled.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import safetensors
import torch
from train_default import (
    FRAME_RATE,
    NUM_TRAINING_CLIPS,
    PICTURE_PX,
    PICTURES,
    STAGES,
    VALIDATION_SEEDS,
    WORK,
    card_of,
)

import vidlab as vl
from vidlab.core.files import sha256_of
from vidlab.datasets import TIME_ONLY_PAIRS, StickActions, label_of, write_stick_actions
from vidlab.models.base import Model
from vidlab.models.card import ModelCard, Variant, write_card
from vidlab.models.convert import load_safetensors, save_safetensors
from vidlab.models.export import TARGETS
from vidlab.models.export.keras import write_keras
from vidlab.models.frame_cnn import FrameCNN
from vidlab.models.lookup import PACKAGE_WEIGHTS
from vidlab.transforms import Preprocessing

CARDS = PACKAGE_WEIGHTS.parent / "cards"

# None of these were trained on, nor looked at when anything was chosen.
HELD_OUT_SEEDS = range(6_000_000, 6_000_500)
PAIR_SEEDS = range(7_000_000, 7_001_200)
CALIBRATION_SEEDS = range(8_000_000, 8_000_048)


class ShuffledFrames(StickActions):
    """Clips whose frames come in a random order, the same each time."""

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Render an item."""
        video, class_id = super().__getitem__(index)
        chance = torch.Generator().manual_seed(self.seeds[index])
        return video[torch.randperm(len(video), generator=chance)], class_id


def measure(model: Model) -> dict[str, float]:
    """Return accuracies in per cent, on held-out clips and on the pairs that only time tells apart.

    Of a pair only its two labels are compared, so that guessing gives 50.
    """
    held_out = vl.evaluate(model, StickActions(HELD_OUT_SEEDS))
    measured = {"top1": held_out.top1, "top5": held_out.top5}
    seeds = [seed for seed in PAIR_SEEDS if any(label_of(seed) in pair for pair in TIME_ONLY_PAIRS)]
    for name, kind in (("pairs", StickActions), ("pairs_shuffled", ShuffledFrames)):
        measured[name] = pair_accuracy(vl.evaluate(model, kind(seeds)))
    return {name: round(100.0 * value, 1) for name, value in measured.items()}


def pair_accuracy(evaluation: vl.Evaluation) -> float:
    """Return how often the right one of a pair is the more probable of the two, 0 to 1."""
    other = {a: b for pair in TIME_ONLY_PAIRS for a, b in (pair, pair[::-1])}
    truth = evaluation.predictions["label"]
    own, its_other = (
        np.array([evaluation.probabilities[row, evaluation.labels.id_of(label)]
                  for row, label in enumerate(labels)])
        for labels in (truth, truth.map(other))
    )  # fmt: skip
    return float((own > its_other).mean())


def ship_movinet(size: str) -> None:
    """Write the weights of a trained MoViNet, its exports and its card."""
    card = card_of(size, STAGES[size][-1].size_px)
    trained = WORK / size / "model.safetensors"
    network = load_safetensors(trained)
    file = PACKAGE_WEIGHTS / f"{card.name}.safetensors"
    save_safetensors(file, network.config, network.state_dict(), half=True)
    variants = [about(file, "float", "float16", "safetensors")]
    model = vl.load_model(file, card=card)
    accuracy = measure(model)
    print(card.name, accuracy)
    with tempfile.TemporaryDirectory() as folder:
        calibration = calibration_videos(Path(folder))
        for to in ("savedmodel", "litert", "litert-int8"):
            target = TARGETS[to]
            path = Path(folder) / f"{card.name}{target.suffix}"
            vl.export(model, path, to=to, calibration=calibration)
            shipped = PACKAGE_WEIGHTS / path.name
            if shipped.is_dir():
                shutil.rmtree(shipped)
            shutil.move(path, shipped)
            if shipped.is_dir():
                for beside in ("card.toml", "certificate.json", "certificate.png"):
                    (shipped / beside).unlink()
            name = "int8" if to == "litert-int8" else to
            variant = about(shipped, name, target.precision, target.format)
            if name == "int8":
                held_out = StickActions(HELD_OUT_SEEDS)
                top1 = vl.evaluate(vl.load_model(shipped, card=card), held_out).top1
                variant = replace(variant, top1=round(100.0 * top1, 1))
                print(card.name, "int8", variant.top1)
            else:
                variant = replace(variant, same_weights_as="float")
            variants.append(variant)
    full = replace(card, title=f"{card.title} (24 actions of drawn people)")
    write(full, accuracy, trained, variants)


def ship_pictures() -> None:
    """Write the network that looks at single pictures, in PyTorch and Keras, and its card."""
    card = ModelCard(
        name="stickactions-pictures",
        title="StickActions, one picture at a time (24 actions of drawn people)",
        family="frame-cnn",
        kind="frame",
        dataset="StickActions",
        labels="stick-actions",
        licence="Apache-2.0",
        preprocessing=Preprocessing(
            height_px=PICTURE_PX, width_px=PICTURE_PX, frame_rate=FRAME_RATE
        ),
    )
    trained = WORK / PICTURES / "model.safetensors"
    network = load_safetensors(trained)
    assert isinstance(network, FrameCNN)
    file = PACKAGE_WEIGHTS / f"{card.name}.safetensors"
    save_safetensors(file, network, network.state_dict(), half=True)
    network = load_safetensors(file)
    assert isinstance(network, FrameCNN)
    variants = [about(file, "float", "float16", "safetensors")]
    for form in ("keras", "h5"):
        path = PACKAGE_WEIGHTS / f"{card.name}.{form}"
        write_keras(network, path, height_px=PICTURE_PX, width_px=PICTURE_PX)
        variant = about(path, form, "float32", "keras")
        variants.append(replace(variant, same_weights_as="float"))
    accuracy = measure(vl.load_model(file, card=card))
    print(card.name, accuracy)
    write(card, accuracy, trained, variants)


def about(path: Path, name: str, precision: str, format_: str) -> Variant:
    """Return what a card says of a file or directory."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    hashes = {p.relative_to(path).as_posix(): sha256_of(p) for p in files}
    return Variant(
        name=name,
        precision=precision,
        format=format_,
        file=path.name,
        sha256=None if path.is_dir() else hashes["."],
        members=hashes if path.is_dir() else {},
        size_bytes=sum(p.stat().st_size for p in files),
        note="trained by vidlab",
    )


def calibration_videos(folder: Path) -> list[Path]:
    """Return clips to measure the ranges of 8-bit integers on, two of each label."""
    written = write_stick_actions(folder / "calibration", seeds=CALIBRATION_SEEDS)
    return sorted(written.rglob("*.mp4"))


def write(
    card: ModelCard, accuracy: dict[str, float], trained: Path, variants: list[Variant]
) -> None:
    """Write a card, with what was measured and how it came about."""
    with safetensors.safe_open(trained, framework="pt") as stream:
        seconds = float(stream.metadata()["seconds"])
    training = {
        "command": "make train-default",
        "seeds": f"0 to {NUM_TRAINING_CLIPS - 1}",
        "validation_seeds": f"{VALIDATION_SEEDS.start} to {VALIDATION_SEEDS.stop - 1}",
        "held_out_seeds": f"{HELD_OUT_SEEDS.start} to {HELD_OUT_SEEDS.stop - 1}",
        "pair_seeds": f"{PAIR_SEEDS.start} to {PAIR_SEEDS.stop - 1}",
        "time": f"{seconds / 60:.0f} minutes",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
    }
    full = replace(card, accuracy=accuracy, training=training, variants=tuple(variants))
    write_card(full, CARDS / f"{card.name}.toml")


def main() -> int:
    """Ship what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a0, xs, pictures (default: all)")
    names = parser.parse_args().names or [*STAGES, PICTURES]
    PACKAGE_WEIGHTS.mkdir(exist_ok=True)
    for name in names:
        if name == PICTURES:
            ship_pictures()
        else:
            ship_movinet(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
