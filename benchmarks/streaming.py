"""Milliseconds per frame of MoViNet-A0 stream on each runtime: same frames, same threads, one run.

    python benchmarks/streaming.py --threads 2
    python benchmarks/streaming.py --threads 1 --frames 96 --repeats 5 --json streaming.json

The runtimes take turns, pass by pass, so that other load on the machine falls on all alike; the
figure is the median over all steps of all passes. Decoding and scaling are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SIZE_PX = 172
LITERT_FILE = "movinet_a0_stream_k600_int8.tflite"
SAVED_MODEL = "movinet_a0_stream_k600_savedmodel"

# A pass takes frames float32 [T, H, W, 3] and returns seconds per frame of each step, and the
# logits after the last frame.
Pass = Callable[[np.ndarray], tuple[list[float], np.ndarray]]


def torch_passes(models: Path, threads: int, chunks: list[int]) -> dict[str, Pass]:
    import torch

    from vidlab.models.convert import read_litert
    from vidlab.models.movinet import MoViNet

    torch.set_num_threads(threads)
    config, state = read_litert(models / LITERT_FILE)
    model = MoViNet(config).eval()
    model.load_state_dict(state)
    network = model.for_inference()

    def make(chunk: int) -> Pass:
        def run(frames: np.ndarray) -> tuple[list[float], np.ndarray]:
            state, seconds = network.init_state(), []
            for start in range(0, len(frames), chunk):
                part = np.ascontiguousarray(frames[start : start + chunk])
                begin = time.perf_counter()
                inputs = torch.from_numpy(part[None]).permute(0, 1, 4, 2, 3)
                logits, state = network.step(inputs, state)
                if len(part) == chunk:
                    seconds.append((time.perf_counter() - begin) / chunk)
            return seconds, logits[0, -1].numpy()

        return run

    return {("torch, steps" if n == 1 else f"torch, chunks of {n}"): make(n) for n in [1, *chunks]}


def tfhub_passes(models: Path, threads: int) -> dict[str, Pass]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf
    import tensorflow_hub as hub

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    loaded = hub.load(str(models / SAVED_MODEL))
    call, init_states = loaded.signatures["call"], loaded.signatures["init_states"]

    def run(frames: np.ndarray) -> tuple[list[float], np.ndarray]:
        states, seconds = init_states(tf.constant([1, 1, SIZE_PX, SIZE_PX, 3])), []
        for frame in frames:
            begin = time.perf_counter()
            states = call(image=tf.constant(frame[None, None]), **states)
            logits = states.pop("logits").numpy()
            seconds.append(time.perf_counter() - begin)
        return seconds, logits[0]

    return {"tfhub SavedModel, steps": run}


def litert_passes(models: Path, threads: int) -> dict[str, Pass]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(models / LITERT_FILE), num_threads=threads)
    runner = interpreter.get_signature_runner()
    zeros = {
        name: np.zeros(detail["shape"], detail["dtype"])
        for name, detail in runner.get_input_details().items()
        if name != "image"
    }

    def run(frames: np.ndarray) -> tuple[list[float], np.ndarray]:
        states, seconds = dict(zeros), []
        for frame in frames:
            begin = time.perf_counter()
            states = runner(image=frame[None, None], **states)
            logits = states.pop("logits")
            seconds.append(time.perf_counter() - begin)
        return seconds, logits[0]

    return {"litert int8, steps": run}


def read_frames(video: Path | None, num_frames: int) -> np.ndarray:
    if video is None:
        return np.random.default_rng(0).random((num_frames, SIZE_PX, SIZE_PX, 3), np.float32)
    import av
    import cv2

    frames: list[np.ndarray] = []
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            picture = frame.to_ndarray(format="rgb24")
            frames.append(cv2.resize(picture, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_LINEAR))
            if len(frames) == num_frames:
                break
    if not frames:
        sys.exit(f"{video} has no frames")
    # A short video starts over.
    repeats = -(-num_frames // len(frames))
    return (np.stack(frames * repeats)[:num_frames] / 255).astype(np.float32)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if "model name" in line),
        platform.machine(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=64, help="frames a pass (default 64)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5, help="counted passes (default 5)")
    parser.add_argument("--chunks", type=int, nargs="+", default=[16], help="default 16")
    parser.add_argument("--video", type=Path, help="read frames from here (default: noise)")
    parser.add_argument(
        "--models",
        type=Path,
        default=os.environ.get("VIDLAB_MODELS"),
        help="folder with the model files (default $VIDLAB_MODELS)",
    )
    parser.add_argument("--without-tfhub", action="store_true", help="leave the slow one out")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    if options.models is None:
        parser.error("give --models DIR or set VIDLAB_MODELS")
    if min(options.frames, options.threads, options.repeats, *options.chunks) < 1:
        parser.error("counts must be at least 1")
    if options.frames < max(options.chunks):
        parser.error("--frames must be at least the longest chunk")

    frames = read_frames(options.video, options.frames)
    passes = litert_passes(options.models, options.threads)
    passes |= torch_passes(options.models, options.threads, options.chunks)
    if not options.without_tfhub:
        passes |= tfhub_passes(options.models, options.threads)

    seconds: dict[str, list[float]] = {name: [] for name in passes}
    top: dict[str, int] = {}
    for repeat in range(options.repeats + 1):  # the first pass warms up and does not count
        for name, run in passes.items():
            # A tenth of the frames is plenty of the slowest.
            part = frames[: max(8, len(frames) // 8)] if name.startswith("tfhub") else frames
            times, logits = run(part)
            if repeat:
                seconds[name] += times
            top[name] = int(np.argmax(logits))

    medians = {name: 1e3 * statistics.median(times) for name, times in seconds.items()}
    reference = medians["litert int8, steps"]
    machine = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "threads": options.threads,
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"{'runtime':28}{'ms/frame':>10}{'best 10 %':>11}{'of litert':>11}")
    for name, median in medians.items():
        best = 1e3 * float(np.quantile(seconds[name], 0.1))
        print(f"{name:28}{median:10.2f}{best:11.2f}{median / reference:10.2f}x")
    if options.json:
        options.json.write_text(
            json.dumps(
                {
                    "machine": machine,
                    "frames": options.frames,
                    "repeats": options.repeats,
                    "video": options.video.name if options.video else None,
                    "median_ms_per_frame": medians,
                    "of_litert": {name: median / reference for name, median in medians.items()},
                    "top_class": top,
                },
                indent=2,
            )
            + "\n"
        )


if __name__ == "__main__":
    main()
