"""Real pose models on real people, and what they must not say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic import make_video

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.models.pose.blazepose import anchors, around
from vidlab.models.pose.movenet import next_region
from vidlab.pose.poses import POSE_COLUMNS


@pytest.fixture(autouse=True)
def weights(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))


@pytest.fixture(scope="module")
def movenet_on(shared_data: Path):
    """Poses by MoveNet on a clip; computed once each."""
    found: dict[tuple[str, float], vl.pose.Poses] = {}

    def run(name: str, fps: float = 10) -> vl.pose.Poses:
        if (name, fps) not in found:
            model = vl.load_model("movenet-lightning")
            found[name, fps] = vl.predict(
                shared_data / "clips" / name, model, fps=fps, progress=False
            )
        return found[name, fps]

    return run


def test_all_of_a_person_is_found(movenet_on) -> None:
    poses = movenet_on("R6llTwEh07w.mp4")
    (person,) = poses.at_frame(120)
    assert poses.time_seconds[np.searchsorted(poses.frame_index, 120)] == pytest.approx(4.0)
    assert (person[:, 2] > 0.3).sum() == 17
    assert poses.num_people <= 3


def test_most_of_a_person_among_others(movenet_on) -> None:
    poses = movenet_on("mmaction2_demo_skeleton.mp4")
    confident = (poses.points[..., 2] > 0.3).sum(axis=1)
    assert np.median(confident) >= 14


def test_the_table_is_about_the_frame(movenet_on) -> None:
    poses = movenet_on("R6llTwEh07w.mp4")
    table = poses.table
    assert list(table.columns) == list(POSE_COLUMNS)
    assert len(table) == 17 * len(poses.row)
    sure = table[table["confidence"] > 0.5]
    assert sure["x_px"].between(0, poses.width_px).all()
    assert sure["y"].between(0, 1).all()
    np.testing.assert_allclose(table["x_px"], table["x"] * poses.width_px, rtol=1e-5)


def test_two_models_see_the_same_person(movenet_on, shared_data: Path) -> None:
    video = shared_data / "clips" / "mmaction2_demo_skeleton.mp4"
    blaze = vl.predict(video, vl.load_model("blazepose-lite"), fps=5, progress=False)
    assert blaze.skeleton.name == "blazepose-33"
    assert len(blaze.row) > 0.7 * len(blaze)
    size = np.ptp(blaze.points[..., 1], axis=1)
    assert np.median(size) > 0.15 * blaze.height_px


@pytest.mark.parametrize("name", ["movenet-lightning", "blazepose-lite"])
def test_nobody_is_an_empty_table(name: str, tmp_path: Path) -> None:
    make_video(tmp_path / "empty.mp4", num_frames=6)
    poses = vl.predict(tmp_path / "empty.mp4", vl.load_model(name), progress=False)
    assert len(poses) == 6
    assert list(poses.table.columns) == list(POSE_COLUMNS)
    assert len(poses.table) == 0
    assert poses.num_people == 0


def test_what_is_for_labels_is_refused(shared_data: Path) -> None:
    model = vl.load_model("movenet-lightning")
    clip = shared_data / "clips" / "R6llTwEh07w.mp4"
    with pytest.raises(OptionError, match="takes no hop, max_results"):
        vl.predict(clip, model, hop=3, max_results=2)
    with pytest.raises(OptionError, match="keypoints"):
        vl.compare(clip, [model, model])


def test_models_for_one_person_say_so(movenet_on) -> None:
    model, poses = vl.load_model("movenet-lightning"), movenet_on("felixchenfy_exercise.avi", 5)
    assert "the best person only" in repr(model)
    assert poses.made_by["people"] == "the best person only"
    assert "1 person (the best person only)" in repr(poses)
    table = vl.list_models()
    single = table["name"].isin(["movenet-lightning", "movenet-thunder", "blazepose-lite"])
    assert table.loc[single, "note"].str.startswith("the best person only").all()


def test_among_three_people_it_stays_with_one(movenet_on) -> None:
    poses = movenet_on("felixchenfy_exercise.avi", 5)
    assert len(poses.row) > 0.95 * len(poses)
    xy, confidence = poses.points[..., :2], poses.points[..., 2:]
    middle = (xy * confidence).sum(axis=1) / confidence.sum(axis=1)
    steps = np.linalg.norm(np.diff(middle, axis=0), axis=1)
    is_sure = confidence.mean(axis=(1, 2)) > 0.3
    # The others stand 75 px and more to either side: nobody goes as far in a fifth of a second.
    assert steps[is_sure[1:] & is_sure[:-1]].max() < 37
    assert is_sure.mean() > 0.9


# ---------------------------------------------------------------- where to look next


def test_the_next_frame_is_cut_around_the_hips() -> None:
    person = np.zeros((17, 3), dtype=np.float32)
    person[:, 0], person[:, 1] = 300, 200
    person[[5, 6], 1] = 160  # shoulders 40 px above the hips
    person[[15, 16], 1] = 290  # ankles 90 px below
    person[:, 2] = 0.9
    region = next_region(person, height=480, width=640)
    assert (region.x_px, region.y_px) == (300, 200)
    assert region.width_px == region.height_px == pytest.approx(2 * 1.2 * 90)
    person[[11, 12], 2] = 0.1
    assert next_region(person, height=480, width=640) is None


def test_blazepose_turns_people_upright() -> None:
    up = around(np.array([100.0, 100.0]), np.array([100.0, 40.0]))
    assert up.angle_rad == pytest.approx(0)
    assert up.width_px == pytest.approx(2 * 60 * 1.25)
    lying = around(np.array([100.0, 100.0]), np.array([160.0, 100.0]))
    assert lying.angle_rad == pytest.approx(np.pi / 2)
    head = lying.from_frame(np.array([160.0, 100.0]))
    assert head[1] < 0.2
    assert head[0] == pytest.approx(0.5)


def test_there_is_an_anchor_for_each_answer() -> None:
    assert anchors().shape == (2254, 2)
    assert anchors().min() > 0
    assert anchors().max() < 1
