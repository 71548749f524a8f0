"""Models that look at one picture at a time, in PyTorch and in Keras."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import torch

import vidlab as vl
from vidlab.core.errors import ModelError, OptionError, WeightsError
from vidlab.core.probabilities import softmax
from vidlab.models.base import Model
from vidlab.models.card import ModelCard, write_card
from vidlab.models.convert import load_safetensors, save_safetensors
from vidlab.models.export.keras import write_keras
from vidlab.models.frame_cnn import FrameCNN
from vidlab.transforms import Preprocessing

FORMS = ("safetensors", "keras", "h5")
SIDE = 40
CARD = ModelCard(
    name="pictures",
    title="Pictures",
    family="frame-cnn",
    kind="frame",
    labels=("a", "b", "c"),
    preprocessing=Preprocessing(height_px=SIDE, width_px=SIDE, frame_rate=5.0),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network in every form, beside one card."""
    folder = tmp_path_factory.mktemp("pictures")
    torch.manual_seed(0)
    network = FrameCNN(3, channels=(8, 12))
    with torch.no_grad():
        for _ in range(3):
            network.train()(torch.rand(8, 3, SIDE, SIDE))  # so that batch norm does something
        network.classifier.weight *= 20.0
    network.eval()
    save_safetensors(folder / "pictures.safetensors", network, network.state_dict())
    for form in FORMS[1:]:
        path = folder / f"pictures.{form}"
        write_keras(network, path, height_px=SIDE, width_px=SIDE)
    write_card(CARD, folder / "pictures.toml")
    return folder


@pytest.fixture(params=FORMS)
def model(folder: Path, request: pytest.FixtureRequest) -> Model:
    return vl.load_model(folder / f"pictures.{request.param}")


def frames(number: int = 6) -> np.ndarray:
    return np.random.default_rng(1).random((number, SIDE, SIDE, 3), dtype=np.float32)


def test_every_form_answers_the_same(model: Model, folder: Path) -> None:
    assert model.backend == ("torch" if "safetensors" in model.provenance.weights_file else "keras")
    reference = load_safetensors(folder / "pictures.safetensors")
    with torch.inference_mode():
        wanted = reference(torch.from_numpy(frames()).permute(0, 3, 1, 2)).numpy()
    logits, _ = model.step(frames(), model.init_state())
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, wanted, atol=1e-5)
    assert wanted.std(axis=0).min() > 1e-3, "frames differ, so that the comparison says something"


def test_the_threads_it_names_are_those_it_computes_with(folder: Path) -> None:
    code = (
        "import sys, vidlab as vl, tensorflow as tf\n"
        "model = vl.load_model(sys.argv[1], num_threads=3)\n"
        "threads = tf.config.threading.get_intra_op_parallelism_threads()\n"
        "assert (model.num_threads, threads) == (3, 3), (model, threads)\n"
    )
    subprocess.run([sys.executable, "-c", code, folder / "pictures.keras"], check=True)


def test_what_came_before_changes_nothing(model: Model) -> None:
    together, _ = model.step(frames(), model.init_state())
    state = model.init_state()
    for index in (3, 0, 5):
        alone, state = model.step(frames()[index : index + 1], state)
        np.testing.assert_allclose(alone[0], together[index], atol=1e-5)


def test_a_clip_has_the_mean_probabilities_of_its_frames(model: Model) -> None:
    clips = np.stack([frames(), frames()[::-1]])
    logits = model.classify(clips)
    wanted = softmax(model.step(frames(), None)[0]).mean(axis=0)
    np.testing.assert_allclose(softmax(logits), [wanted, wanted], atol=1e-5)


def test_predict_and_stream_take_them(model: Model) -> None:
    video = vl.Video(vl.sample_videos()["squat"])
    predictions = vl.predict(video, model, fps=5, progress=False)
    streamed = list(vl.stream(video, model, fps=5))
    assert len(predictions) == len(streamed) > 10
    np.testing.assert_allclose(
        predictions.probabilities, softmax(np.stack([each.logits for each in streamed])), atol=1e-5
    )


