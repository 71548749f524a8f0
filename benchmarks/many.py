"""Videos per minute of `predict_many`, beside a bare loop of PyAV and LiteRT on the same files.

    python benchmarks/many.py
    python benchmarks/many.py --video clip.mp4 --videos 120 --repeats 3 --json many.json

A clip is copied as often as is asked for. The bare loop, written out below, decodes a copy on one
thread, scales the frames that are due, runs the interpreter on them, and keeps the logits; these
are checked to be vidlab's, bit for bit. What vidlab does beyond is its overhead: it hashes the
files, decodes in a thread of its own, makes tables, writes Parquet and hands out videos. The bare
processes divide the copies evenly, beforehand. All kinds take turns, and each figure is a median
over the repeats.

The rate counts from the first video's beginning to the last one's end. Before that is the start-up:
processes, imports, models.

One process is also measured on one core, which is all that each has where there are as many as
cores. With a second core to itself it decodes on one and infers on the other, so that two processes
cannot be twice as fast as it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

import vidlab as vl
from vidlab.feeding import processor_name
from vidlab.many.store import Store
from vidlab.models.base import Model

SAMPLE = Path(__file__).parents[1] / "data" / "jumping_jacks.mp4"
GOAL_SPEEDUP = 1.7
GOAL_OVERHEAD = 0.10
HAS_GOAL = "from 1 process on 1 core to 2 on 2"


class Kind(NamedTuple):
    """Who does the videos: ``"bare"`` or an engine of vidlab, and in how many processes."""

    engine: str
    processes: int
    cores: int

    def __str__(self) -> str:
        processes = f"{self.processes} process{'' if self.processes == 1 else 'es'}"
        return f"{self.engine}, {processes} on {self.cores}"


BARE_CORE, BARE_TWO = Kind("bare", 1, 1), Kind("bare", 2, 2)
CORE, ONE, TWO = Kind("local", 1, 1), Kind("local", 1, 2), Kind("local", 2, 2)
DASK_TWO = Kind("dask", 2, 2)
KINDS = (BARE_CORE, CORE, ONE, BARE_TWO, TWO, DASK_TWO)


class Measured(NamedTuple):
    """Seconds until the first video was begun, and from then to the end of the last."""

    startup: float
    steady: float


# ---------------------------------------------------------------- the bare loop


def bare_logits(path: str, model: Model, runner: Any) -> np.ndarray:
    """Answer for one video with a signature runner of LiteRT; float32 ``[num_frames, classes]``.

    Of `model` only the card is used, and the function that scales a frame.
    """
    inputs, outputs = runner.get_input_details(), runner.get_output_details()
    (image,), (answer,) = inputs.keys() - outputs.keys(), outputs.keys() - inputs.keys()
    state = {
        name: np.zeros(each["shape"], each["dtype"])
        for name, each in inputs.items()
        if name != image
    }
    logits = []
    for frame in due_frames(path, model.preprocessing.frame_rate):
        pixels = model.preprocessing(frame.to_ndarray(format="rgb24"))
        state = runner(**{image: pixels[None, None]}, **state)
        logits.append(state.pop(answer)[0])
    return np.stack(logits)


def due_frames(path: str, rate: float) -> Iterator[av.VideoFrame]:
    """Yield the frames that are on screen at each tick of a rate, from the first frame on."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        previous, start, tick = None, 0.0, 0
        for frame in container.decode(stream):
            if previous is None:
                start = frame.time
            elif frame.time - start > tick / rate + 1e-6:
                yield previous
                tick += 1
            previous = frame
        if previous is not None and previous.time + previous.duration * stream.time_base > (
            start + tick / rate + 1e-6
        ):
            yield previous


