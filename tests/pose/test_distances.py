"""How far two models' keypoints of the same people are apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidlab import pose
from vidlab.core.errors import OptionError
from vidlab.pose.tracking import likeness, sigmas_of


def poses(points: np.ndarray, *, row: list[int], person: list[int], **changes: Any) -> pose.Poses:
    """Return people on frames 0, 2 and 4."""
    options: dict[str, Any] = {
        "video": "clip.mp4", "model": "m", "backend": "b", "title": "b:m",
        "skeleton": pose.COCO_17, "width_px": 640, "height_px": 480,
        "frame_index": np.array([0, 2, 4]), "time_seconds": np.array([0.0, 0.08, 0.16]),
    }  # fmt: skip
    return pose.Poses(
        row=np.array(row), person=np.array(person), points=points.astype(np.float32),
        **(options | changes),
    )  # fmt: skip


def body(x_px: float, y_px: float = 100.0) -> np.ndarray:
    """Return somebody 200 px high whose torso is 64 px long, as sure as can be."""
    points = np.ones((17, 3))
    points[:, 0] = x_px + 10.0 * (np.arange(17) % 2)
    points[:, 1] = y_px + 12.0 * np.arange(17)
    points[5:7, :2] = [[x_px, y_px + 40], [x_px + 40, y_px + 40]]
    points[11:13, :2] = [[x_px, y_px + 104], [x_px + 40, y_px + 104]]
    return points


def test_people_are_paired_by_where_they_are_whatever_their_numbers() -> None:
    one = poses(np.stack([body(50), body(400)]), row=[0, 0], person=[0, 1])
    other = poses(np.stack([body(404), body(53, 104)]), row=[0, 0], person=[0, 1])
    table = pose.distances(one, other)
    assert list(table.columns) == [
        "frame_index", "time_seconds", "person", "other_person", "keypoint", "distance_px",
        "distance", "confidence",
    ]  # fmt: skip
    first, second = (table[table["person"] == number] for number in (0, 1))
    assert set(first["other_person"]) == {1}
    assert set(second["other_person"]) == {0}
    np.testing.assert_allclose(first["distance_px"], 5.0)
    np.testing.assert_allclose(second["distance_px"], 4.0)
    np.testing.assert_allclose(second["distance"], 4.0 / 64.0)


def test_frames_of_both_count_and_people_far_apart_are_nobody() -> None:
    one = poses(np.stack([body(50), body(50), body(50)]), row=[0, 1, 2], person=[0, 0, 0])
    other = poses(
        np.stack([body(50), body(500)]), row=[0, 1], person=[0, 0],
        frame_index=np.array([2, 4, 6]),
    )  # fmt: skip
    table = pose.distances(one, other)
    assert set(table["frame_index"]) == {2}
    assert (table["distance_px"] == 0.0).all()


def test_other_skeletons_are_mapped() -> None:
    one = poses(body(50)[None], row=[0], person=[0])
    points = np.full((1, 33, 3), 0.5)
    points[:, :, :2] = np.nan
    skeleton = pose.BLAZEPOSE_33
    for number, name in enumerate(pose.COCO_17.keypoints):
        points[0, skeleton.index(name), :2] = body(51)[number, :2]
    other = poses(points, row=[0], person=[0], skeleton=skeleton)
    table = pose.distances(one, other)
    assert list(table["keypoint"]) == list(pose.COCO_17.keypoints)
    np.testing.assert_allclose(table["distance_px"], 1.0)
    assert (table["confidence"] == 0.5).all()
    back = pose.distances(other, one)
    assert set(back["keypoint"]) == set(pose.COCO_17.keypoints)


def test_nobody_and_other_videos() -> None:
    nobody = poses(np.empty((0, 17, 3)), row=[], person=[])
    somebody = poses(body(50)[None], row=[0], person=[0])
    assert len(pose.distances(nobody, somebody)) == len(pose.distances(somebody, nobody)) == 0
    with pytest.raises(OptionError, match="same video"):
        pose.distances(somebody, somebody.replaced(video="other.mp4"))


@given(
    offsets=st.lists(st.floats(-10, 10), min_size=3, max_size=3),
    order=st.permutations(range(3)),
)
def test_what_moves_little_is_found_again(offsets: list[float], order: list[int]) -> None:
    places = [50.0, 250.0, 450.0]
    one = poses(np.stack([body(each) for each in places]), row=[0] * 3, person=[0, 1, 2])
    moved = np.stack([body(places[each] + offsets[each]) for each in order])
    table = pose.distances(one, poses(moved, row=[0] * 3, person=[0, 1, 2]))
    for number in range(3):
        mine = table[table["person"] == number]
        assert set(mine["other_person"]) == {order.index(number)}
        np.testing.assert_allclose(mine["distance_px"], abs(offsets[number]), atol=1e-4)


def test_who_is_seldom_looked_at_is_still_the_same() -> None:
    """Limbs are elsewhere, and no keypoint is like the one before; the box is."""
    before, after = body(100), body(100)
    after[:, 0] = 200 - after[:, 0] + 60
    after[:, 1] = 500 - after[:, 1] - 100
    sigmas = sigmas_of(pose.COCO_17)
    people = np.stack([before, after]).astype(np.float32)
    assert pose.similarity(people[:1], people[1:], sigmas=sigmas)[0, 0] < 0.1
    assert likeness(people[:1], people[1:], sigmas=sigmas)[0, 0] > 0.1
    tracker = pose.Tracker(pose.COCO_17)
    assert tracker.number(people[:1], 0.0).tolist() == [0]
    assert tracker.number(people[1:], 0.2).tolist() == [0]
    far = people[1:].copy()
    far[..., 0] += 400
    assert tracker.number(far, 0.4).tolist() == [1]
