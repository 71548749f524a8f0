"""MoveNet for several people, on SavedModels like the published one."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from marked_people import CONFIDENCE, NUM_PEOPLE, crowd, drawn, write_saved_model
from PIL import Image

import vidlab as vl
from vidlab.core.errors import WeightsError
from vidlab.models.card import card_named
from vidlab.models.pose.multipose import MultiPose


@pytest.fixture(scope="module")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror with a MultiPose that takes any size, and a folder with one for a single person."""
    pytest.importorskip("tensorflow_hub")
    folder = tmp_path_factory.mktemp("mirror")
    name = card_named("movenet-multipose").variant("float").file
    write_saved_model(folder / name, side_px=None, num_people=NUM_PEOPLE)
    write_saved_model(folder / "single", side_px=256, num_people=1)
    return folder


@pytest.fixture
def model(saved_models: Path, monkeypatch: pytest.MonkeyPatch) -> MultiPose:
    monkeypatch.setenv("VIDLAB_MODELS", str(saved_models))
    model = vl.load_model("movenet-multipose")
    assert isinstance(model, MultiPose)
    return model


def test_what_it_says_of_itself(model: MultiPose) -> None:
    assert model.title == "tfhub:movenet-multipose (float)"
    assert "at most 6 people" in repr(model)
    assert model.provenance.place == "mirror"
    assert model.card.licence == "Apache-2.0"


@pytest.mark.parametrize(("height", "width"), [(360, 640), (640, 360), (480, 480), (201, 333)])
@pytest.mark.parametrize("num_people", [1, 3])
def test_people_are_found_where_they_are(
    model: MultiPose, height: int, width: int, num_people: int
) -> None:
    places = crowd(num_people, height=height, width=width, seed=height)
    radius = min(height, width) / 36
    frame = drawn(places, height=height, width=width, radius_px=radius)
    people, state = model.step(frame, model.init_state())
    assert people.shape == (num_people, 17, 3)
    assert people.dtype == np.float32
    assert state is None
    assert np.abs(people[..., :2] - places).max() < 0.5
    np.testing.assert_allclose(people[..., 2], CONFIDENCE)


def test_who_has_too_low_a_score_is_not_there(model: MultiPose) -> None:
    places = crowd(3, height=360, width=640)
    places[1, 4:] = np.nan  # 4 of 17 keypoints: 0.9 * 4 / 17 is less than the card's 0.25
    frame = drawn(places, height=360, width=640)
    people, _ = model.step(frame, None)
    assert len(people) == 2
    assert np.abs(people[..., :2] - places[[0, 2]]).max() < 0.5
    model.least_confidence = 0.2
    assert len(model.step(frame, None)[0]) == 3
    assert model.step(np.zeros_like(frame), None)[0].shape == (0, 17, 3)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_turned_file_gives_the_places_that_are_seen(
    model: MultiPose, turn: int, tmp_path: Path
) -> None:
    height, width = 240, 400
    path, start = tmp_path / "clip.mp4", crowd(2, height=height, width=width)
    with av.open(str(path), "w") as out:
        shown = np.rot90(np.empty((height, width)), k=turn // 90).shape
        stream = out.add_stream("libx264rgb", rate=10, options={"qp": "0"})
        stream.height, stream.width, stream.pix_fmt = *shown, "rgb24"
        if turn:
            stream.set_display_rotation(-turn)  # anticlockwise
        for index in range(4):
            places = start + np.array([3 * index, 0])
            frame = drawn(places, height=height, width=width, radius_px=7)
            turned = np.ascontiguousarray(np.rot90(frame, k=turn // 90))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(turned, format="rgb24")))
        out.mux(stream.encode())
    poses = vl.predict(path, model, fps="source", progress=False)
    assert (poses.width_px, poses.height_px) == (width, height)
    assert poses.num_people == 2
    assert poses.made_by["max_people"] == 6
    assert "2 people (at most 6 people)" in repr(poses)
    for index in range(4):
        places = start + np.array([3 * index, 0])
        assert np.abs(poses.at_frame(index)[..., :2] - places).max() < 0.5


TURN = Image.Transpose
# How a camera that was held so stores what stands upright (EXIF 2.3, tag 0x0112).
STORED = {
    1: None, 2: TURN.FLIP_LEFT_RIGHT, 3: TURN.ROTATE_180, 4: TURN.FLIP_TOP_BOTTOM,
    5: TURN.TRANSPOSE, 6: TURN.ROTATE_90, 7: TURN.TRANSVERSE, 8: TURN.ROTATE_270,
}  # fmt: skip


@pytest.mark.parametrize("orientation", STORED)
def test_a_turned_photo_gives_the_places_that_are_seen(
    model: MultiPose, orientation: int, tmp_path: Path
) -> None:
    height, width = 240, 400
    places = crowd(2, height=height, width=width)
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = Image.fromarray(drawn(places, height=height, width=width, radius_px=7))
    turn = STORED[orientation]
    photo = photo if turn is None else photo.transpose(turn)
    photo.save(tmp_path / "photo.jpg", exif=exif, quality=100, subsampling=0)
    poses = vl.predict(tmp_path / "photo.jpg", model, progress=False)
    assert (len(poses), poses.num_people) == (1, 2)
    assert (poses.width_px, poses.height_px) == (width, height)
    assert np.abs(poses.at_frame(0)[..., :2] - places).max() < 0.5


def test_a_copy_anywhere_runs_with_the_card(saved_models: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(saved_models / "movenet_multipose_lightning", tmp_path / "mine")
    assert isinstance(vl.load_model(copy, card="movenet-multipose"), MultiPose)


def test_a_litert_file_that_takes_any_size_runs_too(saved_models: Path, tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    source = saved_models / "movenet_multipose_lightning"
    path = tmp_path / "multipose.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(source)).convert())
    model = vl.load_model(path, card="movenet-multipose")
    assert isinstance(model, MultiPose)
    assert model.backend == "litert"
    places = crowd(3, height=360, width=640)
    people, _ = model.step(drawn(places, height=360, width=640), None)
    assert np.abs(people[..., :2] - places).max() < 0.5


def test_other_networks_are_refused(saved_models: Path) -> None:
    with pytest.raises(WeightsError, match=r"single gives \[1, 1, 17, 3\].*\[6, 56\]"):
        vl.load_model(saved_models / "single", card="movenet-multipose")
    with pytest.raises(WeightsError, match=r"takes \[1, 256, 256, 3\].*\[1, 192, 192, 3\]"):
        vl.load_model(saved_models / "single", card="movenet-lightning")
    multipose = saved_models / "movenet_multipose_lightning"
    with pytest.raises(WeightsError, match=r"gives \[1, 6, 56\].*\[17, 3\]"):
        vl.load_model(multipose, card="movenet-thunder")
