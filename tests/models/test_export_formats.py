"""Every form computes what the network in PyTorch computes, frame by frame."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import card_of, model_of, random_network

import vidlab as vl
from vidlab.core.errors import ConversionError, ModelError, OptionError, WeightsError
from vidlab.models import Model
from vidlab.models.card import write_card
from vidlab.models.convert import read_litert, read_savedmodel
from vidlab.models.export import TARGETS, write_model
from vidlab.models.movinet import MoViNet

STREAMS = {
    "relu6": {"se_type": "none", "activation": "relu6", "gating_activation": "sigmoid"},
    "official": {},
    "3d": {
        "conv_type": "3d", "se_type": "3d", "activation": "swish", "gating_activation": "sigmoid",
    },
    "positions": {
        "conv_type": "3d_2plus1d", "se_type": "2d", "positional_encoding": True,
        "head_activation": "swish",
    },
    "positions-2plus3d": {"positional_encoding": True},
}  # fmt: skip
BASES = {"base": {}, "base-2plus1d": {"conv_type": "2plus1d", "se_type": "2plus3d"}}
KINDS = {**STREAMS, **BASES}

# An odd size: 'same' padding at stride 2 is uneven along one side only.
HEIGHT_PX, WIDTH_PX = 34, 41


def network_of(name: str) -> MoViNet:
    return random_network(kind="base" if name in BASES else "stream", **KINDS[name])


def frames_of(num_frames: int, *, seed: int = 1) -> np.ndarray:
    """Random pictures that change slowly, float32 [T, H, W, 3]."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.1, (num_frames, HEIGHT_PX, WIDTH_PX, 3)).cumsum(axis=0)
    return np.abs((rng.random((HEIGHT_PX, WIDTH_PX, 3)) + steps) % 2 - 1).astype(np.float32)


def as_torch(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames[None]).permute(0, 1, 4, 2, 3)


@torch.no_grad()
def expected_of(network: MoViNet, frames: np.ndarray) -> np.ndarray:
    """Logits after each frame, or of the clip."""
    if not network.config.causal:
        return network(as_torch(frames)).numpy()
    return network.step(as_torch(frames), network.init_state())[0][0].numpy()


