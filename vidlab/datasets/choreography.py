"""From a plan of actions to one pose over time, with what is used at each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidlab.datasets.actions import REVERSED_FROM
from vidlab.datasets.body import Body, Floats, Pose, mixed
from vidlab.datasets.motions import MOTIONS, Motion, rest, smooth
from vidlab.datasets.seeds import Purpose, generator


@dataclass(frozen=True)
class Step:
    """One action of a plan, from its start to its end in seconds."""

    label: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.end - self.start


@dataclass
class Performance:
    """A pose over time, and each motion in it with how much of its things is there, ``[T]``."""

    pose: Pose
    motions: list[tuple[Motion, Floats]]


def perform(
    body: Body, seed: int, plan: Sequence[Step], times: Floats, *, end: float
) -> Performance:
    """Return how a person of that body goes through a plan.

    A plan of one step that starts at 0 is that action and nothing else. Any other begins and ends
    with a stand, and has one between two actions.

    Args:
        body: Lengths.
        seed: Decides the style of each action.
        plan: Actions in order, not overlapping.
        times: Seconds, ``[T]``.
        end: When the last stand is reached, seconds.
    """
    if len(plan) == 1 and plan[0].start == 0.0:
        motion = _motion(body, seed, plan, 0, times)
        return Performance(motion.pose, [(motion, np.ones(len(times)))])
    pose = rest(body, generator(seed, Purpose.REST), times, end).pose
    motions: list[tuple[Motion, Floats]] = []
    # Where the person is (x, z, yaw) at the bounds of the actions.
    bounds: list[float] = []
    places: list[Floats] = []
    place = np.zeros(3)
    for i, step in enumerate(plan):
        ends = _motion(body, seed, plan, i, np.array((0.0, step.seconds))).pose["root"]
        motion = _motion(body, seed, plan, i, np.clip(times - step.start, 0.0, step.seconds))
        # Go on from where the last action ended, and turn the short way. On the way to the next one
        # the person comes back halfway from what they went towards the camera or away from it.
        shift = place * (1.0, 1.0 if undoes(plan, i) else 0.5, 1.0) - ends[0]
        shift[2] = 2.0 * np.pi * np.round(shift[2] / (2.0 * np.pi))
        motion.pose["root"] += shift
        motion.origin = shift
        place = ends[1] + shift
        bounds += [step.start, step.end]
        places += [ends[0] + shift, place]
        motions.append((motion, _share(plan, i, times, end)))
    pose["root"] = _eased(times, bounds, places)
    for motion, share in motions:
        pose = mixed(pose, motion.pose, share)
    return Performance(pose, [(motion, smooth(2.5 * share)) for motion, share in motions])


def _motion(body: Body, seed: int, plan: Sequence[Step], i: int, local: Floats) -> Motion:
    """Return an action of the plan at times since its start."""
    step = plan[i]
    forward = REVERSED_FROM.get(step.label, step.label)
    # What undoes the action before it is that very motion, backwards.
    rng = generator(seed, Purpose.ACTIONS, i - 1 if undoes(plan, i) else i)
    times = local if forward == step.label else step.seconds - local
    return MOTIONS[forward](body, rng, times, step.seconds)


def undoes(plan: Sequence[Step], i: int) -> bool:
    """Tell whether an action of the plan is the one before it played backwards."""
    if not 0 < i < len(plan):
        return False
    return REVERSED_FROM.get(plan[i].label) == plan[i - 1].label


def _share(plan: Sequence[Step], i: int, times: Floats, end: float) -> Floats:
    """Return how much of action `i` is in the pose ``[T]``: all of it from its start to its end.

    Halfway to the next action the person stands, unless that one undoes this one: then it takes
    over there.
    """
    step = plan[i]
    rise = 0.5 * (step.start - plan[i - 1].end) if i else step.start
    fall = 0.5 * (plan[i + 1].start - step.end) if i + 1 < len(plan) else end - step.end
    coming = smooth((times - (step.start - rise)) / max(rise, 1e-6))
    going = smooth((times - step.end) / max(fall, 1e-6))
    if undoes(plan, i):
        coming = (times >= step.start - rise).astype(np.float64)
    if undoes(plan, i + 1):
        going = (times >= step.end + fall).astype(np.float64)
    return coming * (1.0 - going)


def _eased(times: Floats, bounds: Sequence[float], places: Sequence[Floats]) -> Floats:
    """Return places ``[T, 3]`` that are those of `bounds` then, going smoothly between them."""
    out = np.tile(places[0], (len(times), 1))
    for k in range(1, len(bounds)):
        span = max(bounds[k] - bounds[k - 1], 1e-6)
        out += (places[k] - places[k - 1]) * smooth((times - bounds[k - 1]) / span)[:, None]
    return out
