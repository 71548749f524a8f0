"""Rendering: a seed becomes frames and everything that is true about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vidlab.core.errors import OptionError, did_you_mean
from vidlab.datasets.actions import MIRRORED_LABELS, REVERSED_FROM, STICK_ACTIONS
from vidlab.datasets.body import Body, Floats, Pose, mixed, random_body, rotation, solve, vector
from vidlab.datasets.effects import Effects
from vidlab.datasets.figure import person, random_look
from vidlab.datasets.motions import MOTIONS, Motion, rest, smooth
from vidlab.datasets.parts import Camera, Part, floor_shadow, on_grid, outlines
from vidlab.datasets.scenery import Backdrop, drift, movers, occluders

# Polygons are drawn this much larger and then reduced: smooth edges.
_OVERSAMPLING = 2

KEYPOINT_NAMES: tuple[str, ...] = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee",
    "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
"""COCO's 17 keypoints, in its order; left and right are the person's own."""

_JOINTS = tuple(name.replace("left_", "l_").replace("right_", "r_") for name in KEYPOINT_NAMES)
_MIRRORED_KEYPOINTS = [0] + [i + 1 if i % 2 else i - 1 for i in range(1, 17)]

# Which drawn limbs show a joint; another one drawn over it hides it.
_LIMBS = {
    "shoulder": ("chest", "upper_arm"),
    "elbow": ("upper_arm", "forearm"),
    "wrist": ("forearm", "hand"),
    "hip": ("pelvis", "thigh", "chest"),
    "knee": ("thigh", "shin", "pelvis"),
    "ankle": ("shin", "foot"),
}


@dataclass(frozen=True)
class StickClip:
    """Frames of one person, and what is true about every frame.

    Attributes:
        rgb: uint8 ``[T, H, W, 3]``.
        labels: Class id of each frame, int64 ``[T]``; -1 where no action is going on.
        keypoints: x px, y px and visibility of COCO's 17 joints, float32 ``[T, 17, 3]``. 0 is
            outside the picture, 1 hidden, 2 visible.
        boxes: x, y, width, height around the drawn body within the picture, px, float32 ``[T, 4]``.
        pts_seconds: When each frame comes, float64 ``[T]``.
        segments: DataFrame, one row an action: ``start_seconds``, ``end_seconds``, ``label``.
        seed: What it was rendered from.
    """

    rgb: NDArray[np.uint8]
    labels: NDArray[np.int64]
    keypoints: NDArray[np.float32]
    boxes: NDArray[np.float32]
    pts_seconds: Floats
    segments: pd.DataFrame
    seed: int

    @property
    def label(self) -> str:
        """The label of the first action."""
        return str(self.segments["label"].iloc[0])

    def reversed(self) -> StickClip:
        """Return the frames played backwards; a label of a time-only pair becomes the other."""
        other = {**REVERSED_FROM, **{first: second for second, first in REVERSED_FROM.items()}}
        end = (
            float(self.pts_seconds[-1] + self.pts_seconds[1] - self.pts_seconds[0])
            if len(self.pts_seconds) > 1
            else float(self.segments["end_seconds"].max())
        )
        segments = pd.DataFrame({
            "start_seconds": end - self.segments["end_seconds"],
            "end_seconds": end - self.segments["start_seconds"],
            "label": self.segments["label"].map(lambda label: other.get(label, label)),
        }).iloc[::-1].reset_index(drop=True)  # fmt: skip
        return replace(
            self,
            rgb=self.rgb[::-1].copy(),
            labels=_renamed(self.labels, other)[::-1].copy(),
            keypoints=self.keypoints[::-1].copy(),
            boxes=self.boxes[::-1].copy(),
            segments=segments,
        )

    def mirrored(self) -> StickClip:
        """Return the mirror image: left and right change places, in labels and keypoints too."""
        width = self.rgb.shape[2]
        keypoints = self.keypoints[:, _MIRRORED_KEYPOINTS].copy()
        keypoints[..., 0] = width - keypoints[..., 0]
        boxes = self.boxes.copy()
        boxes[:, 0] = width - boxes[:, 0] - boxes[:, 2]
        segments = self.segments.copy()
        segments["label"] = segments["label"].map(lambda label: MIRRORED_LABELS.get(label, label))
        return replace(
            self,
            rgb=self.rgb[:, :, ::-1].copy(),
            labels=_renamed(self.labels, MIRRORED_LABELS),
            keypoints=keypoints,
            boxes=boxes,
            segments=segments,
        )


def _renamed(labels: NDArray[np.int64], names: dict[str, str]) -> NDArray[np.int64]:
    ids = {label: i for i, label in enumerate(STICK_ACTIONS)}
    table = np.array([ids[names.get(label, label)] for label in STICK_ACTIONS] + [-1], np.int64)
    return table[labels]


def generator(seed: int, purpose: int) -> np.random.Generator:
    """Return the random numbers of a seed for one purpose, the same on every machine."""
    return np.random.Generator(np.random.PCG64((purpose, seed)))


def label_of(seed: int) -> str:
    """Return the label that `seed` has unless another is asked for: seeds take turns."""
    return STICK_ACTIONS[seed % len(STICK_ACTIONS)]


def render_clip(
    seed: int, *, label: str | None = None, size_px: int = 172, frame_rate: float = 5.0,
    num_frames: int = 16,
) -> StickClip:  # fmt: skip
    """Render one action.

    The same seed gives the same bytes. The second label of a time-only pair is the first one's
    clip of that seed with its frames in reverse.

    Args:
        seed: Decides everything else: who, where, how, from which side.
        label: One of :data:`STICK_ACTIONS`; None lets the seed decide, each in turn.
        size_px: Width and height.
        frame_rate: Frames per second.
        num_frames: Length.

    Raises:
        OptionError: An option is out of its range.
    """
    check_options(seed, size_px, frame_rate, num_frames)
    if label is None:
        label = label_of(seed)
    _check_label(label)
    forward = REVERSED_FROM.get(label, label)
    clip = clip_scene(
        seed, forward, size_px=size_px, frame_rate=frame_rate, num_frames=num_frames
    ).clip()
    return clip if forward == label else clip.reversed()


def clip_frames(
    seed: int, *, size_px: int, frame_rate: float, num_frames: int
) -> NDArray[np.uint8]:
    """Return the frames of :func:`render_clip` alone, quicker."""
    label = label_of(seed)
    forward = REVERSED_FROM.get(label, label)
    rgb = clip_scene(
        seed, forward, size_px=size_px, frame_rate=frame_rate, num_frames=num_frames
    ).rgb()
    return rgb if forward == label else rgb[::-1].copy()


def clip_scene(seed: int, label: str, *, size_px: int, frame_rate: float, num_frames: int) -> Scene:
    """Return the scene of a label that is not drawn backwards."""
    t = np.arange(num_frames) / frame_rate
    plan = [(label, 0.0, num_frames / frame_rate)]
    return Scene(seed, plan, t, size_px=size_px, frame_rate=frame_rate)


def render_sequence(
    seed: int, *, labels: Sequence[str] | None = None, num_actions: int = 6, size_px: int = 256,
    frame_rate: float = 25.0,
) -> StickClip:  # fmt: skip
    """Render several actions, one after another, with smooth transitions.

    Between two actions the person goes to a stand and into the next one; these frames have label
    -1 and no segment. Actions begin and end on frames. "Standing up" and "closing door" undo a
    "sitting down" and an "opening door" before them.

    Args:
        seed: Decides everything else.
        labels: What is done, in order; None lets the seed choose `num_actions`.
        num_actions: How many actions where `labels` is None.
        size_px: Width and height.
        frame_rate: Frames per second.

    Raises:
        OptionError: An option is out of its range.
    """
    return sequence_scene(
        seed, labels=labels, num_actions=num_actions, size_px=size_px, frame_rate=frame_rate
    ).clip()


def sequence_scene(
    seed: int, *, labels: Sequence[str] | None, num_actions: int, size_px: int, frame_rate: float
) -> Scene:
    """Return the scene of :func:`render_sequence`, whose frames can be had one by one."""
    check_options(seed, size_px, frame_rate, 1)
    rng = generator(seed, 6)
    if labels is None:
        if num_actions < 1:
            raise OptionError(f"num_actions must be at least 1; got {num_actions}.")
        labels = _program(rng, num_actions)
    elif not labels:
        raise OptionError("labels must name at least one action; got none.")
    for label in labels:
        _check_label(label)
    frames, plan = round(rng.uniform(0.5, 0.8) * frame_rate), []
    for i, label in enumerate(labels):
        if i:
            undoes = REVERSED_FROM.get(label) == labels[i - 1]
            pause = rng.uniform(0.3, 0.8) if undoes else rng.uniform(0.9, 1.3)
            frames += max(1, round(pause * frame_rate))
        length = max(2, round(rng.uniform(2.5, 4.2) * frame_rate))
        plan.append((label, frames / frame_rate, (frames + length) / frame_rate))
        frames += length
    frames += max(1, round(rng.uniform(0.5, 0.8) * frame_rate))
    return Scene(seed, plan, np.arange(frames) / frame_rate, size_px=size_px, frame_rate=frame_rate)


def _program(rng: np.random.Generator, num_actions: int) -> list[str]:
    """Return labels in a random order; what undoes something comes right after it."""
    undone_by = {"sitting down": "standing up", "opening door": "closing door"}
    out: list[str] = []
    while True:
        for i in rng.permutation(len(STICK_ACTIONS)).tolist():
            label = STICK_ACTIONS[i]
            if label in undone_by.values():
                continue
            unit = [label, undone_by[label]] if label in undone_by else [label]
            if len(out) + len(unit) <= num_actions and label not in out[-1:]:
                out += unit
            if len(out) == num_actions:
                return out


def _check_label(label: str) -> None:
    if label not in STICK_ACTIONS:
        raise OptionError(
            f"{label!r} is not one of STICK_ACTIONS." + did_you_mean(label, STICK_ACTIONS)
        )


def check_options(seed: int, size_px: int, frame_rate: float, num_frames: int) -> None:
    if seed < 0:
        raise OptionError(f"seed must be 0 or more; got {seed}.")
    if size_px < 16:
        raise OptionError(f"size_px must be at least 16; got {size_px}.")
    if not 0.0 < frame_rate < float("inf"):
        raise OptionError(f"frame_rate must be above 0; got {frame_rate}.")
    if num_frames < 1:
        raise OptionError(f"num_frames must be at least 1; got {num_frames}.")


Plan = Sequence[tuple[str, float, float]]


class Scene:
    """Somebody, somewhere, doing one thing after another.

    Args:
        seed: Decides who, where and how.
        plan: Label, start and end, seconds, in order; between two of them the person stands.
        t: When the frames are, seconds, ``[T]``.
        size_px: Width and height.
        frame_rate: Frames per second.
    """

    def __init__(
        self, seed: int, plan: Plan, t: Floats, *, size_px: int, frame_rate: float
    ) -> None:
        self.seed, self.plan, self.t, self.size_px = seed, plan, t, size_px
        self.frame_rate = frame_rate
        looks = generator(seed, 1)
        self.body = random_body(looks)
        self.look = random_look(looks)
        camera_rng, place_rng, effects_rng = (generator(seed, i) for i in (2, 3, 4))

        # Some frames are exposed so long that what moves is blurred: drawn at three times.
        exposure = effects_rng.uniform(0.01, 0.05) if effects_rng.random() < 0.25 else 0.0
        steps = np.array((-0.5, 0.0, 0.5)) if exposure else np.zeros(1)
        self._blur = len(steps)
        times = (t[:, None] + exposure * steps).reshape(-1)
        pose, motions = self._act(times)
        self.joints = solve(self.body, pose)
        self.camera = _camera(camera_rng, self.body, pose, motions, times, size_px)
        middle = np.arange(len(t)) * self._blur + self._blur // 2
        self._middle = middle

        view = np.array((0.0, np.sin(self.camera.elevation), np.cos(self.camera.elevation)))
        eye = np.array((0.0, self.camera.target, 0.0)) + self.camera.distance * view
        eyes = eye + np.stack((self.camera.follow, 0 * times, 0 * times), axis=-1)
        way = eyes - self.joints["head"]
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        self._view = way
        self.body_parts = person(self.body, self.look, self.joints, view=way)
        used = [part for motion, size in motions for part in _props(motion, size, self.joints)]
        around = movers(place_rng, times, self.camera)
        around += occluders(place_rng, times, self.camera, self.body.height)
        self._parts = self.body_parts + used + around
        self._light = tuple(place_rng.uniform(-1.0, 1.0, 2) * (1.0, 0.4) - (0.0, 0.6))
        self._backdrop = Backdrop(place_rng, self.camera)
        fall = place_rng.uniform(-0.7, 0.7), place_rng.uniform(-0.5, 0.1)
        self._shadow = int(place_rng.uniform(50, 120)) * bool(place_rng.random() < 0.8)
        if self._shadow:
            casting = [part for part in self.body_parts if part.name] + used
            shade = outlines(floor_shadow(casting, fall), self.camera, light=(0.0, 0.0))
            self._shade, self._shade_shown = on_grid(shade.polygons, 0.5), shade.shown
        self._effects = Effects(effects_rng, t, size_px)
        drawn = outlines(self._parts, self.camera, light=self._light)
        self._drawn = drawn
        self._polygons = on_grid(drawn.polygons, _OVERSAMPLING)
        self._lights = on_grid(drawn.lights, _OVERSAMPLING)

    def _act(self, times: Floats) -> tuple[Pose, list[tuple[Motion, Floats]]]:
        """Return the pose at all times, and each motion with how much of its props is there."""
        if len(self.plan) == 1 and self.plan[0][1] <= self.t[0]:
            motion = self._motion(0, times - self.plan[0][1])
            return motion.pose, [(motion, np.ones(len(times)))]
        pose = rest(self.body, generator(self.seed, 5), times, float(times[-1])).pose
        motions: list[tuple[Motion, Floats]] = []
        place = np.zeros(3)
        # Where the person is, and which way they face, at the bounds of the actions.
        bounds, places = [], []
        for i, (_, start, end) in enumerate(self.plan):
            ends = self._motion(i, np.array((0.0, end - start))).pose["root"]
            motion = self._motion(i, np.clip(times - start, 0.0, end - start))
            # Go on from where the last action ended; turn the short way.
            shift = np.append((place - ends[0])[:2], 0.0)
            shift[2] = 2.0 * np.pi * np.round((place[2] - ends[0, 2]) / (2.0 * np.pi))
            motion.pose["root"] += shift
            motion.origin = np.broadcast_to((shift[0], 0.0, shift[1]), (len(times), 3))
            place = ends[1] + shift
            bounds += [start, end]
            places += [ends[0] + shift, place]
            share = self._share(i, times)
            motions.append((motion, share))
        for axis in range(3):
            pose["root"][:, axis] = _eased(times, bounds, [each[axis] for each in places])
        for motion, share in motions:
            pose = mixed(pose, motion.pose, share)
        return pose, [(motion, smooth(2.5 * share)) for motion, share in motions]

    def _motion(self, i: int, local: Floats) -> Motion:
        """Return an action of the plan at times since its start."""
        label, start, end = self.plan[i]
        forward = REVERSED_FROM.get(label, label)
        # What undoes the action before it is that very motion, backwards.
        source = i - 1 if self._undoes(i) else i
        times = local if forward == label else end - start - local
        rng = generator(self.seed, 100 + source)
        return MOTIONS[forward](self.body, rng, times, end - start)

    def _undoes(self, i: int) -> bool:
        before = self.plan[i - 1][0] if 0 < i < len(self.plan) else None
        return before is not None and REVERSED_FROM.get(self.plan[i][0]) == before

    def _share(self, i: int, times: Floats) -> Floats:
        """Return how much of action `i` is in the pose ``[T]``: 1 during it.

        Halfway from one action to the next the person stands, except between two that undo each
        other: there one takes over from the other.
        """
        _, start, end = self.plan[i]
        before = self.plan[i - 1][2] if i else self.t[0]
        after = self.plan[i + 1][1] if i + 1 < len(self.plan) else self.t[-1]
        rise = 0.5 * (start - before) if i else start - before
        fall = 0.5 * (after - end) if i + 1 < len(self.plan) else after - end
        coming = smooth((times - (start - rise)) / max(rise, 1e-6))
        going = smooth((times - end) / max(fall, 1e-6))
        if self._undoes(i):
            coming = np.where(times >= start - rise, 1.0, 0.0)
        if self._undoes(i + 1):
            going = np.where(times >= end + fall, 1.0, 0.0)
        return coming * (1.0 - going)

    def picture(self, index: int, *, with_person: bool = True) -> NDArray[np.uint8]:
        """Return a frame, uint8 ``[H, W, 3]``; without the person for comparison."""
        parts = [
            self._draw(index * self._blur + i, with_person=with_person) for i in range(self._blur)
        ]
        if len(parts) > 1:
            total = sum(np.asarray(part, np.uint16) for part in parts)
            image = Image.fromarray(((total + 1) // len(parts)).astype(np.uint8))
        else:
            image = parts[0]
        return np.asarray(self._effects.apply(image, index))

    def _draw(self, at: int, *, with_person: bool) -> Image.Image:
        size = self.size_px
        image = self._backdrop.frame(at, self.camera)
        if self._shadow and with_person:
            half = (size + 1) // 2
            mask = Image.new("L", (half, half))
            pen = ImageDraw.Draw(mask)
            for polygon, shown in zip(self._shade[at].tolist(), self._shade_shown[at], strict=True):
                if shown:
                    pen.polygon(polygon, fill=self._shadow)
            mask = mask.resize((size, size), Image.Resampling.BILINEAR)
            image.paste((24, 22, 32), (0, 0), mask)
        large = image.resize((size * _OVERSAMPLING,) * 2, Image.Resampling.NEAREST)
        pen = ImageDraw.Draw(large)
        shown = self._drawn.shown[at]
        polygons, lights = self._polygons[at].tolist(), self._lights[at].tolist()
        for i in self._drawn.order[at].tolist():
            part = self._parts[i]
            if not shown[i] or (part.is_person and not with_person):
                continue
            if part.shaded:
                pen.polygon(polygons[i], fill=_dark(part.colour))
                pen.polygon(lights[i], fill=part.colour)
            else:
                pen.polygon(polygons[i], fill=part.colour)
        return large.reduce(_OVERSAMPLING)

    def labels(self) -> NDArray[np.int64]:
        """Return the class id at each frame, -1 between actions."""
        out = np.full(len(self.t), -1, np.int64)
        for label, start, end in self.plan:
            out[(self.t >= start - 1e-9) & (self.t < end - 1e-9)] = STICK_ACTIONS.index(label)
        return out

    def boxes(self) -> NDArray[np.float32]:
        """Return the box around the drawn person in each frame, within the picture."""
        own = np.array([part.is_person for part in self._parts])
        corners = self._drawn.polygons[self._middle][:, own]
        hidden = ~self._drawn.shown[self._middle][:, own]
        low = np.where(hidden[..., None], np.inf, corners.min(axis=2)).min(axis=1)
        high = np.where(hidden[..., None], -np.inf, corners.max(axis=2)).max(axis=1)
        low, high = np.clip(low, 0, self.size_px), np.clip(high, 0, self.size_px)
        return np.concatenate((low, high - low), axis=1).astype(np.float32)

    def keypoints(self) -> NDArray[np.float32]:
        """Return COCO's keypoints in each frame."""
        points = np.stack([self.joints[name] for name in _JOINTS], axis=1)[self._middle]
        camera = self.camera.at(self._middle)
        xy, _, _ = camera.project(points)
        inside = ((xy >= 0) & (xy < self.size_px)).all(axis=-1)
        visible = np.zeros(inside.shape, bool)
        for i in range(len(self.t)):
            visible[i] = self._visible(int(self._middle[i]), xy[i], inside[i])
        state = np.where(inside, 1 + visible, 0)
        return np.concatenate((xy, state[..., None]), axis=-1).astype(np.float32)

    def _visible(self, at: int, xy: Floats, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which joints nothing is drawn over."""
        size = self.size_px
        ids = Image.new("I", (size * _OVERSAMPLING,) * 2)
        pen = ImageDraw.Draw(ids)
        shown, polygons = self._drawn.shown[at], self._polygons[at].tolist()
        for i in self._drawn.order[at].tolist():
            if shown[i]:
                pen.polygon(polygons[i], fill=i + 1)
        top = np.asarray(ids)
        out = np.zeros(len(xy), bool)
        for k, name in enumerate(_JOINTS):
            if not inside[k]:
                continue
            x, y = (int(v * _OVERSAMPLING) for v in xy[k])
            part = self._parts[top[y, x] - 1] if top[y, x] else None
            if part is None or not part.is_person:
                continue
            side, _, joint = name.partition("_")
            if joint in _LIMBS:
                out[k] = part.name in _LIMBS[joint] or part.name in (
                    f"{side}_{limb}" for limb in _LIMBS[joint]
                )
            else:
                normal = (self.joints[name][at] - self.joints["head"][at]) @ self._view[at]
                out[k] = part.name == "head" and normal > 0.0
        return out

    def rgb(self) -> NDArray[np.uint8]:
        """Return all frames, uint8 ``[T, H, W, 3]``."""
        out = np.empty((len(self.t), self.size_px, self.size_px, 3), np.uint8)
        for i in range(len(self.t)):
            out[i] = self.picture(i)
        return out

    def clip(self) -> StickClip:
        """Render everything."""
        return StickClip(
            rgb=self.rgb(), labels=self.labels(), keypoints=self.keypoints(), boxes=self.boxes(),
            pts_seconds=self.t.copy(),
            segments=pd.DataFrame(
                [(start, end, label) for label, start, end in self.plan],
                columns=["start_seconds", "end_seconds", "label"],
            ),
            seed=self.seed,
        )  # fmt: skip


def _eased(times: Floats, bounds: Sequence[float], values: Sequence[float]) -> Floats:
    """Return values that stay at those of `bounds` at rest and go from one to the next smoothly."""
    out = np.full(len(times), values[0])
    for k in range(1, len(bounds)):
        span = max(bounds[k] - bounds[k - 1], 1e-6)
        out += (values[k] - values[k - 1]) * smooth((times - bounds[k - 1]) / span)
    return out


def _dark(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    return colour[0] * 13 // 16, colour[1] * 13 // 16, colour[2] * 14 // 16


def _props(motion: Motion, size: Floats, joints: dict[str, Floats]) -> list[Part]:
    """Return a motion's things; they stand where the motion is, whatever the pose is mixed with."""
    own = motion.pose["root"]
    zero = 0.0 * own[:, 0]
    still = {
        "root": np.stack((own[:, 0], zero, own[:, 1]), axis=-1),
        "root_axes": rotation(vector(zero, 0.0, own[:, 2], 0.0)),
        "origin": motion.origin if motion.origin is not None else np.zeros((len(own), 3)),
    }
    parts = motion.props({**joints, **still})
    if (size == 1.0).all():
        return parts
    return [part.scaled(size) for part in parts]


def _camera(
    rng: np.random.Generator, body: Body, pose: Pose, motions: list[tuple[Motion, Floats]],
    t: Floats, size_px: int,
) -> Camera:  # fmt: skip
    """Choose a view that shows the person, and what the holder's hands do."""
    seconds = float(t[-1] - t[0]) + 1e-6
    wide = max(motion.wide for motion, _ in motions)
    tall = max(motion.tall for motion, _ in motions)
    # Metres from side to side.
    across = body.height * max(wide, 0.95 * tall) / rng.uniform(0.66, 0.95)
    distance = rng.uniform(3.2, 7.0)
    elevation = np.pi / 180.0 * rng.uniform(-2.0, 26.0)
    room = max(0.0, 1.0 - body.height * tall / across)
    below = rng.uniform(0.3, 0.7) * room
    target = across * (0.5 - below)
    x = pose["root"][:, 0]
    middle, half = 0.5 * (x.max() + x.min()), 0.5 * (x.max() - x.min())
    least = 1.0 - 0.34 * across / max(half, 1e-6)
    share = rng.uniform(max(0.0, least), 1.0)
    share = share if half > 0.3 else 0.0
    residual = (1.0 - share) * half
    aside = rng.uniform(-1.0, 1.0) * max(0.0, 0.5 * across - 0.42 * body.height * wide - residual)
    follow = middle + share * (x - middle) + aside
    shaky = rng.uniform(0.0, 0.012) * size_px * (rng.random() < 0.6)
    pan = rng.uniform(-0.07, 0.07) * size_px * (rng.random() < 0.4)
    sweep = (t - 0.5 * (t[0] + t[-1])) / seconds
    shift = np.stack((drift(rng, t, shaky, 0.7) + pan * sweep, drift(rng, t, shaky, 0.7)), axis=-1)
    slope = rng.uniform(-0.12, 0.12) * (rng.random() < 0.4)
    zoom = np.exp(slope * sweep + drift(rng, t, 0.01, seconds) * (rng.random() < 0.3))
    roll = rng.normal(0.0, 0.025) + drift(rng, t, 0.006, 1.0) * (rng.random() < 0.5)
    return Camera(
        size_px=size_px, focal_px=size_px * distance / across, distance=distance, target=target,
        elevation=elevation, follow=follow, shift=shift, zoom=zoom, roll=np.zeros(len(t)) + roll,
    )  # fmt: skip
