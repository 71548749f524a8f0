"""Which places decide: hide a patch of the picture, and look how far the answer falls.

Occlusion as in Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vidlab.attribution.answers import (
    answer_pieces,
    answers,
    class_of,
    go_on,
    pieces_of,
    see,
    verdict,
)
from vidlab.attribution.filling import Fill, check_fill, filled
from vidlab.attribution.heatmap import Heatmap, heatmap_of
from vidlab.core.console import progress as progress_bar
from vidlab.core.errors import OptionError
from vidlab.inference import Rate, Source, as_video, rate_for
from vidlab.models.base import LoadedModel, Model, check_model, count

Ask = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From the frames that are hidden in part, ``[n, H, W, 3]``, to logits ``[A, num_classes]``."""


def spatial_occlusion(
    video: Source,
    model: LoadedModel,
    *,
    at_seconds: float | None = None,
    frame_index: int | None = None,
    label: str | None = None,
    patch_px: int | None = None,
    stride_px: int | None = None,
    fill: Fill = "blur",
    fps: Rate = None,
    progress: bool = True,
) -> Heatmap:
    """Find the places that decide a model's answer to a video, or to one frame of it.

    A square patch goes over the model's input, and the model is asked again for each place of it.

    With neither `at_seconds` nor `frame_index` the patch is hidden on all frames, and what counts
    is the answer to the whole video. With one of them it is hidden on that sampled frame only, and
    what counts is the answer in which it has just come: a stream model's right after it, going on
    from the state before; a clip model's to the first clip that holds it.

    Args:
        video: A :class:`~vidlab.Video`, or anything it can be made from.
        model: What :func:`~vidlab.load_model` returned, of any backend.
        at_seconds: A moment; the frame that the model last saw by then is taken.
        frame_index: A frame, likewise.
        label: Which label's probability is watched; None takes the model's own answer.
        patch_px: Side of the patch, in px of the model's input; None takes a quarter of its short
            side.
        stride_px: From one place of the patch to the next, likewise; None takes half the patch.
        fill: What is shown instead: ``"blur"``, the same without detail; ``"freeze"``, that place
            as it was before, on the first frame where all are hidden; ``"gray"``, nothing.
        fps: Frames a second that the model is given, as in :func:`~vidlab.predict`.
        progress: Show a progress bar.

    Returns:
        The drop of the label's probability, place by place. A pixel's is the mean of the patches
        that cover it.

    Raises:
        VideoError: Not one frame could be read.
        OptionError: An option is out of range, or a moment is given twice.
        FrameRangeError: The video has no such frame.
        LabelMapError: The model has no such label.
        ModelError: An answer is not a number.
    """
    model = check_model(model)
    check_fill(fill)
    class_id = class_of(model, label)
    height, width = model.preprocessing.size_px
    side = max(1, min(height, width) // 4) if patch_px is None else patch_px
    side = count(side, "patch_px", at_most=min(height, width))
    step = max(1, side // 2) if stride_px is None else stride_px
    step = count(step, "stride_px", at_most=side)
    source = as_video(video)
    if at_seconds is not None:
        if frame_index is not None:
            raise OptionError("Give at_seconds or frame_index, not both.")
        frame_index = source.index_at_time(at_seconds)
    elif frame_index is not None:
        frame_index = source.frame_at(frame_index).index
    seen = see(source, model, rate_for(model, fps))
    if frame_index is None:
        place, span = None, slice(None)
        ask = _asking_about_all(model)
    else:
        place = int(np.searchsorted(seen.frame_index, frame_index, side="right")) - 1
        span = slice(place, place + 1)
        ask = _asking_about(model, seen.pixels, place)
    start, stop, _ = span.indices(len(seen.pixels))
    plain, hidden = seen.pixels[span], filled(seen.pixels, start, stop, fill, model.preprocessing)

    answer = verdict(model, ask(plain)).probabilities
    class_id = int(answer.argmax()) if class_id is None else class_id
    rows, columns = _places(height, side, step), _places(width, side, step)
    grid = np.zeros((len(rows), len(columns)), dtype=np.float32)
    for at in progress_bar(
        list(np.ndindex(grid.shape)), desc="hiding", unit="patch", disable=not progress
    ):
        patch = _patch(rows[at[0]], columns[at[1]], side)
        changed = plain.copy()
        changed[patch] = hidden[patch]
        grid[at] = answer[class_id] - verdict(model, ask(changed)).probabilities[class_id]
    values = _spread(grid, rows, columns, side, (height, width))
    return heatmap_of(
        model,
        seen,
        place,
        grid=grid,
        values=values,
        what="drop of probability",
        label=model.labels[class_id],
        probability=float(answer[class_id]),
        top=float(values.max()),
    )


def _asking_about_all(model: Model) -> Ask:
    """Return what asks about all frames at once."""
    return lambda frames: answers(model, frames)[1]


def _asking_about(model: Model, pixels: NDArray[np.float32], place: int) -> Ask:
    """Return what asks a model about one frame, which is given, among those around it."""
    if model.card.answers_every_frame:
        _, state = go_on(model, pixels[:place], model.init_state())
        return lambda frame: go_on(model, frame, state)[0]
    clip = next(piece for piece in pieces_of(model, len(pixels)) if place in piece)

    def ask(frame: NDArray[np.float32]) -> NDArray[np.float32]:
        frames = np.where((clip == place)[:, None, None, None], frame, pixels[clip])
        return answer_pieces(model, frames, [np.arange(len(clip))])

    return ask


def _places(length: int, side: int, step: int) -> list[int]:
    """Return where patches start along a side of the picture; the last one ends with it."""
    places = list(range(0, length - side + 1, step))
    return places if places[-1] == length - side else [*places, length - side]


def _patch(top: int, left: int, side: int) -> tuple[slice, slice, slice]:
    return slice(None), slice(top, top + side), slice(left, left + side)


def _spread(
    grid: NDArray[np.float32],
    rows: list[int],
    columns: list[int],
    side: int,
    size_px: tuple[int, int],
) -> NDArray[np.float32]:
    """Return for each px of the input the mean of the patches that cover it."""
    total, covered = np.zeros(size_px), np.zeros(size_px)
    for (row, column), value in np.ndenumerate(grid):
        patch = _patch(rows[row], columns[column], side)[1:]
        total[patch] += value
        covered[patch] += 1
    mean: NDArray[np.float32] = (total / covered).astype(np.float32)
    return mean
