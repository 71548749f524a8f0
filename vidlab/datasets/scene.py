"""A scene: somebody, somewhere, seen by a camera, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from vidlab.core.skeletons import COCO_17
from vidlab.datasets.actions import STICK_ACTIONS
from vidlab.datasets.body import Body, Floats, random_body, rotation, solve, vector
from vidlab.datasets.choreography import Performance, Step, perform
from vidlab.datasets.effects import Effects
from vidlab.datasets.figure import Figure, random_look
from vidlab.datasets.motions import Motion
from vidlab.datasets.parts import Camera, Colour, Part, floor_shadow, on_grid, outlines
from vidlab.datasets.scenery import Backdrop, drift, movers, occluders
from vidlab.datasets.seeds import Purpose, generator

_JOINTS = [name.replace("left_", "l_").replace("right_", "r_") for name in COCO_17.keypoints]

# Which drawn parts show a joint; another one drawn over it hides it.
_SHOWS = {
    "shoulder": ("chest", "upper_arm"),
    "elbow": ("upper_arm", "forearm"),
    "wrist": ("forearm", "hand"),
    "hip": ("pelvis", "thigh", "chest"),
    "knee": ("thigh", "shin", "pelvis"),
    "ankle": ("shin", "foot"),
}

# Polygons are drawn this much larger and then reduced: smooth edges.
_OVERSAMPLING = 2

# Of a frame's exposure, where it is not short; the middle one is the frame's own time.
_EXPOSED_AT = (-0.5, 0.0, 0.5)

_SHADOW: Colour = (24, 22, 32)


class Stage:
    """Somebody doing one thing after another, seen by a camera, before anything is drawn.

    Args:
        seed: Decides who, where and how.
        plan: What is done when.
        t: When the frames are, seconds, ``[T]``.
        size_px: Width and height.
        end: When it is over, seconds.
    """

    def __init__(
        self, seed: int, plan: Sequence[Step], t: Floats, *, size_px: int, end: float
    ) -> None:
        self.plan, self.t, self.size_px = plan, t, size_px
        person = generator(seed, Purpose.PERSON)
        self._body, self._look = random_body(person), random_look(person)

        # In some videos what moves is blurred: each frame is the mean of three moments.
        self._chance = chance = generator(seed, Purpose.EFFECTS)
        exposure = chance.uniform(0.006, 0.024) if chance.random() < 0.25 else 0.0
        moments = np.array(_EXPOSED_AT if exposure else (0.0,))
        self._num_moments = len(moments)
        self._own = np.arange(len(t)) * len(moments) + len(moments) // 2
        self._times = (t[:, None] + exposure * moments).reshape(-1)

        self._acted = perform(self._body, seed, plan, self._times, end=end)
        self._joints = solve(self._body, self._acted.pose)
        self._camera = _camera(
            generator(seed, Purpose.CAMERA), self._body, self._acted, self._times, size_px
        )

    def keypoints(self) -> NDArray[np.float32]:
        """Return COCO's keypoints in each frame: x px, y px, 2 in the picture or 0 outside."""
        xy = self._xy()
        inside = ((xy >= 0) & (xy < self.size_px)).all(axis=-1, keepdims=True)
        return np.concatenate((xy, 2.0 * inside), axis=-1).astype(np.float32)

    def _xy(self) -> Floats:
        """Return where each keypoint is in each frame, px ``[T, 17, 2]``."""
        points = np.stack([self._joints[name] for name in _JOINTS], axis=1)
        xy: Floats = self._camera.project(points)[0][self._own]
        return xy


