"""What is learnt: the head, from features computed once, or the whole network, from frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from vidlab.clips import Clip, Clips
from vidlab.core.errors import DatasetError, VideoError
from vidlab.core.labels import LabelMap
from vidlab.models.movinet.network import MoViNet, State
from vidlab.training.augmentation import Augmentation, seeded
from vidlab.training.features import Extractor, mean_log_probabilities
from vidlab.training.options import Options

# Standard deviation of the weights of a label that is new.
_SMALL = 0.01

# Class id of a frame that the loss is not on.
_NONE = -1

Answers = tuple[Tensor, Tensor]
"""Logits ``[N, num_classes]`` and class ids ``[N]``."""


@dataclass(frozen=True)
class Piece:
    """Frames of a clip to read: `start` to `stop` (not included), varied as in an epoch."""

    index: int
    start: int
    stop: int
    epoch: int


Load = list[Piece]
"""Pieces that are read together."""


class Task:
    """Clips to learn from and to validate with, and the class ids of their labels."""

    def __init__(
        self,
        *,
        training: tuple[Clips, list[int]],
        validation: tuple[Clips, list[int]],
        labels: LabelMap,
        options: Options,
    ) -> None:
        self.clips, self.training = training
        self.validation_clips, self.validation = validation
        self.labels = labels
        self.options = options

    def answers(self, extractor: Extractor, index: int) -> list[Answers]:
        """Return what the head is given for each answer of validation, and its class id.

        Raises:
            VideoError: Not one frame of the clip can be read.
        """
        found = extractor.answers(self.validation_clips, index)
        labels = self.validation_clips.clips[index].labels
        ids = [torch.tensor([self.labels.id_of(label)]) for label in labels]
        return list(zip(found, ids, strict=True))

    def all_problems(self) -> dict[str, str]:
        """Return what could not be read so far, and why."""
        return self.clips.problems | self.validation_clips.problems

    def check_enough(self, num_lost: int) -> None:
        """Refuse to learn from what is left of the clips.

        Args:
            num_lost: How many could not be read after all.

        Raises:
            DatasetError: That is more than half, or one label is all that is left.
        """
        left = {label for index in self.training for label in self.clips.clips[index].labels}
        if num_lost > len(self.training) or len(left) < 2:
            listed = "\n".join(
                f"  {name}: {why}" for name, why in list(self.all_problems().items())[:10]
            )
            raise DatasetError(
                f"{len(self.training)} clips with {len(left)} labels are left to learn from: two "
                "labels and half of the clips are the least. These could not be read:\n" + listed
            )

    def targets(self, clip: Clip, start: int, stop: int) -> list[int]:
        """Return the class id of each frame that the loss is on, and -1 for the others."""
        ids = [self.labels.id_of(label) for label in clip.frame_labels()[start:stop]]
        if self.options.loss_on == "every":
            return ids
        # The end of each segment; of a piece in the middle of a clip, its own end.
        ends = set(clip.ends) if self.options.mode == "stream" else {stop}
        return [
            class_id if number in ends else _NONE
            for number, class_id in enumerate(ids, start=start + 1)
        ]

    def class_weights(self) -> Tensor:
        """Return how much each class counts: less the more often it is asked for, 1 on average."""
        numbers = np.zeros(len(self.labels))
        for index in self.training:
            clip = self.clips.clips[index]
            seen = clip.num_frames
            if self.options.mode == "clips":
                seen = min(seen, self.options.num_frames)
            asked = [each for each in self.targets(clip, 0, seen) if each != _NONE]
            numbers += np.bincount(asked, minlength=len(self.labels))
        if not self.options.balance:
            return torch.ones(len(self.labels))
        present = np.maximum(numbers, 1)
        weights = np.where(numbers > 0, numbers.sum() / (np.count_nonzero(numbers) * present), 0.0)
        return torch.tensor(weights, dtype=torch.float32)

    def order(self, epoch: int) -> list[int]:
        """Return the clips to learn from in an epoch's own order."""
        shuffled = np.random.default_rng([self.options.seed, 1, epoch]).permutation(self.training)
        return [int(index) for index in shuffled]

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the clips of each batch of an epoch."""
        order, size = self.order(epoch), self.options.batch_size
        return [order[start : start + size] for start in range(0, len(order), size)]

    def window(self, clip: Clip, *seed: int) -> tuple[int, int]:
        """Return first frame and end of a piece of at most `num_frames`, at a random place."""
        room = clip.num_frames - self.options.num_frames
        if room <= 0:
            return 0, clip.num_frames
        start = int(np.random.default_rng([self.options.seed, 2, *seed]).integers(room + 1))
        return start, start + self.options.num_frames


class Learner(ABC):
    """Something with weights to train, batch by batch.

    Attributes:
        task: What it learns.
        module: Whose parameters are trained and whose state is kept.
    """

    task: Task
    module: nn.Module

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.task.training) // self.task.options.batch_size)

    @abstractmethod
    def batches(self, epoch: int, start: int = 0) -> Iterator[Iterator[Answers]]:
        """Yield the batches of an epoch from number `start` on.

        Each is gone through to its end, with a step of the optimizer after each of its answers.
        """

    @abstractmethod
    def validate(self) -> Answers:
        """Return log-probabilities float64 and class ids of the clips to validate with."""


class HeadLearner(Learner):
    """The head of a network whose features are at hand.

    Args:
        task: What to learn.
        network: Whose head it is.
        views: For each clip to learn from, by its number, some views: features ``[A, C]`` and
            class ids ``[A]``.
        answers: Features behind each answer of validation, ``[pieces, C]``, and its class id.
        compute: Gives the context to compute in.
    """

    def __init__(
        self,
        task: Task,
        network: MoViNet,
        *,
        views: dict[int, list[Answers]],
        answers: list[tuple[Tensor, int]],
        compute: Any,
    ) -> None:
        self.task = task
        self._head = network.head
        self.module = head_of(network)
        self._device = self._head.classifier.weight.device
        self._views = views
        self._answers = answers
        self._compute = compute

    def batches(self, epoch: int, start: int = 0) -> Iterator[Iterator[Answers]]:
        """Yield batches of one view of each clip."""
        options = self.task.options
        choice = np.random.default_rng([options.seed, 3, epoch]).random(len(self.task.clips))
        for batch in self.task.batches(epoch)[start:]:
            chosen = [self._views[i][int(choice[i] * len(self._views[i]))] for i in batch]
            yield self._parts(chosen)

    def validate(self) -> Answers:
        """Classify the features that were kept for it."""
        with torch.inference_mode():
            logits = [
                self._head.classify(features.to(self._device)).cpu()
                for features, _ in self._answers
            ]
        return mean_log_probabilities(logits), torch.tensor([each for _, each in self._answers])

    def _parts(self, chosen: list[Answers]) -> Iterator[Answers]:
        features = torch.cat([each for each, _ in chosen]).to(self._device)
        with self._compute():
            logits = self._head.classify(features)
        yield logits, torch.cat([ids for _, ids in chosen]).to(self._device)


class NetworkLearner(Learner):
    """A whole network.

    With ``mode="stream"`` a clip is gone through in pieces; the state at the end of one is carried
    into the next, cut from the past that made it.

    Args:
        task: What to learn.
        network: To be trained, on its device.
        augmentation: How frames are varied, or None.
        num_workers: Processes that read ahead.
        compute: Gives the context to compute in.
    """

    def __init__(
        self,
        task: Task,
        network: MoViNet,
        *,
        augmentation: Augmentation | None,
        num_workers: int,
        compute: Any,
    ) -> None:
        self.task = task
        self.module = self._network = network
        self._device = network.head.classifier.weight.device
        self._compute = compute
        self._loads: list[Load] = []
        self._loader = DataLoader(
            _Pieces(task.clips, augmentation, task.options.seed),
            batch_sampler=self._loads,
            num_workers=num_workers,
            collate_fn=_as_it_is,
            persistent_workers=num_workers > 0,
            generator=torch.Generator(),  # not the user's random numbers
        )

    def batches(self, epoch: int, start: int = 0) -> Iterator[Iterator[Answers]]:
        """Yield batches of clips, or of the pieces of clips in order."""
        # Batch norm that keeps its statistics computes in training what it does in predicting.
        self._network.train(self.task.options.batch_norm == "update")
        plan = [self._plan(batch, epoch) for batch in self.task.batches(epoch)[start:]]
        self._loads[:] = [load for loads in plan for load in loads]
        samples = iter(self._loader)
        for loads in plan:
            if self.task.options.mode == "stream":
                yield self._stream_parts(loads, samples)
            else:
                yield self._clip_parts(loads[0], next(samples))

    def validate(self) -> Answers:
        """Run the clips through the network as it is now."""
        task = self.task
        self._network.eval()
        extractor = Extractor(self._network, num_frames=task.options.num_frames)
        logits, ids = [], []
        with torch.inference_mode():
            for index in task.validation:
                try:
                    answers = task.answers(extractor, index)
                except VideoError as error:
                    clips = task.validation_clips
                    clips.problems[clips.clips[index].name] = str(error)
                    continue
                for features, class_id in answers:
                    logits.append(self._network.head.classify(features.to(self._device)).cpu())
                    ids.append(class_id)
        if not ids:
            raise DatasetError("Not one of the clips to validate with can be read.")
        return mean_log_probabilities(logits), torch.cat(ids)

    def _plan(self, batch: list[int], epoch: int) -> list[Load]:
        clips = [self.task.clips.clips[index] for index in batch]
        if self.task.options.mode == "clips":
            spans = [self.task.window(clip, epoch, i) for clip, i in zip(clips, batch, strict=True)]
            return [[Piece(i, *span, epoch) for i, span in zip(batch, spans, strict=True)]]
        length = self.task.options.num_frames
        return [
            [
                Piece(i, start, min(start + length, clip.num_frames), epoch)
                for clip, i in zip(clips, batch, strict=True)
                if start < clip.num_frames
            ]
            for start in range(0, max(clip.num_frames for clip in clips), length)
        ]

    def _clip_parts(self, load: Load, samples: list[Sample]) -> Iterator[Answers]:
        pieces, frames = self._readable(load, samples)
        if not pieces:
            return
        batch, targets = self._batch(pieces, frames)
        with self._compute():
            if self._network.config.causal:
                logits, _ = self._network.step(batch, self._network.init_state(len(pieces)))
            else:
                logits = self._classify(batch, [len(each) for each in frames])
                targets = targets.amax(dim=1)
        yield logits[targets != _NONE], targets[targets != _NONE]

    def _classify(self, batch: Tensor, lengths: list[int]) -> Tensor:
        """Return a base model's logits of clips ``[B, T, 3, H, W]``, those of one length at once.

        What fills the shorter ones up would change their answers.
        """
        rows = {
            length: [row for row, each in enumerate(lengths) if each == length]
            for length in sorted(set(lengths))
        }
        logits = torch.cat([self._network(batch[same, :length]) for length, same in rows.items()])
        order = torch.tensor([row for same in rows.values() for row in same])
        return logits[order.argsort()]

    def _stream_parts(self, loads: list[Load], samples: Iterator[Any]) -> Iterator[Answers]:
        state: State = {}
        inside: list[int] = []  # clips whose state is carried, in the order of its rows
        gone: set[int] = set()
        for load in loads:
            pieces, frames = self._readable(load, next(samples))
            gone |= {each.index for each in load} - {each.index for each in pieces}
            kept = [n for n, piece in enumerate(pieces) if piece.index not in gone]
            if not kept:
                continue
            pieces, frames = [pieces[n] for n in kept], [frames[n] for n in kept]
            if not inside:
                state = self._network.init_state(len(pieces))
            else:
                state = _rows(state, [inside.index(piece.index) for piece in pieces])
            inside = [piece.index for piece in pieces]
            batch, targets = self._batch(pieces, frames)
            is_asked = targets != _NONE
            with self._compute(), torch.set_grad_enabled(bool(is_asked.any())):
                logits, state = self._network.step(batch, state)
            state = {name: value.detach() for name, value in state.items()}
            if is_asked.any():
                yield logits[is_asked], targets[is_asked]

    def _readable(self, load: Load, samples: list[Sample]) -> tuple[list[Piece], list[Tensor]]:
        """Return the pieces that could be read, and note the problems of the others."""
        pieces, found = [], []
        for piece, sample in zip(load, samples, strict=True):
            if sample.problem is not None:
                name = self.task.clips.clips[piece.index].name
                self.task.clips.problems.setdefault(name, sample.problem)
            if sample.frames is not None:
                pieces.append(piece)
                found.append(sample.frames)
        return pieces, found

    def _batch(self, pieces: Sequence[Piece], frames: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return frames ``[B, T, 3, H, W]`` and class ids ``[B, T]`` on the device.

        Shorter pieces are filled with their last frame, which the loss is not on: what comes after
        a frame cannot change a stream model's answer to it.
        """
        longest = max(len(each) for each in frames)
        filled = torch.stack(
            [
                torch.cat([each, each[-1:].expand(longest - len(each), -1, -1, -1)])
                for each in frames
            ]
        )
        targets = torch.full((len(pieces), longest), _NONE)
        for row, piece in zip(targets, pieces, strict=True):
            clip = self.task.clips.clips[piece.index]
            ids = self.task.targets(clip, piece.start, piece.stop)
            row[: len(ids)] = torch.tensor(ids)
        return filled.permute(0, 1, 4, 2, 3).to(self._device), targets.to(self._device)


