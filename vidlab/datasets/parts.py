"""What is drawn: convex bodies around spheres, seen by a pinhole camera, as polygons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vidlab.datasets.body import Floats

Colour = tuple[int, int, int]
T = TypeVar("T")

# Directions in which an outline is found: a circle has that many corners.
_DIRECTIONS = 18


@dataclass
class Part:
    """The convex hull of spheres, in one colour.

    Attributes:
        centres: Of the spheres, m on the stage, float64 ``[T, n, 3]``.
        radii: m, ``[n]`` or ``[T, n]``.
        colour: RGB.
        name: Of the limb, where keypoints ask for it.
        bias: Added to the depth by which parts are sorted, m; positive is farther.
        anchor: ``[T, 3]`` sorts the part by this point instead of its middle.
        shown: bool ``[T]``; None shows it always.
        shaded: Whether the side towards the light is lighter.
        is_person: Whether it belongs to the person's body.
    """

    centres: Floats
    radii: Floats
    colour: Colour
    name: str = ""
    bias: float = 0.0
    anchor: Floats | None = None
    shown: NDArray[np.bool_] | None = None
    shaded: bool = True
    is_person: bool = False

    def scaled(self, size: Floats) -> Part:
        """Grow from the floor: `size` ``[T]`` is 0 for nothing and 1 for the whole."""
        if (size == 1.0).all():
            return self
        base = self.centres.mean(axis=1, keepdims=True) * (1.0, 0.0, 1.0)
        grown = base + (self.centres - base) * size[:, None, None]
        radii = np.broadcast_to(self.radii, self.centres.shape[:2]) * size[:, None]
        shown = (size > 0.01) if self.shown is None else self.shown & (size > 0.01)
        return replace(self, centres=grown, radii=radii, shown=shown)


def hull(
    *points: Floats,
    radius: float | Sequence[float],
    colour: Colour,
    anchor: Floats | None = None,
    bias: float = 0.0,
    shaded: bool = True,
) -> Part:
    """Return the part around points ``[T, 3]``; one radius for all or one each."""
    radii = np.broadcast_to(np.asarray(radius, np.float64), (len(points),))
    centres = np.stack(points, axis=1)
    return Part(centres, radii, colour, anchor=anchor, bias=bias, shaded=shaded)


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """Return one of the choices."""
    return choices[int(rng.integers(len(choices)))]


def toned(colour: Colour, factor: float) -> Colour:
    """Return a darker or lighter colour."""
    r, g, b = (min(255, max(0, round(value * factor))) for value in colour)
    return r, g, b


@dataclass(frozen=True)
class Camera:
    """A pinhole camera before the stage, and what its holder does with it.

    Attributes:
        size_px: Width and height of the picture.
        focal_px: Focal length, px.
        distance: To the target, m.
        target: Height of what is in the middle of the picture, m.
        elevation: Radians above the horizontal.
        follow: How far the camera has gone sideways with the person, m, ``[T]``.
        shift: Of the picture, px, ``[T, 2]``.
        zoom: ``[T]``.
        roll: Radians, ``[T]``.
    """

    size_px: int
    focal_px: float
    distance: float
    target: float
    elevation: float
    follow: Floats
    shift: Floats
    zoom: Floats
    roll: Floats

    @property
    def px_per_metre(self) -> float:
        """At the distance of the person."""
        return self.focal_px / self.distance

    def plain(self, points: Floats) -> tuple[Floats, Floats]:
        """Project ``[..., 3]`` without follow, shift, zoom and roll: px ``[..., 2]``, depth."""
        sin, cos = np.sin(self.elevation), np.cos(self.elevation)
        x = points[..., 0]
        y = points[..., 1] - self.target - self.distance * sin
        z = points[..., 2] - self.distance * cos
        depth = np.maximum(-sin * y - cos * z, 0.05)
        scale = self.focal_px / depth
        middle = 0.5 * self.size_px
        across = middle + x * scale
        down = middle - (cos * y - sin * z) * scale
        return np.stack((across, down), axis=-1), depth

    def project(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        """Project ``[T, n, 3]``: px ``[T, n, 2]``, depth in m ``[T, n]``, px per metre there."""
        points = points - np.stack((self.follow, 0 * self.follow, 0 * self.follow), -1)[:, None]
        flat, depth = self.plain(points)
        middle = 0.5 * self.size_px
        cos = (np.cos(self.roll) * self.zoom)[:, None]
        sin = (np.sin(self.roll) * self.zoom)[:, None]
        x, y = flat[..., 0] - middle, flat[..., 1] - middle
        out = np.stack((cos * x - sin * y, sin * x + cos * y), axis=-1)
        out += middle + self.shift[:, None]
        return out, depth, self.focal_px / depth * self.zoom[:, None]

    def to_canvas(self, frame: int, origin: tuple[float, float]) -> tuple[float, ...]:
        """Return Pillow's affine transform from picture to backdrop pixels at a frame."""
        middle = 0.5 * self.size_px
        cos = float(np.cos(self.roll[frame]) / self.zoom[frame])
        sin = float(np.sin(self.roll[frame]) / self.zoom[frame])
        dx, dy = middle + self.shift[frame, 0], middle + self.shift[frame, 1]
        along = origin[0] + self.follow[frame] * self.px_per_metre
        return (
            cos, sin, float(middle + along - cos * dx - sin * dy),
            -sin, cos, float(middle + origin[1] + sin * dx - cos * dy),
        )  # fmt: skip


