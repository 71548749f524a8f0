"""How each action moves: poses over time, drawn anew by every random generator.

A motion is a function of a body, a generator, times ``[T]`` and the action's whole duration; the
generator is asked the same questions whatever the times, so the same motion can be had at other
times again. Actions that repeat start anywhere in their cycle; actions that happen once (sitting
down, opening a door) fill 65 to 95 % of the duration, at most 3.5 s, with rest before and after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from vidlab.datasets.body import Body, Floats, Pose, mirrored, reach, standing, vector
from vidlab.datasets.parts import Part, pick
from vidlab.datasets.props import (
    BAG_COLOURS,
    BALLS_COLOURS,
    CHAIR_COLOURS,
    DOOR_COLOURS,
    MAT_COLOURS,
    ROPE_COLOURS,
    bag,
    balls,
    chair,
    door,
    mat,
    rope,
)

Joints = dict[str, Floats]
TAU = 2.0 * np.pi


@dataclass
class Motion:
    """Poses, and what is drawn with them once the joints are known."""

    pose: Pose
    props: Callable[[Joints], list[Part]] = field(default=lambda joints: [])
    wide: float = 1.1
    """Room to show, in body heights."""
    tall: float = 1.1
    """How high it reaches, in body heights."""
    origin: Floats = field(default_factory=lambda: np.zeros(3))
    """How far the motion was moved from the stage's middle: x, z and yaw, ``[3]``."""


MotionMaker = Callable[[Body, np.random.Generator, Floats, float], Motion]


def degrees(value: float) -> float:
    """Return radians."""
    return value * np.pi / 180.0


def facing(rng: np.random.Generator, spread: float, *, back: float = 0.0) -> float:
    """Return a yaw within `spread` degrees of the camera; `back` is the chance of the other way."""
    yaw = rng.uniform(-spread, spread)
    return degrees(yaw + 180.0 * (rng.random() < back))


