"""MoveNet by its address on TF-Hub, its handle on Kaggle Models, or a path: each finds its card."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from marked_people import NUM_PEOPLE, crowd, drawn, write_saved_model
from web_server import WebServer

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.models.loading import _card_like
from vidlab.models.pose.base import PoseModel

PUBLISHED = {
    "/google/movenet/singlepose/lightning/4": ("movenet-lightning", 192, 1),
    "/google/movenet/singlepose/thunder/3": ("movenet-thunder", 256, 1),
    "/google/movenet/multipose/lightning/1": ("movenet-multipose", None, NUM_PEOPLE),
}


class Hub(WebServer):
    """Serves SavedModels by their path, packed as TF-Hub does."""

    def __init__(self) -> None:
        super().__init__()
        self.models: dict[str, bytes] = {}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.partition("?")
        if query != "tf-hub-format=compressed" or path not in self.models:
            request.send_error(404)
            return
        request.send_response(200)
        request.end_headers()
        request.wfile.write(self.models[path])


@pytest.fixture(scope="module")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A SavedModel of the published signature for each path on TF-Hub."""
    pytest.importorskip("tensorflow_hub")
    folder = tmp_path_factory.mktemp("published")
    return {
        path: write_saved_model(folder / card, side_px=side_px, num_people=num_people)
        for path, (card, side_px, num_people) in PUBLISHED.items()
    }


@pytest.fixture
def hub(
    saved_models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hub]:
    monkeypatch.setenv("VIDLAB_CACHE", str(tmp_path / "hub"))
    with Hub() as running:
        for path, folder in saved_models.items():
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w:gz") as tar:
                tar.add(folder, arcname=".")
            running.models[path] = packed.getvalue()
        yield running


def check_finds_people(model: object, num_people: int) -> None:
    """Run a model on people who are drawn; it must find them all, in place."""
    assert isinstance(model, PoseModel)
    places = crowd(min(num_people, 2), height=360, width=480)
    people, _ = model.step(drawn(places, height=360, width=480), model.init_state())
    assert len(people) == len(places)
    assert np.abs(people[..., :2] - places).max() < 0.5


@pytest.mark.parametrize("path", PUBLISHED)
def test_an_address_finds_its_card(hub: Hub, path: str) -> None:
    card, _, num_people = PUBLISHED[path]
    model = vl.load_model(hub.at(path))
    assert (model.name, model.backend) == (card, "tfhub")
    assert hub.at(path) in model.title
    check_finds_people(model, num_people)


@pytest.mark.parametrize("path", PUBLISHED)
def test_a_folder_goes_with_its_card(
    saved_models: dict[str, Path], path: str, tmp_path: Path
) -> None:
    card, _, num_people = PUBLISHED[path]
    copy = shutil.copytree(saved_models[path], tmp_path / "mine")
    model = vl.load_model(copy, card=card)
    assert model.name == card
    check_finds_people(model, num_people)


def test_a_folder_may_be_called_as_the_published_one(
    saved_models: dict[str, Path], tmp_path: Path
) -> None:
    source = saved_models["/google/movenet/singlepose/thunder/3"]
    copy = shutil.copytree(source, tmp_path / "movenet_singlepose_thunder_4")
    assert vl.load_model(copy).name == "movenet-thunder"


def test_what_names_no_card_is_told_how_to(
    hub: Hub, saved_models: dict[str, Path], tmp_path: Path
) -> None:
    path = "/someone/keypoints/1"
    hub.models[path] = hub.models["/google/movenet/singlepose/thunder/3"]
    address = hub.at(path)
    with pytest.raises(OptionError, match=rf"{address} does not say.*card='movenet-lightning'"):
        vl.load_model(address)
    check_finds_people(vl.load_model(address, card="movenet-thunder"), 1)
    copy = shutil.copytree(saved_models["/google/movenet/singlepose/thunder/3"], tmp_path / "mine")
    with pytest.raises(OptionError, match=r"mine does not say.*list_models"):
        vl.load_model(copy)


@pytest.mark.parametrize(
    ("form", "message"),
    [("lite-model", "a LiteRT file: download it"), ("tfjs-model", "without tfjs-model/")],
)
def test_forms_that_are_no_saved_model_are_told(form: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        vl.load_model(f"https://tfhub.dev/google/{form}/movenet/singlepose/lightning/4")


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("https://tfhub.dev/google/movenet/singlepose/lightning/4", "movenet-lightning"),
        ("https://tfhub.dev/google/movenet/singlepose/thunder/3", "movenet-thunder"),
        ("https://tfhub.dev/google/movenet/multipose/lightning/1", "movenet-multipose"),
        ("https://www.kaggle.com/models/google/movenet/TensorFlow2/singlepose-lightning/4",
         "movenet-lightning"),
        ("google/movenet/tensorFlow2/singlepose-thunder/4", "movenet-thunder"),
        ("google/movenet/tensorFlow2/multipose-lightning/1", "movenet-multipose"),
        ("google/movenet/tfLite/singlepose-lightning-tflite-int8/1", "movenet-lightning"),
        ("weights/movenet_multipose_lightning_1", "movenet-multipose"),
        ("weights/movenet", None),
    ],
)  # fmt: skip
def test_names_of_movenet(name: str, card: str | None) -> None:
    found = _card_like(name)
    assert (found.name if found else None) == card


def test_a_handle_of_kaggle_finds_its_card(
    saved_models: dict[str, Path],
    mirror: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Handles of both forms; kagglehub, whose address is fixed, leaves them in folders."""
    folders = {
        "google/movenet/tensorFlow2/multipose-lightning/1": saved_models[
            "/google/movenet/multipose/lightning/1"
        ],
        "google/movenet/tfLite/singlepose-lightning-tflite-int8/1": tmp_path,
    }
    shutil.copy(mirror / "movenet_single_pose_lightning_ptq.tflite", tmp_path / "4.tflite")
    monkeypatch.setattr("kagglehub.model_download", lambda handle: str(folders[handle]))
    several, single = (vl.load_model(handle) for handle in folders)
    check_finds_people(several, NUM_PEOPLE)
    assert single.title == "litert:movenet-lightning (int8)"  # its content is known
