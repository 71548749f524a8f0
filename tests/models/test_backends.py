"""One suite, run once per backend, on the real weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vidlab as vl
from vidlab.core.errors import LabelMapError, ModelError, OptionError
from vidlab.models import Model

BACKENDS = ("torch", "tfhub", "litert")
WEIGHTS = {
    "torch": "movinet_a0_stream_k600_int8.tflite",
    "tfhub": "movinet_a0_stream_k600_savedmodel",
    "litert": "movinet_a0_stream_k600_int8.tflite",
}


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model-cache")


@pytest.fixture(scope="module", params=[*BACKENDS, "onnx"])
def model(request: pytest.FixtureRequest, mirror: Path, model_cache: Path) -> Model:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDLAB_MODELS", str(mirror))
        patch.setenv("VIDLAB_CACHE", str(model_cache))
        if request.param != "onnx":
            return vl.load_model("movinet-a0-stream", backend=request.param)
        # Nobody publishes this form: it is vidlab's own.
        name = "torch:movinet-a0-stream"
        path = vl.export(name, model_cache / "a0.onnx", to="onnx", certificate=False)
        return vl.load_model(path)


@pytest.fixture(scope="module")
def frames(clips: Path) -> np.ndarray:
    """Twelve prepared frames of a real clip, float32 [12, 172, 172, 3]."""
    video = vl.Video(clips / "carving_ice.mp4")
    from vidlab.models.card import card_named

    prepare = card_named("movinet-a0-stream").preprocessing
    return np.stack([prepare(video[i].rgb) for i in range(0, 72, 6)])


def test_it_says_what_it_is(model: Model) -> None:
    assert model.title.startswith(f"{model.backend}:movinet-a0-stream (")
    assert model.provenance.place == ("path" if model.backend == "onnx" else "mirror")
    assert len(model.provenance.weights_sha256) == 64
    assert model.num_classes == 600
    assert model.labels[model.labels.id_of("carving ice")] == "carving ice"
    assert model.title in repr(model)


@pytest.mark.parametrize("splits", [[12], [1] * 12, [5, 7], [1, 10, 1]])
def test_chunks_equal_single_steps(model: Model, frames: np.ndarray, splits: list[int]) -> None:
    whole, _ = model.step(frames, model.init_state())
    state, parts = model.init_state(), []
    for part in np.split(frames, np.cumsum(splits)[:-1]):
        logits, state = model.step(part, state)
        parts.append(logits)
    assert whole.shape == (12, 600)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-4)


def test_classify_is_the_last_step(model: Model, frames: np.ndarray) -> None:
    stepped, _ = model.step(frames, model.init_state())
    np.testing.assert_allclose(model.classify(frames[None])[0], stepped[-1], atol=1e-4)


def test_a_state_is_not_changed_by_a_step(model: Model, frames: np.ndarray) -> None:
    _, state = model.step(frames[:3], model.init_state())
    first, _ = model.step(frames[3:5], state)
    again, _ = model.step(frames[3:5], state)
    np.testing.assert_array_equal(first, again)


def test_two_videos_do_not_mix(model: Model, frames: np.ndarray) -> None:
    alone, _ = model.step(frames, model.init_state())
    one, other = model.init_state(), model.init_state()
    for index in range(len(frames)):
        mine, one = model.step(frames[index : index + 1], one)
        _, other = model.step(1 - frames[index : index + 1], other)
    np.testing.assert_allclose(mine[0], alone[-1], atol=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 8, 8, 3), np.float32),
        np.zeros((172, 172, 3), np.float32),
        np.zeros((0, 172, 172, 3), np.float32),
        np.zeros((1, 172, 172, 3), np.float64),
    ],
)
def test_wrong_frames_are_told(model: Model, wrong: np.ndarray) -> None:
    with pytest.raises(ModelError, match=r"model\.preprocessing"):
        model.step(wrong, model.init_state())


@pytest.mark.parametrize("backend", BACKENDS)
def test_paths_work_like_names(
    backend: str, mirror: Path, model_cache: Path, monkeypatch, frames: np.ndarray
) -> None:
    monkeypatch.delenv("VIDLAB_MODELS", raising=False)
    monkeypatch.setenv("VIDLAB_CACHE", str(model_cache))
    loaded = vl.load_model(f"{backend}:{mirror / WEIGHTS[backend]}")
    assert loaded.name == "movinet-a0-stream"
    assert loaded.provenance.place == "path"
    assert loaded.step(frames[:2], loaded.init_state())[0].shape == (2, 600)


def test_the_runtimes_agree(
    mirror: Path, model_cache: Path, monkeypatch, frames: np.ndarray
) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    monkeypatch.setenv("VIDLAB_CACHE", str(model_cache))
    logits = {}
    for backend in BACKENDS:
        loaded = vl.load_model("movinet-a0-stream", backend=backend)
        logits[backend] = loaded.step(frames, loaded.init_state())[0]
    np.testing.assert_allclose(logits["torch"], logits["tfhub"], atol=1e-3, rtol=1e-3)
    top = {name: values.argmax(axis=1) for name, values in logits.items()}
    assert (top["litert"] == top["torch"]).mean() >= 0.75


def test_a_conversion_is_made_once(
    mirror: Path, cache: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    first = vl.load_model("torch:movinet-a0-stream")
    assert "converting" in capsys.readouterr().err
    assert first.provenance.converted_from == "litert"
    assert len(list((cache / "converted").glob("*.safetensors"))) == 1
    vl.load_model("torch:movinet-a0-stream")
    assert "converting" not in capsys.readouterr().err


def test_the_record_names_the_file_that_was_read(mirror: Path, cache: Path, monkeypatch) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    model = vl.load_model("torch:movinet-a0-stream")
    assert model.provenance.weights_file == WEIGHTS["litert"]
    assert model.provenance.weights_sha256.startswith("6125b36e")


@pytest.mark.parametrize("card", ["movinet-a2-stream", "movinet-a0-base"])
@pytest.mark.parametrize("backend", ["torch", "litert"])
def test_a_card_of_another_model_is_refused(
    card: str, backend: str, mirror: Path, model_cache: Path, monkeypatch
) -> None:
    monkeypatch.setenv("VIDLAB_CACHE", str(model_cache))
    with pytest.raises((OptionError, ModelError)):
        vl.load_model(mirror / WEIGHTS["litert"], backend=backend, card=card)


def test_a_damaged_conversion_is_made_again(mirror: Path, cache: Path, monkeypatch) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    vl.load_model("torch:movinet-a0-stream")
    (kept,) = (cache / "converted").glob("*.safetensors")
    kept.write_bytes(kept.read_bytes()[:1000])
    assert vl.load_model("torch:movinet-a0-stream").num_classes == 600


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    mirror: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    monkeypatch.setenv("VIDLAB_CACHE", str(tmp_path / "file"))
    assert vl.load_model("torch:movinet-a0-stream").num_classes == 600
    assert "VIDLAB_CACHE" in capsys.readouterr().err


def test_options_are_checked_when_loading(mirror: Path, monkeypatch) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(mirror))
    with pytest.raises(LabelMapError, match="Did you mean 'carving ice'"):
        vl.load_model("litert:movinet-a0-stream", label_allow_list=["carving iced"])


@pytest.mark.parametrize(
    "order", [("tensorflow", "torchvision", "torch"), ("torchvision", "tensorflow", "torch")]
)
def test_no_import_order_ends_the_process(order: tuple[str, ...], mirror: Path) -> None:
    """TensorFlow and triton both carry LLVM; see vidlab.core.dependencies."""
    script = "\n".join(
        [f"import {name}" for name in order]
        + [
            "import vidlab as vl",
            "vl.load_model('tfhub:movinet-a0-stream')",
            "vl.load_model('torch:movinet-a0-stream')",
            "print('alive')",
        ]
    )
    import os

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"VIDLAB_MODELS": str(mirror)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.stdout.strip() == "alive", done.stderr[-2000:]
