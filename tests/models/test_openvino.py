"""OpenVINO runs the networks of PyTorch, ONNX and LiteRT, and a measurement chooses a runtime."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import card_of, model_of, random_network

import vidlab as vl
from vidlab.core.errors import OptionError, WeightsError
from vidlab.models.card import write_card
from vidlab.models.convert import save_safetensors
from vidlab.models.export.onnx import onnx_bytes
from vidlab.models.export.plan import fold
from vidlab.models.lookup import FITTED_WEIGHTS

torch = pytest.importorskip("torch")
openvino = pytest.importorskip("openvino")

FRAMES = np.random.default_rng(0).random((37, 34, 41, 3), dtype=np.float32)
PICTURES = vl.ModelCard(
    name="mine",
    title="Mine",
    family="own",
    kind="frame",
    labels=("a", "b", "c"),
    preprocessing=vl.Preprocessing(height_px=32, width_px=40),
)
CLIPS = replace(PICTURES, kind="clip", num_frames=4)


class Small(torch.nn.Module):
    """A network for pictures or for clips."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        convolution = torch.nn.Conv2d if dimensions == 2 else torch.nn.Conv3d
        self.filter = convolution(3, 8, 3, stride=2)
        self.classifier = torch.nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.filter(x).relu().flatten(2).mean(dim=2))


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ("xs", {"se_type": "2plus3d", "activation": "hard_swish"}),
        ("a0", {}),
        ("a3", {"positional_encoding": True}),
    ],
)
def test_a_stream_in_chunks_and_single_frames(size: str, options, tmp_path: Path) -> None:
    network = random_network(size, **options)
    own = model_of(network, tmp_path)
    model = vl.load_model(tmp_path / "own.safetensors", backend="openvino", card=own.card)
    assert model.title == "openvino:my-model (own)"
    assert "openvino 20" in model.provenance.runtime
    expected, _ = own.step(FRAMES, own.init_state())
    logits, state = model.step(FRAMES, model.init_state())  # 16, 16, and 5 single ones
    np.testing.assert_allclose(logits, expected, atol=1e-3 * np.ptp(expected))
    begun, carried = model.step(FRAMES[:20], model.init_state())
    kept = [value.copy() for value in carried]
    rest, ended = model.step(FRAMES[20:], carried)
    np.testing.assert_allclose(np.concatenate([begun, rest]), logits, atol=1e-4 * np.ptp(logits))
    for before, after in zip(kept, carried, strict=True):
        np.testing.assert_array_equal(before, after)  # a state that was given is not changed
    for one, other in zip(state, ended, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("num_frames", [2, 5])
def test_onnx_files_may_take_several_frames_at_once(num_frames: int, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    own = model_of(random_network(se_type="2plus3d"), tmp_path)
    content = onnx_bytes(fold(own.network), height_px=34, width_px=41, num_frames=num_frames)
    session = runtime.InferenceSession(content)
    names = [item.name for item in session.get_inputs()]
    state = {
        item.name: np.zeros(item.shape, np.int32 if "int32" in item.type else np.float32)
        for item in session.get_inputs()[1:]
    }
    rows = []
    for at in (0, num_frames):
        image = FRAMES[at : at + num_frames].transpose(0, 3, 1, 2)[None]
        logits, *states = session.run(None, {"image": image, **state})
        rows.append(logits)
        state = dict(zip(names[1:], states, strict=True))
    expected, _ = own.step(FRAMES[: 2 * num_frames], own.init_state())
    np.testing.assert_allclose(np.concatenate(rows), expected, atol=1e-3 * np.ptp(expected))


def test_a_base_model_takes_clips(tmp_path: Path) -> None:
    network = random_network("a0", "base")
    own = model_of(network, tmp_path)
    model = vl.load_model(tmp_path / "own.safetensors", backend="openvino", card=own.card)
    clips = FRAMES[:12].reshape(2, 6, 34, 41, 3)
    expected = own.classify(clips)
    np.testing.assert_allclose(model.classify(clips), expected, atol=1e-3 * np.ptp(expected))


@pytest.mark.parametrize("card", [PICTURES, CLIPS], ids=["pictures", "clips"])
def test_networks_of_ones_own_and_their_onnx_files(card: vl.ModelCard, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Small(2 if card.kind == "frame" else 3).eval()
    shape = (1, 3, 32, 40) if card.kind == "frame" else (1, 3, 4, 32, 40)
    torch.onnx.export(
        network, (torch.zeros(shape),), str(tmp_path / "mine.onnx"), input_names=["x"],
        output_names=["y"], dynamic_axes={"x": {0: "batch"}}, dynamo=False,
    )  # fmt: skip
    frames = np.random.default_rng(2).random((3, *shape[2:-2], 32, 40, 3), dtype=np.float32)
    answers = {}
    for name, model in {
        "torch": vl.load_model(network, card=card),
        "own": vl.load_model(network, card=card, backend="openvino"),
        "file": vl.load_model(tmp_path / "mine.onnx", card=card, backend="openvino"),
        "onnx": vl.load_model(tmp_path / "mine.onnx", card=card),
    }.items():
        assert model.backend == {"own": "openvino", "file": "openvino"}.get(name, name)
        answers[name] = (
            model.step(frames, model.init_state())[0]
            if card.kind == "frame"
            else model.classify(frames)
        )
    for logits in answers.values():
        np.testing.assert_allclose(logits, answers["torch"], atol=1e-3)


def test_pictures_in_a_litert_file(odd: Path) -> None:
    models = [vl.load_model("mobilenet-v2", backend=each) for each in ("litert", "openvino")]
    best = [vl.predict(odd / "img_grace_hopper.bmp", each, progress=False) for each in models]
    assert [each.top1()["label"].item() for each in best] == ["military uniform"] * 2


def test_the_published_stream_answers_as_in_pytorch(shared_data: Path) -> None:
    clip = shared_data / "clips" / "carving_ice.mp4"
    models = [vl.load_model(f"{each}:movinet-a0-stream") for each in ("torch", "openvino")]
    found = [vl.predict(clip, each, fps=5, progress=False) for each in models]
    np.testing.assert_allclose(found[0].probabilities, found[1].probabilities, atol=1e-3)
    assert found[1].top1()["label"].iloc[-1] == "carving ice"


def test_numbers_of_half_the_bits_where_the_processor_has_them(tmp_path: Path) -> None:
    own = model_of(random_network(), tmp_path)
    path, able = (
        tmp_path / "own.safetensors",
        openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"),
    )
    if "BF16" in able:
        model = vl.load_model(path, backend="openvino", card=own.card, precision="bfloat16")
        assert model.title == "openvino:my-model (own as bfloat16)"
        expected, _ = own.step(FRAMES, own.init_state())
        logits, _ = model.step(FRAMES, model.init_state())
        assert 0 < np.abs(logits - expected).max() < 0.1 * np.ptp(expected)
    else:
        with pytest.raises(OptionError, match="processor that computes with it"):
            vl.load_model(path, backend="openvino", card=own.card, precision="bfloat16")
    with pytest.raises(OptionError, match="takes precision= float32 or bfloat16; got 'int4'"):
        vl.load_model(path, backend="openvino", card=own.card, precision="int4")
    with pytest.raises(OptionError, match="torch backend takes no precision="):
        vl.load_model(path, backend="torch", card=own.card, precision="bfloat16")


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="OpenVINO cannot read"):
        vl.load_model(tmp_path / "broken.onnx", card=PICTURES, backend="openvino")


# ---------------------------------------------------------------- choosing


def test_auto_measures_shows_and_takes_the_quickest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = model_of(random_network(), tmp_path)
    model = vl.load_model(tmp_path / "own.safetensors", backend="auto", card=own.card)
    told = capsys.readouterr().err
    lines = [line for line in told.splitlines() if "ms a frame" in line]
    assert len(lines) == 2
    assert {line.split(":")[1].strip() for line in lines} == {"torch", "openvino"}
    assert model.title in lines[0]  # the first is the quickest
    milliseconds = [float(line.split(": ")[-1].split(" ms")[0]) for line in lines]
    assert milliseconds == sorted(milliseconds)
    with pytest.raises(OptionError, match="measures what is here"):
        vl.load_model("auto:movinet-a5-base")


def test_auto_finds_what_fit_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = model_of(random_network(), tmp_path)
    write_card(own.card, tmp_path / "own.safetensors")
    folder = tmp_path / "fitted"
    folder.mkdir()
    (tmp_path / "own.safetensors").rename(folder / FITTED_WEIGHTS)
    write_card(own.card, folder / FITTED_WEIGHTS)
    assert vl.load_model(folder, backend="auto").backend in ("torch", "openvino")
    assert "auto: measured" in capsys.readouterr().err


def test_auto_measures_a_network_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    card = vl.ModelCard(
        name="mine", title="Mine", family="own", kind="frame",
        preprocessing=vl.Preprocessing(height_px=8, width_px=8),
    )  # fmt: skip
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 4))
    model = vl.load_model(network, card=card, backend="auto")
    told = capsys.readouterr().err
    assert "torch:Mine" in told or "torch:mine" in told
    assert "openvino:" in told
    assert model.num_classes == 4
    with pytest.raises(OptionError, match="run by Python"):
        vl.load_model(lambda pictures: pictures, card=card, backend="auto")


