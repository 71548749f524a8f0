"""What a person looks like: clothes and hair around the joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vidlab.datasets.body import Body, Floats, turned
from vidlab.datasets.parts import Colour, Part, hull, pick, toned

_SKIN: tuple[Colour, ...] = (
    (250, 218, 190), (240, 200, 165), (226, 178, 140), (204, 150, 110), (172, 118, 80),
    (140, 92, 62), (108, 70, 48), (84, 56, 42),
)  # fmt: skip
_HAIR: tuple[Colour, ...] = (
    (32, 26, 26), (58, 40, 30), (96, 62, 38), (150, 100, 52), (214, 176, 104), (168, 74, 42),
    (150, 150, 154), (222, 220, 214),
)  # fmt: skip
_CLOTH: tuple[Colour, ...] = (
    (204, 58, 50), (232, 118, 48), (244, 196, 66), (88, 164, 84), (44, 122, 108), (58, 136, 200),
    (52, 80, 152), (120, 82, 168), (212, 92, 142), (240, 238, 230), (48, 50, 58), (148, 152, 160),
    (132, 36, 52), (150, 206, 216), (196, 214, 130),
)  # fmt: skip
_TROUSERS: tuple[Colour, ...] = (
    (46, 60, 98), (70, 98, 142), (40, 42, 48), (96, 100, 108), (150, 124, 90), (92, 70, 54),
    (62, 82, 66), (196, 190, 176), (128, 44, 58), (34, 84, 96),
)  # fmt: skip
_SHOES: tuple[Colour, ...] = (
    (244, 244, 240), (40, 40, 44), (200, 60, 52), (60, 110, 180), (120, 78, 48), (240, 190, 60),
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """Colours and cuts."""

    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    shoes: Colour
    accent: Colour
    sleeve: int
    """0 none, 1 short, 2 long."""
    legs: int
    """0 shorts, 1 long, 2 skirt."""
    style: int
    """Hair: 0 short, 1 long, 2 bun, 3 bald, 4 cap, 5 curls."""
    pattern: int
    """Shirt: 0 to 2 plain, 3 a band, 4 two bands, 5 a print on the chest."""


def random_look(rng: np.random.Generator) -> Look:
    """Return clothes and hair for somebody."""
    shade = rng.uniform(0.85, 1.12)
    return Look(
        skin=toned(pick(rng, _SKIN), rng.uniform(0.95, 1.03)),
        hair=toned(pick(rng, _HAIR), rng.uniform(0.85, 1.15)),
        shirt=toned(pick(rng, _CLOTH), shade),
        trousers=toned(pick(rng, _TROUSERS), rng.uniform(0.85, 1.15)),
        shoes=pick(rng, _SHOES),
        accent=pick(rng, _CLOTH),
        sleeve=int(rng.choice(3, p=(0.15, 0.5, 0.35))),
        legs=int(rng.choice(3, p=(0.27, 0.58, 0.15))),
        style=int(rng.choice(6, p=(0.34, 0.2, 0.14, 0.06, 0.13, 0.13))),
        pattern=int(rng.integers(6)),
    )


def person(body: Body, look: Look, joints: dict[str, Floats], *, view: Floats) -> list[Part]:
    """Return the parts of a person.

    Args:
        body: Lengths.
        look: Colours and cuts.
        joints: From :func:`vidlab.datasets.body.solve`.
        view: The way from the head to the camera, unit vectors ``[T, 3]``.
    """
    size = body.height / 1.7
    thick = size * (0.55 + 0.45 * body.weight)
    parts: list[Part] = []

    def add(
        *points: Floats, radius: tuple[float, ...] | float, colour: Colour, **options: object
    ) -> None:
        parts.append(hull(*points, radius=radius, colour=colour, is_person=True, **options))

    pelvis_axes, chest_axes, head_axes = (
        joints[f"{name}_axes"] for name in ("pelvis", "chest", "head")
    )
    waist, neck, head = joints["waist"], joints["neck"], joints["head"]

    for side in "lr":
        hip, knee, ankle, heel, toe, shoulder, elbow, wrist, hand = (
            joints[f"{side}_{name}"]
            for name in (
                "hip",
                "knee",
                "ankle",
                "heel",
                "toe",
                "shoulder",
                "elbow",
                "wrist",
                "hand",
            )
        )
        thigh_r, knee_r, ankle_r = 0.082 * thick, 0.056 * thick, 0.042 * thick
        bare = look.legs != 1
        add(hip, knee, radius=(thigh_r, knee_r), name=f"{side}_thigh",
            colour=look.skin if bare else look.trousers)  # fmt: skip
        middle = 0.5 * (hip + knee)
        if look.legs == 0:
            low = 0.35 * hip + 0.65 * knee
            add(hip, low, radius=(1.12 * thigh_r, 1.2 * knee_r), name=f"{side}_thigh",
                colour=look.trousers, anchor=middle, bias=-0.004)  # fmt: skip
        # A calf is thickest below the knee.
        calf = 0.7 * knee + 0.3 * ankle
        shin_colour = look.skin if bare else look.trousers
        add(knee, calf, ankle, name=f"{side}_shin", colour=shin_colour,
            radius=(knee_r, 1.04 * knee_r, ankle_r if bare else 1.25 * ankle_r))  # fmt: skip
        foot_r = 0.038 * size
        add(heel + (0, 0.3 * foot_r, 0), ankle, toe, name=f"{side}_foot", colour=look.shoes,
            radius=(1.05 * foot_r, 0.95 * foot_r, foot_r), bias=-0.02)  # fmt: skip

        arm_r, elbow_r, wrist_r = 0.05 * thick, 0.04 * thick, 0.03 * thick
        sleeved = look.sleeve == 2
        add(shoulder, elbow, radius=(arm_r, elbow_r), name=f"{side}_upper_arm",
            colour=look.shirt if sleeved else look.skin)  # fmt: skip
        if look.sleeve == 1:
            cuff = 0.45 * shoulder + 0.55 * elbow
            add(shoulder, cuff, radius=(1.12 * arm_r, 1.22 * arm_r), name=f"{side}_upper_arm",
                colour=look.shirt, anchor=0.5 * (shoulder + elbow), bias=-0.004)  # fmt: skip
        add(elbow, wrist, radius=(elbow_r, wrist_r * (1.25 if sleeved else 1.0)),
            name=f"{side}_forearm", colour=look.shirt if sleeved else look.skin)  # fmt: skip
        palm = 0.55 * wrist + 0.45 * hand
        add(wrist, palm, 0.15 * wrist + 0.85 * hand, name=f"{side}_hand", colour=look.skin,
            radius=(0.9 * wrist_r, 0.04 * size, 0.026 * size), bias=-0.02)  # fmt: skip

    # Trunk: hips, then the chest over them.
    belly = 0.105 * size * body.weight**0.8
    hip_points = [joints[f"{side}_hip"] for side in "lr"]
    low_waist = waist + turned(pelvis_axes, 0.0, -0.05 * body.torso, 0.0)
    add(*hip_points, low_waist, name="pelvis", colour=look.trousers,
        radius=(0.095 * thick, 0.095 * thick, 0.98 * belly))  # fmt: skip
    if look.legs == 2:
        knees = [0.25 * joints[f"{side}_hip"] + 0.75 * joints[f"{side}_knee"] for side in "lr"]
        add(*hip_points, *knees, name="pelvis", colour=look.trousers, bias=-0.03,
            radius=(0.1 * thick, 0.1 * thick, 0.105 * thick, 0.105 * thick))  # fmt: skip
    inner = [
        joints[f"{side}_shoulder"] + turned(chest_axes, -sign * 0.025, -0.01, 0.0)
        for side, sign in (("l", 1.0), ("r", -1.0))
    ]
    wide = body.shoulder * 0.62
    ribs = [waist + turned(chest_axes, s * wide, 0.26 * body.torso, 0.0) for s in (1.0, -1.0)]
    add(*inner, *ribs, waist, name="chest", colour=look.shirt,
        radius=(0.062 * thick, 0.062 * thick, 0.085 * thick, 0.085 * thick, belly))  # fmt: skip
    middle = 0.5 * (waist + neck)
    if look.pattern in (3, 4):
        for up in (0.3,) if look.pattern == 3 else (0.16, 0.36):
            ends = [
                waist + turned(chest_axes, s * wide * 1.12, (up + more) * body.torso, 0.0)
                for s in (1.0, -1.0) for more in (-0.02, 0.02)
            ]  # fmt: skip
            add(*ends, name="chest", colour=look.accent, radius=0.06 * thick, anchor=middle,
                bias=-0.002, shaded=False)  # fmt: skip
    elif look.pattern == 5:
        ahead = np.einsum("ti,ti->t", chest_axes[:, :, 2], view)
        badge = waist + turned(chest_axes, 0.0, 0.34 * body.torso, 0.085 * thick)
        add(badge, name="chest", colour=look.accent, radius=0.05 * size, anchor=middle, bias=-0.003,
            shown=ahead > 0.25, shaded=False)  # fmt: skip
    add(neck + turned(chest_axes, 0.0, -0.02, 0.0), 0.5 * (neck + head), name="neck",
        colour=toned(look.skin, 0.92), radius=0.045 * thick, bias=0.02)  # fmt: skip

    _head(add, body, look, head, head_axes, joints, view)
    return parts


def _head(add, body, look, head, axes, joints, view) -> None:
    r = body.head
    front = np.einsum("ti,ti->t", axes[:, :, 2], view)
    away = front < -0.15
    steps = iter(range(1, 40))

    def on_head(*points: Floats, **options: object) -> None:
        add(*points, name="head", anchor=head, bias=-0.0005 * next(steps) - 0.03, **options)

    def at(x: float, y: float, z: float) -> Floats:
        return head + turned(axes, x * r, y * r, z * r)

    def seen(x: float, y: float, z: float, *, margin: float = 0.1) -> Floats:
        normal = turned(axes, x, y, z) / np.linalg.norm((x, y, z))
        return np.einsum("ti,ti->t", normal, view) > margin

    hair, skin = look.hair, look.skin

    def hair_behind(shown: Floats | None) -> None:
        if look.style == 3:
            return
        crown = 1.07 if look.style != 5 else 1.22
        on_head(at(0, 0.16, -0.2), at(0, 0.3, 0.02), radius=(crown * 0.97 * r, crown * 0.88 * r),
                colour=hair, shown=shown)  # fmt: skip
        if look.style == 1:
            on_head(at(0, 0.0, -0.3), at(0.42, -0.9, -0.5), at(-0.42, -0.9, -0.5), at(0, -1.2, -0.5),
                    radius=(0.85 * r, 0.5 * r, 0.5 * r, 0.5 * r), colour=hair, shown=shown)  # fmt: skip
        elif look.style == 2:
            on_head(at(0, 0.75, -0.85), radius=0.42 * r, colour=hair, shown=shown)

    hair_behind(~away)
    for side, x in (("l", 0.98), ("r", -0.98)):
        on_head(joints[f"{side}_ear"], radius=0.2 * r, colour=toned(skin, 0.9),
                shown=seen(x, 0.0, 0.35, margin=-0.15))  # fmt: skip
    on_head(at(0, 0.02, 0.06), at(0, -0.28, 0.16), radius=(0.93 * r, 0.74 * r), colour=skin)
    if look.style not in (3, 4):
        # A fringe: hair over the brow.
        on_head(at(0, 0.62, 0.3), at(0.35, 0.55, 0.2), at(-0.35, 0.55, 0.2), radius=0.46 * r,
                colour=hair, shown=~away)  # fmt: skip
    if look.style == 4:
        on_head(at(0, 0.42, 0.0), at(0, 0.55, -0.1), radius=(0.88 * r, 0.75 * r),
                colour=look.accent, shown=~away)  # fmt: skip
        on_head(at(0.3, 0.42, 1.1), at(-0.3, 0.42, 1.1), at(0.45, 0.42, 0.6), at(-0.45, 0.42, 0.6),
                radius=0.13 * r, colour=toned(look.accent, 0.8), shown=~away)  # fmt: skip
    for side, x in (("l", 0.38), ("r", -0.38)):
        on_head(joints[f"{side}_eye"], radius=0.125 * r, colour=(36, 30, 34), shaded=False,
                shown=seen(x, 0.12, 0.9, margin=0.22))  # fmt: skip
    on_head(at(0, -0.12, 0.92), at(0, -0.05, 0.86), radius=0.15 * r, colour=toned(skin, 0.86),
            shown=seen(0.0, -0.1, 1.0, margin=-0.25))  # fmt: skip
    on_head(at(0.2, -0.5, 0.8), at(-0.2, -0.5, 0.8), at(0, -0.55, 0.84), radius=0.06 * r,
            colour=(150, 60, 60), shaded=False, shown=seen(0.0, -0.45, 0.9, margin=0.25))  # fmt: skip
    hair_behind(away)
    if look.style == 4:
        on_head(at(0, 0.35, -0.05), radius=1.0 * r, colour=look.accent, shown=away)
