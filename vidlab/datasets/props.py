"""Things that people use: each a list of parts beside the person's joints."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from vidlab.datasets.body import Floats, rotation, rows, turned, vector
from vidlab.datasets.parts import Colour, Part, hull, toned

Joints = dict[str, Floats]

MAT_COLOURS: tuple[Colour, ...] = ((66, 118, 128), (120, 84, 150), (70, 130, 84), (58, 84, 140))
BAG_COLOURS: tuple[Colour, ...] = ((176, 50, 44), (44, 46, 52), (130, 84, 50), (40, 70, 120))
ROPE_COLOURS: tuple[Colour, ...] = ((240, 90, 60), (250, 210, 70), (60, 160, 220), (235, 235, 235))
CHAIR_COLOURS: tuple[Colour, ...] = (
    (150, 104, 62), (84, 60, 42), (196, 160, 110), (60, 92, 130), (170, 60, 54), (90, 94, 98),
)  # fmt: skip
DOOR_COLOURS: tuple[Colour, ...] = (
    (150, 98, 60), (228, 222, 208), (84, 112, 96), (70, 96, 138), (172, 70, 58), (110, 76, 52),
)  # fmt: skip
BALLS_COLOURS: tuple[Colour, ...] = (
    (226, 62, 52), (250, 196, 50), (60, 150, 220), (80, 180, 90), (240, 240, 240), (230, 110, 190),
)  # fmt: skip


def _spot(joints: Joints, x: float | Floats, y: float | Floats, z: float | Floats) -> Floats:
    """Return a place given in the root's axes, ``[T, 3]``."""
    root = joints["root"]
    return root + rows(joints["root_axes"], vector(root[:, 0], x, y, z))


def mat(joints: Joints, half: float, long: float, *, colour: Colour) -> list[Part]:
    """Return a mat under a lying person."""
    corners = [_spot(joints, sx * half, 0.0, sz * long) for sx in (-1, 1) for sz in (-1, 1)]
    return [hull(*corners, radius=0.015, colour=colour, bias=3.0)]


def chair(
    joints: Joints, *, seat: float, back: float, half: float, look: tuple[Colour, bool]
) -> list[Part]:
    """Return a chair behind the person, `seat` high and as deep as `back`."""
    colour, has_back = look
    front, rear = -back + 0.62 * half, -back - 1.05 * half
    dark = toned(colour, 0.8)
    corners = {
        (sx, z): _spot(joints, sx * half, seat - 0.03, z) for sx in (-1, 1) for z in (front, rear)
    }
    parts = [hull(*corners.values(), radius=0.028, colour=colour, bias=0.12)]
    for (sx, z), corner in corners.items():
        foot = _spot(joints, sx * half, 0.0, z)
        parts.append(hull(corner, foot, radius=0.022, colour=dark, bias=0.1))
    if has_back:
        ends = [
            _spot(joints, sx * half, seat + up * half, rear - 0.03)
            for sx in (-1, 1) for up in (0.75, 2.0)
        ]  # fmt: skip
        parts.append(hull(*ends, radius=0.024, colour=colour))
        for sx in (-1, 1):
            top = _spot(joints, sx * half, seat + 0.9 * half, rear - 0.02)
            parts.append(hull(corners[sx, rear], top, radius=0.02, colour=dark))
    return parts


