"""``vidlab live``, as a person, a service manager or a pipe runs it."""

from __future__ import annotations

import itertools
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arithmetic import ArithmeticModel
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import vidlab as vl
from vidlab.cli import main
from vidlab.live import LiveSession, LiveSource, headless
from vidlab.live.sources import Picture

MODEL = "litert:stickactions-a0-stream"
WAIT_SECONDS = 120

# What a small machine has no memory for, or does not have at all.
HEAVY = {"torch", "tensorflow", "IPython", "ipywidgets", "matplotlib", "pandas", "pyarrow"}


@pytest.fixture
def squat() -> str:
    return str(vl.sample_videos()["squat"])


def command(*argv: str) -> list[str]:
    code = "import sys; from vidlab.cli import main; sys.exit(main())"
    return [sys.executable, "-c", code, "live", "--model", MODEL, *argv]


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive the test, and has two minutes."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        timer = threading.Timer(WAIT_SECONDS, process.kill)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def run(*argv: str) -> tuple[list[str], str]:
    """Return the lines of standard output, and what is on standard error."""
    with started(command(*argv)) as process:
        out, err = process.communicate()
        assert process.returncode == 0, err
        return out.splitlines(), err


def of_kind(lines: list[str], kind: str) -> list[dict[str, Any]]:
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


class TestOnAFile:
    def test_answers_are_what_the_model_says_to_the_frames_it_was_given(self, squat: str) -> None:
        argv = ["--source", squat, "--jsonl", "--speed", "4", "--top", "3", "--no-reset-on-cut"]
        lines, err = run(*argv)
        model = vl.load_model(MODEL, max_results=3)
        answers = {row["frame_index"]: row for row in of_kind(lines, "answer")}
        # A slow machine may drop some, but takes no others.
        wanted = vl.predict(squat, model, progress=False)
        assert answers
        assert set(answers) <= set(wanted.frame_index.tolist())
        state = model.init_state()
        for frame in vl.Video(squat).frames():
            if frame.index not in answers:
                continue
            row = answers.pop(frame.index)
            logits, state = model.step(model.preprocessing(frame.rgb)[None], state)
            exps = np.exp(logits[0] - logits[0].max())
            best = np.argsort(-logits[0])[:3]
            assert [each["label"] for each in row["top"]] == [model.labels[i] for i in best]
            assert [each["probability"] for each in row["top"]] == pytest.approx(
                (exps / exps.sum())[best].tolist(), abs=1e-6
            )
            assert row["model"] == model.title
            assert row["time_seconds"] == frame.pts_seconds
            assert row["epoch"] == 0
            assert 0 <= row["arrived_seconds"] <= row["answered_seconds"]
            assert 0 < row["latency_ms"] <= 1000 * row["answered_seconds"]
        assert not answers
        num_answers = len(of_kind(lines, "answer"))
        assert re.search(rf"^vidlab: {re.escape(model.title)}: {num_answers} answers", err, re.M)

    def test_every_json_line_says_when(self, squat: str) -> None:
        lines, _ = run("--source", squat, "--jsonl", "--speed", "8", "--rule", "squat >= 0")
        rows = [json.loads(line) for line in lines]
        assert {row["kind"] for row in rows} == {"answer", "event", "state"}
        assert all(re.fullmatch(r"[\d-]+T[\d:]+\.\d{3}\+00:00", row["wall"]) for row in rows)
        states = [(row["state"], row["message"]) for row in rows if row["kind"] == "state"]
        assert states == [("running", ""), ("ended", "")]

    def test_events_are_those_of_the_recording(self, squat: str, tmp_path: Path) -> None:
        rules = ["squat >= 0.5 for 0.5 s", "squat >= 0.5, then juggling balls >= 0.9 within 1 s"]
        lines, _ = run(
            "--source", squat, "--jsonl", "--speed", "2", "--record", str(tmp_path / "kept"),
            *(part for rule in rules for part in ("--rule", rule)),
        )  # fmt: skip
        events = of_kind(lines, "event")
        assert {(row["event"], row["rule"]) for row in events} == {
            ("seen", rules[0]), ("missed", rules[1]),
        }  # fmt: skip
        recording = vl.Recording(tmp_path / "kept")
        columns = ["kind", "rule", "time_seconds"]
        found = vl.find_events(recording, [vl.rules.parse_rule(rule) for rule in rules])
        found = found[found["kind"] != "open"]
        assert sorted(map(tuple, found[columns].to_numpy().tolist())) == sorted(
            (row["event"], row["rule"], row["time_seconds"]) for row in events
        )
        assert len(recording.events) == len(events)

    def test_as_text_a_line_says_what_is_new(self, squat: str) -> None:
        lines, _ = run("--source", squat, "--speed", "2", "--rule", "squat >= 0.5 for 0.5 s")
        assert all(re.fullmatch(r"\d\d:\d\d:\d\d  .+", line) for line in lines)
        told = [line.partition("  ")[2] for line in lines]
        assert "[seen] squat >= 0.5 for 0.5 s" in told
        labels = [text.rpartition(" ")[0] for text in told if not text.startswith("[")]
        assert "squat" in labels
        assert all(one != other for one, other in itertools.pairwise(labels))
        assert re.fullmatch(r"\d+%", told[0].rpartition(" ")[2])

    def test_of_several_models_a_line_says_whose(self, squat: str) -> None:
        other = "litert:stickactions-xs-stream"
        lines, err = run("--source", squat, "--speed", "4", "--model", other)
        for name in (MODEL, other):
            title = vl.load_model(name).title
            assert any(line.partition("  ")[2].startswith(f"{title}: ") for line in lines)
            assert f"vidlab: {title}: " in err


