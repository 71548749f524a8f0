"""Rendering: a seed becomes frames and everything that is true about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vidlab.core.errors import OptionError, did_you_mean
from vidlab.core.skeletons import COCO_17
from vidlab.datasets.actions import (
    MIRRORED_LABELS,
    REVERSED_FROM,
    STICK_ACTIONS,
    TIME_ONLY_PAIRS,
)
from vidlab.datasets.body import Floats
from vidlab.datasets.choreography import Step
from vidlab.datasets.scene import Scene, Stage
from vidlab.datasets.seeds import Purpose, generator

_OTHER_OF_PAIR = REVERSED_FROM | dict(TIME_ONLY_PAIRS)

# What a sequence undoes right away, so that nobody rises from a chair without a label.
_UNDONE_BY = {"sitting down": "standing up", "opening door": "closing door"}
_MOST_ACTIONS = len(STICK_ACTIONS) - 2 * len(_UNDONE_BY)


@dataclass(frozen=True, repr=False)
class StickClip:
    """Frames of one person, and what is true about every frame.

    Attributes:
        rgb: uint8 ``[T, H, W, 3]``.
        labels: Class id of each frame, int64 ``[T]``; -1 where no action is going on.
        keypoints: x px, y px and visibility of COCO's 17 joints, float32 ``[T, 17, 3]``.
            Visibility is 0 outside the picture, 1 hidden, 2 visible. The middle of the first pixel
            is (0.5, 0.5).
        boxes: x, y, width, height of what is drawn of the body, hidden or not, within the picture,
            px, float32 ``[T, 4]``.
        pts_seconds: When each frame comes, float64 ``[T]``.
        segments: One row an action: ``start_seconds``, ``end_seconds``, ``label``.
        frame_rate: Frames per second.
        seed: What it was rendered from.
    """

    rgb: NDArray[np.uint8]
    labels: NDArray[np.int64]
    keypoints: NDArray[np.float32]
    boxes: NDArray[np.float32]
    pts_seconds: Floats
    segments: pd.DataFrame
    frame_rate: float
    seed: int

    @property
    def label(self) -> str:
        """The label of the first action."""
        return str(self.segments["label"].iloc[0])

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.rgb) / self.frame_rate

    def __repr__(self) -> str:
        height, width = self.rgb.shape[1:3]
        return (
            f"StickClip({', '.join(self.segments['label'])}: {len(self.rgb)} frames of "
            f"{width}x{height} px at {self.frame_rate:g} fps, seed {self.seed})"
        )

    def reversed(self) -> StickClip:
        """Return it played backwards; a label of a time-only pair becomes the other one."""
        segments = _relabelled(self.segments, _OTHER_OF_PAIR)[::-1].reset_index(drop=True)
        start, end = segments["start_seconds"].copy(), segments["end_seconds"].copy()
        segments["start_seconds"] = (self.seconds - end).round(6)
        segments["end_seconds"] = (self.seconds - start).round(6)
        return replace(
            self,
            rgb=self.rgb[::-1].copy(),
            labels=_ids(self.labels, _OTHER_OF_PAIR)[::-1].copy(),
            keypoints=self.keypoints[::-1].copy(),
            boxes=self.boxes[::-1].copy(),
            segments=segments,
        )

    def mirrored(self) -> StickClip:
        """Return the mirror image: left and right change places, in labels and keypoints too."""
        width = self.rgb.shape[2]
        keypoints = self.keypoints[:, COCO_17.mirrored]
        keypoints[..., 0] = width - keypoints[..., 0]
        boxes = self.boxes.copy()
        boxes[:, 0] = width - boxes[:, 0] - boxes[:, 2]
        return replace(
            self,
            rgb=self.rgb[:, :, ::-1].copy(),
            labels=_ids(self.labels, MIRRORED_LABELS),
            keypoints=keypoints,
            boxes=boxes,
            segments=_relabelled(self.segments, MIRRORED_LABELS),
        )


def _relabelled(segments: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    return segments.assign(label=[names.get(label, label) for label in segments["label"]])


def _ids(labels: NDArray[np.int64], names: Mapping[str, str]) -> NDArray[np.int64]:
    # The last entry is what -1, no label, stays.
    table = [STICK_ACTIONS.index(names.get(label, label)) for label in STICK_ACTIONS] + [-1]
    return np.array(table, np.int64)[labels]


def label_of(seed: int) -> str:
    """Return the label that a seed has unless another is asked for: seeds take turns."""
    return STICK_ACTIONS[seed % len(STICK_ACTIONS)]


def render_clip(
    seed: int,
    *,
    label: str | None = None,
    size_px: int = 172,
    frame_rate: float = 5.0,
    num_frames: int = 16,
) -> StickClip:
    """Render one action.

    The same seed gives the same frames. The second label of a time-only pair is the first one's
    clip of that seed with its frames in reverse.

    Args:
        seed: Decides everything else: who, where, how, seen from which side.
        label: One of :data:`STICK_ACTIONS`; None lets the seed decide, each label in turn.
        size_px: Width and height.
        frame_rate: Frames per second.
        num_frames: Length.

    Raises:
        OptionError: An option is out of its range.
    """
    check_options(seed, size_px=size_px, frame_rate=frame_rate, num_frames=num_frames)
    label = label_of(seed) if label is None else _known(label)
    clip = _rendered(_clip_scene(seed, label, size_px, frame_rate, num_frames), frame_rate, seed)
    return clip.reversed() if label in REVERSED_FROM else clip


def clip_frames(
    seed: int, *, size_px: int, frame_rate: float, num_frames: int
) -> NDArray[np.uint8]:
    """Return the frames of :func:`render_clip` alone, a little quicker."""
    label = label_of(seed)
    rgb = _clip_scene(seed, label, size_px, frame_rate, num_frames).rgb()
    return rgb[::-1].copy() if label in REVERSED_FROM else rgb


def clip_keypoints(
    seed: int,
    *,
    label: str | None = None,
    size_px: int = 172,
    frame_rate: float = 5.0,
    num_frames: int = 16,
) -> NDArray[np.float32]:
    """Return the keypoints of :func:`render_clip` alone, with the same options.

    Nothing is drawn, so a thousand clips take seconds.

    Returns:
        float32 ``[T, 17, 3]``: x px, y px, and 2 in the picture or 0 outside; what is hidden by
        something can be told only from what is drawn.

    Raises:
        OptionError: An option is out of its range.
    """
    check_options(seed, size_px=size_px, frame_rate=frame_rate, num_frames=num_frames)
    label = label_of(seed) if label is None else _known(label)
    plan, times, end = _clip_plan(label, frame_rate, num_frames)
    keypoints = Stage(seed, plan, times, size_px=size_px, end=end).keypoints()
    return keypoints[::-1].copy() if label in REVERSED_FROM else keypoints


def _clip_scene(seed: int, label: str, size_px: int, frame_rate: float, num_frames: int) -> Scene:
    """Return a clip's scene; that of a label which is drawn backwards runs forward."""
    plan, times, end = _clip_plan(label, frame_rate, num_frames)
    return Scene(seed, plan, times, size_px=size_px, end=end)


