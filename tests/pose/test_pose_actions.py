"""From pose to action: velocities, repetitions and labels, held against the exact truth."""

from __future__ import annotations

import json

import numpy as np
import pytest

import vidlab as vl
from vidlab import pose
from vidlab.core.errors import DatasetError, OptionError, PredictionsError
from vidlab.datasets import STICK_ACTIONS, clip_keypoints, render_clip

FRAME_RATE = 25.0


def moving(x_px: np.ndarray, y_px: np.ndarray, *, torso_px: float = 50.0) -> pose.Poses:
    """Return a person who stands, and whose left wrist is at these places ``[T]``."""
    points = np.ones((len(x_px), 17, 3))
    points[:, :, :2] = 100
    points[:, [11, 12], 1] = 100 + torso_px
    points[:, 9, 0], points[:, 9, 1] = x_px, y_px
    return pose.from_keypoints(points, frame_rate=FRAME_RATE, width_px=640, height_px=480)


# ---------------------------------------------------------------- velocities


def test_velocities_are_those_of_a_circle() -> None:
    """Once around in 2 seconds, clockwise on the screen, at a radius of 2 torsos."""
    seconds = np.arange(100) / FRAME_RATE
    angle = np.pi * seconds
    poses = moving(300 + 100 * np.cos(angle), 300 + 100 * np.sin(angle))
    table = pose.features(poses, velocities=True)
    between = np.pi * (seconds[1:] - 0.5 / FRAME_RATE)
    # Chords are shorter than arcs by the factor sin(h)/h, h being half the step's angle.
    half = 0.5 * np.pi / FRAME_RATE
    speed = 2 * np.pi * np.sin(half) / half
    near = {"rtol": 1e-4, "atol": 1e-4}  # keypoints are float32
    np.testing.assert_allclose(table["left_wrist_velocity_x"][1:], -speed * np.sin(between), **near)
    np.testing.assert_allclose(table["left_wrist_velocity_y"][1:], speed * np.cos(between), **near)
    np.testing.assert_allclose(table["left_wrist_speed"][1:], speed, **near)
    assert table["left_wrist_velocity_x"][:1].isna().all()
    np.testing.assert_array_equal(table["nose_velocity_x"][1:], 0)


def test_backwards_only_velocities_change_their_sign() -> None:
    draw = np.random.default_rng(0)
    there = draw.uniform(0, 400, (2, 30))
    forth = pose.features(moving(*there), velocities=True)[1:]
    back = pose.features(moving(*there[:, ::-1]), velocities=True)[:0:-1]
    for name in forth.columns[3:]:
        if "velocity" in name:
            np.testing.assert_allclose(forth[name], -back[name])
        elif "speed" in name:
            np.testing.assert_allclose(forth[name], back[name])


def test_velocities_come_when_they_are_asked_for() -> None:
    poses = moving(np.arange(3.0), np.arange(3.0))
    plain, more = pose.features(poses), pose.features(poses, velocities=True)
    assert not any("velocity" in name for name in plain)
    assert list(more.columns[: len(plain.columns)]) == list(plain.columns)
    assert len(more.columns) == len(plain.columns) + 2 * 17


# ---------------------------------------------------------------- keypoints as poses


def test_keypoints_become_poses() -> None:
    keypoints = np.random.default_rng(0).uniform(1, 99, (4, 17, 3))
    keypoints[..., 2] = 2
    keypoints[1, 3], keypoints[2, 5, 2] = (0, 0, 0), 0.25
    found = pose.from_keypoints(keypoints, frame_rate=8, width_px=99, height_px=99, video="a.mp4")
    np.testing.assert_array_equal(found.time_seconds, [0, 0.125, 0.25, 0.375])
    np.testing.assert_allclose(found.points[0, :, :2], keypoints[0, :, :2], rtol=1e-6)
    assert np.isnan(found.points[1, 3, :2]).all()
    assert found.points[[0, 1, 2], [0, 3, 5], 2].tolist() == [1, 0, 0.25]
    assert keypoints[1, 3].tolist() == [0, 0, 0]  # what was given stays as it is
    assert (found.video, found.num_people) == ("a.mp4", 1)
    with pytest.raises(PredictionsError, match=r"\[T, 17, 3\]"):
        pose.from_keypoints(keypoints[..., :2], frame_rate=8, width_px=9, height_px=9)
    with pytest.raises(PredictionsError, match="frame rate above 0"):
        pose.from_keypoints(keypoints, frame_rate=0, width_px=9, height_px=9)


@pytest.mark.parametrize("label", ["squat", "walking right", "standing up", "moonwalking left"])
def test_keypoints_need_no_picture(label: str) -> None:
    options = {"label": label, "size_px": 64, "frame_rate": 4.0, "num_frames": 6}
    for seed in range(50, 56):  # some of them blurred by motion
        drawn = render_clip(seed, **options).keypoints
        quick = clip_keypoints(seed, **options)
        np.testing.assert_array_equal(quick[..., :2], drawn[..., :2])
        np.testing.assert_array_equal(quick[..., 2], np.where(drawn[..., 2] > 0, 2, 0))
    np.testing.assert_array_equal(
        clip_keypoints(7)[..., :2], clip_keypoints(7, label=STICK_ACTIONS[7])[..., :2]
    )
    with pytest.raises(OptionError, match="STICK_ACTIONS"):
        clip_keypoints(7, label="squatt")


# ---------------------------------------------------------------- the truth of the sample videos


def true_poses(name: str) -> pose.Poses:
    return pose.from_coco(vl.sample_videos().keypoints, video=f"{name}.mp4")


