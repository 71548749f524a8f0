"""Runs over many videos: what is kept, what is told, and what a kill at any moment costs."""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import distributed
import numpy as np
import pandas as pd
import pyarrow.dataset as pads
import pytest
import synthetic

import vidlab as vl
from vidlab.cli import main
from vidlab.core.errors import ModelError, OptionError, PredictionsError
from vidlab.many import local
from vidlab.many.listing import list_videos
from vidlab.many.store import Fingerprint, Store, identifier
from vidlab.many.work import Job, Outcome, Task, Worker
from vidlab.models.reopening import spec_of

MODEL = "stickactions-xs-stream"
HOSTILE = [
    "걷기 달리기.mp4", "it's \"quoted\".mp4", "two\nlines.mp4", "up..mp4.mp4", "a&b=<c>%41 #?.mp4",
    "model=x.mp4", "-" * 60 + ".mp4", "가" * 70 + ".mp4",
]  # fmt: skip


@pytest.fixture(scope="module")
def model() -> vl.models.base.Model:
    return vl.load_model(MODEL, backend="litert")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six tiny videos, each of another length."""
    folder = tmp_path_factory.mktemp("drawn")
    for number in range(6):
        path = folder / f"clip{number}.mp4"
        synthetic.make_video(path, num_frames=20 + 9 * number, size=(96, 72))
    return sorted(folder.iterdir())


@pytest.fixture
def videos(drawn: list[Path], tmp_path: Path) -> Path:
    """A folder with three videos."""
    folder = tmp_path / "videos"
    (folder / "sub").mkdir(parents=True)
    for path, name in zip(drawn, ("a.mp4", "b.mp4", "sub/c.mp4"), strict=False):
        shutil.copy(path, folder / name)
    return folder


def run(videos: object, model: object, out: Path, **options: object) -> vl.Run:
    return vl.predict_many(videos, model, out=out, progress=False, **{"workers": 1} | options)


def states(found: vl.Run) -> dict[str, str]:
    return dict(zip(found.videos["video"], found.videos["state"], strict=True))


def rows(folder: Path) -> pd.DataFrame:
    """All rows of a run but what a clock said, in order."""
    table = vl.open_run(folder).dataset().to_table().to_pandas()
    table["frame_logits"] = [
        None if each is None else np.asarray(each).tobytes() for each in table["frame_logits"]
    ]
    table = table.drop(columns="frame_latency_seconds")
    return table.sort_values(["video", "model", "frame_index", "rank"]).reset_index(drop=True)


def written(folder: Path) -> dict[str, int]:
    """When each file of answers was written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "answers").rglob("*.parquet")}


# ---- what it gives -------------------------------------------------------------------------------


def test_answers_are_those_of_predict(videos: Path, model, tmp_path: Path) -> None:
    found = run(videos, model, tmp_path / "run")
    assert states(found) == dict.fromkeys(["a.mp4", "b.mp4", "sub/c.mp4"], "done")
    assert len(found) == 3
    assert not len(found.failures)
    for name in states(found):
        alone = vl.predict(videos / name, model, progress=False)
        kept = found.predictions(name)
        assert kept.video == name
        np.testing.assert_array_equal(kept.logits, alone.logits)
        np.testing.assert_array_equal(kept.time_seconds, alone.time_seconds)
        assert kept.labels == alone.labels
    whole = found.clips.set_index("name").loc["sub/c.mp4"]
    assert whole[f"predicted_{MODEL}"] == alone.top1()["label"].iloc[-1]
    assert whole[f"probability_{MODEL}"] == pytest.approx(alone.probabilities[-1].max())
    assert repr(found) == "<Run of 1 model on 3 videos: 3 done>"
    assert len(vl.Gallery(found).shown) == 3


