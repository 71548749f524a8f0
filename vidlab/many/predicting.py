"""The run: many videos, one or more models, nothing lost and nothing done twice."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from vidlab.core.console import progress as progress_bar
from vidlab.core.console import say
from vidlab.core.errors import OptionError, did_you_mean
from vidlab.core.files import as_path
from vidlab.core.machine import num_cores
from vidlab.core.naming import shortest_names
from vidlab.feeding import INTERRUPTED
from vidlab.inference import Rate
from vidlab.many.dask_engine import run_on_dask
from vidlab.many.listing import Listed, list_videos, read_list, write_list
from vidlab.many.local import run_locally
from vidlab.many.manifest import agree_or_write, manifest_of
from vidlab.many.run import Run, headers_of, is_done
from vidlab.many.store import Store, stat_of
from vidlab.many.work import Job, Outcome, Task, check_options
from vidlab.models.base import LoadedModel, Model, check_model, count
from vidlab.models.reopening import spec_of

if TYPE_CHECKING:
    from distributed import Client

_ENGINES = ("local", "dask")


def predict_many(
    videos: object,
    models: LoadedModel | Sequence[LoadedModel] | Mapping[str, LoadedModel],
    *,
    out: str | os.PathLike[str],
    engine: Literal["local", "dask"] = "local",
    client: Client | str | None = None,
    workers: int | None = None,
    fps: Rate = None,
    hop: int | None = None,
    recipe: str | None = None,
    max_results: int | Literal["all"] | None = None,
    retry_failed: bool = True,
    part_seconds: float | None = 600.0,
    timeout_seconds: float | None = None,
    resources: Mapping[str, float] | None = None,
    progress: bool = True,
) -> Run:
    """Run models over many videos, in processes of their own, into a folder that is one dataset.

    It may be stopped at any moment, also by a kill or by the power going off: the same call goes
    on where it was. Finished videos are skipped, unless their file has changed since. A video that
    cannot be read, crashes its process or takes too long costs the others nothing.

    Args:
        videos: A folder, of which every video at any depth is taken; paths; or a DataFrame with
            paths in its column ``video``, whose other columns are kept.
        models: What :func:`~vidlab.load_model` returned: one, several, or several by name. Each
            video is decoded once for all.
        out: Folder of the run; made where there is none.
        engine: ``"local"``: processes of this machine. ``"dask"``: a Dask cluster, whose workers
            see videos, weights and `out` under the same paths.
        client: For Dask: a ``distributed.Client``, or a scheduler's address; None makes a cluster
            of this machine.
        workers: How many processes; None takes as many as the models' threads leave cores for.
        fps: See :func:`~vidlab.predict`.
        hop: See :func:`~vidlab.predict`.
        recipe: See :func:`~vidlab.predict`.
        max_results: See :func:`~vidlab.predict`.
        retry_failed: Try again what failed before; else only where the file has changed since.
        part_seconds: How long the parts are, about, in which a video of more than one and a half
            of them is done: the answers are the same, and a kill costs one part. None does every
            video whole; so does a recipe, and so is a video without key frames inside.
        timeout_seconds: How long one video, or one part of a long one, may take before its process
            is ended; None for ever. For the local engine.
        resources: What a Dask worker must have free for one video, such as ``{"GPU": 1}``; workers
            state it as they start (``dask worker --resources "GPU=1"``), and videos wait for
            such workers.
        progress: Show a progress bar.

    Returns:
        The run. After Ctrl-C its ``stopped`` says so, and a warning is given.

    Raises:
        OptionError: An option is out of range; a model is of keypoints, or in no file; or the
            folder is another run's, or in use.
        ModelError: The processes cannot open the models.
        ClusterError: Dask's scheduler is gone; what was done is kept.
    """
    if engine not in _ENGINES:
        raise OptionError(
            f"engine must be one of {', '.join(map(repr, _ENGINES))}; got {engine!r}."
            f"{did_you_mean(str(engine), _ENGINES)}"
        )
    if engine == "local" and client is not None:
        raise OptionError("client= is for engine='dask'; the local engine takes workers=.")
    if engine == "dask" and timeout_seconds is not None:
        raise OptionError("timeout_seconds= is for engine='local'; Dask's workers keep no time.")
    if engine == "local" and resources is not None:
        raise OptionError("resources= is for engine='dask'; processes of this machine share it.")
    for name, seconds in (("timeout_seconds", timeout_seconds), ("part_seconds", part_seconds)):
        if seconds is not None and not 0.0 < seconds < math.inf:
            raise OptionError(f"{name} must be a positive number; got {seconds!r}.")
    named = _named(models)
    for model in named.values():
        check_options(model, fps=fps, hop=hop, recipe=recipe)
    num_workers = _num_workers(named) if workers is None else count(workers, "workers")
    selections = {
        name: model.selection.updated(max_results=max_results) for name, model in named.items()
    }
    store = Store(as_path(out).absolute())
    job = Job(
        folder=str(store.folder),
        names=tuple(named),
        specs=tuple(
            replace(spec_of(model), selection=selections[name]) for name, model in named.items()
        ),
        fps=fps,
        hop=hop,
        recipe=recipe,
        part_seconds=part_seconds,
    )
    listed = list_videos(videos)
    manifest = manifest_of(
        list(named), list(named.values()), list(selections.values()),
        {"fps": fps, "hop": hop, "recipe": recipe},
    )  # fmt: skip
    with store.alone():
        agree_or_write(store, manifest)
        names = {each.video for each in listed}
        known = [each for each in read_list(store) if each.video not in names]
        write_list(store, [*known, *listed])
        waiting = [each for each in listed if _is_due(store, each, job.names, retry_failed)]
        # A kill may come between a video's answers and the end of what was kept of it.
        unfinished = [each.video for each in (*known, *waiting)]
        store.keep_parts_of(unfinished)
        tasks = [Task(video=each.video, path=each.path) for each in waiting]
        if client is None:
            # The cores are shared out: each process with threads for all of them is slower, and
            # holds a picture for each.
            num_busy = max(1, min(num_workers, len(tasks)))
            job = replace(job, decoding_threads=max(1, num_cores() // num_busy))
        if engine == "dask":
            outcomes = run_on_dask(
                tasks, job, num_workers=num_workers, client=client, resources=resources
            )
        else:
            outcomes = run_locally(
                tasks, job, num_workers=num_workers, timeout_seconds=timeout_seconds
            )
        stopped = _follow(outcomes, store, waiting, job.names, len(listed), progress=progress)
        store.keep_parts_of(unfinished)
    if stopped is not None:
        warnings.warn(stopped, stacklevel=2)
    return Run(store.folder, stopped=stopped)


def _follow(
    outcomes: Generator[Outcome],
    store: Store,
    waiting: Sequence[Listed],
    models: tuple[str, ...],
    num_listed: int,
    *,
    progress: bool,
) -> str | None:
    """Keep what fails, and show how it goes; return why it stopped before the end, or None."""
    paths = {each.video: each.path for each in waiting}
    # As they are before they are read: one that changes meanwhile is worth another try.
    before = {video: stat_of(path) for video, path in paths.items()}
    num_done = num_failed = 0
    num_before = num_listed - len(waiting)
    if progress and num_before and waiting:
        say(f"{num_before} of {num_listed} videos were done before; going on with the rest")
    bar = progress_bar(
        total=num_listed,
        initial=num_before,
        desc="videos",
        unit="video",
        kept=f"Kept in {store.folder}: if the kernel ends, run the cell again, and it goes on.",
        disable=not progress,
    )
    with bar, closing(outcomes):
        try:
            for outcome in outcomes:
                if outcome.num_parts_left:
                    num_left = outcome.num_parts_left
                    parts = f"{num_left} part{'s' if num_left > 1 else ''}"
                    bar.set_postfix_str(f"{outcome.video}: {parts} left")
                    continue
                if outcome.error is not None:
                    num_failed += 1
                    bar.set_postfix_str(f"{num_failed} failed")
                    told = {
                        name: getattr(outcome, name) for name in ("error", "reason", "attempts")
                    }
                    record = told | before[outcome.video]
                    # Answers that are there are to what the file held before.
                    store.remove_answers(outcome.video, models)
                    store.write_failure(outcome.video, record)
                num_done += 1
                bar.update()
        except KeyboardInterrupt:
            return (
                f"{INTERRUPTED} after {num_done} of {len(waiting)} videos; what was done is kept, "
                "and the same call goes on"
            )
    return None


def _is_due(store: Store, listed: Listed, models: tuple[str, ...], retry_failed: bool) -> bool:
    """Tell whether a video is to be done, now or once more."""
    headers = headers_of(store, listed, models)
    if headers is not None:
        return not is_done(listed, headers)
    failure = None if retry_failed else store.failure(listed.video)
    return failure is None or any(
        failure.get(key) != value for key, value in stat_of(listed.path).items()
    )


def _named(
    models: LoadedModel | Sequence[LoadedModel] | Mapping[str, LoadedModel],
) -> dict[str, Model]:
    """Return the models by their names in the run.

    Raises:
        OptionError: There is none, or one that finds keypoints.
    """
    if isinstance(models, Mapping):
        named: dict[Any, LoadedModel] = dict(models)
    else:
        given = [models] if isinstance(models, LoadedModel) else list(models)
        checked = [check_model(each) for each in given]
        names = shortest_names(
            [(each.name, f"{each.backend}:{each.name}", each.title) for each in checked]
        )
        named = dict(zip(names, checked, strict=True))
    if not named:
        raise OptionError("At least one model is needed; got none.")
    return {str(name): check_model(model) for name, model in named.items()}


def _num_workers(models: Mapping[str, Model]) -> int:
    threads = max(model.num_threads for model in models.values())
    return max(1, num_cores() // threads)
