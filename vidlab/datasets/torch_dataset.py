"""StickActions as a PyTorch data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from vidlab.core.errors import OptionError
from vidlab.datasets.actions import STICK_ACTIONS
from vidlab.datasets.rendering import StickClip, check_options, clip_frames, label_of, render_clip


class StickActions(torch.utils.data.Dataset[tuple[Any, int]]):
    """Clips rendered when they are asked for.

    An item is a video and its class id: uint8 ``[T, 3, H, W]`` RGB, which is what
    ``torchvision.transforms.v2`` takes, or what `transform` makes of it. Seeds in a row hold every
    label equally often. Data sets with other seeds have other people, places and movements.

    Args:
        seeds: One clip each.
        size_px: Width and height.
        frame_rate: Frames per second.
        num_frames: Length of each clip.
        transform: Applied to the video; it must be picklable for a loader with workers.

    Raises:
        OptionError: An option is out of its range, or there is no seed.
    """

    classes = STICK_ACTIONS

    def __init__(
        self,
        seeds: Sequence[int] = range(1000),
        *,
        size_px: int = 172,
        frame_rate: float = 5.0,
        num_frames: int = 16,
        transform: Callable[[torch.Tensor], Any] | None = None,
    ) -> None:
        if not len(seeds):
            raise OptionError("seeds must hold at least one seed; got none.")
        check_options(min(seeds), size_px=size_px, frame_rate=frame_rate, num_frames=num_frames)
        self.seeds = seeds
        self.size_px, self.frame_rate, self.num_frames = size_px, frame_rate, num_frames
        self.transform = transform

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        """Render an item."""
        rgb = clip_frames(
            self.seeds[index], size_px=self.size_px, frame_rate=self.frame_rate,
            num_frames=self.num_frames,
        )  # fmt: skip
        video = torch.from_numpy(rgb).permute(0, 3, 1, 2).contiguous()
        return video if self.transform is None else self.transform(video), self.class_id(index)

    def class_id(self, index: int) -> int:
        """Return the class id of an item without rendering it."""
        return STICK_ACTIONS.index(label_of(self.seeds[index]))

    def clip(self, index: int) -> StickClip:
        """Return an item with all that is true about it."""
        return render_clip(
            self.seeds[index], size_px=self.size_px, frame_rate=self.frame_rate,
            num_frames=self.num_frames,
        )  # fmt: skip
