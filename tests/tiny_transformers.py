"""Tiny video models of the transformers library, as it writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

transformers = pytest.importorskip("transformers")

SIDE = 32
LABELS = ["squat", "jogging", "lunge"]
SMALL = {
    "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
}  # fmt: skip
OF_CLASSES = {
    "image_size": SIDE,
    "id2label": dict(enumerate(LABELS)),
    "label2id": {label: at for at, label in enumerate(LABELS)},
}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def videomae(folder: Path) -> None:
    config = transformers.VideoMAEConfig(
        **SMALL, **OF_CLASSES, patch_size=8, num_frames=4, tubelet_size=2
    )
    transformers.VideoMAEForVideoClassification(config).save_pretrained(folder)
    size = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    transformers.VideoMAEImageProcessor(**size, image_mean=MEAN, image_std=STD).save_pretrained(
        folder
    )


def timesformer(folder: Path) -> None:
    config = transformers.TimesformerConfig(**SMALL, **OF_CLASSES, patch_size=8, num_frames=4)
    transformers.TimesformerForVideoClassification(config).save_pretrained(folder)
    size = {"size": {"shortest_edge": 45}, "crop_size": {"height": SIDE, "width": SIDE}}
    transformers.VideoMAEImageProcessor(
        **size, image_mean=[0.45] * 3, image_std=[0.225] * 3, resample=3
    ).save_pretrained(folder)


def vivit(folder: Path) -> None:
    config = transformers.VivitConfig(**SMALL, **OF_CLASSES, num_frames=4, tubelet_size=[2, 8, 8])
    transformers.VivitForVideoClassification(config).save_pretrained(folder)
    size = {"size": {"shortest_edge": 40}, "crop_size": {"height": SIDE, "width": SIDE}}
    transformers.VivitImageProcessor(
        **size, image_mean=[0.5] * 3, image_std=[0.5] * 3
    ).save_pretrained(folder)


def xclip(folder: Path) -> None:
    folder.mkdir()
    # A tokenizer that spells: each letter, and each letter at the end of a word.
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: at for at, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(
        vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt")
    )
    tokenizer.save_pretrained(folder)
    text = {
        **SMALL, "vocab_size": len(words), "max_position_embeddings": 20,
        "bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1,
    }  # fmt: skip
    vision = {
        **SMALL, "image_size": SIDE, "patch_size": 8, "num_frames": 4, "mit_hidden_size": 24,
        "mit_intermediate_size": 32, "mit_num_hidden_layers": 1, "mit_num_attention_heads": 2,
    }  # fmt: skip
    config = transformers.XCLIPConfig(
        text_config=text, vision_config=vision, projection_dim=24, prompt_num_attention_heads=2
    )
    transformers.XCLIPModel(config).save_pretrained(folder)
    transformers.VideoMAEImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    ).save_pretrained(folder)


MAKERS: dict[str, Callable[[Path], None]] = {
    "videomae": videomae,
    "timesformer": timesformer,
    "vivit": vivit,
    "xclip": xclip,
}
