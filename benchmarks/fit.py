"""Teaching the head three new labels from 20 clips each: how long it takes, how good it gets.

    python benchmarks/fit.py
    python benchmarks/fit.py --labels "sitting down" "standing up" bowing --threads 1

The clips are StickActions, written as MP4 into a folder that is kept for the next time. Counted is
the whole call of ``fit``, with looking at the videos and reading them; not rendering, and not
loading the model. Accuracy is that on the clips ``fit`` kept back, and on as many more that it
never saw.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import vidlab as vl
from vidlab.datasets import render_clip
from vidlab.datasets.writing import write_video
from vidlab.feeding import processor_name
from vidlab.models.base import default_num_threads

LABELS = ("clapping", "high kick", "push up")
CLIPS_EACH = 20
GOAL_SECONDS, GOAL_ACCURACY = 300.0, 0.9


def write_clips(folder: Path, labels: list[str], seeds: range) -> Path:
    """Write a class folder of 3.2 s clips for each label; those that are there stay."""
    for label in labels:
        for seed in seeds:
            path = folder / label / f"{seed}.mp4"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                clip = render_clip(seed, label=label, frame_rate=25.0, num_frames=80)
                write_video(path, clip)
    return folder


def main() -> int:
    """Measure and print; exit code 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="movinet-a0-stream")
    parser.add_argument("--labels", nargs="+", default=list(LABELS))
    parser.add_argument("--threads", type=int, help="default: half of the cores")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "vidlab-fit-benchmark",
        help="where the clips are kept",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()

    name = "-".join(sorted(options.labels)).replace(" ", "_")
    first, second = range(1_000_000, 1_000_000 + CLIPS_EACH), range(2_000_000, 2_000_000 + 20)
    data = write_clips(options.folder / name / "fit", options.labels, first)
    unseen = write_clips(options.folder / name / "unseen", options.labels, second)
    try:
        model = vl.load_model(options.model, backend="torch")
        begin, begin_cpu = time.perf_counter(), time.process_time()
        result = vl.fit(model, data, num_threads=options.threads)
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - begin_cpu
        evaluation = vl.evaluate(result.model, unseen)
    except vl.VidlabError as error:
        sys.exit(f"{error}")
    validation = float(result.history["val_accuracy"][result.best_epoch - 1])
    figures = {
        "model": model.title,
        "labels": options.labels,
        "clips_each": CLIPS_EACH,
        "epochs": len(result.history),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "validation_accuracy": validation,
        "unseen_accuracy": evaluation.top1,
    }
    machine = {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "threads": options.threads or default_num_threads(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    print(f"  {result!r}")
    print(f"{seconds:.1f} s ({cpu_seconds:.1f} s of processor), goal {GOAL_SECONDS:.0f} s")
    print(f"validation {validation:.1%}, {len(evaluation)} clips never seen {evaluation.top1:.1%}")
    print(evaluation.per_class.round(3).to_string(index=False))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, **figures}, indent=2) + "\n")
    return int(seconds > GOAL_SECONDS or validation < GOAL_ACCURACY)


if __name__ == "__main__":
    sys.exit(main())
