"""Where people are: backdrops, what moves behind them, what stands before them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from vidlab.datasets.body import Floats, vector
from vidlab.datasets.parts import Camera, Colour, Part, hull, pick, toned

_WALL: tuple[Colour, ...] = (
    (232, 226, 214), (206, 218, 228), (228, 208, 190), (190, 212, 196), (216, 198, 214),
    (168, 184, 198), (124, 148, 172), (240, 230, 196), (164, 142, 128), (104, 120, 136),
    (202, 180, 150), (178, 204, 220), (226, 186, 170), (84, 104, 112),
)  # fmt: skip
_FLOOR: tuple[Colour, ...] = (
    (168, 130, 94), (196, 164, 124), (134, 100, 74), (158, 158, 154), (116, 122, 128),
    (204, 198, 186), (104, 132, 110), (150, 118, 118),
)  # fmt: skip
_GRASS: tuple[Colour, ...] = ((128, 170, 92), (150, 178, 104), (106, 152, 96), (202, 186, 130))
_SKY: tuple[Colour, ...] = ((150, 202, 240), (194, 220, 238), (244, 208, 176), (172, 184, 200))
_WOOD: Colour = (112, 82, 58)
_FRAME: Colour = (244, 243, 238)

_KINDS = ("plain", "texture", "room", "room", "room", "gym", "park", "park", "city")

# The nearest a colour of the place may come to one of the person's clothes, sum over RGB.
_CONTRAST = 90


class Backdrop:
    """A picture larger than the video's, of which the camera sees a moving part.

    Args:
        rng: Decides what it shows.
        camera: Whose path it has to cover.
        avoid: Colours that should stand out before it.

    Attributes:
        back: Where the floor ends, metres behind the person.
        is_outdoors: Whether there is a sky.
    """

    def __init__(
        self, rng: np.random.Generator, camera: Camera, *, avoid: Sequence[Colour]
    ) -> None:
        size = camera.size_px
        along = camera.follow * camera.px_per_metre
        slack = 0.06 * size + float(np.abs(camera.shift).max())
        slack += 0.75 * size * max(0.0, float(1.0 / camera.zoom.min()) - 1.0)
        slack += 0.75 * size * float(np.abs(np.sin(camera.roll)).max())
        left, right = slack - float(along.min()), slack + float(along.max())
        self._origin = left, slack
        self._camera, self._rng = camera, rng
        self._avoid = np.array(avoid)
        self._unit = camera.px_per_metre
        self._width, self._height = int(size + left + right) + 2, int(size + 2.0 * slack) + 2
        kind = pick(rng, _KINDS)
        self.is_outdoors = kind in ("park", "city")
        self.back = rng.uniform(1.0, 2.6)
        if self.is_outdoors:
            self.back = rng.uniform(6.0, 25.0) if kind == "park" else rng.uniform(2.5, 6.0)
        self._edge = self._spot(0.0, 0.0, -self.back)[1]
        self._image = Image.new("RGB", (self._width, self._height))
        self._pen = ImageDraw.Draw(self._image)
        getattr(self, f"_{kind}")()
        self._finish()
        self._seen: tuple[tuple[float, ...], Image.Image] = (), self._image

    def frame(self, index: int, camera: Camera) -> Image.Image:
        """Return what the camera sees of it."""
        way = camera.to_canvas(index, self._origin)
        if way != self._seen[0]:  # A camera at rest sees the same again.
            size = (camera.size_px, camera.size_px)
            how = Image.Transform.AFFINE, way, Image.Resampling.BILINEAR
            self._seen = way, self._image.transform(size, *how)
        return self._seen[1].copy()

    def _spot(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Return where a place on the stage is in this picture."""
        flat, _ = self._camera.plain(np.array((x, y, z)))
        return float(flat[0] + self._origin[0]), float(flat[1] + self._origin[1])

    def _colour(self, choices: Sequence[Colour], low: float = 0.85, high: float = 1.06) -> Colour:
        """Return one of the colours, a little darker or lighter, that clothes stand out before."""
        for _ in range(6):
            colour = toned(pick(self._rng, choices), self._rng.uniform(low, high))
            if np.abs(self._avoid - colour).sum(axis=1).min() > _CONTRAST:
                break
        return colour

    def _thick(self, metres: float) -> int:
        return max(1, round(metres * self._unit))

    # ---- kinds -----------------------------------------------------------------------------

    def _plain(self) -> None:
        rng = self._rng
        first, second = self._colour(_WALL), self._colour(_WALL)
        if rng.random() < 0.4:
            second = first
        self._image.paste(_gradient(rng, first, second, self._width, self._height), (0, 0))
        if rng.random() < 0.7:
            self._soft_floor()

    def _texture(self) -> None:
        rng = self._rng
        first = self._colour(_WALL)
        second = toned(first, rng.uniform(0.7, 0.88)) if rng.random() < 0.6 else self._colour(_WALL)
        share = 0.5 + 0.3 * _noise(rng, self._width, self._height, (4, 9, 20, 43))
        self._image.paste(_blend(first, second, np.clip(share, 0.0, 1.0)), (0, 0))
        if rng.random() < 0.6:
            self._soft_floor()

    def _soft_floor(self) -> None:
        y = np.arange(self._height)
        share = np.clip((y - self._edge) / (0.03 * self._camera.size_px), 0.0, 1.0) * 0.6
        mask = np.repeat(np.round(255 * share).astype(np.uint8)[:, None], self._width, axis=1)
        self._image.paste(toned(self._colour(_FLOOR), 0.9), (0, 0), Image.fromarray(mask))

    def _band(self, top: float, bottom: float, fill: Colour) -> None:
        """Fill from side to side; nothing where a low camera sees no such surface."""
        if top <= bottom:
            self._pen.rectangle((0, top, self._width, bottom), fill=fill)

    def _room(self) -> None:
        rng, pen, unit = self._rng, self._pen, self._unit
        wall, floor = self._colour(_WALL), self._colour(_FLOOR)
        width, edge = self._width, self._edge
        pen.rectangle((0, 0, width, self._height), fill=wall)
        style = pick(rng, ("plain", "stripes", "bricks", "panels"))
        if style == "stripes":
            step = rng.uniform(0.12, 0.5) * unit
            for i in range(1, int(width / step) + 1, 2):
                pen.rectangle((i * step, 0, (i + 1) * step, edge), fill=toned(wall, 0.94))
        elif style == "bricks":
            tall, wide = 0.13 * unit, 0.3 * unit
            for row in range(int(edge / tall) + 1):
                y = edge - (row + 1) * tall
                pen.line((0, y, width, y), fill=toned(wall, 0.88))
                for i in range(int(width / wide) + 2):
                    x = (i - 0.5 * (row % 2)) * wide
                    pen.line((x, y, x, y + tall), fill=toned(wall, 0.9))
        elif style == "panels":
            level = edge - rng.uniform(0.6, 1.1) * unit
            self._band(level, edge, toned(wall, 0.86))
            pen.line((0, level, width, level), fill=toned(wall, 1.12), width=self._thick(0.03))
        self._floor(floor, rng.uniform(0.2, 0.6))
        for _ in range(int(rng.integers(1, 4)) * max(1, width // (2 * self._camera.size_px))):
            self._furniture()
        self._band(edge - 0.08 * unit, edge, toned(wall, 1.12))

    def _gym(self) -> None:
        rng, pen = self._rng, self._pen
        wall, floor = self._colour(_WALL), self._colour(_FLOOR)
        pen.rectangle((0, 0, self._width, self._height), fill=wall)
        level = self._edge - rng.uniform(1.0, 1.8) * self._unit
        self._band(level, self._edge, self._colour(_FLOOR))
        self._floor(floor, 1.2)
        line = toned(pick(rng, (_FRAME, (220, 90, 70), (80, 120, 190))), 1.0)
        for z in (-0.7 * self.back, 0.6):
            y = self._spot(0.0, 0.0, z)[1]
            pen.line((0, y, self._width, y), fill=line, width=self._thick(0.05))
        x = rng.uniform(-1.0, 1.0)
        ends = (*self._spot(x, 0.0, -self.back), *self._spot(x, 0.0, 2.0))
        pen.line(ends, fill=line, width=self._thick(0.05))

    def _floor(self, colour: Colour, gap: float) -> None:
        """Draw a floor of boards, or of tiles."""
        pen, width = self._pen, self._width
        self._band(self._edge, self._height, colour)
        line = toned(colour, 0.9)
        span = 0.5 * width / self._unit + 5.0
        for i in range(int(2.0 * span / gap) + 1):
            x = -span + i * gap
            pen.line((*self._spot(x, 0.0, -self.back), *self._spot(x, 0.0, 2.0)), fill=line)
        if self._rng.random() < 0.5:
            for i in range(int((self.back + 2.0) / gap)):
                y = self._spot(0.0, 0.0, i * gap - self.back)[1]
                pen.line((0, y, width, y), fill=line)

    def _furniture(self) -> None:
        rng, pen, unit, edge = self._rng, self._pen, self._unit, self._edge
        x = rng.uniform(-0.2 * unit, self._width)
        wide, tall = rng.uniform(0.4, 1.2) * unit, rng.uniform(0.5, 1.5) * unit
        colour = self._colour(_FLOOR + _WALL, 0.65, 1.0)
        kind = pick(rng, ("cupboard", "picture", "window", "plant"))
        if kind == "cupboard":
            box = (x, edge - tall, x + wide, edge + 0.04 * unit)
            pen.rectangle(box, fill=colour, outline=toned(colour, 0.75), width=self._thick(0.02))
            shelves = int(rng.integers(2, 5))
            for i in range(1, shelves):
                y = edge - tall + i * tall / shelves
                pen.line((x, y, x + wide, y), fill=toned(colour, 0.75), width=self._thick(0.015))
        elif kind == "picture":
            y = edge - rng.uniform(1.3, 1.9) * unit
            box = (x, y, x + 0.7 * wide, y + 0.4 * tall)
            pen.rectangle(box, fill=colour, outline=toned(colour, 0.55), width=self._thick(0.04))
        elif kind == "window":
            y, middle = edge - rng.uniform(1.6, 2.2) * unit, x + 0.5 * wide
            box = (x, y, x + wide, y + 0.9 * unit)
            pen.rectangle(box, fill=pick(rng, _SKY), outline=_FRAME, width=self._thick(0.06))
            pen.line((middle, y, middle, y + 0.9 * unit), fill=_FRAME, width=self._thick(0.04))
        else:
            green = toned(pick(rng, _GRASS), 0.75)
            for lean in np.linspace(-0.22, 0.22, 5).tolist():
                tip = x + lean * unit, edge - (0.75 - abs(lean)) * unit
                pen.line((x, edge - 0.25 * unit, *tip), fill=green, width=self._thick(0.06))
            pot = [(x + sx * unit, edge + y * unit) for sx, y in
                   ((-0.12, -0.28), (0.12, -0.28), (0.09, 0.02), (-0.09, 0.02))]  # fmt: skip
            pen.polygon(pot, fill=(176, 100, 70))

    def _sky(self) -> None:
        sky = toned(pick(self._rng, _SKY), self._rng.uniform(0.9, 1.04))
        light = toned(sky, 1.14)
        turn = 0.5 * np.pi
        image = _gradient(self._rng, sky, light, self._width, self._height, turn=turn)
        self._image.paste(image, (0, 0))

    def _park(self) -> None:
        rng, pen, unit, edge = self._rng, self._pen, self._unit, self._edge
        self._sky()
        grass = self._colour(_GRASS)
        for layer in range(2):
            level = edge - rng.uniform(0.05, 0.5 - 0.2 * layer) * unit
            wave, phase = rng.uniform(0.6, 2.5, 2) / unit, rng.uniform(0.0, 6.3, 2)
            x = np.arange(0, self._width + 8, 8)
            y = level - 0.15 * unit * (
                np.sin(x * wave[0] + phase[0]) + 0.5 * np.sin(2.3 * x * wave[1] + phase[1])
            )
            hill = [*zip(x.tolist(), y.tolist(), strict=True)]
            corners = [(self._width + 8, self._height), (0, self._height)]
            pen.polygon(hill + corners, fill=toned(grass, 0.76 + 0.1 * layer))
        self._band(edge, self._height, grass)
        for _ in range(int(rng.integers(0, 6)) * max(1, self._width // 300)):
            self._tree(rng.uniform(0, self._width), rng.uniform(0.25, 0.6) * unit, grass)
        if rng.random() < 0.5:  # A path under the feet.
            near, far = self._spot(0.0, 0.0, 0.9)[1], self._spot(0.0, 0.0, -0.9)[1]
            self._band(far, near, self._colour(_FLOOR))

    def _tree(self, x: float, size: float, grass: Colour) -> None:
        pen, base = self._pen, self._edge + self._rng.uniform(-0.05, 0.1) * self._unit
        leaf = toned(grass, self._rng.uniform(0.55, 0.85))
        pen.rectangle((x - 0.1 * size, base - 2.0 * size, x + 0.1 * size, base), fill=_WOOD)
        for shade, shift in ((0.86, 0.0), (1.0, -0.08)):
            for dx, dy in ((0.0, -2.4), (-0.5, -1.9), (0.5, -1.9)):
                left, top = x + (dx + shift) * size, base + (dy + shift) * size
                half = 0.72 * size * (1.0 if shade < 1 else 0.85)
                box = (left - half, top - half, left + half, top + half)
                pen.ellipse(box, fill=toned(leaf, shade))

    def _city(self) -> None:
        rng, pen, unit, edge = self._rng, self._pen, self._unit, self._edge
        self._sky()
        x = -rng.uniform(0.0, 1.0) * unit
        while x < self._width:
            wide, tall = rng.uniform(0.9, 2.2) * unit, rng.uniform(1.4, 4.0) * unit
            wall = self._colour(_WALL, 0.7, 1.0)
            pen.rectangle((x, edge - tall, x + wide, edge), fill=wall)
            glass = toned(pick(rng, _SKY), rng.uniform(0.55, 0.9))
            across, up = rng.uniform(0.3, 0.45) * unit, rng.uniform(0.4, 0.55) * unit
            for i in range(int((wide - 0.3 * across) / across)):
                for j in range(int((tall - 0.2 * up) / up)):
                    left, top = x + (i + 0.3) * across, edge - tall + (j + 0.3) * up
                    pen.rectangle((left, top, left + 0.55 * across, top + 0.55 * up), fill=glass)
            x += wide + rng.uniform(0.0, 0.4) * unit
        self._floor(self._colour(_FLOOR, 0.7, 1.0), rng.uniform(0.5, 1.0))
        y = self._spot(0.0, 0.0, -0.6 * self.back)[1]
        pen.line((0, y, self._width, y), fill=_FRAME, width=self._thick(0.06))

    def _finish(self) -> None:
        """Add grain to the surfaces and bring the place more or less out of focus."""
        rng = self._rng
        if rng.random() < 0.6:
            grain = _noise(rng, self._width, self._height, (6, 24, 80)) * rng.uniform(2.0, 8.0)
            pixels = np.asarray(self._image, np.float32) + grain[..., None]
            self._image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        blur = rng.uniform(0.0, 1.2) * self._camera.size_px / 172
        if blur > 0.3:
            self._image = self._image.filter(ImageFilter.GaussianBlur(blur))


def _gradient(
    rng: np.random.Generator,
    first: Colour,
    second: Colour,
    width: int,
    height: int,
    *,
    turn: float | None = None,
) -> Image.Image:
    angle = rng.uniform(0.0, 2.0 * np.pi) if turn is None else turn
    x = np.linspace(-0.5, 0.5, width)[None, :] * np.cos(angle)
    y = np.linspace(-0.5, 0.5, height)[:, None] * np.sin(angle)
    return _blend(first, second, np.clip(x + y + 0.5, 0.0, 1.0))


def _blend(first: Colour, second: Colour, share: NDArray[np.floating]) -> Image.Image:
    part = share[..., None]
    pixels = (1.0 - part) * np.array(first, np.float32) + part * np.array(second, np.float32)
    return Image.fromarray(np.round(pixels).astype(np.uint8))


def _noise(
    rng: np.random.Generator, width: int, height: int, cells: Sequence[int]
) -> NDArray[np.float32]:
    """Return smooth noise about 0 with a deviation near 1, coarse to fine."""
    total = np.zeros((height, width), np.float32)
    most = max(width, height)
    for octave, count in enumerate(cells):
        shape = max(2, count * height // most), max(2, count * width // most)
        grid = rng.standard_normal(shape, dtype=np.float32)
        layer = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(layer) * 0.7**octave
    return total


def movers(rng: np.random.Generator, t: Floats, camera: Camera, place: Backdrop) -> list[Part]:
    """Return what drifts behind the person: clouds, or passers-by; often nothing."""
    if rng.random() < 0.5:
        return []
    parts: list[Part] = []
    reach = 0.6 * camera.size_px / camera.px_per_metre
    for _ in range(int(rng.integers(1, 4))):
        speed = rng.uniform(-0.7, 0.7)
        way = speed * (t - 0.5 * float(t[0] + t[-1]))
        if place.is_outdoors and rng.random() < 0.4:
            x = rng.uniform(-3.0, 3.0) * reach + 0.6 * way + 0.9 * camera.follow
            parts += _cloud(rng, t, x, -4.0)
        else:
            z = -rng.uniform(0.8 * min(place.back, 1.4), min(place.back, 6.0) - 0.1)
            x = rng.uniform(-1.0, 1.0) * reach * (1.0 - 0.15 * z) + way + camera.follow
            parts += _passer_by(rng, t, x, z, speed)
    return parts


def _cloud(rng: np.random.Generator, t: Floats, x: Floats, z: float) -> list[Part]:
    y, grey = rng.uniform(2.8, 4.0), int(rng.integers(225, 252))
    return [
        hull(
            vector(t, x + rng.uniform(-0.7, 0.7), y + rng.uniform(-0.12, 0.12), z),
            radius=rng.uniform(0.2, 0.45), colour=(grey, grey, grey), bias=20.0, shaded=False,
        )
        for _ in range(4)
    ]  # fmt: skip


def _passer_by(
    rng: np.random.Generator, t: Floats, x: Floats, z: float, speed: float
) -> list[Part]:
    tall = rng.uniform(1.2, 1.85)
    coat, legs = (toned(pick(rng, _WALL + _FLOOR), rng.uniform(0.5, 0.9)) for _ in range(2))
    skin, hair = toned((236, 190, 154), rng.uniform(0.4, 1.0)), toned(_WOOD, rng.uniform(0.4, 1.3))
    phase = 4.5 * t + rng.uniform(0.0, 6.3)
    step = 0.11 * tall * np.sin(phase) * min(1.0, 3.0 * abs(speed))

    def part(*points: tuple[Floats | float, float], radius: float, colour: Colour) -> Part:
        spots = [vector(t, x + dx, y * tall, z) for dx, y in points]
        return hull(*spots, radius=radius * tall, colour=colour, bias=0.4)

    ahead = 0.02 * np.sign(speed) * tall
    return [
        *(part((0.0, 0.5), (s * step, 0.05), radius=0.042, colour=legs) for s in (-1.0, 1.0)),
        *(
            part((s * step, 0.025), (s * step + 2.0 * ahead, 0.02), radius=0.022, colour=hair)
            for s in (-1.0, 1.0)
        ),
        part((0.0, 0.52), (0.0, 0.77), radius=0.075, colour=coat),
        part((0.0, 0.75), (-0.7 * step, 0.5), radius=0.03, colour=toned(coat, 0.9)),
        part((-ahead, 0.945), radius=0.068, colour=hair),
        part((ahead, 0.925), radius=0.055, colour=skin),
    ]


def occluders(rng: np.random.Generator, t: Floats, camera: Camera, height: float) -> list[Part]:
    """Return what stands before the person, mostly at the side; often nothing."""
    if rng.random() > 0.28:
        return []
    near = min(1.4, 0.35 * camera.distance) * rng.uniform(0.7, 1.0)
    span = 0.5 * camera.size_px / camera.focal_px * (camera.distance - near)
    side = 1.0 if rng.random() < 0.5 else -1.0
    x = span * rng.uniform(0.35, 0.95) * side + float(rng.choice(camera.follow))
    kind = pick(rng, ("post", "plant", "box"))
    colour = toned(pick(rng, _FLOOR), rng.uniform(0.5, 1.0))
    if kind == "post":
        ends = vector(t, x, -1.0, near), vector(t, x, 4.0, near)
        return [hull(*ends, radius=rng.uniform(0.03, 0.07), colour=colour)]
    if kind == "box":
        wide, tall = rng.uniform(0.15, 0.4), rng.uniform(0.2, 0.45) * height
        corners = [vector(t, x + sx * wide, y, near) for sx in (-1, 1) for y in (-0.5, tall)]
        return [hull(*corners, radius=0.03, colour=colour)]
    green = toned(pick(rng, _GRASS), rng.uniform(0.55, 0.85))
    leaves = []
    for _ in range(7):
        lean, tall = rng.uniform(-0.35, 0.35), rng.uniform(0.3, 0.75) * height
        wave = 0.02 * np.sin(rng.uniform(1.0, 3.0) * t + rng.uniform(0.0, 6.3))
        root, tip = vector(t, x, -0.1, near), vector(t, x + lean + wave, tall, near)
        radii = 0.01, rng.uniform(0.03, 0.06), 0.008
        shade = toned(green, rng.uniform(0.85, 1.15))
        leaves.append(hull(root, 0.4 * root + 0.6 * tip, tip, radius=radii, colour=shade))
    return leaves


def drift(rng: np.random.Generator, t: Floats, size: float, seconds: float) -> Floats:
    """Return a smooth unrest ``[T]`` of about `size`, alike forward and backward in time."""
    out = np.zeros(len(t))
    for octave in range(3):
        rate = rng.uniform(0.5, 1.5) * 2.0**octave / seconds
        out += 0.6**octave * np.sin(2.0 * np.pi * (rate * t + rng.random()))
    return size * out