def test_the_dataset_opens_in_other_readers(videos: Path, model, tmp_path: Path) -> None:
    torch_too = vl.load_model(MODEL, backend="torch")
    found = run(videos, {"one": model, "두 번째/2": torch_too}, tmp_path / "run", max_results=2)
    answers = tmp_path / "run" / "answers"
    by_pandas = pd.read_parquet(answers)
    by_arrow = pads.dataset(answers, partitioning="hive").to_table().to_pandas()
    num_answers = found.videos["num_answers"].sum()
    for table in (by_pandas, by_arrow, found.table()):
        assert len(table) == 2 * num_answers
        assert set(table["model"]) == {"one", "두 번째/2"}
        assert set(table["video"]) == {"a.mp4", "b.mp4", "sub/c.mp4"}
    assert set(found.table(["model"], model="one")["model"]) == {"one"}
    comparison = found.comparison("a.mp4")
    assert comparison.names == ["one", "두 번째/2"]
    assert comparison.video is not None
    with pytest.raises(OptionError, match="model must be one of 'one'"):
        found.predictions("a.mp4")
    with pytest.raises(OptionError, match=r"Did you mean 'a\.mp4'"):
        found.predictions("a.mp", "one")
    with pytest.raises(OptionError, match="Did you mean 'label'"):
        found.table(["labl"])


def test_an_answer_below_the_threshold_still_belongs_to_its_video(
    videos: Path, model, tmp_path: Path
) -> None:
    strict = vl.load_model(MODEL, backend="litert", score_threshold=1.0)
    found = run([videos / "a.mp4"], strict, tmp_path / "run")
    table = found.table(["video", "label"])
    assert len(table)
    assert table["label"].isna().all()
    assert table["video"].nunique() == 1
    name = found.videos["video"][0]
    assert len(found.predictions(name)) == len(table)


def test_clip_models_and_streams_share_a_run(videos: Path, model, tmp_path: Path) -> None:
    pictures = vl.load_model("stickactions-pictures", backend="torch")
    found = run([videos / "a.mp4"], [model, pictures], tmp_path / "run", fps=4)
    assert set(found.table()["model"]) == {MODEL, "stickactions-pictures"}
    name = found.videos["video"][0]
    whole = found.predictions(name, "stickactions-pictures").probabilities.mean(axis=0)
    column = found.clips["probability_stickactions-pictures"]
    assert column[0] == pytest.approx(whole.max(), rel=1e-6)


def test_columns_of_a_table_are_kept(videos: Path, model, tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "video": [str(videos / "a.mp4"), videos / "b.mp4"],
            "label": ["walking", None],
            "take": np.array([1, 2]),
            "when": pd.to_datetime(["2024-01-02", None]),
        }
    )
    found = run(table, model, tmp_path / "run")
    for shown in (found.videos, found.clips, vl.open_run(tmp_path / "run").videos):
        assert shown["label"].tolist()[0] == "walking"
        assert shown["label"].isna().tolist() == [False, True]
        assert shown["take"].tolist() == [1, 2]
        assert shown["when"].tolist()[0].startswith("2024-01-02")


# ---- hostile and broken files --------------------------------------------------------------------


