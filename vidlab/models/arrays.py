"""Models that are a function from one array to logits, in whatever order it has its axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import CardError, ModelError
from vidlab.core.probabilities import softmax
from vidlab.models.base import Model, State
from vidlab.models.card import ModelCard
from vidlab.models.opening import Opening

Call = Callable[[NDArray[np.float32]], Any]

CLIP_LAYOUTS = ("BCTHW", "BTCHW", "BTHWC")
"""Orders of the axes of clips: batch, time, channels, height, width."""

FRAME_LAYOUTS = ("BCHW", "BHWC")
"""Orders of the axes of single pictures."""

LEAST_PROBABILITY = 1e-12
"""Probabilities below this are told apart no more: their logarithms must stay numbers."""

# How far a sum of probabilities may be from 1: float16 has 11 bits.
_SUM_TOLERANCE = 2e-3


class ArrayModel(Model):
    """A model that answers for clips or for single pictures, whatever computes it.

    Args:
        call: Takes float32 in the order of axes that the card's `layout` says, and gives
            ``[B, num_classes]``, logits or, where the card's `output` says so, probabilities.
        backend: Name of the runtime.
        batch_size: Clips or pictures that `call` takes at once; None for any number.
        about: As for `Model`.

    Raises:
        CardError: The card says of no order of axes, or of a streaming model.
    """

    chunk_frames = 16

    def __init__(
        self, call: Call, *, backend: str, batch_size: int | None = None, **about: Any
    ) -> None:
        self.backend = backend
        super().__init__(**about)
        self._call = call
        self._batch_size = batch_size
        self._layout = layout_of(self.card)

    def init_state(self) -> State:
        """Return nothing: a model of single pictures remembers nothing."""
        if self.card.kind != "frame":
            raise ModelError(
                f"{self.title} answers whole clips and has no stream state; use classify()."
            )
        return None

    def step(self, frames: NDArray[np.float32], state: State) -> tuple[NDArray[np.float32], State]:
        """Run the next frames of a video, each on its own."""
        self.check_frames(frames)
        self.init_state()
        return self._answers(frames), state

    def classify(self, clips: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run whole clips ``[B, T, H, W, 3]``; return logits ``[B, num_classes]``.

        A model of single pictures gives the logarithm of the pictures' mean probabilities.
        """
        for clip in clips:
            self.check_frames(clip)
        if self.card.kind == "clip":
            return self._answers(clips)
        means = np.stack([softmax(self._answers(clip)).mean(axis=0) for clip in clips])
        logits: NDArray[np.float32] = np.log(np.maximum(means, np.finfo(np.float32).tiny))
        return logits

    def _answers(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        size = self._batch_size or len(batch)
        parts = [self._one_call(batch[at : at + size], size) for at in range(0, len(batch), size)]
        return np.concatenate(parts)

    def _one_call(self, batch: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        whole = batch
        if len(batch) < size:  # the file takes no less: the last goes again
            whole = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
        answer = called(self._call, arranged(whole, self._layout), self.card)
        if answer.shape != (size, self.num_classes):
            raise ModelError(
                f"{self.title} gave logits {list(answer.shape)}; "
                f"[{size}, {self.num_classes}] were expected."
            )
        if self.card.output == "probabilities":
            # Their logarithms are logits that have the same softmax.
            answer = np.log(np.maximum(answer, LEAST_PROBABILITY))
        return answer[: len(batch)]


def layout_of(card: ModelCard) -> str:
    """Return the order of axes that a card names, or the usual one of PyTorch.

    Raises:
        CardError: The card is of a streaming model, or names an order that is none.
    """
    known = {"clip": CLIP_LAYOUTS, "frame": FRAME_LAYOUTS}.get(card.kind)
    if known is None:
        raise CardError(
            f"{card.name} is a {card.kind} model; a network or a file of any make answers for "
            "clips or for single pictures: kind is 'clip' or 'frame'."
        )
    if card.layout and card.layout not in known:
        raise CardError(
            f"The layout of {card.name} must be one of {', '.join(known)} (batch, time, channels, "
            f"height, width); got {card.layout!r}."
        )
    return card.layout or known[0]


def input_shape(card: ModelCard, *, batch_size: int = 1) -> tuple[int, ...]:
    """Return the shape of the input that a card says, in its order of axes."""
    sizes = {"B": batch_size, "T": card.num_frames, "C": 3}
    sizes["H"], sizes["W"] = card.preprocessing.size_px
    return tuple(sizes[axis] for axis in layout_of(card))


def arranged(batch: NDArray[np.float32], layout: str) -> NDArray[np.float32]:
    """Return ``[B, T, H, W, C]`` or ``[B, H, W, C]`` in another order of axes."""
    have = "BTHWC" if batch.ndim == 5 else "BHWC"
    return np.ascontiguousarray(batch.transpose([have.index(axis) for axis in layout]))


def open_array(
    call: Call, opening: Opening, *, backend: str, runtime: str, batch_size: int | None = None
) -> ArrayModel:
    """Return the model that a backend made a function of, after a black input went through it.

    Raises:
        OptionError: There is no card.
        ModelError: The function fails, or gives anything but logits or probabilities.
    """
    about = about_array(call, opening, runtime=runtime, batch_size=batch_size)
    return ArrayModel(call, backend=backend, batch_size=batch_size, **about)


def about_array(
    call: Call, opening: Opening, *, runtime: str, batch_size: int | None = None
) -> dict[str, Any]:
    """Return what `open_array` makes a model with, for one of another class."""
    card, num_classes = probe(call, opening.known_card(), batch_size=batch_size)
    return opening.about(card, num_classes=num_classes, runtime=runtime)


def probe(call: Call, card: ModelCard, *, batch_size: int | None = None) -> tuple[ModelCard, int]:
    """Run a black input once; return the card, which now says what comes out, and its length.

    Raises:
        ModelError: It fails, or gives anything but logits or probabilities.
    """
    array = np.zeros(input_shape(card, batch_size=batch_size or 1), dtype=np.float32)
    answer = called(call, array, card)
    if answer.ndim != 2 or len(answer) != (batch_size or 1):
        raise ModelError(
            f"{card.name} gave {list(answer.shape)} for an input {list(array.shape)}; logits "
            f"[{batch_size or 1}, number of classes] are expected."
        )
    if not card.output:
        sums = answer.sum(axis=1)
        if answer.min() >= 0 and np.abs(sums - 1).max() < _SUM_TOLERANCE:
            card = replace(card, output="probabilities")
    return card, int(answer.shape[1])


def called(call: Call, array: NDArray[np.float32], card: ModelCard) -> NDArray[np.float32]:
    """Call, and say what was given where that fails.

    Raises:
        ModelError: With the shape of the input and what the card says of it.
    """
    try:
        return np.asarray(call(array), dtype=np.float32)
    except Exception as error:  # a network raises what it likes
        frames = f" of {card.num_frames} frames" if card.kind == "clip" else ""
        raise ModelError(
            f"{card.name} cannot take what its card says: {layout_of(card)} {list(array.shape)}, "
            f"float32 {card.kind}s{frames}. It says: {error}. Set the card's layout, num_frames "
            "and preprocessing to what it was trained on."
        ) from error
