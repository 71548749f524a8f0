"""What a run is asked to do, checked and with nothing left open."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from vidlab.core.errors import OptionError, did_you_mean
from vidlab.models.base import count

Train = Literal["head", "all"]
Mode = Literal["clips", "stream"]
LossOn = Literal["last", "every"]
Precision = Literal["float32", "bfloat16", "float16"]
BatchNorm = Literal["frozen", "update"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of one run that decide its result.

    Attributes:
        train: ``"head"`` or ``"all"``.
        mode: ``"clips"`` or ``"stream"``.
        loss_on: Frames that the loss is on: the ``"last"`` of each segment or ``"every"``.
        epochs: How often the clips are gone through.
        batch_size: Clips that are learnt from at once.
        learning_rate: The highest, after warming up.
        num_frames: Frames of one piece of a clip.
        balance: Whether rare labels weigh more.
        precision: What the network computes in.
        batch_norm: Whether batch norm keeps its statistics or takes the batch's.
        patience: Epochs without a better validation that end the run; None for no such end.
        seed: Of all random numbers.
    """

    train: Train
    mode: Mode
    loss_on: LossOn
    epochs: int
    batch_size: int
    learning_rate: float
    num_frames: int
    balance: bool
    precision: Precision
    batch_norm: BatchNorm
    patience: int | None
    seed: int

    def __post_init__(self) -> None:
        one_of("train", self.train, get_args(Train))
        one_of("mode", self.mode, get_args(Mode))
        one_of("loss_on", self.loss_on, get_args(LossOn))
        one_of("precision", self.precision, get_args(Precision))
        one_of("batch_norm", self.batch_norm, get_args(BatchNorm))
        for name in ("epochs", "batch_size", "num_frames"):
            object.__setattr__(self, name, count(getattr(self, name), name))
        if self.patience is not None:
            object.__setattr__(self, "patience", count(self.patience, "patience"))
        if not isinstance(self.learning_rate, (int, float)) or not (
            0.0 < self.learning_rate < math.inf
        ):
            raise OptionError(
                f"learning_rate must be a positive number; got {self.learning_rate!r}."
            )
        if type(self.seed) is not int or self.seed < 0:
            raise OptionError(f"seed must be a whole number from 0; got {self.seed!r}.")
        if not isinstance(self.balance, bool):
            raise OptionError(f"balance must be True or False; got {self.balance!r}.")
        if self.batch_norm == "update" and (self.train == "head" or self.mode == "stream"):
            why = (
                "the head has no batch norm"
                if self.train == "head"
                else "a state that was carried over from other statistics would not be the one "
                "that the model sees when it predicts"
            )
            raise OptionError(
                f'batch_norm="update" goes with train="all" and mode="clips" only: {why}.'
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the options as plain data."""
        return asdict(self)


def one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse a value that is not one of those known.

    Raises:
        OptionError: With the nearest one.
    """
    if not isinstance(value, str) or value not in known:
        hint = did_you_mean(value, known) if isinstance(value, str) else ""
        raise OptionError(
            f"{name} must be one of {', '.join(map(repr, known))}; got {value!r}.{hint}"
        )
