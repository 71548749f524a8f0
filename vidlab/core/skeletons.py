"""Skeletons: which keypoints of a person there are, and which of them a line joins.

Left and right are always the person's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError, did_you_mean


@dataclass(frozen=True)
class Skeleton:
    """Keypoints in their order, and what is known about them.

    Attributes:
        name: Such as ``"coco-17"``.
        keypoints: Names in the order of a model's output.
        limbs: Pairs of names that a line joins.
        made_of: Of keypoints that another skeleton has not: the means of which others they are.
        sigmas: Standard deviation of people's own annotations, as a share of a person's size;
            empty where nobody measured it.
    """

    name: str
    keypoints: tuple[str, ...]
    limbs: tuple[tuple[str, str], ...]
    made_of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sigmas: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.keypoints)

    def index(self, keypoint: str) -> int:
        """Return the number of a keypoint.

        Raises:
            OptionError: There is none of that name.
        """
        try:
            return self.keypoints.index(keypoint)
        except ValueError:
            raise OptionError(
                f"{self.name} has no keypoint {keypoint!r}."
                + did_you_mean(keypoint, self.keypoints)
            ) from None

    @cached_property
    def mirrored(self) -> NDArray[np.int64]:
        """Number of what each keypoint is in a mirror, int64 ``[K]``."""
        other = {"left": "right", "right": "left"}
        swapped = (
            "_".join(other.get(word, word) for word in name.split("_")) for name in self.keypoints
        )
        return np.array([self.index(name) for name in swapped], dtype=np.int64)

    @cached_property
    def limb_numbers(self) -> tuple[tuple[int, int], ...]:
        """`limbs` by number."""
        return tuple((self.index(first), self.index(second)) for first, second in self.limbs)

    def mapped(self, points: NDArray[np.float32], to: Skeleton) -> NDArray[np.float32]:
        """Carry keypoints over to another skeleton.

        What this skeleton has under the same name stays as it is. What can be made of others, such
        as the pelvis between the hips, is their mean, with the least of their confidences. The rest
        is NaN with confidence 0.

        Args:
            points: float32 ``[..., K, 3]``: x, y, confidence.
            to: The other skeleton, of L keypoints.

        Returns:
            float32 ``[..., L, 3]``.
        """
        found = np.full((*points.shape[:-2], len(to), 3), np.nan, dtype=np.float32)
        found[..., 2] = 0.0
        for number, name in enumerate(to.keypoints):
            names = (name,) if name in self.keypoints else to.made_of.get(name, ())
            if names and all(each in self.keypoints for each in names):
                of = points[..., [self.index(each) for each in names], :]
                found[..., number, :2] = of[..., :2].mean(axis=-2)
                found[..., number, 2] = of[..., 2].min(axis=-1)
        return found


def _both(name: str) -> tuple[str, str]:
    return f"left_{name}", f"right_{name}"


# Names, limbs and sigmas: Lin et al., "Microsoft COCO", and the evaluation code that goes with it.
COCO_17 = Skeleton(
    name="coco-17",
    keypoints=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder",
        "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
        "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    ),
    limbs=(
        ("left_ankle", "left_knee"), ("left_knee", "left_hip"), ("right_ankle", "right_knee"),
        ("right_knee", "right_hip"), ("left_hip", "right_hip"), ("left_shoulder", "left_hip"),
        ("right_shoulder", "right_hip"), ("left_shoulder", "right_shoulder"),
        ("left_shoulder", "left_elbow"), ("right_shoulder", "right_elbow"),
        ("left_elbow", "left_wrist"), ("right_elbow", "right_wrist"), ("left_eye", "right_eye"),
        ("nose", "left_eye"), ("nose", "right_eye"), ("left_eye", "left_ear"),
        ("right_eye", "right_ear"), ("left_ear", "left_shoulder"), ("right_ear", "right_shoulder"),
    ),
    sigmas=(
        0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107,
        0.087, 0.087, 0.089, 0.089,
    ),
)  # fmt: skip
"""COCO's 17 keypoints, which most models of single people have."""

