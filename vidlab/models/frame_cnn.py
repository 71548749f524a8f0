"""A small network that looks at one picture at a time: what time adds is measured against it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from torch import Tensor, nn

from vidlab.core.errors import OptionError

ARCHITECTURE = "frame-cnn"

CHANNELS = (16, 32, 64, 96, 128)
"""Width of each convolution; each halves the picture."""


class FrameCNN(nn.Module):
    """Convolutions of stride 2, an average over the picture, a linear layer.

    Args:
        num_classes: Number of logits.
        channels: Width of each convolution.
    """

    def __init__(self, num_classes: int, *, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        self.num_classes, self.channels = num_classes, tuple(channels)
        layers: list[nn.Module] = []
        for wide_in, wide_out in zip((3, *channels), channels, strict=False):
            layers += [
                nn.Conv2d(wide_in, wide_out, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(wide_out),
                nn.ReLU(inplace=True),
            ]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(self.channels[-1], num_classes)

    def forward(self, frames: Tensor) -> Tensor:
        """Return logits ``[N, num_classes]`` of pictures, float32 ``[N, 3, H, W]``."""
        logits: Tensor = self.classifier(self.features(frames).mean(dim=(2, 3)))
        return logits

    def config_json(self) -> str:
        """Return what :meth:`from_json` makes the same network of."""
        return json.dumps({"num_classes": self.num_classes, "channels": self.channels})

    @classmethod
    def from_json(cls, text: str) -> FrameCNN:
        """Return a network with random weights, as a weights file describes it.

        Raises:
            OptionError: The text describes none.
        """
        try:
            data = json.loads(text)
            channels = [int(wide) for wide in data["channels"]]
            num_classes = int(data["num_classes"])
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
            raise OptionError(f"{text[:200]!r} does not describe a FrameCNN.") from error
        if not channels or min(num_classes, *channels) < 1 or max(num_classes, *channels) > 65536:
            raise OptionError(f"{text[:200]!r} does not describe a FrameCNN.")
        return cls(num_classes, channels=channels)
