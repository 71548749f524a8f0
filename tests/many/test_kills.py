"""Runs that are killed again and again end as if nobody had touched them.

A client runs in a process of its own. It is killed, or what belongs to it, at moments that a seed
draws; the same call is given again; and the folder is compared with that of an undisturbed run.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pandas as pd
import psutil
import pyarrow as pa
import pytest
import synthetic

import vidlab as vl
from vidlab.many import local

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")

NUM_VIDEOS = 60
NUM_KILLS = 30
SEED = 9

# Three that cannot be opened, and one that breaks in the middle and keeps what came before.
BROKEN = {"07.mp4": "empty", "22.mp4": "cut", "36.mp4": "zeros", "41.mp4": "text"}

# After this, what a test waits for will not come, however busy the machine is.
PATIENCE_SECONDS = 120.0

MODEL = "stickactions-xs-stream"

PROGRAM = f"""
import sys
import vidlab as vl
videos, out, engine, scheduler = sys.argv[1:]
model = vl.load_model({MODEL!r}, backend="litert", num_threads=1)
vl.predict_many(
    videos, model, out=out, engine=engine, client=scheduler or None, workers=2, fps="source",
    progress=False,
)
"""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty videos of different lengths, four of them broken in different ways."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(NUM_VIDEOS):
        kind = "vfr-mkv" if number % 10 == 3 else "mp4"
        path = folder / f"{number:02}{synthetic.KINDS[kind].suffix}"
        size = (96 + 4 * (number % 5), 72)
        synthetic.make_video(path, kind=kind, num_frames=100 + 3 * number, size=size, seed=number)
    for name, how in BROKEN.items():
        content = (folder / name).read_bytes()
        half = len(content) // 2
        broken = {
            "empty": b"", "text": b"no video", "cut": content[:half],
            "zeros": content[:half] + bytes(1000) + content[half + 1000 :],
        }  # fmt: skip
        (folder / name).write_bytes(broken[how])
    return folder


def run_here(videos: Path, out: Path) -> vl.Run:
    """The call of `PROGRAM`, in this process and on this machine alone."""
    model = vl.load_model(MODEL, backend="litert", num_threads=1)
    return vl.predict_many(videos, model, out=out, workers=2, fps="source", progress=False)


@pytest.fixture(scope="module")
def undisturbed(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> vl.Run:
    found = run_here(videos, tmp_path_factory.mktemp("undisturbed") / "run")
    # What is compared below: whole videos, one that ends early, and failures.
    assert found.videos["state"].value_counts().to_dict() == {"done": 57, "failed": 3}
    assert found.videos["stopped"].notna().sum() == 1
    return found


# ---- the same --------------------------------------------------------------------------------


def check_same(found: vl.Run, expected: vl.Run, told: object = "") -> None:
    """All that a run's folder says, but for what a clock said."""
    names = expected.videos["video"].tolist()
    assert found.videos["video"].tolist() == names, told
    pd.testing.assert_frame_equal(
        found.videos.drop(columns="seconds"), expected.videos.drop(columns="seconds"),
        obj=f"videos {told}",
    )  # fmt: skip
    pd.testing.assert_frame_equal(
        pd.DataFrame(found.failures), pd.DataFrame(expected.failures), obj=f"failures {told}"
    )
    assert rows(found).equals(rows(expected)), told
    assert [str(each) for each in found.folder.rglob("*.part")] == [], told


def rows(found: vl.Run) -> pa.Table:
    """Every row of every column but one, in one order."""
    table = found.dataset().to_table().drop(["frame_latency_seconds"])
    order = ["video", "model", "frame_index", "rank"]
    return table.sort_by([(name, "ascending") for name in order])


