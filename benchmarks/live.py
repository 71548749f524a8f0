"""Live: start to first label, memory, how late labels are, and a slow model beside a quick one.

    python benchmarks/live.py
    python benchmarks/live.py --source clip.mp4 --model litert:movinet-a0-stream
    python benchmarks/live.py --source clip.mp4 --browser 3

The source is played as if it were live, again and again. Start to first label is the time from
the command ``vidlab live`` to its first answer in standard output; memory is the most that this
process held in --seconds of it. How late a label is: from the frame's coming to the answer.

With --browser, a fake camera of Chromium plays the source into the widget `Live` in JupyterLab for
so many minutes. How late a label is, is then from the camera's picture to the page's, as the page
measures it. Exit code 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np

import vidlab as vl
from vidlab.feeding import processor_name
from vidlab.live import FileSource, LiveAnswer, LiveSession
from vidlab.models import Model

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "squat.mp4"

GOAL_START_SECONDS, GOAL_MEMORY_MB = 2.0, 250.0
GOAL_KEPT_RATE = 0.95
GOAL_LABEL_SECONDS, GOAL_MEDIAN_MS, GOAL_GROWTH_MB = 6.0, 250.0, 10.0
SLOW_SECONDS = 1.0
LOOK_EVERY_SECONDS = 30.0


class Slowed(Model):
    """A model that takes a second longer for each frame."""

    backend = "slowed"

    def __init__(self, model: Model) -> None:
        super().__init__(
            card=model.card,
            variant=model.variant,
            labels=model.labels,
            provenance=model.provenance,
            num_threads=model.num_threads,
            selection=model.selection,
        )
        self._model = model

    def init_state(self) -> Any:
        """Return the state before the first frame."""
        return self._model.init_state()

    def step(self, frames: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        """Run the next frames, late."""
        time.sleep(SLOW_SECONDS * len(frames))
        return self._model.step(frames, state)


def main() -> int:
    """Measure and print; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=SAMPLE, help="video file")
    parser.add_argument("--model", default="litert:movinet-a0-stream")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each part (default 20)")
    parser.add_argument("--starts", type=int, default=5, help="starts of the command (default 5)")
    parser.add_argument(
        "--browser", type=float, metavar="MINUTES", help="measure the widget in a browser as well"
    )
    options = parser.parse_args()
    try:
        vl.load_model(options.model)
        vl.Video(options.source)
    except vl.VidlabError as error:
        sys.exit(str(error))
    print(
        f"{processor_name()}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {options.model} on {options.source.name}"
    )
    missed = headless(options)
    missed += late(options)
    missed += two_at_once(options)
    if options.browser:
        missed += in_a_browser(options)
    print(f"missed: {', '.join(missed)}" if missed else "every goal was met")
    return 1 if missed else 0


def headless(options: argparse.Namespace) -> list[str]:
    """Start the command again and again; let the last one run for longer."""
    starts, memory_mb = [], []
    for number in range(options.starts):
        seconds = options.seconds if number == options.starts - 1 else 0.0
        start, memory = _one_start(options, seconds)
        starts.append(start)
        memory_mb.append(memory)
    start = statistics.median(starts)
    print(
        f"\nvidlab live: start to first label {start:.2f} s, the median of {len(starts)} "
        f"({min(starts):.2f} to {max(starts):.2f} s; goal {GOAL_START_SECONDS:g})\n"
        f"  memory {memory_mb[-1]:.0f} MB at most in {options.seconds:g} s "
        f"(goal {GOAL_MEMORY_MB:g})"
    )
    return ["start"] * (start > GOAL_START_SECONDS) + ["memory"] * (memory_mb[-1] > GOAL_MEMORY_MB)


def _one_start(options: argparse.Namespace, seconds: float) -> tuple[float, float]:
    """Return the seconds to the first answer, and the most memory in MB."""
    code = "import sys; from vidlab.cli import main; sys.exit(main())"
    command = [
        *(sys.executable, "-c", code, "live", "--source", str(options.source), "--loop"),
        *("--model", options.model, "--jsonl"),
    ]
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
    )
    assert process.stdout is not None
    taken = None
    for line in process.stdout:
        now = time.perf_counter() - begin
        if taken is None and json.loads(line)["kind"] == "answer":
            taken = now
        if taken is not None and now >= taken + seconds:
            break
    process.send_signal(signal.SIGTERM)
    process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if taken is None or process.returncode:
        sys.exit(f"vidlab live ended with {process.returncode}")
    kib = 1 if sys.platform == "darwin" else 1024
    return taken, usage.ru_maxrss * kib / 1e6


def late(options: argparse.Namespace) -> list[str]:
    """Look at the file as if it were live, with one model."""
    answers = _live(options, [vl.load_model(options.model)])
    print(f"\nfrom a frame's coming to its label, {options.seconds:g} s:")
    _print_tracks(answers)
    return []


def two_at_once(options: argparse.Namespace) -> list[str]:
    """Look at it with two models, one of which takes a second a frame."""
    alone = _live(options, [vl.load_model(options.model)])
    models = [vl.load_model(options.model), Slowed(vl.load_model(options.model))]
    beside = _live(options, models)
    print(f"\nbeside a model that takes {SLOW_SECONDS:g} s a frame, {options.seconds:g} s:")
    _print_tracks(beside)
    kept = beside[0].rate / alone[0].rate
    print(f"  the first keeps {kept:.1%} of its rate alone (goal {GOAL_KEPT_RATE:.0%})")
    return ["rate beside a slow model"] * (kept < GOAL_KEPT_RATE)