class Scene(Stage):
    """A stage, somewhere, that is drawn frame by frame."""

    def __init__(
        self, seed: int, plan: Sequence[Step], t: Floats, *, size_px: int, end: float
    ) -> None:
        super().__init__(seed, plan, t, size_px=size_px, end=end)
        place, look, times = generator(seed, Purpose.PLACE), self._look, self._times
        self._view = _view(self._camera, self._joints["head"])
        figure = Figure(self._body, look, self._joints, view=self._view).parts
        used = [
            part
            for motion, size in self._acted.motions
            for part in _things(motion, size, self._joints)
        ]
        seen = {look.shirt, look.trousers, look.skin, *(part.colour for part in used)}
        self._backdrop = Backdrop(place, self._camera, avoid=sorted(seen))
        around = movers(place, times, self._camera, self._backdrop)
        around += occluders(place, times, self._camera, self._body.height)
        self._parts = figure + used + around

        light = float(place.uniform(-1.0, 1.0)), float(place.uniform(-1.0, -0.2))
        drawn = outlines(self._parts, self._camera, light=light)
        self._order, self._shown, self._outlines = drawn.order, drawn.shown, drawn.polygons
        self._dark = on_grid(drawn.polygons, _OVERSAMPLING)
        self._lit = on_grid(drawn.lights, _OVERSAMPLING)

        self._shadow = int(place.uniform(50, 120)) if place.random() < 0.8 else 0
        falls = float(place.uniform(-0.7, 0.7)), float(place.uniform(-0.5, 0.1))
        if self._shadow:
            shade = outlines(floor_shadow(figure + used, falls), self._camera, light=light)
            self._shade, self._casts = on_grid(shade.polygons, 0.5), shade.shown
        self._effects = Effects(self._chance, t, size_px)

    def frame(self, index: int, *, with_person: bool = True) -> NDArray[np.uint8]:
        """Return a frame, uint8 ``[H, W, 3]``, on request without the person and any shadow."""
        first = index * self._num_moments
        moments = [
            self._draw(at, with_person=with_person)
            for at in range(first, first + self._num_moments)
        ]
        image = moments[0]
        if len(moments) > 1:
            total = np.sum([np.asarray(each, np.uint16) for each in moments], axis=0)
            image = Image.fromarray(((total + 1) // len(moments)).astype(np.uint8))
        return np.asarray(self._effects.apply(image, index))

    def rgb(self) -> NDArray[np.uint8]:
        """Return all frames, uint8 ``[T, H, W, 3]``."""
        out = np.empty((len(self.t), self.size_px, self.size_px, 3), np.uint8)
        for index in range(len(self.t)):
            out[index] = self.frame(index)
        return out

    def labels(self) -> NDArray[np.int64]:
        """Return the class id at each frame, -1 between actions."""
        out = np.full(len(self.t), -1, np.int64)
        for step in self.plan:
            during = (self.t > step.start - 1e-6) & (self.t < step.end - 1e-6)
            out[during] = STICK_ACTIONS.index(step.label)
        return out

    def boxes(self) -> NDArray[np.float32]:
        """Return the box around the drawn person in each frame, within the picture."""
        own = np.flatnonzero([part.is_person for part in self._parts])
        corners = self._outlines[self._own][:, own]
        shown = self._shown[self._own][:, own, None, None]
        low = np.where(shown, corners, np.inf).min(axis=(1, 2))
        high = np.where(shown, corners, -np.inf).max(axis=(1, 2))
        low, high = np.clip(low, 0, self.size_px), np.clip(high, 0, self.size_px)
        return np.concatenate((low, high - low), axis=1).astype(np.float32)

    def keypoints(self) -> NDArray[np.float32]:
        """Return COCO's keypoints in each frame: x px, y px, visibility."""
        keypoints = super().keypoints()
        xy = self._xy()
        on_top = np.stack([self._on_top(at, xy[i]) for i, at in enumerate(self._own.tolist())])
        keypoints[..., 2] -= (keypoints[..., 2] > 0) & ~on_top  # in the picture, but hidden
        return keypoints

    def _on_top(self, at: int, xy: Floats) -> NDArray[np.bool_]:
        """Tell for each joint whether what is drawn last over it is its own part of the body."""
        numbers = Image.new("I", (self.size_px * _OVERSAMPLING,) * 2)
        pen = ImageDraw.Draw(numbers)
        for i in self._order[at].tolist():
            if self._shown[at, i]:
                pen.polygon(self._dark[at, i].tolist(), fill=i + 1)
        drawn = np.asarray(numbers)
        out = np.zeros(len(xy), bool)
        places = np.clip((xy * _OVERSAMPLING).astype(int), 0, len(drawn) - 1)
        for k, name in enumerate(_JOINTS):
            number = int(drawn[places[k, 1], places[k, 0]])
            part = self._parts[number - 1].name if number else ""
            side, _, joint = name.partition("_")
            if joint:
                shows = _SHOWS.get(joint, ())
                out[k] = part in shows or part.removeprefix(f"{side}_") in shows
            if joint in ("", "eye", "ear"):
                outward = (self._joints[name][at] - self._joints["head"][at]) @ self._view[at]
                out[k] = part == "head" and outward > 0.0
        return out

    def _draw(self, at: int, *, with_person: bool) -> Image.Image:
        size = self.size_px
        image = self._backdrop.frame(at, self._camera)
        if self._shadow and with_person:
            image.paste(_SHADOW, (0, 0), self._shadow_mask(at))
        large = image.resize((size * _OVERSAMPLING,) * 2, Image.Resampling.NEAREST)
        pen = ImageDraw.Draw(large)
        order = [
            i
            for i in self._order[at].tolist()
            if self._shown[at, i] and (with_person or not self._parts[i].is_person)
        ]
        # Neighbours of one colour look like one limb: the light goes on after all of them.
        for (colour, _, shaded), group in groupby(order, key=self._limb_of):
            limb = list(group)
            for i in limb:
                pen.polygon(self._dark[at, i].tolist(), fill=_darker(colour) if shaded else colour)
            for i in limb if shaded else ():
                pen.polygon(self._lit[at, i].tolist(), fill=colour)
        return large.reduce(_OVERSAMPLING)

    def _limb_of(self, i: int) -> tuple[Colour, str, bool]:
        part = self._parts[i]
        return part.colour, part.name.partition("_")[0], part.shaded

    def _shadow_mask(self, at: int) -> Image.Image:
        mask = Image.new("L", ((self.size_px + 1) // 2,) * 2)
        pen = ImageDraw.Draw(mask)
        for i in np.flatnonzero(self._casts[at]).tolist():
            pen.polygon(self._shade[at, i].tolist(), fill=self._shadow)
        return mask.filter(ImageFilter.BoxBlur(1)).resize((self.size_px,) * 2)


def _darker(colour: Colour) -> Colour:
    return colour[0] * 13 // 16, colour[1] * 13 // 16, colour[2] * 14 // 16


def _view(camera: Camera, points: Floats) -> Floats:
    """Return the ways from points to the camera, unit vectors ``[T, 3]``."""
    sin, cos = np.sin(camera.elevation), np.cos(camera.elevation)
    height = camera.target + camera.distance * sin
    way = vector(points, camera.follow, height, camera.distance * cos) - points
    unit: Floats = way / np.linalg.norm(way, axis=1, keepdims=True)
    return unit


def _slowed(x: Floats, t: Floats) -> Floats:
    """Return the mean of `x` ``[T]`` over a second or so around each time."""
    out = np.empty_like(x)
    for i, now in enumerate(t.tolist()):
        near = np.abs(t - now) < 2.0
        weight = np.exp(-0.5 * ((t[near] - now) / 0.7) ** 2)
        out[i] = weight @ x[near] / weight.sum()
    return out


def _things(motion: Motion, size: Floats, joints: dict[str, Floats]) -> list[Part]:
    """Return what a motion uses, grown to `size` ``[T]``.

    Chairs and doors stand where the motion is, whatever the pose is mixed with.
    """
    x, z, yaw = motion.pose["root"].T
    own = {
        "root": vector(x, x, 0.0, z),
        "root_axes": rotation(vector(yaw, 0.0, yaw, 0.0)),
        "origin": vector(x, motion.origin[0], 0.0, motion.origin[1]),
    }
    return [part.scaled(size) for part in motion.props({**joints, **own})]


def _camera(
    rng: np.random.Generator, body: Body, acted: Performance, t: Floats, size_px: int
) -> Camera:
    """Choose a view that shows the person, and how the camera is held."""
    seconds = float(t[-1] - t[0]) + 1e-6
    wide = max(motion.wide for motion, _ in acted.motions)
    tall = max(motion.tall for motion, _ in acted.motions)
    # Metres that the picture is wide at the person.
    across = body.height * max(wide, 0.95 * tall) / rng.uniform(0.66, 0.95)
    distance = rng.uniform(3.2, 7.0)
    elevation = np.pi / 180.0 * rng.uniform(-2.0, 26.0)
    room = max(0.0, 1.0 - body.height * tall / across)
    target = across * (0.5 - rng.uniform(0.3, 0.7) * room)

    # Follow somebody who crosses the picture at least so far that they stay in it; through several
    # actions, come to where each is done.
    x = acted.pose["root"][:, 0]
    several = len(acted.motions) > 1
    if several:
        x = _slowed(x, t)
    middle, half = 0.5 * (x.max() + x.min()), 0.5 * (x.max() - x.min())
    share = rng.uniform(max(0.0, 1.0 - 0.34 * across / max(half, 1e-6)), 1.0) * (half > 0.3)
    share = 1.0 if several else share
    free = 0.5 * across - 0.42 * body.height * wide - (1.0 - share) * half
    follow = middle + share * (x - middle) + rng.uniform(-1.0, 1.0) * max(0.0, free)

    shaky = rng.uniform(0.0, 0.012) * size_px * (rng.random() < 0.6)
    pan = rng.uniform(-0.07, 0.07) * size_px * (rng.random() < 0.4)
    sweep = (t - 0.5 * (t[0] + t[-1])) / seconds
    shift = np.stack((drift(rng, t, shaky, 0.7) + pan * sweep, drift(rng, t, shaky, 0.7)), axis=-1)
    slope = rng.uniform(-0.12, 0.12) * (rng.random() < 0.4)
    zoom = np.exp(slope * sweep + drift(rng, t, 0.01, seconds) * (rng.random() < 0.3))
    roll = rng.normal(0.0, 0.025) + drift(rng, t, 0.006, 1.0) * (rng.random() < 0.5)
    return Camera(
        size_px=size_px, focal_px=size_px * distance / across, distance=distance, target=target,
        elevation=elevation, follow=follow, shift=shift, zoom=zoom, roll=roll,
    )  # fmt: skip
