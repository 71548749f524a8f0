"""Poses as tables and files, numbers of people, smoothing, angles, repetitions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidlab import pose
from vidlab.core.errors import DatasetError, OptionError, PredictionsError


def poses_of(
    points: np.ndarray, rows=None, person=None, fps: float = 10.0, **changes
) -> pose.Poses:
    """Return poses ``[R, 17, 3]``; by default one person, on a frame each."""
    rows = np.arange(len(points)) if rows is None else np.asarray(rows)
    number = int(rows.max(initial=-1)) + 1
    about = {
        "video": "clip.mp4", "model": "m", "backend": "b", "title": "b:m", "width_px": 640,
        "height_px": 480, "skeleton": pose.COCO_17, "frame_index": np.arange(number) * 3,
        "time_seconds": np.arange(number) / fps, "row": rows,
        "person": np.zeros(len(points), dtype=int) if person is None else person,
        "points": points,
    }  # fmt: skip
    return pose.Poses(**(about | changes))


def some(number: int, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return np.concatenate(
        [draw.uniform(0, 400, (number, 17, 2)), draw.uniform(0.3, 1, (number, 17, 1))], axis=-1
    ).astype(np.float32)


def test_files_come_back_unchanged(tmp_path: Path) -> None:
    points = some(5)
    points[2, 3] = (np.nan, np.nan, 0)
    before = poses_of(
        points, rows=[0, 0, 2, 3, 3], person=np.array([0, 4, 0, 0, 2]), made_by={"a": 1},
        frame_index=np.array([0, 3, 6, 9, 12]), time_seconds=np.arange(5) / 7,
        latency_seconds=np.full(5, 0.25), stopped="it was enough",
    )  # fmt: skip
    before.save(tmp_path / "poses.parquet")
    after = pose.Poses.load(tmp_path / "poses.parquet")
    for name, value in vars(before).items():
        np.testing.assert_array_equal(getattr(after, name), value, err_msg=name)
    before.save(tmp_path / "poses.csv")
    assert (tmp_path / "poses.csv").read_text().count("\n") == 5 * 17 + 1
    with pytest.raises(PredictionsError, match=r"\.parquet"):
        before.save(tmp_path / "poses.json")
    with pytest.raises(PredictionsError, match="Cannot read"):
        pose.Poses.load(tmp_path / "poses.csv")


def test_coco_goes_out_and_comes_in(tmp_path: Path) -> None:
    points = some(4)
    points[1, 5] = (np.nan, np.nan, 0)
    before = poses_of(points, rows=[0, 0, 1, 3], person=np.array([0, 1, 1, 0]))
    path = pose.write_coco(before, tmp_path / "found.json")
    after = pose.from_coco(path)
    np.testing.assert_allclose(after.points, before.points, rtol=1e-6)
    for name in ("row", "person", "frame_index", "time_seconds", "width_px", "video"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), err_msg=name)
    results = json.loads(path.read_text())
    assert pose.average_precision(results, results["annotations"]).ap == pytest.approx(1.0)
    with pytest.raises(DatasetError, match="no COCO keypoint annotations"):
        pose.from_coco({"images": [{}]})
    with pytest.raises(DatasetError, match="no video 'other'"):
        pose.from_coco(path, video="other")
    with pytest.raises(DatasetError, match="as JSON"):
        pose.from_coco(tmp_path / "none.json")


def test_a_name_that_is_no_utf8_is_kept_and_escaped_where_it_is_written(tmp_path: Path) -> None:
    name, escaped = "caf\udce9.mp4", "caf\\udce9.mp4"
    found = poses_of(some(3), video=name, made_by={"video": {"name": name}})
    assert found.video == name
    assert found.replaced(title="smooth").video == name
    assert repr(found).startswith(f"<Poses of b:m on {escaped}: 3 frames")
    ax = found.plot()
    assert ax.get_title() == f"b:m on {escaped}"
    ax.figure.savefig(tmp_path / "chart.png")
    found.save(tmp_path / "poses.csv")
    found.save(tmp_path / "poses.parquet")
    loaded = pose.Poses.load(tmp_path / "poses.parquet")
    assert loaded.video == escaped
    assert loaded.made_by == found.made_by
    # As JSON calls it, which finds the file again.
    path = pose.write_coco(found, tmp_path / "coco.json")
    truth = json.loads(path.read_bytes())
    assert pose.from_coco(path).video == name
    for each in (found, loaded):
        assert len(pose.results_for(each, truth)) == 3
        assert len(pose.annotations_for(each, truth)["images"]) == 3


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(PredictionsError, match="twice on the same frame"):
        poses_of(some(2), rows=[0, 0])
    with pytest.raises(PredictionsError, match="must increase"):
        poses_of(some(2), frame_index=np.array([3, 3]))
    with pytest.raises(PredictionsError, match="in their order"):
        poses_of(some(2), rows=[1, 0], frame_index=np.arange(2), time_seconds=np.arange(2))


# ---------------------------------------------------------------- who is who


def test_people_keep_their_numbers_when_they_change_places() -> None:
    tracker = pose.Tracker(pose.COCO_17)
    body = some(1)[0]
    body[:, :2] = body[:, :2] / 8 + 100
    left, right = body.copy(), body + np.array([300, 0, 0], dtype=np.float32)
    assert tracker.number(np.stack([left, right]), 0.0).tolist() == [0, 1]
    step = np.array([4, 0, 0], dtype=np.float32)
    assert tracker.number(np.stack([right - step, left + step]), 0.1).tolist() == [1, 0]
    assert tracker.number(left[None] + 2 * step, 0.2).tolist() == [0]
    # Who was gone for a moment is the same; who comes where nobody was is new.
    newcomer = body + np.array([0, 250, 0], dtype=np.float32)
    assert tracker.number(np.stack([right, newcomer]), 0.9).tolist() == [1, 2]
    assert tracker.number(left[None], 5.0).tolist() == [3]
    assert tracker.number(left[:0].reshape(0, 17, 3), 5.1).tolist() == []


# ---------------------------------------------------------------- smoothing


def test_what_trembles_is_held_still_and_what_moves_is_followed() -> None:
    draw = np.random.default_rng(0)
    still = np.repeat(some(1), 100, axis=0)
    trembling = still.copy()
    trembling[..., :2] += draw.normal(0, 2, trembling[..., :2].shape)
    poses = poses_of(trembling, fps=25)
    smooth = pose.smoothed(poses)
    np.testing.assert_array_equal(poses.points, trembling)  # raw values are not lost
    np.testing.assert_array_equal(smooth.points[..., 2], trembling[..., 2])
    before = np.abs(trembling[30:, :, :2] - still[30:, :, :2]).mean()
    after = np.abs(smooth.points[30:, :, :2] - still[30:, :, :2]).mean()
    assert after < 0.5 * before
    moving = still.copy()
    moving[..., 0] += np.linspace(0, 3000, 100)[:, None]  # 750 px a second
    lag = moving[-1, :, 0] - pose.smoothed(poses_of(moving, fps=25)).points[-1, :, 0]
    slow = moving[-1, :, 0] - pose.smoothed(poses_of(moving, fps=25), beta=0).points[-1, :, 0]
    assert (lag < 0.5 * slow).all()
    assert smooth.made_by["smoothed"]["beta"] == 5.0
    with pytest.raises(OptionError, match="positive"):
        pose.smoothed(poses, min_cutoff_hz=0)


def test_smoothing_begins_anew_after_a_gap() -> None:
    points = some(6)
    points[3:, :, 0] += 1000
    poses = poses_of(
        points, rows=[0, 1, 2, 8, 9, 10], frame_index=np.arange(11), time_seconds=np.arange(11) / 10
    )
    np.testing.assert_array_equal(pose.smoothed(poses).points[3], points[3])


# ---------------------------------------------------------------- measures


@settings(max_examples=50)
@given(
    angle=st.floats(0, 180), turn=st.floats(0, 360), one=st.floats(1, 200), other=st.floats(1, 9)
)
def test_angles_are_those_that_were_drawn(
    angle: float, turn: float, one: float, other: float
) -> None:
    def towards(degrees: float, length: float) -> np.ndarray:
        return length * np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])

    middle = np.array([30.0, -7.0])
    got = pose.angle_deg(middle + towards(turn, one), middle, middle + towards(turn + angle, other))
    assert got == pytest.approx(angle, abs=1e-6)


def test_features_are_in_torsos_and_seconds() -> None:
    points = np.repeat(some(1), 3, axis=0)
    points[..., 2] = 1
    points[:, [5, 6], :2] = (100, 100)
    points[:, [11, 12], :2] = (100, 150)  # a torso of 50 px
    points[:, 9, 0] = (0, 25, 25)
    points[:, 9, 1] = 0
    points[2, 0, 2] = 0.1
    table = pose.features(poses_of(points, fps=10), distances=[("left_shoulder", "left_hip")])
    assert np.isnan(table["left_wrist_speed"][0])
    np.testing.assert_allclose(table["left_wrist_speed"][1:], [5, 0])
    np.testing.assert_allclose(table["left_shoulder_to_left_hip"], 1)
    assert np.isnan(table["nose_speed"][2])
    with pytest.raises(OptionError, match="left_elbow"):
        pose.features(poses_of(points), angles=["left_ellbow"])


# ---------------------------------------------------------------- repetitions


@pytest.mark.parametrize("count", [0, 1, 7])
@pytest.mark.parametrize("upside", [1, -1])
def test_cycles_are_counted_however_they_tremble(count: int, upside: int) -> None:
    draw = np.random.default_rng(count)
    seconds = np.arange(0, 2 * count + 4, 1 / 15)
    inside = (seconds >= 1) & (seconds < 1 + 2 * count)
    curve = np.where(inside, 40 * (1 - np.cos(np.pi * (seconds - 1))), 0.0)
    signal = upside * curve + draw.normal(0, 2, len(seconds))
    signal[::17] = np.nan
    found = pose.count_cycles(seconds, signal, least_range=30)
    assert found.count == count
    assert len(found.segments) == count
    for row in found.segments.itertuples():
        assert row.start_seconds == pytest.approx(1 + 2 * (row.repetition - 1), abs=0.8)
        assert row.end_seconds == pytest.approx(1 + 2 * row.repetition, abs=0.8)
    for number in range(1, count + 1):
        phase = found.curve.loc[found.curve["repetition"] == number, "phase"].to_numpy()
        assert (np.diff(phase) > 0).all()
        assert phase[0] == 0
        assert phase[-1] == 1


def test_nobody_repeats_nothing() -> None:
    assert pose.count_repetitions(poses_of(some(0)), "squat").count == 0
    with pytest.raises(OptionError, match="count_cycles"):
        pose.count_repetitions(poses_of(some(3)), "dancing")
    with pytest.raises(OptionError, match="no person 7"):
        pose.count_repetitions(poses_of(some(3)), "squat", person=7)