def bare_process(model: Model, paths: list[str]) -> None:
    """Be one bare process: say when the model is open, wait to be told, say when all is done."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(model.opening.path), num_threads=1)
    runner = interpreter.get_signature_runner()
    print("ready", flush=True)
    sys.stdin.readline()
    for path in paths:
        bare_logits(path, model, runner)
    print("done", flush=True)


# ---------------------------------------------------------------- measuring


@contextmanager
def held_to(cores: int) -> Iterator[None]:
    """Hold this process, and those that it starts meanwhile, to some cores (Linux)."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure_bare(kind: Kind, model: str, paths: list[str]) -> Measured:
    began = time.perf_counter()
    command = [sys.executable, __file__, "--model", model, "--bare"]
    running = [
        subprocess.Popen(
            [*command, *paths[number :: kind.processes]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for number in range(kind.processes)
    ]
    for process in running:
        process.stdout.readline()
    ready = time.perf_counter()
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        if process.stdout.readline() != "done\n":
            sys.exit("A bare process ended before it was done.")
    done = time.perf_counter()
    for process in running:
        process.communicate()
    return Measured(ready - began, done - ready)


def measure_vidlab(kind: Kind, model: Model, paths: list[str], out: Path) -> Measured:
    began = time.time()
    run = vl.predict_many(
        paths, model, out=out, engine=kind.engine, workers=kind.processes, progress=False
    )
    if len(run.failures):
        sys.exit(f"{run!r}")
    # Answers are written at a video's end, and say how long it took.
    (name,), store = run.models, Store(out)
    took = run.videos.set_index("video")["seconds"]
    ends = [store.answers_file(video, name).stat().st_mtime for video in took.index]
    first = min(end - seconds for end, seconds in zip(ends, took, strict=True))
    return Measured(first - began, max(ends) - first)


def check_equal(model: Model, path: str) -> None:
    """See to it that both ways answer the same."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(model.opening.path), num_threads=1)
    bare = bare_logits(path, model, interpreter.get_signature_runner())
    if not np.array_equal(bare, vl.predict(path, model, progress=False).logits):
        sys.exit("The bare loop's logits are not vidlab's.")


def main() -> int:
    """Measure and print; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="litert:stickactions-a0-stream", help="one of LiteRT")
    parser.add_argument("--video", type=Path, default=SAMPLE, help="what is copied")
    parser.add_argument("--videos", type=int, default=120, help="copies (default 120)")
    parser.add_argument("--repeats", type=int, default=3, help="passes of each kind (default 3)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--bare", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    model = vl.load_model(options.model, num_threads=1)
    if options.bare:
        bare_process(model, options.bare)
        return 0
    if options.videos < 2 or options.repeats < 1:
        parser.error("at least 2 videos and 1 repeat are needed")

    measured: dict[Kind, list[Measured]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            shutil.copy(options.video, Path(folder) / f"{number:05}{options.video.suffix}")
            for number in range(options.videos)
        ]
        paths = [str(path) for path in paths]
        check_equal(model, paths[0])
        for repeat in range(options.repeats):
            for kind in KINDS:
                with held_to(kind.cores):
                    if kind.engine == "bare":
                        measured[kind].append(measure_bare(kind, options.model, paths))
                    else:
                        out = Path(folder) / f"{kind}-{repeat}"
                        measured[kind].append(measure_vidlab(kind, model, paths, out))
                print(f"{kind!s:32} {measured[kind][-1]}", file=sys.stderr, flush=True)

    rates = {
        kind: 60 * options.videos / statistics.median(each.steady for each in passes)
        for kind, passes in measured.items()
    }
    print(f"{options.videos} copies of {vl.Video(options.video)!r}, {model!r}")
    machine = {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
    }
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"{'who, processes on cores':32}{'videos/minute':>14}{'start-up, s':>13}")
    for kind, rate in rates.items():
        startup = statistics.median(each.startup for each in measured[kind])
        print(f"{kind!s:32}{rate:14.0f}{startup:13.1f}")
    speedups = {
        HAS_GOAL: rates[TWO] / rates[CORE],
        "from 1 process on 1 core to Dask's 2 on 2": rates[DASK_TWO] / rates[CORE],
        "from 1 process on 2 cores to 2 on 2": rates[TWO] / rates[ONE],
    }
    overheads = {
        "overhead of 1 process on 1 core": rates[BARE_CORE] / rates[CORE] - 1,
        "overhead of 2 processes on 2 cores": rates[BARE_TWO] / rates[TWO] - 1,
    }
    for name, speedup in speedups.items():
        goal = f"   (goal: at least {GOAL_SPEEDUP})" if name == HAS_GOAL else ""
        print(f"{name:46}{speedup:6.2f} times{goal}")
    for name, overhead in overheads.items():
        print(f"{name:46}{overhead:6.1%}        (goal: at most {GOAL_OVERHEAD:.0%})")
    if options.json:
        result = {
            "machine": machine,
            "model": repr(model),
            "video": options.video.name,
            "videos": options.videos,
            "videos_per_minute": {str(kind): rate for kind, rate in rates.items()},
            "passes": {str(kind): [each._asdict() for each in p] for kind, p in measured.items()},
            **speedups,
            **overheads,
        }
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return int(speedups[HAS_GOAL] < GOAL_SPEEDUP or max(overheads.values()) > GOAL_OVERHEAD)


if __name__ == "__main__":
    sys.exit(main())