def _clip_plan(label: str, frame_rate: float, num_frames: int) -> tuple[list[Step], Floats, float]:
    """Return what is done in a clip, when its frames are, and when it is over."""
    end = num_frames / frame_rate
    step = Step(REVERSED_FROM.get(label, label), 0.0, end)
    return [step], np.arange(num_frames) / frame_rate, end


def render_sequence(
    seed: int,
    *,
    labels: Sequence[str] | None = None,
    num_actions: int = 6,
    size_px: int = 256,
    frame_rate: float = 25.0,
) -> StickClip:
    """Render several actions, one after another, with smooth transitions.

    Between two actions the person comes to a stand and goes into the next; these frames have label
    -1 and no segment. Actions take 2.5 to 4.2 seconds, and begin and end exactly on frames.
    "Standing up" and "closing door" undo a "sitting down" and an "opening door" right before them;
    without one, the person first goes where they begin, which is no action. Where the seed chooses,
    each comes with the one it undoes.

    Args:
        seed: Decides everything else.
        labels: What is done, in order; None lets the seed choose `num_actions` different ones.
        num_actions: How many actions where `labels` is None, 1 to 20.
        size_px: Width and height.
        frame_rate: Frames per second.

    Raises:
        OptionError: An option is out of its range.
    """
    check_options(seed, size_px=size_px, frame_rate=frame_rate)
    rng = generator(seed, Purpose.PROGRAM)
    if labels is None:
        labels = _program(rng, num_actions)
    elif isinstance(labels, str) or not labels:
        raise OptionError(f"labels must be a list of at least one label; got {labels!r}.")
    plan: list[Step] = []
    frame = _num_frames(rng, 0.5, 0.8, frame_rate)
    for i, label in enumerate(labels):
        if i:
            undoes = REVERSED_FROM.get(_known(label)) == labels[i - 1]
            pause = (0.3, 0.8) if undoes else (0.9, 1.3)
            frame += _num_frames(rng, *pause, frame_rate)
        last = frame + _num_frames(rng, 2.5, 4.2, frame_rate)
        plan.append(Step(_known(label), frame / frame_rate, last / frame_rate))
        frame = last
    frame += _num_frames(rng, 0.5, 0.8, frame_rate)
    times = np.arange(frame) / frame_rate
    scene = Scene(seed, plan, times, size_px=size_px, end=frame / frame_rate)
    return _rendered(scene, frame_rate, seed)