def test_auto_takes_those_alone_that_can_do_what_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = model_of(random_network(), tmp_path)
    path = tmp_path / "own.safetensors"
    model = vl.load_model(path, backend="auto", card=own.card, precision="float32")
    assert model.backend == "openvino"
    assert "torch:" not in capsys.readouterr().err
    with pytest.raises(OptionError, match="precision='float8'"):
        vl.load_model(path, backend="auto", card=own.card, precision="float8")


def test_auto_says_what_each_said_where_none_runs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model_of(random_network(), tmp_path)
    wrong = replace(card_of(random_network()), labels=("one",))
    with pytest.raises(OptionError, match="None of torch, openvino runs it"):
        vl.load_model(tmp_path / "own.safetensors", backend="auto", card=wrong)
    assert capsys.readouterr().err.count("is left out") == 2


def test_speed_and_accuracy_in_one_table(tmp_path: Path) -> None:
    own = model_of(random_network(), tmp_path)
    path = tmp_path / "own.safetensors"
    other = vl.load_model(path, card=own.card, backend="openvino")
    table = vl.time_models([own, other])
    assert sorted(table["backend"]) == ["openvino", "torch"]
    assert (table["ms_per_frame"] > 0).all()
    assert table["ms_per_frame"].is_monotonic_increasing
    assert table["largest_difference"].between(0, 1e-3).all()
    assert set(table["frames_per_call"]) == {16}
    few = replace(card_of(random_network(num_classes=3)), name="few")
    network = random_network(num_classes=3)
    save_safetensors(tmp_path / "few.safetensors", network.config, network.state_dict())
    with pytest.raises(OptionError, match="one number of classes"):
        vl.time_models([own, vl.load_model(tmp_path / "few.safetensors", card=few)])
    with pytest.raises(OptionError, match="no model to measure"):
        vl.time_models([])


def test_models_that_come_and_go_leave_signals_deliverable() -> None:
    """Where a program handles the end of its children, as PyTorch's loaders of data do."""
    program = """
import gc, signal, subprocess, sys
import vidlab as vl
heard = []
signal.signal(signal.SIGCHLD, lambda *_: heard.append(1))
import faulthandler
faulthandler.enable()  # has signals delivered on a stack of their own
first, second = [vl.load_model("openvino:stickactions-xs-stream") for _ in range(2)]
del first
gc.collect()
del second
gc.collect()
subprocess.run([sys.executable, "-c", ""], check=True)
print("heard" if heard else "deaf")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
