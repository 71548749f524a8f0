"""Damaged files of every kind: read, or refused with a reason; never a crash, a hang, a flood."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import mutate
import pytest
from targets import TARGETS, WEIGHTS, Target, read_model

from vidlab.core.errors import WeightsError
from vidlab.models import trial


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The good files."""
    folder = tmp_path_factory.mktemp("good")
    mutate.make_good_files(folder)
    return folder


def test_damaged_files_are_read_or_refused(good: Path, pytestconfig: pytest.Config) -> None:
    num_cases = pytestconfig.getoption("--fuzz-cases")
    findings, outcomes = mutate.run_cases(range(num_cases), good)
    assert not findings, "\n".join(map(str, findings))
    assert outcomes.total() == num_cases
    told = {outcome.rpartition(": ")[2] for outcome in outcomes}
    assert told == {"read", "refused"}  # else the damage is too little, or too much


@pytest.mark.parametrize(
    "target", [each for each in TARGETS if each.group != "keras"], ids=lambda each: each.name
)
def test_good_files_are_read(good: Path, target: Target) -> None:
    target.read(mutate.good_file(target, good))


def test_a_case_is_always_the_same(good: Path, tmp_path: Path) -> None:
    for number in range(0, 200, 7):
        first, again = (mutate.write_case(number, good, tmp_path).read_bytes() for _ in range(2))
        assert first == again


# ---- the driver notices ----------------------------------------------------------------------


def test_what_breaks_the_promise_is_found() -> None:
    """Each in its own way, in one run; the cases after it are read all the same."""
    done = subprocess.run(
        [sys.executable, mutate.__file__, "--cases", "7", "--seconds", "1"],
        env=os.environ | {"VIDLAB_FUZZ_TARGETS": "planted"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    for told in (
        "case 0 (crashes): crash", f"ended with -{signal.SIGSEGV.value}",
        "case 1 (computes): crash", f"ended with -{signal.SIGXCPU.value}",
        "case 2 (waits): hang", "case 3 (fills): memory", "case 4 (fails): traceback",
        "KeyError: 'planted'", "1 refuses: refused", "1 reads: read", "7 cases", "5 findings",
    ):  # fmt: skip
        assert told in done.stdout


# ---- LiteRT files that end the process -------------------------------------------------------


def _unpinned(tmp_path: Path) -> Path:
    """Return a LiteRT file that works and that no card of vidlab's knows."""
    data = (WEIGHTS / "stickactions-xs-stream-int8.tflite").read_bytes()
    path = tmp_path / "mine.tflite"
    path.write_bytes(data + bytes(16))
    return path


def _with(monkeypatch: pytest.MonkeyPatch, harm: str) -> None:
    """Let the process that tries files do something first."""
    monkeypatch.setattr(trial, "_PROGRAM", f"{harm}\n{trial._PROGRAM}")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "status -11"),
        ("import os; os.abort()", "status -6"),
        (
            "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass",
            "status -",
        ),
    ],
)
def test_a_litert_file_that_ends_the_process_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str, told: str
) -> None:
    path = _unpinned(tmp_path)
    monkeypatch.setattr(trial, "_survived", set())
    with monkeypatch.context() as patched:
        _with(patched, harm)
        for _ in range(2):  # a refusal is not forgotten for a success
            with pytest.raises(WeightsError, match=f"made to do harm.*{told}"):
                read_model("litert")(path)
    read_model("litert")(path)
    _with(monkeypatch, harm)
    read_model("litert")(path)  # tried once already


def test_a_pinned_litert_file_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    _with(monkeypatch, "import os; os.abort()")
    read_model("litert")(WEIGHTS / "stickactions-xs-stream-int8.tflite")
