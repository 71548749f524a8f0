"""Skeletons: their keypoints, and what becomes of them in another one."""

from __future__ import annotations

import numpy as np
import pytest

from vidlab.core.errors import OptionError
from vidlab.core.skeletons import (
    BLAZEPOSE_33,
    COCO_17,
    MPII_16,
    SKELETONS,
    limbs_among,
    skeleton_named,
)


def numbered(skeleton) -> np.ndarray:
    """Keypoint k lies at (k, 100 + k), with a confidence that falls with k."""
    number = np.arange(len(skeleton), dtype=np.float32)
    return np.stack([number, 100 + number, 1 - number / 100], axis=-1)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda each: each.name)
def test_a_skeleton_holds_together(skeleton) -> None:
    assert len(set(skeleton.keypoints)) == len(skeleton) == int(skeleton.name[-2:])
    assert len(set(skeleton.limbs)) == len(skeleton.limbs)
    touched = {name for limb in skeleton.limbs for name in limb}
    assert touched == set(skeleton.keypoints)
    mirrored = skeleton.mirrored
    np.testing.assert_array_equal(mirrored[mirrored], np.arange(len(skeleton)))
    names = np.array(skeleton.keypoints)
    assert dict(zip(names, names[mirrored], strict=True))["left_knee"] == "right_knee"
    assert len(skeleton.sigmas) in (0, len(skeleton))
    assert skeleton_named(skeleton.name) is skeleton


def test_the_same_names_stay_where_they_are() -> None:
    points = numbered(BLAZEPOSE_33)
    coco = BLAZEPOSE_33.mapped(points, COCO_17)
    for number, name in enumerate(COCO_17.keypoints):
        np.testing.assert_array_equal(coco[number], points[BLAZEPOSE_33.index(name)])
    back = COCO_17.mapped(coco, BLAZEPOSE_33)
    assert np.isnan(back[BLAZEPOSE_33.index("left_heel"), :2]).all()
    assert back[BLAZEPOSE_33.index("left_heel"), 2] == 0
    same = COCO_17.mapped(coco, COCO_17)
    np.testing.assert_array_equal(same, coco)


def test_mpii_has_points_between_others() -> None:
    people = np.stack([numbered(COCO_17), numbered(COCO_17) + 5])
    mpii = COCO_17.mapped(people, MPII_16)
    assert mpii.shape == (2, 16, 3)
    hips = people[:, [COCO_17.index("left_hip"), COCO_17.index("right_hip")]]
    pelvis = mpii[:, MPII_16.index("pelvis")]
    np.testing.assert_allclose(pelvis[:, :2], hips[..., :2].mean(axis=1))
    np.testing.assert_allclose(pelvis[:, 2], hips[..., 2].min(axis=1))
    assert np.isnan(mpii[:, MPII_16.index("head_top"), :2]).all()
    assert (mpii[:, MPII_16.index("head_top"), 2] == 0).all()


def test_limbs_go_by_names() -> None:
    assert limbs_among(COCO_17.keypoints) == COCO_17.limbs
    assert limbs_among(BLAZEPOSE_33.keypoints) == BLAZEPOSE_33.limbs
    assert limbs_among(["left_knee", "left_hip", "tail"]) == (("left_knee", "left_hip"),)


def test_what_is_none_is_refused() -> None:
    with pytest.raises(OptionError, match="coco-17, blazepose-33, mpii-16"):
        skeleton_named("coco")
    with pytest.raises(OptionError, match="left_knee"):
        COCO_17.index("left_kne")
