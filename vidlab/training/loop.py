"""The loop: epochs of steps, validation after each, and a checkpoint to go on from."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn import functional

from vidlab.core.errors import TrainingError
from vidlab.training import checkpoint
from vidlab.training.learners import Learner
from vidlab.training.live import Monitor

# Share of the steps in which the learning rate grows to its full size; then it falls as a cosine.
_WARM_UP = 0.05

_WEIGHT_DECAY = 0.01
_MAX_GRADIENT = 1.0

# An epoch that takes no longer than this does not get a checkpoint of its own.
_SHORT_SECONDS = 1.0

INTERRUPTED = "interrupted by the user"


@dataclass
class Progress:
    """Where a run is; all of it can be kept as JSON.

    Attributes:
        epoch: The epoch that is under way, 0-based.
        position: Batches of it that are done.
        loss: Sum of the losses of its answers so far.
        correct: How many of these answers were right.
        num_answers: How many answers there were.
        history: A row for each epoch that is done.
        best: Number in `history` of the epoch whose weights are the best.
        seconds: Time that the run has taken.
        is_finished: Whether it is at its end.
        stopped: Why it ended before its last epoch, or None.
        problems: What could not be read, and why.
    """

    epoch: int = 0
    position: int = 0
    loss: float = 0.0
    correct: int = 0
    num_answers: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: int = -1
    seconds: float = 0.0
    is_finished: bool = False
    stopped: str | None = None
    problems: dict[str, str] = field(default_factory=dict)

    @classmethod
    def kept_in(cls, record: Mapping[str, Any]) -> Progress:
        """Return the one that a checkpoint's record holds.

        Raises:
            LookupError: It holds none, or not all of it.
            TypeError: It holds something else.
        """
        kept, blank = cls(**record["progress"]), cls()
        for each in fields(cls):
            value, usual = getattr(kept, each.name), getattr(blank, each.name)
            expected = (str, type(None)) if usual is None else (type(usual),)
            if type(value) not in expected:
                raise TypeError(f"{each.name} is {value!r:.80}")
        num_done = len(kept.history)
        if num_done:
            is_whole = 0 <= kept.best < num_done
        else:
            is_whole = kept.best == blank.best and not kept.is_finished
        if not is_whole:
            raise LookupError(f"the best is number {kept.best} of {num_done} epochs")
        if not all({"epoch", "loss", "accuracy"} <= set(row) for row in kept.history):
            raise LookupError("what is known of an epoch is not all there")
        return kept


class Loop:
    """Trains a learner.

    Args:
        learner: What is trained.
        device: Where it is.
        monitor: Shows how it goes.
        path: The checkpoint; None keeps none.
        run: What tells this run from others, kept in the checkpoint.
        checkpoint_seconds: Write it this often.
    """

    def __init__(
        self,
        learner: Learner,
        *,
        device: torch.device,
        monitor: Monitor,
        path: Path | None,
        run: Mapping[str, Any],
        checkpoint_seconds: float,
    ) -> None:
        self.progress = Progress()
        self._learner = learner
        self._options = options = learner.task.options
        self._monitor = monitor
        self._path = path
        self._run = dict(run)
        self._weights = learner.task.class_weights().to(device)
        self._optimizer = torch.optim.AdamW(_groups(learner.module), lr=options.learning_rate)
        self._scaler = GradScaler(device.type, enabled=options.precision == "float16")
        self._best: dict[str, Tensor] = {}
        self._since = time.perf_counter()
        self._writer = checkpoint.Regularly(checkpoint_seconds)

    @property
    def best(self) -> dict[str, Tensor]:
        """State of the module after the best epoch."""
        return self._best

    def restore(self, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.progress = Progress.kept_in(record)
        self._best = checkpoint.starting_with("best", tensors)
        if not self.progress.is_finished:
            module = self._learner.module
            module.load_state_dict(checkpoint.starting_with("module", tensors))
            checkpoint.restore_optimizer(
                self._optimizer, checkpoint.starting_with("optimizer", tensors)
            )
            self._scaler.load_state_dict(record["scaler"])

    def go(self) -> None:
        """Train to the end, or until interrupted after at least one epoch.

        Raises:
            TrainingError: The loss is no longer a number.
            KeyboardInterrupt: Before the first epoch was done.
        """
        progress = self.progress
        self._since = time.perf_counter() - progress.seconds
        # Epochs that are short are also counted by batches, so that the bar moves in long ones.
        num_batches = self._learner.num_batches
        self._monitor.begin(
            "training",
            total=self._options.epochs * num_batches,
            done=progress.epoch * num_batches + progress.position,
            history=progress.history,
        )
        try:
            while not progress.is_finished:
                self._epoch()
                progress.is_finished = self._is_at_end()
                self._save(is_epoch_end=True)
        except KeyboardInterrupt:
            if not progress.history:
                raise
            progress.stopped = f"{INTERRUPTED} in epoch {progress.epoch + 1}; the best is kept"
        finally:
            self._monitor.end()

    def _epoch(self) -> None:
        progress = self.progress
        for parts in self._learner.batches(progress.epoch, progress.position):
            rate = self._learning_rate()
            for logits, targets in parts:
                self._step(logits, targets, rate)
            progress.position += 1
            self._monitor.advance(loss=progress.loss / max(progress.num_answers, 1))
            if progress.position < self._learner.num_batches:
                self._save()
        if not progress.num_answers:
            raise TrainingError("Not one clip of the epoch could be read.")
        row = {
            "epoch": progress.epoch + 1,
            "loss": progress.loss / progress.num_answers,
            "accuracy": progress.correct / progress.num_answers,
            **self._validation(),
            "learning_rate": rate,
            "seconds": time.perf_counter() - self._since,
        }
        progress.history.append(row)
        if progress.best < 0 or _merit(row) > _merit(progress.history[progress.best]):
            progress.best = len(progress.history) - 1
            state = self._learner.module.state_dict()
            self._best = {name: value.detach().cpu().clone() for name, value in state.items()}
        progress.epoch += 1
        progress.position = progress.num_answers = progress.correct = 0
        progress.loss = 0.0
        self._monitor.epoch(progress.history, best=progress.best)

    def _step(self, logits: Tensor, targets: Tensor, rate: float) -> None:
        progress = self.progress
        logits = logits.float()
        losses = functional.cross_entropy(logits, targets, reduction="none")
        loss = (losses * self._weights[targets]).mean()
        if not math.isfinite(loss.item()):
            raise TrainingError(
                f"The loss became {loss.item()} in epoch {progress.epoch + 1}, batch "
                f"{progress.position + 1}. Lower learning_rate (it is "
                f"{self._options.learning_rate:g})"
                + (
                    "."
                    if self._options.precision == "float32"
                    else f', or use precision="float32" (it is {self._options.precision}).'
                )
            )
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad()
        torch.autograd.backward(self._scaler.scale(loss))
        self._scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(self._learner.module.parameters(), _MAX_GRADIENT)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        progress.loss += losses.sum().item()
        progress.correct += int((logits.argmax(dim=1) == targets).sum())
        progress.num_answers += len(targets)

    def _learning_rate(self) -> float:
        done = self.progress.epoch * self._learner.num_batches + self.progress.position + 1
        share = done / (self._options.epochs * self._learner.num_batches)
        if share < _WARM_UP:
            return self._options.learning_rate * share / _WARM_UP
        angle = math.pi * (share - _WARM_UP) / (1.0 - _WARM_UP)
        # Not quite to zero, so that the last epoch learns something too.
        return self._options.learning_rate * (0.505 + 0.495 * math.cos(angle))

    def _validation(self) -> dict[str, float]:
        if not self._learner.task.validation:
            return {}
        logits, targets = self._learner.validate()
        loss = functional.nll_loss(logits, targets)
        correct = (logits.argmax(dim=1) == targets).double().mean()
        return {"val_loss": float(loss), "val_accuracy": float(correct)}

    def _is_at_end(self) -> bool:
        progress, patience = self.progress, self._options.patience
        since_best = len(progress.history) - 1 - progress.best
        if progress.epoch >= self._options.epochs:
            return True
        if patience is not None and self._learner.task.validation and since_best >= patience:
            progress.stopped = (
                f"validation was no better for {patience} epoch{'s' if patience > 1 else ''}"
            )
            return True
        return False

    def _save(self, *, is_epoch_end: bool = False) -> None:
        self.progress.seconds = time.perf_counter() - self._since
        self.progress.problems |= self._learner.task.all_problems()
        if self._path is None:
            return
        at_most = _SHORT_SECONDS if is_epoch_end else None
        if not self.progress.is_finished and not self._writer.is_due(at_most):
            return
        tensors = _prefixed("best", self._best)
        if not self.progress.is_finished:
            tensors |= _prefixed("module", self._learner.module.state_dict())
            tensors |= _prefixed("optimizer", checkpoint.optimizer_tensors(self._optimizer))
        record = {
            "run": self._run,
            "progress": asdict(self.progress),
            "scaler": self._scaler.state_dict(),
        }
        checkpoint.write(self._path, tensors, record)


def _groups(module: nn.Module) -> list[dict[str, Any]]:
    """Return parameters for the optimizer: kernels and matrices decay, single numbers do not."""
    parameters = [each for each in module.parameters() if each.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": _WEIGHT_DECAY},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _merit(row: Mapping[str, float]) -> tuple[float, float]:
    """Return what makes an epoch better: validation's accuracy, then its loss; else being later."""
    if "val_accuracy" not in row:
        return row["epoch"], 0.0
    return row["val_accuracy"], -row["val_loss"]


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}