def test_a_softmax_in_the_network_is_not_applied_twice(tmp_path: Path) -> None:
    image = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.GlobalAveragePooling2D()(image)
    for name, layers in {
        "activation": [keras.layers.Dense(3, activation="softmax")],
        "layer": [keras.layers.Dense(3), keras.layers.Softmax()],
        "network": [keras.Sequential([keras.layers.Dense(3), keras.layers.Softmax()])],
    }.items():
        y = x
        for layer in layers:
            y = layer(y)
        network = keras.Model(image, y)
        network.layers[2].set_weights([200.0 * np.eye(3, dtype=np.float32), np.zeros(3)])
        network.save(tmp_path / f"{name}.keras")
        model = vl.load_model(tmp_path / f"{name}.keras", card=CARD)
        logits, _ = model.step(frames(), None)
        wanted = network(frames()).numpy()
        assert wanted.max() > 0.6
        np.testing.assert_allclose(softmax(logits), wanted, atol=1e-5)


def test_wrong_files_are_said(folder: Path, tmp_path: Path) -> None:
    for name in ("cut.keras", "cut.h5"):
        whole = (folder / f"pictures{Path(name).suffix}").read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(WeightsError, match="not a Keras model"):
            vl.load_model(tmp_path / name, card=CARD)
    image = keras.Input((SIDE, SIDE, 3))
    keras.Model(image, keras.layers.Conv2D(3, 1)(image)).save(tmp_path / "map.keras")
    with pytest.raises(WeightsError, match="no classifier of pictures"):
        vl.load_model(tmp_path / "map.keras", card=CARD)
    other = replace(CARD, preprocessing=Preprocessing(height_px=9, width_px=9, frame_rate=5.0))
    with pytest.raises(ModelError, match="prepares 9x9x3"):
        vl.load_model(folder / "pictures.keras", card=other)
    with pytest.raises(OptionError, match="is a frame model"):
        vl.load_model(folder / "pictures.keras", card=replace(CARD, kind="stream"))
    (tmp_path / "alone.h5").write_bytes((folder / "pictures.h5").read_bytes())
    with pytest.raises(OptionError, match="Pass the name of the card"):
        vl.load_model(tmp_path / "alone.h5")


@pytest.mark.parametrize(
    "config",
    [
        "",
        "[]",
        '{"num_classes": 3}',
        '{"num_classes": 0, "channels": [8]}',
        '{"num_classes": 3, "channels": []}',
        '{"num_classes": 3, "channels": 8}',
    ],
)
def test_a_network_that_is_described_wrongly(config: str) -> None:
    with pytest.raises(OptionError, match="does not describe a FrameCNN"):
        FrameCNN.from_json(config)


def test_weights_that_do_not_fit_are_said(tmp_path: Path) -> None:
    small, large = FrameCNN(3, channels=(8,)), FrameCNN(3, channels=(9,))
    save_safetensors(tmp_path / "wrong.safetensors", small, large.state_dict())
    with pytest.raises(WeightsError, match="do not fit"):
        load_safetensors(tmp_path / "wrong.safetensors")


def test_half_precision_is_read_as_float32(tmp_path: Path) -> None:
    network = FrameCNN(3, channels=(8,)).eval()
    save_safetensors(tmp_path / "half.safetensors", network, network.state_dict(), half=True)
    loaded = load_safetensors(tmp_path / "half.safetensors")
    pictures = torch.rand(2, 3, SIDE, SIDE)
    with torch.inference_mode():
        assert loaded(pictures).dtype == torch.float32
        torch.testing.assert_close(loaded(pictures), network(pictures), atol=1e-3, rtol=1e-2)


def test_only_movinets_are_exported(model: Model, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="looks at single pictures; only MoViNets"):
        vl.export(model, tmp_path / "pictures.onnx", to="onnx")
