"""COCO's average precision against its own code, and PCK against its definition."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidlab import pose
from vidlab.core.errors import DatasetError, OptionError

COCO_CATEGORY = {
    "id": 1, "name": "person", "keypoints": list(pose.COCO_17.keypoints), "skeleton": [],
}  # fmt: skip


def scene(seed: int, *, num_images: int = 6) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Draw people of all sizes, some crowds, some without joints, and findings near and far."""
    draw = np.random.default_rng(seed)
    images, annotations, results = [], [], []
    for image in range(1, num_images + 1):
        images.append({"id": image, "width": 640, "height": 480})
        for _ in range(draw.integers(0, 5)):
            side = float(draw.choice([20.0, 60.0, 90.0, 200.0]))
            corner = draw.uniform(0, 300, 2)
            points = np.column_stack(
                [corner + draw.uniform(0, side, (17, 2)), draw.integers(0, 3, 17)]
            )
            if draw.random() < 0.15:
                points[:] = 0
            points[points[:, 2] == 0] = 0
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "keypoints": points.ravel().tolist(),
                    "num_keypoints": int((points[:, 2] > 0).sum()),
                    "bbox": [*corner.tolist(), side, side],
                    "area": side * side * float(draw.uniform(0.5, 1.0)),
                    "iscrowd": int(draw.random() < 0.1),
                }
            )
            for _ in range(draw.integers(0, 3)):
                near = points.copy()
                near[:, :2] += draw.normal(0, side * float(draw.choice([0.01, 0.05, 0.3])), (17, 2))
                results.append((image, near))
        for _ in range(draw.integers(0, 3)):
            results.append((image, np.column_stack([draw.uniform(0, 400, (17, 2)), np.ones(17)])))
    scores = draw.choice([0.1, 0.3, 0.5, 0.9, 0.95], len(results))  # ties as well
    return (
        {"images": images, "annotations": annotations, "categories": [COCO_CATEGORY]},
        [
            {"image_id": image, "category_id": 1, "keypoints": near.ravel().tolist(), "score": s}
            for (image, near), s in zip(results, scores.tolist(), strict=True)
        ],
    )


def by_pycocotools(truth: dict[str, Any], found: list[dict[str, Any]]) -> list[float]:
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    with contextlib.redirect_stdout(io.StringIO()):
        there = coco.COCO()
        there.dataset = truth
        there.createIndex()
        run = cocoeval.COCOeval(there, there.loadRes(found), "keypoints")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [float(value) for value in run.stats]


@pytest.mark.parametrize("seed", range(25))
def test_average_precision_is_that_of_coco(seed: int) -> None:
    truth, found = scene(seed)
    scores = pose.average_precision(truth, found)
    got = [
        scores.ap, scores.ap50, scores.ap75, scores.ap_medium, scores.ap_large,
        scores.ar, scores.ar50, scores.ar75, scores.ar_medium, scores.ar_large,
    ]  # fmt: skip
    np.testing.assert_allclose(got, by_pycocotools(truth, found), atol=1e-6)


def test_the_same_is_perfect_and_nothing_is_nothing() -> None:
    truth, _ = scene(3)
    same = [
        {"image_id": each["image_id"], "keypoints": each["keypoints"], "score": 1.0}
        for each in truth["annotations"]
        if each["num_keypoints"] and not each["iscrowd"]
    ]
    assert pose.average_precision(truth, same).ap == pytest.approx(1.0)
    assert pose.average_precision(truth, []).ap == 0.0
    assert pose.average_precision({"images": [], "annotations": []}, []).ap == -1.0


def test_what_does_not_fit_is_refused() -> None:
    truth, found = scene(1)
    with pytest.raises(DatasetError, match="no image of the truth"):
        pose.average_precision(truth, [found[0] | {"image_id": 99}])
    with pytest.raises(DatasetError, match="has 3 numbers of keypoints"):
        pose.average_precision(truth, [found[0] | {"keypoints": [1, 2, 3]}])
    with pytest.raises(DatasetError, match="lacks 'score'"):
        pose.average_precision(truth, [{k: v for k, v in found[0].items() if k != "score"}])
    with pytest.raises(OptionError, match="coco-17"):
        pose.average_precision(truth, found, skeleton=pose.MPII_16)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), share=st.floats(0.05, 0.8))
def test_pck_by_its_definition(seed: int, share: float) -> None:
    draw = np.random.default_rng(seed)
    truth = np.concatenate(
        [draw.uniform(0, 200, (6, 17, 2)), draw.integers(0, 3, (6, 17, 1))], axis=-1
    )
    found = truth[..., :2] + draw.normal(0, 20, (6, 17, 2))
    got = pose.correct_keypoints(found, truth, skeleton=pose.COCO_17, share=share)
    right = {name: [] for name in (*pose.COCO_17.keypoints, "all")}
    for person, points in zip(truth, found, strict=True):
        shoulder, hip = (
            person[pose.COCO_17.index(name)] for name in ("left_shoulder", "right_hip")
        )
        if not (shoulder[2] and hip[2]):
            continue
        torso = np.hypot(*(shoulder[:2] - hip[:2]))
        for name, at, near in zip(pose.COCO_17.keypoints, person, points, strict=True):
            if at[2]:
                for each in (name, "all"):
                    right[each].append(np.hypot(*(near - at[:2])) <= share * torso)
    for name, values in right.items():
        np.testing.assert_allclose(got[name], np.mean(values) if values else np.nan)


def test_pckh_takes_the_size_of_heads() -> None:
    truth = np.zeros((1, 16, 3))
    truth[..., 2] = 1
    found = np.zeros((1, 16, 2))
    found[0, 3] = (4.9, 0)
    found[0, 4] = (5.1, 0)
    found[0, 5] = np.nan
    got = pose.correct_keypoints(
        found, truth, skeleton=pose.MPII_16, reference_px=np.array([10.0]), share=0.5
    )
    wrong = [name for name in pose.MPII_16.keypoints if got[name] == 0]
    assert wrong == [pose.MPII_16.keypoints[4], pose.MPII_16.keypoints[5]]
    assert got["all"] == pytest.approx(14 / 16)
    with pytest.raises(OptionError, match="of the same people"):
        pose.correct_keypoints(found[:, :3], truth, skeleton=pose.MPII_16)