def door(
    joints: Joints, *, yaw: float, hinge: Floats, side: float, angle: Floats, width: float,
    tall: float, knob: float, reach: float, colour: Colour,
) -> list[Part]:  # fmt: skip
    """Return a door in its frame, open by `angle` ``[T]``."""
    turn = rotation(vector(angle, 0.0, yaw, 0.0))

    def spot(
        away: Floats | float, height: float, open_: Floats | float, off: float = 0.0
    ) -> Floats:
        x = hinge[0] - side * away * np.cos(open_)
        z = hinge[2] - away * np.sin(open_) + off
        return joints["origin"] + rows(turn, vector(angle, x, height, z))

    frame = toned(colour, 0.62) if sum(colour) > 500 else (236, 232, 222)
    still = 0.0 * angle
    low, high = 0.03, tall
    hole = [spot(away, h, still, 0.05) for away in (0.0, width) for h in (low, high)]
    leaf = [spot(away, h, angle) for away in (0.02, width) for h in (low, high - 0.02)]
    parts = [hull(*hole, radius=0.01, colour=(52, 50, 60), bias=0.6, shaded=False)]
    for away in (-0.05, width + 0.05):
        post = [spot(away, h, still) for h in (0.0, high)]
        parts.append(hull(*post, radius=0.05, colour=frame, bias=0.5))
    top = [spot(away, high + 0.04, still) for away in (-0.05, width + 0.05)]
    parts.append(hull(*top, radius=0.05, colour=frame, bias=0.5))
    middle = np.mean(leaf, axis=0)
    parts.append(hull(*leaf, radius=0.022, colour=colour, anchor=middle, bias=0.05, shaded=False))
    for bottom, upper in ((0.1, 0.46), (0.54, 0.92)):
        panel = [
            spot(away * width, h * tall, angle) for away in (0.18, 0.82) for h in (bottom, upper)
        ]
        parts.append(
            hull(*panel, radius=0.01, colour=toned(colour, 0.86), anchor=middle, bias=0.04,
                 shaded=False)
        )  # fmt: skip
    grip = spot(reach, knob, angle)
    parts.append(hull(grip, radius=0.04, colour=(236, 196, 90), anchor=middle, bias=0.03))
    return parts


def bag(
    joints: Joints, *, ahead: float, height: float, swing: Floats, colour: Colour
) -> list[Part]:
    """Return a punching bag that hangs in front of the person and is pushed by `swing` metres."""
    top = _spot(joints, 0.0, height, ahead + 0.25 * swing)
    bottom = _spot(joints, 0.0, 0.42 * height, ahead + swing)
    hook = _spot(joints, 0.0, 2.4 * height, ahead)
    size = 0.1 * height

    def band(share: float, thick: float) -> Part:
        middle = (1.0 - share) * top + share * bottom
        end = (1.0 - share - thick) * top + (share + thick) * bottom
        return hull(
            middle, end, radius=1.02 * size, colour=toned(colour, 0.7), anchor=0.5 * (top + bottom),
            bias=-0.01,
        )  # fmt: skip

    return [
        hull(hook, top, radius=0.015, colour=(120, 120, 126)),
        hull(top, bottom, radius=size, colour=colour),
        band(0.12, 0.02),
        band(0.8, 0.02),
    ]


def rope(joints: Joints, *, angle: Floats, colour: Colour) -> list[Part]:
    """Return a rope from hand to hand that has turned by `angle` ``[T]``; at 0 it is below."""
    left, right = joints["l_hand"], joints["r_hand"]
    length = 0.5 * (left + right)[:, 1] - 0.015
    way = rows(joints["root_axes"], vector(angle, 0.0, -np.cos(angle), np.sin(angle)))
    shares = np.linspace(0.0, 1.0, 13)
    points = [
        (1.0 - s) * left + s * right + way * (length * np.sin(np.pi * s) ** 0.55)[:, None]
        for s in shares
    ]
    return [hull(a, b, radius=0.014, colour=colour, shaded=False) for a, b in pairwise(points)]


def balls(
    joints: Joints, *, cycle: Floats, height: float, size: float, palette: Sequence[Colour]
) -> list[Part]:
    """Return three balls in a cascade; a hand throws once a cycle, the other half a cycle later."""
    hands = np.stack([
        joints[f"{side}_hand"] + turned(joints["chest_axes"], 0.0, size, 0.0) for side in "lr"
    ])  # fmt: skip
    beats = 2.0 * cycle
    air = 1.75
    parts = []
    for k, colour in enumerate(palette):
        throw = np.floor((beats - k) / 3.0)
        since = (beats - k) - 3.0 * throw
        thrower = (k + 3 * throw.astype(int)) % 2
        share = np.clip(since / air, 0.0, 1.0)[:, None]
        each = np.arange(len(cycle))
        place = (1.0 - share) * hands[thrower, each] + share * hands[1 - thrower, each]
        place[:, 1] += (4.0 * height * share * (1.0 - share))[:, 0]
        parts.append(hull(place, radius=size, colour=colour, bias=-0.1))
    return parts