def test_every_frame_of_every_sample_video_has_its_truth() -> None:
    samples = vl.sample_videos()
    for name, path in samples.items():
        video, poses = vl.Video(path), true_poses(name)
        np.testing.assert_allclose(poses.time_seconds, video.pts_seconds, atol=1e-4)
        assert (poses.width_px, poses.height_px) == (video.width, video.height)
        assert poses.row.tolist() == list(range(video.num_frames))


def test_the_truth_of_a_sample_video_is_its_seeds() -> None:
    exact = clip_keypoints(9_000_303, label="squat", size_px=256, frame_rate=25.0, num_frames=100)
    points = true_poses("squat").points
    is_there = exact[..., 2] > 0
    assert is_there.mean() > 0.9
    np.testing.assert_allclose(points[is_there, :2], exact[is_there, :2], atol=0.0051)
    assert (points[~is_there, 2] == 0).all()


def test_only_frames_that_were_looked_at_are_judged() -> None:
    truth = json.loads(vl.sample_videos().keypoints.read_text(encoding="utf-8"))
    every = true_poses("squat").replaced(video="squat.mp4")
    looked_at = np.arange(0, 100, 5)
    points = every.points[looked_at]
    some = every.replaced(
        frame_index=looked_at, time_seconds=every.time_seconds[looked_at], latency_seconds=None,
        row=np.arange(20), person=np.zeros(20, dtype=int), points=points,
    )  # fmt: skip
    part = pose.annotations_for(some, truth)
    assert [image["frame_index"] for image in part["images"]] == looked_at.tolist()
    assert {each["image_id"] for each in part["annotations"]} == {
        image["id"] for image in part["images"]
    }
    assert part["categories"] == truth["categories"]
    perfect = pose.average_precision(part, pose.results_for(some, part))
    assert (perfect.ap, perfect.ar) == (pytest.approx(1.0), pytest.approx(1.0))
    # Nobody found on half of the frames: that is missed, not left out.
    half = some.replaced(row=np.arange(10), person=np.zeros(10, dtype=int), points=points[:10])
    assert pose.annotations_for(half, truth) == part
    assert pose.average_precision(part, pose.results_for(half, part)).ar == pytest.approx(0.5)
    with pytest.raises(DatasetError, match="no image of"):
        pose.annotations_for(some.replaced(video="other.mp4"), truth)


# How often each goes to the other end and comes back, counted by eye.
COUNTS = {"squat": ("squat", 2), "jumping_jacks": ("jumping jacks", 5)}


@pytest.mark.parametrize("name", COUNTS)
def test_repetitions_on_the_sample_videos(name: str) -> None:
    exercise, count = COUNTS[name]
    found = pose.count_repetitions(true_poses(name), exercise)
    assert found.count == count
    lasting = found.segments["end_seconds"] - found.segments["start_seconds"]
    assert lasting.between(0.5, 2.0).all()


@pytest.mark.parametrize("name", COUNTS)
def test_movenet_counts_as_the_truth_does(name: str, mirror, monkeypatch) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    exercise, count = COUNTS[name]
    model = vl.load_model("movenet-lightning")
    raw = vl.predict(vl.sample_videos()[name], model, fps=10, progress=False)
    exact = pose.count_repetitions(true_poses(name), exercise).segments
    for poses in (raw, pose.smoothed(raw)):
        found = pose.count_repetitions(poses, exercise)
        assert found.count == count
        np.testing.assert_allclose(
            found.segments["start_seconds"], exact["start_seconds"], atol=0.35
        )


@pytest.mark.parametrize(("name", "furthest"), [("squat", "idxmax"), ("jumping_jacks", "idxmin")])
def test_phase_is_a_half_where_it_is_furthest_from_its_beginning(name: str, furthest: str) -> None:
    """The squat begins at the bottom, the jumping jacks with the arms up."""
    found = pose.count_repetitions(true_poses(name), COUNTS[name][0])
    for _, curve in found.curve[found.curve["repetition"] > 0].groupby("repetition"):
        assert (curve["phase"].diff().dropna() > 0).all()
        top = getattr(curve["signal"], furthest)()
        assert curve["phase"][top] == pytest.approx(0.5)


# ---------------------------------------------------------------- pairs that only time tells apart


def test_of_a_pair_only_velocities_know_which() -> None:
    """Seen as a heap of frames, a clip and its reverse have the same angles and speeds."""
    keypoints = clip_keypoints(7, label="sitting down")
    sitting, standing = (
        pose.features(
            pose.from_keypoints(each, frame_rate=5, width_px=172, height_px=172), velocities=True
        ).mean()
        for each in (keypoints, keypoints[::-1])
    )
    same = [name for name in sitting.index if name.endswith(("_angle_deg", "_speed"))]
    np.testing.assert_allclose(sitting[same], standing[same])
    assert sitting["nose_velocity_y"] > 0.05 > -0.05 > standing["nose_velocity_y"]


def test_the_truth_in_cocos_form_is_what_the_clip_says(tmp_path) -> None:
    vl.datasets.write_stick_actions(
        tmp_path, seeds=[7], size_px=64, frame_rate=4.0, seconds=1.0, progress=False
    )
    content = json.loads((tmp_path / "keypoints.json").read_text(encoding="utf-8"))
    poses = pose.from_coco(content)
    np.testing.assert_allclose(poses.time_seconds, [0, 0.25, 0.5, 0.75])
    exact = clip_keypoints(7, size_px=64, frame_rate=4.0, num_frames=4)
    is_there = exact[..., 2] > 0
    np.testing.assert_allclose(poses.points[is_there, :2], exact[is_there, :2], atol=0.0051)
