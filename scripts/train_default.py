"""Train the models that ship with vidlab: ``make train-default``.

They learn StickActions from nothing but seeds: two MoViNets, and a network that looks at single
pictures, for comparison. A MoViNet first learns what one frame shows, then what frames in a row
mean, on small pictures and then on full ones; on the way it also says where the joints are, which
makes it find the person. A GPU is used if there is one; a run that was ended goes on where it was.

What training wrote, with the rendered clips (27 GB), lies in ``.cache/train-default`` and may be
deleted when ``scripts/ship_default.py`` has measured the models and put them into the package.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from vidlab.core.console import say
from vidlab.datasets import KEYPOINT_NAMES, STICK_ACTIONS, label_of, render_clip
from vidlab.datasets.actions import MIRRORED_LABELS, TIME_ONLY_PAIRS
from vidlab.models.card import ModelCard
from vidlab.models.convert import save_safetensors
from vidlab.models.frame_cnn import FrameCNN
from vidlab.models.movinet import MoViNet, MovinetConfig
from vidlab.transforms import Preprocessing

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".cache" / "train-default"
PICTURES = "pictures"
SEED = 0

# None of the ranges of seeds meet; the sample videos have those from 9,000,000.
NUM_TRAINING_CLIPS = 30_000
VALIDATION_SEEDS = range(5_000_000, 5_000_240)

FRAME_RATE = 5.0
NUM_FRAMES = 16
PICTURE_PX = 112

_POSE_WEIGHT = 5.0
_LABEL_SMOOTHING = 0.05
_MOST_GRADIENT = 5.0
_SAVE_EVERY_SECONDS = 60.0


@dataclass(frozen=True)
class Stage:
    """Part of the training of one model.

    Attributes:
        size_px: Width and height of the pictures that the network sees.
        num_frames: Of each clip, 1 for single pictures.
        steps: How many batches.
        batch_size: Clips in each.
        learning_rate: The highest; it grows over the first steps and falls as a cosine.
        rendered_px: Width and height of the pictures that are rendered.
        num_clips: How many there are.
        strength: How much clips are changed at random, 0 to 1; see `Change`.
    """

    size_px: int
    num_frames: int
    steps: int
    batch_size: int
    learning_rate: float
    rendered_px: int = 112
    num_clips: int = NUM_TRAINING_CLIPS
    strength: float = 1.0

    @property
    def antialias(self) -> bool:
        """Whether pictures are smoothed when made smaller; the models' own, full ones are not."""
        return self.size_px < PICTURE_PX


STAGES = {
    "a0": (
        Stage(64, 1, 7_000, 64, 2e-3),
        Stage(64, NUM_FRAMES, 4_000, 24, 1.5e-3),
        Stage(112, NUM_FRAMES, 1_100, 16, 6e-4, rendered_px=172, num_clips=6_000),
        Stage(112, NUM_FRAMES, 800, 16, 3e-4, rendered_px=172, num_clips=6_000, strength=0.3),
    ),
    "xs": (
        Stage(64, 1, 10_500, 64, 2e-3),
        Stage(64, NUM_FRAMES, 4_000, 24, 1.5e-3),
        Stage(112, NUM_FRAMES, 1_500, 16, 6e-4, rendered_px=172, num_clips=6_000),
        Stage(112, NUM_FRAMES, 1_200, 16, 4e-4, rendered_px=172, num_clips=6_000, strength=0.3),
    ),
}