@dataclass(frozen=True)
class Sample:
    """What came of reading a piece: frames float32 ``[T, H, W, 3]``, or why there are none."""

    frames: Tensor | None
    problem: str | None


class _Pieces(Dataset[Sample]):
    """Reads pieces of clips, in whichever process."""

    def __init__(self, clips: Clips, augmentation: Augmentation | None, seed: int) -> None:
        self._clips = clips
        self._augmentation = augmentation
        self._seed = seed

    def __getitem__(self, piece: Piece) -> Sample:
        try:
            frames = torch.from_numpy(self._clips.read(piece.index, piece.start, piece.stop))
        except VideoError as error:
            return Sample(None, str(error))
        if self._augmentation is not None:
            frames = self._augmentation(frames, self._seed, 4, piece.epoch, piece.index)
        return Sample(frames, self._clips.problems.get(self._clips.clips[piece.index].name))


def head_views(
    task: Task,
    extractor: Extractor,
    index: int,
    *,
    augmentation: Augmentation | None,
    num_views: int,
) -> list[Answers]:
    """Return views of a clip for a :class:`HeadLearner`: as it is, then varied.

    Raises:
        VideoError: Not one frame can be read.
    """
    clip = task.clips.clips[index]
    views = []
    for view in range(num_views):
        start, stop = 0, clip.num_frames
        if task.options.mode == "clips":
            start, stop = task.window(clip, view, index)
        targets = task.targets(clip, start, stop)
        wanted = [start + n for n, class_id in enumerate(targets) if class_id != _NONE]
        features = extractor.span(
            task.clips,
            index,
            start=start,
            stop=stop,
            wanted=wanted,
            augmentation=augmentation if view else None,
            seed=(task.options.seed, 5, view, index),
        )
        ids = torch.tensor([targets[frame - start] for frame in wanted])
        views.append((features, ids[-len(features) :]))
    return views


