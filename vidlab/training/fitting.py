"""`fit`: from clips and a model to a model that knows their labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from vidlab.clips import open_clips, warn_of_problems
from vidlab.core.dependencies import require
from vidlab.core.errors import DatasetError, OptionError
from vidlab.core.files import as_path
from vidlab.core.labels import LabelMap
from vidlab.core.machine import num_cores
from vidlab.models.base import LoadedModel, check_model, count, default_num_threads
from vidlab.training.options import BatchNorm, LossOn, Mode, Options, Precision, Train, one_of
from vidlab.training.result import FitResult
from vidlab.training.split import split

if TYPE_CHECKING:
    import torch

# Frames of a piece where the model's card does not say.
_NUM_FRAMES = 16


def fit(
    model: LoadedModel | str | os.PathLike[str],
    data: object,
    *,
    out: str | os.PathLike[str] | None = None,
    labels: LabelMap | Sequence[str] | None = None,
    train: Train = "head",
    mode: Mode = "clips",
    loss_on: LossOn | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    validation: object = 0.2,
    num_frames: int | None = None,
    augment: Literal["default"] | Callable[[Any], Any] | None = "default",
    balance: bool = True,
    precision: Precision = "float32",
    batch_norm: BatchNorm = "frozen",
    patience: int | None = 10,
    seed: int = 0,
    num_workers: int = 0,
    num_threads: int | None = None,
    device: str | None = None,
    resume: bool = True,
    checkpoint_seconds: float = 30.0,
    progress: bool = True,
) -> FitResult:
    """Teach a model the labels of your own clips.

    ``train="head"`` keeps the network as it is and trains the two layers that answer. What the
    network sees in each clip, as it is and varied, is computed once; after that an epoch takes
    moments. ``train="all"`` trains every weight, which takes long without a GPU and wants more
    clips. Labels that the model knew keep what it knew of them.

    ``mode="stream"`` trains a stream model as it is used on long videos: a clip is gone through
    in pieces of `num_frames`, with the state carried from each into the next (gradients stop
    there). Segments of a video that follow each other without a gap are one such clip, whose label
    changes on the way; the state is zero at the start of each.

    With `out`, a run can be killed at any moment: the same command goes on where it was and ends
    with the same weights, bit for bit on a processor, as if nothing had happened; of a run that
    is finished it gives the result again. In a notebook Ctrl-C (the stop button) ends the run
    early and keeps its best epoch.

    Horizontal mirroring is part of the default augmentation, but for labels with a side in them
    ("walking left", "clockwise", "왼손"): then there is none, and that is said.

    Args:
        model: A MoViNet of the torch backend, stream or base, or the name of one. It is not
            changed.
        data: A folder with a folder of videos for each label; a CSV file or a DataFrame of
            segments (``video, start_seconds, end_seconds, label``); or a torch ``Dataset`` of
            ``(frames, class id)`` with ``labels``. Videos are read by timestamp at the model's
            frame rate and prepared as for :func:`vidlab.predict`.
        out: Folder for the weights (``model.safetensors``), their card (``model.toml``),
            ``history.csv`` and the checkpoint; None keeps nothing on disk.
        labels: The labels, in the order wanted; None takes those of `data`, in the model's order
            where these are the model's own.
        train: ``"head"`` or ``"all"``.
        mode: ``"clips"``, each on its own, or ``"stream"``, which also validates segments of one
            video with the state of those before, as a stream meets them.
        loss_on: After which frames a stream model must know the label: the ``"last"`` of each
            clip or segment (default of ``"clips"``) or ``"every"`` (of ``"stream"``).
        epochs: How often to go through the clips; None takes 40 for the head, 20 for all.
        batch_size: Clips at once; None takes 32 for the head, 8 for all.
        learning_rate: The highest; None takes 1e-3 for the head, 3e-4 for all. It grows over the
            first steps and falls as a cosine.
        validation: Share of the clips of each label to keep back, 0 to 0.9, or clips of their own
            in any form that `data` may have; None keeps none. Clips of one video are kept on one
            side where there are videos enough.
        num_frames: Frames of a piece: a longer clip is seen in a random piece in each epoch, or,
            with ``mode="stream"``, piece after piece. None takes the model's own number, or the
            longest clip's where that is less.
        augment: ``"default"``: another crop, other light, a mirror; None: frames as they are; or
            a function from float32 ``[T, 3, height_px, width_px]`` in [0, 1] to the same, such as
            one of torchvision.transforms.v2. It draws from the global random numbers and is
            seeded before each clip.
        balance: Make rare labels weigh as much as frequent ones.
        precision: ``"float32"``, or ``"bfloat16"`` or ``"float16"`` for mixed precision, where
            the device computes in it.
        batch_norm: ``"frozen"`` keeps the statistics of batch norm, which is right for few clips,
            and for carried state; ``"update"`` goes on gathering them (``train="all"`` with
            ``mode="clips"`` only).
        patience: End after so many epochs without a better validation; None goes on.
        seed: Of all random numbers.
        num_workers: Processes that read clips ahead, for ``train="all"``; 0 reads between steps.
        num_threads: Threads to compute with; None takes half of the cores for the head, every
            core for all.
        device: Such as ``"cpu"`` or ``"cuda:1"``; None takes a CUDA GPU if there is one.
        resume: Go on with the run that `out` holds; False starts anew and replaces it.
        checkpoint_seconds: Write the checkpoint this often, and at the end of epochs.
        progress: Show curves in a notebook, a bar in a terminal.

    Returns:
        The model with the weights of the best epoch (by validation's accuracy, then its loss),
        its history, and where it is.

    Raises:
        DatasetError: There is only one label, or too few clips can be read; it lists those that
            cannot.
        LabelMapError: A clip has a label that `labels` does not.
        OptionError: An option is unknown, out of range, or does not fit the model or the device.
        CheckpointError: `out` holds a run with other clips or options, or a damaged one.
        TrainingError: The loss is no longer a number.
        MissingDependencyError: PyTorch is not installed.
    """
    require("torch", why="training")
    from vidlab.training.learners import Task
    from vidlab.training.run import Run, check_precision

    loaded = _torch_model(model)
    is_stream = loaded.card.kind == "stream"
    one_of("train", train, ("head", "all"))
    one_of("mode", mode, ("clips", "stream"))
    if not is_stream and (mode == "stream" or loss_on == "every"):
        raise OptionError(
            f"{loaded.title} sees whole clips and answers once; "
            + ('mode="stream"' if mode == "stream" else 'loss_on="every"')
            + " needs a stream model, such as movinet-a0-stream."
        )
    if augment is not None and augment != "default" and not callable(augment):
        raise OptionError(f'augment is "default", None or a function; got {augment!r}.')
    if isinstance(num_workers, bool) or not isinstance(num_workers, int) or num_workers < 0:
        raise OptionError(f"num_workers must be a whole number from 0; got {num_workers!r}.")
    if not checkpoint_seconds >= 0:
        raise OptionError(f"checkpoint_seconds must be at least 0; got {checkpoint_seconds!r}.")
    where = _device(device)
    check_precision(precision, where)
    share = _share(validation)
    is_head = train == "head"
    usual = loaded.card.num_frames if loaded.card.num_frames > 1 else _NUM_FRAMES
    options = Options(
        train=train,
        mode=mode,
        loss_on=loss_on or ("every" if mode == "stream" else "last"),
        epochs=(40 if is_head else 20) if epochs is None else epochs,
        batch_size=(32 if is_head else 8) if batch_size is None else batch_size,
        learning_rate=(1e-3 if is_head else 3e-4) if learning_rate is None else learning_rate,
        num_frames=usual if num_frames is None else num_frames,
        balance=balance,
        precision=precision,
        batch_norm=batch_norm,
        patience=patience,
        seed=seed,
    )

    prepare = loaded.preprocessing
    join = mode == "stream"
    clips = open_clips(data, prepare, join=join, progress=progress)
    present = sorted({label for clip in clips.clips for label in clip.labels})
    if len(present) < 2:
        raise DatasetError(
            f"There must be at least two labels; all {len(clips)} clips are {present[0]!r}."
        )
    known = _labels(labels, clips.labels, loaded.labels)
    clips.check_labels(known)
    if share is None:
        held = open_clips(validation, prepare, join=join, progress=progress)
        held.check_labels(known)
        halves = list(range(len(clips))), list(range(len(held)))
    else:
        held = clips
        halves = split(clips.clips, share=share, seed=seed)
    told = clips.problems | held.problems
    warn_of_problems(told, stacklevel=2)
    if num_frames is None:
        longest = max(clip.num_frames for clip in clips.clips)
        options = replace(options, num_frames=min(usual, longest))
    task = Task(
        training=(clips, halves[0]), validation=(held, halves[1]), labels=known, options=options
    )
    task.check_enough(0)
    run = Run(
        model=loaded,
        task=task,
        augment=augment,
        out=None if out is None else as_path(out),
        device=where,
        num_workers=num_workers,
        checkpoint_seconds=float(checkpoint_seconds),
        progress=progress,
    )
    if num_threads is None:
        num_threads = default_num_threads() if is_head else num_cores()
    with _threads(count(num_threads, "num_threads")):
        result = run.go(resume=resume)
    late = {name: why for name, why in task.all_problems().items() if name not in told}
    warn_of_problems(late, stacklevel=2)
    return result


def _torch_model(model: object) -> Any:
    """Return a model whose network can be trained."""
    if isinstance(model, (str, os.PathLike)):
        from vidlab.models.loading import load_model

        model = load_model(model, backend="torch")
    from vidlab.models.backends.torch_backend import TorchModel

    if not isinstance(model, TorchModel):
        what = check_model(model).title if isinstance(model, LoadedModel) else repr(model)
        raise OptionError(
            f"fit trains models of the torch backend; got {what}. "
            'Load one with vidlab.load_model("movinet-a0-stream", backend="torch").'
        )
    return model


def _labels(
    given: LabelMap | Sequence[str] | None, of_data: Sequence[str], of_model: LabelMap
) -> LabelMap:
    """Return the labels to learn."""
    if given is None:
        found = of_model if set(of_data) == set(of_model) else LabelMap(of_data, name="fit")
    elif isinstance(given, str):
        raise OptionError(f"labels= takes a LabelMap or a list of labels; got {given!r}.")
    else:
        found = given if isinstance(given, LabelMap) else LabelMap(list(given), name="fit")
    return found


def _share(validation: object) -> float | None:
    """Return the share of clips to keep back, or None where there are clips for it."""
    if validation is None:
        return 0.0
    if isinstance(validation, bool) or not isinstance(validation, (int, float)):
        return None
    if not 0.0 <= validation <= 0.9:
        raise OptionError(
            f"validation is a share from 0 to 0.9, clips of their own, or None; got {validation!r}."
        )
    return float(validation)


def _device(name: str | None) -> torch.device:
    """Return the device to train on.

    Raises:
        OptionError: It is not there.
    """
    import torch

    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise OptionError(
            f"device={name!r} cannot be used: {str(error).splitlines()[0]} "
            "None takes what is there."
        ) from error
    return device


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Compute with so many threads, and with as many as before afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
