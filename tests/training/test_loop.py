"""The loop itself, on a learner of two numbers whose validation follows a script."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_learners import options, task_of

from vidlab.core.errors import CheckpointError, TrainingError
from vidlab.training import checkpoint
from vidlab.training.learners import Learner
from vidlab.training.live import BarMonitor
from vidlab.training.loop import Loop

NUM_BATCHES = 3


class Scripted(Learner):
    """Learns a bias for two classes; validation is right as often as the script says."""

    def __init__(self, right: list[int], *, targets: list[int] | None = None, **changes: Any):
        self.task = task_of([(1, 0), (1, 1)] * NUM_BATCHES, mode="clips", loss_on="last")
        self.task.options = options(epochs=len(right), batch_size=2, patience=2, **changes)
        self.task.validation = [0]
        self.module = torch.nn.ParameterDict({"bias": torch.zeros(4), "other": torch.ones(2, 2)})
        self.right = right
        self.targets = targets or [0, 1]
        self.weights_after: list[torch.Tensor] = []
        self.stop_at: tuple[int, int] | None = None
        self.gain = 1.0

    def batches(self, epoch: int, start: int = 0) -> Iterator[Iterator[Any]]:
        for number in range(start, NUM_BATCHES):
            if self.stop_at == (epoch, number):
                raise KeyboardInterrupt
            torch.rand(1)
            scale = 1.0 + 0.1 * number + epoch
            yield iter(
                [(self.gain * scale * self.module["bias"].expand(2, 4), torch.tensor(self.targets))]
            )

    def validate(self) -> Any:
        number = len(self.weights_after)
        self.weights_after.append(self.module["bias"].detach().clone())
        right = self.right[number]
        logits = torch.tensor([[1.0, 0.0]] * right + [[0.0, 1.0]] * (10 - right)).double()
        return logits.log_softmax(dim=1), torch.zeros(10, dtype=torch.int64)


def loop_of(learner: Learner, path: Path | None = None, **changes: Any) -> Loop:
    about = {
        "device": torch.device("cpu"), "monitor": BarMonitor(show=False), "path": path,
        "run": {"it": "is"}, "checkpoint_seconds": 0.0,
    }  # fmt: skip
    return Loop(learner, **(about | changes))


def test_the_best_epoch_is_kept_and_the_run_ends_when_it_gets_no_better() -> None:
    learner = Scripted([5, 8, 7, 6, 9, 9])
    loop = loop_of(learner)
    loop.go()
    assert [row["val_accuracy"] for row in loop.progress.history] == [0.5, 0.8, 0.7, 0.6]
    assert loop.progress.best == 1
    assert loop.progress.stopped == "validation was no better for 2 epochs"
    assert torch.equal(loop.best["bias"], learner.weights_after[1])
    assert not torch.equal(loop.best["bias"], learner.module["bias"])


def test_without_validation_the_last_epoch_is_the_best() -> None:
    learner = Scripted([0, 0, 0, 0])
    learner.task.validation = []
    loop = loop_of(learner)
    loop.go()
    assert len(loop.progress.history) == 4
    assert loop.progress.best == 3
    assert loop.progress.stopped is None
    assert "val_loss" not in loop.progress.history[0]


def test_figures_of_an_epoch() -> None:
    learner = Scripted([10], targets=[0, 1])
    loop = loop_of(learner)
    loop.go()
    (row,) = loop.progress.history
    assert row["epoch"] == 1
    assert row["accuracy"] == 0.5  # one of the two, whichever way the bias leans
    assert row["loss"] == pytest.approx(math.log(4), abs=0.01)
    assert row["val_accuracy"] == 1.0
    assert row["val_loss"] == pytest.approx(math.log(1 + math.exp(-1.0)))


def test_the_learning_rate_grows_then_falls() -> None:
    learner = Scripted([5] * 30, learning_rate=0.1)
    learner.task.validation = []
    loop = loop_of(learner)
    loop.go()
    rates = [row["learning_rate"] for row in loop.progress.history]
    assert max(rates) == pytest.approx(0.1, rel=0.02)
    assert rates.index(max(rates)) == 1
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert 0.0005 < rates[-1] < 0.002


@pytest.mark.parametrize(("balance", "expected"), [(True, 0.5), (False, 0.8)])
def test_balance_lets_a_rare_label_count_as_much(balance: bool, expected: float) -> None:
    learner = Scripted([5] * 40, targets=[0, 0, 0, 0, 1], learning_rate=0.3, balance=balance)
    learner.task.validation = []
    learner.task.training = [0, 2, 4, 0, 1]  # clips of class 0, 0, 0, 0 and 1
    loop = loop_of(learner)
    learner.batches = lambda epoch, start=0: (  # type: ignore[method-assign]
        iter([(learner.module["bias"].expand(5, 4), torch.tensor(learner.targets))])
        for _ in range(start, NUM_BATCHES)
    )
    loop.go()
    shares = torch.softmax(learner.module["bias"].detach()[:2], dim=0)
    assert float(shares[0]) == pytest.approx(expected, abs=0.03)


def test_a_loss_that_is_no_number_is_an_error_that_says_what_to_do() -> None:
    learner = Scripted([5], learning_rate=0.25)
    learner.gain = math.inf
    with pytest.raises(TrainingError, match=r"became nan in epoch 1, batch 1.*it is 0\.25"):
        loop_of(learner).go()


# ---- going on --------------------------------------------------------------------------------


@pytest.mark.parametrize("stop_at", [(0, 1), (1, 0), (1, 2), (3, 1)])
def test_a_run_that_goes_on_ends_with_the_same_bits(
    stop_at: tuple[int, int], tmp_path: Path
) -> None:
    script = [5, 6, 7, 8, 9]
    undisturbed = Scripted(script)
    expected = loop_of(undisturbed)
    expected.go()

    path = tmp_path / "checkpoint.safetensors"
    stopped = Scripted(script)
    stopped.stop_at = stop_at
    first = loop_of(stopped, path)
    if stop_at[0] == 0:
        with pytest.raises(KeyboardInterrupt):
            first.go()
    else:
        first.go()
        assert first.progress.stopped.startswith("interrupted by the user in epoch")
    goes_on = Scripted(script)
    second = loop_of(goes_on, path)
    tensors, record = checkpoint.read(path)
    assert record["run"] == {"it": "is"}
    second.restore(tensors, record)
    assert (second.progress.epoch, second.progress.position) == stop_at
    assert second.progress.stopped is None
    goes_on.weights_after = [torch.zeros(4)] * len(second.progress.history)
    second.go()
    assert torch.equal(goes_on.module["bias"], undisturbed.module["bias"])
    assert torch.equal(goes_on.module["other"], undisturbed.module["other"])
    assert torch.equal(second.best["bias"], expected.best["bias"])
    without_time = [{**row, "seconds": 0} for row in second.progress.history]
    assert without_time == [{**row, "seconds": 0} for row in expected.progress.history]


def test_a_checkpoint_holds_no_pickle_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.write(path, {"a.b": torch.arange(3)}, {"run": {}})
    data = path.read_bytes()
    assert data[8:9] == b"{"
    tensors, record = checkpoint.read(path)
    assert tensors["a.b"].tolist() == [0, 1, 2]
    assert checkpoint.starting_with("a", tensors).keys() == {"b"}
    assert record["run"] == {}
    for wrong in (data[:-1], b"", data.replace(b"vidlab.training/1", b"vidlab.training/9")):
        path.write_bytes(wrong)
        with pytest.raises(CheckpointError, match="resume=False starts anew"):
            checkpoint.read(path)


def test_seconds_pass_between_two_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    now = SimpleNamespace(value=100.0)
    monkeypatch.setattr("vidlab.training.checkpoint.time.perf_counter", lambda: now.value)
    regularly = checkpoint.Regularly(30.0)
    answers = []
    for second in (110, 131, 132, 160, 161):
        now.value = float(second)
        answers.append(regularly.is_due())
    assert answers == [False, True, False, False, True]
    now.value = 163.0
    assert regularly.is_due(1.0)
    assert checkpoint.Regularly(0.0).is_due()
