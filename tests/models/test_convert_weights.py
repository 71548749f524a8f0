"""Weights from LiteRT files, SavedModels and checkpoints; safetensors in and out."""

from __future__ import annotations

import json
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from vidlab.core.errors import (
    ConversionError,
    OptionError,
    VidlabError,
    WeightsError,
    WeightsNotFoundError,
)
from vidlab.models.convert import (
    convert,
    load_safetensors,
    load_tf_variables,
    read_checkpoint,
    read_litert,
    read_savedmodel,
    save_safetensors,
)
from vidlab.models.movinet import MoViNet, MovinetConfig

LITERT_FILE = "movinet_a0_stream_k600_int8.tflite"
SAVED_MODEL = "movinet_a0_stream_k600_savedmodel"
PUBLISHED = MovinetConfig.official(
    "a0", "stream", se_type="none", activation="relu6", gating_activation="sigmoid"
)


@pytest.fixture(scope="module")
def litert_file(mirror: Path) -> Path:
    return mirror / LITERT_FILE


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[MoViNet, Path]:
    torch.manual_seed(0)
    model = MoViNet(MovinetConfig.official("a0", "stream", num_classes=3)).eval()
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_safetensors(path, model.config, model.state_dict(), provenance={"source": "a test"})
    return model, path


def read_clip(path: Path, num_frames: int) -> np.ndarray:
    av = pytest.importorskip("av")
    cv2 = pytest.importorskip("cv2")
    with av.open(str(path)) as container:
        frames = [
            cv2.resize(frame.to_ndarray(format="rgb24"), (172, 172), interpolation=cv2.INTER_LINEAR)
            for _, frame in zip(range(num_frames), container.decode(video=0), strict=False)
        ]
    return (np.stack(frames) / 255).astype(np.float32)


def test_litert_weights_give_the_savedmodels_logits(litert_file: Path, clips: Path) -> None:
    hub = pytest.importorskip("tensorflow_hub")
    tf = pytest.importorskip("tensorflow")
    config, state = read_litert(litert_file)
    assert config == PUBLISHED
    network = MoViNet(config).eval()
    network.load_state_dict(state)
    frames = read_clip(clips / "carving_ice.mp4", 24)
    inputs = torch.from_numpy(frames[None]).permute(0, 1, 4, 2, 3)
    fast = network.for_inference()
    got, _ = fast.step(inputs, fast.init_state())

    loaded = hub.load(str(litert_file.with_name(SAVED_MODEL)))
    states = loaded.signatures["init_states"](tf.constant([1, 1, 172, 172, 3]))
    for number, frame in enumerate(frames):
        outputs = loaded.signatures["call"](image=tf.constant(frame[None, None]), **states)
        expected = outputs.pop("logits").numpy()[0]
        states = outputs
        assert np.abs(got[0, number].numpy() - expected).max() <= 1e-3 * np.abs(expected).max()


def test_savedmodel_and_checkpoint_hold_the_litert_files_weights(litert_file: Path) -> None:
    pytest.importorskip("tensorflow")
    _, expected = read_litert(litert_file)
    directory = litert_file.with_name(SAVED_MODEL)
    config, state = read_savedmodel(directory)
    assert config == PUBLISHED
    again, from_checkpoint = read_checkpoint(directory / "variables" / "variables", PUBLISHED)
    assert again == PUBLISHED
    one, other = MoViNet(config).eval(), MoViNet(config).eval()
    one.load_state_dict(state)
    other.load_state_dict(expected)
    clip = torch.rand(1, 3, 3, 86, 86)
    with torch.no_grad():
        torch.testing.assert_close(one(clip), other(clip), rtol=1e-4, atol=1e-4)
    assert all(torch.equal(state[name], from_checkpoint[name]) for name in state)
    with pytest.raises(ConversionError, match="must be floats that fit"):
        read_checkpoint(directory / "variables" / "variables", MovinetConfig("a1"))


def test_convert_says_what_it_wrote(litert_file: Path, tmp_path: Path) -> None:
    from safetensors import safe_open

    target = tmp_path / "deep" / "a0.safetensors"
    assert convert(litert_file, target) == PUBLISHED
    with safe_open(target, framework="pt") as stream:
        about = stream.metadata()
    assert json.loads(about["config"])["size"] == "a0"
    assert about["source"] == LITERT_FILE
    assert about["source_kind"] == "litert"
    assert len(about["source_sha256"]) == 64
    assert list(target.parent.iterdir()) == [target]
    loaded = load_safetensors(target)
    assert loaded.config == PUBLISHED
    assert not loaded.training
    assert all(not value.is_meta for value in loaded.state_dict().values())


def test_safetensors_give_back_what_was_saved(small: tuple[MoViNet, Path]) -> None:
    model, path = small
    loaded = load_safetensors(path)
    assert loaded.config == model.config
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])
    loaded.train()
    loaded(torch.rand(2, 2, 3, 32, 32)).sum().backward()


