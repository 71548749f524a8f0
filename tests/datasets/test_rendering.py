"""Clips: the same for a seed, true about themselves, and told apart by time alone where so said."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.datasets import (
    KEYPOINT_NAMES,
    MIRRORED_LABELS,
    STICK_ACTIONS,
    TIME_ONLY_PAIRS,
    StickClip,
    render_clip,
    scene,
)
from vidlab.datasets.body import random_body, solve
from vidlab.datasets.choreography import Step, perform
from vidlab.datasets.effects import Effects
from vidlab.datasets.motions import once
from vidlab.datasets.rendering import label_of
from vidlab.datasets.seeds import Purpose, generator

SEEDS = st.integers(0, 2**40)


def digest(clip: StickClip) -> str:
    arrays = clip.rgb, clip.labels, clip.keypoints, clip.boxes, clip.pts_seconds
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def small(seed: int, *, label: str | None = None, num_frames: int = 4) -> StickClip:
    return render_clip(seed, label=label, size_px=64, frame_rate=2.0, num_frames=num_frames)


def plain_scene(seed: int, label: str, monkeypatch: pytest.MonkeyPatch) -> scene.Scene:
    """A scene without anything but the place and the person: no shadow, noise or thing in front."""
    monkeypatch.setattr(scene, "occluders", lambda *_: [])
    monkeypatch.setattr(scene, "movers", lambda *_: [])
    monkeypatch.setattr(Effects, "apply", lambda _, image, __: image)
    t = np.arange(4) / 1.25
    made = scene.Scene(seed, [Step(label, 0.0, 3.2)], t, size_px=172, end=3.2)
    made._shadow = 0
    return made


# ---- labels ----------------------------------------------------------------------------------


def test_labels_are_the_shipped_label_map():
    labels = vl.LabelMap.named("stick-actions")
    assert tuple(labels) == STICK_ACTIONS
    assert len(STICK_ACTIONS) >= 20


def test_most_labels_are_those_of_kinetics():
    kinetics = vl.LabelMap.named("kinetics-600")
    own = {label for label in STICK_ACTIONS if label not in kinetics}
    assert own == {
        "bowing", "closing door", "moonwalking left", "moonwalking right", "sitting down",
        "standing up", "walking left", "walking right",
    }  # fmt: skip


def test_pairs_and_mirrors_are_labels():
    assert {label for pair in TIME_ONLY_PAIRS for label in pair} <= set(STICK_ACTIONS)
    assert all(MIRRORED_LABELS[MIRRORED_LABELS[label]] == label for label in MIRRORED_LABELS)


def test_seeds_in_a_row_hold_every_label_equally_often():
    counts = Counter(label_of(seed) for seed in range(1000, 1000 + 10 * len(STICK_ACTIONS)))
    assert counts == dict.fromkeys(STICK_ACTIONS, 10)
    assert small(1000).label == label_of(1000)


# ---- the same for a seed ---------------------------------------------------------------------


def test_a_seed_gives_the_same_bytes_in_another_process():
    code = (
        "import hashlib; from vidlab.datasets import render_clip\n"
        "for seed in (3, 52):\n"
        "    clip = render_clip(seed, size_px=64, frame_rate=2.0, num_frames=4)\n"
        "    print(hashlib.sha256(b''.join(array.tobytes() for array in (clip.rgb, clip.labels,\n"
        "        clip.keypoints, clip.boxes, clip.pts_seconds))).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    small(7)  # What was rendered before must not matter.
    assert done.stdout.split() == [digest(small(3)), digest(small(52))]


def test_seeds_give_other_people_and_places():
    assert len({digest(small(seed, label="squat")) for seed in range(8)}) == 8


@settings(max_examples=20)
@given(SEEDS, st.sampled_from(STICK_ACTIONS), st.integers(1, 5), st.integers(16, 70))
def test_any_clip_holds_together(seed: int, label: str, num_frames: int, size_px: int):
    clip = render_clip(seed, label=label, size_px=size_px, frame_rate=3.0, num_frames=num_frames)
    assert clip.rgb.shape == (num_frames, size_px, size_px, 3)
    assert clip.rgb.dtype == np.uint8
    assert clip.labels.tolist() == [STICK_ACTIONS.index(label)] * num_frames
    np.testing.assert_allclose(clip.pts_seconds, np.arange(num_frames) / 3.0)
    rows = clip.segments.to_dict("records")
    assert rows == [
        {"start_seconds": 0.0, "end_seconds": round(num_frames / 3.0, 6), "label": label}
    ]

    assert clip.keypoints.shape == (num_frames, 17, 3)
    assert clip.keypoints.dtype == clip.boxes.dtype == np.float32
    x, y, state = np.moveaxis(clip.keypoints, -1, 0)
    inside = (x >= 0) & (x < size_px) & (y >= 0) & (y < size_px)
    assert set(np.unique(state)) <= {0, 1, 2}
    np.testing.assert_array_equal(state > 0, inside)
    low, high = clip.boxes[:, None, :2], clip.boxes[:, None, :2] + clip.boxes[:, None, 2:]
    assert (low >= 0).all()
    assert (high <= size_px + 1e-3).all()
    # A joint lies in the body that is drawn around it.
    held = (clip.keypoints[..., :2] >= low - 0.5) & (clip.keypoints[..., :2] <= high + 0.5)
    assert held.all(axis=-1)[inside].all()


# ---- true about itself -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_a_visible_joint_is_drawn(seed: int, monkeypatch: pytest.MonkeyPatch):
    label = ("jumping jacks", "jogging", "sitting down", "high kick", "push up", "bowing")[seed]
    made = plain_scene(seed, label, monkeypatch)
    seen = hidden = 0
    for i, points in enumerate(made.keypoints()):
        change = np.abs(
            made.frame(i).astype(int) - made.frame(i, with_person=False).astype(int)
        ).sum(axis=-1)
        for x, y, state in points:
            if state == 2:
                seen += 1
                hidden += change[int(y), int(x)] <= 12
    assert seen > 30
    assert hidden / seen < 0.03  # Skin before a wall of that very colour.


@pytest.mark.parametrize("seed", range(6))
def test_the_box_is_tight(seed: int, monkeypatch: pytest.MonkeyPatch):
    made = plain_scene(seed, ("squat", "situp", "jogging")[seed % 3], monkeypatch)
    for i, (x, y, width, height) in enumerate(made.boxes()):
        change = (made.frame(i) != made.frame(i, with_person=False)).any(axis=-1)
        left, top, right, bottom = Image.fromarray(change).getbbox()
        np.testing.assert_allclose(
            (x, y, x + width, y + height), (left, top, right, bottom), atol=2.0
        )


def test_a_joint_behind_something_is_not_visible(monkeypatch: pytest.MonkeyPatch):
    made = plain_scene(0, "jumping jacks", monkeypatch)
    wall = np.full((4, 4, 3), (0.0, 0.0, 2.0)) + np.array(
        [(sx * 9.0, sy * 9.0, 0.0) for sx in (-1, 1) for sy in (-1, 1)]
    )
    before = made.keypoints()
    assert (before[..., 2] == 2).any()
    monkeypatch.setattr(
        scene, "occluders", lambda *_: [scene.Part(wall, np.full(4, 0.1), (9, 9, 9))]
    )
    t = np.arange(4) / 1.25
    behind = scene.Scene(0, [Step("jumping jacks", 0.0, 3.2)], t, size_px=172, end=3.2).keypoints()
    np.testing.assert_array_equal(behind[..., :2], before[..., :2])
    assert set(np.unique(behind[..., 2])) <= {0, 1}


def test_left_is_the_persons_own():
    # Somebody who faces the camera has their left on the right of the picture.
    clips = [small(seed, label="jumping jacks") for seed in range(12)]
    left, right = (KEYPOINT_NAMES.index(f"{side}_shoulder") for side in ("left", "right"))
    nose = KEYPOINT_NAMES.index("nose")
    faces = checked = 0
    for clip in clips:
        for points in clip.keypoints:
            if points[nose, 2] == 2:
                checked += 1
                faces += points[left, 0] > points[right, 0]
    assert checked > 20
    assert faces / checked > 0.95


def test_projection_is_that_of_a_pinhole():
    rng = np.random.default_rng(0)
    size, focal, distance, target, elevation = 100, 160.0, 4.0, 0.8, 0.3
    follow, roll, zoom, shift = 0.4, 0.1, 1.2, np.array((3.0, -5.0))
    camera = scene.Camera(
        size_px=size, focal_px=focal, distance=distance, target=target, elevation=elevation,
        follow=np.array([follow]), shift=shift[None], zoom=np.array([zoom]), roll=np.array([roll]),
    )  # fmt: skip
    points = rng.normal(size=(1, 5, 3))
    xy, depth, scale = camera.project(points)

    sin, cos = np.sin(elevation), np.cos(elevation)
    eye = np.array((follow, target + distance * sin, distance * cos))
    axes = np.array(((1, 0, 0), (0, -cos, sin), (0, -sin, -cos)))  # Right, down, ahead.
    right, down, ahead = axes @ (points[0] - eye).T
    turn = zoom * np.array(((np.cos(roll), -np.sin(roll)), (np.sin(roll), np.cos(roll))))
    expected = (turn @ (focal * np.stack((right, down)) / ahead)).T + size / 2 + shift
    np.testing.assert_allclose(xy[0], expected)
    np.testing.assert_allclose(depth[0], ahead)
    np.testing.assert_allclose(scale[0], focal / ahead * zoom)


@settings(max_examples=40)
@given(SEEDS, st.sampled_from(STICK_ACTIONS))
def test_bones_keep_their_length(seed: int, label: str):
    body = random_body(generator(seed, Purpose.PERSON))
    plan = [Step(label, 0.5, 3.5), Step("squat", 4.5, 7.0)]
    joints = solve(body, perform(body, seed, plan, np.linspace(0.0, 7.5, 40), end=7.5).pose)
    for side in "lr":
        for start, end, length in (
            ("shoulder", "elbow", body.upper_arm), ("elbow", "wrist", body.forearm),
            ("hip", "knee", body.thigh), ("knee", "ankle", body.shin),
        ):  # fmt: skip
            bone = joints[f"{side}_{end}"] - joints[f"{side}_{start}"]
            np.testing.assert_allclose(np.linalg.norm(bone, axis=1), length, rtol=1e-6)


# ---- time alone ------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), TIME_ONLY_PAIRS)
def test_the_second_of_a_pair_is_the_first_played_backwards(first: str, second: str):
    for seed in (5, 6):
        forward = small(seed, label=first)
        backward = small(seed, label=second)
        np.testing.assert_array_equal(backward.rgb, forward.rgb[::-1])
        np.testing.assert_array_equal(backward.keypoints, forward.keypoints[::-1])
        np.testing.assert_array_equal(backward.boxes, forward.boxes[::-1])
        assert (forward.label, backward.label) == (first, second)
        assert digest(forward.reversed()) == digest(backward)
        assert len(np.unique(forward.rgb.reshape(4, -1), axis=0)) == 4, "nothing moves"


def test_a_walker_goes_where_the_label_says():
    for way in ("left", "right"):
        for label, is_walking in ((f"walking {way}", True), (f"moonwalking {way}", False)):
            moved, nose_ahead = [], []
            for seed in range(6):
                body = random_body(generator(seed, Purpose.PERSON))
                forward = label if is_walking else dict(map(reversed, TIME_ONLY_PAIRS))[label]
                times = np.array((0.0, 3.0)) if is_walking else np.array((3.0, 0.0))
                acted = perform(body, seed, [Step(forward, 0.0, 3.0)], times, end=3.0)
                x, _, yaw = acted.pose["root"].T
                moved.append(np.sign(x[1] - x[0]))
                nose_ahead.append(np.sign(np.sin(yaw[0])))
            direction = 1.0 if way == "right" else -1.0
            assert moved == [direction] * 6
            assert nose_ahead == [direction if is_walking else -direction] * 6


def test_what_happens_once_takes_most_of_a_clip_of_any_length():
    for seconds in (2.0, 3.2, 4.0):
        t = np.linspace(0.0, seconds, 400)
        for seed in range(30):
            progress = once(np.random.default_rng(seed), t, seconds)
            assert progress[0] < 0.01
            assert progress[-1] > 0.99
            assert (np.diff(progress) >= 0).all()
            share = ((progress > 0.0) & (progress < 1.0)).mean()
            assert 0.6 < share < 0.97


def test_the_camera_does_not_tell_which_way_time_runs():
    # A cue of either kind would have a mean of one sign over many seeds.
    changes = []
    for seed in range(300):
        body = random_body(generator(seed, Purpose.PERSON))
        t = np.arange(16) / 5.0
        acted = perform(body, seed, [Step("sitting down", 0.0, 3.2)], t, end=3.2)
        camera = scene._camera(generator(seed, Purpose.CAMERA), body, acted, t, 172)
        changes.append(
            [
                np.log(camera.zoom[-1] / camera.zoom[0]),
                *(camera.shift[-1] - camera.shift[0]),
                camera.roll[-1] - camera.roll[0],
            ]
        )
    mean, error = np.mean(changes, axis=0), np.std(changes, axis=0) / np.sqrt(len(changes))
    assert (error > 0).all()
    assert (np.abs(mean) < 4.0 * error).all()


# ---- mirrored --------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["walking left", "moonwalking right", "waving hand"])
def test_a_mirror_changes_left_and_right(label: str):
    clip = small(4, label=label)
    mirror = clip.mirrored()
    assert mirror.label == {"walking left": "walking right"}.get(
        label, {"moonwalking right": "moonwalking left"}.get(label, label)
    )
    assert mirror.labels.tolist() == [STICK_ACTIONS.index(mirror.label)] * 4
    np.testing.assert_array_equal(mirror.rgb, clip.rgb[:, :, ::-1])
    left, right = (KEYPOINT_NAMES.index(f"{side}_wrist") for side in ("left", "right"))
    np.testing.assert_allclose(mirror.keypoints[:, left, 0], 64 - clip.keypoints[:, right, 0])
    np.testing.assert_allclose(mirror.keypoints[:, left, 1:], clip.keypoints[:, right, 1:])
    np.testing.assert_allclose(
        mirror.boxes[:, 0] + mirror.boxes[:, 2], 64 - clip.boxes[:, 0], atol=1e-4
    )
    again = mirror.mirrored()
    np.testing.assert_array_equal(again.rgb, clip.rgb)
    np.testing.assert_allclose(again.keypoints, clip.keypoints, atol=1e-4)


# ---- wrong options ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed must be a whole number, 0 or more; got -1"),
        ({"seed": 1.5}, "seed must be"),
        ({"size_px": 8}, "size_px must be a whole number, 16 or more"),
        ({"frame_rate": 0}, "frame_rate must be a number above 0"),
        ({"frame_rate": float("nan")}, "frame_rate must be"),
        ({"num_frames": 0}, "num_frames must be"),
        ({"label": "jumping jack"}, "Did you mean 'jumping jacks'"),
    ],
)
def test_wrong_options_are_refused(options: dict, message: str):
    with pytest.raises(OptionError, match=message):
        render_clip(**{"seed": 0} | options)


def test_a_clip_says_what_it_is():
    assert (
        repr(small(2, label="lunge")) == "StickClip(lunge: 4 frames of 64x64 px at 2 fps, seed 2)"
    )
