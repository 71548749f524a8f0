"""Milliseconds per frame of MoViNet-A0 stream on each runtime: same frames, same threads, one run.

    python benchmarks/streaming.py --threads 2
    python benchmarks/streaming.py --threads 1 --frames 96 --repeats 5 --json streaming.json

Each runtime runs as vidlab's users run it, through ``load_model`` and ``step``. They take turns,
pass by pass, so that other load on the machine falls on all alike; the figure is the median over
all steps of all passes. Decoding and scaling are not counted. Beside the speed stands what it
costs: the published top-1 of these weights, and how far any probability is from PyTorch's.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np

import vidlab as vl
from vidlab.core.probabilities import softmax
from vidlab.feeding import processor_name
from vidlab.models import Model

REFERENCE = "litert, steps"
GOALS = {"torch, chunks of 16": 1.0, "torch, steps": 2.5}
SAID_AFTER = 32  # frames, on which answers are held against each other
SAMPLE = Path(__file__).parents[1] / "data" / "jumping_jacks.mp4"


def seconds_per_frame(model: Model, frames: np.ndarray, chunk: int) -> list[float]:
    """Run one video; return the seconds per frame of each full chunk."""
    state, seconds = model.init_state(), []
    for start in range(0, len(frames) - chunk + 1, chunk):
        part = frames[start : start + chunk]
        begin = time.perf_counter()
        _, state = model.step(part, state)
        seconds.append((time.perf_counter() - begin) / chunk)
    return seconds


def read_frames(path: Path, model: Model, num_frames: int) -> np.ndarray:
    """Return prepared frames, float32 [num_frames, H, W, 3]; a short video starts over."""
    prepared = [model.preprocessing(frame.rgb) for frame in vl.Video(path).frames(stop=num_frames)]
    return np.stack(list(itertools.islice(itertools.cycle(prepared), num_frames)))


def answers_of(model: Model, frames: np.ndarray) -> np.ndarray:
    """Return probabilities ``[num_frames, num_classes]``."""
    return softmax(model.step(frames, model.init_state())[0])


def published_top1(model: Model) -> str:
    """Say the published accuracy of these weights, if there is one."""
    variant = next((each for each in model.card.variants if each.name == model.variant), None)
    top1 = (variant and variant.top1) or model.card.accuracy.get("top1")
    return f"{top1:.1f} %" if top1 else "-"


def main() -> int:
    """Measure and print; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=64, help="frames a pass (default 64)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5, help="counted passes (default 5)")
    parser.add_argument("--chunks", type=int, nargs="+", default=[16], help="default 16")
    parser.add_argument("--video", type=Path, default=SAMPLE, help="read frames from here")
    parser.add_argument("--without-tfhub", action="store_true", help="leave the slow one out")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    if min(options.frames, options.threads, options.repeats, *options.chunks) < 1:
        parser.error("counts must be at least 1")
    if options.frames < max(options.chunks):
        parser.error("--frames must be at least the longest chunk")

    try:
        models = {
            backend: vl.load_model(f"{backend}:movinet-a0-stream", num_threads=options.threads)
            for backend in ("litert", "torch", "openvino", "tfhub")
            if not (backend == "tfhub" and options.without_tfhub)
        }
        frames = read_frames(options.video, models["litert"], options.frames)
    except vl.VidlabError as error:
        sys.exit(f"{error}")
    passes = {REFERENCE: ("litert", 1), "torch, steps": ("torch", 1)}
    passes |= {f"torch, chunks of {n}": ("torch", n) for n in options.chunks}
    chunk = models["openvino"].chunk_frames
    passes[f"openvino, chunks of {chunk}"] = ("openvino", chunk)
    if "tfhub" in models:
        passes["tfhub, steps"] = ("tfhub", 1)

    seconds: dict[str, list[float]] = {name: [] for name in passes}
    for repeat in range(options.repeats + 1):  # the first pass warms up and does not count
        for name, (backend, chunk) in passes.items():
            # A tenth of the frames is plenty of the slowest.
            part = frames[: max(8, len(frames) // 8)] if backend == "tfhub" else frames
            times = seconds_per_frame(models[backend], part, chunk)
            if repeat:
                seconds[name] += times

    medians = {name: 1e3 * statistics.median(times) for name, times in seconds.items()}
    ratios = {name: median / medians[REFERENCE] for name, median in medians.items()}
    answers = {name: answers_of(model, frames[:SAID_AFTER]) for name, model in models.items()}
    machine = {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "threads": options.threads,
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    for model in models.values():
        print(f"  {model!r}")
    print(
        f"{'runtime':24}{'ms/frame':>10}{'best 10 %':>11}{'of litert':>11}{'goal':>8}"
        f"{'top-1':>8}{'answers within':>16}"
    )
    for name, median in medians.items():
        best = 1e3 * float(np.quantile(seconds[name], 0.1))
        goal = f"{GOALS[name]:.1f}x" if name in GOALS else ""
        backend = passes[name][0]
        apart = float(np.abs(answers[backend] - answers["torch"]).max())
        print(
            f"{name:24}{median:10.2f}{best:11.2f}{ratios[name]:10.2f}x{goal:>8}"
            f"{published_top1(models[backend]):>8}{apart:16.0e}"
        )
    if options.json:
        result = {
            "machine": machine,
            "models": {backend: repr(model) for backend, model in models.items()},
            "frames": options.frames,
            "repeats": options.repeats,
            "video": options.video.name,
            "median_ms_per_frame": medians,
            "of_litert": ratios,
        }
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return int(any(ratios.get(name, 0.0) > goal for name, goal in GOALS.items()))


if __name__ == "__main__":
    sys.exit(main())
