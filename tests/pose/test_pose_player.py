"""Poses on the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import make_video

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.core.palette import PERSON_COLORS, share_color
from vidlab.widgets.kept import kept_html
from vidlab.widgets.keypoints import read_keypoints


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
    bodies = read_keypoints(poses_on(path), None)
    assert bodies is not None
    (points,) = bodies.layers
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


def test_several_models_lie_over_one_another(path: Path) -> None:
    first = poses_on(path)
    moved = first.points.copy()
    moved[..., 0] += 3
    moved[..., 1] += 4
    second = first.replaced(points=moved, title="b:other")
    player = vl.Player(path, keypoints=[first, second], overlay="keypoints")
    assert player.keypoint_color == "model"
    assert player._info["keypoints"] == ["b:m", "b:other"]
    assert player._info["curves"] == ["A ↔ B, px"]
    bodies = read_keypoints({"mine": first, "yours": second}, None)
    assert bodies is not None
    assert [each.title for each in bodies.layers] == ["mine", "yours"]
    gaps = bodies.gaps
    assert gaps is not None
    assert gaps.names == vl.pose.COCO_17.keypoints[:16]
    np.testing.assert_array_equal(np.unique(gaps.frame_index), [2, 3])
    np.testing.assert_allclose(np.linalg.norm(gaps.to_px - gaps.from_px, axis=1), 5.0)


def test_tables_have_layers_but_no_distances(path: Path) -> None:
    table = poses_on(path).table.dropna()
    bodies = read_keypoints([table, table], None)
    assert bodies is not None
    assert len(bodies.layers) == 2
    assert bodies.gaps is None


def test_what_colours_tell_is_burned_in(path: Path, tmp_path: Path) -> None:
    unsure = poses_on(path)
    unsure.points[..., 2] *= 0.4
    player = vl.Player(path, keypoints=unsure, overlay="keypoints", keypoint_color="confidence")

    def has(shade: str) -> bool:
        picture = np.asarray(player.snapshot(2, width_px=640), dtype=int)
        wanted = list(bytes.fromhex(shade.removeprefix("#")))
        return bool((np.abs(picture - wanted).max(axis=2) <= 3).any())

    assert has(share_color(0.4))
    assert not has(PERSON_COLORS[0])
    player.keypoint_color = "person"
    assert has(PERSON_COLORS[0])
    made = vl.Video(player.export(tmp_path / "out.mp4", progress=False))
    plain = np.asarray(vl.Player(path).snapshot(2), dtype=int)
    assert np.abs(made.frame_at(2).rgb - plain).max() > 60
    with pytest.raises(OptionError, match="person, confidence, model"):
        player.keypoint_color = "mood"
    with pytest.raises(OptionError, match="holds none"):
        vl.Player(path, keypoints=[])
    with pytest.raises(OptionError, match="same video"):
        vl.Player(path, keypoints=[unsure, unsure.replaced(video="other.mp4")])


def test_what_stays_in_a_notebook_shows_skeletons(path: Path) -> None:
    shown = kept_html(vl.Player(path, keypoints=poses_on(path), overlay="keypoints"))
    hidden = kept_html(vl.Player(path, keypoints=poses_on(path)))
    assert shown != hidden
    assert "No predictions yet" not in shown + hidden
    assert "No predictions yet" in kept_html(vl.Player(path))


def test_a_file_whose_name_is_no_utf8_plays_with_its_poses(path: Path, tmp_path: Path) -> None:
    file = path.rename(path.with_name("caf\udce9.mp4"))
    player = vl.Player(file, keypoints=poses_on(file))
    assert "caf\\udce9.mp4" in repr(player)
    assert "caf\\udce9.mp4" in kept_html(player)
    player.save_html(tmp_path / "page.html")
    assert "<title>caf\\udce9.mp4 · vidlab" in (tmp_path / "page.html").read_text("utf-8")
