"""A skeleton: proportions, poses over time, and where each joint is then.

The stage has x to the right of the picture, y up and z towards the camera, in metres. A person who
faces the camera (yaw 0) has their left on +x. A pose is a dict of float64 ``[T, 3]``:

======================  ===========================================================================
``root``                x and z on the stage, m, and yaw, radians
``pelvis``              from the root: left, up, forward, m
``tilt``                of the pelvis: pitch (forward is positive), yaw (left), roll (right)
``spine``, ``head``     the same, of the chest on the pelvis and of the head on the chest
``l_wrist``             from the shoulder in the chest's axes: out, up, forward, in arm lengths
``l_elbow``             which way the elbow points, same axes
``l_ankle``             from the root: out, up, forward, in leg lengths
``l_knee``              which way the knee points, same axes
``l_foot``              pitch (toes down is positive) and yaw (out is positive)
======================  ===========================================================================

and ``r_…`` for the right. "Out" is away from the middle on either side, so a pose is mirrored by
swapping sides. Poses may be mixed linearly: bones keep their lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Pose = dict[str, Floats]

_SIDES = (("l", 1.0), ("r", -1.0))


@dataclass(frozen=True)
class Body:
    """Lengths and half widths in metres."""

    height: float
    thigh: float
    shin: float
    ankle: float
    foot: float
    torso: float
    shoulder: float
    hip: float
    upper_arm: float
    forearm: float
    hand: float
    neck: float
    head: float
    """Radius of the head."""
    weight: float
    """Factor on the thickness of everything."""

    @property
    def leg(self) -> float:
        """From hip to ankle."""
        return self.thigh + self.shin

    @property
    def arm(self) -> float:
        """From shoulder to wrist."""
        return self.upper_arm + self.forearm

    @property
    def stand(self) -> float:
        """Height of the pelvis of a person at ease."""
        return self.ankle + 0.988 * self.leg


def random_body(rng: np.random.Generator) -> Body:
    """Return somebody: a child in one of four, else an adult."""
    child = rng.random() < 0.25
    height = rng.uniform(1.15, 1.45) if child else rng.uniform(1.52, 1.92)
    head = rng.uniform(0.118, 0.128) if child else rng.uniform(0.112, 0.125)
    leg = height * (rng.uniform(0.43, 0.455) if child else rng.uniform(0.455, 0.49))
    arm = height * rng.uniform(0.315, 0.345)
    weight = rng.uniform(0.85, 1.35)
    wide = rng.uniform(0.92, 1.1)
    ankle = 0.045 * height
    neck = 0.03 * height
    torso = height - ankle - leg - neck - 2.0 * head
    return Body(
        height=height,
        thigh=0.5 * leg,
        shin=0.5 * leg,
        ankle=ankle,
        foot=0.14 * height,
        torso=torso,
        shoulder=0.105 * height * wide * (0.85 + 0.15 * weight),
        hip=0.052 * height * (0.75 + 0.25 * weight),
        upper_arm=0.52 * arm,
        forearm=0.48 * arm,
        hand=0.085 * height,
        neck=neck,
        head=head,
        weight=weight,
    )


def vector(like: Floats, x: Floats | float, y: Floats | float, z: Floats | float) -> Floats:
    """Return float64 ``[T, 3]`` from three numbers or ``[T]`` arrays."""
    out = np.empty((len(like), 3))
    out[:, 0], out[:, 1], out[:, 2] = x, y, z
    return out


def standing(body: Body, t: Floats) -> Pose:
    """Return a person at ease at the stage's middle who faces the camera."""
    pose = {
        "root": vector(t, 0.0, 0.0, 0.0),
        "pelvis": vector(t, 0.0, body.stand, 0.0),
        "tilt": vector(t, 0.0, 0.0, 0.0),
        "spine": vector(t, 0.0, 0.0, 0.0),
        "head": vector(t, 0.0, 0.0, 0.0),
    }
    for side, _ in _SIDES:
        pose |= {
            f"{side}_wrist": vector(t, 0.17, -0.96, 0.06),
            f"{side}_elbow": vector(t, 0.5, 0.0, -1.0),
            f"{side}_ankle": vector(t, 0.12, body.ankle / body.leg, 0.0),
            f"{side}_knee": vector(t, 0.15, 0.0, 1.0),
            f"{side}_foot": vector(t, 0.0, 0.25, 0.0),
        }
    return pose


