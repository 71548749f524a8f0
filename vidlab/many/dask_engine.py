"""The engine of a Dask cluster: each video is a task, on whichever worker is free.

The workers write the answers themselves, into the run's folder, which therefore has to be on a file
system that they and the client share, under the same path; so do the videos and the weights. Over
the network goes only what became of each video. Of a worker that dies, Dask gives the videos to
others. A worker opens the models once, and keeps them for the next run of the same ones.

Whoever may connect to a Dask cluster may run code on it: it is for networks that are trusted.
"""

from __future__ import annotations

import pickle
import threading
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vidlab.core.dependencies import require
from vidlab.core.errors import ModelError, OptionError, VidlabError
from vidlab.many.work import Job, Outcome, Task, Worker

if TYPE_CHECKING:
    from distributed import Client, Future

_WHY = 'engine="dask"'

# A cluster of our own hands out a video at a time, so that a worker's death counts against the
# video that it was at, and against none that waited there; and tries such a video once more, as
# the engine of one machine does.
_OWN_SETTINGS = {
    "distributed.scheduler.allowed-failures": 1,
    "distributed.scheduler.worker-saturation": 1.0,
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
        What became of each video, in the order in which they are done. How often one is tried
        whose worker dies is the scheduler's setting ``distributed.scheduler.allowed-failures``.

    Raises:
        MissingDependencyError: Dask is not installed.
        OptionError: No scheduler answers at the address, `client` is something else, or a worker
            does not see the run's folder.
        ModelError: A worker cannot open the models.
    """
    distributed = require("distributed", why=_WHY)
    if not tasks:
        return
    with _connected(client, min(num_workers, len(tasks)), resources) as connected:
        # One small task that all others need: Dask brings it to each worker once.
        content = connected.submit(bytes, pickle.dumps(job), pure=False)
        run = uuid.uuid4().hex
        futures = connected.map(
            _answer,
            tasks,
            content=content,
            key=[f"vidlab-{run}-{number}" for number in range(len(tasks))],
            resources=dict(resources) if resources else None,
            pure=False,
        )
        task_of = {future.key: task for future, task in zip(futures, tasks, strict=True)}
        try:
            for future in distributed.as_completed(futures):
                yield _outcome(future, task_of[future.key])
                # Else the death of a worker that had done it would have it done again.
                future.release()
        finally:
            connected.cancel([content, *futures])


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
        with closing(opened):
            yield opened
    elif client is None:
        import dask

        with (
            dask.config.set(_OWN_SETTINGS),
            distributed.LocalCluster(
                n_workers=num_workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",
                resources=dict(resources or {}),
            ) as cluster,
            distributed.Client(cluster) as opened,
        ):
            yield opened
    else:
        raise OptionError(
            "client is a distributed.Client, a scheduler's address such as "
            f"'tcp://127.0.0.1:8786', or None for a cluster of this machine; got {client!r}."
        )


def _outcome(future: Future[Outcome], task: Task) -> Outcome:
    """Return what became of a video.

    Raises:
        VidlabError: The worker cannot work at all.
    """
    distributed = require("distributed", why=_WHY)
    error = future.exception()
    if error is None:
        return future.result()
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

# The last job's models, by the job's content.
_opened: dict[bytes, Worker] = {}
_opening = threading.Lock()


def _answer(task: Task, content: bytes) -> Outcome:
    """Do one video; what a Dask worker runs.

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
