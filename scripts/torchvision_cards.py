"""Write the cards of torchvision's models from what torchvision says of its weights.

Run it again where a newer torchvision has others; the cards are read without torchvision.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torchvision.models import get_model_weights

from vidlab.models.card import ModelCard, Variant, write_card
from vidlab.transforms import Preprocessing

CARDS = Path(__file__).parents[1] / "vidlab" / "models" / "cards"
LICENCE = "BSD-3-Clause"

# Builder, title, paper, weights.
VIDEO = (
    ("r3d_18", "ResNet 3D-18", "1711.11248", "KINETICS400_V1"),
    ("mc3_18", "ResNet mixed convolution 18", "1711.11248", "KINETICS400_V1"),
    ("r2plus1d_18", "ResNet (2+1)D-18", "1711.11248", "KINETICS400_V1"),
    ("s3d", "S3D", "1712.04851", "KINETICS400_V1"),
    ("mvit_v1_b", "MViT v1-B", "2104.11227", "KINETICS400_V1"),
    ("mvit_v2_s", "MViT v2-S", "2112.01526", "KINETICS400_V1"),
    ("swin3d_t", "Video Swin-T", "2106.13230", "KINETICS400_V1"),
    ("swin3d_s", "Video Swin-S", "2106.13230", "KINETICS400_V1"),
    ("swin3d_b", "Video Swin-B", "2106.13230", "KINETICS400_V1"),
)
PICTURES = (
    ("mobilenet_v3_large", "MobileNet v3 large", "1905.02244", "IMAGENET1K_V2"),
    ("resnet18", "ResNet-18", "1512.03385", "IMAGENET1K_V1"),
    ("resnet50", "ResNet-50", "1512.03385", "IMAGENET1K_V2"),
)


def common(builder: str, title: str, paper: str, weights: Any) -> dict[str, Any]:
    """Return what is told alike of every model."""
    (published,) = weights.meta["_metrics"].values()
    return {
        "name": builder.replace("_", "-"),
        "title": title,
        "family": "torchvision",
        "licence": LICENCE,
        "paper": f"https://arxiv.org/abs/{paper}",
        "source": "https://github.com/pytorch/vision",
        "accuracy": {"top1": published["acc@1"], "top5": published["acc@5"]},
        "variants": (variant(weights),),
    }


def video_card(builder: str, title: str, paper: str, name: str) -> ModelCard:
    """Return the card of a model that answers for clips."""
    weights = get_model_weights(builder)[name]
    prepare = weights.transforms()
    wanted = r"(frame_rate|clips_per_video|clip_len)=([\d.]+)"
    facts = dict(re.findall(wanted, weights.meta["_docs"]))
    return ModelCard(
        **common(builder, title, paper, weights),
        kind="clip",
        dataset="Kinetics-400",
        labels="kinetics-400",
        num_frames=int(facts["clip_len"]),
        clips_per_video=int(facts["clips_per_video"]),
        preprocessing=Preprocessing(
            height_px=prepare.crop_size[0],
            width_px=prepare.crop_size[-1],
            resize_to_px=tuple(prepare.resize_size),
            is_rounded=True,
            mean=tuple(prepare.mean),
            std=tuple(prepare.std),
            frame_rate=float(facts["frame_rate"]),
        ),
    )


def picture_card(builder: str, title: str, paper: str, name: str) -> ModelCard:
    """Return the card of a model that answers for single pictures."""
    weights = get_model_weights(builder)[name]
    prepare = weights.transforms()
    return ModelCard(
        **common(builder, title, paper, weights),
        kind="frame",
        task="image classification",
        dataset="ImageNet-1k",
        labels="imagenet-1k",
        preprocessing=Preprocessing(
            height_px=prepare.crop_size[0],
            width_px=prepare.crop_size[0],
            resize_to_px=(prepare.resize_size[0],),
            resampling="pillow",
            mean=tuple(prepare.mean),
            std=tuple(prepare.std),
        ),
    )


def variant(weights) -> Variant:
    """Return what is known of the file; its name holds the beginning of its SHA-256."""
    file = weights.url.rpartition("/")[2]
    return Variant(
        name="float",
        precision="float32",
        format="pth",
        file=file,
        sha256=re.search(r"-([0-9a-f]{8})\.pth$", file)[1],
        # In MiB there, to the third place: near enough to show.
        size_bytes=round(weights.meta["_file_size"] * 2**20),
        url=weights.url,
        note=f"{weights.meta['num_params'] / 1e6:.1f} M parameters",
    )


def main() -> None:
    """Write them all."""
    for about in VIDEO:
        card = video_card(*about)
        write_card(card, CARDS / f"{card.name}.toml")
    for about in PICTURES:
        card = picture_card(*about)
        write_card(card, CARDS / f"{card.name}.toml")


if __name__ == "__main__":
    main()