def mirrored(pose: Pose) -> Pose:
    """Swap a person's left and right."""
    other = {"l": "r", "r": "l"}
    out: Pose = {}
    for name, value in pose.items():
        side, _, rest = name.partition("_")
        if rest:
            out[f"{other[side]}_{rest}"] = value
        elif name == "pelvis":
            out[name] = value * (-1.0, 1.0, 1.0)
        elif name == "root":
            out[name] = value
        else:
            out[name] = value * (1.0, -1.0, -1.0)
    return out


def mixed(first: Pose, second: Pose, share: Floats) -> Pose:
    """Go from one pose to another; `share` of the second, ``[T]``."""
    part = share[:, None]
    out = {name: (1.0 - part) * first[name] + part * second[name] for name in first}
    for wrist in ("l_wrist", "r_wrist"):
        # A hand goes around the shoulder, not through it.
        way = np.linalg.norm(second[wrist] - first[wrist], axis=1) * share * (1.0 - share)
        out[wrist] += way[:, None] * np.array((0.5, 0.0, 1.0))
    return out


def rotation(angles: Floats) -> Floats:
    """Return ``[T, 3, 3]`` from pitch, yaw, roll ``[T, 3]``: roll first, yaw last."""
    (cp, cy, cr), (sp, sy, sr) = np.cos(angles).T, np.sin(angles).T
    out = np.empty((len(angles), 3, 3))
    out[:, 0, 0], out[:, 0, 1], out[:, 0, 2] = (
        cy * cr + sy * sp * sr,
        sy * sp * cr - cy * sr,
        sy * cp,
    )
    out[:, 1, 0], out[:, 1, 1], out[:, 1, 2] = cp * sr, cp * cr, -sp
    out[:, 2, 0], out[:, 2, 1], out[:, 2, 2] = (
        cy * sp * sr - sy * cr,
        cy * sp * cr + sy * sr,
        cy * cp,
    )
    return out


def turned(matrix: Floats, x: float, y: float, z: float) -> Floats:
    """Return a fixed vector turned by ``[T, 3, 3]``."""
    out: Floats = matrix @ np.array((x, y, z))
    return out


def rows(matrix: Floats, vectors: Floats) -> Floats:
    """Return vectors ``[T, 3]``, each turned by its own matrix."""
    out: Floats = np.einsum("tij,tj->ti", matrix, vectors)
    return out


@dataclass(frozen=True)
class Torso:
    """Where the trunk is: points ``[T, 3]``, axes ``[T, 3, 3]``."""

    root: Floats
    root_axes: Floats
    pelvis: Floats
    pelvis_axes: Floats
    waist: Floats
    neck: Floats
    chest_axes: Floats
    shoulders: dict[str, Floats]


def torso(body: Body, pose: Pose) -> Torso:
    """Place the trunk of a pose."""
    root = pose["root"] * (1.0, 0.0, 0.0)
    root[:, 2] = pose["root"][:, 1]
    root_axes = rotation(vector(root[:, 0], 0.0, pose["root"][:, 2], 0.0))
    pelvis = root + rows(root_axes, pose["pelvis"])
    pelvis_axes = root_axes @ rotation(pose["tilt"])
    waist = pelvis + turned(pelvis_axes, 0.0, 0.34 * body.torso, 0.0)
    chest_axes = pelvis_axes @ rotation(pose["spine"])
    neck = waist + turned(chest_axes, 0.0, 0.66 * body.torso, 0.0)
    shoulders = {
        side: neck + turned(chest_axes, sign * body.shoulder, -0.07 * body.torso, 0.0)
        for side, sign in _SIDES
    }
    return Torso(root, root_axes, pelvis, pelvis_axes, waist, neck, chest_axes, shoulders)


def reach(body: Body, pose: Pose, side: str, target: Floats) -> Floats:
    """Return the wrist vector that brings the wrist to `target` ``[T, 3]`` in the root's axes."""
    trunk = torso(body, pose)
    there = trunk.root + rows(trunk.root_axes, target) - trunk.shoulders[side]
    local = rows(trunk.chest_axes.transpose(0, 2, 1), there) / body.arm
    return local * (dict(_SIDES)[side], 1.0, 1.0)