class Clips:
    """Clips rendered once, and read from the disk after that; so they are after an interruption.

    Attributes:
        frames: uint8 ``[N, T, 3, H, W]``.
        keypoints: x and y from 0 to 1 and COCO's visibility, float32 ``[N, T, 17, 3]``.
        class_ids: int64 ``[N]``.
    """

    def __init__(self, seeds: range, size_px: int) -> None:
        WORK.mkdir(parents=True, exist_ok=True)
        num, size = len(seeds), size_px
        name = f"clips-{seeds.start}-{seeds.stop}-{size}px"
        self.class_ids = torch.tensor([STICK_ACTIONS.index(label_of(seed)) for seed in seeds])
        self.frames = _array(name, "frames", np.uint8, (num, NUM_FRAMES, 3, size, size))
        joints = len(KEYPOINT_NAMES)
        self.keypoints = _array(name, "keypoints", np.float32, (num, NUM_FRAMES, joints, 3))
        done = _array(name, "done", np.uint8, (num,))
        missing = np.flatnonzero(done == 0)
        if missing.size:
            say(f"rendering {missing.size} clips")
        for at in missing.tolist():
            clip = render_clip(
                seeds[at], size_px=size, frame_rate=FRAME_RATE, num_frames=NUM_FRAMES
            )
            self.frames[at] = clip.rgb.transpose(0, 3, 1, 2)
            self.keypoints[at] = clip.keypoints / np.float32([size, size, 1])
            done[at] = 1

    def batch(
        self,
        chosen: list[int],
        times: list[slice],
        size_px: int,
        *,
        antialias: bool = False,
        rng: np.random.Generator | None = None,
        strength: float = 1.0,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return frames in [0, 1] ``[B, T, 3, size_px, size_px]``, joints and class ids.

        Without `antialias` they are resized as by the models' own preprocessing. With `rng` each
        clip is changed at random, as much as `strength` says; see `Change`.
        """
        frames, joints, class_ids = [], [], self.class_ids[chosen].clone()
        for place, (at, when) in enumerate(zip(chosen, times, strict=True)):
            rgb = torch.from_numpy(self.frames[at, when])
            points = torch.from_numpy(self.keypoints[at, when])
            if rng is None:
                rgb = _resized(rgb.float() / 255.0, size_px, antialias)
            else:
                change = Change(rng, rgb.shape[-1], strength)
                rgb = _resized(change.cropped(rgb).float() / 255.0, size_px, antialias)
                rgb, points = change.coloured(rgb), change.moved(points)
                rgb, points, class_ids[place] = change.turned(rgb, points, int(class_ids[place]))
            frames.append(rgb)
            joints.append(points)
        return torch.stack(frames), torch.stack(joints), class_ids


def _resized(frames: Tensor, size_px: int, antialias: bool) -> Tensor:
    if frames.shape[-1] == size_px:
        return frames
    return interpolate(frames, (size_px, size_px), mode="bilinear", antialias=antialias)


# Left and right joints, which a mirror makes each other.
_LEFT = [at for at, name in enumerate(KEYPOINT_NAMES) if name.startswith("left_")]
_RIGHT = [KEYPOINT_NAMES.index(KEYPOINT_NAMES[at].replace("left_", "right_")) for at in _LEFT]

_REVERSED = {one: other for pair in TIME_ONLY_PAIRS for one, other in (pair, pair[::-1])}


class Change:
    """What happens to a clip before it is learnt from, so that no two are alike.

    A part of the picture is taken; colours are changed, mixed up or taken away; something covers
    it; noise is added; it is mirrored, and, where that has a label, played backwards.
    """

    def __init__(self, rng: np.random.Generator, size_px: int, strength: float) -> None:
        self.side = round(size_px * rng.uniform(1.0 - 0.22 * strength, 1.0))
        self.top, self.left = rng.integers(size_px - self.side + 1, size=2).tolist()
        self.size_px = size_px
        self.is_mirrored, self.is_reversed = rng.random(2) < 0.5
        gains = 1.0 + strength * rng.uniform(-0.25, 0.25, 3)
        self.gains = torch.from_numpy(gains.astype("float32"))
        self.contrast = 1.0 + strength * float(rng.uniform(-0.3, 0.2))
        self.order = rng.permutation(3).tolist() if rng.random() < 0.3 * strength else [0, 1, 2]
        self.is_grey = rng.random() < 0.1 * strength
        self.noise = strength * float(rng.uniform(0.0, 0.04))
        self.seed = int(rng.integers(2**31))
        self.cover = rng.uniform(0.05, 0.35, 2).tolist() if rng.random() < 0.4 * strength else None
        self.cover_at, self.cover_rgb = rng.random(2).tolist(), rng.random(3)

    def cropped(self, rgb: Tensor) -> Tensor:
        """Take a part of the pictures ``[T, 3, H, W]``."""
        return rgb[..., self.top : self.top + self.side, self.left : self.left + self.side]

    def coloured(self, rgb: Tensor) -> Tensor:
        """Change the values of pictures ``[T, 3, H, W]`` in [0, 1]."""
        rgb = rgb[:, self.order] * self.gains[:, None, None]
        if self.is_grey:
            rgb = rgb.mean(dim=1, keepdim=True).expand_as(rgb)
        mean = rgb.mean()
        rgb = (rgb - mean) * self.contrast + mean
        if self.cover is not None:
            side = rgb.shape[-1]
            height, width = (max(1, round(share * side)) for share in self.cover)
            top, left = (
                round(at * (side - length))
                for at, length in zip(self.cover_at, (height, width), strict=True)
            )
            colour = torch.from_numpy(self.cover_rgb.astype("float32"))[:, None, None]
            rgb[..., top : top + height, left : left + width] = colour
        random = torch.Generator().manual_seed(self.seed)
        rgb = rgb + self.noise * torch.randn(rgb.shape, generator=random)
        return rgb.clamp_(0.0, 1.0)

    def moved(self, points: Tensor) -> Tensor:
        """Return joints ``[T, 17, 3]`` where they are in the part taken."""
        corner = torch.tensor([self.left, self.top]) / self.size_px
        at = (points[..., :2] - corner) * (self.size_px / self.side)
        return torch.cat([at, points[..., 2:]], dim=-1)

    def turned(self, rgb: Tensor, points: Tensor, class_id: int) -> tuple[Tensor, Tensor, int]:
        """Mirror and reverse the pictures, the joints and the label."""
        label = STICK_ACTIONS[class_id]
        if self.is_mirrored:
            rgb, points = rgb.flip(-1), points.clone()
            points[..., 0] = 1.0 - points[..., 0]
            points[:, [*_LEFT, *_RIGHT]] = points[:, [*_RIGHT, *_LEFT]]
            label = MIRRORED_LABELS.get(label, label)
        if self.is_reversed and label in _REVERSED:
            rgb, points, label = rgb.flip(0), points.flip(0), _REVERSED[label]
        return rgb, points, STICK_ACTIONS.index(label)


def _array(name: str, what: str, dtype: type, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    path = WORK / f"{name}.{what}"
    return np.memmap(path, dtype, "r+" if path.exists() else "w+", shape=shape)


class Learner(nn.Module):
    """A MoViNet that also says where the joints are.

    The joints come out of the last features that are still a good map of the picture: one map a
    joint, and of each its centre of mass.
    """

    def __init__(self, size: str) -> None:
        super().__init__()
        self.network = new_network(size)
        *_, name = (name for name in self.network.layers if name.startswith("block3"))
        self.network.layers[name].register_forward_hook(self._keep)
        self._map = torch.empty(0)
        with torch.no_grad():
            self._answer(torch.zeros(1, 1, 3, 64, 64))
        self.joints = nn.Conv2d(self._map.shape[1], len(KEYPOINT_NAMES), 1)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits after each frame ``[B, T, C]``, and joints ``[B, T, 17, 2]`` in [0, 1]."""
        logits = self._answer(frames)
        maps = self.joints(self._map)
        rows, columns = maps.shape[2:]
        shares = maps.flatten(2).softmax(dim=-1).unflatten(2, (rows, columns))
        x = (shares.sum(dim=2) * _centres(columns, maps)).sum(dim=-1)
        y = (shares.sum(dim=3) * _centres(rows, maps)).sum(dim=-1)
        return logits, torch.stack((x, y), dim=-1).unflatten(0, frames.shape[:2])

    def _answer(self, frames: Tensor) -> Tensor:
        state = self.network.init_state(len(frames))
        logits: Tensor = self.network.step(frames, state)[0]
        return logits

    def _keep(self, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        self._map = output


def _centres(number: int, like: Tensor) -> Tensor:
    return (torch.arange(number, device=like.device) + 0.5) / number


class Training:
    """One model's way through its stages; whatever it draws, it draws from stage and step."""

    def __init__(self, size: str) -> None:
        self.size, self.stages = size, STAGES[size]
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.folder = WORK / size
        self.folder.mkdir(parents=True, exist_ok=True)
        self.learner = Learner(size).to(self.device)
        self.stage = self.step = 0
        self.seconds = 0.0
        self.optimizer = self._optimizer()
        self._resume()

    def run(self) -> Path:
        """Go through the stages that are left; return the weights."""
        while self.stage < len(self.stages):
            self._run_stage(self.stages[self.stage])
            self.stage, self.step = self.stage + 1, 0
            self.optimizer = self._optimizer()
            self._save()
        path = self.folder / "model.safetensors"
        network = self.learner.network.cpu().eval()
        about = {"seconds": f"{self.seconds:.0f}"}
        save_safetensors(path, network.config, network.state_dict(), provenance=about)
        return path

    def _run_stage(self, stage: Stage) -> None:
        self.clips = Clips(range(stage.num_clips), stage.rendered_px)
        self.validation = Clips(VALIDATION_SEEDS, stage.rendered_px)
        self.learner.train()
        begin = saved = time.monotonic()
        tally: list[tuple[float, float, float]] = []
        while self.step < stage.steps:
            tally.append(self._train(stage))
            self.step += 1
            now = time.monotonic()
            if now - saved > _SAVE_EVERY_SECONDS:
                self.seconds += now - begin
                begin = saved = now
                self._save()
                self._say(tally)
                tally = []
        self.seconds += time.monotonic() - begin
        accuracy = self._validate(stage)
        self._say(tally, f"; {accuracy:.1%} of the validation clips are right at their end")

    def _train(self, stage: Stage) -> tuple[float, float, float]:
        rng = np.random.default_rng((SEED, self.stage, self.step))
        chosen = rng.choice(stage.num_clips, stage.batch_size, replace=False).tolist()
        latest = NUM_FRAMES - stage.num_frames + 1
        times = [slice(at, at + stage.num_frames) for at in rng.integers(latest, size=len(chosen))]
        frames, truth, class_ids = self.clips.batch(
            chosen, times, stage.size_px, antialias=stage.antialias, rng=rng,
            strength=stage.strength,
        )  # fmt: skip
        frames, truth, class_ids = (each.to(self.device) for each in (frames, truth, class_ids))
        logits, joints = self.learner(frames)
        is_seen = (truth[..., 2:] > 0) & (truth[..., :2] > 0).all(-1, keepdim=True)
        is_inside = (is_seen & (truth[..., :2] < 1).all(-1, keepdim=True)).float()
        off = ((joints - truth[..., :2]).abs() * is_inside).sum() / (2.0 * is_inside.sum() + 1e-6)
        loss = label_loss(logits, class_ids)
        self.optimizer.zero_grad()
        (loss + _POSE_WEIGHT * off).backward()
        nn.utils.clip_grad_norm_(self.learner.parameters(), _MOST_GRADIENT)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(stage, self.step)
        self.optimizer.step()
        right = (logits[:, -1].argmax(dim=-1) == class_ids).float().mean()
        return loss.item(), off.item(), right.item()

    @torch.no_grad()
    def _validate(self, stage: Stage) -> float:
        self.learner.eval()
        right = 0
        for first in range(0, len(VALIDATION_SEEDS), 24):
            chosen = list(range(first, min(first + 24, len(VALIDATION_SEEDS))))
            whole = [slice(0, NUM_FRAMES)] * len(chosen)
            frames, _, class_ids = self.validation.batch(
                chosen, whole, stage.size_px, antialias=stage.antialias
            )
            logits, _ = self.learner(frames.to(self.device))
            right += int((logits[:, -1].argmax(dim=-1).cpu() == class_ids).sum())
        return right / len(VALIDATION_SEEDS)

    def _optimizer(self) -> torch.optim.Optimizer:
        parameters = list(self.learner.parameters())
        groups = [
            {"params": [each for each in parameters if each.ndim > 1], "weight_decay": 0.02},
            {"params": [each for each in parameters if each.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups)

    def _save(self) -> None:
        path = self.folder / "checkpoint.pt"
        part = path.with_suffix(".part")
        torch.save(
            {
                "stages": repr(self.stages),
                "learner": self.learner.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "at": (self.stage, self.step, self.seconds),
            },
            part,
        )
        part.replace(path)

    def _resume(self) -> None:
        path = self.folder / "checkpoint.pt"
        if not path.is_file():
            return
        found = torch.load(path, weights_only=True, map_location=self.device)
        self.learner.load_state_dict(found["learner"])
        self.optimizer.load_state_dict(found["optimizer"])
        self.stage, self.step, self.seconds = found["at"]
        if found["stages"] != repr(self.stages):
            say(f"{path} is of other stages; it goes on from its weights")
        say(f"{self.size} goes on at stage {self.stage + 1}, step {self.step}")

    def _say(self, tally: list[tuple[float, float, float]], more: str = "") -> None:
        loss, off, right = np.mean(tally, axis=0) if tally else (math.nan,) * 3
        where = f"stage {self.stage + 1}, step {self.step} of {self.stages[self.stage].steps}"
        what = f"loss {loss:.3f}, joints {off:.3f} off, {right:.1%} right{more}"
        print(f"{self.size}: {where}, {self.seconds / 60:.0f} min: {what}", flush=True)


def label_loss(logits: Tensor, class_ids: Tensor) -> Tensor:
    """Return the cross-entropy after every frame ``[B, T, C]``, which counts more to the end."""
    num_frames = logits.shape[1]
    weights = torch.linspace(0.3, 1.0, num_frames, device=logits.device)
    if num_frames == 1:
        weights = torch.ones(1, device=logits.device)
    each = cross_entropy(
        logits.flatten(0, 1), class_ids.repeat_interleave(num_frames), reduction="none",
        label_smoothing=_LABEL_SMOOTHING,
    )  # fmt: skip
    return (each.unflatten(0, (-1, num_frames)) * (weights / weights.mean())).mean()


def learning_rate(stage: Stage, step: int) -> float:
    """Return the learning rate of a step: up over a twentieth of the steps, down as a cosine."""
    up = min(1.0, (step + 1) / (0.05 * stage.steps))
    return stage.learning_rate * up * 0.5 * (1.0 + math.cos(math.pi * step / stage.steps))


def train_pictures() -> Path:
    """Train the network of single pictures, where it is not there yet; return its weights."""
    path = WORK / PICTURES / "model.safetensors"
    if path.is_file():
        return path
    begin = time.monotonic()
    clips = Clips(range(NUM_TRAINING_CLIPS), PICTURE_PX)
    torch.manual_seed(SEED)
    network = FrameCNN(len(STICK_ACTIONS)).train()
    steps, batch_size = 1_500, 64
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    rng = np.random.default_rng(SEED)
    for step in range(steps):
        chosen = rng.choice(NUM_TRAINING_CLIPS, batch_size, replace=False).tolist()
        times = [slice(at, at + 1) for at in rng.integers(NUM_FRAMES, size=batch_size)]
        frames, _, class_ids = clips.batch(chosen, times, PICTURE_PX)
        loss = cross_entropy(network(frames[:, 0]), class_ids)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"pictures: step {step} of {steps}, loss {loss.item():.3f}", flush=True)
    network.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = {"seconds": f"{time.monotonic() - begin:.0f}"}
    save_safetensors(path, network, network.state_dict(), provenance=seconds)
    return path


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
            nn.init.ones_(parameter)
        if name.endswith("temporal_conv.weight"):
            # Frames before the last one say nothing at first: one frame at a time cannot teach it.
            with torch.no_grad():
                parameter[:, :, :-1] = 0.0
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


def main() -> int:
    """Train what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", metavar="SIZE", help="a0, xs, pictures (default: all)")
    parser.add_argument("--threads", type=int, help="to compute with (default: every core)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads or os.cpu_count() or 1)
    for size in options.sizes or [*STAGES, PICTURES]:
        print(train_pictures() if size == PICTURES else Training(size).run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
