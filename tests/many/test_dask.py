from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import dask
import distributed
import numpy as np
import pyarrow.parquet as pq
import pytest
import synthetic

import vidlab as vl
from vidlab.core.errors import ClusterError, MissingDependencyError, ModelError, OptionError
from vidlab.many import dask_engine
from vidlab.many.dask_engine import run_on_dask
from vidlab.many.store import Store
from vidlab.many.work import Job, Outcome, Task
from vidlab.models.reopening import spec_of

NUM_CLIPS = 6


def environment_kept() -> AbstractContextManager[None]:
    """What Dask leaves in the environment would be in the processes of tests to come."""
    return dask_engine._environment_kept(dask.config.get(dask_engine._WORKERS_ENVIRONMENT))


@contextmanager
def cluster_of_two(**settings: object) -> Iterator[distributed.Client]:
    options = {f"distributed.scheduler.{name.replace('_', '-')}": v for name, v in settings.items()}
    with (
        dask.config.set(options),
        environment_kept(),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def busy_worker(client: distributed.Client) -> str:
    """Wait until a worker has something to do, and return its address."""
    for _ in range(1000):
        for worker, keys in client.processing().items():
            if keys:
                return worker
        time.sleep(0.01)
    pytest.fail("no worker got anything to do")


@pytest.fixture(scope="module")
def client() -> Iterator[distributed.Client]:
    with cluster_of_two() as connected:
        yield connected


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Task]:
    folder = tmp_path_factory.mktemp("clips")
    for number in range(NUM_CLIPS):
        synthetic.make_video(folder / f"{number}.mp4", kind="mp4", num_frames=150 + number)
    return [Task(video=path.name, path=str(path)) for path in sorted(folder.iterdir())]


@pytest.fixture(scope="module")
def model() -> vl.Model:
    return vl.load_model("stickactions-xs-stream", backend="litert", num_threads=1)


@pytest.fixture
def job(model: vl.Model, tmp_path: Path) -> Job:
    folder = tmp_path / "run"
    folder.mkdir()
    return Job(folder=str(folder), names=("xs",), specs=(spec_of(model),), fps="source")


def check_answers(job: Job, tasks: list[Task], model: vl.Model) -> None:
    """One file a video, with what predict gives here."""
    store = Store(job.folder)
    files = [store.answers_file(task.video, "xs") for task in tasks]
    assert sorted(store.answers.rglob("*.*")) == sorted(files)
    for task, file in zip(tasks, files, strict=True):
        whole = vl.predict(task.path, model, fps="source", progress=False)
        rows = [row for row in pq.read_table(file)["frame_logits"].to_pylist() if row]
        np.testing.assert_array_equal(np.array(rows, np.float32), whole.logits)


def wait_until_free(client: distributed.Client) -> None:
    """Wait until no worker has anything to do: the scheduler hears later of what is called off."""
    for _ in range(600):
        if not any(client.processing().values()):
            return
        time.sleep(0.1)
    raise AssertionError("the workers are still busy")


def test_workers_write_the_answers(clips, job, model, client) -> None:
    outcomes = list(run_on_dask(clips, job, num_workers=1, client=client))
    assert sorted(each.video for each in outcomes) == [task.video for task in clips]
    assert {each.error for each in outcomes} == {None}
    check_answers(job, clips, model)


def test_models_are_opened_once_a_worker(clips, job, client) -> None:
    """Two runs of one job, and one of another: a worker holds the last one's models."""

    def opened() -> list[int]:
        from vidlab.many import dask_engine

        return [id(worker) for worker in dask_engine._opened.values()]

    list(run_on_dask(clips, job, num_workers=1, client=client))
    first = client.run(opened)
    list(run_on_dask(clips, job, num_workers=1, client=client))
    assert client.run(opened) == first
    assert [len(each) for each in first.values()] == [1, 1]


def test_a_cluster_is_made_where_none_is_given(clips, job, model, monkeypatch) -> None:
    few = clips[:2]
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    before = dict(os.environ)
    outcomes = list(run_on_dask(few, job, num_workers=2, resources={"GPU": 1}))
    assert {(each.video, each.error) for each in outcomes} == {(t.video, None) for t in few}
    check_answers(job, few, model)
    # Dask leaves there what it sets for the workers that it starts.
    assert dict(os.environ) == before


def test_a_cluster_is_found_by_its_address(clips, job, client) -> None:
    address = client.scheduler_info()["address"]
    (outcome,) = run_on_dask(clips[:1], job, num_workers=1, client=address)
    assert outcome.error is None
    assert client.status == "running"