@dataclass
class Outlines:
    """Parts as polygons, in picture pixels.

    ``polygons`` float64 ``[T, num_parts, K, 2]``, ``lights`` the same for the lit side, ``order``
    int ``[T, num_parts]`` from far to near, ``shown`` bool ``[T, num_parts]``.
    """

    polygons: Floats
    lights: Floats
    order: NDArray[np.intp]
    shown: NDArray[np.bool_]


def outlines(parts: Sequence[Part], camera: Camera, *, light: tuple[float, float]) -> Outlines:
    """Project parts and find the outline of each, in every frame at once."""
    num_times = parts[0].centres.shape[0]
    most = max(part.centres.shape[1] for part in parts)
    # Every part gets as many spheres as the largest, its first one repeated.
    centres = np.empty((num_times, len(parts), most, 3))
    radii = np.empty((num_times, len(parts), most))
    key = np.empty((num_times, len(parts)))
    shown = np.ones((num_times, len(parts)), bool)
    anchors = np.empty((num_times, len(parts), 3))
    for i, part in enumerate(parts):
        n = part.centres.shape[1]
        centres[:, i, :n], centres[:, i, n:] = part.centres, part.centres[:, :1]
        full = np.broadcast_to(part.radii, (num_times, n))
        radii[:, i, :n], radii[:, i, n:] = full, full[:, :1]
        anchors[:, i] = part.centres.mean(axis=1) if part.anchor is None else part.anchor
        if part.shown is not None:
            shown[:, i] = part.shown
    flat, _, scale = camera.project(centres.reshape(num_times, -1, 3))
    xy = flat.reshape(num_times, len(parts), most, 2)
    size = radii * scale.reshape(num_times, len(parts), most)
    key = camera.project(anchors)[1] + np.array([part.bias for part in parts])
    polygons = _support(xy, size)
    lit = xy + 0.2 * size[..., None] * np.array(light)
    lights = _support(lit, 0.8 * size)
    return Outlines(polygons, lights, np.argsort(-key, axis=1, kind="stable"), shown)


def _support(xy: Floats, size: Floats) -> Floats:
    """Return the convex outline ``[..., K, 2]`` of circles ``[..., n, 2]`` and ``[..., n]``."""
    angle = np.arange(_DIRECTIONS) * (2.0 * np.pi / _DIRECTIONS)
    normal = np.stack((np.cos(angle), np.sin(angle)), axis=-1)
    far = xy @ normal.T + size[..., None]
    best = np.argmax(far, axis=-2)
    centre = np.take_along_axis(xy, best[..., None], axis=-2)
    radius = np.take_along_axis(size, best, axis=-1)
    outline: Floats = centre + radius[..., None] * normal
    return outline


def on_grid(polygons: Floats, scale: float) -> NDArray[np.float32]:
    """Return polygons ``[T, num_parts, 2 K]`` as Pillow takes them, on a grid of a quarter pixel.

    The grid makes the drawing the same where the last bits of a cosine are not.
    """
    grid = np.round(polygons * (4.0 * scale)) * 0.25
    return grid.reshape(*polygons.shape[:2], -1).astype(np.float32)


def floor_shadow(parts: Sequence[Part], towards: tuple[float, float]) -> list[Part]:
    """Return the parts' shadows on the floor, which fall `towards` x and z per metre of height."""
    out = []
    for part in parts:
        height = np.maximum(part.centres[..., 1:2], 0.0)
        ground = part.centres + height * np.array((towards[0], 0.0, towards[1]))
        ground[..., 1] = 0.0
        out.append(replace(part, centres=ground, anchor=None, shown=part.shown))
    return out
