"""Long videos, done part after part: the same answers, and a kill costs one part."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import networks
import numpy as np
import pytest
import synthetic
from tqdm import tqdm

import vidlab as vl
from vidlab.inference import Carried
from vidlab.many import local, work
from vidlab.many.parts import PromiseError
from vidlab.many.store import Store
from vidlab.many.work import Job, Outcome, Task, Worker
from vidlab.models.reopening import spec_of

MODEL = "stickactions-xs-stream"
#: A key frame a second, ten seconds.
NUM_FRAMES = 300
PART_SECONDS = 2.0
NUM_PARTS = 5
#: What is of a run's moment, and not of its answers.
OF_THE_MOMENT = {"created", "elapsed_seconds", "num_parts"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    synthetic.make_video(path, num_frames=NUM_FRAMES, size=(96, 72))
    return path


@pytest.fixture
def task(drawn: Path, tmp_path: Path) -> Task:
    path = tmp_path / "long.mp4"
    shutil.copy(drawn, path)
    return Task(video="long.mp4", path=str(path))


@pytest.fixture(scope="module")
def model() -> vl.Model:
    return vl.load_model(MODEL, backend="litert", num_threads=1)


def job_of(folder: Path, *models: vl.Model, **options: object) -> Job:
    return Job(
        folder=str(folder / "run"),
        names=tuple(f"model {number}" for number in range(len(models))),
        specs=tuple(spec_of(model) for model in models),
        **{"part_seconds": PART_SECONDS} | options,
    )


def in_parts(job: Job, task: Task) -> list[Outcome]:
    """Do a video, each of its parts with another worker, as after a kill."""
    outcomes = [Worker(job).answer(task)]
    while outcomes[-1].num_parts_left:
        outcomes.append(Worker(job).answer(replace(task, goes_on=True)))
    return outcomes


def check_same(job: Job, task: Task, *models: vl.Model, **options: object) -> None:
    for name, model in zip(job.names, models, strict=True):
        whole = vl.predict(task.path, model, progress=False, **options)
        found = vl.Predictions.load(Store(job.folder).answers_file(task.video, name))
        for each in ("frame_index", "time_seconds", "logits"):
            np.testing.assert_array_equal(getattr(found, each), getattr(whole, each))
        assert (found.clip_start is None) == (whole.clip_start is None)
        if whole.clip_start is not None:
            np.testing.assert_array_equal(found.clip_start, whole.clip_start)
        assert len(found) > NUM_PARTS
        # Of a video that breaks off, only a run in parts has the exact rate and duration.
        no_record = OF_THE_MOMENT | (set() if whole.complete else {"video"})
        for key in whole.made_by.keys() - no_record:
            assert found.made_by[key] == json.loads(json.dumps(whole.made_by[key]))
    assert not Store(job.folder).parts_folder(task.video).exists()


class TestSameAsWhole:
    """Whatever a model carries, its answers are predict's, bit by bit."""

    def loaded(self, name: str, folder: Path) -> vl.Model:
        if name == "onnx":
            path = vl.export(MODEL, folder / "xs.onnx", to="onnx", certificate=False)
            return vl.load_model(path)
        if name == "int8":
            return vl.load_model(MODEL, backend="litert", variant="int8")
        if name == "pictures":
            return vl.load_model("stickactions-pictures", backend="torch")
        return vl.load_model(MODEL, backend=name, num_threads=1)

    @pytest.mark.parametrize(
        ("name", "num_parts"),
        # The last two take seconds to open, which each part does.
        [("litert", 5), ("int8", 5), ("torch", 5), ("onnx", 5), ("pictures", 5), ("tfhub", 2),
         ("openvino", 2)],
    )  # fmt: skip
    def test_each_backend(self, name: str, num_parts: int, task: Task, tmp_path: Path) -> None:
        model = self.loaded(name, tmp_path)
        job = job_of(tmp_path, model, fps="source", part_seconds=10 / num_parts)
        outcomes = in_parts(job, task)
        assert [each.num_parts_left for each in outcomes] == list(range(num_parts))[::-1]
        assert {each.error for each in outcomes} == {None}
        check_same(job, task, model, fps="source")

    def test_several_models_at_their_rates(self, task: Task, model, tmp_path: Path) -> None:
        models = [model, self.loaded("torch", tmp_path), self.loaded("pictures", tmp_path)]
        job = job_of(tmp_path, *models)
        assert len(in_parts(job, task)) == NUM_PARTS
        check_same(job, task, *models)

    @pytest.mark.parametrize("hop", [None, 7])
    def test_clips(self, task: Task, tmp_path: Path, hop: int | None) -> None:
        """A clip of 50 frames at 30 a second is longer than some parts."""
        network = networks.random_network(kind="base")
        card = networks.card_of(network, num_frames=50)
        model = networks.model_of(network, tmp_path, card=card)
        job = job_of(tmp_path, model, fps="source", hop=hop, part_seconds=1.0)
        assert len(in_parts(job, task)) == 10
        check_same(job, task, model, fps="source", hop=hop)

    @pytest.mark.parametrize("part_seconds", [None, PART_SECONDS])
    def test_decoding_goes_on_while_a_worker_computes(
        self, task: Task, model, tmp_path: Path, monkeypatch, part_seconds: float | None
    ) -> None:
        is_ahead = threading.Event()
        step, make = type(model).step, vl.Video._frame

        def noted(video, picture, index, pts):
            if index == 5:
                is_ahead.set()
            return make(video, picture, index, pts)

        def waits(self, frames, state):
            # For ever, if nobody decoded meanwhile; the first call has the first frame.
            assert is_ahead.wait(60.0)
            return step(self, frames, state)

        monkeypatch.setattr(vl.Video, "_frame", noted)
        monkeypatch.setattr(type(model), "step", waits)
        job = job_of(tmp_path, model, fps="source", part_seconds=part_seconds)
        worker = Worker(job)
        is_ahead.clear()
        assert worker.answer(task).error is None

    def test_a_video_that_breaks_off(self, drawn: Path, model, tmp_path: Path) -> None:
        path = tmp_path / "cut.mp4"
        data = bytearray(drawn.read_bytes())
        with vl.Video(drawn).open_container() as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
        broken = packets[140]
        data[broken.pos : broken.pos + broken.size] = bytes(broken.size)
        path.write_bytes(data)
        task = Task(video="cut.mp4", path=str(path))
        job = job_of(tmp_path, model, fps="source")
        assert [each.num_parts_left for each in in_parts(job, task)] == [4, 3, 0]
        with pytest.warns(UserWarning, match="damaged at frame"):
            check_same(job, task, model, fps="source")
        header = Store(job.folder).header("cut.mp4", "model 0")
        assert "damaged at frame" in header["stopped"]