def sideways(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a yaw that shows one side, `low` to `high` degrees from the camera."""
    return degrees(rng.uniform(low, high) * (1.0 if rng.random() < 0.5 else -1.0))


def swing(rng: np.random.Generator, t: Floats, low: float, high: float) -> Floats:
    """Return the angle ``[T]`` of a cycle of `low` to `high` hertz, starting anywhere."""
    return TAU * (rng.uniform(low, high) * t + rng.random())


def bump(angle: Floats, sharp: float = 1.0) -> Floats:
    """Return 0 to 1 and back in each turn of `angle`; above 1, `sharp` shortens the time near 1."""
    out: Floats = (0.5 - 0.5 * np.cos(angle)) ** sharp
    return out


def plateau(angle: Floats, width: float) -> Floats:
    """Return 0 to 1 and back with a rest at both ends; larger `width` makes the change quicker."""
    return 0.5 - 0.5 * np.tanh(width * np.cos(angle)) / float(np.tanh(width))


def smooth(x: Floats) -> Floats:
    """Return 0 before 0, 1 after 1, and a smooth step between."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def once(rng: np.random.Generator, t: Floats, seconds: float) -> Floats:
    """Return the progress ``[T]`` from 0 to 1 of what happens once, with rest before and after."""
    active = min(rng.uniform(0.65, 0.95) * seconds, 3.5)
    start = rng.random() * (seconds - active)
    return smooth((t - start) / max(active, 1e-6))


def handed(rng: np.random.Generator, pose: Pose) -> Pose:
    """Return the pose or its mirror image."""
    return mirrored(pose) if rng.random() < 0.5 else pose


def _arm(upper: tuple[Floats | float, ...], fore: tuple[Floats | float, ...], t: Floats) -> Floats:
    """Return the wrist vector of an arm whose two bones have these directions, out, up, forward."""
    u, f = vector(t, *upper), vector(t, *fore)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    return 0.52 * u + 0.48 * f


def _sway(rng: np.random.Generator, t: Floats, size: float) -> Floats:
    """Return a slow, small unrest ``[T]``."""
    return size * np.sin(swing(rng, t, 0.2, 0.5))


def _turned(pose: Pose, yaw: float) -> Pose:
    pose["root"][:, 2] += yaw
    return pose


def rest(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Stand at ease, breathing."""
    pose = standing(body, t)
    pose["spine"][:, 0] = 0.02 + _sway(rng, t, 0.015)
    pose["head"][:, 1] = _sway(rng, t, 0.2)
    pose["tilt"][:, 2] = _sway(rng, t, 0.02)
    spread = rng.uniform(0.1, 0.16)
    for side in "lr":
        pose[f"{side}_wrist"][:, 0] = rng.uniform(0.1, 0.2)
        pose[f"{side}_ankle"][:, 0] = spread
    return Motion(_turned(pose, facing(rng, 50)))


def jumping_jacks(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Arms up and legs apart, arms down and legs together."""
    pose = standing(body, t)
    angle = swing(rng, t, 0.65, 1.15)
    open_ = plateau(angle, 0.8)
    raised = degrees(14) + open_ * degrees(rng.uniform(135, 160))
    spread = 0.06 + open_ * rng.uniform(0.3, 0.46)
    hop = rng.uniform(0.04, 0.1) * np.abs(np.sin(angle))
    bend = rng.uniform(0.0, 0.12)
    for side in "lr":
        pose[f"{side}_wrist"] = (1.0 - bend) * vector(t, np.sin(raised), -np.cos(raised), 0.08)
        pose[f"{side}_elbow"] = vector(t, np.cos(raised), np.sin(raised), -0.3)
        pose[f"{side}_ankle"][:, 0] = spread
        pose[f"{side}_ankle"][:, 1] += hop
        pose[f"{side}_foot"][:, 0] = 4.0 * hop
    pose["pelvis"][:, 1] = body.ankle + body.leg * (0.975 * np.sqrt(1.0 - spread**2) + hop - 0.01)
    return Motion(_turned(pose, facing(rng, 55, back=0.15)), wide=1.2, tall=1.3)


def waving_hand(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """One raised forearm swings from side to side."""
    pose = standing(body, t)
    out = np.sin(swing(rng, t, 0.9, 1.8)) * degrees(rng.uniform(28, 48)) + degrees(
        rng.uniform(-5, 12)
    )
    lift = degrees(rng.uniform(-25, 55))
    ahead = rng.uniform(0.1, 0.5)
    upper = (np.cos(lift), np.sin(lift), ahead)
    pose["l_wrist"] = _arm(upper, (np.sin(out), np.cos(out), 0.15), t)
    pose["l_elbow"] = vector(t, *upper) - 0.3 * pose["l_wrist"]
    if rng.random() < 0.3:  # The other hand on the hip.
        pose["r_wrist"], pose["r_elbow"] = vector(t, 0.12, -0.62, 0.05), vector(t, 1.0, 0.0, -0.4)
    pose["spine"][:, 2] = -rng.uniform(0.0, 0.08)
    pose["head"][:, 2] = rng.uniform(-0.1, 0.15)
    pose["pelvis"][:, 1] -= 0.01 * bump(swing(rng, t, 0.5, 1.0))
    return Motion(_turned(handed(rng, pose), facing(rng, 60, back=0.08)), tall=1.25)


def clapping(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Both palms meet before the chest, again and again."""
    pose = standing(body, t)
    apart = bump(swing(rng, t, 0.9, 1.8)) * rng.uniform(0.28, 0.5)
    height = rng.uniform(-0.38, 0.05)
    ahead = rng.uniform(0.48, 0.62)
    for side in "lr":
        pose[f"{side}_wrist"] = vector(t, apart - 0.94 * body.shoulder / body.arm, height, ahead)
        pose[f"{side}_elbow"] = vector(t, 0.8, -0.8, -0.2)
    pose["spine"][:, 0] = 0.04 + 0.05 * apart
    pose["head"][:, 0] = _sway(rng, t, 0.08)
    return Motion(_turned(pose, facing(rng, 52)))


def squat(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Hips down and back over planted feet, and up again."""
    pose = standing(body, t)
    down = plateau(swing(rng, t, 0.38, 0.65), 0.9)
    depth = rng.uniform(0.36, 0.52)
    lean = degrees(rng.uniform(28, 45))
    pose["pelvis"] = vector(
        t, 0.0, body.stand - down * depth * body.leg, -down * rng.uniform(0.2, 0.3) * body.leg
    )
    pose["tilt"][:, 0] = 0.55 * lean * down
    pose["spine"][:, 0] = 0.45 * lean * down
    pose["head"][:, 0] = -0.6 * lean * down
    style = rng.integers(3)
    wide = rng.uniform(0.16, 0.28)
    for side in "lr":
        if style == 0:  # Arms rise forward.
            raised = degrees(20) + down * degrees(95)
            pose[f"{side}_wrist"] = vector(t, 0.05, -np.cos(raised), np.sin(raised))
        elif style == 1:  # Hands joined at the chest.
            pose[f"{side}_wrist"] = vector(t, -0.8 * body.shoulder / body.arm, -0.2, 0.42)
        else:  # Hands behind the head.
            pose[f"{side}_wrist"] = vector(t, -0.05, 0.38, -0.02)
            pose[f"{side}_elbow"] = vector(t, 1.0, 0.2, 0.2)
        pose[f"{side}_ankle"][:, 0] = wide
        pose[f"{side}_knee"] = vector(t, 0.45, 0.0, 1.0)
        pose[f"{side}_foot"][:, 1] = 0.4
    return Motion(_turned(pose, facing(rng, 100)))


def push_up(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """A straight body, face down, on hands and toes: down and up."""
    pose = standing(body, t)
    down = plateau(swing(rng, t, 0.4, 0.75), 0.7)
    height = body.arm * (0.97 - down * rng.uniform(0.45, 0.62)) + 0.02
    toes = 0.13 * body.height
    line = body.leg + body.torso
    rise = np.arcsin(np.clip((height - toes) / line, -0.9, 0.9))
    # The feet stay where they are; the hands are below the shoulders at the top.
    back = -0.6 * line
    pitch = 0.5 * np.pi - rise
    pose["pelvis"] = vector(
        t, 0.0, toes + body.leg * np.sin(rise), back + 0.99 * body.leg * np.cos(rise)
    )
    pose["tilt"][:, 0] = pitch
    pose["spine"][:, 0] = degrees(rng.uniform(-3, 5))
    pose["head"][:, 0] = degrees(rng.uniform(-45, -15))
    hands = back + line * np.cos(np.arcsin((0.97 * body.arm - toes) / line)) - 0.04
    wide = body.shoulder + rng.uniform(0.02, 0.12)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        pose[f"{side}_ankle"] = vector(t, 0.08, toes / body.leg, back / body.leg)
        pose[f"{side}_knee"] = vector(t, 0.1, -1.0, 0.1)
        pose[f"{side}_foot"] = vector(t, degrees(75), 0.05, 0.0)
        target = vector(t, sign * wide, 0.03, hands)
        pose[f"{side}_wrist"] = reach(body, pose, side, target)
        pose[f"{side}_elbow"] = vector(t, 0.8, -0.75, -0.3)
    yaw = sideways(rng, 50, 125)
    has_mat = rng.random() < 0.6
    colour = pick(rng, MAT_COLOURS)
    size = (0.36 * body.height, 0.62 * body.height)
    return Motion(
        _turned(pose, yaw),
        lambda joints: mat(joints, *size, colour=colour) if has_mat else [],
        wide=1.2,
        tall=0.5,
    )


def lunge(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """A long step forward, hips down, and back; legs take turns or not."""
    pose = standing(body, t)
    angle = swing(rng, t, 0.38, 0.62)
    level = plateau(angle, 1.1)
    step = smooth(level / 0.65)
    down = smooth((level - 0.25) / 0.75)
    length = rng.uniform(0.72, 0.92)
    lift = 0.1 * np.sin(np.pi * step)
    drop = rng.uniform(0.3, 0.42)
    pose["pelvis"] = vector(
        t, 0.0, body.stand - body.leg * (0.06 * step + drop * down), body.leg * 0.5 * length * step
    )
    pose["tilt"][:, 0] = degrees(8) * down
    turns = rng.random() < 0.6
    first = np.floor(angle / TAU) % 2 < 1 if turns else np.ones(len(t), bool)
    arms = rng.integers(3)
    for side, front in (("l", first), ("r", ~first)):
        ahead = np.where(front, length * step, 0.0)
        pose[f"{side}_ankle"][:, 2] = ahead
        # The heel behind rises; the leg in front is lifted over the floor while it steps.
        raised = np.where(front, lift, (0.2 * step + 0.05 * down))
        pose[f"{side}_ankle"][:, 1] += raised
        pose[f"{side}_foot"][:, 0] = np.where(front, 0.0, degrees(60) * step)
        pose[f"{side}_ankle"][:, 0] = 0.11
        if arms == 0:
            pose[f"{side}_wrist"], pose[f"{side}_elbow"] = (
                vector(t, 0.12, -0.62, 0.05), vector(t, 1.0, 0.0, -0.4),
            )  # fmt: skip
        elif arms == 1:
            pose[f"{side}_wrist"] = vector(t, -0.8 * body.shoulder / body.arm, -0.25, 0.42)
    return Motion(_turned(handed(rng, pose), sideways(rng, 25, 110)), wide=1.15)


def _gait(
    body: Body, rng: np.random.Generator, pose: Pose, t: Floats, cycle: Floats, *, step: float,
    stance: float, lift: float, arms: float, bent: float,
) -> None:  # fmt: skip
    """Put legs and arms of a walk or a run into `pose`; `cycle` ``[T]`` counts double steps."""
    for side, late in (("l", 0.0), ("r", 0.5)):
        phase = (cycle + late) % 1.0
        on_floor = phase < stance
        forth = np.clip((phase - stance) / (1.0 - stance), 0.0, 1.0)
        eased = forth - np.sin(TAU * forth) / TAU
        ahead = np.where(on_floor, 0.5 - phase / stance, eased - 0.5)
        arc = np.where(on_floor, 0.0, np.sin(np.pi * forth) * (1.25 - 0.5 * forth))
        heel_off = smooth((phase - 0.6 * stance) / (0.4 * stance)) * on_floor
        pose[f"{side}_ankle"][:, 2] = step * ahead
        pose[f"{side}_ankle"][:, 1] += (
            lift * arc + 0.07 * heel_off + 0.07 * (1.0 - forth) * ~on_floor
        )
        pose[f"{side}_ankle"][:, 0] = 0.07
        pose[f"{side}_foot"][:, 0] = np.where(
            on_floor, 0.65 * heel_off, 0.65 - 0.95 * smooth(1.3 * forth)
        )
        pose[f"{side}_knee"] = vector(t, 0.08, 0.0, 1.0)
        # The arm goes against the leg of its side.
        forward = -np.cos(TAU * (phase + 0.04)) * arms
        pose[f"{side}_wrist"] = _arm(
            (0.14, -np.cos(forward), np.sin(forward)),
            (0.02, -np.cos(forward + bent), np.sin(forward + bent)),
            t,
        )
        pose[f"{side}_elbow"] = vector(t, 0.15, -0.2, -1.0)
    pose["tilt"][:, 1] = -0.12 * np.cos(TAU * cycle)
    pose["spine"][:, 1] = 0.24 * np.cos(TAU * cycle)
    pose["head"][:, 1] = -0.12 * np.cos(TAU * cycle)


def _walking(
    body: Body, rng: np.random.Generator, t: Floats, seconds: float, sign: float
) -> Motion:
    pose = standing(body, t)
    rate = rng.uniform(0.75, 1.05)
    cycle = rate * t + rng.random()
    step = rng.uniform(0.56, 0.76)
    stance = 0.6
    _gait(
        body, rng, pose, t, cycle, step=step, stance=stance, lift=rng.uniform(0.1, 0.16),
        arms=rng.uniform(0.35, 0.6), bent=rng.uniform(0.15, 0.5),
    )  # fmt: skip
    pose["pelvis"][:, 1] = body.stand - body.leg * (0.045 + 0.02 * np.cos(2.0 * TAU * cycle))
    pose["spine"][:, 0] = rng.uniform(0.0, 0.1)
    yaw = sign * degrees(90.0 + rng.uniform(-18, 18))
    way = (t - 0.5 * seconds) * step * body.leg * rate / stance
    pose["root"][:, 0] = way * np.sin(yaw)
    pose["root"][:, 1] = way * np.cos(yaw)
    return Motion(_turned(pose, yaw), wide=1.2)


def walking_left(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Walk to the left of the picture."""
    return _walking(body, rng, t, seconds, -1.0)


def walking_right(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Walk to the right of the picture."""
    return _walking(body, rng, t, seconds, 1.0)


def jogging(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Run with bent arms, on the spot or across."""
    pose = standing(body, t)
    rate = rng.uniform(1.15, 1.55)
    cycle = rate * t + rng.random()
    across = rng.random() < 0.6
    step = rng.uniform(0.6, 0.85) if across else rng.uniform(0.1, 0.3)
    stance = 0.38
    _gait(
        body, rng, pose, t, cycle, step=step, stance=stance, lift=rng.uniform(0.3, 0.42),
        arms=rng.uniform(0.5, 0.8), bent=degrees(rng.uniform(85, 110)),
    )  # fmt: skip
    flight = -np.cos(2.0 * TAU * (cycle - 0.5 * stance))
    pose["pelvis"][:, 1] = body.stand + body.leg * (0.045 * flight - 0.03)
    for side in "lr":
        pose[f"{side}_ankle"][:, 1] += 0.03 * (1.0 + flight)
    pose["spine"][:, 0] = rng.uniform(0.08, 0.2)
    yaw = sideways(rng, 45, 115) if across else facing(rng, 110)
    speed = 0.6 * step * body.leg * rate / stance if across else 0.0
    way = (t - 0.5 * seconds) * speed
    pose["root"][:, 0] = way * np.sin(yaw)
    pose["root"][:, 1] = 0.15 * way * np.cos(yaw)
    return Motion(_turned(pose, yaw), wide=1.2)


def high_kick(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """A straight leg swings up in front."""
    pose = standing(body, t)
    angle = swing(rng, t, 0.5, 0.8)
    kick = bump(angle, 2.0)
    raised = kick * degrees(rng.uniform(85, 125))
    hip = (0.0, body.stand / body.leg, 0.0)
    turns = rng.random() < 0.5
    first = np.floor(angle / TAU) % 2 < 1 if turns else np.ones(len(t), bool)
    guard = rng.random() < 0.5
    for side, kicks in (("l", first), ("r", ~first)):
        up = np.where(kicks, raised, 0.0)
        pose[f"{side}_ankle"][:, 1] = np.where(
            kicks, hip[1] - 0.985 * np.cos(up), pose[f"{side}_ankle"][:, 1]
        )
        pose[f"{side}_ankle"][:, 2] = np.sin(up) * 0.985
        pose[f"{side}_ankle"][:, 0] = 0.08
        pose[f"{side}_foot"][:, 0] = -0.75 * up
        if guard:
            pose[f"{side}_wrist"] = vector(t, -0.05, -0.12, 0.42)
            pose[f"{side}_elbow"] = vector(t, 0.6, -1.0, 0.0)
        else:
            spread = 0.35 + 0.6 * kick
            pose[f"{side}_wrist"] = vector(t, np.sin(spread), -np.cos(spread), -0.15 * kick)
    pose["tilt"][:, 0] = -0.3 * kick
    pose["spine"][:, 0] = 0.15 * kick
    pose["pelvis"][:, 1] -= 0.02 * body.leg * kick
    return Motion(_turned(handed(rng, pose), sideways(rng, 15, 115)), wide=1.3, tall=1.2)


def side_kick(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Knee up, then the leg shoots out to the side while the trunk leans away."""
    pose = standing(body, t)
    angle = swing(rng, t, 0.5, 0.8)
    level = bump(angle, 1.3)
    chamber = smooth(level / 0.5)
    out = smooth((level - 0.4) / 0.5)
    high = degrees(rng.uniform(68, 95))
    hip = body.stand / body.leg
    bent = (0.2, hip - 0.5, 0.3)
    far = (0.96 * np.sin(high), hip - 0.96 * np.cos(high), 0.02)
    base = (0.12, body.ankle / body.leg, 0.0)
    for i in range(3):
        pose["l_ankle"][:, i] = base[i] + chamber * (bent[i] - base[i]) + out * (far[i] - bent[i])
    pose["l_knee"] = vector(t, 0.5, 0.4, 1.0)
    pose["l_foot"] = vector(t, 0.4 * chamber * (1.0 - out), 0.25 + 0.3 * out, 0.0)
    lean = degrees(rng.uniform(28, 45))
    pose["tilt"][:, 2] = 0.6 * lean * level
    pose["spine"][:, 2] = 0.35 * lean * level
    pose["head"][:, 2] = -0.5 * lean * level
    pose["head"][:, 1] = 0.6 * chamber
    pose["r_ankle"][:, 0] = 0.02
    for side in "lr":
        pose[f"{side}_wrist"] = vector(t, 0.02 + 0.1 * out, -0.15, 0.42)
        pose[f"{side}_elbow"] = vector(t, 0.6, -1.0, 0.0)
    return Motion(_turned(handed(rng, pose), facing(rng, 50, back=0.15)), wide=1.3, tall=1.15)


def situp(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Lie on the back with bent knees, curl up to sit, and back."""
    pose = standing(body, t)
    up = plateau(swing(rng, t, 0.35, 0.6), 0.8)
    seat = 0.06 * body.height * (0.7 + 0.3 * body.weight)
    lying = -0.5 * np.pi + degrees(6)
    sitting = degrees(rng.uniform(-12, 14))
    curl = smooth(up / 0.8)
    pose["pelvis"] = vector(t, 0.0, seat, 0.0)
    pose["tilt"][:, 0] = lying + (0.72 * (sitting - lying)) * up
    pose["spine"][:, 0] = 0.28 * (sitting - lying) * curl + degrees(10) * np.sin(np.pi * up)
    pose["head"][:, 0] = degrees(8) + degrees(14) * np.sin(np.pi * up)
    far = rng.uniform(0.66, 0.8)
    arms = rng.integers(3)
    for side in "lr":
        pose[f"{side}_ankle"] = vector(t, 0.14, body.ankle / body.leg, far)
        pose[f"{side}_knee"] = vector(t, 0.15, 1.0, 0.3)
        if arms == 0:  # Hands behind the head.
            pose[f"{side}_wrist"] = vector(t, -0.08, 0.38, 0.0)
            pose[f"{side}_elbow"] = vector(t, 1.0, 0.3, 0.2)
        elif arms == 1:  # Arms crossed on the chest.
            pose[f"{side}_wrist"] = vector(t, -1.1 * body.shoulder / body.arm, -0.2, 0.3)
            pose[f"{side}_elbow"] = vector(t, 0.8, -0.8, 0.3)
        else:  # Arms reach forward.
            pose[f"{side}_wrist"] = vector(t, 0.0, -0.15 - 0.2 * (1 - up), 0.9)
    # The middle of the lying body is the middle of the stage.
    pose["pelvis"][:, 2] += 0.1 * body.height
    for side in "lr":
        pose[f"{side}_ankle"][:, 2] += 0.1 * body.height / body.leg
    has_mat = rng.random() < 0.7
    colour = pick(rng, MAT_COLOURS)
    size = (0.34 * body.height, 0.62 * body.height)
    return Motion(
        _turned(pose, sideways(rng, 50, 125)),
        lambda joints: mat(joints, *size, colour=colour) if has_mat else [],
        wide=1.15,
        tall=0.6,
    )


def headbanging(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Head and trunk bang forward and back."""
    pose = standing(body, t)
    beat = np.sin(swing(rng, t, 1.0, 1.8))
    lean = degrees(rng.uniform(12, 26))
    pose["tilt"][:, 0] = 0.4 * lean
    pose["spine"][:, 0] = lean + degrees(rng.uniform(8, 15)) * beat
    pose["head"][:, 0] = degrees(5) + degrees(rng.uniform(34, 50)) * beat
    wide = rng.uniform(0.18, 0.3)
    style = rng.integers(3)
    bob = 0.02 * body.leg * beat
    pose["pelvis"][:, 1] -= 0.06 * body.leg + bob
    pose["pelvis"][:, 2] -= 0.06 * body.leg
    for side in "lr":
        pose[f"{side}_ankle"][:, 0] = wide
    if style == 0:  # An air guitar.
        strum = np.sin(swing(rng, t, 1.0, 1.8))
        pose["l_wrist"], pose["l_elbow"] = vector(t, 0.5, -0.2, 0.5), vector(t, 0.5, -1.0, 0.0)
        pose["r_wrist"] = vector(t, -0.3, -0.6 + 0.12 * strum, 0.3)
        pose["r_elbow"] = vector(t, 1.0, 0.0, -0.3)
    elif style == 1:  # One fist in the air.
        pose["l_wrist"] = vector(t, 0.35, 0.75 + 0.1 * beat, 0.25)
        pose["l_elbow"] = vector(t, 1.0, 0.0, 0.0)
    else:
        for side in "lr":
            pose[f"{side}_wrist"] = vector(t, 0.12, -0.8, 0.32)
    return Motion(_turned(handed(rng, pose), facing(rng, 85)), tall=1.2)


def punching_bag(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Straight punches, left and right in turn, into a hanging bag."""
    pose = standing(body, t)
    angle = swing(rng, t, 0.6, 1.0)
    hits = {"l": bump(angle, 3.0), "r": bump(angle + np.pi, 3.0)}
    height = rng.uniform(-0.15, 0.12)
    for side, hit in hits.items():
        pose[f"{side}_wrist"] = vector(
            t, 0.02 - 0.55 * body.shoulder / body.arm * hit, -0.05 + height * hit, 0.4 + 0.55 * hit
        )
        pose[f"{side}_elbow"] = vector(t, 0.6, -1.0, 0.0)
    turn = hits["r"] - hits["l"]
    pose["spine"][:, 1] = 0.4 * turn
    pose["head"][:, 1] = -0.4 * turn
    pose["spine"][:, 0] = 0.12
    pose["pelvis"][:, 1] -= 0.06 * body.leg
    pose["tilt"][:, 1] = 0.15 * turn
    pose["l_ankle"] = vector(t, 0.14, body.ankle / body.leg, 0.2)
    pose["r_ankle"] = vector(t, 0.16, body.ankle / body.leg, -0.2)
    ahead = 1.06 * body.arm + 0.5 * body.hand + 0.1
    push = 0.1 * (hits["l"] + hits["r"]) - 0.03
    colour = pick(rng, BAG_COLOURS)
    return Motion(
        _turned(handed(rng, pose), sideways(rng, 35, 120)),
        lambda joints: bag(
            joints, ahead=ahead, height=1.02 * body.height, swing=push, colour=colour
        ),
        wide=1.3,
        tall=1.15,
    )


def stretching_arm(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """One arm overhead with the trunk leaning over, or across the chest, held by the other hand."""
    pose = standing(body, t)
    pull = plateau(swing(rng, t, 0.3, 0.5), 0.8)
    if rng.random() < 0.55:
        lean = degrees(10) + degrees(rng.uniform(15, 26)) * pull
        pose["spine"][:, 2] = lean
        pose["tilt"][:, 2] = 0.25 * lean
        pose["head"][:, 2] = 0.3 * lean
        pose["l_wrist"] = vector(t, -0.25 - 0.2 * pull, 0.9, 0.02)
        pose["l_elbow"] = vector(t, 1.0, 0.3, 0.0)
        pose["r_wrist"], pose["r_elbow"] = vector(t, 0.12, -0.62, 0.05), vector(t, 1.0, 0.0, -0.4)
    else:
        across = 0.35 + 0.35 * pull
        pose["l_wrist"] = vector(t, -across, -0.02, 0.95 - across)
        pose["l_elbow"] = vector(t, 0.2, -0.6, 1.0)
        pose["r_wrist"] = vector(t, -0.15 - 0.1 * pull, 0.0, 0.42)
        pose["r_elbow"] = vector(t, 0.7, -1.0, 0.0)
        pose["spine"][:, 1] = -0.3 * pull
        pose["head"][:, 1] = 0.3 * pull
    return Motion(_turned(handed(rng, pose), facing(rng, 55)), tall=1.25)


def bowing(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """The trunk bends far forward with a straight back, and rises."""
    pose = standing(body, t)
    down = plateau(swing(rng, t, 0.33, 0.55), 1.1)
    bend = degrees(rng.uniform(48, 82)) * down
    pose["tilt"][:, 0] = 0.6 * bend
    pose["spine"][:, 0] = 0.4 * bend
    pose["head"][:, 0] = degrees(8) * down
    pose["pelvis"][:, 2] = -0.12 * body.leg * down
    pose["pelvis"][:, 1] -= 0.01 * body.leg * down
    style = rng.integers(3)
    for side in "lr":
        pose[f"{side}_ankle"][:, 0] = 0.07
        if style == 0:  # Hands on the thighs.
            pose[f"{side}_wrist"] = vector(t, 0.0, -0.9 + 0.1 * down, 0.15 + 0.2 * down)
        elif style == 1:  # Hands joined at the chest.
            pose[f"{side}_wrist"] = vector(t, -0.85 * body.shoulder / body.arm, -0.22, 0.4)
            pose[f"{side}_elbow"] = vector(t, 1.0, -0.7, 0.0)
        else:  # Arms at the sides.
            pose[f"{side}_wrist"] = vector(t, 0.06, -0.97, 0.02)
    return Motion(_turned(pose, sideways(rng, 10, 120)))


def skipping_rope(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Small hops over a rope that both hands turn."""
    pose = standing(body, t)
    angle = swing(rng, t, 0.9, 1.4)
    hop = np.maximum(np.cos(angle), -0.2) * rng.uniform(0.06, 0.1) + 0.02
    pose["pelvis"][:, 1] += body.leg * hop - 0.03 * body.leg
    for side in "lr":
        pose[f"{side}_ankle"][:, 1] += np.maximum(hop, 0.0)
        pose[f"{side}_ankle"][:, 0] = 0.07
        pose[f"{side}_foot"][:, 0] = 5.0 * np.maximum(hop, 0.0)
        pose[f"{side}_wrist"] = vector(
            t, 0.38, -0.66 + 0.05 * np.cos(angle), 0.3 + 0.06 * np.sin(angle)
        )
        pose[f"{side}_elbow"] = vector(t, 0.3, -0.3, -1.0)
    colour = pick(rng, ROPE_COLOURS)
    return Motion(
        _turned(pose, facing(rng, 65, back=0.1)),
        lambda joints: rope(joints, angle=angle, colour=colour),
        tall=1.3,
    )


def juggling_balls(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Three balls in a cascade from hand to hand."""
    pose = standing(body, t)
    rate = rng.uniform(0.7, 1.05)
    cycle = rate * t + rng.random()
    inward = -0.55 * body.shoulder / body.arm
    for side, late in (("l", 0.0), ("r", 0.5)):
        around = TAU * (cycle + late)
        pose[f"{side}_wrist"] = vector(
            t, inward + 0.12 + 0.1 * np.cos(around), -0.42 + 0.07 * np.sin(around), 0.46
        )
        pose[f"{side}_elbow"] = vector(t, 0.5, -0.6, -1.0)
    pose["head"][:, 0] = -degrees(rng.uniform(8, 18))
    height = rng.uniform(0.34, 0.52) * body.height
    size = rng.uniform(0.048, 0.062) * (0.6 + 0.25 * body.height)
    palette = [BALLS_COLOURS[i] for i in rng.permutation(len(BALLS_COLOURS))[:3]]
    return Motion(
        _turned(pose, facing(rng, 50)),
        lambda joints: balls(joints, cycle=cycle, height=height, size=size, palette=palette),
        tall=1.3,
    )


def sitting_down(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Lower the hips onto a chair, the trunk leaning forward on the way."""
    pose = standing(body, t)
    down = once(rng, t, seconds)
    seat = body.ankle + body.shin * rng.uniform(0.94, 1.04)
    thick = 0.075 * body.weight * body.height / 1.7
    back = rng.uniform(0.78, 0.88) * body.thigh
    path = down**1.15
    pose["pelvis"] = vector(
        t, 0.0, body.stand + (seat + thick - body.stand) * path, -back * smooth(down * 1.05)
    )
    lean = np.sin(np.pi * np.clip(down, 0.0, 1.0)) * degrees(rng.uniform(32, 50))
    slump = degrees(rng.uniform(-6, 8)) * down
    pose["tilt"][:, 0] = 0.55 * lean - 0.05 * down
    pose["spine"][:, 0] = 0.45 * lean + slump
    pose["head"][:, 0] = -0.4 * lean
    style = rng.integers(3)
    ahead = rng.uniform(-0.02, 0.1)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        pose[f"{side}_ankle"][:, 2] = ahead
        pose[f"{side}_ankle"][:, 0] = 0.15
        if style < 2:  # The hands end on the thighs.
            share = down[:, None]
            lap = reach(body, pose, side, vector(t, sign * 0.12, seat + 0.14, -0.3 * body.thigh))
            pose[f"{side}_wrist"] = (1.0 - share) * pose[f"{side}_wrist"] + share * lap
        else:  # The arms swing forward and come back.
            out = np.sin(np.pi * down)
            pose[f"{side}_wrist"] = vector(t, 0.1, -0.95 + 0.75 * out, 0.1 + 0.75 * out)
    look = pick(rng, CHAIR_COLOURS), bool(rng.random() < 0.75)
    wide = 0.25 * (0.4 + 0.35 * body.height)
    return Motion(
        _turned(pose, sideways(rng, 20, 110)),
        lambda joints: chair(joints, seat=seat - 0.02, back=back, half=wide, look=look),
    )


def opening_door(body: Body, rng: np.random.Generator, t: Floats, seconds: float) -> Motion:
    """Take the handle and pull or push the door open."""
    pose = standing(body, t)
    progress = once(rng, t, seconds)
    grab = smooth(progress / 0.22)
    opened = smooth((progress - 0.18) / 0.82)
    pull = rng.random() < 0.5
    width = rng.uniform(0.8, 0.95) * (0.45 + 0.32 * body.height)
    tall = rng.uniform(1.2, 1.3) * body.height
    most = degrees(rng.uniform(65, 95))
    angle = opened * most
    knob_height = 0.58 * body.height
    gap = (0.98 if pull else 0.8) * body.arm
    reach_in = width * 0.88
    towards = 1.0 if pull else -1.0
    # The hinge is to the person's left; the handle moves on a circle around it.
    hinge = np.array((reach_in - 0.75 * body.shoulder, 0.0, gap))
    knob = vector(
        t, hinge[0] - reach_in * np.cos(angle), knob_height,
        hinge[2] - towards * reach_in * np.sin(angle),
    )  # fmt: skip
    # The person follows the handle: back when pulling, forward when pushing.
    follow = 0.62 if pull else 0.45
    moved = opened * -towards * follow * reach_in * np.sin(most)
    aside = opened * (-0.25 if pull else 0.1) * reach_in
    yaw = sideways(rng, 122, 170)
    pose["spine"][:, 1] = 0.25 * opened
    pose["spine"][:, 0] = (0.05 if pull else 0.16) * grab
    target = knob.copy()
    target[:, 0] -= aside
    target[:, 2] -= moved + 0.06
    hand = reach(body, pose, "r", target)
    pose["r_wrist"] = (1.0 - grab[:, None]) * pose["r_wrist"] + grab[:, None] * hand
    pose["r_elbow"] = vector(t, 0.7, -0.8, -0.3)
    steps = 4.0 * np.pi * opened
    lift = 0.05 * np.sin(np.pi * opened) > 0.001
    for side, late in (("l", 0.0), ("r", np.pi)):
        wave = np.sin(steps + late) * lift
        pose[f"{side}_ankle"][:, 1] += 0.07 * np.maximum(wave, 0.0)
        pose[f"{side}_ankle"][:, 2] += 0.12 * np.cos(steps + late) * np.sin(np.pi * opened)
    cos, sin = np.cos(yaw), np.sin(yaw)
    pose["root"][:, 0] = cos * aside + sin * moved
    pose["root"][:, 1] = -sin * aside + cos * moved
    colour = pick(rng, DOOR_COLOURS)
    flip = rng.random() < 0.5
    if flip:
        # The mirror image of the person, and of the way they go and the door beside them.
        pose = mirrored(pose)
        pose["root"][:, 0] = -cos * aside + sin * moved
        pose["root"][:, 1] = sin * aside + cos * moved
    hinge[0] *= -1.0 if flip else 1.0
    return Motion(
        _turned(pose, yaw),
        lambda joints: door(joints,
            yaw=yaw, hinge=hinge, side=-1.0 if flip else 1.0, angle=towards * angle, width=width,
            tall=tall, knob=knob_height, reach=reach_in, colour=colour,
        ),
        wide=1.4, tall=1.3,
    )  # fmt: skip


MOTIONS: dict[str, MotionMaker] = {
    "bowing": bowing,
    "clapping": clapping,
    "headbanging": headbanging,
    "high kick": high_kick,
    "jogging": jogging,
    "juggling balls": juggling_balls,
    "jumping jacks": jumping_jacks,
    "lunge": lunge,
    "opening door": opening_door,
    "punching bag": punching_bag,
    "push up": push_up,
    "side kick": side_kick,
    "sitting down": sitting_down,
    "situp": situp,
    "skipping rope": skipping_rope,
    "squat": squat,
    "stretching arm": stretching_arm,
    "walking left": walking_left,
    "walking right": walking_right,
    "waving hand": waving_hand,
}
"""The motions of the labels that are not another's played backwards."""
