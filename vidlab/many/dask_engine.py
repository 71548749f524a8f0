"""The engine of a Dask cluster: each video is a task, on whichever worker is free.

The workers write the answers themselves, into the run's folder, which therefore has to be on a file
system that they and the client share, under the same path; so do the videos and the weights. Over
the network goes only what became of each video. Of a worker that dies, Dask gives the videos to
others. A worker opens the models once, and keeps them for the next run of the same ones. Of a long
video, each part is a task of its own, before those that wait.

Whoever may connect to a Dask cluster may run code on it: it is for networks that are trusted.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import threading
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidlab.core.dependencies import require
from vidlab.core.errors import ClusterError, ModelError, OptionError, VidlabError
from vidlab.many.work import MEMORY_SETTINGS, Job, Outcome, Task, Worker

if TYPE_CHECKING:
    from distributed import Client, Future

_WHY = 'engine="dask"'

_LOST = (
    "The connection to Dask's scheduler is lost. What was done is kept; the same call goes on, "
    "once there is a scheduler again."
)

# Dask's setting of what its workers find in their environment as they start.
_WORKERS_ENVIRONMENT = "distributed.nanny.pre-spawn-environ"

# A cluster of our own hands out a video at a time, so that a worker's death counts against the
# video that it was at, and against none that waited there; and tries such a video once more, as
# the engine of one machine does.
_OWN_SETTINGS = {
    "distributed.scheduler.allowed-failures": 1,
    "distributed.scheduler.worker-saturation": 1.0,
    _WORKERS_ENVIRONMENT: {
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), 1),
        **MEMORY_SETTINGS,
    },
}


def run_on_dask(
    tasks: Sequence[Task],
    job: Job,
    *,
    num_workers: int,
    client: Client | str | None = None,
    resources: Mapping[str, float] | None = None,
) -> Generator[Outcome]:
    """Do videos on a Dask cluster.

    Where the loop over the outcomes is left, videos that were not begun are called off; those on
    a cluster of somebody else's that were begun are done to their end.

    Args:
        tasks: The videos; their paths, and the run's folder, are the same on all workers.
        job: What is to be done with each.
        num_workers: Processes of a cluster that is made here; another's are as many as they are.
        client: A connected client, the scheduler's address, or None for a cluster of processes on
            this machine, which ends with the run. A script that makes one needs the usual
            ``if __name__ == "__main__":``, as its processes read the script again.
        resources: What a worker must have free for one video, such as ``{"GPU": 1}``; workers
            state it as they start (``dask worker --resources "GPU=1"``). A cluster that is made
            here states it for each worker.

    Yields:
        What became of each video, in the order in which they are done, and before that of each
        part of a long one. How often one is tried whose worker dies is the scheduler's setting
        ``distributed.scheduler.allowed-failures``.

    Raises:
        MissingDependencyError: Dask is not installed.
        OptionError: No scheduler answers at the address, `client` is something else, or a worker
            does not see the run's folder.
        ModelError: A worker cannot open the models.
        ClusterError: The scheduler is gone.
    """
    distributed = require("distributed", why=_WHY)
    if not tasks:
        return
    with _connected(client, min(num_workers, len(tasks)), resources) as connected:
        _check_connection(connected)
        # One small task that all others need: Dask brings it to each worker once.
        content = connected.submit(bytes, pickle.dumps(job), pure=False)
        same: dict[str, Any] = {
            "content": content,
            "resources": dict(resources) if resources else None,
            "pure": False,
        }
        keys = [_key() for _ in tasks]
        futures = connected.map(_answer, tasks, key=keys, **same)
        # What is not done yet, by key.
        waiting: dict[object, tuple[Future[Outcome], Task]] = {
            key: (future, task) for key, future, task in zip(keys, futures, tasks, strict=True)
        }
        completed = distributed.as_completed(futures)
        del futures  # a future that is held keeps its task on the cluster
        try:
            for future in completed:
                _, task = waiting.pop(future.key)
                outcome = _outcome(future, task)
                # Else the death of a worker that had done it would have it done again.
                future.release()
                if outcome.num_parts_left:
                    task = replace(task, goes_on=True)
                    _check_connection(connected)
                    again = connected.submit(_answer, task, key=_key(), priority=1, **same)
                    waiting[again.key] = again, task
                    completed.add(again)
                    # Ordered from nobody, it would be waited for for ever.
                    _check_connection(connected)
                yield outcome
        finally:
            # A client that has looked for the scheduler for too long closes itself.
            if connected.status != "closed":
                connected.cancel([content, *(future for future, _ in waiting.values())])


def _check_connection(client: Client) -> None:
    """Refuse a client that has no scheduler any more.

    Raises:
        ClusterError: It has none.
    """
    if client.status != "running":
        raise ClusterError(_LOST)


def _key() -> str:
    # Dask's dashboard names it by what is before the hash.
    return f"vidlab-{uuid.uuid4().hex}"


@contextmanager
def _connected(
    client: Client | str | None, num_workers: int, resources: Mapping[str, float] | None
) -> Iterator[Client]:
    distributed = require("distributed", why=_WHY)
    if isinstance(client, distributed.Client):
        yield client  # and is left open: it is the caller's
    elif isinstance(client, str):
        try:
            opened = distributed.Client(client)
        except (OSError, ValueError) as error:
            raise OptionError(
                f"No Dask scheduler answers at {client!r}: {error}. Give the address that it names "
                "as it starts, such as 'tcp://127.0.0.1:8786'."
            ) from error
        with _quiet(), closing(opened):
            yield opened
    elif client is None:
        import dask

        with (
            dask.config.set(_OWN_SETTINGS),
            _environment_kept(dask.config.get(_WORKERS_ENVIRONMENT)),
            distributed.LocalCluster(
                n_workers=num_workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",
                resources=dict(resources or {}),
                preload=[__name__],
                silence_logs=logging.ERROR,  # outcomes say what became of workers that died
            ) as cluster,
            distributed.Client(cluster) as opened,
        ):
            yield opened
    else:
        raise OptionError(
            "client is a distributed.Client, a scheduler's address such as "
            f"'tcp://127.0.0.1:8786', or None for a cluster of this machine; got {client!r}."
        )


@contextmanager
def _environment_kept(names: Iterable[str]) -> Iterator[None]:
    """Take back what Dask sets here for the workers that it starts, and leaves.

    Every process that is started later would have it, and PyTorch in it one thread.
    """
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's client from telling with tracebacks what our own errors say."""
    log = logging.getLogger("distributed.client")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _outcome(future: Future[Outcome], task: Task) -> Outcome:
    """Return what became of a video.

    Raises:
        VidlabError: The worker cannot work at all, or the scheduler is gone.
    """
    distributed = require("distributed", why=_WHY)
    try:
        if future.cancelled():
            raise CancelledError
        error = future.exception()
        if error is None:
            return future.result()  # which is fetched from the worker by way of the scheduler
    except (CancelledError, OSError) as lost:
        raise ClusterError(_LOST) from lost
    if isinstance(error, distributed.KilledWorker):
        attempts = error.allowed_failures + 1
        return Outcome(
            video=task.video,
            error="WorkerError",
            reason=f"The worker process ended on this video, {attempts} times.",
            attempts=attempts,
        )
    raise error


# ---------------------------------------------------------------- on a worker


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C to the client, which ends the workers; Dask calls this in those made here."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


# The last job's models, by the job's content.
_opened: dict[bytes, Worker] = {}
_opening = threading.Lock()


def _answer(task: Task, content: bytes) -> Outcome:
    """Do one video, or its next part; what a Dask worker runs.

    Raises:
        OptionError: The run's folder is not here.
        ModelError: The models cannot be opened.
    """
    with _opening:
        if content not in _opened:
            _opened.clear()
            job: Job = pickle.loads(content)
            if not Path(job.folder).is_dir():
                raise OptionError(
                    f"A Dask worker does not see the run's folder, {job.folder!r}. It has to be on "
                    "a file system that the workers and the client share."
                )
            try:
                _opened[content] = Worker(job)
            except VidlabError as error:
                raise ModelError(f"A Dask worker cannot open the models: {error}") from error
        worker = _opened[content]
    return worker.answer(task)