def written(out: Path) -> dict[str, tuple[int, int]]:
    """Which files of answers are there, and what tells whether one was written again."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in (out / "answers").rglob("*.parquet")
    }


# ---- processes -------------------------------------------------------------------------------


class Client:
    """The call in a process of its own; it and all that it starts are one session.

    Args:
        videos: The folder of videos.
        out: The run's.
        engine: As in `predict_many`.
        scheduler: A Dask scheduler's address, or nothing.
    """

    def __init__(
        self, videos: Path, out: Path, *, engine: str = "local", scheduler: str = ""
    ) -> None:
        self.out = out
        self.log = out.with_name("log.txt")
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(videos), str(out), engine, scheduler],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def has_ended(self) -> bool:
        return self._popen.poll() is not None

    def has_done(self, num_videos: int) -> bool:
        """Tell whether so many videos are answered, or it has ended."""
        return len(written(self.out)) >= num_videos or self.has_ended

    def ends_in(self, seconds: float) -> bool:
        """Tell whether it ends in so many seconds, which are waited for."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        return self.has_ended

    def workers(self) -> list[psutil.Process]:
        """The processes that it has started to do the work."""
        return [
            each
            for each in members(self._popen.pid)
            if each.pid != self._popen.pid and "resource_tracker" not in command_of(each)
        ]

    def kill(self, *, with_workers: bool = False) -> None:
        """Kill it, and see its workers end with it."""
        if with_workers:
            os.killpg(self._popen.pid, signal.SIGKILL)
        else:
            self._popen.kill()
        self.wait(-signal.SIGKILL)

    def wait(self, code: int = 0) -> None:
        """Wait until it has ended, and all of its session with it."""
        session = self._popen.pid
        wait_until(lambda: self.has_ended)
        assert self._popen.returncode == code, self.log.read_text("utf-8")
        wait_until(lambda: not members(session))


def members(session: int) -> list[psutil.Process]:
    """The processes of a session that are alive."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it ends just now
        return ""


def wait_until(is_so: Callable[[], bool]) -> None:
    gave_up = threading.Event()
    timer = threading.Timer(PATIENCE_SECONDS, gave_up.set)
    timer.start()
    try:
        while not is_so():
            assert not gave_up.is_set(), "nothing happens"
            time.sleep(0.01)
    finally:
        timer.cancel()


# ---- one machine -----------------------------------------------------------------------------


def test_thirty_kills_leave_no_trace(videos: Path, undisturbed: vl.Run, tmp_path: Path) -> None:
    """Of the client, one of its workers, or all of them at once; each after some more was done."""
    draw = random.Random(SEED)
    out = tmp_path / "run"
    for _ in range(3):  # before anything is done: while it starts
        client = Client(videos, out)
        wait_until(out.exists)
        time.sleep(draw.uniform(0.0, 0.5))
        client.kill(with_workers=draw.random() < 0.5)
    finished: dict[str, tuple[int, int]] = {}
    killed: list[str] = []
    client = Client(videos, out)
    for goal in sorted(draw.sample(range(1, len(written(undisturbed.folder)) - 10), NUM_KILLS)):
        # What a kill costs is done again: no two kills without anything new between.
        goal = max(goal, len(finished) + 1)
        wait_until(partial(client.has_done, goal))
        time.sleep(draw.uniform(0.0, 0.1))
        told = f"seed {SEED}, after {goal} videos: {killed}"
        assert not client.has_ended, told + client.log.read_text("utf-8")
        workers = client.workers()
        killed.append(draw.choice(["client", "worker", "all"]) if workers else "client")
        if killed[-1] == "worker":
            draw.choice(workers).kill()  # the client goes on with another
        else:
            client.kill(with_workers=killed[-1] == "all")
        now = written(out)
        assert {name: now.get(name) for name in finished} == finished, told
        finished = now
        if killed[-1] != "worker":
            client = Client(videos, out)
    client.wait()
    # A video whose worker was killed twice has failed; the same call tries it again.
    last = Client(videos, out)
    last.wait()
    now = written(out)
    assert {name: now.get(name) for name in finished} == finished, killed
    check_same(vl.open_run(out), undisturbed, killed)


# Ends itself once, after it has written a video's answers and before anybody knows.
SILENT = """
import os, pathlib, signal
from vidlab.many import local
from vidlab.many.store import Store
given = Store.remove_failure
def act(self, video):
    once = pathlib.Path({once!r})
    if not once.exists():
        (path,) = self.answers.rglob("*.parquet")
        once.write_text(str(path.stat().st_mtime_ns))
        os.kill(os.getpid(), signal.SIGKILL)
    given(self, video)
