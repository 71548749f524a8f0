"""Size and milliseconds per frame of each form that a model can be exported to.

    python benchmarks/exports.py --threads 1
    python benchmarks/exports.py movinet-a0-stream --repeats 20 --json exports.json

Each form is made by ``vidlab.export``, certificate included, and runs frame by frame through
``load_model`` and ``step``. They take turns, video by video, so that other load on the machine
falls on all alike; the figure is the median over all frames. Decoding and scaling are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import vidlab as vl
from vidlab.certificate import read_frames
from vidlab.feeding import processor_name
from vidlab.models import Model
from vidlab.models.export import TARGETS

FRAMES = 24


def seconds_per_frame(model: Model, frames: np.ndarray) -> list[float]:
    """Run one video, frame by frame."""
    state, seconds = model.init_state(), []
    for frame in frames:
        begin = time.perf_counter()
        _, state = model.step(frame[None], state)
        seconds.append(time.perf_counter() - begin)
    return seconds


def main() -> int:
    """Export, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="movinet-a0-stream", help="a stream model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=10, help="counted passes (default 10)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    try:
        models = {
            "torch": vl.load_model(options.model, backend="torch", num_threads=options.threads)
        }
        with tempfile.TemporaryDirectory() as folder:
            sizes = {}
            for to, target in TARGETS.items():
                path = vl.export(models["torch"], Path(folder) / f"model{target.suffix}", to=to)
                files = path.rglob("*") if path.is_dir() else [path]
                sizes[to] = sum(file.stat().st_size for file in files if file.is_file())
                models[to] = vl.load_model(path, num_threads=options.threads)
            _, pictures = read_frames(
                vl.sample_videos()["workout"], models["torch"].preprocessing.frame_rate, FRAMES
            )
            frames = np.stack([models["torch"].preprocessing(rgb) for rgb in pictures])
            seconds: dict[str, list[float]] = {name: [] for name in models}
            for repeat in range(options.repeats + 1):  # the first pass warms up
                for name, model in models.items():
                    times = seconds_per_frame(model, frames)
                    if repeat:
                        seconds[name] += times
    except vl.VidlabError as error:
        sys.exit(f"{error}")

    medians = {name: 1e3 * statistics.median(times) for name, times in seconds.items()}
    best = {name: 1e3 * float(np.quantile(times, 0.1)) for name, times in seconds.items()}
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
    print(f"{'form':14}{'MB':>8}{'ms/frame':>10}{'best 10 %':>11}{'of torch':>10}")
    for name, median in medians.items():
        size = f"{sizes[name] / 1e6:.1f}" if name in sizes else ""
        ratio = median / medians["torch"]
        print(f"{name:14}{size:>8}{median:10.2f}{best[name]:11.2f}{ratio:9.2f}x")
    if options.json:
        result = {
            "machine": machine,
            "model": options.model,
            "size_bytes": sizes,
            "median_ms_per_frame": medians,
            "best_tenth_ms_per_frame": best,
        }
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