class TestItsEnd:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_stops_it_and_the_recording_is_whole(
        self, squat: str, tmp_path: Path, number: signal.Signals
    ) -> None:
        folder = tmp_path / "kept"
        argv = command("--source", squat, "--loop", "--jsonl", "--record", str(folder))
        with started(argv) as process:
            lines = [process.stdout.readline() for _ in range(6)]
            process.send_signal(number)
            # Not communicate(), which knows nothing of what was read ahead.
            rest, err = process.stdout.read(), process.stderr.read()
            process.wait()
        assert process.returncode == 0, err
        assert re.search(r"^vidlab: \d+ frames in", err, re.M)
        lines += rest.splitlines()
        assert json.loads(lines[-1])["state"] == "stopped"
        printed = of_kind(lines, "answer")
        best = vl.Recording(folder).table.query("rank == 1")
        assert best["frame_index"].tolist() == [row["frame_index"] for row in printed]
        assert best["label"].tolist() == [row["top"][0]["label"] for row in printed]
        assert best["answered_seconds"].tolist() == [row["answered_seconds"] for row in printed]

    def test_a_second_signal_ends_it_there_and_then(self) -> None:
        folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
        code = (
            f"import sys; sys.path[:0] = {folders!r}\n"
            "from test_live_cli import ComesAndGoes, Stuck\n"
            "from vidlab.live import LiveSession, headless\n"
            "headless.run(LiveSession(ComesAndGoes(), Stuck(), fps='source'))"
        )
        with started([sys.executable, "-c", code]) as process:
            assert process.stdout.readline() == "stuck\n"
            while process.poll() is None:
                process.send_signal(signal.SIGINT)
                time.sleep(0.1)
        assert process.returncode == 130

    def test_when_nobody_reads_any_more_it_ends_quietly(self, squat: str) -> None:
        with started(command("--source", squat, "--loop", "--jsonl")) as process:
            assert json.loads(process.stdout.readline())
            process.stdout.close()
            err = process.stderr.read()
            process.wait()
        assert process.returncode == 0, err
        assert "rror" not in err
        assert "frames in" not in err

    def test_seconds_end_it(self, squat: str) -> None:
        lines, err = run("--source", squat, "--loop", "--jsonl", "--seconds", "0.5")
        assert json.loads(lines[-1])["state"] == "stopped"
        assert "frames in" in err

    def test_handlers_are_given_back_and_threads_end(self, capsys) -> None:
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        threads = set(threading.enumerate())
        headless.run(LiveSession(ComesAndGoes(), ArithmeticModel(), fps="source"))
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
        for thread in set(threading.enumerate()) - threads:
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive()
        assert "frames in" in capsys.readouterr().err


class Stuck(ArithmeticModel):
    """Never answers."""

    def step(self, frames, state):
        print("stuck", flush=True)
        threading.Event().wait()


class ComesAndGoes(LiveSource):
    """A camera that is lost once, between two pictures."""

    name = "door"

    def pictures(self, stop, say) -> Iterator[Picture]:
        yield self._picture(0.0)
        say("lost", "door was lost: it ended. Trying again in 0.5 s.")
        say("running", "")
        yield self._picture(1.0)

    def _picture(self, seconds: float) -> Picture:
        rgb = np.zeros((8, 8, 3), dtype=np.uint8)
        return Picture(time_seconds=seconds, make_rgb=lambda: rgb)


def test_a_loss_is_said_and_so_is_the_return(capsys) -> None:
    headless.run(LiveSession(ComesAndGoes(), ArithmeticModel(), fps="source"), as_json=True)
    captured = capsys.readouterr()
    states = [row["state"] for row in of_kind(captured.out.splitlines(), "state")]
    assert states == ["running", "lost", "running", "ended"]
    notes = captured.err.splitlines()
    lost = notes.index("vidlab: door was lost: it ended. Trying again in 0.5 s.")
    assert notes.index("vidlab: door is back") == lost + 1