def compute_in(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Return the context that forward passes run in."""
    dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)


def head_of(network: MoViNet) -> nn.Module:
    """Return the two layers that answer, which are trained alone with ``train="head"``."""
    head = network.head
    return nn.ModuleDict({"hidden": head.hidden, "classifier": head.classifier})


def new_head(network: MoViNet, old: LabelMap, new: LabelMap, *, seed: int) -> None:
    """Give a network's last layer a row for each new label, in place.

    Labels that it knew keep their rows, the others get small random ones.
    """
    layer = network.head.classifier
    with seeded(seed, 6):
        fresh = nn.Linear(layer.in_features, len(new))
    with torch.no_grad():
        fresh.weight *= _SMALL / fresh.weight.std()
        fresh.bias.zero_()
        for row, label in enumerate(new):
            if label in old:
                fresh.weight[row] = layer.weight[old.id_of(label)]
                fresh.bias[row] = layer.bias[old.id_of(label)]
    network.head.classifier = fresh
    network.config = replace(network.config, num_classes=len(new))


def _rows(state: State, rows: list[int]) -> State:
    """Return a state with some of its videos only."""
    if rows == list(range(len(state["head_pool_sum"]))):
        return state
    return {name: value if value.ndim == 0 else value[rows] for name, value in state.items()}


def _as_it_is(samples: list[Sample]) -> list[Sample]:
    return samples
