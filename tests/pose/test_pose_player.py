"""Poses on the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import make_video

import vidlab as vl
from vidlab.widgets.annotations import read_keypoints


def poses_on(path: Path) -> vl.pose.Poses:
    """Return one person on frames 2 and 3, whose ankle is not seen."""
    video = vl.Video(path)
    points = np.ones((2, 17, 3), dtype=np.float32)
    points[..., 0] = np.linspace(5, 60, 17)
    points[..., 1] = np.linspace(40, 8, 17)
    points[:, 16] = (np.nan, np.nan, 0)
    return vl.pose.Poses(
        video=video.name, model="m", backend="b", title="b:m", skeleton=vl.pose.COCO_17,
        width_px=video.width, height_px=video.height, frame_index=np.arange(6),
        time_seconds=video.pts_seconds[:6], row=np.array([2, 3]), person=np.array([0, 0]),
        points=points,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_video(tmp_path / "clip.mp4", num_frames=6)
    return tmp_path / "clip.mp4"


def test_keypoints_without_a_place_are_not_drawn(path: Path) -> None:
    points = read_keypoints(poses_on(path), None)
    assert points is not None
    assert len(points.frame_index) == 2 * 16
    assert "right_ankle" not in points.names
    assert len(points.skeleton) == len(vl.pose.COCO_17.limbs) - 1


def test_a_player_burns_the_skeleton_in(path: Path, tmp_path: Path) -> None:
    player = vl.Player(path, keypoints=poses_on(path), overlay="keypoints")
    without = vl.Player(path)
    changed = []
    for index in range(6):
        player.frame_index = without.frame_index = index
        pictures = [np.asarray(each.snapshot(), dtype=int) for each in (player, without)]
        changed.append(bool(np.abs(pictures[0] - pictures[1]).max() > 60))
    assert changed == [False, False, True, True, False, False]
