"""A streaming model that is shown each frame as if there were no others: what pictures alone tell.

Many clips give themselves away in any of their frames: who sees ice and a chisel needs no motion.
How far a video model is above the same weights on single frames is what it makes of time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vidlab.core.errors import OptionError
from vidlab.models.base import FrameModel, LoadedModel, check_model


def single_frames(model: LoadedModel) -> SingleFrames:
    """Make an image model of a streaming one: before each frame, it forgets what it saw.

    It is the baseline for a study, with the same weights, pixels and labels::

        vl.evaluate([model, vl.single_frames(model)], "clips/")

    A convolution in time that has seen nothing yet fills up with zeros, as at the start of every
    video, so the model is in a state that it knows.

    Args:
        model: What :func:`~vidlab.load_model` or :func:`~vidlab.fit` gave, of any backend.

    Returns:
        A model like any other. Of a clip it tells the mean over its frames.

    Raises:
        OptionError: It is no streaming model. One of single pictures is its own baseline; one of
            clips cannot be shown less than a clip.
    """
    streaming = check_model(model)
    if streaming.card.kind != "stream":
        raise OptionError(
            f"single_frames takes a streaming model's memory away; {streaming.title} is a "
            f"{streaming.card.kind} model, which has none. Give one such as 'movinet-a0-stream'."
        )
    return SingleFrames(streaming)


class SingleFrames(FrameModel):
    """A streaming model without its memory; see :func:`single_frames`.

    Attributes:
        streaming: The model whose answers it gives.
    """

    def __init__(self, streaming: LoadedModel) -> None:
        self.streaming = check_model(streaming)
        self.backend = streaming.backend
        super().__init__(
            card=replace(streaming.card, name=f"{streaming.name}, single frames", kind="frame"),
            variant=streaming.variant,
            labels=self.streaming.labels,
            provenance=streaming.provenance,
            num_threads=streaming.num_threads,
            selection=self.streaming.selection,
        )
        self.opening = streaming.opening
        self.preprocessing = self.streaming.preprocessing
        self.takes_any_size = self.streaming.takes_any_size

    def answer(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits ``[N, num_classes]``, each frame's the first of a video."""
        return np.concatenate(
            [
                self.streaming.step(frame, self.streaming.init_state())[0]
                for frame in frames[:, None]
            ]
        )
