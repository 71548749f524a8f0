"""The engine of one machine: processes that have the models open, and one video each at a time.

Of a long video, one part after another goes to the process that did the one before.

Native code reads the videos, and a hostile file may crash or hang it. In a process of its own it
takes nothing down: what ends, or takes too long, is replaced, and the video tried once more.

The processes are new interpreters, not copies of this one, and run none of the user's script. What
they are sent is pickled; what comes back is JSON, as they have read what nobody vouches for.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from vidlab.core.errors import ModelError, VidlabError
from vidlab.many.work import MEMORY_SETTINGS, Job, Outcome, Task, Worker

_PROGRAM = "from vidlab.many.local import serve; serve()"

# How often a video, or the opening of the models, is tried where the process ends meanwhile.
_NUM_ATTEMPTS = 2

# How long a process may take to end that has closed its output.
_END_SECONDS = 10.0


def run_locally(
    tasks: Sequence[Task], job: Job, *, num_workers: int, timeout_seconds: float | None
) -> Generator[Outcome]:
    """Do videos in processes of their own; no process is left when this ends, however it ends.

    Args:
        tasks: The videos.
        job: What is to be done with each.
        num_workers: Processes at a time.
        timeout_seconds: How long one video, or one part of a long one, may take; None for ever.

    Yields:
        What became of each video, in the order in which they are done, and before that of each
        part of a long one.

    Raises:
        ModelError: The processes cannot open the models.
    """
    crew = _Crew(tasks, job, timeout_seconds)
    threads = [
        threading.Thread(target=crew.work, name="vidlab-many", daemon=True)
        for _ in range(min(num_workers, len(tasks)))
    ]
    for thread in threads:
        thread.start()
    try:
        num_left = len(tasks)
        while num_left:
            outcome = crew.outcomes.get()
            if isinstance(outcome, BaseException):
                raise outcome
            if not outcome.num_parts_left:
                num_left -= 1
            yield outcome
    finally:
        crew.stop()
        for thread in threads:
            thread.join()


class _EndedError(Exception):
    """A process ended before it had answered."""


class _StoppedError(Exception):
    """The run is over, and no process is to be started any more."""


class _Crew:
    """Hands out the videos, and starts and replaces processes."""

    def __init__(self, tasks: Sequence[Task], job: Job, timeout_seconds: float | None) -> None:
        self.outcomes: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()
        self._waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
        for task in tasks:
            self._waiting.put(task)
        self._job = pickle.dumps(job)
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._is_stopped = False
        self._processes: set[_Process] = set()

    def work(self) -> None:
        """Do video after video, one process at a time: what each thread runs."""
        process: _Process | None = None
        task: Task | None = None
        try:
            while True:
                task = task or self._waiting.get_nowait()
                for attempt in range(1, _NUM_ATTEMPTS + 1):
                    process = process or self._open()
                    try:
                        told = process.ask(pickle.dumps(task), self._timeout_seconds)
                    except _EndedError as ended:
                        self._close(process)
                        process = None
                        outcome = Outcome(
                            video=task.video,
                            error="WorkerError",
                            reason=f"{ended} on this video.",
                            attempts=attempt,
                        )
                    else:
                        outcome = replace(Outcome(**told), attempts=attempt)
                        break
                self.outcomes.put(outcome)
                task = replace(task, goes_on=True) if outcome.num_parts_left else None
        except (queue.Empty, _StoppedError):
            pass  # nothing is left to do
        except BaseException as error:  # carried over to the thread that waits
            self.outcomes.put(error)
        finally:
            if process is not None:
                self._close(process)

    def stop(self) -> None:
        """End all processes, at once."""
        with self._lock:
            self._is_stopped = True
            for process in self._processes:
                process.kill()

    def _open(self) -> _Process:
        """Start a process which opens the models."""
        for _ in range(_NUM_ATTEMPTS):
            with self._lock:
                if self._is_stopped:
                    raise _StoppedError
                process = _Process()
                self._processes.add(process)
            try:
                told = process.ask(self._job, None)
            except _EndedError as ended:
                reason = f"{ended} while it opened the models{process.last_words()}"
                self._close(process)
                continue
            if told["problem"] is not None:
                self._close(process)
                raise ModelError(f"A worker cannot open the models: {told['problem']}")
            return process
        raise ModelError(f"{reason[:1].upper()}{reason[1:]}")

    def _close(self, process: _Process) -> None:
        with self._lock:
            self._processes.discard(process)
        process.close()


class _Process:
    """A process that runs `serve`, seen from this side."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed by close)
        self._popen = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=MEMORY_SETTINGS | os.environ,
        )

    def ask(self, message: bytes, timeout_seconds: float | None) -> dict[str, Any]:
        """Send a message, and return the answer to it.

        Raises:
            _EndedError: The process ended, or took too long and was ended.
        """
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        took_too_long = threading.Event()

        def give_up() -> None:
            took_too_long.set()
            self.kill()

        timer = threading.Timer(timeout_seconds or 0.0, give_up)
        timer.daemon = True
        if timeout_seconds is not None:
            timer.start()
        line = b""
        try:
            with suppress(BrokenPipeError):
                self._popen.stdin.write(message)
                self._popen.stdin.flush()
                line = self._popen.stdout.readline()
        finally:
            timer.cancel()
        if line.endswith(b"\n"):
            return dict(json.loads(line))
        if took_too_long.is_set():
            raise _EndedError(f"the worker process took longer than {timeout_seconds:g} s")
        raise _EndedError(f"the worker process was ended by {self._end()}")

    def last_words(self) -> str:
        """Return the last line that it wrote on standard error, to end a sentence with."""
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return f": {lines[-1]}" if lines else "."

    def kill(self) -> None:
        """End the process, at once."""
        self._popen.kill()

    def close(self) -> None:
        """End the process, and forget it."""
        self.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout, self._errors):
            with suppress(BrokenPipeError):  # a message that it had not read
                if pipe is not None:
                    pipe.close()

    def _end(self) -> str:
        try:
            code = self._popen.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return "nobody, but answers no more"
        if code >= 0:
            return f"itself (exit code {code})"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else ""
        hint = ": was there too little memory?" if name == "SIGKILL" else ""
        return f"signal {-code} ({name or 'unknown'}{hint})"


# ---------------------------------------------------------------- the other side


def serve() -> None:
    """Be such a process: open the models of a job, and do the tasks that come.

    It ends when its standard input does, as with the process that started it; even in the middle
    of a video, whose answers are then written by nobody, or by the next run.
    """
    # Ctrl-C in a terminal reaches every process; the one that started this says what is to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Native libraries print to standard output, too. That goes where their errors go.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    received: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(received,), daemon=True).start()

    def reply(told: dict[str, Any]) -> None:
        replies.write(json.dumps(told) + "\n")
        replies.flush()

    try:
        worker = Worker(received.get())
    except VidlabError as error:
        reply({"problem": str(error)})
        return
    reply({"problem": None})
    while True:
        reply(asdict(worker.answer(received.get())))


def _receive(received: queue.SimpleQueue[Any]) -> None:
    try:
        while True:
            received.put(pickle.load(sys.stdin.buffer))  # from the parent process alone
    except (EOFError, pickle.UnpicklingError):
        os._exit(0)