def _num_frames(rng: np.random.Generator, low: float, high: float, frame_rate: float) -> int:
    return max(1, round(float(rng.uniform(low, high)) * frame_rate))


def _program(rng: np.random.Generator, num_actions: int) -> list[str]:
    """Return labels in a random order; what undoes something comes right after it."""
    if not 1 <= num_actions <= _MOST_ACTIONS:
        raise OptionError(f"num_actions must be 1 to {_MOST_ACTIONS}; got {num_actions!r}.")
    out: list[str] = []
    for i in rng.permutation(len(STICK_ACTIONS)).tolist():
        label = STICK_ACTIONS[i]
        both = [label, _UNDONE_BY[label]] if label in _UNDONE_BY else [label]
        if label not in _UNDONE_BY.values() and len(out) + len(both) <= num_actions:
            out += both
    return out


def _rendered(scene: Scene, frame_rate: float, seed: int) -> StickClip:
    rows = [(round(step.start, 6), round(step.end, 6), step.label) for step in scene.plan]
    return StickClip(
        rgb=scene.rgb(),
        labels=scene.labels(),
        keypoints=scene.keypoints(),
        boxes=scene.boxes(),
        pts_seconds=scene.t,
        segments=pd.DataFrame(rows, columns=["start_seconds", "end_seconds", "label"]),
        frame_rate=frame_rate,
        seed=seed,
    )


def _known(label: str) -> str:
    if label not in STICK_ACTIONS:
        raise OptionError(
            f"{label!r} is not one of STICK_ACTIONS.{did_you_mean(str(label), STICK_ACTIONS)}"
        )
    return label


def check_options(seed: int, *, size_px: int, frame_rate: float, num_frames: int = 1) -> None:
    """Refuse options that no clip can have.

    Raises:
        OptionError: One of them is out of its range.
    """
    for name, value, least in (
        ("seed", seed, 0),
        ("size_px", size_px, 16),
        ("num_frames", num_frames, 1),
    ):
        if not isinstance(value, int | np.integer) or value < least:
            raise OptionError(f"{name} must be a whole number, {least} or more; got {value!r}.")
    if not isinstance(frame_rate, int | float) or not 0.0 < frame_rate < float("inf"):
        raise OptionError(f"frame_rate must be a number above 0; got {frame_rate!r}.")
