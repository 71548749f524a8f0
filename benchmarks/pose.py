"""MoveNet on a video: vidlab's `predict` against the bare interpreter loop with OpenCV, in one run.

    python benchmarks/pose.py
    python benchmarks/pose.py --video clip.mp4 --threads 2 --repeats 5

The loop reads frames with OpenCV, pads and scales them to 192x192, and runs LiteRT, as tutorials
do; it keeps no coordinates and looks at no crop. Both take every frame, decoding included, and take
turns; the figure is the median of the passes. Exit code 1 where vidlab takes more than 1.2 times.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np

import vidlab as vl
from vidlab.core.dependencies import require
from vidlab.feeding import processor_name

GOAL = 1.2
SAMPLE = Path(__file__).parents[1] / "data" / "squat.mp4"
SIDE = 192


def bare_loop(video: Path, weights: Path, threads: int) -> int:
    """Run the network on every frame; return how many there were."""
    cv2 = require("cv2", why="the loop with OpenCV")
    litert = require("ai_edge_litert.interpreter", why="the loop with LiteRT")
    interpreter = litert.Interpreter(model_path=str(weights), num_threads=threads)
    interpreter.allocate_tensors()
    taken = interpreter.get_input_details()[0]["index"]
    given = interpreter.get_output_details()[0]["index"]
    capture = cv2.VideoCapture(str(video))
    number = 0
    while True:
        is_read, bgr = capture.read()
        if not is_read:
            return number
        height, width = bgr.shape[:2]
        scale = SIDE / max(height, width)
        small = cv2.resize(
            bgr, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA
        )
        square = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
        top, left = (SIDE - small.shape[0]) // 2, (SIDE - small.shape[1]) // 2
        square[top : top + small.shape[0], left : left + small.shape[1]] = small[..., ::-1]
        interpreter.set_tensor(taken, square[None])
        interpreter.invoke()
        interpreter.get_tensor(given)
        number += 1


def main() -> int:
    """Measure and print; exit code 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, default=SAMPLE)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5, help="counted passes (default 5)")
    options = parser.parse_args()
    try:
        model = vl.load_model("movenet-lightning", num_threads=options.threads)
        weights = next(
            path
            for folder in filter(None, [os.environ.get("VIDLAB_MODELS")])
            if (path := Path(folder) / model.provenance.weights_file).is_file()
        )
    except (vl.VidlabError, StopIteration) as error:
        sys.exit(f"{error or 'Set VIDLAB_MODELS to the folder that holds the weights.'}")
    seconds: dict[str, list[float]] = {"bare loop": [], "vidlab": []}
    for repeat in range(options.repeats + 1):  # the first pass warms up and does not count
        begin = time.perf_counter()
        number = bare_loop(options.video, weights, options.threads)
        middle = time.perf_counter()
        poses = vl.predict(options.video, model, fps="source", progress=False)
        end = time.perf_counter()
        if repeat:
            seconds["bare loop"].append(middle - begin)
            seconds["vidlab"].append(end - middle)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = medians["vidlab"] / medians["bare loop"]
    print(
        f"{processor_name()}, {options.threads} threads, Python {platform.python_version()}, "
        f"{options.video.name}: {number} and {len(poses)} frames"
    )
    for name, value in medians.items():
        print(f"{name:12}{1e3 * value / number:8.2f} ms a frame")
    print(f"vidlab takes {ratio:.2f} times the loop (goal {GOAL})")
    return int(ratio > GOAL)


if __name__ == "__main__":
    sys.exit(main())
