"""What a person looks like: clothes and hair around the joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidlab.datasets.body import Body, Floats, turned
from vidlab.datasets.parts import Colour, Part, pick, toned

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


class Figure:
    """A person's parts around their joints, in ``parts``.

    Args:
        body: Lengths.
        look: Colours and cuts.
        joints: From :func:`vidlab.datasets.body.solve`.
        view: The way from the head to the camera, unit vectors ``[T, 3]``.
    """

    def __init__(self, body: Body, look: Look, joints: dict[str, Floats], *, view: Floats) -> None:
        self.parts: list[Part] = []
        self._body, self._look, self._joints, self._view = body, look, joints, view
        self._size = body.height / 1.7
        self._thick = self._size * (0.55 + 0.45 * body.weight)
        for side in "lr":
            self._leg(side)
            self._arm(side)
        self._trunk()
        self._head()

    def _add(
        self,
        points: Sequence[Floats],
        radii: Sequence[float],
        colour: Colour,
        name: str,
        *,
        anchor: Floats | None = None,
        bias: float = 0.0,
        shown: NDArray[np.bool_] | None = None,
        shaded: bool = True,
    ) -> None:
        self.parts.append(
            Part(
                np.stack(points, axis=1), np.array(radii), colour, name=name, anchor=anchor,
                bias=bias, shown=shown, shaded=shaded, is_person=True,
            )
        )  # fmt: skip

    def _limb(self, side: str, names: Sequence[str]) -> list[Floats]:
        return [self._joints[f"{side}_{name}"] for name in names]

    def _leg(self, side: str) -> None:
        hip, knee, ankle, heel, toe = self._limb(side, ("hip", "knee", "ankle", "heel", "toe"))
        look, thick = self._look, self._thick
        thigh_r, knee_r, ankle_r = 0.083 * thick, 0.056 * thick, 0.04 * thick
        cloth = look.trousers if look.legs == 1 else look.skin
        # The whole leg is sorted by its knee, so that its parts follow each other.
        thigh, shin, foot = f"{side}_thigh", f"{side}_shin", f"{side}_foot"
        # Below a skirt a thigh is seen from its hem on.
        top = 0.4 * hip + 0.6 * knee if look.legs == 2 else hip
        self._add(
            (top, knee),
            (thigh_r * (0.8 if look.legs == 2 else 1.0), knee_r),
            cloth,
            thigh,
            anchor=knee,
        )
        if look.legs == 0:
            low = 0.3 * hip + 0.7 * knee
            radii = 1.08 * thigh_r, 1.25 * knee_r
            self._add((hip, low), radii, look.trousers, thigh, anchor=knee, bias=-0.001)
        # A calf is thickest below the knee.
        calf = 0.7 * knee + 0.3 * ankle
        radii3 = knee_r, 1.04 * knee_r, ankle_r * (1.3 if look.legs == 1 else 1.0)
        self._add((knee, calf, ankle), radii3, cloth, shin, anchor=knee, bias=-0.002)
        foot_r = 0.036 * self._size
        points = heel + np.array((0.0, 0.3 * foot_r, 0.0)), ankle, toe
        radii3 = 1.05 * foot_r, 0.95 * foot_r, foot_r
        self._add(points, radii3, look.shoes, foot, anchor=knee, bias=-0.003)

    def _arm(self, side: str) -> None:
        shoulder, elbow, wrist, hand = self._limb(side, ("shoulder", "elbow", "wrist", "hand"))
        look, thick = self._look, self._thick
        arm_r, elbow_r, wrist_r = 0.05 * thick, 0.039 * thick, 0.03 * thick
        long = look.sleeve == 2
        cloth = look.shirt if long else look.skin
        upper, fore, palm = f"{side}_upper_arm", f"{side}_forearm", f"{side}_hand"
        anchor = 0.2 * shoulder + 0.4 * elbow + 0.4 * wrist
        self._add((shoulder, elbow), (arm_r, elbow_r), cloth, upper, anchor=anchor)
        if look.sleeve == 1:
            end = 0.45 * shoulder + 0.55 * elbow
            radii = 1.08 * arm_r, 1.12 * arm_r
            self._add((shoulder, end), radii, look.shirt, upper, anchor=anchor, bias=-0.001)
        radii = elbow_r, wrist_r * (1.3 if long else 1.0)
        self._add((elbow, wrist), radii, cloth, fore, anchor=anchor, bias=-0.002)
        points = wrist, 0.5 * wrist + 0.5 * hand, 0.15 * wrist + 0.85 * hand
        radii3 = 0.95 * wrist_r, 0.04 * self._size, 0.027 * self._size
        self._add(points, radii3, look.skin, palm, anchor=anchor, bias=-0.003)

    def _trunk(self) -> None:
        body, look, joints, thick = self._body, self._look, self._joints, self._thick
        waist, neck, head = joints["waist"], joints["neck"], joints["head"]
        low, high = joints["pelvis_axes"], joints["chest_axes"]
        belly = 0.1 * self._size * body.weight**0.8
        hips = [joints[f"{side}_hip"] for side in "lr"]
        hip_r = 0.092 * thick
        self._add((*hips, waist), (hip_r, hip_r, belly), look.trousers, "pelvis", bias=0.01)
        if look.legs == 2:
            knees = [
                0.28 * hip + 0.72 * joints[f"{side}_knee"]
                for hip, side in zip(hips, "lr", strict=True)
            ]
            radii = 0.098 * thick, 0.098 * thick, 0.108 * thick, 0.108 * thick
            self._add((*hips, *knees), radii, look.trousers, "pelvis", bias=-0.04)
        across = 0.62 * body.shoulder

        def on_chest(x: float, y: float, z: float = 0.0) -> Floats:
            return waist + turned(high, x, y * body.torso, z)

        shoulders = [
            joints[f"{side}_shoulder"] + turned(high, -0.02 * sign, -0.01, 0.0)
            for side, sign in (("l", 1.0), ("r", -1.0))
        ]
        ribs = [on_chest(sign * across, 0.26) for sign in (1.0, -1.0)]
        hem = [
            waist + turned(low, sign * 0.75 * body.hip, -0.12 * body.torso, 0.0)
            for sign in (1.0, -1.0)
        ]
        shoulder_r, rib_r = 0.058 * thick, 0.085 * thick
        self._add(
            (*shoulders, *ribs, *hem),
            (shoulder_r, shoulder_r, rib_r, rib_r, 0.98 * belly, 0.98 * belly),
            look.shirt,
            "chest",
        )
        middle = np.mean([*shoulders, *ribs, *hem], axis=0)
        if look.pattern in (3, 4):
            for up in (0.3,) if look.pattern == 3 else (0.14, 0.34):
                ends = [on_chest(s * 1.06 * across, up + d) for s in (1, -1) for d in (-0.03, 0.03)]
                self._add(ends, [0.068 * thick] * 4, look.accent, "chest", anchor=middle,
                          bias=-0.002)  # fmt: skip
        elif look.pattern == 5:
            ahead = np.einsum("ti,ti->t", high[:, :, 2], self._view) > 0.25
            badge = on_chest(0.0, 0.34, 0.09 * thick)
            self._add([badge], [0.05 * self._size], look.accent, "chest", anchor=middle,
                      bias=-0.003, shown=ahead, shaded=False)  # fmt: skip
        throat = neck + turned(high, 0.0, -0.02, 0.0)
        self._add((throat, 0.5 * (neck + head)), [0.043 * thick] * 2, toned(look.skin, 0.9), "neck",
                  bias=0.02)  # fmt: skip

    def _head(self) -> None:
        look, joints, view = self._look, self._joints, self._view
        head, axes, r = joints["head"], joints["head_axes"], self._body.head
        hair, skin = look.hair, look.skin
        away = np.einsum("ti,ti->t", axes[:, :, 2], view) < -0.2
        order = iter(range(1, 40))

        def at(x: float, y: float, z: float) -> Floats:
            return head + turned(axes, x * r, y * r, z * r)

        def add(
            points: Sequence[tuple[float, float, float]],
            radii: Sequence[float],
            colour: Colour,
            shown: NDArray[np.bool_] | None = None,
            *,
            shaded: bool = True,
        ) -> None:
            spots, sizes = [at(*each) for each in points], [size * r for size in radii]
            self._add(spots, sizes, colour, "head", anchor=head, shown=shown, shaded=shaded,
                      bias=-0.03 - 0.0005 * next(order))  # fmt: skip

        def seen(x: float, y: float, z: float, margin: float) -> NDArray[np.bool_]:
            normal = turned(axes, x, y, z) / np.linalg.norm((x, y, z))
            shown: NDArray[np.bool_] = np.einsum("ti,ti->t", normal, view) > margin
            return shown

        def hair_at(shown: NDArray[np.bool_]) -> None:
            """Hair is behind the face, or before it when the face looks away."""
            if look.style == 1:
                ends = (
                    (0.0, 0.05, -0.3),
                    (0.45, -0.95, -0.35),
                    (-0.45, -0.95, -0.35),
                    (0.0, -1.2, -0.4),
                )
                add(ends, (0.95, 0.42, 0.42, 0.42), toned(hair, 0.92), shown)
            elif look.style == 2:
                add([(0.0, 0.75, -0.85)], [0.42], hair, shown)
            if look.style == 3:
                add([(0.0, 0.1, -0.1)], [0.98], skin, shown)
            else:
                crown = 1.04 if look.style < 5 else 1.2
                add([(0.0, 0.1, -0.1), (0.0, 0.22, 0.06)], [crown, 0.94 * crown], hair, shown)

        hair_at(~away)
        # The face leaves hair free above the brow and behind the ears.
        add([(0.0, -0.16, 0.22), (0.0, -0.42, 0.26)], [0.8, 0.62], skin, ~away)
        for x in (0.96, -0.96):
            add([(x, -0.12, 0.0)], [0.19], toned(skin, 0.93), seen(x, 0.0, 0.3, -0.1) & ~away)
        if look.style == 4:
            cap = look.accent
            add([(0.0, 0.36, -0.12), (0.0, 0.45, 0.1)], [0.93, 0.8], cap, ~away)
            brim = [(s * x, 0.34, z) for s in (1, -1) for x, z in ((0.3, 1.25), (0.55, 0.7))]
            add(brim, [0.1] * 4, toned(cap, 0.8), ~away)
        for x in (0.36, -0.36):
            add([(x, 0.0, 0.95)], [0.12], (38, 32, 36), seen(x, 0.0, 0.9, 0.2), shaded=False)
        add([(0.0, -0.26, 1.02), (0.0, -0.12, 0.92)], [0.13, 0.1], toned(skin, 0.84),
            seen(0.0, -0.1, 1.0, -0.2))  # fmt: skip
        smile = (0.26, -0.5, 0.84), (-0.26, -0.5, 0.84), (0.0, -0.62, 0.86)
        add(
            smile,
            [0.045] * 3,
            toned((196, 84, 78), 0.6 + 0.4 * skin[0] / 250),
            seen(0.0, -0.5, 0.9, 0.4),
            shaded=False,
        )
        for x in (0.96, -0.96):
            add([(x, -0.12, 0.0)], [0.19], toned(skin, 0.93), away)
        hair_at(away)
        if look.style == 4:
            add([(0.0, 0.34, -0.1)], [0.97], look.accent, away)
