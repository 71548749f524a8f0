"""A video's sampled frames, read once, and a model's answers to them as often as they change."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidlab.core.errors import ModelError
from vidlab.core.probabilities import softmax
from vidlab.feeding import Decoder, Feed
from vidlab.models.arrays import ArrayModel
from vidlab.models.base import Model, State
from vidlab.sampling import windows
from vidlab.video import Video

# Pictures are kept for plots: no higher than these show.
_PICTURE_HEIGHT_PX = 240

_AHEAD_FRAMES = 4

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Seen:
    """What a model sees of a video.

    Attributes:
        frame_index: int64 ``[N]``, the sampled frames.
        time_seconds: float64 ``[N]``, their timestamps.
        pixels: float32 ``[N, H, W, 3]``, as the model's preprocessing gave them.
        pictures: The frames as displayed, reduced, uint8 ``[h, w, 3]``.
        size_px: Height and width of a frame as displayed.
    """

    frame_index: Indices
    time_seconds: NDArray[np.float64]
    pixels: NDArray[np.float32]
    pictures: tuple[NDArray[np.uint8], ...]
    size_px: tuple[int, int]


def see(video: Video, model: Model, rate: float | None) -> Seen:
    """Read and prepare the frames that a model is given.

    Args:
        video: Where they are from.
        model: Whose preprocessing is taken.
        rate: How many a second; None for every frame.

    Raises:
        VideoError: Not one frame could be read.
    """
    index, times, pixels, pictures = [], [], [], []
    for number, pts_seconds, rgb in sampled(video, rate=rate):
        index.append(number)
        times.append(pts_seconds)
        pixels.append(model.preprocessing(rgb))
        pictures.append(_reduced(rgb))
        height, width = rgb.shape[:2]
    return Seen(
        frame_index=np.array(index, dtype=np.int64),
        time_seconds=np.array(times),
        pixels=np.stack(pixels),
        pictures=tuple(pictures),
        size_px=(height, width),
    )


def sampled(
    video: Video, *, rate: float | None = None, frames: frozenset[int] | None = None
) -> Iterator[tuple[int, float, NDArray[np.uint8]]]:
    """Yield number, timestamp and picture of the sampled frames; end early at a damaged one.

    Args:
        video: Where they are from.
        rate: How many a second; None for every frame, or for those in `frames`.
        frames: Numbers of those that are wanted.

    Raises:
        VideoError: Not one frame could be read.
    """
    is_any = False
    feed = Feed(preprocessing=_unchanged, rate=rate, frames=frames)
    with Decoder(video.frames(), [feed], ahead=_AHEAD_FRAMES) as decoder:
        for prepared in decoder:
            is_any = True
            yield prepared.index, prepared.pts_seconds, prepared.pixels[0]
    if decoder.error is not None:
        if not is_any:
            raise decoder.error
        warnings.warn(f"{decoder.error} The frames before it are looked at.", stacklevel=2)


def _unchanged(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return rgb


def _reduced(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    if height <= _PICTURE_HEIGHT_PX:
        return rgb
    size = (max(1, round(width * _PICTURE_HEIGHT_PX / height)), _PICTURE_HEIGHT_PX)
    return np.array(Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR))


# ---------------------------------------------------------------- answers


def pieces_of(model: Model, num_frames: int) -> list[Indices]:
    """Return the frames of each answer that a model gives without a memory of those before.

    Clips are those of `vidlab.predict`: end to end, and one more that ends with the last frame. A
    model of single pictures has a piece for each frame, and so has a stream model, which carries
    its state from one to the next.
    """
    if model.card.answers_every_frame:
        return list(np.arange(num_frames, dtype=np.int64)[:, None])
    length = model.card.num_frames
    if num_frames < length:
        clip = np.arange(num_frames, dtype=np.int64)
        # A network that takes a fixed number of frames gets the last one again and again.
        missing = length - num_frames if isinstance(model, ArrayModel) else 0
        return [np.pad(clip, (0, missing), mode="edge")]
    clips = windows(num_frames, length)
    if num_frames % length:
        clips.append(np.arange(num_frames - length, num_frames, dtype=np.int64))
    return clips


def answer_pieces(
    model: Model, pixels: NDArray[np.float32], pieces: Sequence[Indices]
) -> NDArray[np.float32]:
    """Return the logits for pieces of frames, each on its own, float32 ``[P, num_classes]``."""
    if model.card.answers_every_frame:
        return go_on(model, pixels[np.concatenate(pieces)], model.init_state())[0]
    return _checked(model, [model.classify(pixels[piece][None]) for piece in pieces])


def go_on(
    model: Model, pixels: NDArray[np.float32], state: State
) -> tuple[NDArray[np.float32], State]:
    """Return the logits after each frame, float32 ``[N, num_classes]``, and the state then."""
    logits = []
    for first in range(0, len(pixels), model.chunk_frames):
        part, state = model.step(pixels[first : first + model.chunk_frames], state)
        logits.append(part)
    return _checked(model, logits), state


def answers(model: Model, pixels: NDArray[np.float32]) -> tuple[Indices, NDArray[np.float32]]:
    """Return a model's answers to a video as it goes on.

    Returns:
        After which frame each was given, int64 ``[A]``, and its logits, ``[A, num_classes]``.
    """
    pieces = pieces_of(model, len(pixels))
    return np.array([piece[-1] for piece in pieces]), answer_pieces(model, pixels, pieces)


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a model says of a whole video.

    Attributes:
        probabilities: float32 ``[num_classes]``.
        logits: float32 ``[num_classes]``.
    """

    probabilities: NDArray[np.float32]
    logits: NDArray[np.float32]


def verdict(model: Model, logits: NDArray[np.float32]) -> Verdict:
    """Return what all of a model's answers to a video come to.

    Args:
        model: Of a stream model the last answer counts, of others the mean of all.
        logits: float32 ``[A, num_classes]``.
    """
    if model.card.kind == "stream":
        logits = logits[-1:]
    return Verdict(softmax(logits).mean(axis=0), logits.mean(axis=0))


def class_of(model: Model, label: str | None) -> int | None:
    """Return the number of a label; None where the model is to say.

    Raises:
        LabelMapError: The model has no such label.
    """
    return None if label is None else model.labels.id_of(label)


def _checked(model: Model, parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    logits = np.concatenate([np.empty((0, model.num_classes), dtype=np.float32), *parts])
    if not np.isfinite(logits).all():
        raise ModelError(
            f"{model.title} gave logits that are not finite. Its weights or its input are wrong."
        )
    return logits
