"""Coordinates are those of the frame as it is shown, whatever a file or a model does to it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vidlab as vl
from vidlab.models.base import Provenance
from vidlab.models.card import ModelCard
from vidlab.models.pose.movenet import MoveNet

CARD = ModelCard(
    name="finder", title="Finder", family="movenet", kind="pose", skeleton="coco-17",
    preprocessing=vl.Preprocessing(height_px=192, width_px=192, scale=1.0),
)  # fmt: skip
# Of each marker, how much is red and how much green: blending with black leaves that as it is.
RED = (np.arange(17) + 0.5) / 17
SPREAD_PX = 5


def markers(places: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """Draw a soft disc of its own colour at each place ``[17, 2]``, in px."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    frame = np.zeros((height, width, 3))
    for red, (x, y) in zip(RED, places, strict=True):
        light = np.clip(SPREAD_PX + 0.5 - np.hypot(columns - x, rows - y), 0, 1)
        frame += 255 * light[..., None] * np.array([red, 1 - red, 0])
    return frame.round().astype(np.uint8)


def find(picture: np.ndarray) -> np.ndarray:
    """Find the markers, as a model would: y, x from 0 to 1, and confidence."""
    light = picture[..., :2].sum(axis=-1).astype(np.float64)
    is_bright = light > 70
    which = np.floor(17 * picture[..., 0] / np.maximum(light, 1)).astype(int)
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    found = np.zeros((17, 3), dtype=np.float32)
    for number in range(17):
        weight = light * (is_bright & (which == number))
        if weight.sum() > 0:
            y, x = ((each * weight).sum() / weight.sum() for each in (rows, columns))
            found[number] = y / picture.shape[0], x / picture.shape[1], 0.9
    return found


def finder() -> MoveNet:
    return MoveNet(
        find, backend="python", card=CARD, variant="own", num_threads=1, least_confidence=0.1,
        provenance=Provenance(weights_file="", weights_sha256="", place="memory", runtime=""),
    )  # fmt: skip


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    height=st.sampled_from([192, 240, 360]),
    width=st.sampled_from([192, 320, 480]),
)
def test_markers_are_found_where_they_are(seed: int, height: int, width: int) -> None:
    draw = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(5), np.arange(4)), axis=-1).reshape(-1, 2)[:17]
    places = (grid + 0.5) * [width / 5, height / 4] + draw.uniform(-5, 5, (17, 2))
    # Together in a part of the frame, so that the second look is a crop.
    places = places * 0.7 + draw.uniform(0, 0.3, 2) * [width, height]
    frame = markers(places, height=height, width=width)
    model, state = finder(), None
    for _ in range(3):
        (person,), state = model.step(frame, state)
        assert (person[:, 2] > 0).all()
        assert np.abs(person[:, :2] - places).max() < 0.5


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_file_gives_the_same_keypoints(
    turn: int, clips: Path, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    # Nothing is lost on the way: noise of 2 levels already moves this model's answers by 4 px.
    source = vl.Video(clips / "R6llTwEh07w.mp4")
    frames = [frame.rgb for frame in source.frames(start=110, stop=130)]
    found = {}
    for degrees in (0, turn):
        path = tmp_path / f"{degrees}.mp4"
        height, width = np.rot90(frames[0], k=degrees // 90).shape[:2]
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=30, options={"qp": "0"})
            stream.width, stream.height, stream.pix_fmt = width // 2 * 2, height // 2 * 2, "yuv444p"
            if degrees:
                stream.set_display_rotation(-degrees)  # anticlockwise
            for rgb in frames:
                turned = np.ascontiguousarray(np.rot90(rgb, k=degrees // 90))
                out.mux(stream.encode(av.VideoFrame.from_ndarray(turned, format="rgb24")))
            out.mux(stream.encode())
        model = vl.load_model("movenet-lightning")
        found[degrees] = vl.predict(path, model, fps="source", progress=False)
    upright, turned = found.values()
    assert (turned.width_px, turned.height_px) == (upright.width_px, upright.height_px)
    np.testing.assert_array_equal(turned.row, upright.row)
    away = np.linalg.norm(turned.points[..., :2] - upright.points[..., :2], axis=-1)
    assert np.median(away) < 2