def test_what_fails_costs_itself_alone(clips, job, client, tmp_path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    tasks = [clips[0], Task(video="broken.mp4", path=str(broken)), clips[1]]
    outcomes = {each.video: each for each in run_on_dask(tasks, job, num_workers=1, client=client)}
    assert outcomes["broken.mp4"].error == "VideoOpenError"
    assert str(tmp_path) not in outcomes["broken.mp4"].reason
    assert [outcomes[task.video].error for task in clips[:2]] == [None, None]


@pytest.mark.parametrize("allowed_failures", [0, 3])
def test_a_worker_that_is_killed(clips, job, model, allowed_failures) -> None:
    with (
        Store(job.folder).alone(),
        cluster_of_two(allowed_failures=allowed_failures, worker_saturation=1.0) as client,
    ):
        pids = client.run(os.getpid)
        outcomes = run_on_dask(clips, job, num_workers=1, client=client)
        done = [next(outcomes)]
        os.kill(pids[busy_worker(client)], signal.SIGKILL)
        done += outcomes
        prefixes = client.cluster.scheduler.task_prefixes.values()
        num_struck = sum(prefix.suspicious for prefix in prefixes)
    assert num_struck == 1
    assert sorted(each.video for each in done) == [task.video for task in clips]
    failed = [each for each in done if each.error is not None]
    if allowed_failures:
        assert not failed
        check_answers(job, clips, model)
    else:
        (outcome,) = failed
        assert (outcome.error, outcome.attempts) == ("WorkerError", 1)
        assert "ended on this video" in outcome.reason


def test_a_long_video_goes_from_worker_to_worker(clips, job, model, tmp_path) -> None:
    """Each of its parts may have another; the one that dies costs a part."""
    path = tmp_path / "long.mp4"
    synthetic.make_video(path, num_frames=300, size=(96, 72))
    long = Task(video="long.mp4", path=str(path))
    job = replace(job, part_seconds=1.0)
    with (
        Store(job.folder).alone(),
        cluster_of_two(allowed_failures=3, worker_saturation=1.0) as client,
    ):
        pids = client.run(os.getpid)
        outcomes = run_on_dask([*clips[:2], long], job, num_workers=2, client=client)
        found = []
        for outcome in outcomes:
            found.append(outcome)
            if outcome.num_parts_left == 6:
                os.kill(pids[busy_worker(client)], signal.SIGKILL)
    assert {each.error for each in found} == {None}
    left = [each.num_parts_left for each in found if each.video == "long.mp4"]
    # It may have kept the part that it was at, and not have told yet.
    assert left in ([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], [9, 8, 7, 6, 4, 3, 2, 1, 0])
    check_answers(job, [*clips[:2], long], model)


def test_a_worker_without_the_resource_gets_nothing(clips, job, model) -> None:
    def is_idle() -> bool:
        from vidlab.many import dask_engine

        return not dask_engine._opened

    workers = {
        number: {
            "cls": distributed.Nanny,
            "options": {"nthreads": 1, "resources": resources, "dashboard": False},
        }
        for number, resources in enumerate([{"GPU": 1}, {}, {"FPGA": 1}])
    }
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard": False}}
    with (
        environment_kept(),
        distributed.SpecCluster(workers=workers, scheduler=scheduler) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(3)
        outcomes = list(run_on_dask(clips, job, num_workers=3, client=client, resources={"GPU": 1}))
        about = client.scheduler_info(n_workers=-1)["workers"]
        idle = [about[worker]["resources"] for worker, idle in client.run(is_idle).items() if idle]
    assert {each.error for each in outcomes} == {None}
    assert sorted(idle, key=len) == [{}, {"FPGA": 1}]
    check_answers(job, clips, model)


class TestSchedulerThatDies:
    """The call ends, and says that the same call goes on."""

    @pytest.fixture
    def start(self, tmp_path: Path) -> Iterator[Callable[[], tuple[subprocess.Popen, str]]]:
        """Start a scheduler with one worker; return its process and address."""
        started: list[subprocess.Popen] = []

        def dask_process(*arguments: str) -> subprocess.Popen:
            command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
            with (tmp_path / "dask.log").open("a") as log:
                started.append(subprocess.Popen(command, stdout=log, stderr=log))
            return started[-1]

        def start() -> tuple[subprocess.Popen, str]:
            file = tmp_path / f"scheduler{len(started)}.json"
            scheduler = dask_process(
                "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)
            )
            with distributed.Client(scheduler_file=str(file)) as client:
                address = client.scheduler_info()["address"]
                # Without a nanny: it and what it works at are one process, which is ended here.
                dask_process("worker", address, "--nthreads", "1", "--no-nanny")
                client.wait_for_workers(1)
            return scheduler, address

        yield start
        for process in reversed(started):
            process.kill()
            process.wait()

    def test_it(self, clips, model, tmp_path, start, monkeypatch, capfd) -> None:
        scheduler, address = start()
        given = dask_engine.run_on_dask

        def killed_after_two(*args, **options):
            outcomes = given(*args, **options)
            yield next(outcomes)
            yield next(outcomes)
            scheduler.kill()
            yield from outcomes

        monkeypatch.setattr("vidlab.many.predicting.run_on_dask", killed_after_two)
        run = partial(
            vl.predict_many, [task.path for task in clips], {"xs": model}, out=tmp_path / "run",
            engine="dask", fps="source", progress=False,
        )  # fmt: skip
        with pytest.raises(ClusterError, match=r"scheduler is lost.*kept; the same call goes on"):
            run(client=address)
        assert "Traceback" not in capfd.readouterr().err
        found = vl.open_run(tmp_path / "run").videos["state"].value_counts()
        assert found["done"] >= 2
        assert found["waiting"] >= 1
        monkeypatch.undo()
        _, address = start()
        assert set(run(client=address).videos["state"]) == {"done"}
        assert "Traceback" not in capfd.readouterr().err

    def test_in_a_long_video(self, model, tmp_path, start, monkeypatch, capfd) -> None:
        """Between two parts, the client may not know yet, know, or have given up."""
        path = tmp_path / "long.mp4"
        synthetic.make_video(path, num_frames=300, size=(96, 72))
        given_run, given_outcome = dask_engine.run_on_dask, dask_engine._outcome
        scheduler, address = start()
        moment, num_left = "", 0
        found: list[int] = []

        def outcome_of(future: distributed.Future, task: Task) -> Outcome:
            outcome = given_outcome(future, task)
            found.append(outcome.num_parts_left)
            if outcome.num_parts_left == num_left and moment.startswith("between"):
                scheduler.kill()
                scheduler.wait()
                while moment == "between, known" and future.client.status == "running":
                    time.sleep(0.01)
                if moment == "between, given up":
                    future.client.close()
            return outcome

        def outcomes_of(*args, **options) -> Iterator[Outcome]:
            for outcome in given_run(*args, **options):
                if outcome.num_parts_left == num_left and moment == "within":
                    scheduler.kill()
                yield outcome

        monkeypatch.setattr(dask_engine, "_outcome", outcome_of)
        monkeypatch.setattr("vidlab.many.predicting.run_on_dask", outcomes_of)
        run = partial(
            vl.predict_many, path, {"xs": model}, out=tmp_path / "run", engine="dask",
            fps="source", part_seconds=1.0, progress=False,
        )  # fmt: skip
        for kill in (
            ("within", 8), ("between", 6), ("between, known", 4), ("between, given up", 2),
        ):  # fmt: skip
            moment, num_left = kill
            with pytest.raises(ClusterError, match=r"scheduler is lost.*kept; the same call goes"):
                run(client=address)
            assert "Traceback" not in capfd.readouterr().err, moment
            scheduler, address = start()
        moment = ""
        again = run(client=address)
        assert "Traceback" not in capfd.readouterr().err
        # The worker may have kept the part that it was at; else, all were done once, in order.
        assert found in ([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], [9, 8, 6, 5, 4, 3, 2, 1, 0])
        assert again.videos["state"].tolist() == ["done"]
        whole = vl.predict(path, model, fps="source", progress=False)
        answers = again.predictions(again.videos["video"][0])
        np.testing.assert_array_equal(answers.logits, whole.logits)


def test_a_run_that_is_left_calls_the_rest_off(clips, job, client) -> None:
    outcomes = run_on_dask(clips * 20, job, num_workers=1, client=client)
    next(outcomes)
    outcomes.close()
    wait_until_free(client)
    list(run_on_dask(clips[:1], job, num_workers=1, client=client))  # the cluster is free again
    assert len(list(Store(job.folder).answers.rglob("*.parquet"))) <= NUM_CLIPS


class TestRefusals:
    """What cannot work is told at once."""

    def test_models_that_are_not_there(self, clips, job, client, tmp_path) -> None:
        (spec,) = job.specs
        found = replace(spec.opening.found, path=tmp_path / "gone.tflite")
        gone = replace(job, specs=(replace(spec, opening=replace(spec.opening, found=found)),))
        with pytest.raises(ModelError, match="A Dask worker cannot open the models"):
            list(run_on_dask(clips, gone, num_workers=1, client=client))
        wait_until_free(client)

    def test_a_folder_that_workers_do_not_see(self, clips, job, client) -> None:
        with pytest.raises(OptionError, match="does not see the run's folder"):
            list(run_on_dask(clips, replace(job, folder="/nowhere"), num_workers=1, client=client))

    def test_what_is_no_client(self, clips, job) -> None:
        with pytest.raises(OptionError, match=r"client is a distributed\.Client.*got 5"):
            list(run_on_dask(clips, job, num_workers=1, client=5))
        with (
            dask.config.set({"distributed.comm.timeouts.connect": "200ms"}),
            pytest.raises(
                OptionError, match=r"No Dask scheduler answers at 'tcp://127\.0\.0\.1:1'"
            ),
        ):
            list(run_on_dask(clips, job, num_workers=1, client="tcp://127.0.0.1:1"))

    def test_dask_that_is_not_installed(self, clips, job, monkeypatch) -> None:
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(MissingDependencyError, match=r'pip install "vidlab\[dask\]"'):
            list(run_on_dask(clips, job, num_workers=1))


def test_no_video_needs_no_cluster(job) -> None:
    assert list(run_on_dask([], job, num_workers=0)) == []


def test_a_job_can_be_sent(job) -> None:
    assert pickle.loads(pickle.dumps(job)) == job