# Bazarevsky et al., "BlazePose"; the order is that of MediaPipe's landmarks.
BLAZEPOSE_33 = Skeleton(
    name="blazepose-33",
    keypoints=(
        "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye",
        "right_eye_outer", "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder",
        "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_pinky",
        "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb", "left_hip",
        "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel",
        "right_heel", "left_foot_index", "right_foot_index",
    ),
    limbs=(
        ("nose", "left_eye_inner"), ("left_eye_inner", "left_eye"),
        ("left_eye", "left_eye_outer"), ("left_eye_outer", "left_ear"),
        ("nose", "right_eye_inner"), ("right_eye_inner", "right_eye"),
        ("right_eye", "right_eye_outer"), ("right_eye_outer", "right_ear"),
        ("mouth_left", "mouth_right"), ("left_shoulder", "right_shoulder"),
        ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
        ("left_wrist", "left_pinky"), ("left_wrist", "left_index"), ("left_wrist", "left_thumb"),
        ("left_pinky", "left_index"), ("right_shoulder", "right_elbow"),
        ("right_elbow", "right_wrist"), ("right_wrist", "right_pinky"),
        ("right_wrist", "right_index"), ("right_wrist", "right_thumb"),
        ("right_pinky", "right_index"), ("left_shoulder", "left_hip"),
        ("right_shoulder", "right_hip"), ("left_hip", "right_hip"), ("left_hip", "left_knee"),
        ("left_knee", "left_ankle"), ("left_ankle", "left_heel"), ("left_heel", "left_foot_index"),
        ("left_ankle", "left_foot_index"), ("right_hip", "right_knee"),
        ("right_knee", "right_ankle"), ("right_ankle", "right_heel"),
        ("right_heel", "right_foot_index"), ("right_ankle", "right_foot_index"),
    ),
)  # fmt: skip
"""BlazePose's 33 keypoints: COCO's, and fingers, feet and more of the face."""

# Andriluka et al., "2D Human Pose Estimation: New Benchmark and State of the Art Analysis".
MPII_16 = Skeleton(
    name="mpii-16",
    keypoints=(
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis",
        "thorax", "upper_neck", "head_top", "right_wrist", "right_elbow", "right_shoulder",
        "left_shoulder", "left_elbow", "left_wrist",
    ),
    limbs=(
        ("right_ankle", "right_knee"), ("right_knee", "right_hip"), ("right_hip", "pelvis"),
        ("left_hip", "pelvis"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
        ("pelvis", "thorax"), ("thorax", "upper_neck"), ("upper_neck", "head_top"),
        ("right_wrist", "right_elbow"), ("right_elbow", "right_shoulder"),
        ("right_shoulder", "thorax"), ("left_shoulder", "thorax"),
        ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
    ),
    made_of={"pelvis": _both("hip"), "thorax": _both("shoulder")},
)  # fmt: skip
"""MPII's 16 keypoints. No other skeleton has its upper neck and head top."""

SKELETONS = {skeleton.name: skeleton for skeleton in (COCO_17, BLAZEPOSE_33, MPII_16)}


def limbs_among(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of some keypoints that a line joins.

    They are those of the first skeleton that has all of them, or of COCO's as far as names fit.
    """
    known = set(names)
    fitting = (each for each in SKELETONS.values() if known <= set(each.keypoints))
    return tuple(pair for pair in next(fitting, COCO_17).limbs if known.issuperset(pair))


def skeleton_named(name: str) -> Skeleton:
    """Return a skeleton by its name.

    Raises:
        OptionError: There is none; the message names those that there are.
    """
    if name not in SKELETONS:
        raise OptionError(
            f"No skeleton is called {name!r}; there are {', '.join(SKELETONS)}."
            + did_you_mean(name, SKELETONS)
        )
    return SKELETONS[name]
