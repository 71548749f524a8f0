"""Where people are: backdrops, what moves behind them, what stands before them."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from numpy.typing import NDArray

from vidlab.datasets.body import Floats, vector
from vidlab.datasets.parts import Camera, Colour, Part, hull, pick, toned

_WALL: tuple[Colour, ...] = (
    (226, 222, 212), (206, 214, 222), (222, 206, 190), (190, 208, 192), (214, 196, 210),
    (168, 180, 190), (120, 140, 160), (236, 228, 196), (150, 130, 120), (96, 108, 120),
    (196, 176, 148), (178, 200, 214),
)  # fmt: skip
_FLOOR: tuple[Colour, ...] = (
    (160, 124, 90), (186, 156, 118), (128, 96, 70), (150, 150, 148), (110, 116, 122),
    (196, 190, 178), (96, 120, 100), (140, 110, 112),
)  # fmt: skip
_GRASS: tuple[Colour, ...] = ((118, 158, 84), (142, 168, 96), (96, 140, 88), (190, 174, 120))
_SKY: tuple[Colour, ...] = ((146, 196, 236), (188, 214, 234), (236, 200, 170), (160, 170, 186))


class Backdrop:
    """A picture larger than the video's, of which the camera sees a moving part.

    Args:
        rng: Decides what it shows.
        camera: Whose path it has to cover.
    """

    def __init__(self, rng: np.random.Generator, camera: Camera) -> None:
        size = camera.size_px
        reach = camera.follow * camera.px_per_metre
        slack = 0.06 * size + np.abs(camera.shift).max() + 0.5 * size * float(
            (1.0 / camera.zoom).max() - 1.0
        ) + 0.75 * size * float(np.abs(np.sin(camera.roll)).max())  # fmt: skip
        slack = max(0.0, slack)
        left, right = slack - reach.min(), slack + reach.max()
        self.origin = (float(left), float(slack))
        width, height = int(size + left + right) + 2, int(size + 2 * slack) + 2
        self._camera = camera
        self._image = self._paint(rng, width, height)

    def frame(self, index: int, camera: Camera) -> Image.Image:
        """Return what the camera sees of it."""
        size = camera.size_px
        return self._image.transform(
            (size, size),
            Image.Transform.AFFINE,
            camera.to_canvas(index, self.origin),
            Image.Resampling.BILINEAR,
        )

    def _spot(self, x: float, y: float, z: float) -> tuple[float, float]:
        flat, _ = self._camera.plain(np.array((x, y, z)))
        return float(flat[0] + self.origin[0]), float(flat[1] + self.origin[1])

    def _paint(self, rng: np.random.Generator, width: int, height: int) -> Image.Image:
        kind = pick(
            rng, ("plain", "gradient", "texture", "room", "room", "gym", "outdoor", "outdoor")
        )
        image = Image.new("RGB", (width, height))
        pen = ImageDraw.Draw(image)
        wall = toned(pick(rng, _WALL), rng.uniform(0.75, 1.08))
        floor = toned(pick(rng, _FLOOR), rng.uniform(0.75, 1.1))
        if kind == "plain":
            image.paste(wall, (0, 0, width, height))
        elif kind == "gradient":
            other = toned(pick(rng, _WALL), rng.uniform(0.6, 1.0))
            image = _gradient(rng, wall, other, width, height)
        elif kind == "texture":
            other = toned(pick(rng, _WALL), rng.uniform(0.5, 0.9))
            image = _clouds(rng, wall, other, width, height)
        elif kind == "outdoor":
            self._outdoor(rng, image)
        else:
            self._room(rng, pen, wall, floor, kind)
        if kind in ("plain", "gradient", "texture") and rng.random() < 0.6:
            edge = self._spot(0.0, 0.0, -rng.uniform(0.8, 3.0))[1]
            soft = Image.new("L", (1, height))
            soft.putdata([round(150 * min(1.0, max(0.0, (y - edge) / 3))) for y in range(height)])
            image.paste(toned(floor, 0.8), (0, 0), soft.resize((width, height)))
        if rng.random() < 0.7:
            grain = _noise(rng, width, height, (6, 24, 80)) * rng.uniform(4, 14)
            pixels = np.asarray(image, np.float32) + grain[..., None]
            image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        blur = rng.uniform(0.0, 1.4) * self._camera.size_px / 172
        return image.filter(ImageFilter.GaussianBlur(blur)) if blur > 0.4 else image

    def _room(
        self,
        rng: np.random.Generator,
        pen: ImageDraw.ImageDraw,
        wall: Colour,
        floor: Colour,
        kind: str,
    ) -> None:
        width, height = pen.im.size
        back = -rng.uniform(0.9, 2.6)
        edge = self._spot(0.0, 0.0, back)[1]
        pen.rectangle((0, 0, width, height), fill=wall)
        unit = self._camera.px_per_metre
        style = pick(rng, ("plain", "stripes", "bricks", "panels"))
        if style == "stripes":
            step = rng.uniform(0.12, 0.5) * unit
            for i in range(int(width / step) + 1):
                if i % 2:
                    pen.rectangle((i * step, 0, (i + 1) * step, edge), fill=toned(wall, 0.93))
        elif style == "bricks":
            tall, wide = 0.13 * unit, 0.3 * unit
            for row in range(int(edge / tall) + 1):
                y = edge - (row + 1) * tall
                pen.line((0, y, width, y), fill=toned(wall, 0.86))
                for i in range(int(width / wide) + 2):
                    x = (i - 0.5 * (row % 2)) * wide
                    pen.line((x, y, x, y + tall), fill=toned(wall, 0.88))
        elif style == "panels":
            level = edge - rng.uniform(0.6, 1.1) * unit
            pen.rectangle((0, level, width, edge), fill=toned(wall, 0.84))
            pen.line(
                (0, level, width, level), fill=toned(wall, 1.12), width=max(1, int(0.03 * unit))
            )
        pen.rectangle((0, edge, width, height), fill=floor)
        # Boards or tiles run towards the vanishing point.
        lines = toned(floor, 0.88)
        gap = rng.uniform(0.2, 0.6)
        span = 0.5 * width / unit + 4.0
        for i in range(int(2 * span / gap) + 1):
            x = -span + i * gap
            pen.line((*self._spot(x, 0.0, back), *self._spot(x, 0.0, 2.0)), fill=lines)
        if rng.random() < 0.5:
            for i in range(12):
                y = self._spot(0.0, 0.0, back + i * gap)[1]
                pen.line((0, y, width, y), fill=lines)
        pen.rectangle((0, edge - 0.09 * unit, width, edge), fill=toned(wall, 1.15))
        for _ in range(int(rng.integers(0, 4 if kind == "room" else 2)) * max(1, width // 250)):
            self._furniture(rng, pen, edge, unit)

    def _furniture(
        self, rng: np.random.Generator, pen: ImageDraw.ImageDraw, edge: float, unit: float
    ) -> None:
        width = pen.im.size[0]
        x = rng.uniform(-0.2 * unit, width)
        colour = toned(pick(rng, _FLOOR + _WALL), rng.uniform(0.5, 1.0))
        kind = rng.integers(3)
        wide, tall = rng.uniform(0.4, 1.3) * unit, rng.uniform(0.4, 1.5) * unit
        if kind == 0:  # A cupboard.
            pen.rectangle((x, edge - tall, x + wide, edge + 0.05 * unit), fill=colour)
            for i in range(1, int(rng.integers(2, 5))):
                y = edge - tall + i * tall / 4
                pen.line((x, y, x + wide, y), fill=toned(colour, 0.8))
            pen.line((x + wide, edge - tall, x + wide, edge), fill=toned(colour, 0.7), width=2)
        elif kind == 1:  # A picture.
            y = edge - rng.uniform(1.3, 1.9) * unit
            box = (x, y, x + 0.7 * wide, y + 0.4 * tall)
            pen.rectangle(
                box, fill=colour, outline=toned(colour, 0.55), width=max(1, int(0.04 * unit))
            )
        else:  # A window.
            y = edge - rng.uniform(1.6, 2.2) * unit
            box = (x, y, x + wide, y + 0.9 * unit)
            pen.rectangle(
                box, fill=pick(rng, _SKY), outline=(240, 240, 236), width=max(1, int(0.05 * unit))
            )
            middle = x + 0.5 * wide
            pen.line(
                (middle, y, middle, y + 0.9 * unit),
                fill=(240, 240, 236),
                width=max(1, int(0.03 * unit)),
            )

    def _outdoor(self, rng: np.random.Generator, image: Image.Image) -> None:
        width, height = image.size
        edge = self._spot(0.0, 0.0, -rng.uniform(6.0, 30.0))[1]
        sky = toned(pick(rng, _SKY), rng.uniform(0.85, 1.05))
        image.paste(_gradient(rng, sky, toned(sky, 1.15), width, height, angle=0.5 * np.pi), (0, 0))
        pen = ImageDraw.Draw(image)
        grass = toned(pick(rng, _GRASS), rng.uniform(0.8, 1.1))
        unit = self._camera.px_per_metre
        for layer in range(2):
            level = edge - (0.5 - 0.25 * layer) * unit * rng.uniform(0.2, 1.0)
            colour = toned(grass, 0.72 + 0.12 * layer)
            wave = rng.uniform(0.6, 2.5, 2) / unit
            phase = rng.uniform(0.0, 6.3, 2)
            xs = np.arange(0, width + 8, 8)
            ys = level - 0.2 * unit * (
                np.sin(xs * wave[0] + phase[0]) + 0.5 * np.sin(xs * wave[1] * 2.3 + phase[1])
            )
            outline = [
                *zip(xs.tolist(), ys.tolist(), strict=True),
                (width + 8, height),
                (0, height),
            ]
            pen.polygon(outline, fill=colour)
        pen.rectangle((0, edge, width, height), fill=grass)
        for _ in range(int(rng.integers(0, 6)) * max(1, width // 300)):
            x, size = rng.uniform(0, width), rng.uniform(0.25, 0.6) * unit
            leaf = toned(grass, rng.uniform(0.5, 0.85))
            base = edge + rng.uniform(-0.05, 0.1) * unit
            pen.rectangle(
                (x - 0.1 * size, base - 2 * size, x + 0.1 * size, base), fill=(104, 78, 56)
            )
            for dx, dy in ((0, -2.4), (-0.5, -1.9), (0.5, -1.9)):
                middle = (x + dx * size, base + dy * size)
                box = (
                    middle[0] - 0.75 * size,
                    middle[1] - 0.7 * size,
                    middle[0] + 0.75 * size,
                    middle[1] + 0.7 * size,
                )
                pen.ellipse(box, fill=leaf)
        if rng.random() < 0.5:  # A path under the feet.
            near, far = self._spot(0.0, 0.0, 0.9)[1], self._spot(0.0, 0.0, -0.9)[1]
            pen.rectangle((0, far, width, near), fill=pick(rng, _FLOOR))


def _gradient(
    rng: np.random.Generator, first: Colour, second: Colour, width: int, height: int,
    angle: float | None = None,
) -> Image.Image:  # fmt: skip
    turn = rng.uniform(0, 2 * np.pi) if angle is None else angle
    x = np.linspace(-0.5, 0.5, width)[None, :] * np.cos(turn)
    y = np.linspace(-0.5, 0.5, height)[:, None] * np.sin(turn)
    share = np.clip((x + y) + 0.5, 0.0, 1.0)[..., None]
    pixels = (1.0 - share) * np.array(first) + share * np.array(second)
    return Image.fromarray(np.round(pixels).astype(np.uint8))


def _noise(
    rng: np.random.Generator, width: int, height: int, cells: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return smooth noise about 0 with a deviation near 1, coarse to fine."""
    total = np.zeros((height, width), np.float32)
    for octave, count in enumerate(cells):
        shape = (
            max(2, count * height // max(width, height)),
            max(2, count * width // max(width, height)),
        )
        grid = rng.standard_normal(shape, dtype=np.float32)
        layer = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(layer) * 0.7**octave
    return total


def _clouds(
    rng: np.random.Generator, first: Colour, second: Colour, width: int, height: int
) -> Image.Image:
    share = 0.5 + 0.35 * _noise(rng, width, height, (5, 11, 23, 47))
    share = np.clip(share, 0.0, 1.0)[..., None]
    pixels = (1.0 - share) * np.array(first, np.float32) + share * np.array(second, np.float32)
    return Image.fromarray(np.round(pixels).astype(np.uint8))


def movers(rng: np.random.Generator, t: Floats, camera: Camera) -> list[Part]:
    """Return what drifts behind the person: clouds, or passers-by far away; often nothing."""
    kind = pick(rng, ("none", "none", "none", "clouds", "people", "people"))
    middle = 0.5 * float(t[0] + t[-1])
    parts: list[Part] = []
    for _ in range(0 if kind == "none" else int(rng.integers(1, 4))):
        speed = rng.uniform(-0.6, 0.6)
        back = -rng.uniform(2.5, 6.0)
        x = rng.uniform(-3.0, 3.0) + speed * (t - middle) + camera.follow * rng.uniform(0.0, 0.4)
        if kind == "clouds":
            y = rng.uniform(2.6, 3.6)
            grey = int(rng.integers(205, 248))
            for _ in range(3):
                dx, dy = rng.uniform(-0.6, 0.6), rng.uniform(-0.12, 0.12)
                spot = vector(t, x + dx, y + dy, back)
                parts.append(hull(spot, radius=rng.uniform(0.2, 0.4), colour=(grey, grey, grey),
                                  bias=20.0, shaded=False))  # fmt: skip
            continue
        tall = rng.uniform(1.2, 1.85)
        coat = tuple(int(c) for c in rng.integers(50, 190, 3))
        grey = toned((coat[0], coat[1], coat[2]), 0.9)
        step = 0.18 * np.sin(5.0 * t * (1.0 if speed > 0 else -1.0) + rng.uniform(0, 6))
        for sign in (-1.0, 1.0):
            parts.append(hull(vector(t, x, 0.5 * tall, back), vector(t, x + sign * step, 0.05, back),
                              radius=0.08, colour=toned(grey, 0.7), bias=10.0, shaded=False))  # fmt: skip
        parts.append(hull(vector(t, x, 0.52 * tall, back), vector(t, x, 0.78 * tall, back),
                          radius=0.16, colour=grey, bias=9.5, shaded=False))  # fmt: skip
        parts.append(hull(vector(t, x, 0.92 * tall, back), radius=0.11, colour=(196, 156, 124),
                          bias=9.4, shaded=False))  # fmt: skip
    return parts


def occluders(rng: np.random.Generator, t: Floats, camera: Camera, height: float) -> list[Part]:
    """Return what stands before the person, mostly at the side: a post, a plant, a box; often nothing."""
    if rng.random() > 0.28:
        return []
    near = min(1.4, 0.35 * camera.distance) * rng.uniform(0.7, 1.0)
    span = 0.5 * camera.size_px / camera.focal_px * (camera.distance - near)
    x = span * rng.uniform(0.35, 0.95) * (1.0 if rng.random() < 0.5 else -1.0)
    kind = pick(rng, ("post", "plant", "box"))
    colour = toned(pick(rng, _FLOOR), rng.uniform(0.5, 1.0))
    if kind == "post":
        wide = rng.uniform(0.03, 0.07)
        return [hull(vector(t, x, -1.0, near), vector(t, x, 4.0, near), radius=wide, colour=colour)]
    if kind == "box":
        wide, tall = rng.uniform(0.15, 0.4), rng.uniform(0.2, 0.45) * height
        corners = [vector(t, x + sx * wide, y, near) for sx in (-1, 1) for y in (-0.5, tall)]
        return [hull(*corners, radius=0.03, colour=colour)]
    green = toned(pick(rng, _GRASS), rng.uniform(0.5, 0.85))
    parts = []
    for _ in range(7):
        lean, tall = rng.uniform(-0.35, 0.35), rng.uniform(0.3, 0.75) * height
        wave = 0.02 * np.sin(rng.uniform(1.0, 3.0) * t + rng.uniform(0, 6))
        root, tip = vector(t, x, -0.1, near), vector(t, x + lean + wave, tall, near)
        middle = 0.4 * root + 0.6 * tip
        parts.append(hull(root, middle, tip, radius=(0.01, rng.uniform(0.03, 0.06), 0.008),
                          colour=toned(green, rng.uniform(0.85, 1.15))))  # fmt: skip
    return parts


def drift(rng: np.random.Generator, t: Floats, size: float, seconds: float) -> Floats:
    """Return a smooth unrest ``[T]`` of deviation `size`, alike forward and backward in time."""
    out = np.zeros(len(t))
    for octave in range(3):
        rate = rng.uniform(0.5, 1.5) * 2.0**octave / seconds
        out += 0.6**octave * np.sin(2.0 * np.pi * (rate * t + rng.random()))
    return size * out