def test_labels_are_printed_in_korean_and_written_as_they_are(capsys) -> None:
    model = ArithmeticModel()
    model.labels = vl.LabelMap(["squat", "a", "b", "c"])
    rules = [vl.Rule("squat", probability=0.2), vl.Rule("squat", probability=0.2, name="squat!")]
    texts, rows = [], []
    for as_json in (False, True):
        session = LiveSession(ComesAndGoes(), model, fps="source", rules=rules)
        headless.run(session, as_json=as_json, labels="ko")
        (rows if as_json else texts).extend(capsys.readouterr().out.splitlines())
        assert {each.label for each in session.events} == {"squat"}
    told = {text.partition("  ")[2] for text in texts}
    assert {"[seen] 스쿼트하기 >= 0.2", "[seen] squat!"} <= told
    assert any(re.fullmatch(r"스쿼트하기 \d+%", text) for text in told)
    assert of_kind(rows, "event")
    assert "스쿼트" not in "".join(rows)
    assert {row["top"][0]["label"] for row in of_kind(rows, "answer")} == {"squat"}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--label-language", "kr"], "got 'kr'. Did you mean 'ko'"),
        (["--rule", "squatt >= 0.5"], "'squatt' is not one of the labels.*Did you mean 'squat'"),
        (["--rule", "squat often"], "A rule is written as 'washing hands >= 0.6'"),
        (["--source", "absent.mp4"], "absent.mp4"),
        (["--source", "/dev/video97"], "There is no camera at /dev/video97"),
        (["--source", "ftp://door/1"], r"come from rtsp:// and http\(s\):// .*got 'ftp://'"),
        (["--source", "/dev/video97", "--loop"], "--speed and --loop are for files"),
        (["--speed", "0"], "speed must be a number above 0"),
        (["--seconds", "nan"], "seconds above 0 is needed; got nan"),
        (["--fps", "many"], "--fps takes a number"),
        (["--model", "stickactions-a0-steam"], "Did you mean"),
        (["--model", MODEL], "need different titles"),
        (["--record", "used"], "needs a new folder"),
    ],
)
def test_bad_input_is_exit_code_2_and_one_line(
    argv: list[str], message: str, squat: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    monkeypatch.chdir(tmp_path)
    assert main(["live", "--source", squat, "--model", MODEL, *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(message, captured.err.splitlines()[-1])
    assert "Traceback" not in captured.err


def test_what_is_heavy_stays_unloaded(squat: str) -> None:
    code = (
        "import sys; from vidlab.cli import main; code = main();"
        "print(*sorted({name.partition('.')[0] for name in sys.modules})); sys.exit(code)"
    )
    argv = command("--source", squat, "--speed", "4", "--rule", "squat >= 0.5", "--jsonl")
    argv[argv.index("-c") + 1] = code
    done = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_SECONDS, check=True)
    lines = done.stdout.splitlines()
    assert of_kind(lines[:-1], "answer")
    loaded = set(lines[-1].split())
    assert "av" in loaded
    assert not loaded & HEAVY


def test_the_litert_extra_is_enough(squat: str, tmp_path: Path) -> None:
    needed = with_requirements("vidlab", {"litert"})
    hidden = sorted(
        module
        for module, owners in metadata.packages_distributions().items()
        if not needed & {canonicalize_name(owner) for owner in owners}
    )
    assert {"torch", "tensorflow", "cv2", "jupyterlab", "matplotlib"} <= set(hidden)
    # As if they were not installed: nowhere to be found.
    (tmp_path / "sitecustomize.py").write_text(
        "from importlib.machinery import PathFinder\n"
        f"HIDDEN = set({hidden!r})\n"
        "found = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *rest: (\n"
        "    None if name.partition('.')[0] in HIDDEN else found(name, *rest)\n"
        ")\n"
    )
    root = Path(vl.__file__).parents[1]
    argv = command("--source", squat, "--jsonl", "--speed", "4", "--rule", "squat >= 0.5",
                   "--record", str(tmp_path / "kept"))  # fmt: skip
    # Without a runtime named: the one that is installed is taken.
    argv[argv.index(MODEL)] = MODEL.partition(":")[2]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=WAIT_SECONDS,
        env={"PYTHONPATH": f"{tmp_path}:{root}", "PATH": "", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = of_kind(done.stdout.splitlines(), "answer")
    assert answers[0]["model"].startswith("litert:")
    assert len(vl.Recording(tmp_path / "kept").predictions[0]) == len(answers)


def with_requirements(name: str, extras: set[str]) -> set[str]:
    """Return the names of a distribution and of all that it needs here."""
    needed: set[str] = set()
    left = [(name, frozenset(extras))]
    seen = set()
    while left:
        name, wanted = left.pop()
        name = canonicalize_name(name)
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            requirements = metadata.distribution(name).requires or []
        except metadata.PackageNotFoundError:
            continue
        needed.add(name)
        for requirement in map(Requirement, requirements):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in wanted or {""}):
                left.append((requirement.name, frozenset(requirement.extras)))
    return needed