def test_hostile_names_stay_what_they_are(drawn: list[Path], model, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in HOSTILE:
        shutil.copy(drawn[0], folder / name)
    found = run(folder, model, tmp_path / "run")
    assert states(found) == dict.fromkeys(HOSTILE, "done")
    assert set(pd.read_parquet(tmp_path / "run" / "answers")["video"]) == set(HOSTILE)
    outside = {each.name for each in tmp_path.iterdir()}
    assert outside == {"videos", "run"}
    for path in (tmp_path / "run" / "answers").rglob("*.parquet"):
        assert len(path.name.encode()) < 200
        assert path.name[0].isalnum()


@pytest.mark.skipif(sys.platform != "linux", reason="names must be Unicode elsewhere")
def test_names_that_are_no_unicode(drawn: list[Path], model, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(drawn[0], os.path.join(os.fsencode(folder), b"caf\xe9.mp4"))  # noqa: PTH118
    run(folder, model, tmp_path / "run")
    again = vl.open_run(tmp_path / "run")
    assert states(again) == {"caf\\udce9.mp4": "done"}
    assert len(again.predictions("caf\\udce9.mp4"))


def test_identifiers_tell_names_apart() -> None:
    names = [*HOSTILE, "a/b.mp4", "a-b.mp4", "A-b.mp4", "", ".", "..", "/"]
    assert len({identifier(name).casefold() for name in names}) == len(names)
    assert not any(set(identifier(name)) & set("/\\.\n\"' ") for name in names)


def test_broken_files_are_listed_with_reasons(videos: Path, model, tmp_path: Path, capsys) -> None:
    (videos / "broken.mp4").write_bytes(b"not a video")
    (videos / "empty.mkv").touch()
    os.mkfifo(videos / "pipe.mp4")
    found = run(videos, model, tmp_path / "run", workers=2)
    failures = found.failures.set_index("video")
    assert set(failures.index) == {"broken.mp4", "empty.mkv", "pipe.mp4"}
    assert "Invalid data" in failures.loc["broken.mp4", "reason"]
    assert "is empty" in failures.loc["empty.mkv", "reason"]
    assert "not a regular file" in failures.loc["pipe.mp4", "reason"]
    assert set(failures["error"]) == {"VideoOpenError"}
    assert set(failures["attempts"]) == {1}
    assert not any(str(tmp_path) in reason for reason in failures["reason"])
    assert "3 done, 3 failed" in repr(found)
    assert "Invalid data" in found._repr_html_()
    with pytest.raises(PredictionsError, match=r"has no answers: .*Invalid data"):
        found.predictions("broken.mp4")
    # Mended, it is done, and no failure any more.
    shutil.copy(videos / "a.mp4", videos / "broken.mp4")
    again = run(videos, model, tmp_path / "run", retry_failed=False)
    assert set(again.failures["video"]) == {"empty.mkv", "pipe.mp4"}
    assert not (tmp_path / "run" / "failures" / f"{identifier('broken.mp4')}.json").exists()


# ---- going on ------------------------------------------------------------------------------------


def test_decoding_threads_are_shared_out(
    videos: Path, model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, given = sorted(videos.iterdir())[:3], []

    def run(tasks: list[Task], job: Job, **options: object) -> Iterator[Outcome]:
        given.append(job.decoding_threads)
        yield from ()

    monkeypatch.setattr("vidlab.many.predicting.num_cores", lambda: 8)
    monkeypatch.setattr("vidlab.many.predicting.run_locally", run)
    for number, (some, workers) in enumerate([(paths, 2), (paths, 16), (paths[:1], 4)]):
        out = tmp_path / str(number)
        vl.predict_many(some, model, out=out, workers=workers, progress=False)
    assert given == [4, 2, 8]
    job = Job(folder=str(tmp_path / "0"), names=(), specs=(), decoding_threads=3)
    video = Worker(job)._opened(Task(video="a", path=str(paths[0])), Fingerprint.of(paths[0]))
    assert video._opener.decoder().stream.codec_context.thread_count == 3
    video.close()


def test_limits_hold_in_the_workers_too(videos: Path, model, tmp_path: Path) -> None:
    with vl.limits(max_frames=25):  # the first has 20
        some = run(videos, model, tmp_path / "run")
    assert some.failures["error"].tolist() == ["LimitError"] * 2
    assert len(run(videos, model, tmp_path / "run").failures) == 0


def test_the_same_command_does_only_what_is_left(videos: Path, model, tmp_path: Path) -> None:
    run(videos / "a.mp4", model, tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    run(videos, model, tmp_path / "run")
    before = written(tmp_path / "run")
    shutil.copy(videos / "a.mp4", videos / "later.mp4")
    # Another time, the same content: a copied folder.
    os.utime(videos / "a.mp4", ns=(1, 1))
    found = run(videos, model, tmp_path / "run")
    after = written(tmp_path / "run")
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 1
    assert set(states(found).values()) == {"done"}


def test_a_changed_file_is_noticed_and_done_anew(
    videos: Path, drawn: list[Path], model, tmp_path: Path
) -> None:
    run(videos, model, tmp_path / "run")
    before = written(tmp_path / "run")
    shutil.copy(drawn[5], videos / "b.mp4")
    (videos / "sub" / "c.mp4").unlink()
    looked = vl.open_run(tmp_path / "run")
    assert states(looked) == {"a.mp4": "done", "b.mp4": "changed", "sub/c.mp4": "missing"}
    found = run(videos, model, tmp_path / "run")
    assert states(found) == {"a.mp4": "done", "b.mp4": "done", "sub/c.mp4": "missing"}
    changed = {name for name, at in written(tmp_path / "run").items() if before[name] != at}
    assert changed == {f"{identifier('b.mp4')}.parquet"}
    assert len(found.predictions("b.mp4")) == len(vl.predict(drawn[5], model, progress=False))
    assert len(found.predictions("sub/c.mp4"))
    # What cannot be read any more has no answers to what it held before.
    (videos / "b.mp4").write_bytes(b"overwritten")
    assert states(run(videos, model, tmp_path / "run"))["b.mp4"] == "failed"
    assert set(rows(tmp_path / "run")["video"]) == {"a.mp4", "sub/c.mp4"}


def test_a_file_that_changes_while_it_is_read_fails_and_is_tried_again(
    videos: Path, model, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(local, "_PROGRAM", worker_that("open(path, 'ab').write(b'more')"))
    found = run([videos / "a.mp4"], model, tmp_path / "run")
    assert found.failures["reason"][0].endswith("a.mp4 changed while it was read.")
    assert not written(tmp_path / "run")
    monkeypatch.undo()
    assert set(states(run([videos / "a.mp4"], model, tmp_path / "run")).values()) == {"done"}
    with open(videos / "b.mp4", "ab") as stream:
        fingerprint = Fingerprint.of(str(videos / "b.mp4"))
        stream.write(b"more")
    assert not fingerprint.is_of(str(videos / "b.mp4"))


def test_other_models_and_options_are_refused(videos: Path, model, tmp_path: Path) -> None:
    run(videos, model, tmp_path / "run", fps=2)
    before = written(tmp_path / "run")
    for other, options, told in [
        (model, {"fps": 3}, r"another fps \(2, not 3\)"),
        (model, {"fps": 2, "max_results": 1}, "another selection of stickactions-xs-stream"),
        (vl.load_model(MODEL, backend="torch"), {"fps": 2}, "another backend of"),
        (vl.load_model(MODEL, backend="litert", variant="int8"), {"fps": 2}, "another variant"),
        ({"other": model}, {"fps": 2}, "another choice of models"),
    ]:
        with pytest.raises(OptionError, match=told):
            run(videos, other, tmp_path / "run", **options)
    assert written(tmp_path / "run") == before
    with pytest.raises(OptionError, match="no run's folder: it holds"):
        run(videos, model, videos)


def test_two_runs_cannot_write_into_one_folder(videos: Path, model, tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    with store.alone(), pytest.raises(OptionError, match="Another run is writing"):
        run(videos, model, tmp_path / "run")
    run(videos, model, tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"hop": 2}, "hop is for clip models"),
        ({"fps": 0}, "fps must be"),
        ({"recipe": "3d-resnet"}, "Did you mean"),
        ({"recipe": "3d-resnets"}, "is for"),
        ({"workers": 0}, "workers must be"),
        ({"timeout_seconds": 0}, "timeout_seconds must be"),
        ({"engine": "locl"}, "Did you mean 'local'"),
        ({"client": "tcp://127.0.0.1:1"}, "is for engine='dask'"),
        ({"engine": "dask", "timeout_seconds": 5}, "is for engine='local'"),
        ({"resources": {"GPU": 1}}, "is for engine='dask'"),
        ({"part_seconds": -1.0}, "part_seconds must be"),
        ({"part_seconds": float("inf")}, "part_seconds must be"),
    ],
)
def test_wrong_options_leave_no_folder(options, told, videos, model, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=told):
        run(videos, model, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_wrong_videos_are_refused(videos: Path, tmp_path: Path) -> None:
    empty = tmp_path / "none"
    empty.mkdir()
    twice = pd.DataFrame({"video": ["a.mp4", "./a.mp4"]})
    for given, told in [
        (empty, "no videos"), (twice, "given twice"), (3, "got int"), ([3], "by its path"),
        (pd.DataFrame({"clip": []}), "column 'video'"), ({"a": 1}, "got dict"),
        (pd.DataFrame({"video": ["a"], "state": [1]}), "rename it"),
    ]:  # fmt: skip
        with pytest.raises(OptionError, match=told):
            list_videos(given)


def test_wrong_models_are_refused(videos: Path, model, tmp_path: Path) -> None:
    own = copy.copy(model)
    own.opening = None  # as a network of the user's own has none
    with pytest.raises(OptionError, match="network of this process alone"):
        run(videos, own, tmp_path / "run")
    with pytest.raises(OptionError, match="At least one model"):
        run(videos, [], tmp_path / "run")
    with pytest.raises(OptionError, match="A loaded model is needed"):
        run(videos, ["movinet"], tmp_path / "run")


# ---- processes that end --------------------------------------------------------------------------


def worker_that(act: str) -> str:
    """Return the program of a worker that does something before it looks at a video `a.mp4`.

    Args:
        act: A statement; `path` is the video's.
    """
    return f"""
import os, signal, time
from vidlab.many import local, work
given = work.run
def act(video, *args, **options):
    path = str(video.source)
    if path.endswith("a.mp4"):
        {act}
    return given(video, *args, **options)
work.run = act
local.serve()
"""


def children(pid: int) -> list[str]:
    """Workers that a process has started, and that still are."""
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(pid)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return [line.split()[0] for line in found.stdout.splitlines() if "serve" in line]


def none_lives(pids: list[str]) -> bool:
    """Tell whether of some processes none is there, but for the unburied."""
    found = subprocess.run(
        ["ps", "-o", "stat=", "-p", ",".join([str(os.getpid()), *pids])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return sum(not line.startswith("Z") for line in found.stdout.split()) == 1  # this one


@pytest.mark.parametrize(
    ("act", "options", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", {}, r"signal 11 \(SIGSEGV\) on this video"),
        ("os.kill(os.getpid(), signal.SIGKILL)", {}, "too little memory"),
        ("os._exit(3)", {}, r"itself \(exit code 3\)"),
        ("time.sleep(600)", {"timeout_seconds": 3.0}, "took longer than 3 s"),
    ],
)
def test_a_video_that_ends_its_process_costs_the_others_nothing(
    act: str, options: dict, told: str, videos: Path, model, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(local, "_PROGRAM", worker_that(act))
    found = run(videos, model, tmp_path / "run", **options)
    assert states(found) == {"a.mp4": "failed", "b.mp4": "done", "sub/c.mp4": "done"}
    assert found.failures["reason"].str.contains(told).all()
    assert found.failures["attempts"].tolist() == [2]
    assert found.failures["error"].tolist() == ["WorkerError"]
    assert not children(os.getpid())


def test_a_video_whose_process_was_killed_once_is_done(
    videos: Path, model, tmp_path: Path, monkeypatch
) -> None:
    once = tmp_path / "once"
    act = f"os.path.exists({str(once)!r}) or (open({str(once)!r}, 'w'), os.kill(os.getpid(), 9))"
    monkeypatch.setattr(local, "_PROGRAM", worker_that(act))
    found = run(videos, model, tmp_path / "run")
    assert once.exists()
    assert set(states(found).values()) == {"done"}


def test_what_a_worker_prints_is_not_taken_for_an_answer(
    videos: Path, model, tmp_path: Path, monkeypatch
) -> None:
    act = "print('{}', flush=True); os.system('echo {}')"
    monkeypatch.setattr(local, "_PROGRAM", worker_that(act))
    assert set(states(run(videos, model, tmp_path / "run")).values()) == {"done"}


def test_models_that_no_worker_can_open_are_told_at_once(
    videos: Path, tmp_path: Path, monkeypatch
) -> None:
    shipped = vl.load_model(MODEL, backend="litert").opening
    assert shipped is not None
    weights = tmp_path / shipped.path.name
    shutil.copy(shipped.path, weights)
    model = vl.load_model(weights, backend="litert", card=MODEL)
    weights.write_bytes(b"something else")
    with pytest.raises(ModelError, match="A worker cannot open the models"):
        run(videos, model, tmp_path / "run")
    monkeypatch.setattr(local, "_PROGRAM", "raise SystemExit('no such thing')")
    with pytest.raises(ModelError, match=r"exit code 1\) while it opened .*: no such thing"):
        run(videos, vl.load_model(MODEL, backend="litert"), tmp_path / "other")
    assert not children(os.getpid())


def test_ctrl_c_keeps_what_is_done(videos: Path, model, tmp_path: Path, monkeypatch) -> None:
    given = local.run_locally

    def interrupted(*args: object, **options: object) -> Iterator[object]:
        outcomes = given(*args, **options)
        yield next(outcomes)
        raise KeyboardInterrupt

    monkeypatch.setattr("vidlab.many.predicting.run_locally", interrupted)
    with pytest.warns(UserWarning, match="interrupted by the user after 1 of 3 videos"):
        found = run(videos, model, tmp_path / "run")
    assert found.stopped is not None
    assert sorted(states(found).values()) == ["done", "waiting", "waiting"]
    monkeypatch.undo()
    again = run(videos, model, tmp_path / "run")
    assert again.stopped is None
    assert set(states(again).values()) == {"done"}
    assert not children(os.getpid())


def test_answers_of_half_the_models_are_none(videos: Path, model, tmp_path: Path) -> None:
    """A kill between the files of two models leaves one of them."""
    named = {"one": model, "two": model}
    run(videos, named, tmp_path / "run")
    Store(tmp_path / "run").answers_file("b.mp4", "two").unlink()
    looked = vl.open_run(tmp_path / "run")
    assert states(looked)["b.mp4"] == "waiting"
    assert states(run(videos, named, tmp_path / "run"))["b.mp4"] == "done"
    # Of another content of the file than the other model's: the same.
    shutil.copy(videos / "a.mp4", videos / "b.mp4")
    job = Job(folder=str(tmp_path / "run"), names=("two",), specs=(spec_of(model),))
    assert Worker(job).answer(Task(video="b.mp4", path=str(videos / "b.mp4"))).error is None
    assert states(vl.open_run(tmp_path / "run"))["b.mp4"] == "waiting"


CLIENT = """
import sys, vidlab as vl
model = vl.load_model("stickactions-xs-stream", backend="litert")
print("started", flush=True)
vl.predict_many(sys.argv[1], model, out=sys.argv[2], workers=2, progress=False)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")
def test_killed_again_and_again_it_ends_with_the_same_rows(
    drawn: list[Path], model, tmp_path: Path
) -> None:
    folder, out = tmp_path / "videos", tmp_path / "run"
    folder.mkdir()
    for number in range(20):
        shutil.copy(drawn[number % len(drawn)], folder / f"{number:02}.mp4")
    undisturbed = run(folder, model, tmp_path / "undisturbed")
    assert set(states(undisturbed).values()) == {"done"}
    random = np.random.default_rng(9)
    first: dict[str, int] = {}
    num_kills = 0
    for goal in sorted(random.choice(np.arange(1, 16), size=6, replace=False)):
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(folder), str(out)], stdout=subprocess.PIPE
        )
        # Killed when so many are done, and a little later: in the middle of something.
        wait_until(partial(has_done, out, goal, client))
        time.sleep(float(random.uniform(0.0, 0.05)))
        workers = children(client.pid)
        client.send_signal(signal.SIGKILL)
        num_kills += client.wait() == -signal.SIGKILL
        assert client.stdout is not None
        client.stdout.close()
        # Its workers end with it; what was done before is not done again.
        wait_until(partial(none_lives, workers))
        now = written(out)
        assert {name: now[name] for name in first} == first
        first = now
    assert num_kills >= 3  # none of them by chance after the end
    (next((out / "answers").iterdir()) / ".left.parquet.x.part").write_bytes(b"half")
    found = run(folder, model, out)
    assert set(states(found).values()) == {"done"}
    assert {name: at for name, at in written(out).items() if name in first} == first
    pd.testing.assert_frame_equal(rows(out), rows(tmp_path / "undisturbed"))
    assert not list(out.rglob(".*.part"))


def has_done(out: Path, goal: int, client: subprocess.Popen[bytes]) -> bool:
    return len(written(out)) >= goal or client.poll() is not None


def wait_until(is_so: Callable[[], bool]) -> None:
    gave_up = threading.Event()
    timer = threading.Timer(120.0, gave_up.set)
    timer.start()
    while not is_so():
        assert not gave_up.is_set(), "nothing happens"
        time.sleep(0.01)
    timer.cancel()


def test_dask_gives_the_same_rows(videos: Path, model, tmp_path: Path) -> None:
    (videos / "broken.mp4").write_bytes(b"not a video")
    run(videos, model, tmp_path / "local")
    found = run(videos, model, tmp_path / "dask", engine="dask", workers=2)
    assert "3 done, 1 failed" in repr(found)
    pd.testing.assert_frame_equal(rows(tmp_path / "dask"), rows(tmp_path / "local"))


# ---- the folder and the command ------------------------------------------------------------------


def test_folders_that_are_no_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="There is no run in"):
        vl.open_run(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "vidlab.run/9"}')
    with pytest.raises(PredictionsError, match=r"format 'vidlab\.run/9'"):
        vl.open_run(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(PredictionsError, match="Cannot read"):
        vl.open_run(tmp_path)


def test_damaged_answers_are_told_with_their_file(videos: Path, model, tmp_path: Path) -> None:
    run(videos, model, tmp_path / "run")
    Store(tmp_path / "run").answers_file("a.mp4", MODEL).write_bytes(b"PAR1 what?")
    with pytest.raises(PredictionsError, match=r"is damaged.*Delete it"):
        _ = vl.open_run(tmp_path / "run").videos


def test_the_manifest_says_what_made_it(videos: Path, model, tmp_path: Path) -> None:
    run([videos / "a.mp4"], model, tmp_path / "run", fps=2)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["format"] == "vidlab.run/1"
    assert manifest["options"] == {"fps": 2, "hop": None, "recipe": None}
    told = manifest["models"][MODEL]
    assert told["weights_sha256"] == model.provenance.weights_sha256
    assert told["preprocessing"] == json.loads(json.dumps(model.preprocessing.as_dict()))
    assert manifest["versions"]["vidlab"] == vl.__version__


def test_the_command_has_the_options_of_the_call(videos: Path, tmp_path: Path, capsys) -> None:
    (videos / "broken.mp4").write_bytes(b"not a video")
    out = tmp_path / "run"
    argv = ["run", str(videos), "--model", f"litert:{MODEL}", "--out", str(out), "--fps", "source"]
    argv += ["--workers", "1", "--part-seconds", "1", "--skip-failed"]
    assert main(argv) == 1
    failed = out / "failures" / f"{identifier('broken.mp4')}.json"
    before = failed.stat().st_mtime_ns
    assert main(argv) == 1
    assert failed.stat().st_mtime_ns == before
    assert main([each for each in argv if each != "--skip-failed"]) == 1
    assert failed.stat().st_mtime_ns != before
    # The longest has 38 frames, and a key frame after 30.
    longest = vl.open_run(out).predictions("sub/c.mp4")
    assert (len(longest), longest.made_by.get("num_parts")) == (38, None)
    capsys.readouterr()
    for wrong, told in [
        (["--engine", "dsk"], "Did you mean 'dask'"),
        (["--scheduler", "tcp://127.0.0.1:1"], "is for engine='dask'"),
        (["--engine", "dask", "--timeout", "3"], "is for engine='local'"),
        (["--part-seconds", "-1"], "part_seconds must be"),
    ]:
        assert main([*argv, *wrong]) == 2
        assert told in capsys.readouterr().err


def test_the_command_runs_on_dask_and_in_parts(videos: Path, model, tmp_path: Path, capsys) -> None:
    synthetic.make_video(videos / "long.mp4", num_frames=100, size=(96, 72))
    argv = ["run", str(videos), "--model", f"litert:{MODEL}", "--fps", "source", "--workers", "2"]
    argv += ["--engine", "dask", "--part-seconds"]
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        scheduler = ["--scheduler", cluster.scheduler_address]
        assert main([*argv, "1", "--out", str(tmp_path / "parts"), *scheduler]) == 0
        assert main([*argv, "0", "--out", str(tmp_path / "whole"), *scheduler]) == 0
    assert "4 done" in capsys.readouterr().out
    pd.testing.assert_frame_equal(rows(tmp_path / "parts"), rows(tmp_path / "whole"))
    for name, num_parts in [("parts", 4), ("whole", None)]:
        found = vl.open_run(tmp_path / name).predictions("long.mp4")
        assert found.made_by.get("num_parts") == num_parts


def test_the_command_counts_and_tells_failures(videos: Path, tmp_path: Path, capsys) -> None:
    argv = ["run", str(videos), "--model", f"litert:{MODEL}", "--out", str(tmp_path / "run")]
    assert main([*argv, "--workers", "1", "--fps", "4", "--timeout", "60"]) == 0
    assert "3 done" in capsys.readouterr().out
    (videos / "broken.mp4").write_bytes(b"not a video")
    assert main([*argv, "--fps", "4"]) == 1
    out = capsys.readouterr().out
    assert "3 done, 1 failed" in out
    assert "broken.mp4: Cannot open 'broken.mp4'" in out
    assert main(argv) == 2
    assert "another fps" in capsys.readouterr().err
