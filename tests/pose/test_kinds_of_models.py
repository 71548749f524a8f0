"""Models of labels and models of keypoints: what takes one and not the other says what does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import make_video

import vidlab as vl
from vidlab import pose
from vidlab.certificate import certify
from vidlab.comparison import Comparison
from vidlab.core.errors import OptionError
from vidlab.models import LoadedModel, Model, PoseModel
from vidlab.models.card import card_named


@pytest.fixture
def finder(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedModel:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    return vl.load_model("movenet-lightning")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    make_video(path, num_frames=4)
    return path


@pytest.fixture(scope="module")
def labels_model() -> LoadedModel:
    return vl.load_model("stickactions-xs-stream", backend="torch")


def test_both_are_loaded_models(finder: LoadedModel, labels_model: LoadedModel) -> None:
    assert isinstance(finder, PoseModel)
    assert isinstance(labels_model, Model)
    for model, backend in ((finder, "litert"), (labels_model, "torch")):
        assert isinstance(model, LoadedModel)
        assert model.title == f"{backend}:{model.card.name} ({model.variant})"
        assert model.provenance.weights_sha256
        assert model.num_threads >= 1


TAKES_LABELS: dict[str, Callable[[Any, Any, Path], object]] = {
    "stream": lambda model, clip, _: vl.stream(clip, model),
    "compare": lambda model, clip, _: vl.compare(clip, [model, model]),
    "evaluate": lambda model, clip, _: vl.evaluate(model, clip.parent),
    "time_models": lambda model, *_: vl.time_models([model]),
    "export": lambda model, _, out: vl.export(model, out / "model.onnx", to="onnx"),
    "fit": lambda model, clip, _: vl.fit(model, clip.parent),
    "certify": lambda model, clip, _: certify(model, videos=[clip]),
    "explain its way": lambda model, clip, _: vl.explain_preprocessing(
        clip, "tfhub-movinet", model
    ),
    "explain for it": lambda model, clip, _: vl.explain_preprocessing(
        clip, "tfhub-movinet", "tfhub-movinet", model=model
    ),
}


@pytest.mark.parametrize("name", TAKES_LABELS)
def test_what_is_about_labels_names_predict(
    name: str, finder: LoadedModel, clip: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=r"finds keypoints, not labels: vidlab\.predict\(video"):
        TAKES_LABELS[name](finder, clip, tmp_path)
    assert not list(tmp_path.iterdir())


def test_one_model_is_no_comparison(finder: LoadedModel, clip: Path) -> None:
    with pytest.raises(OptionError, match="at least two models"):
        vl.compare(clip, finder)


TAKES_POSES: dict[str, Callable[[Any, Path], object]] = {
    "smoothed": lambda given, _: pose.smoothed(given),
    "features": lambda given, _: pose.features(given),
    "count_repetitions": lambda given, _: pose.count_repetitions(given, "squat"),
    "to_coco": lambda given, _: pose.to_coco(given),
    "write_coco": lambda given, out: pose.write_coco(given, out / "found.json"),
    "results_for": lambda given, _: pose.results_for(given, {"images": []}),
    "distances": lambda given, _: pose.distances(given, given),
}


@pytest.fixture(scope="module")
def predictions(labels_model: LoadedModel, clip: Path) -> vl.Predictions:
    found = vl.predict(clip, labels_model, progress=False)
    assert isinstance(found, vl.Predictions)
    return found


@pytest.mark.parametrize("name", TAKES_POSES)
def test_what_is_about_poses_names_predict(
    name: str, predictions: vl.Predictions, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=r"Poses are needed, .*movenet-lightning.*<Predictions"):
        TAKES_POSES[name](predictions, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_comparison_takes_no_poses(finder: LoadedModel, clip: Path) -> None:
    poses: Any = vl.predict(clip, finder, progress=False)
    with pytest.raises(OptionError, match=r"got <Poses of .*Player\(video, keypoints"):
        Comparison([poses, poses])


def test_runtimes_that_find_no_keypoints_say_so(finder: LoadedModel, mirror: Path) -> None:
    path = mirror / "movenet_single_pose_lightning_ptq.tflite"
    with pytest.raises(OptionError, match="openvino backend opens no models of keypoints"):
        vl.load_model(path, backend="openvino")
    with pytest.raises(OptionError, match="openvino backend cannot run movenet-lightning"):
        vl.load_model("openvino:movenet-lightning")
    table = vl.list_models()
    runs = set(table.loc[table["name"] == "movenet-lightning", "backends"])
    assert runs == {"litert", "tfhub"}
    with pytest.raises(OptionError, match=r"measures models that answer with labels.*'litert'"):
        vl.load_model("movenet-lightning", backend="auto")
    with pytest.raises(OptionError, match=r"measures models that answer with labels.*'litert'"):
        vl.load_model(path, backend="auto")


def test_a_network_of_ones_own_answers_with_labels() -> None:
    with pytest.raises(OptionError, match="movenet-lightning finds keypoints"):
        vl.load_model(lambda array: np.zeros((1, 2)), card=card_named("movenet-lightning"))
