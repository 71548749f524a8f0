"""Frames of StickActions rendered per second on one core.

    python benchmarks/render.py
    python benchmarks/render.py --size 256 --frames 100 --frame-rate 25 --json render.json

Every label's clip is rendered in turn, with keypoints and boxes, in one process that is kept to one
core where the system allows it. The figure is that of all clips together: the first frames of a
clip carry the cost of its place.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import PIL

from vidlab.datasets import STICK_ACTIONS, render_clip
from vidlab.feeding import processor_name

GOAL_FPS = 60.0


def main() -> int:
    """Measure and print; exit code 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=172, help="px (default 172)")
    parser.add_argument("--frames", type=int, default=16, help="a clip (default 16)")
    parser.add_argument("--frame-rate", type=float, default=5.0)
    parser.add_argument("--repeats", type=int, default=3, help="clips of each label (default 3)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()

    core = None
    if hasattr(os, "sched_setaffinity"):
        core = min(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {core})
    render_clip(0, size_px=options.size)  # What is imported late does not count.
    seeds = range(options.repeats * len(STICK_ACTIONS))
    wall, used = time.perf_counter(), time.process_time()
    for seed in seeds:
        render_clip(
            seed, size_px=options.size, frame_rate=options.frame_rate, num_frames=options.frames
        )
    wall, used = time.perf_counter() - wall, time.process_time() - used

    num_frames = len(seeds) * options.frames
    result = {
        "processor": processor_name(),
        "core": core,
        "system": platform.platform(),
        "python": platform.python_version(),
        "pillow": PIL.__version__,
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "size_px": options.size,
        "frames_a_clip": options.frames,
        "clips": len(seeds),
        "frames_per_second": num_frames / wall,
        "frames_per_processor_second": num_frames / used,
    }
    print(", ".join(f"{name} {value}" for name, value in list(result.items())[:6]))
    print(
        f"{len(seeds)} clips of {options.frames} frames of {options.size} px: "
        f"{num_frames / wall:.0f} frames/s (goal {GOAL_FPS:.0f}), "
        f"{num_frames / used:.0f} a second of the core's own time"
    )
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return int(num_frames / wall < GOAL_FPS)


if __name__ == "__main__":
    sys.exit(main())