Store.remove_failure = act
local.serve()
"""


def test_what_was_written_but_not_told_is_not_done_again(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = tmp_path / "once"
    monkeypatch.setattr(local, "_PROGRAM", SILENT.format(once=str(once)))
    model = vl.load_model(MODEL, backend="litert", num_threads=1)
    found = vl.predict_many(videos / "00.mp4", model, out=tmp_path / "run", progress=False)
    assert found.videos["state"].tolist() == ["done"]
    ((_, mtime_ns),) = written(tmp_path / "run").values()
    assert mtime_ns == int(once.read_text())


# ---- Dask ------------------------------------------------------------------------------------

# Some milliseconds more a frame: a run lasts for some kills, and takes the machine from nobody.
SLOW = """
import time
from vidlab.models.backends.litert_backend import LiteRTModel
given = LiteRTModel.step
def step(self, frames, state):
    time.sleep(0.005 * len(frames))
    return given(self, frames, state)
LiteRTModel.step = step
"""


@pytest.fixture
def slow_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python that this test starts runs `SLOW` first, as Dask's workers do then."""
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "sitecustomize.py").write_text(SLOW)
    search = [str(tmp_path / "slow"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, search)))


@pytest.mark.usefixtures("slow_workers")
def test_dask_with_a_worker_killed_every_ten_seconds(
    videos: Path, undisturbed: vl.Run, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    client = Client(videos, out, engine="dask")
    finished: dict[str, tuple[int, int]] = {}
    num_kills = 0
    wait_until(partial(client.has_done, 1))
    while not client.ends_in(10.0):
        # The one that has been there for longest: the other may be starting still.
        if workers := client.workers():
            min(workers, key=psutil.Process.create_time).kill()
            num_kills += 1
        now = written(out)
        assert {name: now.get(name) for name in finished} == finished
        finished = now
    client.wait()
    assert num_kills >= 3
    check_same(vl.open_run(out), undisturbed)


@contextmanager
def cluster(known: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler and two workers, each a process of its own, as on machines of their own.

    Args:
        known: Where the scheduler writes how it is reached.

    Yields:
        The scheduler's address, and its process.
    """
    with ExitStack() as stack, known.with_suffix(".txt").open("ab") as log:

        def start(program: str, *options: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{program}", "--no-dashboard",
                 "--scheduler-file", str(known), *options],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            stack.callback(end, process)
            return process

        scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0")
        wait_until(lambda: known.exists() and known.read_text().endswith("}"))
        start("worker", "--nworkers", "2", "--nthreads", "1")
        yield json.loads(known.read_text())["address"], scheduler


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its session."""
    for each in members(process.pid):
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()
    wait_until(lambda: not members(process.pid))


@pytest.mark.usefixtures("slow_workers")
def test_dask_with_its_scheduler_and_its_client_killed(videos: Path, tmp_path: Path) -> None:
    few, out = tmp_path / "videos", tmp_path / "run"
    few.mkdir()
    for path in sorted(videos.iterdir())[-6:]:
        (few / path.name).symlink_to(path)
    with cluster(tmp_path / "first.json") as (address, scheduler):
        client = Client(few, out, engine="dask", scheduler=address)
        wait_until(partial(client.has_done, 1))
        scheduler.kill()
        client.wait(1)
        assert "ClusterError: The connection to Dask's scheduler is lost." in client.log.read_text()
    finished = written(out)
    assert 0 < len(finished) < 6
    with cluster(tmp_path / "second.json") as (address, _):
        client = Client(few, out, engine="dask", scheduler=address)
        wait_until(partial(client.has_done, len(finished) + 1))
        finished = written(out)
        client.kill()
        Client(few, out, engine="dask", scheduler=address).wait()
    now = written(out)
    assert {name: now.get(name) for name in finished} == finished
    check_same(vl.open_run(out), run_here(few, tmp_path / "undisturbed"))