Written = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Write a network of KINDS in one of TARGETS, once for all tests."""

    @functools.cache
    def write(name: str, to: str) -> Path:
        folder = tmp_path_factory.mktemp(f"{name}-{to}")
        return write_to(folder, network_of(name), to)

    return write


def write_to(folder: Path, network: MoViNet, to: str, **options: object) -> Path:
    path = folder / f"model{TARGETS[to].suffix}"
    write_model(network, path, to=to, height_px=HEIGHT_PX, width_px=WIDTH_PX, **options)
    return path


def load(path: Path, network: MoViNet) -> Model:
    format_ = {".tflite": "litert", ".onnx": "onnx"}.get(path.suffix, "tfhub")
    return vl.load_model(path, backend=format_, card=card_of(network), num_threads=1)


def answers_of(model: Model, frames: np.ndarray) -> np.ndarray:
    if model.card.kind == "clip":
        return model.classify(frames[None])
    return model.step(frames, model.init_state())[0]


@pytest.mark.parametrize("name", KINDS)
def test_onnx_computes_the_same(name: str, written: Written) -> None:
    import onnx

    network, frames = network_of(name), frames_of(6)
    model = load(written(name, "onnx"), network)
    onnx.checker.check_model(str(written(name, "onnx")), full_check=True)
    np.testing.assert_allclose(answers_of(model, frames), expected_of(network, frames), atol=1e-5)
    again = answers_of(model, frames[:4])
    np.testing.assert_allclose(again, expected_of(network, frames[:4]), atol=1e-5)


@pytest.mark.parametrize("name", ["official", "3d", "base-2plus1d"])
def test_litert_computes_the_same(name: str, written: Written) -> None:
    network, frames = network_of(name), frames_of(6)
    model = load(written(name, "litert"), network)
    np.testing.assert_allclose(answers_of(model, frames), expected_of(network, frames), atol=1e-5)
    again = answers_of(model, frames[:4])
    np.testing.assert_allclose(again, expected_of(network, frames[:4]), atol=1e-5)


@pytest.mark.parametrize("name", ["relu6", "3d", "positions", "positions-2plus3d", "base"])
def test_a_savedmodel_computes_the_same_and_is_read_back(name: str, written: Written) -> None:
    network, frames = network_of(name), frames_of(6)
    path = written(name, "savedmodel")
    model = load(path, network)
    np.testing.assert_allclose(answers_of(model, frames), expected_of(network, frames), atol=1e-5)

    config, state = read_savedmodel(path)
    assert config == network.config
    again = MoViNet(config).eval()
    again.load_state_dict(state, strict=False)
    np.testing.assert_allclose(expected_of(again, frames), expected_of(network, frames), atol=1e-5)


@torch.no_grad()
def test_a_savedmodel_takes_any_size_and_several_videos_at_once(written: Written) -> None:
    import tensorflow as tf

    network = network_of("positions-2plus3d")
    module = tf.saved_model.load(str(written("positions-2plus3d", "savedmodel")))
    clips = np.stack([frames_of(5, seed=seed)[:, :32, :30] for seed in (1, 2)])
    batch = torch.from_numpy(clips).permute(0, 1, 4, 2, 3)
    expected = network.step(batch, network.init_state(2))[0].numpy()

    # As TF-Hub's models are called: a dict of the frames and the states.
    states = module.init_states(tf.constant([2, 1, 32, 30, 3]))
    logits, states = module({"image": tf.constant(clips[:, :3]), **states})
    np.testing.assert_allclose(logits.numpy(), expected[:, 2], atol=1e-5)
    outputs = module.signatures["call"](image=tf.constant(clips[:, 3:]), **states)
    np.testing.assert_allclose(outputs.pop("logits").numpy(), expected[:, 4], atol=1e-5)
    assert set(outputs) == set(states)


@torch.no_grad()
def test_a_base_savedmodel_is_called_as_tf_hubs_are(written: Written) -> None:
    import tensorflow as tf

    network = network_of("base")
    module = tf.saved_model.load(str(written("base", "savedmodel")))
    clips = np.stack([frames_of(4, seed=seed) for seed in (1, 2)])
    expected = network(torch.from_numpy(clips).permute(0, 1, 4, 2, 3)).numpy()
    np.testing.assert_allclose(module({"image": clips}).numpy(), expected, atol=1e-5)
    (answer,) = module.signatures["serving_default"](image=tf.constant(clips)).values()
    np.testing.assert_allclose(answer.numpy(), expected, atol=1e-5)


def test_a_litert_file_is_read_back(written: Written) -> None:
    network, frames = network_of("official"), frames_of(4)
    config, state = read_litert(written("official", "litert"))
    assert config == network.config
    again = MoViNet(config).eval()
    again.load_state_dict(state, strict=False)
    np.testing.assert_allclose(expected_of(again, frames), expected_of(network, frames), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("positions-2plus3d", "positional encoding"),
        ("3d", "depthwise filters"),
        ("base-2plus1d", "no stream states"),
    ],
)
def test_a_litert_file_that_cannot_be_read_back_says_so(
    name: str, why: str, written: Written
) -> None:
    with pytest.raises(ConversionError, match=why):
        read_litert(written(name, "litert"))


def weights_by_type(path: Path) -> dict[str, set[str]]:
    """Types of the constants that the convolutions of a LiteRT file take."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    names = {value: name for name, value in vars(schema.TensorType).items() if name.isupper()}
    found: dict[str, set[str]] = {}
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        kinds = {schema.BuiltinOperator.CONV_2D: "dense"}
        kinds[schema.BuiltinOperator.DEPTHWISE_CONV_2D] = "depthwise"
        if code in kinds:
            weight = graph.Tensors(operator.Inputs(1))
            scales = weight.Quantization().ScaleLength() if weight.Quantization() else 0
            many = "per channel" if scales > 1 else "whole"
            found.setdefault(kinds[code], set()).add(f"{names[weight.Type()]} {many}")
    return found


@pytest.mark.parametrize("name", ["official", "positions", "base"])
def test_8_bit_integers_are_close(name: str, tmp_path: Path) -> None:
    network, frames = network_of(name), frames_of(12)
    path = write_to(tmp_path, network, "litert-int8", calibration=[frames])
    model = load(path, network)
    expected = expected_of(network, frames)
    error = np.linalg.norm(answers_of(model, frames) - expected) / np.linalg.norm(expected)
    assert 1e-5 < error < 0.1
    assert weights_by_type(path) == {
        "dense": {"INT8 per channel"},
        "depthwise": {"INT8 per channel"},
    }


