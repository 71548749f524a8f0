"""What the head is given: a frozen network's averages, computed with the fast form of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from vidlab.clips import Clips, piece_starts
from vidlab.models.movinet.fast import FastMoViNet
from vidlab.models.movinet.network import MoViNet
from vidlab.training.augmentation import Augmentation

# Frames that are read at once, and that go through the network at once.
_READ_FRAMES = 64
_CHUNK_FRAMES = 16


class Extractor:
    """Computes what a network's head is given, for clips as training and validation take them.

    Args:
        network: Whose head it is; later changes of its weights do not matter here.
        num_frames: Frames that a base model sees at once.
    """

    def __init__(self, network: MoViNet, *, num_frames: int) -> None:
        self._fast: FastMoViNet = network.for_inference()
        self._causal = network.config.causal
        self._num_frames = num_frames
        self._device = network.head.classifier.weight.device
        self._last_read: tuple[tuple[Clips, int, int, int], Tensor] | None = None

    def span(
        self,
        clips: Clips,
        index: int,
        *,
        start: int,
        stop: int,
        wanted: list[int],
        augmentation: Augmentation | None = None,
        seed: tuple[int, ...] = (),
    ) -> Tensor:
        """Return features of frames `start` to `stop` (not included) of a clip.

        Args:
            clips: Where the clip is.
            index: Its number.
            start: First frame; the state is zero before it.
            stop: Frame to end before.
            wanted: Frames after which a stream model is asked; a base model answers once.
            augmentation: How to vary the frames.
            seed: Of the variation, the same for all frames.

        Returns:
            float32 ``[len(wanted), C]`` of a stream model, ``[1, C]`` of a base model.
        """
        pieces = self._pieces(clips, index, start, stop, augmentation, seed)
        if not self._causal:
            whole = torch.cat(list(pieces), dim=1)
            return self._fast.features(whole).cpu().clone()
        rows = []
        state = self._fast.init_state()
        for piece in pieces:
            for chunk in torch.split(piece, _CHUNK_FRAMES, dim=1):
                features, state = self._fast.step_features(chunk, state)
                rows.append(features[0])
        chosen = torch.tensor([frame - start for frame in wanted])
        return torch.cat(rows).cpu()[chosen]  # a copy, which gradients may pass

    def answers(self, clips: Clips, index: int) -> list[Tensor]:
        """Return features behind each answer that validation asks for.

        A stream model answers at the end of each segment, having seen the clip from its start. A
        base model sees a clip in pieces that follow each other, and all of them count.

        Returns:
            For each segment float32 ``[pieces, C]``.
        """
        clip = clips.clips[index]
        if self._causal:
            wanted = [end - 1 for end in clip.ends]
            features = self.span(clips, index, start=0, stop=clip.num_frames, wanted=wanted)
            return list(features[:, None])
        starts = piece_starts(clip.num_frames, self._num_frames)
        return [
            torch.cat(
                [
                    self.span(
                        clips,
                        index,
                        start=start,
                        stop=min(start + self._num_frames, clip.num_frames),
                        wanted=[],
                    )
                    for start in starts
                ]
            )
        ]

    def warm_up(self, height_px: int, width_px: int) -> None:
        """Let the network prepare its filters on a usual piece.

        They are prepared for the size first seen, and round by it: without this, numbers would
        depend on which clip comes first.
        """
        with torch.inference_mode():
            frames = torch.zeros(1, _CHUNK_FRAMES, 3, height_px, width_px, device=self._device)
            self._fast.features(frames)

    def _read(self, clips: Clips, index: int, start: int, stop: int) -> Tensor:
        # Views of a clip come one after the other, most often of the same frames.
        wanted = (clips, index, start, stop)
        if self._last_read is None or self._last_read[0] != wanted:
            self._last_read = wanted, torch.from_numpy(clips.read(index, start, stop))
        return self._last_read[1]

    def _pieces(
        self,
        clips: Clips,
        index: int,
        start: int,
        stop: int,
        augmentation: Augmentation | None,
        seed: tuple[int, ...],
    ) -> Iterator[Tensor]:
        for first in range(start, stop, _READ_FRAMES):
            frames = self._read(clips, index, first, min(first + _READ_FRAMES, stop))
            if augmentation is not None:
                frames = augmentation(frames, *seed)
            yield frames[None].permute(0, 1, 4, 2, 3).to(self._device)


def mean_log_probabilities(logits: list[Tensor]) -> Tensor:
    """Return the logarithm of the mean probabilities over the pieces of each answer, ``[N, K]``."""
    rows = [torch.log_softmax(each.double(), dim=1) for each in logits]
    return torch.stack([torch.logsumexp(each, dim=0) - np.log(len(each)) for each in rows])