def test_a_pickle_is_read_only_when_allowed(small: tuple[MoViNet, Path], tmp_path: Path) -> None:
    model, _ = small
    source, target = tmp_path / "small.pt", tmp_path / "out.safetensors"
    torch.save(model.state_dict(), source)
    with pytest.raises(ConversionError, match="weights_only=True"):
        convert(source, target, config=model.config)
    with pytest.raises(ConversionError, match="configuration"):
        convert(source, target, weights_only=True)
    with pytest.raises(WeightsError, match="pickle"):
        load_safetensors(source)
    with pytest.raises(ConversionError, match="does not fit"):
        convert(source, target, weights_only=True, config=MovinetConfig("a1"))
    assert not target.exists()
    convert(source, target, weights_only=True, config=model.config)
    clip = torch.rand(1, 2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(load_safetensors(target)(clip), model(clip))


class _Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("bomb-went-off"),))


def test_a_pickle_never_runs_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, write in (
        ("new.pt", torch.save),
        ("old.pt", lambda obj, path: path.write_bytes(pickle.dumps(obj, protocol=2))),
    ):
        write({"a": _Bomb()}, tmp_path / name)
        with pytest.raises(ConversionError):
            convert(name, "out.safetensors", weights_only=True, config=PUBLISHED)
    assert not Path("bomb-went-off").exists()


@pytest.mark.parametrize(
    "content", [b"", b"x", b"hello, world, this is text", b"\0" * 64, b"\x08\0\0\0\0\0\0\0{}"]
)
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    source = tmp_path / "weights.bin"
    source.write_bytes(content)
    with pytest.raises(ConversionError, match=r"weights\.bin"):
        convert(source, tmp_path / "out.safetensors")
    with pytest.raises(WeightsError):
        load_safetensors(source)
    assert sorted(tmp_path.iterdir()) == [source]


def test_what_is_not_there_is_said(tmp_path: Path, small: tuple[MoViNet, Path]) -> None:
    with pytest.raises(ConversionError, match="Cannot read"):
        convert(tmp_path / "none.tflite", tmp_path / "out.safetensors")
    with pytest.raises(ConversionError, match="neither"):
        convert(tmp_path, tmp_path / "out.safetensors")
    with pytest.raises(OptionError, match=r"\.safetensors"):
        convert(small[1], tmp_path / "out.pt")
    with pytest.raises(ConversionError, match="already"):
        convert(small[1], tmp_path / "out.safetensors")
    with pytest.raises(WeightsNotFoundError):
        load_safetensors(tmp_path / "none.safetensors")


def test_a_model_of_another_kind_is_refused(mirror: Path) -> None:
    for name in (
        "mobilenet_v2_1.0_224_quant.tflite",
        "yolox_nano_with_post_float16.tflite",
        "movenet_single_pose_lightning_ptq.tflite",
        "mediapipe_pose_detection.tflite",
    ):
        with pytest.raises(ConversionError, match=name):
            read_litert(mirror / name)


def test_damaged_litert_files_give_our_errors_only(litert_file: Path, tmp_path: Path) -> None:
    data, rng = litert_file.read_bytes(), random.Random(0)
    path = tmp_path / "damaged.tflite"
    outcomes = {"read": 0, "refused": 0}
    for number in range(40):
        damaged = bytearray(data)
        if number % 4 == 0:
            damaged = damaged[: rng.randrange(len(damaged))]
        else:
            # Tables lie at both ends, weights in between.
            for _ in range(rng.choice([1, 8, 64])):
                place = rng.choice([rng.randrange(4096), -1 - rng.randrange(60_000)])
                damaged[place] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            config, _ = read_litert(path)
        except VidlabError:
            outcomes["refused"] += 1
        else:
            assert config.size == "a0"
            outcomes["read"] += 1
    assert outcomes["refused"] >= 10


def test_damaged_safetensors_give_our_errors_only(
    small: tuple[MoViNet, Path], tmp_path: Path
) -> None:
    data, rng = small[1].read_bytes(), random.Random(0)
    path = tmp_path / "damaged.safetensors"
    for number in range(25):
        damaged = bytearray(data)
        if number % 2:
            damaged = damaged[: rng.randrange(len(damaged))]
        else:
            for _ in range(16):
                damaged[rng.randrange(20_000)] = rng.randrange(256)
        path.write_bytes(damaged)
        with pytest.raises(VidlabError):
            load_safetensors(path)


def test_a_damaged_savedmodel_gives_our_errors_only(mirror: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    source = mirror / SAVED_MODEL
    for name in (
        "saved_model.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
    ):
        for kept in (0, 100, None):
            target = tmp_path / f"{Path(name).name}-{kept}"
            (target / "variables").mkdir(parents=True)
            for part in (
                "saved_model.pb",
                "variables/variables.index",
                "variables/variables.data-00000-of-00001",
            ):
                if part != name:
                    (target / part).symlink_to((source / part).resolve())
                elif kept is not None:
                    (target / part).write_bytes((source / part).read_bytes()[:kept])
            with pytest.raises(ConversionError):
                convert(target, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_tensorflow_variables_must_fit() -> None:
    model = MoViNet(MovinetConfig.official("a0", "stream", num_classes=3))
    with pytest.raises(WeightsError, match="no place"):
        load_tf_variables(model, {"dense/kernel": np.zeros((3, 3), np.float32)})
    with pytest.raises(WeightsError, match="have no value"):
        load_tf_variables(model, {})
    name = "stem/stem/conv2d/conv2d/kernel"
    for wrong in (
        np.zeros((3, 3), np.float32),
        np.zeros((3, 3, 3, 8), np.int32),
        np.zeros((3, 3, 8, 3), np.float32),
    ):
        with pytest.raises(WeightsError, match=name):
            load_tf_variables(model, {name: wrong})