def _two_bones(
    start: Floats, end: Floats, pole: Floats, a: float, b: float
) -> tuple[Floats, Floats]:
    """Return the middle joint and the end, as near to `end` as the bones allow."""
    way = end - start
    length = np.linalg.norm(way, axis=1, keepdims=True)
    way = way / np.maximum(length, 1e-9)
    length = np.clip(length, 1.05 * abs(a - b) + 0.15 * (a + b), 0.9995 * (a + b))
    aside = pole - way * np.sum(pole * way, axis=1, keepdims=True)
    size = np.linalg.norm(aside, axis=1, keepdims=True)
    aside = aside / np.maximum(size, 1e-9)
    along = (a * a - b * b + length * length) / (2.0 * length)
    off = np.sqrt(np.maximum(a * a - along * along, 0.0))
    return start + along * way + off * aside, start + length * way


def solve(body: Body, pose: Pose) -> dict[str, Floats]:
    """Return every joint, ``[T, 3]`` in metres on the stage, and the axes of head and chest.

    Joints are ``pelvis, waist, neck, head`` and, with ``l_`` or ``r_`` before them, ``shoulder,
    elbow, wrist, hand, hip, knee, ankle, heel, toe, eye, ear``; ``nose``; ``head_axes``,
    ``chest_axes``, ``pelvis_axes`` and ``root_axes`` are ``[T, 3, 3]``.
    """
    trunk = torso(body, pose)
    head_axes = trunk.chest_axes @ rotation(pose["head"])
    neck_axes = trunk.chest_axes @ rotation(0.5 * pose["head"])
    skull = trunk.neck + turned(neck_axes, 0.0, body.neck, 0.01)
    head = skull + turned(head_axes, 0.0, 0.92 * body.head, 0.12 * body.head)
    radius = body.head
    joints = {
        "root": trunk.root,
        "pelvis": trunk.pelvis,
        "waist": trunk.waist,
        "neck": trunk.neck,
        "head": head,
        "nose": head + turned(head_axes, 0.0, -0.12 * radius, 1.0 * radius),
        "head_axes": head_axes,
        "chest_axes": trunk.chest_axes,
        "pelvis_axes": trunk.pelvis_axes,
        "root_axes": trunk.root_axes,
    }
    for side, sign in _SIDES:
        flip = (sign, 1.0, 1.0)
        shoulder = trunk.shoulders[side]
        wrist = shoulder + rows(trunk.chest_axes, pose[f"{side}_wrist"] * flip) * body.arm
        pole = rows(trunk.chest_axes, pose[f"{side}_elbow"] * flip)
        elbow, wrist = _two_bones(shoulder, wrist, pole, body.upper_arm, body.forearm)
        fore = (wrist - elbow) / body.forearm
        hip = trunk.pelvis + turned(trunk.pelvis_axes, sign * body.hip, 0.0, 0.0)
        ankle = trunk.root + rows(trunk.root_axes, pose[f"{side}_ankle"] * flip) * body.leg
        pole = rows(trunk.root_axes, pose[f"{side}_knee"] * flip)
        knee, ankle = _two_bones(hip, ankle, pole, body.thigh, body.shin)
        turn = pose[f"{side}_foot"] * (1.0, sign, 1.0)
        foot_axes = trunk.root_axes @ rotation(turn)
        # The foot leans with its pitch: the ankle stays above it.
        drop = 0.75 * body.ankle
        joints |= {
            f"{side}_shoulder": shoulder,
            f"{side}_elbow": elbow,
            f"{side}_wrist": wrist,
            f"{side}_hand": wrist + fore * body.hand,
            f"{side}_hip": hip,
            f"{side}_knee": knee,
            f"{side}_ankle": ankle,
            f"{side}_heel": ankle + turned(foot_axes, 0.0, -drop, -0.2 * body.foot),
            f"{side}_toe": ankle + turned(foot_axes, 0.0, -drop, 0.68 * body.foot),
            f"{side}_eye": head
            + turned(head_axes, sign * 0.38 * radius, 0.12 * radius, 0.9 * radius),
            f"{side}_ear": head + turned(head_axes, sign * 0.98 * radius, -0.05 * radius, 0.0),
        }
    return joints