class TestDoneWhole:
    """Where there is nothing to be won, or no other way."""

    @pytest.mark.parametrize(
        "options", [{"part_seconds": 7.0}, {"part_seconds": None}, {"recipe": "tflite-android"}]
    )
    def test_short_ones(self, options: dict, task: Task, model, tmp_path: Path) -> None:
        job = job_of(tmp_path, model, **options)
        assert Worker(job).answer(task) == Outcome(video="long.mp4")

    def test_a_video_with_one_key_frame(self, model, tmp_path: Path) -> None:
        path = tmp_path / "one.mp4"
        synthetic.make_video(path, kind="mp4-one-keyframe", size=(96, 72))
        job = job_of(tmp_path, model, part_seconds=1.0)
        assert Worker(job).answer(Task(video="one.mp4", path=str(path))) == Outcome(video="one.mp4")

    def test_a_state_that_cannot_be_kept(self, task: Task, model, tmp_path, monkeypatch) -> None:
        """As an object of a backend's own; of NumPy's types, one of objects could be pickled."""
        for state in (object(), {1: 2}, np.array([object()]), np.array(1, "datetime64[s]")):
            monkeypatch.setattr(
                "vidlab.inference.StreamRunner.carry",
                lambda self, next_frame, state=state: Carried(
                    next_frame=next_frame, state=state, waiting=()
                ),
            )
            job = job_of(tmp_path, model)
            assert Worker(job).answer(task) == Outcome(video="long.mp4")
            check_same(job, task, model)

    def test_packets_that_promised_other_frames(
        self, task: Task, model, tmp_path: Path, monkeypatch
    ) -> None:
        job = job_of(tmp_path, model)
        assert Worker(job).answer(task).num_parts_left == NUM_PARTS - 1

        def broken(video, *args, **options):
            raise PromiseError("not those", frame_index=60)

        monkeypatch.setattr(work, "predict_part", broken)
        assert Worker(job).answer(replace(task, goes_on=True)) == Outcome(video="long.mp4")
        check_same(job, task, model)