def test_a_video_longer_than_those_for_calibration_is_not_cut_off(tmp_path: Path) -> None:
    # A quantised frame count, or sum over frames, stops at what calibration saw.
    network = network_of("official")
    frames = np.concatenate([frames_of(8), frames_of(60, seed=2)])
    seen = [frames_of(8), frames[8:16]]
    model = load(write_to(tmp_path, network, "litert-int8", calibration=seen), network)
    expected, got = expected_of(network, frames), answers_of(model, frames)
    errors = np.linalg.norm(got - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert errors[-8:].max() < 0.1
    assert np.linalg.norm(expected[-1] - expected[7]) / np.linalg.norm(expected[7]) > 0.1


def test_a_fine_tuned_network_is_written_as_it_is_now(tmp_path: Path) -> None:
    network, frames = network_of("official"), frames_of(3)
    before = expected_of(network, frames)
    with torch.no_grad():
        network.head.classifier.bias += 1
    after = answers_of(load(write_to(tmp_path, network, "onnx"), network), frames)
    np.testing.assert_allclose(after, before + 1, atol=1e-5)


@pytest.mark.parametrize("to", ["onnx", "litert"])
def test_a_clip_model_has_no_steps(to: str, written: Written) -> None:
    network = network_of("base-2plus1d")
    path = written("base-2plus1d", to)
    model = load(path, network)
    for wrong in (model.init_state, lambda: model.step(frames_of(1), {})):
        with pytest.raises(ModelError, match="classify"):
            wrong()
    with pytest.raises(OptionError, match="is a clip model"):
        vl.load_model(path, card=card_of(network, kind="stream"))
    with pytest.raises(OptionError, match="Pass the name of the card"):
        vl.load_model(path)


def test_what_is_no_export_is_refused(tmp_path: Path, written: Written) -> None:
    import onnx
    from onnx import helper

    card = card_of(network_of("official"))
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(WeightsError, match="not an ONNX model"):
        vl.load_model(tmp_path / "text.onnx", card=card)
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    other = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "g", [value], [other])
    opset = helper.make_opsetid("", 17)
    onnx.save(
        helper.make_model(graph, opset_imports=[opset], ir_version=8), tmp_path / "other.onnx"
    )
    with pytest.raises(WeightsError, match="not a model that vidlab exported"):
        vl.load_model(tmp_path / "other.onnx", card=card)
    with pytest.raises(OptionError, match=r"torch backend cannot run other\.onnx"):
        vl.load_model(tmp_path / "other.onnx", backend="torch", card=card)
    with pytest.raises(ModelError, match="prepares 64x41x3"):
        vl.load_model(
            written("official", "onnx"), card=card_of(network_of("official"), height_px=64)
        )


@pytest.mark.parametrize("backend", ["litert", "onnx"])
def test_an_exported_file_needs_its_own_runtime_only(backend: str, written: Written) -> None:
    """As on a small computer: vidlab with one extra, without torch and TensorFlow."""
    network = network_of("official")
    path = written("official", backend)
    write_card(card_of(network), path)
    video = vl.sample_videos()["squat"]
    own = {"litert": "ai_edge_litert", "onnx": "onnxruntime"}[backend]
    others = {
        "torch", "torchvision", "safetensors", "tensorflow", "tensorflow_hub", "kagglehub",
        "matplotlib", "jupyterlab", "onnx", "onnxruntime", "ai_edge_litert",
    } - {own}  # fmt: skip
    script = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {others!r}:
            raise ModuleNotFoundError(f"{{name}} is not here")

sys.meta_path.insert(0, Absent())
import vidlab as vl
model = vl.load_model({str(path)!r})
predictions = vl.predict({str(video)!r}, model, progress=False)
print(model.backend, len(predictions), predictions.table["label"].iloc[0].startswith("label"))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=os.environ
    )
    assert done.stdout.split() == [backend, "20", "True"], done.stderr[-2000:]


def test_a_missing_runtime_is_named(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of("official")
    path = written("official", "onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(vl.VidlabError, match=r'onnx backend needs.*"vidlab\[onnx\]"'):
        vl.load_model(path, card=card_of(network))


def test_loading_a_model_to_export(tmp_path: Path) -> None:
    # The helper that the other tests lean on gives the same network back.
    network, frames = network_of("official"), frames_of(3)
    model = model_of(network, tmp_path)
    np.testing.assert_allclose(answers_of(model, frames), expected_of(network, frames), atol=1e-5)
