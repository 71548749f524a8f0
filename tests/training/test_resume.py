"""Killed at any moment, a run goes on and ends with the bits of one that was left alone."""

from __future__ import annotations

import multiprocessing
import random
import signal
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from conftest import make_network
from filelock import FileLock
from killed import train

import vidlab as vl
from vidlab.core.errors import CheckpointError, OptionError
from vidlab.models import Model
from vidlab.models.convert import save_safetensors
from vidlab.training import checkpoint
from vidlab.training.loop import Loop

# Processes that start with PyTorch loaded: loading it takes longer than what is tested.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["torch._dynamo", "vidlab.training.run", "killed"])

ALL = {"train": "all", "epochs": 2, "batch_size": 2, "num_frames": 2, "patience": None}
RUNS = {
    "clips": ALL | {"batch_norm": "update"},
    "stream": ALL | {"mode": "stream"},
    "head": {"train": "head", "epochs": 4, "batch_size": 4, "patience": None},
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = make_network()
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_safetensors(path, network.config, network.state_dict())
    return path


def run(*arguments: object) -> int | None:
    """Train in a process of its own; return its exit code, negative for a signal."""
    process = _CONTEXT.Process(target=train, args=tuple(arguments))
    process.start()
    process.join(120)
    return process.exitcode


def weights_in(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "model.safetensors")


def progress_in(folder: Path) -> dict[str, Any]:
    return checkpoint.read(folder / "checkpoint.safetensors")[1]["progress"]


@pytest.mark.parametrize("name", list(RUNS))
def test_killed_at_random_moments(name: str, weights: Path, folder: Path, tmp_path: Path) -> None:
    options, alone, killed = RUNS[name], tmp_path / "alone", tmp_path / "killed"
    assert run(str(weights), str(folder), str(alone), None, 0, options) == 0
    draw = random.Random(name)
    # Of at least 24 changes in all, at least two for each batch.
    for moment in (draw.randrange(5, 12), draw.randrange(5, 12)):
        code = run(str(weights), str(folder), str(killed), moment, 0, options)
        assert code == -signal.SIGKILL
        assert not (killed / "model.safetensors").exists()
        if name != "head":
            assert not progress_in(killed)["is_finished"]
    # And halfway through a file: what was there before must still be.
    code = run(str(weights), str(folder), str(killed), None, draw.randrange(1, 4), options)
    assert code == -signal.SIGKILL
    assert list(killed.glob(".*.part"))
    assert run(str(weights), str(folder), str(killed), None, 0, options) == 0
    assert not list(killed.glob(".*.part"))
    expected, got = weights_in(alone), weights_in(killed)
    assert expected.keys() == got.keys()
    for key, value in expected.items():
        assert torch.equal(value, got[key]), key
    before, after = progress_in(alone)["history"], progress_in(killed)["history"]
    assert [{**row, "seconds": 0} for row in before] == [{**row, "seconds": 0} for row in after]


# ---- other clips, other options --------------------------------------------------------------


def fit(model: Model, data: object, out: Path, **changes: object) -> vl.FitResult:
    about = {"augment": None, "epochs": 1, "progress": False, "num_threads": 1}
    return vl.fit(model, data, out=out, **(about | changes))


@pytest.fixture(scope="module")
def done(tiny: Model, folder: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("done") / "run"
    fit(tiny, folder, out)
    return out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.5}, "learning_rate was 0.001 and is 0.5"),
        ({"epochs": 2, "seed": 1}, "epochs was 1 and is 2; seed was 0 and is 1"),
        ({"labels": ["red", "green", "blue"]}, "labels was"),
        ({"augment": "default"}, "augment was"),
        ({"validation": 0.4}, "the clips to validate with are others"),
    ],
)
def test_another_option_is_an_error_that_says_which(
    changes, message: str, tiny: Model, folder: Path, done: Path
) -> None:
    before = (done / "model.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match=message):
        fit(tiny, folder, done, **changes)
    assert (done / "model.safetensors").read_bytes() == before


def test_other_clips_or_another_model_are_an_error(
    tiny: Model, folder: Path, done: Path, tmp_path: Path
) -> None:
    from test_fit import table_of

    with pytest.raises(CheckpointError, match="the clips, or their files, are others"):
        fit(tiny, table_of(folder)[1:], done)
    other = vl.load_model(done / "model.safetensors")
    with pytest.raises(CheckpointError, match="it started from another model"):
        fit(other, folder, done)


def test_starting_anew_replaces_it(tiny: Model, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = fit(tiny, folder, out)
    second = fit(tiny, folder, out, seed=1, resume=False)
    assert len(second.history) == 1
    assert second.model.provenance != first.model.provenance
    assert fit(tiny, folder, out, seed=1).model.provenance == second.model.provenance


def test_two_runs_cannot_write_into_one_folder(tiny: Model, folder: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(OptionError, match="Another run is writing"):
        fit(tiny, folder, tmp_path)


def test_a_damaged_checkpoint_is_told(tiny: Model, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(CheckpointError, match="resume=False"):
        fit(tiny, folder, tmp_path)
    assert len(fit(tiny, folder, tmp_path, resume=False).history) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"run": 3},
        {"progress": None},
        {"progress": {"epoch": 1, "unheard": 2}},
        {"progress": {"is_finished": 1}},
        {"progress": {"history": 7}},
        {"progress": {"is_finished": True}},
        {"progress": {"is_finished": True, "history": [{"epoch": 1}], "best": 0}},
        {"progress": {"is_finished": True, "history": [3], "best": 0}},
        {"progress": {"history": [{"epoch": 1, "loss": 0.5, "accuracy": 0.5}], "best": 1}},
        {"progress": {"best": 0}},
        {"scaler": []},
        {"tensors": "best"},
        {"tensors": "module"},
    ],
)
def test_what_no_run_wrote_is_told(
    changes: dict[str, Any], tiny: Model, folder: Path, done: Path, tmp_path: Path
) -> None:
    tensors, record = checkpoint.read(done / "checkpoint.safetensors")
    if "scaler" in changes or changes.get("tensors") == "module":
        record["progress"] |= {"epoch": 0, "is_finished": False}
    missing = str(changes.pop("tensors", ""))
    kept = {name: value for name, value in tensors.items() if not missing or missing not in name}
    checkpoint.write(tmp_path / "checkpoint.safetensors", kept, record | changes)
    with pytest.raises(CheckpointError, match="resume=False"):
        fit(tiny, folder, tmp_path)


def test_what_cannot_be_gone_on_with_is_told_before_the_training(
    tiny: Model, folder: Path, done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors, record = checkpoint.read(done / "checkpoint.safetensors")
    record["progress"] |= {"is_finished": False}
    kept = {name: value for name, value in tensors.items() if not name.startswith("best.")}
    checkpoint.write(tmp_path / "checkpoint.safetensors", kept, record)
    monkeypatch.setattr(Loop, "restore", lambda *_: None)
    monkeypatch.setattr(Loop, "go", lambda _: pytest.fail("it was trained"))
    with pytest.raises(CheckpointError, match="Missing key"):
        fit(tiny, folder, tmp_path)


@pytest.mark.parametrize(
    "damaged",
    [
        {"features": (1, 480)},
        {"features": (480,), "ids": (1,)},
        {"features": (1, 480), "ids": ()},
        {"features": (1, 480), "ids": (0,)},
    ],
)
@pytest.mark.parametrize(("kind", "indices"), [("view", "training"), ("answer", "validation")])
def test_features_that_no_run_wrote_are_told(
    kind: str,
    indices: str,
    damaged: dict[str, tuple[int, ...]],
    tiny: Model,
    folder: Path,
    done: Path,
    tmp_path: Path,
) -> None:
    _, record = checkpoint.read(done / "checkpoint.safetensors")
    of_run = record["run"][indices]
    index = of_run[0] if kind == "view" else of_run[1][0]
    kept = {f"{kind}.{index}.0.{name}": torch.zeros(shape) for name, shape in damaged.items()}
    checkpoint.write(tmp_path / "features.safetensors", kept, {"run": record["run"]})
    with pytest.raises(CheckpointError, match=r"features\.safetensors.*resume=False"):
        fit(tiny, folder, tmp_path)


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_runs_own_fault_is_not_laid_on_its_checkpoint(
    is_resumed: bool,
    tiny: Model,
    folder: Path,
    done: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if is_resumed:
        tensors, record = checkpoint.read(done / "checkpoint.safetensors")
        record["progress"] |= {"is_finished": False}
        checkpoint.write(tmp_path / "checkpoint.safetensors", tensors, record)
        monkeypatch.setattr(Loop, "restore", lambda *_: None)
    monkeypatch.setattr(Loop, "best", {})
    with pytest.raises(RuntimeError, match="Missing key") as caught:
        fit(tiny, folder, tmp_path)
    assert not isinstance(caught.value, CheckpointError)


def test_a_place_that_cannot_be_written_is_told_first(tiny: Model, folder: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="Cannot write"):
        fit(tiny, folder, tmp_path / "file" / "run")
