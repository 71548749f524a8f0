"""Draw data/jumping_jacks.mp4: a figure that does jumping jacks, then waves.

The picture is made here, from nothing but arithmetic, so that it can be shipped. Run it again
after a change: ``.venv/bin/python scripts/make_sample_video.py``.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT, FPS, SECONDS = 320, 240, 30, 8
TARGET = Path(__file__).parents[1] / "data" / "jumping_jacks.mp4"

SKIN, SHIRT, TROUSERS, SHOES = (214, 168, 136), (196, 64, 52), (44, 62, 100), (40, 40, 44)


def main() -> None:
    """Write the video."""
    TARGET.parent.mkdir(exist_ok=True)
    with av.open(str(TARGET), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "23", "preset": "slow", "bf": "2", "g": "30"}
        stream.time_base = Fraction(1, FPS)
        room = background()
        for number in range(FPS * SECONDS):
            picture = draw(room, number / FPS)
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    print(f"{TARGET.relative_to(Path.cwd())}: {TARGET.stat().st_size / 1000:.0f} kB")


def background() -> Image.Image:
    """Return an empty gym: a wall, a floor, a window and a mat."""
    picture = Image.new("RGB", (WIDTH * 2, HEIGHT * 2), (206, 204, 196))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 330, WIDTH * 2, HEIGHT * 2), fill=(150, 116, 84))
    for x in range(0, WIDTH * 2, 46):
        pen.line((x, 330, x - 60, HEIGHT * 2), fill=(136, 102, 72), width=2)
    pen.rectangle((40, 50, 170, 190), fill=(176, 208, 232), outline=(240, 240, 236), width=8)
    pen.line((105, 50, 105, 190), fill=(240, 240, 236), width=6)
    pen.polygon([(170, 400), (480, 400), (520, 460), (130, 460)], fill=(66, 110, 120))
    return picture.filter(ImageFilter.GaussianBlur(1.2))


def draw(room: Image.Image, seconds: float) -> Image.Image:
    """Return the picture at a time: jumping jacks for six seconds, then a wave."""
    picture = room.copy()
    pen = ImageDraw.Draw(picture)
    jumping = seconds < 6.0
    phase = 0.5 - 0.5 * math.cos(2 * math.pi * seconds / 1.0) if jumping else 0.0
    lift = 26 * math.sin(2 * math.pi * (seconds % 0.5)) if jumping else 0.0
    centre, hip = WIDTH, 296 - lift
    shoulder = hip - 92
    for side in (-1, 1):
        foot = (centre + side * (16 + 56 * phase), hip + 138 - 10 * phase)
        knee = (centre + side * (14 + 30 * phase), hip + 70)
        limb(pen, [(centre + side * 12, hip), knee, foot], 24, TROUSERS)
        ball(pen, foot, 15, SHOES)
    pen.rounded_rectangle((centre - 34, shoulder - 8, centre + 34, hip + 14), 20, fill=SHIRT)
    for side in (-1, 1):
        angle = math.radians(18 + 142 * phase)
        if not jumping and side == 1:
            angle = math.radians(150 + 22 * math.sin(2 * math.pi * 1.6 * seconds))
        start = (centre + side * 32, shoulder + 4)
        elbow = (start[0] + side * 46 * math.sin(angle), start[1] + 46 * math.cos(angle))
        hand = (
            elbow[0] + side * 44 * math.sin(angle * 1.06),
            elbow[1] + 44 * math.cos(angle * 1.06),
        )
        limb(pen, [start, elbow], 20, SHIRT)
        limb(pen, [elbow, hand], 16, SKIN)
        ball(pen, hand, 11, SKIN)
    pen.rectangle((centre - 9, shoulder - 24, centre + 9, shoulder), fill=SKIN)
    ball(pen, (centre, shoulder - 42), 27, SKIN)
    pen.pieslice(
        (centre - 28, shoulder - 72, centre + 28, shoulder - 16), 180, 360, fill=(62, 44, 34)
    )
    return picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def limb(
    pen: ImageDraw.ImageDraw,
    points: list[tuple[float, float]],
    width: int,
    fill: tuple[int, int, int],
) -> None:
    """Draw a thick line with round joints."""
    pen.line(points, fill=fill, width=width, joint="curve")
    for point in points:
        ball(pen, point, width / 2, fill)


def ball(
    pen: ImageDraw.ImageDraw,
    centre: tuple[float, float],
    radius: float,
    fill: tuple[int, int, int],
) -> None:
    """Draw a disc."""
    x, y = centre
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


if __name__ == "__main__":
    main()
