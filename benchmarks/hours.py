"""`predict` on hours of video: how much more memory it takes than ten minutes do.

    python benchmarks/hours.py
    python benchmarks/hours.py --many           # by predict_many, in parts: the worker's memory
    python benchmarks/hours.py --hours 6 --fps 1 --model litert:movinet-a0-stream

A minute of 320x240 at 25 frames a second is encoded once, and its packets are repeated. Each length
is answered in a process of its own, whose peak is printed; so is what the answers themselves take.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import av
from parts import SAMPLE, repeat

import vidlab as vl
from vidlab.feeding import processor_name
from vidlab.models.memory import peak_bytes

RATE, WIDTH, HEIGHT = 25, 320, 240


def make_minute(path: Path) -> None:
    """Encode the sample over and over, for one minute."""
    frames = [frame.rgb for frame in vl.Video(SAMPLE)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(60 * RATE):
            picture = av.VideoFrame.from_ndarray(frames[number % len(frames)], format="rgb24")
            picture = picture.reformat(WIDTH, HEIGHT, "yuv420p")
            picture.pts = number
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


def answer(path: Path, model: str, fps: float | None) -> tuple[int, int, float, float, int]:
    """Return answers, their bytes, where they end (s), the time it took (s), and the peak."""
    began = time.perf_counter()
    found = vl.predict(path, vl.load_model(model), fps=fps, progress=False)
    seconds = time.perf_counter() - began
    return len(found), found.logits.nbytes, float(found.time_seconds[-1]), seconds, peak_bytes()


def answer_many(path: Path, model: str, fps: float | None) -> tuple[int, int, float, float, int]:
    """Return the same of a run's only worker, which is this process's only child."""
    import resource

    began = time.perf_counter()
    opened = vl.load_model(model)
    with tempfile.TemporaryDirectory() as folder:
        run = vl.predict_many([path], opened, out=folder, fps=fps, workers=1, progress=False)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        found = run.predictions(run.videos["video"][0])
    return len(found), found.logits.nbytes, float(found.time_seconds[-1]), seconds, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--fps", type=float, default=None, help="the model's own by default")
    parser.add_argument("--model", default="litert:stickactions-xs-stream")
    parser.add_argument("--many", action="store_true", help="by predict_many; on Linux")
    options = parser.parse_args()
    print(f"{processor_name()}, {os.cpu_count()} cores; {options.model}")
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        minute = Path(folder) / "minute.mp4"
        make_minute(minute)
        for hours in (1 / 6, options.hours):
            path = Path(folder) / "hours.mp4"
            repeat(minute, path, seconds=3600 * hours)
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                told = pool.submit(
                    answer_many if options.many else answer, path, options.model, options.fps
                ).result()
            num, num_bytes, last_seconds, seconds, peak = told
            peaks.append(peak)
            print(
                f"{last_seconds / 3600:.2f} h in {path.stat().st_size / 1e6:.0f} MB: {num} answers "
                f"({num_bytes / 1e6:.1f} MB of logits) in {seconds:.0f} s, peak {peak / 1e6:.0f} MB"
            )
    print(f"growth: {(peaks[1] - peaks[0]) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
