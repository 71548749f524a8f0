"""A streaming model without its memory, and models that are opened once more elsewhere."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from arithmetic import ArithmeticModel
from hypothesis import given
from hypothesis import strategies as st

import vidlab as vl
from vidlab.core.errors import ModelError, OptionError
from vidlab.models import memory
from vidlab.models.memory import peak_memory_mb
from vidlab.models.reopening import spec_of

XS = "litert:stickactions-xs-stream"


def pictures(num: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((num, 112, 112, 3), dtype=np.float32)


@pytest.mark.parametrize("backend", ["torch", "litert", "openvino"])
def test_each_frame_is_answered_as_the_first_of_a_video(backend: str) -> None:
    model = vl.load_model("stickactions-xs-stream", backend=backend)
    alone = vl.single_frames(model)
    frames = pictures(4)
    logits, _ = alone.step(frames, alone.init_state())
    first = [model.step(frame[None], model.init_state())[0][0] for frame in frames]
    np.testing.assert_allclose(logits, np.stack(first), atol=1e-5)
    in_turn, _ = model.step(frames, model.init_state())
    assert np.abs(in_turn[1:] - logits[1:]).max() > 0.01


@given(order=st.permutations(range(5)))
def test_the_order_of_frames_makes_no_difference(order: list[int]) -> None:
    alone = vl.single_frames(ArithmeticModel())
    frames = np.random.default_rng(3).random((5, 8, 8, 3), dtype=np.float32)
    np.testing.assert_array_equal(
        alone.step(frames[order], None)[0], alone.step(frames, None)[0][order]
    )


def test_it_goes_by_a_name_of_its_own() -> None:
    model = vl.load_model(XS)
    alone = vl.single_frames(model)
    assert alone.name == "stickactions-xs-stream, single frames"
    assert alone.title != model.title
    study = vl.evaluate([model, alone], vl.datasets.StickActions(range(4)), progress=False)
    assert len(set(study.names)) == 2


def test_only_a_stream_has_a_memory_to_lose() -> None:
    with pytest.raises(OptionError, match="is a frame model, which has none"):
        vl.single_frames(vl.load_model("stickactions-pictures"))
    with pytest.raises(OptionError, match="loaded model is needed"):
        vl.single_frames("movinet-a0-stream")  # a name is not enough


@pytest.mark.parametrize("backend", ["torch", "litert", "openvino", "tfhub"])
def test_a_model_is_opened_once_more(backend: str) -> None:
    model = vl.load_model("stickactions-xs-stream", backend=backend, num_threads=1, max_results=3)
    again = pickle.loads(pickle.dumps(spec_of(model))).open()
    assert again.record() == model.record()
    # TensorFlow keeps the threads that its process began with.
    assert again.num_threads == (model.num_threads if backend == "tfhub" else 1)
    assert again.selection == model.selection
    frames = pictures(3)
    np.testing.assert_array_equal(
        again.step(frames, again.init_state())[0], model.step(frames, model.init_state())[0]
    )


def test_so_is_one_without_memory_and_with_other_pixels() -> None:
    model = vl.load_model("stickactions-xs-stream", backend="torch")
    other = model.prepared_by(vl.Preprocessing(height_px=112, width_px=112, frame_rate=2.0))
    again = spec_of(vl.single_frames(other)).open()
    assert again.preprocessing == other.preprocessing
    assert again.title == vl.single_frames(other).title


def test_a_network_of_this_process_cannot_be_opened_elsewhere() -> None:
    with pytest.raises(OptionError, match=r"only open what is in files\. Save it"):
        spec_of(ArithmeticModel())
    assert np.isnan(peak_memory_mb(ArithmeticModel()))


def test_memory_counts_what_the_model_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    small = peak_memory_mb(vl.load_model(XS))
    program = "held = bytearray(300_000_000); held[::4096] = bytes(len(held[::4096])); "
    monkeypatch.setattr(memory, "_PROGRAM", program + memory._PROGRAM)
    assert peak_memory_mb(vl.load_model(XS)) - small == pytest.approx(300, rel=0.1)


def test_memory_is_not_that_of_this_process() -> None:
    program = (
        "import vidlab; from vidlab.models.memory import peak_memory_mb, peak_bytes\n"
        "held = bytearray(900_000_000); held[::4096] = bytes(len(held[::4096]))\n"
        f"print(peak_bytes() / 1e6, peak_memory_mb(vidlab.load_model({XS!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    parent, child = map(float, done.stdout.split())
    assert parent > 900
    assert child < 400


def test_what_cannot_run_alone_says_why(tmp_path: Path) -> None:
    weights = tmp_path / "mine.safetensors"
    shipped = vl.load_model("torch:stickactions-xs-stream")
    assert shipped.opening is not None
    weights.write_bytes(shipped.opening.path.read_bytes())
    model = vl.load_model(weights, card="stickactions-xs-stream")
    weights.write_bytes(b"broken")
    with pytest.raises(ModelError, match=r"could not run .*mine"):
        peak_memory_mb(model)