def saved(arrays: dict[str, np.ndarray]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


class Bad:
    """What must not be unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def hostile(file: Path, trap: Path) -> Iterator[bytes]:
    """Checkpoints that are damaged, or that somebody made."""
    data = file.read_bytes()
    with np.load(file) as found:
        arrays = dict(found)
    about = json.loads(arrays["arr_0"].tobytes())

    def told(**changes: object) -> bytes:
        text = json.dumps(about | changes).encode()
        return saved(arrays | {"arr_0": np.frombuffer(text, np.uint8)})

    assert told() == data  # what is changed below is all that is wrong
    yield from (b"", data[:100], data[: len(data) // 2], data[:-30], b"PK" + data, bytes(5000))
    yield saved(arrays | {"arr_0": np.array([Bad(trap)])})
    yield saved(arrays | {"arr_1": np.array([Bad(trap)])})
    yield pickle.dumps(Bad(trap))
    yield saved({"arr_0": np.frombuffer(b"[" * 100_000, np.uint8)})
    yield saved({"arr_0": np.frombuffer(b"[1, 2]", np.uint8)})
    yield saved({"arr_7": arrays["arr_0"]})
    yield saved({"arr_0": arrays["arr_0"]})
    bomb = io.BytesIO()
    np.savez_compressed(bomb, **arrays | {"arr_1": np.zeros(10**8, np.uint8)})
    assert len(bomb.getvalue()) < 10**6
    yield bomb.getvalue()
    (carried,) = about["carried"]
    yield told(format="vidlab.checkpoint/2")
    yield told(num_parts=NUM_PARTS)
    yield told(num_parts=1)
    yield told(num_parts=float("inf"))
    yield told(num_parts=-1)
    yield told(size_bytes="many")
    yield told(carried=[carried, carried])
    yield told(carried=[])
    yield told(carried=[carried | {"next_frame": 61}])
    for state in ({"value": 3}, {"numpy": 0}, {"torch": 0}, {"dict": {}}, {"numpy": 9999}, {}, 5):
        yield told(carried=[carried | {"state": state}])
    yield told(carried=[carried | {"numbers": [1], "times": [1.0], "pixels": {"numpy": 0}}])
    yield told(carried=[carried | {"numbers": [1], "times": [1.0], "pixels": {"numpy": 1}}])


class TestGoingOn:
    """What the next call makes of what is kept."""

    @pytest.fixture
    def log(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
        """Numbers of the parts that workers began, since it was asked last."""
        path = tmp_path / "log"
        path.touch()
        done = work.predict_part

        def noted(video, models, part, *args, **options):
            with path.open("a") as stream:
                stream.write(f"{part.index}\n")
            return done(video, models, part, *args, **options)

        monkeypatch.setattr(work, "predict_part", noted)

        def since() -> list[int]:
            found = [int(line) for line in path.read_text().split()]
            path.write_text("")
            return found

        return since

    def begun(self, job: Job, task: Task, num_parts: int = 3) -> Path:
        """Do some parts; return where they are kept."""
        for number in range(num_parts):
            outcome = Worker(job).answer(replace(task, goes_on=number > 0))
            assert outcome.num_parts_left == NUM_PARTS - 1 - number
        return Store(job.folder).parts_folder(task.video)

    def test_after_the_last_part_that_was_kept(self, task, model, tmp_path, log) -> None:
        job = job_of(tmp_path, model)
        folder = self.begun(job, task)
        assert log() == [0, 1, 2]
        # A kill before the rename: answers that no checkpoint counts.
        (folder / "00003-0.parquet").write_bytes(b"half")
        in_parts(job, task)
        assert log() == [3, 4]
        check_same(job, task, model)
        # As after the death of a worker that had not said yet that it was done.
        assert Worker(job).answer(replace(task, goes_on=True)) == Outcome(video="long.mp4")
        assert log() == []

    def test_a_copy_of_the_file_is_the_same_file(self, task, model, tmp_path, log) -> None:
        job = job_of(tmp_path, model)
        self.begun(job, task)
        os.utime(task.path, ns=(1, 1))
        in_parts(job, task)
        assert log() == [0, 1, 2, 3, 4]
        check_same(job, task, model)

    def test_a_file_that_changed_is_begun_anew(self, task, model, tmp_path, log) -> None:
        job = job_of(tmp_path, model)
        self.begun(job, task)
        synthetic.make_video(task.path, num_frames=NUM_FRAMES - 10, size=(96, 72))
        # Within a run it is an error: what grows and grows would be begun again and again.
        outcome = Worker(job).answer(replace(task, goes_on=True))
        assert outcome.reason == "long.mp4 changed while it was read."
        assert log() == [0, 1, 2]
        in_parts(job, task)
        assert log() == [0, 1, 2, 3, 4]
        check_same(job, task, model)
        Store(job.folder).remove_answers(task.video, job.names)
        self.begun(job, task)
        synthetic.make_video(task.path, num_frames=NUM_FRAMES, size=(96, 72))
        assert log() == [0, 1, 2]
        in_parts(job, task)
        assert log() == [0, 1, 2, 3, 4]
        check_same(job, task, model)

    def test_a_change_that_only_the_content_shows(self, task, model, tmp_path, log) -> None:
        job = job_of(tmp_path, model)
        self.begun(job, task, 4)
        status = Path(task.path).stat()
        with open(task.path, "r+b") as stream:
            stream.seek(-1, os.SEEK_END)
            last = stream.read()
            stream.seek(-1, os.SEEK_END)
            stream.write(bytes([last[0] ^ 1]))
        os.utime(task.path, ns=(status.st_atime_ns, status.st_mtime_ns))
        outcome = Worker(job).answer(replace(task, goes_on=True))
        assert outcome.reason == "long.mp4 changed while it was read."
        assert not Store(job.folder).parts_folder(task.video).exists()
        assert not Store(job.folder).answers.exists()

    @pytest.mark.parametrize("options", [{"part_seconds": 3.0}, {"fps": 4}, {"threads": 2}])
    def test_other_options_begin_anew(self, options, task, model, tmp_path, log) -> None:
        job = job_of(tmp_path, model)
        self.begun(job, task)
        if options.pop("threads", None):
            model = vl.load_model(MODEL, backend="litert", num_threads=2)
        other = job_of(tmp_path, model, **options)
        outcome = Worker(other).answer(replace(task, goes_on=True))
        assert "Install the same versions" in outcome.reason
        self.begun(job, task)
        log()
        in_parts(other, task)
        assert log()[:2] == [0, 1]
        check_same(other, task, model, fps=options.get("fps"))

    def test_what_is_damaged_begins_anew(self, task, model, tmp_path, log) -> None:
        job = job_of(tmp_path, model)
        folder = self.begun(job, task)
        file = folder / "checkpoint.npz"
        kept = tmp_path / "kept"
        shutil.copytree(folder, kept)
        worker, trap = Worker(job), tmp_path / "trap"
        num_failed = 0
        for number, bad in enumerate(hostile(kept / file.name, trap)):
            shutil.copytree(kept, folder, dirs_exist_ok=True)
            file.write_bytes(bad)
            log()
            outcome = worker.answer(task)
            if outcome.error is not None:  # it reads as a checkpoint, and is none: once
                num_failed += 1
                assert not folder.exists()
                log()
                outcome = worker.answer(task)
            assert outcome.num_parts_left == NUM_PARTS - 1, (number, outcome)
            assert log() == [0], number
        assert num_failed < number / 2
        assert not trap.exists()

    def test_answers_that_are_damaged_begin_anew(self, task, model, tmp_path, log) -> None:
        job = job_of(tmp_path, model)
        folder = self.begun(job, task, 4)
        (folder / "00001-0.parquet").write_bytes(b"PAR1")
        outcome = Worker(job).answer(task)
        assert outcome.error == "PredictionsError"
        log()
        in_parts(job, task)
        assert log() == [0, 1, 2, 3, 4]
        check_same(job, task, model)


class TestRuns:
    """`predict_many` with a long video among others, on the engine of one machine."""

    @pytest.fixture
    def videos(self, drawn: Path, tmp_path: Path) -> Path:
        folder = tmp_path / "videos"
        folder.mkdir()
        shutil.copy(drawn, folder / "long.mp4")
        synthetic.make_video(folder / "short.mp4", num_frames=40, size=(96, 72))
        return folder

    @pytest.fixture
    def workers(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
        """Set what workers do before each part; they note the part and their process."""
        log = tmp_path / "log"

        def that(act: str = "pass") -> Path:
            log.write_text("")
            monkeypatch.setattr(local, "_PROGRAM", PROGRAM.format(log=str(log), act=act))
            return log

        return that

    def run(self, videos: Path, model: vl.Model, out: Path, **options: object) -> vl.Run:
        given = {"part_seconds": PART_SECONDS, "workers": 1, "fps": "source", "progress": False}
        return vl.predict_many(videos, model, out=out, **given | options)

    def check(self, found: vl.Run, videos: Path, model: vl.Model) -> None:
        assert found.videos["state"].tolist() == ["done", "done"]
        for name in found.videos["video"]:
            whole = vl.predict(videos / name, model, fps="source", progress=False)
            np.testing.assert_array_equal(found.predictions(name).logits, whole.logits)
        assert not list(found.folder.rglob("parts"))
        assert not list(found.folder.rglob("*.part"))

    def test_one_process_does_part_after_part(
        self, videos: Path, model, tmp_path: Path, workers, monkeypatch
    ) -> None:
        shown = io.StringIO()
        monkeypatch.setattr(
            "vidlab.many.predicting.progress_bar",
            lambda **options: tqdm(total=options["total"], file=shown, mininterval=0.0),
        )
        log = workers()
        found = self.run(videos, model, tmp_path / "run", progress=True)
        self.check(found, videos, model)
        parts, pids = zip(*(line.split() for line in log.read_text().splitlines()), strict=True)
        assert parts == ("0", "1", "2", "3", "4")
        assert len(set(pids)) == 1
        assert "long.mp4: 2 parts left" in shown.getvalue()
        assert "long.mp4: 1 part left" in shown.getvalue()

    def test_a_process_that_ends_in_every_part(
        self, videos: Path, model, tmp_path: Path, workers
    ) -> None:
        """Each part has its own two attempts, or long videos would never be done."""
        log = workers("if times == 1: die()")
        found = self.run(videos, model, tmp_path / "run")
        self.check(found, videos, model)
        parts = [line.split()[0] for line in log.read_text().splitlines()]
        assert parts == list("0011223344")

    def test_a_part_that_fails_keeps_those_before(
        self, videos: Path, model, tmp_path: Path, workers
    ) -> None:
        workers("if part.index == 3: die()")
        found = self.run(videos, model, tmp_path / "run")
        assert found.videos["state"].tolist() == ["failed", "done"]
        assert "signal 9" in found.failures["reason"][0]
        log = workers()
        self.check(self.run(videos, model, tmp_path / "run"), videos, model)
        assert [line.split()[0] for line in log.read_text().splitlines()] == ["3", "4"]

    @pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")
    def test_a_client_that_is_killed(self, videos: Path, model, tmp_path: Path, workers) -> None:
        log = workers()
        act = "if part.index == 2: os.kill(os.getppid(), 9)"
        program = PROGRAM.format(log=str(log), act=act)
        out = tmp_path / "run"
        client = subprocess.run(
            [sys.executable, "-c", CLIENT, program, str(videos), str(out)], check=False
        )
        assert client.returncode == -9
        orphan = Store(out).parts_folder("no video of this run")
        orphan.mkdir()
        found = self.run(videos, model, out)
        self.check(found, videos, model)
        parts = [line.split()[0] for line in log.read_text().splitlines()]
        # Its worker ends with it: before it had kept the part, or just after.
        assert parts in (list("012234"), list("01234"))

    def test_dask_does_them_too(self, videos: Path, model, tmp_path: Path) -> None:
        found = self.run(videos, model, tmp_path / "run", engine="dask", workers=2)
        self.check(found, videos, model)
        assert found.predictions("long.mp4").made_by["num_parts"] == NUM_PARTS


PROGRAM = """
import os
from vidlab.many import local, work
log = {log!r}
given = work.predict_part
def die():
    os.kill(os.getpid(), 9)
def noted(video, models, part, *args, **options):
    with open(log, "a") as stream:
        stream.write(f"{{part.index}} {{os.getpid()}}\\n")
    times = sum(line.split()[0] == str(part.index) for line in open(log))
    {act}
    return given(video, models, part, *args, **options)
work.predict_part = noted
local.serve()
"""

CLIENT = f"""
import sys, vidlab as vl
from vidlab.many import local
local._PROGRAM = sys.argv[1]
vl.predict_many(
    sys.argv[2], vl.load_model("{MODEL}", backend="litert", num_threads=1), out=sys.argv[3],
    part_seconds={PART_SECONDS}, workers=1, fps="source", progress=False,
)
"""
