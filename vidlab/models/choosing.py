"""Which runtime is the quickest on this machine: measured, and shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidlab.core.console import say
from vidlab.core.errors import OptionError, VidlabError
from vidlab.core.probabilities import softmax
from vidlab.models.base import LoadedModel, Model, check_model

if TYPE_CHECKING:
    import pandas as pd

# The first call prepares; of the others the middle one counts.
_CALLS = 5


def time_models(
    models: Sequence[LoadedModel], *, rgb: NDArray[np.uint8] | None = None
) -> pd.DataFrame:
    """Measure how long models take for a frame, and how far their answers are apart.

    Args:
        models: Copies of one model on several runtimes, for example.
        rgb: Frames uint8 ``[T, H, W, 3]`` to measure on; None draws some.

    Returns:
        One row a model, the quickest first: ``model, backend, variant, runtime, num_threads,
        frames_per_call, ms_per_frame, top1, largest_difference``. ``ms_per_frame`` is the median of
        calls after the first, ``top1`` the published accuracy in per cent where these weights have
        one, ``largest_difference`` that of any probability from the first of `models`.

    Raises:
        OptionError: There is no model, one finds keypoints, or they have not the same number of
            classes.
    """
    if not models:
        raise OptionError("There is no model to measure.")
    checked = [check_model(model) for model in models]
    if len({model.num_classes for model in checked}) > 1:
        raise OptionError("Models of one number of classes are measured side by side.")
    rgb = _drawn_frames() if rgb is None else rgb
    return _table(checked, [_run(model, rgb) for model in checked])


def quickest(able: Sequence[str], load: Callable[[str], LoadedModel]) -> str:
    """Measure the backends that can run a model, show what was found, return the quickest.

    Args:
        able: Their names.
        load: Loads the model with one of them.

    Raises:
        OptionError: None of them runs it, or it finds keypoints.
    """
    rgb = _drawn_frames()
    models: list[Model] = []
    runs: list[_Run] = []
    for backend in able:
        try:
            model = load(backend)
            if isinstance(model, Model):
                runs.append(_run(model, rgb))
                models.append(model)
                continue
        except VidlabError as error:
            say(f"auto: {backend} is left out: {error}")
            continue
        raise OptionError(
            f"backend='auto' measures models that answer with labels, and {model.name} finds "
            f"keypoints: leave backend= out, or name one, such as {model.backend!r}."
        )
    if not models:
        raise OptionError(f"None of {', '.join(able)} runs it; what each said is above.")
    table = _table(models, runs)
    threads = models[0].num_threads
    say(f"auto: measured here with {threads} thread{'s'[: threads > 1]}; the quickest is taken")
    for row in table.to_dict("records"):
        top1 = f", top-1 {row['top1']:.1f} %" if (row["top1"] or 0) > 0 else ""
        say(
            f"  {row['model']}: {row['ms_per_frame']:.1f} ms a frame ({row['frames_per_call']} at "
            f"once){top1}, off by {row['largest_difference']:.1g}"
        )
    return str(table["backend"].iloc[0])


class _Run(NamedTuple):
    """Probabilities ``[N, num_classes]``, the seconds of a call, and how many frames it takes."""

    probabilities: NDArray[np.float32]
    seconds: float
    num_frames: int


def _table(models: Sequence[Model], runs: Sequence[_Run]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for model, run in zip(models, runs, strict=True):
        variant = next((v for v in model.card.variants if v.name == model.variant), None)
        apart = np.abs(run.probabilities - runs[0].probabilities).max()
        rows.append(
            {
                "model": model.title,
                "backend": model.backend,
                "variant": model.variant,
                "runtime": model.provenance.runtime,
                "num_threads": model.num_threads,
                "frames_per_call": run.num_frames,
                "ms_per_frame": run.seconds * 1000.0 / run.num_frames,
                "top1": (variant and variant.top1) or model.card.accuracy.get("top1"),
                "largest_difference": float(apart),
            }
        )
    return pd.DataFrame(rows).sort_values("ms_per_frame", ignore_index=True)


def _run(model: Model, rgb: NDArray[np.uint8]) -> _Run:
    frames = np.stack([model.preprocessing(each) for each in rgb])
    if model.card.kind == "clip":
        number = model.card.num_frames
        clip = np.take(frames, np.arange(number) % len(frames), axis=0)[None]

        def call() -> NDArray[np.float32]:
            return model.classify(clip)
    else:
        number = model.chunk_frames
        state = model.init_state()
        chunk = np.take(frames, np.arange(number) % len(frames), axis=0)

        def call() -> NDArray[np.float32]:
            return model.step(chunk, state)[0]

    seconds, logits = [], call()
    for _ in range(_CALLS):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    if model.card.kind != "clip":  # of all frames, whatever number is given at once
        logits, _ = model.step(frames, model.init_state())
    return _Run(softmax(logits), float(np.median(seconds)), number)


def _drawn_frames(number: int = 16, height: int = 180, width: int = 240) -> NDArray[np.uint8]:
    """Return pictures of a shape that moves over a gradient."""
    rows, columns = np.mgrid[:height, :width]
    frames = np.empty((number, height, width, 3), dtype=np.uint8)
    for index, frame in enumerate(frames):
        away = np.hypot(rows - height / 2, columns - width * (0.3 + 0.4 * index / number))
        frame[..., 0] = columns * 255 // width
        frame[..., 1] = rows * 255 // height
        frame[..., 2] = np.where(away < height / 5, 230, 60)
    return frames
